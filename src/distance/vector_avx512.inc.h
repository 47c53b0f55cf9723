/*
 * vector_avx512.inc.h
 *		AVX-512 primitives for kernels.inc.h, with VNNI where the including
 *		file is compiled for it.
 *
 * All tails lie in the first lanes: masked loads neither read nor fault beyond
 * the array.
 */
#include <float.h>
#include <immintrin.h>

#include "distance/vector_sparse256.inc.h"

typedef __m512	VF;
typedef __m512i VI;
typedef __m512i VC;
typedef __m512i VC_SUM;
typedef __m512i VB;

#define VF_LANES 16
#define VC_CODES 32
#define VB_BYTES 64

#define PANEL_ROWS	  12
#define PANEL_VECTORS 2

#define vf_zero()		 _mm512_setzero_ps()
#define vf_set1(x)		 _mm512_set1_ps(x)
#define vf_load(p)		 _mm512_loadu_ps(p)
#define vf_store(p, v)	 _mm512_storeu_ps(p, v)
#define vf_add(a, b)	 _mm512_add_ps(a, b)
#define vf_sub(a, b)	 _mm512_sub_ps(a, b)
#define vf_mul(a, b)	 _mm512_mul_ps(a, b)
#define vf_min(a, b)	 _mm512_min_ps(a, b)
#define vf_max(a, b)	 _mm512_max_ps(a, b)
#define vf_div(a, b)	 _mm512_div_ps(a, b)
#define vf_sqrt(v)		 _mm512_sqrt_ps(v)
#define vf_fma(a, b, c)	 _mm512_fmadd_ps(a, b, c)
#define vf_fnma(a, b, c) _mm512_fnmadd_ps(a, b, c)
#define vf_abs(v)		 _mm512_abs_ps(v)
#define vf_sum(v)		 _mm512_reduce_add_ps(v)
#define vf_hmin(v)		 _mm512_reduce_min_ps(v)
#define vf_hmax(v)		 _mm512_reduce_max_ps(v)
#define vf_round(v)		 _mm512_cvtps_epi32(v)
#define vf_load_f16(p) \
	_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (p)))
#define vf_store_f16(p, v)               \
	_mm256_storeu_si256((__m256i *) (p), \
						_mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT))
#define vi_load(p)	 _mm512_loadu_si512(p)
#define vi_to_vf(v)	 _mm512_cvtepi32_ps(v)
#define vi_zero()	 _mm512_setzero_si512()
#define vi_add(a, b) _mm512_add_epi32(a, b)
/* squares of lanes below 2^15 */
#define vi_square_low(v) _mm512_madd_epi16(v, v)
#define vi_sum(v)		 _mm512_reduce_add_epi32(v)
#define vi_store_u8(p, v) \
	_mm_storeu_si128((__m128i *) (p), _mm512_cvtepi32_epi8(v))
#define vc_zero()	   _mm512_setzero_si512()
#define vc_add(a, b)   _mm512_add_epi32(a, b)
#define vc_sum(v)	   _mm512_reduce_add_epi32(v)
#define vc_srl(v, n)   _mm512_srl_epi16(v, _mm_cvtsi32_si128(n))
#define vc_load_i16(p) _mm512_loadu_si512(p)
#define vc_load_u8(p) \
	_mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *) (p)))
#define vf_load_u8(p)   \
	_mm512_cvtepi32_ps( \
		_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) (p))))

#define vb_zero()		_mm512_setzero_si512()
#define vb_load(p)		_mm512_loadu_si512(p)
#define vb_and(a, b)	_mm512_and_si512(a, b)
#define vb_or(a, b)		_mm512_or_si512(a, b)
#define vb_xor(a, b)	_mm512_xor_si512(a, b)
#define vb_add_64(a, b) _mm512_add_epi64(a, b)
#define vb_sum_64(v)	((uint64) _mm512_reduce_add_epi64(v))

#define vb_set1(x)		_mm512_set1_epi8(x)
#define vb_lookup(t, i) _mm512_shuffle_epi8(t, i)
#define vb_add_16(a, b) _mm512_add_epi16(a, b)
#define vb_sub_16(a, b) _mm512_sub_epi16(a, b)
#define vb_srl_16(v, n) _mm512_srli_epi16(v, n)
#define vb_sll_16(v, n) _mm512_slli_epi16(v, n)

