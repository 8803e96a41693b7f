/* Making the public copy of a tenant. See sb_public.h. */

#include "config.h"

#include "public/sb_public.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "public/sb_veil.h"
#include "report/sb_suppressed_refresh.h"
#include "store/sb_schema.h"

#define KIND "public"
#define NEW "_new"
#define OLD "_old"
#define SCHEMA_MAX 59 /* bytes of a name, with room for _new */
#define DROP_TRIES 20
#define DROP_PAUSE apr_time_from_msec(500)

typedef struct {
    const sb_public_opts_t *opts;
    const char *tenant;
    const char *schema, *aside, *old; /* the copy; while it is made; the one before */
    const char *source;               /* schema of production */
    sb_db_t *from, *to;
    sb_veil_t *veil;
    const char **perror;
    apr_pool_t *p;
} job_t;

/* ---- complaints ------------------------------------------------------------------------------ */

static apr_status_t complain(const job_t *j, apr_status_t rv, const char *what, const char *why)
{
    if (!*j->perror) {
        *j->perror = apr_pstrcat(j->p, what, ": ", why, NULL);
    }
    return rv;
}

static apr_status_t of_copy(const job_t *j, apr_status_t rv)
{
    return rv == APR_SUCCESS ? rv
                             : complain(j, rv, apr_pstrcat(j->p, "public copy ", j->schema, NULL),
                                        sb_db_error(j->to));
}

static apr_status_t of_source(const job_t *j, apr_status_t rv)
{
    return rv == APR_SUCCESS ? rv
                             : complain(j, rv, apr_pstrcat(j->p, "production ", j->source, NULL),
                                        sb_db_error(j->from));
}

/* ---- where ----------------------------------------------------------------------------------- */

const apr_array_header_t *sb_public_tenants(const sb_conf_t *conf, apr_pool_t *p)
{
    return sb_conf_names(conf, "edware.public.db.<tenant>.url", p);
}

const char *sb_public_state(const sb_conf_t *conf, const char *tenant)
{
    const char *state = sb_conf_tenant_str(conf, "edware.public.db.<tenant>.state_code", tenant);

    state = state ? state : sb_conf_tenant_str(conf, "edware.db.<tenant>.state_code", tenant);
    return state ? state : "";
}

/* The first of two keys that is set. */
static const char *setting(const job_t *j, const char *key, const char *key2)
{
    const char *value = sb_conf_tenant_str(j->opts->conf, key, j->tenant);

    return value ? value : sb_conf_tenant_str(j->opts->conf, key2, j->tenant);
}

static apr_status_t open_db(sb_db_t **pdb, const job_t *j, const char *what, const char *url)
{
    sb_db_opts_t opts = {.app = j->opts->app, .schema = j->source, .no_prepare = 1};
    apr_status_t rv;

    if (!url) {
        return complain(j, SB_ECONFIG, what, "is not set");
    }
    rv = sb_db_open(pdb, sb_conf_db_url(url, j->p), &opts, j->p);
    return rv == APR_SUCCESS ? rv
                             : complain(j, rv, what, "the database does not answer, or refuses");
}

static apr_status_t find_places(job_t *j)
{
    apr_pool_t *p = j->p;
    const char *private_key = apr_psprintf(p, "migrate_private.db.%s.url", j->tenant);
    const char *public_key = apr_psprintf(p, "migrate_public.db.%s.url", j->tenant);
    apr_status_t rv;

    j->schema = setting(j, "migrate_public.db.<tenant>.schema_name",
                        "edware.public.db.<tenant>.schema_name");
    j->source =
        setting(j, "migrate_private.db.<tenant>.schema_name", "edware.db.<tenant>.schema_name");
    if (!j->schema || !j->source) {
        return complain(j, SB_ECONFIG,
                        apr_psprintf(p, "%s.%s.schema_name",
                                     j->schema ? "edware.db" : "edware.public.db", j->tenant),
                        "is not set");
    }
    if (strlen(j->schema) > SCHEMA_MAX) {
        return complain(j, SB_ECONFIG, j->schema,
                        "is too long for a schema: want at most 59 bytes");
    }
    j->aside = apr_pstrcat(p, j->schema, NEW, NULL);
    j->old = apr_pstrcat(p, j->schema, OLD, NULL);
    rv = open_db(&j->to, j, public_key,
                 sb_conf_tenant_str(j->opts->conf, "migrate_public.db.<tenant>.url", j->tenant));
    return rv == APR_SUCCESS
               ? open_db(&j->from, j, private_key,
                         setting(j, "migrate_private.db.<tenant>.url", "edware.db.<tenant>.url"))
               : rv;
}

