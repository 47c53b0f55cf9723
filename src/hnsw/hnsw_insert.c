/*
 * hnsw_insert.c
 *		Insertion of one row into the graph on pages.
 *
 * The caller holds the insert lock in share mode (rule L3), so that vacuum can
 * wait for inserts that began before it marked elements as dying.  No other
 * lock is held between page visits: lists are computed without locks from
 * copies and replaced only if they have not changed meanwhile (rule L2).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "hnsw/hnsw.h"
#include "hnsw/hnsw_inline.h"

/* How often a search is widened to find live elements among dead ones. */
#define MAX_WIDENINGS_FOR_LIVE 8

/* ------------------------------------------------------------------------
 * Changing lists
 * ------------------------------------------------------------------------
 */

/* A list change that is ready to be written. */
typedef struct ListChange
{
	HnswElement element;
	HnswPlace	at;
	uint32	   *expected; /* what it was computed from */
	uint32		expected_count;
	uint32	   *edges;
	uint32		count;
	bool		done;

	HnswInlineCodes *inline_codes; /* of new edges, if the index has those */
} ListChange;

static HnswList *
list_in_page(HnswIndex *index, Page page, uint32 slot, int level)
{
	return (HnswList *) HnswPageGetSlot(page, slot,
										level == 0
											? index->geometry.list_bytes
											: index->geometry.upper_bytes);
}

/* Before pages are locked: what goes into the list with its new edges. */
static void
prepare_change(HnswIndex *index, int level, ListChange *change)
{
	change->done = false;
	change->inline_codes = NULL;
	if (level > 0 || index->geometry.inline_offset == 0)
		return;
	hnsw_inline_keep_places(change->expected, change->expected_count,
							change->edges, change->count);
	change->inline_codes = hnsw_inline_encode(index, change->element, NULL,
											  change->expected,
											  change->expected_count,
											  change->edges, change->count);
}

static int
compare_changes(const void *a, const void *b)
{
	const ListChange *ca = a;
	const ListChange *cb = b;

	if (ca->at.block != cb->at.block)
		return ca->at.block < cb->at.block ? -1 : 1;
	return 0;
}

/*
 * Write the changes of lists of one level that still apply, several pages to a
 * WAL record; sets done on those.  Sorts the array by block.
 */
static void
write_changes(HnswIndex *index, int level, ListChange *changes,
			  int num_changes)
{
	HnswPageKind kind = level == 0 ? HNSW_PAGE_EDGES : HNSW_PAGE_UPPER;
	int			 i = 0;

	qsort(changes, num_changes, sizeof(ListChange), compare_changes);
	while (i < num_changes)
	{
		HnswEdit edit;
		int		 first = i;
		int		 page = -1;
		bool	 registered = false;

		CHECK_FOR_INTERRUPTS();

		/* lock the next pages, then see which lists are as expected */
		hnsw_edit_start(&edit, index);
		for (; i < num_changes; i++)
		{
			bool same = i > first &&
						changes[i].at.block == changes[i - 1].at.block;

			if (!same && edit.pages.num_pages == HNSW_EDIT_MAX_PAGES)
				break;
			if (!same)
				page = hnsw_edit_lock(&edit, changes[i].at.block, kind);
		}

		page = -1;
		for (int j = first; j < i; j++)
		{
			ListChange *change = &changes[j];
			Page		current;
			HnswList   *list;

			if (j == first || change->at.block != changes[j - 1].at.block)
				page++;
			current = edit.pages.images[page] != NULL
						  ? edit.pages.images[page]
						  : hnsw_edit_peek(&edit, page);
			if (current == NULL)
			{
				if (change->expected_count != 0)
					continue;
			}
			else
			{
				list = list_in_page(index, current, change->at.slot, level);
				if (list->count != change->expected_count ||
					memcmp(list->edges, change->expected,
						   sizeof(uint32) * list->count) != 0)
					continue;
			}

			list = list_in_page(index, hnsw_edit_image(&edit, page, kind),
								change->at.slot, level);
			list->count = change->count;
			memcpy(list->edges, change->edges, sizeof(uint32) * change->count);
			if (change->inline_codes != NULL)
				hnsw_inline_fill(index, list, change->expected,
								 change->expected_count, change->edges,
								 change->count, change->inline_codes);
			change->done = true;
			registered = true;
		}
		if (registered)
			hnsw_edit_finish(&edit);
		else
			hnsw_edit_abort(&edit);
	}
}

