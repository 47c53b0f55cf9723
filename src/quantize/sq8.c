/*
 * sq8.c
 *		Scalar quantization: 8 bits a dimension, offset and step per vector.
 *
 * Estimates come from exact integer sums, combined in double.  Error bounds
 * add to the residuals what float rounding can do: in the residual itself, in
 * the estimate, and in the float32 kernel whose result the caller compares.
 *
 * With n dims, a query q = oq + sq * a and a code c = oc + sc * b:
 *	|q - c|^2 = n do^2 + 2 do (sq A - sc B) + sq^2 AA + sc^2 BB - 2 sq sc AB
 *	<q, c>	  = n oq oc + oq sc B + oc sq A + sq sc AB
 * where do = oq - oc, A = sum a, AA = sum a^2, AB = sum a b, and so on.
 */
#include "c.h"

#include <float.h>
#include <math.h>

#include "distance/distance.h"
#include "quantize/rounding.h"
#include "quantize/sq8.h"
#include "quantize/sq8_sums.h"

#define CODE_LEVELS		 255 /* steps between the lowest and highest code */
#define QUERY_LEVELS	 4094
#define QUERY_ZERO_LEVEL 2047

/*
 * Within these magnitudes float arithmetic on values, steps and their inverses
 * neither overflows nor gets denormal; beyond, encoding takes the slow path.
 */
#define FAST_MAX	  1e30f
#define FAST_MIN_STEP 1e-30f

/*
 * sum_rounding -- relative error of a float32 kernel's sum of n terms that are
 * each good to a few units: a table has at least 16 partial sums.
 */
static double
sum_rounding(uint32 n)
{
	return (n / 16 + 12) * FLOAT_UNIT;
}

/* Values that are looked at together. */
#define GRID_BLOCK 16

/*
 * find_grid -- the step of the even grid, of at most max_levels steps from min
 * to max, that holds all values up to their float rounding (or less, where the
 * common part of the values is so large that rounding would hide any grid); 0
 * if there is none.
 *
 * The step is the greatest common divisor of the values' distances from min,
 * by Euclid's algorithm.  It must divide the range, which keeps errors from
 * adding up.  Values off any such grid show themselves after the first few,
 * and those on one have found it by then.
 */
static double
find_grid(const float *x, uint32 dim, FloatRange values, uint32 max_levels)
{
	const double round_bias = 0x1.8p52; /* adding it rounds to an integer */
	double		 range = (double) values.max - values.min;
	double		 negligible = range / max_levels / 4;
	double		 rounding = Min(4 * FLOAT_UNIT *
									Max(fabs(values.min), fabs(values.max)),
								negligible / 16);
	double		 levels = 1;
	double		 step = range;
	double		 per_step = 1 / range;

	if (range == 0)
		return 0;

	for (uint32 first = 0; first < dim; first += GRID_BLOCK)
	{
		uint32 count = Min(dim - first, GRID_BLOCK);

		if (distance_kernels->on_grid_f32(x + first, values.min, step,
										  per_step, rounding, count))
			continue;
		for (uint32 i = first; i < first + count; i++)
		{
			double distance = (double) x[i] - values.min;
			double nearest = (distance * per_step + round_bias) - round_bias;
			double rest = fabs(distance - nearest * step);

			if (rest <= rounding)
				continue;
			while (rest > negligible)
			{
				double next = fabs(step - rest * rint(step / rest));

				step = rest;
				rest = next;
			}

			levels = rint(range / step);
			if (levels > max_levels)
				return 0;
			step = range / levels;
			per_step = levels / range;
			if (fabs(distance - rint(distance * per_step) * step) > rounding)
				return 0;
		}
	}

	return step;
}

/* Fill in sums and residual from the codes, all in double. */
static void
measure_code(Sq8Metric metric, const float *x, uint32 dim, Sq8Code *code)
{
	CodeErrors errors = distance_kernels->code_errors_f32_u8(x, code->code,
															 code->offset,
															 code->step, dim);
	double	   error;

	/* 32768 additions in double, each with an error of 2^-53 */
	error = (metric == SQ8_L1 ? errors.error_l1 : sqrt(errors.error_l2sq)) *
			(1 + 0x1p-36);
	code->sum = errors.sum;
	code->sum_squares = errors.sum_squares;
	code->residual = Min(round_up(error), FLT_MAX);
}

