#ifndef SB_SESSION_H
#define SB_SESSION_H

/**
 * Sessions: an opaque 256-bit id in the browser, a sealed record in memcached under the id's hash.
 * Losing the record means signing in again by a silent round trip. Idle and absolute limits.
 *
 * In memcached (all sealed; H is the SHA-256 of the id, N of the name id):
 *   smarter_session_H    the record; replaced, never set, once it is there: an ended session cannot
 *                        come back by a request that was under way
 *   smarter_lasso_H      Lasso's session, needed only at sign-out
 *   smarter_name_N_I     slot I of the sessions of one name: H and the session index
 * Where sessions have generations, each key begins with theirs: raising it signs everybody out.
 *
 * A process that has just opened a record may use it again for a second without asking memcached. Whoever
 * ends a session on this node also raises the counter of the session's group, which all processes of the
 * node share: there it is over at once, on other nodes within that second.
 */

#include "auth/sb_identity.h"
#include "core/sb_crypto.h"
#include "store/sb_cache.h"
#include "store/sb_near.h"
#include "store/sb_generation.h"

#define SB_SESSION_ID_LEN 64       /* hex digits */
#define SB_SESSION_KEYS "session"  /* label of the key ring */
#define SB_SESSIONS_OF_ONE_NAME 16 /* more: one of the others is ended */
#define SB_SESSION_GROUPS 4096     /* counters of ended sessions */
#define SB_SESSION_TRUST apr_time_from_sec(1)

typedef struct {
    const char *id;            /* 64 hex digits; never logged: sb_session_ref() is */
    apr_time_t created, seen;  /* UTC; seen is up to a minute old */
    apr_time_t not_after;      /* absolute end: ours or the identity provider's, the earlier */
    const char *name_id;       /* for single logout; NULL none */
    const char *session_index; /* NULL none */
    const char *lasso_dump;    /* to sb_session_create only; later: sb_session_lasso() */
    const char *csrf;          /* token of this session */
    sb_identity_t *identity;
} sb_session_t;

typedef struct {
    sb_cache_t *cache;
    sb_generations_t *generations; /* NULL: one for ever */
    const sb_keyring_t *keys;
    apr_interval_time_t idle, absolute; /* limits */
    const apr_array_header_t *tenants;  /* sb_tenant_t */
    sb_near_t *near;                    /* records opened lately; NULL: memcached is always asked */
    apr_uint32_t *ended;       /* SB_SESSION_GROUPS counters in memory that the processes of
                                           this node share; NULL: there is but one process */
    apr_time_t (*clock)(void); /* NULL: apr_time_now; for tests */
} sb_session_store_t;

/**
 * Make a new session of s->identity, name_id, session_index, lasso_dump; fills in id, csrf and times.
 * @param s not_after: the identity provider's end, 0 none; becomes the earlier of it and ours
 * @return APR_SUCCESS; SB_EEXPIRED not_after is past; SB_EUNAVAILABLE the cache is down
 */
apr_status_t sb_session_create(sb_session_t *s, const sb_session_store_t *store,
                               apr_pool_t *p) SB_MUST_CHECK;

/**
 * @param id straight from the cookie, may be nonsense
 * @param ps in p; the identity may be shared with others: read it only
 * @return APR_SUCCESS; APR_NOTFOUND none, expired or forged; SB_EUNAVAILABLE the cache is down
 */
apr_status_t sb_session_find(sb_session_t **ps, const sb_session_store_t *store, const char *id,
                             apr_pool_t *p) SB_MUST_CHECK;

/** @return APR_SUCCESS it is no more (nor perhaps ever was); SB_EUNAVAILABLE */
apr_status_t sb_session_end(const sb_session_store_t *store, const char *id) SB_MUST_CHECK;

/**
 * End the sessions that a LogoutRequest means.
 * @param session_index NULL: all of the name. Sessions without an index are ended too.
 * @param pended how many there were
 * @param plasso Lasso's session of one of them, in p; NULL there was none
 * @return APR_SUCCESS; SB_EUNAVAILABLE at least one could not be ended
 */
apr_status_t sb_session_end_named(int *pended, const char **plasso, const sb_session_store_t *store,
                                  const char *name_id, const char *session_index,
                                  apr_pool_t *p) SB_MUST_CHECK;

/** Lasso's session, in p; NULL if there is none (any more). */
const char *sb_session_lasso(const sb_session_store_t *store, const sb_session_t *s, apr_pool_t *p);

/** First 12 hex digits of the id's SHA-256: names a session in logs without giving it away. */
const char *sb_session_ref(const char *id, apr_pool_t *p);

#endif
