/*
 * hnsw_select.h
 *		Selecting neighbours again where an earlier selection is known.
 */
#ifndef HNSW_SELECT_H
#define HNSW_SELECT_H

#include "hnsw/hnsw.h"

/*
 * As hnsw_select_neighbours, but candidates[0 .. selected) are the result of
 * an earlier selection for the same base, in its order or with some removed,
 * so that they need not be compared with each other again.
 */
extern int hnsw_reselect_neighbours(const HnswCoder *coder,
									HnswNeighbour *candidates, int selected,
									int count, int limit);

#endif /* HNSW_SELECT_H */
