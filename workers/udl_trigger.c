/* smarter-udl-trigger: notices complete packages in the arrivals zone, records them, and wakes a
 * worker for each; wakes again where a message was lost or a worker died. What is recorded is the
 * truth, messages only wake: after a crash anywhere the next round finds what is still to be done. */

#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "core/sb_uuid.h"
#include "mq/sb_mq.h"
#include "store/sb_schema.h"
#include "udl/sb_udl_arrivals.h"
#include "udl/sb_udl_conf.h"
#include "udl/sb_udl_package.h"
#include "udl/sb_udl_revive.h"
#include "udl/sb_udl_sweep.h"
#include "udl/sb_udl_zones.h"
#include "workers/program.h"

#define TASK "udl.package"
#define CONFIRM apr_time_from_sec(10)
/* A package that is queued and that nobody claims: its message is lost. While the queue holds messages it
 * may just be waiting in there. */
#define OVERDUE apr_time_from_sec(30)
#define LONG_OVERDUE apr_time_from_sec(3600)
#define DATA_EXCEPTION "22" /* class of SQLSTATE: a value that no column takes */
#define SWEEP_EVERY apr_time_from_sec(15)
#define SWEEP_AGAIN apr_time_from_sec(5)
#define SAY_AFTER                                                                                  \
    apr_time_from_sec(60) /* a stray may be a transfer that has not found its name yet */
#define BATCH 100         /* packages announced in one go */

static const program_option_t options[] = {
    {"once", 0, NULL, "announce what is complete now, and end", PROGRAM_ONCE},
    {NULL, 0, NULL, NULL, 0}};

typedef struct {
    program_t *prog;
    const sb_conf_t *conf;
    const char *schema, *queue;
    apr_interval_time_t scan_delay;
    int max_queued;
    apr_pool_t *links; /* of the connections */
    sb_db_t *db;
    sb_mq_t *mq;
    apr_pool_t *zone; /* of arrivals */
    sb_udl_arrivals_t *arrivals;
    program_backoff_t backoff;
} trigger_t;

/* ---- connections ------------------------------------------------------------------------------- */

static apr_status_t connect_both(trigger_t *t)
{
    const char *db_url = sb_conf_str(t->conf, "udl2_db_conn.url"),
               *mq_url = sb_conf_str(t->conf, "udl2.broker.url");
    sb_db_opts_t opts = {.app = "smarter-udl-trigger"};
    sb_mq_opts_t mq_opts = {.ca_file = sb_conf_str(t->conf, "udl2.broker.ca_file")};
    apr_status_t rv;

    apr_pool_clear(t->links);
    t->db = NULL;
    t->mq = NULL;
    if (!db_url || !mq_url) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4023), SB_NO_STATUS,
               "%s: udl2_db_conn.url and udl2.broker.url are needed", sb_conf_path(t->conf));
        return SB_ECONFIG;
    }
    rv = sb_db_open(&t->db, sb_conf_db_url(db_url, t->links), &opts, t->links);
    if (rv == APR_SUCCESS) {
        rv = sb_udl_package_session(t->db);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_udl_package_watch(t->db, t->schema, t->links);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_mq_open(&t->mq, mq_url, &mq_opts, t->links);
    }
    return rv == APR_SUCCESS ? sb_mq_declare(t->mq, t->queue) : rv;
}

/* ---- files ------------------------------------------------------------------------------------- */

