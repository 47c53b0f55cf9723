/*
 * ivf_build.c
 *		CREATE INDEX and REINDEX.
 *
 * A sample of the table (ivf_sample.c) gives the centroids; then each row is
 * appended to its list, in batches, through the same segments that inserts use.
 * So memory is bounded by the sample and the batch, whatever the size of the
 * table.
 *
 * Nobody else sees the index meanwhile, so pages are locked only because the
 * buffer manager wants it, and WAL gets whole pages at the end.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "index/column_dimensions.h"
#include "index/parallel_build.h"
#include "ivfflat/ivf.h"

/* Phases after PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE, which is 1. */
#define PHASE_TRAIN	 2
#define PHASE_ASSIGN 3
#define PHASE_LOAD	 4

/* Lists of less rows are more trouble than they are worth. */
#define MIN_ROWS_PER_LIST 8

/* Rows that are assigned and appended together. */
#define BATCH_ROWS	256
#define BATCH_BYTES ((Size) 4 * 1024 * 1024)

/*
 * One seed for all indexes: what is random in an index depends on the table
 * alone, so that a build can be repeated.
 */
#define SEED UINT64CONST(0x2545F4914F6CDD1D)

char *
ivf_build_phase_name(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case PHASE_TRAIN:
			return "performing k-means";
		case PHASE_ASSIGN:
			return "assigning tuples";
		case PHASE_LOAD:
			return "loading tuples";
		default:
			return NULL;
	}
}

/* What the participants of a build share. */
typedef struct BuildShared
{
	IvfTrainShared	 train;
	IvfTuneShared	 tune;
	pg_atomic_uint64 rows; /* indexed */
} BuildShared;

static void
init_shared(BuildShared *shared)
{
	pg_atomic_init_u32(&shared->train.next_item, 0);
	pg_atomic_init_u32(&shared->tune.next_search, 0);
	pg_atomic_init_u64(&shared->rows, 0);
}

/*
 * Choose the encoding and the centroids, and write the lists.  team: NULL if
 * the build is made alone.  Returns an estimate of how many rows are to be
 * indexed.
 */
static double
train_lists(IvfIndex *index, Relation heap, IndexInfo *index_info,
			ParallelBuild *team, BuildShared *shared)
{
	IvfSample  sample;
	double	   rows;
	uint32	   lists;
	uint32	   points;
	IvfTrainer trainer;

	ivf_sample_take(&sample, index, heap, index_info);
	rows = sample.rows;
	build_start_phase(PHASE_TRAIN, 0);
	lists = ivf_lists_for_rows(index->lists_option, rows);
	lists = Min(lists, Max(rows / MIN_ROWS_PER_LIST, 1));
	lists = Min(lists, sample.reservoir.count);
	ivf_set_encoding(index, ivf_sample_encoding(&sample),
					 rows / Max(lists, 1));

	ivf_trainer_init(&trainer, index, sample.reservoir.count, lists, team,
					 &shared->train);
	points = ivf_sample_points(&sample, &trainer);
	ivf_sample_end(&sample);
	if (points > 0)
	{
		char *centroids = palloc_extended((Size) index->geometry.code_bytes *
											  lists,
										  MCXT_ALLOC_HUGE);

		lists = ivf_trainer_run(&trainer, points, lists, centroids);
		ivf_add_lists(index, centroids, lists);
		pfree(centroids);
	}
	ivf_trainer_end(&trainer);
	return rows;
}

/* ------------------------------------------------------------------------
 * Loading
 * ------------------------------------------------------------------------
 */

/* A row that waits to be appended. */
typedef struct BatchRow
{
	ItemPointerData tid;
	uint32			list;
	uint32			row; /* of the arrays of a batch */
} BatchRow;

typedef struct Loader
{
	IvfIndex	 *index;
	uint32		  num_lists;
	IvfListRef	 *lists;	  /* as far as is known: heads may be old */
	char		 *centroids;  /* as points */
	IvfCentroids *nearest_to; /* the same, to search */
	uint32		 *nearest;
	BatchRow	 *rows;
	char		 *points;
	char		 *codes;
	uint32		  count;
	uint32		  capacity;
	MemoryContext context; /* of one row or batch */
	BuildShared	 *shared;
} Loader;

