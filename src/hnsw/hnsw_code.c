/*
 * hnsw_code.c
 *		Values to codes, and the distances between queries, codes and values.
 *
 * The graph is built and searched on codes (index/coder.h); the exact distance
 * of the SQL operator decides the order of results.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/heaptoast.h"

#include "hnsw/hnsw.h"
#include "quantize/sq8_rest.h"
#include "types/halfvec.h"
#include "types/sparsevec.h"
#include "types/vector.h"

/*
 * Slots for codes of an index that is built empty: a sixteenth of a page, with
 * room for 60 elements.
 */
#define DEFAULT_SLOTS_PER_PAGE 16
#define MAX_SLOTS_PER_PAGE	   128

/* What a visit of an overflow page costs, in bytes of the index. */
#define OVERFLOW_VISIT_BYTES 512

uint32
hnsw_max_dimensions(VectorValueKind kind)
{
	switch (kind)
	{
		case VALUE_FLOATS:
			return HNSW_MAX_DIMENSIONS;
		case VALUE_BITS:
			return HNSW_MAX_BITS;
		case VALUE_SPARSE:
			break;
	}
	return SPARSEVEC_MAX_DIM;
}

/* ------------------------------------------------------------------------
 * Choice of the encoding
 * ------------------------------------------------------------------------
 */

/*
 * The slots of sparse codes are parts of a page, as large as it takes for the
 * sample to need the fewest bytes, counting some for each visit of an overflow
 * page.
 */
static uint32
choose_slot_bytes(const VectorCoder *coder, const void *const *values,
				  int count)
{
	uint32 best = HNSW_PAGE_CAPACITY / DEFAULT_SLOTS_PER_PAGE / 4 * 4;
	double best_cost = 0;

	for (int per_page = 1; per_page <= MAX_SLOTS_PER_PAGE && count > 0;
		 per_page++)
	{
		uint32 slot_bytes = HNSW_PAGE_CAPACITY / per_page / 4 * 4;
		uint32 inline_bytes = slot_bytes - offsetof(HnswCodeSlot, bytes);
		double cost = (double) HNSW_PAGE_CAPACITY / per_page * count;

		for (int i = 0; i < count; i++)
		{
			uint32 bytes = coder_encoded_bytes(coder, values[i]);
			uint32 chunks;

			if (bytes <= inline_bytes)
				continue;
			chunks = (bytes - inline_bytes + HNSW_CHUNK_BYTES - 1) /
					 HNSW_CHUNK_BYTES;
			cost += sizeof(HnswChunk) * chunks + OVERFLOW_VISIT_BYTES;
		}
		if (per_page == 1 || cost < best_cost)
		{
			best = slot_bytes;
			best_cost = cost;
		}
	}
	return best;
}

/* Raise an error if the options are not for such an index. */
static void
check_options(const VectorOpclass *opclass, HnswCodeOptions options)
{
	bool has_values = opclass->type->kind == VALUE_FLOATS;

	if (options.code_bits < 8 && !has_values)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("code_bits is not supported for %s",
						opclass->type->name),
				 errdetail("Codes of this type hold the values themselves.")));
	if (options.store_values && !has_values)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("store_values is not supported for %s",
						opclass->type->name),
				 errdetail("Codes of this type hold the values themselves.")));
	if (options.code_bits < 8 && opclass->metric == METRIC_L1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("code_bits less than 8 are not supported for L1 "
						"distance")));
	if (options.rest_bits > 0 && !has_values)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rest_bits is not supported for %s",
						opclass->type->name),
				 errdetail("Codes of this type hold the values themselves.")));
	if (options.rest_bits > 0 && opclass->metric == METRIC_L1)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("rest_bits is not supported for L1 distance")));
	if (options.rest_bits > 0 &&
		(options.code_bits < 8 || options.store_values))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg(
					 "rest_bits is not supported with code_bits less than 8 "
					 "or store_values")));
	if (options.inline_codes && !has_values)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("inline_codes is not supported for %s",
							   opclass->type->name)));
	if (options.inline_codes && opclass->metric == METRIC_L1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("inline_codes is not supported for L1 distance")));
	if (options.inline_codes && options.code_bits < 8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("inline_codes is not supported with code_bits less "
						"than 8")));
}

