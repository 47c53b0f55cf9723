/*
 * sparse_array.h
 *		Checks, comparison and sums on raw sparse arrays.
 *
 * Knows nothing of PostgreSQL beyond c.h; allocates nothing and raises no
 * errors.
 */
#ifndef SPARSE_ARRAY_H
#define SPARSE_ARRAY_H

#include "c.h"

#include "distance/distance.h"

typedef enum SparseStatus
{
	SPARSE_OK,
	SPARSE_INDEX_OUT_OF_BOUNDS, /* not within 0 to dim - 1 */
	SPARSE_NOT_ASCENDING,
	SPARSE_DUPLICATE
} SparseStatus;

/* sparse_array_check -- what the first bad index has wrong with it. */
extern SparseStatus sparse_array_check(const int32 *index, uint32 count,
									   int dim);

/*
 * sparse_array_compare -- -1, 0 or 1, as the dense arrays compare: by the
 * first elements that differ, then by the number of dimensions.  No NaN.
 */
extern int sparse_array_compare(const SparseArray *a, int a_dim,
								const SparseArray *b, int b_dim);

/* Sums in double precision, which no finite float4 can overflow or underflow. */
extern double sparse_array_dot(const SparseArray *a, const SparseArray *b);
extern double sparse_array_l2sq(const SparseArray *a, const SparseArray *b);
extern double sparse_array_l1(const SparseArray *a, const SparseArray *b);

#endif /* SPARSE_ARRAY_H */
