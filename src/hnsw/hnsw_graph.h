/*
 * hnsw_graph.h
 *		The graph in memory while an index is built.
 *
 * First all rows are added, then the number of elements is known and with it
 * the level of each, then the elements are linked one after the other.
 * Elements have the numbers 0 .. num_elements - 1 in order of arrival; further
 * rows with an equal value have numbers of their own.
 */
#ifndef HNSW_GRAPH_H
#define HNSW_GRAPH_H

#include "hnsw/hnsw.h"

#define HNSW_GRAPH_NO_ROW ((uint32) 0xFFFFFFFF)

/* An element's first row and what identifies its value. */
typedef struct HnswGraphEntry
{
	uint64			hash;
	ItemPointerData tid;
	uint32			last_row; /* of its further rows, or HNSW_GRAPH_NO_ROW */
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
	uint16 count;
	uint16 selected;
	uint32 edges[FLEXIBLE_ARRAY_MEMBER];
} HnswGraphList;

struct graph_values_hash;

typedef struct HnswGraph
{
	const HnswCoder *coder;
	HnswGeometry	 geometry;
	uint32			 ef_construction;
	uint64			 seed;
	MemoryContext	 context;

	/* loading */
	uint32					  num_elements;
	uint32					  elements_allocated;
	uint32					  code_bytes; /* of each code, or 0 if they vary */
	char					 *codes;	  /* if they are of one size */
	const HnswCode			**code_places;	 /* if they vary */
	Size					  varying_bytes; /* of all codes, if they vary */
	HnswGraphEntry			 *entries;
	uint32					  num_rows;
	uint32					  rows_allocated;
	HnswGraphRow			 *rows;
	struct graph_values_hash *values;

	/* linking */
	HnswExtentLayout layout; /* of an extent for these elements alone */
	Size			 list_bytes;
	Size			 upper_bytes;
	char			*lists;	 /* one an element */
	char			*uppers; /* by hnsw_upper_slot */
	HnswElement		 entry_point;
	int				 entry_level;
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
	float			   *distances;	/* of hop */
	HnswNeighbour	   *candidates; /* for new lists: ef_construction */
	HnswNeighbour	   *old_list;	/* for lists selected again: 2m + 1 */
} HnswGraphWorker;

/* code_bytes: of each code, or 0 if codes vary in size. */
extern void hnsw_graph_init(HnswGraph *graph, const HnswIndex *index,
							uint32 code_bytes);
extern Size hnsw_graph_memory(const HnswGraph *graph, uint32 elements,
							  uint32 rows);

/*
 * Add a row.  code_bytes: of this code, a multiple of 4.  hash is that of the
 * exact value: rows of equal hash and code share an element.
 */
extern void hnsw_graph_add(HnswGraph *graph, const HnswCode *code,
						   uint32 code_bytes, uint64 hash, ItemPointer tid);

/* No more rows: give levels, make room for the lists. */
extern void hnsw_graph_finish_loading(HnswGraph *graph);

extern void hnsw_graph_worker_init(HnswGraphWorker *worker, HnswGraph *graph);

/*
 * Link an element; each exactly once.  start: an element near it where its
 * search on level 0 begins, or HNSW_NONE; only for elements of level 0.
 */
extern void hnsw_graph_link(HnswGraphWorker *worker, HnswElement element,
							HnswElement start);

/*
 * After the elements of the upper levels were linked: write the others to
 * `order`, those in the same region of the graph next to each other, and where
 * each should start to starts[element].  Both have room for all elements.
 * Returns the number of elements to link.
 */
extern uint32 hnsw_graph_plan(const HnswGraph *graph, HnswElement *order,
							  HnswElement *starts);

/*
 * Write the elements linked so far to `order`, neighbours close to each other:
 * depth first along the tree.  Returns their number.
 */
extern uint32 hnsw_graph_order(const HnswGraph *graph, HnswElement *order);

extern void hnsw_graph_free(HnswGraph *graph);

static inline const HnswCode *
hnsw_graph_code(const HnswGraph *graph, HnswElement element)
{
	if (graph->code_bytes == 0)
		return graph->code_places[element];
	return (const HnswCode *) (graph->codes +
							   (Size) element * graph->code_bytes);
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
		return (HnswGraphList *) (graph->lists + element * graph->list_bytes);
	return (HnswGraphList *) (graph->uppers +
							  graph->upper_bytes *
								  hnsw_upper_slot(&graph->geometry,
												  &graph->layout, element,
												  level));
}

/* hnsw_build.c */
extern char *hnsw_build_phase_name(int64 phase);

#endif /* HNSW_GRAPH_H */
