/* smarter batch: everything about one. And what the commands about batches share. */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_strings.h>

#include "udl/sb_udl_operate.h"
#include "workers/smarter.h"
#include "workers/smarter_batch.h"

#define MAX_ERRORS 10000

/* ---- shared ------------------------------------------------------------------------------------ */

int smarter_failed(const program_t *prog, apr_status_t rv, const sb_db_t *db)
{
    char buf[200];

    if (rv == APR_SUCCESS) {
        return PROGRAM_DONE;
    }
    fprintf(stderr, "%s: %s%s%s\n", prog->def->name, sb_strerror(rv, buf, sizeof buf),
            db && *sb_db_error(db) ? ": " : "", db ? sb_db_error(db) : "");
    return program_status(rv);
}

int smarter_batches_open(sb_batches_t **pb, program_t *prog, apr_pool_t *p)
{
    const char *error;
    apr_status_t rv = sb_batches_open(pb, &error, prog->conf, prog->def->name, p);

    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s: %s\n", prog->def->name, error);
    }
    return program_status(rv);
}

int smarter_tenant_is_known(program_t *prog, const char *tenant)
{
    if (tenant && !sb_conf_tenant_str(prog->conf, "target_db_conn.<tenant>.url", tenant)) {
        fprintf(stderr, "%s: %s has no tenant '%s'\n", prog->def->name, prog->ini,
                smarter_safe(tenant, prog->pool));
        return 0;
    }
    return 1;
}

int smarter_batch_find(const sb_batch_t **pbatch, sb_batches_t *b, program_t *prog, const char *id,
                       apr_pool_t *p)
{
    apr_array_header_t *like;
    apr_status_t rv = sb_batches_find(pbatch, &like, b, id, p);
    int i;

    if (rv == SB_EINPUT) {
        return program_usage(prog,
                             "'%s' is no batch: say its guid, or the first 4 or more characters",
                             smarter_safe(id, p));
    }
    if (APR_STATUS_IS_NOTFOUND(rv)) {
        fprintf(stderr, "%s: there is no batch %s\n", prog->def->name, id);
        return PROGRAM_FAILED;
    }
    if (rv != SB_ECONFLICT) {
        return smarter_failed(prog, rv, sb_batches_udl(b));
    }
    fprintf(stderr, "%s: several batches begin with %s:\n", prog->def->name, id);
    for (i = 0; i < like->nelts; i++) {
        const sb_batch_t *batch = &APR_ARRAY_IDX(like, i, sb_batch_t);

        fprintf(stderr, "  %s  %s  %s  %s\n", batch->guid, batch->tenant ? batch->tenant : "-",
                batch->package ? smarter_safe(batch->package, p) : "-", batch->stage);
    }
    return PROGRAM_FAILED;
}

const char *smarter_batch_note(const sb_batch_t *b, apr_pool_t *p)
{
    if (b->stalled) {
        return smarter_line(b->stalled, p);
    }
    if (b->retried_as) {
        return apr_psprintf(p, "again as %.8s", b->retried_as);
    }
    if (b->state == SB_BATCH_HELD) {
        return apr_pstrcat(p, b->behind ? apr_psprintf(p, "waits for %.8s: ", b->behind) : "",
                           smarter_line(b->hold_reason, p), NULL);
    }
    if (b->place) {
        return apr_psprintf(p, "number %d in the queue", b->place);
    }
    return smarter_line(b->problem, p);
}

