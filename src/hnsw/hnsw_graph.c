/*
 * hnsw_graph.c
 *		The graph in memory while an index is built.
 *
 * Arrays indexed by element number, all in one memory context: codes, entries,
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
 * There is no state outside of HnswGraph and HnswGraphWorker.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "hnsw/hnsw_graph.h"
#include "hnsw/hnsw_select.h"

/* Exact values seen so far, by their hash. */
typedef struct GraphValue
{
	uint64		hash;
	HnswElement element;
	char		status;
} GraphValue;

#define SH_PREFIX			 graph_values
#define SH_ELEMENT_TYPE		 GraphValue
#define SH_KEY_TYPE			 uint64
#define SH_KEY				 hash
#define SH_HASH_KEY(tb, key) ((uint32) (key))
#define SH_EQUAL(tb, a, b)	 ((a) == (b))
#define SH_SCOPE			 static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#define INITIAL_ELEMENTS 1024

#define CACHE_LINE_BYTES 64

/* Bytes of a code that are prefetched before it is compared. */
#define PREFETCH_BYTES 256

#define EXPANDED ((uint32) 0x80000000)

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
hnsw_graph_init(HnswGraph *graph, const HnswIndex *index, uint32 code_bytes)
{
	memset(graph, 0, sizeof(HnswGraph));
	graph->coder = &index->coder;
	graph->code_bytes = code_bytes;
	graph->geometry = index->geometry;
	graph->ef_construction = index->ef_construction;
	graph->seed = index->seed;
	graph->list_bytes = list_bytes(2 * index->m);
	graph->upper_bytes = list_bytes(index->m);
	graph->entry_point = HNSW_NONE;
	graph->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw graph",
										   ALLOCSET_DEFAULT_SIZES);
	graph->values = (struct graph_values_hash *)
		graph_values_create(graph->context, INITIAL_ELEMENTS, NULL);
}

/*
 * Bytes that a graph of so many elements and rows takes at its peak, which is
 * while it is linked or written: by then the table of values is gone.
 */
Size
hnsw_graph_memory(const HnswGraph *graph, uint32 elements, uint32 rows)
{
	Size code_bytes = graph->code_bytes == 0 ? sizeof(HnswCode *)
											 : graph->code_bytes;
	Size element_bytes = code_bytes + sizeof(HnswGraphEntry) +
						 graph->list_bytes +
						 graph->upper_bytes / (graph->geometry.m - 1) +
						 2 * sizeof(uint8) +	  /* visited, seen */
						 4 * sizeof(HnswElement); /* orders */

	return element_bytes * elements + sizeof(HnswGraphRow) * rows +
		   graph->varying_bytes;
}

/* An array with room for twice as many; a huge one may well be moved by remap. */
static void *
double_array(HnswGraph *graph, void *array, uint32 *allocated,
			 Size element_bytes)
{
	Size count = *allocated == 0 ? INITIAL_ELEMENTS : (Size) *allocated * 2;

	count = Min(count, HNSW_MAX_ELEMENT);
	*allocated = (uint32) count;
	if (array == NULL)
		return MemoryContextAllocHuge(graph->context, count * element_bytes);
	return repalloc_huge(array, count * element_bytes);
}

static void
add_further_row(HnswGraph *graph, HnswElement element, ItemPointer tid)
{
	HnswGraphEntry *entry = &graph->entries[element];
	HnswGraphRow   *row;

	if (graph->num_rows == graph->rows_allocated)
		graph->rows = double_array(graph, graph->rows, &graph->rows_allocated,
								   sizeof(HnswGraphRow));
	row = &graph->rows[graph->num_rows];
	row->tid = *tid;
	if (entry->last_row == HNSW_GRAPH_NO_ROW)
		row->next_row = graph->num_rows;
	else
	{
		HnswGraphRow *last = &graph->rows[entry->last_row];

		row->next_row = last->next_row;
		last->next_row = graph->num_rows;
	}
	entry->last_row = graph->num_rows++;
}

