/*
 * hnsw_alloc.c
 *		Slots for new rows, and the growth of the index.
 *
 * There are three supplies of slots: the entries of elements, which come with a
 * code and lists; those of further rows of an equal vector, which are an entry
 * only; and chunks, for what codes of varying size have beyond their slots.
 * Each supply has a current page that inserts go to.  When it is full the next
 * one is taken from the list of pages that vacuum gave back, then from the pages
 * of the newest extent never used so far; when there is none left the index
 * grows by an extent.  So the metapage changes once in a page of entries (about
 * 400 rows) or chunks, not with every insert.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"

#include "hnsw/hnsw.h"
#include "hnsw/hnsw_inline.h"

/*
 * An extent has room for an eighth of the elements the index has already, so
 * that its directory stays short and at most an eighth of the index is empty.
 */
#define GROWTH_DIVISOR		8
#define MIN_EXTENT_ELEMENTS 128
#define MIN_OVERFLOW_PAGES	8

/* What kind of pages a supply has. */
static inline HnswPageKind
supply_page_kind(HnswSupplyKind kind)
{
	return kind == HNSW_SUPPLY_CHUNKS ? HNSW_PAGE_OVERFLOW : HNSW_PAGE_ENTRIES;
}

/* What there is of a kind in an extent: elements, numbers or overflow pages. */
static uint64
count_present(const HnswExtentLayout *extent, HnswSupplyKind kind)
{
	switch (kind)
	{
		case HNSW_SUPPLY_ELEMENTS:
			return extent->elements;
		case HNSW_SUPPLY_ROWS:
			return extent->end - extent->first;
		case HNSW_SUPPLY_CHUNKS:
			break;
	}
	return extent->end_block - extent->overflow;
}

/* Give an extent the room that it shall add to what is present. */
static void
size_extent(const HnswIndex *index, HnswExtent *extent, HnswSupplyKind kind,
			uint64 present)
{
	const HnswGeometry *geometry = &index->geometry;
	uint64				more = present / GROWTH_DIVISOR;
	uint32				per_page = Max(geometry->codes.per_page, 1);

	switch (kind)
	{
		case HNSW_SUPPLY_ELEMENTS:
			/* fill the last codes page */
			more = Max(more, MIN_EXTENT_ELEMENTS);
			extent->elements = (more + per_page - 1) / per_page * per_page;
			break;
		case HNSW_SUPPLY_ROWS:
			extent->row_pages = Max(more / geometry->entries_per_page, 1);
			break;
		case HNSW_SUPPLY_CHUNKS:
			extent->overflow_pages = Max(more, MIN_OVERFLOW_PAGES);
			break;
	}
}

/* The pages of an extent that belong to a supply. */
static void
supply_pages(const HnswExtentLayout *extent, HnswSupplyKind kind,
			 BlockNumber *start, BlockNumber *end)
{
	BlockNumber rows = extent->entries + extent->element_pages;

	switch (kind)
	{
		case HNSW_SUPPLY_ELEMENTS:
			*start = extent->entries;
			*end = rows;
			return;
		case HNSW_SUPPLY_ROWS:
			*start = rows;
			*end = extent->lists;
			return;
		case HNSW_SUPPLY_CHUNKS:
			break;
	}
	*start = extent->overflow;
	*end = extent->end_block;
}

/* Write a page of an extent to be, with all its slots unused. */
static void
log_new_page(HnswIndex *index, const HnswExtentLayout *layout,
			 BlockNumber block)
{
	HnswEdit edit;
	int		 page;

	hnsw_edit_start(&edit, index);
	page = page_edit_lock(&edit.pages, block);
	hnsw_init_page(&index->geometry, page_edit_image(&edit.pages, page),
				   hnsw_extent_page_kind(layout, block));
	hnsw_edit_finish(&edit);
}

/*
 * Have all pages of an extent to be in the file, with unused slots.  Those that
 * are there already were added by somebody who did not live to name them (W3):
 * zeros, but for one that had been logged.
 */
