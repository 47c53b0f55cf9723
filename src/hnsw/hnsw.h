/*
 * hnsw.h
 *		What the parts of the hnsw access method share.
 *
 * README has the rules for locks, WAL and vacuum that the comments here cite
 * by number.
 */
#ifndef HNSW_H
#define HNSW_H

#include "access/amapi.h"
#include "access/genam.h"
#include "nodes/execnodes.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "base/compat.h"
#include "hnsw/hnsw_code.h"
#include "hnsw/hnsw_format.h"
#include "index/opclass.h"
#include "index/page_edit.h"
#include "index/page_pin.h"

/* Index options and their ranges: those of pgvector. */
#define HNSW_DEFAULT_M				 16
#define HNSW_MIN_M					 2
#define HNSW_MAX_M					 100
#define HNSW_DEFAULT_EF_CONSTRUCTION 64
#define HNSW_MIN_EF_CONSTRUCTION	 4
#define HNSW_MAX_EF_CONSTRUCTION	 1000

/* Our own. */
#define HNSW_DEFAULT_CODE_BITS 8

typedef struct HnswOptions
{
	int32 vl_len_;
	int	  m;
	int	  ef_construction;
	int	  code_bits;
	int	  rest_bits;
	bool  store_values;
	bool  inline_codes;
} HnswOptions;

/* hnsw_options.c */
extern void	  hnsw_options_init(void);
extern bytea *hnsw_reloptions(Datum reloptions, bool validate);
extern int	  hnsw_option_m(Relation index);
extern int	  hnsw_option_ef_construction(Relation index);

extern HnswCodeOptions hnsw_option_codes(Relation index);

/* ------------------------------------------------------------------------
 * hnsw_page.c: the metapage, the extent directory, places and reading.
 * ------------------------------------------------------------------------
 */

/* The directory: grows only, so an old copy is short but never wrong. */
typedef struct HnswDirectory
{
	uint32			 num_extents;
	HnswExtentLayout extents[FLEXIBLE_ARRAY_MEMBER];
} HnswDirectory;

/*
 * An index opened for work.  Lives in one memory context, holds no locks and
 * no pins.
 */
typedef struct HnswInlineCoder HnswInlineCoder;

typedef struct HnswIndex
{
	Relation	   rel;
	MemoryContext  context;
	uint32		   dimensions;
	uint32		   m;
	uint32		   ef_construction;
	uint64		   seed;
	HnswGeometry   geometry;
	HnswCoder	   coder;
	HnswDirectory *directory;
	bool		   lock_codes; /* in recovery: rule R2 */
	bool		   building;   /* ambuild: pages are logged at the end */

	HnswInlineCoder *inline_coder; /* hnsw_inline.c; NULL at first */
} HnswIndex;

typedef struct HnswEntryPoint
{
	HnswElement element; /* HNSW_NONE: the graph is empty */
	int			level;

	/* as the metapage has them: how often vacuum took ghosts out, and does now */
	uint32 removals;
	bool   removing;
} HnswEntryPoint;

extern HnswIndex *hnsw_open(Relation rel);

/* Is it an index of pgvector, which hnsw_open refuses?  See index/foreign.h. */
extern bool hnsw_made_by_pgvector(Relation rel);

/* Drop what the relcache keeps of the metapage: a build changes all of it. */
extern void hnsw_forget_cache(Relation rel);

/* Read the metapage: entry point, and the directory if it has grown. */
extern HnswEntryPoint hnsw_read_entry_point(HnswIndex *index);
extern void			  hnsw_refresh_directory(HnswIndex *index);

/* The extent of a number; ERRCODE_INDEX_CORRUPTED if there is none. */
extern const HnswExtentLayout *hnsw_find_extent(HnswIndex  *index,
												HnswElement number);

/*
 * The same for an element, and its place in the extent, from 0.  Most lie in the
 * extent that the build wrote.
 */
extern const HnswExtentLayout *hnsw_find_element_extent_slowly(
	HnswIndex *index, HnswElement element, uint32 *offset);

static inline const HnswExtentLayout *
hnsw_find_element_extent(HnswIndex *index, HnswElement element, uint32 *offset)
{
	const HnswDirectory *directory = index->directory;

	if (likely(directory->num_extents > 0 &&
			   element < directory->extents[0].elements))
	{
		Assert(directory->extents[0].first == 0);
		*offset = element;
		return &directory->extents[0];
	}
	return hnsw_find_element_extent_slowly(index, element, offset);
}

