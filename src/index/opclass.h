/*
 * opclass.h
 *		What an operator class of either access method stands for: the type of
 *		the values, and the metric.
 */
#ifndef INDEX_OPCLASS_H
#define INDEX_OPCLASS_H

#include "distance/distance.h"
#include "utils/rel.h"

/* Stored in metapages: do not renumber. */
typedef enum VectorMetric
{
	METRIC_L2 = 1,
	METRIC_IP = 2,
	METRIC_COSINE = 3,
	METRIC_L1 = 4,
	METRIC_HAMMING = 5,
	METRIC_JACCARD = 6
} VectorMetric;

typedef enum VectorValueKind
{
	VALUE_FLOATS, /* vectors of numbers: codes are made from floats */
	VALUE_BITS,	  /* bit strings */
	VALUE_SPARSE  /* vectors of numbers, mostly zero */
} VectorValueKind;

/* How to read values of a type.  Values are detoasted. */
typedef struct VectorTypeInfo
{
	const char	   *name;	 /* for messages, "vector" */
	const char	   *measure; /* for messages, "vector dimensions" */
	VectorValueKind kind;

	/* number of dimensions, or bits */
	int (*dimensions)(const void *value);

	/*
	 * VALUE_FLOATS: the elements as floats, in the value itself or in buffer;
	 * and whether the operators add up the same floats in the same order.
	 */
	const float *(*floats)(const void *value, float *buffer);
	bool exact_floats;

	/* VALUE_FLOATS: bytes of a value */
	Size (*value_bytes)(uint32 dimensions);

	/* VALUE_BITS: the bits, the last byte filled up with zeros */
	const uint8 *(*bits)(const void *value);

	/* VALUE_SPARSE: the elements, in the value itself */
	SparseArray (*sparse)(const void *value);

	/* exact distance, bit for bit that of the SQL operator */
	double (*distance)(VectorMetric metric, const void *a, const void *b);

	/* hash of the value such that equal values have equal hashes */
	uint64 (*hash)(const void *value, uint64 seed);
} VectorTypeInfo;

typedef struct VectorOpclass
{
	const VectorTypeInfo *type;
	VectorMetric		  metric;
} VectorOpclass;

/*
 * Look up the operator class of an index's first column by its support
 * functions.  ERRCODE_FEATURE_NOT_SUPPORTED if it is not one of ours.
 */
extern void vector_opclass_lookup(Relation index, VectorOpclass *opclass);

/*
 * Raise ERRCODE_FEATURE_NOT_SUPPORTED if the operator class orders by another
 * operator than its distance function stands for.  For builds.
 */
extern void vector_opclass_check_operator(Relation index);

/*
 * Support functions of both access methods' operator classes.  ivfflat has two
 * more in between, a distance and a norm for k-means, and the type is the
 * fifth; they are there for the catalog's sake.
 */
#define VECTOR_DISTANCE_PROC 1
#define VECTOR_NORM_PROC	 2
#define VECTOR_TYPE_PROC	 3

typedef enum VectorSupportFunction
{
	SUPPORT_DISTANCE, /* (type, type) -> float8 */
	SUPPORT_NORM,	  /* (type) -> float8 */
	SUPPORT_TYPE	  /* (internal) -> internal */
} VectorSupportFunction;

/*
 * amvalidate of an access method with those support functions, from 1 on.
 */
extern bool vector_opclass_validate(Oid opclass_oid, const char *method,
									const VectorSupportFunction *functions,
									int num_functions);

#endif /* INDEX_OPCLASS_H */
