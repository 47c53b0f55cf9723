/*
 * ivf_tune.c
 *		How far a scan must read to find what it is asked for.
 *
 * A build, and later vacuum, takes some entries as queries and searches all
 * lists for their nearest ones.  How much farther the lists of these are than
 * the nearest list is noted as a curve: recall against the gap up to which lists
 * are read.  A scan with ivfflat.target_recall reads up to the gap of its recall:
 * few lists where the query lies in the middle of one, many where it lies
 * between many.  So it needs not know how many rows will be asked for.
 *
 * That the gap decides, and not the number of lists, takes less work at the same
 * recall, and carries over to queries that are not like the rows (README,
 * "Reading as far as it takes").  Early termination by what a query meets goes
 * back to "Improving Approximate Nearest Neighbor Search through Learned
 * Adaptive Early Termination" (Li et al., SIGMOD 2020) and "Fast, Approximate
 * Vector Queries on Very Large Unstructured Datasets" (Zhang et al., NSDI 2023).
 *
 * Entries are read like in a scan, without any lock but those of pages.
 */
#include "postgres.h"

#include <math.h>

#include "commands/vacuum.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "index/build_array.h"
#include "ivfflat/ivf.h"

/* Entries that are taken as queries, and how often one is looked for. */
#define QUERIES			128
#define TRIES_PER_QUERY 20

/* Neighbours that recall counts, and the least queries that tell anything. */
#define NEIGHBOURS	10
#define MIN_QUERIES 16

/*
 * A search ends when it has read so many times the lists that held anything,
 * and some more.
 */
#define USELESS_LISTS_FACTOR 2
#define USELESS_LISTS		 16

/* Standard deviations that the bounds of coarse codes leave room for. */
#define COARSE_EPSILON 3

/* The index is measured anew when rows or lists are so many times as many. */
#define CHANGED 1.2

/* The recalls of IvfTuning: half of the steps are in the last twentieth. */
static const double tuned_recalls[IVF_TUNED_RECALLS] = {0.5,  0.7,	 0.8,
														0.85, 0.9,	 0.93,
														0.95, 0.97,	 0.98,
														0.99, 0.995, 1};

/* A neighbour, and the gap of its list. */
typedef struct Neighbour
{
	float distance;
	float gap;
} Neighbour;

/* A query, and what its search found. */
typedef struct SampleQuery
{
	uint32			segment;
	uint32			entry;
	ItemPointerData tid; /* is not its own neighbour */
	uint32			num_found;
	float			found_gaps[NEIGHBOURS]; /* of the neighbours' lists */
	uint32			num_gaps;
} SampleQuery;

/*
 * All searches: one piece of memory, which the participants of a build share.
 * Behind the queries are, for each of them, the gaps of all lists, ascending.
 */
typedef struct Searches
{
	uint32		num_queries;
	uint32		max_lists;
	SampleQuery queries[FLEXIBLE_ARRAY_MEMBER];
} Searches;

typedef struct Search
{
	IvfIndex		*index;
	CoderQuery		 query;
	IvfListQuery	 list_query;
	RabitqQuery		 coarse_query;
	ItemPointerData	 self;
	Neighbour		 found[NEIGHBOURS]; /* ascending */
	uint32			 count;
	VectorCode		*centroid;
	char			*centroid_point;
	char			*block;
	VectorCode		*code;
	ItemPointerData *tids;	 /* of a segment */
	float			*bounds; /* the same, from coarse codes */
} Search;

static inline Size
searches_bytes(uint32 queries, uint32 lists)
{
	return offsetof(Searches, queries) +
		   queries * (sizeof(SampleQuery) + sizeof(float) * lists);
}

static inline float *
query_gaps(const Searches *searches, uint32 query)
{
	return (float *) &searches->queries[searches->num_queries] +
		   (Size) query * searches->max_lists;
}

/* ------------------------------------------------------------------------
 * One search
 * ------------------------------------------------------------------------
 */

static inline float
farthest(const Search *search)
{
	return search->count < NEIGHBOURS ? INFINITY
									  : search->found[NEIGHBOURS - 1].distance;
}

static bool
note_distance(Search *search, float distance, float gap)
{
	uint32 at;

	if (!(distance < farthest(search)))
		return false;
	if (search->count < NEIGHBOURS)
		search->count++;
	for (at = search->count - 1;
		 at > 0 && search->found[at - 1].distance > distance; at--)
		search->found[at] = search->found[at - 1];
	search->found[at].distance = distance;
	search->found[at].gap = gap;
	return true;
}

/*
 * Look at the entries of a segment.  *any: whether one was among the nearest so
 * far.  Returns the segment behind it, or IVF_NONE if it is not the list's any
 * more.  *depth: that of the segment before, 0 if there is none; then its own.
 */
