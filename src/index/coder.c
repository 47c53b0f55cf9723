/*
 * coder.c
 *		Values to codes, and the distances between queries, codes and values.
 *
 * Indexes are built and searched on codes: 8 bits a dimension
 * (quantize/sq8.h), or floats where that is too coarse.  The exact distance of
 * the SQL operator decides the order of results.  Cosine distance is the
 * squared L2 distance of the normalized vectors, halved, so its codes are L2
 * codes of points on the unit sphere; but for codes of sparse vectors, whose
 * distances are the operator's.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "distance/distance.h"
#include "index/coder.h"
#include "types/bitvec.h"
#include "types/float_array.h"

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

uint32
coder_code_bytes(CodeKind kind, uint32 dimensions)
{
	switch (kind)
	{
		case CODE_FLOAT:
			return sizeof(float) * dimensions;
		case CODE_BITS:
			return INTALIGN((dimensions + 7) / 8);
		case CODE_SPARSE:
			return 0;
		case CODE_RABITQ_4:
		case CODE_RABITQ_2:
		case CODE_RABITQ_1:
			return INTALIGN(
				EXRABITQ_CODE_BYTES(coder_coarse_bits(kind), dimensions));
		case CODE_SQ8_UPPER:
			return INTALIGN(SQ8_UPPER_BYTES(dimensions));
		case CODE_SQ8:
			break;
	}
	return INTALIGN(SQ8_CODE_BYTES(dimensions));
}

bool
coder_kind_fits(CodeKind kind, VectorValueKind value_kind)
{
	switch (value_kind)
	{
		case VALUE_FLOATS:
			return kind == CODE_SQ8 || kind == CODE_FLOAT ||
				   coder_coarse_bits(kind) > 0;
		case VALUE_BITS:
			return kind == CODE_BITS;
		case VALUE_SPARSE:
			break;
	}
	return kind == CODE_SPARSE;
}

void
coder_init(VectorCoder *coder, const VectorOpclass *opclass, uint32 dimensions,
		   uint64 seed, CodeEncoding encoding)
{
	coder->opclass = *opclass;
	coder->encoding = encoding;
	coder->dimensions = dimensions;
	coder->seed = seed;
	coder->normalize = opclass->metric == METRIC_COSINE;
	coder->coarse_bits = coder_coarse_bits(encoding.kind);
	coder->rounding = OPERATOR_ROUNDING;
	if (encoding.kind == CODE_BITS)
		coder->rounding = opclass->metric == METRIC_JACCARD ? FLOAT_ROUNDING
															: 0;
	else if (encoding.kind == CODE_FLOAT && opclass->type->exact_floats &&
			 !coder->normalize)
		coder->rounding = FLOAT_ROUNDING;
	else if (encoding.kind == CODE_SPARSE)
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
			coder->metric = SQ8_L2;
			coder->coarse_metric = RABITQ_L2;
			break;
		case METRIC_COSINE:
			coder->metric = SQ8_L2;
			coder->coarse_metric = RABITQ_UNIT;
			break;
		case METRIC_IP:
			coder->metric = SQ8_IP;
			coder->coarse_metric = RABITQ_IP;
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
	double square = distance_kernels->square_f32(in, dim);

	if (square == 0)
		return false;

	distance_kernels->scale_f32(in, 1 / sqrt(square), out, dim);
	return true;
}

double
coder_rotate(const Rotation *rotation, float *x)
{
	float norm_squared;

	rotation_apply(rotation, x, x);
	norm_squared = distance_kernels->dot_f32(x, x, rotation->dim);
	if (likely(isfinite(norm_squared)))
		return ROTATION_ROUNDING * sqrt(norm_squared);

	/* what became of infinities must be as far away as they are */
	for (uint32 i = 0; i < rotation->dim; i++)
		x[i] = isnan(x[i]) ? FLT_MAX : Max(Min(x[i], FLT_MAX), -FLT_MAX);
	return INFINITY;
}

const float *
coder_floats(const VectorCoder *coder, const void *value, float *work,
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
		*loss = coder_rotate(&coder->rotation, work);
		x = work;
	}
	return x;
}

void
coder_encode_floats(const VectorCoder *coder, const float *x, double loss,
					VectorCode *code)
{
	Sq8Code *sq8 = (Sq8Code *) code;

	Assert(coder->encoding.kind != CODE_SQ8_UPPER);
	if (coder->encoding.kind == CODE_FLOAT)
	{
		memcpy(code, x, sizeof(float) * coder->dimensions);
		return;
	}
	if (coder->coarse_bits > 0)
	{
		exrabitq_encode(coder->coarse_bits, x, coder->dimensions,
						(ExRabitqCode *) code);
		return;
	}
	sq8_encode(coder->metric, x, coder->dimensions, sq8);
	sq8->residual = Min(sq8->residual + loss, FLT_MAX);
}

