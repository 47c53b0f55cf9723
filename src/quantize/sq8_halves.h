/*
 * sq8_halves.h
 *		8-bit codes (sq8.h) as two halves of 4 bits a dimension.
 *
 * The upper half alone is a code of 4 bits: it stands for the vector whose levels lie
 * in the middle of those that begin with it, and gives estimates and likely bounds.
 * The lower half is a rest (sq8_rest.h) of that: with the estimate by the upper half
 * it gives the one that the whole code gives.  Neither half needs the other to be
 * read again, and both together are the code.
 *
 * For L2 and inner product.  Likely bounds are for vectors that were rotated at
 * random, as those of sq8_likely_error.
 *
 * Raw arrays only: no buffers, no varlena, no allocation, no errors.
 */
#ifndef QUANTIZE_SQ8_HALVES_H
#define QUANTIZE_SQ8_HALVES_H

#include "c.h"

#include "quantize/sq8.h"
#include "quantize/sq8_rest.h"

#define SQ8_HALF_BITS 4

/*
 * An upper half as stored (native byte order, 4-byte aligned):
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		offset of the code, float
 *	4		4		step of the code, float >= 0: decoded[i] =
 *					offset + step * (16 * levels[i] + 7.5)
 *	8		4		sum of levels[i]
 *	12		4		sum of levels[i]^2
 *	16		4		residual of the code
 *	20		4		loss: L2 norm of what the code stands for, less decoded, rounded up
 *	24		n		levels[], packed: those of the first half of the dimensions in the
 *					lower bits, the others in the upper bits
 */
typedef struct Sq8Upper
{
	float  offset;
	float  step;
	uint32 sum;
	uint32 sum_squares;
	float  residual;
	float  loss;
	uint8  levels[FLEXIBLE_ARRAY_MEMBER];
} Sq8Upper;

StaticAssertDecl(sizeof(Sq8Upper) == 24, "Sq8Upper is an on-disk format");

#define SQ8_HALF_LEVEL_BYTES(dim) SQ8_REST_LEVEL_BYTES(dim, SQ8_HALF_BITS)
#define SQ8_UPPER_BYTES(dim) \
	(offsetof(Sq8Upper, levels) + SQ8_HALF_LEVEL_BYTES(dim))
#define SQ8_LOWER_BYTES(dim) SQ8_REST_BYTES(dim, SQ8_HALF_BITS)

/*
 * From a code to its halves, and back.  Halves have SQ8_UPPER_BYTES and
 * SQ8_LOWER_BYTES.  The lower half is a rest of SQ8_HALF_BITS, after estimates by
 * sq8_upper_distance.
 */
extern void sq8_split(const Sq8Code *code, uint32 dim, Sq8Upper *upper,
					  Sq8Rest *lower);
extern void sq8_join(const Sq8Upper *upper, const Sq8Rest *lower, uint32 dim,
					 Sq8Code *code);

/* What an upper half alone stands for. */
extern void sq8_upper_decode(const Sq8Upper *upper, uint32 dim, float *x);

/*
 * What a query needs besides, to meet upper halves.  bytes: room for 2 * dim, owned
 * by the caller and kept as long as the query.
 */
extern void sq8_prepare_for_halves(Sq8Query *query, int8 *bytes);

/*
 * Estimated distance between a query and the vector of an upper half.  Of L2, the
 * square of what is estimated may be negative near zero: then so is the estimate,
 * minus the root of the rest.  Never NaN; clamped to +-FLT_MAX.
 */
extern float sq8_upper_distance(const Sq8Query *query, const Sq8Upper *upper);

/*
 * A likely bound of its error, to so many standard deviations.  May be Infinity,
 * where distances leave the range of float.
 */
extern float sq8_upper_likely_error(const Sq8Query *query,
									const Sq8Upper *upper, float estimate,
									float deviations);

/* As sq8_check, of either half; the second one needs both. */
extern const char *sq8_upper_check(const Sq8Upper *upper, uint32 dim);
extern const char *sq8_halves_check(const Sq8Upper *upper,
									const Sq8Rest *lower, uint32 dim);

#endif /* QUANTIZE_SQ8_HALVES_H */
