/* Batches as people see them: see sb_udl_batches.h. Two statements whatever the number of batches, one
 * in each database; they are joined here by guid. What is told of one: sb_udl_batch_details.c. */

#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_lib.h>
#include <apr_strings.h>

#include "core/sb_uuid.h"
#include "udl/sb_udl_batches_private.h"

#define MAX_LIKE 10
#define MIN_PREFIX 4

/* How long nothing may happen before we call it stalled. */
#define STALLED_LOADING apr_time_from_sec(60)
#define STALLED_DECRYPTING apr_time_from_sec(600) /* reports no progress of its own */
#define STALLED_QUEUED apr_time_from_sec(300)
#define STALLED_LOADED apr_time_from_sec(25 * 3600) /* promotion may be a nightly job */

const char *sb_batch_state_name(sb_batch_state_t state)
{
    static const char *const names[] = {"waiting", "running", "held", "failed", "done"};

    return names[state];
}

sb_db_t *sb_batches_udl(const sb_batches_t *b)
{
    return b->udl;
}

sb_db_t *sb_batches_stats(const sb_batches_t *b)
{
    return b->stats;
}

const char *sb_batches_udl_sql(const sb_batches_t *b, const char *sql, apr_pool_t *p)
{
    return sb_sql(p, sql, "schema", b->udl_schema, NULL);
}

const char *sb_batches_stats_sql(const sb_batches_t *b, const char *sql, apr_pool_t *p)
{
    return sb_sql(p, sql, "schema", b->stats_schema, NULL);
}

apr_status_t sb_batches_open(sb_batches_t **pb, const char **perror, const sb_conf_t *conf,
                             const char *app, apr_pool_t *p)
{
    const char *udl_url = sb_conf_str(conf, "udl2_db_conn.url"),
               *stats_url = sb_conf_str(conf, "edware_stats.db.url");
    sb_batches_t *b = apr_pcalloc(p, sizeof *b);
    sb_db_opts_t opts = {.app = app, .no_prepare = 1};
    apr_status_t rv;

    *pb = b;
    *perror = NULL;
    b->conf = conf;
    b->app = app;
    if (!udl_url || !stats_url) {
        *perror =
            apr_psprintf(p, "%s: section [app] needs udl2_db_conn.url and edware_stats.db.url",
                         sb_conf_path(conf));
        return SB_ECONFIG;
    }
    b->udl_schema = sb_conf_str(conf, "udl2_db_conn.db_schema");
    b->stats_schema = sb_conf_str(conf, "edware_stats.db.schema_name");
    rv = sb_db_open(&b->udl, sb_conf_db_url(udl_url, p), &opts, p);
    if (rv != APR_SUCCESS) {
        *perror = "the loader's database does not answer";
        return rv;
    }
    b->stats = b->udl;
    if (strcmp(udl_url, stats_url)) {
        rv = sb_db_open(&b->stats, sb_conf_db_url(stats_url, p), &opts, p);
    }
    if (rv != APR_SUCCESS) {
        *perror = "the statistics database does not answer";
    }
    return rv;
}

/* ---- the loader's side ----------------------------------------------------------------------- */

/* Locks of claims; first half of the key: the table, second: the package. 0 is the trigger. */
#define CLAIMS                                                                                     \
    "SELECT objid::bigint AS package_id FROM pg_locks WHERE locktype = 'advisory' AND granted"     \
    " AND classid = '{schema}.package'::regclass::oid AND objsubid = 2 AND database ="             \
    " (SELECT oid FROM pg_database WHERE datname = current_database())"

#define OPEN "state IN ('new', 'queued', 'running')"

/* Since when package k waits: a retry keeps its time of arrival, but nobody has waited since then. */
#define WAITS                                                                                      \
    "greatest(k.arrived_at, (SELECT max(a.at) FROM {schema}.operator_action a WHERE"               \
    " a.action = 'retry' AND a.batch_guid IN (SELECT k.batch_guid UNION ALL SELECT r.batch_guid"   \
    " FROM {schema}.batch r WHERE r.retried_as = k.batch_guid)))"