static void
add_element(HnswGraph *graph, const HnswCode *code, uint32 code_bytes,
			uint64 hash, ItemPointer tid)
{
	HnswElement		element = graph->num_elements;
	HnswGraphEntry *entry;

	if (element == graph->elements_allocated)
	{
		uint32 allocated = graph->elements_allocated;

		if (graph->code_bytes == 0)
			graph->code_places = double_array(graph, graph->code_places,
											  &allocated, sizeof(HnswCode *));
		else
			graph->codes = double_array(graph, graph->codes, &allocated,
										graph->code_bytes);
		graph->entries = double_array(graph, graph->entries,
									  &graph->elements_allocated,
									  sizeof(HnswGraphEntry));
	}
	if (graph->code_bytes == 0)
	{
		char *copy = MemoryContextAlloc(graph->context, code_bytes);

		memcpy(copy, code, code_bytes);
		graph->code_places[element] = (const HnswCode *) copy;
		graph->varying_bytes += GetMemoryChunkSpace(copy);
	}
	else
		memcpy(graph->codes + (Size) element * code_bytes, code, code_bytes);
	entry = &graph->entries[element];
	entry->hash = hash;
	entry->tid = *tid;
	entry->last_row = HNSW_GRAPH_NO_ROW;
	graph->num_elements++;
}

void
hnsw_graph_add(HnswGraph *graph, const HnswCode *code, uint32 code_bytes,
			   uint64 hash, ItemPointer tid)
{
	bool		found;
	GraphValue *value;

	value = graph_values_insert((graph_values_hash *) graph->values, hash,
								&found);
	if (!found)
		value->element = graph->num_elements;
	else if (hnsw_codes_equal(graph->coder, code,
							  hnsw_graph_code(graph, value->element)))
	{
		add_further_row(graph, value->element, tid);
		return;
	}
	add_element(graph, code, code_bytes, hash, tid);
}

