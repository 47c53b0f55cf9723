/*
 * hnsw_inline.c
 *		Inline codes: those of an element's neighbours, in the slot of its list.
 *
 * What an inline code says follows from the codes of the two elements alone, and
 * these do not change as long as there is an edge between them.  So it is
 * computed before the list is locked (rule L2), and written with the edge.
 */
#include "postgres.h"

#include "hnsw/hnsw.h"
#include "hnsw/hnsw_inline.h"

/* What encoding takes, kept with the index. */
struct HnswInlineCoder
{
	Rotation	   rotation; /* of vectors whose codes are not rotated */
	HnswCodeBuffer code;
	float		  *node;
	float		  *neighbour;
};

struct HnswInlineCodes
{
	uint32		  code_bytes;
	RelativeCode *first; /* the others follow it */
};

static inline RelativeCode *
code_of_edge(const HnswInlineCodes *codes, uint32 i)
{
	return (RelativeCode *) ((char *) codes->first +
							 (Size) codes->code_bytes * i);
}

static inline RabitqMetric
inline_metric(const HnswIndex *index)
{
	return index->coder.codes.metric == SQ8_IP ? RABITQ_IP : RABITQ_L2;
}

/* The block of a lane; lanes are numbered on over all blocks of a slot. */
static inline void *
block_of_lane(const HnswIndex *index, const HnswList *slot, uint32 lane)
{
	return (char *) slot + index->geometry.inline_offset +
		   RELATIVE_BLOCK_BYTES(index->dimensions) * (lane / RABITQ_BLOCK);
}

/* ------------------------------------------------------------------------
 * Queries
 * ------------------------------------------------------------------------
 */

/* Vectors are relative to each other as rotated ones. */
static void
rotate(const HnswIndex *index, const Rotation *rotation, float *x)
{
	if (!index->coder.encoding.code.rotated)
		(void) coder_rotate(rotation, x);
}

static void
init_rotation(const HnswIndex *index, Rotation *rotation)
{
	rotation_init(rotation, index->dimensions, index->seed,
				  palloc(ROTATION_SIGN_BYTES(index->dimensions)));
}

RelativeQuery *
hnsw_inline_query(HnswIndex *index, const HnswQuery *query)
{
	RelativeQuery *result = palloc(sizeof(RelativeQuery));
	float		  *x = palloc(sizeof(float) * index->dimensions);

	memcpy(x, query->codes.floats, sizeof(float) * index->dimensions);
	if (!index->coder.encoding.code.rotated)
	{
		Rotation rotation;

		init_rotation(index, &rotation);
		rotate(index, &rotation, x);
		pfree(unconstify(uint8 *, rotation.signs));
	}
	relative_query_init(result, inline_metric(index), x, index->dimensions,
						palloc(RELATIVE_QUERY_BYTES(index->dimensions)));
	pfree(x);
	return result;
}

uint32
hnsw_inline_score(HnswIndex *index, const RelativeQuery *query,
				  HnswElement element, float distance, uint32 *edges,
				  float *estimates)
{
	Buffer			buffer;
	const HnswList *list = hnsw_lock_list(index, element, 0, &buffer);
	uint32			count = list->count;

	memcpy(edges, list->edges, sizeof(uint32) * count);
	for (uint32 lane = 0; lane < count; lane += RABITQ_BLOCK)
		relative_score(query, block_of_lane(index, list, lane), distance,
					   estimates + lane);
	UnlockReleaseBuffer(buffer);
	return count;
}

/* ------------------------------------------------------------------------
 * Encoding
 * ------------------------------------------------------------------------
 */

static HnswInlineCoder *
inline_coder(HnswIndex *index)
{
	MemoryContext	 old_context;
	HnswInlineCoder *coder = index->inline_coder;

	if (coder != NULL)
		return coder;
	old_context = MemoryContextSwitchTo(index->context);
	coder = palloc0(sizeof(HnswInlineCoder));
	coder->code.context = index->context;
	coder->node = palloc(sizeof(float) * index->dimensions);
	coder->neighbour = palloc(sizeof(float) * index->dimensions);
	init_rotation(index, &coder->rotation);
	MemoryContextSwitchTo(old_context);
	index->inline_coder = coder;
	return coder;
}

/* The vector of an element, rotated; code is NULL to read it. */
static void
get_vector(HnswIndex *index, HnswInlineCoder *coder, HnswElement element,
		   const VectorCode *code, float *x)
{
	if (code == NULL)
		code = hnsw_load_code(index, element, &coder->code);
	coder_decode(&index->coder.codes, code, x);
	rotate(index, &coder->rotation, x);
}

