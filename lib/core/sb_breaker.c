/* A circuit breaker: closed, open until a time, then open but for one probe. */

#include <apr_thread_mutex.h>
#include "core/sb_breaker.h"
#include "core/sb_time.h"

struct sb_breaker_t {
    apr_thread_mutex_t *mutex;
    double (*clock)(void);
    double pause; /* seconds */
    int limit;
    int failures; /* in a row */
    int open;
    int probing;
    double until; /* while open: when it may be tried */
};

apr_status_t sb_breaker_make(sb_breaker_t **pb, int failures, apr_interval_time_t pause,
                             double (*clock)(void), apr_pool_t *p)
{
    sb_breaker_t *b = apr_pcalloc(p, sizeof(*b));

    b->limit = failures;
    b->pause = (double)pause / APR_USEC_PER_SEC;
    b->clock = clock ? clock : sb_time_monotonic;
    *pb = b;
    return apr_thread_mutex_create(&b->mutex, APR_THREAD_MUTEX_DEFAULT, p);
}

sb_breaker_pass_t sb_breaker_enter(sb_breaker_t *b, int *pwait)
{
    sb_breaker_pass_t pass = SB_BREAKER_YES;
    double left;

    *pwait = 0;
    apr_thread_mutex_lock(b->mutex);
    left = b->until - b->clock();
    if (b->open) {
        pass = left > 0 || b->probing ? SB_BREAKER_NO : SB_BREAKER_PROBE;
    }
    if (pass == SB_BREAKER_PROBE) {
        b->probing = 1;
    }
    if (pass == SB_BREAKER_NO) {
        *pwait = left > 1 ? (int)left + 1 : 1;
    }
    apr_thread_mutex_unlock(b->mutex);
    return pass;
}

sb_breaker_change_t sb_breaker_leave(sb_breaker_t *b, sb_breaker_pass_t pass, int good)
{
    sb_breaker_change_t change = SB_BREAKER_AS_BEFORE;

    apr_thread_mutex_lock(b->mutex);
    if (pass == SB_BREAKER_PROBE) {
        b->probing = 0;
    }
    if (good) { /* also one that was asked before it opened: the server answers */
        change = b->open ? SB_BREAKER_CLOSED : SB_BREAKER_AS_BEFORE;
        b->open = 0;
        b->failures = 0;
    }
    else if (pass == SB_BREAKER_PROBE || (!b->open && ++b->failures >= b->limit)) {
        change = b->open ? SB_BREAKER_AS_BEFORE : SB_BREAKER_OPENED;
        b->open = 1;
        b->until = b->clock() + b->pause;
    }
    apr_thread_mutex_unlock(b->mutex);
    return change;
}
