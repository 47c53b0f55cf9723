/*
 * vector_cast.c
 *		Casts between vector and arrays of numbers, and to a type modifier.
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"
#include "types/array_elements.h"
#include "types/type_checks.h"
#include "types/vector.h"

/* vector(vector, typmod, explicit): checks the type modifier only. */
PG_FUNCTION_INFO_V1(vector);
Datum
vector(PG_FUNCTION_ARGS)
{
	Datum value = PG_GETARG_DATUM(0);
	int32 typmod = PG_GETARG_INT32(1);

	if (typmod != -1)
	{
		/* the header is enough, and an external value stays external */
		Vector *header = (Vector *)
			PG_DETOAST_DATUM_SLICE(value, 0, offsetof(Vector, x) - VARHDRSZ);

		check_typmod(typmod, header->dim, NULL);
	}
	PG_RETURN_DATUM(value);
}

PG_FUNCTION_INFO_V1(array_to_vector);
Datum
array_to_vector(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	int32	   typmod = PG_GETARG_INT32(1);
	int		   dim = array_element_count(array);
	Vector	  *result;

	check_dim(&vector_type, dim, NULL);
	check_typmod(typmod, dim, NULL);
	result = vector_alloc(dim);
	array_elements(&vector_type, array, result->x);
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vector_to_float4);
Datum
vector_to_float4(PG_FUNCTION_ARGS)
{
	Vector	  *vector = PG_GETARG_VECTOR_P(0);
	float	  *x;
	ArrayType *result = make_real_array(vector->dim, &x);

	memcpy(x, vector->x, sizeof(float) * vector->dim);
	PG_RETURN_ARRAYTYPE_P(result);
}
