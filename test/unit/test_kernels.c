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
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "distance/distance.h"
#include "distance/sparse_table.h"

static const uint32 large_dims[] = {511,  513,	767,  768,	 769,  1000,
									1536, 2047, 4097, 15999, 16000};

#define EXTREME_DIM 32768

/* Codes that are compared with one at once. */
#define MAX_DOTS  11
#define MAX_LEVEL 2047

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

/* reference conversions, by the value alone */
static double
half_value(uint16 half)
{
	double sign = half >> 15 ? -1 : 1;
	int	   exponent = half >> 10 & 31;
	double fraction = half & 1023;

	if (exponent == 31)
		return fraction > 0 ? NAN : sign * INFINITY;
	if (exponent == 0)
		return sign * ldexp(fraction, -24);
	return sign * ldexp(1024 + fraction, exponent - 25);
}

static uint16
half_nearest(double value)
{
	uint16 sign = signbit(value) ? 0x8000 : 0;
	uint16 below = 0;
	double rest;
	double gap;

	value = fabs(value);
	if (isnan(value))
		return sign | 0x7e00;
	if (value >= 65520)
		return sign | 0x7c00;

	/* the largest half that is not above the value; halves ascend as integers */
	for (int bit = 1 << 14; bit > 0; bit >>= 1)
	{
		if ((below | bit) <= 0x7bff && half_value(below | bit) <= value)
			below |= bit;
	}
	rest = value - half_value(below);
	gap = (below == 0x7bff ? 65536 : half_value(below + 1)) -
		  half_value(below);
	if (rest > gap / 2 || (rest == gap / 2 && (below & 1) != 0))
		below++;
	return sign | below;
}

/* An element type of the distance kernels, and its kernels. */
typedef struct ElementType
{
	const char *name;
	Size		bytes;
	void (*put)(void *x, uint32 i, double value);
	double (*at)(const void *x, uint32 i);
	double (*l2sq)(const void *a, const void *b, uint32 dim);
	double (*dot)(const void *a, const void *b, uint32 dim);
	double (*l1)(const void *a, const void *b, uint32 dim);
	CosineParts (*cosine)(const void *a, const void *b, uint32 dim);
} ElementType;

static void
put_f32(void *x, uint32 i, double value)
{
	float_put(x, i, value);
}

static double
at_f32(const void *x, uint32 i)
{
	return float_at(x, i);
}

static void
put_f16(void *x, uint32 i, double value)
{
	uint16 half = half_nearest(value);

	memcpy((char *) x + i * sizeof(half), &half, sizeof(half));
}

static double
at_f16(const void *x, uint32 i)
{
	uint16 half;

	memcpy(&half, (const char *) x + i * sizeof(half), sizeof(half));
	return half_value(half);
}

#define DEFINE_ELEMENT_TYPE(type)                                             \
	static double l2sq_##type(const void *a, const void *b, uint32 n)         \
	{                                                                         \
		return distance_kernels->l2sq_##type(a, b, n);                        \
	}                                                                         \
	static double dot_##type(const void *a, const void *b, uint32 n)          \
	{                                                                         \
		return distance_kernels->dot_##type(a, b, n);                         \
	}                                                                         \
	static double l1_##type(const void *a, const void *b, uint32 n)           \
	{                                                                         \
		return distance_kernels->l1_##type(a, b, n);                          \
	}                                                                         \
	static CosineParts cosine_##type(const void *a, const void *b, uint32 n)  \
	{                                                                         \
		return distance_kernels->cosine_##type(a, b, n);                      \
	}                                                                         \
	static const ElementType type##_elements = {#type,		 at_bytes_##type, \
												put_##type,	 at_##type,       \
												l2sq_##type, dot_##type,      \
												l1_##type,	 cosine_##type}

enum
{
	at_bytes_f32 = sizeof(float),
	at_bytes_f16 = sizeof(uint16)
};

