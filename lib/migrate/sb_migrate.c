/* One run of the migration: which batches, in what order, and what is said about them. */

#include "config.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_time.h"
#include "migrate/sb_migrate.h"
#include "migrate/sb_migrate_db.h"
#include "migrate/sb_order.h"
#include "report/sb_cohorts.h"
#include "report/sb_registration.h"
#include "report/sb_suppressed_refresh.h"
#include "store/sb_schema.h"

#define ERR_SOURCE_MISSING "1", "MISMATCHED_FACT_ASMT_OUTCOME_RECORD"
#define ERR_SOURCE_TWICE "2", "DELETE_FACT_ASMT_OUTCOME_RECORD_MORE_THAN_ONCE"
#define MAX_TRIES 3

/* What is open of one tenant. */
typedef struct {
    const char *name;
    const char *schema;          /* production */
    sb_db_t *dest;               /* production */
    apr_array_header_t *sources; /* of sb_db_t *: where else batch schemas may be */
    int silent;                  /* how many of those do not answer */
} tenant_t;

/* One batch that waits. */
typedef struct {
    const char *guid, *load_type;
    apr_int64_t arrived;  /* microseconds since the epoch */
    apr_int64_t expected; /* lines the loader stored; -1 not known */
    sb_place_t place;
    sb_db_t *home;       /* where its schema is; NULL: not found */
    const char *waiting; /* why it could not be promoted now, though nothing is wrong with it */
} batch_t;

typedef struct {
    const sb_migrate_opts_t *opts;
    sb_migrate_result_t *result;
    const char **perror;
    sb_db_t *stats;
    sb_order_t *order;
    apr_hash_t *tenants; /* by name, of tenant_t */
    apr_pool_t *p;       /* of the run */
    apr_pool_t *pbatch;  /* cleared after each batch */
} run_t;

/* ---- statements ------------------------------------------------------------------------------ */

static const sb_stmt_t find_batches = {
    .name = "migrate_find",
    .nargs = 1,
    .sql = "SELECT batch_guid, tenant, load_type, coalesce(record_loaded_count, -1),"
           " (extract(epoch FROM file_arrived) * 1e6)::bigint FROM {schema}.udl_stats"
           " WHERE load_status = $1 ORDER BY file_arrived, rec_id"};
static const sb_stmt_t find_status = {
    .name = "migrate_status_of",
    .nargs = 1,
    .sql = "SELECT load_status, tenant FROM {schema}.udl_stats WHERE batch_guid = $1"};
static const sb_stmt_t set_status = {
    .name = "migrate_set_status",
    .nargs = 2,
    .sql = "UPDATE {schema}.udl_stats SET load_status = $2 WHERE batch_guid = $1"};
/* The sender is told later, from what is noted here. */
static const sb_stmt_t set_failed = {
    .name = "migrate_set_failed",
    .nargs = 2,
    .sql =
        "UPDATE {schema}.udl_stats SET load_status = 'migrate.failed',"
        " notification = (coalesce(nullif(notification, ''), '{}')::jsonb"
        " || jsonb_build_object('error_desc', $2::text, 'udl_phase_step_status', 'FAILURE'))::text"
        " WHERE batch_guid = $1"};

/* ---- connections ----------------------------------------------------------------------------- */

static apr_status_t complain(const run_t *run, apr_status_t rv, const char *what, const char *why)
{
    *run->perror = apr_pstrcat(run->p, what, ": ", why, NULL);
    return rv;
}

static sb_migrate_db_t where(const run_t *run, apr_pool_t *p)
{
    return (sb_migrate_db_t){run->opts->conf, run->opts->app, run->perror, p};
}

static apr_status_t open_stats(run_t *run)
{
    const char *schema = sb_conf_str(run->opts->conf, "edware_stats.db.schema_name");
    sb_migrate_db_t here = where(run, run->p);
    apr_status_t rv = sb_migrate_db_stats(&run->stats, &here);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_db_lock(run->stats, apr_pstrcat(run->p, "smarter-migrate-conductor ", schema, NULL));
    return rv == APR_SUCCESS || rv == SB_EBUSY ? rv
                                               : complain(run, rv, "lock", sb_db_error(run->stats));
}