bool
hnsw_replace_list(HnswIndex *index, HnswElement element, int level,
				  const uint32 *expected, uint32 expected_count,
				  const uint32 *edges, uint32 count)
{
	uint32	   new_edges[2 * HNSW_MAX_M];
	ListChange change;

	memcpy(new_edges, edges, sizeof(uint32) * count);
	change.element = element;
	change.at = hnsw_list_place(index, element, level);
	change.expected = (uint32 *) expected;
	change.expected_count = expected_count;
	change.edges = new_edges;
	change.count = count;
	prepare_change(index, level, &change);
	write_changes(index, level, &change, 1);
	if (change.inline_codes != NULL)
		pfree(change.inline_codes);
	return change.done;
}

/* The codes that a list is computed from, in a context of their own. */
typedef struct ListWork
{
	MemoryContext context;
	MemoryContext old_context;
} ListWork;

static ListWork
begin_list_work(void)
{
	ListWork work;

	work.context = AllocSetContextCreate(CurrentMemoryContext, "hnsw list",
										 ALLOCSET_DEFAULT_SIZES);
	work.old_context = MemoryContextSwitchTo(work.context);
	return work;
}

static void
end_list_work(ListWork work)
{
	MemoryContextSwitchTo(work.old_context);
	MemoryContextDelete(work.context);
}

/*
 * Compute the list that results from adding an edge to `target`.  Returns
 * false if nothing is to be written: the edge is there already, or the
 * selection does not take it.
 */
static bool
list_with_edge(HnswIndex *index, HnswElement element, int level,
			   const uint32 *edges, uint32 count, uint32 new_edge,
			   uint32 *result, uint32 *result_count)
{
	uint32		   capacity = hnsw_list_capacity(index, level);
	HnswElement	   target = HNSW_EDGE_TARGET(new_edge);
	HnswNeighbour *candidates;
	HnswCode	  *base;
	ListWork	   work;
	bool		   taken = false;
	int			   kept;

	for (uint32 i = 0; i < count; i++)
	{
		if (HNSW_EDGE_TARGET(edges[i]) != target)
			continue;
		if (!HNSW_EDGE_IS_PROTECTED(new_edge) ||
			HNSW_EDGE_IS_PROTECTED(edges[i]))
			return false;
		memcpy(result, edges, sizeof(uint32) * count);
		result[i] |= HNSW_PROTECTED;
		*result_count = count;
		return true;
	}

	if (count < capacity)
	{
		memcpy(result, edges, sizeof(uint32) * count);
		result[count] = new_edge;
		*result_count = count + 1;
		return true;
	}

	/* full: select among the old edges and the new one */
	work = begin_list_work();
	candidates = palloc(sizeof(HnswNeighbour) * (count + 1));
	base = hnsw_copy_code(index, element);
	for (uint32 i = 0; i <= count; i++)
	{
		candidates[i].edge = i < count ? edges[i] : new_edge;
		candidates[i].code = hnsw_copy_code(index, HNSW_EDGE_TARGET(
													   candidates[i].edge));
		candidates[i].distance = hnsw_code_distance(&index->coder, base,
													candidates[i].code);
	}
	kept = hnsw_select_neighbours(&index->coder, candidates, count + 1,
								  hnsw_list_selection(index->m, level,
													  capacity));
	for (int i = 0; i < kept; i++)
	{
		result[i] = candidates[i].edge;
		taken |= HNSW_EDGE_TARGET(candidates[i].edge) == target;
	}
	*result_count = kept;
	end_list_work(work);
	return taken;
}

static bool
has_protected(const uint32 *edges, uint32 count, uint32 edge)
{
	for (uint32 i = 0; i < count; i++)
	{
		if (edges[i] == edge)
			return true;
	}
	return false;
}

/* The number of protected edges in a list. */
static uint32
count_protected(const uint32 *edges, uint32 count)
{
	uint32 n = 0;

	for (uint32 i = 0; i < count; i++)
		n += HNSW_EDGE_IS_PROTECTED(edges[i]);
	return n;
}

/*
 * Add an edge to a list if the selection takes it.  False if it is a protected
 * one and the list has max_protected of those already.
 */
