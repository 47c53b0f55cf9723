/*
 * build_array.c
 *		Large arrays that several processes fill while an index is built.
 *
 * Segments of dynamic shared memory belong to the resource owner that was the
 * current one when they were made or attached to, so whatever ends a build
 * lets go of them.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "index/build_array.h"

/* A chunk is about this part of what the caller wants to keep ... */
#define CHUNKS_PER_LIMIT 64

/*
 * ... but at most BUILD_ARRAY_MAX_CHUNK_BYTES, unless one array would need more
 * chunks than this.  Chunks may be half as large as they should be, and not
 * quite full, so there must be room for some more.
 */
#define MANY_CHUNKS (BUILD_ARRAY_MAX_CHUNKS / 4)

void
build_array_init(BuildArray *array, BuildArrayShared *shared, Size item_bytes,
				 Size memory_limit)
{
	Size largest = Max(memory_limit / MANY_CHUNKS,
					   BUILD_ARRAY_MAX_CHUNK_BYTES);
	Size bytes = Min(Max(memory_limit / CHUNKS_PER_LIMIT,
						 BUILD_ARRAY_MIN_CHUNK_BYTES),
					 largest);

	memset(array, 0, sizeof(BuildArray));
	array->item_bytes = item_bytes;
	array->context = CurrentMemoryContext;
	array->shared = shared;
	while (item_bytes << (array->shift + 1) <= bytes)
		array->shift++;
	Assert(build_array_chunk_bytes(array) >=
		   memory_limit / BUILD_ARRAY_MAX_CHUNKS);
}

/* Is there just no memory?  Everything else is an error like any other. */
static bool
is_shortage(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_OUT_OF_MEMORY ||
		   sqlerrcode == ERRCODE_DISK_FULL ||
		   sqlerrcode == ERRCODE_INSUFFICIENT_RESOURCES;
}

/*
 * dsm_create raises an error where /dev/shm is full.  By then it holds no lock,
 * and what it left belongs to the resource owner that we give it.  But raising
 * forgets that the caller's locks hold off interrupts, which is put right.
 */
dsm_segment *
build_segment_create(Size bytes)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ResourceOwner temporary = ResourceOwnerCreate(owner, "build array chunk");
	dsm_segment *volatile segment = NULL;
	uint32 holdoff = InterruptHoldoffCount;

	CurrentResourceOwner = temporary;
	PG_TRY();
	{
		segment = dsm_create(bytes, DSM_CREATE_NULL_IF_MAXSEGMENTS);
		if (segment != NULL)
			dsm_pin_mapping(segment);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData *error;

		InterruptHoldoffCount = holdoff;
		CurrentResourceOwner = owner;
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		/* a signal may have been what interrupted it */
		CHECK_FOR_INTERRUPTS();
		if (!is_shortage(error->sqlerrcode))
			ReThrowError(error);
		ereport(DEBUG1, (errmsg_internal("no shared memory for a build: %s",
										 error->message)));
		FreeErrorData(error);
	}
	PG_END_TRY();

	ResourceOwnerRelease(temporary, RESOURCE_RELEASE_BEFORE_LOCKS, false,
						 false);
	ResourceOwnerRelease(temporary, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(temporary, RESOURCE_RELEASE_AFTER_LOCKS, false,
						 false);
	ResourceOwnerDelete(temporary);
	if (segment != NULL)
		dsm_unpin_mapping(segment);
	return segment;
}

static bool
add_chunk(BuildArray *array, Size number, Size bytes)
{
	dsm_segment *segment;

	if (array->shared == NULL)
	{
		array->chunks[number] = MemoryContextAllocExtended(
			array->context, bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
		return array->chunks[number] != NULL;
	}

	segment = build_segment_create(bytes);
	if (segment == NULL)
		return false;
	array->segments[number] = segment;
	array->chunks[number] = dsm_segment_address(segment);
	array->shared->handles[number] = dsm_segment_handle(segment);
	return true;
}

dsm_segment *
build_segment_attach(dsm_handle handle)
{
	dsm_segment *segment = dsm_attach(handle);

	if (segment == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not map dynamic shared memory segment")));
	return segment;
}

/* Does the array have the chunk?  Attach to it if so. */
static bool
has_chunk(BuildArray *array, Size number)
{
	dsm_segment *segment;

	if (array->chunks[number] != NULL)
		return true;
	if (array->shared == NULL ||
		array->shared->handles[number] == DSM_HANDLE_INVALID)
		return false;

	segment = build_segment_attach(array->shared->handles[number]);
	array->segments[number] = segment;
	array->chunks[number] = dsm_segment_address(segment);
	return true;
}

bool
build_array_extend(BuildArray *array, Size index, Size end)
{
	Size number = index >> array->shift;
	Size items = Min((Size) 1 << array->shift, end - (number << array->shift));

	if (number >= BUILD_ARRAY_MAX_CHUNKS)
		return false;
	return has_chunk(array, number) ||
		   add_chunk(array, number, items * array->item_bytes);
}

bool
build_array_fill(BuildArray *array, Size end)
{
	Size items = (Size) 1 << array->shift;

	for (Size first = 0; first < end; first += items)
	{
		CHECK_FOR_INTERRUPTS();
		if (!build_array_extend(array, first, end))
			return false;
		memset(build_array_item(array, first), 0,
			   Min(items, end - first) * array->item_bytes);
	}
	return true;
}

void
build_array_attach(BuildArray *array, Size end)
{
	for (Size number = 0; number << array->shift < end; number++)
	{
		if (!has_chunk(array, number))
			elog(ERROR, "chunk %zu of a build array is missing", number);
	}
}

/* What item i becomes. */
static inline uint32
source_of(const BuildArray *from, uint32 i)
{
	return *(uint32 *) build_array_item(from, i);
}

void
build_array_permute(BuildArray *array, const BuildArray *from, uint32 count)
{
	char  *first = palloc(array->item_bytes);
	uint8 *moved = palloc_extended(count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	/* along each cycle, in which every item makes room for the next */
	for (uint32 i = 0; i < count; i++)
	{
		uint32 to = i;
		uint32 next = source_of(from, i);

		CHECK_FOR_INTERRUPTS();
		if (next == i || moved[i])
			continue;
		memcpy(first, build_array_item(array, i), array->item_bytes);
		for (; next != i; to = next, next = source_of(from, to))
		{
			memcpy(build_array_item(array, to), build_array_item(array, next),
				   array->item_bytes);
			moved[to] = true;
		}
		memcpy(build_array_item(array, to), first, array->item_bytes);
		moved[to] = true;
	}
	pfree(moved);
	pfree(first);
}

void
build_array_detach(BuildArray *array)
{
	for (int i = 0; i < BUILD_ARRAY_MAX_CHUNKS; i++)
	{
		if (array->segments[i] != NULL)
			dsm_detach(array->segments[i]);
		else if (array->chunks[i] != NULL)
			pfree(array->chunks[i]);
		array->segments[i] = NULL;
		array->chunks[i] = NULL;
	}
}

void
build_array_free(BuildArray *array)
{
	build_array_detach(array);
	if (array->shared != NULL)
		memset(array->shared, 0, sizeof(BuildArrayShared));
}
