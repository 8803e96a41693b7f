/**
 * /data: the list of reports, the description of one, and running it.
 */

#include "smarter.h"

#include <strings.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "core/sb_sid.h"
#include "core/sb_time.h"
#include "report/sb_report.h"
#include "report/sb_view_csv.h"

#define PUBLIC_CACHING "public, max-age=60"

int smarter_data_list(sb_req_t *q)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);
    const sb_report_t *report;
    const char *json;
    apr_size_t len;

    sb_jw_array(w, NULL);
    for (int i = 0; (report = sb_report_at(i)) != NULL; i++) {
        sb_jw_str(w, NULL, report->name);
    }
    sb_jw_end(w);
    json = sb_jw_text(w, &len);
    return sb_web_json(q->r, json, len);
}

static int no_such_report(sb_req_t *q)
{
    return sb_web_problem(q->r, HTTP_NOT_FOUND,
                          apr_psprintf(q->r->pool, "Report %s is not found", q->rest));
}

static const char *methods_of(const sb_report_t *report)
{
    return report->post_only ? "POST, OPTIONS" : "GET, HEAD, POST, OPTIONS";
}

int smarter_data_describe(sb_req_t *q)
{
    const sb_report_t *report = sb_report_find(q->rest);
    sb_jw_t *w = sb_jw_make(q->r->pool);
    const char *json;
    apr_size_t len;

    if (!report) {
        return no_such_report(q);
    }
    sb_params_describe(w, NULL, report->params);
    json = sb_jw_text(w, &len);
    apr_table_setn(q->r->headers_out, "Allow", methods_of(report));
    return sb_web_json(q->r, json, len);
}

/* ---- a report's parameters ------------------------------------------------------------------- */

/* Does the client want what the page shows, as CSV? */
static int wants_csv(const sb_req_t *q, const sb_report_t *report)
{
    const char *accept = apr_table_get(q->r->headers_in, "Accept");

    return sb_view_csv_has(report) && accept && !strncasecmp(accept, "text/csv", 8);
}

/* @param view what the screen has made of the report; of interest to its CSV only
 * @return OK; DONE the answer is written */
static int read_params(sb_view_t *view, sb_req_t *q, const sb_report_t *report)
{
    const char *complaint;
    sb_json_t *body;

    if (sb_req_query(q) != OK) {
        return DONE;
    }
    if (report->post_only && q->query->nelts > 0) { /* addresses are logged on their way */
        sb_web_problem(q->r, HTTP_PRECONDITION_FAILED,
                       "parameters of this report go into the body");
        return DONE;
    }
    if (sb_req_body(&body, q) != OK) {
        return DONE;
    }
    complaint = sb_report_params(&q->params, report, q->query, body, q->r->pool);
    if (!complaint && wants_csv(q, report)) {
        complaint = sb_view_read(view, body, q->r->pool);
    }
    if (complaint) {
        sb_web_problem(q->r, HTTP_PRECONDITION_FAILED, complaint);
        return DONE;
    }
    return OK;
}

/* ---- running it ------------------------------------------------------------------------------ */

static int refuse(sb_req_t *q, const sb_report_t *report, const char *why)
{
    q->denial = apr_psprintf(q->r->pool, "report %s %s", report->name, why);
    return sb_web_problem(q->r, HTTP_FORBIDDEN, "Forbidden Access");
}

/* Which state a public report is of. Whatever is wrong with its id, the answer is one: there is none.
 * @return OK; DONE the answer is written */
static int make_public_scope(sb_report_ctx_t *ctx, sb_req_t *q, const sb_params_t *params)
{
    const char *secret = sb_conf_str(smarter_child(q)->conf, "edware.public.secret"), *state;
    apr_status_t rv;

    ctx->sid = sb_params_str(params, "sid");
    rv = sb_sid_decode(&state, ctx->sid, secret, q->r->pool);
    if (rv == APR_SUCCESS) {
        rv = sb_scope_public(&ctx->aggregates, state, smarter_child(q)->public_tenants, q->r->pool);
    }
    if (rv != APR_SUCCESS) {
        sb_web_problem(q->r, HTTP_NOT_FOUND, "There is no public report of this id");
        return DONE;
    }
    ctx->scope = ctx->aggregates;
    return OK;
}

