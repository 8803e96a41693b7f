/* The pipeline of one package: see sb_udl.h. Three kinds of ending are kept apart: the package is at
 * fault (run->problem is set: the batch fails), a server is down (a transient status: the attempt is
 * given up without a trace), and success. */

#include <string.h>
#include <sys/stat.h>

#include <apr_strings.h>

#include "core/sb_json.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "store/sb_gpg.h"
#include "store/sb_schema.h"
#include "udl/sb_udl.h"
#include "udl/sb_udl_source.h"
#include "udl/sb_udl_zones.h"

#define JSON_MAX (1 << 20) /* bytes of metadata or .err file */
#define NOT_YET "is not supported yet by this version of the loader"

#define UNEXPECTED "Expected files not found in the tar archive: "

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

/* What members of one kind amount to. */
typedef struct {
    int n;
    char *text; /* JSON and .err: NUL-terminated, in run->p */
    apr_size_t len, size;
} member_t;

typedef struct {
    sb_udl_result_t *result;
    sb_udl_log_t *log;
    const sb_udl_conf_t *conf;
    const sb_udl_job_t *job;
    apr_pool_t *p;
    sb_udl_zones_t zones;
    const char *problem; /* set: the package is at fault */
    const char *phase;   /* the step that is being done */
    apr_time_t started, step_started, expand_started;

    sb_db_t *target;
    int in_tx;
    sb_copy_t *copy;

    sb_csv_t *csv;
    sb_udl_rows_t *rows;
    apr_int64_t csv_bytes;
    int csv_failed; /* the header is wrong; only the metadata is still wanted */
    member_t n_csv, json, err, *current;
    sb_udl_meta_t meta;
    int have_meta;
    const sb_json_t *tsb_error;
} run_t;

/* ---- steps and problems ------------------------------------------------------------------------ */

static void begin_step(run_t *run, const char *phase)
{
    run->phase = phase;
    run->step_started = apr_time_now();
}

static void end_step_full(run_t *run, const char *schema, apr_int64_t records, apr_int64_t bytes)
{
    sb_udl_step_t step = {.phase = run->phase,
                          .schema = schema,
                          .start = run->step_started,
                          .records = records,
                          .bytes = bytes};

    sb_udl_log_step(run->log, &step);
}

static void end_step(run_t *run)
{
    end_step_full(run, NULL, -1, -1);
}

/* The package is at fault. @return SB_EINPUT */
__attribute__((format(printf, 2, 3))) static apr_status_t fault(run_t *run, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    run->problem = apr_pvsprintf(run->p, fmt, ap);
    va_end(ap);
    return SB_EINPUT;
}

/* A database call failed: a server that is down, or our own fault that nobody can mend by waiting. */
static apr_status_t db_fault(run_t *run, apr_status_t rv, sb_db_t *db, const char *what)
{
    if (!sb_is_transient(rv) && rv != SB_ECONFLICT) {
        fault(run, "%s: %s", what, sb_db_error(db));
    }
    return rv;
}

static int is_stopping(const run_t *run)
{
    return run->job->stopping && run->job->stopping();
}

/* ---- arrival and decryption -------------------------------------------------------------------- */

static apr_status_t arrive(run_t *run)
{
    sb_udl_step_t step = {.phase = PHASE_ARRIVED, .input_file = run->job->package, .records = -1};
    struct stat st;
    apr_status_t rv;

    begin_step(run, PHASE_ARRIVED);
    rv = sb_udl_zones_make(&run->zones, run->conf, run->job->package, run->job->guid,
                           run->job->arrived, run->p);
    if (rv == APR_SUCCESS && run->job->take) {
        rv = sb_udl_zones_take(&run->zones);
    }
    if (APR_STATUS_IS_ENOENT(rv) || (rv == APR_SUCCESS && stat(run->zones.package, &st))) {
        return fault(run, "Invalid source file -- %s: it is not there any more", run->job->package);
    }
    if (rv == SB_EINPUT) {
        return fault(run, "Invalid source file -- %s: it is no regular file", run->job->package);
    }
    if (rv == APR_SUCCESS) {
        step.start = run->step_started;
        step.bytes = st.st_size;
        sb_udl_log_step(run->log, &step);
    }
    return rv;
}

