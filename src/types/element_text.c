/*
 * element_text.c
 *		What is wrong with an element in its text form.
 */
#include "c.h"

#include "types/element_text.h"

bool
element_text_error(const char *p, const char *end, float value,
				   NumberStatus status, TextError *error)
{
	if (status == NUMBER_INVALID)
		error->status = TEXT_SYNTAX;
	else if (isnan(value))
		error->status = TEXT_NAN;
	else if (isinf(value) && status == NUMBER_OK)
		error->status = TEXT_INFINITE; /* that is what the text says */
	else
	{
		error->status = TEXT_NUMBER_OUT_OF_RANGE;
		error->number = p;
		error->number_bytes = (int) (end - p);
	}
	return false;
}
