/*
 * kernels_baseline.c
 *		Kernels for the CPU every build may assume: 128-bit vectors through
 *		SIMDe, which are SSE2 on x86-64, NEON on Arm and plain C elsewhere.
 *
 * Tails of floats and of the codes beside them lie in the first lanes, tails
 * of int16 vectors in the last ones.
 */
#include "c.h"

#include <float.h>
#include <math.h>
#include <simde/x86/sse2.h>
#include <simde/x86/ssse3.h>
#include <simde/x86/fma.h>

#include "distance/kernels.h"

typedef simde__m128	 VF;
typedef simde__m128i VI;
typedef simde__m128i VC;
typedef simde__m128i VC_SUM;
typedef simde__m128i VB;

#define VF_LANES 4
#define VC_CODES 8
#define VB_BYTES 16

/* 32 registers on Arm, 16 on x86-64, where a product needs one more */
#define PANEL_ROWS	  5
#define PANEL_VECTORS 2

#define vf_zero()		 simde_mm_setzero_ps()
#define vf_set1(x)		 simde_mm_set1_ps(x)
#define vf_load(p)		 simde_mm_loadu_ps(p)
#define vf_store(p, v)	 simde_mm_storeu_ps(p, v)
#define vf_add(a, b)	 simde_mm_add_ps(a, b)
#define vf_sub(a, b)	 simde_mm_sub_ps(a, b)
#define vf_mul(a, b)	 simde_mm_mul_ps(a, b)
#define vf_min(a, b)	 simde_mm_min_ps(a, b)
#define vf_max(a, b)	 simde_mm_max_ps(a, b)
#define vf_div(a, b)	 simde_mm_div_ps(a, b)
#define vf_sqrt(v)		 simde_mm_sqrt_ps(v)
#define vf_fma(a, b, c)	 simde_mm_fmadd_ps(a, b, c)
#define vf_fnma(a, b, c) simde_mm_fnmadd_ps(a, b, c)
#define vf_abs(v)		 simde_mm_andnot_ps(simde_mm_set1_ps(-0.0f), v)
#define vf_round(v)		 simde_mm_cvtps_epi32(v)
#define vi_load(p)		 simde_mm_loadu_si128((const simde__m128i *) (p))
#define vi_to_vf(v)		 simde_mm_cvtepi32_ps(v)
#define vi_zero()		 simde_mm_setzero_si128()
#define vi_add(a, b)	 simde_mm_add_epi32(a, b)
/* squares of lanes below 2^15 */
#define vi_square_low(v)  simde_mm_madd_epi16(v, v)
#define vc_zero()		  simde_mm_setzero_si128()
#define vc_add(a, b)	  simde_mm_add_epi32(a, b)
#define vc_dot(sum, a, b) simde_mm_add_epi32(sum, simde_mm_madd_epi16(a, b))
#define vc_srl(v, n)	  simde_mm_srl_epi16(v, simde_mm_cvtsi32_si128(n))
#define vc_load_i16(p)	  simde_mm_loadu_si128((const simde__m128i *) (p))
#define vb_zero()		  simde_mm_setzero_si128()
#define vb_load(p)		  simde_mm_loadu_si128((const simde__m128i *) (p))
#define vb_and(a, b)	  simde_mm_and_si128(a, b)
#define vb_or(a, b)		  simde_mm_or_si128(a, b)
#define vb_xor(a, b)	  simde_mm_xor_si128(a, b)
#define vb_add_64(a, b)	  simde_mm_add_epi64(a, b)
#define vb_set1(x)		  simde_mm_set1_epi8(x)
#define vb_lookup(t, i)	  simde_mm_shuffle_epi8(t, i)
#define vb_add_16(a, b)	  simde_mm_add_epi16(a, b)
#define vb_sub_16(a, b)	  simde_mm_sub_epi16(a, b)
#define vb_srl_16(v, n)	  simde_mm_srli_epi16(v, n)
#define vb_sll_16(v, n)	  simde_mm_slli_epi16(v, n)
#define vb_fold_16(p, v)  simde_mm_storeu_si128((simde__m128i *) (p), v)
/* bits of the lanes above zero */
#define vf_positive(v) \
	((uint32) simde_mm_movemask_ps(simde_mm_cmpgt_ps(v, vf_zero())))
