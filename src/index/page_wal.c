/*
 * page_wal.c
 *		Changes of up to four pages as one WAL record of the generic kind.
 *
 * A record has for each page a delta: fragments of the page that have changed,
 * each with a header of two OffsetNumbers, its offset and its length.  That is
 * what the redo function of generic_xlog.c reads in all versions that
 * compat.h knows; for later ones, see GENERIC_DELTA_IS_KNOWN there.  As that
 * module does, we take what lies between pd_lower and pd_upper for zeros, and
 * log all that comes out of there.
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "index/page_wal.h"

#if GENERIC_DELTA_IS_KNOWN

#define FRAGMENT_HEADER_BYTES (2 * sizeof(OffsetNumber))

/*
 * A fragment ends where more bytes are equal than its header has; but three
 * more begin where the regions do that are compared, or are new.
 */
#define MAX_DELTA_BYTES (BLCKSZ + 4 * FRAGMENT_HEADER_BYTES)

/* Equal pages are passed over by so many words at once. */
#define STRIDE_WORDS 8

/*
 * Writes to a page make up its delta; when they are more than this, it gets an
 * image instead.
 */
#define MAX_WRITTEN_BYTES (BLCKSZ / 2)

typedef struct ChangedPage
{
	Buffer buffer;
	bool   full_image;
	uint32 delta_bytes;
	char  *image;	/* NULL: nothing but what is written changes */
	char  *written; /* if so, MAX_WRITTEN_BYTES for a delta */
} ChangedPage;

struct PageWal
{
	bool		logged;
	int			num_pages;
	ChangedPage pages[MAX_GENERIC_XLOG_PAGES];
};

/* Deltas of the record that is being written; it refers to them. */
static char deltas[MAX_GENERIC_XLOG_PAGES][MAX_DELTA_BYTES];

PageWal *
page_wal_start(Relation rel)
{
	PageWal *wal = palloc(sizeof(PageWal));

	wal->logged = RelationNeedsWAL(rel);
	wal->num_pages = 0;
	return wal;
}

static ChangedPage *
add_page(PageWal *wal, Buffer buffer)
{
	ChangedPage *changed = &wal->pages[wal->num_pages++];

	Assert(wal->num_pages <= MAX_GENERIC_XLOG_PAGES);
	changed->buffer = buffer;
	changed->full_image = false;
	changed->delta_bytes = 0;
	changed->image = NULL;
	changed->written = NULL;
	return changed;
}

static void
copy_page(ChangedPage *changed)
{
	changed->image = palloc(BLCKSZ);
	memcpy(changed->image, BufferGetPage(changed->buffer), BLCKSZ);
}

Page
page_wal_image(PageWal *wal, Buffer buffer, bool full_image)
{
	ChangedPage *changed = add_page(wal, buffer);

	changed->full_image = full_image;
	copy_page(changed);
	return (Page) changed->image;
}

int
page_wal_page(PageWal *wal, Buffer buffer)
{
	ChangedPage *changed = add_page(wal, buffer);

	changed->written = palloc(MAX_WRITTEN_BYTES);
	return changed - wal->pages;
}

/* Do to a page what replay of a delta does. */
static void
apply_delta(char *page, const char *delta, uint32 delta_bytes)
{
	const char *end = delta + delta_bytes;

	while (delta < end)
	{
		OffsetNumber header[2];

		memcpy(header, delta, sizeof(header));
		delta += sizeof(header);
		/* mostly a byte, or many: see page_wal_write */
		if (header[1] == 1)
			page[header[0]] = *delta;
		else
			memcpy(page + header[0], delta, header[1]);
		delta += header[1];
	}
}

void
page_wal_write(PageWal *wal, int page, uint32 offset, uint32 stride,
			   const void *bytes, uint32 length, uint32 count)
{
	ChangedPage *changed = &wal->pages[page];
	const char	*from = bytes;
	char		*to;

	Assert(count > 0 && offset + (count - 1) * stride + length <= BLCKSZ);
	if (changed->image == NULL &&
		changed->delta_bytes + count * (FRAGMENT_HEADER_BYTES + length) >
			MAX_WRITTEN_BYTES)
	{
		copy_page(changed);
		apply_delta(changed->image, changed->written, changed->delta_bytes);
	}
	if (changed->image != NULL)
	{
		for (uint32 i = 0; i < count; i++, from += length)
			memcpy(changed->image + offset + i * stride, from, length);
		return;
	}

	to = changed->written + changed->delta_bytes;
	for (uint32 i = 0; i < count; i++)
	{
		OffsetNumber header[2] = {offset + i * stride, length};

		memcpy(to, header, sizeof(header));
		to += sizeof(header);
		if (length == 1)
			*to = *from;
		else
			memcpy(to, from, length);
		to += length;
		from += length;
	}
	changed->delta_bytes = to - changed->written;
}

