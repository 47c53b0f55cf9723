/*
 * hnsw_build.c
 *		CREATE INDEX and REINDEX.
 *
 * The rows are loaded into memory, linked there (hnsw_graph.c), given numbers
 * by which neighbours come to lie close to each other, and written as the one
 * extent of the index.  If the graph would not fit into maintenance_work_mem,
 * the rows go to temporary files, and hnsw_parts.c takes over.
 *
 * Loading and linking are tasks that parallel workers take part in; README,
 * "Build", has the rules.  If there is not enough shared memory for that, the
 * build begins anew without workers.
 *
 * Nobody else sees the index meanwhile, so pages are locked only because the
 * buffer manager wants it, and WAL gets whole pages at the end.
 */
#include "postgres.h"

#include <limits.h>

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "hnsw/hnsw_build.h"
#include "hnsw/hnsw_inline.h"
#include "index/column_dimensions.h"

/* Rows that decide how vectors are encoded, the first ones of the table. */
#define SAMPLE_ROWS 256

/* They are not looked for beyond so many blocks. */
#define SAMPLE_BLOCKS 16384

/* Elements between two reports of progress. */
#define PROGRESS_STEP 256

/*
 * One seed for all indexes: what is random in an index depends on the table
 * alone, so that a build can be repeated.
 */
#define SEED UINT64CONST(0x5851F42D4C957F2D)

/* Tasks of a build, for leader and workers. */
enum
{
	TASK_LOAD = PARALLEL_BUILD_QUIT + 1,
	TASK_LINK_UPPER,
	TASK_FIND_STARTS,
	TASK_LINK_LOWER,
	TASK_LINK_GUESTS,
	TASK_FREE_GRAPH,
	TASK_INLINE_CODES
};

/* Elements that a process takes at a time. */
#define UPPER_BATCH	 256 /* numbers: one in m of them is to be linked */
#define START_BATCH	 256
#define LOWER_BATCH	 64
#define GUEST_BATCH	 16
#define INLINE_BATCH 64

/*
 * So many numbers are done before the workers begin, but of small graphs only this
 * part: elements that are linked at the same time do not see each other, which
 * matters while there are few.
 */
#define FIRST_BATCH 2048
#define FIRST_PART	16

/*
 * Guests are linked in their own parts with all of ef_construction, so half of it
 * is enough, but not less than this.
 */
#define MIN_GUEST_EF 16

/* The rows that decide how to encode. */
typedef struct HnswSample
{
	HnswCoder	  coder;
	int			  num_rows;
	const void	 *rows[SAMPLE_ROWS];
	MemoryContext context;
} HnswSample;

char *
hnsw_build_phase_name(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case HNSW_PHASE_LOAD:
			return "loading tuples";
		case HNSW_PHASE_LINK:
			return "building graph";
		case HNSW_PHASE_WRITE:
			return "writing pages";
		case HNSW_PHASE_DIVIDE:
			return "dividing tuples";
		default:
			return NULL;
	}
}

/* ------------------------------------------------------------------------
 * Numbers
 * ------------------------------------------------------------------------
 */

/* How the graph's elements and further rows are numbered in the index. */
typedef struct Numbering
{
	HnswElement *elements;	/* by number: the graph's element */
	HnswElement *numbers;	/* by the graph's element: its number */
	uint32		*rows;		/* by number, from 0: the graph's row */
	HnswElement	 first_row; /* number of the first further row */
} Numbering;

/* Both, for functions that want one argument. */
typedef struct NumberedGraph
{
	const HnswBuild *build;
	const Numbering *numbering;
} NumberedGraph;

/*
 * A number says on which levels its element is, so each number goes to an
 * element of its level.  There are as many as needed: the graph has the same
 * numbers in another order.
 */
static void
number_elements(HnswBuild *build, const HnswExtentLayout *layout,
				Numbering *numbering)
{
	const HnswGraph *graph = &build->graph;
	uint32			 n = graph->num_elements;

	numbering->elements = palloc_extended(sizeof(HnswElement) * n,
										  MCXT_ALLOC_HUGE);
	hnsw_graph_number(graph, layout, build->index->geometry.codes.per_page,
					  numbering->elements);
	numbering->numbers = palloc_extended(sizeof(HnswElement) * n,
										 MCXT_ALLOC_HUGE);
	for (uint32 number = 0; number < n; number++)
		numbering->numbers[numbering->elements[number]] = number;
}

/* The rows of one element get adjacent numbers. */
static void
number_rows(HnswBuild *build, Numbering *numbering)
{
	const HnswGraph *graph = &build->graph;
	uint32			 n = 0;

	numbering->rows = palloc_extended(sizeof(uint32) * Max(graph->num_rows, 1),
									  MCXT_ALLOC_HUGE);
	for (uint32 number = 0; number < graph->num_elements; number++)
	{
		uint32 last = hnsw_graph_entry(graph, numbering->elements[number])
						  ->last_row;
		uint32 row = last;

		if (last == HNSW_GRAPH_NO_ROW)
			continue;
		do
		{
			row = hnsw_graph_row(graph, row)->next_row;
			numbering->rows[n++] = row;
		} while (row != last);
	}
	Assert(n == graph->num_rows);
}

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------
 */

Buffer
hnsw_build_add_page(HnswBuild *build, BlockNumber block)
{
	Relation rel = build->index->rel;
	Buffer	 buffer;

	CHECK_FOR_INTERRUPTS();
	buffer = ReadBufferExtended(rel, MAIN_FORKNUM, P_NEW, RBM_ZERO_AND_LOCK,
								NULL);
	if (BufferGetBlockNumber(buffer) != block)
		elog(ERROR, "index \"%s\" got block %u where %u was expected",
			 RelationGetRelationName(rel), BufferGetBlockNumber(buffer),
			 block);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 block - HNSW_META_BLKNO);
	return buffer;
}

