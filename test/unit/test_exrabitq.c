/*
 * test_exrabitq.c
 *		Codes of 1, 2 and 4 bits: estimates, how often bounds are wrong, what
 *		bits are worth, edge cases.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "distance/distance.h"
#include "quantize/exrabitq.h"
#include "quantize/rotation.h"

#define MAX_DIM 16000

static const uint32 dims[] = {1,   2,	3,	 4,	   5,	 7,		 8,
							  9,   13,	16,	 17,   31,	 64,	 100,
							  511, 512, 768, 1025, 1536, MAX_DIM};

static const char *const metric_names[] = {"L2", "IP", "unit"};

typedef union CodeBuffer
{
	ExRabitqCode code;
	uint8		 bytes[EXRABITQ_CODE_BYTES(4, MAX_DIM)];
} CodeBuffer;

static float	  x[MAX_DIM];
static float	  y[MAX_DIM];
static int16	  levels[MAX_DIM];
static uint8	  signs[ROTATION_SIGN_BYTES(MAX_DIM)];
static CodeBuffer code_x;
static CodeBuffer code_y;

static double
norm_of(const float *v, uint32 dim)
{
	double sum = 0;

	for (uint32 i = 0; i < dim; i++)
		sum += (double) v[i] * v[i];
	return sqrt(sum);
}

/* Two vectors, the nearer to each other the smaller `spread`; rotated. */
static void
fill_pair(RabitqMetric metric, uint32 dim, double spread, double scale)
{
	Rotation rotation;
	float	*vectors[] = {x, y};

	for (uint32 i = 0; i < dim; i++)
	{
		x[i] = (float) (scale * random_normal());
		y[i] = (float) (x[i] + spread * scale * random_normal());
	}
	rotation_init(&rotation, dim, random_bits(), signs);
	for (int k = 0; k < 2; k++)
	{
		if (metric == RABITQ_UNIT)
		{
			double norm = norm_of(vectors[k], dim);

			for (uint32 i = 0; i < dim; i++)
				vectors[k][i] /= norm;
		}
		rotation_apply(&rotation, vectors[k], vectors[k]);
	}
}

static double
exact_distance(RabitqMetric metric, uint32 dim)
{
	double sum = 0;

	for (uint32 i = 0; i < dim; i++)
	{
		double difference = (double) x[i] - y[i];

		sum += metric == RABITQ_IP ? -(double) x[i] * y[i]
								   : difference * difference;
	}
	return metric == RABITQ_IP ? sum : sqrt(sum);
}

/* What exrabitq_likely_error said of the pair scored last. */
static float likely_error;

/* x is the query, y the code */
static float
score(RabitqMetric metric, uint32 bits, uint32 dim, float epsilon,
	  float *bound)
{
	ExRabitqQuery query;
	const char	 *problem;
	float		  estimate;

	exrabitq_prepare_query(&query, metric, bits, x, dim, levels);
	query.epsilon = epsilon;
	memset(&code_y, 0xff, EXRABITQ_CODE_BYTES(bits, dim));
	exrabitq_encode(bits, y, dim, &code_y.code);
	problem = exrabitq_check(bits, &code_y.code, dim);
	CHECK(problem == NULL, "%u bits, dim %u: %s", bits, dim, problem);
	estimate = exrabitq_query_distance(&query, &code_y.code, bound);
	if (bound != NULL)
	{
		likely_error = exrabitq_likely_error(&query, &code_y.code, estimate,
											 epsilon);
		CHECK(estimate - likely_error <= *bound,
			  "%s, %u bits, dim %u: %g - %g above %g", metric_names[metric],
			  bits, dim, estimate, likely_error, *bound);
	}
	return estimate;
}

/* The error of a product, in units of that of one bit, by bits. */
static const double typical_error[] = {0, 0.75, 0.37, 0, 0.11};

static void
check_pairs(RabitqMetric metric, uint32 bits, uint32 dim, double spread)
{
	int	   pairs = dim > 2000 ? 10 : dim > 500 ? 60 : 300;
	int	   violations = 0;
	int	   above = 0;
	double error = 0;
	double expected_error = 0;
	double code_error = 0;
	double expected = pairs * 0.003;
	/* the mean of absolute values of normal errors, five sigmas off */
	double worst = 1 + 5 * 0.756 / sqrt(pairs);

	for (int i = 0; i < pairs; i++)
	{
		double norms;
		double exact;
		double estimate;
		double between;
		float  bound;

		fill_pair(metric, dim, spread, 1);
		norms = norm_of(x, dim) * norm_of(y, dim);
		exact = exact_distance(metric, dim);
		estimate = score(metric, bits, dim, RABITQ_EPSILON, &bound);
		exrabitq_encode(bits, x, dim, &code_x.code);
		between = exrabitq_code_distance(metric, bits, &code_x.code,
										 &code_y.code, dim);

		violations += bound > exact;
		above += exact > (double) estimate + likely_error;
		CHECK(bound <= estimate, "%s, %u bits, dim %u: %g above %g",
			  metric_names[metric], bits, dim, bound, estimate);

		/* as products */
		if (metric != RABITQ_IP)
		{
			exact *= exact / 2;
			estimate *= estimate / 2;
			between *= between / 2;
		}
		error += fabs(estimate - exact);
		code_error += fabs(between - exact);
		expected_error += norms * typical_error[bits] / sqrt(dim);
	}
	CHECK(Max(violations, above) <=
			  (dim < 9 ? 0 : expected + 5 * sqrt(expected) + 3),
		  "%s, %u bits, dim %u: %d and %d of %d", metric_names[metric], bits,
		  dim, violations, above, pairs);
	if (dim >= 64)
	{
		CHECK(error < worst * expected_error,
			  "%s, %u bits, dim %u: %g, not %g", metric_names[metric], bits,
			  dim, error / pairs, expected_error / pairs);
		/* twice the error, and more between near ones */
		CHECK(code_error < (spread < 1 && bits < 4 ? 30 : 4) * expected_error,
			  "%s, %u bits, dim %u: %g, not %g", metric_names[metric], bits,
			  dim, code_error / pairs, expected_error / pairs);
	}
}

