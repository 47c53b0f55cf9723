/*
 * sq8_rest.c
 *		What an 8-bit code lost of a vector, in 1, 2 or 4 bits a dimension.
 *
 * With c the vector that the code stands for, r the rounded rest and q the query:
 *	|q - c - r|^2 = |q - c|^2 - 2 <q, r> + |c + r|^2 - |c|^2
 *	<q, c + r>	  = <q, c> + <q, r>
 * where the first term is the estimate by the code, what follows <q, r> is kept
 * with the rest, and, with the levels l of the rest and a of the query,
 *	<q, r> = step (oq (L - mid n) + sq (AL - mid A))
 * where L = sum l, A = sum a, AL = sum a l, and mid = (2^bits - 1) / 2.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "distance/distance.h"
#include "quantize/rounding.h"
#include "quantize/sq8_rest.h"

static inline double
middle(uint32 bits)
{
	return ((1 << bits) - 1) / 2.0;
}

/* Levels that are made at once. */
#define CHUNK 256

/* Squares of the vector that code and rest stand for, and of what it has lost. */
typedef struct RoundedSums
{
	double norm;
	double error;
} RoundedSums;

/*
 * The grid of the code and the rest together: its level f stands for
 * grid->offset + grid->step * f, with f = code * 2^bits + level of the rest.
 */
static LevelGrid
fine_grid(const Sq8Code *code, float step, uint32 bits)
{
	LevelGrid grid = {.step = step, .per_step = step > 0 ? 1.0 / step : 0};

	grid.lowest = code->offset - step * middle(bits);
	grid.offset = grid.lowest;
	return grid;
}

/* What there is of values of given levels. */
static RoundedSums
sum_rounded(const float *x, const uint8 *code, const uint8 *levels,
			const LevelGrid *grid, uint32 bits, uint32 count)
{
	RoundedSums sums = {0, 0};

	for (uint32 i = 0; i < count; i++)
	{
		double rounded = grid->offset +
						 grid->step * ((code[i] << bits) + levels[i]);

		sums.norm += rounded * rounded;
		sums.error += (x[i] - rounded) * (x[i] - rounded);
	}
	return sums;
}

/*
 * The levels of `count` values, CHUNK at most.  The code of a value on the border
 * of two may be the other one than that of its fine level, by rounding: then the
 * level is the one at that border.
 */
static RoundedSums
make_levels(const float *x, const uint8 *code, const LevelGrid *grid,
			uint32 bits, uint32 count, uint8 *levels)
{
	int16		  fine[CHUNK];
	int16		  most = (1 << bits) - 1;
	int16		  beyond = 0;
	RoundedSums	  sums;
	LevelGridSums fine_sums = distance_kernels->levels_f32_i16(x, grid, fine,
															   count);

	for (uint32 i = 0; i < count; i++)
	{
		int16 level = fine[i] - (int16) (code[i] << bits);
		int16 within = Max(Min(level, most), 0);

		beyond |= level ^ within;
		levels[i] = (uint8) within;
	}
	if (unlikely(beyond != 0))
		return sum_rounded(x, code, levels, grid, bits, count);

	sums.norm = count * grid->offset * grid->offset +
				2 * grid->offset * grid->step * fine_sums.sum +
				grid->step * grid->step * fine_sums.sum_squares;
	sums.error = fine_sums.error_squared;
	return sums;
}

/* Square of the vector that a code stands for. */
static double
square_of_code(const Sq8Code *code, uint32 dim)
{
	double offset = code->offset;
	double step = code->step;

	return dim * offset * offset + 2 * offset * step * code->sum +
		   step * step * code->sum_squares;
}

