/* smarter-udl-notify: tells senders what became of their batches. */

#include "config.h"

#include <stdio.h>

#include "core/sb_log.h"
#include "notify/sb_notify.h"
#include "workers/program.h"

/* The other section that is needed, of the same reading of the ini as prog->conf. A bad one leaves the old one. */
static const sb_conf_t *migration_of(program_t *prog)
{
    static const sb_conf_t *of, *migration;

    if (of != prog->conf) {
        const sb_conf_t *renewed = program_section(prog, "app:main");

        of = prog->conf;
        migration = renewed ? renewed : migration;
    }
    return migration;
}

/* One run. @return exit status */
static int once(program_t *prog, apr_pool_t *p, int aloud)
{
    sb_notify_opts_t opts = {.loader = prog->conf,
                             .migration = migration_of(prog),
                             .app = prog->def->name,
                             .stopping = program_stopping,
                             .stop_fd = program_stop_fd()};
    sb_notify_result_t result;
    const char *error;
    apr_status_t rv;

    if (!opts.migration) {
        return PROGRAM_FAILED;
    }
    rv = sb_notify_run(&result, &error, &opts, p);
    if (rv == SB_EBUSY) {
        return program_leave_it(prog, aloud);
    }
    if (rv != APR_SUCCESS) {
        sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(4340), rv, "%s",
               error ? error : "notifying failed");
        return program_status(rv);
    }
    if (aloud) {
        printf("{\"sent\":%d,\"failed\":%d,\"waiting\":%d}\n", result.sent, result.failed,
               result.waiting);
    }
    return PROGRAM_DONE;
}

static int run(program_t *prog)
{
    return program_repeat(prog, once, 0);
}

static const program_option_t options[] = {
    {"once", 0, NULL, "tell about everything that is due, say how it went, and exit", PROGRAM_ONCE},
    {"every", 0, "SECONDS", "do so again and again, with that pause", 0},
    {NULL, 0, NULL, NULL, 0}};

static const program_def_t def = {.name = "smarter-udl-notify",
                                  .summary = "tell senders what became of their packages",
                                  .usage = "--once | --every SECONDS [OPTION...]",
                                  .section = "app",
                                  .options = options,
                                  .run = run};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
