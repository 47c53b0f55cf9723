/*
 * bitvec.h
 *		Distances of the server's type bit.
 */
#ifndef BITVEC_H
#define BITVEC_H

#include "c.h"

/*
 * The exact distances of the SQL operators on raw bits, as bit and varbit hold
 * them: bits after the last one of the last byte are zero.
 */
extern double bit_hamming_distance_raw(const uint8 *a, const uint8 *b,
									   int bits);
extern double bit_jaccard_distance_raw(const uint8 *a, const uint8 *b,
									   int bits);

#endif /* BITVEC_H */
