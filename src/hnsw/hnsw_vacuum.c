/*
 * hnsw_vacuum.c
 *		Removal of dead rows, and of elements that have no rows left.
 *
 * ambulkdelete clears the TIDs of dead rows in the entries pages, which are a
 * few bytes a row, and leaves the graph alone: an element without rows, a
 * ghost, goes on serving searches as a way to its neighbours.  Ghosts are
 * taken out of the graph in amvacuumcleanup, once there are enough of them
 * (README, "Vacuum", for the protocol and why no reader or inserter is led
 * astray).
 */
#include "postgres.h"

#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "hnsw/hnsw.h"

/*
 * Ghosts are taken out when they are more than one in GHOST_DIVISOR of the
 * elements, or when the index is so small that it costs nothing.
 */
#define GHOST_DIVISOR			20
#define SMALL_INDEX_ELEMENTS	1000

/* ------------------------------------------------------------------------
 * Sets of numbers
 * ------------------------------------------------------------------------
 */
typedef struct NumberSet
{
	uint64		size;
	uint8	   *bits;
} NumberSet;

static void
set_init(NumberSet *set, uint64 size)
{
	set->size = size;
	set->bits = palloc_extended((size + 7) / 8, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static inline void
set_add(NumberSet *set, HnswElement number)
{
	if (number < set->size)
		set->bits[number / 8] |= 1 << (number % 8);
}

/* Numbers that came after the set was made are not in it. */
static inline bool
set_has(const NumberSet *set, HnswElement number)
{
	return number < set->size && (set->bits[number / 8] & (1 << (number % 8))) != 0;
}

static inline uint64
index_numbers(HnswIndex *index)
{
	HnswDirectory *directory = index->directory;

	return directory->num_extents == 0 ? 0 :
		directory->extents[directory->num_extents - 1].end;
}

/* ------------------------------------------------------------------------
 * Walking the entries
 * ------------------------------------------------------------------------
 */

/* A private copy of an entries page: `count` numbers from `first` on. */
typedef struct EntriesPage
{
	BlockNumber block;
	HnswSupplyKind kind;
	HnswElement first;
	uint32		count;
	bool		listed;			/* in the list of pages with free slots */
	HnswEntry  *entries;		/* count of them */
} EntriesPage;

typedef struct VacuumState
{
	HnswIndex  *index;
	IndexVacuumInfo *info;
	IndexBulkDeleteResult *stats;
	MemoryContext context;		/* of one page or element */
	EntriesPage page;
	IndexBulkDeleteCallback callback;	/* of ambulkdelete */
	void	   *callback_state;
	uint64		elements;
	uint64		ghosts;
	NumberSet	dying;
	HnswElement next_entry_point;
	int			next_entry_level;
} VacuumState;

static VacuumState *
start_vacuum(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	VacuumState *state = palloc0(sizeof(VacuumState));

	state->info = info;
	state->stats = stats;
	state->index = hnsw_open(info->index);
	hnsw_refresh_directory(state->index);
	state->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw vacuum",
										   ALLOCSET_DEFAULT_SIZES);
	state->page.entries = palloc(BLCKSZ);
	return state;
}

/*
 * Copy an entries page; false if it was never written.
 */
static bool
load_entries_page(VacuumState *state, const HnswExtentLayout *extent, uint32 page_no)
{
	HnswIndex  *index = state->index;
	EntriesPage *page = &state->page;
	uint32		per_page = index->geometry.entries_per_page;
	Buffer		buffer;
	bool		is_new;

	page->block = extent->entries + page_no;
	page->kind = page_no < extent->element_pages ? HNSW_SUPPLY_ELEMENTS : HNSW_SUPPLY_ROWS;
	page->first = extent->first + page_no * per_page;
	page->count = page->kind == HNSW_SUPPLY_ROWS ? per_page :
		Min(per_page, extent->elements - page_no * per_page);

	buffer = ReadBufferExtended(index->rel, MAIN_FORKNUM, page->block, RBM_NORMAL,
								state->info->strategy);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	is_new = PageIsNew(BufferGetPage(buffer));
	if (!is_new)
	{
		hnsw_check_page(index, buffer, HNSW_PAGE_ENTRIES);
		memcpy(page->entries, HnswPageGetSlot(BufferGetPage(buffer), 0, 0),
			   sizeof(HnswEntry) * page->count);
		page->listed =
			HnswPageGetHeader(BufferGetPage(buffer))->next_free != InvalidBlockNumber;
	}
	UnlockReleaseBuffer(buffer);
	return !is_new;
}

typedef void (*EntriesPageCallback) (VacuumState *state);

static void
walk_entries(VacuumState *state, EntriesPageCallback callback)
{
	HnswDirectory *directory = state->index->directory;

	for (uint32 i = 0; i < directory->num_extents; i++)
	{
		/* a refresh of the directory may move it */
		HnswExtentLayout extent = directory->extents[i];

		for (uint32 page_no = 0; page_no < extent.lists - extent.entries; page_no++)
		{
			VacuumDelayPoint();
			if (load_entries_page(state, &extent, page_no))
			{
				MemoryContext old_context = MemoryContextSwitchTo(state->context);

				callback(state);
				MemoryContextSwitchTo(old_context);
				MemoryContextReset(state->context);
			}
			directory = state->index->directory;
		}
	}
}

static inline HnswEntry *
entry_in_page(Page page, uint32 slot)
{
	return (HnswEntry *) HnswPageGetSlot(page, slot, sizeof(HnswEntry));
}

/* ------------------------------------------------------------------------
 * Pass 1: TIDs of dead rows
 * ------------------------------------------------------------------------
 */

static void
clear_dead_rows(VacuumState *state)
{
	EntriesPage *page = &state->page;
	HnswEdit	edit;
	bool		any = false;

	/* decide on the copy; only vacuum takes rows away, so they are still there */
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		HnswEntry  *entry = &page->entries[slot];

		if (entry->state == HNSW_ENTRY_FREE || !ItemPointerIsValid(&entry->tid))
			continue;
		if (state->callback(&entry->tid, state->callback_state))
		{
			state->stats->tuples_removed++;
			any = true;
		}
		else
		{
			state->stats->num_index_tuples++;
			ItemPointerSetInvalid(&entry->tid);
		}
	}
	if (!any)
		return;

	/* what is valid in the copy now is dead */
	hnsw_edit_start(&edit, state->index);
	hnsw_edit_lock(&edit, page->block, HNSW_PAGE_ENTRIES);
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		HnswEntry  *dead = &page->entries[slot];
		HnswEntry  *entry;

		if (dead->state == HNSW_ENTRY_FREE || !ItemPointerIsValid(&dead->tid))
			continue;
		entry = entry_in_page(hnsw_edit_image(&edit, 0, HNSW_PAGE_ENTRIES), slot);
		if (ItemPointerEquals(&entry->tid, &dead->tid))
			ItemPointerSetInvalid(&entry->tid);
	}
	hnsw_edit_finish(&edit);
}

