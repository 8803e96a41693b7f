/**
 * Reports comparing_populations and public.comparing_populations: the children of a place (districts of
 * a state, schools of a district, grades of a school) side by side, a population bar per subject, and
 * their sum.
 *
 * Steps: count current summative rows by child, subject and level (with filters: those who match,
 * and all); without filters find children that have interim results only; judge and write. All of
 * that is shared by the users of a tenant; permissions and user_info are added behind it. Source of the rules: docs/reporting.md, "Comparing populations".
 */

#include <stdlib.h>
#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include "report/sb_filter.h"
#include "report/sb_metadata.h"
#include "report/sb_pack.h"
#include "report/sb_parts.h"
#include "report/sb_population.h"

typedef struct {
    const char *id;
    const char *name;
    sb_counts_t *shown; /* of a subject by number, under the filters */
    sb_counts_t *all;   /* without them; filled only if there are filters */
    int *has_interim;   /* of a subject by number */
    int summative;      /* has rows to show */
    int interim;        /* found by the interim query */
} child_t;

typedef struct {
    const sb_report_ctx_t *ctx;
    apr_pool_t *p;
    const char *state_code, *district_id, *school_id;
    int year;
    int filtered;
    sb_metadata_t metadata;
    sb_not_stated_t not_stated;
    apr_array_header_t *children; /* child_t * */
    apr_hash_t *by_id;
    child_t sum;
} work_t;

static void make_child(child_t *c, const work_t *k, const char *id, const char *name)
{
    apr_size_t n = (apr_size_t)k->metadata.subjects.n;

    c->id = id;
    c->name = name;
    c->shown = apr_pcalloc(k->p, n * sizeof(*c->shown));
    c->all = apr_pcalloc(k->p, n * sizeof(*c->all));
    c->has_interim = apr_pcalloc(k->p, n * sizeof(*c->has_interim));
}

static child_t *child_of(work_t *k, const char *id, const char *name)
{
    child_t *c = apr_hash_get(k->by_id, id, APR_HASH_KEY_STRING);

    if (!c) {
        c = apr_pcalloc(k->p, sizeof(*c));
        make_child(c, k, id, name);
        apr_hash_set(k->by_id, id, APR_HASH_KEY_STRING, c);
        APR_ARRAY_PUSH(k->children, child_t *) = c;
    }
    return c;
}

/* ---- summative counts ------------------------------------------------------------------------ */

/* The place's conditions on a table with state_code, district_id and school_id; $1 is the state, $2
 * the year. */
static const char *place_sql(const work_t *k, const char *alias, apr_array_header_t *args)
{
    const char *sql;

    APR_ARRAY_PUSH(args, const char *) = k->state_code;
    APR_ARRAY_PUSH(args, const char *) = apr_itoa(k->p, k->year);
    sql = apr_pstrcat(k->p, alias, ".state_code = $1", NULL);
    if (k->district_id) {
        APR_ARRAY_PUSH(args, const char *) = k->district_id;
        sql = apr_pstrcat(k->p, sql, " AND ", alias, ".district_id = $3", NULL);
    }
    if (k->school_id) {
        APR_ARRAY_PUSH(args, const char *) = k->school_id;
        sql = apr_pstrcat(k->p, sql, " AND ", alias, ".school_id = $4", NULL);
    }
    return apr_pstrcat(k->p, sql, " AND (",
                       sb_scope_sql(k->ctx->scope, alias, args->nelts + 1, args, k->p), ")", NULL);
}

/* What a child is on this level: its id and its name, of dim_inst_hier h or a table with grades. */
static const char *child_sql(const work_t *k, const char *grades)
{
    return k->school_id     ? apr_psprintf(k->p, "%s.asmt_grade, %s.asmt_grade", grades, grades)
           : k->district_id ? "h.school_id, h.school_name"
                            : "h.district_id, h.district_name";
}

/* A place that was renamed within the year has rows under both names: the current one is met first
 * and kept. */
#define CURRENT_NAME_FIRST " ORDER BY bool_or(h.rec_status = 'C') DESC, 2, 1"

