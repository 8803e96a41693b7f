/* Numbered changes of schemas, and the schemas of batches. See sb_schema.h. */

#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "core/sb_crypto.h"
#include "core/sb_file.h"
#include "core/sb_log.h"
#include "core/sb_uuid.h"
#include "store/sb_schema.h"

#define MAX_SQL (1024 * 1024)
#define GRANTS "grants.sql"

typedef struct {
    int number;
    const char *name;
    const char *text;
    const char *checksum;
} file_t;

/* What stands for a role in the files, and the role. */
static const struct {
    const char *place, *role;
} roles[] = {{"owner", "smarter_owner"},     {"loader", "smarter_loader"},
             {"web", "smarter_web"},         {"jobs", "smarter_jobs"},
             {"analyst", "smarter_analyst"}, {"public", "smarter_public"},
             {"hpz", "smarter_hpz"}};

const char *sb_schema_dir(void)
{
    const char *dir = getenv("SB_SQLDIR");

    return dir && *dir ? dir : SB_SQLDIR;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Digest of what the text does: comments and blanks do not count. */
static const char *checksum(const char *sql, apr_pool_t *p)
{
    char *text = apr_palloc(p, strlen(sql) + 1), *to = text;
    char *hex = apr_palloc(p, SB_SHA256_HEX_SIZE);

    while (*sql) {
        if (sql[0] == '-' && sql[1] == '-') {
            sql += strcspn(sql, "\n");
        }
        else if (apr_isspace(*sql)) {
            sql += strspn(sql, " \t\r\n");
            *to++ = ' ';
        }
        else {
            *to++ = *sql++;
        }
        if (to - text > 1 && to[-1] == ' ' && to[-2] == ' ') {
            to--;
        }
    }
    return sb_sha256_hex(hex, text, (apr_size_t)(to - text));
}

static int by_number(const void *a, const void *b)
{
    return ((const file_t *)a)->number - ((const file_t *)b)->number;
}

/* Number of a file "NNN_name.sql", 0 if it is none. */
static int file_number(const char *name)
{
    apr_size_t len = strlen(name);

    return len > 8 && apr_isdigit(name[0]) && apr_isdigit(name[1]) && apr_isdigit(name[2]) &&
                   name[3] == '_' && !strcmp(name + len - 4, ".sql")
               ? atoi(name)
               : 0;
}

static apr_status_t read_sql(const char **ptext, const char *kind, const char *name, apr_pool_t *p)
{
    char *path = apr_pstrcat(p, sb_schema_dir(), "/", kind, "/", name, NULL), *data;
    apr_size_t len;
    apr_status_t rv = sb_file_read(&data, &len, path, MAX_SQL, p);

    *ptext = rv == APR_SUCCESS ? data : NULL;
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(1230), rv, "reading %s", path);
    }
    return rv;
}

/* All numbered files of a kind, in order. */
static apr_status_t read_files(apr_array_header_t **pfiles, const char *kind, apr_pool_t *p)
{
    const char *path = apr_pstrcat(p, sb_schema_dir(), "/", kind, NULL);
    apr_array_header_t *files = apr_array_make(p, 8, sizeof(file_t));
    apr_status_t rv = APR_SUCCESS;
    struct dirent *e;
    DIR *dir;

    *pfiles = NULL;
    dir = opendir(path);
    if (!dir) {
        rv = APR_FROM_OS_ERROR(errno);
        sb_log(SB_LOG_ERROR, SBLOGNO(1231), rv, "opening %s", path);
        return APR_STATUS_IS_ENOENT(rv) ? SB_ECONFIG : rv;
    }
    while (rv == APR_SUCCESS && (e = readdir(dir)) != NULL) {
        file_t f = {file_number(e->d_name), NULL, NULL, NULL};

        if (f.number) {
            f.name = apr_pstrdup(p, e->d_name);
            rv = read_sql(&f.text, kind, f.name, p);
            f.checksum = rv == APR_SUCCESS ? checksum(f.text, p) : NULL;
            APR_ARRAY_PUSH(files, file_t) = f;
        }
    }
    closedir(dir);
    if (rv == APR_SUCCESS) {
        qsort(files->elts, (apr_size_t)files->nelts, sizeof(file_t), by_number);
        *pfiles = files;
    }
    return rv;
}

/* ---- state ----------------------------------------------------------------------------------- */

