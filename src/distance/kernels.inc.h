/*
 * kernels.inc.h
 *		Bodies of the distance kernels.
 *
 * Included once by each kernels_*.c, which first defines the instruction set's
 * primitives and KERNELS_TABLE and KERNELS_ISA, the name of the table and its
 * isa.  Everything here is static but that table.
 *
 * The primitives:
 *
 *	VF, VF_LANES	vector of floats (4, 8 or 16)
 *	vf_*			arithmetic on it; vf_fma(a, b, c) = a * b + c and
 *					vf_fnma(a, b, c) = c - a * b, fused or not
 *	VI				vector of as many int32
 *	VC, VC_CODES	vector of int16 that holds 8-bit codes (8, 16 or 32), with
 *					VC_SUM, a vector of int32 partial sums
 *	SI, SV			vectors of SPARSE_LANES (4 or 8) int32 and floats;
 *					si_match(a, b, ..) gives the lanes of a that are equal to
 *					some lane of b, and the reverse; si_lanes makes bits of
 *					such lanes
 *	VB, VB_BYTES	vector of bytes (16, 32 or 64); vb_popcount gives the
 *					numbers of set bits in its 64-bit lanes; vb_lookup(t, i)
 *					takes bytes t[i] in each 16 of them; vb_fold_16 stores 8
 *					sums of its 16-bit lanes, those of equal number modulo 8
 *	PANEL_ROWS, PANEL_VECTORS
 *					shape of a block of sums that fits the registers
 *
 * Arrays whose length is no multiple of the lanes end in a "tail" of n values,
 * 0 < n < lanes.  *_load_tail(x, dim, n) gives the last n of dim values and
 * zero in all other lanes, in an order that is the same for all arrays of
 * floats, for all arrays of f16, and for all arrays of codes; it reads nothing
 * outside x[0..dim-1].
 *
 * Sums run in four accumulators, to hide the latency of an addition.
 */

#include <float.h>
#include <math.h>

/*
 * Run STEP(k, i) for vectors that start at value i, k = 0..3 in turn, and
 * TAIL(k, n) for the n values left.
 */
#define FOR_EACH_VECTOR(lanes) \
	do { \
		uint32		i = 0; \
		for (; i + 4 * (lanes) <= dim; i += 4 * (lanes)) \
		{ \
			STEP(0, i); \
			STEP(1, i + (lanes)); \
			STEP(2, i + 2 * (lanes)); \
			STEP(3, i + 3 * (lanes)); \
		} \
		if (i + 2 * (lanes) <= dim) \
		{ \
			STEP(0, i); \
			STEP(1, i + (lanes)); \
			i += 2 * (lanes); \
		} \
		if (i + (lanes) <= dim) \
		{ \
			STEP(2, i); \
			i += (lanes); \
		} \
		if (i < dim) \
			TAIL(3, dim - i); \
	} while (0)

#define DECLARE_VF_SUMS(sum) \
	VF			sum##0 = vf_zero(); \
	VF			sum##1 = vf_zero(); \
	VF			sum##2 = vf_zero(); \
	VF			sum##3 = vf_zero()

