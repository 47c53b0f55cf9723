/*
 * vector.h
 *		The type vector: a fixed number of float4 elements.
 *
 * Installed for other extensions.  The struct and macros keep pgvector's names
 * and layout, because these and values in tables depend on them.  What is
 * declared here lies in vector.so, which must have been loaded before a library
 * that needs it.
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
extern PGDLLEXPORT Vector *InitVector(int dim);

#endif /* VECTOR_H */
