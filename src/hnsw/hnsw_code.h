/*
 * hnsw_code.h
 *		Values to codes, and the distances between queries, codes and values.
 *
 * What an hnsw index adds to index/coder.h: the choice of its codes, and the
 * refinement, which tells more of a vector than the code that the graph is
 * searched by (README, "Refinement").
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
	CodeEncoding   code;
	uint32		   code_bytes; /* of each code; if codes vary, of a slot */
	HnswRefinement refinement;
	CodeEncoding   refinement_code; /* HNSW_REFINEMENT_CODE */
	uint32		   rest_bits;		/* of rests, a dimension, or 0 */
	uint32		   refinement_bytes;
	bool		   inline_codes; /* of the neighbours, with each list */
} HnswEncoding;

/*
 * What an index keeps of a vector, in memory: its code and its refinement, if
 * there is one, next to each other.  The one that elements are linked by comes
 * first, so where only that is needed the other one may be missing.  Codes that are
 * halves on pages are whole in memory, with the rest behind them.
 */
typedef struct HnswCode HnswCode;

/* Are codes on pages in two halves, the lower one in the refinement? */
static inline bool
hnsw_codes_in_halves(HnswEncoding encoding)
{
	return encoding.refinement == HNSW_REFINEMENT_LOWER;
}

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
 * Rests are worth their room where reading a value costs much: out of TOAST, where
 * values of more bytes than rows may have come to lie.
 */
#define HNSW_REST_BITS_AUTO	   (-1)
#define HNSW_DEFAULT_REST_BITS 2

/* What the index's options say of codes. */
typedef struct HnswCodeOptions
{
	uint32 code_bits;	 /* 8, 4, 2 or 1 */
	int	   rest_bits;	 /* 4, 2, 1, 0, or HNSW_REST_BITS_AUTO */
	bool   store_values; /* as the refinement */
	bool   inline_codes;
} HnswCodeOptions;

/*
 * The encoding for vectors like these: `count` values, which may be 0.
 * ERRCODE_FEATURE_NOT_SUPPORTED if it cannot be as the options want it.
 * Allocates in the current memory context.
 */
extern HnswEncoding hnsw_choose_encoding(const VectorOpclass *opclass,
										 uint32 dimensions, uint64 seed,
										 HnswCodeOptions	options,
										 const void *const *values, int count);

/*
 * Is it one that codes of so many dimensions can have, and one for values and the
 * metric of the operator class?
 */
extern bool hnsw_encoding_is_valid(HnswEncoding encoding, uint32 dimensions);
extern bool hnsw_encoding_fits(HnswEncoding			encoding,
							   const VectorOpclass *opclass,
							   uint32				dimensions);

typedef struct HnswCoder
{
	HnswEncoding encoding;
	VectorCoder	 codes;
	VectorCoder	 refinement; /* HNSW_REFINEMENT_CODE, or of whole codes */
	bool		 links_by_refinement; /* or by those */

	/*
	 * Of an HnswCode: bytes of what elements are linked by, where each part lies,
	 * which of halves are the whole code and the rest, and the bytes of all.
	 */
	uint32 linking_bytes; /* unless codes vary */
	uint32 code_at;
	uint32 refinement_at;
	uint32 total_bytes; /* unless codes vary */

	/* work space for the halves of a code that is going to be stored */
	Sq8Upper *upper;
	Sq8Rest	 *lower;
} HnswCoder;

/* Do codes say so little that candidates of a search are to be refined? */
static inline bool
hnsw_codes_are_coarse(const HnswCoder *coder)
{
	return coder->codes.coarse_bits > 0;
}

/*
 * Do bounds of their distances spare some of these?  Of few bits or dimensions they
 * are wider than a beam, and not worth their time.
 */
#define HNSW_MIN_COARSE_BITS 4
#define HNSW_MIN_COARSE_DIMS 256

static inline bool
hnsw_bounds_are_useful(const HnswCoder *coder)
{
	return !hnsw_codes_are_coarse(coder) ||
		   (coder->codes.coarse_bits >= HNSW_MIN_COARSE_BITS &&
			coder->codes.dimensions >= HNSW_MIN_COARSE_DIMS);
}

typedef struct HnswQuery
{
	const HnswCoder *coder;
	CoderQuery		 codes;
	CoderQuery		 refinement; /* see hnsw_query_init_refinement */
} HnswQuery;