#define VF_TOTAL(sum) \
	vf_sum(vf_add(vf_add(sum##0, sum##1), vf_add(sum##2, sum##3)))

static inline VF
l2sq_step(VF sum, VF a, VF b)
{
	VF			diff = vf_sub(a, b);

	return vf_fma(diff, diff, sum);
}

/*
 * The distances of one element type, from its two loads.  Names end in `type`.
 */
#define DEFINE_DISTANCES(type, ctype, load, load_tail) \
static float \
l2sq_##type(const ctype *a, const ctype *b, uint32 dim) \
{ \
	DECLARE_VF_SUMS(sum); \
	FOR_EACH_PAIR(L2SQ, load, load_tail); \
	return VF_TOTAL(sum); \
} \
\
static float \
dot_##type(const ctype *a, const ctype *b, uint32 dim) \
{ \
	DECLARE_VF_SUMS(sum); \
	FOR_EACH_PAIR(DOT, load, load_tail); \
	return VF_TOTAL(sum); \
} \
\
static float \
l1_##type(const ctype *a, const ctype *b, uint32 dim) \
{ \
	DECLARE_VF_SUMS(sum); \
	FOR_EACH_PAIR(L1, load, load_tail); \
	return VF_TOTAL(sum); \
} \
\
static CosineParts \
cosine_##type(const ctype *a, const ctype *b, uint32 dim) \
{ \
	CosineParts parts; \
	DECLARE_VF_SUMS(dot); \
	DECLARE_VF_SUMS(norm_a); \
	DECLARE_VF_SUMS(norm_b); \
	FOR_EACH_PAIR(COSINE, load, load_tail); \
	parts.dot = VF_TOTAL(dot); \
	parts.norm_a = VF_TOTAL(norm_a); \
	parts.norm_b = VF_TOTAL(norm_b); \
	return parts; \
}

/* Run ADD(k, x, y) on vectors of a and b, k = 0..3 in turn. */
#define FOR_EACH_PAIR(ADD, load, load_tail) \
	do { \
		uint32		i = 0; \
		for (; i + 4 * VF_LANES <= dim; i += 4 * VF_LANES) \
		{ \
			ADD(0, load(a + i), load(b + i)); \
			ADD(1, load(a + i + VF_LANES), load(b + i + VF_LANES)); \
			ADD(2, load(a + i + 2 * VF_LANES), load(b + i + 2 * VF_LANES)); \
			ADD(3, load(a + i + 3 * VF_LANES), load(b + i + 3 * VF_LANES)); \
		} \
		if (i + 2 * VF_LANES <= dim) \
		{ \
			ADD(0, load(a + i), load(b + i)); \
			ADD(1, load(a + i + VF_LANES), load(b + i + VF_LANES)); \
			i += 2 * VF_LANES; \
		} \
		if (i + VF_LANES <= dim) \
		{ \
			ADD(2, load(a + i), load(b + i)); \
			i += VF_LANES; \
		} \
		if (i < dim) \
			ADD(3, load_tail(a, dim, dim - i), load_tail(b, dim, dim - i)); \
	} while (0)

#define L2SQ(k, x, y) (sum##k = l2sq_step(sum##k, (x), (y)))
#define DOT(k, x, y) (sum##k = vf_fma((x), (y), sum##k))
#define L1(k, x, y) (sum##k = vf_add(sum##k, vf_abs(vf_sub((x), (y)))))
#define COSINE(k, va, vb) \
	do { \
		VF			x = (va); \
		VF			y = (vb); \
		dot##k = vf_fma(x, y, dot##k); \
		norm_a##k = vf_fma(x, x, norm_a##k); \
		norm_b##k = vf_fma(y, y, norm_b##k); \
	} while (0)

DEFINE_DISTANCES(f32, float, vf_load, vf_load_tail)
DEFINE_DISTANCES(f16, uint16, vf_load_f16, vf_load_f16_tail)

/*
 * dot_underflows_f32 -- without comparisons: of each pair, 1 if both factors
 * are not zero, less what the product has of the smallest normal number, 0 to
 * 1.  The difference is above zero only where digits are lost.
 */
static bool
dot_underflows_f32(const float *a, const float *b, uint32 dim)
{
	VF			one = vf_set1(1.0f);
	VF			huge = vf_set1(0x1p100f);
	VF			lost0 = vf_zero();
	VF			lost1 = vf_zero();
	VF			lost2 = vf_zero();
	VF			lost3 = vf_zero();

	/* 1 for every number but zero: 2^200 times the smallest one is above 1 */
#define NOT_ZERO(v) vf_min(vf_mul(vf_mul(vf_abs(v), huge), huge), one)
#define LOST(k, va, vb) \
	do { \
		VF			x = (va); \
		VF			y = (vb); \
		VF			product = vf_mul(vf_abs(vf_mul(x, y)), vf_set1(0x1p126f)); \
		lost##k = vf_max(lost##k, \
						 vf_sub(vf_mul(NOT_ZERO(x), NOT_ZERO(y)), \
								vf_min(product, one))); \
	} while (0)
	FOR_EACH_PAIR(LOST, vf_load, vf_load_tail);
#undef LOST
#undef NOT_ZERO
	return vf_hmax(vf_max(vf_max(lost0, lost1), vf_max(lost2, lost3))) > 0;
}

static void
f16_to_f32(const uint16 *x, float *result, uint32 dim)
{
	uint32		i = 0;

	for (; i + VF_LANES <= dim; i += VF_LANES)
		vf_store(result + i, vf_load_f16(x + i));
	if (i < dim)
	{
		uint16		halves[VF_LANES] = {0};
		float		floats[VF_LANES];

		memcpy(halves, x + i, sizeof(uint16) * (dim - i));
		vf_store(floats, vf_load_f16(halves));
		memcpy(result + i, floats, sizeof(float) * (dim - i));
	}
}

static void
f32_to_f16(const float *x, uint16 *result, uint32 dim)
{
	uint32		i = 0;

	for (; i + VF_LANES <= dim; i += VF_LANES)
		vf_store_f16(result + i, vf_load(x + i));
	if (i < dim)
	{
		float		floats[VF_LANES] = {0};
		uint16		halves[VF_LANES];

		memcpy(floats, x + i, sizeof(float) * (dim - i));
		vf_store_f16(halves, vf_load(floats));
		memcpy(result + i, halves, sizeof(uint16) * (dim - i));
	}
}

#include "distance/decimals.inc.h"

/*
 * Sparse arrays are taken in blocks of SPARSE_LANES elements.  A step compares all
 * indexes of a block of a with all of a block of b, then leaves the block that
 * ends first, or both; so every pair of blocks that can share an index meets.
 */
typedef struct SparseSide
{
	SparseArray array;
	uint32		at;			/* first element of the current block */
	SI			tail_index; /* the last block, if it is not full */
	SV			tail_value;
} SparseSide;

static inline int32
sparse_index(const SparseArray *array, uint32 i)
{
	int32		index;

	memcpy(&index, (const char *) array->index + i * sizeof(int32), sizeof(index));
	return index;
}

static inline float
sparse_value(const SparseArray *array, uint32 i)
{
	float		value;

	memcpy(&value, (const char *) array->value + i * sizeof(float), sizeof(value));
	return value;
}

/* How many indexes to fetch ahead: 16 of them are 64 bytes. */
#define SPARSE_PREFETCH 512

/* no_index: what the lanes behind the last element hold, another for each side */
static inline SparseSide
sparse_side(const SparseArray *array, int32 no_index)
{
	SparseSide	side;
	uint32		n = array->count % SPARSE_LANES;

	/* where to read next depends on what was read, so do not wait for it */
	for (uint32 i = 0; i < Min(array->count, SPARSE_PREFETCH); i += 16)
		__builtin_prefetch(array->index + i);

	side.array = *array;
	side.at = 0;
	side.tail_index = si_set1(no_index);
	side.tail_value = sv_zero();
	if (n > 0)
	{
		int32		index[SPARSE_LANES];
		float		value[SPARSE_LANES] = {0};

		for (uint32 i = 0; i < SPARSE_LANES; i++)
			index[i] = no_index;
		memcpy(index, (const char *) array->index + (array->count - n) * sizeof(int32),
			   n * sizeof(int32));
		memcpy(value, (const char *) array->value + (array->count - n) * sizeof(float),
			   n * sizeof(float));
		side.tail_index = si_load(index);
		side.tail_value = sv_load(value);
	}
	return side;
}

static inline SI
sparse_indexes(const SparseSide *side)
{
	return side->at + SPARSE_LANES <= side->array.count ?
		si_load(side->array.index + side->at) : side->tail_index;
}

static inline SV
sparse_values(const SparseSide *side)
{
	return side->at + SPARSE_LANES <= side->array.count ?
		sv_load(side->array.value + side->at) : side->tail_value;
}

/* the last index of the block that starts at element i */
static inline int32
sparse_block_end(const SparseArray *array, uint32 i)
{
	return sparse_index(array, Min(i + SPARSE_LANES, array->count) - 1);
}

/*
 * All ones if x <= y, else zero; neither is negative.  Which block ends first
 * is as good as random, and compilers like to make a branch of a comparison.
 */
static inline int32
ones_up_to(int32 x, int32 y)
{
	return ~((y - x) >> 31);
}

/*
 * sparse_skip -- leave the blocks of a side that end before an index, at least
 * the current one: in steps that double, then by bisection.
 */
static void
sparse_skip(SparseSide *side, int32 index)
{
	uint32		low = side->at;	/* ends before index */
	uint32		step = SPARSE_LANES;
	uint32		high;

	for (;;)
	{
		high = low + step;
		if (high >= side->array.count)
		{
			/* the number of elements, rounded up to blocks */
			high = (side->array.count + SPARSE_LANES - 1) / SPARSE_LANES * SPARSE_LANES;
			break;
		}
		if (sparse_block_end(&side->array, high) >= index)
			break;
		low = high;
		step *= 2;
	}
	while (high - low > SPARSE_LANES)
	{
		uint32		middle = low + (high - low) / SPARSE_LANES / 2 * SPARSE_LANES;

		/* as good as random: no branch */
		bool		before = sparse_block_end(&side->array, middle) < index;

		low = before ? middle : low;
		high = before ? high : middle;
	}
	side->at = high;
}

/*
 * How many times as many elements the other side has, for looking elements up
 * one by one to be faster than going through both.
 */
#define SPARSE_LOOKUP_RATIO 64

/* dot_sparse where `many` has that many more elements */
static float
dot_sparse_lookup(const SparseArray *few, const SparseArray *many)
{
	SparseSide	side = sparse_side(many, -1);
	float		sum = 0;

	for (uint32 i = 0; i < few->count; i++)
	{
		int32		index = sparse_index(few, i);
		SI			match;
		SI			ignored;
		uint32		lane;

		if (sparse_block_end(many, side.at) < index)
			sparse_skip(&side, index);
		if (side.at >= many->count)
			break;
		si_match(sparse_indexes(&side), si_set1(index), &match, &ignored);
		lane = si_lanes(match);
		if (lane != 0)
			sum += sparse_value(few, i) *
				sparse_value(many, side.at + __builtin_ctz(lane));
	}
	return sum;
}

static float
dot_sparse(const SparseArray *array_a, const SparseArray *array_b)
{
	SparseSide	a;
	SparseSide	b;
	float		sum = 0;

	if (array_a->count < array_b->count / SPARSE_LOOKUP_RATIO)
		return dot_sparse_lookup(array_a, array_b);
	if (array_b->count < array_a->count / SPARSE_LOOKUP_RATIO)
		return dot_sparse_lookup(array_b, array_a);

	a = sparse_side(array_a, -1);
	b = sparse_side(array_b, -2);

	while (a.at < a.array.count && b.at < b.array.count)
	{
		int32		end_a = sparse_block_end(&a.array, a.at);
		int32		end_b = sparse_block_end(&b.array, b.at);
		SI			match_a;
		SI			match_b;
		uint32		lanes_a;
		uint32		lanes_b;

		/* both ascend, so matches come in the same order */
		si_match(sparse_indexes(&a), sparse_indexes(&b), &match_a, &match_b);
		lanes_a = si_lanes(match_a);
		lanes_b = si_lanes(match_b);
		for (; lanes_a != 0; lanes_a &= lanes_a - 1, lanes_b &= lanes_b - 1)
			sum += sparse_value(&a.array, a.at + __builtin_ctz(lanes_a)) *
				sparse_value(&b.array, b.at + __builtin_ctz(lanes_b));
		a.at += ones_up_to(end_a, end_b) & SPARSE_LANES;
		b.at += ones_up_to(end_b, end_a) & SPARSE_LANES;
	}
	return sum;
}

/*
 * A sum over all elements: TERM(v) of vectors of elements that have no match,
 * matched(x) of the differences of pairs that have.  The lanes of a block that
 * have found no match yet are open; they count when the block is left.
 */
#define DEFINE_SPARSE_SUM(name, TERM, matched) \
static float \
name(const SparseArray *array_a, const SparseArray *array_b) \
{ \
	SparseSide	a = sparse_side(array_a, -1); \
	SparseSide	b = sparse_side(array_b, -2); \
	SI			open_a = si_set1(-1); \
	SI			open_b = si_set1(-1); \
	SV			alone_a = sv_zero(); \
	SV			alone_b = sv_zero(); \
	float		sum = 0; \
 \
	while (a.at < a.array.count && b.at < b.array.count) \
	{ \
		int32		end_a = sparse_block_end(&a.array, a.at); \
		int32		end_b = sparse_block_end(&b.array, b.at); \
		SI			leave_a = si_set1(ones_up_to(end_a, end_b)); \
		SI			leave_b = si_set1(ones_up_to(end_b, end_a)); \
		SV			value_a = sparse_values(&a); \
		SV			value_b = sparse_values(&b); \
		SI			match_a; \
		SI			match_b; \
		uint32		lanes_a; \
		uint32		lanes_b; \
 \
		si_match(sparse_indexes(&a), sparse_indexes(&b), &match_a, &match_b); \
		open_a = si_andnot(match_a, open_a); \
		open_b = si_andnot(match_b, open_b); \
		lanes_a = si_lanes(match_a); \
		lanes_b = si_lanes(match_b); \
		for (; lanes_a != 0; lanes_a &= lanes_a - 1, lanes_b &= lanes_b - 1) \
		{ \
			float		difference = \
				sparse_value(&a.array, a.at + __builtin_ctz(lanes_a)) - \
				sparse_value(&b.array, b.at + __builtin_ctz(lanes_b)); \
			sum += matched(difference); \
		} \
		value_a = sv_keep(sv_keep(value_a, open_a), leave_a); \
		value_b = sv_keep(sv_keep(value_b, open_b), leave_b); \
		alone_a = sv_add(alone_a, TERM(value_a)); \
		alone_b = sv_add(alone_b, TERM(value_b)); \
		open_a = si_or(open_a, leave_a); \
		open_b = si_or(open_b, leave_b); \
		a.at += ones_up_to(end_a, end_b) & SPARSE_LANES; \
		b.at += ones_up_to(end_b, end_a) & SPARSE_LANES; \
	} \
	for (; a.at < a.array.count; a.at += SPARSE_LANES) \
	{ \
		SV			value = sv_keep(sparse_values(&a), open_a); \
		alone_a = sv_add(alone_a, TERM(value)); \
		open_a = si_set1(-1); \
	} \
	for (; b.at < b.array.count; b.at += SPARSE_LANES) \
	{ \
		SV			value = sv_keep(sparse_values(&b), open_b); \
		alone_b = sv_add(alone_b, TERM(value)); \
		open_b = si_set1(-1); \
	} \
	return sum + sv_sum(sv_add(alone_a, alone_b)); \
}

#define SQUARE_SV(v) sv_mul(v, v)
#define SQUARE(x) ((x) * (x))
#define MAGNITUDE(x) ((x) < 0 ? -(x) : (x))

DEFINE_SPARSE_SUM(l2sq_sparse, SQUARE_SV, SQUARE)
DEFINE_SPARSE_SUM(l1_sparse, sv_abs, MAGNITUDE)

/*
 * Bit strings.  A tail of n bytes is filled up with zeros, which count as
 * nothing in either string.
 */
#ifndef HAVE_VB_LOAD_TAIL
static inline VB
vb_load_tail(const uint8 *x, uint32 n)
{
	uint8		bytes[VB_BYTES] = {0};

	memcpy(bytes, x, n);
	return vb_load(bytes);
}
#endif

/* `attribute` names instructions that the rest of the file must not use. */
#define DEFINE_BIT_KERNELS(suffix, attribute, popcount) \
attribute static uint64 \
hamming_bits##suffix(const uint8 *a, const uint8 *b, uint32 bytes) \
{ \
	VB			sum0 = vb_zero(); \
	VB			sum1 = vb_zero(); \
	uint32		i = 0; \
 \
	for (; i + 2 * VB_BYTES <= bytes; i += 2 * VB_BYTES) \
	{ \
		sum0 = vb_add_64(sum0, popcount(vb_xor(vb_load(a + i), \
											   vb_load(b + i)))); \
		sum1 = vb_add_64(sum1, popcount(vb_xor(vb_load(a + i + VB_BYTES), \
											   vb_load(b + i + VB_BYTES)))); \
	} \
	if (i + VB_BYTES <= bytes) \
	{ \
		sum0 = vb_add_64(sum0, popcount(vb_xor(vb_load(a + i), \
											   vb_load(b + i)))); \
		i += VB_BYTES; \
	} \
	if (i < bytes) \
		sum1 = vb_add_64(sum1, popcount(vb_xor(vb_load_tail(a + i, bytes - i), \
											   vb_load_tail(b + i, bytes - i)))); \
	return vb_sum_64(vb_add_64(sum0, sum1)); \
} \
 \
attribute static BitCounts \
jaccard_bits##suffix(const uint8 *a, const uint8 *b, uint32 bytes) \
{ \
	BitCounts	counts; \
	VB			both = vb_zero(); \
	VB			either = vb_zero(); \
	uint32		i = 0; \
 \
	for (; i + VB_BYTES <= bytes; i += VB_BYTES) \
	{ \
		VB			x = vb_load(a + i); \
		VB			y = vb_load(b + i); \
 \
		both = vb_add_64(both, popcount(vb_and(x, y))); \
		either = vb_add_64(either, popcount(vb_or(x, y))); \
	} \
	if (i < bytes) \
	{ \
		VB			x = vb_load_tail(a + i, bytes - i); \
		VB			y = vb_load_tail(b + i, bytes - i); \
 \
		both = vb_add_64(both, popcount(vb_and(x, y))); \
		either = vb_add_64(either, popcount(vb_or(x, y))); \
	} \
	counts.both = vb_sum_64(both); \
	counts.either = vb_sum_64(either); \
	return counts; \
}

DEFINE_BIT_KERNELS(, , vb_popcount)

#define DECLARE_VC_SUMS(sum) \
	VC_SUM		sum##0 = vc_zero(); \
	VC_SUM		sum##1 = vc_zero(); \
	VC_SUM		sum##2 = vc_zero(); \
	VC_SUM		sum##3 = vc_zero()

/*
 * dot_u8_i16 -- a partial sum takes at most dim / 16 products below 2^19 in
 * magnitude, so it holds for dim <= 65536.  The four are not added up in
 * int32.
 */
static int64
dot_u8_i16(const uint8 *code, const int16 *q, uint32 dim)
{
	DECLARE_VC_SUMS(sum);

#define STEP(k, i) \
	sum##k = vc_dot(sum##k, vc_load_u8(code + (i)), vc_load_i16(q + (i)))
#define TAIL(k, n) \
	sum##k = vc_dot(sum##k, vc_load_u8_tail(code, dim, n), \
					vc_load_i16_tail(q, dim, n))
	FOR_EACH_VECTOR(VC_CODES);
#undef STEP
#undef TAIL
	return vc_sum_wide(sum0, sum1, sum2, sum3);
}

/*
 * dot_packed_i16 -- products are below 2^15, so partial sums have room for as
 * many levels as those of dot_u8_i16.
 */
static int64
dot_packed_i16(const uint8 *packed, uint32 bits, const int16 *q, uint32 levels)
{
	uint32		bytes = (levels * bits + 7) / 8;
	VC			mask = vb_set1((1 << bits) - 1);
	uint32		first = 0;

	DECLARE_VC_SUMS(sum);

	/* what lies at the same bits of all bytes is one run of levels */
	for (uint32 shift = 0; first < levels; shift += bits, first += bytes)
	{
		uint32		dim = levels - first < bytes ? levels - first : bytes;

#define LEVELS(v) vb_and(vc_srl(v, shift), mask)
#define STEP(k, i) 	sum##k = vc_dot(sum##k, LEVELS(vc_load_u8(packed + (i))), 					vc_load_i16(q + first + (i)))
#define TAIL(k, n) 	sum##k = vc_dot(sum##k, LEVELS(vc_load_u8_tail(packed, dim, n)), 					vc_load_i16_tail(q + first, dim, n))
		FOR_EACH_VECTOR(VC_CODES);
#undef LEVELS
#undef STEP
#undef TAIL
	}
	return vc_sum_wide(sum0, sum1, sum2, sum3);
}

#ifndef HAVE_DOT_U4_I12

static int64
dot_u4_i12(const uint8 *packed, const SplitLevels *q, uint32 levels)
{
	return dot_packed_i16(packed, 4, q->levels, levels);
}

#endif							/* HAVE_DOT_U4_I12 */

#ifndef HAVE_DOT_U8_U8

/* 32768 * 255^2 < 2^31 */
static uint32
dot_u8_u8(const uint8 *a, const uint8 *b, uint32 dim)
{
	DECLARE_VC_SUMS(sum);

#define STEP(k, i) \
	sum##k = vc_dot(sum##k, vc_load_u8(a + (i)), vc_load_u8(b + (i)))
#define TAIL(k, n) \
	sum##k = vc_dot(sum##k, vc_load_u8_tail(a, dim, n), vc_load_u8_tail(b, dim, n))
	FOR_EACH_VECTOR(VC_CODES);
#undef STEP
#undef TAIL
	return (uint32) vc_sum(vc_add(vc_add(sum0, sum1), vc_add(sum2, sum3)));
}

/* dots_u8_u8 -- four at a time, for which `a` is loaded once. */
static void
dots_u8_u8(const uint8 *a, const uint8 *const *b, uint32 count, uint32 dim,
		   uint32 *dots)
{
	for (; count >= 4; b += 4, dots += 4, count -= 4)
	{
		uint32		i = 0;

		DECLARE_VC_SUMS(sum);

#define ADD_PRODUCTS(k) sum##k = vc_dot(sum##k, va, vc_load_u8(b[k] + i))
		for (; i + VC_CODES <= dim; i += VC_CODES)
		{
			VC			va = vc_load_u8(a + i);

			ADD_PRODUCTS(0);
			ADD_PRODUCTS(1);
			ADD_PRODUCTS(2);
			ADD_PRODUCTS(3);
		}
#undef ADD_PRODUCTS
#define ADD_PRODUCTS(k) sum##k = vc_dot(sum##k, va, vc_load_u8_tail(b[k], dim, dim - i))
		if (i < dim)
		{
			VC			va = vc_load_u8_tail(a, dim, dim - i);

			ADD_PRODUCTS(0);
			ADD_PRODUCTS(1);
			ADD_PRODUCTS(2);
			ADD_PRODUCTS(3);
		}
#undef ADD_PRODUCTS
		dots[0] = (uint32) vc_sum(sum0);
		dots[1] = (uint32) vc_sum(sum1);
		dots[2] = (uint32) vc_sum(sum2);
		dots[3] = (uint32) vc_sum(sum3);
	}
	for (uint32 k = 0; k < count; k++)
		dots[k] = dot_u8_u8(a, b[k], dim);
}

#define L2_SCALED_U8 baseline_l2_scaled_u8

#endif							/* HAVE_DOT_U8_U8 */

static float
l1_u8_f32(const uint8 *code, float offset, float step, const float *q, uint32 dim)
{
	VF			voffset = vf_set1(offset);
	VF			vstep = vf_set1(step);

	DECLARE_VF_SUMS(sum);

#define DIFF(vcode, vq) \
	vf_abs(vf_fnma(vstep, (vcode), vf_sub((vq), voffset)))
#define STEP(k, i) \
	sum##k = vf_add(sum##k, DIFF(vf_load_u8(code + (i)), vf_load(q + (i))))
#define TAIL(k, n) \
	sum##k = vf_add(sum##k, vf_keep_tail(DIFF(vf_load_u8_tail(code, dim, n), \
											  vf_load_tail(q, dim, n)), n))
	FOR_EACH_VECTOR(VF_LANES);
