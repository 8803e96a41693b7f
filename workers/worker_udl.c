/* smarter-worker-udl: loads packages. As a service it takes them from the queue; with --once it loads
 * files, with --once-dir unpacked packages, and says as JSON what became of it. */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_uuid.h"
#include "mq/sb_mq.h"
#include "udl/sb_udl.h"
#include "udl/sb_udl_package.h"
#include "workers/program.h"

#define POLL apr_time_from_msec(500) /* how long a stop may go unnoticed */
#define ROOM_POLL apr_time_from_sec(5)
#define TASK "udl.package"

static const program_option_t options[] = {
    {"once", 0, "FILE",
     "load this package (.tar.gz.gpg), print the batch as a line of JSON, and end; may be repeated",
     PROGRAM_ONCE},
    {"once-dir", 0, "DIR", "the same for a directory with an unpacked .csv and .json",
     PROGRAM_ONCE},
    {"tenant", 0, "NAME", "whose package it is (with --once and --once-dir)", 0},
    {NULL, 0, NULL, NULL, 0}};

/* ---- one package for people -------------------------------------------------------------------- */

static const char *absolute(const char *path, apr_pool_t *p)
{
    char *full = realpath(path, NULL);
    const char *copy = full ? apr_pstrdup(p, full) : path;

    free(full);
    return copy;
}

/* Load one. @return exit status */
static int once(program_t *prog, const char *tenant, const char *path, apr_pool_t *p)
{
    char guid[SB_UUID_SIZE];
    sb_udl_job_t job = {.guid = guid,
                        .package = absolute(path, p),
                        .arrived = apr_time_now(),
                        .stopping = program_stopping,
                        .worker = program_host_and_pid(p)};
    const sb_udl_conf_t *conf;
    const char *problem;
    sb_udl_result_t result;
    sb_udl_log_t *log;
    apr_status_t rv;
    char buf[200];

    problem = sb_udl_conf_read(&conf, prog->conf, tenant, p);
    if (problem) {
        fprintf(stderr, "%s: %s\n", prog->def->name, problem);
        return PROGRAM_FAILED;
    }
    rv = sb_uuid_make(guid) ? sb_udl_log_open(&log, conf, NULL, p) : APR_EGENERAL;
    if (rv == APR_SUCCESS) {
        rv = sb_udl_run(&result, log, conf, &job, p);
    }
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s: %s: not loaded: %s\n", prog->def->name, path,
                sb_strerror(rv, buf, sizeof buf));
        return program_status(rv);
    }
    puts(sb_udl_result_json(&result, p));
    fflush(stdout);
    return sb_udl_is_loaded(&result) ? PROGRAM_DONE : PROGRAM_FAILED;
}

/* Load them in the order given. @return the status of the last one that did not load */
static int all_once(program_t *prog, const apr_array_header_t *paths)
{
    const char *tenant = program_option(prog, "tenant");
    int i, status = PROGRAM_DONE;
    apr_pool_t *p;

    if (!tenant) {
        return program_usage(prog, "--tenant is missing: whose package is it?");
    }
    if (apr_pool_create(&p, prog->pool) != APR_SUCCESS) {
        return PROGRAM_AGAIN;
    }
    for (i = 0; i < paths->nelts && !program_stopping(); i++) {
        int ended = once(prog, tenant, APR_ARRAY_IDX(paths, i, const char *), p);

        status = ended != PROGRAM_DONE ? ended : status;
        apr_pool_clear(p);
    }
    return status;
}

/* ---- the service ------------------------------------------------------------------------------- */

typedef struct {
    program_t *prog;
    const char *name;   /* "host:pid" */
    const char *schema; /* of the loader */
    const char *queue;
    apr_pool_t *p; /* of the connections */
    sb_db_t *db;   /* holds the claim */
    sb_mq_t *mq;
    program_backoff_t backoff;
    char owed[SB_UUID_SIZE]; /* a batch whose claim was lost with its connection; "" none */
    apr_int64_t owed_claim;
} worker_t;

/* ---- room -------------------------------------------------------------------------------------- */

/* Bytes that may still be written where path is; -1 cannot be told. */
static apr_int64_t free_bytes(const char *path)
{
    struct statvfs fs;

    return statvfs(path, &fs) ? -1 : (apr_int64_t)fs.f_bavail * (apr_int64_t)fs.f_frsize;
}

/* A full disk fails no batch, but trying each package in turn helps nobody. */
static int has_room(const worker_t *w)
{
    const sb_conf_t *conf = w->prog->conf;
    apr_int64_t least = sb_conf_bytes(conf, "udl2.min_free_bytes");
    apr_int64_t have = least ? free_bytes(sb_conf_str(conf, "zones.work")) : -1;

    return have < 0 || have >= least;
}

