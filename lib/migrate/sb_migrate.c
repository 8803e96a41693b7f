/* One run of the migration: which batches, in what order, and what is said about them. */

#include "config.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_time.h"
#include "migrate/sb_migrate.h"
#include "store/sb_schema.h"

#define ERR_SOURCE_MISSING "1", "MISMATCHED_FACT_ASMT_OUTCOME_RECORD"
#define ERR_SOURCE_TWICE "2", "DELETE_FACT_ASMT_OUTCOME_RECORD_MORE_THAN_ONCE"
#define MAX_TRIES 3

/* What is open of one tenant. */
typedef struct {
    const char *name;
    const char *schema; /* production */
    sb_db_t *dest;      /* production */
    sb_db_t *source; /* where batch schemas are; the same connection if the address is the same */
} tenant_t;

typedef struct {
    const sb_migrate_opts_t *opts;
    sb_migrate_result_t *result;
    const char **perror;
    sb_db_t *stats;
    apr_hash_t *tenants; /* by name, of tenant_t */
    apr_pool_t *p;       /* of the run */
    apr_pool_t *pbatch;  /* cleared after each batch */
} run_t;

/* ---- statements ------------------------------------------------------------------------------ */

static const sb_stmt_t try_lock = {
    .name = "migrate_lock",
    .nargs = 1,
    .sql = "SELECT pg_try_advisory_lock(hashtextextended('smarter-migrate-conductor ' || $1, 0))"};
static const sb_stmt_t find_batches = {
    .name = "migrate_find",
    .nargs = 1,
    .sql =
        "SELECT rec_id, batch_guid, tenant, load_type, record_loaded_count FROM {schema}.udl_stats"
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

/* Not preparing: a run lives shortly, and in front of it may be a pooler. */
static apr_status_t connect_to(sb_db_t **pdb, const run_t *run, const char *url, const char *schema)
{
    sb_db_opts_t opts = {.schema = schema, .app = run->opts->app, .no_prepare = 1};

    return sb_db_open(pdb, sb_conf_db_url(url, run->p), &opts, run->p);
}

static apr_status_t open_stats(run_t *run)
{
    const sb_conf_t *conf = run->opts->conf;
    const char *url = sb_conf_str(conf, "migrate_stats.db.url");
    const char *schema = sb_conf_str(conf, "edware_stats.db.schema_name");
    sb_rows_t *rows;
    apr_status_t rv;

    if (!url) {
        url = sb_conf_str(conf, "edware_stats.db.url");
    }
    if (!url) {
        return complain(run, SB_ECONFIG, "migrate_stats.db.url", "is not set");
    }
    rv = connect_to(&run->stats, run, url, schema);
    if (rv != APR_SUCCESS) {
        return complain(run, rv, "statistics database", "no answer");
    }
    rv = sb_db_query(&rows, run->stats, &try_lock, &schema, run->p);
    if (rv != APR_SUCCESS) {
        return complain(run, rv, "lock", sb_db_error(run->stats));
    }
    return sb_rows_bool(rows, 0, 0) == 1 ? APR_SUCCESS : SB_EBUSY;
}

/* The tenant of a batch, connected. *pt is NULL if it is none of ours. */
static apr_status_t find_tenant(tenant_t **pt, run_t *run, const char *name)
{
    const sb_conf_t *conf = run->opts->conf;
    tenant_t *t = apr_hash_get(run->tenants, name, APR_HASH_KEY_STRING);
    const char *dest, *source;
    apr_status_t rv;

    *pt = t;
    if (t || (run->opts->tenant && strcmp(run->opts->tenant, name))) {
        return APR_SUCCESS;
    }
    dest = sb_conf_tenant_str(conf, "migrate_dest.db.<tenant>.url", name);
    if (!dest) {
        return APR_SUCCESS;
    }
    t = apr_pcalloc(run->p, sizeof(*t));
    t->name = apr_pstrdup(run->p, name);
    t->schema = sb_conf_tenant_str(conf, "migrate_dest.db.<tenant>.schema_name", name);
    if (!t->schema) {
        return complain(run, SB_ECONFIG,
                        apr_pstrcat(run->p, "migrate_dest.db.", name, ".schema_name", NULL),
                        "is not set");
    }
    source = sb_conf_tenant_str(conf, "migrate_source.db.<tenant>.url", name);
    rv = connect_to(&t->dest, run, dest, t->schema);
    t->source = t->dest;
    if (rv == APR_SUCCESS && source && strcmp(source, dest)) {
        rv = connect_to(&t->source, run, source, NULL);
    }
    if (rv != APR_SUCCESS) {
        return complain(run, rv, apr_pstrcat(run->p, "databases of tenant ", name, NULL),
                        "no answer");
    }
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
    const char *url = sb_conf_str(run->opts->conf, "migrate_errors.db.url");
    const char *schema = sb_conf_str(run->opts->conf, "migrate_errors.db.schema_name");
    const char *sql;
    apr_status_t rv;
    sb_db_t *db;
    int i;

    if (!url) {
        url = sb_conf_str(run->opts->conf, "migrate_stats.db.url");
    }
    if (!bad || !bad->nelts || !url) {
        return;
    }
    rv = connect_to(&db, run, url, schema);
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
static void keep_schema(const run_t *run, const tenant_t *t, const char *batch)
{
    apr_interval_time_t keep = sb_conf_interval(run->opts->conf, "migrate.failed.keep");
    char until[SB_ISO_TIME_SIZE];
    int here;

    if (sb_batch_schema_exists(&here, t->source, batch, run->pbatch) != APR_SUCCESS || !here) {
        return;
    }
    sb_time_iso(until, apr_time_now() + keep);
    /* COMMENT takes no parameters; the text is made of a time stamp. */
    if (sb_db_script(
            t->source,
            apr_pstrcat(run->pbatch,
                        sb_sql(run->pbatch, "COMMENT ON SCHEMA {batch} IS ", "batch", batch, NULL),
                        "'failed, kept until ", until, "'", NULL)) != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2403), SB_NO_STATUS, "batch %s: marking its schema: %s", batch,
               sb_db_error(t->source));
    }
}

