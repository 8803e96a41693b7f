#ifndef SB_UDL_KEYS_H
#define SB_UDL_KEYS_H

/**
 * Digests of keys already seen: says at once that a file has no key twice, in eight to twelve bytes a
 * key. Two keys may share a digest, so "seen" is a question for the database, "new" is a fact.
 */

#include <stdint.h>

#include "core/sb_status.h"

#define SB_UDL_KEYS_MAX 6000000 /* at most 64 MiB */

typedef struct sb_udl_keys_t sb_udl_keys_t;

/** @param p frees them */
sb_udl_keys_t *sb_udl_keys_make(apr_pool_t *p);

/**
 * Note a digest, which must be well mixed.
 * @return 1 seen before, 0 new, -1 there are too many to tell, from now on
 */
int sb_udl_keys_seen(sb_udl_keys_t *keys, uint64_t digest);

#endif
