/*
 * vector_aggregate.c
 *		The aggregate avg of the type vector.  (sum is made of vector_add.)
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/compat.h"
#include "types/average_state.h"
#include "types/type_checks.h"
#include "types/vector.h"

PG_FUNCTION_INFO_V1(vector_accum);
Datum
vector_accum(PG_FUNCTION_ARGS)
{
	ArrayType *state = average_state(fcinfo, 0, "vector_accum");
	Vector	  *value = PG_GETARG_VECTOR_P(1);

	PG_RETURN_ARRAYTYPE_P(
		average_accumulate(fcinfo, state, value->x, value->dim));
}

PG_FUNCTION_INFO_V1(vector_avg);
Datum
vector_avg(PG_FUNCTION_ARGS)
{
	ArrayType	 *state = average_state(fcinfo, 0, "vector_avg");
	double		  count = AVERAGE_COUNT(state);
	const double *sums = AVERAGE_SUMS(state);
	int			  dim = AVERAGE_DIM(state);
	Vector		 *result;

	if (count == 0)
		PG_RETURN_NULL();

	check_dim(&vector_type, dim, NULL);
	result = vector_alloc(dim);
	for (int i = 0; i < dim; i++)
		result->x[i] = (float) (sums[i] / count);
	check_elements(&vector_type, result->x, dim);
	PG_RETURN_VECTOR_P(result);
}
