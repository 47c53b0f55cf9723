/*
 * hnsw_graph.h
 *		The graph in memory while an index is built.
 *
 * First all rows are added, then the number of elements is known and with it
 * the level of each, then the elements are linked.  Elements have the numbers
 * 0 .. num_elements - 1 in order of arrival; further rows with an equal value
 * have numbers of their own.
 *
 * Several processes may add rows, or link, at the same time; README, "Build",
 * says why that is safe.  Everything between is the leader's.
 */
#ifndef HNSW_GRAPH_H
#define HNSW_GRAPH_H

#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shm_toc.h"

#include "hnsw/hnsw.h"
#include "index/build_array.h"

#define HNSW_GRAPH_NO_ROW ((uint32) 0xFFFFFFFF)

/* An element's first row and what identifies its value. */
typedef struct HnswGraphEntry
{
	uint64			hash;
	ItemPointerData tid;
	uint32			last_row;	/* of its further rows, or HNSW_GRAPH_NO_ROW */
	HnswElement		next_value; /* in the same bucket of values */
} HnswGraphEntry;

/* A further row; the last one of an element leads to its first. */
typedef struct HnswGraphRow
{
	ItemPointerData tid;
	uint32			next_row;
} HnswGraphRow;

/*
 * A neighbour list.  edges: capacity of the level; the distances of the edges
 * follow them.  The first `selected` edges are the result of a selection, by
 * ascending distance; the others were appended since.
 */
typedef struct HnswGraphList
{
	pg_atomic_uint32 version; /* odd: being changed */
	uint16			 count;
	uint16			 selected;
	uint32			 edges[FLEXIBLE_ARRAY_MEMBER];
} HnswGraphList;

#define HNSW_GRAPH_VALUE_LOCKS 128

/* What all processes share of a graph.  To be zeroed. */
typedef struct HnswGraphShared
{
	/* loading */
	LWLock			 memory_lock; /* held to make a chunk of any array */
	LWLock			 value_locks[HNSW_GRAPH_VALUE_LOCKS]; /* by bucket */
	uint32			 num_buckets;						  /* a power of two */
	pg_atomic_uint32 num_elements;
	pg_atomic_uint32 num_rows;
	pg_atomic_uint64 code_units; /* of varying codes */

	/* linking: written by the leader while it is alone */
	bool		is_upper; /* lists of level 0 will be those of an upper one */
	uint32		guests;	  /* elements that get lists, but no edges lead to */
	HnswElement entry_point;
	int			entry_level;

	BuildArrayShared codes;
	BuildArrayShared code_places;
	BuildArrayShared entries;
	BuildArrayShared rows;
	BuildArrayShared buckets;
	BuildArrayShared lists;
	BuildArrayShared uppers;
	BuildArrayShared starts;
	BuildArrayShared arrivals;
} HnswGraphShared;

/* A graph as one process sees it. */
typedef struct HnswGraph
{
	const HnswCoder *coder;
	HnswGeometry	 geometry;
	uint32			 code_bytes; /* of each code, or 0 if they vary */
	uint32			 ef_construction;
	uint64			 seed;
	int				 participants;
	Size			 memory_limit;
	MemoryContext	 context;
	HnswGraphShared *shared;

	/* loading */
	BuildArray codes;		/* codes, or if they vary units of 4 bytes */
	BuildArray code_places; /* if they vary: the first unit of each */
	BuildArray entries;
	BuildArray rows;
	BuildArray buckets;		  /* the last element of each, plus 1 */
	uint64	   element_units; /* code_units without those of guests */

	/* linking, in this process since it called hnsw_graph_begin_linking */
	uint32			 num_elements;
	uint32			 num_rows;
	HnswExtentLayout layout; /* of an extent for these elements alone */
	Size			 list_bytes;
	Size			 upper_bytes;
	BuildArray		 lists;	   /* one an element */
	BuildArray		 uppers;   /* by hnsw_upper_slot */
	BuildArray		 starts;   /* where the search for an element starts */
	BuildArray		 arrivals; /* the number that each element had before */
} HnswGraph;

