#ifndef SB_JOB_WORKER_H
#define SB_JOB_WORKER_H

/**
 * The loop of a worker: takes the tasks of one queue, one at a time, and hands each to a function.
 *
 * A message only wakes. The worker claims the task's row for the time of a lease, commits, acknowledges
 * at once, works, and records the end in one transaction that also opens the next step. While it works a
 * thread of its own renews the lease, writes progress and hears of a cancelled job. A worker that dies
 * lets its lease run out, and smarter-job-relay gives the task to another; one that was only slow finds
 * its claim gone, and what it did does not count.
 */

#include "jobs/sb_job.h"

typedef struct sb_task_t sb_task_t;

/** What the function gets. Its rows are read at the claim. */
struct sb_task_t {
    apr_int64_t id; /* of the task */
    apr_int64_t
        claim;       /* of this attempt: no other ever has the same. For names of temporary files */
    const char *job; /* UUID */
    const char *kind; /* of the job */
    const char *tenant;
    const char *uid, *guid; /* who asked; guid may be NULL */
    const char *request_id; /* may be NULL */
    const char *params;     /* of the job, JSON text */
    const char *name;       /* what is to be done */
    const sb_json_t *args;  /* an object */
    int step, number;       /* its place in the job, 1 first */
    int attempt;            /* 1 first */
    int last_attempt;       /* a failure now is for good */
    apr_pool_t *pool;       /* of this attempt */
};

/**
 * Do one task.
 *
 * @return APR_SUCCESS: done.
 *   sb_is_transient() (a server down, disk full, time-out): the task waits and is tried again without
 *     counting, until the job's time is up; the worker takes no further tasks until ready() agrees.
 *   SB_EINPUT, SB_ETOOBIG, SB_EDENIED, APR_NOTFOUND: failed for good, another attempt would not differ.
 *   APR_EINTR: sb_task_stop() said so. The claim goes back.
 *   anything else: this attempt failed; there may be another after a pause.
 *
 * Texts for the owner come from sb_task_reason(); without one he reads that the work could not be done.
 */
typedef apr_status_t sb_task_fn(sb_task_t *task, void *ctx);

/** How far this task is, 0 to 1. Cheap: call it as often as you like. */
void sb_task_progress(sb_task_t *task, double fraction);

/**
 * Is it time to stop: the job was cancelled, the claim is lost, or the program is to end? Cheap; ask at
 * least every second, then clear up and return APR_EINTR. Also true with a claim that is only in doubt
 * (the lease ran out while the database did not answer).
 */
int sb_task_stop(const sb_task_t *task);

/** Why it failed, in words for the owner: no paths, hosts or SQL. The last one before the return counts. */
void sb_task_reason(sb_task_t *task, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** A file is where its owner can get it; recorded together with the end of the task. Copied. */
void sb_task_file(sb_task_t *task, const sb_job_file_t *file);

/** What the owner should know of a result that is not as he might think. The job's first one counts. */
void sb_task_notice(sb_task_t *task, const char *text);

typedef struct {
    const sb_conf_t *conf; /* jobs.* */
    const char *queue;
    const char *worker; /* "host:pid", for people */
    sb_task_fn *work;
    void *ctx; /* of work and ready */
    /* Are the servers there that the tasks need? Asked before the first task and after one came back
     * with a transient status; while not APR_SUCCESS nothing is consumed. NULL: assumed after a pause. */
    apr_status_t (*ready)(void *ctx);
    void (*idle)(void *ctx);  /* called between two tasks, at least each second; may be NULL */
    int (*stopping)(void);    /* the program is to end: a task at work is given back */
    int (*interrupted)(void); /* leave the loop between two tasks (a new ini); may be NULL */
    int (*sleep)(apr_interval_time_t t); /* ends early when the program is to end */
} sb_job_worker_opts_t;

/**
 * Work until stopping() or interrupted(). Servers that are down are waited for with a growing pause.
 * Safe to run in as many processes as there are cores to use; one call a process.
 * @return APR_SUCCESS asked to end; SB_ECONFIG a key that is needed is missing (logged)
 */
apr_status_t sb_job_worker_run(const sb_job_worker_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

#endif
