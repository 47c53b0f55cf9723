/*
 * exrabitq.c
 *		Codes of 1, 2 or 4 bits a dimension, with estimates and lower bounds.
 *
 * The estimator and its bound are those of rabitq.c, with y, a point of a grid
 * of 2^bits levels a dimension, for the signs, and no centroid.  The nearer the
 * direction of y is to that of x, the less error there is.  The paper tries all
 * points of the grid that scaling x meets; since coordinates of a rotated
 * vector are nearly normally distributed, the best step is near to that of the
 * optimal uniform quantizer of this distribution (Max, "Quantizing for minimum
 * distortion", 1960), and it is enough to try some around it.
 */
#include "c.h"

#include <float.h>
#include <math.h>

#include "distance/distance.h"
#include "quantize/exrabitq.h"

/* The largest norm of a vector that a code is decoded to. */
#define LARGEST_DECODED 1e37f

/* Levels that are unpacked at once. */
#define CHUNK 512

/* Steps to try, in units of the one for a normal distribution. */
static const float step_factors[] = {0.7f, 0.8f, 0.9f, 1.0f, 1.1f, 1.25f};

/* That one, in standard deviations. */
static double
normal_step(uint32 bits)
{
	return bits == 4 ? 0.3352 : 0.9957;
}

static inline double
middle(uint32 bits)
{
	return (((uint32) 1 << bits) - 1) / 2.0;
}

/* The level of a coordinate in steps; in float, as this is most of encoding. */
static inline int32
level_of(float steps, uint32 bits)
{
	float most = ((uint32) 1 << bits) - 1;
	float level = steps + (most + 1) / 2;

	/* what is cut off below zero is not rounded down, but it is zero anyway */
	return (int32) Max(Min(level, most), 0.0f);
}

/* The step that makes the direction of y nearest to that of x. */
static double
best_per_step(uint32 bits, const float *x, uint32 dim, double norm)
{
	double per_normal_step = sqrt(dim) / (norm * normal_step(bits));
	double best = 0;
	double best_cosine = -1;

	/* signs are signs */
	if (bits == 1)
		return per_normal_step;

	for (int i = 0; i < (int) lengthof(step_factors); i++)
	{
		double per_step = per_normal_step / step_factors[i];
		float  mid = middle(bits);
		float  xy = 0;
		float  yy = 0;
		double cosine;

		/* what rounding does to a sum matters little for the choice */
		for (uint32 k = 0; k < dim; k++)
		{
			float steps = (float) (x[k] * per_step);
			float y = level_of(steps, bits) - mid;

			xy += steps * y;
			yy += y * y;
		}
		cosine = xy / sqrt(yy) * step_factors[i];
		if (cosine > best_cosine)
		{
			best_cosine = cosine;
			best = per_step;
		}
	}
	return best;
}

void
exrabitq_encode(uint32 bits, const float *x, uint32 dim, ExRabitqCode *code)
{
	uint32 bytes = EXRABITQ_LEVEL_BYTES(bits, dim);
	double norm = 0;
	double xy = 0;
	double yy = 0;
	double per_step;
	double ratio;

	memset(code, 0, EXRABITQ_CODE_BYTES(bits, dim));
	for (uint32 i = 0; i < dim; i++)
		norm += (double) x[i] * x[i];
	norm = sqrt(norm);
	if (norm == 0)
		return;

	per_step = best_per_step(bits, x, dim, norm);
	for (uint32 first = 0, shift = 0; first < dim;
		 first += bytes, shift += bits)
	{
		for (uint32 i = first; i < dim && i - first < bytes; i++)
		{
			int32  level = level_of((float) (x[i] * per_step), bits);
			double y = level - middle(bits);

			code->levels[i - first] |= (uint8) level << shift;
			code->sum += level;
			xy += x[i] * y;
			yy += y * y;
		}
	}

	/* 1 / cosine^2 is at least 1; a bit above, for what rounding took off */
	ratio = yy * (norm / xy) * (norm / xy) * (1 + 0x1p-20) - 1;
	code->norm = (float) Min(norm, FLT_MAX);
	code->scale = (float) Min(norm / xy, FLT_MAX);
	code->deviation = norm <= FLT_MAX ? (float) sqrt(Max(ratio, 0)) : INFINITY;
}

/* ------------------------------------------------------------------------
 * Sums of products
 * ------------------------------------------------------------------------
 */

/*
 * Call DO(first, count) for the dimensions first .. first + count - 1 of codes
 * whose levels lie in one run of bytes from `byte` on, shifted by `shift`.
 */
