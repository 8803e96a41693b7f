/* smarter-worker-extract: makes archives of extracts. */

#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_json.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "extract/sb_extract_job.h"
#include "workers/program.h"

#define REQUEST_MAX (4 * 1024 * 1024)

/* ---- one request by hand --------------------------------------------------------------------------- */

typedef struct {
    program_t *prog;
    const sb_extract_t *x;
    const char *out;                   /* of the one archive, or of the first */
    const sb_extract_result_t *result; /* planned, when archives are opened */
    apr_array_header_t *paths;         /* made */
    apr_pool_t *p;
} once_t;

/* "x.zip", or "x_part0.zip" and so on. */
static apr_status_t open_archive(sb_zip_t **pz, void *ctx, int part)
{
    once_t *o = ctx;
    const char *path = o->out, *dot = strrchr(o->out, '.');
    apr_size_t stem = dot && !strchr(dot, '/') ? (apr_size_t)(dot - o->out) : strlen(o->out);

    if (o->result->plan.parts > 1) {
        path = apr_psprintf(o->p, "%.*s_part%d%s", (int)stem, o->out, part, o->out + stem);
    }
    APR_ARRAY_PUSH(o->paths, const char *) = path;
    return sb_zip_open(
        pz,
        &(sb_zip_opts_t){.path = path,
                         .mode = 0600,
                         .level = (int)sb_conf_int(o->prog->conf, "extract.compression_level"),
                         .when = o->x->when,
                         .ahead = 1},
        o->p);
}

static apr_status_t stop_if_told(void *ctx, apr_int64_t done, apr_int64_t all)
{
    (void)ctx;
    (void)done;
    (void)all;
    return program_stopping() ? APR_EINTR : APR_SUCCESS;
}

static void print_result(const once_t *o, const sb_extract_result_t *r, apr_status_t rv,
                         double seconds)
{
    const char *took = apr_psprintf(o->p, "%.3f", seconds);
    sb_jw_t *w = sb_jw_make(o->p);
    struct stat st;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "status", rv == APR_SUCCESS ? "ok" : rv == APR_NOTFOUND ? "no_data" : "failed");
    if (rv == APR_SUCCESS) {
        sb_jw_str(w, "data_version", r->plan.version);
        sb_jw_int(w, "rows", r->rows);
        sb_jw_array(w, "archives");
        for (int i = 0; i < o->paths->nelts; i++) {
            const char *path = APR_ARRAY_IDX(o->paths, i, const char *);

            sb_jw_object(w, NULL);
            sb_jw_str(w, "path", path);
            sb_jw_int(w, "bytes", stat(path, &st) ? -1 : st.st_size);
            sb_jw_end(w);
        }
        sb_jw_end(w);
    }
    sb_jw_raw(w, "seconds", took, strlen(took));
    sb_jw_end(w);
    puts(sb_jw_text(w, NULL));
}

static apr_status_t connect_to(sb_db_t **pdb, const sb_conf_t *conf, const sb_extract_t *x,
                               apr_pool_t *p)
{
    const char *url = sb_conf_tenant_str(conf, "edware.db.<tenant>.url", sb_scope_tenant(x->scope));
    sb_db_opts_t opts = {.app = "smarter-worker-extract",
                         .schema = x->schema,
                         .no_prepare = !sb_conf_bool(conf, "edware.db.prepare")};

    return sb_db_open(pdb, sb_conf_db_url(url, p), &opts, p);
}

/* @return NULL, or what is wrong with the request */
static const char *read_request(sb_extract_t *x, const program_t *prog, const char *path)
{
    sb_extract_env_t env = {prog->conf, sb_tenants(prog->conf, prog->pool)};
    const char *problem = NULL;
    char buf[120], *text;
    apr_size_t len;
    sb_json_t *json;
    apr_status_t rv = sb_file_read(&text, &len, path, REQUEST_MAX, prog->pool);

    if (rv == APR_SUCCESS) {
        rv = sb_json_parse(&json, &problem, text, len, NULL, prog->pool);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_extract_load(x, &problem, json, &env, prog->pool);
    }
    return rv == APR_SUCCESS ? NULL
           : problem         ? problem
                             : apr_pstrdup(prog->pool, sb_strerror(rv, buf, sizeof buf));
}

