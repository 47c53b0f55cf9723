/*
 * test_rabitq.c
 *		RaBitQ codes: estimates and bounds against the formulas in double, how
 *		often bounds are wrong, pieces of blocks, edge cases.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "distance/distance.h"
#include "quantize/rabitq.h"
#include "quantize/rotation.h"

#define MAX_DIM 16000

/* standard deviations beyond which nothing ever is */
#define CERTAIN 7.0f

static const uint32 dims[] = {1,   2,	3,	  4,	5,	  6,   7,	8,
							  9,   10,	11,	  12,	13,	  14,  15,	16,
							  17,  31,	32,	  33,	64,	  96,  100, 128,
							  200, 768, 1000, 1024, 1030, 1536};

static const char *const metric_names[] = {"L2", "IP", "unit"};

static uint8 signs[ROTATION_SIGN_BYTES(MAX_DIM)];
static float centroid[MAX_DIM];
static float query_values[MAX_DIM];
static float decoded[MAX_DIM];

/* a block of entries with all that belongs to it */
typedef struct TestBlock
{
	RabitqMetric metric;
	uint32		 dim;
	float		*entries; /* 32 */
	char		*block;
	float		*memory; /* of the query */
	RabitqQuery	 query;
	float		 estimates[RABITQ_BLOCK];
	float		 bounds[RABITQ_BLOCK];
} TestBlock;

static void
block_create(TestBlock *test, RabitqMetric metric, uint32 dim)
{
	test->metric = metric;
	test->dim = dim;
	test->entries = calloc((Size) RABITQ_BLOCK * dim, sizeof(float));
	test->block = calloc(1, RABITQ_BLOCK_BYTES(metric, dim));
	test->memory = malloc(RABITQ_QUERY_BYTES(dim));
	if (test->entries == NULL || test->block == NULL || test->memory == NULL)
		abort();
}

static void
block_free(TestBlock *test)
{
	free(test->entries);
	free(test->block);
	free(test->memory);
}

static inline float *
entry(const TestBlock *test, uint32 lane)
{
	return test->entries + (Size) lane * test->dim;
}

/*
 * Entries around a centroid that is `offset` from zero, and a query that is
 * about as near to the centroid as they are; all rotated.
 */
static void
block_fill(TestBlock *test, double scale, double offset)
{
	uint32	 dim = test->dim;
	Rotation rotation;

	rotation_init(&rotation, dim, random_bits(), signs);
	for (uint32 i = 0; i < dim; i++)
	{
		centroid[i] = (float) (offset + scale * random_normal());
		query_values[i] = (float) (centroid[i] + scale * random_normal());
	}
	for (uint32 lane = 0; lane < RABITQ_BLOCK; lane++)
	{
		/* some as far from the query as from the centroid, some near it */
		double nearness = lane % 4 / 4.0;

		for (uint32 i = 0; i < dim; i++)
			entry(test, lane)[i] = (float) (centroid[i] +
											nearness * (query_values[i] -
														centroid[i]) +
											scale * random_normal());
		if (test->metric == RABITQ_UNIT)
			to_unit(entry(test, lane), dim);
		rotation_apply(&rotation, entry(test, lane), entry(test, lane));
	}
	if (test->metric == RABITQ_UNIT)
	{
		to_unit(query_values, dim);
		to_unit(centroid, dim);
	}
	rotation_apply(&rotation, centroid, centroid);
	rotation_apply(&rotation, query_values, query_values);
}

static void
block_encode(TestBlock *test)
{
	for (uint32 lane = 0; lane < RABITQ_BLOCK; lane++)
	{
		const char *problem;

		rabitq_set(test->metric, entry(test, lane), centroid, test->dim,
				   test->block, lane);
		problem = rabitq_check(test->metric, test->dim, test->block, lane);
		CHECK(problem == NULL, "dim %u: %s", test->dim, problem);
	}
}

static void
block_score(TestBlock *test, float epsilon)
{
	rabitq_query_init(&test->query, test->metric, query_values, test->dim,
					  test->memory);
	test->query.epsilon = epsilon;
	rabitq_query_centroid(&test->query, centroid);
	rabitq_score(&test->query, test->block, test->estimates, test->bounds);
}

