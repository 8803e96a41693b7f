/**
 * Limits a minute: a counter for each minute of the clock, gone after it.
 */

#include "store/sb_rate.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_crypto.h"

#define WINDOW 60 /* seconds */

static const char *key_of(const char *what, const char *who, apr_int64_t now, apr_pool_t *p)
{
    char hex[SB_SHA256_HEX_SIZE];

    return apr_psprintf(p, "rate:%s:%s:%" APR_INT64_T_FMT, what,
                        sb_sha256_hex(hex, who, strlen(who)), now / WINDOW);
}

apr_status_t sb_rate_take(sb_rate_t *rate, sb_cache_t *cache, const char *what, const char *who,
                          apr_int64_t per_minute, apr_pool_t *p)
{
    apr_int64_t now = apr_time_sec(apr_time_now());
    apr_uint64_t n;

    rate->wait = WINDOW - (int)(now % WINDOW);
    rate->first = 0;
    if (!cache || per_minute == 0) {
        return APR_SUCCESS;
    }
    if (sb_cache_count(&n, cache, key_of(what, who, now, p), apr_time_from_sec(2 * WINDOW)) !=
        APR_SUCCESS) {
        return APR_SUCCESS;
    }
    rate->first = n == (apr_uint64_t)per_minute + 1;
    return n > (apr_uint64_t)per_minute ? SB_EBUSY : APR_SUCCESS;
}

int sb_rate_is_reached(sb_cache_t *cache, const char *what, const char *who, apr_int64_t per_minute,
                       apr_pool_t *p)
{
    apr_size_t len;
    char *n;

    return cache && per_minute > 0 &&
           sb_cache_get(&n, &len, cache, key_of(what, who, apr_time_sec(apr_time_now()), p), p) ==
               APR_SUCCESS &&
           apr_atoi64(n) >= per_minute;
}
