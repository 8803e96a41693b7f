/* lib/core/sb_breaker: when a server is asked, and when not. */

#include "tap.h"

#include <apr_thread_proc.h>
#include "core/sb_breaker.h"

#define PAUSE 10

static double now = 1000;
static sb_breaker_t *b;
static int wait_secs;

static double clock_of_test(void)
{
    return now;
}

static void make(apr_pool_t *p)
{
    if (sb_breaker_make(&b, 3, apr_time_from_sec(PAUSE), clock_of_test, p) != APR_SUCCESS) {
        puts("Bail out! no breaker");
        exit(EXIT_FAILURE);
    }
}

/* @return the pass; it is used up, well or badly */
static sb_breaker_pass_t asked(int good, sb_breaker_change_t *pchange)
{
    sb_breaker_pass_t pass = sb_breaker_enter(b, &wait_secs);

    *pchange = pass == SB_BREAKER_NO ? SB_BREAKER_AS_BEFORE : sb_breaker_leave(b, pass, good);
    return pass;
}

static void opens_and_closes(void)
{
    sb_breaker_change_t change;
    sb_breaker_pass_t probe;

    for (int i = 0; i < 20; i++) {
        ok(asked(i % 3 == 2, &change) == SB_BREAKER_YES && change == SB_BREAKER_AS_BEFORE,
           "two failures, then an answer: it is asked on");
    }
    ok(asked(1, &change) == SB_BREAKER_YES, "an answer");
    for (int i = 0; i < 3; i++) {
        ok(asked(0, &change) == SB_BREAKER_YES &&
               change == (i == 2 ? SB_BREAKER_OPENED : SB_BREAKER_AS_BEFORE),
           "failure %d", i + 1);
    }
    ok(asked(1, &change) == SB_BREAKER_NO && wait_secs > PAUSE - 1 && wait_secs <= PAUSE + 1,
       "open: not for %d s", wait_secs);
    now += PAUSE - 0.5;
    ok(asked(1, &change) == SB_BREAKER_NO && wait_secs == 1, "nor shortly before");
    now += 1;
    probe = sb_breaker_enter(b, &wait_secs);
    ok(probe == SB_BREAKER_PROBE, "then one may try");
    ok(asked(1, &change) == SB_BREAKER_NO && wait_secs == 1, "and only one");
    ok(sb_breaker_leave(b, probe, 0) == SB_BREAKER_AS_BEFORE, "in vain");
    ok(asked(1, &change) == SB_BREAKER_NO && wait_secs > PAUSE - 1, "open again, for as long");
    now += PAUSE + 1;
    ok(asked(1, &change) == SB_BREAKER_PROBE && change == SB_BREAKER_CLOSED,
       "the next probe is answered");
    ok(asked(0, &change) == SB_BREAKER_YES && asked(0, &change) == SB_BREAKER_YES &&
           change == SB_BREAKER_AS_BEFORE,
       "closed: and its failures are counted from none");
}

/* Questions that were asked before it opened end after. */
static void late_answers(void)
{
    sb_breaker_pass_t first = sb_breaker_enter(b, &wait_secs),
                      second = sb_breaker_enter(b, &wait_secs);
    sb_breaker_change_t change;

    for (int i = 0; i < 3; i++) {
        (void)asked(0, &change);
    }
    ok(change == SB_BREAKER_OPENED, "opened");
    now += PAUSE - 1;
    ok(sb_breaker_leave(b, first, 0) == SB_BREAKER_AS_BEFORE, "a late failure");
    now += 2;
    ok(sb_breaker_leave(b, second, 1) == SB_BREAKER_CLOSED,
       "does not put the end off; a late answer closes it");
    ok(asked(1, &change) == SB_BREAKER_YES, "at once");
}

static void *APR_THREAD_FUNC knock(apr_thread_t *thread, void *data)
{
    int *passed = data, secs;

    (void)thread;
    for (int i = 0; i < 1000; i++) {
        if (sb_breaker_enter(b, &secs) != SB_BREAKER_NO) {
            __atomic_add_fetch(passed, 1, __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

static void threads(apr_pool_t *p)
{
    apr_thread_t *t[8];
    sb_breaker_change_t change;
    apr_status_t rv;
    int passed = 0;

    for (int i = 0; i < 3; i++) {
        (void)asked(0, &change);
    }
    now += PAUSE + 1;
    for (int i = 0; i < 8; i++) {
        if (apr_thread_create(&t[i], NULL, knock, &passed, p) != APR_SUCCESS) {
            puts("Bail out! no thread");
            exit(EXIT_FAILURE);
        }
    }
    for (int i = 0; i < 8; i++) {
        apr_thread_join(&rv, t[i]);
    }
    is_int(passed, 1, "of eight threads that try a thousand times each, one may");
}

int main(void)
{
    apr_pool_t *p = tap_pool();

    make(p);
    opens_and_closes();
    make(p);
    late_answers();
    make(p);
    threads(p);
    return done();
}