static double
exact_distance(const TestBlock *test, uint32 lane)
{
	const float *x = entry(test, lane);
	double		 sum = 0;

	for (uint32 i = 0; i < test->dim; i++)
	{
		double difference = (double) query_values[i] - x[i];

		if (test->metric == RABITQ_IP)
			sum -= (double) query_values[i] * x[i];
		else
			sum += difference * difference;
	}
	return test->metric == RABITQ_IP ? Max(sum, -FLT_MAX) : sqrt(sum);
}

/* What rabitq.c says, straight from the vectors, without tables. */
static void
reference(const TestBlock *test, uint32 lane, double *estimate, double *bound)
{
	const float *x = entry(test, lane);
	double		 n = test->dim;
	double		 epsilon = test->query.epsilon;
	double		 multiple = 1;
	double		 qc = 0;
	double		 cc = 0;
	double		 cr = 0;
	double		 rr = 0;
	double		 rs = 0;
	double		 ws = 0;
	double		 ww = 0;
	double		 t;
	double		 u;

	for (uint32 i = 0; i < test->dim; i++)
	{
		qc += (double) query_values[i] * centroid[i];
		cc += (double) centroid[i] * centroid[i];
	}
	if (test->metric != RABITQ_L2)
		multiple = qc / cc;
	for (uint32 i = 0; i < test->dim; i++)
	{
		double r = (double) x[i] - centroid[i];
		double s = x[i] > centroid[i] ? 0.5 : -0.5;
		double w = query_values[i] - multiple * centroid[i];

		cr += centroid[i] * r;
		rr += r * r;
		rs += r * s;
		ws += w * s;
		ww += w * w;
	}
	t = rs > 0 ? ws * sqrt(rr) / rs : 0;
	u = rs > 0 ? Min(epsilon / sqrt(Max(n - 1, 1)), 1) *
					 sqrt(Max(n / 4 * rr / (rs * rs) - 1, 0))
			   : 0;
	t = Max(Min(t, sqrt(ww)), -sqrt(ww));
	for (int i = 0; i < 2; i++)
	{
		double value;

		if (i == 1)
		{
			t = (t + u * sqrt(Max((1 + u * u) * ww - t * t, 0))) / (1 + u * u);
			t = Max(t, -sqrt(ww));
		}
		if (test->metric == RABITQ_L2)
			value = sqrt(Max(ww + rr - 2 * sqrt(rr) * t, 0));
		else
		{
			value = -(qc + multiple * cr + sqrt(rr) * t);
			if (test->metric == RABITQ_UNIT)
				value = sqrt(Max(2 + 2 * value, 0));
		}
		*(i == 0 ? estimate : bound) = value;
	}
}

static void
check_formulas(RabitqMetric metric, uint32 dim, double scale, double offset)
{
	TestBlock test;

	block_create(&test, metric, dim);
	block_fill(&test, scale, offset);
	block_encode(&test);
	block_score(&test, RABITQ_EPSILON);
	for (uint32 lane = 0; lane < RABITQ_BLOCK; lane++)
	{
		double estimate;
		double bound;
		double length = 0;
		double center = 0;
		double error;
		double slack;

		reference(&test, lane, &estimate, &bound);

		/* rounding of tables is 1 % or so of the error that signs make */
		for (uint32 i = 0; i < dim; i++)
		{
			double r = (double) entry(&test, lane)[i] - centroid[i];

			length += r * r;
			center += (double) centroid[i] * centroid[i];
		}
		length = sqrt(length);
		error = length * test.query.score.norm / sqrt(dim);
		slack = 1e-4 * (length * length + test.query.norm * test.query.norm) +
				1e-6 * center + 1e-30;
		if (metric != RABITQ_IP)
		{
			/* both are square roots: compare squares */
			estimate *= estimate;
			bound *= bound;
			test.estimates[lane] *= test.estimates[lane];
			test.bounds[lane] *= test.bounds[lane];
		}
		CHECK(fabs(test.estimates[lane] - estimate) <= 0.2 * error + slack,
			  "%s, dim %u: %g, not %g", metric_names[metric], dim,
			  test.estimates[lane], estimate);
		CHECK(test.bounds[lane] <= bound + 0.2 * error + slack &&
				  test.bounds[lane] >= bound - 0.4 * error - slack,
			  "%s, dim %u: bound %g, not %g", metric_names[metric], dim,
			  test.bounds[lane], bound);
		CHECK(test.bounds[lane] <= test.estimates[lane], "%s, dim %u",
			  metric_names[metric], dim);
	}
	block_free(&test);
}

