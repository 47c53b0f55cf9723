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

/* Is one of `kept` so much nearer to the candidate than the base is? */
static inline bool
is_occluded(const HnswCoder *coder, const HnswNeighbour *candidate,
			const HnswNeighbour *kept, int count, float slack)
{
	for (int i = 0; i < count; i++)
	{
		float distance = hnsw_code_distance(coder, candidate->code,
											kept[i].code);

		if (distance + slack * fabsf(distance) < candidate->distance)
			return true;
	}
	return false;
}

int
hnsw_reselect_neighbours(const HnswCoder *coder, HnswNeighbour *candidates,
						 int *num_selected, int count, HnswSelection selection)
{
	int			   limit = selection.limit;
	int			   fill = selection.fill;
	float		   slack = selection.slack;
	HnswNeighbour  spare[2 * HNSW_MAX_M]; /* the nearest ones not kept */
	int			   num_spare = 0;
	int			   selected = *num_selected;
	HnswNeighbour *fresh = candidates + selected;
	int			   num_fresh = count - selected;
	int			   protected_left = count_protected(candidates, count);
	int			   kept_selected = 0;
	int			   kept_fresh = 0;
	int			   kept;
	int			   i = 0;
	int			   j = 0;

	/* a share of an inner product says nothing of what lies how near */
	if (coder->codes.opclass.metric == METRIC_IP)
		slack = 0;

	Assert(protected_left <= limit);
	Assert(fill <= limit && fill <= lengthof(spare));
	sort_by_distance(fresh, num_fresh);

	/*
	 * Walk through both parts as one list by ascending distance.  Each part's
	 * kept ones move to its front, where the walk has passed already.
	 */
	while ((i < selected || j < num_fresh) &&
		   kept_selected + kept_fresh < limit)
	{
		bool is_selected = j == num_fresh ||
						   (i < selected &&
							candidates[i].distance <= fresh[j].distance);
		HnswNeighbour candidate = is_selected ? candidates[i++] : fresh[j++];
		bool		  keep;

		if (HNSW_EDGE_IS_PROTECTED(candidate.edge))
		{
			protected_left--;
			keep = true;
		}
		else if (kept_selected + kept_fresh + protected_left >= limit)
			continue;
		else
		{
			if (j < num_fresh)
				prefetch_code(fresh[j].code);
			keep = !is_occluded(coder, &candidate, fresh, kept_fresh, slack) &&
				   (is_selected || !is_occluded(coder, &candidate, candidates,
												kept_selected, slack));
		}

		if (!keep)
		{
			if (num_spare < fill)
				spare[num_spare++] = candidate;
		}
		else if (is_selected)
			candidates[kept_selected++] = candidate;
		else
			fresh[kept_fresh++] = candidate;
	}

	memmove(candidates + kept_selected, fresh,
			sizeof(HnswNeighbour) * kept_fresh);
	kept = kept_selected + kept_fresh;
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
