/*
 * inspected_index.c
 *		An index that a function of SQL looks into, and its table.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/pg_class_d.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "inspect/inspected_index.h"

void
inspected_index_open(InspectedIndex *index, Oid index_oid, LOCKMODE mode,
					 const char *method_name, ambuild_function method,
					 ambuild_function other_method)
{
	Oid		 table_oid = IndexGetRelation(index_oid, true);
	Relation rel;

	index->mode = mode;
	index->table = OidIsValid(table_oid) ? table_open(table_oid, mode) : NULL;
	rel = index->rel = index_open(index_oid, mode);
	if (index->table == NULL || rel->rd_rel->relkind != RELKIND_INDEX ||
		(rel->rd_indam->ambuild != method &&
		 (other_method == NULL || rel->rd_indam->ambuild != other_method)))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not %s", RelationGetRelationName(rel),
						method_name),
				 rel->rd_rel->relkind == RELKIND_PARTITIONED_INDEX
					 ? errdetail("Indexes of partitioned tables have no "
								 "storage; those of the partitions do.")
					 : 0));
	if (!rel->rd_index->indisvalid)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("index \"%s\" is not valid",
							   RelationGetRelationName(rel))));
}

void
inspected_index_close(InspectedIndex *index)
{
	index_close(index->rel, index->mode);
	table_close(index->table, index->mode);
}

void
inspected_index_enter_owner(InspectedIndex *index)
{
	GetUserIdAndSecContext(&index->user, &index->security_context);
	SetUserIdAndSecContext(index->table->rd_rel->relowner,
						   index->security_context |
							   SECURITY_RESTRICTED_OPERATION);
	index->nest_level = NewGUCNestLevel();
	RestrictSearchPath();
}

void
inspected_index_leave_owner(InspectedIndex *index)
{
	AtEOXact_GUC(false, index->nest_level);
	SetUserIdAndSecContext(index->user, index->security_context);
}

void
inspected_index_scan_table(InspectedIndex *index, Snapshot snapshot,
						   IndexBuildCallback callback, void *state)
{
	IndexInfo	 *info;
	TableScanDesc scan = NULL;

	inspected_index_enter_owner(index);
	info = BuildIndexInfo(index->rel);
	info->ii_Unique = false;
	info->ii_ExclusionOps = NULL;
	info->ii_ExclusionProcs = NULL;
	info->ii_ExclusionStrats = NULL;
	if (snapshot != NULL)
	{
		info->ii_Concurrent = true;
		scan = table_beginscan_strat(index->table, snapshot, 0, NULL, true,
									 true);
	}
	/* it ends the scan */
	(void) table_index_build_scan(index->table, index->rel, info, true, false,
								  callback, state, scan);
	inspected_index_leave_owner(index);
}
