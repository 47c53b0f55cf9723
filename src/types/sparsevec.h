/*
 * sparsevec.h
 *		The type sparsevec: the elements of a vector that are not zero.
 *
 * The struct and macros keep pgvector's names and layout, because values in
 * tables and other extensions depend on them.
 */
#ifndef SPARSEVEC_H
#define SPARSEVEC_H

#include "fmgr.h"

#define SPARSEVEC_MAX_DIM 1000000000
#define SPARSEVEC_MAX_NNZ 16000

#define DatumGetSparseVector(x)	 ((SparseVector *) PG_DETOAST_DATUM(x))
#define PG_GETARG_SPARSEVEC_P(x) DatumGetSparseVector(PG_GETARG_DATUM(x))
#define PG_RETURN_SPARSEVEC_P(x) PG_RETURN_POINTER(x)

/*
 *	OFFSET			SIZE		DESCRIPTION
 *	0				4			varlena header
 *	4				4			number of dimensions, 1 to SPARSEVEC_MAX_DIM
 *	8				4			number of elements, 0 to SPARSEVEC_MAX_NNZ
 *	12				4			zero
 *	16				4 * nnz		indexes from 0, ascending, without duplicates
 *	16 + 4 * nnz	4 * nnz		values, float4, finite and not zero
 */
typedef struct SparseVector
{
	int32 vl_len_;
	int32 dim;
	int32 nnz;
	int32 unused;
	int32 indices[FLEXIBLE_ARRAY_MEMBER];
} SparseVector;

#define SPARSEVEC_SIZE(_nnz)           \
	(offsetof(SparseVector, indices) + \
	 (sizeof(int32) + sizeof(float)) * (Size) (_nnz))
#define SPARSEVEC_VALUES(x) ((float *) ((x)->indices + (x)->nnz))

/* A vector with uninitialized elements in the current memory context. */
extern SparseVector *InitSparseVector(int dim, int nnz);

/*
 * The exact distances of the SQL operators, also used by the access methods
 * for rerank, so that both agree to the last bit.  Dimensions are equal.
 */
extern double sparsevec_l2_distance_raw(const SparseVector *a,
										const SparseVector *b);
extern double sparsevec_negative_inner_product_raw(const SparseVector *a,
												   const SparseVector *b);
extern double sparsevec_cosine_distance_raw(const SparseVector *a,
											const SparseVector *b);
extern double sparsevec_l1_distance_raw(const SparseVector *a,
										const SparseVector *b);

/* Equal vectors have equal hashes. */
extern uint64 sparsevec_hash_raw(const SparseVector *a, uint64 seed);

#endif /* SPARSEVEC_H */
