#ifndef SB_LZ_KEYS_H
#define SB_LZ_KEYS_H

/** Public keys of senders: KEYS_DIR/USER, written by root alone, outside every jail. */

#include <apr_tables.h>
#include "core/sb_status.h"

#define SB_LZ_KEYS_MAX 32

/**
 * Judge one line as in authorized_keys: type, base64, comment. Options (command=, from=...) are
 * refused, and so are weak keys (DSA, RSA below 2048 bits) and certificates.
 * @param pkey "type base64" without the comment, which may be a person's name
 * @return NULL, or what is wrong
 */
const char *sb_lz_key_judge(const char **pkey, const char *line, apr_pool_t *p) SB_MUST_CHECK;

/** Judge a text of one key a line; blank lines and comments are skipped. @param pkeys of const char * */
const char *sb_lz_keys_judge(apr_array_header_t **pkeys, const char *text,
                             apr_pool_t *p) SB_MUST_CHECK;

/** Add keys to those of a user; one he has is not added again. @return SB_ETOOBIG too many */
apr_status_t sb_lz_keys_add(const char *dir, const char *user, const apr_array_header_t *keys,
                            apr_pool_t *p) SB_MUST_CHECK;

/** How many keys a user has. */
int sb_lz_keys_count(const char *dir, const char *user, apr_pool_t *p);

/** @return none there is success */
apr_status_t sb_lz_keys_remove(const char *dir, const char *user, apr_pool_t *p) SB_MUST_CHECK;

#endif
