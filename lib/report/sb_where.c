/**
 * Conditions of a place.
 */

#include "report/sb_where.h"

#include <apr_strings.h>

const char *sb_where_check(const sb_params_t *params)
{
    return sb_params_has(params, "schoolId") && !sb_params_has(params, "districtId")
               ? "schoolId: needs districtId"
               : NULL;
}

static const char *equals(const char *sql, const char *alias, const char *column, const char *value,
                          apr_array_header_t *args, apr_pool_t *p)
{
    APR_ARRAY_PUSH(args, const char *) = value;
    return apr_psprintf(p, "%s%s%s.%s = $%d", sql, *sql ? " AND " : "", alias, column, args->nelts);
}

const char *sb_where_sql(const sb_report_ctx_t *ctx, const char *alias, apr_array_header_t *args,
                         apr_pool_t *p)
{
    const char *sql = equals("", alias, "state_code", sb_scope_state(ctx->scope), args, p);

    if (sb_params_has(ctx->params, "districtId")) {
        sql = equals(sql, alias, "district_id", sb_params_str(ctx->params, "districtId"), args, p);
    }
    if (sb_params_has(ctx->params, "schoolId")) {
        sql = equals(sql, alias, "school_id", sb_params_str(ctx->params, "schoolId"), args, p);
    }
    return apr_pstrcat(p, sql, " AND (", sb_scope_sql(ctx->scope, alias, args->nelts + 1, args, p),
                       ")", NULL);
}

void sb_where_context_json(sb_jw_t *w, const sb_report_ctx_t *ctx)
{
    sb_jw_object(w, "context");
    sb_jw_raw(w, "items", ctx->items, ctx->items_len);
    sb_permissions_json(w, "permissions", ctx->user, ctx->tenants, sb_scope_state(ctx->scope),
                        sb_params_str(ctx->params, "districtId"),
                        sb_params_str(ctx->params, "schoolId"));
    sb_jw_end(w);
}