bool
coder_encode(VectorCoder *coder, const void *value, VectorCode *code)
{
	const VectorTypeInfo *type = coder->opclass.type;
	const float			 *x;
	double				  loss;

	switch (type->kind)
	{
		case VALUE_BITS:
			memcpy(code, type->bits(value), (coder->dimensions + 7) / 8);
			return true;
		case VALUE_SPARSE:
			return sparse_code_encode(coder->opclass.metric,
									  type->sparse(value),
									  (SparseCode *) code);
		case VALUE_FLOATS:
			break;
	}
	x = coder_floats(coder, value, coder->floats, &loss);
	if (x == NULL)
		return false;
	coder_encode_floats(coder, x, loss, code);
	return true;
}

uint32
coder_encoded_bytes(const VectorCoder *coder, const void *value)
{
	if (coder->encoding.kind == CODE_SPARSE)
		return SPARSE_CODE_BYTES(coder->opclass.type->sparse(value).count);
	return coder_code_bytes(coder->encoding.kind, coder->dimensions);
}

uint32
coder_code_length(const VectorCoder *coder, const VectorCode *code)
{
	if (coder->encoding.kind == CODE_SPARSE)
		return SPARSE_CODE_BYTES(((const SparseCode *) code)->count);
	return coder_code_bytes(coder->encoding.kind, coder->dimensions);
}

const char *
coder_check_code(const VectorCoder *coder, const VectorCode *code)
{
	switch (coder->encoding.kind)
	{
		case CODE_SQ8:
			return sq8_check((const Sq8Code *) code, coder->dimensions);
		case CODE_SPARSE:
			return sparse_code_check((const SparseCode *) code,
									 coder->dimensions);
		case CODE_RABITQ_4:
		case CODE_RABITQ_2:
		case CODE_RABITQ_1:
			return exrabitq_check(coder->coarse_bits,
								  (const ExRabitqCode *) code,
								  coder->dimensions);
		case CODE_SQ8_UPPER:
			return sq8_upper_check((const Sq8Upper *) code, coder->dimensions);
		case CODE_FLOAT:
		case CODE_BITS:
			break;
	}
	return NULL;
}

bool
coder_codes_equal(const VectorCoder *coder, const VectorCode *a,
				  const VectorCode *b)
{
	uint32 bytes = coder_code_length(coder, a);

	return coder_code_length(coder, b) == bytes && memcmp(a, b, bytes) == 0;
}

/*
 * How far apart vectors of alike codes may be, as a part of their length: some levels
 * of those that a vector of a few dozen dimensions has.
 */
static double
rounding_of_levels(CodeKind kind)
{
	switch (kind)
	{
		case CODE_FLOAT:
			return 1e-5;
		case CODE_SQ8:
			return 0.01;
		case CODE_RABITQ_4:
		case CODE_SQ8_UPPER:
			return 0.1;
		case CODE_RABITQ_2:
			return 0.3;
		case CODE_RABITQ_1:
			return 0.5;
		case CODE_BITS:
		case CODE_SPARSE:
			break;
	}
	return 0;
}

bool
coder_codes_alike(const VectorCoder *coder, const VectorCode *a,
				  const VectorCode *b)
{
	double part = rounding_of_levels(coder->encoding.kind);
	float *x;
	float *y;
	double apart = 0;
	double square = 0;

	if (coder_codes_equal(coder, a, b))
		return true;
	if (part == 0)
		return false;

	x = palloc(sizeof(float) * coder->dimensions);
	y = palloc(sizeof(float) * coder->dimensions);
	coder_decode(coder, a, x);
	coder_decode(coder, b, y);
	for (uint32 i = 0; i < coder->dimensions; i++)
	{
		apart += ((double) x[i] - y[i]) * ((double) x[i] - y[i]);
		square += (double) y[i] * y[i];
	}
	pfree(x);
	pfree(y);
	return apart <= part * part * square;
}

void
coder_decode(const VectorCoder *coder, const VectorCode *code, float *x)
{
	if (coder->encoding.kind == CODE_FLOAT)
		memcpy(x, code, sizeof(float) * coder->dimensions);
	else if (coder->encoding.kind == CODE_SQ8_UPPER)
		sq8_upper_decode((const Sq8Upper *) code, coder->dimensions, x);
	else if (coder->coarse_bits > 0)
		exrabitq_decode(coder->coarse_bits, (const ExRabitqCode *) code,
						coder->dimensions, x);
	else
		sq8_decode((const Sq8Code *) code, coder->dimensions, x);
}

