/*
 * ivf_rewrite.c
 *		Lists written anew: splits of long ones, compaction.
 *
 * The entries are copied to new segments that nothing leads to; then one WAL
 * record makes the directory lead there instead (README, "Rewriting").  Inserts
 * go on meanwhile, but for the last moment; scans that are in the old segments
 * stay there, or begin anew if these are used again.
 *
 * Callers hold the structure lock exclusively.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "ivfflat/ivf.h"

/* Points to find two new centroids with. */
#define SPLIT_SAMPLE 2048

/* A list is long if it has so many times the entries of the usual one. */
#define LONG_LIST	   2
#define VERY_LONG_LIST 4

/*
 * Each half of a split gets at least one in so many of the entries.  Less would
 * not make the list shorter: it would be copied again and again, for a row at a
 * time.  So it is with rows that are all the same but for a few, and with
 * vectors so long that their distances overflow.
 */
#define SMALLEST_HALF_DIVISOR 64

/* Entries may move to so many lists, the nearest ones. */
#define MAX_NEIGHBOURS 64

void
ivf_lock_structure(IvfIndex *index, LOCKMODE mode)
{
	LockPage(index->rel, IVF_META_BLKNO, mode);
}

bool
ivf_try_lock_structure(IvfIndex *index, LOCKMODE mode)
{
	return ConditionalLockPage(index->rel, IVF_META_BLKNO, mode);
}

void
ivf_unlock_structure(IvfIndex *index, LOCKMODE mode)
{
	UnlockPage(index->rel, IVF_META_BLKNO, mode);
}

/*
 * While the index has less lists than it should, splitting one that is longer
 * than the usual makes one more.  Later only lists are split that have grown
 * out of proportion.  One that is still longer consists of rows that could not
 * be told apart, so it is looked at less and less often.
 */
bool
ivf_list_is_long(IvfIndex *index, const IvfState *state, uint32 depth)
{
	double capacity = index->geometry.capacity;
	/* the first segments of lists are half full */
	double entries = Max(state->used_segments - state->num_lists / 2.0, 1) *
					 capacity;
	uint32 lists = ivf_lists_for_rows(index->lists_option, entries);
	double usual = Max(entries / lists, capacity);
	double times = state->num_lists < lists ? LONG_LIST : VERY_LONG_LIST;
	double length = depth * capacity / usual;

	if (depth < 2 || length <= times || state->num_lists >= IVF_MAX_LISTS)
		return false;
	return length <= 2 * times || (depth & (depth - 1)) == 0;
}

/* ------------------------------------------------------------------------
 * One of the lists that come out
 * ------------------------------------------------------------------------
 */
typedef struct Part
{
	IvfListRef	 ref; /* its head is the segment that is being filled */
	VectorCode	*code;
	char		*centroid;
	IvfListQuery query;
	uint32		 entries;
	uint32		 depth;
} Part;

typedef struct Rewrite
{
	IvfIndex	  *index;
	IvfListRef	   old;
	Part		   parts[2];
	uint32		   num_parts;
	IvfListRef	  *neighbours; /* lists near the old one */
	uint32		   num_neighbours;
	bool		   moving;	   /* have any of them got entries? */
	char		  *centroids;  /* points: the parts', the neighbours' */
	IvfCentroids  *nearest_to; /* the same to search; NULL: one part alone */
	IvfSegmentCopy copy;
	char		  *points;	   /* of a segment */
	uint32		   seen_head;  /* copied: all of the chain from here on, */
	uint32		   seen_count; /* and so many entries of this segment */
} Rewrite;

static void
init_part(Rewrite *rewrite, Part *part, const VectorCode *centroid)
{
	const IvfCoder *coder = &rewrite->index->coder;

	part->ref.head = IVF_NONE;
	part->code = palloc(coder->code_bytes);
	memcpy(part->code, centroid, coder->code_bytes);
	part->centroid = palloc(coder->point_bytes);
	ivf_decode_centroid(coder, part->code, part->centroid);
}

/* Append entries to a part. */
static void
add_to_part(Rewrite *rewrite, Part *part, const IvfEntry *entries,
			uint32 count)
{
	IvfIndex *index = rewrite->index;

	part->entries += count;
	while (count > 0)
	{
		uint32 done = 0;
		uint32 depth;

		if (part->ref.head != IVF_NONE &&
			ivf_append(index, &part->ref, part->centroid, entries, count,
					   &done, &depth) != IVF_APPENDED)
			elog(ERROR, "segment %u of index \"%s\" is not as it was written",
				 part->ref.head, RelationGetRelationName(index->rel));
		entries += done;
		count -= done;
		if (count > 0)
			part->ref.head = ivf_new_segment(index, part->ref.list,
											 part->ref.version, part->ref.head,
											 ++part->depth);
	}
}

