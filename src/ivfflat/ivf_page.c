/*
 * ivf_page.c
 *		The metapage, opening an index, checking pages.
 *
 * Functions leave no lock and no pin behind.
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "index/foreign.h"
#include "index/page_pin.h"
#include "ivfflat/ivf.h"

/*
 * Of the lists of an index that is created empty: so many does it have when it
 * has a hundred thousand rows.
 */
#define EXPECTED_ENTRIES 300

/*
 * What the relcache keeps (rd_amcache, one chunk): what never changes, and behind
 * the signs of the rotation what inserts want to be kept.
 */
typedef struct IvfCache
{
	uint32		dimensions;
	uint32		lists_option;
	uint64		seed;
	IvfGeometry geometry;
	IvfCoder	coder; /* without memory of its own */
	Size		bytes; /* without extra */
	bool		has_extra;
	uint8		signs[FLEXIBLE_ARRAY_MEMBER];
} IvfCache;

void
ivf_report_bad_page(Relation rel, BlockNumber block, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" has an invalid page at block %u",
					RelationGetRelationName(rel), block),
			 errdetail_internal("%s", detail), errhint("Please REINDEX it.")));
}

void
ivf_report_broken_list(Relation rel, uint32 list)
{
	ereport(ERROR, (errcode(ERRCODE_INDEX_CORRUPTED),
					errmsg("index \"%s\" has a broken list %u",
						   RelationGetRelationName(rel), list),
					errhint("Please REINDEX it.")));
}

void
ivf_check_size(Relation rel, const IvfGeometry *geometry, uint32 num_segments)
{
	/* in 64 bits, which no number of segments overflows */
	uint64 end = IVF_META_BLKNO + 1 +
				 (uint64) num_segments * geometry->segment_pages;

	if (end > RelationGetNumberOfBlocks(rel))
		ivf_report_bad_page(rel, IVF_META_BLKNO,
							"It counts more segments than the file has.");
}

void
ivf_check_page(Relation rel, Buffer buffer, IvfPageKind kind)
{
	Page		   page = BufferGetPage(buffer);
	IvfPageHeader *header = IvfPageGetHeader(page);

	/* whoever raises pd_lower counts on the other end of the hole */
	if (likely(header->page_id == IVF_PAGE_ID && header->kind == kind &&
			   ((PageHeader) page)->pd_upper == BLCKSZ))
		return;
	ivf_report_bad_page(
		rel, BufferGetBlockNumber(buffer),
		PageIsNew(page) ? "The page was never written."
		: header->page_id != IVF_PAGE_ID
			? "It is not a page of an ivfflat index of this extension."
		: header->kind != kind
			? "The page is of another kind than expected here."
			: "The page has a header that it cannot have.");
}

/*
 * WAL deltas and full-page images leave out what lies between pd_lower and
 * pd_upper.  All contents of the metapage and the directory count as used;
 * pages of segments are filled from below.
 */
void
ivf_init_page(Page page, IvfPageKind kind, uint32 version)
{
	IvfPageHeader *header;

	PageInit(page, BLCKSZ, 0);
	header = IvfPageGetHeader(page);
	header->page_id = IVF_PAGE_ID;
	header->kind = kind;
	header->version = version;
	((PageHeader) page)->pd_lower = kind == IVF_PAGE_META ||
											kind == IVF_PAGE_LISTS
										? BLCKSZ
										: IVF_CONTENT_OFFSET;
}

void
ivf_init_segment(const IvfGeometry *geometry, Page page, IvfSegmentState state,
				 uint32 list, uint32 version)
{
	IvfSegment *segment = IvfPageGetSegment(page);

	ivf_init_page(page, IVF_PAGE_SEGMENT, version);
	((PageHeader) page)->pd_lower += offsetof(IvfSegment, tids);
	segment->list = list;
	segment->next = IVF_NONE;
	segment->next_free = IVF_NONE;
	segment->state = state;
}

void
ivf_check_segment(IvfIndex *index, Buffer buffer)
{
	const IvfSegment *segment;

	ivf_check_page(index->rel, buffer, IVF_PAGE_SEGMENT);
	segment = IvfPageGetSegment(BufferGetPage(buffer));
	if (unlikely(segment->count > index->geometry.capacity ||
				 segment->dead > segment->count))
		ivf_report_bad_page(index->rel, BufferGetBlockNumber(buffer),
							"The segment has more entries than room.");
}

