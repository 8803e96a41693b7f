/* Outbox and sweeper: see sb_job_relay.h. */

#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_time.h"
#include "core/sb_uuid.h"
#include "jobs/sb_job_relay.h"

#define TOGETHER 200 /* messages sent and confirmed at once */
#define CONFIRM apr_time_from_sec(10)
#define STATEMENT apr_time_from_sec(60)
/* After an outage of the database workers come back with their heartbeats: judge leases only then. */
#define GRACE 15 /* seconds */
/* A task that nobody claimed while its queue holds messages may just be waiting in there. */
#define LONG_OVERDUE "3600 s"

#define INTERRUPTED "The work was interrupted too often. Please try again later."
#define TOO_LONG "The work took too long. Please try again later."

/* A batch is a transaction: its rows are ours until the broker has confirmed their messages. */
static const sb_stmt_t due_stmt = {
    "job_outbox_due", 1,
    "SELECT o.outbox_id, o.task_id, t.queue, t.name, t.job_id, t.attempt, j.request_id,"
    " t.state = 'queued'"
    " FROM {schema}.outbox o JOIN {schema}.task t USING (task_id) JOIN {schema}.job j USING "
    "(job_id)"
    " WHERE o.due_at <= clock_timestamp() ORDER BY o.outbox_id LIMIT $1::int"
    " FOR UPDATE OF o SKIP LOCKED"};

static const sb_stmt_t next_stmt = {
    "job_outbox_next", 0,
    "SELECT greatest(0, (extract(epoch FROM min(due_at) - clock_timestamp()) * 1e6)::bigint)"
    " FROM {schema}.outbox"};

static const sb_stmt_t sent_stmt = {
    "job_outbox_sent", 1, "DELETE FROM {schema}.outbox WHERE outbox_id = ANY ($1::bigint[])"};

/* Somebody who holds a task now has it claimed or ended already: then the time is of no interest. */
static const sb_stmt_t published_stmt = {
    "job_task_published", 1,
    "UPDATE {schema}.task SET published_at = clock_timestamp() WHERE task_id IN"
    " (SELECT task_id FROM {schema}.task WHERE task_id = ANY ($1::bigint[]) AND state = 'queued'"
    "  FOR NO KEY UPDATE SKIP LOCKED)"};

static const sb_stmt_t lock_stmt = {
    "job_sweep_lock", 0,
    "SELECT pg_try_advisory_xact_lock(hashtextextended('smarter jobs {schema}', 0))"};

static const sb_stmt_t leases_stmt = {"job_sweep_leases", 2,
                                      "SELECT {schema}.sweep_leases($1::interval, $2)"};

static const sb_stmt_t overdue_stmt = {
    "job_overdue", 1,
    "SELECT DISTINCT queue FROM {schema}.task WHERE state = 'queued'"
    " AND published_at < clock_timestamp() - $1::bigint * interval '1 us'"};

static const sb_stmt_t lost_stmt = {"job_sweep_lost", 2,
                                    "SELECT {schema}.sweep_lost(ARRAY[$1::text], $2::interval)"};

static const sb_stmt_t jobs_stmt = {"job_sweep_jobs", 2,
                                    "SELECT given_up, expired, forgotten"
                                    " FROM {schema}.sweep_jobs($1, $2::bigint * interval '1 us')"};

/* ---- connections ----------------------------------------------------------------------------- */

apr_status_t sb_job_relay_open(sb_job_relay_t *relay, const sb_conf_t *conf, apr_pool_t *p)
{
    const char *url = sb_conf_str(conf, "jobs.worker.db.url");
    sb_db_opts_t opts = {.app = "smarter-job-relay", .statement_timeout = STATEMENT};
    apr_status_t rv;

    memset(relay, 0, sizeof *relay);
    relay->pool = p;
    url = url ? url : sb_conf_str(conf, "jobs.db.url");
    if (!url || !sb_conf_str(conf, "jobs.broker.url")) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2360), SB_NO_STATUS,
               "%s: jobs.worker.db.url and jobs.broker.url are needed", sb_conf_path(conf));
        return SB_ECONFIG;
    }
    opts.schema = relay->schema = sb_conf_str(conf, "jobs.db.schema_name");
    rv = sb_db_open(&relay->db, sb_conf_db_url(url, p), &opts, p);
    relay->since = sb_time_monotonic();
    return rv == APR_SUCCESS ? sb_db_script(relay->db, sb_sql(p, "LISTEN {channel}", "channel",
                                                              relay->schema, NULL))
                             : rv;
}

static void disconnect(sb_job_relay_t *relay)
{
    relay->mq = NULL;
    apr_pool_destroy(relay->mq_pool);
}

