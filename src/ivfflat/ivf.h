/*
 * ivf.h
 *		What the parts of the ivfflat access method share.
 *
 * README has the rules for locks, WAL and rewriting of lists that the comments
 * here cite by number.
 */
#ifndef IVF_H
#define IVF_H

#include "access/amapi.h"
#include "access/genam.h"
#include "nodes/execnodes.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "base/compat.h"
#include "index/coder.h"
#include "index/page_edit.h"
#include "index/parallel_build.h"
#include "index/row_reservoir.h"
#include "ivfflat/ivf_code.h"
#include "ivfflat/ivf_format.h"
#include "ivfflat/ivf_kmeans.h"

/* The option "lists"; the range is that of pgvector. */
#define IVF_MIN_LISTS 1

typedef struct IvfOptions
{
	int32 vl_len_;
	int	  lists; /* 0: not given */
	int	  code_bits;
} IvfOptions;

#define IVF_DEFAULT_CODE_BITS 8

/* ivf_options.c */
extern void	  ivf_options_init(void);
extern bytea *ivf_reloptions(Datum reloptions, bool validate);
extern int	  ivf_option_lists(Relation index);
extern uint32 ivf_option_code_bits(Relation				index,
								   const VectorOpclass *opclass);

/*
 * The number of lists for so many rows: the option, or from the rows if it is
 * 0.
 */
extern uint32 ivf_lists_for_rows(uint32 lists_option, double rows);

/* ------------------------------------------------------------------------
 * ivf_page.c: the metapage, opening an index, checking pages.
 * ------------------------------------------------------------------------
 */

/*
 * An index opened for work.  Lives in one memory context, holds no locks and
 * no pins.
 */
typedef struct IvfIndex
{
	Relation	rel;
	uint32		dimensions;
	uint32		lists_option;
	uint64		seed;
	IvfGeometry geometry;
	IvfCoder	coder;
	uint32		num_segments; /* in the file; may be more by now */
	bool		building;	  /* ambuild: pages are logged at the end */
} IvfIndex;

/* The parts of the metapage that change. */
typedef struct IvfState
{
	uint32	  num_lists;
	uint32	  epoch;
	uint32	  num_segments;
	uint32	  fresh_segment;
	uint32	  used_segments;
	uint32	  num_directory;
	IvfTuning tuning;
	uint32	  directory[IVF_MAX_DIRECTORY];
} IvfState;

extern IvfIndex *ivf_open(Relation rel);
extern void		 ivf_forget_cache(Relation rel);

/*
 * What the cache keeps for inserts (ivf_directory.c): NULL if there is nothing,
 * until it is given room, of which the contents are the caller's to fill.  It is
 * there until the next look at the system caches, which may forget it.
 */
extern void *ivf_cached_extra(Relation rel);
extern void *ivf_cache_extra(Relation rel, Size bytes);

/* Is it an index of pgvector, which ivf_open refuses?  See index/foreign.h. */
extern bool ivf_made_by_pgvector(Relation rel);

/* Read what changes; and whether it has changed since, from the epoch alone. */
extern void	  ivf_read_state(IvfIndex *index, IvfState *state);
extern uint32 ivf_read_epoch(IvfIndex *index);

/* The first of the free segments, or IVF_NONE. */
extern uint32 ivf_read_free_head(IvfIndex *index);

/* Raise ERRCODE_INDEX_CORRUPTED. */
pg_noreturn extern void ivf_report_bad_page(Relation rel, BlockNumber block,
											const char *detail);

/* The same for a list whose segments do not fit together. */
pg_noreturn extern void ivf_report_broken_list(Relation rel, uint32 list);

/* Raise it unless the file has all segments. */
extern void ivf_check_size(Relation rel, const IvfGeometry *geometry,
						   uint32 num_segments);

/* Raise it unless the page, locked, is of that kind. */
extern void ivf_check_page(Relation rel, Buffer buffer, IvfPageKind kind);

