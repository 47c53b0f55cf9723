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
#include "hnsw/hnsw_repair.h"
#include "index/foreign.h"

/*
 * Ghosts are taken out when they are more than one in GHOST_DIVISOR of the
 * elements, or when the index is so small that it costs nothing.
 */
#define GHOST_DIVISOR		 20
#define SMALL_INDEX_ELEMENTS 1000

/*
 * An overflow page with less free chunks is not given to new codes, which would
 * be scattered over many pages then.
 */
#define MIN_FREE_CHUNKS (HNSW_CHUNKS_PER_PAGE / 4)

/* ------------------------------------------------------------------------
 * Walking the entries
 * ------------------------------------------------------------------------
 */

/* A private copy of an entries page: `count` numbers from `first` on. */
typedef struct EntriesPage
{
	BlockNumber	   block;
	HnswSupplyKind kind;
	HnswElement	   first;
	uint32		   count;
	bool		   listed;	/* in the list of pages with free slots */
	HnswEntry	  *entries; /* count of them */
} EntriesPage;

typedef struct VacuumState
{
	HnswIndex			   *index;
	IndexVacuumInfo		   *info;
	IndexBulkDeleteResult  *stats;
	MemoryContext			context; /* of one page or element */
	EntriesPage				page;
	IndexBulkDeleteCallback callback; /* of ambulkdelete */
	void				   *callback_state;
	uint64					elements;
	uint64					ghosts;
	HnswRepair				repair;
	HnswNumberSet			live;		  /* what stays in the graph */
	bool					any_left_out; /* of the spared: had no place */
	HnswElement				next_entry_point;
	int						next_entry_level;
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
load_entries_page(VacuumState *state, const HnswExtentLayout *extent,
				  uint32 page_no)
{
	HnswIndex	*index = state->index;
	EntriesPage *page = &state->page;
	uint32		 per_page = index->geometry.entries_per_page;
	Buffer		 buffer;
	bool		 is_new;

	page->block = extent->entries + page_no;
	page->kind = page_no < extent->element_pages ? HNSW_SUPPLY_ELEMENTS
												 : HNSW_SUPPLY_ROWS;
	page->first = extent->first + page_no * per_page;
	page->count = page->kind == HNSW_SUPPLY_ROWS
					  ? per_page
					  : Min(per_page, extent->elements - page_no * per_page);

	buffer = ReadBufferExtended(index->rel, MAIN_FORKNUM, page->block,
								RBM_NORMAL, state->info->strategy);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	is_new = PageIsNew(BufferGetPage(buffer));
	if (!is_new)
	{
		hnsw_check_page(index, buffer, HNSW_PAGE_ENTRIES);
		memcpy(page->entries, HnswPageGetSlot(BufferGetPage(buffer), 0, 0),
			   sizeof(HnswEntry) * page->count);
		page->listed = HnswPageGetHeader(BufferGetPage(buffer))->next_free !=
					   InvalidBlockNumber;
	}
	UnlockReleaseBuffer(buffer);
	return !is_new;
}

typedef void (*EntriesPageCallback)(VacuumState *state);

static void
walk_entries(VacuumState *state, EntriesPageCallback callback)
{
	HnswDirectory *directory = state->index->directory;

	for (uint32 i = 0; i < directory->num_extents; i++)
	{
		/* a refresh of the directory may move it */
		HnswExtentLayout extent = directory->extents[i];

		for (uint32 page_no = 0; page_no < extent.lists - extent.entries;
			 page_no++)
		{
			VacuumDelayPoint();
			if (load_entries_page(state, &extent, page_no))
			{
				MemoryContext old_context = MemoryContextSwitchTo(
					state->context);

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
 * TIDs of dead rows
 * ------------------------------------------------------------------------
 */

static void
clear_dead_rows(VacuumState *state)
{
	EntriesPage *page = &state->page;
	HnswEdit	 edit;
	bool		 any = false;

	/* decide on the copy; only vacuum takes rows away, so they are still there */
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		HnswEntry *entry = &page->entries[slot];

		if (entry->state == HNSW_ENTRY_FREE ||
			!ItemPointerIsValid(&entry->tid))
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
		HnswEntry *dead = &page->entries[slot];
		HnswEntry *entry;

		if (dead->state == HNSW_ENTRY_FREE || !ItemPointerIsValid(&dead->tid))
			continue;
		entry = entry_in_page(hnsw_edit_image(&edit, 0, HNSW_PAGE_ENTRIES),
							  slot);
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
 * Chains of further rows
 * ------------------------------------------------------------------------
 */

/*
 * Take a row without TID out of the chain of its element and free its slot:
 * one record for up to three pages, locked in block order.  False if the chain
 * has changed, which only the insertion of a first row can do.
 */
static bool
unlink_row(HnswIndex *index, HnswElement head, HnswElement previous,
		   HnswElement row, HnswElement *next)
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
		for (int j = i; j > 0 && at[order[j]].block < at[order[j - 1]].block;
			 j--)
		{
			int swap = order[j];

			order[j] = order[j - 1];
			order[j - 1] = swap;
		}
	}

	hnsw_edit_start(&edit, index);
	for (int i = 0; i < 3; i++)
	{
		bool same = i > 0 && at[order[i]].block == at[order[i - 1]].block;

		pages[order[i]] = same ? pages[order[i - 1]]
							   : hnsw_edit_lock(&edit, at[order[i]].block,
												HNSW_PAGE_ENTRIES);
	}
	for (int i = 0; i < 3; i++)
		entries[i] = entry_in_page(hnsw_edit_peek(&edit, pages[i]),
								   at[i].slot);
	valid = entries[1]->next == row && entries[2]->state == HNSW_ENTRY_ROW &&
			!ItemPointerIsValid(&entries[2]->tid);
	if (!valid)
	{
		hnsw_edit_abort(&edit);
		return false;
	}

	for (int i = 0; i < 3; i++)
		entries[i] = entry_in_page(hnsw_edit_image(&edit, pages[i],
												   HNSW_PAGE_ENTRIES),
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
	uint32		steps;

restart:
	steps = 0;
	previous = head;
	current = hnsw_read_entry(index, head).next;
	while (current != HNSW_NONE)
	{
		HnswEntry row = hnsw_read_entry(index, current);

		VacuumDelayPoint();
		if (row.state != HNSW_ENTRY_ROW || row.hash_or_head != head ||
			++steps > hnsw_end_number(index))
			hnsw_report_broken_chain(index, head);
		if (ItemPointerIsValid(&row.tid))
		{
			previous = current;
			current = row.next;
		}
		else if (!unlink_row(index, head, previous, current, &current))
			goto restart;
	}
}

/* A reserved entry without a row is what an insert that died has left. */
static bool
is_ghost(const HnswEntry *entry)
{
	return entry->state == HNSW_ENTRY_DYING ||
		   ((entry->state == HNSW_ENTRY_ELEMENT ||
			 entry->state == HNSW_ENTRY_RESERVED) &&
			!ItemPointerIsValid(&entry->tid) && entry->next == HNSW_NONE);
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
		HnswEntry entry = page->entries[slot];

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
 * Taking ghosts out of the graph
 * ------------------------------------------------------------------------
 */

/* Mark a page's ghosts as dying, so that no new edge leads to them. */
static void
mark_dying(VacuumState *state)
{
	EntriesPage *page = &state->page;
	HnswEdit	 edit;
	bool		 any = false;

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
		Page current = edit.pages.images[0] != NULL ? edit.pages.images[0]
													: hnsw_edit_peek(&edit, 0);
		HnswEntry *entry = entry_in_page(current, slot);

		/* an insert may have given it a row in the meantime */
		if (!is_ghost(entry))
			continue;
		hnsw_set_add(&state->repair.dying, page->first + slot);
		if (entry->state != HNSW_ENTRY_DYING)
		{
			entry = entry_in_page(hnsw_edit_image(&edit, 0, HNSW_PAGE_ENTRIES),
								  slot);
			entry->state = HNSW_ENTRY_DYING;
		}
	}
	if (edit.pages.images[0] != NULL)
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

static void
mend_elements(VacuumState *state)
{
	EntriesPage *page = &state->page;

	if (page->kind != HNSW_SUPPLY_ELEMENTS)
		return;
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		if (page->entries[slot].state != HNSW_ENTRY_ELEMENT &&
			page->entries[slot].state != HNSW_ENTRY_DYING)
			continue;
		VacuumDelayPoint();
		hnsw_mend_element(&state->repair, page->first + slot);
	}
}

/*
 * Take edges to free slots out of the lists of an element that was dying: the
 * vacuum that marked it may have been interrupted when it had freed others.
 */
static void
drop_freed_edges(HnswIndex *index, HnswElement element)
{
	for (int level = hnsw_level(index, element); level >= 0; level--)
	{
		uint32 edges[2 * HNSW_MAX_M];
		uint32 kept_edges[2 * HNSW_MAX_M];
		uint32 count;
		uint32 kept;

		do
		{
			count = hnsw_read_list(index, element, level, edges);
			kept = 0;
			for (uint32 i = 0; i < count; i++)
			{
				HnswElement	   target = HNSW_EDGE_TARGET(edges[i]);
				HnswEntryState state;

				if (!hnsw_is_element_number(index, target) ||
					hnsw_level(index, target) < level)
					continue;
				state = hnsw_read_entry(index, target).state;
				if (state == HNSW_ENTRY_ELEMENT || state == HNSW_ENTRY_DYING)
					kept_edges[kept++] = edges[i];
			}
		} while (kept < count &&
				 !hnsw_replace_list(index, element, level, edges, count,
									kept_edges, kept));
	}
}

/* Was it marked as dying, but spared by bridging? */
static inline bool
is_spared(const VacuumState *state, uint32 slot)
{
	const EntriesPage *page = &state->page;

	return page->entries[slot].state == HNSW_ENTRY_DYING &&
		   !hnsw_set_has(&state->repair.dying, page->first + slot);
}

static void
clean_spared(VacuumState *state)
{
	EntriesPage *page = &state->page;

	for (uint32 slot = 0; slot < page->count; slot++)
	{
		if (is_spared(state, slot))
			drop_freed_edges(state->index, page->first + slot);
	}
}

/* Repair the lists of a page's elements that stay, and note these as live. */
static void
repair_elements(VacuumState *state)
{
	EntriesPage *page = &state->page;

	if (page->kind != HNSW_SUPPLY_ELEMENTS)
		return;
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		if (page->entries[slot].state != HNSW_ENTRY_ELEMENT &&
			!is_spared(state, slot))
			continue;
		VacuumDelayPoint();
		hnsw_set_add(&state->live, page->first + slot);
		hnsw_repair_element(&state->repair, page->first + slot);
	}
}

/* Make spared elements that are joined with the graph ghosts again. */
static void
revive_spared(VacuumState *state)
{
	EntriesPage *page = &state->page;
	HnswEdit	 edit;
	bool		 any = false;

	for (uint32 slot = 0; slot < page->count; slot++)
	{
		HnswEntry *entry;

		if (!is_spared(state, slot))
			continue;
		/* live has not what could not be joined */
		if (!hnsw_set_has(&state->live, page->first + slot))
		{
			state->any_left_out = true;
			continue;
		}
		if (!any)
		{
			hnsw_edit_start(&edit, state->index);
			hnsw_edit_lock(&edit, page->block, HNSW_PAGE_ENTRIES);
			any = true;
		}
		entry = entry_in_page(hnsw_edit_image(&edit, 0, HNSW_PAGE_ENTRIES),
							  slot);
		entry->state = HNSW_ENTRY_ELEMENT;
	}
	if (any)
		hnsw_edit_finish(&edit);
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

		if (entry.element == HNSW_NONE ||
			!hnsw_set_has(&state->repair.dying, entry.element))
			return;
		state->next_entry_point = HNSW_NONE;
		state->next_entry_level = -1;
		walk_entries(state, find_entry_point);
		if (hnsw_replace_entry_point(state->index, entry.element,
									 state->next_entry_point,
									 Max(state->next_entry_level, 0)))
			return;
	}
}

/* ------------------------------------------------------------------------
 * Freeing slots
 * ------------------------------------------------------------------------
 */

/* Upper lists of a free element are empty, for its next owner. */
static void
clear_upper_lists(HnswIndex *index, HnswElement element)
{
	for (int level = hnsw_level(index, element); level >= 1; level--)
	{
		uint32 edges[HNSW_MAX_M];

		for (;;)
		{
			uint32 count = hnsw_read_list(index, element, level, edges);

			if (count == 0 || hnsw_replace_list(index, element, level, edges,
												count, edges, 0))
				break;
		}
	}
}

/*
 * Free the chunks of dying elements in an overflow page.  Returns how many free
 * ones the page has then; none if it was never written.
 */
static uint32
free_chunks(VacuumState *state, BlockNumber block)
{
	HnswEdit edit;
	Page	 page;
	uint32	 count = 0;

	hnsw_edit_start(&edit, state->index);
	hnsw_edit_lock(&edit, block, HNSW_PAGE_OVERFLOW);
	page = hnsw_edit_peek(&edit, 0);
	for (uint32 slot = 0; slot < HNSW_CHUNKS_PER_PAGE && page != NULL; slot++)
	{
		HnswChunk *chunk = (HnswChunk *) HnswPageGetSlot(page, slot,
														 sizeof(HnswChunk));

		if (chunk->in_use != 0 &&
			hnsw_set_has(&state->repair.dying, chunk->element))
		{
			page = hnsw_edit_image(&edit, 0, HNSW_PAGE_OVERFLOW);
			chunk = (HnswChunk *) HnswPageGetSlot(page, slot,
												  sizeof(HnswChunk));
			chunk->in_use = 0;
		}
		count += chunk->in_use == 0;
	}
	if (edit.pages.images[0] != NULL)
		hnsw_edit_finish(&edit);
	else
		hnsw_edit_abort(&edit);
	return count;
}

/*
 * Free what dying elements have in overflow pages, before their entries become
 * free: so a chunk in use always has an owner.
 */
static void
sweep_overflow(VacuumState *state)
{
	for (uint32 i = 0; i < state->index->directory->num_extents; i++)
	{
		/* a refresh of the directory may move it */
		HnswExtentLayout extent = state->index->directory->extents[i];

		for (BlockNumber block = extent.overflow; block < extent.end_block;
			 block++)
		{
			VacuumDelayPoint();
			if (free_chunks(state, block) >= MIN_FREE_CHUNKS)
				hnsw_supply_page(state->index, block, HNSW_SUPPLY_CHUNKS);
		}
	}
}

/* Free a page's dying elements. */
static void
free_dying(VacuumState *state)
{
	EntriesPage *page = &state->page;
	HnswEdit	 edit;
	Page		 image;
	bool		 any = false;

	if (page->kind != HNSW_SUPPLY_ELEMENTS)
		return;
	for (uint32 slot = 0; slot < page->count; slot++)
	{
		if (!hnsw_set_has(&state->repair.dying, page->first + slot))
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
		HnswEntry *entry = entry_in_page(image, slot);

		if (!hnsw_set_has(&state->repair.dying, page->first + slot))
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

uint8
hnsw_change_repair_flags(HnswIndex *index, uint8 off, uint8 on)
{
	HnswEdit		  edit;
	HnswMetaPageData *meta;
	int				  page;
	uint8			  before;
	uint8			  after;

	hnsw_edit_start(&edit, index);
	page = hnsw_edit_lock(&edit, HNSW_META_BLKNO, HNSW_PAGE_META);
	before = HnswPageGetMeta(hnsw_edit_peek(&edit, page))->repairing;
	after = (before & ~off) | on;
	if (after == before)
	{
		hnsw_edit_abort(&edit);
		return before;
	}

	meta = HnswPageGetMeta(hnsw_edit_image(&edit, page, HNSW_PAGE_META));
	meta->repairing = after;
	if (after == 0)
		meta->removals++;
	hnsw_edit_finish(&edit);
	return before;
}

/* Say what goes on from here, and nothing else. */
static void
set_repairing(HnswIndex *index, uint8 flags)
{
	(void) hnsw_change_repair_flags(index, PG_UINT8_MAX, flags);
}

static uint8
get_repairing(HnswIndex *index)
{
	Buffer buffer = hnsw_pin_page(index, HNSW_META_BLKNO);
	uint8  repairing;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	repairing = HnswPageGetMeta(BufferGetPage(buffer))->repairing;
	UnlockReleaseBuffer(buffer);
	return repairing;
}

/*
 * Have inserts linked elements with dying ones since this was asked last?  They
 * note it before they do it, and nobody asks while one is under way.
 */
static bool
take_linked(HnswIndex *index)
{
	uint8 before = hnsw_change_repair_flags(index, HNSW_REPAIR_LINKED, 0);

	return (before & HNSW_REPAIR_LINKED) != 0;
}

/* Free the dying elements, which nothing leads to any more. */
static void
free_elements(VacuumState *state)
{
	sweep_overflow(state);
	walk_entries(state, free_dying);
	set_repairing(state->index, 0);
	pfree(state->repair.dying.bits);
}

static void
collect_dying(VacuumState *state)
{
	EntriesPage *page = &state->page;

	for (uint32 slot = 0; slot < page->count; slot++)
	{
		if (page->entries[slot].state == HNSW_ENTRY_DYING)
			hnsw_set_add(&state->repair.dying, page->first + slot);
	}
}

/*
 * Go on where a vacuum was interrupted that had begun to free elements.  The rest
 * of them cannot be taken out of the graph once more: what is in their lists may
 * be free, or other elements by now, and their codes incomplete.
 */
static void
finish_freeing(VacuumState *state)
{
	hnsw_set_init(&state->repair.dying, hnsw_end_number(state->index));
	walk_entries(state, collect_dying);
	free_elements(state);
}

/* Take the ghosts out of the graph: README, "Vacuum", has the steps. */
static void
remove_ghosts(VacuumState *state)
{
	HnswIndex *index = state->index;

	state->repair.index = index;
	state->repair.context = AllocSetContextCreate(CurrentMemoryContext,
												  "hnsw repair",
												  ALLOCSET_DEFAULT_SIZES);
	state->repair.spared_context = CurrentMemoryContext;
	hnsw_set_init(&state->repair.dying, hnsw_end_number(index));

	set_repairing(index, HNSW_REPAIR_BEGUN);
	walk_entries(state, mark_dying);
	wait_for_inserts(index);
	/* those may have made the index larger */
	hnsw_refresh_directory(index);
	hnsw_set_init(&state->live, hnsw_end_number(index));
	replace_dying_entry_point(state);
	walk_entries(state, mend_elements);
	hnsw_bridge_dying(&state->repair);
	if (state->repair.num_spared > 0)
		walk_entries(state, clean_spared);
	do
	{
		walk_entries(state, repair_elements);
		hnsw_rejoin_elements(&state->repair, &state->live);
		state->any_left_out = false;
		if (state->repair.num_spared > 0)
			walk_entries(state, revive_spared);
		wait_for_inserts(index);
	} while (take_linked(index));
	/* those left out are dying as well, but not free to go */
	if (!state->any_left_out)
		set_repairing(index, HNSW_REPAIR_FREEING);
	free_elements(state);

	pfree(state->live.bits);
	MemoryContextDelete(state->repair.context);
}

IndexBulkDeleteResult *
hnsw_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	VacuumState *state;
	uint8		 repairing;

	if (info->analyze_only)
		return stats;
	if (stats == NULL && hnsw_made_by_pgvector(info->index))
	{
		vector_report_foreign_index(WARNING, info->index);
		return NULL;
	}

	/* without dead rows there is nothing to do but to finish what was begun */
	state = start_vacuum(info, stats);
	repairing = get_repairing(state->index);
	if (stats == NULL && repairing == 0)
		return NULL;
	if (stats == NULL)
	{
		stats = palloc0(sizeof(IndexBulkDeleteResult));
		stats->estimated_count = true;
	}

	if (repairing & HNSW_REPAIR_FREEING)
	{
		finish_freeing(state);
		repairing = 0;
	}
	walk_entries(state, examine_elements);
	if (repairing != 0 || (state->ghosts > 0 &&
						   (state->elements <= SMALL_INDEX_ELEMENTS ||
							state->ghosts > state->elements / GHOST_DIVISOR)))
		remove_ghosts(state);
	walk_entries(state, give_back_page);

	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	MemoryContextDelete(state->context);
	return stats;
}
