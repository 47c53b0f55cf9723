/*
 * ivf_format.h
 *		On-disk format of ivfflat indexes.
 *
 * README describes what the parts are for and the rules for reading and
 * changing them.  This file owns the layout of pages and the pure arithmetic
 * on it: no locks, no buffers.
 */
#ifndef IVF_FORMAT_H
#define IVF_FORMAT_H

#include "storage/block.h"
#include "storage/bufpage.h"
#include "storage/itemptr.h"

#define IVF_MAGIC		   0x46565831 /* "1XVF" */
#define IVF_FORMAT_VERSION 3
#define IVF_META_BLKNO	   0

/* Segments and lists have numbers; nothing has this one. */
#define IVF_NONE ((uint32) 0xFFFFFFFF)

#define IVF_MAX_LISTS 32768

typedef enum IvfPageKind
{
	IVF_PAGE_META = 1,
	IVF_PAGE_LISTS,	  /* directory: lists and their centroids */
	IVF_PAGE_SEGMENT, /* first page of a segment: rows and coarse codes */
	IVF_PAGE_COARSE,  /* coarse codes that do not fit there */
	IVF_PAGE_FINE	  /* fine codes */
} IvfPageKind;

/*
 * Every page starts with the standard page header and this one, on the same
 * cache line.  There is no special space; everything in use lies below
 * pd_lower, and from there on are zeros.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	24		2		IVF_PAGE_ID
 *	26		2		IvfPageKind
 *	28		4		pages of a segment: version of the list that its contents
 *					belong to (README, "Versions"); else 0
 *	32				contents
 */
typedef struct IvfPageHeader
{
	uint16 page_id;
	uint16 kind;
	uint32 version;
} IvfPageHeader;

#define IVF_PAGE_ID 0xFFA2
#define IVF_CONTENT_OFFSET \
	(MAXALIGN(SizeOfPageHeaderData) + sizeof(IvfPageHeader))
#define IVF_PAGE_CAPACITY (BLCKSZ - IVF_CONTENT_OFFSET)
#define IvfPageGetHeader(page) \
	((IvfPageHeader *) ((char *) (page) + MAXALIGN(SizeOfPageHeaderData)))
#define IvfPageGetContents(page) ((char *) (page) + IVF_CONTENT_OFFSET)

StaticAssertDecl(sizeof(IvfPageHeader) == 8, "on-disk format");
StaticAssertDecl(IVF_CONTENT_OFFSET == 32, "on-disk format");

/*
 * The head of a segment's first page.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		list that the segment belongs to
 *	4		4		segment behind this one in the list, or IVF_NONE
 *	8		4		segments from this one to the end of the list
 *	12		4		FREE: next free segment, or IVF_NONE; else IVF_NONE
 *	16		2		entries written
 *	18		2		of them, those whose row is gone
 *	20		1		IvfSegmentState
 *	21		3		0
 *	24		6 * n	heap TIDs of the entries, invalid if the row is gone
 *
 * Behind, at IvfGeometry.coarse_offset, lie blocks of coarse codes, if they fit,
 * and at IvfGeometry.first_offset the first fine codes.
 */
typedef struct IvfSegment
{
	uint32			list;
	uint32			next;
	uint32			depth;
	uint32			next_free;
	uint16			count;
	uint16			dead;
	uint8			state;
	uint8			unused[3];
	ItemPointerData tids[FLEXIBLE_ARRAY_MEMBER];
} IvfSegment;

StaticAssertDecl(offsetof(IvfSegment, tids) == 24, "on-disk format");

typedef enum IvfSegmentState
{
	IVF_SEGMENT_FREE = 0,	/* may be given to a list */
	IVF_SEGMENT_OPEN = 1,	/* takes entries until it is full */
	IVF_SEGMENT_CLOSED = 2, /* its list has been rewritten elsewhere */
	IVF_SEGMENT_LISTS = 3	/* its pages are part of the directory */
} IvfSegmentState;

#define IvfPageGetSegment(page) ((IvfSegment *) IvfPageGetContents(page))

