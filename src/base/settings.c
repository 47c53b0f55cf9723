/*
 * settings.c
 *		Settings of the extension.
 *
 * Defines them and owns the variables; what they mean is up to the modules
 * that read them.  Any user may change any of them.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "base/settings.h"

int	   hnsw_ef_search = HNSW_DEFAULT_EF_SEARCH;
int	   hnsw_iterative_scan = HNSW_ITERATIVE_SCAN_OFF;
int	   hnsw_max_scan_tuples = HNSW_DEFAULT_MAX_SCAN_TUPLES;
double hnsw_scan_mem_multiplier = 1;

int	   ivfflat_probes = 1;
double ivfflat_target_recall = 0;
int	   ivfflat_iterative_scan = IVFFLAT_ITERATIVE_SCAN_OFF;
int	   ivfflat_max_probes = IVFFLAT_MAX_PROBES;

static const struct config_enum_entry ivfflat_iterative_scan_values[] = {
	{"off", IVFFLAT_ITERATIVE_SCAN_OFF, false},
	{"relaxed_order", IVFFLAT_ITERATIVE_SCAN_RELAXED, false},
	{NULL, 0, false}};

static const struct config_enum_entry iterative_scan_values[] = {
	{"off", HNSW_ITERATIVE_SCAN_OFF, false},
	{"relaxed_order", HNSW_ITERATIVE_SCAN_RELAXED, false},
	{"strict_order", HNSW_ITERATIVE_SCAN_STRICT, false},
	{NULL, 0, false}};

static void
ivfflat_settings_init(void)
{
	DefineCustomIntVariable(
		"ivfflat.probes",
		"Number of lists that a scan of an ivfflat index reads.",
		"More lists hold more of the nearest rows and take longer.",
		&ivfflat_probes, 1, 1, IVFFLAT_MAX_PROBES, PGC_USERSET, 0, NULL, NULL,
		NULL);

	DefineCustomRealVariable(
		"ivfflat.target_recall",
		"Share of the nearest rows that scans of ivfflat indexes are to find.",
		"They choose how many lists that takes, at least ivfflat.probes, "
		"and read more of them when a query needs more rows; "
		"0 leaves it to ivfflat.probes.",
		&ivfflat_target_recall, 0, 0, 1, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomEnumVariable(
		"ivfflat.iterative_scan",
		"How scans of ivfflat indexes go on when a query needs more rows.",
		"With \"relaxed_order\" they read further lists, "
		"whose rows may be nearer than those returned before; "
		"\"off\" ends a scan after ivfflat.probes lists.",
		&ivfflat_iterative_scan, IVFFLAT_ITERATIVE_SCAN_OFF,
		ivfflat_iterative_scan_values, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"ivfflat.max_probes",
		"Number of lists after which an iterative scan of an ivfflat index ends.",
		NULL, &ivfflat_max_probes, IVFFLAT_MAX_PROBES, 1, IVFFLAT_MAX_PROBES,
		PGC_USERSET, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("ivfflat");
}

void
settings_init(void)
{
	DefineCustomIntVariable(
		"hnsw.ef_search",
		"Number of candidates that a search of an hnsw index keeps.",
		"More candidates find more of the nearest rows and take longer.",
		&hnsw_ef_search, HNSW_DEFAULT_EF_SEARCH, HNSW_MIN_EF_SEARCH,
		HNSW_MAX_EF_SEARCH, PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomEnumVariable(
		"hnsw.iterative_scan",
		"How scans of hnsw indexes go on when a query needs more rows.",
		"With \"strict_order\" rows come by distance, "
		"\"relaxed_order\" allows exceptions and finds more rows, "
		"\"off\" ends a scan after hnsw.ef_search candidates.",
		&hnsw_iterative_scan, HNSW_ITERATIVE_SCAN_OFF, iterative_scan_values,
		PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable(
		"hnsw.max_scan_tuples",
		"Number of rows after which an iterative scan of an hnsw index ends.",
		NULL, &hnsw_max_scan_tuples, HNSW_DEFAULT_MAX_SCAN_TUPLES, 1, INT_MAX,
		PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomRealVariable(
		"hnsw.scan_mem_multiplier",
		"Memory that an iterative scan of an hnsw index may use, as a multiple of work_mem.",
		NULL, &hnsw_scan_mem_multiplier, 1, 1, 1000, PGC_USERSET, 0, NULL,
		NULL, NULL);

	MarkGUCPrefixReserved("hnsw");

	ivfflat_settings_init();
}
