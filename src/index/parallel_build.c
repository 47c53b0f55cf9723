/*
 * parallel_build.c
 *		Building an index with a leader and workers.
 *
 * Follows what nbtsort.c does to set up its workers.  They take locks of the
 * same kinds as the leader holds, which do not conflict within a lock group.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/backend_progress.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "index/parallel_build.h"

enum
{
	KEY_STATE = 1,
	KEY_SHARED,
	KEY_SCAN,
	KEY_QUERY,
	KEY_WAL_USAGE,
	KEY_BUFFER_USAGE
};

/* Milliseconds between two reports while the leader waits. */
#define REPORT_INTERVAL_MS 200

/* How the participants wait for each other, and what they add up. */
struct ParallelBuildState
{
	Oid	 heap_oid;
	Oid	 index_oid;
	bool concurrent;
	int	 participants;

	slock_t			  mutex; /* for all below */
	ConditionVariable changed;
	uint32			  tasks_started;
	int				  task;	  /* the last one started */
	bool			  closed; /* nobody is to begin it any more */
	int				  workers_begun;
	int				  workers_done;
	double			  heap_rows;
	bool			  broken_hot_chain;
};

int
parallel_build_workers(Relation heap, Relation index, IndexInfo *index_info)
{
	if (PLANNER_SETS_BUILD_WORKERS)
		return index_info->ii_ParallelWorkers;
	return plan_create_index_workers(RelationGetRelid(heap),
									 RelationGetRelid(index));
}

/* Leave what parallel_build_begin entered. */
static void
leave_parallel_mode(ParallelBuild *build)
{
	if (IsMVCCSnapshot(build->snapshot))
		UnregisterSnapshot(build->snapshot);
	DestroyParallelContext(build->context);
	ExitParallelMode();
}

ParallelBuild *
parallel_build_begin(Relation heap, Relation index, IndexInfo *index_info,
					 const char *worker_main, int workers, Size shared_bytes)
{
	ParallelBuild		 *build = palloc0(sizeof(ParallelBuild));
	ParallelBuildState	 *state;
	ParallelContext		 *context;
	ParallelTableScanDesc scan;
	Size				  scan_bytes;
	Size				  query_bytes = debug_query_string == NULL
											? 0
											: strlen(debug_query_string) + 1;

	Assert(workers > 0);
	EnterParallelMode();
	context = CreateParallelContext("vector", worker_main, workers);
	build->context = context;
	build->heap = heap;
	build->index = index;
	build->index_info = index_info;

	/* a plain build indexes all rows that may be seen by anybody */
	build->snapshot = index_info->ii_Concurrent
						  ? RegisterSnapshot(GetTransactionSnapshot())
						  : SnapshotAny;
	scan_bytes = table_parallelscan_estimate(heap, build->snapshot);

	shm_toc_estimate_chunk(&context->estimator, sizeof(ParallelBuildState));
	shm_toc_estimate_chunk(&context->estimator, shared_bytes);
	shm_toc_estimate_chunk(&context->estimator, scan_bytes);
	shm_toc_estimate_chunk(&context->estimator,
						   mul_size(sizeof(WalUsage), workers));
	shm_toc_estimate_chunk(&context->estimator,
						   mul_size(sizeof(BufferUsage), workers));
	shm_toc_estimate_keys(&context->estimator, 5);
	if (query_bytes > 0)
	{
		shm_toc_estimate_chunk(&context->estimator, query_bytes);
		shm_toc_estimate_keys(&context->estimator, 1);
	}
	InitializeParallelDSM(context);
	if (context->seg == NULL)
	{
		leave_parallel_mode(build);
		pfree(build);
		return NULL;
	}

	build->toc = context->toc;
	state = shm_toc_allocate(context->toc, sizeof(ParallelBuildState));
	memset(state, 0, sizeof(ParallelBuildState));
	state->heap_oid = RelationGetRelid(heap);
	state->index_oid = RelationGetRelid(index);
	state->concurrent = index_info->ii_Concurrent;
	SpinLockInit(&state->mutex);
	ConditionVariableInit(&state->changed);
	shm_toc_insert(context->toc, KEY_STATE, state);
	build->state = state;

	build->shared = shm_toc_allocate(context->toc, shared_bytes);
	memset(build->shared, 0, shared_bytes);
	shm_toc_insert(context->toc, KEY_SHARED, build->shared);

	scan = shm_toc_allocate(context->toc, scan_bytes);
	table_parallelscan_initialize(heap, scan, build->snapshot);
	shm_toc_insert(context->toc, KEY_SCAN, scan);

	shm_toc_insert(context->toc, KEY_WAL_USAGE,
				   shm_toc_allocate(context->toc, sizeof(WalUsage) * workers));
	shm_toc_insert(context->toc, KEY_BUFFER_USAGE,
				   shm_toc_allocate(context->toc,
									sizeof(BufferUsage) * workers));
	if (query_bytes > 0)
	{
		char *query = shm_toc_allocate(context->toc, query_bytes);

		memcpy(query, debug_query_string, query_bytes);
		shm_toc_insert(context->toc, KEY_QUERY, query);
	}
	return build;
}

