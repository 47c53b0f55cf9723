/*
 * test_block_kernels.c
 *		Kernels that take many entries at once: lookups, signs, nearest
 *		centroids, against references in integers and in double.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "distance/distance.h"

/* Exactly what is needed, so that a sanitizer sees reads beyond it. */
static void *
allocate(Size bytes)
{
	void *memory = calloc(1, Max(bytes, 1));

	if (memory == NULL)
		abort();
	return memory;
}

static float *
random_floats(Size n, double scale)
{
	float *x = allocate(n * sizeof(float));

	for (Size i = 0; i < n; i++)
		x[i] = (float) (random_normal() * scale);
	return x;
}

static void
check_lookup(uint32 groups, bool extreme)
{
	uint8 *codes = allocate(groups * 16);
	uint8 *tables = allocate(groups * 16);
	uint32 sums[LOOKUP_ENTRIES];
	uint32 expected[LOOKUP_ENTRIES];

	for (uint32 i = 0; i < groups * 16; i++)
	{
		codes[i] = (uint8) random_bits();
		tables[i] = extreme ? 255 : (uint8) random_bits();
	}
	for (int i = 0; i < LOOKUP_ENTRIES; i++)
	{
		sums[i] = expected[i] = (uint32) (random_bits() % 1000);
		for (uint32 g = 0; g < groups; g++)
			expected[i] +=
				tables[16 * g +
					   ((codes[16 * g + i % 16] >> (i / 16 * 4)) & 15)];
	}
	distance_kernels->lookup_u4(codes, tables, groups, sums);
	for (int i = 0; i < LOOKUP_ENTRIES; i++)
		CHECK(sums[i] == expected[i], "%u groups, entry %d: %u, not %u",
			  groups, i, sums[i], expected[i]);
	free(codes);
	free(tables);
}

static void
test_lookup(void)
{
	static const uint32 groups[] = {0,	 4,	  8,   12,	16,	 20,  192,
									252, 256, 260, 508, 512, 516, 4000};

	for (int i = 0; i < (int) lengthof(groups); i++)
	{
		check_lookup(groups[i], false);
		check_lookup(groups[i], true);
	}
}

static void
test_subset_sums(void)
{
	for (uint32 groups = 1; groups <= 40; groups++)
	{
		float *x = random_floats(4 * groups, 1);
		uint8 *tables = allocate(16 * groups);
		float  largest = 0;

		/* the case of a query without anything in some group */
		if (groups > 2)
			memset(x + 4, 0, 4 * sizeof(float));
		for (uint32 g = 0; g < groups; g++)
		{
			float sum = 0;

			for (int k = 0; k < 4; k++)
				sum += fabsf(x[4 * g + k]);
			largest = Max(largest, sum);
		}
		distance_kernels->subset_sums_f32(x, 255 / largest, groups, tables);
		for (uint32 i = 0; i < 16 * groups; i++)
		{
			double sum = 0;

			for (int k = 0; k < 4; k++)
			{
				double value = x[i / 16 * 4 + k];

				sum -= Min(value, 0);
				if (i >> k & 1)
					sum += value;
			}
			CHECK(fabs(sum * 255 / largest - tables[i]) < 0.501,
				  "%u groups, sum %u: %u, not %g", groups, i, tables[i],
				  sum * 255 / largest);
		}
		free(x);
		free(tables);
	}
}

static void
check_residual(uint32 dim)
{
	float		*x = random_floats(dim, 1);
	float		*center = random_floats(dim, 1);
	uint32		 bytes = (dim + 15) / 16 * 2;
	uint8		*signs = allocate(bytes);
	double		 l1 = 0;
	double		 l2sq = 0;
	double		 dot = 0;
	double		 terms = 0;
	double		 tolerance = (dim / 4 + 8) * 0x1p-24;
	ResidualSums sums;

	/* no sign at all */
	x[random_bits() % dim] = center[0];
	x[0] = center[0];
	memset(signs, 0xff, bytes);
	sums = distance_kernels->residual_signs_f32(x, center, signs, dim);
	for (uint32 i = 0; i < 8 * bytes; i++)
	{
		double r = i < dim ? (double) x[i] - center[i] : 0;

		CHECK((signs[i / 8] >> (i % 8) & 1) == (r > 0), "dim %u, bit %u", dim,
			  i);
		if (i < dim)
		{
			l1 += fabs(r);
			l2sq += r * r;
			dot += r * center[i];
			terms += fabs(r * center[i]);
		}
	}
	CHECK(fabs(sums.l1 - l1) <= tolerance * l1, "dim %u", dim);
	CHECK(fabs(sums.l2sq - l2sq) <= tolerance * l2sq, "dim %u", dim);
	CHECK(fabs(sums.dot - dot) <= tolerance * terms, "dim %u", dim);
	free(x);
	free(center);
	free(signs);
}

