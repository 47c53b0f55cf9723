/*
 * binary_form.h
 *		The binary forms of vector, halfvec and sparsevec.
 *
 * All numbers are in network byte order.
 *
 *	vector, halfvec
 *	OFFSET			SIZE		DESCRIPTION
 *	0				2			number of dimensions, unsigned
 *	2				2			zero
 *	4				n * dim		elements of n bytes, float4 or half
 *
 *	sparsevec
 *	OFFSET			SIZE		DESCRIPTION
 *	0				4			number of dimensions
 *	4				4			number of elements
 *	8				4			zero
 *	12				4 * nnz		indexes from 0, ascending, without duplicates
 *	12 + 4 * nnz	4 * nnz		values, float4, none of them zero
 *
 * Knows nothing of PostgreSQL beyond c.h; allocates nothing and raises no
 * errors.
 */
#ifndef BINARY_FORM_H
#define BINARY_FORM_H

#include "types/vector_type.h"

#define DENSE_BINARY_HEAD  4
#define SPARSE_BINARY_HEAD 12

typedef enum BinaryStatus
{
	BINARY_OK,
	BINARY_TRUNCATED,		  /* the message ends too early */
	BINARY_DIMENSIONS,		  /* see dim: not within 1 to max_dim */
	BINARY_NEGATIVE_COUNT,	  /* sparse */
	BINARY_TOO_MANY_ELEMENTS, /* sparse */
	BINARY_COUNT_ABOVE_DIM,	  /* sparse */
	BINARY_UNUSED			  /* see unused: not zero */
} BinaryStatus;

/* A value within a message, its head checked and its elements not. */
typedef struct BinaryForm
{
	int			dim;
	int			count; /* of elements */
	uint32		unused;
	Size		bytes; /* of the whole value */
	const char *elements;
} BinaryForm;

/*
 * dense_binary_parse, sparse_binary_parse -- find the value at the beginning
 * of a message of `length` bytes.
 *
 * max_count limits the elements of a sparse vector.  On BINARY_OK all
 * form->bytes are within the message, otherwise only dim and unused may be
 * used.
 */
extern BinaryStatus dense_binary_parse(const VectorType *type,
									   const char *message, Size length,
									   BinaryForm *form);
extern BinaryStatus sparse_binary_parse(const VectorType *type, int max_count,
										const char *message, Size length,
										BinaryForm *form);

/*
 * binary_swap -- n numbers of element_bytes, 2 or 4, from network byte order,
 * or to it.  Neither side needs to be aligned.
 */
extern void binary_swap(void *to, const void *from, int n, int element_bytes);

#endif /* BINARY_FORM_H */