/* Held as long as the connection. */
static apr_status_t lock(job_t *j)
{
    apr_status_t rv = sb_db_lock(j->to, apr_pstrcat(j->p, "smarter-public-copy ", j->schema, NULL));

    return rv == SB_EBUSY ? complain(j, rv, j->schema, "another one is copying it")
                          : of_copy(j, rv);
}

/* ---- schemas --------------------------------------------------------------------------------- */

/* Is there a schema of this name? One that no run of ours made must not be touched.
 * @return SB_ECONFIG it is none of ours */
static apr_status_t look(int *pexists, const job_t *j, const char *schema)
{
    sb_rows_t *rows;
    apr_status_t rv =
        sb_db_query_text(&rows, j->to,
                         "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = n.nspname"
                         " AND tablename = 'public_copy') FROM pg_namespace n WHERE nspname = $1",
                         1, &schema, j->p);

    *pexists = rv == APR_SUCCESS && sb_rows_count(rows) > 0;
    if (rv != APR_SUCCESS) {
        return of_copy(j, rv);
    }
    return !*pexists || sb_rows_bool(rows, 0, 0) == 1
               ? APR_SUCCESS
               : complain(j, SB_ECONFIG, apr_pstrcat(j->p, "schema ", schema, NULL),
                          "is no public copy, and is left alone");
}

/* What an earlier run left behind. */
static apr_status_t remove_left(const job_t *j, const char *schema)
{
    int exists;
    apr_status_t rv = look(&exists, j, schema);

    return rv == APR_SUCCESS && exists ? of_copy(j, sb_schema_drop(j->to, schema, j->p)) : rv;
}

/* The copy that was replaced goes when nobody reads it any more. Its readers come first: whoever waited
 * for them would hold up those who come after, who need what is locked already. */
static void remove_old(const job_t *j)
{
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; i < DROP_TRIES && !j->opts->stopping(); i++) {
        rv = sb_db_begin(j->to, SB_TX_WRITE);
        if (rv == APR_SUCCESS) {
            rv = sb_db_script(j->to, sb_sql(j->p,
                                            "SET LOCAL lock_timeout = '100ms';"
                                            "SET LOCAL client_min_messages = warning;"
                                            "DROP SCHEMA IF EXISTS {old} CASCADE",
                                            "old", j->old, NULL));
        }
        rv = sb_db_end(j->to, rv);
        if (rv == APR_SUCCESS) {
            return;
        }
        apr_sleep(DROP_PAUSE);
    }
    sb_log(SB_LOG_NOTICE, SBLOGNO(2800), rv, "schema %s stays until the next run: %s", j->old,
           sb_db_error(j->to));
}

/* ---- does it have to be? --------------------------------------------------------------------- */

/* "version microseconds" of a schema's data. @param ptext NULL: it has none */
static apr_status_t read_version(const char **ptext, apr_int64_t *pversion, sb_db_t *db,
                                 const char *schema, apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query_text(
        &rows, db,
        sb_sql(p,
               "SELECT version, version || ' ' || (extract(epoch FROM changed_at) * 1e6)::bigint"
               "  FROM {schema}.data_version",
               "schema", schema, NULL),
        0, NULL, p);

    *ptext = rv == APR_SUCCESS && sb_rows_count(rows) ? sb_rows_text(rows, 0, 1) : NULL;
    *pversion = rv == APR_SUCCESS && sb_rows_count(rows) ? sb_rows_int(rows, 0, 0, 0) : 0;
    return rv;
}

/* Is what is served of the tables this program makes? */
static apr_status_t is_of_now(int *pyes, const job_t *j)
{
    apr_array_header_t *changes;
    apr_status_t rv = sb_schema_status(&changes, j->perror, j->to, KIND, j->schema, j->p);

    *pyes = rv == APR_SUCCESS && changes != NULL;
    for (int i = 0; *pyes && i < changes->nelts; i++) {
        *pyes = APR_ARRAY_IDX(changes, i, sb_schema_change_t).state == SB_CHANGE_APPLIED;
    }
    return rv;
}

