#ifndef SB_LZ_WATCH_H
#define SB_LZ_WATCH_H

/**
 * The watcher of the senders' jails: takes what is complete, lets it be released, puts into quarantine
 * what never becomes complete.
 *
 * A file is complete when it has not changed for sftp.file_stat_watch_period, or at once when its
 * companion NAME.done holds its MD5; a companion with another MD5 holds it back. "Changed" is the
 * file's ctime, which no sender can set. Inotify only tells when to look: what is true is read from
 * the directories in each pass, through open directories and without following links, for whoever
 * writes there may be hostile.
 */

#include "lz/sb_lz_conf.h"

typedef struct sb_lz_watch_t sb_lz_watch_t;

typedef struct {
    int released, quarantined, failed;
    int waiting; /* files that may become complete by the mere passing of time */
} sb_lz_pass_t;

/**
 * Open the jails and take the lock of the only watcher.
 * @param stopping asked between two files; may be NULL
 * @return SB_EBUSY another one is at work; else why a directory cannot be used, *pwhat says which
 */
apr_status_t sb_lz_watch_open(sb_lz_watch_t **pw, const char **pwhat, const sb_lz_conf_t *lz,
                              int (*stopping)(void), apr_pool_t *p) SB_MUST_CHECK;

/** Look at everything once, and do what is to be done. */
void sb_lz_watch_pass(sb_lz_pass_t *pass, sb_lz_watch_t *w);

/** Readable when something happened: then drain, and look again. */
int sb_lz_watch_fd(const sb_lz_watch_t *w);
void sb_lz_watch_drain(sb_lz_watch_t *w);

#endif
