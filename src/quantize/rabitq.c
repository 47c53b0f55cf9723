/*
 * rabitq.c
 *		RaBitQ codes: one bit a dimension, relative to a centroid.
 *
 * With r = x - centroid, n its dimensions, s = its signs times 1/2, and a query
 * w beside the centroid, what is wanted of a code is the projection of w on r,
 *		t = <w, r> / |r|,
 * from which distances follow:
 *		|q - x|^2 = |w|^2 + |r|^2 - 2 |r| t			w = q - centroid
 *		<q, x> = <q, c> + m <c, r> + |r| t			w = q - m c
 * where m may be any number: <q, c> / <c, c> makes w the shortest, and it is
 * |w| that errors are in proportion to.
 *
 * The estimate of t is <w, s> |r| / <r, s>, which has no bias (Gao & Long 2024,
 * theorem 3.2).  Its error is the projection of w on the part of s that is
 * orthogonal to r.  Since all is rotated at random, that is a random direction
 * in n - 1 dimensions, and the projection of what w has beside r, of length
 * sqrt(|w|^2 - t^2), on it has a standard deviation of that length over
 * sqrt(n - 1).  The paper's bound has |w| for the length.  Here,
 *		estimate = t + e u sqrt(|w|^2 - t^2),		|e| <= 1
 *		u = epsilon / sqrt(n - 1) * sqrt(|s|^2 |r|^2 / <r, s>^2 - 1)
 * is solved for the largest t: for the nearest neighbours, to which r and w
 * point alike, that leaves less room for errors.  As an angle, t = |w| cos a:
 * the estimate's is a + arctan u, as far as it can be, for a vector that is
 * sqrt(1 + u^2) |w| long, so
 *		t <= (estimate + u sqrt((1 + u^2) |w|^2 - estimate^2)) / (1 + u^2)
 * or |w|, if the estimate is above that.  A projection is never longer than
 * what it is one of, so epsilon / sqrt(n - 1) is at most 1: with few
 * dimensions bounds are certain.
 *
 * <w, s> is looked up: the sums of w over each four dimensions, all 16 of them,
 * are rounded to bytes, each with an error of at most half a step, which has a
 * standard deviation of 1 / sqrt(12) steps.
 */
#include "c.h"

#include <float.h>
#include <math.h>

#include "quantize/rabitq.h"

#define FLOAT_UNIT 0x1p-24	 /* relative error of one float operation */
#define FLOAT_TINY 0x1p-100f /* above what underflows in sums of squares */

/* Above, sums and squares could leave the range of float. */
#define MAX_NORM 1e16

/* Centroids below have no direction to speak of. */
#define MIN_SQUARE 1e-30

/* Of a lane whose norm is above MAX_NORM, or not known well enough. */
#define UNKNOWN_NORM (-FLT_MAX)

/*
 * A loss has any direction, as errors of signs do, which are about 0.75 of the
 * norm: one of a fourth adds a twentieth to their standard deviation.
 */
#define NORM_PER_LOSS 4

/* Dimensions that are encoded together. */
#define CHUNK_DIMS 1024

typedef struct Factors
{
	float *norm;
	float *scale;
	float *shift; /* NULL for RABITQ_L2 */
} Factors;

static inline Factors
lane_factors(RabitqMetric metric, const void *block, uint32 lane)
{
	float  *floats = (float *) block + lane;
	Factors factors = {floats, floats + RABITQ_BLOCK,
					   metric == RABITQ_L2 ? NULL : floats + 2 * RABITQ_BLOCK};

	return factors;
}

static inline uint8 *
block_codes(RabitqMetric metric, const void *block)
{
	return (uint8 *) block + RABITQ_FACTOR_BYTES(metric);
}

static inline uint8
get_group(const uint8 *codes, uint32 group, uint32 lane)
{
	uint8 byte = codes[RABITQ_GROUP_BYTES * group + lane % 16];

	return lane < 16 ? byte & 0x0f : byte >> 4;
}

static inline void
set_group(uint8 *codes, uint32 group, uint32 lane, uint8 signs)
{
	uint8 *byte = &codes[RABITQ_GROUP_BYTES * group + lane % 16];

	if (lane < 16)
		*byte = (*byte & 0xf0) | signs;
	else
		*byte = (*byte & 0x0f) | (signs << 4);
}

/*
 * 2 |r| / l1(r), within what it can be: squares lose digits or underflow before
 * values do.
 */
static double
ratio_of_norms(double l1, double l2sq, uint32 dim)
{
	if (l1 == 0 || l2sq == 0)
		return 0;
	return Max(Min(2 * sqrt(l2sq) / l1, 2), 2 / sqrt(dim));
}

