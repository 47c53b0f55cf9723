/*
 * hnsw_format.h
 *		On-disk format of hnsw indexes.
 *
 * README describes what the parts are for and the rules for reading and
 * changing them.  This file owns the layout of pages and slots and the pure
 * arithmetic on it: no locks, no buffers.
 */
#ifndef HNSW_FORMAT_H
#define HNSW_FORMAT_H

#include "storage/block.h"
#include "storage/bufpage.h"
#include "storage/itemptr.h"

#define HNSW_MAGIC			0x48565831 /* "1XVH" */
#define HNSW_FORMAT_VERSION 1
#define HNSW_META_BLKNO		0

/*
 * An element number.  The top bit of a stored edge marks a protected one, so
 * numbers have 31 bits.
 */
typedef uint32 HnswElement;

#define HNSW_NONE					 ((HnswElement) 0x7FFFFFFF)
#define HNSW_MAX_ELEMENT			 ((HnswElement) 0x7FFFFFFE)
#define HNSW_PROTECTED				 ((uint32) 0x80000000)
#define HNSW_EDGE_TARGET(edge)		 ((HnswElement) ((edge) & ~HNSW_PROTECTED))
#define HNSW_EDGE_IS_PROTECTED(edge) (((edge) &HNSW_PROTECTED) != 0)

/* Levels above 0 that any element can have: m >= 2 and 31-bit numbers. */
#define HNSW_MAX_LEVEL 31

typedef enum HnswPageKind
{
	HNSW_PAGE_META = 1,
	HNSW_PAGE_ENTRIES,
	HNSW_PAGE_EDGES,
	HNSW_PAGE_UPPER,
	HNSW_PAGE_CODES
} HnswPageKind;

/*
 * Every page starts with the standard page header and this one, on the same
 * cache line.  There is no special space, and everything in use lies below
 * pd_lower.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	24		2		HNSW_PAGE_ID
 *	26		2		HnswPageKind
 *	28		4		entries pages: next page of the free list, or
 *					InvalidBlockNumber; else 0
 *	32				slots, or the metapage's contents
 */
typedef struct HnswPageHeader
{
	uint16		page_id;
	uint16		kind;
	BlockNumber next_free;
} HnswPageHeader;

#define HNSW_PAGE_ID 0xFFA1
#define HNSW_CONTENT_OFFSET \
	(MAXALIGN(SizeOfPageHeaderData) + sizeof(HnswPageHeader))
#define HNSW_PAGE_CAPACITY (BLCKSZ - HNSW_CONTENT_OFFSET)
#define HnswPageGetHeader(page) \
	((HnswPageHeader *) ((char *) (page) + MAXALIGN(SizeOfPageHeaderData)))
#define HnswPageGetSlot(page, slot, slot_bytes) \
	((char *) (page) + HNSW_CONTENT_OFFSET + (Size) (slot) * (slot_bytes))

StaticAssertDecl(sizeof(HnswPageHeader) == 8, "on-disk format");
StaticAssertDecl(HNSW_CONTENT_OFFSET == 32, "on-disk format");

/*
 * An entry: one heap row.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		6		heap TID, invalid if the row is gone
 *	6		1		HnswEntryState
 *	7		1		ELEMENT: chain version, changed when a row leaves the chain
 *	8		4		next row with an equal vector, or HNSW_NONE
 *	12		4		ELEMENT: first half of the hash of the exact value;
 *					ROW: the element that heads the chain
 *	16		4		ELEMENT: second half of the hash; ROW: 0
 */
typedef struct HnswEntry
{
	ItemPointerData tid;
	uint8			state;
	uint8			chain_version;
	HnswElement		next;
	uint32			hash_or_head;
	uint32			hash_high;
} HnswEntry;

StaticAssertDecl(sizeof(HnswEntry) == 20, "on-disk format");

typedef enum HnswEntryState
{
	HNSW_ENTRY_FREE = 0,	/* may be given to a new row */
	HNSW_ENTRY_ELEMENT = 1, /* an element; a ghost if it has no rows */
	HNSW_ENTRY_DYING = 2,	/* a ghost that vacuum is taking out */
	HNSW_ENTRY_ROW = 3		/* a row of another element's vector */
} HnswEntryState;

/*
 * A neighbour list: the edges of one element on one level.  Slots of edges
 * pages have room for 2m edges, those of upper pages for m.
 *
 *	OFFSET	SIZE		DESCRIPTION
 *	0		2			number of edges
 *	2		2			0
 *	4		4 * count	edges: element number, top bit set if protected
 */
typedef struct HnswList
{
	uint16 count;
	uint16 unused;
	uint32 edges[FLEXIBLE_ARRAY_MEMBER];
} HnswList;

#define HNSW_LIST_BYTES(capacity) \
	(offsetof(HnswList, edges) + sizeof(uint32) * (capacity))

/*
 * An extent: a run of pages that holds all arrays for a run of numbers, in the
 * order entries, edges, upper, codes.  Elements come first; the numbers for
 * further rows of equal vectors start at the next entries page and have an
 * entry only.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		first number, a multiple of the entries per page
 *	4		4		elements it has room for
 *	8		4		entries pages for further rows
 *	12		4		first block
 */
