/* The pipeline of one package: see sb_udl.h. Three kinds of ending are kept apart: the package is at
 * fault (run->problem is set: the batch fails), a server is down (a transient status: the attempt is
 * given up without a trace), and success. */

#include <string.h>
#include <sys/stat.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_time.h"
#include "store/sb_gpg.h"
#include "udl/sb_udl_outcome.h"
#include "store/sb_schema.h"
#include "udl/sb_udl_package.h"
#include "udl/sb_udl_run.h"

/* ---- steps and problems ------------------------------------------------------------------------ */

void sb_udl_begin_step(sb_udl_run_t *run, const char *phase)
{
    run->phase = phase;
    run->step_started = apr_time_now();
}

void sb_udl_end_step_full(sb_udl_run_t *run, const char *schema, apr_int64_t records,
                          apr_int64_t bytes)
{
    sb_udl_step_t step = {.phase = run->phase,
                          .schema = schema,
                          .start = run->step_started,
                          .records = records,
                          .bytes = bytes};

    sb_udl_log_step(run->log, &step);
}

void sb_udl_end_step(sb_udl_run_t *run)
{
    sb_udl_end_step_full(run, NULL, -1, -1);
}

apr_status_t sb_udl_fault(sb_udl_run_t *run, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    run->problem = apr_pvsprintf(run->p, fmt, ap);
    va_end(ap);
    return SB_EINPUT;
}

apr_status_t sb_udl_db_fault(sb_udl_run_t *run, apr_status_t rv, sb_db_t *db, const char *what)
{
    if (!sb_is_transient(rv) && rv != SB_ECONFLICT) {
        sb_udl_fault(run, "%s: %s", what, sb_db_error(db));
    }
    return rv;
}

int sb_udl_is_stopping(const sb_udl_run_t *run)
{
    return run->job->stopping && run->job->stopping();
}

/* ---- arrival and decryption -------------------------------------------------------------------- */

static apr_status_t arrive(sb_udl_run_t *run)
{
    sb_udl_step_t step = {.phase = PHASE_ARRIVED, .input_file = run->job->package, .records = -1};
    struct stat st;
    apr_status_t rv;

    sb_udl_begin_step(run, PHASE_ARRIVED);
    rv = sb_udl_zones_make(&run->zones, run->conf, run->job->package, run->job->guid,
                           run->job->arrived, run->job->claim, run->p);
    if (rv == APR_SUCCESS && run->job->take) {
        rv = sb_udl_zones_take(&run->zones);
    }
    if (APR_STATUS_IS_ENOENT(rv) || (rv == APR_SUCCESS && stat(run->zones.package, &st))) {
        return sb_udl_fault(run, "Invalid source file -- %s: it is not there any more",
                            run->job->package);
    }
    if (rv == SB_EINPUT) {
        return sb_udl_fault(run, "Invalid source file -- %s: it is no regular file",
                            run->job->package);
    }
    if (rv == APR_SUCCESS) {
        step.start = run->step_started;
        step.bytes = st.st_size;
        sb_udl_log_step(run->log, &step);
    }
    return rv;
}

static apr_status_t decrypt(sb_udl_run_t *run)
{
    sb_gpg_opts_t opts = {run->conf->gpg_home, run->conf->passphrase, run->conf->senders,
                          run->conf->require_signature, run->conf->max_package_bytes};
    sb_gpg_result_t verdict;
    apr_status_t rv;

    sb_udl_begin_step(run, PHASE_DECRYPT);
    rv = sb_udl_log_stage(run->log, SB_UDL_DECRYPTING);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_gpg_decrypt(&verdict, run->zones.package, run->zones.decrypted, &opts, run->p);
    if (rv == SB_EINPUT && !sb_udl_is_stopping(run)) {
        /* a gpg that was killed looks like a damaged package: only the same verdict twice counts */
        rv = sb_gpg_decrypt(&verdict, run->zones.package, run->zones.decrypted, &opts, run->p);
    }
    if (rv != APR_SUCCESS && sb_udl_is_stopping(run)) {
        return APR_EINTR; /* whoever told us to stop may have told gpg too */
    }
    if (rv == APR_SUCCESS) {
        sb_udl_end_step_full(run, NULL, -1, verdict.bytes);
        return rv;
    }
    if (sb_is_transient(rv) || rv == SB_ECONFIG) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2204), rv, "decrypting: %s",
               verdict.problem ? verdict.problem : "failed");
        return rv == SB_ECONFIG ? SB_EUNAVAILABLE
                                : rv; /* an operator mends it, the package waits */
    }
    return sb_udl_fault(run, "Decryption Failed: %s",
                        verdict.problem ? verdict.problem : "the package cannot be read");
}

/* ---- loading ----------------------------------------------------------------------------------- */

