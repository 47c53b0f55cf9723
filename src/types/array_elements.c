/*
 * array_elements.c
 *		SQL arrays of numbers as arrays of float4, for the casts of all types.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "types/array_elements.h"

int
array_element_count(ArrayType *array)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("array must be 1-D")));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("array must not contain nulls")));
	return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
}

/* By way of text, the only form in which numeric shows all of its digits. */
static void
numeric_elements(const VectorType *type, ArrayType *array, float *x)
{
	Datum *elements;
	int	   n;

	deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT, &elements,
					  NULL, &n);
	for (int i = 0; i < n; i++)
	{
		char *text = DatumGetCString(
			DirectFunctionCall1(numeric_out, elements[i]));
		const char	*p = text;
		NumberStatus status;
		TextError	 error;

		if (!element_parse(type, &p, text + strlen(text), &x[i], &status,
						   &error))
			report_text_error(type, text, &error, NULL);
		pfree(text);
	}
	pfree(elements);
}

void
array_elements(const VectorType *type, ArrayType *array, float *x)
{
	int n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	switch (ARR_ELEMTYPE(array))
	{
		case INT4OID:
		{
			const int32 *element = (const int32 *) ARR_DATA_PTR(array);

			for (int i = 0; i < n; i++)
				x[i] = (float) element[i];
			break;
		}
		case FLOAT4OID:
			memcpy(x, ARR_DATA_PTR(array), sizeof(float) * n);
			break;
		case FLOAT8OID:
		{
			const double *element = (const double *) ARR_DATA_PTR(array);

			for (int i = 0; i < n; i++)
				x[i] = element_from_double(type, element[i]);
			break;
		}
		case NUMERICOID:
			numeric_elements(type, array, x);
			break;
		default:
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
							errmsg("unsupported array type")));
	}
	check_elements(type, x, n);
}

ArrayType *
make_real_array(int n, float **x)
{
	Size	   size = ARR_OVERHEAD_NONULLS(1) + sizeof(float) * n;
	ArrayType *array = palloc(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = FLOAT4OID;
	ARR_DIMS(array)[0] = n;
	ARR_LBOUND(array)[0] = 1;
	*x = (float *) ARR_DATA_PTR(array);
	return array;
}
