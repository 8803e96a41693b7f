/**
 * Report subgroups: one place and year, a row for each value of each filter, and one for everybody. A row is
 * the bar that comparing populations shows of that place under that filter alone, shown or hidden alike.
 * Source of the rules: docs/reporting.md, "Subgroups".
 */

#include <string.h>
#include <apr_strings.h>
#include "report/sb_filter.h"
#include "report/sb_suppressed.h"
#include "report/sb_metadata.h"
#include "report/sb_parts.h"
#include "report/sb_spread.h"
#include "report/sb_where.h"

/* A filter: its values in the order of their cells. */
typedef struct {
    const char *name;
    int cell; /* of the first value */
    const char *values[9];
} filter_t;

#define YES_NO "N", "Y"
#define YES_NO_NS YES_NO, "NS"
static const filter_t filters[] = {
    {"sex", SB_CELL_SEX, {"male", "female", "not_stated"}},
    {"ethnicity", SB_CELL_ETHNICITY, {"0", "1", "2", "3", "4", "5", "6", "7"}},
    {"dmgPrgLep", SB_CELL_LEP, {YES_NO_NS}},
    {"dmgPrgIep", SB_CELL_IEP, {YES_NO_NS}},
    {"dmgPrg504", SB_CELL_504, {YES_NO_NS}},
    {"dmgStsEcd", SB_CELL_ECD, {YES_NO}},
    {"dmgStsMig", SB_CELL_MIG, {YES_NO_NS}},
    {"complete", SB_CELL_COMPLETE, {YES_NO_NS}},
};
#define NFILTERS (sizeof(filters) / sizeof(filters[0]))

typedef struct {
    const sb_report_ctx_t *ctx;
    apr_pool_t *p;
    const char *district_id, *school_id;
    int year;
    const apr_array_header_t *years;
    sb_metadata_t metadata;
    sb_pack_codes_t codes;
    int usable; /* 0: some results of the state are not packed; it is not known what to hide */
    const sb_suppressed_t *hidden;
    sb_spread_t *spread;
    int all_hidden[SB_PACK_SUBJECTS]; /* everybody's bar is */
} work_t;

/* ---- counting -------------------------------------------------------------------------------- */

static apr_status_t count(work_t *k)
{
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    const char *sql;
    sb_rows_t *rows;
    apr_status_t rv;

    APR_ARRAY_PUSH(args, const char *) = apr_itoa(k->p, k->year);
    sql = apr_pstrcat(k->p,
                      "SELECT p.words, p.scores, p.gone, p.gone_scores FROM {schema}.report_pack p"
                      "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
                      " WHERE p.asmt_year = $1::smallint AND ",
                      sb_where_sql(k->ctx, "h", args, k->p), NULL);
    rv = sb_db_query_binary(&rows, k->ctx->db, sb_sql(k->p, sql, "schema", k->ctx->schema, NULL),
                            args->nelts, (const char *const *)args->elts, k->p);
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        for (int gone = 0; gone < 2; gone++) {
            apr_size_t len, scores_len;
            const void *words = sb_rows_bytes(rows, i, 2 * gone, &len);
            const void *scores = sb_rows_bytes(rows, i, 2 * gone + 1, &scores_len);

            sb_spread_count(k->spread, words, len, scores, scores_len, gone ? -1 : 1);
        }
    }
    return rv;
}

