/*
 * test_kernels.c
 *		Every kernel of every table this CPU has, against a reference in
 *		double or in 64-bit integers.
 *
 * Arrays end at the end of an allocation, so that a sanitizer sees reads
 * beyond them, and start at odd addresses now and then.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "distance/distance.h"

static const uint32 large_dims[] = {511,  513,	767,  768,	 769,  1000,
									1536, 2047, 4097, 15999, 16000};

#define EXTREME_DIM 32768
#define MAX_LEVEL	2047

/* an allocation whose last bytes are the array; misaligned for odd shift */
typedef struct Buffer
{
	char *start;
	void *array;
} Buffer;

static Buffer
buffer_create(Size bytes, int shift)
{
	Buffer buffer;

	buffer.start = calloc(1, bytes + shift);
	if (buffer.start == NULL)
		abort();
	buffer.array = buffer.start + shift;
	return buffer;
}

static void
buffer_free(Buffer buffer)
{
	free(buffer.start);
}

static float
float_at(const float *x, uint32 i)
{
	float value;

	memcpy(&value, (const char *) x + i * sizeof(float), sizeof(float));
	return value;
}

static int
int16_at(const int16 *x, uint32 i)
{
	int16 value;

	memcpy(&value, (const char *) x + i * sizeof(int16), sizeof(int16));
	return value;
}

static void
float_put(float *x, uint32 i, double value)
{
	float rounded = (float) value;

	memcpy((char *) x + i * sizeof(float), &rounded, sizeof(float));
}

/*
 * Relative error of a float sum of dim terms, against the sum of their
 * magnitudes: 16 partial sums at least, and a few roundings in each term.
 */
static double
sum_tolerance(uint32 dim)
{
	return (dim / 16 + 12) * 0x1p-24;
}

static void
check_close(const char *what, uint32 dim, double got, double expected,
			double tolerance)
{
	CHECK(fabs(got - expected) <= tolerance,
		  "%s, dim %u: got %.9g, expected %.9g +- %.3g", what, dim, got,
		  expected, tolerance);
}

static void
check_float_kernels(uint32 dim, int shift, double scale)
{
	Buffer		buffer_a = buffer_create(dim * sizeof(float), shift);
	Buffer		buffer_b = buffer_create(dim * sizeof(float), shift * 2);
	float	   *a = buffer_a.array;
	float	   *b = buffer_b.array;
	double		tolerance = sum_tolerance(dim);
	double		l2sq = 0;
	double		dot = 0;
	double		dot_abs = 0;
	double		l1 = 0;
	double		norm_a = 0;
	double		norm_b = 0;
	double		lowest = INFINITY;
	double		highest = -INFINITY;
	double		tiny = dim * 0x1p-148;
	CosineParts parts;
	FloatRange	range;

	for (uint32 i = 0; i < dim; i++)
	{
		float_put(a, i, random_normal() * scale + scale);
		float_put(b, i, random_normal() * scale);
	}

	for (uint32 i = 0; i < dim; i++)
	{
		double x = float_at(a, i);
		double y = float_at(b, i);

		l2sq += (x - y) * (x - y);
		dot += x * y;
		dot_abs += fabs(x * y);
		l1 += fabs(x - y);
		norm_a += x * x;
		norm_b += y * y;
		lowest = Min(lowest, x);
		highest = Max(highest, x);
	}

	check_close("l2sq_f32", dim, distance_kernels->l2sq_f32(a, b, dim), l2sq,
				l2sq * tolerance + tiny);
	check_close("dot_f32", dim, distance_kernels->dot_f32(a, b, dim), dot,
				dot_abs * tolerance + tiny);
	check_close("l1_f32", dim, distance_kernels->l1_f32(a, b, dim), l1,
				l1 * tolerance + tiny);

	parts = distance_kernels->cosine_f32(a, b, dim);
	check_close("cosine_f32 dot", dim, parts.dot, dot,
				dot_abs * tolerance + tiny);
	check_close("cosine_f32 norm_a", dim, parts.norm_a, norm_a,
				norm_a * tolerance + tiny);
	check_close("cosine_f32 norm_b", dim, parts.norm_b, norm_b,
				norm_b * tolerance + tiny);

	range = distance_kernels->range_f32(a, dim);
	check_close("range_f32 min", dim, range.min, lowest, 0);
	check_close("range_f32 max", dim, range.max, highest, 0);

	CHECK(distance_kernels->l2sq_f32(a, a, dim) == 0, "dim %u", dim);
	CHECK(distance_kernels->l1_f32(a, a, dim) == 0, "dim %u", dim);

	buffer_free(buffer_a);
	buffer_free(buffer_b);
}