/* Append copies of entries to a neighbour. */
static void
add_to_neighbour(Rewrite *rewrite, uint32 neighbour, const IvfEntry *entries,
				 uint32 count)
{
	IvfIndex *index = rewrite->index;

	if (!rewrite->moving)
		ivf_set_moving(index, rewrite->old.list, true);
	rewrite->moving = true;
	ivf_append_all(index, &rewrite->neighbours[neighbour],
				   rewrite->centroids + index->coder.point_bytes *
											(rewrite->num_parts + neighbour),
				   entries, count);
}

/* Of two parts, the one that a point belongs to.  Leaves memory behind. */
static Part *
choose_part(Rewrite *rewrite, const char *point)
{
	Part		*parts = rewrite->parts;
	IvfListQuery query;

	ivf_list_query_init(&query, &rewrite->index->coder, point, false);
	return ivf_list_distance(&query, parts[1].code) <
				   ivf_list_distance(&query, parts[0].code)
			   ? &parts[1]
			   : &parts[0];
}

/* A live entry of the copied segment and where it belongs. */
typedef struct Placed
{
	uint32	 target; /* a part, or behind them a neighbour */
	IvfEntry entry;
} Placed;

static int
compare_placed(const void *a, const void *b)
{
	const Placed *pa = a;
	const Placed *pb = b;

	if (pa->target != pb->target)
		return pa->target < pb->target ? -1 : 1;
	/* points, too, are in the order of the segment */
	return pa->entry.point < pb->entry.point
			   ? -1
			   : pa->entry.point > pb->entry.point;
}

/* Place the live entries of the copied segment, from `first` on. */
static uint32
place_copied(Rewrite *rewrite, uint32 first, Placed *placed)
{
	IvfIndex	   *index = rewrite->index;
	IvfSegmentCopy *copy = &rewrite->copy;
	uint32		   *targets;
	uint32			count = 0;

	for (uint32 i = first; i < copy->count; i++)
	{
		IvfEntry *entry = &placed[count].entry;
		char	 *point = rewrite->points + index->coder.point_bytes * count;

		if (!ItemPointerIsValid(&copy->tids[i]))
			continue;
		entry->tid = copy->tids[i];
		entry->code = ivf_copied_code(index, copy, i);
		entry->point = point;
		entry->loss = ivf_decoding_loss(&index->coder, entry->code);
		ivf_decode(&index->coder, entry->code, point);
		placed[count++].target = 0;
	}
	if (rewrite->nearest_to == NULL || count == 0)
		return count;

	targets = palloc(sizeof(uint32) * count);
	ivf_nearest_centroids(rewrite->nearest_to, rewrite->points, count, targets,
						  NULL);
	for (uint32 i = 0; i < count; i++)
		placed[i].target = targets[i];
	pfree(targets);
	qsort(placed, count, sizeof(Placed), compare_placed);
	return count;
}

/* Append the live entries of the copied segment, from `first` on. */
static void
add_copied(Rewrite *rewrite, uint32 first)
{
	uint32	  room = rewrite->index->geometry.capacity;
	Placed	 *placed = palloc(sizeof(Placed) * room);
	IvfEntry *entries = palloc(sizeof(IvfEntry) * room);
	uint32	  count = place_copied(rewrite, first, placed);

	for (uint32 i = 0, n; i < count; i += n)
	{
		uint32 target = placed[i].target;

		for (n = 0; i + n < count && placed[i + n].target == target; n++)
			entries[n] = placed[i + n].entry;
		if (target < rewrite->num_parts)
			add_to_part(rewrite, &rewrite->parts[target], entries, n);
		else
			add_to_neighbour(rewrite, target - rewrite->num_parts, entries, n);
	}
	pfree(entries);
	pfree(placed);
}

/*
 * Copy the next segment of the chain.  It must count one segment less than the
 * one before, if there was one: so even a damaged chain ends.
 */
