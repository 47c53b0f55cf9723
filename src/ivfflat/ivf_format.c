/*
 * ivf_format.c
 *		The shape of segments.
 */
#include "postgres.h"

#include <math.h>

#include "ivfflat/ivf_format.h"

/*
 * A segment has at most so many pages, unless the smallest one needs more: small
 * segments leave less room unused at the end of each list.
 */
#define MAX_SEGMENT_PAGES 8
#define MIN_CAPACITY	  IVF_BLOCK_ENTRIES

/* To follow the chain to one segment more takes scans time: worth so many pages. */
#define PAGES_PER_SEGMENT 0.5

/* Coarse blocks start on a cache line of the page. */
#define COARSE_ALIGNMENT 64

static inline uint32
pages_for(uint32 slots, uint32 per_page)
{
	return slots / per_page + (slots % per_page != 0);
}

/* Offset in a page's contents of what lies behind so many TIDs. */
static uint32
offset_behind_tids(uint32 capacity, uint32 alignment)
{
	uint32 end = IVF_CONTENT_OFFSET + offsetof(IvfSegment, tids) +
				 capacity * sizeof(ItemPointerData);

	return TYPEALIGN(alignment, end) - IVF_CONTENT_OFFSET;
}

/* Everything that follows from the number of entries of a segment. */
static void
set_capacity(IvfGeometry *geometry, uint32 capacity)
{
	uint32 blocks = geometry->block_bytes > 0
						? pages_for(capacity, IVF_BLOCK_ENTRIES)
						: 0;
	uint32 end_of_blocks;

	geometry->capacity = capacity;
	geometry->coarse_offset = offset_behind_tids(capacity, COARSE_ALIGNMENT);
	geometry->first_offset = offset_behind_tids(capacity, MAXIMUM_ALIGNOF);
	geometry->coarse_pages = 0;
	end_of_blocks = geometry->coarse_offset + blocks * geometry->block_bytes;
	if (end_of_blocks > IVF_PAGE_CAPACITY)
		geometry->coarse_pages = geometry->blocks_per_page > 0
									 ? pages_for(blocks,
												 geometry->blocks_per_page)
									 : blocks * geometry->pages_per_block;
	else if (blocks > 0)
		geometry->first_offset = end_of_blocks;
	geometry->first_codes = Min((IVF_PAGE_CAPACITY - geometry->first_offset) /
									geometry->code_bytes,
								capacity);
	geometry->segment_pages = 1 + geometry->coarse_pages +
							  pages_for(capacity - geometry->first_codes,
										geometry->codes_per_page);
	/* the first page of one of the directory only says that it is one */
	geometry->segment_pages = Max(geometry->segment_pages, 2);
	geometry->lists_per_segment = (geometry->segment_pages - 1) *
								  geometry->lists_per_page;
}

void
ivf_geometry_init(IvfGeometry *geometry, uint32 code_bytes, uint32 block_bytes,
				  uint32 capacity)
{
	memset(geometry, 0, sizeof(*geometry));
	geometry->code_bytes = code_bytes;
	geometry->block_bytes = block_bytes;
	geometry->codes_per_page = IVF_PAGE_CAPACITY / code_bytes;
	geometry->blocks_per_page = block_bytes == 0
									? 0
									: IVF_PAGE_CAPACITY / block_bytes;
	geometry->pages_per_block = pages_for(block_bytes, IVF_PAGE_CAPACITY);
	geometry->list_bytes = sizeof(IvfList) + code_bytes;
	geometry->lists_per_page = IVF_PAGE_CAPACITY / geometry->list_bytes;
	set_capacity(geometry, capacity);
}

/*
 * What a list takes, on average: its pages, of which the last segment is half
 * empty, and even an empty list has one; and what its segments cost a scan.
 */
static double
cost_of_list(const IvfGeometry *geometry, double entries)
{
	double segments = Max(entries / geometry->capacity + 0.5, 1);

	return segments * (geometry->segment_pages + PAGES_PER_SEGMENT);
}

uint32
ivf_choose_capacity(uint32 code_bytes, uint32 block_bytes,
					double usual_entries)
{
	IvfGeometry geometry;
	uint32		max_pages;
	uint32		best = MIN_CAPACITY;
	double		least = INFINITY;

	ivf_geometry_init(&geometry, code_bytes, block_bytes, MIN_CAPACITY);
	max_pages = Max(geometry.segment_pages, MAX_SEGMENT_PAGES);
	for (uint32 capacity = MIN_CAPACITY; capacity <= IVF_MAX_CAPACITY;
		 capacity++)
	{
		double cost;

		set_capacity(&geometry, capacity);
		if (geometry.segment_pages > max_pages)
			break;
		/* there must be room for all lists in the directory */
		if ((uint64) geometry.lists_per_segment * IVF_MAX_DIRECTORY <
			IVF_MAX_LISTS)
			continue;
		cost = cost_of_list(&geometry, usual_entries);
		if (cost <= least)
		{
			least = cost;
			best = capacity;
		}
	}
	return best;
}