/* In this order; must match SELECT_BATCHES. */
enum {
    C_GUID,
    C_TENANT,
    C_PACKAGE,
    C_LOAD_TYPE,
    C_ASMT_TYPE,
    C_KEY,
    C_STAGE,
    C_QUEUE_STATE,
    C_PATH,
    C_PLACE,
    C_CLAIMED,
    C_CLAIMS,
    C_ATTEMPTS,
    C_WORKER,
    C_PACKAGE_BYTES,
    C_BYTES_TOTAL,
    C_BYTES_DONE,
    C_READ,
    C_LOADED,
    C_REJECTED,
    C_DEDUPLICATED,
    C_WARNINGS,
    C_PROBLEM,
    C_KEPT_IN,
    C_ARRIVED,
    C_STARTED,
    C_PROGRESS,
    C_FINISHED,
    C_DISCARDED,
    C_RETRIED_AS,
    C_RETRY_OF,
    C_BEHIND,
    C_HOLD_REASON,
    C_NOW,
    C_WAITS
};

/* clang-format off */
#define SELECT_BATCHES \
    ", claim AS (" CLAIMS "), line AS (SELECT batch_guid, row_number() OVER (ORDER BY arrived_at," \
    " package_id) AS place FROM {schema}.package WHERE state IN ('new', 'queued'))" \
    " SELECT i.batch_guid, coalesce(b.tenant, k.tenant)," \
    " coalesce(b.package, regexp_replace(k.path, '^.*/', '')), b.load_type, b.asmt_type," \
    " b.content_key, b.stage, k.state, k.path, l.place," \
    " EXISTS (SELECT FROM claim c WHERE c.package_id = k.package_id)," \
    " (SELECT count(*) FROM claim c WHERE c.package_id <> 0)," \
    " coalesce(k.attempts, b.attempts), coalesce(b.worker, k.worker)," \
    " coalesce(b.package_bytes, k.size), b.bytes_total, b.bytes_done, b.rows_read, b.rows_loaded," \
    " b.rows_rejected, b.rows_deduplicated, b.warnings, coalesce(b.problem, k.error), b.kept_in," \
    EPOCH("coalesce(k.arrived_at, b.arrived_at)") "," EPOCH("b.started_at") "," \
    EPOCH("b.progress_at") "," EPOCH("coalesce(b.finished_at, k.finished_at)") "," \
    EPOCH("b.discarded_at") ", b.retried_as, o.batch_guid, h.behind, h.reason," \
    EPOCH("clock_timestamp()") "," EPOCH("CASE WHEN k." OPEN " THEN " WAITS " END") \
    " FROM ids i LEFT JOIN {schema}.batch b USING (batch_guid)" \
    " LEFT JOIN {schema}.package k USING (batch_guid)" \
    " LEFT JOIN line l USING (batch_guid)" \
    " LEFT JOIN {schema}.batch_hold h USING (batch_guid)" \
    " LEFT JOIN {schema}.batch o ON o.retried_as = i.batch_guid"
/* clang-format on */

/* $1 how old at most, in microseconds; $2 tenant or NULL; $3 guids that are wanted in any case */
static const char list_sql[] = "WITH ids AS (SELECT batch_guid FROM {schema}.batch"
                               " WHERE arrived_at >= now() - $1::bigint * interval '1 us'"
                               " UNION SELECT batch_guid FROM {schema}.package"
                               " WHERE arrived_at >= now() - $1::bigint * interval '1 us' OR " OPEN
                               " UNION SELECT unnest($3::text[]))" SELECT_BATCHES
                               " WHERE $2::text IS NULL OR coalesce(b.tenant, k.tenant, $2) = $2"
                               " ORDER BY coalesce(k.arrived_at, b.arrived_at) DESC NULLS FIRST, "
                               "k.package_id DESC LIMIT 20000";

/* $1 guids */
static const char some_sql[] =
    "WITH ids AS (SELECT unnest($1::text[]) AS batch_guid)" SELECT_BATCHES
    " ORDER BY coalesce(k.arrived_at, b.arrived_at), k.package_id";

