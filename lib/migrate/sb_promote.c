/*
 * Promotion of one batch in one transaction: lock, everything the batch is about, mark. See
 * sb_promote.h for what it means.
 */

#include "config.h"

#include <string.h>

#include "migrate/sb_bring.h"
#include "migrate/sb_promote_run.h"

static const char take_ids[] =
    "SELECT setval(s, nextval(s) + $2::bigint) - $2::bigint"
    " FROM (SELECT format('%I.global_rec_seq', $1::text)::regclass AS s) x";

static const char mark[] =
    "WITH v AS (UPDATE {schema}.data_version SET version = version + 1, changed_at = now()"
    " RETURNING version) INSERT INTO {schema}.batch_applied"
    " (batch_guid, data_version, inserted, superseded, deleted, deduplicated,"
    " first_id, last_id, content_key)"
    " SELECT $1, version, $2::bigint, $3::bigint, $4::bigint, $5::bigint,"
    " $6::bigint, $7::bigint, $8 FROM v RETURNING data_version";

static const char find_mark[] =
    "SELECT data_version, inserted, superseded, deleted, deduplicated, withdrawn_at IS NOT NULL"
    " FROM {schema}.batch_applied WHERE batch_guid = $1";

apr_status_t sb_promote_reserve(sb_promotion_t *run, apr_int64_t lines, apr_int64_t last_line)
{
    const sb_work_t *w = &run->w;
    const char *args[] = {run->job->schema, sb_work_number(w, last_line)};
    apr_status_t rv;

    if (run->job->expected >= 0 && lines != run->job->expected) {
        return sb_work_unfit(w,
                             "the batch has %" APR_INT64_T_FMT
                             " lines, the loader stored %" APR_INT64_T_FMT "; load it again",
                             lines, run->job->expected);
    }
    rv = sb_work_count(w, &run->base, "reserving ids", take_ids, 2, args);
    run->last_id = run->base + last_line;
    run->base_arg = sb_work_number(w, run->base);
    return rv;
}

static apr_status_t leave_mark(sb_promotion_t *run)
{
    const sb_work_t *w = &run->w;
    sb_promoted_t *r = run->result;
    const char *args[] = {run->job->batch_guid,
                          sb_work_number(w, r->inserted),
                          sb_work_number(w, r->superseded),
                          sb_work_number(w, r->deleted),
                          sb_work_number(w, r->deduplicated),
                          run->base_arg,
                          sb_work_number(w, run->last_id),
                          run->content_key};

    return sb_work_count(w, &r->data_version, "marking the batch", mark, 8, args);
}

apr_status_t sb_promote_applied(sb_promoted_t *result, int *papplied, sb_db_t *db,
                                const char *schema, const char *batch_guid, apr_pool_t *p)
{
    const char *args[] = {batch_guid};
    sb_rows_t *rows;
    apr_status_t rv;

    *papplied = 0;
    rv = sb_db_query_text(&rows, db, sb_sql(p, find_mark, "schema", schema, NULL), 1, args, p);
    if (rv == APR_SUCCESS && sb_rows_count(rows)) {
        *papplied = 1;
        if (result) {
            memset(result, 0, sizeof(*result));
            result->already = 1;
            result->data_version = sb_rows_int(rows, 0, 0, 0);
            result->inserted = sb_rows_int(rows, 0, 1, 0);
            result->superseded = sb_rows_int(rows, 0, 2, 0);
            result->deleted = sb_rows_int(rows, 0, 3, 0);
            result->deduplicated = sb_rows_int(rows, 0, 4, 0);
            result->withdrawn = sb_rows_bool(rows, 0, 5) == 1;
        }
    }
    return rv;
}

/* Inside the transaction. */
static apr_status_t promote(sb_promotion_t *run)
{
    const sb_promote_job_t *job = run->job;
    const sb_work_t *w = &run->w;
    apr_status_t rv;
    int applied = 0;

    rv = sb_promote_applied(run->result, &applied, w->db, job->schema, job->batch_guid, w->p);
    if (rv != APR_SUCCESS) {
        return sb_work_failed(w, "asking for the batch", rv);
    }
    if (applied) {
        return APR_SUCCESS;
    }
    if (job->source) {
        rv = sb_bring(w, job->source);
    }
    if (rv == APR_SUCCESS) {
        rv = job->registration ? sb_promote_registration(run) : sb_promote_results(run);
    }
    if (rv == APR_SUCCESS && job->source) {
        rv = sb_bring_drop(w);
    }
    return rv == APR_SUCCESS ? leave_mark(run) : rv;
}

apr_status_t sb_promote(sb_promoted_t *result, apr_array_header_t **pbad, const char **perror,
                        sb_db_t *db, const sb_promote_job_t *job, apr_pool_t *p)
{
    sb_promotion_t run = {.w = {db, job->schema, job->batch_guid, perror, p},
                          .job = job,
                          .result = result,
                          .pbad = pbad};
    apr_status_t rv;

    memset(result, 0, sizeof(*result));
    *pbad = NULL;
    *perror = NULL;
    rv = sb_work_begin(&run.w, job->work_mem);
    if (rv == APR_SUCCESS) {
        rv = promote(&run);
    }
    return sb_work_end(&run.w, rv);
}
