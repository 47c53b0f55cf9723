/*
 * hnsw_graph.c
 *		The graph in memory while an index is built.
 *
 * Arrays indexed by element number (index/build_array.h): codes, entries,
 * neighbour lists with the distances of their edges.  Linking an element is
 * Algorithm 1 of Malkov & Yashunin (2018), with two differences:
 *
 * An element's level is a function of its number, not drawn at random, so the
 * lists of upper levels are an array like any other.
 *
 * On level 0 every element but the first gets a parent, and the edges between
 * the two are never dropped.  They form a tree over all elements, so each can
 * be reached from each other whatever else selection does.
 *
 * All that processes share is in HnswGraphShared and the arrays.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/s_lock.h"
#include "utils/memutils.h"

#include "hnsw/hnsw_graph.h"
#include "hnsw/hnsw_select.h"

#define CACHE_LINE_BYTES 64

/* Bytes of a code that are prefetched before it is compared. */
#define PREFETCH_BYTES 256

/* Candidates of the beam that are counted as one first. */
#define BEAM_STEP 8

#define EXPANDED ((uint32) 0x80000000)

/* Codes of varying size are kept in units of this many bytes. */
#define CODE_UNIT 4

/* With this limit a chunk has 512 kB, the largest code 128 kB. */
#define MIN_VARYING_LIMIT ((Size) 32 * 1024 * 1024)

#define MIN_BUCKETS 1024

static inline float *
list_distances(HnswGraphList *list, uint32 capacity)
{
	return (float *) (list->edges + capacity);
}

static inline Size
list_bytes(uint32 capacity)
{
	return offsetof(HnswGraphList, edges) +
		   (sizeof(uint32) + sizeof(float)) * capacity;
}

/* ------------------------------------------------------------------------
 * Loading
 * ------------------------------------------------------------------------
 */

void
hnsw_graph_attach(HnswGraph *graph, const HnswIndex *index,
				  HnswGraphShared *shared, int participants, Size memory_limit,
				  uint32 code_bytes)
{
	MemoryContext old_context;
	bool		  alone = participants == 1;
	Size		  limit = memory_limit;
	Size		  codes_limit = memory_limit;

	memset(graph, 0, sizeof(HnswGraph));
	graph->coder = &index->coder;
	graph->geometry = index->geometry;
	graph->code_bytes = code_bytes;
	graph->ef_construction = index->ef_construction;
	graph->seed = index->seed;
	graph->participants = participants;
	graph->memory_limit = memory_limit;
	graph->shared = shared;
	graph->list_bytes = list_bytes(2 * index->m);
	graph->upper_bytes = list_bytes(index->m);
	graph->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw graph",
										   ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(graph->context);

	/* a code of varying size must fit into a chunk */
	if (code_bytes == 0)
		codes_limit = Max(limit, MIN_VARYING_LIMIT);

#define INIT_ARRAY(name, bytes) \
	build_array_init(&graph->name, alone ? NULL : &shared->name, bytes, limit)
	build_array_init(&graph->codes, alone ? NULL : &shared->codes,
					 code_bytes == 0 ? CODE_UNIT : code_bytes, codes_limit);
	INIT_ARRAY(code_places, sizeof(uint64));
	INIT_ARRAY(entries, sizeof(HnswGraphEntry));
	INIT_ARRAY(rows, sizeof(HnswGraphRow));
	INIT_ARRAY(buckets, sizeof(uint32));
	INIT_ARRAY(lists, graph->list_bytes);
	INIT_ARRAY(uppers, graph->upper_bytes);
	INIT_ARRAY(starts, sizeof(HnswElement));
	INIT_ARRAY(arrivals, sizeof(HnswElement));
#undef INIT_ARRAY

	MemoryContextSwitchTo(old_context);
}

/*
 * Bytes that an element takes at the peak, which is while the graph is linked
 * or written: by then the buckets are gone.
 */
Size
hnsw_graph_element_memory(const HnswGraph *graph)
{
	return (graph->code_bytes == 0 ? sizeof(uint64) : graph->code_bytes) +
		   sizeof(HnswGraphEntry) + graph->list_bytes +
		   graph->upper_bytes / (graph->geometry.m - 1) +
		   sizeof(uint8) * (graph->participants + 1) + /* visited, seen */
		   4 * sizeof(HnswElement);					   /* orders */
}