/* Any finite values: no intermediate result leaves the range of double. */
static void
encode_slowly(Sq8Metric metric, const float *x, uint32 dim, FloatRange values,
			  double step, Sq8Code *code)
{
	code->offset = values.min;
	/* denormals are coarse: rounding down would cut off the largest values */
	code->step = round_up(step);
	for (uint32 i = 0; i < dim; i++)
	{
		double level = rint(((double) x[i] - values.min) / code->step);

		code->code[i] = (uint8) Min(level, CODE_LEVELS);
	}
	measure_code(metric, x, dim, code);
}

void
sq8_encode(Sq8Metric metric, const float *x, uint32 dim, Sq8Code *code)
{
	FloatRange	 values = distance_kernels->range_f32(x, dim);
	double		 grid = find_grid(x, dim, values, CODE_LEVELS);
	double		 step = grid > 0 && grid <= FLT_MAX
							? grid
							: ((double) values.max - values.min) / CODE_LEVELS;
	QuantizeSums sums;
	double		 error;

	if (step == 0)
	{
		code->offset = values.min;
		code->step = 0;
		memset(code->code, 0, dim);
		code->sum = 0;
		code->sum_squares = 0;
		code->residual = 0;
		return;
	}

	if (values.min < -FAST_MAX || values.max > FAST_MAX ||
		step < FAST_MIN_STEP)
	{
		encode_slowly(metric, x, dim, values, step, code);
		return;
	}

	code->offset = values.min;
	code->step = (float) step;
	sums = distance_kernels->quantize_f32_u8(x, values.min, 1 / code->step,
											 code->code, dim);
	if (grid > 0)
	{
		/* errors are near zero: float could not tell them from its own */
		measure_code(metric, x, dim, code);
		return;
	}

	/*
	 * u = (x - offset) / step <= 256 takes three roundings, 2^-14 in all; a
	 * kernel has at least 4 partial sums.
	 */
	if (metric == SQ8_L1)
		error = sums.error_l1 * (1 + (dim / 4 + 8) * FLOAT_UNIT) +
				dim * 0x1p-14;
	else
		error = sqrt(sums.error_l2sq * (1 + (dim / 4 + 8) * FLOAT_UNIT)) +
				sqrt((double) dim) * 0x1p-14;
	code->sum = sums.sum;
	code->sum_squares = sums.sum_squares;
	code->residual = round_up(code->step * error);
}

void
sq8_decode(const Sq8Code *code, uint32 dim, float *x)
{
	if (likely(fabsf(code->offset) <= FAST_MAX && code->step <= FAST_MAX))
	{
		distance_kernels->dequantize_u8_f32(code->code, code->offset,
											code->step, x, dim);
		return;
	}
	for (uint32 i = 0; i < dim; i++)
		x[i] = clamp_to_float(code->offset +
							  (double) code->step * code->code[i]);
}

void
sq8_prepare_query(Sq8Metric metric, const float *x, uint32 dim, int16 *levels,
				  Sq8Query *query)
{
	FloatRange	  values;
	LevelGrid	  grid;
	LevelGridSums sums;

	memset(query, 0, sizeof(*query));
	query->metric = metric;
	query->dim = dim;
	query->root_dim = sqrt(dim);
	query->rounding = sum_rounding(dim);

	if (metric == SQ8_L1)
	{
		for (uint32 i = 0; i < dim; i++)
			query->norm += fabs((double) x[i]);
		query->values = x;
		return;
	}

	values = distance_kernels->range_f32(x, dim);
	grid.lowest = values.min;
	grid.step = find_grid(x, dim, values, QUERY_LEVELS);
	if (grid.step == 0)
		grid.step = ((double) values.max - grid.lowest) / QUERY_LEVELS;
	grid.per_step = grid.step > 0 ? 1 / grid.step : 0;
	grid.zero = QUERY_ZERO_LEVEL;
	grid.offset = grid.lowest + QUERY_ZERO_LEVEL * grid.step;
	sums = distance_kernels->levels_f32_i16(x, &grid, levels, dim);

	query->step = grid.step;
	query->offset = grid.offset;
	query->sum = sums.sum;
	query->sum_squares = sums.sum_squares;
	query->norm = sqrt(sums.norm_squared) * (1 + 0x1p-36);
	query->residual = sqrt(sums.error_squared) * (1 + 0x1p-36);
	query->step_sum = query->step * query->sum;
	query->step_squares = query->step * query->step * query->sum_squares;
	query->levels = levels;
}

