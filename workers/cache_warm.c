/* smarter-cache-warm: makes reports in advance, behind promotions. The rules are in report/sb_warm.h. */

#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_json.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "report/sb_warm.h"
#include "workers/program.h"

#define PROGRESS_SECS 5.0 /* between two lines */

/* One line of JSON a batch, for people and scripts. */
static void report(void *ctx, const sb_warmed_t *b)
{
    const program_t *prog = ctx;
    const char *seconds;
    apr_pool_t *p;
    sb_jw_t *w;

    apr_pool_create(&p, prog->pool);
    w = sb_jw_make(p);
    sb_jw_object(w, NULL);
    sb_jw_str(w, "batch", b->batch);
    sb_jw_str(w, "tenant", b->tenant);
    sb_jw_int(w, "districts", b->districts);
    sb_jw_int(w, "reports", b->reports);
    sb_jw_int(w, "failed", b->failed);
    seconds = apr_psprintf(p, "%.3f", b->seconds);
    sb_jw_raw(w, "seconds", seconds, strlen(seconds));
    sb_jw_end(w);
    puts(sb_jw_text(w, NULL));
    fflush(stdout);
    apr_pool_destroy(p);
}

static void progress(void *ctx, const char *tenant, int done, int reports)
{
    static double last;
    double now = sb_time_monotonic();

    (void)ctx;
    if (now - last < PROGRESS_SECS) {
        last = last == 0 ? now : last;
        return;
    }
    last = now;
    sb_log(SB_LOG_INFO, SBLOGNO(4520), SB_NO_STATUS, "tenant %s: %d of %d reports", tenant, done,
           reports);
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "%s: %d of %d reports\n", tenant, done, reports);
    }
}

static int run(program_t *prog)
{
    sb_warm_opts_t opts = {.conf = prog->conf,
                           .app = prog->def->name,
                           .tenant = program_option(prog, "tenant"),
                           .stopping = program_stopping,
                           .report = report,
                           .progress = progress,
                           .ctx = prog};
    int due = program_option(prog, "if-due") != NULL;
    sb_warm_result_t result;
    const char *error;
    apr_status_t rv;

    if ((program_option(prog, "once") != NULL) + due != 1) {
        return program_usage(prog, "say --once or --if-due");
    }
    rv = sb_warm_run(&result, &error, &opts, prog->pool);
    if (rv == SB_EBUSY) {
        return program_leave_it(prog, !due);
    }
    if (rv == APR_TIMEUP) {
        return PROGRAM_AGAIN; /* asked to stop */
    }
    if (rv != APR_SUCCESS) {
        sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(4521), rv, "%s",
               error ? error : "making reports in advance");
        return program_status(rv);
    }
    if (result.batches) {
        sb_log(SB_LOG_INFO, SBLOGNO(4522), SB_NO_STATUS,
               "%d reports for %d batches, %d of which are to be looked at again", result.reports,
               result.batches, result.failed);
    }
    return result.failed ? PROGRAM_FAILED : PROGRAM_DONE;
}

static const program_option_t options[] = {
    {"once", 0, NULL, "make the reports of all batches promoted since, and exit", PROGRAM_ONCE},
    {"tenant", 't', "TENANT", "only of batches of this one", 0},
    {NULL, 0, NULL, NULL, 0}};

static const program_def_t def = {.name = "smarter-cache-warm",
                                  .summary = "make reports in advance, behind promotions",
                                  .usage = "--once | --if-due [OPTION...]",
                                  .section = "app:main",
                                  .options = options,
                                  .max_args = 0,
                                  .flags = 0,
                                  .run = run,
                                  .schedule = "trigger.recache"};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
