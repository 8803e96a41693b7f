#ifndef SB_PROMOTE_RUN_H
#define SB_PROMOTE_RUN_H

/**
 * One promotion, as its files share it: sb_promote.c (transaction, ids, mark), sb_promote_results.c
 * (dimensions and facts), sb_promote_registration.c (snapshot). For nobody else.
 */

#include "migrate/sb_promote.h"
#include "migrate/sb_work.h"

#define SB_FOREVER "99991231"

typedef struct {
    sb_work_t w;
    const sb_promote_job_t *job;
    sb_promoted_t *result;
    apr_array_header_t **pbad;
    const char *content_key;   /* what the batch delivers */
    apr_int64_t base, last_id; /* its ids: base itself, then base + n for line n */
    const char *base_arg;      /* base as a parameter */
} sb_promotion_t;

/** Results: everything but the mark. */
apr_status_t sb_promote_results(sb_promotion_t *run) SB_MUST_CHECK;
/** A registration: likewise. */
apr_status_t sb_promote_registration(sb_promotion_t *run) SB_MUST_CHECK;

/**
 * Compare the batch with what the loader stored, and reserve its ids.
 * @param lines    of the batch
 * @param last_line the highest number of them
 * @return SB_EINPUT lines are missing
 */
apr_status_t sb_promote_reserve(sb_promotion_t *run, apr_int64_t lines,
                                apr_int64_t last_line) SB_MUST_CHECK;

#endif
