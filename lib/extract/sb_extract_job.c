/**
 * Extracts as jobs: announcing, making and delivering archives.
 */

#include "extract/sb_extract_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <apr_file_info.h>
#include <apr_strings.h>
#include "core/sb_file.h"
#include "core/sb_log.h"
#include "core/sb_path.h"
#include "core/sb_time.h"
#include "core/sb_uuid.h"

#define TASK_MAKE "extract.make"
#define TASK_CLEAN "extract.clean_up"
#define VERSION_MAX 1024
#define TAKE_BACK apr_time_from_sec(2)
#define MIB (1024 * 1024)
#define GRACE 1.0  /* seconds: less time for a row says nothing of the server */
#define MAKING 0.9 /* the share of making in the progress; the rest is delivering */

/* ---- asking for one -------------------------------------------------------------------------------- */

/* Is the place one of those asked for, as far as places were? */
static int is_asked(const sb_extract_t *x, const char *param, const char *id)
{
    const apr_array_header_t *list =
        x->kind == SB_EXTRACT_ASSESSMENT && id ? sb_params_list(x->params, param) : NULL;

    for (int i = 0; list && i < list->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(list, i, const char *), id)) {
            return 1;
        }
    }
    return !list;
}

/* By which places of his the user may have it: he must hold them still when he fetches it. */
static const apr_array_header_t *places_of(const sb_extract_t *x, apr_pool_t *p)
{
    apr_array_header_t *places = apr_array_make(p, 4, sizeof(sb_pickup_place_t));

    if (sb_scope_is_whole(x->scope)) {
        return places;
    }
    for (int i = 0; i < x->user->grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(x->user->grants, i, sb_grant_t);

        if (!strcmp(g->role, sb_extract_about(x->kind)->role) &&
            !strcmp(g->tenant, sb_scope_tenant(x->scope)) && g->state_code &&
            !strcmp(g->state_code, sb_scope_state(x->scope)) && g->district_id &&
            is_asked(x, "districtId", g->district_id) && is_asked(x, "schoolId", g->school_id)) {
            APR_ARRAY_PUSH(places, sb_pickup_place_t) =
                (sb_pickup_place_t){g->district_id, g->school_id};
        }
    }
    return places;
}

/* The way pages write an academic year. */
static const char *academic_year(const char *ends_in, apr_pool_t *p)
{
    int year = atoi(ends_in);

    return apr_psprintf(p, "%d\u2013%d", year - 1, year);
}

static const char *listed(const apr_array_header_t *texts, apr_pool_t *p)
{
    const char *all = "";

    for (int i = 0; i < texts->nelts; i++) {
        all = apr_pstrcat(p, all, i ? ", " : "", APR_ARRAY_IDX(texts, i, const char *), NULL);
    }
    return all;
}

static const char *listed_years(const apr_array_header_t *years, apr_pool_t *p)
{
    apr_array_header_t *texts = apr_array_make(p, years->nelts, sizeof(char *));

    for (int i = 0; i < years->nelts; i++) {
        APR_ARRAY_PUSH(texts, const char *) =
            academic_year(APR_ARRAY_IDX(years, i, const char *), p);
    }
    return listed(texts, p);
}

/* For the list of downloads. */
static const char *title_of(const sb_extract_t *x, apr_pool_t *p)
{
    static const char *const titles[SB_EXTRACT_KINDS] = {
        [SB_EXTRACT_ASSESSMENT] = "Student assessment results",
        [SB_EXTRACT_ITEMS] = "Item level data",
        [SB_EXTRACT_RAW] = "Raw XML data",
        [SB_EXTRACT_STATISTICS] = "Student registration statistics",
        [SB_EXTRACT_COMPLETION] = "Student assessment completion"};
    const char *title = titles[x->kind];

    if (x->kind == SB_EXTRACT_STATISTICS || x->kind == SB_EXTRACT_COMPLETION) {
        int year = (int)sb_params_int(x->params, "academicYear", 0);

        return apr_psprintf(p, "%s, %s", title, academic_year(apr_itoa(p, year), p));
    }
    if (x->kind != SB_EXTRACT_ASSESSMENT) {
        return apr_psprintf(p, "%s, %s: %s, grade %s", title,
                            academic_year(sb_params_str(x->params, "asmtYear"), p),
                            sb_params_str(x->params, "asmtSubject"),
                            sb_params_str(x->params, "asmtGrade"));
    }
    return apr_psprintf(p, "%s, %s: %s", title,
                        listed_years(sb_params_list(x->params, "asmtYear"), p),
                        listed(sb_params_list(x->params, "asmtSubject"), p));
}