/* ------------------------------------------------------------------------
 * Metapage
 * ------------------------------------------------------------------------
 */

static const VectorForeignMarks pgvector_marks = {.magic = 0x14FF1A7,
												  .page_mark = 0xFF84};

bool
ivf_made_by_pgvector(Relation rel)
{
	/* what the cache keeps is of a metapage that was checked */
	return rel->rd_amcache == NULL &&
		   vector_index_is_foreign(rel, &pgvector_marks);
}

/* Are the segments of the directory in the file? */
static bool
segments_are_valid(const IvfMetaPageData *meta, const IvfGeometry *geometry)
{
	if (meta->num_directory > IVF_MAX_DIRECTORY ||
		meta->num_lists > IVF_MAX_LISTS ||
		meta->num_lists >
			(uint64) meta->num_directory * geometry->lists_per_segment ||
		meta->fresh_segment > meta->num_segments)
		return false;
	for (uint32 i = 0; i < meta->num_directory; i++)
	{
		if (meta->directory[i] >= meta->num_segments)
			return false;
	}
	return true;
}

static void
init_geometry(IvfGeometry *geometry, CodeEncoding encoding,
			  VectorMetric metric, uint32 dimensions, uint32 capacity)
{
	ivf_geometry_init(geometry, coder_code_bytes(encoding.kind, dimensions),
					  ivf_block_bytes(encoding, metric, dimensions), capacity);
}

/*
 * Check everything that later arithmetic relies on: a damaged metapage must
 * give an error, not a crash.
 */
static void
check_metapage(Relation rel, Buffer buffer)
{
	Page			 page = BufferGetPage(buffer);
	IvfMetaPageData *meta = IvfPageGetMeta(page);
	CodeEncoding	 encoding;
	IvfGeometry		 geometry;
	uint32			 max_dimensions = 8 * IVF_MAX_CODE_BYTES;

	if (vector_metapage_is_foreign(page, &pgvector_marks))
		vector_report_foreign_index(ERROR, rel);
	ivf_check_page(rel, buffer, IVF_PAGE_META);
	if (meta->magic != IVF_MAGIC)
		ivf_report_bad_page(rel, IVF_META_BLKNO,
							"It is not the metapage of an ivfflat index.");
	if (meta->format_version != IVF_FORMAT_VERSION)
		ereport(
			ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg(
				 "index \"%s\" has format version %u, but this version of the extension reads %u",
				 RelationGetRelationName(rel), meta->format_version,
				 IVF_FORMAT_VERSION),
			 errhint("Please REINDEX it.")));
	if (((meta->code_kind < CODE_SQ8 || meta->code_kind > CODE_BITS) &&
		 meta->code_kind != CODE_RABITQ_4) ||
		meta->dimensions < 1 || meta->dimensions > max_dimensions ||
		meta->code_bytes !=
			coder_code_bytes(meta->code_kind, meta->dimensions) ||
		meta->code_bytes > IVF_MAX_CODE_BYTES ||
		meta->lists_option > IVF_MAX_LISTS || meta->rotated > 1 ||
		meta->coarse > 1 || meta->capacity < 1 ||
		meta->capacity > IVF_MAX_CAPACITY)
		ivf_report_bad_page(rel, IVF_META_BLKNO,
							"Its encoding is not one that there is.");
	encoding.kind = meta->code_kind;
	encoding.rotated = meta->rotated != 0;
	if ((meta->coarse != 0) != ivf_has_coarse(encoding, meta->dimensions))
		ivf_report_bad_page(rel, IVF_META_BLKNO,
							"Its encoding is not one that there is.");
	init_geometry(&geometry, encoding, meta->metric, meta->dimensions,
				  meta->capacity);
	if (!segments_are_valid(meta, &geometry))
		ivf_report_bad_page(rel, IVF_META_BLKNO,
							"Its segments or lists are out of range.");
	ivf_check_size(rel, &geometry, meta->num_segments);
}

void
ivf_forget_cache(Relation rel)
{
	if (rel->rd_amcache != NULL)
		pfree(rel->rd_amcache);
	rel->rd_amcache = NULL;
}

void *
ivf_cached_extra(Relation rel)
{
	IvfCache *cache = rel->rd_amcache;

	return cache != NULL && cache->has_extra ? (char *) cache + cache->bytes
											 : NULL;
}

