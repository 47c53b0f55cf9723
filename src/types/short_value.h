/*
 * short_value.h
 *		Arguments of functions that are called for every row, without an
 *		allocation where the value is short.
 *
 * The server stores values of up to 126 bytes with a header of one byte, at any
 * address, and PG_DETOAST_DATUM makes aligned copies of them by palloc: that can
 * cost more than the distance of such vectors.
 */
#ifndef SHORT_VALUE_H
#define SHORT_VALUE_H

#include "fmgr.h"

/* Room for a copy of any value with a short header. */
typedef union ShortValue
{
	struct varlena value;
	char		   bytes[VARHDRSZ + VARATT_SHORT_MAX - VARHDRSZ_SHORT];
	int32		   align;
} ShortValue;

/*
 * copy_short -- memcpy of a few bytes, as overlapping pieces of a fixed size.
 *
 * Compilers know that sizes are small here, and then make string instructions of
 * memcpy, which are slow to start.
 */
static inline void
copy_short(char *to, const char *from, Size size)
{
	if (size >= 16)
	{
		for (Size i = 0; i + 16 < size; i += 16)
			memcpy(to + i, from + i, 16);
		memcpy(to + size - 16, from + size - 16, 16);
	}
	else if (size >= 8)
	{
		memcpy(to, from, 8);
		memcpy(to + size - 8, from + size - 8, 8);
	}
	else
	{
		for (Size i = 0; i < size; i++)
			to[i] = from[i];
	}
}

/*
 * fetch_value -- a varlena argument with a header of four bytes: the argument
 * itself, a copy in `room` or, of a value that is toasted, one in the current
 * memory context.
 */
static inline void *
fetch_value(Datum argument, ShortValue *room)
{
	struct varlena *value = (struct varlena *) DatumGetPointer(argument);

	if (!VARATT_IS_EXTENDED(value))
		return value;
	if (likely(VARATT_IS_SHORT(value) && !VARATT_IS_EXTERNAL(value)))
	{
		Size size = VARSIZE_SHORT(value) - VARHDRSZ_SHORT;

		SET_VARSIZE(&room->value, VARHDRSZ + size);
		copy_short(VARDATA(&room->value), VARDATA_SHORT(value), size);
		return &room->value;
	}
	return pg_detoast_datum(value);
}

/* Free what fetch_value has allocated. */
static inline void
release_value(void *value, Datum argument, ShortValue *room)
{
	if (value != DatumGetPointer(argument) && value != &room->value)
		pfree(value);
}

#endif /* SHORT_VALUE_H */
