/*
 * number_exact.h
 *		The slow and exact side of reading numbers, used by number_io.c only.
 */
#ifndef NUMBER_EXACT_H
#define NUMBER_EXACT_H

#include "c.h"

/*
 * ROUND_TO_ODD takes, of the two floats around a number that is none, the one
 * whose last bit is set.  Rounding that again to fewer bits gives what
 * rounding the number itself does.
 */
typedef enum NumberRounding
{
	ROUND_TO_NEAREST, /* ties to even */
	ROUND_TO_ODD
} NumberRounding;

/*
 * number_exact_from_decimal -- the float for a decimal number.
 *
 * [p, end) holds digits and at most one point, nothing else; the number is
 * those digits times 10^exponent.  Returns the bits of the float, without
 * sign: zero if it is too small, infinity if too large.
 */
extern uint32 number_exact_from_decimal(const char *p, const char *end,
										int64		   exponent,
										NumberRounding rounding);

/*
 * number_exact_from_binary -- the float for significand * 2^exponent.
 *
 * sticky tells that the number is larger than that by less than one unit of
 * the significand, which is then at least 2^24.
 */
extern uint32 number_exact_from_binary(uint64 significand, int64 exponent,
									   bool sticky, NumberRounding rounding);

#endif /* NUMBER_EXACT_H */
