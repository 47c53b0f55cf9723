/*
 * rabitq.h
 *		RaBitQ codes: one bit a dimension, relative to a centroid, scored 32 at
 *		a time, with estimates of distances and lower bounds.
 *
 * "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound
 * for Approximate Nearest Neighbor Search", Gao & Long, SIGMOD 2024.  The code
 * of x is the signs of x - centroid; nothing is trained.  Vectors, centroids
 * and queries must have been rotated at random, all by the same rotation
 * (quantize/rotation.h): the error bound is that of a random direction.
 *
 * Bounds are probable, not certain: how probable, RABITQ_EPSILON says.
 *
 * Raw arrays only: no buffers, no varlena, no allocation, no errors.
 */
#ifndef QUANTIZE_RABITQ_H
#define QUANTIZE_RABITQ_H

#include "distance/distance.h"

/*
 * What is estimated, in the unit that quantize/sq8.h has for the metric, too.
 * RABITQ_UNIT is the Euclidean distance of vectors whose norm is 1, which has
 * better bounds than RABITQ_L2; centroids may have any norm under all metrics.
 */
typedef enum RabitqMetric
{
	RABITQ_L2,	/* Euclidean distance (not squared) */
	RABITQ_IP,	/* negative inner product */
	RABITQ_UNIT /* Euclidean distance on the unit sphere, for cosine */
} RabitqMetric;

/* Entries of a block. */
#define RABITQ_BLOCK 32

/*
 * Four dimensions are a group, 16 bytes of a block: byte i has entry i in its
 * low half and entry i + 16 in its high half; bit k of a half is 1 if
 * dimension 4 * group + k of x - centroid is above zero.  Groups are padded
 * with zeros to a multiple of RABITQ_GROUP_UNIT.
 */
#define RABITQ_GROUP_DIMS  4
#define RABITQ_GROUP_BYTES 16
#define RABITQ_GROUP_UNIT  4
#define RABITQ_GROUPS(dim) (((uint32) (dim) + 15) / 16 * RABITQ_GROUP_UNIT)

/*
 * A block as stored (native byte order, 4-byte aligned):
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		128		norm[32] of r = x - centroid, float >= 0, or negative: the
 *					norm is beyond what bounds can be computed of
 *	128		128		scale[32], float: 2 norm / sum |r[i]|, or 0
 *	256		128		not in RABITQ_L2: shift[32], float: <centroid, r>
 *	384 or 256		codes: RABITQ_GROUPS(dim) * 16
 *
 * A block of zeros is an empty one.  One that is cut into pieces must be cut
 * behind the factors or a multiple of RABITQ_GROUP_UNIT groups behind them.
 */
#define RABITQ_FACTOR_BYTES(metric) \
	((metric) == RABITQ_L2 ? 2 * 4 * RABITQ_BLOCK : 3 * 4 * RABITQ_BLOCK)
#define RABITQ_BLOCK_BYTES(metric, dim) \
	(RABITQ_FACTOR_BYTES(metric) +      \
	 (Size) RABITQ_GROUP_BYTES * RABITQ_GROUPS(dim))

/*
 * Where a lane's bytes are in a block: a float in each array of factors, and
 * half of a byte in each group.
 */
#define RABITQ_FACTORS(metric) ((metric) == RABITQ_L2 ? 2 : 3)
#define RABITQ_FACTOR_OFFSET(factor, lane) \
	(sizeof(float) * (RABITQ_BLOCK * (factor) + (lane)))
#define RABITQ_LANE_OFFSET(metric, lane) \
	(RABITQ_FACTOR_BYTES(metric) + (lane) % RABITQ_GROUP_BYTES)

/* Such a byte, when the lane's half becomes that of lane 0 in another byte. */
static inline uint8
rabitq_with_lane(uint8 byte, uint32 lane, uint8 lane_0)
{
	return lane < RABITQ_GROUP_BYTES ? (byte & 0xf0) | (lane_0 & 0x0f)
									 : (byte & 0x0f) | (lane_0 << 4);
}