/* A file that belongs to nobody we know: out of the way, with the reason beside it. */
static void quarantine(trigger_t *t, const sb_udl_arrival_t *f, const char *why, apr_pool_t *p)
{
    char guid[SB_UUID_SIZE];
    const char *dir, *name = strrchr(f->path, '/') + 1, *reason = apr_pstrcat(p, why, "\n", NULL);
    apr_status_t rv;

    if (!sb_uuid_make(guid)) {
        return;
    }
    dir = apr_pstrcat(p, sb_conf_str(t->conf, "zones.history"), "/quarantine/", guid, NULL);
    rv = sb_dir_make(dir, 0750, p);
    if (rv == APR_SUCCESS) {
        rv = sb_file_write(apr_pstrcat(p, dir, "/reason.txt", NULL), reason, strlen(reason), 0640,
                           p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_udl_take_file(sb_conf_str(t->conf, "zones.arrivals"), f->path,
                              apr_pstrcat(p, dir, "/", name, NULL), p);
    }
    sb_log(SB_LOG_ERROR, SBLOGNO(4024), rv, "not to be loaded: %s: %s; %s %s", name, why,
           rv == APR_SUCCESS ? "moved to" : "cannot be moved to", dir);
    sb_udl_arrivals_noted(t->arrivals, f->path);
}

/* @return NULL, or why no tenant owns the file */
static const char *judge_tenant(const trigger_t *t, const char *tenant, apr_pool_t *p)
{
    if (!tenant) {
        return "it lies in no tenant's directory";
    }
    if (!sb_udl_is_tenant(tenant)) {
        return apr_psprintf(p, "'%.40s' is no name of a tenant", tenant);
    }
    if (!sb_conf_tenant_str(t->conf, "target_db_conn.<tenant>.url", tenant)) {
        return apr_psprintf(p, "unknown tenant '%s'", tenant);
    }
    return NULL;
}

/* What lies there and is not going to be loaded: said once, later out of the way. */
static void judge_strays(trigger_t *t, apr_pool_t *p)
{
    apr_interval_time_t after = sb_conf_interval(t->conf, "udl2_trigger.stray_after");
    apr_array_header_t *strays;
    int i;

    sb_udl_arrivals_strays(&strays, t->arrivals, after && after < SAY_AFTER ? after : SAY_AFTER, p);
    for (i = 0; i < strays->nelts; i++) {
        const sb_udl_stray_t *s = &APR_ARRAY_IDX(strays, i, sb_udl_stray_t);

        if (after && s->age >= after) {
            quarantine(t, &s->file, s->why, p);
        }
        else if (!s->said) {
            sb_log(SB_LOG_NOTICE, SBLOGNO(4030), SB_NO_STATUS, "not to be loaded: %s: %s",
                   s->file.path, s->why);
        }
    }
}

/* Record what is complete. @return the database's health */
static apr_status_t record(trigger_t *t, apr_pool_t *p)
{
    apr_array_header_t *ready;
    apr_status_t rv = APR_SUCCESS;
    int i;

    sb_udl_arrivals_ready(&ready, t->arrivals, p);
    for (i = 0; i < ready->nelts && rv == APR_SUCCESS; i++) {
        const sb_udl_arrival_t *f = &APR_ARRAY_IDX(ready, i, sb_udl_arrival_t);
        const char *why = judge_tenant(t, f->tenant, p), *guid;

        if (why) {
            quarantine(t, f, why, p);
            continue;
        }
        rv = sb_udl_package_add(&guid, t->db, t->schema, f->path, f->tenant, f->size, f->mtime, p);
        if (rv == APR_SUCCESS) {
            sb_log(SB_LOG_INFO, SBLOGNO(4021), SB_NO_STATUS,
                   "package arrived: tenant %s, %s, %" APR_INT64_T_FMT " bytes, batch %s",
                   f->tenant, strrchr(f->path, '/') + 1, f->size, guid);
            sb_udl_arrivals_noted(t->arrivals, f->path);
        }
        else if (!strncmp(sb_db_sqlstate(t->db), DATA_EXCEPTION, 2)) {
            quarantine(t, f, "its name or time cannot be recorded", p);
            rv = APR_SUCCESS; /* one file must not hold up all others */
        }
        else if (APR_STATUS_IS_EEXIST(rv)) {
            rv = APR_SUCCESS; /* the last file of this name is not through yet: offered again */
        }
    }
    return rv;
}

/* ---- messages ---------------------------------------------------------------------------------- */

static apr_status_t announce(trigger_t *t, const sb_udl_package_t *package, apr_pool_t *p)
{
    char id[SB_UUID_SIZE];
    sb_envelope_t env = {.id = id, .task = TASK, .args = "{}", .job = package->guid};
    apr_status_t rv;

    if (package->attempts) {
        sb_log(SB_LOG_INFO, SBLOGNO(4027), SB_NO_STATUS,
               "batch %s is announced again after %d attempts", package->guid, package->attempts);
    }
    rv = sb_uuid_make(id) ? sb_mq_publish(t->mq, t->queue, &env, CONFIRM) : APR_EGENERAL;
    return rv == APR_SUCCESS ? sb_udl_package_announced(t->db, t->schema, package, p) : rv;
}

/* Wake workers for all that waits, as far as the queue is not full. */
static apr_status_t announce_all(trigger_t *t, apr_pool_t *p)
{
    apr_array_header_t *packages;
    apr_int64_t depth;
    apr_status_t rv;
    int i;

    rv = sb_mq_depth(&depth, NULL, t->mq, t->queue);
    if (rv == APR_SUCCESS) {
        rv = sb_udl_package_waiting(&packages, t->db, t->schema, depth ? LONG_OVERDUE : OVERDUE,
                                    BATCH, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < packages->nelts && rv == APR_SUCCESS; i++) {
        if (depth + i >= t->max_queued) {
            sb_log(SB_LOG_NOTICE, SBLOGNO(4025), SB_NO_STATUS,
                   "the queue holds %d messages: %d packages wait in the database", t->max_queued,
                   packages->nelts - i);
            break;
        }
        rv = announce(t, &APR_ARRAY_IDX(packages, i, sb_udl_package_t), p);
    }
    return rv;
}

/* ---- what was lost, and what was left ---------------------------------------------------------- */

/* Batches that a crashed server emptied, and what the dead left lying about. One tenant's database that
 * is down must not keep the trigger from its work. */
static void sweep_one(trigger_t *t, const sb_udl_conf_t *conf, apr_pool_t *p)
{
    apr_interval_time_t keep = sb_conf_interval(t->conf, "udl2.failed_schema_keep");
    apr_status_t rv;
    int n;

    rv = sb_udl_revive(&n, t->db, conf, p);
    if (rv == APR_SUCCESS) {
        rv = sb_udl_sweep(t->db, conf, keep, p);
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(4029), rv, "clearing up for tenant %s", conf->tenant);
    }
}

/* Asked whenever we connect, for a crash of the server ends our connection too; then now and then. */
static void sweep(trigger_t *t, apr_pool_t *p)
{
    const apr_array_header_t *tenants = sb_conf_names(t->conf, "target_db_conn.<tenant>.url", p);
    apr_pool_t *ptenant;
    int i;

    if (apr_pool_create(&ptenant, p) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < tenants->nelts; i++) {
        const sb_udl_conf_t *conf;
        const char *tenant = APR_ARRAY_IDX(tenants, i, const char *),
                   *problem = sb_udl_conf_read(&conf, t->conf, tenant, ptenant);

        if (problem) {
            sb_log(SB_LOG_ERROR, SBLOGNO(4028), SB_NO_STATUS, "%s", problem);
        }
        else {
            sweep_one(t, conf, ptenant);
        }
        apr_pool_clear(ptenant);
    }
    apr_pool_destroy(ptenant);
}

/* ---- configuration ----------------------------------------------------------------------------- */

/* Take over what the ini says now, and look at the zone with new eyes. */
static apr_status_t configure(trigger_t *t)
{
    const sb_conf_t *conf = t->prog->conf;
    sb_udl_arrivals_opts_t opts;
    apr_status_t rv;

    apr_pool_clear(t->zone);
    t->conf = conf;
    t->schema = sb_conf_str(conf, "udl2_db_conn.db_schema");
    t->queue = sb_conf_str(conf, "udl2.queue");
    t->scan_delay = sb_conf_interval(conf, "udl2_trigger.file_system_scan_delay");
    t->max_queued = (int)sb_conf_int(conf, "udl2_trigger.max_queued");
    opts.root = sb_conf_str(conf, "zones.arrivals");
    opts.patterns = sb_conf_list(conf, "udl2_trigger.file_patterns_to_watch", t->zone);
    opts.stable = sb_conf_interval(conf, "udl2_trigger.file_stat_watch_period");
    opts.require_done = sb_conf_bool(conf, "udl2_trigger.require_done");
    rv = sb_udl_arrivals_open(&t->arrivals, &opts, t->zone);
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4026), rv, "zones.arrivals: %s cannot be watched", opts.root);
        return SB_ECONFIG;
    }
    return APR_SUCCESS;
}

