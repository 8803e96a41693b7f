/* Making and ending jobs: see sb_job.h. What a call means is decided by the functions of sql/jobs. */

#include <string.h>

#include <apr_strings.h>

#include "core/sb_uuid.h"
#include "jobs/sb_job.h"

typedef struct {
    const char *queue, *name, *args;
    int weight;
} plan_task_t;

typedef struct {
    sb_step_policy_t policy;
    apr_array_header_t *tasks; /* of plan_task_t */
} plan_step_t;

struct sb_job_plan_t {
    apr_pool_t *pool;
    apr_array_header_t *files; /* of sb_job_file_t */
    apr_array_header_t *steps; /* of plan_step_t */
    int final_step;            /* number, 0 none */
    int ntasks;
    int misused; /* a task before the first step, or behind the final one */
    apr_size_t bytes;
};

static const sb_stmt_t create_stmt = {
    "job_create", 3, "SELECT {schema}.job_create_within($1::json, $2::int, $3::int)"};
static const sb_stmt_t cancel_stmt = {"job_cancel", 1, "SELECT {schema}.job_cancel($1::uuid)"};
static const sb_stmt_t delete_stmt = {"job_delete", 1, "SELECT {schema}.job_delete($1::uuid)"};
static const sb_stmt_t retry_stmt = {
    "job_retry", 2, "SELECT {schema}.job_retry($1::uuid, $2::bigint * interval '1 us')"};
static const sb_stmt_t count_stmt = {
    "job_count_open", 3,
    "SELECT count(*) FROM {schema}.job WHERE tenant = $1 AND owner_uid = $2"
    " AND ($3::text IS NULL OR kind = $3) AND state IN ('queued', 'running')"};

static const sb_stmt_t kept_stmt = {
    "job_count_kept", 3,
    "SELECT count(*) FROM {schema}.job j WHERE tenant = $1 AND owner_uid = $2"
    " AND ($3::text IS NULL OR kind = $3) AND state = 'ready' AND deleted_at IS NULL"
    " AND EXISTS (SELECT FROM {schema}.file f WHERE f.job_id = j.job_id AND size IS NOT NULL)"};

/* ---- planning -------------------------------------------------------------------------------- */

sb_job_t *sb_job_make(const sb_conf_t *conf, apr_pool_t *p)
{
    sb_job_t *job = apr_pcalloc(p, sizeof *job);

    job->max_attempts = (int)sb_conf_int(conf, "jobs.max_attempts");
    job->retry_delay = sb_conf_interval(conf, "jobs.retry_delay");
    job->keep = sb_conf_interval(conf, "jobs.keep");
    job->give_up_after = sb_conf_interval(conf, "jobs.give_up_after");
    if (!sb_uuid_make(job->id)) {
        *job->id = '\0';
    }
    job->plan = apr_pcalloc(p, sizeof *job->plan);
    job->plan->pool = p;
    job->plan->files = apr_array_make(p, 4, sizeof(sb_job_file_t));
    job->plan->steps = apr_array_make(p, 4, sizeof(plan_step_t));
    return job;
}

void sb_job_file(sb_job_t *job, const char *name, const char *pickup_id, const char *url,
                 const char *web_url)
{
    sb_job_file_t *f = apr_array_push(job->plan->files);

    memset(f, 0, sizeof *f);
    f->name = name;
    f->pickup_id = pickup_id;
    f->url = url;
    f->web_url = web_url;
}

void sb_job_step(sb_job_t *job, sb_step_policy_t policy)
{
    plan_step_t *step = apr_array_push(job->plan->steps);

    job->plan->misused |= job->plan->final_step != 0;
    step->policy = policy;
    step->tasks = apr_array_make(job->plan->pool, 8, sizeof(plan_task_t));
}

