/*
 * distance.h
 *		Distance kernels on raw arrays, chosen once for the CPU.
 *
 * This module knows no buffers, no varlena and nothing of PostgreSQL beyond
 * c.h.  Every function pointer below reads its inputs without any alignment
 * assumption, allocates nothing, raises no errors and has no state.  Arrays
 * hold `dim` values, dim >= 1.
 *
 * f16 is IEEE half precision, its bits in a uint16.
 *
 * The bodies are written once (kernels.inc.h) on top of a few vector
 * primitives per instruction set, and compiled once per set;
 * distance_dispatch.c picks a table at load.  Results of floating-point sums
 * differ between tables in the last bits.
 */
#ifndef DISTANCE_H
#define DISTANCE_H

#include "c.h"

typedef struct CosineParts
{
	float dot;	  /* sum a[i] * b[i] */
	float norm_a; /* sum a[i] * a[i] */
	float norm_b; /* sum b[i] * b[i] */
} CosineParts;

typedef struct FloatRange
{
	float min;
	float max;
} FloatRange;

/* What code_errors_f32_u8 learns about codes. */
typedef struct CodeErrors
{
	uint32 sum;
	uint32 sum_squares;
	double error_l1;
	double error_l2sq;
} CodeErrors;

/*
 * What quantize_f32_u8 learns about the codes it wrote; errors in units of a
 * step, with u[i] = (x[i] - offset) * inverse_step.
 */
typedef struct QuantizeSums
{
	uint32 sum;			/* of code[i] */
	uint32 sum_squares; /* of code[i]^2 */
	float  error_l1;	/* sum |u[i] - code[i]| */
	float  error_l2sq;	/* sum (u[i] - code[i])^2 */
} QuantizeSums;

/*
 * A sparse array: `count` values other than zero, possibly none, and where
 * they are, in ascending order without duplicates.
 */
typedef struct SparseArray
{
	const int32 *index;
	const float *value;
	uint32		 count;
} SparseArray;

/* Bits that are set in both of two bit strings, and in at least one. */
typedef struct BitCounts
{
	uint64 both;
	uint64 either;
} BitCounts;

/*
 * Decimals of nine digits, d * 10^exponent with the point after the first digit;
 * eight of them as numbers 0 to 9, the first one in the low byte.
 */
#define DECIMAL_BLOCK 16

typedef struct DecimalBlock
{
	uint32 first[DECIMAL_BLOCK];
	uint64 digits[DECIMAL_BLOCK];
	int32  exponent[DECIMAL_BLOCK];
} DecimalBlock;

/* What residual_signs_f32 learns about r = x - center. */
typedef struct ResidualSums
{
	float l1;	/* sum |r[i]| */
	float l2sq; /* sum r[i]^2 */
	float dot;	/* sum center[i] * r[i] */
} ResidualSums;

/*
 * An even grid: the level of x is round((x - lowest) * per_step) - zero, and a
 * level stands for offset + step * level.
 */
typedef struct LevelGrid
{
	double lowest;
	double per_step;
	double offset;
	double step;
	int32  zero;
} LevelGrid;

/* Sums over the levels, exact, and over values and what they lost of them. */
typedef struct LevelGridSums
{
	double sum;
	double sum_squares;
	double norm_squared;
	double error_squared;
} LevelGridSums;

/* What rest_f32 learns about its result. */
typedef struct RestSums
{
	float l1;
	float l2sq;
	float largest; /* l1 of a group of 4 values: x[4 * g] .. x[4 * g + 3] */
} RestSums;

/*
 * How score_signs_f32 turns sums into distances; quantize/rabitq.c derives it.
 * All values are finite, and such that no result is beyond float.
 */