/* ---- the loop ---------------------------------------------------------------------------------- */

/* Until an event, the next file that ripens, or the end of the program. */
static void wait_for_something(trigger_t *t, apr_time_t next_scan)
{
    struct pollfd fds[] = {{.fd = sb_udl_arrivals_fd(t->arrivals), .events = POLLIN},
                           {.fd = program_stop_fd(), .events = POLLIN}};
    apr_interval_time_t left = next_scan - apr_time_now(), ripe = sb_udl_arrivals_wait(t->arrivals);

    left = ripe >= 0 && ripe < left ? ripe : left;
    if (left > 0) {
        poll(fds, 2, (int)(left / 1000) + 1);
    }
}

/* @return why the connections are of no use any more; APR_SUCCESS at the end of the program, or when
 * the ini is to be read again */
static apr_status_t watch(trigger_t *t, apr_pool_t *p)
{
    apr_time_t next_scan = 0, next_sweep = 0;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && !program_stopping() && !program_hung_up()) {
        int scan = apr_time_now() >= next_scan;

        sb_udl_arrivals_read(t->arrivals);
        if (scan) {
            sb_udl_arrivals_scan(t->arrivals);
            judge_strays(t, p);
            next_scan = apr_time_now() + t->scan_delay;
        }
        rv = record(t, p);
        if (rv == APR_SUCCESS) {
            rv = announce_all(t, p);
        }
        if (rv == APR_SUCCESS && apr_time_now() >= next_sweep) {
            sweep(t, p);
            /* once more soon: who reconnects later than we may have found his batch empty */
            next_sweep = apr_time_now() + (next_sweep ? SWEEP_EVERY : SWEEP_AGAIN);
        }
        if (rv == APR_SUCCESS) {
            t->backoff.next = 0;
            wait_for_something(t, next_scan);
        }
        apr_pool_clear(p);
    }
    return rv;
}