bool
parallel_build_launch(ParallelBuild *build)
{
	LaunchParallelWorkers(build->context);
	if (build->context->nworkers_launched == 0)
		return false;

	/*
	 * Each task waits for all workers, so one that never comes must be an
	 * error here.
	 */
	build->participants = build->context->nworkers_launched + 1;
	build->state->participants = build->participants;
	WaitForParallelWorkersToAttach(build->context);
	return true;
}

void
parallel_build_start_task(ParallelBuild *build, int task)
{
	ParallelBuildState *state = build->state;

	SpinLockAcquire(&state->mutex);
	state->task = task;
	state->closed = false;
	state->workers_begun = 0;
	state->workers_done = 0;
	state->tasks_started++;
	SpinLockRelease(&state->mutex);
	ConditionVariableBroadcast(&state->changed);
}

/* Wait for all workers, or those that have begun by now. */
static void
wait_for_workers(ParallelBuild *build, bool all, void (*report)(void *),
				 void *report_state)
{
	ParallelBuildState *state = build->state;

	ConditionVariablePrepareToSleep(&state->changed);
	for (;;)
	{
		bool done;

		SpinLockAcquire(&state->mutex);
		state->closed = !all;
		done = state->workers_done ==
			   (all ? build->participants - 1 : state->workers_begun);
		SpinLockRelease(&state->mutex);
		if (done)
			break;
		/* looks for interrupts, among them errors of workers */
		(void)
			ConditionVariableTimedSleep(&state->changed, REPORT_INTERVAL_MS,
										WAIT_EVENT_PARALLEL_CREATE_INDEX_SCAN);
		if (report != NULL)
			report(report_state);
	}
	ConditionVariableCancelSleep();

	if (state->broken_hot_chain)
		build->index_info->ii_BrokenHotChain = true;
}

void
parallel_build_finish_task(ParallelBuild *build, void (*report)(void *),
						   void			 *report_state)
{
	wait_for_workers(build, true, report, report_state);
}

void
parallel_build_close_task(ParallelBuild *build, void (*report)(void *),
						  void			*report_state)
{
	wait_for_workers(build, false, report, report_state);
}

void
parallel_build_dismiss(ParallelBuild *build)
{
	parallel_build_start_task(build, PARALLEL_BUILD_QUIT);
	build->dismissed = true;
}

void
parallel_build_end(ParallelBuild *build)
{
	ParallelContext *context = build->context;
	WalUsage		*wal_usage;
	BufferUsage		*buffer_usage;

	if (context->nworkers_launched > 0)
	{
		if (!build->dismissed)
			parallel_build_dismiss(build);
		WaitForParallelWorkersToFinish(context);

		wal_usage = shm_toc_lookup(context->toc, KEY_WAL_USAGE, false);
		buffer_usage = shm_toc_lookup(context->toc, KEY_BUFFER_USAGE, false);
		for (int i = 0; i < context->nworkers_launched; i++)
			InstrAccumParallelQuery(&buffer_usage[i], &wal_usage[i]);
	}
	leave_parallel_mode(build);
	pfree(build);
}

