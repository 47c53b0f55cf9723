/*
 * float_array.h
 *		Arithmetic on raw arrays of float4, for all element types.
 *
 * Knows nothing of PostgreSQL beyond c.h; allocates nothing and raises no
 * errors.  n >= 0; arrays of one call do not overlap, except that the result
 * of an element-wise operation may be one of its operands.
 */
#ifndef FLOAT_ARRAY_H
#define FLOAT_ARRAY_H

#include "c.h"

/* result[i] = a[i] (op) b[i], rounded once; may overflow to infinity */
extern void float_array_add(float *result, const float *a, const float *b,
							int n);
extern void float_array_subtract(float *result, const float *a, const float *b,
								 int n);
extern void float_array_multiply(float *result, const float *a, const float *b,
								 int n);

/* result[i] = x[i] / divisor, computed in double precision */
extern void float_array_divide(float *result, const float *x, double divisor,
							   int n);

/* no NaN and only magnitudes below limit in x; limit may be infinity */
extern bool float_array_is_below(const float *x, int n, float limit);

/* no magnitudes below limit in x */
extern bool float_array_is_above(const float *x, int n, float limit);

/* Is there a zero in result, the product of a and b, of two other numbers? */
extern bool float_array_product_underflows(const float *result, const float *a,
										   const float *b, int n);

/* -1, 0 or 1: by the first elements that differ, then by length; no NaN */
extern int float_array_compare(const float *a, int a_n, const float *b,
							   int b_n);

/* bit i, the first one the most significant of the first byte: x[i] > 0 */
extern void float_array_sign_bits(const float *x, int n, uint8 *bits);

/*
 * Sums in double precision, which no finite float4 can overflow or underflow.
 * Relative error at most n / 4 * 2^-52 of the sum of the absolute terms.
 */
extern double float_array_sum_squares(const float *x, int n);
extern double float_array_dot(const float *a, const float *b, int n);
extern double float_array_l2sq(const float *a, const float *b, int n);
extern double float_array_l1(const float *a, const float *b, int n);

#endif /* FLOAT_ARRAY_H */
