/*
 * test_sq8.c
 *		Scalar quantization: the error bound holds for every metric and kind of
 *		vector, grids are kept, codes are what sq8_check accepts.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "distance/distance.h"
#include "quantize/sq8.h"

#define MAX_DIM 16000

typedef union CodeBuffer
{
	Sq8Code code;
	uint8	bytes[SQ8_CODE_BYTES(MAX_DIM)];
} CodeBuffer;

static float	  x[MAX_DIM];
static float	  y[MAX_DIM];
static float	  decoded[MAX_DIM];
static int16	  levels[MAX_DIM];
static CodeBuffer code_x;
static CodeBuffer code_y;

static const char *const metric_names[] = {"L2", "IP", "L1"};

typedef struct VectorKind
{
	const char *name;
	void (*fill)(float *vector, uint32 dim);
} VectorKind;

static void
fill_normal(float *vector, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		vector[i] = (float) random_normal();
}

static void
fill_unit(float *vector, uint32 dim)
{
	double norm = 0;

	fill_normal(vector, dim);
	for (uint32 i = 0; i < dim; i++)
		norm += (double) vector[i] * vector[i];
	for (uint32 i = 0; i < dim; i++)
		vector[i] /= sqrt(norm);
}

static void
fill_heavy_tailed(float *vector, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		vector[i] = (float) (random_normal() /
							 Max(fabs(random_normal()), 1e-3));
}

static void
fill_constant(float *vector, uint32 dim)
{
	float value = (float) random_normal();

	for (uint32 i = 0; i < dim; i++)
		vector[i] = value;
}

static void
fill_zero(float *vector, uint32 dim)
{
	memset(vector, 0, dim * sizeof(float));
}

static void
fill_huge(float *vector, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		vector[i] = (float) random_between(-FLT_MAX, FLT_MAX);
}

static void
fill_large(float *vector, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		vector[i] = (float) (random_normal() * 1e15);
}

static void
fill_tiny(float *vector, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		vector[i] = (float) (random_normal() * 1e-25);
}

static void
fill_denormal(float *vector, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		vector[i] = (float) (random_normal() * 1e-42);
}

/* a large common part, next to which float rounding matters */
static void
fill_shifted(float *vector, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		vector[i] = (float) (1e5 + random_normal());
}

static void
fill_pixels(float *vector, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		vector[i] = (float) (random_bits() % 256);
}

static void
fill_outlier(float *vector, uint32 dim)
{
	fill_normal(vector, dim);
	vector[random_bits() % dim] = 1000;
}

static void
fill_mixed_scales(float *vector, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		vector[i] = (float) ldexp(random_normal(),
								  (int) (random_bits() % 240) - 120);
}

static const VectorKind kinds[] = {
	{"normal", fill_normal},
	{"unit", fill_unit},
	{"heavy-tailed", fill_heavy_tailed},
	{"constant", fill_constant},
	{"zero", fill_zero},
	{"huge", fill_huge},
	{"large", fill_large},
	{"tiny", fill_tiny},
	{"denormal", fill_denormal},
	{"shifted", fill_shifted},
	{"pixels", fill_pixels},
	{"outlier", fill_outlier},
	{"mixed scales", fill_mixed_scales},
};

static double
exact_distance(Sq8Metric metric, const float *a, const float *b, uint32 dim)
{
	double sum = 0;

	for (uint32 i = 0; i < dim; i++)
	{
		double diff = (double) a[i] - b[i];

		if (metric == SQ8_L2)
			sum += diff * diff;
		else if (metric == SQ8_IP)
			sum -= (double) a[i] * b[i];
		else
			sum += fabs(diff);
	}
	return metric == SQ8_L2 ? sqrt(sum) : sum;
}

