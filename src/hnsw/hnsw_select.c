/*
 * hnsw_select.c
 *		Which candidates become neighbours.
 *
 * Algorithm 4 of Malkov & Yashunin (2018), with three additions.  Protected
 * edges, which hold the graph together (README), are kept whatever the
 * heuristic says.  A list that was selected before need not be compared with
 * itself again: what was kept then is only tested against what came since.
 * And where the heuristic takes few, the nearest of the others join them, as
 * many as the caller wants: the paper's keepPrunedConnections, but bounded, as a
 * full list costs every search and gains little more (README, "Neighbours").
 *
 * Arrays only: no buffers, no locks, no allocation.
 */
#include "postgres.h"

#include <math.h>

#include "hnsw/hnsw.h"
#include "hnsw/hnsw_select.h"

#define CACHE_LINE_BYTES 64
#define PREFETCH_BYTES	 256

/* Candidates that are looked at together. */
#define RUN_LENGTH 32

/* Candidates mostly come in order, or nearly so, and there are few. */
static void
sort_by_distance(HnswNeighbour *neighbours, int count)
{
	for (int i = 1; i < count; i++)
	{
		HnswNeighbour moving = neighbours[i];
		int			  to = i;

		while (to > 0 && moving.distance < neighbours[to - 1].distance)
		{
			neighbours[to] = neighbours[to - 1];
			to--;
		}
		neighbours[to] = moving;
	}
}

static int
count_protected(const HnswNeighbour *neighbours, int count)
{
	int result = 0;

	for (int i = 0; i < count; i++)
		result += HNSW_EDGE_IS_PROTECTED(neighbours[i].edge);
	return result;
}

static inline void
prefetch_code(const HnswCode *code)
{
	for (int i = 0; i < PREFETCH_BYTES; i += CACHE_LINE_BYTES)
		__builtin_prefetch((const char *) code + i);
}

/*
 * Candidates that were selected before, or those that came since; by ascending
 * distance.  What is kept of those before `next` is at the front.
 */
typedef struct Part
{
	HnswNeighbour *members;
	int			   count;
	int			   next;
	int			   kept;
} Part;

/* A run of candidates of both parts by ascending distance. */
typedef struct Run
{
	HnswNeighbour members[RUN_LENGTH];
	bool		  was_selected[RUN_LENGTH];
	bool		  occluded[RUN_LENGTH]; /* by one that is kept */
	int			  count;

	/* those that are not, by number, but for protected ones */
	int open[RUN_LENGTH];
	int num_open;
} Run;

/* Take the next ones; none if there are no more. */
static void
take_run(Run *run, Part *selected, Part *fresh)
{
	run->num_open = 0;
	for (run->count = 0; run->count < RUN_LENGTH; run->count++)
	{
		bool is_selected = fresh->next == fresh->count ||
						   (selected->next < selected->count &&
							selected->members[selected->next].distance <=
								fresh->members[fresh->next].distance);
		Part *part = is_selected ? selected : fresh;

		if (part->next == part->count)
			return;
		run->members[run->count] = part->members[part->next++];
		run->was_selected[run->count] = is_selected;
		run->occluded[run->count] = false;
		prefetch_code(run->members[run->count].code);
		run->open[run->num_open] = run->count;
		run->num_open += !HNSW_EDGE_IS_PROTECTED(
			run->members[run->count].edge);
	}
}

/*
 * Which open members of the run, from `first` on, are so much nearer to `kept`
 * than to the base?  What was selected together was compared then.
 */
static void
occlude(const HnswCoder *coder, Run *run, int first, const HnswNeighbour *kept,
		bool was_selected, float slack)
{
	const HnswCode *codes[RUN_LENGTH];
	float			distances[RUN_LENGTH];
	int				members[RUN_LENGTH];
	int				count = 0;
	int				num_open = 0;

	/* without branches: nobody can predict which ones are left */
	for (int i = 0; i < run->num_open; i++)
	{
		int member = run->open[i];

		members[count] = member;
		codes[count] = run->members[member].code;
		count += (member >= first) &
				 !(was_selected & run->was_selected[member]);
	}
	if (count == 0)
		return;
	hnsw_code_distances(coder, kept->code, codes, count, distances);
	for (int i = 0; i < count; i++)
		run->occluded[members[i]] = distances[i] +
										slack * fabsf(distances[i]) <
									run->members[members[i]].distance;
	for (int i = 0; i < run->num_open; i++)
	{
		int member = run->open[i];

		run->open[num_open] = member;
		num_open += (member >= first) & !run->occluded[member];
	}
	run->num_open = num_open;
}

int
hnsw_reselect_neighbours(const HnswCoder *coder, HnswNeighbour *candidates,
						 int *num_selected, int count, HnswSelection selection)
{
	int			  limit = selection.limit;
	int			  fill = selection.fill;
	float		  slack = selection.slack;
	HnswNeighbour spare[2 * HNSW_MAX_M]; /* the nearest ones not kept */
	int			  num_spare = 0;
	Part		  selected = {candidates, *num_selected, 0, 0};
	Part fresh = {candidates + *num_selected, count - *num_selected, 0, 0};
	int	 protected_left = count_protected(candidates, count);
	int	 kept = 0;
	Run	 run;

	/* a share of an inner product says nothing of what lies how near */
	if (coder->codes.opclass.metric == METRIC_IP)
		slack = 0;

	Assert(protected_left <= limit);
	Assert(fill <= limit && fill <= lengthof(spare));
	sort_by_distance(fresh.members, fresh.count);

	/*
	 * Walk through both parts as one list by ascending distance, a run at a
	 * time, so that distances to one that is kept are computed together.
	 */
	for (take_run(&run, &selected, &fresh); run.count > 0 && kept < limit;
		 take_run(&run, &selected, &fresh))
	{
		if (kept + protected_left < limit)
		{
			for (int i = 0; i < fresh.kept; i++)
				occlude(coder, &run, 0, &fresh.members[i], false, slack);
			for (int i = 0; i < selected.kept; i++)
				occlude(coder, &run, 0, &selected.members[i], true, slack);
		}

		for (int i = 0; i < run.count && kept < limit; i++)
		{
			const HnswNeighbour *member = &run.members[i];
			Part *part = run.was_selected[i] ? &selected : &fresh;

			if (HNSW_EDGE_IS_PROTECTED(member->edge))
				protected_left--;
			else if (kept + protected_left >= limit)
				continue;
			else if (run.occluded[i])
			{
				if (num_spare < fill)
					spare[num_spare++] = *member;
				continue;
			}

			part->members[part->kept++] = *member;
			kept++;
			if (kept + protected_left < limit)
				occlude(coder, &run, i + 1, member, run.was_selected[i],
						slack);
		}
	}

	memmove(candidates + selected.kept, fresh.members,
			sizeof(HnswNeighbour) * fresh.kept);
	sort_by_distance(candidates, kept);
	*num_selected = kept;
	for (int s = 0; s < num_spare && kept < fill; s++)
		candidates[kept++] = spare[s];
	return kept;
}

int
hnsw_select_neighbours(const HnswCoder *coder, HnswNeighbour *candidates,
					   int count, HnswSelection selection)
{
	int num_selected = 0;

	return hnsw_reselect_neighbours(coder, candidates, &num_selected, count,
									selection);
}
