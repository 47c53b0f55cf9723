/*
 * hnsw_options.c
 *		Storage parameters of hnsw indexes.
 *
 * They take effect when an index is built: the metapage keeps the values that
 * its graph was made with, and later changes wait for a REINDEX.
 */
#include "postgres.h"

#include "access/reloptions.h"

#include "hnsw/hnsw.h"

static relopt_kind hnsw_relopt_kind;

static relopt_enum_elt_def code_bits_values[] = {{"8", 8},
												 {"4", 4},
												 {"2", 2},
												 {"1", 1},
												 {NULL}};

static relopt_enum_elt_def rest_bits_values[] = {{"auto", HNSW_REST_BITS_AUTO},
												 {"4", 4},
												 {"2", 2},
												 {"1", 1},
												 {"0", 0},
												 {NULL}};

void
hnsw_options_init(void)
{
	hnsw_relopt_kind = add_reloption_kind();
	add_int_reloption(
		hnsw_relopt_kind, "m",
		"Number of neighbours of an element on each level, twice as many on the lowest",
		HNSW_DEFAULT_M, HNSW_MIN_M, HNSW_MAX_M, AccessExclusiveLock);
	add_int_reloption(hnsw_relopt_kind, "ef_construction",
					  "Number of candidates for neighbours of a new element",
					  HNSW_DEFAULT_EF_CONSTRUCTION, HNSW_MIN_EF_CONSTRUCTION,
					  HNSW_MAX_EF_CONSTRUCTION, AccessExclusiveLock);
	add_enum_reloption(hnsw_relopt_kind, "code_bits",
					   "Bits a dimension of the codes that are searched",
					   code_bits_values, HNSW_DEFAULT_CODE_BITS,
					   "Valid values are 8, 4, 2, and 1.",
					   AccessExclusiveLock);
	add_enum_reloption(hnsw_relopt_kind, "rest_bits",
					   "Bits a dimension of what 8-bit codes have lost",
					   rest_bits_values, HNSW_REST_BITS_AUTO,
					   "Valid values are auto, 4, 2, 1, and 0.",
					   AccessExclusiveLock);
	add_bool_reloption(hnsw_relopt_kind, "inline_codes",
					   "Keeps small codes of its neighbours with each element",
					   false, AccessExclusiveLock);
	add_bool_reloption(hnsw_relopt_kind, "store_values",
					   "Keeps the vectors themselves in the index, too", false,
					   AccessExclusiveLock);
}

bytea *
hnsw_reloptions(Datum reloptions, bool validate)
{
	static const relopt_parse_elt options[] = {
		{"m", RELOPT_TYPE_INT, offsetof(HnswOptions, m)},
		{"ef_construction", RELOPT_TYPE_INT,
		 offsetof(HnswOptions, ef_construction)},
		{"code_bits", RELOPT_TYPE_ENUM, offsetof(HnswOptions, code_bits)},
		{"rest_bits", RELOPT_TYPE_ENUM, offsetof(HnswOptions, rest_bits)},
		{"store_values", RELOPT_TYPE_BOOL,
		 offsetof(HnswOptions, store_values)},
		{"inline_codes", RELOPT_TYPE_BOOL,
		 offsetof(HnswOptions, inline_codes)}};

	return build_reloptions(reloptions, validate, hnsw_relopt_kind,
							sizeof(HnswOptions), options, lengthof(options));
}

int
hnsw_option_m(Relation index)
{
	const HnswOptions *options = (const HnswOptions *) index->rd_options;

	return options != NULL ? options->m : HNSW_DEFAULT_M;
}

/*
 * hnsw_option_ef_construction -- the option, checked against m.
 *
 * ERRCODE_INVALID_PARAMETER_VALUE if there would be fewer candidates than
 * places in a list.  hnsw_reloptions cannot refuse the pair: ALTER INDEX may
 * change one option after the other.
 */
int
hnsw_option_ef_construction(Relation index)
{
	const HnswOptions *options = (const HnswOptions *) index->rd_options;
	int ef_construction = options != NULL ? options->ef_construction
										  : HNSW_DEFAULT_EF_CONSTRUCTION;

	if (ef_construction < 2 * hnsw_option_m(index))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg(
				 "ef_construction must be greater than or equal to 2 * m")));
	return ef_construction;
}

HnswCodeOptions
hnsw_option_codes(Relation index)
{
	const HnswOptions *options = (const HnswOptions *) index->rd_options;
	HnswCodeOptions	   result = {.code_bits = HNSW_DEFAULT_CODE_BITS,
								 .rest_bits = HNSW_REST_BITS_AUTO};

	if (options != NULL)
	{
		result.code_bits = options->code_bits;
		result.rest_bits = options->rest_bits;
		result.store_values = options->store_values;
		result.inline_codes = options->inline_codes;
	}
	return result;
}
