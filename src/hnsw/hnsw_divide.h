/*
 * hnsw_divide.h
 *		Dividing vectors into parts of near ones, by a sample.
 */
#ifndef HNSW_DIVIDE_H
#define HNSW_DIVIDE_H

#include "common/pg_prng.h"

#include "hnsw/hnsw_code.h"

/* Two codes, and whether a vector belongs to the first or the second. */
typedef struct HnswDivideNode
{
	const HnswCode *pivots[2];
	float			offset; /* of the distances to them where the border is */
	float			width;	/* distance between them */
	int				children[2]; /* a node, or a part as -1 - part */
} HnswDivideNode;

typedef struct HnswDivision
{
	const HnswCoder *coder;
	int				 num_parts;
	int				 num_nodes;
	HnswDivideNode	*nodes; /* num_parts - 1, the first is the root */
} HnswDivision;

/* Parts that can be found for a vector. */
#define HNSW_MAX_PARTS_FOUND 4

/*
 * Divide into num_parts of about the same size.  sample: codes, which must stay
 * where they are; they are put into another order.  Allocates in the current
 * memory context.
 */
extern void hnsw_divide(HnswDivision *division, const HnswCoder *coder,
						const HnswCode **sample, int count, int num_parts,
						pg_prng_state *random);

/*
 * Find the part that a vector is in, and those it is nearest to being in: at
 * most `limit`, all different.  Returns their number.
 */
extern int hnsw_division_find(const HnswDivision *division,
							  const HnswCode *code, int *parts, int limit);

#endif /* HNSW_DIVIDE_H */