/* Wait for room, leaving the queue to workers elsewhere. */
static void wait_for_room(worker_t *w)
{
    const char *work = apr_pstrdup(w->p, sb_conf_str(w->prog->conf, "zones.work"));

    if (has_room(w)) {
        return;
    }
    sb_log(SB_LOG_WARN, SBLOGNO(4010), SB_NO_STATUS,
           "%s has %" APR_INT64_T_FMT " MiB left, less than udl2.min_free_bytes: worker %s takes no"
           " packages",
           work, free_bytes(work) >> 20, w->name);
    while (!has_room(w) && !program_sleep(ROOM_POLL)) {
        program_reload(w->prog);
    }
    if (!program_stopping()) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(4011), SB_NO_STATUS, "%s has room again: worker %s goes on",
               work, w->name);
    }
}

/* ---- connections ------------------------------------------------------------------------------- */

/* An attempt that the loss of a connection ended counts as none. */
static apr_status_t settle_debt(worker_t *w)
{
    apr_status_t rv = APR_SUCCESS;

    if (*w->owed) {
        rv = sb_udl_package_forgive(w->db, w->schema, w->owed, w->owed_claim, w->p);
    }
    if (rv == APR_SUCCESS) {
        *w->owed = '\0';
    }
    return rv;
}

static apr_status_t connect_both(worker_t *w)
{
    const sb_conf_t *conf = w->prog->conf;
    const char *db_url = sb_conf_str(conf, "udl2_db_conn.url"),
               *mq_url = sb_conf_str(conf, "udl2.broker.url");
    sb_db_opts_t opts = {.app = "smarter-udl"};
    sb_mq_opts_t mq_opts = {.ca_file = sb_conf_str(conf, "udl2.broker.ca_file")};
    apr_status_t rv;

    apr_pool_clear(w->p);
    w->db = NULL;
    w->mq = NULL;
    w->schema = sb_conf_str(conf, "udl2_db_conn.db_schema");
    w->queue = sb_conf_str(conf, "udl2.queue");
    if (!db_url || !mq_url) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4003), SB_NO_STATUS,
               "%s: udl2_db_conn.url and udl2.broker.url are needed", sb_conf_path(conf));
        return SB_ECONFIG;
    }
    rv = sb_db_open(&w->db, sb_conf_db_url(db_url, w->p), &opts, w->p);
    if (rv == APR_SUCCESS) {
        rv = sb_udl_package_session(w->db);
    }
    if (rv == APR_SUCCESS) {
        rv = settle_debt(w);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_mq_open(&w->mq, mq_url, &mq_opts, w->p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_mq_declare(w->mq, w->queue);
    }
    return rv == APR_SUCCESS ? sb_mq_consume(w->mq, w->queue, 1) : rv;
}

/* Load a claimed package. @return the database's or broker's health, not the batch's */
static apr_status_t load(worker_t *w, const sb_udl_package_t *package, apr_pool_t *p)
{
    sb_udl_job_t job = {.guid = package->guid,
                        .package = package->path,
                        .arrived = package->arrived,
                        .take = 1,
                        .stopping = program_stopping,
                        .attempts = package->attempts,
                        .claim = package->claims,
                        .worker = w->name};
    int max = (int)sb_conf_int(w->prog->conf, "udl2.max_attempts");
    const sb_udl_conf_t *conf;
    sb_udl_result_t result;
    sb_udl_log_t *log;
    const char *problem;
    apr_status_t rv;

    problem = sb_udl_conf_read(&conf, w->prog->conf, package->tenant, p);
    if (problem) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4004), SB_NO_STATUS, "package refused: %s", problem);
        return sb_udl_package_end(w->db, w->schema, package, problem, p);
    }
    rv = sb_udl_log_open(&log, conf, w->db, p);
    if (rv == APR_SUCCESS) {
        rv = package->attempts > max
                 ? sb_udl_give_up(
                       &result, log, conf, &job,
                       apr_psprintf(p, "given up: its worker died %d times", package->attempts - 1),
                       p)
                 : sb_udl_run(&result, log, conf, &job, p);
    }
    if (rv == APR_SUCCESS) {
        return sb_udl_package_end(w->db, w->schema, package, result.problem, p);
    }
    sb_log(SB_LOG_WARN, SBLOGNO(4005), rv, "package goes back to the queue");
    if (sb_udl_package_return(w->db, w->schema, package, !program_stopping(), p) != APR_SUCCESS) {
        /* then the lock is gone too, and the trigger finds the row */
        apr_cpystrn(w->owed, package->guid, sizeof w->owed);
        w->owed_claim = package->claims;
        return SB_EUNAVAILABLE;
    }
    /* what this package lacked, others may not need: it waits, not we */
    return APR_SUCCESS;
}

