/*
 * test_rotation.c
 *		A rotation keeps norms and inner products, is the same everywhere, and
 *		spreads a single large value.
 */
#include "c.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "distance/distance.h"
#include "quantize/rotation.h"

static const uint32 dims[] = {1,	2,	  3,	5,	  7,	8,	  9,	16,
							  31,	100,  127,	128,  255,	384,  768,	784,
							  1000, 1023, 1024, 1025, 1536, 3072, 16000};

#define MAX_DIM 16000

static float a[MAX_DIM];
static float b[MAX_DIM];
static float rotated_a[MAX_DIM];
static float rotated_b[MAX_DIM];
static uint8 signs[ROTATION_SIGN_BYTES(MAX_DIM)];

static void
fill(uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
	{
		a[i] = (float) random_normal();
		b[i] = (float) random_normal();
	}
}

static void
test_isometry(void)
{
	for (int i = 0; i < (int) lengthof(dims); i++)
	{
		uint32	 dim = dims[i];
		double	 tolerance = 2e-6 * (dim + 20);
		Rotation rotation;

		fill(dim);
		rotation_init(&rotation, dim, random_bits(), signs);
		rotation_apply(&rotation, a, rotated_a);
		rotation_apply(&rotation, b, rotated_b);

		CHECK(fabs(exact_dot(a, a, dim) -
				   exact_dot(rotated_a, rotated_a, dim)) <= tolerance,
			  "dim %u", dim);
		CHECK(fabs(exact_dot(a, b, dim) -
				   exact_dot(rotated_a, rotated_b, dim)) <= tolerance,
			  "dim %u", dim);

		rotation_apply(&rotation, b, b);
		CHECK(memcmp(b, rotated_b, dim * sizeof(float)) == 0,
			  "in place, dim %u", dim);
	}
}

static uint64
fnv1a(uint64 hash, const void *bytes, Size length)
{
	for (Size i = 0; i < length; i++)
		hash = (hash ^ ((const uint8 *) bytes)[i]) *
			   UINT64CONST(0x100000001b3);
	return hash;
}

/* Codes on disk depend on these bits: other CPUs and releases must make them. */
static void
test_deterministic(void)
{
	uint64 hash = UINT64CONST(0xcbf29ce484222325);

	for (int i = 0; i < (int) lengthof(dims); i++)
	{
		uint32	 dim = dims[i];
		Rotation rotation;

		for (uint32 j = 0; j < dim; j++)
			a[j] = (float) ((int) (j * 7919 % 1009) - 504) / 64;
		rotation_init(&rotation, dim, UINT64CONST(42) + dim, signs);
		rotation_apply(&rotation, a, rotated_a);
		for (uint32 j = 0; j < dim; j++)
		{
			uint32 bits;

			memcpy(&bits, &rotated_a[j], sizeof(bits));
			for (int shift = 0; shift < 32; shift += 8)
			{
				uint8 byte = (uint8) (bits >> shift);

				hash = fnv1a(hash, &byte, 1);
			}
		}
	}

	CHECK(hash == UINT64CONST(0x79caaf61e5cd44e3), "hash is 0x%llx",
		  (unsigned long long) hash);
}

/* A unit vector comes out with no coordinate above a few times 1 / sqrt(dim). */
static void
test_spreads(void)
{
	for (int i = 0; i < (int) lengthof(dims); i++)
	{
		uint32 dim = dims[i];
		double largest = 0;

		if (dim < 100)
			continue;

		for (int repeat = 0; repeat < 10; repeat++)
		{
			Rotation rotation;

			memset(a, 0, dim * sizeof(float));
			a[random_bits() % dim] = 1;
			rotation_init(&rotation, dim, random_bits(), signs);
			rotation_apply(&rotation, a, rotated_a);
			for (uint32 j = 0; j < dim; j++)
				largest = Max(largest, fabsf(rotated_a[j]));
		}
		CHECK(largest * sqrt(dim) < 8, "dim %u: %g", dim, largest * sqrt(dim));
	}
}

static void
run_rotation_groups(void)
{
	run_group("rotation keeps norms and products", test_isometry);
	run_group("rotation is deterministic", test_deterministic);
	run_group("rotation spreads outliers", test_spreads);
}

void
rotation_tests(void)
{
	with_each_isa(run_rotation_groups);
}
