/*
 * exact_distance.h
 *		When sums in single precision can be trusted, and what distances are
 *		made of them; for all types.
 *
 * The kernels add up in single precision.  Sums of squares beyond its range
 * come out as infinite or NaN, and small ones lose their digits; such results
 * are computed again in double precision, which holds the square of any float4
 * times any number of dimensions.
 */
#ifndef EXACT_DISTANCE_H
#define EXACT_DISTANCE_H

#include "c.h"

#include <float.h>
#include <math.h>

/*
 * A product below the normal range of float4 is wrong by at most 2^-150, so a
 * sum of 2^15 products by at most 2^-135; sums from here on are then right to
 * 2^-29.
 */
#define TRUSTED_SUM 0x1p-106f

static inline bool
sum_is_trusted(float sum)
{
	return likely(sum >= TRUSTED_SUM && sum <= FLT_MAX);
}

/* NaN if one of the vectors is zero; norms are squared */
static inline double
cosine_distance_of(double dot, double norm_a, double norm_b)
{
	double similarity = dot / sqrt(norm_a * norm_b);

	/* rounding must not take the distance out of 0 to 2; NaN stays NaN */
	if (similarity > 1)
		similarity = 1;
	else if (similarity < -1)
		similarity = -1;
	return 1 - similarity;
}

/* The angle between unit vectors, as a share of pi. */
static inline double
spherical_distance_of(double dot)
{
	if (dot > 1)
		dot = 1;
	else if (dot < -1)
		dot = -1;
	return acos(dot) / M_PI;
}

#endif /* EXACT_DISTANCE_H */
