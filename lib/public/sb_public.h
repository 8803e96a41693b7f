#ifndef SB_PUBLIC_H
#define SB_PUBLIC_H

/**
 * The public copy of a tenant: its production without persons, in a schema and under a role of its own,
 * perhaps on another server. Made anew as a whole from one snapshot of production, aside; then, in one
 * transaction, by renaming, it takes the place of the one before. Readers see the one or the other.
 * What is copied and what becomes of ids: sql/public and public/sb_veil.h.
 *
 * A run that was killed leaves the old copy served, and at most a schema NAME_new or NAME_old, which the
 * next run removes.
 */

#include <apr_tables.h>
#include "core/sb_conf.h"
#include "core/sb_status.h"

typedef struct {
    const sb_conf_t *conf; /* section app:main */
    const char *app;       /* as databases know us */
    int force;             /* copy also if production is unchanged */
    int (*stopping)(void); /* asked between tables */
} sb_public_opts_t;

typedef struct {
    int copied;               /* 0: production is as it was when the copy was made */
    apr_int64_t rows;         /* if copied */
    apr_int64_t data_version; /* of production */
} sb_public_result_t;

/** Tenants that have a public copy: those with edware.public.db.<tenant>.url. @return of const char * */
const apr_array_header_t *sb_public_tenants(const sb_conf_t *conf, apr_pool_t *p);

/** Code of its state; "" none is set. */
const char *sb_public_state(const sb_conf_t *conf, const char *tenant);

/**
 * Bring the public copy of one tenant up to date.
 * @param perror why, with the database or the table; NULL on success
 * @return APR_SUCCESS; SB_EBUSY another one is at it; SB_ECONFIG a key is missing, or there is a schema
 *         of that name which is no public copy; APR_EINTR told to stop; others as sb_db_exec
 */
apr_status_t sb_public_copy(sb_public_result_t *result, const char **perror, const char *tenant,
                            const sb_public_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

#endif