static void
test_formulas(void)
{
	for (int metric = 0; metric < 3; metric++)
		for (int i = 0; i < (int) lengthof(dims); i++)
		{
			check_formulas(metric, dims[i], 1, 0);
			check_formulas(metric, dims[i], 1, 0.5);
			check_formulas(metric, dims[i], 1e-8, 0);
			check_formulas(metric, dims[i], 1e8, 0);
		}
	check_formulas(RABITQ_L2, MAX_DIM, 1, 0);
	check_formulas(RABITQ_UNIT, MAX_DIM, 1, 0);
}

/*
 * How many bounds are above the distance.  A normal distribution has 0.3 % of
 * its values above RABITQ_EPSILON standard deviations; with less than 9
 * dimensions bounds are certain.
 */
static void
check_violations(RabitqMetric metric, uint32 dim, double offset)
{
	int		  blocks = dim > 1000 ? 10 : 100;
	int		  violations = 0;
	double	  expected;
	TestBlock test;

	block_create(&test, metric, dim);
	for (int i = 0; i < blocks; i++)
	{
		block_fill(&test, 1, offset);
		block_encode(&test);
		block_score(&test, RABITQ_EPSILON);
		for (uint32 lane = 0; lane < RABITQ_BLOCK; lane++)
			violations += test.bounds[lane] > exact_distance(&test, lane);
	}
	expected = blocks * RABITQ_BLOCK * 0.003;
	CHECK(violations <= (dim < 9 ? 0 : expected + 5 * sqrt(expected)),
		  "%s, dim %u: %d of %d", metric_names[metric], dim, violations,
		  blocks * RABITQ_BLOCK);
	block_free(&test);
}

static void
test_violations(void)
{
	for (int metric = 0; metric < 3; metric++)
	{
		for (int i = 0; i < (int) lengthof(dims); i++)
			check_violations(metric, dims[i], 0.5);
		check_violations(metric, MAX_DIM, 0);
	}

	/* what all vectors have in common does not count */
	check_violations(RABITQ_L2, 128, 1000);
}

/* Lanes are set, copied and cleared without a change to their neighbours. */
static void
test_lanes(void)
{
	for (int metric = 0; metric < 3; metric++)
		for (int i = 0; i < (int) lengthof(dims); i++)
		{
			uint32	  dim = dims[i];
			Size	  bytes = RABITQ_BLOCK_BYTES(metric, dim);
			TestBlock test;
			char	 *copy = calloc(1, bytes);

			if (copy == NULL)
				abort();
			block_create(&test, metric, dim);
			block_fill(&test, 1, 0.5);
			block_encode(&test);
			for (uint32 lane = 0; lane < RABITQ_BLOCK; lane++)
				rabitq_copy(metric, dim, test.block, lane, copy,
							(lane * 5 + 3) % RABITQ_BLOCK);
			for (uint32 lane = 0; lane < RABITQ_BLOCK; lane += 2)
				rabitq_clear(metric, dim, test.block, lane);
			for (uint32 lane = 0; lane < RABITQ_BLOCK; lane += 2)
				rabitq_copy(metric, dim, copy, (lane * 5 + 3) % RABITQ_BLOCK,
							test.block, lane);
			block_score(&test, RABITQ_EPSILON);
			for (uint32 lane = 0; lane < RABITQ_BLOCK; lane++)
			{
				double estimate;
				double bound;
				double distance = 0;
				double rest = 0;

				reference(&test, lane, &estimate, &bound);
				CHECK(fabs(test.estimates[lane] - estimate) <
						  0.05 * (test.query.norm + 1) + 0.01 * fabs(estimate),
					  "%s, dim %u, lane %u: %g, not %g", metric_names[metric],
					  dim, lane, test.estimates[lane], estimate);

				/* the decoded vector is nearer than the centroid */
				rabitq_decode(metric, test.block, lane, centroid, dim,
							  decoded);
				for (uint32 k = 0; k < dim; k++)
				{
					double x = entry(&test, lane)[k];

					distance += (x - decoded[k]) * (x - decoded[k]);
					rest += (x - centroid[k]) * (x - centroid[k]);
				}
				CHECK(distance <= 0.8 * rest + 1e-12 || dim < 20,
					  "%s, dim %u: %g of %g is left", metric_names[metric],
					  dim, distance, rest);
			}

			for (uint32 lane = 0; lane < RABITQ_BLOCK; lane++)
				rabitq_clear(metric, dim, copy, lane);
			for (Size k = 0; k < bytes; k++)
				CHECK(copy[k] == 0, "byte %d of a cleared block", (int) k);
			free(copy);
			block_free(&test);
		}
}

