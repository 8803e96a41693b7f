/* What an operator does to a batch: see sb_udl_operate.h. The order of steps is such that a call that is
 * killed leaves the batch in a state this file knows, and the same call again goes on from there. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_time.h"
#include "core/sb_uuid.h"
#include "store/sb_schema.h"
#include "udl/sb_udl.h"
#include "udl/sb_udl_operate.h"
#include "udl/sb_udl_package.h"
#include "udl/sb_udl_zones.h"

#define PROMOTION_WAIT apr_time_from_sec(60)

typedef struct {
    sb_operated_t *done;
    const char **perror;
    sb_batches_t *b;
    const sb_operator_t *who;
    const sb_batch_t *batch;
    const sb_udl_conf_t *conf; /* of the batch's tenant */
    sb_db_t *udl, *stats;
    apr_pool_t *p;
} work_t;

/* ---- what may be done -------------------------------------------------------------------------- */

const char *sb_batch_verb_name(sb_batch_verb_t verb)
{
    static const char *const names[] = {"retry", "discard", "withdraw"};

    return names[verb];
}

static int is_stage(const sb_batch_t *batch, const char *stage)
{
    return !strcmp(batch->stage, stage);
}

/* Its package waits for a worker, or its worker is gone: it never ended. */
static int is_open(const sb_batch_t *batch)
{
    return is_stage(batch, "queued") ||
           (batch->state == SB_BATCH_RUNNING && !batch->by_hand && !batch->claimed &&
            !is_stage(batch, "promoting")) ||
           (is_stage(batch, "failed") && !batch->begun && !batch->by_hand);
}

static const char *refuse_running(const sb_batch_t *batch, sb_batch_verb_t verb, apr_pool_t *p)
{
    if (is_stage(batch, "promoting")) {
        return "it is being promoted: wait for the end, then it can be withdrawn";
    }
    if (batch->by_hand) {
        return verb == SB_BATCH_DISCARD && batch->stalled
                   ? NULL
                   : apr_psprintf(p, "it is being loaded by hand (%s): it ends with that program",
                                  batch->worker ? batch->worker : "who knows");
    }
    return apr_psprintf(p,
                        "worker %s has it: if it hangs, stop that process, and another worker "
                        "takes the package",
                        batch->worker ? batch->worker : "?");
}

static const char *refuse_done(const sb_batch_t *batch, sb_batch_verb_t verb, apr_pool_t *p)
{
    if (is_stage(batch, "retried")) {
        return verb == SB_BATCH_RETRY
                   ? NULL
                   : apr_psprintf(p,
                                  "its package went through the loader again as %s: ask for that",
                                  batch->retried_as);
    }
    if (is_stage(batch, "promoted")) {
        return verb == SB_BATCH_DISCARD
                   ? "it is in production: withdraw takes it back"
                   : "it is in production already: to load something else, send a "
                     "new package";
    }
    if (is_stage(batch, "withdrawn") && verb == SB_BATCH_DISCARD) {
        return "it was taken out of production: nothing of it is left to discard";
    }
    return NULL;
}

const char *sb_batch_refuses(const sb_batch_t *batch, sb_batch_verb_t verb, apr_pool_t *p)
{
    const char *why = NULL;

    if (verb == SB_BATCH_WITHDRAW) {
        return is_stage(batch, "promoted") || is_stage(batch, "withdrawn")
                   ? NULL
                   : "it is not in production: discard gives it up";
    }
    if (is_open(batch)) {
        return NULL;
    }
    if (batch->state == SB_BATCH_RUNNING) {
        why = refuse_running(batch, verb, p);
    }
    else if (batch->state == SB_BATCH_DONE) {
        why = refuse_done(batch, verb, p);
    }
    else if (batch->state != SB_BATCH_FAILED && verb == SB_BATCH_RETRY) {
        why = "it is loaded and waits for promotion: there is nothing to try again; discard gives "
              "it up";
    }
    if (!why && verb == SB_BATCH_RETRY && !batch->retried_as && !batch->kept_in) {
        why = "its package is not in the history zone: load it again from where it is, or let it "
              "be sent "
              "again";
    }
    return why;
}

int sb_batch_is_done(const sb_batch_t *batch, sb_batch_verb_t verb)
{
    return verb == SB_BATCH_RETRY     ? batch->retried_as != NULL
           : verb == SB_BATCH_DISCARD ? is_stage(batch, "discarded")
                                      : is_stage(batch, "withdrawn");
}

