/*
 * hnsw_scan.c
 *		Ordered index scans with exact order.
 *
 * The search finds candidates by estimated distances.  Their heap rows are
 * fetched here, under the scan's snapshot, in the order of the lower bounds of
 * their distances, and a row is returned once its exact distance is not above
 * the lower bound of any candidate left.  So rows come out in the exact order
 * of the SQL operator, although few more rows are fetched than returned.
 *
 * If the index has refinements, these come between: they take the place of
 * estimates whose bounds are too wide, and those that are values that of the
 * heap's, of which only the visibility is looked at then.
 *
 * Rows that the snapshot does not see, and elements without rows, are replaced
 * by widening the search, so they do not take a place among the ef_search.
 *
 * No lock is held between two calls, and no pin of the index.
 */
#include "postgres.h"

#include <math.h>

#include "access/relscan.h"
#include "lib/pairingheap.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/settings.h"
#include "hnsw/hnsw.h"
#include "hnsw/hnsw_inline.h"
#include "index/row_fetch.h"

/* How far ahead refinements are prefetched. */
#define REFINE_AHEAD 3

/* Candidates whose rows are read ahead: as many as queries mostly want. */
#define ROWS_AHEAD 10

/* A candidate whose row has not been looked at. */
typedef struct PendingElement
{
	pairingheap_node node;
	double			 bound; /* lower and upper bound of its distance */
	double			 upper_bound;
	float			 estimate; /* by its code */
	bool			 refined;  /* the index has nothing better */
	HnswElement		 element;
} PendingElement;

/* An element whose exact distance is known, with the rows not yet returned. */
typedef struct ReadyElement
{
	pairingheap_node node;
	double			 distance;
	int				 next_row;
	int				 num_rows;
	ItemPointerData	 rows[FLEXIBLE_ARRAY_MEMBER];
} ReadyElement;

typedef struct HnswScan
{
	HnswIndex	  *index;
	MemoryContext  context; /* everything of one rescan */
	bool		   started;
	bool		   ordered; /* the query has a direction to order by */
	HnswQuery	   query;
	HnswSearch	   search;
	HnswEntryPoint entry; /* that the search began with */
	bool		   anew;  /* is it a second one? */
	pairingheap	  *pending;
	pairingheap	  *ready;
	int			   waiting;		  /* elements in both */
	int			   returned;	  /* elements */
	int			   replacements;  /* candidates to find for dead ones */
	double		   last_distance; /* of the row returned last */
	bool		   any_returned;
	HnswCodeBuffer refinement;
	RowFetch	   rows; /* of all rescans */
} HnswScan;

static int
compare_pending(const pairingheap_node *a, const pairingheap_node *b,
				void *arg)
{
	const PendingElement *pa = pairingheap_const_container(PendingElement,
														   node, a);
	const PendingElement *pb = pairingheap_const_container(PendingElement,
														   node, b);

	/* a pairing heap's first is the greatest */
	return pa->bound < pb->bound ? 1 : pa->bound > pb->bound ? -1 : 0;
}

static int
compare_ready(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const ReadyElement *ra = pairingheap_const_container(ReadyElement, node,
														 a);
	const ReadyElement *rb = pairingheap_const_container(ReadyElement, node,
														 b);

	/* NaN, an operator's distance to a zero vector, sorts last as in SQL */
	if (isnan(ra->distance) || isnan(rb->distance))
		return isnan(ra->distance) ? (isnan(rb->distance) ? 0 : -1) : 1;
	return ra->distance < rb->distance	 ? 1
		   : ra->distance > rb->distance ? -1
										 : 0;
}

IndexScanDesc
hnsw_begin_scan(Relation rel, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(rel, nkeys, norderbys);
	HnswScan	 *so = palloc0(sizeof(HnswScan));

	so->context = AllocSetContextCreate(CurrentMemoryContext, "hnsw scan",
										ALLOCSET_DEFAULT_SIZES);
	scan->opaque = so;
	return scan;
}

void
hnsw_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys,
			int norderbys)
{
	HnswScan *so = (HnswScan *) scan->opaque;

	so->started = false;
	if (keys != NULL && scan->numberOfKeys > 0)
		memmove(scan->keyData, keys, scan->numberOfKeys * sizeof(ScanKeyData));
	if (orderbys != NULL && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys,
				scan->numberOfOrderBys * sizeof(ScanKeyData));
}

