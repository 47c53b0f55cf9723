/*
 * rotation.h
 *		A seeded random rotation of float vectors, to spread outlier
 *		dimensions over all dimensions before scalar quantization.
 *
 * Rounds of random sign flips and Walsh-Hadamard transforms.  Where dim is no
 * power of two the transforms run over the first and the last 2^k dims in
 * turn, with (a + b, a - b) / sqrt(2) of the two halves in between, so that the
 * rotation keeps dim and stays orthogonal: L2 distances and inner products are
 * those of the input up to float rounding.  The same seed and input give
 * the same bits on every CPU.
 */
#ifndef QUANTIZE_ROTATION_H
#define QUANTIZE_ROTATION_H

#include "c.h"

#define ROTATION_ROUNDS 4

/* Bytes of sign bits that a rotation needs. */
#define ROTATION_SIGN_BYTES(dim) (ROTATION_ROUNDS * (((Size) (dim) + 7) / 8))

typedef struct Rotation
{
	uint32		 dim;
	uint64		 seed;
	const uint8 *signs; /* ROTATION_SIGN_BYTES(dim) */
} Rotation;

/* Fill signs (caller's memory) from the seed.  Same seed, same rotation. */
extern void rotation_init(Rotation *rotation, uint32 dim, uint64 seed,
						  uint8 *signs);

/*
 * Rotate dim floats; out may be in.  Values whose norm is beyond float can
 * overflow to infinities.
 */
extern void rotation_apply(const Rotation *rotation, const float *in,
						   float *out);

#endif /* QUANTIZE_ROTATION_H */
