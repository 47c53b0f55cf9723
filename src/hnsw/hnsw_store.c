/*
 * hnsw_store.c
 *		Codes on pages: where they lie, how they are read and written.
 *
 * There are three forms (README, "Codes on pages"):
 *
 *	narrow	all codes have one size that fits a page, and lie in slots of it
 *	wide	the same for sizes that do not: slots go on from page to page
 *	varying	slots of one size hold the beginnings, chains of chunks in overflow
 *			pages the rest
 *
 * Refinements, in an array of their own, are narrow or wide.
 *
 * A narrow code can be read in place (hnsw_code_in_page).  Codes of other forms
 * are put together in a buffer, page by page, so that their slots may have got
 * another owner meanwhile; README, "What a reader may see", says who may meet
 * that and why it does no harm.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "hnsw/hnsw.h"
#include "index/page_pin.h"
#include "types/sparsevec.h"

/* How often in a row a code may look broken before it is believed to be. */
#define BROKEN_CODE_ATTEMPTS 3

/*
 * Bytes of a refinement that are prefetched: the CPU goes on by itself with what
 * follows, as it is read from the first to the last byte.
 */
#define PREFETCH_BYTES 512

const HnswPlace hnsw_no_place = {InvalidBlockNumber, 0};

static void
report_broken_code(const HnswIndex *index, HnswElement element,
				   const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
					errmsg("index \"%s\" has a broken code of element %u",
						   RelationGetRelationName(index->rel), element),
					errdetail_internal("%s.", detail),
					errhint("Please REINDEX it.")));
}

/* Room in the slot of a varying code. */
static inline uint32
inline_bytes(const HnswIndex *index)
{
	return index->geometry.codes.bytes - offsetof(HnswCodeSlot, bytes);
}

/* A slot for a code or refinement, of one size for all elements. */
typedef struct ElementSlot
{
	const HnswArray *array;
	HnswPageKind	 page_kind;
	HnswPlace		 at; /* where it begins */
} ElementSlot;

/* The slot of an element in the array of such pages. */
static ElementSlot
find_slot(HnswIndex *index, HnswPageKind page_kind, HnswElement element)
{
	bool					codes = page_kind == HNSW_PAGE_CODES;
	uint32					offset;
	const HnswExtentLayout *extent = hnsw_find_element_extent(index, element,
															  &offset);
	ElementSlot				found;

	found.array = codes ? &index->geometry.codes
						: &index->geometry.refinements;
	found.page_kind = page_kind;
	found.at = hnsw_array_place(found.array,
								codes ? extent->codes : extent->refinements,
								offset);
	return found;
}

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

static void
begin_code_read(HnswIndex *index, Buffer buffer, HnswPageKind kind)
{
	if (index->lock_codes)
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
	hnsw_check_page(index, buffer, kind);
}

static void
end_code_read(HnswIndex *index, Buffer buffer)
{
	if (index->lock_codes)
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	ReleaseBuffer(buffer);
}

HnswCodePage
hnsw_begin_code_page(HnswIndex *index, BlockNumber block)
{
	HnswCodePage page = {hnsw_pin_page(index, block), false};

	begin_code_read(index, page.buffer, HNSW_PAGE_CODES);
	return page;
}

void
hnsw_end_code_page(HnswIndex *index, HnswCodePage page)
{
	if (likely(page.brief))
		index_unpin_brief(page.buffer);
	else
		end_code_read(index, page.buffer);
}

static void
reserve_buffer(HnswCodeBuffer *buffer, Size bytes)
{
	if (bytes <= buffer->allocated)
		return;
	if (buffer->bytes != NULL)
		pfree(buffer->bytes);
	buffer->allocated = bytes;
	buffer->bytes = MemoryContextAlloc(buffer->context, bytes);
}

/* Read a slot into a buffer, from one page or several. */
static void
read_slot(HnswIndex *index, const ElementSlot *from, HnswCodeBuffer *buffer)
{
	HnswPlace at = from->at;
	uint32	  left = from->array->bytes;
	char	 *to;

	reserve_buffer(buffer, left);
	to = buffer->bytes;
	while (left > 0)
	{
		Buffer page = hnsw_pin_page(index, at.block);
		uint32 part = Min(left, HNSW_PAGE_CAPACITY - at.slot);

		begin_code_read(index, page, from->page_kind);
		memcpy(to, HnswPageGetSlot(BufferGetPage(page), at.slot, 1), part);
		end_code_read(index, page);
		to += part;
		left -= part;
		at.block++;
		at.slot = 0;
	}
}

