/*
 * hnsw_cost.c
 *		What a scan costs, for the planner.
 *
 * The server adds the heap fetch and the processing of each row; here is the
 * search.  Constants were measured and are given in the planner's unit of
 * cpu_operator_cost; one of them is about 20 ns where a page read in sequence
 * costs its default of 1.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "access/heaptoast.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

#include "base/compat.h"
#include "base/settings.h"
#include "hnsw/hnsw.h"
#include "types/sparsevec.h"

/*
 * Of the neighbours of an expanded element, how many the search has not seen
 * yet, as a multiple of m: measured 0.5 (images) to 1.1 (SIFT).
 */
#define NEW_NEIGHBOURS 0.75

/*
 * With inline codes, of how many candidates the own code is read for one that is
 * expanded: measured 1.05 (768 dimensions) to 1.5 (128).
 */
#define RESOLVED_PER_EXPANDED 1.25

/* Scoring a code: a part per code, a part per byte of the value. */
#define SCORE_OPERATORS	   2
#define BYTES_PER_OPERATOR 1024

/* Elements of a sparse vector of which there are no statistics. */
#define DEFAULT_SPARSE_ELEMENTS 128

/* Visiting a page that is in shared buffers. */
#define VISIT_OPERATORS 8

/* Finding the first chunk of a toasted value. */
#define TOAST_SEARCH_OPERATORS 50

/*
 * What the server takes for other plans is a multiple of that: 1 ms is some 430
 * units in a sequential scan of rows in memory, 100 to 140 in the search by the
 * constants above.  Where vectors are in TOAST, though, the server's estimates
 * leave out what takes nearly all of the time, fetching them; so there the
 * search has to be as cheap as it is, or plans that read the whole table win.
 * Chosen such that of plans measured, over 1,000 to 150,000 rows and filters
 * that 0.01 % to 100 % of them pass, the fastest or one close to it is taken.
 */
#define INLINE_FACTOR 5

/* Rows that the error bounds of codes make the scan rerank ahead. */
#define RERANKED_AHEAD 5

/*
 * More than any other plan, but finite: the server subtracts and multiplies
 * costs, which infinities would turn into NaN.
 */
#define UNUSABLE_PATH_COST 1.0e50

typedef struct CostModel
{
	PlannerInfo *root;
	double		 tuples; /* rows in the index */
	double		 pages;
	double		 m;
	bool		 inline_codes;
	double		 loop_count;
	Cost		 score;	 /* of a code */
	Cost		 visit;	 /* of a page in memory */
	Cost		 read;	 /* of a page, on average over hits and misses */
	Cost		 refine; /* of a candidate, if all of them are refined */
	Cost		 rerank; /* of a row */
} CostModel;

/* Bytes of the values: by the dimensions of the column, if they tell. */
static double
indexed_value_bytes(Relation index, const IndexOptInfo *info)
{
	int	  dimensions = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;
	int32 width = 0;
	VectorOpclass opclass;

	vector_opclass_lookup(index, &opclass);
	if (opclass.type->kind != VALUE_SPARSE)
		return Max(dimensions, 1) * sizeof(float);

	if (info->indexkeys[0] > 0)
		width = get_attavgwidth(index->rd_index->indrelid, info->indexkeys[0]);
	return width > 0 ? width : SPARSEVEC_SIZE(DEFAULT_SPARSE_ELEMENTS);
}

static void
cost_model_init(CostModel *model, PlannerInfo *root, IndexPath *path,
				double loop_count)
{
	IndexOptInfo   *info = path->indexinfo;
	double			value_bytes = sizeof(float);
	double			random_page_cost_here;
	bool			toasted;
	HnswCodeOptions codes = {.code_bits = HNSW_DEFAULT_CODE_BITS};

	model->m = HNSW_DEFAULT_M;
	if (!info->hypothetical)
	{
		/* the planner holds a lock already */
		Relation index = index_open(info->indexoid, NoLock);

		model->m = hnsw_option_m(index);
		codes = hnsw_option_codes(index);
		value_bytes = indexed_value_bytes(index, info);
		index_close(index, NoLock);
	}

	model->inline_codes = codes.inline_codes;
	model->root = root;
	model->tuples = Max(info->tuples, 1);
	model->pages = Max(info->pages, 1);
	model->loop_count = loop_count;
	model->score = cpu_operator_cost *
				   (SCORE_OPERATORS + value_bytes / BYTES_PER_OPERATOR);
	model->visit = cpu_operator_cost * VISIT_OPERATORS;
	toasted = value_bytes > TOAST_TUPLE_THRESHOLD;
	if (!toasted)
	{
		model->score *= INLINE_FACTOR;
		model->visit *= INLINE_FACTOR;
	}

	/*
	 * The pages of a graph are visited at random by every scan, so an index
	 * that fits the cache is in it.
	 */
	get_tablespace_page_costs(info->reltablespace, &random_page_cost_here,
							  NULL);
	model->read = random_page_cost_here * model->pages /
				  (model->pages + effective_cache_size);

	/* codes of fewer bits take less memory, but as long to compare */
	model->refine = codes.code_bits < 8 ? model->score + model->visit : 0;
	model->rerank = cpu_tuple_cost + model->score;
	if (codes.store_values)
		model->rerank += model->visit;
	else if (toasted)
		model->rerank += cpu_operator_cost * TOAST_SEARCH_OPERATORS +
						 (cpu_index_tuple_cost + cpu_tuple_cost) *
							 ceil(value_bytes / TOAST_MAX_CHUNK_SIZE);
}