void
hnsw_end_scan(IndexScanDesc scan)
{
	HnswScan *so = (HnswScan *) scan->opaque;

	row_fetch_end(&so->rows);
	MemoryContextDelete(so->context);
	pfree(so);
	scan->opaque = NULL;
}

/* ------------------------------------------------------------------------
 * Heap rows
 * ------------------------------------------------------------------------
 */

/*
 * Does the snapshot see a row?  Computes its exact distance unless `distance` is
 * NULL, which saves reading the value, mostly out of TOAST.
 */
static bool
fetch_row(HnswScan *so, const ItemPointerData *tid, double *distance)
{
	const void *value;

	if (!row_fetch_visible(&so->rows, tid, distance != NULL ? &value : NULL))
		return false;
	if (distance != NULL)
	{
		coder_check_dimensions(&so->index->coder.codes, value);
		*distance = coder_exact_distance(&so->query.codes, value);
	}
	return true;
}

static ReadyElement *
append_row(ReadyElement *ready, int *allocated, const ItemPointerData *tid)
{
	if (ready->num_rows == *allocated)
	{
		*allocated *= 2;
		ready = repalloc_huge(ready,
							  offsetof(ReadyElement, rows) +
								  sizeof(ItemPointerData) * (Size) *allocated);
	}
	ready->rows[ready->num_rows++] = *tid;
	return ready;
}

static int
compare_tids(const void *a, const void *b)
{
	return ItemPointerCompare((ItemPointer) a, (ItemPointer) b);
}

static void
remove_duplicates(ReadyElement *ready)
{
	int n = 0;

	qsort(ready->rows, ready->num_rows, sizeof(ItemPointerData), compare_tids);
	for (int i = 0; i < ready->num_rows; i++)
	{
		if (n == 0 || !ItemPointerEquals(&ready->rows[i], &ready->rows[n - 1]))
			ready->rows[n++] = ready->rows[i];
	}
	ready->num_rows = n;
}

/* How often in a row a chain may look broken before it is believed to be. */
#define BROKEN_CHAIN_ATTEMPTS 3

/*
 * Collect the rows of an element; NULL if it has none.
 *
 * Rows are read without a lock across pages.  One that vacuum takes out of the
 * chain meanwhile still leads on to the rows behind it, until its slot is used
 * again; if that is for another chain, the walk starts anew (README,
 * "Chains").
 */
static ReadyElement *
collect_rows(HnswScan *so, HnswElement element)
{
	HnswIndex	 *index = so->index;
	int			  allocated = 1;
	int			  attempts = 0;
	ReadyElement *ready;

	ready = MemoryContextAlloc(so->context,
							   offsetof(ReadyElement, rows) +
								   sizeof(ItemPointerData) * allocated);
	ready->next_row = 0;

	for (;;)
	{
		HnswEntry	head = hnsw_read_entry(index, element);
		HnswEntry	again;
		HnswElement next = head.next;
		uint32		steps = 0;
		bool		intact = true;

		ready->num_rows = 0;
		if (head.state != HNSW_ENTRY_ELEMENT)
			break;
		if (ItemPointerIsValid(&head.tid))
			ready = append_row(ready, &allocated, &head.tid);
		if (next == HNSW_NONE)
			break;

		while (next != HNSW_NONE && intact)
		{
			HnswEntry row = hnsw_read_entry(index, next);

			CHECK_FOR_INTERRUPTS();
			intact = row.hash_or_head == element &&
					 (row.state == HNSW_ENTRY_ROW ||
					  row.state == HNSW_ENTRY_FREE) &&
					 ++steps <= hnsw_end_number(index);
			if (intact && row.state == HNSW_ENTRY_ROW)
				ready = append_row(ready, &allocated, &row.tid);
			next = row.next;
		}

		again = hnsw_read_entry(index, element);
		if (intact)
		{
			/* a slot that left the chain may have joined it again */
			if (again.chain_version != head.chain_version)
				remove_duplicates(ready);
			break;
		}
		if (again.chain_version != head.chain_version ||
			again.state != head.state)
			attempts = 0;
		else if (++attempts == BROKEN_CHAIN_ATTEMPTS)
			hnsw_report_broken_chain(index, element);
	}

	if (ready->num_rows > 0)
		return ready;
	pfree(ready);
	return NULL;
}

/* ------------------------------------------------------------------------
 * Searching
 * ------------------------------------------------------------------------
 */

