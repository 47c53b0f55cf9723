/*
 * vector.c
 *		The type vector: its limits, and the names of its functions.
 */
#include "postgres.h"

#include "types/dense.h"
#include "types/halfvec.h"
#include "types/vector.h"

const VectorType vector_type = {
	.name = "vector",
	.max_dim = VECTOR_MAX_DIM,
	.element_bytes = sizeof(float),
	.limit = INFINITY,
};

Vector *
InitVector(int dim)
{
	Vector *result = (Vector *) dense_alloc(&vector_type, dim);

	memset(result->x, 0, sizeof(float) * dim);
	return result;
}

DENSE_FUNCTION(vector_in, dense_in, vector_type);
DENSE_FUNCTION(vector_out, dense_out, vector_type);
DENSE_FUNCTION(vector_typmod_in, dense_typmod_in, vector_type);
DENSE_FUNCTION(vector_recv, dense_recv, vector_type);
DENSE_FUNCTION(vector_send, dense_send, vector_type);

DENSE_FUNCTION(vector_add, dense_add, vector_type);
DENSE_FUNCTION(vector_sub, dense_sub, vector_type);
DENSE_FUNCTION(vector_mul, dense_mul, vector_type);
DENSE_FUNCTION(vector_concat, dense_concat, vector_type);
DENSE_FUNCTION(vector_accum, dense_accum, vector_type);
DENSE_FUNCTION(vector_avg, dense_avg, vector_type);

DENSE_FUNCTION(vector_lt, dense_lt, vector_type);
DENSE_FUNCTION(vector_le, dense_le, vector_type);
DENSE_FUNCTION(vector_eq, dense_eq, vector_type);
DENSE_FUNCTION(vector_ne, dense_ne, vector_type);
DENSE_FUNCTION(vector_ge, dense_ge, vector_type);
DENSE_FUNCTION(vector_gt, dense_gt, vector_type);
DENSE_FUNCTION(vector_cmp, dense_cmp, vector_type);
DENSE_FUNCTION(vector_larger, dense_larger, vector_type);
DENSE_FUNCTION(vector_smaller, dense_smaller, vector_type);
DENSE_FUNCTION(vector_hash, dense_hash, vector_type);
DENSE_FUNCTION(vector_hash_extended, dense_hash_extended, vector_type);

DENSE_FUNCTION(vector, dense_to_typmod, vector_type);
DENSE_FUNCTION(array_to_vector, array_to_dense, vector_type);
DENSE_FUNCTION(vector_to_float4, dense_to_array, vector_type);
DENSE_FUNCTION(vector_dims, dense_dims, vector_type);
DENSE_FUNCTION(vector_norm, dense_norm, vector_type);
DENSE_FUNCTION(l2_normalize, dense_normalize, vector_type);
DENSE_FUNCTION(subvector, dense_subvector, vector_type);
DENSE_FUNCTION(binary_quantize, dense_sign_bits, vector_type);

PG_FUNCTION_INFO_V1(vector_to_halfvec);
Datum
vector_to_halfvec(PG_FUNCTION_ARGS)
{
	return dense_to_dense(fcinfo, &vector_type, &halfvec_type);
}
