/*
 * use_halfvec.c
 *		Values of the type halfvec.
 */
#include "postgres.h"

#include "halfvec.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

StaticAssertDecl(sizeof(half) == 2, "half");
StaticAssertDecl(HALF_MAX == 65504, "half");
StaticAssertDecl(offsetof(HalfVector, dim) == 4, "layout of HalfVector");
StaticAssertDecl(offsetof(HalfVector, unused) == 6, "layout of HalfVector");
StaticAssertDecl(offsetof(HalfVector, x) == 8, "layout of HalfVector");
StaticAssertDecl(HALFVEC_SIZE(3) == 14, "size of HalfVector");
StaticAssertDecl(HALFVEC_MAX_DIM >= 16000, "limit of HalfVector");

PG_FUNCTION_INFO_V1(reversed_halfvec);
Datum
reversed_halfvec(PG_FUNCTION_ARGS)
{
	HalfVector *v = PG_GETARG_HALFVEC_P(0);
	HalfVector *result = InitHalfVector(v->dim);

	for (int i = 0; i < v->dim; i++)
		result->x[i] = v->x[v->dim - 1 - i];
	PG_RETURN_HALFVEC_P(result);
}

PG_FUNCTION_INFO_V1(half_bits);
Datum
half_bits(PG_FUNCTION_ARGS)
{
	HalfVector *v = DatumGetHalfVector(PG_GETARG_DATUM(0));
	Datum	   *bits = palloc(sizeof(Datum) * v->dim);

	for (int i = 0; i < v->dim; i++)
	{
		uint16 x;

		memcpy(&x, &v->x[i], sizeof(x));
		bits[i] = Int32GetDatum(x);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(bits, v->dim, INT4OID, sizeof(int32),
										  true, TYPALIGN_INT));
}