static bool
is_overflow_block(HnswIndex *index, BlockNumber block)
{
	for (int attempt = 0; attempt < 2; attempt++)
	{
		const HnswDirectory *directory = index->directory;

		for (uint32 i = 0; i < directory->num_extents; i++)
		{
			if (block >= directory->extents[i].overflow &&
				block < directory->extents[i].end_block)
				return true;
		}
		/* the index may have grown since the copy was made */
		if (attempt == 0)
			hnsw_refresh_directory(index);
	}
	return false;
}

/*
 * Append the chunks of a code to its beginning.  False if the chain is not that
 * of the code, or none.
 */
static bool
read_chunks(HnswIndex *index, HnswElement element, uint32 stamp, HnswPlace at,
			char *to, uint32 left)
{
	while (left > 0)
	{
		BlockNumber block = at.block;
		Buffer		buffer;
		Page		page;
		bool		valid;

		if (block == InvalidBlockNumber || !is_overflow_block(index, block))
			return false;
		buffer = hnsw_pin_page(index, block);
		page = BufferGetPage(buffer);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		valid = !PageIsNew(page);
		if (valid)
			hnsw_check_page(index, buffer, HNSW_PAGE_OVERFLOW);
		while (valid && left > 0 && at.block == block)
		{
			const HnswChunk *chunk = (const HnswChunk *)
				HnswPageGetSlot(page, at.slot, sizeof(HnswChunk));
			uint32 part = Min(left, HNSW_CHUNK_BYTES);

			valid = at.slot < HNSW_CHUNKS_PER_PAGE && chunk->in_use == 1 &&
					chunk->element == element && chunk->stamp == stamp;
			if (!valid)
				break;
			memcpy(to, chunk->bytes, part);
			to += part;
			left -= part;
			at = chunk->next;
		}
		UnlockReleaseBuffer(buffer);
		if (!valid)
			return false;
	}
	return at.block == InvalidBlockNumber;
}

/*
 * Put a varying code together; releases the pin on the page of its slot.  False
 * if its parts do not fit together.
 */
static bool
read_varying_code(HnswIndex *index, HnswElement element, Buffer slot_buffer,
				  uint32 slot, HnswCodeBuffer *code)
{
	HnswCodeSlot		header;
	const HnswCodeSlot *in_page;
	const SparseCode   *sparse;
	uint32				first;

	in_page = (const HnswCodeSlot *) HnswPageGetSlot(
		BufferGetPage(slot_buffer), slot, index->geometry.codes.slot_bytes);
	begin_code_read(index, slot_buffer, HNSW_PAGE_CODES);

	/* without a lock (R2): what was read once is not read again */
	memcpy(&header, in_page, offsetof(HnswCodeSlot, bytes));
	if (header.code_bytes < SPARSE_CODE_BYTES(0) ||
		header.code_bytes > SPARSE_CODE_BYTES(SPARSEVEC_MAX_NNZ))
	{
		end_code_read(index, slot_buffer);
		return false;
	}
	first = Min(header.code_bytes, inline_bytes(index));
	reserve_buffer(code, header.code_bytes);
	memcpy(code->bytes, in_page->bytes, first);
	end_code_read(index, slot_buffer);

	sparse = (const SparseCode *) code->bytes;
	return sparse->count <= SPARSEVEC_MAX_NNZ &&
		   SPARSE_CODE_BYTES(sparse->count) == header.code_bytes &&
		   read_chunks(index, element, header.stamp, header.overflow,
					   code->bytes + first, header.code_bytes - first);
}

/*
 * The same, as often as it takes: NULL once the entry says that the element has
 * no code any more.  An entry and its code come with one record, so that either
 * they agree or they changed meanwhile.
 */
