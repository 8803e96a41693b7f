/* PostgreSQL: connections, pools, statements, rows, COPY. The only file that sees libpq. */

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <libpq-fe.h>
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "store/sb_db.h"

#define TEXT_RESULT 0
#define BINARY_RESULT 1
#define MAX_ARGS 32
#define DEFAULT_CONNECTIONS 16
#define DEFAULT_WAIT apr_time_from_sec(5)
#define DEFAULT_CONNECT_TIMEOUT apr_time_from_sec(5)

struct sb_db_t {
    PGconn *conn;
    apr_pool_t *pool; /* of the connection itself: statements live as long as it */
    sb_db_opts_t opts;
    apr_hash_t *prepared; /* name of a statement -> its SQL with the schema filled in */
    sb_dbpool_t *home;    /* NULL: not borrowed */
    char sqlstate[6];
    char error[400];
};

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

/* Keep the complaint. The detail is left out, and for data exceptions what follows the colon: they
 * quote values of rows, and values are children's data. */
static apr_status_t failed(sb_db_t *db, const PGresult *res)
{
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *text = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *constraint = res ? PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME) : NULL;
    int lost = PQstatus(db->conn) != CONNECTION_OK;
    apr_size_t len;

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
    return lost || !state ? SB_EUNAVAILABLE : status_of(state);
}

static void forget_error(sb_db_t *db)
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

static apr_status_t close_connection(void *data)
{
    PQfinish(((sb_db_t *)data)->conn);
    return APR_SUCCESS;
}

/* Connect; the sb_db_t and all it owns live in p. */
static apr_status_t connect_in(sb_db_t **pdb, const char *url, const sb_db_opts_t *opts,
                               apr_pool_t *p)
{
    const char *keys[10], *values[10];
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
    timeout = db->opts.connect_timeout ? db->opts.connect_timeout : DEFAULT_CONNECT_TIMEOUT;
    snprintf(seconds, sizeof(seconds), "%ld",
             (long)((timeout + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC));
    keys[n] = "dbname", values[n++] = url;
    keys[n] = "connect_timeout", values[n++] = seconds;
    keys[n] = "client_encoding", values[n++] = "UTF8";
    keys[n] = "tcp_user_timeout", values[n++] = "30000";
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
    db->prepared = apr_hash_make(p);
    db->conn = PQconnectdbParams(keys, values, 1);
    if (!db->conn) {
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(p, db, close_connection, apr_pool_cleanup_null);
    *pdb = db;
    if (PQstatus(db->conn) != CONNECTION_OK) {
        return failed(db, NULL);
    }
    PQsetNoticeProcessor(db->conn, notice, NULL);
    return APR_SUCCESS;
}

apr_status_t sb_db_open(sb_db_t **pdb, const char *url, const sb_db_opts_t *opts, apr_pool_t *p)
{
    apr_status_t rv = connect_in(pdb, url, opts, p);

    if (rv != APR_SUCCESS) {
        if (*pdb) {
            sb_log(SB_LOG_WARN, SBLOGNO(1201), rv, "connecting to the database: %s",
                   sb_db_error(*pdb));
        }
        *pdb = NULL;
    }
    return rv;
}

struct sb_dbpool_t {
    const char *url;
    sb_db_opts_t opts;
    apr_pool_t *pool;
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *freed;
    sb_db_t **idle; /* a stack: the most recently used is the warmest */
    int nidle, nopen, max;
};

static apr_status_t destroy_pool(void *data)
{
    sb_dbpool_t *dp = data;

    while (dp->nidle > 0) {
        apr_pool_destroy(dp->idle[--dp->nidle]->pool);
    }
    return APR_SUCCESS;
}

apr_status_t sb_dbpool_make(sb_dbpool_t **ppool, const char *url, const sb_db_opts_t *opts,
                            apr_pool_t *p)
{
    sb_dbpool_t *dp = apr_pcalloc(p, sizeof(*dp));
    apr_status_t rv;

    *ppool = NULL;
    dp->url = apr_pstrdup(p, url);
    if (opts) {
        dp->opts = *opts;
    }
    dp->opts.schema = apr_pstrdup(p, dp->opts.schema);
    dp->opts.app = apr_pstrdup(p, dp->opts.app);
    dp->max = dp->opts.max_connections > 0 ? dp->opts.max_connections : DEFAULT_CONNECTIONS;
    dp->pool = p;
    dp->idle = apr_pcalloc(p, (apr_size_t)dp->max * sizeof(*dp->idle));
    rv = apr_thread_mutex_create(&dp->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&dp->freed, p);
    }
    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(p, dp, destroy_pool, apr_pool_cleanup_null);
        *ppool = dp;
    }
    return rv;
}

