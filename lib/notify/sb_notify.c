/* Notifications: see sb_notify.h. A batch that has ended is planned (one row a channel), then the rows
 * that are due are sent, several at once. */

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "notify/sb_notify_conf.h"
#include "notify/sb_notify_text.h"
#include "udl/sb_udl_outcome.h"

#define FINAL "('udl.failed', 'migrate.failed', 'migrate.ingested')"
#define PAUSE_MAX 3600    /* seconds between two attempts at most */
#define DUE_MAX 200       /* looked at at once */
#define HOST_MAX 4        /* attempts at one host at a time: a slow one must not take all places */
#define DEFER "5 seconds" /* how long others of that host stand aside */
#define LOOK_EVERY apr_time_from_msec(300)
#define POLL apr_time_from_msec(200)

typedef struct run_t run_t;

/* One attempt under way. */
typedef struct item_t {
    struct item_t *next;
    run_t *run;
    apr_pool_t *p;
    const char *batch, *channel, *host;
    int attempt, max_attempts;
    apr_int64_t retry, timeout; /* seconds */
} item_t;

struct run_t {
    const sb_notify_opts_t *opts;
    sb_notify_result_t *result;
    const char **perror;
    apr_pool_t *p;
    sb_db_t *stats, *udl;
    const char *udl_schema, *stats_schema;
    sb_notify_conf_t conf;
    sb_transfers_t *transfers;
    item_t *under_way;
    apr_status_t rv; /* a database failed while an answer was noted */
};

/* ---- statements -------------------------------------------------------------------------------- */

static const sb_stmt_t find_untold = {
    .name = "notify_untold",
    .nargs = 0,
    .sql = "SELECT batch_guid, tenant, load_status, load_type, notification FROM {schema}.udl_stats"
           " WHERE coalesce(notification_status, '') = '' AND load_status IN " FINAL
           " ORDER BY file_arrived LIMIT 50"};
static const sb_stmt_t find_due = {
    .name = "notify_due",
    .nargs = 1,
    .sql = "SELECT s.batch_guid, s.tenant, s.load_status, s.load_type, s.notification, n.channel,"
           " n.attempts, n.round FROM {schema}.notification n JOIN {schema}.udl_stats s"
           " USING (batch_guid) WHERE n.state = 'pending' AND n.next_at <= now()"
           " AND s.load_status IN " FINAL " ORDER BY n.next_at, s.file_arrived LIMIT $1::int"};
static const sb_stmt_t forget_round = {
    .name = "notify_forget",
    .nargs = 1,
    .sql = "DELETE FROM {schema}.notification WHERE batch_guid = $1 RETURNING round"};
static const sb_stmt_t plan_channel = {
    .name = "notify_plan",
    .nargs = 5,
    .sql = "INSERT INTO {schema}.notification (batch_guid, channel, round, state, error)"
           " VALUES ($1, $2, $3::int, $4, $5)"};
static const sb_stmt_t note_begin = {
    .name = "notify_begin",
    .nargs = 4,
    .sql = "UPDATE {schema}.notification SET attempts = attempts + 1, at = now(),"
           " next_at = now() + $4::int * interval '1 s' WHERE batch_guid = $1 AND channel = $2"
           " AND state = 'pending' AND attempts = $3::int"};
static const sb_stmt_t note_end = {
    .name = "notify_end",
    .nargs = 5,
    .sql = "UPDATE {schema}.notification SET state = $3, error = $4, at = now(),"
           " next_at = now() + $5::int * interval '1 s' WHERE batch_guid = $1 AND channel = $2"
           " AND state = 'pending'"};
static const sb_stmt_t put_off = {
    .name = "notify_defer",
    .nargs = 2,
    .sql = "UPDATE {schema}.notification SET next_at = now() + interval '" DEFER
           "' WHERE batch_guid = $1 AND channel = $2"};
static const sb_stmt_t find_channels = {
    .name = "notify_channels",
    .nargs = 1,
    .sql = "SELECT channel, upper(state), error, (extract(epoch FROM at) * 1e6)::bigint"
           " FROM {schema}.notification WHERE batch_guid = $1"};
static const sb_stmt_t set_status = {
    .name = "notify_set_status",
    .nargs = 2,
    .sql = "UPDATE {schema}.udl_stats SET notification_status = $2 WHERE batch_guid = $1"
           " AND load_status IN " FINAL};