static apr_status_t read_order(run_t *run)
{
    sb_migrate_db_t here = where(run, run->p);
    sb_db_t *udl;
    apr_status_t rv = sb_migrate_db_loader(&udl, &here);

    if (rv == APR_SUCCESS) {
        rv = sb_order_read(&run->order, udl, run->p);
        if (rv != APR_SUCCESS) {
            complain(run, rv, "order of arrival", sb_db_error(udl));
        }
    }
    return rv;
}

/* The tenant of a batch, connected. *pt is NULL if it is none of ours. */
static apr_status_t find_tenant(tenant_t **pt, run_t *run, const char *name)
{
    sb_migrate_db_t here = where(run, run->p);
    tenant_t *t = apr_hash_get(run->tenants, name, APR_HASH_KEY_STRING);
    apr_status_t rv;

    *pt = t;
    if (t || (run->opts->tenant && strcmp(run->opts->tenant, name))) {
        return APR_SUCCESS;
    }
    t = apr_pcalloc(run->p, sizeof(*t));
    t->name = apr_pstrdup(run->p, name);
    rv = sb_migrate_db_production(&t->dest, &t->schema, &here, t->name);
    if (rv == APR_NOTFOUND) {
        *run->perror = NULL;
        return APR_SUCCESS;
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    t->silent = sb_migrate_db_sources(&t->sources, &here, t->name);
    apr_hash_set(run->tenants, t->name, APR_HASH_KEY_STRING, t);
    *pt = t;
    return APR_SUCCESS;
}

/* ---- what is noted --------------------------------------------------------------------------- */

static apr_status_t set(const run_t *run, const char *batch, const char *status)
{
    const char *args[] = {batch, status};
    apr_int64_t n;
    apr_status_t rv = sb_db_exec(&n, run->stats, &set_status, args);

    if (rv != APR_SUCCESS || n != 1) {
        return complain(run, rv == APR_SUCCESS ? SB_EDB : rv, "setting a batch's status",
                        rv == APR_SUCCESS ? "its row is gone" : sb_db_error(run->stats));
    }
    return APR_SUCCESS;
}

static apr_status_t note_failure(const run_t *run, const char *batch, const char *error)
{
    const char *args[] = {batch, error};

    if (sb_db_exec(NULL, run->stats, &set_failed, args) == APR_SUCCESS) {
        return APR_SUCCESS;
    }
    sb_log(SB_LOG_WARN, SBLOGNO(2401), SB_NO_STATUS, "batch %s: its notification is no JSON: %s",
           batch, sb_db_error(run->stats));
    return set(run, batch, "migrate.failed");
}

/* One row of err_list for each bad delete. The loader's database may be elsewhere or down: the
 * batch's status does not depend on it. */
static void list_errors(const run_t *run, const char *batch, const apr_array_header_t *bad)
{
    const char *schema = sb_conf_str(run->opts->conf, "migrate_errors.db.schema_name"), *ignored;
    sb_migrate_db_t here = {run->opts->conf, run->opts->app, &ignored, run->pbatch};
    const char *sql;
    apr_status_t rv;
    sb_db_t *db;
    int i;

    if (!bad || !bad->nelts) {
        return;
    }
    rv = sb_migrate_db_loader(&db, &here);
    sql = sb_sql(run->pbatch,
                 "INSERT INTO {schema}.err_list (record_sid, guid_batch, err_code, err_source,"
                 " err_code_text, err_source_text, err_input)"
                 " VALUES ($1::bigint, $2, $3::bigint, $4::bigint, $5, $6,"
                 " 'student_id:' || $7 || ', asmt_guid:' || $8) ON CONFLICT DO NOTHING",
                 "schema", schema, NULL);
    for (i = 0; rv == APR_SUCCESS && i < bad->nelts; i++) {
        const sb_promote_bad_line_t *b = &APR_ARRAY_IDX(bad, i, sb_promote_bad_line_t);
        const char *missing[] = {ERR_SOURCE_MISSING}, *twice[] = {ERR_SOURCE_TWICE};
        const char *const *source = b->code == 1000 ? missing : twice;
        const char *args[] = {apr_psprintf(run->pbatch, "%" APR_INT64_T_FMT, b->line),
                              batch,
                              apr_itoa(run->pbatch, b->code),
                              source[0],
                              b->code == 1000 ? "DELETE_RECORD_NOT_FOUND" : "DATA_INTEGRITY_ERROR",
                              source[1],
                              b->student_id,
                              b->asmt_guid};

        rv = sb_db_exec_text(NULL, db, sql, 8, args);
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2402), rv, "batch %s: its bad lines are not in err_list",
               batch);
    }
}