static uint32
search_segment(Search *search, const IvfListRef *list, uint32 number,
			   float gap, uint32 *depth, bool *any)
{
	IvfIndex		  *index = search->index;
	const IvfGeometry *geometry = &index->geometry;
	Buffer buffer = ivf_lock_segment(index, number, BUFFER_LOCK_SHARE);
	Page   page = BufferGetPage(buffer);
	const IvfSegment *segment = IvfPageGetSegment(page);
	uint32			  count = segment->count;
	uint32			  next = segment->next;
	bool ours = IvfPageGetHeader(page)->version == list->version &&
				segment->list == list->list;
	uint32 expected = *depth;

	*depth = segment->depth;
	memcpy(search->tids, segment->tids, sizeof(ItemPointerData) * count);
	for (uint32 first = 0; ours && index->coder.coarse &&
						   geometry->coarse_pages == 0 && first < count;
		 first += IVF_BLOCK_ENTRIES)
		rabitq_score(&search->coarse_query,
					 IvfPageGetContents(page) + geometry->coarse_offset +
						 first / IVF_BLOCK_ENTRIES * geometry->block_bytes,
					 NULL, search->bounds + first);
	UnlockReleaseBuffer(buffer);
	if (!ours)
		return IVF_NONE;
	/* each counts one less than the one before: even a damaged list ends */
	if (*depth == 0 || (expected > 0 && *depth != expected - 1))
		ivf_report_broken_list(index->rel, list->list);

	for (uint32 entry = 0; entry < count; entry++)
	{
		float distance;
		float error;

		if (geometry->coarse_pages > 0 && entry % IVF_BLOCK_ENTRIES == 0)
		{
			if (!ivf_copy_block(index, number, list->version,
								entry / IVF_BLOCK_ENTRIES, search->block))
				return IVF_NONE;
			rabitq_score(&search->coarse_query, search->block, NULL,
						 search->bounds + entry);
		}
		if ((index->coder.coarse &&
			 search->bounds[entry] >= farthest(search)) ||
			!ItemPointerIsValid(&search->tids[entry]) ||
			ItemPointerEquals(&search->tids[entry], &search->self))
			continue;
		ivf_read_code(index, number, entry, search->code);
		distance = coder_query_distance(&search->query, search->code,
										-INFINITY, &error);
		*any |= note_distance(search, distance, gap);
	}
	return next;
}

/* Look at the entries of a list; true if any was among the nearest so far. */
static bool
search_list(Search *search, const IvfListRef *list, float gap)
{
	IvfIndex *index = search->index;
	uint32	  depth = 0;
	bool	  any = false;

	if (index->coder.coarse)
	{
		if (ivf_read_list(index, list->list, search->centroid, NULL).version !=
			list->version)
			return false;
		ivf_decode_centroid(&index->coder, search->centroid,
							search->centroid_point);
		rabitq_query_centroid(&search->coarse_query,
							  (const float *) search->centroid_point);
	}
	for (uint32 number = list->head; number != IVF_NONE;)
	{
		VacuumDelayPoint();
		number = search_segment(search, list, number, gap, &depth, &any);
	}
	return any;
}

/* Search the lists, and note what was found. */
static void
search_lists(Search *search, SampleQuery *query, float *gaps, uint32 max_lists)
{
	IvfRanking ranking;
	uint32	   useful = 0;
	uint32	   read = 0;
	float	   nearest = 0;

	ivf_rank_lists(search->index, &search->list_query, &ranking);
	search->count = 0;
	/* there may be more lists by now */
	while (ranking.num_lists > 0 && read < max_lists)
	{
		IvfListRef list = ivf_next_list(&ranking);

		if (read == 0)
			nearest = list.distance;
		gaps[read] = ivf_list_gap(&search->list_query, nearest, list.distance);
		if (read <= useful * USELESS_LISTS_FACTOR + USELESS_LISTS &&
			search_list(search, &list, gaps[read]))
			useful = read;
		read++;
	}
	pfree(ranking.lists);

	for (uint32 i = 0; i < search->count; i++)
		query->found_gaps[i] = search->found[i].gap;
	query->num_found = search->count;
	query->num_gaps = read;
}

