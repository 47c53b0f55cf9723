/*
 * sparse_code.h
 *		Codes of sparse vectors: their elements, and sums over them.
 *
 * Distances of two codes come from the elements that they share: all the metrics
 * can be computed from a sum over those and one over all elements of each.
 */
#ifndef INDEX_SPARSE_CODE_H
#define INDEX_SPARSE_CODE_H

#include "distance/sparse_table.h"
#include "index/opclass.h"

/*
 * The size varies: a code ends in arrays of `count` indexes and as many values.
 *
 *	OFFSET			SIZE		DESCRIPTION
 *	0				4			number of elements
 *	4				4			L1: sum of the absolute values; else of the squares
 *	8				4 * count	indexes from 0, ascending
 *	8 + 4 * count	4 * count	values, float4; normalized for cosine
 */
typedef struct SparseCode
{
	uint32 count;
	float  size;
	int32  index[FLEXIBLE_ARRAY_MEMBER];
} SparseCode;

#define SPARSE_CODE_BYTES(count)   \
	(offsetof(SparseCode, index) + \
	 (sizeof(int32) + sizeof(float)) * (Size) (count))

static inline SparseArray
sparse_code_array(const SparseCode *code)
{
	SparseArray array = {code->index,
						 (const float *) (code->index + code->count),
						 code->count};

	return array;
}

typedef struct SparseCodeQuery
{
	const SparseCode *code;
	SparseTable		  table; /* of its elements */
} SparseCodeQuery;

/* Encode; false for a vector without a direction, under cosine. */
extern bool sparse_code_encode(VectorMetric metric, SparseArray array,
							   SparseCode *code);

/* What is wrong with a code as it was read, NULL if nothing. */
extern const char *sparse_code_check(const SparseCode *code,
									 uint32			   dimensions);

/*
 * A query for the vector of a code, NULL for one without elements.  The code is
 * kept by reference; memory comes from the current context.
 */
extern void sparse_code_query_init(SparseCodeQuery	*query,
								   const SparseCode *code);

/*
 * Distances in the unit of the operator, never NaN; and a bound of the error,
 * beyond the operator's rounding.  Codes may have any bytes in them, so long as
 * their length is that of their count.
 */
extern float sparse_code_distance(VectorMetric metric, const SparseCode *a,
								  const SparseCode *b);
extern float sparse_code_query_distance(VectorMetric		   metric,
										const SparseCodeQuery *query,
										const SparseCode *code, float *error);

#endif /* INDEX_SPARSE_CODE_H */
