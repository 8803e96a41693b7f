/* The loop of a worker: see sb_job_worker.h. */

#include <stdarg.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_uuid.h"
#include "jobs/sb_job_beat.h"
#include "jobs/sb_job_worker.h"
#include "mq/sb_mq.h"

#define POLL apr_time_from_msec(500) /* how long a stop may go unnoticed */
#define PAUSE_FIRST apr_time_from_msec(500)
#define PAUSE_MAX apr_time_from_sec(30)
#define END_PAUSE_MAX apr_time_from_sec(5) /* between attempts to record an end */
#define STATEMENT                                                                                  \
    apr_time_from_sec(60) /* longer is no answer: the heartbeat would keep the task for ever */
#define REASON_MAX 500
#define NO_REASON "The work could not be done. Please try again later."

typedef struct {
    const sb_job_worker_opts_t *opts;
    const char *db_url, *mq_url, *schema, *ca_file;
    apr_interval_time_t lease;
    const char *lease_text;
    apr_pool_t *links;   /* of the broker's connection */
    apr_pool_t *db_pool; /* of the database's */
    sb_db_t *db;         /* NULL: not connected */
    sb_mq_t *mq;
    sb_job_beat_t *beat;
    apr_interval_time_t pause; /* the last one taken; 0 all is well */
    int waiting;               /* the last task came back: something it needs is down */
} worker_t;

/* A task and what its function said of it. */
typedef struct {
    sb_task_t task; /* first: what the function gets is this */
    worker_t *worker;
    const char *reason, *notice;
    sb_jw_t *files; /* an array that is not ended yet */
} claim_t;

static const sb_stmt_t claim_stmt = {
    "job_task_claim", 4,
    "SELECT t.job_id, t.claim, t.step, t.number, t.name, t.args, t.attempt, j.kind, j.tenant,"
    " j.owner_uid, j.owner_guid, j.request_id, j.params, t.attempt >= j.max_attempts"
    " FROM {schema}.task_claim($1::bigint, $2, $3, $4::bigint * interval '1 us') t"
    " JOIN {schema}.job j USING (job_id)"};

static const sb_stmt_t end_stmt = {
    "job_task_end", 7,
    "SELECT {schema}.task_end($1::bigint, $2::bigint, $3, $4, $5::bigint * interval '1 us',"
    " $6::json, $7)"};

static const char *integer(apr_pool_t *p, apr_int64_t n)
{
    return apr_psprintf(p, "%" APR_INT64_T_FMT, n);
}

static apr_interval_time_t next_pause(apr_interval_time_t last, apr_interval_time_t max)
{
    return !last ? PAUSE_FIRST : last * 2 > max ? max : last * 2;
}

/* ---- what the function calls ----------------------------------------------------------------- */

void sb_task_progress(sb_task_t *task, double fraction)
{
    sb_job_beat_progress(((claim_t *)task)->worker->beat, fraction);
}

int sb_task_stop(const sb_task_t *task)
{
    worker_t *w = ((const claim_t *)task)->worker;

    return w->opts->stopping() || sb_job_beat_word(w->beat) != SB_BEAT_GO;
}

void sb_task_reason(sb_task_t *task, const char *fmt, ...)
{
    apr_size_t n;
    char *text;
    va_list ap;

    va_start(ap, fmt);
    text = apr_pvsprintf(task->pool, fmt, ap);
    va_end(ap);
    n = strlen(text);
    if (n > REASON_MAX) {
        for (n = REASON_MAX; (text[n] & 0xc0) == 0x80; n--) { /* not inside a character */
        }
        text[n] = '\0';
    }
    ((claim_t *)task)->reason = text;
}

void sb_task_notice(sb_task_t *task, const char *text)
{
    ((claim_t *)task)->notice = apr_pstrdup(task->pool, text);
}

void sb_task_file(sb_task_t *task, const sb_job_file_t *file)
{
    sb_jw_t *w = ((claim_t *)task)->files;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "name", file->name);
    sb_jw_str(w, "pickup_id", file->pickup_id);
    sb_jw_str(w, "url", file->url);
    sb_jw_str(w, "web_url", file->web_url);
    sb_jw_int(w, "size", file->size);
    sb_jw_str(w, "sha256", file->sha256);
    sb_jw_end(w);
}

/* ---- connections ----------------------------------------------------------------------------- */

static apr_status_t open_db(worker_t *w)
{
    sb_db_opts_t opts = {
        .app = "smarter-job-worker", .schema = w->schema, .statement_timeout = STATEMENT};

    apr_pool_clear(w->db_pool);
    w->db = NULL;
    return sb_db_open(&w->db, w->db_url, &opts, w->db_pool);
}