void sb_job_task(sb_job_t *job, const char *queue, const char *name, const char *args, int weight)
{
    sb_job_plan_t *plan = job->plan;
    plan_step_t *step;
    plan_task_t *task;

    if (!plan->steps->nelts) {
        plan->misused = 1;
        return;
    }
    step = &APR_ARRAY_IDX(plan->steps, plan->steps->nelts - 1, plan_step_t);
    task = apr_array_push(step->tasks);
    task->queue = queue;
    task->name = name;
    task->args = args;
    task->weight = weight;
    plan->ntasks++;
    plan->bytes += args ? strlen(args) : 0;
}

void sb_job_final(sb_job_t *job, const char *queue, const char *name, const char *args)
{
    sb_job_step(job, SB_STEP_GO_ON);
    sb_job_task(job, queue, name, args, 1);
    job->plan->final_step = job->plan->steps->nelts;
}

/* ---- making one ------------------------------------------------------------------------------ */

static int is_object(const char *text, apr_pool_t *p)
{
    sb_json_limits_t limits = {.max_bytes = SB_JOB_MAX_BYTES};
    sb_json_t *root;

    return text && sb_json_parse(&root, NULL, text, strlen(text), &limits, p) == APR_SUCCESS &&
           root->type == SB_JSON_OBJECT;
}

static int step_is_good(const plan_step_t *step, apr_pool_t *p)
{
    int i, good = step->tasks->nelts > 0;

    for (i = 0; good && i < step->tasks->nelts; i++) {
        const plan_task_t *t = &APR_ARRAY_IDX(step->tasks, i, plan_task_t);

        good = t->queue && t->name && t->weight > 0 && is_object(t->args, p);
        apr_pool_clear(p);
    }
    return good;
}

static apr_status_t judge(const sb_job_t *job, apr_pool_t *p)
{
    const sb_job_plan_t *plan = job->plan;
    apr_pool_t *ptemp;
    int i, good;

    if (plan->ntasks > SB_JOB_MAX_TASKS || plan->files->nelts > SB_JOB_MAX_FILES ||
        plan->bytes + strlen(job->params ? job->params : "") > SB_JOB_MAX_BYTES) {
        return SB_ETOOBIG;
    }
    if (apr_pool_create(&ptemp, p) != APR_SUCCESS) {
        return APR_ENOMEM;
    }
    good = *job->id && job->kind && job->tenant && job->uid && job->title &&
           is_object(job->params, ptemp) && !plan->misused &&
           plan->steps->nelts > (plan->final_step ? 1 : 0);
    for (i = 0; good && i < plan->steps->nelts; i++) {
        good = step_is_good(&APR_ARRAY_IDX(plan->steps, i, plan_step_t), ptemp);
    }
    for (i = 0; good && i < plan->files->nelts; i++) {
        good = APR_ARRAY_IDX(plan->files, i, sb_job_file_t).name != NULL;
    }
    apr_pool_destroy(ptemp);
    return good ? APR_SUCCESS : SB_EINPUT;
}

