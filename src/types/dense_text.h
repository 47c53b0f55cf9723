/*
 * dense_text.h
 *		The text form [x,y,...] of vector and halfvec.
 */
#ifndef DENSE_TEXT_H
#define DENSE_TEXT_H

#include "types/element_text.h"

/*
 * dense_text_parse -- read text into x, which has room for type->max_dim
 * elements, and their number into *dim.
 *
 * All elements are below type->limit.  Returns false and sets *error if the
 * text is not a vector of at least one element.
 */
extern bool dense_text_parse(const VectorType *type, const char *text,
							 float *x, int *dim, TextError *error);

/* Room that the text of n elements needs, with brackets and zero byte. */
#define DENSE_TEXT_SIZE(n) \
	((Size) (n) * (NUMBER_MAX_CHARS + 1) + 2 + NUMBER_PRINT_ROOM)

#endif /* DENSE_TEXT_H */
