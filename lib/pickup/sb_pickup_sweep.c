/* What is too old goes: see sb_pickup_sweep.h. */

#include "pickup/sb_pickup_sweep.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "pickup/sb_depot.h"

#define ROWS_AT_ONCE 500
#define STATEMENT_TIMEOUT apr_time_from_sec(60)

typedef struct {
    const sb_pickup_sweep_opts_t *opts;
    sb_pickup_swept_t *swept;
    sb_db_t *db;
    const sb_depot_t *depot;
    const char *days;
    apr_pool_t *p; /* of one row */
} sweep_t;

/* ---- statements --------------------------------------------------------------------------------- */

#define OLD                                                                                        \
    "(CASE WHEN file_path IS NULL THEN registered_at ELSE create_dt END) <= now() - $1::int * "    \
    "interval '1 day'"

/* Behind the last one looked at, so that one that cannot be removed is not met again and again. */
static const sb_stmt_t find_old = {
    .name = "hpz_sweep_find",
    .nargs = 3,
    .sql = "SELECT registration_id, file_path IS NOT NULL FROM {schema}.file_registry WHERE " OLD
           " AND registration_id > $2 ORDER BY registration_id LIMIT $3::int"};

/* Once more under the row's lock: an upload may just have come. One that is under way keeps its row. */
static const sb_stmt_t hold_old = {
    .name = "hpz_sweep_hold",
    .nargs = 2,
    .sql = "SELECT 1 FROM {schema}.file_registry WHERE registration_id = $2 AND " OLD
           " FOR UPDATE SKIP LOCKED"};

static const sb_stmt_t forget = {
    .name = "hpz_sweep_forget",
    .nargs = 1,
    .sql = "DELETE FROM {schema}.file_registry WHERE registration_id = $1"};

static const sb_stmt_t has_file = {.name = "hpz_sweep_has_file",
                                   .nargs = 1,
                                   .sql = "SELECT 1 FROM {schema}.file_registry WHERE "
                                          "registration_id = $1 AND file_path IS NOT NULL"};

static const sb_stmt_t hold_waiting = {
    .name = "hpz_sweep_waiting",
    .nargs = 1,
    .sql = "SELECT file_path IS NOT NULL FROM {schema}.file_registry WHERE registration_id = $1"
           " FOR UPDATE"};

/* ---- rows ---------------------------------------------------------------------------------------- */

/* @return APR_SUCCESS also when the file could not be removed: that is counted */
static apr_status_t remove_held(sweep_t *s, const char *id, int with_file)
{
    apr_status_t rv = sb_depot_remove(s->depot, id);

    if (rv != APR_SUCCESS) {
        s->swept->failed++;
        sb_log(SB_LOG_ERROR, SBLOGNO(3240), rv, "%s: the file cannot be removed, its row stays",
               id);
        return APR_SUCCESS;
    }
    rv = sb_db_exec(NULL, s->db, &forget, &id);
    if (rv == APR_SUCCESS) {
        s->swept->expired += with_file;
        s->swept->unused += !with_file;
    }
    return rv;
}

static apr_status_t remove_row(sweep_t *s, const char *id, int with_file)
{
    const char *args[] = {s->days, id};
    sb_rows_t *rows;
    apr_status_t rv;

    if (s->opts->dry_run) {
        s->swept->expired += with_file;
        s->swept->unused += !with_file;
        return APR_SUCCESS;
    }
    rv = sb_db_begin(s->db, SB_TX_WRITE);
    if (rv == APR_SUCCESS) {
        rv = sb_db_query(&rows, s->db, &hold_old, args, s->p);
    }
    if (rv == APR_SUCCESS && sb_rows_count(rows)) {
        rv = remove_held(s, id, with_file);
    }
    return sb_db_end(s->db, rv);
}

static apr_status_t remove_rows(sweep_t *s, apr_pool_t *p)
{
    const char *last = "";
    apr_status_t rv = APR_SUCCESS;
    int n = ROWS_AT_ONCE;

    while (rv == APR_SUCCESS && n == ROWS_AT_ONCE) {
        const char *args[] = {s->days, last, APR_STRINGIFY(ROWS_AT_ONCE)};
        sb_rows_t *rows;

        rv = sb_db_query(&rows, s->db, &find_old, args, p);
        n = rv == APR_SUCCESS ? sb_rows_count(rows) : 0;
        for (int i = 0; rv == APR_SUCCESS && i < n; i++) {
            last = sb_rows_text(rows, i, 0);
            apr_pool_clear(s->p);
            rv = s->opts->stopping() ? APR_TIMEUP
                                     : remove_row(s, last, sb_rows_bool(rows, i, 1) == 1);
        }
    }
    return rv;
}

