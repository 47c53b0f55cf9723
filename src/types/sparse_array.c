/*
 * sparse_array.c
 *		Checks, comparison and sums on raw sparse arrays.
 */
#include "c.h"

#include <math.h>

#include "types/sparse_array.h"

SparseStatus
sparse_array_check(const int32 *index, uint32 count, int dim)
{
	for (uint32 i = 0; i < count; i++)
	{
		if (index[i] < 0 || index[i] >= dim)
			return SPARSE_INDEX_OUT_OF_BOUNDS;
		if (i > 0 && index[i] < index[i - 1])
			return SPARSE_NOT_ASCENDING;
		if (i > 0 && index[i] == index[i - 1])
			return SPARSE_DUPLICATE;
	}
	return SPARSE_OK;
}

int
sparse_array_compare(const SparseArray *a, int a_dim, const SparseArray *b,
					 int b_dim)
{
	uint32 n = Min(a->count, b->count);
	uint32 i = 0;
	int	   dim = Min(a_dim, b_dim);
	int	   a_index;
	int	   b_index;

	while (i < n && a->index[i] == b->index[i] && a->value[i] == b->value[i])
		i++;

	/* beyond the elements of both there are zeros */
	a_index = i < a->count ? a->index[i] : dim;
	b_index = i < b->count ? b->index[i] : dim;
	if (Min(a_index, b_index) < dim)
	{
		float a_value = a_index <= b_index ? a->value[i] : 0;
		float b_value = b_index <= a_index ? b->value[i] : 0;

		return a_value < b_value ? -1 : 1;
	}
	return (a_dim > b_dim) - (a_dim < b_dim);
}

/* Add up TERM(x, y) over all elements that are not zero in both. */
#define MERGE(TERM)                                                    \
	do                                                                 \
	{                                                                  \
		double sum = 0;                                                \
		uint32 i = 0;                                                  \
		uint32 j = 0;                                                  \
                                                                       \
		while (i < a->count || j < b->count)                           \
		{                                                              \
			bool use_a = j >= b->count ||                              \
						 (i < a->count && a->index[i] <= b->index[j]); \
			bool use_b = i >= a->count ||                              \
						 (j < b->count && b->index[j] <= a->index[i]); \
			double x = use_a ? a->value[i] : 0;                        \
			double y = use_b ? b->value[j] : 0;                        \
                                                                       \
			sum += TERM(x, y);                                         \
			i += use_a;                                                \
			j += use_b;                                                \
		}                                                              \
		return sum;                                                    \
	} while (0)

#define PRODUCT(x, y)			  ((x) * (y))
#define SQUARED_DIFFERENCE(x, y)  (((x) - (y)) * ((x) - (y)))
#define ABSOLUTE_DIFFERENCE(x, y) fabs((x) - (y))

double
sparse_array_dot(const SparseArray *a, const SparseArray *b)
{
	MERGE(PRODUCT);
}

double
sparse_array_l2sq(const SparseArray *a, const SparseArray *b)
{
	MERGE(SQUARED_DIFFERENCE);
}

double
sparse_array_l1(const SparseArray *a, const SparseArray *b)
{
	MERGE(ABSOLUTE_DIFFERENCE);
}