/* ---- what all have in common --------------------------------------------------------------------- */

static apr_status_t complain(work_t *w, apr_status_t rv, const char *text)
{
    *w->perror = text;
    return rv;
}

/* After a failed statement. @return rv */
static apr_status_t db_failed(work_t *w, apr_status_t rv, const sb_db_t *db)
{
    return rv == APR_SUCCESS ? rv : complain(w, rv, apr_pstrdup(w->p, sb_db_error(db)));
}

static apr_status_t changed(work_t *w)
{
    return complain(w, SB_EBUSY, "it has changed just now: look again");
}

static const char *udl_sql(const work_t *w, const char *template)
{
    return sb_sql(w->p, template, "schema", w->conf->udl_schema, NULL);
}

static const char *stats_sql(const work_t *w, const char *template)
{
    return sb_sql(w->p, template, "schema", w->conf->stats_schema, NULL);
}

static apr_status_t begin(work_t *w, sb_operated_t *done, const char **perror, sb_batches_t *b,
                          const sb_operator_t *who, const sb_batch_t *batch, sb_batch_verb_t verb,
                          apr_pool_t *p)
{
    const char *problem;

    memset(done, 0, sizeof *done);
    *perror = NULL;
    *w = (work_t){done, perror, b, who, batch, NULL, sb_batches_udl(b), sb_batches_stats(b), p};
    problem = sb_batch_refuses(batch, verb, p);
    if (problem) {
        return complain(w, SB_EINPUT, problem);
    }
    problem = sb_udl_conf_read(&w->conf, who->conf, batch->tenant, p);
    return problem ? complain(w, SB_ECONFIG, problem) : APR_SUCCESS;
}

static apr_status_t record(work_t *w, const char *action, const char *detail)
{
    const char *args[] = {w->who->name, action, w->batch->tenant, w->batch->guid, detail};

    return sb_db_exec_text(NULL, w->udl,
                           udl_sql(w, "INSERT INTO {schema}.operator_action"
                                      " (operator, action, tenant, batch_guid, detail)"
                                      " VALUES ($1, $2, $3, $4, $5)"),
                           5, args);
}

/* "what: reason" or one of both. */
static const char *detail_of(const work_t *w, const char *what)
{
    const char *reason = w->who->reason;

    return reason ? apr_pstrcat(w->p, what, *what ? ": " : "", reason, NULL) : what;
}

apr_status_t sb_batch_record(sb_batches_t *b, const sb_operator_t *who, const char *action,
                             const sb_batch_t *batch, const char *detail, apr_pool_t *p)
{
    const char *args[] = {who->name, action, batch->tenant, batch->guid, detail};

    return sb_db_exec_text(
        NULL, sb_batches_udl(b),
        sb_sql(p,
               "INSERT INTO {schema}.operator_action"
               " (operator, action, tenant, batch_guid, detail)"
               " SELECT $1, $2::text, $3, $4::text, $5 WHERE NOT EXISTS (SELECT FROM"
               " {schema}.operator_action WHERE batch_guid = $4 AND action = $2)",
               "schema", sb_conf_str(who->conf, "udl2_db_conn.db_schema"), NULL),
        5, args);
}

/* ---- retry: the same package once more --------------------------------------------------------- */

#define LOCK_CLASS "'{schema}.package'::regclass::oid::int"

/* A package that has not ended: announce it again. Behind the lock of its claim, so that no worker is at
 * it; in one transaction. */
static apr_status_t requeue(work_t *w)
{
    const char *guid = w->batch->guid;
    sb_rows_t *rows;
    apr_int64_t n;
    apr_status_t rv;

    rv = sb_db_query_text(&rows, w->udl,
                          udl_sql(w, "SELECT pg_try_advisory_xact_lock(" LOCK_CLASS
                                     ", package_id::int) FROM {schema}.package WHERE"
                                     " batch_guid = $1"),
                          1, &guid, w->p);
    if (rv == APR_SUCCESS && (!sb_rows_count(rows) || sb_rows_bool(rows, 0, 0) != 1)) {
        return complain(w, SB_EBUSY, "a worker has just taken it");
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec_text(
            &n, w->udl,
            udl_sql(w, "UPDATE {schema}.package SET state = 'new', attempts = 0, returns = 0,"
                       " retry_at = NULL, queued_at = NULL,"
                       " error = NULL, finished_at = NULL WHERE batch_guid = $1 AND (state IN"
                       " ('new', 'queued', 'running') OR state = 'failed' AND NOT EXISTS"
                       " (SELECT FROM {schema}.batch b WHERE b.batch_guid = $1))"),
            1, &guid);
    }
    if (rv == APR_SUCCESS && n != 1) {
        return changed(w);
    }
    if (rv == APR_SUCCESS) {
        rv = record(w, "retry", detail_of(w, "queued once more"));
    }
    w->done->guid = guid;
    w->done->same = 1;
    return db_failed(w, rv, w->udl);
}

