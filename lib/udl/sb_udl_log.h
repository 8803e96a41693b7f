#ifndef SB_UDL_LOG_H
#define SB_UDL_LOG_H

/**
 * What the loader writes down about a batch: its state (udl_stats), its steps (udl_batch), the rows
 * it refused (rejected_row). Steps are collected and written together: with the state, or by flush.
 * Source: sql/udl, sql/stats; loader contract 13 for the names of the steps.
 */

#include "store/sb_db.h"
#include "udl/sb_udl_conf.h"
#include "udl/sb_udl_rows.h"

typedef struct sb_udl_log_t sb_udl_log_t;

/**
 * Connect. Connections made here are closed with p.
 * @param db a connection to the loader's database to use, NULL: open one. A worker gives the one that
 *           holds his claim on the package: without the claim nothing more is written
 */
apr_status_t sb_udl_log_open(sb_udl_log_t **plog, const sb_udl_conf_t *conf, sb_db_t *db,
                             apr_pool_t *p) SB_MUST_CHECK;

/** Which batch the calls below are about. @param p lives as long as the batch */
void sb_udl_log_batch(sb_udl_log_t *log, const char *guid, apr_pool_t *p);

/** load_status of the batch, NULL if there is none yet. */
apr_status_t sb_udl_log_status(const char **pstatus, sb_udl_log_t *log) SB_MUST_CHECK;

/** The batch begins, perhaps again: udl.received, traces of an earlier attempt are removed. */
apr_status_t sb_udl_log_received(sb_udl_log_t *log, apr_time_t arrived) SB_MUST_CHECK;

/** From here on the load type is known. */
void sb_udl_log_load_type(sb_udl_log_t *log, const char *load_type);

typedef struct {
    const char *phase;      /* "udl2.W_file_arrived.task" */
    const char *schema;     /* the step wrote to; NULL none */
    const char *input_file; /* the first step only; else NULL */
    const char *error;      /* NULL: success */
    apr_time_t start;       /* its end is now */
    apr_int64_t records;    /* -1 none */
    apr_int64_t bytes;      /* -1 none */
} sb_udl_step_t;
void sb_udl_log_step(sb_udl_log_t *log, const sb_udl_step_t *step);
apr_status_t sb_udl_log_flush(sb_udl_log_t *log) SB_MUST_CHECK;

/**
 * The batch ends: refusals, steps and state, together where they are in one database.
 * @param status   "udl.ingested" or "udl.failed"
 * @param refusals of sb_udl_refusal_t; may be NULL
 */
apr_status_t sb_udl_log_finish(sb_udl_log_t *log, const char *status, apr_int64_t loaded,
                               const char *notification,
                               const apr_array_header_t *refusals) SB_MUST_CHECK;

#endif
