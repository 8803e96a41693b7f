/* What is said about a batch: the report of --once, and the notification for the sender. */

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "udl/sb_udl_run.h"

/* ---- the notification -------------------------------------------------------------------------- */

/* Rows as the sender counts them: of a registration each student once, as in its snapshot. */
static apr_int64_t kept(const sb_udl_run_t *run)
{
    const sb_udl_counts_t *n = &run->result->counts;

    return run->meta.load == SB_UDL_REGISTRATION && n->deduplicated > 0
               ? n->loaded - n->deduplicated
               : n->loaded;
}

const char *sb_udl_snapshot(const sb_udl_run_t *run)
{
    sb_jw_t *w;

    if (run->problem || run->meta.load != SB_UDL_REGISTRATION) {
        return NULL;
    }
    w = sb_jw_make(run->p);
    sb_jw_object(w, NULL);
    sb_jw_str(w, "reg_system_id", run->meta.reg_system_id);
    sb_jw_int(w, "academic_year", run->meta.academic_year);
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

const char *sb_udl_notification(const sb_udl_run_t *run)
{
    sb_jw_t *w = sb_jw_make(run->p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "callback_url", run->meta.callback_url);
    sb_jw_str(w, "email_notification", run->meta.email);
    if (run->have_meta && run->meta.load == SB_UDL_REGISTRATION) {
        sb_jw_str(w, "student_reg_guid", run->meta.guid);
        sb_jw_str(w, "reg_system_id", run->meta.reg_system_id);
        sb_jw_int(w, "academic_year", run->meta.academic_year);
    }
    sb_jw_int(w, "notification_max_attempts", run->conf->notification_max_attempts);
    sb_jw_int(w, "notification_retry_interval", run->conf->notification_retry_secs);
    sb_jw_int(w, "notification_timeout_interval", run->conf->notification_timeout_secs);
    sb_jw_int(w, "total_rows_loaded", run->problem ? 0 : kept(run));
    sb_jw_int(w, "total_rows_not_loaded",
              run->problem ? run->result->counts.read : run->result->counts.rejected);
    if (run->tsb_error) {
        sb_jw_json(w, "tsb_error", run->tsb_error);
    }
    if (!run->problem) {
        sb_jw_str(w, "udl_phase", PHASE_COMPLETE);
    }
    sb_jw_str(w, "udl_phase_step_status", run->problem ? "FAILURE" : "SUCCESS");
    if (run->problem || run->tsb_error) {
        sb_jw_str(w, "error_desc", run->problem ? run->problem : SB_UDL_TSB_ERROR);
    }
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}
/* ---- the result in JSON ------------------------------------------------------------------------ */

int sb_udl_problem_code(const char *problem)
{
    static const char mark[] = "(code ";
    const char *at = problem ? strstr(problem, mark) : NULL;

    return at ? atoi(at + sizeof mark - 1) : 0;
}

static void write_refusals(sb_jw_t *w, const sb_udl_result_t *r)
{
    int i;

    sb_jw_array(w, "errors");
    if (r->problem) {
        sb_jw_object(w, NULL);
        sb_jw_int(w, "line", 0);
        sb_jw_null(w, "column");
        if (sb_udl_problem_code(r->problem)) {
            sb_jw_int(w, "code", sb_udl_problem_code(r->problem));
        }
        else {
            sb_jw_null(w, "code");
        }
        sb_jw_str(w, "reason", r->problem);
        sb_jw_end(w);
    }
    for (i = 0; r->refusals && i < r->refusals->nelts; i++) {
        const sb_udl_refusal_t *f = &APR_ARRAY_IDX(r->refusals, i, sb_udl_refusal_t);

        sb_jw_object(w, NULL);
        sb_jw_int(w, "line", f->line);
        sb_jw_str(w, "column", f->column);
        sb_jw_int(w, "code", f->number);
        sb_jw_str(w, "reason", f->reason);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

static void write_warnings(sb_jw_t *w, const sb_udl_result_t *r)
{
    int i;

    sb_jw_array(w, "warnings");
    for (i = 0; r->warnings && i < r->warnings->nelts; i++) {
        const sb_udl_warning_t *warning = &APR_ARRAY_IDX(r->warnings, i, sb_udl_warning_t);

        sb_jw_object(w, NULL);
        sb_jw_int(w, "line", warning->first_line);
        sb_jw_str(w, "column", warning->column);
        sb_jw_int(w, "code", warning->number);
        sb_jw_str(w, "reason", warning->reason);
        sb_jw_int(w, "count", warning->count);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

const char *sb_udl_result_json(const sb_udl_result_t *r, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    const char *seconds;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "batch", r->guid);
    sb_jw_str(w, "tenant", r->tenant);
    sb_jw_str(w, "status", r->status);
    sb_jw_int(w, "read", r->counts.read);
    sb_jw_int(w, "loaded", r->counts.loaded);
    sb_jw_int(w, "rejected", r->counts.rejected);
    if (r->counts.deduplicated < 0) {
        sb_jw_null(w, "deduplicated");
    }
    else {
        sb_jw_int(w, "deduplicated", r->problem ? 0 : r->counts.deduplicated);
    }
    write_refusals(w, r);
    write_warnings(w, r);
    seconds = apr_psprintf(p, "%.3f", r->seconds);
    sb_jw_raw(w, "seconds", seconds, strlen(seconds));
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}
