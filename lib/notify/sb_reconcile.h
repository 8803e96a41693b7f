#ifndef SB_RECONCILE_H
#define SB_RECONCILE_H

/**
 * The daily reconciliation report: which results of the packages of one day are current in production.
 * For each date found in the packages' names a CSV report_<date>.csv (student_id,asmt_guid,date_taken),
 * all of them in one zip file. Rows are streamed. It holds student ids: nothing of it goes to a log.
 * Source: loader contract 15.
 */

#include "core/sb_conf.h"

typedef struct {
    const sb_conf_t *conf; /* section app */
    const char *app;       /* application_name */
    int year, month, day;  /* of the report, in local time */
    int hour;         /* packages that arrived from the day before at this hour to this day at it */
    const char *path; /* where the zip file goes */
} sb_reconcile_opts_t;

typedef struct {
    const char *date; /* "2016-05-03", or UNKNOWN_DATE */
    apr_int64_t rows;
} sb_reconcile_label_t;

/**
 * Make it.
 * @param plabels of sb_reconcile_label_t; empty: there is nothing to report, and no file
 * @param perror  the complaint; NULL on success
 * @return APR_SUCCESS; SB_EBUSY another one is at it; SB_ECONFIG; SB_EUNAVAILABLE; others
 */
apr_status_t sb_reconcile_make(apr_array_header_t **plabels, const char **perror,
                               const sb_reconcile_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

#endif
