#ifndef SB_UDL_ROWS_H
#define SB_UDL_ROWS_H

/**
 * The rows of a CSV on their way into the table of its format in the batch schema: header,
 * conversion, policy, refusal, binary COPY. Fed by the CSV parser; memory does not grow with the file,
 * but for the first refusals, which are kept in detail, and digests of keys (sb_udl_keys.h).
 *
 * The order: make, feed (begin is called once the header is known), sb_udl_rows_end, the caller
 * finishes the COPY, sb_udl_rows_settle.
 */

#include "core/sb_csv.h"
#include "store/sb_db.h"
#include "udl/sb_udl_meta.h"
#include "udl/sb_udl_policy.h"

typedef struct {
    apr_int64_t line;   /* of the file, 1 is the header; 0: the package as a whole */
    const char *column; /* as in the header; NULL: the row as a whole */
    int number;         /* sb_udl_issue_info, or a code of 3001..3014 */
    const char *reason;
    const char *student_id; /* NULL if it cannot be told */
    int place;              /* of the column in its format */
} sb_udl_refusal_t;

typedef struct {
    const char *column; /* NULL: the row as a whole */
    int number;
    const char *code;
    const char *reason;
    apr_int64_t count;
    apr_int64_t first_line;
} sb_udl_warning_t;

typedef struct {
    const sb_udl_policy_t *policy;
    const char *state_code;    /* rows of another state are other-state; NULL: any */
    const sb_udl_meta_t *meta; /* NULL: not known yet, comes with sb_udl_rows_settle */
    int max_refusals;          /* kept in detail; all are counted */
} sb_udl_rows_opts_t;

typedef struct sb_udl_rows_t sb_udl_rows_t;

/** @param p lives as long as the batch; refusals are allocated in it */
apr_status_t sb_udl_rows_make(sb_udl_rows_t **prows, const sb_udl_rows_opts_t *opts,
                              apr_pool_t *p) SB_MUST_CHECK;

/** Called once the header is judged good: begin the COPY of sb_udl_rows_copy_sql. */
typedef apr_status_t sb_udl_begin_fn(void *ctx, sb_copy_t **pcopy);
void sb_udl_rows_on_header(sb_udl_rows_t *rows, sb_udl_begin_fn *fn, void *ctx);

/** An sb_csv_record_fn; ctx is the rows. @return SB_EINPUT the batch fails: sb_udl_rows_problem;
 *  others: the COPY failed */
apr_status_t sb_udl_rows_record(void *ctx, apr_int64_t line, const sb_csv_field_t *fields, int n);

/**
 * The end of the file, and the metadata known: is there anything to keep, and of the right kind?
 * @return APR_SUCCESS; SB_EINPUT the batch fails
 */
apr_status_t sb_udl_rows_end(sb_udl_rows_t *rows, const sb_udl_meta_t *meta) SB_MUST_CHECK;

/**
 * The COPY is finished: judge what could not be told row by row, in its transaction. Rows are looked
 * at by the metadata if that was not known before them, those to be rejected deleted; rows with the
 * same key are counted.
 * @param guid of the batch
 * @return APR_SUCCESS; SB_EINPUT the batch fails; others: the database failed
 */
apr_status_t sb_udl_rows_settle(sb_udl_rows_t *rows, sb_db_t *db, const char *guid,
                                const sb_udl_meta_t *meta) SB_MUST_CHECK;

/** Why the batch fails; NULL if it does not. */
const char *sb_udl_rows_problem(const sb_udl_rows_t *rows);

/** The COPY statement of the file's format, and its number of columns. */
const char *sb_udl_rows_copy_sql(int *pncols, const sb_udl_rows_t *rows, const char *guid,
                                 apr_pool_t *p);

typedef struct {
    apr_int64_t read; /* data rows, without blank lines */
    apr_int64_t loaded;
    apr_int64_t rejected;
    apr_int64_t deduplicated; /* of loaded: a later row has the same key; -1: too many to tell */
} sb_udl_counts_t;
sb_udl_counts_t sb_udl_rows_counts(const sb_udl_rows_t *rows);

/** The assessment of the first row that was loaded; NULL: none yet, or the metadata came before. */
const char *sb_udl_rows_guid(const sb_udl_rows_t *rows);

/** Of sb_udl_refusal_t, in the order of lines and columns. */
const apr_array_header_t *sb_udl_rows_refusals(sb_udl_rows_t *rows);
/** Of sb_udl_warning_t: one for each column and kind, of rows that nothing but the metadata rejected. */
const apr_array_header_t *sb_udl_rows_warnings(const sb_udl_rows_t *rows, apr_pool_t *p);

#endif
