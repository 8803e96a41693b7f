/* smarter-job-relay: sends the messages that jobs wrote into the outbox, and looks after what a lost
 * message, a dead worker or the passing of time left behind. Everything it does is found in the database
 * again after a crash, so it may be killed at any time, and several may run. */

#include "config.h"

#include <stdio.h>

#include "core/sb_log.h"
#include "core/sb_time.h"
#include "jobs/sb_job_relay.h"
#include "pickup/sb_pickup.h"
#include "report/sb_audit.h"
#include "workers/program.h"

/* Seconds */
#define WAKE 0.5  /* how long a stop may go unnoticed */
#define TURN 0.02 /* what is due and not ours, another relay has just now */

/* The pickup zone is visited between messages, so what waits for it makes these wait. */
#define REMOVE_SECS 2                           /* a turn */
#define PICKUP_AGAIN 60                         /* after the pickup zone did not answer */
#define AUDIT_AGAIN 60                          /* after the audit stream took no line */
#define REMOVE_AGAIN apr_time_from_sec(10 * 60) /* one that it would not remove */

static const program_option_t options[] = {
    {"once", 0, NULL, "send what is due now, sweep once, and end", PROGRAM_ONCE},
    {NULL, 0, NULL, NULL, 0}};

static void say(const sb_job_swept_t *s)
{
    if (s->leases || s->lost) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(4550), SB_NO_STATUS,
               "tasks announced again: %d whose worker is gone, %d whose message was lost",
               s->leases, s->lost);
    }
    if (s->given_up) {
        sb_log(SB_LOG_WARN, SBLOGNO(4551), SB_NO_STATUS,
               "jobs given up after jobs.give_up_after: %d", s->given_up);
    }
    if (s->expired || s->forgotten) {
        sb_log(SB_LOG_INFO, SBLOGNO(4552), SB_NO_STATUS, "jobs expired: %d, removed: %d",
               s->expired, s->forgotten);
    }
}

/* What is to be said to the pickup zone, for at most REMOVE_SECS a turn. */
typedef struct {
    sb_job_relay_t *relay;
    const sb_pickup_client_t *client;
    double until;
} errand_t;

static double zone_not_before; /* on the monotonic clock: it did not answer */

static int is_time_up(const errand_t *e)
{
    double now = sb_time_monotonic();

    return program_stopping() || now < zone_not_before || now > e->until;
}

/* Perhaps for this one only: the others are tried first. */
static void is_away(const char *what, apr_status_t rv, const char *error)
{
    sb_log(SB_LOG_WARN, SBLOGNO(4555), rv, "%s: %s", what, error);
    zone_not_before = sb_time_monotonic() + PICKUP_AGAIN;
}

/* @return the database's health */
static apr_status_t remove_file(const errand_t *e, const char *id, apr_pool_t *p)
{
    const char *error;
    apr_status_t rv = sb_pickup_remove(&error, e->client, id, apr_time_from_sec(REMOVE_SECS), p);

    if (rv == APR_SUCCESS) {
        return sb_job_relay_removed(e->relay, id);
    }
    if (rv == SB_EUNAVAILABLE) {
        is_away("files wait to be removed", rv, error);
        return sb_job_relay_put_off(e->relay, id, 0);
    }
    sb_log(SB_LOG_ERROR, SBLOGNO(4556), rv, "pickup %s cannot be removed: %s", id, error);
    return sb_job_relay_put_off(e->relay, id, REMOVE_AGAIN);
}

/* Take what nobody wants out of the pickup zone. What it does not remove is tried again, later.
 * @return the database's health */
static apr_status_t remove_files(const errand_t *e, const apr_array_header_t *ids, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; rv == APR_SUCCESS && i < ids->nelts && !is_time_up(e); i++) {
        rv = remove_file(e, APR_ARRAY_IDX(ids, i, const char *), p);
    }
    return rv;
}

/* Have owners told of what is over. @return the database's health */
static apr_status_t tell_owners(const errand_t *e, const apr_array_header_t *jobs, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; rv == APR_SUCCESS && i < jobs->nelts && !is_time_up(e); i++) {
        const sb_job_over_t *job = &APR_ARRAY_IDX(jobs, i, sb_job_over_t);
        const char *error;
        apr_status_t said = sb_pickup_finish(&error, e->client, job->id,
                                             job->ready ? SB_PICKUP_READY : SB_PICKUP_FAILED,
                                             apr_time_from_sec(REMOVE_SECS), p);

        if (said == SB_EUNAVAILABLE) {
            is_away("owners wait to be told by mail", said, error);
        }
        else if (said != APR_SUCCESS && !APR_STATUS_IS_NOTFOUND(said)) {
            sb_log(SB_LOG_ERROR, SBLOGNO(4580), said, "the owner of job %s cannot be told: %s",
                   job->id, error);
        }
        rv = sb_job_relay_told(e->relay, job,
                               said == APR_SUCCESS || APR_STATUS_IS_NOTFOUND(said) ? 0
                               : said == SB_EUNAVAILABLE ? apr_time_from_sec(PICKUP_AGAIN)
                                                         : REMOVE_AGAIN);
    }
    return rv;
}