/* Bound the distance of an element by its refinement. */
static void
refine(HnswScan *so, PendingElement *pending)
{
	HnswBounds bounds = hnsw_refined_distance(
		&so->query, pending->estimate,
		hnsw_load_refinement(so->index, pending->element, &so->refinement));

	/* an operator's NaN comes last, as far as anybody can tell it from others */
	pending->bound = isnan(bounds.lower) ? INFINITY : bounds.lower;
	pending->upper_bound = isnan(bounds.upper) ? INFINITY : bounds.upper;
	pending->refined = true;
}

/*
 * If the search had to read pages, so will those who look at what it found: have
 * what that takes on its way, of the nearest candidates.
 */
static void
read_rows_ahead(HnswScan *so)
{
	HnswSearch *search = &so->search;
	int			count = Min(Min(search->beam_count, search->io_concurrency),
							ROWS_AHEAD);

	for (int i = 0; i < count; i++)
	{
		HnswElement element = HnswCandidateElement(&search->beam[i]);

		index_read_ahead(so->index->rel,
						 hnsw_entry_place(so->index, element).block);
		if (so->index->coder.encoding.refinement != HNSW_REFINEMENT_NONE)
			hnsw_read_refinement_ahead(so->index, element);
	}
	for (int i = 0; i < count; i++)
	{
		HnswEntry entry = hnsw_read_entry(so->index, HnswCandidateElement(
														 &search->beam[i]));

		if (ItemPointerIsValid(&entry.tid))
			row_fetch_read_ahead(&so->rows, &entry.tid);
	}
}

/* Move everything that the search has found to the pending elements. */
static void
take_beam(HnswScan *so)
{
	HnswSearch *search = &so->search;
	HnswCoder  *coder = &so->index->coder;
	bool		coarse = hnsw_codes_are_coarse(coder) && so->ordered;

	read_rows_ahead(so);
	for (int i = 0; i < search->beam_count; i++)
	{
		HnswCandidate  *candidate = &search->beam[i];
		HnswElement		element = HnswCandidateElement(candidate);
		PendingElement *pending;

		if (hnsw_search_found_before(search, element))
			continue;
		pending = MemoryContextAlloc(so->context, sizeof(PendingElement));
		pending->element = element;
		pending->estimate = candidate->distance;
		if (coarse && isinf(candidate->error))
		{
			if (i + REFINE_AHEAD < search->beam_count)
				hnsw_prefetch_refinement(so->index,
										 HnswCandidateElement(candidate +
															  REFINE_AHEAD));
			refine(so, pending);
		}
		else
		{
			pending->bound = coder_lower_bound(&coder->codes,
											   candidate->distance,
											   candidate->error);
			pending->upper_bound = coder_upper_bound(&coder->codes,
													 candidate->distance,
													 candidate->error);
			pending->refined = coder->encoding.refinement ==
							   HNSW_REFINEMENT_NONE;
		}
		pairingheap_add(so->pending, &pending->node);
		so->waiting++;
	}
	hnsw_search_consume(search, search->beam_count);
}

static void
start_search(IndexScanDesc scan)
{
	HnswScan		  *so = (HnswScan *) scan->opaque;
	MemoryContext	   old_context;
	const ScanKeyData *order;
	const void		  *value = NULL;

	if (scan->numberOfOrderBys == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot scan hnsw index without order")));
	if (scan->numberOfOrderBys > 1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg(
					 "cannot scan hnsw index in order of several distances")));
	if (!IsMVCCSnapshot(scan->xs_snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("non-MVCC snapshots are not supported with hnsw")));

	MemoryContextReset(so->context);
	old_context = MemoryContextSwitchTo(MemoryContextGetParent(so->context));
	if (so->rows.scan == NULL)
		row_fetch_begin(&so->rows, scan);
	MemoryContextSwitchTo(so->context);

	so->index = hnsw_open(scan->indexRelation);
	so->pending = pairingheap_allocate(compare_pending, NULL);
	so->ready = pairingheap_allocate(compare_ready, NULL);
	so->waiting = 0;
	so->returned = 0;
	so->replacements = 0;
	so->any_returned = false;
	so->anew = false;
	so->started = true;

	order = &scan->orderByData[0];
	if ((order->sk_flags & SK_ISNULL) == 0)
	{
		value = PG_DETOAST_DATUM_COPY(order->sk_argument);
		coder_check_dimensions(&so->index->coder.codes, value);
	}
	hnsw_query_init(&so->query, &so->index->coder, value);
	if (hnsw_bounds_are_useful(&so->index->coder))
		coder_query_set_deviations(&so->query.codes, CODER_LIKELY_DEVIATIONS);
	hnsw_query_init_refinement(&so->query, &so->index->coder, value);
	so->ordered = so->query.codes.value != NULL;
	so->refinement.context = so->context;
	so->refinement.bytes = NULL;
	so->refinement.allocated = 0;

	hnsw_search_init(&so->search, so->index, &so->query);
	if (so->index->geometry.inline_offset > 0)
		hnsw_search_use_inline_codes(&so->search);
	pgstat_count_index_scan(scan->indexRelation);
	IndexScanCountSearch(scan);
	so->entry = hnsw_read_entry_point(so->index);
	if (so->entry.element != HNSW_NONE)
	{
		hnsw_search_from(&so->search, so->entry, 0, hnsw_ef_search);
		take_beam(so);
	}
	MemoryContextSwitchTo(old_context);
}