static void
copy_segment(Rewrite *rewrite, uint32 segment, bool is_head)
{
	uint32 expected = rewrite->copy.depth - 1;

	CHECK_FOR_INTERRUPTS();
	if (!ivf_copy_segment(rewrite->index, segment, rewrite->old.list,
						  rewrite->old.version, &rewrite->copy) ||
		rewrite->copy.depth == 0 ||
		(!is_head && rewrite->copy.depth != expected))
		ivf_report_broken_list(rewrite->index->rel, rewrite->old.list);
}

/* Copy what the list has got since the last time. */
static void
catch_up(Rewrite *rewrite, uint32 head)
{
	uint32 head_count = 0;
	bool   first = true;

	for (uint32 segment = head; segment != IVF_NONE;)
	{
		copy_segment(rewrite, segment, first);
		if (first)
			head_count = rewrite->copy.count;
		first = false;
		if (segment == rewrite->seen_head)
		{
			add_copied(rewrite, rewrite->seen_count);
			break;
		}
		add_copied(rewrite, 0);
		segment = rewrite->copy.next;
	}
	rewrite->seen_head = head;
	rewrite->seen_count = head_count;
}

/* ------------------------------------------------------------------------
 * New centroids
 * ------------------------------------------------------------------------
 */

/* Do both of two parts get their share of these points? */
static bool
both_get_points(Rewrite *rewrite, const char *points, uint32 count)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivfflat rewrite points",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	uint32		  least = Max(count / SMALLEST_HALF_DIVISOR, 1);
	uint32		  in_second = 0;

	for (uint32 i = 0; i < count; i++)
	{
		in_second += choose_part(rewrite,
								 points + rewrite->index->coder.point_bytes *
											  i) == &rewrite->parts[1];
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return in_second >= least && count - in_second >= least;
}

/*
 * Train one or two centroids with the list's entries; false if it has none.
 * The points are spread evenly over the list.
 */
static bool
choose_centroids(Rewrite *rewrite, bool split)
{
	IvfIndex	   *index = rewrite->index;
	const IvfCoder *coder = &index->coder;
	IvfSegmentCopy *copy = &rewrite->copy;
	Size			limit = Max((Size) maintenance_work_mem * 1024 / 2 /
									coder->point_bytes,
								2);
	IvfTrainer		trainer = {.points = NULL};
	char		   *centroids;
	uint32			count = 0;
	uint32			room = 0;
	uint32			step = 1;
	uint32			n = 0;

	for (uint32 segment = rewrite->old.head; segment != IVF_NONE;
		 segment = copy->next)
	{
		copy_segment(rewrite, segment, trainer.points == NULL);
		if (trainer.points == NULL)
		{
			uint64 entries = (uint64) copy->depth * index->geometry.capacity;

			room = Min(Min(limit, SPLIT_SAMPLE), entries);
			step = (entries + room - 1) / room;
			room = entries / step + 1;
			ivf_trainer_init(&trainer, index, room, 2, NULL, NULL);
		}
		for (uint32 i = 0; i < copy->count; i++)
		{
			if (!ItemPointerIsValid(&copy->tids[i]) || n++ % step != 0 ||
				count >= room)
				continue;
			ivf_decode(coder, ivf_copied_code(index, copy, i),
					   trainer.points + coder->point_bytes * count++);
		}
	}
	if (count == 0)
		return false;

	centroids = palloc((Size) coder->code_bytes * 2);
	rewrite->num_parts = ivf_trainer_run(&trainer, count, split ? 2 : 1,
										 centroids);
	for (uint32 i = 0; i < rewrite->num_parts; i++)
		init_part(rewrite, &rewrite->parts[i],
				  (const VectorCode *) (centroids +
										(Size) coder->code_bytes * i));
	if (rewrite->num_parts > 1 &&
		!both_get_points(rewrite, trainer.points, count))
		rewrite->num_parts = 1;
	ivf_trainer_end(&trainer);
	pfree(centroids);
	return true;
}

/* ------------------------------------------------------------------------
 * The switch
 * ------------------------------------------------------------------------
 */

/*
 * Make the directory lead to the new segments.  False if the old list has got
 * another segment meanwhile.
 */
