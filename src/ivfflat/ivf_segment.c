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
ivf_extend_list(IvfIndex *index, const IvfListRef *expected, uint32 depth)
{
	PageEdit edit;
	IvfState state;
	IvfPlace place;
	IvfList *list;
	Page	 image;
	uint32	 number;
	int		 page;

	ivf_read_state(index, &state);
	place = ivf_list_place(index, &state, expected->list);

	lock_supply(index, &edit);
	page = page_edit_lock(&edit, place.block);
	ivf_check_page(index->rel, edit.buffers[page], IVF_PAGE_LISTS);
	list = (IvfList *) (IvfPageGetContents(page_edit_peek(&edit, page)) +
						place.offset);
	if (list->head != expected->head || list->version != expected->version)
	{
		page_edit_abort(&edit);
		return false;
	}

	number = take_segment(index, &edit, IVF_SEGMENT_OPEN, expected->list,
						  expected->version, &image);
	IvfPageGetSegment(image)->next = expected->head;
	IvfPageGetSegment(image)->depth = depth;
	list = (IvfList *) (IvfPageGetContents(page_edit_image(&edit, page)) +
						place.offset);
	list->head = number;
	page_edit_finish(&edit);
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
 * The pages of a segment behind the first one, being written.  They become
 * part of the segment when the first page counts the entries (rule W2), so they
 * may go into several records.
 */
typedef struct SegmentWriter
{
	IvfIndex   *index;
	uint32		number;
	BlockNumber start;
	uint32		version;
	PageEdit	edit;
} SegmentWriter;

/* Start a new record: what was written so far is no longer locked. */
static void
writer_flush(SegmentWriter *writer)
{
	page_edit_finish(&writer->edit);
	page_edit_start(&writer->edit, writer->index->rel,
					writer->index->building);
}

static Page
writer_page(SegmentWriter *writer, uint32 page_no, IvfPageKind kind)
{
	BlockNumber block = writer->start + page_no;
	PageEdit   *edit = &writer->edit;
	Page		image;
	int			page;

	for (page = 0; page < edit->num_pages; page++)
	{
		if (BufferGetBlockNumber(edit->buffers[page]) == block)
			return page_edit_image(edit, page);
	}

	/* leave room for the first page */
	if (edit->num_pages == MAX_GENERIC_XLOG_PAGES - 1)
		writer_flush(writer);
	page = page_edit_lock(edit, block);
	if (!PageIsNew(page_edit_peek(edit, page)))
	{
		const IvfPageHeader *header = IvfPageGetHeader(
			page_edit_peek(edit, page));

		/* what the list that had the segment before wrote may be of any kind */
		if (header->page_id != IVF_PAGE_ID ||
			header->version == writer->version)
			ivf_check_page(writer->index->rel, edit->buffers[page], kind);
	}
	image = page_edit_image(edit, page);
	if (PageIsNew(image) ||
		IvfPageGetHeader(image)->version != writer->version)
		ivf_init_page(image, kind, writer->version);
	return image;
}

static void
write_fine_codes(SegmentWriter *writer, uint32 first, const IvfEntry *entries,
				 uint32 count)
{
	const IvfGeometry *geometry = &writer->index->geometry;

	for (uint32 i = 0; i < count; i++)
	{
		Page page = writer_page(writer, ivf_fine_page(geometry, first + i),
								IVF_PAGE_FINE);

		memcpy(ivf_fine_slot(geometry, page, first + i), entries[i].code,
			   geometry->code_bytes);
	}
}

/* Write back a block of coarse codes that lies outside of the first page. */
static void
write_coarse_block(SegmentWriter *writer, uint32 block, const char *copy)
{
	const IvfGeometry *geometry = &writer->index->geometry;
	IvfBlockPlace	   place = ivf_block_place(geometry, block);
	uint32			   part;

	for (uint32 done = 0; done < geometry->block_bytes; done += part)
	{
		Page page = writer_page(writer, place.page, IVF_PAGE_COARSE);

		part = Min(geometry->block_bytes - done,
				   IVF_PAGE_CAPACITY - place.offset);
		memcpy(IvfPageGetContents(page) + place.offset, copy + done, part);
		place.page++;
		place.offset = 0;
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

/* Coarse codes; first_page is the image of the segment's first page. */
static void
write_coarse_codes(SegmentWriter *writer, Page first_page, uint32 first,
				   const char *centroid, const IvfEntry *entries, uint32 count)
{
	const IvfGeometry *geometry = &writer->index->geometry;
	char *copy = geometry->coarse_pages > 0 ? palloc(geometry->block_bytes)
											: NULL;

	for (uint32 done = 0; done < count;)
	{
		uint32 entry = first + done;
		uint32 block = entry / IVF_BLOCK_ENTRIES;
		uint32 lane = entry % IVF_BLOCK_ENTRIES;
		uint32 lanes = Min(count - done, IVF_BLOCK_ENTRIES - lane);

		if (geometry->coarse_pages == 0)
			write_lanes(writer->index, centroid,
						IvfPageGetContents(first_page) +
							geometry->coarse_offset +
							block * geometry->block_bytes,
						lane, &entries[done], lanes);
		else
		{
			writer_flush(writer);
			if (lane == 0)
				memset(copy, 0, geometry->block_bytes);
			else if (!ivf_copy_block(writer->index, writer->number,
									 writer->version, block, copy))
				ivf_report_bad_page(writer->index->rel, writer->start,
									"Coarse codes of the segment are of "
									"another list.");
			write_lanes(writer->index, centroid, copy, lane, &entries[done],
						lanes);
			write_coarse_block(writer, block, copy);
		}
		done += lanes;
	}
	if (copy != NULL)
		pfree(copy);
}

IvfAppendResult
ivf_append(IvfIndex *index, const IvfListRef *list, const char *centroid,
		   const IvfEntry *entries, uint32 count, uint32 *done, uint32 *depth)
{
	const IvfGeometry *geometry = &index->geometry;
	Buffer buffer = ivf_lock_segment(index, list->head, BUFFER_LOCK_EXCLUSIVE);
	IvfSegment	 *segment = IvfPageGetSegment(BufferGetPage(buffer));
	uint32		  first = segment->count;
	SegmentWriter writer;
	Page		  image;

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

	writer.index = index;
	writer.number = list->head;
	writer.start = ivf_segment_block(geometry, list->head);
	writer.version = list->version;
	page_edit_start(&writer.edit, index->rel, index->building);
	write_fine_codes(&writer, first, entries, count);
	if (geometry->coarse_pages > 0)
		write_coarse_codes(&writer, NULL, first, centroid, entries, count);

	image = page_edit_image(&writer.edit,
							page_edit_adopt(&writer.edit, buffer));
	if (geometry->block_bytes > 0 && geometry->coarse_pages == 0)
		write_coarse_codes(&writer, image, first, centroid, entries, count);
	segment = IvfPageGetSegment(image);
	for (uint32 i = 0; i < count; i++)
		segment->tids[first + i] = entries[i].tid;
	segment->count = first + count;
	page_edit_finish(&writer.edit);
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
		if (count > 0)
		{
			/* somebody else may be faster */
			(void) ivf_extend_list(index, list, depth + 1);
			list->head = ivf_read_list(index, list->list, NULL, NULL).head;
		}
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
		uint32 count = Min(geometry->codes_per_page -
							   entry % geometry->codes_per_page,
						   copy->count - entry);
		Page   page;

		buffer = index_pin_page(index->rel,
								ivf_segment_block(geometry, number) +
									ivf_fine_page(geometry, entry));
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		ivf_check_page(index->rel, buffer, IVF_PAGE_FINE);
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
	ivf_check_page(index->rel, buffer, IVF_PAGE_FINE);
	memcpy(code, ivf_fine_slot(geometry, BufferGetPage(buffer), entry),
		   geometry->code_bytes);
	UnlockReleaseBuffer(buffer);
}
