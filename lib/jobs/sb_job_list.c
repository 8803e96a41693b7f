/* Looking at jobs: see sb_job.h. */

#include <string.h>

#include <apr_strings.h>

#include "core/sb_uuid.h"
#include "jobs/sb_job.h"

#define MAX_LISTED 100

static const char *const state_names[] = {"queued", "running",   "ready",
                                          "failed", "cancelled", "expired"};
#define NSTATES ((int)(sizeof state_names / sizeof state_names[0]))

#define EPOCH(column) "(extract(epoch FROM " column ") * 1e6)::bigint"

/* What a running job has done is summed up here, of those shown only: keeping a sum would make all its tasks
 * wait for one another at every heartbeat. */
#define SHOWN(where)                                                                               \
    "SELECT j.job_id, kind, tenant, owner_uid, title, params, state, error, notice,"               \
    " " EPOCH("created_at") ", " EPOCH("started_at") ", " EPOCH(                                   \
        "ended_at") ","                                                                            \
                    " " EPOCH(                                                                     \
                        "expires_at") ", closed_at IS NOT NULL, deleted_at IS NOT NULL, "          \
                                      "p.percent, p.failed"                                        \
                                      " FROM (SELECT * FROM {schema}.job WHERE " where             \
                                      "  ORDER BY created_at DESC, job_id DESC LIMIT $1::int) j, " \
                                      "LATERAL (SELECT"                                            \
                                      "   floor(100 * sum(progress * weight) / sum(weight))::int " \
                                      "AS percent,"                                                \
                                      "   count(*) FILTER (WHERE t.state = 'failed') AS failed"    \
                                      "   FROM {schema}.task t WHERE t.job_id = j.job_id"          \
                                      "   AND t.step IS DISTINCT FROM j.final_step) p"             \
                                      " ORDER BY created_at DESC, j.job_id DESC"

/* For pages, asked all the time. */
static const sb_stmt_t own_stmt = {
    "job_list_own", 3,
    SHOWN("owner_uid = $2 AND deleted_at IS NULL AND ($3::uuid IS NULL OR (created_at, job_id) <"
          " (SELECT b.created_at, b.job_id FROM {schema}.job b"
          " WHERE b.job_id = $3::uuid AND b.owner_uid = $2))")};

static const sb_stmt_t find_stmt = {"job_find", 2, SHOWN("job_id = $2::uuid")};

/* For operators. */
static const sb_stmt_t all_stmt = {
    "job_list_all", 5,
    SHOWN("($2::text IS NULL OR owner_uid = $2) AND ($3::text IS NULL OR tenant = $3)"
          " AND ($4::text IS NULL OR state = $4) AND ($5::boolean OR deleted_at IS NULL)")};

static const sb_stmt_t files_stmt = {
    "job_files", 1,
    "SELECT job_id, name, pickup_id, url, web_url, size, sha256 FROM {schema}.file"
    " WHERE job_id = ANY ($1::uuid[]) ORDER BY job_id, number, name"};

const char *sb_job_state_name(sb_job_state_t state)
{
    return state_names[state];
}

static sb_job_state_t state_of(const char *name)
{
    int i;

    for (i = 0; i < NSTATES - 1 && strcmp(state_names[i], name); i++) {
    }
    return (sb_job_state_t)i;
}

static int percent_of(const sb_job_info_t *job, apr_int64_t done)
{
    if (job->state == SB_JOB_READY || job->state == SB_JOB_EXPIRED) {
        return 100;
    }
    return done > 99 ? 99 : (int)done; /* all its tasks, but it is not said to be ready */
}

