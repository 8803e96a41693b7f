#ifndef SB_MULTIPART_H
#define SB_MULTIPART_H

/**
 * multipart/form-data (RFC 7578, RFC 2046 5.1) as it arrives: the content of one file part is handed on piece
 * by piece, so that its length costs no memory. Other fields are skipped.
 */

#include "core/sb_status.h"

#define SB_MULTIPART_HEADER_MAX 4096   /* bytes of a part's header */
#define SB_MULTIPART_PARTS_MAX 16      /* parts of any name */
#define SB_MULTIPART_SKIPPED_MAX 65536 /* bytes that are not the content of the file */

typedef struct sb_multipart_t sb_multipart_t;

/** Takes a piece of the file. Anything but APR_SUCCESS ends the reading, and comes out of sb_multipart_feed. */
typedef apr_status_t sb_multipart_fn(void *ctx, const void *data, apr_size_t len);

/**
 * @param content_type of the request: "multipart/form-data; boundary=.."
 * @param name  of the part that is wanted; it must be a file: have a "filename"
 * @return NULL, or why the content type will not do
 */
const char *sb_multipart_make(sb_multipart_t **pm, const char *content_type, const char *name,
                              sb_multipart_fn *fn, void *ctx, apr_pool_t *p) SB_MUST_CHECK;

/**
 * The next bytes, cut anywhere.
 * @return APR_SUCCESS; SB_EINPUT broken, and sb_multipart_error() says how; SB_ETOOBIG too much beside the
 *         file; SB_ECONFLICT the part a second time; what fn returned
 */
apr_status_t sb_multipart_feed(sb_multipart_t *m, const void *data, apr_size_t len) SB_MUST_CHECK;

/**
 * There is no more.
 * @return APR_SUCCESS the part was there, whole; APR_NOTFOUND it was not there; SB_EINPUT the last boundary
 *         is missing: the sender broke off
 */
apr_status_t sb_multipart_end(sb_multipart_t *m) SB_MUST_CHECK;

/** What was wrong, in words for the sender. Never NULL. */
const char *sb_multipart_error(const sb_multipart_t *m);

#endif
