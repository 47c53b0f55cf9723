/*
 * hnsw_search.c
 *		Best-first search of the graph on codes.
 *
 * Algorithm 2 of Malkov & Yashunin (2018), with the candidate queue and the
 * result set as one sorted array, the beam: the nearest candidate not yet
 * expanded is expanded until there is none.  Candidates that the beam has no
 * room for are kept, so that a search can be widened and continued, which is
 * how rows that turn out to be dead or filtered are replaced.
 *
 * Elements are read one page visit at a time and no lock is held between two
 * visits (README, "What a reader may see").
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"

#include "hnsw/hnsw.h"

/* Bytes of a code that are prefetched while its predecessor is scored. */
#define PREFETCH_BYTES	 512
#define CACHE_LINE_BYTES 64

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
clear_visited(HnswVisited *visited)
{
	for (uint32 i = 0; i <= visited->mask; i++)
		visited->slots[i] = HNSW_NONE;
	visited->count = 0;
}

static void
allocate_visited(HnswSearch *search, uint64 num_slots)
{
	HnswVisited *visited = &search->visited;

	visited->slots = MemoryContextAllocHuge(search->context,
											sizeof(HnswElement) * num_slots);
	visited->mask = num_slots - 1;
	visited->shift = 32 - pg_ceil_log2_32(num_slots);
	clear_visited(visited);
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
	search->hop = palloc(sizeof(HnswElement) * 2 * index->m);
	allocate_visited(search, INITIAL_VISITED_SLOTS);
	search->code.context = CurrentMemoryContext;
}

static inline void
prefetch_code(const HnswCode *code, Size bytes)
{
	const char *p = (const char *) code;

	bytes = Min(bytes, PREFETCH_BYTES);
	for (Size i = 0; i < bytes; i += CACHE_LINE_BYTES)
		__builtin_prefetch(p + i);
}

static inline HnswCandidate
make_candidate(HnswSearch *search, HnswElement element, const HnswCode *code)
{
	HnswCandidate candidate;

	candidate.element = element;
	candidate.distance = hnsw_query_distance(search->query, code,
											 &candidate.error);
	return candidate;
}

typedef void (*ScoreCallback)(HnswSearch *search, HnswCandidate candidate);

/* Score codes that cannot be read in place, or not all of them. */
static void
score_loaded(HnswSearch *search, HnswElement element, const HnswCode *code,
			 ScoreCallback accept)
{
	/* an element that was freed meanwhile has nothing to offer */
	if (code != NULL)
		accept(search, make_candidate(search, element, code));
}

/*
 * Score the elements of search->hop.  The page of the next one is pinned and
 * its code prefetched before the current one is scored.  Lists are mostly in
 * the order of numbers, so the next page is often the same.
 */
static inline void
score_hop(HnswSearch *search, int count, ScoreCallback accept)
{
	HnswIndex  *index = search->index;
	Buffer		buffer = InvalidBuffer;
	BlockNumber block = InvalidBlockNumber;
	uint32		slot = 0;
	bool		in_place = hnsw_codes_in_place(index);

	search->scored += count;
	if (index->geometry.codes_per_page == 0)
	{
		for (int i = 0; i < count; i++)
			score_loaded(search, search->hop[i],
						 hnsw_load_code(index, search->hop[i], &search->code),
						 accept);
		return;
	}

	for (int i = -1; i < count; i++)
	{
		Buffer	  next_buffer = InvalidBuffer;
		HnswPlace next = hnsw_no_place;

		if (i + 1 < count)
		{
			next = hnsw_code_place(index, search->hop[i + 1]);
			if (next.block == block)
			{
				IncrBufferRefCount(buffer);
				next_buffer = buffer;
			}
			else
				next_buffer = hnsw_pin_page(index, next.block);
			block = next.block;
			__builtin_prefetch(HnswPageGetHeader(BufferGetPage(next_buffer)));
			prefetch_code(hnsw_code_in_page(index, next_buffer, next.slot),
						  index->geometry.code_slot_bytes);
		}
		if (i >= 0 && in_place)
		{
			HnswCandidate candidate;

			hnsw_begin_code_read(index, buffer);
			candidate = make_candidate(search, search->hop[i],
									   hnsw_code_in_page(index, buffer, slot));
			hnsw_end_code_read(index, buffer);
			accept(search, candidate);
		}
		else if (i >= 0)
			score_loaded(search, search->hop[i],
						 hnsw_assemble_code(index, search->hop[i], buffer,
											slot, &search->code),
						 accept);
		buffer = next_buffer;
		slot = next.slot;
	}
}

static HnswCandidate
score_element(HnswSearch *search, HnswElement element)
{
	HnswCandidate	candidate = {FLT_MAX, 0, element};
	const HnswCode *code = hnsw_load_code(search->index, element,
										  &search->code);

	if (code != NULL)
		candidate = make_candidate(search, element, code);
	search->scored++;
	return candidate;
}

/* ------------------------------------------------------------------------
 * Upper levels
 * ------------------------------------------------------------------------
 */

