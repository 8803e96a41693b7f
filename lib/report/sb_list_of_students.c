/**
 * Report list_of_students: the students of a school, perhaps of one grade, with their results of a
 * year. Two forms: summative and interim comprehensive together, or interim assessment blocks. Only
 * students whom the user's grants of PII reach. Source of the rules: docs/reporting.md, "List of
 * students".
 */

#include <stdlib.h>
#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include "report/sb_filter.h"
#include "report/sb_list_page.h"
#include "report/sb_parts.h"
#include "report/sb_result.h"

enum { C_GROUP1_ID = SB_R_MORE }; /* then its text, then the next group */

typedef struct {
    const sb_report_ctx_t *ctx;
    apr_pool_t *p;
    const char *grade; /* NULL: all */
    sb_place_t place;
    const char *asmt_type;
    sb_results_t results;
    sb_list_page_t page;
    /* of the version that the results are of */
    const sb_metadata_t *metadata; /* of all subjects */
    sb_subjects_t subjects;        /* those asked for */
    int *subject_of;               /* number of a row's subject; -1 none of them */
    const sb_rows_t *rows;         /* of results */
} work_t;

static const sb_asmt_t *asmt_of(const work_t *k, int row)
{
    return k->results.asmt_of[row];
}

static const char *grade_of(const work_t *k, int row)
{
    return k->grade ? k->grade : sb_rows_text(k->rows, row, SB_R_GRADE);
}

static int is_blocks(const work_t *k)
{
    return !strcmp(k->asmt_type, SB_ASMT_BLOCKS);
}

/* ---- finding --------------------------------------------------------------------------------- */

/* The condition of subjects; "" all of them. Names from outside: letters, digits, blanks, '-'. */
static const char *subjects_sql(const work_t *k, apr_array_header_t *args)
{
    const apr_array_header_t *names = sb_params_list(k->ctx->params, "asmtSubject");
    const char *list = "";

    if (!names || names->nelts == 0) {
        return "";
    }
    for (int i = 0; i < names->nelts; i++) {
        list = apr_pstrcat(k->p, list, i ? "\",\"" : "{\"", APR_ARRAY_IDX(names, i, const char *),
                           NULL);
    }
    APR_ARRAY_PUSH(args, const char *) = apr_pstrcat(k->p, list, "\"}", NULL);
    return apr_psprintf(k->p, " AND f.asmt_subject = ANY($%d::varchar[])", args->nelts);
}

/* Of the groups that the place uses. */
static const char *group_columns(const work_t *k)
{
    const char *columns = "";

    for (int g = 1; g <= k->page.groups; g++) {
        columns = apr_psprintf(k->p, "%s, s.group_%d_id, s.group_%d_text", columns, g, g);
    }
    return columns;
}

/* Only what is asked for enters the text: a condition that may be switched off by its parameter keeps the
 * server from planning once for all. */
static void queue_rows(work_t *k, sb_pipe_t *pipe, const char *year)
{
    apr_array_header_t *args = apr_array_make(k->p, 16, sizeof(const char *));
    const char *grade = "", *subjects, *filters, *groups;

    APR_ARRAY_PUSH(args, const char *) = sb_scope_state(k->ctx->scope);
    APR_ARRAY_PUSH(args, const char *) = k->place.district_id;
    APR_ARRAY_PUSH(args, const char *) = k->place.school_id;
    APR_ARRAY_PUSH(args, const char *) = year;
    if (k->grade) {
        APR_ARRAY_PUSH(args, const char *) = k->grade;
        grade = " AND f.asmt_grade = $5";
    }
    subjects = subjects_sql(k, args);
    filters = sb_filter_sql(k->ctx->params, "f", args, k->p);
    groups = sb_filter_groups_sql(k->ctx->params, "s", args, k->p);
    sb_results_queue(
        &k->results, pipe, k->ctx,
        &(sb_results_query_t){
            .kind = is_blocks(k) ? SB_RESULTS_BLOCKS : SB_RESULTS_WHOLE,
            .of_place = 1,
            .of_grade = k->grade != NULL,
            .of_asmt = 1,
            .more = group_columns(k),
            .joins = "",
            .where = apr_pstrcat(
                k->p,
                "f.inst_hier_rec_id IN (SELECT inst_hier_rec_id FROM {schema}.dim_inst_hier"
                "   WHERE state_code = $1 AND district_id = $2 AND school_id = $3)"
                " AND f.asmt_year = $4::smallint",
                grade, subjects,
                is_blocks(k) ? " AND f.asmt_type = '" SB_ASMT_BLOCKS "' AND " : " AND ", filters,
                " AND ", groups, NULL),
            .order = "s.last_name, s.first_name, f.date_taken DESC, f.student_id, f.asmt_rec_id",
            .args = args},
        k->p);
}