typedef struct SignScore
{
	float bias;		  /* product = (bias + step * sum) * scale */
	float step;		  /*   |product - t| <= ... */
	float sum_error;  /*   ... of bias + step * sum */
	float norm;		  /* |t| is never more than that */
	float deviations; /* room for errors of signs, in standard deviations */
	float quarter;	  /* dimensions / 4 */
	float constant;	  /* value = constant + norm_weight * norms^2 + ... */
	float norm_weight;
	float shift_weight; /* ... + shift_weight * shifts + ... */
	float weight;		/* ... - weight * norms * t */
	float slack;		/* how much less a bound is: slack + ... */
	float norm_slack;	/* ... + norm_slack * norms + ... */
	float square_slack; /* ... + square_slack * norms^2 */
	bool  root;			/* take square roots of values, where positive */
} SignScore;

/* Codes that are looked up together, and centroids that share a panel. */
#define LOOKUP_ENTRIES 32
#define PANEL_WIDTH	   32

/* The vector of an 8-bit code is offset + step * code[i]. */
typedef struct CodeScale
{
	float  offset;
	float  step;
	uint32 sum;			/* of code[i] */
	uint32 sum_squares; /* of code[i]^2 */
} CodeScale;

/* Levels in [-2047, 2047]: levels[i] = 64 * high[i] + low[i], low[i] in [0, 63]. */
typedef struct SplitLevels
{
	const int16 *levels;
	const int8	*high;
	const int8	*low;
} SplitLevels;

