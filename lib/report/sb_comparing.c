/**
 * Reports comparing_populations and public.comparing_populations: the children of a place (districts of
 * a state, schools of a district, grades of a school) side by side, a population bar per subject, and
 * their sum.
 *
 * Steps: count and judge (sb_bars.h); without filters find children that have interim results only; write.
 * All of that is shared by the users of a tenant; permissions and user_info are added behind it. Source of
 * the rules: docs/reporting.md, "Comparing populations".
 */

#include <stdlib.h>
#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include "report/sb_bars.h"
#include "report/sb_filter.h"
#include "report/sb_where.h"

typedef struct {
    const sb_report_ctx_t *ctx;
    apr_pool_t *p;
    const char *state_code, *district_id, *school_id;
    int year;
    int filtered, averages;
    sb_metadata_t metadata;
    sb_bars_t bars;
    apr_hash_t
        *interim; /* id of a child -> int *, of a subject by number: has it interim results? */
} work_t;

/* ---- interim presence ------------------------------------------------------------------------ */

/* What a child is on this page: its id and its name, of dim_inst_hier h or a table with grades. */
static const char *child_sql(const work_t *k, const char *grades)
{
    return k->school_id     ? apr_psprintf(k->p, "%s.asmt_grade, %s.asmt_grade", grades, grades)
           : k->district_id ? "h.school_id, h.school_name"
                            : "h.district_id, h.district_name";
}

static const char *interim_sql(const work_t *k, apr_array_header_t *args)
{
    apr_pool_t *p = k->p;
    const char *place;

    APR_ARRAY_PUSH(args, const char *) = apr_itoa(p, k->year);
    place = sb_where_sql(k->ctx, "h", args, p);

    return apr_psprintf(
        p,
        "SELECT %s, c.asmt_subject"
        "  FROM {schema}.report_count c"
        "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
        " WHERE %s AND c.asmt_year = $1::smallint AND c.asmt_type = 'INTERIM COMPREHENSIVE'"
        "   AND c.n > 0"
        " UNION "
        "SELECT %s, s.asmt_subject"
        "  FROM {schema}.dim_inst_hier h CROSS JOIN {schema}.subject s%s"
        " WHERE %s AND EXISTS (SELECT 1 FROM {schema}.fact_block_asmt_outcome f"
        "       WHERE f.asmt_year = $1::smallint AND f.asmt_type = 'INTERIM ASSESSMENT BLOCKS'"
        "         AND f.rec_status = 'C' AND f.district_id = h.district_id"
        "         AND f.school_id = h.school_id AND f.inst_hier_rec_id = h.inst_hier_rec_id"
        "         AND f.asmt_subject = s.asmt_subject%s)"
        " ORDER BY 2, 1",
        child_sql(k, "c"), place, child_sql(k, "g"),
        /* grades have no table of their own: those the school has blocks of */
        k->school_id ? " CROSS JOIN LATERAL (SELECT DISTINCT b.asmt_grade"
                       "  FROM {schema}.fact_block_asmt_outcome b"
                       " WHERE b.asmt_year = $1::smallint"
                       "   AND b.asmt_type = 'INTERIM ASSESSMENT BLOCKS' AND b.rec_status = 'C'"
                       "   AND b.district_id = h.district_id AND b.school_id = h.school_id) AS g"
                     : "",
        place, k->school_id ? " AND f.asmt_grade = g.asmt_grade" : "");
}

