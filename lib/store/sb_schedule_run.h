#ifndef SB_SCHEDULE_RUN_H
#define SB_SCHEDULE_RUN_H

/**
 * Whose turn it is: table schedule_run of the statistics schema (sql/stats/003_schedule.sql). Any
 * number of machines may ask every minute; one of them gets each match of a schedule.
 */

#include "core/sb_schedule.h"
#include "store/sb_db.h"

/**
 * Take the last match at or before now, if nobody did and the last run is over. Matches that nobody
 * took while all machines were down, or while a run lasted, count as one. A schedule that is new or
 * was changed starts with this minute: nothing before it is made up.
 *
 * @param db   with the schema of the statistics. A turn that was taken lasts as long as this
 *             connection; nobody else gets one of that name meanwhile.
 * @param name of the job: its prefix in the ini
 * @param host who asks: "host:pid"
 * @return APR_SUCCESS run it; APR_NOTFOUND nothing to do; others as sb_db_query
 */
apr_status_t sb_schedule_run_take(sb_db_t *db, const char *name, const sb_schedule_t *s,
                                  const char *host, apr_time_t now, apr_pool_t *p) SB_MUST_CHECK;

/** Note how it ended. @param status exit status */
apr_status_t sb_schedule_run_end(sb_db_t *db, const char *name, const char *host,
                                 int status) SB_MUST_CHECK;

#endif