static apr_status_t decrypt(run_t *run)
{
    sb_gpg_opts_t opts = {run->conf->gpg_home, run->conf->passphrase, run->conf->senders,
                          run->conf->require_signature, run->conf->max_package_bytes};
    sb_gpg_result_t verdict;
    apr_status_t rv;

    begin_step(run, PHASE_DECRYPT);
    rv = sb_gpg_decrypt(&verdict, run->zones.package, run->zones.decrypted, &opts, run->p);
    if (rv == SB_EINPUT && !is_stopping(run)) {
        /* a gpg that was killed looks like a damaged package: only the same verdict twice counts */
        rv = sb_gpg_decrypt(&verdict, run->zones.package, run->zones.decrypted, &opts, run->p);
    }
    if (rv != APR_SUCCESS && is_stopping(run)) {
        return APR_EINTR; /* whoever told us to stop may have told gpg too */
    }
    if (rv == APR_SUCCESS) {
        end_step_full(run, NULL, -1, verdict.bytes);
        return rv;
    }
    if (sb_is_transient(rv) || rv == SB_ECONFIG) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2204), rv, "decrypting: %s",
               verdict.problem ? verdict.problem : "failed");
        return rv == SB_ECONFIG ? SB_EUNAVAILABLE
                                : rv; /* an operator mends it, the package waits */
    }
    return fault(run, "Decryption Failed: %s",
                 verdict.problem ? verdict.problem : "the package cannot be read");
}

/* ---- metadata ---------------------------------------------------------------------------------- */

/* @return APR_SUCCESS if this version loads such a package */
static apr_status_t accept_load(run_t *run)
{
    if (run->meta.load == SB_UDL_REGISTRATION) {
        return fault(run, "student registration " NOT_YET);
    }
    if (!strcmp(run->meta.type, "INTERIM ASSESSMENT BLOCKS")) {
        return fault(run, "INTERIM ASSESSMENT BLOCKS " NOT_YET);
    }
    return APR_SUCCESS;
}

static apr_status_t read_metadata(run_t *run)
{
    const char *problem, *phase = run->phase;
    apr_time_t started = run->step_started;

    begin_step(run, PHASE_LOAD_TYPE);
    problem = sb_udl_meta_read(&run->meta, run->json.text, run->json.len, run->p);
    if (run->meta.load_type) {
        run->result->load_type = run->meta.load_type;
        sb_udl_log_load_type(run->log, run->meta.load_type);
    }
    if (problem) {
        return fault(run, "%s", problem);
    }
    end_step(run);
    begin_step(run, PHASE_PARAMS);
    end_step(run);
    run->phase = phase; /* the metadata is a part of what was going on */
    run->step_started = started;
    run->have_meta = 1;
    return accept_load(run);
}

/* The sender's own error report: it travels on in the notification. */
static apr_status_t read_err_file(run_t *run)
{
    const char *problem;
    sb_json_t *root;
    const sb_json_t *content;

    if (sb_json_parse(&root, &problem, run->err.text, run->err.len, NULL, run->p) != APR_SUCCESS) {
        return fault(run, "3012 the .err file is no JSON: %s", problem ? problem : "too large");
    }
    content = sb_json_get(root, "content");
    if (!content) {
        return fault(run, "3013 missing in the .err file: content");
    }
    if (!strcmp(sb_json_str(content, ""), "error")) {
        run->tsb_error = sb_json_get(root, "tsb_error");
        if (!run->tsb_error) {
            return fault(run, "3013 missing in the .err file: tsb_error");
        }
    }
    return APR_SUCCESS;
}

/* ---- rows -------------------------------------------------------------------------------------- */

/* The header is good: make the batch schema and start the COPY. One transaction from here on. */
static apr_status_t begin_rows(void *ctx, sb_copy_t **pcopy)
{
    run_t *run = ctx;
    const char *sql;
    apr_status_t rv;
    int ncols;

    end_step(run); /* validation of the file */
    begin_step(run, PHASE_SCHEMA);
    rv = sb_udl_log_flush(run->log);
    if (rv == APR_SUCCESS) {
        sb_db_opts_t opts = {.app = "smarter-udl"};

        rv = sb_db_open(&run->target, run->conf->target_url, &opts, run->p);
    }
    if (rv != APR_SUCCESS) {
        return sb_is_transient(rv) ? rv : SB_EUNAVAILABLE;
    }
    rv = sb_db_begin(run->target, SB_TX_WRITE);
    run->in_tx = rv == APR_SUCCESS;
    if (rv == APR_SUCCESS) {
        rv = sb_batch_schema_create(run->target, run->job->guid, run->p);
    }
    if (rv != APR_SUCCESS) {
        return db_fault(run, rv, run->target, "making the batch schema");
    }
    end_step_full(run, run->job->guid, -1, -1);
    begin_step(run, PHASE_ROWS);
    sql = sb_udl_rows_copy_sql(&ncols, run->job->guid, run->p);
    rv = sb_copy_begin(&run->copy, run->target, sql, ncols, run->p);
    *pcopy = run->copy;
    return rv == APR_SUCCESS ? rv : db_fault(run, rv, run->target, "starting the COPY");
}