#define vc_load_u8(p)                                                        \
	simde_mm_unpacklo_epi8(simde_mm_loadl_epi64((const simde__m128i *) (p)), \
						   simde_mm_setzero_si128())

typedef simde__m128i SI;
typedef simde__m128	 SV;

#define SPARSE_LANES 4

#define si_load(p)	simde_mm_loadu_si128((const simde__m128i *) (p))
#define si_set1(x)	simde_mm_set1_epi32(x)
#define si_or(a, b) simde_mm_or_si128(a, b)
/* b without the lanes of a */
#define si_andnot(a, b)	  simde_mm_andnot_si128(a, b)
#define si_lanes(v)		  ((uint32) simde_mm_movemask_ps(simde_mm_castsi128_ps(v)))
#define sv_keep(v, lanes) simde_mm_and_ps(v, simde_mm_castsi128_ps(lanes))
#define sv_load(p)		  vf_load(p)
#define sv_zero()		  vf_zero()
#define sv_add(a, b)	  vf_add(a, b)
#define sv_mul(a, b)	  vf_mul(a, b)
#define sv_abs(v)		  vf_abs(v)
#define sv_sum(v)		  vf_sum(v)

/* first_lanes[4 - n] .. [7 - n]: ones in the first n of 4 lanes */
static const uint32 first_lanes[8] = {
	PG_UINT32_MAX, PG_UINT32_MAX, PG_UINT32_MAX, PG_UINT32_MAX, 0, 0, 0, 0};

/* last_lanes[n] .. [n + 7]: ones in the last n of 8 lanes */
static const uint16 last_lanes[16] = {0,	  0,	  0,	  0,
									  0,	  0,	  0,	  0,
									  0xffff, 0xffff, 0xffff, 0xffff,
									  0xffff, 0xffff, 0xffff, 0xffff};

static inline float
vf_sum(VF v)
{
	VF pairs = simde_mm_add_ps(v, simde_mm_movehl_ps(v, v));

	return simde_mm_cvtss_f32(
		simde_mm_add_ss(pairs, simde_mm_shuffle_ps(pairs, pairs, 1)));
}

static inline float
vf_hmin(VF v)
{
	VF pairs = simde_mm_min_ps(v, simde_mm_movehl_ps(v, v));

	return simde_mm_cvtss_f32(
		simde_mm_min_ps(pairs, simde_mm_shuffle_ps(pairs, pairs, 1)));
}

static inline float
vf_hmax(VF v)
{
	VF pairs = simde_mm_max_ps(v, simde_mm_movehl_ps(v, v));

	return simde_mm_cvtss_f32(
		simde_mm_max_ps(pairs, simde_mm_shuffle_ps(pairs, pairs, 1)));
}

static inline VF
vf_load_tail(const float *x, uint32 dim, uint32 n)
{
	const float *tail = x + dim - n;
	float		 lanes[VF_LANES] = {0};

	if (n == 1)
		memcpy(lanes, tail, sizeof(float));
	else if (n == 2)
		memcpy(lanes, tail, 2 * sizeof(float));
	else
		memcpy(lanes, tail, 3 * sizeof(float));
	return vf_load(lanes);
}

/*
 * 4 halves as floats.  Their exponent and fraction, moved to where a float has
 * them, make a float that is 2^112 times too small, subnormal or not; infinity
 * and NaN need the largest exponent besides.
 */
static inline VF
vf_load_f16(const uint16 *p)
{
	VI halves = simde_mm_unpacklo_epi16(simde_mm_loadl_epi64(
											(const simde__m128i *) p),
										simde_mm_setzero_si128());
	VI magnitude = simde_mm_and_si128(halves, simde_mm_set1_epi32(0x7fff));
	VI sign = simde_mm_slli_epi32(simde_mm_xor_si128(halves, magnitude), 16);
	VI special = simde_mm_and_si128(
		simde_mm_cmpgt_epi32(magnitude, simde_mm_set1_epi32(0x7bff)),
		simde_mm_set1_epi32(0x7f800000));
	VF value = simde_mm_mul_ps(simde_mm_castsi128_ps(
								   simde_mm_slli_epi32(magnitude, 13)),
							   simde_mm_set1_ps(0x1p112f));

	return simde_mm_or_ps(value, simde_mm_castsi128_ps(
									 simde_mm_or_si128(sign, special)));
}

