/*
 * sparsevec_io.c
 *		Text form, binary form and type modifier of sparsevec.
 *
 * The binary form is in network byte order:
 *
 *	OFFSET			SIZE		DESCRIPTION
 *	0				4			number of dimensions
 *	4				4			number of elements
 *	8				4			zero
 *	12				4 * nnz		indexes from 0, ascending, without duplicates
 *	12 + 4 * nnz	4 * nnz		values, float4, none of them zero
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"

#include "base/compat.h"
#include "types/sparse_array.h"
#include "types/sparse_text.h"
#include "types/sparsevec.h"
#include "types/type_checks.h"

const VectorType sparsevec_type = {
	.name = "sparsevec",
	.max_dim = SPARSEVEC_MAX_DIM,
	.limit = INFINITY,
};

SparseVector *
InitSparseVector(int dim, int nnz)
{
	Size		  size = SPARSEVEC_SIZE(nnz);
	SparseVector *result = palloc(size);

	SET_VARSIZE(result, size);
	result->dim = dim;
	result->nnz = nnz;
	result->unused = 0;
	return result;
}

static bool
report_sparse_status(SparseStatus status, Node *context)
{
	switch (status)
	{
		case SPARSE_OK:
			return true;
		case SPARSE_INDEX_OUT_OF_BOUNDS:
			return report_index_out_of_bounds(&sparsevec_type, context);
		case SPARSE_NOT_ASCENDING:
			ereturn(context, false,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec indices must be in ascending order")));
		case SPARSE_DUPLICATE:
			ereturn(context, false,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec indices must not contain duplicates")));
	}
	return true;
}

static int
compare_indexes(const void *a, const void *b)
{
	int32 a_index = ((const SparseElement *) a)->index;
	int32 b_index = ((const SparseElement *) b)->index;

	return (a_index > b_index) - (a_index < b_index);
}

PG_FUNCTION_INFO_V1(sparsevec_in);
Datum
sparsevec_in(PG_FUNCTION_ARGS)
{
	char		 *text = PG_GETARG_CSTRING(0);
	int32		  typmod = PG_GETARG_INT32(2);
	SparseText	  sparse;
	TextError	  error;
	bool		  ascending = true;
	SparseVector *result;
	float		 *values;

	sparse.room = Min(sparse_text_max_count(text), SPARSEVEC_MAX_NNZ);
	sparse.elements = palloc(sizeof(SparseElement) * sparse.room);
	if (!sparse_text_parse(&sparsevec_type, text, &sparse, &error))
	{
		report_text_error(&sparsevec_type, text, &error, fcinfo->context);
		PG_RETURN_NULL();
	}
	if (!check_typmod(typmod, sparse.dim, fcinfo->context))
		PG_RETURN_NULL();

	for (int i = 1; i < sparse.count; i++)
		ascending &= sparse.elements[i - 1].index < sparse.elements[i].index;
	if (!ascending)
		qsort(sparse.elements, sparse.count, sizeof(SparseElement),
			  compare_indexes);

	result = InitSparseVector(sparse.dim, sparse.count);
	values = SPARSEVEC_VALUES(result);
	for (int i = 0; i < sparse.count; i++)
	{
		result->indices[i] = sparse.elements[i].index;
		values[i] = sparse.elements[i].value;
	}
	pfree(sparse.elements);

	if (!ascending &&
		!report_sparse_status(sparse_array_check(result->indices, result->nnz,
												 result->dim),
							  fcinfo->context))
		PG_RETURN_NULL();
	PG_RETURN_SPARSEVEC_P(result);
}

PG_FUNCTION_INFO_V1(sparsevec_out);
Datum
sparsevec_out(PG_FUNCTION_ARGS)
{
	SparseVector *value = PG_GETARG_SPARSEVEC_P(0);
	char		 *text = palloc(SPARSE_TEXT_SIZE(value->nnz));

	sparse_text_print(text, value->indices, SPARSEVEC_VALUES(value),
					  value->nnz, value->dim);
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_CSTRING(text);
}

PG_FUNCTION_INFO_V1(sparsevec_typmod_in);
Datum
sparsevec_typmod_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(
		dimensions_typmod(&sparsevec_type, PG_GETARG_ARRAYTYPE_P(0)));
}

PG_FUNCTION_INFO_V1(sparsevec_recv);
Datum
sparsevec_recv(PG_FUNCTION_ARGS)
{
	StringInfo	  message = (StringInfo) PG_GETARG_POINTER(0);
	int32		  typmod = PG_GETARG_INT32(2);
	int32		  dim = (int32) pq_getmsgint(message, 4);
	int32		  nnz = (int32) pq_getmsgint(message, 4);
	uint32		  unused = pq_getmsgint(message, 4);
	SparseVector *result;
	float		 *values;

	check_dim(&sparsevec_type, dim, NULL);
	if (nnz < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("sparsevec cannot have negative number of elements")));
	if (nnz > SPARSEVEC_MAX_NNZ)
		report_too_many_elements(&sparsevec_type, NULL);
	if (nnz > dim)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg(
					 "sparsevec cannot have more elements than dimensions")));
	check_typmod(typmod, dim, NULL);
	check_unused(unused);

	result = InitSparseVector(dim, nnz);
	values = SPARSEVEC_VALUES(result);
	for (int i = 0; i < nnz; i++)
		result->indices[i] = (int32) pq_getmsgint(message, 4);
	report_sparse_status(sparse_array_check(result->indices, nnz, dim), NULL);

	for (int i = 0; i < nnz; i++)
		values[i] = pq_getmsgfloat4(message);
	check_elements(&sparsevec_type, values, nnz);
	for (int i = 0; i < nnz; i++)
	{
		if (values[i] == 0)
			ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
							errmsg("binary representation of sparsevec cannot "
								   "contain zero values")));
	}
	PG_RETURN_SPARSEVEC_P(result);
}

PG_FUNCTION_INFO_V1(sparsevec_send);
Datum
sparsevec_send(PG_FUNCTION_ARGS)
{
	SparseVector  *value = PG_GETARG_SPARSEVEC_P(0);
	float		  *values = SPARSEVEC_VALUES(value);
	StringInfoData message;

	pq_begintypsend(&message);
	enlargeStringInfo(&message, SPARSEVEC_SIZE(value->nnz));
	pq_sendint32(&message, value->dim);
	pq_sendint32(&message, value->nnz);
	pq_sendint32(&message, 0);
	for (int i = 0; i < value->nnz; i++)
		pq_sendint32(&message, value->indices[i]);
	for (int i = 0; i < value->nnz; i++)
		pq_sendfloat4(&message, values[i]);
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}
