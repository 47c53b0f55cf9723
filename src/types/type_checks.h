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

/* A type as messages and limits know it. */
typedef struct VectorType
{
	const char *name;
	int			max_dim;
} VectorType;

extern const VectorType vector_type;

/* 1 <= dim <= max_dim */
extern bool check_dim(const VectorType *type, int64 dim, Node *context);

/* dim == typmod, unless that is -1 */
extern bool check_typmod(int32 typmod, int dim, Node *context);

/* neither NaN nor infinite; the array form names the first bad element */
extern bool check_element(const VectorType *type, float value, Node *context);
extern void check_elements(const VectorType *type, const float *x, int n);

/* the reserved field of the binary formats */
extern void check_unused(uint32 unused);

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
