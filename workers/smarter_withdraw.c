/* smarter withdraw: take a batch out of production. The rules are in migrate/sb_withdraw.h. */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "migrate/sb_withdraw.h"
#include "report/sb_audit.h"
#include "report/sb_operator.h"
#include "udl/sb_udl_operate.h"
#include "workers/smarter.h"
#include "workers/smarter_act.h"

static int is_registration(const sb_withdrawn_t *r)
{
    return r->load_type && !strcmp(r->load_type, "studentregistration");
}

static void say_dim(const char *name, const sb_withdrawn_dim_t *d)
{
    if (d->leaving || d->returning || d->kept) {
        printf("  %-28s %10" APR_INT64_T_FMT " removed, %" APR_INT64_T_FMT
               " current again, %" APR_INT64_T_FMT " stay for later batches\n",
               name, d->leaving, d->returning, d->kept);
    }
}

/* @param done in the past tense? */
static void say_counts(const sb_withdrawn_t *r, int done)
{
    const char *what = is_registration(r) ? "registered students" : "results";

    printf("%s\n", done ? "Withdrawn:" : "It will be taken out of production:");
    printf("  %-28s %10" APR_INT64_T_FMT " removed, of which readers %s %" APR_INT64_T_FMT "\n",
           what, r->leaving, done ? "saw" : "see", r->current);
    printf("  %-28s %10" APR_INT64_T_FMT " that it had replaced %s seen again\n", what,
           r->returning, done ? "are" : "will be");
    say_dim("assessments", &r->asmt);
    say_dim("schools", &r->inst_hier);
    say_dim("students", &r->student);
    if (r->later) {
        printf("  %-28s %10d stay, as if this one had never been sent\n", "batches promoted later",
               r->later);
    }
}

static void json_dim(sb_jw_t *w, const char *name, const sb_withdrawn_dim_t *d)
{
    sb_jw_object(w, name);
    sb_jw_int(w, "leaving", d->leaving);
    sb_jw_int(w, "returning", d->returning);
    sb_jw_int(w, "kept", d->kept);
    sb_jw_end(w);
}

static void print_json(const sb_withdrawn_t *r, int done, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "batch", r->batch);
    sb_jw_str(w, "tenant", r->tenant);
    sb_jw_bool(w, "done", done);
    sb_jw_bool(w, "already", r->already);
    sb_jw_str(w, "applied_at", r->applied_at);
    sb_jw_str(w, "withdrawn_at", r->withdrawn_at);
    sb_jw_int(w, "later", r->later);
    sb_jw_int(w, "leaving", r->leaving);
    sb_jw_int(w, "current", r->current);
    sb_jw_int(w, "returning", r->returning);
    sb_jw_object(w, "dims");
    json_dim(w, "asmt", &r->asmt);
    json_dim(w, "inst_hier", &r->inst_hier);
    json_dim(w, "student", &r->student);
    sb_jw_end(w);
    smarter_json_count(w, "data_version", done && !r->already ? r->data_version : -1);
    sb_jw_end(w);
    smarter_json_print(w);
}

static int failed(const program_t *prog, apr_status_t rv, const char *batch, const char *error,
                  apr_pool_t *p)
{
    char buf[200];

    fprintf(stderr, "%s: batch %.8s: %s\n", prog->def->name, batch,
            error ? smarter_line(error, p) : sb_strerror(rv, buf, sizeof buf));
    return program_status(rv);
}

/* Before anything happens: whoever is killed behind the commit is known all the same. */
static apr_status_t note_begun(sb_batches_t *b, const sb_operator_t *who, const sb_batch_t *batch,
                               apr_pool_t *p)
{
    return sb_operator_note(sb_batches_udl(b), sb_conf_str(who->conf, "udl2_db_conn.db_schema"),
                            who->name, "withdraw begun", batch->tenant, batch->guid,
                            who->reason ? who->reason : "", p);
}

/* What it did; not written twice. After a call that died behind the commit only the time is known. */
static apr_status_t note(sb_batches_t *b, const sb_operator_t *who, const sb_batch_t *batch,
                         const sb_withdrawn_t *r, apr_pool_t *p)
{
    const char *detail = apr_psprintf(
        p, "%" APR_INT64_T_FMT " removed, %" APR_INT64_T_FMT " returned%s%s", r->leaving,
        r->returning, who->reason ? ": " : "", who->reason ? who->reason : "");

    if (r->already) {
        detail = apr_pstrcat(p, "had been done, at ", r->withdrawn_at, who->reason ? ": " : "",
                             who->reason, NULL);
    }
    else {
        sb_audit_operator("withdraw", who->name, batch->tenant, batch->guid, detail, p);
    }
    return sb_batch_record(b, who, "withdraw", batch, detail, p);
}

