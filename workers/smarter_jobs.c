/* smarter jobs: what users asked for, how far it is, and ending or trying it again. */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_uuid.h"
#include "jobs/sb_job.h"
#include "report/sb_audit.h"
#include "report/sb_operator.h"
#include "workers/smarter.h"
#include "workers/smarter_act.h"

#define LIMIT_MAX 10000 /* jobs of one list */

static int failed(const program_t *prog, apr_status_t rv, sb_db_t *db)
{
    char buf[200];

    program_complain(prog, "the database of jobs",
                     db && *sb_db_error(db) ? sb_db_error(db) : sb_strerror(rv, buf, sizeof buf));
    return program_status(rv);
}

/* @return exit status */
static int open_db(sb_db_t **pdb, program_t *prog)
{
    const char *url = sb_conf_str(prog->conf, "jobs.worker.db.url");
    sb_db_opts_t opts = {.app = "smarter",
                         .schema = sb_conf_str(prog->conf, "jobs.db.schema_name")};
    apr_status_t rv;

    *pdb = NULL;
    url = url ? url : sb_conf_str(prog->conf, "jobs.db.url");
    if (!url) {
        return program_complain(prog, prog->ini, "jobs.worker.db.url is not set, nor jobs.db.url");
    }
    rv = sb_db_open(pdb, sb_conf_db_url(url, prog->pool), &opts, prog->pool);
    return rv == APR_SUCCESS ? PROGRAM_DONE : failed(prog, rv, *pdb);
}

/* ---- one job ----------------------------------------------------------------------------------- */

static apr_int64_t size_of(const sb_job_info_t *job)
{
    apr_int64_t sum = -1;
    int i;

    for (i = 0; i < job->files->nelts; i++) {
        apr_int64_t size = APR_ARRAY_IDX(job->files, i, sb_job_file_t).size;

        sum = size < 0 ? sum : (sum < 0 ? 0 : sum) + size;
    }
    return sum;
}