static void
test_residual_signs(void)
{
	for (uint32 dim = 1; dim <= 70; dim++)
		check_residual(dim);
	check_residual(768);
	check_residual(1000);
	check_residual(16000);
}

static void
check_rest(uint32 dim)
{
	float	*x = random_floats(dim, 1);
	float	*center = random_floats(dim, 1);
	uint32	 padded = (dim + 15) / 16 * 16;
	float	*rest = random_floats(padded, 1);
	double	 l1 = 0;
	double	 l2sq = 0;
	double	 largest = 0;
	double	 tolerance = (dim / 4 + 8) * 0x1p-24;
	RestSums sums = distance_kernels->rest_f32(x, center, 0.7f, rest, dim);

	for (uint32 i = 0; i < padded; i += 4)
	{
		double group = 0;

		for (uint32 k = i; k < i + 4; k++)
		{
			double expected = k < dim ? x[k] - (double) 0.7f * center[k] : 0;

			CHECK(fabs(rest[k] - expected) <=
					  (k < dim ? 0x1p-22 * (fabsf(x[k]) + fabsf(center[k]))
							   : 0),
				  "dim %u, value %u: %g, not %g", dim, k, rest[k], expected);
			group += fabsf(rest[k]);
			l2sq += (double) rest[k] * rest[k];
		}
		l1 += group;
		largest = Max(largest, group);
	}
	CHECK(fabs(sums.l1 - l1) <= tolerance * l1, "dim %u", dim);
	CHECK(fabs(sums.l2sq - l2sq) <= tolerance * l2sq, "dim %u", dim);
	CHECK(fabs(sums.largest - largest) <= tolerance * largest, "dim %u", dim);
	free(x);
	free(center);
	free(rest);
}

static void
test_rest(void)
{
	for (uint32 dim = 1; dim <= 70; dim++)
		check_rest(dim);
	check_rest(1000);
	check_rest(16000);
}

static void
test_unpack(void)
{
	for (uint32 n = 1; n <= 200; n++)
	{
		uint32 bits = 1 << n % 4;
		uint8  mask = (uint8) ((1 << bits) - 1);
		uint8 *codes = allocate(n);
		uint8 *levels = allocate(n);

		for (uint32 shift = 0; shift < 8; shift += bits)
		{
			for (uint32 i = 0; i < n; i++)
				codes[i] = (uint8) random_bits();
			distance_kernels->unpack_u8(codes, shift, mask, levels, n);
			for (uint32 i = 0; i < n; i++)
				CHECK(levels[i] == ((codes[i] >> shift) & mask),
					  "%u of %u, shift %u, mask %u", i, n, shift, mask);
		}
		free(codes);
		free(levels);
	}
}

/* The same by levels as two bytes. */
static void
check_split(const uint8 *packed, const int16 *q, uint32 levels, int64 expected)
{
	int8	   *high = allocate(levels);
	int8	   *low = allocate(levels);
	SplitLevels split = {q, high, low};
	int64		got;

	for (uint32 i = 0; i < levels; i++)
	{
		high[i] = (int8) floor(q[i] / 64.0);
		low[i] = (int8) (q[i] - 64 * high[i]);
	}
	got = distance_kernels->dot_u4_i12(packed, &split, levels);
	CHECK(got == expected, "%u split levels: %lld, not %lld", levels,
		  (long long) got, (long long) expected);
	free(high);
	free(low);
}

static void
check_packed(uint32 bits, uint32 levels)
{
	uint32 bytes = (levels * bits + 7) / 8;
	uint8 *packed = allocate(bytes);
	int16 *q = allocate(levels * sizeof(int16));
	int64  expected = 0;
	int64  got;

	for (uint32 i = 0; i < bytes; i++)
		packed[i] = (uint8) random_bits();
	for (uint32 i = 0; i < levels; i++)
	{
		/* the largest products of all come together, too */
		q[i] = levels % 2 == 0 ? -2047 : (int16) (random_bits() % 4095) - 2047;
		expected += (int64) q[i] * ((packed[i % bytes] >> (i / bytes * bits)) &
									((1 << bits) - 1));
	}
	got = distance_kernels->dot_packed_i16(packed, bits, q, levels);
	CHECK(got == expected, "%u levels of %u bits: %lld, not %lld", levels,
		  bits, (long long) got, (long long) expected);
	if (bits == 4)
		check_split(packed, q, levels, expected);
	free(packed);
	free(q);
}

