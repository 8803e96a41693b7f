/* smarter queues: how many messages wait in each queue, of the loader and of jobs, and who takes them. */

#include "config.h"

#include <stdio.h>

#include <apr_strings.h>

#include "core/sb_json.h"
#include "mq/sb_mq.h"
#include "workers/smarter.h"

typedef struct {
    const char *name;
    int exists;
    apr_int64_t depth;
    int consumers;
} queue_t;

/* One queue. That it was never declared is a fact, not a fault. */
static apr_status_t ask(apr_array_header_t *queues, sb_mq_t *mq, const char *name)
{
    queue_t q = {.name = name};
    apr_status_t rv = sb_mq_depth(&q.depth, &q.consumers, mq, name);

    q.exists = rv == APR_SUCCESS;
    if (q.exists || APR_STATUS_IS_NOTFOUND(rv)) {
        APR_ARRAY_PUSH(queues, queue_t) = q;
        return APR_SUCCESS;
    }
    return rv;
}

/* A queue and its dead letters, at the broker that has them. Each sort of work may have one of its own.
 * @return exit status */
static int ask_broker(apr_array_header_t *queues, program_t *prog, const sb_conf_t *conf,
                      const char *url_key, const char *ca_key, const char *queue)
{
    sb_mq_opts_t opts = {.ca_file = sb_conf_str(conf, ca_key)};
    char buf[200];
    sb_mq_t *mq;
    apr_status_t rv = sb_mq_open(&mq, sb_conf_str(conf, url_key), &opts, prog->pool);

    if (rv == APR_SUCCESS) {
        rv = ask(queues, mq, queue);
    }
    if (rv == APR_SUCCESS) {
        rv = ask(queues, mq, apr_pstrcat(prog->pool, queue, ".dead", NULL));
    }
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s: the broker of %s: %s\n", prog->def->name, url_key,
                sb_strerror(rv, buf, sizeof buf));
    }
    return program_status(rv);
}

static void print_table(const apr_array_header_t *queues)
{
    int i;

    printf("%-32s %10s %10s\n", "QUEUE", "MESSAGES", "CONSUMERS");
    for (i = 0; i < queues->nelts; i++) {
        const queue_t *q = &APR_ARRAY_IDX(queues, i, queue_t);

        if (q->exists) {
            printf("%-32s %10" APR_INT64_T_FMT " %10d\n", q->name, q->depth, q->consumers);
        }
        else {
            printf("%-32s %10s %10s\n", q->name, "-", "-");
        }
    }
}

static void print_json(const apr_array_header_t *queues, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    int i;

    sb_jw_array(w, NULL);
    for (i = 0; i < queues->nelts; i++) {
        const queue_t *q = &APR_ARRAY_IDX(queues, i, queue_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "queue", q->name);
        sb_jw_bool(w, "exists", q->exists);
        sb_jw_int(w, "messages", q->depth);
        sb_jw_int(w, "consumers", q->consumers);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    puts(sb_jw_text(w, NULL));
}

/* Of a broker that is away nothing is shown; the other one may be there. */
static int run(program_t *prog)
{
    apr_array_header_t *queues = apr_array_make(prog->pool, 4, sizeof(queue_t));
    const sb_conf_t *jobs = program_section(prog, "app:main");
    int loader = PROGRAM_DONE, extracts = PROGRAM_DONE;
    int has_loader = sb_conf_str(prog->conf, "udl2.broker.url") != NULL;
    int has_jobs = jobs && sb_conf_str(jobs, "jobs.broker.url");

    if (!has_loader && !has_jobs) {
        fprintf(stderr, "%s: neither udl2.broker.url nor jobs.broker.url is set\n",
                prog->def->name);
        return PROGRAM_FAILED;
    }
    if (has_loader) {
        loader = ask_broker(queues, prog, prog->conf, "udl2.broker.url", "udl2.broker.ca_file",
                            sb_conf_str(prog->conf, "udl2.queue"));
    }
    if (has_jobs) {
        extracts = ask_broker(queues, prog, jobs, "jobs.broker.url", "jobs.broker.ca_file",
                              sb_conf_str(jobs, "extract.job.queue.async"));
    }
    if (program_option(prog, "json")) {
        print_json(queues, prog->pool);
    }
    else {
        print_table(queues);
    }
    return loader != PROGRAM_DONE ? loader : extracts;
}

static const program_option_t options[] = {{"json", 0, NULL, "one JSON array", 0},
                                           {NULL, 0, NULL, NULL, 0}};

const program_def_t smarter_queues = {.name = SMARTER_COMMAND "queues",
                                      .summary = "messages and consumers of every queue",
                                      .usage = "[--json]",
                                      .section = "app",
                                      .options = options,
                                      .flags = PROGRAM_TOOL,
                                      .run = run};
