#ifndef SB_DB_H
#define SB_DB_H

/**
 * PostgreSQL. The files sb_db*.c are the only ones that see libpq-fe.h; repository functions
 * elsewhere hold SQL and shape rows. Values are parameters, never pasted into the text. Schema names
 * come from configuration or are batch guids; they enter SQL only by sb_sql().
 */

#include <apr_time.h>
#include "core/sb_status.h"

typedef struct sb_db_t sb_db_t;         /* one connection, used by one thread at a time */
typedef struct sb_dbpool_t sb_dbpool_t; /* connections of one URL and role; safe for threads */
typedef struct sb_rows_t sb_rows_t;     /* a result, in memory */

/* ---- connections ----------------------------------------------------------------------------- */

typedef struct {
    const char *schema;                  /* replaces {schema} in statements; NULL: none */
    const char *app;                     /* application_name, as seen in pg_stat_activity */
    int max_connections;                 /* pool only; 0: 16 */
    apr_interval_time_t wait;            /* pool only: how long to wait for a free one; 0: 5 s */
    apr_interval_time_t lease;           /* pool only: how long one borrower has; 0: for ever */
    apr_interval_time_t connect_timeout; /* 0: 5 s */
    apr_interval_time_t
        statement_timeout; /* 0: none; with one, no call waits longer than it and a second */
    int no_prepare;        /* behind a pooler in transaction mode */
} sb_db_opts_t;

/** Connect now. Closed when p is cleared. @return SB_EUNAVAILABLE when the server does not answer; SB_ECONFIG the
 *  address cannot be read */
apr_status_t sb_db_open(sb_db_t **pdb, const char *url, const sb_db_opts_t *opts,
                        apr_pool_t *p) SB_MUST_CHECK;

/** Make a pool; connects on first use. Destroyed with p, after all that borrowed from it. */
apr_status_t sb_dbpool_make(sb_dbpool_t **ppool, const char *url, const sb_db_opts_t *opts,
                            apr_pool_t *p) SB_MUST_CHECK;

/**
 * Borrow a connection; it goes back when p is cleared, or is closed if it is broken or was left
 * inside a transaction. A statement that has no answer when the lease is over fails as when the
 * connection is lost.
 *
 * A server that hangs must not hold up everybody who wants it: other work waits for the same threads.
 * After connecting took its time in vain, or an answer did not come, one borrower at a time tries
 * again and the others are refused at once; as they are while all connections are in use and none was
 * taken or came back for as long as one would wait.
 * @return APR_SUCCESS; SB_EUNAVAILABLE no answer, or none free within the wait
 */
apr_status_t sb_dbpool_get(sb_db_t **pdb, sb_dbpool_t *pool, apr_pool_t *p) SB_MUST_CHECK;

/** Give up this connection after that time at the latest, in this lease. */
void sb_db_limit(sb_db_t *db, apr_interval_time_t limit);

/**
 * Have somebody asked, a few times a second while we wait for the server, whether its answer is wanted
 * still: it may sort for minutes before it sends a first row. If not, it is told to stop, the statement
 * fails with what ask returned, and the connection is given up: a transaction on it is rolled back.
 * @param ask quick; APR_SUCCESS: go on. NULL: nobody is asked any more. Ends with the lease
 */
void sb_db_watch(sb_db_t *db, apr_status_t (*ask)(void *ctx), void *ctx);

/** The last complaint of this connection: server text without values of rows. Never NULL. */
const char *sb_db_error(const sb_db_t *db);
/** Its SQLSTATE, "" if none. */
const char *sb_db_sqlstate(const sb_db_t *db);

/* ---- statements ------------------------------------------------------------------------------ */

/** A constant statement, prepared once a connection. Parameters $1.. are sent as text. */
typedef struct {
    const char *name; /* unique in the product */
    int nargs;
    const char *sql; /* {schema} stands for the quoted schema of the connection */
} sb_stmt_t;

/**
 * Run a statement that returns rows.
 * @param args nargs texts; NULL is SQL NULL
 * @param prows allocated in p; NULL unless APR_SUCCESS
 * @return APR_SUCCESS; SB_EUNAVAILABLE connection lost, shutting down, or timed out;
 *         SB_ECONFLICT unique violation, serialisation failure, deadlock; SB_EDB anything else
 */
apr_status_t sb_db_query(sb_rows_t **prows, sb_db_t *db, const sb_stmt_t *st,
                         const char *const *args, apr_pool_t *p) SB_MUST_CHECK;

/** Run a statement that returns none. @param paffected rows touched; may be NULL. @return as above */
apr_status_t sb_db_exec(apr_int64_t *paffected, sb_db_t *db, const sb_stmt_t *st,
                        const char *const *args) SB_MUST_CHECK;

