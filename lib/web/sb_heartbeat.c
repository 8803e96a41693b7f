/* The last finding about what a process depends on: see sb_heartbeat.h. */

#include "web/sb_heartbeat.h"

#include <string.h>
#include <apr_atomic.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <ap_mpm.h>

#define FRESH_FOR apr_time_from_sec(1)
#define FIRST_WAIT apr_time_from_sec(5)

struct sb_heartbeat_t {
    apr_thread_mutex_t *looking; /* held while one thread asks around */
    volatile apr_uint32_t waiting;
    apr_uint32_t may_wait; /* for the first look; more are told that nothing is known yet */
    apr_thread_mutex_t *mutex; /* of what follows */
    apr_time_t when;           /* 0 never */
    int healthy;
    char json[SB_HEARTBEAT_REPORT_MAX];
};

apr_status_t sb_heartbeat_make(sb_heartbeat_t **ph, apr_pool_t *p)
{
    sb_heartbeat_t *h = apr_pcalloc(p, sizeof(*h));
    apr_status_t rv = apr_thread_mutex_create(&h->looking, APR_THREAD_MUTEX_TIMED, p);
    int threads = 0;

    /* A first look may hang: a quarter of the threads stays for other requests. */
    if (ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) == APR_SUCCESS && threads > 0) {
        h->may_wait = (apr_uint32_t)(threads - threads / 4 - 1);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_mutex_create(&h->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    }
    *ph = rv == APR_SUCCESS ? h : NULL;
    return rv;
}

static void note(sb_heartbeat_t *h, int healthy, const char *json)
{
    apr_thread_mutex_lock(h->mutex);
    apr_cpystrn(h->json, strlen(json) < sizeof(h->json) ? json : "", sizeof(h->json));
    h->healthy = healthy;
    h->when = apr_time_now();
    apr_thread_mutex_unlock(h->mutex);
}

static apr_time_t last_look(sb_heartbeat_t *h)
{
    apr_time_t when;

    apr_thread_mutex_lock(h->mutex);
    when = h->when;
    apr_thread_mutex_unlock(h->mutex);
    return when;
}

/* Become the one who looks. @return APR_EBUSY or APR_TIMEUP: somebody else is */
static apr_status_t begin_look(sb_heartbeat_t *h, int first)
{
    apr_status_t rv = apr_thread_mutex_trylock(h->looking);

    if (rv == APR_SUCCESS || !first) {
        return rv;
    }
    if (apr_atomic_inc32(&h->waiting) < h->may_wait) {
        rv = apr_thread_mutex_timedlock(h->looking, FIRST_WAIT);
    }
    apr_atomic_dec32(&h->waiting);
    return rv;
}

static void look_if_stale(sb_heartbeat_t *h, sb_heartbeat_look_t *look, sb_req_t *q)
{
    apr_time_t when = last_look(h), age = apr_time_now() - when;

    if (age >= 0 && age <= FRESH_FOR) {
        return;
    }
    if (begin_look(h, when == 0) == APR_SUCCESS) {
        if (last_look(h) == when) { /* nobody else has, while we waited */
            const char *json = "";
            int healthy = look(&json, q);

            note(h, healthy, json);
        }
        apr_thread_mutex_unlock(h->looking);
    }
}

apr_status_t sb_heartbeat_ask(sb_heartbeat_finding_t *finding, sb_heartbeat_t *h,
                              sb_heartbeat_look_t *look, sb_req_t *q)
{
    if (!h) {
        return APR_ENOMEM;
    }
    look_if_stale(h, look, q);
    apr_thread_mutex_lock(h->mutex);
    *finding = (sb_heartbeat_finding_t){
        .healthy = h->healthy, .when = h->when, .json = apr_pstrdup(q->r->pool, h->json)};
    apr_thread_mutex_unlock(h->mutex);
    return finding->when ? APR_SUCCESS : SB_EUNAVAILABLE;
}
