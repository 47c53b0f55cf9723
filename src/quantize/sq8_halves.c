/*
 * sq8_halves.c
 *		8-bit codes as two halves of 4 bits a dimension.
 *
 * With q the query, c the vector of the code and u that of its upper half:
 *	|q - u|^2 = |q - c|^2 + 2 <q - c, c - u> + |c - u|^2
 * of which the last term is kept, so that it is only the middle one that an estimate
 * does not know, and the lower half tells:
 *	|q - c|^2 = |q - u|^2 - 2 <q, c - u> + |c|^2 - |u|^2
 */
#include "c.h"

#include <float.h>
#include <math.h>

#include "distance/distance.h"
#include "quantize/sq8_halves.h"
#include "quantize/sq8_sums.h"

#define HALF_LEVELS (1 << SQ8_HALF_BITS)
#define HALF_MASK	(HALF_LEVELS - 1)
#define MIDDLE		(HALF_MASK / 2.0)

static LevelSums
upper_sums(const Sq8Upper *upper)
{
	double	  step = HALF_LEVELS * (double) upper->step;
	LevelSums sums = {upper->offset + MIDDLE * upper->step, step, upper->sum,
					  upper->sum_squares};

	sums.step_sum = step * upper->sum;
	sums.step_squares = step * step * upper->sum_squares;
	return sums;
}

/* Square of the vector that a side stands for. */
static double
square_of(uint32 dim, LevelSums side)
{
	return dim * side.offset * side.offset + 2 * side.offset * side.step_sum +
		   side.step_squares;
}

static inline float
root_with_sign(double square)
{
	return clamp_to_float(square < 0 ? -sqrt(-square) : sqrt(square));
}

/* What there is of lower levels. */
typedef struct LowerSums
{
	uint32 sum;
	uint32 sum_squares;
} LowerSums;

/* Everything about an upper half but its levels. */
static void
measure_upper(const Sq8Code *code, LowerSums lower, uint32 dim,
			  Sq8Upper *upper)
{
	double square = lower.sum_squares - 2 * MIDDLE * lower.sum +
					MIDDLE * MIDDLE * dim;

	upper->offset = code->offset;
	upper->step = code->step;
	upper->residual = code->residual;
	upper->loss = Min(round_up(code->step * sqrt(square)), FLT_MAX);
}

/* The same of the lower half. */
static void
measure_lower(const Sq8Code *code, const Sq8Upper *upper, uint32 sum,
			  uint32 dim, Sq8Rest *lower)
{
	LevelSums of_upper = upper_sums(upper);
	double	  square = Max(square_of(dim, code_sums(code)), 0);
	double	  terms = fabs(of_upper.offset) * sqrt(dim) +
				   sqrt(of_upper.step_squares) + upper->loss;

	lower->step = code->step;
	lower->shift = clamp_to_float(square - square_of(dim, of_upper) +
								  (double) upper->loss * upper->loss);
	lower->residual = code->residual;
	lower->terms = Min(round_up(terms * (1 + 0x1p-36)), FLT_MAX);
	/* its square is a sum of terms that may cancel out */
	lower->norm = Min(round_up(sqrt(square + 0x1p-44 * terms * terms)),
					  FLT_MAX);
	lower->sum = sum;
}

/* Eight packed bytes at once. */
#define WORD_OF(byte) ((byte) *UINT64CONST(0x0101010101010101))

