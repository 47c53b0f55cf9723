/*
 * ivf_segment.c
 *		Segments: their allocation, and entries in them.
 *
 * Locks are taken in the order of rule L1: metapage, directory, first page of
 * a segment, its other pages.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"

#include "index/page_pin.h"
#include "ivfflat/ivf.h"

/* The file grows by this part of its segments, at least by one. */
#define GROWTH_DIVISOR		  16
#define MAX_SEGMENTS_PER_STEP 128

/* Add pages up to `end` to the file. */
static void
add_pages(IvfIndex *index, BlockNumber end)
{
	BlockNumber block = RelationGetNumberOfBlocks(index->rel);

	/* write the pages, as zeros, so that the space is really there */
	for (; block < end; block++)
	{
		Buffer buffer;

		CHECK_FOR_INTERRUPTS();
		buffer = ReadBufferExtended(index->rel, MAIN_FORKNUM, P_NEW,
									RBM_NORMAL, NULL);
		if (BufferGetBlockNumber(buffer) != block)
			elog(ERROR, "index \"%s\" was extended unexpectedly at block %u",
				 RelationGetRelationName(index->rel), block);
		ReleaseBuffer(buffer);
	}
}

static inline bool
has_supply(const IvfMetaPageData *meta)
{
	return meta->free_head != IVF_NONE ||
		   meta->fresh_segment < meta->num_segments;
}

/* Add segments to the file, unless another backend just did. */
static void
add_segments(IvfIndex *index)
{
	const IvfGeometry *geometry = &index->geometry;
	IvfMetaPageData	  *meta;
	PageEdit		   edit;
	Page			   page;
	bool			   done;
	uint64			   segments;

	LockRelationForExtension(index->rel, ExclusiveLock);
	page_edit_start(&edit, index->rel, index->building);
	meta = IvfPageGetMeta(
		page_edit_peek(&edit, page_edit_lock(&edit, IVF_META_BLKNO)));
	done = has_supply(meta);
	segments = meta->num_segments;
	page_edit_abort(&edit);

	if (!done)
	{
		ivf_check_size(index->rel, geometry, segments);
		segments += Min(Max(segments / GROWTH_DIVISOR, 1),
						MAX_SEGMENTS_PER_STEP);
		if (segments * geometry->segment_pages >= MaxBlockNumber)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("index \"%s\" cannot have more pages",
								   RelationGetRelationName(index->rel))));
		add_pages(index, ivf_segment_block(geometry, segments));

		/* log the last one, so that replay extends the file before it is used */
		page_edit_start(&edit, index->rel, index->building);
		page = page_edit_image(
			&edit,
			page_edit_lock(&edit, ivf_segment_block(geometry, segments) - 1));
		ivf_init_page(page, IVF_PAGE_FINE, 0);
		page_edit_finish(&edit);

		page_edit_start(&edit, index->rel, index->building);
		meta = IvfPageGetMeta(
			page_edit_image(&edit, page_edit_lock(&edit, IVF_META_BLKNO)));
		meta->num_segments = segments;
		page_edit_finish(&edit);
	}
	UnlockRelationForExtension(index->rel, ExclusiveLock);
}

/* Lock the metapage when there is a segment to be had; it is page 0 of edit. */
static void
lock_supply(IvfIndex *index, PageEdit *edit)
{
	for (;;)
	{
		page_edit_start(edit, index->rel, index->building);
		(void) page_edit_lock(edit, IVF_META_BLKNO);
		ivf_check_page(index->rel, edit->buffers[0], IVF_PAGE_META);
		if (has_supply(IvfPageGetMeta(page_edit_peek(edit, 0))))
			return;
		page_edit_abort(edit);
		add_segments(index);
	}
}

/*
 * Take a segment within an edit that began with lock_supply.  Returns its
 * number, and the image of its first page, initialised.
 */
