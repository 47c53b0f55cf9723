/*
 * column_dimensions.c
 *		How many dimensions the vectors of an index have.
 *
 * The column's type modifier says it, and nobody can create an index without
 * one.  But ALTER TABLE can take the modifier away: it keeps the index as it is,
 * without asking the access method.  Then the rows have the dimensions of the
 * index, which sees to it, so that a rebuild can take them from any row.
 *
 * Called by builds, which hold the locks that they need.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "storage/bufmgr.h"

#include "index/column_dimensions.h"

typedef struct FirstRow
{
	const VectorTypeInfo *type;
	int					  dimensions; /* 0: none was seen */
} FirstRow;

static void
first_row_callback(Relation index, ItemPointer tid, Datum *values,
				   bool *isnull, bool tuple_is_alive, void *state)
{
	FirstRow   *first = state;
	const void *value;

	if (isnull[0] || first->dimensions > 0)
		return;
	value = PG_DETOAST_DATUM(values[0]);
	first->dimensions = first->type->dimensions(value);
	if (value != DatumGetPointer(values[0]))
		pfree(unconstify(void *, value));
}

/* The dimensions of the first row that is indexed, or 0. */
static int
first_row_dimensions(Relation heap, Relation index, IndexInfo *index_info,
					 const VectorTypeInfo *type)
{
	FirstRow	first = {type, 0};
	BlockNumber num_blocks = RelationGetNumberOfBlocks(heap);

	/* mostly it is in the first block */
	for (BlockNumber block = 0, count = 1;
		 block < num_blocks && first.dimensions == 0;
		 block += count, count *= 2)
	{
		count = Min(count, num_blocks - block);
		(void) table_index_build_range_scan(heap, index, index_info, false,
											false, false, block, count,
											first_row_callback, &first, NULL);
	}
	return first.dimensions;
}

uint32
index_column_dimensions(Relation heap, Relation index, IndexInfo *index_info,
						const VectorOpclass *opclass, uint32 max,
						const char *method)
{
	Form_pg_attribute column = TupleDescAttr(RelationGetDescr(index), 0);
	int				  dimensions = column->atttypmod;

	/* strings of different lengths, which bit operator classes take as well */
	if (column->atttypid == VARBITOID)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("type not supported for %s index", method)));
	if (dimensions < 0 && heap != NULL &&
		ReindexIsProcessingIndex(RelationGetRelid(index)))
		dimensions = first_row_dimensions(heap, index, index_info,
										  opclass->type);
	if (dimensions <= 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("column does not have dimensions")));
	if (dimensions > (int) max)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("column cannot have more than %u dimensions "
							   "for %s index",
							   max, method)));
	return dimensions;
}