static apr_status_t connect_both(worker_t *w)
{
    sb_mq_opts_t mq_opts = {.ca_file = w->ca_file};
    apr_status_t rv;

    apr_pool_clear(w->links);
    w->mq = NULL;
    rv = open_db(w);
    if (rv == APR_SUCCESS) {
        rv = sb_mq_open(&w->mq, w->mq_url, &mq_opts, w->links);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_mq_declare(w->mq, w->opts->queue);
    }
    return rv == APR_SUCCESS ? sb_mq_consume(w->mq, w->opts->queue, 1) : rv;
}

/* ---- one task -------------------------------------------------------------------------------- */

/* @return APR_NOTFOUND somebody has it, or it needs nobody */
static apr_status_t take(claim_t **pclaim, worker_t *w, apr_int64_t id, apr_pool_t *p)
{
    const char *args[] = {integer(p, id), w->opts->queue, w->opts->worker, w->lease_text};
    claim_t *c = apr_pcalloc(p, sizeof *c);
    sb_task_t *t = &c->task;
    sb_json_limits_t limits = {.max_bytes = SB_JOB_MAX_BYTES};
    const char *text;
    sb_json_t *root;
    sb_rows_t *rows;
    apr_status_t rv;

    *pclaim = c;
    rv = sb_db_query(&rows, w->db, &claim_stmt, args, p);
    if (rv != APR_SUCCESS || !sb_rows_count(rows)) {
        return rv == APR_SUCCESS ? APR_NOTFOUND : rv;
    }
    c->worker = w;
    c->files = sb_jw_make(p);
    sb_jw_array(c->files, NULL);
    t->pool = p;
    t->id = id;
    t->job = sb_rows_text(rows, 0, 0);
    t->claim = sb_rows_int(rows, 0, 1, 0);
    t->step = (int)sb_rows_int(rows, 0, 2, 0);
    t->number = (int)sb_rows_int(rows, 0, 3, 0);
    t->name = sb_rows_text(rows, 0, 4);
    text = sb_rows_text(rows, 0, 5);
    t->attempt = (int)sb_rows_int(rows, 0, 6, 0);
    t->kind = sb_rows_text(rows, 0, 7);
    t->tenant = sb_rows_text(rows, 0, 8);
    t->uid = sb_rows_text(rows, 0, 9);
    t->guid = sb_rows_text(rows, 0, 10);
    t->request_id = sb_rows_text(rows, 0, 11);
    t->params = sb_rows_text(rows, 0, 12);
    t->last_attempt = sb_rows_bool(rows, 0, 13) == 1;
    if (sb_json_parse(&root, NULL, text, strlen(text), &limits, p) == APR_SUCCESS &&
        root->type == SB_JSON_OBJECT) {
        t->args = root;
    }
    return APR_SUCCESS;
}

/* Would another attempt come to the same? */
static int is_final(apr_status_t rv)
{
    return rv == SB_EINPUT || rv == SB_ETOOBIG || rv == SB_EDENIED || APR_STATUS_IS_NOTFOUND(rv);
}

static const char *outcome_of(apr_status_t rv)
{
    return rv == APR_SUCCESS                                ? "done"
           : sb_is_transient(rv) || APR_STATUS_IS_EINTR(rv) ? "wait"
           : is_final(rv)                                   ? "failed"
                                                            : "retry";
}

/* Ask once, connecting first if need be. */
static apr_status_t try_record(int *pkept, worker_t *w, const char *const *args, apr_pool_t *p)
{
    apr_status_t rv = w->db ? APR_SUCCESS : open_db(w);
    sb_rows_t *rows;

    if (rv == APR_SUCCESS) {
        rv = sb_db_query(&rows, w->db, &end_stmt, args, p);
    }
    *pkept = rv == APR_SUCCESS && sb_rows_bool(rows, 0, 0) == 1;
    return rv;
}

/* Record what became of it. The work is done: a database that does not answer is waited for. The lease
 * may be over by then; whether the claim still holds is the database's word.
 * @return APR_SUCCESS recorded; SB_ECONFLICT the claim was lost; others: in vain */
