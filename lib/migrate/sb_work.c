/* Statements of promotion and withdrawal: see sb_work.h. */

#include "config.h"

#include <stdarg.h>

#include <apr_strings.h>

#include "migrate/sb_work.h"

static const char *fill_in(const sb_work_t *w, const char *sql)
{
    return sb_sql(w->p, sql, "schema", w->schema, "batch", w->batch, NULL);
}

apr_status_t sb_work_failed(const sb_work_t *w, const char *what, apr_status_t rv)
{
    *w->perror = apr_pstrcat(w->p, what, ": ", sb_db_error(w->db), NULL);
    return rv;
}

apr_status_t sb_work_unfit(const sb_work_t *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    *w->perror = apr_pvsprintf(w->p, fmt, ap);
    va_end(ap);
    return SB_EINPUT;
}

apr_status_t sb_work_exec(const sb_work_t *w, apr_int64_t *pn, const char *what, const char *sql,
                          int nargs, const char *const *args)
{
    apr_status_t rv = sb_db_exec_text(pn, w->db, fill_in(w, sql), nargs, args);

    return rv == APR_SUCCESS ? rv : sb_work_failed(w, what, rv);
}

apr_status_t sb_work_query(const sb_work_t *w, sb_rows_t **prows, const char *what, const char *sql,
                           int nargs, const char *const *args)
{
    apr_status_t rv = sb_db_query_text(prows, w->db, fill_in(w, sql), nargs, args, w->p);

    return rv == APR_SUCCESS ? rv : sb_work_failed(w, what, rv);
}

apr_status_t sb_work_count(const sb_work_t *w, apr_int64_t *pn, const char *what, const char *sql,
                           int nargs, const char *const *args)
{
    sb_rows_t *rows;
    apr_status_t rv = sb_work_query(w, &rows, what, sql, nargs, args);

    *pn = rv == APR_SUCCESS && sb_rows_count(rows) ? sb_rows_int(rows, 0, 0, 0) : 0;
    return rv;
}

apr_status_t sb_work_script(const sb_work_t *w, const char *what, const char *sql)
{
    apr_status_t rv = sb_db_script(w->db, fill_in(w, sql));

    return rv == APR_SUCCESS ? rv : sb_work_failed(w, what, rv);
}

const char *sb_work_number(const sb_work_t *w, apr_int64_t n)
{
    return apr_psprintf(w->p, "%" APR_INT64_T_FMT, n);
}

apr_status_t sb_work_begin(const sb_work_t *w, apr_int64_t work_mem)
{
    const char *lock[] = {apr_pstrcat(w->p, "smarter-promote ", w->schema, NULL)};
    const char *mem[] = {apr_psprintf(w->p, "%" APR_INT64_T_FMT "kB", work_mem / 1024)};
    sb_rows_t *rows;
    apr_status_t rv = sb_db_begin(w->db, SB_TX_WRITE);

    if (rv != APR_SUCCESS) {
        return sb_work_failed(w, "beginning", rv);
    }
    rv = sb_work_query(w, &rows, "waiting for another promotion",
                       "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", 1, lock);
    if (rv == APR_SUCCESS && work_mem) {
        rv = sb_work_query(w, &rows, "setting work_mem", "SELECT set_config('work_mem', $1, true)",
                           1, mem);
    }
    return rv;
}

apr_status_t sb_work_end(const sb_work_t *w, apr_status_t rv)
{
    if (rv == APR_SUCCESS) {
        rv = sb_db_commit(w->db);
        if (rv != APR_SUCCESS) {
            sb_work_failed(w, "committing", rv);
        }
    }
    if (rv != APR_SUCCESS) {
        sb_db_rollback(w->db);
    }
    return rv;
}