void smarter_batch_json(sb_jw_t *w, const sb_batch_t *b)
{
    sb_jw_str(w, "batch", b->guid);
    sb_jw_str(w, "tenant", b->tenant);
    sb_jw_str(w, "package", b->package);
    sb_jw_str(w, "kind", b->kind);
    sb_jw_str(w, "state", sb_batch_state_name(b->state));
    sb_jw_str(w, "stage", b->stage);
    sb_jw_str(w, "load_status", b->load_status);
    sb_jw_str(w, "content_key", b->content_key);
    smarter_json_count(w, "place", b->place ? b->place : -1);
    smarter_json_count(w, "percent", b->percent);
    sb_jw_int(w, "rows_per_second", (apr_int64_t)b->rate);
    sb_jw_int(w, "read", b->rows_read);
    sb_jw_int(w, "loaded", b->rows_loaded);
    sb_jw_int(w, "rejected", b->rows_rejected);
    smarter_json_count(w, "deduplicated", b->rows_deduplicated);
    sb_jw_int(w, "warnings", b->warnings);
    smarter_json_count(w, "package_bytes", b->package_bytes);
    smarter_json_count(w, "bytes_total", b->bytes_total);
    smarter_json_count(w, "bytes_done", b->bytes_done);
    sb_jw_int(w, "attempts", b->attempts);
    sb_jw_str(w, "worker", b->worker);
    sb_jw_str(w, "stalled", b->stalled);
    sb_jw_str(w, "waits_for", b->behind);
    sb_jw_str(w, "held_because", b->hold_reason);
    sb_jw_str(w, "problem", b->problem);
    sb_jw_str(w, "kept_in", b->kept_in);
    sb_jw_str(w, "retried_as", b->retried_as);
    sb_jw_str(w, "retry_of", b->retry_of);
    smarter_json_time(w, "arrived", b->arrived);
    smarter_json_time(w, "started", b->started);
    smarter_json_time(w, "progress", b->progress);
    smarter_json_time(w, "finished", b->finished);
    smarter_json_time(w, "discarded", b->discarded);
}

/* ---- for people ---------------------------------------------------------------------------------- */

static void head(const char *title, const smarter_screen_t *s)
{
    printf("\n%s%s%s\n", s->colour ? "\033[1m" : "", title, s->colour ? "\033[0m" : "");
}

static void print_table(const smarter_column_t *columns, int n, const apr_array_header_t *rows,
                        const smarter_screen_t *s, apr_pool_t *p)
{
    const apr_array_header_t *lines =
        smarter_table(columns, n, rows, s->width ? s->width - 2 : 0, p);
    int i;

    for (i = 0; i < lines->nelts; i++) {
        printf("  %s\n", APR_ARRAY_IDX(lines, i, const char *));
    }
}

static const char *number(apr_int64_t n, apr_pool_t *p)
{
    return n < 0 ? "" : apr_psprintf(p, "%" APR_INT64_T_FMT, n);
}

static void print_what(const sb_batch_t *b, apr_pool_t *p)
{
    printf("batch     %s\n", b->guid);
    printf("tenant    %s\n", b->tenant);
    printf("package   %s%s%s\n", b->package ? smarter_safe(b->package, p) : "-",
           b->package_bytes >= 0 ? ", " : "",
           b->package_bytes >= 0 ? smarter_bytes(b->package_bytes, p) : "");
    printf("content   %s%s%s\n", b->kind ? b->kind : "not known", b->content_key ? ", " : "",
           b->content_key ? smarter_safe(b->content_key, p) : "");
    printf("state     %s: %s%s%s%s\n", sb_batch_state_name(b->state), b->stage,
           b->load_status ? " (" : "", b->load_status ? b->load_status : "",
           b->load_status ? ")" : "");
    if (b->stalled) {
        printf("stalled   %s\n", smarter_line(b->stalled, p));
    }
    if (b->place) {
        printf("queue     number %d\n", b->place);
    }
    if (b->state == SB_BATCH_HELD) {
        printf("waits     %s%s%s\n", b->behind ? b->behind : "", b->behind ? ": " : "",
               smarter_line(b->hold_reason, p));
    }
    if (b->problem) {
        printf("problem   %s\n", smarter_line(b->problem, p));
    }
    if (b->retried_as || b->retry_of) {
        printf("retry     %s %s\n", b->retried_as ? "went again as" : "of",
               b->retried_as ? b->retried_as : b->retry_of);
    }
}

