/*
 * opclass.c
 *		What an operator class of either access method stands for.
 *
 * Operator classes name their distance by support function 1, as in pgvector;
 * support function 2, a norm, tells cosine from inner product.  The access
 * methods do not call these functions: they resolve them once to a metric and
 * compute on raw arrays.
 */
#include "postgres.h"

#include "access/genam.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/lsyscache.h"
#include "utils/varbit.h"

#include "base/compat.h"
#include "distance/distance.h"
#include "index/opclass.h"
#include "types/bitvec.h"
#include "types/raw_values.h"

extern Datum vector_l2_squared_distance(PG_FUNCTION_ARGS);
extern Datum vector_negative_inner_product(PG_FUNCTION_ARGS);
extern Datum l2_distance(PG_FUNCTION_ARGS);
extern Datum cosine_distance(PG_FUNCTION_ARGS);
extern Datum l1_distance(PG_FUNCTION_ARGS);
extern Datum halfvec_l2_squared_distance(PG_FUNCTION_ARGS);
extern Datum halfvec_negative_inner_product(PG_FUNCTION_ARGS);
extern Datum halfvec_l2_distance(PG_FUNCTION_ARGS);
extern Datum halfvec_cosine_distance(PG_FUNCTION_ARGS);
extern Datum halfvec_l1_distance(PG_FUNCTION_ARGS);
extern Datum sparsevec_l2_squared_distance(PG_FUNCTION_ARGS);
extern Datum sparsevec_negative_inner_product(PG_FUNCTION_ARGS);
extern Datum sparsevec_l2_distance(PG_FUNCTION_ARGS);
extern Datum sparsevec_cosine_distance(PG_FUNCTION_ARGS);
extern Datum sparsevec_l1_distance(PG_FUNCTION_ARGS);
extern Datum hamming_distance(PG_FUNCTION_ARGS);
extern Datum jaccard_distance(PG_FUNCTION_ARGS);

/* ------------------------------------------------------------------------
 * vector
 * ------------------------------------------------------------------------
 */

static int
vector_value_dimensions(const void *value)
{
	return ((const Vector *) value)->dim;
}

static const float *
vector_value_floats(const void *value, float *buffer)
{
	return ((const Vector *) value)->x;
}

static Size
vector_value_bytes(uint32 dimensions)
{
	return VECTOR_SIZE(dimensions);
}

static double
vector_value_distance(VectorMetric metric, const void *a, const void *b)
{
	const Vector *va = a;
	const Vector *vb = b;

	switch (metric)
	{
		case METRIC_L2:
			return vector_l2_distance_raw(va->x, vb->x, va->dim);
		case METRIC_IP:
			return vector_negative_inner_product_raw(va->x, vb->x, va->dim);
		case METRIC_COSINE:
			return vector_cosine_distance_raw(va->x, vb->x, va->dim);
		case METRIC_L1:
			return vector_l1_distance_raw(va->x, vb->x, va->dim);
		default:
			break;
	}
	pg_unreachable();
}

static uint64
vector_value_hash(const void *value, uint64 seed)
{
	const Vector *v = value;

	return vector_hash_raw(v->x, v->dim, seed);
}

static const VectorTypeInfo vector_type_info = {
	.name = "vector",
	.measure = "vector dimensions",
	.kind = VALUE_FLOATS,
	.dimensions = vector_value_dimensions,
	.floats = vector_value_floats,
	.value_bytes = vector_value_bytes,
	.exact_floats = true,
	.distance = vector_value_distance,
	.hash = vector_value_hash};

/* ------------------------------------------------------------------------
 * halfvec
 * ------------------------------------------------------------------------
 */

static int
halfvec_value_dimensions(const void *value)
{
	return ((const HalfVector *) value)->dim;
}

static const float *
halfvec_value_floats(const void *value, float *buffer)
{
	const HalfVector *v = value;

	distance_kernels->f16_to_f32(v->x, buffer, v->dim);
	return buffer;
}

static Size
halfvec_value_bytes(uint32 dimensions)
{
	return HALFVEC_SIZE(dimensions);
}