static apr_status_t schema_exists(int *pexists, sb_db_t *db, const char *schema, apr_pool_t *p)
{
    const char *args[] = {schema};
    sb_rows_t *rows;
    apr_status_t rv =
        sb_db_query_text(&rows, db, "SELECT 1 FROM pg_namespace WHERE nspname = $1", 1, args, p);

    *pexists = rv == APR_SUCCESS && sb_rows_count(rows) > 0;
    return rv;
}

/* Compare the files with what the schema says of itself. */
static apr_status_t read_changes(apr_array_header_t **pchanges, sb_db_t *db, const char *schema,
                                 const apr_array_header_t *files, apr_pool_t *p)
{
    apr_array_header_t *changes = apr_array_make(p, 8, sizeof(sb_schema_change_t));
    const char *args[] = {schema};
    sb_rows_t *rows;
    apr_status_t rv;
    int i, j = 0, n;

    rv = sb_db_query_text(&rows, db,
                          "SELECT 1 FROM pg_tables WHERE schemaname = $1"
                          " AND tablename = 'schema_version'",
                          1, args, p);
    n = rv == APR_SUCCESS ? sb_rows_count(rows) : 0;
    if (n) {
        rv = sb_db_query_text(&rows, db,
                              sb_sql(p,
                                     "SELECT version, name, checksum,"
                                     " to_char(applied_at, 'YYYY-MM-DD HH24:MI:SS')"
                                     " FROM {schema}.schema_version ORDER BY version",
                                     "schema", schema, NULL),
                              0, NULL, p);
        n = rv == APR_SUCCESS ? sb_rows_count(rows) : 0;
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < files->nelts; i++) {
        const file_t *f = &APR_ARRAY_IDX(files, i, file_t);
        sb_schema_change_t c = {f->number, f->name, SB_CHANGE_WAITING, NULL};

        for (; j < n && sb_rows_int(rows, j, 0, 0) < f->number; j++) {
            sb_schema_change_t gone = {(int)sb_rows_int(rows, j, 0, 0), sb_rows_text(rows, j, 1),
                                       SB_CHANGE_UNKNOWN, sb_rows_text(rows, j, 3)};
            APR_ARRAY_PUSH(changes, sb_schema_change_t) = gone;
        }
        if (j < n && sb_rows_int(rows, j, 0, 0) == f->number) {
            c.state = strcmp(sb_rows_text(rows, j, 2), f->checksum) ? SB_CHANGE_EDITED
                                                                    : SB_CHANGE_APPLIED;
            c.applied_at = sb_rows_text(rows, j++, 3);
        }
        APR_ARRAY_PUSH(changes, sb_schema_change_t) = c;
    }
    for (; j < n; j++) {
        sb_schema_change_t newer = {(int)sb_rows_int(rows, j, 0, 0), sb_rows_text(rows, j, 1),
                                    SB_CHANGE_UNKNOWN, sb_rows_text(rows, j, 3)};
        APR_ARRAY_PUSH(changes, sb_schema_change_t) = newer;
    }
    *pchanges = changes;
    return APR_SUCCESS;
}

apr_status_t sb_schema_status(apr_array_header_t **pchanges, const char **perror, sb_db_t *db,
                              const char *kind, const char *schema, apr_pool_t *p)
{
    apr_array_header_t *files;
    apr_status_t rv;
    int exists;

    *pchanges = NULL;
    *perror = NULL;
    rv = read_files(&files, kind, p);
    if (rv != APR_SUCCESS) {
        *perror = apr_psprintf(p, "no SQL files in %s/%s", sb_schema_dir(), kind);
        return rv;
    }
    rv = schema_exists(&exists, db, schema, p);
    if (rv == APR_SUCCESS && exists) {
        rv = read_changes(pchanges, db, schema, files, p);
    }
    if (rv != APR_SUCCESS) {
        *perror = sb_db_error(db);
    }
    return rv;
}

/* ---- change ---------------------------------------------------------------------------------- */

static const char *fill_in(apr_pool_t *p, const char *sql, const char *schema)
{
    return sb_sql(p, sql, "schema", schema, roles[0].place, roles[0].role, roles[1].place,
                  roles[1].role, roles[2].place, roles[2].role, roles[3].place, roles[3].role,
                  roles[4].place, roles[4].role, roles[5].place, roles[5].role, roles[6].place,
                  roles[6].role, NULL);
}