static void ask(sb_results_t *r, sb_pipe_t *pipe, void *baton)
{
    work_t *k = baton;
    int year = sb_year_asked(k->ctx->params, sb_known_years(r->known));

    sb_list_page_queue(&k->page, pipe, k->ctx, r->known, &k->place, k->asmt_type, year, k->p);
    queue_rows(k, pipe, apr_itoa(k->p, year));
}

static apr_status_t find(work_t *k)
{
    apr_status_t rv = sb_results_read(&k->results, k->ctx, ask, k, k->p);
    int n;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_list_page_take(&k->page, k->ctx, &k->place, k->p);
    k->rows = k->results.rows;
    k->metadata = sb_known_metadata(k->results.known);
    sb_subjects_pick(&k->subjects, &k->metadata->subjects,
                     sb_params_list(k->ctx->params, "asmtSubject"));
    n = sb_rows_count(k->rows);
    k->subject_of = apr_palloc(k->p, ((apr_size_t)n + 1) * sizeof(int));
    for (int i = 0; i < n; i++) {
        k->subject_of[i] = sb_subjects_index(&k->subjects, asmt_of(k, i)->subject);
    }
    return APR_SUCCESS;
}

/* Rows of one student (and type), in the order of the query. */
typedef struct {
    const char *student_id;
    apr_array_header_t *rows; /* int */
} bundle_t;