bool
hnsw_graph_init(HnswGraph *graph, const HnswIndex *index,
				HnswGraphShared *shared, int participants, Size memory_limit,
				uint32 code_bytes, double expected_rows)
{
	double max_elements;

	hnsw_graph_attach(graph, index, shared, participants, memory_limit,
					  code_bytes);
	shared->is_upper = false;
	shared->guests = 0;
	shared->entry_point = HNSW_NONE;
	pg_atomic_init_u32(&shared->num_elements, 0);
	pg_atomic_init_u32(&shared->num_rows, 0);
	pg_atomic_init_u64(&shared->code_units, 0);

	/* there is no tranche of our own unless the library is preloaded */
	LWLockInitialize(&shared->memory_lock, LWTRANCHE_PARALLEL_QUERY_DSA);
	for (int i = 0; i < HNSW_GRAPH_VALUE_LOCKS; i++)
		LWLockInitialize(&shared->value_locks[i],
						 LWTRANCHE_PARALLEL_QUERY_DSA);

	max_elements = Min((double) memory_limit /
						   hnsw_graph_element_memory(graph),
					   HNSW_MAX_ELEMENT);
	max_elements = Min(max_elements, expected_rows);
	shared->num_buckets = MIN_BUCKETS;
	while (shared->num_buckets < max_elements)
		shared->num_buckets *= 2;
	return build_array_fill(&graph->buckets, shared->num_buckets);
}

bool
hnsw_graph_is_full(const HnswGraph *graph)
{
	HnswGraphShared *shared = graph->shared;
	uint64			 elements = pg_atomic_read_u32(&shared->num_elements) + 1;
	uint64			 rows = pg_atomic_read_u32(&shared->num_rows) + 1;
	Size			 bytes;

	bytes = hnsw_graph_element_memory(graph) * elements +
			sizeof(HnswGraphRow) * rows +
			CODE_UNIT * pg_atomic_read_u64(&shared->code_units);
	/* numbers leave room for what rounding up to whole pages adds */
	return bytes > graph->memory_limit ||
		   elements + rows > HNSW_MAX_ELEMENT - 3 * BLCKSZ;
}

/* Make sure that this process has the chunk of an item. */
static inline bool
make_room(HnswGraph *graph, BuildArray *array, Size item)
{
	bool result;

	if (likely(array->chunks[item >> array->shift] != NULL))
		return true;
	LWLockAcquire(&graph->shared->memory_lock, LW_EXCLUSIVE);
	result = build_array_extend(array, item, SIZE_MAX);
	LWLockRelease(&graph->shared->memory_lock);
	return result;
}

static bool
add_further_row(HnswGraph *graph, HnswGraphEntry *entry, ItemPointer tid)
{
	uint32 number = pg_atomic_fetch_add_u32(&graph->shared->num_rows, 1);
	HnswGraphRow *row;

	if (!make_room(graph, &graph->rows, number))
		return false;
	row = build_array_item(&graph->rows, number);
	row->tid = *tid;
	if (entry->last_row == HNSW_GRAPH_NO_ROW)
		row->next_row = number;
	else
	{
		HnswGraphRow *last = build_array_find(&graph->rows, entry->last_row);

		row->next_row = last->next_row;
		last->next_row = number;
	}
	entry->last_row = number;
	return true;
}

/* A place for a code of varying size, within one chunk. */
static bool
place_code(HnswGraph *graph, HnswElement element, uint32 code_bytes,
		   Size *place)
{
	Size units = code_bytes / CODE_UNIT;
	Size first;

	do
	{
		first = pg_atomic_fetch_add_u64(&graph->shared->code_units, units);
	} while (first >> graph->codes.shift !=
			 (first + units - 1) >> graph->codes.shift);

	if (!make_room(graph, &graph->code_places, element))
		return false;
	*(uint64 *) build_array_item(&graph->code_places, element) = first;
	*place = first;
	return true;
}

static bool
add_element(HnswGraph *graph, const HnswCode *code, uint32 code_bytes,
			uint64 hash, ItemPointer tid, HnswElement *element)
{
	HnswElement number = pg_atomic_fetch_add_u32(&graph->shared->num_elements,
												 1);
	Size		place = number;
	HnswGraphEntry *entry;

	if (graph->code_bytes == 0 &&
		!place_code(graph, number, code_bytes, &place))
		return false;
	if (!make_room(graph, &graph->codes, place) ||
		!make_room(graph, &graph->entries, number))
		return false;

	memcpy(build_array_item(&graph->codes, place), code, code_bytes);
	entry = build_array_item(&graph->entries, number);
	entry->hash = hash;
	entry->tid = *tid;
	entry->last_row = HNSW_GRAPH_NO_ROW;
	*element = number;
	return true;
}

/* The code of an element that any process added. */
static const HnswCode *
find_code(HnswGraph *graph, HnswElement element)
{
	Size place = element;

	if (graph->code_bytes == 0)
		place = *(uint64 *) build_array_find(&graph->code_places, element);
	return build_array_find(&graph->codes, place);
}