static uint32
take_segment(IvfIndex *index, PageEdit *edit, IvfSegmentState state,
			 uint32 list, uint32 version, Page *image)
{
	const IvfMetaPageData *peek = IvfPageGetMeta(page_edit_peek(edit, 0));
	bool				   reused = peek->free_head != IVF_NONE;
	uint32			 segment = reused ? peek->free_head : peek->fresh_segment;
	uint32			 next_free = IVF_NONE;
	int				 page;
	IvfMetaPageData *meta;

	if (segment >= peek->num_segments)
		ivf_report_bad_page(index->rel, IVF_META_BLKNO,
							"The list of free segments is damaged.");
	page = page_edit_lock(edit, ivf_segment_block(&index->geometry, segment));
	if (reused)
	{
		const IvfSegment *free_segment;

		ivf_check_segment(index, edit->buffers[page]);
		free_segment = IvfPageGetSegment(page_edit_peek(edit, page));
		if (free_segment->state != IVF_SEGMENT_FREE)
			ivf_report_bad_page(
				index->rel, BufferGetBlockNumber(edit->buffers[page]),
				"It is in use, but in the list of free segments.");
		next_free = free_segment->next_free;
	}
	else if (!PageIsNew(page_edit_peek(edit, page)))
		ivf_report_bad_page(index->rel,
							BufferGetBlockNumber(edit->buffers[page]),
							"It is in use, but in a segment never used.");

	meta = IvfPageGetMeta(page_edit_image(edit, 0));
	if (reused)
		meta->free_head = next_free;
	else
		meta->fresh_segment++;
	if (state != IVF_SEGMENT_LISTS)
		meta->used_segments++;
	*image = page_edit_image(edit, page);
	ivf_init_segment(&index->geometry, *image, state, list, version);
	return segment;
}

uint32
ivf_new_segment(IvfIndex *index, uint32 list, uint32 version, uint32 next,
				uint32 depth)
{
	PageEdit edit;
	Page	 image;
	uint32	 number;

	lock_supply(index, &edit);
	number = take_segment(index, &edit, IVF_SEGMENT_OPEN, list, version,
						  &image);
	IvfPageGetSegment(image)->next = next;
	IvfPageGetSegment(image)->depth = depth;
	page_edit_finish(&edit);
	return number;
}

uint32
ivf_new_directory_segment(IvfIndex *index)
{
	PageEdit edit;
	Page	 image;
	uint32	 number;

	lock_supply(index, &edit);
	number = take_segment(index, &edit, IVF_SEGMENT_LISTS, IVF_NONE, 0,
						  &image);
	page_edit_finish(&edit);
	return number;
}

bool
ivf_extend_list(IvfIndex *index, IvfListRef *list, uint32 depth)
{
	PageEdit	   edit;
	IvfState	   state;
	IvfPlace	   place;
	const IvfList *now;
	Page		   image;
	uint32		   number;
	int			   page;

	ivf_read_state(index, &state);
	place = ivf_list_place(index, &state, list->list);

	lock_supply(index, &edit);
	page = page_edit_lock(&edit, place.block);
	ivf_check_page(index->rel, edit.buffers[page], IVF_PAGE_LISTS);
	now = (const IvfList *) (IvfPageGetContents(page_edit_peek(&edit, page)) +
							 place.offset);
	if (list->head != now->head || list->version != now->version)
	{
		list->head = now->head;
		list->version = now->version;
		page_edit_abort(&edit);
		return false;
	}

	number = take_segment(index, &edit, IVF_SEGMENT_OPEN, list->list,
						  list->version, &image);
	IvfPageGetSegment(image)->next = list->head;
	IvfPageGetSegment(image)->depth = depth;
	page_edit_write(&edit, page,
					IVF_CONTENT_OFFSET + place.offset +
						offsetof(IvfList, head),
					&number, sizeof(number));
	page_edit_finish(&edit);
	list->head = number;
	return true;
}