static apr_status_t find(work_t *k)
{
    apr_status_t rv = sb_years_of_assessments(&k->years, k->ctx, k->p);

    if (rv == APR_SUCCESS) {
        k->year = sb_year_asked(k->ctx->params, k->years);
        rv = sb_metadata_find(&k->metadata, k->ctx, k->p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_pack_open(&k->codes, &k->usable, k->ctx, k->year, k->p);
    }
    if (rv == APR_SUCCESS && k->usable) {
        rv = sb_suppressed_find(&k->hidden, k->ctx, &k->metadata, &k->codes, k->year,
                                k->district_id, k->school_id, SB_SUPPRESSED_PAGE, k->p);
    }
    return rv == APR_SUCCESS ? count(k) : rv;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Hidden like the page's sum under that filter (sb_bars.h): an empty bar only if everybody's is hidden. */
static void judge(sb_population_t *pop, const work_t *k, const sb_counts_t *counts, int s,
                  int hidden, int all_hidden)
{
    sb_population_make(pop, counts, k->metadata.subjects.levels[s], k->metadata.min_cell);
    if (!k->usable || all_hidden || (hidden && pop->total)) {
        sb_population_hide(pop);
    }
}

/* @param bars   by number of the subject
 * @param hidden bits of cells or grades, by number of the subject
 * @param bit    of this row */
static apr_status_t write_row(sb_jw_t *w, const work_t *k, const char *filter, const char *value,
                              const sb_spread_bar_t *bars, const apr_uint32_t *hidden, int bit)
{
    static const sb_spread_bar_t nobody;
    apr_status_t rv = APR_SUCCESS;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "filter", filter);
    sb_jw_str(w, "value", value);
    sb_jw_object(w, "results");
    for (int s = 0; s < k->metadata.subjects.n && rv == APR_SUCCESS; s++) {
        int code = sb_pack_subject(&k->codes, k->metadata.subjects.name[s]);
        sb_population_t pop;
        sb_counts_t counts;
        sb_scores_t scores;

        rv = sb_spread_counts(&counts, &scores, code >= 0 ? &bars[code] : &nobody);
        judge(&pop, k, &counts, s, code >= 0 && hidden[code] >> bit & 1,
              code >= 0 && k->all_hidden[code]);
        sb_jw_object(w, sb_subject_aliases[s]);
        sb_jw_str(w, "asmt_subject", k->metadata.subjects.name[s]);
        sb_population_json(w, &pop, &scores, k->metadata.coding);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
    return rv;
}

/* What is hidden of the place; cells and grades by number of the subject. */
static apr_status_t find_hidden(work_t *k, apr_uint32_t *cells, apr_uint32_t *grades)
{
    apr_status_t rv = APR_SUCCESS;

    for (int code = 0; code < SB_PACK_SUBJECTS && rv == APR_SUCCESS && k->usable; code++) {
        sb_counts_t counts;
        sb_scores_t scores;

        rv = sb_spread_counts(&counts, &scores, &k->spread->cell[SB_CELL_ALL][code]);
        cells[code] = sb_suppressed_cells(k->hidden, k->district_id, k->school_id, -1, code);
        grades[code] = sb_suppressed_grades(k->hidden, k->district_id, k->school_id, code);
        k->all_hidden[code] = counts.n && cells[code] >> SB_CELL_ALL & 1;
    }
    return rv;
}

/* Every value has its row, results or not: a hidden row must look alike with and without them. */
static apr_status_t write_rows(sb_jw_t *w, work_t *k)
{
    apr_uint32_t cells[SB_PACK_SUBJECTS] = {0}, grades[SB_PACK_SUBJECTS] = {0};
    apr_status_t rv = find_hidden(k, cells, grades);

    if (rv == APR_SUCCESS) {
        rv = write_row(w, k, NULL, NULL, k->spread->cell[SB_CELL_ALL], cells, SB_CELL_ALL);
    }
    for (apr_size_t f = 0; f < NFILTERS; f++) {
        for (int v = 0; filters[f].values[v] && rv == APR_SUCCESS; v++) {
            int cell = filters[f].cell + v;

            rv = write_row(w, k, filters[f].name, filters[f].values[v], k->spread->cell[cell],
                           cells, cell);
        }
    }
    for (int i = 0; sb_filter_grade[i] && rv == APR_SUCCESS; i++) {
        int code = sb_pack_grade(&k->codes, sb_filter_grade[i]);

        if (code >= 0) { /* else nobody in the state has ever had it */
            rv = write_row(w, k, "grade", sb_filter_grade[i], k->spread->grade[code], grades, code);
        }
    }
    return rv;
}

/* ---- the report ------------------------------------------------------------------------------ */

static apr_status_t shared(sb_jw_t *w, sb_jw_t *items, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    work_t *k = apr_pcalloc(p, sizeof(*k));
    apr_status_t rv;

    k->ctx = ctx;
    k->p = p;
    k->district_id = sb_params_str(ctx->params, "districtId");
    k->school_id = sb_params_str(ctx->params, "schoolId");
    k->spread = apr_pcalloc(p, sizeof(*k->spread));
    rv = find(k);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_jw_object(w, NULL);
    sb_metadata_json(w, "metadata", &k->metadata);
    sb_subjects_json(w, "subjects", &k->metadata.subjects);
    sb_years_json(w, "asmt_period_year", k->years);
    sb_jw_int(w, "asmt_year", k->year);
    sb_jw_array(w, "records");
    rv = write_rows(w, k);
    sb_jw_end(w);
    sb_jw_end(w);
    return rv == APR_SUCCESS
               ? sb_breadcrumb_json(items, NULL, ctx,
                                    &(sb_place_t){k->district_id, k->school_id, NULL, NULL}, p)
               : rv;
}

static apr_status_t run(sb_jw_t *w, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    (void)p;
    sb_jw_object(w, NULL);
    sb_where_context_json(w, ctx);
    sb_identity_json(w, "user_info", ctx->user);
    sb_jw_end(w);
    return APR_SUCCESS;
}

static const sb_param_t params[] = {
    SB_WHERE_PARAMS,
    {.name = "asmtYear", .type = SB_PARAM_INTEGER},
    {.name = NULL},
};

const sb_report_t sb_report_subgroups = {
    .name = "subgroups",
    .callable = "get_subgroups_report",
    .params = params,
    .check = sb_where_check,
    .shared = shared,
    .run = run,
};
