/*
 * hnsw_format.c
 *		Arithmetic of the on-disk layout: from numbers to places.
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "hnsw/hnsw_format.h"

void
hnsw_geometry_init(HnswGeometry *geometry, uint32 m, uint32 code_bytes)
{
	geometry->m = m;
	geometry->code_bytes = code_bytes;
	geometry->list_bytes = HNSW_LIST_BYTES(2 * m);
	geometry->upper_bytes = HNSW_LIST_BYTES(m);
	geometry->entries_per_page = HNSW_PAGE_CAPACITY / sizeof(HnswEntry);
	geometry->lists_per_page = HNSW_PAGE_CAPACITY / geometry->list_bytes;
	geometry->uppers_per_page = HNSW_PAGE_CAPACITY / geometry->upper_bytes;
	geometry->codes_per_page = HNSW_PAGE_CAPACITY / code_bytes;
	geometry->code_slot_bytes = code_bytes;
	if (geometry->codes_per_page == 0)
		geometry->code_slot_bytes = (code_bytes + HNSW_WIDE_SLOT_UNIT - 1) /
									HNSW_WIDE_SLOT_UNIT * HNSW_WIDE_SLOT_UNIT;
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
hnsw_code_pages(const HnswGeometry *geometry, uint32 elements)
{
	uint64 pages;

	if (geometry->codes_per_page > 0)
		return pages_for(elements, geometry->codes_per_page);
	pages = ((uint64) elements * geometry->code_slot_bytes +
			 HNSW_PAGE_CAPACITY - 1) /
			HNSW_PAGE_CAPACITY;

	/* more than any file has, but no sum of pages goes round */
	return Min(pages, MaxBlockNumber / 2);
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
	layout->overflow = layout->codes + hnsw_code_pages(geometry, n);
	layout->end_block = layout->overflow + extent->overflow_pages;
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
