/* Tell owners that their file is ready: see sb_pickup_mail.h. */

#include "pickup/sb_pickup_mail.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "notify/sb_transfer.h"
#include "store/sb_db.h"

#define AT_ONCE 8
#define PAUSE_FIRST 60  /* seconds between the first two attempts; doubled each time */
#define PAUSE_MAX 14400 /* seconds at most */
#define MAIL_SECS 60
#define POLL apr_time_from_msec(200)
#define STATEMENT_TIMEOUT apr_time_from_sec(30)

typedef struct {
    const sb_pickup_mail_opts_t *opts;
    sb_pickup_mailed_t *mailed;
    const char **perror;
    sb_db_t *db;
    sb_mail_server_t server;
    const char *sender, *envelope, *subject, *failed_subject, *base;
    int days, max_attempts;
    sb_transfers_t *transfers;
    apr_status_t rv; /* the database failed while an answer was noted */
    apr_pool_t *p;
} run_t;

/* One mail under way. */
typedef struct {
    run_t *run;
    apr_pool_t *p;
    const char *id;
    int attempt;
    const char *turn;
} mail_t;

/* ---- statements --------------------------------------------------------------------------------- */

/* Of files whose time is not up. */
static const sb_stmt_t find_due = {
    .name = "hpz_mail_due",
    .nargs = 2,
    .sql = "SELECT m.registration_id, f.email, m.attempts, m.turn, m.outcome, f.request_id"
           " FROM {schema}.ready_mail m JOIN {schema}.file_registry f USING (registration_id)"
           " WHERE m.state = 'pending' AND m.next_at <= now() AND f.email IS NOT NULL"
           " AND coalesce(f.create_dt, f.registered_at) > now() - $2::int * interval '1 day'"
           " ORDER BY m.next_at LIMIT $1::int"};
/* The file, and all others of its request; how many days of its time are left, where the hour since the upload
 * does not count; NULL: it is not there. */
static const sb_stmt_t find_parts = {
    .name = "hpz_mail_parts",
    .nargs = 3,
    .sql = "SELECT registration_id,"
           " floor((extract(epoch FROM create_dt - now()) + 3600) / 86400)::int + $3::int"
           " FROM {schema}.file_registry WHERE registration_id = $1 OR request_id = $2::uuid"
           " ORDER BY part"};
static const sb_stmt_t note_begin = {
    .name = "hpz_mail_begin",
    .nargs = 2,
    .sql = "UPDATE {schema}.ready_mail SET attempts = attempts + 1, at = now(),"
           " next_at = now() + $2::int * interval '1 s' WHERE registration_id = $1"
           " AND state = 'pending'"};
static const sb_stmt_t note_end = {
    .name = "hpz_mail_end",
    .nargs = 4,
    .sql = "UPDATE {schema}.ready_mail SET state = $2, error = $3, at = now()"
           " WHERE registration_id = $1 AND state = 'pending' AND turn = $4::int"};
static const sb_stmt_t find_unsent = {
    .name = "hpz_mail_unsent",
    .nargs = 0,
    .sql = "SELECT registration_id, state, attempts, error,"
           " to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
           " FROM {schema}.ready_mail WHERE state <> 'sent' ORDER BY at, registration_id"};
#define AGAIN                                                                                      \
    "UPDATE {schema}.ready_mail SET state = 'pending', turn = turn + 1, attempts = 0,"             \
    " next_at = now() WHERE "
static const sb_stmt_t again_one = {
    .name = "hpz_mail_again", .nargs = 1, .sql = AGAIN "registration_id = $1"};
static const sb_stmt_t again_failed = {
    .name = "hpz_mail_again_failed", .nargs = 0, .sql = AGAIN "state = 'failed'"};

/* ---- one mail ------------------------------------------------------------------------------------ */