/* Has the server hung up (or sent anything we did not ask for) while the connection was idle? */
static int is_stale(sb_db_t *db)
{
    struct pollfd pfd = {.fd = PQsocket(db->conn), .events = POLLIN};

    if (PQstatus(db->conn) != CONNECTION_OK) {
        return 1;
    }
    /* A server that shuts down says so first; the end of the stream is only the next thing to read. */
    while (poll(&pfd, 1, 0) > 0) {
        if (!PQconsumeInput(db->conn) || PQstatus(db->conn) != CONNECTION_OK) {
            return 1;
        }
    }
    return 0;
}

static apr_status_t give_back(void *data)
{
    sb_db_t *db = data;
    sb_dbpool_t *dp = db->home;
    int reusable =
        PQstatus(db->conn) == CONNECTION_OK && PQtransactionStatus(db->conn) == PQTRANS_IDLE;

    if (!reusable) {
        apr_pool_destroy(db->pool);
    }
    apr_thread_mutex_lock(dp->mutex);
    if (reusable) {
        dp->idle[dp->nidle++] = db;
    }
    else {
        dp->nopen--;
    }
    apr_thread_cond_signal(dp->freed);
    apr_thread_mutex_unlock(dp->mutex);
    return APR_SUCCESS;
}

apr_status_t sb_dbpool_get(sb_db_t **pdb, sb_dbpool_t *dp, apr_pool_t *p)
{
    apr_interval_time_t wait = dp->opts.wait ? dp->opts.wait : DEFAULT_WAIT;
    apr_time_t until = apr_time_now() + wait;
    apr_pool_t *own;
    apr_status_t rv;
    sb_db_t *db;

    *pdb = NULL;
    apr_thread_mutex_lock(dp->mutex);
    for (;;) {
        if (dp->nidle > 0) {
            db = dp->idle[--dp->nidle];
            apr_thread_mutex_unlock(dp->mutex);
            if (!is_stale(db)) {
                goto found;
            }
            apr_pool_destroy(db->pool);
            apr_thread_mutex_lock(dp->mutex);
            dp->nopen--;
            continue;
        }
        if (dp->nopen < dp->max) {
            dp->nopen++;
            apr_thread_mutex_unlock(dp->mutex);
            break;
        }
        rv = apr_thread_cond_timedwait(dp->freed, dp->mutex, wait);
        wait = until - apr_time_now();
        if (wait <= 0 || (rv != APR_SUCCESS && !APR_STATUS_IS_TIMEUP(rv))) {
            apr_thread_mutex_unlock(dp->mutex);
            sb_log(
                SB_LOG_WARN, SBLOGNO(1202), SB_NO_STATUS,
                "all %d database connections of this process are in use; none became free in time",
                dp->max);
            return SB_EUNAVAILABLE;
        }
    }
    rv = apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    if (rv == APR_SUCCESS) {
        rv = connect_in(&db, dp->url, &dp->opts, own);
        if (rv != APR_SUCCESS) {
            sb_log(SB_LOG_WARN, SBLOGNO(1203), rv, "connecting to the database: %s",
                   db ? sb_db_error(db) : "");
            apr_pool_destroy(own);
        }
    }
    if (rv != APR_SUCCESS) {
        apr_thread_mutex_lock(dp->mutex);
        dp->nopen--;
        apr_thread_cond_signal(dp->freed);
        apr_thread_mutex_unlock(dp->mutex);
        return rv;
    }
    db->home = dp;
found:
    forget_error(db);
    apr_pool_cleanup_register(p, db, give_back, apr_pool_cleanup_null);
    *pdb = db;
    return APR_SUCCESS;
}