static inline uint64
load_word(const uint8 *bytes)
{
	uint64 word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static inline void
store_word(uint8 *bytes, uint64 word)
{
	memcpy(bytes, &word, sizeof(word));
}

/* The upper and the lower bits of codes, those of the second half behind the first. */
static void
split_levels(const uint8 *code, uint32 dim, uint8 *high, uint8 *low)
{
	const uint64 mask = WORD_OF(HALF_MASK);
	uint32		 bytes = SQ8_HALF_LEVEL_BYTES(dim);
	uint32		 second = dim - bytes;
	uint32		 i = 0;

	for (; i + sizeof(uint64) <= second; i += sizeof(uint64))
	{
		uint64 a = load_word(code + i);
		uint64 b = load_word(code + bytes + i);

		store_word(high + i, (a >> SQ8_HALF_BITS & mask) | (b & ~mask));
		store_word(low + i, (a & mask) | (b & mask) << SQ8_HALF_BITS);
	}
	for (; i < bytes; i++)
	{
		uint8 a = code[i];
		uint8 b = i < second ? code[bytes + i] : 0;

		high[i] = (a >> SQ8_HALF_BITS) | (b & ~HALF_MASK);
		low[i] = (a & HALF_MASK) | (b << SQ8_HALF_BITS);
	}
}

void
sq8_split(const Sq8Code *code, uint32 dim, Sq8Upper *upper, Sq8Rest *lower)
{
	LowerSums of_lower = {0, 0};
	uint32	  sum = 0;
	uint32	  sum_squares = 0;

	for (uint32 i = 0; i < dim; i++)
	{
		uint32 high = code->code[i] >> SQ8_HALF_BITS;
		uint32 low = code->code[i] & HALF_MASK;

		sum += high;
		sum_squares += high * high;
		of_lower.sum += low;
		of_lower.sum_squares += low * low;
	}
	split_levels(code->code, dim, upper->levels, lower->levels);
	upper->sum = sum;
	upper->sum_squares = sum_squares;
	measure_upper(code, of_lower, dim, upper);
	measure_lower(code, upper, of_lower.sum, dim, lower);
}

/* The codes of the lower bits of so many bytes, and those of the upper bits. */
static void
join_first(const uint8 *high, const uint8 *low, uint32 count, uint8 *code)
{
	const uint64 mask = WORD_OF(HALF_MASK);
	uint32		 i = 0;

	for (; i + sizeof(uint64) <= count; i += sizeof(uint64))
		store_word(code + i, (load_word(high + i) & mask) << SQ8_HALF_BITS |
								 (load_word(low + i) & mask));
	for (; i < count; i++)
		code[i] = (high[i] << SQ8_HALF_BITS) | (low[i] & HALF_MASK);
}

static void
join_second(const uint8 *high, const uint8 *low, uint32 count, uint8 *code)
{
	const uint64 mask = WORD_OF(HALF_MASK);
	uint32		 i = 0;

	for (; i + sizeof(uint64) <= count; i += sizeof(uint64))
		store_word(code + i, (load_word(high + i) & ~mask) |
								 (load_word(low + i) >> SQ8_HALF_BITS & mask));
	for (; i < count; i++)
		code[i] = (high[i] & ~HALF_MASK) | (low[i] >> SQ8_HALF_BITS);
}

void
sq8_join(const Sq8Upper *upper, const Sq8Rest *lower, uint32 dim,
		 Sq8Code *code)
{
	uint32 bytes = SQ8_HALF_LEVEL_BYTES(dim);

	join_first(upper->levels, lower->levels, bytes, code->code);
	join_second(upper->levels, lower->levels, dim - bytes, code->code + bytes);
	code->offset = upper->offset;
	code->step = upper->step;
	code->residual = upper->residual;
	code->sum = HALF_LEVELS * upper->sum + lower->sum;
	code->sum_squares = distance_kernels->dot_u8_u8(code->code, code->code,
													dim);
}

static inline uint32
level_of(const uint8 *levels, uint32 i, uint32 bytes)
{
	return (levels[i % bytes] >> (i / bytes * SQ8_HALF_BITS)) & HALF_MASK;
}

void
sq8_upper_decode(const Sq8Upper *upper, uint32 dim, float *x)
{
	LevelSums side = upper_sums(upper);
	uint32	  bytes = SQ8_HALF_LEVEL_BYTES(dim);

	for (uint32 i = 0; i < dim; i++)
		x[i] = clamp_to_float(side.offset +
							  side.step * level_of(upper->levels, i, bytes));
}

void
sq8_prepare_for_halves(Sq8Query *query, int8 *bytes)
{
	const int16 *levels = query->levels;
	uint32		 dim = query->dim;
	int8		*low = bytes + dim;

	for (uint32 i = 0; i < dim; i++)
	{
		low[i] = levels[i] & 63;
		bytes[i] = (levels[i] - low[i]) / 64;
	}
	query->split.levels = levels;
	query->split.high = bytes;
	query->split.low = low;
}

float
sq8_upper_distance(const Sq8Query *query, const Sq8Upper *upper)
{
	uint32	  dim = query->dim;
	LevelSums side = upper_sums(upper);
	double	  dot = (double) distance_kernels->dot_u4_i12(upper->levels,
														  &query->split, dim);

	if (query->metric == SQ8_IP)
		return clamp_to_float(
			-inner_product(dim, query_sums(query), side, dot));
	return root_with_sign(l2_square(dim, query_sums(query), side, dot) -
						  (double) upper->loss * upper->loss);
}

/*
 * With w = q - x, a = c - u, which is as long as `loss`, and b all else that was
 * lost, the estimate is that of |w + a + b|^2 - |a|^2 = |w|^2 + 2 <w, a + b> +
 * 2 <a, b> + |b|^2.  Of all these products the share is what is needed.  So with
 * what follows, estimates e of w tell
 *		w^2 >= e^2 - 2 c w - d and w^2 <= e^2 + 2 c w + d,
 * which is solved for the least and the largest |w|.
 */
static double
l2_likely_error(const Sq8Query *query, const Sq8Upper *upper, double estimate,
				double share)
{
	LevelSums side = upper_sums(upper);
	double	  lost = query->residual + upper->residual;
	double	  c = share * (upper->loss + lost);
	double	  distance = fabs(estimate) + upper->loss + lost;
	double	  d = (2 * share * upper->loss + lost) * lost +
			   l2_square_rounding(query, side) +
			   0x1p-22 * upper->loss * upper->loss;
	double square = estimate * fabs(estimate);
	double error;

	/* squares in float32 overflow far below FLT_MAX */
	if (!(distance < 1e19))
		return INFINITY;

	/* roots of sums, with room for a little more, where one term is the larger */
	if (square > c * c + d)
		error = c + Max((c * c + d) / 2, d - c * c) / estimate;
	else
		error = Max(c - sqrt(Max(c * c + square - d, 0)) + estimate,
					c + sqrt(Max(c * c + square + d, 0)) - estimate);
	return error + query->rounding * distance +
		   l2_offset_rounding(query, side);
}

float
sq8_upper_likely_error(const Sq8Query *query, const Sq8Upper *upper,
					   float estimate, float deviations)
{
	double share = Min(deviations / query->root_dim, 1);

	if (query->metric == SQ8_IP)
		return round_up(sq8_ip_error(query, upper_sums(upper),
									 (double) upper->loss + upper->residual,
									 share));
	return round_up(l2_likely_error(query, upper, estimate, share));
}

const char *
sq8_upper_check(const Sq8Upper *upper, uint32 dim)
{
	uint32 bytes = SQ8_HALF_LEVEL_BYTES(dim);
	uint32 sum = 0;
	uint32 sum_squares = 0;

	if (!isfinite(upper->offset))
		return "offset is not finite";
	if (!isfinite(upper->step) || upper->step < 0)
		return "step is not a finite value of at least zero";
	if (!isfinite(upper->residual) || upper->residual < 0)
		return "residual is not a finite value of at least zero";
	if (!isfinite(upper->loss) || upper->loss < 0)
		return "loss is not a finite value of at least zero";

	for (uint32 i = 0; i < bytes * 2; i++)
	{
		uint32 level = level_of(upper->levels, i, bytes);

		if (i >= dim && level != 0)
			return "levels behind the last dimension are not zero";
		sum += level;
		sum_squares += level * level;
	}
	if (sum != upper->sum)
		return "sum of levels does not match";
	if (sum_squares != upper->sum_squares)
		return "sum of squared levels does not match";
	return NULL;
}

/* Computed from the same, perhaps by another compiler. */
static bool
nearly_equal(double a, double b, double terms)
{
	return fabs(a - b) <= 0x1p-20 * fabs(b) + 0x1p-40 * terms;
}

const char *
sq8_halves_check(const Sq8Upper *upper, const Sq8Rest *lower, uint32 dim)
{
	uint32	  bytes = SQ8_HALF_LEVEL_BYTES(dim);
	LowerSums sums = {0, 0};
	uint32	  both = 0;
	Sq8Code	  code;
	Sq8Upper  high = *upper;
	Sq8Rest	  low;
	double	  terms;

	for (uint32 i = 0; i < dim; i++)
	{
		uint32 level = level_of(lower->levels, i, bytes);

		sums.sum += level;
		sums.sum_squares += level * level;
		both += level * level_of(upper->levels, i, bytes);
	}
	code.offset = upper->offset;
	code.step = upper->step;
	code.residual = upper->residual;
	code.sum = HALF_LEVELS * upper->sum + sums.sum;
	code.sum_squares = HALF_LEVELS * HALF_LEVELS * upper->sum_squares +
					   2 * HALF_LEVELS * both + sums.sum_squares;
	measure_upper(&code, sums, dim, &high);
	measure_lower(&code, &high, sums.sum, dim, &low);

	terms = (double) low.terms * low.terms;
	if (!nearly_equal(upper->loss, high.loss, 0))
		return "loss does not match the lower half";
	if (lower->sum != low.sum)
		return "sum of lower levels does not match";
	if (lower->step != low.step || lower->residual != low.residual ||
		!nearly_equal(lower->shift, low.shift, terms) ||
		!nearly_equal(lower->norm, low.norm, low.terms) ||
		!nearly_equal(lower->terms, low.terms, 0))
		return "the lower half is not that of the upper one";
	return NULL;
}
