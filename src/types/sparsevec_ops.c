/*
 * sparsevec_ops.c
 *		Norm, order, equality and hash of sparsevec.
 *
 * The order is that of the dense vectors.  Support functions of indexes must
 * not leak, so copies are freed.
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "fmgr.h"

#include "base/compat.h"
#include "types/float_array.h"
#include "types/raw_values.h"
#include "types/sparse_array.h"

PG_FUNCTION_INFO_V1(sparsevec_l2_norm);
Datum
sparsevec_l2_norm(PG_FUNCTION_ARGS)
{
	SparseVector *a = PG_GETARG_SPARSEVEC_P(0);

	PG_RETURN_FLOAT8(
		sqrt(float_array_sum_squares(SPARSEVEC_VALUES(a), a->nnz)));
}

PG_FUNCTION_INFO_V1(sparsevec_l2_normalize);
Datum
sparsevec_l2_normalize(PG_FUNCTION_ARGS)
{
	SparseVector *a = PG_GETARG_SPARSEVEC_P(0);
	float		 *x = palloc(sizeof(float) * a->nnz);
	int			  nnz = 0;
	int			  at = 0;
	SparseVector *result;
	float		 *values;

	float_array_divide(x, SPARSEVEC_VALUES(a),
					   sqrt(float_array_sum_squares(SPARSEVEC_VALUES(a),
													a->nnz)),
					   a->nnz);

	/* elements next to much larger ones may become zero */
	for (int i = 0; i < a->nnz; i++)
		nnz += x[i] != 0;
	result = InitSparseVector(a->dim, nnz);
	values = SPARSEVEC_VALUES(result);
	for (int i = 0; i < a->nnz; i++)
	{
		if (x[i] == 0)
			continue;
		result->indices[at] = a->indices[i];
		values[at++] = x[i];
	}
	PG_RETURN_SPARSEVEC_P(result);
}

static int
compare_arguments(FunctionCallInfo fcinfo)
{
	SparseVector *a = PG_GETARG_SPARSEVEC_P(0);
	SparseVector *b = PG_GETARG_SPARSEVEC_P(1);
	SparseArray	  a_array = {a->indices, SPARSEVEC_VALUES(a), a->nnz};
	SparseArray	  b_array = {b->indices, SPARSEVEC_VALUES(b), b->nnz};
	int result = sparse_array_compare(&a_array, a->dim, &b_array, b->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

PG_FUNCTION_INFO_V1(sparsevec_lt);
Datum
sparsevec_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

PG_FUNCTION_INFO_V1(sparsevec_le);
Datum
sparsevec_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

PG_FUNCTION_INFO_V1(sparsevec_eq);
Datum
sparsevec_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

PG_FUNCTION_INFO_V1(sparsevec_ne);
Datum
sparsevec_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

PG_FUNCTION_INFO_V1(sparsevec_ge);
Datum
sparsevec_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

PG_FUNCTION_INFO_V1(sparsevec_gt);
Datum
sparsevec_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

PG_FUNCTION_INFO_V1(sparsevec_cmp);
Datum
sparsevec_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

/* The transition functions of max and min. */
PG_FUNCTION_INFO_V1(sparsevec_larger);
Datum
sparsevec_larger(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PG_GETARG_DATUM(compare_arguments(fcinfo) >= 0 ? 0 : 1));
}

PG_FUNCTION_INFO_V1(sparsevec_smaller);
Datum
sparsevec_smaller(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PG_GETARG_DATUM(compare_arguments(fcinfo) <= 0 ? 0 : 1));
}

/* There are no zeros, so equal vectors have equal bytes. */
uint64
sparsevec_hash_raw(const SparseVector *a, uint64 seed)
{
	return hash_bytes_extended((const unsigned char *) &a->dim,
							   SPARSEVEC_SIZE(a->nnz) -
								   offsetof(SparseVector, dim),
							   seed);
}

static uint64
hash_argument(FunctionCallInfo fcinfo, uint64 seed)
{
	SparseVector *a = PG_GETARG_SPARSEVEC_P(0);
	uint64		  hash = sparsevec_hash_raw(a, seed);

	PG_FREE_IF_COPY(a, 0);
	return hash;
}

/* With a seed of zero, the lower half of the extended hash is the hash. */
PG_FUNCTION_INFO_V1(sparsevec_hash);
Datum
sparsevec_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT32((uint32) hash_argument(fcinfo, 0));
}

PG_FUNCTION_INFO_V1(sparsevec_hash_extended);
Datum
sparsevec_hash_extended(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT64(hash_argument(fcinfo, (uint64) PG_GETARG_INT64(1)));
}