static double
kernel_distance(Sq8Metric metric, const float *a, const float *b, uint32 dim)
{
	if (metric == SQ8_L2)
		return sqrt((double) distance_kernels->l2sq_f32(a, b, dim));
	if (metric == SQ8_IP)
		return -distance_kernels->dot_f32(a, b, dim);
	return distance_kernels->l1_f32(a, b, dim);
}

static void
check_bound(Sq8Metric metric, const VectorKind *kind,
			const VectorKind *query_kind, uint32 dim)
{
	Sq8Query query;
	double	 exact;
	double	 in_float;
	float	 estimate;
	float	 bound;

	kind->fill(x, dim);
	query_kind->fill(y, dim);
	/* a near duplicate, where estimates cancel */
	if (random_bits() % 4 == 0)
	{
		memcpy(y, x, dim * sizeof(float));
		y[random_bits() % dim] *= 1.01f;
		if (!isfinite(distance_kernels->range_f32(y, dim).max) ||
			!isfinite(distance_kernels->range_f32(y, dim).min))
			return;
	}

	sq8_encode(metric, x, dim, &code_x.code);
	CHECK(sq8_check(&code_x.code, dim) == NULL, "%s: %s", kind->name,
		  sq8_check(&code_x.code, dim));

	sq8_prepare_query(metric, y, dim, levels, &query);
	estimate = sq8_query_distance(&query, &code_x.code);
	bound = sq8_error_bound(&query, &code_x.code, estimate);
	exact = exact_distance(metric, x, y, dim);
	in_float = kernel_distance(metric, x, y, dim);

	CHECK(isfinite(estimate), "%s, %s, dim %u: %g", metric_names[metric],
		  kind->name, dim, estimate);
	CHECK(bound >= 0, "%s, %s, dim %u: %g", metric_names[metric], kind->name,
		  dim, bound);
	CHECK(fabs(exact - estimate) <= bound,
		  "%s, %s from %s, dim %u: exact %.9g, estimate %.9g, bound %.9g",
		  metric_names[metric], kind->name, query_kind->name, dim, exact,
		  estimate, bound);
	CHECK(!isfinite(in_float) || fabs(in_float - estimate) <= bound,
		  "%s, %s from %s, dim %u: float %.9g, estimate %.9g, bound %.9g",
		  metric_names[metric], kind->name, query_kind->name, dim, in_float,
		  estimate, bound);

	/* the residual alone: what decoding lost */
	if (metric != SQ8_IP)
	{
		double lost = 0;
		double rounding = 0x1p-50 * dim *
						  (fabs(code_x.code.offset) +
						   256 * (double) code_x.code.step);

		for (uint32 i = 0; i < dim; i++)
		{
			double diff = x[i] -
						  (code_x.code.offset +
						   (double) code_x.code.step * code_x.code.code[i]);

			lost += metric == SQ8_L2 ? diff * diff : fabs(diff);
		}
		lost = metric == SQ8_L2 ? sqrt(lost) : lost;
		CHECK(lost <= code_x.code.residual * (1 + 1e-9) + rounding ||
				  code_x.code.residual == FLT_MAX,
			  "%s, %s, dim %u: lost %.9g, residual %.9g", metric_names[metric],
			  kind->name, dim, lost, code_x.code.residual);
	}
}

static void
check_bounds_of(Sq8Metric metric)
{
	static const uint32 dims[] = {1, 2, 3, 8, 15, 17, 64, 100, 128, 255, 768};

	for (int k = 0; k < (int) lengthof(kinds); k++)
		for (int d = 0; d < (int) lengthof(dims); d++)
			for (int repeat = 0; repeat < 20; repeat++)
			{
				int other = repeat < 10
								? k
								: (int) (random_bits() % lengthof(kinds));

				check_bound(metric, &kinds[k], &kinds[other], dims[d]);
			}
	for (int k = 0; k < (int) lengthof(kinds); k++)
		check_bound(metric, &kinds[k], &kinds[k], MAX_DIM);
}

static void
test_bounds_l2(void)
{
	check_bounds_of(SQ8_L2);
}

