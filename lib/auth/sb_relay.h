#ifndef SB_RELAY_H
#define SB_RELAY_H

/**
 * What must survive a round trip to the identity provider: which request we made, for which browser,
 * and where the person wanted to go. The message carries only a random key into memcached
 * (RelayState); the record there is sealed, lives ten minutes and is taken once.
 */

#include "core/sb_crypto.h"
#include "store/sb_cache.h"

#define SB_RELAY_KEYS "relay" /* label of the key ring */
#define SB_RELAY_LIFE apr_time_from_sec(600)
#define SB_BROWSER_ID_LEN 64 /* hex digits */

typedef enum { SB_RELAY_SIGN_IN, SB_RELAY_SIGN_OUT } sb_relay_kind_t;

typedef struct {
    sb_relay_kind_t kind;
    const char *request_id; /* of our message: the answer must name it */
    const char *target;     /* path to go to afterwards */
    int fresh;              /* it asked for a fresh proof of who the person is */
} sb_relay_t;

/** A new random key or browser id: 64 hex digits; NULL when the CSPRNG fails. */
const char *sb_relay_random(apr_pool_t *p);
/** Has a text from outside the form of such an id? */
int sb_relay_id_is_valid(const char *id);

/** @param browser id in the cookie of the browser that is being sent away */
apr_status_t sb_relay_put(sb_cache_t *cache, const sb_keyring_t *keys, const char *key,
                          const char *browser, const sb_relay_t *relay,
                          apr_pool_t *p) SB_MUST_CHECK;

/**
 * Take the record out.
 * @param key     RelayState as it came; may be nonsense or NULL
 * @param browser id in the cookie of the browser that brought it; may be nonsense or NULL
 * @return APR_SUCCESS; APR_NOTFOUND unknown, used or too old; SB_EDENIED another browser's (it stays
 *         there for the right one), or of another kind; SB_EUNAVAILABLE
 */
apr_status_t sb_relay_take(sb_relay_t *relay, sb_relay_kind_t kind, sb_cache_t *cache,
                           const sb_keyring_t *keys, const char *key, const char *browser,
                           apr_pool_t *p) SB_MUST_CHECK;

/**
 * May we send a browser to this path of ours? Refused: anything that a browser could read as another
 * site ("//host", "/\host", control characters), the addresses of signing in and out, over 2000 bytes.
 */
int sb_relay_target_is_ours(const char *path);

#endif
