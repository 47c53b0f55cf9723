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
 *	VC, VC_CODES	vector of int16 that holds 8-bit codes (8, 16 or 32), with
 *					VC_SUM, a vector of int32 partial sums
 *
 * Arrays whose length is no multiple of the lanes end in a "tail" of n values,
 * 0 < n < lanes.  *_load_tail(x, dim, n) gives the last n of dim values and
 * zero in all other lanes, in an order that is the same for all arrays of
 * floats, and for all arrays of codes; it reads nothing outside x[0..dim-1].
 *
 * Sums run in four accumulators, to hide the latency of an addition.
 */

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

static float
l2sq_f32(const float *a, const float *b, uint32 dim)
{
	DECLARE_VF_SUMS(sum);

#define STEP(k, i) \
	sum##k = l2sq_step(sum##k, vf_load(a + (i)), vf_load(b + (i)))
#define TAIL(k, n) \
	sum##k = l2sq_step(sum##k, vf_load_tail(a, dim, n), vf_load_tail(b, dim, n))
	FOR_EACH_VECTOR(VF_LANES);
#undef STEP
#undef TAIL
	return VF_TOTAL(sum);
}

static float
dot_f32(const float *a, const float *b, uint32 dim)
{
	DECLARE_VF_SUMS(sum);

#define STEP(k, i) \
	sum##k = vf_fma(vf_load(a + (i)), vf_load(b + (i)), sum##k)
#define TAIL(k, n) \
	sum##k = vf_fma(vf_load_tail(a, dim, n), vf_load_tail(b, dim, n), sum##k)
	FOR_EACH_VECTOR(VF_LANES);
#undef STEP
#undef TAIL
	return VF_TOTAL(sum);
}

static float
l1_f32(const float *a, const float *b, uint32 dim)
{
	DECLARE_VF_SUMS(sum);

#define STEP(k, i) \
	sum##k = vf_add(sum##k, vf_abs(vf_sub(vf_load(a + (i)), vf_load(b + (i)))))
#define TAIL(k, n) \
	sum##k = vf_add(sum##k, vf_abs(vf_sub(vf_load_tail(a, dim, n), \
										  vf_load_tail(b, dim, n))))
	FOR_EACH_VECTOR(VF_LANES);
#undef STEP
#undef TAIL
	return VF_TOTAL(sum);
}

static CosineParts
cosine_f32(const float *a, const float *b, uint32 dim)
{
	CosineParts parts;

	DECLARE_VF_SUMS(dot);
	DECLARE_VF_SUMS(norm_a);
	DECLARE_VF_SUMS(norm_b);

#define ADD(k, va, vb) \
	do { \
		VF			x = (va); \
		VF			y = (vb); \
		dot##k = vf_fma(x, y, dot##k); \
		norm_a##k = vf_fma(x, x, norm_a##k); \
		norm_b##k = vf_fma(y, y, norm_b##k); \
	} while (0)
#define STEP(k, i) ADD(k, vf_load(a + (i)), vf_load(b + (i)))
#define TAIL(k, n) ADD(k, vf_load_tail(a, dim, n), vf_load_tail(b, dim, n))
	FOR_EACH_VECTOR(VF_LANES);
#undef ADD
#undef STEP
#undef TAIL
	parts.dot = VF_TOTAL(dot);
	parts.norm_a = VF_TOTAL(norm_a);
	parts.norm_b = VF_TOTAL(norm_b);
	return parts;
}

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

const DistanceKernels KERNELS_TABLE = {
	.isa = KERNELS_ISA,
	.l2sq_f32 = l2sq_f32,
	.dot_f32 = dot_f32,
	.l1_f32 = l1_f32,
	.cosine_f32 = cosine_f32,
	.dot_u8_i16 = dot_u8_i16,
	.dot_u8_u8 = dot_u8_u8,
	.l1_u8_f32 = l1_u8_f32,
	.l1_u8_u8 = l1_u8_u8,
	.range_f32 = range_f32,
	.quantize_f32_u8 = quantize_f32_u8,
	.hadamard_f32 = hadamard_f32,
	.flip_f32 = flip_f32,
	.butterfly_f32 = butterfly_f32,
};
