/**
 * Demographic filters as SQL.
 */

#include "report/sb_filter.h"

#include <string.h>
#include <apr_strings.h>

const char *const sb_filter_yes_no[] = {"Y", "N", NULL};
const char *const sb_filter_yes_no_ns[] = {"Y", "N", "NS", NULL};
const char *const sb_filter_ethnicity[] = {"0", "1", "2", "3", "4", "5", "6", "7", NULL};
const char *const sb_filter_sex[] = {"male", "female", "not_stated", NULL};
const char *const sb_filter_grade[] = {"03", "04", "05", "06", "07", "08", "11", NULL};

typedef enum {
    FLAG,   /* a boolean column: Y, N, NS are true, false, NULL */
    NUMBER, /* smallint */
    SEX,    /* not_stated is stored as NS by the loader, as not_stated by older systems */
    TEXT
} kind_t;

static const struct {
    const char *name;
    const char *column;
    kind_t kind;
    int empty_is_false;
} filters[] = {
    {"dmgPrgLep", "dmg_prg_lep", FLAG, 0},
    {"dmgPrgIep", "dmg_prg_iep", FLAG, 0},
    {"dmgPrg504", "dmg_prg_504", FLAG, 0},
    {"dmgStsEcd", "dmg_sts_ecd", FLAG, 0},
    {"dmgStsMig", "dmg_sts_mig", FLAG, 0},
    {"ethnicity", "dmg_eth_derived", NUMBER, 1},
    {"sex", "sex", SEX, 1},
    {"grade", "asmt_grade", TEXT, 0},
    {"complete", "complete", FLAG, 1},
};
#define SB_FILTER_GROUP_COLUMNS 10
#define NFILTERS (sizeof(filters) / sizeof(filters[0]))

int sb_filter_any(const sb_params_t *params)
{
    for (apr_size_t i = 0; i < NFILTERS; i++) {
        if (sb_params_has(params, filters[i].name)) {
            return 1;
        }
    }
    return sb_params_has(params, "studentGroupId");
}

const char *sb_filter_next(int *pi, const apr_array_header_t **plist, const sb_params_t *params)
{
    while (*pi < (int)NFILTERS) {
        int i = (*pi)++;

        if (sb_params_has(params, filters[i].name)) {
            *plist = sb_params_list(params, filters[i].name);
            if ((*plist)->nelts > 0 || filters[i].empty_is_false) {
                return filters[i].name;
            }
        }
    }
    return NULL;
}

static const char *flag_sql(const char *column, const apr_array_header_t *list, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, list->nelts, sizeof(const char *));

    for (int i = 0; i < list->nelts; i++) {
        const char *value = APR_ARRAY_IDX(list, i, const char *);
        const char *test = !strcmp(value, "Y")   ? " IS TRUE"
                           : !strcmp(value, "N") ? " IS FALSE"
                                                 : " IS NULL";

        APR_ARRAY_PUSH(parts, const char *) = apr_pstrcat(p, i ? " OR " : "", column, test, NULL);
    }
    return apr_pstrcat(p, "(", apr_array_pstrcat(p, parts, 0), ")", NULL);
}

/* An array literal. The values come from the tables above: they need no quoting inside the braces. */
static const char *list_sql(const char *column, kind_t kind, const apr_array_header_t *list,
                            apr_array_header_t *args, apr_pool_t *p)
{
    apr_array_header_t *values = apr_array_copy(p, list);
    const char *type = kind == NUMBER ? "smallint[]" : "text[]";

    for (int i = 0; i < list->nelts && kind == SEX; i++) {
        if (!strcmp(APR_ARRAY_IDX(list, i, const char *), "not_stated")) {
            APR_ARRAY_PUSH(values, const char *) = "NS";
        }
    }
    APR_ARRAY_PUSH(args, const char *) =
        apr_pstrcat(p, "{", apr_array_pstrcat(p, values, ','), "}", NULL);
    return apr_psprintf(p, "%s = ANY($%d::%s)", column, args->nelts, type);
}

/* The condition of one filter; NULL: it restricts nothing. */
static const char *one_sql(apr_size_t i, const sb_params_t *params, const char *alias,
                           apr_array_header_t *args, apr_pool_t *p)
{
    const char *column = apr_pstrcat(p, alias, ".", filters[i].column, NULL);
    const apr_array_header_t *list;

    if (!sb_params_has(params, filters[i].name)) {
        return NULL;
    }
    list = sb_params_list(params, filters[i].name);
    if (list->nelts == 0) {
        return filters[i].empty_is_false ? "false" : NULL;
    }
    return filters[i].kind == FLAG ? flag_sql(column, list, p)
                                   : list_sql(column, filters[i].kind, list, args, p);
}

const char *sb_filter_sql(const sb_params_t *params, const char *alias, apr_array_header_t *args,
                          apr_pool_t *p)
{
    const char *sql = NULL;

    for (apr_size_t i = 0; i < NFILTERS; i++) {
        const char *test = one_sql(i, params, alias, args, p);

        if (test) {
            sql = sql ? apr_pstrcat(p, sql, " AND ", test, NULL) : test;
        }
    }
    return sql ? sql : "true";
}

const char *sb_filter_fails_sql(const sb_params_t *params, const char *fact, const char *student,
                                apr_array_header_t *args, apr_pool_t *p)
{
    const char *sql = "0";

    for (apr_size_t i = 0; i <= NFILTERS; i++) {
        const char *test = i < NFILTERS ? one_sql(i, params, fact, args, p)
                           : sb_params_has(params, "studentGroupId")
                               ? sb_filter_groups_sql(params, student, args, p)
                               : NULL;

        if (test) {
            sql = apr_psprintf(p, "%s + CASE WHEN %s THEN 0 ELSE %u END", sql, test, 1U << i);
        }
    }
    return apr_pstrcat(p, "(", sql, ")", NULL);
}

const char *sb_filter_groups_sql(const sb_params_t *params, const char *alias,
                                 apr_array_header_t *args, apr_pool_t *p)
{
    const apr_array_header_t *list;
    apr_array_header_t *columns;

    if (!sb_params_has(params, "studentGroupId")) {
        return "true";
    }
    list = sb_params_list(params, "studentGroupId");
    columns = apr_array_make(p, SB_FILTER_GROUP_COLUMNS, sizeof(const char *));
    for (int i = 1; i <= SB_FILTER_GROUP_COLUMNS; i++) {
        APR_ARRAY_PUSH(columns, const char *) = apr_psprintf(p, "%s.group_%d_id", alias, i);
    }
    APR_ARRAY_PUSH(args, const char *) =
        apr_pstrcat(p, "{", apr_array_pstrcat(p, list, ','), "}", NULL);
    return apr_psprintf(p, "(ARRAY[%s] && $%d::varchar[])", apr_array_pstrcat(p, columns, ','),
                        args->nelts);
}
