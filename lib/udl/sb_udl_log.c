/* The loader's records of a batch: see sb_udl_log.h. Steps and warnings travel as one JSON parameter:
 * one statement, however many there are. */

#include <string.h>

#include <apr_strings.h>

#include "core/sb_json.h"
#include "core/sb_time.h"
#include "udl/sb_udl_log.h"

#define UNKNOWN "Unknown"
#define PROGRESS_EVERY apr_time_from_sec(1)

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
    apr_pool_t *scratch; /* of one call */
    const char *guid;
    const char *token; /* udl_stats.load_start of this attempt, as the server printed it */
    const char *stage;
    const char *load_type, *asmt_type, *key;
    int key_waits; /* the key is known and not written yet */
    sb_udl_progress_t progress;
    apr_time_t written;        /* when the row of the batch was */
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

void sb_udl_log_databases(sb_db_t **pudl, sb_db_t **pstats, const sb_udl_log_t *log)
{
    *pudl = log->udl;
    *pstats = log->stats;
}

void sb_udl_log_batch(sb_udl_log_t *log, const char *guid, apr_pool_t *p)
{
    log->batch = p;
    apr_pool_create(&log->scratch, p);
    log->guid = guid;
    log->token = NULL;
    log->stage = "received";
    log->load_type = UNKNOWN;
    log->asmt_type = log->key = NULL;
    log->key_waits = 0;
    log->progress = (sb_udl_progress_t){-1, -1, 0, 0};
    log->written = 0;
    log->steps = apr_array_make(p, 16, sizeof(entry_t));
}

void sb_udl_log_content(sb_udl_log_t *log, const char *load_type, const char *asmt_type)
{
    log->load_type = apr_pstrdup(log->batch, load_type);
    log->asmt_type = apr_pstrdup(log->batch, asmt_type);
}

void sb_udl_log_key(sb_udl_log_t *log, const char *kind, const char *name)
{
    if (name && !log->key) {
        log->key = apr_pstrcat(log->batch, kind, name, NULL);
        log->key_waits = 1;
    }
}

static const char *udl_sql(sb_udl_log_t *log, const char *template)
{
    return sb_sql(log->scratch, template, "schema", log->conf->udl_schema, NULL);
}

static const char *stats_sql(sb_udl_log_t *log, const char *template)
{
    return sb_sql(log->scratch, template, "schema", log->conf->stats_schema, NULL);
}

static const char *number(sb_udl_log_t *log, apr_int64_t n)
{
    return n < 0 ? NULL : apr_psprintf(log->scratch, "%" APR_INT64_T_FMT, n);
}

static const char *iso(sb_udl_log_t *log, apr_time_t t)
{
    return sb_time_iso(apr_palloc(log->scratch, SB_ISO_TIME_SIZE), t);
}

/* ---- steps ------------------------------------------------------------------------------------- */

void sb_udl_log_step(sb_udl_log_t *log, const sb_udl_step_t *step)
{
    entry_t *e = apr_array_push(log->steps);

    e->step = *step;
    e->end = apr_time_now();
    e->load_type = log->load_type;
}

static void write_number(sb_jw_t *w, const char *key, apr_int64_t n)
{
    n < 0 ? sb_jw_null(w, key) : sb_jw_int(w, key, n);
}

