/*
 * type_checks.h
 *		What the element types check, with one wording of the errors for all.
 *
 * Functions with a context return false after a soft error; a NULL context
 * makes every error a hard one.
 */
#ifndef TYPE_CHECKS_H
#define TYPE_CHECKS_H

#include "nodes/nodes.h"
#include "utils/array.h"

#include "base/compat.h"
#include "types/binary_form.h"
#include "types/element_text.h"
#include "types/vector_type.h"

/* 1 <= dim <= max_dim */
extern bool check_dim(const VectorType *type, int64 dim, Node *context);

/* dim == typmod, unless that is -1 */
extern bool check_typmod(int32 typmod, int dim, Node *context);

/* all finite as elements of the type; an error is about the first that is not */
extern void check_elements(const VectorType *type, const float *x, int n);

/*
 * element_from_double -- value as a float4 that rounds to the same element as
 * value itself; infinity if a float4 cannot hold it.
 */
static inline float
element_from_double(const VectorType *type, double value)
{
	return type->element_bytes == sizeof(half) ? double_to_odd(value)
											   : (float) value;
}

/*
 * report_text_error -- what a parser has found wrong with text; always false.
 * Errors are of syntax (22P02), range (22003), value or missing dimensions
 * (22000) and limits (54000).
 */
extern bool report_text_error(const VectorType *type, const char *text,
							  const TextError *error, Node *context);

/*
 * What is wrong with a message of a value's binary form, or with its number of
 * dimensions under typmod; a hard error.
 */
extern void check_binary_status(const VectorType *type, BinaryStatus status,
								const BinaryForm *form, int32 typmod);

/* sparse: at most SPARSEVEC_MAX_NNZ elements */
extern bool report_too_many_elements(const VectorType *type, Node *context);
extern bool report_index_out_of_bounds(const VectorType *type, Node *context);

/* both operands have the same number of dimensions */
pg_noreturn extern void report_dims_differ(const VectorType *type, int a,
										   int b);

static inline void
check_same_dims(const VectorType *type, int a, int b)
{
	if (unlikely(a != b))
		report_dims_differ(type, a, b);
}

/* The number of dimensions in type modifiers, (n). */
extern int32 dimensions_typmod(const VectorType *type, ArrayType *modifiers);

#endif /* TYPE_CHECKS_H */