static void
add_pages(HnswIndex *index, const HnswExtentLayout *layout)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(index->rel);

	for (BlockNumber block = layout->entries; block < layout->end_block;
		 block++)
	{
		bool   is_there = block < blocks;
		bool   is_new = true;
		Buffer buffer;

		CHECK_FOR_INTERRUPTS();

		/* new ones are written as zeros, so that the space is really there */
		buffer = ReadBufferExtended(index->rel, MAIN_FORKNUM,
									is_there ? block : P_NEW, RBM_NORMAL,
									NULL);
		if (BufferGetBlockNumber(buffer) != block)
			elog(ERROR, "index \"%s\" was extended unexpectedly at block %u",
				 RelationGetRelationName(index->rel), block);
		if (is_there)
		{
			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			is_new = PageIsNew(BufferGetPage(buffer));
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		}
		ReleaseBuffer(buffer);
		if (!is_new)
			log_new_page(index, layout, block);
	}
}

/*
 * Add an extent, unless somebody else has just done so.  Takes and releases
 * the relation extension lock, which makes growing exclusive without making
 * readers of the metapage wait.
 */
static void
grow(HnswIndex *index, HnswSupplyKind kind)
{
	HnswExtent				extent = {0};
	HnswExtentLayout		layout;
	HnswEdit				edit;
	HnswMetaPageData	   *meta;
	HnswSupply			   *supply;
	const HnswExtentLayout *last;
	uint64					present = 0;
	int						page;

	LockRelationForExtension(index->rel, ExclusiveLock);

	hnsw_edit_start(&edit, index);
	page = hnsw_edit_lock(&edit, HNSW_META_BLKNO, HNSW_PAGE_META);
	meta = HnswPageGetMeta(hnsw_edit_peek(&edit, page));
	supply = &meta->supply[kind];
	if (supply->free_head != InvalidBlockNumber ||
		supply->fresh_block != supply->fresh_end)
	{
		hnsw_edit_abort(&edit);
		UnlockRelationForExtension(index->rel, ExclusiveLock);
		return;
	}
	if (meta->num_extents >= HNSW_MAX_EXTENTS)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("index \"%s\" cannot have more than %d extents",
							   RelationGetRelationName(index->rel),
							   (int) HNSW_MAX_EXTENTS),
						errhint("REINDEX it.")));
	hnsw_edit_abort(&edit);

	/* nobody else adds extents while we hold the extension lock */
	hnsw_refresh_directory(index);
	for (uint32 i = 0; i < index->directory->num_extents; i++)
		present += count_present(&index->directory->extents[i], kind);
	last = index->directory->num_extents == 0
			   ? NULL
			   : &index->directory->extents[index->directory->num_extents - 1];
	extent.first = last == NULL ? 0 : last->end;

	extent.start = last == NULL ? HNSW_META_BLKNO + 1 : last->end_block;
	size_extent(index, &extent, kind, present);
	hnsw_extent_layout(&index->geometry, &extent, &layout);
	if (layout.end > HNSW_MAX_ELEMENT || layout.end < layout.first)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("index \"%s\" cannot have more than %u entries",
							   RelationGetRelationName(index->rel),
							   HNSW_MAX_ELEMENT)));

	/* the last page is logged, so that replay extends the file before it is named */
	add_pages(index, &layout);
	log_new_page(index, &layout, layout.end_block - 1);

	hnsw_edit_start(&edit, index);
	page = hnsw_edit_lock(&edit, HNSW_META_BLKNO, HNSW_PAGE_META);
	meta = HnswPageGetMeta(hnsw_edit_image(&edit, page, HNSW_PAGE_META));
	meta->extents[meta->num_extents++] = extent;
	supply_pages(&layout, kind, &meta->supply[kind].fresh_block,
				 &meta->supply[kind].fresh_end);
	hnsw_edit_finish(&edit);

	UnlockRelationForExtension(index->rel, ExclusiveLock);
}

/*
 * The extent of a page of a supply, in the directory copied last; NULL if there
 * is none.
 */