/* Of the loader's schema. */
static const sb_stmt_t find_counts = {
    .name = "notify_counts",
    .nargs = 1,
    .sql = "SELECT rows_read, rows_loaded, rows_rejected, rows_deduplicated FROM {schema}.batch"
           " WHERE batch_guid = $1"};
static const sb_stmt_t find_errors = {
    .name = "notify_errors",
    .nargs = 1,
    .sql = "(SELECT line, column_name, code, reason FROM {schema}.rejected_row"
           " WHERE batch_guid = $1 ORDER BY line, rejected_sid LIMIT 10) UNION ALL"
           " (SELECT record_sid, 'Op', err_code, err_code_text FROM {schema}.err_list"
           " WHERE guid_batch = $1 ORDER BY record_sid LIMIT 10)"};
static const sb_stmt_t find_phase = {
    .name = "notify_phase",
    .nargs = 1,
    .sql = "SELECT udl_phase, udl_phase_step, to_char(end_timestamp,"
           " 'YYYY-MM-DD HH24:MI:SS') || ' UTC' FROM {schema}.udl_batch WHERE guid_batch = $1"
           " AND udl_phase_step_status = 'FAILURE' ORDER BY batch_sid LIMIT 1"};

/* ---- what is noted ----------------------------------------------------------------------------- */

/* "2015-04-05 10:11:12", local time, as readers of notification_status know it. */
static const char *local_time(const char *micros, apr_pool_t *p)
{
    apr_time_exp_t t;

    apr_time_exp_lt(&t, apr_atoi64(micros));
    return apr_psprintf(p, "%04d-%02d-%02d %02d:%02d:%02d", t.tm_year + 1900, t.tm_mon + 1,
                        t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
}

static void write_channel(sb_jw_t *w, const char *key, const char *channel, int with_error,
                          const sb_rows_t *rows, apr_pool_t *p)
{
    int i = 0, n = sb_rows_count(rows);

    while (i < n && strcmp(sb_rows_text(rows, i, 0), channel)) {
        i++;
    }
    sb_jw_object(w, key);
    sb_jw_str(w, "timestamp", i < n ? local_time(sb_rows_text(rows, i, 3), p) : "");
    sb_jw_str(w, "status", i < n ? sb_rows_text(rows, i, 1) : NULL);
    if (with_error || (i < n && sb_rows_text(rows, i, 2))) {
        sb_jw_str(w, "error", i < n && sb_rows_text(rows, i, 2) ? sb_rows_text(rows, i, 2) : "");
    }
    sb_jw_end(w);
}

/* The sum of a batch's channels, in its udl_stats. */
static apr_status_t sum_up(const run_t *run, const char *batch, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, run->stats, &find_channels, &batch, p);

    if (rv == APR_SUCCESS) {
        const char *args[] = {batch, NULL};

        sb_jw_object(w, NULL);
        write_channel(w, "call_back", "call_back", 1, rows, p);
        write_channel(w, "email", "email", 0, rows, p);
        sb_jw_end(w);
        args[1] = sb_jw_text(w, NULL);
        rv = sb_db_exec(NULL, run->stats, &set_status, args);
    }
    return rv;
}

/* ---- planning ---------------------------------------------------------------------------------- */

static void read_notice(sb_notice_t *n, const sb_rows_t *rows, int i, apr_pool_t *p)
{
    const char *text = sb_rows_text(rows, i, 4);
    sb_json_t *noted = NULL;

    memset(n, 0, sizeof *n);
    n->batch = sb_rows_text(rows, i, 0);
    n->tenant = sb_rows_text(rows, i, 1);
    n->load_status = sb_rows_text(rows, i, 2);
    n->load_type = sb_rows_text(rows, i, 3);
    if (text && *text && sb_json_parse(&noted, NULL, text, strlen(text), NULL, p) == APR_SUCCESS) {
        n->noted = noted;
    }
}

/* The files of the sender, now that promotion has spoken. A history zone on another machine is no
 * reason to keep quiet. */
static void renew_outcome(const run_t *run, const sb_notice_t *n, apr_pool_t *p)
{
    sb_udl_outcome_t where = {
        run->udl, run->udl_schema, run->stats, run->stats_schema,
        sb_conf_tenant_str(run->opts->loader, "tenant.<tenant>.reports_dir", n->tenant)};
    apr_status_t rv = sb_udl_outcome_write(&where, n->batch, p);

    if (rv != APR_SUCCESS) {
        sb_log(APR_STATUS_IS_ENOENT(rv) ? SB_LOG_DEBUG : SB_LOG_WARN, SBLOGNO(2901), rv,
               "writing the outcome files of the batch");
    }
}

