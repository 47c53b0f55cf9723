/*
 * coder.h
 *		Values to codes, and the distances between queries, codes and values.
 *
 * For access methods that keep a code next to each row.  Codes have one size,
 * but for those of sparse vectors.
 */
#ifndef INDEX_CODER_H
#define INDEX_CODER_H

#include <float.h>
#include <math.h>

#include "index/opclass.h"
#include "index/sparse_code.h"
#include "quantize/exrabitq.h"
#include "quantize/rotation.h"
#include "quantize/sq8.h"
#include "quantize/sq8_halves.h"

/* Stored in metapages: do not renumber. */
typedef enum CodeKind
{
	CODE_SQ8 = 1,	   /* 8 bits a dimension, see quantize/sq8.h */
	CODE_FLOAT = 2,	   /* float4 a dimension */
	CODE_BITS = 3,	   /* a bit a dimension, as in the value */
	CODE_SPARSE = 4,   /* what is not zero, see sparse_code.h */
	CODE_RABITQ_4 = 5, /* 4 bits a dimension, see quantize/exrabitq.h */
	CODE_RABITQ_2 = 6, /* 2 bits */
	CODE_RABITQ_1 = 7, /* 1 bit */
	CODE_SQ8_UPPER = 8 /* 4 of 8 bits, see quantize/sq8_halves.h */
} CodeKind;

/*
 * How an index encodes vectors.  Both fields are in the metapage, chosen when
 * the index is built.
 */
typedef struct CodeEncoding
{
	CodeKind kind;
	bool	 rotated; /* CODE_SQ8 and its half may be, CODE_RABITQ is */
} CodeEncoding;

/*
 * A code: Sq8Code, float[dimensions], bits, SparseCode, ExRabitqCode or Sq8Upper, as
 * the encoding says.  Codes have a multiple of 4 bytes and lie at multiples of 4.
 */
typedef struct VectorCode VectorCode;

/* Bytes of a code, unless codes vary. */
extern uint32 coder_code_bytes(CodeKind kind, uint32 dimensions);

static inline bool
coder_codes_vary(CodeKind kind)
{
	return kind == CODE_SPARSE;
}

/* Bits a dimension of codes of less than 8 bits, 0 for all others. */
static inline uint32
coder_coarse_bits(CodeKind kind)
{
	switch (kind)
	{
		case CODE_RABITQ_4:
		case CODE_SQ8_UPPER:
			return 4;
		case CODE_RABITQ_2:
			return 2;
		case CODE_RABITQ_1:
			return 1;
		default:
			return 0;
	}
}

/* Can codes of values of this kind be of that kind? */
extern bool coder_kind_fits(CodeKind kind, VectorValueKind value_kind);

/*
 * The encoding for vectors like these: `count` values, which may be 0, whose
 * codes have at most so many bytes.  Allocates in the current memory context.
 */
extern CodeEncoding coder_choose_encoding(const VectorOpclass *opclass,
										  uint32 dimensions, uint64 seed,
										  const void *const *values, int count,
										  uint32 max_code_bytes);

typedef struct VectorCoder
{
	VectorOpclass opclass;
	CodeEncoding  encoding;
	Sq8Metric	  metric; /* of float codes; cosine is L2 on the sphere */
	RabitqMetric  coarse_metric; /* the same of CODE_RABITQ */
	uint32		  coarse_bits;
	double		  rounding; /* of the operator against the code's distance */
	uint32		  dimensions;
	uint64		  seed;
	bool		  normalize;
	Rotation	  rotation; /* if encoding.rotated */
	float		 *floats;	/* work space */
} VectorCoder;

typedef struct CoderQuery
{
	const VectorCoder *coder;
	const void		  *value;  /* detoasted value; NULL: no order wanted */
	const float		  *floats; /* what its code would be made of */
	const uint8		  *bits;   /* the same for CODE_BITS */
	double			   loss;   /* how far floats may be from the value's */
	Sq8Query		   sq8;	   /* CODE_SQ8, CODE_SQ8_UPPER */
	ExRabitqQuery	   rabitq; /* CODE_RABITQ */
	SparseCodeQuery	   sparse; /* CODE_SPARSE */
	float deviations;		   /* of its likely errors; 0: certain bounds */
} CoderQuery;

/* Set up for an opclass; allocates in the current memory context. */
extern void coder_init(VectorCoder *coder, const VectorOpclass *opclass,
					   uint32 dimensions, uint64 seed, CodeEncoding encoding);