static apr_status_t apply_grants(const char **perror, sb_db_t *db, const char *kind,
                                 const char *schema, apr_pool_t *p)
{
    const char *text;
    sb_rows_t *rows;
    apr_status_t rv = read_sql(&text, kind, GRANTS, p);
    apr_size_t i;

    if (rv != APR_SUCCESS) {
        *perror = apr_psprintf(p, "cannot read %s/%s/" GRANTS, sb_schema_dir(), kind);
        return rv;
    }
    for (i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
        if (!strstr(text, apr_psprintf(p, "{%s}", roles[i].place))) {
            continue; /* these grants do without it */
        }
        rv = sb_db_query_text(&rows, db, "SELECT 1 FROM pg_roles WHERE rolname = $1", 1,
                              &roles[i].role, p);
        if (rv != APR_SUCCESS) {
            *perror = sb_db_error(db);
            return rv;
        }
        if (!sb_rows_count(rows)) {
            *perror = apr_psprintf(p, "there is no role %s; create it, or leave grants out",
                                   roles[i].role);
            return SB_ECONFIG;
        }
    }
    rv = sb_db_script(db, fill_in(p, text, schema));
    if (rv != APR_SUCCESS) {
        *perror = apr_psprintf(p, GRANTS ": %s", sb_db_error(db));
    }
    return rv;
}

static apr_status_t apply_file(const char **perror, sb_db_t *db, const file_t *f,
                               const char *schema, apr_pool_t *p)
{
    const char *args[] = {apr_itoa(p, f->number), f->name, f->checksum};
    apr_status_t rv = sb_db_script(db, fill_in(p, f->text, schema));

    if (rv == APR_SUCCESS) {
        rv = sb_db_exec_text(NULL, db,
                             sb_sql(p,
                                    "INSERT INTO {schema}.schema_version (version, name, checksum)"
                                    " VALUES ($1::integer, $2, $3)",
                                    "schema", schema, NULL),
                             3, args);
    }
    if (rv != APR_SUCCESS) {
        *perror = apr_psprintf(p, "%s: %s", f->name, sb_db_error(db));
    }
    return rv;
}

static apr_status_t apply_waiting(int *papplied, const char **perror, sb_db_t *db,
                                  const char *schema, const apr_array_header_t *files,
                                  apr_pool_t *p)
{
    apr_array_header_t *changes;
    apr_status_t rv = read_changes(&changes, db, schema, files, p);
    int i, j;

    if (rv != APR_SUCCESS) {
        *perror = sb_db_error(db);
        return rv;
    }
    for (i = 0; i < changes->nelts; i++) {
        const sb_schema_change_t *c = &APR_ARRAY_IDX(changes, i, sb_schema_change_t);

        if (c->state == SB_CHANGE_EDITED || c->state == SB_CHANGE_UNKNOWN) {
            *perror = apr_psprintf(p,
                                   c->state == SB_CHANGE_EDITED
                                       ? "%s was edited after it was applied to this schema on %s;"
                                         " changes belong into a new file"
                                       : "this schema has %s (applied %s), which this program does"
                                         " not know: it was made by a newer one",
                                   c->name, c->applied_at);
            return SB_ECONFLICT;
        }
    }
    for (i = j = 0; i < changes->nelts && rv == APR_SUCCESS; i++, j++) {
        if (APR_ARRAY_IDX(changes, i, sb_schema_change_t).state == SB_CHANGE_WAITING) {
            rv = apply_file(perror, db, &APR_ARRAY_IDX(files, j, file_t), schema, p);
            ++*papplied;
        }
    }
    return rv;
}

/* Inside a transaction. */
static apr_status_t upgrade(int *papplied, const char **perror, sb_db_t *db, const char *kind,
                            const char *schema, int flags, const apr_array_header_t *files,
                            apr_pool_t *p)
{
    const char *args[] = {apr_pstrcat(p, "smarter-schema ", schema, NULL)};
    sb_rows_t *rows;
    apr_status_t rv;
    int exists = 0;

    rv = sb_db_query_text(&rows, db, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", 1,
                          args, p);
    if (rv == APR_SUCCESS) {
        rv = schema_exists(&exists, db, schema, p);
    }
    if (rv == APR_SUCCESS && !exists) {
        if (!(flags & SB_SCHEMA_CREATE)) {
            *perror = apr_psprintf(p, "there is no schema %s", schema);
            return APR_NOTFOUND;
        }
        rv = sb_db_script(db, sb_sql(p, "CREATE SCHEMA {schema}", "schema", schema, NULL));
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_script(db, sb_sql(p,
                                     "CREATE TABLE IF NOT EXISTS {schema}.schema_version ("
                                     "version integer PRIMARY KEY, name text NOT NULL,"
                                     " checksum text NOT NULL,"
                                     " applied_at timestamptz NOT NULL DEFAULT now())",
                                     "schema", schema, NULL));
    }
    if (rv != APR_SUCCESS) {
        *perror = sb_db_error(db);
        return rv;
    }
    rv = apply_waiting(papplied, perror, db, schema, files, p);
    if (rv == APR_SUCCESS && !(flags & SB_SCHEMA_NO_GRANTS)) {
        rv = apply_grants(perror, db, kind, schema, p);
    }
    return rv;
}