bool
hnsw_graph_add(HnswGraph *graph, const HnswCode *code, uint32 code_bytes,
			   uint64 hash, ItemPointer tid)
{
	HnswGraphShared *shared = graph->shared;
	uint32			 bucket = (uint32) hash & (shared->num_buckets - 1);
	LWLock	   *lock = &shared->value_locks[bucket % HNSW_GRAPH_VALUE_LOCKS];
	uint32	   *last;
	HnswElement element;
	bool		result;

	/* held until the row is there: nobody else adds the same value */
	LWLockAcquire(lock, LW_EXCLUSIVE);
	last = build_array_find(&graph->buckets, bucket);
	for (uint32 next = *last; next != 0;)
	{
		HnswGraphEntry *entry = build_array_find(&graph->entries, next - 1);

		if (entry->hash == hash &&
			hnsw_codes_equal(graph->coder, code, find_code(graph, next - 1)))
		{
			result = add_further_row(graph, entry, tid);
			LWLockRelease(lock);
			return result;
		}
		next = entry->next_value;
	}

	result = add_element(graph, code, code_bytes, hash, tid, &element);
	if (result)
	{
		hnsw_graph_entry(graph, element)->next_value = *last;
		*last = element + 1;
	}
	LWLockRelease(lock);
	return result;
}

/* The numbers of elements and rows, and what follows from them. */
static void
count_elements(HnswGraph *graph)
{
	HnswExtent extent = {0};
	uint32	   per_page = Max(graph->geometry.codes.per_page, 1);

	graph->num_elements = pg_atomic_read_u32(&graph->shared->num_elements);
	graph->num_rows = pg_atomic_read_u32(&graph->shared->num_rows);

	/* the last page of codes gets full, with free slots for later elements */
	extent.elements = (graph->num_elements + per_page - 1) / per_page *
					  per_page;
	hnsw_extent_layout(&graph->geometry, &extent, &graph->layout);
}

static Size
upper_slots(const HnswGraph *graph)
{
	return (Size) (graph->layout.codes - graph->layout.uppers) *
		   graph->geometry.uppers_per_page;
}

bool
hnsw_graph_finish_loading(HnswGraph *graph)
{
	HnswGraphShared *shared = graph->shared;

	build_array_free(&graph->buckets);
	count_elements(graph);
	if (!build_array_fill(&graph->lists,
						  graph->num_elements + shared->guests) ||
		!build_array_fill(&graph->uppers, upper_slots(graph)) ||
		!build_array_fill(&graph->starts, graph->num_elements) ||
		!build_array_fill(&graph->arrivals, graph->num_elements))
		return false;

	/* the highest is the first: so nobody has to change the entry point */
	shared->entry_level = -1;
	for (HnswElement i = 0; i < graph->num_elements; i++)
	{
		int level = hnsw_graph_level(graph, i);

		if (level <= shared->entry_level)
			continue;
		shared->entry_point = i;
		shared->entry_level = level;
	}
	return true;
}

/* Get to know the codes of so many elements. */
static void
attach_codes(HnswGraph *graph, uint32 count)
{
	build_array_attach(&graph->codes,
					   graph->code_bytes == 0
						   ? pg_atomic_read_u64(&graph->shared->code_units)
						   : count);
	if (graph->code_bytes == 0)
		build_array_attach(&graph->code_places, count);
}

void
hnsw_graph_attach_rows(HnswGraph *graph)
{
	count_elements(graph);
	attach_codes(graph, graph->num_elements);
	build_array_attach(&graph->entries, graph->num_elements);
	build_array_attach(&graph->rows, graph->num_rows);
}

void
hnsw_graph_begin_linking(HnswGraph *graph)
{
	/* their memory is free once nobody has it */
	build_array_detach(&graph->buckets);
	hnsw_graph_attach_rows(graph);
	build_array_attach(&graph->lists,
					   graph->num_elements + graph->shared->guests);
	build_array_attach(&graph->uppers, upper_slots(graph));
	build_array_attach(&graph->starts, graph->num_elements);
	build_array_attach(&graph->arrivals, graph->num_elements);
}

void
hnsw_graph_detach(HnswGraph *graph)
{
	build_array_detach(&graph->codes);
	build_array_detach(&graph->code_places);
	build_array_detach(&graph->entries);
	build_array_detach(&graph->rows);
	build_array_detach(&graph->buckets);
	build_array_detach(&graph->lists);
	build_array_detach(&graph->uppers);
	build_array_detach(&graph->starts);
	build_array_detach(&graph->arrivals);
	MemoryContextDelete(graph->context);
	graph->context = NULL;
}

void
hnsw_graph_free(HnswGraph *graph)
{
	build_array_free(&graph->codes);
	build_array_free(&graph->code_places);
	build_array_free(&graph->entries);
	build_array_free(&graph->rows);
	build_array_free(&graph->buckets);
	build_array_free(&graph->lists);
	build_array_free(&graph->uppers);
	build_array_free(&graph->starts);
	build_array_free(&graph->arrivals);
	MemoryContextDelete(graph->context);
	memset(graph, 0, sizeof(HnswGraph));
}

