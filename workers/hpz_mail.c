/* smarter-hpz-mail: tells owners that their file is ready. The rules are in pickup/sb_pickup_mail.h. */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/sb_log.h"
#include "pickup/sb_pickup_mail.h"
#include "workers/program.h"

/* One run. @return exit status */
static int once(program_t *prog, apr_pool_t *p, int alone)
{
    sb_pickup_mail_opts_t opts = {.conf = prog->conf,
                                  .app = prog->def->name,
                                  .stopping = program_stopping,
                                  .stop_fd = program_stop_fd()};
    sb_pickup_mailed_t mailed;
    const char *error;
    apr_status_t rv = sb_pickup_mail(&mailed, &error, &opts, p);

    if (rv == SB_EBUSY) {
        if (alone) {
            fprintf(stderr, "%s: another one is running; it will do the work\n", prog->def->name);
        }
        return PROGRAM_DONE;
    }
    if (rv != APR_SUCCESS) {
        sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(4545), rv, "%s",
               error ? error : "telling owners that their file is ready");
        return program_status(rv);
    }
    if (alone) {
        printf("{\"sent\":%d,\"failed\":%d,\"waiting\":%d}\n", mailed.sent, mailed.failed,
               mailed.waiting);
    }
    return PROGRAM_DONE;
}

static int run(program_t *prog)
{
    const char *every = program_option(prog, "every");
    program_backoff_t backoff = {0};
    apr_pool_t *p;
    char *end;
    long secs;

    if (!every == !program_option(prog, "once")) {
        return program_usage(prog, "say --once, or --every SECONDS");
    }
    if (!every) {
        return once(prog, prog->pool, 1);
    }
    secs = strtol(every, &end, 10);
    if (*end || secs < 1 || secs > 86400) {
        return program_usage(prog, "--every %s: seconds from 1 to 86400", every);
    }
    apr_pool_create(&p, prog->pool);
    while (!program_stopping()) {
        apr_interval_time_t pause = apr_time_from_sec(secs);
        int status = once(prog, p, 0);

        apr_pool_clear(p);
        if (status == PROGRAM_FAILED) {
            return status; /* an operator has to mend something */
        }
        if (status == PROGRAM_AGAIN) {
            apr_interval_time_t longer = program_backoff(&backoff);
            pause = longer > pause ? longer : pause;
        }
        else {
            backoff.next = 0;
        }
        program_sleep(pause);
        program_reload(prog);
    }
    return PROGRAM_DONE;
}

static const program_option_t options[] = {
    {"once", 0, NULL, "send what is due, say how it went, and exit", PROGRAM_ONCE},
    {"every", 0, "SECONDS", "do so again and again, with that pause", 0},
    {NULL, 0, NULL, NULL, 0}};

static const program_def_t def = {.name = "smarter-hpz-mail",
                                  .summary = "tell owners by mail that their file is ready",
                                  .usage = "--once | --every SECONDS [OPTION...]",
                                  .section = "app:main",
                                  .options = options,
                                  .run = run};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
