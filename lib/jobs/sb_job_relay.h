#ifndef SB_JOB_RELAY_H
#define SB_JOB_RELAY_H

/**
 * What smarter-job-relay does: sends what stands in the outbox, and looks after what was lost. Any number
 * of relays may run; they share the outbox, and one of them sweeps at a time.
 */

#include <apr_tables.h>
#include "core/sb_conf.h"
#include "mq/sb_mq.h"
#include "store/sb_db.h"

/** Connections of a relay: a database connection that listens, and a broker. */
typedef struct {
    sb_db_t *db;
    sb_mq_t *mq; /* NULL: not connected, or it failed */
    const char *schema;
    double
        since; /* when db was opened, on the monotonic clock: leases are judged some time after */
    apr_pool_t *pool, *mq_pool;
} sb_job_relay_t;

/**
 * Connect to the database. Closed when p is cleared.
 * @return SB_ECONFIG a key that is needed is missing (logged); others as sb_db_open
 */
apr_status_t sb_job_relay_open(sb_job_relay_t *relay, const sb_conf_t *conf,
                               apr_pool_t *p) SB_MUST_CHECK;

/** Connect to the broker. @return as sb_mq_open */
apr_status_t sb_job_relay_connect(sb_job_relay_t *relay, const sb_conf_t *conf) SB_MUST_CHECK;

/**
 * Send what is due, oldest first, until nothing is. A row goes when the broker has confirmed its message:
 * after a crash in between the message comes twice, which workers do not mind.
 * @param psent how many messages; may be NULL
 * @param pnext microseconds until the next one is due; -1 none waits
 * @return with relay->mq NULL afterwards it was the broker that failed
 */
apr_status_t sb_job_relay_send(int *psent, apr_interval_time_t *pnext, sb_job_relay_t *relay,
                               apr_pool_t *p) SB_MUST_CHECK;

typedef struct {
    int leases;    /* tasks whose worker is gone */
    int lost;      /* tasks whose message was lost */
    int given_up;  /* jobs that waited too long */
    int expired;   /* results whose time is up */
    int forgotten; /* jobs removed for good */
} sb_job_swept_t;

/**
 * Look after everything once; without a broker, after all but lost messages. Leases, messages and old jobs
 * are a transaction each: what fails of the last two is logged and does not keep the others from being
 * done. All 0 when another relay is at it.
 */
apr_status_t sb_job_relay_sweep(sb_job_swept_t *swept, sb_job_relay_t *relay, const sb_conf_t *conf,
                                apr_pool_t *p) SB_MUST_CHECK;

/**
 * Registrations in the pickup zone of jobs that were deleted or cancelled by their owners and are over:
 * nobody wants these files any more.
 * @param pids of const char *: ids in the pickup zone, some of them if there are many
 */
apr_status_t sb_job_relay_unwanted(apr_array_header_t **pids, sb_job_relay_t *relay,
                                   apr_pool_t *p) SB_MUST_CHECK;

/** A job that is over, whose owner the pickup zone is to tell. */
typedef struct {
    const char *id;
    int ready; /* 0: it failed */
} sb_job_over_t;

/** @param pjobs of sb_job_over_t, some of them if there are many */
apr_status_t sb_job_relay_untold(apr_array_header_t **pjobs, sb_job_relay_t *relay,
                                 apr_pool_t *p) SB_MUST_CHECK;

/** It has been told, or (with a pause) is to be tried again then. What has changed since stays to be told. */
apr_status_t sb_job_relay_told(sb_job_relay_t *relay, const sb_job_over_t *job,
                               apr_interval_time_t again) SB_MUST_CHECK;

/** The pickup zone has this one no more. */
apr_status_t sb_job_relay_removed(sb_job_relay_t *relay, const char *id) SB_MUST_CHECK;

/** The pickup zone still has it: it is unwanted again after a pause, behind those not tried yet. */
apr_status_t sb_job_relay_put_off(sb_job_relay_t *relay, const char *id,
                                  apr_interval_time_t pause) SB_MUST_CHECK;

#endif