void
rabitq_set(RabitqMetric metric, const float *x, const float *centroid,
		   uint32 dim, void *block, uint32 lane)
{
	Factors factors = lane_factors(metric, block, lane);
	uint8  *codes = block_codes(metric, block);
	uint8	signs[CHUNK_DIMS / 8];
	double	l1 = 0;
	double	l2sq = 0;
	double	dot = 0;

	for (uint32 start = 0; start < dim; start += CHUNK_DIMS)
	{
		uint32		 dims = Min(dim - start, CHUNK_DIMS);
		uint32		 first_group = start / RABITQ_GROUP_DIMS;
		ResidualSums sums = distance_kernels->residual_signs_f32(
			x + start, centroid + start, signs, dims);

		for (uint32 group = 0; group < RABITQ_GROUPS(dims); group++)
			set_group(codes, first_group + group, lane,
					  (signs[group / 2] >> (group % 2 * 4)) & 0x0f);
		l1 += sums.l1;
		l2sq += sums.l2sq;
		dot += sums.dot;
	}

	/* also if a value is NaN, or the difference of two is not finite */
	if (!(l2sq <= MAX_NORM * MAX_NORM) || !(fabs(dot) <= FLT_MAX))
	{
		*factors.norm = UNKNOWN_NORM;
		*factors.scale = 0;
		dot = 0;
	}
	else
	{
		*factors.norm = (float) sqrt(l2sq);
		*factors.scale = (float) ratio_of_norms(l1, l2sq, dim);
	}
	if (factors.shift != NULL)
		*factors.shift = (float) dot;
}

void
rabitq_doubt(RabitqMetric metric, void *block, uint32 lane, float loss)
{
	Factors factors = lane_factors(metric, block, lane);

	if (*factors.norm >= loss * NORM_PER_LOSS)
		return;
	*factors.norm = UNKNOWN_NORM;
	*factors.scale = 0;
	if (factors.shift != NULL)
		*factors.shift = 0;
}

static inline void
copy_factors(Factors from, Factors to)
{
	*to.norm = *from.norm;
	*to.scale = *from.scale;
	if (to.shift != NULL)
		*to.shift = *from.shift;
}

void
rabitq_copy(RabitqMetric metric, uint32 dim, const void *from,
			uint32 from_lane, void *to, uint32 to_lane)
{
	const uint8 *from_codes = block_codes(metric, from);
	uint8		*to_codes = block_codes(metric, to);

	copy_factors(lane_factors(metric, from, from_lane),
				 lane_factors(metric, to, to_lane));
	for (uint32 group = 0; group < RABITQ_GROUPS(dim); group++)
		set_group(to_codes, group, to_lane,
				  get_group(from_codes, group, from_lane));
}

void
rabitq_clear(RabitqMetric metric, uint32 dim, void *block, uint32 lane)
{
	float	zero = 0;
	Factors zeros = {&zero, &zero, &zero};
	uint8  *codes = block_codes(metric, block);

	copy_factors(zeros, lane_factors(metric, block, lane));
	for (uint32 group = 0; group < RABITQ_GROUPS(dim); group++)
		set_group(codes, group, lane, 0);
}

void
rabitq_decode(RabitqMetric metric, const void *block, uint32 lane,
			  const float *centroid, uint32 dim, float *x)
{
	Factors		 factors = lane_factors(metric, block, lane);
	const uint8 *codes = block_codes(metric, block);
	double		 mean = *factors.scale > 0
							? 2 * (double) *factors.norm / *factors.scale / dim
							: 0;

	for (uint32 i = 0; i < dim; i++)
	{
		uint8 signs = get_group(codes, i / RABITQ_GROUP_DIMS, lane);
		bool  above = (signs >> (i % RABITQ_GROUP_DIMS)) & 1;

		x[i] = (float) (centroid[i] + (above ? mean : -mean));
	}
}

const char *
rabitq_check(RabitqMetric metric, uint32 dim, const void *block, uint32 lane)
{
	Factors		 factors = lane_factors(metric, block, lane);
	const uint8 *codes = block_codes(metric, block);
	double		 scale = *factors.scale;
	double		 rounding = 1e-3;

	if (!isfinite(*factors.norm) || *factors.norm > MAX_NORM * (1 + rounding))
		return "norm is not a finite value in its range";
	if (*factors.norm < 0 && *factors.norm != UNKNOWN_NORM)
		return "norm is below zero";
	if (*factors.norm <= 0 ? scale != 0
						   : !(scale >= 2 / sqrt(dim) * (1 - rounding) &&
							   scale <= 2 * (1 + rounding)))
		return "scale is not in its range";
	if (factors.shift != NULL && !isfinite(*factors.shift))
		return "shift is not finite";

	for (uint32 i = dim; i < RABITQ_GROUPS(dim) * RABITQ_GROUP_DIMS; i++)
	{
		if ((get_group(codes, i / RABITQ_GROUP_DIMS, lane) >>
			 (i % RABITQ_GROUP_DIMS)) &
			1)
			return "signs behind the last dimension are not zero";
	}

	return NULL;
}

/* ------------------------------------------------------------------------
 * Queries
 * ------------------------------------------------------------------------
 */

void
rabitq_query_init(RabitqQuery *query, RabitqMetric metric, const float *values,
				  uint32 dim, void *memory)
{
	uint32 padded_dims = RABITQ_GROUPS(dim) * RABITQ_GROUP_DIMS;

	memset(query, 0, sizeof(*query));
	query->metric = metric;
	query->dim = dim;
	query->epsilon = RABITQ_EPSILON;
	query->values = values;
	query->rest = memory;
	query->tables = (uint8 *) (query->rest + padded_dims);
	query->norm = sqrt(distance_kernels->dot_f32(values, values, dim));
	query->unknown = true;
}

