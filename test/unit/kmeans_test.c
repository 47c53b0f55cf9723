/*
 * kmeans_test.c
 *		Nearest centroids against a search in double; k-means finds clusters
 *		that are there, copes with doubles, and does not depend on how its work
 *		is divided.
 *
 * A program of its own, since it needs the server's static libraries; part of
 * "make check" where they are.
 */
#include "postgres.h"

#include <math.h>
#include <time.h>

#include "check.h"
#include "ivfflat/ivf_kmeans.h"
#include "miscadmin.h"

/* What CHECK_FOR_INTERRUPTS asks for. */
volatile sig_atomic_t InterruptPending = false;

void
ProcessInterrupts(void)
{
}

static const char *const kind_names[] = {"floats", "sphere", "bits"};

/* Points of which each is near one of `clusters` places, or at it. */
typedef struct TestPoints
{
	IvfPointKind kind;
	uint32		 dim;
	uint32		 count;
	char		*points;
	char		*places;
} TestPoints;

static char *
point_of(const TestPoints *test, char *points, uint32 i)
{
	return points + ivf_point_bytes(test->kind, test->dim) * i;
}

static void
fill_near(const TestPoints *test, const char *place, double spread,
		  char *result)
{
	if (test->kind == IVF_POINTS_BITS)
	{
		memcpy(result, place, ivf_point_bytes(test->kind, test->dim));
		for (uint32 i = 0; i < test->dim; i++)
		{
			if (random_between(0, 1) < spread)
				result[i / 8] ^= 1 << (7 - i % 8);
		}
		return;
	}
	for (uint32 i = 0; i < test->dim; i++)
		((float *) result)[i] = (float) (((const float *) place)[i] +
										 spread * random_normal());
	if (test->kind == IVF_POINTS_SPHERE)
		to_unit((float *) result, test->dim);
}

/* The places are far from each other, all of them `offset` from zero. */
static void
points_create(TestPoints *test, IvfPointKind kind, uint32 dim, uint32 count,
			  uint32 clusters, double spread, double offset)
{
	Size  bytes = ivf_point_bytes(kind, dim);
	char *origin = palloc0(bytes);

	test->kind = kind;
	test->dim = dim;
	test->count = count;
	test->points = palloc0(bytes * count);
	test->places = palloc0(bytes * clusters);
	if (kind != IVF_POINTS_BITS)
	{
		for (uint32 i = 0; i < dim; i++)
			((float *) origin)[i] = (float) offset;
	}
	for (uint32 c = 0; c < clusters; c++)
		fill_near(test, origin, kind == IVF_POINTS_BITS ? 0.5 : 1,
				  point_of(test, test->places, c));
	for (uint32 i = 0; i < count; i++)
		fill_near(test, point_of(test, test->places, i % clusters), spread,
				  point_of(test, test->points, i));
	pfree(origin);
}

static void
points_free(TestPoints *test)
{
	pfree(test->points);
	pfree(test->places);
}

static double
distance(const TestPoints *test, const char *a, const char *b)
{
	double sum = 0;

	if (test->kind == IVF_POINTS_BITS)
	{
		for (uint32 i = 0; i < test->dim; i++)
			sum += ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8)) & 1;
		return sum;
	}
	for (uint32 i = 0; i < test->dim; i++)
	{
		double difference = (double) ((const float *) a)[i] -
							((const float *) b)[i];

		sum += difference * difference;
	}
	return sum;
}

/* ------------------------------------------------------------------------
 * Nearest centroids
 * ------------------------------------------------------------------------
 */

static void
check_nearest(IvfPointKind kind, uint32 dim, uint32 points, uint32 centroids,
			  double offset)
{
	TestPoints	  test;
	void		 *memory = palloc(ivf_centroids_bytes(kind, dim, centroids));
	uint32		 *nearest = palloc(sizeof(uint32) * points);
	float		 *distances = palloc(sizeof(float) * points);
	IvfCentroids *arranged;

	/* places are the centroids, of which the last one is put later */
	points_create(&test, kind, dim, points, centroids, 0.7, offset);
	arranged = ivf_centroids_init(memory, kind, dim, test.places, centroids);
	fill_near(&test, test.places, 0.5,
			  point_of(&test, test.places, centroids - 1));
	ivf_centroids_put(arranged, centroids - 1,
					  point_of(&test, test.places, centroids - 1));
	ivf_nearest_centroids(arranged, test.points, points, nearest, distances);
	for (uint32 i = 0; i < points; i++)
	{
		const char *point = point_of(&test, test.points, i);
		double		best = INFINITY;
		double		found;
		/* in proportion to what points are apart from each other */
		double tolerance = kind == IVF_POINTS_BITS
							   ? 0
							   : 1e-5 * (dim + 10) * (1 + offset * 0.05);

		if (nearest[i] >= centroids)
		{
			CHECK(false, "centroid %u of %u", nearest[i], centroids);
			continue;
		}
		found = distance(&test, point,
						 point_of(&test, test.places, nearest[i]));
		for (uint32 c = 0; c < centroids; c++)
			best = Min(best, distance(&test, point,
									  point_of(&test, test.places, c)));
		CHECK(found <= best + tolerance, "%s, dim %u: %g, the best is %g",
			  kind_names[kind], dim, found, best);
		CHECK(fabs(distances[i] - found) <= tolerance,
			  "%s, dim %u: %g, not %g", kind_names[kind], dim, distances[i],
			  found);
	}
	points_free(&test);
	pfree(memory);
	pfree(nearest);
	pfree(distances);
}

