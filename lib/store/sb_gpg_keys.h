#ifndef SB_GPG_KEYS_H
#define SB_GPG_KEYS_H

/**
 * The senders' public keys in the loader's key ring. Whom to believe is not asked of OpenPGP's web of
 * trust: the configuration names fingerprints. The work is done in a child process as the owner of the
 * ring, so that root leaves no files of his there. Not from programs with threads.
 */

#include <apr_time.h>
#include "core/sb_status.h"

#define SB_GPG_FINGERPRINT 40 /* hex digits */

typedef struct {
    const char *fingerprint; /* of the primary key, upper-case hex */
    apr_time_t expires;      /* 0: never */
} sb_gpg_key_t;

/** Is it a fingerprint as we pin them: 40 hex digits, blanks aside? @param pfpr upper case, without blanks */
int sb_gpg_is_fingerprint(const char **pfpr, const char *text, apr_pool_t *p);

/**
 * Judge a public key, and add it to the ring.
 * @param data   exported by the sender: one key, armoured or not
 * @param import 0: only judge
 * @return NULL, or what is wrong: no key or several, a secret one, revoked, expired, not for signing
 */
const char *sb_gpg_key_take(sb_gpg_key_t *key, const char *home, const void *data, apr_size_t len,
                            int import, apr_pool_t *p) SB_MUST_CHECK;

/** Look for a key in the ring. @return NULL, or what is wrong: not there, revoked, ... */
const char *sb_gpg_key_find(sb_gpg_key_t *key, const char *home, const char *fingerprint,
                            apr_pool_t *p) SB_MUST_CHECK;

#endif
