/*
 * hnsw_code.c
 *		Values to codes, and the distances between queries, codes and values.
 *
 * The graph is built and searched on codes: 8 bits a dimension
 * (quantize/sq8.h), or floats where that is too coarse.  The exact distance of
 * the SQL operator decides the order of results.  Cosine distance is the
 * squared L2 distance of the normalized vectors, halved, so its codes are L2
 * codes of points on the unit sphere.
 *
 * Codes of sparse vectors are their elements.  Their distances come from the
 * elements that two of them share, and from sums over all elements of each,
 * which are kept with the code.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "distance/distance.h"
#include "hnsw/hnsw.h"
#include "types/bitvec.h"
#include "types/sparse_array.h"
#include "types/sparsevec.h"

/*
 * Allowance for float32 rounding in the operator's own distance, relative to
 * its value: the accumulated error of a sum of up to 16,000 terms in 16 or
 * more lanes.  Where the code's distance comes from the same sum, only its
 * conversion to a float is left.
 */
#define OPERATOR_ROUNDING 1e-5
#define FLOAT_ROUNDING	  2e-7

/*
 * Vectors of few dimensions are kept as floats: next to their lists they are
 * small, and coordinates with an offset need the precision.
 */
#define MAX_SMALL_DIMENSIONS 32

/*
 * The sample decides the rest.  Rotating makes nothing of outlier dimensions,
 * which would else coarsen the codes of all others, but costs the codes of
 * integers their exactness.  Where vectors lie so close together that the loss
 * of two codes is more than this part of the distance to the nearest, 8 bits
 * do not tell them apart, and floats are needed.
 */
#define LOSSLESS_RESIDUAL 1e-5 /* of step * sqrt(dimensions) */
#define MAX_RELATIVE_LOSS 0.1

/*
 * Error of a rotation relative to the vector's length: every one of at most 15
 * stages in each round, and the scaling, adds the rounding of a float.  (The
 * length of what comes out is that of what went in, but for as much.)
 */
#define ROTATION_ROUNDING (ROTATION_ROUNDS * 16 * 0x1p-24)

/*
 * Rounding of what is computed from the elements that two sparse vectors share:
 * a part of the product of their lengths (or of the sum of them, under L1), and
 * more for each shared element, since the operator adds them up one by one.
 */
#define SPARSE_ROUNDING			1e-6
#define SPARSE_ELEMENT_ROUNDING 0x1p-24

/*
 * Slots for codes of an index that is built empty: a sixteenth of a page, with
 * room for 60 elements.
 */
#define DEFAULT_SLOTS_PER_PAGE 16
#define MAX_SLOTS_PER_PAGE	   128

/* What a visit of an overflow page costs, in bytes of the index. */
#define OVERFLOW_VISIT_BYTES 512

uint32
hnsw_code_bytes(HnswEncoding encoding, uint32 dimensions)
{
	switch (encoding.kind)
	{
		case HNSW_CODE_FLOAT:
			return sizeof(float) * dimensions;
		case HNSW_CODE_BITS:
			return INTALIGN((dimensions + 7) / 8);
		case HNSW_CODE_SPARSE:
			return encoding.slot_bytes;
		case HNSW_CODE_SQ8:
			break;
	}
	return INTALIGN(SQ8_CODE_BYTES(dimensions));
}

uint32
hnsw_max_dimensions(VectorValueKind kind)
{
	switch (kind)
	{
		case VALUE_FLOATS:
			return HNSW_MAX_DIMENSIONS;
		case VALUE_BITS:
			return HNSW_MAX_BITS;
		case VALUE_SPARSE:
			break;
	}
	return SPARSEVEC_MAX_DIM;
}

bool
hnsw_code_kind_fits(HnswCodeKind kind, VectorValueKind value_kind)
{
	switch (value_kind)
	{
		case VALUE_FLOATS:
			return kind == HNSW_CODE_SQ8 || kind == HNSW_CODE_FLOAT;
		case VALUE_BITS:
			return kind == HNSW_CODE_BITS;
		case VALUE_SPARSE:
			break;
	}
	return kind == HNSW_CODE_SPARSE;
}

