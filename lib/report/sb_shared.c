/**
 * Shared parts of responses: making, keeping, one at a time.
 */

#include "report/sb_shared.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_crypto.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "report/sb_filter.h"
#include "report/sb_version.h"

#define FORM "1"                     /* raise it when the form of what is kept changes */
#define MAKING apr_time_from_sec(20) /* whoever makes it and dies holds up others that long */
#define PATIENCE 4.0                 /* seconds to wait for somebody else's */
#define POLL apr_time_from_msec(10)
#define NEAR apr_time_from_sec(60) /* how long a process keeps one without asking memcached */

/* ---- keys ------------------------------------------------------------------------------------ */

static const char *key_of(const sb_report_t *report, const sb_report_ctx_t *ctx,
                          const char *version, apr_pool_t *p)
{
    char hex[SB_SHA256_HEX_SIZE];
    sb_jw_t *w = sb_jw_make(p);
    const char *what;

    sb_params_json(w, NULL, ctx->params);
    what = apr_pstrcat(p, sb_jw_text(w, NULL), " ", sb_scope_key(ctx->scope, p), " ",
                       sb_conf_str(ctx->conf, "smarter.reports.year_back"), NULL);
    return apr_psprintf(p, "r" FORM ":%" APR_INT64_T_FMT ":%s:%s:%s:%s", ctx->generation,
                        sb_scope_tenant(ctx->scope), version, report->name,
                        sb_sha256_hex(hex, what, strlen(what)));
}

/* ---- keeping --------------------------------------------------------------------------------- */

/* JSON has no line breaks of its own: one separates the two texts. @return 0: it is something else */
static int split(sb_shared_t *s, const char *data, apr_size_t len, apr_pool_t *p)
{
    const char *end = memchr(data, '\n', len);
    char *hash = apr_palloc(p, SB_SHA256_HEX_SIZE);

    if (!end || data + len - end < 3) {
        return 0;
    }
    s->items = data;
    s->items_len = (apr_size_t)(end - data);
    s->object = end + 1;
    s->len = len - s->items_len - 1;
    s->hash = sb_sha256_hex(hash, data, len);
    s->kept = APR_SUCCESS;
    return 1;
}

/* From this process, or from memcached and then kept in this process. */
static int fetch(sb_shared_t *s, const sb_report_ctx_t *ctx, const char *key, apr_pool_t *p)
{
    const sb_shared_t *have = ctx->near ? sb_near_get(ctx->near, key, p) : NULL;
    sb_near_item_t *item = NULL;
    apr_pool_t *own = p;
    apr_size_t len;
    char *data;

    if (have) {
        *s = *have;
        return 1;
    }
    if ((ctx->near && sb_near_begin(&item, &own, ctx->near, p) != APR_SUCCESS) ||
        sb_cache_get(&data, &len, ctx->cache, key, own) != APR_SUCCESS ||
        !split(s, data, len, own)) {
        return 0;
    }
    if (item) {
        sb_near_put(ctx->near, key, item, apr_pmemdup(own, s, sizeof(*s)), len, NEAR);
    }
    return 1;
}

static apr_status_t keep(const char *both, apr_size_t len, const sb_report_ctx_t *ctx,
                         const char *key)
{
    apr_status_t rv =
        sb_cache_set(ctx->cache, key, both, len, sb_conf_interval(ctx->conf, "cache.data.expire"));

    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_DEBUG, 0, rv, "%s is not kept", key);
    }
    return rv;
}

/* ---- making ---------------------------------------------------------------------------------- */

#define SWAPS_MAX 3 /* copies that took each other's place while one answer was made */

/* Did another copy take the place of the one we began to read? Names are looked up as they are now, rows
 * as they were when the snapshot was taken: from then on we read tables of the new copy, which are empty to
 * us. Whoever sees the same copy at the end as at the beginning has read nothing else. */
static apr_status_t is_same_copy(int *psame, const char *version, const sb_report_ctx_t *ctx,
                                 apr_pool_t *p)
{
    const char *now = NULL;
    apr_status_t rv = ctx->sid ? sb_version_ask(&now, ctx, p) : APR_SUCCESS;

    *psame = !ctx->sid || (!version && !now) || (version && now && !strcmp(version, now));
    return rv;
}

/* In one snapshot, whose version is the one it is kept under: a replica that lags cannot store old data
 * under a new key. @return APR_EAGAIN what is read was replaced meanwhile */