/** The same for SQL made at run time by sb_sql(): not prepared. nargs 0..32 */
apr_status_t sb_db_query_text(sb_rows_t **prows, sb_db_t *db, const char *sql, int nargs,
                              const char *const *args, apr_pool_t *p) SB_MUST_CHECK;
/** The same with cells in the server's binary form: texts as ever, bytea as it is. */
apr_status_t sb_db_query_binary(sb_rows_t **prows, sb_db_t *db, const char *sql, int nargs,
                                const char *const *args, apr_pool_t *p) SB_MUST_CHECK;
apr_status_t sb_db_exec_text(apr_int64_t *paffected, sb_db_t *db, const char *sql, int nargs,
                             const char *const *args) SB_MUST_CHECK;

/** Several statements separated by semicolons, no parameters (DDL of migrations). */
apr_status_t sb_db_script(sb_db_t *db, const char *sql) SB_MUST_CHECK;

/**
 * Fill a template: each {name} is replaced by its value as a quoted identifier, "{{" is "{".
 * @param ... name, value pairs, ended by NULL: sb_sql(p, "SELECT 1 FROM {batch}.t", "batch", guid, NULL)
 * An unknown {name} aborts: it is a programming error.
 */
const char *sb_sql(apr_pool_t *p, const char *template, ...) __attribute__((sentinel));

typedef enum {
    SB_TX_WRITE,   /* READ COMMITTED */
    SB_TX_SNAPSHOT /* REPEATABLE READ, READ ONLY: one response, one view of the data */
} sb_tx_t;

apr_status_t sb_db_begin(sb_db_t *db, sb_tx_t kind) SB_MUST_CHECK;
apr_status_t sb_db_commit(sb_db_t *db) SB_MUST_CHECK;
void sb_db_rollback(sb_db_t *db); /* harmless outside a transaction */
/** End it: commit if what was done in it is APR_SUCCESS, else roll back. @return rv, or why it is not committed */
apr_status_t sb_db_end(sb_db_t *db, apr_status_t rv) SB_MUST_CHECK;

/**
 * One program at a time: take the advisory lock of a name, for as long as the connection lasts.
 * @param name program and schema: "smarter-hpz-mail hpz"
 * @return APR_SUCCESS; SB_EBUSY another connection has it; others as sb_db_query
 */
apr_status_t sb_db_lock(sb_db_t *db, const char *name) SB_MUST_CHECK;

/* ---- several statements, one round trip ------------------------------------------------------ */

/**
 * Statements are queued, sent together and answered together. They run in the order of the queue, each
 * seeing what those before it did; without a begin among them they are one transaction.
 *
 *     pipe = sb_pipe_make(db, p);
 *     sb_pipe_begin(pipe, SB_TX_SNAPSHOT);
 *     sb_pipe_query(&places, pipe, &find_places, args);
 *     sb_pipe_query(&years, pipe, &find_years, NULL);
 *     sb_pipe_commit(pipe);
 *     rv = sb_pipe_run(pipe);
 */
typedef struct sb_pipe_t sb_pipe_t;

sb_pipe_t *sb_pipe_make(sb_db_t *db, apr_pool_t *p);

/* Queue. *prows is NULL until sb_pipe_run. The array args is copied, its texts must stay until then. */
void sb_pipe_begin(sb_pipe_t *pipe, sb_tx_t kind);
void sb_pipe_commit(sb_pipe_t *pipe);
void sb_pipe_query(sb_rows_t **prows, sb_pipe_t *pipe, const sb_stmt_t *st,
                   const char *const *args);
/** SQL made at run time by sb_sql(): prepared as well, if the connection may; keep the number of
 *  different texts small. @param what its name in complaints */
void sb_pipe_query_text(sb_rows_t **prows, sb_pipe_t *pipe, const char *what, const char *sql,
                        int nargs, const char *const *args);

/** How many statements are queued. */
int sb_pipe_length(const sb_pipe_t *pipe);
/** Put what is queued between BEGIN and COMMIT; one statement alone is a transaction anyway. */
void sb_pipe_enclose(sb_pipe_t *pipe, sb_tx_t kind);

/**
 * Send what is queued and wait for all results, together no longer than for one statement. The queue is
 * empty afterwards.
 * @return as sb_db_query, of the first statement that failed, and sb_db_error() begins with its name;
 *         then no *prows is set, those behind it were not run, and a transaction that the queue began is
 *         rolled back: the connection can be used
 */
apr_status_t sb_pipe_run(sb_pipe_t *pipe) SB_MUST_CHECK;