static void on_end(void *ctx, sb_transfer_verdict_t verdict, const char *error)
{
    mail_t *m = ctx;
    run_t *run = m->run;
    static const char *const states[] = {[SB_TRANSFER_DONE] = "sent",
                                         [SB_TRANSFER_AGAIN] = "pending",
                                         [SB_TRANSFER_NEVER] = "failed"};
    const char *args[] = {m->id, NULL, error, m->turn};
    apr_status_t rv;

    verdict = sb_transfer_outcome(verdict, m->attempt, run->max_attempts);
    args[1] = states[verdict];
    rv = sb_db_exec(NULL, run->db, &note_end, args);
    if (verdict == SB_TRANSFER_DONE) {
        run->mailed->sent++;
    }
    else {
        int again = verdict == SB_TRANSFER_AGAIN;

        again ? run->mailed->waiting++ : run->mailed->failed++;
        sb_log(again ? SB_LOG_NOTICE : SB_LOG_WARN, SBLOGNO(3245), SB_NO_STATUS,
               "%s: the mail that the file is ready, attempt %d: %s%s", m->id, m->attempt, error,
               again ? "" : "; given up");
    }
    if (rv != APR_SUCCESS && run->rv == APR_SUCCESS) {
        run->rv = rv;
    }
    apr_pool_destroy(m->p);
}

/* What there is to tell, counted. */
typedef struct {
    const sb_rows_t *rows; /* of find_parts */
    int n, there;
    int days; /* of the first one that goes */
} parts_t;

static apr_status_t find_files(parts_t *parts, const run_t *run, const char *id,
                               const char *request, apr_pool_t *p)
{
    const char *args[] = {id, request, apr_itoa(p, run->days)};
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, run->db, &find_parts, args, p);

    *parts = (parts_t){.days = run->days};
    if (rv != APR_SUCCESS) {
        return rv;
    }
    parts->rows = rows;
    parts->n = sb_rows_count(rows);
    for (int i = 0; i < parts->n; i++) {
        int days = (int)sb_rows_int(rows, i, 1, -1);

        parts->there += days >= 0;
        parts->days = days >= 0 && days < parts->days ? days : parts->days;
    }
    return APR_SUCCESS;
}

static const char *how_long(const parts_t *parts, apr_pool_t *p)
{
    return parts->days == 0   ? "less than a day"
           : parts->days == 1 ? "one more day"
                              : apr_psprintf(p, "%d days", parts->days);
}

/* One file, by itself or all there is of a request. */
static const char *text_of_one(const run_t *run, const parts_t *parts, apr_pool_t *p)
{
    if (!parts->there) {
        return "The file you asked for in Smarter Reporting could not be made. My downloads says "
               "why.\n";
    }
    return apr_pstrcat(
        p, "The file you asked for in Smarter Reporting is ready:\n\n    ", run->base, "/download/",
        sb_rows_text(parts->rows, 0, 0),
        "\n\nOpen the link in your browser and sign in as usual. The file is kept for ",
        how_long(parts, p), ".\n", NULL);
}

static const char *text_of_many(const run_t *run, const parts_t *parts, apr_pool_t *p)
{
    int all = parts->there == parts->n;
    const char *list = "";

    if (!parts->there) {
        return apr_psprintf(p,
                            "None of the %d files you asked for in Smarter Reporting could be made."
                            " My downloads says why.\n",
                            parts->n);
    }
    for (int i = 0; i < parts->n; i++) {
        list = sb_rows_int(parts->rows, i, 1, -1) >= 0
                   ? apr_psprintf(p, "%s    %d of %d: %s/download/%s\n", list, i + 1, parts->n,
                                  run->base, sb_rows_text(parts->rows, i, 0))
                   : apr_psprintf(p, "%s    %d of %d: failed\n", list, i + 1, parts->n);
    }
    return apr_psprintf(
        p,
        "%s %d files you asked for in Smarter Reporting %s:\n\n%s\nOpen the links in"
        " your browser and sign in as usual. The files are kept for %s.%s\n",
        all ? "The" : "Not all of the", parts->n, all ? "are ready" : "could be made", list,
        how_long(parts, p), all ? "" : " My downloads says why the others failed.");
}

/* What is there now is told, whatever the outcome was called. @param rows of find_due */
static apr_status_t write_text(sb_mail_t *mail, const run_t *run, const sb_rows_t *rows, int i,
                               apr_pool_t *p)
{
    int failed = strcmp(sb_rows_text(rows, i, 4), "ready") != 0;
    parts_t parts;
    apr_status_t rv =
        find_files(&parts, run, sb_rows_text(rows, i, 0), sb_rows_text(rows, i, 5), p);

    mail->text =
        apr_pstrcat(p, parts.n > 1 ? text_of_many(run, &parts, p) : text_of_one(run, &parts, p),
                    "\nNobody reads answers to this mail.\n", NULL);
    mail->subject = failed && parts.there < parts.n ? run->failed_subject : run->subject;
    return rv;
}