static CodeKind
coarse_kind(uint32 bits)
{
	return bits == 4   ? CODE_RABITQ_4
		   : bits == 2 ? CODE_RABITQ_2
					   : CODE_RABITQ_1;
}

static uint32
rest_bytes(uint32 dimensions, uint32 bits)
{
	return INTALIGN(SQ8_REST_BYTES(dimensions, bits));
}

/* Of a lower half and the rest behind it. */
static uint32
lower_bytes(uint32 dimensions, uint32 rest_bits)
{
	return INTALIGN(SQ8_LOWER_BYTES(dimensions)) +
		   (rest_bits > 0 ? rest_bytes(dimensions, rest_bits) : 0);
}

/* Bits of the rests of codes, 0 for none.  Codes not rotated have no loss. */
static uint32
choose_rest_bits(const VectorOpclass *opclass, uint32 dimensions,
				 HnswCodeOptions options, CodeEncoding code)
{
	if (code.kind != CODE_SQ8 || !code.rotated || options.code_bits < 8 ||
		options.store_values)
		return 0;
	if (options.rest_bits != HNSW_REST_BITS_AUTO)
		return options.rest_bits;
	return opclass->type->value_bytes(dimensions) > TOAST_TUPLE_THRESHOLD
			   ? HNSW_DEFAULT_REST_BITS
			   : 0;
}

/*
 * A search that goes by the upper halves of codes reads half as many pages and cache
 * lines of them (README, "Halves").  Of few dimensions they tell too little.
 */
static bool
are_halves_better(const VectorOpclass *opclass, uint32 dimensions,
				  HnswCodeOptions options, CodeEncoding code)
{
	return code.kind == CODE_SQ8 && opclass->metric != METRIC_L1 &&
		   dimensions >= HNSW_MIN_COARSE_DIMS && options.code_bits == 8 &&
		   !options.store_values && !options.inline_codes;
}

/*
 * Where 8 bits are enough, codes may have fewer, if the 8 bits are the
 * refinement, or the value is.
 */
HnswEncoding
hnsw_choose_encoding(const VectorOpclass *opclass, uint32 dimensions,
					 uint64 seed, HnswCodeOptions options,
					 const void *const *values, int count)
{
	HnswEncoding encoding = {.refinement = HNSW_REFINEMENT_NONE};

	check_options(opclass, options);
	encoding.code = coder_choose_encoding(opclass, dimensions, seed, values,
										  count, PG_UINT32_MAX);
	if (hnsw_codes_vary(encoding))
	{
		VectorCoder coder;

		coder_init(&coder, opclass, dimensions, seed, encoding.code);
		encoding.code_bytes = choose_slot_bytes(&coder, values, count);
		return encoding;
	}

	if (encoding.code.kind == CODE_SQ8 && options.code_bits < 8)
	{
		encoding.refinement = HNSW_REFINEMENT_CODE;
		encoding.refinement_code = encoding.code;
		encoding.refinement_bytes = coder_code_bytes(encoding.code.kind,
													 dimensions);
		encoding.code.kind = coarse_kind(options.code_bits);
		encoding.code.rotated = true;
	}
	encoding.rest_bits = choose_rest_bits(opclass, dimensions, options,
										  encoding.code);
	if (are_halves_better(opclass, dimensions, options, encoding.code))
	{
		encoding.code.kind = CODE_SQ8_UPPER;
		encoding.refinement = HNSW_REFINEMENT_LOWER;
		encoding.refinement_bytes = lower_bytes(dimensions,
												encoding.rest_bits);
	}
	else if (encoding.rest_bits > 0)
	{
		encoding.refinement = HNSW_REFINEMENT_REST;
		encoding.refinement_bytes = rest_bytes(dimensions, encoding.rest_bits);
	}
	encoding.code_bytes = coder_code_bytes(encoding.code.kind, dimensions);
	encoding.inline_codes = options.inline_codes;
	if (options.store_values)
	{
		encoding.refinement = HNSW_REFINEMENT_VALUE;
		encoding.refinement_bytes = INTALIGN(
			opclass->type->value_bytes(dimensions));
	}
	return encoding;
}

