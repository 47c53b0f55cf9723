/*
 * ivfflat_verify.c
 *		ivfflat_verify(regclass): does an ivfflat index keep its invariants, and
 *		does it agree with its table?  ivfflat_lists(regclass): what is in its
 *		lists?
 *
 * The first takes ShareLock on the table and the index, so that nothing changes
 * while it looks, and raises the first violation as ERRCODE_INDEX_CORRUPTED.
 * What it checks, in this order:
 *
 *	segments	each belongs to one list, to the directory, to those that are
 *				free, or to nothing any more, as its version and state say; the
 *				metapage counts them
 *	lists		their segments have their number and version and count those
 *				behind them; dead entries are counted; TIDs are well formed and
 *				no TID is there twice, but for copies that a rewrite which failed
 *				has left
 *	codes		fine and coarse codes are well formed and of the list's version
 *	rows		every row of the table that the index should have is in it, with
 *				the code of its value
 *
 * Memory: about 24 bytes a row for the TIDs, and a byte a segment.
 *
 * ivfflat_lists reads while others may write, so its figures need not be of one
 * moment.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "index/page_pin.h"
#include "inspect/inspected_index.h"
#include "ivfflat/ivf.h"

typedef struct VerifiedRow
{
	ItemPointerData tid; /* key */
	uint32			segment;
	uint32			entry;
	bool			moving; /* other lists may have a copy */
} VerifiedRow;

typedef struct Verify
{
	IvfIndex	  *index;
	IvfState	   state;
	uint8		  *known; /* by segment: was it found in a list or the like? */
	HTAB		  *rows;
	IvfSegmentCopy copy;
	char		  *block;  /* of coarse codes */
	bool		   moving; /* the list has been left in the middle of that */
	MemoryContext  context;
	BufferAccessStrategy strategy;
	uint64				 used_segments;
} Verify;

#define REPORT(verify, ...)                                         \
	ereport(ERROR,                                                  \
			(errcode(ERRCODE_INDEX_CORRUPTED),                      \
			 errmsg("index \"%s\" is damaged",                      \
					RelationGetRelationName((verify)->index->rel)), \
			 errdetail_internal(__VA_ARGS__), errhint("Please REINDEX it.")))

/* Copy what is on the first page of a segment, but for the TIDs. */
static void
read_segment_head(IvfIndex *index, BufferAccessStrategy strategy,
				  uint32 number, IvfSegment *head, uint32 *version)
{
	Buffer buffer = ivf_read_segment(index, number, strategy);
	Page   page = BufferGetPage(buffer);

	memcpy(head, IvfPageGetSegment(page), offsetof(IvfSegment, tids));
	*version = IvfPageGetHeader(page)->version;
	UnlockReleaseBuffer(buffer);
}

/* A segment must be in use for one thing only. */
static void
note_segment(Verify *verify, uint32 number, const char *use)
{
	if (number >= verify->state.fresh_segment)
		REPORT(verify, "Segment %u of %s was never used.", number, use);
	if (verify->known[number]++ != 0)
		REPORT(verify, "Segment %u of %s is in use twice.", number, use);
}

static void
check_directory(Verify *verify)
{
	for (uint32 i = 0; i < verify->state.num_directory; i++)
	{
		uint32	   number = verify->state.directory[i];
		uint32	   version;
		IvfSegment head;

		note_segment(verify, number, "the directory");
		read_segment_head(verify->index, verify->strategy, number, &head,
						  &version);
		if (head.state != IVF_SEGMENT_LISTS)
			REPORT(verify, "Segment %u of the directory has state %u.", number,
				   head.state);
	}
}

static void
check_free_segments(Verify *verify)
{
	uint32 number = ivf_read_free_head(verify->index);

	while (number != IVF_NONE)
	{
		uint32	   version;
		IvfSegment head;

		CHECK_FOR_INTERRUPTS();
		note_segment(verify, number, "those that are free");
		read_segment_head(verify->index, verify->strategy, number, &head,
						  &version);
		if (head.state != IVF_SEGMENT_FREE)
			REPORT(verify, "Segment %u is free and has state %u.", number,
				   head.state);
		number = head.next_free;
	}
}

/* Coarse codes of the entries of the segment that was copied. */
static void
check_coarse(Verify *verify, uint32 number)
{
	IvfIndex   *index = verify->index;
	const char *problem;

	for (uint32 entry = 0; entry < verify->copy.count; entry++)
	{
		if (entry % IVF_BLOCK_ENTRIES == 0 &&
			!ivf_copy_block(index, number, verify->copy.version,
							entry / IVF_BLOCK_ENTRIES, verify->block))
			REPORT(verify, "Coarse codes of segment %u are of another list.",
				   number);
		problem = rabitq_check(index->coder.coarse_metric, index->dimensions,
							   verify->block, entry % IVF_BLOCK_ENTRIES);
		if (problem != NULL)
			REPORT(verify, "Coarse code of entry %u of segment %u: %s.", entry,
				   number, problem);
	}
}