static bool
add_edge(HnswIndex *index, HnswElement element, int level, uint32 new_edge,
		 uint32 max_protected)
{
	uint32	capacity = hnsw_list_capacity(index, level);
	uint32 *old_edges = palloc(sizeof(uint32) * capacity);
	uint32 *new_edges = palloc(sizeof(uint32) * (capacity + 1));
	bool	added = true;

	for (;;)
	{
		uint32 old_count = hnsw_read_list(index, element, level, old_edges);
		uint32 new_count;

		if (HNSW_EDGE_IS_PROTECTED(new_edge) &&
			!has_protected(old_edges, old_count, new_edge) &&
			count_protected(old_edges, old_count) >= max_protected)
		{
			added = false;
			break;
		}
		if (!list_with_edge(index, element, level, old_edges, old_count,
							new_edge, new_edges, &new_count))
			break;
		if (hnsw_replace_list(index, element, level, old_edges, old_count,
							  new_edges, new_count))
			break;
	}
	pfree(old_edges);
	pfree(new_edges);
	return added;
}

void
hnsw_add_edge(HnswIndex *index, HnswElement element, int level,
			  HnswElement target)
{
	(void) add_edge(index, element, level, target, 0);
}

bool
hnsw_add_protected_edge(HnswIndex *index, HnswElement element,
						HnswElement target, uint32 max_protected)
{
	return add_edge(index, element, 0, target | HNSW_PROTECTED, max_protected);
}

/*
 * Give the elements of a new element's list on a level an edge back to it, but for
 * the parent, which has one already.
 */
static void
add_backlinks(HnswIndex *index, HnswElement element, int level,
			  const uint32 *edges, uint32 count)
{
	uint32		capacity = hnsw_list_capacity(index, level);
	ListChange *changes = palloc(sizeof(ListChange) * count);
	int			num_changes = 0;

	for (uint32 i = 0; i < count; i++)
	{
		ListChange *change = &changes[num_changes];

		if (HNSW_EDGE_IS_PROTECTED(edges[i]))
			continue;
		change->element = edges[i];
		change->at = hnsw_list_place(index, change->element, level);
		change->expected = palloc(sizeof(uint32) * capacity);
		change->edges = palloc(sizeof(uint32) * (capacity + 1));
		change->expected_count = hnsw_read_list(index, change->element, level,
												change->expected);
		if (list_with_edge(index, change->element, level, change->expected,
						   change->expected_count, element, change->edges,
						   &change->count))
		{
			prepare_change(index, level, change);
			num_changes++;
		}
	}
	write_changes(index, level, changes, num_changes);

	/* lists that others changed in the meantime, one by one */
	for (int i = 0; i < num_changes; i++)
	{
		if (!changes[i].done)
			hnsw_add_edge(index, changes[i].element, level, element);
	}
}

/* ------------------------------------------------------------------------
 * Finding neighbours
 * ------------------------------------------------------------------------
 */

/*
 * May protected edges be added to and from it?  Vacuum says which elements those
 * are, for it joins others, too, before they are in the graph again.
 */
static bool
may_lead_to(HnswIndex *index, const HnswNumberSet *allowed,
			HnswElement element)
{
	if (allowed != NULL)
		return hnsw_set_has(allowed, element);
	return hnsw_read_entry(index, element).state == HNSW_ENTRY_ELEMENT;
}

static bool
is_dying(HnswIndex *index, HnswElement element)
{
	return hnsw_read_entry(index, element).state == HNSW_ENTRY_DYING;
}

/* A found element that a new one may be linked to. */
typedef struct LiveCandidate
{
	float		distance;
	float		error;
	HnswElement element;
	uint64		hash;
} LiveCandidate;

/*
 * Append the beam's live elements.  Ghosts and dying elements are passed
 * through by searches, but get no new edges.
 */
static int
append_live(HnswSearch *search, HnswElement except, LiveCandidate *live,
			int count)
{
	for (int i = 0; i < search->beam_count; i++)
	{
		HnswElement element = HnswCandidateElement(&search->beam[i]);
		HnswEntry	entry = hnsw_read_entry(search->index, element);

		if (element == except || entry.state != HNSW_ENTRY_ELEMENT ||
			(!ItemPointerIsValid(&entry.tid) && entry.next == HNSW_NONE))
			continue;
		live[count].distance = search->beam[i].distance;
		live[count].error = search->beam[i].error;
		live[count].element = element;
		live[count].hash = entry.hash_or_head |
						   ((uint64) entry.hash_high << 32);
		count++;
	}
	return count;
}

