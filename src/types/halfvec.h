/*
 * halfvec.h
 *		The type halfvec: a fixed number of half-precision elements.
 *
 * Installed for other extensions.  The struct and macros keep pgvector's names
 * and layout, because these and values in tables depend on them.  What is
 * declared here lies in vector.so, which must have been loaded before a library
 * that needs it.
 */
#ifndef HALFVEC_H
#define HALFVEC_H

#include "fmgr.h"

/* next to this file, in the sources as where it is installed */
#include "half.h"

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
extern PGDLLEXPORT HalfVector *InitHalfVector(int dim);

#endif /* HALFVEC_H */
