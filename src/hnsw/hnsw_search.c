/*
 * hnsw_search.c
 *		Best-first search of the graph on codes.
 *
 * Algorithm 2 of Malkov & Yashunin (2018), with the candidate queue and the
 * result set as one sorted array (two heaps if large), the beam: the nearest
 * candidates not yet expanded are expanded until there are none, several at once
 * (README, "Steps of a search").  Candidates that the beam has no
 * room for are kept, so that a search can be widened and continued, which is
 * how rows that turn out to be dead or filtered are replaced.
 *
 * Elements are read one page visit at a time and no lock is held between two
 * visits (README, "What a reader may see").
 */
#include "postgres.h"

#include "executor/instrument.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/spccache.h"

#include "hnsw/hnsw.h"
#include "hnsw/hnsw_inline.h"

/* Codes that are prefetched while one is scored, and bytes of each. */
#define PREFETCH_BYTES 512
#define PREFETCH_AHEAD 4

/* Lists that are prefetched before the first of several is read. */
#define LISTS_AHEAD 2

/* Lists with inline codes that are read ahead from a device. */
#define INLINE_LISTS_AHEAD 4

/* Elements expanded before, for each but one that are expanded at once. */
#define EXPANDED_BEFORE 2

/*
 * Reading ahead, in microseconds: what comes from a device, and not from the kernel's
 * cache in some 3, of which asking for it would cost another one; and what says no
 * more of the device, but that the process had to wait for a CPU.
 */
#ifdef USE_ASSERT_CHECKING
#define SLOW_READ -1.0 /* so that tests come to it, too */
#else
#define SLOW_READ 20.0
#endif
#define LONGEST_READ 200.0

/* Of the last reads that were not asked for ahead, by this backend, on average. */
#define READS_ON_AVERAGE 8

static double read_time = 0;

/*
 * Pages asked for at once, at least: up to 17 effective_io_concurrency is 1 unless
 * somebody has changed it, which it is for devices of long ago.  0 turns it off.
 */
#define LEAST_IO_CONCURRENCY 16

/* ------------------------------------------------------------------------
 * The elements seen so far
 *
 * A flat table of nothing but numbers, half empty at least: several look-ups an
 * element scored make it worth a table of its own, a third of simplehash's size
 * and without its bookkeeping.
 * ------------------------------------------------------------------------
 */
#define INITIAL_VISITED_SLOTS 2048

static void
empty_slots(HnswVisited *visited)
{
	for (uint32 i = 0; i <= visited->mask; i++)
		visited->slots[i] = HNSW_NONE;
	visited->count = 0;
}

static void
clear_visited(HnswVisited *visited)
{
	if (visited->count > 0)
		empty_slots(visited);
}

static void
allocate_visited(HnswSearch *search, uint64 num_slots)
{
	HnswVisited *visited = &search->visited;

	visited->slots = MemoryContextAllocHuge(search->context,
											sizeof(HnswElement) * num_slots);
	visited->mask = num_slots - 1;
	visited->shift = 32 - pg_ceil_log2_32(num_slots);
	empty_slots(visited);
}

/* The slot of an element, or the empty one that it would get. */
static inline HnswElement *
visited_slot(const HnswVisited *visited, HnswElement element)
{
	/* Fibonacci hashing: the high bits of the product depend on all of it */
	uint32 i = (uint32) (element * 0x9E3779B1U) >> visited->shift;

	while (visited->slots[i & visited->mask] != element &&
		   visited->slots[i & visited->mask] != HNSW_NONE)
		i++;
	return &visited->slots[i & visited->mask];
}

static void
grow_visited(HnswSearch *search)
{
	HnswVisited *visited = &search->visited;
	HnswVisited	 old = *visited;

	allocate_visited(search, 2 * ((uint64) old.mask + 1));
	for (uint32 i = 0; i <= old.mask; i++)
	{
		if (old.slots[i] != HNSW_NONE)
			*visited_slot(visited, old.slots[i]) = old.slots[i];
	}
	visited->count = old.count;
	pfree(old.slots);
}

/* Note an element; true if it was not seen before. */
static inline bool
visit(HnswSearch *search, HnswElement element)
{
	HnswVisited *visited = &search->visited;
	HnswElement *slot = visited_slot(visited, element);

	if (*slot == element)
		return false;
	*slot = element;
	if (unlikely(++visited->count > visited->mask / 2))
		grow_visited(search);
	return true;
}