/* Say what it would do, and ask. @return exit status; PROGRAM_DONE: do it, if it is not done */
static int plan(sb_withdrawn_t *r, program_t *prog, const sb_withdraw_opts_t *opts, apr_pool_t *p)
{
    int json = program_option(prog, "json") != NULL, dry = program_option(prog, "dry-run") != NULL;
    const char *error;
    apr_status_t rv = sb_withdraw_plan(r, &error, opts, p);

    if (rv != APR_SUCCESS) {
        return failed(prog, rv, opts->batch, error, p);
    }
    if (!json && !r->already) {
        printf("Batch %s of %s, in production since %s.\n", r->batch, r->tenant, r->applied_at);
        say_counts(r, 0);
    }
    if (json && dry) {
        print_json(r, 0, p);
    }
    return r->already || dry ? PROGRAM_DONE : smarter_act_confirm(prog);
}

static int withdraw(program_t *prog, sb_batches_t *b, const sb_operator_t *who,
                    const sb_batch_t *batch, apr_pool_t *p)
{
    sb_withdraw_opts_t opts = {program_section(prog, "app:main"), prog->def->name, batch->guid};
    const char *error = sb_batch_refuses(batch, SB_BATCH_WITHDRAW, p);
    sb_withdrawn_t result;
    apr_status_t rv;
    int status;

    if (error || !opts.conf) {
        return failed(prog, SB_EINPUT, batch->guid,
                      apr_pstrcat(p, "it is ", batch->stage, ": ", error, NULL), p);
    }
    status = plan(&result, prog, &opts, p);
    if (status != PROGRAM_DONE || program_option(prog, "dry-run")) {
        return status;
    }
    rv = result.already ? APR_SUCCESS : note_begun(b, who, batch, p);
    if (rv != APR_SUCCESS) {
        return smarter_failed(prog, rv, sb_batches_udl(b));
    }
    rv = sb_withdraw(&result, &error, &opts, p);
    if (rv != APR_SUCCESS) {
        return failed(prog, rv, batch->guid, error, p);
    }
    status = smarter_failed(prog, note(b, who, batch, &result, p), sb_batches_udl(b));
    if (program_option(prog, "json")) {
        print_json(&result, 1, p);
    }
    else if (result.already) {
        printf("Withdrawn before, at %s.\n", result.withdrawn_at);
    }
    else {
        say_counts(&result, 1);
    }
    return status;
}

static int run(program_t *prog)
{
    sb_operator_t who = {prog->conf, prog->def->name, sb_operator_name(prog->pool), NULL};
    apr_pool_t *p = prog->pool;
    const sb_batch_t *batch;
    sb_batches_t *b;
    int status = smarter_act_read(prog, &who.reason);

    if (status == PROGRAM_DONE && program_option(prog, "json") && !program_option(prog, "yes") &&
        !program_option(prog, "dry-run")) {
        status = program_usage(prog, "--json asks nobody: --yes or --dry-run too");
    }
    if (status == PROGRAM_DONE && !smarter_act_begin(prog)) {
        status = PROGRAM_FAILED;
    }
    if (status == PROGRAM_DONE) {
        status = smarter_batches_open(&b, prog, p);
    }
    if (status == PROGRAM_DONE) {
        status = smarter_batch_find(&batch, b, prog, APR_ARRAY_IDX(prog->args, 0, const char *), p);
    }
    return status == PROGRAM_DONE ? withdraw(prog, b, &who, batch, p) : status;
}

static const program_option_t options[] = {
    {"dry-run", 0, NULL, "only say what would happen; the counts are exact", 0},
    {"yes", 'y', NULL, "do not ask", 0},
    {"reason", 0, "TEXT", "why, for the record", 0},
    {"json", 0, NULL, "a JSON object", 0},
    {NULL, 0, NULL, NULL, 0}};

const program_def_t smarter_withdraw = {
    .name = SMARTER_COMMAND "withdraw",
    .summary = "take a batch out of production; what it replaced returns",
    .usage = "ID [--dry-run] [--yes] [--reason TEXT] [--json]",
    .section = "app",
    .options = options,
    .max_args = 1,
    .flags = PROGRAM_TOOL,
    .run = run};
