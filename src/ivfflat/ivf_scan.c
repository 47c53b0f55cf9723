/*
 * ivf_scan.c
 *		Ordered index scans with exact order.
 *
 * A scan reads the lists whose centroids are nearest to the query, and knows
 * of each entry a lower bound of its distance, from its coarse code at first.
 * It refines what has the least bound: a coarse bound by reading the fine code,
 * a fine one by fetching the row, until a row with its exact distance is not
 * farther than any bound.  So rows come out in the exact order of the SQL
 * operator, although few codes are read and few more rows fetched than
 * returned, however many rows the query wants.
 *
 * No lock is held between two calls, and no pin of the index.
 */
#include "postgres.h"

#include <math.h>

#include "access/relscan.h"
#include "common/hashfn.h"
#include "lib/pairingheap.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/settings.h"
#include "index/page_pin.h"
#include "index/row_fetch.h"
#include "ivfflat/ivf.h"

/*
 * Bounds of coarse codes are right with a probability only.  With so many
 * standard deviations one in three million is wrong, so that the order of
 * results is exact; with half of that one in 160, for a tenth more queries a
 * second.
 */
#define COARSE_EPSILON 5

/* Of a fine code, the CPU goes on by itself from there. */
#define PREFETCHED_BYTES 512

/* What a scan has read of the first page of a segment. */
typedef struct ReadSegment
{
	uint32			 number;
	uint32			 version;
	uint32			 next;
	uint32			 depth;
	uint32			 count;
	ItemPointerData *tids; /* as they were; invalid where a row is gone */
} ReadSegment;

/* Room for so many rows to return at first. */
#define RETURNED_ROWS 64

/* An entry of which only the coarse code has been looked at. */
typedef struct CoarseEntry
{
	float  bound; /* in the unit of codes */
	uint32 place; /* number in IvfScan.segments * capacity + entry */
} CoarseEntry;

/* An entry with bounds from its fine code, or with its exact distance. */
typedef struct Candidate
{
	pairingheap_node node;
	double			 bound; /* of the distance, from below; or exact */
	double			 upper_bound;
	ItemPointerData	 tid;
} Candidate;

/* A row that has been returned. */
typedef struct ReturnedRow
{
	ItemPointerData tid;
	char			status;
} ReturnedRow;

static inline uint32
hash_tid(const ItemPointerData *tid)
{
	return hash_bytes((const unsigned char *) tid, sizeof(ItemPointerData));
}

#define SH_PREFIX			 returned
#define SH_ELEMENT_TYPE		 ReturnedRow
#define SH_KEY_TYPE			 ItemPointerData
#define SH_KEY				 tid
#define SH_HASH_KEY(tb, key) hash_tid(&(key))
#define SH_EQUAL(tb, a, b)	 (memcmp(&(a), &(b), sizeof(ItemPointerData)) == 0)
#define SH_SCOPE			 static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct IvfScan
{
	IvfIndex	 *index;
	MemoryContext context; /* everything of one rescan */
	bool		  started;
	CoderQuery	  query;
	IvfListQuery  list_query;
	IvfRanking	  ranking;
	uint32		  probed; /* lists read */
	uint32		  wanted; /* lists to read: there may be less of them */
	bool	 automatic;	  /* and all within the reach of the target recall */
	double	 reach;		  /* a gap */
	float	 nearest;	  /* distance of the nearest list */
	uint64	 entries;	  /* of the lists that were read */
	RowFetch rows;

	RabitqQuery	 coarse_query; /* if there are coarse codes */
	VectorCode	*centroid;
	char		*centroid_point;
	char		*block;
	ReadSegment *segments; /* those that entries of `coarse` are in */
	uint32		 num_segments;
	uint32		 segments_allocated;

	/*
	 * Entries that have not been refined: a heap, the least bound first; and
	 * others that have no less bounds, and no order.
	 */
	CoarseEntry *heap;
	CoarseEntry *others;
	uint32		 num_heaped;
	uint32		 num_others;
	uint32		 coarse_allocated; /* room in both */
	uint32		 last_heaped; /* how many the heap had when it was filled */
	pairingheap *pending;
	pairingheap *ready;
	double		 last_distance; /* of the row returned last */
	bool		 any_returned;

	returned_hash *returned; /* rows so far */
	bool		   anew;	 /* did the scan begin anew? */
} IvfScan;

