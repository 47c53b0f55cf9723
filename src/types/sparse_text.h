/*
 * sparse_text.h
 *		The text form {i:x,j:y,...}/dim of sparsevec.
 */
#ifndef SPARSE_TEXT_H
#define SPARSE_TEXT_H

#include "types/element_text.h"

/* Indexes count from 0, those of the text from 1. */
typedef struct SparseElement
{
	int32 index;
	float value;
} SparseElement;

typedef struct SparseText
{
	SparseElement *elements; /* none of them zero, in the order of the text */
	int			   room;
	int			   count;
	int			   dim;
} SparseText;

/* The number of elements that text can have at most. */
extern int sparse_text_max_count(const char *text);

/*
 * sparse_text_parse -- read text into sparse->elements, which has sparse->room.
 *
 * Elements of value zero are left out, whatever their index.  All others are
 * finite and have indexes within 0 to dim - 1; they may be in any order, and
 * indexes may repeat.  Returns false and sets *error if that cannot be had.
 */
extern bool sparse_text_parse(const VectorType *type, const char *text,
							  SparseText *sparse, TextError *error);

/* Room that the text of n elements needs. */
#define SPARSE_TEXT_SIZE(n) \
	((Size) (n) * (NUMBER_MAX_CHARS + 12) + 14 + NUMBER_PRINT_ROOM)

/* sparse_text_print -- write the text with a zero byte at its end. */
extern void sparse_text_print(char *text, const int32 *index,
							  const float *value, int n, int dim);

#endif /* SPARSE_TEXT_H */
