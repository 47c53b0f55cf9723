/*
 * kernels_avx2.c
 *		Kernels for x86-64 CPUs with AVX2 and FMA: 256-bit vectors.
 *
 * Tails of floats and of the codes beside them lie in the first lanes, tails
 * of int16 and f16 vectors in the last ones.
 */
#include "c.h"

#include "distance/kernels.h"

#ifdef DISTANCE_HAVE_X86_KERNELS

#include <immintrin.h>

#include "distance/vector_sparse256.inc.h"

typedef __m256	VF;
typedef __m256i VI;
typedef __m256i VC;
typedef __m256i VC_SUM;
typedef __m256i VB;

#define VF_LANES 8
#define VC_CODES 16
#define VB_BYTES 32

#define PANEL_ROWS	  6
#define PANEL_VECTORS 2

#define vf_zero()		 _mm256_setzero_ps()
#define vf_set1(x)		 _mm256_set1_ps(x)
#define vf_load(p)		 _mm256_loadu_ps(p)
#define vf_store(p, v)	 _mm256_storeu_ps(p, v)
#define vf_add(a, b)	 _mm256_add_ps(a, b)
#define vf_sub(a, b)	 _mm256_sub_ps(a, b)
#define vf_mul(a, b)	 _mm256_mul_ps(a, b)
#define vf_min(a, b)	 _mm256_min_ps(a, b)
#define vf_max(a, b)	 _mm256_max_ps(a, b)
#define vf_div(a, b)	 _mm256_div_ps(a, b)
#define vf_sqrt(v)		 _mm256_sqrt_ps(v)
#define vf_fma(a, b, c)	 _mm256_fmadd_ps(a, b, c)
#define vf_fnma(a, b, c) _mm256_fnmadd_ps(a, b, c)
#define vf_abs(v)		 _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v)
#define vf_round(v)		 _mm256_cvtps_epi32(v)
#define vf_load_f16(p)	 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) (p)))
#define vf_store_f16(p, v)            \
	_mm_storeu_si128((__m128i *) (p), \
					 _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT))
#define vi_load(p)	 _mm256_loadu_si256((const __m256i *) (p))
#define vi_to_vf(v)	 _mm256_cvtepi32_ps(v)
#define vi_zero()	 _mm256_setzero_si256()
#define vi_add(a, b) _mm256_add_epi32(a, b)
/* squares of lanes below 2^15 */
#define vi_square_low(v)  _mm256_madd_epi16(v, v)
#define vc_zero()		  _mm256_setzero_si256()
#define vc_add(a, b)	  _mm256_add_epi32(a, b)
#define vc_dot(sum, a, b) _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))
#define vc_srl(v, n)	  _mm256_srl_epi16(v, _mm_cvtsi32_si128(n))
#define vc_load_i16(p)	  _mm256_loadu_si256((const __m256i *) (p))
#define vb_zero()		  _mm256_setzero_si256()
#define vb_load(p)		  _mm256_loadu_si256((const __m256i *) (p))
#define vb_and(a, b)	  _mm256_and_si256(a, b)
#define vb_or(a, b)		  _mm256_or_si256(a, b)
#define vb_xor(a, b)	  _mm256_xor_si256(a, b)
#define vb_add_64(a, b)	  _mm256_add_epi64(a, b)
#define vb_set1(x)		  _mm256_set1_epi8(x)
#define vb_lookup(t, i)	  _mm256_shuffle_epi8(t, i)
#define vb_add_16(a, b)	  _mm256_add_epi16(a, b)
#define vb_sub_16(a, b)	  _mm256_sub_epi16(a, b)
#define vb_srl_16(v, n)	  _mm256_srli_epi16(v, n)
#define vb_sll_16(v, n)	  _mm256_slli_epi16(v, n)
#define vb_fold_16(p, v)                                      \
	_mm_storeu_si128((__m128i *) (p),                         \
					 _mm_add_epi16(_mm256_castsi256_si128(v), \
								   _mm256_extracti128_si256(v, 1)))
/* bits of the lanes above zero */
#define vf_positive(v) \
	((uint32) _mm256_movemask_ps(_mm256_cmp_ps(v, vf_zero(), _CMP_GT_OQ)))
#define vc_load_u8(p) \
	_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *) (p)))
#define vf_load_u8(p)   \
	_mm256_cvtepi32_ps( \
		_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *) (p))))