/* The taxicab distance in double, where float32 sums overflow. */
static double
l1_slowly(const Sq8Code *a, const Sq8Code *b, const float *q, uint32 dim)
{
	double sum = 0;

	for (uint32 i = 0; i < dim; i++)
	{
		double x = a->offset + (double) a->step * a->code[i];
		double y = q != NULL ? q[i]
							 : b->offset + (double) b->step * b->code[i];

		sum += fabs(x - y);
	}
	return sum;
}

float
sq8_query_distance(const Sq8Query *query, const Sq8Code *code)
{
	uint32 dim = query->dim;
	double distance;

	if (query->metric == SQ8_L1)
	{
		distance = distance_kernels->l1_u8_f32(code->code, code->offset,
											   code->step, query->values, dim);
		if (!(distance <= FLT_MAX))
			distance = l1_slowly(code, NULL, query->values, dim);
	}
	else
	{
		double dot = (double) distance_kernels->dot_u8_i16(code->code,
														   query->levels, dim);

		if (query->metric == SQ8_L2)
			distance = l2_distance(dim, query_sums(query), code_sums(code),
								   dot);
		else
			distance = -inner_product(dim, query_sums(query), code_sums(code),
									  dot);
	}

	return clamp_to_float(distance);
}

float
sq8_code_distance(Sq8Metric metric, const Sq8Code *a, const Sq8Code *b,
				  uint32 dim)
{
	double distance;

	if (metric == SQ8_L1)
	{
		distance = distance_kernels->l1_u8_u8(a->code, a->offset, a->step,
											  b->code, b->offset, b->step,
											  dim);
		if (!(distance <= FLT_MAX))
			distance = l1_slowly(a, b, NULL, dim);
	}
	else
	{
		double dot = (double) distance_kernels->dot_u8_u8(a->code, b->code,
														  dim);

		if (metric == SQ8_L2)
			distance = l2_distance(dim, code_sums(a), code_sums(b), dot);
		else
			distance = -inner_product(dim, code_sums(a), code_sums(b), dot);
	}

	return clamp_to_float(distance);
}

StaticAssertDecl(offsetof(Sq8Code, offset) == offsetof(CodeScale, offset) &&
					 offsetof(Sq8Code, step) == offsetof(CodeScale, step) &&
					 offsetof(Sq8Code, sum) == offsetof(CodeScale, sum) &&
					 offsetof(Sq8Code, sum_squares) ==
						 offsetof(CodeScale, sum_squares),
				 "Sq8Code begins with a CodeScale");

/* Codes whose products are computed at once. */
#define DISTANCES_BLOCK 32

void
sq8_code_distances(Sq8Metric metric, const Sq8Code *a, const Sq8Code *const *b,
				   uint32 count, uint32 dim, float *distances)
{
	LevelSums sums = code_sums(a);

	if (metric == SQ8_L1)
	{
		for (uint32 i = 0; i < count; i++)
			distances[i] = sq8_code_distance(metric, a, b[i], dim);
		return;
	}

	while (count > 0)
	{
		uint32		 n = Min(count, DISTANCES_BLOCK);
		const uint8 *levels[DISTANCES_BLOCK];
		uint32		 dots[DISTANCES_BLOCK];

		for (uint32 i = 0; i < n; i++)
			levels[i] = b[i]->code;
		distance_kernels->dots_u8_u8(a->code, levels, n, dim, dots);
		if (metric == SQ8_L2)
			distance_kernels->l2_scaled_u8((const CodeScale *) a,
										   (const CodeScale *const *) b, dots,
										   n, dim, distances);
		else
		{
			for (uint32 i = 0; i < n; i++)
				distances[i] = clamp_to_float(
					-inner_product(dim, sums, code_sums(b[i]), dots[i]));
		}
		b += n;
		distances += n;
		count -= n;
	}
}

/* L2 norm of the decoded vector less its mean, rounding included */
static double
centered_norm(uint32 dim, LevelSums side)
{
	double square = side.sum_squares - side.sum * side.sum / dim;

	return side.step * sqrt(Max(square, 0) + 0x1p-50 * side.sum_squares);
}

static double
l2_error_bound(const Sq8Query *query, const Sq8Code *code, double estimate)
{
	double residual = query->residual + code->residual;
	double rounding = l2_rounding(query, code_sums(code));

	/* more than the estimate and the exact distance */
	double distance = estimate * (1 + 2 * FLOAT_UNIT) + rounding + residual;

	/* squares in float32 overflow far below FLT_MAX */
	if (!(distance < 1e19))
		return INFINITY;

	return residual + 0.5 * query->rounding * distance + rounding;
}

