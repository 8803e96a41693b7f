#ifndef SB_CACHE_RING_H
#define SB_CACHE_RING_H

/**
 * Which of several memcached servers has a key, and what to do when it does not answer. Only sb_cache.c
 * uses this: it and sb_cache_ring.c alone see libmemcached.
 *
 * libmemcached has this, too, but leaves out only servers it cannot connect to: to one that hangs (stopped,
 * swapping, its packets dropped) it sends the same key again and again, each time until the time-out. And
 * each of its connections finds out for itself.
 */

#include <libmemcached/memcached.h>
#include "core/sb_status.h"

typedef struct sb_ring_t sb_ring_t;

/**
 * One pool of connections for each server of the model, which is not needed afterwards.
 * @param connections of each server, at most
 */
apr_status_t sb_ring_make(sb_ring_t **pring, const memcached_st *model, int connections,
                          apr_pool_t *p) SB_MUST_CHECK;

/** One question to one server. @param prc what libmemcached said. @return SB_EUNAVAILABLE no answer */
typedef apr_status_t sb_ring_ask_t(memcached_return_t *prc, memcached_st *m, void *ctx);

/**
 * Ask the server of a key; if it does not answer, it is left out for a while, by all threads, and the next
 * one is asked. The same key and the same servers, in any order: the same server.
 * @return what ask returned; SB_EUNAVAILABLE none answers
 */
apr_status_t sb_ring_run(sb_ring_t *ring, const char *key, apr_size_t len, sb_ring_ask_t *ask,
                         void *ctx) SB_MUST_CHECK;

#endif
