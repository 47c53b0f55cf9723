/*
 * foreign.h
 *		Indexes that pgvector made, found by a database that has taken over its
 *		tables in place.
 */
#ifndef INDEX_FOREIGN_H
#define INDEX_FOREIGN_H

#include "storage/bufpage.h"
#include "utils/rel.h"

/* What pgvector's metapage of an access method carries. */
typedef struct VectorForeignMarks
{
	uint32 magic;
	uint16 page_mark;
} VectorForeignMarks;

/* Is it pgvector's metapage?  The page may be anything; it is locked. */
extern bool vector_metapage_is_foreign(Page						 page,
									   const VectorForeignMarks *marks);

/* The same of block 0 of an open index, which it reads and locks. */
extern bool vector_index_is_foreign(Relation				  index,
									const VectorForeignMarks *marks);

/*
 * Say that the index must be rebuilt before it can be used: as an ERROR where
 * something was to be read or written, as a WARNING where nothing is lost.
 */
extern void vector_report_foreign_index(int elevel, Relation index);

#endif /* INDEX_FOREIGN_H */
