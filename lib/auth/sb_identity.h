#ifndef SB_IDENTITY_H
#define SB_IDENTITY_H

/**
 * Who a signed-in person is and which places his roles reach. Built from what the identity provider says
 * (auth/sb_identity_parse.h), kept in the session, rebuilt from it at each request. No httpd, no Lasso.
 * Source of the rules: docs/security.md, "Roles and places".
 */

#include <apr_tables.h>
#include "core/sb_conf.h"
#include "core/sb_json.h"

typedef enum {               /* what a route asks for */
               SB_PERM_NONE, /* public */
               SB_PERM_VIEW,
               SB_PERM_LOGOUT,
               SB_PERM_DOWNLOAD,
               SB_PERM_LOAD,
               SB_PERM_DISPLAY_HOME,
               SB_PERM_SUPER_ADMIN
} sb_perm_t;

/** One role at one place; a NULL place means everything below the deepest given one. */
typedef struct {
    const char *role; /* of the role table, upper case */
    const char *tenant;
    const char *state_code;
    const char *district_id;
    const char *school_id;
} sb_grant_t;

/** The tenants this installation knows; from edware.db.<tenant>.* */
typedef struct {
    const char *name;
    const char *state_code;
} sb_tenant_t;

typedef struct {
    const char *uid, *guid, *email;
    const char *full_name, *first_name, *last_name; /* never logged */
    const apr_array_header_t *grants;  /* sb_grant_t, implied GENERAL included, no doubles */
    const apr_array_header_t *roles;   /* const char *, no doubles, {"NONE"} without grants */
    const apr_array_header_t *tenants; /* const char * */
    const apr_array_header_t *states;  /* const char * */
    int display_home;
    const char *batch; /* what an operator called a session for a program; NULL: a person */
} sb_identity_t;

/** @return array of sb_tenant_t in the order of names */
const apr_array_header_t *sb_tenants(const sb_conf_t *conf, apr_pool_t *p);
/** Those with a public copy, from edware.public.db.<tenant>.*; the state's code is the tenant's own if
 *  it has none there. @return as sb_tenants */
const apr_array_header_t *sb_tenants_public(const sb_conf_t *conf, apr_pool_t *p);
/** Tenant of a state, exact case; NULL if there is none. */
const char *sb_tenant_of_state(const apr_array_header_t *tenants, const char *state_code);

/** Derive roles, tenants, states and implied grants from raw grants (unknown role: GENERAL). */
void sb_identity_build(sb_identity_t *id, const apr_array_header_t *raw_grants,
                       const apr_array_header_t *tenants, apr_pool_t *p);

/** Guid and uid stand in for each other where one is missing.
 *  @return 0 both are: nobody could be told whose session it is, or who did something */
int sb_identity_is_somebody(sb_identity_t *id) SB_MUST_CHECK;

int sb_identity_may(const sb_identity_t *id, sb_perm_t perm);
/** Tenants the whole of which he holds it for: by a role for the tenant or its state, not for a part of them.
 *  @return array of const char * */
const apr_array_header_t *sb_identity_tenants_of(const sb_identity_t *id, sb_perm_t perm,
                                                 apr_pool_t *p);
/** For the whole of each of these? What all tenants share wants that. @param tenants sb_tenant_t */
int sb_identity_may_everywhere(const sb_identity_t *id, sb_perm_t perm,
                               const apr_array_header_t *tenants);
int sb_identity_has_role(const sb_identity_t *id, const char *role);
int sb_identity_has_tenant(const sb_identity_t *id, const char *tenant);

/** The wire object {"_User__info": .., "_User__context": ..} as a member or value. */
void sb_identity_json(sb_jw_t *w, const char *key, const sb_identity_t *id);

/** For the session record: everything needed to build the identity again. */
void sb_identity_save(sb_jw_t *w, const char *key, const sb_identity_t *id);
apr_status_t sb_identity_load(sb_identity_t *id, const sb_json_t *saved,
                              const apr_array_header_t *tenants, apr_pool_t *p) SB_MUST_CHECK;

#endif
