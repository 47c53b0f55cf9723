/*
 * hnsw_page.c
 *		The metapage, the directory of extents, and reading entries and lists.
 *
 * Everything here reads; changes are made by hnsw_edit.c and its callers.
 * Functions leave no lock and no pin behind unless their name says "pin".
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "hnsw/hnsw.h"
#include "index/foreign.h"
#include "index/page_pin.h"
#include "types/sparsevec.h"

/*
 * What the relcache keeps for an open index (rd_amcache, one chunk).
 */
typedef struct HnswCache
{
	uint32		  dimensions;
	uint32		  m;
	uint32		  ef_construction;
	uint64		  seed;
	VectorMetric  metric;
	HnswEncoding  encoding;
	HnswDirectory directory; /* last: variable length */
} HnswCache;

/* ------------------------------------------------------------------------
 * Pinning pages
 * ------------------------------------------------------------------------
 */

Buffer
hnsw_pin_page(HnswIndex *index, BlockNumber block)
{
	return index_pin_page(index->rel, block);
}

static void
report_bad_page(Relation rel, BlockNumber block, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has an invalid page at block %u",
					RelationGetRelationName(rel), block),
			 errdetail_internal("%s", detail), errhint("Please REINDEX it.")));
}

void
hnsw_report_broken_chain(const HnswIndex *index, HnswElement element)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has a broken chain of rows at element %u",
					RelationGetRelationName(index->rel), element),
			 errhint("Please REINDEX it.")));
}

/* The buffer is pinned at least. */
void
hnsw_check_page(HnswIndex *index, Buffer buffer, HnswPageKind kind)
{
	Page			page = BufferGetPage(buffer);
	HnswPageHeader *header = HnswPageGetHeader(page);

	if (likely(hnsw_page_is(buffer, kind)))
		return;
	report_bad_page(
		index->rel, BufferGetBlockNumber(buffer),
		PageIsNew(page) ? "The page was never written."
		: header->page_id != HNSW_PAGE_ID
			? "It is not a page of an hnsw index of this extension."
			: "The page is of another kind than expected here.");
}

/* ------------------------------------------------------------------------
 * Metapage and directory
 * ------------------------------------------------------------------------
 */

static const VectorForeignMarks pgvector_marks = {.magic = 0xA953A953,
												  .page_mark = 0xFF90};

bool
hnsw_made_by_pgvector(Relation rel)
{
	/* what the cache keeps is of a metapage that was checked */
	return rel->rd_amcache == NULL &&
		   vector_index_is_foreign(rel, &pgvector_marks);
}

static HnswEncoding
stored_encoding(const HnswMetaPageData *meta)
{
	HnswEncoding encoding;

	encoding.code.kind = meta->code_kind;
	encoding.code.rotated = meta->rotated != 0;
	encoding.code_bytes = meta->code_bytes;
	encoding.refinement = meta->refinement;
	encoding.refinement_code.kind = 0;
	encoding.rest_bits = 0;
	if (encoding.refinement == HNSW_REFINEMENT_REST ||
		encoding.refinement == HNSW_REFINEMENT_LOWER)
		encoding.rest_bits = meta->refinement_form;
	else
		encoding.refinement_code.kind = meta->refinement_form;
	encoding.refinement_code.rotated = meta->refinement_rotated != 0;
	encoding.refinement_bytes = meta->refinement_bytes;
	encoding.inline_codes = meta->inline_codes != 0;
	return encoding;
}

/*
 * Check everything that later arithmetic relies on: a damaged metapage must
 * give an error, not a crash.
 */