static apr_status_t find_interim(work_t *k)
{
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    const char *sql;
    sb_rows_t *rows;
    apr_status_t rv;

    sql = sb_sql(k->p, interim_sql(k, args), "schema", k->ctx->schema, NULL);
    rv = sb_db_query_text(&rows, k->ctx->db, sql, args->nelts, (const char *const *)args->elts,
                          k->p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (int i = 0; i < sb_rows_count(rows); i++) {
        int s = sb_subjects_index(&k->metadata.subjects, sb_rows_text(rows, i, 2));
        const char *id = sb_rows_text(rows, i, 0);
        int *has = apr_hash_get(k->interim, id, APR_HASH_KEY_STRING);

        if (s < 0) {
            continue;
        }
        if (!has) {
            has = apr_pcalloc(k->p, (apr_size_t)k->metadata.subjects.n * sizeof(int));
            apr_hash_set(k->interim, id, APR_HASH_KEY_STRING, has);
            (void)sb_bars_row(&k->bars, &k->metadata, id, sb_rows_text(rows, i, 1), k->p);
        }
        has[s] = 1;
    }
    return APR_SUCCESS;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void judge(sb_population_t *pop, const work_t *k, const sb_bar_t *bar, int s)
{
    sb_bar_population(pop, bar, k->metadata.subjects.levels[s], k->metadata.min_cell);
}

/* Results of a child with summative rows, or of the sum.
 * @param has_interim of a subject by number; NULL: none of any */
static void write_results(sb_jw_t *w, const work_t *k, const sb_bars_row_t *c,
                          const int *has_interim)
{
    sb_population_t pop, all;

    sb_jw_object(w, "results");
    for (int s = 0; s < k->metadata.subjects.n; s++) {
        judge(&pop, k, &c->bar[s], s);
        sb_jw_object(w, sb_subject_aliases[s]);
        sb_jw_str(w, "asmt_subject", k->metadata.subjects.name[s]);
        sb_population_json(w, &pop, k->averages ? &c->bar[s].scores : NULL, k->metadata.coding);
        if (k->filtered) {
            sb_bar_population_all(&all, &c->bar[s], k->metadata.subjects.levels[s],
                                  k->metadata.min_cell);
            sb_jw_int(w, "unfilteredTotal", all.total);
        }
        if (has_interim && pop.total == 0) {
            sb_jw_bool(w, "hasInterim", has_interim[s]);
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

/* Results of a child with interim rows only: the levels of the sum, nothing in them. */
static void write_interim_results(sb_jw_t *w, const work_t *k, const int *has_interim)
{
    sb_population_t sum;

    sb_jw_object(w, "results");
    for (int s = 0; s < k->metadata.subjects.n; s++) {
        judge(&sum, k, &k->bars.sum.bar[s], s);
        sb_jw_object(w, sb_subject_aliases[s]);
        sb_jw_str(w, "asmt_subject", k->metadata.subjects.name[s]);
        sb_jw_int(w, "total", has_interim[s] ? -1 : 0);
        sb_jw_bool(w, "hasInterim", has_interim[s]);
        sb_jw_array(w, "intervals");
        for (int i = 0; i < sum.n; i++) {
            sb_jw_object(w, NULL);
            sb_jw_int(w, "level", sum.level[i]);
            sb_jw_int(w, "count", -1);
            sb_jw_int(w, "percentage", -1);
            sb_jw_end(w);
        }
        sb_jw_end(w);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

static void write_child(sb_jw_t *w, const work_t *k, const sb_bars_row_t *c)
{
    const int *has_interim = apr_hash_get(k->interim, c->id, APR_HASH_KEY_STRING);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "rowId", c->id);
    sb_jw_str(w, "id", c->id);
    sb_jw_str(w, "name", c->name);
    if (c->seen) {
        write_results(w, k, c, has_interim);
    }
    else {
        write_interim_results(w, k, has_interim);
    }
    sb_jw_object(w, "params");
    sb_jw_str(w, k->ctx->sid ? "sid" : "stateCode", k->ctx->sid ? k->ctx->sid : k->state_code);
    sb_jw_str(w, "id", c->id);
    if (k->district_id) {
        sb_jw_str(w, "districtId", k->district_id);
    }
    if (k->school_id) {
        sb_jw_str(w, "schoolId", k->school_id);
    }
    if (k->ctx->sid) {
        sb_jw_bool(w, "isPublic", 1);
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

static int by_name(const void *a, const void *b)
{
    const sb_bars_row_t *x = *(const sb_bars_row_t *const *)a;
    const sb_bars_row_t *y = *(const sb_bars_row_t *const *)b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->id, y->id);
}

/* ---- the report ------------------------------------------------------------------------------ */

static const char *check(const sb_params_t *params)
{
    const char *complaint = sb_where_check(params);

    return complaint ? complaint
           : sb_params_has(params, "studentGroupId") &&
                   sb_params_list(params, "studentGroupId")->nelts > 1
               /* a list less one of its groups would tell who is in that one only */
               ? "studentGroupId: one group at a time"
               : NULL;
}

static apr_status_t find(work_t *k, const apr_array_header_t **pyears)
{
    apr_status_t rv = sb_years_of_assessments(pyears, k->ctx, k->p);

    if (rv == APR_SUCCESS) {
        k->year = sb_year_asked(k->ctx->params, *pyears);
        rv = sb_metadata_find(&k->metadata, k->ctx, k->p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_bars_find(&k->bars, k->ctx, &k->metadata, k->year, k->district_id, k->school_id,
                          k->averages, k->p);
    }
    if (rv == APR_SUCCESS && !k->filtered) {
        rv = find_interim(k);
    }
    return rv;
}

/* Anybody may ask for public answers, and for as many different ones as there are filters, years and made-up
 * places. Kept are those a page begins with; the others must not push out what is worth more. */
static int is_passing(const work_t *k, int nrecords)
{
    return k->ctx->sid && (k->filtered || nrecords == 0);
}

static void write_shared(sb_jw_t *w, work_t *k, const apr_array_header_t *years)
{
    const apr_array_header_t *rows = k->bars.rows;
    int nrecords = 0;

    qsort(rows->elts, (size_t)rows->nelts, sizeof(sb_bars_row_t *), by_name);
    sb_jw_object(w, NULL);
    sb_metadata_json(w, "metadata", &k->metadata);
    sb_jw_array(w, "summary");
    sb_jw_object(w, NULL);
    write_results(w, k, &k->bars.sum, NULL);
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_array(w, "records");
    for (int i = 0; i < rows->nelts; i++) {
        const sb_bars_row_t *c = APR_ARRAY_IDX(rows, i, const sb_bars_row_t *);

        if (c->seen || apr_hash_get(k->interim, c->id, APR_HASH_KEY_STRING)) {
            write_child(w, k, c);
            nrecords++;
        }
    }
    if (k->ctx->passing) {
        *k->ctx->passing = is_passing(k, nrecords);
    }
    sb_jw_end(w);
    sb_subjects_json(w, "subjects", &k->metadata.subjects);
    sb_years_json(w, "asmt_period_year", years);
    sb_not_stated_json(w, "not_stated", &k->bars.not_stated);
    sb_jw_end(w);
}

static int averages_asked(const sb_params_t *params)
{
    const char *averages = sb_params_str(params, "averages");

    return averages && !strcmp(averages, "true");
}

static apr_status_t make(sb_jw_t *w, sb_jw_t *items, const sb_report_ctx_t *ctx, int averages,
                         apr_pool_t *p)
{
    work_t *k = apr_pcalloc(p, sizeof(*k));
    const apr_array_header_t *years;
    apr_status_t rv;

    k->ctx = ctx;
    k->p = p;
    k->state_code = sb_scope_state(ctx->scope);
    k->district_id = sb_params_str(ctx->params, "districtId");
    k->school_id = sb_params_str(ctx->params, "schoolId");
    k->filtered = sb_filter_any(ctx->params);
    k->averages = averages;
    k->interim = apr_hash_make(p);
    rv = find(k, &years);
    if (rv == APR_SUCCESS) {
        write_shared(w, k, years);
        rv = sb_breadcrumb_json(items, NULL, ctx,
                                &(sb_place_t){k->district_id, k->school_id, NULL, NULL}, p);
    }
    return rv;
}

static apr_status_t shared(sb_jw_t *w, sb_jw_t *items, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    return make(w, items, ctx, averages_asked(ctx->params), p);
}

/* The public copy has no scores. */
static apr_status_t public_shared(sb_jw_t *w, sb_jw_t *items, const sb_report_ctx_t *ctx,
                                  apr_pool_t *p)
{
    return make(w, items, ctx, 0, p);
}

static apr_status_t run(sb_jw_t *w, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    (void)p;
    sb_jw_object(w, NULL);
    sb_jw_object(w, "context");
    sb_jw_raw(w, "items", ctx->items, ctx->items_len);
    sb_permissions_json(w, "permissions", ctx->user, ctx->tenants, sb_scope_state(ctx->scope),
                        sb_params_str(ctx->params, "districtId"),
                        sb_params_str(ctx->params, "schoolId"));
    sb_jw_end(w);
    if (ctx->user) { /* the public report may be anybody's */
        sb_identity_json(w, "user_info", ctx->user);
    }
    sb_jw_end(w);
    return APR_SUCCESS;
}

static const char *const yes_no[] = {"true", "false", NULL};

static const sb_param_t params[] = {
    {.name = "stateCode",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z",
     .min_len = 2,
     .max_len = 2},
    {.name = "districtId", .type = SB_PARAM_STRING, .chars = "a-zA-Z0-9-", .max_len = 50},
    {.name = "schoolId", .type = SB_PARAM_STRING, .chars = "a-zA-Z0-9-", .max_len = 50},
    {.name = "asmtYear", .type = SB_PARAM_INTEGER},
    SB_FILTER_PARAMS,
    SB_FILTER_GROUPS,
    {.name = "averages", .type = SB_PARAM_ENUM, .values = yes_no},
    {.name = NULL},
};

const sb_report_t sb_report_comparing_populations = {
    .name = "comparing_populations",
    .callable = "get_comparing_populations_report",
    .params = params,
    .check = check,
    .shared = shared,
    .run = run,
};

/* The same of the public copy: its ids are shorter than those a state may give, and student groups are
 * not in it. */
static const sb_param_t public_params[] = {
    {.name = "sid",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = SB_SID_CHARS,
     .min_len = SB_SID_MIN,
     .max_len = SB_SID_MAX},
    {.name = "districtId", .type = SB_PARAM_STRING, .chars = "a-zA-Z0-9-", .max_len = 40},
    {.name = "schoolId", .type = SB_PARAM_STRING, .chars = "a-zA-Z0-9-", .max_len = 40},
    {.name = "asmtYear", .type = SB_PARAM_INTEGER},
    SB_FILTER_PARAMS,
    {.name = "studentGroupId",
     .type = SB_PARAM_STRINGS,
     .refusal = "is not offered by this report"},
    {.name = NULL},
};

const sb_report_t sb_report_public_comparing = {
    .name = "public.comparing_populations",
    .callable = "get_public_comparing_populations_report",
    .is_public = 1,
    .params = public_params,
    .check = check,
    .shared = public_shared,
    .run = run,
};
