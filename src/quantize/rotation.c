/*
 * rotation.c
 *		A seeded random rotation of float vectors.
 *
 * The product of random signs and a Hadamard transform, repeated, is close to
 * a uniformly random rotation at O(dim log dim) (Ailon & Chazelle, "The fast
 * Johnson-Lindenstrauss transform", 2009; Andoni et al., "Practical and
 * optimal LSH for angular distance", 2015).  Where dim is no power of two, the
 * two halves are paired between the rounds: the windows of the transforms may
 * overlap in as little as one value, which would leave the halves unmixed.  It
 * takes one pairing, after both windows were transformed once; an earlier one
 * would carry single values out of the window that is to spread them.
 */
#include "c.h"

#include <math.h>

#include "distance/distance.h"
#include "quantize/rotation.h"

/* SplitMix64 (Steele, Lea & Flood 2014) */
static uint64
next_random(uint64 *state)
{
	uint64 z = (*state += UINT64CONST(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/*
 * rotation_init -- the signs are the generator's numbers, lowest byte first,
 * on every platform.
 */
void
rotation_init(Rotation *rotation, uint32 dim, uint64 seed, uint8 *signs)
{
	uint64 state = seed;
	uint64 random = 0;

	for (Size i = 0; i < ROTATION_SIGN_BYTES(dim); i++)
	{
		if (i % 8 == 0)
			random = next_random(&state);
		signs[i] = (uint8) random;
		random >>= 8;
	}

	rotation->dim = dim;
	rotation->seed = seed;
	rotation->signs = signs;
}

void
rotation_apply(const Rotation *rotation, const float *in, float *out)
{
	const DistanceKernels *kernels = distance_kernels;
	uint32				   dim = rotation->dim;
	Size   round_bytes = ROTATION_SIGN_BYTES(dim) / ROTATION_ROUNDS;
	uint32 log2_window = 0;
	uint32 window;
	float  scale;

	while (log2_window < 31 && (uint32) 2 << log2_window <= dim)
		log2_window++;
	window = (uint32) 1 << log2_window;
	scale = (float) (1.0 / sqrt((double) window));

	if (out != in)
		memcpy(out, in, dim * sizeof(float));

	for (int round = 0; round < ROTATION_ROUNDS; round++)
	{
		float *start = out + (round % 2 == 0 ? 0 : dim - window);

		kernels->flip_f32(start, rotation->signs + round * round_bytes, scale,
						  window);
		kernels->hadamard_f32(start, log2_window);
		if (round == 1 && window != dim)
			kernels->butterfly_f32(out, out + dim - dim / 2, (float) M_SQRT1_2,
								   dim / 2);
	}
}
