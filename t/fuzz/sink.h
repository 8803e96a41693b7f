#ifndef FUZZ_SINK_H
#define FUZZ_SINK_H

/**
 * What the loader copies into, for targets that link no database: judges every value as the server
 * would, and that a row has its columns. Include it in one file of a target.
 */

#include "core/sb_path.h"
#include "store/sb_db.h"

struct sb_copy_t {
    int ncols, col;
    apr_int64_t rows;
};

static void sink_init(sb_copy_t *c, int ncols)
{
    c->ncols = c->col = ncols;
    c->rows = 0;
}

apr_status_t sb_copy_row(sb_copy_t *c)
{
    must(c->col == c->ncols);
    c->col = 0;
    c->rows++;
    return APR_SUCCESS;
}

void sb_copy_null(sb_copy_t *c)
{
    c->col++;
}

void sb_copy_bool(sb_copy_t *c, int value)
{
    must(value == 0 || value == 1);
    c->col++;
}

void sb_copy_int2(sb_copy_t *c, int value)
{
    must(value >= -32768 && value <= 32767);
    c->col++;
}

void sb_copy_int4(sb_copy_t *c, apr_int32_t value)
{
    (void)value;
    c->col++;
}

void sb_copy_int8(sb_copy_t *c, apr_int64_t value)
{
    (void)value;
    c->col++;
}

void sb_copy_text(sb_copy_t *c, const char *s, apr_size_t len)
{
    must(sb_utf8_is_valid(s, len) && !memchr(s, '\0', len));
    must(len <= 4 * 512);
    c->col++;
}

apr_status_t sb_copy_begin(sb_copy_t **pcopy, sb_db_t *db, const char *sql, int ncols,
                           apr_pool_t *p)
{
    (void)db, (void)sql;
    *pcopy = apr_palloc(p, sizeof **pcopy);
    sink_init(*pcopy, ncols);
    return APR_SUCCESS;
}

apr_status_t sb_copy_finish(sb_copy_t *c, apr_int64_t *prows)
{
    must(c->col == c->ncols);
    if (prows) {
        *prows = c->rows;
    }
    return APR_SUCCESS;
}

void sb_copy_abort(sb_copy_t *c, const char *reason)
{
    (void)c, (void)reason;
}

/* A server that knows nothing. */
apr_status_t sb_db_exec_text(apr_int64_t *paffected, sb_db_t *db, const char *sql, int nargs,
                             const char *const *args)
{
    int i;

    (void)db, (void)sql;
    for (i = 0; i < nargs; i++) {
        must(!args[i] || sb_utf8_is_valid(args[i], strlen(args[i])));
    }
    if (paffected) {
        *paffected = 0;
    }
    return APR_SUCCESS;
}

apr_status_t sb_db_query_text(sb_rows_t **prows, sb_db_t *db, const char *sql, int nargs,
                              const char *const *args, apr_pool_t *p)
{
    (void)p;
    *prows = NULL;
    return sb_db_exec_text(NULL, db, sql, nargs, args);
}

int sb_rows_count(const sb_rows_t *rows)
{
    (void)rows;
    return 0;
}

apr_int64_t sb_rows_int(const sb_rows_t *rows, int row, int col, apr_int64_t dflt)
{
    (void)rows, (void)row, (void)col;
    return dflt;
}

const char *sb_rows_text(const sb_rows_t *rows, int row, int col)
{
    (void)rows, (void)row, (void)col;
    return NULL;
}

const char *sb_sql(apr_pool_t *p, const char *template, ...)
{
    (void)p;
    return template;
}

#endif
