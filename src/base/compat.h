/*
 * compat.h
 *		What differs between PostgreSQL 15, 16, 17 and 18.
 *
 * The only user of PG_VERSION_NUM.  Names are those of the newest version
 * where it has one, so that a version is dropped by deleting its branch here.
 * Include after postgres.h and before the headers of other modules.
 */
#ifndef BASE_COMPAT_H
#define BASE_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "PostgreSQL 15 or later is required"
#endif

/* 16 took the varlena macros out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 wants the name and version of a module next to the magic. */
#if PG_VERSION_NUM >= 180000
#define MODULE_MAGIC(name_, version_) \
	PG_MODULE_MAGIC_EXT(.name = (name_), .version = (version_))
#else
#define MODULE_MAGIC(name_, version_) PG_MODULE_MAGIC
#endif

/* Functions that never return: a keyword in front since 18. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/*
 * Since 16 a caller can ask an input function to report bad input instead of
 * raising it (pg_input_is_valid, COPY ... ON_ERROR).  Before, it is raised.
 */
#ifndef ereturn
#define ereturn(context, dummy_value, ...) \
	do                                     \
	{                                      \
		(void) (context);                  \
		ereport(ERROR, __VA_ARGS__);       \
		return dummy_value;                \
	} while (0)
#endif

/* ------------------------------------------------------------------------
 * Relations and their files
 * ------------------------------------------------------------------------
 */

/* What ReadRecentBuffer identifies a relation by; RelFileNode before 16. */
#if PG_VERSION_NUM >= 160000
#define RelationRelFileLocator(rel) ((rel)->rd_locator)
#define RelationRelFileNumber(rel)	((rel)->rd_locator.relNumber)
#else
#define RelationRelFileLocator(rel) ((rel)->rd_node)
#define RelationRelFileNumber(rel)	((rel)->rd_node.relNode)
typedef Oid RelFileNumber;
#endif

/*
 * Maintenance commands evaluate expressions with a safe search_path since 17;
 * before, they do with that of the caller.
 */
#if PG_VERSION_NUM < 170000
#define RestrictSearchPath() ((void) 0)
#endif

/* ------------------------------------------------------------------------
 * Buffers
 * ------------------------------------------------------------------------
 */

/*
 * Reference counts of buffers are in BufferDesc.state, in these versions in the
 * same way (see PinBuffer and UnpinBuffer).  Look at them before raising the
 * version: 19 is going to make the state 64 bits wide.
 */
#define BUFFER_STATE_IS_KNOWN (PG_VERSION_NUM < 190000)

/* Comparing tags of buffers; macros before 16. */
#if PG_VERSION_NUM < 160000
#define InitBufferTag(tag, rlocator, fork, block) \
	INIT_BUFFERTAG(*(tag), *(rlocator), fork, block)
#define BufferTagsEqual(a, b) BUFFERTAGS_EQUAL(*(a), *(b))
#endif

/* ------------------------------------------------------------------------
 * WAL
 * ------------------------------------------------------------------------
 */

/*
 * The form of generic WAL records has been the same since 9.6 (see
 * applyPageRedo in generic_xlog.c).  Look at it before raising the version.
 */
#define GENERIC_DELTA_IS_KNOWN (PG_VERSION_NUM < 190000)

/* ------------------------------------------------------------------------
 * Vacuum
 * ------------------------------------------------------------------------
 */

/* 18 asks whether the caller is ANALYZE. */
#if PG_VERSION_NUM >= 180000
#define VacuumDelayPoint() vacuum_delay_point(false)
#else
#define VacuumDelayPoint() vacuum_delay_point()
#endif

/* ------------------------------------------------------------------------
 * The interface of index access methods
 * ------------------------------------------------------------------------
 */

/*
 * Since 17 the server plans the workers of a build for any access method that
 * says it can use them; before, a build asks plan_create_index_workers itself.
 */
#if PG_VERSION_NUM >= 170000
#define AmRoutineSetParallelBuild(routine, can) \
	((routine)->amcanbuildparallel = (can))
#define PLANNER_SETS_BUILD_WORKERS true
#else
#define AmRoutineSetParallelBuild(routine, can) ((void) (can))
#define PLANNER_SETS_BUILD_WORKERS				false
#endif

/*
 * A path that must not be taken.  Since 18 the planner compares the number of
 * disabled nodes before costs; 2 loses even to a node that a setting disables.
 */
#if PG_VERSION_NUM >= 180000
#define IndexPathSetDisabled(index_path) \
	((index_path)->path.disabled_nodes = 2)
#else
#define IndexPathSetDisabled(index_path) ((void) (index_path))
#endif

/* EXPLAIN ANALYZE shows the number of searches since 18. */
#if PG_VERSION_NUM >= 180000
#define IndexScanCountSearch(scan)           \
	do                                       \
	{                                        \
		if ((scan)->instrument)              \
			(scan)->instrument->nsearches++; \
	} while (0)
#else
#define IndexScanCountSearch(scan) ((void) (scan))
#endif

/* Beginning a scan: since 18 it can be told where to count what it does. */
#if PG_VERSION_NUM >= 180000
#define IndexBeginScan(table, index, snapshot, nkeys, norderbys) \
	index_beginscan(table, index, snapshot, NULL, nkeys, norderbys)
#else
#define IndexBeginScan(table, index, snapshot, nkeys, norderbys) \
	index_beginscan(table, index, snapshot, nkeys, norderbys)
#endif

/* ------------------------------------------------------------------------
 * TOAST
 * ------------------------------------------------------------------------
 */

/*
 * The snapshot that TOAST tables are read with (access/toast_internals.h): up to
 * 17 filled in by the caller, each time.  An error if there is no other one.
 */
#if PG_VERSION_NUM >= 180000
#define ToastSnapshot(data) ((void) (data), get_toast_snapshot())
#else
#define ToastSnapshot(data) (init_toast_snapshot(data), (data))
#endif

#endif /* BASE_COMPAT_H */