static void print_course(const sb_batch_t *b, apr_pool_t *p)
{
    printf("arrived   %s, %s ago\n", smarter_time(b->arrived, p),
           smarter_age(b->now - b->arrived, p));
    if (b->started) {
        printf("loading   %s to %s, attempt %d by %s\n", smarter_time(b->started, p),
               smarter_time(b->finished, p), b->attempts ? b->attempts : 1,
               b->worker ? smarter_safe(b->worker, p) : "?");
    }
    if (b->percent >= 0) {
        printf("progress  %d %% of %s, %s rows/s\n", b->percent, smarter_bytes(b->bytes_total, p),
               smarter_short(b->rate, p));
    }
    if (b->begun) {
        printf("rows      %" APR_INT64_T_FMT " read, %" APR_INT64_T_FMT " loaded, %" APR_INT64_T_FMT
               " rejected, %s the same key, %" APR_INT64_T_FMT " warnings\n",
               b->rows_read, b->rows_loaded, b->rows_rejected,
               b->rows_deduplicated < 0 ? "unknown how many of" : number(b->rows_deduplicated, p),
               b->warnings);
    }
    if (b->kept_in) {
        printf("files     %s\n", smarter_safe(b->kept_in, p));
    }
    else if (b->path) {
        printf("files     %s\n", smarter_safe(b->path, p));
    }
}

static void print_notice(const sb_batch_notice_t *n, apr_pool_t *p)
{
    int pending = !strcmp(n->state, "pending");
    const char *who = !strcmp(n->channel, "call_back") ? "sender's call-back"
                      : !strcmp(n->channel, "email")   ? "sender's mail"
                                                       : "operators' mail";

    printf("notified  %s: ", who);
    if (pending && !n->attempts) {
        fputs("not yet tried", stdout);
    }
    else if (pending) {
        printf("failed so far, %d attempt%s, the next %s", n->attempts, n->attempts == 1 ? "" : "s",
               smarter_time(n->next, p));
    }
    else {
        printf("%s %s, %d attempt%s", strcmp(n->state, "success") ? "given up" : "done",
               smarter_time(n->at, p), n->attempts, n->attempts == 1 ? "" : "s");
    }
    printf("%s%s\n", n->error ? ": " : "", n->error ? smarter_line(n->error, p) : "");
}

static void print_notices(const sb_batch_t *b, const sb_batch_details_t *d, apr_pool_t *p)
{
    int i;

    for (i = 0; i < d->notices->nelts; i++) {
        print_notice(&APR_ARRAY_IDX(d->notices, i, sb_batch_notice_t), p);
    }
    if (!d->notices->nelts && b->notification_status && *b->notification_status) {
        puts("notified  nobody: neither package nor ini name anybody");
    }
    else if (!d->notices->nelts && (b->state == SB_BATCH_DONE || b->state == SB_BATCH_FAILED)) {
        puts("notified  not yet");
    }
}

static void print_steps(const sb_batch_details_t *d, const smarter_screen_t *s, apr_pool_t *p)
{
    static const smarter_column_t columns[] = {{"START", 0, 2, 0, 0}, {"SECONDS", 1, 0, 0, 0},
                                               {"STEP", 0, 0, 0, 0},  {"RECORDS", 1, 0, 0, 0},
                                               {"BYTES", 1, 1, 0, 0}, {"ERROR", 0, 0, 0, 0}};
    apr_array_header_t *rows = apr_array_make(p, 16, sizeof(const char *const *));
    int i;

    for (i = 0; i < d->steps->nelts; i++) {
        const sb_batch_step_t *st = &APR_ARRAY_IDX(d->steps, i, sb_batch_step_t);
        const char **c = apr_palloc(p, 6 * sizeof *c);

        c[0] = smarter_time(st->start, p);
        c[1] = apr_psprintf(p, "%.3f", st->seconds);
        c[2] = smarter_safe(
            apr_pstrcat(p, st->phase, st->detail ? " " : "", st->detail ? st->detail : "", NULL),
            p);
        c[3] = number(st->records, p);
        c[4] = number(st->bytes, p);
        c[5] = st->failed ? smarter_line(st->error ? st->error : "failed", p) : "";
        APR_ARRAY_PUSH(rows, const char *const *) = c;
    }
    if (rows->nelts) {
        head("Steps", s);
        print_table(columns, 6, rows, s, p);
    }
}