/* Search on for `more` candidates; false if there are none left. */
static bool
search_on(HnswScan *so, int more)
{
	MemoryContext old_context = MemoryContextSwitchTo(so->context);
	bool		  any = hnsw_search_widen(&so->search, more);

	if (any)
		take_beam(so);
	MemoryContextSwitchTo(old_context);
	return any;
}

/*
 * When nothing is left: if vacuum has freed elements since the search began, and
 * inserts have used their slots, it may have come to other elements than those it
 * was on its way to, and so have missed what lay behind.  Those that are alive
 * have been linked to each other, so another search finds them.  False if there
 * is no need for it.
 */
static bool
search_anew(HnswScan *so)
{
	MemoryContext  old_context;
	HnswEntryPoint entry = hnsw_read_entry_point(so->index);

	if (entry.element == HNSW_NONE)
		return false;
	if (entry.removals == so->entry.removals && (!entry.removing || so->anew))
		return false;
	so->anew = true;
	so->entry = entry;
	old_context = MemoryContextSwitchTo(so->context);
	hnsw_search_anew(&so->search, entry, hnsw_ef_search);
	take_beam(so);
	MemoryContextSwitchTo(old_context);
	return true;
}

/* May an iterative scan go on? */
static bool
within_limits(HnswScan *so)
{
	return so->search.scored < hnsw_max_scan_tuples &&
		   hnsw_search_memory(&so->search) <
			   (Size) (work_mem * 1024.0 * hnsw_scan_mem_multiplier);
}

static inline PendingElement *
first_pending(HnswScan *so)
{
	return pairingheap_is_empty(so->pending)
			   ? NULL
			   : pairingheap_container(PendingElement, node,
									   pairingheap_first(so->pending));
}

static inline ReadyElement *
first_ready(HnswScan *so)
{
	return pairingheap_is_empty(so->ready)
			   ? NULL
			   : pairingheap_container(ReadyElement, node,
									   pairingheap_first(so->ready));
}

/*
 * Is an element, already taken from the pending ones, the nearest by its
 * bounds alone, or are these its exact distance?  Then its value is of no
 * interest.  So it is, mostly, where codes hold the values without loss, and
 * where the index has the values.
 */
static bool
is_placed_by_bounds(HnswScan *so, const PendingElement *element)
{
	const PendingElement *pending = first_pending(so);
	const ReadyElement	 *ready = first_ready(so);

	if (element->bound == element->upper_bound)
		return true;
	return (pending == NULL || element->upper_bound <= pending->bound) &&
		   (ready == NULL || element->upper_bound <= ready->distance) &&
		   (!so->any_returned || element->bound >= so->last_distance);
}

/*
 * Has the index more to tell of an element whose bounds do not place it, or of the
 * one that comes next?  Either is cheaper than to read a value.
 */
static bool
refine_further(HnswScan *so, PendingElement *element)
{
	PendingElement *next = first_pending(so);

	if (!element->refined)
	{
		refine(so, element);
		return true;
	}
	if (next == NULL || next->refined || next->bound >= element->upper_bound)
		return false;
	(void) pairingheap_remove_first(so->pending);
	refine(so, next);
	pairingheap_add(so->pending, &next->node);
	return true;
}

/*
 * Look at the pending element that may be the nearest.  If the index knows more
 * of it, it goes back among the others with that; else it becomes ready, or is
 * dropped because no row is visible.
 */