Buffer
hnsw_build_add_array_page(HnswBuild *build, BlockNumber block,
						  HnswPageKind kind)
{
	Buffer buffer = hnsw_build_add_page(build, block);

	hnsw_init_page(&build->index->geometry, BufferGetPage(buffer), kind);
	MarkBufferDirty(buffer);
	return buffer;
}

static void
write_element_entries(HnswBuild *build, const HnswExtentLayout *layout,
					  const Numbering *numbering)
{
	const HnswGraph *graph = &build->graph;
	uint32			 per_page = graph->geometry.entries_per_page;
	uint32			 next_row = 0;

	for (uint32 i = 0; i < layout->element_pages; i++)
	{
		HnswElement first = i * per_page;
		Buffer		buffer;

		/* pages without elements stay as they are, all zero */
		if (first >= graph->num_elements)
		{
			UnlockReleaseBuffer(
				hnsw_build_add_page(build, layout->entries + i));
			continue;
		}

		buffer = hnsw_build_add_array_page(build, layout->entries + i,
										   HNSW_PAGE_ENTRIES);
		for (uint32 slot = 0;
			 slot < per_page && first + slot < graph->num_elements; slot++)
		{
			const HnswGraphEntry *from = hnsw_graph_entry(
				graph, numbering->elements[first + slot]);
			HnswEntry *entry = (HnswEntry *) HnswPageGetSlot(
				BufferGetPage(buffer), slot, sizeof(HnswEntry));

			entry->tid = from->tid;
			entry->state = HNSW_ENTRY_ELEMENT;
			entry->hash_or_head = (uint32) from->hash;
			entry->hash_high = (uint32) (from->hash >> 32);
			entry->next = HNSW_NONE;
			if (from->last_row != HNSW_GRAPH_NO_ROW)
			{
				entry->next = numbering->first_row + next_row;
				while (numbering->rows[next_row] != from->last_row)
					next_row++;
				next_row++;
			}
		}
		UnlockReleaseBuffer(buffer);
	}
}

static void
write_row_entries(HnswBuild *build, const HnswExtentLayout *layout,
				  const Numbering *numbering)
{
	const HnswGraph *graph = &build->graph;
	BlockNumber		 block = layout->entries + layout->element_pages;
	uint32			 per_page = graph->geometry.entries_per_page;
	Buffer			 buffer = InvalidBuffer;
	uint32			 n = 0;

	for (uint32 number = 0; number < graph->num_elements; number++)
	{
		uint32 last = hnsw_graph_entry(graph, numbering->elements[number])
						  ->last_row;
		bool is_last = last == HNSW_GRAPH_NO_ROW;

		for (; !is_last; n++)
		{
			uint32	   row = numbering->rows[n];
			HnswEntry *entry;

			is_last = row == last;
			if (n % per_page == 0)
			{
				if (BufferIsValid(buffer))
					UnlockReleaseBuffer(buffer);
				buffer = hnsw_build_add_array_page(build, block++,
												   HNSW_PAGE_ENTRIES);
			}
			entry = (HnswEntry *) HnswPageGetSlot(BufferGetPage(buffer),
												  n % per_page,
												  sizeof(HnswEntry));
			entry->tid = hnsw_graph_row(graph, row)->tid;
			entry->state = HNSW_ENTRY_ROW;
			entry->hash_or_head = number;
			entry->next = is_last ? HNSW_NONE : numbering->first_row + n + 1;
		}
	}
	if (BufferIsValid(buffer))
		UnlockReleaseBuffer(buffer);
}

/* Copy a list to its slot, its edges by ascending number. */
static void
write_list(const HnswGraph *graph, const Numbering *numbering,
		   HnswElement number, int level, HnswList *list)
{
	const HnswGraphList *from = hnsw_graph_list(graph,
												numbering->elements[number],
												level);

	list->count = from->count;
	for (int i = 0; i < from->count; i++)
	{
		uint32 edge = numbering->numbers[HNSW_EDGE_TARGET(from->edges[i])] |
					  (from->edges[i] & HNSW_PROTECTED);
		int to = i;

		while (to > 0 &&
			   HNSW_EDGE_TARGET(edge) < HNSW_EDGE_TARGET(list->edges[to - 1]))
		{
			list->edges[to] = list->edges[to - 1];
			to--;
		}
		list->edges[to] = edge;
	}
}

static void
write_lists(HnswBuild *build, const HnswExtentLayout *layout,
			const Numbering *numbering)
{
	const HnswGraph *graph = &build->graph;
	uint32			 per_page = graph->geometry.lists_per_page;

	for (BlockNumber block = layout->lists; block < layout->uppers; block++)
	{
		HnswElement first = (block - layout->lists) * per_page;
		Buffer		buffer = hnsw_build_add_array_page(build, block,
													   HNSW_PAGE_EDGES);

		for (uint32 slot = 0;
			 slot < per_page && first + slot < graph->num_elements; slot++)
			write_list(graph, numbering, first + slot, 0,
					   (HnswList *)
						   HnswPageGetSlot(BufferGetPage(buffer), slot,
										   graph->geometry.list_bytes));
		UnlockReleaseBuffer(buffer);
	}
}

