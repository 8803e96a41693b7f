#ifndef SB_LZ_DIR_H
#define SB_LZ_DIR_H

/**
 * Files below directories that hostile users write to. Everything is done by open directories and
 * single names, never by paths, and no symbolic link is followed: what a name means may change
 * between any two calls, but never leads elsewhere.
 */

#include <sys/stat.h>
#include <apr_tables.h>
#include "core/sb_status.h"

/** Is anything of that name in a directory? */
int sb_lz_is_there(int dir, const char *name);

/** Does a name end with this, and is more than this? */
int sb_lz_ends_with(const char *name, const char *tail);

/** Open a directory below another (AT_FDCWD: name is a path of ours). @return -1 with errno */
int sb_lz_dir_open(int at, const char *name);

/** The same, made if it is not there, with mode whatever the umask, and made durable.
 *  @return -1 with errno */
int sb_lz_dir_make(int at, const char *name, mode_t mode);

/** Names in a directory, without "." and "..", in order. @param max more are left out; 0: all */
apr_status_t sb_lz_dir_names(apr_array_header_t **pnames, int dir, int max,
                             apr_pool_t *p) SB_MUST_CHECK;

/** Open for reading what is a regular file. @return -1 with errno; EINVAL: it is something else */
int sb_lz_file_open(struct stat *st, int dir, const char *name);

/** rename(2) that replaces nothing: EEXIST */
apr_status_t sb_lz_rename(int from_dir, const char *from, int to_dir, const char *to) SB_MUST_CHECK;

/** Content of a small regular file, NUL-terminated. @return SB_ETOOBIG, SB_EINPUT no regular file */
apr_status_t sb_lz_file_text(char **ptext, int dir, const char *name, apr_size_t max,
                             apr_pool_t *p) SB_MUST_CHECK;

/** Does an open file have a hole? Then it is no package: what is not written takes no room at the sender's
 *  and all of it in a copy, and an upload of several parts at once that ended early leaves one. */
#define SB_LZ_HOLE "it has holes: an upload that was not finished?"
int sb_lz_has_hole(int fd, apr_int64_t size);

/** Give an open file or directory another owner, NULL: leave him; and a mode. Who is not root may give
 *  nothing away: that is no failure. */
apr_status_t sb_lz_settle(int fd, const struct stat *owner, mode_t mode) SB_MUST_CHECK;

/** Write a new file whole; not durable before the directory's file system is synced. By one descriptor
 *  from the beginning to the end: the directory may be somebody else's.
 *  @return EEXIST */
apr_status_t sb_lz_file_put(int dir, const char *name, const char *text, const struct stat *owner,
                            mode_t mode) SB_MUST_CHECK;

/**
 * Read a file once for its MD5, writing what is read to out (-1: nowhere).
 * @param size bytes, no more are read
 * @return APR_EOF it became shorter
 */
apr_status_t sb_lz_digest(const char **pmd5, int in, int out, apr_int64_t size,
                          apr_pool_t *p) SB_MUST_CHECK;

#endif