static inline uint64
word_at(const char *bytes)
{
	uint64 word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* The first place from `at` on where a and b differ, or end. */
static uint32
find_difference(const char *a, const char *b, uint32 at, uint32 end)
{
	const uint32 stride = STRIDE_WORDS * sizeof(uint64);

	for (; at + stride <= end; at += stride)
	{
		uint64 difference = 0;

		for (uint32 i = 0; i < stride; i += sizeof(uint64))
			difference |= word_at(a + at + i) ^ word_at(b + at + i);
		if (difference != 0)
			break;
	}
	while (at + sizeof(uint64) <= end && word_at(a + at) == word_at(b + at))
		at += sizeof(uint64);
	while (at < end && a[at] == b[at])
		at++;
	return at;
}

/* Add bytes start .. end - 1 of the new page. */
static void
add_fragment(ChangedPage *changed, char *delta, uint32 start, uint32 end)
{
	OffsetNumber header[2] = {start, end - start};

	if (start >= end)
		return;
	Assert(changed->delta_bytes + sizeof(header) + (end - start) <=
		   MAX_DELTA_BYTES);
	memcpy(delta + changed->delta_bytes, header, sizeof(header));
	changed->delta_bytes += sizeof(header);
	memcpy(delta + changed->delta_bytes, changed->image + start, end - start);
	changed->delta_bytes += end - start;
}

/* Add what has changed in a region that both pages have. */
static void
compare_region(ChangedPage *changed, char *delta, const char *old,
			   uint32 start, uint32 end)
{
	const char *new = changed->image;

	for (uint32 at = start; (at = find_difference(old, new, at, end)) < end;)
	{
		uint32 fragment_end = at + 1;

		start = at++;
		for (; at < end && at - fragment_end <= FRAGMENT_HEADER_BYTES; at++)
		{
			if (old[at] != new[at])
				fragment_end = at + 1;
		}
		add_fragment(changed, delta, start, fragment_end);
	}
}

static void
make_delta(ChangedPage *changed, char *delta)
{
	const char	*old = (const char *) BufferGetPage(changed->buffer);
	const uint32 old_lower = ((PageHeader) old)->pd_lower;
	const uint32 old_upper = ((PageHeader) old)->pd_upper;
	const uint32 lower = ((PageHeader) changed->image)->pd_lower;
	const uint32 upper = ((PageHeader) changed->image)->pd_upper;

	changed->delta_bytes = 0;
	compare_region(changed, delta, old, 0, Min(lower, old_lower));
	add_fragment(changed, delta, old_lower, lower);
	add_fragment(changed, delta, upper, Min(old_upper, BLCKSZ));
	compare_region(changed, delta, old, Max(upper, old_upper), BLCKSZ);
}

#ifdef USE_ASSERT_CHECKING
/* Replay fills the hole of a page with zeros: so nothing may be written there. */
static bool
avoids_hole(const char *page, const char *delta, uint32 delta_bytes)
{
	const PageHeaderData *page_header = (const PageHeaderData *) page;
	OffsetNumber		  header[2];

	for (uint32 at = 0; at < delta_bytes; at += sizeof(header) + header[1])
	{
		memcpy(header, delta + at, sizeof(header));
		if (header[0] + header[1] > page_header->pd_lower &&
			header[0] < page_header->pd_upper)
			return false;
	}
	return true;
}
#endif

static void
apply_change(const ChangedPage *changed)
{
	char	  *page = (char *) BufferGetPage(changed->buffer);
	PageHeader header = (PageHeader) changed->image;

	if (changed->image == NULL)
	{
		apply_delta(page, changed->written, changed->delta_bytes);
		Assert(avoids_hole(page, changed->written, changed->delta_bytes));
	}
	else
	{
		memset(changed->image + header->pd_lower, 0,
			   header->pd_upper - header->pd_lower);
		memcpy(page, changed->image, BLCKSZ);
	}
	MarkBufferDirty(changed->buffer);
}

static void
write_record(PageWal *wal)
{
	XLogRecPtr lsn;

	XLogBeginInsert();
	for (int i = 0; i < wal->num_pages; i++)
	{
		ChangedPage *changed = &wal->pages[i];

		if (changed->full_image)
			XLogRegisterBuffer(i, changed->buffer,
							   REGBUF_FORCE_IMAGE | REGBUF_STANDARD);
		else
		{
			XLogRegisterBuffer(i, changed->buffer, REGBUF_STANDARD);
			XLogRegisterBufData(i,
								changed->image == NULL ? changed->written
													   : deltas[i],
								changed->delta_bytes);
		}
	}
	lsn = XLogInsert(RM_GENERIC_ID, 0);
	for (int i = 0; i < wal->num_pages; i++)
		PageSetLSN(BufferGetPage(wal->pages[i].buffer), lsn);
}

static void
release(PageWal *wal)
{
	for (int i = 0; i < wal->num_pages; i++)
	{
		if (wal->pages[i].image != NULL)
			pfree(wal->pages[i].image);
		if (wal->pages[i].written != NULL)
			pfree(wal->pages[i].written);
	}
	pfree(wal);
}

void
page_wal_finish(PageWal *wal)
{
	for (int i = 0; i < wal->num_pages && wal->logged; i++)
	{
		if (wal->pages[i].image != NULL && !wal->pages[i].full_image)
			make_delta(&wal->pages[i], deltas[i]);
	}

	START_CRIT_SECTION();
	for (int i = 0; i < wal->num_pages; i++)
		apply_change(&wal->pages[i]);
	if (wal->logged)
		write_record(wal);
	END_CRIT_SECTION();
	release(wal);
}

void
page_wal_abort(PageWal *wal)
{
	release(wal);
}

#else /* GENERIC_DELTA_IS_KNOWN */

PageWal *
page_wal_start(Relation rel)
{
	return (PageWal *) GenericXLogStart(rel);
}

Page
page_wal_image(PageWal *wal, Buffer buffer, bool full_image)
{
	return GenericXLogRegisterBuffer((GenericXLogState *) wal, buffer,
									 full_image ? GENERIC_XLOG_FULL_IMAGE : 0);
}

int
page_wal_page(PageWal *wal, Buffer buffer)
{
	return -1;
}

void
page_wal_write(PageWal *wal, int page, uint32 offset, uint32 stride,
			   const void *bytes, uint32 length, uint32 count)
{
	pg_unreachable();
}

void
page_wal_finish(PageWal *wal)
{
	GenericXLogFinish((GenericXLogState *) wal);
}

void
page_wal_abort(PageWal *wal)
{
	GenericXLogAbort((GenericXLogState *) wal);
}

#endif /* GENERIC_DELTA_IS_KNOWN */
