#ifndef SB_STATUS_H
#define SB_STATUS_H

/**
 * What can go wrong, said once for the whole product. Functions that can fail while serving return
 * apr_status_t: APR_SUCCESS, an APR or errno code, or one of the codes below. A caller branches on
 * these; everything else is only logged.
 */

#include <apr_errno.h>
#include <apr_pools.h>

#define SB_MUST_CHECK __attribute__((warn_unused_result))

#define SB_START_STATUS (APR_OS_START_USERERR + 4200)

#define SB_EINPUT (SB_START_STATUS + 1)  /* outside input breaks its contract; not our fault */
#define SB_ETOOBIG (SB_START_STATUS + 2) /* over a size, count, depth or ratio limit */
#define SB_EDENIED (SB_START_STATUS + 3) /* known caller, not allowed */
#define SB_EUNAVAILABLE                                                                            \
    (SB_START_STATUS + 4)                  /* a server we depend on is down or refuses; try again */
#define SB_ECONFLICT (SB_START_STATUS + 5) /* a unique key or serialisation conflict */
#define SB_EDB (SB_START_STATUS + 6)       /* the database refused the statement itself */
#define SB_EEXPIRED (SB_START_STATUS + 7)  /* was valid once */
#define SB_EBUSY (SB_START_STATUS + 8) /* another process holds the lock; it is doing the work */
#define SB_ESIGNATURE                                                                              \
    (SB_START_STATUS + 9)                 /* a signature is missing, wrong or from nobody we know */
#define SB_ECONFIG (SB_START_STATUS + 10) /* the configuration makes this impossible */
#define SB_END_STATUS (SB_START_STATUS + 11)

/** Is it worth trying again later without changing anything? (a server down, disk full, time-out) */
int sb_is_transient(apr_status_t rv);

/** The text of any status, ours or APR's. @return buf */
const char *sb_strerror(apr_status_t rv, char *buf, apr_size_t size);

#endif
