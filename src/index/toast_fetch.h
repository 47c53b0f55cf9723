/*
 * toast_fetch.h
 *		Values of many rows out of one TOAST table.
 */
#ifndef INDEX_TOAST_FETCH_H
#define INDEX_TOAST_FETCH_H

#include "access/genam.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "nodes/execnodes.h"
#include "utils/snapshot.h"

typedef struct ToastFetch
{
	MemoryContext	context;
	Relation		table;		/* NULL: none is open */
	Oid				unreadable; /* TOAST table that is not for us */
	Relation	   *indexes;
	int				num_indexes;
	IndexScanDesc	scan; /* of the valid one among them */
	TupleTableSlot *slot;
	ScanKeyData		key;
	SnapshotData	snapshot;
	bool			pinned; /* since toast_fetch_let_go */
	char		   *value;
	Size			allocated;
} ToastFetch;

/* Begin in the current memory context; end before that goes. */
extern void toast_fetch_begin(ToastFetch *toast);
extern void toast_fetch_end(ToastFetch *toast);

/* Keep no pin. */
extern void toast_fetch_let_go(ToastFetch *toast);

/*
 * The value that a TOAST pointer leads to, valid until the next call; NULL if it
 * takes detoast_attr to read it, or to say what is wrong with it.  Any varlena
 * will do.
 */
extern const void *toast_fetch_value(ToastFetch			  *toast,
									 const struct varlena *pointer);

#endif /* INDEX_TOAST_FETCH_H */
