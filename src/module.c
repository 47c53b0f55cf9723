/*
 * module.c
 *		What happens when the library is loaded.
 *
 * Modules register what they have: settings, options, the choice of kernels.
 * The setting for the kernels is here, because it belongs to distance, which
 * knows nothing of settings.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "base/settings.h"
#include "distance/distance.h"
#include "hnsw/hnsw.h"
#include "index/unread_distance.h"
#include "ivfflat/ivf.h"

MODULE_MAGIC("vector", "1.0.0");

PGDLLEXPORT void _PG_init(void);

static char *instruction_set;

/* Every name that some build knows. */
static const char *const instruction_sets[] = {"auto",		 "baseline",
											   "avx2",		 "avx512",
											   "avx512vnni", "avx512popcnt",
											   "neon"};

static bool
check_instruction_set(char **value, void **extra, GucSource source)
{
	StringInfoData available;

	if (distance_available(*value))
		return true;

	initStringInfo(&available);
	for (int i = 0; i < lengthof(instruction_sets); i++)
	{
		if (distance_available(instruction_sets[i]))
			appendStringInfo(&available, "%s%s", available.len > 0 ? ", " : "",
							 instruction_sets[i]);
	}
	GUC_check_errhint("Available values: %s.", available.data);
	return false;
}

static void
assign_instruction_set(const char *value, void *extra)
{
	distance_select(value);
}

/*
 * Any user may set it: all choices compute the same up to rounding, and only
 * for the session.
 */
static void
instruction_set_init(void)
{
	DefineCustomStringVariable(
		"vector.instruction_set",
		"CPU instructions that distances are computed with.",
		"\"auto\" is the best that this CPU has; "
		"the others are for tests and diagnosis.",
		&instruction_set, "auto", PGC_USERSET, GUC_NOT_IN_SAMPLE,
		check_instruction_set, assign_instruction_set, NULL);
	MarkGUCPrefixReserved("vector");
}

void
_PG_init(void)
{
	distance_init();
	settings_init();
	instruction_set_init();
	hnsw_options_init();
	ivf_options_init();
	unread_distance_init();
}