#undef DIFF
#undef STEP
#undef TAIL
	return VF_TOTAL(sum);
}

static float
l1_u8_u8(const uint8 *a, float offset_a, float step_a,
		 const uint8 *b, float offset_b, float step_b, uint32 dim)
{
	VF			voffset = vf_set1(offset_a - offset_b);
	VF			vstep_a = vf_set1(step_a);
	VF			vstep_b = vf_set1(step_b);

	DECLARE_VF_SUMS(sum);

#define DIFF(va, vb) \
	vf_abs(vf_fnma(vstep_b, (vb), vf_fma(vstep_a, (va), voffset)))
#define STEP(k, i) \
	sum##k = vf_add(sum##k, DIFF(vf_load_u8(a + (i)), vf_load_u8(b + (i))))
#define TAIL(k, n) \
	sum##k = vf_add(sum##k, vf_keep_tail(DIFF(vf_load_u8_tail(a, dim, n), \
											  vf_load_u8_tail(b, dim, n)), n))
	FOR_EACH_VECTOR(VF_LANES);
#undef DIFF
#undef STEP
#undef TAIL
	return VF_TOTAL(sum);
}

/*
 * unpack_u8 -- 8 codes in a word: what comes over from the next code is above
 * the mask.  The compiler makes vectors of the words by itself.
 */
