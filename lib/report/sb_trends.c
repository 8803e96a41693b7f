/**
 * Report trends: one place over the academic years. Either each year's results as they are ("same_grade"), or
 * the students who have results there in two years in a row, in one grade and then in the next ("cohort"): the
 * same students then and now, as they were counted and judged before (sb_cohorts.h). Source of the rules:
 * docs/reporting.md, "Trends".
 */

#include <string.h>
#include <apr_strings.h>
#include "report/sb_scores.h"
#include "report/sb_suppressed.h"
#include "report/sb_parts.h"
#include "report/sb_where.h"

#define YEARS_MAX 64

typedef struct {
    sb_counts_t counts;
    sb_scores_t scores;
} group_t;

typedef struct {
    int year;
    group_t *whole;                /* of a subject by number: all students of the grade */
    const sb_suppressed_t *hidden; /* NULL: not known, since some results are not packed */
    group_t *now, *before;         /* the cohort in both years */
    int *hide, pending;            /* the cohort, of a subject; it is not counted yet */
} year_t;

typedef struct {
    const sb_report_ctx_t *ctx;
    apr_pool_t *p;
    const char *district_id, *school_id, *grade; /* NULL: all */
    int cohort;
    sb_metadata_t metadata;
    sb_subjects_t subjects; /* those asked for */
    sb_pack_codes_t codes;
    const apr_array_header_t *years;
    year_t year[YEARS_MAX];
    int nyears;
} work_t;

static group_t *groups(const work_t *k)
{
    return apr_pcalloc(k->p, (apr_size_t)k->subjects.n * sizeof(group_t));
}

static year_t *year_of(work_t *k, int year)
{
    for (int i = 0; i < k->nyears; i++) {
        if (k->year[i].year == year) {
            return &k->year[i];
        }
    }
    if (k->nyears == YEARS_MAX) {
        return NULL;
    }
    k->year[k->nyears] =
        (year_t){.year = year,
                 .whole = groups(k),
                 .now = groups(k),
                 .before = groups(k),
                 .hide = apr_pcalloc(k->p, (apr_size_t)k->subjects.n * sizeof(int))};
    return &k->year[k->nyears++];
}

static apr_status_t add(group_t *g, int level, apr_int64_t n, apr_int64_t sum, apr_int64_t squares)
{
    sb_scores_add(&g->scores, &(sb_scores_t){n, sum, squares});
    return sb_counts_add(&g->counts, level, n);
}

/* ---- queries --------------------------------------------------------------------------------- */

/* The years, as an array of the database. */
static const char *years_text(const work_t *k)
{
    const char *text = "{";

    for (int i = 0; i < k->years->nelts; i++) {
        text = apr_psprintf(k->p, "%s%s%d", text, i ? "," : "", APR_ARRAY_IDX(k->years, i, int));
    }
    return apr_pstrcat(k->p, text, "}", NULL);
}

static apr_status_t query(sb_rows_t **prows, const work_t *k, const char *sql,
                          const apr_array_header_t *args)
{
    return sb_db_query_text(prows, k->ctx->db, sb_sql(k->p, sql, "schema", k->ctx->schema, NULL),
                            args->nelts, (const char *const *)args->elts, k->p);
}

/* All students, from the table of counts. */
static apr_status_t find_whole(work_t *k)
{
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    const char *sql;
    sb_rows_t *rows;
    apr_status_t rv;

    APR_ARRAY_PUSH(args, const char *) = years_text(k);
    APR_ARRAY_PUSH(args, const char *) = k->grade;
    sql =
        apr_psprintf(k->p,
                     "SELECT c.asmt_year, c.asmt_subject, c.asmt_perf_lvl, sum(c.n_valid)::bigint,"
                     "       sum(c.score_sum)::bigint, sum(c.score_squares)::bigint"
                     "  FROM {schema}.report_count c"
                     "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
                     " WHERE c.asmt_year = ANY($1::smallint[]) AND c.asmt_type = 'SUMMATIVE'"
                     "   AND c.n_valid > 0 AND ($2::text IS NULL OR c.asmt_grade = $2) AND %s"
                     " GROUP BY 1, 2, 3",
                     sb_where_sql(k->ctx, "h", args, k->p));
    rv = query(&rows, k, sql, args);
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        int s = sb_subjects_index(&k->subjects, sb_rows_text(rows, i, 1));

        const year_t *y = s >= 0 ? year_of(k, (int)sb_rows_int(rows, i, 0, 0)) : NULL;

        if (y) {
            rv = add(&y->whole[s], (int)sb_rows_int(rows, i, 2, 0), sb_rows_int(rows, i, 3, 0),
                     sb_rows_int(rows, i, 4, 0), sb_rows_int(rows, i, 5, 0));
        }
    }
    return rv;
}

