/*
 * test_relative.c
 *		Codes relative to a node: estimates against the formulas in double, their
 *		errors, lanes, edge cases.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "distance/distance.h"
#include "quantize/relative.h"

#define MAX_DIM 1536

static const uint32 dims[] = {1, 2, 7, 8, 16, 17, 40, 100, 128, 768, 1536};

static const char *const metric_names[] = {"L2", "IP"};

static float node[MAX_DIM];
static float query_values[MAX_DIM];
static float neighbours[RABITQ_BLOCK][MAX_DIM];

static RelativeCode *
new_code(uint32 dim)
{
	RelativeCode *code = calloc(1, RELATIVE_CODE_BYTES(dim));

	if (code == NULL)
		abort();
	return code;
}

static double
square_distance(const float *a, const float *b, uint32 dim)
{
	double sum = 0;

	for (uint32 i = 0; i < dim; i++)
		sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sum;
}

/* What is to be estimated of a code by the formula, without tables. */
static double
formula(RabitqMetric metric, const float *x, uint32 dim)
{
	double l1 = 0;
	double l2sq = 0;
	double signs = 0;
	double rest = 0;
	double estimate;

	for (uint32 i = 0; i < dim; i++)
	{
		/* as float, for a sign may depend on it */
		double r = x[i] - node[i];
		double half = r > 0 ? 0.5 : -0.5;

		l1 += fabs(r);
		l2sq += r * r;
		signs += half * query_values[i];
		rest += half * ((double) query_values[i] - node[i]);
	}
	if (l1 == 0)
		return metric == RABITQ_IP
				   ? -exact_dot(query_values, node, dim)
				   : sqrt(square_distance(query_values, node, dim));
	if (metric == RABITQ_IP)
		return -exact_dot(query_values, node, dim) - 2 * l2sq / l1 * signs;
	estimate = square_distance(query_values, node, dim) + l2sq -
			   4 * l2sq / l1 * rest;
	return sqrt(Max(estimate, 0));
}

static void
test_estimates(RabitqMetric metric, uint32 dim)
{
	char		 *block = calloc(1, RELATIVE_BLOCK_BYTES(dim));
	float		 *memory = malloc(RELATIVE_QUERY_BYTES(dim));
	RelativeCode *code = new_code(dim);
	RelativeCode *back = new_code(dim);
	RelativeQuery query;
	float		  estimates[RABITQ_BLOCK];
	double		  largest = 0;
	double		  mean = 0;
	double		  scale;
	float		  distance;

	if (block == NULL || memory == NULL)
		abort();
	for (uint32 i = 0; i < dim; i++)
	{
		node[i] = (float) random_normal();
		query_values[i] = node[i] + (float) random_normal();
		for (int lane = 0; lane < RABITQ_BLOCK; lane++)
			neighbours[lane][i] = node[i] + 0.5f * (float) random_normal();
	}
	/* one that is where the node is */
	memcpy(neighbours[5], node, sizeof(float) * dim);

	for (int lane = RABITQ_BLOCK - 1; lane >= 0; lane--)
	{
		relative_encode(metric, neighbours[lane], node, dim, code);
		relative_set(block, lane, dim, code);
	}
	for (int lane = 0; lane < RABITQ_BLOCK; lane++)
	{
		relative_encode(metric, neighbours[lane], node, dim, code);
		relative_get(block, lane, dim, back);
		CHECK(memcmp(code, back, RELATIVE_CODE_BYTES(dim)) == 0,
			  "%s dim %u lane %d: another code comes back",
			  metric_names[metric], dim, lane);
		CHECK(relative_equal(code, back, dim), "%s dim %u lane %d: not equal",
			  metric_names[metric], dim, lane);
	}

	/* a lane written anew leaves the others as they are */
	relative_encode(metric, neighbours[1], node, dim, code);
	relative_set(block, 17, dim, code);
	relative_get(block, 17, dim, back);
	CHECK(relative_equal(code, back, dim), "%s dim %u: lane 17 is the old one",
		  metric_names[metric], dim);
	memcpy(neighbours[17], neighbours[1], sizeof(float) * dim);

	relative_query_init(&query, metric, query_values, dim, memory);
	distance = (float) (metric == RABITQ_IP
							? -exact_dot(query_values, node, dim)
							: sqrt(square_distance(query_values, node, dim)));
	relative_score(&query, block, distance, estimates);

	/* tables round each group of four values to a 255th of the largest sum */
	scale = sqrt(exact_dot(query_values, query_values, dim) + dim);
	for (int lane = 0; lane < RABITQ_BLOCK; lane++)
	{
		double expected = formula(metric, neighbours[lane], dim);
		double exact = metric == RABITQ_IP
						   ? -exact_dot(query_values, neighbours[lane], dim)
						   : sqrt(square_distance(query_values,
												  neighbours[lane], dim));

		/* roots of small squares have large errors */
		double error = metric == RABITQ_IP
						   ? fabs(estimates[lane] - expected)
						   : fabs((double) estimates[lane] * estimates[lane] -
								  expected * expected);

		largest = Max(largest, error / (scale * scale));
		mean += fabs(estimates[lane] - exact) / RABITQ_BLOCK;
	}
	CHECK(largest < 0.02, "%s dim %u: estimates differ from the formula by %g",
		  metric_names[metric], dim, largest);

	/* the standard deviation is 0.76 |w| |r| / sqrt(dim) of the product */
	CHECK(mean < (metric == RABITQ_IP ? 2 * sqrt(dim) : 1.5),
		  "%s dim %u: mean error %g", metric_names[metric], dim, mean);

	free(block);
	free(memory);
	free(code);
	free(back);
}