/*
 * Pages fetched by one of loop_count scans that visit pages at random.
 */
static double
pages_fetched(const CostModel *model, double visits)
{
	return index_pages_fetched(visits * model->loop_count, model->pages,
							   model->pages, model->root) /
		   model->loop_count;
}

/*
 * The search for `rows` rows, without reranking.
 */
static Cost
search_cost(const CostModel *model, double rows, double *pages)
{
	double levels = log(model->tuples) / log(model->m);
	double expanded = Min(Max(rows, hnsw_ef_search), model->tuples);
	double scored = Min((expanded * NEW_NEIGHBOURS + levels) * model->m,
						model->tuples);
	double blocks = 0; /* of inline codes: each takes as long as a code */
	double visits;

	if (model->inline_codes)
	{
		scored = Min(expanded * RESOLVED_PER_EXPANDED + levels * model->m,
					 scored);
		blocks = expanded;
	}
	visits = scored + expanded + levels;
	*pages = pages_fetched(model, visits);
	return (scored + blocks) * model->score + visits * model->visit +
		   expanded * model->refine + *pages * model->read;
}

/*
 * The whole scan up to the row number `rows`.  When the scan does not iterate,
 * rows beyond hnsw.ef_search take a new query with a higher setting.
 * Trying twice as many until it is enough doubles the cost, which is what
 * makes other plans better that find all rows of a selective filter.
 */
static Cost
scan_cost(const CostModel *model, double rows, double *pages)
{
	Cost cost = search_cost(model, rows, pages) +
				Min(rows + RERANKED_AHEAD, model->tuples) * model->rerank;

	if (hnsw_iterative_scan == HNSW_ITERATIVE_SCAN_OFF &&
		rows > hnsw_ef_search)
		cost *= 2;
	return cost;
}

/* Only a rebuild makes an index of pgvector one that can be scanned. */
static bool
is_foreign(const IndexOptInfo *info)
{
	Relation index;
	bool	 foreign;

	if (info->hypothetical)
		return false;
	index = index_open(info->indexoid, NoLock);
	foreign = hnsw_made_by_pgvector(index);
	index_close(index, NoLock);
	return foreign;
}

/*
 * hnsw_cost_estimate -- amcostestimate.
 *
 * The planner takes costs as linear between the first and the last row, while
 * a scan costs little for the first hnsw.ef_search rows and more for others.
 * So the total is drawn through the cost at the row where LIMIT will stop, if
 * that is known: LIMIT's share of the total is then what it will take.
 */
void
hnsw_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count,
				   Cost *startup_cost, Cost *total_cost,
				   Selectivity *selectivity, double *correlation,
				   double *pages)
{
	IndexOptInfo *info = path->indexinfo;
	CostModel	  model;
	double		  rows_out = Max(path->path.rows, 1);
	double		  rows_limit = rows_out;
	double		  rows_scanned;
	Cost		  operands;

	*correlation = 0;
	*selectivity = Min(Max(info->tuples, 1) / Max(info->rel->tuples, 1), 1);

	if (list_length(path->indexorderbys) != 1 || is_foreign(info))
	{
		*startup_cost = UNUSABLE_PATH_COST;
		*total_cost = UNUSABLE_PATH_COST;
		*pages = info->pages;
		IndexPathSetDisabled(path);
		return;
	}

	cost_model_init(&model, root, path, loop_count);

	/* of a join, who knows how many rows of this table the limit leaves */
	if (root->limit_tuples >= 1 &&
		bms_membership(root->all_baserels) == BMS_SINGLETON)
		rows_limit = Min(root->limit_tuples, rows_out);
	rows_scanned = Min(rows_limit * Max(model.tuples / rows_out, 1),
					   model.tuples);

	operands = index_other_operands_eval_cost(root, path->indexorderbys);
	*startup_cost = operands + scan_cost(&model, 0, pages);
	*total_cost = operands + scan_cost(&model, rows_scanned, pages);
	*total_cost = *startup_cost +
				  (*total_cost - *startup_cost) * rows_out / rows_limit;
}
