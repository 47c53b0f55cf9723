/*
 * dense_text.c
 *		The text form [x,y,...] of vector and halfvec.
 *
 * This is the hot path of every client that sends or reads text.
 */
#include "c.h"

#include "types/dense_text.h"

static pg_noinline bool
text_error(TextStatus status, TextError *error)
{
	error->status = status;
	return false;
}

static pg_noinline bool
dimensions_error(int64 dim, TextError *error)
{
	error->dim = dim;
	return text_error(TEXT_DIMENSIONS, error);
}

bool
dense_text_parse(const VectorType *type, const char *text, float *x, int *dim,
				 TextError *error)
{
	const char *end = text + strlen(text);
	const char *p = skip_space(text);
	int			count = 0;

	if (*p != '[')
		return text_error(TEXT_BAD_START, error);
	p = skip_space(p + 1);
	if (*p == ']')
		return dimensions_error(0, error);

	for (;;)
	{
		NumberStatus status;

		p = skip_space(p);
		if (unlikely(count == type->max_dim))
			return dimensions_error((int64) count + 1, error);
		if (!element_parse(type, &p, end, &x[count], &status, error))
			return false;
		count++;

		if (*p != ',')
			p = skip_space(p);
		if (*p == ',')
			p++;
		else if (*p == ']')
			break;
		else
			return text_error(TEXT_SYNTAX, error);
	}

	p = skip_space(p + 1);
	if (*p != '\0')
		return text_error(TEXT_JUNK, error);
	*dim = count;
	return true;
}