static void
unpack_u8(const uint8 *codes, uint32 shift, uint8 mask, uint8 *restrict levels,
		  uint32 n)
{
	uint64		masks = UINT64CONST(0x0101010101010101) * mask;
	uint32		i = 0;

	for (; i + 8 <= n; i += 8)
	{
		uint64		word;

		memcpy(&word, codes + i, sizeof(word));
		word = (word >> shift) & masks;
		memcpy(levels + i, &word, sizeof(word));
	}
	for (; i < n; i++)
		levels[i] = (codes[i] >> shift) & mask;
}

/*
 * dequantize_u8_f32 -- the product is exact in double, so that all instruction
 * sets give the same, whether they fuse it with the addition or not.  The
 * compiler makes vectors of it by itself.
 */
static void
dequantize_u8_f32(const uint8 *restrict code, float offset, float step,
				  float *restrict x, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		x[i] = (float) (offset + (double) step * code[i]);
}

static FloatRange
range_f32(const float *x, uint32 dim)
{
	FloatRange	range;
	float		x0;
	VF			first;
	VF			min0,
				min1,
				min2,
				min3;
	VF			max0,
				max1,
				max2,
				max3;

	memcpy(&x0, x, sizeof(x0)); /* x may be misaligned */
	first = vf_set1(x0);
	min0 = min1 = min2 = min3 = first;
	max0 = max1 = max2 = max3 = first;

#define EXTEND(k, v) \
	do { \
		VF			value = (v); \
		min##k = vf_min(min##k, value); \
		max##k = vf_max(max##k, value); \
	} while (0)
#define STEP(k, i) EXTEND(k, vf_load(x + (i)))
	/* the zeros around a tail are turned into x[0] */
#define TAIL(k, n) \
	EXTEND(k, vf_add(vf_sub(first, vf_keep_tail(first, n)), \
					 vf_load_tail(x, dim, n)))
	FOR_EACH_VECTOR(VF_LANES);
#undef EXTEND
#undef STEP
#undef TAIL
	range.min = vf_hmin(vf_min(vf_min(min0, min1), vf_min(min2, min3)));
	range.max = vf_hmax(vf_max(vf_max(max0, max1), vf_max(max2, max3)));
	return range;
}

