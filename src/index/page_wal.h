/*
 * page_wal.h
 *		Changes of up to four pages as one WAL record of the generic kind.
 *
 * Does what access/generic_xlog.h does, and replay is that module's; but the
 * server's own functions compare pages byte by byte, which took half the time
 * of an insert.  The caller pins and locks the buffers, exclusively, and keeps
 * them so until the end.
 */
#ifndef INDEX_PAGE_WAL_H
#define INDEX_PAGE_WAL_H

#include "access/generic_xlog.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

typedef struct PageWal PageWal;

/* Allocates in the current memory context. */
extern PageWal *page_wal_start(Relation rel);

/*
 * A copy of the page to change, at most MAX_GENERIC_XLOG_PAGES of them.  With
 * full_image the record has the whole page, whatever was there before.
 */
extern Page page_wal_image(PageWal *wal, Buffer buffer, bool full_image);

/*
 * A page of which only a little changes: no copy is made and nothing compared,
 * since page_wal_write says what changes.  Returns the number of the page for
 * that, or -1 if only page_wal_image will do.
 */
extern int page_wal_page(PageWal *wal, Buffer buffer);

/*
 * Write `count` pieces of `length` bytes to the page, one after the other in
 * `bytes`, the first at `offset`, each `stride` behind the one before.  The page
 * is as it was until page_wal_finish.  Bytes that come to lie outside of the
 * hole between pd_lower and pd_upper, and are not written, must be zeros.
 */
extern void page_wal_write(PageWal *wal, int page, uint32 offset,
						   uint32 stride, const void *bytes, uint32 length,
						   uint32 count);

/* Change the pages and write the record; or forget about it.  Frees. */
extern void page_wal_finish(PageWal *wal);
extern void page_wal_abort(PageWal *wal);

#endif /* INDEX_PAGE_WAL_H */
