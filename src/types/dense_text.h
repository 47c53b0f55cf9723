/*
 * dense_text.h
 *		The text form [x,y,...] of vector and halfvec.
 */
#ifndef DENSE_TEXT_H
#define DENSE_TEXT_H

#include "types/number_io.h"
#include "types/type_checks.h"

/*
 * dense_text_parse -- read text into x, which has room for type->max_dim
 * elements, and their number into *dim.
 *
 * All elements are finite.  Returns false after a soft error.  Raises errors
 * of syntax (22P02), range (22003), value or missing dimensions (22000) and
 * too many of them (54000).
 */
extern bool dense_text_parse(const VectorType *type, const char *text,
							 float *x, int *dim, Node *context);

/* Room that the text of n elements needs, with brackets and zero byte. */
#define DENSE_TEXT_SIZE(n) \
	((Size) (n) * (NUMBER_MAX_CHARS + 1) + 2 + NUMBER_PRINT_ROOM)

/*
 * dense_text_print_elements -- write n elements with commas between them at p;
 * return the position after them.
 */
extern char *dense_text_print_elements(char *p, const float *x, int n);

#endif /* DENSE_TEXT_H */