/* Set up for an opclass; allocates in the current memory context. */
extern void hnsw_coder_init(HnswCoder *coder, const VectorOpclass *opclass,
							uint32 dimensions, uint64 seed,
							HnswEncoding encoding);

/* As coder_encode, with room for hnsw_encoded_bytes. */
extern bool	  hnsw_encode(HnswCoder *coder, const void *value, HnswCode *code);
extern uint32 hnsw_encoded_bytes(const HnswCoder *coder, const void *value);

/* Bytes of a code with its refinement. */
extern uint32 hnsw_code_length(const HnswCoder *coder, const HnswCode *code);

/* Bytes of what elements are linked by, with which it begins. */
extern uint32 hnsw_linking_bytes(const HnswCoder *coder, const HnswCode *code);

/* Are two codes the same, as far as elements are linked by them? */
extern bool hnsw_codes_equal(const HnswCoder *coder, const HnswCode *a,
							 const HnswCode *b);

/*
 * From a whole code to the halves that pages have of it, in the coder's work space;
 * and from the halves, as they were read, to what elements are linked by.
 */
extern void hnsw_split_code(const HnswCoder *coder, const HnswCode *code);
extern void hnsw_join_code(const HnswCoder *coder, const VectorCode *upper,
						   const void *refinement, HnswCode *code);

/* As coder_query_init and coder_query_init_from_code. */
extern void hnsw_query_init(HnswQuery *query, HnswCoder *coder,
							const void *value);
extern void hnsw_query_init_from_code(HnswQuery *query, HnswCoder *coder,
									  const HnswCode *code);

/*
 * What such a query needs for hnsw_refined_distance; for a value, or none, that
 * hnsw_query_init got.
 */
extern void hnsw_query_init_refinement(HnswQuery *query, HnswCoder *coder,
									   const void *value);

/*
 * Bounds of the exact distance from an element's refinement; the distance itself
 * if that is the value.  estimate: that of its code, for a rest.
 */
typedef struct HnswBounds
{
	double lower;
	double upper;
} HnswBounds;

extern HnswBounds hnsw_refined_distance(const HnswQuery *query, float estimate,
										const void *refinement);

/* As coder_codes_alike; of halves, what is behind the lower one. */
extern bool hnsw_refinements_alike(const HnswCoder *coder, const void *a,
								   const void *b);

/*
 * What is wrong with a refinement as it was read, NULL if nothing.  code: its code,
 * which has passed coder_check_code; of values it may be NULL.
 */
extern const char *hnsw_check_refinement(const HnswCoder  *coder,
										 const VectorCode *code,
										 const void		  *refinement);

/* As coder_query_distance. */
static inline float
hnsw_query_distance(const HnswQuery *query, const VectorCode *code,
					float limit, float *error)
{
	return coder_query_distance(&query->codes, code, limit, error);
}

/* The distance that elements are linked by, of values; never NaN. */
extern float hnsw_value_distance(const HnswCoder *coder, const void *a,
								 const void *b);

/* The distance that elements are linked by. */
static inline float
hnsw_code_distance(const HnswCoder *coder, const HnswCode *a,
				   const HnswCode *b)
{
	if (likely(!coder->links_by_refinement))
		return coder_code_distance(&coder->codes, (const VectorCode *) a,
								   (const VectorCode *) b);
	if (coder->encoding.refinement == HNSW_REFINEMENT_VALUE)
		return hnsw_value_distance(coder, a, b);
	return coder_code_distance(&coder->refinement, (const VectorCode *) a,
							   (const VectorCode *) b);
}

/* The same between one code and each of `count` others. */
static inline void
hnsw_code_distances(const HnswCoder *coder, const HnswCode *a,
					const HnswCode *const *b, uint32 count, float *distances)
{
	if (likely(!coder->links_by_refinement))
		coder_code_distances(&coder->codes, (const VectorCode *) a,
							 (const VectorCode *const *) b, count, distances);
	else if (coder->encoding.refinement != HNSW_REFINEMENT_VALUE)
		coder_code_distances(&coder->refinement, (const VectorCode *) a,
							 (const VectorCode *const *) b, count, distances);
	else
	{
		for (uint32 i = 0; i < count; i++)
			distances[i] = hnsw_value_distance(coder, a, b[i]);
	}
}

#endif /* HNSW_CODE_H */
