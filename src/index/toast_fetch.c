/*
 * toast_fetch.c
 *		Values of many rows out of one TOAST table.
 *
 * To read one value detoast_attr opens the TOAST table and its indexes, locks
 * them, begins a scan, and ends, unlocks and closes all that again: for a vector
 * of 768 dimensions, which lies in two chunks, that is half of its time.  An
 * index scan that orders by exact distances reads several values for each query,
 * all of one table.  So here the table stays open, with a scan of its index that
 * is begun anew for each value; and chunks are copied once, to where the next
 * value is going to be.
 *
 *	T1	Only the common case is read here: values that are neither compressed nor
 *		in memory, in a TOAST table of the heap access method.  For all others,
 *		and whenever chunks are not just what the pointer says, the answer is
 *		none: the caller asks detoast_attr, which knows how to read the value or
 *		has the words for what is wrong.
 *	T2	Table and indexes are locked in ACCESS SHARE mode, like the table whose
 *		rows the pointers come from, and as long as it: from the first value
 *		until toast_fetch_end.  So REINDEX CONCURRENTLY, which may leave another
 *		index to be the valid one, waits for the end before it drops this one.
 *		If there is an error the resource owner of the scan lets go of them.
 *	T3	Chunks are seen by the TOAST snapshot.  They are all there as long as
 *		some registered snapshot sees their row, as that of the caller's scan.
 *	T4	Pins are kept between values, but not after toast_fetch_let_go.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/heaptoast.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/toast_internals.h"
#include "catalog/pg_am_d.h"
#include "executor/tuptable.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "index/toast_fetch.h"

/* Columns of TOAST tables and their indexes. */
#define CHUNK_ID   1
#define CHUNK_SEQ  2
#define CHUNK_DATA 3

void
toast_fetch_begin(ToastFetch *toast)
{
	memset(toast, 0, sizeof(ToastFetch));
	toast->context = CurrentMemoryContext;
}

/* Let go of the TOAST table (T2). */
static void
close_table(ToastFetch *toast)
{
	if (toast->table == NULL)
		return;
	ExecDropSingleTupleTableSlot(toast->slot);
	index_endscan(toast->scan);
	toast_close_indexes(toast->indexes, toast->num_indexes, AccessShareLock);
	table_close(toast->table, AccessShareLock);
	toast->table = NULL;
	toast->pinned = false;
}

/* Have the TOAST table open; false if values cannot be read here (T1). */
static bool
open_table(ToastFetch *toast, Oid table)
{
	MemoryContext old_context;
	int			  valid;

	if (toast->table != NULL && RelationGetRelid(toast->table) == table)
		return true;
	if (toast->unreadable == table)
		return false;

	close_table(toast);
	old_context = MemoryContextSwitchTo(toast->context);
	toast->table = table_open(table, AccessShareLock);
	if (toast->table->rd_rel->relam != HEAP_TABLE_AM_OID)
	{
		table_close(toast->table, AccessShareLock);
		toast->table = NULL;
		toast->unreadable = table;
	}
	else
	{
		valid = toast_open_indexes(toast->table, AccessShareLock,
								   &toast->indexes, &toast->num_indexes);
		toast->scan = IndexBeginScan(toast->table, toast->indexes[valid],
									 ToastSnapshot(&toast->snapshot), 1, 0);
		toast->slot = table_slot_create(toast->table, NULL);
		ScanKeyInit(&toast->key, CHUNK_ID, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(InvalidOid));
	}
	MemoryContextSwitchTo(old_context);
	return toast->table != NULL;
}

void
toast_fetch_let_go(ToastFetch *toast)
{
	if (!toast->pinned)
		return;
	ExecClearTuple(toast->slot);
	index_rescan(toast->scan, &toast->key, 1, NULL, 0);
	toast->pinned = false;
}

void
toast_fetch_end(ToastFetch *toast)
{
	close_table(toast);
	if (toast->value != NULL)
		pfree(toast->value);
	toast->value = NULL;
	toast->allocated = 0;
}

/* Make room for a value, without keeping the old one. */
static void
reserve_value(ToastFetch *toast, Size bytes)
{
	if (bytes <= toast->allocated)
		return;
	if (toast->value != NULL)
		pfree(toast->value);
	toast->value = NULL;
	toast->allocated = 0;
	toast->value = MemoryContextAlloc(toast->context, bytes);
	toast->allocated = bytes;
}

/* Collect the chunks of a value; false if they are not what they should be. */
static bool
read_chunks(ToastFetch *toast, Oid id, char *data, Size bytes)
{
	TupleTableSlot *slot = toast->slot;
	Size			done = 0;
	int32			seq = 0;

	/* up to 16 it knows how old the oldest snapshot is */
	(void) ToastSnapshot(&toast->snapshot);
	toast->key.sk_argument = ObjectIdGetDatum(id);
	toast->pinned = true;
	index_rescan(toast->scan, &toast->key, 1, NULL, 0);

	while (index_getnext_slot(toast->scan, ForwardScanDirection, slot))
	{
		Size expected = Min(bytes - done, TOAST_MAX_CHUNK_SIZE);
		const struct varlena *chunk;

		slot_getallattrs(slot);
		if (slot->tts_isnull[CHUNK_SEQ - 1] ||
			slot->tts_isnull[CHUNK_DATA - 1] ||
			DatumGetInt32(slot->tts_values[CHUNK_SEQ - 1]) != seq)
			return false;
		chunk = (const struct varlena *) DatumGetPointer(
			slot->tts_values[CHUNK_DATA - 1]);
		if (VARATT_IS_EXTENDED(chunk) && !VARATT_IS_SHORT(chunk))
			return false;
		/* behind the last one nothing is expected, which no chunk is */
		if (expected == 0 || VARSIZE_ANY_EXHDR(chunk) != expected)
			return false;
		memcpy(data + done, VARDATA_ANY(chunk), expected);
		done += expected;
		seq++;
	}
	return done == bytes;
}

const void *
toast_fetch_value(ToastFetch *toast, const struct varlena *pointer)
{
	struct varatt_external external;
	Size				   bytes;

	if (!VARATT_IS_EXTERNAL_ONDISK(pointer))
		return NULL;
	VARATT_EXTERNAL_GET_POINTER(external, pointer);
	if (VARATT_EXTERNAL_IS_COMPRESSED(external) ||
		!open_table(toast, external.va_toastrelid))
		return NULL;

	bytes = VARATT_EXTERNAL_GET_EXTSIZE(external);
	reserve_value(toast, bytes + VARHDRSZ);
	if (!read_chunks(toast, external.va_valueid, toast->value + VARHDRSZ,
					 bytes))
		return NULL;
	SET_VARSIZE(toast->value, bytes + VARHDRSZ);
	return toast->value;
}