/* A block that is scored in pieces gives what it gives as a whole. */
static void
test_pieces(void)
{
	static const uint32 large[] = {16, 17, 64, 100, 768, 2000, MAX_DIM};

	for (int i = 0; i < (int) lengthof(large); i++)
	{
		uint32	  groups = RABITQ_GROUPS(large[i]);
		uint32	  sums[RABITQ_BLOCK] = {0};
		float	  estimates[RABITQ_BLOCK];
		float	  bounds[RABITQ_BLOCK];
		uint32	  pieces;
		TestBlock test;

		block_create(&test, RABITQ_L2, large[i]);
		block_fill(&test, 1, 0.5);
		block_encode(&test);
		block_score(&test, RABITQ_EPSILON);
		for (uint32 first = 0; first < groups; first += pieces)
		{
			pieces = (uint32) (1 + random_bits() % 200) * RABITQ_GROUP_UNIT;
			pieces = Min(pieces, groups - first);
			rabitq_add_codes(&test.query,
							 (const uint8 *) test.block +
								 RABITQ_FACTOR_BYTES(RABITQ_L2) +
								 first * RABITQ_GROUP_BYTES,
							 first, pieces, sums);
		}
		rabitq_finish(&test.query, test.block, sums, estimates, bounds);
		CHECK(memcmp(estimates, test.estimates, sizeof(estimates)) == 0 &&
				  memcmp(bounds, test.bounds, sizeof(bounds)) == 0,
			  "dim %u", large[i]);

		/* bounds alone */
		rabitq_score(&test.query, test.block, NULL, bounds);
		CHECK(memcmp(bounds, test.bounds, sizeof(bounds)) == 0, "dim %u",
			  large[i]);
		block_free(&test);
	}
}

/* Entries and queries at the centroid, at zero, and equal ones. */
static void
test_degenerate(void)
{
	for (int metric = 0; metric < 3; metric++)
		for (int i = 0; i < (int) lengthof(dims); i++)
			for (int kind = 0; kind < 4; kind++)
			{
				uint32	  dim = dims[i];
				TestBlock test;

				block_create(&test, metric, dim);
				block_fill(&test, 1, 0.5);
				for (uint32 lane = 0; lane < RABITQ_BLOCK; lane++)
					memcpy(entry(&test, lane),
						   lane % 3 == 0 ? centroid : query_values,
						   dim * sizeof(float));
				if (kind == 1)
					memcpy(query_values, centroid, dim * sizeof(float));
				if (kind == 2 && metric != RABITQ_UNIT)
					memset(query_values, 0, dim * sizeof(float));
				if (kind == 3 && metric != RABITQ_UNIT)
					memset(centroid, 0, dim * sizeof(float));
				block_encode(&test);
				block_score(&test, CERTAIN);
				for (uint32 lane = 0; lane < RABITQ_BLOCK; lane++)
				{
					double distance = exact_distance(&test, lane);

					CHECK(isfinite(test.estimates[lane]) &&
							  isfinite(test.bounds[lane]),
						  "%s, dim %u", metric_names[metric], dim);
					CHECK(test.bounds[lane] <=
							  distance + 1e-6 * (1 + fabs(distance)),
						  "%s, dim %u, kind %d: %g above %g",
						  metric_names[metric], dim, kind, test.bounds[lane],
						  distance);
					/* nothing is lost of an entry at the centroid */
					if (lane % 3 == 0 && kind != 3)
						CHECK(test.bounds[lane] >=
								  distance - 0.01 * (1 + fabs(distance)),
							  "%s, dim %u: %g, not %g", metric_names[metric],
							  dim, test.bounds[lane], distance);
				}
				block_free(&test);
			}
}