static void drop_schema(const run_t *run, const tenant_t *t, const char *batch)
{
    apr_status_t rv = sb_batch_schema_drop(t->source, batch, run->pbatch);

    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2404), rv, "batch %s: dropping its schema: %s", batch,
               sb_db_error(t->source));
    }
}

/* ---- one batch ------------------------------------------------------------------------------- */

/* Deadlocks and the like: the same again may well succeed. */
static int try_again(const sb_db_t *db, apr_status_t rv, int tries)
{
    return rv == SB_ECONFLICT && !strncmp(sb_db_sqlstate(db), "40", 2) && tries < MAX_TRIES;
}

/* Is the batch where promotion can read it? Between two servers its tables will be copied first;
 * until that exists, such a batch fails here. */
static apr_status_t find_schema(const char **perror, const tenant_t *t, const char *batch,
                                apr_pool_t *p)
{
    int here = 0;
    apr_status_t rv = sb_batch_schema_exists(&here, t->dest, batch, p);

    if (rv == SB_EINPUT) {
        *perror = "its name is no batch guid";
    }
    else if (rv != APR_SUCCESS) {
        *perror = sb_db_error(t->dest);
    }
    else if (!here) {
        *perror = "its schema is not in the production database";
        rv = SB_EINPUT;
    }
    return rv;
}

static apr_status_t promote(const run_t *run, const tenant_t *t, sb_migrated_t *m,
                            apr_int64_t expected, apr_array_header_t **pbad)
{
    char today[SB_DATE_SIZE];
    sb_promote_job_t job = {t->schema, m->batch, expected, today,
                            sb_conf_bytes(run->opts->conf, "migrate.work_mem")};
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
    rv = find_schema(&m->error, t, m->batch, run->pbatch);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    do {
        rv = sb_promote(&m->promoted, pbad, &m->error, t->dest, &job, run->pbatch);
    } while (try_again(t->dest, rv, ++tries));
    return rv;
}

/* Fresh tables have no statistics, and autovacuum takes a minute to notice. */
static void analyze(const run_t *run, const tenant_t *t, const sb_promoted_t *promoted)
{
    const char *args[] = {apr_psprintf(run->pbatch, "%" APR_INT64_T_FMT, promoted->inserted)};
    const char *sql = sb_sql(run->pbatch,
                             "SELECT {schema}.analyze_promoted() FROM pg_class"
                             " WHERE oid = '{schema}.fact_asmt_outcome_vw'::regclass"
                             " AND reltuples < $1::bigint",
                             "schema", t->schema, NULL);
    sb_rows_t *rows;

    if (sb_db_query_text(&rows, t->dest, sql, 1, args, run->pbatch) != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2405), SB_NO_STATUS, "tenant %s: statistics: %s", t->name,
               sb_db_error(t->dest));
    }
}

/* What follows a promotion that did not succeed. @return APR_SUCCESS when the run may go on */
static apr_status_t give_up(const run_t *run, const tenant_t *t, sb_migrated_t *m, apr_status_t rv,
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
        keep_schema(run, t, m->batch);
    }
    return rv;
}

