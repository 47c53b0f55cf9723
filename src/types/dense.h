/*
 * dense.h
 *		Values that hold all of their elements, vector and halfvec, as one.
 *
 * Both have the same header and differ in the format of elements alone, which
 * is converted to float4 and back here.  The functions of SQL are written once
 * for both and take the type besides their arguments; vector.c and halfvec.c
 * give them their names.
 */
#ifndef DENSE_H
#define DENSE_H

#include "fmgr.h"

#include "base/compat.h"
#include "distance/distance.h"
#include "types/short_value.h"
#include "types/type_checks.h"

typedef struct DenseVector
{
	int32 vl_len_;
	int16 dim;
	int16 unused;
	char  elements[FLEXIBLE_ARRAY_MEMBER];
} DenseVector;

#define DENSE_SIZE(type, dim) \
	(offsetof(DenseVector, elements) + (Size) (type)->element_bytes * (dim))
#define DatumGetDense(x)	 ((DenseVector *) PG_DETOAST_DATUM(x))
#define PG_GETARG_DENSE_P(n) DatumGetDense(PG_GETARG_DATUM(n))

/* The fixed part, without fetching elements that are stored out of line. */
#define DatumGetDenseHeader(x)                                                \
	((DenseVector *) PG_DETOAST_DATUM_SLICE(x, 0,                             \
											offsetof(DenseVector, elements) - \
												VARHDRSZ))

/* How many elements are converted at a time where not all may be needed. */
#define DENSE_BLOCK 64

/* A value with uninitialized elements, in the current memory context. */
extern DenseVector *dense_alloc(const VectorType *type, int dim);

/*
 * dense_block -- n elements from the first one on, as float4.
 *
 * In the value itself, or in buffer, which has room for n.
 */
static inline const float *
dense_block(const VectorType *type, const DenseVector *value, int first, int n,
			float *buffer)
{
	if (type->element_bytes == sizeof(float))
		return (const float *) value->elements + first;
	distance_kernels->f16_to_f32((const uint16 *) value->elements + first,
								 buffer, n);
	return buffer;
}

/* All elements as float4: in the value itself, or in a new array. */
extern const float *dense_floats(const VectorType  *type,
								 const DenseVector *value);

/*
 * dense_workspace -- where to compute the elements of a value as float4: in
 * the value itself, or in a new array.  dense_store then takes them over,
 * rounded to elements.
 */
extern float *dense_workspace(const VectorType *type, DenseVector *value);
extern void	  dense_store(const VectorType *type, DenseVector *value,
						  const float *x);

/*
 * DENSE_FUNCTION -- the function `name` of SQL is `body` for `type`.
 */
#define DENSE_FUNCTION(name, body, type) \
	PG_FUNCTION_INFO_V1(name);           \
	Datum name(PG_FUNCTION_ARGS)         \
	{                                    \
		return body(fcinfo, &(type));    \
	}                                    \
	extern Datum name(PG_FUNCTION_ARGS)

/*
 * DENSE_DISTANCE -- the function `name` of SQL is `distance` of two values of
 * the struct Value with elements x.
 */
#define DENSE_DISTANCE(name, distance, Value, type)              \
	PG_FUNCTION_INFO_V1(name);                                   \
	Datum name(PG_FUNCTION_ARGS)                                 \
	{                                                            \
		ShortValue a_room;                                       \
		ShortValue b_room;                                       \
		Value	  *a = fetch_value(PG_GETARG_DATUM(0), &a_room); \
		Value	  *b = fetch_value(PG_GETARG_DATUM(1), &b_room); \
		double	   result;                                       \
                                                                 \
		check_same_dims(&(type), a->dim, b->dim);                \
		result = distance(a->x, b->x, a->dim);                   \
                                                                 \
		release_value(a, PG_GETARG_DATUM(0), &a_room);           \
		release_value(b, PG_GETARG_DATUM(1), &b_room);           \
		PG_RETURN_FLOAT8(result);                                \
	}                                                            \
	extern Datum name(PG_FUNCTION_ARGS)

/* dense_io.c */
extern Datum dense_in(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_out(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_typmod_in(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_recv(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_send(FunctionCallInfo fcinfo, const VectorType *type);

/* dense_cast.c; dense_to_dense reads values of `from` */
extern Datum dense_to_typmod(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum array_to_dense(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_to_array(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_to_dense(FunctionCallInfo fcinfo, const VectorType *from,
							const VectorType *to);

/* dense_arithmetic.c */
extern Datum dense_add(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_sub(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_mul(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_concat(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_dims(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_norm(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_normalize(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_subvector(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_sign_bits(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_accum(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_avg(FunctionCallInfo fcinfo, const VectorType *type);

/* dense_compare.c */
extern Datum dense_lt(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_le(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_eq(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_ne(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_ge(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_gt(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_cmp(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_larger(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_smaller(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_hash(FunctionCallInfo fcinfo, const VectorType *type);
extern Datum dense_hash_extended(FunctionCallInfo  fcinfo,
								 const VectorType *type);

#endif /* DENSE_H */
