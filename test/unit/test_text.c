/*
 * test_text.c
 *		The parsers and printers of the text forms, without a server.
 *
 * Texts lie at the end of an allocation, so that a sanitizer sees reads beyond
 * them.
 */
#include "c.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "distance/distance.h"
#include "types/dense_text.h"
#include "types/sparse_text.h"

#define MAX_DIM 60

static const VectorType float_type = {"float", MAX_DIM, sizeof(float),
									  INFINITY};
static const VectorType half_type = {"half", MAX_DIM, sizeof(half),
									 HALF_LIMIT};
static const VectorType sparse_type = {"sparse", 1000, 0, INFINITY};

/* Random texts are made of these. */
static const char *const pieces[] = {
	"[",	 "]",	  "{",	  "}",			",",   ",",
	":",	 "/",	  " ",	  "\t",			"-",   "+",
	"1",	 "2",	  "0",	  "9",			".",   "e",
	"e-40",	 "e40",	  "0x",	  "p",			"nan", "inf",
	"1e-46", "65520", "2049", "2147483648", "7",   "12345678901234567890",
	"x"};

static char *
random_text(const char *first)
{
	char text[800];
	int	 n = (int) (random_bits() % 40);

	strcpy(text, random_bits() % 8 == 0 ? "" : first);
	for (int i = 0; i < n; i++)
		strcat(text, pieces[random_bits() % lengthof(pieces)]);
	return strcpy(malloc(strlen(text) + 1), text);
}

static TextStatus
dense_status(const VectorType *type, const char *text, float *x, int *dim)
{
	TextError error;

	return dense_text_parse(type, text, x, dim, &error) ? TEXT_OK
														: error.status;
}

static void
test_dense_statuses(void)
{
	static const struct
	{
		const char *text;
		TextStatus	status;
	} cases[] = {{"[1,2]", TEXT_OK},	{" [ 1 , -2e3 ] ", TEXT_OK},
				 {"", TEXT_BAD_START},	{"1", TEXT_BAD_START},
				 {"[", TEXT_SYNTAX},	{"[]", TEXT_DIMENSIONS},
				 {"[1,]", TEXT_SYNTAX}, {"[1 2]", TEXT_SYNTAX},
				 {"[1]x", TEXT_JUNK},	{"[1e39]", TEXT_NUMBER_OUT_OF_RANGE},
				 {"[nan]", TEXT_NAN},	{"[-inf]", TEXT_INFINITE}};
	float x[MAX_DIM];
	int	  dim;

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		CHECK(dense_status(&float_type, cases[i].text, x, &dim) ==
				  cases[i].status,
			  "\"%s\"", cases[i].text);
		CHECK(dense_status(&half_type, cases[i].text, x, &dim) ==
				  cases[i].status,
			  "\"%s\"", cases[i].text);
	}
	CHECK(dense_status(&float_type, "[65520]", x, &dim) == TEXT_OK, "float");
	CHECK(dense_status(&half_type, "[65520]", x, &dim) ==
			  TEXT_NUMBER_OUT_OF_RANGE,
		  "half");
	CHECK(dense_status(&half_type, "[65519.99999999999999]", x, &dim) ==
			  TEXT_OK,
		  "half");
}

/* Whatever the text: no reads beyond it, and finite elements if it is taken. */
static void
test_dense_random(void)
{
	int accepted = 0;

	for (int i = 0; i < 300000; i++)
	{
		const VectorType *type = i % 2 == 0 ? &float_type : &half_type;
		char			 *text = random_text("[1");
		float			  x[MAX_DIM];
		int				  dim = 0;

		if (dense_status(type, text, x, &dim) == TEXT_OK)
		{
			accepted++;
			CHECK(dim >= 1 && dim <= MAX_DIM, "\"%s\": dim %d", text, dim);
			for (int j = 0; j < dim; j++)
				CHECK(fabsf(x[j]) < type->limit, "\"%s\": %.9g", text, x[j]);
		}
		free(text);
	}
	CHECK(accepted > 100, "%d accepted", accepted);
}