/*
 * Encode a detoasted value of the right number of dimensions.  False if it is
 * not indexed: a zero vector has no direction, so cosine leaves it out.
 * `code` has room for coder_encoded_bytes, all zero.  Not for CODE_SQ8_UPPER, which
 * are halves of other codes.
 */
extern bool	  coder_encode(VectorCoder *coder, const void *value,
						   VectorCode *code);
extern uint32 coder_encoded_bytes(const VectorCoder *coder, const void *value);

/* Bytes of a code. */
extern uint32 coder_code_length(const VectorCoder *coder,
								const VectorCode  *code);

/*
 * What is wrong with a code as it was read, NULL if nothing.  Queries may meet
 * any codes of the right length; those that are compared with each other must
 * have passed this.
 */
extern const char *coder_check_code(const VectorCoder *coder,
									const VectorCode  *code);

/* Are two codes the same? */
extern bool coder_codes_equal(const VectorCoder *coder, const VectorCode *a,
							  const VectorCode *b);

/*
 * Are they codes of one value, by whatever instruction sets?  These differ in the
 * last bits of sums and of rotated values, so that levels at the border of two may
 * be the one or the other.  For verification; both have passed coder_check_code.
 */
extern bool coder_codes_alike(const VectorCoder *coder, const VectorCode *a,
							  const VectorCode *b);

/*
 * For codes of floats: the floats that a value's code is made of, in the value itself or in work:
 * normalized and rotated, as the metric and the encoding say.  NULL if the
 * value is not indexed.  loss: how far they may be from those of the value.
 */
extern const float *coder_floats(const VectorCoder *coder, const void *value,
								 float *work, double *loss);

/* Encode such floats, or decode what became of them, if CODE_SQ8 or floats. */
extern void coder_encode_floats(const VectorCoder *coder, const float *x,
								double loss, VectorCode *code);
extern void coder_decode(const VectorCoder *coder, const VectorCode *code,
						 float *x);

/*
 * Rotate dim floats in place.  Returns a bound of what rounding may have
 * changed; where rotated values leave the range of floats, they are cut and
 * nothing is known.
 */
extern double coder_rotate(const Rotation *rotation, float *x);

/*
 * Prepare a query; memory comes from the current context.  value is kept by
 * reference; NULL or a zero vector under cosine give a query without order.
 */
extern void coder_query_init(CoderQuery *query, VectorCoder *coder,
							 const void *value);

/*
 * The same of floats as coder_floats gives, which are kept by reference; there
 * is no exact value.
 */
extern void coder_query_init_from_floats(CoderQuery		   *query,
										 const VectorCoder *coder,
										 const float *x, double loss);

/*
 * A query for the vector that a code stands for, unless it is of less than 8 bits;
 * it has no exact value.
 */
extern void coder_query_init_from_code(CoderQuery		 *query,
									   const VectorCoder *coder,
									   const VectorCode	 *code);

/*
 * From now on take bounds that are only likely, to so many standard deviations,
 * where vectors are rotated (sq8_likely_error).  With six one in a billion is
 * wrong.
 */
#define CODER_LIKELY_DEVIATIONS 6

extern void coder_query_set_deviations(CoderQuery *query, float deviations);

/* Raise pgvector's error unless the value has the index's dimensions. */
extern void coder_check_dimensions(const VectorCoder *coder,
								   const void		 *value);

extern uint64 coder_value_hash(const VectorCoder *coder, const void *value);

/* The exact distance that the SQL operator gives. */
extern double coder_exact_distance(const CoderQuery *query, const void *value);

/* Bounds of coder_exact_distance from an estimate and the bound of its error. */
extern double coder_lower_bound(const VectorCoder *coder, float estimate,
								float error);
extern double coder_upper_bound(const VectorCoder *coder, float estimate,
								float error);

/*
 * Distances of codes that are the values themselves, in the unit of the codes'
 * metric; never NaN.
 */
extern float coder_float_distance(const VectorCoder *coder, const float *a,
								  const float *b);
extern float coder_bits_distance(const VectorCoder *coder, const uint8 *a,
								 const uint8 *b);

/*
 * Bound of their error, beyond the operator's rounding: where floats under- or
 * overflow the operator computes in double, and nothing is known.
 */
static inline float
coder_value_error(float distance)
{
	if (unlikely(fabsf(distance) < 1e-15f))
		return 1e-15f;
	return unlikely(fabsf(distance) > 1e37f) ? INFINITY : 0;
}

