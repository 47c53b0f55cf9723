/*
 * sparse_table.h
 *		A sparse array prepared to be compared with many others.
 *
 * Going through two sparse arrays side by side costs the elements of both.  A
 * query that meets thousands of others is put into a hash table once; then
 * only the elements of the others count, and most of them end at a bit that is
 * not set.
 *
 * Unlike the sparse kernels, the functions here are safe with any indexes and
 * values in the other array, so it may come from a page that was not checked.
 * They add up in double precision, allocate nothing and raise no errors.
 */
#ifndef SPARSE_TABLE_H
#define SPARSE_TABLE_H

#include "c.h"

#include "distance/distance.h"

typedef struct SparseTableEntry
{
	int32 index; /* -1: none */
	float value;
} SparseTableEntry;

typedef struct SparseTable
{
	uint32			 *filter; /* a bit for each hash of filter_shift */
	SparseTableEntry *entries;
	int				  filter_shift;
	int				  entries_shift;
	uint32			  entries_mask;
} SparseTable;

/* Bytes of memory that the table of an array of `count` elements needs. */
extern Size sparse_table_bytes(uint32 count);

/* memory: that many bytes, aligned as int32; the array is not needed later. */
extern void sparse_table_init(SparseTable *table, const SparseArray *array,
							  void *memory);

/* sum table[i] * other[i] */
extern double sparse_table_dot(const SparseTable *table,
							   const SparseArray *other);

/*
 * What elements that are in both change of an L1 distance:
 * sum |table[i] - other[i]| - |table[i]| - |other[i]|.
 */
extern double sparse_table_l1_shared(const SparseTable *table,
									 const SparseArray *other);

#endif /* SPARSE_TABLE_H */
