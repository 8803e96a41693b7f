#ifndef SB_VERSION_H
#define SB_VERSION_H

/**
 * The data version of a production schema, as one process knows it. Asking the database at every request
 * would cost the busy moments most; so what was asked a few hundredths of a second ago still counts. What
 * a promotion brings is seen SB_VERSION_AGE after its commit at the latest, on a quiet server at once.
 */

#include "report/sb_report.h"

/** How old an answer may be: asked for again after half of it, by one thread, while others go by it. */
#define SB_VERSION_AGE 0.05 /* seconds */

/** One row of one text. The number alone does not name what is there for ever: after a restore, or in another
 *  schema that a tenant is moved to, the same numbers come again with other data. */
#define SB_VERSION_SQL                                                                             \
    "SELECT version || '.' || (extract(epoch FROM changed_at) * 1e6)::bigint"                      \
    "  FROM {schema}.data_version"

apr_status_t sb_versions_make(sb_versions_t **pversions, apr_pool_t *p) SB_MUST_CHECK;

/**
 * @param pversion in p; NULL the schema holds none
 * @param ctx      its versions may be NULL: the database is always asked. It gets a connection if it
 *                 needs one
 * @return as sb_db_query
 */
apr_status_t sb_version_find(const char **pversion, sb_report_ctx_t *ctx,
                             apr_pool_t *p) SB_MUST_CHECK;

/** Always ask, on ctx->db: for what is made inside a snapshot. */
apr_status_t sb_version_ask(const char **pversion, const sb_report_ctx_t *ctx,
                            apr_pool_t *p) SB_MUST_CHECK;

#endif