apr_status_t sb_job_relay_connect(sb_job_relay_t *relay, const sb_conf_t *conf)
{
    sb_mq_opts_t opts = {.ca_file = sb_conf_str(conf, "jobs.broker.ca_file")};
    apr_status_t rv = apr_pool_create(&relay->mq_pool, relay->pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_mq_open(&relay->mq, sb_conf_str(conf, "jobs.broker.url"), &opts, relay->mq_pool);
    if (rv != APR_SUCCESS) {
        disconnect(relay);
    }
    return rv;
}

/* ---- the outbox ------------------------------------------------------------------------------ */

typedef struct {
    sb_mq_message_t messages[TOGETHER];
    sb_envelope_t envelopes[TOGETHER];
    int n;
    const char *rows, *tasks; /* arrays of ids in PostgreSQL's notation */
    int nrows;
} batch_t;

static const char *id_array(const sb_rows_t *rows, int column, apr_pool_t *p)
{
    apr_array_header_t *ids = apr_array_make(p, TOGETHER, sizeof(const char *));
    int i;

    for (i = 0; i < sb_rows_count(rows); i++) {
        APR_ARRAY_PUSH(ids, const char *) = sb_rows_text(rows, i, column);
    }
    return apr_pstrcat(p, "{", apr_array_pstrcat(p, ids, ','), "}", NULL);
}

static apr_status_t make_batch(batch_t *b, const sb_rows_t *rows, apr_pool_t *p)
{
    int i;

    memset(b, 0, sizeof *b);
    b->nrows = sb_rows_count(rows);
    b->rows = id_array(rows, 0, p);
    b->tasks = id_array(rows, 1, p);
    for (i = 0; i < b->nrows; i++) {
        sb_envelope_t *env = &b->envelopes[b->n];
        char *id = apr_palloc(p, SB_UUID_SIZE);

        if (sb_rows_bool(rows, i, 7) != 1) {
            continue; /* cancelled since, or claimed: an older message came through */
        }
        if (!sb_uuid_make(id)) {
            return APR_EGENERAL;
        }
        env->id = id;
        env->task = sb_rows_text(rows, i, 3);
        env->args = apr_psprintf(p, "{\"task\":%s}", sb_rows_text(rows, i, 1));
        env->job = sb_rows_text(rows, i, 4);
        env->request_id = sb_rows_text(rows, i, 6);
        env->attempt = (int)sb_rows_int(rows, i, 5, 0);
        b->messages[b->n].queue = sb_rows_text(rows, i, 2);
        b->messages[b->n++].env = env;
    }
    return APR_SUCCESS;
}

/* A queue may not be there yet, or the broker was made anew. */
static apr_status_t declare_all(sb_job_relay_t *relay, const batch_t *b)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < b->n && rv == APR_SUCCESS; i++) {
        if (i == 0 || strcmp(b->messages[i].queue, b->messages[i - 1].queue)) {
            rv = sb_mq_declare(relay->mq, b->messages[i].queue);
        }
    }
    return rv;
}

static apr_status_t publish(sb_job_relay_t *relay, const batch_t *b)
{
    apr_status_t rv = sb_mq_publish_all(relay->mq, b->messages, b->n, CONFIRM);

    if (APR_STATUS_IS_NOTFOUND(rv)) {
        rv = declare_all(relay, b);
        if (rv == APR_SUCCESS) {
            rv = sb_mq_publish_all(relay->mq, b->messages, b->n, CONFIRM);
        }
    }
    if (rv != APR_SUCCESS) {
        disconnect(relay);
    }
    return rv;
}

/* In a transaction: send one batch. @return APR_NOTFOUND nothing is due */
static apr_status_t send_batch(int *psent, sb_job_relay_t *relay, apr_pool_t *p)
{
    const char *limit = apr_itoa(p, TOGETHER);
    batch_t *b = apr_palloc(p, sizeof *b);
    sb_rows_t *rows;
    apr_status_t rv;

    rv = sb_db_query(&rows, relay->db, &due_stmt, &limit, p);
    if (rv == APR_SUCCESS && !sb_rows_count(rows)) {
        rv = APR_NOTFOUND;
    }
    if (rv == APR_SUCCESS) {
        rv = make_batch(b, rows, p);
    }
    if (rv == APR_SUCCESS && b->n) {
        rv = publish(relay, b);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec(NULL, relay->db, &sent_stmt, &b->rows);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec(NULL, relay->db, &published_stmt, &b->tasks);
    }
    *psent = rv == APR_SUCCESS ? b->n : 0;
    return rv;
}