/* What write_steps inserts. */
static const char *steps_json(sb_udl_log_t *log)
{
    sb_jw_t *w = sb_jw_make(log->scratch);
    int i;

    sb_jw_array(w, NULL);
    for (i = 0; i < log->steps->nelts; i++) {
        const entry_t *e = &APR_ARRAY_IDX(log->steps, i, entry_t);
        const sb_udl_step_t *s = &e->step;

        sb_jw_object(w, NULL);
        /* a FAILURE row has no tenant, as in the original */
        sb_jw_str(w, "tenant", s->error ? "" : log->conf->tenant);
        sb_jw_str(w, "input_file", s->input_file ? s->input_file : "");
        sb_jw_str(w, "load_type", e->load_type);
        sb_jw_str(w, "working_schema", s->schema);
        sb_jw_str(w, "udl_phase", s->phase);
        sb_jw_str(w, "status", s->error ? "FAILURE" : "SUCCESS");
        sb_jw_str(w, "error_desc", s->error);
        write_number(w, "records", s->records);
        write_number(w, "units", s->bytes);
        sb_jw_str(w, "t0", iso(log, s->start));
        sb_jw_str(w, "t1", iso(log, e->end));
        sb_jw_end(w);
    }
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

/* A part of a statement whose $1 is the batch and $2 steps_json. */
#define WRITE_STEPS                                                                                \
    "INSERT INTO {schema}.udl_batch (guid_batch, tenant, input_file, load_type, working_schema,"   \
    " udl_phase, udl_phase_step_status, error_desc, udl_leaf, size_records, size_units,"           \
    " start_timestamp, end_timestamp, duration)"                                                   \
    " SELECT $1, tenant, input_file, load_type, working_schema, udl_phase, status, error_desc,"    \
    " false, records, units, t0, t1, t1 - t0 FROM jsonb_to_recordset($2::jsonb)"                   \
    " AS s (tenant text, input_file text, load_type text, working_schema text, udl_phase text,"    \
    " status text, error_desc text, records bigint, units bigint, t0 timestamp, t1 timestamp)"

/* ---- stages and progress ----------------------------------------------------------------------- */

/* Write the row of the batch as it is now, and what was collected. */
static apr_status_t write_now(sb_udl_log_t *log)
{
    const char *args[] = {log->guid,
                          steps_json(log),
                          log->stage,
                          log->load_type,
                          log->asmt_type,
                          log->key,
                          number(log, log->progress.bytes_done),
                          number(log, log->progress.bytes_total),
                          number(log, log->progress.rows_read),
                          number(log, log->progress.rows_rejected)};
    apr_status_t rv;

    rv = sb_db_exec_text(
        NULL, log->udl,
        udl_sql(log, "WITH steps AS (" WRITE_STEPS ")"
                     " UPDATE {schema}.batch SET stage = $3, load_type = $4, asmt_type = $5,"
                     " content_key = coalesce($6, content_key), bytes_done = $7::bigint,"
                     " bytes_total = $8::bigint, rows_read = $9::bigint,"
                     " rows_rejected = $10::bigint, progress_at = clock_timestamp()"
                     " WHERE batch_guid = $1"),
        10, args);
    if (rv == APR_SUCCESS) {
        apr_array_clear(log->steps);
        log->key_waits = 0;
        log->written = apr_time_now();
    }
    apr_pool_clear(log->scratch);
    return rv;
}

apr_status_t sb_udl_log_stage(sb_udl_log_t *log, sb_udl_stage_t stage)
{
    static const char *const names[] = {[SB_UDL_DECRYPTING] = "decrypting",
                                        [SB_UDL_LOADING] = "loading",
                                        [SB_UDL_FINISHING] = "finishing"};

    log->stage = names[stage];
    return write_now(log);
}

apr_status_t sb_udl_log_progress(sb_udl_log_t *log, const sb_udl_progress_t *progress)
{
    apr_interval_time_t age = apr_time_now() - log->written;

    log->progress = *progress;
    /* a clock that is set back must not silence the batch */
    return log->key_waits || age >= PROGRESS_EVERY || age < 0 ? write_now(log) : APR_SUCCESS;
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

/* A content_key that an earlier attempt found stays: it is the same package. */
static apr_status_t receive(sb_udl_log_t *log, const sb_udl_receipt_t *receipt)
{
    const char *args[] = {log->guid,
                          log->conf->tenant,
                          receipt->package,
                          apr_itoa(log->scratch, receipt->attempts),
                          receipt->worker,
                          number(log, receipt->bytes),
                          number(log, receipt->arrived)};

    return sb_db_exec_text(
        NULL, log->udl,
        udl_sql(log,
                "WITH r AS (DELETE FROM {schema}.rejected_row WHERE batch_guid = $1),"
                " s AS (DELETE FROM {schema}.udl_batch WHERE guid_batch = $1),"
                " w AS (DELETE FROM {schema}.batch_warning WHERE batch_guid = $1)"
                " INSERT INTO {schema}.batch AS b (batch_guid, tenant, package, attempts, worker,"
                " package_bytes, arrived_at) VALUES ($1, $2, $3, $4::int, $5, $6::bigint,"
                " timestamptz 'epoch' + $7::bigint * interval '1 us') ON CONFLICT (batch_guid) DO "
                "UPDATE SET stage = 'received',"
                " package = EXCLUDED.package, attempts = EXCLUDED.attempts,"
                " worker = EXCLUDED.worker,"
                " package_bytes = coalesce(EXCLUDED.package_bytes, b.package_bytes),"
                " bytes_total = NULL, bytes_done = NULL, rows_read = 0, rows_loaded = 0,"
                " rows_rejected = 0, rows_deduplicated = NULL, warnings = 0, problem = NULL,"
                " kept_in = NULL, started_at = now(), progress_at = now(), finished_at = NULL"),
        7, args);
}

apr_status_t sb_udl_log_received(sb_udl_log_t *log, const sb_udl_receipt_t *receipt)
{
    const char *args[] = {log->guid, log->conf->tenant, number(log, receipt->arrived), UNKNOWN};
    sb_rows_t *rows;
    apr_status_t rv;

    rv = receive(log, receipt);
    if (rv == APR_SUCCESS) {
        rv = sb_db_query_text(
            &rows, log->stats,
            stats_sql(log,
                      "INSERT INTO {schema}.udl_stats (batch_guid, tenant, file_arrived, load_type,"
                      " load_start, load_status) VALUES ($1, $2,"
                      " timestamp 'epoch' + $3::bigint * interval '1 us', $4,"
                      " clock_timestamp() AT TIME ZONE 'UTC', 'udl.received')"
                      " ON CONFLICT (batch_guid) DO UPDATE SET load_status = 'udl.received',"
                      " load_type = EXCLUDED.load_type, load_start = EXCLUDED.load_start,"
                      " load_end = NULL, record_loaded_count = NULL, notification = NULL,"
                      " notification_status = NULL,"
                      " batch_operation = NULL, snapshot_criteria = NULL RETURNING load_start"),
            4, args, log->batch);
    }
    if (rv == APR_SUCCESS) {
        log->token = sb_rows_text(rows, 0, 0);
        log->written = apr_time_now();
    }
    apr_pool_clear(log->scratch);
    return rv;
}

/* ---- the end ----------------------------------------------------------------------------------- */

static void copy_text(sb_copy_t *copy, const char *text)
{
    text ? sb_copy_text(copy, text, strlen(text)) : sb_copy_null(copy);
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
        6, log->scratch);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < refusals->nelts && rv == APR_SUCCESS; i++) {
        const sb_udl_refusal_t *r = &APR_ARRAY_IDX(refusals, i, sb_udl_refusal_t);

        rv = sb_copy_row(copy);
        copy_text(copy, log->guid);
        sb_copy_int8(copy, r->line);
        copy_text(copy, r->column);
        sb_copy_int4(copy, r->number);
        copy_text(copy, r->reason);
        copy_text(copy, r->student_id);
    }
    return sb_copy_finish(copy, NULL);
}

