/*
 * bitvec.c
 *		Distances of the server's type bit.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/varbit.h"

#include "base/compat.h"
#include "distance/distance.h"
#include "types/bitvec.h"
#include "types/short_value.h"

#define BYTES(bits) (((uint32) (bits) + BITS_PER_BYTE - 1) / BITS_PER_BYTE)

double
bit_hamming_distance_raw(const uint8 *a, const uint8 *b, int bits)
{
	return (double) distance_kernels->hamming_bits(a, b, BYTES(bits));
}

/* 1 if no bit is set in either */
double
bit_jaccard_distance_raw(const uint8 *a, const uint8 *b, int bits)
{
	BitCounts counts = distance_kernels->jaccard_bits(a, b, BYTES(bits));

	if (counts.both == 0)
		return 1;
	return 1 - (double) counts.both / counts.either;
}

#define BIT_DISTANCE(name)                                               \
	PG_FUNCTION_INFO_V1(name);                                           \
	Datum name(PG_FUNCTION_ARGS)                                         \
	{                                                                    \
		ShortValue a_room;                                               \
		ShortValue b_room;                                               \
		VarBit	  *a = fetch_value(PG_GETARG_DATUM(0), &a_room);         \
		VarBit	  *b = fetch_value(PG_GETARG_DATUM(1), &b_room);         \
		double	   result;                                               \
                                                                         \
		if (VARBITLEN(a) != VARBITLEN(b))                                \
			ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),             \
							errmsg("different bit lengths %d and %d",    \
								   VARBITLEN(a), VARBITLEN(b))));        \
		result = bit_##name##_raw(VARBITS(a), VARBITS(b), VARBITLEN(a)); \
                                                                         \
		release_value(a, PG_GETARG_DATUM(0), &a_room);                   \
		release_value(b, PG_GETARG_DATUM(1), &b_room);                   \
		PG_RETURN_FLOAT8(result);                                        \
	}                                                                    \
	extern Datum name(PG_FUNCTION_ARGS)

BIT_DISTANCE(hamming_distance);
BIT_DISTANCE(jaccard_distance);