static void
test_nearest(void)
{
	for (int kind = IVF_POINTS_FLOAT; kind <= IVF_POINTS_BITS; kind++)
	{
		for (uint32 dim = 1; dim <= 17; dim++)
			check_nearest(kind, dim, 1 + dim * 13 % 40, 1 + dim * 7 % 40, 0);
		check_nearest(kind, 100, 300, 100, 0);
		check_nearest(kind, 768, 97, 65, 0);
		check_nearest(kind, 16000, 20, 40, 0);
	}
	/* next to what all have in common, differences are small */
	check_nearest(IVF_POINTS_FLOAT, 128, 200, 50, 1000);
}

/* ------------------------------------------------------------------------
 * k-means
 * ------------------------------------------------------------------------
 */

/* Distinct numbers of some items, in any order. */
typedef struct Division
{
	const void *points;
	void	   *memory;
} Division;

/* Each item by itself, from the last to the first, in another process's eyes. */
static void
divide_backwards(void *arg, IvfKmeans *kmeans, uint32 items)
{
	Division  *division = arg;
	IvfKmeans *other = ivf_kmeans_attach(division->points, division->memory);

	for (uint32 i = items; i-- > 0;)
		ivf_kmeans_work(i % 3 == 0 ? kmeans : other, i, i + 1);
	pfree(other);
}

/* The memory of a run that has ended. */
static char *
run_kmeans(const TestPoints *test, uint32 lists, uint64 seed,
		   IvfKmeansDivide divide, uint32 *found, IvfKmeans **kmeans)
{
	IvfKmeansParams params = {.kind = test->kind,
							  .dim = test->dim,
							  .num_points = test->count,
							  .num_lists = lists,
							  .iterations = IVF_KMEANS_ITERATIONS,
							  .seed = seed};
	Size			bytes = ivf_kmeans_bytes(&params);
	char		   *memory = palloc_extended(bytes + 1, MCXT_ALLOC_HUGE);
	Division		division = {test->points, memory};

	memset(memory, 0x55, bytes + 1);
	*kmeans = ivf_kmeans_start(&params, test->points, memory);
	*found = ivf_kmeans_run(*kmeans, divide, &division);
	CHECK(memory[bytes] == 0x55, "wrote behind its memory");
	CHECK(ivf_kmeans_iterations(*kmeans) >= 1 &&
			  ivf_kmeans_iterations(*kmeans) <= IVF_KMEANS_ITERATIONS,
		  "%u iterations", ivf_kmeans_iterations(*kmeans));
	return memory;
}

/* Centroids differ, and are what the kind of points wants them to be. */
static void
check_centroids(const TestPoints *test, const char *centroids, uint32 lists)
{
	Size bytes = ivf_point_bytes(test->kind, test->dim);

	for (uint32 c = 0; c < lists; c++)
	{
		const float *x = (const float *) (centroids + bytes * c);
		double		 norm = 0;

		for (uint32 other = 0; other < c; other++)
			CHECK(memcmp(centroids + bytes * other, x, bytes) != 0,
				  "%s, dim %u: centroids %u and %u of %u are the same",
				  kind_names[test->kind], test->dim, other, c, lists);
		if (test->kind == IVF_POINTS_BITS)
			continue;
		for (uint32 i = 0; i < test->dim; i++)
			norm += (double) x[i] * x[i];
		CHECK(isfinite(norm), "not finite");
		CHECK(test->kind == IVF_POINTS_FLOAT || fabs(norm - 1) < 1e-5,
			  "norm %g on the sphere", norm);
	}
}

/*
 * Clusters that are there are found: nearly all centroids come to lie in the
 * midst of one.
 */
static void
check_clusters(IvfPointKind kind, uint32 clusters)
{
	uint32	   dim = kind == IVF_POINTS_BITS ? 256 : 40;
	uint32	   lists;
	uint32	   taken = 0;
	TestPoints test;
	IvfKmeans *kmeans;
	char	  *memory;

	points_create(&test, kind, dim, clusters * 40, clusters, 0.005, 0);
	memory = run_kmeans(&test, clusters, random_bits(), NULL, &lists, &kmeans);
	CHECK(lists == clusters, "%u lists of %u", lists, clusters);
	check_centroids(&test, ivf_kmeans_centroids(kmeans), lists);
	for (uint32 c = 0; c < clusters; c++)
	{
		const char *place = point_of(&test, test.places, c);
		double		least = INFINITY;

		for (uint32 i = 0; i < lists; i++)
			least = Min(
				least,
				distance(&test, place,
						 point_of(&test, (char *) ivf_kmeans_centroids(kmeans),
								  i)));
		taken += least < (kind == IVF_POINTS_BITS ? 3 : 0.002);
	}
	CHECK(taken >= clusters * (clusters < 50 ? 0.5 : 0.7),
		  "%s: %u of %u clusters found", kind_names[kind], taken, clusters);
	points_free(&test);
	pfree(memory);
	pfree(kmeans);
}