/* ---- files without row --------------------------------------------------------------------------- */

static apr_status_t remove_file(sweep_t *s, const char *name)
{
    apr_status_t rv = s->opts->dry_run ? APR_SUCCESS : sb_depot_remove(s->depot, name);

    if (rv == APR_SUCCESS) {
        s->swept->leftovers++;
    }
    else {
        s->swept->failed++;
        sb_log(SB_LOG_ERROR, SBLOGNO(3241), rv, "%s: what was left there cannot be removed", name);
    }
    return APR_SUCCESS;
}

/* A file of a registration that knows of none: its upload died between rename and commit. Under the row's
 * lock, for it may be uploaded again just now. */
static apr_status_t remove_unless_wanted(sweep_t *s, const char *id)
{
    sb_rows_t *rows;
    apr_status_t rv = sb_db_begin(s->db, SB_TX_WRITE);

    if (rv == APR_SUCCESS) {
        rv = sb_db_query(&rows, s->db, &hold_waiting, &id, s->p);
    }
    if (rv == APR_SUCCESS && !(sb_rows_count(rows) && sb_rows_bool(rows, 0, 0) == 1)) {
        rv = remove_file(s, id);
    }
    return sb_db_end(s->db, rv);
}

static apr_status_t look_at_file(void *ctx, sb_depot_kind_t kind, const char *name)
{
    sweep_t *s = ctx;
    sb_rows_t *rows;
    apr_status_t rv;

    apr_pool_clear(s->p);
    if (s->opts->stopping()) {
        return APR_TIMEUP;
    }
    if (kind == SB_DEPOT_LEFTOVER) {
        return remove_file(s, name);
    }
    rv = sb_db_query(&rows, s->db, &has_file, &name, s->p);
    if (rv != APR_SUCCESS || sb_rows_count(rows)) {
        return rv;
    }
    return remove_unless_wanted(s, name);
}

/* ---- all of it ----------------------------------------------------------------------------------- */

static apr_status_t prepare(sweep_t *s, const char **perror, apr_pool_t *p)
{
    const sb_conf_t *conf = s->opts->conf;
    const char *url = sb_conf_str(conf, "hpz.db.url");
    const char *schema = sb_conf_str(conf, "hpz.db.schema_name");
    const char *where = sb_conf_str(conf, "hpz.frs.upload_base_path");
    sb_db_opts_t opts = {
        .schema = schema, .app = s->opts->app, .statement_timeout = STATEMENT_TIMEOUT};
    apr_status_t rv;
    char why[200];

    if (!url) {
        *perror = "hpz.db.url is not set";
        return SB_ECONFIG;
    }
    rv = sb_depot_open(&s->depot, where, p);
    if (rv != APR_SUCCESS) { /* not mounted, perhaps: no row goes */
        *perror = apr_psprintf(p, "hpz.frs.upload_base_path = %s: %s", where,
                               sb_strerror(rv, why, sizeof(why)));
        return SB_ECONFIG;
    }
    rv = sb_db_open(&s->db, sb_conf_db_url(url, p), &opts, p);
    if (rv != APR_SUCCESS) {
        *perror = "the pickup zone's database does not answer";
        return rv;
    }
    rv = sb_db_lock(s->db, apr_pstrcat(p, "smarter-hpz-cleanup ", schema, NULL));
    if (rv != APR_SUCCESS) {
        *perror = sb_db_error(s->db);
    }
    return rv;
}

apr_status_t sb_pickup_sweep(sb_pickup_swept_t *swept, const char **perror,
                             const sb_pickup_sweep_opts_t *opts, apr_pool_t *p)
{
    int days = opts->days ? opts->days : (int)sb_conf_int(opts->conf, "hpz.record_expiration");
    sweep_t s = {.opts = opts, .swept = swept, .days = apr_itoa(p, days)};
    apr_status_t rv;

    *perror = NULL;
    memset(swept, 0, sizeof(*swept));
    rv = prepare(&s, perror, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_create(&s.p, p);
    rv = remove_rows(&s, p);
    if (rv == APR_SUCCESS) {
        apr_time_t before = apr_time_now() - apr_time_from_sec(SB_PICKUP_LEFTOVER_HOURS * 3600LL);

        rv = sb_depot_walk(s.depot, before, look_at_file, &s);
    }
    if (rv != APR_SUCCESS && rv != APR_TIMEUP) {
        *perror =
            *sb_db_error(s.db) ? apr_pstrdup(p, sb_db_error(s.db)) : "the directory of the files";
    }
    return rv;
}