static void
write_uppers(HnswBuild *build, const HnswExtentLayout *layout,
			 const Numbering *numbering)
{
	const HnswGraph *graph = &build->graph;
	uint32			 per_page = graph->geometry.uppers_per_page;
	Size num_slots = (Size) (layout->codes - layout->uppers) * per_page;
	HnswElement *owners; /* by slot */
	uint8		*levels;

	owners = palloc_extended(sizeof(HnswElement) * num_slots, MCXT_ALLOC_HUGE);
	levels = palloc_extended(num_slots, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (HnswElement number = 0; number < graph->num_elements; number++)
	{
		int top = hnsw_element_level(&graph->geometry, layout, graph->seed,
									 number);

		for (int level = 1; level <= top; level++)
		{
			uint32 slot = hnsw_upper_slot(&graph->geometry, layout, number,
										  level);

			owners[slot] = number;
			levels[slot] = level;
		}
	}

	for (BlockNumber block = layout->uppers; block < layout->codes; block++)
	{
		uint32 first = (block - layout->uppers) * per_page;
		Buffer buffer = hnsw_build_add_array_page(build, block,
												  HNSW_PAGE_UPPER);

		for (uint32 slot = 0; slot < per_page; slot++)
		{
			if (levels[first + slot] > 0)
				write_list(graph, numbering, owners[first + slot],
						   levels[first + slot],
						   (HnswList *)
							   HnswPageGetSlot(BufferGetPage(buffer), slot,
											   graph->geometry.upper_bytes));
		}
		UnlockReleaseBuffer(buffer);
	}
	pfree(owners);
	pfree(levels);
}

/* The code of an element by its number, for the functions below. */
static const HnswCode *
code_by_number(void *state, HnswElement number)
{
	const NumberedGraph *numbered = state;
	const HnswBuild		*build = numbered->build;

	return hnsw_build_page_code(
		build,
		hnsw_graph_code(&build->graph, numbered->numbering->elements[number]));
}

/* Code or refinement of an element. */
typedef HnswCodeSource (*MakeSource)(const HnswIndex *index,
									 HnswElement	  element,
									 const HnswCode	 *code);

/*
 * Write the pages of an array, from block `start` to `end`, of codes in one size
 * or refinements.
 */
static void
write_array(HnswBuild *build, const HnswArray *array, HnswPageKind kind,
			BlockNumber start, BlockNumber end, uint32 num_elements,
			MakeSource make_source, HnswCodeByNumber code_of, void *state)
{
	HnswElement first = 0; /* that lies on the page */

	for (BlockNumber block = start; block < end; block++)
	{
		Buffer buffer = hnsw_build_add_array_page(build, block, kind);
		Page   page = BufferGetPage(buffer);

		for (HnswElement number = first; number < num_elements; number++)
		{
			HnswPlace	   at = hnsw_array_place(array, start, number);
			HnswCodeSource source;
			uint32		   done = 0;
			uint32		   part;

			if (at.block > block)
				break;
			/* what is on the pages before */
			if (at.block < block)
				done = HNSW_PAGE_CAPACITY * (block - at.block) - at.slot;
			first = number;
			if (done >= array->bytes)
				continue;
			source = make_source(build->index, number, code_of(state, number));
			at.slot = at.block < block ? 0 : at.slot;
			part = Min(source.length - done, HNSW_PAGE_CAPACITY - at.slot);
			memcpy(HnswPageGetSlot(page, at.slot, 1), source.bytes + done,
				   part);
		}
		UnlockReleaseBuffer(buffer);
	}
}

/* Chunks are written one after the other, so the place of each is known. */
static HnswPlace
chunk_place(const HnswExtentLayout *layout, uint32 number)
{
	HnswPlace place;

	place.block = layout->overflow + number / HNSW_CHUNKS_PER_PAGE;
	place.slot = number % HNSW_CHUNKS_PER_PAGE;
	return place;
}

/* The same of slots of codes that vary, which lead to the chunks. */
static void
write_varying_codes(HnswBuild *build, const HnswExtentLayout *layout,
					uint32 num_elements, HnswCodeByNumber code_of, void *state)
{
	const HnswArray *array = &build->index->geometry.codes;
	uint32			 chunks = 0;

	for (BlockNumber block = layout->codes; block < layout->refinements;
		 block++)
	{
		HnswElement first = (block - layout->codes) * array->per_page;
		Buffer		buffer = hnsw_build_add_array_page(build, block,
													   HNSW_PAGE_CODES);

		for (uint32 slot = 0;
			 slot < array->per_page && first + slot < num_elements; slot++)
		{
			HnswCodeSource source = hnsw_code_source(
				build->index, first + slot, code_of(state, first + slot));

			hnsw_fill_code_slot(build->index,
								HnswPageGetSlot(BufferGetPage(buffer), slot,
												array->slot_bytes),
								&source,
								source.chunks > 0 ? chunk_place(layout, chunks)
												  : hnsw_no_place);
			chunks += source.chunks;
		}
		UnlockReleaseBuffer(buffer);
	}
}

void
hnsw_build_write_codes(HnswBuild *build, const HnswExtentLayout *layout,
					   uint32 num_elements, HnswCodeByNumber code_of,
					   void *state)
{
	if (hnsw_codes_vary(build->index->coder.encoding))
		write_varying_codes(build, layout, num_elements, code_of, state);
	else
		write_array(build, &build->index->geometry.codes, HNSW_PAGE_CODES,
					layout->codes, layout->refinements, num_elements,
					hnsw_code_source, code_of, state);
}

void
hnsw_build_write_refinements(HnswBuild *build, const HnswExtentLayout *layout,
							 uint32 num_elements, HnswCodeByNumber code_of,
							 void *state)
{
	write_array(build, &build->index->geometry.refinements,
				HNSW_PAGE_REFINEMENTS, layout->refinements, layout->overflow,
				num_elements, hnsw_refinement_source, code_of, state);
}

void
hnsw_build_write_chunks(HnswBuild *build, const HnswExtentLayout *layout,
						uint32 num_elements, HnswCodeByNumber code_of,
						void *state)
{
	Buffer buffer = InvalidBuffer;
	uint32 written = 0;

	for (HnswElement number = 0;
		 number < num_elements && layout->overflow < layout->end_block;
		 number++)
	{
		HnswCodeSource source = hnsw_code_source(build->index, number,
												 code_of(state, number));

		for (uint32 i = 0; i < source.chunks; i++)
		{
			HnswPlace at = chunk_place(layout, written++);

			if (at.slot == 0)
			{
				if (BufferIsValid(buffer))
					UnlockReleaseBuffer(buffer);
				buffer = hnsw_build_add_array_page(build, at.block,
												   HNSW_PAGE_OVERFLOW);
			}
			hnsw_fill_chunk(
				build->index,
				(HnswChunk *) HnswPageGetSlot(BufferGetPage(buffer), at.slot,
											  sizeof(HnswChunk)),
				&source, i,
				i + 1 < source.chunks ? chunk_place(layout, written)
									  : hnsw_no_place);
		}
	}
	if (BufferIsValid(buffer))
		UnlockReleaseBuffer(buffer);
}

/* The number of chunks that codes have beyond their slots. */
static uint64
count_chunks(const HnswBuild *build)
{
	const HnswGraph *graph = &build->graph;
	uint64			 chunks = 0;

	if (!hnsw_codes_vary(build->index->coder.encoding))
		return 0;
	for (HnswElement i = 0; i < graph->num_elements; i++)
		chunks += hnsw_code_source(build->index, i, hnsw_graph_code(graph, i))
					  .chunks;
	return chunks;
}

/*
 * What is left of a run of pages for `slots` slots of which the first `used`
 * are taken.
 */
static HnswSupply
make_supply(BlockNumber start, uint32 per_page, uint32 slots, uint32 used)
{
	HnswSupply	supply;
	BlockNumber used_end = start + (used + per_page - 1) / per_page;
	BlockNumber end = start + (slots + per_page - 1) / per_page;

	supply.insert_block = InvalidBlockNumber;
	supply.free_head = InvalidBlockNumber;
	supply.fresh_block = InvalidBlockNumber;
	supply.fresh_end = InvalidBlockNumber;
	if (used < slots && used % per_page != 0)
		supply.insert_block = used_end - 1;
	if (used_end < end)
	{
		supply.fresh_block = used_end;
		supply.fresh_end = end;
	}
	return supply;
}

static inline uint32
pages_for(uint32 slots, uint32 per_page)
{
	return slots / per_page + (slots % per_page != 0);
}

HnswExtent
hnsw_build_extent(const HnswBuild *build, const HnswCounts *counts)
{
	const HnswGeometry *geometry = &build->index->geometry;
	uint32				per_page = Max(geometry->codes.per_page, 1);
	HnswExtent			extent;

	if (counts->chunks > PG_UINT32_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("index \"%s\" cannot have so many long codes",
							   RelationGetRelationName(build->index->rel))));
	/* the last page of codes gets full, with free slots for later elements */
	extent.first = 0;
	extent.elements = pages_for(counts->elements, per_page) * per_page;
	extent.row_pages = pages_for(counts->rows, geometry->entries_per_page);
	extent.overflow_pages = pages_for(counts->chunks, HNSW_CHUNKS_PER_PAGE);
	extent.start = HNSW_META_BLKNO + 1;
	return extent;
}