static void read_job(sb_job_info_t *job, const sb_rows_t *rows, int i, apr_pool_t *p)
{
    job->id = sb_rows_text(rows, i, 0);
    job->kind = sb_rows_text(rows, i, 1);
    job->tenant = sb_rows_text(rows, i, 2);
    job->uid = sb_rows_text(rows, i, 3);
    job->title = sb_rows_text(rows, i, 4);
    job->params = sb_rows_text(rows, i, 5);
    job->state = state_of(sb_rows_text(rows, i, 6));
    job->error = sb_rows_text(rows, i, 7);
    job->notice = sb_rows_text(rows, i, 8);
    job->created = sb_rows_int(rows, i, 9, 0);
    job->started = sb_rows_int(rows, i, 10, 0);
    job->ended = sb_rows_int(rows, i, 11, 0);
    job->expires = sb_rows_int(rows, i, 12, 0);
    job->closed = sb_rows_bool(rows, i, 13) == 1;
    job->deleted = sb_rows_bool(rows, i, 14) == 1;
    job->percent = percent_of(job, sb_rows_int(rows, i, 15, 0));
    job->failed_tasks = (int)sb_rows_int(rows, i, 16, 0);
    job->files = apr_array_make(p, 2, sizeof(sb_job_file_t));
}

/* Give each file to its job: both lists are short. */
static void read_file(apr_array_header_t *jobs, const sb_rows_t *rows, int i)
{
    const char *id = sb_rows_text(rows, i, 0);
    sb_job_file_t *f;
    int j = 0;

    while (strcmp(APR_ARRAY_IDX(jobs, j, sb_job_info_t).id, id)) {
        j++;
    }
    f = apr_array_push(APR_ARRAY_IDX(jobs, j, sb_job_info_t).files);
    f->name = sb_rows_text(rows, i, 1);
    f->pickup_id = sb_rows_text(rows, i, 2);
    f->url = sb_rows_text(rows, i, 3);
    f->web_url = sb_rows_text(rows, i, 4);
    f->size = sb_rows_int(rows, i, 5, -1);
    f->sha256 = sb_rows_text(rows, i, 6);
}

static apr_status_t read_files(apr_array_header_t *jobs, sb_db_t *db, apr_pool_t *p)
{
    apr_array_header_t *ids = apr_array_make(p, jobs->nelts + 1, sizeof(const char *));
    const char *args[1];
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    for (i = 0; i < jobs->nelts; i++) {
        APR_ARRAY_PUSH(ids, const char *) = APR_ARRAY_IDX(jobs, i, sb_job_info_t).id;
    }
    args[0] = apr_pstrcat(p, "{", apr_array_pstrcat(p, ids, ','), "}", NULL);
    rv = sb_db_query(&rows, db, &files_stmt, args, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        read_file(jobs, rows, i);
    }
    return rv;
}

static apr_status_t run(apr_array_header_t **pjobs, sb_db_t *db, const sb_stmt_t *st,
                        const char *const *args, apr_pool_t *p)
{
    apr_array_header_t *jobs = apr_array_make(p, 8, sizeof(sb_job_info_t));
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    *pjobs = jobs;
    rv = sb_db_query(&rows, db, st, args, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        read_job(apr_array_push(jobs), rows, i, p);
    }
    return rv == APR_SUCCESS && jobs->nelts ? read_files(jobs, db, p) : rv;
}

apr_status_t sb_job_list(apr_array_header_t **pjobs, sb_db_t *db, const sb_job_filter_t *filter,
                         apr_pool_t *p)
{
    const char *args[] = {apr_itoa(p, filter->max ? filter->max : MAX_LISTED), filter->uid,
                          filter->tenant, filter->state, filter->with_deleted ? "t" : "f"};

    return run(pjobs, db, &all_stmt, args, p);
}

apr_status_t sb_job_list_own(apr_array_header_t **pjobs, int *pmore, sb_db_t *db, const char *uid,
                             const char *before, int max, apr_pool_t *p)
{
    const char *args[] = {apr_itoa(p, max + 1), uid, before};
    apr_status_t rv;

    *pmore = 0;
    if (before && !sb_uuid_is_valid(before)) {
        *pjobs = apr_array_make(p, 1, sizeof(sb_job_info_t));
        return APR_SUCCESS;
    }
    rv = run(pjobs, db, &own_stmt, args, p);
    if ((*pjobs)->nelts > max) {
        *pmore = 1;
        apr_array_pop(*pjobs);
    }
    return rv;
}

