/*
 * dense_arithmetic.c
 *		Arithmetic, parts, norm and average of vector and halfvec.
 *
 * A sum, difference or product of two halves that is rounded to float4 first
 * rounds to the same half as the exact one, since a float4 has more than twice
 * the bits (Figueroa, "When is double rounding innocuous?", 1995).
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"
#include "utils/varbit.h"

#include "types/average_state.h"
#include "types/dense.h"
#include "types/float_array.h"

/*
 * Where the result of an operation on argument 0 goes.  As the transition
 * function of an aggregate we may overwrite the state that we were given.
 */
static DenseVector *
result_value(FunctionCallInfo fcinfo, const VectorType *type, DenseVector *a)
{
	if (AggCheckCallContext(fcinfo, NULL) &&
		(Pointer) a == DatumGetPointer(PG_GETARG_DATUM(0)))
		return a;
	return dense_alloc(type, a->dim);
}

typedef void (*ArrayOperation)(float *result, const float *a, const float *b,
							   int n);

static DenseVector *
sum_or_difference(FunctionCallInfo fcinfo, const VectorType *type,
				  ArrayOperation operation)
{
	DenseVector *a = PG_GETARG_DENSE_P(0);
	DenseVector *b = PG_GETARG_DENSE_P(1);
	DenseVector *result;
	float		*x;

	check_same_dims(type, a->dim, b->dim);
	result = result_value(fcinfo, type, a);
	x = dense_workspace(type, result);
	operation(x, dense_floats(type, a), dense_floats(type, b), a->dim);
	if (unlikely(!float_array_is_below(x, a->dim, type->limit)))
		float_overflow_error();
	dense_store(type, result, x);
	return result;
}

Datum
dense_add(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_POINTER(sum_or_difference(fcinfo, type, float_array_add));
}

Datum
dense_sub(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_POINTER(sum_or_difference(fcinfo, type, float_array_subtract));
}

Datum
dense_mul(FunctionCallInfo fcinfo, const VectorType *type)
{
	DenseVector *a = PG_GETARG_DENSE_P(0);
	DenseVector *b = PG_GETARG_DENSE_P(1);
	const float *a_x = dense_floats(type, a);
	const float *b_x = dense_floats(type, b);
	DenseVector *result;
	float		*x;

	check_same_dims(type, a->dim, b->dim);
	result = dense_alloc(type, a->dim);
	x = dense_workspace(type, result);
	float_array_multiply(x, a_x, b_x, a->dim);
	if (unlikely(!float_array_is_below(x, a->dim, type->limit)))
		float_overflow_error();
	dense_store(type, result, x);

	/* what counts is whether an element is zero, not the float4 before it */
	if (unlikely(float_array_product_underflows(dense_floats(type, result),
												a_x, b_x, a->dim)))
		float_underflow_error();
	PG_RETURN_POINTER(result);
}

Datum
dense_concat(FunctionCallInfo fcinfo, const VectorType *type)
{
	DenseVector *a = PG_GETARG_DENSE_P(0);
	DenseVector *b = PG_GETARG_DENSE_P(1);
	int			 dim = a->dim + b->dim;
	Size		 a_bytes = (Size) type->element_bytes * a->dim;
	DenseVector *result;

	check_dim(type, dim, NULL);
	result = dense_alloc(type, dim);
	memcpy(result->elements, a->elements, a_bytes);
	memcpy(result->elements + a_bytes, b->elements,
		   (Size) type->element_bytes * b->dim);
	PG_RETURN_POINTER(result);
}

Datum
dense_dims(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_INT32(DatumGetDenseHeader(PG_GETARG_DATUM(0))->dim);
}

Datum
dense_norm(FunctionCallInfo fcinfo, const VectorType *type)
{
	DenseVector *a = PG_GETARG_DENSE_P(0);

	PG_RETURN_FLOAT8(
		sqrt(float_array_sum_squares(dense_floats(type, a), a->dim)));
}

Datum
dense_normalize(FunctionCallInfo fcinfo, const VectorType *type)
{
	DenseVector *a = PG_GETARG_DENSE_P(0);
	const float *a_x = dense_floats(type, a);
	double		 norm = sqrt(float_array_sum_squares(a_x, a->dim));
	DenseVector *result = dense_alloc(type, a->dim);
	float		*x = dense_workspace(type, result);

	/* a zero vector has no direction and stays zero */
	if (norm == 0)
		memset(x, 0, sizeof(float) * a->dim);
	else
		float_array_divide(x, a_x, norm, a->dim);
	dense_store(type, result, x);
	PG_RETURN_POINTER(result);
}

/*
 * subvector(value, start, count): elements start to start + count - 1, counted
 * from 1, as far as they exist.
 */
Datum
dense_subvector(FunctionCallInfo fcinfo, const VectorType *type)
{
	Datum		 value = PG_GETARG_DATUM(0);
	int64		 start = PG_GETARG_INT32(1);
	int64		 after = start + Max(PG_GETARG_INT32(2), 0);
	int			 dim = DatumGetDenseHeader(value)->dim;
	DenseVector *a;
	DenseVector *result;

	start = Max(start, 1);
	after = Min(after, (int64) dim + 1);
	check_dim(type, after - start, NULL);

	/* fetch no more than the last element that is needed */
	a = (DenseVector *) PG_DETOAST_DATUM_SLICE(
		value, 0, (int32) (DENSE_SIZE(type, after - 1) - VARHDRSZ));
	result = dense_alloc(type, (int) (after - start));
	memcpy(result->elements, a->elements + type->element_bytes * (start - 1),
		   (Size) type->element_bytes * result->dim);
	PG_RETURN_POINTER(result);
}

/* One bit an element: is it above zero? */
Datum
dense_sign_bits(FunctionCallInfo fcinfo, const VectorType *type)
{
	DenseVector *a = PG_GETARG_DENSE_P(0);
	Size		 size = VARBITTOTALLEN(a->dim);
	VarBit		*result = palloc(size);

	SET_VARSIZE(result, size);
	VARBITLEN(result) = a->dim;
	float_array_sign_bits(dense_floats(type, a), a->dim, VARBITS(result));
	PG_RETURN_VARBIT_P(result);
}

/* The transition and final function of avg.  (sum is made of dense_add.) */
Datum
dense_accum(FunctionCallInfo fcinfo, const VectorType *type)
{
	ArrayType	*state = average_state(fcinfo, 0, type->name, "accum");
	DenseVector *value = PG_GETARG_DENSE_P(1);

	PG_RETURN_ARRAYTYPE_P(average_accumulate(fcinfo, state,
											 dense_floats(type, value),
											 value->dim));
}

Datum
dense_avg(FunctionCallInfo fcinfo, const VectorType *type)
{
	ArrayType	 *state = average_state(fcinfo, 0, type->name, "avg");
	double		  count = AVERAGE_COUNT(state);
	const double *sums = AVERAGE_SUMS(state);
	int			  dim = AVERAGE_DIM(state);
	DenseVector	 *result;
	float		 *x;

	if (count == 0)
		PG_RETURN_NULL();

	check_dim(type, dim, NULL);
	result = dense_alloc(type, dim);
	x = dense_workspace(type, result);
	for (int i = 0; i < dim; i++)
		x[i] = element_from_double(type, sums[i] / count);
	check_elements(type, x, dim);
	dense_store(type, result, x);
	PG_RETURN_POINTER(result);
}
