/*
 * page_pin.c
 *		Pinning index pages by the buffer they were in before.
 *
 * Each backend remembers in which buffers it last saw pages: guesses that
 * ReadRecentBuffer checks, so nothing ever needs to be removed, and pages of
 * several indexes may displace each other.
 */
#include "postgres.h"

#include "executor/instrument.h"
#include "pgstat.h"
#include "storage/buf_internals.h"
#include "storage/proc.h"
#include "storage/s_lock.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "index/page_pin.h"

#define RECENT_BUFFERS 65536

/* A cache line. */
#define PREFETCH_STEP 64

static Buffer *recent_buffers = NULL;

/*
 * ReadRecentBuffer does not raise usage counts, so by these alone the pages that
 * every search visits would be evicted like any other.  The long way raises
 * them: gone now and then, and, as it takes a fifth more CPU time where all pages
 * are there, often only where buffers are short, for some visits after each read.
 */
#define RECENT_USES_BEFORE_LOOKUP 64
#define LOOKUPS_AFTER_READ		  16

/* Pages that are not asked for twice. */
#define ASKED_FOR 64

static uint32 recent_uses = 0;
static uint32 lookups_due = 0;

static inline Buffer *
recent_buffer(Relation rel, BlockNumber block)
{
	if (unlikely(recent_buffers == NULL))
		recent_buffers = MemoryContextAllocZero(TopMemoryContext,
												sizeof(Buffer) *
													RECENT_BUFFERS);
	return &recent_buffers[(block + RelationRelFileNumber(rel) * 7919) %
						   RECENT_BUFFERS];
}

/*
 * The shared buffer that a page was in before, if that has its tag now: a look
 * without a pin, so it may be another's in a moment.
 */
static inline Buffer
recent_shared_buffer(Relation rel, BlockNumber block, BufferTag *tag)
{
	Buffer number = *recent_buffer(rel, block);

	if (unlikely(!BufferIsValid(number) || BufferIsLocal(number) ||
				 RelationUsesLocalBuffers(rel)))
		return InvalidBuffer;
	InitBufferTag(tag, &RelationRelFileLocator(rel), MAIN_FORKNUM, block);
	return likely(BufferTagsEqual(tag, &GetBufferDescriptor(number - 1)->tag))
			   ? number
			   : InvalidBuffer;
}

bool
index_page_is_at_hand(Relation rel, BlockNumber block)
{
	BufferTag tag;

	return BufferIsValid(recent_shared_buffer(rel, block, &tag));
}

Buffer
index_pin_page(Relation rel, BlockNumber block)
{
	Buffer *recent = recent_buffer(rel, block);
	int64	reads;

	/*
	 * A temporary index and a permanent one may have the same file number, and
	 * buffers do not tell them apart but by being local or shared.
	 */
	if (BufferIsValid(*recent) &&
		BufferIsLocal(*recent) == RelationUsesLocalBuffers(rel) &&
		lookups_due == 0 && ++recent_uses % RECENT_USES_BEFORE_LOOKUP != 0 &&
		ReadRecentBuffer(RelationRelFileLocator(rel), MAIN_FORKNUM, block,
						 *recent))
	{
		pgstat_count_buffer_read(rel);
		pgstat_count_buffer_hit(rel);
		return *recent;
	}
	reads = pgBufferUsage.shared_blks_read;
	*recent = ReadBuffer(rel, block);
	if (pgBufferUsage.shared_blks_read != reads)
		lookups_due = LOOKUPS_AFTER_READ;
	else if (lookups_due > 0)
		lookups_due--;
	return *recent;
}

#if BUFFER_STATE_IS_KNOWN
/* Wait until nobody has the header locked; returns the state then. */
static pg_noinline uint32
wait_for_header(BufferDesc *buffer)
{
	SpinDelayStatus delay;
	uint32			state;

	init_local_spin_delay(&delay);
	do
	{
		perform_spin_delay(&delay);
		state = pg_atomic_read_u32(&buffer->state);
	} while ((state & BM_LOCKED) != 0);
	finish_spin_delay(&delay);
	return state;
}

