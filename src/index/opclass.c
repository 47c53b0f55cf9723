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

#include <math.h>

#include "access/genam.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/lsyscache.h"

#include "index/opclass.h"
#include "types/vector.h"

extern Datum vector_l2_squared_distance(PG_FUNCTION_ARGS);
extern Datum vector_negative_inner_product(PG_FUNCTION_ARGS);
extern Datum l1_distance(PG_FUNCTION_ARGS);
extern Datum l2_distance(PG_FUNCTION_ARGS);
extern Datum cosine_distance(PG_FUNCTION_ARGS);

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
	}
	pg_unreachable();
}

/* Zeros are equal whatever their sign, so their sign must not be hashed. */
static uint64
vector_value_hash(const void *value, uint64 seed)
{
	const Vector *v = value;
	bool		  negative_zero = false;
	uint64		  hash;
	float		 *x;

	for (int i = 0; i < v->dim; i++)
		negative_zero |= (v->x[i] == 0 && signbit(v->x[i]));
	if (!negative_zero)
		return hash_bytes_extended((const unsigned char *) v->x,
								   v->dim * sizeof(float), seed);

	x = palloc(v->dim * sizeof(float));
	for (int i = 0; i < v->dim; i++)
		x[i] = v->x[i] == 0 ? 0 : v->x[i];
	hash = hash_bytes_extended((const unsigned char *) x,
							   v->dim * sizeof(float), seed);
	pfree(x);
	return hash;
}

static const VectorTypeInfo vector_type_info = {
	.name = "vector",
	.max_dimensions = VECTOR_MAX_DIM,
	.dimensions = vector_value_dimensions,
	.floats = vector_value_floats,
	.distance = vector_value_distance,
	.hash = vector_value_hash};

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
	{l1_distance, false, l1_distance, {&vector_type_info, METRIC_L1}}};

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
