#ifndef SB_BRING_H
#define SB_BRING_H

/**
 * A batch that is on another server than production: its tables are streamed over, inside the promotion's
 * transaction, into a schema of the same name that goes before the commit. Whatever dies, nothing of
 * it stays. For lib/migrate only.
 */

#include "migrate/sb_work.h"

/**
 * Make the schema w->batch and fill it from the one of that name in another database.
 * @return SB_EUNAVAILABLE either server went away; SB_EINPUT the tables there are not ours; others as
 *         sb_db_exec
 */
apr_status_t sb_bring(const sb_work_t *w, sb_db_t *source) SB_MUST_CHECK;
apr_status_t sb_bring_drop(const sb_work_t *w) SB_MUST_CHECK;

#endif
