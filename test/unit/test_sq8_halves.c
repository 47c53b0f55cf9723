/*
 * test_sq8_halves.c
 *		Halves of 8-bit codes: they make the code again; estimates by the upper one,
 *		by both and by the rest, and their bounds, against exact distances; any
 *		finite values; verification.
 */
#include "c.h"

#include <float.h>
#include <math.h>

#include "check.h"
#include "distance/distance.h"
#include "quantize/sq8_halves.h"

#define MAX_DIM 2000

static const uint32 dims[] = {256, 257, 768, 1535, 1999};
static const uint32 bit_counts[] = {0, 1, 2, 4};

static float x[MAX_DIM];
static float y[MAX_DIM];
static float decoded[MAX_DIM];
static int16 levels[MAX_DIM];
static int8	 halves[2 * MAX_DIM];

typedef union
{
	Sq8Code code;
	uint8	bytes[SQ8_CODE_BYTES(MAX_DIM)];
} Code;

typedef union
{
	Sq8Rest rest;
	uint8	bytes[SQ8_REST_BYTES(MAX_DIM, 4)];
} Rest;

static union
{
	Sq8Upper upper;
	uint8	 bytes[SQ8_UPPER_BYTES(MAX_DIM)];
} upper;

static Code code;
static Rest lower;
static Rest rest;

static void
fill(float *vector, uint32 dim, double scale)
{
	for (uint32 i = 0; i < dim; i++)
	{
		double value = scale * random_normal();

		vector[i] = (float) Max(Min(value, FLT_MAX), -FLT_MAX);
	}
}

static void
fill_pixels(float *vector, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		vector[i] = random_bits() % 2 ? random_bits() % 256 : 0;
	/* codes of all values between keep the grid */
	vector[0] = 0;
	vector[1] = 255;
}

static double
exact_distance(Sq8Metric metric, const float *a, const float *b, uint32 dim)
{
	double sum = 0;

	for (uint32 i = 0; i < dim; i++)
		sum += metric == SQ8_L2
				   ? ((double) a[i] - b[i]) * ((double) a[i] - b[i])
				   : -(double) a[i] * b[i];
	return metric == SQ8_L2 ? sqrt(sum) : sum;
}

static void
encode(Sq8Metric metric, uint32 dim, uint32 rest_bits)
{
	memset(&code, 0, sizeof(code));
	memset(&upper, 0, sizeof(upper));
	memset(&lower, 0, sizeof(lower));
	memset(&rest, 0, sizeof(rest));
	sq8_encode(metric, x, dim, &code.code);
	sq8_split(&code.code, dim, &upper.upper, &lower.rest);
	if (rest_bits > 0)
		sq8_rest_encode(x, &code.code, 0, dim, rest_bits, &rest.rest);
}

static void
prepare(Sq8Metric metric, uint32 dim, Sq8Query *query)
{
	sq8_prepare_query(metric, y, dim, levels, query);
	sq8_prepare_for_halves(query, halves);
}

/* What the halves say of the distance to y, and the rest, if there is one. */
typedef struct Estimates
{
	float by_upper;
	float upper_error;
	float by_code;	/* both halves */
	float distance; /* the rest, too */
	float error;
} Estimates;

static Estimates
estimate(const Sq8Query *query, uint32 rest_bits, float deviations)
{
	Estimates e;

	e.by_upper = sq8_upper_distance(query, &upper.upper);
	e.upper_error = sq8_upper_likely_error(query, &upper.upper, e.by_upper,
										   deviations);
	e.by_code = sq8_rest_distance(query, e.by_upper, &lower.rest,
								  SQ8_HALF_BITS);
	e.distance = e.by_code;
	if (rest_bits == 0)
		e.error = sq8_rest_likely_error(query, e.by_upper, &lower.rest,
										e.by_code, deviations);
	else
	{
		e.distance = sq8_rest_distance(query, e.by_code, &rest.rest,
									   rest_bits);
		e.error = sq8_rests_likely_error(query, e.by_upper, &lower.rest,
										 e.by_code, &rest.rest, e.distance,
										 deviations);
	}
	return e;
}

static void
test_join(void)
{
	for (int round = 0; round < 200; round++)
	{
		uint32 dim = round < 20 ? round + 1 : 1 + random_bits() % MAX_DIM;
		Code   joined;

		fill(x, dim, 1);
		encode(SQ8_L2, dim, 0);
		memset(&joined, 0, sizeof(joined));
		sq8_join(&upper.upper, &lower.rest, dim, &joined.code);
		CHECK(memcmp(&joined, &code, sizeof(code)) == 0, "dim %u", dim);
		CHECK(sq8_upper_check(&upper.upper, dim) == NULL, "dim %u: %s", dim,
			  sq8_upper_check(&upper.upper, dim));
		CHECK(sq8_halves_check(&upper.upper, &lower.rest, dim) == NULL,
			  "dim %u: %s", dim,
			  sq8_halves_check(&upper.upper, &lower.rest, dim));
	}
}

