#ifndef SB_RESULT_H
#define SB_RESULT_H

/**
 * Results of single students: what list of students and individual student report have in common.
 * The queries are written here once, with the scope in them. Source of the rules: docs/reporting.md,
 * "Results of students".
 */

#include "report/sb_known.h"

/** Columns of a row of results, in the order of sb_results_select. */
typedef enum {
    SB_R_ASMT,
    SB_R_STUDENT,
    SB_R_FIRST_NAME,
    SB_R_MIDDLE_NAME,
    SB_R_LAST_NAME,
    SB_R_STATE,
    SB_R_DISTRICT,
    SB_R_SCHOOL,
    SB_R_ENRL_GRADE,
    SB_R_GRADE,
    SB_R_TYPE,
    SB_R_SUBJECT,
    SB_R_DATE,
    SB_R_CONDITION,
    SB_R_COMPLETE, /* null counts as complete */
    SB_R_IEP,
    SB_R_504,
    SB_R_LEP,
    SB_R_ECD,
    SB_R_MIG,
    SB_R_ETHNICITY,
    SB_R_SEX,
    SB_R_CLAIM1, /* of each claim: level, score, lower and upper bound */
    /* summative and interim comprehensive only */
    SB_R_SCORE = SB_R_CLAIM1 + 4 * SB_ASMT_CLAIMS_SCORED,
    SB_R_RANGE_MIN,
    SB_R_RANGE_MAX,
    SB_R_LEVEL,
    SB_R_VERSION, /* of the data, in every row of one kind */
    SB_R_MORE     /* columns of the caller */
} sb_result_col_t;

/** Of claim i (from 0). */
enum { SB_R_CLAIM_LEVEL, SB_R_CLAIM_SCORE, SB_R_CLAIM_MIN, SB_R_CLAIM_MAX, SB_R_CLAIM_COLS };

typedef enum { SB_RESULTS_WHOLE, SB_RESULTS_BLOCKS, SB_RESULTS_BOTH } sb_results_kind_t;

/** Results, and what is known of their version. */
typedef struct {
    sb_known_t *known;
    sb_rows_t *rows;
    int alone;                 /* they tell the version themselves */
    sb_asmts_t *asmts;         /* of all rows */
    const sb_asmt_t **asmt_of; /* by row */
} sb_results_t;

/** Queues what a report asks, sb_results_queue() among it; r->known is there. Perhaps more than once. */
typedef void sb_results_ask_t(sb_results_t *r, sb_pipe_t *pipe, void *baton);

/**
 * Read results and whatever else is asked, in one snapshot and mostly one round trip.
 * @return as sb_pipe_run; SB_EUNAVAILABLE also when the data does not stop changing
 */
apr_status_t sb_results_read(sb_results_t *r, const sb_report_ctx_t *ctx, sb_results_ask_t *ask,
                             void *baton, apr_pool_t *p) SB_MUST_CHECK;

/** Which rows: fixed texts where that is possible, so that few different statements come about. */
typedef struct {
    sb_results_kind_t kind;
    /* What the caller knows already need not come: these columns are NULL. In a long list that is thousands
     * of values. */
    int of_place; /* state, district, school */
    int of_grade; /* the grade of the assessment */
    int of_asmt;  /* type and subject: asmt_of has them */
    const char *more;  /* further columns of f (facts) and s (students), ", s.group_1_id, ..." */
    const char *joins; /* " LEFT JOIN ..."; "" none */
    const char *where; /* conditions on f and s, with parameters of args from $1 on */
    const char *order; /* "s.last_name, ..."; of both kinds names or numbers of columns */
    apr_array_header_t *args;
} sb_results_query_t;

/** Queue the query of r->rows: current results that may be shown, of students the scope reaches. */
void sb_results_queue(sb_results_t *r, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                      const sb_results_query_t *q, apr_pool_t *p);

/** Which results of one kind may be shown at all: a condition on f. */
const char *sb_results_visible(sb_results_kind_t kind);

/** "demographic" of row i. */
void sb_result_demographic_json(sb_jw_t *w, const char *key, const sb_rows_t *rows, int i);

/** First name, initial, last name. */
const char *sb_result_full_name(const sb_rows_t *rows, int i, apr_pool_t *p);

/** A text, "None" for SQL NULL: how claims are written. */
const char *sb_result_text(const sb_rows_t *rows, int i, int col);

/** A number as stored, null for SQL NULL. */
void sb_result_number_json(sb_jw_t *w, const char *key, const sb_rows_t *rows, int i, int col);

/** A value of a claim (from 0); NULL is SQL NULL, or a claim facts have no values of. */
const char *sb_result_claim(const sb_rows_t *rows, int i, int claim, int what);

/** Members perf_lvl, perf_lvl_name of a claim. */
void sb_result_claim_level_json(sb_jw_t *w, const sb_rows_t *rows, int i, int claim,
                                const sb_asmt_t *a);

/** Members score, range_min_score, range_max_score, confidence of a claim; null what is not known. */
void sb_result_claim_scores_json(sb_jw_t *w, const sb_rows_t *rows, int i, int claim);

/** Queue the query of "asmt_administration": which kinds and grades there are in a school and year, of one
 *  grade or of any (NULL). */
void sb_administrations_of_school(sb_rows_t **prows, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                                  const char *district_id, const char *school_id, const char *grade,
                                  const char *year);
/** The same of a student: all years, with dates. */
void sb_administrations_of_student(sb_rows_t **prows, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                                   const char *student_id);
void sb_administrations_json(sb_jw_t *w, const char *key, const sb_rows_t *rows);

#endif
