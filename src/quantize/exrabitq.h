/*
 * exrabitq.h
 *		Codes of 1, 2 or 4 bits a dimension, with estimates of distances and
 *		lower bounds.
 *
 * After "Practical and Asymptotically Optimal Quantization of High-Dimensional
 * Vectors in Euclidean Space for Approximate Nearest Neighbor Search", Gao et
 * al., SIGMOD 2025 (extended RaBitQ).  Where rabitq.h has blocks of one-bit
 * codes relative to a centroid, these stand alone, as those of sq8.h do, and
 * are half to an eighth of their size.  Nothing is trained.  Vectors and queries
 * must have been rotated at random, all by the same rotation
 * (quantize/rotation.h).
 *
 * Bounds are probable, not certain: RABITQ_EPSILON says how probable.
 *
 * Raw arrays only: no buffers, no varlena, no allocation, no errors.
 */
#ifndef QUANTIZE_EXRABITQ_H
#define QUANTIZE_EXRABITQ_H

#include "quantize/rabitq.h"
#include "quantize/sq8.h"

/*
 * A code as stored (native byte order, 4-byte aligned).  With b bits, levels l
 * in 0 .. 2^b - 1 stand for y = l - (2^b - 1) / 2, the direction of x.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		norm of x, float >= 0
 *	4		4		scale: norm / <x, y>, float >= 0
 *	8		4		deviation: tangent of the angle between x and y, or Infinity
 *					if norms or scales are beyond float
 *	12		4		sum of levels
 *	16		n		n = EXRABITQ_LEVEL_BYTES: bits b * k .. b * k + b - 1 of byte
 *					i are the level of dimension n * k + i; 0 behind the last
 */
typedef struct ExRabitqCode
{
	float  norm;
	float  scale;
	float  deviation;
	uint32 sum;
	uint8  levels[FLEXIBLE_ARRAY_MEMBER];
} ExRabitqCode;

StaticAssertDecl(sizeof(ExRabitqCode) == 16,
				 "ExRabitqCode is an on-disk format");

#define EXRABITQ_LEVEL_BYTES(bits, dim) (((Size) (dim) * (bits) + 7) / 8)
#define EXRABITQ_CODE_BYTES(bits, dim) \
	(offsetof(ExRabitqCode, levels) + EXRABITQ_LEVEL_BYTES(bits, dim))

typedef struct ExRabitqQuery
{
	RabitqMetric metric;
	uint32		 bits;
	float		 epsilon; /* RABITQ_EPSILON, unless the caller changes it */
	float	 spread; /* a standard deviation of errors, 1 / sqrt(dim - 1) */
	Sq8Query values; /* the query in 12 bits a dimension */
} ExRabitqQuery;

/* Encode dim finite floats, dim <= 32768; bits 1, 2 or 4. */
extern void exrabitq_encode(uint32 bits, const float *x, uint32 dim,
							ExRabitqCode *code);

/*
 * What a code tells of its vector: dim floats; and a bound of how far they may be
 * from it, which is Infinity where nothing is known.
 */
extern void	 exrabitq_decode(uint32 bits, const ExRabitqCode *code, uint32 dim,
							 float *x);
extern float exrabitq_loss(const ExRabitqCode *code);

/*
 * Prepare a query.  levels: room for dim int16, the caller's, kept as long as
 * the query.
 */
extern void exrabitq_prepare_query(ExRabitqQuery *query, RabitqMetric metric,
								   uint32 bits, const float *x, uint32 dim,
								   int16 *levels);

/*
 * Estimated distance between query and code, in the unit of the metric, and a
 * lower bound of the distance, unless bound is NULL.  Never NaN; clamped to
 * +-FLT_MAX.
 */
extern float exrabitq_query_distance(const ExRabitqQuery *query,
									 const ExRabitqCode *code, float *bound);

/*
 * A bound of the error of such an estimate, on both sides, that leaves room for
 * so many standard deviations; nearly as good as the lower bound where the two
 * are near to each other, and computed in a fraction of the time.  May be
 * Infinity.
 */
extern float exrabitq_likely_error(const ExRabitqQuery *query,
								   const ExRabitqCode *code, float estimate,
								   float deviations);

/*
 * The estimated distance between two codes; for vectors near to each other, as
 * rough as the number of bits is small.
 */
extern float exrabitq_code_distance(RabitqMetric metric, uint32 bits,
									const ExRabitqCode *a,
									const ExRabitqCode *b, uint32 dim);

/*
 * What is wrong with a code read from a page, or NULL: for verification.  A
 * constant string that fits "code of element ...: %s".
 */
extern const char *exrabitq_check(uint32 bits, const ExRabitqCode *code,
								  uint32 dim);

#endif /* QUANTIZE_EXRABITQ_H */