/* @param rows of find_due */
static apr_status_t send_one(run_t *run, const sb_rows_t *rows, int i)
{
    apr_array_header_t *to;
    const char *args[2];
    sb_mail_t mail = {.from = run->sender, .envelope_from = run->envelope};
    apr_pool_t *p;
    apr_status_t rv;
    mail_t *m;

    apr_pool_create(&p, run->p);
    m = apr_pcalloc(p, sizeof(*m));
    m->run = run;
    m->p = p;
    m->id = apr_pstrdup(p, sb_rows_text(rows, i, 0));
    m->attempt = (int)sb_rows_int(rows, i, 2, 0) + 1;
    to = apr_array_make(p, 1, sizeof(const char *));
    APR_ARRAY_PUSH(to, const char *) = apr_pstrdup(p, sb_rows_text(rows, i, 1));
    mail.to = to;
    m->turn = apr_pstrdup(p, sb_rows_text(rows, i, 3));
    mail.id = apr_pstrcat(p, m->id, ".", m->turn, NULL);
    args[0] = m->id;
    args[1] = apr_itoa(p, MAIL_SECS + (int)sb_transfer_pause(m->attempt, PAUSE_FIRST, PAUSE_MAX));
    rv = write_text(&mail, run, rows, i, p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec(NULL, run->db, &note_begin, args);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_transfers_mail(run->transfers, &run->server, &mail, on_end, m);
    }
    return rv;
}

static apr_status_t send_due(run_t *run, int *pn, apr_pool_t *p)
{
    const char *args[] = {APR_STRINGIFY(AT_ONCE), apr_itoa(p, run->days)};
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, run->db, &find_due, args, p);

    *pn = rv == APR_SUCCESS ? sb_rows_count(rows) : 0;
    for (int i = 0; rv == APR_SUCCESS && i < *pn; i++) {
        rv = send_one(run, rows, i);
    }
    while (rv == APR_SUCCESS && sb_transfers_count(run->transfers) && !run->opts->stopping()) {
        rv = sb_transfers_run(run->transfers, POLL, run->opts->stop_fd);
    }
    return rv == APR_SUCCESS ? run->rv : rv;
}

/* ---- what is configured --------------------------------------------------------------------------- */

int sb_pickup_mail_is_on(const sb_conf_t *conf)
{
    const char *server = sb_conf_str(conf, "hpz.mail.server");

    return server && *server && strcmp(server, "None") != 0;
}

/* The rest of the path is what the replaced system configured there; our addresses begin at the root. */
const char *sb_pickup_origin(const sb_conf_t *conf, apr_pool_t *p)
{
    const char *url = sb_conf_str(conf, "hpz.frs.download_base_url"), *host;

    if (!url) {
        return NULL;
    }
    host = strstr(url, "://") + 3;
    return apr_pstrmemdup(p, url, (apr_size_t)(host - url) + strcspn(host, "/"));
}

/* ---- all that are due ---------------------------------------------------------------------------- */

static apr_status_t complain(run_t *run, apr_status_t rv, const char *error)
{
    *run->perror = apr_pstrdup(run->p, error);
    return rv;
}

static apr_status_t open_db(sb_db_t **pdb, const char **perror, const sb_pickup_mail_opts_t *opts,
                            apr_pool_t *p)
{
    const char *url = sb_conf_str(opts->conf, "hpz.db.url");
    sb_db_opts_t how = {.schema = sb_conf_str(opts->conf, "hpz.db.schema_name"),
                        .app = opts->app,
                        .statement_timeout = STATEMENT_TIMEOUT};
    apr_status_t rv;

    *pdb = NULL;
    if (!url) {
        *perror = "hpz.db.url is not set";
        return SB_ECONFIG;
    }
    rv = sb_db_open(pdb, sb_conf_db_url(url, p), &how, p);
    if (rv != APR_SUCCESS) {
        *perror = "the pickup zone's database does not answer";
    }
    return rv;
}

static void read_server(sb_mail_server_t *server, const sb_conf_t *conf)
{
    server->host = sb_conf_str(conf, "hpz.mail.server");
    server->port = (int)sb_conf_int(conf, "hpz.mail.port");
    server->user = sb_conf_str(conf, "hpz.mail.smtp_username");
    server->password = sb_conf_str(conf, "hpz.mail.smtp_password");
    server->ca_file = sb_conf_str(conf, "hpz.mail.ca_file");
    server->timeout = apr_time_from_sec(MAIL_SECS);
    server->tls = sb_mail_tls(sb_conf_str(conf, "hpz.mail.tls"), server->port, server->user);
}

