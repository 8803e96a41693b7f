#ifndef SB_BREAKER_H
#define SB_BREAKER_H

/**
 * A circuit breaker. A server that does not answer costs everybody who asks it a time-out; so after some
 * failures in a row nobody asks it for a while, and then one does, to find out, while the others are still
 * refused. Of one process; safe for threads.
 */

#include <apr_time.h>
#include "core/sb_status.h"

typedef struct sb_breaker_t sb_breaker_t;

/**
 * @param failures in a row that open it
 * @param pause    how long it stays open
 * @param clock    monotonic seconds; NULL: sb_time_monotonic; for tests
 */
apr_status_t sb_breaker_make(sb_breaker_t **pb, int failures, apr_interval_time_t pause,
                             double (*clock)(void), apr_pool_t *p) SB_MUST_CHECK;

typedef enum {
    SB_BREAKER_NO,    /* do not ask */
    SB_BREAKER_YES,   /* ask, then sb_breaker_leave() */
    SB_BREAKER_PROBE, /* the same, alone */
} sb_breaker_pass_t;

/** May the server be asked now? @param pwait with NO: until when not, in whole seconds, at least 1 */
sb_breaker_pass_t sb_breaker_enter(sb_breaker_t *b, int *pwait) SB_MUST_CHECK;

typedef enum { SB_BREAKER_AS_BEFORE, SB_BREAKER_OPENED, SB_BREAKER_CLOSED } sb_breaker_change_t;

/** It was asked. @param good it answered. @return what that changed, for the log */
sb_breaker_change_t sb_breaker_leave(sb_breaker_t *b, sb_breaker_pass_t pass, int good);

#endif
