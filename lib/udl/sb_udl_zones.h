#ifndef SB_UDL_ZONES_H
#define SB_UDL_ZONES_H

/** Where the files of a batch are: arrivals, work, history. Every call may be repeated. */

#include "udl/sb_udl_conf.h"

typedef struct {
    const sb_udl_conf_t *conf;
    const char *name;  /* of the package, "x.tar.gz.gpg" */
    const char *label; /* "<UTC time of arrival>_<batch guid>": the batch's directory everywhere */
    const char *package;   /* where the package is now */
    const char *scratch;   /* directory of this attempt alone */
    const char *decrypted; /* where its clear text goes, in scratch */
    apr_pool_t *p;
} sb_udl_zones_t;

/** @param claim whose attempt it is: each has a work directory of its own, those of others are removed */
apr_status_t sb_udl_zones_make(sb_udl_zones_t *z, const sb_udl_conf_t *conf, const char *package,
                               const char *guid, apr_time_t arrived, apr_int64_t claim,
                               apr_pool_t *p) SB_MUST_CHECK;

/** Move the package out of arrivals, unless an earlier attempt did. Its .done companion goes.
 *  @return APR_ENOENT it is in neither place; SB_EINPUT it is no regular file */
apr_status_t sb_udl_zones_take(sb_udl_zones_t *z) SB_MUST_CHECK;

/** Move the package to history. @param problem NULL, or why it failed: kept beside it */
apr_status_t sb_udl_zones_keep(sb_udl_zones_t *z, const char *problem) SB_MUST_CHECK;

/** The directory where keep puts it. */
const char *sb_udl_zones_kept_in(const sb_udl_zones_t *z, const char *problem);

/** The contrary of keep: from history to where a taken package lies. @return APR_ENOENT in neither */
apr_status_t sb_udl_zones_bring_back(sb_udl_zones_t *z) SB_MUST_CHECK;

/** Put a copy of a kept package where the taken package of another batch lies: a link where it can be. */
apr_status_t sb_udl_zones_repeat(const sb_udl_conf_t *conf, const char *kept, const char *guid,
                                 apr_time_t arrived, apr_pool_t *p) SB_MUST_CHECK;

/** Remove the attempt's work directories, but for a package that was taken and not kept. */
void sb_udl_zones_clean(sb_udl_zones_t *z);

/** Move a file out of arrivals; no symbolic link on the way below root is followed.
 *  @return APR_ENOENT it is not there; SB_EINPUT it is no regular file, or a link leads to it */
apr_status_t sb_udl_take_file(const char *root, const char *path, const char *to,
                              apr_pool_t *p) SB_MUST_CHECK;

/** Rename, or copy and remove where that is another file system. Whole or not at all. */
apr_status_t sb_udl_move_file(const char *from, const char *to, apr_pool_t *p) SB_MUST_CHECK;

#endif