static void write_files(sb_jw_t *w, const sb_job_plan_t *plan)
{
    int i;

    sb_jw_array(w, "files");
    for (i = 0; i < plan->files->nelts; i++) {
        const sb_job_file_t *f = &APR_ARRAY_IDX(plan->files, i, sb_job_file_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "name", f->name);
        sb_jw_str(w, "pickup_id", f->pickup_id);
        sb_jw_str(w, "url", f->url);
        sb_jw_str(w, "web_url", f->web_url);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

static void write_step(sb_jw_t *w, const plan_step_t *step)
{
    int i;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "on_failure", step->policy == SB_STEP_FAIL ? "fail" : "go_on");
    sb_jw_array(w, "tasks");
    for (i = 0; i < step->tasks->nelts; i++) {
        const plan_task_t *t = &APR_ARRAY_IDX(step->tasks, i, plan_task_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "queue", t->queue);
        sb_jw_str(w, "name", t->name);
        sb_jw_raw(w, "args", t->args, strlen(t->args));
        sb_jw_int(w, "weight", t->weight);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

static const char *job_json(const sb_job_t *job, apr_pool_t *p)
{
    const sb_job_plan_t *plan = job->plan;
    sb_jw_t *w = sb_jw_make(p);
    int i;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "id", job->id);
    sb_jw_str(w, "kind", job->kind);
    sb_jw_str(w, "tenant", job->tenant);
    sb_jw_str(w, "uid", job->uid);
    sb_jw_str(w, "guid", job->guid);
    sb_jw_str(w, "title", job->title);
    sb_jw_raw(w, "params", job->params, strlen(job->params));
    sb_jw_str(w, "request_id", job->request_id);
    sb_jw_int(w, "max_attempts", job->max_attempts);
    sb_jw_int(w, "retry_delay", job->retry_delay);
    sb_jw_int(w, "keep", job->keep);
    sb_jw_int(w, "give_up_after", job->give_up_after);
    if (plan->final_step) {
        sb_jw_int(w, "final_step", plan->final_step);
    }
    write_files(w, plan);
    sb_jw_array(w, "steps");
    for (i = 0; i < plan->steps->nelts; i++) {
        write_step(w, &APR_ARRAY_IDX(plan->steps, i, plan_step_t));
    }
    sb_jw_end(w);
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

apr_status_t sb_job_create(sb_db_t *db, const sb_job_t *job, apr_pool_t *p)
{
    apr_status_t rv = judge(job, p);
    const char *args[3];
    sb_rows_t *rows;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    args[0] = job_json(job, p);
    args[1] = apr_itoa(p, job->max_open);
    args[2] = apr_itoa(p, job->max_kept);
    rv = sb_db_query(&rows, db, &create_stmt, args, p);
    return rv != APR_SUCCESS || sb_rows_bool(rows, 0, 0) == 1 ? rv : SB_EDENIED;
}

static apr_status_t count_jobs(int *pcount, sb_db_t *db, const sb_stmt_t *st, const char *tenant,
                               const char *uid, const char *kind, apr_pool_t *p)
{
    const char *args[] = {tenant, uid, kind};
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, db, st, args, p);

    *pcount = rv == APR_SUCCESS ? (int)sb_rows_int(rows, 0, 0, 0) : 0;
    return rv;
}

apr_status_t sb_job_count_open(int *pcount, sb_db_t *db, const char *tenant, const char *uid,
                               const char *kind, apr_pool_t *p)
{
    return count_jobs(pcount, db, &count_stmt, tenant, uid, kind, p);
}

apr_status_t sb_job_count_kept(int *pcount, sb_db_t *db, const char *tenant, const char *uid,
                               const char *kind, apr_pool_t *p)
{
    return count_jobs(pcount, db, &kept_stmt, tenant, uid, kind, p);
}

/* ---- ending ---------------------------------------------------------------------------------- */

/* A function that says whether the job was in a state for it. */
static apr_status_t turn(sb_db_t *db, const sb_stmt_t *st, const char *const *args, apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv;

    if (!sb_uuid_is_valid(args[0])) {
        return SB_ECONFLICT;
    }
    rv = sb_db_query(&rows, db, st, args, p);
    return rv != APR_SUCCESS || sb_rows_bool(rows, 0, 0) == 1 ? rv : SB_ECONFLICT;
}

apr_status_t sb_job_cancel(sb_db_t *db, const char *id, apr_pool_t *p)
{
    return turn(db, &cancel_stmt, &id, p);
}

apr_status_t sb_job_delete(sb_db_t *db, const char *id, apr_pool_t *p)
{
    return turn(db, &delete_stmt, &id, p);
}

apr_status_t sb_job_retry(sb_db_t *db, const sb_conf_t *conf, const char *id, apr_pool_t *p)
{
    const char *args[] = {
        id, apr_psprintf(p, "%" APR_INT64_T_FMT, sb_conf_interval(conf, "jobs.give_up_after"))};

    return turn(db, &retry_stmt, args, p);
}
