#ifndef SB_ZIP_H
#define SB_ZIP_H

/** Writing a zip file on the stream: members of unknown length (ZIP64), nothing held in memory. */

#include "core/sb_status.h"

typedef struct sb_zip_t sb_zip_t;

/** The file appears under its name only with sb_zip_end; until then, or if p is cleared, it is not there.
 *  @param mode as for open(2) */
apr_status_t sb_zip_begin(sb_zip_t **pz, const char *path, int mode, apr_pool_t *p) SB_MUST_CHECK;

typedef struct {
    const char *path; /* as above; NULL: into fd */
    int mode;
    int fd;          /* stays the caller's, also on failure; is not synchronised to disk */
    int level;       /* of compression, 1 quick to 9 small; 0: zlib's own choice */
    apr_time_t when; /* of all members: the same bytes make the same archive; 0: now */
    int ahead;       /* a thread compresses while the caller fetches more: 2 MiB of memory */
} sb_zip_opts_t;
apr_status_t sb_zip_open(sb_zip_t **pz, const sb_zip_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

/** The next member; ends the one before. */
apr_status_t sb_zip_member(sb_zip_t *z, const char *name) SB_MUST_CHECK;

/** Bytes of the member. Failures are kept, and come out of sb_zip_member and sb_zip_end. */
void sb_zip_write(sb_zip_t *z, const void *data, apr_size_t len);

/** What failed so far, for those who would go on writing for long. */
apr_status_t sb_zip_status(sb_zip_t *z) SB_MUST_CHECK;

apr_status_t sb_zip_end(sb_zip_t *z) SB_MUST_CHECK;

#endif
