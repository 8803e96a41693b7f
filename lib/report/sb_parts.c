/**
 * Academic years, breadcrumb, not-stated counts.
 */

#include "report/sb_parts.h"

#include <string.h>
#include <apr_strings.h>

/* ---- years ----------------------------------------------------------------------------------- */

static const apr_array_header_t *ints_of(const sb_rows_t *rows, apr_pool_t *p)
{
    apr_array_header_t *years = apr_array_make(p, 8, sizeof(int));

    for (int i = 0; i < sb_rows_count(rows); i++) {
        APR_ARRAY_PUSH(years, int) = (int)sb_rows_int(rows, i, 0, 0);
    }
    return years;
}

apr_status_t sb_years_of_assessments(const apr_array_header_t **pyears, const sb_report_ctx_t *ctx,
                                     apr_pool_t *p)
{
    static const sb_stmt_t st = {"report_years", 1,
                                 "SELECT DISTINCT asmt_period_year FROM {schema}.dim_asmt"
                                 " ORDER BY 1 DESC LIMIT $1::int"};
    apr_int64_t back = sb_conf_int(ctx->conf, "smarter.reports.year_back");
    const char *args[] = {apr_psprintf(p, "%" APR_INT64_T_FMT, back > 0 ? back : 1)};
    sb_rows_t *rows;
    apr_status_t rv;

    *pyears = NULL;
    rv = sb_db_query(&rows, ctx->db, &st, args, p);
    if (rv == APR_SUCCESS) {
        *pyears = ints_of(rows, p);
    }
    return rv;
}

apr_status_t sb_years_of_registrations(const apr_array_header_t **pyears,
                                       const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    /* From year to year by the index: DISTINCT would read millions of rows for a handful of years. */
    static const sb_stmt_t st = {
        "report_registration_years", 1,
        "WITH RECURSIVE y AS (SELECT max(academic_year) AS year FROM {schema}.student_reg"
        " UNION ALL SELECT (SELECT max(r.academic_year) FROM {schema}.student_reg r"
        "   WHERE r.academic_year < y.year) FROM y WHERE y.year IS NOT NULL)"
        " SELECT year FROM y WHERE EXISTS (SELECT FROM {schema}.student_reg r"
        "   WHERE r.academic_year = y.year AND r.state_code = $1) ORDER BY 1 DESC"};
    const char *args[] = {sb_scope_state(ctx->scope)};
    sb_rows_t *rows;
    apr_status_t rv;

    *pyears = NULL;
    rv = sb_db_query(&rows, ctx->db, &st, args, p);
    if (rv == APR_SUCCESS) {
        *pyears = ints_of(rows, p);
    }
    return rv;
}

int sb_year_asked(const sb_params_t *params, const apr_array_header_t *years)
{
    apr_int64_t newest = years && years->nelts > 0 ? APR_ARRAY_IDX(years, 0, int) : 0;
    apr_int64_t year = sb_params_int(params, "asmtYear", 0);

    year = year ? year : newest; /* 0 has always meant: none given */
    return year > 0 && year <= 9999 ? (int)year : 0;
}

void sb_years_json(sb_jw_t *w, const char *key, const apr_array_header_t *years)
{
    sb_jw_array(w, key);
    for (int i = 0; i < years->nelts; i++) {
        sb_jw_int(w, NULL, APR_ARRAY_IDX(years, i, int));
    }
    sb_jw_end(w);
}

/* ---- breadcrumb ------------------------------------------------------------------------------ */