static const char *args_of(const sb_extract_t *x, const sb_job_file_t *files, int n, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_extract_save(w, "request", x);
    sb_jw_array(w, "files");
    for (int i = 0; i < n; i++) {
        sb_jw_object(w, NULL);
        sb_jw_str(w, "name", files[i].name);
        sb_jw_str(w, "id", files[i].pickup_id);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

static const char *params_of(const sb_extract_t *x, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_params_json(w, NULL, x->params);
    return sb_jw_text(w, NULL);
}

/* In the pickup zone. @param files sb_job_file_t, to be filled */
static apr_status_t announce(apr_array_header_t *files, const char **perror, const char *request,
                             const sb_extract_t *x, const sb_extract_desk_t *desk, apr_pool_t *p)
{
    sb_pickup_owner_t owner = {.uid = x->user->uid,
                               .email = x->user->email,
                               .role = sb_extract_about(x->kind)->role,
                               .tenant = sb_scope_tenant(x->scope),
                               .state_code = sb_scope_state(x->scope),
                               .places = places_of(x, p),
                               .request = request};
    sb_pickup_t *announced = apr_palloc(p, (apr_size_t)x->parts * sizeof(*announced));
    apr_status_t rv =
        sb_pickup_register(announced, x->parts, perror, desk->pickup, &owner, desk->until, p);

    for (int i = 0; i < x->parts && rv == APR_SUCCESS; i++) {
        APR_ARRAY_PUSH(files, sb_job_file_t) =
            (sb_job_file_t){.name = sb_extract_part_name(x, i, p),
                            .pickup_id = announced[i].id,
                            .url = announced[i].url,
                            .web_url = announced[i].web_url,
                            .size = -1};
    }
    return rv;
}

/* There is no such job: what is announced is of no use. In vain: it is forgotten when its time is up. */
static void take_back(const char *request, const sb_extract_desk_t *desk, apr_pool_t *p)
{
    const char *error;

    (void)!sb_pickup_finish(&error, desk->pickup, request, SB_PICKUP_VOID, TAKE_BACK, p);
}

/* With a connection that is borrowed for no longer than it takes. */
static apr_status_t create(const sb_job_t *job, const char **perror, const sb_extract_desk_t *desk,
                           apr_pool_t *p)
{
    double left = desk->until - sb_time_monotonic();
    apr_interval_time_t limit = (apr_interval_time_t)((left + GRACE) * APR_USEC_PER_SEC);
    apr_pool_t *own;
    apr_status_t rv;
    sb_db_t *db;

    apr_pool_create(&own, p);
    rv = left > 0 ? sb_dbpool_get(&db, desk->jobs, own) : SB_EUNAVAILABLE;
    if (rv != APR_SUCCESS) {
        *perror = "the database of jobs does not answer in time";
    }
    else {
        sb_db_limit(db, limit);
        rv = sb_job_create(db, job, p);
        *perror = rv == APR_SUCCESS ? NULL : apr_pstrdup(p, sb_db_error(db));
    }
    apr_pool_destroy(own);
    return rv;
}

apr_status_t sb_extract_submit(const apr_array_header_t **pfiles, const char **perror,
                               const sb_extract_t *x, const sb_extract_desk_t *desk, apr_pool_t *p)
{
    const char *queue = sb_conf_str(desk->conf, "extract.job.queue.async"), *args;
    apr_array_header_t *files = apr_array_make(p, x->parts, sizeof(sb_job_file_t));
    sb_job_t *job = sb_job_make(desk->conf, p);
    apr_status_t rv = announce(files, perror, job->id, x, desk, p);

    *pfiles = files;
    if (rv != APR_SUCCESS) {
        take_back(job->id, desk, p);
        return rv;
    }
    job->kind = SB_EXTRACT_JOB;
    job->tenant = sb_scope_tenant(x->scope);
    job->uid = x->user->uid;
    job->guid = x->user->guid;
    job->title = title_of(x, p);
    job->params = params_of(x, p);
    job->request_id = desk->request_id;
    job->max_open = (int)sb_conf_int(desk->conf, "extract.max_open");
    job->max_kept = (int)sb_conf_int(desk->conf, "extract.max_kept");
    for (int i = 0; i < files->nelts; i++) {
        const sb_job_file_t *f = &APR_ARRAY_IDX(files, i, sb_job_file_t);

        sb_job_file(job, f->name, f->pickup_id, f->url, f->web_url);
    }
    args = args_of(x, (const sb_job_file_t *)files->elts, files->nelts, p);
    sb_job_step(job, SB_STEP_FAIL);
    sb_job_task(job, queue, TASK_MAKE, args, 1);
    sb_job_final(job, queue, TASK_CLEAN, args);
    rv = create(job, perror, desk, p);
    if (rv == SB_EDENIED) { /* else it may be there, though nobody said so */
        take_back(job->id, desk, p);
    }
    return rv;
}

/* ---- a task ---------------------------------------------------------------------------------------- */

typedef struct {
    sb_task_t *task;
    const sb_extract_worker_t *w;
    sb_extract_t x;
    const sb_json_t *files; /* of the arguments */
    const char *dir;        /* of this request */
    sb_extract_result_t result;
    sb_db_t *stats; /* NULL none */
    const char *message;
    apr_pool_t *p;
} make_t;

/* The directory of a request. Both names were judged when they came. */
static apr_status_t dir_of(const char **pdir, const sb_conf_t *conf, const sb_extract_t *x,
                           apr_pool_t *p)
{
    const char *tenant, *text = sb_scope_tenant(x->scope);

    if (sb_path_component(&tenant, text, strlen(text), p)) {
        return SB_EINPUT;
    }
    *pdir = apr_pstrcat(p, sb_conf_str(conf, "extract.work_zone_base_dir"), "/", tenant, "/", x->id,
                        NULL);
    return APR_SUCCESS;
}

static const sb_json_t *file_at(const make_t *m, int part)
{
    const sb_json_t *f = m->files ? m->files->child : NULL;

    for (; f && part > 0; part--) {
        f = f->next;
    }
    return f;
}

static const char *path_of(const make_t *m, int part)
{
    return apr_psprintf(m->p, "%s/%d.zip", m->dir, part);
}

static apr_status_t open_part(sb_zip_t **pz, void *ctx, int part)
{
    make_t *m = ctx;

    return sb_zip_open(
        pz,
        &(sb_zip_opts_t){.path = path_of(m, part),
                         .mode = 0600,
                         .level = (int)sb_conf_int(m->w->conf, "extract.compression_level"),
                         .when = m->x.when,
                         .ahead = 1},
        m->p);
}

static apr_status_t progress(void *ctx, apr_int64_t done, apr_int64_t all)
{
    make_t *m = ctx;

    if (all > 0) {
        sb_task_progress(m->task, MAKING * (double)done / (double)all);
    }
    return sb_task_stop(m->task) ? APR_EINTR : APR_SUCCESS;
}

#define SWEEP_EACH 3600.0 /* seconds, at most */
/* One COPY of the largest state, with the files of its students read while the rows come. */
#define DATA_PATIENCE apr_time_from_sec(86400)
#define STATS_PATIENCE apr_time_from_sec(10) /* a row */

/* Without a limit a server that is connected and silent would hold the task for ever: its lease lives on. */
static apr_status_t connect_to(sb_db_t **pdb, const char *url, const char *schema,
                               apr_interval_time_t patience, const sb_conf_t *conf, apr_pool_t *p)
{
    sb_db_opts_t opts = {.app = "smarter-worker-extract",
                         .schema = schema,
                         .statement_timeout = patience,
                         .no_prepare = !sb_conf_bool(conf, "edware.db.prepare")};

    return sb_db_open(pdb, sb_conf_db_url(url, p), &opts, p);
}

/* The file that says that all archives are made, and of which version of the data; an attempt that finds it only
 * delivers. */
static const char *done_path(const make_t *m)
{
    return apr_pstrcat(m->p, m->dir, "/made", NULL);
}

static apr_status_t make_archives(make_t *m)
{
    const sb_conf_t *conf = m->w->conf;
    sb_extract_run_t run = {.conf = conf, .open = open_part, .progress = progress, .ctx = m};
    const char *version;
    apr_size_t len;
    char *made;
    apr_status_t rv = sb_file_read(&made, &len, done_path(m), VERSION_MAX, m->p);

    if (rv == APR_SUCCESS) {
        m->result.moved = len && m->x.version && strcmp(m->x.version, made);
        return rv;
    }
    if (!APR_STATUS_IS_ENOENT(rv)) {
        return rv;
    }
    rv = sb_dir_make(m->dir, 0700, m->p);
    if (rv == APR_SUCCESS) {
        rv = connect_to(
            &run.db,
            sb_conf_tenant_str(conf, "edware.db.<tenant>.url", sb_scope_tenant(m->x.scope)),
            m->x.schema, DATA_PATIENCE, conf, m->p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_extract_make(&m->result, &m->x, &run, m->p);
    }
    if (rv != APR_SUCCESS && rv != APR_NOTFOUND && !APR_STATUS_IS_EINTR(rv)) {
        sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(2301), rv,
               "extract %s: making archives: %s", m->x.id,
               m->result.why ? m->result.why
               : run.db      ? sb_db_error(run.db)
                             : "");
    }
    if (rv == APR_SUCCESS) {
        version = m->result.plan.version;
        rv = sb_file_write(done_path(m), version, strlen(version), 0600, m->p);
    }
    return rv;
}

static int is_stopping(void *ctx)
{
    return sb_task_stop(ctx);
}

/* The pickup zone has another archive: one of an attempt whose work zone is gone, maybe of other data. Alone it
 * is as good as ours; beside parts of ours it would be a mixture. */
static apr_status_t take_theirs(const make_t *m, int part, const sb_pickup_receipt_t *theirs)
{
    if (m->x.parts == 1 && theirs->size >= 0) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(2302), SB_ECONFLICT, "extract %s: it was delivered before",
               m->x.id);
        return APR_SUCCESS;
    }
    sb_log(SB_LOG_WARN, SBLOGNO(2306), SB_ECONFLICT,
           "extract %s: part %d was delivered with other data", m->x.id, part);
    sb_task_reason(m->task, "An earlier attempt delivered other data. Please ask again.");
    return SB_EINPUT; /* for good */
}