/* The vector of an upper half, its loss and estimates, all in double. */
static void
test_upper(void)
{
	for (int m = SQ8_L2; m <= SQ8_IP; m++)
		for (int round = 0; round < 60; round++)
		{
			Sq8Metric metric = (Sq8Metric) m;
			uint32	  dim = 2 + random_bits() % (MAX_DIM - 1);
			double	  lost = 0;
			double	  expected;
			Sq8Query  query;
			float	  distance;

			fill(x, dim, 1);
			fill(y, dim, 1);
			encode(metric, dim, 0);
			sq8_upper_decode(&upper.upper, dim, decoded);
			for (uint32 i = 0; i < dim; i++)
			{
				double of_code = code.code.offset +
								 (double) code.code.step * code.code.code[i];

				CHECK(fabs(decoded[i] - of_code) <= 7.51 * code.code.step,
					  "dim %u: %g of %g", dim, decoded[i], of_code);
				lost += (decoded[i] - of_code) * (decoded[i] - of_code);
			}
			CHECK(fabs(upper.upper.loss - sqrt(lost)) <= 1e-5 * sqrt(lost),
				  "dim %u: loss %g of %g", dim, upper.upper.loss, sqrt(lost));

			prepare(metric, dim, &query);
			expected = exact_distance(metric, y, decoded, dim);
			if (metric == SQ8_L2)
				expected = sqrt(Max(expected * expected - lost, 0));
			distance = sq8_upper_distance(&query, &upper.upper);
			CHECK(fabs(distance - expected) <=
					  2.01 * query.residual * sqrt(dim),
				  "metric %d, dim %u: %g, expected %g", m, dim, distance,
				  expected);
		}
}

/*
 * The bounds hold with six deviations, far, near and at the vector itself; both
 * halves tell what the code does.
 */
static void
check_distances(Sq8Metric metric, uint32 dim, uint32 rest_bits)
{
	static const double shares[] = {0, 1e-4, 0.01, 0.1, 1};

	for (int round = 0; round < 100; round++)
	{
		double	  near = shares[round % lengthof(shares)];
		double	  expected;
		double	  rounding;
		Sq8Query  query;
		float	  by_code;
		Estimates e;

		fill(x, dim, 1 / sqrt(dim));
		fill(y, dim, 1 / sqrt(dim));
		for (uint32 i = 0; i < dim; i++)
			y[i] = (float) (x[i] + near * (y[i] - x[i]));
		expected = exact_distance(metric, x, y, dim);

		encode(metric, dim, rest_bits);
		prepare(metric, dim, &query);
		e = estimate(&query, rest_bits, 6);
		CHECK(fabs(e.by_upper - expected) <= e.upper_error,
			  "upper, metric %d, dim %u, %g: %g, distance %g, bound %g",
			  metric, dim, near, e.by_upper, expected, e.upper_error);
		CHECK(fabs(e.distance - expected) <= e.error,
			  "metric %d, dim %u, %u bits, %g: %g, distance %g, bound %g",
			  metric, dim, rest_bits, near, e.distance, expected, e.error);

		by_code = sq8_query_distance(&query, &code.code);
		rounding = metric == SQ8_L2 ? 2e-6 / Max(by_code, 1e-3) : 1e-6;
		CHECK(fabs(e.by_code - by_code) <= rounding,
			  "metric %d, dim %u, %g: %g by halves, %g by the code", metric,
			  dim, near, e.by_code, by_code);
		if (near == 1)
			CHECK(e.error < e.upper_error / 8,
				  "metric %d, dim %u, %u bits: %g after %g", metric, dim,
				  rest_bits, e.error, e.upper_error);
	}
}

static void
test_distances(void)
{
	for (int m = SQ8_L2; m <= SQ8_IP; m++)
		for (int d = 0; d < (int) lengthof(dims); d++)
			for (int b = 0; b < (int) lengthof(bit_counts); b++)
				check_distances((Sq8Metric) m, dims[d], bit_counts[b]);
}

