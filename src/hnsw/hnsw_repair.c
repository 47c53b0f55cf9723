/*
 * hnsw_repair.c
 *		Taking elements out of the graph without losing others.
 *
 * The protected edges of level 0 join all elements (README, "Reachability").
 * Before anything is taken out, the live elements around each connected group
 * of dying ones are joined directly, so that at every moment, also if vacuum
 * is interrupted, searches get everywhere.
 */
#include "postgres.h"

#include "commands/vacuum.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "hnsw/hnsw.h"
#include "hnsw/hnsw_repair.h"

/* ------------------------------------------------------------------------
 * Traversal of level 0
 * ------------------------------------------------------------------------
 */

/*
 * Depth-first over protected edges, with a stack bounded in memory: when it
 * overflows, elements reached but not expanded are looked up in the sets.
 */
typedef struct Traversal
{
	HnswIndex	 *index;
	HnswNumberSet reached;
	HnswNumberSet expanded;
	HnswElement	 *stack;
	uint64		  depth;
	uint64		  max_depth;
	bool		  overflowed;
	uint32		 *edges;

	/* only these are reached; others go to the callback (NULL: all) */
	const HnswNumberSet *within;
	void (*outside)(void *arg, HnswElement element);
	void *outside_arg;
} Traversal;

#define MIN_STACK 1024

static void
traversal_init(Traversal *t, HnswIndex *index, uint64 size)
{
	memset(t, 0, sizeof(Traversal));
	t->index = index;
	hnsw_set_init(&t->reached, size);
	hnsw_set_init(&t->expanded, size);
	t->max_depth = Min((uint64) maintenance_work_mem * 1024 / 2 /
						   sizeof(HnswElement),
					   size);
	t->max_depth = Max(t->max_depth, MIN_STACK);
	t->stack = palloc_extended(sizeof(HnswElement) * t->max_depth,
							   MCXT_ALLOC_HUGE);
	t->edges = palloc(sizeof(uint32) * hnsw_list_capacity(index, 0));
}

static void
traversal_free(Traversal *t)
{
	pfree(t->reached.bits);
	pfree(t->expanded.bits);
	pfree(t->stack);
	pfree(t->edges);
}

static void
reach(Traversal *t, HnswElement element)
{
	if (t->within != NULL && !hnsw_set_has(t->within, element))
	{
		t->outside(t->outside_arg, element);
		return;
	}
	if (hnsw_set_has(&t->reached, element))
		return;
	hnsw_set_add(&t->reached, element);
	if (t->depth < t->max_depth)
		t->stack[t->depth++] = element;
	else
		t->overflowed = true;
}

static void
expand_stack(Traversal *t)
{
	while (t->depth > 0)
	{
		HnswElement element = t->stack[--t->depth];
		uint32		count;

		VacuumDelayPoint();
		/* elements beyond the set came later, and their inserts link them */
		if (element >= t->expanded.size || hnsw_set_has(&t->expanded, element))
			continue;
		hnsw_set_add(&t->expanded, element);
		count = hnsw_read_list(t->index, element, 0, t->edges);
		for (uint32 i = 0; i < count; i++)
		{
			if (HNSW_EDGE_IS_PROTECTED(t->edges[i]))
				reach(t, HNSW_EDGE_TARGET(t->edges[i]));
		}
	}
}

/* Reach everything that protected edges join with an element. */
static void
reach_from(Traversal *t, HnswElement start)
{
	reach(t, start);
	expand_stack(t);
	while (t->overflowed)
	{
		t->overflowed = false;
		for (uint64 number = 0; number < t->reached.size; number++)
		{
			if (!hnsw_set_has(&t->reached, number) ||
				hnsw_set_has(&t->expanded, number))
				continue;
			t->stack[t->depth++] = number;
			expand_stack(t);
		}
	}
}

/* Note an element whose group of dying ones has to stay. */
static void
add_spared(HnswRepair *repair, HnswElement element)
{
	if (repair->num_spared == repair->spared_allocated)
	{
		repair->spared_allocated = Max(64, 2 * repair->spared_allocated);
		repair->spared = repair->spared == NULL
							 ? MemoryContextAlloc(repair->spared_context,
												  sizeof(HnswElement) *
													  repair->spared_allocated)
							 : repalloc_huge(repair->spared,
											 sizeof(HnswElement) *
												 repair->spared_allocated);
	}
	repair->spared[repair->num_spared++] = element;
}

/* ------------------------------------------------------------------------
 * Edges in one direction
 * ------------------------------------------------------------------------
 */

