/*
 * halfvec_distance.c
 *		Distances of the type halfvec: the SQL functions, and the same on raw
 *		arrays for the access methods.
 *
 * No sum of products of halves leaves the range of the kernels, so there is
 * nothing to compute again.
 */
#include "postgres.h"

#include "types/dense.h"
#include "types/exact_distance.h"
#include "types/raw_values.h"

static double
halfvec_l2_squared_distance_raw(const half *a, const half *b, int dim)
{
	return distance_kernels->l2sq_f16(a, b, dim);
}

double
halfvec_l2_distance_raw(const half *a, const half *b, int dim)
{
	return sqrt(halfvec_l2_squared_distance_raw(a, b, dim));
}

static double
halfvec_inner_product_raw(const half *a, const half *b, int dim)
{
	return distance_kernels->dot_f16(a, b, dim);
}

double
halfvec_negative_inner_product_raw(const half *a, const half *b, int dim)
{
	return -halfvec_inner_product_raw(a, b, dim);
}

double
halfvec_cosine_distance_raw(const half *a, const half *b, int dim)
{
	CosineParts parts = distance_kernels->cosine_f16(a, b, dim);

	return cosine_distance_of(parts.dot, parts.norm_a, parts.norm_b);
}

double
halfvec_l1_distance_raw(const half *a, const half *b, int dim)
{
	return distance_kernels->l1_f16(a, b, dim);
}

static double
halfvec_spherical_distance_raw(const half *a, const half *b, int dim)
{
	return spherical_distance_of(halfvec_inner_product_raw(a, b, dim));
}

DENSE_DISTANCE(halfvec_l2_distance, halfvec_l2_distance_raw, HalfVector,
			   halfvec_type);
DENSE_DISTANCE(halfvec_l2_squared_distance, halfvec_l2_squared_distance_raw,
			   HalfVector, halfvec_type);
DENSE_DISTANCE(halfvec_inner_product, halfvec_inner_product_raw, HalfVector,
			   halfvec_type);
DENSE_DISTANCE(halfvec_negative_inner_product,
			   halfvec_negative_inner_product_raw, HalfVector, halfvec_type);
DENSE_DISTANCE(halfvec_cosine_distance, halfvec_cosine_distance_raw,
			   HalfVector, halfvec_type);
DENSE_DISTANCE(halfvec_l1_distance, halfvec_l1_distance_raw, HalfVector,
			   halfvec_type);
DENSE_DISTANCE(halfvec_spherical_distance, halfvec_spherical_distance_raw,
			   HalfVector, halfvec_type);
