/*
 * sq8_sums.h
 *		Sums of levels, and the distances that they make: for sq8.c and sq8_halves.c
 *		alone.
 */
#ifndef QUANTIZE_SQ8_SUMS_H
#define QUANTIZE_SQ8_SUMS_H

#include "c.h"

#include <math.h>

#include "quantize/rounding.h"
#include "quantize/sq8.h"

/* The integer sums of one side, and what they count. */
typedef struct LevelSums
{
	double offset;
	double step;
	double sum;
	double sum_squares;
	double step_sum;	 /* step * sum */
	double step_squares; /* step^2 * sum_squares */
} LevelSums;

static inline LevelSums
query_sums(const Sq8Query *query)
{
	LevelSums sums = {query->offset,   query->step,
					  query->sum,	   query->sum_squares,
					  query->step_sum, query->step_squares};

	return sums;
}

static inline LevelSums
code_sums(const Sq8Code *code)
{
	double	  step = code->step;
	LevelSums sums = {code->offset,		step,
					  code->sum,		code->sum_squares,
					  step * code->sum, step * step * code->sum_squares};

	return sums;
}

/* Square of the distance, but for rounding: it may be below zero. */
static inline double
l2_square(uint32 dim, LevelSums a, LevelSums b, double dot)
{
	double offset = a.offset - b.offset;

	return dim * offset * offset + 2 * offset * (a.step_sum - b.step_sum) +
		   a.step_squares + b.step_squares - 2 * a.step * b.step * dot;
}

static inline double
l2_distance(uint32 dim, LevelSums a, LevelSums b, double dot)
{
	double square = l2_square(dim, a, b, dot);

	return square > 0 ? sqrt(square) : 0;
}

static inline double
inner_product(uint32 dim, LevelSums a, LevelSums b, double dot)
{
	return dim * a.offset * b.offset + a.offset * b.step_sum +
		   b.offset * a.step_sum + a.step * b.step * dot;
}

/*
 * What rounding may have done to the estimate of an L2 distance, but for the
 * conversion to float, and to the float32 kernel's result where it is near zero.
 *
 * The estimate's square is a sum of terms which may cancel: below 3 * terms in
 * all, with errors of 2^-50 of that.  The distance has what comes from offsets.
 */
static inline double
l2_square_rounding(const Sq8Query *query, LevelSums c)
{
	double offset = query->offset - c.offset;
	double terms = query->dim * offset * offset + query->step_squares +
				   c.step_squares;

	return 3 * terms * 0x1p-50;
}

static inline double
l2_offset_rounding(const Sq8Query *query, LevelSums c)
{
	return query->root_dim *
		   (ROOT_2_TINY + 0x1p-50 * (fabs(query->offset) + fabs(c.offset)));
}

static inline double
l2_rounding(const Sq8Query *query, LevelSums c)
{
	return sqrt(l2_square_rounding(query, c)) + l2_offset_rounding(query, c);
}

/*
 * Bound of the error of an inner product with what has lost `residual`; share: as
 * much of it as is needed.
 */
extern double sq8_ip_error(const Sq8Query *query, LevelSums c, double residual,
						   double share);

#endif /* QUANTIZE_SQ8_SUMS_H */
