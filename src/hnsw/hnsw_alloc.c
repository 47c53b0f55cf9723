/*
 * hnsw_alloc.c
 *		Slots for new rows, and the growth of the index.
 *
 * There are two supplies of entry slots: those of elements, which come with a
 * code and lists, and those of further rows of an equal vector, which are an
 * entry only.  Each supply has a current page that inserts go to.  When it is
 * full the next one is taken from the list of pages that vacuum gave back,
 * then from the pages of the newest extent never used so far; when there is
 * none left the index grows by an extent.  So the metapage changes once in a
 * page of entries (about 400 rows), not with every insert.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"

#include "hnsw/hnsw.h"

/*
 * An extent has room for an eighth of the elements the index has already, so
 * that its directory stays short and at most an eighth of the index is empty.
 */
#define GROWTH_DIVISOR		8
#define MIN_EXTENT_ELEMENTS 128

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
	BlockNumber				blocks;
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
		present += kind == HNSW_SUPPLY_ELEMENTS
					   ? index->directory->extents[i].elements
					   : index->directory->extents[i].end -
							 index->directory->extents[i].first;
	last = index->directory->num_extents == 0
			   ? NULL
			   : &index->directory->extents[index->directory->num_extents - 1];
	extent.first = last == NULL ? 0 : last->end;

	blocks = RelationGetNumberOfBlocks(index->rel);
	extent.start = blocks;
	if (kind == HNSW_SUPPLY_ELEMENTS)
	{
		uint32 per_page = index->geometry.codes_per_page;
		uint64 elements = Max(present / GROWTH_DIVISOR, MIN_EXTENT_ELEMENTS);

		/* fill the last codes page */
		extent.elements = (elements + per_page - 1) / per_page * per_page;
	}
	else
		extent.row_pages = Max(present / GROWTH_DIVISOR /
								   index->geometry.entries_per_page,
							   1);

	hnsw_extent_layout(&index->geometry, &extent, &layout);
	if (layout.end > HNSW_MAX_ELEMENT || layout.end <= layout.first)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("index \"%s\" cannot have more than %u entries",
							   RelationGetRelationName(index->rel),
							   HNSW_MAX_ELEMENT)));

	/* write the pages, as zeros, so that the space is really there */
	for (BlockNumber block = layout.entries; block < layout.end_block; block++)
	{
		Buffer buffer;

		CHECK_FOR_INTERRUPTS();
		buffer = ReadBufferExtended(index->rel, MAIN_FORKNUM, P_NEW,
									RBM_NORMAL, NULL);
		if (BufferGetBlockNumber(buffer) != block)
			elog(ERROR, "index \"%s\" was extended unexpectedly at block %u",
				 RelationGetRelationName(index->rel), block);
		ReleaseBuffer(buffer);
	}

	/* log the last one, so that replay extends the file before it is named */
	{
		HnswPageKind last_kind = kind == HNSW_SUPPLY_ELEMENTS
									 ? HNSW_PAGE_CODES
									 : HNSW_PAGE_ENTRIES;

		hnsw_edit_start(&edit, index);
		page = hnsw_edit_lock(&edit, layout.end_block - 1, last_kind);
		(void) hnsw_edit_image(&edit, page, last_kind);
		hnsw_edit_finish(&edit);
	}

	hnsw_edit_start(&edit, index);
	page = hnsw_edit_lock(&edit, HNSW_META_BLKNO, HNSW_PAGE_META);
	meta = HnswPageGetMeta(hnsw_edit_image(&edit, page, HNSW_PAGE_META));
	meta->extents[meta->num_extents++] = extent;
	meta->supply[kind].fresh_block = layout.entries;
	meta->supply[kind].fresh_end = layout.entries +
								   (kind == HNSW_SUPPLY_ELEMENTS
										? layout.element_pages
										: extent.row_pages);
	hnsw_edit_finish(&edit);

	UnlockRelationForExtension(index->rel, ExclusiveLock);
}

/*
 * The extent of an entries page of a supply, in the directory copied last;
 * NULL if there is none.
 */
static const HnswExtentLayout *
find_supply_extent(HnswIndex *index, BlockNumber block, HnswSupplyKind kind)
{
	HnswDirectory *directory = index->directory;

	for (int i = (int) directory->num_extents - 1; i >= 0; i--)
	{
		const HnswExtentLayout *extent = &directory->extents[i];

		if (block >= extent->entries && block < extent->lists)
			return (block - extent->entries < extent->element_pages) ==
						   (kind == HNSW_SUPPLY_ELEMENTS)
					   ? extent
					   : NULL;
	}
	return NULL;
}

static void
report_bad_supply(HnswIndex *index, BlockNumber block)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has a wrong supply of entries: block %u",
					RelationGetRelationName(index->rel), block),
			 errhint("Please REINDEX it.")));
}

/*
 * First number of an entries page, and how many of the supply's kind it has.
 */
