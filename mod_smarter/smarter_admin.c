/**
 * /services for administrators: emptying the caches, and filling them.
 */

#include "smarter.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "report/sb_warm.h"

/* @return OK; DONE there is no such thing, the answer is written */
static int read_segment(sb_req_t *q, const sb_param_t *schema)
{
    if (sb_req_segment(q, schema)) {
        sb_web_problem(q->r, HTTP_NOT_FOUND, "There is nothing at this address");
        return DONE;
    }
    return OK;
}

/* All tenants share the caches and the sessions, and filling them is work for all databases: who looks after one
 * tenant, or a school, does not do that to the others. Asked when the address is known to be one of ours.
 * @return OK; DONE he may not, the answer is written */
static int want_everywhere(sb_req_t *q)
{
    if (sb_identity_may_everywhere(q->user, SB_PERM_SUPER_ADMIN, smarter_child(q)->tenants)) {
        return OK;
    }
    q->denial = apr_psprintf(q->r->pool, "%s %s without SUPER_USER for every tenant", q->r->method,
                             q->r->uri);
    sb_web_problem(q->r, HTTP_FORBIDDEN, "want SUPER_USER for every tenant of this installation");
    return DONE;
}

static int done(sb_req_t *q, const char *name)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);
    const char *json;
    apr_size_t len;

    sb_jw_object(w, NULL);
    if (name) {
        sb_jw_str(w, name, q->rest);
    }
    sb_jw_str(w, "result", "OK");
    sb_jw_end(w);
    json = sb_jw_text(w, &len);
    return sb_web_json(q->r, json, len);
}

/* ---- the caches ------------------------------------------------------------------------------ */

static apr_status_t raise_generations(sb_req_t *q, int kinds)
{
    apr_pool_t *p;
    apr_status_t rv;
    sb_db_t *db;

    if (!smarter_child(q)->stats) {
        return SB_ECONFIG;
    }
    apr_pool_create(&p, q->r->pool);
    rv = sb_dbpool_get(&db, smarter_child(q)->stats, p);
    if (rv == APR_SUCCESS) {
        rv = sb_generations_raise(db, kinds);
        if (rv != APR_SUCCESS) {
            sb_log(SB_LOG_ERROR, SBLOGNO(3050), rv, "emptying a cache: %s", sb_db_error(db));
        }
    }
    apr_pool_destroy(p);
    return rv;
}

/* What was kept is out of use, on all web nodes, when the answer comes: whatever the cache servers are doing,
 * nobody looks for it any more. */
int smarter_admin_flush(sb_req_t *q)
{
    static const char *const names[] = {"all", "session", "data", NULL};
    static const sb_param_t schema[] = {
        {.name = "cache_name", .type = SB_PARAM_ENUM, .values = names}, {.name = NULL}};
    apr_status_t rv;
    int kinds;

    if (read_segment(q, schema) != OK || want_everywhere(q) != OK) {
        return OK;
    }
    kinds = sb_generation_kinds(q->rest);
    rv = raise_generations(q, kinds);
    if (rv == SB_ECONFIG) {
        return sb_web_problem(q->r, HTTP_SERVICE_UNAVAILABLE,
                              "The caches cannot be emptied without a statistics database");
    }
    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, SB_EUNAVAILABLE, SBLOGNO(3051), "emptying a cache");
    }
    sb_log(SB_LOG_NOTICE, SBLOGNO(3052), SB_NO_STATUS, "caches emptied: %s", q->rest);
    if (kinds & SB_GENERATION_BIT(SB_GENERATION_SESSION)) {
        sb_req_event(q, SB_SECURITY_INFO, "everybody is signed out: the sessions were emptied");
    }
    apr_sleep(SB_GENERATION_FRESH);
    return done(q, "cache_name");
}

/* ---- scheduled work, now --------------------------------------------------------------------- */

static int refuse_warming(sb_req_t *q, apr_status_t rv, const char *error)
{
    if (rv == SB_EBUSY) {
        return sb_web_problem(q->r, HTTP_CONFLICT, "It is being done already");
    }
    if (rv == APR_TIMEUP) {
        apr_table_setn(q->r->headers_out, "Retry-After", "1");
        return sb_web_problem(q->r, HTTP_SERVICE_UNAVAILABLE,
                              "There is more to do than a request may take: ask again to go on");
    }
    sb_log(SB_LOG_ERROR, SBLOGNO(3053), SB_NO_STATUS, "making reports in advance: %s",
           error ? error : "failed");
    return rv == SB_EUNAVAILABLE
               ? sb_web_fail(q->r, rv, SBLOGNO(3054), "making reports in advance")
               : sb_web_problem(q->r, HTTP_INTERNAL_SERVER_ERROR,
                                "Reports cannot be made in advance; the log of this node says why");
}

/* A report that failed is logged and made next time; the whole is not the worse for it. */
static int warm(sb_req_t *q)
{
    sb_warm_opts_t opts = {.conf = smarter_child(q)->conf,
                           .app = "mod_smarter trigger",
                           .limit =
                               sb_conf_interval(smarter_child(q)->conf, "trigger.recache.timeout")};
    sb_warm_result_t result;
    const char *error;
    apr_status_t rv = sb_warm_run(&result, &error, &opts, q->r->pool);

    if (rv != APR_SUCCESS) {
        return refuse_warming(q, rv, error);
    }
    sb_log(SB_LOG_INFO, SBLOGNO(3055), SB_NO_STATUS, "%d reports made for %d batches, %d failed",
           result.reports, result.batches, result.failed);
    return done(q, NULL);
}

int smarter_admin_trigger(sb_req_t *q)
{
    static const char *const names[] = {"cache", "pdf", NULL};
    static const sb_param_t schema[] = {
        {.name = "trigger_type", .type = SB_PARAM_ENUM, .values = names}, {.name = NULL}};

    if (read_segment(q, schema) != OK || want_everywhere(q) != OK) {
        return OK;
    }
    if (!strcmp(q->rest, "pdf")) {
        return sb_web_problem(
            q->r, HTTP_SERVICE_UNAVAILABLE,
            "PDF pre-generation is not installed: reports are drawn when asked for");
    }
    return warm(q);
}