void
ivf_free_segment(IvfIndex *index, uint32 number)
{
	PageEdit		 edit;
	IvfMetaPageData *meta;
	IvfSegment		*segment;
	int				 page;

	page_edit_start(&edit, index->rel, index->building);
	(void) page_edit_lock(&edit, IVF_META_BLKNO);
	page = page_edit_lock(&edit, ivf_segment_block(&index->geometry, number));
	ivf_check_segment(index, edit.buffers[page]);

	meta = IvfPageGetMeta(page_edit_image(&edit, 0));
	segment = IvfPageGetSegment(page_edit_image(&edit, page));
	if (segment->state != IVF_SEGMENT_LISTS)
		meta->used_segments--;
	/* all the rest stays, for scans that are still in there */
	segment->state = IVF_SEGMENT_FREE;
	segment->next_free = meta->free_head;
	meta->free_head = number;
	page_edit_finish(&edit);
}

/*
 * The block of a segment's first page; raises ERRCODE_INDEX_CORRUPTED if there
 * is no such segment.
 */
static BlockNumber
existing_block(IvfIndex *index, uint32 number)
{
	if (unlikely(number >= index->num_segments))
	{
		IvfState state;

		/* it may have been added since */
		ivf_read_state(index, &state);
		if (number >= state.num_segments)
			ereport(
				ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg(
					 "index \"%s\" refers to segment %u, which does not exist",
					 RelationGetRelationName(index->rel), number),
				 errhint("Please REINDEX it.")));
	}
	return ivf_segment_block(&index->geometry, number);
}

Buffer
ivf_lock_segment(IvfIndex *index, uint32 number, int mode)
{
	Buffer buffer = index_pin_page(index->rel, existing_block(index, number));

	LockBuffer(buffer, mode);
	ivf_check_segment(index, buffer);
	return buffer;
}

Buffer
ivf_read_segment(IvfIndex *index, uint32 number, BufferAccessStrategy strategy)
{
	Buffer buffer = ReadBufferExtended(index->rel, MAIN_FORKNUM,
									   existing_block(index, number),
									   RBM_NORMAL, strategy);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	ivf_check_segment(index, buffer);
	return buffer;
}

static inline bool
belongs_to(Buffer buffer, uint32 list, uint32 version)
{
	Page page = BufferGetPage(buffer);

	return IvfPageGetHeader(page)->version == version &&
		   IvfPageGetSegment(page)->list == list;
}

void
ivf_free_chain(IvfIndex *index, uint32 head, uint32 list, uint32 version)
{
	while (head != IVF_NONE)
	{
		Buffer buffer = ivf_lock_segment(index, head, BUFFER_LOCK_SHARE);
		const IvfSegment *segment = IvfPageGetSegment(BufferGetPage(buffer));
		uint32			  next = segment->next;
		bool			  ours = belongs_to(buffer, list, version) &&
					segment->state != IVF_SEGMENT_FREE;

		UnlockReleaseBuffer(buffer);
		if (!ours)
			return;
		ivf_free_segment(index, head);
		head = next;
		CHECK_FOR_INTERRUPTS();
	}
}

void
ivf_close_segment(IvfIndex *index, uint32 number)
{
	PageEdit edit;

	page_edit_start(&edit, index->rel, index->building);
	(void) page_edit_lock(&edit, ivf_segment_block(&index->geometry, number));
	ivf_check_segment(index, edit.buffers[0]);
	IvfPageGetSegment(page_edit_image(&edit, 0))->state = IVF_SEGMENT_CLOSED;
	page_edit_finish(&edit);
}

/* ------------------------------------------------------------------------
 * Adding entries
 * ------------------------------------------------------------------------
 */

/*
 * Entries on their way into a segment.  What is behind the first page becomes a
 * part of the segment when that counts the entries (rule W2), so it may go into
 * records of its own.
 */
typedef struct SegmentWriter
{
	IvfIndex   *index;
	uint32		number;
	BlockNumber start;
	uint32		version;
	bool		single;		/* one entry, so that little of a page changes */
	int			first_page; /* of edit, or -1 until it is a part of it */
	PageEdit	edit;
} SegmentWriter;

/* Start a new record: what was written so far is no longer locked. */
static void
writer_flush(SegmentWriter *writer)
{
	Assert(writer->first_page < 0);
	page_edit_finish(&writer->edit);
	page_edit_start(&writer->edit, writer->index->rel,
					writer->index->building);
}

/*
 * Have a page of the segment in the edit: returns its number there.  The first
 * one is there when it is its turn.
 */
