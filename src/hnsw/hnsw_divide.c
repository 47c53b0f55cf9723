/*
 * hnsw_divide.c
 *		Dividing vectors into parts of near ones, by a sample.
 *
 * A binary tree: each node has two pivots, vectors of the sample, and a vector
 * belongs to the one that is nearer, but for an offset by which each gets its
 * share of the sample.  So the parts are of the same size whatever the data
 * and the metric are like, and nothing is needed but distances of codes.
 *
 * A vector's further parts are found on the other sides of the borders to which
 * it is nearest.  (Spill trees, Liu et al., NIPS 2004, put into both children
 * what is near to a border; here the number of parts of a vector is fixed, as
 * in DiskANN, Jayaram Subramanya et al., NeurIPS 2019, section 4.)
 *
 * Codes in memory only: no buffers, no locks.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "hnsw/hnsw_divide.h"

/* How often the pivots are moved to the middle of their side ... */
#define ROUNDS 3

/* ... which is judged by so many vectors of it. */
#define MIDDLE_SAMPLE 48

typedef struct SampleMargin
{
	const HnswCode *code;
	float			margin; /* how much nearer it is to the first pivot */
} SampleMargin;

static inline float
margin_of(const HnswDivision *division, const HnswDivideNode *node,
		  const HnswCode *code)
{
	return hnsw_code_distance(division->coder, code, node->pivots[0]) -
		   hnsw_code_distance(division->coder, code, node->pivots[1]);
}

static int
compare_margins(const void *a, const void *b)
{
	float x = ((const SampleMargin *) a)->margin;
	float y = ((const SampleMargin *) b)->margin;

	return x < y ? -1 : x > y ? 1 : 0;
}

static const HnswCode *
pick(const SampleMargin *sample, int count, pg_prng_state *random)
{
	return sample[pg_prng_uint64_range(random, 0, count - 1)].code;
}

/* Of some random vectors the one with the least sum of distances to others. */
static const HnswCode *
find_middle(const HnswDivision *division, const SampleMargin *sample,
			int count, pg_prng_state *random)
{
	const HnswCode *codes[MIDDLE_SAMPLE];
	const HnswCode *best = NULL;
	double			best_sum = 0;

	for (int i = 0; i < MIDDLE_SAMPLE; i++)
		codes[i] = pick(sample, count, random);
	for (int i = 0; i < MIDDLE_SAMPLE; i++)
	{
		double sum = 0;

		for (int j = 0; j < MIDDLE_SAMPLE; j++)
			sum += hnsw_code_distance(division->coder, codes[i], codes[j]);
		if (best == NULL || sum < best_sum)
		{
			best = codes[i];
			best_sum = sum;
		}
	}
	return best;
}

/* Order the sample by margin and put the border after the first `left`. */
static void
split_sample(const HnswDivision *division, HnswDivideNode *node,
			 SampleMargin *sample, int count, int left)
{
	for (int i = 0; i < count; i++)
		sample[i].margin = margin_of(division, node, sample[i].code);
	qsort(sample, count, sizeof(SampleMargin), compare_margins);
	node->offset = (sample[left - 1].margin + sample[left].margin) / 2;
	node->width = hnsw_code_distance(division->coder, node->pivots[0],
									 node->pivots[1]);
}

/* Divide a part of the sample, and return the node or the part it makes. */
static int
divide(HnswDivision *division, SampleMargin *sample, int count, int num_parts,
	   int first_part, pg_prng_state *random)
{
	int				left_parts = num_parts / 2;
	int				left = (int64) count * left_parts / num_parts;
	int				number = division->num_nodes;
	HnswDivideNode *node;

	CHECK_FOR_INTERRUPTS();
	if (num_parts == 1)
		return -1 - first_part;

	node = &division->nodes[division->num_nodes++];
	Assert(left > 0 && left < count);
	node->pivots[0] = pick(sample, count, random);
	node->pivots[1] = pick(sample, count, random);
	for (int round = 0; round < ROUNDS; round++)
	{
		split_sample(division, node, sample, count, left);
		node->pivots[0] = find_middle(division, sample, left, random);
		node->pivots[1] = find_middle(division, sample + left, count - left,
									  random);
	}
	split_sample(division, node, sample, count, left);

	/* calls may not move the nodes: there is room for all */
	node->children[0] = divide(division, sample, left, left_parts, first_part,
							   random);
	node->children[1] = divide(division, sample + left, count - left,
							   num_parts - left_parts, first_part + left_parts,
							   random);
	return number;
}

void
hnsw_divide(HnswDivision *division, const HnswCoder *coder,
			const HnswCode **sample, int count, int num_parts,
			pg_prng_state *random)
{
	SampleMargin *margins = palloc_extended(sizeof(SampleMargin) * count,
											MCXT_ALLOC_HUGE);

	Assert(num_parts >= 1 && count >= 2 * num_parts);
	division->coder = coder;
	division->num_parts = num_parts;
	division->num_nodes = 0;
	division->nodes = palloc(sizeof(HnswDivideNode) * num_parts);
	for (int i = 0; i < count; i++)
		margins[i].code = sample[i];
	(void) divide(division, margins, count, num_parts, 0, random);
	pfree(margins);
}

/* A child that was not taken on the way down, and how close it was. */
typedef struct Border
{
	int	  child;
	float distance; /* relative to that of the pivots */
} Border;

/*
 * Go down from a node to a part.  The `limit` nearest borders on the way are
 * put into borders, nearest first, and counted.
 */
static int
descend(const HnswDivision *division, int at, const HnswCode *code,
		Border *borders, int *num_borders, int limit)
{
	while (at >= 0)
	{
		const HnswDivideNode *node = &division->nodes[at];
		float  margin = margin_of(division, node, code) - node->offset;
		int	   side = margin > 0;
		int	   place = *num_borders;
		Border border;

		border.child = node->children[1 - side];
		border.distance = node->width > 0 ? fabsf(margin) / node->width : 0;
		while (place > 0 && border.distance < borders[place - 1].distance)
			place--;
		if (place < limit)
		{
			*num_borders = Min(*num_borders + 1, limit);
			memmove(&borders[place + 1], &borders[place],
					sizeof(Border) * (*num_borders - 1 - place));
			borders[place] = border;
		}
		at = node->children[side];
	}
	return -1 - at;
}

int
hnsw_division_find(const HnswDivision *division, const HnswCode *code,
				   int *parts, int limit)
{
	Border borders[HNSW_MAX_PARTS_FOUND];
	int	   num_borders = 0;
	int	   no_borders = 0;

	Assert(limit >= 1 && limit <= HNSW_MAX_PARTS_FOUND);
	parts[0] = descend(division, division->num_parts == 1 ? -1 : 0, code,
					   borders, &num_borders, limit - 1);
	for (int i = 0; i < num_borders; i++)
		parts[i + 1] = descend(division, borders[i].child, code, NULL,
							   &no_borders, 0);
	return num_borders + 1;
}
