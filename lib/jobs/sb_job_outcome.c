/* What jobs came to: see sb_job_outcome.h. */

#include "jobs/sb_job_outcome.h"

#include <apr_strings.h>

#define EPOCH(column) "(extract(epoch FROM " column ") * 1e6)::bigint"

static const sb_stmt_t waiting_stmt = {
    "job_outcomes", 0,
    "SELECT outcome_id, job_id, kind, tenant, owner_guid, request_id, state, files, " EPOCH(
        "ended_at") " FROM {schema}.outcome ORDER BY outcome_id LIMIT 100 FOR UPDATE SKIP LOCKED"};

static const sb_stmt_t taken_stmt = {
    "job_outcomes_taken", 1, "DELETE FROM {schema}.outcome WHERE outcome_id = ANY ($1::bigint[])"};

static apr_status_t hand_over(apr_status_t *ptaken, sb_db_t *db, sb_job_outcome_fn *take,
                              apr_pool_t *p)
{
    const char *ids = NULL;
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, db, &waiting_stmt, NULL, p);

    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        sb_job_outcome_t o = {.job = sb_rows_text(rows, i, 1),
                              .kind = sb_rows_text(rows, i, 2),
                              .tenant = sb_rows_text(rows, i, 3),
                              .guid = sb_rows_text(rows, i, 4),
                              .request_id = sb_rows_text(rows, i, 5),
                              .state = sb_rows_text(rows, i, 6),
                              .files = sb_rows_text(rows, i, 7),
                              .ended = sb_rows_int(rows, i, 8, 0)};

        *ptaken = take(&o, p);
        if (*ptaken != APR_SUCCESS) {
            break;
        }
        ids = apr_pstrcat(p, ids ? ids : "{", ids ? "," : "", sb_rows_text(rows, i, 0), NULL);
    }
    if (ids) {
        ids = apr_pstrcat(p, ids, "}", NULL);
        rv = sb_db_exec(NULL, db, &taken_stmt, &ids);
    }
    return rv;
}

apr_status_t sb_job_outcomes(apr_status_t *ptaken, sb_db_t *db, sb_job_outcome_fn *take,
                             apr_pool_t *p)
{
    apr_status_t rv = sb_db_begin(db, SB_TX_WRITE);

    *ptaken = APR_SUCCESS;
    if (rv == APR_SUCCESS) {
        rv = hand_over(ptaken, db, take, p);
    }
    return sb_db_end(db, rv);
}