/* Keep a failed batch's schema for a while, for whoever looks into it. */
static void keep_schema(const run_t *run, sb_db_t *home, const char *batch)
{
    apr_interval_time_t keep = sb_conf_interval(run->opts->conf, "migrate.failed.keep");
    char until[SB_ISO_TIME_SIZE];
    sb_time_iso(until, apr_time_now() + keep);
    /* COMMENT takes no parameters; the text is made of a time stamp. */
    if (sb_db_script(home, apr_pstrcat(run->pbatch,
                                       sb_sql(run->pbatch, "COMMENT ON SCHEMA {batch} IS ", "batch",
                                              batch, NULL),
                                       "'failed, kept until ", until, "'", NULL)) != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2403), SB_NO_STATUS, "batch %s: marking its schema: %s", batch,
               sb_db_error(home));
    }
}

static void drop_schema(const run_t *run, sb_db_t *home, const char *batch)
{
    apr_status_t rv = sb_batch_schema_drop(home, batch, run->pbatch);

    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2404), rv, "batch %s: dropping its schema: %s", batch,
               sb_db_error(home));
    }
}

/* ---- one batch ------------------------------------------------------------------------------- */

/* Deadlocks and the like: the same again may well succeed. */
static int try_again(const sb_db_t *db, apr_status_t rv, int tries)
{
    return rv == SB_ECONFLICT && !strncmp(sb_db_sqlstate(db), "40", 2) && tries < MAX_TRIES;
}

/* Where is the schema of the batch? A database that does not answer may have it: then it waits. */
static apr_status_t find_schema(const char **perror, batch_t *b, const tenant_t *t, apr_pool_t *p)
{
    apr_status_t rv;
    int i, here = 0;

    b->home = t->dest;
    rv = sb_batch_schema_exists(&here, b->home, b->guid, p);
    for (i = 0; rv == APR_SUCCESS && !here && i < t->sources->nelts; i++) {
        b->home = APR_ARRAY_IDX(t->sources, i, sb_db_t *);
        rv = sb_batch_schema_exists(&here, b->home, b->guid, p);
    }
    if (rv == SB_EINPUT) {
        *perror = "its name is no batch guid";
    }
    else if (rv != APR_SUCCESS) {
        *perror = sb_db_error(b->home);
    }
    else if (!here && t->silent) {
        *perror = b->waiting = "a pre-production database that may have it does not answer";
        rv = SB_EUNAVAILABLE;
    }
    else if (!here) {
        *perror = "its schema is not in any of the databases";
        rv = SB_EINPUT;
    }
    if (rv != APR_SUCCESS) {
        b->home = NULL;
    }
    return rv;
}

/* A crash of the server empties unlogged tables. What came through the arrivals zone the trigger sends
 * round again, so it waits for that. */