void
hnsw_coder_init(HnswCoder *coder, const VectorOpclass *opclass,
				uint32 dimensions, uint64 seed, HnswEncoding encoding)
{
	coder->opclass = *opclass;
	coder->encoding = encoding;
	coder->dimensions = dimensions;
	coder->seed = seed;
	coder->normalize = opclass->metric == METRIC_COSINE;
	coder->rounding = OPERATOR_ROUNDING;
	if (encoding.kind == HNSW_CODE_BITS)
		coder->rounding = opclass->metric == METRIC_JACCARD ? FLOAT_ROUNDING
															: 0;
	else if (encoding.kind == HNSW_CODE_FLOAT && opclass->type->exact_floats &&
			 !coder->normalize)
		coder->rounding = FLOAT_ROUNDING;
	else if (encoding.kind == HNSW_CODE_SPARSE)
		coder->rounding = FLOAT_ROUNDING; /* errors have the rest */
	coder->floats = opclass->type->kind == VALUE_FLOATS
						? palloc(sizeof(float) * dimensions)
						: NULL;
	if (encoding.rotated)
		rotation_init(&coder->rotation, dimensions, seed,
					  palloc(ROTATION_SIGN_BYTES(dimensions)));

	switch (opclass->metric)
	{
		case METRIC_L2:
		case METRIC_COSINE:
			coder->metric = SQ8_L2;
			break;
		case METRIC_IP:
			coder->metric = SQ8_IP;
			break;
		case METRIC_L1:
			coder->metric = SQ8_L1;
			break;
		case METRIC_HAMMING:
		case METRIC_JACCARD:
			break;
	}
}

/* Scale to length 1, in double since squares of floats over- and underflow. */
static bool
normalize(const float *in, float *out, uint32 dim)
{
	double norm = 0;

	for (uint32 i = 0; i < dim; i++)
		norm += (double) in[i] * in[i];
	if (norm == 0)
		return false;

	norm = sqrt(norm);
	for (uint32 i = 0; i < dim; i++)
		out[i] = (float) (in[i] / norm);
	return true;
}

/*
 * Rotate in place.  Returns a bound of what rounding may have changed; where
 * rotated values leave the range of floats, they are cut and nothing is known.
 */
static double
rotate(const HnswCoder *coder, float *x)
{
	float norm_squared;

	rotation_apply(&coder->rotation, x, x);
	norm_squared = distance_kernels->dot_f32(x, x, coder->dimensions);
	if (likely(isfinite(norm_squared)))
		return ROTATION_ROUNDING * sqrt(norm_squared);

	for (uint32 i = 0; i < coder->dimensions; i++)
		x[i] = isnan(x[i]) ? 0 : Max(Min(x[i], FLT_MAX), -FLT_MAX);
	return INFINITY;
}

/*
 * The floats that a value's code is made of: in the value itself or in work.
 * NULL if it has none.  loss: how far they may be from those of the value.
 */
static const float *
code_floats(const HnswCoder *coder, const void *value, float *work,
			double *loss)
{
	const float *x = coder->opclass.type->floats(value, work);

	*loss = 0;
	if (coder->normalize)
	{
		if (!normalize(x, work, coder->dimensions))
			return NULL;
		x = work;
	}
	if (coder->encoding.rotated)
	{
		if (x != work)
			memcpy(work, x, sizeof(float) * coder->dimensions);
		*loss = rotate(coder, work);
		x = work;
	}
	return x;
}

static bool
encode_sparse(const HnswCoder *coder, const void *value, HnswSparseCode *code)
{
	SparseArray array = coder->opclass.type->sparse(value);
	float	   *values = (float *) (code->index + array.count);
	double		size = 0;
	double		scale = 1;

	for (uint32 i = 0; i < array.count; i++)
		size += coder->metric == SQ8_L1
					? fabs(array.value[i])
					: (double) array.value[i] * array.value[i];
	if (coder->normalize)
	{
		if (size == 0)
			return false;
		scale = sqrt(size);
		size = 1;
	}

	code->count = array.count;
	code->size = size;
	memcpy(code->index, array.index, sizeof(int32) * array.count);
	for (uint32 i = 0; i < array.count; i++)
		values[i] = array.value[i] / scale;
	return true;
}

