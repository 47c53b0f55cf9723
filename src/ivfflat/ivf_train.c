/*
 * ivf_train.c
 *		Centroids for the lists, from a sample of points.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "ivfflat/ivf.h"

IvfPointKind
ivf_point_kind(const IvfCoder *coder)
{
	if (coder->fine.encoding.kind == CODE_BITS)
		return IVF_POINTS_BITS;
	return coder->fine.normalize ? IVF_POINTS_SPHERE : IVF_POINTS_FLOAT;
}

uint32
ivf_train(IvfIndex *index, const char *points, uint32 count, uint32 lists,
		  char *centroids)
{
	const IvfCoder *coder = &index->coder;
	IvfKmeansParams params = {.kind = ivf_point_kind(coder),
							  .dim = index->dimensions,
							  .num_points = count,
							  .num_lists = Min(lists, count),
							  .iterations = IVF_KMEANS_ITERATIONS,
							  .seed = index->seed};
	void *memory = palloc_extended(ivf_kmeans_bytes(&params), MCXT_ALLOC_HUGE);
	IvfKmeans  *kmeans = ivf_kmeans_start(&params, points, memory);
	const char *trained;

	Assert(coder->point_bytes ==
		   ivf_point_bytes(params.kind, index->dimensions));
	lists = ivf_kmeans_run(kmeans, NULL, NULL);
	trained = ivf_kmeans_centroids(kmeans);
	for (uint32 c = 0; c < lists; c++)
	{
		VectorCode *code = (VectorCode *) (centroids +
										   (Size) coder->code_bytes * c);

		memset(code, 0, coder->code_bytes);
		ivf_encode_centroid(coder, trained + coder->point_bytes * c, code);
	}
	pfree(memory);
	return lists;
}