void
hnsw_graph_finish_loading(HnswGraph *graph)
{
	HnswExtent extent = {0};
	uint32	   per_page = graph->geometry.codes_per_page;
	Size	   num_uppers;

	graph_values_destroy((graph_values_hash *) graph->values);
	graph->values = NULL;

	/* the last page of codes gets full, with free slots for later elements */
	extent.elements = (graph->num_elements + per_page - 1) / per_page *
					  per_page;
	hnsw_extent_layout(&graph->geometry, &extent, &graph->layout);

	num_uppers = (Size) (graph->layout.codes - graph->layout.uppers) *
				 graph->geometry.uppers_per_page;
	graph->lists = MemoryContextAllocExtended(
		graph->context, graph->list_bytes * graph->num_elements,
		MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	graph->uppers = MemoryContextAllocExtended(graph->context,
											   graph->upper_bytes * num_uppers,
											   MCXT_ALLOC_HUGE |
												   MCXT_ALLOC_ZERO);
}

void
hnsw_graph_free(HnswGraph *graph)
{
	MemoryContextDelete(graph->context);
	memset(graph, 0, sizeof(HnswGraph));
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

static inline void
prefetch_code(const HnswGraph *graph, HnswElement element)
{
	prefetch(hnsw_graph_code(graph, element),
			 Min(graph->geometry.code_bytes, PREFETCH_BYTES));
}

static inline void
prefetch_list(const HnswGraph *graph, HnswElement element, int level)
{
	if (level == 0)
		prefetch(graph->lists + (element & ~EXPANDED) * graph->list_bytes,
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
	HnswElement last;

	do
	{
		const HnswGraphList *list = hnsw_graph_list(graph, from.element,
													level);

		last = from.element;
		for (int i = 0; i < list->count; i++)
			prefetch_code(graph, list->edges[i]);
		for (int i = 0; i < list->count; i++)
		{
			float distance;

			distance = hnsw_code_distance(graph->coder, code,
										  hnsw_graph_code(graph,
														  list->edges[i]));
			if (distance < from.distance)
			{
				from.distance = distance;
				from.element = list->edges[i];
			}
		}
	} while (from.element != last);

	return from;
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
	int					high = worker->beam_count;

	if (worker->beam_count == worker->graph->ef_construction)
	{
		if (distance >= beam[worker->beam_count - 1].distance)
			return INT_MAX;
		high = --worker->beam_count;
	}

	/* without branches: which way a step goes is anyone's guess */
	for (int left = high, half; left > 0; left -= half)
	{
		half = (left + 1) / 2;
		low += beam[low + half - 1].distance <= distance ? half : 0;
	}
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
		int					 fresh = 0;

		if ((beam[next].element & EXPANDED) != 0)
		{
			next++;
			continue;
		}

		/*
		 * Three loops rather than one: only the last has branches that
		 * cannot be predicted, so the CPU works on several codes at a time.
		 */
		list = hnsw_graph_list(graph, beam[next].element, level);
		beam[next].element |= EXPANDED;
		for (int i = 0; i < list->count; i++)
		{
			HnswElement neighbour = HNSW_EDGE_TARGET(list->edges[i]);

			hop[fresh] = neighbour;
			fresh += visited[neighbour] != epoch;
			visited[neighbour] = epoch;
		}

		next++;
		for (int i = 0; i < fresh; i++)
			prefetch_code(graph, hop[i]);
		if (next < worker->beam_count)
			prefetch_list(graph, beam[next].element, level);
		for (int i = 0; i < fresh; i++)
			distances[i] = hnsw_code_distance(graph->coder, code,
											  hnsw_graph_code(graph, hop[i]));

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
 * ------------------------------------------------------------------------
 */

static uint32
count_protected(const HnswGraph *graph, HnswElement element)
{
	const HnswGraphList *list = hnsw_graph_list(graph, element, 0);
	uint32				 result = 0;

	for (int i = 0; i < list->count; i++)
		result += HNSW_EDGE_IS_PROTECTED(list->edges[i]);
	return result;
}

/*
 * Walk along the tree, never back, from an element with many children to one
 * with few: at the latest that is a leaf.
 */
static HnswElement
find_room(const HnswGraph *graph, HnswElement element)
{
	HnswElement previous = HNSW_NONE;

	while (count_protected(graph, element) >= graph->geometry.m)
	{
		const HnswGraphList *list = hnsw_graph_list(graph, element, 0);
		HnswElement			 next = HNSW_NONE;

		for (int i = 0; i < list->count; i++)
		{
			HnswElement target = HNSW_EDGE_TARGET(list->edges[i]);

			if (HNSW_EDGE_IS_PROTECTED(list->edges[i]) && target != previous)
				next = target;
		}
		previous = element;
		element = next;
	}
	return element;
}

/*
 * The parent of a new element: the nearest of its neighbours that has few
 * children, else the nearest such candidate.  So half of a list is always left
 * to the selection.
 */
static HnswElement
choose_parent(const HnswGraphWorker *worker, int num_neighbours)
{
	const HnswGraph			 *graph = worker->graph;
	const HnswGraphCandidate *beam = worker->beam;
	uint32					  few = graph->geometry.m;

	for (int i = 0; i < num_neighbours; i++)
	{
		if (count_protected(graph, worker->candidates[i].edge) < few)
			return worker->candidates[i].edge;
	}
	for (int i = 0; i < worker->beam_count; i++)
	{
		if (count_protected(graph, beam[i].element) < few)
			return beam[i].element;
	}
	return find_room(graph, beam[0].element);
}

/*
 * Add an edge to an element's list; if it is full, select again among its
 * edges and the new one.
 */
static void
add_edge(HnswGraphWorker *worker, HnswElement element, int level, uint32 edge,
		 float distance)
{
	const HnswGraph *graph = worker->graph;
	HnswGraphList	*list = hnsw_graph_list(graph, element, level);
	int				 capacity = hnsw_graph_capacity(graph, level);
	float			*distances = list_distances(list, capacity);
	HnswNeighbour	*neighbours = worker->old_list;
	int				 selected;

	if (list->count < capacity)
	{
		list->edges[list->count] = edge;
		distances[list->count] = distance;
		list->count++;
		return;
	}

	for (int i = 0; i <= capacity; i++)
	{
		neighbours[i].edge = i < capacity ? list->edges[i] : edge;
		neighbours[i].distance = i < capacity ? distances[i] : distance;
		neighbours[i].code = hnsw_graph_code(graph, HNSW_EDGE_TARGET(
														neighbours[i].edge));
	}
	selected = list->selected;
	list->count = hnsw_reselect_neighbours(graph->coder, neighbours, &selected,
										   capacity + 1, capacity,
										   hnsw_list_fill(graph->geometry.m,
														  level));
	list->selected = selected;
	for (int i = 0; i < list->count; i++)
	{
		list->edges[i] = neighbours[i].edge;
		distances[i] = neighbours[i].distance;
	}
}

/*
 * Give a new element its neighbours on a level, chosen from the beam, and make
 * it one of theirs.
 */
static void
connect(HnswGraphWorker *worker, HnswElement element, int level)
{
	const HnswGraph *graph = worker->graph;
	const HnswCode	*code = hnsw_graph_code(graph, element);
	HnswGraphList	*list = hnsw_graph_list(graph, element, level);
	float *distances = list_distances(list, hnsw_graph_capacity(graph, level));
	HnswNeighbour *neighbours = worker->candidates;
	HnswElement	   parent = HNSW_NONE;
	bool		   has_parent = false;
	int			   selected = 0;

	for (int i = 0; i < worker->beam_count; i++)
	{
		neighbours[i].distance = worker->beam[i].distance;
		neighbours[i].edge = worker->beam[i].element;
		neighbours[i].code = hnsw_graph_code(graph, worker->beam[i].element);
	}
	list->count = hnsw_reselect_neighbours(
		graph->coder, neighbours, &selected, worker->beam_count,
		graph->geometry.m, hnsw_list_fill(graph->geometry.m, level));
	list->selected = selected;
	if (level == 0)
		parent = choose_parent(worker, list->count);

	for (int i = 0; i < list->count; i++)
	{
		list->edges[i] = neighbours[i].edge;
		distances[i] = neighbours[i].distance;
		if (list->edges[i] == parent)
		{
			list->edges[i] |= HNSW_PROTECTED;
			has_parent = true;
		}
	}
	if (level == 0 && !has_parent)
	{
		/* room is left: selection stops at half the capacity of level 0 */
		list->edges[list->count] = parent | HNSW_PROTECTED;
		distances[list->count] = hnsw_code_distance(graph->coder, code,
													hnsw_graph_code(graph,
																	parent));
		list->count++;
	}

	for (int i = 0; i < list->count; i++)
		add_edge(worker, HNSW_EDGE_TARGET(list->edges[i]), level,
				 element | (list->edges[i] & HNSW_PROTECTED), distances[i]);
}

/*
 * The nearest element found on a level, walking from the entry point.
 */
static HnswGraphCandidate
find_nearest(const HnswGraph *graph, const HnswCode *code, int level)
{
	HnswGraphCandidate nearest;

	nearest.element = graph->entry_point;
	nearest.distance = hnsw_code_distance(graph->coder, code,
										  hnsw_graph_code(graph,
														  nearest.element));
	for (int l = graph->entry_level; l >= level; l--)
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
	HnswGraphCandidate nearest;

	if (graph->entry_point == HNSW_NONE)
	{
		graph->entry_point = element;
		graph->entry_level = level;
		return;
	}

	if (start != HNSW_NONE)
	{
		nearest.element = start;
		nearest.distance = hnsw_code_distance(graph->coder, code,
											  hnsw_graph_code(graph, start));
	}
	else
		nearest = find_nearest(graph, code, level + 1);
	for (int l = Min(level, graph->entry_level); l >= 0; l--)
	{
		search_level(worker, code, nearest, l);
		nearest = worker->beam[0];
		connect(worker, element, l);
	}

	if (level > graph->entry_level)
	{
		graph->entry_point = element;
		graph->entry_level = level;
	}
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

	if (graph->entry_point == HNSW_NONE)
		return 0;

	seen = MemoryContextAllocExtended(graph->context,
									  sizeof(bool) * graph->num_elements,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	stack = MemoryContextAllocHuge(graph->context,
								   sizeof(HnswElement) * graph->num_elements);
	stack[height++] = graph->entry_point;
	seen[graph->entry_point] = true;
	while (height > 0)
	{
		HnswElement			 element = stack[--height];
		const HnswGraphList *list = hnsw_graph_list(graph, element, 0);

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

uint32
hnsw_graph_plan(const HnswGraph *graph, HnswElement *order,
				HnswElement *starts)
{
	uint32	n = graph->num_elements;
	uint32	planned = 0;
	uint32 *ends;
	uint32	num_upper;

	if (graph->entry_point == HNSW_NONE)
	{
		for (uint32 i = 0; i < n; i++)
		{
			order[i] = i;
			starts[i] = HNSW_NONE;
		}
		return n;
	}

	/* how many elements start at each */
	ends = MemoryContextAllocExtended(graph->context, sizeof(uint32) * n,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		starts[i] = HNSW_NONE;
		if (hnsw_graph_level(graph, i) > 0)
			continue;
		starts[i] = find_nearest(graph, hnsw_graph_code(graph, i), 1).element;
		ends[starts[i]]++;
	}

	/* where the run of each begins, in the order of the tree; then fill in */
	num_upper = hnsw_graph_order(graph, order);
	for (uint32 i = 0; i < num_upper; i++)
	{
		uint32 count = ends[order[i]];

		ends[order[i]] = planned;
		planned += count;
	}
	for (uint32 i = 0; i < n; i++)
	{
		if (starts[i] != HNSW_NONE)
			order[ends[starts[i]]++] = i;
	}
	pfree(ends);
	return planned;
}
