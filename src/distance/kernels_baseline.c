/*
 * kernels_baseline.c
 *		Kernels for the CPU every build may assume: 128-bit vectors through
 *		SIMDe, which are SSE2 on x86-64, NEON on Arm and plain C elsewhere.
 *
 * Tails of floats and of the codes beside them lie in the first lanes, tails
 * of int16 vectors in the last ones.
 */
#include "c.h"

#include <simde/x86/sse2.h>
#include <simde/x86/fma.h>

#include "distance/kernels.h"

typedef simde__m128	 VF;
typedef simde__m128i VI;
typedef simde__m128i VC;
typedef simde__m128i VC_SUM;

#define VF_LANES 4
#define VC_CODES 8

#define vf_zero()		 simde_mm_setzero_ps()
#define vf_set1(x)		 simde_mm_set1_ps(x)
#define vf_load(p)		 simde_mm_loadu_ps(p)
#define vf_store(p, v)	 simde_mm_storeu_ps(p, v)
#define vf_add(a, b)	 simde_mm_add_ps(a, b)
#define vf_sub(a, b)	 simde_mm_sub_ps(a, b)
#define vf_mul(a, b)	 simde_mm_mul_ps(a, b)
#define vf_min(a, b)	 simde_mm_min_ps(a, b)
#define vf_max(a, b)	 simde_mm_max_ps(a, b)
#define vf_fma(a, b, c)	 simde_mm_fmadd_ps(a, b, c)
#define vf_fnma(a, b, c) simde_mm_fnmadd_ps(a, b, c)
#define vf_abs(v)		 simde_mm_andnot_ps(simde_mm_set1_ps(-0.0f), v)
#define vf_round(v)		 simde_mm_cvtps_epi32(v)
#define vi_to_vf(v)		 simde_mm_cvtepi32_ps(v)
#define vi_zero()		 simde_mm_setzero_si128()
#define vi_add(a, b)	 simde_mm_add_epi32(a, b)
/* squares of lanes below 2^15 */
#define vi_square_low(v)  simde_mm_madd_epi16(v, v)
#define vc_zero()		  simde_mm_setzero_si128()
#define vc_add(a, b)	  simde_mm_add_epi32(a, b)
#define vc_dot(sum, a, b) simde_mm_add_epi32(sum, simde_mm_madd_epi16(a, b))
#define vc_load_i16(p)	  simde_mm_loadu_si128((const simde__m128i *) (p))
#define vc_load_u8(p)                                                        \
	simde_mm_unpacklo_epi8(simde_mm_loadl_epi64((const simde__m128i *) (p)), \
						   simde_mm_setzero_si128())

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

#define KERNELS_TABLE distance_kernels_baseline

#if defined(SIMDE_ARM_NEON_A32V7_NATIVE)
#define KERNELS_ISA "neon"
#else
#define KERNELS_ISA "baseline"
#endif

#include "distance/kernels.inc.h"