static apr_status_t notice_crash(const char **perror, batch_t *b, apr_pool_t *p)
{
    static const char empty[] = "SELECT NOT EXISTS (SELECT FROM {batch}.asmt) AND"
                                " NOT EXISTS (SELECT FROM {batch}.asmt_outcome) AND"
                                " NOT EXISTS (SELECT FROM {batch}.registration) AND"
                                " NOT EXISTS (SELECT FROM {batch}.student_reg)";
    sb_rows_t *rows;
    apr_status_t rv;

    if (!b->place.package_id) {
        return APR_SUCCESS;
    }
    rv = sb_db_query_text(&rows, b->home, sb_sql(p, empty, "batch", b->guid, NULL), 0, NULL, p);
    if (rv == APR_SUCCESS && sb_rows_bool(rows, 0, 0) == 1) {
        *perror = b->waiting =
            "its tables are empty, as after a crash of the database server: it has"
            " to be loaded again";
        rv = SB_EUNAVAILABLE;
    }
    return rv == SB_EDB ? APR_SUCCESS : rv; /* made by an older loader: promotion will say */
}

static apr_status_t promote(const run_t *run, const tenant_t *t, sb_migrated_t *m, batch_t *b,
                            apr_array_header_t **pbad)
{
    char today[SB_DATE_SIZE];
    sb_promote_job_t job = {.schema = t->schema,
                            .batch_guid = m->batch,
                            .registration = !strcmp(b->load_type, "studentregistration"),
                            .expected = b->expected,
                            .today = today,
                            .work_mem = sb_conf_bytes(run->opts->conf, "migrate.work_mem")};
    apr_status_t rv;
    int tries = 0, applied;

    *pbad = NULL;
    sb_time_local_date(today, apr_time_now());
    /* Its schema may be gone because it is through. */
    rv = sb_promote_applied(&m->promoted, &applied, t->dest, t->schema, m->batch, run->pbatch);
    if (rv != APR_SUCCESS) {
        m->error = sb_db_error(t->dest);
        return rv;
    }
    if (applied) {
        return APR_SUCCESS;
    }
    rv = find_schema(&m->error, b, t, run->pbatch);
    if (rv == APR_SUCCESS) {
        rv = notice_crash(&m->error, b, run->pbatch);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    job.source = b->home == t->dest ? NULL : b->home;
    do {
        rv = sb_promote(&m->promoted, pbad, &m->error, t->dest, &job, run->pbatch);
    } while (try_again(t->dest, rv, ++tries));
    return rv;
}

/* Fresh tables have no statistics, and autovacuum takes a minute to notice. */
static void analyze(const run_t *run, const tenant_t *t, const batch_t *b,
                    const sb_promoted_t *promoted)
{
    int registration = !strcmp(b->load_type, "studentregistration");
    const char *args[] = {apr_psprintf(run->pbatch, "%" APR_INT64_T_FMT, promoted->inserted)};
    const char *sql = sb_sql(run->pbatch,
                             "SELECT {schema}.analyze_promoted() FROM pg_class"
                             " WHERE oid = '{schema}.{table}'::regclass"
                             " AND reltuples < $1::bigint",
                             "schema", t->schema, "table",
                             registration ? "student_reg" : "fact_asmt_outcome_vw", NULL);
    sb_rows_t *rows;

    if (sb_db_query_text(&rows, t->dest, sql, 1, args, run->pbatch) != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2405), SB_NO_STATUS, "tenant %s: statistics: %s", t->name,
               sb_db_error(t->dest));
    }
}

/* Which bars are too small to be shown, of years whose results changed: so that no reader has to work it
 * out. Until it is there, readers do. */
static void hide_small(const run_t *run, const tenant_t *t)
{
    int years;

    if (sb_suppressed_refresh(&years, t->dest, t->name, t->schema, run->pbatch) != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2414), SB_NO_STATUS, "tenant %s: hidden bars: %s", t->name,
               sb_db_error(t->dest));
    }
}