static bool
on_grid_f32(const float *restrict x, float origin, double step,
			double per_step, double allowed, uint32 dim)
{
	const double round_bias = 0x1.8p52; /* adding it rounds to an integer */
	uint64		off = 0;

	for (uint32 i = 0; i < dim; i++)
	{
		double		distance = (double) x[i] - origin;
		double		nearest = (distance * per_step + round_bias) - round_bias;

		off += fabs(distance - nearest * step) > allowed;
	}
	return off == 0;
}

/* Sums in as many lanes as that, in which compilers see vectors. */
#define ERROR_LANES 8

static CodeErrors
code_errors_f32_u8(const float *restrict x, const uint8 *restrict code,
				   double offset, double step, uint32 dim)
{
	CodeErrors	errors = {0, 0, 0, 0};
	double		l1[ERROR_LANES] = {0};
	double		l2sq[ERROR_LANES] = {0};
	uint32		whole = dim - dim % ERROR_LANES;

	for (uint32 i = 0; i < whole; i += ERROR_LANES)
	{
		for (uint32 lane = 0; lane < ERROR_LANES; lane++)
		{
			double		lost = (x[i + lane] - offset) - step * code[i + lane];

			l1[lane] += fabs(lost);
			l2sq[lane] += lost * lost;
		}
	}
	for (uint32 i = whole; i < dim; i++)
	{
		double		lost = (x[i] - offset) - step * code[i];

		l1[0] += fabs(lost);
		l2sq[0] += lost * lost;
	}
	for (uint32 i = 0; i < dim; i++)
	{
		errors.sum += code[i];
		errors.sum_squares += (uint32) code[i] * code[i];
	}
	for (uint32 lane = 0; lane < ERROR_LANES; lane++)
	{
		errors.error_l1 += l1[lane];
		errors.error_l2sq += l2sq[lane];
	}
	return errors;
}

static QuantizeSums
quantize_f32_u8(const float *x, float offset, float inverse_step,
				uint8 *code, uint32 dim)
{
	QuantizeSums sums;
	VF			voffset = vf_set1(offset);
	VF			vinverse = vf_set1(inverse_step);
	VF			lowest = vf_zero();
	VF			highest = vf_set1(255.0f);
	VI			sum = vi_zero();
	VI			sum_squares = vi_zero();
	VF			error_l1 = vf_zero();
	VF			error_l2sq = vf_zero();
	uint32		i = 0;

#define QUANTIZE(vx, keep, store) \
	do { \
		VF			u = vf_mul(vf_sub((vx), voffset), vinverse); \
		VI			c = vf_round(vf_min(vf_max(u, lowest), highest)); \
		VF			error = keep(vf_sub(u, vi_to_vf(c))); \
		store; \
		sum = vi_add(sum, c); \
		sum_squares = vi_add(sum_squares, vi_square_low(c)); \
		error_l1 = vf_add(error_l1, vf_abs(error)); \
		error_l2sq = vf_fma(error, error, error_l2sq); \
	} while (0)
#define KEEP_ALL(v) (v)

	for (; i + VF_LANES <= dim; i += VF_LANES)
		QUANTIZE(vf_load(x + i), KEEP_ALL, vi_store_u8(code + i, c));

	if (i < dim)
	{
		uint32		n = dim - i;

#define KEEP_TAIL(v) vf_keep_tail((v), n)
		QUANTIZE(vf_load_tail(x, dim, n), KEEP_TAIL,
				 (c = vi_keep_tail(c, n), vi_store_u8_tail(code, dim, n, c)));
#undef KEEP_TAIL
	}
#undef KEEP_ALL
#undef QUANTIZE

	sums.sum = (uint32) vi_sum(sum);
	sums.sum_squares = (uint32) vi_sum(sum_squares);
	sums.error_l1 = vf_sum(error_l1);
	sums.error_l2sq = vf_sum(error_l2sq);
	return sums;
}

/*
 * Sums in double, in so many parts: the compiler makes vectors of these loops,
 * which is nothing that it may do with one sum.
 */
#define DOUBLE_PARTS 8

static double
sum_parts(const double *parts)
{
	double		sum = 0;

	for (int i = 0; i < DOUBLE_PARTS; i++)
		sum += parts[i];
	return sum;
}

static LevelGridSums
levels_f32_i16(const float *restrict x, const LevelGrid *grid,
			   int16 *restrict levels, uint32 dim)
{
	const LevelGrid g = *grid;
	double		sum[DOUBLE_PARTS] = {0};
	double		sum_squares[DOUBLE_PARTS] = {0};
	double		norm[DOUBLE_PARTS] = {0};
	double		error[DOUBLE_PARTS] = {0};
	LevelGridSums sums;
	uint32		i = 0;

#define PUT_LEVEL(i, part) \
	do { \
		double		value = x[i]; \
		int32		level = (int32) ((value - g.lowest) * g.per_step + 0.5) - g.zero; \
		double		lost = value - (g.offset + g.step * level); \
		levels[i] = (int16) level; \
		sum[part] += level; \
		sum_squares[part] += (double) level * level; \
		norm[part] += value * value; \
		error[part] += lost * lost; \
	} while (0)

	for (; i + DOUBLE_PARTS <= dim; i += DOUBLE_PARTS)
	{
		for (int part = 0; part < DOUBLE_PARTS; part++)
			PUT_LEVEL(i + part, part);
	}
	for (; i < dim; i++)
		PUT_LEVEL(i, 0);
#undef PUT_LEVEL

	sums.sum = sum_parts(sum);
	sums.sum_squares = sum_parts(sum_squares);
	sums.norm_squared = sum_parts(norm);
	sums.error_squared = sum_parts(error);
	return sums;
}