static void
test_clusters(void)
{
	for (int kind = IVF_POINTS_FLOAT; kind <= IVF_POINTS_BITS; kind++)
	{
		check_clusters(kind, 1);
		check_clusters(kind, 10);
		check_clusters(kind, 63);
		check_clusters(kind, 64);
		check_clusters(kind, 300);
	}
}

/* No more lists than there are distinct points, and each of these has one. */
static void
check_doubles(IvfPointKind kind, uint32 dim, uint32 count, uint32 distinct,
			  uint32 wanted)
{
	uint32	   lists;
	TestPoints test;
	IvfKmeans *kmeans;
	char	  *memory;

	points_create(&test, kind, dim, count, distinct, 0, 0);
	memory = run_kmeans(&test, wanted, random_bits(), NULL, &lists, &kmeans);
	CHECK(lists >= 1 && lists <= Min(wanted, distinct),
		  "%s, dim %u: %u lists of %u, %u points distinct", kind_names[kind],
		  dim, lists, wanted, distinct);
	if (wanted >= distinct && dim >= 32)
		CHECK(lists == distinct, "%s, dim %u: %u lists, %u points distinct",
			  kind_names[kind], dim, lists, distinct);
	check_centroids(&test, ivf_kmeans_centroids(kmeans), lists);
	points_free(&test);
	pfree(memory);
	pfree(kmeans);
}

static void
test_doubles(void)
{
	for (int kind = IVF_POINTS_FLOAT; kind <= IVF_POINTS_BITS; kind++)
	{
		for (uint32 dim = 1; dim <= 17; dim += 4)
			check_doubles(kind, dim, 100, 3, 20);
		check_doubles(kind, 32, 1, 1, 10);
		check_doubles(kind, 32, 2, 2, 1);
		check_doubles(kind, 32, 50, 1, 10);
		check_doubles(kind, 32, 50, 50, 50);
		check_doubles(kind, 32, 50, 50, 200);
		check_doubles(kind, 64, 1000, 7, 10);
		check_doubles(kind, 64, 3000, 100, 100);
		check_doubles(kind, 64, 3000, 40, 200);
		check_doubles(kind, 1000, 300, 20, 20);
	}
}

/* The same bytes, whoever does the work; others with another seed. */
static void
test_division(void)
{
	static const uint32 lists[] = {5, 100};

	for (int kind = IVF_POINTS_FLOAT; kind <= IVF_POINTS_BITS; kind++)
		for (int i = 0; i < (int) lengthof(lists); i++)
		{
			uint64	   seed = random_bits();
			Size	   bytes;
			uint32	   found[3];
			TestPoints test;
			IvfKmeans *kmeans[3];
			char	  *memory[3];

			points_create(&test, kind, 50, 3000, 200, 0.3, 0);
			memory[0] = run_kmeans(&test, lists[i], seed, NULL, &found[0],
								   &kmeans[0]);
			memory[1] = run_kmeans(&test, lists[i], seed, divide_backwards,
								   &found[1], &kmeans[1]);
			memory[2] = run_kmeans(&test, lists[i], seed + 1, NULL, &found[2],
								   &kmeans[2]);
			bytes = ivf_point_bytes(kind, 50) * found[0];
			CHECK(found[0] == found[1] &&
					  memcmp(ivf_kmeans_centroids(kmeans[0]),
							 ivf_kmeans_centroids(kmeans[1]), bytes) == 0,
				  "%s, %u lists", kind_names[kind], lists[i]);
			CHECK(found[0] != found[2] ||
					  memcmp(ivf_kmeans_centroids(kmeans[0]),
							 ivf_kmeans_centroids(kmeans[2]), bytes) != 0,
				  "%s, %u lists", kind_names[kind], lists[i]);
			CHECK(fabs(ivf_kmeans_inertia(kmeans[0]) /
						   ivf_kmeans_inertia(kmeans[2]) -
					   1) < 0.1,
				  "%g and %g", ivf_kmeans_inertia(kmeans[0]),
				  ivf_kmeans_inertia(kmeans[2]));
			for (int k = 0; k < 3; k++)
			{
				pfree(memory[k]);
				pfree(kmeans[k]);
			}
			points_free(&test);
		}
}

static void
run_kmeans_groups(void)
{
	run_group("nearest centroids", test_nearest);
	run_group("k-means finds clusters", test_clusters);
	run_group("k-means with equal points", test_doubles);
	run_group("k-means does not depend on who works", test_division);
}

int
main(void)
{
	check_begin();
	with_each_isa(run_kmeans_groups);
	return check_end();
}
