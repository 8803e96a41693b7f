#ifndef SB_WARM_H
#define SB_WARM_H

/**
 * Making reports in advance, so that nobody waits for the first one behind a promotion: for each batch
 * that has come into production since, the view of its state and those of the districts it has
 * results in; every academic year without filters, the newest one also with the filters of
 * trigger.recache.filter.file. What is made is what the web tier would make and keep, by the same
 * code and under the same key; what it has made already is not made again.
 *
 * One at a time in an installation, one report at a time over one connection to each tenant's
 * database: readers are not disturbed. Needs no web node.
 */

#include "core/sb_conf.h"
#include "core/sb_status.h"

/** What became of one batch. */
typedef struct {
    const char *batch, *tenant;
    int districts;
    int reports; /* to be there */
    int failed;  /* of them; the batch is looked at again next time if there are any */
    double seconds;
} sb_warmed_t;

typedef struct {
    const sb_conf_t *conf;                           /* app:main */
    const char *app;                                 /* for pg_stat_activity */
    const char *tenant;                              /* only its batches; NULL: all */
    apr_interval_time_t limit;                       /* 0: as long as it takes */
    int (*stopping)(void);                           /* may be NULL; asked between reports */
    void (*report)(void *ctx, const sb_warmed_t *w); /* may be NULL */
    void (*progress)(void *ctx, const char *tenant, int done, int reports); /* may be NULL */
    void *ctx;
} sb_warm_opts_t;

typedef struct {
    int batches, failed; /* looked at, of which some report could not be made */
    int reports;
} sb_warm_result_t;

/**
 * @param perror what went wrong, for operators; NULL unless it fails as a whole
 * @return APR_SUCCESS it went through, see result; SB_EBUSY somebody else is doing it; APR_TIMEUP the limit
 *         is over, or it was asked to stop: the next run goes on; SB_ECONFIG the ini or the filter
 *         file; SB_EUNAVAILABLE the statistics database or the cache does not answer; SB_EDB
 */
apr_status_t sb_warm_run(sb_warm_result_t *result, const char **perror, const sb_warm_opts_t *opts,
                         apr_pool_t *p) SB_MUST_CHECK;

#endif
