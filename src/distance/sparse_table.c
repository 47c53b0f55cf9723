/*
 * sparse_table.c
 *		A sparse array prepared to be compared with many others.
 *
 * Elements are looked up by multiplicative hashing: first in an array of bits,
 * sparse enough to answer nearly all misses and small enough for the nearest
 * cache, then in an open table with linear probing.
 */
#include "c.h"

#include <math.h>
#include <string.h>

#include "distance/sparse_table.h"

#define HASH_MULTIPLIER	 0x9E3779B1U
#define FILTER_BITS_EACH 32 /* bits an element, at least */
#define ENTRIES_EACH	 2	/* places an element, at least */
#define MIN_LOG2_FILTER	 8
#define MIN_LOG2_ENTRIES 3

/* The least power of two that is not below n, as its exponent. */
static int
log2_ceiling(uint32 n, int least)
{
	int result = least;

	while (((uint64) 1 << result) < n)
		result++;
	return result;
}

static int
log2_filter(uint32 count)
{
	return log2_ceiling(count * FILTER_BITS_EACH, MIN_LOG2_FILTER);
}

static int
log2_entries(uint32 count)
{
	return log2_ceiling(count * ENTRIES_EACH, MIN_LOG2_ENTRIES);
}

Size
sparse_table_bytes(uint32 count)
{
	return ((Size) 1 << log2_filter(count)) / 8 +
		   sizeof(SparseTableEntry) * ((Size) 1 << log2_entries(count));
}

static inline uint32
hash_index(int32 index)
{
	return (uint32) index * HASH_MULTIPLIER;
}

void
sparse_table_init(SparseTable *table, const SparseArray *array, void *memory)
{
	int	 filter_bits = log2_filter(array->count);
	int	 entries_bits = log2_entries(array->count);
	Size filter_bytes = ((Size) 1 << filter_bits) / 8;

	table->filter = memory;
	table->entries = (SparseTableEntry *) ((char *) memory + filter_bytes);
	table->filter_shift = 32 - filter_bits;
	table->entries_shift = 32 - entries_bits;
	table->entries_mask = ((uint32) 1 << entries_bits) - 1;

	memset(table->filter, 0, filter_bytes);
	for (uint32 i = 0; i <= table->entries_mask; i++)
	{
		table->entries[i].index = -1;
		table->entries[i].value = 0;
	}
	for (uint32 i = 0; i < array->count; i++)
	{
		uint32 hash = hash_index(array->index[i]);
		uint32 bit = hash >> table->filter_shift;
		uint32 at = hash >> table->entries_shift;

		table->filter[bit / 32] |= (uint32) 1 << (bit % 32);
		while (table->entries[at].index >= 0)
			at = (at + 1) & table->entries_mask;
		table->entries[at].index = array->index[i];
		table->entries[at].value = array->value[i];
	}
}

static inline bool
may_have(const SparseTable *table, uint32 hash)
{
	uint32 bit = hash >> table->filter_shift;

	return (table->filter[bit / 32] >> (bit % 32)) & 1;
}

/* The value at an index; zero if there is none. */
static inline float
look_up(const SparseTable *table, int32 index, uint32 hash)
{
	uint32 at = hash >> table->entries_shift;

	/* at least half of the places are empty, so this ends */
	while (table->entries[at].index >= 0)
	{
		if (table->entries[at].index == index)
			return table->entries[at].value;
		at = (at + 1) & table->entries_mask;
	}
	return 0;
}

double
sparse_table_dot(const SparseTable *table, const SparseArray *other)
{
	double sum = 0;

	for (uint32 i = 0; i < other->count; i++)
	{
		uint32 hash = hash_index(other->index[i]);

		if (may_have(table, hash))
			sum += (double) look_up(table, other->index[i], hash) *
				   other->value[i];
	}
	return sum;
}

double
sparse_table_l1_shared(const SparseTable *table, const SparseArray *other)
{
	double sum = 0;

	for (uint32 i = 0; i < other->count; i++)
	{
		uint32 hash = hash_index(other->index[i]);

		/* an element that the table does not have adds zero */
		if (may_have(table, hash))
		{
			double a = look_up(table, other->index[i], hash);
			double b = other->value[i];

			sum += fabs(a - b) - fabs(a) - fabs(b);
		}
	}
	return sum;
}
