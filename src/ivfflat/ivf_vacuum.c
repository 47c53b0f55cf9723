/*
 * ivf_vacuum.c
 *		Removal of dead rows, and maintenance of lists.
 *
 * ambulkdelete clears the TIDs of dead rows in the first pages of segments.
 * amvacuumcleanup takes back segments that nothing leads to, and writes lists
 * anew that have many dead entries, have grown long, or have got so many rows
 * that their centroid no longer is in their middle.
 */
#include "postgres.h"

#include "commands/vacuum.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "index/foreign.h"
#include "ivfflat/ivf.h"

/* A list is compacted when more than one in so many of its entries is dead. */
#define DEAD_DIVISOR 5

/* Its centroid is computed anew when it has so many times the entries. */
#define RECENTRE_GROWTH 2

/*
 * When there are so many times the lists, some of its entries may be nearer to
 * lists that are new.
 */
#define MORE_LISTS 1.25

static IndexBulkDeleteResult *
start_vacuum(IndexBulkDeleteResult *stats)
{
	return stats != NULL ? stats : palloc0(sizeof(IndexBulkDeleteResult));
}

/*
 * ivf_bulk_delete -- ambulkdelete.
 *
 * Holds the structure lock, so that no entry moves from a segment that has not
 * been looked at to one that has (rule L3).
 */
IndexBulkDeleteResult *
ivf_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				IndexBulkDeleteCallback callback, void *callback_state)
{
	MemoryContext	 context = AllocSetContextCreate(CurrentMemoryContext,
													 "ivfflat bulk delete",
													 ALLOCSET_DEFAULT_SIZES);
	MemoryContext	 old_context;
	IvfIndex		*index;
	IvfState		 state;
	ItemPointerData *tids;

	stats = start_vacuum(stats);
	stats->num_index_tuples = 0;
	old_context = MemoryContextSwitchTo(context);
	index = ivf_open(info->index);
	tids = palloc(sizeof(ItemPointerData) * index->geometry.capacity);

	ivf_lock_structure(index, ShareLock);
	ivf_read_state(index, &state);
	ivf_check_size(index->rel, &index->geometry, state.num_segments);
	for (uint32 number = 0; number < state.fresh_segment; number++)
	{
		const IvfSegment *segment;
		Buffer			  buffer;
		uint32			  count = 0;
		uint32			  num_dead = 0;

		VacuumDelayPoint();
		buffer = ivf_read_segment(index, number, info->strategy);
		segment = IvfPageGetSegment(BufferGetPage(buffer));
		if (segment->state == IVF_SEGMENT_OPEN ||
			segment->state == IVF_SEGMENT_CLOSED)
			count = segment->count;
		memcpy(tids, segment->tids, sizeof(ItemPointerData) * count);
		UnlockReleaseBuffer(buffer);

		for (uint32 i = 0; i < count; i++)
		{
			if (!ItemPointerIsValid(&tids[i]))
				continue;
			if (callback(&tids[i], callback_state))
				tids[num_dead++] = tids[i];
			else
				stats->num_index_tuples++;
		}
		if (num_dead > 0)
			ivf_clear_entries(index, number, tids, num_dead);
		stats->tuples_removed += num_dead;
	}
	ivf_unlock_structure(index, ShareLock);

	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return stats;
}

/* ------------------------------------------------------------------------
 * Maintenance
 * ------------------------------------------------------------------------
 */

/* What the segments of a list hold. */
typedef struct ListUse
{
	IvfList header;
	uint64	entries;
	uint64	dead;
} ListUse;

typedef struct Cleanup
{
	IvfIndex			  *index;
	IndexVacuumInfo		  *info;
	IndexBulkDeleteResult *stats;
	IvfState			   state;
	ListUse				  *lists; /* state.num_lists */
} Cleanup;

static bool
in_directory(const IvfState *state, uint32 segment)
{
	for (uint32 i = 0; i < state->num_directory; i++)
	{
		if (state->directory[i] == segment)
			return true;
	}
	return false;
}

/*
 * Count what is in a segment; true if it is in use by nothing, left behind by
 * a rewrite or a growth of the directory that failed.
 */
static bool
look_at_segment(Cleanup *cleanup, uint32 number)
{
	IvfIndex *index = cleanup->index;
	Buffer buffer = ivf_read_segment(index, number, cleanup->info->strategy);
	const IvfSegment *segment;
	uint32			  version;
	bool			  orphan = false;

	segment = IvfPageGetSegment(BufferGetPage(buffer));
	version = IvfPageGetHeader(BufferGetPage(buffer))->version;
	if (segment->state == IVF_SEGMENT_FREE)
		cleanup->stats->pages_free += index->geometry.segment_pages;
	else if (segment->state == IVF_SEGMENT_LISTS)
		orphan = !in_directory(&cleanup->state, number);
	else if (segment->list >= cleanup->state.num_lists ||
			 cleanup->lists[segment->list].header.version != version)
		orphan = true;
	else
	{
		ListUse *list = &cleanup->lists[segment->list];

		list->entries += segment->count;
		list->dead += segment->dead;
	}
	UnlockReleaseBuffer(buffer);
	return orphan;
}

