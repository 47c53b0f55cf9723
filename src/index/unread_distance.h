/*
 * unread_distance.h
 *		Distances that queries compute and nobody reads.
 */
#ifndef INDEX_UNREAD_DISTANCE_H
#define INDEX_UNREAD_DISTANCE_H

/* Have plans changed from now on.  Call once, when the library is loaded. */
extern void unread_distance_init(void);

#endif /* INDEX_UNREAD_DISTANCE_H */
