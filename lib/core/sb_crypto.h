#ifndef SB_CRYPTO_H
#define SB_CRYPTO_H

/** The few cryptographic operations the product needs, by OpenSSL. Keys never appear in logs. */

#include "core/sb_status.h"

#define SB_SHA256_HEX_SIZE 65
#define SB_SEAL_KEY_LEN 32

/** Fill buf from the CSPRNG. */
apr_status_t sb_random(void *buf, apr_size_t len) SB_MUST_CHECK;

/** nbytes of randomness as lower-case hex in p; NULL when the CSPRNG fails. */
char *sb_random_hex(apr_size_t nbytes, apr_pool_t *p) SB_MUST_CHECK;

/** Equal content, in time that does not depend on it? Unequal lengths are unequal. */
int sb_equal_secret(const void *a, apr_size_t alen, const void *b, apr_size_t blen);

/** @return hex, lower case */
const char *sb_sha256_hex(char hex[SB_SHA256_HEX_SIZE], const void *data, apr_size_t len);

/** Incremental digests of files; "MD5" is only for the .done companion of old senders. */
typedef struct sb_digest_t sb_digest_t;
apr_status_t sb_digest_make(sb_digest_t **pd, const char *name, apr_pool_t *p) SB_MUST_CHECK;
apr_status_t sb_digest_update(sb_digest_t *d, const void *data, apr_size_t len) SB_MUST_CHECK;
/** @return lower-case hex in the pool of d, NULL on failure; d is used up */
const char *sb_digest_hex(sb_digest_t *d);

/** HMAC-SHA-256 under one key, again and again. */
#define SB_HMAC_SIZE 32
typedef struct sb_hmac_t sb_hmac_t;
apr_status_t sb_hmac_make(sb_hmac_t **ph, const void *key, apr_size_t len,
                          apr_pool_t *p) SB_MUST_CHECK;
/** Of several texts, one behind the other. @param ... const void *, apr_size_t pairs, ended by NULL */
apr_status_t sb_hmac(unsigned char mac[SB_HMAC_SIZE], sb_hmac_t *h, ...) SB_MUST_CHECK
    __attribute__((sentinel));

/* ---- base64 ---------------------------------------------------------------------------------- */

char *sb_base64_encode(const void *data, apr_size_t len, apr_pool_t *p);

/**
 * Decode standard base64; white space between characters is allowed (SAML wraps lines).
 * @param pdata NUL-terminated for convenience; the NUL is not counted
 * @return APR_SUCCESS; SB_EINPUT any other character, bad padding or bad length
 */
apr_status_t sb_base64_decode(unsigned char **pdata, apr_size_t *plen, const char *text,
                              apr_size_t len, apr_pool_t *p) SB_MUST_CHECK;

/* ---- sealing: AES-256-GCM under one of several keys ------------------------------------------ */

/**
 * A set of keys: the first seals, all open, so that a key can be changed without ending sessions.
 * @param secrets NULL-terminated texts of at least 16 characters; a key is derived from each by
 *                HKDF-SHA256 with the label, so that one secret serves several purposes
 */
typedef struct sb_keyring_t sb_keyring_t;
apr_status_t sb_keyring_make(sb_keyring_t **pring, const char *const *secrets, const char *label,
                             apr_pool_t *p) SB_MUST_CHECK;

/**
 * Seal: key id, nonce, ciphertext, tag in one buffer allocated in p.
 * @param aad bound to the ciphertext but not stored (what the record belongs to); may be NULL
 */
apr_status_t sb_seal(unsigned char **psealed, apr_size_t *psealed_len, const sb_keyring_t *ring,
                     const void *data, apr_size_t len, const char *aad,
                     apr_pool_t *p) SB_MUST_CHECK;

/** @return APR_SUCCESS; SB_EINPUT no key of the ring made it, or one bit changed */
apr_status_t sb_unseal(unsigned char **pdata, apr_size_t *plen, const sb_keyring_t *ring,
                       const void *sealed, apr_size_t sealed_len, const char *aad,
                       apr_pool_t *p) SB_MUST_CHECK;

#endif