static int
writer_page(SegmentWriter *writer, uint32 page_no, IvfPageKind kind)
{
	BlockNumber block = writer->start + page_no;
	PageEdit   *edit = &writer->edit;
	Page		current;
	int			page;

	if (page_no == 0)
	{
		Assert(writer->first_page >= 0);
		return writer->first_page;
	}
	for (page = 0; page < edit->num_pages; page++)
	{
		if (BufferGetBlockNumber(edit->buffers[page]) == block)
			return page;
	}

	/* leave room for the first page */
	if (edit->num_pages == MAX_GENERIC_XLOG_PAGES - 1)
		writer_flush(writer);
	page = page_edit_lock(edit, block);
	current = page_edit_peek(edit, page);
	if (PageIsNew(current) ||
		(IvfPageGetHeader(current)->page_id == IVF_PAGE_ID &&
		 IvfPageGetHeader(current)->version != writer->version))
		/* what the list that had the segment before wrote may be of any kind */
		ivf_init_page(page_edit_image(edit, page), kind, writer->version);
	else
		ivf_check_page(writer->index->rel, edit->buffers[page], kind);
	if (!writer->single)
		(void) page_edit_image(edit, page);
	return page;
}

static void
write_fine_codes(SegmentWriter *writer, uint32 first, const IvfEntry *entries,
				 uint32 count)
{
	const IvfGeometry *geometry = &writer->index->geometry;

	for (uint32 i = 0; i < count; i++)
	{
		int	   page = writer_page(writer, ivf_fine_page(geometry, first + i),
								  IVF_PAGE_FINE);
		uint32 offset = ivf_fine_offset(geometry, first + i);

		page_edit_write(&writer->edit, page, offset, entries[i].code,
						geometry->code_bytes);
		page_edit_cover(&writer->edit, page, offset + geometry->code_bytes);
	}
}

/* A part of a block of coarse codes that is on one page, of whole groups. */
typedef struct BlockPart
{
	int	   page;  /* of the edit */
	uint32 start; /* in the block */
	uint32 end;
	uint32 offset; /* of the start in the page */
} BlockPart;

/* The part of a block that begins at `start`, with its page in the edit. */
static BlockPart
block_part(SegmentWriter *writer, uint32 block, uint32 start)
{
	const IvfGeometry *geometry = &writer->index->geometry;
	IvfBlockPlace	   place;
	BlockPart		   part = {.start = start, .end = geometry->block_bytes};

	if (geometry->coarse_pages == 0)
	{
		part.page = writer->first_page;
		part.offset = IVF_CONTENT_OFFSET + geometry->coarse_offset +
					  block * geometry->block_bytes + start;
	}
	else
	{
		place = ivf_block_place(geometry, block);
		part.page = writer_page(writer, place.page + start / IVF_PAGE_CAPACITY,
								IVF_PAGE_COARSE);
		part.offset = IVF_CONTENT_OFFSET + place.offset;
		part.end = Min(part.end, start + IVF_PAGE_CAPACITY - place.offset);
	}
	page_edit_cover(&writer->edit, part.page,
					part.offset + part.end - part.start);
	return part;
}

/*
 * Put lane 0 of `encoded` into a lane of a block, where it is a byte here and a
 * byte there.
 */
static void
write_lane(SegmentWriter *writer, uint32 block, uint32 lane,
		   const char *encoded)
{
	RabitqMetric metric = writer->index->coder.coarse_metric;
	BlockPart	 part = {.end = 0};

	StaticAssertStmt(IVF_PAGE_CAPACITY % RABITQ_GROUP_BYTES == 0,
					 "blocks must be cut between groups");
	for (uint32 start = 0; start < writer->index->geometry.block_bytes;
		 start = part.end)
	{
		uint8		bytes[IVF_PAGE_CAPACITY / RABITQ_GROUP_BYTES];
		uint32		at = RABITQ_LANE_OFFSET(metric, lane);
		uint32		from = RABITQ_LANE_OFFSET(metric, 0);
		uint32		count = 0;
		const char *page;

		part = block_part(writer, block, start);
		page = (const char *) page_edit_current(&writer->edit, part.page) +
			   part.offset - start;
		for (uint32 i = 0; i < RABITQ_FACTORS(metric) && start == 0; i++)
			page_edit_write(&writer->edit, part.page,
							part.offset + RABITQ_FACTOR_OFFSET(i, lane),
							encoded + RABITQ_FACTOR_OFFSET(i, 0),
							sizeof(float));
		if (start > 0)
		{
			at = start + lane % RABITQ_GROUP_BYTES;
			from = start;
		}
		for (uint32 i = 0; at + i < part.end; i += RABITQ_GROUP_BYTES)
			bytes[count++] = rabitq_with_lane((uint8) page[at + i], lane,
											  (uint8) encoded[from + i]);
		page_edit_scatter(&writer->edit, part.page, part.offset + at - start,
						  RABITQ_GROUP_BYTES, bytes, count);
	}
}

