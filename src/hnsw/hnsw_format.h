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
#define HNSW_FORMAT_VERSION 3
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
	HNSW_PAGE_CODES,
	HNSW_PAGE_OVERFLOW,
	HNSW_PAGE_REFINEMENTS
} HnswPageKind;

/*
 * Every page starts with the standard page header and this one, on the same
 * cache line.  There is no special space, and everything in use lies below
 * pd_lower.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	24		2		HNSW_PAGE_ID
 *	26		2		HnswPageKind
 *	28		4		entries and overflow pages: next page of the free list, or
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
	HNSW_ENTRY_ROW = 3,		/* a row of another element's vector */
	HNSW_ENTRY_RESERVED = 4 /* an element whose code is being written */
} HnswEntryState;

/*
 * A neighbour list: the edges of one element on one level.  Slots of edges
 * pages have room for 2m edges, those of upper pages for m.
 *
 *	OFFSET	SIZE		DESCRIPTION
 *	0		2			number of edges
 *	2		2			0
 *	4		4 * count	edges: element number, top bit set if protected
 *
 * With inline codes, slots of edges pages go on with them: from inline_offset of
 * the geometry on, one block (quantize/relative.h) for 32 edges each, edge i in
 * lane i % 32 of block i / 32.  Lanes without an edge have no meaning.
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
 * A place for a part of a code, in an overflow page.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		block, or InvalidBlockNumber for no place
 *	4		4		slot in the page
 */
typedef struct HnswPlace
{
	BlockNumber block;
	uint32		slot;
} HnswPlace;

StaticAssertDecl(sizeof(HnswPlace) == 8, "on-disk format");

/*
 * Codes of varying size have slots of one size too, for their beginnings.  What
 * does not fit is in a chain of chunks in overflow pages.
 *
 *	OFFSET	SIZE			DESCRIPTION
 *	0		4				bytes of the code
 *	4		4				stamp, the same in all parts of the code
 *	8		8				first chunk, or no place
 *	16		slot's rest		the code, or its beginning
 */
typedef struct HnswCodeSlot
{
	uint32	  code_bytes;
	uint32	  stamp;
	HnswPlace overflow;
	char	  bytes[FLEXIBLE_ARRAY_MEMBER];
} HnswCodeSlot;

StaticAssertDecl(offsetof(HnswCodeSlot, bytes) == 16, "on-disk format");

/*
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		element whose code it is part of
 *	4		4		stamp of the code
 *	8		8		next chunk, or no place
 *	16		4		1 if in use, 0 if free
 *	20		232		the next bytes of the code
 */
#define HNSW_CHUNK_BYTES 232

typedef struct HnswChunk
{
	HnswElement element;
	uint32		stamp;
	HnswPlace	next;
	uint32		in_use;
	char		bytes[HNSW_CHUNK_BYTES];
} HnswChunk;

StaticAssertDecl(sizeof(HnswChunk) == 252, "on-disk format");

#define HNSW_CHUNKS_PER_PAGE (HNSW_PAGE_CAPACITY / sizeof(HnswChunk))

/*
 * An extent: a run of pages that holds all arrays for a run of numbers, in the
 * order entries, edges, upper, codes, refinements (if the index has them),
 * overflow.  Elements come first; the
 * numbers for further rows of equal vectors start at the next entries page and
 * have an entry only.  Chunks have no numbers.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		first number, a multiple of the entries per page
 *	4		4		elements it has room for
 *	8		4		entries pages for further rows
 *	12		4		overflow pages
 *	16		4		first block
 */
typedef struct HnswExtent
{
	HnswElement first;
	uint32		elements;
	uint32		row_pages;
	uint32		overflow_pages;
	BlockNumber start;
} HnswExtent;

StaticAssertDecl(sizeof(HnswExtent) == 20, "on-disk format");

/*
 * Slots that are given to new rows: the entries of elements, those of further
 * rows, and chunks.  Each kind has pages and a supply of its own.
 */
typedef enum HnswSupplyKind
{
	HNSW_SUPPLY_ELEMENTS = 0,
	HNSW_SUPPLY_ROWS = 1,
	HNSW_SUPPLY_CHUNKS = 2
} HnswSupplyKind;

#define HNSW_SUPPLY_KINDS 3

/*
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		page that slots are given out from, or InvalidBlockNumber
 *	4		4		head of the list of other pages with free slots
 *	8		4		first page never used so far
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
 * What an index has of each element besides its code.  Stored in metapages.
 *
 * With HNSW_REFINEMENT_LOWER the code is an upper half (quantize/sq8_halves.h).  The
 * refinement is:
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		n		lower half, a multiple of 4 bytes
 *	n				rest of the whole code (quantize/sq8_rest.h), if it has bits
 */
typedef enum HnswRefinement
{
	HNSW_REFINEMENT_NONE = 0,
	HNSW_REFINEMENT_CODE = 1,  /* another code, of more bits */
	HNSW_REFINEMENT_VALUE = 2, /* the value, detoasted */
	HNSW_REFINEMENT_REST = 3, /* what the code lost, see quantize/sq8_rest.h */
	HNSW_REFINEMENT_LOWER =
		4 /* the lower half of the code, and maybe its rest */
} HnswRefinement;