typedef struct DistanceKernels
{
	/* "baseline", "neon", "avx2", "avx512", "avx512vnni" or "avx512popcnt" */
	const char *isa;

	/* float32 x float32; float32 accumulators, may overflow to Infinity */
	float (*l2sq_f32)(const float *a, const float *b, uint32 dim);
	float (*dot_f32)(const float *a, const float *b, uint32 dim);
	float (*l1_f32)(const float *a, const float *b, uint32 dim);
	CosineParts (*cosine_f32)(const float *a, const float *b, uint32 dim);

	/*
	 * Is there an a[i] * b[i] whose digits are lost, because it is below the
	 * normal range of float32 without one of its factors being zero?
	 */
	bool (*dot_underflows_f32)(const float *a, const float *b, uint32 dim);

	/*
	 * f16 x f16 of finite values; float32 accumulators, which no such sum of
	 * up to 2^32 values can overflow, nor any of its terms underflow.
	 */
	float (*l2sq_f16)(const uint16 *a, const uint16 *b, uint32 dim);
	float (*dot_f16)(const uint16 *a, const uint16 *b, uint32 dim);
	float (*l1_f16)(const uint16 *a, const uint16 *b, uint32 dim);
	CosineParts (*cosine_f16)(const uint16 *a, const uint16 *b, uint32 dim);

	/*
	 * Conversion of any values, also infinity and NaN; f32_to_f16 rounds to
	 * the nearest, ties to even.  x and result do not overlap.
	 */
	void (*f16_to_f32)(const uint16 *x, float *result, uint32 dim);
	void (*f32_to_f16)(const float *x, uint16 *result, uint32 dim);

	/*
	 * The shortest decimals that read back as DECIMAL_BLOCK floats.  Right for
	 * normal floats that are no powers of two; other values are allowed.
	 * powers[n] holds the 64 leading bits of 10^n, -31 <= n <= 45.
	 */
	void (*decimals_f32)(const float *x, const uint64 *powers,
						 DecimalBlock *result);

	/*
	 * Sparse x sparse; float32 accumulators, may overflow to Infinity.
	 */
	float (*l2sq_sparse)(const SparseArray *a, const SparseArray *b);
	float (*dot_sparse)(const SparseArray *a, const SparseArray *b);
	float (*l1_sparse)(const SparseArray *a, const SparseArray *b);

	/* bit strings of so many bytes, possibly none; exact results */
	uint64 (*hamming_bits)(const uint8 *a, const uint8 *b, uint32 bytes);
	BitCounts (*jaccard_bits)(const uint8 *a, const uint8 *b, uint32 bytes);

	/*
	 * 8-bit codes, exact results.  dot_u8_i16 needs |q[i]| <= 2047, and both
	 * need dim <= 32768: partial sums are int32, at least 16 of them, and only
	 * the total of dot_u8_i16 needs 64 bits.
	 */
	int64 (*dot_u8_i16)(const uint8 *code, const int16 *q, uint32 dim);
	uint32 (*dot_u8_u8)(const uint8 *a, const uint8 *b, uint32 dim);

	/* dots[i] = that of a and b[i], for i < count */
	void (*dots_u8_u8)(const uint8 *a, const uint8 *const *b, uint32 count,
					   uint32 dim, uint32 *dots);

	/*
	 * Euclidean distances between the vector that a tells of and those of
	 * b[i], for i < count, by the dots of their codes.  In double without
	 * fused operations, so all sets give the same; never NaN, at most FLT_MAX.
	 */
	void (*l2_scaled_u8)(const CodeScale *a, const CodeScale *const *b,
						 const uint32 *dots, uint32 count, uint32 dim,
						 float *distances);

	/*
	 * The same of levels of 4, 2 or 1 bits, packed into n bytes: bits b * k ..
	 * b * k + b - 1 of byte i are the level of q[n * k + i].
	 */
	int64 (*dot_packed_i16)(const uint8 *packed, uint32 bits, const int16 *q,
							uint32 levels);

	/* The same of 4 bits, which is faster of levels that are there as bytes. */
	int64 (*dot_u4_i12)(const uint8 *packed, const SplitLevels *q,
						uint32 levels);

	/* sum |q[i] - (offset + step * code[i])| */
	float (*l1_u8_f32)(const uint8 *code, float offset, float step,
					   const float *q, uint32 dim);

	/* sum |(offset_a + step_a * a[i]) - (offset_b + step_b * b[i])| */
	float (*l1_u8_u8)(const uint8 *a, float offset_a, float step_a,
					  const uint8 *b, float offset_b, float step_b,
					  uint32 dim);

	/*
	 * levels[i] = codes[i] >> shift & mask; they do not overlap, and mask <<
	 * shift fits a byte.
	 */
	void (*unpack_u8)(const uint8 *codes, uint32 shift, uint8 mask,
					  uint8 *levels, uint32 n);

	/* x[i] = offset + step * code[i], rounded to a float once */
	void (*dequantize_u8_f32)(const uint8 *code, float offset, float step,
							  float *x, uint32 dim);

	/* smallest and largest of finite values */
	FloatRange (*range_f32)(const float *x, uint32 dim);

	/*
	 * code[i] = round((x[i] - offset) * inverse_step), clamped to 0..255, and
	 * sums over the codes.  dim <= 32768; (x[i] - offset) * inverse_step must
	 * not overflow.
	 */
	QuantizeSums (*quantize_f32_u8)(const float *x, float offset,
									float inverse_step, uint8 *code,
									uint32 dim);

	/*
	 * Levels of finite values, none below `lowest`; all fit int16.  Here and in
	 * the next two x is aligned as floats are.
	 */
	LevelGridSums (*levels_f32_i16)(const float *x, const LevelGrid *grid,
									int16 *levels, uint32 dim);

	/* sum x[i]^2 in double, where squares of floats are exact */
	double (*square_f32)(const float *x, uint32 dim);

	/* out[i] = x[i] * factor in double, then rounded; out may be x */
	void (*scale_f32)(const float *x, double factor, float *out, uint32 dim);

	/*
	 * Is each x[i] - origin within `allowed` of a multiple of step?  per_step:
	 * 1 / step.  All finite; at most 2^51 steps.
	 */
	bool (*on_grid_f32)(const float *x, float origin, double step,
						double per_step, double allowed, uint32 dim);

	/*
	 * What codes have lost: sums over x[i] - offset - step * code[i], in double.
	 * dim <= 32768.  Of both, x is aligned as floats are.
	 */
	CodeErrors (*code_errors_f32_u8)(const float *x, const uint8 *code,
									 double offset, double step, uint32 dim);

	/*
	 * Codes of 4 bits for LOOKUP_ENTRIES entries at once: each group of 16
	 * bytes of codes and tables adds one of the table's 16 numbers to each
	 * entry's sum.  Byte i of a group has the code of entry i in its low half
	 * and of entry i + 16 in its high half.  groups is a multiple of 4.  Exact
	 * while sums are below 2^32.
	 */
	void (*lookup_u4)(const uint8 *codes, const uint8 *tables, uint32 groups,
					  uint32 *sums);

	/*
	 * rest[i] = x[i] - multiple * center[i], with zeros behind up to a
	 * multiple of 16.
	 */
	RestSums (*rest_f32)(const float *x, const float *center, float multiple,
						 float *rest, uint32 dim);

	/*
	 * Such tables of partial sums of values: tables[16 * g + j] =
	 * round(inverse_step * (s(j) - the least of s)), where s(j) is the sum of
	 * x[4 * g + k] over the bits k of j; which must be in 0..255.  x is aligned
	 * as floats are.
	 */
	void (*subset_sums_f32)(const float *x, float inverse_step, uint32 groups,
							uint8 *tables);

	/*
	 * signs: bit i, from the least significant of a byte, is 1 where x[i] >
	 * center[i]; whole units of 2 bytes, padded with zeros.
	 */
	ResidualSums (*residual_signs_f32)(const float *x, const float *center,
									   uint8 *signs, uint32 dim);

	/*
	 * Estimates and lower bounds for LOOKUP_ENTRIES entries, from the sums
	 * that lookup_u4 made of their signs.  norms[i] below zero: the bound is
	 * the least that there is.
	 */
	void (*score_signs_f32)(const SignScore *score, const uint32 *sums,
							const float *norms, const float *scales,
							const float *shifts, float *estimates,
							float *bounds);

	/*
	 * The nearest centroids of n rows of dim floats, aligned as floats are:
	 * where half_norms[c] - <row, centroid c> of a panel is below least[row],
	 * it goes there and first + c to nearest[row].  The panel holds
	 * PANEL_WIDTH centroids, all their values of one dimension together:
	 * panel[PANEL_WIDTH * i + c].
	 */
	void (*nearest_f32)(const float *rows, uint32 n, uint32 dim,
						const float *panel, const float *half_norms,
						uint32 first, float *least, uint32 *nearest);

	/* sums[i] += x[i] */
	void (*add_f32)(float *sums, const float *x, uint32 dim);

	/*
	 * Parts of a rotation, bit for bit the same in every table, on arrays
	 * aligned as floats are.
	 *
	 * hadamard_f32: in-place Walsh-Hadamard transform of 2^log2_n values, not
	 * scaled.
	 *
	 * flip_f32: values[i] *= bit i of signs ? -scale : scale; bits count from
	 * the least significant of a byte.  n a power of two.
	 *
	 * butterfly_f32: (a[i], b[i]) = ((a[i] + b[i]) * scale, (a[i] - b[i]) *
	 * scale); a and b do not overlap.
	 */
	void (*hadamard_f32)(float *values, uint32 log2_n);
	void (*flip_f32)(float *values, const uint8 *signs, float scale, uint32 n);
	void (*butterfly_f32)(float *a, float *b, float scale, uint32 n);
} DistanceKernels;

/* The table in use; never NULL, the best one after distance_init(). */
extern PGDLLIMPORT const DistanceKernels *distance_kernels;

/* Choose the best table for this CPU.  Idempotent. */
extern void distance_init(void);

/*
 * Choose a table by name, "auto" for the best one; false if this CPU or build
 * has no such table (the choice then stays as it was).
 */
extern bool distance_select(const char *isa);

/* Is there a table of that name that this CPU can run?  ("auto" always is.) */
extern bool distance_available(const char *isa);

#endif /* DISTANCE_H */