/*
 * A list in the directory, followed by the code of its centroid.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		segment that new entries go to, or IVF_NONE
 *	4		4		version: changed whenever the list is rewritten
 *	8		4		entries when the list was written last, by a build, a split
 *					or vacuum
 *	12		2		lists of the index by then
 *	14		2		1 while entries are copied from it to other lists (rule S2
 *					of README), else 0
 *	16				code, IvfGeometry.code_bytes
 */
typedef struct IvfList
{
	uint32 head;
	uint32 version;
	uint32 written_entries;
	uint16 written_lists;
	uint16 moving;
} IvfList;

StaticAssertDecl(sizeof(IvfList) == 16, "on-disk format");

#define IvfListGetCentroid(list) ((VectorCode *) ((IvfList *) (list) + 1))

/* A code has to fit a page, as a centroid in the directory, too. */
#define IVF_MAX_CODE_BYTES (IVF_PAGE_CAPACITY - sizeof(IvfList))

/* With 8 bits a dimension; beyond, codes have 4 bits. */
#define IVF_MAX_SQ8_DIMENSIONS (IVF_MAX_CODE_BYTES - SQ8_CODE_BYTES(0))
#define IVF_MAX_DIMENSIONS	   16000
#define IVF_MAX_BITS		   64000

/*
 * How far scans must read for a recall, as it was measured (ivf_tune.c).  The
 * gap of a list is how much farther it is than the nearest one, in the unit of
 * ivf_list_gap; for each of some recalls there is the gap up to
 * which lists are to be read, and how many these are on average.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		8		entries of the index then
 *	8		4		lists then, or 0 if nothing has been measured
 *	12		4		0
 *	16		48		gaps, float, ascending
 *	64		48		numbers of lists, float, ascending
 */
#define IVF_TUNED_RECALLS 12

typedef struct IvfTuning
{
	uint64 entries;
	uint32 lists;
	uint32 unused;
	float  gaps[IVF_TUNED_RECALLS];
	float  probes[IVF_TUNED_RECALLS];
} IvfTuning;

StaticAssertDecl(sizeof(IvfTuning) == 112, "on-disk format");

/*
 * The metapage's contents.
 *
 *	OFFSET	SIZE	DESCRIPTION
 *	0		4		IVF_MAGIC
 *	4		4		IVF_FORMAT_VERSION
 *	8		4		dimensions
 *	12		4		bytes of a code
 *	16		1		code kind (CodeKind)
 *	17		1		metric (VectorMetric)
 *	18		1		1 if vectors are rotated before they get fine codes, else 0
 *	19		1		1 if there are coarse codes, else 0
 *	20		4		option lists, or 0 if it was not given
 *	24		8		seed of the rotation
 *	32		4		lists
 *	36		4		version for the list that is rewritten next
 *	40		4		epoch: changed with every change of the directory but of heads
 *	44		4		segments in the file
 *	48		4		first of them never used
 *	52		4		head of the list of free segments, or IVF_NONE
 *	56		4		segments in lists
 *	60		4		segments of the directory
 *	64		112		IvfTuning
 *	176		4		entries of a segment
 *	180		4		0
 *	184		4 * n	numbers of the segments of the directory
 */
typedef struct IvfMetaPageData
{
	uint32	  magic;
	uint32	  format_version;
	uint32	  dimensions;
	uint32	  code_bytes;
	uint8	  code_kind;
	uint8	  metric;
	uint8	  rotated;
	uint8	  coarse;
	uint32	  lists_option;
	uint64	  seed;
	uint32	  num_lists;
	uint32	  next_version;
	uint32	  epoch;
	uint32	  num_segments;
	uint32	  fresh_segment;
	uint32	  free_head;
	uint32	  used_segments;
	uint32	  num_directory;
	IvfTuning tuning;
	uint32	  capacity;
	uint32	  unused;
	uint32	  directory[FLEXIBLE_ARRAY_MEMBER];
} IvfMetaPageData;

StaticAssertDecl(offsetof(IvfMetaPageData, directory) == 184,
				 "on-disk format");

#define IVF_MAX_DIRECTORY                                         \
	((IVF_PAGE_CAPACITY - offsetof(IvfMetaPageData, directory)) / \
	 sizeof(uint32))
#define IvfPageGetMeta(page) ((IvfMetaPageData *) IvfPageGetContents(page))