static void
check_metapage(Relation rel, Page page)
{
	HnswPageHeader	 *header = HnswPageGetHeader(page);
	HnswMetaPageData *meta = HnswPageGetMeta(page);
	HnswEncoding	  encoding;
	HnswElement		  next = 0;

	if (vector_metapage_is_foreign(page, &pgvector_marks))
		vector_report_foreign_index(ERROR, rel);
	if (PageIsNew(page) || header->page_id != HNSW_PAGE_ID ||
		header->kind != HNSW_PAGE_META || meta->magic != HNSW_MAGIC)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" is not an hnsw index of this extension",
						RelationGetRelationName(rel)),
				 errhint("Please REINDEX it.")));
	if (meta->version != HNSW_FORMAT_VERSION)
		ereport(
			ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg(
				 "index \"%s\" has format version %u, but this library reads version %d",
				 RelationGetRelationName(rel), meta->version,
				 HNSW_FORMAT_VERSION),
			 errhint("Please REINDEX it.")));

	encoding = stored_encoding(meta);
	if (meta->dimensions < 1 ||
		!hnsw_encoding_is_valid(encoding, meta->dimensions) ||
		meta->m < HNSW_MIN_M || meta->m > HNSW_MAX_M ||
		meta->ef_construction < HNSW_MIN_EF_CONSTRUCTION ||
		meta->ef_construction > HNSW_MAX_EF_CONSTRUCTION ||
		meta->rotated > 1 || meta->refinement_rotated > 1 ||
		meta->inline_codes > 1 ||
		(meta->inline_codes &&
		 !hnsw_inline_codes_fit(meta->m, meta->dimensions)) ||
		meta->num_extents > HNSW_MAX_EXTENTS ||
		meta->entry_level > HNSW_MAX_LEVEL)
		report_bad_page(rel, HNSW_META_BLKNO,
						"The metapage has values out of range.");

	{
		HnswGeometry geometry;

		BlockNumber end_block = HNSW_META_BLKNO + 1;
		BlockNumber blocks = RelationGetNumberOfBlocks(rel);

		hnsw_geometry_init(&geometry, meta->m, meta->code_bytes,
						   meta->refinement_bytes,
						   meta->inline_codes ? meta->dimensions : 0);
		for (uint32 i = 0; i < meta->num_extents; i++)
		{
			HnswExtent		*extent = &meta->extents[i];
			HnswExtentLayout layout;

			/* each is a run of pages of its own; none has more than 2^31 */
			if (extent->start < end_block || extent->start >= blocks)
				report_bad_page(rel, HNSW_META_BLKNO,
								"An extent has no pages of its own.");
			if (extent->first != next || extent->elements > HNSW_MAX_ELEMENT ||
				extent->row_pages >
					HNSW_MAX_ELEMENT / geometry.entries_per_page ||
				extent->overflow_pages > MaxBlockNumber / 4 ||
				(uint64) extent->first + extent->elements +
						(uint64) extent->row_pages *
							geometry.entries_per_page >
					HNSW_MAX_ELEMENT)
				report_bad_page(rel, HNSW_META_BLKNO,
								"The extents do not follow each other.");
			hnsw_extent_layout(&geometry, extent, &layout);
			if (layout.end_block <= extent->start || layout.end_block > blocks)
				report_bad_page(rel, HNSW_META_BLKNO,
								"An extent goes beyond the end of the file.");
			next = layout.end;
			end_block = layout.end_block;
		}
		if (meta->entry_point != HNSW_NONE && meta->entry_point >= next)
			report_bad_page(rel, HNSW_META_BLKNO,
							"The entry point lies beyond the extents.");
	}
}

void
hnsw_forget_cache(Relation rel)
{
	if (rel->rd_amcache != NULL)
		pfree(rel->rd_amcache);
	rel->rd_amcache = NULL;
}

