/* smarter-hpz-cleanup: removes what has waited too long in the pickup zone. The rules are in
 * pickup/sb_pickup_sweep.h. */

#include "config.h"

#include <stdio.h>

#include "core/sb_log.h"
#include "pickup/sb_pickup_sweep.h"
#include "workers/program.h"

#define DAYS_MAX 36500

static int run(program_t *prog)
{
    sb_pickup_sweep_opts_t opts = {.conf = prog->conf,
                                   .app = prog->def->name,
                                   .dry_run = program_option(prog, "dry-run") != NULL,
                                   .stopping = program_stopping};
    const char *days = program_option(prog, "expiration");
    int due = program_option(prog, "if-due") != NULL;
    sb_pickup_swept_t swept;
    const char *error;
    apr_status_t rv;

    if (due && program_option(prog, "once")) {
        return program_usage(prog, "say --once or --if-due");
    }
    if (days && !program_number(&opts.days, days, 1, DAYS_MAX)) {
        return program_usage(prog, "--expiration %s: want days, from 1 to %d", days, DAYS_MAX);
    }
    if (!program_has(prog, "hpz.db.url", NULL, PROGRAM_PICKUP_INI)) {
        return PROGRAM_FAILED;
    }
    rv = sb_pickup_sweep(&swept, &error, &opts, prog->pool);
    if (rv == SB_EBUSY) {
        return program_leave_it(prog, !due);
    }
    if (rv == APR_TIMEUP) {
        return PROGRAM_AGAIN; /* asked to stop */
    }
    if (rv != APR_SUCCESS) {
        sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(4540), rv, "%s", error);
        return program_status(rv);
    }
    if (!due) {
        printf("{\"expired\":%d,\"unused\":%d,\"leftovers\":%d,\"failed\":%d%s}\n", swept.expired,
               swept.unused, swept.leftovers, swept.failed,
               opts.dry_run ? ",\"dry_run\":true" : "");
    }
    else if (swept.expired || swept.unused || swept.leftovers) {
        sb_log(SB_LOG_INFO, SBLOGNO(4541), SB_NO_STATUS,
               "removed: %d files, %d registrations without file, %d leftovers", swept.expired,
               swept.unused, swept.leftovers);
    }
    return swept.failed ? PROGRAM_FAILED : PROGRAM_DONE;
}

static const program_option_t options[] = {
    {"once", 0, NULL, "do it now, say what went, and exit (as without options)", PROGRAM_ONCE},
    {"expiration", 'e', "DAYS", "how long files may wait, instead of hpz.record_expiration",
     PROGRAM_ONCE},
    {"dry-run", 'n', NULL, "remove nothing, say what would go", PROGRAM_ONCE},
    {NULL, 0, NULL, NULL, 0}};

static const program_def_t def = {.name = "smarter-hpz-cleanup",
                                  .summary = "remove what has waited too long in the pickup zone",
                                  .usage = "[--once | --if-due] [OPTION...]",
                                  .section = "app:main",
                                  .options = options,
                                  .run = run,
                                  .schedule = "hpz.record_expiration"};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