/* Inside the snapshot of production. If nothing changed the copy is noted to be as good as new. */
static apr_status_t is_current(int *pcurrent, const job_t *j, const char *version)
{
    const char *have;
    apr_int64_t unused, n = 0;
    int exists, ours = 0;
    apr_status_t rv = look(&exists, j, j->schema);

    *pcurrent = 0;
    if (rv == APR_SUCCESS && exists && !j->opts->force) {
        rv = is_of_now(&ours, j);
    }
    if (rv != APR_SUCCESS || !ours) {
        return rv;
    }
    rv = of_copy(j, read_version(&have, &unused, j->to, j->schema, j->p));
    if (rv == APR_SUCCESS && have && !strcmp(have, version)) {
        rv = of_copy(
            j, sb_db_exec_text(&n, j->to,
                               sb_sql(j->p, "UPDATE {schema}.public_copy SET checked_at = now()",
                                      "schema", j->schema, NULL),
                               0, NULL));
        *pcurrent = n == 1;
    }
    return rv;
}

/* ---- what is hidden -------------------------------------------------------------------------- */

/* Which bars are hidden is worked out from production, by production's ids. From those of the copy it might
 * be others, and the two pages together would tell what each of them hides. */
static apr_status_t work_out_hidden(const job_t *j)
{
    const char *key = apr_psprintf(j->p, "migrate_dest.db.%s.url", j->tenant);
    const char *url = sb_conf_tenant_str(j->opts->conf, "migrate_dest.db.<tenant>.url", j->tenant);
    sb_db_t *db;
    apr_status_t rv;

    if (!url) {
        return APR_SUCCESS; /* whoever promotes does it */
    }
    rv = open_db(&db, j, key, url);
    if (rv == APR_SUCCESS) {
        rv = sb_suppressed_refresh(NULL, db, j->tenant, j->source, j->p);
        rv =
            rv == APR_SUCCESS ? rv : complain(j, rv, "working out what is hidden", sb_db_error(db));
    }
    return rv;
}

/* Inside the snapshot. Years that cannot be packed are hidden by a rule that knows no ids. */
static apr_status_t check_hidden(const job_t *j)
{
    sb_rows_t *rows;
    apr_status_t rv =
        sb_db_query_text(&rows, j->from,
                         sb_sql(j->p,
                                "SELECT asmt_year FROM {s}.report_pack p"
                                " WHERE NOT EXISTS (SELECT FROM {s}.report_hidden_made m"
                                "       WHERE m.asmt_year = p.asmt_year)"
                                "   AND NOT EXISTS (SELECT FROM {s}.report_pack_stale o"
                                "       WHERE o.asmt_year = p.asmt_year) LIMIT 1",
                                "s", j->source, NULL),
                         0, NULL, j->p);

    if (rv != APR_SUCCESS) {
        return of_source(j, rv);
    }
    return sb_rows_count(rows) == 0 ? APR_SUCCESS
                                    : complain(j, SB_EUNAVAILABLE,
                                               apr_psprintf(j->p, "production %s, year %s",
                                                            j->source, sb_rows_text(rows, 0, 0)),
                                               "what is hidden is not worked out yet");
}

/* ---- copying --------------------------------------------------------------------------------- */

/* Current rows only, where rows have a status. Current results may refer to a place or an assessment
 * as it was called then. */
static const char *which_rows(const char *table, const apr_array_header_t *columns)
{
    static const char *const with_history[] = {"dim_inst_hier", "dim_asmt"};

    for (apr_size_t i = 0; i < sizeof(with_history) / sizeof(with_history[0]); i++) {
        if (!strcmp(table, with_history[i])) {
            return "";
        }
    }
    for (int i = 0; i < columns->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(columns, i, const char *), "rec_status")) {
            return " WHERE rec_status = 'C'";
        }
    }
    return "";
}

/* "a, b" quoted. */
static const char *column_list(const apr_array_header_t *columns, apr_pool_t *p)
{
    const char *list = "";

    for (int i = 0; i < columns->nelts; i++) {
        list =
            apr_pstrcat(p, list, i ? ", " : "",
                        sb_sql(p, "{c}", "c", APR_ARRAY_IDX(columns, i, const char *), NULL), NULL);
    }
    return list;
}

