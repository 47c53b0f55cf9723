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
		VarBit *a = PG_GETARG_VARBIT_P(0);                               \
		VarBit *b = PG_GETARG_VARBIT_P(1);                               \
		double	result;                                                  \
                                                                         \
		if (VARBITLEN(a) != VARBITLEN(b))                                \
			ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),             \
							errmsg("different bit lengths %d and %d",    \
								   VARBITLEN(a), VARBITLEN(b))));        \
		result = bit_##name##_raw(VARBITS(a), VARBITS(b), VARBITLEN(a)); \
                                                                         \
		PG_FREE_IF_COPY(a, 0);                                           \
		PG_FREE_IF_COPY(b, 1);                                           \
		PG_RETURN_FLOAT8(result);                                        \
	}                                                                    \
	extern Datum name(PG_FUNCTION_ARGS)

BIT_DISTANCE(hamming_distance);
BIT_DISTANCE(jaccard_distance);
