/*
 * half_rounding.h
 *		How a number in double precision or text becomes a half with one rounding.
 *
 * Knows nothing of PostgreSQL beyond c.h.
 */
#ifndef HALF_ROUNDING_H
#define HALF_ROUNDING_H

#include <math.h>

#include "types/half.h"

/*
 * half_is_tie -- is value the exact middle between two halves, or between the
 * largest one and infinity?
 *
 * A number that was rounded to such a float has lost which way to round it to
 * a half.
 */
static inline bool
half_is_tie(float value)
{
	uint32 bits;
	float  units;

	memcpy(&bits, &value, sizeof(bits));
	bits &= 0x7fffffff;
	if (likely(bits >= 0x38800000)) /* 2^-14, the smallest normal half */
		return (bits & 0x1fff) == 0x1000;

	/* an odd number of halves of the smallest half, 2^-24 */
	units = fabsf(value) * 0x1p25f;
	return units == (int) units && ((int) units & 1) != 0;
}

/*
 * double_to_odd -- value as a float; if it is none, the float next to it whose
 * last bit is set, so that rounding that to a half rounds value to a half.
 * Infinity if a float cannot hold the magnitude, as a cast gives.
 */
static inline float
double_to_odd(double value)
{
	float  nearest = (float) value;
	uint32 bits;

	if (nearest == value || !isfinite(nearest))
		return nearest;
	memcpy(&bits, &nearest, sizeof(bits));
	if ((bits & 1) == 0)
		bits += fabs(value) > fabs((double) nearest) ? 1 : -1;
	memcpy(&nearest, &bits, sizeof(bits));
	return nearest;
}

#endif /* HALF_ROUNDING_H */
