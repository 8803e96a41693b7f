#ifndef SB_WITHDRAW_RUN_H
#define SB_WITHDRAW_RUN_H

/** One withdrawal, as its two files share it. For nobody else. */

#include "migrate/sb_withdraw.h"
#include "migrate/sb_work.h"

typedef struct {
    sb_work_t w;
    sb_withdrawn_t *result;
    const char *first_id, *last_id; /* the batch's ids, as parameters */
} sb_withdrawal_t;

/** Take results back: facts, then the dimension rows that only they needed. */
apr_status_t sb_withdraw_results(sb_withdrawal_t *run) SB_MUST_CHECK;

#endif
