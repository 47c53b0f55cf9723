/*
 * inspected_index.h
 *		An index that a function of SQL looks into, and its table.
 */
#ifndef INSPECT_INSPECTED_INDEX_H
#define INSPECT_INSPECTED_INDEX_H

#include "access/amapi.h"
#include "access/tableam.h"
#include "storage/lockdefs.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef struct InspectedIndex
{
	Relation table;
	Relation rel;
	LOCKMODE mode;

	/* of the caller, while expressions run as the owner */
	Oid user;
	int security_context;
	int nest_level;
} InspectedIndex;

/*
 * Open an index and its table, in the order in which everybody locks them, with
 * the same lock on both.
 *
 * method_name is for the message, "an hnsw index"; the methods by their build
 * functions are those that the index may have, the second may be NULL.
 * ERRCODE_WRONG_OBJECT_TYPE for any other index and those of partitioned tables,
 * ERRCODE_FEATURE_NOT_SUPPORTED for one that is not valid.
 */
extern void inspected_index_open(InspectedIndex *index, Oid index_oid,
								 LOCKMODE mode, const char *method_name,
								 ambuild_function method,
								 ambuild_function other_method);

/* Release the locks as well. */
extern void inspected_index_close(InspectedIndex *index);

/*
 * From here to inspected_index_leave_owner, expressions and predicates of the
 * index may be evaluated: they run as the table's owner, who might have written
 * them to be run by somebody with more rights.  An error leaves, too.
 */
extern void inspected_index_enter_owner(InspectedIndex *index);
extern void inspected_index_leave_owner(InspectedIndex *index);

/*
 * Call back for the rows of the table that belong into the index, with their
 * indexed values: those that the snapshot sees or, without one and with
 * ShareLock, all that are not dead to everybody.  As the owner.
 */
extern void inspected_index_scan_table(InspectedIndex	 *index,
									   Snapshot			  snapshot,
									   IndexBuildCallback callback,
									   void				 *state);

#endif /* INSPECT_INSPECTED_INDEX_H */
