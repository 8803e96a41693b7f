#ifndef SB_UDL_OUTCOME_H
#define SB_UDL_OUTCOME_H

/**
 * What a sender can use: two files beside the package in history, NAME.errors.csv and NAME.outcome.json
 * (NAME is the package's without .tar.gz.gpg), and copies of them in the tenant's reports directory.
 * Both are made anew from what the database says, so a call may be repeated: the loader makes them when
 * the batch ends, the notifier again once promotion has spoken. docs/loader.md describes them.
 */

#include "store/sb_db.h"

typedef struct {
    sb_db_t *udl; /* the loader's database */
    const char *udl_schema;
    sb_db_t *stats; /* may be the same connection */
    const char *stats_schema;
    const char *reports_dir; /* where the tenant's copies go; NULL: nowhere */
} sb_udl_outcome_t;

/**
 * Write the files of a batch. Neither connection may be inside a transaction.
 * @return APR_SUCCESS, also for a batch that is kept nowhere; APR_ENOENT its directory in history is not
 *         there; others: the database, or the disk
 */
apr_status_t sb_udl_outcome_write(const sb_udl_outcome_t *where, const char *batch,
                                  apr_pool_t *p) SB_MUST_CHECK;

#endif
