/*
 * hnsw_format.c
 *		Arithmetic of the on-disk layout: from numbers to places.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "hnsw/hnsw_format.h"
#include "quantize/relative.h"

/*
 * Slots for so many bytes each.  They go on from page to page if they do not fit
 * one, or, unless `whole` is wanted, if pages of whole slots would waste more
 * than an eighth.
 */
static void
array_init(HnswArray *array, uint32 bytes, bool whole)
{
	array->bytes = bytes;
	array->slot_bytes = bytes;
	array->per_page = bytes > 0 ? HNSW_PAGE_CAPACITY / bytes : 0;
	if (bytes > HNSW_PAGE_CAPACITY)
		array->slot_bytes = (bytes + HNSW_WIDE_SLOT_UNIT - 1) /
							HNSW_WIDE_SLOT_UNIT * HNSW_WIDE_SLOT_UNIT;
	else if (!whole && HNSW_PAGE_CAPACITY - array->per_page * bytes >
						   HNSW_PAGE_CAPACITY / 8)
		array->per_page = 0;
}

/* Codes are read by cache lines, so they begin with one. */
#define LINE_BYTES 64
#define ALIGN_TO_LINE(offset)                                \
	(TYPEALIGN(LINE_BYTES, HNSW_CONTENT_OFFSET + (offset)) - \
	 HNSW_CONTENT_OFFSET)

static void
add_inline_codes(HnswGeometry *geometry, uint32 dimensions)
{
	geometry->inline_offset = ALIGN_TO_LINE(geometry->list_bytes);
	geometry->list_bytes = TYPEALIGN(LINE_BYTES,
									 geometry->inline_offset +
										 RELATIVE_BLOCK_BYTES(dimensions) *
											 (hnsw_inline_lanes(geometry->m) /
											  RABITQ_BLOCK));
}

bool
hnsw_inline_codes_fit(uint32 m, uint32 dimensions)
{
	HnswGeometry geometry = {.m = m, .list_bytes = HNSW_LIST_BYTES(2 * m)};

	add_inline_codes(&geometry, dimensions);
	return geometry.list_bytes <= HNSW_PAGE_CAPACITY;
}

/*
 * Every scored neighbour takes its code, so that is on one page if it can be.
 * Refinements are for few of the candidates.
 */
void
hnsw_geometry_init(HnswGeometry *geometry, uint32 m, uint32 code_bytes,
				   uint32 refinement_bytes, uint32 inline_dimensions)
{
	geometry->m = m;
	geometry->list_bytes = HNSW_LIST_BYTES(2 * m);
	geometry->inline_offset = 0;
	if (inline_dimensions > 0)
		add_inline_codes(geometry, inline_dimensions);
	geometry->upper_bytes = HNSW_LIST_BYTES(m);
	geometry->entries_per_page = HNSW_PAGE_CAPACITY / sizeof(HnswEntry);
	geometry->lists_per_page = HNSW_PAGE_CAPACITY / geometry->list_bytes;
	geometry->uppers_per_page = HNSW_PAGE_CAPACITY / geometry->upper_bytes;
	array_init(&geometry->codes, code_bytes, true);
	array_init(&geometry->refinements, refinement_bytes, false);
}

/*
 * Lists on levels 1 and above of an extent with that many elements: n / m on
 * level 1, n / m^2 on level 2, and so on, rounded down.
 */
static uint32
upper_lists(uint32 m, uint32 elements)
{
	uint32 total = 0;

	while ((elements /= m) > 0)
		total += elements;
	return total;
}

static inline uint32
pages_for(uint32 slots, uint32 per_page)
{
	return slots / per_page + (slots % per_page != 0);
}

uint32
hnsw_array_pages(const HnswArray *array, uint32 elements)
{
	uint64 pages;

	if (array->per_page > 0)
		return pages_for(elements, array->per_page);
	pages = ((uint64) elements * array->slot_bytes + HNSW_PAGE_CAPACITY - 1) /
			HNSW_PAGE_CAPACITY;

	/* more than any file has, but no sum of pages goes round */
	return Min(pages, MaxBlockNumber / 4);
}

HnswPlace
hnsw_array_place(const HnswArray *array, BlockNumber start, uint32 offset)
{
	HnswPlace place;
	uint64	  byte = (uint64) offset * array->slot_bytes;

	if (array->per_page > 0)
	{
		place.block = start + offset / array->per_page;
		place.slot = offset % array->per_page * array->slot_bytes;
		return place;
	}
	place.block = start + byte / HNSW_PAGE_CAPACITY;
	place.slot = byte % HNSW_PAGE_CAPACITY;
	return place;
}

void
hnsw_extent_layout(const HnswGeometry *geometry, const HnswExtent *extent,
				   HnswExtentLayout *layout)
{
	uint32 n = extent->elements;

	layout->first = extent->first;
	layout->elements = n;
	layout->element_pages = pages_for(n, geometry->entries_per_page);
	layout->end = extent->first + (layout->element_pages + extent->row_pages) *
									  geometry->entries_per_page;
	layout->entries = extent->start;
	layout->lists = layout->entries + layout->element_pages +
					extent->row_pages;
	layout->uppers = layout->lists + pages_for(n, geometry->lists_per_page);
	layout->codes = layout->uppers + pages_for(upper_lists(geometry->m, n),
											   geometry->uppers_per_page);
	layout->refinements = layout->codes +
						  hnsw_array_pages(&geometry->codes, n);
	layout->overflow = layout->refinements +
					   hnsw_array_pages(&geometry->refinements, n);
	layout->end_block = layout->overflow + extent->overflow_pages;
}

HnswPageKind
hnsw_extent_page_kind(const HnswExtentLayout *layout, BlockNumber block)
{
	Assert(block >= layout->entries && block < layout->end_block);
	return block < layout->lists		 ? HNSW_PAGE_ENTRIES
		   : block < layout->uppers		 ? HNSW_PAGE_EDGES
		   : block < layout->codes		 ? HNSW_PAGE_UPPER
		   : block < layout->refinements ? HNSW_PAGE_CODES
		   : block < layout->overflow	 ? HNSW_PAGE_REFINEMENTS
										 : HNSW_PAGE_OVERFLOW;
}

int
hnsw_element_level(const HnswGeometry	  *geometry,
				   const HnswExtentLayout *layout, uint64 seed, uint32 index)
{
	uint32 m = geometry->m;
	uint32 slots = layout->elements;
	int	   level = 0;

	for (;;)
	{
		uint32 group = index / m;
		uint64 key = seed ^ (((uint64) layout->first << 32) | level);

		slots /= m;
		if (group >= slots)
			return level;
		if (hash_bytes_uint32_extended(group, key) % m != index % m)
			return level;
		index = group;
		level++;
	}
}

uint32
hnsw_upper_slot(const HnswGeometry *geometry, const HnswExtentLayout *layout,
				uint32 index, int level)
{
	uint32 slots = layout->elements / geometry->m;
	uint32 base = 0;

	Assert(level >= 1);
	index /= geometry->m;
	while (--level > 0)
	{
		base += slots;
		slots /= geometry->m;
		index /= geometry->m;
	}
	Assert(index < slots);
	return base + index;
}