/*
 * Wake who waits to be the only one with a pin, if that is so now (as the last
 * part of UnpinBuffer does).
 */
static pg_noinline void
wake_pin_count_waiter(BufferDesc *buffer)
{
	uint32 state = LockBufHdr(buffer);
	int	   waiter = buffer->wait_backend_pgprocno;

	if ((state & BM_PIN_COUNT_WAITER) == 0 ||
		BUF_STATE_GET_REFCOUNT(state) != 1)
	{
		UnlockBufHdr(buffer, state);
		return;
	}
	UnlockBufHdr(buffer, state & ~BM_PIN_COUNT_WAITER);
	ProcSendSignal(waiter);
}
#endif

/*
 * The state of a buffer is changed by compare and exchange, and never while its
 * header is locked, as all do who pin buffers.  The tag of a buffer that is
 * pinned does not change, so it is compared after that.
 */
Buffer
index_pin_briefly(Relation rel, BlockNumber block)
{
#if BUFFER_STATE_IS_KNOWN
	BufferTag	tag;
	Buffer		number = recent_shared_buffer(rel, block, &tag);
	BufferDesc *buffer;
	uint32		state;
	uint32		pinned;

	/* a guess that is wrong shall not raise the usage count of another page */
	if (unlikely(!BufferIsValid(number)))
		return InvalidBuffer;

	buffer = GetBufferDescriptor(number - 1);
	state = pg_atomic_read_u32(&buffer->state);
	pinned = state + BUF_REFCOUNT_ONE;
	if (BUF_STATE_GET_USAGECOUNT(state) < BM_MAX_USAGE_COUNT)
		pinned += BUF_USAGECOUNT_ONE;
	if (unlikely(
			(state & (BM_LOCKED | BM_VALID)) != BM_VALID ||
			!pg_atomic_compare_exchange_u32(&buffer->state, &state, pinned)))
		return InvalidBuffer;

	if (unlikely(!BufferTagsEqual(&tag, &buffer->tag)))
	{
		index_unpin_brief(number);
		return InvalidBuffer;
	}
	pgBufferUsage.shared_blks_hit++;
	pgstat_count_buffer_read(rel);
	pgstat_count_buffer_hit(rel);
	return number;
#else
	return InvalidBuffer;
#endif
}

void
index_unpin_brief(Buffer number)
{
#if BUFFER_STATE_IS_KNOWN
	BufferDesc *buffer = GetBufferDescriptor(number - 1);
	uint32		state = pg_atomic_read_u32(&buffer->state);

	for (;;)
	{
		if (unlikely((state & BM_LOCKED) != 0))
			state = wait_for_header(buffer);
		if (likely(pg_atomic_compare_exchange_u32(&buffer->state, &state,
												  state - BUF_REFCOUNT_ONE)))
			break;
	}
	if (unlikely((state & BM_PIN_COUNT_WAITER) != 0))
		wake_pin_count_waiter(buffer);
#endif
}

void
index_read_ahead(Relation rel, BlockNumber block)
{
	/* the blocks asked for last, of any index, as far as they are remembered */
	static BlockNumber asked_for[ASKED_FOR];

	BlockNumber *asked = &asked_for[block % ASKED_FOR];
	Buffer		 found;

	if (index_page_is_at_hand(rel, block) || *asked == block)
		return;
	found = PrefetchBuffer(rel, MAIN_FORKNUM, block).recent_buffer;
	if (BufferIsValid(found))
		*recent_buffer(rel, block) = found;
	else
		*asked = block;
}

void
index_prefetch_page_part(Relation rel, BlockNumber block, uint32 offset,
						 uint32 bytes)
{
	Buffer		buffer = *recent_buffer(rel, block);
	const char *page;

	/* of another relation's with the same place, local ones may not exist */
	if (!BufferIsValid(buffer) || BufferIsLocal(buffer))
		return;
	page = (const char *) BufferGetBlock(buffer);
	__builtin_prefetch(GetBufferDescriptor(buffer - 1));
	__builtin_prefetch(page);
	for (uint32 i = 0; i < bytes; i += PREFETCH_STEP)
		__builtin_prefetch(page + offset + i);
}