/* For good, but not for ever: the operator reads which key it is, the requester what he can do without him. */
static void explain_size(const make_t *m, int part, const char *error)
{
    struct stat st = {.st_size = 0};
    long mib;

    (void)!stat(path_of(m, part), &st);
    mib = (long)((st.st_size + MIB - 1) / MIB);
    sb_log(SB_LOG_WARN, SBLOGNO(2307), SB_ETOOBIG,
           "extract %s: part %d has %ld MiB, over hpz.frs.file_size_limit of the pickup zone: %s",
           m->x.id, part, mib, error ? error : "");
    sb_task_reason(m->task,
                   "The file has %ld MiB, more than can be kept for download. Please ask for less "
                   "at a time, or have the limit raised.",
                   mib);
}

/* One archive to the pickup zone. */
static apr_status_t deliver(make_t *m, int part)
{
    const sb_json_t *f = file_at(m, part);
    const char *name = sb_json_str(sb_json_get(f, "name"), NULL);
    const char *id = sb_json_str(sb_json_get(f, "id"), NULL), *error = NULL;
    sb_pickup_receipt_t receipt = {.size = -1};
    sb_job_file_t made;
    apr_status_t rv;

    if (!name || !id) {
        return SB_EINPUT;
    }
    sb_extract_note(m->stats, m->x.id, "COPYING", m->message, m->message, NULL);
    rv = sb_pickup_upload(&receipt, &error, m->w->pickup, path_of(m, part), id, name, is_stopping,
                          m->task, m->p);
    if (rv == SB_ECONFLICT) {
        rv = take_theirs(m, part, &receipt);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    if (APR_STATUS_IS_EINTR(rv)) {
        return rv;
    }
    if (rv == SB_ETOOBIG) {
        explain_size(m, part, error);
        return rv;
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2303), rv, "extract %s: delivering part %d: %s", m->x.id, part,
               error ? error : "");
        sb_task_reason(m->task, "The file could not be brought to where you fetch it.");
        return rv;
    }
    made = (sb_job_file_t){
        .name = name, .pickup_id = id, .size = receipt.size, .sha256 = receipt.sha256};
    sb_task_file(m->task, &made);
    sb_extract_note(m->stats, m->x.id, "COPIED", m->message, m->message, NULL);
    return APR_SUCCESS;
}

