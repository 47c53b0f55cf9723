/*
 * ivf_lists.c
 *		The directory of lists: ranking them, adding lists.
 *
 * Readers lock one page of the directory at a time; what they saw is of one
 * piece if the epoch has not changed meanwhile (README, "What a reader may
 * see").
 */
#include "postgres.h"

#include "miscadmin.h"

#include "index/page_pin.h"
#include "ivfflat/ivf.h"

/* ------------------------------------------------------------------------
 * Reading
 * ------------------------------------------------------------------------
 */

static inline void
set_list_ref(IvfListRef *ref, uint32 number, const IvfList *list)
{
	ref->list = number;
	ref->head = list->head;
	ref->version = list->version;
}

/* Visit the lists of one page of the directory, from `first` on. */
static void
visit_page(IvfIndex *index, BlockNumber block, uint32 first, uint32 count,
		   IvfListVisitor visit, void *arg)
{
	Buffer		buffer = index_pin_page(index->rel, block);
	const char *contents;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	ivf_check_page(index->rel, buffer, IVF_PAGE_LISTS);
	contents = IvfPageGetContents(BufferGetPage(buffer));
	for (uint32 i = 0; i < count; i++)
	{
		const IvfList *list =
			(const IvfList *) (contents + i * index->geometry.list_bytes);
		IvfListRef ref = {0};

		set_list_ref(&ref, first + i, list);
		visit(arg, &ref, IvfListGetCentroid(list));
	}
	UnlockReleaseBuffer(buffer);
}

void
ivf_visit_lists(IvfIndex *index, const IvfState *state, IvfListVisitor visit,
				void *arg)
{
	uint32 per_page = index->geometry.lists_per_page;
	uint32 in_segment = index->geometry.lists_per_segment;
	uint32 count;

	for (uint32 list = 0; list < state->num_lists; list += count)
	{
		IvfPlace place = ivf_list_place(index, state, list);

		count = Min(per_page, in_segment - list % in_segment);
		count = Min(count, state->num_lists - list);
		visit_page(index, place.block, list, count, visit, arg);
	}
}

typedef struct RankLists
{
	const IvfListQuery *query;
	IvfListRef		   *lists;
} RankLists;

static void
rank_list(void *arg, const IvfListRef *ref, const VectorCode *centroid)
{
	RankLists *rank = arg;

	rank->lists[ref->list] = *ref;
	rank->lists[ref->list].distance = ivf_list_distance(rank->query, centroid);
}

/* Move an element of a heap down to where it belongs. */
static inline void
sift_down(IvfListRef *heap, uint32 count, uint32 at)
{
	IvfListRef moving = heap[at];

	for (;;)
	{
		uint32 child = 2 * at + 1;

		if (child >= count)
			break;
		if (child + 1 < count &&
			heap[child + 1].distance < heap[child].distance)
			child++;
		if (heap[child].distance >= moving.distance)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moving;
}

void
ivf_rank_lists(IvfIndex *index, const IvfListQuery *query, IvfRanking *ranking)
{
	IvfState *state = &ranking->state;
	RankLists rank = {query, NULL};

	for (;;)
	{
		ivf_read_state(index, state);
		rank.lists = palloc_extended(sizeof(IvfListRef) *
										 Max(state->num_lists, 1),
									 MCXT_ALLOC_HUGE);
		ivf_visit_lists(index, state, rank_list, &rank);
		if (likely(ivf_read_epoch(index) == state->epoch))
			break;
		CHECK_FOR_INTERRUPTS();
		pfree(rank.lists);
	}

	ranking->lists = rank.lists;
	ranking->num_lists = state->num_lists;
	for (uint32 i = state->num_lists / 2; i-- > 0;)
		sift_down(rank.lists, state->num_lists, i);
}

IvfListRef
ivf_next_list(IvfRanking *ranking)
{
	IvfListRef nearest = ranking->lists[0];

	Assert(ranking->num_lists > 0);
	ranking->lists[0] = ranking->lists[--ranking->num_lists];
	if (ranking->num_lists > 1)
		sift_down(ranking->lists, ranking->num_lists, 0);
	return nearest;
}

IvfListRef
ivf_read_list(IvfIndex *index, uint32 list, VectorCode *centroid,
			  IvfList *header)
{
	IvfState state;

	ivf_read_state(index, &state);
	return ivf_read_known_list(index, &state, list, centroid, header);
}

IvfListRef
ivf_read_known_list(IvfIndex *index, const IvfState *state, uint32 list,
					VectorCode *centroid, IvfList *header)
{
	IvfPlace	   place = ivf_list_place(index, state, list);
	Buffer		   buffer;
	const IvfList *from;
	IvfListRef	   ref = {0};

	buffer = index_pin_page(index->rel, place.block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	ivf_check_page(index->rel, buffer, IVF_PAGE_LISTS);
	from = (const IvfList *) (IvfPageGetContents(BufferGetPage(buffer)) +
							  place.offset);
	set_list_ref(&ref, list, from);
	if (centroid != NULL)
		memcpy(centroid, IvfListGetCentroid(from), index->geometry.code_bytes);
	if (header != NULL)
		*header = *from;
	UnlockReleaseBuffer(buffer);
	return ref;
}

/* ------------------------------------------------------------------------
 * Growing
 * ------------------------------------------------------------------------
 */

uint32
ivf_take_versions(IvfIndex *index, uint32 count)
{
	PageEdit		 edit;
	IvfMetaPageData *meta;
	uint32			 first;

	page_edit_start(&edit, index->rel, index->building);
	meta = IvfPageGetMeta(
		page_edit_image(&edit, page_edit_lock(&edit, IVF_META_BLKNO)));
	first = meta->next_version;
	if (first > PG_UINT32_MAX - count)
		first = 0;
	else
		meta->next_version += count;
	page_edit_finish(&edit);
	return first;
}

/* Initialise the pages of a segment for lists. */
static void
init_directory_pages(IvfIndex *index, uint32 segment)
{
	BlockNumber start = ivf_segment_block(&index->geometry, segment);
	PageEdit	edit;

	page_edit_start(&edit, index->rel, index->building);
	for (uint32 i = 1; i < index->geometry.segment_pages; i++)
	{
		int page = page_edit_lock(&edit, start + i);

		ivf_init_page(page_edit_image(&edit, page), IVF_PAGE_LISTS, 0);
		if (edit.num_pages == MAX_GENERIC_XLOG_PAGES)
		{
			page_edit_finish(&edit);
			page_edit_start(&edit, index->rel, index->building);
		}
	}
	page_edit_finish(&edit);
}

void
ivf_reserve_lists(IvfIndex *index, uint32 more)
{
	for (;;)
	{
		IvfState		 state;
		PageEdit		 edit;
		IvfMetaPageData *meta;
		uint32			 segment;

		ivf_read_state(index, &state);
		if ((uint64) state.num_lists + more <=
			(uint64) state.num_directory * index->geometry.lists_per_segment)
			return;
		if (state.num_directory == IVF_MAX_DIRECTORY)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("index \"%s\" cannot have more lists",
								   RelationGetRelationName(index->rel))));

		segment = ivf_new_directory_segment(index);
		init_directory_pages(index, segment);
		page_edit_start(&edit, index->rel, index->building);
		meta = IvfPageGetMeta(
			page_edit_image(&edit, page_edit_lock(&edit, IVF_META_BLKNO)));
		meta->directory[meta->num_directory++] = segment;
		page_edit_finish(&edit);
	}
}

