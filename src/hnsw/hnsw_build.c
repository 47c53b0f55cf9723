/*
 * hnsw_build.c
 *		CREATE INDEX and REINDEX.
 *
 * The rows are loaded into memory, linked there (hnsw_graph.c), given numbers
 * by which neighbours come to lie close to each other, and written as the one
 * extent of the index.  If the graph would not fit into maintenance_work_mem,
 * what is there is linked and written first, and the remaining rows follow by
 * the way of ordinary inserts.
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
#include "hnsw/hnsw.h"
#include "hnsw/hnsw_graph.h"

/* Phases after PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE, which is 1. */
#define PHASE_LOAD	2
#define PHASE_LINK	3
#define PHASE_WRITE 4

/*
 * Rows that decide how vectors are encoded, the first ones of the table.
 * They are kept until then, for there is no code without the decision.
 */
#define SAMPLE_ROWS 256

/* Elements between two reports of progress. */
#define PROGRESS_STEP 256

/*
 * One seed for all indexes: what is random in an index depends on the table
 * alone, so that a build can be repeated.
 */
#define SEED UINT64CONST(0x5851F42D4C957F2D)

typedef struct HnswBuild
{
	HnswIndex	 *index;
	HnswGraph	  graph;
	bool		  graph_written;
	Size		  memory_limit;
	HnswCode	 *code;		   /* work space, zero beyond the code */
	MemoryContext row_context; /* reset for each row */
	double		  num_rows;	   /* rows indexed */

	bool			sampling;
	int				sample_rows;
	const void	   *sample[SAMPLE_ROWS];
	ItemPointerData sample_tids[SAMPLE_ROWS];
	MemoryContext	sample_context;
} HnswBuild;

char *
hnsw_build_phase_name(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case PHASE_LOAD:
			return "loading tuples";
		case PHASE_LINK:
			return "building graph";
		case PHASE_WRITE:
			return "writing pages";
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

/*
 * A number says on which levels its element is, so each number takes, of all
 * elements of its level, the next one in the graph's order.  There are as many
 * as needed: the graph has the same numbers in another order.
 */
static void
number_elements(HnswBuild *build, const HnswExtentLayout *layout,
				Numbering *numbering)
{
	const HnswGraph *graph = &build->graph;
	uint32			 n = graph->num_elements;
	HnswElement		*order;
	uint32			 next[HNSW_MAX_LEVEL + 1] = {0};
	uint32			 total = 0;

	order = palloc_extended(sizeof(HnswElement) * n, MCXT_ALLOC_HUGE);
	numbering->elements = palloc_extended(sizeof(HnswElement) * n,
										  MCXT_ALLOC_HUGE);
	numbering->numbers = palloc_extended(sizeof(HnswElement) * n,
										 MCXT_ALLOC_HUGE);
	if (hnsw_graph_order(graph, order) != n)
		elog(ERROR, "not all elements of the hnsw graph can be reached");

	/* sort by level, `numbers` being the sorted array for now */
	for (uint32 i = 0; i < n; i++)
		next[hnsw_graph_level(graph, i)]++;
	for (int level = 0; level <= HNSW_MAX_LEVEL; level++)
	{
		uint32 count = next[level];

		next[level] = total;
		total += count;
	}
	for (uint32 i = 0; i < n; i++)
		numbering
			->numbers[next[hnsw_graph_level(graph, order[i])]++] = order[i];

	/* hand them out; each level's run ends where the next one's began */
	for (int level = HNSW_MAX_LEVEL; level > 0; level--)
		next[level] = next[level - 1];
	next[0] = 0;
	for (uint32 number = 0; number < n; number++)
	{
		int level = hnsw_element_level(&graph->geometry, layout, graph->seed,
									   number);

		numbering->elements[number] = numbering->numbers[next[level]++];
	}
	for (uint32 number = 0; number < n; number++)
		numbering->numbers[numbering->elements[number]] = number;
	pfree(order);
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
		uint32 last = graph->entries[numbering->elements[number]].last_row;
		uint32 row = last;

		if (last == HNSW_GRAPH_NO_ROW)
			continue;
		do
		{
			row = graph->rows[row].next_row;
			numbering->rows[n++] = row;
		} while (row != last);
	}
	Assert(n == graph->num_rows);
}

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------
 */

/* Add a page to the file, which must become `block`; locked exclusively. */
static Buffer
add_page(HnswBuild *build, BlockNumber block)
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

