/* smarter status: is all well, and if not, who has to look at what. */

#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include <apr_strings.h>

#include "jobs/sb_job.h"
#include "mq/sb_mq.h"
#include "workers/smarter.h"
#include "workers/smarter_batch.h"

#define DAY apr_time_from_sec(86400)
#define OLD apr_time_from_sec(3600)  /* a package that waited so long */
#define UNSENT apr_time_from_sec(60) /* a message of a job that is due for so long */
#define IDLE apr_time_from_sec(300)  /* a task that waits so long though nobody has work */
#define FULL 10                      /* per cent free below which a disk is nearly full */
#define NZONES 3

typedef struct {
    const char *key, *path;
    apr_int64_t free, size; /* bytes; -1: cannot be asked */
} zone_t;

typedef struct {
    program_t *prog;
    apr_pool_t *p;
    apr_array_header_t *troubles; /* of const char *: what needs a person */

    sb_batches_health_t health;
    int by_state[SB_BATCH_DONE + 1]; /* batches of the last two days and all under way */
    int failed;                      /* in 24 hours, not dealt with */
    const char *broker;              /* why it cannot be asked; NULL it was */
    apr_int64_t messages, dead;
    int consumers;
    zone_t zones[NZONES];
    int has_jobs; /* this installation has them */
    sb_job_health_t jobs;
} status_t;

