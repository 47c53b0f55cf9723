/*
 * sq8.h
 *		Scalar quantization: 8 bits a dimension, offset and step per vector.
 *
 * A code stands for the vector decoded[i] = offset + step * code[i].  Nothing
 * is trained: a code depends on its own vector alone, so an index created on
 * an empty table is as good as one built later.
 *
 * Distances between codes are those of the decoded vectors, computed from
 * integer dot products and the constants below in double precision, without
 * further error.  `residual` bounds what decoding lost, so that the triangle
 * inequality turns an estimate into a safe bound:
 *		|metric(x, y) - estimate(x, y)| <= sq8_error_bound
 *
 * Raw arrays only: no buffers, no varlena, no allocation, no errors.
 */
#ifndef QUANTIZE_SQ8_H
#define QUANTIZE_SQ8_H

#include "c.h"

#include "distance/distance.h"

typedef enum Sq8Metric
{
	SQ8_L2, /* Euclidean distance (not squared) */
	SQ8_IP, /* negative inner product */
	SQ8_L1	/* taxicab distance */
} Sq8Metric;

/*
 * A code as stored (native byte order, 4-byte aligned):
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		offset, float
 *	4		4		step, float >= 0
 *	8		4		sum of code[i]
 *	12		4		sum of code[i]^2
 *	16		4		residual: L2 norm of x - decoded (L1 norm for SQ8_L1),
 *					rounded up
 *	20		dim		code[]
 */
typedef struct Sq8Code
{
	float  offset;
	float  step;
	uint32 sum;
	uint32 sum_squares;
	float  residual;
	uint8  code[FLEXIBLE_ARRAY_MEMBER];
} Sq8Code;

StaticAssertDecl(sizeof(Sq8Code) == 20, "Sq8Code is an on-disk format");

#define SQ8_CODE_BYTES(dim) (offsetof(Sq8Code, code) + (Size) (dim))

/* A query, kept more finely: signed 12-bit levels (L2, IP), floats (L1). */
typedef struct Sq8Query
{
	Sq8Metric metric;
	uint32	  dim;
	double	  offset; /* decoded[i] = offset + step * levels[i] */
	double	  step;
	double	  sum;		   /* of levels */
	double	  sum_squares; /* of levels^2 */
	double	  norm;		   /* L2 norm of the query itself (L1: L1 norm) */
	double	  residual;	   /* as in Sq8Code */

	/* what follows from these */
	double		 step_sum;	   /* step * sum */
	double		 step_squares; /* step^2 * sum_squares */
	double		 root_dim;
	double		 rounding; /* relative error of a float32 kernel's sum */
	const int16 *levels;   /* dim values in [-2047, 2047]; not for L1 */
	SplitLevels	 split;	   /* the same, for halves of codes */
	const float *values;   /* dim values; only L1 */
} Sq8Query;

/*
 * Encode dim finite floats, dim <= 32768.  Works for any finite input,
 * constants included.  Values on an even grid of at most 256 levels (integers,
 * pixels, histograms) keep that grid: no loss, or rounding errors only.
 */
extern void sq8_encode(Sq8Metric metric, const float *x, uint32 dim,
					   Sq8Code *code);

/* Decode into dim floats (values beyond float are clamped to finite ones). */
extern void sq8_decode(const Sq8Code *code, uint32 dim, float *x);

/*
 * Prepare a query.  levels: room for dim int16, owned by the caller and kept
 * as long as the query; x is kept by reference for SQ8_L1.
 */
extern void sq8_prepare_query(Sq8Metric metric, const float *x, uint32 dim,
							  int16 *levels, Sq8Query *query);

/*
 * Estimated distance between query and code, in the metric's own unit
 * (SQ8_L2: not squared).  Never NaN; clamped to +-FLT_MAX.
 */
extern float sq8_query_distance(const Sq8Query *query, const Sq8Code *code);

/* The same between two codes. */
extern float sq8_code_distance(Sq8Metric metric, const Sq8Code *a,
							   const Sq8Code *b, uint32 dim);

/* The same between one code and each of `count` others. */
extern void sq8_code_distances(Sq8Metric metric, const Sq8Code *a,
							   const Sq8Code *const *b, uint32 count,
							   uint32 dim, float *distances);

/*
 * Bound on |exact distance - sq8_query_distance|, where the exact distance is
 * that of real numbers or that of the float32 kernels, so long as these do not
 * overflow.  estimate: that of sq8_query_distance.  May be Infinity, where
 * distances leave the range of float.
 */
extern float sq8_error_bound(const Sq8Query *query, const Sq8Code *code,
							 float estimate);

/*
 * The same, for SQ8_L2 and vectors that were rotated at random, as a bound
 * that is likely and not certain: a tenth of the certain one with 4,000
 * dimensions.  What quantization loses is the rounding of numbers that have
 * nothing to do with where the other vector lies, so its projection on their
 * difference has a standard deviation of its length over sqrt(dim); the bound
 * leaves room for so many of them.  (It is the difference of the vectors
 * themselves, not that of the decoded ones: between a vector and its own code
 * the loss is all there is.)
 */
extern float sq8_likely_error(const Sq8Query *query, const Sq8Code *code,
							  float estimate, float deviations);

/*
 * What is wrong with a code read from a page, or NULL: for verification.  A
 * constant string that fits "code of element ...: %s".
 */
extern const char *sq8_check(const Sq8Code *code, uint32 dim);

#endif /* QUANTIZE_SQ8_H */