void
hnsw_build_write_metapage(HnswBuild *build, const HnswExtent *extent,
						  const HnswCounts *counts, HnswEntryPoint entry)
{
	const HnswGeometry *geometry = &build->index->geometry;
	uint32				entries_per_page = geometry->entries_per_page;
	Buffer			  buffer = ReadBuffer(build->index->rel, HNSW_META_BLKNO);
	HnswMetaPageData *meta;
	HnswExtentLayout  layout;

	hnsw_extent_layout(geometry, extent, &layout);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = HnswPageGetMeta(BufferGetPage(buffer));
	meta->entry_point = entry.element;
	meta->entry_level = entry.level;
	meta->supply[HNSW_SUPPLY_ELEMENTS] = make_supply(layout.entries,
													 entries_per_page,
													 layout.elements,
													 counts->elements);
	meta->supply[HNSW_SUPPLY_ROWS] = make_supply(
		layout.entries + layout.element_pages, entries_per_page,
		extent->row_pages * entries_per_page, counts->rows);
	meta->supply[HNSW_SUPPLY_CHUNKS] = make_supply(layout.overflow,
												   HNSW_CHUNKS_PER_PAGE,
												   extent->overflow_pages *
													   HNSW_CHUNKS_PER_PAGE,
												   counts->chunks);
	meta->num_extents = 1;
	meta->extents[0] = *extent;
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

static void
write_graph(HnswBuild *build)
{
	const HnswGraph	   *graph = &build->graph;
	const HnswGeometry *geometry = &graph->geometry;
	HnswCounts			counts = {graph->num_elements, graph->num_rows,
								  count_chunks(build)};
	HnswExtent			extent = hnsw_build_extent(build, &counts);
	HnswExtentLayout	layout;
	Numbering			numbering;
	NumberedGraph		numbered = {build, &numbering};
	HnswEntryPoint		entry;
	MemoryContext		old_context = MemoryContextSwitchTo(graph->context);

	hnsw_extent_layout(geometry, &extent, &layout);
	hnsw_build_start_phase(build, HNSW_PHASE_WRITE,
						   layout.end_block - layout.entries);

	number_elements(build, &layout, &numbering);
	number_rows(build, &numbering);
	numbering.first_row = layout.first +
						  layout.element_pages * geometry->entries_per_page;

	write_element_entries(build, &layout, &numbering);
	write_row_entries(build, &layout, &numbering);
	write_lists(build, &layout, &numbering);
	write_uppers(build, &layout, &numbering);
	hnsw_build_write_codes(build, &layout, graph->num_elements, code_by_number,
						   &numbered);
	hnsw_build_write_refinements(build, &layout, graph->num_elements,
								 code_by_number, &numbered);
	hnsw_build_write_chunks(build, &layout, graph->num_elements,
							code_by_number, &numbered);
	entry.element = numbering.numbers[graph->shared->entry_point];
	entry.level = graph->shared->entry_level;
	hnsw_build_write_metapage(build, &extent, &counts, entry);

	MemoryContextSwitchTo(old_context);
}

/* ------------------------------------------------------------------------
 * Tasks
 * ------------------------------------------------------------------------
 */

/* The leader reports what all processes have done. */
static void
report_done(void *state)
{
	HnswBuild *build = state;

	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE,
								 pg_atomic_read_u64(&build->shared->done));
}

