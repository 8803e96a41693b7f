#ifndef SB_ARCHIVE_H
#define SB_ARCHIVE_H

/**
 * Reading a package's .tar.gz: member by member, block by block, nothing written. Only gzip and
 * only tar; only regular files with harmless names; with limits, for whoever made it may be hostile.
 */

#include "core/sb_status.h"

typedef struct {
    int max_entries;       /* 0: 16 */
    apr_int64_t max_bytes; /* of all members together; 0: 16 GiB */
    int max_ratio;         /* bytes out a byte in, judged above 16 MiB out; 0: 250 */
} sb_archive_limits_t;

typedef struct sb_archive_t sb_archive_t;

/** @return APR_SUCCESS; SB_EINPUT no gzipped tar; APR_ENOENT. The archive is closed with p. */
apr_status_t sb_archive_open(sb_archive_t **pa, const char *path, const sb_archive_limits_t *limits,
                             apr_pool_t *p) SB_MUST_CHECK;

/**
 * Go to the next member.
 * @param pname its base name, valid as long as the archive
 * @return APR_SUCCESS; APR_EOF no more; SB_EINPUT damaged, or a member that is no regular file, has
 *         an absolute name, or one with ".."; SB_ETOOBIG over a limit
 */
apr_status_t sb_archive_next(const char **pname, apr_int64_t *psize, sb_archive_t *a) SB_MUST_CHECK;

/** The next block of the member, valid until the next call. @return APR_EOF at its end; as above */
apr_status_t sb_archive_read(const char **pdata, apr_size_t *plen, sb_archive_t *a) SB_MUST_CHECK;

/** Bytes of the file that were read so far. */
apr_int64_t sb_archive_position(const sb_archive_t *a);

/** What is wrong, as a sentence for the sender; NULL unless a call failed. */
const char *sb_archive_problem(const sb_archive_t *a);

#endif
