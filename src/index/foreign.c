/*
 * foreign.c
 *		Indexes that pgvector made.
 *
 * Their access methods have the names of ours, their pages another format,
 * which this library neither reads nor changes.  Until such an index is rebuilt
 * with REINDEX
 *
 *	- the planner does not use it (amcostestimate), so queries go on without it;
 *	- scans and inserts raise an error, and so does the removal of dead rows:
 *	  they would stay in the index, and who went back to pgvector would find
 *	  them in answers.  This stops VACUUM of a table that has dead rows, with or
 *	  without autovacuum, but not for good: a VACUUM that must prevent
 *	  wraparound leaves indexes out in the end (vacuum_failsafe_age), and VACUUM
 *	  (INDEX_CLEANUP off) does at once;
 *	- VACUUM of a table without dead rows warns and goes on, and ANALYZE does not
 *	  look.
 */
#include "postgres.h"

#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "index/foreign.h"

/*
 * The end of all pages of pgvector, in native byte order.
 *
 * OFFSET	SIZE	DESCRIPTION
 *		0	   4	next block
 *		4	   2	0
 *		6	   2	page mark, another one in each access method
 *
 * The contents of the metapage begin with the magic number.
 */
typedef struct ForeignSpecial
{
	uint32 next_block;
	uint16 unused;
	uint16 page_mark;
} ForeignSpecial;

StaticAssertDecl(sizeof(ForeignSpecial) == 8, "pgvector's special space");

bool
vector_metapage_is_foreign(Page page, const VectorForeignMarks *marks)
{
	const ForeignSpecial *special;
	uint32				  magic;

	if (((PageHeader) page)->pd_special != BLCKSZ - sizeof(ForeignSpecial))
		return false;
	special = (const ForeignSpecial *) PageGetSpecialPointer(page);
	memcpy(&magic, PageGetContents(page), sizeof(magic));
	return special->page_mark == marks->page_mark && magic == marks->magic;
}

bool
vector_index_is_foreign(Relation index, const VectorForeignMarks *marks)
{
	Buffer buffer;
	bool   foreign;

	if (RelationGetNumberOfBlocks(index) == 0)
		return false;
	buffer = ReadBuffer(index, 0);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	foreign = vector_metapage_is_foreign(BufferGetPage(buffer), marks);
	UnlockReleaseBuffer(buffer);
	return foreign;
}

void
vector_report_foreign_index(int elevel, Relation index)
{
	char *schema = get_namespace_name(RelationGetNamespace(index));

	ereport(elevel,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("index \"%s\" was made by pgvector and has to be rebuilt",
					RelationGetRelationName(index)),
			 errdetail(
				 "Its pages have another format.  The table is not affected."),
			 errhint("Rebuild it with \"REINDEX INDEX %s\".",
					 quote_qualified_identifier(
						 schema, RelationGetRelationName(index)))));
}