/* bits of the lanes above zero */
#define vf_positive(v) ((uint32) _mm512_cmp_ps_mask(v, vf_zero(), _CMP_GT_OQ))

#ifdef __AVX512VNNI__
#define vc_dot(sum, a, b) _mm512_dpwssd_epi32(sum, a, b)
#else
#define vc_dot(sum, a, b) _mm512_add_epi32(sum, _mm512_madd_epi16(a, b))
#endif

/* ones for the first n lanes, n below the number of lanes */
#define FIRST_LANES(mask_type, n) ((mask_type) ((UINT64CONST(1) << (n)) - 1))

static inline VF
vf_load_tail(const float *x, uint32 dim, uint32 n)
{
	return _mm512_maskz_loadu_ps(FIRST_LANES(__mmask16, n), x + dim - n);
}

static inline VF
vf_load_f16_tail(const uint16 *x, uint32 dim, uint32 n)
{
	return _mm512_cvtph_ps(
		_mm256_maskz_loadu_epi16(FIRST_LANES(__mmask16, n), x + dim - n));
}

static inline VF
vf_keep_tail(VF v, uint32 n)
{
	return _mm512_maskz_mov_ps(FIRST_LANES(__mmask16, n), v);
}

static inline VI
vi_keep_tail(VI v, uint32 n)
{
	return _mm512_maskz_mov_epi32(FIRST_LANES(__mmask16, n), v);
}

static inline VF
vf_load_u8_tail(const uint8 *code, uint32 dim, uint32 n)
{
	__m128i bytes = _mm_maskz_loadu_epi8(FIRST_LANES(__mmask16, n),
										 code + dim - n);

	return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
}

static inline void
vi_store_u8_tail(uint8 *code, uint32 dim, uint32 n, VI v)
{
	_mm_mask_storeu_epi8(code + dim - n, FIRST_LANES(__mmask16, n),
						 _mm512_cvtepi32_epi8(v));
}

static inline VC
vc_load_i16_tail(const int16 *x, uint32 dim, uint32 n)
{
	return _mm512_maskz_loadu_epi16(FIRST_LANES(__mmask32, n), x + dim - n);
}

static inline VC
vc_load_u8_tail(const uint8 *code, uint32 dim, uint32 n)
{
	__m256i bytes = _mm256_maskz_loadu_epi8(FIRST_LANES(__mmask32, n),
											code + dim - n);

	return _mm512_cvtepu8_epi16(bytes);
}

static inline int64
vc_sum_wide(VC_SUM a, VC_SUM b, VC_SUM c, VC_SUM d)
{
	/* 64 partial sums below 2^29 each: four of them still fit an int32 */
	__m512i sum = _mm512_add_epi32(_mm512_add_epi32(a, b),
								   _mm512_add_epi32(c, d));
	__m512i wide = _mm512_add_epi64(
		_mm512_cvtepi32_epi64(_mm512_castsi512_si256(sum)),
		_mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(sum, 1)));

	return _mm512_reduce_add_epi64(wide);
}

/* v with its sign changed where bits i, i + 1, .. of signs are set */
static inline VF
vf_flip_signs(VF v, const uint8 *signs, uint32 i)
{
	uint16 bits;

	memcpy(&bits, signs + i / 8, sizeof(bits));
	return _mm512_mask_xor_ps(v, bits, v, _mm512_set1_ps(-0.0f));
}

#define HAVE_VB_LOAD_TAIL

static inline VB
vb_load_tail(const uint8 *x, uint32 n)
{
	return _mm512_maskz_loadu_epi8(FIRST_LANES(__mmask64, n), x);
}

static inline void
vb_fold_16(uint16 *totals, VB v)
{
	__m256i half = _mm256_add_epi16(_mm512_castsi512_si256(v),
									_mm512_extracti64x4_epi64(v, 1));

	_mm_storeu_si128((__m128i *) totals,
					 _mm_add_epi16(_mm256_castsi256_si128(half),
								   _mm256_extracti128_si256(half, 1)));
}