/* A slot of an array that begins at block `start`. */
static inline HnswPlace
hnsw_slot_place(BlockNumber start, uint32 slot, uint32 per_page)
{
	HnswPlace result;

	result.block = start + slot / per_page;
	result.slot = slot % per_page;
	return result;
}

/* Is the number one of an element, rather than of a further row? */
extern bool hnsw_is_element_number(HnswIndex *index, HnswElement number);

extern HnswPlace hnsw_entry_place(HnswIndex *index, HnswElement number);
extern HnswPlace hnsw_list_place(HnswIndex *index, HnswElement element,
								 int level);
extern int		 hnsw_level(HnswIndex *index, HnswElement element);

/* The slot of a code, unless slots go on from page to page. */
static inline HnswPlace
hnsw_code_place(HnswIndex *index, HnswElement element)
{
	uint32					offset;
	const HnswExtentLayout *extent = hnsw_find_element_extent(index, element,
															  &offset);

	return hnsw_slot_place(extent->codes, offset,
						   index->geometry.codes.per_page);
}

/* All numbers are below this one. */
static inline HnswElement
hnsw_end_number(const HnswIndex *index)
{
	const HnswDirectory *directory = index->directory;

	return directory->num_extents == 0
			   ? 0
			   : directory->extents[directory->num_extents - 1].end;
}

static inline uint32
hnsw_list_capacity(const HnswIndex *index, int level)
{
	return level == 0 ? 2 * index->m : index->m;
}

/* How the edges of a list are selected: README, "Neighbours". */
typedef struct HnswSelection
{
	int	  limit; /* edges at most */
	int	  fill;	 /* up to so many by their distances alone */
	float slack; /* how much nearer another neighbour must be */
} HnswSelection;

#define HNSW_UPPER_SLACK 0.05f

static inline HnswSelection
hnsw_list_selection(uint32 m, int level, int limit)
{
	HnswSelection selection = {limit, m, 0};

	if (level > 0)
	{
		selection.fill = 0;
		selection.slack = HNSW_UPPER_SLACK;
	}
	return selection;
}

/* Raise ERRCODE_INDEX_CORRUPTED: the chain of rows of an element. */
pg_noreturn extern void hnsw_report_broken_chain(const HnswIndex *index,
												 HnswElement	  element);

/* Pin a page; raise ERRCODE_INDEX_CORRUPTED unless it is of that kind. */
extern Buffer hnsw_pin_page(HnswIndex *index, BlockNumber block);
extern void	  hnsw_check_page(HnswIndex *index, Buffer buffer,
							  HnswPageKind kind);

/* Is it of that kind, and one of ours? */
static inline bool
hnsw_page_is(Buffer buffer, HnswPageKind kind)
{
	HnswPageHeader *header = HnswPageGetHeader(BufferGetPage(buffer));

	return header->page_id == HNSW_PAGE_ID && header->kind == kind;
}

/*
 * Copy a slot under a share lock.  hnsw_read_list needs room for the level's
 * capacity and returns the number of edges.
 */
extern HnswEntry hnsw_read_entry(HnswIndex *index, HnswElement number);
extern uint32 hnsw_read_list(HnswIndex *index, HnswElement element, int level,
							 uint32 *edges);

/*
 * Pin and lock a list in share mode and check it.  NULL, without a lock: it was
 * never written, as that of an element on an upper level that is being inserted.
 */
extern const HnswList *hnsw_lock_list(HnswIndex *index, HnswElement element,
									  int level, Buffer *buffer);

/* Create the metapage of a new index in a fork, logged if needed. */
extern void hnsw_create_metapage(Relation rel, ForkNumber fork,
								 uint32				  dimensions,
								 const VectorOpclass *opclass, uint64 seed,
								 HnswEncoding encoding);

/* ------------------------------------------------------------------------
 * hnsw_store.c: codes on pages.
 * ------------------------------------------------------------------------
 */

/*
 * Narrow codes in place: rule R2.  Between begin and end a caller may do what a
 * brief pin allows (index/page_pin.h): read codes and compute.  begin checks the
 * page.
 */
typedef struct HnswCodePage
{
	Buffer buffer;
	bool   brief; /* the pin */
} HnswCodePage;