static apr_status_t migrate_batch(const run_t *run, const tenant_t *t, const char *batch,
                                  apr_int64_t expected)
{
    sb_migrated_t m = {.batch = batch, .tenant = t->name, .status = "migrate.ingested"};
    double start = sb_time_monotonic();
    apr_array_header_t *bad;
    apr_status_t rv;

    sb_log_set_id(batch);
    rv = set(run, batch, "migrate.in_process");
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = promote(run, t, &m, expected, &bad);
    if (rv == APR_SUCCESS) {
        rv = set(run, batch, m.status);
        if (rv == APR_SUCCESS) {
            drop_schema(run, t, batch);
        }
    }
    else {
        rv = give_up(run, t, &m, rv, bad);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    m.seconds = sb_time_monotonic() - start;
    *(m.error ? &run->result->failed : &run->result->done) += 1;
    if (m.error) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2406), SB_NO_STATUS, "batch %s of %s is not in production: %s",
               batch, t->name, m.error);
    }
    else {
        sb_log(SB_LOG_INFO, SBLOGNO(2407), SB_NO_STATUS,
               "batch %s of %s is in production: %" APR_INT64_T_FMT " results in %.1f s", batch,
               t->name, m.promoted.inserted, m.seconds);
        analyze(run, t, &m.promoted);
    }
    if (run->opts->report) {
        run->opts->report(run->opts->ctx, &m);
    }
    return APR_SUCCESS;
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
        const char *batch = sb_rows_text(rows, i, 1);
        tenant_t *t;

        rv = find_tenant(&t, run, sb_rows_text(rows, i, 2));
        if (rv == APR_SUCCESS && t) {
            sb_log(SB_LOG_NOTICE, SBLOGNO(2408), SB_NO_STATUS,
                   "batch %s was left half way by an earlier run", batch);
            rv = set(run, batch, "udl.ingested");
        }
    }
    return rv;
}

static apr_status_t migrate_waiting(run_t *run)
{
    sb_rows_t *rows;
    apr_status_t rv = find(&rows, run, "udl.ingested");
    int i;

    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        const char *batch = sb_rows_text(rows, i, 1), *type = sb_rows_text(rows, i, 3);
        tenant_t *t;

        if (run->opts->stopping && run->opts->stopping()) {
            break;
        }
        rv = find_tenant(&t, run, sb_rows_text(rows, i, 2));
        if (rv != APR_SUCCESS || !t) {
            continue;
        }
        if (strcmp(type, "assessment")) {
            sb_log(SB_LOG_WARN, SBLOGNO(2409), SB_NO_STATUS,
                   "batch %s waits: nobody promotes the load type %s", batch, type);
            continue;
        }
        rv = migrate_batch(run, t, batch, sb_rows_int(rows, i, 4, -1));
        sb_log_set_id(NULL);
        apr_pool_clear(run->pbatch);
    }
    return rv;
}

/* Schemas of batches that are through, and of failed ones whose time is over. */
static void sweep(run_t *run)
{
    static const char expired[] =
        "SELECT 1 FROM pg_namespace WHERE nspname = $1 AND"
        " substring(obj_description(oid, 'pg_namespace')"
        " FROM '^failed, kept until ([0-9TZ:.-]+)$')::timestamptz < now()";
    apr_hash_index_t *hi;
    apr_array_header_t *guids;
    sb_rows_t *rows;
    void *value;
    int i;

    for (hi = apr_hash_first(run->p, run->tenants); hi; hi = apr_hash_next(hi)) {
        tenant_t *t;

        apr_hash_this(hi, NULL, NULL, &value);
        t = value;
        if (sb_batch_schema_list(&guids, t->source, run->p) != APR_SUCCESS) {
            continue;
        }
        for (i = 0; i < guids->nelts; i++) {
            const char *guid = APR_ARRAY_IDX(guids, i, const char *), *status;

            apr_pool_clear(run->pbatch);
            if (sb_db_query(&rows, run->stats, &find_status, &guid, run->pbatch) != APR_SUCCESS ||
                !sb_rows_count(rows) || strcmp(sb_rows_text(rows, 0, 1), t->name)) {
                continue;
            }
            status = sb_rows_text(rows, 0, 0);
            if (!strcmp(status, "migrate.ingested")) {
                drop_schema(run, t, guid);
            }
            else if (!strcmp(status, "migrate.failed") &&
                     sb_db_query_text(&rows, t->source, expired, 1, &guid, run->pbatch) ==
                         APR_SUCCESS &&
                     sb_rows_count(rows)) {
                drop_schema(run, t, guid);
            }
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
        rv = recover(&run);
    }
    if (rv == APR_SUCCESS) {
        rv = migrate_waiting(&run);
    }
    if (rv == APR_SUCCESS) {
        sweep(&run);
    }
    sb_log_set_id(NULL);
    if (*perror) {
        *perror = apr_pstrdup(p, *perror);
    }
    apr_pool_destroy(run.p); /* ends the connections and with them the lock */
    return rv;
}