/*
 * Search a level for live elements near the query, `except` one that may be
 * there already.  *live is palloc'd.  The
 * search is widened while it meets hardly any live element, and goes on to the
 * end of the graph rather than finding none.
 */
static int
find_live(HnswSearch *search, HnswEntryPoint entry, int level,
		  HnswElement except, LiveCandidate **live)
{
	HnswIndex *index = search->index;
	int		   wanted = Min((int) index->m, (int) index->ef_construction);
	int		   count = 0;

	*live = NULL;
	hnsw_search_from(search, entry, level, index->ef_construction);
	for (int round = 0;; round++)
	{
		Size size = sizeof(LiveCandidate) * (count + search->beam_count + 1);

		*live = *live == NULL ? palloc_extended(size, MCXT_ALLOC_HUGE)
							  : repalloc_huge(*live, size);
		count = append_live(search, except, *live, count);
		if (count >= wanted || (count > 0 && round >= MAX_WIDENINGS_FOR_LIVE))
			break;
		hnsw_search_consume(search, search->beam_count);
		if (!hnsw_search_widen(search, index->ef_construction))
			break;
	}
	return count;
}

/*
 * How a new element chooses its neighbours on a level.  On level 0 these are
 * more than the m of a build: the lists around it have grown while other elements
 * came, to m * 3/2 on the average, and one that is shorter makes a poor way to what
 * lies around it (README, "Neighbours").
 */
static inline HnswSelection
new_list_selection(uint32 m, int level)
{
	HnswSelection selection = hnsw_list_selection(m, level, m);

	if (level == 0)
		selection.limit = selection.fill = m + m / 2;
	return selection;
}

/*
 * Choose the neighbours of a new element on a level; code is what it is linked
 * by.  edges has room for the level's capacity.  On level 0 one of them becomes
 * the parent, whose edges to and from the new element are protected (README,
 * "Reachability").
 */
static uint32
choose_neighbours(HnswIndex *index, const HnswCode *code,
				  const LiveCandidate *live, int num_live, int level,
				  uint32 *edges)
{
	int			  num_candidates = Min(num_live, (int) index->ef_construction);
	HnswSelection selection = new_list_selection(index->m, level);
	ListWork	  work = begin_list_work();
	HnswNeighbour *candidates = palloc(sizeof(HnswNeighbour) * num_candidates);
	uint32		  *their_edges = palloc(sizeof(uint32) *
										hnsw_list_capacity(index, level));
	int			   count;

	for (int i = 0; i < num_candidates; i++)
	{
		candidates[i].code = hnsw_copy_code(index, live[i].element);
		candidates[i].edge = live[i].element;
		/* the search goes by codes that may be too coarse to link by */
		candidates[i].distance = index->coder.links_by_refinement
									 ? hnsw_code_distance(&index->coder, code,
														  candidates[i].code)
									 : live[i].distance;
	}
	count = hnsw_select_neighbours(&index->coder, candidates, num_candidates,
								   selection);
	for (int i = 0; i < count; i++)
		edges[i] = candidates[i].edge;

	/* the parent: the nearest neighbour, or else candidate, with few children */
	for (int i = 0; i < num_candidates && level == 0; i++)
	{
		HnswElement element = HNSW_EDGE_TARGET(candidates[i].edge);
		uint32		their_count = hnsw_read_list(index, element, level,
												 their_edges);

		if (count_protected(their_edges, their_count) >= index->m)
			continue;
		if (i < count)
			edges[i] |= HNSW_PROTECTED;
		else
			edges[count++] = element | HNSW_PROTECTED;
		break;
	}
	end_list_work(work);
	return count;
}

/* ------------------------------------------------------------------------
 * Insertion
 * ------------------------------------------------------------------------
 */

typedef enum EntryPointRule
{
	IF_HIGHER,	 /* if its level is above the present one's */
	IF_UNCHANGED /* if the entry point still is the expected one */
} EntryPointRule;