static int once(program_t *prog, const char *request, const char *out)
{
    sb_extract_t x;
    once_t o = {.prog = prog, .x = &x, .out = out, .p = prog->pool};
    sb_extract_run_t run = {
        .conf = prog->conf, .open = open_archive, .progress = stop_if_told, .ctx = &o};
    double start = sb_time_monotonic();
    sb_extract_result_t result = {.rows = 0};
    apr_status_t rv;
    const char *problem = read_request(&x, prog, request);

    if (problem) {
        return program_complain(prog, request, problem);
    }
    o.result = &result;
    o.paths = apr_array_make(prog->pool, 4, sizeof(const char *));
    rv = connect_to(&run.db, prog->conf, &x, prog->pool);
    if (rv == APR_SUCCESS) {
        rv = sb_extract_make(&result, &x, &run, prog->pool);
    }
    if (rv != APR_SUCCESS && rv != APR_NOTFOUND) {
        sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(4560), rv,
               "no archive is made: %s",
               result.why ? result.why
               : run.db   ? sb_db_error(run.db)
                          : "");
    }
    print_result(&o, &result, rv, sb_time_monotonic() - start);
    return program_status(rv);
}

/* ---- jobs ------------------------------------------------------------------------------------------ */

/* Until the program is to end, or has a new configuration. @return SB_ECONFIG it cannot work with this one */
static apr_status_t work(program_t *prog, const char *name, apr_pool_t *p)
{
    sb_extract_worker_t worker = {.conf = prog->conf, .p = p};
    sb_job_worker_opts_t opts = {.conf = prog->conf,
                                 .queue = sb_conf_str(prog->conf, "extract.job.queue.async"),
                                 .worker = name,
                                 .work = sb_extract_work,
                                 .idle = sb_extract_idle,
                                 .ctx = &worker,
                                 .stopping = program_stopping,
                                 .interrupted = program_hung_up,
                                 .sleep = program_sleep};
    const char *complaint = sb_pickup_client_make(&worker.pickup, prog->conf, p);

    if (complaint) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4561), SB_NO_STATUS, "nowhere to bring files to: %s",
               complaint);
        return SB_ECONFIG;
    }
    return sb_job_worker_run(&opts, p);
}

static int serve(program_t *prog)
{
    const char *name = program_host_and_pid(prog->pool);
    apr_status_t rv = APR_SUCCESS;
    apr_pool_t *p;

    apr_pool_create(&p, prog->pool);
    while (rv == APR_SUCCESS && !program_stopping()) {
        rv = work(prog, name, p);
        program_reload(prog);
        apr_pool_clear(p);
    }
    return rv == APR_SUCCESS ? PROGRAM_DONE : program_status(rv);
}

/* ---- the whole ------------------------------------------------------------------------------------- */

static int run(program_t *prog)
{
    const char *request = program_option(prog, "once"), *out = program_option(prog, "output");

    if (!request != !out) {
        return program_usage(prog, "--once REQUEST.json goes with --output FILE.zip");
    }
    if (request) {
        return once(prog, request, out);
    }
    if (!program_has(prog, "jobs.worker.db.url", "jobs.db.url", NULL) ||
        !program_has(prog, "jobs.broker.url", NULL, NULL) ||
        !program_has(prog, "hpz.file_registration_url", NULL, NULL) ||
        !program_has(prog, "hpz.file_upload_base_url", NULL, NULL)) {
        return PROGRAM_FAILED;
    }
    return serve(prog);
}

static const program_option_t options[] = {
    {"once", 0, "REQUEST.json", "make the archive of this request, do nothing else", PROGRAM_ONCE},
    {"output", 'o', "FILE.zip", "where to; of several parts FILE_part0.zip and so on", 0},
    {NULL, 0, NULL, NULL, 0}};

int main(int argc, char **argv)
{
    static const program_def_t def = {.name = "smarter-worker-extract",
                                      .summary = "make archives of results for those who asked",
                                      .usage = "[OPTION...] [--once REQUEST.json -o FILE.zip]",
                                      .section = "app:main",
                                      .options = options,
                                      .run = run};

    return program_main(&def, argc, argv);
}