DEFINE_ELEMENT_TYPE(f32);
DEFINE_ELEMENT_TYPE(f16);

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
check_distances(const ElementType *type, uint32 dim, int shift, double scale)
{
	Buffer		buffer_a = buffer_create(dim * type->bytes, shift);
	Buffer		buffer_b = buffer_create(dim * type->bytes, shift * 2);
	void	   *a = buffer_a.array;
	void	   *b = buffer_b.array;
	double		tolerance = sum_tolerance(dim);
	double		l2sq = 0;
	double		dot = 0;
	double		dot_abs = 0;
	double		l1 = 0;
	double		norm_a = 0;
	double		norm_b = 0;
	double		tiny = dim * 0x1p-148;
	CosineParts parts;

	for (uint32 i = 0; i < dim; i++)
	{
		type->put(a, i, random_normal() * scale + scale);
		type->put(b, i, random_normal() * scale);
	}

	for (uint32 i = 0; i < dim; i++)
	{
		double x = type->at(a, i);
		double y = type->at(b, i);

		l2sq += (x - y) * (x - y);
		dot += x * y;
		dot_abs += fabs(x * y);
		l1 += fabs(x - y);
		norm_a += x * x;
		norm_b += y * y;
	}

	check_close("l2sq", dim, type->l2sq(a, b, dim), l2sq,
				l2sq * tolerance + tiny);
	check_close("dot", dim, type->dot(a, b, dim), dot,
				dot_abs * tolerance + tiny);
	check_close("l1", dim, type->l1(a, b, dim), l1, l1 * tolerance + tiny);

	parts = type->cosine(a, b, dim);
	check_close("cosine dot", dim, parts.dot, dot, dot_abs * tolerance + tiny);
	check_close("cosine norm_a", dim, parts.norm_a, norm_a,
				norm_a * tolerance + tiny);
	check_close("cosine norm_b", dim, parts.norm_b, norm_b,
				norm_b * tolerance + tiny);

	CHECK(type->l2sq(a, a, dim) == 0, "%s, dim %u", type->name, dim);
	CHECK(type->l1(a, a, dim) == 0, "%s, dim %u", type->name, dim);

	buffer_free(buffer_a);
	buffer_free(buffer_b);
}

static void
check_distances_all(const ElementType *type)
{
	for (uint32 dim = 1; dim <= 300; dim++)
		check_distances(type, dim, dim % 4, 1.0);
	for (int i = 0; i < (int) lengthof(large_dims); i++)
		check_distances(type, large_dims[i], i % 8, 1.0);
}

static void
test_f32_distances(void)
{
	check_distances_all(&f32_elements);
}

/* Denormal products and denormal values; the default environment keeps them. */
static void
test_f32_small(void)
{
	for (uint32 dim = 1; dim <= 70; dim++)
	{
		check_distances(&f32_elements, dim, 0, 1e-21);
		check_distances(&f32_elements, dim, 0, 1e-40);
		check_distances(&f32_elements, dim, 0, 1e15);
	}
}

static void
test_f16_distances(void)
{
	check_distances_all(&f16_elements);
	for (uint32 dim = 1; dim <= 70; dim++)
	{
		check_distances(&f16_elements, dim, 0, 1e-6);
		check_distances(&f16_elements, dim, 0, 1e4);
	}
}

static void
test_f16_conversion(void)
{
	uint16 halves[71];
	uint16 back[71];
	float  floats[71];

	/* every half, whole vectors and tails */
	for (uint32 dim = 1; dim <= 71; dim += 7)
	{
		for (uint32 first = 0; first < 65536; first += dim)
		{
			for (uint32 i = 0; i < dim; i++)
				halves[i] = (uint16) (first + i);
			distance_kernels->f16_to_f32(halves, floats, dim);
			distance_kernels->f32_to_f16(floats, back, dim);
			for (uint32 i = 0; i < dim; i++)
			{
				double value = half_value(halves[i]);
				bool   nan = isnan(value);

				CHECK(nan ? isnan(floats[i]) : floats[i] == value,
					  "%04x: got %.9g", halves[i], floats[i]);
				CHECK(!signbit(floats[i]) == (halves[i] < 0x8000), "%04x",
					  halves[i]);
				CHECK(nan ? isnan(half_value(back[i])) : back[i] == halves[i],
					  "%04x: got %04x", halves[i], back[i]);
			}
		}
	}

	/* the middle between two halves, and the floats next to it */
	for (int half = 0; half <= 0x7bff; half++)
	{
		float lower = (float) half_value((uint16) half);
		float upper = half == 0x7bff ? 65536.0f
									 : (float) half_value((uint16) half + 1);
		float values[6];

		values[0] = lower + (upper - lower) / 2;
		values[1] = nextafterf(values[0], 0);
		values[2] = nextafterf(values[0], 1e6f);
		values[3] = -values[0];
		values[4] = -values[1];
		values[5] = -values[2];
		distance_kernels->f32_to_f16(values, back, 6);
		for (int i = 0; i < 6; i++)
			CHECK(back[i] == half_nearest(values[i]),
				  "%.9g: got %04x, expected %04x", values[i], back[i],
				  half_nearest(values[i]));
	}

	/* any bits */
	for (int round = 0; round < 2000; round++)
	{
		for (int i = 0; i < 71; i++)
		{
			uint32 bits = (uint32) random_bits();

			/* mostly in the range of halves */
			if (round % 4 != 0)
				bits = (bits & 0x87ffffff) + 0x34000000;
			memcpy(&floats[i], &bits, sizeof(bits));
		}
		distance_kernels->f32_to_f16(floats, back, 71);
		for (int i = 0; i < 71; i++)
			CHECK(isnan(floats[i]) ? isnan(half_value(back[i]))
								   : back[i] == half_nearest(floats[i]),
				  "%.9g: got %04x, expected %04x", floats[i], back[i],
				  half_nearest(floats[i]));
	}
}

