#ifndef SB_LZ_RELEASE_H
#define SB_LZ_RELEASE_H

/**
 * From BASE/.taken to the staging directory, or to the loader's host. A file that was taken lies where
 * its sender cannot reach it, but he may still hold it open and write: what is released is a copy,
 * made and checked by us. Each step works off what lies in its directory, so that whoever comes after
 * a crash goes on where it was:
 *
 *     .taken/T/U/X           to be copied, again if need be
 *     STAGING/T/U/X.partial  and no .taken/T/U/X: a whole, durable copy, to be named X
 *
 * X.done, with the MD5 of the copy, always comes before X. Nothing is released over a file that is
 * still there. Many files share one sync of the file system.
 */

#include "lz/sb_lz_quarantine.h"

typedef struct {
    const sb_lz_conf_t *lz;
    int base, staging; /* open directories; staging -1 with lz->remote */
    int lock;          /* of the only watcher: what pushes for it holds it too */
    sb_lz_room_t room;
    int (*stopping)(void);
    int released, refused, failed; /* counted up; failed: to be tried again */
} sb_lz_release_t;

/** Release all that was taken from a user. Complaints are logged and counted. */
void sb_lz_release_user(sb_lz_release_t *r, const char *tenant, const char *user, apr_pool_t *p);

/** Would releasing this name now meet another file on its way? */
int sb_lz_release_is_busy(sb_lz_release_t *r, const char *tenant, const char *user,
                          const char *name, apr_pool_t *p);

/** Open BASE/.taken/TENANT/USER, made if need be. @return -1 with errno */
int sb_lz_release_taken(sb_lz_release_t *r, const char *tenant, const char *user);

#endif
