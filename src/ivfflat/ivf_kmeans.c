/*
 * ivf_kmeans.c
 *		k-means clustering of points in memory.
 *
 * Lloyd's iterations, on a start in two levels: about sqrt(lists) coarse
 * clusters of a part of the points; then each coarse cluster gets a share of
 * the lists by the number of its points, and is clustered by itself.  Both
 * start from points chosen by k-means++ (Arthur & Vassilvitskii, "k-means++:
 * the advantages of careful seeding", 2007).  That costs as much as one or two
 * iterations over all lists, where k-means++ over all of them would read all
 * points once a list.
 *
 * Lists that lose all points move to points far from their centroids, and
 * those that still have none in the end are dropped.  So centroids are never
 * doubles, even where points are.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "common/pg_prng.h"
#include "miscadmin.h"

#include "ivfflat/ivf_kmeans.h"

/* Points whose nearest centroids are searched together. */
#define BATCH_POINTS 96
#define BATCH_BYTES	 (512 * 1024)

/* Points of an item of work. */
#define CHUNK_POINTS 960

/* With fewer lists there is but one coarse cluster. */
#define MIN_HIERARCHICAL_LISTS 64

/* Points for each coarse cluster that these are found from. */
#define COARSE_SAMPLE 64

/* Iterations inside of coarse clusters, and to find them. */
#define START_ITERATIONS 5

/*
 * With more lists an iteration over all of them takes much longer than the
 * start, which is as good as it gets by then: so many lists have few points.
 */
#define MAX_GLOBAL_LISTS	  4096
#define MANY_LISTS_ITERATIONS 2

/* Points that are added up in float before their sum is added in double. */
#define FLOAT_SUM_POINTS 64

/* Stop when an iteration changes the inertia by no more than that. */
#define ENOUGH 0.001

/* ------------------------------------------------------------------------
 * Nearest centroids
 * ------------------------------------------------------------------------
 */

/*
 * Floats are taken relative to an origin m in the midst of the centroids:
 *		|x - c|^2 = |x - m|^2 + 2 (|c - m|^2 / 2 + <m, c - m> - <x, c - m>)
 * loses fewer digits where all points have much in common.
 */
struct IvfCentroids
{
	IvfPointKind kind;
	uint32		 dim;
	uint32		 count;
	uint32		 unused;

	/*
	 * Floats: the origin; for each centroid what is constant in its score; and
	 * panels of centroids less the origin (see nearest_f32).  Bits: points.
	 */
	float data[FLEXIBLE_ARRAY_MEMBER];
};

static inline uint32
num_panels(uint32 count)
{
	return count / PANEL_WIDTH + (count % PANEL_WIDTH != 0);
}

static inline float *
score_constants(const IvfCentroids *centroids)
{
	return (float *) centroids->data + centroids->dim;
}

static inline float *
panel_start(const IvfCentroids *centroids, uint32 panel)
{
	return score_constants(centroids) +
		   (Size) num_panels(centroids->count) * PANEL_WIDTH +
		   (Size) panel * PANEL_WIDTH * centroids->dim;
}

Size
ivf_point_bytes(IvfPointKind kind, uint32 dim)
{
	return kind == IVF_POINTS_BITS ? ((Size) dim + 31) / 32 * 4
								   : (Size) dim * sizeof(float);
}

Size
ivf_centroids_bytes(IvfPointKind kind, uint32 dim, uint32 count)
{
	Size bytes = kind == IVF_POINTS_BITS
					 ? count * ivf_point_bytes(kind, dim)
					 : ((Size) num_panels(count) * PANEL_WIDTH + 1) *
						   ((Size) dim + 1) * sizeof(float);

	return offsetof(IvfCentroids, data) + bytes;
}