static void
test_bounds_ip(void)
{
	check_bounds_of(SQ8_IP);
}

static void
test_bounds_l1(void)
{
	check_bounds_of(SQ8_L1);
}

static float
bound_of(const Sq8Query *query, const Sq8Code *code)
{
	return sq8_error_bound(query, code, sq8_query_distance(query, code));
}

/* A bound that is rigorous but useless would pass the tests above. */
static void
test_bounds_tight(void)
{
	const uint32 dim = 768;
	Sq8Query	 query;
	double		 root_n = sqrt(dim);

	for (int repeat = 0; repeat < 20; repeat++)
	{
		fill_unit(x, dim);
		fill_unit(y, dim);

		/* a step is about 7 / sqrt(n) / 255, an error 0.29 steps */
		sq8_encode(SQ8_L2, x, dim, &code_x.code);
		sq8_prepare_query(SQ8_L2, y, dim, levels, &query);
		CHECK(bound_of(&query, &code_x.code) < 0.012, "%g",
			  bound_of(&query, &code_x.code));

		sq8_encode(SQ8_IP, x, dim, &code_x.code);
		sq8_prepare_query(SQ8_IP, y, dim, levels, &query);
		CHECK(bound_of(&query, &code_x.code) < 0.012, "%g",
			  bound_of(&query, &code_x.code));

		sq8_encode(SQ8_L1, x, dim, &code_x.code);
		sq8_prepare_query(SQ8_L1, y, dim, levels, &query);
		CHECK(bound_of(&query, &code_x.code) < 0.012 * root_n, "%g",
			  bound_of(&query, &code_x.code));
	}
}

/*
 * The likely bound holds with six deviations, far, near and at the vector
 * itself, and is a fraction of the certain one.
 */
static void
test_likely_error(void)
{
	const uint32 dim = 768;

	for (int m = SQ8_L2; m <= SQ8_IP; m++)
		for (int round = 0; round < 2000; round++)
		{
			static const double shares[] = {0, 1e-4, 0.01, 0.1, 1};
			double				near = shares[round % lengthof(shares)];
			Sq8Metric			metric = (Sq8Metric) m;
			Sq8Query			query;
			float				estimate;
			float				likely;
			double				expected = 0;

			fill_unit(x, dim);
			fill_unit(y, dim);
			for (uint32 i = 0; i < dim; i++)
				y[i] = (float) (x[i] + near * (y[i] - x[i]));
			for (uint32 i = 0; i < dim; i++)
				expected += metric == SQ8_L2 ? ((double) x[i] - y[i]) *
												   ((double) x[i] - y[i])
											 : -(double) x[i] * y[i];
			if (metric == SQ8_L2)
				expected = sqrt(expected);

			sq8_encode(metric, x, dim, &code_x.code);
			sq8_prepare_query(metric, y, dim, levels, &query);
			estimate = sq8_query_distance(&query, &code_x.code);
			likely = sq8_likely_error(&query, &code_x.code, estimate, 6);
			CHECK(fabs(estimate - expected) <= likely,
				  "%s, %g: estimate %g, distance %g, bound %g",
				  metric_names[m], near, estimate, expected, likely);
			if (near == 1)
				CHECK(likely <
						  sq8_error_bound(&query, &code_x.code, estimate) / 3,
					  "%s: %g", metric_names[m], likely);
		}
}