/* Copy what the relcache shall keep from a locked and checked metapage. */
static void
cache_metapage(Relation rel, Page page)
{
	HnswMetaPageData *meta = HnswPageGetMeta(page);
	HnswGeometry	  geometry;
	HnswCache		 *cache;

	cache = MemoryContextAllocZero(rel->rd_indexcxt,
								   offsetof(HnswCache, directory.extents) +
									   sizeof(HnswExtentLayout) *
										   meta->num_extents);
	cache->dimensions = meta->dimensions;
	cache->m = meta->m;
	cache->ef_construction = meta->ef_construction;
	cache->seed = meta->seed;
	cache->metric = meta->metric;
	cache->encoding = stored_encoding(meta);
	cache->directory.num_extents = meta->num_extents;
	hnsw_geometry_init(&geometry, meta->m, meta->code_bytes,
					   meta->refinement_bytes,
					   meta->inline_codes ? meta->dimensions : 0);
	for (uint32 i = 0; i < meta->num_extents; i++)
		hnsw_extent_layout(&geometry, &meta->extents[i],
						   &cache->directory.extents[i]);

	hnsw_forget_cache(rel);
	rel->rd_amcache = cache;
}

/*
 * Copy the cached directory.  The copy stays when the relcache drops its own,
 * which can happen whenever a scan detoasts a value.
 */
static void
copy_directory(HnswIndex *index)
{
	HnswCache *cache = index->rel->rd_amcache;
	Size	   size = offsetof(HnswDirectory, extents) +
				sizeof(HnswExtentLayout) * cache->directory.num_extents;

	if (index->directory != NULL)
		pfree(index->directory);
	index->directory = MemoryContextAlloc(index->context, size);
	memcpy(index->directory, &cache->directory, size);
}

/*
 * Read the metapage: fills the relcache's copy if it has none or a shorter
 * directory.
 */
static HnswEntryPoint
read_metapage(Relation rel)
{
	HnswEntryPoint	  entry;
	HnswMetaPageData *meta;
	HnswCache		 *cache;
	Buffer			  buffer = ReadBuffer(rel, HNSW_META_BLKNO);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	cache = rel->rd_amcache;
	meta = HnswPageGetMeta(BufferGetPage(buffer));
	if (cache == NULL || cache->directory.num_extents != meta->num_extents)
	{
		check_metapage(rel, BufferGetPage(buffer));
		cache_metapage(rel, BufferGetPage(buffer));
	}
	entry.element = meta->entry_point;
	entry.level = meta->entry_level;
	entry.removals = meta->removals;
	entry.removing = meta->repairing != 0;
	UnlockReleaseBuffer(buffer);
	return entry;
}

HnswIndex *
hnsw_open(Relation rel)
{
	HnswIndex	 *index = palloc0(sizeof(HnswIndex));
	VectorOpclass opclass;
	HnswCache	 *cache;

	index->rel = rel;
	index->context = CurrentMemoryContext;
	vector_opclass_lookup(rel, &opclass);
	if (rel->rd_amcache == NULL)
		(void) read_metapage(rel);
	cache = rel->rd_amcache;
	if (cache->metric != opclass.metric ||
		!hnsw_encoding_fits(cache->encoding, &opclass, cache->dimensions))
		report_bad_page(rel, HNSW_META_BLKNO,
						"It does not fit the operator class.");

	index->dimensions = cache->dimensions;
	index->m = cache->m;
	index->ef_construction = cache->ef_construction;
	index->seed = cache->seed;
	hnsw_geometry_init(&index->geometry, cache->m, cache->encoding.code_bytes,
					   cache->encoding.refinement_bytes,
					   cache->encoding.inline_codes ? cache->dimensions : 0);
	copy_directory(index);
	hnsw_coder_init(&index->coder, &opclass, index->dimensions, index->seed,
					cache->encoding);
	index->lock_codes = RecoveryInProgress();
	return index;
}

HnswEntryPoint
hnsw_read_entry_point(HnswIndex *index)
{
	HnswEntryPoint entry = read_metapage(index->rel);
	HnswCache	  *cache = index->rel->rd_amcache;

	if (cache->directory.num_extents != index->directory->num_extents)
		copy_directory(index);
	return entry;
}

void
hnsw_refresh_directory(HnswIndex *index)
{
	(void) hnsw_read_entry_point(index);
}

/* ------------------------------------------------------------------------
 * From numbers to places
 * ------------------------------------------------------------------------
 */