IndexBulkDeleteResult *
hnsw_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
				 IndexBulkDeleteCallback callback, void *callback_state)
{
	VacuumState *state;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	stats->num_index_tuples = 0;

	state = start_vacuum(info, stats);
	state->callback = callback;
	state->callback_state = callback_state;
	walk_entries(state, clear_dead_rows);
	MemoryContextDelete(state->context);
	return stats;
}

/* ------------------------------------------------------------------------
 * Pass 2: chains of further rows
 * ------------------------------------------------------------------------
 */

/*
 * Take a row without TID out of the chain of its element and free its slot:
 * one record for up to three pages, locked in block order.  False if the chain
 * has changed, which only the insertion of a first row can do.
 */
static bool
unlink_row(HnswIndex *index, HnswElement head, HnswElement previous, HnswElement row,
		   HnswElement *next)
{
	HnswElement numbers[3];
	HnswPlace	at[3];
	int			order[3] = {0, 1, 2};
	int			pages[3];
	HnswEntry  *entries[3];
	HnswEdit	edit;
	bool		valid;

	numbers[0] = head;
	numbers[1] = previous;
	numbers[2] = row;
	for (int i = 0; i < 3; i++)
		at[i] = hnsw_entry_place(index, numbers[i]);
	for (int i = 1; i < 3; i++)
	{
		for (int j = i; j > 0 && at[order[j]].block < at[order[j - 1]].block; j--)
		{
			int			swap = order[j];

			order[j] = order[j - 1];
			order[j - 1] = swap;
		}
	}

	hnsw_edit_start(&edit, index);
	for (int i = 0; i < 3; i++)
	{
		bool		same = i > 0 && at[order[i]].block == at[order[i - 1]].block;

		pages[order[i]] = same ? pages[order[i - 1]] :
			hnsw_edit_lock(&edit, at[order[i]].block, HNSW_PAGE_ENTRIES);
	}
	for (int i = 0; i < 3; i++)
		entries[i] = entry_in_page(hnsw_edit_peek(&edit, pages[i]), at[i].slot);
	valid = entries[1]->next == row && entries[2]->state == HNSW_ENTRY_ROW &&
		!ItemPointerIsValid(&entries[2]->tid);
	if (!valid)
	{
		hnsw_edit_abort(&edit);
		return false;
	}

	for (int i = 0; i < 3; i++)
		entries[i] = entry_in_page(hnsw_edit_image(&edit, pages[i], HNSW_PAGE_ENTRIES),
								   at[i].slot);
	*next = entries[2]->next;
	entries[1]->next = *next;
	entries[0]->chain_version++;
	entries[2]->state = HNSW_ENTRY_FREE;
	hnsw_edit_finish(&edit);
	return true;
}

