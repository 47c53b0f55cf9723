/*
 * ivf_cost.c
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
#include "utils/selfuncs.h"
#include "utils/spccache.h"

#include "base/compat.h"
#include "base/settings.h"
#include "ivfflat/ivf.h"

/* Scoring a code: a part per code, a part per dimension. */
#define SCORE_OPERATORS			2
#define DIMENSIONS_PER_OPERATOR 256

/* The same for a coarse code. */
#define COARSE_OPERATORS			   0.25
#define COARSE_DIMENSIONS_PER_OPERATOR 8192

/* Of the entries with coarse codes, how many are scored by the fine one. */
#define REFINED_SHARE 0.05

/* Visiting a page that is in shared buffers. */
#define VISIT_OPERATORS 8

/* Finding the first chunk of a toasted value. */
#define TOAST_SEARCH_OPERATORS 50

/* Rows that the error bounds of codes make the scan rerank ahead. */
#define RERANKED_AHEAD 5

/*
 * More than any other plan, but finite: the server subtracts and multiplies
 * costs, which infinities would turn into NaN.
 */
#define UNUSABLE_PATH_COST 1.0e50

typedef struct CostModel
{
	double tuples; /* rows in the index */
	double pages;
	double lists;
	double entries;		/* of a list, on average */
	double list_pages;	/* of the directory */
	double first_pages; /* of the segments of a list */
	double fine_pages;
	double probes; /* that a scan reads at first */
	bool   coarse;
	Cost   score; /* of a code */
	Cost   coarse_score;
	Cost   visit;  /* of a page in memory */
	Cost   read;   /* of a page, on average over hits and misses */
	Cost   rerank; /* of a row */
} CostModel;

/* False if there is no such index that could be scanned. */
static bool
cost_model_init(CostModel *model, IndexPath *path)
{
	IndexOptInfo *info = path->indexinfo;
	IvfGeometry	  geometry;
	double		  dimensions = 1;
	double		  value_bytes;
	double		  random_page_cost_here;
	double		  segments;

	model->tuples = Max(info->tuples, 1);
	model->pages = Max(info->pages, 1);
	model->lists = ivf_lists_for_rows(0, model->tuples);
	model->probes = ivfflat_probes;
	model->coarse = false;
	ivf_geometry_init(&geometry, sizeof(float), 0, IVF_MAX_CAPACITY);
	if (!info->hypothetical)
	{
		/* the planner holds a lock already */
		Relation  rel = index_open(info->indexoid, NoLock);
		IvfIndex *index;
		IvfState  state;

		if (ivf_made_by_pgvector(rel))
		{
			index_close(rel, NoLock);
			return false;
		}
		index = ivf_open(rel);
		ivf_read_state(index, &state);
		model->lists = Max(state.num_lists, 1);
		if (ivfflat_target_recall > 0)
			model->probes = Max(
				model->probes,
				ivf_reach(&state, ivfflat_target_recall).probes);
		model->coarse = index->coder.coarse;
		geometry = index->geometry;
		dimensions = index->dimensions;
		index_close(rel, NoLock);
	}
	model->entries = model->tuples / model->lists;
	segments = ceil(model->entries / geometry.capacity);
	model->list_pages = ceil(model->lists / geometry.lists_per_page);
	model->first_pages = segments * (1 + geometry.coarse_pages);
	model->fine_pages = ceil(Max(model->entries -
									 segments * geometry.first_codes,
								 0) /
							 geometry.codes_per_page) +
						(geometry.first_codes > 0 ? segments : 0);
	value_bytes = dimensions * sizeof(float);

	model->score = cpu_operator_cost *
				   (SCORE_OPERATORS + dimensions / DIMENSIONS_PER_OPERATOR);
	model->coarse_score = cpu_operator_cost *
						  (COARSE_OPERATORS +
						   dimensions / COARSE_DIMENSIONS_PER_OPERATOR);
	model->visit = cpu_operator_cost * VISIT_OPERATORS;

	/* an index that fits the cache is in it, as all scans visit its directory */
	get_tablespace_page_costs(info->reltablespace, &random_page_cost_here,
							  NULL);
	model->read = random_page_cost_here * model->pages /
				  (model->pages + effective_cache_size);

	model->rerank = cpu_tuple_cost + model->score;
	if (value_bytes > TOAST_TUPLE_THRESHOLD)
		model->rerank += cpu_operator_cost * TOAST_SEARCH_OPERATORS +
						 (cpu_index_tuple_cost + cpu_tuple_cost) *
							 ceil(value_bytes / TOAST_MAX_CHUNK_SIZE);
	return true;
}

/* Ranking the lists and reading so many of them. */
static Cost
search_cost(const CostModel *model, double probes, double *pages)
{
	double entries = probes * model->entries;
	double fine = model->coarse ? entries * REFINED_SHARE : entries;
	double fine_visits = model->coarse ? Min(fine, probes * model->fine_pages)
									   : probes * model->fine_pages;

	*pages = model->list_pages + probes * model->first_pages + fine_visits;
	return (model->lists + fine) * model->score +
		   (model->coarse ? entries * model->coarse_score : 0) +
		   *pages * (model->visit + model->read);
}

/*
 * The whole scan up to the row number `rows`.  When the scan does not iterate,
 * rows beyond those of ivfflat.probes lists take a new query with a higher
 * setting (unless there is a target recall).  Trying twice as many until it is enough doubles the cost, which is
 * what makes other plans better that find all rows of a selective filter.
 */
static Cost
scan_cost(const CostModel *model, double rows, double *pages)
{
	double probes = Min(model->probes, model->lists);
	double entries = rows *
					 (ivfflat_target_recall > 0 ? IVF_ENTRIES_PER_ROW : 1);
	double needed = Min(ceil(entries / Max(model->entries, 1)), model->lists);
	Cost   cost = search_cost(model, Max(probes, needed), pages) +
				Min(rows + RERANKED_AHEAD, model->tuples) * model->rerank;

	if (needed > probes && ivfflat_target_recall == 0 &&
		ivfflat_iterative_scan == IVFFLAT_ITERATIVE_SCAN_OFF)
		cost *= 2;
	return cost;
}

/*
 * ivf_cost_estimate -- amcostestimate.
 *
 * The planner takes costs as linear between the first and the last row, while
 * a scan costs little for the first rows and more for those of further lists.
 * So the total is drawn through the cost at the row where LIMIT will stop, if
 * that is known: LIMIT's share of the total is then what it will take.
 */
void
ivf_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count,
				  Cost *startup_cost, Cost *total_cost,
				  Selectivity *selectivity, double *correlation, double *pages)
{
	IndexOptInfo *info = path->indexinfo;
	CostModel	  model;
	double		  rows_out = Max(path->path.rows, 1);
	double		  rows_limit = rows_out;
	double		  rows_scanned;
	Cost		  operands;

	*correlation = 0;
	*selectivity = Min(Max(info->tuples, 1) / Max(info->rel->tuples, 1), 1);

	if (list_length(path->indexorderbys) != 1 ||
		!cost_model_init(&model, path))
	{
		*startup_cost = UNUSABLE_PATH_COST;
		*total_cost = UNUSABLE_PATH_COST;
		*pages = info->pages;
		IndexPathSetDisabled(path);
		return;
	}

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
