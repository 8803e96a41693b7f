#ifndef SB_UDL_RUN_H
#define SB_UDL_RUN_H

/**
 * One attempt at one package, as the files of the pipeline share it: sb_udl.c (order of the steps,
 * the end), sb_udl_members.c (what is in the archive), sb_udl_result.c (what is said about it).
 * For nobody else.
 */

#include "core/sb_json.h"
#include "udl/sb_udl.h"
#include "udl/sb_udl_zones.h"

/* Names of the steps; loader contract 13. */
#define STEP(name) "udl2.W_" name ".task"
#define PHASE_ARRIVED STEP("file_arrived")
#define PHASE_DECRYPT STEP("file_decrypter")
#define PHASE_EXPAND STEP("file_expander")
#define PHASE_LOAD_TYPE STEP("get_load_type")
#define PHASE_PARAMS STEP("get_params")
#define PHASE_VALIDATE STEP("file_validator")
#define PHASE_JSON STEP("load_json_to_integration")
#define PHASE_CONTENT STEP("file_content_validator")
#define PHASE_ROWS STEP("load_to_integration_table")
#define PHASE_SCHEMA "udl2.W_load_from_integration_to_star.prepare_target_schema"
#define PHASE_CLEAN STEP("post_etl")
#define PHASE_COMPLETE "UDL_COMPLETE"

/** What members of one kind amount to. */
typedef struct {
    int n;
    char *text; /* JSON and .err: NUL-terminated, in run->p */
    apr_size_t len;
} sb_udl_member_t;

typedef struct {
    sb_udl_result_t *result;
    sb_udl_log_t *log;
    const sb_udl_conf_t *conf;
    const sb_udl_job_t *job;
    apr_pool_t *p;
    sb_udl_zones_t zones;
    const char *problem; /* set: the package is at fault */
    const char *phase;   /* the step that is being done */
    apr_time_t started, step_started;

    sb_db_t *target;
    int in_tx;
    sb_copy_t *copy;

    sb_csv_t *csv;
    sb_udl_rows_t *rows;
    apr_int64_t csv_bytes;
    int only_meta; /* the package is at fault; only its metadata is still wanted */
    sb_udl_member_t n_csv, json, err, *current;
    sb_udl_meta_t meta;
    int have_meta;
    const sb_json_t *tsb_error;
} sb_udl_run_t;

void sb_udl_begin_step(sb_udl_run_t *run, const char *phase);
/** @param schema the step wrote to, NULL none; records, bytes: -1 none */
void sb_udl_end_step_full(sb_udl_run_t *run, const char *schema, apr_int64_t records,
                          apr_int64_t bytes);
void sb_udl_end_step(sb_udl_run_t *run);

/** The package is at fault; the text names place and reason, and at the end the code, if there is
 *  one: "(code 3006)". @return SB_EINPUT */
apr_status_t sb_udl_fault(sb_udl_run_t *run, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** A database call failed: a server that is down, or our own fault that nobody can mend by waiting.
 *  @return rv */
apr_status_t sb_udl_db_fault(sb_udl_run_t *run, apr_status_t rv, sb_db_t *db, const char *what);

int sb_udl_is_stopping(const sb_udl_run_t *run);

/**
 * Read the archive to its end: metadata, .err file, and rows into an open COPY.
 * @param path an archive, or a directory with its content
 * @return SB_EINPUT the package is at fault; others as sb_udl_run
 */
apr_status_t sb_udl_members_read(sb_udl_run_t *run, const char *path) SB_MUST_CHECK;

#define SB_UDL_TSB_ERROR "tsb error" /* error_desc of a package with an .err file; contract 3.1 */

/** Which snapshot of production the batch replaces, as udl_stats.snapshot_criteria has it; NULL none. */
const char *sb_udl_snapshot(const sb_udl_run_t *run);

/** What the sender is told later on, as JSON; contract 14. */
const char *sb_udl_notification(const sb_udl_run_t *run);

#endif
