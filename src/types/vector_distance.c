/*
 * vector_distance.c
 *		Distances of the type vector: the SQL functions, and the same on raw
 *		arrays for the access methods.
 *
 * The kernels add up in single precision.  Sums of squares beyond its range
 * come out as infinite or NaN, and small ones lose their digits; such results
 * are computed again in double precision, which holds the square of any float4
 * times any number of dimensions.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "fmgr.h"

#include "base/compat.h"
#include "distance/distance.h"
#include "types/float_array.h"
#include "types/type_checks.h"
#include "types/vector.h"

/*
 * A product below the normal range of float4 is wrong by at most 2^-150, so a
 * sum of VECTOR_MAX_DIM products by less than 2^-136; sums of squares from
 * here on are then right to 2^-30.
 */
#define TRUSTED_SQUARES 0x1p-106f

static inline bool
trusted_squares(float sum)
{
	return likely(sum >= TRUSTED_SQUARES && sum <= FLT_MAX);
}

static double
vector_l2_squared_distance_raw(const float *a, const float *b, int dim)
{
	float sum = distance_kernels->l2sq_f32(a, b, dim);

	return trusted_squares(sum) ? sum : float_array_l2sq(a, b, dim);
}

double
vector_l2_distance_raw(const float *a, const float *b, int dim)
{
	return sqrt(vector_l2_squared_distance_raw(a, b, dim));
}

static double
vector_inner_product_raw(const float *a, const float *b, int dim)
{
	float dot = distance_kernels->dot_f32(a, b, dim);

	return trusted_squares(fabsf(dot)) ? dot : float_array_dot(a, b, dim);
}

double
vector_negative_inner_product_raw(const float *a, const float *b, int dim)
{
	return -vector_inner_product_raw(a, b, dim);
}

/* NaN if one of the vectors is zero */
double
vector_cosine_distance_raw(const float *a, const float *b, int dim)
{
	CosineParts parts = distance_kernels->cosine_f32(a, b, dim);
	double		dot = parts.dot;
	double		norm_a = parts.norm_a;
	double		norm_b = parts.norm_b;
	double		similarity;

	/* the inner product is at most the larger norm, and its error small */
	if (!trusted_squares(parts.norm_a) || !trusted_squares(parts.norm_b) ||
		unlikely(!isfinite(parts.dot)))
	{
		dot = float_array_dot(a, b, dim);
		norm_a = float_array_sum_squares(a, dim);
		norm_b = float_array_sum_squares(b, dim);
	}

	/* rounding must not take the distance out of 0 to 2; NaN stays NaN */
	similarity = dot / sqrt(norm_a * norm_b);
	if (similarity > 1)
		similarity = 1;
	else if (similarity < -1)
		similarity = -1;
	return 1 - similarity;
}

double
vector_l1_distance_raw(const float *a, const float *b, int dim)
{
	float sum = distance_kernels->l1_f32(a, b, dim);

	return likely(sum <= FLT_MAX) ? sum : float_array_l1(a, b, dim);
}

typedef double (*VectorDistance)(const float *a, const float *b, int dim);

static inline Datum
distance_function(FunctionCallInfo fcinfo, VectorDistance distance)
{
	Vector *a = PG_GETARG_VECTOR_P(0);
	Vector *b = PG_GETARG_VECTOR_P(1);
	double	result;

	check_same_dims(&vector_type, a->dim, b->dim);
	result = distance(a->x, b->x, a->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	PG_RETURN_FLOAT8(result);
}

PG_FUNCTION_INFO_V1(l2_distance);
Datum
l2_distance(PG_FUNCTION_ARGS)
{
	return distance_function(fcinfo, vector_l2_distance_raw);
}

PG_FUNCTION_INFO_V1(vector_l2_squared_distance);
Datum
vector_l2_squared_distance(PG_FUNCTION_ARGS)
{
	return distance_function(fcinfo, vector_l2_squared_distance_raw);
}

PG_FUNCTION_INFO_V1(inner_product);
Datum
inner_product(PG_FUNCTION_ARGS)
{
	return distance_function(fcinfo, vector_inner_product_raw);
}

PG_FUNCTION_INFO_V1(vector_negative_inner_product);
Datum
vector_negative_inner_product(PG_FUNCTION_ARGS)
{
	return distance_function(fcinfo, vector_negative_inner_product_raw);
}

PG_FUNCTION_INFO_V1(cosine_distance);
Datum
cosine_distance(PG_FUNCTION_ARGS)
{
	return distance_function(fcinfo, vector_cosine_distance_raw);
}

PG_FUNCTION_INFO_V1(l1_distance);
Datum
l1_distance(PG_FUNCTION_ARGS)
{
	return distance_function(fcinfo, vector_l1_distance_raw);
}

/* The angle between unit vectors, as a share of pi. */
static double
vector_spherical_distance_raw(const float *a, const float *b, int dim)
{
	double dot = vector_inner_product_raw(a, b, dim);

	if (dot > 1)
		dot = 1;
	else if (dot < -1)
		dot = -1;
	return acos(dot) / M_PI;
}

PG_FUNCTION_INFO_V1(vector_spherical_distance);
Datum
vector_spherical_distance(PG_FUNCTION_ARGS)
{
	return distance_function(fcinfo, vector_spherical_distance_raw);
}