static bool
set_entry_point(HnswIndex *index, EntryPointRule rule, HnswElement expected,
				HnswElement element, int level)
{
	HnswEdit		  edit;
	HnswMetaPageData *meta;
	int				  page;
	bool			  applies;

	hnsw_edit_start(&edit, index);
	page = hnsw_edit_lock(&edit, HNSW_META_BLKNO, HNSW_PAGE_META);
	meta = HnswPageGetMeta(hnsw_edit_peek(&edit, page));
	if (rule == IF_UNCHANGED)
		applies = meta->entry_point == expected;
	else
		applies = meta->entry_point == HNSW_NONE ||
				  (int) meta->entry_level < level;
	if (applies)
	{
		meta = HnswPageGetMeta(hnsw_edit_image(&edit, page, HNSW_PAGE_META));
		meta->entry_point = element;
		meta->entry_level = level;
		hnsw_edit_finish(&edit);
	}
	else
		hnsw_edit_abort(&edit);
	return applies;
}

bool
hnsw_replace_entry_point(HnswIndex *index, HnswElement expected,
						 HnswElement element, int level)
{
	return set_entry_point(index, IF_UNCHANGED, expected, element, level);
}

void
hnsw_force_protected_edge(HnswIndex *index, HnswElement element,
						  HnswElement target)
{
	uint32 capacity = hnsw_list_capacity(index, 0);
	uint32 edges[2 * HNSW_MAX_M];
	uint32 new_edges[2 * HNSW_MAX_M];
	uint32 count;
	uint32 new_count;

	do
	{
		uint32 victim = HNSW_NONE;

		/* in place of itself, of an ordinary edge, or of the one added first */
		count = hnsw_read_list(index, element, 0, edges);
		for (uint32 i = 0; i < count && victim == HNSW_NONE; i++)
		{
			if (HNSW_EDGE_TARGET(edges[i]) == target)
				victim = i;
		}
		for (uint32 i = 0;
			 i < count && victim == HNSW_NONE && count == capacity; i++)
		{
			if (!HNSW_EDGE_IS_PROTECTED(edges[i]))
				victim = i;
		}
		if (victim == HNSW_NONE && count == capacity)
			victim = 0;

		new_count = 0;
		for (uint32 i = 0; i < count; i++)
		{
			if (i != victim)
				new_edges[new_count++] = edges[i];
		}
		new_edges[new_count++] = target | HNSW_PROTECTED;
	} while (!hnsw_replace_list(index, element, 0, edges, count, new_edges,
								new_count));
}

/* In a list that has a protected edge to `from`, let it lead to `to` instead. */
static void
redirect_protected_edge(HnswIndex *index, HnswElement element,
						HnswElement from, HnswElement to)
{
	uint32 edges[2 * HNSW_MAX_M];
	uint32 new_edges[2 * HNSW_MAX_M];
	uint32 count;
	uint32 new_count;

	do
	{
		bool found = false;

		count = hnsw_read_list(index, element, 0, edges);
		new_count = 0;
		for (uint32 i = 0; i < count; i++)
		{
			if (edges[i] == (from | HNSW_PROTECTED))
				found = true;
			else if (HNSW_EDGE_TARGET(edges[i]) != to)
				new_edges[new_count++] = edges[i];
		}
		if (!found)
			return;
		new_edges[new_count++] = to | HNSW_PROTECTED;
	} while (!hnsw_replace_list(index, element, 0, edges, count, new_edges,
								new_count));
}

/*
 * Put an element that cannot be reached between another one and one of its
 * protected neighbours, which takes no room in their lists: first the element
 * leads to both, then the other one leads to the element instead of the
 * neighbour, last the neighbour to the element instead of the other one.  The
 * neighbour is live, or with at_dying may be dying as well.
 */
static bool
insert_between(HnswIndex *index, HnswElement element, HnswElement other,
			   const HnswNumberSet *allowed, bool at_dying)
{
	uint32 edges[2 * HNSW_MAX_M];
	uint32 new_edges[2 * HNSW_MAX_M];
	uint32 count = hnsw_read_list(index, other, 0, edges);

	for (uint32 i = 0; i < count; i++)
	{
		HnswElement neighbour = HNSW_EDGE_TARGET(edges[i]);
		uint32		new_count = 0;

		if (!HNSW_EDGE_IS_PROTECTED(edges[i]) || neighbour == element ||
			!(may_lead_to(index, allowed, neighbour) ||
			  (at_dying && is_dying(index, neighbour))))
			continue;
		hnsw_force_protected_edge(index, element, neighbour);
		hnsw_force_protected_edge(index, element, other);

		for (uint32 j = 0; j < count; j++)
		{
			if (j != i && HNSW_EDGE_TARGET(edges[j]) != element)
				new_edges[new_count++] = edges[j];
		}
		new_edges[new_count++] = element | HNSW_PROTECTED;
		if (hnsw_replace_list(index, other, 0, edges, count, new_edges,
							  new_count))
		{
			redirect_protected_edge(index, neighbour, other, element);
			return true;
		}
		count = hnsw_read_list(index, other, 0, edges);
	}
	return false;
}

