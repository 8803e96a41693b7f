#ifndef SB_FILTER_H
#define SB_FILTER_H

/**
 * Demographic filters, the same for every report and extract: rows of a parameter schema, and the
 * SQL condition they make. Values of one filter are alternatives, filters are combined with AND.
 * Source of the rules: docs/reporting.md, "Filters".
 */

#include "report/sb_params.h"

/* Rows of a sb_param_t table. */
#define SB_FILTER_PARAMS                                                                           \
    {.name = "dmgPrgLep", .type = SB_PARAM_STRINGS, .values = sb_filter_yes_no_ns},                \
        {.name = "dmgPrgIep", .type = SB_PARAM_STRINGS, .values = sb_filter_yes_no_ns},            \
        {.name = "dmgPrg504", .type = SB_PARAM_STRINGS, .values = sb_filter_yes_no_ns},            \
        {.name = "dmgStsEcd", .type = SB_PARAM_STRINGS, .values = sb_filter_yes_no},               \
        {.name = "dmgStsMig", .type = SB_PARAM_STRINGS, .values = sb_filter_yes_no_ns},            \
        {.name = "ethnicity", .type = SB_PARAM_STRINGS, .values = sb_filter_ethnicity},            \
        {.name = "sex", .type = SB_PARAM_STRINGS, .values = sb_filter_sex},                        \
        {.name = "grade", .type = SB_PARAM_STRINGS, .values = sb_filter_grade},                    \
    {                                                                                              \
        .name = "complete", .type = SB_PARAM_STRINGS, .values = sb_filter_yes_no_ns                \
    }
#define SB_FILTER_GROUPS                                                                           \
    {                                                                                              \
        .name = "studentGroupId", .type = SB_PARAM_STRINGS, .chars = "a-zA-Z0-9-", .max_len = 50   \
    }
extern const char *const sb_filter_yes_no[];
extern const char *const sb_filter_yes_no_ns[];
extern const char *const sb_filter_ethnicity[];
extern const char *const sb_filter_sex[];
extern const char *const sb_filter_grade[];

/** Is one of the filters or studentGroupId among the parameters? An empty list counts. */
int sb_filter_any(const sb_params_t *params);

/**
 * Go through the filters that restrict something.
 * @param pi    0 to begin with
 * @param plist values, any of which will do; an empty list lets nobody through
 * @return its name; NULL after the last
 */
const char *sb_filter_next(int *pi, const apr_array_header_t **plist, const sb_params_t *params);

/**
 * The condition as SQL: "(f.dmg_prg_iep = true) AND f.asmt_grade = ANY($4)", or "true".
 * An empty list of a program or of grades is ignored; of ethnicity, sex or complete it is false.
 * @param alias the fact table's alias in the query
 * @param args  const char *; the condition's parameters are appended and numbered from its length
 *              on: the first becomes $nelts+1
 */
const char *sb_filter_sql(const sb_params_t *params, const char *alias, apr_array_header_t *args,
                          apr_pool_t *p);

/**
 * The condition of student groups, as above: one of the ten groups of a student is one of those asked
 * for. An empty list is false.
 * @param alias of dim_student
 */
const char *sb_filter_groups_sql(const sb_params_t *params, const char *alias,
                                 apr_array_header_t *args, apr_pool_t *p);

/**
 * Which of the conditions above a result fails, as a number: a bit for each filter, and one for student
 * groups. 0: it passes them all.
 */
const char *sb_filter_fails_sql(const sb_params_t *params, const char *fact, const char *student,
                                apr_array_header_t *args, apr_pool_t *p);

#endif