static apr_status_t begin_csv(run_t *run)
{
    sb_csv_opts_t csv_opts = {.max_fields = SB_UDL_FIELDS_KEPT};
    sb_udl_rows_opts_t opts = {&run->conf->policy, run->conf->state_code,
                               run->have_meta ? &run->meta : NULL, run->conf->max_rejected_rows};
    apr_status_t rv;

    begin_step(run, PHASE_VALIDATE);
    rv = sb_udl_rows_make(&run->rows, &opts, run->p);
    if (rv == APR_SUCCESS) {
        sb_udl_rows_on_header(run->rows, begin_rows, run);
        rv = sb_csv_make(&run->csv, &csv_opts, sb_udl_rows_record, run->rows, run->p);
    }
    return rv;
}

/* Why the CSV parser stopped. */
static apr_status_t csv_stopped(run_t *run, apr_status_t rv)
{
    if (sb_udl_rows_problem(run->rows)) {
        return fault(run, "%s", sb_udl_rows_problem(run->rows));
    }
    if (run->problem) {
        return rv;
    }
    if (*sb_csv_error(run->csv)) {
        return fault(run, "%s", sb_csv_error(run->csv));
    }
    return run->target && !sb_is_transient(rv) ? db_fault(run, rv, run->target, "the COPY") : rv;
}

static apr_status_t feed_csv(run_t *run, const char *data, apr_size_t len)
{
    apr_status_t rv;

    run->csv_bytes += (apr_int64_t)len;
    if (run->csv_failed) {
        return APR_SUCCESS;
    }
    rv = sb_csv_feed(run->csv, data, len);
    if (rv == APR_SUCCESS) {
        return rv;
    }
    rv = csv_stopped(run, rv);
    if (run->problem && !run->have_meta && !run->copy) {
        run->csv_failed = 1; /* perhaps it is a kind of package that we know, but do not load */
        return APR_SUCCESS;
    }
    return rv;
}

/* ---- members ----------------------------------------------------------------------------------- */

/* Which kind of member has this extension, in any case of letters; NULL none. */
static member_t *member_of(run_t *run, const char *dot)
{
    return !strcasecmp(dot, ".csv")    ? &run->n_csv
           : !strcasecmp(dot, ".json") ? &run->json
           : !strcasecmp(dot, ".err")  ? &run->err
                                       : NULL;
}

static apr_status_t next_member(run_t *run, const char *name)
{
    const char *dot = strrchr(name, '.'), *c;
    member_t *m = dot ? member_of(run, dot) : NULL;

    if (!m) {
        return fault(run, UNEXPECTED "%s is neither .csv nor .json nor .err", name);
    }
    for (c = dot; *c; c++) {
        if (*c >= 'A' && *c <= 'Z') {
            return fault(run, "3010 file type not supported: %s (extensions are lower case)", name);
        }
    }
    if (m->n++) {
        return fault(run, UNEXPECTED "more than one %s", dot);
    }
    run->current = m;
    return m == &run->n_csv ? begin_csv(run) : APR_SUCCESS;
}

static apr_status_t take_data(run_t *run, const char *data, apr_size_t len)
{
    member_t *m = run->current;

    if (m == &run->n_csv) {
        return feed_csv(run, data, len);
    }
    if (m->len + len > JSON_MAX) {
        return fault(run, "3012 the %s is larger than %d bytes",
                     m == &run->json ? "metadata" : ".err file", JSON_MAX);
    }
    if (!m->text) {
        m->text = apr_pcalloc(run->p, JSON_MAX + 1);
    }
    memcpy(m->text + m->len, data, len);
    m->len += len;
    return APR_SUCCESS;
}