/* The same for a page with slots. */
static Buffer
add_array_page(HnswBuild *build, BlockNumber block, HnswPageKind kind)
{
	Buffer buffer = add_page(build, block);

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
			UnlockReleaseBuffer(add_page(build, layout->entries + i));
			continue;
		}

		buffer = add_array_page(build, layout->entries + i, HNSW_PAGE_ENTRIES);
		for (uint32 slot = 0;
			 slot < per_page && first + slot < graph->num_elements; slot++)
		{
			const HnswGraphEntry
				*from = &graph->entries[numbering->elements[first + slot]];
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
		uint32 last = graph->entries[numbering->elements[number]].last_row;
		bool   is_last = last == HNSW_GRAPH_NO_ROW;

		for (; !is_last; n++)
		{
			uint32	   row = numbering->rows[n];
			HnswEntry *entry;

			is_last = row == last;
			if (n % per_page == 0)
			{
				if (BufferIsValid(buffer))
					UnlockReleaseBuffer(buffer);
				buffer = add_array_page(build, block++, HNSW_PAGE_ENTRIES);
			}
			entry = (HnswEntry *) HnswPageGetSlot(BufferGetPage(buffer),
												  n % per_page,
												  sizeof(HnswEntry));
			entry->tid = graph->rows[row].tid;
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
		Buffer		buffer = add_array_page(build, block, HNSW_PAGE_EDGES);

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
		Buffer buffer = add_array_page(build, block, HNSW_PAGE_UPPER);

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

static void
write_codes(HnswBuild *build, const HnswExtentLayout *layout,
			const Numbering *numbering)
{
	const HnswGraph *graph = &build->graph;
	uint32			 per_page = graph->geometry.codes_per_page;
	uint32			 code_bytes = graph->geometry.code_bytes;

	for (BlockNumber block = layout->codes; block < layout->end_block; block++)
	{
		HnswElement first = (block - layout->codes) * per_page;
		Buffer		buffer = add_array_page(build, block, HNSW_PAGE_CODES);

		for (uint32 slot = 0;
			 slot < per_page && first + slot < graph->num_elements; slot++)
			memcpy(HnswPageGetSlot(BufferGetPage(buffer), slot, code_bytes),
				   hnsw_graph_code(graph, numbering->elements[first + slot]),
				   code_bytes);
		UnlockReleaseBuffer(buffer);
	}
}

/*
 * What is left of a run of entries pages for `slots` slots of which the first
 * `used` are taken.
 */
static HnswSupply
make_supply(const HnswGeometry *geometry, BlockNumber start, uint32 slots,
			uint32 used)
{
	HnswSupply	supply;
	uint32		per_page = geometry->entries_per_page;
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

static void
write_metapage(HnswBuild *build, const HnswExtent *extent,
			   const HnswExtentLayout *layout, const Numbering *numbering)
{
	Relation			rel = build->index->rel;
	const HnswGraph	   *graph = &build->graph;
	const HnswGeometry *geometry = &graph->geometry;
	Buffer				buffer = ReadBuffer(rel, HNSW_META_BLKNO);
	Page				page;
	HnswMetaPageData   *meta;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page = BufferGetPage(buffer);
	meta = HnswPageGetMeta(page);
	meta->entry_point = numbering->numbers[graph->entry_point];
	meta->entry_level = graph->entry_level;
	meta->supply[HNSW_SUPPLY_ELEMENTS] = make_supply(geometry, layout->entries,
													 layout->elements,
													 graph->num_elements);
	meta->supply[HNSW_SUPPLY_ROWS] = make_supply(
		geometry, layout->entries + layout->element_pages,
		extent->row_pages * geometry->entries_per_page, graph->num_rows);
	meta->code_kind = build->index->coder.encoding.kind;
	meta->code_bytes = geometry->code_bytes;
	meta->rotated = build->index->coder.encoding.rotated;
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
	HnswExtent			extent;
	HnswExtentLayout	layout;
	Numbering			numbering;
	MemoryContext		old_context = MemoryContextSwitchTo(graph->context);

	extent.first = 0;
	extent.elements = graph->layout.elements;
	extent.row_pages = (graph->num_rows + geometry->entries_per_page - 1) /
					   geometry->entries_per_page;
	extent.start = HNSW_META_BLKNO + 1;
	hnsw_extent_layout(geometry, &extent, &layout);

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, PHASE_WRITE);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL,
								 layout.end_block - layout.entries);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, 0);

	number_elements(build, &layout, &numbering);
	number_rows(build, &numbering);
	numbering.first_row = layout.first +
						  layout.element_pages * geometry->entries_per_page;

	write_element_entries(build, &layout, &numbering);
	write_row_entries(build, &layout, &numbering);
	write_lists(build, &layout, &numbering);
	write_uppers(build, &layout, &numbering);
	write_codes(build, &layout, &numbering);
	write_metapage(build, &extent, &layout, &numbering);

	MemoryContextSwitchTo(old_context);
}

