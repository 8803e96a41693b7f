/**
 * Reports student_registration_statistics and student_assessment_completion: the rows of
 * sb_registration.h as JSON. Only for state-level holders of their roles, who see all of the state: their
 * counts are exact, no small group is hidden. Source of the rules: docs/reporting.md, "Registration
 * reports".
 */

#include <string.h>
#include "report/sb_parts.h"
#include "report/sb_registration.h"

/* A number as it is shown; null blank. */
static void write_cell(sb_jw_t *w, const sb_reg_cell_t *cell)
{
    char buf[SB_REG_TEXT_SIZE];
    const char *text = sb_reg_text(buf, cell);

    if (*text) {
        sb_jw_raw(w, NULL, text, strlen(text));
    }
    else {
        sb_jw_null(w, NULL);
    }
}

static void write_place(sb_jw_t *w, sb_reg_kind_t kind, const sb_reg_place_t *place)
{
    sb_reg_cell_t cells[SB_REG_COLUMNS];

    sb_jw_object(w, NULL);
    sb_jw_str(w, "stateCode", place->state_code);
    sb_jw_str(w, "districtId", place->district_id);
    sb_jw_str(w, "schoolId", place->school_id);
    sb_jw_str(w, "state", place->state_name);
    sb_jw_str(w, "district", place->district_name);
    sb_jw_str(w, "school", place->school_name);
    sb_jw_array(w, "values");
    for (int line = 0; line < SB_REG_LINES; line++) {
        sb_reg_cells(cells, kind, place->counts, line);
        sb_jw_array(w, NULL);
        for (int c = 0; c < sb_reg_columns(kind); c++) {
            write_cell(w, &cells[c]);
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

static void write_all(sb_jw_t *w, sb_reg_kind_t kind, int year, const apr_array_header_t *years,
                      const apr_array_header_t *places, apr_pool_t *p)
{
    sb_jw_object(w, NULL);
    sb_jw_int(w, "academicYear", year);
    sb_years_json(w, "academic_years", years);
    sb_jw_array(w, "columns");
    for (int c = 0; c < sb_reg_columns(kind); c++) {
        sb_jw_str(w, NULL, sb_reg_title(kind, year, c, p));
    }
    sb_jw_end(w);
    sb_jw_array(w, "lines");
    for (int line = 0; line < SB_REG_LINES; line++) {
        sb_jw_object(w, NULL);
        sb_jw_str(w, "category", sb_reg_category(line));
        sb_jw_str(w, "value", sb_reg_value(line));
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_array(w, "rows");
    for (int i = 0; i < places->nelts; i++) {
        write_place(w, kind, &APR_ARRAY_IDX(places, i, sb_reg_place_t));
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

static apr_status_t shared(sb_jw_t *w, sb_jw_t *items, const sb_report_ctx_t *ctx,
                           sb_reg_kind_t kind, apr_pool_t *p)
{
    const char *district = sb_params_str(ctx->params, "districtId");
    const apr_array_header_t *years, *places;
    int year;
    apr_status_t rv = sb_years_of_registrations(&years, ctx, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    year = (int)sb_params_int(ctx->params, "academicYear",
                              years->nelts ? APR_ARRAY_IDX(years, 0, int) : 0);
    rv = sb_reg_find(&places, kind, year, district, ctx->db, ctx->schema, ctx->scope, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    write_all(w, kind, year, years, places, p);
    return sb_breadcrumb_json(items, NULL, ctx, &(sb_place_t){.district_id = district}, p);
}

static apr_status_t shared_statistics(sb_jw_t *w, sb_jw_t *items, const sb_report_ctx_t *ctx,
                                      apr_pool_t *p)
{
    return shared(w, items, ctx, SB_REG_STATISTICS, p);
}

static apr_status_t shared_completion(sb_jw_t *w, sb_jw_t *items, const sb_report_ctx_t *ctx,
                                      apr_pool_t *p)
{
    return shared(w, items, ctx, SB_REG_COMPLETION, p);
}

static apr_status_t run(sb_jw_t *w, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    (void)p;
    sb_jw_object(w, NULL);
    sb_jw_object(w, "context");
    sb_jw_raw(w, "items", ctx->items, ctx->items_len);
    sb_permissions_json(w, "permissions", ctx->user, ctx->tenants, sb_scope_state(ctx->scope),
                        sb_params_str(ctx->params, "districtId"), NULL);
    sb_jw_end(w);
    sb_identity_json(w, "user_info", ctx->user);
    sb_jw_end(w);
    return APR_SUCCESS;
}

static const sb_param_t params[] = {
    {.name = "stateCode",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z",
     .min_len = 2,
     .max_len = 2},
    {.name = "academicYear", .type = SB_PARAM_INTEGER},
    {.name = "districtId", .type = SB_PARAM_STRING, .chars = "a-zA-Z0-9-", .max_len = 50},
    {.name = NULL},
};

const sb_report_t sb_report_registration_statistics = {
    .name = "student_registration_statistics",
    .callable = "get_student_registration_statistics",
    .role = "SRSEXTRACTS",
    .params = params,
    .shared = shared_statistics,
    .run = run,
};

const sb_report_t sb_report_assessment_completion = {
    .name = "student_assessment_completion",
    .callable = "get_student_assessment_completion",
    .role = "SRCEXTRACTS",
    .params = params,
    .shared = shared_completion,
    .run = run,
};
