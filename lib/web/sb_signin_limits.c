/**
 * How often and how many at once. Signing in costs signatures, and anybody may begin it: whoever begins too
 * often from one address waits for the next minute, and so does who sends forms that belong to nothing. A
 * sign-in begun here is never held up by what others send: its form is looked at whatever came before.
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

static int too_often(sb_req_t *q, const char *what, const char *event, apr_int64_t per_minute)
{
    sb_rate_t rate;

    if (sb_rate_take(&rate, q->signin->sessions.cache, what, source_of(q->r), per_minute,
                     q->r->pool) == APR_SUCCESS) {
        return OK;
    }
    if (rate.first) {
        sb_signin_event(q, SB_SECURITY_WARNING, event);
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

int sb_signin_enter(sb_req_t *q)
{
    sb_signin_limits_t *limits = &q->signin->limits;

    if (apr_atomic_inc32(&limits->inside) < limits->at_once) {
        return OK;
    }
    apr_atomic_dec32(&limits->inside);
    apr_table_setn(q->r->headers_out, "Retry-After", RETRY_SECS);
    sb_web_page(q->r, HTTP_SERVICE_UNAVAILABLE, "Very many people are signing in",
                "Wait a moment, then send the form again by reloading this page.", "/login",
                "Sign in again");
    return DONE;
}

void sb_signin_leave(sb_req_t *q)
{
    apr_atomic_dec32(&q->signin->limits.inside);
}