/* ---- SQL templates --------------------------------------------------------------------------- */

static const char *quote_identifier(apr_pool_t *p, const char *text)
{
    char *out = apr_palloc(p, 2 * strlen(text) + 3), *o = out;

    *o++ = '"';
    for (; *text; text++) {
        if (*text == '"') {
            *o++ = '"';
        }
        *o++ = *text;
    }
    *o++ = '"';
    *o = '\0';
    return out;
}

typedef struct {
    const char *name, *value;
} place_t;

/* Length of a "{name}" at s, 0 if there is none: array literals like '{}' are not taken for one. */
static apr_size_t placeholder(const char *s)
{
    apr_size_t n = 1;

    while ((s[n] >= 'a' && s[n] <= 'z') || s[n] == '_') {
        n++;
    }
    return n > 1 && s[n] == '}' ? n + 1 : 0;
}

static const char *expand(apr_pool_t *p, const char *template, const place_t *places, int nplaces)
{
    apr_array_header_t *parts = apr_array_make(p, 16, sizeof(const char *));
    const char *s = template, *open;
    int i;

    while ((open = strchr(s, '{')) != NULL) {
        apr_size_t n = open[1] == '{' ? 2 : placeholder(open);

        APR_ARRAY_PUSH(parts, const char *) = apr_pstrmemdup(p, s, (apr_size_t)(open - s));
        if (n == 0 || open[1] == '{') {
            APR_ARRAY_PUSH(parts, const char *) = "{";
            s = open + (n ? n : 1);
            continue;
        }
        for (i = 0; i < nplaces; i++) {
            if (strlen(places[i].name) == n - 2 && !strncmp(places[i].name, open + 1, n - 2)) {
                break;
            }
        }
        if (i == nplaces || !places[i].value) {
            fprintf(stderr, "sb_sql: nothing to put for %.*s\n", (int)n, open);
            abort();
        }
        APR_ARRAY_PUSH(parts, const char *) = quote_identifier(p, places[i].value);
        s = open + n;
    }
    APR_ARRAY_PUSH(parts, const char *) = s;
    return apr_array_pstrcat(p, parts, 0);
}

const char *sb_sql(apr_pool_t *p, const char *template, ...)
{
    place_t places[8];
    va_list ap;
    int n = 0;

    va_start(ap, template);
    while (n < 8 && (places[n].name = va_arg(ap, const char *)) != NULL) {
        places[n++].value = va_arg(ap, const char *);
    }
    va_end(ap);
    return expand(p, template, places, n);
}

/* ---- statements ------------------------------------------------------------------------------ */

struct sb_rows_t {
    PGresult *res;
};

static apr_status_t clear_rows(void *data)
{
    PQclear(data);
    return APR_SUCCESS;
}

static apr_status_t keep_rows(sb_rows_t **prows, PGresult *res, apr_pool_t *p)
{
    sb_rows_t *rows = apr_palloc(p, sizeof(*rows));

    rows->res = res;
    apr_pool_cleanup_register(p, res, clear_rows, apr_pool_cleanup_null);
    *prows = rows;
    return APR_SUCCESS;
}

