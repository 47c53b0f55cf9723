/*
 * hnsw_inline.h
 *		Inline codes: those of an element's neighbours, in the slot of its list.
 *
 * README, "Inline codes", says what they are for and why they always belong to
 * the edges next to them.  Only for indexes with index->geometry.inline_offset.
 */
#ifndef HNSW_INLINE_H
#define HNSW_INLINE_H

#include "hnsw/hnsw.h"
#include "quantize/relative.h"

/* A query for them; memory comes from the current context. */
extern RelativeQuery *hnsw_inline_query(HnswIndex		*index,
										const HnswQuery *query);

/*
 * Read the list of an element on level 0, and estimate the distances of its
 * neighbours from its own.  estimates has room for hnsw_inline_lanes.
 */
extern uint32 hnsw_inline_score(HnswIndex *index, const RelativeQuery *query,
								HnswElement element, float distance,
								uint32 *edges, float *estimates);

/* The codes of a list that is going to be written, one for each edge. */
typedef struct HnswInlineCodes HnswInlineCodes;

/*
 * Encode the neighbours of an element, but for those that are in the same place
 * of the list that it has now.  `node` is its code, NULL to read it.  No locks
 * may be held.  palloc'd.
 */
extern HnswInlineCodes *hnsw_inline_encode(HnswIndex		*index,
										   HnswElement		 element,
										   const VectorCode *node,
										   const uint32		*old_edges,
										   uint32			 old_count,
										   const uint32 *edges, uint32 count);

/* Write them into the slot, with the edges. */
extern void hnsw_inline_fill(const HnswIndex *index, HnswList *slot,
							 const uint32 *old_edges, uint32 old_count,
							 const uint32 *edges, uint32 count,
							 const HnswInlineCodes *codes);

/*
 * Order the edges of a new list such that those of the old one keep their
 * places, if these are not behind its end.
 */
extern void hnsw_inline_keep_places(const uint32 *old_edges, uint32 old_count,
									uint32 *edges, uint32 count);

/* Write the codes of a list that has none yet, in a build. */
extern void hnsw_inline_write(HnswIndex *index, HnswElement element);

/*
 * The first edge whose code is not what it should be, as its place in the list;
 * -1 if there is none.
 */
extern int hnsw_inline_check(HnswIndex *index, HnswElement element);

#endif /* HNSW_INLINE_H */
