/* COPY: a typed stream into a table, and from one database straight into another. */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include "core/sb_time.h"
#include "store/sb_db_private.h"

/* ---- typed COPY stream ----------------------------------------------------------------------- */

#define COPY_BUFFER (64 * 1024)
#define COPY_FLUSH (COPY_BUFFER - 64) /* room for any fixed-size field */
#define STOP_SECS 5                   /* in which a server stops that was asked to */

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
        c->rv = sb_db_failed(c->db, NULL);
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
    sb_db_forget_error(db);
    res = PQexec(db->conn, sql);
    if (PQresultStatus(res) != PGRES_COPY_IN) {
        rv = sb_db_failed(db, res);
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
        c->rv = sb_db_failed(c->db, NULL);
    }
}

/* The server's verdict on a COPY that was ended. */
static apr_status_t end_copy(sb_copy_t *c, const char *reason, apr_int64_t *prows)
{
    apr_status_t rv = APR_SUCCESS;
    PGresult *res;

    if (PQputCopyEnd(c->db->conn, reason) != 1) {
        return sb_db_failed(c->db, NULL);
    }
    while ((res = PQgetResult(c->db->conn)) != NULL) {
        if (PQresultStatus(res) != PGRES_COMMAND_OK) {
            rv = sb_db_failed(c->db, res);
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

static apr_status_t start_copy(sb_db_t *db, const char *sql, ExecStatusType want, double until)
{
    PGresult *res;
    apr_status_t rv;

    sb_db_forget_error(db);
    res = PQsendQuery(db->conn, sql) ? sb_db_next(db, until) : NULL;
    rv = PQresultStatus(res) == want ? APR_SUCCESS : sb_db_failed(db, res);
    PQclear(res);
    if (rv != APR_SUCCESS) {
        PQclear(sb_db_next(db, until)); /* NULL: the end of the answer */
    }
    return rv;
}

/* What the server says at the end of a COPY; reads to the end of the answer. */
static apr_status_t verdict(sb_db_t *db, double until)
{
    apr_status_t rv = APR_SUCCESS;
    PGresult *res;

    while ((res = sb_db_next(db, until)) != NULL && PQstatus(db->conn) == CONNECTION_OK) {
        if (PQresultStatus(res) != PGRES_COMMAND_OK && rv == APR_SUCCESS) {
            rv = sb_db_failed(db, res);
        }
        PQclear(res);
    }
    PQclear(res);
    return PQstatus(db->conn) == CONNECTION_OK ? rv : sb_db_failed(db, NULL);
}

/* Nobody wants the rest: the server is told, and what is under way is thrown away. One that does not stop is
 * given up. */
static void stop_reading(sb_db_t *db)
{
    double until = sb_time_monotonic() + STOP_SECS;
    char *row;
    int n;

    sb_db_watch(db, NULL, NULL); /* they have said so */
    if (!sb_db_cancel(db)) {
        sb_db_give_up(db);
    }
    while ((n = PQgetCopyData(db->conn, &row, 1)) >= 0) {
        if (n > 0) {
            PQfreemem(row);
        }
        else if (!sb_db_await(db, until)) {
            return;
        }
    }
    (void)!verdict(db, until); /* cancelled, as we asked */
}

apr_status_t sb_copy_between(const char **perror, sb_db_t *to, const char *to_sql, sb_db_t *from,
                             const char *from_sql)
{
    apr_status_t rv_from, rv_to;
    char *row;
    int n, sent = 1;

    *perror = NULL;
    rv_from = start_copy(from, from_sql, PGRES_COPY_OUT, sb_db_deadline(from));
    if (rv_from != APR_SUCCESS) {
        *perror = sb_db_error(from);
        return rv_from;
    }
    rv_to = start_copy(to, to_sql, PGRES_COPY_IN, sb_db_deadline(to));
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
    rv_from = sent == 1 ? verdict(from, sb_db_deadline(from)) : APR_SUCCESS;
    if (PQputCopyEnd(to->conn, rv_from == APR_SUCCESS ? NULL : "the other side failed") != 1) {
        rv_to = sb_db_failed(to, NULL);
    }
    else {
        rv_to = verdict(to, sb_db_deadline(to));
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

/* ---- to us --------------------------------------------------------------------------------------- */

/* Values of parameters as settings of the transaction. */
static apr_status_t keep_args(sb_db_t *db, int nargs, const char *const *args, apr_pool_t *p)
{
    const char *sql = "SELECT 1";
    sb_rows_t *rows;

    for (int i = 1; i <= nargs; i++) {
        sql = apr_psprintf(p, "%s, set_config('smarter.p%d', $%d, true)", sql, i, i);
    }
    return nargs ? sb_db_query_text(&rows, db, sql, nargs, args, p) : APR_SUCCESS;
}

/* The statement with readings of these settings for its parameters. */
static const char *with_settings(const char *sql, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, 32, sizeof(const char *));
    const char *dollar;

    while ((dollar = strchr(sql, '$')) != NULL) {
        char *end;
        long n = strtol(dollar + 1, &end, 10);

        APR_ARRAY_PUSH(parts, const char *) = apr_pstrmemdup(p, sql, (apr_size_t)(dollar - sql));
        APR_ARRAY_PUSH(parts, const char *) =
            apr_psprintf(p, "(SELECT current_setting('smarter.p%ld'))", n);
        sql = end;
    }
    APR_ARRAY_PUSH(parts, const char *) = sql;
    return apr_array_pstrcat(p, parts, 0);
}

apr_status_t sb_copy_out(apr_int64_t *prows, sb_db_t *db, const char *sql, int nargs,
                         const char *const *args,
                         apr_status_t (*row)(void *ctx, const char *data, apr_size_t len),
                         void *ctx, apr_pool_t *p)
{
    apr_status_t rv = keep_args(db, nargs, args, p);
    double until = sb_db_deadline(db);
    char *data;
    int n;

    *prows = 0;
    if (rv == APR_SUCCESS) {
        rv = start_copy(db, with_settings(sql, p), PGRES_COPY_OUT, until);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    while ((n = PQgetCopyData(db->conn, &data, 1)) >= 0) {
        if (n == 0) {
            if (!sb_db_await(db, until)) {
                return sb_db_failed(db, NULL);
            }
            continue;
        }
        rv = row(ctx, data, (apr_size_t)n);
        PQfreemem(data);
        if (rv != APR_SUCCESS) {
            stop_reading(db);
            return rv;
        }
        ++*prows;
    }
    return verdict(db, until);
}

/* ---- with a say in every value ------------------------------------------------------------------- */

/* What one message of the sending side holds: perhaps the header, then a row or the end.
 * @return SB_EDB it is none of these */
static apr_status_t convert_row(sb_copy_t *c, const char *data, apr_size_t len, apr_size_t skip,
                                apr_status_t (*cell)(void *, int, sb_cell_t *), void *ctx)
{
    const char *end = data + len;
    apr_status_t rv = APR_SUCCESS;
    apr_uint16_t net16;
    apr_uint32_t net32;

    if (len < skip + sizeof(net16)) {
        return SB_EDB;
    }
    data += skip;
    memcpy(&net16, data, sizeof(net16));
    data += sizeof(net16);
    if (ntohs(net16) == 0xffff) {
        return APR_SUCCESS; /* the end */
    }
    if (ntohs(net16) != c->ncols) {
        return SB_EDB;
    }
    rv = sb_copy_row(c);
    for (int col = 0; col < c->ncols && rv == APR_SUCCESS; col++) {
        sb_cell_t v = {NULL, 0};

        if (end - data < (apr_ssize_t)sizeof(net32)) {
            return SB_EDB;
        }
        memcpy(&net32, data, sizeof(net32));
        data += sizeof(net32);
        if (net32 != 0xffffffff) {
            v = (sb_cell_t){data, ntohl(net32)};
            if (v.len > (apr_size_t)(end - data)) {
                return SB_EDB;
            }
            data += v.len;
        }
        rv = cell(ctx, col, &v);
        if (rv == APR_SUCCESS && v.data) {
            sb_copy_text(c, v.data, v.len); /* bytes are bytes */
        }
        else if (rv == APR_SUCCESS) {
            sb_copy_null(c);
        }
    }
    return rv;
}

#define COPY_HEADER 19 /* bytes: signature, flags, no extension */

apr_status_t sb_copy_convert(apr_int64_t *prows, const char **perror, sb_db_t *to,
                             const char *to_sql, sb_db_t *from, const char *from_sql, int ncols,
                             apr_status_t (*cell)(void *ctx, int col, sb_cell_t *cell), void *ctx,
                             apr_pool_t *p)
{
    apr_size_t skip = COPY_HEADER;
    apr_status_t rv;
    sb_copy_t *c;
    char *row;
    int n;

    *prows = 0;
    *perror = NULL;
    rv = start_copy(from, from_sql, PGRES_COPY_OUT, sb_db_deadline(from));
    if (rv != APR_SUCCESS) {
        *perror = sb_db_error(from);
        return rv;
    }
    rv = sb_copy_begin(&c, to, to_sql, ncols, p);
    if (rv != APR_SUCCESS) {
        stop_reading(from);
        *perror = sb_db_error(to);
        return rv;
    }
    while ((n = PQgetCopyData(from->conn, &row, 0)) > 0) {
        rv = convert_row(c, row, (apr_size_t)n, skip, cell, ctx);
        PQfreemem(row);
        skip = 0;
        if (rv != APR_SUCCESS) {
            stop_reading(from);
            sb_copy_abort(c, "the row cannot be passed on");
            *perror = c->rv == APR_SUCCESS ? "a row cannot be passed on" : sb_db_error(to);
            return rv;
        }
    }
    rv = verdict(from, sb_db_deadline(from));
    if (rv != APR_SUCCESS) {
        *perror = sb_db_error(from);
        sb_copy_abort(c, "the other side failed");
        return rv;
    }
    rv = sb_copy_finish(c, prows);
    if (rv != APR_SUCCESS) {
        *perror = sb_db_error(to);
    }
    return rv;
}