void
hnsw_build_count_done(HnswBuild *build, uint32 count)
{
	(void) pg_atomic_fetch_add_u64(&build->shared->done, count);
	if (build->is_leader)
		report_done(build);
}

/* Get some items of the task to work on. */
static bool
take_items(HnswBuild *build, uint32 batch, uint32 *first, uint32 *end)
{
	HnswBuildShared *shared = build->shared;

	CHECK_FOR_INTERRUPTS();
	/* far from overflow: there are fewer than 2^31 items */
	*first = pg_atomic_fetch_add_u32(&shared->next_item, batch);
	*end = Min(*first + batch, shared->num_items);
	return *first < shared->num_items;
}

/*
 * The elements of upper levels come first.  They are spread evenly over the
 * table, so they make a sketch of the graph, even if similar rows lie
 * together there.
 */
static void
link_upper(HnswBuild *build, uint32 first, uint32 end)
{
	HnswGraph *graph = &build->graph;
	uint32	   linked = 0;

	for (uint32 i = first; i < end; i++)
	{
		if (hnsw_graph_level(graph, i) == 0 || i == graph->shared->entry_point)
			continue;
		CHECK_FOR_INTERRUPTS();
		hnsw_graph_link(&build->worker, i, HNSW_NONE);
		linked++;
	}
	hnsw_build_count_done(build, linked);
}

/*
 * Then come the others, region by region of the sketch, so that each finds its
 * neighbourhood in the CPU's caches.
 */
static void
link_lower(HnswBuild *build, uint32 first, uint32 end)
{
	HnswGraph *graph = &build->graph;
	uint32	   linked = 0;

	for (uint32 i = first; i < end; i++)
	{
		HnswElement start = hnsw_graph_start(graph, i);

		if (start == HNSW_NONE)
			continue;
		CHECK_FOR_INTERRUPTS();
		hnsw_graph_link(&build->worker, i, start);
		linked++;
	}
	hnsw_build_count_done(build, linked);
}

/* Vectors of other parts get neighbours in this one, too. */
static void
link_guests(HnswBuild *build, uint32 first, uint32 end)
{
	uint32 ef_construction = build->graph.ef_construction;
	uint32 ef = Min(Max(ef_construction / 2, MIN_GUEST_EF), ef_construction);

	for (uint32 i = first; i < end; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hnsw_graph_link_guest(&build->worker, i, ef);
	}
	hnsw_build_count_done(build, end - first);
}

/* The index has its pages; lists are given the codes of their neighbours. */
static void
write_inline_codes(HnswBuild *build, HnswElement first, HnswElement end)
{
	for (HnswElement element = first; element < end; element++)
	{
		CHECK_FOR_INTERRUPTS();
		hnsw_inline_write(build->index, element);
	}
	hnsw_build_count_done(build, end - first);
}

static void load_rows(HnswBuild *build);

/* As the graph in memory wants to know it: 0 if codes vary. */
static uint32
fixed_code_bytes(const HnswBuild *build)
{
	return hnsw_codes_vary(build->coder->encoding) ? 0
												   : build->coder->total_bytes;
}

/* What a graph needs to know of the index; m may be another one. */
static HnswIndex
graph_index(const HnswBuild *build, uint32 m)
{
	HnswIndex index = *build->index;

	index.m = m;
	hnsw_geometry_init(&index.geometry, m, index.geometry.codes.bytes,
					   index.geometry.refinements.bytes,
					   index.coder.encoding.inline_codes ? index.dimensions
														 : 0);
	return index;
}

/* In a worker, unless it has done so: get to know the graph. */
static void
attach_graph(HnswBuild *build)
{
	HnswBuildShared *shared = build->shared;
	HnswIndex		 index;

	if (build->graph.context != NULL)
		return;
	index = graph_index(build, shared->graph_m);
	hnsw_graph_attach(&build->graph, &index, &shared->graph,
					  shared->participants, shared->graph_memory,
					  fixed_code_bytes(build));
	build->graph.coder = build->coder;
}

/* One process's part of a task. */
static void
work_on_task(HnswBuild *build, int task)
{
	uint32 first;
	uint32 end;

	switch (task)
	{
		case TASK_LOAD:
			attach_graph(build);
			load_rows(build);
			hnsw_parts_finish_spill(build);
			break;
		case TASK_LINK_UPPER:
			attach_graph(build);
			if (!build->is_leader)
			{
				hnsw_graph_begin_linking(&build->graph);
				hnsw_graph_worker_init(&build->worker, &build->graph);
			}
			while (take_items(build, UPPER_BATCH, &first, &end))
				link_upper(build, first, end);
			break;
		case TASK_FIND_STARTS:
			while (take_items(build, START_BATCH, &first, &end))
				hnsw_graph_find_starts(&build->graph, first, end);
			break;
		case TASK_LINK_LOWER:
			while (take_items(build, LOWER_BATCH, &first, &end))
				link_lower(build, first, end);
			break;
		case TASK_LINK_GUESTS:
			hnsw_graph_attach_guests(&build->graph, build->shared->num_items);
			while (take_items(build, GUEST_BATCH, &first, &end))
				link_guests(build, first, end);
			break;
		case TASK_FREE_GRAPH:
			if (!build->is_leader)
				hnsw_graph_detach(&build->graph);
			break;
		case TASK_INLINE_CODES:
			while (take_items(build, INLINE_BATCH, &first, &end))
				write_inline_codes(build, first, end);
			break;
		default:
			elog(ERROR, "unknown task of an hnsw build: %d", task);
	}
}

