/*
 * rounding.h
 *		Doubles to floats, for codes and bounds, and what floats lose.
 */
#ifndef QUANTIZE_ROUNDING_H
#define QUANTIZE_ROUNDING_H

#include "c.h"

#include <float.h>
#include <math.h>

#define FLOAT_UNIT 0x1p-24	/* relative error of one float operation */
#define FLOAT_TINY 0x1p-149 /* absolute error of one near zero */

/* A bit more than sqrt(2 * FLOAT_TINY), which is 0x1p-74. */
#define ROOT_2_TINY 0x1.01p-74

/* The least float above one that is finite and not negative. */
static inline float
next_float(float x)
{
	union
	{
		float  value;
		uint32 bits;
	} number = {x};

	number.bits++;
	return number.value;
}

/* Smallest float >= value, for value >= 0. */
static inline float
round_up(double value)
{
	float rounded;

	if (!(value <= FLT_MAX))
		return INFINITY;
	rounded = (float) value;
	return (double) rounded < value ? next_float(rounded) : rounded;
}

static inline float
clamp_to_float(double value)
{
	if (value < -FLT_MAX)
		return -FLT_MAX;
	/* NaN, of infinities that cancel out, too */
	return value <= FLT_MAX ? (float) value : FLT_MAX;
}

#endif /* QUANTIZE_ROUNDING_H */
