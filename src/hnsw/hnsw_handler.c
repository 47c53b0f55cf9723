/*
 * hnsw_handler.c
 *		The interface of the access method hnsw to the server.
 */
#include "postgres.h"

#include "access/amapi.h"
#include "commands/vacuum.h"
#include "fmgr.h"

#include "base/compat.h"
#include "hnsw/hnsw.h"
#include "hnsw/hnsw_graph.h"

/*
 * Properties of columns that the server cannot tell by itself: any operator
 * of our classes orders.
 */
static bool
hnsw_property(Oid index_oid, int attno, IndexAMProperty property,
			  const char *property_name, bool *result, bool *isnull)
{
	if (property != AMPROP_DISTANCE_ORDERABLE || attno == 0)
		return false;
	*result = true;
	return true;
}

static bool
hnsw_validate(Oid opclass_oid)
{
	static const VectorSupportFunction functions[] = {SUPPORT_DISTANCE,
													  SUPPORT_NORM,
													  SUPPORT_TYPE};

	return vector_opclass_validate(opclass_oid, "hnsw", functions,
								   lengthof(functions));
}

PG_FUNCTION_INFO_V1(hnswhandler);
Datum
hnswhandler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *routine = makeNode(IndexAmRoutine);

	routine->amstrategies = 1;
	routine->amsupport = VECTOR_TYPE_PROC;
	routine->amcanorderbyop = true;
	/* there are no conditions, only an order */
	routine->amoptionalkey = true;
	routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	routine->amkeytype = InvalidOid;
	AmRoutineSetParallelBuild(routine, true);

	routine->ambuild = hnsw_build;
	routine->ambuildempty = hnsw_build_empty;
	routine->aminsert = hnsw_insert;
	routine->ambulkdelete = hnsw_bulk_delete;
	routine->amvacuumcleanup = hnsw_vacuum_cleanup;
	routine->amcostestimate = hnsw_cost_estimate;
	routine->amoptions = hnsw_reloptions;
	routine->amproperty = hnsw_property;
	routine->ambuildphasename = hnsw_build_phase_name;
	routine->amvalidate = hnsw_validate;
	routine->ambeginscan = hnsw_begin_scan;
	routine->amrescan = hnsw_rescan;
	routine->amgettuple = hnsw_get_tuple;
	routine->amendscan = hnsw_end_scan;

	PG_RETURN_POINTER(routine);
}
