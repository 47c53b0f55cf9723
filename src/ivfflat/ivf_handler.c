/*
 * ivf_handler.c
 *		The interface of the access method ivfflat to the server.
 */
#include "postgres.h"

#include "access/amapi.h"
#include "commands/vacuum.h"
#include "fmgr.h"

#include "base/compat.h"
#include "ivfflat/ivf.h"

static const VectorSupportFunction support_functions[] = {SUPPORT_DISTANCE,
														  SUPPORT_NORM,
														  SUPPORT_DISTANCE,
														  SUPPORT_NORM,
														  SUPPORT_TYPE};

static bool
ivf_validate(Oid opclass_oid)
{
	return vector_opclass_validate(opclass_oid, "ivfflat", support_functions,
								   lengthof(support_functions));
}

/*
 * Properties of columns that the server cannot tell by itself: any operator
 * of our classes orders.
 */
static bool
ivf_property(Oid index_oid, int attno, IndexAMProperty property,
			 const char *property_name, bool *result, bool *isnull)
{
	if (property != AMPROP_DISTANCE_ORDERABLE || attno == 0)
		return false;
	*result = true;
	return true;
}

PG_FUNCTION_INFO_V1(ivfflathandler);
Datum
ivfflathandler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *routine = makeNode(IndexAmRoutine);

	routine->amstrategies = 1;
	routine->amsupport = lengthof(support_functions);
	routine->amcanorderbyop = true;
	/* there are no conditions, only an order */
	routine->amoptionalkey = true;
	routine->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	routine->amkeytype = InvalidOid;
	AmRoutineSetParallelBuild(routine, true);

	routine->ambuild = ivf_build;
	routine->ambuildempty = ivf_build_empty;
	routine->aminsert = ivf_insert;
	routine->ambulkdelete = ivf_bulk_delete;
	routine->amvacuumcleanup = ivf_vacuum_cleanup;
	routine->amcostestimate = ivf_cost_estimate;
	routine->amoptions = ivf_reloptions;
	routine->amproperty = ivf_property;
	routine->ambuildphasename = ivf_build_phase_name;
	routine->amvalidate = ivf_validate;
	routine->ambeginscan = ivf_begin_scan;
	routine->amrescan = ivf_rescan;
	routine->amgettuple = ivf_get_tuple;
	routine->amendscan = ivf_end_scan;

	PG_RETURN_POINTER(routine);
}