static void
test_float_kernels(void)
{
	for (uint32 dim = 1; dim <= 300; dim++)
		check_float_kernels(dim, dim % 4, 1.0);
	for (int i = 0; i < (int) lengthof(large_dims); i++)
		check_float_kernels(large_dims[i], i % 8, 1.0);
}

/* Denormal products and denormal values; the default environment keeps them. */
static void
test_float_small(void)
{
	for (uint32 dim = 1; dim <= 70; dim++)
	{
		check_float_kernels(dim, 0, 1e-21);
		check_float_kernels(dim, 0, 1e-40);
		check_float_kernels(dim, 0, 1e15);
	}
}

/* Infinity and NaN at any place reach the result. */
static void
test_float_not_finite(void)
{
	float a[100];
	float b[100];

	for (uint32 dim = 1; dim <= 100; dim++)
	{
		uint32 at = random_bits() % dim;

		for (uint32 i = 0; i < dim; i++)
		{
			a[i] = (float) random_normal();
			b[i] = 1.0f;
		}

		a[at] = INFINITY;
		CHECK(distance_kernels->l2sq_f32(a, b, dim) == INFINITY, "dim %u",
			  dim);
		CHECK(distance_kernels->dot_f32(a, b, dim) == INFINITY, "dim %u", dim);
		CHECK(distance_kernels->l1_f32(a, b, dim) == INFINITY, "dim %u", dim);
		CHECK(distance_kernels->cosine_f32(a, b, dim).norm_a == INFINITY,
			  "dim %u", dim);

		a[at] = -INFINITY;
		CHECK(distance_kernels->l2sq_f32(a, b, dim) == INFINITY, "dim %u",
			  dim);
		CHECK(distance_kernels->dot_f32(a, b, dim) == -INFINITY, "dim %u",
			  dim);
		CHECK(distance_kernels->l1_f32(a, b, dim) == INFINITY, "dim %u", dim);

		a[at] = NAN;
		CHECK(isnan(distance_kernels->l2sq_f32(a, b, dim)), "dim %u", dim);
		CHECK(isnan(distance_kernels->dot_f32(a, b, dim)), "dim %u", dim);
		CHECK(isnan(distance_kernels->l1_f32(a, b, dim)), "dim %u", dim);
		CHECK(isnan(distance_kernels->cosine_f32(a, b, dim).dot), "dim %u",
			  dim);

		a[at] = FLT_MAX;
		b[at] = -FLT_MAX;
		CHECK(distance_kernels->l2sq_f32(a, b, dim) == INFINITY, "dim %u",
			  dim);
		CHECK(distance_kernels->dot_f32(a, b, dim) == -INFINITY, "dim %u",
			  dim);
	}
}