float
coder_bits_distance(const VectorCoder *coder, const uint8 *a, const uint8 *b)
{
	if (coder->opclass.metric == METRIC_HAMMING)
		return bit_hamming_distance_raw(a, b, coder->dimensions);
	return bit_jaccard_distance_raw(a, b, coder->dimensions);
}

/* Where floats overflow, as the operator has it: the true one may be finite. */
static double
double_distance(const VectorCoder *coder, const float *a, const float *b)
{
	switch (coder->metric)
	{
		case SQ8_L2:
			return sqrt(float_array_l2sq(a, b, coder->dimensions));
		case SQ8_IP:
			return -float_array_dot(a, b, coder->dimensions);
		case SQ8_L1:
			return float_array_l1(a, b, coder->dimensions);
	}
	pg_unreachable();
}

float
coder_float_distance(const VectorCoder *coder, const float *a, const float *b)
{
	float  distance = 0;
	double in_range;

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
	if (likely(isfinite(distance)))
		return distance;
	in_range = double_distance(coder, a, b);
	return Max(Min(in_range, FLT_MAX), -FLT_MAX);
}

void
coder_query_init_from_floats(CoderQuery *query, const VectorCoder *coder,
							 const float *x, double loss)
{
	int16 *levels;

	query->deviations = 0;
	query->coder = coder;
	query->value = NULL;
	query->floats = x;
	query->loss = loss;
	if (coder->encoding.kind == CODE_FLOAT)
		return;

	levels = palloc(sizeof(int16) * coder->dimensions);
	if (coder->coarse_bits > 0 && coder->encoding.kind != CODE_SQ8_UPPER)
	{
		exrabitq_prepare_query(&query->rabitq, coder->coarse_metric,
							   coder->coarse_bits, x, coder->dimensions,
							   levels);
		query->rabitq.values.residual += loss;
		return;
	}
	sq8_prepare_query(coder->metric, x, coder->dimensions, levels,
					  &query->sq8);
	query->sq8.residual += loss;
	if (coder->encoding.kind == CODE_SQ8_UPPER)
		sq8_prepare_for_halves(&query->sq8, palloc(2 * coder->dimensions));
}

/* The same for bits. */
static void
prepare_bits_query(CoderQuery *query, const VectorCoder *coder,
				   const uint8 *bits)
{
	query->coder = coder;
	query->bits = bits != NULL ? bits : palloc0((coder->dimensions + 7) / 8);
}

/* The same for a sparse code; NULL: one without elements. */
static void
prepare_sparse_query(CoderQuery *query, const VectorCoder *coder,
					 const SparseCode *code)
{
	query->coder = coder;
	sparse_code_query_init(&query->sparse, code);
}

void
coder_query_init(CoderQuery *query, VectorCoder *coder, const void *value)
{
	float		*work;
	const float *x;
	double		 loss = 0;

	if (coder->encoding.kind == CODE_BITS)
	{
		query->value = value;
		prepare_bits_query(query, coder,
						   value == NULL ? NULL
										 : coder->opclass.type->bits(value));
		return;
	}
	if (coder->encoding.kind == CODE_SPARSE)
	{
		VectorCode *code = NULL;

		if (value != NULL)
		{
			code = palloc0(coder_encoded_bytes(coder, value));
			if (!coder_encode(coder, value, code))
				code = NULL;
		}
		query->value = code == NULL ? NULL : value;
		prepare_sparse_query(query, coder, (SparseCode *) code);
		return;
	}

	work = palloc0(sizeof(float) * coder->dimensions);
	x = value == NULL ? NULL : coder_floats(coder, value, work, &loss);
	/* without an order any query serves to walk the graph */
	coder_query_init_from_floats(query, coder, x == NULL ? work : x, loss);
	query->value = x == NULL ? NULL : value;
}

void
coder_query_init_from_code(CoderQuery *query, const VectorCoder *coder,
						   const VectorCode *code)
{
	uint32 bytes = coder_code_length(coder, code);
	void  *copy;

	query->value = NULL;
	if (coder->opclass.type->kind == VALUE_FLOATS)
	{
		copy = palloc(sizeof(float) * coder->dimensions);
		coder_decode(coder, code, copy);
		coder_query_init_from_floats(query, coder, copy, 0);
		return;
	}

	copy = palloc(bytes);
	memcpy(copy, code, bytes);
	if (coder->encoding.kind == CODE_BITS)
		prepare_bits_query(query, coder, copy);
	else
		prepare_sparse_query(query, coder, copy);
}