static HnswElement
page_numbers(HnswIndex *index, BlockNumber block, HnswSupplyKind kind,
			 uint32 *count)
{
	uint32					per_page = index->geometry.entries_per_page;
	const HnswExtentLayout *extent = find_supply_extent(index, block, kind);
	uint32					offset;

	if (extent == NULL)
	{
		/* the index may have grown since the copy was made */
		hnsw_refresh_directory(index);
		extent = find_supply_extent(index, block, kind);
		if (extent == NULL)
			report_bad_supply(index, block);
	}
	offset = (block - extent->entries) * per_page;
	*count = kind == HNSW_SUPPLY_ROWS
				 ? per_page
				 : Min(per_page, extent->elements - offset);
	return extent->first + offset;
}

/*
 * The page that a supply gives out slots from, other than `full`.
 */
static BlockNumber
insert_block(HnswIndex *index, HnswSupplyKind kind, BlockNumber full)
{
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
			return block;

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
			page = hnsw_edit_lock(&edit, next, HNSW_PAGE_ENTRIES);
			header = HnswPageGetHeader(
				hnsw_edit_image(&edit, page, HNSW_PAGE_ENTRIES));
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

HnswElement
hnsw_add_element(HnswIndex *index, const HnswCode *code, uint64 hash,
				 ItemPointer tid, const uint32 *edges, uint32 count)
{
	BlockNumber block = InvalidBlockNumber;

	for (;;)
	{
		HnswEdit	edit;
		HnswElement element;
		HnswPlace	list_at;
		HnswPlace	code_at;
		HnswEntry  *entry;
		HnswList   *list;
		uint32		in_page;
		int			slot;
		int			entries_page;
		int			list_page;
		int			code_page;

		block = insert_block(index, HNSW_SUPPLY_ELEMENTS, block);
		element = page_numbers(index, block, HNSW_SUPPLY_ELEMENTS, &in_page);

		hnsw_edit_start(&edit, index);
		entries_page = hnsw_edit_lock(&edit, block, HNSW_PAGE_ENTRIES);
		slot = free_slot(hnsw_edit_peek(&edit, entries_page), in_page);
		if (slot < 0)
		{
			hnsw_edit_abort(&edit);
			continue;
		}
		element += slot;

		/* within an extent entries come before lists, lists before codes */
		list_at = hnsw_list_place(index, element, 0);
		code_at = hnsw_code_place(index, element);
		list_page = hnsw_edit_lock(&edit, list_at.block, HNSW_PAGE_EDGES);
		code_page = hnsw_edit_lock(&edit, code_at.block, HNSW_PAGE_CODES);

		entry = (HnswEntry *) HnswPageGetSlot(
			hnsw_edit_image(&edit, entries_page, HNSW_PAGE_ENTRIES), slot,
			sizeof(HnswEntry));
		entry->tid = *tid;
		entry->state = HNSW_ENTRY_ELEMENT;
		entry->chain_version++;
		entry->next = HNSW_NONE;
		entry->hash_or_head = (uint32) hash;
		entry->hash_high = (uint32) (hash >> 32);

		list = (HnswList *) HnswPageGetSlot(hnsw_edit_image(&edit, list_page,
															HNSW_PAGE_EDGES),
											list_at.slot,
											index->geometry.list_bytes);
		list->count = count;
		memcpy(list->edges, edges, sizeof(uint32) * count);

		memcpy(HnswPageGetSlot(hnsw_edit_image(&edit, code_page,
											   HNSW_PAGE_CODES),
							   code_at.slot, index->geometry.code_bytes),
			   code, index->geometry.code_bytes);
		hnsw_edit_finish(&edit);
		return element;
	}
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

		block = insert_block(index, HNSW_SUPPLY_ROWS, block);
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
	int				meta_page;
	int				page;

	hnsw_edit_start(&edit, index);
	meta_page = hnsw_edit_lock(&edit, HNSW_META_BLKNO, HNSW_PAGE_META);
	page = hnsw_edit_lock(&edit, block, HNSW_PAGE_ENTRIES);
	header = HnswPageGetHeader(hnsw_edit_peek(&edit, page));
	supply = &HnswPageGetMeta(hnsw_edit_peek(&edit, meta_page))->supply[kind];
	if (header->next_free != InvalidBlockNumber ||
		supply->insert_block == block)
	{
		/* given back already, or in use right now */
		hnsw_edit_abort(&edit);
		return;
	}

	header = HnswPageGetHeader(
		hnsw_edit_image(&edit, page, HNSW_PAGE_ENTRIES));
	supply = &HnswPageGetMeta(
				  hnsw_edit_image(&edit, meta_page, HNSW_PAGE_META))
				  ->supply[kind];
	header->next_free = supply->free_head == InvalidBlockNumber
							? block
							: supply->free_head;
	supply->free_head = block;
	hnsw_edit_finish(&edit);
}
