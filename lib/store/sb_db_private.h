#ifndef SB_DB_PRIVATE_H
#define SB_DB_PRIVATE_H

/**
 * What the files sb_db*.c share, and nobody else: these are the only ones that see libpq.
 */

#include <apr_hash.h>
#include <libpq-fe.h>
#include "store/sb_db.h"

#define SB_DB_CONNECT_TIMEOUT apr_time_from_sec(5) /* when the options say nothing */
#define TEXT_RESULT 0
#define BINARY_RESULT 1

struct sb_db_t {
    PGconn *conn;
    apr_pool_t *pool; /* of the connection itself: statements live as long as it */
    sb_db_opts_t opts;
    apr_hash_t *expanded; /* name of a statement -> its SQL with the schema; never forgotten */
    apr_hash_t *prepared; /* those of them that are prepared */
    apr_hash_t *texts;    /* SQL made at run time -> the name it is prepared under */
    apr_pool_t *texts_pool;
    unsigned ntexts;                /* ever, for names */
    unsigned first_text;            /* the first one since texts_pool was cleared */
    int gave_up;                    /* no answer in time, or out of step */
    double until;                   /* end of the lease, sb_time_monotonic(); 0: none */
    apr_status_t (*ask)(void *ctx); /* sb_db_watch(); NULL none */
    void *ask_ctx;
    apr_status_t stopped; /* what it said to end the connection; APR_SUCCESS not yet */
    sb_dbpool_t *home;    /* NULL: not borrowed */
    char sqlstate[6];
    char error[400];
};

struct sb_rows_t {
    PGresult *res;
    int n; /* rows of it that count */
};

/** Connect; the sb_db_t and all it owns live in p. *pdb is there on failure too, for its complaint. */
apr_status_t sb_db_connect(sb_db_t **pdb, const char *url, const sb_db_opts_t *opts,
                           apr_pool_t *p) SB_MUST_CHECK;

/**
 * Keep the complaint of a result (NULL: of the connection) and say what it means. The detail is left
 * out, and for data exceptions what follows the colon: they quote values of rows, and values are
 * children's data.
 */
apr_status_t sb_db_failed(sb_db_t *db, const PGresult *res) SB_MUST_CHECK;
void sb_db_forget_error(sb_db_t *db);

/** The SQL of a statement with the schema filled in; lives as long as the connection. */
const char *sb_db_sql_of(sb_db_t *db, const sb_stmt_t *st);

/** When to stop waiting for what is sent now: sb_time_monotonic(), 0 never. */
double sb_db_deadline(const sb_db_t *db);

/** End the connection, so that nobody reads a late answer as that to the next question. */
void sb_db_give_up(sb_db_t *db);

/**
 * Ask the server to stop what it does for this connection; for a second at most.
 * @return 0: in vain, which is logged. It may still come, so nothing else is to be asked on this connection
 */
int sb_db_cancel(sb_db_t *db);

/** Wait for the server and read what it sent; after the deadline, or when nobody wants it, the connection
 *  is given up.
 *  @return 0: nothing will come any more */
int sb_db_await(sb_db_t *db, double until);

/** The next result, as PQgetResult; after the deadline the connection is given up. */
PGresult *sb_db_next(sb_db_t *db, double until);

/** Does the server answer on an idle connection, in the time connecting may take? */
apr_status_t sb_db_ping(sb_db_t *db) SB_MUST_CHECK;

/** The result of what was sent by itself, as PQexec; NULL: the connection failed. @param sent was it? */
PGresult *sb_db_finish(sb_db_t *db, int sent);

/** Rows in p, which owns the result from now on. */
void sb_db_keep_rows(sb_rows_t **prows, PGresult *res, apr_pool_t *p);

typedef struct {
    const char *name, *value;
} sb_db_place_t;

/** The template with each {name} replaced by its value as a quoted identifier. */
const char *sb_db_expand(apr_pool_t *p, const char *template, const sb_db_place_t *places,
                         int nplaces);

#endif