/* Put the origin in the midst of some points. */
static void
choose_origin(IvfCentroids *result, const float *points)
{
	uint32 dim = result->dim;

	for (uint32 i = 0; i < dim; i++)
	{
		double sum = 0;

		for (uint32 c = 0; c < result->count; c++)
			sum += points[(Size) c * dim + i];
		result->data[i] = (float) (sum / result->count);
	}
}

IvfCentroids *
ivf_centroids_init(void *memory, IvfPointKind kind, uint32 dim,
				   const void *centroids, uint32 count)
{
	IvfCentroids *result = memory;
	Size		  bytes = ivf_point_bytes(kind, dim);

	Assert(count > 0);
	result->kind = kind;
	result->dim = dim;
	result->count = count;
	result->unused = 0;
	if (kind != IVF_POINTS_BITS)
	{
		choose_origin(result, centroids);
		/* nothing is near to a place without a centroid */
		for (uint32 i = 0; i < num_panels(count) * PANEL_WIDTH; i++)
			score_constants(result)[i] = INFINITY;
		memset(panel_start(result, 0), 0,
			   (Size) num_panels(count) * PANEL_WIDTH * dim * sizeof(float));
	}
	for (uint32 i = 0; i < count; i++)
		ivf_centroids_put(result, i, (const char *) centroids + bytes * i);
	return result;
}

void
ivf_centroids_put(IvfCentroids *centroids, uint32 number, const void *point)
{
	const float *x = point;
	float		*column;
	double		 constant = 0;

	if (centroids->kind == IVF_POINTS_BITS)
	{
		Size bytes = ivf_point_bytes(centroids->kind, centroids->dim);

		memcpy((char *) centroids->data + bytes * number, point, bytes);
		return;
	}
	column = panel_start(centroids, number / PANEL_WIDTH) +
			 number % PANEL_WIDTH;
	for (uint32 i = 0; i < centroids->dim; i++)
	{
		float relative = x[i] - centroids->data[i];

		column[(Size) PANEL_WIDTH * i] = relative;
		constant += ((double) relative / 2 + centroids->data[i]) * relative;
	}
	score_constants(centroids)[number] = (float) constant;
}

static void
nearest_bits(const IvfCentroids *centroids, const uint8 *points, uint32 n,
			 uint32 *nearest, float *distances)
{
	Size bytes = ivf_point_bytes(centroids->kind, centroids->dim);

	for (uint32 i = 0; i < n; i++)
	{
		uint64 least = PG_UINT64_MAX;

		for (uint32 c = 0; c < centroids->count; c++)
		{
			uint64 distance = distance_kernels->hamming_bits(
				points + bytes * i,
				(const uint8 *) centroids->data + bytes * c, bytes);

			if (distance < least)
			{
				least = distance;
				nearest[i] = c;
			}
		}
		if (distances != NULL)
			distances[i] = (float) least;
	}
}

/* How many points to take at once, so that they stay in the cache. */
static uint32
batch_points(IvfPointKind kind, uint32 dim)
{
	Size fit = BATCH_BYTES / ivf_point_bytes(kind, dim);

	return Max(Min(fit, BATCH_POINTS), BATCH_POINTS / 8);
}

void
ivf_nearest_centroids(const IvfCentroids *centroids, const void *points,
					  uint32 n, uint32 *nearest, float *distances)
{
	uint32		 dim = centroids->dim;
	uint32		 batch = batch_points(centroids->kind, dim);
	const float *rows = points;

	Assert(centroids->count > 0);
	if (centroids->kind == IVF_POINTS_BITS)
	{
		nearest_bits(centroids, points, n, nearest, distances);
		return;
	}

	for (uint32 first = 0, some; first < n; first += some)
	{
		float least[BATCH_POINTS];

		some = Min(batch, n - first);
		for (uint32 i = 0; i < some; i++)
		{
			least[i] = INFINITY;
			/* where all distances overflow */
			nearest[first + i] = 0;
		}
		for (uint32 panel = 0; panel < num_panels(centroids->count); panel++)
			distance_kernels->nearest_f32(rows, some, dim,
										  panel_start(centroids, panel),
										  score_constants(centroids) +
											  panel * PANEL_WIDTH,
										  panel * PANEL_WIDTH, least,
										  nearest + first);
		for (uint32 i = 0; distances != NULL && i < some; i++)
		{
			const float *x = rows + (Size) i * dim;
			float		 square = 2 * least[i] +
						   distance_kernels->l2sq_f32(x, centroids->data, dim);

			distances[first + i] = square > 0 ? Min(square, FLT_MAX) : 0;
		}
		rows += (Size) some * dim;
	}
}