void
sq8_rest_encode(const float *x, const Sq8Code *code, double lost, uint32 dim,
				uint32 bits, Sq8Rest *rest)
{
	uint32		bytes = SQ8_REST_LEVEL_BYTES(dim, bits);
	float		step = ldexpf(code->step, -(int) bits);
	LevelGrid	grid = fine_grid(code, step, bits);
	RoundedSums total = {0, 0};
	uint32		sum = 0;

	for (uint32 i = 0; i < dim;)
	{
		uint8		levels[CHUNK];
		uint32		place = i / bytes * bits;
		uint32		at = i % bytes;
		uint32		count = Min(Min(bytes - at, dim - i), CHUNK);
		RoundedSums sums = make_levels(x + i, code->code + i, &grid, bits,
									   count, levels);

		for (uint32 k = 0; k < count; k++)
		{
			sum += levels[k];
			rest->levels[at + k] |= levels[k] << place;
		}
		total.norm += sums.norm;
		total.error += sums.error;
		i += count;
	}

	rest->step = step;
	rest->shift = clamp_to_float(total.norm - square_of_code(code, dim));
	rest->residual = Min(round_up(sqrt(total.error) * (1 + 0x1p-36) + lost),
						 FLT_MAX);
	rest->terms = Min(round_up((fabs((double) code->offset) * sqrt(dim) +
								code->step * sqrt(code->sum_squares)) *
							   (1 + 0x1p-36)),
					  FLT_MAX);
	/* its square is a sum of terms that may cancel out */
	rest->norm = Min(round_up(sqrt(Max(total.norm, 0) +
								   0x1p-44 * rest->terms * rest->terms)),
					 FLT_MAX);
	rest->sum = sum;
}

float
sq8_rest_distance(const Sq8Query *query, float estimate, const Sq8Rest *rest,
				  uint32 bits)
{
	double mid = middle(bits);
	double dot = (double) distance_kernels->dot_packed_i16(rest->levels, bits,
														   query->levels,
														   query->dim);
	double product = rest->step *
					 (query->offset * (rest->sum - mid * query->dim) +
					  query->step * (dot - mid * query->sum));
	double square;

	if (query->metric == SQ8_IP)
		return clamp_to_float(estimate - product);
	/* estimates by halves have the sign of their squares */
	square = (double) estimate * fabsf(estimate) - 2 * product + rest->shift;
	return clamp_to_float(square < 0 ? 0 : sqrt(square));
}

/*
 * What rounding may have done to the square of a distance: to the estimate, the
 * square of which has errors of 2^-50 of the square of all terms (sq8.c), and
 * which is a float; and to what the rest adds to that.
 */
static double
square_rounding(const Sq8Query *query, double estimate, const Sq8Rest *rest,
				double query_terms)
{
	double terms = query_terms + rest->terms;
	double of_estimate = 0x1p-24 * terms + query->root_dim * ROOT_2_TINY;

	return (2 * fabs(estimate) + of_estimate) * of_estimate +
		   0x1p-22 * (estimate * estimate + fabs((double) rest->shift)) +
		   0x1p-48 * terms * terms;
}

/* The same of an inner product. */
static double
product_rounding(double estimate, const Sq8Rest *rest, double distance,
				 double query_terms)
{
	return 2 * FLOAT_UNIT * (fabs(estimate) + fabs(distance)) +
		   0x1p-48 * query_terms * rest->terms;
}

/* No less than any term of the query in estimates. */
static double
terms_of_query(const Sq8Query *query)
{
	return query->root_dim * fabs(query->offset) + sqrt(query->step_squares);
}

/*
 * The error of a distance by a vector that has lost what the rest says, of which
 * rounding is known.  share: how much is needed of a certain bound.
 */
static float
ip_error(const Sq8Query *query, const Sq8Rest *rest, double share,
		 double rounding)
{
	double of_query = query->residual * rest->norm;
	double of_rest = query->norm * rest->residual;
	double most = (query->norm + query->residual) *
				  (rest->norm + rest->residual);
	double lost = share < 1
					  ? share * sqrt(of_query * of_query + of_rest * of_rest)
					  : of_query + of_rest;

	if (!(most < FLT_MAX / 2))
		return INFINITY;
	return round_up(lost + query->rounding * most + rounding +
					query->dim * FLOAT_TINY);
}

