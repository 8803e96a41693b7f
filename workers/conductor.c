/* smarter-migrate-conductor: moves waiting batches into production. */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_json.h"
#include "core/sb_log.h"
#include "migrate/sb_migrate.h"
#include "workers/program.h"

static void dim(sb_jw_t *w, const char *name, const sb_promoted_dim_t *d)
{
    sb_jw_object(w, name);
    sb_jw_int(w, "inserted", d->inserted);
    sb_jw_int(w, "superseded", d->superseded);
    sb_jw_int(w, "shadowed", d->shadowed);
    sb_jw_end(w);
}

/* One line of JSON a batch, for people and scripts. */
static void report(void *ctx, const sb_migrated_t *m)
{
    const sb_promoted_t *r = &m->promoted;
    const char *seconds;
    apr_pool_t *p;
    sb_jw_t *w;

    apr_pool_create(&p, ctx);
    w = sb_jw_make(p);
    sb_jw_object(w, NULL);
    sb_jw_str(w, "batch", m->batch);
    sb_jw_str(w, "tenant", m->tenant);
    sb_jw_str(w, "load_type", m->load_type);
    sb_jw_str(w, "status", m->status);
    if (m->error) {
        sb_jw_str(w, "error", m->error);
    }
    else {
        sb_jw_int(w, "inserted", r->inserted);
        sb_jw_int(w, "superseded", r->superseded);
        sb_jw_int(w, "deleted", r->deleted);
        sb_jw_int(w, "deduplicated", r->deduplicated);
        if (!strcmp(m->load_type, "assessment")) {
            sb_jw_int(w, "ignored", r->ignored);
            sb_jw_object(w, "dims");
            dim(w, "asmt", &r->asmt);
            dim(w, "inst_hier", &r->inst_hier);
            dim(w, "student", &r->student);
            sb_jw_end(w);
        }
        sb_jw_int(w, "data_version", r->data_version);
    }
    if (r->already) {
        sb_jw_bool(w, "recovered", 1);
    }
    seconds = apr_psprintf(p, "%.3f", m->seconds);
    sb_jw_raw(w, "seconds", seconds, strlen(seconds));
    sb_jw_end(w);
    puts(sb_jw_text(w, NULL));
    fflush(stdout);
    apr_pool_destroy(p);
}

/* One run. @return exit status */
static int once(program_t *prog, apr_pool_t *p, int aloud)
{
    sb_migrate_opts_t opts = {.conf = prog->conf,
                              .app = prog->def->name,
                              .tenant = program_option(prog, "tenant"),
                              .stopping = program_stopping,
                              .report = report,
                              .ctx = p};
    sb_migrate_result_t result;
    const char *error;
    apr_status_t rv = sb_migrate_run(&result, &error, &opts, p);

    if (rv == SB_EBUSY) {
        return program_leave_it(prog, aloud);
    }
    if (rv != APR_SUCCESS) {
        sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(4300), rv, "%s", error);
        return program_status(rv);
    }
    return result.failed ? PROGRAM_FAILED : PROGRAM_DONE;
}

static int run(program_t *prog)
{
    return program_repeat(prog, once, PROGRAM_GO_ON);
}

static const program_option_t options[] = {
    {"once", 0, NULL, "promote every waiting batch and exit", PROGRAM_ONCE},
    {"every", 0, "SECONDS", "do so again and again, with that pause", 0},
    {"tenant", 't', "TENANT", "only batches of this one", 0},
    {NULL, 0, NULL, NULL, 0}};

static const program_def_t def = {.name = "smarter-migrate-conductor",
                                  .summary = "move loaded batches into production",
                                  .usage = "--once | --if-due | --every SECONDS [OPTION...]",
                                  .section = "app:main",
                                  .options = options,
                                  .max_args = 0,
                                  .flags = 0,
                                  .run = run,
                                  .schedule = "migrate.conductor"};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