void
ivf_set_list(IvfIndex *index, Page image, const IvfPlace *place,
			 const IvfListRef *ref, uint32 written_entries, uint32 num_lists,
			 const VectorCode *centroid)
{
	IvfList *list = (IvfList *) (IvfPageGetContents(image) + place->offset);

	list->head = ref->head;
	list->version = ref->version;
	list->written_entries = written_entries;
	list->written_lists = num_lists;
	list->moving = 0;
	memcpy(IvfListGetCentroid(list), centroid, index->geometry.code_bytes);
}

void
ivf_add_lists(IvfIndex *index, const char *centroids, uint32 count)
{
	IvfState   state;
	IvfListRef ref = {.head = IVF_NONE};
	PageEdit   edit;

	ivf_reserve_lists(index, count);
	ref.version = ivf_take_versions(index, count);
	if (ref.version == 0)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("index \"%s\" cannot have more lists",
							   RelationGetRelationName(index->rel))));
	ivf_read_state(index, &state);
	for (uint32 i = 0; i < count; i++, ref.version++)
	{
		IvfPlace place = ivf_list_place(index, &state, state.num_lists + i);
		IvfMetaPageData *meta;
		int				 page;

		page_edit_start(&edit, index->rel, index->building);
		meta = IvfPageGetMeta(
			page_edit_image(&edit, page_edit_lock(&edit, IVF_META_BLKNO)));
		page = page_edit_lock(&edit, place.block);
		ivf_check_page(index->rel, edit.buffers[page], IVF_PAGE_LISTS);
		ivf_set_list(index, page_edit_image(&edit, page), &place, &ref, 0,
					 state.num_lists + count,
					 (const VectorCode *) (centroids +
										   (Size) i *
											   index->geometry.code_bytes));
		meta->num_lists = state.num_lists + i + 1;
		meta->epoch++;
		page_edit_finish(&edit);
	}
}

void
ivf_set_moving(IvfIndex *index, uint32 list, bool moving)
{
	IvfState state;
	IvfPlace place;
	PageEdit edit;
	IvfList *header;

	ivf_read_state(index, &state);
	place = ivf_list_place(index, &state, list);
	page_edit_start(&edit, index->rel, index->building);
	(void) page_edit_lock(&edit, place.block);
	ivf_check_page(index->rel, edit.buffers[0], IVF_PAGE_LISTS);
	header = (IvfList *) (IvfPageGetContents(page_edit_image(&edit, 0)) +
						  place.offset);
	header->moving = moving;
	page_edit_finish(&edit);
}