static void
check_range(uint32 dim, int shift)
{
	Buffer	   buffer = buffer_create(dim * sizeof(float), shift);
	float	  *x = buffer.array;
	double	   lowest = INFINITY;
	double	   highest = -INFINITY;
	FloatRange range;

	for (uint32 i = 0; i < dim; i++)
	{
		float_put(x, i, random_normal());
		lowest = Min(lowest, float_at(x, i));
		highest = Max(highest, float_at(x, i));
	}
	range = distance_kernels->range_f32(x, dim);
	check_close("range_f32 min", dim, range.min, lowest, 0);
	check_close("range_f32 max", dim, range.max, highest, 0);
	buffer_free(buffer);
}

/* Floats on a grid, one of them off it, and codes that lose something. */
static void
check_grid(uint32 dim)
{
	Buffer	   buffer = buffer_create(dim * sizeof(float), 0);
	Buffer	   codes = buffer_create(dim, 0);
	float	  *x = buffer.array;
	uint8	  *code = codes.array;
	uint32	   at = (uint32) random_bits() % dim;
	uint32	   sum = 0;
	uint32	   sum_squares = 0;
	double	   l1 = 0;
	double	   l2sq = 0;
	CodeErrors errors;

	for (uint32 i = 0; i < dim; i++)
	{
		code[i] = (uint8) random_bits();
		x[i] = -3.5f + 0.25f * code[i];
	}
	CHECK(distance_kernels->on_grid_f32(x, -3.5f, 0.25, 4, 1e-6, dim),
		  "on_grid_f32 of a grid, dim %u", dim);
	x[at] += 0.125f;
	CHECK(!distance_kernels->on_grid_f32(x, -3.5f, 0.25, 4, 0.1, dim),
		  "on_grid_f32 with %u of %u off the grid", at, dim);
	CHECK(distance_kernels->on_grid_f32(x, -3.5f, 0.25, 4, 0.2, dim),
		  "on_grid_f32 with %u of %u not far off the grid", at, dim);

	for (uint32 i = 0; i < dim; i++)
	{
		double lost;

		x[i] += 0.1f * (float) random_normal();
		lost = x[i] - (-3.5 + 0.25 * code[i]);
		sum += code[i];
		sum_squares += code[i] * code[i];
		l1 += fabs(lost);
		l2sq += lost * lost;
	}
	errors = distance_kernels->code_errors_f32_u8(x, code, -3.5, 0.25, dim);
	check_close("code_errors_f32_u8 sum", dim, errors.sum, sum, 0);
	check_close("code_errors_f32_u8 squares", dim, errors.sum_squares,
				sum_squares, 0);
	check_close("code_errors_f32_u8 l1", dim, errors.error_l1, l1, l1 * 1e-12);
	check_close("code_errors_f32_u8 l2sq", dim, errors.error_l2sq, l2sq,
				l2sq * 1e-12);
	buffer_free(buffer);
	buffer_free(codes);
}

