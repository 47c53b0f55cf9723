/*
 * hnsw_verify.c
 *		hnsw_verify(regclass): does an hnsw index keep its invariants, and does
 *		it agree with its table?
 *
 * Takes ShareLock on the table and the index, so that nothing changes while it
 * looks.  The first violation is raised as ERRCODE_INDEX_CORRUPTED.  What it
 * checks, in this order:
 *
 *	entries		states are known; elements and further rows are in pages of
 *				their kind; every further row is in the chain of its element,
 *				once; TIDs are well formed and no TID is there twice
 *	lists		edges are in range, lead to another element that is on the level
 *				and alive (or dying, while vacuum has left work), without
 *				repeats; free elements have no upper lists
 *	codes		are well formed, and so are refinements; every chunk of an overflow
 *				page that is in use belongs to the code of an element, and to one
 *				place of it, but for those of inserts that failed and of dying
 *				elements
 *	inline codes
 *				are those of the elements that the edges next to them lead to
 *	reach		protected edges lead from the entry point to every element, but
 *				for those of inserts that failed, which have no visible row
 *	rows		every row of the table that the index should have is in it, under
 *				an element with the code, the refinement and the hash of its value
 *
 * Memory: about 24 bytes a row for the TIDs, and a few bits an element.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "hnsw/hnsw.h"
#include "hnsw/hnsw_inline.h"
#include "inspect/inspected_index.h"

typedef struct VerifiedRow
{
	ItemPointerData tid; /* key */
	HnswElement		element;
	bool			seen; /* in the table */
} VerifiedRow;

typedef struct Verify
{
	HnswIndex	 *index;
	HTAB		 *rows;
	HnswNumberSet elements; /* in use */
	HnswNumberSet chained;	/* further rows found in a chain */
	HnswNumberSet reached;
	HnswNumberSet incomplete; /* reserved or dying */
	uint64		  num_chunks; /* that the codes of the others have */
	MemoryContext context;	  /* reset for each row */
} Verify;

#define REPORT(verify, ...)                                         \
	ereport(ERROR,                                                  \
			(errcode(ERRCODE_INDEX_CORRUPTED),                      \
			 errmsg("index \"%s\" is damaged",                      \
					RelationGetRelationName((verify)->index->rel)), \
			 errdetail_internal(__VA_ARGS__), errhint("Please REINDEX it.")))