/* Values near the ends of the range of floats: bounds hold, nothing is NaN. */
static void
test_extremes(void)
{
	static const double scales[] = {FLT_MAX / 4, 1e30,	1e18,  1e15,
									1e-15,		 1e-20, 1e-30, 1e-42};
	static const uint32 some_dims[] = {1, 3, 17, 128, 1030};

	for (int metric = 0; metric < 2; metric++)
		for (int i = 0; i < (int) lengthof(some_dims); i++)
			for (int k = 0; k < (int) lengthof(scales); k++)
				for (int kind = 0; kind < 3; kind++)
				{
					uint32	  dim = some_dims[i];
					TestBlock test;
					int		  violations = 0;

					block_create(&test, metric, dim);
					block_fill(&test, 1, 0);
					for (uint32 j = 0; j < RABITQ_BLOCK * dim; j++)
					{
						test.entries[j] = (float)
							Max(Min(test.entries[j] * scales[k], FLT_MAX),
								-FLT_MAX);
						if (j >= dim)
							continue;
						if (kind < 2)
							query_values[j] = (float)
								Max(Min(query_values[j] * scales[k], FLT_MAX),
									-FLT_MAX);
						if (kind < 1)
							centroid[j] *= (float) scales[k];
					}
					block_encode(&test);
					block_score(&test, CERTAIN);
					for (uint32 lane = 0; lane < RABITQ_BLOCK; lane++)
					{
						CHECK(!isnan(test.estimates[lane]) &&
								  !isnan(test.bounds[lane]),
							  "%s, dim %u, scale %g", metric_names[metric],
							  dim, scales[k]);
						violations += test.bounds[lane] >
									  exact_distance(&test, lane);
					}
					CHECK(violations == 0,
						  "%s, dim %u, scale %g, kind %d: %d violations",
						  metric_names[metric], dim, scales[k], kind,
						  violations);
					block_free(&test);
				}
}

static void
test_checks(void)
{
	TestBlock test;
	float	 *floats;

	block_create(&test, RABITQ_IP, 10);
	block_fill(&test, 1, 0.5);
	block_encode(&test);
	floats = (float *) test.block;

#define CHECK_REFUSED(lane)                                                 \
	CHECK(rabitq_check(RABITQ_IP, 10, test.block, lane) != NULL, "lane %d", \
		  lane)
	floats[1] = NAN;
	CHECK_REFUSED(1);
	floats[2] = -1;
	CHECK_REFUSED(2);
	floats[3] = INFINITY;
	CHECK_REFUSED(3);
	floats[RABITQ_BLOCK + 4] = 0.1f;
	CHECK_REFUSED(4);
	floats[RABITQ_BLOCK + 5] = 3;
	CHECK_REFUSED(5);
	floats[RABITQ_BLOCK + 6] = NAN;
	CHECK_REFUSED(6);
	floats[2 * RABITQ_BLOCK + 7] = NAN;
	CHECK_REFUSED(7);
	floats[8] = 0;
	CHECK_REFUSED(8);
	/* dimension 11 of lane 9 */
	test.block[RABITQ_FACTOR_BYTES(RABITQ_IP) + 2 * 16 + 9] |= 8;
	CHECK_REFUSED(9);
	CHECK(rabitq_check(RABITQ_IP, 10, test.block, 10) == NULL, "lane 10");
	block_free(&test);
}

static void
run_rabitq_groups(void)
{
	run_group("rabitq: estimates and bounds by the formulas", test_formulas);
	run_group("rabitq: bounds hold", test_violations);
	run_group("rabitq: lanes of a block", test_lanes);
	run_group("rabitq: blocks in pieces", test_pieces);
	run_group("rabitq: degenerate vectors", test_degenerate);
	run_group("rabitq: ends of the range", test_extremes);
	run_group("rabitq: verification", test_checks);
}

void
rabitq_tests(void)
{
	with_each_isa(run_rabitq_groups);
}
