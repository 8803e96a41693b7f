/**
 * The table of reports and what is common to running them.
 */

#include "report/sb_report.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "report/sb_hidden.h"
#include "report/sb_shared.h"

static const sb_report_t *const reports[] = {
    &sb_report_academic_year,
    &sb_report_comparing_populations,
    &sb_report_list_of_students,
    &sb_report_individual_student,
    &sb_report_quick_links,
    &sb_report_registration_statistics,
    &sb_report_assessment_completion,
    &sb_report_student_history,
    &sb_report_public_comparing,
    &sb_report_public_short_url,
    &sb_report_search,
    &sb_report_subgroups,
    &sb_report_trends,
};
#define NREPORTS ((int)(sizeof(reports) / sizeof(reports[0])))

const sb_report_t *sb_report_at(int i)
{
    return i < NREPORTS ? reports[i] : NULL;
}

const sb_report_t *sb_report_find(const char *name)
{
    for (int i = 0; i < NREPORTS; i++) {
        if (!strcmp(reports[i]->name, name)) {
            return reports[i];
        }
    }
    return NULL;
}

const char *sb_report_params(const sb_params_t **pparams, const sb_report_t *report,
                             const apr_array_header_t *query, const sb_json_t *body, apr_pool_t *p)
{
    const char *complaint =
        sb_params_read(pparams, report->params, query, body, SB_PARAMS_IGNORE_UNKNOWN, p);

    if (!complaint && report->check) {
        complaint = report->check(*pparams);
    }
    return complaint;
}

apr_status_t sb_report_connect(sb_report_ctx_t *ctx)
{
    return ctx->db ? APR_SUCCESS : sb_dbpool_get(&ctx->db, ctx->dbpool, ctx->db_until);
}

/* The object that was shared without its closing brace, and behind it the members of this user, with a
 * comma for their opening brace. */
static apr_status_t run_shared(sb_report_body_t *body, const sb_report_t *report,
                               sb_report_ctx_t *ctx, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    sb_shared_t shared;
    apr_status_t rv = sb_shared_find(&shared, report, ctx, p);
    const char *more;
    char *tail;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    ctx->items = shared.items;
    ctx->items_len = shared.items_len;
    rv = report->run(w, ctx, p);
    more = sb_jw_text(w, &body->tail_len);
    body->tail = tail = apr_pstrmemdup(p, more, body->tail_len);
    tail[0] = ',';
    body->head = shared.object;
    body->head_len = shared.len - 1;
    body->head_hash = shared.hash;
    return rv;
}

static apr_status_t run_alone(sb_report_body_t *body, const sb_report_t *report,
                              sb_report_ctx_t *ctx, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    apr_status_t rv = sb_report_connect(ctx);

    if (rv == APR_SUCCESS && !report->own_snapshot) {
        rv = sb_db_begin(ctx->db, SB_TX_SNAPSHOT);
    }
    if (rv == APR_SUCCESS) {
        rv = report->run(w, ctx, p);
    }
    if (rv == APR_SUCCESS && !report->own_snapshot) {
        rv = sb_db_commit(ctx->db);
    }
    body->tail = sb_jw_text(w, &body->tail_len);
    return rv;
}

apr_status_t sb_report_make(sb_report_body_t *body, const sb_report_t *report,
                            const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    sb_report_ctx_t mine = *ctx;
    apr_status_t rv;

    *body = (sb_report_body_t){.head = "", .tail = ""};
    apr_pool_create(&mine.db_until, p);
    rv = report->shared ? run_shared(body, report, &mine, p) : run_alone(body, report, &mine, p);
    if (rv != APR_SUCCESS && rv != APR_NOTFOUND && rv != SB_EDENIED) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2002), rv, "report %s: %s", report->name,
               mine.db ? sb_db_error(mine.db) : "no connection");
    }
    if (rv != APR_SUCCESS) {
        if (mine.db) {
            sb_db_rollback(mine.db);
        }
        *body = (sb_report_body_t){.head = "", .tail = ""};
    }
    if (rv == APR_NOTFOUND && report->role && mine.db && sb_hidden_student(&mine, p)) {
        rv = SB_EDENIED;
    }
    apr_pool_destroy(
        mine.db_until); /* the connection goes back before anything is sent to a slow client */
    return rv;
}
