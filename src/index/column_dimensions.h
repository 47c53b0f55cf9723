/*
 * column_dimensions.h
 *		How many dimensions the vectors of an index have.
 */
#ifndef INDEX_COLUMN_DIMENSIONS_H
#define INDEX_COLUMN_DIMENSIONS_H

#include "nodes/execnodes.h"
#include "utils/rel.h"

#include "index/opclass.h"

/*
 * Number of dimensions of the indexed column; pgvector's errors.  If the column
 * does not say it but the index is being rebuilt, that of the first row.  heap:
 * NULL for an index that does not get rows.  max, method: for the messages.
 */
extern uint32 index_column_dimensions(Relation heap, Relation index,
									  IndexInfo			  *index_info,
									  const VectorOpclass *opclass, uint32 max,
									  const char *method);

#endif /* INDEX_COLUMN_DIMENSIONS_H */
