#ifndef SB_UDL_CONF_H
#define SB_UDL_CONF_H

/** The loader's settings for one tenant, read from the ini once a batch. */

#include "core/sb_conf.h"
#include "store/sb_db.h"
#include "udl/sb_udl_policy.h"

typedef struct {
    const char *tenant;
    const char *state_code; /* NULL: rows of any state */
    const char *arrivals, *work, *history;
    const char *reports_dir; /* copies of outcome files; NULL: nowhere */
    const char *gpg_home, *passphrase;
    const char *const *senders; /* ended by NULL */
    int require_signature;
    const char *udl_url, *udl_schema;
    const char *stats_url, *stats_schema;
    const char *const *target_urls; /* where batch schemas are made; at least one, ended by NULL */
    apr_int64_t max_package_bytes, max_unpacked_bytes;
    int max_members, max_ratio, max_rejected_rows;
    int keep_failed_schema;
    int notification_max_attempts;
    apr_int64_t notification_retry_secs, notification_timeout_secs;
    sb_udl_policy_t policy;
} sb_udl_conf_t;

/** Can text be a tenant's name: a lower-case letter, then at most 31 of a-z, 0-9 and '_'? */
int sb_udl_is_tenant(const char *text);

/** @return NULL, or the complaint: an unknown tenant, or a key that is missing or wrong */
const char *sb_udl_conf_read(const sb_udl_conf_t **pconf, const sb_conf_t *ini, const char *tenant,
                             apr_pool_t *p) SB_MUST_CHECK;

/** Connect to the first of the target databases that answers. @return SB_EUNAVAILABLE none does */
apr_status_t sb_udl_conf_target(sb_db_t **pdb, const sb_udl_conf_t *conf, const char *app,
                                apr_pool_t *p) SB_MUST_CHECK;

#endif
