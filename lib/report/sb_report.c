/**
 * The table of reports and what is common to running them.
 */

#include "report/sb_report.h"

#include <string.h>
#include "core/sb_log.h"

static const sb_report_t *const reports[] = {
    &sb_report_academic_year,      &sb_report_comparing_populations, &sb_report_list_of_students,
    &sb_report_individual_student, &sb_report_quick_links,
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

apr_status_t sb_report_run(const char **pjson, apr_size_t *plen, const sb_report_t *report,
                           const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    apr_status_t rv;

    *pjson = NULL;
    *plen = 0;
    rv = sb_db_begin(ctx->db, SB_TX_SNAPSHOT);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = report->run(w, ctx, p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_commit(ctx->db);
    }
    if (rv == APR_NOTFOUND) {
        sb_db_rollback(ctx->db);
        return rv;
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2002), rv, "report %s: %s", report->name,
               sb_db_error(ctx->db));
        sb_db_rollback(ctx->db);
        return rv;
    }
    *pjson = sb_jw_text(w, plen);
    return APR_SUCCESS;
}
