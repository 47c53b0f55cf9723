/*
 * hnsw_code.h
 *		Values to codes, and the distances between queries, codes and values.
 *
 * What an hnsw index adds to index/coder.h: the choice of its codes, and their
 * sizes.
 */
#ifndef HNSW_CODE_H
#define HNSW_CODE_H

#include "hnsw/hnsw_format.h"
#include "index/coder.h"

/*
 * How an index encodes vectors.  All of it is in the metapage, chosen when the
 * index is built.
 */
typedef struct HnswEncoding
{
	CodeEncoding code;
	uint32		 code_bytes; /* of each code; if codes vary, of a slot */
} HnswEncoding;

/* What an index keeps of a vector. */
typedef struct HnswCode HnswCode;

static inline bool
hnsw_codes_vary(HnswEncoding encoding)
{
	return coder_codes_vary(encoding.code.kind);
}

/* What slots of codes that vary may have. */
#define HNSW_MIN_SLOT_BYTES \
	(offsetof(HnswCodeSlot, bytes) + SPARSE_CODE_BYTES(1))
#define HNSW_MAX_SLOT_BYTES HNSW_PAGE_CAPACITY

#define HNSW_MAX_DIMENSIONS 16000
#define HNSW_MAX_BITS		64000

extern uint32 hnsw_max_dimensions(VectorValueKind kind);

/*
 * The encoding for vectors like these: `count` values, which may be 0.
 * Allocates in the current memory context.
 */
extern HnswEncoding hnsw_choose_encoding(const VectorOpclass *opclass,
										 uint32 dimensions, uint64 seed,
										 const void *const *values, int count);

/* Is it one that codes of so many dimensions can have? */
extern bool hnsw_encoding_is_valid(HnswEncoding encoding, uint32 dimensions);

typedef struct HnswCoder
{
	HnswEncoding encoding;
	VectorCoder	 codes;
} HnswCoder;

typedef struct HnswQuery
{
	const HnswCoder *coder;
	CoderQuery		 codes;
} HnswQuery;

/* Set up for an opclass; allocates in the current memory context. */
extern void hnsw_coder_init(HnswCoder *coder, const VectorOpclass *opclass,
							uint32 dimensions, uint64 seed,
							HnswEncoding encoding);

/* As coder_encode, with room for hnsw_encoded_bytes. */
extern bool	  hnsw_encode(HnswCoder *coder, const void *value, HnswCode *code);
extern uint32 hnsw_encoded_bytes(const HnswCoder *coder, const void *value);

/* Bytes of a code. */
extern uint32 hnsw_code_length(const HnswCoder *coder, const HnswCode *code);

/* Are two codes the same? */
extern bool hnsw_codes_equal(const HnswCoder *coder, const HnswCode *a,
							 const HnswCode *b);

/* As coder_query_init and coder_query_init_from_code. */
extern void hnsw_query_init(HnswQuery *query, HnswCoder *coder,
							const void *value);
extern void hnsw_query_init_from_code(HnswQuery *query, HnswCoder *coder,
									  const HnswCode *code);

/* As coder_query_distance. */
static inline float
hnsw_query_distance(const HnswQuery *query, const VectorCode *code,
					float limit, float *error)
{
	return coder_query_distance(&query->codes, code, limit, error);
}

/* The distance between two codes, in the unit of the codes' metric. */
static inline float
hnsw_code_distance(const HnswCoder *coder, const HnswCode *a,
				   const HnswCode *b)
{
	return coder_code_distance(&coder->codes, (const VectorCode *) a,
							   (const VectorCode *) b);
}

#endif /* HNSW_CODE_H */