/*
 * Join an element, which cannot be reached, with a parent that has less than
 * max_protected protected edges.  First the edge to the parent: if this is
 * interrupted, nothing gets to know an element that does not lead back.
 */
static bool
add_child(HnswIndex *index, HnswElement parent, HnswElement element,
		  uint32 max_protected)
{
	uint32 edges[2 * HNSW_MAX_M];
	uint32 count = hnsw_read_list(index, parent, 0, edges);

	if (count_protected(edges, count) >= max_protected)
		return false;
	hnsw_force_protected_edge(index, element, parent);
	return hnsw_add_protected_edge(index, parent, element, max_protected);
}

/* hnsw_attach_element; with at_dying also where a dying element is next to it. */
static bool
attach_element(HnswIndex *index, HnswElement element,
			   const HnswNumberSet *allowed, bool at_dying)
{
	HnswEntryPoint entry = hnsw_read_entry_point(index);
	HnswQuery	   query;
	HnswSearch	   search;

	/* the graph is empty, and its first element on its way */
	if (entry.element == HNSW_NONE)
		return false;
	hnsw_query_init_from_code(&query, &index->coder,
							  hnsw_copy_code(index, element));
	hnsw_search_init(&search, index, &query);
	hnsw_search_from(&search, entry, 0, index->ef_construction);
	do
	{
		for (int between = 0; between <= 1; between++)
		{
			for (int i = 0; i < search.beam_count; i++)
			{
				HnswElement parent = HnswCandidateElement(&search.beam[i]);

				CHECK_FOR_INTERRUPTS();
				if (parent == element || !may_lead_to(index, allowed, parent))
					continue;
				if (between)
				{
					if (insert_between(index, element, parent, allowed,
									   at_dying))
						return true;
				}
				else if (add_child(index, parent, element, index->m))
					return true;
			}
		}
		hnsw_search_consume(&search, search.beam_count);
	} while (hnsw_search_widen(&search, index->ef_construction));
	return false;
}

bool
hnsw_attach_element(HnswIndex *index, HnswElement element,
					const HnswNumberSet *allowed)
{
	return attach_element(index, element, allowed, false);
}

/*
 * Link an element, which is in the graph on level 0, on an upper level, not
 * above the entry point's.  Replaces the list that it has there.
 */
static void
link_upper_level(HnswSearch *search, HnswEntryPoint entry, HnswElement element,
				 const HnswCode *code, int level)
{
	HnswIndex	  *index = search->index;
	uint32		   edges[HNSW_MAX_M];
	uint32		   old_edges[HNSW_MAX_M];
	uint32		   old_count;
	LiveCandidate *live;
	int			   num_live = find_live(search, entry, level, element, &live);
	uint32 count = choose_neighbours(index, code, live, num_live, level,
									 edges);

	do
	{
		old_count = hnsw_read_list(index, element, level, old_edges);
	} while (!hnsw_replace_list(index, element, level, old_edges, old_count,
								edges, count));
	add_backlinks(index, element, level, edges, count);
	pfree(live);
}

void
hnsw_link_upper_level(HnswIndex *index, HnswElement element, int level)
{
	HnswEntryPoint entry = hnsw_read_entry_point(index);
	HnswCode	  *code;
	HnswQuery	   query;
	HnswSearch	   search;

	if (level > entry.level)
		return;
	code = hnsw_copy_code(index, element);
	hnsw_query_init_from_code(&query, &index->coder, code);
	hnsw_search_init(&search, index, &query);
	link_upper_level(&search, entry, element, code, level);
}

/*
 * Find an element of equal value among the nearest and add the row to it.  Returns
 * that, HNSW_NONE if there is none.
 */
