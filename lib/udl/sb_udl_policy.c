/* The policy table: defaults, and a tenant's changes. */

#include <string.h>

#include <apr_strings.h>

#include "udl/sb_udl_policy.h"

static int issue_of(const char *code, apr_size_t len)
{
    int i;

    for (i = SB_UDL_FINE + 1; i < SB_UDL_NISSUES; i++) {
        if (strlen(sb_udl_issue_info[i].code) == len &&
            !memcmp(sb_udl_issue_info[i].code, code, len)) {
            return i;
        }
    }
    return -1;
}

static int action_of(const char *word)
{
    static const char *const words[] = {"accept", "warn", "reject", "fail"};
    int i;

    for (i = 0; i < 4; i++) {
        if (!strcmp(word, words[i])) {
            return i;
        }
    }
    return -1;
}

/* @return was there such a column? */
static int set_action(sb_udl_policy_t *policy, const char *header, apr_size_t len, int issue,
                      int action)
{
    int f, i, any = 0;

    for (f = 0; f < SB_UDL_NFORMATS; f++) {
        int column = header ? sb_udl_column_index(&sb_udl_formats[f], header, len) : -1;

        for (i = 0; i <= SB_UDL_WHOLE_ROW; i++) {
            if (!header || column == i) {
                policy->of[f][i][issue] = (unsigned char)action;
                any = 1;
            }
        }
    }
    return any;
}

static const char *apply(sb_udl_policy_t *policy, const char *rule, apr_pool_t *p)
{
    const char *slash = strchr(rule, '/'), *equal = strchr(rule, '=');
    const char *code = slash && equal && slash < equal ? slash + 1 : rule;
    int issue = equal ? issue_of(code, (apr_size_t)(equal - code)) : -1;
    int action = equal ? action_of(equal + 1) : -1;

    if (issue >= 0 && action >= 0 && action < (int)sb_udl_issue_info[issue].least) {
        return apr_psprintf(p, "'%s': such values are never loaded", rule);
    }
    if (issue < 0 || action < 0 ||
        !set_action(policy, code == rule ? NULL : rule, (apr_size_t)(code - rule - 1), issue,
                    action)) {
        return apr_psprintf(
            p,
            "'%s' is no policy: want CODE=ACTION or Header/CODE=ACTION, action one of"
            " accept, warn, reject, fail",
            rule);
    }
    return NULL;
}

const char *sb_udl_policy_make(sb_udl_policy_t *policy, const apr_array_header_t *rules,
                               apr_pool_t *p)
{
    const char *problem = NULL;
    int i;

    for (i = 0; i < SB_UDL_NISSUES; i++) {
        set_action(policy, NULL, 0, i, sb_udl_issue_info[i].action);
    }
    for (i = 0; rules && i < rules->nelts && !problem; i++) {
        problem = apply(policy, APR_ARRAY_IDX(rules, i, const char *), p);
    }
    return problem;
}