static void
shorten_chain(HnswIndex *index, HnswElement head)
{
	HnswElement previous;
	HnswElement current;

restart:
	previous = head;
	current = hnsw_read_entry(index, head).next;
	while (current != HNSW_NONE)
	{
		HnswEntry	row = hnsw_read_entry(index, current);

		VacuumDelayPoint();
		if (row.state != HNSW_ENTRY_ROW || row.hash_or_head != head)
			ereport(ERROR,
					(errcode(ERRCODE_INDEX_CORRUPTED),
					 errmsg("index \"%s\" has a broken chain of rows at element %u",
							RelationGetRelationName(index->rel), head),
					 errhint("Please REINDEX it.")));
		if (ItemPointerIsValid(&row.tid))
		{
			previous = current;
			current = row.next;
		}
		else if (!unlink_row(index, head, previous, current, &current))
			goto restart;
	}
}

static bool
is_ghost(const HnswEntry *entry)
{
	return entry->state == HNSW_ENTRY_DYING ||
		(entry->state == HNSW_ENTRY_ELEMENT && !ItemPointerIsValid(&entry->tid) &&
		 entry->next == HNSW_NONE);
}

/* Shorten the chains of a page's elements; count elements and ghosts. */
static void
examine_elements(VacuumState *state)
{
	EntriesPage *page = &state->page;

	if (page->kind != HNSW_SUPPLY_ELEMENTS)
		return;
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		HnswEntry	entry = page->entries[slot];

		if (entry.state == HNSW_ENTRY_FREE)
			continue;
		if (entry.state == HNSW_ENTRY_ELEMENT && entry.next != HNSW_NONE)
		{
			shorten_chain(state->index, page->first + slot);
			entry = hnsw_read_entry(state->index, page->first + slot);
		}
		state->elements++;
		if (is_ghost(&entry))
			state->ghosts++;
	}
}

/* ------------------------------------------------------------------------
 * Pass 3: taking ghosts out of the graph
 * ------------------------------------------------------------------------
 */

/* Mark a page's ghosts as dying, so that no new edge leads to them. */
static void
mark_dying(VacuumState *state)
{
	EntriesPage *page = &state->page;
	HnswEdit	edit;
	bool		any = false;

	if (page->kind != HNSW_SUPPLY_ELEMENTS)
		return;
	for (uint32 slot = 0; slot < page->count && !any; slot++)
		any = is_ghost(&page->entries[slot]);
	if (!any)
		return;

	hnsw_edit_start(&edit, state->index);
	hnsw_edit_lock(&edit, page->block, HNSW_PAGE_ENTRIES);
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		Page		current = edit.images[0] != NULL ? edit.images[0] :
			hnsw_edit_peek(&edit, 0);
		HnswEntry  *entry = entry_in_page(current, slot);

		/* an insert may have given it a row in the meantime */
		if (!is_ghost(entry))
			continue;
		set_add(&state->dying, page->first + slot);
		if (entry->state != HNSW_ENTRY_DYING)
		{
			entry = entry_in_page(hnsw_edit_image(&edit, 0, HNSW_PAGE_ENTRIES), slot);
			entry->state = HNSW_ENTRY_DYING;
		}
	}
	if (edit.images[0] != NULL)
		hnsw_edit_finish(&edit);
	else
		hnsw_edit_abort(&edit);
}

