/*
 * ivf_directory.c
 *		A backend's copy of the directory, for inserts: which list is the nearest?
 *
 * An insert needs but one list, and would read all pages of the directory for
 * it.  So a backend that inserts row after row keeps what it has read, with the
 * index's cache, as long as the epoch stays the same.  Only heads of lists change
 * without it: who appends to an old one finds it full.  If the epoch changes
 * after it was looked at, the version of the list may be another one by the time
 * the entry is appended (rule L2).
 *
 * Of centroids that have floats there are coarse codes as well, relative to the
 * mean of them all, so that few of many are compared with the row.
 *
 * Locks: pages are read in share mode, one at a time.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "distance/distance.h"
#include "ivfflat/ivf.h"

/*
 * The directory is copied when a backend has inserted so many rows while it
 * stayed the same: that is about what it takes.
 */
#define INSERTS_BEFORE_COPY 4

/* Not more than this is kept. */
#define MAX_COPY_BYTES ((Size) 16 * 1024 * 1024)

/* With less lists, to compare them all takes less time. */
#define MIN_SCREENED_LISTS 64

/*
 * The copy, one chunk of memory: without lists at first, as it only counts.
 * Behind the lists there are their centroids, and if they are screened the mean
 * of these, as a point, and blocks of coarse codes.
 */
typedef struct Directory
{
	uint32	   epoch;
	uint32	   seen; /* inserts since the epoch is that */
	bool	   copied;
	uint32	   num_lists;
	uint32	   num_blocks; /* 0: not screened */
	Size	   centroids;  /* where they are in the chunk */
	Size	   mean;
	Size	   blocks;
	IvfListRef lists[FLEXIBLE_ARRAY_MEMBER];
} Directory;

static inline const VectorCode *
get_centroid(const IvfIndex *index, const Directory *directory, uint32 list)
{
	return (const VectorCode *) ((const char *) directory +
								 directory->centroids +
								 (Size) list * index->geometry.code_bytes);
}

static inline Size
screen_block_bytes(const IvfIndex *index)
{
	return RABITQ_BLOCK_BYTES(RABITQ_L2, index->dimensions);
}

/* ------------------------------------------------------------------------
 * Copying
 * ------------------------------------------------------------------------
 */

/* Where everything is, for so many lists; returns the bytes of the chunk. */
static Size
lay_out(const IvfIndex *index, Directory *directory, uint32 num_lists)
{
	Size bytes = offsetof(Directory, lists) +
				 sizeof(IvfListRef) * (Size) num_lists;

	directory->num_lists = num_lists;
	directory->num_blocks = 0;
	directory->centroids = bytes;
	bytes = MAXALIGN(bytes + (Size) index->geometry.code_bytes * num_lists);
	if (index->coder.coarse && num_lists >= MIN_SCREENED_LISTS)
	{
		directory->num_blocks = (num_lists + RABITQ_BLOCK - 1) / RABITQ_BLOCK;
		directory->mean = bytes;
		bytes = MAXALIGN(bytes + index->coder.point_bytes);
		directory->blocks = bytes;
		bytes += screen_block_bytes(index) * directory->num_blocks;
	}
	return bytes;
}

typedef struct CopyLists
{
	const IvfIndex *index;
	Directory	   *directory;
} CopyLists;

static void
copy_list(void *arg, const IvfListRef *ref, const VectorCode *centroid)
{
	CopyLists *copy = arg;

	copy->directory->lists[ref->list] = *ref;
	memcpy((char *) get_centroid(copy->index, copy->directory, ref->list),
		   centroid, copy->index->geometry.code_bytes);
}

/* Make the coarse codes of all centroids. */
static void
make_screen(const IvfIndex *index, Directory *directory)
{
	const IvfCoder *coder = &index->coder;
	uint32			dimensions = index->dimensions;
	float		   *mean = (float *) ((char *) directory + directory->mean);
	char		   *blocks = (char *) directory + directory->blocks;
	float		   *point = palloc(coder->point_bytes);
	double		   *sums = palloc0(sizeof(double) * dimensions);

	for (uint32 list = 0; list < directory->num_lists; list++)
	{
		ivf_decode_centroid(coder, get_centroid(index, directory, list),
							(char *) point);
		for (uint32 i = 0; i < dimensions; i++)
			sums[i] += point[i];
	}
	for (uint32 i = 0; i < dimensions; i++)
		mean[i] = (float) (sums[i] / directory->num_lists);

	memset(blocks, 0, screen_block_bytes(index) * directory->num_blocks);
	for (uint32 list = 0; list < directory->num_lists; list++)
	{
		ivf_decode_centroid(coder, get_centroid(index, directory, list),
							(char *) point);
		rabitq_set(RABITQ_L2, point, mean, dimensions,
				   blocks + screen_block_bytes(index) * (list / RABITQ_BLOCK),
				   list % RABITQ_BLOCK);
	}
	pfree(sums);
	pfree(point);
}

/* Copy the directory; NULL if it changes meanwhile, or is too large. */
static Directory *
copy_directory(IvfIndex *index)
{
	IvfState   state;
	Directory  layout = {0};
	Size	   bytes;
	CopyLists  copy = {.index = index};
	Directory *kept;

	ivf_read_state(index, &state);
	bytes = lay_out(index, &layout, state.num_lists);
	if (state.num_lists == 0 || bytes > MAX_COPY_BYTES)
		return NULL;
	copy.directory = palloc_extended(bytes, MCXT_ALLOC_HUGE);
	*copy.directory = layout;
	ivf_visit_lists(index, &state, copy_list, &copy);
	if (layout.num_blocks > 0)
		make_screen(index, copy.directory);
	copy.directory->epoch = state.epoch;
	copy.directory->copied = true;

	kept = ivf_read_epoch(index) == state.epoch
			   ? ivf_cache_extra(index->rel, bytes)
			   : NULL;
	if (kept != NULL)
		memcpy(kept, copy.directory, bytes);
	pfree(copy.directory);
	return kept;
}