static double
halfvec_value_distance(VectorMetric metric, const void *a, const void *b)
{
	const HalfVector *va = a;
	const HalfVector *vb = b;

	switch (metric)
	{
		case METRIC_L2:
			return halfvec_l2_distance_raw(va->x, vb->x, va->dim);
		case METRIC_IP:
			return halfvec_negative_inner_product_raw(va->x, vb->x, va->dim);
		case METRIC_COSINE:
			return halfvec_cosine_distance_raw(va->x, vb->x, va->dim);
		case METRIC_L1:
			return halfvec_l1_distance_raw(va->x, vb->x, va->dim);
		default:
			break;
	}
	pg_unreachable();
}

static uint64
halfvec_value_hash(const void *value, uint64 seed)
{
	const HalfVector *v = value;

	return halfvec_hash_raw(v->x, v->dim, seed);
}

static const VectorTypeInfo halfvec_type_info = {
	.name = "halfvec",
	.measure = "halfvec dimensions",
	.kind = VALUE_FLOATS,
	.dimensions = halfvec_value_dimensions,
	.floats = halfvec_value_floats,
	.value_bytes = halfvec_value_bytes,
	.distance = halfvec_value_distance,
	.hash = halfvec_value_hash};

/* ------------------------------------------------------------------------
 * bit
 * ------------------------------------------------------------------------
 */

static int
bit_value_dimensions(const void *value)
{
	return VARBITLEN((const VarBit *) value);
}

static const uint8 *
bit_value_bits(const void *value)
{
	return VARBITS((const VarBit *) value);
}

static double
bit_value_distance(VectorMetric metric, const void *a, const void *b)
{
	int bits = bit_value_dimensions(a);

	if (metric == METRIC_HAMMING)
		return bit_hamming_distance_raw(bit_value_bits(a), bit_value_bits(b),
										bits);
	return bit_jaccard_distance_raw(bit_value_bits(a), bit_value_bits(b),
									bits);
}

static uint64
bit_value_hash(const void *value, uint64 seed)
{
	return hash_bytes_extended(bit_value_bits(value),
							   VARBITBYTES((const VarBit *) value), seed);
}

static const VectorTypeInfo bit_type_info = {
	.name = "bit",
	.measure = "bit lengths",
	.kind = VALUE_BITS,
	.dimensions = bit_value_dimensions,
	.bits = bit_value_bits,
	.distance = bit_value_distance,
	.hash = bit_value_hash};

/* ------------------------------------------------------------------------
 * sparsevec
 * ------------------------------------------------------------------------
 */

static int
sparsevec_value_dimensions(const void *value)
{
	return ((const SparseVector *) value)->dim;
}

static SparseArray
sparsevec_value_sparse(const void *value)
{
	const SparseVector *v = value;
	SparseArray			array = {v->indices, SPARSEVEC_VALUES(v), v->nnz};

	return array;
}

static double
sparsevec_value_distance(VectorMetric metric, const void *a, const void *b)
{
	switch (metric)
	{
		case METRIC_L2:
			return sparsevec_l2_distance_raw(a, b);
		case METRIC_IP:
			return sparsevec_negative_inner_product_raw(a, b);
		case METRIC_COSINE:
			return sparsevec_cosine_distance_raw(a, b);
		case METRIC_L1:
			return sparsevec_l1_distance_raw(a, b);
		default:
			break;
	}
	pg_unreachable();
}

static uint64
sparsevec_value_hash(const void *value, uint64 seed)
{
	return sparsevec_hash_raw(value, seed);
}

static const VectorTypeInfo sparsevec_type_info = {
	.name = "sparsevec",
	.measure = "sparsevec dimensions",
	.kind = VALUE_SPARSE,
	.dimensions = sparsevec_value_dimensions,
	.sparse = sparsevec_value_sparse,
	.distance = sparsevec_value_distance,
	.hash = sparsevec_value_hash};

/* ------------------------------------------------------------------------
 * Operator classes
 * ------------------------------------------------------------------------
 */

/*
 * Support functions that name the type of the values.  We tell the type by the
 * distance function, so they are there for the catalog's sake.
 */
PG_FUNCTION_INFO_V1(hnsw_halfvec_support);
Datum
hnsw_halfvec_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&halfvec_type_info);
}

PG_FUNCTION_INFO_V1(hnsw_sparsevec_support);
Datum
hnsw_sparsevec_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&sparsevec_type_info);
}