/* ---- retry: a new batch of an old package -------------------------------------------------------- */

/* Is a later batch with the same content in production? Then this one would bring older results back. */
static apr_status_t look_later(work_t *w)
{
    const char *args[] = {w->batch->guid};
    const char *guids, *one;
    sb_rows_t *rows;
    apr_status_t rv;

    if (!w->batch->content_key) {
        return APR_SUCCESS; /* it was never read so far */
    }
    rv = sb_db_query_text(
        &rows, w->udl,
        udl_sql(w, "SELECT '{{' || string_agg(l.batch_guid, ',') || '}' FROM {schema}.batch b,"
                   " {schema}.batch l WHERE b.batch_guid = $1 AND l.tenant = b.tenant"
                   " AND l.content_key = b.content_key AND l.arrived_at > b.arrived_at"
                   " AND l.stage = 'loaded'"),
        1, args, w->p);
    guids = rv == APR_SUCCESS ? sb_rows_text(rows, 0, 0) : NULL;
    if (!guids) {
        return db_failed(w, rv, w->udl);
    }
    rv = sb_db_query_text(&rows, w->stats,
                          stats_sql(w, "SELECT batch_guid FROM {schema}.udl_stats WHERE"
                                       " batch_guid = ANY ($1::text[]) AND load_status IN"
                                       " ('migrate.in_process', 'migrate.ingested')"
                                       " ORDER BY file_arrived DESC LIMIT 1"),
                          1, &guids, w->p);
    if (rv != APR_SUCCESS || !sb_rows_count(rows)) {
        return db_failed(w, rv, w->stats);
    }
    one = sb_rows_text(rows, 0, 0);
    return complain(w, SB_EINPUT,
                    apr_psprintf(w->p,
                                 "batch %s came later, has the same content (%s) and is in "
                                 "production: this one would put older results in its place; "
                                 "--anyway does so all the same",
                                 one, w->batch->content_key));
}

/* Choose the guid of the new attempt, once and for all operators. */
static apr_status_t name_attempt(work_t *w)
{
    char guid[SB_UUID_SIZE];
    const char *args[] = {w->batch->guid, guid};
    sb_rows_t *rows;
    apr_status_t rv;

    if (!sb_uuid_make(guid)) {
        return complain(w, APR_EGENERAL, "no random numbers");
    }
    rv = sb_db_query_text(&rows, w->udl,
                          udl_sql(w, "UPDATE {schema}.batch SET retried_as = coalesce(retried_as,"
                                     " $2) WHERE batch_guid = $1 RETURNING retried_as"),
                          2, args, w->p);
    if (rv == APR_SUCCESS && !sb_rows_count(rows)) {
        return changed(w);
    }
    if (rv == APR_SUCCESS) {
        w->done->guid = sb_rows_text(rows, 0, 0);
    }
    return db_failed(w, rv, w->udl);
}

/* Put the attempt into the queue, unless it has been there before. */
static apr_status_t enqueue(work_t *w, const char *path)
{
    const char *args[] = {w->batch->guid, w->done->guid, path};
    apr_int64_t n;
    apr_status_t rv;

    rv = sb_db_begin(w->udl, SB_TX_WRITE);
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec_text(
            &n, w->udl,
            udl_sql(w, "INSERT INTO {schema}.package (batch_guid, tenant, path, size, mtime,"
                       " arrived_at) SELECT $2, b.tenant, $3, coalesce(b.package_bytes, 0),"
                       " coalesce(k.mtime, b.arrived_at), b.arrived_at FROM {schema}.batch b"
                       " LEFT JOIN {schema}.package k USING (batch_guid) WHERE b.batch_guid = $1"
                       " ON CONFLICT (batch_guid) DO NOTHING"),
            3, args);
    }
    if (rv == APR_SUCCESS && n) {
        rv = record(w, "retry", detail_of(w, apr_pstrcat(w->p, "as ", w->done->guid, NULL)));
    }
    rv = sb_db_end(w->udl, rv);
    w->done->already = rv == APR_SUCCESS && !n;
    return db_failed(w, rv, w->udl);
}