/* @param problem why it cannot be sent; NULL: it is to be sent */
static apr_status_t plan_one(const run_t *run, const sb_notice_t *n, const char *channel,
                             const char *round, const char *problem)
{
    const char *args[] = {n->batch, channel, round, problem ? "failure" : "pending", problem};

    if (problem) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(2902), SB_NO_STATUS, "%s: %s", channel, problem);
    }
    return sb_db_exec(NULL, run->stats, &plan_channel, args);
}

static const char *mail_problem(const run_t *run, const char *mailbox)
{
    const char *problem = sb_target_mailbox(mailbox, run->conf.mail_domains);

    if (!problem && !run->conf.sender) {
        problem = "not sent: migrate.notification.mail_sender is not set";
    }
    return problem;
}

static apr_status_t plan_channels(run_t *run, const sb_notice_t *n, apr_pool_t *p)
{
    const char *url = sb_notice_str(n, "callback_url"),
               *mailbox = sb_notice_str(n, "email_notification");
    const char *round;
    sb_target_t target;
    sb_rows_t *rows;
    apr_status_t rv;

    rv = sb_db_query(&rows, run->stats, &forget_round, &n->batch, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    round = sb_rows_count(rows) ? apr_itoa(p, 1 + (int)sb_rows_int(rows, 0, 0, 0)) : "1";
    if (url) {
        rv = plan_one(run, n, "call_back", round, sb_target_url(&target, &run->conf.rules, url, p));
    }
    if (rv == APR_SUCCESS && mailbox) {
        rv = plan_one(run, n, "email", round, mail_problem(run, mailbox));
    }
    if (rv == APR_SUCCESS && run->conf.operators && !sb_notice_is_success(n)) {
        rv = plan_one(run, n, "operator", round, NULL);
    }
    return rv == APR_SUCCESS ? sum_up(run, n->batch, p) : rv;
}

/* @param pn how many there were */
static apr_status_t plan(run_t *run, int *pn, apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, run->stats, &find_untold, NULL, p);
    int i;

    *pn = rv == APR_SUCCESS ? sb_rows_count(rows) : 0;
    for (i = 0; rv == APR_SUCCESS && i < *pn && !run->opts->stopping(); i++) {
        sb_notice_t n;

        read_notice(&n, rows, i, p);
        sb_log_set_id(n.batch);
        renew_outcome(run, &n, p);
        rv = sb_db_begin(run->stats, SB_TX_WRITE);
        if (rv == APR_SUCCESS) {
            rv = sb_db_end(run->stats, plan_channels(run, &n, p));
        }
        sb_log_set_id(NULL);
    }
    return rv;
}

/* ---- an attempt -------------------------------------------------------------------------------- */

static apr_int64_t pause_after(const item_t *it)
{
    return sb_transfer_pause(it->attempt, it->retry, PAUSE_MAX);
}

static const char *seconds(apr_int64_t secs, apr_pool_t *p)
{
    return apr_psprintf(p, "%" APR_INT64_T_FMT, secs);
}

static apr_status_t note_ending(const item_t *it, const char *state, const char *error)
{
    const char *args[] = {it->batch, it->channel, state, error, seconds(pause_after(it), it->p)};
    apr_status_t rv = sb_db_begin(it->run->stats, SB_TX_WRITE);

    if (rv == APR_SUCCESS) {
        rv = sb_db_exec(NULL, it->run->stats, &note_end, args);
        rv = sb_db_end(it->run->stats, rv == APR_SUCCESS ? sum_up(it->run, it->batch, it->p) : rv);
    }
    return rv;
}

static void unlink_item(item_t *it)
{
    item_t **at = &it->run->under_way;

    while (*at && *at != it) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = it->next;
    }
}