static void print_warnings(const sb_batch_details_t *d, const smarter_screen_t *s, apr_pool_t *p)
{
    static const smarter_column_t columns[] = {{"COUNT", 1, 0, 0, 0},
                                               {"FIRST LINE", 1, 0, 0, 0},
                                               {"CODE", 1, 0, 0, 0},
                                               {"COLUMN", 0, 0, 0, 0},
                                               {"WHAT", 0, 0, 0, 0}};
    apr_array_header_t *rows = apr_array_make(p, 16, sizeof(const char *const *));
    int i;

    for (i = 0; i < d->warnings->nelts; i++) {
        const sb_batch_warning_t *w = &APR_ARRAY_IDX(d->warnings, i, sb_batch_warning_t);
        const char **c = apr_palloc(p, 5 * sizeof *c);

        c[0] = number(w->count, p);
        c[1] = number(w->first_line, p);
        c[2] = apr_itoa(p, w->code);
        c[3] = w->column ? smarter_safe(w->column, p) : "";
        c[4] = smarter_line(w->reason, p);
        APR_ARRAY_PUSH(rows, const char *const *) = c;
    }
    if (rows->nelts) {
        head("Warnings: loaded all the same", s);
        print_table(columns, 5, rows, s, p);
    }
}

static void print_rejects(const char *title, const apr_array_header_t *rejects, int ids,
                          const smarter_screen_t *s, apr_pool_t *p)
{
    static const smarter_column_t columns[] = {{"LINE", 1, 0, 0, 0},
                                               {"CODE", 1, 0, 0, 0},
                                               {"COLUMN", 0, 0, 0, 0},
                                               {"STUDENT", 0, 0, 0, 0},
                                               {"REASON", 0, 0, 0, 0}};
    static const smarter_column_t anonymous[] = {
        {"LINE", 1, 0, 0, 0}, {"CODE", 1, 0, 0, 0}, {"COLUMN", 0, 0, 0, 0}, {"REASON", 0, 0, 0, 0}};
    apr_array_header_t *rows = apr_array_make(p, 16, sizeof(const char *const *));
    int i;

    for (i = 0; i < rejects->nelts; i++) {
        const sb_batch_reject_t *r = &APR_ARRAY_IDX(rejects, i, sb_batch_reject_t);
        const char **c = apr_palloc(p, 5 * sizeof *c);
        int n = 0;

        c[n++] = number(r->line, p);
        c[n++] = apr_itoa(p, r->code);
        c[n++] = r->column ? smarter_safe(r->column, p) : "";
        if (ids) {
            c[n++] = r->student_id ? smarter_safe(r->student_id, p) : "";
        }
        c[n] = smarter_line(r->reason, p);
        APR_ARRAY_PUSH(rows, const char *const *) = c;
    }
    if (rows->nelts) {
        head(title, s);
        print_table(ids ? columns : anonymous, ids ? 5 : 4, rows, s, p);
    }
}

static void print_actions(const sb_batch_details_t *d, const smarter_screen_t *s, apr_pool_t *p)
{
    int i;

    if (d->actions->nelts) {
        head("Operators", s);
    }
    for (i = 0; i < d->actions->nelts; i++) {
        const sb_batch_action_t *a = &APR_ARRAY_IDX(d->actions, i, sb_batch_action_t);

        printf("  %s  %s  %s%s%s\n", smarter_time(a->at, p), smarter_safe(a->operator, p),
               smarter_safe(a->action, p), *a->detail ? "  " : "", smarter_line(a->detail, p));
    }
}