ParallelBuild *
parallel_build_attach(dsm_segment *segment, shm_toc *toc)
{
	ParallelBuild	   *build = palloc0(sizeof(ParallelBuild));
	ParallelBuildState *state = shm_toc_lookup(toc, KEY_STATE, false);

	debug_query_string = shm_toc_lookup(toc, KEY_QUERY, true);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);

	build->state = state;
	build->shared = shm_toc_lookup(toc, KEY_SHARED, false);
	build->heap = table_open(state->heap_oid, state->concurrent
												  ? ShareUpdateExclusiveLock
												  : ShareLock);
	build->index = index_open(state->index_oid, state->concurrent
													? RowExclusiveLock
													: AccessExclusiveLock);
	build->index_info = BuildIndexInfo(build->index);
	build->index_info->ii_Concurrent = state->concurrent;
	build->toc = toc;
	InstrStartParallelQuery();
	return build;
}

int
parallel_build_next_task(ParallelBuild *build)
{
	ParallelBuildState *state = build->state;
	bool				done = build->task_in_hand;
	int					task = PARALLEL_BUILD_QUIT;

	SpinLockAcquire(&state->mutex);
	if (done)
		state->workers_done++;
	SpinLockRelease(&state->mutex);
	if (done)
		ConditionVariableBroadcast(&state->changed);

	ConditionVariablePrepareToSleep(&state->changed);
	for (;;)
	{
		bool started;

		SpinLockAcquire(&state->mutex);
		started = state->tasks_started != build->tasks_seen && !state->closed;
		if (started)
		{
			state->workers_begun++;
			build->tasks_seen = state->tasks_started;
			task = state->task;
		}
		SpinLockRelease(&state->mutex);
		if (started)
			break;
		ConditionVariableSleep(&state->changed,
							   WAIT_EVENT_PARALLEL_CREATE_INDEX_SCAN);
	}
	ConditionVariableCancelSleep();
	build->participants = state->participants;
	build->task_in_hand = true;
	return task;
}

void
parallel_build_detach(ParallelBuild *build)
{
	ParallelBuildState *state = build->state;
	WalUsage	*wal_usage = shm_toc_lookup(build->toc, KEY_WAL_USAGE, false);
	BufferUsage *buffer_usage = shm_toc_lookup(build->toc, KEY_BUFFER_USAGE,
											   false);

	InstrEndParallelQuery(&buffer_usage[ParallelWorkerNumber],
						  &wal_usage[ParallelWorkerNumber]);
	index_close(build->index,
				state->concurrent ? RowExclusiveLock : AccessExclusiveLock);
	table_close(build->heap,
				state->concurrent ? ShareUpdateExclusiveLock : ShareLock);
}

void
parallel_build_scan(ParallelBuild *build, IndexBuildCallback callback,
					void *state)
{
	ParallelTableScanDesc parallel_scan = shm_toc_lookup(build->toc, KEY_SCAN,
														 false);
	TableScanDesc		  scan;
	double				  heap_rows;

	scan = table_beginscan_parallel(build->heap, parallel_scan);
	heap_rows = table_index_build_scan(build->heap, build->index,
									   build->index_info, true,
									   build->context != NULL, callback, state,
									   scan);

	SpinLockAcquire(&build->state->mutex);
	build->state->heap_rows += heap_rows;
	if (build->index_info->ii_BrokenHotChain)
		build->state->broken_hot_chain = true;
	SpinLockRelease(&build->state->mutex);
}

double
parallel_build_heap_rows(const ParallelBuild *build)
{
	return build->state->heap_rows;
}

void
build_start_phase(int64 phase, int64 total)
{
	const int	columns[] = {PROGRESS_CREATEIDX_SUBPHASE,
							 PROGRESS_CREATEIDX_TUPLES_TOTAL,
							 PROGRESS_CREATEIDX_TUPLES_DONE};
	const int64 values[] = {phase, total, 0};

	pgstat_progress_update_multi_param(lengthof(columns), columns, values);
}
