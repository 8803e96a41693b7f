/* The table of packages: see sb_udl_package.h. */

#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_time.h"
#include "core/sb_uuid.h"
#include "udl/sb_udl_package.h"

/* First half of the two-part advisory lock key: the table, so that loaders with schemas of their own
 * in one database do not meet. The second is the package's id, or 0 for the trigger. */
#define LOCK_CLASS "'{schema}.package'::regclass::oid::int"

static const char *integer(apr_pool_t *p, apr_int64_t n)
{
    return apr_psprintf(p, "%" APR_INT64_T_FMT, n);
}

static const char *fill(apr_pool_t *p, const char *schema, const char *template)
{
    return sb_sql(p, template, "schema", schema, NULL);
}

apr_status_t sb_udl_package_session(sb_db_t *db)
{
    return sb_db_script(db, "SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 5;"
                            " SET tcp_keepalives_count = 4; SET tcp_user_timeout = '40s'");
}

apr_status_t sb_udl_package_watch(sb_db_t *db, const char *schema, apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv;

    rv = sb_db_query_text(
        &rows, db, fill(p, schema, "SELECT pg_try_advisory_lock(" LOCK_CLASS ", 0)"), 0, NULL, p);
    return rv != APR_SUCCESS || sb_rows_bool(rows, 0, 0) == 1 ? rv : SB_EBUSY;
}

apr_status_t sb_udl_package_add(const char **pguid, sb_db_t *db, const char *schema,
                                const char *path, const char *tenant, apr_int64_t size,
                                apr_time_t mtime, apr_pool_t *p)
{
    char guid[SB_UUID_SIZE], when[SB_ISO_TIME_SIZE];
    const char *args[] = {path, tenant, guid, integer(p, size), sb_time_iso(when, mtime)};
    sb_rows_t *rows;
    apr_status_t rv;

    *pguid = NULL;
    if (!sb_uuid_make(guid)) {
        return APR_EGENERAL;
    }
    rv = sb_db_query_text(
        &rows, db,
        fill(p, schema,
             "INSERT INTO {schema}.package (path, tenant, batch_guid, size, mtime, arrived_at)"
             " SELECT $1, $2, $3, $4::bigint, $5::timestamptz, greatest(clock_timestamp(),"
             " (SELECT max(arrived_at) FROM {schema}.package) + interval '1 us')"
             " ON CONFLICT (path) WHERE state IN ('new', 'queued', 'running') DO NOTHING"
             " RETURNING batch_guid"),
        5, args, p);
    if (rv == APR_SUCCESS && !sb_rows_count(rows)) {
        return APR_EEXIST;
    }
    if (rv == APR_SUCCESS) {
        *pguid = apr_pstrdup(p, guid);
    }
    return rv;
}

static void unlock(sb_db_t *db, const char *schema, apr_int64_t id, apr_pool_t *p)
{
    const char *args[] = {integer(p, id)};
    sb_rows_t *rows;

    if (sb_db_query_text(&rows, db,
                         fill(p, schema, "SELECT pg_advisory_unlock(" LOCK_CLASS ", $1::int)"), 1,
                         args, p) != APR_SUCCESS) {
        /* the connection is gone, and the lock with it */
        return;
    }
}

apr_status_t sb_udl_package_claim(sb_udl_package_t *package, sb_db_t *db, const char *schema,
                                  const char *guid, const char *worker, apr_pool_t *p)
{
    const char *args[] = {guid, worker};
    sb_rows_t *rows;
    apr_status_t rv;

    memset(package, 0, sizeof *package);
    rv = sb_db_query_text(&rows, db,
                          fill(p, schema,
                               "SELECT package_id, pg_try_advisory_lock(" LOCK_CLASS
                               ", package_id::int)"
                               " FROM {schema}.package WHERE batch_guid = $1"),
                          1, args, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!sb_rows_count(rows)) {
        return APR_NOTFOUND;
    }
    if (!sb_rows_bool(rows, 0, 1)) {
        return SB_EBUSY;
    }
    package->id = sb_rows_int(rows, 0, 0, 0);
    rv = sb_db_query_text(&rows, db,
                          fill(p, schema,
                               "UPDATE {schema}.package SET state = 'running', attempts = attempts "
                               "+ 1, claims = claims + 1, queued_at = NULL,"
                               " worker = $2, started_at = now() WHERE batch_guid = $1 AND state IN"
                               " ('new', 'queued', 'running') RETURNING path, tenant, size,"
                               " (extract(epoch FROM mtime) * 1e6)::bigint,"
                               " (extract(epoch FROM arrived_at) * 1e6)::bigint, attempts, claims"),
                          2, args, p);
    if (rv == APR_SUCCESS && !sb_rows_count(rows)) {
        rv = APR_NOTFOUND;
    }
    if (rv != APR_SUCCESS) {
        unlock(db, schema, package->id, p);
        return rv;
    }
    package->guid = apr_pstrdup(p, guid);
    package->path = sb_rows_text(rows, 0, 0);
    package->tenant = sb_rows_text(rows, 0, 1);
    package->size = sb_rows_int(rows, 0, 2, 0);
    package->mtime = sb_rows_int(rows, 0, 3, 0);
    package->arrived = sb_rows_int(rows, 0, 4, 0);
    package->attempts = (int)sb_rows_int(rows, 0, 5, 0);
    package->claims = sb_rows_int(rows, 0, 6, 0);
    return APR_SUCCESS;
}

apr_status_t sb_udl_package_end(sb_db_t *db, const char *schema, const sb_udl_package_t *package,
                                const char *error, apr_pool_t *p)
{
    const char *args[] = {package->guid, integer(p, package->claims), error ? "failed" : "done",
                          error};
    apr_status_t rv;

    rv = sb_db_exec_text(
        NULL, db,
        fill(p, schema,
             "UPDATE {schema}.package SET state = $3, error = $4, finished_at = now(),"
             " returns = 0, retry_at = NULL WHERE batch_guid = $1 AND claims = $2::bigint"),
        4, args);
    unlock(db, schema, package->id, p);
    return rv;
}