static const char *const states[][2] = {
    {"AK", "Alaska"},         {"AL", "Alabama"},
    {"AR", "Arkansas"},       {"AZ", "Arizona"},
    {"CA", "California"},     {"CO", "Colorado"},
    {"CT", "Connecticut"},    {"DC", "District of Columbia"},
    {"DE", "Delaware"},       {"FL", "Florida"},
    {"GA", "Georgia"},        {"HI", "Hawaii"},
    {"IA", "Iowa"},           {"ID", "Idaho"},
    {"IL", "Illinois"},       {"IN", "Indiana"},
    {"KS", "Kansas"},         {"KY", "Kentucky"},
    {"LA", "Louisiana"},      {"MA", "Massachusetts"},
    {"MD", "Maryland"},       {"ME", "Maine"},
    {"MI", "Michigan"},       {"MN", "Minnesota"},
    {"MO", "Missouri"},       {"MS", "Mississippi"},
    {"MT", "Montana"},        {"NC", "North Carolina"},
    {"ND", "North Dakota"},   {"NE", "Nebraska"},
    {"NH", "New Hampshire"},  {"NJ", "New Jersey"},
    {"NM", "New Mexico"},     {"NV", "Nevada"},
    {"NY", "New York"},       {"OH", "Ohio"},
    {"OK", "Oklahoma"},       {"OR", "Oregon"},
    {"PA", "Pennsylvania"},   {"RI", "Rhode Island"},
    {"SC", "South Carolina"}, {"SD", "South Dakota"},
    {"TN", "Tennessee"},      {"TX", "Texas"},
    {"UT", "Utah"},           {"VA", "Virginia"},
    {"VT", "Vermont"},        {"WA", "Washington"},
    {"WI", "Wisconsin"},      {"WV", "West Virginia"},
    {"WY", "Wyoming"},
};

const char *sb_state_name(const char *code)
{
    for (apr_size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (!strcmp(states[i][0], code)) {
            return states[i][1];
        }
    }
    return "Example State";
}

static void write_item(sb_jw_t *w, const char *type, const char *name, const char *id)
{
    sb_jw_object(w, NULL);
    sb_jw_str(w, "type", type);
    sb_jw_str(w, "name", name);
    if (id) {
        sb_jw_str(w, "id", id);
    }
    sb_jw_end(w);
}

void sb_breadcrumb_queue(sb_rows_t **prows, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                         const sb_place_t *place)
{
#define NAMES                                                                                      \
    "SELECT district_name, school_name FROM {schema}.dim_inst_hier"                                \
    " WHERE state_code = $1 AND rec_status = 'C'"
    static const sb_stmt_t of_state = {"report_state_place", 1, NAMES " LIMIT 1"};
    static const sb_stmt_t of_district = {"report_district_place", 2,
                                          NAMES " AND district_id = $2 LIMIT 1"};
    static const sb_stmt_t of_school = {"report_school_place", 3,
                                        NAMES " AND district_id = $2 AND school_id = $3 LIMIT 1"};
    const char *args[] = {sb_scope_state(ctx->scope), place->district_id, place->school_id};

    sb_pipe_query(prows, pipe,
                  !place->district_id ? &of_state
                  : !place->school_id ? &of_district
                                      : &of_school,
                  args);
}

void sb_breadcrumb_write(sb_jw_t *w, const char *key, const sb_report_ctx_t *ctx,
                         const sb_place_t *place, const sb_place_names_t *names)
{
    const char *state = sb_scope_state(ctx->scope), *district = place->district_id,
               *school = district ? place->school_id : NULL;

    sb_jw_array(w, key);
    write_item(w, "home", "Home", NULL);
    if (names) {
        sb_jw_object(w, NULL);
        sb_jw_str(w, "type", "state");
        sb_jw_str(w, "name", sb_state_name(state));
        if (!ctx->sid) { /* in public addresses the state has another name */
            sb_jw_str(w, "stateCode", state);
        }
        sb_jw_str(w, "id", ctx->sid ? ctx->sid : state);
        sb_jw_end(w);
        if (district) {
            write_item(w, "district", names->district, district);
        }
        if (school) {
            write_item(w, "school", names->school, school);
        }
        if (school && place->grade) {
            write_item(w, "grade", place->grade, place->grade);
        }
        if (school && place->student) {
            write_item(w, "student", place->student, NULL);
        }
    }
    sb_jw_end(w);
}

void sb_breadcrumb_rows_json(sb_jw_t *w, const char *key, const sb_report_ctx_t *ctx,
                             const sb_place_t *place, const sb_rows_t *rows)
{
    sb_place_names_t names = {0};

    if (sb_rows_count(rows) > 0) {
        names = (sb_place_names_t){sb_rows_text(rows, 0, 0), sb_rows_text(rows, 0, 1)};
    }
    sb_breadcrumb_write(w, key, ctx, place, sb_rows_count(rows) > 0 ? &names : NULL);
}

apr_status_t sb_breadcrumb_json(sb_jw_t *w, const char *key, const sb_report_ctx_t *ctx,
                                const sb_place_t *place, apr_pool_t *p)
{
    sb_pipe_t *pipe = sb_pipe_make(ctx->db, p);
    sb_rows_t *rows;
    apr_status_t rv;

    sb_breadcrumb_queue(&rows, pipe, ctx, place);
    rv = sb_pipe_run(pipe);
    if (rv == APR_SUCCESS) {
        sb_breadcrumb_rows_json(w, key, ctx, place, rows);
    }
    return rv;
}