/* Is a page of an array written yet?  Its slots are unused if not. */
static bool
page_is_written(HnswIndex *index, BlockNumber block)
{
	Buffer buffer = hnsw_pin_page(index, block);
	bool   written;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	written = !PageIsNew(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
	return written;
}

static void
add_row(Verify *verify, const ItemPointerData *tid, HnswElement element,
		HnswElement number)
{
	VerifiedRow *row;
	bool		 found;

	if (!ItemPointerIsValid(tid))
		return;
	row = hash_search(verify->rows, tid, HASH_ENTER, &found);
	if (found)
		REPORT(verify, "Entry %u has the TID (%u,%u) of another entry.",
			   number, ItemPointerGetBlockNumber(tid),
			   ItemPointerGetOffsetNumber(tid));
	row->element = element;
	row->seen = false;
}

/* The chain of an element. */
static void
check_chain(Verify *verify, HnswElement element, HnswElement next)
{
	while (next != HNSW_NONE)
	{
		HnswEntry row;

		CHECK_FOR_INTERRUPTS();
		if (next >= hnsw_end_number(verify->index) ||
			hnsw_is_element_number(verify->index, next))
			REPORT(verify, "The chain of element %u leads to number %u.",
				   element, next);
		if (hnsw_set_has(&verify->chained, next))
			REPORT(verify, "Row %u is in a chain twice.", next);
		hnsw_set_add(&verify->chained, next);
		row = hnsw_read_entry(verify->index, next);
		if (row.state != HNSW_ENTRY_ROW || row.hash_or_head != element)
			REPORT(verify,
				   "Row %u is in the chain of element %u, but not its row.",
				   next, element);
		add_row(verify, &row.tid, element, next);
		next = row.next;
	}
}

static void
check_entries(Verify *verify)
{
	HnswIndex	  *index = verify->index;
	HnswDirectory *directory = index->directory;
	uint32		   per_page = index->geometry.entries_per_page;

	/* elements with their chains first, then rows that are in none */
	for (int rows = 0; rows <= 1; rows++)
	{
		for (uint32 i = 0; i < directory->num_extents; i++)
		{
			const HnswExtentLayout *extent = &directory->extents[i];

			for (HnswElement n = extent->first; n < extent->end; n++)
			{
				uint32	  page_no = (n - extent->first) / per_page;
				HnswEntry entry;

				CHECK_FOR_INTERRUPTS();
				if ((page_no >= extent->element_pages) != (rows == 1))
					continue;
				if ((n - extent->first) % per_page == 0 &&
					!page_is_written(index, extent->entries + page_no))
				{
					n += per_page - 1;
					continue;
				}
				entry = hnsw_read_entry(index, n);
				if (entry.state == HNSW_ENTRY_FREE)
					continue;
				if (rows == 1)
				{
					if (entry.state != HNSW_ENTRY_ROW)
						REPORT(verify, "Row %u has state %d.", n, entry.state);
					if (!hnsw_set_has(&verify->chained, n))
						REPORT(verify,
							   "Row %u is not in the chain of element "
							   "%u.",
							   n, entry.hash_or_head);
					continue;
				}
				if (n - extent->first >= extent->elements ||
					(entry.state != HNSW_ENTRY_ELEMENT &&
					 entry.state != HNSW_ENTRY_DYING &&
					 entry.state != HNSW_ENTRY_RESERVED))
					REPORT(verify, "Element %u has state %d.", n, entry.state);
				if (entry.state == HNSW_ENTRY_ELEMENT ||
					entry.state == HNSW_ENTRY_DYING)
					hnsw_set_add(&verify->elements, n);
				if (entry.state != HNSW_ENTRY_ELEMENT)
					hnsw_set_add(&verify->incomplete, n);
				add_row(verify, &entry.tid, n, n);
				check_chain(verify, n, entry.next);
			}
		}
	}
}

static void
check_list(Verify *verify, HnswElement element, int level)
{
	HnswIndex *index = verify->index;
	uint32	   edges[2 * HNSW_MAX_M];
	uint32	   count = hnsw_read_list(index, element, level, edges);

	for (uint32 i = 0; i < count; i++)
	{
		HnswElement target = HNSW_EDGE_TARGET(edges[i]);

		if (target == element || target >= hnsw_end_number(index) ||
			!hnsw_set_has(&verify->elements, target))
			REPORT(verify, "Element %u has an edge to %u on level %d.",
				   element, target, level);
		if (hnsw_level(index, target) < level)
			REPORT(
				verify,
				"Element %u has an edge to %u on level %d, where it is not.",
				element, target, level);
		for (uint32 j = 0; j < i; j++)
		{
			if (HNSW_EDGE_TARGET(edges[j]) == target)
				REPORT(verify, "Element %u has two edges to %u on level %d.",
					   element, target, level);
		}
	}
}

/* The code of an element as it is stored, or its refinement. */
static const VectorCode *
load_code(Verify *verify, HnswElement element)
{
	HnswCodeBuffer	  buffer = {.context = verify->context};
	const VectorCode *code = hnsw_load_code(verify->index, element, &buffer);

	if (code == NULL)
		REPORT(verify, "The code of element %u is not in use.", element);
	return code;
}

static const void *
load_refinement(Verify *verify, HnswElement element)
{
	HnswCodeBuffer buffer = {.context = verify->context};

	return hnsw_load_refinement(verify->index, element, &buffer);
}

static void
check_code(Verify *verify, HnswElement element)
{
	HnswIndex		 *index = verify->index;
	HnswCoder		 *coder = &index->coder;
	MemoryContext	  old_context = MemoryContextSwitchTo(verify->context);
	const VectorCode *code = load_code(verify, element);
	const char		 *wrong = coder_check_code(&coder->codes, code);

	if (wrong != NULL)
		REPORT(verify, "The code of element %u is wrong: %s.", element, wrong);
	if (hnsw_codes_vary(coder->encoding))
		verify->num_chunks +=
			hnsw_code_source(index, element, (const HnswCode *) code).chunks;
	if (coder->encoding.refinement != HNSW_REFINEMENT_NONE)
	{
		wrong = hnsw_check_refinement(coder, code,
									  load_refinement(verify, element));
		if (wrong != NULL)
			REPORT(verify, "The refinement of element %u is wrong: %s.",
				   element, wrong);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(verify->context);
}

/* Does an element have the code of a value, and its refinement? */
static bool
has_code(Verify *verify, HnswElement element, const HnswCode *expected)
{
	HnswIndex		*index = verify->index;
	const HnswCoder *coder = &index->coder;
	HnswCodeSource	 source;

	if (hnsw_codes_in_halves(coder->encoding))
	{
		/* apart, levels next to each other may be anything in their lower halves */
		if (!coder_codes_alike(&coder->refinement,
							   (const VectorCode *) hnsw_copy_code(index,
																   element),
							   (const VectorCode *) expected))
			return false;
	}
	else
	{
		source = hnsw_code_source(index, element, expected);
		if (!coder_codes_alike(&coder->codes, load_code(verify, element),
							   (const VectorCode *) source.bytes))
			return false;
	}
	if (coder->encoding.refinement == HNSW_REFINEMENT_NONE)
		return true;
	source = hnsw_refinement_source(index, element, expected);
	return hnsw_refinements_alike(coder, load_refinement(verify, element),
								  source.bytes);
}

/* The codes of the neighbours of an element; its list was found good. */
static void
check_inline_codes(Verify *verify, HnswElement element)
{
	HnswIndex	 *index = verify->index;
	MemoryContext old_context = MemoryContextSwitchTo(verify->context);
	int			  wrong = hnsw_inline_check(index, element);

	if (wrong >= 0)
		REPORT(verify,
			   "Edge %d of element %u has an inline code that is not that of "
			   "its neighbour.",
			   wrong, element);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(verify->context);
}

static void
check_elements(Verify *verify)
{
	HnswIndex *index = verify->index;

	for (HnswElement n = 0; n < verify->elements.size; n++)
	{
		if (!hnsw_set_has(&verify->elements, n))
			continue;
		CHECK_FOR_INTERRUPTS();

		/* what dying elements have is not kept up */
		if (hnsw_set_has(&verify->incomplete, n))
			continue;
		for (int level = hnsw_level(index, n); level >= 0; level--)
			check_list(verify, n, level);
		check_code(verify, n);
		if (index->geometry.inline_offset > 0)
			check_inline_codes(verify, n);
	}
}

/*
 * The chunks that are in use.  As each code was found complete, there is none
 * too much if there are as many.
 */
static void
check_chunks(Verify *verify)
{
	HnswIndex	  *index = verify->index;
	HnswDirectory *directory = index->directory;
	uint64		   num_chunks = 0;

	for (uint32 i = 0; i < directory->num_extents; i++)
	{
		for (BlockNumber block = directory->extents[i].overflow;
			 block < directory->extents[i].end_block; block++)
		{
			Buffer buffer = hnsw_pin_page(index, block);
			Page   page = BufferGetPage(buffer);

			CHECK_FOR_INTERRUPTS();
			LockBuffer(buffer, BUFFER_LOCK_SHARE);
			if (!PageIsNew(page))
				hnsw_check_page(index, buffer, HNSW_PAGE_OVERFLOW);
			for (uint32 slot = 0;
				 slot < HNSW_CHUNKS_PER_PAGE && !PageIsNew(page); slot++)
			{
				const HnswChunk *chunk = (const HnswChunk *)
					HnswPageGetSlot(page, slot, sizeof(HnswChunk));

				if (chunk->in_use == 0 ||
					hnsw_set_has(&verify->incomplete, chunk->element))
					continue;
				if (!hnsw_set_has(&verify->elements, chunk->element))
					REPORT(verify,
						   "Chunk %u of block %u belongs to element %u, "
						   "which is not in use.",
						   slot, block, chunk->element);
				num_chunks++;
			}
			UnlockReleaseBuffer(buffer);
		}
	}
	if (num_chunks != verify->num_chunks)
		REPORT(verify,
			   "Codes have " UINT64_FORMAT " chunks, but " UINT64_FORMAT
			   " are in use.",
			   verify->num_chunks, num_chunks);
}

/* Mark what protected edges lead to from the entry point. */
static void
check_reach(Verify *verify)
{
	HnswIndex	  *index = verify->index;
	HnswEntryPoint entry = hnsw_read_entry_point(index);
	HnswElement	  *stack;
	uint64		   depth = 0;
	uint32		   edges[2 * HNSW_MAX_M];

	if (entry.element == HNSW_NONE)
		return;
	if (!hnsw_set_has(&verify->elements, entry.element))
		REPORT(verify, "The entry point %u is not an element.", entry.element);
	if (hnsw_level(index, entry.element) != entry.level)
		REPORT(verify, "The entry point %u is not on level %d.", entry.element,
			   entry.level);

	stack = palloc_extended(sizeof(HnswElement) * verify->elements.size,
							MCXT_ALLOC_HUGE);
	hnsw_set_add(&verify->reached, entry.element);
	stack[depth++] = entry.element;
	while (depth > 0)
	{
		uint32 count = hnsw_read_list(index, stack[--depth], 0, edges);

		CHECK_FOR_INTERRUPTS();
		for (uint32 i = 0; i < count; i++)
		{
			HnswElement target = HNSW_EDGE_TARGET(edges[i]);

			if (!HNSW_EDGE_IS_PROTECTED(edges[i]) ||
				hnsw_set_has(&verify->reached, target))
				continue;
			hnsw_set_add(&verify->reached, target);
			stack[depth++] = target;
		}
	}
	pfree(stack);
}

/* A row of the table that the index should have. */
static void
check_row(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
		  bool alive, void *state)
{
	Verify		 *verify = state;
	HnswIndex	 *index = verify->index;
	MemoryContext old_context;
	VerifiedRow	 *row;
	void		 *value;
	HnswCode	 *expected;
	HnswEntry	  entry;
	uint64		  hash;

	/* rows that are dead or not committed need not be complete */
	if (!alive || isnull[0])
		return;
	CHECK_FOR_INTERRUPTS();
	old_context = MemoryContextSwitchTo(verify->context);
	value = PG_DETOAST_DATUM(values[0]);
	coder_check_dimensions(&index->coder.codes, value);
	expected = palloc0(hnsw_encoded_bytes(&index->coder, value));
	if (hnsw_encode(&index->coder, value, expected))
	{
		row = hash_search(verify->rows, tid, HASH_FIND, NULL);
		if (row == NULL)
			REPORT(verify, "Row (%u,%u) of the table is missing.",
				   ItemPointerGetBlockNumber(tid),
				   ItemPointerGetOffsetNumber(tid));
		if (!hnsw_set_has(&verify->reached, row->element))
			REPORT(
				verify,
				"Element %u of row (%u,%u) cannot be reached over protected "
				"edges.",
				row->element, ItemPointerGetBlockNumber(tid),
				ItemPointerGetOffsetNumber(tid));
		if (!has_code(verify, row->element, expected))
			REPORT(verify, "Element %u has another code than row (%u,%u).",
				   row->element, ItemPointerGetBlockNumber(tid),
				   ItemPointerGetOffsetNumber(tid));
		entry = hnsw_read_entry(index, row->element);
		hash = coder_value_hash(&index->coder.codes, value);
		if (entry.state != HNSW_ENTRY_ELEMENT ||
			entry.hash_or_head != (uint32) hash ||
			entry.hash_high != (uint32) (hash >> 32))
			REPORT(verify,
				   "Element %u is not that of the value of row "
				   "(%u,%u).",
				   row->element, ItemPointerGetBlockNumber(tid),
				   ItemPointerGetOffsetNumber(tid));
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(verify->context);
}

PG_FUNCTION_INFO_V1(hnsw_verify);
Datum
hnsw_verify(PG_FUNCTION_ARGS)
{
	InspectedIndex inspected;
	Verify		   verify = {0};
	HASHCTL		   control = {0};
	HnswElement	   end;

	inspected_index_open(&inspected, PG_GETARG_OID(0), ShareLock,
						 "an hnsw index", hnsw_build, NULL);
	verify.index = hnsw_open(inspected.rel);
	hnsw_refresh_directory(verify.index);
	end = hnsw_end_number(verify.index);
	control.keysize = sizeof(ItemPointerData);
	control.entrysize = sizeof(VerifiedRow);
	control.hcxt = CurrentMemoryContext;
	verify.rows = hash_create("rows of an hnsw index", 1024, &control,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	hnsw_set_init(&verify.elements, end);
	hnsw_set_init(&verify.chained, end);
	hnsw_set_init(&verify.reached, end);
	hnsw_set_init(&verify.incomplete, end);
	verify.context = AllocSetContextCreate(CurrentMemoryContext, "hnsw verify",
										   ALLOCSET_DEFAULT_SIZES);

	check_entries(&verify);
	check_elements(&verify);
	check_chunks(&verify);
	check_reach(&verify);
	inspected_index_scan_table(&inspected, NULL, check_row, &verify);

	hash_destroy(verify.rows);
	inspected_index_close(&inspected);
	PG_RETURN_VOID();
}