static const HnswExtentLayout *
find_supply_extent(HnswIndex *index, BlockNumber block, HnswSupplyKind kind)
{
	HnswDirectory *directory = index->directory;

	for (int i = (int) directory->num_extents - 1; i >= 0; i--)
	{
		const HnswExtentLayout *extent = &directory->extents[i];
		BlockNumber				start;
		BlockNumber				end;

		supply_pages(extent, kind, &start, &end);
		if (block >= start && block < end)
			return extent;
	}
	return NULL;
}

static void
report_bad_supply(HnswIndex *index, BlockNumber block)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has a wrong supply of slots: block %u",
					RelationGetRelationName(index->rel), block),
			 errhint("Please REINDEX it.")));
}

/* The same in any directory; ERRCODE_INDEX_CORRUPTED if there is none. */
static const HnswExtentLayout *
supply_extent(HnswIndex *index, BlockNumber block, HnswSupplyKind kind)
{
	const HnswExtentLayout *extent = find_supply_extent(index, block, kind);

	if (extent == NULL)
	{
		/* the index may have grown since the copy was made */
		hnsw_refresh_directory(index);
		extent = find_supply_extent(index, block, kind);
		if (extent == NULL)
			report_bad_supply(index, block);
	}
	return extent;
}

/*
 * First number of an entries page, and how many of the supply's kind it has.
 */
static HnswElement
page_numbers(HnswIndex *index, BlockNumber block, HnswSupplyKind kind,
			 uint32 *count)
{
	uint32					per_page = index->geometry.entries_per_page;
	const HnswExtentLayout *extent = supply_extent(index, block, kind);
	uint32					offset;

	offset = (block - extent->entries) * per_page;
	*count = kind == HNSW_SUPPLY_ROWS
				 ? per_page
				 : Min(per_page, extent->elements - offset);
	return extent->first + offset;
}

BlockNumber
hnsw_insert_block(HnswIndex *index, HnswSupplyKind kind, BlockNumber full)
{
	HnswPageKind page_kind = supply_page_kind(kind);

	for (;;)
	{
		HnswEdit		  edit;
		HnswMetaPageData *meta;
		HnswSupply		 *supply;
		BlockNumber		  block;
		int				  meta_page;

		CHECK_FOR_INTERRUPTS();

		/* mostly the page is known and reading suffices */
		{
			Buffer buffer = hnsw_pin_page(index, HNSW_META_BLKNO);

			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			block = HnswPageGetMeta(BufferGetPage(buffer))
						->supply[kind]
						.insert_block;
			UnlockReleaseBuffer(buffer);
		}
		if (block != full && block != InvalidBlockNumber)
		{
			(void) supply_extent(index, block, kind);
			return block;
		}

		hnsw_edit_start(&edit, index);
		meta_page = hnsw_edit_lock(&edit, HNSW_META_BLKNO, HNSW_PAGE_META);
		meta = HnswPageGetMeta(hnsw_edit_peek(&edit, meta_page));
		supply = &meta->supply[kind];
		if (supply->insert_block != block ||
			meta->num_extents != index->directory->num_extents)
		{
			/* somebody else was here */
			hnsw_edit_abort(&edit);
			hnsw_refresh_directory(index);
			continue;
		}

		if (supply->free_head != InvalidBlockNumber)
		{
			BlockNumber		next = supply->free_head;
			HnswPageHeader *header;
			int				page;

			if (find_supply_extent(index, next, kind) == NULL)
				report_bad_supply(index, next);
			page = hnsw_edit_lock(&edit, next, page_kind);
			header = HnswPageGetHeader(
				hnsw_edit_image(&edit, page, page_kind));
			supply = &HnswPageGetMeta(
						  hnsw_edit_image(&edit, meta_page, HNSW_PAGE_META))
						  ->supply[kind];
			supply->free_head = header->next_free == next ? InvalidBlockNumber
														  : header->next_free;
			supply->insert_block = next;
			header->next_free = InvalidBlockNumber;
			hnsw_edit_finish(&edit);
			return next;
		}
		if (supply->fresh_block != supply->fresh_end)
		{
			if (find_supply_extent(index, supply->fresh_block, kind) == NULL)
				report_bad_supply(index, supply->fresh_block);
			supply = &HnswPageGetMeta(
						  hnsw_edit_image(&edit, meta_page, HNSW_PAGE_META))
						  ->supply[kind];
			supply->insert_block = supply->fresh_block++;
			block = supply->insert_block;
			hnsw_edit_finish(&edit);
			return block;
		}
		hnsw_edit_abort(&edit);
		grow(index, kind);
	}
}

