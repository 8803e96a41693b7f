/* smarter retry, discard: say what will be done, ask, do it, record it. */

#include "config.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_path.h"
#include "report/sb_audit.h"
#include "report/sb_operator.h"
#include "udl/sb_udl_operate.h"
#include "workers/smarter.h"
#include "workers/smarter_act.h"

#define REASON_MAX 500

/* ---- who and as whom ----------------------------------------------------------------------------- */

/* Root makes no files in the zones that the loader could not move afterwards: from here on we are who
 * owns them. */
static int become_owner(const program_t *prog)
{
    const char *zone = sb_conf_str(prog->conf, "zones.history");
    const struct passwd *pw;
    struct stat st;

    if (geteuid() != 0) {
        return 1;
    }
    if (stat(zone, &st)) {
        perror(zone);
        return 0;
    }
    pw = getpwuid(st.st_uid);
    if (st.st_uid && ((pw ? initgroups(pw->pw_name, st.st_gid) : setgroups(0, NULL)) ||
                      setgid(st.st_gid) || setuid(st.st_uid))) {
        perror("becoming the owner of the zones");
        return 0;
    }
    return 1;
}

int smarter_act_begin(program_t *prog)
{
    sb_conf_t *main_conf = program_section(prog, "app:main");
    const char *target, *problem;

    if (!main_conf) {
        return 0;
    }
    target = sb_conf_str(main_conf, "logging.audit");
    problem = target ? sb_stream_open(SB_STREAM_AUDIT, target, prog->pool) : NULL;
    if (problem) {
        fprintf(stderr, "%s: logging.audit: %s; nothing is done\n", prog->def->name, problem);
        return 0;
    }
    return become_owner(prog);
}

int smarter_act_read(program_t *prog, const char **preason)
{
    const char *reason = program_option(prog, "reason");

    *preason = reason && *reason ? reason : NULL;
    if (!prog->args->nelts) {
        return program_usage(prog, "which batch?");
    }
    if (reason && (strlen(reason) > REASON_MAX || !sb_utf8_is_valid(reason, strlen(reason)) ||
                   strpbrk(reason, "\r\n"))) {
        return program_usage(prog, "--reason: one line of at most %d bytes", REASON_MAX);
    }
    return PROGRAM_DONE;
}

int smarter_act_confirm(const program_t *prog)
{
    char answer[16];

    if (program_option(prog, "yes")) {
        return PROGRAM_DONE;
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return program_usage(prog, "nobody can be asked here: --yes says that it shall be done");
    }
    printf("Go on? [y/N] ");
    fflush(stdout);
    if (!fgets(answer, sizeof answer, stdin) || (*answer != 'y' && *answer != 'Y')) {
        puts("Nothing is done.");
        return PROGRAM_FAILED;
    }
    return PROGRAM_DONE;
}

/* ---- what will be done ----------------------------------------------------------------------------- */

static void say_batch(const sb_batch_t *b, apr_pool_t *p)
{
    printf("Batch %s of %s: %s, %s", b->guid, b->tenant,
           b->package ? smarter_safe(b->package, p) : "package not known", b->stage);
    if (b->begun) {
        printf(", %" APR_INT64_T_FMT " rows read, %" APR_INT64_T_FMT " loaded, %" APR_INT64_T_FMT
               " rejected",
               b->rows_read, b->rows_loaded, b->rows_rejected);
    }
    puts(".");
    if (b->problem) {
        printf("It failed: %s\n", smarter_line(b->problem, p));
    }
}

static void say_retry(const sb_batch_t *b, apr_pool_t *p)
{
    say_batch(b, p);
    if (!b->kept_in || b->state == SB_BATCH_WAITING || b->state == SB_BATCH_RUNNING) {
        puts("Its package will be announced to the workers again, as the same batch.");
    }
    else {
        printf("Its package (%s) will go through the loader again, as a new batch that keeps its "
               "place of "
               "%s.\n",
               smarter_bytes(b->package_bytes, p), smarter_time(b->arrived, p));
    }
}

static void say_discard(const sb_batch_t *b, apr_pool_t *p)
{
    say_batch(b, p);
    if (b->state != SB_BATCH_FAILED) {
        puts("It will count as failed, and its sender will be told so.");
    }
    if (b->rows_loaded && b->state != SB_BATCH_FAILED) {
        printf("Its %" APR_INT64_T_FMT
               " loaded rows will be removed; none of them is in production.\n",
               b->rows_loaded);
    }
    puts("Its package will be kept in the directory 'discarded' of the history zone.");
}

