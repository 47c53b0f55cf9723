/*
 * sq8_rest.h
 *		What an 8-bit code lost of a vector, in 1, 2 or 4 bits a dimension.
 *
 * The rest of a vector, less what its code (sq8.h) stands for, is at most half a
 * step of the code in each dimension.  It is rounded to one of 2^bits levels of a
 * step, so what is lost in the end has 1 / 2^bits of the length.  The estimate of
 * a distance that the code gave is all that is needed of it to get a better one
 * from the rest: the code need not be read again.
 *
 * For L2 and inner product, and for vectors that were rotated at random: bounds
 * are likely ones, as those of sq8_likely_error.
 *
 * Raw arrays only: no buffers, no varlena, no allocation, no errors.
 */
#ifndef QUANTIZE_SQ8_REST_H
#define QUANTIZE_SQ8_REST_H

#include "c.h"

#include "quantize/sq8.h"

/*
 * A rest as stored (native byte order, 4-byte aligned):
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		step of the levels, float >= 0: rounded[i] =
 *					step * (levels[i] - (2^bits - 1) / 2)
 *	4		4		what the rest adds to the square of a distance, but for what
 *					depends on the query: |decoded + rounded|^2 - |decoded|^2, float
 *	8		4		residual: L2 norm of x - decoded - rounded, rounded up
 *	12		4		L2 norm of decoded + rounded, rounded up
 *	16		4		|offset| sqrt(dim) + step sqrt(sum of squares) of the code: no
 *					less than any term of its estimates, rounded up
 *	20		4		sum of levels[i]
 *	24		n		levels[], packed: what lies at the same bits of all bytes is one
 *					run of levels
 */
typedef struct Sq8Rest
{
	float  step;
	float  shift;
	float  residual;
	float  norm;
	float  terms;
	uint32 sum;
	uint8  levels[FLEXIBLE_ARRAY_MEMBER];
} Sq8Rest;

StaticAssertDecl(sizeof(Sq8Rest) == 24, "Sq8Rest is an on-disk format");

#define SQ8_REST_LEVEL_BYTES(dim, bits) (((Size) (dim) * (bits) + 7) / 8)
#define SQ8_REST_BYTES(dim, bits) \
	(offsetof(Sq8Rest, levels) + SQ8_REST_LEVEL_BYTES(dim, bits))

static inline bool
sq8_rest_bits_are_valid(uint32 bits)
{
	return bits == 1 || bits == 2 || bits == 4;
}

/*
 * The rest of dim finite floats, dim <= 32768, of which `code` is the code.
 * lost: what else x may be off by.  `rest` has SQ8_REST_BYTES, all zero.
 */
extern void sq8_rest_encode(const float *x, const Sq8Code *code, double lost,
							uint32 dim, uint32 bits, Sq8Rest *rest);

/*
 * The distance that sq8_query_distance would give if the code had the bits of the
 * rest, from the estimate that it gave.  Never NaN; clamped to +-FLT_MAX.
 */
extern float sq8_rest_distance(const Sq8Query *query, float estimate,
							   const Sq8Rest *rest, uint32 bits);

/*
 * A likely bound of the error of such a distance, to so many standard deviations; a
 * certain one if these are Infinity.  May be Infinity, where distances leave the
 * range of float.
 */
extern float sq8_rest_likely_error(const Sq8Query *query, float estimate,
								   const Sq8Rest *rest, float distance,
								   float deviations);

/*
 * The same where there are two rests, the second one of what the first one left:
 * between is the distance by the first.
 */
extern float sq8_rests_likely_error(const Sq8Query *query, float estimate,
									const Sq8Rest *first, float between,
									const Sq8Rest *second, float distance,
									float deviations);

/* Are they rests of one vector, but for what rounding may change? */
extern bool sq8_rests_alike(const Sq8Rest *a, const Sq8Rest *b, uint32 dim,
							uint32 bits);

/* As sq8_check. */
extern const char *sq8_rest_check(const Sq8Rest *rest, uint32 dim,
								  uint32 bits);

#endif /* QUANTIZE_SQ8_REST_H */
