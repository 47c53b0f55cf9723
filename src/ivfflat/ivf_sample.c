/*
 * ivf_sample.c
 *		A sample of the table's rows, as points to train with.
 *
 * The leader of a build reads some blocks of the table and keeps values as they
 * are there, which for those in TOAST are pointers: most rows that a reservoir
 * takes it gives up later.  What is left in the end all participants fetch and
 * encode together.
 *
 * A value in TOAST is there as long as nobody may remove it.  The build's
 * snapshot sees to that, but for rows that were dead before: they stay out.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "index/build_array.h"
#include "ivfflat/ivf.h"

/* Rows of the sample that decide how vectors are encoded. */
#define ENCODING_ROWS 256

/* Rows of the sample for each list, and at least. */
#define SAMPLE_ROWS_PER_LIST 50
#define MIN_SAMPLE_ROWS		 1000

/*
 * Blocks are chosen such that they have so many times the rows of the sample,
 * since rows of one block are often alike.
 */
#define SAMPLE_SPREAD 4

/* Rows that a participant takes at once. */
#define PIECE_ROWS 64

/* ------------------------------------------------------------------------
 * Taking it
 * ------------------------------------------------------------------------
 */

/* A copy of a value as it is; but of what is only in memory, its contents. */
static struct varlena *
copy_value(Datum value)
{
	struct varlena *from = (struct varlena *) DatumGetPointer(value);
	struct varlena *copy;
	Size			bytes;

	if (VARATT_IS_EXTERNAL(from) && !VARATT_IS_EXTERNAL_ONDISK(from))
		return PG_DETOAST_DATUM_COPY(value);
	bytes = VARSIZE_ANY(from);
	copy = palloc(bytes);
	memcpy(copy, from, bytes);
	return copy;
}

/* Callback of table scans: let a row take its chance of being in the sample. */
static void
sample_callback(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
				bool tuple_is_alive, void *state)
{
	IvfSample	 *sample = state;
	MemoryContext old_context;
	uint32		  at;
	bool		  replaces;

	if (isnull[0] || !tuple_is_alive ||
		!row_reservoir_offer(&sample->reservoir, &at, &replaces))
		return;

	if (replaces)
		pfree(sample->values[at]);
	else
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
									 sample->reservoir.count);
	old_context = MemoryContextSwitchTo(sample->context);
	sample->values[at] = copy_value(values[0]);
	MemoryContextSwitchTo(old_context);
}

void
ivf_sample_take(IvfSample *sample, IvfIndex *index, Relation heap,
				IndexInfo *index_info)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(heap);
	BlockNumber heap_pages;
	double		heap_rows;
	double		all_visible;
	double		wanted;
	double		sampled_blocks;
	double		read = 0;
	Size		value_bytes = index->coder.point_bytes + MAXIMUM_ALIGNOF * 4;
	Size		memory = (Size) maintenance_work_mem * 1024;
	uint32		target;
	BlockSamplerData sampler;

	memset(sample, 0, sizeof(*sample));
	sample->index = index;
	sample->context = AllocSetContextCreate(CurrentMemoryContext,
											"ivfflat build sample",
											ALLOCSET_DEFAULT_SIZES);
	estimate_rel_size(heap, NULL, &heap_pages, &heap_rows, &all_visible);
	wanted = (double) ivf_lists_for_rows(index->lists_option, heap_rows) *
			 SAMPLE_ROWS_PER_LIST;
	wanted = Max(wanted, MIN_SAMPLE_ROWS);
	/* the values, once more to share them, and the points that they become */
	wanted = Min(wanted, memory / 4 * 3 /
							 (2 * value_bytes + index->coder.point_bytes));
	target = Max(wanted, 1);
	sample->values = MemoryContextAllocHuge(sample->context,
											sizeof(struct varlena *) * target);
	row_reservoir_init(&sample->reservoir, target);
	row_reservoir_seed(&sample->reservoir, (uint32) index->seed);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL, target);
	if (blocks == 0)
		return;

	sampled_blocks = target * SAMPLE_SPREAD / Max(heap_rows / blocks, 1);
	sampled_blocks = Min(Max(sampled_blocks, 100), blocks);
	BlockSampler_Init(&sampler, blocks, (int) sampled_blocks,
					  (uint32) index->seed);
	while (BlockSampler_HasMore(&sampler))
	{
		BlockNumber block = BlockSampler_Next(&sampler);

		CHECK_FOR_INTERRUPTS();
		table_index_build_range_scan(heap, index->rel, index_info, false, true,
									 false, block, 1, sample_callback, sample,
									 NULL);
		read++;
	}
	sample->rows = sample->reservoir.rows_seen * blocks / Max(read, 1);
}

/* A value as others want it, in the current memory context. */
static const void *
fetch_value(const IvfIndex *index, struct varlena *value)
{
	struct varlena *result = PG_DETOAST_DATUM(PointerGetDatum(value));

	coder_check_dimensions(&index->coder.fine, result);
	return result;
}