#define FOR_EACH_RUN(bits, dim, DO)                                          \
	do                                                                       \
	{                                                                        \
		uint32 bytes = EXRABITQ_LEVEL_BYTES(bits, dim);                      \
		for (uint32 part = 0; part < 8 / (bits); part++)                     \
			for (uint32 byte = 0;                                            \
				 byte < bytes && part * bytes + byte < (dim); byte += CHUNK) \
			{                                                                \
				uint32 shift = part * (bits);                                \
				uint32 first = part * bytes + byte;                          \
				uint32 count = Min(CHUNK, bytes - byte);                     \
				count = Min(count, (dim) -first);                            \
				DO;                                                          \
			}                                                                \
	} while (0)

/*
 * The projection of x on y is <x, y> / <y, y> y, where <x, y> = norm / scale and
 * <y, y> = (1 + deviation^2) / scale^2.  What is lost is orthogonal to it.
 */
void
exrabitq_decode(uint32 bits, const ExRabitqCode *code, uint32 dim, float *x)
{
	uint8  mask = ((uint32) 1 << bits) - 1;
	uint8  levels[CHUNK];
	double square = 1 + (double) code->deviation * code->deviation;
	double factor = (double) code->norm * code->scale / square;

	if (!(code->norm <= LARGEST_DECODED) || !isfinite(factor))
		factor = 0;
	FOR_EACH_RUN(bits, dim, {
		distance_kernels->unpack_u8(code->levels + byte, shift, mask, levels,
									count);
		for (uint32 i = 0; i < count; i++)
			x[first + i] = (float) (factor * (levels[i] - middle(bits)));
	});
}

float
exrabitq_loss(const ExRabitqCode *code)
{
	double square = 1 + (double) code->deviation * code->deviation;

	if (!(code->norm <= LARGEST_DECODED) || !isfinite(code->deviation))
		return INFINITY;
	return (float) (code->norm * (sqrt(1 - 1 / square) + 0x1p-10));
}

static uint64
dot_codes(uint32 bits, const ExRabitqCode *a, const ExRabitqCode *b,
		  uint32 dim)
{
	uint8  mask = ((uint32) 1 << bits) - 1;
	uint8  levels_a[CHUNK];
	uint8  levels_b[CHUNK];
	uint64 dot = 0;

	FOR_EACH_RUN(bits, dim, {
		distance_kernels->unpack_u8(a->levels + byte, shift, mask, levels_a,
									count);
		distance_kernels->unpack_u8(b->levels + byte, shift, mask, levels_b,
									count);
		dot += distance_kernels->dot_u8_u8(levels_a, levels_b, count);
		(void) first;
	});
	return dot;
}

/* ------------------------------------------------------------------------
 * Distances
 * ------------------------------------------------------------------------
 */

void
exrabitq_prepare_query(ExRabitqQuery *query, RabitqMetric metric, uint32 bits,
					   const float *x, uint32 dim, int16 *levels)
{
	query->metric = metric;
	query->bits = bits;
	query->epsilon = RABITQ_EPSILON;
	query->spread = 1 / sqrt(Max(dim - 1.0, 1));
	sq8_prepare_query(SQ8_L2, x, dim, levels, &query->values);
}

/* The distance of two vectors from their norms and inner product. */
static float
distance_of(RabitqMetric metric, double norm_a, double norm_b, double product)
{
	double distance = metric == RABITQ_IP ? -product : 2 - 2 * product;

	if (metric == RABITQ_L2)
		distance = norm_a * norm_a + norm_b * norm_b - 2 * product;
	if (metric != RABITQ_IP)
		distance = sqrt(Max(distance, 0));
	return (float) Max(Min(distance, FLT_MAX), -FLT_MAX);
}

/* Below what rounding to float can have added. */
static float
round_down(RabitqMetric metric, float distance)
{
	float below = nextafterf(distance - fabsf(distance) * 0x1p-20f, -FLT_MAX);

	return Max(below, metric == RABITQ_IP ? -FLT_MAX : 0);
}

/*
 * The largest t that is plausible, by an estimate whose error is at most u
 * sqrt(norm^2 - t^2): see rabitq.c.
 */
static double
most_plausible(double estimate, double u, double norm)
{
	double secant_squared = 1 + u * u;
	double rest;

	if (estimate >= norm || isinf(u))
		return norm;
	rest = secant_squared * norm * norm - estimate * estimate;
	return Max((estimate + u * sqrt(Max(rest, 0))) / secant_squared, -norm);
}

