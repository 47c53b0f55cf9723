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

/* Change the pages and write the record; or forget about it.  Frees. */
extern void page_wal_finish(PageWal *wal);
extern void page_wal_abort(PageWal *wal);

#endif /* INDEX_PAGE_WAL_H */
