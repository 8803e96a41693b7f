/* smarter-hpz-mail: tells owners that their file is ready. The rules are in pickup/sb_pickup_mail.h. */

#include "config.h"

#include <stdio.h>

#include "core/sb_log.h"
#include "pickup/sb_pickup_mail.h"
#include "workers/program.h"

/* One run. @return exit status */
static int once(program_t *prog, apr_pool_t *p, int aloud)
{
    sb_pickup_mail_opts_t opts = {.conf = prog->conf,
                                  .app = prog->def->name,
                                  .stopping = program_stopping,
                                  .stop_fd = program_stop_fd()};
    sb_pickup_mailed_t mailed;
    const char *error;
    apr_status_t rv = sb_pickup_mail(&mailed, &error, &opts, p);

    if (rv == SB_EBUSY) {
        return program_leave_it(prog, aloud);
    }
    if (rv != APR_SUCCESS) {
        sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(4545), rv, "%s",
               error ? error : "telling owners that their file is ready");
        return program_status(rv);
    }
    if (aloud) {
        printf("{\"sent\":%d,\"failed\":%d,\"waiting\":%d}\n", mailed.sent, mailed.failed,
               mailed.waiting);
    }
    return PROGRAM_DONE;
}

static int run(program_t *prog)
{
    return program_repeat(prog, once, 0);
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