/* The copy, if there is one that still is right; it may be made now. */
static Directory *
current_copy(IvfIndex *index)
{
	Directory *directory = ivf_cached_extra(index->rel);
	uint32	   epoch = ivf_read_epoch(index);

	if (directory == NULL || directory->epoch != epoch)
	{
		directory = ivf_cache_extra(index->rel, sizeof(Directory));
		if (directory == NULL)
			return NULL;
		memset(directory, 0, sizeof(Directory));
		directory->epoch = epoch;
	}
	if (directory->copied)
		return directory;
	/* counts on, beyond that, where it cannot be copied */
	if (++directory->seen % INSERTS_BEFORE_COPY != 0)
		return NULL;
	return copy_directory(index);
}

void
ivf_note_head(IvfIndex *index, const IvfListRef *list)
{
	Directory *directory = ivf_cached_extra(index->rel);

	if (directory != NULL && directory->copied &&
		list->list < directory->num_lists &&
		directory->lists[list->list].version == list->version)
		directory->lists[list->list].head = list->head;
}

/* ------------------------------------------------------------------------
 * Searching
 * ------------------------------------------------------------------------
 */

typedef struct FindNearest
{
	const IvfIndex *index;
	const char	   *point;
	IvfListQuery	query;	 /* unless lists are screened */
	char		   *decoded; /* room for a point, if they are */
	IvfListRef		nearest;
	VectorCode	   *centroid;
	bool			any;
} FindNearest;

static inline void
note_list(FindNearest *find, const IvfListRef *ref, float distance,
		  const VectorCode *centroid)
{
	if (find->any && distance >= find->nearest.distance)
		return;
	find->any = true;
	find->nearest = *ref;
	find->nearest.distance = distance;
	memcpy(find->centroid, centroid, find->index->geometry.code_bytes);
}

static void
compare_list(void *arg, const IvfListRef *ref, const VectorCode *centroid)
{
	FindNearest *find = arg;

	note_list(find, ref, ivf_list_distance(&find->query, centroid), centroid);
}

/*
 * The same without a query, which is not worth the while to prepare for a few
 * lists.
 */
static void
compare_screened(const Directory *directory, uint32 list, FindNearest *find)
{
	const VectorCode *centroid = get_centroid(find->index, directory, list);
	float			  square;

	ivf_decode_centroid(&find->index->coder, centroid, find->decoded);
	square = distance_kernels->l2sq_f32((const float *) find->point,
										(const float *) find->decoded,
										find->index->dimensions);
	note_list(find, &directory->lists[list],
			  isnan(square) ? FLT_MAX : Min(sqrtf(square), FLT_MAX), centroid);
}

/*
 * Of the lists whose bounds are below the distance of the one that seems to be
 * the nearest, find the nearest.
 */
static void
find_screened(const Directory *directory, FindNearest *find)
{
	uint32		dimensions = find->index->dimensions;
	Size		block_bytes = screen_block_bytes(find->index);
	uint32		num_lanes = directory->num_blocks * RABITQ_BLOCK;
	float	   *estimates = palloc(sizeof(float) * num_lanes);
	float	   *bounds = palloc(sizeof(float) * num_lanes);
	const char *blocks = (const char *) directory + directory->blocks;
	uint32		first = 0;
	RabitqQuery query;

	rabitq_query_init(&query, RABITQ_L2, (const float *) find->point,
					  dimensions, palloc(RABITQ_QUERY_BYTES(dimensions)));
	rabitq_query_centroid(&query, (const float *) ((const char *) directory +
												   directory->mean));
	for (uint32 i = 0; i < directory->num_blocks; i++)
		rabitq_score(&query, blocks + block_bytes * i,
					 &estimates[RABITQ_BLOCK * i], &bounds[RABITQ_BLOCK * i]);
	for (uint32 list = 1; list < directory->num_lists; list++)
	{
		if (estimates[list] < estimates[first])
			first = list;
	}

	find->decoded = palloc(find->index->coder.point_bytes);
	compare_screened(directory, first, find);
	for (uint32 list = 0; list < directory->num_lists; list++)
	{
		if (bounds[list] < find->nearest.distance && list != first)
			compare_screened(directory, list, find);
	}
}

bool
ivf_nearest_list(IvfIndex *index, const char *point, IvfListRef *nearest,
				 VectorCode *centroid)
{
	const Directory *directory = current_copy(index);
	FindNearest find = {.index = index, .point = point, .centroid = centroid};

	if (directory != NULL && directory->num_blocks > 0)
	{
		find_screened(directory, &find);
		*nearest = find.nearest;
		return true;
	}

	ivf_list_query_init(&find.query, &index->coder, point, false);
	if (directory != NULL)
	{
		for (uint32 list = 0; list < directory->num_lists; list++)
			compare_list(&find, &directory->lists[list],
						 get_centroid(index, directory, list));
	}
	else
	{
		IvfState state;

		/*
		 * Whether the epoch changes meanwhile is all the same: any list is
		 * right for an entry as long as the version is current when it is
		 * appended.
		 */
		ivf_read_state(index, &state);
		ivf_visit_lists(index, &state, compare_list, &find);
	}
	*nearest = find.nearest;
	return find.any;
}
