#ifndef SB_GRAB_H
#define SB_GRAB_H

/**
 * The file grabber: empties a directory of another host (rsync over ssh) or of this one into arrivals.
 * A source is what the keys file-grabber.NAME.args.* describe. Its spool, LANDING/.spool/NAME, is
 * never discarded, and lies in the file system of the landing directory:
 *
 *     in/        pulled; still at the source, or perhaps
 *     replaced/  what a newer file of the same name pushed out of in/
 *
 * A run: pull; make it durable; let rsync remove at the source what in/ holds too; only then, by
 * rename, deliver. A crash between any two steps repeats steps that do nothing the second time.
 */

#include "core/sb_conf.h"

typedef struct {
    const char *name;
    const char *host; /* NULL: this machine */
    const char *user, *dir, *key, *known_hosts, *host_key_checking;
    int port;
    const char *landing;
    const char *archive; /* NULL: none */
    apr_interval_time_t timeout;
} sb_grab_source_t;

/** @return NULL, or what is wrong */
const char *sb_grab_read(const sb_grab_source_t **ps, const sb_conf_t *conf, const char *name,
                         apr_pool_t *p) SB_MUST_CHECK;

typedef struct {
    int delivered;
    int waiting; /* a file of the same name is still in the landing directory */
} sb_grab_run_t;

/**
 * One run.
 * @return APR_SUCCESS; SB_EBUSY another run is at it; SB_EUNAVAILABLE, APR_TIMEUP the source cannot be
 *         reached or was too slow; SB_ECONFIG rsync refuses what it is told; SB_ECONFLICT some files
 *         could not be fetched or removed there, the others were. All but SB_EBUSY was logged.
 */
apr_status_t sb_grab_run(sb_grab_run_t *run, const sb_grab_source_t *s, int (*stopping)(void),
                         apr_pool_t *p) SB_MUST_CHECK;

#endif
