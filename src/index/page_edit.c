/*
 * page_edit.c
 *		Changes of up to four pages as one generic WAL record.
 */
#include "postgres.h"

#include "index/page_edit.h"
#include "index/page_pin.h"
#include "index/page_wal.h"

void
page_edit_start(PageEdit *edit, Relation rel, bool building)
{
	edit->rel = rel;
	edit->building = building;
	edit->wal = NULL;
	edit->num_pages = 0;
}

int
page_edit_adopt(PageEdit *edit, Buffer buffer)
{
	int n = edit->num_pages++;

	Assert(n < MAX_GENERIC_XLOG_PAGES);
	edit->buffers[n] = buffer;
	edit->images[n] = NULL;
	edit->written[n] = -1;
	edit->covered[n] = 0;
	return n;
}

int
page_edit_lock(PageEdit *edit, BlockNumber block)
{
	Buffer buffer = index_pin_page(edit->rel, block);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	return page_edit_adopt(edit, buffer);
}

Page
page_edit_image(PageEdit *edit, int page)
{
	Page current = BufferGetPage(edit->buffers[page]);

	if (edit->images[page] != NULL)
		return edit->images[page];

	Assert(edit->written[page] < 0);
	if (edit->building)
		edit->images[page] = current;
	else
	{
		if (edit->wal == NULL)
			edit->wal = page_wal_start(edit->rel);
		/* a page's first record is a full image: replay may find it missing */
		edit->images[page] = page_wal_image(edit->wal, edit->buffers[page],
											PageIsNew(current));
	}
	return edit->images[page];
}

/* Write pieces to a page, as page_wal_write does. */
static void
write_pieces(PageEdit *edit, int page, uint32 offset, uint32 stride,
			 const char *bytes, uint32 length, uint32 count)
{
	if (edit->images[page] == NULL && edit->written[page] < 0)
	{
		if (edit->wal == NULL && !edit->building)
			edit->wal = page_wal_start(edit->rel);
		if (!edit->building)
			edit->written[page] = page_wal_page(edit->wal,
												edit->buffers[page]);
		if (edit->written[page] < 0)
			(void) page_edit_image(edit, page);
	}
	if (edit->written[page] >= 0)
	{
		page_wal_write(edit->wal, edit->written[page], offset, stride, bytes,
					   length, count);
		return;
	}
	for (uint32 i = 0; i < count; i++)
		memcpy((char *) edit->images[page] + offset + i * stride,
			   bytes + i * length, length);
}

void
page_edit_write(PageEdit *edit, int page, uint32 offset, const void *bytes,
				uint32 length)
{
	write_pieces(edit, page, offset, 0, bytes, length, 1);
}

void
page_edit_scatter(PageEdit *edit, int page, uint32 offset, uint32 stride,
				  const uint8 *bytes, uint32 count)
{
	write_pieces(edit, page, offset, stride, (const char *) bytes, 1, count);
}

void
page_edit_cover(PageEdit *edit, int page, uint32 end)
{
	PageHeader	  header = (PageHeader) page_edit_current(edit, page);
	LocationIndex lower = end;

	/* what is written is not there yet */
	edit->covered[page] = Max(edit->covered[page], header->pd_lower);
	if (end <= edit->covered[page])
		return;
	edit->covered[page] = end;
	page_edit_write(edit, page, offsetof(PageHeaderData, pd_lower), &lower,
					sizeof(lower));
}

static void
release_pages(PageEdit *edit)
{
	for (int i = 0; i < edit->num_pages; i++)
		UnlockReleaseBuffer(edit->buffers[i]);
	edit->num_pages = 0;
	edit->wal = NULL;
}

void
page_edit_finish(PageEdit *edit)
{
	if (edit->wal != NULL)
		page_wal_finish(edit->wal);
	else if (edit->building)
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
page_edit_abort(PageEdit *edit)
{
	Assert(!edit->building || edit->num_pages == 0 || edit->images[0] == NULL);
	if (edit->wal != NULL)
		page_wal_abort(edit->wal);
	release_pages(edit);
}
