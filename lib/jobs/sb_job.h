#ifndef SB_JOB_H
#define SB_JOB_H

/**
 * Jobs: work that a user asked for and that takes its time. A job is a chain of steps, a step a group of
 * tasks that run side by side; "when all members are final, the next step" is decided by the database in
 * the transaction that records the last member. There is no result backend: what a job came to stands in
 * its rows. Source: sql/jobs, docs/jobs.md.
 *
 *     job = sb_job_make(conf, p);
 *     job->kind = "extract", job->tenant = …
 *     sb_job_file(job, "a.zip", id, url, web_url);
 *     sb_job_step(job, SB_STEP_GO_ON);
 *     for (…) sb_job_task(job, "extract", "extract.generate", args);
 *     sb_job_step(job, SB_STEP_FAIL);
 *     sb_job_task(job, "extract", "extract.archive", args);
 *     sb_job_final(job, "extract", "extract.clean_up", args);
 *     rv = sb_job_create(db, job, p);
 *
 * Every task may run twice and must not mind: it writes to a name of its claim and renames, or finds that
 * what it would make is there. Connections are opened with the schema jobs.db.schema_name in their options:
 * by web nodes as jobs.db.url says, by workers as jobs.worker.db.url (jobs/sb_job_worker.h).
 */

#include <apr_tables.h>
#include "core/sb_conf.h"
#include "core/sb_json.h"
#include "store/sb_db.h"

/* Limits, so that one request cannot fill the database. More is SB_ETOOBIG. */
#define SB_JOB_MAX_TASKS 5000
#define SB_JOB_MAX_FILES 200
#define SB_JOB_MAX_BYTES (8 * 1024 * 1024) /* of parameters and arguments together */

/* ---- asking for one -------------------------------------------------------------------------- */

/** What a step does when a member has failed for good. */
typedef enum {
    SB_STEP_FAIL, /* the job fails: members that have not begun never do, the others are told to stop */
    SB_STEP_GO_ON /* the others go on; the step is good if one of them is. If none is, the job fails */
} sb_step_policy_t;

/** A file that a job makes. */
typedef struct {
    const char *name;      /* unique in the job */
    const char *pickup_id; /* registration in the pickup zone; NULL none */
    const char *url;       /* for scripts; NULL none */
    const char *web_url;   /* for browsers; NULL none */
    apr_int64_t size;      /* bytes; -1 not delivered yet */
    const char *sha256;    /* NULL unknown */
} sb_job_file_t;

typedef struct sb_job_plan_t sb_job_plan_t; /* the steps and files */

/** A job to be made. sb_job_make sets everything but the first six; what is NULL there is an error. */
typedef struct {
    const char *kind;   /* "extract", "pdf" */
    const char *tenant; /* whose data */
    const char *uid;    /* of the user who asks: nobody else sees the job */
    const char *guid;   /* of the same; may be NULL */
    const char *title;  /* for his list of downloads; names no student */
    const char *params; /* the request, a JSON object as text; "{}" */

    const char *request_id;            /* of the web request; may be NULL */
    char id[37];                       /* a new UUID: what the job will be called */
    int max_attempts;                  /* of each task; jobs.max_attempts */
    apr_interval_time_t retry_delay;   /* before a second attempt, doubled before each further one;
                                          jobs.retry_delay */
    apr_interval_time_t keep;          /* from ready to expired; jobs.keep */
    apr_interval_time_t give_up_after; /* from now to failed; jobs.give_up_after */
    int max_open; /* of this kind and owner, not made yet; 0, as it is made: any number */
    int max_kept; /* the same, with files that wait to be fetched */
    sb_job_plan_t *plan;
} sb_job_t;

/** An empty job with the configuration's times. Never fails: a missing id comes out of sb_job_create. */
sb_job_t *sb_job_make(const sb_conf_t *conf, apr_pool_t *p);

/** A file whose name and address are known already; the task that makes it reports it by this name. */
void sb_job_file(sb_job_t *job, const char *name, const char *pickup_id, const char *url,
                 const char *web_url);

/** Begin the next step. */
void sb_job_step(sb_job_t *job, sb_step_policy_t policy);

/**
 * A member of the step begun last.
 * @param queue  whose workers do it
 * @param name   what it is: "extract.generate"; the worker's handler branches on it
 * @param args   a JSON object as text. No names, scores or birth dates: places and ids
 * @param weight its share of the job's progress, 1 or more: 1 unless members differ much
 */
void sb_job_task(sb_job_t *job, const char *queue, const char *name, const char *args, int weight);

/**
 * A task that runs whatever became of the others, when none of them runs any more: it clears up. The
 * job is over for its owner before. At most one.
 */
void sb_job_final(sb_job_t *job, const char *queue, const char *name, const char *args);

/**
 * Make it: one statement, so in a transaction of the caller's it is part of that. The first step is
 * published from the outbox by smarter-job-relay; the broker may be down.
 * @return APR_SUCCESS; SB_EDENIED the owner has max_open or max_kept of them, counted under a lock: those
 *         asked for at the same time included; SB_EINPUT a text is missing, a step has no task, or args
 *         are no JSON; SB_ETOOBIG over a limit above; others as sb_db_query
 */
apr_status_t sb_job_create(sb_db_t *db, const sb_job_t *job, apr_pool_t *p) SB_MUST_CHECK;

/**
 * How many jobs of a user are queued or running: for an early word about a limit. @param kind NULL: all kinds
 */
