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
#include "types/sparsevec.h"
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

static bool
report_nan(const VectorType *type, Node *context)
{
	ereturn(context, false,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("NaN not allowed in %s", type->name)));
}

static bool
report_infinite(const VectorType *type, Node *context)
{
	ereturn(context, false,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("infinite value not allowed in %s", type->name)));
}

static bool
report_out_of_range(const VectorType *type, const char *number, int bytes,
					Node *context)
{
	ereturn(context, false,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("\"%.*s\" is out of range for type %s", bytes, number,
					type->name)));
}

void
check_elements(const VectorType *type, const float *x, int n)
{
	if (likely(float_array_is_below(x, n, type->limit)))
		return;
	for (int i = 0; i < n; i++)
	{
		char number[NUMBER_PRINT_ROOM];

		if (isnan(x[i]))
			report_nan(type, NULL);
		else if (isinf(x[i]))
			report_infinite(type, NULL);
		else if (fabsf(x[i]) >= type->limit)
			report_out_of_range(type, number, number_print_float(x[i], number),
								NULL);
	}
}

static bool
report_syntax(const VectorType *type, const char *text, const char *detail,
			  Node *context)
{
	ereturn(context, false,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"", type->name,
					text),
			 detail != NULL ? errdetail_internal("%s", detail) : 0));
}

bool
report_too_many_elements(const VectorType *type, Node *context)
{
	ereturn(context, false,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("%s cannot have more than %d non-zero elements",
					type->name, SPARSEVEC_MAX_NNZ)));
}

bool
report_index_out_of_bounds(const VectorType *type, Node *context)
{
	ereturn(context, false,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("%s index out of bounds", type->name)));
}

bool
report_text_error(const VectorType *type, const char *text,
				  const TextError *error, Node *context)
{
	switch (error->status)
	{
		case TEXT_OK:
			break;
		case TEXT_SYNTAX:
			return report_syntax(type, text, NULL, context);
		case TEXT_BAD_START:
			return report_syntax(
				type, text,
				type->element_bytes > 0
					? "Vector contents must start with \"[\"."
					: "Vector contents must start with \"{\".",
				context);
		case TEXT_UNEXPECTED_END:
			return report_syntax(type, text, "Unexpected end of input.",
								 context);
		case TEXT_JUNK:
			return report_syntax(type, text, "Junk after closing right brace.",
								 context);
		case TEXT_JUNK_AFTER_DIM:
			return report_syntax(type, text, "Junk after closing.", context);
		case TEXT_NUMBER_OUT_OF_RANGE:
			return report_out_of_range(type, error->number,
									   error->number_bytes, context);
		case TEXT_NAN:
			return report_nan(type, context);
		case TEXT_INFINITE:
			return report_infinite(type, context);
		case TEXT_DIMENSIONS:
			return check_dim(type, error->dim, context);
		case TEXT_TOO_MANY_ELEMENTS:
			return report_too_many_elements(type, context);
		case TEXT_INDEX_OUT_OF_BOUNDS:
			return report_index_out_of_bounds(type, context);
	}
	return false;
}

void
check_binary_status(const VectorType *type, BinaryStatus status,
					const BinaryForm *form, int32 typmod)
{
	if (status == BINARY_OK || status == BINARY_UNUSED)
		check_typmod(typmod, form->dim, NULL);
	switch (status)
	{
		case BINARY_OK:
			break;
		case BINARY_TRUNCATED:
			ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION),
							errmsg("insufficient data left in message")));
			break;
		case BINARY_DIMENSIONS:
			check_dim(type, form->dim, NULL);
			break;
		case BINARY_NEGATIVE_COUNT:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("%s cannot have negative number of elements",
							type->name)));
			break;
		case BINARY_TOO_MANY_ELEMENTS:
			report_too_many_elements(type, NULL);
			break;
		case BINARY_COUNT_ABOVE_DIM:
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("%s cannot have more elements than dimensions",
							type->name)));
			break;
		case BINARY_UNUSED:
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("expected unused to be 0, not %u", form->unused)));
			break;
	}
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