static const HnswExtentLayout *
search_directory(const HnswDirectory *directory, HnswElement number)
{
	uint32 low = 0;
	uint32 high = directory->num_extents;

	while (low < high)
	{
		uint32 middle = (low + high) / 2;

		if (number < directory->extents[middle].first)
			high = middle;
		else if (number >= directory->extents[middle].end)
			low = middle + 1;
		else
			return &directory->extents[middle];
	}
	return NULL;
}

const HnswExtentLayout *
hnsw_find_extent(HnswIndex *index, HnswElement number)
{
	const HnswDirectory	   *directory = index->directory;
	const HnswExtentLayout *extent;

	/* most elements lie in the extent that the build wrote */
	if (likely(directory->num_extents > 0 &&
			   number < directory->extents[0].end))
		return &directory->extents[0];

	extent = search_directory(directory, number);
	if (likely(extent != NULL))
		return extent;

	/* the index may have grown since the copy was made */
	hnsw_refresh_directory(index);
	extent = search_directory(index->directory, number);
	if (extent == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" refers to element %u, which does not exist",
					RelationGetRelationName(index->rel), number),
			 errhint("Please REINDEX it.")));
	return extent;
}

/* Further rows have no list and no code. */
const HnswExtentLayout *
hnsw_find_element_extent_slowly(HnswIndex *index, HnswElement element,
								uint32 *offset)
{
	const HnswExtentLayout *extent = hnsw_find_extent(index, element);

	*offset = element - extent->first;
	if (unlikely(*offset >= extent->elements))
		ereport(
			ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg(
				 "index \"%s\" refers to number %u as an element, which it is not",
				 RelationGetRelationName(index->rel), element),
			 errhint("Please REINDEX it.")));
	return extent;
}

bool
hnsw_is_element_number(HnswIndex *index, HnswElement number)
{
	const HnswExtentLayout *extent = hnsw_find_extent(index, number);

	return number - extent->first < extent->elements;
}

HnswPlace
hnsw_entry_place(HnswIndex *index, HnswElement number)
{
	const HnswExtentLayout *extent = hnsw_find_extent(index, number);

	return hnsw_slot_place(extent->entries, number - extent->first,
						   index->geometry.entries_per_page);
}

HnswPlace
hnsw_list_place(HnswIndex *index, HnswElement element, int level)
{
	uint32					offset;
	const HnswExtentLayout *extent = hnsw_find_element_extent(index, element,
															  &offset);

	if (level == 0)
		return hnsw_slot_place(extent->lists, offset,
							   index->geometry.lists_per_page);
	if (unlikely(hnsw_element_level(&index->geometry, extent, index->seed,
									offset) < level))
		ereport(
			ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg(
				 "index \"%s\" refers to element %u on level %d, where it is not",
				 RelationGetRelationName(index->rel), element, level),
			 errhint("Please REINDEX it.")));
	return hnsw_slot_place(extent->uppers,
						   hnsw_upper_slot(&index->geometry, extent, offset,
										   level),
						   index->geometry.uppers_per_page);
}

int
hnsw_level(HnswIndex *index, HnswElement element)
{
	uint32					offset;
	const HnswExtentLayout *extent = hnsw_find_element_extent(index, element,
															  &offset);

	return hnsw_element_level(&index->geometry, extent, index->seed, offset);
}

/* ------------------------------------------------------------------------
 * Reading slots
 * ------------------------------------------------------------------------
 */

HnswEntry
hnsw_read_entry(HnswIndex *index, HnswElement number)
{
	HnswPlace at = hnsw_entry_place(index, number);
	Buffer	  buffer = hnsw_pin_page(index, at.block);
	HnswEntry entry;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	hnsw_check_page(index, buffer, HNSW_PAGE_ENTRIES);
	memcpy(&entry,
		   HnswPageGetSlot(BufferGetPage(buffer), at.slot, sizeof(HnswEntry)),
		   sizeof(HnswEntry));
	UnlockReleaseBuffer(buffer);
	return entry;
}

