/*
 * type_checks.c
 *		What the element types check, with one wording of the errors for all.
 *
 * Client libraries match on these messages and codes.
 */
#include "postgres.h"

#include <math.h>

#include "base/compat.h"
#include "types/float_array.h"
#include "types/soft_error.h"
#include "types/type_checks.h"

bool
check_dim(const VectorType *type, int64 dim, Node *context)
{
	if (unlikely(dim < 1))
		ereturn(context, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s must have at least 1 dimension", type->name)));
	if (unlikely(dim > type->max_dim))
		ereturn(context, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s cannot have more than %d dimensions", type->name,
						type->max_dim)));
	return true;
}

bool
check_typmod(int32 typmod, int dim, Node *context)
{
	if (unlikely(typmod != -1 && typmod != dim))
		ereturn(context, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, dim)));
	return true;
}

bool
check_element(const VectorType *type, float value, Node *context)
{
	if (unlikely(isnan(value)))
		ereturn(context, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("NaN not allowed in %s", type->name)));
	if (unlikely(isinf(value)))
		ereturn(context, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("infinite value not allowed in %s", type->name)));
	return true;
}

void
check_elements(const VectorType *type, const float *x, int n)
{
	if (likely(float_array_is_finite(x, n)))
		return;
	for (int i = 0; i < n; i++)
		check_element(type, x[i], NULL);
}

void
check_unused(uint32 unused)
{
	if (unused != 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("expected unused to be 0, not %u", unused)));
}

void
report_dims_differ(const VectorType *type, int a, int b)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("different %s dimensions %d and %d", type->name, a, b)));
}

int32
dimensions_typmod(const VectorType *type, ArrayType *modifiers)
{
	int	   count;
	int32 *values = ArrayGetIntegerTypmods(modifiers, &count);

	if (count != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid type modifier")));
	if (*values < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("dimensions for type %s must be at least 1",
							   type->name)));
	if (*values > type->max_dim)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("dimensions for type %s cannot exceed %d",
							   type->name, type->max_dim)));
	return *values;
}
