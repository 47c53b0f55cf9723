/*
 * test_sq8_rest.c
 *		Rests of 8-bit codes: distances and likely bounds against the exact ones,
 *		how much they gain, any finite values, verification.
 */
#include "c.h"

#include <float.h>
#include <math.h>

#include "check.h"
#include "distance/distance.h"
#include "quantize/sq8_rest.h"

#define MAX_DIM 2000

static const uint32 dims[] = {100, 129, 768, 1536, 1999};
static const uint32 bit_counts[] = {1, 2, 4};

static float x[MAX_DIM];
static float y[MAX_DIM];
static int16 levels[MAX_DIM];

static union
{
	Sq8Code code;
	uint8	bytes[SQ8_CODE_BYTES(MAX_DIM)];
} code;

static union
{
	Sq8Rest rest;
	uint8	bytes[SQ8_REST_BYTES(MAX_DIM, 4)];
} rest;

static void
fill(float *vector, uint32 dim, double scale)
{
	for (uint32 i = 0; i < dim; i++)
	{
		double value = scale * random_normal();

		vector[i] = (float) Max(Min(value, FLT_MAX), -FLT_MAX);
	}
}

static double
exact_distance(Sq8Metric metric, uint32 dim)
{
	double sum = 0;

	for (uint32 i = 0; i < dim; i++)
		sum += metric == SQ8_L2
				   ? ((double) x[i] - y[i]) * ((double) x[i] - y[i])
				   : -(double) x[i] * y[i];
	return metric == SQ8_L2 ? sqrt(sum) : sum;
}

static void
encode(Sq8Metric metric, uint32 dim, uint32 bits)
{
	memset(&code, 0, sizeof(code));
	memset(&rest, 0, sizeof(rest));
	sq8_encode(metric, x, dim, &code.code);
	sq8_rest_encode(x, &code.code, 0, dim, bits, &rest.rest);
}

/*
 * The bound holds with six deviations, far, near and at the vector itself; and
 * the errors of distances are as much smaller as there are bits, but for what the
 * query loses, a sixteenth of what codes do.
 */
static void
check_distances(Sq8Metric metric, uint32 dim, uint32 bits)
{
	static const double shares[] = {0, 1e-4, 0.01, 0.1, 1};
	double				by_code = 0;
	double				by_rest = 0;
	double				part = 1.0 / (1 << bits);

	for (int round = 0; round < 250; round++)
	{
		double	 near = shares[round % lengthof(shares)];
		double	 expected;
		Sq8Query query;
		float	 estimate;
		float	 distance;
		float	 likely;

		fill(x, dim, 1 / sqrt(dim));
		fill(y, dim, 1 / sqrt(dim));
		for (uint32 i = 0; i < dim; i++)
			y[i] = (float) (x[i] + near * (y[i] - x[i]));
		expected = exact_distance(metric, dim);

		encode(metric, dim, bits);
		sq8_prepare_query(metric, y, dim, levels, &query);
		estimate = sq8_query_distance(&query, &code.code);
		distance = sq8_rest_distance(&query, estimate, &rest.rest, bits);
		likely = sq8_rest_likely_error(&query, estimate, &rest.rest, distance,
									   6);
		CHECK(fabs(distance - expected) <= likely,
			  "metric %d, dim %u, %u bits, %g: %g, distance %g, bound %g",
			  metric, dim, bits, near, distance, expected, likely);
		if (near < 1)
			continue;
		by_code += (estimate - expected) * (estimate - expected);
		by_rest += (distance - expected) * (distance - expected);
		CHECK(likely < sq8_likely_error(&query, &code.code, estimate, 6) *
						   (part + 0.1),
			  "metric %d, dim %u, %u bits: %g", metric, dim, bits, likely);
	}
	CHECK(sqrt(by_rest) < sqrt(by_code) * 1.5 * sqrt(part * part + 1.0 / 256),
		  "metric %d, dim %u, %u bits: error %g of %g", metric, dim, bits,
		  sqrt(by_rest), sqrt(by_code));
}

static void
test_distances(void)
{
	for (int m = SQ8_L2; m <= SQ8_IP; m++)
		for (int d = 0; d < (int) lengthof(dims); d++)
			for (int b = 0; b < (int) lengthof(bit_counts); b++)
				check_distances((Sq8Metric) m, dims[d], bit_counts[b]);
}

/* Whatever the values, nothing is NaN, and the bound is one. */
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
				Sq8Query  query;
				float	  estimate;
				float	  distance;
				float	  error;

				fill(x, dim, scales[s]);
				fill(y, dim, scales[s]);
				encode(metric, dim, bits);
				CHECK(sq8_rest_check(&rest.rest, dim, bits) == NULL, "%g: %s",
					  scales[s], sq8_rest_check(&rest.rest, dim, bits));
				sq8_prepare_query(metric, y, dim, levels, &query);
				estimate = sq8_query_distance(&query, &code.code);
				distance = sq8_rest_distance(&query, estimate, &rest.rest,
											 bits);
				error = sq8_rest_likely_error(&query, estimate, &rest.rest,
											  distance, 1000);
				CHECK(isfinite(distance), "%g: %g", scales[s], distance);
				CHECK(error >= 0, "%g: %g", scales[s], error);
				CHECK(fabs(distance -
						   Max(Min(exact_distance(metric, dim), FLT_MAX),
							   -FLT_MAX)) <= error,
					  "%g: %g, exact %g, bound %g", scales[s], distance,
					  exact_distance(metric, dim), error);
			}
}

static void
test_verification(void)
{
	const uint32 dim = 100;

	for (int b = 0; b < (int) lengthof(bit_counts); b++)
	{
		uint32 bits = bit_counts[b];

		fill(x, dim, 1);
		encode(SQ8_L2, dim, bits);
		CHECK(sq8_rest_check(&rest.rest, dim, bits) == NULL, "fresh rest");
		rest.rest.levels[3] ^= 1;
		CHECK(sq8_rest_check(&rest.rest, dim, bits) != NULL, "changed level");
		rest.rest.levels[3] ^= 1;
		rest.rest.shift = NAN;
		CHECK(sq8_rest_check(&rest.rest, dim, bits) != NULL, "shift NaN");
		rest.rest.shift = 0;
		rest.rest.residual = -1;
		CHECK(sq8_rest_check(&rest.rest, dim, bits) != NULL,
			  "negative residual");
	}
}

static void
run_sq8_rest_groups(void)
{
	run_group("rests: distances and likely bounds", test_distances);
	run_group("rests: any values", test_any_values);
	run_group("rests: verification", test_verification);
}

void
sq8_rest_tests(void)
{
	with_each_isa(run_sq8_rest_groups);
}
