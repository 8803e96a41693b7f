/**
 * /services/jobs: what the user asked for, how far it is, where its files are; ending or removing it.
 */

#include "smarter.h"

#include <apr_strings.h>
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "jobs/sb_job.h"

#define LISTED 100
#define UNKNOWN_JOB "There is nothing at this address"

#define JOB_ID(n)                                                                                  \
    {                                                                                              \
        .name = n, .type = SB_PARAM_STRING, .chars = "a-f0-9-", .min_len = 36, .max_len = 36       \
    }
static const sb_param_t id_schema[] = {JOB_ID("job_id"), {.name = NULL}};
const sb_param_t smarter_jobs_params[] = {JOB_ID("before"), {.name = NULL}};

/* ---- answers ----------------------------------------------------------------------------------- */

static void write_time(sb_jw_t *w, const char *key, apr_time_t t)
{
    char buf[SB_ISO_TIME_SIZE];

    sb_jw_str(w, key, t ? sb_time_iso(buf, t) : NULL);
}

/* Where it can be had: only while it can. */
static void write_file(sb_jw_t *w, const sb_job_file_t *f, int there)
{
    sb_jw_object(w, NULL);
    sb_jw_str(w, "name", f->name);
    if (f->size >= 0) {
        sb_jw_int(w, "size", f->size);
    }
    else {
        sb_jw_null(w, "size");
    }
    sb_jw_str(w, "download_url", there && f->size >= 0 ? f->url : NULL);
    sb_jw_str(w, "web_download_url", there && f->size >= 0 ? f->web_url : NULL);
    sb_jw_end(w);
}

static void write_job(sb_jw_t *w, const sb_job_info_t *job, const char *key)
{
    sb_jw_object(w, key);
    sb_jw_str(w, "id", job->id);
    sb_jw_str(w, "kind", job->kind);
    sb_jw_str(w, "title", job->title);
    sb_jw_str(w, "state", sb_job_state_name(job->state));
    sb_jw_int(w, "percent", job->percent);
    sb_jw_int(w, "missing_parts", job->state == SB_JOB_READY ? job->failed_tasks : 0);
    sb_jw_str(w, "reason", job->error);
    sb_jw_str(w, "notice", job->notice);
    write_time(w, "created", job->created);
    write_time(w, "ended", job->ended);
    write_time(w, "expires", job->expires);
    sb_jw_array(w, "files");
    for (int i = 0; i < job->files->nelts; i++) {
        write_file(w, &APR_ARRAY_IDX(job->files, i, sb_job_file_t), job->state == SB_JOB_READY);
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

/* When it makes sense to ask again: soon for what was asked for just now, seldom for what takes its time.
 * 0: nothing will change by itself. */
static int poll_secs(const apr_array_header_t *jobs)
{
    apr_interval_time_t youngest = -1;

    for (int i = 0; i < jobs->nelts; i++) {
        const sb_job_info_t *job = &APR_ARRAY_IDX(jobs, i, sb_job_info_t);
        apr_interval_time_t age = apr_time_now() - job->created;

        if ((job->state == SB_JOB_QUEUED || job->state == SB_JOB_RUNNING) &&
            (youngest < 0 || age < youngest)) {
            youngest = age;
        }
    }
    return youngest < 0                           ? 0
           : youngest < apr_time_from_sec(60)     ? 2
           : youngest < apr_time_from_sec(5 * 60) ? 5
                                                  : 15;
}

static int send_tagged(sb_req_t *q, sb_jw_t *w)
{
    apr_size_t len;
    const char *json = sb_jw_text(w, &len);

    return sb_web_json_etag(q->r, json, len);
}

/* ---- the database ------------------------------------------------------------------------------ */

/* @return OK; DONE the answer is written */
static int open_db(sb_db_t **pdb, sb_req_t *q)
{
    smarter_child_t *child = smarter_child(q);
    apr_status_t rv;

    if (!child->jobs) {
        sb_web_problem(q->r, HTTP_SERVICE_UNAVAILABLE, "Nothing can be asked for here");
        return DONE;
    }
    rv = sb_dbpool_get(pdb, child->jobs, q->r->pool);
    if (rv != APR_SUCCESS) {
        sb_web_fail(q->r, rv, SBLOGNO(3090), "reaching the database of jobs");
        return DONE;
    }
    return OK;
}

/* The job of the address. Another's looks as one that is not there.
 * @return OK; DONE the answer is written */
static int find(sb_job_info_t **pjob, sb_db_t **pdb, sb_req_t *q)
{
    apr_status_t rv;

    if (sb_req_segment(q, id_schema)) {
        sb_web_problem(q->r, HTTP_NOT_FOUND, UNKNOWN_JOB);
        return DONE;
    }
    if (open_db(pdb, q) != OK) {
        return DONE;
    }
    rv = sb_job_find(pjob, *pdb, q->user->uid, q->rest, q->r->pool);
    if (APR_STATUS_IS_NOTFOUND(rv)) {
        sb_web_problem(q->r, HTTP_NOT_FOUND, UNKNOWN_JOB);
        return DONE;
    }
    if (rv != APR_SUCCESS) {
        sb_web_fail(q->r, rv, SBLOGNO(3091), "finding a job");
        return DONE;
    }
    return OK;
}

/* ---- handlers ---------------------------------------------------------------------------------- */

int smarter_jobs_list(sb_req_t *q)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);
    apr_array_header_t *jobs;
    apr_status_t rv;
    sb_db_t *db;
    int more;

    if (open_db(&db, q) != OK) {
        return OK;
    }
    rv = sb_job_list_own(&jobs, &more, db, q->user->uid, sb_params_str(q->params, "before"), LISTED,
                         q->r->pool);
    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, rv, SBLOGNO(3092), "listing jobs");
    }
    sb_jw_object(w, NULL);
    sb_jw_array(w, "jobs");
    for (int i = 0; i < jobs->nelts; i++) {
        write_job(w, &APR_ARRAY_IDX(jobs, i, sb_job_info_t), NULL);
    }
    sb_jw_end(w);
    sb_jw_bool(w, "more", more);
    sb_jw_int(w, "poll_seconds", poll_secs(jobs));
    sb_jw_end(w);
    return send_tagged(q, w);
}

int smarter_jobs_show(sb_req_t *q)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);
    sb_job_info_t *job;
    sb_db_t *db;

    if (find(&job, &db, q) != OK) {
        return OK;
    }
    write_job(w, job, NULL);
    return send_tagged(q, w);
}

/* One that is not over is ended, one that is over goes out of the list. */
int smarter_jobs_delete(sb_req_t *q)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);
    const char *json;
    sb_job_info_t *job;
    apr_status_t rv;
    apr_size_t len;
    sb_db_t *db;
    int open;

    if (find(&job, &db, q) != OK) {
        return OK;
    }
    open = job->state == SB_JOB_QUEUED || job->state == SB_JOB_RUNNING;
    rv = open ? sb_job_cancel(db, job->id, q->r->pool) : sb_job_delete(db, job->id, q->r->pool);
    if (rv == SB_ECONFLICT) {
        return sb_web_problem(q->r, HTTP_CONFLICT, "It has ended just now: look at it again");
    }
    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, rv, SBLOGNO(3093), "ending a job");
    }
    sb_jw_object(w, NULL);
    sb_jw_str(w, "job_id", job->id);
    sb_jw_str(w, "result", open ? "cancelled" : "deleted");
    sb_jw_end(w);
    json = sb_jw_text(w, &len);
    return sb_web_json(q->r, json, len);
}
