#ifndef SB_UDL_LOG_H
#define SB_UDL_LOG_H

/**
 * What the loader writes down about a batch: what it is doing and how it ended (batch, batch_warning),
 * its state (udl_stats), its steps (udl_batch), the rows it refused (rejected_row). Nothing of it is in
 * the batch's own transaction, so others see it while the rows are still on their way.
 * Steps are collected and written with the next stage; a small package costs six statements in all.
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

/** The connections it uses: to the loader's database and to the statistics; perhaps the same one. */
void sb_udl_log_databases(sb_db_t **pudl, sb_db_t **pstats, const sb_udl_log_t *log);

/** Which batch the calls below are about. @param p lives as long as the batch */
void sb_udl_log_batch(sb_udl_log_t *log, const char *guid, apr_pool_t *p);

/** load_status of the batch, NULL if there is none yet. */
apr_status_t sb_udl_log_status(const char **pstatus, sb_udl_log_t *log) SB_MUST_CHECK;

typedef struct {
    const char *package; /* name of its file, without directory */
    apr_int64_t bytes;   /* of the file; -1: not known */
    apr_time_t arrived;
    int attempts;       /* this one included */
    const char *worker; /* "host:pid" */
} sb_udl_receipt_t;

/** The batch begins, perhaps again: stage received, traces of an earlier attempt are removed. */
apr_status_t sb_udl_log_received(sb_udl_log_t *log, const sb_udl_receipt_t *receipt) SB_MUST_CHECK;

/** What the batch is, once it is known; written with the next stage or progress. @param asmt_type NULL:
 *  no assessment */
void sb_udl_log_content(sb_udl_log_t *log, const char *load_type, const char *asmt_type);

/**
 * What it delivers: content_key is kind and name together. The first one stands, later calls do nothing.
 * Promotion waits for it: the next progress writes it, however young the last one is.
 * @param kind "asmt:" or "reg:"
 * @param name guid, or "<year>:<system>"; NULL: not known yet
 */
void sb_udl_log_key(sb_udl_log_t *log, const char *kind, const char *name);

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

typedef enum { SB_UDL_DECRYPTING, SB_UDL_LOADING, SB_UDL_FINISHING } sb_udl_stage_t;

/**
 * The next stage begins: written at once, with all that was collected. Before the rows are committed
 * it must be FINISHING: its success says that the claim still holds.
 */
apr_status_t sb_udl_log_stage(sb_udl_log_t *log, sb_udl_stage_t stage) SB_MUST_CHECK;

typedef struct {
    apr_int64_t bytes_done, bytes_total; /* of the decrypted archive; -1: not known */
    apr_int64_t rows_read, rows_rejected;
} sb_udl_progress_t;

/** How far it is; written at most once a second. Cheap: to be called for each block. @return the
 *  claim is lost, or the database: the attempt is over */
apr_status_t sb_udl_log_progress(sb_udl_log_t *log,
                                 const sb_udl_progress_t *progress) SB_MUST_CHECK;

typedef struct {
    const char *status;  /* "udl.ingested" or "udl.failed" */
    const char *problem; /* why it failed; NULL if it did not */
    sb_udl_counts_t counts;
    const char *notification; /* JSON */
    const char *kept_in;      /* directory where package and outcome will lie; NULL: nowhere */
    const char *operation;    /* udl_stats.batch_operation and snapshot_criteria; NULL none */
    const char *criteria;
    const apr_array_header_t *refusals; /* of sb_udl_refusal_t; may be NULL */
    const apr_array_header_t *warnings; /* of sb_udl_warning_t; may be NULL */
} sb_udl_ending_t;

/**
 * The batch ends: refusals, warnings, steps and state, together where they are in one database.
 * @return SB_EBUSY another attempt has begun meanwhile: nothing is written
 */
apr_status_t sb_udl_log_finish(sb_udl_log_t *log, const sb_udl_ending_t *ending) SB_MUST_CHECK;

#endif
