/*
 * ivf_insert.c
 *		One row into the index.
 *
 * It is appended to the nearest list.  No lock is held while its code is made;
 * if the list has been rewritten by then, its version says so, and the row
 * starts over.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "ivfflat/ivf.h"

/*
 * An insert splits lists of so many bytes of points, which takes about a tenth
 * of a second.
 */
#define MAX_SPLIT_BYTES ((Size) 64 * 1024 * 1024)

/*
 * The first list of an index, around its first row.
 */
static void
add_first_list(IvfIndex *index, const char *point)
{
	char	*centroid = palloc(index->geometry.code_bytes);
	IvfState state;

	memset(centroid, 0, index->geometry.code_bytes);
	ivf_encode_centroid(&index->coder, point, (VectorCode *) centroid);
	ivf_lock_structure(index, ExclusiveLock);
	ivf_read_state(index, &state);
	if (state.num_lists == 0)
		ivf_add_lists(index, centroid, 1);
	ivf_unlock_structure(index, ExclusiveLock);
}

/*
 * Split a list that has become long; not if somebody else is at work on the
 * structure, or must see all entries: then another insert will.  Nor if that
 * takes more time than an insert should: then vacuum will.
 */
static void
split_if_long(IvfIndex *index, const IvfListRef *list, uint32 depth)
{
	IvfState state;

	ivf_read_state(index, &state);
	if (index->coder.point_bytes * index->geometry.capacity * depth >
			MAX_SPLIT_BYTES ||
		!ivf_list_is_long(index, &state, depth) ||
		!ivf_try_lock_structure(index, ExclusiveLock))
		return;
	if (ivf_read_list(index, list->list, NULL, NULL).version == list->version)
		(void) ivf_rewrite_list(index, list->list, true);
	ivf_unlock_structure(index, ExclusiveLock);
}

static void
insert_entry(IvfIndex *index, const IvfEntry *entry, const char *point)
{
	const IvfCoder *coder = &index->coder;
	VectorCode	   *code = palloc(coder->code_bytes);
	char		   *centroid = palloc(coder->point_bytes);
	IvfListRef		stale = {.list = IVF_NONE};
	bool			waited = false;

	for (;;)
	{
		IvfListRef		list;
		IvfAppendResult result = IVF_APPENDED;
		uint32			done = 0;
		uint32			depth = 0;
		bool			extended;

		CHECK_FOR_INTERRUPTS();
		if (!ivf_nearest_list(index, point, &list, code))
		{
			add_first_list(index, point);
			continue;
		}
		if (coder->coarse)
			ivf_decode_centroid(coder, code, centroid);

		if (list.head != IVF_NONE)
			result = ivf_append(index, &list, centroid, entry, 1, &done,
								&depth);
		if (done == 1)
			return;
		if (result == IVF_APPEND_STALE)
		{
			/* the directory has changed before the segment was given away */
			if (list.list == stale.list && list.head == stale.head &&
				list.version == stale.version)
				ivf_report_broken_list(index->rel, list.list);
			stale = list;
			continue;
		}
		if (result == IVF_APPEND_CLOSED && !waited)
		{
			/* whoever rewrites the list is about to be done */
			ivf_lock_structure(index, ShareLock);
			ivf_unlock_structure(index, ShareLock);
			waited = true;
			continue;
		}

		/* full, or left behind by a rewrite that failed */
		waited = false;
		extended = ivf_extend_list(index, &list, depth + 1);
		ivf_note_head(index, &list);
		if (extended)
			split_if_long(index, &list, depth + 1);
	}
}

bool
ivf_insert(Relation rel, Datum *values, bool *isnull, ItemPointer heap_tid,
		   Relation heap, IndexUniqueCheck check_unique, bool index_unchanged,
		   IndexInfo *index_info)
{
	MemoryContext context;
	MemoryContext old_context;
	IvfIndex	 *index;
	void		 *value;
	char		 *point;
	VectorCode	 *code;

	if (isnull[0])
		return false;

	context = AllocSetContextCreate(CurrentMemoryContext, "ivfflat insert",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	value = PG_DETOAST_DATUM(values[0]);
	index = ivf_open(rel);
	coder_check_dimensions(&index->coder.fine, value);

	point = palloc(index->coder.point_bytes);
	code = palloc0(index->coder.code_bytes);
	if (ivf_encode(&index->coder, value, point, code))
	{
		IvfEntry entry = {*heap_tid, code, point};

		insert_entry(index, &entry, point);
	}

	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return false;
}