static double
square_f32(const float *x, uint32 dim)
{
	double		sum[DOUBLE_PARTS] = {0};
	uint32		i = 0;

	for (; i + DOUBLE_PARTS <= dim; i += DOUBLE_PARTS)
	{
		for (int part = 0; part < DOUBLE_PARTS; part++)
			sum[part] += (double) x[i + part] * x[i + part];
	}
	for (; i < dim; i++)
		sum[0] += (double) x[i] * x[i];
	return sum_parts(sum);
}

static void
scale_f32(const float *x, double factor, float *out, uint32 dim)
{
	for (uint32 i = 0; i < dim; i++)
		out[i] = (float) (x[i] * factor);
}

/* which byte of 16 bits, counted from the lowest, comes first in memory */
#ifdef WORDS_BIGENDIAN
#define FIRST_OF_TWO 1
#else
#define FIRST_OF_TWO 0
#endif

/*
 * lookup_u4 -- table lookups give bytes, and additions of 16 bits add two of
 * them: `all` has both, the lower one without what it carries, `upper` the
 * upper one alone, which is taken off again in the end.
 */
static void
lookup_u4(const uint8 *codes, const uint8 *tables, uint32 groups, uint32 *sums)
{
	/* 255 times as many as these still fit 16 bits */
	const uint32 max_bytes = 256 * 16;
	VB			low_half = vb_set1(0x0f);

	for (uint32 bytes = groups * 16; bytes > 0;)
	{
		uint32		part = Min(bytes, max_bytes);
		VB			all0 = vb_zero();
		VB			all1 = vb_zero();
		VB			upper0 = vb_zero();
		VB			upper1 = vb_zero();
		uint16		totals[4][8];

		for (uint32 i = 0; i < part; i += VB_BYTES)
		{
			VB			code = vb_load(codes + i);
			VB			table = vb_load(tables + i);
			VB			v0 = vb_lookup(table, vb_and(code, low_half));
			VB			v1 = vb_lookup(table, vb_and(vb_srl_16(code, 4), low_half));

			all0 = vb_add_16(all0, v0);
			all1 = vb_add_16(all1, v1);
			upper0 = vb_add_16(upper0, vb_srl_16(v0, 8));
			upper1 = vb_add_16(upper1, vb_srl_16(v1, 8));
		}

		vb_fold_16(totals[0], vb_sub_16(all0, vb_sll_16(upper0, 8)));
		vb_fold_16(totals[1], upper0);
		vb_fold_16(totals[2], vb_sub_16(all1, vb_sll_16(upper1, 8)));
		vb_fold_16(totals[3], upper1);
		for (int i = 0; i < 8; i++)
		{
			sums[2 * i] += totals[FIRST_OF_TWO][i];
			sums[2 * i + 1] += totals[1 - FIRST_OF_TWO][i];
			sums[2 * i + 16] += totals[2 + FIRST_OF_TWO][i];
			sums[2 * i + 17] += totals[3 - FIRST_OF_TWO][i];
		}

		codes += part;
		tables += part;
		bytes -= part;
	}
}

static RestSums
rest_f32(const float *x, const float *center, float multiple, float *rest,
		 uint32 dim)
{
	RestSums	sums;
	VF			vmultiple = vf_set1(multiple);
	VF			l1 = vf_zero();
	VF			l2sq = vf_zero();
	VF			largest = vf_zero();
	uint32		i = 0;

#define REST(vx, vcenter) \
	do { \
		VF			r = vf_fnma(vmultiple, (vcenter), (vx)); \
		VF			r_abs = vf_abs(r); \
		vf_store(rest + i, r); \
		l1 = vf_add(l1, r_abs); \
		l2sq = vf_fma(r, r, l2sq); \
		largest = vf_max(largest, vf_sum_fours(r_abs)); \
	} while (0)

	for (; i + VF_LANES <= dim; i += VF_LANES)
		REST(vf_load(x + i), vf_load(center + i));
	if (i < dim)
	{
		REST(vf_load_tail(x, dim, dim - i), vf_load_tail(center, dim, dim - i));
		i += VF_LANES;
	}
	for (; i % 16 != 0; i += VF_LANES)
		vf_store(rest + i, vf_zero());
#undef REST

	sums.l1 = vf_sum(l1);
	sums.l2sq = vf_sum(l2sq);
	sums.largest = vf_hmax(largest);
	return sums;
}

/*
 * subset_sums_f32 -- less the least sum, which is that of the values below
 * zero, a value counts as it is in the sums that have it, and with the other
 * sign in those that lack it, but only if that is above zero.
 */
static void
subset_sums_f32(const float *x, float inverse_step, uint32 groups,
				uint8 *tables)
{
	static const float signs[4][16] = {
		{-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1},
		{-1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1},
		{-1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1},
		{-1, -1, -1, -1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1}};
	VF			zero = vf_zero();
	VF			highest = vf_set1(255.0f);

	for (uint32 i = 0; i < 16; i += VF_LANES)
	{
		VF			step = vf_set1(inverse_step);
		VF			sign0 = vf_mul(vf_load(signs[0] + i), step);
		VF			sign1 = vf_mul(vf_load(signs[1] + i), step);
		VF			sign2 = vf_mul(vf_load(signs[2] + i), step);
		VF			sign3 = vf_mul(vf_load(signs[3] + i), step);

		for (uint32 g = 0; g < groups; g++)
		{
			const float *v = x + 4 * g;
			VF			v0 = vf_max(vf_mul(sign0, vf_set1(v[0])), zero);
			VF			v1 = vf_max(vf_mul(sign1, vf_set1(v[1])), zero);
			VF			v2 = vf_max(vf_mul(sign2, vf_set1(v[2])), zero);
			VF			v3 = vf_max(vf_mul(sign3, vf_set1(v[3])), zero);
			VF			sum = vf_add(vf_add(v0, v1), vf_add(v2, v3));

			vi_store_u8(tables + 16 * g + i, vf_round(vf_min(sum, highest)));
		}
	}
}