/* by half bytes, from a table */
static inline VB
vb_popcount(VB v)
{
	VB table = _mm512_broadcast_i32x4(
		_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
	VB low = _mm512_set1_epi8(0x0f);
	VB counts = _mm512_add_epi8(
		_mm512_shuffle_epi8(table, _mm512_and_si512(v, low)),
		_mm512_shuffle_epi8(table,
							_mm512_and_si512(_mm512_srli_epi16(v, 4), low)));

	return _mm512_sad_epu8(counts, _mm512_setzero_si512());
}

/* in each lane, the sum of the four lanes it is among */
static inline VF
vf_sum_fours(VF v)
{
	v = _mm512_add_ps(v, _mm512_permute_ps(v, 0xb1));
	return _mm512_add_ps(v, _mm512_permute_ps(v, 0x4e));
}

/* the Hadamard transform of one vector */
static inline VF
vf_hadamard(VF v)
{
	VF sign = _mm512_set1_ps(-0.0f);

	v = _mm512_add_ps(_mm512_permute_ps(v, 0xb1),
					  _mm512_mask_xor_ps(v, 0xaaaa, v, sign));
	v = _mm512_add_ps(_mm512_permute_ps(v, 0x4e),
					  _mm512_mask_xor_ps(v, 0xcccc, v, sign));
	v = _mm512_add_ps(_mm512_shuffle_f32x4(v, v, 0xb1),
					  _mm512_mask_xor_ps(v, 0xf0f0, v, sign));
	return _mm512_add_ps(_mm512_shuffle_f32x4(v, v, 0x4e),
						 _mm512_mask_xor_ps(v, 0xff00, v, sign));
}

#ifdef __AVX512VNNI__

/*
 * dot_u4_i12 -- VNNI multiplies unsigned by signed bytes: so levels of the query that
 * are there as two bytes take two products of 64 codes each, where those of 16 bits
 * take two as well, but codes that are widened first.
 */
#define HAVE_DOT_U4_I12

typedef struct U4Sums
{
	__m512i high;
	__m512i low;
} U4Sums;

static inline U4Sums
dot_u4_i12_step(U4Sums sums, __m512i codes, const SplitLevels *q, uint32 i,
				__mmask64 mask)
{
	sums.high = _mm512_dpbusd_epi32(sums.high, codes,
									_mm512_maskz_loadu_epi8(mask,
															q->high + i));
	sums.low = _mm512_dpbusd_epi32(sums.low, codes,
								   _mm512_maskz_loadu_epi8(mask, q->low + i));
	return sums;
}

static int64
dot_u4_i12(const uint8 *packed, const SplitLevels *q, uint32 levels)
{
	uint32	bytes = (levels + 1) / 2;
	uint32	second = levels - bytes; /* levels in the upper bits */
	__m512i nibble = _mm512_set1_epi8(0x0f);
	U4Sums	sums0 = {_mm512_setzero_si512(), _mm512_setzero_si512()};
	U4Sums	sums1 = sums0;
	uint32	i = 0;
	__m512i total;

	for (; i + 64 <= second; i += 64)
	{
		__m512i v = _mm512_loadu_si512(packed + i);

		sums0 = dot_u4_i12_step(sums0, _mm512_and_si512(v, nibble), q, i,
								~(__mmask64) 0);
		sums1 = dot_u4_i12_step(sums1,
								_mm512_and_si512(_mm512_srli_epi16(v, 4),
												 nibble),
								q, bytes + i, ~(__mmask64) 0);
	}
	if (i < bytes)
	{
		__mmask64 mask = bytes - i == 64 ? ~(__mmask64) 0
										 : FIRST_LANES(__mmask64, bytes - i);
		__m512i	  v = _mm512_maskz_loadu_epi8(mask, packed + i);

		sums0 = dot_u4_i12_step(sums0, _mm512_and_si512(v, nibble), q, i,
								mask);
		if (i < second)
			sums1 = dot_u4_i12_step(
				sums1, _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble), q,
				bytes + i, FIRST_LANES(__mmask64, second - i));
	}

	/* 32768 * 15 * 2047 < 2^31 */
	total = _mm512_add_epi32(
		_mm512_slli_epi32(_mm512_add_epi32(sums0.high, sums1.high), 6),
		_mm512_add_epi32(sums0.low, sums1.low));
	return _mm512_reduce_add_epi32(total);
}

