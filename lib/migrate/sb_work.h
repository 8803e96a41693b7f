#ifndef SB_WORK_H
#define SB_WORK_H

/**
 * Statements on one production schema, inside one transaction: promotion and withdrawal are long
 * sequences of them. The first that fails says what was being done. For lib/migrate only.
 */

#include "store/sb_db.h"

typedef struct {
    sb_db_t *db;
    const char *schema;  /* what {schema} stands for: production */
    const char *batch;   /* what {batch} stands for */
    const char **perror; /* the complaint, without values of rows */
    apr_pool_t *p;
} sb_work_t;

/** Keep the server's complaint. @return rv */
apr_status_t sb_work_failed(const sb_work_t *w, const char *what, apr_status_t rv);

/** The batch is not what it has to be. @return SB_EINPUT */
apr_status_t sb_work_unfit(const sb_work_t *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** One statement. @param pn rows touched, may be NULL. @param what is being done, for the complaint */
apr_status_t sb_work_exec(const sb_work_t *w, apr_int64_t *pn, const char *what, const char *sql,
                          int nargs, const char *const *args) SB_MUST_CHECK;
apr_status_t sb_work_query(const sb_work_t *w, sb_rows_t **prows, const char *what, const char *sql,
                           int nargs, const char *const *args) SB_MUST_CHECK;
/** One that answers one integer. */
apr_status_t sb_work_count(const sb_work_t *w, apr_int64_t *pn, const char *what, const char *sql,
                           int nargs, const char *const *args) SB_MUST_CHECK;
/** Several without parameters. */
apr_status_t sb_work_script(const sb_work_t *w, const char *what, const char *sql) SB_MUST_CHECK;

const char *sb_work_number(const sb_work_t *w, apr_int64_t n);

/**
 * Begin a transaction that may change the schema: one at a time.
 * @param work_mem bytes the server may use for a sort or hash; 0: as it is set there
 */
apr_status_t sb_work_begin(const sb_work_t *w, apr_int64_t work_mem) SB_MUST_CHECK;

/** Commit if rv is APR_SUCCESS, else roll back. @return rv, or what the commit said */
apr_status_t sb_work_end(const sb_work_t *w, apr_status_t rv) SB_MUST_CHECK;

#endif