/* Initialise a page in memory, contents zero. */
extern void ivf_init_page(Page page, IvfPageKind kind, uint32 version);

/* The same for the first page of a segment. */
extern void ivf_init_segment(const IvfGeometry *geometry, Page page,
							 IvfSegmentState state, uint32 list,
							 uint32 version);

/*
 * Raise it unless the page is the first one of a segment and what it says of
 * itself is possible.
 */
extern void ivf_check_segment(IvfIndex *index, Buffer buffer);

/* Number of a segment's list in the directory: raise it if there is none. */
typedef struct IvfPlace
{
	BlockNumber block;
	uint32		offset; /* of the list in the page's contents */
} IvfPlace;

extern IvfPlace ivf_list_place(IvfIndex *index, const IvfState *state,
							   uint32 list);

/* Create the metapage of a new index in a fork, logged if needed. */
extern void ivf_create_metapage(Relation rel, ForkNumber fork,
								uint32				 dimensions,
								const VectorOpclass *opclass, uint64 seed,
								CodeEncoding encoding);

/*
 * Change the encoding, and the size of segments for lists that usually have so
 * many entries (0: not known): of an index that is being built and still empty.
 */
extern void ivf_set_encoding(IvfIndex *index, CodeEncoding encoding,
							 double usual_entries);

/* ------------------------------------------------------------------------
 * ivf_lists.c: the directory of lists.
 * ------------------------------------------------------------------------
 */

/* A list as the directory had it, and how far it is from a query. */
typedef struct IvfListRef
{
	float  distance;
	uint32 list;
	uint32 head;
	uint32 version;
} IvfListRef;

typedef struct IvfRanking
{
	IvfListRef *lists;	   /* a heap, the nearest first */
	uint32		num_lists; /* left in it */
	IvfState	state;
} IvfRanking;

/*
 * Visit all lists of the directory, its pages locked in share mode one at a
 * time.
 */
typedef void (*IvfListVisitor)(void *arg, const IvfListRef *ref,
							   const VectorCode *centroid);

extern void ivf_visit_lists(IvfIndex *index, const IvfState *state,
							IvfListVisitor visit, void *arg);

/* All lists with their distances, as of one epoch; memory is the caller's. */
extern void ivf_rank_lists(IvfIndex *index, const IvfListQuery *query,
						   IvfRanking *ranking);

/* Take the nearest one; there must be one. */
extern IvfListRef ivf_next_list(IvfRanking *ranking);

/*
 * A list by its number; and its centroid (room for a code), and all else that
 * the directory has of it, unless NULL.
 */
extern IvfListRef ivf_read_list(IvfIndex *index, uint32 list,
								VectorCode *centroid, IvfList *header);

/* The same for who knows the state. */
extern IvfListRef ivf_read_known_list(IvfIndex *index, const IvfState *state,
									  uint32 list, VectorCode *centroid,
									  IvfList *header);

/*
 * Add lists to the directory, without entries.  Nobody else may add any: this
 * is a build, or the structure lock is held.
 */
extern void ivf_add_lists(IvfIndex *index, const char *centroids,
						  uint32 count);

/* Make room in the directory for more lists, under the same condition. */
extern void ivf_reserve_lists(IvfIndex *index, uint32 more);

/*
 * Write a list into the image of its page of the directory.  num_lists: of the
 * index, from now on.
 */
extern void ivf_set_list(IvfIndex *index, Page image, const IvfPlace *place,
						 const IvfListRef *ref, uint32 written_entries,
						 uint32 num_lists, const VectorCode *centroid);

/* Note whether entries are being copied from a list to others. */
extern void ivf_set_moving(IvfIndex *index, uint32 list, bool moving);

/*
 * Versions never used before; returns the first one, or 0 if the index has used
 * up all that there are.
 */
extern uint32 ivf_take_versions(IvfIndex *index, uint32 count);

/* ------------------------------------------------------------------------
 * ivf_directory.c: a backend's copy of the directory, for inserts.
 * ------------------------------------------------------------------------
 */

