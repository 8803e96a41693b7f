#ifndef SB_LZ_ACCOUNTS_H
#define SB_LZ_ACCOUNTS_H

/**
 * Tenants and users of the landing zone: directories, accounts, keys. Root's work. Each call may be
 * repeated: what is there already is left, what a call that died did not do is done. Only accounts
 * of the landing zone (its group, a home below sftp.user_home_base_dir) are ever touched.
 *
 * All of them return NULL, or a text for the operator.
 */

#include "lz/sb_lz_conf.h"

/** Base, zones, staging and key directory, and the group. */
const char *sb_lz_init(const sb_lz_conf_t *lz, apr_pool_t *p) SB_MUST_CHECK;

/** The contrary; refused while there are users, or files and not force. Staging stays. */
const char *sb_lz_cleanup(const sb_lz_conf_t *lz, int force, apr_pool_t *p) SB_MUST_CHECK;

const char *sb_lz_tenant_add(const sb_lz_conf_t *lz, const char *tenant,
                             apr_pool_t *p) SB_MUST_CHECK;

/** Refused while the tenant has users. */
const char *sb_lz_tenant_remove(const sb_lz_conf_t *lz, const char *tenant,
                                apr_pool_t *p) SB_MUST_CHECK;

/** @param keys of const char *, judged; may be empty. @param ptold what to say on success */
const char *sb_lz_user_add(const char **ptold, const sb_lz_conf_t *lz, const char *user,
                           const char *tenant, const char *role, const apr_array_header_t *keys,
                           apr_pool_t *p) SB_MUST_CHECK;

/** Account, keys and jail; refused while files lie in it and not force. Nobody of that name is success. */
const char *sb_lz_user_remove(const sb_lz_conf_t *lz, const char *user, int force,
                              apr_pool_t *p) SB_MUST_CHECK;

typedef struct {
    const char *name, *tenant, *role; /* tenant "-": none */
    int keys;
    int waiting, quarantined; /* files */
} sb_lz_user_t;

/** All accounts. @param pusers of sb_lz_user_t, by tenant and name */
const char *sb_lz_users(apr_array_header_t **pusers, const sb_lz_conf_t *lz,
                        apr_pool_t *p) SB_MUST_CHECK;

#endif
