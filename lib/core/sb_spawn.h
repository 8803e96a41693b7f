#ifndef SB_SPAWN_H
#define SB_SPAWN_H

/** Other programs, run without a shell: fixed path, clean environment, a time limit. */

#include <apr_time.h>
#include "core/sb_status.h"

#define SB_SPAWN_SAID_MAX 4096

typedef struct {
    const char *const *argv;     /* argv[0] an absolute path; ended by NULL */
    const char *input;           /* what it reads from standard input; NULL: nothing */
    apr_interval_time_t timeout; /* then it is killed with all its children; 0: no limit */
    int hold;              /* an open lock that it and its children hold until they end; 0: none */
    int (*stopping)(void); /* asked now and then: true ends it as a time-out does; may be NULL */
} sb_spawn_t;

typedef struct {
    int status; /* exit status; 128 + N when signal N ended it */
    const char
        *said; /* end of its output and complaints, at most SB_SPAWN_SAID_MAX bytes, one line */
} sb_spawned_t;

/**
 * Run a program to its end.
 * @return APR_SUCCESS it ran: see status; APR_TIMEUP it was killed; APR_ENOENT no such program;
 *         anything else: it could not be started
 */
apr_status_t sb_spawn(sb_spawned_t *how, const sb_spawn_t *what, apr_pool_t *p) SB_MUST_CHECK;

#endif
