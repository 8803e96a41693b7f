#ifndef SB_SESSION_H
#define SB_SESSION_H

/**
 * Sessions: an opaque 256-bit id in the browser, a sealed record in memcached under the id's hash.
 * Losing the record means signing in again by a silent round trip. Idle and absolute limits.
 */

#include "auth/sb_identity.h"
#include "core/sb_crypto.h"
#include "store/sb_cache.h"

typedef struct {
    const char *id;            /* 64 hex digits; never logged: sb_session_ref() is */
    apr_time_t created, seen;  /* UTC */
    apr_time_t not_after;      /* absolute end: ours or the identity provider's, the earlier */
    const char *name_id;       /* for single logout */
    const char *session_index; /* NULL none */
    const char *lasso_dump;    /* Lasso's session, for single logout; NULL none */
    const char *csrf;          /* token of this session */
    sb_identity_t *identity;
} sb_session_t;

typedef struct {
    sb_cache_t *cache;
    const sb_keyring_t *keys;
    apr_interval_time_t idle, absolute; /* limits */
    const apr_array_header_t *tenants;  /* sb_tenant_t */
} sb_session_store_t;

/** Fill in id, csrf and times and store. @return SB_EUNAVAILABLE the cache is down */
apr_status_t sb_session_create(sb_session_t *s, const sb_session_store_t *store,
                               apr_pool_t *p) SB_MUST_CHECK;
/** @return APR_SUCCESS; APR_NOTFOUND none, expired or forged; SB_EUNAVAILABLE the cache is down */
apr_status_t sb_session_find(sb_session_t **ps, const sb_session_store_t *store, const char *id,
                             apr_pool_t *p) SB_MUST_CHECK;
apr_status_t sb_session_end(const sb_session_store_t *store, const char *id) SB_MUST_CHECK;

/** First 12 hex digits of the id's SHA-256: names a session in logs without giving it away. */
const char *sb_session_ref(const char *id, apr_pool_t *p);

#endif