/* Wait for all inserts that are under way (rule L3). */
static void
wait_for_inserts(HnswIndex *index)
{
	LockPage(index->rel, HNSW_META_BLKNO, ExclusiveLock);
	UnlockPage(index->rel, HNSW_META_BLKNO, ExclusiveLock);
}

/*
 * Compute a list without dying elements: the live neighbours stay, and live
 * neighbours of dying ones take free places if the selection heuristic takes
 * them.  Returns the number of edges, 0 if no neighbour is left.
 */
static uint32
repaired_list(VacuumState *state, HnswElement element, int level, const uint32 *edges,
			  uint32 count, uint32 *result)
{
	HnswIndex  *index = state->index;
	uint32		capacity = hnsw_list_capacity(index, level);
	uint32	   *their_edges = palloc(sizeof(uint32) * capacity);
	HnswNeighbour *candidates = palloc(sizeof(HnswNeighbour) * capacity * (capacity + 1));
	Sq8Code    *base = palloc(index->geometry.code_bytes);
	uint32		live = 0;
	uint32		num_candidates;
	int			kept;

	/* live neighbours are protected for the selection, so that they stay */
	for (uint32 i = 0; i < count; i++)
	{
		if (!set_has(&state->dying, HNSW_EDGE_TARGET(edges[i])))
			candidates[live++].edge = edges[i];
	}
	num_candidates = live;
	for (uint32 i = 0; i < count; i++)
	{
		HnswElement dying = HNSW_EDGE_TARGET(edges[i]);
		uint32		their_count;

		if (!set_has(&state->dying, dying))
			continue;
		their_count = hnsw_read_list(index, dying, level, their_edges);
		for (uint32 j = 0; j < their_count; j++)
		{
			HnswElement other = HNSW_EDGE_TARGET(their_edges[j]);
			bool		known = other == element || set_has(&state->dying, other);

			for (uint32 k = 0; k < num_candidates && !known; k++)
				known = HNSW_EDGE_TARGET(candidates[k].edge) == other;
			if (!known && hnsw_read_entry(index, other).state == HNSW_ENTRY_ELEMENT)
				candidates[num_candidates++].edge = other;
		}
	}

	hnsw_read_code(index, element, base);
	for (uint32 i = 0; i < num_candidates; i++)
	{
		Sq8Code    *code = palloc(index->geometry.code_bytes);

		hnsw_read_code(index, HNSW_EDGE_TARGET(candidates[i].edge), code);
		candidates[i].code = code;
		candidates[i].distance = hnsw_code_distance(&index->coder, base, code);
		if (i < live)
			candidates[i].edge |= HNSW_PROTECTED;
	}
	kept = hnsw_select_neighbours(&index->coder, candidates, num_candidates, capacity);
	for (int i = 0; i < kept; i++)
	{
		result[i] = HNSW_EDGE_TARGET(candidates[i].edge);
		for (uint32 j = 0; j < count; j++)
		{
			if (HNSW_EDGE_TARGET(edges[j]) == result[i])
				result[i] = edges[j];
		}
	}
	return kept;
}

static void
repair_list(VacuumState *state, HnswElement element, int level)
{
	HnswIndex  *index = state->index;
	uint32		capacity = hnsw_list_capacity(index, level);
	uint32	   *edges = palloc(sizeof(uint32) * capacity);
	uint32	   *result = palloc(sizeof(uint32) * capacity);

	for (;;)
	{
		uint32		count = hnsw_read_list(index, element, level, edges);
		uint32		new_count;
		bool		damaged = false;

		for (uint32 i = 0; i < count && !damaged; i++)
			damaged = set_has(&state->dying, HNSW_EDGE_TARGET(edges[i]));
		if (!damaged)
			return;
		new_count = repaired_list(state, element, level, edges, count, result);
		if (hnsw_replace_list(index, element, level, edges, count, result, new_count))
			return;
	}
}

/* Repair the lists of a page's elements, on all their levels. */
static void
repair_elements(VacuumState *state)
{
	EntriesPage *page = &state->page;

	if (page->kind != HNSW_SUPPLY_ELEMENTS)
		return;
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		HnswElement element = page->first + slot;

		if (page->entries[slot].state != HNSW_ENTRY_ELEMENT)
			continue;
		VacuumDelayPoint();
		for (int level = hnsw_level(state->index, element); level >= 0; level--)
			repair_list(state, element, level);
		MemoryContextReset(state->context);
	}
}

