/*
 * hnsw_parts.c
 *		CREATE INDEX with less memory than the graph needs.
 *
 * The vectors are divided into parts of near ones (hnsw_divide.c).  Each part
 * becomes a graph in memory, one after the other, in which vectors of earlier
 * parts near to its border look for neighbours, too, as guests.  README, "Less
 * memory than the graph needs", tells the steps.
 *
 * The leader does all of this but for linking the parts' graphs and finding
 * neighbours for guests.  What does not fit into memory is in temporary files
 * that are written and read in order; nothing is kept of each row in memory.
 *
 * Equal codes are in the same part, so rows of equal value share an element.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "hnsw/hnsw_build.h"
#include "hnsw/hnsw_divide.h"

/* Parts in which each vector looks for neighbours, its own included. */
#define PARTS_OF_VECTOR HNSW_MAX_PARTS_FOUND

/* Vectors of the sample for each part. */
#define SAMPLE_PER_PART 256

/* Parts are made so large that they use this much of the memory. */
#define PART_FILL 0.85

/* A part of fewer elements makes no good graph, whatever memory there is. */
#define MIN_PART_ELEMENTS 1000

/* Guests that find their neighbours at a time, for so many elements of a part. */
#define ELEMENTS_PER_GUEST 16
#define MIN_GUESTS		   64
#define MAX_GUESTS		   4096

/* More parts than this are never needed: by then memory is short for files. */
#define MAX_PARTS 4096

/* Memory that an open temporary file takes. */
#define FILE_BYTES (BLCKSZ + 512)

/* A row in a file; its code follows. */
typedef struct SpilledRow
{
	uint64			hash;
	uint32			code_bytes;
	ItemPointerData tid;
} SpilledRow;

/* Where a vector is a guest: parts after its own, nearest first. */
typedef struct Visits
{
	uint16 count;
	uint16 parts[PARTS_OF_VECTOR];
} Visits;

/* A row in the file of its part; its code follows. */
typedef struct PartRow
{
	SpilledRow row;
	Visits	   visits;
} PartRow;

/* A guest in the file of a part that it visits; its code follows. */
typedef struct Guest
{
	HnswElement number;
	uint32		piece; /* of the graph that it is in */
	uint32		code_bytes;
	uint16		home; /* its part */
	uint16		children;
} Guest;

/* A list in a file, by numbers. */
typedef struct PartEdge
{
	uint32 edge; /* maybe protected */
	float  distance;
} PartEdge;

typedef struct PartList
{
	struct PartList *next; /* in memory: of the same element */

	HnswElement number;
	uint16		count;
	uint16		selected; /* the first edges: see HnswGraphList */
	PartEdge	edges[FLEXIBLE_ARRAY_MEMBER];
} PartList;

/* A graph that was in memory: a part, or a piece of one. */
typedef struct Piece
{
	HnswElement first;
	uint32		set; /* of pieces that protected edges join: see find_set */
} Piece;