static HnswElement
add_to_equal(HnswIndex *index, const LiveCandidate *live, int num_live,
			 const HnswCode *code, uint64 hash, ItemPointer tid)
{
	HnswElement equal = HNSW_NONE;

	for (int i = 0; i < num_live && equal == HNSW_NONE; i++)
	{
		HnswCode *theirs;

		if (live[i].hash != hash)
			continue;
		theirs = hnsw_copy_code(index, live[i].element);
		if (hnsw_codes_equal(&index->coder, theirs, code) &&
			hnsw_add_row(index, live[i].element, hash, tid) == HNSW_ROW_ADDED)
			equal = live[i].element;
		pfree(theirs);
	}
	return equal;
}

/* Make a protected edge, if there is one, an ordinary one. */
static void
unprotect_edge(HnswIndex *index, HnswElement element, HnswElement target)
{
	uint32 edges[2 * HNSW_MAX_M];
	uint32 new_edges[2 * HNSW_MAX_M];
	uint32 count;

	do
	{
		count = hnsw_read_list(index, element, 0, edges);
		for (uint32 i = 0; i < count; i++)
			new_edges[i] = HNSW_EDGE_TARGET(edges[i]) == target ? target
																: edges[i];
	} while (
		!hnsw_replace_list(index, element, 0, edges, count, new_edges, count));
}

/*
 * Join a new element with its parent.  This comes before any other edge to it,
 * so that whoever finds it, and may become its child, finds it joined.
 */
static void
join_parent(HnswIndex *index, HnswElement element, uint32 *edges, uint32 count)
{
	for (uint32 i = 0; i < count; i++)
	{
		HnswElement parent = HNSW_EDGE_TARGET(edges[i]);

		if (!HNSW_EDGE_IS_PROTECTED(edges[i]))
			continue;
		if (hnsw_add_protected_edge(index, parent, element, index->m))
			return;

		/* it got other children in the meantime */
		edges[i] = parent;
		unprotect_edge(index, element, parent);
	}

	/* none has room: there is a place between two others that stay */
	if (hnsw_attach_element(index, element, NULL))
		return;

	/*
	 * Unless hardly any stays: vacuum may have marked them since they were
	 * chosen.  But it waits for this insert before it looks who is joined with
	 * whom (rule V2), so those that were alive then will do.
	 */
	for (uint32 i = 0; i < count; i++)
	{
		HnswElement parent = HNSW_EDGE_TARGET(edges[i]);

		if (add_child(index, parent, element, hnsw_list_capacity(index, 0)))
			return;
	}

	/*
	 * Few live elements may have nothing but dying ones around, which fill their
	 * lists until vacuum comes to these: then there is a place between the two.
	 * Vacuum is told, as it may have passed by there already; if it has come just
	 * now, there is room.
	 */
	(void) hnsw_change_repair_flags(index, 0, HNSW_REPAIR_LINKED);
	for (int attempt = 0; attempt < 2; attempt++)
	{
		if (attach_element(index, element, NULL, true))
			return;
	}
	ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
					errmsg("index \"%s\" has no place for element %u",
						   RelationGetRelationName(index->rel), element),
					errhint("Please REINDEX it.")));
}

/* Does a search for its own value come to an element, however far it goes? */
static bool
is_reached(HnswSearch *search, HnswEntryPoint entry, HnswElement element)
{
	uint32 ef = search->index->ef_construction;

	hnsw_search_from(search, entry, 0, ef);
	do
	{
		for (int i = 0; i < search->beam_count; i++)
		{
			if (HnswCandidateElement(&search->beam[i]) == element)
				return true;
		}
		hnsw_search_consume(search, search->beam_count);
	} while (hnsw_search_widen(search, ef));
	return false;
}

/*
 * An insert that finds nobody alive begins a new graph (hnsw_link_element), while
 * another one, which found somebody before vacuum cleared the last rows, may go on
 * in the old graph.  Both look for what the other one writes after they have
 * written themselves, so at least one of them joins the two.
 *
 * linked_from: the entry point that an element with a new row was linked from;
 * search: for that row's value.
 */
static void
follow_entry_point(HnswSearch *search, HnswEntryPoint linked_from,
				   HnswElement element)
{
	HnswIndex	  *index = search->index;
	HnswEntryPoint entry = hnsw_read_entry_point(index);

	if (entry.element != linked_from.element && entry.element != element &&
		!is_reached(search, entry, element))
		(void) hnsw_attach_element(index, element, NULL);
}

