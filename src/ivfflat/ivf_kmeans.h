/*
 * ivf_kmeans.h
 *		k-means clustering of points in memory, and the search for the nearest
 *		of many centroids.
 *
 * Points are rows of `dim` floats or of `dim` bits.  Knows nothing of pages,
 * indexes or types.  Distances of floats are Euclidean; on the sphere, where
 * points and centroids have norm 1, these order as cosines do.  Distances of
 * bits are Hamming distances, and their centroids majorities.
 *
 * Work is divided such that the result does not depend on who does it: the
 * same points and seed give the same centroids with any number of workers.
 */
#ifndef IVF_KMEANS_H
#define IVF_KMEANS_H

#include "distance/distance.h"

typedef enum IvfPointKind
{
	IVF_POINTS_FLOAT,
	IVF_POINTS_SPHERE, /* floats of norm 1 */
	IVF_POINTS_BITS	   /* as in a value: the first bit is the highest */
} IvfPointKind;

/* Bytes of a point, a multiple of 4; what lies behind the bits is 0. */
extern Size ivf_point_bytes(IvfPointKind kind, uint32 dim);

/* ------------------------------------------------------------------------
 * Nearest centroids
 * ------------------------------------------------------------------------
 */

/*
 * Centroids in the order that the kernels want.  One contiguous piece of
 * memory without pointers: may lie in shared memory.
 */
typedef struct IvfCentroids IvfCentroids;

/* Bytes that so many centroids need. */
extern Size ivf_centroids_bytes(IvfPointKind kind, uint32 dim, uint32 count);

/*
 * Arrange them in `memory`, aligned to MAXALIGN.  centroids: count points, one
 * behind the other, at least one.  Returns memory.
 */
extern IvfCentroids *ivf_centroids_init(void *memory, IvfPointKind kind,
										uint32 dim, const void *centroids,
										uint32 count);

/* Replace one. */
extern void ivf_centroids_put(IvfCentroids *centroids, uint32 number,
							  const void *point);

/*
 * Find the nearest centroid of each of n points that lie one behind the other;
 * of several, the first.  nearest: n numbers.  distances: n of them (squared
 * Euclidean or Hamming), or NULL; those of floats have errors in proportion to
 * the distances between centroids.  Best called with a hundred points or more.
 */
extern void ivf_nearest_centroids(const IvfCentroids *centroids,
								  const void *points, uint32 n,
								  uint32 *nearest, float *distances);

/* ------------------------------------------------------------------------
 * k-means
 * ------------------------------------------------------------------------
 */
typedef struct IvfKmeansParams
{
	IvfPointKind kind;
	uint32		 dim;
	uint32		 num_points; /* at least 1 */
	uint32		 num_lists;	 /* wanted; at least 1 */
	uint32		 iterations; /* at most; IVF_KMEANS_ITERATIONS is plenty */
	uint64		 seed;
} IvfKmeansParams;

#define IVF_KMEANS_ITERATIONS 10

/* A run as a process sees it, and the memory that all its processes share. */
typedef struct IvfKmeans IvfKmeans;

/*
 * Bytes of memory that a run needs besides the points: 12 a point, and the
 * centroids twice.  Besides, each process needs 12 bytes for each point of a
 * coarse cluster (of about sqrt(num_lists)) and its centroids, and a megabyte.
 */
extern Size ivf_kmeans_bytes(const IvfKmeansParams *params);

/*
 * Start a run in `memory`, aligned to MAXALIGN; or attach to one that another
 * process has started in memory that it shares.  points: num_points of them,
 * one behind the other, unchanged during the run.  The handle is palloc'd.
 */
extern IvfKmeans *ivf_kmeans_start(const IvfKmeansParams *params,
								   const void *points, void *memory);
extern IvfKmeans *ivf_kmeans_attach(const void *points, void *memory);

/*
 * A step of the run is `items` pieces of work that do not depend on each other.
 * The callback of the leader has to have ivf_kmeans_work called for each item
 * exactly once, by itself or by attached processes, and to return when all are
 * done; what one process wrote before the call or in it, others must see.
 */
typedef void (*IvfKmeansDivide)(void *arg, IvfKmeans *kmeans, uint32 items);

/*
 * Do items first .. end - 1 of the current step.  Checks for interrupts.
 * Allocates in the current memory context, and frees it.
 */
extern void ivf_kmeans_work(IvfKmeans *kmeans, uint32 first, uint32 end);

/*
 * Run to the end.  divide NULL: do all the work in this process.  Returns the
 * number of lists: fewer than wanted if fewer points are distinct, or nearly
 * so.
 */
extern uint32 ivf_kmeans_run(IvfKmeans *kmeans, IvfKmeansDivide divide,
							 void *arg);

/* The centroids that came out: points, one behind the other. */
extern const void *ivf_kmeans_centroids(const IvfKmeans *kmeans);

/*
 * Iterations done, and what the last one found before it moved centroids: the
 * sum of the points' distances (squared Euclidean or Hamming).
 */
extern uint32 ivf_kmeans_iterations(const IvfKmeans *kmeans);
extern double ivf_kmeans_inertia(const IvfKmeans *kmeans);

#endif /* IVF_KMEANS_H */
