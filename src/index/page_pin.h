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
 * Prefetch what pinning a page and reading a part of it needs into the CPU's
 * caches, if the page is in the buffer that it was in before: a guess, for the
 * page may be another's by now.
 */
extern void index_prefetch_page_part(Relation rel, BlockNumber block,
									 uint32 offset, uint32 bytes);

#endif /* INDEX_PAGE_PIN_H */