static int
compare_candidates(const pairingheap_node *a, const pairingheap_node *b,
				   void *arg)
{
	double x = pairingheap_const_container(Candidate, node, a)->bound;
	double y = pairingheap_const_container(Candidate, node, b)->bound;

	/* NaN, an operator's distance to a zero vector, sorts last as in SQL */
	if (unlikely(isnan(x) || isnan(y)))
		return isnan(x) ? (isnan(y) ? 0 : -1) : 1;
	/* a pairing heap's first is the greatest */
	return x < y ? 1 : x > y ? -1 : 0;
}

IndexScanDesc
ivf_begin_scan(Relation rel, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(rel, nkeys, norderbys);
	IvfScan		 *so = palloc0(sizeof(IvfScan));

	so->context = AllocSetContextCreate(CurrentMemoryContext, "ivfflat scan",
										ALLOCSET_DEFAULT_SIZES);
	scan->opaque = so;
	return scan;
}

void
ivf_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys,
		   int norderbys)
{
	IvfScan *so = (IvfScan *) scan->opaque;

	so->started = false;
	if (keys != NULL && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, scan->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys != NULL && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys,
				scan->numberOfOrderBys * sizeof(ScanKeyData));
}

void
ivf_end_scan(IndexScanDesc scan)
{
	IvfScan *so = (IvfScan *) scan->opaque;

	row_fetch_end(&so->rows);
	MemoryContextDelete(so->context);
	pfree(so);
	scan->opaque = NULL;
}

/* ------------------------------------------------------------------------
 * Entries that only their coarse bound is known of
 * ------------------------------------------------------------------------
 */

#define HEAP_SAMPLE	 64
#define FIRST_HEAPED 128