apr_status_t sb_schema_upgrade(int *papplied, const char **perror, sb_db_t *db, const char *kind,
                               const char *schema, int flags, apr_pool_t *p)
{
    apr_array_header_t *files;
    int applied = 0;
    apr_status_t rv;

    *perror = NULL;
    rv = read_files(&files, kind, p);
    if (rv != APR_SUCCESS) {
        *perror = apr_psprintf(p, "no SQL files in %s/%s", sb_schema_dir(), kind);
        return rv;
    }
    rv = sb_db_begin(db, SB_TX_WRITE);
    if (rv == APR_SUCCESS) {
        /* IF NOT EXISTS and the like would tell what is no news. */
        rv = sb_db_script(db, "SET LOCAL client_min_messages = warning");
    }
    if (rv == APR_SUCCESS) {
        rv = upgrade(&applied, perror, db, kind, schema, flags, files, p);
    }
    rv = sb_db_end(db, rv);
    if (rv != APR_SUCCESS && !*perror) {
        *perror = apr_pstrdup(p, sb_db_error(db));
    }
    if (rv == APR_SUCCESS && papplied) {
        *papplied = applied;
    }
    return rv;
}

apr_status_t sb_schema_drop(sb_db_t *db, const char *schema, apr_pool_t *p)
{
    return sb_db_script(db, sb_sql(p,
                                   "SET client_min_messages = warning;"
                                   "DROP SCHEMA IF EXISTS {schema} CASCADE;"
                                   "RESET client_min_messages",
                                   "schema", schema, NULL));
}

/* ---- batches --------------------------------------------------------------------------------- */

apr_status_t sb_batch_schema_create(sb_db_t *db, const char *guid, apr_pool_t *p)
{
    apr_array_header_t *files;
    const char *sql;
    apr_status_t rv;
    int i;

    if (!sb_uuid_is_valid(guid)) {
        return SB_EINPUT;
    }
    rv = read_files(&files, "batch", p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    /* One script is one transaction, unless the caller has one open. */
    sql = sb_sql(p, "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema};", "schema",
                 guid, NULL);
    for (i = 0; i < files->nelts; i++) {
        sql = apr_pstrcat(p, sql, fill_in(p, APR_ARRAY_IDX(files, i, file_t).text, guid), NULL);
    }
    return sb_db_script(db, sql);
}

apr_status_t sb_batch_schema_drop(sb_db_t *db, const char *guid, apr_pool_t *p)
{
    return sb_uuid_is_valid(guid) ? sb_schema_drop(db, guid, p) : SB_EINPUT;
}

apr_status_t sb_batch_schema_exists(int *pexists, sb_db_t *db, const char *guid, apr_pool_t *p)
{
    *pexists = 0;
    return sb_uuid_is_valid(guid) ? schema_exists(pexists, db, guid, p) : SB_EINPUT;
}

apr_status_t sb_batch_schema_list(apr_array_header_t **pguids, sb_db_t *db, apr_pool_t *p)
{
    apr_array_header_t *guids = apr_array_make(p, 8, sizeof(const char *));
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    *pguids = NULL;
    rv = sb_db_query_text(&rows, db,
                          "SELECT nspname FROM pg_namespace WHERE length(nspname) = 36"
                          " ORDER BY nspname COLLATE \"C\"",
                          0, NULL, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < sb_rows_count(rows); i++) {
        if (sb_uuid_is_valid(sb_rows_text(rows, i, 0))) {
            APR_ARRAY_PUSH(guids, const char *) = sb_rows_text(rows, i, 0);
        }
    }
    *pguids = guids;
    return APR_SUCCESS;
}
