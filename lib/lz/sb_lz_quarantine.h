#ifndef SB_LZ_QUARANTINE_H
#define SB_LZ_QUARANTINE_H

/** Where files go that will never become complete: BASE/.quarantine/TENANT/USER/. */

#include "lz/sb_lz_conf.h"

/** What is known of the quarantine of the user that came last: counted once, not for each file. Zeroed
 *  at first. */
typedef struct {
    char whose[2 * SB_LZ_NAME_MAX + 2];
    int files;
    apr_int64_t bytes;
} sb_lz_room_t;

/**
 * Put a file out of its sender's reach, with NAME.reason beside it, and report it. A user's quarantine
 * holds at most sftp.user_max_files files and sftp.user_max_bytes bytes; what comes after that is
 * removed, and reported all the same.
 * @param dir the open directory it lies in
 */
apr_status_t sb_lz_quarantine(sb_lz_room_t *room, const sb_lz_conf_t *lz, int dir, const char *name,
                              const char *tenant, const char *user, const char *why,
                              apr_pool_t *p) SB_MUST_CHECK;

#endif
