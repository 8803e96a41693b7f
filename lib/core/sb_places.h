#ifndef SB_PLACES_H
#define SB_PLACES_H

/**
 * Places for what lasts long in a process: so many at a time, and so many of them for one person, lest one takes
 * them all; and lest a few do so together, the last third of them is for who has none yet. For all threads.
 */

#include <apr_pools.h>
#include "core/sb_status.h"

typedef struct sb_places_t sb_places_t;

typedef enum {
    SB_PLACE_TAKEN,
    SB_PLACE_ENOUGH, /* he has as many as one may, or one may now that few are left */
    SB_PLACE_NONE    /* all are taken */
} sb_place_t;

/** @param each at most for one person; 0: as many as there are, and none are kept for others */
apr_status_t sb_places_make(sb_places_t **pplaces, int most, int each, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Take a place, until p is cleared; who gets none takes nothing.
 * @param who compared byte for byte; NULL: nobody in particular, whom only "most" limits
 */
sb_place_t sb_places_take(sb_places_t *places, const char *who, apr_pool_t *p) SB_MUST_CHECK;

#endif
