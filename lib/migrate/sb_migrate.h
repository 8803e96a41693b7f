#ifndef SB_MIGRATE_H
#define SB_MIGRATE_H

/**
 * One run of the migration: every batch that waits, of all configured tenants, in the order of
 * arrival, each on its own. A batch that fails leaves production as it was and stops no other. One
 * whose turn it is not (sb_order.h) stays udl.ingested, and so does one whose database is away.
 *
 * Status in udl_stats: udl.ingested -> migrate.in_process -> migrate.ingested | migrate.failed. Order of
 * one batch: in_process, promote and commit, ingested, drop its schema. Whatever dies in between, the
 * next run asks the production schema (batch_applied) how far it came and goes on from there. A batch
 * that was withdrawn is never promoted again: migrate.withdrawn.
 */

#include "core/sb_conf.h"
#include "migrate/sb_promote.h"

typedef struct {
    const char *batch, *tenant, *load_type;
    const char *status; /* udl_stats.load_status now */
    const char *error;  /* NULL if it is not migrate.failed */
    double seconds;
    sb_promoted_t promoted;
} sb_migrated_t;

/** Called after each batch. */
typedef void sb_migrate_report_fn(void *ctx, const sb_migrated_t *batch);

typedef struct {
    const sb_conf_t *conf; /* section app:main */
    const char *app;       /* application_name */
    const char *tenant;    /* only this one; NULL: all configured */
    int (*stopping)(void); /* asked between batches; NULL: never */
    sb_migrate_report_fn *report;
    void *ctx;
} sb_migrate_opts_t;

typedef struct {
    int done, failed; /* batches */
} sb_migrate_result_t;

/**
 * Run once.
 * @param perror the complaint about the run, not about a batch; NULL on success
 * @return APR_SUCCESS, also when batches failed; SB_EBUSY another run is at it;
 *         SB_EUNAVAILABLE a database went away: the rest waits for the next run;
 *         SB_ECONFIG a setting is missing; others as sb_db_exec
 */
apr_status_t sb_migrate_run(sb_migrate_result_t *result, const char **perror,
                            const sb_migrate_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

#endif