/* A query that is an entry of the index. */
static void
search_entry(Search *search, SampleQuery *query, float *gaps, uint32 max_lists)
{
	IvfIndex	 *index = search->index;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "ivfflat tuning search",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	char		 *point = palloc0(index->coder.point_bytes);

	search->self = query->tid;
	ivf_read_code(index, query->segment, query->entry, search->code);
	ivf_decode(&index->coder, search->code, point);
	coder_query_init_from_code(&search->query, &index->coder.fine,
							   search->code);
	ivf_list_query_init(&search->list_query, &index->coder, point, true);
	if (index->coder.coarse)
	{
		rabitq_query_init(&search->coarse_query, index->coder.coarse_metric,
						  (const float *) point, index->dimensions,
						  palloc(RABITQ_QUERY_BYTES(index->dimensions)));
		search->coarse_query.epsilon = COARSE_EPSILON;
	}
	MemoryContextSwitchTo(old_context);
	search_lists(search, query, gaps, max_lists);
	MemoryContextDelete(context);
}

/* Do searches while there are any. */
static void
work_on_searches(IvfIndex *index, Searches *searches, pg_atomic_uint32 *next)
{
	Search search = {.index = index};
	uint32 number;

	search.centroid = palloc(index->geometry.code_bytes);
	search.centroid_point = palloc(index->coder.point_bytes);
	search.block = palloc(Max(index->geometry.block_bytes, 1));
	search.code = palloc(index->geometry.code_bytes);
	search.tids = palloc(sizeof(ItemPointerData) * index->geometry.capacity);
	search.bounds = palloc(sizeof(float) * index->geometry.capacity);
	while ((number = pg_atomic_fetch_add_u32(next, 1)) < searches->num_queries)
		search_entry(&search, &searches->queries[number],
					 query_gaps(searches, number), searches->max_lists);
}

/*
 * Choose an entry of a segment, any with the same probability; false if it has
 * none in that place.
 */
static bool
choose_entry(IvfIndex *index, SampleQuery *query)
{
	Buffer buffer = ivf_lock_segment(index, query->segment, BUFFER_LOCK_SHARE);
	const IvfSegment *page = IvfPageGetSegment(BufferGetPage(buffer));
	bool			  chosen = (page->state == IVF_SEGMENT_OPEN ||
					page->state == IVF_SEGMENT_CLOSED) &&
				  query->entry < page->count &&
				  ItemPointerIsValid(&page->tids[query->entry]);

	if (chosen)
		query->tid = page->tids[query->entry];
	UnlockReleaseBuffer(buffer);
	return chosen;
}

/* Choose entries to search for; returns how many. */
static uint32
choose_queries(IvfIndex *index, const IvfState *state, SampleQuery *queries)
{
	uint32		  count = 0;
	pg_prng_state prng;

	pg_prng_seed(&prng, index->seed);
	for (int i = 0; i < QUERIES * TRIES_PER_QUERY && count < QUERIES; i++)
	{
		queries[count].segment = pg_prng_uint64_range(&prng, 0,
													  state->fresh_segment -
														  1);
		queries[count].entry = pg_prng_uint64_range(&prng, 0,
													index->geometry.capacity -
														1);
		count += choose_entry(index, &queries[count]);
	}
	return count;
}

/* ------------------------------------------------------------------------
 * The curve
 * ------------------------------------------------------------------------
 */

static int
compare_floats(const void *a, const void *b)
{
	float x = *(const float *) a;
	float y = *(const float *) b;

	return x < y ? -1 : x > y;
}

/*
 * The recall to aim at so that a sample of so many queries, whose neighbours
 * are not independent of each other, does not promise too much.
 */
static double
with_margin(double recall, uint32 queries)
{
	return Min(recall + 0.5 * sqrt(recall * (1 - recall) / queries), 1);
}

/* False if the searches have found nothing. */
static bool
fill_tuning(IvfTuning *tuning, const Searches *searches)
{
	float *gaps = palloc(sizeof(float) * QUERIES * NEIGHBOURS);
	uint32 num_gaps = 0;

	for (uint32 q = 0; q < searches->num_queries; q++)
	{
		const SampleQuery *query = &searches->queries[q];

		memcpy(gaps + num_gaps, query->found_gaps,
			   sizeof(float) * query->num_found);
		num_gaps += query->num_found;
	}
	if (num_gaps == 0)
		return false;
	qsort(gaps, num_gaps, sizeof(float), compare_floats);
	for (int r = 0; r < IVF_TUNED_RECALLS; r++)
	{
		double recall = with_margin(tuned_recalls[r], searches->num_queries);
		uint32 rank = (uint32) ceil(recall * num_gaps);
		uint64 lists = 0;

		tuning->gaps[r] = gaps[Max(rank, 1) - 1];
		for (uint32 q = 0; q < searches->num_queries; q++)
		{
			const float *of_query = query_gaps(searches, q);
			uint32		 n = 0;

			while (n < searches->queries[q].num_gaps &&
				   of_query[n] <= tuning->gaps[r])
				n++;
			lists += n;
		}
		tuning->probes[r] = (double) lists / searches->num_queries;
	}
	return true;
}

