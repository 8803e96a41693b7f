/**
 * The table of reports and what is common to running them.
 */

#include "report/sb_report.h"

#include <string.h>
#include "core/sb_log.h"
#include "report/sb_shared.h"

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

/* The object that was shared, and behind its members those of this user. */
static const char *join(apr_size_t *plen, const sb_shared_t *shared, sb_jw_t *w, apr_pool_t *p)
{
    apr_size_t more_len, head = shared->len - 1; /* without its closing brace */
    const char *more = sb_jw_text(w, &more_len);
    char *all = apr_palloc(p, head + more_len + 1);

    memcpy(all, shared->object, head);
    memcpy(all + head, more, more_len);
    all[head] = ','; /* for the opening brace */
    all[head + more_len] = '\0';
    *plen = head + more_len;
    return all;
}

static apr_status_t run_shared(const char **pjson, apr_size_t *plen, const sb_report_t *report,
                               const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    sb_report_ctx_t mine = *ctx;
    sb_jw_t *w = sb_jw_make(p);
    sb_shared_t shared;
    apr_status_t rv = sb_shared_find(&shared, report, ctx, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    mine.items = shared.items;
    mine.items_len = shared.items_len;
    rv = report->run(w, &mine, p);
    *pjson = join(plen, &shared, w, p);
    return rv;
}

static apr_status_t run_alone(const char **pjson, apr_size_t *plen, const sb_report_t *report,
                              const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    apr_status_t rv = sb_db_begin(ctx->db, SB_TX_SNAPSHOT);

    if (rv == APR_SUCCESS) {
        rv = report->run(w, ctx, p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_commit(ctx->db);
    }
    *pjson = sb_jw_text(w, plen);
    return rv;
}

apr_status_t sb_report_run(const char **pjson, apr_size_t *plen, const sb_report_t *report,
                           const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    apr_status_t rv = report->shared ? run_shared(pjson, plen, report, ctx, p)
                                     : run_alone(pjson, plen, report, ctx, p);

    if (rv != APR_SUCCESS && rv != APR_NOTFOUND) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2002), rv, "report %s: %s", report->name,
               sb_db_error(ctx->db));
    }
    if (rv != APR_SUCCESS) {
        sb_db_rollback(ctx->db);
        *pjson = NULL;
        *plen = 0;
    }
    return rv;
}
