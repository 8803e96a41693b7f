/* The loader's records of a batch: see sb_udl_log.h. */

#include <string.h>

#include <apr_strings.h>

#include "core/sb_time.h"
#include "udl/sb_udl_log.h"

#define UNKNOWN "Unknown"

typedef struct {
    sb_udl_step_t step;
    apr_time_t end;
    const char *load_type;
} entry_t;

struct sb_udl_log_t {
    const sb_udl_conf_t *conf;
    sb_db_t *udl;
    sb_db_t *stats; /* the same, if both schemas are in one database */

    apr_pool_t *batch;
    const char *guid;
    const char *load_type;
    apr_array_header_t *steps; /* of entry_t, not written yet */
};

apr_status_t sb_udl_log_open(sb_udl_log_t **plog, const sb_udl_conf_t *conf, sb_db_t *db,
                             apr_pool_t *p)
{
    sb_udl_log_t *log = apr_pcalloc(p, sizeof *log);
    sb_db_opts_t opts = {.app = "smarter-udl"};
    apr_status_t rv = APR_SUCCESS;

    *plog = log;
    log->conf = conf;
    log->udl = db;
    if (!db) {
        rv = sb_db_open(&log->udl, conf->udl_url, &opts, p);
    }
    log->stats = log->udl;
    if (rv == APR_SUCCESS && strcmp(conf->udl_url, conf->stats_url)) {
        rv = sb_db_open(&log->stats, conf->stats_url, &opts, p);
    }
    return rv;
}

void sb_udl_log_batch(sb_udl_log_t *log, const char *guid, apr_pool_t *p)
{
    log->batch = p;
    log->guid = guid;
    log->load_type = UNKNOWN;
    log->steps = apr_array_make(p, 16, sizeof(entry_t));
}

void sb_udl_log_load_type(sb_udl_log_t *log, const char *load_type)
{
    log->load_type = load_type;
}

static const char *udl_sql(sb_udl_log_t *log, const char *template)
{
    return sb_sql(log->batch, template, "schema", log->conf->udl_schema, NULL);
}

static const char *stats_sql(sb_udl_log_t *log, const char *template)
{
    return sb_sql(log->batch, template, "schema", log->conf->stats_schema, NULL);
}

static const char *iso(sb_udl_log_t *log, apr_time_t t)
{
    return sb_time_iso(apr_palloc(log->batch, SB_ISO_TIME_SIZE), t);
}

/* ---- steps ------------------------------------------------------------------------------------- */

void sb_udl_log_step(sb_udl_log_t *log, const sb_udl_step_t *step)
{
    entry_t *e = apr_array_push(log->steps);

    e->step = *step;
    e->end = apr_time_now();
    e->load_type = log->load_type;
}

static const char *number(sb_udl_log_t *log, apr_int64_t n)
{
    return n < 0 ? NULL : apr_psprintf(log->batch, "%" APR_INT64_T_FMT, n);
}

static apr_status_t write_steps(sb_udl_log_t *log)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < log->steps->nelts && rv == APR_SUCCESS; i++) {
        const entry_t *e = &APR_ARRAY_IDX(log->steps, i, entry_t);
        const sb_udl_step_t *s = &e->step;
        /* a FAILURE row has no tenant, as in the original */
        const char *args[] = {log->guid,
                              s->error ? "" : log->conf->tenant,
                              s->input_file ? s->input_file : "",
                              e->load_type,
                              s->schema,
                              s->phase,
                              s->error ? "FAILURE" : "SUCCESS",
                              s->error,
                              number(log, s->records),
                              number(log, s->bytes),
                              iso(log, s->start),
                              iso(log, e->end)};

        rv = sb_db_exec_text(
            NULL, log->udl,
            udl_sql(log,
                    "INSERT INTO {schema}.udl_batch (guid_batch, tenant, input_file, load_type,"
                    " working_schema, udl_phase, udl_phase_step_status, error_desc, udl_leaf,"
                    " size_records, size_units, start_timestamp, end_timestamp, duration)"
                    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, false, $9::bigint, $10::bigint,"
                    " $11::timestamp, $12::timestamp, $12::timestamp - $11::timestamp)"),
            12, args);
    }
    if (rv == APR_SUCCESS) {
        apr_array_clear(log->steps);
    }
    return rv;
}

apr_status_t sb_udl_log_flush(sb_udl_log_t *log)
{
    apr_status_t rv;

    if (!log->steps->nelts) {
        return APR_SUCCESS;
    }
    rv = sb_db_begin(log->udl, SB_TX_WRITE);
    if (rv == APR_SUCCESS) {
        rv = write_steps(log);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_commit(log->udl);
    }
    if (rv != APR_SUCCESS) {
        sb_db_rollback(log->udl);
    }
    return rv;
}