apr_status_t sb_job_count_open(int *pcount, sb_db_t *db, const char *tenant, const char *uid,
                               const char *kind, apr_pool_t *p) SB_MUST_CHECK;

/**
 * How many jobs of a user have files that wait to be fetched: ready and not deleted. @param kind as above
 */
apr_status_t sb_job_count_kept(int *pcount, sb_db_t *db, const char *tenant, const char *uid,
                               const char *kind, apr_pool_t *p) SB_MUST_CHECK;

/* ---- looking at them ------------------------------------------------------------------------- */

typedef enum {
    SB_JOB_QUEUED,
    SB_JOB_RUNNING,
    SB_JOB_READY,
    SB_JOB_FAILED,
    SB_JOB_CANCELLED,
    SB_JOB_EXPIRED
} sb_job_state_t;

/** "queued", "running", "ready", "failed", "cancelled", "expired". */
const char *sb_job_state_name(sb_job_state_t state);

typedef struct {
    const char *id;
    const char *kind;
    const char *tenant;
    const char *uid;
    const char *title;
    const char *params; /* JSON */
    sb_job_state_t state;
    int percent;        /* 0-100, of tasks by weight; 100 once ready */
    int failed_tasks;   /* of a ready job: parts that could not be made */
    const char *error;  /* in words for the owner; NULL none */
    const char *notice; /* NULL none */
    apr_time_t created;
    apr_time_t started;        /* 0 not yet */
    apr_time_t ended;          /* 0 not yet */
    apr_time_t expires;        /* of the result; 0 until ready */
    int closed;                /* its final step is over too */
    int deleted;               /* by its owner */
    apr_array_header_t *files; /* of sb_job_file_t */
} sb_job_info_t;

/**
 * A user's own, newest first, without those he deleted: a page of them.
 * @param pjobs  of sb_job_info_t, at most max
 * @param pmore  are there others behind them?
 * @param uid    compared byte for byte
 * @param before NULL: the newest; or the id of one of his, maybe deleted since: those behind it. Straight from
 *               outside, may be nonsense or somebody else's: nothing is behind that
 */
apr_status_t sb_job_list_own(apr_array_header_t **pjobs, int *pmore, sb_db_t *db, const char *uid,
                             const char *before, int max, apr_pool_t *p) SB_MUST_CHECK;

/**
 * One job of a user. @param id straight from outside, may be nonsense
 * @return APR_NOTFOUND there is none, he deleted it, or it is somebody else's: the same for all
 */
apr_status_t sb_job_find(sb_job_info_t **pjob, sb_db_t *db, const char *uid, const char *id,
                         apr_pool_t *p) SB_MUST_CHECK;

/** Whose jobs, for operators; all NULL and 0: everybody's. */
typedef struct {
    const char *tenant; /* NULL any */
    const char *uid;    /* NULL any */
    const char *state;  /* NULL any */
    int max;            /* 0: 100 */
    int with_deleted;   /* those their owners deleted too */
} sb_job_filter_t;

/** @param pjobs of sb_job_info_t, newest first */
apr_status_t sb_job_list(apr_array_header_t **pjobs, sb_db_t *db, const sb_job_filter_t *filter,
                         apr_pool_t *p) SB_MUST_CHECK;

/** Anybody's, for operators. @return as sb_job_find */
apr_status_t sb_job_find_any(sb_job_info_t **pjob, sb_db_t *db, const char *id,
                             apr_pool_t *p) SB_MUST_CHECK;

/** How all of them are. */
typedef struct {
    int queued, running;
    int failed; /* in 24 hours */
    apr_interval_time_t
        unsent; /* how long a message has been due; 0 none is: else, is there a relay? */
    apr_interval_time_t untaken; /* how long the oldest announced task has waited; 0 none does */
    const char *untaken_queue;   /* whose workers should have taken it; NULL */
} sb_job_health_t;

apr_status_t sb_job_health(sb_job_health_t *health, sb_db_t *db, apr_pool_t *p) SB_MUST_CHECK;

/** A task, for operators. */
typedef struct {
    int step, number;
    const char *name, *queue;
    const char *state;  /* "waiting", "queued", "running", "done", "failed", "cancelled" */
    int attempt;        /* those that count */
    apr_int64_t claims; /* all of them */
    const char *worker; /* "host:pid" of the last claim; NULL none */
    int percent;
    const char *error; /* of the last attempt; NULL none */
} sb_job_task_info_t;

/** @param ptasks of sb_job_task_info_t, in the order of steps; empty for an unknown or wrong id */
apr_status_t sb_job_tasks(apr_array_header_t **ptasks, sb_db_t *db, const char *id,
                          apr_pool_t *p) SB_MUST_CHECK;

/* ---- ending them: ids are those of sb_job_find ------------------------------------------------- */

/** End it; running tasks are told at their next heartbeat. @return SB_ECONFLICT it is over already */
apr_status_t sb_job_cancel(sb_db_t *db, const char *id, apr_pool_t *p) SB_MUST_CHECK;

/** Take one that is over out of its owner's list. @return SB_ECONFLICT it is not over, or is out */
apr_status_t sb_job_delete(sb_db_t *db, const char *id, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Try a failed one again: from where it failed, or from its start if it has cleared up already. For
 * operators: the role of the web nodes may not. @return SB_ECONFLICT it has not failed, or still stops
 */
apr_status_t sb_job_retry(sb_db_t *db, const sb_conf_t *conf, const char *id,
                          apr_pool_t *p) SB_MUST_CHECK;

#endif
