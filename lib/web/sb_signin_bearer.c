/**
 * Programs that come with a token instead of a session: "Authorization: Bearer ...". Other schemes are not
 * looked at. A token makes no session and sets no cookie, and needs no proof that the request is meant: no
 * browser sends it by itself.
 */

#include "web/sb_signin_private.h"

#include <string.h>
#include <strings.h>
#include <apr_strings.h>
#include "core/sb_log.h"

/* NULL: it comes without one, or nobody here knows about tokens. */
static const char *token_of(const sb_req_t *q)
{
    const char *header = apr_table_get(q->r->headers_in, "Authorization");
    const char *token;

    if (!q->signin->bearers || !header || strncasecmp(header, "Bearer", 6) != 0) {
        return NULL;
    }
    token = header + 6;
    if (*token && *token != ' ') {
        return NULL;
    }
    return token + strspn(token, " ");
}

static void tell(const sb_req_t *q, const sb_bearer_told_t *told, apr_status_t rv)
{
    apr_pool_t *p = q->r->pool;

    if (told->down) {
        sb_signin_event(q, SB_SECURITY_WARNING,
                        "bearer tokens cannot be verified: nobody is let in by one");
    }
    if (told->up) {
        sb_signin_event(q, SB_SECURITY_INFO, "bearer tokens can be verified again");
    }
    if (rv == APR_SUCCESS && told->asked) {
        sb_signin_event(q, SB_SECURITY_INFO,
                        apr_pstrcat(p, "bearer token ", told->ref, " accepted",
                                    q->bearer->client ? ", given to " : "",
                                    q->bearer->client ? q->bearer->client : "", NULL));
    }
    if (rv == SB_EDENIED) {
        sb_signin_event(q, SB_SECURITY_WARNING,
                        apr_pstrcat(p, "bearer token ", told->ref ? told->ref : "",
                                    told->ref ? " " : "", "refused: ", told->reason, NULL));
    }
}

/* What is refused without asking anybody is counted like what the verifier refuses: each is a line of the security
 * stream. @return why; SB_EBUSY too many of them, which is told once */
static apr_status_t refuse(sb_req_t *q, apr_status_t why)
{
    return sb_signin_count_token(q) == APR_SUCCESS ? why : SB_EBUSY;
}

/* Whoever sends one token after another that nobody vouches for is not to keep the verifier, and the places of
 * those who ask it, from everybody else. */
static apr_status_t ask(sb_req_t *q, sb_bearer_told_t *told, const char *token)
{
    apr_status_t rv = sb_signin_admit_token(q);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_bearer_ask(&q->bearer, told, q->signin->bearers, token, q->r->pool);
    if (rv == SB_EDENIED || (rv != APR_SUCCESS && told->asked)) {
        (void)sb_signin_count_token(q); /* the next one of them may be too much */
    }
    q->retry_after = told->wait;
    return rv;
}

apr_status_t sb_signin_find_bearer(sb_req_t *q)
{
    const char *token = token_of(q);
    sb_bearer_told_t told;
    apr_status_t rv;

    if (!token) {
        return APR_NOTFOUND;
    }
    if (sb_signin_has_cookie(q)) {
        rv = refuse(q, SB_EINPUT);
        if (rv == SB_EINPUT) {
            sb_signin_event(q, SB_SECURITY_WARNING,
                            "request refused: it has both a session's cookie and a bearer token");
        }
        return rv;
    }
    rv = sb_bearer_known(&q->bearer, &told, q->signin->bearers, token, q->r->pool);
    if (rv == APR_NOTFOUND) {
        rv = ask(q, &told, token);
    }
    else if (rv == SB_EDENIED) {
        rv = refuse(q, rv);
    }
    if (rv == APR_SUCCESS) {
        q->user = q->bearer->identity;
    }
    tell(q, &told, rv);
    return rv;
}

/* @param error of RFC 6750, 3.1 */
static int challenge(sb_req_t *q, int status, const char *error, const char *detail)
{
    apr_table_setn(
        q->r->err_headers_out, "WWW-Authenticate",
        apr_pstrcat(q->r->pool, "Bearer realm=\"Smarter Reporting\", error=\"", error, "\"", NULL));
    return sb_web_problem(q->r, status, detail);
}

int sb_signin_refused(sb_req_t *q, apr_status_t rv)
{
    if (rv == SB_EDENIED) {
        return challenge(q, HTTP_UNAUTHORIZED, "invalid_token",
                         "This bearer token is not, or no longer, good here");
    }
    if (rv == SB_EINPUT) {
        return challenge(
            q, HTTP_BAD_REQUEST, "invalid_request",
            "A request comes with a session's cookie or with a bearer token, not with both");
    }
    if (rv == SB_EBUSY) {
        apr_table_setn(q->r->err_headers_out, "Retry-After", apr_itoa(q->r->pool, q->retry_after));
        return sb_web_problem(q->r, HTTP_TOO_MANY_REQUESTS,
                              "Too many bearer tokens from this address were not good");
    }
    if (rv == SB_EUNAVAILABLE && q->retry_after) {
        apr_table_setn(q->r->err_headers_out, "Retry-After", apr_itoa(q->r->pool, q->retry_after));
        return sb_web_problem(q->r, HTTP_SERVICE_UNAVAILABLE,
                              "Bearer tokens cannot be verified at the moment");
    }
    return sb_web_fail(q->r, rv, SBLOGNO(3010), "looking up who asks");
}

int sb_signin_may(sb_req_t *q, sb_perm_t perm)
{
    if (!sb_identity_may(q->user, perm)) {
        return 0;
    }
    if (q->bearer && !sb_bearer_may(q->bearer, perm)) {
        apr_table_setn(q->r->err_headers_out, "WWW-Authenticate",
                       "Bearer realm=\"Smarter Reporting\", error=\"insufficient_scope\"");
        return 0;
    }
    return 1;
}