static void
write_tuning(IvfIndex *index, const IvfTuning *tuning)
{
	PageEdit edit;

	page_edit_start(&edit, index->rel, index->building);
	IvfPageGetMeta(
		page_edit_image(&edit, page_edit_lock(&edit, IVF_META_BLKNO)))
		->tuning = *tuning;
	page_edit_finish(&edit);
}

static void
measure(IvfIndex *index, const IvfState *state, uint64 entries,
		ParallelBuild *team, IvfTuneShared *shared)
{
	IvfTuning		 tuning = {.entries = entries, .lists = state->num_lists};
	SampleQuery		*queries = palloc0(sizeof(SampleQuery) * QUERIES);
	uint32			 num_queries = choose_queries(index, state, queries);
	Size			 bytes = searches_bytes(num_queries, state->num_lists);
	dsm_segment		*segment = NULL;
	Searches		*searches;
	pg_atomic_uint32 next_alone;

	if (num_queries < MIN_QUERIES)
		return;
	if (team != NULL)
		segment = build_segment_create(bytes);
	if (segment != NULL)
		searches = dsm_segment_address(segment);
	else
		searches = palloc_extended(bytes, MCXT_ALLOC_HUGE);
	searches->num_queries = num_queries;
	searches->max_lists = state->num_lists;
	memcpy(searches->queries, queries, sizeof(SampleQuery) * num_queries);

	if (segment != NULL)
	{
		shared->segment = dsm_segment_handle(segment);
		pg_atomic_write_u32(&shared->next_search, 0);
		parallel_build_start_task(team, IVF_TASK_TUNE);
		work_on_searches(index, searches, &shared->next_search);
		parallel_build_close_task(team, NULL, NULL);
	}
	else
	{
		pg_atomic_init_u32(&next_alone, 0);
		work_on_searches(index, searches, &next_alone);
	}
	if (fill_tuning(&tuning, searches))
		write_tuning(index, &tuning);
	if (segment != NULL)
		dsm_detach(segment);
}

void
ivf_tune(IvfIndex *index, uint64 entries, ParallelBuild *team,
		 IvfTuneShared *shared)
{
	MemoryContext context;
	MemoryContext old_context;
	IvfState	  state;

	ivf_read_state(index, &state);
	if (state.num_lists < 2 || state.fresh_segment == 0)
		return;
	if (state.tuning.lists > 0 && entries <= state.tuning.entries * CHANGED &&
		state.tuning.entries <= entries * CHANGED &&
		state.num_lists <= state.tuning.lists * CHANGED)
		return;

	context = AllocSetContextCreate(CurrentMemoryContext, "ivfflat tuning",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	measure(index, &state, entries, team, shared);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

void
ivf_tune_help(IvfIndex *index, IvfTuneShared *shared)
{
	dsm_segment *segment = build_segment_attach(shared->segment);

	work_on_searches(index, dsm_segment_address(segment),
					 &shared->next_search);
	dsm_detach(segment);
}

/* ------------------------------------------------------------------------
 * Using it
 * ------------------------------------------------------------------------
 */

/*
 * Before anything has been measured: of real data, a tenth to a half more than it
 * takes.
 */
static double
unmeasured_probes(uint32 lists, double recall)
{
	return recall < 1 ? 1 + sqrt(lists) * -log(1 - recall) : lists;
}

IvfReach
ivf_reach(const IvfState *state, double recall)
{
	const IvfTuning *tuning = &state->tuning;
	double			 lists = Max(state->num_lists, 1);
	IvfReach		 reach = {0};
	int				 r = 1;
	double			 part;

	reach.measured = tuning->lists > 0;
	if (recall >= 1)
	{
		reach.gap = INFINITY;
		reach.probes = lists;
		return reach;
	}
	if (!reach.measured)
	{
		reach.probes = Min(unmeasured_probes(state->num_lists, recall), lists);
		return reach;
	}

	while (r < IVF_TUNED_RECALLS - 1 && tuned_recalls[r] < recall)
		r++;
	part = (recall - tuned_recalls[r - 1]) /
		   (tuned_recalls[r] - tuned_recalls[r - 1]);
	part = Max(part, 0);
	reach.gap = tuning->gaps[r - 1] +
				part * ((double) tuning->gaps[r] - tuning->gaps[r - 1]);
	reach.probes = tuning->probes[r - 1] +
				   part * ((double) tuning->probes[r] - tuning->probes[r - 1]);
	/* lists may have been added since, and a page may hold anything */
	reach.probes *= lists / tuning->lists;
	reach.probes = reach.probes >= 1 ? Min(reach.probes, lists) : 1;
	return reach;
}
