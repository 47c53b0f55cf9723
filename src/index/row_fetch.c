/*
 * row_fetch.c
 *		Heap rows of an index scan: are they visible, and what is their value?
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_am_d.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "index/row_fetch.h"

void
row_fetch_begin(RowFetch *rows, IndexScanDesc scan)
{
	memset(rows, 0, sizeof(RowFetch));
	rows->scan = scan;
	rows->row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "index scan row",
											  ALLOCSET_DEFAULT_SIZES);
	rows->heap_blocks = scan->heapRelation->rd_rel->relam == HEAP_TABLE_AM_OID
							? RelationGetNumberOfBlocks(scan->heapRelation)
							: InvalidBlockNumber;
	rows->slot = table_slot_create(scan->heapRelation, NULL);
	toast_fetch_begin(&rows->toast);
	if (scan->indexRelation->rd_index->indkey.values[0] == 0)
	{
		rows->index_info = BuildIndexInfo(scan->indexRelation);
		rows->estate = CreateExecutorState();
	}
}

void
row_fetch_let_go(RowFetch *rows)
{
	if (rows->scan == NULL)
		return;
	ExecClearTuple(rows->slot);
	toast_fetch_let_go(&rows->toast);
}

void
row_fetch_end(RowFetch *rows)
{
	if (rows->scan == NULL)
		return;
	ExecDropSingleTupleTableSlot(rows->slot);
	toast_fetch_end(&rows->toast);
	if (rows->estate != NULL)
		FreeExecutorState(rows->estate);
	MemoryContextDelete(rows->row_context);
	rows->scan = NULL;
}

/*
 * The indexed value of the row in the slot, detoasted; NULL if it is NULL.  What
 * was not toasted stays where it is.
 */
static const void *
indexed_value(RowFetch *rows)
{
	AttrNumber	column = rows->scan->indexRelation->rd_index->indkey.values[0];
	Datum		datums[INDEX_MAX_KEYS];
	bool		isnulls[INDEX_MAX_KEYS];
	const void *value;

	if (column != 0)
		datums[0] = slot_getattr(rows->slot, column, &isnulls[0]);
	else
	{
		GetPerTupleExprContext(rows->estate)->ecxt_scantuple = rows->slot;
		FormIndexDatum(rows->index_info, rows->slot, rows->estate, datums,
					   isnulls);
	}
	if (isnulls[0])
		return NULL;
	value = toast_fetch_value(&rows->toast,
							  (const struct varlena *) DatumGetPointer(
								  datums[0]));
	return value != NULL ? value : PG_DETOAST_DATUM(datums[0]);
}

bool
row_fetch_visible(RowFetch *rows, const ItemPointerData *tid,
				  const void **value)
{
	ItemPointerData heap_tid = *tid;
	bool			call_again = false;
	MemoryContext	old_context;

	/* a damaged TID must not send the server looking for blocks */
	if (!ItemPointerIsValid(tid) ||
		ItemPointerGetBlockNumber(tid) >= rows->heap_blocks)
		return false;

	ExecClearTuple(rows->slot);
	if (!table_index_fetch_tuple(rows->scan->xs_heapfetch, &heap_tid,
								 rows->scan->xs_snapshot, rows->slot,
								 &call_again, NULL))
		return false;
	if (value == NULL)
		return true;

	MemoryContextReset(rows->row_context);
	if (rows->estate != NULL)
		ResetPerTupleExprContext(rows->estate);
	old_context = MemoryContextSwitchTo(rows->row_context);
	*value = indexed_value(rows);
	MemoryContextSwitchTo(old_context);

	/* the index has no NULLs, but the TID may be that of another row */
	return *value != NULL;
}

void
row_fetch_read_ahead(RowFetch *rows, const ItemPointerData *tid)
{
	Relation	heap = rows->scan->heapRelation;
	BlockNumber block = ItemPointerGetBlockNumber(tid);

	/* what a TID means to others is not known */
	if (heap->rd_rel->relam == HEAP_TABLE_AM_OID && block < rows->heap_blocks)
		(void) PrefetchBuffer(heap, MAIN_FORKNUM, block);
}
