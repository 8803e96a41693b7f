#ifndef SB_PARTS_H
#define SB_PARTS_H

/**
 * Pieces that several reports carry: academic years, the way from the state down to the place shown
 * (breadcrumb), counts of what is not stated. Aggregates and names of institutions only.
 * Source of the rules: docs/reporting.md.
 */

#include "report/sb_report.h"

/** Years with assessments, newest first, at most smarter.reports.year_back. Array of int. */
apr_status_t sb_years_of_assessments(const apr_array_header_t **pyears, const sb_report_ctx_t *ctx,
                                     apr_pool_t *p) SB_MUST_CHECK;
/** Years with registrations of the scope's state, newest first. Array of int. */
apr_status_t sb_years_of_registrations(const apr_array_header_t **pyears,
                                       const sb_report_ctx_t *ctx, apr_pool_t *p) SB_MUST_CHECK;
/** Parameter asmtYear, else the newest of years (NULL: 0). asmt_year is a smallint: a year beyond has no
 *  rows and must not become a database error, so it is 0. */
int sb_year_asked(const sb_params_t *params, const apr_array_header_t *years);
void sb_years_json(sb_jw_t *w, const char *key, const apr_array_header_t *years);

/** Where a report is: NULL places end the way. */
typedef struct {
    const char *district_id, *school_id, *grade;
    const char *student; /* full name */
} sb_place_t;

/** The value of "items": home, state, district, school, grade, student. A place nobody knows leaves
 *  only home. */
apr_status_t sb_breadcrumb_json(sb_jw_t *w, const char *key, const sb_report_ctx_t *ctx,
                                const sb_place_t *place, apr_pool_t *p) SB_MUST_CHECK;

/** The same for reports that ask several things at once: queue its query, write what came. */
void sb_breadcrumb_queue(sb_rows_t **prows, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                         const sb_place_t *place);
void sb_breadcrumb_rows_json(sb_jw_t *w, const char *key, const sb_report_ctx_t *ctx,
                             const sb_place_t *place, const sb_rows_t *rows);

/** Names of a place by now. */
typedef struct {
    const char *district, *school;
} sb_place_names_t;

/** The same when the names are known. @param names NULL: nobody knows the place */
void sb_breadcrumb_write(sb_jw_t *w, const char *key, const sb_report_ctx_t *ctx,
                         const sb_place_t *place, const sb_place_names_t *names);

/** Full English name of a state; "Example State" if unknown. */
const char *sb_state_name(const char *code);

/** Rows of a year, whatever the filters, and of how many something is not stated. */
typedef struct {
    apr_int64_t total, ethnicity, sex, dmg_prg_504, dmg_prg_iep, dmg_prg_lep, dmg_sts_mig;
} sb_not_stated_t;

apr_status_t sb_not_stated_find(sb_not_stated_t *n, const sb_report_ctx_t *ctx,
                                const char *asmt_type, int year, const char *district_id,
                                const char *school_id, apr_pool_t *p) SB_MUST_CHECK;
/** The same for reports that ask several things at once. */
void sb_not_stated_queue(sb_rows_t **prows, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                         const char *asmt_type, int year, const char *district_id,
                         const char *school_id, apr_pool_t *p);
void sb_not_stated_take(sb_not_stated_t *n, const sb_rows_t *rows);
/** Hide all counts that are not 0: of a place whose students the user may not see. */
void sb_not_stated_hide(sb_not_stated_t *n);
/** The object "not_stated". */
void sb_not_stated_json(sb_jw_t *w, const char *key, const sb_not_stated_t *n);

#endif