apr_status_t sb_job_relay_send(int *psent, apr_interval_time_t *pnext, sb_job_relay_t *relay,
                               apr_pool_t *p)
{
    apr_pool_t *ptemp;
    apr_status_t rv;
    sb_rows_t *rows;
    int n = 0, sent = 0;

    *pnext = -1;
    rv = apr_pool_create(&ptemp, p);
    while (rv == APR_SUCCESS) {
        rv = sb_db_begin(relay->db, SB_TX_WRITE);
        if (rv == APR_SUCCESS) {
            rv = send_batch(&n, relay, ptemp);
        }
        rv = sb_db_end(relay->db, rv);
        sent += rv == APR_SUCCESS ? n : 0;
        apr_pool_clear(ptemp);
    }
    if (psent) {
        *psent = sent;
    }
    if (!APR_STATUS_IS_NOTFOUND(rv)) {
        return rv;
    }
    rv = sb_db_query(&rows, relay->db, &next_stmt, NULL, ptemp);
    if (rv == APR_SUCCESS) {
        *pnext = sb_rows_int(rows, 0, 0, -1);
    }
    apr_pool_destroy(ptemp);
    return rv;
}

/* ---- what was lost --------------------------------------------------------------------------- */

static apr_status_t count_of(int *pn, sb_db_t *db, const sb_stmt_t *st, const char *const *args,
                             apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, db, st, args, p);

    *pn = rv == APR_SUCCESS ? (int)sb_rows_int(rows, 0, 0, 0) : 0;
    return rv;
}

/* A part of the sweep: a transaction, of one relay at a time. */
typedef apr_status_t part_fn(sb_job_swept_t *swept, sb_job_relay_t *relay, const void *what,
                             apr_pool_t *p);

static apr_status_t in_turn(sb_job_swept_t *swept, sb_job_relay_t *relay, part_fn *part,
                            const void *what, apr_pool_t *p)
{
    sb_job_swept_t sum = *swept;
    sb_rows_t *rows;
    apr_status_t rv = sb_db_begin(relay->db, SB_TX_WRITE);

    if (rv == APR_SUCCESS) {
        rv = sb_db_query(&rows, relay->db, &lock_stmt, NULL, p);
    }
    if (rv == APR_SUCCESS && sb_rows_bool(rows, 0, 0) == 1) {
        rv = part(&sum, relay, what, p);
    }
    rv = sb_db_end(relay->db, rv);
    if (rv == APR_SUCCESS) {
        *swept = sum;
    }
    return rv;
}

static apr_status_t sweep_leases(sb_job_swept_t *swept, sb_job_relay_t *relay, const void *what,
                                 apr_pool_t *p)
{
    const char *args[] = {"0", INTERRUPTED};

    (void)what;
    return count_of(&swept->leases, relay->db, &leases_stmt, args, p);
}

static apr_status_t sweep_lost(sb_job_swept_t *swept, sb_job_relay_t *relay, const void *what,
                               apr_pool_t *p)
{
    int n;
    apr_status_t rv = count_of(&n, relay->db, &lost_stmt, what, p);

    swept->lost += n;
    return rv;
}

static apr_status_t sweep_jobs(sb_job_swept_t *swept, sb_job_relay_t *relay, const void *what,
                               apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, relay->db, &jobs_stmt, what, p);

    if (rv == APR_SUCCESS) {
        swept->given_up = (int)sb_rows_int(rows, 0, 0, 0);
        swept->expired = (int)sb_rows_int(rows, 0, 1, 0);
        swept->forgotten = (int)sb_rows_int(rows, 0, 2, 0);
    }
    return rv;
}

/* Messages of an empty queue were lost, whatever happened to it. The broker takes its time to say how
 * many a queue holds: no transaction waits for it. */
static apr_status_t sweep_queues(sb_job_swept_t *swept, sb_job_relay_t *relay,
                                 const sb_conf_t *conf, apr_pool_t *p)
{
    const char *overdue =
        apr_psprintf(p, "%" APR_INT64_T_FMT, sb_conf_interval(conf, "jobs.relay.overdue"));
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    rv = sb_db_query(&rows, relay->db, &overdue_stmt, &overdue, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        const char *args[] = {sb_rows_text(rows, i, 0), apr_pstrcat(p, overdue, " us", NULL)};
        apr_int64_t depth = 0;

        rv = sb_mq_depth(&depth, NULL, relay->mq, args[0]);
        if (rv != APR_SUCCESS && !APR_STATUS_IS_NOTFOUND(rv)) {
            disconnect(relay);
            return rv;
        }
        if (depth) {
            args[1] = LONG_OVERDUE;
        }
        rv = in_turn(swept, relay, sweep_lost, args, p);
    }
    return rv;
}

