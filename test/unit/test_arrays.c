/*
 * test_arrays.c
 *		Arithmetic and comparison on raw arrays, dense and sparse.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "types/float_array.h"
#include "types/sparse_array.h"

#define MAX_DIM 100

static void
test_limits(void)
{
	float x[MAX_DIM];

	for (int n = 0; n <= MAX_DIM; n++)
	{
		for (int i = 0; i < n; i++)
			x[i] = i % 2 == 0 ? -2 : 3;
		CHECK(float_array_is_below(x, n, 3.5f), "n %d", n);
		CHECK(float_array_is_below(x, n, INFINITY), "n %d", n);
		CHECK(float_array_is_above(x, n, 2), "n %d", n);
		for (int i = 0; i < n; i++)
		{
			float before = x[i];

			x[i] = -3.5f;
			CHECK(!float_array_is_below(x, n, 3.5f), "n %d, i %d", n, i);
			x[i] = NAN;
			CHECK(!float_array_is_below(x, n, INFINITY), "n %d, i %d", n, i);
			x[i] = -INFINITY;
			CHECK(!float_array_is_below(x, n, INFINITY), "n %d, i %d", n, i);
			x[i] = 1.99f;
			CHECK(!float_array_is_above(x, n, 2), "n %d, i %d", n, i);
			x[i] = before;
		}
	}
}

static void
test_sums(void)
{
	float a[MAX_DIM];
	float b[MAX_DIM];

	for (int n = 0; n <= MAX_DIM; n++)
	{
		long double squares = 0;
		long double dot = 0;
		long double l2sq = 0;
		long double l1 = 0;

		for (int i = 0; i < n; i++)
		{
			a[i] = (float) ldexp(random_normal(),
								 (int) (random_bits() % 200) - 100);
			b[i] = (float) ldexp(random_normal(),
								 (int) (random_bits() % 200) - 100);
			squares += (long double) a[i] * a[i];
			dot += (long double) a[i] * b[i];
			l2sq += ((long double) a[i] - b[i]) * ((long double) a[i] - b[i]);
			l1 += fabsl((long double) a[i] - b[i]);
		}
		CHECK(fabsl(float_array_sum_squares(a, n) - squares) <=
				  squares * 1e-14,
			  "n %d", n);
		CHECK(fabsl(float_array_l2sq(a, b, n) - l2sq) <= l2sq * 1e-14, "n %d",
			  n);
		CHECK(fabsl(float_array_l1(a, b, n) - l1) <= l1 * 1e-14, "n %d", n);
		CHECK(fabsl(float_array_dot(a, b, n) - dot) <=
				  l2sq * 1e-13 + squares * 1e-13,
			  "n %d", n);
	}
}

/* A random array of small integers, half of them zero, and its sparse form. */
typedef struct Both
{
	float dense[MAX_DIM];
	int32 index[MAX_DIM];
	float value[MAX_DIM];
	int	  dim;
} Both;

static SparseArray
random_both(Both *both, int dim)
{
	SparseArray array = {both->index, both->value, 0};

	both->dim = dim;
	for (int i = 0; i < dim; i++)
	{
		both->dense[i] = (float) ((int) (random_bits() % 5) - 2);
		if (random_bits() % 2 == 0)
			both->dense[i] = 0;
		if (both->dense[i] != 0)
		{
			both->index[array.count] = i;
			both->value[array.count++] = both->dense[i];
		}
	}
	return array;
}

static void
test_sparse_as_dense(void)
{
	for (int round = 0; round < 200000; round++)
	{
		Both a;
		Both b;
		int	 a_dim = 1 + (int) (random_bits() % (round % 2 ? 4 : 40));
		int	 b_dim = round % 3 == 0 ? a_dim : 1 + (int) (random_bits() % 40);
		SparseArray sparse_a = random_both(&a, a_dim);
		SparseArray sparse_b = random_both(&b, b_dim);
		int			expected;

		/* often the same up to some place */
		if (round % 4 == 0)
		{
			int same = Min(a_dim, b_dim);

			b = a;
			b.dim = b_dim;
			sparse_b.count = 0;
			same = (int) (random_bits() % (same + 1));
			for (int i = 0; i < b_dim; i++)
			{
				if (i >= same)
					b.dense[i] = (float) (random_bits() % 2);
				if (b.dense[i] != 0)
				{
					b.index[sparse_b.count] = i;
					b.value[sparse_b.count++] = b.dense[i];
				}
			}
		}

		expected = float_array_compare(a.dense, a_dim, b.dense, b_dim);
		CHECK(sparse_array_compare(&sparse_a, a_dim, &sparse_b, b_dim) ==
				  expected,
			  "dims %d %d, expected %d", a_dim, b_dim, expected);
		CHECK(sparse_array_compare(&sparse_b, b_dim, &sparse_a, a_dim) ==
				  -expected,
			  "dims %d %d, expected %d", b_dim, a_dim, -expected);
		if (a_dim != b_dim)
			continue;
		CHECK(sparse_array_dot(&sparse_a, &sparse_b) ==
				  float_array_dot(a.dense, b.dense, a_dim),
			  "dim %d", a_dim);
		CHECK(sparse_array_l2sq(&sparse_a, &sparse_b) ==
				  float_array_l2sq(a.dense, b.dense, a_dim),
			  "dim %d", a_dim);
		CHECK(sparse_array_l1(&sparse_a, &sparse_b) ==
				  float_array_l1(a.dense, b.dense, a_dim),
			  "dim %d", a_dim);
	}
}

static void
test_sparse_check(void)
{
	static const struct
	{
		int32		 index[3];
		SparseStatus status;
	} cases[] = {{{0, 1, 2}, SPARSE_OK},
				 {{0, 5, 9}, SPARSE_OK},
				 {{-1, 5, 9}, SPARSE_INDEX_OUT_OF_BOUNDS},
				 {{0, 5, 10}, SPARSE_INDEX_OUT_OF_BOUNDS},
				 {{0, PG_INT32_MIN, 9}, SPARSE_INDEX_OUT_OF_BOUNDS},
				 {{5, 4, 9}, SPARSE_NOT_ASCENDING},
				 {{4, 4, 9}, SPARSE_DUPLICATE},
				 {{4, 9, 9}, SPARSE_DUPLICATE}};

	for (int i = 0; i < (int) lengthof(cases); i++)
		CHECK(sparse_array_check(cases[i].index, 3, 10) == cases[i].status,
			  "case %d", i);
	CHECK(sparse_array_check(cases[2].index, 0, 10) == SPARSE_OK, "empty");
}

void
array_tests(void)
{
	run_group("limits of elements", test_limits);
	run_group("sums in double precision", test_sums);
	run_group("sparse arrays are the dense ones", test_sparse_as_dense);
	run_group("indexes of sparse arrays", test_sparse_check);
}
