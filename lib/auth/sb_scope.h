#ifndef SB_SCOPE_H
#define SB_SCOPE_H

/**
 * Row-level scope: what a query may see. No report or extract query runs without one; there is no
 * way to make one but the functions below. Opaque on purpose.
 */

#include "auth/sb_identity.h"

typedef struct sb_scope_t sb_scope_t;

/**
 * Scope for aggregates of one state (no individual student): any signed-in user of the tenant.
 * @return APR_SUCCESS; SB_EDENIED no such state, or the user does not belong to its tenant
 */
apr_status_t sb_scope_aggregates(const sb_scope_t **pscope, const sb_identity_t *id,
                                 const char *state_code, const apr_array_header_t *tenants,
                                 apr_pool_t *p) SB_MUST_CHECK;

/**
 * Scope of one role (PII, SAREXTRACTS, ...) in one state: the places his grants of that role reach.
 * @return APR_SUCCESS; SB_EDENIED the role is not held in that tenant
 */
apr_status_t sb_scope_role(const sb_scope_t **pscope, const sb_identity_t *id, const char *role,
                           const char *state_code, const apr_array_header_t *tenants,
                           apr_pool_t *p) SB_MUST_CHECK;

/**
 * Scope for the public copy of one state: anybody. Rows of production it does not open: there is no
 * public schema among the private pools, nor the other way round.
 * @param tenants of sb_tenants_public()
 * @return APR_SUCCESS; APR_NOTFOUND no such state, or it has no public copy
 */
apr_status_t sb_scope_public(const sb_scope_t **pscope, const char *state_code,
                             const apr_array_header_t *tenants, apr_pool_t *p) SB_MUST_CHECK;

/** Scope of a batch job; logged with its reason (SBLOGNO 1690). */
const sb_scope_t *sb_scope_system(const char *tenant, const char *state_code, const char *reason,
                                  apr_pool_t *p);

const char *sb_scope_tenant(const sb_scope_t *s);
const char *sb_scope_state(const sb_scope_t *s);
/** Does it reach every row of the state? */
int sb_scope_is_whole(const sb_scope_t *s);

/**
 * Row condition as SQL with parameters: "(t.district_id = ANY($5) ...)" or "true".
 * @param alias the table's alias in the query; column names are state_code, district_id, school_id
 * @param first number of the first free parameter; values are appended to args (const char *,
 *              PostgreSQL array literals)
 */
const char *sb_scope_sql(const sb_scope_t *s, const char *alias, int first,
                         apr_array_header_t *args, apr_pool_t *p);

/** Does it let every row of a school through? */
int sb_scope_reaches(const sb_scope_t *s, const char *district_id, const char *school_id);

/** A short text equal for equal row conditions, for cache keys; no ids in clear. */
const char *sb_scope_key(const sb_scope_t *s, apr_pool_t *p);

/** context.permissions: pii, sar_extracts, ... for a place (NULLs allowed), as a member.
 *  @param id NULL: nobody is signed in */
void sb_permissions_json(sb_jw_t *w, const char *key, const sb_identity_t *id,
                         const apr_array_header_t *tenants, const char *state_code,
                         const char *district_id, const char *school_id);

#endif
