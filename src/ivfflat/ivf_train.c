/*
 * ivf_train.c
 *		Centroids for the lists, from a sample of points.
 *
 * The participants of a build train together: the points and what k-means
 * makes of them lie in shared memory, and in each step every participant takes
 * pieces of work until there are none.  The outcome does not depend on who
 * took which.
 */
#include "postgres.h"

#include "commands/progress.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"

#include "index/build_array.h"
#include "ivfflat/ivf.h"

/* Pieces for each participant that steps of many small items are cut into. */
#define PIECES_PER_PARTICIPANT 8

IvfPointKind
ivf_point_kind(const IvfCoder *coder)
{
	if (coder->fine.encoding.kind == CODE_BITS)
		return IVF_POINTS_BITS;
	return coder->fine.normalize ? IVF_POINTS_SPHERE : IVF_POINTS_FLOAT;
}

void
ivf_trainer_init(IvfTrainer *trainer, IvfIndex *index, uint32 max_points,
				 uint32 max_lists, ParallelBuild *team, IvfTrainShared *shared)
{
	IvfKmeansParams params = {.kind = ivf_point_kind(&index->coder),
							  .dim = index->dimensions,
							  .num_points = Max(max_points, 1),
							  .num_lists = Max(max_lists, 1),
							  .iterations = IVF_KMEANS_ITERATIONS,
							  .seed = index->seed};
	Size			kmeans_offset = MAXALIGN(index->coder.point_bytes *
											 params.num_points);
	Size			bytes = kmeans_offset + ivf_kmeans_bytes(&params);

	Assert(index->coder.point_bytes ==
		   ivf_point_bytes(params.kind, index->dimensions));
	trainer->index = index;
	trainer->params = params;
	trainer->team = NULL;
	trainer->shared = shared;
	trainer->segment = team != NULL ? build_segment_create(bytes) : NULL;
	if (trainer->segment != NULL)
	{
		trainer->team = team;
		shared->segment = dsm_segment_handle(trainer->segment);
		shared->kmeans_offset = kmeans_offset;
		trainer->points = dsm_segment_address(trainer->segment);
	}
	else
		trainer->points = palloc_extended(bytes, MCXT_ALLOC_HUGE);
	trainer->kmeans_memory = trainer->points + kmeans_offset;
}

/* Take items of the current step while there are any. */
static void
take_items(IvfKmeans *kmeans, IvfTrainShared *shared)
{
	for (;;)
	{
		uint32 first = pg_atomic_fetch_add_u32(&shared->next_item,
											   shared->piece);

		if (first >= shared->items)
			break;
		ivf_kmeans_work(kmeans, first,
						Min(first + shared->piece, shared->items));
	}
}

static void
report_iterations(const IvfTrainer *trainer, const IvfKmeans *kmeans)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 (int64) ivf_kmeans_iterations(kmeans) *
									 trainer->params.num_points);
}

/* A step of the leader of a build, who may be alone. */
static void
divide_step(void *arg, IvfKmeans *kmeans, uint32 items)
{
	IvfTrainer	   *trainer = arg;
	IvfTrainShared *shared = trainer->shared;

	report_iterations(trainer, kmeans);
	if (trainer->team == NULL || items <= 1)
	{
		ivf_kmeans_work(kmeans, 0, items);
		return;
	}
	shared->items = items;
	shared->piece = items / (PIECES_PER_PARTICIPANT *
							 trainer->team->participants) +
					1;
	pg_atomic_write_u32(&shared->next_item, 0);
	parallel_build_start_task(trainer->team, IVF_TASK_TRAIN);
	take_items(kmeans, shared);
	parallel_build_close_task(trainer->team, NULL, NULL);
}

uint32
ivf_trainer_run(IvfTrainer *trainer, uint32 count, uint32 lists,
				char *centroids)
{
	const IvfCoder	*coder = &trainer->index->coder;
	IvfKmeansParams *params = &trainer->params;
	bool			 building = trainer->index->building;
	IvfKmeans		*kmeans;
	const char		*trained;

	Assert(count > 0 && count <= params->num_points);
	Assert(lists > 0 && Min(lists, count) <= params->num_lists);
	params->num_points = count;
	params->num_lists = Min(lists, count);
	kmeans = ivf_kmeans_start(params, trainer->points, trainer->kmeans_memory);
	if (building)
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL,
									 (int64) params->iterations * count);
	lists = ivf_kmeans_run(kmeans, building ? divide_step : NULL, trainer);

	trained = ivf_kmeans_centroids(kmeans);
	for (uint32 c = 0; c < lists; c++)
	{
		VectorCode *code = (VectorCode *) (centroids +
										   (Size) coder->code_bytes * c);

		memset(code, 0, coder->code_bytes);
		ivf_encode_centroid(coder, trained + coder->point_bytes * c, code);
	}
	pfree(kmeans);
	return lists;
}

void
ivf_trainer_end(IvfTrainer *trainer)
{
	if (trainer->segment != NULL)
		dsm_detach(trainer->segment);
	else
		pfree(trainer->points);
}

char *
ivf_train_points(IvfTrainHelper *helper, const IvfTrainShared *shared)
{
	if (helper->segment == NULL)
		helper->segment = build_segment_attach(shared->segment);
	return dsm_segment_address(helper->segment);
}

void
ivf_train_help(IvfTrainHelper *helper, IvfTrainShared *shared)
{
	char *points = ivf_train_points(helper, shared);

	if (helper->kmeans == NULL)
		helper->kmeans = ivf_kmeans_attach(points,
										   points + shared->kmeans_offset);
	take_items(helper->kmeans, shared);
}

void
ivf_train_help_end(IvfTrainHelper *helper)
{
	if (helper->segment == NULL)
		return;
	dsm_detach(helper->segment);
	if (helper->kmeans != NULL)
		pfree(helper->kmeans);
	helper->segment = NULL;
	helper->kmeans = NULL;
}