/*
 * A free slot of a locked entries page (NULL: never written, so all are free);
 * -1 if there is none.
 */
static int
free_slot(Page page, uint32 count)
{
	if (page == NULL)
		return 0;
	for (uint32 slot = 0; slot < count; slot++)
	{
		HnswEntry *entry = (HnswEntry *) HnswPageGetSlot(page, slot,
														 sizeof(HnswEntry));

		if (entry->state == HNSW_ENTRY_FREE)
			return (int) slot;
	}
	return -1;
}

/* What a new element is written from. */
typedef struct NewElement
{
	HnswCodeSource code;
	HnswCodeSource refinement;
	HnswPlace	   overflow; /* where it goes on, if codes vary */
	uint64		   hash;
	ItemPointer	   tid;
	const uint32  *edges;
	uint32		   count;

	HnswInlineCodes *inline_codes; /* of the edges, if the index has those */
} NewElement;

static void
fill_entry(HnswEdit *edit, int page, uint32 slot, HnswEntryState state,
		   const NewElement *element)
{
	HnswEntry *entry = (HnswEntry *)
		HnswPageGetSlot(hnsw_edit_image(edit, page, HNSW_PAGE_ENTRIES), slot,
						sizeof(HnswEntry));

	entry->tid = *element->tid;
	entry->state = state;
	entry->chain_version++;
	entry->next = HNSW_NONE;
	entry->hash_or_head = (uint32) element->hash;
	entry->hash_high = (uint32) (element->hash >> 32);
}

/*
 * Write the level-0 list of the element, empty while it is reserved; its page is
 * locked here.
 */
static void
fill_list(HnswEdit *edit, const NewElement *element, bool reserved)
{
	HnswIndex *index = edit->index;
	HnswPlace  at = hnsw_list_place(index, element->code.element, 0);
	int		   page = hnsw_edit_lock(edit, at.block, HNSW_PAGE_EDGES);
	HnswList  *list = (HnswList *)
		HnswPageGetSlot(hnsw_edit_image(edit, page, HNSW_PAGE_EDGES), at.slot,
						index->geometry.list_bytes);

	list->count = reserved ? 0 : element->count;
	if (list->count == 0)
		return;
	memcpy(list->edges, element->edges, sizeof(uint32) * element->count);
	if (element->inline_codes != NULL)
		hnsw_inline_fill(index, list, NULL, 0, element->edges, element->count,
						 element->inline_codes);
}

/*
 * Write everything about an element but for the parts of its code that have
 * records of their own, and finish the edit.  The page of its entry is locked;
 * within an extent entries come before lists, lists before codes, those before
 * refinements.
 */
static void
write_element(HnswEdit *edit, int entries_page, uint32 slot,
			  const NewElement *element, bool with_refinement)
{
	HnswIndex *index = edit->index;

	fill_entry(edit, entries_page, slot, HNSW_ENTRY_ELEMENT, element);
	fill_list(edit, element, false);
	if (index->geometry.codes.per_page > 0)
	{
		HnswPlace at = hnsw_code_place(index, element->code.element);
		int		  page = hnsw_edit_lock(edit, at.block, HNSW_PAGE_CODES);

		hnsw_fill_code_slot(
			index,
			HnswPageGetSlot(hnsw_edit_image(edit, page, HNSW_PAGE_CODES),
							at.slot, index->geometry.codes.slot_bytes),
			&element->code, element->overflow);
	}
	if (with_refinement)
		hnsw_fill_refinement(edit, &element->refinement);
	hnsw_edit_finish(edit);
}