#endif /* __AVX512VNNI__ */

/*
 * dot_u8_u8 -- on whole vectors of 64 codes.
 *
 * VNNI multiplies unsigned by signed bytes: b - 128 is signed, and 128 times
 * the sum of a makes up for it.  Without VNNI, even and odd codes are taken
 * apart by mask and shift, which leaves the one shuffle port free.
 */
#define HAVE_DOT_U8_U8

#ifdef __AVX512VNNI__

typedef struct U8Sums
{
	__m512i dot; /* a * (b - 128) */
	__m512i sum; /* a */
} U8Sums;

static inline U8Sums
dot_u8_u8_step(U8Sums sums, __m512i a, __m512i b)
{
	sums.dot = _mm512_dpbusd_epi32(sums.dot, a,
								   _mm512_xor_si512(b,
													_mm512_set1_epi8(-128)));
	sums.sum = _mm512_dpbusd_epi32(sums.sum, a, _mm512_set1_epi8(1));
	return sums;
}

#define U8_SUMS_ZERO                                   \
	{                                                  \
		_mm512_setzero_si512(), _mm512_setzero_si512() \
	}
#define U8_SUMS_TOTAL(s) \
	_mm512_add_epi32((s).dot, _mm512_slli_epi32((s).sum, 7))

#else

typedef struct U8Sums
{
	__m512i dot;
} U8Sums;

static inline U8Sums
dot_u8_u8_step(U8Sums sums, __m512i a, __m512i b)
{
	__m512i low = _mm512_set1_epi16(0xff);
	__m512i even = _mm512_madd_epi16(_mm512_and_si512(a, low),
									 _mm512_and_si512(b, low));
	__m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(a, 8),
									_mm512_srli_epi16(b, 8));

	sums.dot = _mm512_add_epi32(sums.dot, _mm512_add_epi32(even, odd));
	return sums;
}

#define U8_SUMS_ZERO           \
	{                          \
		_mm512_setzero_si512() \
	}
#define U8_SUMS_TOTAL(s) ((s).dot)

#endif /* __AVX512VNNI__ */

static uint32
dot_u8_u8(const uint8 *a, const uint8 *b, uint32 dim)
{
	U8Sums sums0 = U8_SUMS_ZERO;
	U8Sums sums1 = U8_SUMS_ZERO;
	uint32 i = 0;

	for (; i + 128 <= dim; i += 128)
	{
		sums0 = dot_u8_u8_step(sums0, _mm512_loadu_si512(a + i),
							   _mm512_loadu_si512(b + i));
		sums1 = dot_u8_u8_step(sums1, _mm512_loadu_si512(a + i + 64),
							   _mm512_loadu_si512(b + i + 64));
	}
	if (i + 64 <= dim)
	{
		sums0 = dot_u8_u8_step(sums0, _mm512_loadu_si512(a + i),
							   _mm512_loadu_si512(b + i));
		i += 64;
	}
	if (i < dim)
	{
		__mmask64 mask = FIRST_LANES(__mmask64, dim - i);

		sums1 = dot_u8_u8_step(sums1, _mm512_maskz_loadu_epi8(mask, a + i),
							   _mm512_maskz_loadu_epi8(mask, b + i));
	}

	return (uint32) _mm512_reduce_add_epi32(
		_mm512_add_epi32(U8_SUMS_TOTAL(sums0), U8_SUMS_TOTAL(sums1)));
}

/*
 * dots_u8_u8 -- four at a time: `a` is loaded, and brought into the form that
 * products want, once for all of them, and their sums are folded together.
 */
typedef struct U8Factor
{
#ifdef __AVX512VNNI__
	__m512i codes;
#else
	__m512i even;
	__m512i odd;
#endif
} U8Factor;

static inline U8Factor
u8_factor(__m512i a)
{
	U8Factor factor;

#ifdef __AVX512VNNI__
	factor.codes = a;
#else
	factor.even = _mm512_and_si512(a, _mm512_set1_epi16(0xff));
	factor.odd = _mm512_srli_epi16(a, 8);
#endif
	return factor;
}