apr_status_t sb_udl_package_return(sb_db_t *db, const char *schema, const sb_udl_package_t *package,
                                   int later, apr_pool_t *p)
{
    const char *args[] = {package->guid, integer(p, package->claims), later ? "t" : "f"};
    apr_status_t rv;

    rv = sb_db_exec_text(
        NULL, db,
        fill(p, schema,
             "UPDATE {schema}.package SET state = 'new', attempts = greatest(attempts - 1, 0),"
             " returns = returns + $3::boolean::int, retry_at = CASE WHEN $3::boolean"
             " THEN now() + least(60, 2 ^ least(returns, 6)) * interval '1 s' END"
             " WHERE batch_guid = $1 AND claims = $2::bigint AND state = 'running'"),
        3, args);
    unlock(db, schema, package->id, p);
    return rv;
}

apr_status_t sb_udl_package_forgive(sb_db_t *db, const char *schema, const char *guid,
                                    apr_int64_t claims, apr_pool_t *p)
{
    const char *args[] = {guid, integer(p, claims)};

    return sb_db_exec_text(
        NULL, db,
        fill(p, schema,
             "UPDATE {schema}.package SET attempts = greatest(attempts - 1, 0), state ="
             " CASE WHEN claims = $2::bigint AND state = 'running' THEN 'new' ELSE state END"
             " WHERE batch_guid = $1"),
        2, args);
}

/* ---- the fence --------------------------------------------------------------------------------- */

#define FENCE "hashtextextended('smarter-udl ' || $1, 0)"

apr_status_t sb_udl_package_try_fence(sb_db_t *target, const char *guid, apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv =
        sb_db_query_text(&rows, target, "SELECT pg_try_advisory_xact_lock(" FENCE ")", 1, &guid, p);

    return rv != APR_SUCCESS || sb_rows_bool(rows, 0, 0) == 1 ? rv : SB_EBUSY;
}

apr_status_t sb_udl_package_fence(sb_db_t *target, const char *guid, apr_pool_t *p)
{
    const char *args[] = {guid};
    sb_rows_t *rows;
    apr_status_t rv = sb_udl_package_try_fence(target, guid, p);

    if (rv != SB_EBUSY) {
        return rv;
    }
    /* we hold the claim, so whoever stands there lost it */
    rv = sb_db_query_text(
        &rows, target,
        "SELECT l.pid, pg_terminate_backend(l.pid) FROM pg_locks l, (SELECT " FENCE " AS key) k"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
        " AND l.classid::bigint = (k.key >> 32) & 4294967295 AND l.objid::bigint = k.key & "
        "4294967295"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        1, args, p);
    if (rv == APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2240), SB_NO_STATUS,
               "batch %s: a worker that lost its claim is cut off (%d connections)", guid,
               sb_rows_count(rows));
        rv = sb_db_script(target, "SET LOCAL lock_timeout = '10s'");
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_query_text(&rows, target, "SELECT pg_advisory_xact_lock(" FENCE ")", 1, args, p);
    }
    return rv == APR_SUCCESS ? sb_db_script(target, "SET LOCAL lock_timeout = 0") : rv;
}

/* ---- what the trigger announces ---------------------------------------------------------------- */

apr_status_t sb_udl_package_waiting(apr_array_header_t **ppackages, sb_db_t *db, const char *schema,
                                    apr_interval_time_t overdue, int max, apr_pool_t *p)
{
    const char *args[] = {integer(p, overdue), integer(p, max)};
    apr_array_header_t *packages = apr_array_make(p, 8, sizeof(sb_udl_package_t));
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    *ppackages = packages;
    /* 'running' is written after the lock was taken and left before it goes: without a lock the
     * worker is dead */
    rv = sb_db_query_text(
        &rows, db,
        fill(p, schema,
             "SELECT batch_guid, attempts FROM {schema}.package k WHERE state = 'new'"
             " AND (retry_at IS NULL OR retry_at <= now())"
             " OR state = 'queued' AND queued_at < now() - $1::bigint * interval '1 us'"
             " OR state = 'running' AND (queued_at IS NULL OR queued_at < now() - $1::bigint "
             "* interval '1 us') AND NOT EXISTS (SELECT 1 FROM pg_locks l"
             " WHERE l.locktype = 'advisory' AND l.classid = '{schema}.package'::regclass::oid AND "
             "l.objid = k.package_id AND l.objsubid = 2 AND l.database ="
             " (SELECT oid FROM pg_database WHERE datname = current_database()))"
             " ORDER BY arrived_at, package_id LIMIT $2::int"),
        2, args, p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        sb_udl_package_t *package = apr_array_push(packages);

        memset(package, 0, sizeof *package);
        package->guid = sb_rows_text(rows, i, 0);
        package->attempts = (int)sb_rows_int(rows, i, 1, 0);
    }
    return rv;
}

apr_status_t sb_udl_package_announced(sb_db_t *db, const char *schema,
                                      const sb_udl_package_t *package, apr_pool_t *p)
{
    const char *args[] = {package->guid, integer(p, package->attempts)};

    /* a quick worker may have claimed it already: then his word stands */
    return sb_db_exec_text(
        NULL, db,
        fill(p, schema,
             "UPDATE {schema}.package SET state = CASE state WHEN 'new' THEN 'queued'"
             " ELSE state END, queued_at = now() WHERE batch_guid = $1"
             " AND attempts = $2::int AND state IN ('new', 'queued', 'running')"),
        2, args);
}
