/*
 * hnsw_code.h
 *		Values to codes, and the distances between queries, codes and values.
 */
#ifndef HNSW_CODE_H
#define HNSW_CODE_H

#include <float.h>
#include <math.h>

#include "distance/sparse_table.h"
#include "hnsw/hnsw_format.h"
#include "index/opclass.h"
#include "quantize/rotation.h"
#include "quantize/sq8.h"

/*
 * How an index encodes vectors.  All of it is in the metapage, chosen when the
 * index is built.
 */
typedef struct HnswEncoding
{
	HnswCodeKind kind;
	bool		 rotated;	 /* only HNSW_CODE_SQ8 */
	uint32		 slot_bytes; /* only HNSW_CODE_SPARSE */
} HnswEncoding;

/*
 * A code: Sq8Code, float[dimensions], bits or HnswSparseCode, as the encoding
 * says.  Codes have a multiple of 4 bytes and lie at multiples of 4.
 */
typedef struct HnswCode HnswCode;

/*
 * The code of a sparse vector is its elements, so its size varies.  It ends in
 * arrays of `count` indexes and as many values.
 *
 *	OFFSET			SIZE		DESCRIPTION
 *	0				4			number of elements
 *	4				4			L1: sum of the absolute values; else of the squares
 *	8				4 * count	indexes from 0, ascending
 *	8 + 4 * count	4 * count	values, float4
 */
typedef struct HnswSparseCode
{
	uint32 count;
	float  size;
	int32  index[FLEXIBLE_ARRAY_MEMBER];
} HnswSparseCode;

#define HNSW_SPARSE_CODE_BYTES(count)  \
	(offsetof(HnswSparseCode, index) + \
	 (sizeof(int32) + sizeof(float)) * (Size) (count))

static inline SparseArray
hnsw_sparse_array(const HnswSparseCode *code)
{
	SparseArray array = {code->index,
						 (const float *) (code->index + code->count),
						 code->count};

	return array;
}

static inline bool
hnsw_codes_vary(HnswEncoding encoding)
{
	return encoding.kind == HNSW_CODE_SPARSE;
}

/* Bytes of each code; of its slot, if codes vary. */
extern uint32 hnsw_code_bytes(HnswEncoding encoding, uint32 dimensions);

/* What such a slot may have. */
#define HNSW_MIN_SLOT_BYTES \
	(offsetof(HnswCodeSlot, bytes) + HNSW_SPARSE_CODE_BYTES(1))
#define HNSW_MAX_SLOT_BYTES HNSW_PAGE_CAPACITY

#define HNSW_MAX_DIMENSIONS 16000
#define HNSW_MAX_BITS		64000

extern uint32 hnsw_max_dimensions(VectorValueKind kind);

/* Can codes of values of this kind be of that kind? */
extern bool hnsw_code_kind_fits(HnswCodeKind kind, VectorValueKind value_kind);

/*
 * The encoding for vectors like these: `count` values, which may be 0.
 * Allocates in the current memory context.
 */
extern HnswEncoding hnsw_choose_encoding(const VectorOpclass *opclass,
										 uint32 dimensions, uint64 seed,
										 const void *const *values, int count);

typedef struct HnswCoder
{
	VectorOpclass opclass;
	HnswEncoding  encoding;
	Sq8Metric	  metric;	/* of float codes; cosine is L2 on the sphere */
	double		  rounding; /* of the operator against the code's distance */
	uint32		  dimensions;
	uint64		  seed;
	bool		  normalize;
	Rotation	  rotation; /* if encoding.rotated */
	float		 *floats;	/* work space */
} HnswCoder;

typedef struct HnswQuery
{
	const HnswCoder *coder;
	const void		*value;	 /* detoasted value; NULL: no order wanted */
	const float		*floats; /* what its code would be made of */
	const uint8		*bits;	 /* the same for HNSW_CODE_BITS */
	Sq8Query		 sq8;	 /* HNSW_CODE_SQ8 */

	/* HNSW_CODE_SPARSE */
	const HnswSparseCode *sparse;
	SparseTable			  table; /* of its elements */
} HnswQuery;

/* Set up for an opclass; allocates in the current memory context. */
extern void hnsw_coder_init(HnswCoder *coder, const VectorOpclass *opclass,
							uint32 dimensions, uint64 seed,
							HnswEncoding encoding);

/*
 * Encode a detoasted value of the right number of dimensions.  False if it is
 * not indexed: a zero vector has no direction, so cosine leaves it out.
 * `code` has room for hnsw_encoded_bytes, all zero.
 */
extern bool	  hnsw_encode(HnswCoder *coder, const void *value, HnswCode *code);
extern uint32 hnsw_encoded_bytes(const HnswCoder *coder, const void *value);