float
exrabitq_query_distance(const ExRabitqQuery *query, const ExRabitqCode *code,
						float *bound)
{
	const Sq8Query *values = &query->values;
	double			dim = values->dim;
	double			mid = middle(query->bits);
	double			norm = values->norm;
	int64			dot;
	double			y_dot_query;
	double			t;

	dot = distance_kernels->dot_packed_i16(code->levels, query->bits,
										   values->levels, values->dim);

	/* the products with y, of the levels' sums */
	y_dot_query = values->offset * ((double) code->sum - mid * dim) +
				  values->step * (dot - mid * values->sum);
	t = y_dot_query * code->scale;
	t = Max(Min(t, norm), -norm);

	if (bound != NULL)
	{
		double deviations = Min(query->epsilon / sqrt(Max(dim - 1, 1)), 1);
		/* |y| * scale is 1 / cosine of the angle between x and y */
		double lost = values->residual *
					  sqrt(1 + (double) code->deviation * code->deviation);
		double most = most_plausible(t + lost, deviations * code->deviation,
									 norm);
		/* of floats that the code has, and of the distance itself */
		double slack = norm * 0x1p-20;

		*bound = round_down(query->metric,
							distance_of(query->metric,
										code->norm * (1 - 0x1p-20), norm,
										code->norm * (most + slack)));
		if (isinf(code->deviation))
			*bound = query->metric == RABITQ_IP ? -FLT_MAX : 0;
	}
	return distance_of(query->metric, code->norm, norm, code->norm * t);
}

/*
 * With w = q - x, the estimate of <q, x> is off by c h at most, where h is the
 * distance of q from the line through x, and c = |x| u; and by what q itself has
 * lost, say b / 2.  Now h is at most |w|, so the estimate d of |w| tells
 *		w^2 >= d^2 - 2 c w - b and w^2 <= d^2 + 2 c w + b,
 * which is solved for the least and the largest |w|, and roots of sums taken
 * apart.
 */
float
exrabitq_likely_error(const ExRabitqQuery *query, const ExRabitqCode *code,
					  float estimate, float deviations)
{
	const Sq8Query *values = &query->values;
	double			norm = values->norm;
	double			c = Min(deviations * query->spread, 1) * code->deviation *
			   code->norm;
	/* the root of 1 + deviation^2 is no more than that */
	double lost = code->norm * values->residual * (1 + code->deviation);
	double error;

	if (!(fabsf(estimate) < FLT_MAX))
		return INFINITY;
	if (query->metric == RABITQ_IP)
		error = c * norm + lost + code->norm * norm * 0x1p-19;
	else
	{
		/* floats that the code has are rounded */
		double rest = c * c + 2 * lost +
					  (norm * norm + (double) code->norm * code->norm) *
						  0x1p-19;

		error = c + ((double) estimate * estimate > rest ? rest / estimate
														 : sqrt(rest));
	}
	error += (error + fabsf(estimate)) * 0x1p-20 + FLT_MIN;

	/* or NaN, where the code says nothing */
	return error < FLT_MAX ? (float) error : INFINITY;
}

float
exrabitq_code_distance(RabitqMetric metric, uint32 bits, const ExRabitqCode *a,
					   const ExRabitqCode *b, uint32 dim)
{
	double mid = middle(bits);
	double product = (double) dot_codes(bits, a, b, dim) -
					 mid * ((double) a->sum + b->sum) + mid * mid * dim;

	/*
	 * Each side's estimator, one after the other.  It has a bias where errors
	 * of both are alike, in vectors near to each other, with few bits.
	 */
	product *= (double) a->scale * b->scale;
	product = Max(Min(product, 1), -1) * a->norm * b->norm;
	return distance_of(metric, a->norm, b->norm, product);
}

const char *
exrabitq_check(uint32 bits, const ExRabitqCode *code, uint32 dim)
{
	uint32 bytes = EXRABITQ_LEVEL_BYTES(bits, dim);
	uint32 sum = 0;

	if (!isfinite(code->norm) || code->norm < 0)
		return "norm is not a finite value of at least zero";
	if (!isfinite(code->scale) || code->scale < 0)
		return "scale is not a finite value of at least zero";
	if (isnan(code->deviation) || code->deviation < 0)
		return "deviation is not a value of at least zero";

	for (uint32 i = 0; i < bytes * (8 / bits); i++)
	{
		uint32 level = (code->levels[i % bytes] >> (i / bytes * bits)) &
					   (((uint32) 1 << bits) - 1);

		if (i >= dim && level != 0)
			return "levels behind the last dimension are not zero";
		sum += level;
	}
	if (sum != code->sum)
		return "sum of levels does not match";

	return NULL;
}