void
hnsw_mend_element(HnswRepair *repair, HnswElement element)
{
	HnswIndex *index = repair->index;
	uint32	   edges[2 * HNSW_MAX_M];
	uint32	   count = hnsw_read_list(index, element, 0, edges);

	for (uint32 i = 0; i < count; i++)
	{
		HnswElement	  target = HNSW_EDGE_TARGET(edges[i]);
		MemoryContext old_context;

		if (!HNSW_EDGE_IS_PROTECTED(edges[i]) ||
			!hnsw_set_has(&repair->dying, target))
			continue;

		/* writes nothing if it is there */
		old_context = MemoryContextSwitchTo(repair->context);
		if (!hnsw_add_protected_edge(index, target, element,
									 hnsw_list_capacity(index, 0)))
			add_spared(repair, hnsw_set_has(&repair->dying, element) ? element
																	 : target);
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(repair->context);
	}
}

/* ------------------------------------------------------------------------
 * Bridges
 * ------------------------------------------------------------------------
 */

/* Elements of one group that further ones may be joined to, newest last. */
#define BRIDGE_HEADS 32

typedef struct Bridge
{
	HnswRepair *repair;
	HnswElement heads[BRIDGE_HEADS];
	int			count;
	bool		failed; /* an element was not joined with any other */
} Bridge;

/*
 * Add a protected edge, whatever the number of children.  Nothing is taken out
 * of a list for it: until the whole group is bridged, all its edges count.
 */
static bool
join(HnswRepair *repair, HnswElement element, HnswElement target)
{
	return hnsw_add_protected_edge(repair->index, element, target,
								   hnsw_list_capacity(repair->index, 0));
}

/*
 * An element next to a group of dying ones: join it with those found before.
 * Mostly the one before is taken, so the group is replaced by a path.
 */
static void
bridge_element(void *arg, HnswElement element)
{
	Bridge		 *bridge = arg;
	HnswRepair	 *repair = bridge->repair;
	MemoryContext old_context;
	bool		  joined = bridge->count == 0;

	for (int i = 0; i < bridge->count; i++)
	{
		if (bridge->heads[i] == element)
			return;
	}
	/* what a dying element leads to may have been freed by an earlier vacuum */
	if (!hnsw_is_element_number(repair->index, element) ||
		hnsw_read_entry(repair->index, element).state != HNSW_ENTRY_ELEMENT)
		return;

	old_context = MemoryContextSwitchTo(repair->context);
	for (int i = bridge->count - 1; i >= 0 && !joined; i--)
		joined = join(repair, bridge->heads[i], element) &&
				 join(repair, element, bridge->heads[i]);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(repair->context);
	if (!joined)
	{
		bridge->failed = true;
		return;
	}

	if (bridge->count == BRIDGE_HEADS)
	{
		memmove(&bridge->heads[0], &bridge->heads[1],
				sizeof(HnswElement) * (BRIDGE_HEADS - 1));
		bridge->count--;
	}
	bridge->heads[bridge->count++] = element;
}

/* Nothing to do: what lies around a group that stays needs no bridge. */
static void
pass_by(void *arg, HnswElement element)
{
}

/* Take the groups that cannot be bridged out of the dying elements. */
static void
spare_groups(HnswRepair *repair)
{
	Traversal t;

	if (repair->num_spared == 0)
		return;
	traversal_init(&t, repair->index, repair->dying.size);
	t.within = &repair->dying;
	t.outside = pass_by;
	for (int i = 0; i < repair->num_spared; i++)
		reach_from(&t, repair->spared[i]);
	for (uint64 i = 0; i < t.reached.size / 8 + 1; i++)
		repair->dying.bits[i] &= ~t.reached.bits[i];
	traversal_free(&t);
}

void
hnsw_bridge_dying(HnswRepair *repair)
{
	Traversal t;
	Bridge	  bridge;

	traversal_init(&t, repair->index, repair->dying.size);
	bridge.repair = repair;
	t.within = &repair->dying;
	t.outside = bridge_element;
	t.outside_arg = &bridge;
	for (uint64 number = 0; number < repair->dying.size; number++)
	{
		if (!hnsw_set_has(&repair->dying, number) ||
			hnsw_set_has(&t.reached, number))
			continue;
		bridge.count = 0;
		bridge.failed = false;
		reach_from(&t, number);
		if (bridge.failed)
			add_spared(repair, number);
	}
	traversal_free(&t);
	spare_groups(repair);
}

/* ------------------------------------------------------------------------
 * Lists
 * ------------------------------------------------------------------------
 */

