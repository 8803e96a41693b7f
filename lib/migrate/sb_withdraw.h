#ifndef SB_WITHDRAW_H
#define SB_WITHDRAW_H

/**
 * Taking a promoted batch back: afterwards production is as if the batch had never been sent, and the
 * batches after it as if they had found what was there before.
 *
 * Its rows are removed, superseded ones too. A row it made I or D takes the place of the row that
 * replaced it: current again if that one was current, otherwise ended by whichever later batch ended that
 * one. So withdrawing Y after X brings back what was there before X. A dimension row of the batch that
 * results of later batches refer to stays, and is from then on a row of the first of them. Of a
 * registration the snapshot before it returns.
 *
 * All of it is one transaction under the lock of promotion; data_version rises, batch_applied keeps the
 * batch with the time of its withdrawal: nobody promotes it again, and its package has to be sent again
 * for that. udl_stats.load_status becomes migrate.withdrawn after the commit.
 */

#include "core/sb_conf.h"
#include "store/sb_db.h"

typedef struct {
    apr_int64_t leaving;   /* rows that are removed */
    apr_int64_t returning; /* rows that are current again */
    apr_int64_t kept;      /* rows that stay because results of later batches refer to them */
} sb_withdrawn_dim_t;

typedef struct {
    const char *batch, *tenant;
    const char *load_type;    /* assessment | studentregistration */
    const char *content_key;  /* asmt:GUID | reg:YEAR:SYSTEM; NULL: promoted before it was kept */
    const char *applied_at;   /* ISO 8601, UTC; NULL: not in production */
    const char *withdrawn_at; /* likewise; NULL: not yet. After sb_withdraw() always set */
    int already;              /* it was withdrawn before this call: the counts are 0 */
    int later;                /* batches promoted after it and still in production */
    apr_int64_t leaving;      /* results or registered students that are removed ... */
    apr_int64_t current;      /* ... of which readers see now */
    apr_int64_t returning;    /* results or registered students that readers see again */
    sb_withdrawn_dim_t asmt, inst_hier, student;
    apr_int64_t data_version; /* of the withdrawal */
} sb_withdrawn_t;

typedef struct {
    const sb_conf_t *conf; /* section app:main */
    const char *app;       /* application_name */
    const char *batch;     /* guid, straight from an operator */
} sb_withdraw_opts_t;

/**
 * What would happen: does all of it and rolls back, so the counts are exact. Readers notice nothing;
 * promotions wait as long as it takes (seconds for 100,000 rows).
 * @param perror the complaint, to be shown to the operator; NULL on success
 * @return APR_SUCCESS, also if it is withdrawn already (result->already);
 *         APR_NOTFOUND there is no such batch;
 *         SB_EINPUT it cannot be withdrawn: it is not in production; its tenant is none of the
 *         configuration; it was promoted before it was written down which batch ended which row; it is a
 *         registration which a later one of the same system and year has replaced, or whose
 *         predecessor is not kept any more (one is);
 *         SB_ECONFIG a setting is missing; SB_EUNAVAILABLE a database went away; others as sb_db_exec
 */
apr_status_t sb_withdraw_plan(sb_withdrawn_t *result, const char **perror,
                              const sb_withdraw_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

/** Do it. Again is harmless, and finishes what died between the commit and the status. @return as above */
apr_status_t sb_withdraw(sb_withdrawn_t *result, const char **perror,
                         const sb_withdraw_opts_t *opts, apr_pool_t *p) SB_MUST_CHECK;

#endif