static void
test_range(void)
{
	for (uint32 dim = 1; dim <= 300; dim++)
	{
		check_range(dim, dim % 4);
		check_grid(dim);
	}
	for (int i = 0; i < (int) lengthof(large_dims); i++)
	{
		check_range(large_dims[i], i % 8);
		check_grid(large_dims[i]);
	}
}

static void
test_dot_underflows(void)
{
	for (uint32 dim = 1; dim <= 100; dim++)
	{
		Buffer buffer_a = buffer_create(dim * sizeof(float), dim % 4);
		Buffer buffer_b = buffer_create(dim * sizeof(float), dim % 3);
		float *a = buffer_a.array;
		float *b = buffer_b.array;
		uint32 at = random_bits() % dim;

		/* zeros, and products from the smallest normal one to the largest */
		for (uint32 i = 0; i < dim; i++)
		{
			double x = ldexp(1, (int) (random_bits() % 120) - 60);

			float_put(a, i, random_bits() % 3 == 0 ? 0 : x);
			float_put(b, i, random_bits() % 3 == 0 ? -0.0 : 0x1p-126 / x);
			if (random_bits() % 4 == 0)
				float_put(b, i, -FLT_MAX);
		}
		CHECK(!distance_kernels->dot_underflows_f32(a, b, dim), "dim %u", dim);

		float_put(a, at, 0x1p-149);
		float_put(b, at, 0);
		CHECK(!distance_kernels->dot_underflows_f32(a, b, dim), "dim %u", dim);
		float_put(b, at, -0x1p-149);
		CHECK(distance_kernels->dot_underflows_f32(a, b, dim), "dim %u", dim);
		float_put(b, at, 0.999999);
		CHECK(distance_kernels->dot_underflows_f32(a, b, dim), "dim %u", dim);
		float_put(b, at, FLT_MAX);
		CHECK(!distance_kernels->dot_underflows_f32(a, b, dim), "dim %u", dim);
		float_put(a, at, 0x1.8p-64);
		float_put(b, at, 0x1p-63);
		CHECK(distance_kernels->dot_underflows_f32(a, b, dim), "dim %u", dim);

		buffer_free(buffer_a);
		buffer_free(buffer_b);
	}
}

/* Sparse arrays against a dense sum over all indexes. */

#define SPARSE_DIM 4000

static SparseArray
random_sparse(uint32 count, uint32 first, uint32 after, double *dense)
{
	SparseArray array;
	int32	   *index = malloc(count * sizeof(int32));
	float	   *value = malloc(count * sizeof(float));
	uint32		left = count;
	uint32		n = 0;

	for (uint32 i = 0; i < SPARSE_DIM; i++)
		dense[i] = 0;
	/* each index with the chance that takes `count` of them */
	for (uint32 i = first; i < after && left > 0; i++)
	{
		if (random_bits() % (after - i) >= left)
			continue;
		left--;
		index[n] = (int32) i;
		value[n] = (float) random_normal();
		dense[i] = value[n++];
	}
	array.index = index;
	array.value = value;
	array.count = n;
	return array;
}

/* A table of a against b: sums in double precision. */
static void
check_sparse_table(SparseArray a, SparseArray b, double dot, double dot_abs,
				   double l1)
{
	void	   *memory = malloc(sparse_table_bytes(a.count));
	double		sizes = 0;
	SparseTable table;
	int32		anything[] = {-1, INT_MIN, INT_MAX, 5, 5, 0};
	float		values[] = {1, 1, 1, NAN, INFINITY, 1};
	SparseArray unchecked = {anything, values, 3};

	for (uint32 i = 0; i < a.count; i++)
		sizes += fabs(a.value[i]);
	for (uint32 i = 0; i < b.count; i++)
		sizes += fabs(b.value[i]);
	sparse_table_init(&table, &a, memory);
	check_close("sparse_table_dot", a.count * 100000 + b.count,
				sparse_table_dot(&table, &b), dot, dot_abs * 1e-12);
	check_close("sparse_table_l1_shared", a.count * 100000 + b.count,
				sizes + sparse_table_l1_shared(&table, &b), l1, sizes * 1e-12);

	/* what no array has is not there, whatever it is */
	CHECK(sparse_table_dot(&table, &unchecked) == 0, "count %u", a.count);
	unchecked.count = lengthof(anything);
	(void) sparse_table_dot(&table, &unchecked);
	(void) sparse_table_l1_shared(&table, &unchecked);
	free(memory);
}