static const VectorCode *
load_varying_code(HnswIndex *index, HnswElement element, Buffer slot_buffer,
				  uint32 slot, HnswCodeBuffer *code)
{
	BlockNumber block = BufferGetBlockNumber(slot_buffer);
	HnswEntry	last = {0};
	int			attempts = 0;

	while (!read_varying_code(index, element, slot_buffer, slot, code))
	{
		HnswEntry entry = hnsw_read_entry(index, element);

		CHECK_FOR_INTERRUPTS();
		if (entry.state != HNSW_ENTRY_ELEMENT)
			return NULL;
		if (attempts > 0 && entry.chain_version != last.chain_version)
			attempts = 0;
		last = entry;
		if (++attempts == BROKEN_CODE_ATTEMPTS)
			report_broken_code(index, element,
							   "Its parts do not fit together");
		slot_buffer = hnsw_pin_page(index, block);
	}
	return (const VectorCode *) code->bytes;
}

const VectorCode *
hnsw_load_code(HnswIndex *index, HnswElement element, HnswCodeBuffer *code)
{
	ElementSlot from;

	if (hnsw_codes_vary(index->coder.encoding))
	{
		HnswPlace at = hnsw_code_place(index, element);

		return load_varying_code(index, element,
								 hnsw_pin_page(index, at.block), at.slot,
								 code);
	}
	from = find_slot(index, HNSW_PAGE_CODES, element);
	read_slot(index, &from, code);
	return (const VectorCode *) code->bytes;
}

/* Get so many bytes of a slot, those on its first page, into the CPU's caches. */
static void
prefetch_slot(HnswIndex *index, const ElementSlot *slot, uint32 bytes)
{
	uint32 on_page = Min(slot->array->bytes,
						 HNSW_PAGE_CAPACITY - slot->at.slot);

	index_prefetch_page_part(index->rel, slot->at.block,
							 HNSW_CONTENT_OFFSET + slot->at.slot,
							 Min(on_page, bytes));
}

void
hnsw_prefetch_refinement(HnswIndex *index, HnswElement element)
{
	ElementSlot slot = find_slot(index, HNSW_PAGE_REFINEMENTS, element);

	prefetch_slot(index, &slot, PREFETCH_BYTES);
}

void
hnsw_read_refinement_ahead(HnswIndex *index, HnswElement element)
{
	index_read_ahead(
		index->rel, find_slot(index, HNSW_PAGE_REFINEMENTS, element).at.block);
}

const void *
hnsw_load_refinement(HnswIndex *index, HnswElement element,
					 HnswCodeBuffer *refinement)
{
	ElementSlot from = find_slot(index, HNSW_PAGE_REFINEMENTS, element);

	read_slot(index, &from, refinement);

	/* the operator would go by what such a value says of itself */
	if (index->coder.encoding.refinement == HNSW_REFINEMENT_VALUE)
	{
		const char *wrong = hnsw_check_refinement(&index->coder, NULL,
												  refinement->bytes);

		if (unlikely(wrong != NULL))
			report_broken_code(index, element, wrong);
	}
	return refinement->bytes;
}

/* Is a slot on one page, where it may be read in place? */
static inline bool
is_in_place(const HnswIndex *index, const ElementSlot *slot)
{
	return !index->lock_codes &&
		   slot->at.slot + slot->array->bytes <= HNSW_PAGE_CAPACITY;
}

/* Both halves of a code, in place if they can be: joined they are copied. */
static HnswCode *
copy_halves(HnswIndex *index, HnswElement element)
{
	ElementSlot upper_at = find_slot(index, HNSW_PAGE_CODES, element);
	ElementSlot lower_at = find_slot(index, HNSW_PAGE_REFINEMENTS, element);
	HnswCode   *code = palloc(index->coder.linking_bytes);

	prefetch_slot(index, &upper_at, PREFETCH_BYTES);
	prefetch_slot(index, &lower_at, PREFETCH_BYTES);
	if (is_in_place(index, &upper_at) && is_in_place(index, &lower_at))
	{
		Buffer upper = hnsw_pin_page(index, upper_at.at.block);
		Buffer lower = hnsw_pin_page(index, lower_at.at.block);

		begin_code_read(index, upper, HNSW_PAGE_CODES);
		begin_code_read(index, lower, HNSW_PAGE_REFINEMENTS);
		hnsw_join_code(
			&index->coder,
			(const VectorCode *) HnswPageGetSlot(BufferGetPage(upper),
												 upper_at.at.slot, 1),
			HnswPageGetSlot(BufferGetPage(lower), lower_at.at.slot, 1), code);
		end_code_read(index, upper);
		end_code_read(index, lower);
	}
	else
	{
		HnswCodeBuffer upper = {.context = CurrentMemoryContext};
		HnswCodeBuffer lower = {.context = CurrentMemoryContext};

		read_slot(index, &upper_at, &upper);
		read_slot(index, &lower_at, &lower);
		hnsw_join_code(&index->coder, (const VectorCode *) upper.bytes,
					   lower.bytes, code);
		pfree(upper.bytes);
		pfree(lower.bytes);
	}
	return code;
}