static void
keep_nearest(HnswSearch *search, HnswCandidate candidate)
{
	if (candidate.distance < search->beam[0].distance)
		search->beam[0] = candidate;
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
	reserve_beam(search, 1);
	search->beam[0] = score_element(search, from.element);

	for (int l = from.level; l > level; l--)
	{
		HnswElement last;

		do
		{
			uint32 count;
			int	   fresh = 0;

			CHECK_FOR_INTERRUPTS();
			last = search->beam[0].element;
			count = hnsw_read_list(search->index, last, l, search->edges);
			for (uint32 i = 0; i < count; i++)
			{
				/* what was no nearer when seen before is not now */
				if (visit(search, HNSW_EDGE_TARGET(search->edges[i])))
					search->hop[fresh++] = HNSW_EDGE_TARGET(search->edges[i]);
			}
			score_hop(search, fresh, keep_nearest);
		} while (search->beam[0].element != last);
	}
	return search->beam[0];
}

/* ------------------------------------------------------------------------
 * The heap of candidates that found no place in the beam
 * ------------------------------------------------------------------------
 */

static inline bool
nearer(const HnswCandidate *a, const HnswCandidate *b)
{
	return a->distance < b->distance;
}

static void
sift_down(HnswCandidate *heap, int count, int i)
{
	HnswCandidate moving = heap[i];

	for (;;)
	{
		int child = 2 * i + 1;

		if (child >= count)
			break;
		if (child + 1 < count && nearer(&heap[child + 1], &heap[child]))
			child++;
		if (!nearer(&heap[child], &moving))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = moving;
}

static void
push_rest(HnswSearch *search, const HnswCandidate *candidate)
{
	HnswCandidate *heap;
	int			   i;

	if (search->rest_count == search->rest_allocated)
	{
		search->rest_allocated = Max(1024, 2 * search->rest_allocated);
		if (search->rest == NULL)
			search->rest = MemoryContextAlloc(search->context,
											  sizeof(HnswCandidate) *
												  search->rest_allocated);
		else
			search->rest = repalloc_huge(search->rest,
										 sizeof(HnswCandidate) *
											 search->rest_allocated);
	}
	heap = search->rest;
	i = search->rest_count++;
	heap[i] = *candidate;
	if (!search->rest_is_heap)
		return;

	while (i > 0 && nearer(candidate, &heap[(i - 1) / 2]))
	{
		heap[i] = heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap[i] = *candidate;
}

static HnswCandidate
pop_rest(HnswSearch *search)
{
	HnswCandidate nearest = search->rest[0];

	Assert(search->rest_is_heap && search->rest_count > 0);
	search->rest[0] = search->rest[--search->rest_count];
	if (search->rest_count > 0)
		sift_down(search->rest, search->rest_count, 0);
	return nearest;
}

/* ------------------------------------------------------------------------
 * The beam
 * ------------------------------------------------------------------------
 */

static void
offer(HnswSearch *search, HnswCandidate candidate)
{
	HnswCandidate *beam = search->beam;
	int			   low = 0;
	int			   high = search->beam_count;

	if (search->beam_count == search->beam_limit)
	{
		if (search->beam_limit == 0 ||
			candidate.distance >= beam[search->beam_count - 1].distance)
		{
			push_rest(search, &candidate);
			return;
		}
		push_rest(search, &beam[search->beam_count - 1]);
		search->beam_count--;
		high--;
	}

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (candidate.distance < beam[middle].distance)
			high = middle;
		else
			low = middle + 1;
	}
	memmove(&beam[low + 1], &beam[low],
			sizeof(HnswCandidate) * (search->beam_count - low));
	beam[low] = candidate;
	search->beam_count++;
	if ((candidate.element & HNSW_EXPANDED) == 0 && low < search->next)
		search->next = low;
	else if (low < search->next)
		search->next++;
}

/* Expand the nearest unexpanded candidate of the beam until there is none. */
static void
run(HnswSearch *search)
{
	for (;;)
	{
		HnswElement element;
		uint32		count;
		int			fresh = 0;

		while (search->next < search->beam_count &&
			   (search->beam[search->next].element & HNSW_EXPANDED) != 0)
			search->next++;
		if (search->next >= search->beam_count)
			return;

		CHECK_FOR_INTERRUPTS();
		element = search->beam[search->next].element;
		search->beam[search->next].element |= HNSW_EXPANDED;

		count = hnsw_read_list(search->index, element, search->level,
							   search->edges);
		for (uint32 i = 0; i < count; i++)
		{
			HnswElement neighbour = HNSW_EDGE_TARGET(search->edges[i]);

			if (visit(search, neighbour))
				search->hop[fresh++] = neighbour;
		}
		score_hop(search, fresh, offer);
	}
}

void
hnsw_search_level(HnswSearch *search, const HnswCandidate *start, int count,
				  int level, int ef)
{
	search->level = level;
	clear_visited(&search->visited);
	search->rest_count = 0;
	search->rest_is_heap = false;
	search->next = 0;

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

	if (!search->rest_is_heap)
	{
		for (int i = search->rest_count / 2 - 1; i >= 0; i--)
			sift_down(search->rest, search->rest_count, i);
		search->rest_is_heap = true;
	}

	reserve_beam(search, search->beam_limit + more + 1);
	search->beam_limit += more;
	while (search->beam_count < search->beam_limit && search->rest_count > 0)
	{
		HnswCandidate candidate = pop_rest(search);

		offer(search, candidate);
		any = true;
	}
	run(search);
	return any;
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
			   ((Size) search->beam_allocated + search->rest_allocated) +
		   sizeof(HnswElement) * ((Size) search->visited.mask + 1);
}
