#ifndef SB_HEARTBEAT_H
#define SB_HEARTBEAT_H

/**
 * The last finding about what a process depends on. /services/heartbeat needs no sign-in: it must neither wear out
 * databases and disks, nor hold the threads of a server one of whose databases hangs. So one thread looks, at most
 * once a second; who comes meanwhile repeats the last finding. Only while there is none yet requests wait for
 * it, a few seconds, in at most three quarters of the threads.
 *
 * Safe for threads.
 */

#include "web/sb_req.h"

#define SB_HEARTBEAT_REPORT_MAX 8192

typedef struct sb_heartbeat_t sb_heartbeat_t;

typedef struct {
    int healthy;
    apr_time_t when;
    const char *json; /* what the look told; "" if it told nothing, or too much */
} sb_heartbeat_finding_t;

/** Asks everybody; must have time limits of its own. @param pjson the report; may be left alone
 *  @return whether all is well */
typedef int sb_heartbeat_look_t(const char **pjson, sb_req_t *q);

/** For a process. */
apr_status_t sb_heartbeat_make(sb_heartbeat_t **ph, apr_pool_t *p) SB_MUST_CHECK;

/**
 * @param finding in the request's pool
 * @param h       NULL: it could not be made
 * @return APR_SUCCESS; SB_EUNAVAILABLE nobody has found out anything yet, and it takes long; APR_ENOMEM
 */
apr_status_t sb_heartbeat_ask(sb_heartbeat_finding_t *finding, sb_heartbeat_t *h,
                              sb_heartbeat_look_t *look, sb_req_t *q) SB_MUST_CHECK;

#endif
