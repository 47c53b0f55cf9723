/*
 * bench_kernels.c
 *		Nanoseconds a call of every kernel of every table this CPU has.
 *
 * nearest_f32 has 96 rows and 32 centroids; lookup_u4 and rabitq_score have 32
 * entries.  Arrays stay in the first-level cache, or the second for these, and
 * calls do not depend on each other: what is measured is the work, not the
 * memory.  Each figure is the fastest of several batches.
 */
#include "c.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include <stdio.h>

#include "distance/distance.h"
#include "distance/sparse_table.h"
#include "quantize/exrabitq.h"
#include "quantize/rabitq.h"
#include "quantize/rotation.h"
#include "quantize/sq8.h"

/* c.h sends it to libpgport, which this program does not link */
#undef printf

#define MAX_DIM	 1536
#define ROWS	 96
#define BATCHES	 15
#define BATCH_NS 1e6

static float		   a[MAX_DIM];
static float		   b[MAX_DIM];
static float		   out[MAX_DIM];
static uint16		   half_a[MAX_DIM];
static uint16		   half_b[MAX_DIM];
static uint16		   half_out[MAX_DIM];
static int32		   index_a[MAX_DIM];
static int32		   index_b[MAX_DIM];
static int16		   levels[MAX_DIM];
static const LevelGrid grid = {-8, 256, 0, 1.0 / 256, 2047};
static uint8		   signs[ROTATION_SIGN_BYTES(MAX_DIM)];
static uint32		   dim;
static Rotation		   rotation;
static Sq8Query		   query;

static char		   block[RABITQ_BLOCK_BYTES(RABITQ_IP, MAX_DIM)];
static float	   query_memory[RABITQ_QUERY_BYTES(MAX_DIM) / sizeof(float)];
static RabitqQuery rabitq_query;
static uint32	   sums[LOOKUP_ENTRIES];
static float	   bounds[LOOKUP_ENTRIES];
static float	   panel[PANEL_WIDTH * MAX_DIM];
static float	   half_norms[PANEL_WIDTH];
static float	   rows[ROWS * MAX_DIM];
static float	   least[ROWS];
static uint32	   nearest[ROWS];

typedef union CodeBuffer
{
	Sq8Code code;
	uint8	bytes[SQ8_CODE_BYTES(MAX_DIM)];
} CodeBuffer;

typedef union ExCodeBuffer
{
	ExRabitqCode code;
	uint8		 bytes[EXRABITQ_CODE_BYTES(4, MAX_DIM)];
} ExCodeBuffer;

static ExCodeBuffer	 ex_code;
static ExRabitqQuery ex_query;
static int16		 ex_levels[MAX_DIM];

static CodeBuffer code_a;
static CodeBuffer code_b;

static const uint8 *const	four_codes[] = {code_b.code.code, code_b.code.code,
											code_b.code.code, code_b.code.code};
static const Sq8Code *const eight_codes[] = {&code_b.code, &code_b.code,
											 &code_b.code, &code_b.code,
											 &code_b.code, &code_b.code,
											 &code_b.code, &code_b.code};

/* one element in five of 5 * dim dimensions */
static SparseArray sparse_a = {index_a, a, 0};
static SparseArray sparse_b = {index_b, b, 0};
static SparseTable table;
static uint32	   table_memory[MAX_DIM * 16];

/* results go here, so that no call is optimized away */
static volatile double sink;

static double
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

/* What a merge and a count without vectors take. */
static float
scalar_dot_sparse(const SparseArray *x, const SparseArray *y)
{
	float  sum = 0;
	uint32 i = 0;
	uint32 j = 0;

	while (i < x->count && j < y->count)
	{
		if (x->index[i] < y->index[j])
			i++;
		else if (x->index[i] > y->index[j])
			j++;
		else
			sum += x->value[i++] * y->value[j++];
	}
	return sum;
}

static uint64
scalar_hamming(const uint8 *x, const uint8 *y, uint32 bytes)
{
	uint64 count = 0;

	for (uint32 i = 0; i + 8 <= bytes; i += 8)
	{
		uint64 p;
		uint64 q;

		memcpy(&p, x + i, 8);
		memcpy(&q, y + i, 8);
		count += __builtin_popcountll(p ^ q);
	}
	return count;
}

