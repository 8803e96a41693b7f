/* smarter queues: how many messages wait in each queue, and who takes them. */

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

/* The queue and its dead letters. A queue that was never declared is a fact, not a fault. */
static apr_status_t ask(queue_t *q, sb_mq_t *mq, const char *name)
{
    apr_status_t rv;

    q->name = name;
    rv = sb_mq_depth(&q->depth, &q->consumers, mq, name);
    q->exists = rv == APR_SUCCESS;
    return rv == APR_NOTFOUND ? APR_SUCCESS : rv;
}

static void print_table(const queue_t *queues, int n)
{
    int i;

    printf("%-32s %10s %10s\n", "QUEUE", "MESSAGES", "CONSUMERS");
    for (i = 0; i < n; i++) {
        const queue_t *q = &queues[i];

        if (q->exists) {
            printf("%-32s %10" APR_INT64_T_FMT " %10d\n", q->name, q->depth, q->consumers);
        }
        else {
            printf("%-32s %10s %10s\n", q->name, "-", "-");
        }
    }
}

static void print_json(const queue_t *queues, int n, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    int i;

    sb_jw_array(w, NULL);
    for (i = 0; i < n; i++) {
        const queue_t *q = &queues[i];

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

static int run(program_t *prog)
{
    const char *url = sb_conf_str(prog->conf, "udl2.broker.url");
    const char *queue = sb_conf_str(prog->conf, "udl2.queue");
    sb_mq_opts_t opts = {.ca_file = sb_conf_str(prog->conf, "udl2.broker.ca_file")};
    queue_t queues[2] = {{0}};
    char buf[200];
    sb_mq_t *mq;
    apr_status_t rv;

    if (!url) {
        fprintf(stderr, "%s: udl2.broker.url is not set\n", prog->def->name);
        return PROGRAM_FAILED;
    }
    rv = sb_mq_open(&mq, url, &opts, prog->pool);
    if (rv == APR_SUCCESS) {
        rv = ask(&queues[0], mq, queue);
    }
    if (rv == APR_SUCCESS) {
        rv = ask(&queues[1], mq, apr_pstrcat(prog->pool, queue, ".dead", NULL));
    }
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s: the broker: %s\n", prog->def->name, sb_strerror(rv, buf, sizeof buf));
        return program_status(rv);
    }
    if (program_option(prog, "json")) {
        print_json(queues, 2, prog->pool);
    }
    else {
        print_table(queues, 2);
    }
    return PROGRAM_DONE;
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