/* The table was made in an earlier transaction: emptied in this one its rows can be written as old
 * ones, which nobody has to come back to. */
static apr_status_t copy_table(apr_int64_t *prows, const job_t *j, const char *table,
                               const apr_array_header_t *columns, apr_pool_t *p)
{
    const char *list = column_list(columns, p), *why = NULL;
    sb_veil_row_t *row =
        sb_veil_row(j->veil, columns->nelts, (const char *const *)columns->elts, p);
    apr_status_t rv;

    *prows = 0;
    rv = sb_db_script(j->to, sb_sql(p, "TRUNCATE {s}.{t}", "s", j->aside, "t", table, NULL));
    if (rv == APR_SUCCESS) {
        rv = sb_copy_convert(
            prows, &why, j->to,
            apr_pstrcat(p, sb_sql(p, "COPY {s}.{t} (", "s", j->aside, "t", table, NULL), list,
                        ") FROM STDIN (FORMAT binary, FREEZE)", NULL),
            j->from,
            apr_pstrcat(p, "COPY (SELECT ", list,
                        sb_sql(p, " FROM {s}.{t}", "s", j->source, "t", table, NULL),
                        which_rows(table, columns), ") TO STDOUT (FORMAT binary)", NULL),
            columns->nelts, sb_veil_cell, row, p);
    }
    return rv == APR_SUCCESS ? rv
                             : complain(j, rv, apr_pstrcat(j->p, "table ", table, NULL),
                                        why ? apr_pstrdup(j->p, why) : sb_db_error(j->to));
}

/* Every table of sql/public, except those that speak of the copy itself. */
static apr_status_t copy_tables(apr_int64_t *prows, const job_t *j)
{
    apr_array_header_t *columns = apr_array_make(j->p, 96, sizeof(const char *));
    sb_rows_t *rows;
    apr_pool_t *p;
    apr_status_t rv = sb_db_query_text(
        &rows, j->to,
        "SELECT c.relname, a.attname FROM pg_class c"
        "  JOIN pg_namespace n ON n.oid = c.relnamespace"
        "  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE n.nspname = $1 AND c.relkind = 'r'"
        "   AND c.relname NOT IN ('schema_version', 'public_copy')"
        " ORDER BY c.relname, a.attnum",
        1, &j->aside, j->p);
    apr_int64_t n;

    if (rv != APR_SUCCESS) {
        return of_copy(j, rv);
    }
    rv = apr_pool_create(&p, j->p);
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        const char *table = sb_rows_text(rows, i, 0);

        APR_ARRAY_PUSH(columns, const char *) = sb_rows_text(rows, i, 1);
        if (i + 1 < sb_rows_count(rows) && !strcmp(table, sb_rows_text(rows, i + 1, 0))) {
            continue;
        }
        if (j->opts->stopping()) {
            return complain(j, APR_EINTR, j->schema, "told to stop");
        }
        rv = copy_table(&n, j, table, columns, p);
        *prows += n;
        apr_array_clear(columns);
        apr_pool_clear(p);
    }
    return rv;
}

/* ---- taking its place ------------------------------------------------------------------------ */

static apr_status_t note_age(const job_t *j, const char *moment)
{
    return of_copy(j,
                   sb_db_exec_text(NULL, j->to,
                                   sb_sql(j->p,
                                          "INSERT INTO {schema}.public_copy (copied_at, checked_at)"
                                          " VALUES ($1::timestamptz, $1::timestamptz)",
                                          "schema", j->aside, NULL),
                                   1, &moment));
}

static apr_status_t analyze(const job_t *j)
{
    sb_rows_t *rows;
    const char *sql = "";
    apr_status_t rv = sb_db_query_text(
        &rows, j->to, "SELECT tablename FROM pg_tables WHERE schemaname = $1", 1, &j->aside, j->p);

    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        sql = apr_pstrcat(
            j->p, sql,
            sb_sql(j->p, "ANALYZE {s}.{t};", "s", j->aside, "t", sb_rows_text(rows, i, 0), NULL),
            NULL);
    }
    return of_copy(j, rv == APR_SUCCESS ? sb_db_script(j->to, sql) : rv);
}