/*
 * The list nearest to a point, or one about as near, with its centroid (room
 * for a code).  False if there is no list.  Its version was current a moment
 * ago, its head may be one that it had before.  Leaves memory behind.
 */
extern bool ivf_nearest_list(IvfIndex *index, const char *point,
							 IvfListRef *nearest, VectorCode *centroid);

/* A list has another head than ivf_nearest_list said. */
extern void ivf_note_head(IvfIndex *index, const IvfListRef *list);

/* ------------------------------------------------------------------------
 * ivf_segment.c: segments, their allocation, and entries in them.
 * ------------------------------------------------------------------------
 */

/* An entry: a row on its way into or out of a segment. */
typedef struct IvfEntry
{
	ItemPointerData	  tid;
	const VectorCode *code;
	const char		 *point; /* only if there are coarse codes */
	float			  loss;	 /* how far the point may be from the vector */
} IvfEntry;

/*
 * Take a segment out of those that are free, or add some to the file.  It
 * becomes an open one of that list and version, with `next` behind it; or one
 * of the directory.  Nothing leads to it yet.
 */
extern uint32 ivf_new_segment(IvfIndex *index, uint32 list, uint32 version,
							  uint32 next, uint32 depth);
extern uint32 ivf_new_directory_segment(IvfIndex *index);

/*
 * Put a new segment in front of a list, if its head and version still are the
 * expected ones.  depth: of the new segment.  Anyway *list gets the head and the
 * version that it has now.
 */
extern bool ivf_extend_list(IvfIndex *index, IvfListRef *list, uint32 depth);

/* Let a segment take no more entries. */
extern void ivf_close_segment(IvfIndex *index, uint32 number);

/* Give a segment back, or all of a chain that belong to that version. */
extern void ivf_free_segment(IvfIndex *index, uint32 number);
extern void ivf_free_chain(IvfIndex *index, uint32 head, uint32 list,
						   uint32 version);

/* Pin, lock and check the first page of a segment. */
extern Buffer ivf_lock_segment(IvfIndex *index, uint32 number, int mode);

/* The same for reading many of them, locked in share mode. */
extern Buffer ivf_read_segment(IvfIndex *index, uint32 number,
							   BufferAccessStrategy strategy);

typedef enum IvfAppendResult
{
	IVF_APPENDED,	   /* as many as there was room for, maybe none */
	IVF_APPEND_CLOSED, /* none, the list is being rewritten */
	IVF_APPEND_STALE   /* none, the segment is not the list's any more */
} IvfAppendResult;

/*
 * Append entries to the segment list->head, which must belong to that list and
 * version; centroid is the list's, as a point.  *done says how many, *depth
 * how many segments the list has.
 */
extern IvfAppendResult ivf_append(IvfIndex *index, const IvfListRef *list,
								  const char	 *centroid,
								  const IvfEntry *entries, uint32 count,
								  uint32 *done, uint32 *depth);

/*
 * Append all of them, in new segments if there is no room; *list gets another
 * head then.  Its version must not change meanwhile.
 */
extern void ivf_append_all(IvfIndex *index, IvfListRef *list,
						   const char *centroid, const IvfEntry *entries,
						   uint32 count);

/*
 * Clear entries of a segment whose rows are gone: some of its TIDs, in their
 * order there.
 */
extern void ivf_clear_entries(IvfIndex *index, uint32 number,
							  const ItemPointerData *tids, uint32 count);

/* The contents of a segment, without coarse codes. */
typedef struct IvfSegmentCopy
{
	uint32			 version;
	uint32			 next;
	uint32			 depth;
	uint32			 count;
	uint32			 dead;
	ItemPointerData *tids;	/* room for a segment */
	char			*codes; /* the same */
} IvfSegmentCopy;

extern void ivf_init_copy(IvfIndex *index, IvfSegmentCopy *copy);

/* False if the segment does not belong to that list and version. */
extern bool ivf_copy_segment(IvfIndex *index, uint32 number, uint32 list,
							 uint32 version, IvfSegmentCopy *copy);