void
hnsw_insert_value(HnswIndex *index, const void *value, ItemPointer tid)
{
	HnswCode *code;
	uint32	 *edges = palloc(sizeof(uint32) * hnsw_list_capacity(index, 0));
	uint32	  count = 0;
	HnswEntryPoint entry;
	HnswElement	   element;
	HnswQuery	   query;
	HnswSearch	   search;
	uint64		   hash;
	int			   level;

	coder_check_dimensions(&index->coder.codes, value);
	code = palloc0(hnsw_encoded_bytes(&index->coder, value));
	if (!hnsw_encode(&index->coder, value, code))
		return;
	hash = coder_value_hash(&index->coder.codes, value);
	hnsw_query_init(&query, &index->coder, value);
	hnsw_search_init(&search, index, &query);

	entry = hnsw_read_entry_point(index);
	if (entry.element != HNSW_NONE)
	{
		LiveCandidate *live;
		int num_live = find_live(&search, entry, 0, HNSW_NONE, &live);

		element = add_to_equal(index, live, num_live, code, hash, tid);
		if (element != HNSW_NONE)
		{
			follow_entry_point(&search, entry, element);
			return;
		}
		count = choose_neighbours(index, code, live, num_live, 0, edges);
	}

	element = hnsw_add_element(index, code, hash, tid, edges, count);
	if (count == 0)
	{
		/* no live element was there to be linked with */
		hnsw_link_element(index, element);
		return;
	}

	join_parent(index, element, edges, count);
	add_backlinks(index, element, 0, edges, count);
	level = hnsw_level(index, element);
	for (int l = Min(level, entry.level); l >= 1; l--)
		link_upper_level(&search, entry, element, code, l);
	follow_entry_point(&search, entry, element);
	if (level > entry.level)
		(void) set_entry_point(index, IF_HIGHER, HNSW_NONE, element, level);
}

void
hnsw_link_element(HnswIndex *index, HnswElement element)
{
	uint32	  *edges = palloc(sizeof(uint32) * hnsw_list_capacity(index, 0));
	HnswCode  *code = hnsw_copy_code(index, element);
	HnswQuery  query;
	HnswSearch search;

	hnsw_query_init_from_code(&query, &index->coder, code);
	hnsw_search_init(&search, index, &query);

	for (;;)
	{
		HnswEntryPoint entry = hnsw_read_entry_point(index);
		LiveCandidate *live;
		int			   num_live = 0;
		uint32		   count;

		if (entry.element == element)
			return;
		if (entry.element != HNSW_NONE)
			num_live = find_live(&search, entry, 0, element, &live);
		if (num_live == 0)
		{
			/* this one becomes the graph, unless somebody else was faster */
			if (!hnsw_replace_entry_point(index, entry.element, element,
										  hnsw_level(index, element)))
				continue;

			/* whom follow_entry_point joins */
			if (entry.element != HNSW_NONE)
				num_live = find_live(&search, entry, 0, element, &live);
			if (num_live == 0)
				return;
		}

		count = choose_neighbours(index, code, live, num_live, 0, edges);
		for (uint32 i = 0; i < count; i++)
			(void) add_edge(index, element, 0, edges[i],
							hnsw_list_capacity(index, 0));
		join_parent(index, element, edges, count);
		add_backlinks(index, element, 0, edges, count);
		follow_entry_point(&search, entry, element);
		return;
	}
}

bool
hnsw_insert(Relation rel, Datum *values, bool *isnull, ItemPointer heap_tid,
			Relation heap, IndexUniqueCheck check_unique, bool index_unchanged,
			IndexInfo *index_info)
{
	MemoryContext context;
	MemoryContext old_context;
	HnswIndex	 *index;
	void		 *value;

	if (isnull[0])
		return false;

	context = AllocSetContextCreate(CurrentMemoryContext, "hnsw insert",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	value = PG_DETOAST_DATUM(values[0]);
	index = hnsw_open(rel);

	LockPage(rel, HNSW_META_BLKNO, ShareLock);
	hnsw_insert_value(index, value, heap_tid);
	UnlockPage(rel, HNSW_META_BLKNO, ShareLock);

	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return false;
}