/* Fill in what depends on the metric.  Returns the multiple of the centroid. */
static double
init_distance(RabitqQuery *query, const float *centroid, double rounding)
{
	SignScore *score = &query->score;
	double	   dot;
	double	   square;
	double	   multiple;
	double	   error;

	if (query->metric == RABITQ_L2)
		return 1;

	dot = distance_kernels->dot_f32(query->values, centroid, query->dim);
	square = distance_kernels->dot_f32(centroid, centroid, query->dim);
	query->unknown = !(square <= MAX_NORM * MAX_NORM);
	multiple = square >= MIN_SQUARE ? dot / square : 0;
	error = rounding * query->norm;

	/* |q - x|^2 is 2 - 2 <q, x> on the unit sphere */
	score->weight = query->metric == RABITQ_IP ? 1 : 2;
	score->constant = (query->metric == RABITQ_IP ? 0 : 2) -
					  score->weight * dot;
	score->shift_weight = -score->weight * multiple;
	score->norm_weight = 0;
	score->slack = score->weight * error * sqrt(square) + FLOAT_TINY;
	score->norm_slack = score->weight * error * 2;
	score->square_slack = 0;
	score->root = query->metric == RABITQ_UNIT;
	/* and norms are 1 but for their rounding */
	if (score->root)
		score->slack += 4 * rounding;
	return multiple;
}

void
rabitq_query_centroid(RabitqQuery *query, const float *centroid)
{
	SignScore *score = &query->score;
	uint32	   dim = query->dim;
	uint32	   groups = (dim + RABITQ_GROUP_DIMS - 1) / RABITQ_GROUP_DIMS;
	double	   rounding = (dim / 16 + 32) * FLOAT_UNIT;
	double	   multiple;
	RestSums   rest;

	query->unknown = !(query->norm <= MAX_NORM);
	if (query->unknown)
		return;
	multiple = init_distance(query, centroid, rounding);
	if (query->unknown)
		return;

	rest = distance_kernels->rest_f32(query->values, centroid,
									  (float) multiple, query->rest, dim);
	query->unknown = !(rest.l2sq <= MAX_NORM * MAX_NORM);
	if (query->unknown)
		return;

	/* all the sums of a group, less the least of them, add up to its l1 */
	if (rest.largest > FLOAT_TINY)
	{
		score->step = rest.largest / 255;
		score->sum_error = score->step *
						   Min(query->epsilon * sqrt(groups / 12.0),
							   groups / 2.0);
		distance_kernels->subset_sums_f32(query->rest, 255 / rest.largest,
										  RABITQ_GROUPS(dim), query->tables);
	}
	else
	{
		score->step = 0;
		score->sum_error = rest.l1;
		memset(query->tables, 0, RABITQ_GROUP_BYTES * RABITQ_GROUPS(dim));
	}
	score->bias = -rest.l1 / 2;
	score->norm = (float) (sqrt(rest.l2sq) * (1 + rounding));
	score->deviations = Min(query->epsilon / sqrt(Max(dim - 1.0, 1)), 1);
	score->quarter = dim / 4.0f;

	if (query->metric == RABITQ_L2)
	{
		score->constant = rest.l2sq;
		score->norm_weight = 1;
		score->shift_weight = 0;
		score->weight = 2;
		score->slack = (float) (4 * rounding * rest.l2sq) + FLOAT_TINY;
		score->norm_slack = 0;
		score->square_slack = (float) (4 * rounding);
		score->root = true;
	}
}

void
rabitq_add_codes(const RabitqQuery *query, const uint8 *codes,
				 uint32 first_group, uint32 groups, uint32 *sums)
{
	distance_kernels->lookup_u4(
		codes, query->tables + RABITQ_GROUP_BYTES * first_group, groups, sums);
}

void
rabitq_finish(const RabitqQuery *query, const void *factors,
			  const uint32 *sums, float *estimates, float *bounds)
{
	Factors first = lane_factors(query->metric, factors, 0);
	float	ignored[RABITQ_BLOCK];

	if (estimates == NULL)
		estimates = ignored;
	if (query->unknown)
	{
		for (int i = 0; i < RABITQ_BLOCK; i++)
			estimates[i] = bounds[i] = query->metric == RABITQ_IP ? -FLT_MAX
																  : 0;
		return;
	}
	distance_kernels->score_signs_f32(&query->score, sums, first.norm,
									  first.scale,
									  first.shift != NULL ? first.shift
														  : first.norm,
									  estimates, bounds);
}

void
rabitq_score(const RabitqQuery *query, const void *block, float *estimates,
			 float *bounds)
{
	uint32 sums[RABITQ_BLOCK] = {0};

	if (!query->unknown)
		rabitq_add_codes(query, block_codes(query->metric, block), 0,
						 RABITQ_GROUPS(query->dim), sums);
	rabitq_finish(query, block, sums, estimates, bounds);
}