typedef struct HnswGraphCandidate
{
	float  distance;
	uint32 element; /* top bit: expanded */
} HnswGraphCandidate;

/* Work space of one process that links elements. */
typedef struct HnswGraphWorker
{
	HnswGraph		   *graph;
	uint8			   *visited; /* an epoch for each element */
	uint8				epoch;
	HnswGraphCandidate *beam; /* ef_construction + 1 */
	int					beam_count;
	HnswElement		   *hop;		/* 2m */
	const HnswCode	  **codes;		/* of hop */
	float			   *distances;	/* of hop */
	HnswNeighbour	   *candidates; /* for new lists: ef_construction */
	HnswNeighbour	   *old_list;	/* for lists selected again: 2m + 1 */
} HnswGraphWorker;

/*
 * Start an empty graph that may take memory_limit bytes, or the view of one in
 * a worker.  shared: zeroed memory; `shared_arrays` if other processes see it.
 * code_bytes: of each code, or 0 if codes vary in size.  expected_rows: a
 * guess, how many values there may be.  False if there is no memory.
 */
extern bool hnsw_graph_init(HnswGraph *graph, const HnswIndex *index,
							HnswGraphShared *shared, int participants,
							Size memory_limit, uint32 code_bytes,
							double expected_rows);
extern void hnsw_graph_attach(HnswGraph *graph, const HnswIndex *index,
							  HnswGraphShared *shared, int participants,
							  Size memory_limit, uint32 code_bytes);

/* Is there no room for one more row? */
extern bool hnsw_graph_is_full(const HnswGraph *graph);

/*
 * Add a row.  code_bytes: of this code, a multiple of 4.  hash is that of the
 * exact value: rows of equal hash and code share an element.  False if there
 * is no memory, then the graph is unusable.
 */
extern bool hnsw_graph_add(HnswGraph *graph, const HnswCode *code,
						   uint32 code_bytes, uint64 hash, ItemPointer tid);

/* Bytes that an element takes, without its code if codes vary. */
extern Size hnsw_graph_element_memory(const HnswGraph *graph);

/* In the leader, to read elements and rows that other processes added. */
extern void hnsw_graph_attach_rows(HnswGraph *graph);

/*
 * No more rows: make room for the lists and link the first element.  By the
 * leader, alone.  False if there is no memory.
 */
extern bool hnsw_graph_finish_loading(HnswGraph *graph);

/* Each process, before it links elements or reads lists. */
extern void hnsw_graph_begin_linking(HnswGraph *graph);
extern void hnsw_graph_worker_init(HnswGraphWorker *worker, HnswGraph *graph);

/*
 * Link an element; each exactly once, but for the first one, which is
 * entry_point.  start: an element near it where its search on level 0 begins,
 * or HNSW_NONE; only for elements of level 0.
 */
extern void hnsw_graph_link(HnswGraphWorker *worker, HnswElement element,
							HnswElement start);

/*
 * After the elements of the upper levels were linked: find where the search
 * for each of the others should start, for those from `first` to `end`.
 */
extern void hnsw_graph_find_starts(HnswGraph *graph, HnswElement first,
								   HnswElement end);

/*
 * After that, by the leader: give the elements of level 0 other numbers of that
 * level, by which those in the same region of the graph lie next to each other.
 */
extern void hnsw_graph_arrange(HnswGraph *graph);

/*
 * Guests are vectors of other graphs that look for neighbours in this one.  In
 * the leader: before hnsw_graph_finish_loading, make room for `count` of them at
 * a time; later, set the code of each, again and again.  hnsw_graph_clear_guests
 * comes before each round.  False if there is no memory.
 */