static bool
switch_lists(Rewrite *rewrite)
{
	IvfIndex		*index = rewrite->index;
	IvfState		 state;
	IvfPlace		 places[2];
	PageEdit		 edit;
	IvfMetaPageData *meta;
	const IvfList	*list;
	int				 pages[2];

	ivf_read_state(index, &state);
	for (uint32 i = 0; i < rewrite->num_parts; i++)
		places[i] = ivf_list_place(index, &state, rewrite->parts[i].ref.list);

	page_edit_start(&edit, index->rel, index->building);
	(void) page_edit_lock(&edit, IVF_META_BLKNO);
	pages[0] = page_edit_lock(&edit, places[0].block);
	pages[1] = pages[0];
	if (rewrite->num_parts > 1 && places[1].block != places[0].block)
		pages[1] = page_edit_lock(&edit, places[1].block);

	for (uint32 i = 0; i < rewrite->num_parts; i++)
		ivf_check_page(index->rel, edit.buffers[pages[i]], IVF_PAGE_LISTS);
	list = (const IvfList *) (IvfPageGetContents(
								  page_edit_peek(&edit, pages[0])) +
							  places[0].offset);
	if (list->head != rewrite->old.head)
	{
		page_edit_abort(&edit);
		return false;
	}

	meta = IvfPageGetMeta(page_edit_image(&edit, 0));
	meta->epoch++;
	meta->num_lists += rewrite->num_parts - 1;
	for (uint32 i = 0; i < rewrite->num_parts; i++)
	{
		const Part *part = &rewrite->parts[i];

		ivf_set_list(index, page_edit_image(&edit, pages[i]), &places[i],
					 &part->ref, part->entries, meta->num_lists, part->code);
	}
	page_edit_finish(&edit);
	return true;
}

/*
 * Write the parts.  Once the head of the list is closed, inserts wait for the
 * structure lock, so that at last nothing is left to catch up with; one that
 * found the head full before may still put another one in front.
 */
static void
move_entries(Rewrite *rewrite)
{
	IvfIndex *index = rewrite->index;

	rewrite->seen_head = IVF_NONE;
	rewrite->seen_count = 0;
	catch_up(rewrite, rewrite->old.head);
	do
	{
		rewrite->old = ivf_read_list(index, rewrite->old.list, NULL, NULL);
		if (rewrite->old.head != IVF_NONE)
			ivf_close_segment(index, rewrite->old.head);
		catch_up(rewrite, rewrite->old.head);
	} while (!switch_lists(rewrite));
	ivf_free_chain(index, rewrite->old.head, rewrite->old.list,
				   rewrite->old.version);
}

/* ------------------------------------------------------------------------
 * Neighbours
 * ------------------------------------------------------------------------
 */

/* Find the lists near the old one, and arrange all centroids. */
static void
find_neighbours(Rewrite *rewrite, const VectorCode *centroid)
{
	IvfIndex	*index = rewrite->index;
	Size		 point_bytes = index->coder.point_bytes;
	VectorCode	*code = palloc(index->geometry.code_bytes);
	char		*point = palloc(point_bytes);
	IvfListQuery query;
	IvfRanking	 ranking;
	uint32		 count = rewrite->num_parts;
	IvfPointKind kind = ivf_point_kind(&index->coder);

	ivf_decode_centroid(&index->coder, centroid, point);
	ivf_list_query_init(&query, &index->coder, point, false);
	ivf_rank_lists(index, &query, &ranking);
	rewrite->neighbours = palloc(sizeof(IvfListRef) * MAX_NEIGHBOURS);
	rewrite->centroids = palloc(point_bytes * (count + MAX_NEIGHBOURS));
	for (uint32 i = 0; i < count; i++)
		memcpy(rewrite->centroids + point_bytes * i,
			   rewrite->parts[i].centroid, point_bytes);
	while (rewrite->num_neighbours < MAX_NEIGHBOURS && ranking.num_lists > 0)
	{
		IvfListRef near = ivf_next_list(&ranking);
		IvfList	   header;

		if (near.list == rewrite->old.list)
			continue;
		near = ivf_read_known_list(index, &ranking.state, near.list, code,
								   &header);
		/* it may have entries of which copies are here: they stay apart */
		if (header.moving)
			continue;
		rewrite->neighbours[rewrite->num_neighbours++] = near;
		ivf_decode_centroid(&index->coder, code,
							rewrite->centroids + point_bytes * count++);
	}
	if (count > 1)
	{
		if (kind == IVF_POINTS_SPHERE)
			kind = IVF_POINTS_FLOAT;
		rewrite->nearest_to = ivf_centroids_init(
			palloc_extended(ivf_centroids_bytes(kind, index->dimensions,
												count),
							MCXT_ALLOC_HUGE),
			kind, index->dimensions, rewrite->centroids, count);
	}
	pfree(ranking.lists);
	pfree(point);
	pfree(code);
}

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) a, (ItemPointer) b);
}