static inline bool
keeps_place(const uint32 *old_edges, uint32 old_count, const uint32 *edges,
			uint32 i)
{
	return i < old_count &&
		   HNSW_EDGE_TARGET(old_edges[i]) == HNSW_EDGE_TARGET(edges[i]);
}

HnswInlineCodes *
hnsw_inline_encode(HnswIndex *index, HnswElement element,
				   const VectorCode *node, const uint32 *old_edges,
				   uint32 old_count, const uint32 *edges, uint32 count)
{
	HnswInlineCoder *coder = inline_coder(index);
	uint32			 code_bytes = RELATIVE_CODE_BYTES(index->dimensions);
	HnswInlineCodes *codes = palloc(MAXALIGN(sizeof(HnswInlineCodes)) +
									(Size) code_bytes * count);

	codes->code_bytes = code_bytes;
	codes->first = (RelativeCode *) ((char *) codes +
									 MAXALIGN(sizeof(HnswInlineCodes)));
	get_vector(index, coder, element, node, coder->node);
	for (uint32 i = 0; i < count; i++)
	{
		if (keeps_place(old_edges, old_count, edges, i))
			continue;
		get_vector(index, coder, HNSW_EDGE_TARGET(edges[i]), NULL,
				   coder->neighbour);
		relative_encode(inline_metric(index), coder->neighbour, coder->node,
						index->dimensions, code_of_edge(codes, i));
	}
	return codes;
}

void
hnsw_inline_fill(const HnswIndex *index, HnswList *slot,
				 const uint32 *old_edges, uint32 old_count,
				 const uint32 *edges, uint32 count,
				 const HnswInlineCodes *codes)
{
	for (uint32 i = 0; i < count; i++)
	{
		if (!keeps_place(old_edges, old_count, edges, i))
			relative_set(block_of_lane(index, slot, i), i % RABITQ_BLOCK,
						 index->dimensions, code_of_edge(codes, i));
	}
}

void
hnsw_inline_keep_places(const uint32 *old_edges, uint32 old_count,
						uint32 *edges, uint32 count)
{
	for (uint32 place = 0; place < Min(old_count, count); place++)
	{
		HnswElement target = HNSW_EDGE_TARGET(old_edges[place]);
		uint32		i = 0;
		uint32		edge;

		while (i < count && HNSW_EDGE_TARGET(edges[i]) != target)
			i++;
		if (i == count)
			continue;
		edge = edges[i];
		edges[i] = edges[place];
		edges[place] = edge;
	}
}

void
hnsw_inline_write(HnswIndex *index, HnswElement element)
{
	uint32			 edges[2 * HNSW_MAX_M];
	uint32			 count = hnsw_read_list(index, element, 0, edges);
	HnswPlace		 at = hnsw_list_place(index, element, 0);
	HnswInlineCodes *codes;
	Buffer			 buffer;

	if (count == 0)
		return;
	codes = hnsw_inline_encode(index, element, NULL, NULL, 0, edges, count);
	buffer = hnsw_pin_page(index, at.block);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	hnsw_inline_fill(index,
					 (HnswList *) HnswPageGetSlot(BufferGetPage(buffer),
												  at.slot,
												  index->geometry.list_bytes),
					 NULL, 0, edges, count, codes);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
	pfree(codes);
}

int
hnsw_inline_check(HnswIndex *index, HnswElement element)
{
	uint32			 edges[2 * HNSW_MAX_M];
	Buffer			 buffer;
	const HnswList	*list;
	uint32			 count = hnsw_read_list(index, element, 0, edges);
	HnswInlineCodes *codes = hnsw_inline_encode(index, element, NULL, NULL, 0,
												edges, count);
	RelativeCode	*stored = palloc(RELATIVE_CODE_BYTES(index->dimensions));
	int				 wrong = -1;

	list = hnsw_lock_list(index, element, 0, &buffer);
	for (uint32 i = 0; i < count && wrong < 0; i++)
	{
		relative_get(block_of_lane(index, list, i), i % RABITQ_BLOCK,
					 index->dimensions, stored);
		if (!relative_equal(code_of_edge(codes, i), stored, index->dimensions))
			wrong = i;
	}
	UnlockReleaseBuffer(buffer);
	pfree(stored);
	pfree(codes);
	return wrong;
}