/*
 * Standard deviations of the error that a lower bound leaves room for: that of
 * a projection on a random direction is very near to a normal distribution, so
 * three bounds in a thousand are above the distance.  Measured on real vectors
 * (README of quantize): 0.3 %, and of the 10 nearest rows of a scan, 0.1 % or
 * less are lost.
 */
#define RABITQ_EPSILON 2.75f

/*
 * Make lane `lane` of a block the code of x, dim finite floats, 1 <= dim <=
 * 65536.
 */
extern void rabitq_set(RabitqMetric metric, const float *x,
					   const float *centroid, uint32 dim, void *block,
					   uint32 lane);

/*
 * The x of a lane just made was off by as much as `loss`: where that is no
 * small part of x - centroid, nothing is known of the vector that was meant.
 * Elsewhere errors of signs leave room enough for it.
 */
extern void rabitq_doubt(RabitqMetric metric, void *block, uint32 lane,
						 float loss);

/* Copy a lane of one block to one of another, of the same centroid. */
extern void rabitq_copy(RabitqMetric metric, uint32 dim, const void *from,
						uint32 from_lane, void *to, uint32 to_lane);

/* Make a lane empty: all zeros. */
extern void rabitq_clear(RabitqMetric metric, uint32 dim, void *block,
						 uint32 lane);

/* What the code of a lane tells about x: dim floats. */
extern void rabitq_decode(RabitqMetric metric, const void *block, uint32 lane,
						  const float *centroid, uint32 dim, float *x);

/*
 * What is wrong with a lane read from a page, or NULL: for verification.  A
 * constant string that fits "code of entry ...: %s".
 */
extern const char *rabitq_check(RabitqMetric metric, uint32 dim,
								const void *block, uint32 lane);

/*
 * A query, made anew for each centroid.  The fields from `rest` on are for
 * rabitq.c only.
 */
typedef struct RabitqQuery
{
	RabitqMetric metric;
	uint32		 dim;
	float		 epsilon; /* RABITQ_EPSILON, unless the caller changes it */
	const float *values;  /* dim floats, the caller's */
	float		*rest;	 /* what lies beside the centroid, padded with zeros */
	uint8		*tables; /* of lookup_u4, made from rest */
	double		 norm;	 /* of values */
	bool	  unknown;	 /* rest leaves the range that bounds can be made of */
	SignScore score;
} RabitqQuery;

/* Bytes of memory that a query needs, aligned as floats are. */
#define RABITQ_QUERY_BYTES(dim)  \
	((Size) RABITQ_GROUPS(dim) * \
	 (RABITQ_GROUP_DIMS * sizeof(float) + RABITQ_GROUP_BYTES))

/*
 * Begin a query.  values are kept by reference and memory is used, so long as
 * the query is.
 */
extern void rabitq_query_init(RabitqQuery *query, RabitqMetric metric,
							  const float *values, uint32 dim, void *memory);

/* Prepare it for blocks of codes relative to this centroid. */
extern void rabitq_query_centroid(RabitqQuery *query, const float *centroid);

/*
 * Score a block: estimates and lower bounds of the distances of 32 entries,
 * never NaN.  estimates may be NULL.
 */
extern void rabitq_score(const RabitqQuery *query, const void *block,
						 float *estimates, float *bounds);

/*
 * The same piece by piece: sums, 32 of them, start as zeros; each piece of the
 * codes is added once, in any order; the factors (the first bytes of a block)
 * are needed at the end.  first_group and groups are multiples of
 * RABITQ_GROUP_UNIT.
 */
extern void rabitq_add_codes(const RabitqQuery *query, const uint8 *codes,
							 uint32 first_group, uint32 groups, uint32 *sums);
extern void rabitq_finish(const RabitqQuery *query, const void *factors,
						  const uint32 *sums, float *estimates, float *bounds);

#endif /* QUANTIZE_RABITQ_H */