/* @return anything but APR_SUCCESS: connect again */
static apr_status_t handle(worker_t *w, const sb_delivery_t *d, apr_pool_t *p)
{
    const char *problem = d->problem;
    sb_udl_package_t package;
    apr_status_t rv, broker;

    if (!problem && (strcmp(d->env.task, TASK) || !sb_uuid_is_valid(d->env.job))) {
        problem = "no message for this worker";
    }
    if (problem) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4006), SB_NO_STATUS, "message goes to %s.dead: %s", w->queue,
               problem);
        return sb_mq_reject(w->mq, d->tag, 0);
    }
    rv = sb_udl_package_claim(&package, w->db, w->schema, d->env.job, w->name, p);
    if (rv == SB_EBUSY || APR_STATUS_IS_NOTFOUND(rv)) {
        sb_log(SB_LOG_DEBUG, SBLOGNO(4009), rv, "message for batch %s: nothing to do", d->env.job);
        return sb_mq_ack(w->mq, d->tag); /* somebody does it, or did it */
    }
    if (rv != APR_SUCCESS) {
        apr_status_t back = sb_mq_reject(w->mq, d->tag, 1);

        return back == APR_SUCCESS ? rv : back;
    }
    /* The claim is in the database now: the message has done its duty. The next one is for somebody
     * who has time. */
    broker = sb_mq_pause(w->mq);
    if (broker == APR_SUCCESS) {
        broker = sb_mq_ack(w->mq, d->tag);
    }
    if (broker != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(4007), broker,
               "acknowledging; the package is loaded all the same");
    }
    rv = load(w, &package, p);
    if (rv == APR_SUCCESS) {
        rv = broker == APR_SUCCESS ? sb_mq_consume(w->mq, w->queue, 1) : broker;
    }
    return rv;
}

/* @return APR_SUCCESS at the end of the program, or when there is a new configuration */
static apr_status_t consume(worker_t *w)
{
    apr_pool_t *p;
    apr_status_t rv;
    int fresh = 0;

    rv = apr_pool_create(&p, w->p);
    while (rv == APR_SUCCESS && !program_stopping() && !fresh) {
        sb_delivery_t d;

        if (!has_room(w)) {
            return APR_ENOSPC;
        }
        rv = sb_mq_next(&d, w->mq, POLL, p);
        fresh = program_reload(w->prog); /* before the package: its tenant may be new */
        if (rv == APR_SUCCESS) {
            rv = handle(w, &d, p);
            w->backoff.next = rv == APR_SUCCESS ? 0 : w->backoff.next;
        }
        else if (APR_STATUS_IS_TIMEUP(rv)) {
            rv = APR_SUCCESS;
        }
        apr_pool_clear(p);
    }
    return rv;
}

static int serve(program_t *prog)
{
    worker_t w = {.prog = prog};
    apr_interval_time_t pause;
    apr_status_t rv;

    w.name = program_host_and_pid(prog->pool);
    if (apr_pool_create(&w.p, prog->pool) != APR_SUCCESS) {
        return PROGRAM_AGAIN;
    }
    sb_log(SB_LOG_INFO, SBLOGNO(4001), SB_NO_STATUS, "worker %s waits for packages in %s", w.name,
           sb_conf_str(prog->conf, "udl2.queue"));
    while (!program_stopping()) {
        wait_for_room(&w);
        program_reload(prog);
        rv = program_stopping() ? APR_SUCCESS : connect_both(&w);
        if (rv == SB_ECONFIG) {
            return PROGRAM_FAILED;
        }
        if (rv == APR_SUCCESS) {
            rv = consume(&w);
        }
        if (APR_STATUS_IS_ENOSPC(rv)) {
            apr_pool_clear(w.p); /* a message that is here already goes to another worker */
            w.db = NULL;
        }
        else if (rv != APR_SUCCESS && !program_stopping()) {
            pause = program_backoff(&w.backoff);
            sb_log(SB_LOG_WARN, SBLOGNO(4002), rv, "not consuming; trying again in %d ms%s%s",
                   (int)(pause / 1000), w.db && *sb_db_error(w.db) ? ": " : "",
                   w.db ? sb_db_error(w.db) : "");
            program_sleep(pause);
        }
    }
    sb_log(SB_LOG_INFO, SBLOGNO(4008), SB_NO_STATUS, "worker %s ends", w.name);
    apr_pool_destroy(w.p);
    return PROGRAM_DONE;
}

static int run(program_t *prog)
{
    const apr_array_header_t *files = program_options(prog, "once"),
                             *dirs = program_options(prog, "once-dir");

    if (files->nelts && dirs->nelts) {
        return program_usage(prog, "--once or --once-dir, not both");
    }
    return files->nelts || dirs->nelts ? all_once(prog, files->nelts ? files : dirs) : serve(prog);
}

int main(int argc, char **argv)
{
    static const program_def_t def = {
        .name = "smarter-worker-udl",
        .summary = "load packages of assessment results into batch schemas",
        .usage = "[--once FILE... | --once-dir DIR...] [--tenant NAME] [OPTION...]",
        .section = "app",
        .options = options,
        .run = run};

    return program_main(&def, argc, argv);
}
