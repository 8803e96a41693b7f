#ifndef SB_UDL_OPERATE_H
#define SB_UDL_OPERATE_H

/**
 * What an operator does to a batch: send it through again, or give it up. (Taking a promoted one back is
 * migrate/sb_withdraw.h.) Every call may be repeated, also after one that was killed half way: it finishes
 * what is left and says so. Workers and the conductor are kept out by their own locks, a second operator by
 * the row of the batch. Done things are recorded in the table operator_action.
 */

#include "udl/sb_udl_batches.h"
#include "udl/sb_udl_conf.h"

typedef enum { SB_BATCH_RETRY, SB_BATCH_DISCARD, SB_BATCH_WITHDRAW } sb_batch_verb_t;

/** "retry", "discard", "withdraw". */
const char *sb_batch_verb_name(sb_batch_verb_t verb);

/**
 * May this be done to a batch in its state?
 * @return NULL; or why not, and what to do instead, for people
 */
const char *sb_batch_refuses(const sb_batch_t *batch, sb_batch_verb_t verb, apr_pool_t *p);

/** Has it been done already? Then it may be asked for again, to finish what was left. */
int sb_batch_is_done(const sb_batch_t *batch, sb_batch_verb_t verb);

typedef struct {
    const sb_conf_t *conf; /* section app */
    const char *app;       /* application_name */
    const char *name;      /* of the operator */
    const char *reason;    /* in his words; NULL: none */
} sb_operator_t;

typedef struct {
    int already;         /* nothing was left to do: it had been done before */
    const char *guid;    /* retry: the batch that goes through the loader now */
    int same;            /* retry: it is the same batch, for it never ended: queued once more */
    int dropped;         /* discard: rows were in a batch schema, which is gone */
    const char *kept_in; /* discard: where the package is now; NULL: nowhere of ours */
} sb_operated_t;

/**
 * Send a batch through the loader again. One that ended keeps its record; its package becomes a new batch
 * with the same time of arrival, so that it keeps its place before packages that came later. A package
 * that is waiting for a worker, or whose worker is gone, is announced again under its own guid.
 * @param anyway also if a later batch with the same content is in production: its older results would
 *               replace newer ones
 * @param perror the complaint for the operator, unless APR_SUCCESS
 * @return APR_SUCCESS; SB_EINPUT it is refused; SB_EBUSY it has changed meanwhile; others as sb_db_exec
 *         and of files
 */
apr_status_t sb_batch_retry(sb_operated_t *done, const char **perror, sb_batches_t *b,
                            const sb_operator_t *who, const sb_batch_t *batch, int anyway,
                            apr_pool_t *p) SB_MUST_CHECK;

/**
 * Give a batch up: its rows are removed, its package goes to HISTORY/TENANT/discarded, it waits for
 * nothing and holds nobody back. One that had not failed yet counts as failed from now on, and its sender
 * is told so. Waits for a promotion that is running, whatever batch it is about, at most a minute.
 * @return as above; SB_EUNAVAILABLE also: the promotion takes longer
 */
apr_status_t sb_batch_discard(sb_operated_t *done, const char **perror, sb_batches_t *b,
                              const sb_operator_t *who, const sb_batch_t *batch,
                              apr_pool_t *p) SB_MUST_CHECK;

/** Record what was done by other means, unless the same was recorded for this batch before. */
apr_status_t sb_batch_record(sb_batches_t *b, const sb_operator_t *who, const char *action,
                             const sb_batch_t *batch, const char *detail,
                             apr_pool_t *p) SB_MUST_CHECK;

#endif