/* ------------------------------------------------------------------------
 * The state of a run
 * ------------------------------------------------------------------------
 */

typedef enum Step
{
	STEP_ASSIGN_COARSE, /* chunks of points */
	STEP_SPLIT,			/* coarse clusters */
	STEP_ASSIGN,		/* chunks of points */
	STEP_UPDATE			/* lists */
} Step;

/* What is at the start of the memory. */
typedef struct Shared
{
	IvfKmeansParams params;
	Step			step;
	uint32			coarse;	   /* coarse clusters */
	uint32			lists;	   /* lists, as far as there are any */
	uint32			iteration; /* done */
	double			inertia;
} Shared;

struct IvfKmeans
{
	Shared	   *shared;
	const char *points;
	Size		point_bytes;
	uint32		num_chunks;

	/* in shared memory */
	char		 *centroids;	   /* lists */
	IvfCentroids *arranged;		   /* the same */
	IvfCentroids *coarse_arranged; /* coarse clusters */
	uint32		 *nearest;		   /* points: coarse cluster or list */
	float		 *distances;	   /* points: to that */
	uint32		 *order;		   /* points, by coarse cluster or list */
	uint32		 *starts;		   /* lists + 1: where they are in order */
	uint32		 *shares;		   /* coarse clusters + 1: their first list */
	uint32		 *found;		   /* coarse clusters: centroids found */
	double		 *chunk_inertia;
};

static uint32
coarse_clusters(const IvfKmeansParams *params)
{
	uint32 lists = Min(params->num_lists, params->num_points);

	return lists < MIN_HIERARCHICAL_LISTS ? 1 : (uint32) rint(sqrt(lists));
}

/* Place all arrays, unless memory is NULL; returns how many bytes they take. */
static Size
place_arrays(IvfKmeans *kmeans, const IvfKmeansParams *params, char *memory)
{
	uint32 lists = Min(params->num_lists, params->num_points);
	uint32 coarse = coarse_clusters(params);
	Size   n = params->num_points;
	Size   used = 0;

	kmeans->point_bytes = ivf_point_bytes(params->kind, params->dim);
	kmeans->num_chunks = (params->num_points - 1) / CHUNK_POINTS + 1;
#define PLACE(pointer, bytes)                                      \
	((pointer) = memory != NULL ? (void *) (memory + used) : NULL, \
	 used += MAXALIGN(bytes))
	PLACE(kmeans->shared, sizeof(Shared));
	PLACE(kmeans->centroids, kmeans->point_bytes * lists);
	PLACE(kmeans->arranged,
		  ivf_centroids_bytes(params->kind, params->dim, lists));
	PLACE(kmeans->coarse_arranged,
		  ivf_centroids_bytes(params->kind, params->dim, coarse));
	PLACE(kmeans->nearest, sizeof(uint32) * n);
	PLACE(kmeans->distances, sizeof(float) * n);
	PLACE(kmeans->order, sizeof(uint32) * n);
	PLACE(kmeans->starts, sizeof(uint32) * (lists + 1));
	PLACE(kmeans->shares, sizeof(uint32) * (coarse + 1));
	PLACE(kmeans->found, sizeof(uint32) * coarse);
	PLACE(kmeans->chunk_inertia, sizeof(double) * kmeans->num_chunks);
#undef PLACE
	return used;
}

