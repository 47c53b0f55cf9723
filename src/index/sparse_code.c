/*
 * sparse_code.c
 *		Codes of sparse vectors: their elements, and sums over them.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "distance/distance.h"
#include "index/coder.h"
#include "index/sparse_code.h"
#include "types/sparse_array.h"

/*
 * Rounding of what is computed from the elements that two sparse vectors share:
 * a part of the product of their lengths (or of the sum of them, under L1), and
 * more for each shared element, since the operator adds them up one by one.
 */
#define SPARSE_ROUNDING			1e-6
#define SPARSE_ELEMENT_ROUNDING 0x1p-24

bool
sparse_code_encode(VectorMetric metric, SparseArray array, SparseCode *code)
{
	float *values = (float *) (code->index + array.count);
	double size = 0;
	double scale = 1;

	for (uint32 i = 0; i < array.count; i++)
		size += metric == METRIC_L1 ? fabs(array.value[i])
									: (double) array.value[i] * array.value[i];
	if (metric == METRIC_COSINE)
	{
		if (size == 0)
			return false;
		scale = sqrt(size);
		size = 1;
	}

	code->count = array.count;
	code->size = size;
	memcpy(code->index, array.index, sizeof(int32) * array.count);
	for (uint32 i = 0; i < array.count; i++)
		values[i] = array.value[i] / scale;
	return true;
}

const char *
sparse_code_check(const SparseCode *code, uint32 dimensions)
{
	SparseArray array = sparse_code_array(code);

	if (sparse_array_check(array.index, array.count, dimensions) != SPARSE_OK)
		return "its indexes are not in order";
	for (uint32 i = 0; i < array.count; i++)
	{
		if (!isfinite(array.value[i]))
			return "it has a value that is not finite";
	}
	return NULL;
}

void
sparse_code_query_init(SparseCodeQuery *query, const SparseCode *code)
{
	SparseArray array;

	query->code = code != NULL ? code : palloc0(SPARSE_CODE_BYTES(0));
	array = sparse_code_array(query->code);
	sparse_table_init(&query->table, &array,
					  palloc(sparse_table_bytes(array.count)));
}

/*
 * The distance, and a bound of its error.  shared: what the common elements
 * give, the inner product or, under L1, the change of the sum of both sizes.
 */
static inline float
distance_from_shared(VectorMetric metric, double shared, const SparseCode *a,
					 const SparseCode *b, float *error)
{
	double relative = SPARSE_ROUNDING +
					  SPARSE_ELEMENT_ROUNDING * Min(a->count, b->count);
	double size_a = a->size;
	double size_b = b->size;
	double distance;
	double bound;

	if (metric == METRIC_L1)
	{
		distance = Max(size_a + size_b + shared, 0);
		bound = relative * (size_a + size_b);
	}
	else if (metric == METRIC_COSINE)
	{
		distance = 1 - shared;
		bound = relative;
	}
	else if (metric == METRIC_IP)
	{
		distance = -shared;
		bound = relative * sqrt(size_a * size_b);
	}
	else
	{
		double square = size_a + size_b - 2 * shared;
		double square_bound = 2 * relative * (size_a + size_b);

		distance = sqrt(Max(square, 0));
		bound = distance - sqrt(Max(square - square_bound, 0));
		if (square < square_bound)
			bound = sqrt(2 * square_bound);
	}

	/* nothing is known beyond the range of floats, or of a damaged code */
	if (unlikely(!(fabs(distance) <= 1e37) || !(bound >= 0)))
	{
		*error = INFINITY;
		return isnan(distance) ? FLT_MAX
							   : Max(Min(distance, FLT_MAX), -FLT_MAX);
	}
	*error = bound + coder_value_error(distance);
	return distance;
}

float
sparse_code_distance(VectorMetric metric, const SparseCode *a,
					 const SparseCode *b)
{
	SparseArray array_a = sparse_code_array(a);
	SparseArray array_b = sparse_code_array(b);
	float		distance;
	float		error;

	if (metric == METRIC_L1)
	{
		distance = distance_kernels->l1_sparse(&array_a, &array_b);
		return isnan(distance) ? FLT_MAX : Min(distance, FLT_MAX);
	}
	return distance_from_shared(metric,
								distance_kernels->dot_sparse(&array_a,
															 &array_b),
								a, b, &error);
}

float
sparse_code_query_distance(VectorMetric metric, const SparseCodeQuery *query,
						   const SparseCode *code, float *error)
{
	SparseArray array = sparse_code_array(code);
	double		shared = metric == METRIC_L1
							 ? sparse_table_l1_shared(&query->table, &array)
							 : sparse_table_dot(&query->table, &array);

	return distance_from_shared(metric, shared, query->code, code, error);
}