static ResidualSums
residual_signs_f32(const float *x, const float *center, uint8 *signs,
				   uint32 dim)
{
	ResidualSums sums;
	VF			l1 = vf_zero();
	VF			l2sq = vf_zero();
	VF			dot = vf_zero();

#define RESIDUAL(vx, vcenter) \
	do { \
		VF			c = (vcenter); \
		VF			r = vf_sub((vx), c); \
		l1 = vf_add(l1, vf_abs(r)); \
		l2sq = vf_fma(r, r, l2sq); \
		dot = vf_fma(c, r, dot); \
		bits |= vf_positive(r) << j; \
	} while (0)

	for (uint32 i = 0; i < dim; i += 16)
	{
		uint32		bits = 0;

		for (uint32 j = 0; j < 16 && i + j < dim; j += VF_LANES)
		{
			uint32		left = dim - (i + j);

			if (left >= VF_LANES)
				RESIDUAL(vf_load(x + i + j), vf_load(center + i + j));
			else
				RESIDUAL(vf_load_tail(x, dim, left), vf_load_tail(center, dim, left));
		}
		*signs++ = (uint8) bits;
		*signs++ = (uint8) (bits >> 8);
	}
#undef RESIDUAL

	sums.l1 = vf_sum(l1);
	sums.l2sq = vf_sum(l2sq);
	sums.dot = vf_sum(dot);
	return sums;
}

static void
score_signs_f32(const SignScore *score, const uint32 *sums, const float *norms,
				const float *scales, const float *shifts, float *estimates,
				float *bounds)
{
	VF			zero = vf_zero();
	VF			one = vf_set1(1.0f);
	VF			less_than_one = vf_set1(1.0f - 0x1p-20f);
	VF			largest = vf_set1(score->norm);
	VF			least = score->root ? zero : vf_set1(-FLT_MAX);

	for (uint32 i = 0; i < LOOKUP_ENTRIES; i += VF_LANES)
	{
		VF			norm = vf_load(norms + i);
		VF			unknown = vf_max(vf_sub(zero, norm), zero);
		VF			scale = vf_load(scales + i);
		VF			product = vf_mul(scale,
									 vf_fma(vi_to_vf(vi_load(sums + i)),
											vf_set1(score->step),
											vf_set1(score->bias)));
		VF			variance;
		VF			secant_squared;
		VF			most;
		VF			value;
		VF			weighted;
		VF			slack;

		norm = vf_max(norm, zero);
		product = vf_max(vf_min(product, largest), vf_sub(zero, largest));

		/*
		 * Variance and largest plausible product: see rabitq.c.  Where signs
		 * tell nearly all, rounding must not make it all.
		 */
		variance = vf_mul(vf_set1(score->deviations * score->deviations),
						  vf_max(vf_sub(vf_mul(vf_mul(scale, scale),
											   vf_set1(score->quarter)),
										less_than_one),
								 zero));
		secant_squared = vf_add(one, variance);
		most = vf_min(vf_fma(scale, vf_set1(score->sum_error), product), largest);
		value = vf_max(vf_sub(vf_mul(vf_mul(largest, largest), secant_squared),
							  vf_mul(most, most)),
					   zero);
		most = vf_div(vf_add(most, vf_sqrt(vf_mul(variance, value))), secant_squared);
		most = vf_max(most, vf_sub(zero, largest));

		value = vf_fma(vf_mul(norm, norm), vf_set1(score->norm_weight),
					   vf_fma(vf_load(shifts + i), vf_set1(score->shift_weight),
							  vf_set1(score->constant)));
		weighted = vf_mul(norm, vf_set1(score->weight));
		slack = vf_fma(norm, vf_fma(norm, vf_set1(score->square_slack),
									vf_set1(score->norm_slack)),
					   vf_set1(score->slack));

		product = vf_fnma(weighted, product, value);
		most = vf_sub(vf_sub(vf_fnma(weighted, most, value), slack), unknown);
		product = vf_max(product, least);
		most = vf_max(most, least);
		if (score->root)
		{
			product = vf_sqrt(product);
			most = vf_sqrt(most);
		}
		vf_store(estimates + i, product);
		vf_store(bounds + i, most);
	}
}

/*
 * The scores of PANEL_ROWS rows with PANEL_VECTORS vectors of centroids, which
 * is as many sums as there are registers for.
 */
static inline void
panel_scores(const float *const *rows, uint32 dim, const float *panel,
			 const float *half_norms, float *scores)
{
	VF			sums[PANEL_ROWS][PANEL_VECTORS];

#pragma GCC unroll 16
	for (int r = 0; r < PANEL_ROWS; r++)
#pragma GCC unroll 4
		for (int v = 0; v < PANEL_VECTORS; v++)
			sums[r][v] = vf_load(half_norms + v * VF_LANES);

	for (uint32 i = 0; i < dim; i++)
	{
		VF			centroids[PANEL_VECTORS];

#pragma GCC unroll 4
		for (int v = 0; v < PANEL_VECTORS; v++)
			centroids[v] = vf_load(panel + v * VF_LANES);
#pragma GCC unroll 16
		for (int r = 0; r < PANEL_ROWS; r++)
		{
			VF			x = vf_set1(rows[r][i]);

#pragma GCC unroll 4
			for (int v = 0; v < PANEL_VECTORS; v++)
				sums[r][v] = vf_fnma(x, centroids[v], sums[r][v]);
		}
		panel += PANEL_WIDTH;
	}

#pragma GCC unroll 16
	for (int r = 0; r < PANEL_ROWS; r++)
#pragma GCC unroll 4
		for (int v = 0; v < PANEL_VECTORS; v++)
			vf_store(scores + r * PANEL_WIDTH + v * VF_LANES, sums[r][v]);
}

static void
nearest_f32(const float *rows, uint32 n, uint32 dim, const float *panel,
			const float *half_norms, uint32 first, float *least,
			uint32 *nearest)
{
	for (uint32 at = 0; at < n; at += PANEL_ROWS)
	{
		const float *row[PANEL_ROWS];
		float		scores[PANEL_ROWS * PANEL_WIDTH];

		/* behind the last row, do it again */
		for (uint32 r = 0; r < PANEL_ROWS; r++)
			row[r] = rows + (Size) Min(at + r, n - 1) * dim;

		for (uint32 c = 0; c < PANEL_WIDTH; c += PANEL_VECTORS * VF_LANES)
			panel_scores(row, dim, panel + c, half_norms + c, scores + c);

		for (uint32 r = 0; r < PANEL_ROWS && at + r < n; r++)
		{
			const float *of_row = scores + r * PANEL_WIDTH;
			VF			min = vf_load(of_row);
			float		score;

			for (uint32 c = VF_LANES; c < PANEL_WIDTH; c += VF_LANES)
				min = vf_min(min, vf_load(of_row + c));
			score = vf_hmin(min);
			if (score < least[at + r])
			{
				uint32		c = 0;

				while (of_row[c] != score)
					c++;
				least[at + r] = score;
				nearest[at + r] = first + c;
			}
		}
	}
}

static void
add_f32(float *sums, const float *x, uint32 dim)
{
	uint32		i = 0;

	for (; i + VF_LANES <= dim; i += VF_LANES)
		vf_store(sums + i, vf_add(vf_load(sums + i), vf_load(x + i)));
	for (; i < dim; i++)
	{
		float		pair[2];

		memcpy(&pair[0], (const char *) sums + i * sizeof(float), sizeof(float));
		memcpy(&pair[1], (const char *) x + i * sizeof(float), sizeof(float));
		pair[0] += pair[1];
		memcpy((char *) sums + i * sizeof(float), &pair[0], sizeof(float));
	}
}

/* Butterflies at distance h, for transforms smaller than a vector. */
static void
hadamard_scalar(float *values, uint32 n)
{
	for (uint32 h = 1; h < n; h *= 2)
		for (uint32 i = 0; i < n; i += 2 * h)
			for (uint32 j = i; j < i + h; j++)
			{
				float		x = values[j];
				float		y = values[j + h];

				values[j] = x + y;
				values[j + h] = x - y;
			}
}