HnswCode *
hnsw_copy_code(HnswIndex *index, HnswElement element)
{
	HnswCodeBuffer buffer = {.context = CurrentMemoryContext};

	if (hnsw_codes_in_halves(index->coder.encoding))
		return copy_halves(index, element);
	if (index->coder.links_by_refinement)
	{
		(void) hnsw_load_refinement(index, element, &buffer);
		return (HnswCode *) buffer.bytes;
	}
	if (hnsw_load_code(index, element, &buffer) == NULL)
		report_broken_code(index, element, "It is not in use");
	if (hnsw_codes_vary(index->coder.encoding))
	{
		const char *wrong = coder_check_code(&index->coder.codes,
											 (VectorCode *) buffer.bytes);

		if (wrong != NULL)
			report_broken_code(index, element, wrong);
	}
	return (HnswCode *) buffer.bytes;
}

/* ------------------------------------------------------------------------
 * Writing
 * ------------------------------------------------------------------------
 */

/* All parts of a varying code have its stamp: the hash of its bytes. */
HnswCodeSource
hnsw_code_source(const HnswIndex *index, HnswElement element,
				 const HnswCode *code)
{
	HnswCodeSource source;

	source.element = element;
	source.bytes = (const char *) code + index->coder.code_at;
	source.length = index->geometry.codes.bytes;
	source.stamp = 0;
	source.chunks = 0;
	if (hnsw_codes_in_halves(index->coder.encoding))
	{
		hnsw_split_code(&index->coder, code);
		source.bytes = (const char *) index->coder.upper;
	}
	if (!hnsw_codes_vary(index->coder.encoding))
		return source;

	source.length = hnsw_code_length(&index->coder, code);
	source.stamp = hash_bytes((const unsigned char *) code, source.length);
	if (source.length > inline_bytes(index))
		source.chunks = (source.length - inline_bytes(index) +
						 HNSW_CHUNK_BYTES - 1) /
						HNSW_CHUNK_BYTES;
	return source;
}

void
hnsw_fill_code_slot(const HnswIndex *index, char *slot,
					const HnswCodeSource *source, HnswPlace overflow)
{
	HnswCodeSlot *to = (HnswCodeSlot *) slot;

	if (!hnsw_codes_vary(index->coder.encoding))
	{
		memcpy(slot, source->bytes, source->length);
		return;
	}
	to->code_bytes = source->length;
	to->stamp = source->stamp;
	to->overflow = overflow;
	memcpy(to->bytes, source->bytes, Min(source->length, inline_bytes(index)));
}

void
hnsw_fill_chunk(const HnswIndex *index, HnswChunk *chunk,
				const HnswCodeSource *source, uint32 number, HnswPlace next)
{
	uint32 start = inline_bytes(index) + number * HNSW_CHUNK_BYTES;

	chunk->element = source->element;
	chunk->stamp = source->stamp;
	chunk->next = next;
	chunk->in_use = 1;
	memcpy(chunk->bytes, source->bytes + start,
		   Min(source->length - start, HNSW_CHUNK_BYTES));
}

HnswCodeSource
hnsw_refinement_source(const HnswIndex *index, HnswElement element,
					   const HnswCode *code)
{
	HnswCodeSource source = {.element = element};

	source.bytes = (const char *) code + index->coder.refinement_at;
	source.length = index->geometry.refinements.bytes;
	if (hnsw_codes_in_halves(index->coder.encoding))
	{
		hnsw_split_code(&index->coder, code);
		source.bytes = (const char *) index->coder.lower;
	}
	return source;
}

