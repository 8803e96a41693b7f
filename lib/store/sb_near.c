/* Values near at hand: a hash, a ring in the order of use, and counted references (C's own atomics: checkers of
 * threads see these, but not those inside of APR). */

#include "store/sb_near.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <apr_allocator.h>
#include <apr_hash.h>
#include <apr_ring.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include "core/sb_time.h"

#define SPARE_BYTES (1024 * 1024) /* kept for the next values, not given back */

/* Memory of the values, used again and again. It lives until the store and the last value are gone:
 * requests may outlive the store when a process ends. The hash is in a pool of its own, too: others
 * allocate in that of the process at the same time, by locks of their own. */
typedef struct {
    apr_allocator_t *allocator;
    apr_pool_t *pool; /* of the allocator's mutex and of the hash */
    atomic_uint ref;
} arena_t;

struct sb_near_item_t {
    APR_RING_ENTRY(sb_near_item_t) link;
    apr_pool_t *pool; /* of the item and its value */
    arena_t *arena;
    const char *key;
    const void *value;
    apr_size_t bytes;
    double until;    /* monotonic seconds */
    atomic_uint ref; /* one of the store while it is kept, one of each pool it was given to */
};

struct sb_near_t {
    apr_thread_mutex_t *mutex;
    apr_hash_t *by_key;
    APR_RING_HEAD(sb_near_ring_t, sb_near_item_t) used; /* the most recent one first */
    apr_size_t bytes, max_bytes;
    arena_t *arena;
};

/* ---- memory ---------------------------------------------------------------------------------- */

static apr_status_t make_arena(arena_t **parena)
{
    apr_thread_mutex_t *mutex = NULL;
    arena_t *arena = calloc(1, sizeof(*arena));
    apr_status_t rv = arena ? apr_pool_create_unmanaged_ex(&arena->pool, NULL, NULL) : APR_ENOMEM;

    *parena = arena;
    if (rv == APR_SUCCESS) {
        rv = apr_allocator_create(&arena->allocator);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_mutex_create(&mutex, APR_THREAD_MUTEX_DEFAULT, arena->pool);
    }
    if (rv == APR_SUCCESS) {
        apr_allocator_mutex_set(arena->allocator, mutex);
        apr_allocator_max_free_set(arena->allocator, SPARE_BYTES);
        arena->ref = 1;
    }
    return rv;
}

static void release_arena(arena_t *arena)
{
    if (atomic_fetch_sub(&arena->ref, 1) == 1) {
        apr_allocator_destroy(arena->allocator);
        apr_pool_destroy(arena->pool);
        free(arena);
    }
}

static apr_status_t release(void *data)
{
    sb_near_item_t *item = data;

    if (atomic_fetch_sub(&item->ref, 1) == 1) {
        arena_t *arena = item->arena;

        apr_pool_destroy(item->pool);
        release_arena(arena);
    }
    return APR_SUCCESS;
}

/* ---- the store ------------------------------------------------------------------------------- */

/* Under the lock. */
static void drop(sb_near_t *near, sb_near_item_t *item)
{
    apr_hash_set(near->by_key, item->key, APR_HASH_KEY_STRING, NULL);
    APR_RING_REMOVE(item, link);
    near->bytes -= item->bytes;
    release(item);
}

void sb_near_clear(sb_near_t *near)
{
    apr_thread_mutex_lock(near->mutex);
    while (!APR_RING_EMPTY(&near->used, sb_near_item_t, link)) {
        drop(near, APR_RING_FIRST(&near->used));
    }
    apr_thread_mutex_unlock(near->mutex);
}

static apr_status_t destroy(void *data)
{
    sb_near_t *near = data;

    sb_near_clear(near);
    release_arena(near->arena);
    return APR_SUCCESS;
}

apr_status_t sb_near_make(sb_near_t **pnear, apr_size_t max_bytes, apr_pool_t *p)
{
    sb_near_t *near = apr_pcalloc(p, sizeof(*near));
    apr_status_t rv;

    *pnear = NULL;
    near->max_bytes = max_bytes;
    APR_RING_INIT(&near->used, sb_near_item_t, link);
    rv = make_arena(&near->arena);
    if (rv == APR_SUCCESS) {
        near->by_key = apr_hash_make(near->arena->pool);
        rv = apr_thread_mutex_create(&near->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    }
    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(p, near, destroy, apr_pool_cleanup_null);
        *pnear = near;
    }
    return rv;
}

const void *sb_near_get(sb_near_t *near, const char *key, apr_pool_t *p)
{
    double now = sb_time_monotonic();
    sb_near_item_t *item;

    apr_thread_mutex_lock(near->mutex);
    item = apr_hash_get(near->by_key, key, APR_HASH_KEY_STRING);
    if (item && item->until <= now) {
        drop(near, item);
        item = NULL;
    }
    if (item) {
        atomic_fetch_add(&item->ref, 1);
        APR_RING_REMOVE(item, link);
        APR_RING_INSERT_HEAD(&near->used, item, sb_near_item_t, link);
    }
    apr_thread_mutex_unlock(near->mutex);
    if (!item) {
        return NULL;
    }
    apr_pool_cleanup_register(p, item, release, apr_pool_cleanup_null);
    return item->value;
}

apr_status_t sb_near_begin(sb_near_item_t **pitem, apr_pool_t **ppool, sb_near_t *near,
                           apr_pool_t *p)
{
    sb_near_item_t *item;
    apr_status_t rv = apr_pool_create_unmanaged_ex(ppool, NULL, near->arena->allocator);

    *pitem = NULL;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    item = apr_pcalloc(*ppool, sizeof(*item));
    item->pool = *ppool;
    item->arena = near->arena;
    atomic_fetch_add(&near->arena->ref, 1);
    item->ref = 1;
    apr_pool_cleanup_register(p, item, release, apr_pool_cleanup_null);
    *pitem = item;
    return APR_SUCCESS;
}

void sb_near_put(sb_near_t *near, const char *key, sb_near_item_t *item, const void *value,
                 apr_size_t bytes, apr_interval_time_t ttl)
{
    sb_near_item_t *old;

    if (bytes > near->max_bytes / 4) {
        return;
    }
    item->key = apr_pstrdup(item->pool, key);
    item->value = value;
    item->bytes = bytes;
    item->until = sb_time_monotonic() + (double)ttl / APR_USEC_PER_SEC;
    atomic_fetch_add(&item->ref, 1);
    apr_thread_mutex_lock(near->mutex);
    old = apr_hash_get(near->by_key, key, APR_HASH_KEY_STRING);
    if (old) {
        drop(near, old);
    }
    while (near->bytes + bytes > near->max_bytes) {
        drop(near, APR_RING_LAST(&near->used));
    }
    apr_hash_set(near->by_key, item->key, APR_HASH_KEY_STRING, item);
    APR_RING_INSERT_HEAD(&near->used, item, sb_near_item_t, link);
    near->bytes += bytes;
    apr_thread_mutex_unlock(near->mutex);
}
