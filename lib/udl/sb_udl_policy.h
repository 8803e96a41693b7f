#ifndef SB_UDL_POLICY_H
#define SB_UDL_POLICY_H

/**
 * What is done about a bad value: one table of column and issue for each format. Compatible by default (what the
 * original loaded still loads, with a warning); a tenant may be stricter, and where it is safe
 * laxer, by the key tenant.<tenant>.policy: a list of "code=action" or "Header/code=action" with
 * the codes of sb_udl_issue_info and the actions accept, warn, reject, fail; a header means that
 * column in each format that has it.
 */

#include <apr_tables.h>
#include "udl/sb_udl_columns.h"

#define SB_UDL_WHOLE_ROW SB_UDL_NCOLUMNS /* index for issues of no single column, of any format */

/** What to do, by column and issue: of sb_udl_action_t. */
typedef unsigned char sb_udl_actions_t[SB_UDL_NCOLUMNS + 1][SB_UDL_NISSUES];

typedef struct {
    sb_udl_actions_t of[SB_UDL_NFORMATS];
} sb_udl_policy_t;

/** @param rules texts as above, in order; the later wins. @return NULL, or the complaint */
const char *sb_udl_policy_make(sb_udl_policy_t *policy, const apr_array_header_t *rules,
                               apr_pool_t *p) SB_MUST_CHECK;

#endif