static void explain(const make_t *m, apr_status_t rv)
{
    if (rv == APR_NOTFOUND) {
        sb_task_reason(m->task, "There is no data any more for what was asked for.");
    }
    else if (m->result.why) {
        sb_task_reason(m->task, "The extract could not be made: %s.", m->result.why);
    }
}

static apr_status_t make_and_deliver(make_t *m)
{
    apr_status_t rv;

    sb_extract_note(m->stats, m->x.id, "EXTRACTING", m->x.id, m->message, NULL);
    rv = make_archives(m);
    if (rv != APR_SUCCESS) {
        explain(m, rv);
        return rv;
    }
    sb_extract_note(m->stats, m->x.id, "EXTRACTED", m->x.id, m->message, NULL);
    if (m->result.moved) {
        sb_task_notice(m->task, "The data changed between the request and the making of the file.");
    }
    for (int part = 0; part < m->x.parts && rv == APR_SUCCESS; part++) {
        rv = sb_task_stop(m->task) ? APR_EINTR : deliver(m, part);
        sb_task_progress(m->task, MAKING + (1 - MAKING) * (part + 1) / m->x.parts);
    }
    return rv;
}

/* Of the statistics, if they can be had: nothing waits for them. */
static void open_stats(make_t *m)
{
    const char *url = sb_conf_str(m->w->conf, "edware_stats.db.url");

    if (url && connect_to(&m->stats, url, sb_conf_str(m->w->conf, "edware_stats.db.schema_name"),
                          STATS_PATIENCE, m->w->conf, m->p) != APR_SUCCESS) {
        m->stats = NULL;
    }
}