static void
check_sparse(SparseArray a, SparseArray b, const double *dense_a,
			 const double *dense_b)
{
	double l2sq = 0;
	double dot = 0;
	double dot_abs = 0;
	double l1 = 0;
	/* matches are added up one by one */
	double tolerance = (Min(a.count, b.count) + 20) * 0x1p-24;

	for (int i = 0; i < SPARSE_DIM; i++)
	{
		double x = dense_a[i];
		double y = dense_b[i];

		l2sq += (x - y) * (x - y);
		dot += x * y;
		dot_abs += fabs(x * y);
		l1 += fabs(x - y);
	}
	check_close("l2sq_sparse", a.count * 100000 + b.count,
				distance_kernels->l2sq_sparse(&a, &b), l2sq, l2sq * tolerance);
	check_close("dot_sparse", a.count * 100000 + b.count,
				distance_kernels->dot_sparse(&a, &b), dot,
				dot_abs * tolerance);
	check_close("l1_sparse", a.count * 100000 + b.count,
				distance_kernels->l1_sparse(&a, &b), l1, l1 * tolerance);
	check_sparse_table(a, b, dot, dot_abs, l1);
}

static void
test_sparse(void)
{
	static const uint32 counts[] = {0,	1,	2,	3,	 4,	  5,   7,	 8,
									9,	15, 16, 17,	 31,  32,  33,	 47,
									48, 49, 63, 100, 333, 800, 1500, 3000};
	static double		dense_a[SPARSE_DIM];
	static double		dense_b[SPARSE_DIM];

	for (int i = 0; i < (int) lengthof(counts); i++)
		for (int j = 0; j < (int) lengthof(counts); j++)
			for (int spread = 0; spread < 6; spread++)
			{
				/* all over, dense, apart, one side in a corner of the other */
				uint32		need = Max(counts[i], counts[j]);
				uint32		half = SPARSE_DIM / 2;
				uint32		first_b = spread == 2 && need <= half ? half : 0;
				uint32		after_a = spread == 2 && need <= half ? half
																  : SPARSE_DIM;
				uint32		after_b = SPARSE_DIM;
				SparseArray a;
				SparseArray b;

				if (spread == 1)
					after_a = after_b = need + need / 8 + 1;
				if (spread == 3)
					after_b = counts[j] + 3;
				if (spread == 4)
					first_b = SPARSE_DIM - counts[j] - 3 * (counts[j] < 3000);
				a = random_sparse(counts[i], 0, Min(after_a, SPARSE_DIM),
								  dense_a);
				b = random_sparse(counts[j], first_b, Min(after_b, SPARSE_DIM),
								  dense_b);
				CHECK(a.count == counts[i] && b.count == counts[j],
					  "test data: %u %u", a.count, b.count);
				check_sparse(a, b, dense_a, dense_b);
				check_sparse(b, a, dense_b, dense_a);
				CHECK(distance_kernels->l2sq_sparse(&a, &a) == 0, "count %u",
					  a.count);
				free((void *) a.index);
				free((void *) a.value);
				free((void *) b.index);
				free((void *) b.value);
			}
}

