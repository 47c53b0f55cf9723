/*
 * build_array.h
 *		Large arrays that several processes fill while an index is built.
 *
 * An array is a row of chunks, each of the same power of two of items, in
 * private memory or in dynamic shared memory.  Chunks come one by one as the
 * array grows, so nothing is ever copied, and what was allocated for nothing
 * is less than one chunk.  Items do not move.
 *
 * Any process may add a chunk; the callers see to it that only one does at a
 * time.  The others attach to it when they first get there.  No memory is not
 * an error: the caller decides what to do instead.
 */
#ifndef INDEX_BUILD_ARRAY_H
#define INDEX_BUILD_ARRAY_H

#include "storage/dsm.h"

#define BUILD_ARRAY_MAX_CHUNKS 512

/* Larger segments are hard to get and freed late; see build_array_init. */
#define BUILD_ARRAY_MAX_CHUNK_BYTES ((Size) 256 * 1024 * 1024)
#define BUILD_ARRAY_MIN_CHUNK_BYTES ((Size) 64 * 1024)

/* What the processes share of an array, by itself zero: DSM_HANDLE_INVALID. */
typedef struct BuildArrayShared
{
	dsm_handle handles[BUILD_ARRAY_MAX_CHUNKS];
} BuildArrayShared;

typedef struct BuildArray
{
	Size			  item_bytes;
	uint32			  shift;   /* a chunk has 1 << shift items */
	MemoryContext	  context; /* of private chunks */
	BuildArrayShared *shared;  /* NULL: private */
	char			 *chunks[BUILD_ARRAY_MAX_CHUNKS];
	dsm_segment		 *segments[BUILD_ARRAY_MAX_CHUNKS];
} BuildArray;

/*
 * Set up an empty array, or in a worker the view of one.  memory_limit: of all
 * that the caller wants to keep; it decides how large a chunk is.
 */
extern void build_array_init(BuildArray *array, BuildArrayShared *shared,
							 Size item_bytes, Size memory_limit);

/*
 * A segment of dynamic shared memory; NULL if there is no room for it, where
 * dsm_create would raise an error.
 */
extern dsm_segment *build_segment_create(Size bytes);

/* In a worker, one that is there; it is the resource owner's. */
extern dsm_segment *build_segment_attach(dsm_handle handle);

/* Bytes of a whole chunk. */
static inline Size
build_array_chunk_bytes(const BuildArray *array)
{
	return array->item_bytes << array->shift;
}

/*
 * Make sure that there is room for item `index`, of at most `end` items.  False
 * if there is no memory.  One process at a time.
 */
extern bool build_array_extend(BuildArray *array, Size index, Size end);

/* The same for all items before `end`, filled with zeros. */
extern bool build_array_fill(BuildArray *array, Size end);

/* Get to know the chunks of the first `end` items, which other processes made. */
extern void build_array_attach(BuildArray *array, Size end);

/*
 * Item i becomes what item from[i] was, for i < count; from: an array of uint32
 * that is a permutation.  By one process alone.
 */
extern void build_array_permute(BuildArray *array, const BuildArray *from,
								uint32 count);

/* Let go of all chunks in this process. */
extern void build_array_detach(BuildArray *array);

/* The same, and the array is empty again: one process, after all others. */
extern void build_array_free(BuildArray *array);

/* An item whose chunk this process knows. */
static inline void *
build_array_item(const BuildArray *array, Size index)
{
	return array->chunks[index >> array->shift] +
		   (index & (((Size) 1 << array->shift) - 1)) * array->item_bytes;
}

/* The same if it need not know it yet. */
static inline void *
build_array_find(BuildArray *array, Size index)
{
	if (unlikely(array->chunks[index >> array->shift] == NULL))
		build_array_attach(array, index + 1);
	return build_array_item(array, index);
}

#endif /* INDEX_BUILD_ARRAY_H */