apr_status_t sb_extract_work(sb_task_t *task, void *worker)
{
    make_t m = {.task = task, .w = worker, .p = task->pool};
    sb_extract_env_t env = {m.w->conf, sb_tenants(m.w->conf, task->pool)};
    const char *complaint;
    apr_status_t rv;

    rv = sb_extract_load(&m.x, &complaint, sb_json_get(task->args, "request"), &env, task->pool);

    if (rv == APR_SUCCESS) {
        rv = dir_of(&m.dir, m.w->conf, &m.x, task->pool);
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2304), rv, "extract of job %s: not as it was saved: %s",
               task->job, complaint ? complaint : "");
        return rv;
    }
    if (!strcmp(task->name, TASK_CLEAN)) {
        return sb_dir_remove(m.dir, task->pool);
    }
    m.files = sb_json_get(task->args, "files");
    m.message = apr_psprintf(task->pool, "%" APR_INT64_T_FMT, task->id);
    open_stats(&m);
    rv = make_and_deliver(&m);
    if (rv == SB_ECONFIG) { /* what is not there now is not there in a minute */
        rv = SB_EINPUT;
    }
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EINTR(rv)) {
        char text[120];

        sb_extract_note(m.stats, m.x.id, "FAILED", m.x.id, m.message,
                        sb_strerror(rv, text, sizeof(text)));
    }
    return rv;
}

/* ---- what was left --------------------------------------------------------------------------------- */

/* Directories of requests of one tenant that nobody wrote into for longer than a job may take. */
static void sweep_tenant(const char *dir, apr_time_t before, apr_pool_t *p)
{
    apr_finfo_t info;
    apr_dir_t *d;
    apr_status_t rv;

    if (apr_dir_open(&d, dir, p) != APR_SUCCESS) {
        return;
    }
    while (apr_dir_read(&info, APR_FINFO_DIRENT | APR_FINFO_TYPE | APR_FINFO_MTIME, d) ==
           APR_SUCCESS) {
        if (info.filetype != APR_DIR || !sb_uuid_is_valid(info.name) || info.mtime > before) {
            continue;
        }
        rv = sb_dir_remove(apr_pstrcat(p, dir, "/", info.name, NULL), p);
        sb_log(SB_LOG_NOTICE, SBLOGNO(2305), rv, "extract %s: its work zone was left, removing it",
               info.name);
    }
    apr_dir_close(d);
}

static void sweep(const sb_conf_t *conf, apr_pool_t *p)
{
    const char *base = sb_conf_str(conf, "extract.work_zone_base_dir");
    apr_time_t before =
        apr_time_now() - sb_conf_interval(conf, "jobs.give_up_after") - apr_time_from_sec(3600);
    const apr_array_header_t *tenants = sb_tenants(conf, p);

    for (int i = 0; i < tenants->nelts; i++) {
        sweep_tenant(apr_pstrcat(p, base, "/", APR_ARRAY_IDX(tenants, i, sb_tenant_t).name, NULL),
                     before, p);
    }
}

/* What a dead worker left, or one whose last step another host did. */
void sb_extract_idle(void *worker)
{
    sb_extract_worker_t *w = worker;
    double now = sb_time_monotonic();
    double old = (double)sb_conf_interval(w->conf, "jobs.give_up_after") / APR_USEC_PER_SEC;
    apr_pool_t *p;

    if (w->swept && now - w->swept < (old < SWEEP_EACH ? old : SWEEP_EACH)) {
        return;
    }
    w->swept = now;
    apr_pool_create(&p, w->p);
    sweep(w->conf, p);
    apr_pool_destroy(p);
}
