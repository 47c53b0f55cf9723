/*
 * binary_form.c
 *		The binary forms of vector, halfvec and sparsevec.
 */
#include "c.h"

#include "port/pg_bswap.h"

#include "types/binary_form.h"

static uint16
read_uint16(const char *p)
{
	uint16 bits;

	memcpy(&bits, p, sizeof(bits));
	return pg_ntoh16(bits);
}

static uint32
read_uint32(const char *p)
{
	uint32 bits;

	memcpy(&bits, p, sizeof(bits));
	return pg_ntoh32(bits);
}

BinaryStatus
dense_binary_parse(const VectorType *type, const char *message, Size length,
				   BinaryForm *form)
{
	if (length < DENSE_BINARY_HEAD)
		return BINARY_TRUNCATED;
	form->dim = read_uint16(message);
	form->unused = read_uint16(message + 2);
	if (form->dim < 1 || form->dim > type->max_dim)
		return BINARY_DIMENSIONS;
	if (form->unused != 0)
		return BINARY_UNUSED;

	form->count = form->dim;
	form->elements = message + DENSE_BINARY_HEAD;
	form->bytes = DENSE_BINARY_HEAD + (Size) type->element_bytes * form->dim;
	return form->bytes <= length ? BINARY_OK : BINARY_TRUNCATED;
}

BinaryStatus
sparse_binary_parse(const VectorType *type, int max_count, const char *message,
					Size length, BinaryForm *form)
{
	if (length < SPARSE_BINARY_HEAD)
		return BINARY_TRUNCATED;
	form->dim = (int32) read_uint32(message);
	form->count = (int32) read_uint32(message + 4);
	form->unused = read_uint32(message + 8);
	if (form->dim < 1 || form->dim > type->max_dim)
		return BINARY_DIMENSIONS;
	if (form->count < 0)
		return BINARY_NEGATIVE_COUNT;
	if (form->count > max_count)
		return BINARY_TOO_MANY_ELEMENTS;
	if (form->count > form->dim)
		return BINARY_COUNT_ABOVE_DIM;
	if (form->unused != 0)
		return BINARY_UNUSED;

	form->elements = message + SPARSE_BINARY_HEAD;
	form->bytes = SPARSE_BINARY_HEAD +
				  (sizeof(int32) + sizeof(float)) * (Size) form->count;
	return form->bytes <= length ? BINARY_OK : BINARY_TRUNCATED;
}

void
binary_swap(void *to, const void *from, int n, int element_bytes)
{
	if (element_bytes == sizeof(uint16))
	{
		for (int i = 0; i < n; i++)
		{
			uint16 bits;

			memcpy(&bits, (const char *) from + sizeof(bits) * i,
				   sizeof(bits));
			bits = pg_ntoh16(bits);
			memcpy((char *) to + sizeof(bits) * i, &bits, sizeof(bits));
		}
	}
	else
	{
		for (int i = 0; i < n; i++)
		{
			uint32 bits;

			memcpy(&bits, (const char *) from + sizeof(bits) * i,
				   sizeof(bits));
			bits = pg_ntoh32(bits);
			memcpy((char *) to + sizeof(bits) * i, &bits, sizeof(bits));
		}
	}
}
