/*
 * average_state.c
 *		The transition state of avg, shared by vector and halfvec.
 *
 * vector_combine lives here because it works on states only and serves both
 * types.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/float.h"

#include "base/compat.h"
#include "types/average_state.h"
#include "types/type_checks.h"

ArrayType *
average_state(FunctionCallInfo fcinfo, int n, const char *type,
			  const char *function)
{
	ArrayType *state = PG_GETARG_ARRAYTYPE_P(n);

	if (ARR_NDIM(state) != 1 || ARR_DIMS(state)[0] < 1 || ARR_HASNULL(state) ||
		ARR_ELEMTYPE(state) != FLOAT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s_%s: expected state array", type, function)));
	return state;
}

/*
 * writable_state -- the state in argument n itself where that is allowed, or
 * else a copy.
 */
static ArrayType *
writable_state(FunctionCallInfo fcinfo, int n, ArrayType *state)
{
	ArrayType *copy;

	if (AggCheckCallContext(fcinfo, NULL) &&
		(Pointer) state == DatumGetPointer(PG_GETARG_DATUM(n)))
		return state;
	copy = palloc(VARSIZE(state));
	memcpy(copy, state, VARSIZE(state));
	return copy;
}

static ArrayType *
new_state(int dim)
{
	Size	   size = ARR_OVERHEAD_NONULLS(1) + sizeof(double) * (dim + 1);
	ArrayType *state = palloc0(size);

	SET_VARSIZE(state, size);
	state->ndim = 1;
	state->dataoffset = 0;
	state->elemtype = FLOAT8OID;
	ARR_DIMS(state)[0] = dim + 1;
	ARR_LBOUND(state)[0] = 1;
	return state;
}

static void
check_sums(const double *sums, int dim)
{
	for (int i = 0; i < dim; i++)
	{
		if (unlikely(isinf(sums[i])))
			float_overflow_error();
	}
}

ArrayType *
average_accumulate(FunctionCallInfo fcinfo, ArrayType *state, const float *x,
				   int dim)
{
	double	count = AVERAGE_COUNT(state);
	double *sums;

	if (AVERAGE_DIM(state) == 0)
	{
		/* sums of one value, which keeps the sign of a zero */
		state = new_state(dim);
		sums = AVERAGE_SUMS(state);
		for (int i = 0; i < dim; i++)
			sums[i] = x[i];
	}
	else
	{
		check_typmod(AVERAGE_DIM(state), dim, NULL);
		state = writable_state(fcinfo, 0, state);
		sums = AVERAGE_SUMS(state);
		for (int i = 0; i < dim; i++)
			sums[i] += x[i];
		check_sums(sums, dim);
	}
	AVERAGE_COUNT(state) = count + 1;
	return state;
}

PG_FUNCTION_INFO_V1(vector_combine);
Datum
vector_combine(PG_FUNCTION_ARGS)
{
	ArrayType	 *a = average_state(fcinfo, 0, "vector", "combine");
	ArrayType	 *b = average_state(fcinfo, 1, "vector", "combine");
	int			  dim = AVERAGE_DIM(a);
	double		 *sums;
	const double *other;

	if (AVERAGE_COUNT(b) == 0)
		PG_RETURN_ARRAYTYPE_P(a);
	if (AVERAGE_COUNT(a) == 0)
		PG_RETURN_ARRAYTYPE_P(b);

	check_typmod(dim, AVERAGE_DIM(b), NULL);
	a = writable_state(fcinfo, 0, a);
	sums = AVERAGE_SUMS(a);
	other = AVERAGE_SUMS(b);
	for (int i = 0; i < dim; i++)
		sums[i] += other[i];
	check_sums(sums, dim);
	AVERAGE_COUNT(a) += AVERAGE_COUNT(b);
	PG_RETURN_ARRAYTYPE_P(a);
}
