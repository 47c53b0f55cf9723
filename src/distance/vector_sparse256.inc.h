/*
 * vector_sparse256.inc.h
 *		256-bit primitives of the sparse kernels, for AVX2 and AVX-512: two
 *		blocks of 16 take longer to compare than four of 8.
 */

typedef __m256i SI;
typedef __m256	SV;

#define SPARSE_LANES 8

#define si_load(p)	 _mm256_loadu_si256((const __m256i *) (p))
#define si_set1(x)	 _mm256_set1_epi32(x)
#define si_or(a, b)	 _mm256_or_si256(a, b)
/* b without the lanes of a */
#define si_andnot(a, b) _mm256_andnot_si256(a, b)
#define si_lanes(v) \
	((uint32) _mm256_movemask_ps(_mm256_castsi256_ps(v)))
#define sv_keep(v, lanes) _mm256_and_ps(v, _mm256_castsi256_ps(lanes))
#define sv_load(p)	 _mm256_loadu_ps(p)
#define sv_zero()	 _mm256_setzero_ps()
#define sv_add(a, b) _mm256_add_ps(a, b)
#define sv_mul(a, b) _mm256_mul_ps(a, b)
#define sv_abs(v)	 _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v)

static inline float
sv_sum(SV v)
{
	__m128 quads = _mm_add_ps(_mm256_castps256_ps128(v),
							  _mm256_extractf128_ps(v, 1));
	__m128 pairs = _mm_add_ps(quads, _mm_movehl_ps(quads, quads));

	return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}

/*
 * Both orders of the halves of a meet all four rotations inside the halves of
 * b; the results are then rotated back.
 */
static inline void
si_match(SI a, SI b, SI *match_a, SI *match_b)
{
	SI a1 = _mm256_permute2x128_si256(a, a, 1);
	SI b1 = _mm256_shuffle_epi32(b, _MM_SHUFFLE(0, 3, 2, 1));
	SI b2 = _mm256_shuffle_epi32(b, _MM_SHUFFLE(1, 0, 3, 2));
	SI b3 = _mm256_shuffle_epi32(b, _MM_SHUFFLE(2, 1, 0, 3));
	SI m00 = _mm256_cmpeq_epi32(a, b);
	SI m01 = _mm256_cmpeq_epi32(a, b1);
	SI m02 = _mm256_cmpeq_epi32(a, b2);
	SI m03 = _mm256_cmpeq_epi32(a, b3);
	SI m10 = _mm256_cmpeq_epi32(a1, b);
	SI m11 = _mm256_cmpeq_epi32(a1, b1);
	SI m12 = _mm256_cmpeq_epi32(a1, b2);
	SI m13 = _mm256_cmpeq_epi32(a1, b3);
	SI other = _mm256_or_si256(_mm256_or_si256(m10, m11),
							   _mm256_or_si256(m12, m13));

	*match_a = _mm256_or_si256(
		_mm256_or_si256(_mm256_or_si256(m00, m01), _mm256_or_si256(m02, m03)),
		_mm256_permute2x128_si256(other, other, 1));
	*match_b = _mm256_or_si256(
		_mm256_or_si256(_mm256_or_si256(m00, m10),
						_mm256_shuffle_epi32(_mm256_or_si256(m01, m11),
											 _MM_SHUFFLE(2, 1, 0, 3))),
		_mm256_or_si256(_mm256_shuffle_epi32(_mm256_or_si256(m02, m12),
											 _MM_SHUFFLE(1, 0, 3, 2)),
						_mm256_shuffle_epi32(_mm256_or_si256(m03, m13),
											 _MM_SHUFFLE(0, 3, 2, 1))));
}