static bool
has_target(const HnswNeighbour *neighbours, int count, HnswElement target)
{
	for (int i = 0; i < count; i++)
	{
		if (HNSW_EDGE_TARGET(neighbours[i].edge) == target)
			return true;
	}
	return false;
}

static bool
has_edge_to(const uint32 *edges, int count, HnswElement target)
{
	for (int i = 0; i < count; i++)
	{
		if (HNSW_EDGE_TARGET(edges[i]) == target)
			return true;
	}
	return false;
}

/*
 * For a list that lost most of its edges there should be so many candidates to
 * an edge: the selection is to have a choice.
 */
#define CANDIDATES_PER_EDGE 3

/*
 * What the list of an element may consist of when it is repaired: first its
 * live neighbours, *live of them, then the live neighbours of the dying ones.
 * Where most around it is dying these are few, so the way goes on through the
 * dying neighbours of the dying ones.  Fills in edges only; returns their
 * number.
 */
static int
gather_candidates(HnswRepair *repair, HnswElement element, int level,
				  const uint32 *edges, uint32 count, HnswNeighbour *candidates,
				  int max_candidates, int *live)
{
	HnswElement ways[4 * 2 * HNSW_MAX_M]; /* dying ones to go through */
	uint32		their_edges[2 * HNSW_MAX_M];
	int			num_ways = 0;
	int			own_ways;
	int			wanted;
	int			found = 0;

	for (uint32 i = 0; i < count; i++)
	{
		HnswElement neighbour = HNSW_EDGE_TARGET(edges[i]);

		if (hnsw_set_has(&repair->dying, neighbour))
			ways[num_ways++] = neighbour;
		else
			candidates[found++].edge = edges[i];
	}
	*live = found;

	own_ways = num_ways;
	wanted = own_ways > found ? CANDIDATES_PER_EDGE * (int) count : 0;
	for (int way = 0; way < num_ways && (way < own_ways || found < wanted);
		 way++)
	{
		uint32 their_count = hnsw_read_list(repair->index, ways[way], level,
											their_edges);

		for (uint32 i = 0; i < their_count; i++)
		{
			HnswElement other = HNSW_EDGE_TARGET(their_edges[i]);

			if (hnsw_set_has(&repair->dying, other))
			{
				if (num_ways < lengthof(ways) &&
					!has_edge_to(ways, num_ways, other))
					ways[num_ways++] = other;
			}
			/* it may have been freed, by a vacuum that was interrupted */
			else if (other != element && found < max_candidates &&
					 !has_target(candidates, found, other) &&
					 hnsw_read_entry(repair->index, other).state ==
						 HNSW_ENTRY_ELEMENT)
				candidates[found++].edge = other;
		}
	}
	return found;
}

/*
 * Compute a list without dying elements, of as many edges as there were.  The
 * live neighbours stay.  Free places go to what a list made anew of all
 * candidates would have: those that the selection heuristic takes, whichever
 * of the old neighbours it would not, and then the nearest.  Returns the number
 * of edges.
 */
static uint32
repaired_list(HnswRepair *repair, HnswElement element, int level,
			  const uint32 *edges, uint32 count, uint32 *result)
{
	HnswIndex	  *index = repair->index;
	int			   capacity = hnsw_list_capacity(index, level);
	int			   max_candidates = capacity * (capacity + 1);
	HnswNeighbour *candidates = palloc(sizeof(HnswNeighbour) * max_candidates);
	HnswSelection  selection = hnsw_list_selection(index->m, level, capacity);
	HnswCode	  *base = hnsw_copy_code(index, element);
	int			   live;
	int num_candidates = gather_candidates(repair, element, level, edges,
										   count, candidates, max_candidates,
										   &live);
	int kept = live;
	int num_selected;

	for (int i = 0; i < num_candidates; i++)
	{
		candidates[i].code = hnsw_copy_code(index, HNSW_EDGE_TARGET(
													   candidates[i].edge));
		candidates[i].distance = hnsw_code_distance(&index->coder, base,
													candidates[i].code);
		if (i < live)
			result[i] = candidates[i].edge;
	}
	selection.fill = count;
	num_selected = hnsw_select_neighbours(&index->coder, candidates,
										  num_candidates, selection);
	for (int i = 0; i < num_selected && kept < (int) count; i++)
	{
		HnswElement target = HNSW_EDGE_TARGET(candidates[i].edge);

		if (!has_edge_to(result, live, target))
			result[kept++] = target;
	}
	return kept;
}