/* What reads whole years, once for all batches of a run, when none of them waits. */
static void count_years(const run_t *run)
{
    for (apr_hash_index_t *hi = apr_hash_first(run->p, run->tenants); hi; hi = apr_hash_next(hi)) {
        const tenant_t *t = apr_hash_this_val(hi);

        if (sb_cohorts_refresh(NULL, t->dest, t->name, t->schema, run->opts->stopping,
                               run->pbatch) != APR_SUCCESS ||
            sb_reg_refresh(t->dest, t->schema, run->opts->stopping, run->pbatch) != APR_SUCCESS) {
            sb_log(SB_LOG_WARN, SBLOGNO(2415), SB_NO_STATUS, "tenant %s: counting years: %s",
                   t->name, sb_db_error(t->dest));
        }
    }
}

/* The batch waits, and so do later ones that deliver the same. Said once. */
static apr_status_t hold(const run_t *run, const batch_t *b, const char *behind, const char *reason)
{
    int news;
    apr_status_t rv = sb_order_note(&news, run->order, &b->place, behind, reason);

    sb_order_wait(run->order, &b->place);
    if (rv != APR_SUCCESS) {
        return complain(run, rv, "noting what a batch waits for", "no answer");
    }
    if (news) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(2411), SB_NO_STATUS, "batch %s of %s is not promoted yet: %s",
               b->guid, b->place.tenant, reason);
    }
    return APR_SUCCESS;
}

/* What follows a promotion that did not succeed. @return APR_SUCCESS when the run may go on */
static apr_status_t give_up(const run_t *run, const batch_t *b, sb_migrated_t *m, apr_status_t rv,
                            const apr_array_header_t *bad)
{
    if (sb_is_transient(rv)) {
        /* Perhaps it was committed; in_process makes the next run ask. */
        return complain(run, rv, "promoting", m->error);
    }
    m->status = "migrate.failed";
    rv = note_failure(run, m->batch, m->error);
    if (rv == APR_SUCCESS) {
        list_errors(run, m->batch, bad);
        if (b->home) {
            keep_schema(run, b->home, m->batch);
        }
    }
    return rv;
}

static void tell(const run_t *run, const tenant_t *t, const batch_t *b, const sb_migrated_t *m)
{
    if (m->error) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2406), SB_NO_STATUS, "batch %s of %s is not in production: %s",
               m->batch, t->name, m->error);
    }
    else if (m->promoted.withdrawn) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(2412), SB_NO_STATUS,
               "batch %s of %s was withdrawn and stays out of production", m->batch, t->name);
    }
    else {
        sb_log(SB_LOG_INFO, SBLOGNO(2407), SB_NO_STATUS,
               "batch %s of %s is in production: %" APR_INT64_T_FMT " %s in %.1f s", m->batch,
               t->name, m->promoted.inserted,
               strcmp(b->load_type, "assessment") ? "students" : "results", m->seconds);
        analyze(run, t, b, &m->promoted);
        hide_small(run, t);
    }
    if (run->opts->report) {
        run->opts->report(run->opts->ctx, m);
    }
}

