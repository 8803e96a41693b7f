/**
 * How often and how many at once. Signing in costs signatures, and anybody may begin it: whoever begins too
 * often from one address waits for the next minute, and so does who sends forms that belong to nothing. A
 * sign-in begun here is never held up by what others send: its form is looked at whatever came before. Nor is
 * a token that is known to be good; who sends others waits before anybody is asked about one more. And who lists
 * sessions again and again must not take the connections by which others sign in.
 */

#include "web/sb_signin_private.h"

#include <string.h>
#include <apr_atomic.h>
#include <apr_strings.h>
#include "store/sb_rate.h"

#define RETRY_SECS "2" /* when too many are under way: each takes milliseconds */

/* A browser's address; of IPv6 the network, for each subscriber has a whole one to himself. */
static const char *source_of(const request_rec *r)
{
    const unsigned char *a = r->useragent_addr->ipaddr_ptr;

    if (r->useragent_addr->family != APR_INET6) {
        return r->useragent_ip;
    }
    if (!memcmp(a, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12)) { /* IPv4 in IPv6 */
        return r->useragent_ip;
    }
    return apr_psprintf(r->pool, "%02x%02x:%02x%02x:%02x%02x:%02x%02x::/64", a[0], a[1], a[2], a[3],
                        a[4], a[5], a[6], a[7]);
}

/* Count one more. @return SB_EBUSY it is too much; the first time that is an event */
static apr_status_t count_of(sb_rate_t *rate, sb_req_t *q, const char *what, const char *who,
                             const char *event, apr_int64_t per_minute)
{
    apr_status_t rv =
        sb_rate_take(rate, q->signin->sessions.cache, what, who, per_minute, q->r->pool);

    if (rate->first) {
        sb_signin_event(q, SB_SECURITY_WARNING, event);
    }
    return rv;
}

static apr_status_t count(sb_rate_t *rate, sb_req_t *q, const char *what, const char *event,
                          apr_int64_t per_minute)
{
    return count_of(rate, q, what, source_of(q->r), event, per_minute);
}

static int is_over(const sb_req_t *q, const char *what, apr_int64_t per_minute)
{
    return sb_rate_is_reached(q->signin->sessions.cache, what, source_of(q->r), per_minute,
                              q->r->pool);
}

static int too_often(sb_req_t *q, const char *what, const char *event, apr_int64_t per_minute)
{
    sb_rate_t rate;

    if (count(&rate, q, what, event, per_minute) == APR_SUCCESS) {
        return OK;
    }
    apr_table_setn(q->r->headers_out, "Retry-After", apr_itoa(q->r->pool, rate.wait));
    sb_web_page(
        q->r, HTTP_TOO_MANY_REQUESTS, "Please wait a minute",
        "There were very many sign-ins from where you are. Wait a minute, then begin again.",
        "/login", "Sign in");
    return DONE;
}

int sb_signin_limit_begun(sb_req_t *q)
{
    return too_often(q, "sign-in", "rate limited: sign-ins begun from one address",
                     q->signin->limits.begun);
}

int sb_signin_limit_stray(sb_req_t *q)
{
    return too_often(q, "stray",
                     "rate limited: messages from one address that belong to no sign-in",
                     q->signin->limits.strays);
}

int sb_signin_admit_stray(sb_req_t *q)
{
    return is_over(q, "stray", q->signin->limits.strays) ? sb_signin_limit_stray(q) : OK;
}

apr_status_t sb_signin_count_token(sb_req_t *q)
{
    sb_rate_t rate;
    apr_status_t rv = count(&rate, q, "bearer",
                            "rate limited: bearer tokens from one address that nobody vouches for",
                            q->signin->limits.tokens);

    q->retry_after = rate.wait;
    return rv;
}

apr_status_t sb_signin_admit_token(sb_req_t *q)
{
    return is_over(q, "bearer", q->signin->limits.tokens) ? sb_signin_count_token(q) : APR_SUCCESS;
}

/* By session, not by person: who has got hold of one must not keep its owner from ending it. */
int sb_signin_limit_session(sb_req_t *q)
{
    sb_rate_t rate;

    if (count_of(&rate, q, "session", sb_session_ref(q->session->id, q->r->pool),
                 "rate limited: sessions listed or ended",
                 q->signin->limits.sessions) == APR_SUCCESS) {
        return OK;
    }
    apr_table_setn(q->r->err_headers_out, "Retry-After", apr_itoa(q->r->pool, rate.wait));
    sb_web_problem(q->r, HTTP_TOO_MANY_REQUESTS, "Too many of these in a minute");
    return DONE;
}

int sb_signin_enter(sb_req_t *q)
{
    sb_signin_limits_t *limits = &q->signin->limits;

    if (apr_atomic_inc32(&limits->inside) < limits->at_once) {
        return OK;
    }
    apr_atomic_dec32(&limits->inside);
    apr_table_setn(q->r->headers_out, "Retry-After", RETRY_SECS);
    sb_web_page(q->r, HTTP_SERVICE_UNAVAILABLE, "Very many people are signing in or out",
                "Wait a moment, then send this again by reloading the page.", "/login",
                "Sign in again");
    return DONE;
}

void sb_signin_leave(sb_req_t *q)
{
    apr_atomic_dec32(&q->signin->limits.inside);
}
