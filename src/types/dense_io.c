/*
 * dense_io.c
 *		Text form, binary form and type modifier of vector and halfvec.
 *
 * The binary form is in network byte order:
 *
 *	OFFSET	SIZE		DESCRIPTION
 *	0		2			number of dimensions, unsigned
 *	2		2			zero
 *	4		n * dim		elements of n bytes, float4 or half
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "port/pg_bswap.h"

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

		p = dense_text_print_elements(p,
									  dense_block(type, value, i, n, buffer),
									  n);
	}
	p[-1] = ']'; /* in place of the last comma */
	*p = '\0';

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_CSTRING(text);
}

/* Elements from or to network byte order; the same either way. */
static void
swap_elements(const VectorType *type, char *to, const char *from, int n)
{
	if (type->element_bytes == sizeof(uint16))
	{
		for (int i = 0; i < n; i++)
		{
			uint16 bits;

			memcpy(&bits, from + sizeof(bits) * i, sizeof(bits));
			bits = pg_ntoh16(bits);
			memcpy(to + sizeof(bits) * i, &bits, sizeof(bits));
		}
	}
	else
	{
		for (int i = 0; i < n; i++)
		{
			uint32 bits;

			memcpy(&bits, from + sizeof(bits) * i, sizeof(bits));
			bits = pg_ntoh32(bits);
			memcpy(to + sizeof(bits) * i, &bits, sizeof(bits));
		}
	}
}

Datum
dense_recv(FunctionCallInfo fcinfo, const VectorType *type)
{
	StringInfo	 message = (StringInfo) PG_GETARG_POINTER(0);
	int32		 typmod = PG_GETARG_INT32(2);
	int			 dim = pq_getmsgint(message, 2);
	uint32		 unused = pq_getmsgint(message, 2);
	const char	*bytes;
	DenseVector *result;

	check_dim(type, dim, NULL);
	check_typmod(typmod, dim, NULL);
	check_unused(unused);

	bytes = pq_getmsgbytes(message, type->element_bytes * dim);
	result = dense_alloc(type, dim);
	swap_elements(type, result->elements, bytes, dim);
	check_elements(type, dense_floats(type, result), dim);
	PG_RETURN_POINTER(result);
}

Datum
dense_send(FunctionCallInfo fcinfo, const VectorType *type)
{
	DenseVector *value = PG_GETARG_DENSE_P(0);
	int			 dim = value->dim;
	Size		 size = VARHDRSZ + 2 * sizeof(uint16) +
				(Size) type->element_bytes * dim;
	bytea *result = palloc(size);
	char  *p = VARDATA(result);
	uint16 dim_bytes = pg_hton16((uint16) dim);

	SET_VARSIZE(result, size);
	memcpy(p, &dim_bytes, sizeof(dim_bytes));
	memset(p + 2, 0, 2);
	swap_elements(type, p + 4, value->elements, dim);

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_BYTEA_P(result);
}

Datum
dense_typmod_in(FunctionCallInfo fcinfo, const VectorType *type)
{
	PG_RETURN_INT32(dimensions_typmod(type, PG_GETARG_ARRAYTYPE_P(0)));
}