/* All of them, from the table of counts. */
static const char *all_sql(const work_t *k, apr_array_header_t *args)
{
    return apr_psprintf(k->p,
                        "SELECT %s, c.asmt_subject, c.asmt_perf_lvl, sum(c.n_valid)::bigint"
                        "  FROM {schema}.report_count c"
                        "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
                        " WHERE %s AND c.asmt_year = $2::smallint AND c.asmt_type = 'SUMMATIVE'"
                        "   AND c.n_valid > 0"
                        " GROUP BY 1, 2, 3, 4" CURRENT_NAME_FIRST,
                        child_sql(k, "c"), place_sql(k, "h", args));
}

/* Those who match the filters, from the facts: only while packs are out of date. */
static const char *filtered_sql(const work_t *k, apr_array_header_t *args)
{
    const char *place = place_sql(k, "h", args);
    const char *filters = sb_filter_sql(k->ctx->params, "f", args, k->p);

    return apr_psprintf(k->p,
                        "SELECT %s, c.asmt_subject, c.asmt_perf_lvl, sum(c.n)::bigint"
                        "  FROM (SELECT f.inst_hier_rec_id, f.asmt_subject, f.asmt_grade,"
                        "               f.asmt_perf_lvl, count(*) AS n"
                        "          FROM {schema}.fact_asmt_outcome_vw f"
                        "         WHERE f.inst_hier_rec_id IN (SELECT inst_hier_rec_id"
                        "                 FROM {schema}.dim_inst_hier h WHERE %s)"
                        "           AND f.asmt_year = $2::smallint"
                        "           AND f.asmt_type = 'SUMMATIVE' AND f.rec_status = 'C'"
                        "           AND (f.administration_condition = 'SD'"
                        "                OR f.administration_condition IS NULL)"
                        "           AND %s"
                        "         GROUP BY 1, 2, 3, 4) AS c"
                        "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
                        " GROUP BY 1, 2, 3, 4" CURRENT_NAME_FIRST,
                        child_sql(k, "c"), place, filters);
}

static apr_status_t query(sb_rows_t **prows, const work_t *k, const char *template,
                          const apr_array_header_t *args)
{
    const char *sql = sb_sql(k->p, template, "schema", k->ctx->schema, NULL);

    return sb_db_query_text(prows, k->ctx->db, sql, args->nelts, (const char *const *)args->elts,
                            k->p);
}

/* Enter rows of (id, name, subject, level, count) into the children and the sum.
 * @param to  which of their counts */
static apr_status_t count(work_t *k, const char *(*make_sql)(const work_t *, apr_array_header_t *),
                          sb_counts_t *(*to)(child_t *))
{
    apr_array_header_t *args = apr_array_make(k->p, 16, sizeof(const char *));
    sb_rows_t *rows;
    apr_status_t rv;

    rv = query(&rows, k, make_sql(k, args), args);
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        child_t *c = child_of(k, sb_rows_text(rows, i, 0), sb_rows_text(rows, i, 1));
        int s = sb_subjects_index(&k->metadata.subjects, sb_rows_text(rows, i, 2));
        int level = (int)sb_rows_int(rows, i, 3, 0);
        apr_int64_t n = sb_rows_int(rows, i, 4, 0);

        if (s < 0) {
            continue; /* a subject this report does not show */
        }
        rv = sb_counts_add(&to(c)[s], level, n);
        if (rv == APR_SUCCESS) {
            rv = sb_counts_add(&to(&k->sum)[s], level, n);
        }
    }
    return rv;
}

static sb_counts_t *to_shown(child_t *c)
{
    c->summative = 1;
    return c->shown;
}

static sb_counts_t *to_all(child_t *c)
{
    return c->all;
}