/* Bytes of a code. */
extern uint32 hnsw_code_length(const HnswCoder *coder, const HnswCode *code);

/*
 * What is wrong with a code as it was read, NULL if nothing.  Queries may meet
 * any codes of the right length; those that are compared with each other must
 * have passed this.
 */
extern const char *hnsw_check_code(const HnswCoder *coder,
								   const HnswCode  *code);

/* Are two codes the same? */
extern bool hnsw_codes_equal(const HnswCoder *coder, const HnswCode *a,
							 const HnswCode *b);

/*
 * Prepare a query; memory comes from the current context.  value is kept by
 * reference; NULL or a zero vector under cosine give a query without order.
 */
extern void hnsw_query_init(HnswQuery *query, HnswCoder *coder,
							const void *value);

/* A query for the vector that a code stands for; it has no exact value. */
extern void hnsw_query_init_from_code(HnswQuery *query, HnswCoder *coder,
									  const HnswCode *code);

/* Raise pgvector's error unless the value has the index's dimensions. */
extern void hnsw_check_dimensions(const HnswCoder *coder, const void *value);

extern uint64 hnsw_value_hash(const HnswCoder *coder, const void *value);

/* The exact distance that the SQL operator gives. */
extern double hnsw_exact_distance(const HnswQuery *query, const void *value);

/* Bounds of hnsw_exact_distance from an estimate and the bound of its error. */
extern double hnsw_lower_bound(const HnswCoder *coder, float estimate,
							   float error);
extern double hnsw_upper_bound(const HnswCoder *coder, float estimate,
							   float error);

/*
 * Distances of codes that are the values themselves, in the unit of the codes'
 * metric; never NaN.
 */
extern float hnsw_float_distance(const HnswCoder *coder, const float *a,
								 const float *b);
extern float hnsw_bits_distance(const HnswCoder *coder, const uint8 *a,
								const uint8 *b);
extern float hnsw_sparse_distance(const HnswCoder	   *coder,
								  const HnswSparseCode *a,
								  const HnswSparseCode *b);
extern float hnsw_sparse_query_distance(const HnswQuery		 *query,
										const HnswSparseCode *code,
										float				 *error);

/*
 * Bound of their error, beyond the operator's rounding: where floats under- or
 * overflow the operator computes in double, and nothing is known.
 */
static inline float
hnsw_value_error(float distance)
{
	if (unlikely(fabsf(distance) < 1e-15f))
		return 1e-15f;
	return unlikely(fabsf(distance) > 1e37f) ? INFINITY : 0;
}

/*
 * Estimated distance between a query and a code, in the unit of the codes'
 * metric, and a bound of its error; never NaN.  A bound that takes time is not
 * computed for a distance from `limit` on: most codes that a search compares are
 * too far away to be of interest.
 */
#define HNSW_ERROR_UNKNOWN (-1.0f)

static inline float
hnsw_query_distance(const HnswQuery *query, const HnswCode *code, float limit,
					float *error)
{
	float distance;

	switch (query->coder->encoding.kind)
	{
		case HNSW_CODE_SQ8:
			distance = sq8_query_distance(&query->sq8, (const Sq8Code *) code);
			*error = distance < limit
						 ? sq8_error_bound(&query->sq8, (const Sq8Code *) code)
						 : HNSW_ERROR_UNKNOWN;
			return distance;
		case HNSW_CODE_FLOAT:
			distance = hnsw_float_distance(query->coder, query->floats,
										   (const float *) code);
			*error = hnsw_value_error(distance);
			return distance;
		case HNSW_CODE_BITS:
			*error = 0;
			return hnsw_bits_distance(query->coder, query->bits,
									  (const uint8 *) code);
		case HNSW_CODE_SPARSE:
			return hnsw_sparse_query_distance(query,
											  (const HnswSparseCode *) code,
											  error);
	}
	pg_unreachable();
}

/* The same between two codes. */
static inline float
hnsw_code_distance(const HnswCoder *coder, const HnswCode *a,
				   const HnswCode *b)
{
	switch (coder->encoding.kind)
	{
		case HNSW_CODE_SQ8:
			return sq8_code_distance(coder->metric, (const Sq8Code *) a,
									 (const Sq8Code *) b, coder->dimensions);
		case HNSW_CODE_FLOAT:
			return hnsw_float_distance(coder, (const float *) a,
									   (const float *) b);
		case HNSW_CODE_BITS:
			return hnsw_bits_distance(coder, (const uint8 *) a,
									  (const uint8 *) b);
		case HNSW_CODE_SPARSE:
			return hnsw_sparse_distance(coder, (const HnswSparseCode *) a,
										(const HnswSparseCode *) b);
	}
	pg_unreachable();
}

#endif /* HNSW_CODE_H */