static apr_status_t migrate_batch(const run_t *run, const tenant_t *t, batch_t *b)
{
    sb_migrated_t m = {.batch = b->guid, .tenant = t->name, .load_type = b->load_type};
    double start = sb_time_monotonic();
    apr_array_header_t *bad;
    apr_status_t rv;

    rv = set(run, b->guid, "migrate.in_process");
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = promote(run, t, &m, b, &bad);
    if (b->waiting) {
        rv = set(run, b->guid, "udl.ingested");
        return rv == APR_SUCCESS ? hold(run, b, NULL, b->waiting) : rv;
    }
    if (rv == APR_SUCCESS) {
        m.status = m.promoted.withdrawn ? "migrate.withdrawn" : "migrate.ingested";
        rv = set(run, b->guid, m.status);
        if (rv == APR_SUCCESS && b->home) {
            drop_schema(run, b->home, b->guid);
        }
    }
    else {
        rv = give_up(run, b, &m, rv, bad);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    m.seconds = sb_time_monotonic() - start;
    *(m.error ? &run->result->failed : &run->result->done) += 1;
    sb_order_done(run->order, b->guid);
    tell(run, t, b, &m);
    return APR_SUCCESS;
}

/* Promote it, if it is its turn. */
static apr_status_t migrate_or_hold(const run_t *run, const tenant_t *t, batch_t *b)
{
    const sb_place_t *other;
    apr_status_t rv =
        sb_order_find(&b->place, run->order, b->guid, t->name, b->arrived, run->pbatch);

    if (rv != APR_SUCCESS) {
        return complain(run, rv, "order of arrival", "the loader's database gave no answer");
    }
    if (!b->place.seen) {
        return APR_SUCCESS; /* arrived and was loaded since the run began: the next one knows its place */
    }
    other = sb_order_blocker(run->order, &b->place);
    if (!other) {
        return migrate_batch(run, t, b);
    }
    return hold(
        run, b, other->batch,
        apr_psprintf(run->pbatch, "%s%sbatch %s arrived before it and %s",
                     other->package ? other->package : "", other->package ? ", " : "", other->batch,
                     other->content_key && b->place.content_key ? "delivers the same content"
                                                                : "may deliver the same content"));
}

/* ---- the run --------------------------------------------------------------------------------- */

static apr_status_t find(sb_rows_t **prows, const run_t *run, const char *status)
{
    apr_status_t rv = sb_db_query(prows, run->stats, &find_batches, &status, run->p);

    return rv == APR_SUCCESS ? rv : complain(run, rv, "finding batches", sb_db_error(run->stats));
}

/* Batches on which an earlier run died: finish them, or let them wait again. */
static apr_status_t recover(run_t *run)
{
    sb_rows_t *rows;
    apr_status_t rv = find(&rows, run, "migrate.in_process");
    int i;

    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        const char *batch = sb_rows_text(rows, i, 0);
        tenant_t *t;

        rv = find_tenant(&t, run, sb_rows_text(rows, i, 1));
        if (rv == APR_SUCCESS && t) {
            sb_log(SB_LOG_NOTICE, SBLOGNO(2408), SB_NO_STATUS,
                   "batch %s was left half way by an earlier run", batch);
            rv = set(run, batch, "udl.ingested");
        }
    }
    return rv;
}

static int is_promoted_type(const char *load_type)
{
    return !strcmp(load_type, "assessment") || !strcmp(load_type, "studentregistration");
}

static apr_status_t migrate_waiting(run_t *run)
{
    sb_rows_t *rows;
    apr_status_t rv = find(&rows, run, "udl.ingested");
    int i;

    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        batch_t b = {.guid = sb_rows_text(rows, i, 0),
                     .load_type = sb_rows_text(rows, i, 2),
                     .expected = sb_rows_int(rows, i, 3, -1),
                     .arrived = sb_rows_int(rows, i, 4, 0)};
        tenant_t *t;

        if (run->opts->stopping && run->opts->stopping()) {
            return APR_SUCCESS;
        }
        rv = find_tenant(&t, run, sb_rows_text(rows, i, 1));
        if (rv != APR_SUCCESS || !t) {
            continue;
        }
        if (!is_promoted_type(b.load_type)) {
            sb_log(SB_LOG_WARN, SBLOGNO(2409), SB_NO_STATUS,
                   "batch %s waits: nobody promotes the load type %s", b.guid, b.load_type);
            continue;
        }
        sb_log_set_id(b.guid);
        rv = migrate_or_hold(run, t, &b);
        sb_log_set_id(NULL);
        apr_pool_clear(run->pbatch);
    }
    if (rv == APR_SUCCESS && sb_order_forget(run->order, run->opts->tenant) != APR_SUCCESS) {
        rv = complain(run, SB_EUNAVAILABLE, "removing notes of what waited", "no answer");
    }
    return rv;
}

