#ifndef SB_TENANT_KEYS_H
#define SB_TENANT_KEYS_H

/** The keys a tenant has in the ini: for sb_tenant_*.c. */

#include "core/sb_conf_edit.h"
#include "tenant/sb_tenant.h"

typedef enum {
    SB_TENANT_STATE,
    SB_TENANT_SCHEMA,
    SB_TENANT_SENDERS,
    SB_TENANT_SIGNED,
    SB_TENANT_WEB_URL, /* databases: as the reports' role */
    SB_TENANT_LOADER_URL
} sb_tenant_value_t;

typedef struct {
    const char *section, *name; /* with "<tenant>" */
    sb_tenant_value_t value;
} sb_tenant_key_t;

extern const sb_tenant_key_t sb_tenant_keys[]; /* ended by name NULL */

/** Which of a tenant: "edware.db.<tenant>.url" becomes "edware.db.nc.url". */
const char *sb_tenant_key(const sb_tenant_key_t *key, const char *tenant, apr_pool_t *p);

/** What keys beside it begin with: "edware.db.". */
const char *sb_tenant_family(const sb_tenant_key_t *key, apr_pool_t *p);

/** Connect. @return NULL, or the complaint: what says which database */
const char *sb_tenant_connect(sb_db_t **pdb, const char *what, const char *url, const char *schema,
                              apr_pool_t *p) SB_MUST_CHECK;

/** Say what the ini of the pickup zone wants, which may be on another machine: who signs in there has a state
 *  by it. Nothing where there is no pickup zone. @param state NULL: the tenant goes */
void sb_tenant_pickup(const char *name, const char *state, sb_tenant_say_fn *say,
                      const sb_tenant_conf_t *conf, apr_pool_t *p);

/** Run operator.reload, or say what to do. */
const char *sb_tenant_reload(int wanted, int dry_run, sb_tenant_say_fn *say,
                             const sb_tenant_conf_t *conf, apr_pool_t *p) SB_MUST_CHECK;

/** Note what was done: operator_action and audit stream. */
const char *sb_tenant_note(const char *action, const char *tenant, const char *detail,
                           const sb_tenant_conf_t *conf, apr_pool_t *p) SB_MUST_CHECK;

/** "ZONE/TENANT" of a zone of the loader: arrivals, work, history. NULL: the zone is not configured */
const char *sb_tenant_zone(const sb_tenant_conf_t *conf, const char *zone, const char *tenant,
                           apr_pool_t *p);

#endif
