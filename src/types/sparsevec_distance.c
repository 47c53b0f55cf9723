/*
 * sparsevec_distance.c
 *		Distances of sparsevec: the SQL functions, and the same on values for
 *		the access methods.
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"
#include "types/exact_distance.h"
#include "types/float_array.h"
#include "types/raw_values.h"
#include "types/short_value.h"
#include "types/sparse_array.h"
#include "types/type_checks.h"

/* Two elements from here on have a product in the normal range of float4. */
#define TRUSTED_ELEMENT 0x1p-63f

static inline SparseArray
sparse_array(const SparseVector *a)
{
	SparseArray array = {a->indices, SPARSEVEC_VALUES(a), a->nnz};

	return array;
}

static double
sparsevec_l2_squared_distance_raw(const SparseVector *a, const SparseVector *b)
{
	SparseArray a_array = sparse_array(a);
	SparseArray b_array = sparse_array(b);
	float		sum = distance_kernels->l2sq_sparse(&a_array, &b_array);

	if (sum_is_trusted(sum))
		return sum;
	if (sum == 0 && a->nnz == b->nnz &&
		memcmp(a->indices, b->indices,
			   SPARSEVEC_SIZE(a->nnz) - SPARSEVEC_SIZE(0)) == 0)
		return 0;
	return sparse_array_l2sq(&a_array, &b_array);
}

double
sparsevec_l2_distance_raw(const SparseVector *a, const SparseVector *b)
{
	return sqrt(sparsevec_l2_squared_distance_raw(a, b));
}

static double
sparsevec_inner_product_raw(const SparseVector *a, const SparseVector *b)
{
	SparseArray a_array = sparse_array(a);
	SparseArray b_array = sparse_array(b);
	float		dot = distance_kernels->dot_sparse(&a_array, &b_array);

	/* zero is common: then no product has lost digits if none could */
	if (sum_is_trusted(fabsf(dot)) ||
		(isfinite(dot) &&
		 float_array_is_above(a_array.value, a_array.count, TRUSTED_ELEMENT) &&
		 float_array_is_above(b_array.value, b_array.count, TRUSTED_ELEMENT)))
		return dot;
	return sparse_array_dot(&a_array, &b_array);
}

double
sparsevec_negative_inner_product_raw(const SparseVector *a,
									 const SparseVector *b)
{
	return -sparsevec_inner_product_raw(a, b);
}

static inline float
squared_norm(const SparseArray *a)
{
	return a->count > 0
			   ? distance_kernels->dot_f32(a->value, a->value, a->count)
			   : 0;
}

double
sparsevec_cosine_distance_raw(const SparseVector *a, const SparseVector *b)
{
	SparseArray a_array = sparse_array(a);
	SparseArray b_array = sparse_array(b);
	float		norm_a = squared_norm(&a_array);
	float		norm_b = squared_norm(&b_array);

	/* the inner product is at most the larger norm, and its error small */
	if (sum_is_trusted(norm_a) && sum_is_trusted(norm_b))
	{
		float dot = distance_kernels->dot_sparse(&a_array, &b_array);

		if (likely(isfinite(dot)))
			return cosine_distance_of(dot, norm_a, norm_b);
	}
	return cosine_distance_of(sparse_array_dot(&a_array, &b_array),
							  float_array_sum_squares(a_array.value, a->nnz),
							  float_array_sum_squares(b_array.value, b->nnz));
}

double
sparsevec_l1_distance_raw(const SparseVector *a, const SparseVector *b)
{
	SparseArray a_array = sparse_array(a);
	SparseArray b_array = sparse_array(b);
	float		sum = distance_kernels->l1_sparse(&a_array, &b_array);

	return likely(sum <= FLT_MAX) ? sum : sparse_array_l1(&a_array, &b_array);
}

#define SPARSEVEC_DISTANCE(name)                                    \
	PG_FUNCTION_INFO_V1(name);                                      \
	Datum name(PG_FUNCTION_ARGS)                                    \
	{                                                               \
		ShortValue	  a_room;                                       \
		ShortValue	  b_room;                                       \
		SparseVector *a = fetch_value(PG_GETARG_DATUM(0), &a_room); \
		SparseVector *b = fetch_value(PG_GETARG_DATUM(1), &b_room); \
		double		  result;                                       \
                                                                    \
		check_same_dims(&sparsevec_type, a->dim, b->dim);           \
		result = name##_raw(a, b);                                  \
                                                                    \
		release_value(a, PG_GETARG_DATUM(0), &a_room);              \
		release_value(b, PG_GETARG_DATUM(1), &b_room);              \
		PG_RETURN_FLOAT8(result);                                   \
	}                                                               \
	extern Datum name(PG_FUNCTION_ARGS)

SPARSEVEC_DISTANCE(sparsevec_l2_distance);
SPARSEVEC_DISTANCE(sparsevec_l2_squared_distance);
SPARSEVEC_DISTANCE(sparsevec_inner_product);
SPARSEVEC_DISTANCE(sparsevec_negative_inner_product);
SPARSEVEC_DISTANCE(sparsevec_cosine_distance);
SPARSEVEC_DISTANCE(sparsevec_l1_distance);
