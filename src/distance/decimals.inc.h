/*
 * decimals.inc.h
 *		The shortest decimals of a block of floats; included by kernels.inc.h.
 *
 * For each float it computes what shortest_decimal in types/number_io.c does,
 * whose comments explain the numbers.  There are no branches and no products of
 * more than 64 bits, so that compilers make vector code of the loops; a
 * comparison is the sign bit of a difference of numbers far below 2^63.
 */
static void
decimals_f32(const float *x, const uint64 *powers, DecimalBlock *result)
{
	const uint64 one = UINT64CONST(1) << 32;
	const uint64 eight_digits = 100000000;
	uint64		bits[DECIMAL_BLOCK];
	uint64		power[DECIMAL_BLOCK];
	uint64		shift[DECIMAL_BLOCK];
	int32		k[DECIMAL_BLOCK];

	for (int i = 0; i < DECIMAL_BLOCK; i++)
	{
		uint32		float_bits;
		int32		q;

		memcpy(&float_bits, x + i, sizeof(float_bits));
		bits[i] = float_bits;
		/* subnormal numbers, which get no right result, have exponent zero */
		q = Max((int32) (float_bits >> 23 & 255), 1) - 150;
		k[i] = (q * 1262611) >> 22;
		shift[i] = q + ((-k[i] * 1741647) >> 19) + 1;
	}
	for (int i = 0; i < DECIMAL_BLOCK; i++)
		power[i] = powers[-k[i]] + 1;

	for (int i = 0; i < DECIMAL_BLOCK; i++)
	{
		uint64		c = (bits[i] & 0x7fffff) | 0x800000;
		uint64		scaled = (4 * c) << shift[i];
		uint64		value = (power[i] >> 32) * scaled +
			(((power[i] & 0xffffffff) * scaled) >> 32);
		uint64		above = power[i] >> (31 - shift[i]);
		uint64		units = value >> 34;
		uint64		tens = ((units * UINT64CONST(3435973837)) >> 35) * 10;
		uint64		rest_of_tens = value - (tens << 34);
		uint64		rest = value & (4 * one - 1);
		uint64		up = (40 * one - rest_of_tens + 2 - above) >> 63;
		uint64		is_tens = ((rest_of_tens + 2 - above) >> 63) ^ up;
		uint64		down;
		uint64		closer;
		uint64		is_short;
		uint64		number;
		uint64		low;
		uint64		digits;
		uint64		quotients;

		tens += 10 * up;
		up = (4 * one - rest + 2 - above) >> 63;
		down = (rest + 2 - above) >> 63;
		closer = (2 * one + 1 - rest - 2 * (units & 1)) >> 63;
		units += up & (closer | (down ^ 1));
		number = units ^ ((units ^ tens) & -is_tens);

		/* nine digits of seven, eight or nine */
		is_short = (number - eight_digits) >> 63;
		number += 9 * number & -is_short;
		k[i] -= (int32) is_short;
		is_short = (number - eight_digits) >> 63;
		number += 9 * number & -is_short;
		k[i] -= (int32) is_short;

		/* quotients by 10^8, 10^4, and of four digits by 100 and 10 */
		result->first[i] = (uint32) ((number * 1441151881) >> 57);
		low = number - result->first[i] * eight_digits;
		quotients = (low * UINT64CONST(3518437209)) >> 45;
		digits = quotients | (low - quotients * 10000) << 32;
		quotients = ((digits * 10486) >> 20) & UINT64CONST(0x0000007f0000007f);
		digits = quotients | (digits - 100 * quotients) << 16;
		quotients = ((digits * 103) >> 10) & UINT64CONST(0x000f000f000f000f);
		result->digits[i] = quotients | (digits - 10 * quotients) << 8;
		result->exponent[i] = k[i] + 8;
	}
}
