/*
 * halfvec.h
 *		The type halfvec: a fixed number of half-precision elements.
 *
 * The struct and macros keep pgvector's names and layout, because values in
 * tables and other extensions depend on them.
 */
#ifndef HALFVEC_H
#define HALFVEC_H

#include "fmgr.h"

#include "types/half.h"

#define HALFVEC_MAX_DIM 16000

#define HALFVEC_SIZE(_dim)	   (offsetof(HalfVector, x) + sizeof(half) * (_dim))
#define DatumGetHalfVector(x)  ((HalfVector *) PG_DETOAST_DATUM(x))
#define PG_GETARG_HALFVEC_P(x) DatumGetHalfVector(PG_GETARG_DATUM(x))
#define PG_RETURN_HALFVEC_P(x) PG_RETURN_POINTER(x)

/*
 *	OFFSET	SIZE		DESCRIPTION
 *	0		4			varlena header
 *	4		2			number of dimensions, 1 to HALFVEC_MAX_DIM
 *	6		2			zero
 *	8		2 * dim		elements, finite
 */
typedef struct HalfVector
{
	int32 vl_len_;
	int16 dim;
	int16 unused;
	half  x[FLEXIBLE_ARRAY_MEMBER];
} HalfVector;

/* A vector of dim zeros in the current memory context. */
extern HalfVector *InitHalfVector(int dim);

/*
 * The exact distances of the SQL operators on raw arrays, also used by the
 * access methods for rerank, so that both agree to the last bit.
 */
extern double halfvec_l2_distance_raw(const half *a, const half *b, int dim);
extern double halfvec_negative_inner_product_raw(const half *a, const half *b,
												 int dim);
extern double halfvec_cosine_distance_raw(const half *a, const half *b,
										  int dim);
extern double halfvec_l1_distance_raw(const half *a, const half *b, int dim);

/* Equal vectors have equal hashes. */
extern uint64 halfvec_hash_raw(const half *x, int dim, uint64 seed);

#endif /* HALFVEC_H */