static void on_end(void *ctx, sb_transfer_verdict_t verdict, const char *error)
{
    item_t *it = ctx;
    sb_notify_result_t *r = it->run->result;
    sb_transfer_verdict_t outcome = sb_transfer_outcome(verdict, it->attempt, it->max_attempts);
    static const char *const states[] = {[SB_TRANSFER_DONE] = "success",
                                         [SB_TRANSFER_AGAIN] = "pending",
                                         [SB_TRANSFER_NEVER] = "failure"};
    apr_status_t rv;

    sb_log_set_id(it->batch);
    if (outcome != verdict) {
        error = apr_psprintf(it->p, "%s; given up after %d attempts", error, it->attempt);
    }
    rv = note_ending(it, states[outcome], error);
    if (outcome == SB_TRANSFER_DONE) {
        r->sent++;
        sb_log(SB_LOG_INFO, SBLOGNO(2903), SB_NO_STATUS, "%s: sent to %s, attempt %d", it->channel,
               it->host, it->attempt);
    }
    else {
        int again = outcome == SB_TRANSFER_AGAIN;

        again ? r->waiting++ : r->failed++;
        sb_log(again ? SB_LOG_NOTICE : SB_LOG_WARN, SBLOGNO(2904), SB_NO_STATUS,
               "%s: %s, attempt %d: %s", it->channel, it->host, it->attempt, error);
    }
    sb_log_set_id(NULL);
    if (rv != APR_SUCCESS && it->run->rv == APR_SUCCESS) {
        it->run->rv = rv;
    }
    unlink_item(it);
    apr_pool_destroy(it->p);
}

static int at_host(const run_t *run, const char *host)
{
    const item_t *it;
    int n = 0;

    for (it = run->under_way; it; it = it->next) {
        n += !strcasecmp(it->host, host);
    }
    return n;
}

static apr_status_t read_more(const run_t *run, sb_notice_t *n, apr_pool_t *p)
{
    sb_rows_t *rows = NULL;
    apr_status_t rv = sb_db_query(&rows, run->udl, &find_counts, &n->batch, p);

    n->counts = rows;
    if (rv == APR_SUCCESS) {
        rv = sb_db_query(&rows, run->udl, &find_errors, &n->batch, p);
        n->errors = rows;
    }
    return rv;
}

static apr_status_t call_back(item_t *it, const sb_notice_t *n, const sb_target_t *target,
                              const char *key)
{
    const run_t *run = it->run;
    sb_post_t post = {.target = target,
                      .rules = &run->conf.rules,
                      .ca_file = run->conf.ca_file,
                      .key = key,
                      .body = sb_notice_body(n, it->p),
                      .timeout = apr_time_from_sec(it->timeout)};

    return sb_transfers_post(run->transfers, &post, on_end, it);
}

static apr_status_t mail_sender_of_batch(item_t *it, const sb_notice_t *n, const char *mailbox)
{
    const run_t *run = it->run;
    apr_array_header_t *to = apr_array_make(it->p, 1, sizeof(const char *));
    sb_mail_t mail = {.from = run->conf.sender,
                      .to = to,
                      .subject = sb_notice_subject(n, it->p),
                      .text = sb_notice_body(n, it->p)};

    APR_ARRAY_PUSH(to, const char *) = mailbox;
    return sb_transfers_mail(run->transfers, &run->conf.mail_server, &mail, on_end, it);
}