static void trouble(status_t *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void trouble(status_t *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    APR_ARRAY_PUSH(s->troubles, const char *) = apr_pvsprintf(s->p, fmt, ap);
    va_end(ap);
}

/* ---- asking ------------------------------------------------------------------------------------ */

/* Did the sender deliver the same again, and that one is not failed? */
static int is_mended(const apr_array_header_t *list, int i)
{
    const sb_batch_t *b = &APR_ARRAY_IDX(list, i, sb_batch_t);

    for (i++; i < list->nelts; i++) {
        const sb_batch_t *later = &APR_ARRAY_IDX(list, i, sb_batch_t);

        if (later->load_status && later->state != SB_BATCH_FAILED &&
            !strcmp(later->tenant, b->tenant) &&
            ((b->content_key && later->content_key &&
              !strcmp(b->content_key, later->content_key)) ||
             (b->package && later->package && !strcmp(b->package, later->package)))) {
            return 1;
        }
    }
    return 0;
}

static void judge_batches(status_t *s, const apr_array_header_t *list)
{
    int i;

    for (i = 0; i < list->nelts; i++) {
        const sb_batch_t *b = &APR_ARRAY_IDX(list, i, sb_batch_t);
        apr_time_t end = b->finished ? b->finished : b->arrived;

        s->by_state[b->state]++;
        if (b->state == SB_BATCH_FAILED && b->now - end < DAY && !is_mended(list, i)) {
            s->failed++;
            trouble(s, "batch %.8s of %s %s: %s", b->guid, b->tenant,
                    !strcmp(b->stage, "failed") ? "failed" : "could not be promoted",
                    smarter_line(b->problem, s->p));
        }
        else if (b->stalled) {
            trouble(s, "batch %.8s of %s is %s: %s", b->guid, b->tenant, b->stage,
                    smarter_line(b->stalled, s->p));
        }
    }
}

static int ask_batches(status_t *s)
{
    sb_batches_filter_t filter = {.state = -1, .since = 2 * DAY};
    apr_array_header_t *list;
    sb_batches_t *b;
    int i, status = smarter_batches_open(&b, s->prog, s->p);

    if (status == PROGRAM_DONE) {
        status =
            smarter_failed(s->prog, sb_batches_list(&list, b, &filter, s->p), sb_batches_udl(b));
    }
    if (status == PROGRAM_DONE) {
        status = smarter_failed(s->prog, sb_batches_health(&s->health, b, s->p), sb_batches_udl(b));
    }
    if (status != PROGRAM_DONE) {
        return status;
    }
    judge_batches(s, list);
    if (!s->health.trigger) {
        trouble(s, "no smarter-udl-trigger watches the arrivals zone");
    }
    if (s->health.oldest && s->health.now - s->health.oldest > OLD) {
        trouble(s, "a package waits for a worker since %s",
                smarter_age(s->health.now - s->health.oldest, s->p));
    }
    for (i = 0; i < s->health.promotions->nelts; i++) {
        const sb_batch_promotion_t *last =
            &APR_ARRAY_IDX(s->health.promotions, i, sb_batch_promotion_t);

        if (last->at < 0) {
            trouble(s, "the production database of %s does not answer", last->tenant);
        }
    }
    return status;
}

static void ask_broker(status_t *s)
{
    const char *url = sb_conf_str(s->prog->conf, "udl2.broker.url"),
               *queue = sb_conf_str(s->prog->conf, "udl2.queue");
    sb_mq_opts_t opts = {.ca_file = sb_conf_str(s->prog->conf, "udl2.broker.ca_file")};
    char buf[200];
    sb_mq_t *mq;
    apr_status_t rv = url ? sb_mq_open(&mq, url, &opts, s->p) : SB_ECONFIG;

    if (rv == APR_SUCCESS) {
        rv = sb_mq_depth(&s->messages, &s->consumers, mq, queue);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_mq_depth(&s->dead, NULL, mq, apr_pstrcat(s->p, queue, ".dead", NULL));
    }
    if (rv != APR_SUCCESS && !APR_STATUS_IS_NOTFOUND(rv)) {
        s->broker = apr_pstrdup(s->p, sb_strerror(rv, buf, sizeof buf));
        trouble(s, "the broker: %s", s->broker);
        return;
    }
    if (!s->consumers) {
        trouble(s, "no smarter-worker-udl takes packages from the queue");
    }
    if (s->dead) {
        trouble(s, "%" APR_INT64_T_FMT " messages that nobody can read are in %s.dead", s->dead,
                queue);
    }
}

static void ask_disks(status_t *s)
{
    static const char *const keys[NZONES] = {"zones.arrivals", "zones.work", "zones.history"};
    apr_int64_t package = sb_conf_bytes(s->prog->conf, "udl2.max_package_bytes");
    int i;

    for (i = 0; i < NZONES; i++) {
        zone_t *z = &s->zones[i];
        struct statvfs fs;

        *z = (zone_t){keys[i], sb_conf_str(s->prog->conf, keys[i]), -1, -1};
        if (statvfs(z->path, &fs)) {
            trouble(s, "%s: %s cannot be read", z->key, z->path);
            continue;
        }
        z->size = (apr_int64_t)(fs.f_blocks * fs.f_frsize);
        z->free = (apr_int64_t)(fs.f_bavail * fs.f_frsize);
        if (z->size && z->free < z->size / 100 * FULL && z->free < 4 * package) {
            trouble(s, "%s: only %s free", z->key, smarter_bytes(z->free, s->p));
        }
    }
}

static void judge_jobs(status_t *s)
{
    if (s->jobs.unsent > UNSENT) {
        trouble(s, "no smarter-job-relay: a message of a job waits to be sent since %s",
                smarter_age(s->jobs.unsent, s->p));
    }
    if (s->jobs.untaken > (s->jobs.running ? OLD : IDLE)) {
        trouble(s, "a task waits since %s in %s: are there workers?",
                smarter_age(s->jobs.untaken, s->p), smarter_safe(s->jobs.untaken_queue, s->p));
    }
}

static void ask_jobs(status_t *s)
{
    const sb_conf_t *conf = program_section(s->prog, "app:main");
    const char *url = conf ? sb_conf_str(conf, "jobs.worker.db.url") : NULL;
    sb_db_opts_t opts = {.app = "smarter"};
    apr_status_t rv;
    sb_db_t *db;

    url = url || !conf ? url : sb_conf_str(conf, "jobs.db.url");
    if (!url) {
        return;
    }
    opts.schema = sb_conf_str(conf, "jobs.db.schema_name");
    rv = sb_db_open(&db, sb_conf_db_url(url, s->p), &opts, s->p);
    if (rv == APR_SUCCESS) {
        rv = sb_job_health(&s->jobs, db, s->p);
    }
    s->has_jobs = rv == APR_SUCCESS;
    if (rv != APR_SUCCESS) {
        trouble(s, "the database of jobs: %s", db ? sb_db_error(db) : "no answer");
        return;
    }
    judge_jobs(s);
}

/* ---- telling ----------------------------------------------------------------------------------- */

static void print_text(const status_t *s)
{
    const sb_batches_health_t *h = &s->health;
    int i;

    printf("packages   %d waiting", h->waiting);
    if (h->oldest) {
        printf(", the oldest for %s", smarter_age(h->now - h->oldest, s->p));
    }
    printf("; %d with a worker\n", h->claims);
    printf("batches    %d running, %d held back, %d waiting, %d failed in 24 hours\n",
           s->by_state[SB_BATCH_RUNNING], s->by_state[SB_BATCH_HELD], s->by_state[SB_BATCH_WAITING],
           s->failed);
    if (s->broker) {
        printf("queue      unknown: %s\n", s->broker);
    }
    else {
        printf("queue      %" APR_INT64_T_FMT " messages, %d workers\n", s->messages, s->consumers);
    }
    if (s->has_jobs) {
        printf("jobs       %d running, %d waiting, %d failed in 24 hours\n", s->jobs.running,
               s->jobs.queued, s->jobs.failed);
    }
    for (i = 0; i < h->promotions->nelts; i++) {
        const sb_batch_promotion_t *last = &APR_ARRAY_IDX(h->promotions, i, sb_batch_promotion_t);

        printf("%s %-8s last promotion %s\n", i ? "          " : "production", last->tenant,
               last->at < 0 ? "unknown"
               : last->at > 0
                   ? apr_pstrcat(s->p, smarter_age(h->now - last->at, s->p), " ago", NULL)
                   : "never");
    }
    for (i = 0; i < NZONES; i++) {
        printf("%s %-14s %s free of %s\n", i ? "          " : "disks     ", s->zones[i].key,
               smarter_bytes(s->zones[i].free, s->p), smarter_bytes(s->zones[i].size, s->p));
    }
    for (i = 0; i < s->troubles->nelts; i++) {
        printf("%s%s\n", i ? "  " : "\nNeeds a person:\n  ",
               APR_ARRAY_IDX(s->troubles, i, const char *));
    }
    if (!s->troubles->nelts) {
        puts("\nAll is well.");
    }
}

static void print_json(const status_t *s)
{
    const sb_batches_health_t *h = &s->health;
    sb_jw_t *w = sb_jw_make(s->p);
    int i;

    sb_jw_object(w, NULL);
    sb_jw_bool(w, "well", !s->troubles->nelts);
    sb_jw_object(w, "packages");
    sb_jw_int(w, "waiting", h->waiting);
    sb_jw_int(w, "claimed", h->claims);
    smarter_json_count(w, "oldest_seconds", h->oldest ? apr_time_sec(h->now - h->oldest) : -1);
    sb_jw_end(w);
    sb_jw_object(w, "batches");
    for (i = SB_BATCH_WAITING; i < SB_BATCH_FAILED; i++) {
        sb_jw_int(w, sb_batch_state_name((sb_batch_state_t)i), s->by_state[i]);
    }
    sb_jw_int(w, "failed", s->failed);
    sb_jw_end(w);
    sb_jw_bool(w, "trigger", h->trigger);
    sb_jw_object(w, "queue");
    sb_jw_str(w, "problem", s->broker);
    sb_jw_int(w, "messages", s->messages);
    sb_jw_int(w, "workers", s->consumers);
    sb_jw_int(w, "dead", s->dead);
    sb_jw_end(w);
    if (s->has_jobs) {
        sb_jw_object(w, "jobs");
        sb_jw_int(w, "running", s->jobs.running);
        sb_jw_int(w, "waiting", s->jobs.queued);
        sb_jw_int(w, "failed", s->jobs.failed);
        sb_jw_end(w);
    }
    sb_jw_object(w, "last_promotion");
    for (i = 0; i < h->promotions->nelts; i++) {
        const sb_batch_promotion_t *last = &APR_ARRAY_IDX(h->promotions, i, sb_batch_promotion_t);

        smarter_json_time(w, last->tenant, last->at);
    }
    sb_jw_end(w);
    sb_jw_object(w, "free_bytes");
    for (i = 0; i < NZONES; i++) {
        smarter_json_count(w, s->zones[i].key, s->zones[i].free);
    }
    sb_jw_end(w);
    sb_jw_array(w, "needs_a_person");
    for (i = 0; i < s->troubles->nelts; i++) {
        sb_jw_str(w, NULL, APR_ARRAY_IDX(s->troubles, i, const char *));
    }
    sb_jw_end(w);
    sb_jw_end(w);
    smarter_json_print(w);
}

static int run(program_t *prog)
{
    status_t s = {.prog = prog, .p = prog->pool};
    int status;

    s.troubles = apr_array_make(s.p, 8, sizeof(const char *));
    status = ask_batches(&s);
    if (status != PROGRAM_DONE) {
        return status;
    }
    ask_broker(&s);
    ask_disks(&s);
    ask_jobs(&s);
    if (program_option(prog, "json")) {
        print_json(&s);
    }
    else {
        print_text(&s);
    }
    return s.troubles->nelts ? PROGRAM_FAILED : PROGRAM_DONE;
}

static const program_option_t options[] = {{"json", 0, NULL, "a JSON object", 0},
                                           {NULL, 0, NULL, NULL, 0}};

const program_def_t smarter_status = {.name = SMARTER_COMMAND "status",
                                      .summary =
                                          "is all well? exit status 1 if something needs a person",
                                      .usage = "[--json]",
                                      .section = "app",
                                      .options = options,
                                      .flags = PROGRAM_TOOL,
                                      .run = run};
