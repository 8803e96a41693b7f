/* smarter-public-copy: brings the public copies of tenants up to date. */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_json.h"
#include "core/sb_log.h"
#include "core/sb_sid.h"
#include "core/sb_time.h"
#include "public/sb_public.h"
#include "workers/program.h"

/* One line of JSON a tenant, for people and scripts. */
static void report(const char *tenant, const sb_public_result_t *r, double seconds, apr_pool_t *p)
{
    const char *text = apr_psprintf(p, "%.3f", seconds);
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "tenant", tenant);
    sb_jw_str(w, "status", r->copied ? "copied" : "unchanged");
    sb_jw_int(w, "data_version", r->data_version);
    if (r->copied) {
        sb_jw_int(w, "rows", r->rows);
    }
    sb_jw_raw(w, "seconds", text, strlen(text));
    sb_jw_end(w);
    puts(sb_jw_text(w, NULL));
    fflush(stdout);
}

/* @return exit status */
static int copy(program_t *prog, const char *tenant, apr_pool_t *p)
{
    sb_public_opts_t opts = {.conf = prog->conf,
                             .app = prog->def->name,
                             .force = program_option(prog, "force") != NULL,
                             .stopping = program_stopping};
    double start = sb_time_monotonic();
    sb_public_result_t r;
    const char *error;
    apr_status_t rv = sb_public_copy(&r, &error, tenant, &opts, p);

    if (rv == SB_EBUSY) {
        fprintf(stderr, "%s: %s: another one is at it\n", prog->def->name, tenant);
        return PROGRAM_AGAIN;
    }
    if (rv != APR_SUCCESS) {
        sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(4510), rv,
               "the public copy of tenant %s stays as it was: %s", tenant, error);
        return APR_STATUS_IS_EINTR(rv) ? PROGRAM_AGAIN : program_status(rv);
    }
    if (r.copied) {
        sb_log(SB_LOG_INFO, SBLOGNO(4511), SB_NO_STATUS,
               "public copy of tenant %s: %" APR_INT64_T_FMT " rows of version %" APR_INT64_T_FMT
               " in %.1f s",
               tenant, r.rows, r.data_version, sb_time_monotonic() - start);
    }
    if (program_option(prog, "once")) {
        report(tenant, &r, sb_time_monotonic() - start, p);
    }
    return PROGRAM_DONE;
}

/* Each for himself; the worst status counts, and a failure is worse than what may be tried again. */
static int copy_all(program_t *prog, const apr_array_header_t *tenants)
{
    int worst = PROGRAM_DONE;
    apr_pool_t *p;

    apr_pool_create(&p, prog->pool);
    for (int i = 0; i < tenants->nelts && !program_stopping(); i++) {
        int status = copy(prog, APR_ARRAY_IDX(tenants, i, const char *), p);

        if (status == PROGRAM_FAILED || worst == PROGRAM_DONE) {
            worst = status;
        }
        apr_pool_clear(p);
    }
    return worst;
}

static int has(const apr_array_header_t *tenants, const char *name)
{
    for (int i = 0; i < tenants->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(tenants, i, const char *), name)) {
            return 1;
        }
    }
    return 0;
}

/* What stands for the state in public addresses: for whoever has a shell here and no sign-in. */
static int print_sid(program_t *prog, const char *tenant)
{
    const char *secret = sb_conf_str(prog->conf, "edware.public.secret");
    const char *why = sb_sid_secret_check(secret);
    const char *sid;
    apr_status_t rv;

    if (why) {
        return program_complain(prog, "edware.public.secret", why);
    }
    rv = sb_sid_encode(&sid, sb_public_state(prog->conf, tenant), secret, prog->pool);
    if (rv == APR_SUCCESS) {
        puts(sid);
    }
    return program_status(rv);
}

static int run(program_t *prog)
{
    const apr_array_header_t *tenants = sb_public_tenants(prog->conf, prog->pool);
    const char *tenant = program_option(prog, "tenant");
    int sid = program_option(prog, "sid") != NULL;

    if (sid + (program_option(prog, "once") != NULL) + (program_option(prog, "if-due") != NULL) !=
        1) {
        return program_usage(prog, "say --once, --if-due, or --sid");
    }
    if (tenant && !has(tenants, tenant)) {
        return program_usage(prog, "tenant %.40s: edware.public.db.%.40s.url is not set", tenant,
                             tenant);
    }
    if (sid) {
        return tenant ? print_sid(prog, tenant) : program_usage(prog, "--sid: of which --tenant?");
    }
    if (tenant) {
        apr_array_header_t *one = apr_array_make(prog->pool, 1, sizeof(const char *));

        APR_ARRAY_PUSH(one, const char *) = tenant;
        tenants = one;
    }
    return copy_all(prog, tenants);
}

static const program_option_t options[] = {
    {"once", 0, NULL, "do it now", PROGRAM_ONCE},
    {"tenant", 't', "TENANT", "only this one (default: all that have a public copy)", 0},
    {"ini", 'i', "INI", "the same as --config", 0},
    {"sid", 0, NULL, "print a public id of the tenant's state, for /public/ID, and do nothing else",
     PROGRAM_ONCE},
    {"force", 0, NULL, "copy also if production did not change", 0},
    {NULL, 0, NULL, NULL, 0}};

static const program_def_t def = {
    .name = "smarter-public-copy",
    .summary = "copy production without persons to where the public reports are read from",
    .usage = "--once | --if-due | --sid [-t TENANT] [OPTION...]",
    .section = "app:main",
    .options = options,
    .run = run,
    .schedule = "migrate_public"};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