/* ------------------------------------------------------------------------
 * Lists
 *
 * A list is changed under its version: whoever makes it odd has the list to
 * itself until it makes it even again.  Nothing but copying is done meanwhile.
 * ------------------------------------------------------------------------
 */

/*
 * Searches read lists without looking at the version.  Every word that they
 * read was an edge of the list, or is one, whatever happens at the same time:
 * edges are there before the count includes them, and are read after it.
 */
static inline int
list_count(const HnswGraphList *list)
{
	int count = ((const volatile HnswGraphList *) list)->count;

	pg_read_barrier();
	return count;
}

static inline uint32
list_edge(const HnswGraphList *list, int i)
{
	return ((const volatile HnswGraphList *) list)->edges[i];
}

/* Take the list if its version is still this one, which is even. */
static inline bool
try_lock_list(HnswGraphList *list, uint32 version)
{
	return pg_atomic_compare_exchange_u32(&list->version, &version,
										  version + 1);
}

/* Returns the version that it had. */
static uint32
lock_list(HnswGraphList *list)
{
	SpinDelayStatus delay;
	uint32			version = pg_atomic_read_u32(&list->version);

	if (likely(version % 2 == 0 && try_lock_list(list, version)))
		return version;

	init_local_spin_delay(&delay);
	do
	{
		perform_spin_delay(&delay);
		version = pg_atomic_read_u32(&list->version);
	} while (version % 2 != 0 || !try_lock_list(list, version));
	finish_spin_delay(&delay);
	return version;
}

/* version: what it was when the list was locked. */
static inline void
unlock_list(HnswGraphList *list, uint32 version)
{
	pg_write_barrier();
	pg_atomic_write_u32(&list->version, version + 2);
}

/* ------------------------------------------------------------------------
 * Search
 * ------------------------------------------------------------------------
 */

void
hnsw_graph_worker_init(HnswGraphWorker *worker, HnswGraph *graph)
{
	MemoryContext context = graph->context;
	uint32		  capacity = hnsw_graph_capacity(graph, 0);
	uint32		  ef = graph->ef_construction;

	memset(worker, 0, sizeof(HnswGraphWorker));
	worker->graph = graph;
	worker->visited = MemoryContextAllocExtended(context, graph->num_elements,
												 MCXT_ALLOC_HUGE |
													 MCXT_ALLOC_ZERO);
	worker->beam = MemoryContextAlloc(context,
									  sizeof(HnswGraphCandidate) * (ef + 1));
	worker->hop = MemoryContextAlloc(context, sizeof(HnswElement) * capacity);
	worker->codes = MemoryContextAlloc(context, sizeof(HnswCode *) * capacity);
	worker->distances = MemoryContextAlloc(context, sizeof(float) * capacity);
	worker->candidates = MemoryContextAlloc(context,
											sizeof(HnswNeighbour) * ef);
	worker->old_list = MemoryContextAlloc(context, sizeof(HnswNeighbour) *
													   (capacity + 1));
}

static inline void
prefetch(const void *address, Size bytes)
{
	for (Size i = 0; i < bytes; i += CACHE_LINE_BYTES)
		__builtin_prefetch((const char *) address + i);
}

static inline const HnswCode *
prefetch_code(const HnswGraph *graph, HnswElement element)
{
	const HnswCode *code = hnsw_graph_code(graph, element);

	prefetch(code, graph->code_bytes == 0
					   ? PREFETCH_BYTES
					   : Min(graph->code_bytes, PREFETCH_BYTES));
	return code;
}

static inline void
prefetch_list(const HnswGraph *graph, HnswElement element, int level)
{
	if (level == 0)
		prefetch(hnsw_graph_list(graph, element & ~EXPANDED, 0),
				 graph->list_bytes / 2);
}

/* Forget which elements were visited: a new epoch, now and then a clean slate. */
static void
start_visiting(HnswGraphWorker *worker)
{
	if (++worker->epoch == 0)
	{
		memset(worker->visited, 0, worker->graph->num_elements);
		worker->epoch = 1;
	}
}

/* Walk to ever nearer neighbours on an upper level. */
static HnswGraphCandidate
descend(const HnswGraph *graph, const HnswCode *code, HnswGraphCandidate from,
		int level)
{
	HnswElement		hop[HNSW_MAX_M];
	const HnswCode *codes[HNSW_MAX_M];
	float			distances[HNSW_MAX_M];
	HnswElement		last;

	do
	{
		const HnswGraphList *list = hnsw_graph_list(graph, from.element,
													level);

		int count = list_count(list);

		last = from.element;
		for (int i = 0; i < count; i++)
		{
			hop[i] = list_edge(list, i);
			codes[i] = prefetch_code(graph, hop[i]);
		}
		hnsw_code_distances(graph->coder, code, codes, count, distances);
		for (int i = 0; i < count; i++)
		{
			if (distances[i] < from.distance)
			{
				from.distance = distances[i];
				from.element = hop[i];
			}
		}
	} while (from.element != last);

	return from;
}

