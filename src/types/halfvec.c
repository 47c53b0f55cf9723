/*
 * halfvec.c
 *		The type halfvec: its limits, and the names of its functions.
 */
#include "postgres.h"

#include "types/dense.h"
#include "types/halfvec.h"
#include "types/vector.h"

const VectorType halfvec_type = {
	.name = "halfvec",
	.max_dim = HALFVEC_MAX_DIM,
	.element_bytes = sizeof(half),
	.limit = HALF_LIMIT,
};

HalfVector *
InitHalfVector(int dim)
{
	HalfVector *result = (HalfVector *) dense_alloc(&halfvec_type, dim);

	memset(result->x, 0, sizeof(half) * dim);
	return result;
}

DENSE_FUNCTION(halfvec_in, dense_in, halfvec_type);
DENSE_FUNCTION(halfvec_out, dense_out, halfvec_type);
DENSE_FUNCTION(halfvec_typmod_in, dense_typmod_in, halfvec_type);
DENSE_FUNCTION(halfvec_recv, dense_recv, halfvec_type);
DENSE_FUNCTION(halfvec_send, dense_send, halfvec_type);

DENSE_FUNCTION(halfvec_add, dense_add, halfvec_type);
DENSE_FUNCTION(halfvec_sub, dense_sub, halfvec_type);
DENSE_FUNCTION(halfvec_mul, dense_mul, halfvec_type);
DENSE_FUNCTION(halfvec_concat, dense_concat, halfvec_type);
DENSE_FUNCTION(halfvec_accum, dense_accum, halfvec_type);
DENSE_FUNCTION(halfvec_avg, dense_avg, halfvec_type);

DENSE_FUNCTION(halfvec_lt, dense_lt, halfvec_type);
DENSE_FUNCTION(halfvec_le, dense_le, halfvec_type);
DENSE_FUNCTION(halfvec_eq, dense_eq, halfvec_type);
DENSE_FUNCTION(halfvec_ne, dense_ne, halfvec_type);
DENSE_FUNCTION(halfvec_ge, dense_ge, halfvec_type);
DENSE_FUNCTION(halfvec_gt, dense_gt, halfvec_type);
DENSE_FUNCTION(halfvec_cmp, dense_cmp, halfvec_type);
DENSE_FUNCTION(halfvec_larger, dense_larger, halfvec_type);
DENSE_FUNCTION(halfvec_smaller, dense_smaller, halfvec_type);
DENSE_FUNCTION(halfvec_hash, dense_hash, halfvec_type);
DENSE_FUNCTION(halfvec_hash_extended, dense_hash_extended, halfvec_type);

DENSE_FUNCTION(halfvec, dense_to_typmod, halfvec_type);
DENSE_FUNCTION(array_to_halfvec, array_to_dense, halfvec_type);
DENSE_FUNCTION(halfvec_to_float4, dense_to_array, halfvec_type);
DENSE_FUNCTION(halfvec_vector_dims, dense_dims, halfvec_type);
DENSE_FUNCTION(halfvec_l2_norm, dense_norm, halfvec_type);
DENSE_FUNCTION(halfvec_l2_normalize, dense_normalize, halfvec_type);
DENSE_FUNCTION(halfvec_subvector, dense_subvector, halfvec_type);
DENSE_FUNCTION(halfvec_binary_quantize, dense_sign_bits, halfvec_type);

PG_FUNCTION_INFO_V1(halfvec_to_vector);
Datum
halfvec_to_vector(PG_FUNCTION_ARGS)
{
	return dense_to_dense(fcinfo, &halfvec_type, &vector_type);
}
