#ifndef SB_VIEW_CSV_H
#define SB_VIEW_CSV_H

/**
 * The "current view": what a page shows, as CSV for spreadsheets. Made from the report's own answer, so it has
 * the same rows, and hides what that hides. Source of the layout: docs/reporting.md, "Current view".
 */

#include "report/sb_report.h"

/** What somebody has made of the report on the screen. It changes no number: only which rows are told, in which
 *  order, and what the header block says of it. */
typedef struct {
    const char *column; /* "name", "subject1.upper", "subject1.total" */
    int descending;
    const apr_array_header_t
        *rows; /* const char *, ids in the order of the screen; NULL: all, as the report has them */
} sb_view_t;

/** Has this report such a view? */
int sb_view_csv_has(const sb_report_t *report);

/**
 * Read member "view" of a request's body: {"sort", "order", "rows"}, all of them optional.
 * @param body NULL: there is none, and nobody has changed anything
 * @return NULL; or the complaint
 */
const char *sb_view_read(sb_view_t *view, const sb_json_t *body, apr_pool_t *p) SB_MUST_CHECK;

/**
 * @param json the report's answer
 * @param now  in the header block and in the name
 * @param pname "comparing_populations_20160405T101112.csv"
 * @return APR_SUCCESS; SB_EINPUT it is no answer of this report
 */
apr_status_t sb_view_csv(const char **ptext, apr_size_t *plen, const char **pname,
                         const sb_report_t *report, const sb_params_t *params,
                         const sb_view_t *view, const char *json, apr_size_t len, apr_time_t now,
                         apr_pool_t *p) SB_MUST_CHECK;

#endif
