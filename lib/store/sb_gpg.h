#ifndef SB_GPG_H
#define SB_GPG_H

/**
 * OpenPGP packages: decrypt to a file and judge the signature, by gpgme. Clear text reaches the
 * output file before the verdict is known; it is only there to stay after APR_SUCCESS, else it is
 * removed. gpgme starts gpg and its agent: use it in worker processes, not in httpd.
 */

#include "core/sb_status.h"

typedef struct {
    const char *home; /* key ring directory; mode 0700, path short enough for the agent's socket */
    const char *passphrase; /* of the private key; NULL none */
    const char *const
        *senders;          /* accepted fingerprints, primary or subkey, ended by NULL; NULL none */
    int require_signature; /* 0: unsigned packages pass too; a signature that is there must still be good */
    apr_int64_t max_bytes; /* of clear text; 0 no limit */
} sb_gpg_opts_t;

typedef struct {
    const char *problem;     /* NULL on success, else a sentence for the sender */
    const char *fingerprint; /* of the key that signed, upper-case hex; NULL unsigned */
    apr_int64_t bytes;       /* of clear text */
} sb_gpg_result_t;

/**
 * Decrypt and verify.
 * @param result its texts are allocated in p
 * @param out    made new, mode 0600; removed again on failure
 * @return APR_SUCCESS: whole, and signed by exactly one accepted sender (or unsigned, if allowed);
 *         SB_EINPUT no OpenPGP message, not encrypted, truncated or damaged;
 *         SB_EDENIED encrypted, but not to our key;
 *         SB_ESIGNATURE unsigned, or the signature is bad, unknown, expired, revoked, not one;
 *         SB_ETOOBIG over max_bytes; SB_ECONFIG the key ring or the passphrase; APR_ENOENT no input;
 *         SB_EUNAVAILABLE gpg does not run, or writing failed
 */
apr_status_t sb_gpg_decrypt(sb_gpg_result_t *result, const char *in, const char *out,
                            const sb_gpg_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

#endif