/* Add the products with b, which with VNNI lack 128 times the sum of a. */
static inline __m512i
u8_add_products(__m512i sum, U8Factor a, __m512i b)
{
#ifdef __AVX512VNNI__
	return _mm512_dpbusd_epi32(sum, a.codes,
							   _mm512_xor_si512(b, _mm512_set1_epi8(-128)));
#else
	__m512i even = _mm512_madd_epi16(
		a.even, _mm512_and_si512(b, _mm512_set1_epi16(0xff)));
	__m512i odd = _mm512_madd_epi16(a.odd, _mm512_srli_epi16(b, 8));

	return _mm512_add_epi32(sum, _mm512_add_epi32(even, odd));
#endif
}

static inline __m512i
u8_add_lacking(__m512i sum, U8Factor a)
{
#ifdef __AVX512VNNI__
	return _mm512_dpbusd_epi32(sum, a.codes, _mm512_set1_epi8(1));
#else
	return sum;
#endif
}

/* The sums of four vectors, in one. */
static inline __m128i
sums_of_four(__m512i a, __m512i b, __m512i c, __m512i d)
{
	__m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b),
								  _mm512_unpackhi_epi32(a, b));
	__m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d),
								  _mm512_unpackhi_epi32(c, d));
	__m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd),
									_mm512_unpackhi_epi64(ab, cd));
	__m256i half = _mm256_add_epi32(_mm512_castsi512_si256(abcd),
									_mm512_extracti64x4_epi64(abcd, 1));

	return _mm_add_epi32(_mm256_castsi256_si128(half),
						 _mm256_extracti128_si256(half, 1));
}

static inline void
four_dots_u8_u8(const uint8 *a, const uint8 *const *b, uint32 dim,
				uint32 *dots)
{
	const uint8 *b0 = b[0];
	const uint8 *b1 = b[1];
	const uint8 *b2 = b[2];
	const uint8 *b3 = b[3];
	__m512i		 sum0 = _mm512_setzero_si512();
	__m512i		 sum1 = _mm512_setzero_si512();
	__m512i		 sum2 = _mm512_setzero_si512();
	__m512i		 sum3 = _mm512_setzero_si512();
	__m512i		 lacking = _mm512_setzero_si512();
	uint32		 i = 0;

	for (; i + 64 <= dim; i += 64)
	{
		U8Factor factor = u8_factor(_mm512_loadu_si512(a + i));

		sum0 = u8_add_products(sum0, factor, _mm512_loadu_si512(b0 + i));
		sum1 = u8_add_products(sum1, factor, _mm512_loadu_si512(b1 + i));
		sum2 = u8_add_products(sum2, factor, _mm512_loadu_si512(b2 + i));
		sum3 = u8_add_products(sum3, factor, _mm512_loadu_si512(b3 + i));
		lacking = u8_add_lacking(lacking, factor);
	}
	if (i < dim)
	{
		__mmask64 mask = FIRST_LANES(__mmask64, dim - i);
		U8Factor  factor = u8_factor(_mm512_maskz_loadu_epi8(mask, a + i));

#define LOAD_TAIL(b) _mm512_maskz_loadu_epi8(mask, (b) + i)
		sum0 = u8_add_products(sum0, factor, LOAD_TAIL(b0));
		sum1 = u8_add_products(sum1, factor, LOAD_TAIL(b1));
		sum2 = u8_add_products(sum2, factor, LOAD_TAIL(b2));
		sum3 = u8_add_products(sum3, factor, LOAD_TAIL(b3));
#undef LOAD_TAIL
		lacking = u8_add_lacking(lacking, factor);
	}

	lacking = _mm512_slli_epi32(lacking, 7);
	_mm_storeu_si128((__m128i *) dots,
					 sums_of_four(_mm512_add_epi32(sum0, lacking),
								  _mm512_add_epi32(sum1, lacking),
								  _mm512_add_epi32(sum2, lacking),
								  _mm512_add_epi32(sum3, lacking)));
}

