#ifndef SB_CACHE_H
#define SB_CACHE_H

/**
 * memcached, shared by all web nodes. A cache: it may forget at any time, and a dead node costs a
 * miss, not an error page. What must survive lives in PostgreSQL. One pool of connections a child
 * process, safe for threads; consistent hashing, dead nodes ejected.
 */

#include <apr_tables.h>
#include <apr_time.h>
#include "core/sb_status.h"

typedef struct sb_cache_t sb_cache_t;

/** @param servers "host:port" separated by ';' or ','. @param max_connections 0: 32 */
apr_status_t sb_cache_make(sb_cache_t **pcache, const char *servers, int max_connections,
                           apr_pool_t *p) SB_MUST_CHECK;

/* Keys: printable ASCII without blanks; longer than 200 bytes are replaced by their SHA-256.
 * Large values are packed by zlib; one that has more than 1 MiB - 1 KiB even so, or more than 64 MiB
 * before: SB_ETOOBIG. expire: 0 never, at most 30 days. */

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
/**
 * Count: 1 the first time, then one more each time, until it expires; counting on does not put that off.
 * @param pn the count, this one included
 */
apr_status_t sb_cache_count(apr_uint64_t *pn, sb_cache_t *c, const char *key,
                            apr_interval_time_t expire) SB_MUST_CHECK;
/** Nothing there is success. */
apr_status_t sb_cache_delete(sb_cache_t *c, const char *key) SB_MUST_CHECK;
/** Ask every server for its version: for health checks. @return SB_EUNAVAILABLE none answers */
apr_status_t sb_cache_ping(sb_cache_t *c) SB_MUST_CHECK;

/** A server as it says of itself, since it was started. */
typedef struct {
    const char *server;                  /* as configured */
    int answers;                         /* else the rest is 0 */
    apr_int64_t items, bytes, limit;     /* bytes: what items take, of which there is limit */
    apr_int64_t hits, misses, evictions; /* evicted: thrown out for want of room */
    apr_interval_time_t uptime;
} sb_cache_node_t;

/** Ask each server, over a connection of its own. @param pnodes array of sb_cache_node_t */
apr_status_t sb_cache_nodes(const apr_array_header_t **pnodes, sb_cache_t *c,
                            apr_pool_t *p) SB_MUST_CHECK;

#endif