/* Enter a tally into counts of a child and of the sum. */
static apr_status_t add_tally(work_t *k, child_t *c, sb_counts_t *(*to)(child_t *),
                              const sb_pack_codes_t *codes, sb_pack_tally_t tally)
{
    apr_status_t rv = APR_SUCCESS;

    for (int code = 0; code < SB_PACK_SUBJECTS; code++) {
        int s = codes->subject[code]
                    ? sb_subjects_index(&k->metadata.subjects, codes->subject[code])
                    : -1;

        for (int level = 0; s >= 0 && level < SB_PACK_LEVELS && rv == APR_SUCCESS; level++) {
            apr_int64_t n = tally[code][level];

            if (n > 0) {
                rv = sb_counts_add(&to(c)[s], level, n);
                rv = rv == APR_SUCCESS ? sb_counts_add(&to(&k->sum)[s], level, n) : rv;
            }
        }
    }
    return rv;
}

static apr_status_t add_bars(work_t *k, child_t *c, const sb_pack_codes_t *codes,
                             sb_pack_bars_t *bars)
{
    apr_status_t rv = add_tally(k, c, to_shown, codes, bars->shown);

    return rv == APR_SUCCESS && k->filtered ? add_tally(k, c, to_all, codes, bars->all) : rv;
}

/* The packs of a place, children in the order of count(). */
static apr_status_t find_packs(sb_rows_t **prows, work_t *k)
{
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    const char *child = k->school_id     ? "NULL, NULL"
                        : k->district_id ? "h.school_id, h.school_name"
                                         : "h.district_id, h.district_name";
    const char *sql = apr_psprintf(k->p,
                                   "SELECT %s, p.words FROM {schema}.report_pack p"
                                   "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
                                   " WHERE %s AND p.asmt_year = $2::smallint"
                                   " ORDER BY h.rec_status = 'C' DESC, 2, 1",
                                   child, place_sql(k, "h", args));

    return sb_db_query_binary(prows, k->ctx->db, sb_sql(k->p, sql, "schema", k->ctx->schema, NULL),
                              args->nelts, (const char *const *)args->elts, k->p);
}

static apr_status_t count_grades(work_t *k, const sb_pack_codes_t *codes, sb_pack_values_t *values,
                                 const sb_pack_filter_t *filter, const sb_rows_t *rows)
{
    sb_pack_bars_t *bars = apr_pcalloc(k->p, SB_PACK_GRADES * sizeof(*bars));
    apr_status_t rv = APR_SUCCESS;
    apr_size_t len;

    for (int i = 0; i < sb_rows_count(rows); i++) {
        const void *words = sb_rows_bytes(rows, i, 2, &len);

        sb_pack_count_grades(bars, values, filter, words, len);
    }
    for (int g = 0; g < SB_PACK_GRADES && rv == APR_SUCCESS; g++) {
        if (codes->grade[g]) {
            rv = add_bars(k, child_of(k, codes->grade[g], codes->grade[g]), codes, &bars[g]);
        }
    }
    return rv;
}

static apr_status_t count_packs(work_t *k, const sb_pack_codes_t *codes)
{
    sb_pack_values_t *values = apr_pcalloc(k->p, sizeof(*values));
    sb_pack_filter_t filter;
    sb_rows_t *rows;
    apr_status_t rv;

    sb_pack_filter_make(&filter, k->ctx->params, codes);
    rv = find_packs(&rows, k);
    if (rv == APR_SUCCESS && k->school_id) {
        rv = count_grades(k, codes, values, &filter, rows);
    }
    for (int i = 0; rv == APR_SUCCESS && !k->school_id && i < sb_rows_count(rows); i++) {
        child_t *c = child_of(k, sb_rows_text(rows, i, 0), sb_rows_text(rows, i, 1));
        sb_pack_bars_t bars;
        apr_size_t len;
        const void *words = sb_rows_bytes(rows, i, 2, &len);

        memset(&bars, 0, sizeof(bars));
        sb_pack_count(&bars, values, &filter, words, len);
        rv = add_bars(k, c, codes, &bars);
    }
    sb_pack_not_stated(&k->not_stated, values);
    return rv;
}

