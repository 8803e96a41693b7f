/**
 * Which rows an extract has, said once: parameters, filters, and the scope.
 */

#include "extract/sb_extract_private.h"

#include <string.h>
#include <apr_strings.h>
#include "report/sb_asmt.h"
#include "report/sb_filter.h"

int sb_extract_is_block(const char *type)
{
    return !strcmp(type, SB_ASMT_BLOCKS);
}

const char *sb_extract_table(const sb_extract_t *x, const char *type, apr_pool_t *p)
{
    return sb_sql(p,
                  sb_extract_is_block(type) ? "{schema}.fact_block_asmt_outcome"
                                            : "{schema}.fact_asmt_outcome_vw",
                  "schema", x->schema, NULL);
}

const char *sb_extract_arg(apr_array_header_t *args, const char *value, apr_pool_t *p)
{
    APR_ARRAY_PUSH(args, const char *) = value;
    return apr_psprintf(p, "$%d", args->nelts);
}

int sb_extract_has_groups(const sb_extract_t *x)
{
    return sb_params_has(x->params, "studentGroupId");
}

/* An array literal of a list of parameters: ids, and texts of our own tables. */
static const char *array_of(const apr_array_header_t *list, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, list->nelts, sizeof(const char *));

    for (int i = 0; i < list->nelts; i++) {
        APR_ARRAY_PUSH(parts, const char *) =
            apr_pstrcat(p, "\"", APR_ARRAY_IDX(list, i, const char *), "\"", NULL);
    }
    return apr_pstrcat(p, "{", apr_array_pstrcat(p, parts, ','), "}", NULL);
}

static const char *in_list(const char *sql, const sb_extract_t *x, const char *param,
                           const char *column, apr_array_header_t *args, apr_pool_t *p)
{
    const apr_array_header_t *list = sb_params_list(x->params, param);

    return list ? apr_pstrcat(p, sql, " AND ", column, " = ANY(",
                              sb_extract_arg(args, array_of(list, p), p), "::text[])", NULL)
                : sql;
}

static const char *equals(const char *sql, const sb_extract_t *x, const char *param,
                          const char *column, apr_array_header_t *args, apr_pool_t *p)
{
    return apr_pstrcat(p, sql, " AND ", column, " = ",
                       sb_extract_arg(args, sb_params_str(x->params, param), p), NULL);
}

/* Of results: lists. */
static const char *where_results(const sb_extract_t *x, apr_array_header_t *args, apr_pool_t *p)
{
    static const struct {
        const char *param, *column;
    } lists[] = {{"asmtType", "f.asmt_type"},     {"asmtSubject", "f.asmt_subject"},
                 {"districtId", "i.district_id"}, {"schoolId", "i.school_id"},
                 {"asmtGrade", "f.asmt_grade"},   {"studentId", "f.student_id"}};
    const char *sql = "";

    for (apr_size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        sql = in_list(sql, x, lists[i].param, lists[i].column, args, p);
    }
    return apr_pstrcat(
        p, sql, " AND f.asmt_year = ",
        sb_extract_arg(args, APR_ARRAY_IDX(sb_params_list(x->params, "asmtYear"), 0, const char *),
                       p),
        "::smallint", NULL);
}

/* Of items and raw data: one assessment. */
static const char *where_one(const sb_extract_t *x, apr_array_header_t *args, apr_pool_t *p)
{
    const char *sql = equals("", x, "asmtType", "f.asmt_type", args, p);

    sql = equals(sql, x, "asmtSubject", "f.asmt_subject", args, p);
    sql = equals(sql, x, "asmtGrade", "f.asmt_grade", args, p);
    return apr_pstrcat(p, equals(sql, x, "asmtYear", "f.asmt_year", args, p), "::smallint", NULL);
}

const char *sb_extract_where(const sb_extract_t *x, apr_array_header_t *args, apr_pool_t *p)
{
    const char *sql =
        x->kind == SB_EXTRACT_ASSESSMENT ? where_results(x, args, p) : where_one(x, args, p);

    sql = apr_pstrcat(p, "f.rec_status = 'C'", sql, " AND ", sb_filter_sql(x->params, "f", args, p),
                      NULL);
    if (sb_extract_has_groups(x)) {
        sql = apr_pstrcat(p, sql, " AND ", sb_filter_groups_sql(x->params, "s", args, p), NULL);
    }
    return apr_pstrcat(p, sql, " AND ", sb_scope_sql(x->scope, "i", args->nelts + 1, args, p),
                       NULL);
}
