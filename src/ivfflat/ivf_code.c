/*
 * ivf_code.c
 *		What ivfflat makes of a value.
 *
 * Lists are chosen by the Euclidean distance between points and centroids
 * under all metrics of vectors: under cosine of normalized vectors, and under
 * inner product of the vectors as they are, so that rows of a list have about
 * the same length, and a scan finds the lists of long rows in its direction by
 * their centroids' inner products.
 */
#include "postgres.h"

#include "distance/distance.h"
#include "ivfflat/ivf_code.h"
#include "ivfflat/ivf_format.h"

/*
 * With fewer dimensions the factors of coarse codes are as large as fine codes,
 * and their bounds too loose to spare many of these.
 */
#define MIN_COARSE_DIMENSIONS 64

CodeEncoding
ivf_choose_encoding(const VectorOpclass *opclass, uint32 dimensions,
					uint64 seed, uint32 code_bits, const void *const *values,
					int count)
{
	CodeEncoding small = {CODE_RABITQ_4, true};
	CodeEncoding encoding;

	StaticAssertStmt(EXRABITQ_CODE_BYTES(4, IVF_MAX_DIMENSIONS) <=
						 IVF_MAX_CODE_BYTES,
					 "codes of the most dimensions must fit a page");
	if (opclass->type->kind == VALUE_FLOATS &&
		dimensions > IVF_MAX_SQ8_DIMENSIONS)
		return small;
	encoding = coder_choose_encoding(opclass, dimensions, seed, values, count,
									 IVF_MAX_CODE_BYTES);
	return encoding.kind == CODE_SQ8 && code_bits == 4 &&
				   ivf_has_coarse(small, dimensions)
			   ? small
			   : encoding;
}

bool
ivf_has_coarse(CodeEncoding encoding, uint32 dimensions)
{
	return (encoding.kind == CODE_SQ8 || encoding.kind == CODE_RABITQ_4) &&
		   dimensions >= MIN_COARSE_DIMENSIONS;
}

static RabitqMetric
coarse_metric(VectorMetric metric)
{
	switch (metric)
	{
		case METRIC_IP:
			return RABITQ_IP;
		case METRIC_COSINE:
			return RABITQ_UNIT;
		default:
			return RABITQ_L2;
	}
}

uint32
ivf_block_bytes(CodeEncoding encoding, VectorMetric metric, uint32 dimensions)
{
	if (!ivf_has_coarse(encoding, dimensions))
		return 0;
	return RABITQ_BLOCK_BYTES(coarse_metric(metric), dimensions);
}

void
ivf_coder_init(IvfCoder *coder, const VectorOpclass *opclass,
			   uint32 dimensions, uint64 seed, CodeEncoding encoding)
{
	coder_init(&coder->fine, opclass, dimensions, seed, encoding);
	coder->coarse = ivf_has_coarse(encoding, dimensions);
	coder->coarse_metric = coarse_metric(opclass->metric);
	coder->rotates = coder->coarse && !encoding.rotated;
	if (coder->rotates)
		rotation_init(&coder->rotation, dimensions, seed,
					  palloc(ROTATION_SIGN_BYTES(dimensions)));
	coder->code_bytes = coder_code_bytes(encoding.kind, dimensions);
	coder->point_bytes = encoding.kind == CODE_BITS
							 ? coder->code_bytes
							 : sizeof(float) * dimensions;
}

/* Signs of a rotation that there is one of, for all of a coder; or NULL. */
const uint8 *
ivf_coder_signs(const IvfCoder *coder)
{
	if (coder->rotates)
		return coder->rotation.signs;
	return coder->fine.encoding.rotated ? coder->fine.rotation.signs : NULL;
}

void
ivf_coder_copy(IvfCoder *coder, const IvfCoder *from, const uint8 *signs)
{
	uint32 dimensions = from->fine.dimensions;
	uint8 *copy = NULL;

	*coder = *from;
	if (coder->fine.floats != NULL)
		coder->fine.floats = palloc(sizeof(float) * dimensions);
	if (coder->rotates || coder->fine.encoding.rotated)
	{
		copy = palloc(ROTATION_SIGN_BYTES(dimensions));
		memcpy(copy, signs, ROTATION_SIGN_BYTES(dimensions));
	}
	coder->rotation.signs = coder->fine.rotation.signs = copy;
}

bool
ivf_encode(const IvfCoder *coder, const void *value, char *point,
		   VectorCode *code)
{
	const VectorCoder *fine = &coder->fine;
	float			  *floats = (float *) point;
	const float		  *x;
	double			   loss;

	if (fine->encoding.kind == CODE_BITS)
	{
		const uint8 *bits = fine->opclass.type->bits(value);
		uint32		 bytes = (fine->dimensions + 7) / 8;

		memset(point, 0, coder->point_bytes);
		memcpy(point, bits, bytes);
		if (code != NULL)
			memcpy(code, point, coder->code_bytes);
		return true;
	}

	x = coder_floats(fine, value, floats, &loss);
	if (x == NULL)
		return false;
	if (code != NULL)
		coder_encode_floats(fine, x, loss, code);
	if (x != floats)
		memcpy(floats, x, coder->point_bytes);
	if (coder->rotates)
		(void) coder_rotate(&coder->rotation, floats);
	return true;
}

void
ivf_decode(const IvfCoder *coder, const VectorCode *code, char *point)
{
	ivf_decode_centroid(coder, code, point);
	if (coder->rotates)
		(void) coder_rotate(&coder->rotation, (float *) point);
}