static apr_status_t is_queued(int *pyes, work_t *w, const char *guid)
{
    sb_rows_t *rows;
    apr_status_t rv;

    *pyes = 0;
    rv = sb_db_query_text(&rows, w->udl,
                          udl_sql(w, "SELECT FROM {schema}.package WHERE batch_guid = $1"), 1,
                          &guid, w->p);
    if (rv == APR_SUCCESS) {
        *pyes = sb_rows_count(rows) > 0;
    }
    return db_failed(w, rv, w->udl);
}

/* The name first, then the file, then the queue: killed in between, the same call finds the name and goes
 * on. The old batch keeps its copy of the file. */
static apr_status_t again(work_t *w, int anyway)
{
    const char *from = apr_pstrcat(w->p, w->batch->kept_in, "/", w->batch->package, NULL);
    struct stat st;
    apr_status_t rv = APR_SUCCESS;
    int queued = 0;

    if (w->batch->retried_as) {
        rv = is_queued(&queued, w, w->batch->retried_as);
    }
    if (rv != APR_SUCCESS || queued) {
        w->done->guid = w->batch->retried_as;
        w->done->already = queued;
        return rv;
    }
    if (lstat(from, &st) || !S_ISREG(st.st_mode)) {
        return complain(w, SB_EINPUT,
                        apr_psprintf(w->p,
                                     "its package is not in %s any more: let it be sent again",
                                     w->batch->kept_in));
    }
    if (!anyway) {
        rv = look_later(w);
    }
    if (rv == APR_SUCCESS) {
        rv = name_attempt(w);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_udl_zones_repeat(w->conf, from, w->done->guid, w->batch->arrived, w->p);
        if (rv != APR_SUCCESS) {
            char buf[200];

            return complain(w, rv,
                            apr_psprintf(w->p, "copying %s to the work zone: %s", from,
                                         sb_strerror(rv, buf, sizeof buf)));
        }
    }
    return rv == APR_SUCCESS ? enqueue(w, from) : rv;
}

apr_status_t sb_batch_retry(sb_operated_t *done, const char **perror, sb_batches_t *b,
                            const sb_operator_t *who, const sb_batch_t *batch, int anyway,
                            apr_pool_t *p)
{
    work_t w;
    apr_status_t rv = begin(&w, done, perror, b, who, batch, SB_BATCH_RETRY, p);

    if (rv != APR_SUCCESS || !is_open(batch)) {
        return rv == APR_SUCCESS ? again(&w, anyway) : rv;
    }
    rv = db_failed(&w, sb_db_begin(w.udl, SB_TX_WRITE), w.udl);
    if (rv == APR_SUCCESS) {
        rv = requeue(&w);
    }
    if (rv == APR_SUCCESS) {
        return db_failed(&w, sb_db_commit(w.udl), w.udl);
    }
    sb_db_rollback(w.udl);
    return rv;
}

/* ---- discard ----------------------------------------------------------------------------------- */

static const char *problem_of(const work_t *w)
{
    return apr_pstrcat(w->p, "discarded by operator ", w->who->name, w->who->reason ? ": " : "",
                       w->who->reason, NULL);
}

