/*
 * element_text.h
 *		One element of a vector in its text form, and what can be wrong with
 *		the text of a vector.
 *
 * The parsers know nothing of PostgreSQL beyond c.h: they return a TextError,
 * which report_text_error (type_checks.h) makes an error of.
 */
#ifndef ELEMENT_TEXT_H
#define ELEMENT_TEXT_H

#include "types/half_rounding.h"
#include "types/number_io.h"
#include "types/vector_type.h"

typedef enum TextStatus
{
	TEXT_OK,
	TEXT_SYNTAX,
	TEXT_BAD_START,			  /* syntax: no opening bracket */
	TEXT_UNEXPECTED_END,	  /* syntax: sparse, no slash */
	TEXT_JUNK,				  /* syntax: dense, after the end */
	TEXT_JUNK_AFTER_DIM,	  /* syntax: sparse, after the end */
	TEXT_NUMBER_OUT_OF_RANGE, /* see number */
	TEXT_NAN,
	TEXT_INFINITE,
	TEXT_DIMENSIONS,		/* see dim: not within 1 to max_dim */
	TEXT_TOO_MANY_ELEMENTS, /* sparse */
	TEXT_INDEX_OUT_OF_BOUNDS
} TextStatus;

typedef struct TextError
{
	TextStatus	status;
	const char *number; /* a part of the text */
	int			number_bytes;
	int64		dim;
} TextError;

/* white space of the C locale */
static inline const char *
skip_space(const char *p)
{
	while (unlikely(*p == ' ' || (*p >= '\t' && *p <= '\r')))
		p++;
	return p;
}

/* What is wrong with the element that ends at `end`; returns false. */
extern bool element_text_error(const char *p, const char *end, float value,
							   NumberStatus status, TextError *error);

/*
 * element_parse -- read the element at *p, rounded once to what the type
 * stores, and move *p behind it.
 *
 * Text ends at `end` with a zero byte.  On NUMBER_UNDERFLOW the value is zero,
 * which is for the caller to accept.  Returns false and sets *error if there
 * is no number, or one that is not finite as an element.
 */
static inline bool
element_parse(const VectorType *type, const char **p, const char *end,
			  float *value, NumberStatus *status, TextError *error)
{
	const char *start = *p;

	*p = number_parse_float(start, end, value, status);
	if (type->element_bytes == sizeof(half) && unlikely(half_is_tie(*value)))
		*value = number_parse_to_odd(start);
	if (unlikely(*status == NUMBER_INVALID || !(fabsf(*value) < type->limit)))
		return element_text_error(start, *p, *value, *status, error);
	return true;
}

#endif /* ELEMENT_TEXT_H */
