/*
 * number_io.h
 *		Reading and writing float4 numbers as text, for all element types.
 *
 * Pure functions: nothing of PostgreSQL beyond c.h, no locale, no memory, no
 * errors.  They read what strtof reads in the C locale and write what
 * PostgreSQL's float4out writes with its default extra_float_digits.
 */
#ifndef NUMBER_IO_H
#define NUMBER_IO_H

#include "c.h"

typedef enum NumberStatus
{
	NUMBER_OK,		 /* finite, infinite or NaN, as written */
	NUMBER_INVALID,	 /* no number here */
	NUMBER_OVERFLOW, /* finite in the text, rounds to infinity */
	NUMBER_UNDERFLOW /* not zero in the text, rounds to zero */
} NumberStatus;

/* Most characters of one number, and the room that writing one may touch. */
#define NUMBER_MAX_CHARS  16
#define NUMBER_PRINT_ROOM 32

/*
 * number_parse_float -- read the number at p, rounded correctly to float4.
 *
 * [p, end) is text, and *end has to be a zero byte.  A sign may come first,
 * white space may not.  Decimal and hexadecimal numbers, "inf", "infinity" and
 * "nan" in any case are numbers.  Returns the position after the longest
 * number, or p and NUMBER_INVALID.  On overflow and underflow *value is the
 * signed infinity or zero.
 */
extern const char *number_parse_float(const char *p, const char *end,
									  float *value, NumberStatus *status);

/*
 * number_parse_to_odd -- the number at p, which number_parse_float has found
 * to be finite, rounded to odd.
 *
 * That is the number itself if a float4 can hold it, else the float4 next to
 * it, above or below, whose last bit is set: rounding that to fewer bits gives
 * what rounding the number itself gives.  Slow.
 */
extern float number_parse_to_odd(const char *p);

/*
 * number_print_float -- write the shortest digits that read back as value.
 *
 * Returns the number of characters, at most NUMBER_MAX_CHARS; no zero byte is
 * added.  Up to NUMBER_PRINT_ROOM bytes at out are overwritten.
 */
extern int number_print_float(float value, char *out);

/*
 * number_print_list -- write n numbers, each with a comma behind it, at p;
 * return the position after them.
 *
 * Up to NUMBER_PRINT_ROOM bytes from there on are overwritten.
 */
extern char *number_print_list(char *p, const float *x, int n);

#endif /* NUMBER_IO_H */
