/*
 * soft_error.h
 *		Errors of input functions, soft where the server knows such.
 *
 * From PostgreSQL 16 on a caller can ask an input function to report bad input
 * instead of raising it (pg_input_is_valid, COPY ... ON_ERROR).  Earlier
 * servers get the plain error; context is always NULL there.
 */
#ifndef SOFT_ERROR_H
#define SOFT_ERROR_H

#ifndef ereturn
#define ereturn(context, dummy_value, ...) \
	do                                     \
	{                                      \
		(void) (context);                  \
		ereport(ERROR, __VA_ARGS__);       \
		return dummy_value;                \
	} while (0)
#endif

#endif /* SOFT_ERROR_H */