/*
 * Elements whose code and refinement lie on one page each are written with one
 * record.  For others a first record reserves the entry, then come the parts of the
 * code, and the last record makes it an element.  A reserved entry has the TID
 * of its row, so if the insert dies, vacuum finds it by the dead row.
 */
HnswElement
hnsw_add_element(HnswIndex *index, const HnswCode *code, uint64 hash,
				 ItemPointer tid, const uint32 *edges, uint32 count)
{
	BlockNumber block = InvalidBlockNumber;
	NewElement	element;
	HnswPlace	at;
	HnswEdit	edit;
	int			page;
	bool		has_refinement = index->geometry.refinements.bytes > 0;
	bool		code_apart;
	bool		refinement_apart;

	element.code = hnsw_code_source(index, HNSW_NONE, code);
	element.refinement = hnsw_refinement_source(index, HNSW_NONE, code);
	element.overflow = hnsw_no_place;
	element.hash = hash;
	element.tid = tid;
	element.edges = edges;
	element.count = count;
	element.inline_codes = NULL;
	if (index->geometry.inline_offset > 0)
		element.inline_codes = hnsw_inline_encode(
			index, HNSW_NONE,
			(const VectorCode *) ((const char *) code + index->coder.code_at),
			NULL, 0, edges, count);

	for (;;)
	{
		HnswElement first;
		uint32		in_page;
		int			slot;

		block = hnsw_insert_block(index, HNSW_SUPPLY_ELEMENTS, block);
		first = page_numbers(index, block, HNSW_SUPPLY_ELEMENTS, &in_page);

		hnsw_edit_start(&edit, index);
		page = hnsw_edit_lock(&edit, block, HNSW_PAGE_ENTRIES);
		slot = free_slot(hnsw_edit_peek(&edit, page), in_page);
		if (slot >= 0)
		{
			at.block = block;
			at.slot = slot;
			element.code.element = first + slot;
			element.refinement.element = first + slot;
			break;
		}
		hnsw_edit_abort(&edit);
	}

	code_apart = index->geometry.codes.per_page == 0 ||
				 element.code.chunks > 0;
	refinement_apart = has_refinement &&
					   !hnsw_refinement_in_one_page(index,
													element.code.element);
	if (code_apart || refinement_apart)
	{
		/* no edges, so that vacuum need not look where it leads to */
		fill_entry(&edit, page, at.slot, HNSW_ENTRY_RESERVED, &element);
		fill_list(&edit, &element, true);
		hnsw_edit_finish(&edit);

		if (code_apart)
			element.overflow = hnsw_write_code_parts(index, &element.code);
		if (refinement_apart)
			hnsw_write_refinement_parts(index, &element.refinement);

		hnsw_edit_start(&edit, index);
		page = hnsw_edit_lock(&edit, at.block, HNSW_PAGE_ENTRIES);
	}
	write_element(&edit, page, at.slot, &element,
				  has_refinement && !refinement_apart);
	return element.code.element;
}

static inline bool
is_element_of_hash(const HnswEntry *entry, uint64 hash)
{
	return entry->state == HNSW_ENTRY_ELEMENT &&
		   entry->hash_or_head == (uint32) hash &&
		   entry->hash_high == (uint32) (hash >> 32);
}

/*
 * An element without a row of its own takes the row itself.  Otherwise the row
 * becomes the second of the element's chain, in a slot of its own.
 */