bool
hnsw_encoding_is_valid(HnswEncoding encoding, uint32 dimensions)
{
	bool coarse = coder_coarse_bits(encoding.code.kind) > 0;

	if (encoding.code.kind < CODE_SQ8 || encoding.code.kind > CODE_SQ8_UPPER)
		return false;
	if ((encoding.code.kind == CODE_SQ8_UPPER) !=
		hnsw_codes_in_halves(encoding))
		return false;
	if (hnsw_codes_vary(encoding))
		return dimensions <= SPARSEVEC_MAX_DIM &&
			   encoding.code_bytes >= HNSW_MIN_SLOT_BYTES &&
			   encoding.code_bytes <= HNSW_MAX_SLOT_BYTES &&
			   encoding.code_bytes % sizeof(int32) == 0 &&
			   encoding.refinement == HNSW_REFINEMENT_NONE &&
			   encoding.refinement_bytes == 0 && !encoding.inline_codes;

	if (encoding.inline_codes && encoding.code.kind != CODE_SQ8 &&
		encoding.code.kind != CODE_FLOAT)
		return false;
	if (dimensions > HNSW_MAX_BITS ||
		encoding.code_bytes !=
			coder_code_bytes(encoding.code.kind, dimensions) ||
		(coarse && !encoding.code.rotated && !hnsw_codes_in_halves(encoding)))
		return false;
	switch (encoding.refinement)
	{
		case HNSW_REFINEMENT_NONE:
			return !coarse && encoding.refinement_bytes == 0;
		case HNSW_REFINEMENT_CODE:
			return coarse && encoding.refinement_code.kind == CODE_SQ8 &&
				   encoding.refinement_bytes ==
					   coder_code_bytes(CODE_SQ8, dimensions);
		case HNSW_REFINEMENT_VALUE:
			/* which of both is in hnsw_encoding_fits */
			return encoding.refinement_bytes ==
					   INTALIGN(VECTOR_SIZE(dimensions)) ||
				   encoding.refinement_bytes ==
					   INTALIGN(HALFVEC_SIZE(dimensions));
		case HNSW_REFINEMENT_REST:
			return encoding.code.kind == CODE_SQ8 && encoding.code.rotated &&
				   sq8_rest_bits_are_valid(encoding.rest_bits) &&
				   encoding.refinement_bytes ==
					   rest_bytes(dimensions, encoding.rest_bits);
		case HNSW_REFINEMENT_LOWER:
			return (encoding.rest_bits == 0 ||
					(encoding.code.rotated &&
					 sq8_rest_bits_are_valid(encoding.rest_bits))) &&
				   encoding.refinement_bytes ==
					   lower_bytes(dimensions, encoding.rest_bits);
	}
	return false;
}

bool
hnsw_encoding_fits(HnswEncoding encoding, const VectorOpclass *opclass,
				   uint32 dimensions)
{
	const VectorTypeInfo *type = opclass->type;

	if (opclass->metric == METRIC_L1 && coder_coarse_bits(encoding.code.kind))
		return false;
	return dimensions <= hnsw_max_dimensions(type->kind) &&
		   coder_kind_fits(encoding.code.kind, type->kind) &&
		   (encoding.refinement != HNSW_REFINEMENT_VALUE ||
			(type->kind == VALUE_FLOATS &&
			 encoding.refinement_bytes ==
				 INTALIGN(type->value_bytes(dimensions))));
}

/* ------------------------------------------------------------------------
 * Codes
 * ------------------------------------------------------------------------
 */

/* In memory there are whole codes and rests, as if they were so on pages, too. */
static void
init_halves(HnswCoder *coder, const VectorOpclass *opclass, uint32 dimensions,
			uint64 seed)
{
	CodeEncoding whole = {CODE_SQ8, coder->encoding.code.rotated};
	uint32		 rest_bits = coder->encoding.rest_bits;

	coder_init(&coder->refinement, opclass, dimensions, seed, whole);
	coder->linking_bytes = coder_code_bytes(CODE_SQ8, dimensions);
	coder->refinement_at = coder->linking_bytes;
	coder->total_bytes = coder->linking_bytes +
						 (rest_bits > 0 ? rest_bytes(dimensions, rest_bits)
										: 0);
	coder->upper = palloc0(coder->encoding.code_bytes);
	coder->lower = palloc0(coder->encoding.refinement_bytes);
}

