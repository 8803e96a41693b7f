#ifndef SB_JOB_OUTCOME_H
#define SB_JOB_OUTCOME_H

/**
 * What jobs came to. The transaction that ends a job says so in a row, which stays until somebody has taken it
 * down: smarter-job-relay, into the audit stream. Source: sql/jobs/007_outcome.sql, docs/jobs.md.
 */

#include <apr_time.h>
#include "store/sb_db.h"

typedef struct {
    const char *job;
    const char *kind;       /* "extract", "pdf" */
    const char *tenant;     /* whose data */
    const char *guid;       /* of who asked; NULL unknown */
    const char *request_id; /* of the request that made the job; NULL unknown */
    const char *state;      /* "ready", "failed", "cancelled" */
    const char *files;      /* JSON: those delivered, [{"id": in the pickup zone, "size": bytes}] */
    apr_time_t ended;
} sb_job_outcome_t;

/** Take one down for good. p lives as long as the call of sb_job_outcomes. */
typedef apr_status_t sb_job_outcome_fn(const sb_job_outcome_t *o, apr_pool_t *p);

/**
 * Hand over what nobody has taken down yet, oldest first, at most 100. Several may ask at the same time: nobody gets
 * what another has. What could not be taken down stays, and so does what was not yet noted when we were killed: an
 * end may be told twice and is never lost.
 * @param db      of jobs.db.schema_name
 * @param ptaken  why one could not be taken down; then the rest was not tried
 * @return the database's health
 */
apr_status_t sb_job_outcomes(apr_status_t *ptaken, sb_db_t *db, sb_job_outcome_fn *take,
                             apr_pool_t *p) SB_MUST_CHECK;

#endif
