/* lib/store/sb_near: what is kept, for how long and how much of it; and many threads at once. */

#include "tap.h"

#include <apr_thread_proc.h>
#include "store/sb_near.h"

#define SECOND apr_time_from_sec(1)
#define THREADS 8
#define ROUNDS 3000

static apr_pool_t *p;

static void put(sb_near_t *near, const char *key, const char *text, apr_size_t bytes,
                apr_interval_time_t ttl, apr_pool_t *of)
{
    sb_near_item_t *item;
    apr_pool_t *own;

    if (sb_near_begin(&item, &own, near, of) == APR_SUCCESS) {
        sb_near_put(near, key, item, apr_pstrdup(own, text), bytes, ttl);
    }
}

static sb_near_t *make(apr_size_t bytes, apr_pool_t *of)
{
    sb_near_t *near;

    if (sb_near_make(&near, bytes, of) != APR_SUCCESS) {
        puts("Bail out! no store");
        exit(EXIT_FAILURE);
    }
    return near;
}

static void kept(void)
{
    sb_near_t *near = make(1000, p);
    const char *held;
    apr_pool_t *sub;

    apr_pool_create(&sub, p);
    ok(!sb_near_get(near, "a", p), "nothing is there");
    put(near, "a", "first", 10, 60 * SECOND, sub);
    apr_pool_clear(sub);
    held = sb_near_get(near, "a", sub);
    is_str(held, "first", "found when the pool it was put from is gone");
    put(near, "a", "second", 10, 60 * SECOND, p);
    is_str(sb_near_get(near, "a", p), "second", "replaced");
    is_str(held, "first", "whoever holds the old one may read on");
    apr_pool_clear(sub);
    put(near, "b", "short", 10, SECOND / 20, p);
    is_str(sb_near_get(near, "b", p), "short", "a short life");
    apr_sleep(SECOND / 10);
    ok(!sb_near_get(near, "b", p), "is over");
    ok(sb_near_get(near, "a", p) != NULL, "others live on");
    sb_near_clear(near);
    ok(!sb_near_get(near, "a", p), "cleared");
}

static void bounded(void)
{
    sb_near_t *near = make(100, p);
    char key[2] = "a";

    put(near, "large", "large", 26, 60 * SECOND, p);
    ok(!sb_near_get(near, "large", p), "more than a quarter is not kept");
    for (; key[0] <= 'd'; key[0]++) {
        put(near, key, key, 25, 60 * SECOND, p);
    }
    ok(sb_near_get(near, "a", p) != NULL, "four quarters fit");
    put(near, "e", "e", 25, 60 * SECOND, p);
    ok(sb_near_get(near, "a", p) && !sb_near_get(near, "b", p), "the least recently used one goes");
    put(near, "f", "f", 1, 60 * SECOND, p);
    ok(!sb_near_get(near, "c", p) && sb_near_get(near, "d", p) && sb_near_get(near, "e", p),
       "for a small one too");
}

/* A process ends: its store goes first, requests under way later. */
static void outlived(void)
{
    apr_pool_t *process, *request;
    const char *held;
    sb_near_t *near;

    apr_pool_create_unmanaged_ex(&process, NULL, NULL);
    apr_pool_create_unmanaged_ex(&request, NULL, NULL);
    near = make(1000, process);
    put(near, "a", "still here", 10, 60 * SECOND, p);
    put(near, "b", "not asked for", 10, 60 * SECOND, request);
    held = sb_near_get(near, "a", request);
    apr_pool_destroy(process);
    is_str(held, "still here", "what is held outlives the store");
    apr_pool_destroy(request);
}

/* Others allocate in the pool that a store was made in, at the same time and by locks of their own. */
static void apart(void)
{
    apr_pool_t *process;
    char *before, key[20];
    sb_near_t *near;

    apr_pool_create_unmanaged_ex(&process, NULL, NULL);
    near = make(1000, process);
    before = apr_palloc(process, 8);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "%d", i);
        put(near, key, key, 1, 60 * SECOND, p);
    }
    is_int((char *)apr_palloc(process, 8) - before, 8,
           "values take nothing of the store's own pool");
    apr_pool_destroy(process);
}

static sb_near_t *common;
static int wrong[THREADS];

/* Ten keys, half of which fit: values come and go while others read them. */
static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    int *bad = data;
    apr_pool_t *own;

    (void)thread;
    apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        char key[2] = {(char)('0' + (i * 7 + (int)(bad - wrong)) % 10), 0};
        const char *have = sb_near_get(common, key, own);

        if (have) {
            *bad += strcmp(have, key) != 0;
        }
        else {
            put(common, key, key, 20, SECOND / 1000, own);
        }
        if (i % 5 == 4) {
            apr_pool_clear(own);
        }
    }
    apr_pool_destroy(own);
    return NULL;
}

static void threads(void)
{
    apr_thread_t *thread[THREADS];
    apr_status_t rv;
    int bad = 0;

    common = make(100, p);
    for (int i = 0; i < THREADS; i++) {
        apr_thread_create(&thread[i], NULL, work, &wrong[i], p);
    }
    for (int i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, thread[i]);
        bad += wrong[i];
    }
    is_int(bad, 0, "threads see whole values of the key they asked for");
}

int main(void)
{
    p = tap_pool();
    kept();
    bounded();
    outlived();
    apart();
    threads();
    apr_pool_destroy(p);
    return done();
}
