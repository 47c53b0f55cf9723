/*
 * hnsw_select.h
 *		Selecting neighbours again where an earlier selection is known.
 */
#ifndef HNSW_SELECT_H
#define HNSW_SELECT_H

#include "hnsw/hnsw.h"

/*
 * As hnsw_select_neighbours, but candidates[0 .. *num_selected) were taken by
 * the heuristic earlier for the same base, in that order or with some removed,
 * so that they need not be compared with each other again.  Sets *num_selected
 * to the number it takes now, which come first; the others fill up.
 */
extern int hnsw_reselect_neighbours(const HnswCoder *coder,
									HnswNeighbour	*candidates,
									int *num_selected, int count,
									HnswSelection selection);

#endif /* HNSW_SELECT_H */
