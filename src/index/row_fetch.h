/*
 * row_fetch.h
 *		Heap rows of an index scan: are they visible, and what is their value?
 *
 * Access methods that order rows by exact distances fetch them ahead of the
 * executor, under the scan's snapshot.
 */
#ifndef INDEX_ROW_FETCH_H
#define INDEX_ROW_FETCH_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "nodes/execnodes.h"

#include "index/toast_fetch.h"

typedef struct RowFetch
{
	IndexScanDesc	scan;
	MemoryContext	row_context; /* what had to be detoasted of one row */
	IndexInfo	   *index_info;	 /* only for expressions */
	EState		   *estate;
	TupleTableSlot *slot;
	ToastFetch		toast;
	BlockNumber		heap_blocks; /* rows beyond came after the snapshot */
} RowFetch;

/*
 * Begin in the current memory context; end before that goes.  May be used as long
 * as the scan has its snapshot, by all its rescans.  After row_fetch_let_go no
 * value is kept, and no pin but that of the heap page seen last: rows are fetched
 * by what the scan has for that (xs_heapfetch), so that the executor, which is to
 * fetch the row returned, mostly finds its page there.  The TOAST table is locked
 * until the end.
 */
extern void row_fetch_begin(RowFetch *rows, IndexScanDesc scan);
extern void row_fetch_let_go(RowFetch *rows);
extern void row_fetch_end(RowFetch *rows);

/*
 * Fetch the version of a row that the snapshot sees; false if there is none.
 * Sets *value to the indexed value, detoasted and valid until the next call
 * or row_fetch_let_go; value NULL saves reading it, mostly out of TOAST.
 */
extern bool row_fetch_visible(RowFetch *rows, const ItemPointerData *tid,
							  const void **value);

/* Have the page of a row on its way, as PrefetchBuffer does. */
extern void row_fetch_read_ahead(RowFetch *rows, const ItemPointerData *tid);

#endif /* INDEX_ROW_FETCH_H */
