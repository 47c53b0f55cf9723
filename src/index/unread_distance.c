/*
 * unread_distance.c
 *		Distances that queries compute and nobody reads.
 *
 * "SELECT id FROM items ORDER BY embedding <=> $1 LIMIT 10" has the distance as
 * a hidden ("resjunk") column, and although an ordered index scan needs no sort,
 * its plan computes that column for every row returned: another fetch of the
 * vector out of TOAST, which took a quarter of such a query's time.  So after
 * planning, hidden columns that are the order of an ordered scan of our indexes
 * become NULL, provided that nothing above the scan can read them: where the
 * scan is the top of the plan, or lies directly below a LIMIT, which is the top
 * of its query and has to pass hidden columns on without looking at them.
 *
 * EXPLAIN (VERBOSE) shows them as NULL::double precision.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "index/unread_distance.h"

static planner_hook_type previous_planner = NULL;

/* Is it a scan of one of our indexes in order of distance? */
static bool
is_ordered_scan(const Plan *plan)
{
	HeapTuple tuple;
	Oid		  am;

	if (plan == NULL || !IsA(plan, IndexScan) ||
		((const IndexScan *) plan)->indexorderbyorig == NIL)
		return false;

	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(
										((const IndexScan *) plan)->indexid));
	if (!HeapTupleIsValid(tuple))
		return false;
	am = ((Form_pg_class) GETSTRUCT(tuple))->relam;
	ReleaseSysCache(tuple);
	return am == get_index_am_oid("hnsw", true) ||
		   am == get_index_am_oid("ivfflat", true);
}

/* Is an expression the same as one that the scan orders by, or commuted? */
static bool
is_order(const IndexScan *scan, const Expr *expr)
{
	const OpExpr *op = (const OpExpr *) expr;
	ListCell	 *lc;

	if (list_member(scan->indexorderbyorig, expr))
		return true;
	if (!IsA(op, OpExpr) || list_length(op->args) != 2)
		return false;
	foreach(lc, scan->indexorderbyorig)
	{
		const OpExpr *order = lfirst(lc);

		if (IsA(order, OpExpr) && order->opno == get_commutator(op->opno) &&
			equal(linitial(order->args), lsecond(op->args)) &&
			equal(lsecond(order->args), linitial(op->args)))
			return true;
	}
	return false;
}

/* Make a column of the scan NULL if it is what the scan orders by. */
static void
drop_column(IndexScan *scan, AttrNumber column)
{
	List		*targets = scan->scan.plan.targetlist;
	TargetEntry *target = list_nth_node(TargetEntry, targets, column - 1);

	if (!is_order(scan, target->expr))
		return;

	/* the nodes may be shared with other parts of the plan */
	target = flatCopyTargetEntry(target);
	target->expr = (Expr *) makeNullConst(exprType((Node *) target->expr), -1,
										  InvalidOid);
	targets = list_copy(targets);
	lfirst(list_nth_cell(targets, column - 1)) = target;
	scan->scan.plan.targetlist = targets;
}

/* Does a column of the plan below go to the query's result? */
static bool
is_read(const List *targets, AttrNumber column)
{
	ListCell *lc;

	foreach(lc, targets)
	{
		const TargetEntry *target = lfirst_node(TargetEntry, lc);
		const Var		  *var = (const Var *) target->expr;

		/* a LIMIT computes nothing: it has columns from below and constants */
		if (!target->resjunk && !IsA(var, Const) &&
			(!IsA(var, Var) || var->varattno == column))
			return true;
	}
	return false;
}

static void
check_limit(const Limit *limit)
{
	IndexScan *scan = (IndexScan *) outerPlan(limit);
	ListCell  *lc;

	/* WITH TIES compares */
	if (limit->limitOption != LIMIT_OPTION_COUNT ||
		!is_ordered_scan((Plan *) scan))
		return;
	foreach(lc, limit->plan.targetlist)
	{
		const TargetEntry *target = lfirst_node(TargetEntry, lc);
		const Var		  *var = (const Var *) target->expr;

		if (target->resjunk && IsA(var, Var) && var->varno == OUTER_VAR &&
			!is_read(limit->plan.targetlist, var->varattno))
			drop_column(scan, var->varattno);
	}
}

static void walk_plan(Plan *plan);

static void
walk_plans(const List *plans)
{
	ListCell *lc;

	foreach(lc, plans)
		walk_plan(lfirst(lc));
}

static void
walk_plan(Plan *plan)
{
	if (plan == NULL)
		return;
	check_stack_depth();

	switch (nodeTag(plan))
	{
		case T_Limit:
			check_limit((Limit *) plan);
			break;
		case T_Append:
			walk_plans(((Append *) plan)->appendplans);
			break;
		case T_MergeAppend:
			walk_plans(((MergeAppend *) plan)->mergeplans);
			break;
		case T_SubqueryScan:
			walk_plan(((SubqueryScan *) plan)->subplan);
			break;
		case T_CustomScan:
			walk_plans(((CustomScan *) plan)->custom_plans);
			break;
		default:
			break;
	}
	walk_plan(outerPlan(plan));
	walk_plan(innerPlan(plan));
}

static PlannedStmt *
plan_query(Query *query, const char *query_string, int cursor_options,
		   ParamListInfo params)
{
	PlannedStmt *statement;

	statement = previous_planner != NULL
					? previous_planner(query, query_string, cursor_options,
									   params)
					: standard_planner(query, query_string, cursor_options,
									   params);

	if (is_ordered_scan(statement->planTree))
	{
		IndexScan *scan = (IndexScan *) statement->planTree;
		ListCell  *lc;

		foreach(lc, scan->scan.plan.targetlist)
		{
			if (lfirst_node(TargetEntry, lc)->resjunk)
				drop_column(scan, lfirst_node(TargetEntry, lc)->resno);
		}
	}
	walk_plan(statement->planTree);
	walk_plans(statement->subplans);
	return statement;
}

void
unread_distance_init(void)
{
	previous_planner = planner_hook;
	planner_hook = plan_query;
}