const HnswList *
hnsw_lock_list(HnswIndex *index, HnswElement element, int level,
			   Buffer *buffer)
{
	HnswPlace		at = hnsw_list_place(index, element, level);
	const HnswList *list;

	*buffer = hnsw_pin_page(index, at.block);
	LockBuffer(*buffer, BUFFER_LOCK_SHARE);
	/* the upper list of an element that is still being inserted */
	if (level > 0 && PageIsNew(BufferGetPage(*buffer)))
	{
		UnlockReleaseBuffer(*buffer);
		return NULL;
	}
	hnsw_check_page(index, *buffer,
					level == 0 ? HNSW_PAGE_EDGES : HNSW_PAGE_UPPER);
	list = (const HnswList *) HnswPageGetSlot(
		BufferGetPage(*buffer), at.slot,
		level == 0 ? index->geometry.list_bytes : index->geometry.upper_bytes);
	if (unlikely(list->count > hnsw_list_capacity(index, level)))
		report_bad_page(index->rel, at.block,
						"A neighbour list is longer than its slot.");
	return list;
}

uint32
hnsw_read_list(HnswIndex *index, HnswElement element, int level, uint32 *edges)
{
	Buffer			buffer;
	const HnswList *list = hnsw_lock_list(index, element, level, &buffer);
	uint32			count;

	if (list == NULL)
		return 0;
	count = list->count;
	memcpy(edges, list->edges, sizeof(uint32) * count);
	UnlockReleaseBuffer(buffer);
	return count;
}

/* ------------------------------------------------------------------------
 * Creation
 * ------------------------------------------------------------------------
 */

void
hnsw_create_metapage(Relation rel, ForkNumber fork, uint32 dimensions,
					 const VectorOpclass *opclass, uint64 seed,
					 HnswEncoding encoding)
{
	Buffer buffer = ReadBufferExtended(rel, fork, P_NEW, RBM_ZERO_AND_LOCK,
									   NULL);
	Page   page = BufferGetPage(buffer);
	HnswMetaPageData *meta;

	if (BufferGetBlockNumber(buffer) != HNSW_META_BLKNO)
		elog(ERROR, "index \"%s\" is not empty", RelationGetRelationName(rel));

	START_CRIT_SECTION();
	hnsw_init_page(NULL, page, HNSW_PAGE_META);
	meta = HnswPageGetMeta(page);
	meta->magic = HNSW_MAGIC;
	meta->version = HNSW_FORMAT_VERSION;
	meta->dimensions = dimensions;
	meta->m = hnsw_option_m(rel);
	meta->ef_construction = hnsw_option_ef_construction(rel);
	meta->code_bytes = encoding.code_bytes;
	meta->code_kind = encoding.code.kind;
	meta->metric = opclass->metric;
	meta->rotated = encoding.code.rotated;
	meta->refinement = encoding.refinement;
	meta->refinement_form = encoding.refinement == HNSW_REFINEMENT_CODE
								? encoding.refinement_code.kind
								: encoding.rest_bits;
	meta->refinement_rotated = encoding.refinement_code.rotated;
	meta->refinement_bytes = encoding.refinement_bytes;
	meta->inline_codes = encoding.inline_codes;
	meta->seed = seed;
	meta->entry_point = HNSW_NONE;
	for (int i = 0; i < HNSW_SUPPLY_KINDS; i++)
	{
		meta->supply[i].insert_block = InvalidBlockNumber;
		meta->supply[i].free_head = InvalidBlockNumber;
		meta->supply[i].fresh_block = InvalidBlockNumber;
		meta->supply[i].fresh_end = InvalidBlockNumber;
	}
	MarkBufferDirty(buffer);

	/* an init fork is logged whatever the relation's persistence */
	if (RelationNeedsWAL(rel) || fork == INIT_FORKNUM)
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}
