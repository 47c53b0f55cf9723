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

/*
 * Less than 4 tell so little that the coarse codes of lists written anew, which
 * are made of these codes, would leave nothing out.
 */
static relopt_enum_elt_def code_bits_values[] = {{"8", 8}, {"4", 4}, {NULL}};

void
ivf_options_init(void)
{
	ivf_relopt_kind = add_reloption_kind();
	add_int_reloption(
		ivf_relopt_kind, "lists",
		"Number of lists; chosen by the number of rows if absent",
		LISTS_NOT_GIVEN, IVF_MIN_LISTS, IVF_MAX_LISTS, AccessExclusiveLock);
	add_enum_reloption(ivf_relopt_kind, "code_bits",
					   "Bits a dimension of the codes behind the coarse ones",
					   code_bits_values, IVF_DEFAULT_CODE_BITS,
					   "Valid values are 8 and 4.", AccessExclusiveLock);
}

bytea *
ivf_reloptions(Datum reloptions, bool validate)
{
	static const relopt_parse_elt options[] = {
		{"lists", RELOPT_TYPE_INT, offsetof(IvfOptions, lists)},
		{"code_bits", RELOPT_TYPE_ENUM, offsetof(IvfOptions, code_bits)}};

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
 * ERRCODE_FEATURE_NOT_SUPPORTED if the option is not for such an index.
 */
uint32
ivf_option_code_bits(Relation index, const VectorOpclass *opclass)
{
	const IvfOptions *options = (const IvfOptions *) index->rd_options;
	uint32			  code_bits = options != NULL ? options->code_bits
												  : IVF_DEFAULT_CODE_BITS;

	if (code_bits != IVF_DEFAULT_CODE_BITS &&
		opclass->type->kind != VALUE_FLOATS)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("code_bits is not supported for %s",
						opclass->type->name),
				 errdetail("Codes of this type hold the values themselves.")));
	return code_bits;
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