/* The TIDs of all live entries of a list, sorted. */
static ItemPointerData *
collect_tids(Rewrite *rewrite, uint32 *count)
{
	IvfIndex		*index = rewrite->index;
	ItemPointerData *tids = NULL;

	*count = 0;
	for (uint32 segment = rewrite->old.head; segment != IVF_NONE;
		 segment = rewrite->copy.next)
	{
		copy_segment(rewrite, segment, tids == NULL);
		if (tids == NULL)
			tids = palloc_extended(sizeof(ItemPointerData) *
									   index->geometry.capacity *
									   rewrite->copy.depth,
								   MCXT_ALLOC_HUGE);
		for (uint32 i = 0; i < rewrite->copy.count; i++)
		{
			if (ItemPointerIsValid(&rewrite->copy.tids[i]))
				tids[(*count)++] = rewrite->copy.tids[i];
		}
	}
	if (*count > 1)
		qsort(tids, *count, sizeof(ItemPointerData), compare_tids);
	return tids;
}

/*
 * A rewrite of the list has failed when it had copied entries to others: clear
 * the copies.
 */
static void
undo_moves(Rewrite *rewrite)
{
	IvfIndex		*index = rewrite->index;
	uint32			 num_moved;
	ItemPointerData *moved = collect_tids(rewrite, &num_moved);
	ItemPointerData *found = palloc(sizeof(ItemPointerData) *
									index->geometry.capacity);
	IvfState		 state;

	ivf_read_state(index, &state);
	for (uint32 number = 0; number < state.fresh_segment && num_moved > 0;
		 number++)
	{
		Buffer buffer = ivf_lock_segment(index, number, BUFFER_LOCK_SHARE);
		const IvfSegment *segment = IvfPageGetSegment(BufferGetPage(buffer));
		uint32			  num_found = 0;

		CHECK_FOR_INTERRUPTS();
		for (uint32 i = 0;
			 i < segment->count && segment->list != rewrite->old.list &&
			 (segment->state == IVF_SEGMENT_OPEN ||
			  segment->state == IVF_SEGMENT_CLOSED);
			 i++)
		{
			if (ItemPointerIsValid(&segment->tids[i]) &&
				bsearch(&segment->tids[i], moved, num_moved,
						sizeof(ItemPointerData), compare_tids) != NULL)
				found[num_found++] = segment->tids[i];
		}
		UnlockReleaseBuffer(buffer);
		if (num_found > 0)
			ivf_clear_entries(index, number, found, num_found);
	}
	ivf_set_moving(index, rewrite->old.list, false);
	pfree(found);
	if (moved != NULL)
		pfree(moved);
}

bool
ivf_rewrite_list(IvfIndex *index, uint32 list, bool split)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivfflat rewrite",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	Rewrite		  rewrite = {.index = index};
	VectorCode	 *centroid = palloc(index->geometry.code_bytes);
	IvfList		  header;
	IvfState	  state;
	uint32		  version;
	bool		  done;

	ivf_init_copy(index, &rewrite.copy);
	rewrite.points = palloc_extended(index->coder.point_bytes *
										 index->geometry.capacity,
									 MCXT_ALLOC_HUGE);
	rewrite.old = ivf_read_list(index, list, centroid, &header);
	if (header.moving)
		undo_moves(&rewrite);
	if (!choose_centroids(&rewrite, split))
	{
		/* no entries: the centroid stays */
		rewrite.num_parts = 1;
		init_part(&rewrite, &rewrite.parts[0], centroid);
	}

	done = !split || rewrite.num_parts > 1;
	if (done)
	{
		ivf_reserve_lists(index, rewrite.num_parts - 1);
		version = ivf_take_versions(index, rewrite.num_parts);
		/* after four billion rewrites lists stay as they are */
		done = version != 0;
	}
	if (done)
	{
		ivf_read_state(index, &state);
		for (uint32 i = 0; i < rewrite.num_parts; i++)
		{
			rewrite.parts[i].ref.list = i == 0 ? list : state.num_lists;
			rewrite.parts[i].ref.version = version + i;
		}
		find_neighbours(&rewrite, centroid);
		move_entries(&rewrite);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return done;
}