#define BODIES(X)                                                            \
	X(l2sq_f32, sink = distance_kernels->l2sq_f32(a, b, dim))                \
	X(dot_f32, sink = distance_kernels->dot_f32(a, b, dim))                  \
	X(l1_f32, sink = distance_kernels->l1_f32(a, b, dim))                    \
	X(cosine_f32, sink = distance_kernels->cosine_f32(a, b, dim).dot)        \
	X(dot_underflows_f32,                                                    \
	  sink = distance_kernels->dot_underflows_f32(a, b, dim))                \
	X(l2sq_f16, sink = distance_kernels->l2sq_f16(half_a, half_b, dim))      \
	X(dot_f16, sink = distance_kernels->dot_f16(half_a, half_b, dim))        \
	X(l1_f16, sink = distance_kernels->l1_f16(half_a, half_b, dim))          \
	X(cosine_f16,                                                            \
	  sink = distance_kernels->cosine_f16(half_a, half_b, dim).dot)          \
	X(f16_to_f32, distance_kernels->f16_to_f32(half_a, out, dim))            \
	X(f32_to_f16, distance_kernels->f32_to_f16(a, half_out, dim))            \
	X(l2sq_sparse,                                                           \
	  sink = distance_kernels->l2sq_sparse(&sparse_a, &sparse_b))            \
	X(dot_sparse, sink = distance_kernels->dot_sparse(&sparse_a, &sparse_b)) \
	X(l1_sparse, sink = distance_kernels->l1_sparse(&sparse_a, &sparse_b))   \
	X(scalar_dot_sparse, sink = scalar_dot_sparse(&sparse_a, &sparse_b))     \
	X(sparse_table_dot, sink = sparse_table_dot(&table, &sparse_b))          \
	X(hamming_bits,                                                          \
	  sink = distance_kernels->hamming_bits(signs, code_a.bytes, dim / 8))   \
	X(jaccard_bits,                                                          \
	  sink = distance_kernels->jaccard_bits(signs, code_a.bytes, dim / 8)    \
				 .both)                                                      \
	X(scalar_hamming, sink = scalar_hamming(signs, code_a.bytes, dim / 8))   \
	X(dot_u8_i16,                                                            \
	  sink = distance_kernels->dot_u8_i16(code_a.code.code, levels, dim))    \
	X(dot_u8_u8, sink = distance_kernels->dot_u8_u8(code_a.code.code,        \
													code_b.code.code, dim))  \
	X(dots_u8_u8, distance_kernels->dots_u8_u8(code_a.code.code, four_codes, \
											   4, dim, sums))                \
	X(sq8_code_distances,                                                    \
	  sq8_code_distances(SQ8_L2, &code_a.code, eight_codes, 8, dim, bounds)) \
	X(l1_u8_f32, sink = distance_kernels->l1_u8_f32(code_a.code.code, -3,    \
													0.02f, b, dim))          \
	X(l1_u8_u8,                                                              \
	  sink = distance_kernels->l1_u8_u8(code_a.code.code, -3, 0.02f,         \
										code_b.code.code, -2, 0.03f, dim))   \
	X(range_f32, sink = distance_kernels->range_f32(a, dim).min)             \
	X(quantize_f32_u8,                                                       \
	  sink = distance_kernels->quantize_f32_u8(a, -4, 30, code_b.bytes, dim) \
				 .sum)                                                       \
	X(levels_f32_i16,                                                        \
	  sink = distance_kernels->levels_f32_i16(a, &grid, levels, dim).sum)    \
	X(square_f32, sink = distance_kernels->square_f32(a, dim))               \
	X(scale_f32, distance_kernels->scale_f32(a, 0.3, b, dim))                \
	X(lookup_u4, rabitq_add_codes(&rabitq_query, (uint8 *) block, 0,         \
								  RABITQ_GROUPS(dim), sums))                 \
	X(rabitq_set, rabitq_set(RABITQ_L2, a, b, dim, block, 0))                \
	X(rabitq_query_centroid, rabitq_query_centroid(&rabitq_query, b))        \
	X(rabitq_score, rabitq_score(&rabitq_query, block, NULL, bounds))        \
	X(exrabitq_encode, exrabitq_encode(4, a, dim, &ex_code.code))            \
	X(exrabitq_distance,                                                     \
	  sink = exrabitq_query_distance(&ex_query, &ex_code.code, NULL))        \
	X(nearest_f32,                                                           \
	  distance_kernels->nearest_f32(rows, ROWS, dim, panel, half_norms, 0,   \
									least, nearest))                         \
	X(rotation_apply, rotation_apply(&rotation, a, out))                     \
	X(sq8_encode, sq8_encode(SQ8_L2, a, dim, &code_b.code))                  \
	X(sq8_prepare_query, sq8_prepare_query(SQ8_L2, b, dim, levels, &query))  \
	X(sq8_query_distance, sink = sq8_query_distance(&query, &code_a.code))   \
	X(sq8_error_bound, sink = sq8_error_bound(&query, &code_a.code, 1))

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
	static const char *const isas[] = {"baseline",	 "neon",
									   "avx2",		 "avx512",
									   "avx512vnni", "avx512popcnt"};
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
		index_a[i] = (i > 0 ? index_a[i - 1] : 0) + 1 + rand() % 9;
		index_b[i] = (i > 0 ? index_b[i - 1] : 0) + 1 + rand() % 9;
	}
	for (int i = 0; i < PANEL_WIDTH * MAX_DIM; i++)
		panel[i] = (float) rand() / RAND_MAX;
	for (int i = 0; i < ROWS * MAX_DIM; i++)
		rows[i] = (float) rand() / RAND_MAX;
	distance_kernels->f32_to_f16(a, half_a, MAX_DIM);
	distance_kernels->f32_to_f16(b, half_b, MAX_DIM);

	for (int d = 0; d < (int) lengthof(dims); d++)
	{
		dim = dims[d];
		sparse_a.count = sparse_b.count = dim;
		sparse_table_init(&table, &sparse_a, table_memory);
		rotation_init(&rotation, dim, 1, signs);
		sq8_encode(SQ8_L2, a, dim, &code_a.code);
		sq8_encode(SQ8_L2, b, dim, &code_b.code);
		sq8_prepare_query(SQ8_L2, b, dim, levels, &query);
		exrabitq_encode(4, a, dim, &ex_code.code);
		exrabitq_prepare_query(&ex_query, RABITQ_L2, 4, b, dim, ex_levels);
		for (uint32 i = 0; i < RABITQ_BLOCK; i++)
			rabitq_set(RABITQ_L2, a, b, dim, block, i);
		rabitq_query_init(&rabitq_query, RABITQ_L2, a, dim, query_memory);
		rabitq_query_centroid(&rabitq_query, b);

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