void
hnsw_search_init(HnswSearch *search, HnswIndex *index, const HnswQuery *query)
{
	memset(search, 0, sizeof(HnswSearch));
	search->index = index;
	search->query = query;
	search->context = CurrentMemoryContext;
	search->edges = palloc(sizeof(uint32) * 2 * index->m);
	search->hop = palloc(sizeof(HnswElement) * HNSW_MAX_HOP);
	search->targets = palloc(sizeof(HnswTarget) * HNSW_MAX_HOP);
	search->scores = palloc(sizeof(HnswCandidate) * HNSW_MAX_HOP);
	allocate_visited(search, INITIAL_VISITED_SLOTS);
	search->code.context = CurrentMemoryContext;
	search->io_concurrency = 0;
}

static inline HnswCandidate
make_candidate(HnswSearch *search, HnswElement element, const VectorCode *code)
{
	HnswCandidate candidate;

	candidate.element = element;
	candidate.distance = hnsw_query_distance(search->query, code,
											 search->error_limit,
											 &candidate.error);
	return candidate;
}

typedef void (*ScoreCallback)(HnswSearch *search, HnswCandidate candidate);

/* Get a slot, or its first `bytes`, into the CPU's caches. */
static inline void
prefetch_slot(const HnswIndex *index, HnswPlace at, uint32 slot_bytes,
			  uint32 bytes)
{
	index_prefetch_page_part(index->rel, at.block,
							 HNSW_CONTENT_OFFSET + at.slot * slot_bytes,
							 Min(slot_bytes, bytes));
}

static inline void
prefetch_code(HnswSearch *search, HnswPlace at)
{
	prefetch_slot(search->index, at, search->index->geometry.codes.slot_bytes,
				  PREFETCH_BYTES);
}

static inline HnswTarget
find_code(HnswSearch *search, HnswElement element)
{
	HnswTarget target = {element, hnsw_code_place(search->index, element)};

	return target;
}

/*
 * Find where the codes of search->hop are, and put those on one page next to each
 * other: sorted by a hash of the page, counting first, which takes no branches
 * that cannot be guessed.  Pages of the same hash may be mixed up, which costs a
 * visit more.
 */
static void
group_by_page(HnswSearch *search, int count)
{
	HnswTarget found[HNSW_MAX_HOP];
	uint16	   used[HNSW_PAGE_GROUPS + 1];
	int		   num_used = 0;
	int		   start = 0;

	for (int i = 0; i < count; i++)
	{
		uint16 group;

		found[i] = find_code(search, search->hop[i]);
		group = found[i].code.block % HNSW_PAGE_GROUPS;
		used[num_used] = group;
		num_used += search->groups[group] == 0;
		search->groups[group]++;
	}

	/* from their sizes to where they begin */
	for (int i = 0; i < num_used; i++)
	{
		int size = search->groups[used[i]];

		search->groups[used[i]] = start;
		start += size;
	}
	for (int i = 0; i < count; i++)
	{
		uint16 group = found[i].code.block % HNSW_PAGE_GROUPS;

		search->targets[search->groups[group]++] = found[i];
	}
	for (int i = 0; i < num_used; i++)
		search->groups[used[i]] = 0;
}

/*
 * Have the pages of search->targets that are visited after `first` on their way, as
 * many as the tablespace's devices serve at once.
 */
static void
read_codes_ahead(HnswSearch *search, int first, int count)
{
	Relation	rel = search->index->rel;
	BlockNumber last = search->targets[first].code.block;
	int			pages = 0;

	for (int i = first + 1; i < count && pages < search->io_concurrency; i++)
	{
		BlockNumber block = search->targets[i].code.block;

		if (block == last)
			continue;
		last = block;
		pages++;
		if (i < search->read_ahead_end)
			continue;
		index_read_ahead(rel, block);
		search->read_ahead_end = i + 1;
	}
}

/*
 * Begin to read a page that is not where it was.  If it has to be read, others that
 * follow are likely to have to; so they are read ahead, provided that pages read
 * lately came from a device.
 */