/* first_lanes[8 - n] .. [15 - n]: ones in the first n of 8 lanes */
static const uint32 first_lanes[16] = {PG_UINT32_MAX,
									   PG_UINT32_MAX,
									   PG_UINT32_MAX,
									   PG_UINT32_MAX,
									   PG_UINT32_MAX,
									   PG_UINT32_MAX,
									   PG_UINT32_MAX,
									   PG_UINT32_MAX,
									   0,
									   0,
									   0,
									   0,
									   0,
									   0,
									   0,
									   0};

/* last_lanes[n] .. [n + 15]: ones in the last n of 16 lanes */
static const uint16 last_lanes[32] = {0,	  0,	  0,	  0,	  0,
									  0,	  0,	  0,	  0,	  0,
									  0,	  0,	  0,	  0,	  0,
									  0,	  0xffff, 0xffff, 0xffff, 0xffff,
									  0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
									  0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
									  0xffff, 0xffff};

static inline float
vf_sum(VF v)
{
	__m128 quads = _mm_add_ps(_mm256_castps256_ps128(v),
							  _mm256_extractf128_ps(v, 1));
	__m128 pairs = _mm_add_ps(quads, _mm_movehl_ps(quads, quads));

	return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}

static inline float
vf_hmin(VF v)
{
	__m128 quads = _mm_min_ps(_mm256_castps256_ps128(v),
							  _mm256_extractf128_ps(v, 1));
	__m128 pairs = _mm_min_ps(quads, _mm_movehl_ps(quads, quads));

	return _mm_cvtss_f32(_mm_min_ss(pairs, _mm_movehdup_ps(pairs)));
}

static inline float
vf_hmax(VF v)
{
	__m128 quads = _mm_max_ps(_mm256_castps256_ps128(v),
							  _mm256_extractf128_ps(v, 1));
	__m128 pairs = _mm_max_ps(quads, _mm_movehl_ps(quads, quads));

	return _mm_cvtss_f32(_mm_max_ss(pairs, _mm_movehdup_ps(pairs)));
}

static inline __m256i
first_lanes_mask(uint32 n)
{
	return _mm256_loadu_si256((const __m256i *) (first_lanes + 8 - n));
}

static inline VF
vf_load_tail(const float *x, uint32 dim, uint32 n)
{
	return _mm256_maskload_ps(x + dim - n, first_lanes_mask(n));
}

/* last_lanes of a vector of 8 */
static inline VF
vf_load_f16_tail(const uint16 *x, uint32 dim, uint32 n)
{
	uint16 small[VF_LANES] = {0};

	if (dim >= VF_LANES)
		return _mm256_cvtph_ps(_mm_and_si128(
			_mm_loadu_si128((const __m128i *) (x + dim - VF_LANES)),
			_mm_loadu_si128((const __m128i *) (last_lanes + VF_LANES + n))));
	memcpy(small + VF_LANES - n, x, n * sizeof(uint16));
	return vf_load_f16(small);
}

static inline VF
vf_keep_tail(VF v, uint32 n)
{
	return _mm256_and_ps(v, _mm256_castsi256_ps(first_lanes_mask(n)));
}

static inline VI
vi_keep_tail(VI v, uint32 n)
{
	return _mm256_and_si256(v, first_lanes_mask(n));
}

static inline VF
vf_load_u8_tail(const uint8 *code, uint32 dim, uint32 n)
{
	uint64 packed = 0;

	if (dim >= VF_LANES)
	{
		memcpy(&packed, code + dim - VF_LANES, sizeof(packed));
		packed >>= 8 * (VF_LANES - n);
	}
	else
		for (uint32 i = n; i-- > 0;)
			packed = packed << 8 | code[i];

	return _mm256_cvtepi32_ps(
		_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64) packed)));
}

/* the low bytes of 8 lanes, the first in the lowest byte */
static inline uint64
vi_pack_u8(VI v)
{
	__m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v),
									_mm256_extracti128_si256(v, 1));

	return (uint64) _mm_cvtsi128_si64(_mm_packus_epi16(words, words));
}

static inline void
vi_store_u8(uint8 *code, VI v)
{
	uint64 packed = vi_pack_u8(v);

	memcpy(code, &packed, sizeof(packed));
}

static inline void
vi_store_u8_tail(uint8 *code, uint32 dim, uint32 n, VI v)
{
	uint64 packed = vi_pack_u8(v);

	for (uint32 i = dim - n; i < dim; i++)
	{
		code[i] = (uint8) packed;
		packed >>= 8;
	}
}