static apr_status_t prepare(run_t *run)
{
    const sb_conf_t *conf = run->opts->conf;
    apr_status_t rv;

    run->sender = sb_conf_str(conf, "hpz.mail.sender");
    run->envelope = sb_conf_str(conf, "hpz.mail.return_path");
    run->subject = sb_conf_str(conf, "hpz.mail.subject");
    run->failed_subject = sb_conf_str(conf, "hpz.mail.failed_subject");
    run->days = (int)sb_conf_int(conf, "hpz.record_expiration");
    run->max_attempts = (int)sb_conf_int(conf, "hpz.mail.max_attempts");
    run->base = sb_pickup_origin(conf, run->p);
    if (!run->base) {
        return complain(run, SB_ECONFIG, "hpz.frs.download_base_url is not set");
    }
    if (sb_target_mailbox(run->sender, NULL) ||
        (run->envelope && sb_target_mailbox(run->envelope, NULL))) {
        return complain(run, SB_ECONFIG, "hpz.mail.sender, hpz.mail.return_path: want mailboxes");
    }
    read_server(&run->server, conf);
    rv = open_db(&run->db, run->perror, run->opts, run->p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_db_lock(run->db, apr_pstrcat(run->p, "smarter-hpz-mail ",
                                         sb_conf_str(conf, "hpz.db.schema_name"), NULL));
    if (rv != APR_SUCCESS) {
        return rv == SB_EBUSY ? rv : complain(run, rv, sb_db_error(run->db));
    }
    return sb_transfers_make(&run->transfers, run->p);
}

apr_status_t sb_pickup_mail(sb_pickup_mailed_t *mailed, const char **perror,
                            const sb_pickup_mail_opts_t *opts, apr_pool_t *p)
{
    run_t run = {.opts = opts, .mailed = mailed, .perror = perror, .p = p};
    apr_pool_t *few;
    apr_status_t rv;
    int n = 1;

    *perror = NULL;
    memset(mailed, 0, sizeof(*mailed));
    if (!sb_pickup_mail_is_on(opts->conf)) {
        return APR_SUCCESS;
    }
    rv = prepare(&run);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_create(&few, p);
    while (rv == APR_SUCCESS && n && !opts->stopping()) { /* what was tried is not due again */
        rv = send_due(&run, &n, few);
        apr_pool_clear(few);
    }
    return rv == APR_SUCCESS ? rv : complain(&run, rv, sb_db_error(run.db));
}

/* ---- by hand ------------------------------------------------------------------------------------- */

apr_status_t sb_pickup_mail_list(apr_array_header_t **plist, const char **perror,
                                 const sb_pickup_mail_opts_t *opts, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 16, sizeof(sb_pickup_unsent_t));
    sb_rows_t *rows;
    apr_status_t rv;
    sb_db_t *db;

    *plist = list;
    *perror = NULL;
    rv = open_db(&db, perror, opts, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_db_query(&rows, db, &find_unsent, NULL, p);
    if (rv != APR_SUCCESS) {
        *perror = sb_db_error(db);
        return rv;
    }
    for (int i = 0; i < sb_rows_count(rows); i++) {
        sb_pickup_unsent_t *m = apr_array_push(list);

        m->id = sb_rows_text(rows, i, 0);
        m->state = sb_rows_text(rows, i, 1);
        m->attempts = (int)sb_rows_int(rows, i, 2, 0);
        m->error = sb_rows_text(rows, i, 3);
        m->at = sb_rows_text(rows, i, 4);
    }
    return APR_SUCCESS;
}

apr_status_t sb_pickup_mail_again(apr_int64_t *pn, const char **perror,
                                  const sb_pickup_mail_opts_t *opts, const char *id, apr_pool_t *p)
{
    apr_status_t rv;
    sb_db_t *db;

    *pn = 0;
    *perror = NULL;
    rv = open_db(&db, perror, opts, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_db_exec(pn, db, id ? &again_one : &again_failed, id ? &id : NULL);
    if (rv != APR_SUCCESS) {
        *perror = sb_db_error(db);
        return rv;
    }
    return id && !*pn ? APR_NOTFOUND : APR_SUCCESS;
}