static void complain(sb_job_relay_t *relay, apr_status_t rv, const char *what)
{
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2361), rv, "sweeping %s: %s", what, sb_db_error(relay->db));
    }
}

apr_status_t sb_job_relay_sweep(sb_job_swept_t *swept, sb_job_relay_t *relay, const sb_conf_t *conf,
                                apr_pool_t *p)
{
    double lease = (double)sb_conf_interval(conf, "jobs.lease") / APR_USEC_PER_SEC;
    const char *args[] = {TOO_LONG, apr_psprintf(p, "%" APR_INT64_T_FMT,
                                                 sb_conf_interval(conf, "jobs.forget_after"))};
    apr_status_t rv = APR_SUCCESS;

    memset(swept, 0, sizeof *swept);
    if (sb_time_monotonic() - relay->since >= (lease < GRACE ? lease : GRACE)) {
        rv = in_turn(swept, relay, sweep_leases, NULL, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (relay->mq) {
        complain(relay, sweep_queues(swept, relay, conf, p), "lost messages");
    }
    complain(relay, in_turn(swept, relay, sweep_jobs, args, p), "old jobs");
    return APR_SUCCESS;
}

/* ---- files that nobody wants --------------------------------------------------------------------- */

static const sb_stmt_t unwanted_stmt = {
    "job_unwanted", 0,
    "SELECT pickup_id FROM {schema}.job JOIN {schema}.file USING (job_id)"
    " WHERE (deleted_at IS NOT NULL OR state = 'cancelled') AND closed_at IS NOT NULL"
    " AND pickup_id IS NOT NULL AND removed_at IS NULL AND state <> 'expired'"
    " AND (not_before IS NULL OR not_before <= clock_timestamp())"
    " ORDER BY not_before NULLS FIRST, closed_at LIMIT 20"};

static const sb_stmt_t removed_stmt = {
    "job_removed", 1,
    "UPDATE {schema}.file SET removed_at = clock_timestamp() WHERE pickup_id = $1"};

static const sb_stmt_t put_off_stmt = {
    "job_removal_put_off", 2,
    "UPDATE {schema}.file SET not_before = clock_timestamp() + $2::bigint * interval '1 us'"
    " WHERE pickup_id = $1"};

apr_status_t sb_job_relay_unwanted(apr_array_header_t **pids, sb_job_relay_t *relay, apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    *pids = apr_array_make(p, 4, sizeof(const char *));
    rv = sb_db_query(&rows, relay->db, &unwanted_stmt, NULL, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        APR_ARRAY_PUSH(*pids, const char *) = sb_rows_text(rows, i, 0);
    }
    return rv;
}

apr_status_t sb_job_relay_removed(sb_job_relay_t *relay, const char *id)
{
    return sb_db_exec(NULL, relay->db, &removed_stmt, &id);
}

apr_status_t sb_job_relay_put_off(sb_job_relay_t *relay, const char *id, apr_interval_time_t pause)
{
    char us[24];
    const char *args[] = {id, us};

    apr_snprintf(us, sizeof us, "%" APR_INT64_T_FMT, pause);
    return sb_db_exec(NULL, relay->db, &put_off_stmt, args);
}

/* ---- owners to be told --------------------------------------------------------------------------- */

static const sb_stmt_t untold_stmt = {"job_untold", 0,
                                      "SELECT job_id, state = 'ready' FROM {schema}.job"
                                      " WHERE tell_at <= clock_timestamp() AND state IN ('ready', "
                                      "'failed') ORDER BY tell_at LIMIT 20"};

static const sb_stmt_t told_stmt = {
    "job_told", 3,
    "UPDATE {schema}.job SET tell_at = clock_timestamp() + nullif($3::bigint, 0) * interval '1 us'"
    " WHERE job_id = $1::uuid AND tell_at IS NOT NULL AND state = $2"};

apr_status_t sb_job_relay_untold(apr_array_header_t **pjobs, sb_job_relay_t *relay, apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    *pjobs = apr_array_make(p, 4, sizeof(sb_job_over_t));
    rv = sb_db_query(&rows, relay->db, &untold_stmt, NULL, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        APR_ARRAY_PUSH(*pjobs, sb_job_over_t) =
            (sb_job_over_t){sb_rows_text(rows, i, 0), sb_rows_bool(rows, i, 1) == 1};
    }
    return rv;
}

apr_status_t sb_job_relay_told(sb_job_relay_t *relay, const sb_job_over_t *job,
                               apr_interval_time_t again)
{
    char us[24];
    const char *args[] = {job->id, job->ready ? "ready" : "failed", us};

    apr_snprintf(us, sizeof us, "%" APR_INT64_T_FMT, again);
    return sb_db_exec(NULL, relay->db, &told_stmt, args);
}