static pg_noinline HnswCodePage
begin_missed_page(HnswSearch *search, int first, int count)
{
	HnswIndex	*index = search->index;
	BlockNumber	 block = search->targets[first].code.block;
	int64		 reads = pgBufferUsage.shared_blks_read;
	bool		 is_ahead = first < search->read_ahead_end;
	HnswCodePage page;
	instr_time	 start;
	instr_time	 end;

	/* in recovery every page comes here, and time is not to be asked for each */
	if (index_page_is_at_hand(index->rel, block))
		return hnsw_begin_code_page(index, block);

	search->io_concurrency = 0;
	if (read_time > SLOW_READ)
	{
		search->io_concurrency = get_tablespace_io_concurrency(
			index->rel->rd_rel->reltablespace);
		if (search->io_concurrency > 0)
			search->io_concurrency = Max(search->io_concurrency,
										 LEAST_IO_CONCURRENCY);
		read_codes_ahead(search, first, count);
	}

	INSTR_TIME_SET_CURRENT(start);
	page = hnsw_begin_code_page(index, block);
	if (is_ahead || pgBufferUsage.shared_blks_read == reads)
		return page;
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	read_time += (Min(INSTR_TIME_GET_MICROSEC(end), LONGEST_READ) -
				  read_time) /
				 READS_ON_AVERAGE;
	return page;
}

/*
 * Score the elements of search->targets from `first` on whose codes are on one
 * page, with one visit.  Returns where the others begin.
 */
static inline int
score_page(HnswSearch *search, int first, int count)
{
	HnswIndex		 *index = search->index;
	const HnswTarget *targets = search->targets;
	BlockNumber		  block = targets[first].code.block;
	HnswCodePage	  page = hnsw_begin_code_page_briefly(index, block);
	int				  i = first;

	if (unlikely(!BufferIsValid(page.buffer)))
		page = begin_missed_page(search, first, count);
	do
	{
		if (i + PREFETCH_AHEAD < count)
			prefetch_code(search, targets[i + PREFETCH_AHEAD].code);
		search->scores[i] = make_candidate(
			search, targets[i].element,
			hnsw_code_in_page(index, page.buffer, targets[i].code.slot));
		i++;
	} while (i < count && targets[i].code.block == block);
	hnsw_end_code_page(index, page);
	return i;
}

/* Score the elements of search->hop if their codes are not read in place. */
static void
score_loaded(HnswSearch *search, int count, ScoreCallback accept)
{
	HnswTarget *targets = search->targets;
	bool		in_slots = search->index->geometry.codes.per_page > 0;

	for (int i = 0; in_slots && i < count; i++)
	{
		targets[i] = find_code(search, search->hop[i]);
		if (i < PREFETCH_AHEAD)
			prefetch_code(search, targets[i].code);
	}
	for (int i = 0; i < count; i++)
	{
		const VectorCode *code;

		if (in_slots && i + PREFETCH_AHEAD < count)
			prefetch_code(search, targets[i + PREFETCH_AHEAD].code);
		code = hnsw_load_code(search->index, search->hop[i], &search->code);

		/* an element that was freed meanwhile has nothing to offer */
		if (code != NULL)
			accept(search, make_candidate(search, search->hop[i], code));
	}
}

/*
 * Score the elements of search->hop, those on one page with one visit.  Those of
 * one list are mostly in the order of numbers, so that they follow each other.
 */
static inline void
score_hop(HnswSearch *search, int count, bool several_lists,
		  ScoreCallback accept)
{
	HnswIndex *index = search->index;

	search->scored += count;
	if (unlikely(!hnsw_codes_in_place(index)))
	{
		score_loaded(search, count, accept);
		return;
	}
	if (several_lists)
		group_by_page(search, count);
	else
	{
		for (int i = 0; i < count; i++)
			search->targets[i] = find_code(search, search->hop[i]);
	}
	search->read_ahead_end = 0;
	for (int i = 0; i < Min(count, PREFETCH_AHEAD); i++)
		prefetch_code(search, search->targets[i].code);
	for (int i = 0; i < count;)
		i = score_page(search, i, count);
	for (int i = 0; i < count; i++)
		accept(search, search->scores[i]);
}

static HnswCandidate
score_element(HnswSearch *search, HnswElement element)
{
	HnswCandidate	  candidate = {FLT_MAX, 0, element};
	const VectorCode *code = hnsw_load_code(search->index, element,
											&search->code);

	if (code != NULL)
		candidate = make_candidate(search, element, code);
	search->scored++;
	return candidate;
}