/*
 * Estimated distance between a query and a code, in the unit of the codes'
 * metric, and a bound of its error; never NaN.  A bound that takes time is not
 * computed for a distance from `limit` on: most codes that a search compares are
 * too far away to be of interest.  Of less than 8 bits there are only likely bounds:
 * the error is Infinity unless these were asked for.
 */
#define CODER_ERROR_UNKNOWN (-1.0f)

static inline float
coder_query_distance(const CoderQuery *query, const VectorCode *code,
					 float limit, float *error)
{
	const VectorCoder *coder = query->coder;
	float			   distance;

	switch (coder->encoding.kind)
	{
		case CODE_SQ8:
			distance = sq8_query_distance(&query->sq8, (const Sq8Code *) code);
			if (!(distance < limit))
				*error = CODER_ERROR_UNKNOWN;
			else if (query->deviations > 0)
				*error = sq8_likely_error(&query->sq8, (const Sq8Code *) code,
										  distance, query->deviations);
			else
				*error = sq8_error_bound(&query->sq8, (const Sq8Code *) code,
										 distance);
			return distance;
		case CODE_FLOAT:
			distance = coder_float_distance(coder, query->floats,
											(const float *) code);
			*error = coder_value_error(distance);
			return distance;
		case CODE_BITS:
			*error = 0;
			return coder_bits_distance(coder, query->bits,
									   (const uint8 *) code);
		case CODE_SPARSE:
			return sparse_code_query_distance(coder->opclass.metric,
											  &query->sparse,
											  (const SparseCode *) code,
											  error);
		case CODE_RABITQ_4:
		case CODE_RABITQ_2:
		case CODE_RABITQ_1:
			distance = exrabitq_query_distance(&query->rabitq,
											   (const ExRabitqCode *) code,
											   NULL);
			if (query->deviations == 0)
				*error = INFINITY;
			else if (!(distance < limit))
				*error = CODER_ERROR_UNKNOWN;
			else
				*error = exrabitq_likely_error(&query->rabitq,
											   (const ExRabitqCode *) code,
											   distance, query->deviations);
			return distance;
		case CODE_SQ8_UPPER:
			distance = sq8_upper_distance(&query->sq8,
										  (const Sq8Upper *) code);
			if (query->deviations == 0)
				*error = INFINITY;
			else if (!(distance < limit))
				*error = CODER_ERROR_UNKNOWN;
			else
				*error = sq8_upper_likely_error(&query->sq8,
												(const Sq8Upper *) code,
												distance, query->deviations);
			return distance;
	}
	pg_unreachable();
}

/* The same between two codes, which are no halves. */
static inline float
coder_code_distance(const VectorCoder *coder, const VectorCode *a,
					const VectorCode *b)
{
	switch (coder->encoding.kind)
	{
		case CODE_SQ8:
			return sq8_code_distance(coder->metric, (const Sq8Code *) a,
									 (const Sq8Code *) b, coder->dimensions);
		case CODE_FLOAT:
			return coder_float_distance(coder, (const float *) a,
										(const float *) b);
		case CODE_BITS:
			return coder_bits_distance(coder, (const uint8 *) a,
									   (const uint8 *) b);
		case CODE_SPARSE:
			return sparse_code_distance(coder->opclass.metric,
										(const SparseCode *) a,
										(const SparseCode *) b);
		case CODE_RABITQ_4:
		case CODE_RABITQ_2:
		case CODE_RABITQ_1:
			return exrabitq_code_distance(coder->coarse_metric,
										  coder->coarse_bits,
										  (const ExRabitqCode *) a,
										  (const ExRabitqCode *) b,
										  coder->dimensions);
		case CODE_SQ8_UPPER:
			break;
	}
	pg_unreachable();
}

/* The same between one code and each of `count` others. */
static inline void
coder_code_distances(const VectorCoder *coder, const VectorCode *a,
					 const VectorCode *const *b, uint32 count,
					 float *distances)
{
	if (likely(coder->encoding.kind == CODE_SQ8))
		sq8_code_distances(coder->metric, (const Sq8Code *) a,
						   (const Sq8Code *const *) b, count,
						   coder->dimensions, distances);
	else
	{
		for (uint32 i = 0; i < count; i++)
			distances[i] = coder_code_distance(coder, a, b[i]);
	}
}

#endif /* INDEX_CODER_H */
