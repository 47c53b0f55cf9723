/*
 * module.c
 *		An extension that works with the values of vector, as others do that
 *		are built against its installed headers.
 *
 * Each of the other files includes one of the headers and no more than it
 * needs, so a header that cannot stand alone does not compile here.
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;