/*
 * Copy a block of coarse codes, or a fine code.  The block must be of that
 * version, or else false is returned.
 */
extern bool ivf_copy_block(IvfIndex *index, uint32 number, uint32 version,
						   uint32 block, char *copy);
extern void ivf_read_code(IvfIndex *index, uint32 number, uint32 entry,
						  VectorCode *code);

static inline const VectorCode *
ivf_copied_code(const IvfIndex *index, const IvfSegmentCopy *copy,
				uint32 entry)
{
	return (const VectorCode *) (copy->codes +
								 (Size) entry * index->geometry.code_bytes);
}

/* ------------------------------------------------------------------------
 * ivf_rewrite.c: lists written anew: splits, compaction.
 * ------------------------------------------------------------------------
 */

/*
 * The structure lock (rule L3): whoever moves entries holds it exclusively,
 * whoever must not miss any holds it shared.
 */
extern void ivf_lock_structure(IvfIndex *index, LOCKMODE mode);
extern bool ivf_try_lock_structure(IvfIndex *index, LOCKMODE mode);
extern void ivf_unlock_structure(IvfIndex *index, LOCKMODE mode);

/* Has a list of so many segments grown too long? */
extern bool ivf_list_is_long(IvfIndex *index, const IvfState *state,
							 uint32 depth);

/*
 * Write a list anew without its dead entries; or split it in two, and return
 * false if its entries cannot be told apart.  The caller holds the structure
 * lock exclusively.
 */
extern bool ivf_rewrite_list(IvfIndex *index, uint32 list, bool split);

/* ------------------------------------------------------------------------
 * The rest, by file.
 * ------------------------------------------------------------------------
 */

/* ivf_train.c */

/* Tasks of the workers of a build. */
#define IVF_TASK_ENCODE 1
#define IVF_TASK_TRAIN	2
#define IVF_TASK_LOAD	3
#define IVF_TASK_TUNE	4

extern IvfPointKind ivf_point_kind(const IvfCoder *coder);

/* What the participants of a build share when they train together. */
typedef struct IvfTrainShared
{
	dsm_handle		 segment; /* the points, and k-means' memory behind them */
	Size			 kmeans_offset;
	dsm_handle		 sample; /* what the points are made of */
	uint32			 items;	 /* of the current step */
	uint32			 piece;	 /* taken at once */
	pg_atomic_uint32 next_item;
} IvfTrainShared;

typedef struct IvfTrainer
{
	IvfIndex	   *index;
	IvfKmeansParams params;
	ParallelBuild  *team; /* NULL: alone */
	IvfTrainShared *shared;
	dsm_segment	   *segment; /* NULL: memory is private */
	char		   *points;	 /* the caller's to fill: point_bytes each */
	void		   *kmeans_memory;
} IvfTrainer;

/*
 * Get memory to train with.  team: that of a build, whose workers then must be
 * ready for IVF_TASK_TRAIN, or NULL.  shared: NULL if this is no build.  Without
 * shared memory the team is not used.
 */
extern void ivf_trainer_init(IvfTrainer *trainer, IvfIndex *index,
							 uint32 max_points, uint32 max_lists,
							 ParallelBuild *team, IvfTrainShared *shared);

/*
 * Centroids for `count` points, at least one.  Returns how many there are, at
 * most `lists` and less if there are not as many different points; their
 * codes, an array of code_bytes each, go to `centroids`.
 */
extern uint32 ivf_trainer_run(IvfTrainer *trainer, uint32 count, uint32 lists,
							  char *centroids);
extern void	  ivf_trainer_end(IvfTrainer *trainer);

/*
 * A worker's side: IVF_TASK_TRAIN, once or more often; and after the last one.
 * The helper is zero at first.
 */
typedef struct IvfTrainHelper
{
	dsm_segment *segment;
	IvfKmeans	*kmeans;
} IvfTrainHelper;

extern char *ivf_train_points(IvfTrainHelper	   *helper,
							  const IvfTrainShared *shared);
