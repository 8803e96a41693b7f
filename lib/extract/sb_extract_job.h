#ifndef SB_EXTRACT_JOB_H
#define SB_EXTRACT_JOB_H

/**
 * Extracts that are fetched later. Whoever answers the request announces the archives to the pickup zone and
 * makes a job; a worker makes the archives and delivers them. What is in progress is below
 * extract.work_zone_base_dir, one directory a tenant and request; the job's last task removes it, whatever
 * became of the others, and what a crash left is swept.
 */

#include "extract/sb_extract.h"
#include "jobs/sb_job_worker.h"
#include "pickup/sb_pickup.h"

#define SB_EXTRACT_JOB "extract" /* the kind of these jobs */

/** Where requests are handed in. */
typedef struct {
    const sb_conf_t *conf;
    const sb_pickup_client_t *pickup;
    sb_dbpool_t *jobs;      /* with the schema of jobs in its options */
    const char *request_id; /* of the web request; NULL none */
    double until;           /* when to give up, on the monotonic clock */
} sb_extract_desk_t;

/**
 * Announce the archives and make the job. A connection is borrowed when all archives are announced, and is
 * back when this returns.
 * @param x      with user, version and parts of the plan
 * @param pfiles sb_job_file_t: what is to be fetched where
 * @param perror the complaint, unless APR_SUCCESS; names no person
 * @return APR_SUCCESS; SB_EDENIED he has as many as he may (extract.max_open, extract.max_kept); as
 *         sb_pickup_register, sb_dbpool_get and sb_job_create
 */
apr_status_t sb_extract_submit(const apr_array_header_t **pfiles, const char **perror,
                               const sb_extract_t *x, const sb_extract_desk_t *desk,
                               apr_pool_t *p) SB_MUST_CHECK;

/** What a worker works with. */
typedef struct {
    const sb_conf_t *conf;
    const sb_pickup_client_t *pickup;
    apr_pool_t *p; /* of the program */
    double swept;  /* when old work zones were looked for last; 0 never */
} sb_extract_worker_t;

/** Do a task of these jobs: a sb_task_fn, with a sb_extract_worker_t. */
apr_status_t sb_extract_work(sb_task_t *task, void *worker) SB_MUST_CHECK;

/** Now and then, between two tasks, remove what requests left in the work zone that nobody works on any more:
 *  when the worker starts, then each hour. Failures are logged. @param worker as above */
void sb_extract_idle(void *worker);

/* ---- what became of requests: sb_extract_stats.c ---------------------------------------------------- */

/**
 * A row of extract_stats in the statistics database. It is for people: failures are only logged.
 * @param stats   NULL: there is no such database
 * @param status  "QUEUED", "EXTRACTING", "EXTRACTED", "COPYING", "COPIED", "FAILED"
 * @param task    id of the task; NULL none
 * @param message id of the message; NULL none
 */
void sb_extract_note(sb_db_t *stats, const char *request, const char *status, const char *task,
                     const char *message, const char *info);
/**
 * Remove rows that are older than that, in portions.
 * @param pn       how many went, also of a part of the work
 * @param stopping asked between portions; then APR_EINTR
 * @return as sb_db_exec
 */
apr_status_t sb_extract_forget(apr_int64_t *pn, sb_db_t *stats, apr_interval_time_t age,
                               int (*stopping)(void), apr_pool_t *p) SB_MUST_CHECK;
/** "QUEUED", with what was asked for and by whom. */
void sb_extract_note_queued(sb_db_t *stats, const sb_extract_t *x, apr_pool_t *p);

#endif