/* Codes without loss give distances without, and bounds that say so. */
static void
test_lossless(void)
{
	for (int m = SQ8_L2; m <= SQ8_IP; m++)
		for (int round = 0; round < 200; round++)
		{
			Sq8Metric metric = (Sq8Metric) m;
			uint32	  dim = 256 + random_bits() % 800;
			double	  expected;
			double	  scale;
			Sq8Query  query;
			Estimates e;

			fill_pixels(x, dim);
			fill_pixels(y, dim);
			encode(metric, dim, 0);
			CHECK(code.code.residual == 0, "dim %u: residual %g", dim,
				  code.code.residual);
			prepare(metric, dim, &query);
			e = estimate(&query, 0, INFINITY);
			expected = exact_distance(metric, x, y, dim);
			scale = metric == SQ8_L2 ? expected : -expected;
			CHECK(fabs(e.distance - expected) <= 1e-6 * scale,
				  "metric %d, dim %u: %g, exact %g", m, dim, e.distance,
				  expected);
			CHECK(fabs(e.distance - expected) <= e.error &&
					  e.error <= 3e-5 * scale,
				  "metric %d, dim %u: bound %g of %g", m, dim, e.error,
				  expected);
		}
}

/* Whatever the values, nothing is NaN, and the bounds are bounds. */
static void
test_any_values(void)
{
	static const double scales[] = {0, 1e-44, 1e-30, 1e15, 1e19, 1e38};

	for (int m = SQ8_L2; m <= SQ8_IP; m++)
		for (int s = 0; s < (int) lengthof(scales); s++)
			for (int round = 0; round < 20; round++)
			{
				Sq8Metric metric = (Sq8Metric) m;
				uint32	  dim = 1 + random_bits() % 200;
				uint32	  bits = bit_counts[round % lengthof(bit_counts)];
				double	  expected;
				Sq8Query  query;
				Estimates e;

				fill(x, dim, scales[s]);
				fill(y, dim, scales[s]);
				encode(metric, dim, bits);
				CHECK(sq8_upper_check(&upper.upper, dim) == NULL, "%g: %s",
					  scales[s], sq8_upper_check(&upper.upper, dim));
				CHECK(sq8_halves_check(&upper.upper, &lower.rest, dim) == NULL,
					  "%g: %s", scales[s],
					  sq8_halves_check(&upper.upper, &lower.rest, dim));
				prepare(metric, dim, &query);
				e = estimate(&query, bits, INFINITY);
				CHECK(isfinite(e.by_upper) && isfinite(e.distance),
					  "%g: %g, %g", scales[s], e.by_upper, e.distance);
				CHECK(e.upper_error >= 0 && e.error >= 0, "%g: %g, %g",
					  scales[s], e.upper_error, e.error);
				expected = Max(Min(exact_distance(metric, x, y, dim), FLT_MAX),
							   -FLT_MAX);
				CHECK(fabs(e.by_upper - expected) <= e.upper_error,
					  "upper, %g: %g, exact %g, bound %g", scales[s],
					  e.by_upper, expected, e.upper_error);
				CHECK(fabs(e.distance - expected) <= e.error,
					  "%g: %g, exact %g, bound %g", scales[s], e.distance,
					  expected, e.error);
			}
}

static void
expect_upper_damage(const char *what)
{
	CHECK(sq8_upper_check(&upper.upper, 101) != NULL, "%s", what);
	encode(SQ8_L2, 101, 0);
}

static void
expect_damage(const char *what)
{
	CHECK(sq8_halves_check(&upper.upper, &lower.rest, 101) != NULL, "%s",
		  what);
	encode(SQ8_L2, 101, 0);
}

static void
test_verification(void)
{
	fill(x, 101, 1);
	encode(SQ8_L2, 101, 0);

	upper.upper.levels[3] ^= 1;
	expect_upper_damage("changed level");
	upper.upper.levels[50] ^= 16;
	expect_upper_damage("level behind the last dimension");
	upper.upper.step = -1;
	expect_upper_damage("negative step");
	upper.upper.offset = NAN;
	expect_upper_damage("offset NaN");
	upper.upper.residual = INFINITY;
	expect_upper_damage("infinite residual");
	upper.upper.loss = NAN;
	expect_upper_damage("loss NaN");

	lower.rest.levels[3] ^= 1;
	expect_damage("changed lower level");
	lower.rest.step *= 2;
	expect_damage("another step");
	lower.rest.shift = NAN;
	expect_damage("shift NaN");
	lower.rest.residual = 0;
	expect_damage("no residual");
	lower.rest.norm *= 2;
	expect_damage("another norm");
	lower.rest.terms /= 2;
	expect_damage("less terms");
	upper.upper.loss /= 2;
	expect_damage("less loss");
}

static void
run_sq8_halves_groups(void)
{
	run_group("halves: the code again", test_join);
	run_group("halves: upper ones alone", test_upper);
	run_group("halves: distances and bounds", test_distances);
	run_group("halves: without loss", test_lossless);
	run_group("halves: any values", test_any_values);
	run_group("halves: verification", test_verification);
}

void
sq8_halves_tests(void)
{
	with_each_isa(run_sq8_halves_groups);
}