extern void hnsw_graph_reserve_guests(HnswGraph *graph, uint32 count);
extern void hnsw_graph_clear_guests(HnswGraph *graph);
extern bool hnsw_graph_set_guest(HnswGraph *graph, uint32 guest,
								 const HnswCode *code, uint32 code_bytes);

/*
 * Each process, in each round: get to know the codes; then choose neighbours of
 * guests, which become their lists, among the `ef` nearest elements found.
 */
extern void hnsw_graph_attach_guests(HnswGraph *graph, uint32 count);
extern void hnsw_graph_link_guest(HnswGraphWorker *worker, uint32 guest,
								  uint32 ef);

/*
 * Write the elements linked so far to `order`, neighbours close to each other:
 * depth first along the tree.  Returns their number.
 */
extern uint32 hnsw_graph_order(const HnswGraph *graph, HnswElement *order);

/*
 * hnsw_order.c: choose the element for each number, so that neighbours lie
 * close to each other.  layout: of the extent in which a number says on which
 * levels its element is, or NULL if that does not matter.  neighbourhood: about
 * how many successive numbers are close, as the codes of one page.
 */
extern void hnsw_graph_number(const HnswGraph		 *graph,
							  const HnswExtentLayout *layout,
							  uint32 neighbourhood, HnswElement *elements);

/* Let go of the memory: in workers, then in the leader. */
extern void hnsw_graph_detach(HnswGraph *graph);
extern void hnsw_graph_free(HnswGraph *graph);

static inline HnswGraphEntry *
hnsw_graph_entry(const HnswGraph *graph, HnswElement element)
{
	return build_array_item(&graph->entries, element);
}

static inline HnswGraphRow *
hnsw_graph_row(const HnswGraph *graph, uint32 row)
{
	return build_array_item(&graph->rows, row);
}

static inline const HnswCode *
hnsw_graph_code(const HnswGraph *graph, HnswElement element)
{
	if (unlikely(graph->code_bytes == 0))
		return build_array_item(
			&graph->codes,
			*(uint64 *) build_array_item(&graph->code_places, element));
	return build_array_item(&graph->codes, element);
}

/* Where the search for an element starts, HNSW_NONE for those of upper levels. */
static inline HnswElement
hnsw_graph_start(const HnswGraph *graph, HnswElement element)
{
	return *(HnswElement *) build_array_item(&graph->starts, element);
}

/* The number that an element had when it was added, once they are arranged. */
static inline HnswElement
hnsw_graph_arrival(const HnswGraph *graph, HnswElement element)
{
	return *(HnswElement *) build_array_item(&graph->arrivals, element);
}

static inline int
hnsw_graph_level(const HnswGraph *graph, HnswElement element)
{
	return hnsw_element_level(&graph->geometry, &graph->layout, graph->seed,
							  element);
}

static inline uint32
hnsw_graph_capacity(const HnswGraph *graph, int level)
{
	return level == 0 ? 2 * graph->geometry.m : graph->geometry.m;
}

static inline HnswGraphList *
hnsw_graph_list(const HnswGraph *graph, HnswElement element, int level)
{
	if (level == 0)
		return build_array_item(&graph->lists, element);
	return build_array_item(&graph->uppers,
							hnsw_upper_slot(&graph->geometry, &graph->layout,
											element, level));
}

/* In the leader: what a guest found. */
static inline HnswGraphList *
hnsw_graph_guest_list(const HnswGraph *graph, uint32 guest)
{
	return build_array_item(&graph->lists, graph->num_elements + guest);
}

static inline float *
hnsw_graph_distances(const HnswGraph *graph, HnswGraphList *list, int level)
{
	return (float *) (list->edges + hnsw_graph_capacity(graph, level));
}

/* hnsw_build.c */
extern char			   *hnsw_build_phase_name(int64 phase);
extern PGDLLEXPORT void hnsw_build_worker_main(dsm_segment *segment,
											   shm_toc	   *toc);

#endif /* HNSW_GRAPH_H */