/* @param type NULL: any */
static apr_array_header_t *bundle(const work_t *k, const char *type)
{
    apr_array_header_t *all = apr_array_make(k->p, 64, sizeof(bundle_t));
    apr_hash_t *by_id = apr_hash_make(k->p);

    for (int i = 0; i < sb_rows_count(k->rows); i++) {
        const char *id = sb_rows_text(k->rows, i, SB_R_STUDENT);
        int *at;

        if (k->subject_of[i] < 0 || (type && strcmp(asmt_of(k, i)->type, type) != 0)) {
            continue;
        }
        at = apr_hash_get(by_id, id, APR_HASH_KEY_STRING);
        if (!at) {
            bundle_t *b = apr_array_push(all);

            b->student_id = id;
            b->rows = apr_array_make(k->p, 4, sizeof(int));
            at = apr_palloc(k->p, sizeof(*at));
            *at = all->nelts - 1;
            apr_hash_set(by_id, id, APR_HASH_KEY_STRING, at);
        }
        APR_ARRAY_PUSH(APR_ARRAY_IDX(all, *at, bundle_t).rows, int) = i;
    }
    return all;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static const char *group_id(const work_t *k, int row, int g)
{
    const char *id = sb_rows_text(k->rows, row, C_GROUP1_ID + 2 * g);

    return id && *id ? id : NULL;
}

typedef struct {
    const char *id, *label;
} group_t;

static int by_label(const void *a, const void *b)
{
    const group_t *x = a, *y = b;
    int order = strcmp(x->label, y->label);

    return order ? order : strcmp(x->id, y->id);
}

/* Every group that a student of the list is in. */
static void write_groups(sb_jw_t *w, const work_t *k)
{
    apr_array_header_t *groups = apr_array_make(k->p, 16, sizeof(group_t));
    apr_hash_t *seen = apr_hash_make(k->p);

    for (int i = 0; i < sb_rows_count(k->rows); i++) {
        for (int g = 0; g < k->page.groups; g++) {
            const char *id = group_id(k, i, g), *label, *both;
            group_t *group;

            if (!id) {
                continue;
            }
            label = sb_rows_text(k->rows, i, C_GROUP1_ID + 2 * g + 1);
            label = label ? label : "";
            both = apr_pstrcat(k->p, id, "\n", label, NULL);
            if (apr_hash_get(seen, both, APR_HASH_KEY_STRING)) {
                continue;
            }
            apr_hash_set(seen, both, APR_HASH_KEY_STRING, both);
            group = apr_array_push(groups);
            group->id = id;
            group->label = label;
        }
    }
    qsort(groups->elts, (size_t)groups->nelts, sizeof(group_t), by_label);
    sb_jw_array(w, "groups");
    for (int i = 0; i < groups->nelts; i++) {
        const group_t *group = &APR_ARRAY_IDX(groups, i, group_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "value", group->id);
        sb_jw_str(w, "label", group->label);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

/* Groups of one row, in the order of the slots. */
static void write_group_ids(sb_jw_t *w, const work_t *k, int row)
{
    sb_jw_array(w, "group");
    for (int g = 0; g < k->page.groups; g++) {
        if (group_id(k, row, g)) {
            sb_jw_str(w, NULL, group_id(k, row, g));
        }
    }
    sb_jw_end(w);
}

/* Groups of several rows, which may be of different versions of a student: each once. */
static void write_groups_of(sb_jw_t *w, const work_t *k, const apr_array_header_t *rows)
{
    apr_hash_t *seen = apr_hash_make(k->p);

    sb_jw_array(w, "group");
    for (int r = 0; r < rows->nelts; r++) {
        for (int g = 0; g < k->page.groups; g++) {
            const char *id = group_id(k, APR_ARRAY_IDX(rows, r, int), g);

            if (id && !apr_hash_get(seen, id, APR_HASH_KEY_STRING)) {
                apr_hash_set(seen, id, APR_HASH_KEY_STRING, id);
                sb_jw_str(w, NULL, id);
            }
        }
    }
    sb_jw_end(w);
}

/* ---- a student ------------------------------------------------------------------------------- */

static void write_student(sb_jw_t *w, const work_t *k, int row)
{
    sb_jw_str(w, "student_id", sb_rows_text(k->rows, row, SB_R_STUDENT));
    sb_jw_str(w, "student_first_name", sb_rows_text(k->rows, row, SB_R_FIRST_NAME));
    sb_jw_str(w, "student_middle_name", sb_rows_text(k->rows, row, SB_R_MIDDLE_NAME));
    sb_jw_str(w, "student_last_name", sb_rows_text(k->rows, row, SB_R_LAST_NAME));
    sb_jw_str(w, "enrollment_grade", sb_rows_text(k->rows, row, SB_R_ENRL_GRADE));
    sb_jw_str(w, "state_code", sb_scope_state(k->ctx->scope));
    sb_result_demographic_json(w, "demographic", k->rows, row);
    sb_jw_str(w, "rowId", sb_rows_text(k->rows, row, SB_R_STUDENT));
}

static void write_result(sb_jw_t *w, const work_t *k, int row)
{
    const sb_asmt_t *a = asmt_of(k, row);

    write_group_ids(w, k, row);
    sb_jw_str(w, "asmt_grade", grade_of(k, row));
    sb_result_number_json(w, "asmt_perf_lvl", k->rows, row, SB_R_LEVEL);
    sb_result_number_json(w, "asmt_score", k->rows, row, SB_R_SCORE);
    sb_result_number_json(w, "asmt_score_range_min", k->rows, row, SB_R_RANGE_MIN);
    sb_result_number_json(w, "asmt_score_range_max", k->rows, row, SB_R_RANGE_MAX);
    sb_jw_int(w, "asmt_score_interval",
              sb_rows_int(k->rows, row, SB_R_SCORE, 0) -
                  sb_rows_int(k->rows, row, SB_R_RANGE_MIN, 0));
    sb_jw_array(w, "claims");
    for (int c = 0; c < SB_ASMT_CLAIMS_MAX; c++) {
        if (a->claim[c].name) {
            sb_jw_object(w, NULL);
            sb_result_claim_level_json(w, k->rows, row, c, a);
            sb_result_claim_scores_json(w, k->rows, row, c);
            sb_jw_end(w);
        }
    }
    sb_jw_end(w);
    sb_jw_str(w, "administration_condition", sb_rows_text(k->rows, row, SB_R_CONDITION));
    sb_jw_bool(w, "complete", sb_rows_bool(k->rows, row, SB_R_COMPLETE) != 0);
}

/* ---- summative and interim comprehensive ----------------------------------------------------- */

static void write_type(sb_jw_t *w, const work_t *k, const char *type)
{
    apr_array_header_t *students = bundle(k, type);

    if (students->nelts == 0) {
        return;
    }
    sb_jw_object(w, sb_asmt_type_shown(type, k->p));
    for (int i = 0; i < students->nelts; i++) {
        const bundle_t *b = &APR_ARRAY_IDX(students, i, bundle_t);

        sb_jw_array(w, b->student_id);
        for (int r = 0; r < b->rows->nelts; r++) {
            int row = APR_ARRAY_IDX(b->rows, r, int);

            sb_jw_object(w, NULL);
            sb_jw_object(w, sb_rows_text(k->rows, row, SB_R_DATE));
            write_student(w, k, row);
            sb_jw_object(w, sb_subject_aliases[k->subject_of[row]]);
            write_result(w, k, row);
            sb_jw_end(w);
            sb_jw_end(w);
            sb_jw_end(w);
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

/* First row of a subject; -1 none. */
static int first_row(const work_t *k, int subject)
{
    for (int i = 0; i < sb_rows_count(k->rows); i++) {
        if (k->subject_of[i] == subject) {
            return i;
        }
    }
    return -1;
}

static void write_cut_points(sb_jw_t *w, const work_t *k, int subject, const sb_asmt_t *a)
{
    int number = sb_subjects_index(&k->metadata->subjects, k->subjects.name[subject]);

    sb_jw_object(w, sb_subject_aliases[subject]);
    sb_jw_int(w, "asmt_score_min", a->score_min);
    sb_jw_int(w, "asmt_score_max", a->score_max);
    for (int c = 0; c < SB_ASMT_CLAIMS_MAX; c++) {
        if (c < SB_ASMT_CLAIMS_SCORED || a->claim[c].name) { /* the first ones always */
            sb_jw_str(w, apr_psprintf(k->p, "asmt_claim_%d_name", c + 1), a->claim[c].name);
        }
    }
    sb_asmt_cut_points_json(w, "cut_point_intervals", a, k->metadata->colours[number]);
    sb_jw_end(w);
}

static void write_claims(sb_jw_t *w, int subject, const sb_asmt_t *a)
{
    sb_jw_array(w, sb_subject_aliases[subject]);
    for (int c = 0; c < SB_ASMT_CLAIMS_MAX; c++) {
        if (a->claim[c].name) {
            sb_jw_object(w, NULL);
            sb_jw_str(w, "perf_lvl", "None"); /* no student's: clients expect the members */
            sb_jw_str(w, "perf_lvl_name", "None");
            sb_asmt_claim_names_json(w, a, c);
            sb_jw_end(w);
        }
    }
    sb_jw_end(w);
}

/* Cut points and claims of each subject, as its first row's assessment has them. */
static void write_metadata(sb_jw_t *w, const work_t *k)
{
    const sb_asmt_t *of[SB_SUBJECTS_MAX];

    for (int s = 0; s < k->subjects.n; s++) {
        int row = first_row(k, s);

        of[s] = row < 0 ? NULL : asmt_of(k, row);
    }
    sb_jw_object(w, "metadata");
    sb_jw_object(w, "cutpoints");
    for (int s = 0; s < k->subjects.n; s++) {
        if (of[s]) {
            write_cut_points(w, k, s, of[s]);
        }
    }
    sb_jw_end(w);
    sb_jw_object(w, "claims");
    for (int s = 0; s < k->subjects.n; s++) {
        if (of[s]) {
            write_claims(w, s, of[s]);
        }
    }
    sb_jw_end(w);
    sb_metadata_node_json(w, "branding", k->metadata->branding);
    sb_jw_end(w);
}

static void write_whole(sb_jw_t *w, const work_t *k)
{
    sb_jw_object(w, "assessments");
    write_type(w, k, "SUMMATIVE");
    write_type(w, k, "INTERIM COMPREHENSIVE");
    sb_jw_end(w);
    write_metadata(w, k);
}

/* ---- interim assessment blocks --------------------------------------------------------------- */

/* What a block is called: its only claim. One without a name has nothing to show it under. */
static const char *block_name(const work_t *k, int row)
{
    return asmt_of(k, row)->claim[0].name;
}

static void write_block(sb_jw_t *w, const work_t *k, int row)
{
    const sb_asmt_t *a = asmt_of(k, row);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "date_taken", sb_rows_text(k->rows, row, SB_R_DATE));
    sb_jw_str(w, "asmt_grade", grade_of(k, row));
    sb_jw_str(w, "administration_condition", sb_rows_text(k->rows, row, SB_R_CONDITION));
    sb_jw_bool(w, "complete", sb_rows_bool(k->rows, row, SB_R_COMPLETE) != 0);
    sb_jw_array(w, "claims");
    sb_jw_object(w, NULL);
    sb_result_claim_level_json(w, k->rows, row, 0, a);
    sb_jw_str(w, "name", a->claim[0].name);
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_end(w);
}

/* For each block name of one subject among these rows: what write says about all of its rows. */
static void write_by_name(sb_jw_t *w, const work_t *k, int subject, const apr_array_header_t *rows,
                          void (*write)(sb_jw_t *, const work_t *, const apr_array_header_t *))
{
    apr_array_header_t *names = apr_array_make(k->p, 8, sizeof(const char *));
    apr_hash_t *by_name = apr_hash_make(k->p);

    for (int r = 0; r < rows->nelts; r++) {
        int row = APR_ARRAY_IDX(rows, r, int);
        const char *name = block_name(k, row);
        apr_array_header_t *of;

        if (!name || k->subject_of[row] != subject) {
            continue;
        }
        of = apr_hash_get(by_name, name, APR_HASH_KEY_STRING);
        if (!of) {
            of = apr_array_make(k->p, 4, sizeof(int));
            apr_hash_set(by_name, name, APR_HASH_KEY_STRING, of);
            APR_ARRAY_PUSH(names, const char *) = name;
        }
        APR_ARRAY_PUSH(of, int) = row;
    }
    if (names->nelts == 0) {
        return;
    }
    sb_jw_object(w, sb_subject_aliases[subject]);
    for (int i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        sb_jw_array(w, name);
        write(w, k, apr_hash_get(by_name, name, APR_HASH_KEY_STRING));
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

static void write_blocks_of(sb_jw_t *w, const work_t *k, const apr_array_header_t *rows)
{
    for (int r = 0; r < rows->nelts; r++) {
        write_block(w, k, APR_ARRAY_IDX(rows, r, int));
    }
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(*(const char *const *)b, *(const char *const *)a);
}

static void write_dates_of(sb_jw_t *w, const work_t *k, const apr_array_header_t *rows)
{
    apr_array_header_t *dates = apr_array_make(k->p, rows->nelts, sizeof(const char *));
    const char *last = "";

    for (int r = 0; r < rows->nelts; r++) {
        APR_ARRAY_PUSH(dates, const char *) =
            sb_rows_text(k->rows, APR_ARRAY_IDX(rows, r, int), SB_R_DATE);
    }
    qsort(dates->elts, (size_t)dates->nelts, sizeof(const char *), newest_first);
    for (int i = 0; i < dates->nelts; i++) {
        const char *date = APR_ARRAY_IDX(dates, i, const char *);

        if (strcmp(date, last)) {
            sb_jw_str(w, NULL, date);
        }
        last = date;
    }
}

static void write_blocks(sb_jw_t *w, const work_t *k)
{
    apr_array_header_t *students = bundle(k, NULL);
    apr_array_header_t *all = apr_array_make(k->p, sb_rows_count(k->rows) + 1, sizeof(int));

    sb_jw_object(w, "assessments");
    sb_jw_object(w, SB_ASMT_BLOCKS);
    for (int i = 0; i < students->nelts; i++) {
        const bundle_t *b = &APR_ARRAY_IDX(students, i, bundle_t);

        sb_jw_object(w, b->student_id);
        write_student(w, k, APR_ARRAY_IDX(b->rows, 0, int));
        write_groups_of(w, k, b->rows);
        for (int s = 0; s < k->subjects.n; s++) {
            write_by_name(w, k, s, b->rows, write_blocks_of);
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
    for (int i = 0; i < sb_rows_count(k->rows); i++) {
        APR_ARRAY_PUSH(all, int) = i;
    }
    sb_jw_object(w, "interim_assessment_blocks");
    for (int s = 0; s < k->subjects.n; s++) {
        write_by_name(w, k, s, all, write_dates_of);
    }
    sb_jw_end(w);
    sb_jw_object(w, "metadata");
    sb_metadata_node_json(w, "branding", k->metadata->branding);
    sb_jw_end(w);
}

/* ---- the report ------------------------------------------------------------------------------ */

static void write_context(sb_jw_t *w, const work_t *k)
{
    sb_jw_object(w, "context");
    sb_jw_raw(w, "items", k->page.items, strlen(k->page.items));
    sb_permissions_json(w, "permissions", k->ctx->user, k->ctx->tenants,
                        sb_scope_state(k->ctx->scope), k->place.district_id, k->place.school_id);
    sb_jw_end(w);
}

static apr_status_t run(sb_jw_t *w, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    work_t k = {.ctx = ctx, .p = p};
    const char *type = sb_params_str(ctx->params, "asmtType");
    sb_not_stated_t not_stated;
    apr_status_t rv;

    k.grade = sb_params_str(ctx->params, "asmtGrade");
    k.place = (sb_place_t){sb_params_str(ctx->params, "districtId"),
                           sb_params_str(ctx->params, "schoolId"), k.grade, NULL};
    k.asmt_type = type ? type : "SUMMATIVE";
    rv = find(&k);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_jw_object(w, NULL);
    if (is_blocks(&k)) {
        write_blocks(w, &k);
    }
    else {
        write_whole(w, &k);
    }
    write_groups(w, &k);
    write_context(w, &k);
    sb_subjects_json(w, "subjects", &k.subjects);
    sb_jw_raw(w, "asmt_administration", k.page.administrations, strlen(k.page.administrations));
    not_stated = k.page.not_stated;
    if (!sb_scope_reaches(ctx->scope, k.place.district_id, k.place.school_id)) {
        sb_not_stated_hide(&not_stated); /* small groups of a school he does not see into */
    }
    sb_not_stated_json(w, "not_stated", &not_stated);
    sb_years_json(w, "asmt_period_year", sb_known_years(k.results.known));
    sb_identity_json(w, "user_info", ctx->user);
    sb_jw_end(w);
    return APR_SUCCESS;
}

static const sb_param_t params[] = {
    {.name = "stateCode",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z0-9-",
     .max_len = 50},
    {.name = "districtId",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z0-9-",
     .max_len = 50},
    {.name = "schoolId",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z0-9-",
     .max_len = 50},
    {.name = "asmtGrade", .type = SB_PARAM_STRING, .chars = "K0-9", .max_len = 2},
    {.name = "asmtSubject", .type = SB_PARAM_STRINGS, .chars = "a-zA-Z0-9 -", .max_len = 64},
    {.name = "asmtYear", .type = SB_PARAM_INTEGER},
    {.name = "asmtType", .type = SB_PARAM_ENUM, .values = sb_asmt_types},
    SB_FILTER_PARAMS,
    SB_FILTER_GROUPS,
    {.name = NULL},
};

const sb_report_t sb_report_list_of_students = {
    .name = "list_of_students",
    .callable = "get_list_of_students_report",
    .role = "PII",
    .params = params,
    .own_snapshot = 1,
    .run = run,
};