static apr_status_t record(worker_t *w, claim_t *c, apr_status_t done, apr_pool_t *p)
{
    int stopped = APR_STATUS_IS_EINTR(done), kept;
    apr_interval_time_t pause = 0;
    const char *args[7];
    apr_status_t rv;

    sb_jw_end(c->files);
    args[0] = integer(p, c->task.id);
    args[1] = integer(p, c->task.claim);
    args[2] = outcome_of(done);
    args[3] = done == APR_SUCCESS || stopped ? NULL : c->reason ? c->reason : NO_REASON;
    args[4] = *args[2] == 'w' ? integer(p, stopped ? 0 : w->pause) : NULL;
    args[5] = sb_jw_text(c->files, NULL);
    args[6] = c->notice;
    while ((rv = try_record(&kept, w, args, p)) != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2351), rv,
               "task %" APR_INT64_T_FMT " of job %s: its end is not recorded: %s", c->task.id,
               c->task.job, w->db ? sb_db_error(w->db) : "no connection");
        if (!sb_is_transient(rv) && rv != SB_ECONFLICT) {
            return rv;
        }
        w->db = NULL;
        pause = next_pause(pause, END_PAUSE_MAX);
        if (w->opts->sleep(pause)) {
            return rv;
        }
    }
    return kept ? APR_SUCCESS : SB_ECONFLICT;
}

static void say(const claim_t *c, apr_status_t done, apr_status_t recorded)
{
    const sb_task_t *t = &c->task;

    if (recorded == SB_ECONFLICT) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(2352), SB_NO_STATUS,
               "%s, task %" APR_INT64_T_FMT " of job %s: the claim was lost, another worker has it",
               t->name, t->id, t->job);
    }
    else if (APR_STATUS_IS_EINTR(done)) {
        sb_log(SB_LOG_INFO, SBLOGNO(2353), SB_NO_STATUS,
               "%s, task %" APR_INT64_T_FMT " of job %s: stopped", t->name, t->id, t->job);
    }
    else if (done != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2354), done,
               "%s, task %" APR_INT64_T_FMT " of job %s: attempt %d: %s%s%s", t->name, t->id,
               t->job, t->attempt,
               sb_is_transient(done)               ? "waits"
               : is_final(done) || t->last_attempt ? "failed for good"
                                                   : "failed, to be tried again",
               c->reason ? ": " : "", c->reason ? c->reason : "");
    }
}

/* @return the database's health, not the task's */
static apr_status_t work(worker_t *w, claim_t *c, apr_pool_t *p)
{
    apr_status_t done, rv;

    if (c->task.args) {
        sb_job_beat_for(w->beat, c->task.id, c->task.claim);
        done = w->opts->work(&c->task, w->opts->ctx);
    }
    else {
        done = SB_EINPUT; /* too deep or too long for us */
    }
    if (sb_is_transient(done)) {
        w->waiting = 1;
        w->pause = next_pause(w->pause, PAUSE_MAX);
    }
    rv = record(w, c, done, p);
    sb_job_beat_off(w->beat); /* until now, for recording may take its time too */
    say(c, done, rv);
    return rv == SB_ECONFLICT ? APR_SUCCESS : rv;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* @return the task a message is about; 0 none */
static apr_int64_t task_of(const sb_delivery_t *d, apr_pool_t *p)
{
    apr_int64_t id = 0;
    sb_json_t *root;

    if (d->problem ||
        sb_json_parse(&root, NULL, d->env.args, strlen(d->env.args), NULL, p) != APR_SUCCESS ||
        sb_json_int(&id, sb_json_get(root, "task")) != APR_SUCCESS) {
        return 0;
    }
    return id > 0 ? id : 0;
}

/* @return anything but APR_SUCCESS: connect again */
static apr_status_t handle(worker_t *w, const sb_delivery_t *d, apr_pool_t *p)
{
    apr_int64_t id = task_of(d, p);
    apr_status_t rv, broker;
    claim_t *c;

    if (!id) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2355), SB_NO_STATUS, "message goes to %s.dead: %s",
               w->opts->queue, d->problem ? d->problem : "it names no task");
        return sb_mq_reject(w->mq, d->tag, 0);
    }
    rv = take(&c, w, id, p);
    if (APR_STATUS_IS_NOTFOUND(rv)) {
        return sb_mq_ack(w->mq, d->tag);
    }
    if (rv != APR_SUCCESS) {
        apr_status_t back = sb_mq_reject(w->mq, d->tag, 1);

        return back == APR_SUCCESS ? rv : back;
    }
    /* The claim is in the database: the message has done its duty, and the next one is for a worker
     * that has time. */
    broker = sb_mq_pause(w->mq);
    if (broker == APR_SUCCESS) {
        broker = sb_mq_ack(w->mq, d->tag);
    }
    rv = work(w, c, p);
    if (rv != APR_SUCCESS || broker != APR_SUCCESS || w->waiting) {
        return rv != APR_SUCCESS ? rv : broker;
    }
    return w->db ? sb_mq_consume(w->mq, w->opts->queue, 1) : SB_EUNAVAILABLE;
}