static inline VF
vf_load_f16_tail(const uint16 *x, uint32 dim, uint32 n)
{
	const uint16 *tail = x + dim - n;
	uint16		  lanes[VF_LANES] = {0};

	if (n == 1)
		memcpy(lanes, tail, sizeof(uint16));
	else if (n == 2)
		memcpy(lanes, tail, 2 * sizeof(uint16));
	else
		memcpy(lanes, tail, 3 * sizeof(uint16));
	return vf_load_f16(lanes);
}

/* bits of a where mask has ones, of b elsewhere */
static inline VI
vi_choose(VI mask, VI a, VI b)
{
	return simde_mm_or_si128(simde_mm_and_si128(mask, a),
							 simde_mm_andnot_si128(mask, b));
}

/*
 * Rounds in integers where the half is normal.  Where it is subnormal, adding
 * 0.5 makes the last bit of a float as large as that of a half.
 */
static inline void
vf_store_f16(uint16 *p, VF v)
{
	VI bits = simde_mm_castps_si128(v);
	VI magnitude = simde_mm_and_si128(bits, simde_mm_set1_epi32(0x7fffffff));
	VI sign = simde_mm_srli_epi32(simde_mm_xor_si128(bits, magnitude), 16);
	VI odd = simde_mm_and_si128(simde_mm_srli_epi32(magnitude, 13),
								simde_mm_set1_epi32(1));
	/* less 112 in the exponent, plus just below one half, plus odd */
	VI normal = simde_mm_srli_epi32(
		simde_mm_add_epi32(simde_mm_add_epi32(magnitude,
											  simde_mm_set1_epi32(
												  0x0fff - (112 << 23))),
						   odd),
		13);
	VI subnormal = simde_mm_sub_epi32(
		simde_mm_castps_si128(simde_mm_add_ps(simde_mm_castsi128_ps(magnitude),
											  simde_mm_set1_ps(0.5f))),
		simde_mm_set1_epi32(0x3f000000));
	VI is_subnormal = simde_mm_cmpgt_epi32(simde_mm_set1_epi32(0x38800000),
										   magnitude);
	VI is_infinite = simde_mm_cmpgt_epi32(magnitude,
										  simde_mm_set1_epi32(0x477fefff));
	VI is_nan = simde_mm_cmpgt_epi32(magnitude,
									 simde_mm_set1_epi32(0x7f800000));
	VI half = vi_choose(is_subnormal, subnormal, normal);

	half = vi_choose(is_infinite, simde_mm_set1_epi32(0x7c00), half);
	half = vi_choose(is_nan, simde_mm_set1_epi32(0x7e00), half);
	half = simde_mm_or_si128(half, sign);

	/* packing saturates signed numbers, so make them such */
	half = simde_mm_srai_epi32(simde_mm_slli_epi32(half, 16), 16);
	simde_mm_storel_epi64((simde__m128i *) p,
						  simde_mm_packs_epi32(half, half));
}

static inline VI
vi_keep_tail(VI v, uint32 n)
{
	return simde_mm_and_si128(
		v, simde_mm_loadu_si128((const simde__m128i *) (first_lanes + 4 - n)));
}

static inline VF
vf_keep_tail(VF v, uint32 n)
{
	return simde_mm_castsi128_ps(vi_keep_tail(simde_mm_castps_si128(v), n));
}

/* 4 codes, the first in the lowest byte, as floats */
static inline VF
vf_from_packed_u8(uint32 packed)
{
	simde__m128i zero = simde_mm_setzero_si128();
	simde__m128i codes = simde_mm_cvtsi32_si128((int32) packed);

	return simde_mm_cvtepi32_ps(
		simde_mm_unpacklo_epi16(simde_mm_unpacklo_epi8(codes, zero), zero));
}