/* Encode entries into the lanes of one block. */
static void
write_lanes(IvfIndex *index, const char *centroid, char *block, uint32 lane,
			const IvfEntry *entries, uint32 count)
{
	for (uint32 i = 0; i < count; i++)
		ivf_coarse_encode(&index->coder, centroid, entries[i].point,
						  entries[i].loss, block, lane + i);
}

/* The same for a block outside of the first page, in a copy. */
static void
write_separate_lanes(SegmentWriter *writer, const char *centroid, uint32 block,
					 uint32 lane, const IvfEntry *entries, uint32 count)
{
	uint32	  block_bytes = writer->index->geometry.block_bytes;
	char	 *copy = palloc(block_bytes);
	BlockPart part = {.end = 0};

	writer_flush(writer);
	if (lane == 0)
		memset(copy, 0, block_bytes);
	else if (!ivf_copy_block(writer->index, writer->number, writer->version,
							 block, copy))
		ivf_report_bad_page(
			writer->index->rel, writer->start,
			"Coarse codes of the segment are of another list.");
	write_lanes(writer->index, centroid, copy, lane, entries, count);
	for (uint32 start = 0; start < block_bytes; start = part.end)
	{
		part = block_part(writer, block, start);
		page_edit_write(&writer->edit, part.page, part.offset, copy + start,
						part.end - start);
	}
	pfree(copy);
}

/* Coarse codes.  encoded: of a single entry, in lane 0 of a block. */
static void
write_coarse_codes(SegmentWriter *writer, uint32 first, const char *centroid,
				   const IvfEntry *entries, uint32 count, const char *encoded)
{
	bool separate = writer->index->geometry.coarse_pages > 0;

	for (uint32 done = 0; done < count;)
	{
		uint32 entry = first + done;
		uint32 block = entry / IVF_BLOCK_ENTRIES;
		uint32 lane = entry % IVF_BLOCK_ENTRIES;
		uint32 lanes = Min(count - done, IVF_BLOCK_ENTRIES - lane);

		if (encoded != NULL)
			write_lane(writer, block, lane, encoded);
		else if (separate)
			write_separate_lanes(writer, centroid, block, lane, &entries[done],
								 lanes);
		else
		{
			BlockPart part = block_part(writer, block, 0);

			write_lanes(writer->index, centroid,
						(char *) page_edit_image(&writer->edit, part.page) +
							part.offset,
						lane, &entries[done], lanes);
		}
		done += lanes;
	}
}

/* Count entries in the first page, which they are complete by. */
static void
write_tids(SegmentWriter *writer, uint32 first, const IvfEntry *entries,
		   uint32 count)
{
	PageEdit *edit = &writer->edit;
	uint32	  segment = IVF_CONTENT_OFFSET;
	uint32	  offset = segment + offsetof(IvfSegment, tids) +
					first * sizeof(ItemPointerData);
	uint16 total = first + count;

	page_edit_cover(edit, writer->first_page,
					offset + count * sizeof(ItemPointerData));
	for (uint32 i = 0; i < count; i++)
		page_edit_write(edit, writer->first_page,
						offset + i * sizeof(ItemPointerData), &entries[i].tid,
						sizeof(ItemPointerData));
	page_edit_write(edit, writer->first_page,
					segment + offsetof(IvfSegment, count), &total,
					sizeof(total));
}