/* ------------------------------------------------------------------------
 * Building
 * ------------------------------------------------------------------------
 */

static void
report_linked(uint32 linked)
{
	if (linked % PROGRESS_STEP == 0)
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, linked);
}

/*
 * The elements of upper levels come first.  They are spread evenly over the
 * table, so they make a sketch of the graph, even if similar rows lie
 * together there.  Then come the others, region by region of the sketch, so
 * that each finds its neighbourhood in the CPU's caches.
 */
static void
link_elements(HnswGraph *graph)
{
	MemoryContext	old_context = MemoryContextSwitchTo(graph->context);
	HnswGraphWorker worker;
	HnswElement	   *order;
	HnswElement	   *starts;
	uint32			linked = 0;
	uint32			planned;

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, PHASE_LINK);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_TOTAL,
								 graph->num_elements);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, 0);
	hnsw_graph_worker_init(&worker, graph);
	order = palloc_extended(sizeof(HnswElement) * graph->num_elements,
							MCXT_ALLOC_HUGE);
	starts = palloc_extended(sizeof(HnswElement) * graph->num_elements,
							 MCXT_ALLOC_HUGE);

	for (uint32 i = 0; i < graph->num_elements; i++)
	{
		if (hnsw_graph_level(graph, i) == 0)
			continue;
		CHECK_FOR_INTERRUPTS();
		hnsw_graph_link(&worker, i, HNSW_NONE);
		report_linked(++linked);
	}
	planned = hnsw_graph_plan(graph, order, starts);
	for (uint32 i = 0; i < planned; i++)
	{
		CHECK_FOR_INTERRUPTS();
		hnsw_graph_link(&worker, order[i], starts[order[i]]);
		report_linked(++linked);
	}
	if (linked != graph->num_elements)
		elog(ERROR, "hnsw graph has %u elements, but %u were linked",
			 graph->num_elements, linked);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, linked);
	pfree(order);
	pfree(starts);
	MemoryContextSwitchTo(old_context);
}

/* Link and write what has been loaded. */
static void
finish_graph(HnswBuild *build)
{
	HnswGraph *graph = &build->graph;

	if (graph->num_elements > 0)
	{
		hnsw_graph_finish_loading(graph);
		link_elements(graph);
		write_graph(build);
	}
	hnsw_graph_free(graph);
	build->graph_written = true;
}

/* Is there no room for one more row? */
static bool
graph_is_full(const HnswBuild *build)
{
	const HnswGraph *graph = &build->graph;

	/* numbers leave room for what rounding up to whole pages adds */
	return hnsw_graph_memory(graph, graph->num_elements + 1,
							 graph->num_rows + 1) > build->memory_limit ||
		   (uint64) graph->num_elements + graph->num_rows >
			   HNSW_MAX_ELEMENT - 3 * BLCKSZ;
}

static void
index_row(HnswBuild *build, const void *value, ItemPointer tid)
{
	HnswIndex *index = build->index;

	if (!hnsw_encode(&index->coder, value, build->code))
		return;
	build->num_rows++;

	if (!build->graph_written && graph_is_full(build))
	{
		ereport(
			NOTICE,
			(errmsg("maintenance_work_mem holds only the first " INT64_FORMAT
					" rows of index \"%s\"",
					(int64) build->num_rows - 1,
					RelationGetRelationName(index->rel)),
			 errdetail(
				 "The others are inserted one by one, which takes several times longer."),
			 errhint(
				 "Raise maintenance_work_mem and build the index again.")));
		finish_graph(build);
		pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, PHASE_LOAD);
	}

	if (build->graph_written)
		hnsw_insert_value(index, value, tid);
	else
		hnsw_graph_add(&build->graph, build->code, index->geometry.code_bytes,
					   hnsw_value_hash(&index->coder, value), tid);
}