static apr_status_t find(sb_job_info_t **pjob, sb_db_t *db, const char *id, apr_pool_t *p)
{
    const char *args[] = {"1", id};
    apr_array_header_t *jobs;
    apr_status_t rv;

    *pjob = NULL;
    if (!sb_uuid_is_valid(id)) {
        return APR_NOTFOUND;
    }
    rv = run(&jobs, db, &find_stmt, args, p);
    if (rv == APR_SUCCESS && !jobs->nelts) {
        rv = APR_NOTFOUND;
    }
    if (rv == APR_SUCCESS) {
        *pjob = &APR_ARRAY_IDX(jobs, 0, sb_job_info_t);
    }
    return rv;
}

apr_status_t sb_job_find_any(sb_job_info_t **pjob, sb_db_t *db, const char *id, apr_pool_t *p)
{
    return find(pjob, db, id, p);
}

apr_status_t sb_job_find(sb_job_info_t **pjob, sb_db_t *db, const char *uid, const char *id,
                         apr_pool_t *p)
{
    apr_status_t rv = find(pjob, db, id, p);

    if (rv == APR_SUCCESS && (strcmp((*pjob)->uid, uid) || (*pjob)->deleted)) {
        *pjob = NULL;
        rv = APR_NOTFOUND;
    }
    return rv;
}

static const sb_stmt_t tasks_stmt = {
    "job_tasks", 1,
    "SELECT step, number, name, queue, state, attempt, claim, worker, floor(100 * progress)::int,"
    " error FROM {schema}.task WHERE job_id = $1::uuid ORDER BY step, number"};

apr_status_t sb_job_tasks(apr_array_header_t **ptasks, sb_db_t *db, const char *id, apr_pool_t *p)
{
    apr_array_header_t *tasks = apr_array_make(p, 8, sizeof(sb_job_task_info_t));
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    *ptasks = tasks;
    if (!sb_uuid_is_valid(id)) {
        return APR_SUCCESS;
    }
    rv = sb_db_query(&rows, db, &tasks_stmt, &id, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        sb_job_task_info_t *t = apr_array_push(tasks);

        t->step = (int)sb_rows_int(rows, i, 0, 0);
        t->number = (int)sb_rows_int(rows, i, 1, 0);
        t->name = sb_rows_text(rows, i, 2);
        t->queue = sb_rows_text(rows, i, 3);
        t->state = sb_rows_text(rows, i, 4);
        t->attempt = (int)sb_rows_int(rows, i, 5, 0);
        t->claims = sb_rows_int(rows, i, 6, 0);
        t->worker = sb_rows_text(rows, i, 7);
        t->percent = (int)sb_rows_int(rows, i, 8, 0);
        t->error = sb_rows_text(rows, i, 9);
    }
    return rv;
}

#define AGE(column) "(extract(epoch FROM now() - " column ") * 1e6)::bigint"

static const sb_stmt_t health_stmt = {
    "job_health", 0,
    "SELECT (SELECT count(*) FROM {schema}.job WHERE state = 'queued'),"
    " (SELECT count(*) FROM {schema}.job WHERE state = 'running'),"
    " (SELECT count(*) FROM {schema}.job WHERE state = 'failed'"
    "  AND ended_at > now() - interval '1 day'),"
    " (SELECT " AGE(
        "min(due_at)") " FROM {schema}.outbox WHERE due_at < now()),"
                       " " AGE("t.published_at") ", t.queue"
                                                 " FROM (SELECT) one LEFT JOIN LATERAL (SELECT "
                                                 "published_at, queue FROM {schema}.task"
                                                 "  WHERE state = 'queued' AND published_at IS NOT "
                                                 "NULL ORDER BY published_at LIMIT 1) t ON true"};

apr_status_t sb_job_health(sb_job_health_t *health, sb_db_t *db, apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv;

    memset(health, 0, sizeof *health);
    rv = sb_db_query(&rows, db, &health_stmt, NULL, p);
    if (rv == APR_SUCCESS) {
        health->queued = (int)sb_rows_int(rows, 0, 0, 0);
        health->running = (int)sb_rows_int(rows, 0, 1, 0);
        health->failed = (int)sb_rows_int(rows, 0, 2, 0);
        health->unsent = sb_rows_int(rows, 0, 3, 0);
        health->untaken = sb_rows_int(rows, 0, 4, 0);
        health->untaken_queue = sb_rows_text(rows, 0, 5);
    }
    return rv;
}
