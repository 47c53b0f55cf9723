/*
 * fuzz_dense_text.c
 *		The text form of vector and halfvec, compared with a reader that is
 *		made of strtold.
 */
#include "oracle.h"

#include <math.h>

#include "types/dense_text.h"

#define MAX_DIM 40

static const VectorType types[] = {{"float", MAX_DIM, sizeof(float), INFINITY},
								   {"half", MAX_DIM, sizeof(half),
									HALF_LIMIT}};

/* Elements of a vector at p, or 0 if it is none. */
static int
oracle_dense(const VectorType *type, const char *p, double *x)
{
	int			 n = 0;
	NumberStatus status;

	p = skip_space(p);
	if (*p++ != '[')
		return 0;
	do
	{
		p = skip_space(p);
		if (n == type->max_dim || !oracle_element(type, &p, &x[n++], &status))
			return 0;
		p = skip_space(p);
	} while (*p++ == ',');
	if (p[-1] != ']')
		return 0;
	return *skip_space(p) == '\0' ? n : 0;
}

/* Elements as they are stored, written and read back. */
static void
check_round_trip(const VectorType *type, float *x, int dim)
{
	char	 *text = malloc(DENSE_TEXT_SIZE(dim));
	char	 *p = text;
	float	  back[MAX_DIM];
	int		  back_dim;
	TextError error;

	for (int i = 0; i < dim; i++)
		x[i] = (float) element_value(type, x[i]);
	*p++ = '[';
	p = number_print_list(p, x, dim);
	p[-1] = ']';
	*p = '\0';
	REQUIRE(dense_text_parse(type, text, back, &back_dim, &error), "%s", text);
	REQUIRE(back_dim == dim && memcmp(x, back, sizeof(float) * dim) == 0, "%s",
			text);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char *text = input_text(data, size);

	for (int t = 0; t < (int) lengthof(types); t++)
	{
		/* in the heap, so that a write beyond the last one is seen */
		float	 *x = malloc(sizeof(float) * MAX_DIM);
		double	  expected[MAX_DIM];
		int		  dim = 0;
		TextError error = {TEXT_OK};
		int		  expected_dim = oracle_dense(&types[t], text, expected);
		bool	  ok = dense_text_parse(&types[t], text, x, &dim, &error);

		REQUIRE(ok == (expected_dim > 0), "%s \"%s\": %d", types[t].name, text,
				error.status);
		if (ok)
		{
			REQUIRE(dim == expected_dim, "\"%s\": %d elements, not %d", text,
					dim, expected_dim);
			for (int i = 0; i < dim; i++)
				REQUIRE(element_value(&types[t], x[i]) == expected[i],
						"%s \"%s\": %.9g at %d, not %.17g", types[t].name,
						text, x[i], i, expected[i]);
			check_round_trip(&types[t], x, dim);
		}
		else if (error.status == TEXT_NUMBER_OUT_OF_RANGE)
			REQUIRE(error.number >= text && error.number_bytes > 0 &&
						error.number + error.number_bytes <=
							text + strlen(text),
					"\"%s\"", text);
		else if (error.status == TEXT_DIMENSIONS)
			REQUIRE(error.dim == 0 || error.dim == MAX_DIM + 1, "\"%s\"",
					text);
		else
			REQUIRE(error.status != TEXT_OK, "\"%s\"", text);
		free(x);
	}
	free(text);
	return 0;
}