/*
 * How many of the beam are at most so far away?  First by every eighth of them,
 * then among eight: by counting, for which way branches would go is anyone's
 * guess, and no comparison needs to wait for another.
 */
static inline int
count_nearer(const HnswGraphCandidate *beam, int count, float distance)
{
	int low = 0;
	int nearer = 0;

	for (int i = BEAM_STEP - 1; i < count; i += BEAM_STEP)
		low += beam[i].distance <= distance;
	low *= BEAM_STEP;
	for (int i = low; i < Min(low + BEAM_STEP - 1, count); i++)
		nearer += beam[i].distance <= distance;
	return low + nearer;
}

/*
 * Put a candidate into the beam if it has room or the candidate is nearer than
 * its last one.  Returns its place, or INT_MAX.
 */
static inline int
offer(HnswGraphWorker *worker, HnswElement element, float distance)
{
	HnswGraphCandidate *beam = worker->beam;
	int					low = 0;

	if (worker->beam_count == worker->graph->ef_construction)
	{
		if (distance >= beam[worker->beam_count - 1].distance)
			return INT_MAX;
		worker->beam_count--;
	}

	low = count_nearer(beam, worker->beam_count, distance);
	memmove(&beam[low + 1], &beam[low],
			sizeof(HnswGraphCandidate) * (worker->beam_count - low));
	beam[low].distance = distance;
	beam[low].element = element;
	worker->beam_count++;
	return low;
}

/*
 * Search a level from one start: the beam becomes the ef_construction nearest
 * elements found, by ascending distance.
 */
static void
search_level(HnswGraphWorker *worker, const HnswCode *code,
			 HnswGraphCandidate start, int level)
{
	const HnswGraph	   *graph = worker->graph;
	HnswGraphCandidate *beam = worker->beam;
	HnswElement		   *hop = worker->hop;
	const HnswCode	  **codes = worker->codes;
	float			   *distances = worker->distances;
	uint8			   *visited = worker->visited;
	uint8				epoch;
	int					next = 0;

	start_visiting(worker);
	epoch = worker->epoch;
	visited[start.element] = epoch;
	worker->beam_count = 1;
	beam[0] = start;

	while (next < worker->beam_count)
	{
		const HnswGraphList *list;
		int					 count;
		int					 fresh = 0;

		if ((beam[next].element & EXPANDED) != 0)
		{
			next++;
			continue;
		}

		/*
		 * Loop after loop rather than one: only the last has branches that
		 * cannot be predicted, and distances are computed together.
		 */
		list = hnsw_graph_list(graph, beam[next].element, level);
		beam[next].element |= EXPANDED;
		count = list_count(list);
		for (int i = 0; i < count; i++)
		{
			HnswElement neighbour = HNSW_EDGE_TARGET(list_edge(list, i));

			hop[fresh] = neighbour;
			fresh += visited[neighbour] != epoch;
			visited[neighbour] = epoch;
		}

		next++;
		for (int i = 0; i < fresh; i++)
			codes[i] = prefetch_code(graph, hop[i]);
		if (next < worker->beam_count)
			prefetch_list(graph, beam[next].element, level);
		hnsw_code_distances(graph->coder, code, codes, fresh, distances);

		for (int i = 0; i < fresh; i++)
		{
			int place = offer(worker, hop[i], distances[i]);

			if (place <= next)
			{
				next = place;
				prefetch_list(graph, hop[i], level);
			}
		}
	}

	for (int i = 0; i < worker->beam_count; i++)
		beam[i].element &= ~EXPANDED;
}

/* ------------------------------------------------------------------------
 * Linking
 *
 * Nobody knows a new element until all of its own lists are written and it is
 * joined with its parent: the edge from there is the first one to it.  So
 * whatever finds an element, and may become its child, finds it in the tree.
 * ------------------------------------------------------------------------
 */

static uint32
count_protected(const HnswGraph *graph, HnswElement element)
{
	const HnswGraphList *list = hnsw_graph_list(graph, element, 0);
	int					 count = list_count(list);
	uint32				 result = 0;

	for (int i = 0; i < count; i++)
		result += HNSW_EDGE_IS_PROTECTED(list_edge(list, i));
	return result;
}

static inline HnswSelection
list_selection(const HnswGraph *graph, int level, int limit)
{
	HnswSelection selection = hnsw_list_selection(graph->geometry.m, level,
												  limit);

	if (graph->shared->is_upper)
		selection.slack = HNSW_UPPER_SLACK;
	return selection;
}

