/* A worker for tests of jobs, and the calls of web nodes and operators. Run by t/lib/Smarter/Jobs.pm:
 *
 *     player INI make <SPEC      make a job as the JSON says; prints its id
 *     player INI work QUEUE      be a worker
 *     player INI list|find|count|cancel|delete|retry [ARG...]
 *     player INI send QUEUE ARGS a message; depth QUEUE: how many wait
 *
 * Calls of web nodes connect as jobs.db.url says, retry as jobs.worker.db.url. Exit status: 0, or 1 with the
 * status in words on stderr.
 */

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_log.h"
#include "jobs/sb_job_worker.h"
#include "mq/sb_mq.h"

#define MAX_PARTS 5000

static volatile sig_atomic_t stopping;

static void on_stop(int sig)
{
    (void)sig;
    stopping = 1;
}

static int is_stopping(void)
{
    return stopping;
}

static int nap(apr_interval_time_t t)
{
    apr_time_t end = apr_time_now() + t;

    while (!stopping && apr_time_now() < end) {
        apr_sleep(end - apr_time_now() < 20000 ? end - apr_time_now() : 20000);
    }
    return stopping;
}

static void note(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    char buf[200];

    (void)ctx;
    if (level > SB_LOG_DEBUG) {
        fprintf(stderr, "SB%d %s%s%s\n", number, text, rv ? ": " : "",
                rv ? sb_strerror(rv, buf, sizeof buf) : "");
    }
}

static apr_int64_t number_of(const sb_json_t *o, const char *key, apr_int64_t dflt)
{
    apr_int64_t n;

    return sb_json_int(&n, sb_json_get(o, key)) == APR_SUCCESS ? n : dflt;
}

static const char *text_of(const sb_json_t *o, const char *key)
{
    return sb_json_str(sb_json_get(o, key), NULL);
}

/* ---- tasks ------------------------------------------------------------------------------------- */

static const char *in(const sb_task_t *t, const char *name)
{
    return apr_pstrcat(t->pool, text_of(t->args, "dir"), "/", name, NULL);
}

/* As every task should: under a name of this claim, then in place. */
static apr_status_t put(const sb_task_t *t, const char *name, const char *text)
{
    const char *part = in(t, apr_psprintf(t->pool, ".%s.%" APR_INT64_T_FMT, name, t->claim));
    FILE *f = fopen(part, "w");

    if (!f || fputs(text, f) < 0 || fclose(f)) {
        return APR_EGENERAL;
    }
    return rename(part, in(t, name)) ? APR_EGENERAL : APR_SUCCESS;
}

/* Take a time, part by part. @return APR_EINTR told to stop */
static apr_status_t take_time(sb_task_t *t)
{
    apr_int64_t ms = number_of(t->args, "ms", 0), done = 0;

    for (done = 0; done < ms; done += 10) {
        if (sb_task_stop(t)) {
            return APR_EINTR;
        }
        sb_task_progress(t, (double)done / (double)ms);
        apr_sleep(10000);
    }
    return APR_SUCCESS;
}

static apr_status_t make_part(sb_task_t *t)
{
    apr_status_t rv = take_time(t);

    return rv == APR_SUCCESS ? put(t, apr_psprintf(t->pool, "part-%05d", t->number),
                                   apr_psprintf(t->pool, "%d\n", t->number))
                             : rv;
}

/* All parts in one file. A part that is not there is not missed: the test counts. */
static apr_status_t collect(sb_task_t *t)
{
    sb_job_file_t file = {.name = "result", .url = "https://example.org/result", .sha256 = "abc"};
    char *all = apr_pcalloc(t->pool, 8 * MAX_PARTS), *end = all;
    apr_status_t rv = take_time(t);
    int i;

    for (i = 1; rv == APR_SUCCESS && i <= (int)number_of(t->args, "parts", 0); i++) {
        FILE *f = fopen(in(t, apr_psprintf(t->pool, "part-%05d", i)), "r");

        if (f) {
            end += fread(end, 1, 7, f);
            fclose(f);
        }
    }
    if (rv == APR_SUCCESS) {
        rv = put(t, "result", all);
    }
    file.size = end - all;
    sb_task_file(t, &file);
    sb_task_notice(t, "The data changed meanwhile.");
    return rv;
}

static apr_status_t clean(sb_task_t *t)
{
    DIR *dir = opendir(text_of(t->args, "dir"));
    struct dirent *e;

    while (dir && (e = readdir(dir)) != NULL) {
        if (!strncmp(e->d_name, "part-", 5) || !strncmp(e->d_name, ".part-", 6)) {
            unlink(in(t, e->d_name));
        }
    }
    if (dir) {
        closedir(dir);
    }
    return put(t, "cleaned", "yes\n");
}

