/**
 * Table extract_stats: an event a row.
 */

#include "extract/sb_extract_job.h"

#include <apr_strings.h>
#include "core/sb_log.h"

static const sb_stmt_t note = {
    "extract_note", 6,
    "INSERT INTO {schema}.extract_stats (request_guid, status, task_id, celery_task_id, info,"
    " \"timestamp\") VALUES ($1, $2, $3, $4, $5,"
    " coalesce(to_timestamp(0) + $6::bigint * interval '1 us', now()) AT TIME ZONE 'UTC')"};

/* @param when microseconds since the epoch as text; NULL: now */
static void note_event(sb_db_t *stats, const char *request, const char *status, const char *task,
                       const char *message, const char *info, const char *when)
{
    const char *args[] = {request, status, task, message, info, when};
    apr_status_t rv = stats ? sb_db_exec(NULL, stats, &note, args) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2300), rv, "extract %s: state %s is not noted: %s", request,
               status, sb_db_error(stats));
    }
}

void sb_extract_note(sb_db_t *stats, const char *request, const char *status, const char *task,
                     const char *message, const char *info)
{
    note_event(stats, request, status, task, message, info, NULL);
}

/* A worker may have begun before this is written: the time is that of the request. */
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
    note_event(stats, x->id, "QUEUED", x->id, NULL, sb_jw_text(w, NULL),
               apr_psprintf(p, "%" APR_INT64_T_FMT, x->when));
}

/* ---- what is long ago --------------------------------------------------------------------------------- */

#define PORTION 10000 /* rows: nobody who writes waits for long */

static const sb_stmt_t forget = {
    "extract_forget", 2,
    "DELETE FROM {schema}.extract_stats WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM {schema}.extract_stats"
    " WHERE \"timestamp\" <= now() AT TIME ZONE 'UTC' - $1::bigint * interval '1 us'"
    " ORDER BY \"timestamp\" LIMIT $2::int))"};

apr_status_t sb_extract_forget(apr_int64_t *pn, sb_db_t *stats, apr_interval_time_t age,
                               int (*stopping)(void), apr_pool_t *p)
{
    const char *args[] = {apr_psprintf(p, "%" APR_INT64_T_FMT, age), APR_STRINGIFY(PORTION)};
    apr_int64_t n = PORTION;
    apr_status_t rv = APR_SUCCESS;

    *pn = 0;
    while (rv == APR_SUCCESS && n == PORTION) {
        rv = stopping() ? APR_EINTR : sb_db_exec(&n, stats, &forget, args);
        *pn += rv == APR_SUCCESS ? n : 0;
    }
    return rv;
}