static apr_status_t swap(const job_t *j)
{
    int exists;
    apr_status_t rv = look(&exists, j, j->schema);

    if (rv == APR_SUCCESS && exists) {
        rv = of_copy(j, sb_db_script(j->to, sb_sql(j->p, "ALTER SCHEMA {schema} RENAME TO {old}",
                                                   "schema", j->schema, "old", j->old, NULL)));
    }
    if (rv == APR_SUCCESS) {
        rv = of_copy(j, sb_db_script(j->to, sb_sql(j->p, "ALTER SCHEMA {aside} RENAME TO {schema}",
                                                   "aside", j->aside, "schema", j->schema, NULL)));
    }
    return rv;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static apr_status_t make_aside(const job_t *j)
{
    const char *why = NULL;
    apr_status_t rv = remove_left(j, j->aside);

    if (rv == APR_SUCCESS) {
        rv = remove_left(j, j->old);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_schema_upgrade(NULL, &why, j->to, KIND, j->aside, SB_SCHEMA_CREATE, j->p);
        rv = rv == APR_SUCCESS
                 ? rv
                 : complain(j, rv, apr_pstrcat(j->p, "making schema ", j->aside, NULL),
                            why ? why : sb_db_error(j->to));
    }
    return rv;
}

static apr_status_t fill(apr_int64_t *prows, const job_t *j, const char *moment)
{
    apr_status_t rv = of_copy(j, sb_db_begin(j->to, SB_TX_WRITE));

    if (rv == APR_SUCCESS) {
        rv = copy_tables(prows, j);
    }
    if (rv == APR_SUCCESS) {
        rv = note_age(j, moment);
    }
    if (rv == APR_SUCCESS) {
        rv = analyze(j);
    }
    if (rv == APR_SUCCESS) {
        rv = swap(j);
    }
    if (rv == APR_SUCCESS) {
        rv = of_copy(j, sb_db_commit(j->to));
    }
    if (rv != APR_SUCCESS) {
        sb_db_rollback(j->to);
    }
    return rv;
}

/* @param pmoment what time it is in the snapshot, as text */
static apr_status_t begin(const char **pversion, const char **pmoment, sb_public_result_t *result,
                          const job_t *j)
{
    sb_rows_t *rows;
    apr_status_t rv = sb_db_begin(j->from, SB_TX_SNAPSHOT);

    if (rv == APR_SUCCESS) {
        rv = sb_db_query_text(&rows, j->from,
                              "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
                              " || '+00'",
                              0, NULL, j->p);
        *pmoment = rv == APR_SUCCESS ? sb_rows_text(rows, 0, 0) : NULL;
    }
    if (rv == APR_SUCCESS) {
        rv = read_version(pversion, &result->data_version, j->from, j->source, j->p);
    }
    if (rv == APR_SUCCESS && !*pversion) {
        return complain(j, SB_ECONFIG, j->source, "has no data version");
    }
    return of_source(j, rv);
}

static apr_status_t run(sb_public_result_t *result, job_t *j)
{
    const char *version, *moment;
    int current = 0;
    apr_status_t rv = work_out_hidden(j);

    if (rv == APR_SUCCESS) {
        rv = begin(&version, &moment, result, j);
    }
    if (rv == APR_SUCCESS) {
        rv = is_current(&current, j, version);
    }
    if (rv == APR_SUCCESS && !current) {
        rv = check_hidden(j);
    }
    if (rv != APR_SUCCESS || current) {
        return rv;
    }
    rv = sb_veil_make(&j->veil, j->p);
    if (rv != APR_SUCCESS) {
        return complain(j, rv, "key", "no randomness");
    }
    rv = make_aside(j);
    if (rv == APR_SUCCESS) {
        rv = fill(&result->rows, j, moment);
    }
    if (rv == APR_SUCCESS) {
        result->copied = 1;
        remove_old(j);
    }
    return rv;
}

apr_status_t sb_public_copy(sb_public_result_t *result, const char **perror, const char *tenant,
                            const sb_public_opts_t *opts, apr_pool_t *p)
{
    job_t j = {.opts = opts, .tenant = tenant, .perror = perror, .p = p};
    apr_status_t rv;

    memset(result, 0, sizeof(*result));
    *perror = NULL;
    rv = find_places(&j);
    if (rv == APR_SUCCESS) {
        rv = lock(&j);
    }
    if (rv == APR_SUCCESS) {
        rv = run(result, &j);
    }
    if (j.from) {
        sb_db_rollback(j.from);
    }
    return rv;
}
