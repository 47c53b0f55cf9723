/*
 * fuzz_sparse_text.c
 *		The text form of sparsevec, compared with a reader that is made of
 *		strtold and strtoll; then the order of indexes, as the input function
 *		makes and checks it.
 */
#include "oracle.h"

#include <errno.h>
#include <math.h>

#include "types/sparse_array.h"
#include "types/sparse_text.h"

#define MAX_DIM	  1000
#define MAX_COUNT 20

static const VectorType sparse_type = {"sparse", MAX_DIM, 0, INFINITY};

/* Integers out of the range of int32 are only known to be so. */
static bool
oracle_integer(const char **p, int64 *value)
{
	char *end;

	if (**p == ' ' || (**p >= '\t' && **p <= '\r'))
		return false;
	*value = strtoll(*p, &end, 10);
	if (end == *p)
		return false;
	*p = end;
	return true;
}

/* Reads the text as the parser should; false if it should not. */
static bool
oracle_sparse(const char *p, SparseText *sparse)
{
	bool  in_bounds = true;
	int64 dim;
	int64 indexes[MAX_COUNT];

	sparse->count = 0;
	p = skip_space(p);
	if (*p++ != '{')
		return false;
	p = skip_space(p);
	if (*p == '}')
		p++;
	else
	{
		do
		{
			int64		 index;
			double		 value;
			NumberStatus status;

			p = skip_space(p);
			if (!oracle_integer(&p, &index))
				return false;
			p = skip_space(p);
			if (*p++ != ':')
				return false;
			p = skip_space(p);
			if (!oracle_element(&sparse_type, &p, &value, &status) ||
				status == NUMBER_UNDERFLOW)
				return false;
			if (value != 0)
			{
				if (sparse->count == sparse->room)
					return false;
				indexes[sparse->count] = index;
				sparse->elements[sparse->count].value = (float) value;
				sparse->count++;
			}
			p = skip_space(p);
		} while (*p++ == ',');
		if (p[-1] != '}')
			return false;
	}
	p = skip_space(p);
	if (*p++ != '/')
		return false;
	p = skip_space(p);
	if (!oracle_integer(&p, &dim) || *skip_space(p) != '\0')
		return false;
	for (int i = 0; i < sparse->count; i++)
	{
		in_bounds &= indexes[i] >= 1 && indexes[i] <= dim;
		sparse->elements[i].index = in_bounds ? (int32) (indexes[i] - 1) : 0;
	}
	sparse->dim = (int) dim;
	return dim >= 1 && dim <= MAX_DIM && in_bounds;
}

static int
compare_elements(const void *a, const void *b)
{
	return ((const SparseElement *) a)->index -
		   ((const SparseElement *) b)->index;
}

static void
check_order_and_round_trip(SparseText *sparse)
{
	int			 n = sparse->count;
	int32		*index = malloc(sizeof(int32) * (n + 1));
	float		*value = malloc(sizeof(float) * (n + 1));
	bool		 duplicate = false;
	SparseStatus status;

	qsort(sparse->elements, n, sizeof(SparseElement), compare_elements);
	for (int i = 0; i < n; i++)
	{
		index[i] = sparse->elements[i].index;
		value[i] = sparse->elements[i].value;
		duplicate |= i > 0 && index[i] == index[i - 1];
	}
	status = sparse_array_check(index, n, sparse->dim);
	REQUIRE(status == (duplicate ? SPARSE_DUPLICATE : SPARSE_OK), "%d",
			status);

	if (!duplicate)
	{
		char		 *text = malloc(SPARSE_TEXT_SIZE(n));
		SparseElement elements[MAX_COUNT];
		SparseText	  back = {elements, MAX_COUNT};
		TextError	  error;

		sparse_text_print(text, index, value, n, sparse->dim);
		REQUIRE(sparse_text_max_count(text) == n, "%s", text);
		REQUIRE(sparse_text_parse(&sparse_type, text, &back, &error), "%s",
				text);
		REQUIRE(back.count == n && back.dim == sparse->dim &&
					memcmp(elements, sparse->elements,
						   sizeof(SparseElement) * n) == 0,
				"%s", text);
		free(text);
	}
	free(index);
	free(value);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char		 *text = input_text(data, size);
	int			  room = Min(sparse_text_max_count(text), MAX_COUNT);
	SparseElement expected_elements[MAX_COUNT];
	SparseText	  expected = {expected_elements, room};
	SparseText	  sparse = {malloc(sizeof(SparseElement) * room), room};
	TextError	  error = {TEXT_OK};
	bool		  should = oracle_sparse(text, &expected);
	bool		  ok = sparse_text_parse(&sparse_type, text, &sparse, &error);

	REQUIRE(ok == should, "\"%s\": %d", text, error.status);
	if (ok)
	{
		REQUIRE(sparse.count == expected.count && sparse.dim == expected.dim,
				"\"%s\": %d of %d elements", text, sparse.count, sparse.dim);
		for (int i = 0; i < sparse.count; i++)
			REQUIRE(sparse.elements[i].index == expected_elements[i].index &&
						sparse.elements[i].value == expected_elements[i].value,
					"\"%s\": element %d", text, i);
		check_order_and_round_trip(&sparse);
	}
	else
		REQUIRE(error.status != TEXT_OK, "\"%s\"", text);
	free(sparse.elements);
	free(text);
	return 0;
}