/* Without a look-up and a read: InvalidBuffer if it takes these, or is damaged. */
static inline HnswCodePage
hnsw_begin_code_page_briefly(HnswIndex *index, BlockNumber block)
{
	HnswCodePage page = {InvalidBuffer, true};

	if (likely(!index->lock_codes))
		page.buffer = index_pin_briefly(index->rel, block);
	if (likely(BufferIsValid(page.buffer)) &&
		unlikely(!hnsw_page_is(page.buffer, HNSW_PAGE_CODES)))
	{
		/* to be reported by the other way, when an error does no harm */
		index_unpin_brief(page.buffer);
		page.buffer = InvalidBuffer;
	}
	return page;
}

/* Any page, for which nothing may be pinned briefly. */
extern HnswCodePage hnsw_begin_code_page(HnswIndex *index, BlockNumber block);
extern void			hnsw_end_code_page(HnswIndex *index, HnswCodePage page);

static inline const VectorCode *
hnsw_code_in_page(const HnswIndex *index, Buffer buffer, uint32 slot)
{
	return (
		const VectorCode *) HnswPageGetSlot(BufferGetPage(buffer), slot,
											index->geometry.codes.slot_bytes);
}

static inline bool
hnsw_codes_in_place(const HnswIndex *index)
{
	return index->geometry.codes.per_page > 0 &&
		   !hnsw_codes_vary(index->coder.encoding);
}

/* Where a code is put together; used again and again. */
typedef struct HnswCodeBuffer
{
	MemoryContext context;
	char		 *bytes; /* NULL at first */
	Size		  allocated;
} HnswCodeBuffer;

/*
 * Read a code of any form into a buffer.  NULL if the element has none any
 * more, which only scans can meet.
 */
extern const VectorCode *hnsw_load_code(HnswIndex *index, HnswElement element,
										HnswCodeBuffer *buffer);

/*
 * If the index has refinements: get that of an element into the CPU's caches, have
 * its page on its way (index_read_ahead), or read it.
 */
extern void hnsw_prefetch_refinement(HnswIndex *index, HnswElement element);
extern void hnsw_read_refinement_ahead(HnswIndex *index, HnswElement element);
extern const void *hnsw_load_refinement(HnswIndex *index, HnswElement element,
										HnswCodeBuffer *buffer);

/*
 * A palloc'd copy of what an element is linked by, that cannot be freed
 * meanwhile: for inserts and vacuum.  ERRCODE_INDEX_CORRUPTED if it is not well
 * formed.
 */
extern HnswCode *hnsw_copy_code(HnswIndex *index, HnswElement element);

/*
 * A code, or refinement, that is going to be stored, and of what parts.  If it is a
 * half, its bytes are good until the source of another code is made.
 */
typedef struct HnswCodeSource
{
	HnswElement element;
	const char *bytes;
	uint32		length;
	uint32		stamp;
	uint32		chunks; /* beyond the slot */
} HnswCodeSource;

struct HnswEdit;

extern const HnswPlace hnsw_no_place;

extern HnswCodeSource hnsw_code_source(const HnswIndex *index,
									   HnswElement		element,
									   const HnswCode  *code);
extern HnswCodeSource hnsw_refinement_source(const HnswIndex *index,
											 HnswElement	  element,
											 const HnswCode	 *code);

/* Fill the slot of a narrow or varying code, or the chunk `number`, from 0. */
extern void hnsw_fill_code_slot(const HnswIndex *index, char *slot,
								const HnswCodeSource *source,
								HnswPlace			  overflow);
extern void hnsw_fill_chunk(const HnswIndex *index, HnswChunk *chunk,
							const HnswCodeSource *source, uint32 number,
							HnswPlace next);

/*
 * Write what does not lie in one slot of one page, with records of its own: all
 * of a wide code, or the chunks of a varying one.  Returns the first chunk.
 */
extern HnswPlace hnsw_write_code_parts(HnswIndex			*index,
									   const HnswCodeSource *source);

/*
 * Does a refinement lie on one page?  Then it can be filled as a part of an edit,
 * which locks the page; otherwise it is written with records of its own.
 */
extern bool hnsw_refinement_in_one_page(HnswIndex *index, HnswElement element);
extern void hnsw_fill_refinement(struct HnswEdit	  *edit,
								 const HnswCodeSource *source);
extern void hnsw_write_refinement_parts(HnswIndex			 *index,
										const HnswCodeSource *source);

/* ------------------------------------------------------------------------
 * hnsw_edit.c: every change of pages, as WAL records.
 * ------------------------------------------------------------------------
 */
#define HNSW_EDIT_MAX_PAGES MAX_GENERIC_XLOG_PAGES