static const char *kind_of(const char *load_type, const char *asmt_type)
{
    if (load_type && !strcmp(load_type, "studentregistration")) {
        return "registration";
    }
    if (!asmt_type) {
        return NULL;
    }
    return !strcmp(asmt_type, "SUMMATIVE")                   ? "summative"
           : !strcmp(asmt_type, "INTERIM ASSESSMENT BLOCKS") ? "blocks"
                                                             : "interim";
}

/* What the rows say, before they are judged. queue_state and stage are as they are stored. */
typedef struct {
    sb_batch_t batch;
    const char *queue_state, *stored_stage;
    int claims;       /* of all workers */
    apr_time_t waits; /* for a worker, since then; 0: it does not */
} found_t;

static void read_batch(found_t *f, const sb_rows_t *rows, int i)
{
    sb_batch_t *b = &f->batch;

    memset(f, 0, sizeof *f);
    b->guid = sb_rows_text(rows, i, C_GUID);
    b->tenant = sb_rows_text(rows, i, C_TENANT);
    b->package = sb_rows_text(rows, i, C_PACKAGE);
    b->kind = kind_of(sb_rows_text(rows, i, C_LOAD_TYPE), sb_rows_text(rows, i, C_ASMT_TYPE));
    b->content_key = sb_rows_text(rows, i, C_KEY);
    f->stored_stage = sb_rows_text(rows, i, C_STAGE);
    f->queue_state = sb_rows_text(rows, i, C_QUEUE_STATE);
    b->path = sb_rows_text(rows, i, C_PATH);
    b->place = (int)sb_rows_int(rows, i, C_PLACE, 0);
    b->begun = f->stored_stage != NULL;
    b->by_hand = f->stored_stage && !f->queue_state;
    b->claimed = sb_rows_bool(rows, i, C_CLAIMED) == 1;
    f->claims = (int)sb_rows_int(rows, i, C_CLAIMS, 0);
    f->waits = sb_rows_int(rows, i, C_WAITS, 0);
    b->attempts = (int)sb_rows_int(rows, i, C_ATTEMPTS, 0);
    b->worker = sb_rows_text(rows, i, C_WORKER);
    b->package_bytes = sb_rows_int(rows, i, C_PACKAGE_BYTES, -1);
    b->bytes_total = sb_rows_int(rows, i, C_BYTES_TOTAL, -1);
    b->bytes_done = sb_rows_int(rows, i, C_BYTES_DONE, -1);
    b->rows_read = sb_rows_int(rows, i, C_READ, 0);
    b->rows_loaded = sb_rows_int(rows, i, C_LOADED, 0);
    b->rows_rejected = sb_rows_int(rows, i, C_REJECTED, 0);
    b->rows_deduplicated = sb_rows_int(rows, i, C_DEDUPLICATED, -1);
    b->warnings = sb_rows_int(rows, i, C_WARNINGS, 0);
    b->problem = sb_rows_text(rows, i, C_PROBLEM);
    b->kept_in = sb_rows_text(rows, i, C_KEPT_IN);
    b->arrived = sb_rows_int(rows, i, C_ARRIVED, 0);
    b->started = sb_rows_int(rows, i, C_STARTED, 0);
    b->progress = sb_rows_int(rows, i, C_PROGRESS, 0);
    b->finished = sb_rows_int(rows, i, C_FINISHED, 0);
    b->discarded = sb_rows_int(rows, i, C_DISCARDED, 0);
    b->retried_as = sb_rows_text(rows, i, C_RETRIED_AS);
    b->retry_of = sb_rows_text(rows, i, C_RETRY_OF);
    b->behind = sb_rows_text(rows, i, C_BEHIND);
    b->hold_reason = sb_rows_text(rows, i, C_HOLD_REASON);
    b->now = sb_rows_int(rows, i, C_NOW, 0);
}

/* ---- the side of the statistics ---------------------------------------------------------------- */

/* clang-format off */
#define SELECT_STATS \
    "SELECT batch_guid, tenant, load_type, load_status, record_loaded_count," \
    EPOCH("file_arrived") "," EPOCH("load_end") ", notification, notification_status" \
    " FROM {schema}.udl_stats WHERE "
/* clang-format on */