/*
 * Add an edge to an element's list; if it is full, select again among its
 * edges and the new one.  False if the edge is protected and the list has m
 * such edges already.
 */
static bool
add_edge(HnswGraphWorker *worker, HnswElement element, int level, uint32 edge,
		 float distance)
{
	const HnswGraph *graph = worker->graph;
	HnswGraphList	*list = hnsw_graph_list(graph, element, level);
	int				 capacity = hnsw_graph_capacity(graph, level);
	float			*distances = list_distances(list, capacity);
	HnswNeighbour	*neighbours = worker->old_list;

	for (;;)
	{
		uint32 version = lock_list(list);
		int	   selected = list->selected;
		int	   count;

		if (HNSW_EDGE_IS_PROTECTED(edge) &&
			count_protected(graph, element) >= graph->geometry.m)
		{
			unlock_list(list, version);
			return false;
		}
		if (list->count < capacity)
		{
			list->edges[list->count] = edge;
			distances[list->count] = distance;
			pg_write_barrier();
			list->count++;
			unlock_list(list, version);
			return true;
		}
		for (int i = 0; i < capacity; i++)
		{
			neighbours[i].edge = list->edges[i];
			neighbours[i].distance = distances[i];
		}
		unlock_list(list, version);
		version += 2;

		/* what takes long is done without the lock */
		neighbours[capacity].edge = edge;
		neighbours[capacity].distance = distance;
		for (int i = 0; i <= capacity; i++)
			neighbours[i].code = hnsw_graph_code(graph,
												 HNSW_EDGE_TARGET(
													 neighbours[i].edge));
		count = hnsw_reselect_neighbours(graph->coder, neighbours, &selected,
										 capacity + 1,
										 list_selection(graph, level,
														capacity));

		/* and is done again if the list has changed since */
		if (!try_lock_list(list, version))
			continue;
		for (int i = 0; i < count; i++)
		{
			list->edges[i] = neighbours[i].edge;
			distances[i] = neighbours[i].distance;
		}
		list->count = count;
		list->selected = selected;
		unlock_list(list, version);
		return true;
	}
}

/*
 * Walk along the tree, never back, from an element with many children to one
 * with few: at the latest that is a leaf.  A list that changes at the moment
 * may seem to lead nowhere: then look again.
 */
static HnswElement
find_room(const HnswGraph *graph, HnswElement element)
{
	HnswElement previous = HNSW_NONE;

	while (count_protected(graph, element) >= graph->geometry.m)
	{
		const HnswGraphList *list = hnsw_graph_list(graph, element, 0);
		HnswElement			 next = HNSW_NONE;
		int					 count = list_count(list);

		for (int i = 0; i < count; i++)
		{
			uint32 edge = list_edge(list, i);

			if (HNSW_EDGE_IS_PROTECTED(edge) &&
				HNSW_EDGE_TARGET(edge) != previous)
				next = HNSW_EDGE_TARGET(edge);
		}
		if (next == HNSW_NONE)
			continue;
		previous = element;
		element = next;
	}
	return element;
}

/*
 * Make an element the parent of a new one, whose list of `count` edges nobody
 * knows yet.  False if it has enough children.  place: of the parent in the
 * list, or count if it is not in it.
 */
static bool
join_with(HnswGraphWorker *worker, HnswElement element, HnswElement parent,
		  int place, int count)
{
	const HnswGraph *graph = worker->graph;
	HnswGraphList	*list = hnsw_graph_list(graph, element, 0);
	float *distances = list_distances(list, hnsw_graph_capacity(graph, 0));
	float  distance;

	if (count_protected(graph, parent) >= graph->geometry.m)
		return false;

	/* room is left: selection stops at half the capacity of level 0 */
	if (place == count)
		distances[place] = hnsw_code_distance(graph->coder,
											  hnsw_graph_code(graph, element),
											  hnsw_graph_code(graph, parent));
	distance = distances[place];
	list->edges[place] = parent | HNSW_PROTECTED;
	list->count = Max(count, place + 1);
	if (add_edge(worker, parent, 0, element | HNSW_PROTECTED, distance))
		return true;

	/* others were faster */
	list->edges[place] = parent;
	list->count = count;
	return false;
}

/*
 * Join a new element with its parent: the nearest of its neighbours that has
 * few children, else the nearest such candidate.  So half of a list is always
 * left to the selection.  Returns the parent.
 */
static HnswElement
join_parent(HnswGraphWorker *worker, HnswElement element, int count)
{
	const HnswGraph *graph = worker->graph;
	HnswElement		 parent;

	for (int i = 0; i < count; i++)
	{
		parent = worker->candidates[i].edge;
		if (join_with(worker, element, parent, i, count))
			return parent;
	}
	for (int i = 0; i < worker->beam_count; i++)
	{
		parent = worker->beam[i].element;
		if (join_with(worker, element, parent, count, count))
			return parent;
	}
	do
	{
		parent = find_room(graph, worker->beam[0].element);
	} while (!join_with(worker, element, parent, count, count));
	return parent;
}