Size
ivf_kmeans_bytes(const IvfKmeansParams *params)
{
	IvfKmeans kmeans;

	return place_arrays(&kmeans, params, NULL);
}

IvfKmeans *
ivf_kmeans_start(const IvfKmeansParams *params, const void *points,
				 void *memory)
{
	IvfKmeans *kmeans = palloc(sizeof(IvfKmeans));

	Assert(params->num_points > 0 && params->num_lists > 0);
	(void) place_arrays(kmeans, params, memory);
	kmeans->points = points;
	kmeans->shared->params = *params;
	kmeans->shared->coarse = coarse_clusters(params);
	kmeans->shared->lists = Min(params->num_lists, params->num_points);
	kmeans->shared->iteration = 0;
	kmeans->shared->inertia = 0;
	return kmeans;
}

IvfKmeans *
ivf_kmeans_attach(const void *points, void *memory)
{
	IvfKmeans *kmeans = palloc(sizeof(IvfKmeans));

	(void) place_arrays(kmeans, &((Shared *) memory)->params, memory);
	kmeans->points = points;
	return kmeans;
}

static inline const char *
point_at(const IvfKmeans *kmeans, uint32 i)
{
	return kmeans->points + kmeans->point_bytes * i;
}

static inline char *
centroid_at(const IvfKmeans *kmeans, uint32 i)
{
	return kmeans->centroids + kmeans->point_bytes * i;
}

static double
point_distance(const IvfKmeans *kmeans, const char *a, const char *b)
{
	if (kmeans->shared->params.kind == IVF_POINTS_BITS)
		return (double) distance_kernels->hamming_bits((const uint8 *) a,
													   (const uint8 *) b,
													   kmeans->point_bytes);
	return distance_kernels->l2sq_f32((const float *) a, (const float *) b,
									  kmeans->shared->params.dim);
}

/* ------------------------------------------------------------------------
 * Means
 * ------------------------------------------------------------------------
 */

/* The majority of each bit; where there is none, the first member's. */
static void
majority(const IvfKmeans *kmeans, const uint32 *members, uint32 count,
		 char *centroid)
{
	uint32		 dim = kmeans->shared->params.dim;
	uint32		*ones = palloc0(sizeof(uint32) * dim);
	const uint8 *first = (const uint8 *) point_at(kmeans, members[0]);

	for (uint32 m = 0; m < count; m++)
	{
		const uint8 *bits = (const uint8 *) point_at(kmeans, members[m]);

		for (uint32 i = 0; i < dim; i++)
			ones[i] += (bits[i / 8] >> (7 - i % 8)) & 1;
	}
	memset(centroid, 0, kmeans->point_bytes);
	for (uint32 i = 0; i < dim; i++)
	{
		uint8 bit = 1 << (7 - i % 8);

		if (2 * ones[i] > count ||
			(2 * ones[i] == count && (first[i / 8] & bit) != 0))
			((uint8 *) centroid)[i / 8] |= bit;
	}
	pfree(ones);
}

/* Move a centroid to the middle of some points, at least one. */
static void
move_centroid(const IvfKmeans *kmeans, const uint32 *members, uint32 count,
			  char *centroid)
{
	IvfPointKind kind = kmeans->shared->params.kind;
	uint32		 dim = kmeans->shared->params.dim;
	double		*sums;
	float		*some;
	double		 norm = 0;
	double		 scale = 1.0 / count;

	if (kind == IVF_POINTS_BITS)
	{
		majority(kmeans, members, count, centroid);
		return;
	}

	sums = palloc0(sizeof(double) * dim);
	some = palloc(sizeof(float) * dim);
	for (uint32 m = 0; m < count;)
	{
		uint32 end = Min(m + FLOAT_SUM_POINTS, count);

		memset(some, 0, sizeof(float) * dim);
		for (; m < end; m++)
			distance_kernels->add_f32(
				some, (const float *) point_at(kmeans, members[m]), dim);
		for (uint32 i = 0; i < dim; i++)
			sums[i] += some[i];
	}
	pfree(some);
	if (kind == IVF_POINTS_SPHERE)
	{
		for (uint32 i = 0; i < dim; i++)
			norm += sums[i] * sums[i];
		scale = norm > 0 ? 1 / sqrt(norm) : 0;
	}
	/* points that cancel out have no direction: the centroid stays */
	if (scale > 0)
	{
		for (uint32 i = 0; i < dim; i++)
			((float *) centroid)[i] = (float) (sums[i] * scale);
	}
	pfree(sums);
}