/*
 * Walk all segments, under the structure lock: nobody makes new versions, so a
 * segment of another version than its list's is nobody's.
 */
static void
look_at_segments(Cleanup *cleanup)
{
	IvfIndex *index = cleanup->index;

	ivf_lock_structure(index, ExclusiveLock);
	ivf_read_state(index, &cleanup->state);
	ivf_check_size(index->rel, &index->geometry, cleanup->state.num_segments);
	cleanup->lists = palloc0(sizeof(ListUse) *
							 Max(cleanup->state.num_lists, 1));
	for (uint32 i = 0; i < cleanup->state.num_lists; i++)
		(void) ivf_read_known_list(index, &cleanup->state, i, NULL,
								   &cleanup->lists[i].header);
	for (uint32 i = 0; i < cleanup->state.fresh_segment; i++)
	{
		VacuumDelayPoint();
		if (look_at_segment(cleanup, i))
			ivf_free_segment(index, i);
	}
	ivf_unlock_structure(index, ExclusiveLock);
}

/* Segments of a list, as its head says. */
static uint32
list_depth(IvfIndex *index, uint32 list)
{
	uint32 head = ivf_read_list(index, list, NULL, NULL).head;
	uint32 depth = 0;

	if (head != IVF_NONE)
	{
		Buffer buffer = ivf_lock_segment(index, head, BUFFER_LOCK_SHARE);

		depth = IvfPageGetSegment(BufferGetPage(buffer))->depth;
		UnlockReleaseBuffer(buffer);
	}
	return depth;
}

/* Should a list be written anew, though it is not too long? */
static bool
needs_rewrite(const Cleanup *cleanup, const ListUse *list)
{
	uint64 live = list->entries - list->dead;
	uint32 room = cleanup->index->geometry.capacity;

	return list->header.moving || list->dead * DEAD_DIVISOR > list->entries ||
		   live > (uint64) list->header.written_entries * RECENTRE_GROWTH +
					  room ||
		   cleanup->state.num_lists > list->header.written_lists * MORE_LISTS;
}

/*
 * Lists that come into being here are at the end, and looked at as well.
 */
static void
rewrite_lists(Cleanup *cleanup)
{
	IvfIndex	 *index = cleanup->index;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivfflat vacuum list",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	uint32		  known = cleanup->state.num_lists;
	IvfState	  state = cleanup->state;

	for (uint32 list = 0; list < state.num_lists; list++)
	{
		bool rewrite = list < known &&
					   needs_rewrite(cleanup, &cleanup->lists[list]);

		for (bool again = true; again;)
		{
			VacuumDelayPoint();
			ivf_lock_structure(index, ExclusiveLock);
			ivf_read_state(index, &state);
			/* after a split, this half may still be long */
			again = ivf_list_is_long(index, &state, list_depth(index, list)) &&
					ivf_rewrite_list(index, list, true);
			if (!again && rewrite)
				(void) ivf_rewrite_list(index, list, false);
			rewrite &= !again;
			ivf_unlock_structure(index, ExclusiveLock);
			MemoryContextReset(context);
		}
		ivf_read_state(index, &state);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

IndexBulkDeleteResult *
ivf_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	Cleanup		  cleanup = {.info = info};
	MemoryContext context;
	MemoryContext old_context;

	if (info->analyze_only)
		return stats;
	if (stats == NULL && ivf_made_by_pgvector(info->index))
	{
		vector_report_foreign_index(WARNING, info->index);
		return NULL;
	}

	stats = start_vacuum(stats);
	context = AllocSetContextCreate(CurrentMemoryContext, "ivfflat vacuum",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	cleanup.stats = stats;
	cleanup.index = ivf_open(info->index);

	stats->pages_free = 0;
	look_at_segments(&cleanup);
	stats->num_index_tuples = 0;
	for (uint32 i = 0; i < cleanup.state.num_lists; i++)
		stats->num_index_tuples += cleanup.lists[i].entries -
								   cleanup.lists[i].dead;
	stats->estimated_count = false;
	rewrite_lists(&cleanup);
	ivf_tune(cleanup.index, (uint64) stats->num_index_tuples, NULL, NULL);
	stats->num_pages = RelationGetNumberOfBlocks(info->index);

	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return stats;
}