static float
l2_error(const Sq8Query *query, const Sq8Rest *rest, double distance,
		 double share, double of_square)
{
	double square = distance * distance;
	double lost = query->residual + rest->residual;
	double most = distance + lost;
	double of_root = sqrt(of_square);
	double projection;
	double likely;

	if (!(most < 1e19) || !(fabsf(rest->shift) < FLT_MAX))
		return INFINITY;

	/*
	 * As in sq8_likely_error; but what the query lost and what the vector lost,
	 * which are of the same order here, have nothing to do with each other, so
	 * it is the squares that add up.
	 */
	if (share < 1)
		projection = share * sqrt(query->residual * query->residual +
								  (double) rest->residual * rest->residual);
	else
		projection = lost;
	likely = Max(
		distance + projection -
			sqrt(projection * projection + Max(square - lost * lost, 0)),
		projection + sqrt(projection * projection + square) - distance);
	if (distance > of_root)
		of_root = of_square / distance;
	return round_up(likely + 0.5 * query->rounding * most + of_root +
					FLOAT_UNIT * distance + query->root_dim * ROOT_2_TINY);
}

float
sq8_rest_likely_error(const Sq8Query *query, float estimate,
					  const Sq8Rest *rest, float distance, float deviations)
{
	double share = Min(deviations / query->root_dim, 1);
	double terms = terms_of_query(query);

	if (query->metric == SQ8_IP)
		return ip_error(query, rest, share,
						product_rounding(estimate, rest, distance, terms));
	return l2_error(query, rest, distance, share,
					square_rounding(query, estimate, rest, terms));
}

float
sq8_rests_likely_error(const Sq8Query *query, float estimate,
					   const Sq8Rest *first, float between,
					   const Sq8Rest *second, float distance, float deviations)
{
	double share = Min(deviations / query->root_dim, 1);
	double terms = terms_of_query(query);

	if (!(fabsf(first->shift) < FLT_MAX))
		return INFINITY;
	if (query->metric == SQ8_IP)
		return ip_error(query, second, share,
						product_rounding(estimate, first, between, terms) +
							product_rounding(between, second, distance,
											 terms));
	return l2_error(query, second, distance, share,
					square_rounding(query, estimate, first, terms) +
						square_rounding(query, between, second, terms));
}

static inline int
level_of(const Sq8Rest *rest, uint32 i, uint32 bytes, uint32 bits)
{
	return (rest->levels[i % bytes] >> (i / bytes * bits)) & ((1 << bits) - 1);
}

/* Some levels on the border of two, the worst of which are at that of a code. */
bool
sq8_rests_alike(const Sq8Rest *a, const Sq8Rest *b, uint32 dim, uint32 bits)
{
	uint32 bytes = SQ8_REST_LEVEL_BYTES(dim, bits);
	int	   steps = 0;

	for (uint32 i = 0; i < dim; i++)
		steps += abs(level_of(a, i, bytes, bits) -
					 level_of(b, i, bytes, bits));
	return steps <= (int) (dim / 16 + (1 << bits)) &&
		   fabsf(a->step - b->step) <= 1e-3f * b->step &&
		   fabsf(a->residual - b->residual) <= 0.05f * b->residual &&
		   fabsf(a->norm - b->norm) <= 0.01f * b->norm &&
		   fabsf(a->terms - b->terms) <= 0.01f * b->terms;
}

const char *
sq8_rest_check(const Sq8Rest *rest, uint32 dim, uint32 bits)
{
	uint32 bytes = SQ8_REST_LEVEL_BYTES(dim, bits);
	uint32 sum = 0;

	if (!isfinite(rest->step) || rest->step < 0)
		return "step is not a finite value of at least zero";
	if (!isfinite(rest->shift))
		return "shift is not finite";
	if (!isfinite(rest->residual) || rest->residual < 0)
		return "residual is not a finite value of at least zero";
	if (!isfinite(rest->norm) || rest->norm < 0 || !isfinite(rest->terms) ||
		rest->terms < 0)
		return "norm or terms are not finite values of at least zero";

	for (uint32 i = 0; i < dim; i++)
		sum += level_of(rest, i, bytes, bits);
	if (sum != rest->sum)
		return "sum of levels does not match";
	return NULL;
}
