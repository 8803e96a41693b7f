/**
 * Limits a minute: a counter for each minute of the clock, gone after it.
 */

#include "store/sb_rate.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_crypto.h"

#define WINDOW 60 /* seconds */

apr_status_t sb_rate_take(sb_rate_t *rate, sb_cache_t *cache, const char *what, const char *who,
                          apr_int64_t per_minute, apr_pool_t *p)
{
    apr_int64_t now = apr_time_sec(apr_time_now());
    char hex[SB_SHA256_HEX_SIZE];
    apr_uint64_t n;
    const char *key;

    rate->wait = WINDOW - (int)(now % WINDOW);
    rate->first = 0;
    if (!cache || per_minute == 0) {
        return APR_SUCCESS;
    }
    key = apr_psprintf(p, "rate:%s:%s:%" APR_INT64_T_FMT, what,
                       sb_sha256_hex(hex, who, strlen(who)), now / WINDOW);
    if (sb_cache_count(&n, cache, key, apr_time_from_sec(2 * WINDOW)) != APR_SUCCESS) {
        return APR_SUCCESS;
    }
    rate->first = n == (apr_uint64_t)per_minute + 1;
    return n > (apr_uint64_t)per_minute ? SB_EBUSY : APR_SUCCESS;
}
