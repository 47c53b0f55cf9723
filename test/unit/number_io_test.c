/*
 * number_io_test.c
 *		Reading and writing numbers, against the C library and PostgreSQL.
 *
 * Reading agrees with strtof on value, range and end of the number for random
 * numbers, exact middles between floats, hexadecimal numbers and random
 * characters; writing agrees with PostgreSQL's own shortest digits and is read
 * back as it was.
 *
 * A program of its own, since it needs the server's static libraries; part of
 * "make check" where they are.
 *
 *	build/number_io_test			a million of each kind
 *	build/number_io_test all		writes and reads back every float4 (two
 *									minutes)
 */
#include "c.h"

#include <ctype.h>
#include <errno.h>
#include <fenv.h>
#include <math.h>
#include <stdlib.h>

#include "common/shortest_dec.h"

#include "check.h"
#include "distance/distance.h"
#include "types/number_io.h"

#define CASES	   1000000
#define MAX_TEXT   400
#define MAX_REPORT 10

static bool every_float;

static int
random_below(int n)
{
	return (int) (random_bits() % n);
}

static float
float_from(uint32 bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint32
bits_of(float value)
{
	uint32 bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/*
 * What strtof says.  That of glibc 2.36 rounds some subnormal hexadecimal
 * numbers to the wrong neighbour, so if a double holds the number exactly, it
 * decides.
 */
static float
expected_value(const char *text, char **end, NumberStatus *status)
{
	const char *digits = text + (*text == '-' || *text == '+');
	float		expected;
	bool		out_of_range;

	errno = 0;
	expected = strtof(text, end);
	out_of_range = errno == ERANGE && (expected == 0 || isinf(expected));
	if (*end - text <= 22 && digits[0] == '0' && (digits[1] | 0x20) == 'x')
	{
		double exact;

		errno = 0;
		exact = strtod(text, end);
		if (errno != ERANGE)
		{
			expected = (float) exact;
			out_of_range = exact != 0 && (expected == 0 || isinf(expected));
		}
	}

	*status = NUMBER_OK;
	if (*end == text)
		*status = NUMBER_INVALID;
	else if (out_of_range)
		*status = expected == 0 ? NUMBER_UNDERFLOW : NUMBER_OVERFLOW;
	return expected;
}

/*
 * number_parse_to_odd against strtof, which rounds as the environment says: of
 * the numbers below and above the text, if they differ, the odd one.
 */
static void
check_to_odd(const char *text)
{
	float below;
	float above;
	float expected;
	float value;

	fesetround(FE_DOWNWARD);
	below = strtof(text, NULL);
	fesetround(FE_UPWARD);
	above = strtof(text, NULL);
	fesetround(FE_TONEAREST);
	expected = (bits_of(below) & 1) != 0 ? below : above;
	/* what rounds to infinity or zero, either way, is left to the caller */
	if (isinf(below) || isinf(above))
		return;

	value = number_parse_to_odd(text);
	if (bits_of(value) != bits_of(expected) && check_failures++ < MAX_REPORT)
		printf("# \"%s\" to odd: value %08x, not %08x\n", text, bits_of(value),
			   bits_of(expected));
}

/* The text is copied to memory that ends with it, for address sanitizers. */
static void
check_reading(const char *text)
{
	size_t		 size = strlen(text) + 1;
	char		*copy = malloc(size);
	char		*expected_end;
	const char	*end;
	float		 expected;
	float		 value;
	NumberStatus expected_status;
	NumberStatus status;

	memcpy(copy, text, size);
	expected = expected_value(copy, &expected_end, &expected_status);
	end = number_parse_float(copy, copy + size - 1, &value, &status);
	if (end != expected_end || status != expected_status ||
		(bits_of(value) != bits_of(expected) &&
		 !(isnan(value) && isnan(expected))))
	{
		if (check_failures++ < MAX_REPORT)
			printf("# \"%s\": value %08x, not %08x; length %d, not %d; "
				   "status %d, not %d\n",
				   text, bits_of(value), bits_of(expected), (int) (end - copy),
				   (int) (expected_end - copy), status, expected_status);
	}
	else if (status == NUMBER_OK && isfinite(value) &&
			 strpbrk(text, "xX") == NULL && random_below(4) == 0)
		check_to_odd(copy);
	free(copy);
}

static void
test_known(void)
{
	static const char *const texts[] = {
		"",
		"-",
		"+",
		".",
		"-.",
		"e5",
		".e5",
		"0",
		"-0",
		"+0",
		"00",
		"0.",
		".0",
		"-.0e0",
		"1e",
		"1e+",
		"1e-x",
		"1.2.3",
		"1,2",
		"1 2",
		"--1",
		"+-1",
		"16777217",
		"16777216.5",
		"16777217.0000000000000000000000000001",
		"8388609.5",
		"33554434.99999999999999999999999999999999",
		"3.4028234663852886e38",
		"3.4028235677973366e38",
		"340282356779733661637539395458142568447",
		"340282356779733661637539395458142568448",
		"1e38",
		"1e39",
		"1e400",
		"1e-400",
		"1e99999999999999999999",
		"1e-99999999999999999999",
		"0e99999999999999999999",
		"1.17549435e-38",
		"1.1754943508e-38",
		"1.17549429e-38",
		"7.006492321624085e-46",
		"7.0064923216240853e-46",
		"7.0064923216240854e-46",
		"7.0064923216240862e-46",
		"1e-45",
		"1.4e-45",
		"2.1019476964872256e-45",
		"0.000000000000000000000000000000000000000001",
		"100000000000000000000000000000000000000",
		"18446744073709551616",
		"18446744073709551615",
		"9999999999999999999",
		"99999999999999999999",
		"0.00000000000000000001",
		"00000000000000000000000000001.5",
		"123456789012345678901234567890e-20",
		"12345678",
		"123456789",
		"0x1f",
		"0x",
		"0x.",
		"0x.8",
		"0x1.",
		"0x1p",
		"0x1p+",
		"0x1p-3",
		"0X1P5",
		"0x1.fffffep127",
		"0x1.ffffffp127",
		"0x1p128",
		"0x1p-149",
		"0x1p-150",
		"0x1.8p-150",
		"0x1.000001p0",
		"0x1.00000100000000000000001p0",
		"0x123456789abcdef0123456789",
		"0x0p99999",
		"00x1",
		"-0x1p1",
		"0x1p99999999999999999999",
		"0x1p-99999999999999999999",
		"inf",
		"INF",
		"-inf",
		"infi",
		"infinity",
		"+Infinity",
		"infinit",
		"nan",
		"NaN",
		"-nan",
		"nano",
		"in",
		"na",
		"n",
		"i",
		"xinf",
		"e",
		"E1",
		"p1",
		"\x80",
		"1\xff"};

	for (int i = 0; i < (int) lengthof(texts); i++)
		check_reading(texts[i]);
}

static void
test_random_decimals(void)
{
	char text[MAX_TEXT];

	for (int i = 0; i < CASES; i++)
	{
		char *p = text;
		int before = random_below(4) == 0 ? random_below(30) : random_below(3);
		int after = random_below(random_below(10) == 0 ? 60 : 20);

		if (random_below(2) == 0)
			*p++ = random_below(4) == 0 ? '+' : '-';
		for (int d = 0; d < before; d++)
			*p++ = random_below(8) == 0 ? '0' : '0' + random_below(10);
		if (random_below(8) != 0)
			*p++ = '.';
		for (int d = 0; d < after; d++)
			*p++ = random_below(8) == 0 ? '0' : '0' + random_below(10);
		*p = '\0';
		if (random_below(3) == 0)
			snprintf(p, MAX_TEXT - (p - text), "%c%d",
					 random_below(2) == 0 ? 'e' : 'E', random_below(110) - 60);
		check_reading(text);
	}
}

/* The middle between two floats, and its neighbours in the last digit. */
static void
test_middles(void)
{
	char text[MAX_TEXT];

	for (int i = 0; i < CASES / 4; i++)
	{
		uint32 bits = (uint32) (random_bits() % 0x7f7fffff);
		double middle = ((double) float_from(bits) + float_from(bits + 1)) / 2;
		int	   digits = random_below(3) == 0 ? 170 : 15 + random_below(110);
		char  *mantissa_end;

		snprintf(text, sizeof(text), "%.*e", digits, middle);
		check_reading(text);

		/* one more or less far behind, or at the last digit */
		mantissa_end = strchr(text, 'e');
		if (random_below(2) == 0)
		{
			char *last = mantissa_end - 1;

			*last = *last == '0' ? '1' : *last - 1;
		}
		else
		{
			char exponent[8];

			strcpy(exponent, mantissa_end);
			memset(mantissa_end, '0', 30);
			strcpy(mantissa_end + 30, "1");
			strcat(text, exponent);
		}
		check_reading(text);
	}
}

static void
test_hexadecimal(void)
{
	char text[MAX_TEXT];

	for (int i = 0; i < CASES; i++)
	{
		char *p = text;
		int	  before = random_below(6);
		int	  after = random_below(4);

		p += snprintf(p, MAX_TEXT, "%s0x", random_below(2) == 0 ? "-" : "");
		for (int d = 0; d < before; d++)
			*p++ = "00000123456789abcdefF8"[random_below(22)];
		if (random_below(3) != 0)
			*p++ = '.';
		for (int d = 0; d < after; d++)
			*p++ = "00000123456789abcdefF8"[random_below(22)];
		*p = '\0';
		if (random_below(4) != 0)
			snprintf(p, MAX_TEXT - (p - text), "p%d", random_below(340) - 190);
		check_reading(text);
	}
}

/* No parenthesis and no space: strtof reads nan(...) and skips space. */
static void
test_random_characters(void)
{
	static const char alphabet[] = "0123456789.-+eExXpPinfatyINFATY,]\x80";
	char			  text[MAX_TEXT];

	for (int i = 0; i < CASES; i++)
	{
		int length = random_below(24);

		for (int c = 0; c < length; c++)
			text[c] = random_below(3) != 0 ? alphabet[random_below(11)]
										   : alphabet[random_below(34)];
		text[length] = '\0';
		check_reading(text);
	}
}

static void
check_writing(uint32 bits)
{
	char		 text[NUMBER_PRINT_ROOM + 1];
	char		 expected[64];
	int			 length = number_print_float(float_from(bits), text);
	int			 expected_length;
	const char	*end;
	float		 value;
	NumberStatus status;

	text[length] = '\0';
	expected_length = float_to_shortest_decimal_bufn(float_from(bits),
													 expected);
	expected[expected_length] = '\0';
	end = number_parse_float(text, text + length, &value, &status);
	if (strcmp(text, expected) != 0 || length > NUMBER_MAX_CHARS ||
		end != text + length || status != NUMBER_OK || bits_of(value) != bits)
	{
		if (check_failures++ < MAX_REPORT)
			printf("# %08x: \"%s\", not \"%s\"; read back as %08x\n", bits,
				   text, expected, bits_of(value));
	}
}

static void
test_writing(void)
{
	uint64 step = every_float ? 1 : 4001;

	for (uint64 bits = 0; bits < 0x7f800000; bits += step)
	{
		check_writing((uint32) bits);
		check_writing((uint32) bits | 0x80000000);
	}
	for (int n = 0; n < 2000000; n += 7)
		check_writing(bits_of((float) n));
	for (int exponent = 0; exponent < 255; exponent++)
	{
		for (int near = -2; near <= 2; near++)
			check_writing((uint32) (Max(exponent << 23, 2) + near));
	}
}

#define MAX_LIST (3 * DECIMAL_BLOCK)

/* A list is its numbers, each with a comma behind it. */
static void
check_list(const float *x, int n)
{
	char  text[MAX_LIST * (NUMBER_MAX_CHARS + 1) + NUMBER_PRINT_ROOM];
	char  expected[sizeof(text)];
	char *p = expected;
	char *end = number_print_list(text, x, n);

	for (int i = 0; i < n; i++)
	{
		p += number_print_float(x[i], p);
		*p++ = ',';
	}
	if (end - text != p - expected ||
		memcmp(text, expected, p - expected) != 0)
	{
		if (check_failures++ < MAX_REPORT)
			printf("# %s: \"%.*s\", not \"%.*s\"\n", distance_kernels->isa,
				   (int) (end - text), text, (int) (p - expected), expected);
	}
}

static void
test_lists(void)
{
	static const char *const names[] = {"baseline", "neon", "avx2", "avx512"};
	static const uint32		 odd_ones[] = {0,		   1,		   0x7fffff,
										   0x800000,   0x3f800000, 0x40800000,
										   0x7f800000, 0x7fc00000, 0x42f60000};
	uint32					 step = every_float ? 1 : 4001;

	for (int t = 0; t < (int) lengthof(names); t++)
	{
		float x[MAX_LIST];

		if (!distance_select(names[t]))
			continue;
		for (uint64 bits = 0; bits + MAX_LIST * step < 0x7f800000;
			 bits += DECIMAL_BLOCK * step)
		{
			for (int i = 0; i < DECIMAL_BLOCK; i++)
				x[i] = float_from((uint32) (bits + i * step) | (uint32) (i & 1)
																   << 31);
			check_list(x, DECIMAL_BLOCK);
		}
		for (int n = 0; n <= MAX_LIST; n++)
		{
			for (int i = 0; i < n; i++)
			{
				uint64 r = random_bits();

				if (r % 3 == 0)
					x[i] = float_from(odd_ones[(r >> 8) % lengthof(odd_ones)]);
				else if (r % 3 == 1)
					x[i] = (float) ((int64) (r >> 8) % 2000) / 8;
				else
					x[i] = float_from((uint32) (r >> 32));
			}
			check_list(x, n);
		}
	}
	distance_select("auto");
}

static void
test_special(void)
{
	static const struct
	{
		uint32		bits;
		const char *text;
	} cases[] = {{0x7f800000, "Infinity"},
				 {0xff800000, "-Infinity"},
				 {0x7fc00000, "NaN"},
				 {0xffc00000, "NaN"}};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		char text[NUMBER_PRINT_ROOM + 1];

		text[number_print_float(float_from(cases[i].bits), text)] = '\0';
		if (strcmp(text, cases[i].text) != 0)
		{
			check_failures++;
			printf("# %08x: \"%s\"\n", cases[i].bits, text);
		}
	}
}

int
main(int argc, char **argv)
{
	every_float = argc > 1 && strcmp(argv[1], "all") == 0;
	check_begin();
	run_group("known cases are read as by strtof", test_known);
	run_group("random decimals are read as by strtof", test_random_decimals);
	run_group("middles between floats are read as by strtof", test_middles);
	run_group("hexadecimal numbers are read as by strtof", test_hexadecimal);
	run_group("random characters are read as by strtof",
			  test_random_characters);
	run_group("NaN and infinities are written as by PostgreSQL", test_special);
	run_group("floats are written as by PostgreSQL and read back",
			  test_writing);
	run_group("lists are written as their numbers are, by all kernels",
			  test_lists);
	return check_end();
}