static int serve(trigger_t *t, apr_pool_t *p)
{
    apr_interval_time_t pause;
    apr_status_t rv;

    while (!program_stopping()) {
        rv = program_reload(t->prog) ? configure(t) : APR_SUCCESS;
        if (rv == APR_SUCCESS) {
            rv = connect_both(t);
        }
        if (rv == SB_ECONFIG) {
            return PROGRAM_FAILED;
        }
        if (rv == APR_SUCCESS) {
            sb_log(SB_LOG_INFO, SBLOGNO(4020), SB_NO_STATUS, "watching %s",
                   sb_conf_str(t->conf, "zones.arrivals"));
            rv = watch(t, p);
        }
        if (rv != APR_SUCCESS && !program_stopping()) {
            pause = program_backoff(&t->backoff);
            sb_log(SB_LOG_WARN, SBLOGNO(4022), rv, "%s; trying again in %d ms%s%s",
                   rv == SB_EBUSY ? "another trigger runs" : "not watching", (int)(pause / 1000),
                   t->db && *sb_db_error(t->db) ? ": " : "", t->db ? sb_db_error(t->db) : "");
            program_sleep(pause);
        }
    }
    return PROGRAM_DONE;
}

static int once(trigger_t *t, apr_pool_t *p)
{
    apr_status_t rv = connect_both(t);
    char buf[200];

    if (rv == SB_EBUSY) {
        fprintf(stderr, "%s: another trigger runs\n", t->prog->def->name);
        return PROGRAM_DONE;
    }
    if (rv == APR_SUCCESS) {
        sweep(t, p);
        judge_strays(t, p);
        rv = record(t, p);
    }
    if (rv == APR_SUCCESS) {
        rv = announce_all(t, p);
    }
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s: %s\n", t->prog->def->name, sb_strerror(rv, buf, sizeof buf));
    }
    return program_status(rv);
}

static int run(program_t *prog)
{
    trigger_t t = {.prog = prog};
    apr_pool_t *p;

    if (apr_pool_create(&t.links, prog->pool) != APR_SUCCESS ||
        apr_pool_create(&t.zone, prog->pool) != APR_SUCCESS ||
        apr_pool_create(&p, prog->pool) != APR_SUCCESS) {
        return PROGRAM_AGAIN;
    }
    if (configure(&t) != APR_SUCCESS) {
        return PROGRAM_FAILED;
    }
    return program_option(prog, "once") ? once(&t, p) : serve(&t, p);
}

int main(int argc, char **argv)
{
    static const program_def_t def = {
        .name = "smarter-udl-trigger",
        .summary = "notice packages in the arrivals zone and queue them for loading",
        .usage = "[--once] [OPTION...]",
        .section = "app",
        .options = options,
        .run = run};

    return program_main(&def, argc, argv);
}
