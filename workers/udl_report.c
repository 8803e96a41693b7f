/* smarter-udl-report: the daily reconciliation report, as a file or by mail. */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "notify/sb_notify.h"
#include "notify/sb_reconcile.h"
#include "workers/program.h"

#define BOUNDARY 1 /* hour at which a day begins, as in the replaced system */
#define TRIES 3
#define PAUSE apr_time_from_sec(10)

/* ---- mail -------------------------------------------------------------------------------------- */

typedef struct {
    int ended;
    sb_transfer_verdict_t verdict;
    char error[200];
} sending_t;

static void on_end(void *ctx, sb_transfer_verdict_t verdict, const char *error)
{
    sending_t *s = ctx;

    s->ended = 1;
    s->verdict = verdict;
    apr_cpystrn(s->error, error ? error : "", sizeof s->error);
}

static apr_status_t send_once(sending_t *s, const sb_mail_server_t *server, const sb_mail_t *mail,
                              apr_pool_t *p)
{
    sb_transfers_t *t;
    apr_status_t rv = sb_transfers_make(&t, p);

    memset(s, 0, sizeof *s);
    if (rv == APR_SUCCESS) {
        rv = sb_transfers_mail(t, server, mail, on_end, s);
    }
    while (rv == APR_SUCCESS && !s->ended && !program_stopping()) {
        rv = sb_transfers_run(t, apr_time_from_sec(1), program_stop_fd());
    }
    return rv == APR_SUCCESS && !s->ended ? APR_EINTR : rv;
}

static int send_mail(program_t *prog, const sb_mail_t *mail)
{
    sb_mail_server_t server;
    sending_t s;
    apr_pool_t *p;
    int tries;
    apr_status_t rv = apr_pool_create(&p, prog->pool);

    sb_notify_mail_server(&server, prog->conf, NULL, prog->pool);
    server.timeout = apr_time_from_sec(600); /* a large attachment */
    for (tries = 1; rv == APR_SUCCESS; tries++) {
        rv = send_once(&s, &server, mail, p);
        apr_pool_clear(p);
        if (rv != APR_SUCCESS || s.verdict != SB_TRANSFER_AGAIN || tries == TRIES ||
            program_sleep(PAUSE)) {
            break;
        }
    }
    if (rv == APR_SUCCESS && s.verdict == SB_TRANSFER_DONE) {
        return PROGRAM_DONE;
    }
    sb_log(SB_LOG_ERROR, SBLOGNO(4361), rv, "mailing the report by %s: %s", server.host,
           rv == APR_SUCCESS ? s.error : "failed");
    return rv == APR_SUCCESS && s.verdict == SB_TRANSFER_NEVER ? PROGRAM_FAILED : PROGRAM_AGAIN;
}

static const char *mail_text(const apr_array_header_t *labels, apr_pool_t *p)
{
    const char *text;
    int i;

    if (!labels->nelts) {
        return "No results of the last day's packages came into production.\n";
    }
    text = "Results of the last day's packages that are current in production, by date in the"
           " package's name:\n\n";
    for (i = 0; i < labels->nelts; i++) {
        const sb_reconcile_label_t *l = &APR_ARRAY_IDX(labels, i, sb_reconcile_label_t);

        text = apr_psprintf(p, "%s%s: %" APR_INT64_T_FMT "\n", text, l->date, l->rows);
    }
    return text;
}

static int check_mail(program_t *prog, sb_mail_t *mail)
{
    int i;

    mail->from = sb_conf_str(prog->conf, "mail.udl_report.from");
    mail->to = sb_conf_list(prog->conf, "mail.udl_report.to", prog->pool);
    mail->subject = sb_conf_str(prog->conf, "mail.udl_report.subject");
    if (!mail->from || sb_target_mailbox(mail->from, NULL) || !mail->to->nelts) {
        fprintf(stderr, "%s: mail.udl_report.from and mail.udl_report.to are needed\n",
                prog->def->name);
        return 0;
    }
    for (i = 0; i < mail->to->nelts; i++) {
        if (sb_target_mailbox(APR_ARRAY_IDX(mail->to, i, const char *), NULL)) {
            fprintf(stderr, "%s: mail.udl_report.to: '%s' is no mailbox\n", prog->def->name,
                    APR_ARRAY_IDX(mail->to, i, const char *));
            return 0;
        }
    }
    return 1;
}

/* ---- the report -------------------------------------------------------------------------------- */

static int read_date(sb_reconcile_opts_t *o, const char *text)
{
    apr_time_exp_t now;
    int end = 0;

    if (!text) {
        apr_time_exp_lt(&now, apr_time_now());
        o->year = now.tm_year + 1900;
        o->month = now.tm_mon + 1;
        o->day = now.tm_mday;
        return 1;
    }
    return sscanf(text, "%4d-%2d-%2d%n", &o->year, &o->month, &o->day, &end) == 3 && !text[end] &&
           end == 10 && sb_date_is_valid(o->year, o->month, o->day);
}

