/*
 * number_exact.c
 *		The slow and exact side of reading numbers.
 *
 * Serves what the 64-bit arithmetic of number_io.c cannot decide: numbers that
 * lie next to the middle between two floats, subnormal floats, and hexadecimal
 * numbers.  About a microsecond a number.
 */
#include "c.h"

#include "types/number_exact.h"

#define FLOAT_INFINITY_BITS 0x7f800000

/* Exponent of the last bit of a subnormal float, and of the largest float. */
#define FLOAT_MIN_EXPONENT (-149)
#define FLOAT_MAX_EXPONENT 104

/*
 * The middle between two floats has at most 113 significant decimal digits,
 * so what comes after these many digits counts only as more than nothing.
 */
#define EXACT_DIGITS 120

/*
 * Unsigned integers of at most 32 limbs, the least significant one first.
 * The largest one here is 10^166 * 2^32 with 584 bits.
 */
#define BIG_LIMBS 32

typedef struct BigInt
{
	int	   count; /* limbs in use; the last one is not zero */
	uint32 limb[BIG_LIMBS];
} BigInt;

/* big = big * factor + addend */
static void
big_multiply_add(BigInt *big, uint32 factor, uint32 addend)
{
	uint64 carry = addend;

	for (int i = 0; i < big->count; i++)
	{
		carry += (uint64) big->limb[i] * factor;
		big->limb[i] = (uint32) carry;
		carry >>= 32;
	}
	if (carry != 0)
		big->limb[big->count++] = (uint32) carry;
}

/* big = big * 10^power */
static void
big_scale(BigInt *big, int power)
{
	for (; power >= 9; power -= 9)
		big_multiply_add(big, 1000000000, 0);
	for (; power > 0; power--)
		big_multiply_add(big, 10, 0);
}

/* big = big * 2^bits */
static void
big_shift(BigInt *big, int bits)
{
	for (; bits >= 31; bits -= 31)
		big_multiply_add(big, (uint32) 1 << 31, 0);
	big_multiply_add(big, (uint32) 1 << bits, 0);
}

static int
big_bits(const BigInt *big)
{
	uint32 top;
	int	   bits;

	if (big->count == 0)
		return 0;
	bits = 32 * (big->count - 1);
	for (top = big->limb[big->count - 1]; top != 0; top >>= 1)
		bits++;
	return bits;
}

static int
big_compare(const BigInt *a, const BigInt *b)
{
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	for (int i = a->count - 1; i >= 0; i--)
	{
		if (a->limb[i] != b->limb[i])
			return a->limb[i] < b->limb[i] ? -1 : 1;
	}
	return 0;
}

/* a = a - b, for a >= b */
static void
big_subtract(BigInt *a, const BigInt *b)
{
	int64 borrow = 0;

	for (int i = 0; i < a->count; i++)
	{
		borrow += (int64) a->limb[i] - (i < b->count ? b->limb[i] : 0);
		a->limb[i] = (uint32) borrow;
		borrow >>= 32;
	}
	while (a->count > 0 && a->limb[a->count - 1] == 0)
		a->count--;
}

uint32
number_exact_from_binary(uint64 significand, int64 exponent, bool sticky,
						 NumberRounding rounding)
{
	bool   to_odd = rounding == ROUND_TO_ODD;
	uint64 rest;
	uint64 half;
	int	   drop = 0;
	uint64 result;

	if (significand == 0)
		return 0;
	if (exponent > 2 * FLOAT_MAX_EXPONENT)
		return FLOAT_INFINITY_BITS;
	if (exponent < FLOAT_MIN_EXPONENT - 64)
		return to_odd;

	/* 24 significant bits, or as many as a subnormal float has left */
	while (significand < (UINT64CONST(1) << 23) &&
		   exponent > FLOAT_MIN_EXPONENT)
	{
		significand <<= 1;
		exponent--;
	}
	while (drop < 64 && ((significand >> drop) >= (UINT64CONST(1) << 24) ||
						 exponent + drop < FLOAT_MIN_EXPONENT))
		drop++;
	if (drop == 64)
	{
		/* all of it is below the last bit of the smallest float */
		if (to_odd)
			return 1;
		half = UINT64CONST(1) << 63;
		return exponent + drop == FLOAT_MIN_EXPONENT &&
			   (significand > half || (significand == half && sticky));
	}

	if (drop > 0)
	{
		half = UINT64CONST(1) << (drop - 1);
		rest = significand & ((half << 1) - 1);
		significand >>= drop;
		exponent += drop;
		if (to_odd)
			significand |= rest != 0 || sticky;
		else if (rest > half ||
				 (rest == half && (sticky || (significand & 1) != 0)))
			significand++; /* 2^24 is right for the sum below */
	}

	/* the leading bit, if there is one, adds one to the exponent field */
	if (exponent > FLOAT_MAX_EXPONENT)
		return FLOAT_INFINITY_BITS;
	result = significand + ((uint64) (exponent - FLOAT_MIN_EXPONENT) << 23);
	return (uint32) Min(result, (uint64) FLOAT_INFINITY_BITS);
}

uint32
number_exact_from_decimal(const char *p, const char *end, int64 exponent,
						  NumberRounding rounding)
{
	BigInt numerator;
	BigInt denominator;
	bool   after_point = false;
	bool   more = false;
	int	   digits = 0;
	int	   shift;
	uint32 quotient = 0;

	numerator.count = 0;
	for (; p < end; p++)
	{
		if (*p == '.')
		{
			after_point = true;
			continue;
		}
		if (digits < EXACT_DIGITS)
		{
			if (digits > 0 || *p != '0')
			{
				big_multiply_add(&numerator, 10, *p - '0');
				digits++;
			}
			if (after_point)
				exponent--;
		}
		else
		{
			more |= *p != '0';
			if (!after_point)
				exponent++;
		}
	}
	if (digits == 0)
		return 0;
	if (more)
	{
		big_multiply_add(&numerator, 10, 1);
		exponent--;
		digits++;
	}

	/* 10^(digits + exponent - 1) <= number < 10^(digits + exponent) */
	if (digits + exponent > 40)
		return FLOAT_INFINITY_BITS;
	if (digits + exponent < -45)
		return rounding == ROUND_TO_ODD;

	denominator.count = 1;
	denominator.limb[0] = 1;
	if (exponent >= 0)
		big_scale(&numerator, (int) exponent);
	else
		big_scale(&denominator, (int) -exponent);

	/* a quotient of 31 or 32 bits; what remains only has to be known as such */
	shift = 31 - (big_bits(&numerator) - big_bits(&denominator));
	if (shift >= 0)
		big_shift(&numerator, shift);
	else
		big_shift(&denominator, -shift);
	big_shift(&denominator, 32);
	for (int i = 0; i < 33; i++)
	{
		quotient <<= 1;
		if (big_compare(&numerator, &denominator) >= 0)
		{
			big_subtract(&numerator, &denominator);
			quotient |= 1;
		}
		big_shift(&numerator, 1);
	}
	return number_exact_from_binary(quotient, -shift, numerator.count != 0,
									rounding);
}
