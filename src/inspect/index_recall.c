/*
 * index_recall.c
 *		vector_index_recall(regclass, ...): which share of the nearest rows do
 *		scans of an index find, with the settings that are in force?
 *
 * The queries are given, or rows drawn from the table; a row that is a query
 * does not count among its own nearest.  One scan of the table computes the
 * exact distances of all rows to all queries and keeps the k least of each.
 * Then the index is asked for k rows a query.  A row counts as found if it is
 * no farther than the last of the exact ones, so rows that are equally far may
 * stand for each other.  Both see the same rows: those of the snapshot.
 *
 * Whoever may read the table may call it.  AccessShareLock on the table and the
 * index.  Memory: the queries and k distances of each.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/relscan.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "hnsw/hnsw.h"
#include "index/row_fetch.h"
#include "index/row_reservoir.h"
#include "inspect/inspected_index.h"
#include "ivfflat/ivf.h"

#define MAX_QUERIES 100000
#define MAX_K		10000

/* The strategy that operator classes of both methods order by. */
#define ORDERING_STRATEGY 1

typedef struct RecallQuery
{
	Datum			value;
	ItemPointerData tid;	 /* of the row that is the query, or invalid */
	int				count;	 /* of nearest */
	double		   *nearest; /* least distances, ascending */
} RecallQuery;

typedef struct Recall
{
	InspectedIndex index;
	Snapshot	   snapshot;
	FmgrInfo	   distance; /* the operator's function */
	Oid			   collation;
	int			   k;
	RecallQuery	  *queries;
	int			   num_queries;
	MemoryContext  context;
	MemoryContext  row_context; /* reset after each row */

	RowReservoir reservoir; /* when queries are drawn from the table */
} Recall;

/* ------------------------------------------------------------------------
 * The queries
 * ------------------------------------------------------------------------
 */

static void
check_k(int k)
{
	if (k < 1 || k > MAX_K)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("k must be between 1 and %d", MAX_K)));
}

static void
take_queries(Recall *recall, ArrayType *array)
{
	Oid	   type = ARR_ELEMTYPE(array);
	int16  length;
	bool   by_value;
	char   align;
	Datum *values;
	bool  *nulls;

	if (getBaseType(type) != recall->index.rel->rd_opcintype[0])
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("queries are of type %s, but index \"%s\" is of %s",
						format_type_be(type),
						RelationGetRelationName(recall->index.rel),
						format_type_be(recall->index.rel->rd_opcintype[0]))));
	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(array, type, length, by_value, align, &values, &nulls,
					  &recall->num_queries);
	if (recall->num_queries > MAX_QUERIES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("there may be at most %d queries", MAX_QUERIES)));
	recall->queries = palloc0(sizeof(RecallQuery) *
							  Max(recall->num_queries, 1));
	for (int i = 0; i < recall->num_queries; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("queries must not be null")));
		recall->queries[i].value = PointerGetDatum(
			PG_DETOAST_DATUM(values[i]));
	}
}

/* Callback of table scans: let a row take its chance of becoming a query. */
static void
draw_row(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
		 bool is_alive, void *state)
{
	Recall		 *recall = state;
	RecallQuery	 *query;
	MemoryContext old_context;
	uint32		  place;
	bool		  replaces;

	CHECK_FOR_INTERRUPTS();
	if (isnull[0] ||
		!row_reservoir_offer(&recall->reservoir, &place, &replaces))
		return;
	query = &recall->queries[place];
	if (replaces)
		pfree(DatumGetPointer(query->value));
	old_context = MemoryContextSwitchTo(recall->context);
	query->value = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[0]));
	query->tid = *tid;
	MemoryContextSwitchTo(old_context);
}

static void
draw_queries(Recall *recall, int sample)
{
	if (sample < 1 || sample > MAX_QUERIES)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the sample must have between 1 and %d rows",
							   MAX_QUERIES)));
	recall->queries = palloc0(sizeof(RecallQuery) * sample);
	row_reservoir_init(&recall->reservoir, sample);
	inspected_index_scan_table(&recall->index, recall->snapshot, draw_row,
							   recall);
	recall->num_queries = recall->reservoir.count;
}

/* ------------------------------------------------------------------------
 * Distances
 * ------------------------------------------------------------------------
 */

static bool
is_own_row(RecallQuery *query, ItemPointer tid)
{
	return ItemPointerIsValid(&query->tid) &&
		   ItemPointerEquals(&query->tid, tid);
}

static double
distance(Recall *recall, const RecallQuery *query, Datum value)
{
	return DatumGetFloat8(FunctionCall2Coll(&recall->distance,
											recall->collation, value,
											query->value));
}

/* Keep a distance if it is one of the k least so far. */
static void
keep_least(Recall *recall, RecallQuery *query, double distance)
{
	int i = query->count;

	if (i < recall->k)
		query->count++;
	else if (distance < query->nearest[i - 1])
		i--;
	else
		return;
	for (; i > 0 && query->nearest[i - 1] > distance; i--)
		query->nearest[i] = query->nearest[i - 1];
	query->nearest[i] = distance;
}

