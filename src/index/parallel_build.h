/*
 * parallel_build.h
 *		Building an index with a leader and workers.
 *
 * A build is a sequence of tasks.  The leader starts one, does its own part,
 * and waits until all workers have done theirs; between two tasks it works
 * alone, with all that is shared to itself.  What a task is, and how it is
 * divided, is up to the access method: this module starts the workers, gives
 * them the table, the index and the shared memory, and ends them.
 *
 * A worker that fails makes the leader fail, the next time it looks for
 * interrupts; a leader that fails takes its workers with it.
 */
#ifndef INDEX_PARALLEL_BUILD_H
#define INDEX_PARALLEL_BUILD_H

#include "access/genam.h"
#include "access/parallel.h"
#include "access/tableam.h"
#include "nodes/execnodes.h"

typedef struct ParallelBuildState ParallelBuildState;

typedef struct ParallelBuild
{
	Relation			heap;
	Relation			index;
	IndexInfo		   *index_info;
	int					participants; /* workers and the leader */
	void			   *shared;		  /* the access method's own */
	ParallelBuildState *state;
	shm_toc			   *toc;

	/* of a worker */
	uint32 tasks_seen;
	bool   task_in_hand;

	/* of the leader */
	ParallelContext *context;
	Snapshot		 snapshot;
	bool			 dismissed;
} ParallelBuild;

/* The task that ends a worker; those of access methods are above. */
#define PARALLEL_BUILD_QUIT 0

/* Number of workers that a build should have. */
extern int parallel_build_workers(Relation heap, Relation index,
								  IndexInfo *index_info);

/*
 * Prepare a build.  worker_main: name of a function of this library, as
 * CreateParallelContext wants it; shared_bytes: of the access method's shared
 * memory, zeroed, to be set up before the launch.  NULL if there is no shared
 * memory.
 */
extern ParallelBuild *parallel_build_begin(Relation heap, Relation index,
										   IndexInfo  *index_info,
										   const char *worker_main,
										   int workers, Size shared_bytes);

/* Start the workers.  False if none could be started: then end it. */
extern bool parallel_build_launch(ParallelBuild *build);

/*
 * The leader's side of a task.  report is called now and then while the leader
 * waits for the others, to report progress.
 */
extern void parallel_build_start_task(ParallelBuild *build, int task);
extern void parallel_build_finish_task(ParallelBuild *build,
									   void (*report)(void *), void *state);

/*
 * The same of a task whose work is all taken when the leader has done its part:
 * workers that have not begun it by now leave it out, and nobody waits for them
 * to wake up.
 */
extern void parallel_build_close_task(ParallelBuild *build,
									  void (*report)(void *), void *state);

/*
 * Tell the workers that there are no more tasks, so that they end while the
 * leader still has something to do.
 */
extern void parallel_build_dismiss(ParallelBuild *build);

/* End the workers, if there are any, and everything else. */
extern void parallel_build_end(ParallelBuild *build);

/*
 * A worker's side: begin, then one task after the other until it is
 * PARALLEL_BUILD_QUIT, and end.
 */
extern ParallelBuild *parallel_build_attach(dsm_segment *segment,
											shm_toc		*toc);
extern int			  parallel_build_next_task(ParallelBuild *build);
extern void			  parallel_build_detach(ParallelBuild *build);

/*
 * Scan the table, each participant a part of it, in one task.  After the task
 * parallel_build_heap_rows has the number of rows.
 */
extern void	  parallel_build_scan(ParallelBuild		*build,
								  IndexBuildCallback callback, void *state);
extern double parallel_build_heap_rows(const ParallelBuild *build);

/*
 * What pg_stat_progress_create_index shows of a build, with workers or without:
 * a phase, and how much there is to do in it.  Who looks never sees a phase with
 * the figures of the one before.
 */
extern void build_start_phase(int64 phase, int64 total);

#endif /* INDEX_PARALLEL_BUILD_H */