extern void	 ivf_train_help(IvfTrainHelper *helper, IvfTrainShared *shared);
extern void	 ivf_train_help_end(IvfTrainHelper *helper);

/* ivf_sample.c */

/* A sample of the rows of a table, as the leader has it. */
typedef struct IvfSample
{
	IvfIndex		*index;
	MemoryContext	 context;
	struct varlena **values; /* as in the table */
	RowReservoir	 reservoir;
	double			 rows; /* about as many are to be indexed */
} IvfSample;

extern void ivf_sample_take(IvfSample *sample, IvfIndex *index, Relation heap,
							IndexInfo *index_info);

/* The encoding for values like these. */
extern CodeEncoding ivf_sample_encoding(const IvfSample *sample);

/*
 * Fill in the trainer's points, which has room for them, with its team; returns
 * how many there are.
 */
extern uint32 ivf_sample_points(IvfSample *sample, IvfTrainer *trainer);
extern void	  ivf_sample_end(IvfSample *sample);

/* A worker's side, IVF_TASK_ENCODE. */
extern void ivf_sample_help(IvfIndex *index, IvfTrainHelper *helper,
							IvfTrainShared *shared);

/* ivf_tune.c */

/* What the participants of a build share when they measure together. */
typedef struct IvfTuneShared
{
	dsm_handle		 segment; /* the searches */
	pg_atomic_uint32 next_search;
} IvfTuneShared;

/*
 * Measure how far scans must read, and note it in the metapage, unless little has
 * changed since that was done last.  entries: how many there are.  team: that of
 * a build, or NULL, and so is shared.
 */
extern void ivf_tune(IvfIndex *index, uint64 entries, ParallelBuild *team,
					 IvfTuneShared *shared);

/* A worker's side, IVF_TASK_TUNE. */
extern void ivf_tune_help(IvfIndex *index, IvfTuneShared *shared);

/*
 * How far that recall takes a scan: lists up to that gap, or if that has not
 * been measured yet, so many; and how many lists it is, on average.
 */
typedef struct IvfReach
{
	double gap;
	double probes;
	bool   measured;
} IvfReach;

/*
 * The recall is that of the ten nearest; who wants more rows is to have so many
 * entries read for each of them.
 */
#define IVF_ENTRIES_PER_ROW 8

extern IvfReach ivf_reach(const IvfState *state, double recall);

/* ivf_build.c */
extern IndexBuildResult *ivf_build(Relation heap, Relation index,
								   IndexInfo *index_info);
extern void				 ivf_build_empty(Relation index);
extern char				*ivf_build_phase_name(int64 phase);

/* ivf_insert.c */
extern bool ivf_insert(Relation index, Datum *values, bool *isnull,
					   ItemPointer heap_tid, Relation heap,
					   IndexUniqueCheck check_unique, bool index_unchanged,
					   IndexInfo *index_info);

/* ivf_vacuum.c */
extern IndexBulkDeleteResult *ivf_bulk_delete(IndexVacuumInfo		 *info,
											  IndexBulkDeleteResult	 *stats,
											  IndexBulkDeleteCallback callback,
											  void *callback_state);
extern IndexBulkDeleteResult *ivf_vacuum_cleanup(IndexVacuumInfo	   *info,
												 IndexBulkDeleteResult *stats);

/* ivf_scan.c */
extern IndexScanDesc ivf_begin_scan(Relation index, int nkeys, int norderbys);
extern void			 ivf_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
								ScanKey orderbys, int norderbys);
extern bool			 ivf_get_tuple(IndexScanDesc scan, ScanDirection dir);
extern void			 ivf_end_scan(IndexScanDesc scan);

/* ivf_cost.c */
extern void ivf_cost_estimate(struct PlannerInfo *root, struct IndexPath *path,
							  double loop_count, Cost *startup_cost,
							  Cost *total_cost, Selectivity *selectivity,
							  double *correlation, double *pages);

#endif /* IVF_H */
