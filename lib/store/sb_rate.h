#ifndef SB_RATE_H
#define SB_RATE_H

/**
 * How often somebody may do something in a minute, counted in memcached for all web nodes. Against a
 * script that tries out names, not against a flood: a cache that is away or forgets limits nobody.
 */

#include "store/sb_cache.h"

typedef struct {
    int wait; /* seconds until it may be done again */
    int first; /* this is the first one over the limit in this minute: worth an event, the others are not */
} sb_rate_t;

/**
 * Count one more.
 * @param cache      NULL: no limit
 * @param what       a word, "search"
 * @param who        any text; only its hash is kept
 * @param per_minute how often; 0: no limit
 * @return APR_SUCCESS; SB_EBUSY the limit of this minute is reached
 */
apr_status_t sb_rate_take(sb_rate_t *rate, sb_cache_t *cache, const char *what, const char *who,
                          apr_int64_t per_minute, apr_pool_t *p) SB_MUST_CHECK;

/** Is the limit of this minute reached already? Counts nothing; parameters as above. */
int sb_rate_is_reached(sb_cache_t *cache, const char *what, const char *who, apr_int64_t per_minute,
                       apr_pool_t *p);

#endif