static void
test_packed(void)
{
	for (uint32 bits = 1; bits <= 4; bits *= 2)
	{
		for (uint32 levels = 1; levels <= 600; levels++)
			check_packed(bits, levels);
		check_packed(bits, 16000);
		check_packed(bits, 32768);
	}
}

static void
test_dequantize(void)
{
	for (uint32 n = 1; n <= 200; n++)
	{
		uint8 *codes = allocate(n);
		float *x = allocate(n * sizeof(float));
		float  offset = random_normal();
		float  step = fabsf(random_normal());

		for (uint32 i = 0; i < n; i++)
			codes[i] = (uint8) random_bits();
		distance_kernels->dequantize_u8_f32(codes, offset, step, x, n);
		for (uint32 i = 0; i < n; i++)
			CHECK(x[i] == (float) (offset + (double) step * codes[i]),
				  "%u of %u", i, n);
		free(codes);
		free(x);
	}
}

static void
test_add(void)
{
	for (uint32 dim = 1; dim <= 70; dim++)
	{
		float *x = random_floats(dim, 1);
		float *sums = random_floats(dim, 1);
		float *expected = allocate(dim * sizeof(float));

		for (uint32 i = 0; i < dim; i++)
			expected[i] = sums[i] + x[i];
		distance_kernels->add_f32(sums, x, dim);
		CHECK(memcmp(sums, expected, dim * sizeof(float)) == 0, "dim %u", dim);
		free(x);
		free(sums);
		free(expected);
	}
}

static void
check_nearest(uint32 n, uint32 dim)
{
	float  *rows = random_floats((Size) n * dim, 1);
	float  *panel = random_floats((Size) PANEL_WIDTH * dim, 1);
	float  *half_norms = allocate(PANEL_WIDTH * sizeof(float));
	float  *least = allocate(n * sizeof(float));
	uint32 *nearest = allocate(n * sizeof(uint32));

	/* a centroid twice, of which the first counts, and one that is not there */
	for (uint32 i = 0; i < dim; i++)
		panel[PANEL_WIDTH * i + 9] = panel[PANEL_WIDTH * i + 4];
	for (int c = 0; c < PANEL_WIDTH; c++)
	{
		double norm = 0;

		for (uint32 i = 0; i < dim; i++)
			norm += (double) panel[PANEL_WIDTH * i + c] *
					panel[PANEL_WIDTH * i + c];
		half_norms[c] = c == 31 ? INFINITY : norm / 2;
	}
	for (uint32 r = 0; r < n; r++)
	{
		least[r] = r % 5 == 3 ? -FLT_MAX : INFINITY;
		nearest[r] = 7;
	}

	distance_kernels->nearest_f32(rows, n, dim, panel, half_norms, 1000, least,
								  nearest);
	for (uint32 r = 0; r < n; r++)
	{
		double best = INFINITY;
		double found = INFINITY;

		for (uint32 c = 0; c < PANEL_WIDTH - 1; c++)
		{
			double score = half_norms[c];

			for (uint32 i = 0; i < dim; i++)
				score -= (double) panel[PANEL_WIDTH * i + c] *
						 rows[(Size) r * dim + i];
			best = Min(best, score);
			if (nearest[r] == 1000 + c)
				found = score;
		}
		if (r % 5 == 3)
		{
			CHECK(nearest[r] == 7 && least[r] == -FLT_MAX,
				  "row %u of %u, dim %u is not near enough", r, n, dim);
			continue;
		}
		CHECK(found <= best + 1e-5 * (dim + 10),
			  "row %u of %u, dim %u: centroid %u has %g, the best %g", r, n,
			  dim, nearest[r], found, best);
		CHECK(fabs(least[r] - found) <= 1e-5 * (dim + 10),
			  "dim %u: %g, not %g", dim, least[r], found);
		CHECK(nearest[r] != 1000 + 9, "the second of two equal ones");
	}
	free(rows);
	free(panel);
	free(half_norms);
	free(least);
	free(nearest);
}

static void
test_nearest(void)
{
	for (uint32 n = 1; n <= 30; n++)
		check_nearest(n, 1 + n % 19);
	check_nearest(100, 128);
	check_nearest(13, 769);
	check_nearest(7, 16000);
}

static void
run_block_kernel_groups(void)
{
	run_group("lookups of 4-bit codes", test_lookup);
	run_group("tables of partial sums", test_subset_sums);
	run_group("what lies beside a centroid", test_rest);
	run_group("levels from packed codes", test_unpack);
	run_group("products with packed codes", test_packed);
	run_group("values from 8-bit codes", test_dequantize);
	run_group("addition", test_add);
	run_group("signs of residuals", test_residual_signs);
	run_group("nearest of a panel of centroids", test_nearest);
}

void
block_kernels_tests(void)
{
	with_each_isa(run_block_kernel_groups);
}
