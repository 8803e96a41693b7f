#ifndef SB_COHORTS_H
#define SB_COHORTS_H

/**
 * Matched cohorts of all places, counted, judged (sb_cohort.h) and kept in table report_cohort. Source of the
 * rules: docs/reporting.md, "Trends", and docs/privacy.md, "Cohorts".
 */

#include "store/sb_db.h"

/**
 * Count what is missing, of all years of which it is known what is hidden, each in a snapshot and written in a
 * transaction of its own. For whoever changed results, when nobody waits for him: a year of a large state takes
 * a while. A year whose results change meanwhile stays missing; one whose results are gone goes. The role must be allowed to write.
 * @param pyears   how many years were counted; may be NULL
 * @param stopping asked between years; NULL: nobody wants to stop
 */
apr_status_t sb_cohorts_refresh(int *pyears, sb_db_t *db, const char *tenant, const char *schema,
                                int (*stopping)(void), apr_pool_t *p) SB_MUST_CHECK;

#endif
