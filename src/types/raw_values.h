/*
 * raw_values.h
 *		Distances and hashes of raw values, for access methods.
 *
 * The distances are those of the SQL operators, so that an index which orders
 * rows by them agrees with a sort to the last bit.  Both values have the same
 * number of dimensions.  See bitvec.h for bit.
 */
#ifndef RAW_VALUES_H
#define RAW_VALUES_H

#include "types/halfvec.h"
#include "types/sparsevec.h"
#include "types/vector.h"

extern double vector_l2_distance_raw(const float *a, const float *b, int dim);
extern double vector_negative_inner_product_raw(const float *a, const float *b,
												int dim);
extern double vector_cosine_distance_raw(const float *a, const float *b,
										 int dim);
extern double vector_l1_distance_raw(const float *a, const float *b, int dim);

extern double halfvec_l2_distance_raw(const half *a, const half *b, int dim);
extern double halfvec_negative_inner_product_raw(const half *a, const half *b,
												 int dim);
extern double halfvec_cosine_distance_raw(const half *a, const half *b,
										  int dim);
extern double halfvec_l1_distance_raw(const half *a, const half *b, int dim);

extern double sparsevec_l2_distance_raw(const SparseVector *a,
										const SparseVector *b);
extern double sparsevec_negative_inner_product_raw(const SparseVector *a,
												   const SparseVector *b);
extern double sparsevec_cosine_distance_raw(const SparseVector *a,
											const SparseVector *b);
extern double sparsevec_l1_distance_raw(const SparseVector *a,
										const SparseVector *b);

/* Equal vectors have equal hashes. */
extern uint64 vector_hash_raw(const float *x, int dim, uint64 seed);
extern uint64 halfvec_hash_raw(const half *x, int dim, uint64 seed);
extern uint64 sparsevec_hash_raw(const SparseVector *a, uint64 seed);

#endif /* RAW_VALUES_H */
