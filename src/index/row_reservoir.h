/*
 * row_reservoir.h
 *		A sample of the rows of a scan, each with the same chance (Vitter's
 *		algorithm Z, by the server's sampling.h).
 */
#ifndef INDEX_ROW_RESERVOIR_H
#define INDEX_ROW_RESERVOIR_H

#include "utils/sampling.h"

typedef struct RowReservoir
{
	ReservoirStateData state;
	uint32			   target; /* rows wanted, at least 1 */
	uint32			   count;  /* places taken, from 0 */
	double			   rows_seen;
	double rows_to_skip; /* before the next one is kept; -1 unknown */
} RowReservoir;

extern void row_reservoir_init(RowReservoir *reservoir, uint32 target);

/* From here on the same rows for the same seed. */
extern void row_reservoir_seed(RowReservoir *reservoir, uint32 seed);

/*
 * Offer the next row.  True if it is kept, at *place; *replaces tells whether
 * another row was kept there until now.
 */
extern bool row_reservoir_offer(RowReservoir *reservoir, uint32 *place,
								bool *replaces);

#endif /* INDEX_ROW_RESERVOIR_H */