/*
 * What follows from the encoding and the entries of a segment: the shape of
 * segments.  A segment is a run of pages, all segments have as many, at least two:
 * the first page, coarse pages, fine pages.
 */
typedef struct IvfGeometry
{
	uint32 code_bytes;		/* of a fine code or a centroid */
	uint32 block_bytes;		/* of a block of coarse codes; 0: none */
	uint32 capacity;		/* entries of a segment */
	uint32 segment_pages;	/* all pages */
	uint32 coarse_pages;	/* after the first; 0: blocks are in the first */
	uint32 blocks_per_page; /* 0: a block spans several */
	uint32 pages_per_block; /* of one that spans several */
	uint32 coarse_offset;	/* of blocks in the contents of the first page */
	uint32 first_codes;		/* fine codes in the first page */
	uint32 first_offset;	/* of these in its contents */
	uint32 codes_per_page;	/* fine codes of other pages */
	uint32 list_bytes;		/* of a list in the directory */
	uint32 lists_per_page;
	uint32 lists_per_segment;
} IvfGeometry;

/* Entries in a block of coarse codes. */
#define IVF_BLOCK_ENTRIES 32

/* Of a segment. */
#define IVF_MAX_CAPACITY 512

/* block_bytes 0: no coarse codes.  1 <= capacity <= IVF_MAX_CAPACITY. */
extern void ivf_geometry_init(IvfGeometry *geometry, uint32 code_bytes,
							  uint32 block_bytes, uint32 capacity);

/* How many entries a segment should have if lists have so many on average. */
extern uint32 ivf_choose_capacity(uint32 code_bytes, uint32 block_bytes,
								  double usual_entries);

/* First page of a segment. */
static inline BlockNumber
ivf_segment_block(const IvfGeometry *geometry, uint32 segment)
{
	return IVF_META_BLKNO + 1 + segment * geometry->segment_pages;
}

/* Page of a fine code, counted from the first page of the segment. */
static inline uint32
ivf_fine_page(const IvfGeometry *geometry, uint32 entry)
{
	if (entry < geometry->first_codes)
		return 0;
	return 1 + geometry->coarse_pages +
		   (entry - geometry->first_codes) / geometry->codes_per_page;
}

static inline IvfPageKind
ivf_fine_kind(const IvfGeometry *geometry, uint32 entry)
{
	return entry < geometry->first_codes ? IVF_PAGE_SEGMENT : IVF_PAGE_FINE;
}

/* Where it is in that page. */
static inline uint32
ivf_fine_offset(const IvfGeometry *geometry, uint32 entry)
{
	if (entry < geometry->first_codes)
		return IVF_CONTENT_OFFSET + geometry->first_offset +
			   entry * geometry->code_bytes;
	return IVF_CONTENT_OFFSET + (entry - geometry->first_codes) %
									geometry->codes_per_page *
									geometry->code_bytes;
}

static inline char *
ivf_fine_slot(const IvfGeometry *geometry, Page page, uint32 entry)
{
	return (char *) page + ivf_fine_offset(geometry, entry);
}

/* The first entry behind those that have their fine codes in the same page. */
static inline uint32
ivf_fine_end(const IvfGeometry *geometry, uint32 entry)
{
	if (entry < geometry->first_codes)
		return geometry->first_codes;
	return entry + geometry->codes_per_page -
		   (entry - geometry->first_codes) % geometry->codes_per_page;
}

/* Where a block of coarse codes starts, if they are not in the first page. */
typedef struct IvfBlockPlace
{
	uint32 page; /* counted from the first page of the segment */
	uint32 offset;
} IvfBlockPlace;

static inline IvfBlockPlace
ivf_block_place(const IvfGeometry *geometry, uint32 block)
{
	IvfBlockPlace place;

	if (geometry->blocks_per_page > 0)
	{
		place.page = 1 + block / geometry->blocks_per_page;
		place.offset = block % geometry->blocks_per_page *
					   geometry->block_bytes;
	}
	else
	{
		place.page = 1 + block * geometry->pages_per_block;
		place.offset = 0;
	}
	return place;
}

#endif /* IVF_FORMAT_H */