/* Distances between codes are those of the decoded vectors. */
static void
test_code_distance(void)
{
	static const uint32 dims[] = {1, 3, 17, 128, 768, 1536};

	for (int d = 0; d < (int) lengthof(dims); d++)
		for (int k = 0; k < (int) lengthof(kinds); k++)
			for (int m = 0; m < 3; m++)
			{
				Sq8Metric metric = (Sq8Metric) m;
				uint32	  dim = dims[d];
				double	  expected = 0;
				double	  magnitude = 0;
				float	  got;

				kinds[k].fill(x, dim);
				kinds[k].fill(y, dim);
				sq8_encode(metric, x, dim, &code_x.code);
				sq8_encode(metric, y, dim, &code_y.code);
				for (uint32 i = 0; i < dim; i++)
				{
					double a = code_x.code.offset +
							   (double) code_x.code.step * code_x.code.code[i];
					double b = code_y.code.offset +
							   (double) code_y.code.step * code_y.code.code[i];

					if (metric == SQ8_L2)
						expected += (a - b) * (a - b);
					else if (metric == SQ8_IP)
						expected -= a * b;
					else
						expected += fabs(a - b);
					/* what may cancel: offsets and multiples of steps */
					a = fabs(code_x.code.offset) +
						(double) code_x.code.step * code_x.code.code[i];
					b = fabs(code_y.code.offset) +
						(double) code_y.code.step * code_y.code.code[i];
					magnitude += metric == SQ8_IP ? a * b : a + b;
				}
				if (metric == SQ8_L2)
					expected = sqrt(expected);
				expected = Max(Min(expected, FLT_MAX), -FLT_MAX);

				got = sq8_code_distance(metric, &code_x.code, &code_y.code,
										dim);
				CHECK(fabs(got - expected) <=
						  1e-5 * fabs(expected) + 1e-6 * magnitude + 2e-45,
					  "%s, %s, dim %u: got %g, expected %g", metric_names[m],
					  kinds[k].name, dim, got, expected);
				CHECK(metric == SQ8_IP ||
						  fabs(sq8_code_distance(metric, &code_x.code,
												 &code_x.code, dim)) <=
							  1e-6 * magnitude,
					  "%s, %s, dim %u", metric_names[m], kinds[k].name, dim);
			}
}

/* Distances to several codes are those to each of them. */
static void
test_code_distances(void)
{
	static const uint32 dims[] = {1, 3, 17, 128, 768};
	static CodeBuffer	others[70];

	for (int d = 0; d < (int) lengthof(dims); d++)
		for (int k = 0; k < (int) lengthof(kinds); k++)
			for (int m = 0; m < 3; m++)
			{
				Sq8Metric	   metric = (Sq8Metric) m;
				uint32		   dim = dims[d];
				const Sq8Code *codes[lengthof(others)];
				double		   magnitude;
				uint32		   count = random_bits() % lengthof(others) + 1;

				kinds[k].fill(x, dim);
				sq8_encode(metric, x, dim, &code_x.code);
				for (uint32 i = 0; i < count; i++)
				{
					kinds[k].fill(y, dim);
					sq8_encode(metric, y, dim, &others[i].code);
					codes[i] = &others[i].code;
				}
				codes[count / 2] = &code_x.code;

				magnitude = fabs(code_x.code.offset) +
							255.0 * code_x.code.step;
				magnitude *= dim * (metric == SQ8_IP ? magnitude : 1);
				sq8_code_distances(metric, &code_x.code, codes, count, dim,
								   decoded);
				for (uint32 i = 0; i < count; i++)
				{
					float expected = sq8_code_distance(metric, &code_x.code,
													   codes[i], dim);

					/* a compiler may fuse operations of one of them */
					CHECK(fabs(decoded[i] - expected) <=
							  1e-6 * (fabs(expected) + magnitude),
						  "%s, %s, dim %u, %u of %u: got %g, expected %g",
						  metric_names[m], kinds[k].name, dim, i, count,
						  decoded[i], expected);
				}
			}
}