/* Entries of the segment that was copied. */
static void
check_entries(Verify *verify, uint32 number)
{
	IvfIndex			 *index = verify->index;
	const IvfSegmentCopy *copy = &verify->copy;
	uint32				  dead = 0;

	for (uint32 entry = 0; entry < copy->count; entry++)
	{
		const VectorCode *code = ivf_copied_code(index, copy, entry);
		const char		 *problem;
		VerifiedRow		 *row;
		bool			  found;

		problem = coder_check_code(&index->coder.fine, code);
		if (problem != NULL)
			REPORT(verify, "Code of entry %u of segment %u: %s.", entry,
				   number, problem);
		if (!ItemPointerIsValid(&copy->tids[entry]))
		{
			dead++;
			continue;
		}
		row = hash_search(verify->rows, &copy->tids[entry], HASH_ENTER,
						  &found);
		if (found && !row->moving && !verify->moving)
			REPORT(verify,
				   "Entry %u of segment %u has the TID (%u,%u) of another "
				   "entry.",
				   entry, number, ItemPointerGetBlockNumber(&row->tid),
				   ItemPointerGetOffsetNumber(&row->tid));
		row->segment = number;
		row->entry = entry;
		row->moving = verify->moving;
	}
	if (dead != copy->dead)
		REPORT(verify, "Segment %u has %u dead entries, not %u.", number, dead,
			   copy->dead);
}

static void
check_list(Verify *verify, uint32 list)
{
	IvfIndex  *index = verify->index;
	IvfList	   header;
	IvfListRef ref = ivf_read_list(index, list, NULL, &header);
	uint32	   depth = 0;

	verify->moving = header.moving != 0;

	for (uint32 number = ref.head; number != IVF_NONE;)
	{
		const IvfSegmentCopy *copy = &verify->copy;

		CHECK_FOR_INTERRUPTS();
		note_segment(verify, number, "a list");
		verify->used_segments++;
		if (!ivf_copy_segment(index, number, list, ref.version, &verify->copy))
			REPORT(verify, "Segment %u is not of list %u.", number, list);
		if (number == ref.head)
			depth = copy->depth;
		else if (copy->depth != --depth)
			REPORT(verify, "Segment %u of list %u counts %u segments, not %u.",
				   number, list, copy->depth, depth);
		check_entries(verify, number);
		if (index->coder.coarse)
			check_coarse(verify, number);
		number = copy->next;
	}
	if (depth > 1)
		REPORT(verify, "List %u ends early.", list);
}

/* What is in no list must not look like a part of one. */
static void
check_orphans(Verify *verify)
{
	IvfIndex *index = verify->index;

	for (uint32 number = 0; number < verify->state.fresh_segment; number++)
	{
		uint32	   version;
		IvfSegment head;

		CHECK_FOR_INTERRUPTS();
		if (verify->known[number])
			continue;
		read_segment_head(index, verify->strategy, number, &head, &version);
		if (head.state == IVF_SEGMENT_LISTS)
			continue;
		if (head.state != IVF_SEGMENT_OPEN && head.state != IVF_SEGMENT_CLOSED)
			REPORT(verify,
				   "Segment %u is in use for nothing and has state %u.",
				   number, head.state);
		if (head.list < verify->state.num_lists &&
			ivf_read_list(index, head.list, NULL, NULL).version == version)
			REPORT(verify, "Segment %u of list %u is not in its chain.",
				   number, head.list);
		verify->used_segments++;
	}
	if (verify->used_segments != verify->state.used_segments)
		REPORT(verify,
			   "Lists have " UINT64_FORMAT
			   " segments, the metapage counts %u.",
			   verify->used_segments, verify->state.used_segments);
}

