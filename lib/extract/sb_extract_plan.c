/**
 * What there is for a request: which files, how many rows, how many archives.
 */

#include "extract/sb_extract_private.h"

#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>

#define RAW_PARTS_MAX 100 /* a registration each */

/* ---- results --------------------------------------------------------------------------------------- */

enum { GUID, GRADE, SUBJECT, TYPE, DATE, CLAIM, DISTRICT, SCHOOL, ROWS };

/* One table's files by what was asked for. Whoever did not name districts or schools does not count by
 * them. */
static const char *plan_sql(const sb_extract_t *x, const char *type, apr_array_header_t *args,
                            apr_pool_t *p)
{
    return apr_pstrcat(
        p,
        "SELECT f.asmt_guid, f.asmt_grade, f.asmt_subject, f.asmt_type,"
        " max(a.effective_date), max(a.asmt_claim_1_name), ",
        sb_params_has(x->params, "districtId") ? "i.district_id" : "NULL::text", ", ",
        sb_params_has(x->params, "schoolId") ? "i.school_id" : "NULL::text", ", count(*) FROM ",
        sb_extract_table(x, type, p), " f JOIN ",
        sb_sql(p,
               "{s}.dim_asmt a USING (asmt_rec_id) JOIN {s}.dim_inst_hier i USING"
               " (inst_hier_rec_id)",
               "s", x->schema, NULL),
        sb_extract_has_groups(x)
            ? sb_sql(p, " JOIN {s}.dim_student s USING (student_rec_id)", "s", x->schema, NULL)
            : "",
        " WHERE ", sb_extract_where(x, args, p), " AND a.asmt_type = f.asmt_type",
        " GROUP BY 1, 2, 3, 4, 7, 8", NULL);
}

static int is_asked(const char *want, const char *have)
{
    return !want || (have && !strcmp(want, have));
}

static void note_combinations(sb_extract_plan_t *plan, const sb_rows_t *rows, int i)
{
    for (int k = 0; k < plan->asked->nelts; k++) {
        sb_extract_combination_t *c = &APR_ARRAY_IDX(plan->asked, k, sb_extract_combination_t);

        c->has_data |= is_asked(c->type, sb_rows_text(rows, i, TYPE)) &&
                       is_asked(c->subject, sb_rows_text(rows, i, SUBJECT)) &&
                       is_asked(c->grade, sb_rows_text(rows, i, GRADE)) &&
                       is_asked(c->district_id, sb_rows_text(rows, i, DISTRICT)) &&
                       is_asked(c->school_id, sb_rows_text(rows, i, SCHOOL));
    }
}

static int compare_files(const void *a, const void *b)
{
    const sb_extract_file_t *x = a, *y = b;
    int order = strcmp(x->type, y->type);

    order = order ? order : strcmp(x->subject, y->subject);
    order = order ? order : strcmp(x->grade, y->grade);
    return order ? order : strcmp(x->guid, y->guid);
}

/* Combinations that meet in one assessment and grade are one file: the names of files tell no places. */
static void merge_files(sb_extract_plan_t *plan)
{
    sb_extract_file_t *f = (sb_extract_file_t *)plan->files->elts;
    int n = 0;

    qsort(f, (size_t)plan->files->nelts, sizeof(*f), compare_files);
    for (int i = 0; i < plan->files->nelts; i++) {
        if (n == 0 || compare_files(&f[n - 1], &f[i])) {
            f[n++] = f[i];
            continue;
        }
        f[n - 1].rows += f[i].rows;
        if (f[i].effective_date && (!f[n - 1].effective_date ||
                                    strcmp(f[n - 1].effective_date, f[i].effective_date) < 0)) {
            f[n - 1].effective_date = f[i].effective_date;
        }
    }
    plan->files->nelts = n;
}

static apr_status_t plan_table(sb_extract_plan_t *plan, const sb_extract_t *x, const char *type,
                               sb_db_t *db, apr_pool_t *p)
{
    apr_array_header_t *args = apr_array_make(p, 16, sizeof(const char *));
    const char *sql = plan_sql(x, type, args, p);
    sb_rows_t *rows;
    apr_status_t rv =
        sb_db_query_text(&rows, db, sql, args->nelts, (const char *const *)args->elts, p);

    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        sb_extract_file_t *f = apr_array_push(plan->files);

        f->guid = sb_rows_text(rows, i, GUID);
        f->grade = sb_rows_text(rows, i, GRADE);
        f->subject = sb_rows_text(rows, i, SUBJECT);
        f->type = sb_rows_text(rows, i, TYPE);
        f->effective_date = sb_rows_text(rows, i, DATE);
        f->claim = sb_rows_text(rows, i, CLAIM);
        f->rows = sb_rows_int(rows, i, ROWS, 0);
        plan->rows += f->rows;
        note_combinations(plan, rows, i);
    }
    return rv;
}

/* The values of a list in the order they are answered in; one NULL if there is none. */
static const apr_array_header_t *values_of(const sb_extract_t *x, const char *name, apr_pool_t *p)
{
    const apr_array_header_t *list = sb_params_list(x->params, name);
    apr_array_header_t *none;

    if (list) {
        return list;
    }
    none = apr_array_make(p, 1, sizeof(const char *));
    APR_ARRAY_PUSH(none, const char *) = NULL;
    return none;
}