/** Wait for a NOTIFY on a channel listened to (LISTEN by sb_db_script). @return APR_TIMEUP none */
apr_status_t sb_db_wait_notify(sb_db_t *db, apr_interval_time_t timeout) SB_MUST_CHECK;

/* ---- rows ------------------------------------------------------------------------------------ */

int sb_rows_count(const sb_rows_t *rows);
/** Leave out all from row n on. */
void sb_rows_cut(sb_rows_t *rows, int n);
/** Text of a cell, valid as long as the pool of the rows; NULL is SQL NULL. */
const char *sb_rows_text(const sb_rows_t *rows, int row, int col);
/** Bytes of a cell of sb_db_query_binary; NULL is SQL NULL. */
const void *sb_rows_bytes(const sb_rows_t *rows, int row, int col, apr_size_t *plen);
/** Integer of a cell; dflt for SQL NULL. */
apr_int64_t sb_rows_int(const sb_rows_t *rows, int row, int col, apr_int64_t dflt);
/** Boolean of a cell: 1, 0, or -1 for SQL NULL. */
int sb_rows_bool(const sb_rows_t *rows, int row, int col);

/* ---- typed COPY stream ----------------------------------------------------------------------- */

/**
 * COPY ... FROM STDIN (FORMAT binary): rows are encoded straight into a send buffer.
 * Begin; for each row sb_copy_row and one call a column; finish or abort. Errors in between are
 * kept and come out of sb_copy_row and sb_copy_finish, so that columns need no check.
 */
typedef struct sb_copy_t sb_copy_t;

apr_status_t sb_copy_begin(sb_copy_t **pcopy, sb_db_t *db, const char *sql, int ncols,
                           apr_pool_t *p) SB_MUST_CHECK;
apr_status_t sb_copy_row(sb_copy_t *c) SB_MUST_CHECK;
void sb_copy_null(sb_copy_t *c);
void sb_copy_bool(sb_copy_t *c, int value);
void sb_copy_int2(sb_copy_t *c, int value);
void sb_copy_int4(sb_copy_t *c, apr_int32_t value);
void sb_copy_int8(sb_copy_t *c, apr_int64_t value);
void sb_copy_text(sb_copy_t *c, const char *s, apr_size_t len); /* UTF-8 without NULs */
/** @param prows rows the server stored; may be NULL. @return as sb_db_exec */
apr_status_t sb_copy_finish(sb_copy_t *c, apr_int64_t *prows) SB_MUST_CHECK;
void sb_copy_abort(sb_copy_t *c, const char *reason);

/**
 * COPY from one database straight into another: what the one sends is handed on as it comes, in
 * memory is one row.
 * @param from_sql COPY ... TO STDOUT (FORMAT binary)
 * @param to_sql   COPY ... FROM STDIN (FORMAT binary), the same columns
 * @param perror   complaint of the side that failed; NULL on success
 * @return as sb_db_exec, of the side that failed
 */
apr_status_t sb_copy_between(const char **perror, sb_db_t *to, const char *to_sql, sb_db_t *from,
                             const char *from_sql) SB_MUST_CHECK;

/**
 * COPY to us: each row is handed on as the server sends it, in memory is one.
 *
 * COPY takes no parameters; so they become settings that last as long as the transaction, and each $n in
 * the statement a reading of one. Such a value is a text: write $1::smallint, $2::text[].
 * @param db   inside a transaction
 * @param sql  COPY (SELECT ...) TO STDOUT, without a '$' but those of parameters
 * @param args nargs texts, none of them NULL
 * @param row  what COPY makes of a row, with the line's end; anything but APR_SUCCESS ends the copy and
 *             is returned
 * @param prows rows handed on
 * @return as sb_db_query
 */
apr_status_t sb_copy_out(apr_int64_t *prows, sb_db_t *db, const char *sql, int nargs,
                         const char *const *args,
                         apr_status_t (*row)(void *ctx, const char *data, apr_size_t len),
                         void *ctx, apr_pool_t *p) SB_MUST_CHECK;

/** A value of a row on its way, in the server's binary form. */
typedef struct {
    const void *data; /* NULL: SQL NULL */
    apr_size_t len;
} sb_cell_t;

/**
 * The same with a say in every value.
 * @param ncols of both sides
 * @param cell  may put another value into *cell, of the column's type; what it points to must last
 *              until the next call. @return APR_SUCCESS, or why the copy is to end
 * @param prows rows the server stored
 */
apr_status_t sb_copy_convert(apr_int64_t *prows, const char **perror, sb_db_t *to,
                             const char *to_sql, sb_db_t *from, const char *from_sql, int ncols,
                             apr_status_t (*cell)(void *ctx, int col, sb_cell_t *cell), void *ctx,
                             apr_pool_t *p) SB_MUST_CHECK;

#endif