/* Callback of table scans: compare a row with all queries. */
static void
compare_row(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
			bool is_alive, void *state)
{
	Recall		 *recall = state;
	MemoryContext old_context;
	Datum		  value;

	CHECK_FOR_INTERRUPTS();
	if (isnull[0])
		return;
	old_context = MemoryContextSwitchTo(recall->row_context);
	value = PointerGetDatum(PG_DETOAST_DATUM(values[0]));
	for (int i = 0; i < recall->num_queries; i++)
	{
		RecallQuery *query = &recall->queries[i];
		double		 d;

		if (is_own_row(query, tid))
			continue;
		/* NaN: one of both has no direction, and is not in the index */
		d = distance(recall, query, value);
		if (!isnan(d))
			keep_least(recall, query, d);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(recall->row_context);
}

/* Of the nearest rows of a query, how many does the index find? */
static int
count_found(Recall *recall, IndexScanDesc scan, RowFetch *rows,
			RecallQuery *query)
{
	ScanKeyData key;
	ItemPointer tid;
	int			returned = 0;
	int			found = 0;

	ScanKeyEntryInitialize(&key, SK_ORDER_BY, 1, ORDERING_STRATEGY,
						   recall->index.rel->rd_opcintype[0],
						   recall->collation, recall->distance.fn_oid,
						   query->value);
	index_rescan(scan, NULL, 0, &key, 1);
	while (returned < query->count &&
		   (tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		const void *value;

		CHECK_FOR_INTERRUPTS();
		if (is_own_row(query, tid))
			continue;
		if (!row_fetch_visible(rows, tid, &value))
			continue;
		returned++;
		if (distance(recall, query, PointerGetDatum(value)) <=
			query->nearest[query->count - 1])
			found++;
	}
	return found;
}

/* The mean over all queries that have nearest rows; -1 if none has. */
static double
measure(Recall *recall)
{
	IndexScanDesc scan;
	RowFetch	  rows;
	double		  sum = 0;
	int			  counted = 0;

	for (int i = 0; i < recall->num_queries; i++)
		recall->queries[i].nearest = palloc(sizeof(double) * recall->k);
	inspected_index_scan_table(&recall->index, recall->snapshot, compare_row,
							   recall);

	inspected_index_enter_owner(&recall->index);
	scan = IndexBeginScan(recall->index.table, recall->index.rel,
						  recall->snapshot, 0, 1);
	row_fetch_begin(&rows, scan);
	for (int i = 0; i < recall->num_queries; i++)
	{
		RecallQuery *query = &recall->queries[i];

		if (query->count == 0)
			continue;
		sum += (double) count_found(recall, scan, &rows, query) / query->count;
		counted++;
	}
	row_fetch_end(&rows);
	index_endscan(scan);
	inspected_index_leave_owner(&recall->index);

	return counted > 0 ? sum / counted : -1;
}

/* ------------------------------------------------------------------------
 * SQL
 * ------------------------------------------------------------------------
 */

/* Whoever sees recall sees something of the rows. */
static void
check_may_read(Relation table)
{
	Oid		  oid = RelationGetRelid(table);
	AclResult result = pg_class_aclcheck(oid, GetUserId(), ACL_SELECT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(table->rd_rel->relkind),
					   RelationGetRelationName(table));
	if (check_enable_rls(oid, InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("recall cannot be measured under row-level security "
						"for table \"%s\"",
						RelationGetRelationName(table))));
}

static void
recall_begin(Recall *recall, Oid index_oid, int k)
{
	Relation rel;
	Oid		 operator_oid;

	memset(recall, 0, sizeof(Recall));
	check_k(k);
	inspected_index_open(&recall->index, index_oid, AccessShareLock,
						 "an hnsw or ivfflat index", hnsw_build, ivf_build);
	check_may_read(recall->index.table);
	rel = recall->index.rel;
	operator_oid = get_opfamily_member(rel->rd_opfamily[0],
									   rel->rd_opcintype[0],
									   rel->rd_opcintype[0],
									   ORDERING_STRATEGY);
	fmgr_info(get_opcode(operator_oid), &recall->distance);
	recall->collation = rel->rd_indcollation[0];
	recall->k = k;
	recall->snapshot = GetActiveSnapshot();
	recall->context = CurrentMemoryContext;
	recall->row_context = AllocSetContextCreate(CurrentMemoryContext,
												"recall row",
												ALLOCSET_DEFAULT_SIZES);
}

static Datum
recall_end(Recall *recall, FunctionCallInfo fcinfo)
{
	double result = measure(recall);

	MemoryContextDelete(recall->row_context);
	inspected_index_close(&recall->index);
	if (result < 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(result);
}

/*
 * vector_index_recall(index regclass, queries anyarray, k integer)
 *
 * NULL if no query has a nearest row.
 */
PG_FUNCTION_INFO_V1(vector_index_recall_of_queries);
Datum
vector_index_recall_of_queries(PG_FUNCTION_ARGS)
{
	Recall recall;

	recall_begin(&recall, PG_GETARG_OID(0), PG_GETARG_INT32(2));
	take_queries(&recall, PG_GETARG_ARRAYTYPE_P(1));
	return recall_end(&recall, fcinfo);
}

/*
 * vector_index_recall(index regclass, sample integer, k integer)
 *
 * The same with rows of the table as queries, as many as `sample` of them.
 */
PG_FUNCTION_INFO_V1(vector_index_recall_of_sample);
Datum
vector_index_recall_of_sample(PG_FUNCTION_ARGS)
{
	Recall recall;

	recall_begin(&recall, PG_GETARG_OID(0), PG_GETARG_INT32(2));
	draw_queries(&recall, PG_GETARG_INT32(1));
	return recall_end(&recall, fcinfo);
}