typedef struct Parts
{
	HnswBuild		*build;
	MemoryContext	 context;
	const HnswCoder *coder;
	uint32			 capacity; /* of lists on level 0 */
	uint64			 num_rows;
	uint64			 num_visits;
	int				 num_parts;
	HnswDivision	 division;
	Size			 mean_code_bytes;
	Size			 element_memory;
	Size			 graph_memory; /* for one part, without guests */
	uint32			 num_guests;   /* at a time */
	Size			 guest_bytes;  /* of codes at a time, if they vary */

	BufFile	   **spills; /* all rows */
	int			 num_spills;
	BufFile	   **rows;		   /* by part */
	BufFile	   **guests;	   /* by part */
	BufFile	   **second_lists; /* by part: what its elements found elsewhere */
	BufFile		*entries;	   /* in the order of numbers, as in the index */
	BufFile		*row_entries;
	BufFile		*lists;
	BufFile		*codes;
	HnswElement *first_numbers; /* by part, and the end */
	HnswCounts	 counts;

	Piece		*pieces;
	uint32		 num_pieces;
	uint32		 allocated_pieces;
	HnswElement *bridges; /* guests that join two pieces */
	uint32		 num_bridges;

	/* of the piece in memory: by arrival, and by the graph's elements */
	Visits		*visits;
	HnswElement *numbers;

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
typedef void (*RowCallback)(Parts *parts, const SpilledRow *row, uint64 number,
							void *state);

static void
for_all_rows(Parts *parts, RowCallback callback, void *state)
{
	uint64 number = 0;

	for (int i = 0; i < parts->num_spills; i++)
	{
		SpilledRow row;

		rewind_file(parts->spills[i]);
		while (read_file(parts->spills[i], &row, sizeof(row)))
		{
			CHECK_FOR_INTERRUPTS();
			read_code(parts, parts->spills[i], row.code_bytes);
			callback(parts, &row, number++, state);
		}
	}
	if (number != parts->num_rows)
		elog(ERROR, UINT64_FORMAT " rows were spilled, not " UINT64_FORMAT,
			 number, parts->num_rows);
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
sample_row(Parts *parts, const SpilledRow *row, uint64 number, void *state)
{
	SampleState *sample = state;
	uint32		 left = sample->wanted - sample->count;
	char		*copy;

	if (pg_prng_uint64_range(&sample->random, 0,
							 parts->num_rows - number - 1) >= left)
		return;
	copy = palloc(row->code_bytes);
	memcpy(copy, parts->buffer, row->code_bytes);
	sample->codes[sample->count++] = (const HnswCode *) copy;
}

static void
assign_row(Parts *parts, const SpilledRow *row, uint64 number, void *state)
{
	int		found[PARTS_OF_VECTOR];
	int		count = hnsw_division_find(&parts->division,
									   (const HnswCode *) parts->buffer, found,
									   PARTS_OF_VECTOR);
	PartRow part_row;

	memset(&part_row, 0, sizeof(part_row));
	part_row.row = *row;
	for (int i = 1; i < count; i++)
	{
		if (found[i] > found[0])
			part_row.visits.parts[part_row.visits.count++] = found[i];
	}
	parts->num_visits += part_row.visits.count;
	write_file(parts->rows[found[0]], &part_row, sizeof(part_row));
	write_file(parts->rows[found[0]], parts->buffer, row->code_bytes);
	if (number % 1024 == 1023)
		hnsw_build_count_done(parts->build, 1024);
}

/* How many parts there have to be, and what memory each has. */
static void
plan_parts(Parts *parts)
{
	HnswBuild *build = parts->build;
	Size	   limit = build->shared->memory_limit;
	double	   needed = (double) parts->num_rows * parts->element_memory;
	int		   num_parts = 1;
	Size	   memory;

	for (;;)
	{
		Size files = (Size) FILE_BYTES * (3 * num_parts + 8);

		memory = limit > files ? limit - files : 0;
		memory = Max(memory, (Size) MIN_PART_ELEMENTS * parts->element_memory);
		/* elements and guests alike, which have codes and lists, too */
		parts->graph_memory = memory / (ELEMENTS_PER_GUEST + 1) *
							  ELEMENTS_PER_GUEST;
		if (needed <= parts->graph_memory * PART_FILL * num_parts ||
			num_parts >= MAX_PARTS)
			break;
		num_parts++;
	}
	/* with less, a sample is of no use */
	parts->num_parts = Max(1, Min((uint64) num_parts, parts->num_rows / 16));

	parts->guest_bytes = memory / (ELEMENTS_PER_GUEST + 1);
	parts->num_guests = Max(MIN_GUESTS,
							Min(parts->guest_bytes / parts->element_memory,
								MAX_GUESTS));
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
	parts->guests = palloc0(sizeof(BufFile *) * parts->num_parts);
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

/* Sets of pieces that protected edges join: the root of a set. */
static uint32
find_set(Parts *parts, uint32 i)
{
	Piece *pieces = parts->pieces;

	while (pieces[i].set != i)
	{
		pieces[i].set = pieces[pieces[i].set].set;
		i = pieces[i].set;
	}
	return i;
}

/* The graph in memory is one more piece. */
static uint32
add_piece(Parts *parts)
{
	Piece *piece;

	if (parts->num_pieces == parts->allocated_pieces)
	{
		parts->allocated_pieces *= 2;
		parts->pieces = repalloc_huge(parts->pieces,
									  sizeof(Piece) * parts->allocated_pieces);
		parts->bridges = repalloc_huge(parts->bridges,
									   sizeof(HnswElement) *
										   parts->allocated_pieces);
	}
	piece = &parts->pieces[parts->num_pieces];
	piece->first = parts->counts.elements;
	piece->set = parts->num_pieces;
	return parts->num_pieces++;
}

static int
count_protected(const HnswGraphList *list)
{
	int result = 0;

	for (int i = 0; i < list->count; i++)
		result += HNSW_EDGE_IS_PROTECTED(list->edges[i]);
	return result;
}

/* The elements get the next numbers, neighbours close to each other. */
static void
number_elements(Parts *parts, HnswElement *order)
{
	HnswGraph *graph = &parts->build->graph;

	hnsw_graph_number(graph, NULL,
					  parts->build->index->geometry.codes.per_page, order);
	parts->numbers = MemoryContextAllocHuge(graph->context,
											sizeof(HnswElement) *
												graph->num_elements);
	for (uint32 i = 0; i < graph->num_elements; i++)
		parts->numbers[order[i]] = parts->counts.elements + i;
}

/* A list, whose edges are numbers. */
static void
copy_list(Parts *parts, HnswGraphList *list, HnswElement number,
		  PartList *copy)
{
	const float *distances = hnsw_graph_distances(&parts->build->graph, list,
												  0);

	copy->number = number;
	copy->count = list->count;
	copy->selected = list->selected;
	for (int i = 0; i < list->count; i++)
	{
		copy->edges[i].edge = list->edges[i];
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

/* The element looks for neighbours in parts to come. */
static void
emit_guest(Parts *parts, HnswElement element, HnswElement number, int part,
		   uint32 piece, bool more)
{
	const HnswGraph *graph = &parts->build->graph;
	const HnswCode	*code = hnsw_graph_code(graph, element);
	const Visits *visits = &parts->visits[hnsw_graph_arrival(graph, element)];
	Guest		  guest = {0};

	guest.number = number;
	guest.piece = piece;
	guest.home = part;
	guest.code_bytes = hnsw_linking_bytes(graph->coder, code);
	guest.children = count_protected(hnsw_graph_list(graph, element, 0));
	for (int i = more ? -1 : 0; i < visits->count; i++)
	{
		BufFile *file = parts->guests[i < 0 ? part : visits->parts[i]];

		write_file(file, &guest, sizeof(guest));
		write_file(file, code, guest.code_bytes);
	}
}

/*
 * Write what is to be kept of the graph.  more: further pieces of the part
 * follow.
 */
static void
emit_graph(Parts *parts, int part, uint32 piece, const HnswElement *order,
		   bool more)
{
	HnswGraph *graph = &parts->build->graph;

	for (uint32 i = 0; i < graph->num_elements; i++)
	{
		HnswElement element = order[i];
		HnswElement number = parts->counts.elements++;

		CHECK_FOR_INTERRUPTS();
		copy_list(parts, hnsw_graph_list(graph, element, 0), number,
				  parts->list);
		write_list_record(parts->lists, parts->list);
		emit_entries(parts, element, number);
		emit_code(parts, element, number);
		emit_guest(parts, element, number, part, piece, more);
	}
}

/* ------------------------------------------------------------------------
 * Guests
 * ------------------------------------------------------------------------
 */

/*
 * Load guests until there is no room for more or the file ends, and let all
 * processes find their neighbours.  Returns their number, or -1 if there is no
 * memory.
 */
static int
link_guests(Parts *parts, BufFile *file, Guest *guests, Guest *next,
			bool *more)
{
	HnswGraph *graph = &parts->build->graph;
	uint32	   count = 0;
	Size	   bytes = 0;

	hnsw_graph_clear_guests(graph);
	while (*more && count < parts->num_guests && bytes < parts->guest_bytes)
	{
		CHECK_FOR_INTERRUPTS();
		read_code(parts, file, next->code_bytes);
		if (!hnsw_graph_set_guest(graph, count,
								  (const HnswCode *) parts->buffer,
								  next->code_bytes))
			return -1;
		if (graph->code_bytes == 0)
			bytes += next->code_bytes;
		guests[count++] = *next;
		*more = read_file(file, next, sizeof(Guest));
	}
	hnsw_build_link_guests(parts->build, count);
	return count;
}

/* Let the guests of a part find their neighbours, which go to a file. */
static bool
link_all_guests(Parts *parts, int part, BufFile *found)
{
	HnswGraph *graph = &parts->build->graph;
	BufFile	  *file = parts->guests[part];
	Guest	  *guests = MemoryContextAlloc(graph->context,
										   sizeof(Guest) * parts->num_guests);
	Guest	   next;
	bool	   more;

	rewind_file(file);
	more = read_file(file, &next, sizeof(next));
	while (more)
	{
		int count = link_guests(parts, file, guests, &next, &more);

		if (count < 0)
			return false;
		for (int i = 0; i < count; i++)
		{
			copy_list(parts, hnsw_graph_guest_list(graph, i), guests[i].number,
					  parts->list);
			write_file(found, &guests[i], sizeof(Guest));
			write_list_record(found, parts->list);
		}
	}
	return true;
}

/* The longest unprotected edge of a run, or -1. */
static int
longest_edge(const HnswGraphList *list, const float *distances, int first,
			 int end)
{
	int longest = -1;

	for (int i = first; i < end; i++)
	{
		if (!HNSW_EDGE_IS_PROTECTED(list->edges[i]) &&
			(longest < 0 || distances[i] > distances[longest]))
			longest = i;
	}
	return longest;
}

/*
 * Add an edge to a list, whose edges are numbers by now; if it is full, in the
 * place of a longer one.  A selected edge, which leads to where others do not,
 * comes before the rest whatever its length.
 */
static void
offer_edge(HnswGraphList *list, float *distances, int capacity, uint32 edge,
		   float distance, bool selected)
{
	int place = list->count;

	if (place < capacity)
		list->count++;
	else
	{
		place = longest_edge(list, distances, list->selected, capacity);
		if (place >= 0 && !selected && distance >= distances[place])
			return;
		if (place < 0)
		{
			place = longest_edge(list, distances, 0, list->selected);
			if (place < 0 || (!HNSW_EDGE_IS_PROTECTED(edge) &&
							  (!selected || distance >= distances[place])))
				return;
		}
	}
	if (selected && place >= list->selected)
	{
		list->edges[place] = list->edges[list->selected];
		distances[place] = distances[list->selected];
		place = list->selected++;
	}
	list->edges[place] = edge;
	distances[place] = distance;
}

/*
 * Each piece has a tree of its own; together they must be one.  Is an edge
 * between a guest and its host, whose list this is, to join them?
 */
static bool
joins_pieces(Parts *parts, const Guest *guest, const HnswGraphList *list,
			 uint32 piece)
{
	uint32 m = parts->build->index->m;
	uint32 set = find_set(parts, guest->piece);
	uint32 children = guest->children;

	if (set == find_set(parts, piece))
		return false;
	for (uint32 i = 0; i < parts->num_bridges; i++)
		children += parts->bridges[i] == guest->number;
	if (children >= m || count_protected(list) >= m)
		return false;
	parts->bridges[parts->num_bridges++] = guest->number;
	parts->pieces[set].set = find_set(parts, piece);
	return true;
}

/* What guests found becomes edges in both directions. */
static void
merge_guests(Parts *parts, uint32 piece, BufFile *found)
{
	HnswGraph *graph = &parts->build->graph;
	Guest	   guest;

	rewind_file(found);
	while (read_file(found, &guest, sizeof(guest)))
	{
		PartList *record = parts->list;

		CHECK_FOR_INTERRUPTS();
		if (!read_list_record(found, record))
			elog(ERROR, "unexpected end of a temporary file");
		for (uint32 i = 0; i < record->count; i++)
		{
			PartEdge	  *edge = &record->edges[i];
			HnswElement	   host = edge->edge;
			HnswGraphList *list = hnsw_graph_list(graph, host, 0);
			uint32		   protection = 0;

			edge->edge = parts->numbers[host];
			if (joins_pieces(parts, &guest, list, piece))
				protection = HNSW_PROTECTED;
			edge->edge |= protection;
			offer_edge(list, hnsw_graph_distances(graph, list, 0),
					   parts->capacity, guest.number | protection,
					   edge->distance,
					   i < record->selected || protection != 0);
		}
		write_list_record(parts->second_lists[guest.home], record);
	}
}

/* From here on edges are numbers in the index. */
static void
renumber_lists(Parts *parts)
{
	HnswGraph *graph = &parts->build->graph;

	for (HnswElement i = 0; i < graph->num_elements; i++)
	{
		HnswGraphList *list = hnsw_graph_list(graph, i, 0);

		for (int e = 0; e < list->count; e++)
			list->edges[e] = parts->numbers[HNSW_EDGE_TARGET(list->edges[e])] |
							 (list->edges[e] & HNSW_PROTECTED);
	}
}

/* ------------------------------------------------------------------------
 * Building parts
 * ------------------------------------------------------------------------
 */

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

	parts->visits = MemoryContextAlloc(graph->context,
									   sizeof(Visits) * allocated);
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
				parts->visits = repalloc_huge(parts->visits,
											  sizeof(Visits) * allocated);
			}
			parts->visits[element] = row->visits;
		}
		*more = read_file(file, row, sizeof(PartRow));
	}
	return true;
}

/* Link the graph in memory, with the guests of the part. */
static bool
build_piece(Parts *parts, int part, bool more)
{
	HnswBuild	*build = parts->build;
	HnswGraph	*graph = &build->graph;
	uint32		 piece = add_piece(parts);
	BufFile		*found = BufFileCreateTemp(false);
	HnswElement *order;

	hnsw_graph_reserve_guests(graph, parts->num_guests);
	if (!hnsw_build_link_graph(build))
		return false;
	order = MemoryContextAllocHuge(graph->context,
								   sizeof(HnswElement) * graph->num_elements);
	number_elements(parts, order);
	if (!link_all_guests(parts, part, found))
		return false;
	renumber_lists(parts);
	merge_guests(parts, piece, found);
	BufFileClose(found);
	emit_graph(parts, part, piece, order, more);
	return true;
}

/*
 * Build a part, or if it is too large one piece of it after the other.  False
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
			!build_piece(parts, part, more))
			return false;
		hnsw_build_free_graph(build);
	}
	BufFileClose(file);
	BufFileClose(parts->guests[part]);
	parts->rows[part] = NULL;
	parts->guests[part] = NULL;
	return true;
}

static bool
build_parts(Parts *parts)
{
	HnswBuild *build = parts->build;

	hnsw_build_start_phase(build, HNSW_PHASE_LINK,
						   parts->num_rows + parts->num_visits);
	parts->first_numbers = palloc(sizeof(HnswElement) *
								  (parts->num_parts + 1));
	parts->allocated_pieces = parts->num_parts;
	parts->pieces = palloc(sizeof(Piece) * parts->allocated_pieces);
	parts->bridges = palloc(sizeof(HnswElement) * parts->allocated_pieces);
	parts->entries = BufFileCreateTemp(false);
	parts->row_entries = BufFileCreateTemp(false);
	parts->lists = BufFileCreateTemp(false);
	parts->codes = BufFileCreateTemp(false);
	for (int i = 0; i < parts->num_parts; i++)
	{
		parts->guests[i] = BufFileCreateTemp(false);
		parts->second_lists[i] = BufFileCreateTemp(false);
	}

	for (int i = 0; i < parts->num_parts; i++)
	{
		if (!build_part(parts, i))
			return false;
	}
	parts->first_numbers[parts->num_parts] = parts->counts.elements;
	ereport(DEBUG1,
			(errmsg_internal("index \"%s\" has %d parts in %u pieces",
							 RelationGetRelationName(build->index->rel),
							 parts->num_parts, parts->num_pieces)));
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

/* An edge of one of the lists that are merged. */
typedef struct RankedEdge
{
	PartEdge edge;
	int		 rank;
} RankedEdge;

static int
compare_targets(const void *a, const void *b)
{
	uint32 x = HNSW_EDGE_TARGET(((const RankedEdge *) a)->edge.edge);
	uint32 y = HNSW_EDGE_TARGET(((const RankedEdge *) b)->edge.edge);

	return x < y ? -1 : x > y ? 1 : 0;
}

/* Protected edges first, then selected ones, then the shortest. */
static int
compare_rank(const void *a, const void *b)
{
	const RankedEdge *x = a;
	const RankedEdge *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->edge.distance < y->edge.distance	 ? -1
		   : x->edge.distance > y->edge.distance ? 1
												 : 0;
}

/*
 * An element's list, from the one it has in its own part and those it has in
 * others.  edges: work space, extended as needed.
 */
static void
merge_lists(const Parts *parts, const PartList *first, const PartList *others,
			RankedEdge **edges, uint32 *allocated, HnswList *list)
{
	uint32 count = 0;

	for (const PartList *from = first; from != NULL;
		 from = from == first ? others : from->next)
	{
		if (count + from->count > *allocated)
		{
			*allocated = Max(2 * *allocated, count + from->count);
			*edges = repalloc(*edges, sizeof(RankedEdge) * *allocated);
		}
		for (int i = 0; i < from->count; i++)
		{
			RankedEdge *edge = *edges + count + i;

			edge->edge = from->edges[i];
			edge->rank = HNSW_EDGE_IS_PROTECTED(from->edges[i].edge) ? 0
						 : i < from->selected						 ? 1
																	 : 2;
		}
		count += from->count;
	}
	if (count > parts->capacity)
	{
		qsort(*edges, count, sizeof(RankedEdge), compare_rank);
		count = parts->capacity;
	}
	qsort(*edges, count, sizeof(RankedEdge), compare_targets);
	list->count = count;
	for (uint32 i = 0; i < count; i++)
		list->edges[i] = (*edges)[i].edge.edge;
}

/* The lists that elements of a part have in others. */
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
		HnswElement number = parts->list->number;
		PartList   *copy;

		CHECK_FOR_INTERRUPTS();
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
	uint32		  allocated = PARTS_OF_VECTOR * parts->capacity;
	RankedEdge	 *edges = palloc(sizeof(RankedEdge) * allocated);
	MemoryContext part_context = AllocSetContextCreate(parts->context,
													   "hnsw build lists",
													   ALLOCSET_DEFAULT_SIZES);

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
			merge_lists(parts, parts->list, second_lists[number - first],
						&edges, &allocated, (HnswList *) next_slot(&writer));
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
	return hnsw_build_page_code(reader->parts->build,
								(const HnswCode *) reader->parts->buffer);
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
		HnswElement number = parts->numbers[hnsw_graph_arrival(graph, i)];
		uint32 slot = hnsw_upper_slot(&index->geometry, layout, number, level);
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
			list->edges[e] = parts->numbers[hnsw_graph_arrival(
				graph, HNSW_EDGE_TARGET(from->edges[e]))];
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
		parts->numbers = MemoryContextAlloc(graph->context,
											sizeof(HnswElement) * allocated);
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
					parts->numbers = repalloc_huge(parts->numbers,
												   sizeof(HnswElement) *
													   allocated);
				}
				parts->numbers[count] = number;
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
 * Protected edges join all elements of a piece, and mostly all pieces.  What
 * they do not join is joined here, by searches.
 */
