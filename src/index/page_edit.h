/*
 * page_edit.h
 *		Changes of up to four pages as one generic WAL record.
 *
 * An edit locks pages exclusively, in the order that the access method's
 * README gives, changes images of them, and writes all changes in one record,
 * so that a crash leaves all or none.  Pages of an index that is being built,
 * which nobody else sees and which are logged as a whole at the end, and
 * everything that is never logged, are changed in place.
 */
#ifndef INDEX_PAGE_EDIT_H
#define INDEX_PAGE_EDIT_H

#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/rel.h"

#include "index/page_wal.h"

typedef struct PageEdit
{
	Relation rel;
	bool	 building;
	PageWal *wal; /* NULL until the first image */
	int		 num_pages;
	Buffer	 buffers[MAX_GENERIC_XLOG_PAGES];
	Page	 images[MAX_GENERIC_XLOG_PAGES];  /* NULL: not changed, or: */
	int		 written[MAX_GENERIC_XLOG_PAGES]; /* its number in wal, or -1 */
	uint32	 covered[MAX_GENERIC_XLOG_PAGES]; /* pd_lower is at least that */
} PageEdit;

extern void page_edit_start(PageEdit *edit, Relation rel, bool building);

/* Pin and lock a page; returns its number within the edit. */
extern int page_edit_lock(PageEdit *edit, BlockNumber block);

/* The same for a page that the caller has locked; the edit takes it over. */
extern int page_edit_adopt(PageEdit *edit, Buffer buffer);

/* The page as it is, for reading. */
static inline Page
page_edit_peek(const PageEdit *edit, int page)
{
	return BufferGetPage(edit->buffers[page]);
}

/* The same, or its image, if it has one. */
static inline Page
page_edit_current(const PageEdit *edit, int page)
{
	return edit->images[page] != NULL ? edit->images[page]
									  : page_edit_peek(edit, page);
}

/*
 * Its image for writing.  That of a page never written before is all zeros:
 * the caller initialises it.
 */
extern Page page_edit_image(PageEdit *edit, int page);

/*
 * Change a few bytes of a page that has been written before, in its image if it
 * has one.  If not, that takes less time than an image, which it cannot get any
 * more.  page_edit_peek still shows the page as it was.
 */
extern void page_edit_write(PageEdit *edit, int page, uint32 offset,
							const void *bytes, uint32 length);

/* The same for `count` single bytes, each `stride` behind the one before. */
extern void page_edit_scatter(PageEdit *edit, int page, uint32 offset,
							  uint32 stride, const uint8 *bytes, uint32 count);

/*
 * Let bytes before `end` lie outside of the page's hole, which begins at
 * pd_lower.  They are zeros until they are written.
 */
extern void page_edit_cover(PageEdit *edit, int page, uint32 end);

/*
 * Write everything as one WAL record; or unlock without any change.  A build,
 * which changes pages in place, cannot abort once it has an image.
 */
extern void page_edit_finish(PageEdit *edit);
extern void page_edit_abort(PageEdit *edit);

#endif /* INDEX_PAGE_EDIT_H */