#define EACH(i, list) (int i = 0; i < (list)->nelts; i++)
#define AT(list, i) APR_ARRAY_IDX(list, i, const char *)

static void list_combinations(sb_extract_plan_t *plan, const sb_extract_t *x, apr_pool_t *p)
{
    const apr_array_header_t *districts = values_of(x, "districtId", p);
    const apr_array_header_t *schools = values_of(x, "schoolId", p);
    const apr_array_header_t *grades = values_of(x, "asmtGrade", p);
    const apr_array_header_t *subjects = values_of(x, "asmtSubject", p);
    const apr_array_header_t *types = values_of(x, "asmtType", p);

    for
        EACH(d, districts)
        {
        for
            EACH(s, schools)
            {
            for
                EACH(g, grades)
                {
                for
                    EACH(u, subjects)
                    {
                    for
                        EACH(t, types)
                        {
                            APR_ARRAY_PUSH(plan->asked, sb_extract_combination_t) =
                                (sb_extract_combination_t){AT(districts, d), AT(schools, s),
                                                           AT(grades, g),    AT(subjects, u),
                                                           AT(types, t),     0};
                        }
                    }
                }
            }
        }
}

static apr_status_t plan_results(sb_extract_plan_t *plan, const sb_extract_t *x, sb_db_t *db,
                                 apr_pool_t *p)
{
    const apr_array_header_t *types = sb_params_list(x->params, "asmtType");
    const char *whole = NULL, *block = NULL;
    apr_status_t rv = APR_SUCCESS;

    list_combinations(plan, x, p);
    for (int i = 0; i < types->nelts; i++) {
        const char *type = AT(types, i);

        *(sb_extract_is_block(type) ? &block : &whole) = type;
    }
    if (whole) {
        rv = plan_table(plan, x, whole, db, p);
    }
    if (rv == APR_SUCCESS && block) {
        rv = plan_table(plan, x, block, db, p);
    }
    merge_files(plan);
    plan->parts = plan->files->nelts > 0;
    return rv;
}

/* ---- items and raw data ---------------------------------------------------------------------------- */

/* How many archives, by what a student's file usually has. */
static int parts_of(const sb_extract_t *x, apr_int64_t rows, const sb_conf_t *conf)
{
    apr_int64_t average =
        sb_conf_int(conf, x->kind == SB_EXTRACT_ITEMS ? "extract.partial_file.size.average.csv"
                                                      : "extract.partial_file.size.average.xml");
    apr_int64_t limit = sb_conf_int(conf, "extract.partial_file.size.soft_limit");
    apr_int64_t parts;

    if (rows == 0) {
        return 0;
    }
    if (limit <= 0 || average <= 0) {
        return 1;
    }
    parts = (rows * average + limit - 1) / limit;
    return parts > RAW_PARTS_MAX ? RAW_PARTS_MAX : (int)parts;
}

static apr_status_t plan_students(sb_extract_plan_t *plan, const sb_extract_t *x,
                                  const sb_conf_t *conf, sb_db_t *db, apr_pool_t *p)
{
    apr_array_header_t *args = apr_array_make(p, 16, sizeof(const char *));
    const char *sql = apr_pstrcat(
        p, "SELECT count(*) FROM ",
        sb_sql(p, "{s}.fact_asmt_outcome_vw f JOIN {s}.dim_inst_hier i USING (inst_hier_rec_id)",
               "s", x->schema, NULL),
        sb_extract_has_groups(x)
            ? sb_sql(p, " JOIN {s}.dim_student s USING (student_rec_id)", "s", x->schema, NULL)
            : "",
        " WHERE ", sb_extract_where(x, args, p), NULL);
    sb_rows_t *rows;
    apr_status_t rv =
        sb_db_query_text(&rows, db, sql, args->nelts, (const char *const *)args->elts, p);

    if (rv == APR_SUCCESS) {
        plan->rows = sb_rows_int(rows, 0, 0, 0);
        plan->parts = parts_of(x, plan->rows, conf);
    }
    return rv;
}

/* ---- all ------------------------------------------------------------------------------------------- */

static apr_status_t find_version(sb_extract_plan_t *plan, const sb_extract_t *x, sb_db_t *db,
                                 apr_pool_t *p)
{
    const char *sql = sb_sql(p, "SELECT version FROM {s}.data_version", "s", x->schema, NULL);
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query_text(&rows, db, sql, 0, NULL, p);

    plan->version = rv == APR_SUCCESS && sb_rows_count(rows) ? sb_rows_text(rows, 0, 0) : "0";
    return rv;
}

apr_status_t sb_extract_plan(sb_extract_plan_t *plan, const sb_extract_t *x, const sb_conf_t *conf,
                             sb_db_t *db, apr_pool_t *p)
{
    apr_status_t rv;

    memset(plan, 0, sizeof(*plan));
    plan->files = apr_array_make(p, 8, sizeof(sb_extract_file_t));
    plan->asked = apr_array_make(p, 8, sizeof(sb_extract_combination_t));
    rv = find_version(plan, x, db, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    switch (x->kind) {
    case SB_EXTRACT_ASSESSMENT:
        return plan_results(plan, x, db, p);
    case SB_EXTRACT_ITEMS:
    case SB_EXTRACT_RAW:
        return plan_students(plan, x, conf, db, p);
    default:
        plan->rows = -1; /* an empty report is a report */
        plan->parts = 1;
        return APR_SUCCESS;
    }
}