static apr_status_t count_facts(work_t *k)
{
    apr_status_t rv = count(k, k->filtered ? filtered_sql : all_sql, to_shown);

    if (rv == APR_SUCCESS && k->filtered) {
        rv = count(k, all_sql, to_all);
    }
    return rv == APR_SUCCESS ? sb_not_stated_find(&k->not_stated, k->ctx, "SUMMATIVE", k->year,
                                                  k->district_id, k->school_id, k->p)
                             : rv;
}

static apr_status_t find_counts(work_t *k)
{
    sb_pack_codes_t codes;
    int usable;
    apr_status_t rv = sb_pack_open(&codes, &usable, k->ctx, k->p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    return usable ? count_packs(k, &codes) : count_facts(k);
}

/* ---- interim presence ------------------------------------------------------------------------ */

static const char *interim_sql(const work_t *k, apr_array_header_t *args)
{
    apr_pool_t *p = k->p;
    const char *place = place_sql(k, "h", args);

    return apr_psprintf(
        p,
        "SELECT %s, c.asmt_subject"
        "  FROM {schema}.report_count c"
        "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
        " WHERE %s AND c.asmt_year = $2::smallint AND c.asmt_type = 'INTERIM COMPREHENSIVE'"
        "   AND c.n > 0"
        " UNION "
        "SELECT %s, s.asmt_subject"
        "  FROM {schema}.dim_inst_hier h CROSS JOIN {schema}.subject s%s"
        " WHERE %s AND EXISTS (SELECT 1 FROM {schema}.fact_block_asmt_outcome f"
        "       WHERE f.asmt_year = $2::smallint AND f.asmt_type = 'INTERIM ASSESSMENT BLOCKS'"
        "         AND f.rec_status = 'C' AND f.district_id = h.district_id"
        "         AND f.school_id = h.school_id AND f.inst_hier_rec_id = h.inst_hier_rec_id"
        "         AND f.asmt_subject = s.asmt_subject%s)"
        " ORDER BY 2, 1",
        child_sql(k, "c"), place, child_sql(k, "g"),
        /* grades have no table of their own: those the school has blocks of */
        k->school_id ? " CROSS JOIN LATERAL (SELECT DISTINCT b.asmt_grade"
                       "  FROM {schema}.fact_block_asmt_outcome b"
                       " WHERE b.asmt_year = $2::smallint"
                       "   AND b.asmt_type = 'INTERIM ASSESSMENT BLOCKS' AND b.rec_status = 'C'"
                       "   AND b.district_id = h.district_id AND b.school_id = h.school_id) AS g"
                     : "",
        place, k->school_id ? " AND f.asmt_grade = g.asmt_grade" : "");
}

static apr_status_t find_interim(work_t *k)
{
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    sb_rows_t *rows;
    apr_status_t rv;

    rv = query(&rows, k, interim_sql(k, args), args);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (int i = 0; i < sb_rows_count(rows); i++) {
        int s = sb_subjects_index(&k->metadata.subjects, sb_rows_text(rows, i, 2));

        if (s >= 0) {
            child_t *c = child_of(k, sb_rows_text(rows, i, 0), sb_rows_text(rows, i, 1));

            c->interim = 1;
            c->has_interim[s] = 1;
        }
    }
    return APR_SUCCESS;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void judge(sb_population_t *pop, const work_t *k, const sb_counts_t *counts, int s)
{
    sb_population_make(pop, counts, k->metadata.subjects.levels[s], k->metadata.min_cell);
}

static void write_population(sb_jw_t *w, const sb_population_t *pop)
{
    sb_jw_array(w, "intervals");
    for (int i = 0; i < pop->n; i++) {
        sb_jw_object(w, NULL);
        sb_jw_int(w, "level", pop->level[i]);
        if (pop->state == SB_POPULATION_VISIBLE) {
            sb_jw_int(w, "count", pop->count[i]);
        }
        sb_jw_int(w, "percentage", pop->percentage[i]);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_int(w, "total", pop->total);
}

/* Results of a child with summative rows, or of the sum. */
static void write_results(sb_jw_t *w, const work_t *k, const child_t *c)
{
    sb_population_t pop, all;

    sb_jw_object(w, "results");
    for (int s = 0; s < k->metadata.subjects.n; s++) {
        judge(&pop, k, &c->shown[s], s);
        sb_jw_object(w, sb_subject_aliases[s]);
        sb_jw_str(w, "asmt_subject", k->metadata.subjects.name[s]);
        write_population(w, &pop);
        if (k->filtered) {
            judge(&all, k, &c->all[s], s);
            sb_jw_int(w, "unfilteredTotal", all.total);
        }
        if (c->interim && pop.total == 0) {
            sb_jw_bool(w, "hasInterim", c->has_interim[s]);
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

/* Results of a child with interim rows only: the levels of the sum, nothing in them. */
static void write_interim_results(sb_jw_t *w, const work_t *k, const child_t *c)
{
    sb_population_t sum;

    sb_jw_object(w, "results");
    for (int s = 0; s < k->metadata.subjects.n; s++) {
        judge(&sum, k, &k->sum.shown[s], s);
        sb_jw_object(w, sb_subject_aliases[s]);
        sb_jw_str(w, "asmt_subject", k->metadata.subjects.name[s]);
        sb_jw_int(w, "total", c->has_interim[s] ? -1 : 0);
        sb_jw_bool(w, "hasInterim", c->has_interim[s]);
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

static void write_child(sb_jw_t *w, const work_t *k, const child_t *c)
{
    sb_jw_object(w, NULL);
    sb_jw_str(w, "rowId", c->id);
    sb_jw_str(w, "id", c->id);
    sb_jw_str(w, "name", c->name);
    if (c->summative) {
        write_results(w, k, c);
    }
    else {
        write_interim_results(w, k, c);
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
    const child_t *x = *(const child_t *const *)a;
    const child_t *y = *(const child_t *const *)b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->id, y->id);
}

/* ---- the report ------------------------------------------------------------------------------ */

static const char *check(const sb_params_t *params)
{
    return sb_params_has(params, "schoolId") && !sb_params_has(params, "districtId")
               ? "schoolId: needs districtId"
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
        make_child(&k->sum, k, NULL, NULL);
        rv = find_counts(k);
    }
    if (rv == APR_SUCCESS && !k->filtered) {
        rv = find_interim(k);
    }
    return rv;
}

static void write_shared(sb_jw_t *w, work_t *k, const apr_array_header_t *years)
{
    qsort(k->children->elts, (size_t)k->children->nelts, sizeof(child_t *), by_name);
    sb_jw_object(w, NULL);
    sb_metadata_json(w, "metadata", &k->metadata);
    sb_jw_array(w, "summary");
    sb_jw_object(w, NULL);
    write_results(w, k, &k->sum);
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_array(w, "records");
    for (int i = 0; i < k->children->nelts; i++) {
        const child_t *c = APR_ARRAY_IDX(k->children, i, const child_t *);

        if (c->summative || c->interim) { /* else the filters left nothing of it */
            write_child(w, k, c);
        }
    }
    sb_jw_end(w);
    sb_subjects_json(w, "subjects", &k->metadata.subjects);
    sb_years_json(w, "asmt_period_year", years);
    sb_not_stated_json(w, "not_stated", &k->not_stated);
    sb_jw_end(w);
}

static apr_status_t shared(sb_jw_t *w, sb_jw_t *items, const sb_report_ctx_t *ctx, apr_pool_t *p)
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
    k->children = apr_array_make(p, 64, sizeof(child_t *));
    k->by_id = apr_hash_make(p);
    rv = find(k, &years);
    if (rv == APR_SUCCESS) {
        write_shared(w, k, years);
        rv = sb_breadcrumb_json(items, NULL, ctx,
                                &(sb_place_t){k->district_id, k->school_id, NULL, NULL}, p);
    }
    return rv;
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
    SB_FILTER_NO_GROUPS,
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
    SB_FILTER_NO_GROUPS,
    {.name = NULL},
};

const sb_report_t sb_report_public_comparing = {
    .name = "public.comparing_populations",
    .callable = "get_public_comparing_populations_report",
    .is_public = 1,
    .params = public_params,
    .check = check,
    .shared = shared,
    .run = run,
};
