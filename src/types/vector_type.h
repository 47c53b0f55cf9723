/*
 * vector_type.h
 *		What the shared code has to know of a type.
 *
 * Knows nothing of PostgreSQL beyond c.h.
 */
#ifndef VECTOR_TYPE_H
#define VECTOR_TYPE_H

#include "c.h"

typedef struct VectorType
{
	const char *name;
	int			max_dim;

	/* of the dense types: sizeof(float) or sizeof(half) */
	int element_bytes;

	/* the smallest magnitude that rounds to infinity as an element */
	float limit;
} VectorType;

extern const VectorType vector_type;
extern const VectorType halfvec_type;
extern const VectorType sparsevec_type;

#endif /* VECTOR_TYPE_H */