static void print_possible(const sb_batch_t *b, const smarter_screen_t *s, apr_pool_t *p)
{
    static const char *const what[] = {
        [SB_BATCH_RETRY] = "send its package through the loader again",
        [SB_BATCH_DISCARD] = "give it up: remove its rows, keep its package aside",
        [SB_BATCH_WITHDRAW] = "take it out of production; what it replaced returns"};
    int verb, n = 0;

    head("What you can do now", s);
    for (verb = SB_BATCH_RETRY; verb <= SB_BATCH_WITHDRAW; verb++) {
        if (!sb_batch_is_done(b, (sb_batch_verb_t)verb) &&
            !sb_batch_refuses(b, (sb_batch_verb_t)verb, p)) {
            printf("  smarter %s %.8s%*s%s\n", sb_batch_verb_name((sb_batch_verb_t)verb), b->guid,
                   (int)(10 - strlen(sb_batch_verb_name((sb_batch_verb_t)verb))), "", what[verb]);
            n++;
        }
    }
    if (b->state == SB_BATCH_FAILED) {
        puts("  or let the sender mend the package and send it again: that is a batch of its own");
    }
    else if (!n) {
        puts("  nothing: there is no need");
    }
}

/* ---- for programs -------------------------------------------------------------------------------- */

static void json_rejects(sb_jw_t *w, const char *key, const apr_array_header_t *rejects, int ids)
{
    int i;

    sb_jw_array(w, key);
    for (i = 0; i < rejects->nelts; i++) {
        const sb_batch_reject_t *r = &APR_ARRAY_IDX(rejects, i, sb_batch_reject_t);

        sb_jw_object(w, NULL);
        sb_jw_int(w, "line", r->line);
        sb_jw_str(w, "column", r->column);
        sb_jw_int(w, "code", r->code);
        sb_jw_str(w, "reason", r->reason);
        if (ids) {
            sb_jw_str(w, "student_id", r->student_id);
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

/* JSON text of a column, as JSON if it is some. */
static void json_json(sb_jw_t *w, const char *key, const char *text, apr_pool_t *p)
{
    sb_json_t *root;

    if (text && sb_json_parse(&root, NULL, text, strlen(text), NULL, p) == APR_SUCCESS) {
        sb_jw_raw(w, key, text, strlen(text));
    }
    else {
        sb_jw_str(w, key, text);
    }
}

static void print_json(const sb_batch_t *b, const sb_batch_details_t *d, int ids, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    int i;

    sb_jw_object(w, NULL);
    smarter_batch_json(w, b);
    json_json(w, "notification_status", b->notification_status, p);
    sb_jw_array(w, "notices");
    for (i = 0; i < d->notices->nelts; i++) {
        const sb_batch_notice_t *n = &APR_ARRAY_IDX(d->notices, i, sb_batch_notice_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "channel", n->channel);
        sb_jw_str(w, "state", n->state);
        sb_jw_int(w, "attempts", n->attempts);
        smarter_json_time(w, "at", n->at);
        smarter_json_time(w, "next", strcmp(n->state, "pending") ? 0 : n->next);
        sb_jw_str(w, "error", n->error);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_array(w, "steps");
    for (i = 0; i < d->steps->nelts; i++) {
        const sb_batch_step_t *s = &APR_ARRAY_IDX(d->steps, i, sb_batch_step_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "step", s->phase);
        sb_jw_str(w, "detail", s->detail);
        sb_jw_bool(w, "failed", s->failed);
        smarter_json_time(w, "start", s->start);
        sb_jw_real(w, "seconds", s->seconds);
        smarter_json_count(w, "records", s->records);
        smarter_json_count(w, "bytes", s->bytes);
        sb_jw_str(w, "error", s->error);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_array(w, "warning_kinds");
    for (i = 0; i < d->warnings->nelts; i++) {
        const sb_batch_warning_t *x = &APR_ARRAY_IDX(d->warnings, i, sb_batch_warning_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "column", x->column);
        sb_jw_int(w, "code", x->code);
        sb_jw_str(w, "reason", x->reason);
        sb_jw_int(w, "count", x->count);
        sb_jw_int(w, "first_line", x->first_line);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    json_rejects(w, "rejected_rows", d->rejects, ids);
    json_rejects(w, "promotion_errors", d->errors, ids);
    sb_jw_array(w, "operators");
    for (i = 0; i < d->actions->nelts; i++) {
        const sb_batch_action_t *a = &APR_ARRAY_IDX(d->actions, i, sb_batch_action_t);

        sb_jw_object(w, NULL);
        smarter_json_time(w, "at", a->at);
        sb_jw_str(w, "operator", a->operator);
        sb_jw_str(w, "action", a->action);
        sb_jw_str(w, "detail", a->detail);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_array(w, "possible");
    for (i = SB_BATCH_RETRY; i <= SB_BATCH_WITHDRAW; i++) {
        if (!sb_batch_is_done(b, (sb_batch_verb_t)i) &&
            !sb_batch_refuses(b, (sb_batch_verb_t)i, p)) {
            sb_jw_str(w, NULL, sb_batch_verb_name((sb_batch_verb_t)i));
        }
    }
    sb_jw_end(w);
    sb_jw_end(w);
    smarter_json_print(w);
}

/* ---- the command --------------------------------------------------------------------------------- */

static int run(program_t *prog)
{
    const char *errors = program_option(prog, "errors");
    int ids = program_option(prog, "ids") != NULL, max = 10, status;
    smarter_screen_t s = smarter_screen();
    apr_pool_t *p = prog->pool;
    sb_batch_details_t d;
    const sb_batch_t *batch;
    sb_batches_t *b;

    if (!prog->args->nelts) {
        return program_usage(prog, "which batch?");
    }
    if (errors && !program_number(&max, errors, 0, MAX_ERRORS)) {
        return program_usage(prog, "--errors %s: a number from 0 to %d", errors, MAX_ERRORS);
    }
    status = smarter_batches_open(&b, prog, p);
    if (status == PROGRAM_DONE) {
        status = smarter_batch_find(&batch, b, prog, APR_ARRAY_IDX(prog->args, 0, const char *), p);
    }
    if (status == PROGRAM_DONE) {
        status = smarter_failed(prog, sb_batches_details(&d, b, batch, max, p), sb_batches_udl(b));
    }
    if (status != PROGRAM_DONE) {
        return status;
    }
    if (program_option(prog, "json")) {
        print_json(batch, &d, ids, p);
        return PROGRAM_DONE;
    }
    print_what(batch, p);
    print_course(batch, p);
    print_notices(batch, &d, p);
    print_steps(&d, &s, p);
    print_warnings(&d, &s, p);
    print_rejects("Rejected rows, the first ones", d.rejects, ids, &s, p);
    print_rejects("Lines that stopped promotion, the first ones", d.errors, ids, &s, p);
    print_actions(&d, &s, p);
    print_possible(batch, &s, p);
    return PROGRAM_DONE;
}

static const program_option_t options[] = {
    {"errors", 'n', "NUMBER", "at most so many rejected rows (default 10)", 0},
    {"ids", 0, NULL, "show student ids beside the lines", 0},
    {"json", 0, NULL, "a JSON object", 0},
    {NULL, 0, NULL, NULL, 0}};

const program_def_t smarter_batch = {.name = SMARTER_COMMAND "batch",
                                     .summary = "everything about one batch, and what can be done",
                                     .usage = "ID [--errors NUMBER] [--ids] [--json]",
                                     .section = "app",
                                     .options = options,
                                     .max_args = 1,
                                     .flags = PROGRAM_TOOL,
                                     .run = run};