/* One level of a cohort, or that it is hidden. */
static apr_status_t add_cohort(year_t *y, int s, const sb_rows_t *rows, int i)
{
    int level = (int)sb_rows_int(rows, i, 2, 0);
    apr_status_t rv;

    if (level < 0) {
        y->hide[s] = 1;
        return APR_SUCCESS;
    }
    rv = add(&y->before[s], level, sb_rows_int(rows, i, 3, 0), sb_rows_int(rows, i, 4, 0),
             sb_rows_int(rows, i, 5, 0));
    return rv == APR_SUCCESS ? add(&y->now[s], level, sb_rows_int(rows, i, 6, 0),
                                   sb_rows_int(rows, i, 7, 0), sb_rows_int(rows, i, 8, 0))
                             : rv;
}

/* The place's own rows; and, without a subject, years that are not counted yet. */
static apr_status_t find_cohorts(work_t *k)
{
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    const char *sql;
    sb_rows_t *rows;
    apr_status_t rv;

    APR_ARRAY_PUSH(args, const char *) = years_text(k);
    APR_ARRAY_PUSH(args, const char *) = k->district_id ? k->district_id : "";
    APR_ARRAY_PUSH(args, const char *) = k->school_id ? k->school_id : "";
    APR_ARRAY_PUSH(args, const char *) = k->grade ? k->grade : "";
    APR_ARRAY_PUSH(args, const char *) = sb_scope_state(k->ctx->scope);
    sql = apr_psprintf(
        k->p,
        "WITH made AS (SELECT asmt_year FROM {schema}.report_cohort_made"
        "  WHERE state_code = $5 AND valid)"
        "SELECT c.asmt_year, c.asmt_subject, c.asmt_perf_lvl, c.n_before, c.score_sum_before,"
        "       c.score_squares_before, c.n, c.score_sum, c.score_squares"
        "  FROM {schema}.report_cohort c JOIN made USING (asmt_year)"
        " WHERE c.asmt_year = ANY($1::smallint[]) AND c.state_code = $5 AND c.district_id = $2"
        "   AND c.school_id = $3 AND c.asmt_grade = $4 AND (%s)"
        " UNION ALL "
        "SELECT y, NULL, 0, 0, 0, 0, 0, 0, 0 FROM unnest($1::smallint[]) y"
        " WHERE y NOT IN (SELECT asmt_year FROM made)"
        "   AND EXISTS (SELECT FROM {schema}.report_pack p WHERE p.asmt_year = y)"
        "   AND EXISTS (SELECT FROM {schema}.report_pack p WHERE p.asmt_year = y - 1)",
        sb_scope_sql(k->ctx->scope, "c", args->nelts + 1, args, k->p));
    rv = query(&rows, k, sql, args);
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        year_t *y = year_of(k, (int)sb_rows_int(rows, i, 0, 0));
        const char *subject = sb_rows_text(rows, i, 1);
        int s = subject ? sb_subjects_index(&k->subjects, subject) : -1;

        if (y && !subject) {
            y->pending = 1;
        }
        else if (y && s >= 0) {
            rv = add_cohort(y, s, rows, i);
        }
    }
    return rv;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void judge(sb_population_t *pop, const work_t *k, const sb_counts_t *counts, int s)
{
    sb_population_make(pop, counts, k->subjects.levels[s], k->metadata.min_cell);
}

