#ifndef SB_FILE_H
#define SB_FILE_H

/** Files that are there whole or not at all. */

#include "core/sb_status.h"

/**
 * Read a whole file. @param max bytes; a longer file is SB_ETOOBIG. The content is NUL-terminated.
 */
apr_status_t sb_file_read(char **pdata, apr_size_t *plen, const char *path, apr_size_t max,
                          apr_pool_t *p) SB_MUST_CHECK;

/** Write all of it to an open file, however often that takes. @return errno */
apr_status_t sb_fd_write(int fd, const void *data, apr_size_t len) SB_MUST_CHECK;

/** Write by temporary name, fsync, rename, fsync of the directory. @param mode as for open(2) */
apr_status_t sb_file_write(const char *path, const void *data, apr_size_t len, int mode,
                           apr_pool_t *p) SB_MUST_CHECK;

/**
 * Open a directory below another one, going through no symbolic link and not up again.
 * @param below relative: "a/b"; "" is root itself, which may be a link
 * @param pfd   to be closed by the caller; -1 unless APR_SUCCESS
 * @return ELOOP or ENOTDIR something on the way is no directory
 */
apr_status_t sb_dir_open_below(int *pfd, const char *root, const char *below,
                               apr_pool_t *p) SB_MUST_CHECK;

/** mkdir -p. Existing directories are fine. */
apr_status_t sb_dir_make(const char *path, int mode, apr_pool_t *p) SB_MUST_CHECK;

/** rm -r; never follows a symbolic link. Nothing there is success. */
apr_status_t sb_dir_remove(const char *path, apr_pool_t *p) SB_MUST_CHECK;

/** Rename and make it durable (fsync of the target's directory). Same file system only. */
apr_status_t sb_file_move(const char *from, const char *to, apr_pool_t *p) SB_MUST_CHECK;

#endif