typedef struct HnswEdit
{
	HnswIndex *index;
	PageEdit   pages;
} HnswEdit;

extern void hnsw_edit_start(HnswEdit *edit, HnswIndex *index);

/*
 * Lock a page exclusively, in ascending block order within one edit (rule
 * L1), and return its number within the edit.  A page never written before is
 * allowed; reads through hnsw_edit_peek give NULL for it.
 */
extern int hnsw_edit_lock(HnswEdit *edit, BlockNumber block,
						  HnswPageKind kind);

/* The page as it is, for reading. */
extern Page hnsw_edit_peek(HnswEdit *edit, int page);

/* Its image for writing; initialises a page never written before. */
extern Page hnsw_edit_image(HnswEdit *edit, int page, HnswPageKind kind);

/* Write everything as one WAL record; or drop all changes.  Both unlock. */
extern void hnsw_edit_finish(HnswEdit *edit);
extern void hnsw_edit_abort(HnswEdit *edit);

/* Initialise a page in memory, slots zeroed. */
extern void hnsw_init_page(const HnswGeometry *geometry, Page page,
						   HnswPageKind kind);

/* ------------------------------------------------------------------------
 * hnsw_alloc.c: slots for new rows.
 * ------------------------------------------------------------------------
 */

/*
 * Write a new element: entry, code and level-0 list.  Returns its number.
 * Nothing points to it yet.
 */
extern HnswElement hnsw_add_element(HnswIndex *index, const HnswCode *code,
									uint64 hash, ItemPointer tid,
									const uint32 *edges, uint32 count);

typedef enum HnswAddRowResult
{
	HNSW_ROW_ADDED,
	HNSW_ROW_REFUSED /* the element is dying or another one by now */
} HnswAddRowResult;

/* Add a row to an element of equal value. */
extern HnswAddRowResult hnsw_add_row(HnswIndex *index, HnswElement element,
									 uint64 hash, ItemPointer tid);

/* The page that a supply gives out slots from, other than `full`. */
extern BlockNumber hnsw_insert_block(HnswIndex *index, HnswSupplyKind kind,
									 BlockNumber full);

/* Give a page back to its supply after slots became free. */
extern void hnsw_supply_page(HnswIndex *index, BlockNumber block,
							 HnswSupplyKind kind);

/* ------------------------------------------------------------------------
 * hnsw_search.c: best-first search.
 * ------------------------------------------------------------------------
 */
typedef struct HnswCandidate
{
	float  distance; /* estimate */
	float  error;	 /* bound on its error */
	uint32 element;	 /* top bit: expanded */
} HnswCandidate;

/*
 * In place of the error, while a search goes by inline codes: the distance is the
 * estimate of one; and nothing else is known of the element, which is not among
 * those that were visited.
 */
#define HNSW_ERROR_ESTIMATED   (-2.0f)
#define HNSW_ERROR_NOT_VISITED (-3.0f)

#define HNSW_EXPANDED			((uint32) 0x80000000)
#define HnswCandidateElement(c) ((HnswElement) ((c)->element & ~HNSW_EXPANDED))

/* A set of element numbers; slots without one are HNSW_NONE. */
typedef struct HnswVisited
{
	HnswElement *slots;
	uint32		 mask;	/* number of slots - 1, a power of two */
	uint32		 shift; /* from a 32-bit hash to a slot */
	uint32		 count;
} HnswVisited;

/* Candidates, the nearest first in the sense of a binary heap. */
typedef struct HnswHeap
{
	HnswCandidate *items;
	int			   count;
	int			   allocated;
} HnswHeap;

struct HnswLargeBeam;

/* Elements that are scored at a time: the neighbours of one at least. */
#define HNSW_MAX_HOP 256

/* Groups of pages among which their codes are sorted. */
#define HNSW_PAGE_GROUPS 256

typedef struct HnswTarget
{
	HnswElement element;
	HnswPlace	code;
} HnswTarget;

StaticAssertDecl(2 * HNSW_MAX_M <= HNSW_MAX_HOP,
				 "there is room for all neighbours of an element");

/*
 * A search on one level.  beam[0 .. beam_count) are the best candidates found,
 * nearest first, at most beam_limit; the others are in `rest`, which turns
 * into a heap when the beam is widened.
 */