PG_FUNCTION_INFO_V1(hnsw_bit_support);
Datum
hnsw_bit_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&bit_type_info);
}

PG_FUNCTION_INFO_V1(ivfflat_halfvec_support);
Datum
ivfflat_halfvec_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&halfvec_type_info);
}

PG_FUNCTION_INFO_V1(ivfflat_bit_support);
Datum
ivfflat_bit_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&bit_type_info);
}

/*
 * The operator classes we know, by their support functions: the distance, and
 * whether there is a norm.  `ordering` implements the operator that they order
 * by.
 */
typedef struct KnownOpclass
{
	PGFunction	  distance;
	bool		  has_norm;
	PGFunction	  ordering;
	VectorOpclass opclass;
} KnownOpclass;

static const KnownOpclass known_opclasses[] = {
	{vector_l2_squared_distance,
	 false,
	 l2_distance,
	 {&vector_type_info, METRIC_L2}},
	{vector_negative_inner_product,
	 false,
	 vector_negative_inner_product,
	 {&vector_type_info, METRIC_IP}},
	{vector_negative_inner_product,
	 true,
	 cosine_distance,
	 {&vector_type_info, METRIC_COSINE}},
	{l1_distance, false, l1_distance, {&vector_type_info, METRIC_L1}},
	{halfvec_l2_squared_distance,
	 false,
	 halfvec_l2_distance,
	 {&halfvec_type_info, METRIC_L2}},
	{halfvec_negative_inner_product,
	 false,
	 halfvec_negative_inner_product,
	 {&halfvec_type_info, METRIC_IP}},
	{halfvec_negative_inner_product,
	 true,
	 halfvec_cosine_distance,
	 {&halfvec_type_info, METRIC_COSINE}},
	{halfvec_l1_distance,
	 false,
	 halfvec_l1_distance,
	 {&halfvec_type_info, METRIC_L1}},
	{sparsevec_l2_squared_distance,
	 false,
	 sparsevec_l2_distance,
	 {&sparsevec_type_info, METRIC_L2}},
	{sparsevec_negative_inner_product,
	 false,
	 sparsevec_negative_inner_product,
	 {&sparsevec_type_info, METRIC_IP}},
	{sparsevec_negative_inner_product,
	 true,
	 sparsevec_cosine_distance,
	 {&sparsevec_type_info, METRIC_COSINE}},
	{sparsevec_l1_distance,
	 false,
	 sparsevec_l1_distance,
	 {&sparsevec_type_info, METRIC_L1}},
	{hamming_distance,
	 false,
	 hamming_distance,
	 {&bit_type_info, METRIC_HAMMING}},
	{jaccard_distance,
	 false,
	 jaccard_distance,
	 {&bit_type_info, METRIC_JACCARD}}};

static const KnownOpclass *
find_opclass(Relation index)
{
	FmgrInfo *distance = index_getprocinfo(index, 1, VECTOR_DISTANCE_PROC);
	bool has_norm = OidIsValid(index_getprocid(index, 1, VECTOR_NORM_PROC));

	for (int i = 0; i < lengthof(known_opclasses); i++)
	{
		if (distance->fn_addr == known_opclasses[i].distance &&
			has_norm == known_opclasses[i].has_norm)
			return &known_opclasses[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("operator class of index \"%s\" is not supported",
					RelationGetRelationName(index)),
			 errdetail(
				 "Its distance function \"%s\" is not one of the extension's.",
				 get_func_name(distance->fn_oid))));
}

void
vector_opclass_lookup(Relation index, VectorOpclass *opclass)
{
	*opclass = find_opclass(index)->opclass;
}

void
vector_opclass_check_operator(Relation index)
{
	Oid type = index->rd_opcintype[0];
	Oid ordering = get_opfamily_member(index->rd_opfamily[0], type, type, 1);
	FmgrInfo function;

	if (!OidIsValid(ordering))
		return; /* nothing is ordered by it */
	fmgr_info(get_opcode(ordering), &function);
	if (function.fn_addr != find_opclass(index)->ordering)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("operator class of index \"%s\" is not supported",
					RelationGetRelationName(index)),
			 errdetail(
				 "It orders by operator %s, which does not agree with its distance function.",
				 get_opname(ordering))));
}