/*
 * Write a new element's own list on a level, chosen from the beam.  The
 * choice is left in worker->candidates, its size returned.
 */
static int
choose_neighbours(HnswGraphWorker *worker, HnswElement element, int level)
{
	const HnswGraph *graph = worker->graph;
	HnswGraphList	*list = hnsw_graph_list(graph, element, level);
	float *distances = list_distances(list, hnsw_graph_capacity(graph, level));
	HnswNeighbour *neighbours = worker->candidates;
	int			   selected = 0;
	int			   count;

	for (int i = 0; i < worker->beam_count; i++)
	{
		neighbours[i].distance = worker->beam[i].distance;
		neighbours[i].edge = worker->beam[i].element;
		neighbours[i].code = hnsw_graph_code(graph, worker->beam[i].element);
	}
	count = hnsw_reselect_neighbours(graph->coder, neighbours, &selected,
									 worker->beam_count,
									 list_selection(graph, level,
													graph->geometry.m));
	for (int i = 0; i < count; i++)
	{
		list->edges[i] = neighbours[i].edge;
		distances[i] = neighbours[i].distance;
	}
	list->count = count;
	list->selected = selected;
	return count;
}

/* Make a new element a neighbour of its neighbours on an upper level. */
static void
add_upper_backlinks(HnswGraphWorker *worker, HnswElement element, int level)
{
	const HnswGraph *graph = worker->graph;
	HnswGraphList	*list = hnsw_graph_list(graph, element, level);
	int				 count = list->count;

	/* with the first backlink the list is everybody's */
	memcpy(worker->hop, list->edges, sizeof(uint32) * count);
	memcpy(worker->distances,
		   list_distances(list, hnsw_graph_capacity(graph, level)),
		   sizeof(float) * count);
	for (int i = 0; i < count; i++)
		(void) add_edge(worker, worker->hop[i], level, element,
						worker->distances[i]);
}

/*
 * The nearest element found on a level, walking from the entry point.
 */
static HnswGraphCandidate
find_nearest(const HnswGraph *graph, const HnswCode *code, int level)
{
	HnswGraphCandidate nearest;

	nearest.element = graph->shared->entry_point;
	nearest.distance = hnsw_code_distance(graph->coder, code,
										  hnsw_graph_code(graph,
														  nearest.element));
	for (int l = graph->shared->entry_level; l >= level; l--)
		nearest = descend(graph, code, nearest, l);
	return nearest;
}

void
hnsw_graph_link(HnswGraphWorker *worker, HnswElement element,
				HnswElement start)
{
	HnswGraph		  *graph = worker->graph;
	const HnswCode	  *code = hnsw_graph_code(graph, element);
	int				   level = hnsw_graph_level(graph, element);
	int				   count = 0;
	HnswElement		   parent;
	HnswGraphCandidate nearest;

	if (start != HNSW_NONE)
	{
		nearest.element = start;
		nearest.distance = hnsw_code_distance(graph->coder, code,
											  hnsw_graph_code(graph, start));
	}
	else
		nearest = find_nearest(graph, code, level + 1);
	for (int l = level; l >= 0; l--)
	{
		search_level(worker, code, nearest, l);
		nearest = worker->beam[0];
		count = choose_neighbours(worker, element, l);
	}

	parent = join_parent(worker, element, count);
	for (int i = 0; i < count; i++)
	{
		HnswNeighbour *neighbour = &worker->candidates[i];

		if (neighbour->edge != parent)
			(void) add_edge(worker, neighbour->edge, 0, element,
							neighbour->distance);
	}
	for (int l = 1; l <= level; l++)
		add_upper_backlinks(worker, element, l);
}

/* ------------------------------------------------------------------------
 * Guests
 *
 * They have the numbers after those of the elements, for their codes and lists
 * alone.  No edge leads to them, so searches do not find them.
 * ------------------------------------------------------------------------
 */

void
hnsw_graph_reserve_guests(HnswGraph *graph, uint32 count)
{
	graph->shared->guests = count;
	graph->element_units = pg_atomic_read_u64(&graph->shared->code_units);
}

void
hnsw_graph_clear_guests(HnswGraph *graph)
{
	pg_atomic_write_u64(&graph->shared->code_units, graph->element_units);
}

bool
hnsw_graph_set_guest(HnswGraph *graph, uint32 guest, const HnswCode *code,
					 uint32 code_bytes)
{
	HnswElement number = graph->num_elements + guest;
	Size		place = number;

	Assert(guest < graph->shared->guests);
	if (graph->code_bytes == 0 &&
		!place_code(graph, number, code_bytes, &place))
		return false;
	if (!make_room(graph, &graph->codes, place))
		return false;
	memcpy(build_array_item(&graph->codes, place), code, code_bytes);
	return true;
}

