/*
 * sparsevec_io.c
 *		Text form, binary form and type modifier of sparsevec.
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"

#include "base/compat.h"
#include "types/binary_form.h"
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
	BinaryForm	  form;
	BinaryStatus  status;
	SparseVector *result;
	float		 *values;

	status = sparse_binary_parse(&sparsevec_type, SPARSEVEC_MAX_NNZ,
								 message->data + message->cursor,
								 message->len - message->cursor, &form);
	check_binary_status(&sparsevec_type, status, &form, typmod);
	pq_getmsgbytes(message, form.bytes);

	/* indexes and values follow each other, as they do in the message */
	result = InitSparseVector(form.dim, form.count);
	values = SPARSEVEC_VALUES(result);
	binary_swap(result->indices, form.elements, 2 * form.count, sizeof(int32));
	report_sparse_status(sparse_array_check(result->indices, form.count,
											form.dim),
						 NULL);
	check_elements(&sparsevec_type, values, form.count);
	for (int i = 0; i < form.count; i++)
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
	SparseVector *value = PG_GETARG_SPARSEVEC_P(0);
	Size		  size = VARHDRSZ + SPARSE_BINARY_HEAD +
				(sizeof(int32) + sizeof(float)) * (Size) value->nnz;
	bytea *result = palloc(size);
	char  *p = VARDATA(result);
	int32  head[] = {value->dim, value->nnz, 0};

	StaticAssertStmt(sizeof(head) == SPARSE_BINARY_HEAD, "head");
	SET_VARSIZE(result, size);
	binary_swap(p, head, lengthof(head), sizeof(int32));
	binary_swap(p + SPARSE_BINARY_HEAD, value->indices, 2 * value->nnz,
				sizeof(int32));
	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_BYTEA_P(result);
}