/* @return the database's health */
static apr_status_t visit_pickup_zone(program_t *prog, sb_job_relay_t *relay, apr_pool_t *p)
{
    errand_t e = {.relay = relay, .until = sb_time_monotonic() + REMOVE_SECS};
    apr_array_header_t *jobs, *ids = NULL;
    apr_status_t rv;

    if (is_time_up(&e)) {
        return APR_SUCCESS;
    }
    rv = sb_job_relay_untold(&jobs, relay, p);
    if (rv == APR_SUCCESS) {
        rv = sb_job_relay_unwanted(&ids, relay, p);
    }
    if (rv != APR_SUCCESS || !(jobs->nelts + ids->nelts) ||
        sb_pickup_client_make(&e.client, prog->conf, p)) { /* no pickup zone: files are elsewhere */
        return rv;
    }
    rv = tell_owners(&e, jobs, p);
    return rv == APR_SUCCESS ? remove_files(&e, ids, p) : rv;
}

/* ---- the audit stream ---------------------------------------------------------------------------- */

static int has_audit; /* without it, what jobs came to waits in its rows */

static void open_audit(const program_t *prog, apr_pool_t *p)
{
    const char *problem =
        sb_stream_open(SB_STREAM_AUDIT, sb_conf_str(prog->conf, "logging.audit"), p);

    has_audit = !problem;
    if (problem) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4558), SB_NO_STATUS,
               "logging.audit: %s; what jobs came to waits to be written", problem);
    }
}

/* @return the database's health */
static apr_status_t audit(sb_job_relay_t *relay, apr_pool_t *p)
{
    static double not_before; /* after a line that could not be written: one complaint a minute */
    apr_status_t written, rv;

    if (!has_audit || sb_time_monotonic() < not_before) {
        return APR_SUCCESS;
    }
    rv = sb_job_outcomes(&written, relay->db, sb_audit_job, p);
    if (written != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4559), written,
               "logging.audit: what jobs came to waits to be written");
        not_before = sb_time_monotonic() + AUDIT_AGAIN;
    }
    return rv;
}

/* ---- the relay ----------------------------------------------------------------------------------- */

static apr_status_t sweep(program_t *prog, sb_job_relay_t *relay, apr_pool_t *p)
{
    sb_job_swept_t swept;
    apr_status_t rv = sb_job_relay_sweep(&swept, relay, prog->conf, p);

    if (rv == APR_SUCCESS) {
        say(&swept);
        rv = audit(relay, p);
    }
    return rv == APR_SUCCESS ? visit_pickup_zone(prog, relay, p) : rv;
}

/* Until a message is written, or it is that late. */
static apr_status_t wait_for_work(sb_job_relay_t *relay, double until)
{
    apr_status_t rv = APR_TIMEUP;

    while (APR_STATUS_IS_TIMEUP(rv) && !program_stopping() && !program_hung_up()) {
        double left = until - sb_time_monotonic();

        if (left <= 0) {
            return APR_SUCCESS;
        }
        rv = sb_db_wait_notify(
            relay->db,
            (apr_interval_time_t)((left < WAKE ? left : WAKE) * APR_USEC_PER_SEC) + 1000);
    }
    return APR_STATUS_IS_TIMEUP(rv) ? APR_SUCCESS : rv;
}

/* Announce what is due. A broker that fails is left, and tried again at *pnext.
 * @param pnext when there is something to do again; unchanged: nothing before
 * @return the database's health */
static apr_status_t announce(program_t *prog, sb_job_relay_t *relay, program_backoff_t *backoff,
                             double *pbroker, double *pnext, apr_pool_t *p)
{
    apr_interval_time_t due = -1, pause;
    apr_status_t rv = APR_SUCCESS;
    double soon = *pbroker;

    if (!relay->mq && sb_time_monotonic() >= *pbroker) {
        rv = sb_job_relay_connect(relay, prog->conf);
    }
    if (relay->mq) {
        rv = sb_job_relay_send(NULL, &due, relay, p);
        soon = (double)due / APR_USEC_PER_SEC;
        soon = sb_time_monotonic() + (soon > TURN ? soon : TURN);
    }
    if (rv == APR_SUCCESS && relay->mq) {
        backoff->next = 0;
    }
    if (rv != APR_SUCCESS && !relay->mq) {
        pause = program_backoff(backoff);
        sb_log(SB_LOG_WARN, SBLOGNO(4557), rv, "no broker; trying again in %d ms",
               (int)(pause / 1000));
        soon = *pbroker = sb_time_monotonic() + (double)pause / APR_USEC_PER_SEC;
        rv = APR_SUCCESS;
    }
    if ((due >= 0 || !relay->mq) && soon < *pnext) {
        *pnext = soon;
    }
    return rv;
}