CodeEncoding
ivf_sample_encoding(const IvfSample *sample)
{
	const IvfIndex *index = sample->index;
	MemoryContext	context = AllocSetContextCreate(CurrentMemoryContext,
													"ivfflat encoding",
													ALLOCSET_DEFAULT_SIZES);
	MemoryContext	old_context = MemoryContextSwitchTo(context);
	const void	   *values[ENCODING_ROWS];
	uint32			count = Min(sample->reservoir.count, ENCODING_ROWS);
	CodeEncoding	encoding;

	for (uint32 i = 0; i < count; i++)
		values[i] = fetch_value(index, sample->values[i]);
	encoding = ivf_choose_encoding(
		&index->coder.fine.opclass, index->dimensions, index->seed,
		ivf_option_code_bits(index->rel, &index->coder.fine.opclass), values,
		count);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return encoding;
}

/* ------------------------------------------------------------------------
 * Making points of it
 * ------------------------------------------------------------------------
 */

/*
 * The sample as it is shared, one piece of memory: this, and the values where it
 * says.
 */
typedef struct SharedValue
{
	Size start; /* in the memory */
	bool kept; /* is there a point of it?  Not of a zero vector under cosine */
} SharedValue;

static Size
shared_bytes(const IvfSample *sample)
{
	Size bytes = MAXALIGN(sizeof(SharedValue) * sample->reservoir.count);

	for (uint32 i = 0; i < sample->reservoir.count; i++)
		bytes += MAXALIGN(VARSIZE_ANY(sample->values[i]));
	return bytes;
}

static void
fill_shared(const IvfSample *sample, char *memory)
{
	SharedValue *values = (SharedValue *) memory;
	Size		 at = MAXALIGN(sizeof(SharedValue) * sample->reservoir.count);

	for (uint32 i = 0; i < sample->reservoir.count; i++)
	{
		Size bytes = VARSIZE_ANY(sample->values[i]);

		memcpy(memory + at, sample->values[i], bytes);
		values[i].start = at;
		values[i].kept = false;
		at += MAXALIGN(bytes);
	}
}

/* Encode values while there are any; point i is that of value i. */
static void
encode_values(IvfIndex *index, IvfTrainShared *shared, char *memory,
			  char *points)
{
	SharedValue	 *values = (SharedValue *) memory;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivfflat sample encoding",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	uint32		  first;

	while ((first = pg_atomic_fetch_add_u32(&shared->next_item,
											shared->piece)) < shared->items)
	{
		uint32 end = Min(first + shared->piece, shared->items);

		for (uint32 i = first; i < end; i++)
		{
			struct varlena *value = (struct varlena *) (memory +
														values[i].start);

			CHECK_FOR_INTERRUPTS();
			values[i].kept = ivf_encode(&index->coder,
										fetch_value(index, value),
										points + index->coder.point_bytes * i,
										NULL);
			MemoryContextReset(context);
		}
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

/* Close the gaps between points; returns how many there are. */
static uint32
close_gaps(const IvfSample *sample, const char *memory, char *points)
{
	const SharedValue *values = (const SharedValue *) memory;
	Size			   bytes = sample->index->coder.point_bytes;
	uint32			   count = 0;

	for (uint32 i = 0; i < sample->reservoir.count; i++)
	{
		if (!values[i].kept)
			continue;
		if (count < i)
			memcpy(points + bytes * count, points + bytes * i, bytes);
		count++;
	}
	return count;
}

uint32
ivf_sample_points(IvfSample *sample, IvfTrainer *trainer)
{
	IvfTrainShared *shared = trainer->shared;
	Size			bytes = shared_bytes(sample);
	dsm_segment	   *segment = NULL;
	char		   *memory;
	uint32			count;

	if (trainer->team != NULL && sample->reservoir.count > PIECE_ROWS)
		segment = build_segment_create(Max(bytes, 1));
	if (segment != NULL)
		memory = dsm_segment_address(segment);
	else
		memory = palloc_extended(Max(bytes, 1), MCXT_ALLOC_HUGE);
	fill_shared(sample, memory);

	shared->items = sample->reservoir.count;
	shared->piece = PIECE_ROWS;
	pg_atomic_write_u32(&shared->next_item, 0);
	if (segment != NULL)
	{
		shared->sample = dsm_segment_handle(segment);
		parallel_build_start_task(trainer->team, IVF_TASK_ENCODE);
	}
	encode_values(sample->index, shared, memory, trainer->points);
	if (segment != NULL)
		parallel_build_close_task(trainer->team, NULL, NULL);

	count = close_gaps(sample, memory, trainer->points);
	if (segment != NULL)
		dsm_detach(segment);
	else
		pfree(memory);
	return count;
}

void
ivf_sample_help(IvfIndex *index, IvfTrainHelper *helper,
				IvfTrainShared *shared)
{
	dsm_segment *segment = build_segment_attach(shared->sample);

	encode_values(index, shared, dsm_segment_address(segment),
				  ivf_train_points(helper, shared));
	dsm_detach(segment);
}

void
ivf_sample_end(IvfSample *sample)
{
	MemoryContextDelete(sample->context);
}
