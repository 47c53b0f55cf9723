/*
 * vector_io.c
 *		Text form, binary form and type modifier of the type vector.
 *
 * The binary form is in network byte order:
 *
 *	OFFSET	SIZE		DESCRIPTION
 *	0		2			number of dimensions, unsigned
 *	2		2			zero
 *	4		4 * dim		elements, float4
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "port/pg_bswap.h"

#include "base/compat.h"
#include "types/dense_text.h"
#include "types/type_checks.h"
#include "types/vector.h"

const VectorType vector_type = {"vector", VECTOR_MAX_DIM};

Vector *
vector_alloc(int dim)
{
	Size	size = VECTOR_SIZE(dim);
	Vector *result = palloc(size);

	SET_VARSIZE(result, size);
	result->dim = dim;
	result->unused = 0;
	return result;
}

Vector *
InitVector(int dim)
{
	Vector *result = vector_alloc(dim);

	memset(result->x, 0, sizeof(float) * dim);
	return result;
}

PG_FUNCTION_INFO_V1(vector_in);
Datum
vector_in(PG_FUNCTION_ARGS)
{
	char   *text = PG_GETARG_CSTRING(0);
	int32	typmod = PG_GETARG_INT32(2);
	float	x[VECTOR_MAX_DIM];
	int		dim;
	Vector *result;

	if (!dense_text_parse(&vector_type, text, x, &dim, fcinfo->context) ||
		!check_typmod(typmod, dim, fcinfo->context))
		PG_RETURN_NULL();

	result = vector_alloc(dim);
	memcpy(result->x, x, sizeof(float) * dim);
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vector_out);
Datum
vector_out(PG_FUNCTION_ARGS)
{
	Vector *vector = PG_GETARG_VECTOR_P(0);
	char   *text = palloc(DENSE_TEXT_SIZE(vector->dim));
	char   *p = text;

	*p++ = '[';
	p = dense_text_print_elements(p, vector->x, vector->dim);
	*p++ = ']';
	*p = '\0';

	PG_FREE_IF_COPY(vector, 0);
	PG_RETURN_CSTRING(text);
}

PG_FUNCTION_INFO_V1(vector_recv);
Datum
vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int			dim = pq_getmsgint(message, 2);
	uint32		unused = pq_getmsgint(message, 2);
	const char *bytes;
	Vector	   *result;

	check_dim(&vector_type, dim, NULL);
	check_typmod(typmod, dim, NULL);
	check_unused(unused);

	bytes = pq_getmsgbytes(message, sizeof(float) * dim);
	result = vector_alloc(dim);
	for (int i = 0; i < dim; i++)
	{
		uint32 bits;

		memcpy(&bits, bytes + sizeof(bits) * i, sizeof(bits));
		bits = pg_ntoh32(bits);
		memcpy(&result->x[i], &bits, sizeof(bits));
	}
	check_elements(&vector_type, result->x, dim);
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vector_send);
Datum
vector_send(PG_FUNCTION_ARGS)
{
	Vector *vector = PG_GETARG_VECTOR_P(0);
	int		dim = vector->dim;
	Size	size = VARHDRSZ + 2 * sizeof(uint16) + sizeof(uint32) * dim;
	bytea  *result = palloc(size);
	char   *p = VARDATA(result);
	uint16	dim_bytes = pg_hton16((uint16) dim);

	SET_VARSIZE(result, size);
	memcpy(p, &dim_bytes, sizeof(dim_bytes));
	memset(p + 2, 0, 2);
	p += 4;
	for (int i = 0; i < dim; i++)
	{
		uint32 bits;

		memcpy(&bits, &vector->x[i], sizeof(bits));
		bits = pg_hton32(bits);
		memcpy(p + sizeof(bits) * i, &bits, sizeof(bits));
	}

	PG_FREE_IF_COPY(vector, 0);
	PG_RETURN_BYTEA_P(result);
}

PG_FUNCTION_INFO_V1(vector_typmod_in);
Datum
vector_typmod_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(dimensions_typmod(&vector_type, PG_GETARG_ARRAYTYPE_P(0)));
}