/* Find the live element of the highest level. */
static void
find_entry_point(VacuumState *state)
{
	EntriesPage *page = &state->page;

	if (page->kind != HNSW_SUPPLY_ELEMENTS)
		return;
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		HnswElement element = page->first + slot;
		int			level;

		if (page->entries[slot].state != HNSW_ENTRY_ELEMENT)
			continue;
		level = hnsw_level(state->index, element);
		if (level > state->next_entry_level)
		{
			state->next_entry_point = element;
			state->next_entry_level = level;
		}
	}
}

static void
replace_dying_entry_point(VacuumState *state)
{
	for (;;)
	{
		HnswEntryPoint entry = hnsw_read_entry_point(state->index);

		if (entry.element == HNSW_NONE || !set_has(&state->dying, entry.element))
			return;
		state->next_entry_point = HNSW_NONE;
		state->next_entry_level = -1;
		walk_entries(state, find_entry_point);
		if (hnsw_replace_entry_point(state->index, entry.element, state->next_entry_point,
									 Max(state->next_entry_level, 0)))
			return;
	}
}

/* ------------------------------------------------------------------------
 * Pass 4: reachability
 * ------------------------------------------------------------------------
 */

/* Depth-first traversal of level 0 with a stack bounded in memory. */
typedef struct Traversal
{
	NumberSet	reached;
	NumberSet	expanded;
	HnswElement *stack;
	uint32		depth;
	uint32		max_depth;
	bool		overflowed;
} Traversal;

typedef struct ReachState
{
	VacuumState *vacuum;
	Traversal	traversal;
	uint32	   *edges;
} ReachState;

static void
reach(Traversal *t, HnswElement element)
{
	if (set_has(&t->reached, element))
		return;
	set_add(&t->reached, element);
	if (t->depth < t->max_depth)
		t->stack[t->depth++] = element;
	else
		t->overflowed = true;
}

static void
expand_stack(ReachState *state)
{
	Traversal  *t = &state->traversal;
	HnswIndex  *index = state->vacuum->index;

	while (t->depth > 0)
	{
		HnswElement element = t->stack[--t->depth];
		uint32		count;

		VacuumDelayPoint();
		if (element >= t->expanded.size || set_has(&t->expanded, element))
			continue;
		set_add(&t->expanded, element);
		count = hnsw_read_list(index, element, 0, state->edges);
		for (uint32 i = 0; i < count; i++)
			reach(t, HNSW_EDGE_TARGET(state->edges[i]));
	}
}

/* Mark everything that can be reached from an element. */
static void
reach_from(ReachState *state, HnswElement start)
{
	Traversal  *t = &state->traversal;

	reach(t, start);
	expand_stack(state);
	while (t->overflowed)
	{
		t->overflowed = false;
		for (uint64 number = 0; number < t->reached.size; number++)
		{
			if (!set_has(&t->reached, number) || set_has(&t->expanded, number))
				continue;
			t->stack[t->depth++] = number;
			expand_stack(state);
		}
	}
}

/*
 * Link every live element again that searches cannot reach any more.  Elements
 * inserted meanwhile are not looked at: inserts link what they add.
 */