typedef struct HnswExtent
{
	HnswElement first;
	uint32		elements;
	uint32		row_pages;
	BlockNumber start;
} HnswExtent;

StaticAssertDecl(sizeof(HnswExtent) == 16, "on-disk format");

/* Entries pages are of two kinds, each with its own supply of free slots. */
typedef enum HnswSupplyKind
{
	HNSW_SUPPLY_ELEMENTS = 0,
	HNSW_SUPPLY_ROWS = 1
} HnswSupplyKind;

#define HNSW_SUPPLY_KINDS 2

/*
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		entries page that new entries go to, or InvalidBlockNumber
 *	4		4		head of the list of other pages with free slots
 *	8		4		first entries page never used so far
 *	12		4		end of those pages (exclusive)
 */
typedef struct HnswSupply
{
	BlockNumber insert_block;
	BlockNumber free_head;
	BlockNumber fresh_block;
	BlockNumber fresh_end;
} HnswSupply;

/*
 * The metapage's contents.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		HNSW_MAGIC
 *	4		4		HNSW_FORMAT_VERSION
 *	8		4		dimensions
 *	12		2		m
 *	14		2		ef_construction
 *	16		4		bytes of a code slot
 *	20		1		code kind (HnswCodeKind)
 *	21		1		metric (VectorMetric)
 *	22		1		1 if vectors are rotated before they are encoded, else 0
 *	23		1		1 while vacuum takes ghosts out of the graph, else 0
 *	24		8		seed of levels, rotation and value hash
 *	32		4		entry point, or HNSW_NONE
 *	36		4		its level
 *	40		32		supplies of entry slots
 *	72		4		number of extents
 *	76		4		0
 *	80		16 * n	extents, by ascending first number
 */
typedef struct HnswMetaPageData
{
	uint32		magic;
	uint32		version;
	uint32		dimensions;
	uint16		m;
	uint16		ef_construction;
	uint32		code_bytes;
	uint8		code_kind;
	uint8		metric;
	uint8		rotated;
	uint8		repairing;
	uint64		seed;
	HnswElement entry_point;
	uint32		entry_level;
	HnswSupply	supply[HNSW_SUPPLY_KINDS];
	uint32		num_extents;
	uint32		unused2;
	HnswExtent	extents[FLEXIBLE_ARRAY_MEMBER];
} HnswMetaPageData;

StaticAssertDecl(offsetof(HnswMetaPageData, extents) == 80, "on-disk format");

#define HNSW_MAX_EXTENTS                                          \
	((HNSW_PAGE_CAPACITY - offsetof(HnswMetaPageData, extents)) / \
	 sizeof(HnswExtent))
#define HNSW_META_BYTES(num_extents) \
	(offsetof(HnswMetaPageData, extents) + sizeof(HnswExtent) * (num_extents))
#define HnswPageGetMeta(page) \
	((HnswMetaPageData *) ((char *) (page) + HNSW_CONTENT_OFFSET))

typedef enum HnswCodeKind
{
	HNSW_CODE_SQ8 = 1,	 /* 8 bits a dimension, see quantize/sq8.h */
	HNSW_CODE_FLOAT = 2, /* float4 a dimension */
	HNSW_CODE_BITS = 3	 /* a bit a dimension, as in the value */
} HnswCodeKind;

/*
 * What follows from m and the size of a code: the shape of the arrays.
 */
typedef struct HnswGeometry
{
	uint32 m;
	uint32 code_bytes; /* slot sizes */
	uint32 list_bytes;
	uint32 upper_bytes;
	uint32 entries_per_page; /* slots per page */
	uint32 lists_per_page;
	uint32 uppers_per_page;
	uint32 codes_per_page;
} HnswGeometry;

/* Where an extent's arrays lie; all derived from HnswExtent and geometry. */
typedef struct HnswExtentLayout
{
	HnswElement first;
	HnswElement end; /* first number after the extent */
	uint32		elements;
	uint32		element_pages; /* entries pages for elements */
	BlockNumber entries;	   /* first block of each array */
	BlockNumber lists;
	BlockNumber uppers;
	BlockNumber codes;
	BlockNumber end_block; /* first block after the extent */
} HnswExtentLayout;

extern void hnsw_geometry_init(HnswGeometry *geometry, uint32 m,
							   uint32 code_bytes);
extern void hnsw_extent_layout(const HnswGeometry *geometry,
							   const HnswExtent	  *extent,
							   HnswExtentLayout	  *layout);

/*
 * Level of the element `index` (from 0) of an extent: a function of its
 * number alone.  Of every m elements, one chosen by hash has a place on level
 * 1; of every m of those, one on level 2; and so on.
 */
extern int hnsw_element_level(const HnswGeometry	 *geometry,
							  const HnswExtentLayout *layout, uint64 seed,
							  uint32 index);

/* Slot in the extent's upper array of its list on a level, 1 to its level. */
extern uint32 hnsw_upper_slot(const HnswGeometry	 *geometry,
							  const HnswExtentLayout *layout, uint32 index,
							  int level);

#endif /* HNSW_FORMAT_H */