/* All rows were read: end the COPY, and judge what is only seen now. */
static apr_status_t end_rows(sb_udl_run_t *run)
{
    apr_status_t rv;

    rv = sb_udl_rows_end(run->rows, &run->meta);
    if (rv == APR_SUCCESS) {
        rv = sb_copy_finish(run->copy, NULL);
        run->copy = NULL;
    }
    if (rv == APR_SUCCESS) {
        rv = sb_udl_rows_settle(run->rows, run->target, run->job->guid, &run->meta);
    }
    if (rv != APR_SUCCESS && sb_udl_rows_problem(run->rows)) {
        return sb_udl_fault(run, "%s", sb_udl_rows_problem(run->rows));
    }
    if (rv != APR_SUCCESS) {
        return sb_udl_db_fault(run, rv, run->target, "the COPY");
    }
    sb_udl_end_step_full(run, run->job->guid, sb_udl_rows_counts(run->rows).loaded, run->csv_bytes);
    return APR_SUCCESS;
}

static apr_status_t load(sb_udl_run_t *run, const char *path)
{
    apr_status_t rv;

    rv = sb_udl_members_read(run, path);
    if (rv == APR_SUCCESS) {
        rv = end_rows(run);
    }
    if (rv == APR_SUCCESS) {
        sb_udl_begin_step(run, PHASE_JSON);
        rv = sb_udl_meta_store(run->target, run->job->guid, &run->meta, run->p);
        rv = rv == APR_SUCCESS ? rv : sb_udl_db_fault(run, rv, run->target, "storing the metadata");
    }
    if (rv == APR_SUCCESS) {
        sb_udl_end_step_full(run, run->job->guid, 1, -1);
        sb_udl_begin_step(run, PHASE_CONTENT);
        sb_udl_end_step(run);
        rv = sb_udl_log_stage(run->log, SB_UDL_FINISHING);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_commit(run->target);
        run->in_tx = 0;
        rv = rv == APR_SUCCESS ? rv : sb_udl_db_fault(run, rv, run->target, "committing the rows");
    }
    return rv;
}

/* ---- the end ----------------------------------------------------------------------------------- */

/* A failed batch whose schema is wanted: keep what was copied so far. @return was it possible? */
static int keep_rows(sb_udl_run_t *run)
{
    sb_copy_t *copy = run->copy;

    if (!run->conf->keep_failed_schema || !run->problem || !run->in_tx) {
        return 0;
    }
    run->copy = NULL;
    return (!copy || sb_copy_finish(copy, NULL) == APR_SUCCESS) &&
           sb_db_commit(run->target) == APR_SUCCESS;
}

/* The schema of a failed batch goes; if that fails, the trigger's sweep does it later. */
static void drop_schema(sb_udl_run_t *run)
{
    apr_status_t rv = sb_db_begin(run->target, SB_TX_WRITE);

    if (rv == APR_SUCCESS) {
        rv = sb_udl_package_try_fence(run->target, run->job->guid, run->p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_udl_log_stage(run->log, SB_UDL_FINISHING); /* or it may be another attempt's */
    }
    if (rv == APR_SUCCESS) {
        rv = sb_batch_schema_drop(run->target, run->job->guid, run->p);
    }
    (void)!sb_db_end(run->target, rv);
}

/* Leave nothing in the target, unless the schemas of failed batches are wanted. */
static void undo(sb_udl_run_t *run)
{
    if (keep_rows(run)) {
        run->in_tx = 0;
        return;
    }
    if (run->copy) {
        sb_copy_abort(run->copy, "the batch fails");
        run->copy = NULL;
    }
    if (run->in_tx) {
        sb_db_rollback(run->target);
        run->in_tx = 0;
    }
    if (run->problem && run->target) {
        drop_schema(run);
    }
}

static void log_end(const sb_udl_run_t *run)
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

        sb_log(SB_LOG_NOTICE, SBLOGNO(2206), SB_NO_STATUS, "%s%s%s: %" APR_INT64_T_FMT " times%s",
               w->column ? w->column : "", w->column ? ": " : "", w->reason, w->count,
               w->first_line
                   ? apr_psprintf(run->p, ", first on line %" APR_INT64_T_FMT, w->first_line)
                   : "");
    }
    sb_log(SB_LOG_INFO, SBLOGNO(2202), SB_NO_STATUS,
           "batch loaded: tenant %s, package %s, %" APR_INT64_T_FMT
           " rows loaded, %" APR_INT64_T_FMT " rejected, %.2f s",
           r->tenant, run->zones.name, r->counts.loaded, r->counts.rejected, r->seconds);
}

/* Of the metadata, then of the rows. */
static const apr_array_header_t *warnings(const sb_udl_run_t *run)
{
    apr_array_header_t *all = apr_array_make(run->p, 4, sizeof(sb_udl_warning_t));
    int i;

    for (i = 0; run->meta.warnings && i < run->meta.warnings->nelts; i++) {
        const sb_udl_meta_warning_t *m =
            &APR_ARRAY_IDX(run->meta.warnings, i, sb_udl_meta_warning_t);
        sb_udl_warning_t *w = apr_array_push(all);

        w->column = m->path;
        w->number = sb_udl_issue_info[m->issue].number;
        w->code = sb_udl_issue_info[m->issue].code;
        w->reason = m->reason;
        w->count = 1;
        w->first_line = 0;
    }
    if (run->rows) {
        apr_array_cat(all, sb_udl_rows_warnings(run->rows, run->p));
    }
    return all;
}