static inline VF
vf_load_u8(const uint8 *code)
{
	uint32 packed;

	memcpy(&packed, code, sizeof(packed));
#ifdef WORDS_BIGENDIAN
	packed = __builtin_bswap32(packed);
#endif
	return vf_from_packed_u8(packed);
}

static inline VF
vf_load_u8_tail(const uint8 *code, uint32 dim, uint32 n)
{
	const uint8 *tail = code + dim - n;
	uint32		 packed = tail[0];

	if (n > 1)
		packed |= (uint32) tail[1] << 8;
	if (n > 2)
		packed |= (uint32) tail[2] << 16;
	return vf_from_packed_u8(packed);
}

/* the low bytes of 4 lanes, the first in the lowest byte */
static inline uint32
vi_pack_u8(VI v)
{
	VI words = simde_mm_packs_epi32(v, v);

	return (uint32) simde_mm_cvtsi128_si32(
		simde_mm_packus_epi16(words, words));
}

static inline void
vi_store_u8(uint8 *code, VI v)
{
	uint32 packed = vi_pack_u8(v);

#ifdef WORDS_BIGENDIAN
	packed = __builtin_bswap32(packed);
#endif
	memcpy(code, &packed, sizeof(packed));
}

static inline void
vi_store_u8_tail(uint8 *code, uint32 dim, uint32 n, VI v)
{
	uint32 packed = vi_pack_u8(v);

	for (uint32 i = dim - n; i < dim; i++)
	{
		code[i] = (uint8) packed;
		packed >>= 8;
	}
}

static inline int32
vi_sum(VI v)
{
	VI pairs = simde_mm_add_epi32(v, simde_mm_shuffle_epi32(v, 0x4e));

	return simde_mm_cvtsi128_si32(
		simde_mm_add_epi32(pairs, simde_mm_shuffle_epi32(pairs, 0xb1)));
}

#define vc_sum(v) vi_sum(v)

static inline int64
vc_sum_wide(VC_SUM a, VC_SUM b, VC_SUM c, VC_SUM d)
{
	int32 lanes[16];
	int64 sum = 0;

	simde_mm_storeu_si128((simde__m128i *) lanes, a);
	simde_mm_storeu_si128((simde__m128i *) (lanes + 4), b);
	simde_mm_storeu_si128((simde__m128i *) (lanes + 8), c);
	simde_mm_storeu_si128((simde__m128i *) (lanes + 12), d);
	for (int i = 0; i < 16; i++)
		sum += lanes[i];
	return sum;
}

static inline VC
vc_keep_tail(VC v, uint32 n)
{
	return simde_mm_and_si128(v, simde_mm_loadu_si128(
									 (const simde__m128i *) (last_lanes + n)));
}

static inline VC
vc_load_i16_tail(const int16 *x, uint32 dim, uint32 n)
{
	int16 small[VC_CODES] = {0};

	if (dim >= VC_CODES)
		return vc_keep_tail(vc_load_i16(x + dim - VC_CODES), n);
	memcpy(small + VC_CODES - n, x, n * sizeof(int16));
	return vc_load_i16(small);
}

static inline VC
vc_load_u8_tail(const uint8 *code, uint32 dim, uint32 n)
{
	int16 small[VC_CODES] = {0};

	if (dim >= VC_CODES)
		return vc_keep_tail(vc_load_u8(code + dim - VC_CODES), n);
	for (uint32 i = 0; i < n; i++)
		small[VC_CODES - n + i] = code[i];
	return vc_load_i16(small);
}

/* v with its sign changed where bits i, i + 1, .. of signs are set */
static inline VF
vf_flip_signs(VF v, const uint8 *signs, uint32 i)
{
	simde__m128i bits = simde_mm_set1_epi32(signs[i / 8] >> (i % 8));
	simde__m128i lane_bit = simde_mm_set_epi32(8, 4, 2, 1);
	simde__m128i flip = simde_mm_cmpeq_epi32(simde_mm_and_si128(bits,
																lane_bit),
											 lane_bit);

	return simde_mm_xor_ps(v, simde_mm_and_ps(simde_mm_castsi128_ps(flip),
											  simde_mm_set1_ps(-0.0f)));
}