/* In this order; must match SELECT_STATS. */
enum {
    S_GUID,
    S_TENANT,
    S_LOAD_TYPE,
    S_STATUS,
    S_LOADED,
    S_ARRIVED,
    S_END,
    S_NOTIFICATION,
    S_NOTIFIED
};

/* What udl_stats adds. A batch that the loader's tables do not know is from before they were there. */
static void add_stats(sb_batch_t *b, const sb_rows_t *stats, int i)
{
    b->load_status = sb_rows_text(stats, i, S_STATUS);
    b->notification = sb_rows_text(stats, i, S_NOTIFICATION);
    b->notification_status = sb_rows_text(stats, i, S_NOTIFIED);
    if (!b->tenant) {
        b->tenant = sb_rows_text(stats, i, S_TENANT);
        b->kind = kind_of(sb_rows_text(stats, i, S_LOAD_TYPE), NULL);
        b->rows_loaded = sb_rows_int(stats, i, S_LOADED, 0);
        b->arrived = sb_rows_int(stats, i, S_ARRIVED, 0);
        b->finished = sb_rows_int(stats, i, S_END, 0);
        b->by_hand = 1;
    }
}

/* ---- judging ----------------------------------------------------------------------------------- */

static int starts(const char *text, const char *with)
{
    return text && !strncmp(text, with, strlen(with));
}

static int is(const char *a, const char *b)
{
    return a && !strcmp(a, b);
}

static void set(sb_batch_t *b, sb_batch_state_t state, const char *stage)
{
    b->state = state;
    b->stage = stage;
}

/* State and stage. The later word wins: promotion's, then the loader's, then the queue's. */
static void judge_state(found_t *f)
{
    sb_batch_t *b = &f->batch;
    const char *status = b->load_status;

    if (is(status, "migrate.ingested")) {
        set(b, SB_BATCH_DONE, "promoted");
    }
    else if (is(status, "migrate.withdrawn")) {
        set(b, SB_BATCH_DONE, "withdrawn");
    }
    else if (is(status, "migrate.in_process")) {
        set(b, SB_BATCH_RUNNING, "promoting");
    }
    else if (is(status, "udl.ingested")) {
        set(b, b->hold_reason ? SB_BATCH_HELD : SB_BATCH_WAITING,
            b->hold_reason ? "held" : "loaded");
    }
    else if (starts(status, "migrate.")) {
        set(b, SB_BATCH_FAILED, "promotion failed");
    }
    else if (is(status, "udl.failed") || is(f->queue_state, "failed") ||
             is(f->stored_stage, "failed")) {
        set(b, SB_BATCH_FAILED, "failed");
    }
    else if (is(f->queue_state, "new") || is(f->queue_state, "queued")) {
        set(b, SB_BATCH_WAITING, "queued");
    }
    else {
        set(b, SB_BATCH_RUNNING, f->stored_stage ? f->stored_stage : "claimed");
    }
    if (b->retried_as) {
        set(b, SB_BATCH_DONE, "retried");
    }
    else if (b->discarded) {
        set(b, SB_BATCH_DONE, "discarded");
    }
}

static const char *seconds(apr_interval_time_t t, apr_pool_t *p)
{
    return apr_psprintf(p, "%" APR_INT64_T_FMT " s", (apr_int64_t)apr_time_sec(t));
}

/* A batch that is being loaded. */
static const char *judge_running(const sb_batch_t *b, apr_pool_t *p)
{
    apr_time_t last = b->progress > b->started ? b->progress : b->started;
    apr_interval_time_t still = b->now - (last ? last : b->arrived);
    apr_interval_time_t allowed = is(b->stage, "decrypting") ? STALLED_DECRYPTING : STALLED_LOADING;

    if (is(b->stage, "promoting") || still <= allowed) {
        return NULL;
    }
    if (b->by_hand) {
        return apr_psprintf(p, "no progress for %s: if its worker %s is gone, discard it",
                            seconds(still, p), b->worker ? b->worker : "");
    }
    if (!b->claimed) {
        return apr_psprintf(p,
                            "its worker is gone for %s and nobody took over: does "
                            "smarter-udl-trigger run?",
                            seconds(still, p));
    }
    return apr_psprintf(p,
                        "no progress for %s: look at worker %s; if it is stopped, another one "
                        "takes over",
                        seconds(still, p), b->worker ? b->worker : "");
}