IvfAppendResult
ivf_append(IvfIndex *index, const IvfListRef *list, const char *centroid,
		   const IvfEntry *entries, uint32 count, uint32 *done, uint32 *depth)
{
	const IvfGeometry *geometry = &index->geometry;
	char			  *encoded = NULL;
	Buffer			   buffer;
	const IvfSegment  *segment;
	uint32			   first;
	uint32			   in_first;
	SegmentWriter	   writer = {.index = index, .first_page = -1};

	writer.single = count == 1 && !index->building;
	if (writer.single && geometry->block_bytes > 0)
	{
		/* before anybody has to wait for a lock (rule L2) */
		encoded = palloc0(geometry->block_bytes);
		write_lanes(index, centroid, encoded, 0, entries, 1);
	}

	buffer = ivf_lock_segment(index, list->head, BUFFER_LOCK_EXCLUSIVE);
	segment = IvfPageGetSegment(BufferGetPage(buffer));
	first = segment->count;
	*done = 0;
	*depth = segment->depth;
	if (!belongs_to(buffer, list->list, list->version) ||
		segment->state != IVF_SEGMENT_OPEN)
	{
		bool closed = belongs_to(buffer, list->list, list->version) &&
					  segment->state == IVF_SEGMENT_CLOSED;

		UnlockReleaseBuffer(buffer);
		return closed ? IVF_APPEND_CLOSED : IVF_APPEND_STALE;
	}

	count = Min(count, geometry->capacity - first);
	if (count == 0)
	{
		UnlockReleaseBuffer(buffer);
		return IVF_APPENDED;
	}

	writer.number = list->head;
	writer.start = ivf_segment_block(geometry, list->head);
	writer.version = list->version;
	page_edit_start(&writer.edit, index->rel, index->building);
	/* so many have their fine codes in the first page, which is the last to do */
	in_first = Min(geometry->first_codes - Min(first, geometry->first_codes),
				   count);
	write_fine_codes(&writer, first + in_first, entries + in_first,
					 count - in_first);
	if (geometry->coarse_pages > 0)
		write_coarse_codes(&writer, first, centroid, entries, count, encoded);

	writer.first_page = page_edit_adopt(&writer.edit, buffer);
	if (!writer.single)
		(void) page_edit_image(&writer.edit, writer.first_page);
	if (geometry->block_bytes > 0 && geometry->coarse_pages == 0)
		write_coarse_codes(&writer, first, centroid, entries, count, encoded);
	write_fine_codes(&writer, first, entries, in_first);
	write_tids(&writer, first, entries, count);
	page_edit_finish(&writer.edit);
	if (encoded != NULL)
		pfree(encoded);
	*done = count;
	return IVF_APPENDED;
}

void
ivf_append_all(IvfIndex *index, IvfListRef *list, const char *centroid,
			   const IvfEntry *entries, uint32 count)
{
	while (count > 0)
	{
		uint32 done = 0;
		uint32 depth = 0;

		if (list->head != IVF_NONE)
			(void) ivf_append(index, list, centroid, entries, count, &done,
							  &depth);
		entries += done;
		count -= done;
		/* somebody else may be faster */
		if (count > 0)
			(void) ivf_extend_list(index, list, depth + 1);
	}
}

/*
 * The segment may have been given to another list since its TIDs were looked
 * at, but only with rows that are not dead; and a TID that was dead has not
 * been used again.
 */
void
ivf_clear_entries(IvfIndex *index, uint32 number, const ItemPointerData *tids,
				  uint32 count)
{
	PageEdit	edit;
	IvfSegment *segment;
	uint32		next = 0;

	page_edit_start(&edit, index->rel, index->building);
	(void) page_edit_lock(&edit, ivf_segment_block(&index->geometry, number));
	ivf_check_segment(index, edit.buffers[0]);
	segment = IvfPageGetSegment(page_edit_image(&edit, 0));
	for (uint32 i = 0; i < segment->count && next < count; i++)
	{
		if (!ItemPointerEquals(&segment->tids[i],
							   unconstify(ItemPointerData *, &tids[next])))
			continue;
		ItemPointerSetInvalid(&segment->tids[i]);
		segment->dead++;
		next++;
	}
	page_edit_finish(&edit);
}

