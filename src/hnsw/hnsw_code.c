/*
 * hnsw_code.c
 *		Values to codes, and the distances between queries, codes and values.
 *
 * The graph is built and searched on 8-bit codes (quantize/sq8.h); the exact
 * distance of the SQL operator decides the order of results.  Cosine distance
 * is the squared L2 distance of the normalized vectors, halved, so its codes
 * are L2 codes of points on the unit sphere.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "distance/distance.h"
#include "hnsw/hnsw.h"

/*
 * Allowance for float32 rounding in the operator's own distance, relative to
 * its value: the accumulated error of a sum of up to 16,000 terms in 16 or
 * more lanes.
 */
#define OPERATOR_ROUNDING 1e-5

/*
 * Rotating makes nothing of outlier dimensions, which would else coarsen the
 * codes of all others, but costs the codes of integers their exactness.
 * Vectors of few dimensions gain nothing.
 */
#define MIN_ROTATED_DIMENSIONS 8
#define LOSSLESS_RESIDUAL	1e-5	/* of step * sqrt(dimensions) */

/*
 * Error of a rotation relative to the vector's length: every one of at most 15
 * stages in each round, and the scaling, adds the rounding of a float.
 */
#define ROTATION_ROUNDING	(ROTATION_ROUNDS * 16 * 0x1p-24)

void
hnsw_coder_init(HnswCoder *coder, const VectorOpclass *opclass, uint32 dimensions,
				uint64 seed, bool rotated)
{
	coder->opclass = *opclass;
	coder->dimensions = dimensions;
	coder->seed = seed;
	coder->normalize = opclass->metric == METRIC_COSINE;
	coder->rotated = rotated;
	coder->floats = palloc(sizeof(float) * dimensions);
	if (rotated)
		rotation_init(&coder->rotation, dimensions, seed,
					  palloc(ROTATION_SIGN_BYTES(dimensions)));

	switch (opclass->metric)
	{
		case METRIC_L2:
		case METRIC_COSINE:
			coder->metric = SQ8_L2;
			break;
		case METRIC_IP:
			coder->metric = SQ8_IP;
			break;
		case METRIC_L1:
			coder->metric = SQ8_L1;
			break;
	}
}

bool
hnsw_wants_rotation(const VectorOpclass *opclass, uint32 dimensions, uint64 seed,
					const void *const *values, int count)
{
	HnswCoder	coder;
	Sq8Code    *code = palloc(HNSW_CODE_BYTES(dimensions));
	bool		lossless = count > 0;

	/* L1 distances change with the axes */
	if (opclass->metric == METRIC_L1 || dimensions < MIN_ROTATED_DIMENSIONS)
		return false;

	hnsw_coder_init(&coder, opclass, dimensions, seed, false);
	for (int i = 0; i < count && lossless; i++)
		lossless = !hnsw_encode(&coder, values[i], code) ||
			code->residual <= LOSSLESS_RESIDUAL * code->step * sqrt(dimensions);
	return !lossless;
}

/* Scale to length 1, in double since squares of floats over- and underflow. */
static bool
normalize(const float *in, float *out, uint32 dim)
{
	double		norm = 0;

	for (uint32 i = 0; i < dim; i++)
		norm += (double) in[i] * in[i];
	if (norm == 0)
		return false;

	norm = sqrt(norm);
	for (uint32 i = 0; i < dim; i++)
		out[i] = (float) (in[i] / norm);
	return true;
}

/*
 * The floats that a value's code is made of: in the value itself or in work.
 * NULL if it has none.
 */
static const float *
code_floats(const HnswCoder *coder, const void *value, float *work)
{
	const float *x = coder->opclass.type->floats(value, work);

	if (coder->normalize)
	{
		if (!normalize(x, work, coder->dimensions))
			return NULL;
		x = work;
	}
	if (coder->rotated)
	{
		rotation_apply(&coder->rotation, x, work);
		x = work;
	}
	return x;
}

bool
hnsw_encode(HnswCoder *coder, const void *value, Sq8Code *code)
{
	const float *x = code_floats(coder, value, coder->floats);

	if (x == NULL)
		return false;
	sq8_encode(coder->metric, x, coder->dimensions, code);
	if (coder->rotated)
		code->residual = Min(code->residual + ROTATION_ROUNDING *
							 sqrt(distance_kernels->dot_f32(x, x, coder->dimensions)),
							 FLT_MAX);
	return true;
}

void
hnsw_query_init(HnswQuery *query, HnswCoder *coder, const void *value)
{
	const float *x = NULL;

	query->coder = coder;
	query->levels = palloc(sizeof(int16) * coder->dimensions);
	query->floats = palloc(sizeof(float) * coder->dimensions);
	if (value != NULL)
		x = code_floats(coder, value, query->floats);
	query->value = x == NULL ? NULL : value;

	if (x == NULL)
	{
		/* any query serves to walk the graph */
		memset(query->floats, 0, sizeof(float) * coder->dimensions);
		x = query->floats;
	}
	sq8_prepare_query(coder->metric, x, coder->dimensions, query->levels, &query->sq8);
	if (coder->rotated)
		query->sq8.residual += ROTATION_ROUNDING * query->sq8.norm;
}

void
hnsw_query_init_from_code(HnswQuery *query, HnswCoder *coder, const Sq8Code *code)
{
	query->coder = coder;
	query->value = NULL;
	query->levels = palloc(sizeof(int16) * coder->dimensions);
	query->floats = palloc(sizeof(float) * coder->dimensions);
	sq8_decode(code, coder->dimensions, query->floats);
	sq8_prepare_query(coder->metric, query->floats, coder->dimensions, query->levels,
					  &query->sq8);
}

void
hnsw_check_dimensions(const HnswCoder *coder, const void *value)
{
	int			dimensions = coder->opclass.type->dimensions(value);

	if (dimensions != (int) coder->dimensions)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different %s dimensions %d and %u",
						coder->opclass.type->name, dimensions, coder->dimensions)));
}

uint64
hnsw_value_hash(const HnswCoder *coder, const void *value)
{
	return coder->opclass.type->hash(value, coder->seed);
}

double
hnsw_exact_distance(const HnswQuery *query, const void *value)
{
	const VectorOpclass *opclass = &query->coder->opclass;

	return opclass->type->distance(opclass->metric, query->value, value);
}

/*
 * The operator's distance, without its rounding, from that of the codes: half
 * the squared chord is the cosine distance.
 */
static inline double
operator_distance(const HnswCoder *coder, double code_distance)
{
	if (coder->opclass.metric == METRIC_COSINE)
		return code_distance > 0 ? code_distance * code_distance / 2 : 0;
	return code_distance;
}

/* How far the operator's float32 result may be off; 1 - x rounds like 1. */
static inline double
operator_rounding(const HnswCoder *coder, double distance)
{
	if (coder->opclass.metric == METRIC_COSINE)
		return OPERATOR_ROUNDING;
	return fabs(distance) * OPERATOR_ROUNDING;
}

double
hnsw_lower_bound(const HnswCoder *coder, float estimate, float error)
{
	double		bound = operator_distance(coder, (double) estimate - error);

	return bound - operator_rounding(coder, bound);
}

double
hnsw_upper_bound(const HnswCoder *coder, float estimate, float error)
{
	double		bound = operator_distance(coder, (double) estimate + error);

	return bound + operator_rounding(coder, bound);
}