static void judge_pace(found_t *f, apr_pool_t *p)
{
    sb_batch_t *b = &f->batch;
    apr_time_t end = b->finished > b->started ? b->finished : b->now;

    b->percent = -1;
    if (is(b->stage, "loading") && b->bytes_total > 0 && b->bytes_done >= 0) {
        b->percent = b->bytes_done >= b->bytes_total
                         ? 100
                         : (int)((double)b->bytes_done * 100 / (double)b->bytes_total);
    }
    else if (is(b->stage, "finishing") || is(b->stage, "loaded") || is(b->stage, "held") ||
             is(b->stage, "promoting") || is(b->stage, "promoted")) {
        b->percent = 100;
    }
    if (b->rows_read > 0 && b->started && end > b->started) {
        b->rate = (double)b->rows_read * APR_USEC_PER_SEC / (double)(end - b->started);
    }
    if (b->state == SB_BATCH_RUNNING) {
        b->stalled = judge_running(b, p);
    }
    else if (is(b->stage, "queued") && !f->claims && b->now - f->waits > STALLED_QUEUED) {
        b->stalled = "no worker takes it: do smarter-worker-udl and smarter-udl-trigger run?";
    }
    else if (is(b->stage, "loaded") && b->finished && b->now - b->finished > STALLED_LOADED) {
        b->stalled = "nobody promotes it: does smarter-migrate-conductor run?";
    }
}

/* ---- lists ------------------------------------------------------------------------------------- */

/* "{guid,guid}"; guids of our own tables, checked all the same: they go into an array's text. */
static const char *guid_array(const apr_array_header_t *guids, apr_pool_t *p)
{
    apr_array_header_t *good = apr_array_make(p, guids->nelts + 1, sizeof(const char *));
    int i;

    for (i = 0; i < guids->nelts; i++) {
        const char *guid = APR_ARRAY_IDX(guids, i, const char *);

        if (sb_uuid_is_valid(guid)) {
            APR_ARRAY_PUSH(good, const char *) = guid;
        }
    }
    return apr_pstrcat(p, "{", apr_array_pstrcat(p, good, ','), "}", NULL);
}

static apr_array_header_t *column(const sb_rows_t *rows, int col, apr_pool_t *p)
{
    apr_array_header_t *texts = apr_array_make(p, sb_rows_count(rows) + 1, sizeof(const char *));
    int i;

    for (i = 0; i < sb_rows_count(rows); i++) {
        APR_ARRAY_PUSH(texts, const char *) = sb_rows_text(rows, i, col);
    }
    return texts;
}

/* Join both sides and judge. @param found of found_t */
static void join(apr_array_header_t **pfound, const sb_rows_t *udl, const sb_rows_t *stats,
                 apr_pool_t *p)
{
    apr_array_header_t *found = apr_array_make(p, sb_rows_count(udl) + 1, sizeof(found_t));
    apr_hash_t *index = apr_hash_make(p);
    int i;

    for (i = 0; i < sb_rows_count(stats); i++) {
        int *place = apr_palloc(p, sizeof *place);

        *place = i;
        apr_hash_set(index, sb_rows_text(stats, i, S_GUID), APR_HASH_KEY_STRING, place);
    }
    for (i = 0; i < sb_rows_count(udl); i++) {
        found_t *f = apr_array_push(found);
        const int *place;

        read_batch(f, udl, i);
        place = apr_hash_get(index, f->batch.guid, APR_HASH_KEY_STRING);
        if (place) {
            add_stats(&f->batch, stats, *place);
        }
        judge_state(f);
        judge_pace(f, p);
    }
    *pfound = found;
}

/* Batches by their guids, in the order of arrival. */
static apr_status_t fetch(apr_array_header_t **pfound, sb_batches_t *b,
                          const apr_array_header_t *guids, apr_pool_t *p)
{
    const char *array = guid_array(guids, p);
    sb_rows_t *udl, *stats;
    apr_status_t rv;

    rv = sb_db_query_text(&udl, b->udl, sb_batches_udl_sql(b, some_sql, p), 1, &array, p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_query_text(
            &stats, b->stats,
            sb_batches_stats_sql(b, SELECT_STATS "batch_guid = ANY ($1::text[])", p), 1, &array, p);
    }
    if (rv == APR_SUCCESS) {
        join(pfound, udl, stats, p);
    }
    return rv;
}