/* ------------------------------------------------------------------------
 * Reading entries
 * ------------------------------------------------------------------------
 */

void
ivf_init_copy(IvfIndex *index, IvfSegmentCopy *copy)
{
	copy->tids = palloc(sizeof(ItemPointerData) * index->geometry.capacity);
	copy->codes = palloc_extended((Size) index->geometry.code_bytes *
									  index->geometry.capacity,
								  MCXT_ALLOC_HUGE);
}

bool
ivf_copy_segment(IvfIndex *index, uint32 number, uint32 list, uint32 version,
				 IvfSegmentCopy *copy)
{
	const IvfGeometry *geometry = &index->geometry;
	Buffer buffer = ivf_lock_segment(index, number, BUFFER_LOCK_SHARE);
	const IvfSegment *segment = IvfPageGetSegment(BufferGetPage(buffer));
	bool			  ours = belongs_to(buffer, list, version);

	copy->version = version;
	copy->next = segment->next;
	copy->depth = segment->depth;
	copy->count = segment->count;
	copy->dead = segment->dead;
	memcpy(copy->tids, segment->tids,
		   sizeof(ItemPointerData) * segment->count);
	UnlockReleaseBuffer(buffer);
	if (!ours)
		return false;

	for (uint32 entry = 0; entry < copy->count;)
	{
		uint32 count = Min(ivf_fine_end(geometry, entry), copy->count) - entry;
		Page   page;

		buffer = index_pin_page(index->rel,
								ivf_segment_block(geometry, number) +
									ivf_fine_page(geometry, entry));
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		ivf_check_page(index->rel, buffer, ivf_fine_kind(geometry, entry));
		if (IvfPageGetHeader(page)->version != version)
		{
			UnlockReleaseBuffer(buffer);
			return false;
		}
		memcpy(copy->codes + (Size) entry * geometry->code_bytes,
			   ivf_fine_slot(geometry, page, entry),
			   (Size) count * geometry->code_bytes);
		UnlockReleaseBuffer(buffer);
		entry += count;
	}
	return true;
}

bool
ivf_copy_block(IvfIndex *index, uint32 number, uint32 version, uint32 block,
			   char *copy)
{
	const IvfGeometry *geometry = &index->geometry;
	bool			   separate = geometry->coarse_pages > 0;
	IvfBlockPlace	   place = {0, geometry->coarse_offset +
									   block * geometry->block_bytes};
	uint32			   part;

	if (separate)
		place = ivf_block_place(geometry, block);
	for (uint32 done = 0; done < geometry->block_bytes; done += part)
	{
		Buffer buffer = index_pin_page(index->rel,
									   ivf_segment_block(geometry, number) +
										   place.page);
		Page   page = BufferGetPage(buffer);
		bool   ours;

		part = Min(geometry->block_bytes - done,
				   IVF_PAGE_CAPACITY - place.offset);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		ivf_check_page(index->rel, buffer,
					   separate ? IVF_PAGE_COARSE : IVF_PAGE_SEGMENT);
		ours = IvfPageGetHeader(page)->version == version;
		memcpy(copy + done, IvfPageGetContents(page) + place.offset, part);
		UnlockReleaseBuffer(buffer);
		if (!ours)
			return false;
		place.page++;
		place.offset = 0;
	}
	return true;
}

void
ivf_read_code(IvfIndex *index, uint32 number, uint32 entry, VectorCode *code)
{
	const IvfGeometry *geometry = &index->geometry;
	Buffer			   buffer = index_pin_page(index->rel,
											   ivf_segment_block(geometry, number) +
												   ivf_fine_page(geometry, entry));

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	ivf_check_page(index->rel, buffer, ivf_fine_kind(geometry, entry));
	memcpy(code, ivf_fine_slot(geometry, BufferGetPage(buffer), entry),
		   geometry->code_bytes);
	UnlockReleaseBuffer(buffer);
}