static inline void
sift_down(CoarseEntry *heap, uint32 count, uint32 at)
{
	CoarseEntry moving = heap[at];

	for (;;)
	{
		uint32 child = 2 * at + 1;

		if (child >= count)
			break;
		if (child + 1 < count && heap[child + 1].bound < heap[child].bound)
			child++;
		if (heap[child].bound >= moving.bound)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moving;
}

/*
 * The bound that about so many of the others do not exceed, as a sample of them
 * tells: insertion sort, of the least ones only.
 */
static float
least_bounds(const IvfScan *so, uint32 wanted)
{
	float  least[HEAP_SAMPLE];
	uint32 rank = (uint64) wanted * HEAP_SAMPLE / so->num_others + 1;
	uint32 found = 0;

	Assert(rank <= HEAP_SAMPLE);
	for (uint32 i = 0; i < HEAP_SAMPLE; i++)
	{
		float bound = so->others[(uint64) i * so->num_others / HEAP_SAMPLE]
						  .bound;
		uint32 at = found;

		if (found < rank)
			found++;
		else if (bound >= least[--at])
			continue;
		for (; at > 0 && least[at - 1] > bound; at--)
			least[at] = least[at - 1];
		least[at] = bound;
	}
	return least[found - 1];
}

/*
 * Fill the heap, which is empty, with the least of the others, about as many as
 * wanted, at least one if there is any.  Few of all entries are ever taken, so
 * that a heap of all would be too much of an order.
 */
static void
fill_heap(IvfScan *so, uint32 wanted)
{
	CoarseEntry *others = so->others;
	uint32		 heaped = 0;
	uint32		 left = 0;
	float		 limit = so->num_others > wanted + HEAP_SAMPLE
							 ? least_bounds(so, wanted)
							 : INFINITY;

	/* without branches, which nobody could predict */
	for (uint32 i = 0; i < so->num_others; i++)
	{
		CoarseEntry entry = others[i];
		bool		least = entry.bound <= limit;

		so->heap[heaped] = entry;
		others[left] = entry;
		heaped += least;
		left += !least;
	}
	so->num_others = left;
	so->num_heaped = so->last_heaped = heaped;
	for (uint32 i = heaped / 2; i-- > 0;)
		sift_down(so->heap, heaped, i);
}

static CoarseEntry
take_coarse(IvfScan *so)
{
	CoarseEntry first = so->heap[0];

	so->heap[0] = so->heap[--so->num_heaped];
	if (so->num_heaped > 1)
		sift_down(so->heap, so->num_heaped, 0);
	else if (so->num_heaped == 0 && so->num_others > 0)
		fill_heap(so, so->last_heaped * 2);
	return first;
}

/* The least bound of those entries, in the operator's unit. */
static inline double
least_coarse_bound(const IvfScan *so)
{
	return so->num_heaped > 0 ? coder_lower_bound(&so->index->coder.fine,
												  so->heap[0].bound, 0)
							  : INFINITY;
}

static CoarseEntry *
resize_entries(IvfScan *so, CoarseEntry *entries)
{
	Size bytes = sizeof(CoarseEntry) * so->coarse_allocated;

	return entries == NULL ? MemoryContextAllocHuge(so->context, bytes)
						   : repalloc_huge(entries, bytes);
}

/* Make room for so many more entries. */
static void
reserve_coarse(IvfScan *so, uint32 more)
{
	uint32 count = so->num_heaped + so->num_others + more;

	if (count <= so->coarse_allocated)
		return;
	so->coarse_allocated = Max(so->coarse_allocated * 2, count);
	so->heap = resize_entries(so, so->heap);
	so->others = resize_entries(so, so->others);
}

/* Have all entries ordered anew, after more have come. */
static void
order_coarse(IvfScan *so)
{
	if (so->num_heaped > 0)
		memcpy(so->others + so->num_others, so->heap,
			   sizeof(CoarseEntry) * so->num_heaped);
	so->num_others += so->num_heaped;
	so->num_heaped = 0;
	if (so->num_others > 0)
		fill_heap(so, FIRST_HEAPED);
}

/* ------------------------------------------------------------------------
 * Reading lists
 * ------------------------------------------------------------------------
 */

/* Is the row gone, or was it returned before the scan began anew? */
static bool
is_to_skip(IvfScan *so, const ItemPointerData *tid)
{
	return !ItemPointerIsValid(tid) ||
		   (so->anew && returned_lookup(so->returned, *tid) != NULL);
}

static void
add_pending(IvfScan *so, const ItemPointerData *tid, const VectorCode *code)
{
	Candidate *candidate = MemoryContextAlloc(so->context, sizeof(Candidate));

	ivf_query_bounds(&so->query, code, &candidate->bound,
					 &candidate->upper_bound);
	candidate->tid = *tid;
	pairingheap_add(so->pending, &candidate->node);
}

/*
 * Score the fine codes of all entries of a segment; false if it was given to
 * another list meanwhile.
 */
static bool
score_segment(IvfScan *so, const ReadSegment *segment)
{
	IvfIndex		  *index = so->index;
	const IvfGeometry *geometry = &index->geometry;

	for (uint32 entry = 0; entry < segment->count;)
	{
		uint32 end = Min(segment->count, ivf_fine_end(geometry, entry));
		Buffer buffer = index_pin_page(index->rel,
									   ivf_segment_block(geometry,
														 segment->number) +
										   ivf_fine_page(geometry, entry));
		Page   page = BufferGetPage(buffer);
		bool   ours;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		ivf_check_page(index->rel, buffer, ivf_fine_kind(geometry, entry));
		ours = IvfPageGetHeader(page)->version == segment->version;
		for (; ours && entry < end; entry++)
		{
			if (!is_to_skip(so, &segment->tids[entry]))
				add_pending(so, &segment->tids[entry],
							(const VectorCode *) ivf_fine_slot(geometry, page,
															   entry));
		}
		UnlockReleaseBuffer(buffer);
		if (!ours)
			return false;
	}
	return true;
}

/*
 * Score a block of coarse codes; `first` is the entry of its first lane.  Those
 * without a row stay out when they are refined, as few are.
 */
static void
score_block(IvfScan *so, uint32 count, const char *block, uint32 first)
{
	float  bounds[IVF_BLOCK_ENTRIES];
	uint32 lanes = Min(count - first, IVF_BLOCK_ENTRIES);
	uint32 place = (so->num_segments - 1) * so->index->geometry.capacity +
				   first;
	CoarseEntry *entries;

	rabitq_score(&so->coarse_query, block, NULL, bounds);
	reserve_coarse(so, lanes);
	entries = so->others + so->num_others;
	for (uint32 i = 0; i < lanes; i++)
	{
		entries[i].bound = bounds[i];
		entries[i].place = place + i;
	}
	so->num_others += lanes;
}

/* A place to note another segment. */
static ReadSegment *
add_segment(IvfScan *so)
{
	if (so->num_segments == so->segments_allocated)
	{
		so->segments_allocated = Max(so->segments_allocated * 2, 32);
		so->segments = so->segments == NULL
						   ? MemoryContextAlloc(so->context,
												sizeof(ReadSegment) *
													so->segments_allocated)
						   : repalloc_huge(so->segments,
										   sizeof(ReadSegment) *
											   so->segments_allocated);
	}
	return &so->segments[so->num_segments++];
}

/*
 * Read one segment; false if it has another version by now.
 */
static bool
read_segment(IvfScan *so, const IvfListRef *list, uint32 number)
{
	const IvfGeometry *geometry = &so->index->geometry;
	Buffer buffer = ivf_lock_segment(so->index, number, BUFFER_LOCK_SHARE);
	Page   page = BufferGetPage(buffer);
	const IvfSegment *segment = IvfPageGetSegment(page);
	ReadSegment		 *read;

	if (IvfPageGetHeader(page)->version != list->version ||
		segment->list != list->list)
	{
		UnlockReleaseBuffer(buffer);
		return false;
	}
	read = add_segment(so);
	read->number = number;
	read->version = list->version;
	read->next = segment->next;
	read->depth = segment->depth;
	read->count = segment->count;
	so->entries += segment->count;
	read->tids = palloc(sizeof(ItemPointerData) * Max(segment->count, 1));
	memcpy(read->tids, segment->tids,
		   sizeof(ItemPointerData) * segment->count);
	if (geometry->block_bytes > 0 && geometry->coarse_pages == 0)
	{
		for (uint32 first = 0; first < read->count; first += IVF_BLOCK_ENTRIES)
			score_block(so, read->count,
						IvfPageGetContents(page) + geometry->coarse_offset +
							first / IVF_BLOCK_ENTRIES * geometry->block_bytes,
						first);
	}
	UnlockReleaseBuffer(buffer);

	if (geometry->block_bytes == 0)
		return score_segment(so, read);
	if (geometry->coarse_pages > 0)
	{
		for (uint32 first = 0; first < read->count; first += IVF_BLOCK_ENTRIES)
		{
			if (!ivf_copy_block(so->index, number, list->version,
								first / IVF_BLOCK_ENTRIES, so->block))
				return false;
			score_block(so, read->count, so->block, first);
		}
	}
	return true;
}

/*
 * Prepare for the coarse codes of a list: they are relative to its centroid.
 * False if that is another one by now.
 */
static bool
prepare_list(IvfScan *so, const IvfListRef *list)
{
	const IvfCoder *coder = &so->index->coder;
	IvfListRef		now;

	if (!coder->coarse)
		return true;
	now = ivf_read_known_list(so->index, &so->ranking.state, list->list,
							  so->centroid, NULL);
	if (now.version != list->version)
		return false;
	ivf_decode_centroid(coder, so->centroid, so->centroid_point);
	rabitq_query_centroid(&so->coarse_query,
						  (const float *) so->centroid_point);
	return true;
}

/*
 * Read a list; false if it was rewritten so that it cannot be read as it was.
 */
static bool
read_list(IvfScan *so, const IvfListRef *list)
{
	uint32 number = list->head;
	uint32 depth = 0;
	bool   first = true;
	bool   ours = prepare_list(so, list);

	while (number != IVF_NONE && ours)
	{
		CHECK_FOR_INTERRUPTS();
		ours = read_segment(so, list, number);
		if (ours)
		{
			const ReadSegment *segment = &so->segments[so->num_segments - 1];

			/* each counts one less than the one before: even a damaged list ends */
			if (!first && segment->depth != depth - 1)
				ivf_report_broken_list(so->index->rel, list->list);
			first = false;
			depth = segment->depth;
			number = segment->next;
		}
	}
	return ours;
}

/* ------------------------------------------------------------------------
 * Beginning, and beginning anew
 * ------------------------------------------------------------------------
 */

static void
clear_candidates(IvfScan *so)
{
	while (!pairingheap_is_empty(so->pending))
		pfree(pairingheap_container(Candidate, node,
									pairingheap_remove_first(so->pending)));
	while (!pairingheap_is_empty(so->ready))
		pfree(pairingheap_container(Candidate, node,
									pairingheap_remove_first(so->ready)));
	for (uint32 i = 0; i < so->num_segments; i++)
		pfree(so->segments[i].tids);
	so->num_segments = 0;
	so->num_heaped = so->num_others = 0;
}

/* Rank the lists; memory comes from the current context. */
static void
rank_lists(IvfScan *so)
{
	ivf_rank_lists(so->index, &so->list_query, &so->ranking);
	so->probed = 0;
	so->entries = 0;
	if (so->ranking.num_lists > 0)
		so->nearest = so->ranking.lists[0].distance;
}

/*
 * A list that the scan wanted to read was rewritten, so that its centroid is
 * another one, or its segments are in use again.  Rank the lists as they are
 * now, to read as many as wanted (there may be more of them than before); rows
 * that were returned already are skipped.
 */
static void
begin_anew(IvfScan *so)
{
	MemoryContext old_context = MemoryContextSwitchTo(so->context);

	/* the directory changes before anything else of a list does */
	if (ivf_read_epoch(so->index) == so->ranking.state.epoch)
		ereport(
			ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has segments that do not fit their lists",
					RelationGetRelationName(so->index->rel)),
			 errhint("Please REINDEX it.")));

	clear_candidates(so);
	so->anew = true;
	if (so->ranking.lists != NULL)
		pfree(so->ranking.lists);
	rank_lists(so);
	MemoryContextSwitchTo(old_context);
}