static int by_arrival(const void *a, const void *b)
{
    const sb_batch_t *x = a, *y = b;

    return x->arrived != y->arrived ? (x->arrived > y->arrived) - (x->arrived < y->arrived)
                                    : strcmp(x->guid, y->guid);
}

apr_status_t sb_batches_list(apr_array_header_t **plist, sb_batches_t *b,
                             const sb_batches_filter_t *filter, apr_pool_t *p)
{
    const char *since = apr_psprintf(p, "%" APR_INT64_T_FMT, filter->since);
    const char *args[] = {since, filter->tenant, NULL};
    apr_array_header_t *found, *list = apr_array_make(p, 64, sizeof(sb_batch_t));
    sb_rows_t *udl, *stats;
    apr_status_t rv;
    int i;

    *plist = list;
    rv = sb_db_query_text(
        &stats, b->stats,
        sb_batches_stats_sql(
            b,
            SELECT_STATS
            "(file_arrived >= now() AT TIME ZONE 'UTC' - $1::bigint * interval '1 us' OR"
            " load_status IN ('udl.received', 'udl.ingested', 'migrate.in_process'))"
            " AND ($2::text IS NULL OR tenant = $2) ORDER BY file_arrived DESC LIMIT 20000",
            p),
        2, args, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    args[2] = guid_array(column(stats, S_GUID, p), p);
    rv = sb_db_query_text(&udl, b->udl, sb_batches_udl_sql(b, list_sql, p), 3, args, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    join(&found, udl, stats, p);
    for (i = 0; i < found->nelts; i++) {
        const sb_batch_t *batch = &APR_ARRAY_IDX(found, i, found_t).batch;

        if (batch->tenant && (filter->state < 0 || (int)batch->state == filter->state)) {
            APR_ARRAY_PUSH(list, sb_batch_t) = *batch;
        }
    }
    qsort(list->elts, (size_t)list->nelts, sizeof(sb_batch_t), by_arrival);
    if (filter->limit && list->nelts > filter->limit) {
        memmove(list->elts, &APR_ARRAY_IDX(list, list->nelts - filter->limit, sb_batch_t),
                (size_t)filter->limit * sizeof(sb_batch_t));
        list->nelts = filter->limit;
    }
    return rv;
}

/* ---- one --------------------------------------------------------------------------------------- */

/* @return the id in lower case, NULL if it is none */
static const char *clean_id(const char *id, apr_pool_t *p)
{
    apr_size_t len = strlen(id);
    char *low = apr_pstrdup(p, id);
    char *c;

    for (c = low; *c; c++) {
        *c = (char)apr_tolower(*c);
    }
    return len >= MIN_PREFIX && len < SB_UUID_SIZE && strspn(low, "0123456789abcdef-") == len
               ? low
               : NULL;
}

/* Guids that begin like this, at most one more than we would show. */
static apr_status_t find_guids(apr_array_header_t **pguids, sb_batches_t *b, const char *id,
                               apr_pool_t *p)
{
    const char *args[] = {apr_pstrcat(p, id, "%", NULL)};
    sb_rows_t *rows;
    apr_status_t rv;

    rv = sb_db_query_text(
        &rows, b->udl,
        sb_batches_udl_sql(b,
                           "SELECT batch_guid FROM {schema}.batch WHERE batch_guid LIKE $1"
                           " UNION SELECT batch_guid FROM {schema}.package"
                           " WHERE batch_guid LIKE $1 ORDER BY 1 LIMIT 11",
                           p),
        1, args, p);
    if (rv == APR_SUCCESS && !sb_rows_count(rows)) {
        rv = sb_db_query_text(&rows, b->stats,
                              sb_batches_stats_sql(b,
                                                   "SELECT batch_guid FROM {schema}.udl_stats"
                                                   " WHERE batch_guid LIKE $1 ORDER BY 1 LIMIT 11",
                                                   p),
                              1, args, p);
    }
    if (rv == APR_SUCCESS) {
        *pguids = column(rows, 0, p);
    }
    return rv;
}

apr_status_t sb_batches_find(const sb_batch_t **pbatch, apr_array_header_t **plike, sb_batches_t *b,
                             const char *id, apr_pool_t *p)
{
    apr_array_header_t *guids, *found;
    apr_status_t rv;
    int i;

    *pbatch = NULL;
    *plike = NULL;
    id = clean_id(id, p);
    if (!id) {
        return SB_EINPUT;
    }
    rv = find_guids(&guids, b, id, p);
    if (rv == APR_SUCCESS) {
        rv = fetch(&found, b, guids, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (found->nelts < 1) {
        return APR_NOTFOUND;
    }
    if (found->nelts == 1) {
        *pbatch = &APR_ARRAY_IDX(found, 0, found_t).batch;
        return APR_SUCCESS;
    }
    *plike = apr_array_make(p, MAX_LIKE, sizeof(sb_batch_t));
    for (i = 0; i < found->nelts && i < MAX_LIKE; i++) {
        APR_ARRAY_PUSH(*plike, sb_batch_t) = APR_ARRAY_IDX(found, i, found_t).batch;
    }
    return SB_ECONFLICT;
}

/* ---- health ------------------------------------------------------------------------------------ */

/* When a tenant's production last changed, as production itself remembers. */
static apr_time_t last_promotion(const sb_batches_t *b, const char *tenant, apr_pool_t *p)
{
    const char *url = sb_conf_tenant_str(b->conf, "prod_db_conn.<tenant>.url", tenant),
               *schema = sb_conf_tenant_str(b->conf, "prod_db_conn.<tenant>.db_schema", tenant);
    sb_db_opts_t opts = {.app = b->app, .no_prepare = 1};
    sb_rows_t *rows;
    sb_db_t *db;

    if (!url || !schema || sb_db_open(&db, sb_conf_db_url(url, p), &opts, p) != APR_SUCCESS ||
        sb_db_query_text(&rows, db,
                         sb_sql(p, "SELECT" EPOCH("max(applied_at)") " FROM {schema}.batch_applied",
                                "schema", schema, NULL),
                         0, NULL, p) != APR_SUCCESS) {
        return -1;
    }
    return sb_rows_int(rows, 0, 0, 0);
}

apr_status_t sb_batches_health(sb_batches_health_t *health, sb_batches_t *b, apr_pool_t *p)
{
    const apr_array_header_t *tenants = sb_conf_names(b->conf, "prod_db_conn.<tenant>.url", p);
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    memset(health, 0, sizeof *health);
    health->promotions = apr_array_make(p, 8, sizeof(sb_batch_promotion_t));
    rv = sb_db_query_text(
        &rows, b->udl,
        sb_batches_udl_sql(b,
                           /* clang-format off */
                "WITH claim AS (" CLAIMS "), waits AS (SELECT count(*) AS n, min(" WAITS
                ") AS oldest FROM {schema}.package k WHERE state IN ('new', 'queued'))"
                " SELECT EXISTS (SELECT FROM claim WHERE package_id = 0),"
                " (SELECT count(*) FROM claim WHERE package_id <> 0), n,"
                EPOCH("oldest") "," EPOCH("clock_timestamp()") " FROM waits",
                           /* clang-format on */
                           p),
        0, NULL, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    health->trigger = sb_rows_bool(rows, 0, 0) == 1;
    health->claims = (int)sb_rows_int(rows, 0, 1, 0);
    health->waiting = (int)sb_rows_int(rows, 0, 2, 0);
    health->oldest = sb_rows_int(rows, 0, 3, 0);
    health->now = sb_rows_int(rows, 0, 4, 0);
    for (i = 0; i < tenants->nelts; i++) {
        sb_batch_promotion_t *last = apr_array_push(health->promotions);

        last->tenant = APR_ARRAY_IDX(tenants, i, const char *);
        last->at = last_promotion(b, last->tenant, p);
    }
    return rv;
}