/* What the report may see: aggregates of the state, and rows of persons for those who hold its role.
 * @return OK; DONE the answer is written */
static int make_scopes(sb_report_ctx_t *ctx, sb_req_t *q, const sb_report_t *report,
                       const sb_params_t *params)
{
    const char *state;
    apr_status_t rv;

    if (report->is_public) {
        return make_public_scope(ctx, q, params);
    }
    state = sb_params_str(params, "stateCode");
    rv = sb_scope_aggregates(&ctx->aggregates, q->user, state, smarter_child(q)->tenants,
                             q->r->pool);
    if (rv == SB_EDENIED) {
        refuse(q, report, "of a state that is not the user's");
        return DONE;
    }
    ctx->scope = ctx->aggregates;
    if (rv == APR_SUCCESS && report->role) {
        rv = sb_scope_role(&ctx->scope, q->user, report->role, state, smarter_child(q)->tenants,
                           q->r->pool);
        if (rv == SB_EDENIED) {
            refuse(q, report, apr_pstrcat(q->r->pool, "without role ", report->role, NULL));
            return DONE;
        }
    }
    if (rv != APR_SUCCESS) {
        sb_web_fail(q->r, rv, SBLOGNO(3022), "making a scope");
        return DONE;
    }
    return OK;
}

static apr_status_t run(sb_report_body_t *body, sb_req_t *q, const sb_report_t *report,
                        sb_report_ctx_t *ctx)
{
    const char *tenant = sb_scope_tenant(ctx->aggregates);

    if (sb_generation_find(&ctx->generation, smarter_child(q)->generations, SB_GENERATION_DATA) !=
        APR_SUCCESS) {
        ctx->cache = NULL; /* it may hold what was thrown away */
        ctx->near = NULL;
    }
    ctx->schema = sb_conf_tenant_str(smarter_child(q)->conf,
                                     report->is_public ? "edware.public.db.<tenant>.schema_name"
                                                       : "edware.db.<tenant>.schema_name",
                                     tenant);
    ctx->dbpool =
        apr_hash_get(report->is_public ? smarter_child(q)->public_pools : smarter_child(q)->pools,
                     tenant, APR_HASH_KEY_STRING);
    return sb_report_make(body, report, ctx, q->r->pool);
}

/* What names persons must not be kept; the rest has a tag of what is shared and of what is added for
 * this user. What nobody in particular asked for may be kept for everybody, a moment. */
static int send_body(sb_req_t *q, const sb_report_t *report, const sb_report_body_t *body)
{
    const sb_web_part_t parts[] = {{body->head, body->head_len}, {body->tail, body->tail_len}};

    if (report->is_public && !q->user) {
        apr_table_setn(q->r->headers_out, "Cache-Control", PUBLIC_CACHING);
    }
    if (body->head_hash) {
        return sb_web_json_parts(q->r, parts, 2,
                                 apr_pstrcat(q->r->pool, body->head_hash, body->tail, NULL));
    }
    return report->role || report->post_only ? sb_web_json(q->r, body->tail, body->tail_len)
                                             : sb_web_json_etag(q->r, body->tail, body->tail_len);
}

