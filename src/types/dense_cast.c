/*
 * dense_cast.c
 *		Casts between vector, halfvec and arrays of numbers, and to a type
 *		modifier.
 */
#include "postgres.h"

#include "types/array_elements.h"
#include "types/dense.h"

/* cast(value, typmod, explicit): checks the type modifier only. */
Datum
dense_to_typmod(FunctionCallInfo fcinfo, const VectorType *type)
{
	Datum value = PG_GETARG_DATUM(0);
	int32 typmod = PG_GETARG_INT32(1);

	/* the header is enough, and an external value stays external */
	if (typmod != -1)
		check_typmod(typmod, DatumGetDenseHeader(value)->dim, NULL);
	PG_RETURN_DATUM(value);
}

Datum
array_to_dense(FunctionCallInfo fcinfo, const VectorType *type)
{
	ArrayType	*array = PG_GETARG_ARRAYTYPE_P(0);
	int32		 typmod = PG_GETARG_INT32(1);
	int			 dim = array_element_count(array);
	DenseVector *result;
	float		*x;

	check_dim(type, dim, NULL);
	check_typmod(typmod, dim, NULL);
	result = dense_alloc(type, dim);
	x = dense_workspace(type, result);
	array_elements(type, array, x);
	dense_store(type, result, x);
	PG_RETURN_POINTER(result);
}

Datum
dense_to_array(FunctionCallInfo fcinfo, const VectorType *type)
{
	DenseVector *value = PG_GETARG_DENSE_P(0);
	float		*x;
	ArrayType	*result = make_real_array(value->dim, &x);

	memcpy(x, dense_floats(type, value), sizeof(float) * value->dim);
	PG_RETURN_ARRAYTYPE_P(result);
}

Datum
dense_to_dense(FunctionCallInfo fcinfo, const VectorType *from,
			   const VectorType *to)
{
	DenseVector *value = PG_GETARG_DENSE_P(0);
	int32		 typmod = PG_GETARG_INT32(1);
	DenseVector *result;
	const float *x;

	check_dim(to, value->dim, NULL);
	check_typmod(typmod, value->dim, NULL);
	x = dense_floats(from, value);
	check_elements(to, x, value->dim);
	result = dense_alloc(to, value->dim);
	dense_store(to, result, x);
	PG_RETURN_POINTER(result);
}
