/*
 * hnsw_parts.c
 *		CREATE INDEX with less memory than the graph needs.
 *
 * The vectors are divided into parts of near ones (hnsw_divide.c), each vector
 * being in several of them.  Each part becomes a graph in memory, one after the
 * other; a vector's neighbours are the nearest of those it has in its parts.
 * This is how DiskANN builds (Jayaram Subramanya et al., NeurIPS 2019, section
 * 4).  README, "Less memory than the graph needs", tells the steps.
 *
 * The leader does all of this but for linking the parts' graphs.  What does not
 * fit into memory is in temporary files that are written and read in order.
 * Kept in memory is, besides one part, what is needed of all rows: 9 bytes.
 *
 * A row has an id, its place among all rows; an element that of its first row.
 * Equal codes are in the same parts, so all of these find the same elements.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "hnsw/hnsw_build.h"
#include "hnsw/hnsw_divide.h"

/* Parts that each vector is in. */
#define COPIES 3

/* Vectors of the sample for each part. */
#define SAMPLE_PER_PART 96

/* Parts are made so large that they use this much of the memory. */
#define PART_FILL 0.8

/* A part of fewer elements makes no good graph, whatever memory there is. */
#define MIN_PART_ELEMENTS 1000

/* More parts than this are never needed: by then memory is short for files. */
#define MAX_PARTS 4096

/* Memory that an open temporary file takes. */
#define FILE_BYTES (BLCKSZ + 512)

#define NO_NUMBER ((HnswElement) 0xFFFFFFFF)

/* A row in a file; its code follows. */
typedef struct SpilledRow
{
	uint64			hash;
	uint32			code_bytes;
	ItemPointerData tid;
} SpilledRow;

/* The same in the file of a part. */
typedef struct PartRow
{
	SpilledRow row;
	uint32	   id;
	int32	   home; /* the part that it is in first */
} PartRow;

/* A list in a file. */
typedef struct PartEdge
{
	uint32 edge; /* of an element by its id, maybe protected */
	float  distance;
} PartEdge;

typedef struct PartList
{
	struct PartList *next; /* in memory: of the same element */

	uint32	 id;
	uint32	 count;
	PartEdge edges[FLEXIBLE_ARRAY_MEMBER];
} PartList;

typedef struct Parts
{
	HnswBuild		*build;
	MemoryContext	 context;
	const HnswCoder *coder;
	uint32			 capacity; /* of lists on level 0 */
	uint64			 num_rows;
	int				 num_parts;
	HnswDivision	 division;
	Size			 mean_code_bytes;
	Size			 element_memory;
	Size			 graph_memory; /* for one part */

	BufFile	   **spills; /* all rows */
	int			 num_spills;
	BufFile	   **rows;		   /* by part */
	BufFile	   **second_lists; /* by part: what its elements have in others */
	BufFile		*entries;	   /* in the order of numbers, as in the index */
	BufFile		*row_entries;
	BufFile		*lists;
	BufFile		*codes;
	HnswElement *first_numbers; /* by part, and the end */
	HnswCounts	 counts;

	HnswElement *numbers;  /* by id */
	uint32		*sets;	   /* by id, later by number: see find_set */
	uint8		*children; /* by id: protected edges */

	/* of the part in memory, by the graph's elements */
	uint32 *ids;
	int32  *homes;

	char	 *buffer; /* for a code */
	uint32	  buffer_bytes;
	PartList *list;
} Parts;

/* ------------------------------------------------------------------------
 * Files
 * ------------------------------------------------------------------------
 */

static Size
list_record_bytes(uint32 count)
{
	return offsetof(PartList, edges) + sizeof(PartEdge) * count;
}

static inline void
write_file(BufFile *file, const void *data, Size bytes)
{
	BufFileWrite(file, unconstify(void *, data), bytes);
}

/* False at the end of the file. */
static bool
read_file(BufFile *file, void *data, Size bytes)
{
	Size got = BufFileRead(file, data, bytes);

	if (got != 0 && got != bytes)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read from temporary file: read only "
							   "%zu of %zu bytes",
							   got, bytes)));
	return got == bytes;
}

static inline void
read_rest(BufFile *file, void *data, Size bytes)
{
	if (bytes > 0 && !read_file(file, data, bytes))
		elog(ERROR, "unexpected end of a temporary file");
}