/*
 * All rotations of b meet a; for b the results are rotated back.
 */
static inline void
si_match(SI a, SI b, SI *match_a, SI *match_b)
{
	SI m0 = simde_mm_cmpeq_epi32(a, b);
	SI m1 = simde_mm_cmpeq_epi32(a, simde_mm_shuffle_epi32(b, 0x39));
	SI m2 = simde_mm_cmpeq_epi32(a, simde_mm_shuffle_epi32(b, 0x4e));
	SI m3 = simde_mm_cmpeq_epi32(a, simde_mm_shuffle_epi32(b, 0x93));

	*match_a = simde_mm_or_si128(simde_mm_or_si128(m0, m1),
								 simde_mm_or_si128(m2, m3));
	*match_b = simde_mm_or_si128(
		simde_mm_or_si128(m0, simde_mm_shuffle_epi32(m1, 0x93)),
		simde_mm_or_si128(simde_mm_shuffle_epi32(m2, 0x4e),
						  simde_mm_shuffle_epi32(m3, 0x39)));
}

/* in pairs of bits, then of four, then of eight */
static inline VB
vb_popcount(VB v)
{
	VB pairs = simde_mm_set1_epi8(0x55);
	VB fours = simde_mm_set1_epi8(0x33);
	VB eights = simde_mm_set1_epi8(0x0f);

	v = simde_mm_sub_epi8(v, simde_mm_and_si128(simde_mm_srli_epi16(v, 1),
												pairs));
	v = simde_mm_add_epi8(simde_mm_and_si128(v, fours),
						  simde_mm_and_si128(simde_mm_srli_epi16(v, 2),
											 fours));
	v = simde_mm_and_si128(simde_mm_add_epi8(v, simde_mm_srli_epi16(v, 4)),
						   eights);
	return simde_mm_sad_epu8(v, simde_mm_setzero_si128());
}

static inline uint64
vb_sum_64(VB v)
{
	uint64 lanes[2];

	simde_mm_storeu_si128((simde__m128i *) lanes, v);
	return lanes[0] + lanes[1];
}

/* in each lane, the sum of the four lanes it is among */
static inline VF
vf_sum_fours(VF v)
{
	v = simde_mm_add_ps(v, simde_mm_shuffle_ps(v, v, 0xb1));
	return simde_mm_add_ps(v, simde_mm_shuffle_ps(v, v, 0x4e));
}

/* the Hadamard transform of one vector */
static inline VF
vf_hadamard(VF v)
{
	VF odd = simde_mm_set_ps(-0.0f, 0.0f, -0.0f, 0.0f);
	VF upper = simde_mm_set_ps(-0.0f, -0.0f, 0.0f, 0.0f);

	v = simde_mm_add_ps(simde_mm_shuffle_ps(v, v, 0xb1),
						simde_mm_xor_ps(v, odd));
	return simde_mm_add_ps(simde_mm_shuffle_ps(v, v, 0x4e),
						   simde_mm_xor_ps(v, upper));
}

void
baseline_l2_scaled_u8(const CodeScale *a, const CodeScale *const *b,
					  const uint32 *dots, uint32 count, uint32 dim,
					  float *distances)
{
	double offset_a = a->offset;
	double step_a = a->step;
	double step_sum_a = step_a * a->sum;
	double step_squares_a = step_a * step_a * a->sum_squares;

	for (uint32 i = 0; i < count; i++)
	{
		double offset = offset_a - b[i]->offset;
		double step = b[i]->step;
		double square = dim * offset * offset +
						2 * offset * (step_sum_a - step * b[i]->sum) +
						step_squares_a + step * step * b[i]->sum_squares -
						2 * step_a * step * dots[i];
		double distance = square > 0 ? sqrt(square) : 0;

		distances[i] = distance <= FLT_MAX ? (float) distance : FLT_MAX;
	}
}

#define KERNELS_TABLE distance_kernels_baseline

#if defined(SIMDE_ARM_NEON_A32V7_NATIVE)
#define KERNELS_ISA "neon"
#else
#define KERNELS_ISA "baseline"
#endif

#include "distance/kernels.inc.h"
