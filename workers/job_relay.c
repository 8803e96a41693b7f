/* smarter-job-relay: sends the messages that jobs wrote into the outbox, and looks after what a lost
 * message, a dead worker or the passing of time left behind. Everything it does is found in the database
 * again after a crash, so it may be killed at any time, and several may run. */

#include "config.h"

#include <stdio.h>

#include "core/sb_log.h"
#include "jobs/sb_job_relay.h"
#include "pickup/sb_pickup.h"
#include "workers/program.h"

#define WAKE apr_time_from_msec(500) /* how long a stop may go unnoticed */
#define TURN apr_time_from_msec(20)  /* what is due and not ours, another relay has just now */

#define PICKUP_AGAIN                                                                               \
    apr_time_from_sec(60) /* after the pickup zone did not answer: it takes our time */

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

/* Take what nobody wants out of the pickup zone. One that is away is asked again, later.
 * @return the database's health */
static apr_status_t remove_files(program_t *prog, sb_job_relay_t *relay, apr_pool_t *p)
{
    static apr_time_t not_before;
    const sb_pickup_client_t *client;
    apr_array_header_t *ids;
    apr_status_t rv = sb_job_relay_unwanted(&ids, relay, p);
    int i;

    if (rv != APR_SUCCESS || !ids->nelts || apr_time_now() < not_before ||
        sb_pickup_client_make(&client, prog->conf, p)) { /* no pickup zone: files are elsewhere */
        return rv;
    }
    for (i = 0; i < ids->nelts && rv == APR_SUCCESS && !program_stopping(); i++) {
        const char *id = APR_ARRAY_IDX(ids, i, const char *), *error;
        apr_status_t gone = sb_pickup_remove(&error, client, id, p);

        if (gone == SB_EUNAVAILABLE) {
            sb_log(SB_LOG_WARN, SBLOGNO(4555), gone, "files wait to be removed: %s", error);
            not_before = apr_time_now() + PICKUP_AGAIN;
            return APR_SUCCESS;
        }
        if (gone != APR_SUCCESS) { /* it goes when its time is up */
            sb_log(SB_LOG_ERROR, SBLOGNO(4556), gone, "pickup %s cannot be removed: %s", id, error);
        }
        rv = sb_job_relay_removed(relay, id);
    }
    return rv;
}

static apr_status_t sweep(program_t *prog, sb_job_relay_t *relay, apr_pool_t *p)
{
    sb_job_swept_t swept;
    apr_status_t rv = sb_job_relay_sweep(&swept, relay, prog->conf, p);

    if (rv == APR_SUCCESS) {
        say(&swept);
        rv = remove_files(prog, relay, p);
    }
    return rv;
}

/* Until a message is written or is due, or it is time to sweep. */
static apr_status_t wait_for_work(sb_job_relay_t *relay, apr_interval_time_t due, apr_time_t until)
{
    apr_time_t soon = apr_time_now() + (due > TURN ? due : TURN);
    apr_time_t end = due >= 0 && soon < until ? soon : until;
    apr_status_t rv = APR_TIMEUP;

    while (APR_STATUS_IS_TIMEUP(rv) && !program_stopping() && !program_hung_up()) {
        apr_interval_time_t left = end - apr_time_now();

        if (left <= 0) {
            return APR_SUCCESS;
        }
        rv = sb_db_wait_notify(relay->db, (left < WAKE ? left : WAKE) + 1000);
    }
    return APR_STATUS_IS_TIMEUP(rv) ? APR_SUCCESS : rv;
}

/* @return why the connections are of no use any more; APR_SUCCESS to end, or when there is a new ini */
static apr_status_t relay_on(program_t *prog, sb_job_relay_t *relay, program_backoff_t *backoff,
                             apr_pool_t *p)
{
    apr_time_t next_sweep = 0;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && !program_stopping() && !program_hung_up()) {
        apr_interval_time_t due;

        rv = sb_job_relay_send(NULL, &due, relay, p);
        if (rv == APR_SUCCESS && apr_time_now() >= next_sweep) {
            rv = sweep(prog, relay, p);
            next_sweep = apr_time_now() + sb_conf_interval(prog->conf, "jobs.relay.poll");
        }
        if (rv == APR_SUCCESS) {
            backoff->next = 0;
            rv = wait_for_work(relay, due, next_sweep);
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
    apr_status_t rv = sb_job_relay_open(&relay, prog->conf, links);
    char buf[200];

    if (rv == APR_SUCCESS) {
        relay.since = 0; /* nobody waits for a second look */
        rv = sweep(prog, &relay, p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_job_relay_send(NULL, &due, &relay, p);
    }
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s: %s\n", prog->def->name, sb_strerror(rv, buf, sizeof buf));
    }
    return program_status(rv);
}

static int run(program_t *prog)
{
    apr_pool_t *links, *p;

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
            "Announce the tasks of jobs to workers, and what a lost worker left behind again.",
        .usage = "[-c INI] [--once]",
        .section = "app:main",
        .options = options,
        .run = run};

    return program_main(&def, argc, argv);
}
