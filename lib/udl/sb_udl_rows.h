#ifndef SB_UDL_ROWS_H
#define SB_UDL_ROWS_H

/**
 * The rows of an assessment CSV on their way into the batch table asmt_outcome: header, conversion,
 * policy, refusal, binary COPY. Fed by the CSV parser; memory does not grow with the file, but for
 * the first refusals, which are kept in detail, and the keys of the first million rows.
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
    const sb_udl_meta_t *meta; /* NULL: not known yet, see sb_udl_rows_judge */
    int max_refusals;          /* kept in detail; all are counted */
} sb_udl_rows_opts_t;

typedef struct sb_udl_rows_t sb_udl_rows_t;

/** @param p lives as long as the batch; refusals are allocated in it */
apr_status_t sb_udl_rows_make(sb_udl_rows_t **prows, const sb_udl_rows_opts_t *opts,
                              apr_pool_t *p) SB_MUST_CHECK;

/** Called with the header's map known: begin the COPY. */
typedef apr_status_t sb_udl_begin_fn(void *ctx, sb_copy_t **pcopy);
void sb_udl_rows_on_header(sb_udl_rows_t *rows, sb_udl_begin_fn *fn, void *ctx);

/** An sb_csv_record_fn; ctx is the rows. @return SB_EINPUT the batch fails: sb_udl_rows_problem;
 *  others: the COPY failed */
apr_status_t sb_udl_rows_record(void *ctx, apr_int64_t line, const sb_csv_field_t *fields, int n);

/**
 * The end of the file.
 * @param meta the metadata, if it was not known before the rows
 * @return APR_SUCCESS; SB_EINPUT no data, no row that could be loaded, or another assessment
 */
apr_status_t sb_udl_rows_judge(sb_udl_rows_t *rows, const sb_udl_meta_t *meta) SB_MUST_CHECK;

/** Why the batch fails; NULL if it does not. */
const char *sb_udl_rows_problem(const sb_udl_rows_t *rows);

/** The COPY statement's table and columns, and how many. */
const char *sb_udl_rows_copy_sql(int *pncols, const char *guid, apr_pool_t *p);

typedef struct {
    apr_int64_t read; /* data rows, without blank lines */
    apr_int64_t loaded;
    apr_int64_t rejected;
    apr_int64_t
        deduplicated; /* of loaded: a later row has the same key; -1: too many rows to tell */
} sb_udl_counts_t;
sb_udl_counts_t sb_udl_rows_counts(const sb_udl_rows_t *rows);

/** The assessment of the first row that was loaded; NULL: none yet, or the metadata came before. */
const char *sb_udl_rows_guid(const sb_udl_rows_t *rows);

/** Of sb_udl_refusal_t, in the order of lines. */
const apr_array_header_t *sb_udl_rows_refusals(const sb_udl_rows_t *rows);
/** Of sb_udl_warning_t: one for each column and kind. */
const apr_array_header_t *sb_udl_rows_warnings(const sb_udl_rows_t *rows, apr_pool_t *p);

#endif