typedef struct HnswSearch
{
	HnswIndex		*index;
	const HnswQuery *query;
	MemoryContext	 context;
	int				 level;
	HnswVisited		 visited;
	HnswVisited		 found_before; /* hnsw_search_anew; slots is NULL before */
	HnswCandidate	*beam;
	int				 beam_count;
	int				 beam_limit;
	int				 beam_allocated;
	int				 next; /* no candidate before this is unexpanded */
	HnswHeap		 rest;
	bool			 rest_is_heap;

	/* with inline codes: the query for them, and work space */
	struct RelativeQuery *inline_query;
	float				 *estimates;

	struct HnswLargeBeam *large; /* in place of the beam while it is changed */

	int64		   scored;		/* codes compared so far */
	float		   error_limit; /* bounds of errors are computed below this */
	uint32		  *edges;		/* work space */
	HnswElement	  *hop;
	HnswTarget	  *targets;					 /* of hop, in order of pages */
	HnswCandidate *scores;					 /* of targets */
	uint16		   groups[HNSW_PAGE_GROUPS]; /* all 0 in between */
	HnswCodeBuffer code;

	/* reading ahead: how many pages, 0 for none; where it is to go on in targets */
	int io_concurrency;
	int read_ahead_end;
} HnswSearch;

/* Memory comes from the current context; the query must outlive the search. */
extern void hnsw_search_init(HnswSearch *search, HnswIndex *index,
							 const HnswQuery *query);

/*
 * Go by inline codes on level 0 from now on, if the beam is not a large one: for
 * scans of an index that has them.
 */
extern void hnsw_search_use_inline_codes(HnswSearch *search);

/* Go on without, before a search is widened that is to go far, and in order. */
extern void hnsw_search_leave_inline_codes(HnswSearch *search);

/* Greedy walk from the entry point to the nearest element found on `level`. */
extern HnswCandidate hnsw_search_descend(HnswSearch	   *search,
										 HnswEntryPoint from, int level);

/* Search a level from candidates (not in the beam itself), with a beam of ef. */
extern void hnsw_search_level(HnswSearch *search, const HnswCandidate *start,
							  int count, int level, int ef);

/*
 * Descend from the entry point, then search a level from what was found, and
 * on level 0 from the entry point itself, too.
 */
extern void hnsw_search_from(HnswSearch *search, HnswEntryPoint from,
							 int level, int ef);

/*
 * Widen the beam by `more` candidates and go on.  False if nothing is left.
 */
extern bool hnsw_search_widen(HnswSearch *search, int more);

/*
 * Begin anew when nothing is left.  Candidates of before come into the beam once
 * more, for the way to others is through them; the caller passes them over.
 */
extern void hnsw_search_anew(HnswSearch *search, HnswEntryPoint from, int ef);
extern bool hnsw_search_found_before(const HnswSearch *search,
									 HnswElement	   element);

/* Remove the first `count` candidates of the beam; beam_limit shrinks too. */
extern void hnsw_search_consume(HnswSearch *search, int count);

extern Size hnsw_search_memory(const HnswSearch *search);

/* ------------------------------------------------------------------------
 * hnsw_select.c: which candidates become neighbours.
 * ------------------------------------------------------------------------
 */
typedef struct HnswNeighbour
{
	float			distance; /* to the element whose list it is */
	uint32			edge;	  /* element number, maybe protected */
	const HnswCode *code;
} HnswNeighbour;

/*
 * The selection heuristic (Malkov & Yashunin 2018, Algorithm 4): keep a
 * candidate unless one kept already is nearer to it than the base, by the share
 * `slack` of its distance at least (alpha - 1 in DiskANN, Jayaram Subramanya et
 * al., NeurIPS 2019).  Protected candidates are always kept.  If these are less
 * than `fill`, the nearest of the others join them.  `candidates` is sorted by
 * distance here; the kept ones, at most `limit`, are moved to its front, their
 * number returned.
 */
extern int hnsw_select_neighbours(const HnswCoder *coder,
								  HnswNeighbour *candidates, int count,
								  HnswSelection selection);

/* ------------------------------------------------------------------------
 * Sets of element numbers below a size, one bit each.
 * ------------------------------------------------------------------------
 */
typedef struct HnswNumberSet
{
	uint64 size;
	uint8 *bits;
} HnswNumberSet;

