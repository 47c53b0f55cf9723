/*
 * vector.h
 *		The type vector: a fixed number of float4 elements.
 *
 * The struct and macros keep pgvector's names and layout, because values in
 * tables and other extensions depend on them.
 */
#ifndef VECTOR_H
#define VECTOR_H

#include "fmgr.h"

#define VECTOR_MAX_DIM 16000

#define VECTOR_SIZE(_dim)	  (offsetof(Vector, x) + sizeof(float) * (_dim))
#define DatumGetVector(x)	  ((Vector *) PG_DETOAST_DATUM(x))
#define PG_GETARG_VECTOR_P(x) DatumGetVector(PG_GETARG_DATUM(x))
#define PG_RETURN_VECTOR_P(x) PG_RETURN_POINTER(x)

/*
 *	OFFSET	SIZE		DESCRIPTION
 *	0		4			varlena header
 *	4		2			number of dimensions, 1 to VECTOR_MAX_DIM
 *	6		2			zero
 *	8		4 * dim		elements, finite
 */
typedef struct Vector
{
	int32 vl_len_;
	int16 dim;
	int16 unused;
	float x[FLEXIBLE_ARRAY_MEMBER];
} Vector;

/* A vector of dim zeros in the current memory context. */
extern Vector *InitVector(int dim);

/*
 * The exact distances of the SQL operators on raw arrays, also used by the
 * access methods for rerank, so that both agree to the last bit.
 */
extern double vector_l2_distance_raw(const float *a, const float *b, int dim);
extern double vector_negative_inner_product_raw(const float *a, const float *b,
												int dim);
extern double vector_cosine_distance_raw(const float *a, const float *b,
										 int dim);
extern double vector_l1_distance_raw(const float *a, const float *b, int dim);

/* Equal vectors have equal hashes. */
extern uint64 vector_hash_raw(const float *x, int dim, uint64 seed);

#endif /* VECTOR_H */
