#ifndef SB_NEAR_H
#define SB_NEAR_H

/**
 * Values that one process keeps for itself because getting them costs a round trip and work: opened
 * sessions, parts of reports. Bounded in bytes, the least recently used one goes first; each has a time
 * to live. A value is constant once it is put and shared by threads without a copy; it stays valid for
 * everybody who got it until his pool is cleared, also when it was dropped meanwhile. Safe for threads.
 */

#include <apr_pools.h>
#include <apr_time.h>
#include "core/sb_status.h"

typedef struct sb_near_t sb_near_t;
typedef struct sb_near_item_t sb_near_item_t; /* a value on its way in */

/** @param max_bytes of what is kept, as sb_near_put() is told */
apr_status_t sb_near_make(sb_near_t **pnear, apr_size_t max_bytes, apr_pool_t *p) SB_MUST_CHECK;

/**
 * @param p the value stays valid until it is cleared
 * @return NULL: not here, or its time is up
 */
const void *sb_near_get(sb_near_t *near, const char *key, apr_pool_t *p);

/**
 * Begin a value. Everything it consists of is to be allocated in *ppool, which lives as long as it.
 * The item goes with p unless it is put before.
 */
apr_status_t sb_near_begin(sb_near_item_t **pitem, apr_pool_t **ppool, sb_near_t *near,
                           apr_pool_t *p) SB_MUST_CHECK;

/**
 * Keep it, instead of what has that key. Larger than a quarter of all: not kept. Valid until the pool
 * it was begun with is cleared, kept or not.
 * @param bytes how much of the bound it takes, about
 */
void sb_near_put(sb_near_t *near, const char *key, sb_near_item_t *item, const void *value,
                 apr_size_t bytes, apr_interval_time_t ttl);

/** Keep none of them any longer. */
void sb_near_clear(sb_near_t *near);

#endif
