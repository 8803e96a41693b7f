#ifndef SB_WHERE_H
#define SB_WHERE_H

/**
 * The place a report is about, as a condition of its queries. The parameters are called districtId and
 * schoolId everywhere.
 */

#include "report/sb_report.h"

/**
 * State, district, school, and what the scope lets through.
 * @param alias of dim_inst_hier in the query
 * @param args  const char *; values are appended, the first of them is $nelts+1
 */
const char *sb_where_sql(const sb_report_ctx_t *ctx, const char *alias, apr_array_header_t *args,
                         apr_pool_t *p);

/** The rule between the two. @return NULL or the complaint */
const char *sb_where_check(const sb_params_t *params);

/** The member "context" of a report that is shared: the way here, and what the user may do there. */
void sb_where_context_json(sb_jw_t *w, const sb_report_ctx_t *ctx);

/** Rows of a sb_param_t table. */
#define SB_WHERE_PARAMS                                                                            \
    {.name = "stateCode",                                                                          \
     .type = SB_PARAM_STRING,                                                                      \
     .required = 1,                                                                                \
     .chars = "a-zA-Z",                                                                            \
     .min_len = 2,                                                                                 \
     .max_len = 2},                                                                                \
        {.name = "districtId", .type = SB_PARAM_STRING, .chars = "a-zA-Z0-9-", .max_len = 50},     \
    {                                                                                              \
        .name = "schoolId", .type = SB_PARAM_STRING, .chars = "a-zA-Z0-9-", .max_len = 50          \
    }

#endif