void
coder_query_set_deviations(CoderQuery *query, float deviations)
{
	query->deviations = query->coder->encoding.rotated ? deviations : 0;
}

/* ------------------------------------------------------------------------
 * Choice of the encoding
 * ------------------------------------------------------------------------
 */

/* Are 8-bit codes of all values exact, but for rounding? */
static bool
is_lossless(VectorCoder *coder, const void *const *values, int count)
{
	Sq8Code *code = palloc(coder_code_bytes(CODE_SQ8, coder->dimensions));

	for (int i = 0; i < count; i++)
	{
		double		 loss;
		const float *x = coder_floats(coder, values[i], coder->floats, &loss);

		if (x == NULL)
			continue;
		coder_encode_floats(coder, x, loss, (VectorCode *) code);
		if (code->residual >
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
relative_loss(VectorCoder *coder, const void *const *values, int count)
{
	uint32	 dimensions = coder->dimensions;
	Sq8Code *code = palloc(coder_code_bytes(CODE_SQ8, dimensions));
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
		const float *x = coder_floats(coder, values[i], coder->floats, &loss);

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

CodeEncoding
coder_choose_encoding(const VectorOpclass *opclass, uint32 dimensions,
					  uint64 seed, const void *const *values, int count,
					  uint32 max_code_bytes)
{
	CodeEncoding bits = {CODE_BITS, false};
	CodeEncoding floats = {CODE_FLOAT, false};
	CodeEncoding plain = {CODE_SQ8, false};
	CodeEncoding rotated = {CODE_SQ8, opclass->metric != METRIC_L1};
	CodeEncoding sparse = {CODE_SPARSE, false};
	VectorCoder	 coder;

	if (opclass->type->kind == VALUE_SPARSE)
		return sparse;
	if (opclass->type->kind == VALUE_BITS)
		return bits;
	if (dimensions <= MAX_SMALL_DIMENSIONS)
		return floats;
	if (count == 0)
		return rotated;

	coder_init(&coder, opclass, dimensions, seed, plain);
	if (is_lossless(&coder, values, count))
		return plain;
	coder_init(&coder, opclass, dimensions, seed, rotated);
	if (relative_loss(&coder, values, count) > MAX_RELATIVE_LOSS &&
		coder_code_bytes(CODE_FLOAT, dimensions) <= max_code_bytes)
		return floats;
	return rotated;
}

/* ------------------------------------------------------------------------
 * Exact distances and their bounds
 * ------------------------------------------------------------------------
 */

void
coder_check_dimensions(const VectorCoder *coder, const void *value)
{
	int dimensions = coder->opclass.type->dimensions(value);

	if (dimensions != (int) coder->dimensions)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different %s %d and %u", coder->opclass.type->measure,
						dimensions, coder->dimensions)));
}

uint64
coder_value_hash(const VectorCoder *coder, const void *value)
{
	return coder->opclass.type->hash(value, coder->seed);
}

double
coder_exact_distance(const CoderQuery *query, const void *value)
{
	const VectorOpclass *opclass = &query->coder->opclass;

	return opclass->type->distance(opclass->metric, query->value, value);
}

/*
 * The operator's distance, without its rounding, from that of the codes: half
 * the squared chord is the cosine distance.  Sparse codes give it as it is.
 */
static inline double
operator_distance(const VectorCoder *coder, double code_distance)
{
	if (coder->opclass.metric == METRIC_COSINE &&
		coder->encoding.kind != CODE_SPARSE)
		return code_distance > 0 ? code_distance * code_distance / 2 : 0;
	return code_distance;
}

/* How far the operator's own result may be off; 1 - x rounds like 1. */
static inline double
operator_rounding(const VectorCoder *coder, double distance)
{
	if (coder->opclass.metric == METRIC_COSINE)
		return coder->rounding;
	return fabs(distance) * coder->rounding;
}

double
coder_lower_bound(const VectorCoder *coder, float estimate, float error)
{
	/* an estimate at the end of its range may be of anything beyond */
	double bound = estimate <= -FLT_MAX
					   ? -INFINITY
					   : operator_distance(coder, (double) estimate - error);

	return bound - operator_rounding(coder, bound);
}

double
coder_upper_bound(const VectorCoder *coder, float estimate, float error)
{
	double bound = estimate >= FLT_MAX
					   ? INFINITY
					   : operator_distance(coder, (double) estimate + error);

	return bound + operator_rounding(coder, bound);
}