static void
rewind_file(BufFile *file)
{
	if (BufFileSeek(file, 0, 0, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not rewind temporary file")));
}

static void
write_list_record(BufFile *file, const PartList *list)
{
	write_file(file, list, list_record_bytes(list->count));
}

static bool
read_list_record(BufFile *file, PartList *list)
{
	if (!read_file(file, list, offsetof(PartList, edges)))
		return false;
	read_rest(file, list->edges, sizeof(PartEdge) * list->count);
	return true;
}

/* ------------------------------------------------------------------------
 * Spilling
 * ------------------------------------------------------------------------
 */

static void
spill_name(char *name, int participant)
{
	snprintf(name, MAXPGPATH, "spill.%d", participant);
}

static void
open_spill(HnswBuild *build)
{
	MemoryContext old_context = MemoryContextSwitchTo(build->context);
	char		  name[MAXPGPATH];

	if (build->team == NULL)
		build->spill = BufFileCreateTemp(false);
	else
	{
		spill_name(name, ParallelWorkerNumber + 1);
		build->spill = BufFileCreateFileSet(&build->shared->files.fs, name);
	}
	MemoryContextSwitchTo(old_context);
}

void
hnsw_parts_spill(HnswBuild *build, const HnswCode *code, uint32 code_bytes,
				 uint64 hash, ItemPointer tid)
{
	SpilledRow row = {0};

	if (build->spill == NULL)
		open_spill(build);
	row.hash = hash;
	row.code_bytes = code_bytes;
	row.tid = *tid;
	write_file(build->spill, &row, sizeof(row));
	write_file(build->spill, code, code_bytes);
	(void) pg_atomic_fetch_add_u64(&build->shared->spilled_bytes, code_bytes);
}

void
hnsw_parts_finish_spill(HnswBuild *build)
{
	/* the leader goes on with its file */
	if (build->spill == NULL || build->is_leader)
		return;
	BufFileExportFileSet(build->spill);
	BufFileClose(build->spill);
	build->spill = NULL;
}

/* The rows that the graph holds go to the leader's file. */
static void
spill_graph(HnswBuild *build)
{
	HnswGraph *graph = &build->graph;

	hnsw_graph_attach_rows(graph);
	for (HnswElement i = 0; i < graph->num_elements; i++)
	{
		const HnswGraphEntry *entry = hnsw_graph_entry(graph, i);
		const HnswCode		 *code = hnsw_graph_code(graph, i);
		uint32			code_bytes = hnsw_code_length(graph->coder, code);
		ItemPointerData tid = entry->tid;
		uint32			row = entry->last_row;

		CHECK_FOR_INTERRUPTS();
		hnsw_parts_spill(build, code, code_bytes, entry->hash, &tid);
		if (row == HNSW_GRAPH_NO_ROW)
			continue;
		do
		{
			row = hnsw_graph_row(graph, row)->next_row;
			tid = hnsw_graph_row(graph, row)->tid;
			hnsw_parts_spill(build, code, code_bytes, entry->hash, &tid);
		} while (row != entry->last_row);
	}
}

/* The files of all processes. */
static void
collect_spills(Parts *parts)
{
	HnswBuild *build = parts->build;
	int		   participants = build->shared->participants;
	char	   name[MAXPGPATH];

	parts->spills = palloc(sizeof(BufFile *) * participants);
	parts->spills[parts->num_spills++] = build->spill;
	build->spill = NULL;
	for (int i = 1; i < participants; i++)
	{
		BufFile *file;

		spill_name(name, i);
		file = BufFileOpenFileSet(&build->shared->files.fs, name, O_RDONLY,
								  true);
		if (file != NULL)
			parts->spills[parts->num_spills++] = file;
	}
}

/* Read a code into parts->buffer. */
static void
read_code(Parts *parts, BufFile *file, uint32 code_bytes)
{
	if (code_bytes > parts->buffer_bytes)
	{
		parts->buffer = repalloc(parts->buffer, code_bytes);
		parts->buffer_bytes = code_bytes;
	}
	read_rest(file, parts->buffer, code_bytes);
}

/* A code after its length. */
static void
write_code_record(BufFile *file, const void *code, uint32 code_bytes)
{
	write_file(file, &code_bytes, sizeof(code_bytes));
	write_file(file, code, code_bytes);
}

static uint32
read_code_record(Parts *parts, BufFile *file)
{
	uint32 code_bytes;

	read_rest(file, &code_bytes, sizeof(code_bytes));
	read_code(parts, file, code_bytes);
	return code_bytes;
}

/* Go through all rows; the code is left in parts->buffer. */
typedef void (*RowCallback)(Parts *parts, const SpilledRow *row, uint32 id,
							void *state);

static void
for_all_rows(Parts *parts, RowCallback callback, void *state)
{
	uint32 id = 0;

	for (int i = 0; i < parts->num_spills; i++)
	{
		SpilledRow row;

		rewind_file(parts->spills[i]);
		while (read_file(parts->spills[i], &row, sizeof(row)))
		{
			CHECK_FOR_INTERRUPTS();
			read_code(parts, parts->spills[i], row.code_bytes);
			callback(parts, &row, id++, state);
		}
	}
	if (id != parts->num_rows)
		elog(ERROR, "%u rows were spilled, not " UINT64_FORMAT, id,
			 parts->num_rows);
}

/* ------------------------------------------------------------------------
 * Dividing
 * ------------------------------------------------------------------------
 */

typedef struct SampleState
{
	pg_prng_state	 random;
	const HnswCode **codes;
	uint32			 count;
	uint32			 wanted;
} SampleState;

/* Selection sampling: Knuth, The Art of Computer Programming 2, 3.4.2, S. */
static void
sample_row(Parts *parts, const SpilledRow *row, uint32 id, void *state)
{
	SampleState *sample = state;
	uint32		 left = sample->wanted - sample->count;
	char		*copy;

	if (pg_prng_uint64_range(&sample->random, 0, parts->num_rows - id - 1) >=
		left)
		return;
	copy = palloc(row->code_bytes);
	memcpy(copy, parts->buffer, row->code_bytes);
	sample->codes[sample->count++] = (const HnswCode *) copy;
}

static void
assign_row(Parts *parts, const SpilledRow *row, uint32 id, void *state)
{
	int		found[COPIES];
	int		count = hnsw_division_find(&parts->division,
									   (const HnswCode *) parts->buffer, found,
									   COPIES);
	PartRow part_row;

	memset(&part_row, 0, sizeof(part_row));
	part_row.row = *row;
	part_row.id = id;
	part_row.home = found[0];
	for (int i = 0; i < count; i++)
	{
		write_file(parts->rows[found[i]], &part_row, sizeof(part_row));
		write_file(parts->rows[found[i]], parts->buffer, row->code_bytes);
	}
	if (id % 1024 == 1023)
		hnsw_build_count_done(parts->build, 1024);
}

/* How many parts there have to be, and what memory each has. */
static void
plan_parts(Parts *parts)
{
	HnswBuild *build = parts->build;
	Size	   limit = build->shared->memory_limit;
	Size	   fixed = 9 * parts->num_rows;
	double needed = (double) COPIES * parts->num_rows * parts->element_memory;
	int	   num_parts = 1;

	for (;;)
	{
		Size files = (Size) FILE_BYTES * (2 * num_parts + 8);
		Size rest = limit > fixed + files ? limit - fixed - files : 0;

		parts->graph_memory = Max(rest, (Size) (MIN_PART_ELEMENTS *
												parts->element_memory));
		if (needed <= parts->graph_memory * PART_FILL * num_parts ||
			num_parts >= MAX_PARTS)
			break;
		num_parts++;
	}
	/* with less, a sample is of no use */
	parts->num_parts = Max(1, Min((uint64) num_parts, parts->num_rows / 16));
}

static void
divide_rows(Parts *parts)
{
	HnswBuild	 *build = parts->build;
	SampleState	  sample;
	MemoryContext sample_context;
	MemoryContext old_context;

	plan_parts(parts);
	hnsw_build_start_phase(build, HNSW_PHASE_DIVIDE, parts->num_rows);
	parts->rows = palloc0(sizeof(BufFile *) * parts->num_parts);
	parts->second_lists = palloc0(sizeof(BufFile *) * parts->num_parts);

	sample_context = AllocSetContextCreate(parts->context, "hnsw build sample",
										   ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(sample_context);
	sample.wanted = Min((uint64) parts->num_parts * SAMPLE_PER_PART,
						parts->graph_memory / 2 / parts->mean_code_bytes);
	sample.wanted = Max(sample.wanted, 2 * parts->num_parts);
	sample.wanted = Min(sample.wanted, parts->num_rows);
	sample.count = 0;
	sample.codes = palloc_extended(sizeof(HnswCode *) * sample.wanted,
								   MCXT_ALLOC_HUGE);
	pg_prng_seed(&sample.random, build->index->seed);
	for_all_rows(parts, sample_row, &sample);
	hnsw_divide(&parts->division, parts->coder, sample.codes, sample.count,
				parts->num_parts, &sample.random);
	MemoryContextSwitchTo(old_context);

	for (int i = 0; i < parts->num_parts; i++)
		parts->rows[i] = BufFileCreateTemp(false);
	for_all_rows(parts, assign_row, NULL);

	for (int i = 0; i < parts->num_spills; i++)
		BufFileClose(parts->spills[i]);
	MemoryContextDelete(sample_context);
}

/* ------------------------------------------------------------------------
 * Parts
 * ------------------------------------------------------------------------
 */

/* Sets of elements that protected edges join: the root of a set. */
static uint32
find_set(Parts *parts, uint32 i)
{
	while (parts->sets[i] != i)
	{
		parts->sets[i] = parts->sets[parts->sets[i]];
		i = parts->sets[i];
	}
	return i;
}

/* Take the protection off an edge. */
static void
unprotect(const HnswGraph *graph, HnswElement element, HnswElement target)
{
	HnswGraphList *list = hnsw_graph_list(graph, element, 0);

	for (int i = 0; i < list->count; i++)
	{
		if (list->edges[i] == (target | HNSW_PROTECTED))
			list->edges[i] = target;
	}
}

/*
 * Each part has a tree of its own.  Together they must be one: an edge of this
 * part stays protected if it joins what was apart so far.
 */
static void
join_tree(Parts *parts)
{
	HnswGraph *graph = &parts->build->graph;
	uint32	   m = parts->build->index->m;

	for (HnswElement i = 0; i < graph->num_elements; i++)
	{
		HnswGraphList *list = hnsw_graph_list(graph, i, 0);
		uint32		   id = parts->ids[i];

		for (int e = 0; e < list->count; e++)
		{
			HnswElement target = HNSW_EDGE_TARGET(list->edges[e]);
			uint32		target_id = parts->ids[target];
			uint32		set;
			uint32		target_set;

			if (!HNSW_EDGE_IS_PROTECTED(list->edges[e]) || target < i)
				continue;
			set = find_set(parts, id);
			target_set = find_set(parts, target_id);
			if (set != target_set && parts->children[id] < m &&
				parts->children[target_id] < m)
			{
				parts->sets[set] = target_set;
				parts->children[id]++;
				parts->children[target_id]++;
				continue;
			}
			list->edges[e] = target;
			unprotect(graph, target, i);
		}
	}
}

/* The list of an element of the graph, by ids. */
static void
copy_list(Parts *parts, HnswElement element, PartList *copy)
{
	const HnswGraph *graph = &parts->build->graph;
	HnswGraphList	*list = hnsw_graph_list(graph, element, 0);
	const float *distances = (const float *) (list->edges + parts->capacity);

	copy->id = parts->ids[element];
	copy->count = list->count;
	for (int i = 0; i < list->count; i++)
	{
		copy->edges[i].edge = parts->ids[HNSW_EDGE_TARGET(list->edges[i])] |
							  (list->edges[i] & HNSW_PROTECTED);
		copy->edges[i].distance = distances[i];
	}
}

/* The entries of an element and its further rows, as in the index. */
static void
emit_entries(Parts *parts, HnswElement element, HnswElement number)
{
	const HnswGraph		 *graph = &parts->build->graph;
	const HnswGraphEntry *from = hnsw_graph_entry(graph, element);
	HnswEntry			  entry = {0};
	uint32				  row = from->last_row;

	/* of further rows the place among all; what they begin at is not known */
	entry.tid = from->tid;
	entry.state = HNSW_ENTRY_ELEMENT;
	entry.hash_or_head = (uint32) from->hash;
	entry.hash_high = (uint32) (from->hash >> 32);
	entry.next = row == HNSW_GRAPH_NO_ROW ? HNSW_NONE : parts->counts.rows;
	write_file(parts->entries, &entry, sizeof(entry));
	if (row == HNSW_GRAPH_NO_ROW)
		return;
	do
	{
		row = hnsw_graph_row(graph, row)->next_row;
		memset(&entry, 0, sizeof(entry));
		entry.tid = hnsw_graph_row(graph, row)->tid;
		entry.state = HNSW_ENTRY_ROW;
		entry.hash_or_head = number;
		entry.next = row == from->last_row ? HNSW_NONE
										   : parts->counts.rows + 1;
		parts->counts.rows++;
		write_file(parts->row_entries, &entry, sizeof(entry));
	} while (row != from->last_row);
}

static void
emit_code(Parts *parts, HnswElement element, HnswElement number)
{
	const HnswCode *code = hnsw_graph_code(&parts->build->graph, element);

	write_code_record(parts->codes, code,
					  hnsw_code_length(parts->coder, code));
	if (hnsw_codes_vary(parts->coder->encoding))
		parts->counts.chunks +=
			hnsw_code_source(parts->build->index, number, code).chunks;
}

/*
 * Write what is to be kept of the linked graph.  The elements that are at home
 * in the part get numbers, neighbours close to each other.
 */
static void
emit_graph(Parts *parts, int part)
{
	HnswGraph	 *graph = &parts->build->graph;
	MemoryContext old_context = MemoryContextSwitchTo(graph->context);
	HnswElement	 *order = palloc_extended(sizeof(HnswElement) *
											  graph->num_elements,
										  MCXT_ALLOC_HUGE);

	/* one of COPIES elements gets a number here */
	hnsw_graph_number(graph, NULL,
					  COPIES * parts->build->index->geometry.codes.per_page,
					  order);
	MemoryContextSwitchTo(old_context);
	join_tree(parts);
	for (uint32 i = 0; i < graph->num_elements; i++)
	{
		HnswElement element = order[i];

		CHECK_FOR_INTERRUPTS();
		copy_list(parts, element, parts->list);
		if (parts->homes[element] == part)
		{
			HnswElement number = parts->counts.elements++;

			parts->numbers[parts->ids[element]] = number;
			emit_entries(parts, element, number);
			write_list_record(parts->lists, parts->list);
			emit_code(parts, element, number);
		}
		else
			write_list_record(parts->second_lists[parts->homes[element]],
							  parts->list);
	}
}

/*
 * Load rows of a part until the file ends or memory is full; *more tells which.
 * False if there is no memory.
 */
static bool
load_part(Parts *parts, BufFile *file, PartRow *row, bool *more)
{
	HnswGraph		 *graph = &parts->build->graph;
	pg_atomic_uint32 *num_elements = &graph->shared->num_elements;
	uint32			  allocated = 1024;

	parts->ids = MemoryContextAlloc(graph->context,
									sizeof(uint32) * allocated);
	parts->homes = MemoryContextAlloc(graph->context,
									  sizeof(int32) * allocated);
	while (*more && !hnsw_graph_is_full(graph))
	{
		uint32 element = pg_atomic_read_u32(num_elements);

		CHECK_FOR_INTERRUPTS();
		read_code(parts, file, row->row.code_bytes);
		if (!hnsw_graph_add(graph, (const HnswCode *) parts->buffer,
							row->row.code_bytes, row->row.hash, &row->row.tid))
			return false;
		if (pg_atomic_read_u32(num_elements) > element)
		{
			if (element == allocated)
			{
				allocated *= 2;
				parts->ids = repalloc_huge(parts->ids,
										   sizeof(uint32) * allocated);
				parts->homes = repalloc_huge(parts->homes,
											 sizeof(int32) * allocated);
			}
			parts->ids[element] = row->id;
			parts->homes[element] = row->home;
		}
		*more = read_file(file, row, sizeof(PartRow));
	}
	return true;
}

/*
 * Link a part, or if it is too large one piece of it after the other.  False
 * if there is no memory.
 */
static bool
build_part(Parts *parts, int part)
{
	HnswBuild *build = parts->build;
	BufFile	  *file = parts->rows[part];
	PartRow	   row;
	bool	   more;

	parts->first_numbers[part] = parts->counts.elements;
	rewind_file(file);
	more = read_file(file, &row, sizeof(row));
	while (more)
	{
		if (!hnsw_build_start_graph(build, build->index->m,
									parts->graph_memory, parts->num_rows) ||
			!load_part(parts, file, &row, &more) ||
			!hnsw_build_link_graph(build))
			return false;
		emit_graph(parts, part);
		hnsw_build_free_graph(build);
	}
	BufFileClose(file);
	parts->rows[part] = NULL;
	return true;
}

static bool
build_parts(Parts *parts)
{
	HnswBuild *build = parts->build;

	hnsw_build_start_phase(build, HNSW_PHASE_LINK, COPIES * parts->num_rows);
	parts->first_numbers = palloc(sizeof(HnswElement) *
								  (parts->num_parts + 1));
	parts->numbers = palloc_extended(sizeof(HnswElement) * parts->num_rows,
									 MCXT_ALLOC_HUGE);
	parts->sets = palloc_extended(sizeof(uint32) * parts->num_rows,
								  MCXT_ALLOC_HUGE);
	parts->children = palloc_extended(parts->num_rows,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < parts->num_rows; i++)
	{
		parts->numbers[i] = NO_NUMBER;
		parts->sets[i] = i;
	}
	parts->entries = BufFileCreateTemp(false);
	parts->row_entries = BufFileCreateTemp(false);
	parts->lists = BufFileCreateTemp(false);
	parts->codes = BufFileCreateTemp(false);
	for (int i = 0; i < parts->num_parts; i++)
		parts->second_lists[i] = BufFileCreateTemp(false);

	for (int i = 0; i < parts->num_parts; i++)
	{
		if (!build_part(parts, i))
			return false;
	}
	parts->first_numbers[parts->num_parts] = parts->counts.elements;
	pfree(parts->children);
	return true;
}

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------
 */

/* A run of pages that is filled slot by slot. */
typedef struct SlotWriter
{
	HnswBuild	*build;
	BlockNumber	 block; /* the next to add */
	HnswPageKind kind;
	uint32		 slot_bytes;
	uint32		 per_page;
	uint32		 next_slot;
	Buffer		 buffer;
} SlotWriter;

static void
start_writer(SlotWriter *writer, HnswBuild *build, BlockNumber block,
			 HnswPageKind kind, uint32 slot_bytes, uint32 per_page)
{
	writer->build = build;
	writer->block = block;
	writer->kind = kind;
	writer->slot_bytes = slot_bytes;
	writer->per_page = per_page;
	writer->next_slot = 0;
	writer->buffer = InvalidBuffer;
}

/*
 * The next slot, all zeros.  Its page is locked until the one after is asked
 * for.
 */
static void *
next_slot(SlotWriter *writer)
{
	uint32 slot = writer->next_slot++ % writer->per_page;

	if (slot == 0)
	{
		if (BufferIsValid(writer->buffer))
			UnlockReleaseBuffer(writer->buffer);
		writer->buffer = hnsw_build_add_array_page(writer->build,
												   writer->block++,
												   writer->kind);
	}
	return HnswPageGetSlot(BufferGetPage(writer->buffer), slot,
						   writer->slot_bytes);
}

/*
 * Add the pages up to `end` that have only free slots, for later elements.
 * Entries pages stay as they are then, all zero.
 */
static void
finish_writer(SlotWriter *writer, BlockNumber end)
{
	if (BufferIsValid(writer->buffer))
		UnlockReleaseBuffer(writer->buffer);
	writer->buffer = InvalidBuffer;
	for (; writer->block < end; writer->block++)
		UnlockReleaseBuffer(
			writer->kind == HNSW_PAGE_ENTRIES
				? hnsw_build_add_page(writer->build, writer->block)
				: hnsw_build_add_array_page(writer->build, writer->block,
											writer->kind));
}

static void
write_entries(Parts *parts, BufFile *file, BlockNumber block, BlockNumber end,
			  HnswElement first_row)
{
	HnswBuild *build = parts->build;
	SlotWriter writer;
	HnswEntry  entry;

	start_writer(&writer, build, block, HNSW_PAGE_ENTRIES, sizeof(HnswEntry),
				 build->index->geometry.entries_per_page);
	rewind_file(file);
	while (read_file(file, &entry, sizeof(entry)))
	{
		if (entry.next != HNSW_NONE)
			entry.next += first_row;
		*(HnswEntry *) next_slot(&writer) = entry;
	}
	finish_writer(&writer, end);
	BufFileClose(file);
}

static int
compare_targets(const void *a, const void *b)
{
	uint32 x = HNSW_EDGE_TARGET(((const PartEdge *) a)->edge);
	uint32 y = HNSW_EDGE_TARGET(((const PartEdge *) b)->edge);

	return x < y ? -1 : x > y ? 1 : 0;
}

/* Protected edges first, then the shortest. */
static int
compare_rank(const void *a, const void *b)
{
	const PartEdge *x = a;
	const PartEdge *y = b;
	int				protected_x = HNSW_EDGE_IS_PROTECTED(x->edge);
	int				protected_y = HNSW_EDGE_IS_PROTECTED(y->edge);

	if (protected_x != protected_y)
		return protected_y - protected_x;
	return x->distance < y->distance ? -1 : x->distance > y->distance ? 1 : 0;
}

/* Add the edges of a list of ids to edges by number. */
static uint32
add_edges(Parts *parts, const PartList *list, HnswElement number,
		  PartEdge *edges, uint32 count)
{
	for (uint32 i = 0; i < list->count; i++)
	{
		HnswElement target =
			parts->numbers[HNSW_EDGE_TARGET(list->edges[i].edge)];

		/* a row whose element was another one in the part it is at home in */
		if (target == NO_NUMBER || target == number)
			continue;
		edges[count].edge = target | (list->edges[i].edge & HNSW_PROTECTED);
		edges[count++].distance = list->edges[i].distance;
	}
	return count;
}

/*
 * An element's list from those it has in the part it is at home in, and in
 * others.  edges: work space.
 */
static void
merge_lists(Parts *parts, HnswElement number, const PartList *first,
			const PartList *others, PartEdge *edges, HnswList *list)
{
	uint32 count = add_edges(parts, first, number, edges, 0);
	uint32 kept = 0;

	for (; others != NULL; others = others->next)
		count = add_edges(parts, others, number, edges, count);
	qsort(edges, count, sizeof(PartEdge), compare_targets);
	for (uint32 i = 0; i < count; i++)
	{
		if (kept > 0 && HNSW_EDGE_TARGET(edges[i].edge) ==
							HNSW_EDGE_TARGET(edges[kept - 1].edge))
			edges[kept - 1].edge |= edges[i].edge & HNSW_PROTECTED;
		else
			edges[kept++] = edges[i];
	}
	if (kept > parts->capacity)
	{
		qsort(edges, kept, sizeof(PartEdge), compare_rank);
		kept = parts->capacity;
		qsort(edges, kept, sizeof(PartEdge), compare_targets);
	}
	list->count = kept;
	for (uint32 i = 0; i < kept; i++)
	{
		uint32 set;

		list->edges[i] = edges[i].edge;
		if (!HNSW_EDGE_IS_PROTECTED(edges[i].edge))
			continue;
		set = find_set(parts, HNSW_EDGE_TARGET(edges[i].edge));
		parts->sets[find_set(parts, number)] = set;
	}
}

/* The lists that elements at home in a part have in their second parts. */
static PartList **
load_second_lists(Parts *parts, int part)
{
	BufFile	   *file = parts->second_lists[part];
	HnswElement first = parts->first_numbers[part];
	uint32		count = parts->first_numbers[part + 1] - first;
	PartList  **lists = palloc_extended(sizeof(PartList *) * Max(count, 1),
										MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	rewind_file(file);
	while (read_list_record(file, parts->list))
	{
		HnswElement number = parts->numbers[parts->list->id];
		PartList   *copy;

		CHECK_FOR_INTERRUPTS();
		if (number == NO_NUMBER)
			continue;
		copy = palloc(list_record_bytes(parts->list->count));
		memcpy(copy, parts->list, list_record_bytes(parts->list->count));
		copy->next = lists[number - first];
		lists[number - first] = copy;
	}
	BufFileClose(file);
	return lists;
}

static void
write_lists(Parts *parts, BlockNumber block, BlockNumber end)
{
	HnswBuild	 *build = parts->build;
	SlotWriter	  writer;
	PartEdge	 *edges = palloc(sizeof(PartEdge) * COPIES * parts->capacity);
	MemoryContext part_context = AllocSetContextCreate(parts->context,
													   "hnsw build lists",
													   ALLOCSET_DEFAULT_SIZES);

	/* from here on sets are of numbers */
	for (HnswElement i = 0; i < parts->counts.elements; i++)
		parts->sets[i] = i;
	start_writer(&writer, build, block, HNSW_PAGE_EDGES,
				 build->index->geometry.list_bytes,
				 build->index->geometry.lists_per_page);
	rewind_file(parts->lists);
	for (int part = 0; part < parts->num_parts; part++)
	{
		HnswElement	  first = parts->first_numbers[part];
		HnswElement	  end = parts->first_numbers[part + 1];
		MemoryContext old_context = MemoryContextSwitchTo(part_context);
		PartList	**second_lists = load_second_lists(parts, part);

		MemoryContextSwitchTo(old_context);
		for (HnswElement number = first; number < end; number++)
		{
			if (!read_list_record(parts->lists, parts->list))
				elog(ERROR, "unexpected end of a temporary file");
			merge_lists(parts, number, parts->list,
						second_lists[number - first], edges,
						(HnswList *) next_slot(&writer));
		}
		MemoryContextReset(part_context);
	}
	finish_writer(&writer, end);
	BufFileClose(parts->lists);
	MemoryContextDelete(part_context);
}

/* The file of codes as a source by ascending numbers. */
typedef struct CodeReader
{
	Parts	   *parts;
	HnswElement next; /* the one before is in parts->buffer */
} CodeReader;

static const HnswCode *
next_code(void *state, HnswElement number)
{
	CodeReader *reader = state;

	for (; reader->next <= number; reader->next++)
		(void) read_code_record(reader->parts, reader->parts->codes);
	return (const HnswCode *) reader->parts->buffer;
}

static void
write_codes(Parts *parts, const HnswExtentLayout *layout)
{
	CodeReader reader = {parts, 0};

	rewind_file(parts->codes);
	hnsw_build_write_codes(parts->build, layout, parts->counts.elements,
						   next_code, &reader);
	if (layout->refinements < layout->overflow)
	{
		reader.next = 0;
		rewind_file(parts->codes);
		hnsw_build_write_refinements(parts->build, layout,
									 parts->counts.elements, next_code,
									 &reader);
	}
	if (parts->counts.chunks == 0)
		return;
	reader.next = 0;
	rewind_file(parts->codes);
	hnsw_build_write_chunks(parts->build, layout, parts->counts.elements,
							next_code, &reader);
}

/* The codes of elements on upper levels, each after its number. */
static BufFile *
collect_upper_codes(Parts *parts, const HnswExtentLayout *layout)
{
	const HnswIndex *index = parts->build->index;
	BufFile			*file = BufFileCreateTemp(false);

	rewind_file(parts->codes);
	for (HnswElement number = 0; number < parts->counts.elements; number++)
	{
		uint32 code_bytes = read_code_record(parts, parts->codes);

		CHECK_FOR_INTERRUPTS();
		if (hnsw_element_level(&index->geometry, layout, index->seed,
							   number) == 0)
			continue;
		write_file(file, &number, sizeof(number));
		write_code_record(file, parts->buffer, code_bytes);
	}
	BufFileClose(parts->codes);
	return file;
}

/* ------------------------------------------------------------------------
 * Upper levels
 * ------------------------------------------------------------------------
 */

/* The lists of level 0 of the graph in memory become those of a level. */
static void
write_upper_lists(Parts *parts, const HnswExtentLayout *layout, int level)
{
	HnswBuild		*build = parts->build;
	HnswGraph		*graph = &build->graph;
	const HnswIndex *index = build->index;

	for (HnswElement i = 0; i < graph->num_elements; i++)
	{
		uint32 slot = hnsw_upper_slot(&index->geometry, layout, parts->ids[i],
									  level);
		Buffer buffer = ReadBuffer(index->rel,
								   layout->uppers +
									   slot / index->geometry.uppers_per_page);
		const HnswGraphList *from = hnsw_graph_list(graph, i, 0);
		HnswList			*list;

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		list = (HnswList *) HnswPageGetSlot(
			BufferGetPage(buffer), slot % index->geometry.uppers_per_page,
			index->geometry.upper_bytes);
		list->count = Min(from->count, index->m);
		for (int e = 0; e < list->count; e++)
			list->edges[e] = parts->ids[HNSW_EDGE_TARGET(from->edges[e])];
		MarkBufferDirty(buffer);
		UnlockReleaseBuffer(buffer);
	}
}

/*
 * Link the elements on a level by a graph of their own.  If it does not fit
 * into memory, one run of numbers after the other: each is a region, in which
 * the next higher level brings a search.  False if there is no memory.
 */
static bool
build_upper_level(Parts *parts, BufFile *codes, const HnswExtentLayout *layout,
				  int level)
{
	HnswBuild		*build = parts->build;
	const HnswIndex *index = build->index;
	HnswElement		 number;
	bool			 more;
	ItemPointerData	 no_row;

	ItemPointerSetInvalid(&no_row);
	rewind_file(codes);
	more = read_file(codes, &number, sizeof(number));
	while (more)
	{
		HnswGraph *graph = &build->graph;
		uint32	   count = 0;
		uint32	   allocated = 1024;
		uint32	   code_bytes;

		/* the lists of level 0 of its graph have the size of upper ones */
		if (!hnsw_build_start_graph(build, Max((index->m + 1) / 2, HNSW_MIN_M),
									parts->graph_memory,
									parts->counts.elements))
			return false;
		graph->shared->is_upper = true;
		parts->ids = MemoryContextAlloc(graph->context,
										sizeof(uint32) * allocated);
		while (more && !hnsw_graph_is_full(graph))
		{
			CHECK_FOR_INTERRUPTS();
			code_bytes = read_code_record(parts, codes);
			if (hnsw_element_level(&index->geometry, layout, index->seed,
								   number) >= level)
			{
				if (count == allocated)
				{
					allocated *= 2;
					parts->ids = repalloc_huge(parts->ids,
											   sizeof(uint32) * allocated);
				}
				parts->ids[count] = number;
				/* its number as the hash: elements are different already */
				if (!hnsw_graph_add(graph, (const HnswCode *) parts->buffer,
									code_bytes, count++, &no_row))
					return false;
			}
			more = read_file(codes, &number, sizeof(number));
		}
		if (count > 0)
		{
			if (!hnsw_build_link_graph(build))
				return false;
			write_upper_lists(parts, layout, level);
		}
		hnsw_build_free_graph(build);
	}
	return true;
}

static bool
build_upper_levels(Parts *parts, BufFile *codes,
				   const HnswExtentLayout *layout, HnswEntryPoint *entry)
{
	const HnswIndex *index = parts->build->index;

	entry->element = 0;
	entry->level = 0;
	for (HnswElement i = 0; i < parts->counts.elements; i++)
	{
		int level = hnsw_element_level(&index->geometry, layout, index->seed,
									   i);

		if (level <= entry->level)
			continue;
		entry->element = i;
		entry->level = level;
	}
	for (int level = 1; level <= entry->level; level++)
	{
		if (!build_upper_level(parts, codes, layout, level))
			return false;
	}
	return true;
}

/*
 * Protected edges join all elements of a part, so mostly all elements.  What
 * they do not join is joined here, by searches.
 */
static void
join_sets(Parts *parts, HnswElement entry)
{
	HnswIndex	 *index = parts->build->index;
	HnswNumberSet joined;
	bool		  has_joined = false;
	MemoryContext context = AllocSetContextCreate(parts->context,
												  "hnsw build join",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);

	for (HnswElement i = 0; i < parts->counts.elements; i++)
	{
		uint32 set = find_set(parts, i);
		uint32 entry_set = find_set(parts, entry);

		CHECK_FOR_INTERRUPTS();
		if (set == entry_set)
			continue;
		if (!has_joined)
			hnsw_set_init(&joined, parts->counts.elements);
		has_joined = true;
		for (HnswElement j = 0; j < parts->counts.elements; j++)
		{
			if (find_set(parts, j) == entry_set)
				hnsw_set_add(&joined, j);
		}
		if (!hnsw_attach_element(index, i, &joined))
			elog(ERROR, "could not join element %u of index \"%s\"", i,
				 RelationGetRelationName(index->rel));
		parts->sets[set] = entry_set;
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

static void
write_index(Parts *parts)
{
	HnswBuild		   *build = parts->build;
	const HnswGeometry *geometry = &build->index->geometry;
	HnswExtent			extent = hnsw_build_extent(build, &parts->counts);
	HnswExtentLayout	layout;
	HnswElement			first_row;
	HnswEntryPoint		entry;
	SlotWriter			uppers; /* filled later */
	BufFile			   *upper_codes;

	hnsw_extent_layout(geometry, &extent, &layout);
	hnsw_build_start_phase(build, HNSW_PHASE_WRITE,
						   layout.end_block - layout.entries);
	first_row = layout.first +
				layout.element_pages * geometry->entries_per_page;

	write_entries(parts, parts->entries, layout.entries,
				  layout.entries + layout.element_pages, first_row);
	write_entries(parts, parts->row_entries,
				  layout.entries + layout.element_pages, layout.lists,
				  first_row);
	write_lists(parts, layout.lists, layout.uppers);
	start_writer(&uppers, build, layout.uppers, HNSW_PAGE_UPPER,
				 geometry->upper_bytes, geometry->uppers_per_page);
	finish_writer(&uppers, layout.codes);
	write_codes(parts, &layout);
	upper_codes = collect_upper_codes(parts, &layout);

	hnsw_build_start_phase(build, HNSW_PHASE_LINK, 0);
	/* too late to begin anew: the index has pages */
	if (!build_upper_levels(parts, upper_codes, &layout, &entry))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
				 errdetail("Failed while building the upper levels of index "
						   "\"%s\".",
						   RelationGetRelationName(build->index->rel))));
	BufFileClose(upper_codes);
	hnsw_build_write_metapage(build, &extent, &parts->counts, entry);
	hnsw_forget_cache(build->index->rel);
	join_sets(parts, entry.element);
}

static void
close_file(BufFile *file)
{
	if (file != NULL)
		BufFileClose(file);
}

/* There was no memory for a part: leave room for whoever begins anew. */
static void
give_up(Parts *parts)
{
	HnswBuild *build = parts->build;

	for (int i = 0; i < parts->num_parts; i++)
	{
		close_file(parts->rows[i]);
		close_file(parts->second_lists[i]);
	}
	close_file(parts->entries);
	close_file(parts->row_entries);
	close_file(parts->lists);
	close_file(parts->codes);
	/* in our memory context; the workers let go when the team ends */
	if (build->graph.context != NULL)
		hnsw_graph_free(&build->graph);
}

bool
hnsw_parts_build(HnswBuild *build)
{
	Parts		  parts = {0};
	MemoryContext old_context;
	bool		  result;

	spill_graph(build);
	parts.build = build;
	parts.context = AllocSetContextCreate(CurrentMemoryContext,
										  "hnsw build parts",
										  ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(parts.context);
	parts.coder = &build->index->coder;
	parts.capacity = hnsw_list_capacity(build->index, 0);
	parts.num_rows = pg_atomic_read_u64(&build->shared->num_rows);
	parts.buffer_bytes = Max(build->index->coder.total_bytes, 1);
	parts.buffer = palloc(parts.buffer_bytes);
	parts.list = palloc(list_record_bytes(parts.capacity));
	if (parts.num_rows > HNSW_MAX_ELEMENT / 2)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("index \"%s\" would have too many rows",
							   RelationGetRelationName(build->index->rel))));

	parts.mean_code_bytes = pg_atomic_read_u64(&build->shared->spilled_bytes) /
								parts.num_rows +
							1;
	parts.element_memory = hnsw_graph_element_memory(&build->graph);
	if (hnsw_codes_vary(parts.coder->encoding))
		parts.element_memory += parts.mean_code_bytes;
	collect_spills(&parts);
	hnsw_build_free_graph(build);
	divide_rows(&parts);
	result = build_parts(&parts);
	if (result)
		write_index(&parts);
	else
		give_up(&parts);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(parts.context);
	return result;
}