/* ---- doing it -------------------------------------------------------------------------------------- */

static void say_done(sb_batch_verb_t verb, const sb_operated_t *done, apr_pool_t *p)
{
    const char *before = done->already ? "before" : "now";

    if (verb == SB_BATCH_DISCARD) {
        printf("Discarded %s.%s%s%s\n", before, done->dropped ? " Its rows are gone." : "",
               done->kept_in ? " Files: " : "",
               done->kept_in ? smarter_safe(done->kept_in, p) : "");
    }
    else if (done->same) {
        puts("Queued once more.");
    }
    else {
        printf("Sent through again %s, as batch %s\n", before, done->guid);
    }
}

static int refuse(const program_t *prog, const sb_batch_t *batch, const char *why, apr_pool_t *p)
{
    fprintf(stderr, "%s: batch %.8s is %s: %s\n", prog->def->name, batch->guid, batch->stage,
            smarter_line(why, p));
    return PROGRAM_FAILED;
}

static int act(program_t *prog, sb_batch_verb_t verb)
{
    sb_operator_t who = {prog->conf, prog->def->name, sb_operator_name(prog->pool), NULL};
    apr_pool_t *p = prog->pool;
    const sb_batch_t *batch;
    const char *error;
    sb_operated_t done;
    sb_batches_t *b;
    apr_status_t rv;
    int status = smarter_act_read(prog, &who.reason);

    if (status == PROGRAM_DONE && !smarter_act_begin(prog)) {
        status = PROGRAM_FAILED;
    }
    if (status == PROGRAM_DONE) {
        status = smarter_batches_open(&b, prog, p);
    }
    if (status == PROGRAM_DONE) {
        status = smarter_batch_find(&batch, b, prog, APR_ARRAY_IDX(prog->args, 0, const char *), p);
    }
    if (status != PROGRAM_DONE) {
        return status;
    }
    error = sb_batch_refuses(batch, verb, p);
    if (error) {
        return refuse(prog, batch, error, p);
    }
    if (!sb_batch_is_done(batch, verb)) {
        (verb == SB_BATCH_RETRY ? say_retry : say_discard)(batch, p);
        status = smarter_act_confirm(prog);
    }
    if (status != PROGRAM_DONE) {
        return status;
    }
    rv = verb == SB_BATCH_RETRY ? sb_batch_retry(&done, &error, b, &who, batch,
                                                 program_option(prog, "anyway") != NULL, p)
                                : sb_batch_discard(&done, &error, b, &who, batch, p);
    if (rv != APR_SUCCESS) {
        refuse(prog, batch, error ? error : "it could not be done", p);
        return rv == SB_EBUSY ? PROGRAM_AGAIN : program_status(rv);
    }
    if (!done.already) {
        sb_audit_operator(sb_batch_verb_name(verb), who.name, batch->tenant, batch->guid,
                          who.reason ? who.reason : "", p);
    }
    say_done(verb, &done, p);
    return PROGRAM_DONE;
}

static int run_retry(program_t *prog)
{
    return act(prog, SB_BATCH_RETRY);
}

static int run_discard(program_t *prog)
{
    return act(prog, SB_BATCH_DISCARD);
}

static const program_option_t retry_options[] = {
    {"yes", 'y', NULL, "do not ask", 0},
    {"reason", 0, "TEXT", "why, for the record", 0},
    {"anyway", 0, NULL, "also if a later delivery of the same content is in production", 0},
    {NULL, 0, NULL, NULL, 0}};

static const program_option_t discard_options[] = {
    {"yes", 'y', NULL, "do not ask", 0},
    {"reason", 0, "TEXT", "why, for the record and for the sender", 0},
    {NULL, 0, NULL, NULL, 0}};

const program_def_t smarter_retry = {.name = SMARTER_COMMAND "retry",
                                     .summary = "send a batch's package through the loader again",
                                     .usage = "ID [--yes] [--reason TEXT] [--anyway]",
                                     .section = "app",
                                     .options = retry_options,
                                     .max_args = 1,
                                     .flags = PROGRAM_TOOL,
                                     .run = run_retry};

const program_def_t smarter_discard = {.name = SMARTER_COMMAND "discard",
                                       .summary = "give a batch up that is not in production",
                                       .usage = "ID [--yes] [--reason TEXT]",
                                       .section = "app",
                                       .options = discard_options,
                                       .max_args = 1,
                                       .flags = PROGRAM_TOOL,
                                       .run = run_discard};
