/**
 * Table extract_stats: an event a row.
 */

#include "extract/sb_extract_job.h"

#include "core/sb_log.h"

static const sb_stmt_t note = {
    "extract_note", 5,
    "INSERT INTO {schema}.extract_stats (request_guid, \"timestamp\", status, task_id,"
    " celery_task_id, info) VALUES ($1, now() AT TIME ZONE 'UTC', $2, $3, $4, $5)"};

void sb_extract_note(sb_db_t *stats, const char *request, const char *status, const char *task,
                     const char *message, const char *info)
{
    const char *args[] = {request, status, task, message, info};
    apr_status_t rv = stats ? sb_db_exec(NULL, stats, &note, args) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2300), rv, "extract %s: state %s is not noted: %s", request,
               status, sb_db_error(stats));
    }
}

void sb_extract_note_queued(sb_db_t *stats, const sb_extract_t *x, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_params_json(w, "params", x->params);
    sb_jw_array(w, "tenant");
    sb_jw_str(w, NULL, sb_scope_tenant(x->scope));
    sb_jw_end(w);
    sb_jw_str(w, "user_guid", x->user ? x->user->guid : NULL);
    sb_jw_end(w);
    sb_extract_note(stats, x->id, "QUEUED", x->id, NULL, sb_jw_text(w, NULL));
}