static int send_csv(sb_req_t *q, const sb_report_t *report, const sb_view_t *view,
                    const sb_report_body_t *body)
{
    apr_table_t *out = q->r->headers_out;
    const char *json =
        body->head_len
            ? apr_pstrcat(q->r->pool, apr_pstrmemdup(q->r->pool, body->head, body->head_len),
                          apr_pstrmemdup(q->r->pool, body->tail, body->tail_len), NULL)
            : body->tail;
    const char *text, *name;
    apr_size_t len;
    apr_status_t rv = sb_view_csv(&text, &len, &name, report, q->params, view, json,
                                  body->head_len + body->tail_len, q->r->request_time, q->r->pool);

    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, APR_EGENERAL, SBLOGNO(3025), "a view as CSV");
    }
    apr_table_setn(out, "Cache-Control", "no-store");
    apr_table_setn(out, "Content-Disposition",
                   apr_pstrcat(q->r->pool, "attachment; filename=\"", name, "\"", NULL));
    return sb_web_send(q->r, HTTP_OK, "text/csv; charset=UTF-8; header=present", text, len);
}

static const char *guid_of(const sb_req_t *q)
{
    return q->user && q->user->guid ? q->user->guid : "";
}

/* @return OK; DONE the answer is written */
static int take_turn(sb_req_t *q, const sb_report_t *report)
{
    if (!report->limit || !q->user) {
        return OK;
    }
    return sb_req_limit(q, report->name, smarter_child(q)->data_cache,
                        sb_conf_int(smarter_child(q)->conf, report->limit));
}

/* One line before and one after, with the time between: guid, no name. */
static double enter(const sb_req_t *q, const sb_report_t *report)
{
    sb_log(SB_LOG_INFO, SBLOGNO(3021), SB_NO_STATUS, "entered report %s, user_guid %s",
           report->name, guid_of(q));
    return sb_time_monotonic();
}

int smarter_data_report(sb_req_t *q)
{
    const sb_report_t *report = sb_report_find(q->rest);
    sb_report_ctx_t ctx = {.conf = smarter_child(q)->conf,
                           .tenants = smarter_child(q)->tenants,
                           .user = q->user,
                           .origin = sb_signin_origin(q->signin),
                           .cache = smarter_child(q)->data_cache,
                           .near = smarter_child(q)->near,
                           .versions = smarter_child(q)->versions,
                           .known = smarter_child(q)->known};
    sb_report_body_t body;
    sb_view_t view = {0};
    apr_status_t rv;
    double took;
    int rc;

    if (!report) {
        return no_such_report(q);
    }
    q->callable = report->callable;
    if (report->post_only && q->r->method_number != M_POST) {
        return sb_web_not_allowed(q->r, methods_of(report));
    }
    if (read_params(&view, q, report) != OK || make_scopes(&ctx, q, report, q->params) != OK) {
        return OK;
    }
    ctx.params = q->params;
    ctx.found = &q->found;
    if (take_turn(q, report) != OK) {
        return OK;
    }
    took = enter(q, report);
    rv = run(&body, q, report, &ctx);
    took = sb_time_monotonic() - took;
    if (rv == SB_EDENIED) {
        if (!report->role) {
            return refuse(q, report, "without the role for what is asked");
        }
        q->denial = apr_psprintf(q->r->pool, "report %s about a student out of reach of role %s",
                                 report->name, report->role);
    }
    if (rv == APR_NOTFOUND || rv == SB_EDENIED) { /* the same answer for both */
        return sb_web_problem(q->r, HTTP_NOT_FOUND, "There are no results for this request");
    }
    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, rv == SB_EUNAVAILABLE ? rv : APR_EGENERAL, SBLOGNO(3023),
                           apr_psprintf(q->r->pool, "report %s", report->name));
    }
    if (sb_view_csv_has(report)) {
        apr_table_mergen(q->r->headers_out, "Vary", "Accept");
    }
    rc = wants_csv(q, report)
             ? send_csv(q, report, &view, &body)
             : send_body(q, report, &body); /* first: nobody need wait for a line in a log */
    sb_log(SB_LOG_INFO, SBLOGNO(3024), SB_NO_STATUS,
           "left report %s after %.3f seconds, user_guid %s", report->name, took, guid_of(q));
    return rc;
}