static void
test_bits(void)
{
	static const uint32 more[] = {511, 512, 513, 1000, 2000, 8000};

	for (uint32 k = 0; k <= 300 + lengthof(more); k++)
	{
		uint32	  bytes = k <= 300 ? k : more[k - 301];
		Buffer	  buffer_a = buffer_create(bytes, k % 5);
		Buffer	  buffer_b = buffer_create(bytes, k % 7);
		uint8	 *a = buffer_a.array;
		uint8	 *b = buffer_b.array;
		uint64	  differ = 0;
		uint64	  both = 0;
		uint64	  either = 0;
		BitCounts counts;

		for (uint32 i = 0; i < bytes; i++)
		{
			a[i] = k % 3 == 0 ? 0xff : (uint8) random_bits();
			b[i] = k % 6 == 0 ? 0 : (uint8) random_bits();
			for (int bit = 0; bit < 8; bit++)
			{
				int x = a[i] >> bit & 1;
				int y = b[i] >> bit & 1;

				differ += x ^ y;
				both += x & y;
				either += x | y;
			}
		}
		counts = distance_kernels->jaccard_bits(a, b, bytes);
		CHECK(distance_kernels->hamming_bits(a, b, bytes) == differ,
			  "%u bytes", bytes);
		CHECK(counts.both == both && counts.either == either, "%u bytes",
			  bytes);
		buffer_free(buffer_a);
		buffer_free(buffer_b);
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

/* One code and several others, which lie apart from each other. */
static void
check_dots(uint32 dim, bool extreme)
{
	Buffer		 buffer_a = buffer_create(dim, (int) (dim % 5));
	uint8		*a = buffer_a.array;
	Buffer		 buffers[MAX_DOTS];
	const uint8 *b[MAX_DOTS];
	int64		 expected[MAX_DOTS] = {0};

	for (uint32 i = 0; i < dim; i++)
		a[i] = extreme ? 255 : (uint8) random_bits();
	for (int k = 0; k < MAX_DOTS; k++)
	{
		uint8 *code;

		buffers[k] = buffer_create(dim, k);
		code = buffers[k].array;
		for (uint32 i = 0; i < dim; i++)
		{
			code[i] = extreme ? 255 : (uint8) random_bits();
			expected[k] += a[i] * code[i];
		}
		b[k] = code;
	}

	for (uint32 count = 0; count <= MAX_DOTS; count++)
	{
		uint32 dots[MAX_DOTS + 1] = {0};

		dots[count] = 12345;
		distance_kernels->dots_u8_u8(a, b, count, dim, dots);
		for (uint32 k = 0; k < count; k++)
			CHECK(dots[k] == expected[k],
				  "dim %u, %u of %u: got %u, expected %lld", dim, k, count,
				  dots[k], (long long) expected[k]);
		CHECK(dots[count] == 12345, "dim %u: more than %u", dim, count);
	}

	buffer_free(buffer_a);
	for (int k = 0; k < MAX_DOTS; k++)
		buffer_free(buffers[k]);
}

static void
test_dots(void)
{
	for (uint32 dim = 1; dim <= 300; dim++)
		check_dots(dim, false);
	for (int i = 0; i < (int) lengthof(large_dims); i++)
		check_dots(large_dims[i], false);
	check_dots(EXTREME_DIM - 1, true);
	check_dots(EXTREME_DIM, true);
}

/* What sums tell of a code of dim random levels. */
static CodeScale
random_scale(uint32 dim, double magnitude)
{
	CodeScale scale = {0};

	scale.offset = (float) (random_normal() * magnitude);
	scale.step = (float) (random_between(0, 0.01) * magnitude);
	for (uint32 i = 0; i < dim; i++)
	{
		uint32 level = random_bits() % 256;

		scale.sum += level;
		scale.sum_squares += level * level;
	}
	return scale;
}

/* All sets give exactly what the table gives that always works. */
static void
test_l2_scaled(void)
{
	static const double	   magnitudes[] = {1, 1e-30, 1e30, 5e37};
	const DistanceKernels *kernels = distance_kernels;

	for (int round = 0; round < 200; round++)
	{
		uint32			 dim = 1 + (uint32) (random_bits() % 1000);
		double			 magnitude = magnitudes[round % 4];
		CodeScale		 a = random_scale(dim, magnitude);
		CodeScale		 scales[MAX_DOTS];
		const CodeScale *b[MAX_DOTS];
		uint32			 dots[MAX_DOTS];
		float			 expected[MAX_DOTS];

		for (int k = 0; k < MAX_DOTS; k++)
		{
			scales[k] = k == 2 ? a : random_scale(dim, magnitude);
			b[k] = &scales[k];
			dots[k] = k == 2 ? a.sum_squares
							 : (uint32) (random_bits() % (dim * 40000));
		}
		CHECK(distance_select("baseline") || distance_select("neon"), "none");
		distance_kernels->l2_scaled_u8(&a, b, dots, MAX_DOTS, dim, expected);
		distance_kernels = kernels;

		CHECK(expected[2] <= 1e-6 * dim * (fabs(a.offset) + 255 * a.step),
			  "from itself: %g", expected[2]);
		for (uint32 count = 0; count <= MAX_DOTS; count++)
		{
			float got[MAX_DOTS + 1] = {0};

			got[count] = -1;
			distance_kernels->l2_scaled_u8(&a, b, dots, count, dim, got);
			for (uint32 k = 0; k < count; k++)
				CHECK(got[k] == expected[k] && got[k] <= FLT_MAX,
					  "dim %u, %u of %u: got %.9g, expected %.9g", dim, k,
					  count, got[k], expected[k]);
			CHECK(got[count] == -1, "dim %u: more than %u", dim, count);
		}
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

/* Loops in double over floats that lie where floats do. */
static void
check_double_loops(uint32 dim, int shift, double scale)
{
	const LevelGrid grid = {-2 * scale, 1000 / scale, 0.047 * scale,
							0.001 * scale, 2047};
	Buffer			buffer_x = buffer_create(dim * sizeof(float), 4 * shift);
	Buffer buffer_levels = buffer_create(dim * sizeof(int16), 2 * shift);
	Buffer buffer_out = buffer_create(dim * sizeof(float), 4 * shift);
	float *x = buffer_x.array;
	int16 *levels = buffer_levels.array;
	float *out = buffer_out.array;
	LevelGridSums sums;
	double		  sum = 0;
	double		  sum_squares = 0;
	double		  norm = 0;
	double		  error = 0;

	for (uint32 i = 0; i < dim; i++)
		x[i] = scale * random_between(-1.999, 2.04);
	sums = distance_kernels->levels_f32_i16(x, &grid, levels, dim);
	for (uint32 i = 0; i < dim; i++)
	{
		double exact = ((double) x[i] - grid.lowest) * grid.per_step -
					   grid.zero;
		double lost = x[i] - (grid.offset + grid.step * levels[i]);

		CHECK(fabs(exact - levels[i]) <= 0.5 + 1e-9,
			  "dim %u, value %.9g: level %d, expected %g", dim, x[i],
			  levels[i], exact);
		sum += levels[i];
		sum_squares += (double) levels[i] * levels[i];
		norm += (double) x[i] * x[i];
		error += lost * lost;
	}
	CHECK(sums.sum == sum, "dim %u: got %g, expected %g", dim, sums.sum, sum);
	CHECK(sums.sum_squares == sum_squares, "dim %u: got %g, expected %g", dim,
		  sums.sum_squares, sum_squares);
	check_close("norm_squared", dim, sums.norm_squared, norm, norm * 1e-11);
	check_close("error_squared", dim, sums.error_squared, error, error * 1e-8);
	check_close("square_f32", dim, distance_kernels->square_f32(x, dim), norm,
				norm * 1e-11);

	distance_kernels->scale_f32(x, 0.3, out, dim);
	for (uint32 i = 0; i < dim; i++)
		check_close("scale_f32", dim, out[i], (float) (x[i] * 0.3), 0);
	distance_kernels->scale_f32(x, 0.3, x, dim);
	CHECK(memcmp(x, out, dim * sizeof(float)) == 0, "dim %u: in place", dim);

	buffer_free(buffer_x);
	buffer_free(buffer_levels);
	buffer_free(buffer_out);
}

static void
test_quantize(void)
{
	for (uint32 dim = 1; dim <= 300; dim++)
	{
		check_quantize(dim, dim % 4, false);
		check_double_loops(dim, dim % 4, dim % 3 == 0 ? 1e37 : 1);
	}
	for (int i = 0; i < (int) lengthof(large_dims); i++)
	{
		check_quantize(large_dims[i], 0, false);
		check_double_loops(large_dims[i], 0, 1e-37);
	}
	check_quantize(EXTREME_DIM, 0, true);
	check_double_loops(EXTREME_DIM, 1, 1);
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
	run_group("f32 distances", test_f32_distances);
	run_group("f32 distances: denormals and large values", test_f32_small);
	run_group("f32 distances: infinity and NaN", test_float_not_finite);
	run_group("products that lose digits", test_dot_underflows);
	run_group("f16 distances", test_f16_distances);
	run_group("f16 conversion", test_f16_conversion);
	run_group("sparse distances", test_sparse);
	run_group("distances of bits", test_bits);
	run_group("range", test_range);
	run_group("code kernels", test_code_kernels);
	run_group("code kernels: extreme sums", test_code_kernels_extremes);
	run_group("dots of several codes", test_dots);
	run_group("distances of several codes", test_l2_scaled);
	run_group("quantize", test_quantize);
	run_group("hadamard, flip, butterfly", test_rotation_parts);
}

void
kernels_tests(void)
{
	with_each_isa(run_kernel_groups);
}