/* Whatever is in a block, as if read from a page: finite estimates. */
static void
test_any_bytes(void)
{
	static const float values[] = {0,		 -1,		FLT_MAX, -FLT_MAX,
								   INFINITY, -INFINITY, NAN};
	const uint32	   dim = 40;
	char			  *block = calloc(1, RELATIVE_BLOCK_BYTES(dim));
	float			  *memory = malloc(RELATIVE_QUERY_BYTES(dim));
	RelativeCode	  *code = new_code(dim);

	if (block == NULL || memory == NULL)
		abort();
	for (int metric = RABITQ_L2; metric <= RABITQ_IP; metric++)
	{
		for (int q = 0; q < (int) lengthof(values); q++)
		{
			RelativeQuery query;

			/* queries are finite */
			for (uint32 i = 0; i < dim; i++)
				query_values[i] = isfinite(values[q]) ? values[q] : (float) i;
			relative_query_init(&query, metric, query_values, dim, memory);
			for (int i = 0; i < (int) lengthof(values); i++)
			{
				for (int k = 0; k < (int) lengthof(values); k++)
				{
					float estimates[RABITQ_BLOCK];

					code->add = values[i];
					code->scale = values[k];
					relative_set(block, 3, dim, code);
					relative_score(&query, block, values[q], estimates);
					CHECK(isfinite(estimates[3]),
						  "%s: an estimate of %g, %g, %g is %g",
						  metric_names[metric], values[q], values[i],
						  values[k], estimates[3]);
				}
			}
		}

		/* vectors too far away for factors */
		for (uint32 i = 0; i < dim; i++)
		{
			node[i] = FLT_MAX;
			neighbours[0][i] = -FLT_MAX;
		}
		relative_encode(metric, neighbours[0], node, dim, code);
		CHECK(code->add == 0 && code->scale == 0, "%s: factors %g, %g",
			  metric_names[metric], code->add, code->scale);
	}
	free(block);
	free(memory);
	free(code);
}

static void
test_all_estimates(void)
{
	for (int metric = RABITQ_L2; metric <= RABITQ_IP; metric++)
	{
		for (int i = 0; i < (int) lengthof(dims); i++)
			test_estimates(metric, dims[i]);
	}
}

static void
run_relative_groups(void)
{
	run_group("relative: estimates by the formula, lanes", test_all_estimates);
	run_group("relative: ends of the range", test_any_bytes);
}

void
relative_tests(void)
{
	with_each_isa(run_relative_groups);
}
