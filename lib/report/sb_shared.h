#ifndef SB_SHARED_H
#define SB_SHARED_H

/**
 * The part of a response that is equal for everybody who may ask: made once for each data version and
 * kept in memcached for all web nodes. The key holds tenant, data version, report, parameters in their
 * canonical form and the row condition of the scope, so a promotion outdates exactly its tenant's
 * answers and nobody gets what another's scope let through. A dead cache costs a query, not an error.
 * Behind memcached each process keeps what it used lately, under the same keys.
 */

#include "report/sb_report.h"

typedef struct {
    const char *object; /* JSON: the members that are shared */
    apr_size_t len;
    const char *items; /* JSON: the breadcrumb */
    apr_size_t items_len;
    const char *hash;  /* SHA-256 of both, as hex */
    apr_status_t kept; /* is it in the cache now? SB_EUNAVAILABLE, SB_ETOOBIG if not */
} sb_shared_t;

/**
 * Get it from the cache or make it, in a snapshot of its own; ctx gets a connection if it needs one. Of
 * many who miss at once, on any node, one makes it and the others wait for him, up to a few seconds.
 * @return as sb_report_make
 */
apr_status_t sb_shared_find(sb_shared_t *shared, const sb_report_t *report, sb_report_ctx_t *ctx,
                            apr_pool_t *p) SB_MUST_CHECK;

#endif
