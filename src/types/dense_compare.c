/*
 * dense_compare.c
 *		Order, equality and hash of vector and halfvec.
 *
 * By the first elements that differ, then by the number of dimensions.  Zeros
 * are equal whatever their sign.  Support functions of indexes must not leak,
 * so copies are freed.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "types/dense.h"
#include "types/float_array.h"
#include "types/raw_values.h"

static int
compare_values(const VectorType *type, const DenseVector *a,
			   const DenseVector *b)
{
	int dim = Min(a->dim, b->dim);

	for (int i = 0; i < dim; i += DENSE_BLOCK)
	{
		int	  n = Min(DENSE_BLOCK, dim - i);
		float a_buffer[DENSE_BLOCK];
		float b_buffer[DENSE_BLOCK];
		int result = float_array_compare(dense_block(type, a, i, n, a_buffer),
										 n,
										 dense_block(type, b, i, n, b_buffer),
										 n);

		if (result != 0)
			return result;
	}
	return (a->dim > b->dim) - (a->dim < b->dim);
}

static int
compare_arguments(FunctionCallInfo fcinfo, const VectorType *type)
{
	DenseVector *a = PG_GETARG_DENSE_P(0);
	DenseVector *b = PG_GETARG_DENSE_P(1);
	int			 result = compare_values(type, a, b);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

Datum
dense_lt(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) < 0);
}

Datum
dense_le(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) <= 0);
}

Datum
dense_eq(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) == 0);
}

Datum
dense_ne(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) != 0);
}

Datum
dense_ge(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) >= 0);
}

Datum
dense_gt(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo, type) > 0);
}

Datum
dense_cmp(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_INT32(compare_arguments(fcinfo, type));
}

/* The transition functions of max and min. */
Datum
dense_larger(FunctionCallInfo fcinfo, const VectorType *type)
{
	int n = compare_arguments(fcinfo, type) >= 0 ? 0 : 1;

	PG_RETURN_DATUM(PG_GETARG_DATUM(n));
}

Datum
dense_smaller(FunctionCallInfo fcinfo, const VectorType *type)
{
	int n = compare_arguments(fcinfo, type) <= 0 ? 0 : 1;

	PG_RETURN_DATUM(PG_GETARG_DATUM(n));
}

/*
 * The hash of elements of `bytes` each, 2 or 4.  Their most significant bit is
 * the sign; the sign of a zero is left out.
 */
static uint64
hash_elements(const void *x, int n, int bytes, uint64 seed)
{
	bool   negative_zero = false;
	void  *copy;
	uint64 hash;

	if (bytes == sizeof(uint16))
	{
		for (int i = 0; i < n; i++)
			negative_zero |= ((const uint16 *) x)[i] == 0x8000;
	}
	else
	{
		for (int i = 0; i < n; i++)
			negative_zero |= ((const uint32 *) x)[i] == 0x80000000;
	}
	if (likely(!negative_zero))
		return hash_bytes_extended(x, n * bytes, seed);

	copy = palloc((Size) n * bytes);
	for (int i = 0; i < n; i++)
	{
		if (bytes == sizeof(uint16))
		{
			uint16 bits = ((const uint16 *) x)[i];

			((uint16 *) copy)[i] = bits == 0x8000 ? 0 : bits;
		}
		else
		{
			uint32 bits = ((const uint32 *) x)[i];

			((uint32 *) copy)[i] = bits == 0x80000000 ? 0 : bits;
		}
	}
	hash = hash_bytes_extended(copy, n * bytes, seed);
	pfree(copy);
	return hash;
}

uint64
vector_hash_raw(const float *x, int dim, uint64 seed)
{
	return hash_elements(x, dim, sizeof(float), seed);
}

uint64
halfvec_hash_raw(const half *x, int dim, uint64 seed)
{
	return hash_elements(x, dim, sizeof(half), seed);
}

static uint64
hash_argument(FunctionCallInfo fcinfo, const VectorType *type, uint64 seed)
{
	DenseVector *a = PG_GETARG_DENSE_P(0);
	uint64		 hash = hash_elements(a->elements, a->dim, type->element_bytes,
									  seed);

	PG_FREE_IF_COPY(a, 0);
	return hash;
}

/* With a seed of zero, the lower half of the extended hash is the hash. */
Datum
dense_hash(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_UINT32((uint32) hash_argument(fcinfo, type, 0));
}

Datum
dense_hash_extended(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_UINT64(hash_argument(fcinfo, type, (uint64) PG_GETARG_INT64(1)));
}
