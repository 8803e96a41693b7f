/* lib/core/sb_places: how many may do something at a time, and how many of them one person. */

#include "tap.h"

#include <apr_thread_proc.h>
#include "core/sb_places.h"

#define THREADS 8
#define ROUNDS 2000

/* What somebody takes who comes with a pool of his own. */
static apr_pool_t *visit(sb_place_t *got, sb_places_t *places, const char *who, apr_pool_t *p)
{
    apr_pool_t *own;

    apr_pool_create(&own, p);
    *got = sb_places_take(places, who, own);
    return own;
}

static void limits(apr_pool_t *p)
{
    sb_places_t *places;
    apr_pool_t *first, *second, *other;
    sb_place_t got;

    ok(sb_places_make(&places, 3, 2, p) == APR_SUCCESS, "three places, two for each");
    first = visit(&got, places, "ann", p);
    is_int(got, SB_PLACE_TAKEN, "a place");
    second = visit(&got, places, "ann", p);
    is_int(got, SB_PLACE_TAKEN, "a second one");
    (void)visit(&got, places, "ann", p);
    is_int(got, SB_PLACE_ENOUGH, "not a third one");
    other = visit(&got, places, "Ann", p);
    is_int(got, SB_PLACE_TAKEN, "but for somebody else");
    (void)visit(&got, places, "bob", p);
    is_int(got, SB_PLACE_NONE, "there is no fourth");
    (void)visit(&got, places, NULL, p);
    is_int(got, SB_PLACE_NONE, "for nobody");
    (void)visit(&got, places, "ann", p);
    is_int(got, SB_PLACE_ENOUGH, "who has enough is told that first");
    apr_pool_destroy(second);
    (void)visit(&got, places, "ann", p);
    is_int(got, SB_PLACE_ENOUGH, "what is left is free again, but not for who has one");
    (void)visit(&got, places, "bob", p);
    is_int(got, SB_PLACE_TAKEN, "but for who has none");
    apr_pool_destroy(other);
    (void)visit(&got, places, NULL, p);
    is_int(got, SB_PLACE_TAKEN, "for anybody");
    apr_pool_destroy(first);

    ok(sb_places_make(&places, 2, 0, p) == APR_SUCCESS, "two places for whom you like");
    (void)visit(&got, places, NULL, p);
    (void)visit(&got, places, NULL, p);
    is_int(got, SB_PLACE_TAKEN, "nobody in particular may have all");
    (void)visit(&got, places, NULL, p);
    is_int(got, SB_PLACE_NONE, "... that there are");
}

/* However few take as many as they get: a third is for others. */
static void for_others(apr_pool_t *p)
{
    static const char *const few[] = {"ann", "bob", "cyd"};
    static const char *const others[] = {"dan", "eve", "fay", "gus"};
    sb_places_t *places;
    sb_place_t got;
    int taken = 0;

    ok(sb_places_make(&places, 12, 6, p) == APR_SUCCESS, "twelve places, six for each");
    for (int i = 0; i < 18; i++) {
        (void)visit(&got, places, few[i % 3], p);
        taken += got == SB_PLACE_TAKEN;
    }
    is_int(taken, 8, "three who want all of them get two thirds");
    is_int(got, SB_PLACE_ENOUGH, "... and are told that they have enough");
    for (int i = 0; i < 4; i++) {
        (void)visit(&got, places, others[i], p);
        is_int(got, SB_PLACE_TAKEN, "others have the rest");
        (void)visit(&got, places, others[i], p);
        is_int(got, SB_PLACE_ENOUGH, "... one each");
    }
    (void)visit(&got, places, "hal", p);
    is_int(got, SB_PLACE_NONE, "until there is none");
}

/* ---- by threads ---------------------------------------------------------------------------------- */

typedef struct {
    sb_places_t *places;
    apr_pool_t *p;
    int taken;
} user_t;

/* Returns instead of leaving by apr_thread_exit(): AddressSanitizer takes what that leaves on the stack for wrong. */
static void *APR_THREAD_FUNC take_often(apr_thread_t *t, void *data)
{
    user_t *u = data;

    (void)t;
    for (int i = 0; i < ROUNDS; i++) {
        sb_place_t got;
        apr_pool_t *own = visit(&got, u->places, "all the same", u->p);

        u->taken += got == SB_PLACE_TAKEN;
        apr_pool_destroy(own);
    }
    return NULL;
}

static void threads(apr_pool_t *p)
{
    apr_thread_t *t[THREADS];
    user_t users[THREADS] = {{0}};
    apr_status_t rv, joined = APR_SUCCESS;
    sb_places_t *places;
    sb_place_t got;
    int taken = 0;

    ok(sb_places_make(&places, 3, 2, p) == APR_SUCCESS, "places for threads");
    for (int i = 0; i < THREADS; i++) {
        users[i].places = places;
        apr_pool_create(&users[i].p, NULL);
        rv = apr_thread_create(&t[i], NULL, take_often, &users[i], p);
        joined = joined == APR_SUCCESS ? rv : joined;
    }
    for (int i = 0; i < THREADS; i++) {
        apr_thread_join(&rv, t[i]);
        taken += users[i].taken;
        apr_pool_destroy(users[i].p);
    }
    ok(joined == APR_SUCCESS && taken >= ROUNDS, "%d of %d visits had a place", taken,
       THREADS * ROUNDS);
    for (int i = 0; i < 2; i++) {
        (void)visit(&got, places, "all the same", p);
        is_int(got, SB_PLACE_TAKEN, "all are free afterwards");
    }
    (void)visit(&got, places, "all the same", p);
    is_int(got, SB_PLACE_ENOUGH, "... and no more than there were");
}

int main(void)
{
    apr_pool_t *p = tap_pool();

    limits(p);
    for_others(p);
    threads(p);
    return done();
}