void *
ivf_cache_extra(Relation rel, Size bytes)
{
	IvfCache *old = rel->rd_amcache;
	IvfCache *cache;

	/* forgotten since: not worth the while to read it again */
	if (old == NULL)
		return NULL;
	cache = MemoryContextAllocHuge(rel->rd_indexcxt, old->bytes + bytes);
	memcpy(cache, old, old->bytes);
	cache->has_extra = true;
	rel->rd_amcache = cache;
	pfree(old);
	return ivf_cached_extra(rel);
}

static void
set_encoding(IvfIndex *index, const VectorOpclass *opclass,
			 CodeEncoding encoding, uint32 capacity)
{
	init_geometry(&index->geometry, encoding, opclass->metric,
				  index->dimensions, capacity);
	ivf_coder_init(&index->coder, opclass, index->dimensions, index->seed,
				   encoding);
}

/* Open an index by its metapage. */
static void
read_metapage(IvfIndex *index)
{
	Buffer			 buffer = ReadBuffer(index->rel, IVF_META_BLKNO);
	IvfMetaPageData *meta;
	VectorOpclass	 opclass;
	VectorMetric	 metric;
	CodeEncoding	 encoding;
	uint32			 capacity;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	check_metapage(index->rel, buffer);
	meta = IvfPageGetMeta(BufferGetPage(buffer));
	index->dimensions = meta->dimensions;
	index->lists_option = meta->lists_option;
	index->seed = meta->seed;
	metric = meta->metric;
	encoding.kind = meta->code_kind;
	encoding.rotated = meta->rotated != 0;
	capacity = meta->capacity;
	UnlockReleaseBuffer(buffer);

	vector_opclass_lookup(index->rel, &opclass);
	if (metric != opclass.metric ||
		(encoding.kind == CODE_BITS) != (opclass.type->kind == VALUE_BITS))
		ivf_report_bad_page(index->rel, IVF_META_BLKNO,
							"It does not fit the operator class.");
	set_encoding(index, &opclass, encoding, capacity);
}

static void
fill_cache(const IvfIndex *index)
{
	Relation	 rel = index->rel;
	const uint8 *signs = ivf_coder_signs(&index->coder);
	Size sign_bytes = signs != NULL ? ROTATION_SIGN_BYTES(index->dimensions)
									: 0;
	Size bytes = MAXALIGN(offsetof(IvfCache, signs) + sign_bytes);
	IvfCache *cache = MemoryContextAllocZero(rel->rd_indexcxt, bytes);

	cache->dimensions = index->dimensions;
	cache->lists_option = index->lists_option;
	cache->seed = index->seed;
	cache->geometry = index->geometry;
	cache->coder = index->coder;
	cache->bytes = bytes;
	if (signs != NULL)
		memcpy(cache->signs, signs, sign_bytes);

	ivf_forget_cache(rel);
	rel->rd_amcache = cache;
}

IvfIndex *
ivf_open(Relation rel)
{
	IvfIndex *index = palloc0(sizeof(IvfIndex));
	IvfCache *cache = rel->rd_amcache;

	index->rel = rel;
	if (cache == NULL)
	{
		read_metapage(index);
		fill_cache(index);
		return index;
	}
	index->dimensions = cache->dimensions;
	index->lists_option = cache->lists_option;
	index->seed = cache->seed;
	index->geometry = cache->geometry;
	ivf_coder_copy(&index->coder, &cache->coder, cache->signs);
	return index;
}

/* Pin and lock the metapage. */
static Buffer
lock_metapage(IvfIndex *index)
{
	Buffer buffer = index_pin_page(index->rel, IVF_META_BLKNO);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	ivf_check_page(index->rel, buffer, IVF_PAGE_META);
	return buffer;
}

void
ivf_read_state(IvfIndex *index, IvfState *state)
{
	Buffer			 buffer = lock_metapage(index);
	IvfMetaPageData *meta = IvfPageGetMeta(BufferGetPage(buffer));

	if (unlikely(!segments_are_valid(meta, &index->geometry)))
		ivf_report_bad_page(index->rel, IVF_META_BLKNO,
							"Its segments or lists are out of range.");
	state->num_lists = meta->num_lists;
	state->epoch = meta->epoch;
	state->num_segments = index->num_segments = meta->num_segments;
	state->fresh_segment = meta->fresh_segment;
	state->used_segments = meta->used_segments;
	state->num_directory = meta->num_directory;
	state->tuning = meta->tuning;
	memcpy(state->directory, meta->directory,
		   sizeof(uint32) * meta->num_directory);
	UnlockReleaseBuffer(buffer);
}