static int interrupted(const worker_t *w)
{
    return w->opts->stopping() || (w->opts->interrupted && w->opts->interrupted());
}

/* Until asked to end, something is down, or a task has to wait. */
static apr_status_t consume(worker_t *w)
{
    apr_status_t rv;
    apr_pool_t *p;

    rv = apr_pool_create(&p, w->links);
    while (rv == APR_SUCCESS && !w->waiting && !interrupted(w)) {
        sb_delivery_t d;

        if (w->opts->idle) {
            w->opts->idle(w->opts->ctx);
        }
        rv = sb_mq_next(&d, w->mq, POLL, p);
        if (rv == APR_SUCCESS) {
            rv = handle(w, &d, p);
            w->pause = rv == APR_SUCCESS && !w->waiting ? 0 : w->pause;
        }
        else if (APR_STATUS_IS_TIMEUP(rv)) {
            rv = APR_SUCCESS;
        }
        apr_pool_clear(p);
    }
    return rv;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static apr_status_t configure(worker_t *w, apr_pool_t *p)
{
    const sb_conf_t *conf = w->opts->conf;
    const char *url = sb_conf_str(conf, "jobs.worker.db.url");
    apr_status_t rv;

    url = url ? url : sb_conf_str(conf, "jobs.db.url");
    w->mq_url = sb_conf_str(conf, "jobs.broker.url");
    if (!url || !w->mq_url) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2356), SB_NO_STATUS,
               "%s: jobs.worker.db.url and jobs.broker.url are needed", sb_conf_path(conf));
        return SB_ECONFIG;
    }
    w->db_url = sb_conf_db_url(url, p);
    w->schema = sb_conf_str(conf, "jobs.db.schema_name");
    w->ca_file = sb_conf_str(conf, "jobs.broker.ca_file");
    w->lease = sb_conf_interval(conf, "jobs.lease");
    w->lease_text = integer(p, w->lease);
    rv = apr_pool_create(&w->links, p);
    if (rv == APR_SUCCESS) {
        rv = apr_pool_create(&w->db_pool, p);
    }
    return rv == APR_SUCCESS ? sb_job_beat_start(&w->beat, w->db_url, w->schema, w->lease, p) : rv;
}

/* Leave the queue to others until what the tasks need is there. */
static void wait_until_ready(worker_t *w)
{
    const sb_job_worker_opts_t *o = w->opts;
    int ready = !o->ready || o->ready(o->ctx) == APR_SUCCESS;

    if (!w->waiting && ready) {
        return;
    }
    sb_log(SB_LOG_WARN, SBLOGNO(2357), SB_NO_STATUS,
           "worker %s takes no tasks from %s: something they need is not there", o->worker,
           o->queue);
    apr_pool_clear(w->links);
    w->mq = NULL;
    do {
        w->pause = w->waiting && w->pause ? w->pause : next_pause(w->pause, PAUSE_MAX);
        w->waiting = 0;
        if (o->sleep(w->pause) || interrupted(w)) {
            return;
        }
    } while (o->ready && o->ready(o->ctx) != APR_SUCCESS);
    sb_log(SB_LOG_NOTICE, SBLOGNO(2358), SB_NO_STATUS, "worker %s takes tasks from %s again",
           o->worker, o->queue);
}

apr_status_t sb_job_worker_run(const sb_job_worker_opts_t *opts, apr_pool_t *parent)
{
    worker_t w = {.opts = opts};
    apr_status_t rv;
    apr_pool_t *p;

    rv = apr_pool_create(&p, parent);
    if (rv == APR_SUCCESS) {
        rv = configure(&w, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    while (!interrupted(&w)) {
        wait_until_ready(&w);
        rv = interrupted(&w) ? APR_SUCCESS : connect_both(&w);
        if (rv == APR_SUCCESS && !interrupted(&w)) {
            rv = consume(&w);
        }
        if (rv == SB_ECONFIG) {
            break;
        }
        if (rv != APR_SUCCESS && !interrupted(&w)) {
            w.pause = next_pause(w.pause, PAUSE_MAX);
            sb_log(SB_LOG_WARN, SBLOGNO(2359), rv, "not consuming %s; trying again in %d ms%s%s",
                   opts->queue, (int)(w.pause / 1000), w.db && *sb_db_error(w.db) ? ": " : "",
                   w.db ? sb_db_error(w.db) : "");
            opts->sleep(w.pause);
        }
    }
    apr_pool_destroy(p);
    return rv == SB_ECONFIG ? rv : APR_SUCCESS;
}