static void
join_pieces(Parts *parts)
{
	HnswIndex	 *index = parts->build->index;
	HnswNumberSet joined;
	MemoryContext context = AllocSetContextCreate(parts->context,
												  "hnsw build join",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context;

	for (uint32 i = 1; i < parts->num_pieces; i++)
	{
		uint32 set = find_set(parts, 0);

		CHECK_FOR_INTERRUPTS();
		if (find_set(parts, i) == set)
			continue;
		old_context = MemoryContextSwitchTo(context);
		hnsw_set_init(&joined, parts->counts.elements);
		for (uint32 j = 0; j < parts->num_pieces; j++)
		{
			HnswElement end = j + 1 < parts->num_pieces
								  ? parts->pieces[j + 1].first
								  : parts->counts.elements;

			if (find_set(parts, j) != set)
				continue;
			for (HnswElement number = parts->pieces[j].first; number < end;
				 number++)
				hnsw_set_add(&joined, number);
		}
		if (!hnsw_attach_element(index, parts->pieces[i].first, &joined))
			elog(ERROR, "could not join element %u of index \"%s\"",
				 parts->pieces[i].first, RelationGetRelationName(index->rel));
		parts->pieces[find_set(parts, i)].set = set;
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(context);
	}
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
	join_pieces(parts);
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
		close_file(parts->guests[i]);
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
	parts.coder = build->coder;
	parts.capacity = hnsw_list_capacity(build->index, 0);
	parts.num_rows = pg_atomic_read_u64(&build->shared->num_rows);
	parts.buffer_bytes = Max(build->coder->total_bytes, 1);
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