/* Schemas of batches that are through, and of failed ones whose time is over. */
static void sweep_database(run_t *run, const tenant_t *t, sb_db_t *db)
{
    static const char expired[] =
        "SELECT 1 FROM pg_namespace WHERE nspname = $1 AND"
        " substring(obj_description(oid, 'pg_namespace')"
        " FROM '^failed, kept until ([0-9TZ:.-]+)$')::timestamptz < now()";
    apr_array_header_t *guids;
    sb_rows_t *rows;
    int i;

    if (sb_batch_schema_list(&guids, db, run->p) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < guids->nelts; i++) {
        const char *guid = APR_ARRAY_IDX(guids, i, const char *), *status;

        apr_pool_clear(run->pbatch);
        if (sb_db_query(&rows, run->stats, &find_status, &guid, run->pbatch) != APR_SUCCESS ||
            !sb_rows_count(rows) || strcmp(sb_rows_text(rows, 0, 1), t->name)) {
            continue;
        }
        status = sb_rows_text(rows, 0, 0);
        if (!strcmp(status, "migrate.ingested") || !strcmp(status, "migrate.withdrawn")) {
            drop_schema(run, db, guid);
        }
        else if (!strcmp(status, "migrate.failed") &&
                 sb_db_query_text(&rows, db, expired, 1, &guid, run->pbatch) == APR_SUCCESS &&
                 sb_rows_count(rows)) {
            drop_schema(run, db, guid);
        }
    }
}

static void sweep(run_t *run)
{
    apr_hash_index_t *hi;
    int i;

    for (hi = apr_hash_first(run->p, run->tenants); hi; hi = apr_hash_next(hi)) {
        const tenant_t *t;
        void *value;

        apr_hash_this(hi, NULL, NULL, &value);
        t = value;
        sweep_database(run, t, t->dest);
        for (i = 0; i < t->sources->nelts; i++) {
            sweep_database(run, t, APR_ARRAY_IDX(t->sources, i, sb_db_t *));
        }
    }
}

/* So that schemas are swept for tenants without waiting batches too. */
static apr_status_t connect_tenants(run_t *run)
{
    const apr_array_header_t *names =
        sb_conf_names(run->opts->conf, "migrate_dest.db.<tenant>.url", run->p);
    apr_status_t rv = APR_SUCCESS;
    tenant_t *t;
    int i;

    if (!names->nelts) {
        return complain(run, SB_ECONFIG, "migrate_dest.db.<tenant>.url", "no tenant is set");
    }
    for (i = 0; rv == APR_SUCCESS && i < names->nelts; i++) {
        rv = find_tenant(&t, run, APR_ARRAY_IDX(names, i, const char *));
        if (rv == APR_SUCCESS && t) {
            hide_small(run, t);
        }
    }
    return rv;
}

apr_status_t sb_migrate_run(sb_migrate_result_t *result, const char **perror,
                            const sb_migrate_opts_t *opts, apr_pool_t *p)
{
    run_t run = {.opts = opts, .result = result, .perror = perror};
    apr_status_t rv;

    memset(result, 0, sizeof(*result));
    *perror = NULL;
    apr_pool_create(&run.p, p);
    apr_pool_create(&run.pbatch, run.p);
    run.tenants = apr_hash_make(run.p);
    rv = open_stats(&run);
    if (rv == APR_SUCCESS) {
        rv = connect_tenants(&run);
    }
    if (rv == APR_SUCCESS) {
        rv = read_order(&run);
    }
    if (rv == APR_SUCCESS) {
        rv = recover(&run);
    }
    if (rv == APR_SUCCESS) {
        rv = migrate_waiting(&run);
    }
    if (rv == APR_SUCCESS) {
        sweep(&run);
        count_years(&run);
    }
    sb_log_set_id(NULL);
    if (*perror) {
        *perror = apr_pstrdup(p, *perror);
    }
    apr_pool_destroy(run.p); /* ends the connections and with them the lock */
    return rv;
}
