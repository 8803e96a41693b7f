/* PostgreSQL: connections, statements, transactions, rows. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "store/sb_db_private.h"

/* ---- errors ---------------------------------------------------------------------------------- */

static apr_status_t status_of(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        apr_status_t rv;
    } classes[] = {
        {"23505", SB_ECONFLICT},    /* unique_violation */
        {"40", SB_ECONFLICT},       /* serialisation failure, deadlock */
        {"08", SB_EUNAVAILABLE},    /* connection */
        {"53", SB_EUNAVAILABLE},    /* disk full, out of memory, too many connections */
        {"55P03", SB_EUNAVAILABLE}, /* lock not available */
        {"57", SB_EUNAVAILABLE},    /* operator intervention, shutdown, statement time-out */
        {"58", SB_EUNAVAILABLE},    /* I/O errors of the server */
        {"25006", SB_EUNAVAILABLE}, /* read-only: a standby where a primary was meant */
    };
    apr_size_t i;

    for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (!strncmp(sqlstate, classes[i].prefix, strlen(classes[i].prefix))) {
            return classes[i].rv;
        }
    }
    return SB_EDB;
}

apr_status_t sb_db_failed(sb_db_t *db, const PGresult *res)
{
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *text = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *constraint = res ? PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME) : NULL;
    int lost = PQstatus(db->conn) != CONNECTION_OK || db->gave_up;
    apr_size_t len;

    if (db->gave_up) {
        state = NULL;
        text = db->stopped ? "nobody wants the answer any more; the connection is given up"
                           : "no answer in time; the connection is given up";
    }
    if (!text || !*text) {
        text = PQerrorMessage(db->conn);
    }
    len = strcspn(text, "\n");
    if (state && !strncmp(state, "22", 2)) {
        apr_size_t colon = strcspn(text, ":\"");

        len = colon < len ? colon : len;
    }
    snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", state ? state : "");
    snprintf(db->error, sizeof(db->error), "%.*s%s%s%s%s%s", (int)len, text,
             state ? " (SQLSTATE " : "", state ? state : "", state ? ")" : "",
             constraint ? ", constraint " : "", constraint ? constraint : "");
    if (db->stopped) {
        return db->stopped;
    }
    return lost || !state ? SB_EUNAVAILABLE : status_of(state);
}

void sb_db_forget_error(sb_db_t *db)
{
    db->error[0] = '\0';
    db->sqlstate[0] = '\0';
}

const char *sb_db_error(const sb_db_t *db)
{
    return db->error;
}

const char *sb_db_sqlstate(const sb_db_t *db)
{
    return db->sqlstate;
}

/* ---- connections ----------------------------------------------------------------------------- */

static void notice(void *ctx, const char *message)
{
    (void)ctx;
    sb_log(SB_LOG_DEBUG, SBLOGNO(1200), SB_NO_STATUS, "database notice: %.*s",
           (int)strcspn(message, "\n"), message);
}

/* libpq quotes an address that it cannot read, with the password. */
static int is_readable(const char *url)
{
    PQconninfoOption *parts = strstr(url, "://") ? PQconninfoParse(url, NULL) : NULL;
    int readable = parts || !strstr(url, "://");

    PQconninfoFree(parts);
    return readable;
}

static apr_status_t close_connection(void *data)
{
    PQfinish(((sb_db_t *)data)->conn);
    return APR_SUCCESS;
}