static void
check_code_kernels(uint32 dim, int shift, bool extreme)
{
	Buffer		buffer_a = buffer_create(dim, shift);
	Buffer		buffer_b = buffer_create(dim, shift * 3);
	Buffer		buffer_levels = buffer_create(dim * sizeof(int16), shift);
	Buffer		buffer_q = buffer_create(dim * sizeof(float), shift * 2);
	uint8	   *a = buffer_a.array;
	uint8	   *b = buffer_b.array;
	int16	   *levels = buffer_levels.array;
	float	   *q = buffer_q.array;
	int			sign = random_bits() % 2 ? 1 : -1;
	int64		dot_levels = 0;
	int64		dot_codes = 0;
	double		l1_query = 0;
	double		l1_codes = 0;
	double		magnitude = 0;
	const float offset = -0.3f;
	const float step = 0.0123f;
	const float offset_b = 0.1f;
	const float step_b = 0.0077f;

	for (uint32 i = 0; i < dim; i++)
	{
		int16 level = (int16) (extreme ? sign * MAX_LEVEL
									   : (int) (random_bits() %
												(2 * MAX_LEVEL + 1)) -
											 MAX_LEVEL);

		a[i] = extreme ? 255 : (uint8) random_bits();
		b[i] = extreme ? 255 : (uint8) random_bits();
		memcpy((char *) levels + i * sizeof(int16), &level, sizeof(int16));
		float_put(q, i, random_normal());
	}

	for (uint32 i = 0; i < dim; i++)
	{
		double x = offset + (double) step * a[i];
		double y = offset_b + (double) step_b * b[i];

		dot_levels += a[i] * int16_at(levels, i);
		dot_codes += a[i] * b[i];
		l1_query += fabs(float_at(q, i) - x);
		l1_codes += fabs(x - y);
		magnitude += fabs(float_at(q, i)) + fabs(x) + fabs(y) + 1;
	}

	CHECK(distance_kernels->dot_u8_i16(a, levels, dim) == dot_levels,
		  "dim %u: got %lld, expected %lld", dim,
		  (long long) distance_kernels->dot_u8_i16(a, levels, dim),
		  (long long) dot_levels);
	CHECK(distance_kernels->dot_u8_u8(a, b, dim) == dot_codes,
		  "dim %u: got %u, expected %lld", dim,
		  distance_kernels->dot_u8_u8(a, b, dim), (long long) dot_codes);
	check_close("l1_u8_f32", dim,
				distance_kernels->l1_u8_f32(a, offset, step, q, dim), l1_query,
				magnitude * sum_tolerance(dim));
	check_close("l1_u8_u8", dim,
				distance_kernels->l1_u8_u8(a, offset, step, b, offset_b,
										   step_b, dim),
				l1_codes, magnitude * sum_tolerance(dim));

	buffer_free(buffer_a);
	buffer_free(buffer_b);
	buffer_free(buffer_levels);
	buffer_free(buffer_q);
}

static void
test_code_kernels(void)
{
	for (uint32 dim = 1; dim <= 300; dim++)
		check_code_kernels(dim, dim % 5, false);
	for (int i = 0; i < (int) lengthof(large_dims); i++)
		check_code_kernels(large_dims[i], i % 8, false);
}

static void
test_code_kernels_extremes(void)
{
	for (int i = 0; i < 4; i++)
	{
		check_code_kernels(16000, i, true);
		check_code_kernels(EXTREME_DIM - 1, i, true);
		check_code_kernels(EXTREME_DIM, i, true);
	}
}

static void
check_quantize(uint32 dim, int shift, bool extreme)
{
	Buffer		 buffer_x = buffer_create(dim * sizeof(float), shift);
	Buffer		 buffer_code = buffer_create(dim, shift);
	float		*x = buffer_x.array;
	uint8		*code = buffer_code.array;
	const float	 offset = -1.5f;
	const float	 inverse_step = 85.0f;
	QuantizeSums sums;
	uint32		 sum = 0;
	uint32		 sum_squares = 0;
	double		 error_l1 = 0;
	double		 error_l2sq = 0;

	for (uint32 i = 0; i < dim; i++)
		float_put(x, i, extreme ? 1.6 : random_between(-1.55, 1.55));

	sums = distance_kernels->quantize_f32_u8(x, offset, inverse_step, code,
											 dim);

	for (uint32 i = 0; i < dim; i++)
	{
		float  u = (float_at(x, i) - offset) * inverse_step;
		double expected = rint(Min(Max(u, 0.0f), 255.0f));

		CHECK(code[i] == expected, "dim %u, value %.9g: got %u, expected %g",
			  dim, float_at(x, i), code[i], expected);
		sum += code[i];
		sum_squares += (uint32) code[i] * code[i];
		error_l1 += fabs(u - expected);
		error_l2sq += (u - expected) * (u - expected);
	}

	CHECK(sums.sum == sum, "dim %u: got %u, expected %u", dim, sums.sum, sum);
	CHECK(sums.sum_squares == sum_squares, "dim %u: got %u, expected %u", dim,
		  sums.sum_squares, sum_squares);
	check_close("error_l1", dim, sums.error_l1, error_l1,
				error_l1 * (dim / 4 + 8) * 0x1p-24);
	check_close("error_l2sq", dim, sums.error_l2sq, error_l2sq,
				error_l2sq * (dim / 4 + 8) * 0x1p-24);

	buffer_free(buffer_x);
	buffer_free(buffer_code);
}