/*
 * Append the neighbours of an element that were not seen before to the `fresh`
 * elements of search->hop.  Returns how many these are then.
 */
static inline int
collect_neighbours(HnswSearch *search, HnswElement element, int level,
				   int fresh)
{
	HnswVisited *visited = &search->visited;
	uint32		 num_edges = hnsw_read_list(search->index, element, level,
											search->edges);
	int			 before = fresh;

	/* which ones were seen is hard to guess, so there is no branch for it */
	for (uint32 i = 0; i < num_edges; i++)
	{
		HnswElement	 neighbour = HNSW_EDGE_TARGET(search->edges[i]);
		HnswElement *slot = visited_slot(visited, neighbour);

		search->hop[fresh] = neighbour;
		fresh += *slot != neighbour;
		*slot = neighbour;
	}
	visited->count += fresh - before;
	if (unlikely(visited->count > visited->mask / 2))
		grow_visited(search);
	return fresh;
}

/* ------------------------------------------------------------------------
 * Upper levels
 * ------------------------------------------------------------------------
 */

static void
keep_nearest(HnswSearch *search, HnswCandidate candidate)
{
	if (candidate.distance < search->beam[0].distance)
	{
		search->beam[0] = candidate;
		search->error_limit = candidate.distance;
	}
}

static void
reserve_beam(HnswSearch *search, int size)
{
	if (size <= search->beam_allocated)
		return;
	search->beam_allocated = Max(size, 2 * search->beam_allocated);
	if (search->beam == NULL)
		search->beam = MemoryContextAlloc(search->context,
										  sizeof(HnswCandidate) *
											  search->beam_allocated);
	else
		search->beam = repalloc(search->beam, sizeof(HnswCandidate) *
												  search->beam_allocated);
}

HnswCandidate
hnsw_search_descend(HnswSearch *search, HnswEntryPoint from, int level)
{
	clear_visited(&search->visited);
	search->error_limit = INFINITY;
	reserve_beam(search, 1);
	search->beam[0] = score_element(search, from.element);
	search->error_limit = search->beam[0].distance;

	for (int l = from.level; l > level; l--)
	{
		HnswElement last;

		do
		{
			CHECK_FOR_INTERRUPTS();
			last = search->beam[0].element;
			/* what was no nearer when seen before is not now */
			score_hop(search, collect_neighbours(search, last, l, 0), false,
					  keep_nearest);
		} while (search->beam[0].element != last);
	}
	return search->beam[0];
}

/* ------------------------------------------------------------------------
 * Heaps of candidates
 * ------------------------------------------------------------------------
 */

static inline bool
nearer(const HnswCandidate *a, const HnswCandidate *b)
{
	return a->distance < b->distance;
}

static void
sift_down(HnswHeap *heap, int i)
{
	HnswCandidate *items = heap->items;
	HnswCandidate  moving = items[i];

	for (;;)
	{
		int child = 2 * i + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
			nearer(&items[child + 1], &items[child]))
			child++;
		if (!nearer(&items[child], &moving))
			break;
		items[i] = items[child];
		i = child;
	}
	items[i] = moving;
}

/* Append a candidate; until heap_order is called there is no order. */
static void
heap_append(MemoryContext context, HnswHeap *heap, HnswCandidate candidate)
{
	if (heap->count == heap->allocated)
	{
		heap->allocated = Max(1024, 2 * heap->allocated);
		if (heap->items == NULL)
			heap->items = MemoryContextAlloc(context, sizeof(HnswCandidate) *
														  heap->allocated);
		else
			heap->items = repalloc_huge(heap->items, sizeof(HnswCandidate) *
														 heap->allocated);
	}
	heap->items[heap->count++] = candidate;
}

static void
heap_order(HnswHeap *heap)
{
	for (int i = heap->count / 2 - 1; i >= 0; i--)
		sift_down(heap, i);
}