/* Is the bar of everybody at the place hidden, on that page or under the filter of that grade? */
static int is_hidden(const work_t *k, const year_t *y, const char *grade, int s)
{
    int subject = sb_pack_subject(&k->codes, k->subjects.name[s]);
    int code = grade ? sb_pack_grade(&k->codes, grade) : -1;
    apr_uint32_t place, grades;

    if (!y->hidden || subject < 0 || (grade && code < 0)) {
        return 1;
    }
    place = sb_suppressed_cells(y->hidden, k->district_id, k->school_id, -1, subject);
    if (!grade) {
        return place >> SB_CELL_ALL & 1;
    }
    grades = sb_suppressed_grades(y->hidden, k->district_id, k->school_id, subject);
    return place >> SB_CELL_ALL & 1 || grades >> code & 1 ||
           (k->school_id &&
            sb_suppressed_cells(y->hidden, k->district_id, k->school_id, code, subject) >>
                    SB_CELL_ALL &
                1);
}

static void write_year(sb_jw_t *w, const work_t *k, const year_t *y)
{
    sb_population_t pop;

    sb_jw_object(w, NULL);
    sb_jw_int(w, "asmt_year", y->year);
    sb_jw_object(w, "results");
    for (int s = 0; s < k->subjects.n; s++) {
        if (!y->whole[s].counts.n) {
            continue;
        }
        judge(&pop, k, &y->whole[s].counts, s);
        if (is_hidden(k, y, k->grade, s)) {
            sb_population_hide(&pop);
        }
        sb_jw_object(w, sb_subject_aliases[s]);
        sb_jw_str(w, "asmt_subject", k->subjects.name[s]);
        sb_population_json(w, &pop, &y->whole[s].scores, k->metadata.coding);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

static void write_pair(sb_jw_t *w, const work_t *k, const year_t *y, int s)
{
    const group_t *then = &y->before[s], *now = &y->now[s];
    sb_population_t before, after;
    apr_int64_t change;
    int shown;

    judge(&before, k, &then->counts, s);
    judge(&after, k, &now->counts, s);
    shown = !y->hide[s] && before.state == SB_POPULATION_VISIBLE &&
            after.state == SB_POPULATION_VISIBLE;
    if (!shown) {
        sb_population_hide(&before);
        sb_population_hide(&after);
    }
    sb_jw_object(w, sb_subject_aliases[s]);
    sb_jw_str(w, "asmt_subject", k->subjects.name[s]);
    sb_jw_object(w, "previous");
    sb_population_json(w, &before, &then->scores, k->metadata.coding);
    sb_jw_end(w);
    sb_jw_object(w, "current");
    sb_population_json(w, &after, &now->scores, k->metadata.coding);
    sb_jw_end(w);
    if (shown &&
        sb_scores_average(&change,
                          &(sb_scores_t){now->scores.n, now->scores.sum - then->scores.sum, 0})) {
        sb_tenths_json(w, "change", change);
    }
    sb_jw_end(w);
}

static int has_cohort(const year_t *y, int s)
{
    return y->hide[s] || y->now[s].counts.n;
}

static void write_cohort(sb_jw_t *w, const work_t *k, const year_t *y)
{
    sb_jw_object(w, NULL);
    sb_jw_int(w, "asmt_year", y->year);
    sb_jw_int(w, "previous_year", y->year - 1);
    sb_jw_object(w, "results");
    for (int s = 0; s < k->subjects.n; s++) {
        if (has_cohort(y, s)) {
            write_pair(w, k, y, s);
        }
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

static int has_any(const work_t *k, const year_t *y)
{
    for (int s = 0; s < k->subjects.n; s++) {
        if (k->cohort ? has_cohort(y, s) : y->whole[s].counts.n) {
            return 1;
        }
    }
    return 0;
}

static void write_years(sb_jw_t *w, work_t *k)
{
    sb_jw_array(w, k->cohort ? "cohorts" : "years");
    for (int i = 0; i < k->years->nelts; i++) { /* the newest first */
        const year_t *y = year_of(k, APR_ARRAY_IDX(k->years, i, int));

        if (y && has_any(k, y)) {
            if (k->cohort) {
                write_cohort(w, k, y);
            }
            else {
                write_year(w, k, y);
            }
        }
    }
    sb_jw_end(w);
}

/* Years that somebody counts soon, without a new data version. */
static void write_pending(sb_jw_t *w, work_t *k)
{
    sb_jw_array(w, "pending");
    for (int i = 0; i < k->years->nelts; i++) {
        const year_t *y = year_of(k, APR_ARRAY_IDX(k->years, i, int));

        if (y && y->pending) {
            sb_jw_int(w, NULL, y->year);
            if (k->ctx->passing) {
                *k->ctx->passing = 1;
            }
        }
    }
    sb_jw_end(w);
}

/* ---- the report ------------------------------------------------------------------------------ */

static apr_status_t find_hidden(work_t *k)
{
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; rv == APR_SUCCESS && i < k->nyears; i++) {
        year_t *y = &k->year[i];
        int usable;

        rv = sb_pack_open(&k->codes, &usable, k->ctx, y->year, k->p);
        if (rv == APR_SUCCESS && usable) {
            rv = sb_suppressed_find(&y->hidden, k->ctx, &k->metadata, &k->codes, y->year,
                                    k->district_id, k->school_id, SB_SUPPRESSED_PAGE, k->p);
        }
    }
    return rv;
}

static apr_status_t find(work_t *k)
{
    apr_status_t rv = sb_years_of_assessments(&k->years, k->ctx, k->p);

    if (rv == APR_SUCCESS) {
        rv = sb_metadata_find(&k->metadata, k->ctx, k->p);
    }
    if (rv == APR_SUCCESS) {
        sb_subjects_pick(&k->subjects, &k->metadata.subjects,
                         sb_params_list(k->ctx->params, "asmtSubject"));
        rv = k->cohort ? find_cohorts(k) : find_whole(k);
    }
    return rv == APR_SUCCESS && !k->cohort ? find_hidden(k) : rv;
}

static apr_status_t shared(sb_jw_t *w, sb_jw_t *items, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    const char *view = sb_params_str(ctx->params, "view");
    work_t *k = apr_pcalloc(p, sizeof(*k));
    apr_status_t rv;

    k->ctx = ctx;
    k->p = p;
    k->district_id = sb_params_str(ctx->params, "districtId");
    k->school_id = sb_params_str(ctx->params, "schoolId");
    k->grade = sb_params_str(ctx->params, "asmtGrade");
    k->cohort = view && !strcmp(view, "cohort");
    rv = find(k);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_jw_object(w, NULL);
    sb_jw_str(w, "view", k->cohort ? "cohort" : "same_grade");
    sb_metadata_json(w, "metadata", &k->metadata);
    sb_subjects_json(w, "subjects", &k->subjects);
    write_years(w, k);
    if (k->cohort) {
        write_pending(w, k);
    }
    sb_jw_end(w);
    return sb_breadcrumb_json(items, NULL, ctx,
                              &(sb_place_t){k->district_id, k->school_id, k->grade, NULL}, p);
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

static const char *const views[] = {"same_grade", "cohort", NULL};

static const sb_param_t params[] = {
    SB_WHERE_PARAMS,
    {.name = "asmtGrade", .type = SB_PARAM_STRING, .chars = "K0-9", .max_len = 2},
    {.name = "asmtSubject", .type = SB_PARAM_STRINGS, .chars = "a-zA-Z0-9 -", .max_len = 64},
    {.name = "view", .type = SB_PARAM_ENUM, .values = views},
    {.name = NULL},
};

const sb_report_t sb_report_trends = {
    .name = "trends",
    .callable = "get_trends_report",
    .params = params,
    .check = sb_where_check,
    .shared = shared,
    .run = run,
};
