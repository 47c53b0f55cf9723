/*
 * vector_ops.c
 *		Arithmetic, comparison and the other functions of one or two vectors.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/float.h"
#include "utils/varbit.h"

#include "base/compat.h"
#include "types/float_array.h"
#include "types/type_checks.h"
#include "types/vector.h"

/*
 * vector_header -- the fixed part of a vector, without fetching the elements
 * of one that is stored out of line.
 */
static inline Vector *
vector_header(Datum value)
{
	return (Vector *) PG_DETOAST_DATUM_SLICE(value, 0,
											 offsetof(Vector, x) - VARHDRSZ);
}

/*
 * Where the result of an operation on argument 0 goes.  As the transition
 * function of an aggregate we may overwrite the state that we were given.
 */
static inline Vector *
result_vector(FunctionCallInfo fcinfo, Vector *a)
{
	if (AggCheckCallContext(fcinfo, NULL) &&
		(Pointer) a == DatumGetPointer(PG_GETARG_DATUM(0)))
		return a;
	return vector_alloc(a->dim);
}

PG_FUNCTION_INFO_V1(vector_add);
Datum
vector_add(PG_FUNCTION_ARGS)
{
	Vector *a = PG_GETARG_VECTOR_P(0);
	Vector *b = PG_GETARG_VECTOR_P(1);
	Vector *result;

	check_same_dims(&vector_type, a->dim, b->dim);
	result = result_vector(fcinfo, a);
	float_array_add(result->x, a->x, b->x, a->dim);
	if (unlikely(!float_array_is_finite(result->x, result->dim)))
		float_overflow_error();
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vector_sub);
Datum
vector_sub(PG_FUNCTION_ARGS)
{
	Vector *a = PG_GETARG_VECTOR_P(0);
	Vector *b = PG_GETARG_VECTOR_P(1);
	Vector *result;

	check_same_dims(&vector_type, a->dim, b->dim);
	result = result_vector(fcinfo, a);
	float_array_subtract(result->x, a->x, b->x, a->dim);
	if (unlikely(!float_array_is_finite(result->x, result->dim)))
		float_overflow_error();
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vector_mul);
Datum
vector_mul(PG_FUNCTION_ARGS)
{
	Vector *a = PG_GETARG_VECTOR_P(0);
	Vector *b = PG_GETARG_VECTOR_P(1);
	Vector *result;

	check_same_dims(&vector_type, a->dim, b->dim);
	result = vector_alloc(a->dim);
	float_array_multiply(result->x, a->x, b->x, a->dim);
	if (unlikely(!float_array_is_finite(result->x, result->dim)))
		float_overflow_error();
	if (unlikely(
			float_array_product_underflows(result->x, a->x, b->x, a->dim)))
		float_underflow_error();
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vector_concat);
Datum
vector_concat(PG_FUNCTION_ARGS)
{
	Vector *a = PG_GETARG_VECTOR_P(0);
	Vector *b = PG_GETARG_VECTOR_P(1);
	int		dim = a->dim + b->dim;
	Vector *result;

	check_dim(&vector_type, dim, NULL);
	result = vector_alloc(dim);
	memcpy(result->x, a->x, sizeof(float) * a->dim);
	memcpy(result->x + a->dim, b->x, sizeof(float) * b->dim);
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vector_dims);
Datum
vector_dims(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(vector_header(PG_GETARG_DATUM(0))->dim);
}

PG_FUNCTION_INFO_V1(vector_norm);
Datum
vector_norm(PG_FUNCTION_ARGS)
{
	Vector *a = PG_GETARG_VECTOR_P(0);

	PG_RETURN_FLOAT8(sqrt(float_array_sum_squares(a->x, a->dim)));
}

PG_FUNCTION_INFO_V1(l2_normalize);
Datum
l2_normalize(PG_FUNCTION_ARGS)
{
	Vector *a = PG_GETARG_VECTOR_P(0);
	double	norm = sqrt(float_array_sum_squares(a->x, a->dim));
	Vector *result;

	/* a zero vector has no direction and stays zero */
	if (norm == 0)
		PG_RETURN_VECTOR_P(InitVector(a->dim));

	result = vector_alloc(a->dim);
	float_array_divide(result->x, a->x, norm, a->dim);
	PG_RETURN_VECTOR_P(result);
}

/*
 * subvector(vector, start, count): elements start to start + count - 1,
 * counted from 1, as far as they exist.
 */
PG_FUNCTION_INFO_V1(subvector);
Datum
subvector(PG_FUNCTION_ARGS)
{
	Datum	value = PG_GETARG_DATUM(0);
	int64	start = PG_GETARG_INT32(1);
	int64	after = start + Max(PG_GETARG_INT32(2), 0);
	int		dim = vector_header(value)->dim;
	Vector *a;
	Vector *result;

	start = Max(start, 1);
	after = Min(after, (int64) dim + 1);
	check_dim(&vector_type, after - start, NULL);

	/* fetch no more than the last element that is needed */
	a = (Vector *) PG_DETOAST_DATUM_SLICE(value, 0,
										  (int32) (VECTOR_SIZE(after - 1) -
												   VARHDRSZ));
	result = vector_alloc((int) (after - start));
	memcpy(result->x, a->x + start - 1, sizeof(float) * result->dim);
	PG_RETURN_VECTOR_P(result);
}

/* One bit an element: is it above zero? */
PG_FUNCTION_INFO_V1(binary_quantize);
Datum
binary_quantize(PG_FUNCTION_ARGS)
{
	Vector *a = PG_GETARG_VECTOR_P(0);
	Size	size = VARBITTOTALLEN(a->dim);
	VarBit *result = palloc(size);

	SET_VARSIZE(result, size);
	VARBITLEN(result) = a->dim;
	float_array_sign_bits(a->x, a->dim, VARBITS(result));
	PG_RETURN_VARBIT_P(result);
}

/*
 * Comparison by the first elements that differ, then by the number of
 * dimensions.  B-tree support must not leak, so copies are freed.
 */
static int
compare_arguments(FunctionCallInfo fcinfo)
{
	Vector *a = PG_GETARG_VECTOR_P(0);
	Vector *b = PG_GETARG_VECTOR_P(1);
	int		result = float_array_compare(a->x, a->dim, b->x, b->dim);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return result;
}

PG_FUNCTION_INFO_V1(vector_lt);
Datum
vector_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

PG_FUNCTION_INFO_V1(vector_le);
Datum
vector_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

PG_FUNCTION_INFO_V1(vector_eq);
Datum
vector_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

PG_FUNCTION_INFO_V1(vector_ne);
Datum
vector_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

PG_FUNCTION_INFO_V1(vector_ge);
Datum
vector_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

PG_FUNCTION_INFO_V1(vector_gt);
Datum
vector_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

PG_FUNCTION_INFO_V1(vector_cmp);
Datum
vector_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}