apr_status_t sb_db_connect(sb_db_t **pdb, const char *url, const sb_db_opts_t *opts, apr_pool_t *p)
{
    const char *keys[12], *values[12];
    char seconds[20], options[80];
    sb_db_t *db = apr_pcalloc(p, sizeof(*db));
    apr_interval_time_t timeout;
    int n = 0;

    *pdb = NULL;
    if (opts) {
        db->opts = *opts;
        db->opts.schema = apr_pstrdup(p, opts->schema);
        db->opts.app = apr_pstrdup(p, opts->app);
    }
    timeout = db->opts.connect_timeout ? db->opts.connect_timeout : SB_DB_CONNECT_TIMEOUT;
    snprintf(seconds, sizeof(seconds), "%ld",
             (long)((timeout + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC));
    keys[n] = "dbname", values[n++] = url;
    keys[n] = "connect_timeout", values[n++] = seconds;
    keys[n] = "client_encoding", values[n++] = "UTF8";
    /* A peer that vanished: 30 s for what was sent, 90 s of silence while we wait. */
    keys[n] = "tcp_user_timeout", values[n++] = "30000";
    keys[n] = "keepalives_idle", values[n++] = "60";
    keys[n] = "keepalives_interval", values[n++] = "10";
    keys[n] = "keepalives_count", values[n++] = "3";
    if (db->opts.app) {
        keys[n] = "application_name", values[n++] = db->opts.app;
    }
    if (db->opts.statement_timeout && !db->opts.no_prepare) { /* poolers refuse start-up options */
        snprintf(options, sizeof(options), "-c statement_timeout=%ld",
                 (long)(db->opts.statement_timeout / 1000));
        keys[n] = "options", values[n++] = options;
    }
    keys[n] = NULL, values[n] = NULL;
    db->pool = p;
    db->expanded = apr_hash_make(p);
    db->prepared = apr_hash_make(p);
    apr_pool_create(&db->texts_pool, p);
    db->texts = apr_hash_make(db->texts_pool);
    if (!is_readable(url)) {
        snprintf(db->error, sizeof(db->error), "its address in the configuration cannot be read");
        *pdb = db;
        return SB_ECONFIG;
    }
    db->conn = PQconnectdbParams(keys, values, 1);
    if (!db->conn) {
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(p, db, close_connection, apr_pool_cleanup_null);
    *pdb = db;
    if (PQstatus(db->conn) != CONNECTION_OK) {
        return sb_db_failed(db, NULL);
    }
    PQsetNoticeProcessor(db->conn, notice, NULL);
    return APR_SUCCESS;
}

apr_status_t sb_db_open(sb_db_t **pdb, const char *url, const sb_db_opts_t *opts, apr_pool_t *p)
{
    apr_status_t rv = sb_db_connect(pdb, url, opts, p);

    if (rv != APR_SUCCESS) {
        if (*pdb) {
            sb_log(SB_LOG_WARN, SBLOGNO(1201), rv, "connecting to the database: %s",
                   sb_db_error(*pdb));
        }
        *pdb = NULL;
    }
    return rv;
}

/* ---- statements ------------------------------------------------------------------------------ */

static apr_status_t clear_rows(void *data)
{
    PQclear(data);
    return APR_SUCCESS;
}

void sb_db_keep_rows(sb_rows_t **prows, PGresult *res, apr_pool_t *p)
{
    sb_rows_t *rows = apr_palloc(p, sizeof(*rows));

    rows->res = res;
    rows->n = PQntuples(res);
    apr_pool_cleanup_register(p, res, clear_rows, apr_pool_cleanup_null);
    *prows = rows;
}

/* Once for each connection, however often preparing fails or is forgotten: connections live for weeks. */
const char *sb_db_sql_of(sb_db_t *db, const sb_stmt_t *st)
{
    const char *sql = apr_hash_get(db->expanded, st->name, APR_HASH_KEY_STRING);
    sb_db_place_t schema = {"schema", db->opts.schema};

    if (!sql) {
        sql = sb_db_expand(db->pool, st->sql, &schema, 1);
        apr_hash_set(db->expanded, st->name, APR_HASH_KEY_STRING, sql);
    }
    return sql;
}

/* The SQL of a statement, prepared on this connection if it may be. */
static apr_status_t prepare_once(const char **psql, sb_db_t *db, const sb_stmt_t *st)
{
    const char *sql = sb_db_sql_of(db, st);

    if (!db->opts.no_prepare && !apr_hash_get(db->prepared, st->name, APR_HASH_KEY_STRING)) {
        PGresult *res = sb_db_finish(db, PQsendPrepare(db->conn, st->name, sql, st->nargs, NULL));
        ExecStatusType got = PQresultStatus(res);
        apr_status_t rv = got == PGRES_COMMAND_OK ? APR_SUCCESS : sb_db_failed(db, res);

        PQclear(res);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        apr_hash_set(db->prepared, st->name, APR_HASH_KEY_STRING, sql);
    }
    *psql = sql;
    return APR_SUCCESS;
}

static apr_status_t run(PGresult **pres, sb_db_t *db, const sb_stmt_t *st, const char *const *args)
{
    const char *sql;
    apr_status_t rv;

    *pres = NULL;
    sb_db_forget_error(db);
    rv = prepare_once(&sql, db, st);
    if (rv == APR_SUCCESS) {
        int sent =
            db->opts.no_prepare
                ? PQsendQueryParams(db->conn, sql, st->nargs, NULL, args, NULL, NULL, TEXT_RESULT)
                : PQsendQueryPrepared(db->conn, st->name, st->nargs, args, NULL, NULL, TEXT_RESULT);

        *pres = sb_db_finish(db, sent);
    }
    return rv;
}

static PGresult *run_text(sb_db_t *db, const char *sql, int nargs, const char *const *args,
                          int format)
{
    return sb_db_finish(db,
                        PQsendQueryParams(db->conn, sql, nargs, NULL, args, NULL, NULL, format));
}

static apr_status_t want_rows(sb_rows_t **prows, sb_db_t *db, PGresult *res, apr_pool_t *p)
{
    apr_status_t rv;

    if (PQresultStatus(res) == PGRES_TUPLES_OK) {
        sb_db_keep_rows(prows, res, p);
        return APR_SUCCESS;
    }
    rv = sb_db_failed(db, res);
    PQclear(res);
    return rv;
}

static apr_status_t want_count(apr_int64_t *paffected, sb_db_t *db, PGresult *res)
{
    ExecStatusType got = PQresultStatus(res);
    apr_status_t rv =
        got == PGRES_COMMAND_OK || got == PGRES_TUPLES_OK ? APR_SUCCESS : sb_db_failed(db, res);

    if (rv == APR_SUCCESS && paffected) {
        *paffected = apr_atoi64(PQcmdTuples(res));
    }
    PQclear(res);
    return rv;
}

apr_status_t sb_db_query(sb_rows_t **prows, sb_db_t *db, const sb_stmt_t *st,
                         const char *const *args, apr_pool_t *p)
{
    PGresult *res;
    apr_status_t rv = run(&res, db, st, args);

    *prows = NULL;
    return rv == APR_SUCCESS ? want_rows(prows, db, res, p) : rv;
}

apr_status_t sb_db_exec(apr_int64_t *paffected, sb_db_t *db, const sb_stmt_t *st,
                        const char *const *args)
{
    PGresult *res;
    apr_status_t rv = run(&res, db, st, args);

    if (paffected) {
        *paffected = 0;
    }
    return rv == APR_SUCCESS ? want_count(paffected, db, res) : rv;
}

apr_status_t sb_db_query_text(sb_rows_t **prows, sb_db_t *db, const char *sql, int nargs,
                              const char *const *args, apr_pool_t *p)
{
    *prows = NULL;
    sb_db_forget_error(db);
    return want_rows(prows, db, run_text(db, sql, nargs, args, TEXT_RESULT), p);
}

apr_status_t sb_db_query_binary(sb_rows_t **prows, sb_db_t *db, const char *sql, int nargs,
                                const char *const *args, apr_pool_t *p)
{
    *prows = NULL;
    sb_db_forget_error(db);
    return want_rows(prows, db, run_text(db, sql, nargs, args, BINARY_RESULT), p);
}

apr_status_t sb_db_exec_text(apr_int64_t *paffected, sb_db_t *db, const char *sql, int nargs,
                             const char *const *args)
{
    if (paffected) {
        *paffected = 0;
    }
    sb_db_forget_error(db);
    return want_count(paffected, db, run_text(db, sql, nargs, args, TEXT_RESULT));
}

apr_status_t sb_db_script(sb_db_t *db, const char *sql)
{
    sb_db_forget_error(db);
    return want_count(NULL, db, sb_db_finish(db, PQsendQuery(db->conn, sql)));
}

apr_status_t sb_db_begin(sb_db_t *db, sb_tx_t kind)
{
    return sb_db_script(
        db, kind == SB_TX_SNAPSHOT ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN");
}

apr_status_t sb_db_commit(sb_db_t *db)
{
    PGresult *res;
    int committed;

    sb_db_forget_error(db);
    res = sb_db_finish(db, PQsendQuery(db->conn, "COMMIT"));
    committed = PQresultStatus(res) == PGRES_COMMAND_OK && !strcmp(PQcmdStatus(res), "COMMIT");
    if (PQresultStatus(res) == PGRES_COMMAND_OK && !committed) {
        PQclear(res); /* the server answers ROLLBACK when a statement had failed */
        snprintf(db->error, sizeof(db->error), "the transaction had failed and was rolled back");
        return SB_EDB;
    }
    return want_count(NULL, db, res);
}

void sb_db_rollback(sb_db_t *db)
{
    char error[sizeof(db->error)], sqlstate[sizeof(db->sqlstate)];

    if (PQtransactionStatus(db->conn) == PQTRANS_IDLE || db->gave_up) {
        return;
    }
    memcpy(error, db->error, sizeof(error)); /* the first complaint is the one that matters */
    memcpy(sqlstate, db->sqlstate, sizeof(sqlstate));
    if (sb_db_script(db, "ROLLBACK") != APR_SUCCESS) {
        sb_log(SB_LOG_DEBUG, SBLOGNO(1204), SB_NO_STATUS, "rollback: %s", db->error);
    }
    memcpy(db->error, error, sizeof(error));
    memcpy(db->sqlstate, sqlstate, sizeof(sqlstate));
}

apr_status_t sb_db_end(sb_db_t *db, apr_status_t rv)
{
    if (rv == APR_SUCCESS) {
        rv = sb_db_commit(db);
    }
    if (rv != APR_SUCCESS) {
        sb_db_rollback(db);
    }
    return rv;
}

apr_status_t sb_db_lock(sb_db_t *db, const char *name)
{
    static const sb_stmt_t lock = {
        .name = "db_lock",
        .nargs = 1,
        .sql = "SELECT 1 WHERE pg_try_advisory_lock(hashtextextended($1, 0))"};
    apr_int64_t taken = 0;
    apr_status_t rv = sb_db_exec(&taken, db, &lock, &name);

    return rv == APR_SUCCESS && !taken ? SB_EBUSY : rv;
}

apr_status_t sb_db_wait_notify(sb_db_t *db, apr_interval_time_t timeout)
{
    struct pollfd pfd = {.fd = PQsocket(db->conn), .events = POLLIN};
    PGnotify *n = PQnotifies(db->conn);
    int ready;

    if (!n) {
        ready = poll(&pfd, 1, (int)(timeout / 1000));
        if (ready == 0 || (ready < 0 && errno == EINTR)) {
            return APR_TIMEUP;
        }
        if (ready < 0 || !PQconsumeInput(db->conn)) {
            return sb_db_failed(db, NULL);
        }
        n = PQnotifies(db->conn);
    }
    if (!n) {
        return APR_TIMEUP;
    }
    do { /* many wake-ups are one */
        PQfreemem(n);
    } while ((n = PQnotifies(db->conn)) != NULL);
    return APR_SUCCESS;
}

/* ---- rows ------------------------------------------------------------------------------------ */

int sb_rows_count(const sb_rows_t *rows)
{
    return rows->n;
}

void sb_rows_cut(sb_rows_t *rows, int n)
{
    rows->n = n < rows->n ? n : rows->n;
}

const char *sb_rows_text(const sb_rows_t *rows, int row, int col)
{
    const char *text = PQgetvalue(rows->res, row, col);

    /* NULL is an empty text, too; most are neither, and then one question is enough */
    return (!text || !*text) && PQgetisnull(rows->res, row, col) ? NULL : text;
}

const void *sb_rows_bytes(const sb_rows_t *rows, int row, int col, apr_size_t *plen)
{
    *plen = (apr_size_t)PQgetlength(rows->res, row, col);
    return sb_rows_text(rows, row, col);
}

apr_int64_t sb_rows_int(const sb_rows_t *rows, int row, int col, apr_int64_t dflt)
{
    const char *text = sb_rows_text(rows, row, col);

    return text ? apr_atoi64(text) : dflt;
}

int sb_rows_bool(const sb_rows_t *rows, int row, int col)
{
    const char *text = sb_rows_text(rows, row, col);

    return text ? *text == 't' : -1;
}