static inline void
hnsw_set_init(HnswNumberSet *set, uint64 size)
{
	set->size = size;
	set->bits = palloc_extended(size / 8 + 1,
								MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static inline void
hnsw_set_add(HnswNumberSet *set, HnswElement number)
{
	if (number < set->size)
		set->bits[number / 8] |= 1 << (number % 8);
}

static inline void
hnsw_set_remove(HnswNumberSet *set, HnswElement number)
{
	if (number < set->size)
		set->bits[number / 8] &= ~(1 << (number % 8));
}

/* Numbers that came after the set was made are not in it. */
static inline bool
hnsw_set_has(const HnswNumberSet *set, HnswElement number)
{
	return number < set->size &&
		   (set->bits[number / 8] & (1 << (number % 8))) != 0;
}

/* ------------------------------------------------------------------------
 * The rest, by file.
 * ------------------------------------------------------------------------
 */

/* hnsw_build.c */
extern IndexBuildResult *hnsw_build(Relation heap, Relation index,
									IndexInfo *index_info);
extern void				 hnsw_build_empty(Relation index);

/* hnsw_insert.c */
extern bool hnsw_insert(Relation index, Datum *values, bool *isnull,
						ItemPointer heap_tid, Relation heap,
						IndexUniqueCheck check_unique, bool index_unchanged,
						IndexInfo *index_info);

/* Insert a detoasted value; the caller holds the insert lock (rule L3). */
extern void hnsw_insert_value(HnswIndex *index, const void *value,
							  ItemPointer tid);

/* Add an edge to a list, if the selection takes it. */
extern void hnsw_add_edge(HnswIndex *index, HnswElement element, int level,
						  HnswElement target);

/*
 * Add a protected edge on level 0.  False if the list has max_protected of
 * them and this is not among them.
 */
extern bool hnsw_add_protected_edge(HnswIndex *index, HnswElement element,
									HnswElement target, uint32 max_protected);

/*
 * Add a protected edge even if it takes the place of another one.  Only for an
 * element that cannot be reached yet: whatever it led to is no worse off.
 */
extern void hnsw_force_protected_edge(HnswIndex *index, HnswElement element,
									  HnswElement target);

/*
 * Link an element whose slot is written but which nothing points to: with live
 * elements near it, or as the entry point if there are none.
 */
extern void hnsw_link_element(HnswIndex *index, HnswElement element);

/*
 * Join an element by protected edges with one of those of `allowed`, or if that
 * is NULL of all that are in the graph, which a search finds next to it.  False
 * if there is none.
 */
extern bool hnsw_attach_element(HnswIndex *index, HnswElement element,
								const HnswNumberSet *allowed);

/*
 * Link an element on one of its upper levels, by a search, instead of what it
 * is linked with there.
 */
extern void hnsw_link_upper_level(HnswIndex *index, HnswElement element,
								  int level);

/* Change the entry point if it still is the expected one. */
extern bool hnsw_replace_entry_point(HnswIndex *index, HnswElement expected,
									 HnswElement element, int level);

/* Replace a list if it still is the expected one. */
extern bool hnsw_replace_list(HnswIndex *index, HnswElement element, int level,
							  const uint32 *expected, uint32 expected_count,
							  const uint32 *edges, uint32 count);

/* hnsw_vacuum.c */
extern IndexBulkDeleteResult *hnsw_bulk_delete(
	IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
	IndexBulkDeleteCallback callback, void *callback_state);
extern IndexBulkDeleteResult *hnsw_vacuum_cleanup(
	IndexVacuumInfo *info, IndexBulkDeleteResult *stats);

/*
 * Take some of the flags HNSW_REPAIR_* out of the metapage and put others in, so that
 * the next vacuum finishes the work of one that was interrupted.  When none is left
 * the dying elements are gone, and scans are told that may have been on their way
 * through them.  Returns the flags of before.
 */
extern uint8 hnsw_change_repair_flags(HnswIndex *index, uint8 off, uint8 on);

/* hnsw_scan.c */
extern IndexScanDesc hnsw_begin_scan(Relation index, int nkeys, int norderbys);
extern void			 hnsw_rescan(IndexScanDesc scan, ScanKey keys, int nkeys,
								 ScanKey orderbys, int norderbys);
extern bool			 hnsw_get_tuple(IndexScanDesc scan, ScanDirection dir);
extern void			 hnsw_end_scan(IndexScanDesc scan);

/* hnsw_cost.c */
extern void hnsw_cost_estimate(struct PlannerInfo *root,
							   struct IndexPath *path, double loop_count,
							   Cost *startup_cost, Cost *total_cost,
							   Selectivity *selectivity, double *correlation,
							   double *pages);

/* hnsw_validate.c */

#endif /* HNSW_H */
