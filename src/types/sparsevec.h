/*
 * sparsevec.h
 *		The type sparsevec: the elements of a vector that are not zero.
 *
 * Installed for other extensions.  The struct and macros keep pgvector's names
 * and layout, because these and values in tables depend on them.  What is
 * declared here lies in vector.so, which must have been loaded before a library
 * that needs it.
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
extern PGDLLEXPORT SparseVector *InitSparseVector(int dim, int nnz);

#endif /* SPARSEVEC_H */
