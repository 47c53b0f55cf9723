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
	IndexScanDesc		 scan;
	MemoryContext		 row_context; /* what had to be detoasted of one row */
	IndexInfo			*index_info;  /* only for expressions */
	EState				*estate;
	TupleTableSlot		*slot;
	IndexFetchTableData *fetch;
	ToastFetch			 toast;
	BlockNumber			 heap_blocks; /* rows beyond came after the snapshot */
} RowFetch;

/*
 * Begin in the current memory context; end before that goes.  May be used as long
 * as the scan has its snapshot, by all its rescans.  No pin and no value is kept
 * after row_fetch_let_go, but the lock on the table's TOAST table until the end.
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

#endif /* INDEX_ROW_FETCH_H */