bool
hnsw_refinement_in_one_page(HnswIndex *index, HnswElement element)
{
	ElementSlot to = find_slot(index, HNSW_PAGE_REFINEMENTS, element);

	return to.at.slot + to.array->bytes <= HNSW_PAGE_CAPACITY;
}

/* Write a part of a slot on a page that the edit locks; returns its length. */
static uint32
write_part(HnswEdit *edit, HnswPageKind kind, HnswPlace at, const char *from,
		   uint32 left)
{
	uint32 part = Min(left, HNSW_PAGE_CAPACITY - at.slot);
	int	   page = hnsw_edit_lock(edit, at.block, kind);

	memcpy(HnswPageGetSlot(hnsw_edit_image(edit, page, kind), at.slot, 1),
		   from, part);
	return part;
}

void
hnsw_fill_refinement(HnswEdit *edit, const HnswCodeSource *source)
{
	ElementSlot to = find_slot(edit->index, HNSW_PAGE_REFINEMENTS,
							   source->element);

	(void) write_part(edit, to.page_kind, to.at, source->bytes,
					  source->length);
}

/* Write a slot that takes several pages, up to four of them a record. */
static void
write_slot(HnswIndex *index, const ElementSlot *to,
		   const HnswCodeSource *source)
{
	HnswPlace	at = to->at;
	const char *from = source->bytes;
	uint32		left = source->length;

	while (left > 0)
	{
		HnswEdit edit;

		hnsw_edit_start(&edit, index);
		while (left > 0 && edit.pages.num_pages < HNSW_EDIT_MAX_PAGES)
		{
			uint32 part = write_part(&edit, to->page_kind, at, from, left);

			from += part;
			left -= part;
			at.block++;
			at.slot = 0;
		}
		hnsw_edit_finish(&edit);
	}
}

/* Free chunks of a locked overflow page (NULL: never written), ascending. */
static uint32
find_free_chunks(Page page, uint32 wanted, uint32 *slots)
{
	uint32 count = 0;

	for (uint32 slot = 0; slot < HNSW_CHUNKS_PER_PAGE && count < wanted;
		 slot++)
	{
		if (page == NULL ||
			((HnswChunk *) HnswPageGetSlot(page, slot, sizeof(HnswChunk)))
					->in_use == 0)
			slots[count++] = slot;
	}
	return count;
}

/*
 * Write what the slot has no room for, from the end to the beginning, so that
 * each chunk knows the next one; as many chunks as a page has room for with one
 * record.  Returns the first one.
 */
static HnswPlace
write_chunks(HnswIndex *index, const HnswCodeSource *source)
{
	HnswPlace	next = hnsw_no_place;
	BlockNumber block = InvalidBlockNumber;
	uint32		left = source->chunks;

	while (left > 0)
	{
		uint32	 slots[HNSW_CHUNKS_PER_PAGE];
		HnswEdit edit;
		uint32	 count;
		int		 page;

		block = hnsw_insert_block(index, HNSW_SUPPLY_CHUNKS, block);
		hnsw_edit_start(&edit, index);
		page = hnsw_edit_lock(&edit, block, HNSW_PAGE_OVERFLOW);
		count = find_free_chunks(hnsw_edit_peek(&edit, page), left, slots);
		if (count == 0)
		{
			hnsw_edit_abort(&edit);
			continue;
		}
		while (count > 0)
		{
			uint32 slot = slots[--count];

			hnsw_fill_chunk(index,
							(HnswChunk *) HnswPageGetSlot(
								hnsw_edit_image(&edit, page,
												HNSW_PAGE_OVERFLOW),
								slot, sizeof(HnswChunk)),
							source, --left, next);
			next.block = block;
			next.slot = slot;
		}
		hnsw_edit_finish(&edit);
	}
	return next;
}

HnswPlace
hnsw_write_code_parts(HnswIndex *index, const HnswCodeSource *source)
{
	ElementSlot to;

	if (hnsw_codes_vary(index->coder.encoding))
		return write_chunks(index, source);
	to = find_slot(index, HNSW_PAGE_CODES, source->element);
	write_slot(index, &to, source);
	return hnsw_no_place;
}

void
hnsw_write_refinement_parts(HnswIndex *index, const HnswCodeSource *source)
{
	ElementSlot to = find_slot(index, HNSW_PAGE_REFINEMENTS, source->element);

	write_slot(index, &to, source);
}