/* Is the next list to be read, too? */
static bool
next_is_wanted(const IvfScan *so)
{
	return so->ranking.num_lists > 0 &&
		   (so->probed < so->wanted ||
			(so->automatic &&
			 ivf_list_gap(&so->list_query, so->nearest,
						  so->ranking.lists[0].distance) <= so->reach));
}

/*
 * Read lists until so many have been read, and all within reach; false if there
 * were none to read.
 */
static bool
probe(IvfScan *so, uint32 wanted)
{
	MemoryContext old_context = MemoryContextSwitchTo(so->context);
	bool		  any = false;

	so->wanted = wanted;
	while (next_is_wanted(so))
	{
		IvfListRef list = ivf_next_list(&so->ranking);

		if (read_list(so, &list))
			so->probed++;
		else
			begin_anew(so);
		any = true;
	}
	order_coarse(so);
	MemoryContextSwitchTo(old_context);
	return any;
}

/*
 * How many lists the scan reads at first: ivfflat.probes, or more for a target
 * recall.
 */
static uint32
first_probes(IvfScan *so)
{
	double	 probes = ivfflat_probes;
	IvfReach reach;

	so->automatic = ivfflat_target_recall > 0;
	if (so->automatic)
	{
		reach = ivf_reach(&so->ranking.state, ivfflat_target_recall);
		so->reach = reach.gap;
		if (!reach.measured)
			probes = Max(probes, reach.probes);
	}
	return (uint32) probes;
}