/* A task, by all processes; items: from `first` to `end`. */
static void
run_task(HnswBuild *build, int task, uint32 first, uint32 end)
{
	pg_atomic_write_u32(&build->shared->next_item, first);
	build->shared->num_items = end;
	if (build->team != NULL)
		parallel_build_start_task(build->team, task);
	work_on_task(build, task);
	/* when the graph is freed, the pages that are written show progress */
	if (build->team != NULL)
		parallel_build_finish_task(build->team,
								   task == TASK_FREE_GRAPH ? NULL
														   : report_done,
								   build);
}

void
hnsw_build_start_phase(HnswBuild *build, int phase, int64 total)
{
	pg_atomic_write_u64(&build->shared->done, 0);
	build_start_phase(phase, total);
}

bool
hnsw_build_start_graph(HnswBuild *build, uint32 m, Size memory_limit,
					   double expected_rows)
{
	HnswBuildShared *shared = build->shared;
	HnswIndex		 index = graph_index(build, m);
	bool			 result;

	shared->graph_m = m;
	shared->graph_memory = memory_limit;
	result = hnsw_graph_init(&build->graph, &index, &shared->graph,
							 shared->participants, memory_limit,
							 fixed_code_bytes(build), expected_rows);
	build->graph.coder = build->coder;
	return result;
}

bool
hnsw_build_link_graph(HnswBuild *build)
{
	HnswGraph *graph = &build->graph;
	uint64	   done = pg_atomic_read_u64(&build->shared->done);
	uint32	   n;
	uint32	   first;

	if (!hnsw_graph_finish_loading(graph))
		return false;
	n = graph->num_elements;
	hnsw_graph_begin_linking(graph);
	hnsw_graph_worker_init(&build->worker, graph);
	hnsw_build_count_done(build, 1); /* the entry point */

	first = Min(n / FIRST_PART, FIRST_BATCH);
	link_upper(build, 0, first);
	run_task(build, TASK_LINK_UPPER, first, n);
	run_task(build, TASK_FIND_STARTS, 0, n);
	hnsw_graph_arrange(graph);
	link_lower(build, 0, first);
	run_task(build, TASK_LINK_LOWER, first, n);

	done = pg_atomic_read_u64(&build->shared->done) - done;
	if (done != n)
		elog(ERROR,
			 "hnsw graph has %u elements, but " UINT64_FORMAT " were linked",
			 n, done);
	return true;
}

void
hnsw_build_link_guests(HnswBuild *build, uint32 count)
{
	run_task(build, TASK_LINK_GUESTS, 0, count);
}

void
hnsw_build_free_graph(HnswBuild *build)
{
	if (build->team != NULL)
		run_task(build, TASK_FREE_GRAPH, 0, 0);
	hnsw_graph_free(&build->graph);
}

/* ------------------------------------------------------------------------
 * Loading
 * ------------------------------------------------------------------------
 */

/* Tell all processes that the graph cannot take the rest; the worst counts. */
static void
set_load_state(HnswBuild *build, HnswLoadState state)
{
	uint32 old = HNSW_LOAD_FITS;

	while (!pg_atomic_compare_exchange_u32(&build->shared->load_state, &old,
										   state) &&
		   old < state)
		;
}

static void
report_full(HnswBuild *build, uint64 num_rows)
{
	if (pg_atomic_read_u32(&build->shared->load_state) != HNSW_LOAD_FITS)
		return;
	set_load_state(build, HNSW_LOAD_FULL);
	ereport(NOTICE,
			(errmsg("maintenance_work_mem holds only the first " UINT64_FORMAT
					" rows of index \"%s\"",
					num_rows, RelationGetRelationName(build->index->rel)),
			 errdetail("The index is built in parts that are merged, which "
					   "takes about one and a half times as long."),
			 errhint("Increase maintenance_work_mem to speed up builds.")));
}

static void
index_row(HnswBuild *build, const void *value, ItemPointer tid)
{
	HnswIndex		*index = build->index;
	HnswBuildShared *shared = build->shared;
	HnswCode		*code = palloc0(hnsw_encoded_bytes(build->coder, value));
	uint32			 code_bytes;
	uint64			 num_rows;
	uint64			 hash;

	if (!hnsw_encode(build->coder, value, code))
		return;
	if (build->link_bytes > 0)
		(void) hnsw_encode(&index->coder, value,
						   (HnswCode *) ((char *) code + build->link_bytes));
	code_bytes = hnsw_code_length(build->coder, code);
	hash = coder_value_hash(&index->coder.codes, value);
	num_rows = pg_atomic_fetch_add_u64(&shared->num_rows, 1);

	if (hnsw_graph_is_full(&build->graph))
	{
		report_full(build, num_rows);
		hnsw_parts_spill(build, code, code_bytes, hash, tid);
	}
	else if (!hnsw_graph_add(&build->graph, code, code_bytes, hash, tid))
		set_load_state(build, HNSW_LOAD_NO_MEMORY);

	if (num_rows % PROGRESS_STEP == 0)
		hnsw_build_count_done(build, PROGRESS_STEP);
}