void
hnsw_coder_init(HnswCoder *coder, const VectorOpclass *opclass,
				uint32 dimensions, uint64 seed, HnswEncoding encoding)
{
	memset(coder, 0, sizeof(HnswCoder));
	coder->encoding = encoding;
	coder_init(&coder->codes, opclass, dimensions, seed, encoding.code);
	coder->links_by_refinement = hnsw_codes_are_coarse(coder);
	if (hnsw_codes_in_halves(encoding))
	{
		init_halves(coder, opclass, dimensions, seed);
		return;
	}
	if (encoding.refinement == HNSW_REFINEMENT_CODE)
		coder_init(&coder->refinement, opclass, dimensions, seed,
				   encoding.refinement_code);

	coder->linking_bytes = coder->links_by_refinement
							   ? encoding.refinement_bytes
							   : encoding.code_bytes;
	if (coder->links_by_refinement)
		coder->code_at = encoding.refinement_bytes;
	else
		coder->refinement_at = encoding.code_bytes;
	coder->total_bytes = encoding.code_bytes + encoding.refinement_bytes;
}

/* A code of 8 bits and what it lost, from the same floats. */
static bool
encode_with_rest(HnswCoder *coder, const void *value, char *bytes)
{
	VectorCoder *codes = hnsw_codes_in_halves(coder->encoding)
							 ? &coder->refinement
							 : &coder->codes;
	VectorCode	*code = (VectorCode *) (bytes + coder->code_at);
	double		 loss;
	const float *x = coder_floats(codes, value, codes->floats, &loss);

	if (x == NULL)
		return false;
	coder_encode_floats(codes, x, loss, code);
	sq8_rest_encode(x, (const Sq8Code *) code, loss, codes->dimensions,
					coder->encoding.rest_bits,
					(Sq8Rest *) (bytes + coder->refinement_at));
	return true;
}

bool
hnsw_encode(HnswCoder *coder, const void *value, HnswCode *code)
{
	char *bytes = (char *) code;

	if (coder->encoding.rest_bits > 0)
		return encode_with_rest(coder, value, bytes);
	if (hnsw_codes_in_halves(coder->encoding))
		return coder_encode(&coder->refinement, value, (VectorCode *) bytes);
	if (!coder_encode(&coder->codes, value,
					  (VectorCode *) (bytes + coder->code_at)))
		return false;
	if (coder->encoding.refinement == HNSW_REFINEMENT_CODE)
		(void) coder_encode(&coder->refinement, value,
							(VectorCode *) (bytes + coder->refinement_at));
	else if (coder->encoding.refinement == HNSW_REFINEMENT_VALUE)
		memcpy(bytes + coder->refinement_at, value, VARSIZE(value));
	return true;
}

uint32
hnsw_encoded_bytes(const HnswCoder *coder, const void *value)
{
	if (hnsw_codes_vary(coder->encoding))
		return coder_encoded_bytes(&coder->codes, value);
	return coder->total_bytes;
}

uint32
hnsw_code_length(const HnswCoder *coder, const HnswCode *code)
{
	if (hnsw_codes_vary(coder->encoding))
		return coder_code_length(&coder->codes, (const VectorCode *) code);
	return coder->total_bytes;
}

uint32
hnsw_linking_bytes(const HnswCoder *coder, const HnswCode *code)
{
	return hnsw_codes_vary(coder->encoding)
			   ? coder_code_length(&coder->codes, (const VectorCode *) code)
			   : coder->linking_bytes;
}

bool
hnsw_codes_equal(const HnswCoder *coder, const HnswCode *a, const HnswCode *b)
{
	if (coder->links_by_refinement)
		return memcmp(a, b, coder->linking_bytes) == 0;
	return coder_codes_equal(&coder->codes, (const VectorCode *) a,
							 (const VectorCode *) b);
}