static void
link_unreachable(VacuumState *vacuum)
{
	HnswIndex  *index = vacuum->index;
	ReachState	state;
	HnswEntryPoint entry = hnsw_read_entry_point(index);

	if (entry.element == HNSW_NONE)
		return;
	state.vacuum = vacuum;
	state.edges = palloc(sizeof(uint32) * hnsw_list_capacity(index, 0));
	set_init(&state.traversal.reached, vacuum->dying.size);
	set_init(&state.traversal.expanded, vacuum->dying.size);
	state.traversal.max_depth = Max(1024, Min((Size) maintenance_work_mem * 1024 / 2 /
											  sizeof(HnswElement), vacuum->dying.size));
	state.traversal.stack = palloc_extended(sizeof(HnswElement) * state.traversal.max_depth,
											MCXT_ALLOC_HUGE);
	state.traversal.depth = 0;
	state.traversal.overflowed = false;
	reach_from(&state, entry.element);

	for (uint32 i = 0; i < index->directory->num_extents; i++)
	{
		HnswExtentLayout extent = index->directory->extents[i];

		if (extent.first >= vacuum->dying.size)
			break;
		for (uint32 page_no = 0; page_no < extent.element_pages; page_no++)
		{
			if (!load_entries_page(vacuum, &extent, page_no))
				continue;
			for (uint32 slot = 0; slot < vacuum->page.count; slot++)
			{
				HnswElement element = vacuum->page.first + slot;
				MemoryContext old_context;

				if (vacuum->page.entries[slot].state != HNSW_ENTRY_ELEMENT ||
					set_has(&state.traversal.reached, element))
					continue;
				VacuumDelayPoint();
				old_context = MemoryContextSwitchTo(vacuum->context);
				LockPage(index->rel, HNSW_META_BLKNO, ShareLock);
				hnsw_link_element(index, element);
				UnlockPage(index->rel, HNSW_META_BLKNO, ShareLock);
				MemoryContextSwitchTo(old_context);
				MemoryContextReset(vacuum->context);
				reach_from(&state, element);
			}
		}
	}
	pfree(state.traversal.stack);
	pfree(state.traversal.reached.bits);
	pfree(state.traversal.expanded.bits);
	pfree(state.edges);
}

/* ------------------------------------------------------------------------
 * Pass 5: freeing slots
 * ------------------------------------------------------------------------
 */

/* Upper lists of a free element are empty, for its next owner. */
static void
clear_upper_lists(HnswIndex *index, HnswElement element)
{
	for (int level = hnsw_level(index, element); level >= 1; level--)
	{
		uint32		edges[HNSW_MAX_M];

		for (;;)
		{
			uint32		count = hnsw_read_list(index, element, level, edges);

			if (count == 0 || hnsw_replace_list(index, element, level, edges, count, NULL, 0))
				break;
		}
	}
}

/* Free a page's dying elements. */
static void
free_dying(VacuumState *state)
{
	EntriesPage *page = &state->page;
	HnswEdit	edit;
	Page		image;
	bool		any = false;

	if (page->kind != HNSW_SUPPLY_ELEMENTS)
		return;
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		if (!set_has(&state->dying, page->first + slot))
			continue;
		clear_upper_lists(state->index, page->first + slot);
		any = true;
	}
	if (!any)
		return;

	hnsw_edit_start(&edit, state->index);
	hnsw_edit_lock(&edit, page->block, HNSW_PAGE_ENTRIES);
	image = hnsw_edit_image(&edit, 0, HNSW_PAGE_ENTRIES);
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		HnswEntry  *entry = entry_in_page(image, slot);

		if (!set_has(&state->dying, page->first + slot))
			continue;
		Assert(entry->state == HNSW_ENTRY_DYING);
		entry->state = HNSW_ENTRY_FREE;
		entry->chain_version++;
	}
	hnsw_edit_finish(&edit);
}

/* Give a page with free slots back to its supply. */
static void
give_back_page(VacuumState *state)
{
	EntriesPage *page = &state->page;

	if (page->listed)
		return;
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		if (page->entries[slot].state == HNSW_ENTRY_FREE)
		{
			hnsw_supply_page(state->index, page->block, page->kind);
			return;
		}
	}
}

/*
 * Take the ghosts out of the graph; see README, "Vacuum", for the order of
 * steps.
 */
static void
remove_ghosts(VacuumState *state)
{
	HnswIndex  *index = state->index;

	set_init(&state->dying, index_numbers(index));
	walk_entries(state, mark_dying);
	wait_for_inserts(index);
	replace_dying_entry_point(state);
	walk_entries(state, repair_elements);
	link_unreachable(state);
	wait_for_inserts(index);
	walk_entries(state, free_dying);
	pfree(state->dying.bits);
}

IndexBulkDeleteResult *
hnsw_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	VacuumState *state;

	if (info->analyze_only || stats == NULL)
		return stats;

	state = start_vacuum(info, stats);
	walk_entries(state, examine_elements);
	if (state->ghosts > 0 &&
		(state->elements <= SMALL_INDEX_ELEMENTS ||
		 state->ghosts > state->elements / GHOST_DIVISOR))
		remove_ghosts(state);
	walk_entries(state, give_back_page);

	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	stats->estimated_count = info->estimated_count;
	MemoryContextDelete(state->context);
	return stats;
}