/*
 * With q~ and x~ the decoded vectors,
 *	<q, x> - <q~, x~> = <q, x - x~> + <q - q~, x~>
 * and Cauchy and Schwarz bound both.  It is the code's residual that is the
 * larger, so it should meet the exact norm and not the sum of both.  share: of
 * that bound, how much is needed.
 */
double
sq8_ip_error(const Sq8Query *query, LevelSums c, double residual, double share)
{
	double	  n = query->dim;
	double	  root_n = query->root_dim;
	LevelSums q = query_sums(query);
	double	  mean = c.offset + c.step_sum / n;
	double	  code_norm = root_n * fabs(mean) * (1 + 0x1p-40) +
					   root_n * 0x1p-50 * fabs(c.offset);
	double product;
	double terms;

	code_norm = hypot(code_norm, centered_norm(query->dim, c));

	/* more than the estimate and the exact product, with any partial sum */
	product = (query->norm + query->residual) * (code_norm + residual);
	if (!(product < FLT_MAX / 2))
		return INFINITY;

	/* more than the terms that make up the estimate */
	terms = (root_n * fabs(q.offset) + q.step * sqrt(q.sum_squares)) *
			(root_n * fabs(c.offset) + c.step * sqrt(c.sum_squares));

	return share * (query->norm * residual + query->residual * code_norm) +
		   query->rounding * product + terms * 0x1p-49 + n * FLOAT_TINY;
}

/*
 * With w = q - x, and g what was lost of that, |q~ - x~|^2 = |w + g|^2, where
 * |g| is at most the sum of the residuals, and <w, g> the share of |w| |g|.
 * That is solved for the least and the largest |w|.
 */
static double
l2_likely_error(const Sq8Query *query, const Sq8Code *code, double estimate,
				double share)
{
	double residual = query->residual + code->residual;
	double projection = share * residual;
	double square = estimate * estimate;
	double distance = estimate + residual;
	double below;
	double above;

	/* squares in float32 overflow far below FLT_MAX */
	if (!(distance < 1e19))
		return INFINITY;

	below = estimate + projection -
			sqrt(projection * projection +
				 Max(square - residual * residual, 0));
	above = projection + sqrt(projection * projection + square) - estimate;

	/* rounding is as in l2_error_bound */
	return Max(below, above) + 0.5 * query->rounding * distance +
		   l2_rounding(query, code_sums(code));
}

static double
l1_error_bound(const Sq8Query *query, const Sq8Code *code)
{
	double spread = (double) code->step * code->sum;

	/* more than the estimate and the exact distance */
	double distance = query->norm + query->dim * fabs((double) code->offset) +
					  spread + code->residual;

	if (!(distance < FLT_MAX / 2))
		return INFINITY;

	/* the estimate and the exact value are both sums of float32 */
	return code->residual + 2 * query->rounding * distance +
		   4 * FLOAT_UNIT * spread + FLOAT_TINY;
}

float
sq8_error_bound(const Sq8Query *query, const Sq8Code *code, float estimate)
{
	switch (query->metric)
	{
		case SQ8_L2:
			return round_up(l2_error_bound(query, code, estimate));
		case SQ8_IP:
			return round_up(
				sq8_ip_error(query, code_sums(code), code->residual, 1));
		case SQ8_L1:
			return round_up(l1_error_bound(query, code));
	}

	return INFINITY;
}

float
sq8_likely_error(const Sq8Query *query, const Sq8Code *code, float estimate,
				 float deviations)
{
	double share = Min(deviations / query->root_dim, 1);

	switch (query->metric)
	{
		case SQ8_L2:
			return round_up(l2_likely_error(query, code, estimate, share));
		case SQ8_IP:
			return round_up(
				sq8_ip_error(query, code_sums(code), code->residual, share));
		case SQ8_L1:
			break;
	}

	return sq8_error_bound(query, code, estimate);
}

const char *
sq8_check(const Sq8Code *code, uint32 dim)
{
	uint32 sum = 0;
	uint32 sum_squares = 0;

	if (!isfinite(code->offset))
		return "offset is not finite";
	if (!isfinite(code->step) || code->step < 0)
		return "step is not a finite value of at least zero";
	if (!isfinite(code->residual) || code->residual < 0)
		return "residual is not a finite value of at least zero";

	for (uint32 i = 0; i < dim; i++)
	{
		sum += code->code[i];
		sum_squares += (uint32) code->code[i] * code->code[i];
	}
	if (sum != code->sum)
		return "sum of levels does not match";
	if (sum_squares != code->sum_squares)
		return "sum of squared levels does not match";

	return NULL;
}