bool
hnsw_encode(HnswCoder *coder, const void *value, HnswCode *code)
{
	const float *x;
	Sq8Code		*sq8 = (Sq8Code *) code;
	double		 loss;

	if (coder->encoding.kind == HNSW_CODE_BITS)
	{
		memcpy(code, coder->opclass.type->bits(value),
			   (coder->dimensions + 7) / 8);
		return true;
	}
	if (coder->encoding.kind == HNSW_CODE_SPARSE)
		return encode_sparse(coder, value, (HnswSparseCode *) code);
	x = code_floats(coder, value, coder->floats, &loss);
	if (x == NULL)
		return false;
	if (coder->encoding.kind == HNSW_CODE_FLOAT)
	{
		memcpy(code, x, sizeof(float) * coder->dimensions);
		return true;
	}

	sq8_encode(coder->metric, x, coder->dimensions, sq8);
	sq8->residual = Min(sq8->residual + loss, FLT_MAX);
	return true;
}

uint32
hnsw_encoded_bytes(const HnswCoder *coder, const void *value)
{
	if (coder->encoding.kind == HNSW_CODE_SPARSE)
		return HNSW_SPARSE_CODE_BYTES(
			coder->opclass.type->sparse(value).count);
	return hnsw_code_bytes(coder->encoding, coder->dimensions);
}

uint32
hnsw_code_length(const HnswCoder *coder, const HnswCode *code)
{
	if (coder->encoding.kind == HNSW_CODE_SPARSE)
		return HNSW_SPARSE_CODE_BYTES(((const HnswSparseCode *) code)->count);
	return hnsw_code_bytes(coder->encoding, coder->dimensions);
}

const char *
hnsw_check_code(const HnswCoder *coder, const HnswCode *code)
{
	switch (coder->encoding.kind)
	{
		case HNSW_CODE_SQ8:
			return sq8_check((const Sq8Code *) code, coder->dimensions);
		case HNSW_CODE_SPARSE:
		{
			SparseArray array = hnsw_sparse_array(
				(const HnswSparseCode *) code);

			if (sparse_array_check(array.index, array.count,
								   coder->dimensions) != SPARSE_OK)
				return "its indexes are not in order";
			for (uint32 i = 0; i < array.count; i++)
			{
				if (!isfinite(array.value[i]))
					return "it has a value that is not finite";
			}
			return NULL;
		}
		default:
			return NULL;
	}
}

bool
hnsw_codes_equal(const HnswCoder *coder, const HnswCode *a, const HnswCode *b)
{
	Size bytes = SQ8_CODE_BYTES(coder->dimensions);

	/* not what pads a code */
	if (coder->encoding.kind == HNSW_CODE_FLOAT)
		bytes = sizeof(float) * coder->dimensions;
	else if (coder->encoding.kind == HNSW_CODE_BITS)
		bytes = (coder->dimensions + 7) / 8;
	else if (coder->encoding.kind == HNSW_CODE_SPARSE)
	{
		bytes = hnsw_code_length(coder, a);
		if (hnsw_code_length(coder, b) != bytes)
			return false;
	}
	return memcmp(a, b, bytes) == 0;
}

float
hnsw_bits_distance(const HnswCoder *coder, const uint8 *a, const uint8 *b)
{
	if (coder->opclass.metric == METRIC_HAMMING)
		return bit_hamming_distance_raw(a, b, coder->dimensions);
	return bit_jaccard_distance_raw(a, b, coder->dimensions);
}

float
hnsw_float_distance(const HnswCoder *coder, const float *a, const float *b)
{
	float distance = 0;

	switch (coder->metric)
	{
		case SQ8_L2:
			distance = sqrtf(
				distance_kernels->l2sq_f32(a, b, coder->dimensions));
			break;
		case SQ8_IP:
			distance = -distance_kernels->dot_f32(a, b, coder->dimensions);
			break;
		case SQ8_L1:
			distance = distance_kernels->l1_f32(a, b, coder->dimensions);
			break;
	}
	return isnan(distance) ? FLT_MAX : Max(Min(distance, FLT_MAX), -FLT_MAX);
}

/*
 * The distance of sparse codes, in the unit of the operator, and a bound of its
 * error.  shared: what their common elements give, the inner product or, under
 * L1, the change of the sum of both sizes.
 */
