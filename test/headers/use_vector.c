/*
 * use_vector.c
 *		Values of the type vector.
 */
#include "postgres.h"

#include "vector.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

StaticAssertDecl(offsetof(Vector, dim) == 4, "layout of Vector");
StaticAssertDecl(offsetof(Vector, unused) == 6, "layout of Vector");
StaticAssertDecl(offsetof(Vector, x) == 8, "layout of Vector");
StaticAssertDecl(VECTOR_SIZE(3) == 20, "size of Vector");
StaticAssertDecl(VECTOR_MAX_DIM >= 16000, "limit of Vector");

PG_FUNCTION_INFO_V1(reversed_vector);
Datum
reversed_vector(PG_FUNCTION_ARGS)
{
	Vector *v = PG_GETARG_VECTOR_P(0);
	Vector *result;

	if (VARSIZE(v) != VECTOR_SIZE(v->dim) || v->unused != 0)
		elog(ERROR, "not a vector as the header describes it");

	result = InitVector(v->dim);
	for (int i = 0; i < v->dim; i++)
		result->x[i] = v->x[v->dim - 1 - i];
	PG_RETURN_VECTOR_P(result);
}

/* All zeros but for element n, so InitVector must have cleared the others. */
PG_FUNCTION_INFO_V1(unit_vector);
Datum
unit_vector(PG_FUNCTION_ARGS)
{
	Vector *result = InitVector(PG_GETARG_INT32(0));

	result->x[PG_GETARG_INT32(1) - 1] = 1;
	PG_RETURN_DATUM(PointerGetDatum(DatumGetVector(PointerGetDatum(result))));
}