float
ivf_decoding_loss(const IvfCoder *coder, const VectorCode *code)
{
	const ExRabitqCode *rabitq = (const ExRabitqCode *) code;

	if (coder->fine.encoding.kind == CODE_SQ8)
		return ((const Sq8Code *) code)->residual;
	if (coder->fine.encoding.kind == CODE_RABITQ_4)
		return exrabitq_loss(rabitq);
	return 0;
}

void
ivf_query_bounds(const CoderQuery *query, const VectorCode *code,
				 double *lower, double *upper)
{
	const VectorCoder *coder = query->coder;
	float			   distance;
	float			   error;

	if (coder->encoding.kind == CODE_RABITQ_4)
	{
		(void) exrabitq_query_distance(&query->rabitq,
									   (const ExRabitqCode *) code, &distance);
		*lower = coder_lower_bound(coder, distance, 0);
		*upper = INFINITY;
		return;
	}
	distance = coder_query_distance(query, code, INFINITY, &error);
	*lower = coder_lower_bound(coder, distance, error);
	*upper = coder_upper_bound(coder, distance, error);
}

void
ivf_encode_centroid(const IvfCoder *coder, const char *point, VectorCode *code)
{
	if (coder->fine.encoding.kind == CODE_BITS)
		memcpy(code, point, coder->code_bytes);
	else
		coder_encode_floats(&coder->fine, (const float *) point, 0, code);
}

void
ivf_decode_centroid(const IvfCoder *coder, const VectorCode *code, char *point)
{
	if (coder->fine.encoding.kind == CODE_BITS)
		memcpy(point, code, coder->code_bytes);
	else
		coder_decode(&coder->fine, code, (float *) point);
}

/* All but the code of the point. */
static void
init_list_query(IvfListQuery *query, const IvfCoder *coder, const char *point,
				bool for_scan)
{
	const float *floats = (const float *) point;

	query->coder = coder;
	query->by_inner_product = for_scan &&
							  coder->fine.opclass.metric == METRIC_IP;
	query->point = point;
	query->norm = 0;
	if (query->by_inner_product)
		query->norm = sqrt(
			distance_kernels->dot_f32(floats, floats, coder->fine.dimensions));
}

void
ivf_list_query_init(IvfListQuery *query, const IvfCoder *coder,
					const char *point, bool for_scan)
{
	const VectorCoder *fine = &coder->fine;

	init_list_query(query, coder, point, for_scan);
	if (fine->encoding.kind == CODE_SQ8)
		sq8_prepare_query(query->by_inner_product ? SQ8_IP : SQ8_L2,
						  (const float *) point, fine->dimensions,
						  palloc(sizeof(int16) * fine->dimensions),
						  &query->sq8);
	else if (fine->encoding.kind == CODE_RABITQ_4)
		exrabitq_prepare_query(&query->rabitq,
							   query->by_inner_product ? RABITQ_IP : RABITQ_L2,
							   fine->coarse_bits, (const float *) point,
							   fine->dimensions,
							   palloc(sizeof(int16) * fine->dimensions));
}

void
ivf_query_init(IvfCoder *coder, const void *value, CoderQuery *query,
			   IvfListQuery *list_query)
{
	char *point;

	coder_query_init(query, &coder->fine, value);
	coder_query_set_deviations(query, CODER_LIKELY_DEVIATIONS);
	query->rabitq.epsilon = CODER_LIKELY_DEVIATIONS;
	if (query->value != NULL && !coder->rotates &&
		coder->fine.encoding.kind == CODE_SQ8)
	{
		/* list space is that of the codes */
		init_list_query(list_query, coder, (const char *) query->floats, true);
		list_query->sq8 = query->sq8;
		return;
	}
	point = palloc0(coder->point_bytes);
	if (query->value != NULL)
		(void) ivf_encode(coder, query->value, point, NULL);
	ivf_list_query_init(list_query, coder, point, true);
}

float
ivf_list_distance(const IvfListQuery *query, const VectorCode *centroid)
{
	const VectorCoder *fine = &query->coder->fine;
	const float		  *a = (const float *) query->point;
	const float		  *b = (const float *) centroid;
	float			   distance;

	switch (fine->encoding.kind)
	{
		case CODE_SQ8:
			return sq8_query_distance(&query->sq8, (const Sq8Code *) centroid);
		case CODE_RABITQ_4:
			return exrabitq_query_distance(&query->rabitq,
										   (const ExRabitqCode *) centroid,
										   NULL);
		case CODE_BITS:
			return coder_bits_distance(fine, (const uint8 *) query->point,
									   (const uint8 *) centroid);
		default: /* CODE_FLOAT */
			break;
	}
	distance = query->by_inner_product
				   ? -distance_kernels->dot_f32(a, b, fine->dimensions)
				   : distance_kernels->l2sq_f32(a, b, fine->dimensions);
	return isnan(distance) ? FLT_MAX : Max(Min(distance, FLT_MAX), -FLT_MAX);
}

double
ivf_list_gap(const IvfListQuery *query, float nearest, float distance)
{
	double gap = (double) distance - nearest;

	if (query->by_inner_product)
		return query->norm > 0 ? gap / query->norm : 0;
	/* those of floats are squares */
	if (query->coder->fine.encoding.kind == CODE_FLOAT)
		return sqrt(Max(distance, 0)) - sqrt(Max(nearest, 0));
	return gap;
}