static void
build_callback(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
			   bool tuple_is_alive, void *state)
{
	HnswBuild	 *build = state;
	MemoryContext old_context;
	const void	 *value;

	CHECK_FOR_INTERRUPTS();
	if (isnull[0] ||
		pg_atomic_read_u32(&build->shared->load_state) == HNSW_LOAD_NO_MEMORY)
		return;

	old_context = MemoryContextSwitchTo(build->row_context);
	value = PG_DETOAST_DATUM(values[0]);
	coder_check_dimensions(&build->index->coder.codes, value);
	index_row(build, value, tid);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(build->row_context);
}

static void
load_rows(HnswBuild *build)
{
	if (build->team != NULL)
		parallel_build_scan(build->team, build_callback, build);
	else
		build->heap_rows = table_index_build_scan(build->heap,
												  build->index->rel,
												  build->index_info, true,
												  true, build_callback, build,
												  NULL);
}

/* ------------------------------------------------------------------------
 * Building
 * ------------------------------------------------------------------------
 */

static void
sample_callback(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
				bool tuple_is_alive, void *state)
{
	HnswSample	 *sample = state;
	MemoryContext old_context;
	const void	 *value;

	if (isnull[0] || sample->num_rows == SAMPLE_ROWS)
		return;
	old_context = MemoryContextSwitchTo(sample->context);
	value = PG_DETOAST_DATUM_COPY(values[0]);
	coder_check_dimensions(&sample->coder.codes, value);
	sample->rows[sample->num_rows++] = value;
	MemoryContextSwitchTo(old_context);
}

/* Look at the first rows of the table and decide how to encode. */
static HnswEncoding
choose_encoding(Relation heap, Relation rel, IndexInfo *index_info,
				const VectorOpclass *opclass, uint32 dimensions)
{
	HnswCodeOptions options = hnsw_option_codes(rel);
	HnswSample		sample = {0};
	BlockNumber		num_blocks = Min(RelationGetNumberOfBlocks(heap),
									 SAMPLE_BLOCKS);
	HnswEncoding	encoding;
	MemoryContext	old_context;

	sample.context = AllocSetContextCreate(CurrentMemoryContext,
										   "hnsw build sample",
										   ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(sample.context);
	encoding = hnsw_choose_encoding(opclass, dimensions, SEED, options, NULL,
									0);
	hnsw_coder_init(&sample.coder, opclass, dimensions, SEED, encoding);
	for (BlockNumber block = 0, count = 1;
		 block < num_blocks && sample.num_rows < SAMPLE_ROWS;
		 block += count, count *= 2)
	{
		count = Min(count, num_blocks - block);
		(void) table_index_build_range_scan(heap, rel, index_info, false,
											false, false, block, count,
											sample_callback, &sample, NULL);
	}
	encoding = hnsw_choose_encoding(opclass, dimensions, SEED, options,
									sample.rows, sample.num_rows);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(sample.context);
	return encoding;
}

/* The metapage of an empty index; heap is NULL for one without rows. */
static void
create_empty(Relation heap, Relation rel, IndexInfo *index_info,
			 ForkNumber fork)
{
	VectorOpclass opclass;
	uint32		  dimensions;
	HnswEncoding  encoding;

	vector_opclass_lookup(rel, &opclass);
	vector_opclass_check_operator(rel);
	(void) hnsw_option_ef_construction(
		rel); /* errors before there is a page */
	dimensions = index_column_dimensions(heap, rel, index_info, &opclass,
										 hnsw_max_dimensions(
											 opclass.type->kind),
										 "hnsw");
	encoding = heap == NULL
				   ? hnsw_choose_encoding(&opclass, dimensions, SEED,
										  hnsw_option_codes(rel), NULL, 0)
				   : choose_encoding(heap, rel, index_info, &opclass,
									 dimensions);
	if (encoding.inline_codes &&
		!hnsw_inline_codes_fit(hnsw_option_m(rel), dimensions))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("inline_codes is not supported for %u dimensions and "
						"m = %d",
						dimensions, hnsw_option_m(rel)),
				 errdetail("The codes of an element's neighbours do not fit a "
						   "page.")));
	hnsw_create_metapage(rel, fork, dimensions, &opclass, SEED, encoding);
}

/*
 * Where codes are coarse and the refinement is the value, elements are linked by
 * 8-bit codes that exist in memory only, before the code and the value: they say
 * all that linking needs, in a third of the time.
 */
static void
init_coder(HnswBuild *build)
{
	HnswIndex	*index = build->index;
	HnswCoder	*coder = &build->link_coder;
	HnswEncoding encoding = {.code = {.kind = CODE_SQ8, .rotated = true}};

	build->coder = &index->coder;
	if (!hnsw_codes_are_coarse(&index->coder) ||
		index->coder.encoding.refinement != HNSW_REFINEMENT_VALUE)
		return;
	encoding.code_bytes = coder_code_bytes(CODE_SQ8, index->dimensions);
	hnsw_coder_init(coder, &index->coder.codes.opclass, index->dimensions,
					index->seed, encoding);
	coder->total_bytes += index->coder.total_bytes;
	build->coder = coder;
	build->link_bytes = encoding.code_bytes;
}

/* What each process has of its own. */
static void
init_build(HnswBuild *build, Relation heap, Relation rel,
		   IndexInfo *index_info)
{
	memset(build, 0, sizeof(HnswBuild));
	build->context = CurrentMemoryContext;
	build->heap = heap;
	build->index_info = index_info;
	build->index = hnsw_open(rel);
	build->index->building = true;
	init_coder(build);
	build->row_context = AllocSetContextCreate(CurrentMemoryContext,
											   "hnsw build row",
											   ALLOCSET_DEFAULT_SIZES);
}

