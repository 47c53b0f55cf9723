/*
 * dense.c
 *		Values of vector and halfvec, and their elements as float4.
 */
#include "postgres.h"

#include "types/dense.h"
#include "types/halfvec.h"
#include "types/vector.h"

StaticAssertDecl(offsetof(Vector, x) == offsetof(DenseVector, elements) &&
					 offsetof(HalfVector, x) ==
						 offsetof(DenseVector, elements),
				 "the dense types have the same header");

DenseVector *
dense_alloc(const VectorType *type, int dim)
{
	Size		 size = DENSE_SIZE(type, dim);
	DenseVector *value = palloc(size);

	SET_VARSIZE(value, size);
	value->dim = dim;
	value->unused = 0;
	return value;
}

const float *
dense_floats(const VectorType *type, const DenseVector *value)
{
	float *buffer = NULL;

	if (type->element_bytes != sizeof(float))
		buffer = palloc(sizeof(float) * value->dim);
	return dense_block(type, value, 0, value->dim, buffer);
}

float *
dense_workspace(const VectorType *type, DenseVector *value)
{
	if (type->element_bytes == sizeof(float))
		return (float *) value->elements;
	return palloc(sizeof(float) * value->dim);
}

void
dense_store(const VectorType *type, DenseVector *value, const float *x)
{
	if (type->element_bytes != sizeof(float))
		distance_kernels->f32_to_f16(x, (uint16 *) value->elements,
									 value->dim);
	else if ((const char *) x != value->elements)
		memcpy(value->elements, x, sizeof(float) * value->dim);
}