/* A row of the table that the index should have. */
static void
check_row(Relation rel, ItemPointer tid, Datum *values, bool *isnull,
		  bool alive, void *state)
{
	Verify		 *verify = state;
	IvfIndex	 *index = verify->index;
	MemoryContext old_context;
	const void	 *value;
	VectorCode	 *expected;
	VectorCode	 *code;

	/* rows that are dead or not committed need not be complete */
	if (!alive || isnull[0])
		return;
	CHECK_FOR_INTERRUPTS();
	old_context = MemoryContextSwitchTo(verify->context);
	value = PG_DETOAST_DATUM(values[0]);
	coder_check_dimensions(&index->coder.fine, value);
	expected = palloc0(index->coder.code_bytes);
	code = palloc(index->coder.code_bytes);
	if (ivf_encode(&index->coder, value, palloc(index->coder.point_bytes),
				   expected))
	{
		VerifiedRow *row = hash_search(verify->rows, tid, HASH_FIND, NULL);

		if (row == NULL)
			REPORT(verify, "Row (%u,%u) of the table is missing.",
				   ItemPointerGetBlockNumber(tid),
				   ItemPointerGetOffsetNumber(tid));
		ivf_read_code(index, row->segment, row->entry, code);
		if (!coder_codes_alike(&index->coder.fine, code, expected))
			REPORT(verify,
				   "Entry %u of segment %u has another code than row (%u,%u).",
				   row->entry, row->segment, ItemPointerGetBlockNumber(tid),
				   ItemPointerGetOffsetNumber(tid));
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(verify->context);
}

PG_FUNCTION_INFO_V1(ivfflat_verify);
Datum
ivfflat_verify(PG_FUNCTION_ARGS)
{
	InspectedIndex inspected;
	Relation	   rel;
	Verify		   verify = {0};
	HASHCTL		   control = {0};

	inspected_index_open(&inspected, PG_GETARG_OID(0), ShareLock,
						 "an ivfflat index", ivf_build, NULL);
	rel = inspected.rel;
	verify.index = ivf_open(rel);
	verify.strategy = GetAccessStrategy(BAS_BULKREAD);
	ivf_read_state(verify.index, &verify.state);
	ivf_check_size(rel, &verify.index->geometry, verify.state.num_segments);
	control.keysize = sizeof(ItemPointerData);
	control.entrysize = sizeof(VerifiedRow);
	control.hcxt = CurrentMemoryContext;
	verify.rows = hash_create("rows of an ivfflat index", 1024, &control,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	verify.known = palloc_extended(Max(verify.state.fresh_segment, 1),
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	verify.block = palloc(Max(verify.index->geometry.block_bytes, 1));
	verify.context = AllocSetContextCreate(CurrentMemoryContext,
										   "ivfflat verify",
										   ALLOCSET_DEFAULT_SIZES);
	ivf_init_copy(verify.index, &verify.copy);

	check_directory(&verify);
	check_free_segments(&verify);
	for (uint32 list = 0; list < verify.state.num_lists; list++)
		check_list(&verify, list);
	check_orphans(&verify);
	inspected_index_scan_table(&inspected, NULL, check_row, &verify);

	hash_destroy(verify.rows);
	inspected_index_close(&inspected);
	PG_RETURN_VOID();
}

#define LISTS_COLUMNS 4

PG_FUNCTION_INFO_V1(ivfflat_lists);
Datum
ivfflat_lists(PG_FUNCTION_ARGS)
{
	ReturnSetInfo		*result = (ReturnSetInfo *) fcinfo->resultinfo;
	InspectedIndex		 inspected;
	IvfIndex			*index;
	IvfState			 state;
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);

	InitMaterializedSRF(fcinfo, 0);
	inspected_index_open(&inspected, PG_GETARG_OID(0), AccessShareLock,
						 "an ivfflat index", ivf_build, NULL);
	index = ivf_open(inspected.rel);
	ivf_read_state(index, &state);
	for (uint32 list = 0; list < state.num_lists; list++)
	{
		IvfListRef ref = ivf_read_list(index, list, NULL, NULL);
		Datum	   values[LISTS_COLUMNS];
		bool	   nulls[LISTS_COLUMNS] = {false};
		int64	   entries = 0;
		int64	   dead = 0;
		int32	   segments = 0;
		uint32	   depth = 0;

		for (uint32 number = ref.head; number != IVF_NONE;)
		{
			uint32	   version;
			IvfSegment head;

			read_segment_head(index, strategy, number, &head, &version);

			CHECK_FOR_INTERRUPTS();
			/* another list has got it since */
			if (version != ref.version)
				break;
			if (segments > 0 && head.depth != depth)
				ivf_report_broken_list(inspected.rel, list);
			depth = head.depth - 1;
			entries += head.count;
			dead += head.dead;
			segments++;
			number = head.next;
		}
		values[0] = Int32GetDatum((int32) list);
		values[1] = Int64GetDatum(entries - dead);
		values[2] = Int64GetDatum(dead);
		values[3] = Int32GetDatum(segments);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 nulls);
	}

	inspected_index_close(&inspected);
	return (Datum) 0;
}