static void
heap_push(MemoryContext context, HnswHeap *heap, HnswCandidate candidate)
{
	int			   i = heap->count;
	HnswCandidate *items;

	heap_append(context, heap, candidate);
	items = heap->items;
	while (i > 0 && nearer(&candidate, &items[(i - 1) / 2]))
	{
		items[i] = items[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	items[i] = candidate;
}

static HnswCandidate
heap_pop(HnswHeap *heap)
{
	HnswCandidate nearest = heap->items[0];

	heap->items[0] = heap->items[--heap->count];
	if (heap->count > 0)
		sift_down(heap, 0);
	return nearest;
}

/* Keep a candidate that the beam has no room for. */
static void
push_rest(HnswSearch *search, HnswCandidate candidate)
{
	if (search->rest_is_heap)
		heap_push(search->context, &search->rest, candidate);
	else
		heap_append(search->context, &search->rest, candidate);
}

/* ------------------------------------------------------------------------
 * The beam
 * ------------------------------------------------------------------------
 */

/*
 * How many of `count` candidates are no farther than that.  Which half it is
 * cannot be guessed, so there is no branch for it.
 */
static inline int
place_in_beam(const HnswCandidate *beam, int count, float distance)
{
	int low = 0;

	while (count > 1)
	{
		int half = count / 2;

		low += beam[low + half - 1].distance <= distance ? half : 0;
		count -= half;
	}
	return low + (count == 1 && beam[low].distance <= distance);
}

static void
offer(HnswSearch *search, HnswCandidate candidate)
{
	HnswCandidate *beam = search->beam;
	int			   low;

	if (search->beam_count == search->beam_limit)
	{
		if (search->beam_limit == 0 ||
			candidate.distance >= beam[search->beam_count - 1].distance)
		{
			push_rest(search, candidate);
			return;
		}
		push_rest(search, beam[search->beam_count - 1]);
		search->beam_count--;
	}

	low = place_in_beam(beam, search->beam_count, candidate.distance);
	memmove(&beam[low + 1], &beam[low],
			sizeof(HnswCandidate) * (search->beam_count - low));
	beam[low] = candidate;
	search->beam_count++;
	if (search->beam_count == search->beam_limit)
		search->error_limit = beam[search->beam_count - 1].distance;
	if ((candidate.element & HNSW_EXPANDED) == 0 && low < search->next)
		search->next = low;
	else if (low < search->next)
		search->next++;
}

/* ------------------------------------------------------------------------
 * Large beams
 *
 * Making room in a sorted array costs its length in the worst case, a search
 * that comes nearer and nearer.  Mostly candidates come near the end: measured
 * on 100,000 rows, the array is as fast as heaps up to 30,000 candidates, and
 * 1.2 times slower at 100,000.  So beams larger than that are taken apart into
 * two heaps, of what is to be expanded and of what is to be pushed out, and
 * sorted when they are done.
 * ------------------------------------------------------------------------
 */
#define LARGE_BEAM 32768

/*
 * Heaps have numbers of the pool in place of elements.  In `farthest`, which has
 * what the beam consists of, distances are negated; `unexpanded` may have what
 * was pushed out of the beam, with HNSW_NONE as the element in the pool.
 */
typedef struct HnswLargeBeam
{
	HnswHeap pool; /* not ordered */
	HnswHeap unexpanded;
	HnswHeap farthest;
} HnswLargeBeam;

static void
add_to_large_beam(HnswSearch *search, HnswCandidate candidate)
{
	HnswLargeBeam *large = search->large;
	HnswCandidate  item = {candidate.distance, 0, large->pool.count};

	heap_append(search->context, &large->pool, candidate);
	if ((candidate.element & HNSW_EXPANDED) == 0)
		heap_push(search->context, &large->unexpanded, item);
	item.distance = -item.distance;
	heap_push(search->context, &large->farthest, item);
}

static void
offer_large(HnswSearch *search, HnswCandidate candidate)
{
	HnswLargeBeam *large = search->large;

	if (large->farthest.count == search->beam_limit)
	{
		uint32 farthest = large->farthest.items[0].element;

		if (candidate.distance >= large->pool.items[farthest].distance)
		{
			push_rest(search, candidate);
			return;
		}
		push_rest(search, large->pool.items[farthest]);
		large->pool.items[farthest].element = HNSW_NONE;
		(void) heap_pop(&large->farthest);
	}
	add_to_large_beam(search, candidate);
}

static int
compare_candidates(const void *a, const void *b)
{
	const HnswCandidate *ca = a;
	const HnswCandidate *cb = b;

	return nearer(ca, cb) ? -1 : nearer(cb, ca) ? 1 : 0;
}

static void
free_heap(HnswHeap *heap)
{
	if (heap->items != NULL)
		pfree(heap->items);
}

/* run for large beams */
static void
run_large(HnswSearch *search)
{
	HnswLargeBeam large = {{0}};

	search->large = &large;
	for (int i = 0; i < search->beam_count; i++)
		add_to_large_beam(search, search->beam[i]);

	while (large.unexpanded.count > 0)
	{
		uint32		   number = heap_pop(&large.unexpanded).element;
		HnswCandidate *candidate = &large.pool.items[number];
		HnswElement	   element = candidate->element;

		CHECK_FOR_INTERRUPTS();
		if (element == HNSW_NONE)
			continue;
		candidate->element |= HNSW_EXPANDED;
		score_hop(search,
				  collect_neighbours(search, element, search->level, 0), false,
				  offer_large);
	}

	search->beam_count = large.farthest.count;
	for (int i = 0; i < search->beam_count; i++)
		search->beam[i] = large.pool.items[large.farthest.items[i].element];
	qsort(search->beam, search->beam_count, sizeof(HnswCandidate),
		  compare_candidates);
	search->next = search->beam_count;

	search->large = NULL;
	free_heap(&large.pool);
	free_heap(&large.unexpanded);
	free_heap(&large.farthest);
}

/* Go to the nearest candidate of the beam not yet expanded, if there is one. */
static inline bool
skip_expanded(HnswSearch *search)
{
	while (search->next < search->beam_count &&
		   (search->beam[search->next].element & HNSW_EXPANDED) != 0)
		search->next++;
	return search->next < search->beam_count;
}

/* The same for the list that is likely to be read next. */
static inline void
prefetch_list(HnswSearch *search, HnswElement element)
{
	HnswIndex *index = search->index;

	prefetch_slot(index, hnsw_list_place(index, element, search->level),
				  search->level == 0 ? index->geometry.list_bytes
									 : index->geometry.upper_bytes,
				  BLCKSZ);
}

/* The same as read_codes_ahead for the lists that are read next. */
static void
read_lists_ahead(HnswSearch *search, int limit)
{
	int left = Min(limit, search->io_concurrency);

	for (int i = search->next; i < search->beam_count && left > 0; i++)
	{
		HnswElement element = search->beam[i].element;

		if ((element & HNSW_EXPANDED) != 0)
			continue;
		index_read_ahead(
			search->index->rel,
			hnsw_list_place(search->index, element, search->level).block);
		left--;
	}
}

/* ------------------------------------------------------------------------
 * Inline codes
 *
 * The neighbours of an expanded element enter the beam by estimates of their
 * distances, which cost no visits of their own.  One that becomes the nearest
 * unexpanded candidate is given the distance that its own code says, and its
 * place by that, before it is expanded.  So what is left in the beam in the end
 * has the distances and errors that it has without inline codes.
 *
 * Estimates of one element from two others differ.  Elements whose estimate is
 * beyond the beam are therefore not noted as visited: another one may bring
 * them in.
 * ------------------------------------------------------------------------
 */

void
hnsw_search_use_inline_codes(HnswSearch *search)
{
	search->inline_query = hnsw_inline_query(search->index, search->query);
	search->estimates = palloc(sizeof(float) *
							   hnsw_inline_lanes(search->index->m));
}

/*
 * What is left in `rest` comes by estimates, some of the farther ones before
 * some of the nearer ones.
 */
void
hnsw_search_leave_inline_codes(HnswSearch *search)
{
	HnswHeap rest = search->rest;
	int		 count = 0;

	if (search->inline_query == NULL)
		return;
	search->inline_query = NULL;
	memset(&search->rest, 0, sizeof(HnswHeap));
	search->rest_is_heap = false;

	/* errors are for those that are going to be in the beam */
	search->error_limit = -INFINITY;
	for (int i = 0; i < rest.count; i++)
	{
		HnswCandidate *candidate = &rest.items[i];

		CHECK_FOR_INTERRUPTS();
		if (candidate->error == HNSW_ERROR_NOT_VISITED &&
			!visit(search, candidate->element))
			continue;
		if (candidate->error == HNSW_ERROR_NOT_VISITED ||
			candidate->error == HNSW_ERROR_ESTIMATED)
			search->hop[count++] = candidate->element;
		else
			push_rest(search, *candidate);
		if (count == 2 * (int) search->index->m)
		{
			score_hop(search, count, false, push_rest);
			count = 0;
		}
	}
	score_hop(search, count, false, push_rest);
	if (rest.items != NULL)
		pfree(rest.items);
}

/* Give the nearest unexpanded candidate its distance; it may go elsewhere. */
static void
resolve_nearest(HnswSearch *search)
{
	HnswCandidate *nearest = &search->beam[search->next];

	search->hop[0] = nearest->element;
	search->beam_count--;
	memmove(nearest, nearest + 1,
			sizeof(HnswCandidate) * (search->beam_count - search->next));

	/* there is room for it now, so its error is wanted in any case */
	search->error_limit = INFINITY;
	score_hop(search, 1, false, offer);
}

/* Offer the neighbours of an element by their estimates. */
static void
expand_by_estimates(HnswSearch *search, HnswElement element, float distance)
{
	uint32 count = hnsw_inline_score(search->index, search->inline_query,
									 element, distance, search->edges,
									 search->estimates);

	for (uint32 i = 0; i < count; i++)
	{
		HnswCandidate candidate = {search->estimates[i], HNSW_ERROR_ESTIMATED,
								   HNSW_EDGE_TARGET(search->edges[i])};

		if (search->beam_count == search->beam_limit &&
			(search->beam_limit == 0 ||
			 candidate.distance >=
				 search->beam[search->beam_count - 1].distance))
		{
			candidate.error = HNSW_ERROR_NOT_VISITED;
			push_rest(search, candidate);
		}
		else if (visit(search, candidate.element))
			offer(search, candidate);
	}
}

/* run by inline codes */
static void
run_by_estimates(HnswSearch *search)
{
	HnswIndex *index = search->index;

	Assert(search->level == 0);
	while (skip_expanded(search))
	{
		HnswCandidate *nearest = &search->beam[search->next];

		CHECK_FOR_INTERRUPTS();
		if (nearest->error == HNSW_ERROR_ESTIMATED)
		{
			resolve_nearest(search);
			continue;
		}
		nearest->element |= HNSW_EXPANDED;
		if (unlikely(search->io_concurrency > 0))
			read_lists_ahead(search, INLINE_LISTS_AHEAD);
		expand_by_estimates(search, nearest->element & ~HNSW_EXPANDED,
							nearest->distance);
		if (!skip_expanded(search))
			break;

		nearest = &search->beam[search->next];
		if (nearest->error == HNSW_ERROR_ESTIMATED)
			prefetch_slot(index, hnsw_code_place(index, nearest->element),
						  index->geometry.codes.slot_bytes, BLCKSZ);
		prefetch_list(search, nearest->element);
	}
}

/* Prefetch the list of the next unexpanded candidate; returns where to go on. */
static inline int
prefetch_next_list(HnswSearch *search, int i)
{
	for (; i < search->beam_count; i++)
	{
		HnswElement element = search->beam[i].element;

		if ((element & HNSW_EXPANDED) == 0)
		{
			prefetch_list(search, element);
			return i + 1;
		}
	}
	return i;
}

/*
 * Expand the nearest unexpanded candidates at once, `limit` at most and as many
 * as there is room for.  Returns their number.
 */
static int
expand_nearest(HnswSearch *search, int limit)
{
	int ahead = search->next;
	int count = 0;
	int fresh = 0;

	if (unlikely(search->io_concurrency > 0))
		read_lists_ahead(search, limit);
	for (int i = 0; i < Min(limit, LISTS_AHEAD); i++)
		ahead = prefetch_next_list(search, ahead);
	do
	{
		HnswCandidate *nearest = &search->beam[search->next];

		ahead = prefetch_next_list(search, ahead);
		nearest->element |= HNSW_EXPANDED;
		fresh = collect_neighbours(search, HnswCandidateElement(nearest),
								   search->level, fresh);
		count++;
	} while (count < limit &&
			 fresh + 2 * (int) search->index->m <= HNSW_MAX_HOP &&
			 skip_expanded(search));
	score_hop(search, fresh, count > 1, offer);
	return count;
}

/* Expand the nearest unexpanded candidate of the beam until there is none. */
static void
run(HnswSearch *search)
{
	bool several = hnsw_codes_in_place(search->index);
	int	 expanded = 0;

	if (search->beam_limit >= LARGE_BEAM)
	{
		run_large(search);
		return;
	}
	if (search->inline_query != NULL)
	{
		run_by_estimates(search);
		return;
	}
	while (skip_expanded(search))
	{
		CHECK_FOR_INTERRUPTS();
		expanded += expand_nearest(search, several
											   ? 1 + expanded / EXPANDED_BEFORE
											   : 1);
	}
}

void
hnsw_search_level(HnswSearch *search, const HnswCandidate *start, int count,
				  int level, int ef)
{
	search->level = level;
	clear_visited(&search->visited);
	search->error_limit = INFINITY;
	search->rest.count = 0;
	search->rest_is_heap = false;
	search->next = 0;
	if (ef >= LARGE_BEAM)
		search->inline_query = NULL;

	reserve_beam(search, ef + 1);
	search->beam_count = 0;
	search->beam_limit = ef;
	for (int i = 0; i < count; i++)
	{
		HnswCandidate candidate = start[i];

		candidate.element &= ~HNSW_EXPANDED;
		if (visit(search, candidate.element))
			offer(search, candidate);
	}
	run(search);
}

/*
 * The entry point is mostly far away and left in `rest` unexpanded, but a
 * search that is widened far enough gets from it to every element.
 */
void
hnsw_search_from(HnswSearch *search, HnswEntryPoint from, int level, int ef)
{
	HnswCandidate start[2];
	int			  count = 0;

	if (level == 0)
		start[count++] = hnsw_search_descend(search, from, from.level);
	start[count++] = hnsw_search_descend(search, from, level);
	hnsw_search_level(search, start, count, level, ef);
}

bool
hnsw_search_widen(HnswSearch *search, int more)
{
	bool any = false;

	reserve_beam(search, search->beam_limit + more + 1);
	search->beam_limit += more;
	if (search->beam_limit >= LARGE_BEAM)
		hnsw_search_leave_inline_codes(search);
	search->error_limit = INFINITY;

	if (!search->rest_is_heap)
	{
		heap_order(&search->rest);
		search->rest_is_heap = true;
	}
	while (search->beam_count < search->beam_limit && search->rest.count > 0)
	{
		HnswCandidate candidate = heap_pop(&search->rest);

		if (candidate.error == HNSW_ERROR_NOT_VISITED)
		{
			if (!visit(search, candidate.element))
				continue;
			candidate.error = HNSW_ERROR_ESTIMATED;
		}
		if (candidate.error == CODER_ERROR_UNKNOWN)
		{
			candidate.error =
				score_element(search, HnswCandidateElement(&candidate)).error;
			search->scored--; /* it was counted before */
		}

		/* as they come by distance, each goes to the end or near it */
		offer(search, candidate);
		any = true;
	}
	run(search);
	return any;
}

void
hnsw_search_anew(HnswSearch *search, HnswEntryPoint from, int ef)
{
	HnswVisited *before = &search->found_before;

	Assert(search->beam_count == 0 && search->rest.count == 0);
	if (before->slots != NULL)
	{
		for (uint32 i = 0; i <= before->mask; i++)
		{
			if (before->slots[i] != HNSW_NONE)
				(void) visit(search, before->slots[i]);
		}
		pfree(before->slots);
	}
	*before = search->visited;
	allocate_visited(search, INITIAL_VISITED_SLOTS);
	hnsw_search_from(search, from, 0, ef);
}

void
hnsw_search_consume(HnswSearch *search, int count)
{
	Assert(count <= search->beam_count);
	search->beam_count -= count;
	search->beam_limit -= count;
	search->next = Max(search->next - count, 0);
	memmove(search->beam, search->beam + count,
			sizeof(HnswCandidate) * search->beam_count);
}

Size
hnsw_search_memory(const HnswSearch *search)
{
	return sizeof(HnswCandidate) *
			   ((Size) search->beam_allocated + search->rest.allocated) +
		   sizeof(HnswElement) *
			   ((Size) search->visited.mask + 1 + search->found_before.mask);
}

bool
hnsw_search_found_before(const HnswSearch *search, HnswElement element)
{
	return search->found_before.slots != NULL &&
		   *visited_slot(&search->found_before, element) == element;
}
