/*
 * ivf_options.c
 *		Storage parameters of ivfflat indexes.
 */
#include "postgres.h"

#include <math.h>

#include "access/reloptions.h"

#include "ivfflat/ivf.h"

static relopt_kind ivf_relopt_kind;

/*
 * A default beyond the range cannot be set, so it means that the option was
 * not given.
 */
#define LISTS_NOT_GIVEN 0

void
ivf_options_init(void)
{
	ivf_relopt_kind = add_reloption_kind();
	add_int_reloption(
		ivf_relopt_kind, "lists",
		"Number of lists; chosen by the number of rows if absent",
		LISTS_NOT_GIVEN, IVF_MIN_LISTS, IVF_MAX_LISTS, AccessExclusiveLock);
}

bytea *
ivf_reloptions(Datum reloptions, bool validate)
{
	static const relopt_parse_elt options[] = {
		{"lists", RELOPT_TYPE_INT, offsetof(IvfOptions, lists)}};

	return build_reloptions(reloptions, validate, ivf_relopt_kind,
							sizeof(IvfOptions), options, lengthof(options));
}

int
ivf_option_lists(Relation index)
{
	const IvfOptions *options = (const IvfOptions *) index->rd_options;

	return options != NULL ? options->lists : LISTS_NOT_GIVEN;
}

/*
 * A scan ranks all centroids and reads some lists, so its work is least where
 * both grow alike.
 */
uint32
ivf_lists_for_rows(uint32 lists_option, double rows)
{
	double lists = lists_option > 0 ? lists_option : sqrt(Max(rows, 1));

	return (uint32) Min(Max(rint(lists), IVF_MIN_LISTS), IVF_MAX_LISTS);
}
