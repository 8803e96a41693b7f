#ifndef SB_PICKUP_SWEEP_H
#define SB_PICKUP_SWEEP_H

/**
 * What is too old goes: files with their rows, registrations nothing was ever delivered for, and what a
 * process that was killed left in the directory. The file goes before its row, each row in a transaction of
 * its own: who is killed in between is followed by somebody who finds a row without file, which is fine. One
 * program of an installation at a time (an advisory lock).
 */

#include "core/sb_conf.h"
#include "store/sb_db.h"

#define SB_PICKUP_LEFTOVER_HOURS 24 /* a file without row is left alone until it is that old */

typedef struct {
    const sb_conf_t *conf; /* section app:main of hpz.ini */
    const char *app;       /* application_name */
    int days;              /* 0: hpz.record_expiration */
    int dry_run;           /* count, remove nothing */
    int (*stopping)(void);
} sb_pickup_sweep_opts_t;

typedef struct {
    int expired;   /* files with their rows */
    int unused;    /* registrations without file */
    int leftovers; /* files without row */
    int failed;    /* that could not be removed: logged, and tried again next time */
} sb_pickup_swept_t;

/**
 * @param perror the complaint; NULL on success
 * @return APR_SUCCESS; SB_EBUSY another one is at it; SB_ECONFIG the directory is not there; APR_TIMEUP asked
 *         to stop; others as sb_db_query
 */
apr_status_t sb_pickup_sweep(sb_pickup_swept_t *swept, const char **perror,
                             const sb_pickup_sweep_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

#endif