/*
 * The metapage's contents.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		HNSW_MAGIC
 *	4		4		HNSW_FORMAT_VERSION
 *	8		4		dimensions
 *	12		2		m
 *	14		2		ef_construction
 *	16		4		bytes of a code; if codes vary, of a slot
 *	20		1		code kind (CodeKind)
 *	21		1		metric (VectorMetric)
 *	22		1		1 if vectors are rotated before they are encoded, else 0
 *	23		1		HNSW_REPAIR_*, while vacuum takes ghosts out of the graph, else 0
 *	24		8		seed of levels, rotation and value hash
 *	32		4		entry point, or HNSW_NONE
 *	36		4		its level
 *	40		48		supplies of slots
 *	88		4		number of extents
 *	92		4		bytes of a refinement, or 0
 *	96		1		HnswRefinement
 *	97		1		kind of its code (CodeKind), bits a dimension of a rest (of a lower
 *					half, too), or 0
 *	98		1		1 if vectors are rotated for that, else 0
 *	99		1		1 if lists have inline codes, else 0
 *	100		4		how often vacuum has taken ghosts out, modulo 2^32
 *	104		20 * n	extents, by ascending first number
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
	uint32		refinement_bytes;
	uint8		refinement;
	uint8		refinement_form;
	uint8		refinement_rotated;
	uint8		inline_codes;
	uint32		removals;
	HnswExtent	extents[FLEXIBLE_ARRAY_MEMBER];
} HnswMetaPageData;

StaticAssertDecl(offsetof(HnswMetaPageData, extents) == 104, "on-disk format");

/*
 * What goes on in the graph while vacuum takes ghosts out of it (README, "Vacuum"):
 * there are dying elements; inserts have added edges to some of them; they have
 * left the graph, and are being freed.
 */
#define HNSW_REPAIR_BEGUN	0x01
#define HNSW_REPAIR_LINKED	0x02
#define HNSW_REPAIR_FREEING 0x04

#define HNSW_MAX_EXTENTS                                          \
	((HNSW_PAGE_CAPACITY - offsetof(HnswMetaPageData, extents)) / \
	 sizeof(HnswExtent))
#define HNSW_META_BYTES(num_extents) \
	(offsetof(HnswMetaPageData, extents) + sizeof(HnswExtent) * (num_extents))
#define HnswPageGetMeta(page) \
	((HnswMetaPageData *) ((char *) (page) + HNSW_CONTENT_OFFSET))

/*
 * An array of slots for something of any size, one for each element.  An index
 * may have it or not.
 */
typedef struct HnswArray
{
	uint32 bytes;	   /* of what is in a slot; 0: there is no such array */
	uint32 slot_bytes; /* of the slot */
	uint32 per_page;   /* slots; 0: they go on from page to page */
} HnswArray;

/*
 * Slots larger than a page are rounded up to eighths of one, so that most of
 * them lie on no more pages than they need, and little is wasted.
 */
#define HNSW_WIDE_SLOT_UNIT (HNSW_PAGE_CAPACITY / 8)

/*
 * What follows from m and the sizes of codes and refinements: the shape of the
 * arrays.
 */
typedef struct HnswGeometry
{
	uint32	  m;
	uint32	  list_bytes; /* slot sizes */
	uint32	  upper_bytes;
	uint32	  inline_offset;	/* of inline codes in list slots, or 0 */
	uint32	  entries_per_page; /* slots per page */
	uint32	  lists_per_page;
	uint32	  uppers_per_page;
	HnswArray codes; /* bytes: if codes vary, those of a slot */
	HnswArray refinements;
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
	BlockNumber refinements;
	BlockNumber overflow;
	BlockNumber end_block; /* first block after the extent */
} HnswExtentLayout;

/* inline_dimensions: of inline codes, 0 if there are none. */
extern void hnsw_geometry_init(HnswGeometry *geometry, uint32 m,
							   uint32 code_bytes, uint32 refinement_bytes,
							   uint32 inline_dimensions);

/* Do list slots with such inline codes fit a page? */
extern bool hnsw_inline_codes_fit(uint32 m, uint32 dimensions);

/* Edges that list slots have lanes of inline codes for. */
static inline uint32
hnsw_inline_lanes(uint32 m)
{
	return TYPEALIGN(32, 2 * m);
}
extern void hnsw_extent_layout(const HnswGeometry *geometry,
							   const HnswExtent	  *extent,
							   HnswExtentLayout	  *layout);

/* What the page of an extent is for. */
extern HnswPageKind hnsw_extent_page_kind(const HnswExtentLayout *layout,
										  BlockNumber			  block);

/* Pages that an array takes for so many elements. */
extern uint32 hnsw_array_pages(const HnswArray *array, uint32 elements);

/*
 * Where in an array that begins at block `start` the slot of the element
 * `offset` begins, from 0 in the extent: slot is the byte in the page's contents.
 */
extern HnswPlace hnsw_array_place(const HnswArray *array, BlockNumber start,
								  uint32 offset);

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
