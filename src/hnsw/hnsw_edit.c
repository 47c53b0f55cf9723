/*
 * hnsw_edit.c
 *		Changes of pages, as generic WAL records.
 *
 * This is the only file that starts and finishes WAL records for existing
 * indexes (a build logs whole pages when it is done).  An edit locks up to
 * four pages in ascending block order (rule L1), changes images of them, and
 * writes all changes in one record, so a crash leaves all or none.
 *
 * While an index is built nobody else sees it and its pages are logged at the
 * end, so edits then change the pages in place.
 */
#include "postgres.h"

#include "hnsw/hnsw.h"

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
			used = geometry->codes_per_page > 0
					   ? geometry->codes_per_page * geometry->code_slot_bytes
					   : HNSW_PAGE_CAPACITY;
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
	edit->xlog = NULL;
	edit->num_pages = 0;
}

int
hnsw_edit_lock(HnswEdit *edit, BlockNumber block, HnswPageKind kind)
{
	int	   n = edit->num_pages;
	Buffer buffer;

	Assert(n < HNSW_EDIT_MAX_PAGES);

	/* waiting for a page locked already would be for ever */
	if (n > 0 && BufferGetBlockNumber(edit->buffers[n - 1]) >= block)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" refers to block %u out of order",
						RelationGetRelationName(edit->index->rel), block),
				 errhint("Please REINDEX it.")));

	buffer = hnsw_pin_page(edit->index, block);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	edit->buffers[n] = buffer;
	edit->images[n] = NULL;
	edit->num_pages++;

	if (!PageIsNew(BufferGetPage(buffer)))
		hnsw_check_page(edit->index, buffer, kind);
	return n;
}

Page
hnsw_edit_peek(HnswEdit *edit, int page)
{
	Page current = BufferGetPage(edit->buffers[page]);

	Assert(edit->images[page] == NULL);
	return PageIsNew(current) ? NULL : current;
}

Page
hnsw_edit_image(HnswEdit *edit, int page, HnswPageKind kind)
{
	Page current = BufferGetPage(edit->buffers[page]);
	bool is_new = PageIsNew(current);

	if (edit->images[page] != NULL)
		return edit->images[page];

	if (edit->index->building)
		edit->images[page] = current;
	else
	{
		if (edit->xlog == NULL)
			edit->xlog = GenericXLogStart(edit->index->rel);
		/* a page's first record is a full image: replay may find it missing */
		edit->images[page] = GenericXLogRegisterBuffer(
			edit->xlog, edit->buffers[page],
			is_new ? GENERIC_XLOG_FULL_IMAGE : 0);
	}
	if (is_new)
		hnsw_init_page(&edit->index->geometry, edit->images[page], kind);
	return edit->images[page];
}

static void
release_pages(HnswEdit *edit)
{
	for (int i = 0; i < edit->num_pages; i++)
		UnlockReleaseBuffer(edit->buffers[i]);
	edit->num_pages = 0;
	edit->xlog = NULL;
}

void
hnsw_edit_finish(HnswEdit *edit)
{
	if (edit->xlog != NULL)
		GenericXLogFinish(edit->xlog);
	else if (edit->index->building)
	{
		for (int i = 0; i < edit->num_pages; i++)
		{
			if (edit->images[i] != NULL)
				MarkBufferDirty(edit->buffers[i]);
		}
	}
	release_pages(edit);
}

void
hnsw_edit_abort(HnswEdit *edit)
{
	Assert(!edit->index->building || edit->num_pages == 0 ||
		   edit->images[0] == NULL);
	if (edit->xlog != NULL)
		GenericXLogAbort(edit->xlog);
	release_pages(edit);
}