static inline float
sparse_distance(const HnswCoder *coder, double shared, const HnswSparseCode *a,
				const HnswSparseCode *b, float *error)
{
	double relative = SPARSE_ROUNDING +
					  SPARSE_ELEMENT_ROUNDING * Min(a->count, b->count);
	double size_a = a->size;
	double size_b = b->size;
	double distance;
	double bound;

	if (coder->metric == SQ8_L1)
	{
		distance = Max(size_a + size_b + shared, 0);
		bound = relative * (size_a + size_b);
	}
	else if (coder->normalize)
	{
		distance = 1 - shared;
		bound = relative;
	}
	else if (coder->metric == SQ8_IP)
	{
		distance = -shared;
		bound = relative * sqrt(size_a * size_b);
	}
	else
	{
		double square = size_a + size_b - 2 * shared;
		double square_bound = 2 * relative * (size_a + size_b);

		distance = sqrt(Max(square, 0));
		bound = distance - sqrt(Max(square - square_bound, 0));
		if (square < square_bound)
			bound = sqrt(2 * square_bound);
	}

	/* nothing is known beyond the range of floats, or of a damaged code */
	if (unlikely(!(fabs(distance) <= 1e37) || !(bound >= 0)))
	{
		*error = INFINITY;
		return isnan(distance) ? FLT_MAX
							   : Max(Min(distance, FLT_MAX), -FLT_MAX);
	}
	*error = bound + hnsw_value_error(distance);
	return distance;
}

float
hnsw_sparse_distance(const HnswCoder *coder, const HnswSparseCode *a,
					 const HnswSparseCode *b)
{
	SparseArray array_a = hnsw_sparse_array(a);
	SparseArray array_b = hnsw_sparse_array(b);
	float		distance;
	float		error;

	if (coder->metric == SQ8_L1)
	{
		distance = distance_kernels->l1_sparse(&array_a, &array_b);
		return isnan(distance) ? FLT_MAX : Min(distance, FLT_MAX);
	}
	return sparse_distance(coder,
						   distance_kernels->dot_sparse(&array_a, &array_b), a,
						   b, &error);
}

float
hnsw_sparse_query_distance(const HnswQuery *query, const HnswSparseCode *code,
						   float *error)
{
	SparseArray array = hnsw_sparse_array(code);
	double		shared = query->coder->metric == SQ8_L1
							 ? sparse_table_l1_shared(&query->table, &array)
							 : sparse_table_dot(&query->table, &array);

	return sparse_distance(query->coder, shared, query->sparse, code, error);
}

/* Make a query of floats that stay where they are. */
static void
prepare_query(HnswQuery *query, const HnswCoder *coder, const float *x,
			  double loss)
{
	query->coder = coder;
	query->floats = x;
	if (coder->encoding.kind == HNSW_CODE_FLOAT)
		return;

	sq8_prepare_query(coder->metric, x, coder->dimensions,
					  palloc(sizeof(int16) * coder->dimensions), &query->sq8);
	query->sq8.residual += loss;
}

/* The same for bits. */
static void
prepare_bits_query(HnswQuery *query, const HnswCoder *coder, const uint8 *bits)
{
	query->coder = coder;
	query->bits = bits != NULL ? bits : palloc0((coder->dimensions + 7) / 8);
}

/* The same for a sparse code; NULL: one without elements. */
static void
prepare_sparse_query(HnswQuery *query, const HnswCoder *coder,
					 const HnswSparseCode *code)
{
	SparseArray array;

	query->coder = coder;
	query->sparse = code != NULL ? code : palloc0(HNSW_SPARSE_CODE_BYTES(0));
	array = hnsw_sparse_array(query->sparse);
	sparse_table_init(&query->table, &array,
					  palloc(sparse_table_bytes(array.count)));
}

void
hnsw_query_init(HnswQuery *query, HnswCoder *coder, const void *value)
{
	float		*work;
	const float *x;
	double		 loss = 0;

	if (coder->encoding.kind == HNSW_CODE_BITS)
	{
		query->value = value;
		prepare_bits_query(query, coder,
						   value == NULL ? NULL
										 : coder->opclass.type->bits(value));
		return;
	}
	if (coder->encoding.kind == HNSW_CODE_SPARSE)
	{
		HnswCode *code = NULL;

		if (value != NULL)
		{
			code = palloc0(hnsw_encoded_bytes(coder, value));
			if (!hnsw_encode(coder, value, code))
				code = NULL;
		}
		query->value = code == NULL ? NULL : value;
		prepare_sparse_query(query, coder, (HnswSparseCode *) code);
		return;
	}

	work = palloc0(sizeof(float) * coder->dimensions);
	x = value == NULL ? NULL : code_floats(coder, value, work, &loss);
	query->value = x == NULL ? NULL : value;
	/* without an order any query serves to walk the graph */
	prepare_query(query, coder, x == NULL ? work : x, loss);
}

