/*
 * dense_io.c
 *		Text form, binary form and type modifier of vector and halfvec.
 */
#include "postgres.h"

#include "libpq/pqformat.h"

#include "types/binary_form.h"
#include "types/dense.h"
#include "types/dense_text.h"
#include "types/vector.h"

Datum
dense_in(FunctionCallInfo fcinfo, const VectorType *type)
{
	char		*text = PG_GETARG_CSTRING(0);
	int32		 typmod = PG_GETARG_INT32(2);
	float		 x[VECTOR_MAX_DIM];
	int			 dim;
	TextError	 error;
	DenseVector *result;

	Assert(type->max_dim <= VECTOR_MAX_DIM);
	if (!dense_text_parse(type, text, x, &dim, &error))
	{
		report_text_error(type, text, &error, fcinfo->context);
		PG_RETURN_NULL();
	}
	if (!check_typmod(typmod, dim, fcinfo->context))
		PG_RETURN_NULL();

	result = dense_alloc(type, dim);
	dense_store(type, result, x);
	PG_RETURN_POINTER(result);
}

Datum
dense_out(FunctionCallInfo fcinfo, const VectorType *type)
{
	DenseVector *value = PG_GETARG_DENSE_P(0);
	char		*text = palloc(DENSE_TEXT_SIZE(value->dim));
	char		*p = text;

	*p++ = '[';
	for (int i = 0; i < value->dim; i += DENSE_BLOCK)
	{
		int	  n = Min(DENSE_BLOCK, value->dim - i);
		float buffer[DENSE_BLOCK];

		p = number_print_list(p, dense_block(type, value, i, n, buffer), n);
	}
	p[-1] = ']'; /* in place of the last comma */
	*p = '\0';

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_CSTRING(text);
}

Datum
dense_recv(FunctionCallInfo fcinfo, const VectorType *type)
{
	StringInfo	 message = (StringInfo) PG_GETARG_POINTER(0);
	int32		 typmod = PG_GETARG_INT32(2);
	BinaryForm	 form;
	BinaryStatus status;
	DenseVector *result;

	status = dense_binary_parse(type, message->data + message->cursor,
								message->len - message->cursor, &form);
	check_binary_status(type, status, &form, typmod);
	pq_getmsgbytes(message, form.bytes);

	result = dense_alloc(type, form.dim);
	binary_swap(result->elements, form.elements, form.dim,
				type->element_bytes);
	check_elements(type, dense_floats(type, result), form.dim);
	PG_RETURN_POINTER(result);
}

Datum
dense_send(FunctionCallInfo fcinfo, const VectorType *type)
{
	DenseVector *value = PG_GETARG_DENSE_P(0);
	int			 dim = value->dim;
	Size		 size = VARHDRSZ + DENSE_BINARY_HEAD +
				(Size) type->element_bytes * dim;
	bytea *result = palloc(size);
	char  *p = VARDATA(result);
	uint16 head[] = {(uint16) dim, 0};

	StaticAssertStmt(sizeof(head) == DENSE_BINARY_HEAD, "head");
	SET_VARSIZE(result, size);
	binary_swap(p, head, lengthof(head), sizeof(uint16));
	binary_swap(p + DENSE_BINARY_HEAD, value->elements, dim,
				type->element_bytes);

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_BYTEA_P(result);
}

Datum
dense_typmod_in(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_INT32(dimensions_typmod(type, PG_GETARG_ARRAYTYPE_P(0)));
}