static void
test_dense_round_trip(void)
{
	for (int round = 0; round < 20000; round++)
	{
		int	  n = 1 + (int) (random_bits() % MAX_DIM);
		float x[MAX_DIM];
		float back[MAX_DIM];
		char *text = malloc(DENSE_TEXT_SIZE(n));
		char *p = text;
		int	  dim = 0;

		for (int i = 0; i < n; i++)
		{
			uint32 bits = (uint32) random_bits();

			memcpy(&x[i], &bits, sizeof(bits));
			if (!isfinite(x[i]) || round % 3 == 0)
				x[i] = (float) (int) (bits % 20000) / 100;
		}
		*p++ = '[';
		p = number_print_list(p, x, n);
		p[-1] = ']';
		*p = '\0';
		CHECK(p - text < (ptrdiff_t) DENSE_TEXT_SIZE(n), "%s", text);
		CHECK(dense_status(&float_type, text, back, &dim) == TEXT_OK &&
				  dim == n && memcmp(x, back, sizeof(float) * n) == 0,
			  "%s", text);
		free(text);
	}
}

/*
 * A half is what is next to the number as it is written, by way of the double
 * next to it, in which digits are far behind the last bit of a half.
 */
static void
test_half_rounding(void)
{
	for (int round = 0; round < 300000; round++)
	{
		uint16		 bits = (uint16) (random_bits() % 0x7bff);
		uint16		 halves[2] = {bits, bits + 1};
		float		 floats[2];
		int			 choice = (int) (random_bits() % 3);
		char		 text[100];
		const char	*p = text;
		double		 middle;
		float		 value;
		uint16		 half;
		uint16		 expected;
		NumberStatus status;
		TextError	 error;

		distance_kernels->f16_to_f32(halves, floats, 2);
		middle = ((double) floats[0] + floats[1]) / 2;

		/* exact digits of the middle, and more or less in the 60th place */
		snprintf(text, sizeof(text), "%.50f", middle);
		if (choice == 1)
			strcat(text, "0000000001");
		else if (choice == 2)
		{
			char *digit = text + strlen(text) - 1;

			for (; *digit == '0' || *digit == '.'; digit--)
				*digit = *digit == '0' ? '9' : '.';
			(*digit)--;
		}
		expected = choice == 0 ? bits + (bits & 1)
							   : (choice == 1 ? bits + 1 : bits);

		CHECK(element_parse(&half_type, &p, text + strlen(text), &value,
							&status, &error),
			  "%s", text);
		distance_kernels->f32_to_f16(&value, &half, 1);
		CHECK(half == expected, "%s: %04x, not %04x", text, half, expected);

		value = double_to_odd(choice == 0
								  ? middle
								  : (choice == 1 ? nextafter(middle, 1e6)
												 : nextafter(middle, 0)));
		distance_kernels->f32_to_f16(&value, &half, 1);
		CHECK(half == expected, "double next to %s: %04x, not %04x", text,
			  half, expected);
	}
}