void
hnsw_graph_attach_guests(HnswGraph *graph, uint32 count)
{
	attach_codes(graph, graph->num_elements + count);
}

void
hnsw_graph_link_guest(HnswGraphWorker *worker, uint32 guest, uint32 ef)
{
	HnswGraph	   *graph = worker->graph;
	HnswElement		number = graph->num_elements + guest;
	const HnswCode *code = hnsw_graph_code(graph, number);
	uint32			ef_construction = graph->ef_construction;

	Assert(ef <= ef_construction);
	graph->ef_construction = ef;
	search_level(worker, code, find_nearest(graph, code, 1), 0);
	(void) choose_neighbours(worker, number, 0);
	graph->ef_construction = ef_construction;
}

/* ------------------------------------------------------------------------
 * Order
 * ------------------------------------------------------------------------
 */

uint32
hnsw_graph_order(const HnswGraph *graph, HnswElement *order)
{
	bool		*seen;
	HnswElement *stack;
	uint32		 height = 0;
	uint32		 written = 0;

	seen = MemoryContextAllocExtended(graph->context,
									  sizeof(bool) * graph->num_elements,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	stack = MemoryContextAllocHuge(graph->context,
								   sizeof(HnswElement) * graph->num_elements);
	stack[height++] = graph->shared->entry_point;
	seen[graph->shared->entry_point] = true;
	while (height > 0)
	{
		HnswElement			 element = stack[--height];
		const HnswGraphList *list = hnsw_graph_list(graph, element, 0);

		CHECK_FOR_INTERRUPTS();
		order[written++] = element;
		/* the nearest child comes next */
		for (int i = list->count - 1; i >= 0; i--)
		{
			HnswElement target = HNSW_EDGE_TARGET(list->edges[i]);

			if (!HNSW_EDGE_IS_PROTECTED(list->edges[i]) || seen[target])
				continue;
			seen[target] = true;
			stack[height++] = target;
		}
	}
	pfree(seen);
	pfree(stack);
	return written;
}

void
hnsw_graph_find_starts(HnswGraph *graph, HnswElement first, HnswElement end)
{
	for (HnswElement i = first; i < end; i++)
	{
		HnswElement *start = build_array_item(&graph->starts, i);

		*start = HNSW_NONE;
		if (hnsw_graph_level(graph, i) == 0 && i != graph->shared->entry_point)
			*start = find_nearest(graph, hnsw_graph_code(graph, i), 1).element;
	}
}

/*
 * Which element shall have each number: those of level 0 in the order of their
 * starts along the tree, the others stay.
 */
static void
choose_numbers(HnswGraph *graph)
{
	uint32		 n = graph->num_elements;
	uint32		 planned = 0;
	uint32		*ends;
	HnswElement *linked;
	uint32		 num_linked;

	/* how many elements start at each */
	ends = MemoryContextAllocExtended(graph->context, sizeof(uint32) * n,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	linked = MemoryContextAllocHuge(graph->context, sizeof(HnswElement) * n);
	for (uint32 i = 0; i < n; i++)
	{
		HnswElement start = hnsw_graph_start(graph, i);

		if (start != HNSW_NONE)
			ends[start]++;
	}

	/* where the run of each begins, in the order of the tree; then fill in */
	num_linked = hnsw_graph_order(graph, linked);
	for (uint32 i = 0; i < num_linked; i++)
	{
		uint32 count = ends[linked[i]];

		ends[linked[i]] = planned;
		planned += count;
	}
	for (uint32 i = 0; i < n; i++)
	{
		HnswElement start = hnsw_graph_start(graph, i);

		if (start != HNSW_NONE)
			*(HnswElement *) build_array_item(&graph->arrivals,
											  ends[start]++) = i;
	}
	pfree(linked);
	pfree(ends);

	/* spread over the numbers of level 0, from the last one on */
	for (uint32 i = n; i-- > 0;)
	{
		HnswElement *arrival = build_array_item(&graph->arrivals, i);

		if (hnsw_graph_start(graph, i) == HNSW_NONE)
			*arrival = i;
		else
			*arrival = hnsw_graph_arrival(graph, --planned);
	}
	Assert(planned == 0);
}

void
hnsw_graph_arrange(HnswGraph *graph)
{
	uint32 n = graph->num_elements;

	choose_numbers(graph);
	if (graph->code_bytes == 0)
		build_array_permute(&graph->code_places, &graph->arrivals, n);
	else
		build_array_permute(&graph->codes, &graph->arrivals, n);
	build_array_permute(&graph->entries, &graph->arrivals, n);
	build_array_permute(&graph->starts, &graph->arrivals, n);
}