/* Write down how it ended; then the files. */
static apr_status_t conclude(sb_udl_run_t *run)
{
    sb_udl_result_t *r = run->result;
    sb_udl_step_t whole = {.phase = PHASE_COMPLETE, .start = run->started, .bytes = -1};
    sb_udl_ending_t ending = {.operation = NULL};
    apr_status_t rv;

    if (run->rows) {
        r->counts = sb_udl_rows_counts(run->rows);
        r->refusals = sb_udl_rows_refusals(run->rows);
    }
    r->warnings = warnings(run);
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
    sb_udl_begin_step(run, PHASE_CLEAN);
    sb_udl_end_step(run);
    whole.error = run->problem;
    whole.records = r->counts.loaded;
    sb_udl_log_step(run->log, &whole);
    r->seconds = (double)(apr_time_now() - run->started) / APR_USEC_PER_SEC;
    ending.status = r->status;
    ending.problem = r->problem;
    ending.counts = r->counts;
    ending.notification = sb_udl_notification(run);
    ending.criteria = sb_udl_snapshot(run);
    ending.operation = ending.criteria ? "s" : NULL;
    ending.kept_in = run->job->take ? sb_udl_zones_kept_in(&run->zones, run->problem) : NULL;
    ending.refusals = r->refusals;
    ending.warnings = r->warnings;
    rv = sb_udl_log_finish(run->log, &ending);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    log_end(run);
    return APR_SUCCESS;
}

/* For the sender. The notifier writes the files once more when promotion has spoken, so what goes wrong
 * here is mended there. */
static void write_outcome(const sb_udl_run_t *run)
{
    sb_udl_outcome_t where = {.udl_schema = run->conf->udl_schema,
                              .stats_schema = run->conf->stats_schema,
                              .reports_dir = run->conf->reports_dir};
    apr_status_t rv;

    sb_udl_log_databases(&where.udl, &where.stats, run->log);
    rv = sb_udl_outcome_write(&where, run->job->guid, run->p);
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2260), rv, "writing the outcome files of package %s",
               run->zones.name);
    }
}

static apr_status_t put_away(sb_udl_run_t *run)
{
    apr_status_t rv = APR_SUCCESS;

    if (run->job->take) {
        rv = sb_udl_zones_keep(&run->zones, run->problem);
        if (rv != APR_SUCCESS) {
            sb_log(SB_LOG_ERROR, SBLOGNO(2205), rv, "moving package %s to history",
                   run->zones.name);
        }
        write_outcome(run);
    }
    sb_udl_zones_clean(&run->zones);
    return rv;
}

static void begin_run(sb_udl_run_t *run, sb_udl_result_t *result, sb_udl_log_t *log,
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

static apr_status_t receive(const sb_udl_run_t *run)
{
    const sb_udl_job_t *job = run->job;
    const char *slash = strrchr(job->package, '/');
    sb_udl_receipt_t receipt = {.package = slash ? slash + 1 : job->package,
                                .bytes = -1,
                                .arrived = job->arrived,
                                .attempts = job->attempts ? job->attempts : 1,
                                .worker = job->worker};
    struct stat st;

    if (!stat(job->package, &st) && S_ISREG(st.st_mode)) {
        receipt.bytes = st.st_size;
    }
    return sb_udl_log_received(run->log, &receipt);
}

/* An earlier attempt wrote the state and died before it put the package away. */
static apr_status_t finish_earlier(sb_udl_run_t *run, const char *status)
{
    apr_status_t rv;

    run->result->status = status;
    run->problem =
        strcmp(status, "udl.failed") ? NULL : "failed in an earlier attempt: see the batch log";
    run->result->problem = run->problem;
    rv = sb_udl_zones_make(&run->zones, run->conf, run->job->package, run->job->guid,
                           run->job->arrived, run->job->claim, run->p);
    if (rv == APR_SUCCESS && run->job->take) {
        rv = sb_udl_zones_take(&run->zones);
        rv = APR_STATUS_IS_ENOENT(rv) || rv == SB_EINPUT ? APR_SUCCESS : rv;
    }
    return rv == APR_SUCCESS ? put_away(run) : rv;
}

apr_status_t sb_udl_run(sb_udl_result_t *result, sb_udl_log_t *log, const sb_udl_conf_t *conf,
                        const sb_udl_job_t *job, apr_pool_t *p)
{
    sb_udl_run_t *run = apr_palloc(p, sizeof *run);
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
        rv = receive(run);
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
    sb_udl_run_t *run = apr_palloc(p, sizeof *run);
    const char *status;
    apr_status_t rv;

    begin_run(run, result, log, conf, job, p);
    rv = sb_udl_log_status(&status, log);
    if (rv == APR_SUCCESS && status && strcmp(status, "udl.received")) {
        rv = finish_earlier(run, status);
    }
    else if (rv == APR_SUCCESS) {
        rv = receive(run);
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
