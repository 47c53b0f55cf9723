/*
 * ivf_train.c
 *		Centroids for the lists, from a sample of points.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"

#include "distance/distance.h"
#include "ivfflat/ivf.h"

/* Rounds of k-means: later ones change little. */
#define MAX_ITERATIONS 12

/*
 * Points and centroids while they are being trained, in the form of points.
 */
typedef struct Training
{
	const IvfIndex *index;
	const char	   *points;
	uint32			count;
	Size			bytes;
	bool			bits;
	char		   *centroids;
	uint32			lists;
	uint32		   *assigned; /* by point: its centroid */
	uint32		   *sizes;	  /* by centroid: its points */
	pg_prng_state	prng;
} Training;

static inline const char *
point_at(const Training *t, uint32 i)
{
	return t->points + t->bytes * i;
}

static inline char *
centroid_at(const Training *t, uint32 i)
{
	return t->centroids + t->bytes * i;
}

static inline double
point_distance(const Training *t, const char *a, const char *b)
{
	if (t->bits)
		return distance_kernels->hamming_bits((const uint8 *) a,
											  (const uint8 *) b, t->bytes);
	return distance_kernels->l2sq_f32((const float *) a, (const float *) b,
									  t->index->dimensions);
}

/*
 * Distinct points to start from, in random order.  Returns how many there are.
 */
static uint32
choose_start(Training *t)
{
	uint32 *order = palloc_extended(sizeof(uint32) * t->count,
									MCXT_ALLOC_HUGE);
	uint32	chosen = 0;

	for (uint32 i = 0; i < t->count; i++)
		order[i] = i;
	for (uint32 i = 0; i < t->count && chosen < t->lists; i++)
	{
		uint32 j = pg_prng_uint64_range(&t->prng, i, t->count - 1);
		uint32 point = order[j];
		bool   known = false;

		order[j] = order[i];
		for (uint32 c = 0; c < chosen && !known; c++)
			known = point_distance(t, point_at(t, point), centroid_at(t, c)) ==
					0;
		if (!known)
			memcpy(centroid_at(t, chosen++), point_at(t, point), t->bytes);
	}
	pfree(order);
	return chosen;
}

/* Assign each point to the nearest centroid; false if none has changed. */
static bool
assign_points(Training *t)
{
	bool changed = false;

	memset(t->sizes, 0, sizeof(uint32) * t->lists);
	for (uint32 i = 0; i < t->count; i++)
	{
		double least = 0;
		uint32 best = 0;

		CHECK_FOR_INTERRUPTS();
		for (uint32 c = 0; c < t->lists; c++)
		{
			double distance = point_distance(t, point_at(t, i),
											 centroid_at(t, c));

			if (c == 0 || distance < least)
			{
				least = distance;
				best = c;
			}
		}
		changed |= t->assigned[i] != best;
		t->assigned[i] = best;
		t->sizes[best]++;
	}
	return changed;
}

/* A centroid becomes the mean of its points; of bits, their majority. */
static void
move_centroid(Training *t, uint32 c, double *sums)
{
	uint32 dimensions = t->index->dimensions;
	char  *centroid = centroid_at(t, c);

	/* an empty list takes any point */
	if (t->sizes[c] == 0)
	{
		memcpy(centroid,
			   point_at(t, pg_prng_uint64_range(&t->prng, 0, t->count - 1)),
			   t->bytes);
		return;
	}

	memset(sums, 0, sizeof(double) * dimensions);
	for (uint32 i = 0; i < t->count; i++)
	{
		const char *point = point_at(t, i);

		if (t->assigned[i] != c)
			continue;
		for (uint32 d = 0; d < dimensions; d++)
			sums[d] += t->bits
						   ? (((const uint8 *) point)[d / 8] >> (7 - d % 8)) &
								 1
						   : ((const float *) point)[d];
	}
	if (!t->bits)
	{
		for (uint32 d = 0; d < dimensions; d++)
			((float *) centroid)[d] = sums[d] / t->sizes[c];
		return;
	}
	memset(centroid, 0, t->bytes);
	for (uint32 d = 0; d < dimensions; d++)
	{
		if (2 * sums[d] > t->sizes[c])
			((uint8 *) centroid)[d / 8] |= 1 << (7 - d % 8);
	}
}

uint32
ivf_train(IvfIndex *index, const char *points, uint32 count, uint32 lists,
		  char *centroids)
{
	const IvfCoder *coder = &index->coder;
	Training		t = {.index = index,
						 .points = points,
						 .count = count,
						 .bytes = coder->point_bytes,
						 .bits = coder->fine.encoding.kind == CODE_BITS,
						 .lists = Min(lists, count)};
	double		   *sums = palloc_extended(sizeof(double) * index->dimensions,
										   MCXT_ALLOC_HUGE);

	t.centroids = palloc_extended(t.bytes * t.lists, MCXT_ALLOC_HUGE);
	t.assigned = palloc_extended(sizeof(uint32) * count,
								 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	t.sizes = palloc(sizeof(uint32) * t.lists);
	pg_prng_seed(&t.prng, index->seed);

	t.lists = choose_start(&t);
	for (int round = 0; round < MAX_ITERATIONS; round++)
	{
		if (!assign_points(&t) && round > 0)
			break;
		for (uint32 c = 0; c < t.lists; c++)
			move_centroid(&t, c, sums);
	}
	for (uint32 c = 0; c < t.lists; c++)
	{
		VectorCode *code = (VectorCode *) (centroids +
										   (Size) coder->code_bytes * c);

		memset(code, 0, coder->code_bytes);
		ivf_encode_centroid(coder, centroid_at(&t, c), code);
	}
	pfree(t.sizes);
	pfree(t.assigned);
	pfree(t.centroids);
	pfree(sums);
	return t.lists;
}