static void
check_grid(double start, double step, uint32 grid_levels, double tolerance)
{
	const uint32 dim = 300;
	Sq8Query	 query;

	for (uint32 i = 0; i < dim; i++)
		x[i] = (float) (start +
						step * (double) (random_bits() % (grid_levels + 1)));
	/* a border of equal values, as in pictures */
	for (uint32 i = 0; i < 100; i++)
		x[i] = (float) start;
	x[110] = (float) (start + step);
	x[120] = (float) (start + step * grid_levels);

	sq8_encode(SQ8_L2, x, dim, &code_x.code);
	CHECK(code_x.code.residual <= tolerance,
		  "start %g, step %g, levels %u: residual %g", start, step,
		  grid_levels, code_x.code.residual);
	sq8_decode(&code_x.code, dim, decoded);
	if (tolerance == 0)
		CHECK(memcmp(x, decoded, dim * sizeof(float)) == 0,
			  "start %g, step %g", start, step);

	sq8_prepare_query(SQ8_L2, x, dim, levels, &query);
	CHECK(query.residual <= tolerance,
		  "start %g, step %g, levels %u: residual %g", start, step,
		  grid_levels, query.residual);
}

static void
test_grids(void)
{
	check_grid(0, 1, 255, 0);
	check_grid(0, 1, 218, 0);
	check_grid(-100, 1, 200, 0);
	check_grid(1000000, 1, 255, 0);
	check_grid(0, 0.125, 240, 0);
	check_grid(-3, 5, 77, 0);
	check_grid(0, 1, 1, 0);
	check_grid(0, 1.0 / 255, 255, 1e-5);
	check_grid(0, 1.0 / 255, 190, 1e-5);
	check_grid(-0.3, 0.1, 100, 1e-4);
	check_grid(0, 1e30, 100, 1e26);
	check_grid(0, 0x1p-140, 100, 0);
}

static void
test_decode(void)
{
	for (int k = 0; k < (int) lengthof(kinds); k++)
	{
		const uint32 dim = 100;

		kinds[k].fill(x, dim);
		sq8_encode(SQ8_L2, x, dim, &code_x.code);
		sq8_decode(&code_x.code, dim, decoded);
		for (uint32 i = 0; i < dim; i++)
			CHECK(fabs((double) decoded[i] - x[i]) <=
					  0.502 * code_x.code.step + fabs(x[i]) * 1e-6,
				  "%s: %g decoded as %g, step %g", kinds[k].name, x[i],
				  decoded[i], code_x.code.step);
	}
}

static void
test_verification(void)
{
	const uint32 dim = 64;

	fill_normal(x, dim);
	sq8_encode(SQ8_L2, x, dim, &code_x.code);
	CHECK(sq8_check(&code_x.code, dim) == NULL, "fresh code");

	code_y = code_x;
	code_y.code.code[5] ^= 1;
	CHECK(sq8_check(&code_y.code, dim) != NULL, "changed level");
	code_y = code_x;
	code_y.code.sum_squares++;
	CHECK(sq8_check(&code_y.code, dim) != NULL, "changed sum of squares");
	code_y = code_x;
	code_y.code.offset = NAN;
	CHECK(sq8_check(&code_y.code, dim) != NULL, "offset NaN");
	code_y = code_x;
	code_y.code.step = -1;
	CHECK(sq8_check(&code_y.code, dim) != NULL, "negative step");
	code_y = code_x;
	code_y.code.residual = INFINITY;
	CHECK(sq8_check(&code_y.code, dim) != NULL, "infinite residual");
}

static void
run_sq8_groups(void)
{
	run_group("sq8: error bound, L2", test_bounds_l2);
	run_group("sq8: error bound, inner product", test_bounds_ip);
	run_group("sq8: error bound, L1", test_bounds_l1);
	run_group("sq8: error bounds are tight", test_bounds_tight);
	run_group("sq8: distance of codes", test_code_distance);
	run_group("sq8: distances of several codes", test_code_distances);
	run_group("sq8: grids are kept", test_grids);
	run_group("sq8: likely error bound", test_likely_error);
	run_group("sq8: decode", test_decode);
	run_group("sq8: verification", test_verification);
}

void
sq8_tests(void)
{
	with_each_isa(run_sq8_groups);
}