/* What write_ending inserts into batch_warning. */
static const char *warnings_json(sb_udl_log_t *log, const apr_array_header_t *warnings,
                                 apr_int64_t *ptotal)
{
    sb_jw_t *w = sb_jw_make(log->scratch);
    int i;

    *ptotal = 0;
    sb_jw_array(w, NULL);
    for (i = 0; warnings && i < warnings->nelts; i++) {
        const sb_udl_warning_t *warning = &APR_ARRAY_IDX(warnings, i, sb_udl_warning_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "column_name", warning->column);
        sb_jw_int(w, "code", warning->number);
        sb_jw_str(w, "reason", warning->reason);
        sb_jw_int(w, "count", warning->count);
        sb_jw_int(w, "first_line", warning->first_line);
        sb_jw_end(w);
        *ptotal += warning->count;
    }
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

static apr_status_t write_ending(sb_udl_log_t *log, const sb_udl_ending_t *e)
{
    apr_int64_t warnings;
    const char *json = warnings_json(log, e->warnings, &warnings);
    const char *args[] = {log->guid,
                          steps_json(log),
                          json,
                          e->problem ? "failed" : "loaded",
                          log->load_type,
                          log->asmt_type,
                          log->key,
                          number(log, log->progress.bytes_total),
                          number(log, e->counts.read),
                          number(log, e->counts.loaded),
                          number(log, e->counts.rejected),
                          number(log, e->problem ? 0 : e->counts.deduplicated),
                          number(log, warnings),
                          e->problem,
                          e->kept_in};

    return sb_db_exec_text(
        NULL, log->udl,
        udl_sql(log,
                "WITH steps AS (" WRITE_STEPS "),"
                " warned AS (INSERT INTO {schema}.batch_warning (batch_guid, column_name, code,"
                " reason, count, first_line) SELECT $1, column_name, code, reason, count,"
                " first_line FROM jsonb_to_recordset($3::jsonb) AS w (column_name text,"
                " code integer, reason text, count bigint, first_line bigint))"
                " UPDATE {schema}.batch SET stage = $4, load_type = $5, asmt_type = $6,"
                " content_key = coalesce($7, content_key), bytes_total = $8::bigint,"
                " bytes_done = CASE $4 WHEN 'loaded' THEN $8::bigint ELSE bytes_done END,"
                " rows_read = $9::bigint, rows_loaded = $10::bigint, rows_rejected = $11::bigint,"
                " rows_deduplicated = $12::bigint, warnings = $13::bigint, problem = $14,"
                " kept_in = $15, progress_at = clock_timestamp(), finished_at = clock_timestamp()"
                " WHERE batch_guid = $1"),
        15, args);
}

/* Last, for it releases the batch. */
static apr_status_t write_state(sb_udl_log_t *log, const sb_udl_ending_t *e)
{
    const char *args[] = {
        log->guid,       log->token,   e->status,  log->load_type, number(log, e->counts.loaded),
        e->notification, e->operation, e->criteria};
    apr_int64_t n;
    apr_status_t rv;

    rv = sb_db_exec_text(&n, log->stats,
                         stats_sql(log,
                                   "UPDATE {schema}.udl_stats SET load_status = $3, load_type = $4,"
                                   " record_loaded_count = $5::bigint, notification = $6,"
                                   " batch_operation = $7, snapshot_criteria = $8,"
                                   " load_end = clock_timestamp() AT TIME ZONE 'UTC'"
                                   " WHERE batch_guid = $1 AND load_start = $2::timestamp"
                                   " AND load_status = 'udl.received'"),
                         8, args);
    return rv != APR_SUCCESS || n == 1 ? rv : SB_EBUSY;
}

apr_status_t sb_udl_log_finish(sb_udl_log_t *log, const sb_udl_ending_t *ending)
{
    apr_status_t rv;

    rv = sb_db_begin(log->udl, SB_TX_WRITE);
    if (rv == APR_SUCCESS) {
        rv = write_refusals(log, ending->refusals);
    }
    if (rv == APR_SUCCESS) {
        rv = write_ending(log, ending);
    }
    if (rv == APR_SUCCESS && log->stats == log->udl) {
        rv = write_state(log, ending);
    }
    rv = sb_db_end(log->udl, rv);
    if (rv == APR_SUCCESS && log->stats != log->udl) {
        rv = write_state(log, ending);
    }
    apr_pool_clear(log->scratch);
    return rv;
}