static apr_status_t mail_operators(item_t *it, const sb_notice_t *n)
{
    const run_t *run = it->run;
    sb_rows_t *rows;
    sb_mail_t mail = {.from = run->conf.operator_sender,
                      .to = run->conf.operators,
                      .subject = sb_conf_str(run->opts->loader, "mail.udl_fail.subject")};
    apr_status_t rv = sb_db_query(&rows, run->udl, &find_phase, &n->batch, it->p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (sb_rows_count(rows)) {
        mail.text = sb_notice_operator_text(n, sb_rows_text(rows, 0, 0), sb_rows_text(rows, 0, 1),
                                            sb_rows_text(rows, 0, 2), it->p);
    }
    else {
        mail.text = sb_notice_operator_text(
            n, strcmp(n->load_status, "migrate.failed") ? NULL : "promotion", NULL, NULL, it->p);
    }
    return sb_transfers_mail(run->transfers, &run->conf.operator_server, &mail, on_end, it);
}

/* Why it cannot be sent any more: the configuration may have changed since it was planned. */
static const char *prepare(item_t *it, sb_target_t *target, const sb_notice_t *n)
{
    const run_t *run = it->run;
    const char *where;

    switch (*it->channel) {
    case 'c':
        where = sb_notice_str(n, "callback_url");
        it->host = "";
        if (!where) {
            return "not called: the batch names no address any more";
        }
        where = sb_target_url(target, &run->conf.rules, where, it->p);
        it->host = target->host ? target->host : "";
        return where;
    case 'e':
        it->host = run->conf.mail_server.host;
        where = sb_notice_str(n, "email_notification");
        return where ? mail_problem(run, where) : "not sent: the batch names no mailbox any more";
    default:
        it->host = run->conf.operator_server.host;
        return run->conf.operators ? NULL : "not sent: mail.udl_fail is switched off";
    }
}

static apr_status_t send_item(item_t *it, sb_notice_t *n, const sb_target_t *target,
                              const char *round)
{
    /* a batch that was loaded once more is another message */
    const char *key =
        strcmp(round, "1") ? apr_pstrcat(it->p, n->batch, "-", round, NULL) : n->batch;
    const char *args[] = {it->batch, it->channel, apr_itoa(it->p, it->attempt - 1),
                          seconds(pause_after(it) + it->timeout + 10, it->p)};
    apr_int64_t changed;
    apr_status_t rv;

    rv = read_more(it->run, n, it->p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec(&changed, it->run->stats, &note_begin, args);
    }
    if (rv != APR_SUCCESS || changed != 1) {
        return rv == APR_SUCCESS ? SB_EBUSY : rv;
    }
    it->next = it->run->under_way;
    it->run->under_way = it;
    switch (*it->channel) {
    case 'c':
        rv = call_back(it, n, target, key);
        break;
    case 'e':
        rv = mail_sender_of_batch(it, n, sb_notice_str(n, "email_notification"));
        break;
    default:
        rv = mail_operators(it, n);
        break;
    }
    if (rv != APR_SUCCESS) {
        unlink_item(it);
    }
    return rv;
}

/* @param rows of find_due */
static apr_status_t start_one(int *pstarted, run_t *run, const sb_rows_t *rows, int i)
{
    const sb_conf_t *conf = run->opts->loader;
    const char *args[] = {sb_rows_text(rows, i, 0), sb_rows_text(rows, i, 5)};
    const char *problem;
    sb_target_t target = {0};
    sb_notice_t n;
    apr_pool_t *p;
    item_t *it;
    apr_status_t rv = apr_pool_create(&p, run->p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    it = apr_pcalloc(p, sizeof *it);
    read_notice(&n, rows, i, p);
    it->run = run;
    it->p = p;
    n.batch = it->batch = apr_pstrdup(p, args[0]);
    it->channel = apr_pstrdup(p, args[1]);
    it->attempt = 1 + (int)sb_rows_int(rows, i, 6, 0);
    it->max_attempts = (int)sb_notice_int(&n, "notification_max_attempts", 1, 100,
                                          sb_conf_int(conf, "notification_max_attempts"));
    it->retry = sb_notice_int(&n, "notification_retry_interval", 1, 86400,
                              apr_time_sec(sb_conf_interval(conf, "notification_retry_interval")));
    it->timeout =
        *it->channel == 'c'
            ? sb_notice_int(&n, "notification_timeout_interval", 1, 3600,
                            apr_time_sec(sb_conf_interval(conf, "notification_timeout_interval")))
            : SB_NOTIFY_MAIL_SECS;
    problem = prepare(it, &target, &n);
    if (!problem && it->attempt > it->max_attempts) {
        problem =
            apr_psprintf(p, "given up after %d attempts, the last one cut off", it->max_attempts);
    }
    if (problem) {
        sb_log(SB_LOG_WARN, SBLOGNO(2905), SB_NO_STATUS, "%s: %s", it->channel, problem);
        run->result->failed++;
        rv = note_ending(it, "failure", problem);
    }
    else if (at_host(run, it->host) >= HOST_MAX) {
        /* others behind it must be seen */
        if (sb_rows_count(rows) == DUE_MAX) {
            rv = sb_db_exec(NULL, run->stats, &put_off, args);
        }
    }
    else {
        rv = send_item(it, &n, &target, sb_rows_text(rows, i, 7));
        if (rv == APR_SUCCESS) {
            ++*pstarted;
            return rv; /* on_end has it now */
        }
    }
    apr_pool_destroy(p);
    return rv == SB_EBUSY ? APR_SUCCESS : rv; /* the batch begins anew meanwhile */
}

/* @param pstarted how many */
static apr_status_t start_due(run_t *run, int *pstarted, apr_pool_t *p)
{
    const char *limit = apr_itoa(p, DUE_MAX);
    sb_rows_t *rows;
    apr_status_t rv = APR_SUCCESS;
    int i;

    *pstarted = 0;
    if (sb_transfers_count(run->transfers) < run->conf.max_parallel) {
        rv = sb_db_query(&rows, run->stats, &find_due, &limit, p);
        for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows) && !run->opts->stopping() &&
                    sb_transfers_count(run->transfers) < run->conf.max_parallel;
             i++) {
            sb_log_set_id(sb_rows_text(rows, i, 0));
            rv = start_one(pstarted, run, rows, i);
            sb_log_set_id(NULL);
        }
    }
    return rv;
}