/* Decide how to encode, then index the rows that were kept for that. */
static void
finish_sample(HnswBuild *build)
{
	HnswIndex	 *index = build->index;
	VectorOpclass opclass = index->coder.opclass;
	MemoryContext old_context = MemoryContextSwitchTo(build->sample_context);
	HnswEncoding  encoding;

	encoding = hnsw_choose_encoding(&opclass, index->dimensions, index->seed,
									build->sample, build->sample_rows);
	MemoryContextSwitchTo(index->context);
	hnsw_set_encoding(index, encoding);
	hnsw_graph_init(&build->graph, index, index->geometry.code_bytes);
	build->code = palloc0(index->geometry.code_bytes);
	build->sampling = false;

	MemoryContextSwitchTo(build->row_context);
	for (int i = 0; i < build->sample_rows; i++)
	{
		index_row(build, build->sample[i], &build->sample_tids[i]);
		MemoryContextReset(build->row_context);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(build->sample_context);
}

/* Keep a row for the sample. */
static void
sample_row(HnswBuild *build, Datum datum, ItemPointer tid)
{
	const void *value;

	MemoryContextSwitchTo(build->sample_context);
	value = PG_DETOAST_DATUM_COPY(datum);
	hnsw_check_dimensions(&build->index->coder, value);
	build->sample[build->sample_rows] = value;
	build->sample_tids[build->sample_rows++] = *tid;
	if (build->sample_rows == SAMPLE_ROWS)
		finish_sample(build);
}

static void
build_callback(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
			   bool tuple_is_alive, void *state)
{
	HnswBuild	 *build = state;
	MemoryContext old_context;

	if (isnull[0])
		return;

	CHECK_FOR_INTERRUPTS();
	old_context = MemoryContextSwitchTo(build->row_context);
	if (build->sampling)
		sample_row(build, values[0], tid);
	else
	{
		const void *value = PG_DETOAST_DATUM(values[0]);

		hnsw_check_dimensions(&build->index->coder, value);
		index_row(build, value, tid);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(build->row_context);
}

/* The metapage of an empty index. */
static void
create_empty(Relation rel, ForkNumber fork)
{
	VectorOpclass opclass;
	uint32		  dimensions;

	vector_opclass_lookup(rel, &opclass);
	vector_opclass_check_operator(rel);
	(void) hnsw_option_ef_construction(
		rel); /* errors before there is a page */
	dimensions = hnsw_column_dimensions(rel, &opclass);
	hnsw_create_metapage(rel, fork, dimensions, &opclass, SEED,
						 hnsw_choose_encoding(&opclass, dimensions, SEED, NULL,
											  0));
}

IndexBuildResult *
hnsw_build(Relation heap, Relation rel, IndexInfo *index_info)
{
	HnswBuild		  build = {0};
	IndexBuildResult *result;
	MemoryContext	  context = AllocSetContextCreate(CurrentMemoryContext,
													  "hnsw build",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext	  old_context = MemoryContextSwitchTo(context);
	double			  heap_rows;

	/* a truncated relation may still have what was cached of its last index */
	hnsw_forget_cache(rel);

	create_empty(rel, MAIN_FORKNUM);
	build.index = hnsw_open(rel);
	build.index->building = true;
	build.memory_limit = (Size) maintenance_work_mem * 1024;
	build.row_context = AllocSetContextCreate(context, "hnsw build row",
											  ALLOCSET_DEFAULT_SIZES);
	build.sampling = true;
	build.sample_context = AllocSetContextCreate(context, "hnsw build sample",
												 ALLOCSET_DEFAULT_SIZES);

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, PHASE_LOAD);
	heap_rows = table_index_build_scan(heap, rel, index_info, true, true,
									   build_callback, &build, NULL);
	if (build.sampling)
		finish_sample(&build);
	if (!build.graph_written)
		finish_graph(&build);

	if (RelationNeedsWAL(rel))
		log_newpage_range(rel, MAIN_FORKNUM, 0, RelationGetNumberOfBlocks(rel),
						  true);

	/* what was cached of the empty index is wrong by now */
	hnsw_forget_cache(rel);

	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);

	result = palloc(sizeof(IndexBuildResult));
	result->heap_tuples = heap_rows;
	result->index_tuples = build.num_rows;
	return result;
}

void
hnsw_build_empty(Relation rel)
{
	create_empty(rel, INIT_FORKNUM);
}
