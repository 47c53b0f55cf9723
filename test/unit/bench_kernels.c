/*
 * bench_kernels.c
 *		Nanoseconds a call of every kernel of every table this CPU has.
 *
 * Arrays stay in the first-level cache, and calls do not depend on each other:
 * what is measured is the work, not the memory.  Each figure is the fastest of
 * several batches.
 */
#include "c.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include <stdio.h>

#include "distance/distance.h"
#include "quantize/rotation.h"
#include "quantize/sq8.h"

/* c.h sends it to libpgport, which this program does not link */
#undef printf

#define MAX_DIM	 1536
#define BATCHES	 15
#define BATCH_NS 1e6

extern void ExceptionalCondition(const char *condition, const char *type,
								 const char *file, int line)
	pg_attribute_noreturn();

static float	a[MAX_DIM];
static float	b[MAX_DIM];
static float	out[MAX_DIM];
static int16	levels[MAX_DIM];
static uint8	signs[ROTATION_SIGN_BYTES(MAX_DIM)];
static uint32	dim;
static Rotation rotation;
static Sq8Query query;

typedef union CodeBuffer
{
	Sq8Code code;
	uint8	bytes[SQ8_CODE_BYTES(MAX_DIM)];
} CodeBuffer;

static CodeBuffer code_a;
static CodeBuffer code_b;

/* results go here, so that no call is optimized away */
static volatile double sink;

void
ExceptionalCondition(const char *condition, const char *type, const char *file,
					 int line)
{
	abort();
}

static double
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

#define BODIES(X)                                                            \
	X(l2sq_f32, sink = distance_kernels->l2sq_f32(a, b, dim))                \
	X(dot_f32, sink = distance_kernels->dot_f32(a, b, dim))                  \
	X(l1_f32, sink = distance_kernels->l1_f32(a, b, dim))                    \
	X(cosine_f32, sink = distance_kernels->cosine_f32(a, b, dim).dot)        \
	X(dot_u8_i16,                                                            \
	  sink = distance_kernels->dot_u8_i16(code_a.code.code, levels, dim))    \
	X(dot_u8_u8, sink = distance_kernels->dot_u8_u8(code_a.code.code,        \
													code_b.code.code, dim))  \
	X(l1_u8_f32, sink = distance_kernels->l1_u8_f32(code_a.code.code, -3,    \
													0.02f, b, dim))          \
	X(l1_u8_u8,                                                              \
	  sink = distance_kernels->l1_u8_u8(code_a.code.code, -3, 0.02f,         \
										code_b.code.code, -2, 0.03f, dim))   \
	X(range_f32, sink = distance_kernels->range_f32(a, dim).min)             \
	X(quantize_f32_u8,                                                       \
	  sink = distance_kernels->quantize_f32_u8(a, -4, 30, code_b.bytes, dim) \
				 .sum)                                                       \
	X(rotation_apply, rotation_apply(&rotation, a, out))                     \
	X(sq8_encode, sq8_encode(SQ8_L2, a, dim, &code_b.code))                  \
	X(sq8_prepare_query, sq8_prepare_query(SQ8_L2, b, dim, levels, &query))  \
	X(sq8_query_distance, sink = sq8_query_distance(&query, &code_a.code))   \
	X(sq8_error_bound, sink = sq8_error_bound(&query, &code_a.code))

#define DEFINE_BODY(name, call)         \
	static void run_##name(int calls)   \
	{                                   \
		for (int i = 0; i < calls; i++) \
			call;                       \
	}

BODIES(DEFINE_BODY)

static double
measure(void (*run)(int calls))
{
	int	   calls = 16;
	double best = INFINITY;

	for (int batch = 0; batch < BATCHES;)
	{
		double start = now_ns();
		double elapsed;

		run(calls);
		elapsed = now_ns() - start;
		if (elapsed < BATCH_NS)
		{
			calls *= 2;
			continue;
		}
		best = Min(best, elapsed / calls);
		batch++;
	}
	return best;
}

int
main(void)
{
	static const char *const isas[] = {"baseline", "neon", "avx2", "avx512",
									   "avx512vnni"};
	static const uint32		 dims[] = {128, 768, 1536};
	static const struct
	{
		const char *name;
		void (*run)(int calls);
	} bodies[] = {
#define LIST_BODY(name, call) {#name, run_##name},
		BODIES(LIST_BODY)};

	distance_init();
	srand(1);
	for (int i = 0; i < MAX_DIM; i++)
	{
		a[i] = (float) (rand() / (double) RAND_MAX * 8 - 4);
		b[i] = (float) (rand() / (double) RAND_MAX * 8 - 4);
	}

	for (int d = 0; d < (int) lengthof(dims); d++)
	{
		dim = dims[d];
		rotation_init(&rotation, dim, 1, signs);
		sq8_encode(SQ8_L2, a, dim, &code_a.code);
		sq8_encode(SQ8_L2, b, dim, &code_b.code);
		sq8_prepare_query(SQ8_L2, b, dim, levels, &query);

		printf("%-20s", "ns a call");
		for (int i = 0; i < (int) lengthof(isas); i++)
			if (distance_available(isas[i]))
				printf("%12s", isas[i]);
		printf("   (%u dims)\n", dim);

		for (int k = 0; k < (int) lengthof(bodies); k++)
		{
			printf("%-20s", bodies[k].name);
			for (int i = 0; i < (int) lengthof(isas); i++)
				if (distance_select(isas[i]))
					printf("%12.1f", measure(bodies[k].run));
			printf("\n");
		}
		printf("\n");
	}

	return 0;
}