/* As told: {"as":"input"}, for the first "times" attempts. */
static apr_status_t fail(sb_task_t *t)
{
    const char *as = text_of(t->args, "as");

    if (t->attempt > number_of(t->args, "times", 1000)) {
        return make_part(t);
    }
    if (!strcmp(as, "die")) {
        raise(SIGKILL);
    }
    if (strcmp(as, "silent")) {
        sb_task_reason(t, "Part %d is not to be had.", t->number);
    }
    return !strcmp(as, "input") ? SB_EINPUT : APR_EGENERAL;
}

/* What it needs is there when the file "up" is. */
static int is_up(const char *dir)
{
    char path[400];

    snprintf(path, sizeof path, "%s/up", dir);
    return access(path, F_OK) == 0;
}

static apr_status_t need(sb_task_t *t)
{
    return is_up(text_of(t->args, "dir")) ? make_part(t) : SB_EUNAVAILABLE;
}

static apr_status_t work(sb_task_t *t, void *ctx)
{
    static const struct {
        const char *name;
        apr_status_t (*work)(sb_task_t *t);
    } tasks[] = {{"part", make_part},
                 {"collect", collect},
                 {"clean", clean},
                 {"fail", fail},
                 {"need", need}};
    size_t i;

    (void)ctx;
    for (i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        if (!strcmp(t->name, tasks[i].name)) {
            return tasks[i].work(t);
        }
    }
    return SB_EINPUT;
}

static apr_status_t ready(void *ctx)
{
    return is_up(ctx) ? APR_SUCCESS : SB_EUNAVAILABLE;
}

static apr_status_t serve(const sb_conf_t *conf, const char *queue, char *dir, apr_pool_t *p)
{
    sb_job_worker_opts_t opts = {.conf = conf,
                                 .queue = queue,
                                 .worker = apr_psprintf(p, "player:%d", (int)getpid()),
                                 .work = work,
                                 .ready = dir ? ready : NULL,
                                 .ctx = dir,
                                 .stopping = is_stopping,
                                 .sleep = nap};

    signal(SIGTERM, on_stop);
    signal(SIGPIPE, SIG_IGN);
    return sb_job_worker_run(&opts, p);
}

/* ---- calls ------------------------------------------------------------------------------------- */

static void add_task(sb_job_t *job, const sb_json_t *t, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_json(w, NULL, sb_json_get(t, "args"));
    sb_job_task(job, text_of(t, "queue"), text_of(t, "name"), sb_jw_text(w, NULL),
                (int)number_of(t, "weight", 1));
}

static sb_job_t *read_job(const sb_conf_t *conf, const sb_json_t *spec, apr_pool_t *p)
{
    sb_job_t *job = sb_job_make(conf, p);
    const sb_json_t *s, *t;

    job->kind = text_of(spec, "kind");
    job->tenant = "nc";
    job->uid = text_of(spec, "uid");
    job->title = text_of(spec, "title");
    job->params = "{\"stateCode\":\"NC\"}";
    job->max_attempts = (int)number_of(spec, "max_attempts", job->max_attempts);
    job->retry_delay = 1000 * number_of(spec, "retry_ms", job->retry_delay / 1000);
    job->give_up_after = 1000 * number_of(spec, "give_up_ms", job->give_up_after / 1000);
    job->max_open = (int)number_of(spec, "max_open", 0);
    job->max_kept = (int)number_of(spec, "max_kept", 0);
    job->keep = 1000 * number_of(spec, "keep_ms", job->keep / 1000);
    for (t = sb_json_get(spec, "files") ? sb_json_get(spec, "files")->child : NULL; t;
         t = t->next) {
        sb_job_file(job, t->text, "pick-me-up", "https://example.org/x", NULL);
    }
    for (s = sb_json_get(spec, "steps")->child; s; s = s->next) {
        sb_job_step(job, sb_json_get(s, "go_on") ? SB_STEP_GO_ON : SB_STEP_FAIL);
        for (t = sb_json_get(s, "tasks")->child; t; t = t->next) {
            add_task(job, t, p);
        }
    }
    t = sb_json_get(spec, "final");
    if (t) {
        sb_job_final(job, text_of(t, "queue"), text_of(t, "name"),
                     apr_psprintf(p, "{\"dir\":\"%s\"}", text_of(t, "dir")));
    }
    return job;
}