uint32
ivf_read_epoch(IvfIndex *index)
{
	Buffer buffer = lock_metapage(index);
	uint32 epoch = IvfPageGetMeta(BufferGetPage(buffer))->epoch;

	UnlockReleaseBuffer(buffer);
	return epoch;
}

uint32
ivf_read_free_head(IvfIndex *index)
{
	Buffer buffer = lock_metapage(index);
	uint32 free_head = IvfPageGetMeta(BufferGetPage(buffer))->free_head;

	UnlockReleaseBuffer(buffer);
	return free_head;
}

IvfPlace
ivf_list_place(IvfIndex *index, const IvfState *state, uint32 list)
{
	const IvfGeometry *geometry = &index->geometry;
	uint32			   in_segment = list % geometry->lists_per_segment;
	uint32			   segment = list / geometry->lists_per_segment;
	IvfPlace		   place;

	if (unlikely(segment >= state->num_directory))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" refers to list %u, which does not exist",
						RelationGetRelationName(index->rel), list),
				 errhint("Please REINDEX it.")));
	/* the first page only says what the segment is for */
	place.block = ivf_segment_block(geometry, state->directory[segment]) + 1 +
				  in_segment / geometry->lists_per_page;
	place.offset = in_segment % geometry->lists_per_page *
				   geometry->list_bytes;
	return place;
}

/* ------------------------------------------------------------------------
 * Creation
 * ------------------------------------------------------------------------
 */

static void
set_meta_encoding(IvfMetaPageData *meta, CodeEncoding encoding,
				  double usual_entries)
{
	meta->code_bytes = coder_code_bytes(encoding.kind, meta->dimensions);
	meta->code_kind = encoding.kind;
	meta->rotated = encoding.rotated;
	meta->coarse = ivf_has_coarse(encoding, meta->dimensions);
	meta->capacity = ivf_choose_capacity(meta->code_bytes,
										 ivf_block_bytes(encoding,
														 meta->metric,
														 meta->dimensions),
										 usual_entries);
}

void
ivf_create_metapage(Relation rel, ForkNumber fork, uint32 dimensions,
					const VectorOpclass *opclass, uint64 seed,
					CodeEncoding encoding)
{
	Buffer buffer = ReadBufferExtended(rel, fork, P_NEW, RBM_ZERO_AND_LOCK,
									   NULL);
	IvfMetaPageData *meta;

	if (BufferGetBlockNumber(buffer) != IVF_META_BLKNO)
		elog(ERROR, "index \"%s\" is not empty", RelationGetRelationName(rel));

	START_CRIT_SECTION();
	ivf_init_page(BufferGetPage(buffer), IVF_PAGE_META, 0);
	meta = IvfPageGetMeta(BufferGetPage(buffer));
	meta->magic = IVF_MAGIC;
	meta->format_version = IVF_FORMAT_VERSION;
	meta->dimensions = dimensions;
	meta->metric = opclass->metric;
	set_meta_encoding(meta, encoding, EXPECTED_ENTRIES);
	meta->lists_option = ivf_option_lists(rel);
	meta->seed = seed;
	meta->next_version = 1;
	meta->free_head = IVF_NONE;
	MarkBufferDirty(buffer);

	/* an init fork is logged whatever the relation's persistence */
	if (RelationNeedsWAL(rel) || fork == INIT_FORKNUM)
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}

void
ivf_set_encoding(IvfIndex *index, CodeEncoding encoding, double usual_entries)
{
	VectorOpclass	 opclass = index->coder.fine.opclass;
	Buffer			 buffer = ReadBuffer(index->rel, IVF_META_BLKNO);
	IvfMetaPageData *meta = IvfPageGetMeta(BufferGetPage(buffer));
	uint32			 capacity;

	Assert(index->building);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	set_meta_encoding(meta, encoding,
					  usual_entries > 0 ? usual_entries : EXPECTED_ENTRIES);
	capacity = meta->capacity;
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
	set_encoding(index, &opclass, encoding, capacity);
	ivf_forget_cache(index->rel);
}