/* Arrange the centroids for the search of the nearest. */
static void
arrange_centroids(Loader *loader)
{
	const IvfIndex *index = loader->index;
	IvfPointKind	kind = ivf_point_kind(&index->coder);
	void		   *memory;

	/* their codes do not keep them on the sphere exactly */
	if (kind == IVF_POINTS_SPHERE)
		kind = IVF_POINTS_FLOAT;
	if (loader->num_lists == 0)
		return;
	memory = palloc_extended(ivf_centroids_bytes(kind, index->dimensions,
												 loader->num_lists),
							 MCXT_ALLOC_HUGE);
	loader->nearest_to = ivf_centroids_init(memory, kind, index->dimensions,
											loader->centroids,
											loader->num_lists);
}

static void
init_loader(Loader *loader, IvfIndex *index, BuildShared *shared)
{
	Size		row_bytes = index->coder.point_bytes + index->coder.code_bytes;
	IvfState	state;
	VectorCode *code = palloc(index->coder.code_bytes);

	loader->index = index;
	loader->shared = shared;
	loader->context = AllocSetContextCreate(CurrentMemoryContext,
											"ivfflat build batch",
											ALLOCSET_DEFAULT_SIZES);
	loader->capacity = Max(Min(BATCH_ROWS, BATCH_BYTES / row_bytes), 1);
	loader->rows = palloc(sizeof(BatchRow) * loader->capacity);
	loader->points = palloc_extended(index->coder.point_bytes *
										 loader->capacity,
									 MCXT_ALLOC_HUGE);
	loader->codes = palloc_extended((Size) index->coder.code_bytes *
										loader->capacity,
									MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	loader->count = 0;

	ivf_read_state(index, &state);
	loader->num_lists = state.num_lists;
	loader->lists = palloc_extended(sizeof(IvfListRef) *
										Max(state.num_lists, 1),
									MCXT_ALLOC_HUGE);
	loader->centroids = palloc_extended(index->coder.point_bytes *
											Max(state.num_lists, 1),
										MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < state.num_lists; i++)
	{
		loader->lists[i] = ivf_read_list(index, i, code, NULL);
		ivf_decode_centroid(&index->coder, code,
							loader->centroids + index->coder.point_bytes * i);
	}
	pfree(code);
	loader->nearest = palloc(sizeof(uint32) * loader->capacity);
	arrange_centroids(loader);
}

static int
compare_rows(const void *a, const void *b)
{
	const BatchRow *ra = a;
	const BatchRow *rb = b;

	if (ra->list != rb->list)
		return ra->list < rb->list ? -1 : 1;
	return ra->row < rb->row ? -1 : ra->row > rb->row;
}

/* Choose the lists of all rows of the batch. */
static void
assign_rows(Loader *loader)
{
	ivf_nearest_centroids(loader->nearest_to, loader->points, loader->count,
						  loader->nearest, NULL);
	for (uint32 i = 0; i < loader->count; i++)
		loader->rows[i].list = loader->nearest[i];
}

/* Report how far the load is. */
static void
report_rows(void *arg)
{
	BuildShared *shared = arg;

	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 (int64) pg_atomic_read_u64(&shared->rows));
}

static void
flush_batch(Loader *loader)
{
	IvfIndex *index = loader->index;
	IvfEntry *entries;

	if (loader->count == 0)
		return;
	if (loader->num_lists == 0)
		elog(ERROR, "index \"%s\" has no lists",
			 RelationGetRelationName(index->rel));
	assign_rows(loader);
	qsort(loader->rows, loader->count, sizeof(BatchRow), compare_rows);
	entries = palloc(sizeof(IvfEntry) * loader->count);
	for (uint32 i = 0; i < loader->count; i++)
	{
		uint32 row = loader->rows[i].row;

		entries[i].tid = loader->rows[i].tid;
		entries[i].code =
			(const VectorCode *) (loader->codes +
								  (Size) index->coder.code_bytes * row);
		entries[i].point = loader->points + index->coder.point_bytes * row;
		entries[i].loss = 0;
	}
	for (uint32 i = 0, n; i < loader->count; i += n)
	{
		for (n = 1; i + n < loader->count &&
					loader->rows[i + n].list == loader->rows[i].list;
			 n++)
			;
		ivf_append_all(index, &loader->lists[loader->rows[i].list],
					   loader->centroids +
						   index->coder.point_bytes * loader->rows[i].list,
					   &entries[i], n);
	}
	pfree(entries);
	pg_atomic_fetch_add_u64(&loader->shared->rows, loader->count);
	if (!IsParallelWorker())
		report_rows(loader->shared);
	loader->count = 0;
}

