#ifndef SB_RESULT_H
#define SB_RESULT_H

/**
 * Results of single students: what list of students and individual student report have in common.
 * The queries are written here once, with the scope in them. Source of the rules: docs/reporting.md,
 * "Results of students".
 */

#include "report/sb_asmt.h"

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
    SB_R_SCORE = SB_R_CLAIM1 + 4 * SB_ASMT_CLAIMS_MAX,
    SB_R_RANGE_MIN,
    SB_R_RANGE_MAX,
    SB_R_LEVEL,
    SB_R_MORE /* columns of the caller */
} sb_result_col_t;

/** Of claim i (from 0). */
enum { SB_R_CLAIM_LEVEL, SB_R_CLAIM_SCORE, SB_R_CLAIM_MIN, SB_R_CLAIM_MAX, SB_R_CLAIM_COLS };

typedef enum { SB_RESULTS_WHOLE, SB_RESULTS_BLOCKS } sb_results_kind_t;

/**
 * Current results that may be shown, of students the scope reaches.
 * @param more  further columns of f (facts) and s (students), ", s.group_1_id, ..."; "" none
 * @param where conditions on f and s, with parameters of args from $1 on
 * @param order "s.last_name, ..."
 */
apr_status_t sb_results_find(sb_rows_t **prows, const sb_report_ctx_t *ctx, sb_results_kind_t kind,
                             const char *more, const char *where, const char *order,
                             apr_array_header_t *args, apr_pool_t *p) SB_MUST_CHECK;

/** "demographic" of row i. */
void sb_result_demographic_json(sb_jw_t *w, const char *key, const sb_rows_t *rows, int i);

/** First name, initial, last name. */
const char *sb_result_full_name(const sb_rows_t *rows, int i, apr_pool_t *p);

/** A text, "None" for SQL NULL: how claims are written. */
const char *sb_result_text(const sb_rows_t *rows, int i, int col);

/** A number as stored, null for SQL NULL. */
void sb_result_number_json(sb_jw_t *w, const char *key, const sb_rows_t *rows, int i, int col);

/** Column of a claim (from 0). */
int sb_result_claim(int claim, int what);

/** Members perf_lvl, perf_lvl_name of a claim. */
void sb_result_claim_level_json(sb_jw_t *w, const sb_rows_t *rows, int i, int claim,
                                const sb_asmt_t *a);

/** Members score, range_min_score, range_max_score, confidence of a claim; null what is not known. */
void sb_result_claim_scores_json(sb_jw_t *w, const sb_rows_t *rows, int i, int claim);

/** "asmt_administration": which types and years (of one student: dates) there are. NULLs: any. */
apr_status_t sb_administrations_json(sb_jw_t *w, const char *key, const sb_report_ctx_t *ctx,
                                     const char *district_id, const char *school_id,
                                     const char *grade, const char *year, const char *student_id,
                                     apr_pool_t *p) SB_MUST_CHECK;

#endif
