/*
 * page_pin.h
 *		Pinning index pages by the buffer they were in before.
 */
#ifndef INDEX_PAGE_PIN_H
#define INDEX_PAGE_PIN_H

#include "storage/bufmgr.h"
#include "utils/rel.h"

/*
 * Pin a page of the main fork, like ReadBuffer, but mostly without a look-up
 * in the table of buffers.
 */
extern Buffer index_pin_page(Relation rel, BlockNumber block);

/*
 * A brief pin is one in shared memory alone.  To others it is like any other:
 * the page stays in its buffer.  But this backend does not keep account of it,
 * which is most of what pinning costs, so no error and no end of a transaction
 * would release it.  From index_pin_briefly to index_unpin_brief a caller must
 * do nothing that can raise an error, allocate memory, wait, or serve an
 * interrupt: read the page, and compute.
 *
 * InvalidBuffer if the page is not in the buffer that it was in before, and
 * sometimes if it is: then index_pin_page pins it.
 */
extern Buffer index_pin_briefly(Relation rel, BlockNumber block);
extern void	  index_unpin_brief(Buffer buffer);

/*
 * Prefetch what pinning a page and reading a part of it needs into the CPU's
 * caches, if the page is in the buffer that it was in before: a guess, for the
 * page may be another's by now.
 */
extern void index_prefetch_page_part(Relation rel, BlockNumber block,
									 uint32 offset, uint32 bytes);

/*
 * Is the page in the shared buffer that it was in before?  An answer that is wrong
 * costs a look-up, or a read.
 */
extern bool index_page_is_at_hand(Relation rel, BlockNumber block);

/*
 * Have the page on its way into the kernel's cache, as PrefetchBuffer does, unless
 * it is in the buffer that it was in before.
 */
extern void index_read_ahead(Relation rel, BlockNumber block);

#endif /* INDEX_PAGE_PIN_H */