/* A package that has not ended: take it as a worker does, and conclude it. */
static apr_status_t give_up_package(work_t *w)
{
    const char *guid = w->batch->guid, *schema = w->conf->udl_schema;
    sb_udl_job_t job = {.guid = guid, .take = 1, .worker = w->who->name};
    sb_udl_package_t package;
    sb_udl_result_t result;
    sb_udl_log_t *log;
    apr_status_t rv = APR_SUCCESS;

    if (is_stage(w->batch, "failed")) {
        rv = sb_db_exec_text(
            NULL, w->udl,
            udl_sql(w, "UPDATE {schema}.package SET state = 'new' WHERE batch_guid = $1 AND"
                       " state = 'failed' AND NOT EXISTS (SELECT FROM {schema}.batch b"
                       " WHERE b.batch_guid = $1)"),
            1, &guid);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_udl_package_claim(&package, w->udl, schema, guid, w->who->name, w->p);
    }
    if (rv == SB_EBUSY) {
        return complain(w, rv, "a worker has just taken it");
    }
    if (APR_STATUS_IS_NOTFOUND(rv)) {
        return changed(w);
    }
    if (rv == APR_SUCCESS) {
        job.package = package.path;
        job.arrived = package.arrived;
        job.attempts = package.attempts;
        job.claim = package.claims;
        rv = sb_udl_log_open(&log, w->conf, w->udl, w->p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_udl_give_up(&result, log, w->conf, &job, problem_of(w), w->p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_udl_package_end(w->udl, schema, &package, result.problem, w->p);
    }
    if (rv == APR_SUCCESS && sb_udl_is_loaded(&result)) {
        return changed(w); /* its worker had ended it and died before he said so */
    }
    return rv == APR_SUCCESS || *w->perror ? rv : db_failed(w, rv, w->udl);
}

/* Set the state of a batch that no package leads to. @param from what it is now @return SB_EBUSY it is
 * not that any more */
static apr_status_t fail(work_t *w, const char *from, const char *to)
{
    const char *args[] = {w->batch->guid, from, to, problem_of(w)};
    apr_int64_t n;
    apr_status_t rv;

    rv = sb_db_exec_text(
        &n, w->stats,
        stats_sql(w, "UPDATE {schema}.udl_stats SET load_status = $3, load_end = coalesce(load_end,"
                     " now() AT TIME ZONE 'UTC'), notification ="
                     " (coalesce(nullif(notification, ''), '{{}')::jsonb || jsonb_build_object("
                     "'error_desc', $4::text, 'udl_phase_step_status', 'FAILURE'))::text"
                     " WHERE batch_guid = $1 AND load_status = $2"),
        4, args);
    return rv == APR_SUCCESS && n != 1 ? changed(w) : db_failed(w, rv, w->stats);
}

#define PROMOTION_LOCK "(hashtextextended('smarter-migrate-conductor ' || $1, 0))"

/* A loaded batch: behind the lock of the conductor, who goes by what he has read before. */
static apr_status_t stop_promotion(work_t *w)
{
    const char *schema = w->conf->stats_schema;
    apr_time_t end = apr_time_now() + PROMOTION_WAIT;
    sb_rows_t *rows;
    apr_status_t rv, unlocked;

    for (;;) {
        rv = sb_db_query_text(&rows, w->stats, "SELECT pg_try_advisory_lock" PROMOTION_LOCK, 1,
                              &schema, w->p);
        if (rv != APR_SUCCESS) {
            return db_failed(w, rv, w->stats);
        }
        if (sb_rows_bool(rows, 0, 0) == 1) {
            break;
        }
        if (apr_time_now() > end) {
            return complain(w, SB_EUNAVAILABLE, "a promotion runs and takes its time: try later");
        }
        apr_sleep(apr_time_from_msec(50));
    }
    rv = fail(w, "udl.ingested", "migrate.failed");
    unlocked = sb_db_query_text(&rows, w->stats, "SELECT pg_advisory_unlock" PROMOTION_LOCK, 1,
                                &schema, w->p);
    return rv == APR_SUCCESS ? db_failed(w, unlocked, w->stats) : rv;
}

/* Note it where the loader keeps its batches. A batch from before that table gets its row now. */
static apr_status_t mark(work_t *w)
{
    const sb_batch_t *batch = w->batch;
    char when[SB_ISO_TIME_SIZE];
    const char *args[] = {batch->guid, batch->tenant, batch->package ? batch->package : "",
                          sb_time_iso(when, batch->arrived), problem_of(w)};
    apr_int64_t n = 0;
    apr_status_t rv;

    rv = sb_db_begin(w->udl, SB_TX_WRITE);
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec_text(
            NULL, w->udl,
            udl_sql(w, "INSERT INTO {schema}.batch (batch_guid, tenant, package, arrived_at, stage,"
                       " problem, finished_at) VALUES ($1, $2, $3, $4::timestamptz, 'failed', $5,"
                       " now()) ON CONFLICT DO NOTHING"),
            5, args);
    }
    if (rv == APR_SUCCESS) {
        /* problem_of is for a batch that had none; $2.. are named so that all have a type */
        rv = sb_db_exec_text(
            &n, w->udl,
            udl_sql(w, "UPDATE {schema}.batch SET discarded_at = now(), problem = coalesce(problem,"
                       " $2), finished_at = coalesce(finished_at, now()), stage = CASE stage"
                       " WHEN 'loaded' THEN stage ELSE 'failed' END WHERE batch_guid = $1"
                       " AND discarded_at IS NULL AND retried_as IS NULL"),
            2, (const char *[]){args[0], args[4]});
    }
    if (rv == APR_SUCCESS && n) {
        rv = record(w, "discard", detail_of(w, ""));
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec_text(NULL, w->udl,
                             udl_sql(w, "DELETE FROM {schema}.batch_hold WHERE batch_guid = $1"), 1,
                             args);
    }
    rv = sb_db_end(w->udl, rv);
    w->done->already = rv == APR_SUCCESS && !n;
    return db_failed(w, rv, w->udl);
}

static apr_status_t drop_rows_in(work_t *w, const char *url)
{
    sb_db_opts_t opts = {.app = w->who->app};
    sb_db_t *target;
    apr_status_t rv;
    int there = 0;

    rv = sb_db_open(&target, url, &opts, w->p);
    if (rv != APR_SUCCESS) {
        return complain(w, rv,
                        "a database that may have its rows does not answer: repeat this later");
    }
    rv = sb_batch_schema_exists(&there, target, w->batch->guid, w->p);
    if (rv == APR_SUCCESS && there) {
        rv = sb_batch_schema_drop(target, w->batch->guid, w->p);
        w->done->dropped = rv == APR_SUCCESS;
    }
    return db_failed(w, rv, target);
}

/* Its schema is in the first of the tenant's databases that answered when it was loaded. */
static apr_status_t drop_rows(work_t *w)
{
    apr_status_t rv = APR_SUCCESS, one;
    int i;

    for (i = 0; w->conf->target_urls[i] && !w->done->dropped; i++) {
        one = drop_rows_in(w, w->conf->target_urls[i]);
        rv = one == APR_SUCCESS ? rv : one;
    }
    return w->done->dropped ? APR_SUCCESS : rv;
}

/* The directory with the package and what was written about it. Renamed first: a call that dies in
 * between finds it there. */
static apr_status_t move_package(work_t *w)
{
    const char *args[] = {w->batch->guid, NULL};
    const char *kept, *label, *to;
    sb_rows_t *rows;
    apr_status_t rv;

    rv = sb_db_query_text(&rows, w->udl,
                          udl_sql(w, "SELECT kept_in FROM {schema}.batch WHERE batch_guid = $1"), 1,
                          args, w->p);
    kept = rv == APR_SUCCESS && sb_rows_count(rows) ? sb_rows_text(rows, 0, 0) : NULL;
    label = kept ? strrchr(kept, '/') : NULL;
    if (!label) {
        return db_failed(w, rv, w->udl);
    }
    to = apr_pstrcat(w->p, w->conf->history, "/", w->conf->tenant, "/discarded", NULL);
    rv = sb_dir_make(to, 0750, w->p);
    to = apr_pstrcat(w->p, to, label, NULL);
    w->done->kept_in = args[1] = to;
    if (!strcmp(to, kept)) {
        return APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        rv = sb_file_move(kept, to, w->p);
    }
    if (rv != APR_SUCCESS && !(APR_STATUS_IS_ENOENT(rv) && !access(to, F_OK))) {
        char buf[200];

        return complain(
            w, rv,
            apr_psprintf(w->p, "moving %s to %s: %s", kept, to, sb_strerror(rv, buf, sizeof buf)));
    }
    return db_failed(
        w,
        sb_db_exec_text(NULL, w->udl,
                        udl_sql(w, "UPDATE {schema}.batch SET kept_in = $2 WHERE batch_guid = $1"),
                        2, args),
        w->udl);
}

apr_status_t sb_batch_discard(sb_operated_t *done, const char **perror, sb_batches_t *b,
                              const sb_operator_t *who, const sb_batch_t *batch, apr_pool_t *p)
{
    work_t w;
    apr_status_t rv = begin(&w, done, perror, b, who, batch, SB_BATCH_DISCARD, p);

    done->guid = batch->guid;
    if (rv == APR_SUCCESS && is_open(batch)) {
        rv = give_up_package(&w);
    }
    else if (rv == APR_SUCCESS && batch->state == SB_BATCH_RUNNING) {
        rv = fail(&w, "udl.received", "udl.failed");
    }
    else if (rv == APR_SUCCESS &&
             (batch->state == SB_BATCH_WAITING || batch->state == SB_BATCH_HELD)) {
        rv = stop_promotion(&w);
    }
    if (rv == APR_SUCCESS) {
        rv = mark(&w);
    }
    if (rv == APR_SUCCESS) {
        rv = drop_rows(&w);
    }
    return rv == APR_SUCCESS ? move_package(&w) : rv;
}
