#ifndef SB_CACHE_H
#define SB_CACHE_H

/**
 * memcached, shared by all web nodes. A cache: it may forget at any time, and a dead node costs a
 * miss, not an error page. What must survive lives in PostgreSQL. One pool of connections a child
 * process, safe for threads; consistent hashing, dead nodes ejected.
 */

#include <apr_time.h>
#include "core/sb_status.h"

typedef struct sb_cache_t sb_cache_t;

/** @param servers "host:port" separated by ';' or ','. @param max_connections 0: 32 */
apr_status_t sb_cache_make(sb_cache_t **pcache, const char *servers, int max_connections,
                           apr_pool_t *p) SB_MUST_CHECK;

/* Keys: printable ASCII without blanks; longer than 200 bytes are replaced by their SHA-256.
 * Values up to 1 MiB - 1 KiB; larger: SB_ETOOBIG. expire: 0 never, at most 30 days. */

/** @return APR_SUCCESS; APR_NOTFOUND a miss; SB_EUNAVAILABLE the node is down (tried again, other nodes too) */
apr_status_t sb_cache_get(char **pdata, apr_size_t *plen, sb_cache_t *c, const char *key,
                          apr_pool_t *p) SB_MUST_CHECK;
apr_status_t sb_cache_set(sb_cache_t *c, const char *key, const void *data, apr_size_t len,
                          apr_interval_time_t expire) SB_MUST_CHECK;
/** Store only if the key is new. @return APR_EEXIST it is there already */
apr_status_t sb_cache_add(sb_cache_t *c, const char *key, const void *data, apr_size_t len,
                          apr_interval_time_t expire) SB_MUST_CHECK;
/** Store only if the key is there. @return APR_NOTFOUND it is not: somebody deleted it */
apr_status_t sb_cache_replace(sb_cache_t *c, const char *key, const void *data, apr_size_t len,
                              apr_interval_time_t expire) SB_MUST_CHECK;
/** Nothing there is success. */
apr_status_t sb_cache_delete(sb_cache_t *c, const char *key) SB_MUST_CHECK;
/** Ask every server for its version: for health checks. @return SB_EUNAVAILABLE none answers */
apr_status_t sb_cache_ping(sb_cache_t *c) SB_MUST_CHECK;

#endif
