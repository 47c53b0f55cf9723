/*
 * hnsw_order.c
 *		Numbers by which neighbours lie on the same pages.
 *
 * A search reads the codes of all neighbours of an element at once, and those
 * on one page cost it one visit.  So elements get their numbers one after the
 * other, always the one that the lists of those numbered last lead to most
 * often: the greedy order of Gorder (Wei et al., SIGMOD 2016), but by edges
 * alone.  Gorder also counts the neighbours that two elements have in common,
 * which takes most of its time and gains little here (README, "Numbers").
 *
 * Reads the graph in memory after all of it is linked, by the leader alone.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "hnsw/hnsw_graph.h"

/* So many of the elements numbered last are looked at. */
#define MIN_WINDOW 8
#define MAX_WINDOW 32

/* An element that the lists of the window lead to. */
typedef struct Candidate
{
	HnswElement element;
	uint32		edges;
} Candidate;

#define NO_CANDIDATE PG_UINT16_MAX
#define IS_NUMBERED	 (PG_UINT16_MAX - 1)

typedef struct Order
{
	const HnswGraph		   *graph;
	const HnswExtentLayout *layout; /* NULL: levels do not matter */
	uint32					window;

	Candidate *candidates; /* window * 2m */
	int		   num_candidates;
	uint16	  *places; /* of each element among them, or as above */

	/* the elements along the tree; where each level's next one is at least */
	HnswElement *tree;
	uint32		 next[HNSW_MAX_LEVEL + 1];
} Order;

StaticAssertDecl(MAX_WINDOW * 2 * HNSW_MAX_M < IS_NUMBERED,
				 "all neighbours of a window are candidates");

/* May the element have a number that is made for a level? */
static inline bool
has_level(const Order *order, HnswElement element, int level)
{
	return order->layout == NULL ||
		   hnsw_graph_level(order->graph, element) == level;
}

static HnswElement
best_candidate(const Order *order, int level)
{
	HnswElement best = HNSW_NONE;
	uint32		best_edges = 0;

	for (int i = order->num_candidates - 1; i >= 0; i--)
	{
		const Candidate *candidate = &order->candidates[i];

		if (candidate->edges > best_edges &&
			has_level(order, candidate->element, level))
		{
			best = candidate->element;
			best_edges = candidate->edges;
		}
	}
	return best;
}

/* Where lists lead to none: the first along the tree. */
static HnswElement
next_of_tree(Order *order, int level)
{
	while (order->next[level] < order->graph->num_elements)
	{
		HnswElement element = order->tree[order->next[level]++];

		if (order->places[element] != IS_NUMBERED &&
			has_level(order, element, level))
			return element;
	}
	elog(ERROR, "hnsw graph has too few elements on level %d", level);
}

static void
remove_candidate(Order *order, HnswElement element, uint16 new_place)
{
	Candidate *last = &order->candidates[order->num_candidates - 1];
	uint16	   place = order->places[element];

	if (place < IS_NUMBERED)
	{
		order->candidates[place] = *last;
		order->places[last->element] = place;
		order->num_candidates--;
	}
	order->places[element] = new_place;
}

/* The element gets into the window. */
static void
add_edges(Order *order, HnswElement element)
{
	const HnswGraphList *list = hnsw_graph_list(order->graph, element, 0);

	for (int i = 0; i < list->count; i++)
	{
		HnswElement target = HNSW_EDGE_TARGET(list->edges[i]);
		uint16	   *place = &order->places[target];

		if (*place == IS_NUMBERED)
			continue;
		if (*place == NO_CANDIDATE)
		{
			*place = order->num_candidates++;
			order->candidates[*place].element = target;
			order->candidates[*place].edges = 0;
		}
		order->candidates[*place].edges++;
	}
}

/* It leaves the window. */
static void
remove_edges(Order *order, HnswElement element)
{
	const HnswGraphList *list = hnsw_graph_list(order->graph, element, 0);

	for (int i = 0; i < list->count; i++)
	{
		HnswElement target = HNSW_EDGE_TARGET(list->edges[i]);
		uint16		place = order->places[target];

		if (place != IS_NUMBERED && --order->candidates[place].edges == 0)
			remove_candidate(order, target, NO_CANDIDATE);
	}
}

void
hnsw_graph_number(const HnswGraph *graph, const HnswExtentLayout *layout,
				  uint32 neighbourhood, HnswElement *elements)
{
	Order		  order = {0};
	uint32		  n = graph->num_elements;
	MemoryContext old_context = MemoryContextSwitchTo(graph->context);

	order.graph = graph;
	order.layout = layout;
	order.window = Max(MIN_WINDOW, Min(neighbourhood, MAX_WINDOW));
	order.tree = palloc_extended(sizeof(HnswElement) * n, MCXT_ALLOC_HUGE);
	if (hnsw_graph_order(graph, order.tree) != n)
		elog(ERROR, "not all elements of the hnsw graph can be reached");
	order.candidates = palloc(sizeof(Candidate) * order.window *
							  hnsw_graph_capacity(graph, 0));
	order.places = palloc_extended(sizeof(uint16) * n, MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < n; i++)
		order.places[i] = NO_CANDIDATE;

	for (HnswElement number = 0; number < n; number++)
	{
		int			level = 0;
		HnswElement element;

		CHECK_FOR_INTERRUPTS();
		if (layout != NULL)
			level = hnsw_element_level(&graph->geometry, layout, graph->seed,
									   number);
		element = best_candidate(&order, level);
		if (element == HNSW_NONE)
			element = next_of_tree(&order, level);
		elements[number] = element;
		remove_candidate(&order, element, IS_NUMBERED);
		if (number >= order.window)
			remove_edges(&order, elements[number - order.window]);
		add_edges(&order, element);
	}

	pfree(order.places);
	pfree(order.candidates);
	pfree(order.tree);
	MemoryContextSwitchTo(old_context);
}