/*
 * The sample had no row that can be indexed, but the table has: it makes the
 * first list.
 */
static void
add_list(Loader *loader, const char *point)
{
	IvfIndex	 *index = loader->index;
	MemoryContext old_context;
	char		 *code = palloc0(index->coder.code_bytes);

	ivf_encode_centroid(&index->coder, point, (VectorCode *) code);
	ivf_add_lists(index, code, 1);
	ivf_decode_centroid(&index->coder, (VectorCode *) code, loader->centroids);
	loader->lists[0] = ivf_read_list(index, 0, NULL, NULL);
	loader->num_lists = 1;
	old_context = MemoryContextSwitchTo(GetMemoryChunkContext(loader->rows));
	arrange_centroids(loader);
	MemoryContextSwitchTo(old_context);
	pfree(code);
}

static void
load_callback(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
			  bool tuple_is_alive, void *state)
{
	Loader		 *loader = state;
	IvfIndex	 *index = loader->index;
	MemoryContext old_context;
	const void	 *value;
	uint32		  n = loader->count;
	char		 *point = loader->points + index->coder.point_bytes * n;

	if (isnull[0])
		return;

	CHECK_FOR_INTERRUPTS();
	old_context = MemoryContextSwitchTo(loader->context);
	value = PG_DETOAST_DATUM(values[0]);
	coder_check_dimensions(&index->coder.fine, value);
	if (ivf_encode(&index->coder, value, point,
				   (VectorCode *) (loader->codes +
								   (Size) index->coder.code_bytes * n)))
	{
		if (loader->num_lists == 0)
			add_list(loader, point);
		loader->rows[n].tid = *tid;
		loader->rows[n].row = n;
		loader->count++;
		if (loader->count == loader->capacity)
			flush_batch(loader);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(loader->context);
}

/* Note in the directory how many entries the lists have got. */
static void
note_written_entries(IvfIndex *index)
{
	IvfState state;

	ivf_read_state(index, &state);
	for (uint32 number = 0; number < state.num_lists; number++)
	{
		IvfPlace place = ivf_list_place(index, &state, number);
		uint32	 next = ivf_read_list(index, number, NULL, NULL).head;
		uint32	 entries = 0;
		PageEdit edit;
		IvfList *list;

		CHECK_FOR_INTERRUPTS();
		while (next != IVF_NONE)
		{
			Buffer buffer = ivf_lock_segment(index, next, BUFFER_LOCK_SHARE);
			const IvfSegment *segment = IvfPageGetSegment(
				BufferGetPage(buffer));

			entries += segment->count;
			next = segment->next;
			UnlockReleaseBuffer(buffer);
		}
		page_edit_start(&edit, index->rel, index->building);
		list = (IvfList *) (IvfPageGetContents(page_edit_image(
								&edit, page_edit_lock(&edit, place.block))) +
							place.offset);
		list->written_entries = entries;
		page_edit_finish(&edit);
	}
}

/* The metapage of an empty index; heap is NULL for one without rows. */
static void
create_empty(Relation heap, Relation rel, IndexInfo *index_info,
			 ForkNumber fork)
{
	VectorOpclass opclass;
	uint32		  dimensions;

	vector_opclass_lookup(rel, &opclass);
	vector_opclass_check_operator(rel);
	dimensions = index_column_dimensions(heap, rel, index_info, &opclass,
										 opclass.type->kind == VALUE_BITS
											 ? IVF_MAX_BITS
											 : IVF_MAX_DIMENSIONS,
										 "ivfflat");
	ivf_create_metapage(
		rel, fork, dimensions, &opclass, SEED,
		ivf_choose_encoding(&opclass, dimensions, SEED,
							ivf_option_code_bits(rel, &opclass), NULL, 0));
}

/* Load the rows alone.  Returns the number of rows of the table. */
static double
load_alone(IvfIndex *index, Relation heap, IndexInfo *index_info,
		   BuildShared *shared)
{
	Loader loader = {0};
	double heap_rows;

	init_loader(&loader, index, shared);
	heap_rows = table_index_build_scan(heap, index->rel, index_info, true,
									   true, load_callback, &loader, NULL);
	flush_batch(&loader);
	return heap_rows;
}

/* A participant's part of the rows. */
static void
load_part(ParallelBuild *team, IvfIndex *index)
{
	Loader loader = {0};

	init_loader(&loader, index, team->shared);
	parallel_build_scan(team, load_callback, &loader);
	flush_batch(&loader);
}

static double
load_with_workers(ParallelBuild *team, IvfIndex *index)
{
	parallel_build_start_task(team, IVF_TASK_LOAD);
	load_part(team, index);
	parallel_build_close_task(team, report_rows, team->shared);
	return parallel_build_heap_rows(team);
}

/* The main function of a worker. */
PGDLLEXPORT void ivf_build_worker(dsm_segment *segment, shm_toc *toc);

void
ivf_build_worker(dsm_segment *segment, shm_toc *toc)
{
	ParallelBuild *team = parallel_build_attach(segment, toc);
	BuildShared	  *shared = team->shared;
	IvfTrainHelper helper = {0};
	IvfIndex	  *index = NULL;
	int			   task;

	while ((task = parallel_build_next_task(team)) != PARALLEL_BUILD_QUIT)
	{
		/* how vectors are encoded is settled by the first task */
		if (index == NULL)
		{
			index = ivf_open(team->index);
			index->building = true;
		}
		switch (task)
		{
			case IVF_TASK_ENCODE:
				ivf_sample_help(index, &helper, &shared->train);
				break;
			case IVF_TASK_TRAIN:
				ivf_train_help(&helper, &shared->train);
				break;
			case IVF_TASK_LOAD:
				ivf_train_help_end(&helper);
				load_part(team, index);
				break;
			case IVF_TASK_TUNE:
				ivf_tune_help(index, &shared->tune);
				break;
			default:
				elog(ERROR, "unknown task of an ivfflat build: %d", task);
		}
	}
	ivf_train_help_end(&helper);
	parallel_build_detach(team);
}

/* Start the workers; NULL if there are none. */
static ParallelBuild *
start_team(Relation heap, Relation rel, IndexInfo *index_info)
{
	int			   workers = parallel_build_workers(heap, rel, index_info);
	ParallelBuild *team = NULL;

	if (workers > 0)
		team = parallel_build_begin(heap, rel, index_info, "ivf_build_worker",
									workers, sizeof(BuildShared));
	if (team == NULL)
		return NULL;
	init_shared(team->shared);
	if (!parallel_build_launch(team))
	{
		parallel_build_end(team);
		return NULL;
	}
	return team;
}

IndexBuildResult *
ivf_build(Relation heap, Relation rel, IndexInfo *index_info)
{
	IvfIndex		 *index;
	IvfState		  state;
	ParallelBuild	 *team;
	BuildShared		  alone;
	BuildShared		 *shared = &alone;
	double			  rows;
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));
	MemoryContext	  context = AllocSetContextCreate(CurrentMemoryContext,
													  "ivfflat build",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext	  old_context = MemoryContextSwitchTo(context);

	/* a truncated relation may still have what was cached of its last index */
	ivf_forget_cache(rel);

	create_empty(heap, rel, index_info, MAIN_FORKNUM);
	index = ivf_open(rel);
	index->building = true;
	team = start_team(heap, rel, index_info);
	if (team != NULL)
		shared = team->shared;
	else
		init_shared(shared);
	rows = train_lists(index, heap, index_info, team, shared);

	build_start_phase(PHASE_ASSIGN, (int64) rows);
	ivf_read_state(index, &state);
	/* workers count on lists that are there */
	if (team != NULL && state.num_lists > 0)
		result->heap_tuples = load_with_workers(team, index);
	else
		result->heap_tuples = load_alone(index, heap, index_info, shared);
	result->index_tuples = (double) pg_atomic_read_u64(&shared->rows);
	ivf_tune(index, (uint64) result->index_tuples, team, &shared->tune);
	if (team != NULL)
		parallel_build_dismiss(team);
	note_written_entries(index);

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, PHASE_LOAD);
	if (RelationNeedsWAL(rel))
		log_newpage_range(rel, MAIN_FORKNUM, 0, RelationGetNumberOfBlocks(rel),
						  true);

	if (team != NULL)
		parallel_build_end(team);

	/* what was cached of the empty index is wrong by now */
	ivf_forget_cache(rel);

	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return result;
}

void
ivf_build_empty(Relation rel)
{
	create_empty(NULL, rel, NULL, INIT_FORKNUM);
}