/* The SQL of a statement with the schema filled in, prepared on this connection if it may be. */
static apr_status_t prepare_once(const char **psql, sb_db_t *db, const sb_stmt_t *st)
{
    const char *sql = apr_hash_get(db->prepared, st->name, APR_HASH_KEY_STRING);
    place_t schema = {"schema", db->opts.schema};

    if (!sql) {
        sql = expand(db->pool, st->sql, &schema, 1);
        if (!db->opts.no_prepare) {
            PGresult *res = PQprepare(db->conn, st->name, sql, st->nargs, NULL);
            ExecStatusType got = PQresultStatus(res);
            apr_status_t rv = got == PGRES_COMMAND_OK ? APR_SUCCESS : failed(db, res);

            PQclear(res);
            if (rv != APR_SUCCESS) {
                return rv;
            }
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
    forget_error(db);
    rv = prepare_once(&sql, db, st);
    if (rv == APR_SUCCESS) {
        *pres = db->opts.no_prepare
                    ? PQexecParams(db->conn, sql, st->nargs, NULL, args, NULL, NULL, TEXT_RESULT)
                    : PQexecPrepared(db->conn, st->name, st->nargs, args, NULL, NULL, TEXT_RESULT);
    }
    return rv;
}

static apr_status_t want_rows(sb_rows_t **prows, sb_db_t *db, PGresult *res, apr_pool_t *p)
{
    apr_status_t rv;

    if (PQresultStatus(res) == PGRES_TUPLES_OK) {
        return keep_rows(prows, res, p);
    }
    rv = failed(db, res);
    PQclear(res);
    return rv;
}

static apr_status_t want_count(apr_int64_t *paffected, sb_db_t *db, PGresult *res)
{
    ExecStatusType got = PQresultStatus(res);
    apr_status_t rv =
        got == PGRES_COMMAND_OK || got == PGRES_TUPLES_OK ? APR_SUCCESS : failed(db, res);

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
    forget_error(db);
    return want_rows(prows, db,
                     PQexecParams(db->conn, sql, nargs, NULL, args, NULL, NULL, TEXT_RESULT), p);
}

apr_status_t sb_db_query_binary(sb_rows_t **prows, sb_db_t *db, const char *sql, int nargs,
                                const char *const *args, apr_pool_t *p)
{
    *prows = NULL;
    forget_error(db);
    return want_rows(prows, db,
                     PQexecParams(db->conn, sql, nargs, NULL, args, NULL, NULL, BINARY_RESULT), p);
}

apr_status_t sb_db_exec_text(apr_int64_t *paffected, sb_db_t *db, const char *sql, int nargs,
                             const char *const *args)
{
    if (paffected) {
        *paffected = 0;
    }
    forget_error(db);
    return want_count(paffected, db,
                      PQexecParams(db->conn, sql, nargs, NULL, args, NULL, NULL, TEXT_RESULT));
}

apr_status_t sb_db_script(sb_db_t *db, const char *sql)
{
    forget_error(db);
    return want_count(NULL, db, PQexec(db->conn, sql));
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

    forget_error(db);
    res = PQexec(db->conn, "COMMIT");
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

    if (PQtransactionStatus(db->conn) == PQTRANS_IDLE) {
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
            return failed(db, NULL);
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
    return PQntuples(rows->res);
}

const char *sb_rows_text(const sb_rows_t *rows, int row, int col)
{
    return PQgetisnull(rows->res, row, col) ? NULL : PQgetvalue(rows->res, row, col);
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

/* ---- typed COPY stream ----------------------------------------------------------------------- */

#define COPY_BUFFER (64 * 1024)
#define COPY_FLUSH (COPY_BUFFER - 64) /* room for any fixed-size field */

struct sb_copy_t {
    sb_db_t *db;
    apr_status_t rv;
    int ncols, left; /* columns a row; still missing in this one */
    apr_size_t used;
    unsigned char buf[COPY_BUFFER];
};

static void flush(sb_copy_t *c)
{
    if (c->rv == APR_SUCCESS && c->used &&
        PQputCopyData(c->db->conn, (const char *)c->buf, (int)c->used) != 1) {
        c->rv = failed(c->db, NULL);
    }
    c->used = 0;
}

static void room(sb_copy_t *c, apr_size_t n)
{
    if (c->used + n > COPY_BUFFER) {
        flush(c);
    }
}

static void put(sb_copy_t *c, const void *data, apr_size_t n)
{
    memcpy(c->buf + c->used, data, n);
    c->used += n;
}

static void put16(sb_copy_t *c, int v)
{
    apr_uint16_t net = htons((apr_uint16_t)v);

    put(c, &net, sizeof(net));
}

static void put32(sb_copy_t *c, apr_int32_t v)
{
    apr_uint32_t net = htonl((apr_uint32_t)v);

    put(c, &net, sizeof(net));
}

apr_status_t sb_copy_begin(sb_copy_t **pcopy, sb_db_t *db, const char *sql, int ncols,
                           apr_pool_t *p)
{
    static const char header[] =
        "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"; /* signature, flags, extension */
    sb_copy_t *c = apr_palloc(p, sizeof(*c));
    PGresult *res;
    apr_status_t rv = APR_SUCCESS;

    *pcopy = NULL;
    forget_error(db);
    res = PQexec(db->conn, sql);
    if (PQresultStatus(res) != PGRES_COPY_IN) {
        rv = failed(db, res);
    }
    PQclear(res);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    c->db = db;
    c->rv = APR_SUCCESS;
    c->ncols = ncols;
    c->left = 0;
    c->used = 0;
    put(c, header, 19);
    *pcopy = c;
    return APR_SUCCESS;
}

apr_status_t sb_copy_row(sb_copy_t *c)
{
    if (c->left != 0) {
        fprintf(stderr, "sb_copy: a row of %d columns has %d too few\n", c->ncols, c->left);
        abort();
    }
    if (c->used >= COPY_FLUSH) {
        flush(c);
    }
    c->left = c->ncols;
    room(c, 2);
    put16(c, c->ncols);
    return c->rv;
}

/* Room for a field of n bytes and its length word. */
static void field(sb_copy_t *c, apr_size_t n)
{
    if (c->left-- == 0) {
        fprintf(stderr, "sb_copy: more than %d columns in a row\n", c->ncols);
        abort();
    }
    room(c, n + 4);
}

void sb_copy_null(sb_copy_t *c)
{
    field(c, 0);
    put32(c, -1);
}

void sb_copy_bool(sb_copy_t *c, int value)
{
    field(c, 1);
    put32(c, 1);
    c->buf[c->used++] = value != 0;
}

void sb_copy_int2(sb_copy_t *c, int value)
{
    field(c, 2);
    put32(c, 2);
    put16(c, value);
}

void sb_copy_int4(sb_copy_t *c, apr_int32_t value)
{
    field(c, 4);
    put32(c, 4);
    put32(c, value);
}

void sb_copy_int8(sb_copy_t *c, apr_int64_t value)
{
    field(c, 8);
    put32(c, 8);
    put32(c, (apr_int32_t)(value >> 32));
    put32(c, (apr_int32_t)value);
}

void sb_copy_text(sb_copy_t *c, const char *s, apr_size_t len)
{
    if (len + 4 <= COPY_FLUSH) {
        field(c, len);
        put32(c, (apr_int32_t)len);
        put(c, s, len);
        return;
    }
    field(c, 0);
    put32(c, (apr_int32_t)len);
    flush(c);
    if (c->rv == APR_SUCCESS && PQputCopyData(c->db->conn, s, (int)len) != 1) {
        c->rv = failed(c->db, NULL);
    }
}

/* The server's verdict on a COPY that was ended. */
static apr_status_t end_copy(sb_copy_t *c, const char *reason, apr_int64_t *prows)
{
    apr_status_t rv = APR_SUCCESS;
    PGresult *res;

    if (PQputCopyEnd(c->db->conn, reason) != 1) {
        return failed(c->db, NULL);
    }
    while ((res = PQgetResult(c->db->conn)) != NULL) {
        if (PQresultStatus(res) != PGRES_COMMAND_OK) {
            rv = failed(c->db, res);
        }
        else if (prows) {
            *prows = apr_atoi64(PQcmdTuples(res));
        }
        PQclear(res);
    }
    return rv;
}

apr_status_t sb_copy_finish(sb_copy_t *c, apr_int64_t *prows)
{
    if (prows) {
        *prows = 0;
    }
    if (c->rv == APR_SUCCESS) {
        room(c, 2);
        put16(c, -1);
        flush(c);
    }
    if (c->rv != APR_SUCCESS) {
        return c->rv;
    }
    return end_copy(c, NULL, prows);
}

void sb_copy_abort(sb_copy_t *c, const char *reason)
{
    char error[sizeof(c->db->error)];

    memcpy(error, c->db->error, sizeof(error));
    (void)!end_copy(c, reason, NULL); /* the server's complaint is the reason we just gave */
    memcpy(c->db->error, error, sizeof(error));
}

/* ---- from one database into another -------------------------------------------------------------- */

static apr_status_t start_copy(sb_db_t *db, const char *sql, ExecStatusType want)
{
    PGresult *res;
    apr_status_t rv;

    forget_error(db);
    res = PQexec(db->conn, sql);
    rv = PQresultStatus(res) == want ? APR_SUCCESS : failed(db, res);
    PQclear(res);
    return rv;
}

/* What the server says at the end of a COPY; reads to the end of the answer. */
static apr_status_t verdict(sb_db_t *db)
{
    apr_status_t rv = APR_SUCCESS;
    PGresult *res;

    while ((res = PQgetResult(db->conn)) != NULL && PQstatus(db->conn) == CONNECTION_OK) {
        if (PQresultStatus(res) != PGRES_COMMAND_OK && rv == APR_SUCCESS) {
            rv = failed(db, res);
        }
        PQclear(res);
    }
    PQclear(res);
    return PQstatus(db->conn) == CONNECTION_OK ? rv : failed(db, NULL);
}

/* Nobody wants the rest: the server is told, and what is under way is thrown away. */
static void stop_reading(sb_db_t *db)
{
    PGcancel *cancel = PQgetCancel(db->conn);
    char why[256], *row;

    if (cancel) {
        PQcancel(cancel, why, sizeof(why));
        PQfreeCancel(cancel);
    }
    while (PQgetCopyData(db->conn, &row, 0) > 0) {
        PQfreemem(row);
    }
    (void)!verdict(db); /* cancelled, as we asked */
}

apr_status_t sb_copy_between(const char **perror, sb_db_t *to, const char *to_sql, sb_db_t *from,
                             const char *from_sql)
{
    apr_status_t rv_from, rv_to;
    char *row;
    int n, sent = 1;

    *perror = NULL;
    rv_from = start_copy(from, from_sql, PGRES_COPY_OUT);
    if (rv_from != APR_SUCCESS) {
        *perror = sb_db_error(from);
        return rv_from;
    }
    rv_to = start_copy(to, to_sql, PGRES_COPY_IN);
    if (rv_to != APR_SUCCESS) {
        stop_reading(from);
        *perror = sb_db_error(to);
        return rv_to;
    }
    while ((n = PQgetCopyData(from->conn, &row, 0)) > 0) {
        sent = PQputCopyData(to->conn, row, n);
        PQfreemem(row);
        if (sent != 1) {
            stop_reading(from);
            break;
        }
    }
    rv_from = sent == 1 ? verdict(from) : APR_SUCCESS;
    if (PQputCopyEnd(to->conn, rv_from == APR_SUCCESS ? NULL : "the other side failed") != 1) {
        rv_to = failed(to, NULL);
    }
    else {
        rv_to = verdict(to);
    }
    /* A side that failed first is to blame: the other one only says that it was told to stop. */
    if (rv_from != APR_SUCCESS) {
        *perror = sb_db_error(from);
        return rv_from;
    }
    if (rv_to != APR_SUCCESS) {
        *perror = sb_db_error(to);
    }
    return rv_to;
}