static void
dots_u8_u8(const uint8 *a, const uint8 *const *b, uint32 count, uint32 dim,
		   uint32 *dots)
{
	for (; count >= 4; b += 4, dots += 4, count -= 4)
		four_dots_u8_u8(a, b, dim, dots);
	for (uint32 k = 0; k < count; k++)
		dots[k] = dot_u8_u8(a, b[k], dim);
}

/* Rounded for itself: the compiler does not fuse this with an addition. */
#define mul_rounded(a, b) \
	_mm512_mul_round_pd(a, b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

#define load_scale(b) _mm_loadu_si128((const __m128i *) (b))

/* The scales of four codes, one after the other. */
static inline __m512i
load_four_scales(const CodeScale *const *b, uint32 count)
{
	__m512i scales = _mm512_castsi128_si512(load_scale(b[0]));

	scales = _mm512_inserti32x4(scales, load_scale(b[count > 1 ? 1 : 0]), 1);
	scales = _mm512_inserti32x4(scales, load_scale(b[count > 2 ? 2 : 0]), 2);
	return _mm512_inserti32x4(scales, load_scale(b[count > 3 ? 3 : 0]), 3);
}

#define L2_SCALED_U8 l2_scaled_u8

/* l2_scaled_u8 -- as baseline_l2_scaled_u8, eight at a time. */
static void
l2_scaled_u8(const CodeScale *a, const CodeScale *const *b, const uint32 *dots,
			 uint32 count, uint32 dim, float *distances)
{
	const __m512i every_fourth = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28,
												   0, 0, 0, 0, 0, 0, 0, 0);
	__m512d		  dims = _mm512_set1_pd(dim);
	__m512d		  offset_a = _mm512_set1_pd(a->offset);
	__m512d		  twice_step_a = _mm512_set1_pd(2.0 * a->step);
	__m512d		  step_sum_a = _mm512_set1_pd((double) a->step * a->sum);
	__m512d		  step_squares_a = _mm512_set1_pd((double) a->step * a->step *
												  a->sum_squares);

	while (count > 0)
	{
		uint32	 n = count < 8 ? count : 8;
		__mmask8 mask = (__mmask8) ((1 << n) - 1);
		__m512i	 low = load_four_scales(b, n);
		__m512i	 high = n > 4 ? load_four_scales(b + 4, n - 4) : low;
		__m512d	 offset;
		__m512d	 step;
		__m512d	 sum;
		__m512d	 sum_squares;
		__m512d	 dot;
		__m512d	 square;

#define FIELD(i)                                      \
	_mm512_castsi512_si256(_mm512_permutex2var_epi32( \
		low, _mm512_add_epi32(every_fourth, _mm512_set1_epi32(i)), high))
		offset = _mm512_cvtps_pd(_mm256_castsi256_ps(FIELD(0)));
		step = _mm512_cvtps_pd(_mm256_castsi256_ps(FIELD(1)));
		sum = _mm512_cvtepu32_pd(FIELD(2));
		sum_squares = _mm512_cvtepu32_pd(FIELD(3));
#undef FIELD
		dot = _mm512_cvtepu32_pd(_mm256_maskz_loadu_epi32(mask, dots));

		offset = _mm512_sub_pd(offset_a, offset);
		square = mul_rounded(mul_rounded(dims, offset), offset);
		square = _mm512_add_pd(
			square,
			mul_rounded(_mm512_add_pd(offset, offset),
						_mm512_sub_pd(step_sum_a, mul_rounded(step, sum))));
		square = _mm512_add_pd(square, step_squares_a);
		square = _mm512_add_pd(square, mul_rounded(mul_rounded(step, step),
												   sum_squares));
		square = _mm512_sub_pd(square,
							   mul_rounded(mul_rounded(twice_step_a, step),
										   dot));

		/* of NaN and a number, both choose the number, which comes second */
		square = _mm512_max_pd(square, _mm512_setzero_pd());
		square = _mm512_min_pd(_mm512_sqrt_pd(square),
							   _mm512_set1_pd(FLT_MAX));
		_mm256_mask_storeu_ps(distances, mask, _mm512_cvtpd_ps(square));
		b += n;
		dots += n;
		distances += n;
		count -= n;
	}
}
