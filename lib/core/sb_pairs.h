#ifndef SB_PAIRS_H
#define SB_PAIRS_H

/** Names and values of a query string or of a form (application/x-www-form-urlencoded). */

#include <apr_tables.h>
#include "core/sb_status.h"

typedef struct {
    const char *name;
    const char *value; /* "" when there was no '=' */
} sb_pair_t;

#define SB_PAIRS_MAX 1000

/**
 * Decode "a=1&b=%20": in order, names may repeat.
 * @param ppairs array of sb_pair_t, allocated in p; NULL unless APR_SUCCESS
 * @param text   NULL is empty
 * @return APR_SUCCESS; SB_EINPUT a broken % escape, a NUL, or not UTF-8; SB_ETOOBIG more than
 *         SB_PAIRS_MAX
 */
apr_status_t sb_pairs_read(const apr_array_header_t **ppairs, const char *text,
                           apr_pool_t *p) SB_MUST_CHECK;

/** First value of a name, or NULL. */
const char *sb_pairs_get(const apr_array_header_t *pairs, const char *name);

#endif