/* The rest behind a lower half. */
static inline const Sq8Rest *
rest_of_lower(const HnswCoder *coder, const void *lower)
{
	return (
		const Sq8Rest *) ((const char *) lower +
						  INTALIGN(SQ8_LOWER_BYTES(coder->codes.dimensions)));
}

void
hnsw_split_code(const HnswCoder *coder, const HnswCode *code)
{
	uint32 dimensions = coder->codes.dimensions;

	sq8_split((const Sq8Code *) code, dimensions, coder->upper, coder->lower);
	if (coder->encoding.rest_bits > 0)
		memcpy((char *) rest_of_lower(coder, coder->lower),
			   (const char *) code + coder->refinement_at,
			   rest_bytes(dimensions, coder->encoding.rest_bits));
}

void
hnsw_join_code(const HnswCoder *coder, const VectorCode *upper,
			   const void *refinement, HnswCode *code)
{
	uint32 dimensions = coder->codes.dimensions;
	Size   bytes = SQ8_CODE_BYTES(dimensions);

	sq8_join((const Sq8Upper *) upper, (const Sq8Rest *) refinement,
			 dimensions, (Sq8Code *) code);
	memset((char *) code + bytes, 0, coder->linking_bytes - bytes);
}

bool
hnsw_refinements_alike(const HnswCoder *coder, const void *a, const void *b)
{
	switch (coder->encoding.refinement)
	{
		case HNSW_REFINEMENT_NONE:
			break;
		case HNSW_REFINEMENT_CODE:
			return coder_codes_alike(&coder->refinement, a, b);
		case HNSW_REFINEMENT_VALUE:
			return memcmp(a, b, coder->encoding.refinement_bytes) == 0;
		case HNSW_REFINEMENT_REST:
			return sq8_rests_alike(a, b, coder->codes.dimensions,
								   coder->encoding.rest_bits);
		case HNSW_REFINEMENT_LOWER:
			return coder->encoding.rest_bits == 0 ||
				   sq8_rests_alike(rest_of_lower(coder, a),
								   rest_of_lower(coder, b),
								   coder->codes.dimensions,
								   coder->encoding.rest_bits);
	}
	return true;
}

/* Anything but that a value has its length and dimensions would go unnoticed. */
const char *
hnsw_check_refinement(const HnswCoder *coder, const VectorCode *code,
					  const void *refinement)
{
	const VectorTypeInfo *type = coder->codes.opclass.type;
	uint32				  dimensions = coder->codes.dimensions;

	switch (coder->encoding.refinement)
	{
		case HNSW_REFINEMENT_NONE:
			break;
		case HNSW_REFINEMENT_CODE:
			return coder_check_code(&coder->refinement, refinement);
		case HNSW_REFINEMENT_VALUE:
			if (VARATT_IS_EXTENDED(refinement) ||
				VARSIZE(refinement) != type->value_bytes(dimensions) ||
				type->dimensions(refinement) != (int) dimensions)
				return "it is not a value of the type";
			break;
		case HNSW_REFINEMENT_REST:
			return sq8_rest_check(refinement, dimensions,
								  coder->encoding.rest_bits);
		case HNSW_REFINEMENT_LOWER:
		{
			const char *wrong = sq8_halves_check((const Sq8Upper *) code,
												 refinement, dimensions);

			if (wrong != NULL || coder->encoding.rest_bits == 0)
				return wrong;
			return sq8_rest_check(rest_of_lower(coder, refinement), dimensions,
								  coder->encoding.rest_bits);
		}
	}
	return NULL;
}

float
hnsw_value_distance(const HnswCoder *coder, const void *a, const void *b)
{
	const VectorOpclass *opclass = &coder->codes.opclass;
	double distance = opclass->type->distance(opclass->metric, a, b);

	return isnan(distance) ? FLT_MAX : Max(Min(distance, FLT_MAX), -FLT_MAX);
}

/* ------------------------------------------------------------------------
 * Queries
 * ------------------------------------------------------------------------
 */

void
hnsw_query_init(HnswQuery *query, HnswCoder *coder, const void *value)
{
	query->coder = coder;
	coder_query_init(&query->codes, &coder->codes, value);
}

