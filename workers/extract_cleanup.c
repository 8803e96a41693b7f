/* smarter-extract-cleanup: forgets what became of extracts of long ago. */

#include "config.h"

#include <stdio.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "extract/sb_extract_job.h"
#include "workers/program.h"

#define STATEMENT apr_time_from_sec(60)

static int run(program_t *prog)
{
    const char *url = sb_conf_str(prog->conf, "migrate_stats.db.url"); /* as schedules */
    sb_db_opts_t opts = {.app = prog->def->name,
                         .schema = sb_conf_str(prog->conf, "edware_stats.db.schema_name"),
                         .statement_timeout = STATEMENT};
    int due = program_option(prog, "if-due") != NULL;
    apr_int64_t forgotten = 0;
    apr_status_t rv;
    sb_db_t *db;

    url = url ? url : sb_conf_str(prog->conf, "edware_stats.db.url");
    if (!program_has(prog, "edware_stats.db.url", "migrate_stats.db.url", NULL)) {
        return PROGRAM_FAILED;
    }
    rv = sb_db_open(&db, sb_conf_db_url(url, prog->pool), &opts, prog->pool);
    if (rv == APR_SUCCESS) {
        rv = sb_extract_forget(&forgotten, db, sb_conf_interval(prog->conf, "extract.cleanup.keep"),
                               program_stopping, prog->pool);
    }
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EINTR(rv)) {
        sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(4581), rv,
               "what became of extracts is not forgotten: %s",
               db ? sb_db_error(db) : "no database");
        return program_status(rv);
    }
    if (!due) {
        printf("{\"forgotten\":%" APR_INT64_T_FMT "}\n", forgotten);
    }
    else if (forgotten) {
        sb_log(SB_LOG_INFO, SBLOGNO(4582), SB_NO_STATUS,
               "%" APR_INT64_T_FMT " rows of extract_stats removed", forgotten);
    }
    return rv == APR_SUCCESS ? PROGRAM_DONE : PROGRAM_AGAIN; /* asked to stop: the rest next time */
}

static const program_option_t options[] = {
    {"once", 0, NULL, "do it now, say how many rows went, and exit (as without options)",
     PROGRAM_ONCE},
    {NULL, 0, NULL, NULL, 0}};

static const program_def_t def = {.name = "smarter-extract-cleanup",
                                  .summary = "forget what became of extracts of long ago",
                                  .usage = "[--once | --if-due] [OPTION...]",
                                  .section = "app:main",
                                  .options = options,
                                  .run = run,
                                  .schedule = "extract.cleanup"};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
