/*
 * average_state.h
 *		The transition state of avg, shared by vector and halfvec: a float8
 *		array of the number of values and one sum a dimension, or {0}.
 */
#ifndef AVERAGE_STATE_H
#define AVERAGE_STATE_H

#include "fmgr.h"
#include "utils/array.h"

/*
 * average_state -- argument n, checked to be a state; type and function name
 * the caller for the error.
 */
extern ArrayType *average_state(FunctionCallInfo fcinfo, int n,
								const char *type, const char *function);

/* The number of values, and the sums and their number. */
#define AVERAGE_COUNT(state) (((double *) ARR_DATA_PTR(state))[0])
#define AVERAGE_SUMS(state)	 ((double *) ARR_DATA_PTR(state) + 1)
#define AVERAGE_DIM(state)	 (ARR_DIMS(state)[0] - 1)

/*
 * average_accumulate -- the state with one more value of dim elements.
 *
 * Argument 0 of the calling function is the state.  Inside an aggregate it is
 * changed in place.  Raises an error on other dimensions and on overflow.
 */
extern ArrayType *average_accumulate(FunctionCallInfo fcinfo, ArrayType *state,
									 const float *x, int dim);

#endif /* AVERAGE_STATE_H */
