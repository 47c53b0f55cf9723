/*
 * sparse_text.c
 *		The text form {i:x,j:y,...}/dim of sparsevec.
 */
#include "c.h"

#include "types/sparse_text.h"

static bool
text_error(TextStatus status, TextError *error)
{
	error->status = status;
	return false;
}

/*
 * integer_parse -- read a decimal integer with an optional sign.
 *
 * Returns the position after it, or p if there is none.  Larger magnitudes
 * than int32 holds are not told apart.
 */
static const char *
integer_parse(const char *p, int64 *value)
{
	const char *digit = p;
	bool		negative = false;
	int64		result = 0;

	if (*digit == '+' || *digit == '-')
		negative = *digit++ == '-';
	if (*digit < '0' || *digit > '9')
		return p;
	for (; *digit >= '0' && *digit <= '9'; digit++)
	{
		if (result <= PG_INT32_MAX)
			result = result * 10 + (*digit - '0');
	}
	*value = negative ? -result : result;
	return digit;
}

int
sparse_text_max_count(const char *text)
{
	int count = 0;

	for (const char *p = text; *p != '\0'; p++)
		count += *p == ':';
	return count;
}

/*
 * parse_elements -- read what is between the braces, and the closing one.
 *
 * [*lowest, *highest] are the indexes in use, counted from 1.  Returns NULL
 * after an error.
 */
static const char *
parse_elements(const VectorType *type, const char *p, const char *end,
			   SparseText *sparse, int64 *lowest, int64 *highest,
			   TextError *error)
{
	for (;;)
	{
		const char	*start = skip_space(p);
		NumberStatus status;
		int64		 index;
		float		 value;

		p = integer_parse(start, &index);
		if (p == start)
			break;
		p = skip_space(p);
		if (*p != ':')
			break;
		p = start = skip_space(p + 1);
		if (!element_parse(type, &p, end, &value, &status, error))
			return NULL;
		if (status == NUMBER_UNDERFLOW)
		{
			/* unlike in a dense vector, it would vanish */
			error->number = start;
			error->number_bytes = (int) (p - start);
			text_error(TEXT_NUMBER_OUT_OF_RANGE, error);
			return NULL;
		}

		if (value != 0)
		{
			if (sparse->count == sparse->room)
			{
				text_error(TEXT_TOO_MANY_ELEMENTS, error);
				return NULL;
			}
			*lowest = Min(*lowest, index);
			*highest = Max(*highest, index);
			sparse->elements[sparse->count].index = (int32) (index - 1);
			sparse->elements[sparse->count].value = value;
			sparse->count++;
		}

		p = skip_space(p);
		if (*p == '}')
			return p + 1;
		if (*p != ',')
			break;
		p++;
	}
	text_error(TEXT_SYNTAX, error);
	return NULL;
}

bool
sparse_text_parse(const VectorType *type, const char *text, SparseText *sparse,
				  TextError *error)
{
	const char *end = text + strlen(text);
	const char *p = skip_space(text);
	const char *start;
	int64		lowest = 1;
	int64		highest = 1;
	int64		dim;

	sparse->count = 0;
	if (*p != '{')
		return text_error(TEXT_BAD_START, error);
	p = skip_space(p + 1);
	if (*p == '}')
		p++;
	else
	{
		p = parse_elements(type, p, end, sparse, &lowest, &highest, error);
		if (p == NULL)
			return false;
	}

	p = skip_space(p);
	if (*p != '/')
		return text_error(TEXT_UNEXPECTED_END, error);
	start = skip_space(p + 1);
	p = integer_parse(start, &dim);
	if (p == start)
		return text_error(TEXT_SYNTAX, error);
	p = skip_space(p);
	if (*p != '\0')
		return text_error(TEXT_JUNK_AFTER_DIM, error);

	if (dim < 1 || dim > type->max_dim)
	{
		error->dim = dim;
		return text_error(TEXT_DIMENSIONS, error);
	}
	if (lowest < 1 || highest > dim)
		return text_error(TEXT_INDEX_OUT_OF_BOUNDS, error);
	sparse->dim = (int) dim;
	return true;
}

static char *
print_integer(char *p, uint32 value)
{
	char digits[10];
	int	 n = 0;

	do
	{
		digits[n++] = (char) ('0' + value % 10);
		value /= 10;
	} while (value != 0);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

void
sparse_text_print(char *text, const int32 *index, const float *value, int n,
				  int dim)
{
	char *p = text;

	*p++ = '{';
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			*p++ = ',';
		p = print_integer(p, (uint32) index[i] + 1);
		*p++ = ':';
		p += number_print_float(value[i], p);
	}
	*p++ = '}';
	*p++ = '/';
	p = print_integer(p, (uint32) dim);
	*p = '\0';
}