static apr_status_t work(run_t *run)
{
    apr_time_t looked = 0, now;
    apr_pool_t *p;
    int planned = 0, started = 0;
    apr_status_t rv = apr_pool_create(&p, run->p);

    while (rv == APR_SUCCESS && !run->opts->stopping()) {
        now = apr_time_now();
        if (now - looked >= LOOK_EVERY || now < looked || !sb_transfers_count(run->transfers)) {
            looked = now;
            apr_pool_clear(p);
            rv = plan(run, &planned, p);
            if (rv == APR_SUCCESS) {
                rv = start_due(run, &started, p);
            }
            if (rv == APR_SUCCESS && !planned && !started && !sb_transfers_count(run->transfers)) {
                break;
            }
        }
        if (rv == APR_SUCCESS) {
            rv = sb_transfers_run(run->transfers, POLL, run->opts->stop_fd);
        }
        rv = rv == APR_SUCCESS ? run->rv : rv;
    }
    return rv;
}

/* ---- a run ------------------------------------------------------------------------------------- */

static apr_status_t complain(const run_t *run, apr_status_t rv, const char *what, const char *why)
{
    *run->perror = apr_pstrcat(run->p, what, ": ", why, NULL);
    return rv;
}

static apr_status_t open_database(sb_db_t **pdb, const run_t *run, const char *key,
                                  const char *schema)
{
    sb_db_opts_t opts = {.schema = schema, .app = run->opts->app, .no_prepare = 1};
    const char *url = sb_conf_str(run->opts->loader, key);
    apr_status_t rv;

    if (!url) {
        return complain(run, SB_ECONFIG, key, "is not set");
    }
    rv = sb_db_open(pdb, sb_conf_db_url(url, run->p), &opts, run->p);
    return rv == APR_SUCCESS ? rv : complain(run, rv, key, "no answer");
}

static apr_status_t take_lock(const run_t *run)
{
    apr_status_t rv =
        sb_db_lock(run->stats, apr_pstrcat(run->p, "smarter-udl-notify ", run->stats_schema, NULL));

    return rv == APR_SUCCESS || rv == SB_EBUSY ? rv
                                               : complain(run, rv, "lock", sb_db_error(run->stats));
}

apr_status_t sb_notify_run(sb_notify_result_t *result, const char **perror,
                           const sb_notify_opts_t *opts, apr_pool_t *p)
{
    run_t run = {.opts = opts, .result = result, .perror = perror, .p = p};
    apr_status_t rv;

    memset(result, 0, sizeof *result);
    run.udl_schema = sb_conf_str(opts->loader, "udl2_db_conn.db_schema");
    run.stats_schema = sb_conf_str(opts->loader, "edware_stats.db.schema_name");
    *perror = sb_notify_conf_read(&run.conf, opts, p);
    rv = *perror ? SB_ECONFIG : APR_SUCCESS;
    if (rv == APR_SUCCESS) {
        rv = open_database(&run.stats, &run, "edware_stats.db.url", run.stats_schema);
    }
    if (rv == APR_SUCCESS) {
        rv = open_database(&run.udl, &run, "udl2_db_conn.url", run.udl_schema);
    }
    if (rv == APR_SUCCESS) {
        rv = take_lock(&run);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_transfers_make(&run.transfers, p);
    }
    if (rv == APR_SUCCESS) {
        rv = work(&run);
        if (rv != APR_SUCCESS) {
            complain(&run, rv, "notifying",
                     *sb_db_error(run.stats) ? sb_db_error(run.stats) : sb_db_error(run.udl));
        }
    }
    return rv;
}