void
hnsw_query_init_from_code(HnswQuery *query, HnswCoder *coder,
						  const HnswCode *code)
{
	float *x;

	query->value = NULL;
	if (coder->encoding.kind == HNSW_CODE_BITS)
	{
		uint8 *bits = palloc((coder->dimensions + 7) / 8);

		memcpy(bits, code, (coder->dimensions + 7) / 8);
		prepare_bits_query(query, coder, bits);
		return;
	}
	if (coder->encoding.kind == HNSW_CODE_SPARSE)
	{
		uint32			bytes = hnsw_code_length(coder, code);
		HnswSparseCode *copy = palloc(bytes);

		memcpy(copy, code, bytes);
		prepare_sparse_query(query, coder, copy);
		return;
	}

	x = palloc(sizeof(float) * coder->dimensions);
	if (coder->encoding.kind == HNSW_CODE_FLOAT)
		memcpy(x, code, sizeof(float) * coder->dimensions);
	else
		sq8_decode((const Sq8Code *) code, coder->dimensions, x);
	prepare_query(query, coder, x, 0);
}

/* ------------------------------------------------------------------------
 * Choice of the encoding
 * ------------------------------------------------------------------------
 */

/* Are 8-bit codes of all values exact, but for rounding? */
static bool
is_lossless(HnswCoder *coder, const void *const *values, int count)
{
	Sq8Code *code = palloc(
		hnsw_code_bytes(coder->encoding, coder->dimensions));

	for (int i = 0; i < count; i++)
	{
		if (hnsw_encode(coder, values[i], (HnswCode *) code) &&
			code->residual >
				LOSSLESS_RESIDUAL * code->step * sqrt(coder->dimensions))
			return false;
	}
	return true;
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

/*
 * What 8-bit codes lose, relative to the distance to the nearest other value of
 * the sample: the median over the values.
 */
static double
relative_loss(HnswCoder *coder, const void *const *values, int count)
{
	uint32	 dimensions = coder->dimensions;
	Sq8Code *code = palloc(hnsw_code_bytes(coder->encoding, dimensions));
	float	*floats = palloc_extended(sizeof(float) * dimensions * count,
									  MCXT_ALLOC_HUGE);
	double	*losses = palloc(sizeof(double) * count);
	float	*residuals = palloc(sizeof(float) * count);
	bool	 l1 = coder->metric == SQ8_L1;
	int		 n = 0;
	int		 num_losses = 0;
	double	 result;

	for (int i = 0; i < count; i++)
	{
		double		 loss;
		const float *x = code_floats(coder, values[i], coder->floats, &loss);

		if (x == NULL)
			continue;
		memcpy(&floats[(Size) n * dimensions], x, sizeof(float) * dimensions);
		sq8_encode(coder->metric, x, dimensions, code);
		residuals[n++] = code->residual;
	}
	for (int i = 0; i < n; i++)
	{
		double nearest = 0;

		for (int j = 0; j < n; j++)
		{
			const float *a = &floats[(Size) i * dimensions];
			const float *b = &floats[(Size) j * dimensions];
			double distance = l1 ? distance_kernels->l1_f32(a, b, dimensions)
								 : sqrt(
									   distance_kernels->l2sq_f32(a, b,
																  dimensions));

			if (distance > 0 && (nearest == 0 || distance < nearest))
				nearest = distance;
		}
		if (nearest > 0)
			losses[num_losses++] = 2 * residuals[i] / nearest;
	}
	qsort(losses, num_losses, sizeof(double), compare_doubles);
	result = num_losses > 0 ? losses[num_losses / 2] : 0;

	pfree(residuals);
	pfree(losses);
	pfree(floats);
	pfree(code);
	return result;
}

/*
 * The slots of sparse codes are parts of a page, as large as it takes for the
 * sample to need the fewest bytes, counting some for each visit of an overflow
 * page.
 */
static uint32
choose_slot_bytes(const HnswCoder *coder, const void *const *values, int count)
{
	uint32 best = HNSW_PAGE_CAPACITY / DEFAULT_SLOTS_PER_PAGE / 4 * 4;
	double best_cost = 0;

	for (int per_page = 1; per_page <= MAX_SLOTS_PER_PAGE && count > 0;
		 per_page++)
	{
		uint32 slot_bytes = HNSW_PAGE_CAPACITY / per_page / 4 * 4;
		uint32 inline_bytes = slot_bytes - offsetof(HnswCodeSlot, bytes);
		double cost = (double) HNSW_PAGE_CAPACITY / per_page * count;

		for (int i = 0; i < count; i++)
		{
			uint32 bytes = hnsw_encoded_bytes(coder, values[i]);
			uint32 chunks;

			if (bytes <= inline_bytes)
				continue;
			chunks = (bytes - inline_bytes + HNSW_CHUNK_BYTES - 1) /
					 HNSW_CHUNK_BYTES;
			cost += sizeof(HnswChunk) * chunks + OVERFLOW_VISIT_BYTES;
		}
		if (per_page == 1 || cost < best_cost)
		{
			best = slot_bytes;
			best_cost = cost;
		}
	}
	return best;
}

HnswEncoding
hnsw_choose_encoding(const VectorOpclass *opclass, uint32 dimensions,
					 uint64 seed, const void *const *values, int count)
{
	HnswEncoding bits = {.kind = HNSW_CODE_BITS};
	HnswEncoding floats = {.kind = HNSW_CODE_FLOAT};
	HnswEncoding plain = {.kind = HNSW_CODE_SQ8};
	HnswEncoding rotated = {.kind = HNSW_CODE_SQ8,
							.rotated = opclass->metric != METRIC_L1};
	HnswEncoding sparse = {.kind = HNSW_CODE_SPARSE};
	HnswCoder	 coder;

	if (opclass->type->kind == VALUE_BITS)
		return bits;
	if (opclass->type->kind == VALUE_SPARSE)
	{
		hnsw_coder_init(&coder, opclass, dimensions, seed, sparse);
		sparse.slot_bytes = choose_slot_bytes(&coder, values, count);
		return sparse;
	}
	if (dimensions <= MAX_SMALL_DIMENSIONS)
		return floats;
	if (count == 0)
		return rotated;

	hnsw_coder_init(&coder, opclass, dimensions, seed, plain);
	if (is_lossless(&coder, values, count))
		return plain;
	hnsw_coder_init(&coder, opclass, dimensions, seed, rotated);
	if (relative_loss(&coder, values, count) > MAX_RELATIVE_LOSS)
		return floats;
	return rotated;
}

/* ------------------------------------------------------------------------
 * Exact distances and their bounds
 * ------------------------------------------------------------------------
 */

void
hnsw_check_dimensions(const HnswCoder *coder, const void *value)
{
	int dimensions = coder->opclass.type->dimensions(value);

	if (dimensions != (int) coder->dimensions)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different %s %d and %u", coder->opclass.type->measure,
						dimensions, coder->dimensions)));
}

