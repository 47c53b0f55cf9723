/*
 * hnsw_build.h
 *		What the parts of CREATE INDEX share: the graph in memory as a whole
 *		(hnsw_build.c), or in parts that are merged (hnsw_parts.c).
 */
#ifndef HNSW_BUILD_H
#define HNSW_BUILD_H

#include "storage/buffile.h"
#include "storage/sharedfileset.h"

#include "hnsw/hnsw_graph.h"
#include "index/parallel_build.h"

typedef enum HnswLoadState
{
	HNSW_LOAD_FITS = 0,
	HNSW_LOAD_FULL,		/* maintenance_work_mem does not hold all rows */
	HNSW_LOAD_NO_MEMORY /* there is less shared memory than that */
} HnswLoadState;

/* What the processes of a build share. */
typedef struct HnswBuildShared
{
	int				 participants; /* at most */
	Size			 memory_limit;
	pg_atomic_uint32 load_state;
	pg_atomic_uint64 num_rows;	/* rows indexed */
	uint32			 num_items; /* of the task */
	pg_atomic_uint32 next_item; /* not yet given to a process */
	pg_atomic_uint64 done;		/* for the progress report */
	uint32			 graph_m;
	Size			 graph_memory;
	HnswGraphShared	 graph;
	SharedFileSet	 files;			/* rows that memory does not hold */
	pg_atomic_uint64 spilled_bytes; /* of their codes */
} HnswBuildShared;

/* A build as one process sees it. */
typedef struct HnswBuild
{
	MemoryContext	 context;
	Relation		 heap;
	IndexInfo		*index_info;
	HnswIndex		*index;
	ParallelBuild	*team; /* NULL: this process is alone */
	HnswBuildShared *shared;
	bool			 is_leader;
	HnswCoder		 link_coder; /* init_coder */
	HnswCoder		*coder;		 /* of codes in the graph */
	uint32			 link_bytes; /* of each, before the code for pages */
	HnswGraph		 graph;
	HnswGraphWorker	 worker;
	BufFile			*spill;		  /* rows that the graph has no room for */
	MemoryContext	 row_context; /* reset for each row */
	double			 heap_rows;
	double			 num_rows; /* indexed */
} HnswBuild;

/* Phases after PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE, which is 1. */
#define HNSW_PHASE_LOAD	  2
#define HNSW_PHASE_LINK	  3
#define HNSW_PHASE_WRITE  4
#define HNSW_PHASE_DIVIDE 5

/*
 * Begin a phase of so many elements, rows or pages; count what is done of it.
 */
extern void hnsw_build_start_phase(HnswBuild *build, int phase, int64 total);
extern void hnsw_build_count_done(HnswBuild *build, uint32 count);

/*
 * Start a graph with lists of 2m edges on level 0.  False if there is no
 * memory.
 */
extern bool hnsw_build_start_graph(HnswBuild *build, uint32 m,
								   Size memory_limit, double expected_rows);

/* What pages get of a code of the graph. */
static inline const HnswCode *
hnsw_build_page_code(const HnswBuild *build, const HnswCode *code)
{
	return (const HnswCode *) ((const char *) code + build->link_bytes);
}

/* Link all elements of the graph, which has some.  False if no memory. */
extern bool hnsw_build_link_graph(HnswBuild *build);

/*
 * Find neighbours for the first `count` guests of the graph, which have codes
 * (hnsw_graph_set_guest).
 */
extern void hnsw_build_link_guests(HnswBuild *build, uint32 count);

/* Let go of the graph, in all processes. */
extern void hnsw_build_free_graph(HnswBuild *build);

/* Add a page to the file, which must become `block`; locked exclusively. */
extern Buffer hnsw_build_add_page(HnswBuild *build, BlockNumber block);

/* The same for a page with slots, which is initialised. */
extern Buffer hnsw_build_add_array_page(HnswBuild *build, BlockNumber block,
										HnswPageKind kind);

/* What an index is made of. */
typedef struct HnswCounts
{
	uint32 elements;
	uint32 rows;   /* further ones of elements */
	uint64 chunks; /* of codes that do not fit into their slots */
} HnswCounts;

/* Its one extent. */
extern HnswExtent hnsw_build_extent(const HnswBuild	 *build,
									const HnswCounts *counts);

/*
 * Write the pages of codes, then those of refinements, then the chunks.  The code
 * of an element is asked for by ascending numbers in each, of some twice.
 */
typedef const HnswCode *(*HnswCodeByNumber)(void *state, HnswElement number);

extern void hnsw_build_write_codes(HnswBuild			  *build,
								   const HnswExtentLayout *layout,
								   uint32				   num_elements,
								   HnswCodeByNumber code_of, void *state);
extern void hnsw_build_write_refinements(HnswBuild				*build,
										 const HnswExtentLayout *layout,
										 uint32					 num_elements,
										 HnswCodeByNumber		 code_of,
										 void					*state);
extern void hnsw_build_write_chunks(HnswBuild			   *build,
									const HnswExtentLayout *layout,
									uint32					num_elements,
									HnswCodeByNumber code_of, void *state);

/* The metapage, last of all. */
extern void hnsw_build_write_metapage(HnswBuild		   *build,
									  const HnswExtent *extent,
									  const HnswCounts *counts,
									  HnswEntryPoint	entry);

/* hnsw_parts.c: a row that the graph has no room for. */
extern void hnsw_parts_spill(HnswBuild *build, const HnswCode *code,
							 uint32 code_bytes, uint64 hash, ItemPointer tid);

/* No more of them in this process. */
extern void hnsw_parts_finish_spill(HnswBuild *build);

/*
 * Build and write the index from the rows in the graph, which is freed, and
 * those that were spilled.  False if there is no memory.
 */
extern bool hnsw_parts_build(HnswBuild *build);

#endif /* HNSW_BUILD_H */
