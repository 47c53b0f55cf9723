/*
 * fuzz_number.c
 *		Reading and writing of one number, compared with the C library's.
 */
#include "oracle.h"

#include <math.h>

/* How many digits of a number are between its first and last that is not zero. */
static int
significant_digits(const char *number)
{
	int digits = 0;
	int zeros = 0;

	for (const char *p = number; *p != '\0' && *p != 'e'; p++)
	{
		if (*p == '0' && digits > 0)
			zeros++;
		else if (*p >= '1' && *p <= '9')
		{
			digits += zeros + 1;
			zeros = 0;
		}
	}
	return digits;
}

/*
 * Is number in the middle between value and the float next to it?  It may read
 * as value then, but the server's float4out does not count on that.
 */
static bool
is_tie(double number, float value)
{
	float next = nextafterf(value, number > value ? INFINITY : -INFINITY);

	return number - value == ((double) next - value) / 2;
}

/* What is printed reads back as the same bits, and could not be shorter. */
static void
check_print(float value)
{
	char		 text[NUMBER_PRINT_ROOM + 1];
	char		 shorter[64];
	int			 n = number_print_float(value, text);
	int			 digits;
	float		 back;
	NumberStatus status;

	REQUIRE(n > 0 && n <= NUMBER_MAX_CHARS, "%d characters", n);
	text[n] = '\0';
	REQUIRE(number_parse_float(text, text + n, &back, &status) == text + n &&
				status == NUMBER_OK,
			"%s", text);
	if (isnan(value))
	{
		REQUIRE(isnan(back), "%s", text);
		return;
	}
	REQUIRE(float_bits(back) == float_bits(value), "%s is %08x, not %08x",
			text, float_bits(back), float_bits(value));

	if (isinf(value) || value == 0)
		return;
	digits = significant_digits(text);
	if (digits > 1)
	{
		snprintf(shorter, sizeof(shorter), "%.*e", digits - 2, value);
		REQUIRE(float_bits(strtof(shorter, NULL)) != float_bits(value) ||
					is_tie(strtod(shorter, NULL), value),
				"%s could be %s", text, shorter);
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char		*text = input_text(data, size);
	const char	*end = text + strlen(text);
	float		 value;
	float		 expected;
	NumberStatus status;
	NumberStatus expected_status;
	const char	*after = number_parse_float(text, end, &value, &status);
	const char	*expected_after = oracle_number(text, &expected,
												&expected_status);

	REQUIRE(status == expected_status, "\"%s\": status %d, not %d", text,
			status, expected_status);
	REQUIRE(after == expected_after, "\"%s\": %d characters, not %d", text,
			(int) (after - text), (int) (expected_after - text));
	if (status != NUMBER_INVALID && !isnan(expected))
	{
		REQUIRE(float_bits(value) == float_bits(expected),
				"\"%s\": %08x, not %08x", text, float_bits(value),
				float_bits(expected));
		if (isfinite(value))
		{
			float odd = number_parse_to_odd(text);
			float expected_odd = oracle_to_odd(text);

			REQUIRE(float_bits(odd) == float_bits(expected_odd),
					"\"%s\": %08x to odd, not %08x", text, float_bits(odd),
					float_bits(expected_odd));
		}
		check_print(value);
	}
	else
		REQUIRE(status == NUMBER_INVALID || isnan(value), "\"%s\"", text);

	/* the input as a number in memory, too */
	if (size >= sizeof(float))
	{
		uint32 bits;

		memcpy(&bits, data, sizeof(bits));
		check_print(float_from_bits(bits));
	}
	free(text);
	return 0;
}
