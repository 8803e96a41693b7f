#ifndef SB_FILE_H
#define SB_FILE_H

/** Files that are there whole or not at all. */

#include "core/sb_status.h"

/**
 * Read a whole file. @param max bytes; a longer file is SB_ETOOBIG. The content is NUL-terminated.
 */
apr_status_t sb_file_read(char **pdata, apr_size_t *plen, const char *path, apr_size_t max,
                          apr_pool_t *p) SB_MUST_CHECK;

/** Write by temporary name, fsync, rename, fsync of the directory. @param mode as for open(2) */
apr_status_t sb_file_write(const char *path, const void *data, apr_size_t len, int mode,
                           apr_pool_t *p) SB_MUST_CHECK;

/** mkdir -p. Existing directories are fine. */
apr_status_t sb_dir_make(const char *path, int mode, apr_pool_t *p) SB_MUST_CHECK;

/** rm -r; never follows a symbolic link. Nothing there is success. */
apr_status_t sb_dir_remove(const char *path, apr_pool_t *p) SB_MUST_CHECK;

/** Rename and make it durable (fsync of the target's directory). Same file system only. */
apr_status_t sb_file_move(const char *from, const char *to, apr_pool_t *p) SB_MUST_CHECK;

#endif