/* Repair a list.  False if not as many edges were found as it had. */
static bool
repair_list(HnswRepair *repair, HnswElement element, int level)
{
	HnswIndex *index = repair->index;
	uint32	   edges[2 * HNSW_MAX_M];
	uint32	   result[2 * HNSW_MAX_M];
	uint32	   count;
	uint32	   new_count;

	do
	{
		bool damaged = false;

		count = hnsw_read_list(index, element, level, edges);
		for (uint32 i = 0; i < count && !damaged; i++)
			damaged = hnsw_set_has(&repair->dying, HNSW_EDGE_TARGET(edges[i]));
		if (!damaged)
			return true;
		new_count = repaired_list(repair, element, level, edges, count,
								  result);
	} while (!hnsw_replace_list(index, element, level, edges, count, result,
								new_count));

	/* neighbours gained from dying ones have lost edges too: give them one */
	for (uint32 i = 0; i < new_count; i++)
	{
		HnswElement target = HNSW_EDGE_TARGET(result[i]);

		if (!has_edge_to(edges, count, target))
			hnsw_add_edge(index, target, level, element);
	}
	return new_count >= count;
}

void
hnsw_repair_element(HnswRepair *repair, HnswElement element)
{
	HnswIndex	 *index = repair->index;
	MemoryContext old_context = MemoryContextSwitchTo(repair->context);

	/* where few are left on an upper level, only a search finds them */
	for (int level = hnsw_level(index, element); level > 0; level--)
	{
		if (!repair_list(repair, element, level))
			hnsw_link_upper_level(index, element, level);
	}
	(void) repair_list(repair, element, 0);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(repair->context);
}

/* ------------------------------------------------------------------------
 * Reachability
 * ------------------------------------------------------------------------
 */

/*
 * Turn unprotected edges from what is reached to live elements that are not
 * into protected ones, until there are none.
 */
static void
promote_edges(HnswRepair *repair, const HnswNumberSet *live, Traversal *t)
{
	HnswIndex *index = repair->index;
	uint32	   capacity = hnsw_list_capacity(index, 0);
	uint32	   edges[2 * HNSW_MAX_M];
	bool	   any = true;

	while (any)
	{
		any = false;
		for (uint64 number = 0; number < t->reached.size; number++)
		{
			uint32 count;

			if (!hnsw_set_has(&t->reached, number))
				continue;
			VacuumDelayPoint();
			count = hnsw_read_list(index, number, 0, edges);
			for (uint32 i = 0; i < count; i++)
			{
				HnswElement target = HNSW_EDGE_TARGET(edges[i]);

				if (!hnsw_set_has(live, target) ||
					hnsw_set_has(&t->reached, target) ||
					!hnsw_add_protected_edge(index, number, target, capacity))
					continue;
				hnsw_force_protected_edge(index, target, number);
				reach_from(t, target);
				any = true;
			}
		}
	}
}

static HnswElement
next_unreached(const Traversal *t, const HnswNumberSet *live, HnswElement from)
{
	for (uint64 number = from; number < live->size; number++)
	{
		if (hnsw_set_has(live, number) && !hnsw_set_has(&t->reached, number))
			return number;
	}
	return HNSW_NONE;
}

void
hnsw_rejoin_elements(HnswRepair *repair, HnswNumberSet *live)
{
	HnswIndex  *index = repair->index;
	HnswElement element = hnsw_read_entry_point(index).element;
	Traversal	t;

	traversal_init(&t, index, live->size);

	/*
	 * An entry point that came meanwhile is joined with any of the others, but
	 * for spared ones, which may be joined with nothing yet.
	 */
	if (!hnsw_set_has(live, element))
	{
		element = next_unreached(&t, live, 0);
		while (element != HNSW_NONE &&
			   hnsw_read_entry(index, element).state != HNSW_ENTRY_ELEMENT)
			element = next_unreached(&t, live, element + 1);
	}
	if (element != HNSW_NONE)
		reach_from(&t, element);

	/* bridges and inserts see to it that mostly there is nothing to do */
	element = next_unreached(&t, live, 0);
	if (element != HNSW_NONE)
		promote_edges(repair, live, &t);
	while ((element = next_unreached(&t, live, element)) != HNSW_NONE)
	{
		MemoryContext old_context = MemoryContextSwitchTo(repair->context);

		VacuumDelayPoint();
		if (!hnsw_attach_element(index, element, &t.reached))
			hnsw_set_remove(live, element);
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(repair->context);
		reach_from(&t, element);
	}
	traversal_free(&t);
}
