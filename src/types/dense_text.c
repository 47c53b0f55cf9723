/*
 * dense_text.c
 *		The text form [x,y,...] of vector and halfvec.
 *
 * This is the hot path of every client that sends or reads text.  Errors leave
 * the loop early and are made up at its end.
 */
#include "postgres.h"

#include <math.h>

#include "base/compat.h"
#include "types/dense_text.h"
#include "types/soft_error.h"

/* white space of the C locale */
static inline bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline const char *
skip_space(const char *p)
{
	while (unlikely(is_space(*p)))
		p++;
	return p;
}

static pg_noinline bool
syntax_error(const VectorType *type, const char *text, const char *detail,
			 Node *context)
{
	ereturn(context, false,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"", type->name,
					text),
			 detail != NULL ? errdetail_internal("%s", detail) : 0));
}

static pg_noinline bool
range_error(const VectorType *type, const char *number, const char *end,
			Node *context)
{
	ereturn(context, false,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("\"%s\" is out of range for type %s",
					pnstrdup(number, end - number), type->name)));
}

bool
dense_text_parse(const VectorType *type, const char *text, float *x, int *dim,
				 Node *context)
{
	const char *end = text + strlen(text);
	const char *p = skip_space(text);
	int			count = 0;

	if (*p != '[')
		return syntax_error(type, text,
							"Vector contents must start with \"[\".", context);
	p = skip_space(p + 1);
	if (*p == ']')
		return check_dim(type, 0, context);

	for (;;)
	{
		const char	*number = skip_space(p);
		NumberStatus status;
		float		 value;

		if (unlikely(count == type->max_dim))
			return check_dim(type, (int64) count + 1, context);

		p = number_parse_float(number, end, &value, &status);
		if (unlikely(status == NUMBER_INVALID))
			return syntax_error(type, text, NULL, context);
		if (unlikely(status == NUMBER_OVERFLOW))
			return range_error(type, number, p, context);
		if (unlikely(!isfinite(value)))
			return check_element(type, value, context);
		x[count++] = value;

		if (*p != ',')
			p = skip_space(p);
		if (*p == ',')
			p++;
		else if (*p == ']')
			break;
		else
			return syntax_error(type, text, NULL, context);
	}

	p = skip_space(p + 1);
	if (*p != '\0')
		return syntax_error(type, text, "Junk after closing right brace.",
							context);
	*dim = count;
	return true;
}

char *
dense_text_print_elements(char *p, const float *x, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			*p++ = ',';
		p += number_print_float(x[i], p);
	}
	return p;
}
