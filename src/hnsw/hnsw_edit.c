/*
 * hnsw_edit.c
 *		Changes of pages, as generic WAL records.
 *
 * All changes of existing indexes go through here (a build logs whole pages when
 * it is done): index/page_edit.h, with the kinds of our pages and the order in
 * which they are locked (rule L1).
 */
#include "postgres.h"

#include "hnsw/hnsw.h"

static inline Size
array_page_bytes(const HnswArray *array)
{
	return array->per_page > 0 ? array->per_page * array->slot_bytes
							   : HNSW_PAGE_CAPACITY;
}

/*
 * geometry may be NULL for the metapage.  All slots lie below pd_lower, so
 * that WAL deltas cover them and full-page images keep them.
 */
void
hnsw_init_page(const HnswGeometry *geometry, Page page, HnswPageKind kind)
{
	HnswPageHeader *header;
	Size			used = 0;

	PageInit(page, BLCKSZ, 0);
	header = HnswPageGetHeader(page);
	header->page_id = HNSW_PAGE_ID;
	header->kind = kind;
	header->next_free = kind == HNSW_PAGE_ENTRIES || kind == HNSW_PAGE_OVERFLOW
							? InvalidBlockNumber
							: 0;

	switch (kind)
	{
		case HNSW_PAGE_META:
			used = HNSW_META_BYTES(HNSW_MAX_EXTENTS);
			break;
		case HNSW_PAGE_ENTRIES:
			used = geometry->entries_per_page * sizeof(HnswEntry);
			break;
		case HNSW_PAGE_EDGES:
			used = geometry->lists_per_page * geometry->list_bytes;
			break;
		case HNSW_PAGE_UPPER:
			used = geometry->uppers_per_page * geometry->upper_bytes;
			break;
		case HNSW_PAGE_CODES:
			used = array_page_bytes(&geometry->codes);
			break;
		case HNSW_PAGE_REFINEMENTS:
			used = array_page_bytes(&geometry->refinements);
			break;
		case HNSW_PAGE_OVERFLOW:
			used = HNSW_CHUNKS_PER_PAGE * sizeof(HnswChunk);
			break;
	}
	Assert(HNSW_CONTENT_OFFSET + used <= BLCKSZ);
	((PageHeader) page)->pd_lower = HNSW_CONTENT_OFFSET + used;
}

void
hnsw_edit_start(HnswEdit *edit, HnswIndex *index)
{
	edit->index = index;
	page_edit_start(&edit->pages, index->rel, index->building);
}

int
hnsw_edit_lock(HnswEdit *edit, BlockNumber block, HnswPageKind kind)
{
	int	   n = edit->pages.num_pages;
	Buffer buffer;

	/* waiting for a page locked already would be for ever */
	if (n > 0 && BufferGetBlockNumber(edit->pages.buffers[n - 1]) >= block)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" refers to block %u out of order",
						RelationGetRelationName(edit->index->rel), block),
				 errhint("Please REINDEX it.")));

	n = page_edit_lock(&edit->pages, block);
	buffer = edit->pages.buffers[n];
	if (!PageIsNew(BufferGetPage(buffer)))
		hnsw_check_page(edit->index, buffer, kind);
	return n;
}

Page
hnsw_edit_peek(HnswEdit *edit, int page)
{
	Page current = page_edit_peek(&edit->pages, page);

	Assert(edit->pages.images[page] == NULL);
	return PageIsNew(current) ? NULL : current;
}

Page
hnsw_edit_image(HnswEdit *edit, int page, HnswPageKind kind)
{
	Page image = page_edit_image(&edit->pages, page);

	if (PageIsNew(image))
		hnsw_init_page(&edit->index->geometry, image, kind);
	return image;
}

void
hnsw_edit_finish(HnswEdit *edit)
{
	page_edit_finish(&edit->pages);
}

void
hnsw_edit_abort(HnswEdit *edit)
{
	page_edit_abort(&edit->pages);
}
