#ifndef SB_SIGNIN_H
#define SB_SIGNIN_H

/**
 * Signing in and out over HTTP, the same for every module that knows people: cookies, the trip to the
 * identity provider and back, and what becomes of a request that needs a sign-in. SAML itself is in
 * auth/sb_saml, sessions in auth/sb_session; what is checked where, and by which test, is in
 * docs/security.md.
 *
 * Threads: a sb_signin_t is constant after it was made, or what it holds has locks of its own.
 */

#include "auth/sb_saml.h"
#include "store/sb_generation.h"
#include "web/sb_req.h"

/* ---- configuration: in httpd's parent ---------------------------------------------------------- */

/** What is read in the parent, with its rights: nothing of it is read from disk later. */
typedef struct {
    sb_saml_config_t *saml;
    sb_bearer_config_t *bearer; /* NULL: no bearer tokens */
} sb_signin_config_t;

/** Judge the sign-in part of the configuration, without Lasso, and read the files it names.
 *  @return NULL or the complaint */
const char *sb_signin_check(sb_signin_config_t *config, const sb_conf_t *conf,
                            apr_pool_t *p) SB_MUST_CHECK;

/** Memory in which the processes of this node tell each other of ended sessions; made once, kept over
 *  reloads. In post_config. Failures are logged. */
apr_status_t sb_signin_share(server_rec *s) SB_MUST_CHECK;

/* ---- one child process ------------------------------------------------------------------------- */

typedef struct {
    const sb_conf_t *conf;
    const sb_signin_config_t *config;  /* of sb_signin_check(); outlives the result */
    const apr_array_header_t *tenants; /* sb_tenant_t */
    sb_generations_t *generations;     /* of the session cache; NULL: one for ever */
    const char *app;                   /* for pg_stat_activity */
    const char *service;               /* what one signs in at, for the book of sessions */
} sb_signin_opts_t;

/** Session store, keys, Lasso. In child_init.
 *  @return APR_SUCCESS; what failed is logged by whom it failed, or told by the status */
apr_status_t sb_signin_make(sb_signin_t **psignin, const sb_signin_opts_t *opts, server_rec *s,
                            apr_pool_t *p) SB_MUST_CHECK;

/** Sessions, for those who list or end them. */
const sb_session_store_t *sb_signin_sessions(const sb_signin_t *signin);
/** Connections to the database of what may be used once. */
sb_dbpool_t *sb_signin_pool(const sb_signin_t *signin);
/** Name of the session cookie of this installation. */
const char *sb_signin_cookie_name(const sb_signin_t *signin);
/** Our address as browsers see it: "https://host:port". */
const char *sb_signin_origin(const sb_signin_t *signin);

/* ---- requests ---------------------------------------------------------------------------------- */

/** A script that asks by itself, not because somebody did something, sends this header (any value): then the request
 *  is no use of the session, and the idle limit stays where it was. */
#define SB_SIGNIN_BACKGROUND "X-Smarter-Background"

/**
 * Who asks? Sets q->user, with q->session from the session cookie or with q->bearer from a bearer token.
 * @return APR_SUCCESS; APR_NOTFOUND nobody, expired or forged; SB_EDENIED the token is refused; SB_EINPUT both
 *         a cookie and a token; SB_EBUSY too many of these two from there; SB_EUNAVAILABLE the session store, or
 *         who verifies tokens
 */
apr_status_t sb_signin_find(sb_req_t *q) SB_MUST_CHECK;

/** The same where a token means nothing: nobody is asked about one. q->bearer stays NULL. */
apr_status_t sb_signin_find_session(sb_req_t *q) SB_MUST_CHECK;

/**
 * Who was found is let in: a use of his session, if he has one, unless a clock asks (q->quiet, or the header above).
 * A request that is refused is none, or a page of a neighbour could keep a session alive.
 * @return APR_SUCCESS; APR_NOTFOUND it was ended meanwhile; SB_EUNAVAILABLE; then nobody is known any more
 */
apr_status_t sb_signin_use(sb_req_t *q) SB_MUST_CHECK;

/** Answer a request of which sb_signin_find() returned anything but APR_SUCCESS and APR_NOTFOUND. */
int sb_signin_refused(sb_req_t *q, apr_status_t rv);

/** May he who was found do this? By his roles, and by his token's scopes: then the answer's header says
 *  that these are wanting. */
int sb_signin_may(sb_req_t *q, sb_perm_t perm) SB_MUST_CHECK;

/** May this request change something? It comes from our own pages, or has the session's token, which
 *  userinfo tells, in X-CSRF-Token; or it comes with a bearer token, which no browser adds by itself. */
int sb_signin_may_change(const sb_req_t *q);

/** Answer a request that needs a sign-in: pages are sent there, scripts get 401 with "redirect". */
int sb_signin_required(sb_req_t *q);

/* Handlers; a module's table gives them their addresses. */
int sb_signin_login(sb_req_t *q);           /* GET /login */
int sb_signin_answer(sb_req_t *q);          /* POST /saml_post */
int sb_signin_logout(sb_req_t *q);          /* GET, POST /logout */
int sb_signin_logout_redirect(sb_req_t *q); /* GET /logout_redirect */
int sb_signin_metadata(sb_req_t *q);        /* GET /saml_metadata */

#endif
