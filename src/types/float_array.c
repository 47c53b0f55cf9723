/*
 * float_array.c
 *		Arithmetic on raw arrays of float4, for all element types.
 *
 * Inner loops have a fixed length, so that a compiler that vectorizes only
 * where that is certain to pay off does so.
 */
#include "c.h"

#include <math.h>

#include "types/float_array.h"

#define BLOCK 16

void
float_array_add(float *result, const float *a, const float *b, int n)
{
	int i = 0;

	for (; i + BLOCK <= n; i += BLOCK)
	{
		float block[BLOCK];

		for (int j = 0; j < BLOCK; j++)
			block[j] = a[i + j] + b[i + j];
		memcpy(result + i, block, sizeof(block));
	}
	for (; i < n; i++)
		result[i] = a[i] + b[i];
}

void
float_array_subtract(float *result, const float *a, const float *b, int n)
{
	int i = 0;

	for (; i + BLOCK <= n; i += BLOCK)
	{
		float block[BLOCK];

		for (int j = 0; j < BLOCK; j++)
			block[j] = a[i + j] - b[i + j];
		memcpy(result + i, block, sizeof(block));
	}
	for (; i < n; i++)
		result[i] = a[i] - b[i];
}

void
float_array_multiply(float *result, const float *a, const float *b, int n)
{
	int i = 0;

	for (; i + BLOCK <= n; i += BLOCK)
	{
		float block[BLOCK];

		for (int j = 0; j < BLOCK; j++)
			block[j] = a[i + j] * b[i + j];
		memcpy(result + i, block, sizeof(block));
	}
	for (; i < n; i++)
		result[i] = a[i] * b[i];
}

void
float_array_divide(float *result, const float *x, double divisor, int n)
{
	for (int i = 0; i < n; i++)
		result[i] = (float) (x[i] / divisor);
}

bool
float_array_is_below(const float *x, int n, float limit)
{
	int i = 0;

	for (; i + BLOCK <= n; i += BLOCK)
	{
		int good = 1;

		for (int j = 0; j < BLOCK; j++)
			good &= fabsf(x[i + j]) < limit;
		if (!good)
			return false;
	}
	for (; i < n; i++)
	{
		if (!(fabsf(x[i]) < limit))
			return false;
	}
	return true;
}

bool
float_array_is_above(const float *x, int n, float limit)
{
	int i = 0;

	for (; i + BLOCK <= n; i += BLOCK)
	{
		int good = 1;

		for (int j = 0; j < BLOCK; j++)
			good &= fabsf(x[i + j]) >= limit;
		if (!good)
			return false;
	}
	for (; i < n; i++)
	{
		if (fabsf(x[i]) < limit)
			return false;
	}
	return true;
}

bool
float_array_product_underflows(const float *result, const float *a,
							   const float *b, int n)
{
	int bad = 0;

	for (int i = 0; i < n; i++)
		bad |= (result[i] == 0) & (a[i] != 0) & (b[i] != 0);
	return bad != 0;
}

int
float_array_compare(const float *a, int a_n, const float *b, int b_n)
{
	int n = Min(a_n, b_n);

	for (int i = 0; i < n; i++)
	{
		if (a[i] < b[i])
			return -1;
		if (a[i] > b[i])
			return 1;
	}
	return (a_n > b_n) - (a_n < b_n);
}

void
float_array_sign_bits(const float *x, int n, uint8 *bits)
{
	int i = 0;

	for (; i + 8 <= n; i += 8)
	{
		uint8 byte = 0;

		for (int j = 0; j < 8; j++)
			byte |= (x[i + j] > 0) << (7 - j);
		*bits++ = byte;
	}
	if (i < n)
	{
		uint8 byte = 0;

		for (int j = 0; i + j < n; j++)
			byte |= (x[i + j] > 0) << (7 - j);
		*bits = byte;
	}
}

/*
 * Four sums side by side, so that additions need not wait for each other.  The
 * order of the additions is fixed: results do not depend on the compiler.
 */
#define SUM_IN_DOUBLE(n, term)                        \
	do                                                \
	{                                                 \
		double sum[4] = {0, 0, 0, 0};                 \
		int	   at = 0;                                \
                                                      \
		for (; at + 4 <= (n); at += 4)                \
		{                                             \
			for (int lane = 0; lane < 4; lane++)      \
			{                                         \
				int i = at + lane;                    \
                                                      \
				sum[lane] += (term);                  \
			}                                         \
		}                                             \
		for (int i = at; i < (n); i++)                \
			sum[i - at] += (term);                    \
		return (sum[0] + sum[1]) + (sum[2] + sum[3]); \
	} while (0)

double
float_array_sum_squares(const float *x, int n)
{
	SUM_IN_DOUBLE(n, (double) x[i] * x[i]);
}

double
float_array_dot(const float *a, const float *b, int n)
{
	SUM_IN_DOUBLE(n, (double) a[i] * b[i]);
}

double
float_array_l2sq(const float *a, const float *b, int n)
{
	SUM_IN_DOUBLE(n, ((double) a[i] - b[i]) * ((double) a[i] - b[i]));
}

double
float_array_l1(const float *a, const float *b, int n)
{
	SUM_IN_DOUBLE(n, fabs((double) a[i] - b[i]));
}