/* ---- the batch --------------------------------------------------------------------------------- */

apr_status_t sb_udl_log_status(const char **pstatus, sb_udl_log_t *log)
{
    const char *args[] = {log->guid};
    sb_rows_t *rows;
    apr_status_t rv;

    *pstatus = NULL;
    rv = sb_db_query_text(
        &rows, log->stats,
        stats_sql(log, "SELECT load_status FROM {schema}.udl_stats WHERE batch_guid = $1"), 1, args,
        log->batch);
    if (rv == APR_SUCCESS && sb_rows_count(rows)) {
        *pstatus = sb_rows_text(rows, 0, 0);
    }
    return rv;
}

apr_status_t sb_udl_log_received(sb_udl_log_t *log, apr_time_t arrived)
{
    const char *args[] = {log->guid, log->conf->tenant, iso(log, arrived), UNKNOWN};
    apr_status_t rv;

    rv = sb_db_exec_text(NULL, log->udl,
                         udl_sql(log, "DELETE FROM {schema}.rejected_row WHERE batch_guid = $1"), 1,
                         args);
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec_text(NULL, log->udl,
                             udl_sql(log, "DELETE FROM {schema}.udl_batch WHERE guid_batch = $1"),
                             1, args);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec_text(
            NULL, log->stats,
            stats_sql(log,
                      "INSERT INTO {schema}.udl_stats (batch_guid, tenant, file_arrived, load_type,"
                      " load_start, load_status) VALUES ($1, $2, $3::timestamp, $4,"
                      " now() AT TIME ZONE 'UTC', 'udl.received')"
                      " ON CONFLICT (batch_guid) DO UPDATE SET load_status = 'udl.received',"
                      " load_type = EXCLUDED.load_type, load_start = EXCLUDED.load_start,"
                      " load_end = NULL, record_loaded_count = NULL, notification = NULL"),
            4, args);
    }
    return rv;
}

static apr_status_t write_refusals(sb_udl_log_t *log, const apr_array_header_t *refusals)
{
    sb_copy_t *copy;
    apr_status_t rv;
    int i;

    if (!refusals || !refusals->nelts) {
        return APR_SUCCESS;
    }
    rv = sb_copy_begin(
        &copy, log->udl,
        udl_sql(
            log,
            "COPY {schema}.rejected_row (batch_guid, line, column_name, code, reason, student_id)"
            " FROM STDIN (FORMAT binary)"),
        6, log->batch);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < refusals->nelts && rv == APR_SUCCESS; i++) {
        const sb_udl_refusal_t *r = &APR_ARRAY_IDX(refusals, i, sb_udl_refusal_t);

        rv = sb_copy_row(copy);
        sb_copy_text(copy, log->guid, strlen(log->guid));
        sb_copy_int8(copy, r->line);
        if (r->column) {
            sb_copy_text(copy, r->column, strlen(r->column));
        }
        else {
            sb_copy_null(copy);
        }
        sb_copy_int4(copy, r->number);
        sb_copy_text(copy, r->reason, strlen(r->reason));
        if (r->student_id) {
            sb_copy_text(copy, r->student_id, strlen(r->student_id));
        }
        else {
            sb_copy_null(copy);
        }
    }
    return sb_copy_finish(copy, NULL);
}

static apr_status_t write_state(sb_udl_log_t *log, const char *status, apr_int64_t loaded,
                                const char *notification)
{
    const char *args[] = {log->guid, status, log->load_type, number(log, loaded), notification};

    return sb_db_exec_text(
        NULL, log->stats,
        stats_sql(log, "UPDATE {schema}.udl_stats SET load_status = $2, load_type = $3,"
                       " record_loaded_count = $4::bigint, notification = $5,"
                       " load_end = clock_timestamp() AT TIME ZONE 'UTC' WHERE batch_guid = $1"),
        5, args);
}

apr_status_t sb_udl_log_finish(sb_udl_log_t *log, const char *status, apr_int64_t loaded,
                               const char *notification, const apr_array_header_t *refusals)
{
    apr_status_t rv;

    rv = sb_db_begin(log->udl, SB_TX_WRITE);
    if (rv == APR_SUCCESS) {
        rv = write_refusals(log, refusals);
    }
    if (rv == APR_SUCCESS) {
        rv = write_steps(log);
    }
    if (rv == APR_SUCCESS && log->stats == log->udl) {
        rv = write_state(log, status, loaded, notification);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_commit(log->udl);
    }
    if (rv != APR_SUCCESS) {
        sb_db_rollback(log->udl);
        return rv;
    }
    /* elsewhere: the state last, for it releases the batch */
    return log->stats == log->udl ? APR_SUCCESS : write_state(log, status, loaded, notification);
}