static int make(program_t *prog, apr_array_header_t **plabels, const sb_reconcile_opts_t *o)
{
    const char *error;
    apr_status_t rv = sb_reconcile_make(plabels, &error, o, prog->pool);

    if (rv == SB_EBUSY) {
        fprintf(stderr, "%s: another one is running\n", prog->def->name);
        return PROGRAM_AGAIN;
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4360), rv, "%s", error ? error : "making the report");
    }
    return program_status(rv);
}

static int write_out(program_t *prog, sb_reconcile_opts_t *o, const char *dir, const char *name)
{
    apr_array_header_t *labels;
    int status, i;

    o->path = apr_pstrcat(prog->pool, dir, "/", name, NULL);
    status = make(prog, &labels, o);
    for (i = 0; status == PROGRAM_DONE && i < labels->nelts; i++) {
        const sb_reconcile_label_t *l = &APR_ARRAY_IDX(labels, i, sb_reconcile_label_t);

        printf("%s: %" APR_INT64_T_FMT "\n", l->date, l->rows);
    }
    if (status == PROGRAM_DONE && !labels->nelts) {
        printf("nothing to report: none of the packages that arrived in the 24 hours before"
               " %04d-%02d-%02d %02d:00 has results in production\n",
               o->year, o->month, o->day, o->hour);
    }
    return status;
}

static int mail_out(program_t *prog, sb_reconcile_opts_t *o, const char *name)
{
    const char *dir =
        apr_pstrcat(prog->pool, sb_conf_str(prog->conf, "zones.work"), "/.report", NULL);
    apr_array_header_t *labels;
    sb_mail_t mail = {.file_name = name};
    apr_status_t rv;
    int status;

    if (!check_mail(prog, &mail)) {
        return PROGRAM_FAILED;
    }
    rv = sb_dir_make(dir, 0700, prog->pool);
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4362), rv, "making %s", dir);
        return program_status(rv);
    }
    o->path = apr_psprintf(prog->pool, "%s/%s.%d", dir, name, (int)getpid());
    status = make(prog, &labels, o);
    if (status == PROGRAM_DONE) {
        mail.text = mail_text(labels, prog->pool);
        mail.attachment = labels->nelts ? o->path : NULL;
        status = send_mail(prog, &mail);
    }
    unlink(o->path);
    return status;
}

static int run(program_t *prog)
{
    const char *dir = program_option(prog, "out"), *hour = program_option(prog, "report-hour");
    sb_reconcile_opts_t o = {.conf = prog->conf, .app = prog->def->name, .hour = BOUNDARY};
    const char *name;

    if (!program_option(prog, "once") == !program_option(prog, "if-due")) {
        return program_usage(prog, "say --once, or --if-due");
    }
    if (!read_date(&o, program_option(prog, "date"))) {
        return program_usage(prog, "--date %s: YYYY-MM-DD", program_option(prog, "date"));
    }
    if (hour && !program_number(&o.hour, hour, 0, 23)) {
        return program_usage(prog, "--report-hour %s: 0 to 23", hour);
    }
    name = apr_psprintf(prog->pool, "report_%04d-%02d-%02d.zip", o.year, o.month, o.day);
    if (dir) {
        return write_out(prog, &o, dir, name);
    }
    if (!sb_conf_bool(prog->conf, "mail.udl_report.enabled")) {
        if (program_option(prog, "once")) {
            fprintf(stderr, "%s: mail.udl_report.enabled is not set; say --out DIR for a file\n",
                    prog->def->name);
            return PROGRAM_FAILED;
        }
        return PROGRAM_DONE;
    }
    return mail_out(prog, &o, name);
}

static const program_option_t options[] = {
    {"once", 0, NULL, "make the report now", PROGRAM_ONCE},
    {"out", 'o', "DIR", "write it to this directory instead of mailing it", 0},
    {"date", 0, "YYYY-MM-DD", "the day whose report it is (default: today)", 0},
    {"report-hour", 'r', "HOUR",
     "it covers what arrived from this hour of the day before to this hour of the day (default: 1)",
     0},
    {NULL, 0, NULL, NULL, 0}};

static const program_def_t def = {
    .name = "smarter-udl-report",
    .summary = "report which results of a day's packages are current in production",
    .usage = "--once | --if-due [--out DIR] [--date YYYY-MM-DD] [OPTION...]",
    .section = "app",
    .options = options,
    .run = run,
    .schedule = "report"};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
