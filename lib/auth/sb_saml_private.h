#ifndef SB_SAML_PRIVATE_H
#define SB_SAML_PRIVATE_H

/** What sb_saml.c and sb_saml_logout.c share; nobody else includes it. */

#include <lasso/lasso.h>
#include "auth/sb_saml.h"

struct sb_saml_t {
    const sb_saml_config_t *config;
    LassoServer *server;
    sb_dbpool_t *replay;
    const apr_array_header_t *tenants;
};

/** A new random message id; NULL when the CSPRNG fails. */
const char *sb_saml_new_id(apr_pool_t *p);
/** Replace a text of Lasso's, which it will free. */
void sb_saml_set(gchar **ptext, const char *text);
/** Lasso says no: a word for the security event. */
const char *sb_saml_lasso_reason(int rc, apr_pool_t *p);
/** Log that Lasso could not do it. @return APR_EGENERAL */
apr_status_t sb_saml_failed(const char *doing, int rc);
/** Cleanup of a pool for a GObject. */
apr_status_t sb_saml_free_object(void *object);

#endif