/* A member is through. */
static apr_status_t end_member(run_t *run)
{
    member_t *m = run->current;
    apr_status_t rv = APR_SUCCESS;

    run->current = NULL;
    if (!m) {
        return rv;
    }
    m->text = m->text ? m->text : apr_pstrdup(run->p, "");
    if (m == &run->json) {
        const char *header_problem = run->problem;

        rv = read_metadata(run);
        if (rv == APR_SUCCESS && run->csv_failed) {
            run->problem = header_problem;
            rv = SB_EINPUT;
        }
    }
    else if (m == &run->err) {
        rv = read_err_file(run);
    }
    else if (!run->csv_failed) {
        rv = sb_csv_finish(run->csv);
        rv = rv == APR_SUCCESS ? rv : csv_stopped(run, rv);
    }
    return rv;
}

/* Why there is no more of the archive; asked only when its thread has ended. */
static apr_status_t source_stopped(run_t *run, const sb_udl_source_t *source, apr_status_t rv)
{
    if (rv == APR_EINTR || sb_is_transient(rv) || !sb_udl_source_problem(source)) {
        return rv;
    }
    return fault(run, "%s", sb_udl_source_problem(source));
}

static apr_status_t unpack(run_t *run, const char *path)
{
    sb_archive_limits_t limits = {run->conf->max_members, run->conf->max_unpacked_bytes,
                                  run->conf->max_ratio};
    sb_udl_piece_t piece = {SB_UDL_DATA, NULL, NULL, 0};
    sb_udl_source_t *source;
    apr_pool_t *p;
    apr_status_t rv;

    /* the unpacking thread ends with this pool, before anything else of the run goes */
    rv = apr_pool_create(&p, run->p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    begin_step(run, PHASE_EXPAND);
    run->expand_started = run->step_started;
    rv = sb_udl_source_open(&source, path, &limits, p);
    if (rv != APR_SUCCESS) {
        rv = source_stopped(run, source, rv);
    }
    while (rv == APR_SUCCESS && piece.event != SB_UDL_END) {
        rv = is_stopping(run) ? APR_EINTR : sb_udl_source_next(&piece, source);
        if (rv != APR_SUCCESS) {
            rv = source_stopped(run, source, rv);
        }
        else if (piece.event == SB_UDL_DATA) {
            rv = take_data(run, piece.data, piece.len);
        }
        else {
            rv = end_member(run);
            if (rv == APR_SUCCESS && piece.event == SB_UDL_MEMBER) {
                rv = next_member(run, piece.name);
            }
        }
    }
    apr_pool_destroy(p);
    return rv;
}

/* Everything was seen: is it what a package must hold? */
static apr_status_t judge_members(run_t *run)
{
    if (run->csv_failed) {
        return SB_EINPUT; /* and no metadata that would explain it */
    }
    if (!run->json.n) {
        return fault(run, UNEXPECTED "no .json");
    }
    if (!run->n_csv.n) {
        return run->err.n ? fault(run, "tsb error") : fault(run, UNEXPECTED "no .csv");
    }
    return APR_SUCCESS;
}

static apr_status_t load(run_t *run, const char *path)
{
    apr_int64_t stored = 0;
    apr_status_t rv;

    rv = unpack(run, path);
    if (rv == APR_SUCCESS) {
        rv = judge_members(run);
    }
    if (rv == APR_SUCCESS) {
        sb_udl_step_t expanded = {
            .phase = PHASE_EXPAND, .start = run->expand_started, .records = -1, .bytes = -1};

        sb_udl_log_step(run->log, &expanded);
        rv = sb_udl_rows_judge(run->rows, &run->meta);
        if (rv != APR_SUCCESS) {
            return fault(run, "%s", sb_udl_rows_problem(run->rows));
        }
        rv = sb_copy_finish(run->copy, &stored);
        run->copy = NULL;
        rv = rv == APR_SUCCESS ? rv : db_fault(run, rv, run->target, "the COPY");
    }
    if (rv == APR_SUCCESS) {
        end_step_full(run, run->job->guid, stored, run->csv_bytes);
        begin_step(run, PHASE_JSON);
        rv = sb_udl_meta_store(run->target, run->job->guid, &run->meta, run->p);
        rv = rv == APR_SUCCESS ? rv : db_fault(run, rv, run->target, "storing the metadata");
    }
    if (rv == APR_SUCCESS) {
        end_step_full(run, run->job->guid, 1, -1);
        begin_step(run, PHASE_CONTENT);
        end_step(run);
        rv = sb_db_commit(run->target);
        run->in_tx = 0;
        rv = rv == APR_SUCCESS ? rv : db_fault(run, rv, run->target, "committing the rows");
    }
    return rv;
}

/* ---- the end ----------------------------------------------------------------------------------- */

/* A failed batch whose schema is wanted: keep what was copied so far. @return was it possible? */
static int keep_rows(run_t *run)
{
    sb_copy_t *copy = run->copy;

    if (!run->conf->keep_failed_schema || !run->problem || !copy) {
        return 0;
    }
    run->copy = NULL;
    return sb_copy_finish(copy, NULL) == APR_SUCCESS && sb_db_commit(run->target) == APR_SUCCESS;
}

/* Leave nothing in the target, unless the schemas of failed batches are wanted. */
static void undo(run_t *run)
{
    if (keep_rows(run)) {
        run->in_tx = 0;
    }
    if (run->copy) {
        sb_copy_abort(run->copy, "the batch fails");
        run->copy = NULL;
    }
    if (run->in_tx) {
        sb_db_rollback(run->target);
        run->in_tx = 0;
    }
}

static void write_json(sb_jw_t *w, const char *key, const sb_json_t *n)
{
    const sb_json_t *child;

    switch (n->type) {
    case SB_JSON_NULL:
        sb_jw_null(w, key);
        break;
    case SB_JSON_BOOL:
        sb_jw_bool(w, key, n->truth);
        break;
    case SB_JSON_NUMBER:
        sb_jw_raw(w, key, n->text, n->len);
        break;
    case SB_JSON_STRING:
        sb_jw_strn(w, key, n->text, n->len);
        break;
    default:
        n->type == SB_JSON_OBJECT ? sb_jw_object(w, key) : sb_jw_array(w, key);
        for (child = n->child; child; child = child->next) {
            write_json(w, n->type == SB_JSON_OBJECT ? child->key : NULL, child);
        }
        sb_jw_end(w);
        break;
    }
}

/* What the sender is told later on; contract 14. */
static const char *notification(run_t *run)
{
    sb_jw_t *w = sb_jw_make(run->p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "callback_url", run->meta.callback_url);
    sb_jw_str(w, "email_notification", run->meta.email);
    sb_jw_int(w, "notification_max_attempts", run->conf->notification_max_attempts);
    sb_jw_int(w, "notification_retry_interval", run->conf->notification_retry_secs);
    sb_jw_int(w, "notification_timeout_interval", run->conf->notification_timeout_secs);
    sb_jw_int(w, "total_rows_loaded", run->problem ? 0 : run->result->counts.loaded);
    sb_jw_int(w, "total_rows_not_loaded",
              run->problem ? run->result->counts.read : run->result->counts.rejected);
    if (run->tsb_error) {
        write_json(w, "tsb_error", run->tsb_error);
    }
    if (run->problem) {
        sb_jw_str(w, "udl_phase_step_status", "FAILURE");
        sb_jw_str(w, "error_desc", run->problem);
    }
    else {
        sb_jw_str(w, "udl_phase", PHASE_COMPLETE);
        sb_jw_str(w, "udl_phase_step_status", "SUCCESS");
    }
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

static void log_end(const run_t *run)
{
    const sb_udl_result_t *r = run->result;
    int i;

    if (r->problem) {
        sb_log(SB_LOG_WARN, SBLOGNO(2203), SB_NO_STATUS, "batch failed: tenant %s, package %s: %s",
               r->tenant, run->zones.name, r->problem);
        return;
    }
    for (i = 0; r->warnings && i < r->warnings->nelts; i++) {
        const sb_udl_warning_t *w = &APR_ARRAY_IDX(r->warnings, i, sb_udl_warning_t);

        sb_log(SB_LOG_NOTICE, SBLOGNO(2206), SB_NO_STATUS,
               "%s%s%s: %" APR_INT64_T_FMT " times, first on line %" APR_INT64_T_FMT,
               w->column ? w->column : "", w->column ? ": " : "", w->reason, w->count,
               w->first_line);
    }
    sb_log(SB_LOG_INFO, SBLOGNO(2202), SB_NO_STATUS,
           "batch loaded: tenant %s, package %s, %" APR_INT64_T_FMT
           " rows loaded, %" APR_INT64_T_FMT " rejected, %.2f s",
           r->tenant, run->zones.name, r->counts.loaded, r->counts.rejected, r->seconds);
}

/* Write down how it ended; then the files. */
static apr_status_t conclude(run_t *run)
{
    sb_udl_result_t *r = run->result;
    sb_udl_step_t whole = {.phase = PHASE_COMPLETE, .start = run->started, .bytes = -1};
    apr_status_t rv;

    if (run->rows) {
        r->counts = sb_udl_rows_counts(run->rows);
        r->refusals = sb_udl_rows_refusals(run->rows);
        r->warnings = sb_udl_rows_warnings(run->rows, run->p);
    }
    r->problem = run->problem;
    r->status = run->problem ? "udl.failed" : "udl.ingested";
    if (run->problem) {
        sb_udl_step_t failed = {.phase = run->phase,
                                .error = run->problem,
                                .start = apr_time_now(),
                                .records = -1,
                                .bytes = -1};

        r->counts.loaded = 0;
        sb_udl_log_step(run->log, &failed);
    }
    begin_step(run, PHASE_CLEAN);
    end_step(run);
    whole.error = run->problem;
    whole.records = r->counts.loaded;
    sb_udl_log_step(run->log, &whole);
    r->seconds = (double)(apr_time_now() - run->started) / APR_USEC_PER_SEC;
    rv = sb_udl_log_finish(run->log, r->status, r->counts.loaded, notification(run), r->refusals);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    log_end(run);
    return APR_SUCCESS;
}

static apr_status_t put_away(run_t *run)
{
    apr_status_t rv = APR_SUCCESS;

    if (run->job->take) {
        rv = sb_udl_zones_keep(&run->zones, run->problem);
        if (rv != APR_SUCCESS) {
            sb_log(SB_LOG_ERROR, SBLOGNO(2205), rv, "moving package %s to history",
                   run->zones.name);
        }
    }
    sb_udl_zones_clean(&run->zones);
    return rv;
}

static void begin_run(run_t *run, sb_udl_result_t *result, sb_udl_log_t *log,
                      const sb_udl_conf_t *conf, const sb_udl_job_t *job, apr_pool_t *p)
{
    memset(run, 0, sizeof *run);
    memset(result, 0, sizeof *result);
    result->guid = job->guid;
    result->tenant = conf->tenant;
    result->load_type = "Unknown";
    run->result = result;
    run->log = log;
    run->conf = conf;
    run->job = job;
    run->p = p;
    run->started = apr_time_now();
    sb_log_set_id(job->guid);
    sb_udl_log_batch(log, job->guid, p);
}

/* An earlier attempt wrote the state and died before it put the package away. */
static apr_status_t finish_earlier(run_t *run, const char *status)
{
    apr_status_t rv;

    run->result->status = status;
    run->problem =
        strcmp(status, "udl.failed") ? NULL : "failed in an earlier attempt: see the batch log";
    run->result->problem = run->problem;
    rv = sb_udl_zones_make(&run->zones, run->conf, run->job->package, run->job->guid,
                           run->job->arrived, run->p);
    if (rv == APR_SUCCESS && run->job->take) {
        rv = sb_udl_zones_take(&run->zones);
        rv = APR_STATUS_IS_ENOENT(rv) || rv == SB_EINPUT ? APR_SUCCESS : rv;
    }
    return rv == APR_SUCCESS ? put_away(run) : rv;
}

apr_status_t sb_udl_run(sb_udl_result_t *result, sb_udl_log_t *log, const sb_udl_conf_t *conf,
                        const sb_udl_job_t *job, apr_pool_t *p)
{
    run_t *run = apr_palloc(p, sizeof *run);
    const char *status;
    struct stat st;
    apr_status_t rv;

    begin_run(run, result, log, conf, job, p);
    rv = sb_udl_log_status(&status, log);
    if (rv == APR_SUCCESS && status && strcmp(status, "udl.received")) {
        rv = finish_earlier(run, status);
        goto leave;
    }
    if (rv == APR_SUCCESS) {
        rv = sb_udl_log_received(log, job->arrived);
    }
    if (rv != APR_SUCCESS) {
        goto leave;
    }
    rv = arrive(run);
    if (rv == APR_SUCCESS) {
        /* unpacked and unsigned: for an operator at the keyboard, never from the arrivals zone */
        int is_dir = !job->take && !stat(run->zones.package, &st) && S_ISDIR(st.st_mode);

        rv = is_dir ? APR_SUCCESS : decrypt(run);
        if (rv == APR_SUCCESS) {
            rv = load(run, is_dir ? run->zones.package : run->zones.decrypted);
        }
    }
    undo(run);
    if (rv == APR_SUCCESS || run->problem) {
        rv = conclude(run);
        if (rv == APR_SUCCESS) {
            put_away(run);
        }
    }
    else {
        sb_udl_zones_clean(&run->zones);
    }
leave:
    sb_log_set_id(NULL);
    return rv;
}

apr_status_t sb_udl_give_up(sb_udl_result_t *result, sb_udl_log_t *log, const sb_udl_conf_t *conf,
                            const sb_udl_job_t *job, const char *problem, apr_pool_t *p)
{
    run_t *run = apr_palloc(p, sizeof *run);
    const char *status;
    apr_status_t rv;

    begin_run(run, result, log, conf, job, p);
    rv = sb_udl_log_status(&status, log);
    if (rv == APR_SUCCESS && status && strcmp(status, "udl.received")) {
        rv = finish_earlier(run, status);
    }
    else if (rv == APR_SUCCESS) {
        rv = sb_udl_log_received(log, job->arrived);
        if (rv == APR_SUCCESS) {
            rv = arrive(run);
            run->problem = problem;
            rv = conclude(run);
        }
        if (rv == APR_SUCCESS) {
            put_away(run);
        }
    }
    sb_log_set_id(NULL);
    return rv;
}

int sb_udl_is_loaded(const sb_udl_result_t *result)
{
    return result->status && strcmp(result->status, "udl.failed") && !result->problem;
}

/* ---- the result in JSON ------------------------------------------------------------------------ */

/* The first code in the text of a problem: 3001 to 3199. */
static void write_code(sb_jw_t *w, const char *problem)
{
    const char *c = problem;

    while ((c = strchr(c, '3')) != NULL) {
        if ((c == problem || c[-1] == ' ') && strspn(c, "0123456789") == 4 && c[4] == ' ' &&
            c[1] < '2') {
            sb_jw_int(w, "code", apr_atoi64(c));
            return;
        }
        c++;
    }
    sb_jw_null(w, "code");
}

static void write_refusals(sb_jw_t *w, const sb_udl_result_t *r)
{
    int i;

    sb_jw_array(w, "errors");
    if (r->problem) {
        sb_jw_object(w, NULL);
        sb_jw_int(w, "line", 0);
        sb_jw_null(w, "column");
        write_code(w, r->problem);
        sb_jw_str(w, "reason", r->problem);
        sb_jw_end(w);
    }
    for (i = 0; r->refusals && i < r->refusals->nelts; i++) {
        const sb_udl_refusal_t *f = &APR_ARRAY_IDX(r->refusals, i, sb_udl_refusal_t);

        sb_jw_object(w, NULL);
        sb_jw_int(w, "line", f->line);
        sb_jw_str(w, "column", f->column);
        sb_jw_int(w, "code", f->number);
        sb_jw_str(w, "reason", f->reason);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

static void write_warnings(sb_jw_t *w, const sb_udl_result_t *r)
{
    int i;

    sb_jw_array(w, "warnings");
    for (i = 0; r->warnings && i < r->warnings->nelts; i++) {
        const sb_udl_warning_t *warning = &APR_ARRAY_IDX(r->warnings, i, sb_udl_warning_t);

        sb_jw_object(w, NULL);
        sb_jw_int(w, "line", warning->first_line);
        sb_jw_str(w, "column", warning->column);
        sb_jw_int(w, "code", warning->number);
        sb_jw_str(w, "reason", warning->reason);
        sb_jw_int(w, "count", warning->count);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

const char *sb_udl_result_json(const sb_udl_result_t *r, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    const char *seconds;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "batch", r->guid);
    sb_jw_str(w, "tenant", r->tenant);
    sb_jw_str(w, "status", r->status);
    sb_jw_int(w, "read", r->counts.read);
    sb_jw_int(w, "loaded", r->counts.loaded);
    sb_jw_int(w, "rejected", r->counts.rejected);
    if (r->counts.deduplicated < 0) {
        sb_jw_null(w, "deduplicated");
    }
    else {
        sb_jw_int(w, "deduplicated", r->problem ? 0 : r->counts.deduplicated);
    }
    write_refusals(w, r);
    write_warnings(w, r);
    seconds = apr_psprintf(p, "%.3f", r->seconds);
    sb_jw_raw(w, "seconds", seconds, strlen(seconds));
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}
