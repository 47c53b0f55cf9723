/*
 * sparsevec_cast.c
 *		Casts between sparsevec, the dense types and arrays of numbers, and to
 *		a type modifier.
 */
#include "postgres.h"

#include "types/array_elements.h"
#include "types/dense.h"
#include "types/sparsevec.h"

/* sparsevec(sparsevec, typmod, explicit): checks the type modifier only. */
PG_FUNCTION_INFO_V1(sparsevec);
Datum
sparsevec(PG_FUNCTION_ARGS)
{
	Datum value = PG_GETARG_DATUM(0);
	int32 typmod = PG_GETARG_INT32(1);

	if (typmod != -1)
	{
		/* the header is enough, and an external value stays external */
		SparseVector *header = (SparseVector *) PG_DETOAST_DATUM_SLICE(
			value, 0, offsetof(SparseVector, indices) - VARHDRSZ);

		check_typmod(typmod, header->dim, NULL);
	}
	PG_RETURN_DATUM(value);
}

static SparseVector *
sparse_from_floats(const float *x, int dim)
{
	int			  nnz = 0;
	int			  at = 0;
	SparseVector *result;
	float		 *values;

	for (int i = 0; i < dim; i++)
		nnz += x[i] != 0;
	if (nnz > SPARSEVEC_MAX_NNZ)
		report_too_many_elements(&sparsevec_type, NULL);

	result = InitSparseVector(dim, nnz);
	values = SPARSEVEC_VALUES(result);
	for (int i = 0; at < nnz; i++)
	{
		if (x[i] != 0)
		{
			result->indices[at] = i;
			values[at++] = x[i];
		}
	}
	return result;
}

PG_FUNCTION_INFO_V1(array_to_sparsevec);
Datum
array_to_sparsevec(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	int32	   typmod = PG_GETARG_INT32(1);
	int		   dim = array_element_count(array);
	float	  *x;

	check_dim(&sparsevec_type, dim, NULL);
	check_typmod(typmod, dim, NULL);
	x = palloc(sizeof(float) * dim);
	array_elements(&sparsevec_type, array, x);
	PG_RETURN_SPARSEVEC_P(sparse_from_floats(x, dim));
}

static Datum
dense_to_sparsevec(FunctionCallInfo fcinfo, const VectorType *type)
{
	DenseVector *value = PG_GETARG_DENSE_P(0);

	check_typmod(PG_GETARG_INT32(1), value->dim, NULL);
	PG_RETURN_SPARSEVEC_P(
		sparse_from_floats(dense_floats(type, value), value->dim));
}

static Datum
sparsevec_to_dense(FunctionCallInfo fcinfo, const VectorType *type)
{
	SparseVector *value = PG_GETARG_SPARSEVEC_P(0);
	float		 *values = SPARSEVEC_VALUES(value);
	DenseVector	 *result;
	float		 *x;

	check_dim(type, value->dim, NULL);
	check_typmod(PG_GETARG_INT32(1), value->dim, NULL);
	check_elements(type, values, value->nnz);
	result = dense_alloc(type, value->dim);
	x = dense_workspace(type, result);
	memset(x, 0, sizeof(float) * value->dim);
	for (int i = 0; i < value->nnz; i++)
		x[value->indices[i]] = values[i];
	dense_store(type, result, x);
	PG_RETURN_POINTER(result);
}

DENSE_FUNCTION(vector_to_sparsevec, dense_to_sparsevec, vector_type);
DENSE_FUNCTION(halfvec_to_sparsevec, dense_to_sparsevec, halfvec_type);
DENSE_FUNCTION(sparsevec_to_vector, sparsevec_to_dense, vector_type);
DENSE_FUNCTION(sparsevec_to_halfvec, sparsevec_to_dense, halfvec_type);
