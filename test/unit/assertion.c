/*
 * assertion.c
 *		What a failed assertion calls, without a server.
 *
 * Declared in c.h, with one argument less since 16.
 */
#include "c.h"

#include <stdlib.h>

/* c.h sends it to libpgport, which not all programs link */
#undef fprintf

void
ExceptionalCondition(const char *condition,
#if PG_VERSION_NUM < 160000
					 const char *type,
#endif
					 const char *file, int line)
{
	fprintf(stderr, "assertion failed: %s, %s:%d\n", condition, file, line);
	abort();
}