/*
 * How many lists a scan has read when it has gone on, because a query needs more
 * rows; 0 if it does not.
 */
static uint32
more_probes(const IvfScan *so)
{
	uint32 step = ivfflat_probes;

	if (so->automatic)
		step = Max(step, so->probed / 2);
	else if (ivfflat_iterative_scan == IVFFLAT_ITERATIVE_SCAN_OFF)
		return 0;
	if (so->probed >= (uint32) ivfflat_max_probes)
		return 0;
	return Min(so->probed + step, (uint32) ivfflat_max_probes);
}

/*
 * Of a scan with a target recall, before it returns another row: has it read
 * too little for so many rows?  Reads more, or returns false.
 */
static bool
read_ahead(IvfScan *so)
{
	return so->automatic &&
		   so->entries < so->returned->members * IVF_ENTRIES_PER_ROW &&
		   so->probed < (uint32) ivfflat_max_probes &&
		   probe(so, more_probes(so));
}

static void
start_scan(IndexScanDesc scan)
{
	IvfScan			  *so = (IvfScan *) scan->opaque;
	MemoryContext	   old_context;
	const ScanKeyData *order;
	const void		  *value = NULL;

	if (scan->numberOfOrderBys == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot scan ivfflat index without order")));
	if (scan->numberOfOrderBys > 1)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg(
				 "cannot scan ivfflat index in order of several distances")));
	if (!IsMVCCSnapshot(scan->xs_snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("non-MVCC snapshots are not supported with ivfflat")));

	MemoryContextReset(so->context);
	old_context = MemoryContextSwitchTo(MemoryContextGetParent(so->context));
	if (so->rows.scan == NULL)
		row_fetch_begin(&so->rows, scan);
	MemoryContextSwitchTo(so->context);
	so->index = ivf_open(scan->indexRelation);
	so->pending = pairingheap_allocate(compare_candidates, NULL);
	so->ready = pairingheap_allocate(compare_candidates, NULL);
	so->heap = so->others = NULL;
	so->num_heaped = so->num_others = so->coarse_allocated = 0;
	so->segments = NULL;
	so->num_segments = so->segments_allocated = 0;
	so->returned = returned_create(so->context, RETURNED_ROWS, NULL);
	so->anew = false;
	so->any_returned = false;
	so->probed = 0;

	order = &scan->orderByData[0];
	if ((order->sk_flags & SK_ISNULL) == 0)
	{
		value = PG_DETOAST_DATUM_COPY(order->sk_argument);
		coder_check_dimensions(&so->index->coder.fine, value);
	}
	ivf_query_init(&so->index->coder, value, &so->query, &so->list_query);
	if (so->index->coder.coarse)
	{
		rabitq_query_init(&so->coarse_query, so->index->coder.coarse_metric,
						  (const float *) so->list_query.point,
						  so->index->dimensions,
						  palloc(RABITQ_QUERY_BYTES(so->index->dimensions)));
		so->coarse_query.epsilon = COARSE_EPSILON;
		so->centroid = palloc(so->index->coder.code_bytes);
		so->centroid_point = palloc(so->index->coder.point_bytes);
		so->block = palloc(so->index->geometry.block_bytes);
	}

	pgstat_count_index_scan(scan->indexRelation);
	IndexScanCountSearch(scan);
	rank_lists(so);
	MemoryContextSwitchTo(old_context);
	so->started = true;
	(void) probe(so, first_probes(so));
}

