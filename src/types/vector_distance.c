/*
 * vector_distance.c
 *		Distances of the type vector: the SQL functions, and the same on raw
 *		arrays for the access methods.
 */
#include "postgres.h"

#include "types/dense.h"
#include "types/exact_distance.h"
#include "types/float_array.h"
#include "types/raw_values.h"

static double
vector_l2_squared_distance_raw(const float *a, const float *b, int dim)
{
	float sum = distance_kernels->l2sq_f32(a, b, dim);

	if (sum_is_trusted(sum))
		return sum;
	if (sum == 0 && memcmp(a, b, sizeof(float) * dim) == 0)
		return 0;
	return float_array_l2sq(a, b, dim);
}

double
vector_l2_distance_raw(const float *a, const float *b, int dim)
{
	return sqrt(vector_l2_squared_distance_raw(a, b, dim));
}

/*
 * A sum that is small or zero is still right if no term of it has lost digits:
 * vectors that share no element are common.
 */
static double
vector_inner_product_raw(const float *a, const float *b, int dim)
{
	float dot = distance_kernels->dot_f32(a, b, dim);

	if (sum_is_trusted(fabsf(dot)) ||
		(isfinite(dot) && !distance_kernels->dot_underflows_f32(a, b, dim)))
		return dot;
	return float_array_dot(a, b, dim);
}

double
vector_negative_inner_product_raw(const float *a, const float *b, int dim)
{
	return -vector_inner_product_raw(a, b, dim);
}

double
vector_cosine_distance_raw(const float *a, const float *b, int dim)
{
	CosineParts parts = distance_kernels->cosine_f32(a, b, dim);

	/* the inner product is at most the larger norm, and its error small */
	if (sum_is_trusted(parts.norm_a) && sum_is_trusted(parts.norm_b) &&
		likely(isfinite(parts.dot)))
		return cosine_distance_of(parts.dot, parts.norm_a, parts.norm_b);
	return cosine_distance_of(float_array_dot(a, b, dim),
							  float_array_sum_squares(a, dim),
							  float_array_sum_squares(b, dim));
}

double
vector_l1_distance_raw(const float *a, const float *b, int dim)
{
	float sum = distance_kernels->l1_f32(a, b, dim);

	return likely(sum <= FLT_MAX) ? sum : float_array_l1(a, b, dim);
}

static double
vector_spherical_distance_raw(const float *a, const float *b, int dim)
{
	return spherical_distance_of(vector_inner_product_raw(a, b, dim));
}

DENSE_DISTANCE(l2_distance, vector_l2_distance_raw, Vector, vector_type);
DENSE_DISTANCE(vector_l2_squared_distance, vector_l2_squared_distance_raw,
			   Vector, vector_type);
DENSE_DISTANCE(inner_product, vector_inner_product_raw, Vector, vector_type);
DENSE_DISTANCE(vector_negative_inner_product,
			   vector_negative_inner_product_raw, Vector, vector_type);
DENSE_DISTANCE(cosine_distance, vector_cosine_distance_raw, Vector,
			   vector_type);
DENSE_DISTANCE(l1_distance, vector_l1_distance_raw, Vector, vector_type);
DENSE_DISTANCE(vector_spherical_distance, vector_spherical_distance_raw,
			   Vector, vector_type);