/* ---- not stated ------------------------------------------------------------------------------ */

void sb_not_stated_queue(sb_rows_t **prows, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                         const char *asmt_type, int year, const char *district_id,
                         const char *school_id, apr_pool_t *p)
{
    static const char select[] =
        "SELECT sum(c.n)::bigint, sum(c.ns_ethnicity)::bigint, sum(c.ns_sex)::bigint,"
        "       sum(c.ns_504)::bigint, sum(c.ns_iep)::bigint, sum(c.ns_lep)::bigint,"
        "       sum(c.ns_mig)::bigint"
        "  FROM {schema}.report_count c"
        "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
        " WHERE h.state_code = $1 AND c.asmt_type = $2 AND c.asmt_year = $3::smallint";
    apr_array_header_t *args = apr_array_make(p, 8, sizeof(const char *));
    const char *sql, *place; /* before the scope adds to args */

    APR_ARRAY_PUSH(args, const char *) = sb_scope_state(ctx->scope);
    APR_ARRAY_PUSH(args, const char *) = asmt_type;
    APR_ARRAY_PUSH(args, const char *) = apr_itoa(p, year);
    if (district_id) {
        APR_ARRAY_PUSH(args, const char *) = district_id;
    }
    if (district_id && school_id) {
        APR_ARRAY_PUSH(args, const char *) = school_id;
    }
    place = args->nelts > 4   ? " AND h.district_id = $4 AND h.school_id = $5"
            : args->nelts > 3 ? " AND h.district_id = $4"
                              : "";
    sql = apr_pstrcat(p, select, place, " AND (",
                      sb_scope_sql(ctx->aggregates, "h", args->nelts + 1, args, p), ")", NULL);
    sb_pipe_query_text(prows, pipe, "report_not_stated",
                       sb_sql(p, sql, "schema", ctx->schema, NULL), args->nelts,
                       (const char *const *)args->elts);
}

void sb_not_stated_take(sb_not_stated_t *n, const sb_rows_t *rows)
{
    *n = (sb_not_stated_t){sb_rows_int(rows, 0, 0, 0), sb_rows_int(rows, 0, 1, 0),
                           sb_rows_int(rows, 0, 2, 0), sb_rows_int(rows, 0, 3, 0),
                           sb_rows_int(rows, 0, 4, 0), sb_rows_int(rows, 0, 5, 0),
                           sb_rows_int(rows, 0, 6, 0)};
}

apr_status_t sb_not_stated_find(sb_not_stated_t *n, const sb_report_ctx_t *ctx,
                                const char *asmt_type, int year, const char *district_id,
                                const char *school_id, apr_pool_t *p)
{
    sb_pipe_t *pipe = sb_pipe_make(ctx->db, p);
    sb_rows_t *rows;
    apr_status_t rv;

    sb_not_stated_queue(&rows, pipe, ctx, asmt_type, year, district_id, school_id, p);
    rv = sb_pipe_run(pipe);
    if (rv == APR_SUCCESS) {
        sb_not_stated_take(n, rows);
    }
    return rv;
}

void sb_not_stated_hide(sb_not_stated_t *n)
{
    apr_int64_t *all[] = {&n->total,       &n->ethnicity,   &n->sex,        &n->dmg_prg_504,
                          &n->dmg_prg_iep, &n->dmg_prg_lep, &n->dmg_sts_mig};

    for (apr_size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        *all[i] = *all[i] ? -1 : 0;
    }
}

void sb_not_stated_json(sb_jw_t *w, const char *key, const sb_not_stated_t *n)
{
    sb_jw_object(w, key);
    sb_jw_int(w, "total", n->total);
    sb_jw_int(w, "ethnicity", n->ethnicity);
    sb_jw_int(w, "sex", n->sex);
    sb_jw_int(w, "dmgPrg504", n->dmg_prg_504);
    sb_jw_int(w, "dmgPrgIep", n->dmg_prg_iep);
    sb_jw_int(w, "dmgPrgLep", n->dmg_prg_lep);
    sb_jw_int(w, "dmgStsMig", n->dmg_sts_mig);
    sb_jw_end(w);
}