static void
test_pairs(void)
{
	for (uint32 bits = 1; bits <= 4; bits *= 2)
		for (int metric = 0; metric < 3; metric++)
			for (int i = 0; i < (int) lengthof(dims); i++)
			{
				check_pairs(metric, bits, dims[i], 3);
				check_pairs(metric, bits, dims[i], 0.5);
			}
}

/* Zeros, equal vectors, the ends of the range: bounds hold, nothing is NaN. */
/* A decoded code is as near to its vector as it says, and is not far. */
static void
test_decode(void)
{
	for (int d = 0; d < (int) lengthof(dims); d++)
		for (uint32 bits = 1; bits <= 4; bits *= 2)
		{
			uint32 dim = dims[d];
			float  loss;
			double lost;

			fill_pair(RABITQ_L2, dim, 1, 3);
			exrabitq_encode(bits, x, dim, &code_x.code);
			exrabitq_decode(bits, &code_x.code, dim, y);
			loss = exrabitq_loss(&code_x.code);
			for (uint32 i = 0; i < dim; i++)
				y[i] -= x[i];
			lost = norm_of(y, dim);
			CHECK(lost <= loss, "%u bits, dim %u: %g above %g", bits, dim,
				  lost, loss);
			CHECK(dim < 64 || lost < (bits == 4	  ? 0.15
									  : bits == 2 ? 0.45
												  : 0.7) *
										 norm_of(x, dim),
				  "%u bits, dim %u: %g", bits, dim, lost / norm_of(x, dim));
		}
}

static void
test_edges(void)
{
	static const double scales[] = {0,	  1e-44, 1e-30, 1e-19,
									1e15, 1e20,	 1e30,	FLT_MAX / 8};

	for (uint32 bits = 1; bits <= 4; bits *= 2)
		for (int metric = 0; metric < 2; metric++)
			for (int i = 0; i < (int) lengthof(dims); i++)
				for (int k = 0; k < (int) lengthof(scales); k++)
				{
					uint32 dim = dims[i];
					double exact;
					double estimate;
					float  bound;

					if (dim > 1024)
						continue;
					fill_pair(metric, dim, k % 2, Min(scales[k], 1e30));
					if (scales[k] > 1e30)
						for (uint32 j = 0; j < dim; j++)
						{
							x[j] = j % 2 == 0 ? FLT_MAX / 2 : -FLT_MAX;
							y[j] = j % 3 == 0 ? FLT_MAX : -FLT_MAX / 2;
						}
					exact = Max(exact_distance(metric, dim), -FLT_MAX);
					estimate = score(metric, bits, dim, 7, &bound);
					CHECK(isfinite(estimate) && isfinite(bound),
						  "%s, %u bits, dim %u, scale %g",
						  metric_names[metric], bits, dim, scales[k]);
					CHECK(bound <= exact, "%s, %u bits, dim %u: %g above %g",
						  metric_names[metric], bits, dim, bound, exact);
					CHECK(scales[k] > 0 || estimate == 0, "%g of zeros",
						  estimate);
					exrabitq_encode(bits, x, dim, &code_x.code);
					CHECK(isfinite(exrabitq_code_distance(metric, bits,
														  &code_x.code,
														  &code_y.code, dim)),
						  "%s, %u bits, dim %u, scale %g",
						  metric_names[metric], bits, dim, scales[k]);
				}
}

static void
test_checks(void)
{
	for (uint32 bits = 1; bits <= 4; bits *= 2)
	{
		ExRabitqCode *code = &code_y.code;
		ExRabitqCode  good;
		uint32		  dim = 13;

		fill_pair(RABITQ_L2, dim, 1, 1);
		(void) score(RABITQ_L2, bits, dim, RABITQ_EPSILON, NULL);
		good = *code;
#define CHECK_REFUSED(change)                                \
	do                                                       \
	{                                                        \
		change;                                              \
		CHECK(exrabitq_check(bits, code, dim) != NULL,       \
			  "%u bits, "                                    \
			  "%s",                                          \
			  bits, #change);                                \
		memcpy(code, &good, offsetof(ExRabitqCode, levels)); \
	} while (0)
		CHECK_REFUSED(code->norm = NAN);
		CHECK_REFUSED(code->norm = -1);
		CHECK_REFUSED(code->scale = INFINITY);
		CHECK_REFUSED(code->deviation = NAN);
		CHECK_REFUSED(code->deviation = -1);
		CHECK_REFUSED(code->sum++);
		CHECK(exrabitq_check(bits, code, dim) == NULL, "%u bits", bits);
		code->levels[EXRABITQ_LEVEL_BYTES(bits, dim) - 1] |= 0x80;
		CHECK(exrabitq_check(bits, code, dim) != NULL, "%u bits, behind",
			  bits);
	}
}

static void
run_exrabitq_groups(void)
{
	run_group("exrabitq: estimates and bounds", test_pairs);
	run_group("exrabitq: decode", test_decode);
	run_group("exrabitq: ends of the range", test_edges);
	run_group("exrabitq: verification", test_checks);
}

void
exrabitq_tests(void)
{
	with_each_isa(run_exrabitq_groups);
}
