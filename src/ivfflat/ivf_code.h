/*
 * ivf_code.h
 *		What ivfflat makes of a value: a point that lists are chosen by, a fine
 *		code, and a coarse code relative to a centroid.
 *
 * Knows nothing of pages.  Points are floats in list space, which is the space
 * of fine codes, rotated if there are coarse codes; or bits.
 */
#ifndef IVF_CODE_H
#define IVF_CODE_H

#include "index/coder.h"
#include "quantize/rabitq.h"

typedef struct IvfCoder
{
	VectorCoder	 fine;
	bool		 coarse;   /* are there coarse codes? */
	bool		 rotates;  /* is list space rotated against that of codes? */
	Rotation	 rotation; /* if so */
	RabitqMetric coarse_metric;
	uint32		 code_bytes;
	Size		 point_bytes;
} IvfCoder;

/* Set up; allocates in the current memory context. */
extern void ivf_coder_init(IvfCoder *coder, const VectorOpclass *opclass,
						   uint32 dimensions, uint64 seed,
						   CodeEncoding encoding);

/*
 * The same as another coder, with the signs of its rotation from elsewhere:
 * these are copied, ROTATION_SIGN_BYTES(dimensions), if it has a rotation.
 */
extern void			ivf_coder_copy(IvfCoder *coder, const IvfCoder *from,
								   const uint8 *signs);
extern const uint8 *ivf_coder_signs(const IvfCoder *coder);

/*
 * The encoding for vectors like these.  code_bits, 8 or 4, is for those that 8
 * bits tell apart and that have coarse codes; it is 4 where 8 bits are too much
 * for a page.
 */
extern CodeEncoding ivf_choose_encoding(const VectorOpclass *opclass,
										uint32 dimensions, uint64 seed,
										uint32			   code_bits,
										const void *const *values, int count);

/*
 * Does that encoding have coarse codes, and how many bytes is a block of them?
 */
extern bool	  ivf_has_coarse(CodeEncoding encoding, uint32 dimensions);
extern uint32 ivf_block_bytes(CodeEncoding encoding, VectorMetric metric,
							  uint32 dimensions);

/*
 * The point of a value.  False if the value is not indexed: under cosine a zero
 * vector has no direction.  `code`, unless NULL, gets its fine code.
 */
extern bool ivf_encode(const IvfCoder *coder, const void *value, char *point,
					   VectorCode *code);

/* The point that a fine code stands for. */
extern void ivf_decode(const IvfCoder *coder, const VectorCode *code,
					   char *point);

/* Centroids are kept as codes of points; the same there and back. */
extern void ivf_encode_centroid(const IvfCoder *coder, const char *point,
								VectorCode *code);
extern void ivf_decode_centroid(const IvfCoder *coder, const VectorCode *code,
								char *point);

/*
 * Put the coarse code of a point relative to a centroid into a lane.  loss: how
 * far the point may be from the vector's.
 */
static inline void
ivf_coarse_encode(const IvfCoder *coder, const char *centroid,
				  const char *point, float loss, char *block, uint32 lane)
{
	rabitq_set(coder->coarse_metric, (const float *) point,
			   (const float *) centroid, coder->fine.dimensions, block, lane);
	if (loss > 0)
		rabitq_doubt(coder->coarse_metric, block, lane, loss);
}

/* How far what ivf_decode makes of a code may be from the vector. */
extern float ivf_decoding_loss(const IvfCoder *coder, const VectorCode *code);

/*
 * Bounds of the distance between the query's value and that of a code, by the
 * operator.
 */
extern void ivf_query_bounds(const CoderQuery *query, const VectorCode *code,
							 double *lower, double *upper);

/*
 * A point to compare centroids with: by the metric of the index, as a scan
 * does, or by the distance in list space, as one chooses the list of an entry.
 */
typedef struct IvfListQuery
{
	const IvfCoder *coder;
	bool			by_inner_product;
	const char	   *point;
	double			norm;	/* of the point; only by_inner_product */
	Sq8Query		sq8;	/* CODE_SQ8 */
	ExRabitqQuery	rabitq; /* CODE_RABITQ_4 */
} IvfListQuery;

/* The point stays where it is.  Allocates in the current memory context. */
extern void ivf_list_query_init(IvfListQuery *query, const IvfCoder *coder,
								const char *point, bool for_scan);

/*
 * Both queries of a scan; value is kept by reference.  NULL, or a zero vector
 * under cosine, gives no order.  Allocates in the current memory context.
 */
extern void ivf_query_init(IvfCoder *coder, const void *value,
						   CoderQuery *query, IvfListQuery *list_query);

/* Smaller is nearer.  Never NaN. */
extern float ivf_list_distance(const IvfListQuery *query,
							   const VectorCode	  *centroid);

/*
 * How much farther a list is than the nearest one: the difference of their
 * distances.  Of inner products, as if the query had length 1.
 */
extern double ivf_list_gap(const IvfListQuery *query, float nearest,
						   float distance);

#endif /* IVF_CODE_H */
