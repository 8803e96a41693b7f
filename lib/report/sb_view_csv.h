#ifndef SB_VIEW_CSV_H
#define SB_VIEW_CSV_H

/**
 * The "current view": what a page shows, as CSV for spreadsheets. Made from the report's own answer, so it has
 * the same rows, and hides what that hides. Every field is quoted (RFC 4180), lines end with CR LF, and no text
 * can be taken for a formula. Source of the layout: docs/reporting.md, "Current view".
 */

#include "report/sb_report.h"

/** Has this report such a view? */
int sb_view_csv_has(const sb_report_t *report);

/**
 * @param json the report's answer
 * @param now  in the header block and in the name
 * @param pname "comparing_populations_20160405T101112.csv"
 * @return APR_SUCCESS; SB_EINPUT it is no answer of this report
 */
apr_status_t sb_view_csv(const char **ptext, apr_size_t *plen, const char **pname,
                         const sb_report_t *report, const sb_params_t *params, const char *json,
                         apr_size_t len, apr_time_t now, apr_pool_t *p) SB_MUST_CHECK;

#endif
