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

#endif /* INDEX_PAGE_PIN_H */
