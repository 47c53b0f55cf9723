/*
 * relative.c
 *		RaBitQ codes of vectors relative to another one near to them.
 *
 * With r = x - node, s = its signs times 1/2 and g = |r|^2 / <r, s>, the product
 * <w, r> of r and any w is estimated as g <w, s>, without bias.  Here w is q -
 * node, and <w, s> = <q, s> - <node, s>.  So
 *		|q - x|^2 = |w|^2 + |r|^2 - 2 <w, r>
 *				  = |w|^2 + (|r|^2 + 2 g <node, s>) - 2 g <q, s>
 *		<q, x>	  = <q, node> + g <q, s>
 * where the node's distance is known, what is in parentheses is a part of the
 * code, as g is, and <q, s> is looked up in tables that q alone decides.
 */
#include "c.h"

#include <float.h>
#include <math.h>

#include "quantize/relative.h"

/* Sums of a query's values beyond have no tables: squares would overflow. */
#define MAX_SUM 1e17f

/* Groups of values below are zeros. */
#define MIN_SUM 0x1p-100f

static inline uint8 *
block_signs(const void *block)
{
	return (uint8 *) block + RELATIVE_FACTOR_BYTES;
}

/* sum s[i] * node[i]; several sums, for one would wait for its last addition */
static double
product_of_signs(const uint8 *signs, const float *node, uint32 dim)
{
	double sums[8] = {0};
	uint32 whole = dim / 8 * 8;

	for (uint32 i = 0; i < whole; i += 8)
	{
		for (uint32 k = 0; k < 8; k++)
			sums[k] += (signs[i / 8] >> k) & 1 ? node[i + k] : -node[i + k];
	}
	for (uint32 i = whole; i < dim; i++)
		sums[0] += (signs[i / 8] >> (i % 8)) & 1 ? node[i] : -node[i];
	for (uint32 k = 1; k < 8; k++)
		sums[0] += sums[k];
	return sums[0] / 2;
}

void
relative_encode(RabitqMetric metric, const float *x, const float *node,
				uint32 dim, RelativeCode *code)
{
	ResidualSums sums;
	double		 g;
	double		 add = 0;

	sums = distance_kernels->residual_signs_f32(x, node, code->signs, dim);
	g = sums.l1 > 0 ? 2 * (double) sums.l2sq / sums.l1 : 0;
	if (metric != RABITQ_IP)
		add = sums.l2sq + 2 * g * product_of_signs(code->signs, node, dim);

	/* without factors it seems to be where the node is, and is looked at */
	if (!(fabs(add) <= FLT_MAX) || !(g <= FLT_MAX))
		add = g = 0;
	code->add = (float) add;
	code->scale = (float) g;
}

void
relative_set(void *block, uint32 lane, uint32 dim, const RelativeCode *code)
{
	float *factors = (float *) block;
	uint8 *byte = block_signs(block) + lane % 16;
	uint32 shift = lane < 16 ? 0 : 4;

	factors[lane] = code->add;
	factors[RABITQ_BLOCK + lane] = code->scale;
	for (uint32 i = 0; i < RABITQ_GROUPS(dim) / 2; i++)
	{
		byte[0] = (byte[0] & (0xf0 >> shift)) |
				  ((code->signs[i] & 0x0f) << shift);
		byte[RABITQ_GROUP_BYTES] = (byte[RABITQ_GROUP_BYTES] &
									(0xf0 >> shift)) |
								   ((code->signs[i] >> 4) << shift);
		byte += 2 * RABITQ_GROUP_BYTES;
	}
}

void
relative_get(const void *block, uint32 lane, uint32 dim, RelativeCode *code)
{
	const float *factors = (const float *) block;
	const uint8 *byte = block_signs(block) + lane % 16;
	uint32		 shift = lane < 16 ? 0 : 4;

	code->add = factors[lane];
	code->scale = factors[RABITQ_BLOCK + lane];
	for (uint32 i = 0; i < RABITQ_GROUPS(dim) / 2; i++)
	{
		code->signs[i] = ((byte[0] >> shift) & 0x0f) |
						 (((byte[RABITQ_GROUP_BYTES] >> shift) & 0x0f) << 4);
		byte += 2 * RABITQ_GROUP_BYTES;
	}
}

/* The sums behind `add` may cancel each other out, so it may be rounded a lot. */
bool
relative_equal(const RelativeCode *a, const RelativeCode *b, uint32 dim)
{
	return fabsf(a->scale - b->scale) <= 1e-3f * fabsf(a->scale) &&
		   isfinite(a->add) && isfinite(b->add) &&
		   memcmp(a->signs, b->signs, RABITQ_GROUPS(dim) / 2) == 0;
}

void
relative_query_init(RelativeQuery *query, RabitqMetric metric,
					const float *values, uint32 dim, void *memory)
{
	uint32	 groups = RABITQ_GROUPS(dim);
	float	*padded = memory;
	RestSums sums;

	query->metric = metric;
	query->groups = groups;
	query->tables = (uint8 *) (padded + groups * RABITQ_GROUP_DIMS);
	query->step = 0;
	query->bias = 0;

	sums = distance_kernels->rest_f32(values, values, 0, padded, dim);
	if (sums.largest > MIN_SUM && sums.l1 <= MAX_SUM)
	{
		query->step = sums.largest / 255;
		query->bias = -sums.l1 / 2;
		distance_kernels->subset_sums_f32(padded, 255 / sums.largest, groups,
										  query->tables);
	}
	else
		memset(query->tables, 0, RABITQ_GROUP_BYTES * groups);
}

void
relative_score(const RelativeQuery *query, const void *block,
			   float node_distance, float *estimates)
{
	const float *add = block;
	const float *scale = add + RABITQ_BLOCK;
	uint32		 sums[RABITQ_BLOCK] = {0};
	float		 square = node_distance * node_distance;

	distance_kernels->lookup_u4(block_signs(block), query->tables,
								query->groups, sums);
	for (int i = 0; i < RABITQ_BLOCK; i++)
	{
		float product = scale[i] * (query->bias + query->step * sums[i]);
		float distance;

		/* comparisons with NaN are false, so it becomes the least value */
		if (query->metric == RABITQ_IP)
		{
			distance = node_distance - product;
			distance = distance > -FLT_MAX ? distance : -FLT_MAX;
		}
		else
		{
			distance = square + add[i] - 2 * product;
			distance = distance > 0 ? sqrtf(distance) : 0;
		}
		estimates[i] = Min(distance, FLT_MAX);
	}
}