/* While there is no broker, the database is looked after all the same.
 * @return why the database is of no use any more; APR_SUCCESS to end, or when there is a new ini */
static apr_status_t relay_on(program_t *prog, sb_job_relay_t *relay, program_backoff_t *backoff,
                             apr_pool_t *p)
{
    double poll = (double)sb_conf_interval(prog->conf, "jobs.relay.poll") / APR_USEC_PER_SEC;
    double next_sweep = 0, broker = 0;
    program_backoff_t broker_backoff = {0};
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && !program_stopping() && !program_hung_up()) {
        double next = sb_time_monotonic() + poll;

        rv = announce(prog, relay, &broker_backoff, &broker, &next, p);
        if (rv == APR_SUCCESS && sb_time_monotonic() >= next_sweep) {
            rv = sweep(prog, relay, p);
            next_sweep = sb_time_monotonic() + poll;
        }
        if (rv == APR_SUCCESS) {
            backoff->next = 0;
            rv = wait_for_work(relay, next < next_sweep ? next : next_sweep);
        }
        apr_pool_clear(p);
    }
    return rv;
}

static int serve(program_t *prog, apr_pool_t *links, apr_pool_t *p)
{
    program_backoff_t backoff = {0};

    sb_log(SB_LOG_INFO, SBLOGNO(4553), SB_NO_STATUS, "relaying messages of jobs");
    while (!program_stopping()) {
        sb_job_relay_t relay;
        apr_status_t rv;

        program_reload(prog);
        apr_pool_clear(links);
        open_audit(prog, links);
        rv = sb_job_relay_open(&relay, prog->conf, links);
        if (rv == SB_ECONFIG) {
            return PROGRAM_FAILED;
        }
        if (rv == APR_SUCCESS) {
            rv = relay_on(prog, &relay, &backoff, p);
        }
        if (rv != APR_SUCCESS && !program_stopping()) {
            apr_interval_time_t pause = program_backoff(&backoff);

            sb_log(SB_LOG_WARN, SBLOGNO(4554), rv, "not relaying; trying again in %d ms%s%s",
                   (int)(pause / 1000), relay.db && *sb_db_error(relay.db) ? ": " : "",
                   relay.db ? sb_db_error(relay.db) : "");
            program_sleep(pause);
        }
    }
    return PROGRAM_DONE;
}

static int once(program_t *prog, apr_pool_t *links, apr_pool_t *p)
{
    apr_interval_time_t due;
    sb_job_relay_t relay;
    apr_status_t connected = APR_SUCCESS, rv = sb_job_relay_open(&relay, prog->conf, links);
    char buf[200];

    if (rv == APR_SUCCESS) {
        relay.since -= 3600; /* nobody waits for a second look */
        open_audit(prog, p);
        connected = sb_job_relay_connect(&relay, prog->conf);
        rv = sweep(prog, &relay, p);
    }
    if (rv == APR_SUCCESS && relay.mq) {
        rv = sb_job_relay_send(NULL, &due, &relay, p);
    }
    rv = rv == APR_SUCCESS ? connected : rv;
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s: %s\n", prog->def->name, sb_strerror(rv, buf, sizeof buf));
    }
    return program_status(rv);
}

static int run(program_t *prog)
{
    apr_pool_t *links, *p;

    if (!program_has(prog, "jobs.worker.db.url", "jobs.db.url", NULL) ||
        !program_has(prog, "jobs.broker.url", NULL, NULL)) {
        return PROGRAM_FAILED;
    }
    if (apr_pool_create(&links, prog->pool) != APR_SUCCESS ||
        apr_pool_create(&p, prog->pool) != APR_SUCCESS) {
        return PROGRAM_AGAIN;
    }
    return program_option(prog, "once") ? once(prog, links, p) : serve(prog, links, p);
}

int main(int argc, char **argv)
{
    static const program_def_t def = {
        .name = "smarter-job-relay",
        .summary =
            "announce the tasks of jobs to workers, and what a lost worker left behind again",
        .usage = "[--once] [OPTION...]",
        .section = "app:main",
        .options = options,
        .run = run};

    return program_main(&def, argc, argv);
}