static void
test_quantize(void)
{
	for (uint32 dim = 1; dim <= 300; dim++)
		check_quantize(dim, dim % 4, false);
	for (int i = 0; i < (int) lengthof(large_dims); i++)
		check_quantize(large_dims[i], 0, false);
	check_quantize(EXTREME_DIM, 0, true);
}

/*
 * Parts of a rotation: the reference runs the butterflies in the same order,
 * so every bit must agree.
 */
static void
test_rotation_parts(void)
{
	for (uint32 log2_n = 0; log2_n <= 14; log2_n++)
	{
		uint32 n = (uint32) 1 << log2_n;
		Buffer buffer = buffer_create(n * sizeof(float), 4);
		Buffer buffer_signs = buffer_create((n + 7) / 8, log2_n % 2);
		float *values = buffer.array;
		uint8 *signs = buffer_signs.array;
		float *expected = malloc(n * sizeof(float));

		for (uint32 i = 0; i < n; i++)
			expected[i] = values[i] = (float) random_normal();
		for (uint32 i = 0; i < (n + 7) / 8; i++)
			signs[i] = (uint8) random_bits();

		distance_kernels->hadamard_f32(values, log2_n);
		for (uint32 h = 1; h < n; h *= 2)
			for (uint32 i = 0; i < n; i++)
				if ((i & h) == 0)
				{
					float x = expected[i];
					float y = expected[i + h];

					expected[i] = x + y;
					expected[i + h] = x - y;
				}
		CHECK(memcmp(values, expected, n * sizeof(float)) == 0,
			  "hadamard, n %u", n);

		distance_kernels->flip_f32(values, signs, 0.7f, n);
		for (uint32 i = 0; i < n; i++)
			expected[i] *= (signs[i / 8] >> (i % 8)) & 1 ? -0.7f : 0.7f;
		CHECK(memcmp(values, expected, n * sizeof(float)) == 0, "flip, n %u",
			  n);

		for (uint32 half = 0; half <= Min(n / 2, 40); half++)
		{
			distance_kernels->butterfly_f32(values, values + n - half, 0.8f,
											half);
			for (uint32 i = 0; i < half; i++)
			{
				float x = expected[i];
				float y = expected[n - half + i];

				expected[i] = (x + y) * 0.8f;
				expected[n - half + i] = (x - y) * 0.8f;
			}
		}
		CHECK(memcmp(values, expected, n * sizeof(float)) == 0,
			  "butterfly, n %u", n);

		free(expected);
		buffer_free(buffer);
		buffer_free(buffer_signs);
	}
}

static void
test_selection(void)
{
	const DistanceKernels *before = distance_kernels;

	CHECK(distance_available("auto"), "auto");
	CHECK(!distance_available("no such table"), "unknown name");
	CHECK(!distance_select("no such table"), "unknown name");
	CHECK(distance_kernels == before, "choice changed");
	CHECK(distance_select(before->isa), "%s", before->isa);
	CHECK(distance_kernels == before, "choice changed");
}

static void
run_kernel_groups(void)
{
	run_group("selection by name", test_selection);
	run_group("float kernels", test_float_kernels);
	run_group("float kernels: denormals and large values", test_float_small);
	run_group("float kernels: infinity and NaN", test_float_not_finite);
	run_group("code kernels", test_code_kernels);
	run_group("code kernels: extreme sums", test_code_kernels_extremes);
	run_group("quantize", test_quantize);
	run_group("hadamard, flip, butterfly", test_rotation_parts);
}

void
kernels_tests(void)
{
	with_each_isa(run_kernel_groups);
}
