#ifndef SB_LIST_PAGE_H
#define SB_LIST_PAGE_H

/**
 * What a list of students needs besides students: the way to the place, when its assessments were
 * administered, how much is not stated, how many of the ten groups are in use there. It depends on the
 * place, the year and the data version, not on who asks; so a process that has found it out keeps it, and
 * the next list of the place asks for its students only.
 */

#include "report/sb_known.h"
#include "report/sb_parts.h"

#define SB_LIST_GROUPS 10 /* a student can be in */

typedef struct {
    const char *items, *administrations; /* JSON values */
    sb_not_stated_t not_stated;
    int groups; /* no student of the place is in a group of a higher number; SB_LIST_GROUPS not known */
    /* while it is asked */
    const char *key;
    int have;
    sb_rows_t *names, *dates, *counts, *used;
} sb_list_page_t;

/** Queue what this process does not have; in the transaction of the list. Sets groups.
 *  @param year decimal text */
void sb_list_page_queue(sb_list_page_t *page, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                        const sb_known_t *known, const sb_place_t *place, const char *asmt_type,
                        int year, apr_pool_t *p);

/** Take what came, and keep it. After the version was found to be the one of known. */
void sb_list_page_take(sb_list_page_t *page, const sb_report_ctx_t *ctx, const sb_place_t *place,
                       apr_pool_t *p);

#endif