#define VF_BUTTERFLY(x, y) \
	do { \
		VF			difference = vf_sub(x, y); \
		x = vf_add(x, y); \
		y = difference; \
	} while (0)

/*
 * hadamard_f32 -- stages run from distance 1 upwards, two or three of them in
 * one pass over the memory; which ones share a pass does not change a bit of
 * the result.
 */
static void
hadamard_f32(float *values, uint32 log2_n)
{
	uint32		n = (uint32) 1 << log2_n;
	uint32		h;

	if (n < VF_LANES)
	{
		hadamard_scalar(values, n);
		return;
	}

	if (n < 4 * VF_LANES)
	{
		for (uint32 i = 0; i < n; i += VF_LANES)
			vf_store(values + i, vf_hadamard(vf_load(values + i)));
		h = VF_LANES;
	}
	else
	{
		for (uint32 i = 0; i < n; i += 4 * VF_LANES)
		{
			VF			v0 = vf_hadamard(vf_load(values + i));
			VF			v1 = vf_hadamard(vf_load(values + i + VF_LANES));
			VF			v2 = vf_hadamard(vf_load(values + i + 2 * VF_LANES));
			VF			v3 = vf_hadamard(vf_load(values + i + 3 * VF_LANES));

			VF_BUTTERFLY(v0, v1);
			VF_BUTTERFLY(v2, v3);
			VF_BUTTERFLY(v0, v2);
			VF_BUTTERFLY(v1, v3);
			vf_store(values + i, v0);
			vf_store(values + i + VF_LANES, v1);
			vf_store(values + i + 2 * VF_LANES, v2);
			vf_store(values + i + 3 * VF_LANES, v3);
		}
		h = 4 * VF_LANES;
	}

	while (h < n)
	{
		uint32		stages = n / h >= 8 && n / h != 16 ? 3 : (n / h >= 4 ? 2 : 1);

		for (uint32 i = 0; i < n; i += h << stages)
			for (float *p = values + i; p < values + i + h; p += VF_LANES)
			{
				VF			v0 = vf_load(p);
				VF			v1 = vf_load(p + h);

				if (stages == 1)
					VF_BUTTERFLY(v0, v1);
				else
				{
					VF			v2 = vf_load(p + 2 * h);
					VF			v3 = vf_load(p + 3 * h);

					VF_BUTTERFLY(v0, v1);
					VF_BUTTERFLY(v2, v3);
					VF_BUTTERFLY(v0, v2);
					VF_BUTTERFLY(v1, v3);
					if (stages == 3)
					{
						VF			v4 = vf_load(p + 4 * h);
						VF			v5 = vf_load(p + 5 * h);
						VF			v6 = vf_load(p + 6 * h);
						VF			v7 = vf_load(p + 7 * h);

						VF_BUTTERFLY(v4, v5);
						VF_BUTTERFLY(v6, v7);
						VF_BUTTERFLY(v4, v6);
						VF_BUTTERFLY(v5, v7);
						VF_BUTTERFLY(v0, v4);
						VF_BUTTERFLY(v1, v5);
						VF_BUTTERFLY(v2, v6);
						VF_BUTTERFLY(v3, v7);
						vf_store(p + 4 * h, v4);
						vf_store(p + 5 * h, v5);
						vf_store(p + 6 * h, v6);
						vf_store(p + 7 * h, v7);
					}
					vf_store(p + 2 * h, v2);
					vf_store(p + 3 * h, v3);
				}
				vf_store(p, v0);
				vf_store(p + h, v1);
			}
		h <<= stages;
	}
}

static void
flip_f32(float *values, const uint8 *signs, float scale, uint32 n)
{
	VF			vscale = vf_set1(scale);

	if (n < VF_LANES)
	{
		for (uint32 i = 0; i < n; i++)
			values[i] *= (signs[i / 8] >> (i % 8)) & 1 ? -scale : scale;
		return;
	}

	for (uint32 i = 0; i < n; i += VF_LANES)
		vf_store(values + i, vf_mul(vf_load(values + i),
									vf_flip_signs(vscale, signs, i)));
}

static void
butterfly_f32(float *a, float *b, float scale, uint32 n)
{
	VF			vscale = vf_set1(scale);
	uint32		i = 0;

	for (; i + VF_LANES <= n; i += VF_LANES)
	{
		VF			x = vf_load(a + i);
		VF			y = vf_load(b + i);

		vf_store(a + i, vf_mul(vf_add(x, y), vscale));
		vf_store(b + i, vf_mul(vf_sub(x, y), vscale));
	}
	for (; i < n; i++)
	{
		float		x = a[i];
		float		y = b[i];

		a[i] = (x + y) * scale;
		b[i] = (x - y) * scale;
	}
}

/* A table of what this file has defined, with bit kernels of some suffix. */
#define KERNELS_OF(isa_name, bits) \
{ \
	.isa = isa_name, \
	.l2sq_f32 = l2sq_f32, \
	.dot_f32 = dot_f32, \
	.l1_f32 = l1_f32, \
	.cosine_f32 = cosine_f32, \
	.dot_underflows_f32 = dot_underflows_f32, \
	.l2sq_f16 = l2sq_f16, \
	.dot_f16 = dot_f16, \
	.l1_f16 = l1_f16, \
	.cosine_f16 = cosine_f16, \
	.f16_to_f32 = f16_to_f32, \
	.f32_to_f16 = f32_to_f16, \
	.decimals_f32 = decimals_f32, \
	.l2sq_sparse = l2sq_sparse, \
	.dot_sparse = dot_sparse, \
	.l1_sparse = l1_sparse, \
	.hamming_bits = hamming_bits##bits, \
	.jaccard_bits = jaccard_bits##bits, \
	.dot_u8_i16 = dot_u8_i16, \
	.dot_packed_i16 = dot_packed_i16, \
	.dot_u4_i12 = dot_u4_i12, \
	.dot_u8_u8 = dot_u8_u8, \
	.dots_u8_u8 = dots_u8_u8, \
	.l2_scaled_u8 = L2_SCALED_U8, \
	.l1_u8_f32 = l1_u8_f32, \
	.l1_u8_u8 = l1_u8_u8, \
	.unpack_u8 = unpack_u8, \
	.dequantize_u8_f32 = dequantize_u8_f32, \
	.range_f32 = range_f32, \
	.quantize_f32_u8 = quantize_f32_u8, \
	.levels_f32_i16 = levels_f32_i16, \
	.square_f32 = square_f32, \
	.scale_f32 = scale_f32, \
	.on_grid_f32 = on_grid_f32, \
	.code_errors_f32_u8 = code_errors_f32_u8, \
	.lookup_u4 = lookup_u4, \
	.rest_f32 = rest_f32, \
	.subset_sums_f32 = subset_sums_f32, \
	.residual_signs_f32 = residual_signs_f32, \
	.score_signs_f32 = score_signs_f32, \
	.nearest_f32 = nearest_f32, \
	.add_f32 = add_f32, \
	.hadamard_f32 = hadamard_f32, \
	.flip_f32 = flip_f32, \
	.butterfly_f32 = butterfly_f32, \
}

const DistanceKernels KERNELS_TABLE = KERNELS_OF(KERNELS_ISA, );
