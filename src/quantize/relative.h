/*
 * relative.h
 *		RaBitQ codes of vectors relative to another one near to them, its node,
 *		32 of them scored at a time by a query that was prepared once.
 *
 * "SymphonyQG: Towards Symphonious Integration of Quantization and Graph for
 * Approximate Nearest Neighbor Search", Gou et al., SIGMOD 2025, with the codes
 * of RaBitQ (Gao & Long, SIGMOD 2024).  Where rabitq.h prepares a query anew for
 * each centroid, here what depends on the node is in the codes, so a query may
 * meet another node with each block.  Estimates only, without bounds.
 *
 * Vectors and queries must have been rotated at random, all by the same rotation
 * (quantize/rotation.h).
 *
 * Raw arrays only: no buffers, no varlena, no allocation, no errors.
 */
#ifndef QUANTIZE_RELATIVE_H
#define QUANTIZE_RELATIVE_H

#include "quantize/rabitq.h"

/*
 * The code of one vector x, r = x - node (native byte order, 4-byte aligned):
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		add: of the squared distance, 0 for RABITQ_IP; finite
 *	4		4		scale: 2 |r|^2 / sum |r[i]|, or 0 if r is zero; finite
 *	8		n		signs: bit i, from the least significant of a byte, is 1 if
 *					r[i] > 0; n = RABITQ_GROUPS(dim) / 2
 */
typedef struct RelativeCode
{
	float add;
	float scale;
	uint8 signs[FLEXIBLE_ARRAY_MEMBER];
} RelativeCode;

#define RELATIVE_CODE_BYTES(dim) \
	(offsetof(RelativeCode, signs) + RABITQ_GROUPS(dim) / 2)

/*
 * A block of codes of one node, RABITQ_BLOCK of them, each in a lane:
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		128		add[32]
 *	128		128		scale[32]
 *	256				signs as in blocks of rabitq.h
 */
#define RELATIVE_FACTOR_BYTES (2 * sizeof(float) * RABITQ_BLOCK)
#define RELATIVE_BLOCK_BYTES(dim) \
	(RELATIVE_FACTOR_BYTES + (Size) RABITQ_GROUP_BYTES * RABITQ_GROUPS(dim))

/* RABITQ_L2 or RABITQ_IP; dim finite floats, 1 <= dim <= 65536. */
extern void relative_encode(RabitqMetric metric, const float *x,
							const float *node, uint32 dim, RelativeCode *code);

/* Put a code into a lane of a block, or get it from there. */
extern void relative_set(void *block, uint32 lane, uint32 dim,
						 const RelativeCode *code);
extern void relative_get(const void *block, uint32 lane, uint32 dim,
						 RelativeCode *code);

/*
 * Do two codes say the same?  Signs are the same for the same vectors
 * everywhere, factors may differ by rounding from CPU to CPU.
 */
extern bool relative_equal(const RelativeCode *a, const RelativeCode *b,
						   uint32 dim);

typedef struct RelativeQuery
{
	RabitqMetric metric;
	uint32		 groups;
	uint8		*tables; /* of lookup_u4 */
	float		 step;	 /* <signs of 1/2, query> = bias + step * sum */
	float		 bias;
} RelativeQuery;

/* Bytes of memory that a query needs, aligned as floats are. */
#define RELATIVE_QUERY_BYTES(dim) RABITQ_QUERY_BYTES(dim)

/* Prepare a query; memory is used as long as the query is. */
extern void relative_query_init(RelativeQuery *query, RabitqMetric metric,
								const float *values, uint32 dim, void *memory);

/*
 * Estimated distances between the query and the vectors of a block, in the unit
 * of the metric, from the distance of its node; never NaN, and finite.
 */
extern void relative_score(const RelativeQuery *query, const void *block,
						   float node_distance, float *estimates);

#endif /* QUANTIZE_RELATIVE_H */
