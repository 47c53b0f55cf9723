/*
 * use_sparsevec.c
 *		Values of the type sparsevec.
 */
#include "postgres.h"

#include "sparsevec.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

StaticAssertDecl(offsetof(SparseVector, dim) == 4, "layout of SparseVector");
StaticAssertDecl(offsetof(SparseVector, nnz) == 8, "layout of SparseVector");
StaticAssertDecl(offsetof(SparseVector, unused) == 12,
				 "layout of SparseVector");
StaticAssertDecl(offsetof(SparseVector, indices) == 16,
				 "layout of SparseVector");
StaticAssertDecl(SPARSEVEC_MAX_DIM >= 1000000000, "limit of SparseVector");
StaticAssertDecl(SPARSEVEC_MAX_NNZ >= 16000, "limit of SparseVector");

PG_FUNCTION_INFO_V1(reversed_sparsevec);
Datum
reversed_sparsevec(PG_FUNCTION_ARGS)
{
	SparseVector *v = PG_GETARG_SPARSEVEC_P(0);
	SparseVector *result = InitSparseVector(v->dim, v->nnz);
	float		 *from = SPARSEVEC_VALUES(v);
	float		 *to = SPARSEVEC_VALUES(result);

	if (VARSIZE(v) != SPARSEVEC_SIZE(v->nnz) || v->unused != 0)
		elog(ERROR, "not a sparsevec as the header describes it");

	for (int i = 0; i < v->nnz; i++)
	{
		result->indices[i] = v->dim - 1 - v->indices[v->nnz - 1 - i];
		to[i] = from[v->nnz - 1 - i];
	}
	PG_RETURN_SPARSEVEC_P(DatumGetSparseVector(PointerGetDatum(result)));
}