/*
 * Sort points by their number in `nearest`, below `groups`; starts gets groups
 * + 1 places.  members: the points, or NULL for all of them.
 */
static void
sort_members(const uint32 *members, uint32 count, const uint32 *nearest,
			 uint32 groups, uint32 *starts, uint32 *order)
{
	memset(starts, 0, sizeof(uint32) * (groups + 1));
	for (uint32 i = 0; i < count; i++)
		starts[nearest[i] + 1]++;
	for (uint32 g = 0; g < groups; g++)
		starts[g + 1] += starts[g];
	/* each start moves to the next one while it fills */
	for (uint32 i = 0; i < count; i++)
		order[starts[nearest[i]]++] = members != NULL ? members[i] : i;
	memmove(starts + 1, starts, sizeof(uint32) * groups);
	starts[0] = 0;
}

/* ------------------------------------------------------------------------
 * Clustering some of the points in one process
 * ------------------------------------------------------------------------
 */

/* One of `count` numbers, with a probability in proportion to its weight. */
static uint32
choose_by_weight(const float *weights, uint32 count, double total,
				 pg_prng_state *prng)
{
	double at = pg_prng_double(prng) * total;
	uint32 chosen = count;

	for (uint32 i = 0; i < count; i++)
	{
		if (weights[i] <= 0)
			continue;
		chosen = i;
		at -= weights[i];
		if (at < 0)
			break;
	}
	return chosen;
}

/* k-means++: returns how many centroids there are, of `lists` wanted. */
static uint32
choose_start(const IvfKmeans *kmeans, const uint32 *members, uint32 count,
			 uint32 lists, pg_prng_state *prng, char *centroids)
{
	float *least = palloc_extended(sizeof(float) * count, MCXT_ALLOC_HUGE);
	uint32 chosen = (uint32) pg_prng_uint64_range(prng, 0, count - 1);
	uint32 n = 0;

	for (uint32 i = 0; i < count; i++)
		least[i] = FLT_MAX;
	while (n < lists)
	{
		const char *centroid = point_at(kmeans, members[chosen]);
		double		total = 0;

		memcpy(centroids + kmeans->point_bytes * n, centroid,
			   kmeans->point_bytes);
		n++;
		for (uint32 i = 0; i < count && n < lists; i++)
		{
			double distance = point_distance(kmeans,
											 point_at(kmeans, members[i]),
											 centroid);

			/* also Infinity and NaN, where floats overflow */
			if (distance < least[i])
				least[i] = (float) distance;
			total += least[i];
			if (i % CHUNK_POINTS == 0)
				CHECK_FOR_INTERRUPTS();
		}
		/* a point that was chosen is at a distance of 0 */
		if (total == 0)
			break;
		chosen = choose_by_weight(least, count, total, prng);
	}
	pfree(least);
	return n;
}

