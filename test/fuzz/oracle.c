/*
 * oracle.c
 *		What the code under test is compared with: the C library.
 *
 * The process is in the C locale, and strtold rounds correctly in every rounding
 * mode.
 */
#include "oracle.h"

#include <fenv.h>
#include <math.h>

char *
input_text(const uint8 *data, size_t size)
{
	char *text = malloc(size + 1);

	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

uint32
float_bits(float value)
{
	uint32 bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

float
float_from_bits(uint32 bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/*
 * to_odd -- the number at p as a long double, rounded to odd, so that rounding
 * that to a float rounds the number itself.
 *
 * Not strtof: glibc's gets subnormal hexadecimal numbers wrong, even to nearest
 * ("0x.001008001000000000000p-129").  A long double has more bits, in the
 * lowest address first, and no subnormal numbers where floats have them.
 */
static long double
to_odd(const char *p, char **end)
{
	long double inward;
	long double outward;

	fesetround(FE_TOWARDZERO);
	inward = strtold(p, end);
	fesetround(*p == '-' ? FE_DOWNWARD : FE_UPWARD);
	outward = strtold(p, NULL);
	fesetround(FE_TONEAREST);
	if (inward != outward && !isnan(inward))
		*(uint8 *) &inward |= 1;
	return inward;
}

const char *
oracle_number(const char *p, float *value, NumberStatus *status)
{
	char	   *end;
	long double number;

	*value = 0;
	*status = NUMBER_INVALID;
	/* the C library skips white space */
	if (*p == ' ' || (*p >= '\t' && *p <= '\r'))
		return p;
	number = to_odd(p, &end);
	if (end == p)
		return p;
	*value = (float) number;
	*status = NUMBER_OK;
	if (isinf(*value) && !isinf(number))
		*status = NUMBER_OVERFLOW;
	else if (*value == 0 && number != 0)
		*status = NUMBER_UNDERFLOW;
	/* of "nan(...)" only the first three letters are meant to be a number */
	if (isnan(*value))
		end = (char *) p + 3 + (*p == '+' || *p == '-');
	return end;
}

float
oracle_to_odd(const char *p)
{
	char	   *end;
	long double number = to_odd(p, &end);
	float		value = (float) number;

	if (value == number)
		return value;
	if (fabsl(value) > fabsl(number))
		value = nextafterf(value, 0);
	return float_from_bits(float_bits(value) | 1);
}

double
oracle_half(float value)
{
	int	   exponent;
	double unit;
	double half;

	if (!isfinite(value))
		return value;
	frexp(value, &exponent);
	/* 11 bits, and no bit below 2^-24 */
	unit = ldexp(1, Max(exponent - 11, -24));
	half = rint(value / unit) * unit;
	return fabs(half) > HALF_MAX ? copysign(INFINITY, half) : half;
}

double
element_value(const VectorType *type, float value)
{
	return type->element_bytes == sizeof(half) ? oracle_half(value) : value;
}

bool
oracle_element(const VectorType *type, const char **p, double *value,
			   NumberStatus *status)
{
	float		number;
	const char *end = oracle_number(*p, &number, status);

	if (*status == NUMBER_INVALID || *status == NUMBER_OVERFLOW ||
		!isfinite(number))
		return false;
	*value = type->element_bytes == sizeof(half)
				 ? oracle_half(oracle_to_odd(*p))
				 : number;
	*p = end;
	return isfinite(*value);
}