static apr_status_t make_once(sb_shared_t *s, const sb_report_t *report, sb_report_ctx_t *ctx,
                              apr_pool_t *p)
{
    sb_jw_t *object = sb_jw_make(p), *items = sb_jw_make(p);
    const char *version = NULL, *both;
    double start = sb_time_monotonic();
    apr_size_t len, items_len;
    int same = 1, *passing = apr_pcalloc(p, sizeof(*passing));
    apr_status_t rv = sb_report_connect(ctx);

    ctx->passing = passing;
    if (rv == APR_SUCCESS) {
        rv = sb_db_begin(ctx->db, SB_TX_SNAPSHOT);
    }
    if (rv == APR_SUCCESS && (ctx->cache || ctx->sid)) {
        rv = sb_version_ask(&version, ctx, p);
    }
    if (rv == APR_SUCCESS) {
        rv = report->shared(object, items, ctx, p);
    }
    if (rv == APR_SUCCESS) {
        rv = is_same_copy(&same, version, ctx, p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_commit(ctx->db);
    }
    if (rv != APR_SUCCESS || !same) {
        return rv == APR_SUCCESS ? APR_EAGAIN : rv;
    }
    sb_log(SB_LOG_INFO, SBLOGNO(2004), SB_NO_STATUS, "made report %s of version %s in %.1f ms",
           report->name, version ? version : "?", 1000 * (sb_time_monotonic() - start));
    both = apr_pstrcat(p, sb_jw_text(items, &items_len), "\n", sb_jw_text(object, &len), NULL);
    len += items_len + 1;
    if (!split(s, both, len, p)) {
        return APR_EGENERAL;
    }
    s->kept = version && ctx->cache && !*passing
                  ? keep(both, len, ctx, key_of(report, ctx, version, p))
                  : SB_EUNAVAILABLE;
    return APR_SUCCESS;
}

static apr_status_t make(sb_shared_t *s, const sb_report_t *report, sb_report_ctx_t *ctx,
                         apr_pool_t *p)
{
    apr_status_t rv = APR_EAGAIN;

    for (int i = 0; i < SWAPS_MAX && APR_STATUS_IS_EAGAIN(rv); i++) {
        rv = make_once(s, report, ctx, p);
    }
    return APR_STATUS_IS_EAGAIN(rv) ? SB_EUNAVAILABLE : rv;
}

/* Is somebody making it, and done in time? */
static int wait_for_other(sb_shared_t *s, const sb_report_ctx_t *ctx, const char *key,
                          const char *lock, apr_pool_t *p)
{
    double end = sb_time_monotonic() + PATIENCE;

    do {
        apr_sleep(POLL);
        if (fetch(s, ctx, key, p)) {
            return 1;
        }
        /* he failed, or the node with his lock died: our turn */
        if (sb_cache_add(ctx->cache, lock, "1", 1, MAKING) != APR_EEXIST) {
            return 0;
        }
    } while (sb_time_monotonic() < end);
    return 0;
}

apr_status_t sb_shared_find(sb_shared_t *s, const sb_report_t *report, sb_report_ctx_t *ctx,
                            apr_pool_t *p)
{
    const char *version = NULL, *key, *lock;
    apr_status_t rv;

    if (!ctx->cache) {
        return make(s, report, ctx, p);
    }
    rv = sb_version_find(&version, ctx, p);
    if (rv != APR_SUCCESS || !version) {
        return rv == APR_SUCCESS ? make(s, report, ctx, p) : rv;
    }
    key = key_of(report, ctx, version, p);
    if (fetch(s, ctx, key, p)) {
        return APR_SUCCESS;
    }
    if (ctx->sid && sb_filter_any(ctx->params)) {
        return make(s, report, ctx, p); /* nobody will find it kept, so nobody need wait */
    }
    lock = apr_pstrcat(p, key, ":m", NULL);
    if (sb_cache_add(ctx->cache, lock, "1", 1, MAKING) == APR_EEXIST &&
        wait_for_other(s, ctx, key, lock, p)) {
        return APR_SUCCESS;
    }
    rv = make(s, report, ctx, p);
    if (sb_cache_delete(ctx->cache, lock) != APR_SUCCESS) {
        sb_log(SB_LOG_DEBUG, 0, SB_NO_STATUS, "%s goes by itself", lock);
    }
    return rv;
}
