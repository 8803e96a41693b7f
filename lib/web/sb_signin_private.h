#ifndef SB_SIGNIN_PRIVATE_H
#define SB_SIGNIN_PRIVATE_H

/** What the files sb_sign*.c share; nobody else includes it. */

#include "auth/sb_relay.h"
#include "report/sb_audit.h"
#include "web/sb_signin.h"

typedef struct {
    apr_int64_t begun, strays, tokens; /* of one address in a minute; 0 no limit */
    apr_int64_t sessions;              /* listed or ended by one session in a minute */
    apr_uint32_t at_once;
    apr_uint32_t inside; /* atomic: answers being judged in this process */
} sb_signin_limits_t;

struct sb_signin_t {
    const sb_saml_t *saml;
    sb_session_store_t sessions;
    sb_bearers_t *bearers; /* NULL: no bearer tokens */
    sb_dbpool_t *pool;     /* of what may be used once */
    const sb_keyring_t *relay_keys;
    const char *origin;         /* https://host[:port] */
    const char *home;           /* path, where no other was asked for */
    int idp_initiated;          /* answers that nobody asked for are taken */
    const char *session_cookie; /* names */
    const char *browser_cookie;
    sb_signin_limits_t limits;
};

/* ---- cookies: sb_signin_cookies.c -------------------------------------------------------------- */

/* The value is ID or ID.ROUNDS.SECOND: how many sign-ins ended well, lately, and when the last one.
 * Nobody gains by changing it: it only keeps a browser from turning in circles. */
typedef struct {
    const char *id; /* NULL: no browser we know */
    int rounds;
    apr_int64_t when;
} sb_browser_t;

sb_browser_t sb_browser_of(const sb_req_t *q);
void sb_browser_set(sb_req_t *q, const sb_browser_t *b);

/** Value of the session cookie; NULL also if it comes twice: one of the two is not ours. */
const char *sb_signin_cookie(const sb_req_t *q);
/** Is there one, be it twice? */
int sb_signin_has_cookie(const sb_req_t *q);
void sb_signin_set_cookie(sb_req_t *q, const char *id);
void sb_signin_drop_cookie(sb_req_t *q);

/* ---- limits: sb_signin_limits.c; @return OK; DONE it is too much, the answer is written ------------- */

/** One more sign-in begins. */
int sb_signin_limit_begun(sb_req_t *q);
/** One more message of signing in or out that belongs to nothing. */
int sb_signin_limit_stray(sb_req_t *q);
/** One that may be such a message has come; before it costs anything. It is counted only if it is too much. */
int sb_signin_admit_stray(sb_req_t *q);
/** Sessions are to be listed or ended once more. */
int sb_signin_limit_session(sb_req_t *q);
/** An answer is to be judged; after OK follows sb_signin_leave(). */
int sb_signin_enter(sb_req_t *q);
void sb_signin_leave(sb_req_t *q);

/** Bearer tokens: one that nobody vouches for, or that is none, has come; may somebody be asked about one more?
 *  @return APR_SUCCESS; SB_EBUSY too many, with q->retry_after */
apr_status_t sb_signin_count_token(sb_req_t *q);
apr_status_t sb_signin_admit_token(sb_req_t *q) SB_MUST_CHECK;

/* ---- who asks? --------------------------------------------------------------------------------- */

/** The other half of sb_signin_find(). @return as that, without a session; SB_EBUSY as it says */
apr_status_t sb_signin_find_bearer(sb_req_t *q) SB_MUST_CHECK;

/* ---- answers: sb_signin.c ---------------------------------------------------------------------- */

void sb_signin_event(const sb_req_t *q, sb_security_t type, const char *text);
int sb_signin_redirect(sb_req_t *q, int status, const char *url);
/** Whole address of a path of ours. */
const char *sb_signin_ours(const sb_req_t *q, const char *path);
/** 503 with a page; logged. */
int sb_signin_unavailable(sb_req_t *q, apr_status_t rv, int number, const char *doing);

#endif