static apr_status_t make(sb_db_t *db, const sb_conf_t *conf, apr_pool_t *p)
{
    sb_json_limits_t limits = {.max_bytes = 32 << 20};
    char *text = apr_palloc(p, limits.max_bytes);
    apr_size_t len = fread(text, 1, limits.max_bytes, stdin);
    sb_json_t *spec;
    sb_job_t *job;
    apr_status_t rv = sb_json_parse(&spec, NULL, text, len, &limits, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    job = read_job(conf, spec, p);
    rv = sb_job_create(db, job, p);
    if (rv == APR_SUCCESS) {
        puts(job->id);
    }
    return rv;
}

static void print_job(const sb_job_info_t *job, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    int i;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "id", job->id);
    sb_jw_str(w, "title", job->title);
    sb_jw_str(w, "state", sb_job_state_name(job->state));
    sb_jw_int(w, "percent", job->percent);
    sb_jw_int(w, "failed_tasks", job->failed_tasks);
    sb_jw_str(w, "error", job->error);
    sb_jw_str(w, "notice", job->notice);
    sb_jw_bool(w, "expires", job->expires != 0);
    sb_jw_bool(w, "closed", job->closed);
    sb_jw_array(w, "files");
    for (i = 0; i < job->files->nelts; i++) {
        const sb_job_file_t *f = &APR_ARRAY_IDX(job->files, i, sb_job_file_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "name", f->name);
        sb_jw_str(w, "pickup_id", f->pickup_id);
        sb_jw_str(w, "url", f->url);
        sb_jw_int(w, "size", f->size);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
    puts(sb_jw_text(w, NULL));
}

static apr_status_t list(sb_db_t *db, const char *uid, apr_pool_t *p)
{
    apr_array_header_t *jobs;
    int i, more;
    apr_status_t rv = sb_job_list_own(&jobs, &more, db, uid, NULL, 100, p);

    for (i = 0; rv == APR_SUCCESS && i < jobs->nelts; i++) {
        print_job(&APR_ARRAY_IDX(jobs, i, sb_job_info_t), p);
    }
    return rv;
}

static apr_status_t call(const sb_conf_t *conf, char **argv, apr_pool_t *p)
{
    const char *what = argv[0], *a = argv[1];
    sb_db_opts_t opts = {.app = "player", .schema = sb_conf_str(conf, "jobs.db.schema_name")};
    const char *url =
        sb_conf_str(conf, strcmp(what, "retry") ? "jobs.db.url" : "jobs.worker.db.url");
    sb_job_info_t *job;
    apr_status_t rv;
    sb_db_t *db;
    int n;

    rv = sb_db_open(&db, url, &opts, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!strcmp(what, "make")) {
        return make(db, conf, p);
    }
    if (!strcmp(what, "list")) {
        return list(db, a, p);
    }
    if (!strcmp(what, "count")) {
        rv = sb_job_count_open(&n, db, "nc", a, argv[2], p);
        printf("%d\n", n);
        return rv;
    }
    if (!strcmp(what, "find")) {
        rv = sb_job_find(&job, db, a, argv[2], p);
        if (rv == APR_SUCCESS) {
            print_job(job, p);
        }
        return rv;
    }
    return !strcmp(what, "cancel")   ? sb_job_cancel(db, a, p)
           : !strcmp(what, "delete") ? sb_job_delete(db, a, p)
                                     : sb_job_retry(db, conf, a, p);
}

static apr_status_t queue_call(const sb_conf_t *conf, char **argv, apr_pool_t *p)
{
    sb_envelope_t env = {.id = "11111111-1111-4111-8111-111111111111", .task = "test"};
    apr_int64_t depth;
    apr_status_t rv;
    sb_mq_t *mq;

    rv = sb_mq_open(&mq, sb_conf_str(conf, "jobs.broker.url"), NULL, p);
    if (rv == APR_SUCCESS && !strcmp(argv[0], "depth")) {
        rv = sb_mq_depth(&depth, NULL, mq, argv[1]);
        printf("%d\n", (int)depth);
        return rv;
    }
    env.args = argv[2];
    return rv == APR_SUCCESS ? sb_mq_publish(mq, argv[1], &env, apr_time_from_sec(5)) : rv;
}

int main(int argc, char **argv)
{
    const char *problem;
    apr_status_t rv;
    sb_conf_t *conf;
    apr_pool_t *p;
    char buf[200];

    if (argc < 3 || apr_initialize() || apr_pool_create(&p, NULL)) {
        return 2;
    }
    sb_log_set(note, NULL);
    problem = sb_conf_load(&conf, argv[1], "app:main", p);
    if (problem) {
        fprintf(stderr, "%s\n", problem);
        return 2;
    }
    rv = !strcmp(argv[2], "work") ? serve(conf, argv[3], argc > 4 ? argv[4] : NULL, p)
         : !strcmp(argv[2], "send") || !strcmp(argv[2], "depth") ? queue_call(conf, argv + 2, p)
                                                                 : call(conf, argv + 2, p);
    apr_pool_destroy(p);
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s\n", sb_strerror(rv, buf, sizeof buf));
    }
    return rv != APR_SUCCESS;
}