/* ------------------------------------------------------------------------
 * Refining
 * ------------------------------------------------------------------------
 */

static inline Candidate *
first_of(pairingheap *heap)
{
	return pairingheap_is_empty(heap)
			   ? NULL
			   : pairingheap_container(Candidate, node,
									   pairingheap_first(heap));
}

/*
 * Let the CPU fetch the fine code that is looked at next, if its page is where
 * it was.
 */
static inline void
prefetch_code(IvfScan *so)
{
	const IvfGeometry *geometry = &so->index->geometry;
	uint32			   place = so->heap[0].place;
	uint32			   entry = place % geometry->capacity;

	index_prefetch_page_part(
		so->index->rel,
		ivf_segment_block(geometry,
						  so->segments[place / geometry->capacity].number) +
			ivf_fine_page(geometry, entry),
		ivf_fine_offset(geometry, entry),
		Min(geometry->code_bytes, PREFETCHED_BYTES));
}

/*
 * Read the fine code of the entry with the least coarse bound.  False if the
 * scan had to begin anew.
 */
static bool
refine_coarse(IvfScan *so)
{
	IvfIndex		  *index = so->index;
	const IvfGeometry *geometry = &index->geometry;
	CoarseEntry		   coarse = take_coarse(so);
	uint32			   entry = coarse.place % geometry->capacity;
	const ReadSegment
		*segment = &so->segments[coarse.place / geometry->capacity];
	const ItemPointerData *tid = &segment->tids[entry];
	Buffer				   buffer;
	Page				   page;
	bool				   ours;

	if (so->num_heaped > 0)
		prefetch_code(so);
	if (is_to_skip(so, tid))
		return true;
	buffer = index_pin_page(index->rel,
							ivf_segment_block(geometry, segment->number) +
								ivf_fine_page(geometry, entry));
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	ivf_check_page(index->rel, buffer, ivf_fine_kind(geometry, entry));
	ours = IvfPageGetHeader(page)->version == segment->version;
	if (ours)
		add_pending(so, tid,
					(const VectorCode *) ivf_fine_slot(geometry, page, entry));
	UnlockReleaseBuffer(buffer);
	if (!ours)
	{
		begin_anew(so);
		(void) probe(so, so->wanted);
	}
	return ours;
}

