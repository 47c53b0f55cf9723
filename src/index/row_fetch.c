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
	rows->fetch = table_index_fetch_begin(scan->heapRelation);
	rows->slot = table_slot_create(scan->heapRelation, NULL);
	if (scan->indexRelation->rd_index->indkey.values[0] == 0)
	{
		rows->index_info = BuildIndexInfo(scan->indexRelation);
		rows->estate = CreateExecutorState();
	}
}

void
row_fetch_let_go(RowFetch *rows)
{
	if (rows->fetch != NULL)
		table_index_fetch_reset(rows->fetch);
}

void
row_fetch_end(RowFetch *rows)
{
	if (rows->fetch == NULL)
		return;
	table_index_fetch_end(rows->fetch);
	ExecDropSingleTupleTableSlot(rows->slot);
	if (rows->estate != NULL)
		FreeExecutorState(rows->estate);
	MemoryContextDelete(rows->row_context);
	rows->fetch = NULL;
}

/* The indexed value of the row in the slot, in the current memory context. */
static Datum
indexed_value(RowFetch *rows, bool *isnull)
{
	AttrNumber column = rows->scan->indexRelation->rd_index->indkey.values[0];
	Datum	   values[INDEX_MAX_KEYS];
	bool	   isnulls[INDEX_MAX_KEYS];

	if (column != 0)
		return slot_getattr(rows->slot, column, isnull);

	GetPerTupleExprContext(rows->estate)->ecxt_scantuple = rows->slot;
	FormIndexDatum(rows->index_info, rows->slot, rows->estate, values,
				   isnulls);
	*isnull = isnulls[0];
	return values[0];
}

bool
row_fetch_visible(RowFetch *rows, const ItemPointerData *tid,
				  const void **value)
{
	ItemPointerData heap_tid = *tid;
	bool			call_again = false;
	bool			found;

	/* a damaged TID must not send the server looking for blocks */
	if (!ItemPointerIsValid(tid) ||
		ItemPointerGetBlockNumber(tid) >= rows->heap_blocks)
		return false;

	MemoryContextReset(rows->row_context);
	found = table_index_fetch_tuple(rows->fetch, &heap_tid,
									rows->scan->xs_snapshot, rows->slot,
									&call_again, NULL);
	if (found && value != NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(rows->row_context);
		bool		  isnull;
		Datum		  datum = indexed_value(rows, &isnull);

		/* the index has no NULLs, but the TID may be that of another row */
		if (isnull)
			found = false;
		else
			*value = PG_DETOAST_DATUM_COPY(datum);
		MemoryContextSwitchTo(old_context);
		if (rows->estate != NULL)
			ResetPerTupleExprContext(rows->estate);
	}
	ExecClearTuple(rows->slot);
	return found;
}