static void
test_sparse_statuses(void)
{
	static const struct
	{
		const char *text;
		TextStatus	status;
	} cases[] = {{"{}/3", TEXT_OK},
				 {" { 2 : 1 , 1 : 0x1p3 } / 3 ", TEXT_OK},
				 {"{9:0}/3", TEXT_OK},
				 {"", TEXT_BAD_START},
				 {"[1]", TEXT_BAD_START},
				 {"{", TEXT_SYNTAX},
				 {"{1:1,}/3", TEXT_SYNTAX},
				 {"{1:1}", TEXT_UNEXPECTED_END},
				 {"{1:1}/", TEXT_SYNTAX},
				 {"{1:1}/3x", TEXT_JUNK_AFTER_DIM},
				 {"{1:1e39}/3", TEXT_NUMBER_OUT_OF_RANGE},
				 {"{1:1e-46}/3", TEXT_NUMBER_OUT_OF_RANGE},
				 {"{1:nan}/3", TEXT_NAN},
				 {"{1:inf}/3", TEXT_INFINITE},
				 {"{}/0", TEXT_DIMENSIONS},
				 {"{}/1001", TEXT_DIMENSIONS},
				 {"{0:1}/3", TEXT_INDEX_OUT_OF_BOUNDS},
				 {"{4:1}/3", TEXT_INDEX_OUT_OF_BOUNDS},
				 {"{1:1,2:1,3:1}/3", TEXT_TOO_MANY_ELEMENTS}};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		SparseElement elements[2];
		SparseText	  sparse = {elements, lengthof(elements)};
		TextError	  error = {TEXT_OK};
		bool ok = sparse_text_parse(&sparse_type, cases[i].text, &sparse,
									&error);

		CHECK(error.status == cases[i].status &&
				  ok == (error.status == TEXT_OK),
			  "\"%s\": %d", cases[i].text, error.status);
	}
}

static void
test_sparse_random(void)
{
	int accepted = 0;

	for (int i = 0; i < 300000; i++)
	{
		char	  *text = random_text("{1:1");
		SparseText sparse;
		TextError  error;

		/* most texts are not closed by chance */
		if (i % 2 == 0)
		{
			text = realloc(text, strlen(text) + 8);
			strcat(text, "}/999");
		}
		sparse.room = sparse_text_max_count(text);
		sparse.elements = malloc(sizeof(SparseElement) * sparse.room);
		if (sparse_text_parse(&sparse_type, text, &sparse, &error))
		{
			accepted++;
			CHECK(sparse.dim >= 1 && sparse.dim <= 1000, "\"%s\"", text);
			for (int j = 0; j < sparse.count; j++)
			{
				SparseElement element = sparse.elements[j];

				CHECK(element.index >= 0 && element.index < sparse.dim &&
						  isfinite(element.value) && element.value != 0,
					  "\"%s\"", text);
			}
		}
		free(sparse.elements);
		free(text);
	}
	CHECK(accepted > 100, "%d accepted", accepted);
}

static void
test_sparse_round_trip(void)
{
	for (int round = 0; round < 20000; round++)
	{
		int32		  index[MAX_DIM];
		float		  value[MAX_DIM];
		SparseElement elements[MAX_DIM];
		SparseText	  sparse = {elements, MAX_DIM};
		TextError	  error;
		int			  n = (int) (random_bits() % MAX_DIM);
		char		 *text = malloc(SPARSE_TEXT_SIZE(n));
		bool		  same;

		for (int i = 0; i < n; i++)
		{
			uint32 bits = (uint32) random_bits();

			index[i] = (i > 0 ? index[i - 1] + 1 : 0) + (int32) (bits % 9);
			memcpy(&value[i], &bits, sizeof(bits));
			if (!isfinite(value[i]) || value[i] == 0)
				value[i] = 1;
		}
		sparse_text_print(text, index, value, n, 1000);
		same = sparse_text_parse(&sparse_type, text, &sparse, &error) &&
			   sparse.count == n && sparse.dim == 1000;
		for (int i = 0; same && i < n; i++)
			same = elements[i].index == index[i] &&
				   elements[i].value == value[i];
		CHECK(same, "%s", text);
		free(text);
	}
}

void
text_tests(void)
{
	run_group("dense text: what is wrong with it", test_dense_statuses);
	run_group("dense text: random characters", test_dense_random);
	run_group("dense text: written and read back", test_dense_round_trip);
	run_group("halves are rounded once", test_half_rounding);
	run_group("sparse text: what is wrong with it", test_sparse_statuses);
	run_group("sparse text: random characters", test_sparse_random);
	run_group("sparse text: written and read back", test_sparse_round_trip);
}