static void
resolve_pending(HnswScan *so)
{
	PendingElement *pending = pairingheap_container(PendingElement, node,
													pairingheap_remove_first(
														so->pending));
	bool		  by_bounds = !so->ordered || is_placed_by_bounds(so, pending);
	ReadyElement *ready;
	bool		  usable = false;

	if (!by_bounds && refine_further(so, pending))
	{
		pairingheap_add(so->pending, &pending->node);
		return;
	}

	ready = collect_rows(so, pending->element);
	if (ready != NULL)
	{
		/* rows of an element are equal, so one of them tells the distance */
		ready->distance = pending->upper_bound;
		while (ready->next_row < ready->num_rows && !usable)
		{
			CHECK_FOR_INTERRUPTS();
			usable = fetch_row(so, &ready->rows[ready->next_row],
							   by_bounds ? NULL : &ready->distance);
			if (!usable)
				ready->next_row++;
		}
	}

	if (!usable)
		so->replacements++;
	else if (so->ordered && so->any_returned &&
			 ready->distance < so->last_distance &&
			 hnsw_iterative_scan != HNSW_ITERATIVE_SCAN_RELAXED)
	{
		/* found only after farther rows were returned: too late for the order */
		usable = false;
	}

	if (usable)
		pairingheap_add(so->ready, &ready->node);
	else
	{
		so->waiting--;
		if (ready != NULL)
			pfree(ready);
	}
	pfree(pending);
}

/*
 * Is it too early to return anything?  An iterative scan that goes on finds rows
 * that are nearer than those it has returned: in strict order it drops them, in
 * relaxed order LIMIT may have been satisfied by the others.  That is little where a
 * search finds candidates nearly in the order of their distances.  Coarse codes are
 * far from that, so there is always a part of a beam of candidates to choose the
 * next from, and a part of what was returned: the farther they are, the more alike
 * are their distances.
 */
static bool
needs_more_candidates(const HnswScan *so)
{
	if (!so->ordered || !hnsw_codes_are_coarse(&so->index->coder))
		return false;
	switch (hnsw_iterative_scan)
	{
		case HNSW_ITERATIVE_SCAN_STRICT:
			return so->waiting < Max(hnsw_ef_search / 2, so->returned);
		case HNSW_ITERATIVE_SCAN_RELAXED:
			return so->waiting < Max(hnsw_ef_search / 4, so->returned / 8);
		default:
			return false;
	}
}

/* Find the next row in order; false if there is none. */
static bool
next_row(IndexScanDesc scan)
{
	HnswScan *so = (HnswScan *) scan->opaque;

	for (;;)
	{
		PendingElement *pending;
		ReadyElement   *ready;

		/* replace candidates without visible rows before going on */
		if (so->replacements > 0)
		{
			int more = so->replacements;

			so->replacements = 0;
			(void) search_on(so, more);
		}
		while (needs_more_candidates(so) && within_limits(so))
		{
			CHECK_FOR_INTERRUPTS();
			if (!search_on(so, hnsw_ef_search))
				break;
		}

		pending = first_pending(so);
		ready = first_ready(so);
		if (ready != NULL && (pending == NULL || !so->ordered ||
							  ready->distance <= pending->bound))
		{
			scan->xs_heaptid = ready->rows[ready->next_row++];
			scan->xs_recheck = false;
			scan->xs_recheckorderby = false;
			so->last_distance = ready->distance;
			so->any_returned = true;
			if (ready->next_row == ready->num_rows)
			{
				(void) pairingheap_remove_first(so->ready);
				pfree(ready);
				so->waiting--;
				so->returned++;
			}
			return true;
		}
		if (pending != NULL)
		{
			CHECK_FOR_INTERRUPTS();
			resolve_pending(so);
			continue;
		}

		if (hnsw_iterative_scan == HNSW_ITERATIVE_SCAN_OFF ||
			!within_limits(so))
			return false;
		hnsw_search_leave_inline_codes(&so->search);
		if (!search_on(so, hnsw_ef_search) && !search_anew(so))
			return false;
	}
}

bool
hnsw_get_tuple(IndexScanDesc scan, ScanDirection dir)
{
	HnswScan *so = (HnswScan *) scan->opaque;
	bool	  found;

	Assert(ScanDirectionIsForward(dir));
	if (!so->started)
		start_search(scan);
	found = next_row(scan);

	row_fetch_let_go(&so->rows);
	return found;
}
