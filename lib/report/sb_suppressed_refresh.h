#ifndef SB_SUPPRESSED_REFRESH_H
#define SB_SUPPRESSED_REFRESH_H

/** What whoever changes results calls behind it; the rest of hidden bars is in sb_suppressed.h. */

#include "store/sb_db.h"

/**
 * Work out and keep what is missing, of all years, in transactions of its own. For whoever changed
 * results; the role must be allowed to write.
 * @param pyears how many years were worked out; may be NULL
 */
apr_status_t sb_suppressed_refresh(int *pyears, sb_db_t *db, const char *tenant, const char *schema,
                                   apr_pool_t *p) SB_MUST_CHECK;

#endif