static void
init_shared(HnswBuildShared *shared, int participants)
{
	shared->participants = participants;
	shared->memory_limit = (Size) maintenance_work_mem * 1024;
	pg_atomic_init_u32(&shared->load_state, HNSW_LOAD_FITS);
	pg_atomic_init_u64(&shared->num_rows, 0);
	pg_atomic_init_u32(&shared->next_item, 0);
	pg_atomic_init_u64(&shared->done, 0);
	pg_atomic_init_u64(&shared->spilled_bytes, 0);
}

static double
estimate_rows(Relation heap)
{
	BlockNumber pages;
	double		rows;
	double		all_visible;

	table_relation_estimate_size(heap, NULL, &pages, &rows, &all_visible);
	return rows;
}

/* Give the lists of an index that is complete otherwise their inline codes. */
static void
add_inline_codes(HnswBuild *build)
{
	HnswIndex *index = build->index;
	uint32	   elements;

	if (index->geometry.inline_offset == 0)
		return;
	hnsw_refresh_directory(index);
	if (index->directory->num_extents == 0)
		return;
	elements = index->directory->extents[0].elements;
	hnsw_build_start_phase(build, HNSW_PHASE_WRITE, elements);
	run_task(build, TASK_INLINE_CODES, 0, elements);
}

/* Load, link and write.  False if there is no memory to do it that way. */
static bool
build_graph(HnswBuild *build)
{
	HnswBuildShared *shared = build->shared;

	if (!hnsw_build_start_graph(build, build->index->m, shared->memory_limit,
								estimate_rows(build->heap)))
		return false;
	if (build->team != NULL && !parallel_build_launch(build->team))
		return false;

	hnsw_build_start_phase(build, HNSW_PHASE_LOAD, 0);
	run_task(build, TASK_LOAD, 0, 0);
	switch ((HnswLoadState) pg_atomic_read_u32(&shared->load_state))
	{
		case HNSW_LOAD_FITS:
			break;
		case HNSW_LOAD_FULL:
			if (!hnsw_parts_build(build))
				return false;
			add_inline_codes(build);
			return true;
		case HNSW_LOAD_NO_MEMORY:
			return false;
	}

	if (pg_atomic_read_u32(&shared->graph.num_elements) > 0)
	{
		hnsw_build_start_phase(build, HNSW_PHASE_LINK,
							   pg_atomic_read_u32(
								   &shared->graph.num_elements));
		if (!hnsw_build_link_graph(build))
			return false;
		write_graph(build);
	}
	hnsw_build_free_graph(build);
	add_inline_codes(build);
	return true;
}

/* Build with workers.  False if there are none, or no memory to share. */
static bool
build_in_parallel(HnswBuild *build)
{
	Relation rel = build->index->rel;
	int	 workers = parallel_build_workers(build->heap, rel, build->index_info);
	bool result;

	if (workers == 0)
		return false;
	build->team = parallel_build_begin(build->heap, rel, build->index_info,
									   "hnsw_build_worker_main", workers,
									   sizeof(HnswBuildShared));
	if (build->team == NULL)
		return false;
	build->shared = build->team->shared;
	init_shared(build->shared, workers + 1);
	SharedFileSetInit(&build->shared->files, build->team->context->seg);

	result = build_graph(build);
	build->heap_rows = parallel_build_heap_rows(build->team);
	if (build->graph.context != NULL)
		hnsw_graph_free(&build->graph);
	/* rows spilled before memory ran out: their file goes with the team */
	if (build->spill != NULL)
		BufFileClose(build->spill);
	build->spill = NULL;
	build->num_rows = pg_atomic_read_u64(&build->shared->num_rows);
	parallel_build_end(build->team);
	build->team = NULL;
	return result;
}

static void
build_alone(HnswBuild *build)
{
	build->shared = palloc0(sizeof(HnswBuildShared));
	init_shared(build->shared, 1);
	if (!build_graph(build))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	build->num_rows = pg_atomic_read_u64(&build->shared->num_rows);
}

/* A parallel worker. */
void
hnsw_build_worker_main(dsm_segment *segment, shm_toc *toc)
{
	ParallelBuild *team = parallel_build_attach(segment, toc);
	HnswBuild	   build;
	int			   task;

	init_build(&build, team->heap, team->index, team->index_info);
	build.team = team;
	build.shared = team->shared;
	SharedFileSetAttach(&build.shared->files, segment);
	while ((task = parallel_build_next_task(team)) != PARALLEL_BUILD_QUIT)
		work_on_task(&build, task);
	/* a build that gives up for want of memory does not free it by a task */
	if (build.graph.context != NULL)
		hnsw_graph_detach(&build.graph);
	parallel_build_detach(team);
}

IndexBuildResult *
hnsw_build(Relation heap, Relation rel, IndexInfo *index_info)
{
	HnswBuild		  build;
	IndexBuildResult *result;
	MemoryContext	  context = AllocSetContextCreate(CurrentMemoryContext,
													  "hnsw build",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext	  old_context = MemoryContextSwitchTo(context);

	/* a truncated relation may still have what was cached of its last index */
	hnsw_forget_cache(rel);

	create_empty(heap, rel, index_info, MAIN_FORKNUM);
	init_build(&build, heap, rel, index_info);
	build.is_leader = true;
	if (!build_in_parallel(&build))
		build_alone(&build);

	if (RelationNeedsWAL(rel))
		log_newpage_range(rel, MAIN_FORKNUM, 0, RelationGetNumberOfBlocks(rel),
						  true);

	/* what was cached of the empty index is wrong by now */
	hnsw_forget_cache(rel);

	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);

	result = palloc(sizeof(IndexBuildResult));
	result->heap_tuples = build.heap_rows;
	result->index_tuples = build.num_rows;
	return result;
}

void
hnsw_build_empty(Relation rel)
{
	create_empty(NULL, rel, NULL, INIT_FORKNUM);
}