static void job_json(sb_jw_t *w, const sb_job_info_t *job)
{
    int i;

    sb_jw_str(w, "id", job->id);
    sb_jw_str(w, "kind", job->kind);
    sb_jw_str(w, "tenant", job->tenant);
    sb_jw_str(w, "user", job->uid);
    sb_jw_str(w, "title", job->title);
    sb_jw_str(w, "state", sb_job_state_name(job->state));
    sb_jw_int(w, "percent", job->percent);
    sb_jw_int(w, "failed_tasks", job->failed_tasks);
    sb_jw_str(w, "error", job->error);
    sb_jw_str(w, "notice", job->notice);
    smarter_json_time(w, "created", job->created);
    smarter_json_time(w, "started", job->started);
    smarter_json_time(w, "ended", job->ended);
    smarter_json_time(w, "expires", job->expires);
    sb_jw_bool(w, "closed", job->closed);
    sb_jw_array(w, "files");
    for (i = 0; i < job->files->nelts; i++) {
        const sb_job_file_t *f = &APR_ARRAY_IDX(job->files, i, sb_job_file_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "name", f->name);
        sb_jw_str(w, "pickup_id", f->pickup_id);
        smarter_json_count(w, "size", f->size);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

static void task_json(sb_jw_t *w, const sb_job_task_info_t *t)
{
    sb_jw_object(w, NULL);
    sb_jw_int(w, "step", t->step);
    sb_jw_int(w, "number", t->number);
    sb_jw_str(w, "task", t->name);
    sb_jw_str(w, "queue", t->queue);
    sb_jw_str(w, "state", t->state);
    sb_jw_int(w, "attempt", t->attempt);
    sb_jw_int(w, "claims", t->claims);
    sb_jw_str(w, "worker", t->worker);
    sb_jw_int(w, "percent", t->percent);
    sb_jw_str(w, "error", t->error);
    sb_jw_end(w);
}

static void print_tasks(const apr_array_header_t *tasks, apr_pool_t *p)
{
    static const smarter_column_t columns[] = {{"STEP", 1, 0, 0, 0},    {"NO", 1, 0, 0, 0},
                                               {"TASK", 0, 0, 40, 10},  {"STATE", 0, 0, 0, 0},
                                               {"%", 1, 3, 0, 0},       {"ATTEMPT", 1, 2, 0, 0},
                                               {"WORKER", 0, 1, 30, 8}, {"REASON", 0, 0, 0, 10}};
    apr_array_header_t *rows = apr_array_make(p, tasks->nelts, sizeof(const char *const *));
    int i;

    for (i = 0; i < tasks->nelts; i++) {
        const sb_job_task_info_t *t = &APR_ARRAY_IDX(tasks, i, sb_job_task_info_t);
        const char **row = apr_palloc(p, sizeof(columns) / sizeof(*columns) * sizeof(*row));

        row[0] = apr_itoa(p, t->step);
        row[1] = apr_itoa(p, t->number);
        row[2] = smarter_safe(t->name, p);
        row[3] = t->state;
        row[4] = apr_itoa(p, t->percent);
        row[5] = apr_itoa(p, t->attempt);
        row[6] = t->worker ? smarter_safe(t->worker, p) : "-";
        row[7] = smarter_line(t->error, p);
        APR_ARRAY_PUSH(rows, const char *const *) = row;
    }
    smarter_table_print(columns, (int)(sizeof columns / sizeof *columns), rows, p);
}

static void print_job(const sb_job_info_t *job, apr_pool_t *p)
{
    int i;

    printf("Job %s of %s, %s: %s\n", job->id, smarter_safe(job->uid, p), job->tenant,
           smarter_line(job->title, p));
    printf("%s, %d %%, made %s, over %s, expires %s%s\n", sb_job_state_name(job->state),
           job->percent, smarter_time(job->created, p), smarter_time(job->ended, p),
           smarter_time(job->expires, p),
           job->ended && !job->closed ? "; its last step is not done" : "");
    if (job->error) {
        printf("It failed: %s\n", smarter_line(job->error, p));
    }
    for (i = 0; i < job->files->nelts; i++) {
        const sb_job_file_t *f = &APR_ARRAY_IDX(job->files, i, sb_job_file_t);

        printf("File %s, %s\n", smarter_line(f->name, p), smarter_bytes(f->size, p));
    }
}

static int show(program_t *prog, sb_db_t *db, const sb_job_info_t *job)
{
    apr_array_header_t *tasks;
    apr_status_t rv = sb_job_tasks(&tasks, db, job->id, prog->pool);
    sb_jw_t *w;
    int i;

    if (rv != APR_SUCCESS) {
        return failed(prog, rv, db);
    }
    if (!program_option(prog, "json")) {
        print_job(job, prog->pool);
        print_tasks(tasks, prog->pool);
        return PROGRAM_DONE;
    }
    w = sb_jw_make(prog->pool);
    sb_jw_object(w, NULL);
    job_json(w, job);
    sb_jw_array(w, "tasks");
    for (i = 0; i < tasks->nelts; i++) {
        task_json(w, &APR_ARRAY_IDX(tasks, i, sb_job_task_info_t));
    }
    sb_jw_end(w);
    sb_jw_end(w);
    smarter_json_print(w);
    return PROGRAM_DONE;
}

/* ---- all of them ------------------------------------------------------------------------------- */

static void print_table(const apr_array_header_t *jobs, apr_pool_t *p)
{
    static const smarter_column_t columns[] = {
        {"JOB", 0, 0, 0, 0},     {"MADE", 1, 2, 0, 0},  {"KIND", 0, 3, 12, 6},
        {"TENANT", 0, 4, 12, 0}, {"USER", 0, 1, 24, 8}, {"STATE", 0, 0, 0, 0},
        {"%", 1, 0, 0, 0},       {"SIZE", 1, 5, 0, 0},  {"TITLE", 0, 0, 0, 10}};
    apr_array_header_t *rows = apr_array_make(p, jobs->nelts, sizeof(const char *const *));
    int i;

    for (i = 0; i < jobs->nelts; i++) {
        const sb_job_info_t *job = &APR_ARRAY_IDX(jobs, i, sb_job_info_t);
        const char **row = apr_palloc(p, sizeof(columns) / sizeof(*columns) * sizeof(*row));

        row[0] = job->id;
        row[1] = smarter_age(apr_time_now() - job->created, p);
        row[2] = smarter_safe(job->kind, p);
        row[3] = job->tenant;
        row[4] = smarter_safe(job->uid, p);
        row[5] = sb_job_state_name(job->state);
        row[6] = apr_itoa(p, job->percent);
        row[7] = smarter_bytes(size_of(job), p);
        row[8] = smarter_line(job->error ? job->error : job->title, p);
        APR_ARRAY_PUSH(rows, const char *const *) = row;
    }
    smarter_table_print(columns, (int)(sizeof columns / sizeof *columns), rows, p);
}

static int is_state(const char *text)
{
    int i;

    for (i = SB_JOB_QUEUED; i <= SB_JOB_EXPIRED; i++) {
        if (!strcmp(sb_job_state_name((sb_job_state_t)i), text)) {
            return 1;
        }
    }
    return 0;
}

static int list(program_t *prog, sb_db_t *db)
{
    const char *limit = program_option(prog, "limit");
    sb_job_filter_t filter = {.state = program_option(prog, "state"),
                              .uid = program_option(prog, "user"),
                              .with_deleted = 1};
    apr_array_header_t *jobs;
    apr_status_t rv;
    sb_jw_t *w;
    int i;

    if (limit && !program_number(&filter.max, limit, 1, LIMIT_MAX)) {
        return program_usage(prog, "--limit %s: a number from 1 to %d", limit, LIMIT_MAX);
    }
    if (filter.state && !is_state(filter.state)) {
        return program_usage(
            prog, "--state %s: want queued, running, ready, failed, cancelled or expired",
            filter.state);
    }
    rv = sb_job_list(&jobs, db, &filter, prog->pool);
    if (rv != APR_SUCCESS) {
        return failed(prog, rv, db);
    }
    if (!program_option(prog, "json")) {
        print_table(jobs, prog->pool);
        return PROGRAM_DONE;
    }
    w = sb_jw_make(prog->pool);
    sb_jw_array(w, NULL);
    for (i = 0; i < jobs->nelts; i++) {
        sb_jw_object(w, NULL);
        job_json(w, &APR_ARRAY_IDX(jobs, i, sb_job_info_t));
        sb_jw_end(w);
    }
    sb_jw_end(w);
    smarter_json_print(w);
    return PROGRAM_DONE;
}

/* ---- doing something about one ----------------------------------------------------------------- */

static int act(program_t *prog, sb_db_t *db, const sb_job_info_t *job, int cancel)
{
    const char *problem =
        sb_stream_open(SB_STREAM_AUDIT, sb_conf_str(prog->conf, "logging.audit"), prog->pool);
    apr_status_t rv;
    int status;

    if (problem) {
        return program_complain(prog, "logging.audit", problem);
    }
    print_job(job, prog->pool);
    puts(cancel ? "It will be ended; what it has made so far is removed."
                : "It will be tried again.");
    status = smarter_act_confirm(prog);
    if (status != PROGRAM_DONE) {
        return status;
    }
    rv = cancel ? sb_job_cancel(db, job->id, prog->pool)
                : sb_job_retry(db, prog->conf, job->id, prog->pool);
    if (rv == SB_ECONFLICT) {
        return program_complain(
            prog, job->id,
            cancel ? "it is over already"
                   : "only a failed job whose last step is done can be tried again");
    }
    if (rv != APR_SUCCESS) {
        return failed(prog, rv, db);
    }
    sb_audit_operator(cancel ? "jobs cancel" : "jobs retry", sb_operator_name(prog->pool),
                      job->tenant, NULL, job->id, prog->pool);
    puts(cancel ? "Cancelled." : "Queued.");
    return PROGRAM_DONE;
}

static int run(program_t *prog)
{
    const char *action = prog->args->nelts ? APR_ARRAY_IDX(prog->args, 0, const char *) : "list";
    const char *id = prog->args->nelts == 2 ? APR_ARRAY_IDX(prog->args, 1, const char *) : NULL;
    sb_job_info_t *job;
    apr_status_t rv;
    sb_db_t *db;
    int status;

    if (strcmp(action, "list") && strcmp(action, "show") && strcmp(action, "cancel") &&
        strcmp(action, "retry")) {
        return program_usage(prog, "'%s' is none of list, show, cancel, retry", action);
    }
    if (!strcmp(action, "list") == (id != NULL)) {
        return program_usage(prog, "list takes no job; show, cancel and retry want one");
    }
    status = open_db(&db, prog);
    if (status != PROGRAM_DONE || !id) {
        return status == PROGRAM_DONE ? list(prog, db) : status;
    }
    if (!sb_uuid_is_valid(id)) {
        return program_complain(prog, smarter_safe(id, prog->pool), "this is no id of a job");
    }
    rv = sb_job_find_any(&job, db, id, prog->pool);
    if (APR_STATUS_IS_NOTFOUND(rv)) {
        return program_complain(prog, id, "there is no such job");
    }
    if (rv != APR_SUCCESS) {
        return failed(prog, rv, db);
    }
    return !strcmp(action, "show") ? show(prog, db, job) : act(prog, db, job, *action == 'c');
}

static const program_option_t options[] = {
    {"state", 's', "STATE", "list: queued, running, ready, failed, cancelled or expired ones", 0},
    {"user", 0, "UID", "list: only this user's", 0},
    {"limit", 'n', "NUMBER", "list: at most so many, the newest (default 100)", 0},
    {"yes", 'y', NULL, "do it without asking", 0},
    {"json", 0, NULL, "as JSON", 0},
    {NULL, 0, NULL, NULL, 0}};

const program_def_t smarter_jobs = {
    .name = SMARTER_COMMAND "jobs",
    .summary = "what users asked for: list, show, cancel and retry",
    .usage =
        "[list [--state STATE] [--user UID] [--limit N] | show ID | cancel ID | retry ID] [--json]",
    .section = "app:main",
    .options = options,
    .max_args = 2,
    .flags = PROGRAM_TOOL,
    .run = run};
