/* What is told of one batch: its steps, warnings, refused rows, notices, and what operators did about it. */

#include <string.h>

#include <apr_strings.h>

#include "udl/sb_udl_batches_private.h"

static apr_status_t read_steps(sb_batch_details_t *d, const sb_batches_t *b, const char *guid,
                               apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    d->steps = apr_array_make(p, 16, sizeof(sb_batch_step_t));
    rv = sb_db_query_text(
        &rows, b->udl,
        sb_batches_udl_sql(
            b,
            /* clang-format off */
                "SELECT udl_phase, nullif(udl_phase_step, ''), udl_phase_step_status = 'FAILURE',"
                " size_records, size_units," EPOCH("start_timestamp") ","
                " (extract(epoch FROM duration) * 1000)::bigint, error_desc"
                " FROM {schema}.udl_batch WHERE guid_batch = $1 ORDER BY batch_sid LIMIT 1000",
            /* clang-format on */
            p),
        1, &guid, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        sb_batch_step_t *s = apr_array_push(d->steps);

        s->phase = sb_rows_text(rows, i, 0);
        s->detail = sb_rows_text(rows, i, 1);
        s->failed = sb_rows_bool(rows, i, 2) == 1;
        s->records = sb_rows_int(rows, i, 3, -1);
        s->bytes = sb_rows_int(rows, i, 4, -1);
        s->start = sb_rows_int(rows, i, 5, 0);
        s->seconds = (double)sb_rows_int(rows, i, 6, 0) / 1000;
        s->error = sb_rows_text(rows, i, 7);
    }
    return rv;
}

static apr_status_t read_warnings(sb_batch_details_t *d, const sb_batches_t *b, const char *guid,
                                  apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    d->warnings = apr_array_make(p, 16, sizeof(sb_batch_warning_t));
    rv = sb_db_query_text(
        &rows, b->udl,
        sb_batches_udl_sql(b,
                           "SELECT column_name, code, reason, count, first_line"
                           " FROM {schema}.batch_warning WHERE batch_guid = $1"
                           " ORDER BY count DESC, first_line, column_name LIMIT 1000",
                           p),
        1, &guid, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        sb_batch_warning_t *w = apr_array_push(d->warnings);

        w->column = sb_rows_text(rows, i, 0);
        w->code = (int)sb_rows_int(rows, i, 1, 0);
        w->reason = sb_rows_text(rows, i, 2);
        w->count = sb_rows_int(rows, i, 3, 0);
        w->first_line = sb_rows_int(rows, i, 4, 0);
    }
    return rv;
}

/* Rows of (line, column, code, reason, student id). */
static apr_status_t read_rejects(apr_array_header_t **plist, const sb_batches_t *b, const char *sql,
                                 const char *guid, int max, apr_pool_t *p)
{
    const char *args[] = {guid, apr_itoa(p, max)};
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    *plist = apr_array_make(p, 16, sizeof(sb_batch_reject_t));
    rv = sb_db_query_text(&rows, b->udl, sb_batches_udl_sql(b, sql, p), 2, args, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        sb_batch_reject_t *r = apr_array_push(*plist);

        r->line = sb_rows_int(rows, i, 0, 0);
        r->column = sb_rows_text(rows, i, 1);
        r->code = (int)sb_rows_int(rows, i, 2, 0);
        r->reason = sb_rows_text(rows, i, 3);
        r->student_id = sb_rows_text(rows, i, 4);
    }
    return rv;
}

static apr_status_t read_actions(sb_batch_details_t *d, const sb_batches_t *b, const char *guid,
                                 apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    d->actions = apr_array_make(p, 4, sizeof(sb_batch_action_t));
    rv = sb_db_query_text(
        &rows, b->udl,
        sb_batches_udl_sql(
            b,
            /* clang-format off */
                "SELECT" EPOCH("at") ", operator, action, detail"
                " FROM {schema}.operator_action WHERE batch_guid = $1 ORDER BY action_sid",
            /* clang-format on */
            p),
        1, &guid, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        sb_batch_action_t *a = apr_array_push(d->actions);

        a->at = sb_rows_int(rows, i, 0, 0);
        a->operator= sb_rows_text(rows, i, 1);
        a->action = sb_rows_text(rows, i, 2);
        a->detail = sb_rows_text(rows, i, 3);
    }
    return rv;
}

static apr_status_t read_notices(sb_batch_details_t *d, const sb_batches_t *b, const char *guid,
                                 apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    d->notices = apr_array_make(p, 4, sizeof(sb_batch_notice_t));
    rv = sb_db_query_text(
        &rows, b->stats,
        sb_batches_stats_sql(b,
                             "SELECT channel, state, attempts," EPOCH("at") "," EPOCH(
                                 "next_at") ", error FROM {schema}.notification"
                                            " WHERE batch_guid = $1 ORDER BY channel",
                             p),
        1, &guid, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        sb_batch_notice_t *n = apr_array_push(d->notices);

        n->channel = sb_rows_text(rows, i, 0);
        n->state = sb_rows_text(rows, i, 1);
        n->attempts = (int)sb_rows_int(rows, i, 2, 0);
        n->at = sb_rows_int(rows, i, 3, 0);
        n->next = sb_rows_int(rows, i, 4, 0);
        n->error = sb_rows_text(rows, i, 5);
    }
    return rv;
}

apr_status_t sb_batches_details(sb_batch_details_t *details, sb_batches_t *b,
                                const sb_batch_t *batch, int max, apr_pool_t *p)
{
    const char *guid = batch->guid;
    apr_status_t rv;

    memset(details, 0, sizeof *details);
    rv = read_steps(details, b, guid, p);
    if (rv == APR_SUCCESS) {
        rv = read_warnings(details, b, guid, p);
    }
    if (rv == APR_SUCCESS) {
        rv = read_rejects(&details->rejects, b,
                          "SELECT line, column_name, code, reason, student_id"
                          " FROM {schema}.rejected_row WHERE batch_guid = $1"
                          " ORDER BY line, rejected_sid LIMIT $2::int",
                          guid, max, p);
    }
    if (rv == APR_SUCCESS) {
        rv = read_rejects(&details->errors, b,
                          "SELECT record_sid, NULL, err_code, err_code_text,"
                          " substring(err_input FROM '^student_id:(.*), asmt_guid:')"
                          " FROM {schema}.err_list WHERE guid_batch = $1"
                          " ORDER BY record_sid LIMIT $2::int",
                          guid, max, p);
    }
    if (rv == APR_SUCCESS) {
        rv = read_notices(details, b, guid, p);
    }
    return rv == APR_SUCCESS ? read_actions(details, b, guid, p) : rv;
}
