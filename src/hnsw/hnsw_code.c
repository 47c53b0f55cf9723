/*
 * hnsw_code.c
 *		Values to codes, and the distances between queries, codes and values.
 *
 * The graph is built and searched on codes (index/coder.h); the exact distance
 * of the SQL operator decides the order of results.
 */
#include "postgres.h"

#include "hnsw/hnsw.h"
#include "types/sparsevec.h"

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

HnswEncoding
hnsw_choose_encoding(const VectorOpclass *opclass, uint32 dimensions,
					 uint64 seed, const void *const *values, int count)
{
	HnswEncoding encoding;

	encoding.code = coder_choose_encoding(opclass, dimensions, seed, values,
										  count, PG_UINT32_MAX);
	if (hnsw_codes_vary(encoding))
	{
		VectorCoder coder;

		coder_init(&coder, opclass, dimensions, seed, encoding.code);
		encoding.code_bytes = choose_slot_bytes(&coder, values, count);
	}
	else
		encoding.code_bytes = coder_code_bytes(encoding.code.kind, dimensions);
	return encoding;
}

bool
hnsw_encoding_is_valid(HnswEncoding encoding, uint32 dimensions)
{
	if (encoding.code.kind < CODE_SQ8 || encoding.code.kind > CODE_SPARSE)
		return false;
	if (hnsw_codes_vary(encoding))
		return dimensions <= SPARSEVEC_MAX_DIM &&
			   encoding.code_bytes >= HNSW_MIN_SLOT_BYTES &&
			   encoding.code_bytes <= HNSW_MAX_SLOT_BYTES &&
			   encoding.code_bytes % sizeof(int32) == 0;
	return dimensions <= HNSW_MAX_BITS &&
		   encoding.code_bytes ==
			   coder_code_bytes(encoding.code.kind, dimensions);
}

/* ------------------------------------------------------------------------
 * Codes and queries
 * ------------------------------------------------------------------------
 */

void
hnsw_coder_init(HnswCoder *coder, const VectorOpclass *opclass,
				uint32 dimensions, uint64 seed, HnswEncoding encoding)
{
	coder->encoding = encoding;
	coder_init(&coder->codes, opclass, dimensions, seed, encoding.code);
}

bool
hnsw_encode(HnswCoder *coder, const void *value, HnswCode *code)
{
	return coder_encode(&coder->codes, value, (VectorCode *) code);
}

uint32
hnsw_encoded_bytes(const HnswCoder *coder, const void *value)
{
	return coder_encoded_bytes(&coder->codes, value);
}

uint32
hnsw_code_length(const HnswCoder *coder, const HnswCode *code)
{
	return coder_code_length(&coder->codes, (const VectorCode *) code);
}

bool
hnsw_codes_equal(const HnswCoder *coder, const HnswCode *a, const HnswCode *b)
{
	return coder_codes_equal(&coder->codes, (const VectorCode *) a,
							 (const VectorCode *) b);
}

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
	query->coder = coder;
	coder_query_init_from_code(&query->codes, &coder->codes,
							   (const VectorCode *) code);
}