/*
 * Is a candidate, already taken from the pending ones, the nearest of those with
 * fine codes by its bounds alone?
 */
static bool
is_nearest_by_bounds(IvfScan *so, const Candidate *candidate)
{
	const Candidate *pending = first_of(so->pending);
	const Candidate *ready = first_of(so->ready);

	return (pending == NULL || candidate->upper_bound <= pending->bound) &&
		   (ready == NULL || candidate->upper_bound <= ready->bound) &&
		   (!so->any_returned || candidate->bound >= so->last_distance);
}

/*
 * Fetch the row of the pending candidate that may be the nearest: it becomes
 * ready, or is dropped because it is not visible.
 *
 * If it is the nearest by its bounds, its exact distance is of no interest: so
 * it is, mostly, where codes hold the values with little loss.  To see that, a
 * few more fine codes are worth reading, for the value is mostly in TOAST.
 */
static void
refine_pending(IvfScan *so)
{
	Candidate  *candidate = pairingheap_container(Candidate, node,
												  pairingheap_remove_first(
													  so->pending));
	bool		by_bounds = so->query.value == NULL;
	const void *value;

	CHECK_FOR_INTERRUPTS();
	if (!by_bounds)
	{
		while (is_nearest_by_bounds(so, candidate) &&
			   candidate->upper_bound > least_coarse_bound(so))
		{
			if (!refine_coarse(so))
			{
				/* the scan began anew, with this one among the others */
				pfree(candidate);
				return;
			}
		}
		by_bounds = is_nearest_by_bounds(so, candidate);
	}
	if (!row_fetch_visible(&so->rows, &candidate->tid,
						   by_bounds ? NULL : &value))
	{
		pfree(candidate);
		return;
	}
	if (by_bounds)
		candidate->bound = candidate->upper_bound;
	else
	{
		coder_check_dimensions(&so->index->coder.fine, value);
		candidate->bound = coder_exact_distance(&so->query, value);
		/* of a list that was read too late */
		if (so->automatic &&
			ivfflat_iterative_scan == IVFFLAT_ITERATIVE_SCAN_OFF &&
			so->any_returned && candidate->bound < so->last_distance)
		{
			pfree(candidate);
			return;
		}
	}
	pairingheap_add(so->ready, &candidate->node);
}

/*
 * Note that a row is returned; false if it was before.  An entry that moves to
 * another list is in both for a while, and the scan may have read both.
 */
static bool
note_returned(IvfScan *so, const ItemPointerData *tid)
{
	bool found;

	(void) returned_insert(so->returned, *tid, &found);
	return !found;
}

/* Find the next row in order; false if there is none. */
static bool
next_row(IndexScanDesc scan)
{
	IvfScan *so = (IvfScan *) scan->opaque;

	for (;;)
	{
		Candidate *pending = first_of(so->pending);
		Candidate *ready = first_of(so->ready);
		double	   coarse = least_coarse_bound(so);

		if (so->num_heaped > 0 &&
			(pending == NULL || coarse < pending->bound) &&
			(ready == NULL || !(ready->bound <= coarse)))
			(void) refine_coarse(so);
		else if (ready != NULL &&
				 (pending == NULL || so->query.value == NULL ||
				  ready->bound <= pending->bound))
		{
			bool is_new;

			if (read_ahead(so))
				continue;
			is_new = note_returned(so, &ready->tid);
			scan->xs_heaptid = ready->tid;
			scan->xs_recheck = false;
			scan->xs_recheckorderby = false;
			so->last_distance = ready->bound;
			so->any_returned = true;
			(void) pairingheap_remove_first(so->ready);
			pfree(ready);
			if (is_new)
				return true;
		}
		else if (pending != NULL)
			refine_pending(so);
		else
		{
			uint32 wanted = more_probes(so);

			if (wanted == 0 || !probe(so, wanted))
				return false;
		}
	}
}

bool
ivf_get_tuple(IndexScanDesc scan, ScanDirection dir)
{
	IvfScan *so = (IvfScan *) scan->opaque;
	bool	 found;

	Assert(ScanDirectionIsForward(dir));
	if (!so->started)
		start_scan(scan);
	found = next_row(scan);

	row_fetch_let_go(&so->rows);
	return found;
}