void
hnsw_query_init_from_code(HnswQuery *query, HnswCoder *coder,
						  const HnswCode *code)
{
	float *x;

	query->coder = coder;
	if (!coder->links_by_refinement)
	{
		coder_query_init_from_code(&query->codes, &coder->codes,
								   (const VectorCode *) code);
		return;
	}
	if (coder->encoding.refinement == HNSW_REFINEMENT_VALUE)
	{
		void *value = palloc(coder->encoding.refinement_bytes);

		memcpy(value, code, coder->encoding.refinement_bytes);
		coder_query_init(&query->codes, &coder->codes, value);
		return;
	}

	x = palloc(sizeof(float) * coder->codes.dimensions);
	coder_decode(&coder->refinement, (const VectorCode *) code, x);
	if (coder->codes.encoding.rotated && !coder->refinement.encoding.rotated)
		(void) coder_rotate(&coder->codes.rotation, x);
	coder_query_init_from_floats(&query->codes, &coder->codes, x, 0);
}

void
hnsw_query_init_refinement(HnswQuery *query, HnswCoder *coder,
						   const void *value)
{
	if (coder->encoding.refinement != HNSW_REFINEMENT_CODE)
		return;
	if (coder->refinement.encoding.rotated)
		coder_query_init_from_floats(&query->refinement, &coder->refinement,
									 query->codes.floats, query->codes.loss);
	else
		coder_query_init(&query->refinement, &coder->refinement, value);
	coder_query_set_deviations(&query->refinement, CODER_LIKELY_DEVIATIONS);
}

static HnswBounds
bounds_of(const VectorCoder *coder, float distance, float error)
{
	HnswBounds bounds = {coder_lower_bound(coder, distance, error),
						 coder_upper_bound(coder, distance, error)};

	return bounds;
}

/*
 * First the lower half, which makes the estimate that of the whole code, then the
 * rest.  Bounds are certain where vectors are not rotated: there six deviations say
 * nothing, but codes mostly have no loss.
 */
static HnswBounds
distance_by_lower(const HnswQuery *query, float estimate, const Sq8Rest *lower)
{
	const HnswCoder *coder = query->coder;
	const Sq8Query	*sq8 = &query->codes.sq8;
	uint32			 rest_bits = coder->encoding.rest_bits;
	float deviations = coder->codes.encoding.rotated ? CODER_LIKELY_DEVIATIONS
													 : INFINITY;
	const Sq8Rest *rest = rest_of_lower(coder, lower);
	float by_code = sq8_rest_distance(sq8, estimate, lower, SQ8_HALF_BITS);
	float distance;
	float error;

	if (rest_bits == 0)
	{
		error = sq8_rest_likely_error(sq8, estimate, lower, by_code,
									  deviations);
		return bounds_of(&coder->codes, by_code, error);
	}
	distance = sq8_rest_distance(sq8, by_code, rest, rest_bits);
	error = sq8_rests_likely_error(sq8, estimate, lower, by_code, rest,
								   distance, deviations);
	return bounds_of(&coder->codes, distance, error);
}

HnswBounds
hnsw_refined_distance(const HnswQuery *query, float estimate,
					  const void *refinement)
{
	const HnswCoder *coder = query->coder;
	HnswBounds		 bounds = {0, 0};
	float			 distance;
	float			 error;

	switch (coder->encoding.refinement)
	{
		case HNSW_REFINEMENT_NONE:
			Assert(false);
			break;
		case HNSW_REFINEMENT_CODE:
			distance = coder_query_distance(&query->refinement, refinement,
											INFINITY, &error);
			return bounds_of(&coder->refinement, distance, error);
		case HNSW_REFINEMENT_VALUE:
			bounds.lower = coder_exact_distance(&query->codes, refinement);
			bounds.upper = bounds.lower;
			break;
		case HNSW_REFINEMENT_REST:
			distance = sq8_rest_distance(&query->codes.sq8, estimate,
										 refinement,
										 coder->encoding.rest_bits);
			error = sq8_rest_likely_error(&query->codes.sq8, estimate,
										  refinement, distance,
										  CODER_LIKELY_DEVIATIONS);
			return bounds_of(&coder->codes, distance, error);
		case HNSW_REFINEMENT_LOWER:
			return distance_by_lower(query, estimate, refinement);
	}
	return bounds;
}