uint64
hnsw_value_hash(const HnswCoder *coder, const void *value)
{
	return coder->opclass.type->hash(value, coder->seed);
}

double
hnsw_exact_distance(const HnswQuery *query, const void *value)
{
	const VectorOpclass *opclass = &query->coder->opclass;

	return opclass->type->distance(opclass->metric, query->value, value);
}

/*
 * The operator's distance, without its rounding, from that of the codes: half
 * the squared chord is the cosine distance.  Sparse codes give it as it is.
 */
static inline double
operator_distance(const HnswCoder *coder, double code_distance)
{
	if (coder->opclass.metric == METRIC_COSINE &&
		coder->encoding.kind != HNSW_CODE_SPARSE)
		return code_distance > 0 ? code_distance * code_distance / 2 : 0;
	return code_distance;
}

/* How far the operator's own result may be off; 1 - x rounds like 1. */
static inline double
operator_rounding(const HnswCoder *coder, double distance)
{
	if (coder->opclass.metric == METRIC_COSINE)
		return coder->rounding;
	return fabs(distance) * coder->rounding;
}

double
hnsw_lower_bound(const HnswCoder *coder, float estimate, float error)
{
	double bound = operator_distance(coder, (double) estimate - error);

	return bound - operator_rounding(coder, bound);
}

double
hnsw_upper_bound(const HnswCoder *coder, float estimate, float error)
{
	double bound = operator_distance(coder, (double) estimate + error);

	return bound + operator_rounding(coder, bound);
}
