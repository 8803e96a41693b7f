#ifndef SB_ZIP_H
#define SB_ZIP_H

/** Writing a zip file on the stream: members of unknown length, nothing held in memory. */

#include "core/sb_status.h"

typedef struct sb_zip_t sb_zip_t;

/** The file appears under its name only with sb_zip_end; until then, or if p is cleared, it is not there.
 *  @param mode as for open(2) */
apr_status_t sb_zip_begin(sb_zip_t **pz, const char *path, int mode, apr_pool_t *p) SB_MUST_CHECK;

/** The next member; ends the one before. */
apr_status_t sb_zip_member(sb_zip_t *z, const char *name) SB_MUST_CHECK;

/** Bytes of the member. Failures are kept, and come out of sb_zip_member and sb_zip_end. */
void sb_zip_write(sb_zip_t *z, const void *data, apr_size_t len);

apr_status_t sb_zip_end(sb_zip_t *z) SB_MUST_CHECK;

#endif