HnswAddRowResult
hnsw_add_row(HnswIndex *index, HnswElement element, uint64 hash,
			 ItemPointer tid)
{
	HnswPlace	head_at = hnsw_entry_place(index, element);
	BlockNumber block = InvalidBlockNumber;
	HnswEntry  *head;
	HnswEdit	edit;
	int			head_page;

	hnsw_edit_start(&edit, index);
	head_page = hnsw_edit_lock(&edit, head_at.block, HNSW_PAGE_ENTRIES);
	head = (HnswEntry *) HnswPageGetSlot(hnsw_edit_peek(&edit, head_page),
										 head_at.slot, sizeof(HnswEntry));
	if (!is_element_of_hash(head, hash))
	{
		hnsw_edit_abort(&edit);
		return HNSW_ROW_REFUSED;
	}
	if (!ItemPointerIsValid(&head->tid))
	{
		head = (HnswEntry *) HnswPageGetSlot(
			hnsw_edit_image(&edit, head_page, HNSW_PAGE_ENTRIES), head_at.slot,
			sizeof(HnswEntry));
		head->tid = *tid;
		hnsw_edit_finish(&edit);
		return HNSW_ROW_ADDED;
	}
	hnsw_edit_abort(&edit);

	for (;;)
	{
		HnswEntry  *row;
		HnswElement number;
		uint32		in_page;
		int			slot;
		int			row_page;
		bool		head_first;

		block = hnsw_insert_block(index, HNSW_SUPPLY_ROWS, block);
		number = page_numbers(index, block, HNSW_SUPPLY_ROWS, &in_page);
		head_first = head_at.block < block;

		hnsw_edit_start(&edit, index);
		if (head_first)
			head_page = hnsw_edit_lock(&edit, head_at.block,
									   HNSW_PAGE_ENTRIES);
		row_page = hnsw_edit_lock(&edit, block, HNSW_PAGE_ENTRIES);
		if (!head_first)
			head_page = hnsw_edit_lock(&edit, head_at.block,
									   HNSW_PAGE_ENTRIES);

		head = (HnswEntry *) HnswPageGetSlot(hnsw_edit_peek(&edit, head_page),
											 head_at.slot, sizeof(HnswEntry));
		if (!is_element_of_hash(head, hash))
		{
			hnsw_edit_abort(&edit);
			return HNSW_ROW_REFUSED;
		}
		slot = free_slot(hnsw_edit_peek(&edit, row_page), in_page);
		if (slot < 0)
		{
			hnsw_edit_abort(&edit);
			continue;
		}
		number += slot;

		head = (HnswEntry *) HnswPageGetSlot(
			hnsw_edit_image(&edit, head_page, HNSW_PAGE_ENTRIES), head_at.slot,
			sizeof(HnswEntry));
		row = (HnswEntry *) HnswPageGetSlot(hnsw_edit_image(&edit, row_page,
															HNSW_PAGE_ENTRIES),
											slot, sizeof(HnswEntry));
		row->tid = *tid;
		row->state = HNSW_ENTRY_ROW;
		row->next = head->next;
		row->hash_or_head = element;
		row->hash_high = 0;
		head->next = number;
		hnsw_edit_finish(&edit);
		return HNSW_ROW_ADDED;
	}
}

/*
 * The list of pages with free slots is marked by next_free: the following
 * page, or the page itself at the end of the list.
 */
void
hnsw_supply_page(HnswIndex *index, BlockNumber block, HnswSupplyKind kind)
{
	HnswEdit		edit;
	HnswSupply	   *supply;
	HnswPageHeader *header;
	HnswPageKind	page_kind = supply_page_kind(kind);
	int				meta_page;
	int				page;

	hnsw_edit_start(&edit, index);
	meta_page = hnsw_edit_lock(&edit, HNSW_META_BLKNO, HNSW_PAGE_META);
	page = hnsw_edit_lock(&edit, block, page_kind);
	header = HnswPageGetHeader(hnsw_edit_peek(&edit, page));
	supply = &HnswPageGetMeta(hnsw_edit_peek(&edit, meta_page))->supply[kind];
	if (header->next_free != InvalidBlockNumber ||
		supply->insert_block == block)
	{
		/* given back already, or in use right now */
		hnsw_edit_abort(&edit);
		return;
	}

	header = HnswPageGetHeader(hnsw_edit_image(&edit, page, page_kind));
	supply = &HnswPageGetMeta(
				  hnsw_edit_image(&edit, meta_page, HNSW_PAGE_META))
				  ->supply[kind];
	header->next_free = supply->free_head == InvalidBlockNumber
							? block
							: supply->free_head;
	supply->free_head = block;
	hnsw_edit_finish(&edit);
}
