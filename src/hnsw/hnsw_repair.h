/*
 * hnsw_repair.h
 *		Taking elements out of the graph; used by hnsw_vacuum.c alone.
 */
#ifndef HNSW_REPAIR_H
#define HNSW_REPAIR_H

#include "hnsw/hnsw.h"

typedef struct HnswRepair
{
	HnswIndex	 *index;
	HnswNumberSet dying;   /* elements that are to leave the graph */
	MemoryContext context; /* reset for each element */

	/* one element of each group that has to stay after all */
	HnswElement	 *spared;
	int			  num_spared;
	int			  spared_allocated;
	MemoryContext spared_context;
} HnswRepair;

/*
 * The steps, in order (README, "Vacuum").  All of them take and release locks
 * as they go, honour vacuum's cost limits and can be interrupted.
 */

/*
 * V4, for every element, dying or not: where a protected edge leads to a dying
 * element, see that one leads back.
 */
extern void hnsw_mend_element(HnswRepair *repair, HnswElement element);

/*
 * V4: join what the dying elements hold together, by protected edges.  Takes
 * groups of elements that cannot be replaced by edges, because lists are full
 * of protected ones, out of `dying`.
 */
extern void hnsw_bridge_dying(HnswRepair *repair);

/* V5: take the dying elements out of an element's lists, on all its levels. */
extern void hnsw_repair_element(HnswRepair *repair, HnswElement element);

/*
 * V6: make sure that protected edges join all elements of `live`, from the
 * entry point.  What has no place is taken out of the set.
 */
extern void hnsw_rejoin_elements(HnswRepair *repair, HnswNumberSet *live);

#endif /* HNSW_REPAIR_H */