static inline int32
vi_sum(VI v)
{
	__m128i quads = _mm_add_epi32(_mm256_castsi256_si128(v),
								  _mm256_extracti128_si256(v, 1));
	__m128i pairs = _mm_add_epi32(quads, _mm_shuffle_epi32(quads, 0x4e));

	return _mm_cvtsi128_si32(
		_mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0xb1)));
}

#define vc_sum(v) vi_sum(v)

static inline __m256i
widen_and_add(__m256i v)
{
	return _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(v)),
							_mm256_cvtepi32_epi64(
								_mm256_extracti128_si256(v, 1)));
}

static inline int64
vc_sum_wide(VC_SUM a, VC_SUM b, VC_SUM c, VC_SUM d)
{
	/* 32 partial sums below 2^30 each: two of them still fit an int32 */
	__m256i wide = _mm256_add_epi64(widen_and_add(_mm256_add_epi32(a, b)),
									widen_and_add(_mm256_add_epi32(c, d)));
	__m128i pair = _mm_add_epi64(_mm256_castsi256_si128(wide),
								 _mm256_extracti128_si256(wide, 1));

	return _mm_cvtsi128_si64(
		_mm_add_epi64(pair, _mm_unpackhi_epi64(pair, pair)));
}

static inline VC
vc_keep_tail(VC v, uint32 n)
{
	return _mm256_and_si256(v, _mm256_loadu_si256(
								   (const __m256i *) (last_lanes + n)));
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
	__m256i bits = _mm256_set1_epi32(signs[i / 8]);
	__m256i lane_bit = _mm256_set_epi32(128, 64, 32, 16, 8, 4, 2, 1);
	__m256i flip = _mm256_cmpeq_epi32(_mm256_and_si256(bits, lane_bit),
									  lane_bit);

	return _mm256_xor_ps(v, _mm256_and_ps(_mm256_castsi256_ps(flip),
										  _mm256_set1_ps(-0.0f)));
}

/* by half bytes, from a table */
static inline VB
vb_popcount(VB v)
{
	VB table = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
	VB low = _mm256_set1_epi8(0x0f);
	VB counts = _mm256_add_epi8(
		_mm256_shuffle_epi8(table, _mm256_and_si256(v, low)),
		_mm256_shuffle_epi8(table,
							_mm256_and_si256(_mm256_srli_epi16(v, 4), low)));

	return _mm256_sad_epu8(counts, _mm256_setzero_si256());
}

static inline uint64
vb_sum_64(VB v)
{
	__m128i pair = _mm_add_epi64(_mm256_castsi256_si128(v),
								 _mm256_extracti128_si256(v, 1));

	return (uint64) _mm_cvtsi128_si64(
		_mm_add_epi64(pair, _mm_unpackhi_epi64(pair, pair)));
}

/* in each lane, the sum of the four lanes it is among */
static inline VF
vf_sum_fours(VF v)
{
	v = _mm256_add_ps(v, _mm256_permute_ps(v, 0xb1));
	return _mm256_add_ps(v, _mm256_permute_ps(v, 0x4e));
}

/* the Hadamard transform of one vector */
static inline VF
vf_hadamard(VF v)
{
	VF odd = _mm256_set_ps(-0.0f, 0.0f, -0.0f, 0.0f, -0.0f, 0.0f, -0.0f, 0.0f);
	VF upper_pair = _mm256_set_ps(-0.0f, -0.0f, 0.0f, 0.0f, -0.0f, -0.0f, 0.0f,
								  0.0f);
	VF upper_half = _mm256_set_ps(-0.0f, -0.0f, -0.0f, -0.0f, 0.0f, 0.0f, 0.0f,
								  0.0f);

	v = _mm256_add_ps(_mm256_permute_ps(v, 0xb1), _mm256_xor_ps(v, odd));
	v = _mm256_add_ps(_mm256_permute_ps(v, 0x4e),
					  _mm256_xor_ps(v, upper_pair));
	return _mm256_add_ps(_mm256_permute2f128_ps(v, v, 1),
						 _mm256_xor_ps(v, upper_half));
}

#define KERNELS_TABLE distance_kernels_avx2
#define KERNELS_ISA	  "avx2"

#include "distance/kernels.inc.h"

#endif /* DISTANCE_HAVE_X86_KERNELS */
