/*
 * ivf_format.c
 *		The shape of segments.
 */
#include "postgres.h"

#include "ivfflat/ivf_format.h"

/*
 * A segment has at most so many pages, unless a single block of entries needs
 * more: small segments leave less room unused at the end of each list.
 */
#define MAX_SEGMENT_PAGES	8
#define MAX_SEGMENT_ENTRIES 512

/* Coarse blocks start on a cache line of the page. */
#define COARSE_ALIGNMENT 64

static inline uint32
pages_for(uint32 slots, uint32 per_page)
{
	return slots / per_page + (slots % per_page != 0);
}

/* Offset in a page's contents where blocks of so many entries start. */
static uint32
coarse_offset(uint32 capacity)
{
	uint32 end = IVF_CONTENT_OFFSET + offsetof(IvfSegment, tids) +
				 capacity * sizeof(ItemPointerData);

	return TYPEALIGN(COARSE_ALIGNMENT, end) - IVF_CONTENT_OFFSET;
}

/* Everything that follows from the number of entries of a segment. */
static void
set_capacity(IvfGeometry *geometry, uint32 capacity)
{
	uint32 blocks = capacity / IVF_BLOCK_ENTRIES;

	geometry->capacity = capacity;
	geometry->coarse_offset = coarse_offset(capacity);
	geometry->coarse_pages = 0;
	if (geometry->coarse_offset + blocks * geometry->block_bytes >
		IVF_PAGE_CAPACITY)
		geometry->coarse_pages = geometry->blocks_per_page > 0
									 ? pages_for(blocks,
												 geometry->blocks_per_page)
									 : blocks * geometry->pages_per_block;
	geometry->segment_pages = 1 + geometry->coarse_pages +
							  pages_for(capacity, geometry->codes_per_page);
}

void
ivf_geometry_init(IvfGeometry *geometry, uint32 code_bytes, uint32 block_bytes)
{
	IvfGeometry best;

	geometry->code_bytes = code_bytes;
	geometry->block_bytes = block_bytes;
	geometry->codes_per_page = IVF_PAGE_CAPACITY / code_bytes;
	geometry->blocks_per_page = block_bytes == 0
									? 0
									: IVF_PAGE_CAPACITY / block_bytes;
	geometry->pages_per_block = pages_for(block_bytes, IVF_PAGE_CAPACITY);
	geometry->list_bytes = sizeof(IvfList) + code_bytes;
	geometry->lists_per_page = IVF_PAGE_CAPACITY / geometry->list_bytes;

	/* take the number of entries that uses the pages best */
	set_capacity(geometry, IVF_BLOCK_ENTRIES);
	best = *geometry;
	for (uint32 capacity = 2 * IVF_BLOCK_ENTRIES;
		 capacity <= MAX_SEGMENT_ENTRIES; capacity += IVF_BLOCK_ENTRIES)
	{
		set_capacity(geometry, capacity);
		if (geometry->segment_pages <= MAX_SEGMENT_PAGES &&
			(uint64) geometry->segment_pages * best.capacity <
				(uint64) best.segment_pages * capacity)
			best = *geometry;
	}
	*geometry = best;
	/* the first page says that the segment is one of the directory */
	geometry->lists_per_segment = (geometry->segment_pages - 1) *
								  geometry->lists_per_page;
}
