/* smarter-file-grabber: fetches released files from the landing zone and other sources into arrivals. */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "lz/sb_grab.h"
#include "workers/program.h"

#define PREFIX "file-grabber."

static const program_option_t options[] = {
    {"once", 0, NULL, "fetch from every enabled source, or from those named, and end",
     PROGRAM_ONCE},
    {"every", 0, "SECONDS", "do so again and again, with that pause", 0},
    {NULL, 0, NULL, NULL, 0}};

/* One source, once. */
static int grab(const program_t *prog, const char *name, apr_pool_t *p)
{
    const sb_grab_source_t *source;
    const char *why = sb_grab_read(&source, prog->conf, name, p);
    sb_grab_run_t run;
    apr_status_t rv;

    if (why) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4410), SB_NO_STATUS, "%s", why);
        return PROGRAM_FAILED;
    }
    rv = sb_grab_run(&run, source, program_stopping, p);
    if (rv == SB_EBUSY) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(4411), SB_NO_STATUS, "source %s: another run is still at it",
               name);
        return PROGRAM_DONE;
    }
    if (program_option(prog, "once")) {
        printf("{\"source\": \"%s\", \"delivered\": %d, \"waiting\": %d}\n", name, run.delivered,
               run.waiting);
    }
    if (rv == APR_TIMEUP) {
        return PROGRAM_AGAIN;
    }
    return program_status(rv);
}

/* Is it enabled? A source named on the command line need not be. */
static int is_enabled(const program_t *prog, const char *name, apr_pool_t *p)
{
    return prog->args->nelts ||
           sb_conf_bool(prog->conf, apr_pstrcat(p, PREFIX, name, ".enable", NULL));
}

static int worse(int a, int b)
{
    return a == PROGRAM_FAILED || b == PROGRAM_FAILED ? PROGRAM_FAILED : a ? a : b;
}

/* All sources, or those named. */
static int grab_all(program_t *prog, apr_pool_t *p, int aloud)
{
    const apr_array_header_t *names =
        prog->args->nelts ? prog->args
                          : sb_conf_names(prog->conf, PREFIX "<name>.args.remote_dir", p);
    int due = program_option(prog, "if-due") != NULL, status = PROGRAM_DONE, i;

    (void)aloud; /* each says it for itself */
    for (i = 0; i < names->nelts && !program_stopping(); i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        program_turn_t *turn = NULL;
        apr_status_t rv;
        int one;

        if (!is_enabled(prog, name, p)) {
            continue;
        }
        if (due) {
            rv = program_due(&turn, prog, apr_pstrcat(p, PREFIX, name, NULL));
            if (rv != APR_SUCCESS) {
                status =
                    worse(status, APR_STATUS_IS_NOTFOUND(rv) ? PROGRAM_DONE : program_status(rv));
                continue;
            }
        }
        one = grab(prog, name, p);
        if (turn) {
            program_due_end(turn, one);
        }
        status = worse(status, one);
    }
    return status;
}

static int run(program_t *prog)
{
    return program_repeat(prog, grab_all, PROGRAM_GO_ON);
}

int main(int argc, char **argv)
{
    static const program_def_t def = {
        .name = "smarter-file-grabber",
        .summary = "fetch released files from the landing zone and other sources into arrivals",
        .usage = "--once | --if-due | --every SECONDS [SOURCE...]",
        .section = "app",
        .options = options,
        .max_args = 64,
        .run = run,
        .schedule = "file-grabber.<name>"};

    return program_main(&def, argc, argv);
}