/* Find the nearest of some centroids for members of the points. */
static void
assign_members(const IvfKmeans *kmeans, const uint32 *members, uint32 count,
			   const IvfCentroids *centroids, char *batch, uint32 *nearest)
{
	uint32 some = batch_points(centroids->kind, centroids->dim);

	for (uint32 first = 0; first < count; first += some)
	{
		some = Min(some, count - first);
		for (uint32 i = 0; i < some; i++)
			memcpy(batch + kmeans->point_bytes * i,
				   point_at(kmeans, members[first + i]), kmeans->point_bytes);
		ivf_nearest_centroids(centroids, batch, some, nearest + first, NULL);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Cluster members of the points into as many lists, or fewer where fewer of
 * them are distinct.  Returns how many.
 */
static uint32
cluster_members(const IvfKmeans *kmeans, const uint32 *members, uint32 count,
				uint32 lists, uint64 seed, char *centroids)
{
	const IvfKmeansParams *params = &kmeans->shared->params;
	pg_prng_state		   prng;
	void				  *arranged;
	char				  *batch;
	uint32				  *nearest;
	uint32				  *order;
	uint32				  *starts;

	pg_prng_seed(&prng, seed);
	lists = choose_start(kmeans, members, count, Min(lists, count), &prng,
						 centroids);
	if (lists == count || lists == 1)
	{
		if (lists == 1)
			move_centroid(kmeans, members, count, centroids);
		return lists;
	}

	arranged = palloc_extended(ivf_centroids_bytes(params->kind, params->dim,
												   lists),
							   MCXT_ALLOC_HUGE);
	batch = palloc_extended(kmeans->point_bytes *
								batch_points(params->kind, params->dim),
							MCXT_ALLOC_HUGE);
	nearest = palloc_extended(sizeof(uint32) * count, MCXT_ALLOC_HUGE);
	order = palloc_extended(sizeof(uint32) * count, MCXT_ALLOC_HUGE);
	starts = palloc(sizeof(uint32) * (lists + 1));

	for (int iteration = 0; iteration < START_ITERATIONS; iteration++)
	{
		assign_members(kmeans, members, count,
					   ivf_centroids_init(arranged, params->kind, params->dim,
										  centroids, lists),
					   batch, nearest);
		sort_members(members, count, nearest, lists, starts, order);
		/* one that lost its points may get others later */
		for (uint32 c = 0; c < lists; c++)
		{
			if (starts[c] < starts[c + 1])
				move_centroid(kmeans, order + starts[c],
							  starts[c + 1] - starts[c],
							  centroids + kmeans->point_bytes * c);
		}
	}

	pfree(starts);
	pfree(order);
	pfree(nearest);
	pfree(batch);
	pfree(arranged);
	return lists;
}

/* ------------------------------------------------------------------------
 * Steps
 * ------------------------------------------------------------------------
 */

static inline uint64
item_seed(const IvfKmeans *kmeans, uint32 item)
{
	return kmeans->shared->params.seed +
		   (uint64) item * UINT64CONST(0x9e3779b97f4a7c15);
}

static void
assign_chunk(IvfKmeans *kmeans, const IvfCentroids *centroids, uint32 chunk)
{
	uint32 first = chunk * CHUNK_POINTS;
	uint32 end = Min(first + CHUNK_POINTS, kmeans->shared->params.num_points);
	uint32 batch = batch_points(centroids->kind, centroids->dim);
	double inertia = 0;

	for (uint32 i = first, some; i < end; i += some)
	{
		some = Min(batch, end - i);
		ivf_nearest_centroids(centroids, point_at(kmeans, i), some,
							  kmeans->nearest + i, kmeans->distances + i);
		CHECK_FOR_INTERRUPTS();
	}
	for (uint32 i = first; i < end; i++)
		inertia += kmeans->distances[i];
	kmeans->chunk_inertia[chunk] = inertia;
}

static void
split_coarse(IvfKmeans *kmeans, uint32 cluster)
{
	uint32 start = kmeans->starts[cluster];
	uint32 count = kmeans->starts[cluster + 1] - start;
	uint32 first_list = kmeans->shares[cluster];
	uint32 share = kmeans->shares[cluster + 1] - first_list;

	kmeans->found[cluster] = 0;
	if (share > 0)
		kmeans->found[cluster] = cluster_members(
			kmeans, kmeans->order + start, count, share,
			item_seed(kmeans, 1 + cluster), centroid_at(kmeans, first_list));
}

static void
update_list(IvfKmeans *kmeans, uint32 list)
{
	uint32 start = kmeans->starts[list];
	uint32 count = kmeans->starts[list + 1] - start;

	/* the leader has put those without points elsewhere */
	if (count > 0)
		move_centroid(kmeans, kmeans->order + start, count,
					  centroid_at(kmeans, list));
	ivf_centroids_put(kmeans->arranged, list, centroid_at(kmeans, list));
}

void
ivf_kmeans_work(IvfKmeans *kmeans, uint32 first, uint32 end)
{
	for (uint32 item = first; item < end; item++)
	{
		CHECK_FOR_INTERRUPTS();
		switch (kmeans->shared->step)
		{
			case STEP_ASSIGN_COARSE:
				assign_chunk(kmeans, kmeans->coarse_arranged, item);
				break;
			case STEP_SPLIT:
				split_coarse(kmeans, item);
				break;
			case STEP_ASSIGN:
				assign_chunk(kmeans, kmeans->arranged, item);
				break;
			case STEP_UPDATE:
				update_list(kmeans, item);
				break;
		}
	}
}

/* ------------------------------------------------------------------------
 * The leader
 * ------------------------------------------------------------------------
 */

typedef struct Leader
{
	IvfKmeans	   *kmeans;
	IvfKmeansDivide divide;
	void		   *arg;
	pg_prng_state	prng;
} Leader;

static void
do_step(Leader *leader, Step step, uint32 items)
{
	leader->kmeans->shared->step = step;
	if (leader->divide != NULL)
		leader->divide(leader->arg, leader->kmeans, items);
	else
		ivf_kmeans_work(leader->kmeans, 0, items);
}

/* Find coarse clusters, from some of the points, and assign all points. */
static void
find_coarse(Leader *leader)
{
	IvfKmeans *kmeans = leader->kmeans;
	Shared	  *shared = kmeans->shared;
	uint32	   num_points = shared->params.num_points;
	uint32	   sample = Min(shared->coarse * COARSE_SAMPLE, num_points);

	for (uint32 i = 0; i < num_points; i++)
		kmeans->order[i] = i;
	if (shared->coarse == 1)
	{
		kmeans->starts[0] = 0;
		kmeans->starts[1] = num_points;
		return;
	}

	for (uint32 i = 0; i < sample; i++)
	{
		uint32 j = (uint32) pg_prng_uint64_range(&leader->prng, i,
												 num_points - 1);
		uint32 point = kmeans->order[j];

		kmeans->order[j] = kmeans->order[i];
		kmeans->order[i] = point;
	}
	shared->coarse = cluster_members(kmeans, kmeans->order, sample,
									 shared->coarse, item_seed(kmeans, 0),
									 kmeans->centroids);
	ivf_centroids_init(kmeans->coarse_arranged, shared->params.kind,
					   shared->params.dim, kmeans->centroids, shared->coarse);
	do_step(leader, STEP_ASSIGN_COARSE, kmeans->num_chunks);
	sort_members(NULL, num_points, kmeans->nearest, shared->coarse,
				 kmeans->starts, kmeans->order);
}

/*
 * Give the lists to the coarse clusters by the number of their points, and have
 * these clustered.
 */
static void
find_start(Leader *leader)
{
	IvfKmeans *kmeans = leader->kmeans;
	Shared	  *shared = kmeans->shared;
	uint32	   wanted = shared->lists;
	uint32	   lists = 0;

	for (uint32 c = 0; c <= shared->coarse; c++)
		kmeans->shares[c] = (uint32) ((uint64) wanted * kmeans->starts[c] /
									  shared->params.num_points);
	do_step(leader, STEP_SPLIT, shared->coarse);

	/* close the gaps */
	for (uint32 c = 0; c < shared->coarse; c++)
	{
		memmove(centroid_at(kmeans, lists),
				centroid_at(kmeans, kmeans->shares[c]),
				kmeans->point_bytes * kmeans->found[c]);
		lists += kmeans->found[c];
	}
	/* where a cluster had too few distinct points, others may have more */
	for (; lists < wanted; lists++)
		memcpy(centroid_at(kmeans, lists), centroid_at(kmeans, 0),
			   kmeans->point_bytes);
	ivf_centroids_init(kmeans->arranged, shared->params.kind,
					   shared->params.dim, kmeans->centroids, wanted);
}

/* Put lists without points at points that are far from their centroids. */
static void
reseed_lists(Leader *leader)
{
	IvfKmeans *kmeans = leader->kmeans;
	uint32	   num_points = kmeans->shared->params.num_points;
	double	   total = kmeans->shared->inertia;

	for (uint32 list = 0; list < kmeans->shared->lists && total > 0; list++)
	{
		uint32 point;

		if (kmeans->starts[list] < kmeans->starts[list + 1])
			continue;
		CHECK_FOR_INTERRUPTS();
		point = choose_by_weight(kmeans->distances, num_points, total,
								 &leader->prng);
		if (point == num_points)
			break;
		total -= kmeans->distances[point];
		kmeans->distances[point] = 0;
		memcpy(centroid_at(kmeans, list), point_at(kmeans, point),
			   kmeans->point_bytes);
	}
}

/* Forget lists without points. */
static void
drop_empty_lists(IvfKmeans *kmeans)
{
	uint32 lists = 0;

	for (uint32 list = 0; list < kmeans->shared->lists; list++)
	{
		if (kmeans->starts[list] == kmeans->starts[list + 1])
			continue;
		if (lists < list)
		{
			memcpy(centroid_at(kmeans, lists), centroid_at(kmeans, list),
				   kmeans->point_bytes);
			/* of a list without points all end is this list's start */
			kmeans->starts[lists] = kmeans->starts[list];
			kmeans->starts[lists + 1] = kmeans->starts[list + 1];
		}
		lists++;
	}
	kmeans->shared->lists = lists;
}

uint32
ivf_kmeans_run(IvfKmeans *kmeans, IvfKmeansDivide divide, void *arg)
{
	Leader	leader = {.kmeans = kmeans, .divide = divide, .arg = arg};
	Shared *shared = kmeans->shared;
	uint32	iterations = Max(shared->params.iterations, 1);
	bool	last = false;

	if (shared->lists > MAX_GLOBAL_LISTS)
		iterations = Min(iterations, MANY_LISTS_ITERATIONS);
	pg_prng_seed(&leader.prng, shared->params.seed);
	find_coarse(&leader);
	find_start(&leader);
	while (!last)
	{
		double before = shared->inertia;

		do_step(&leader, STEP_ASSIGN, kmeans->num_chunks);
		shared->inertia = 0;
		for (uint32 chunk = 0; chunk < kmeans->num_chunks; chunk++)
			shared->inertia += kmeans->chunk_inertia[chunk];
		sort_members(NULL, shared->params.num_points, kmeans->nearest,
					 shared->lists, kmeans->starts, kmeans->order);
		shared->iteration++;

		last = shared->iteration == iterations ||
			   (shared->iteration > 1 &&
				shared->inertia >= before * (1 - ENOUGH));
		if (last)
			drop_empty_lists(kmeans);
		else
			reseed_lists(&leader);
		do_step(&leader, STEP_UPDATE, shared->lists);
	}
	return shared->lists;
}

const void *
ivf_kmeans_centroids(const IvfKmeans *kmeans)
{
	return kmeans->centroids;
}

uint32
ivf_kmeans_iterations(const IvfKmeans *kmeans)
{
	return kmeans->shared->iteration;
}

double
ivf_kmeans_inertia(const IvfKmeans *kmeans)
{
	return kmeans->shared->inertia;
}
