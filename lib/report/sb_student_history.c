/**
 * Report student_history: everything one student ever took, all years and kinds, and for each subject the
 * series of his scores. A result in a school that the user's grants of PII do not reach is left out; a
 * student with none that is left is not found, like one who does not exist. Source of the rules:
 * docs/reporting.md, "Student history".
 */

#include <string.h>
#include "report/sb_parts.h"
#include "report/sb_result.h"

enum { C_YEAR = SB_R_MORE, C_DISTRICT_NAME, C_SCHOOL_NAME };

typedef struct {
    const sb_report_ctx_t *ctx;
    apr_pool_t *p;
    const char *student_id;
    sb_results_t results;
    /* of the version that the results are of */
    const sb_metadata_t *metadata;
    const sb_rows_t *rows; /* the newest first */
} work_t;

static int subject_of(const work_t *k, int row)
{
    return sb_subjects_index(&k->metadata->subjects, sb_rows_text(k->rows, row, SB_R_SUBJECT));
}

/* ---- finding --------------------------------------------------------------------------------- */

/* Institutions as they were called: the row of the result, whatever came after it. */
static void ask(sb_results_t *r, sb_pipe_t *pipe, void *baton)
{
    work_t *k = baton;
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));

    APR_ARRAY_PUSH(args, const char *) = k->student_id;
    sb_results_queue(r, pipe, k->ctx,
                     &(sb_results_query_t){
                         .kind = SB_RESULTS_BOTH,
                         .more = ", f.asmt_year, h.district_name, h.school_name",
                         .joins = " LEFT JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)",
                         .where = "f.student_id = $1",
                         .order =
                             "asmt_year DESC, date_taken DESC, asmt_type DESC, asmt_subject DESC,"
                             " asmt_rec_id",
                         .args = args},
                     k->p);
}

/* Is this result of a subject that is asked for? */
static int is_asked(const work_t *k, int row)
{
    const apr_array_header_t *subjects = sb_params_list(k->ctx->params, "asmtSubject");

    for (int i = 0; subjects && i < subjects->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(subjects, i, const char *),
                    sb_rows_text(k->rows, row, SB_R_SUBJECT))) {
            return 1;
        }
    }
    return !subjects || subjects->nelts == 0;
}

static apr_status_t find(work_t *k)
{
    apr_status_t rv = sb_results_read(&k->results, k->ctx, ask, k, k->p);

    if (rv == APR_SUCCESS) {
        k->rows = k->results.rows;
        k->metadata = sb_known_metadata(k->results.known);
        rv = sb_rows_count(k->rows) > 0 ? APR_SUCCESS : APR_NOTFOUND;
    }
    return rv;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int is_block(const work_t *k, int row)
{
    return !strcmp(sb_rows_text(k->rows, row, SB_R_TYPE), SB_ASMT_BLOCKS);
}

/* Name of the performance level of a result; NULL none. */
static const char *level_name(const work_t *k, int row)
{
    const sb_asmt_t *a = k->results.asmt_of[row];
    apr_int64_t level = sb_rows_int(k->rows, row, SB_R_LEVEL, 0);

    return level >= 1 && level <= a->nlevels ? a->level[level - 1].name : NULL;
}

static void write_score(sb_jw_t *w, const work_t *k, int row)
{
    sb_result_number_json(w, "asmt_period_year", k->rows, row, C_YEAR);
    sb_jw_str(w, "asmt_type", sb_asmt_type_shown(sb_rows_text(k->rows, row, SB_R_TYPE), k->p));
    sb_jw_str(w, "asmt_grade", sb_rows_text(k->rows, row, SB_R_GRADE));
    sb_jw_str(w, "date_taken", sb_rows_text(k->rows, row, SB_R_DATE));
    sb_result_number_json(w, "asmt_score", k->rows, row, SB_R_SCORE);
    sb_result_number_json(w, "asmt_score_range_min", k->rows, row, SB_R_RANGE_MIN);
    sb_result_number_json(w, "asmt_score_range_max", k->rows, row, SB_R_RANGE_MAX);
    sb_result_number_json(w, "asmt_perf_lvl", k->rows, row, SB_R_LEVEL);
    sb_jw_str(w, "asmt_perf_lvl_name", level_name(k, row));
}

static void write_claims(sb_jw_t *w, const work_t *k, int row)
{
    const sb_asmt_t *a = k->results.asmt_of[row];

    sb_jw_array(w, "claims");
    for (int c = 0; c < SB_ASMT_CLAIMS_MAX; c++) {
        if (a->claim[c].name) {
            sb_jw_object(w, NULL);
            sb_jw_str(w, "name", a->claim[c].name);
            sb_result_claim_level_json(w, k->rows, row, c, a);
            sb_result_claim_scores_json(w, k->rows, row, c);
            sb_jw_end(w);
        }
    }
    sb_jw_end(w);
}

static void write_result(sb_jw_t *w, const work_t *k, int row)
{
    const sb_asmt_t *a = k->results.asmt_of[row];

    sb_jw_object(w, NULL);
    write_score(w, k, row);
    sb_jw_str(w, "asmt_guid", a->guid);
    sb_jw_str(w, "asmt_period", a->period);
    sb_jw_str(w, "asmt_subject", sb_rows_text(k->rows, row, SB_R_SUBJECT));
    sb_jw_str(w, "enrollment_grade", sb_rows_text(k->rows, row, SB_R_ENRL_GRADE));
    write_claims(w, k, row);
    sb_jw_str(w, "administration_condition", sb_rows_text(k->rows, row, SB_R_CONDITION));
    sb_jw_bool(w, "complete", sb_rows_bool(k->rows, row, SB_R_COMPLETE) != 0);
    sb_jw_str(w, "district_id", sb_rows_text(k->rows, row, SB_R_DISTRICT));
    sb_jw_str(w, "district_name", sb_rows_text(k->rows, row, C_DISTRICT_NAME));
    sb_jw_str(w, "school_id", sb_rows_text(k->rows, row, SB_R_SCHOOL));
    sb_jw_str(w, "school_name", sb_rows_text(k->rows, row, C_SCHOOL_NAME));
    sb_jw_end(w);
}

static void write_results(sb_jw_t *w, const work_t *k)
{
    sb_jw_array(w, "results");
    for (int i = 0; i < sb_rows_count(k->rows); i++) {
        if (is_asked(k, i)) {
            write_result(w, k, i);
        }
    }
    sb_jw_end(w);
}

/* For a chart: from the oldest up, each with the levels of its own assessment. Blocks have no score. */
static void write_series_of(sb_jw_t *w, const work_t *k, int subject)
{
    int begun = 0;

    for (int i = sb_rows_count(k->rows) - 1; i >= 0; i--) {
        const sb_asmt_t *a = k->results.asmt_of[i];

        if (is_block(k, i) || subject_of(k, i) != subject || !is_asked(k, i)) {
            continue;
        }
        if (!begun) {
            sb_jw_array(w, sb_subject_aliases[subject]);
            begun = 1;
        }
        sb_jw_object(w, NULL);
        write_score(w, k, i);
        sb_jw_int(w, "asmt_score_min", a->score_min);
        sb_jw_int(w, "asmt_score_max", a->score_max);
        sb_asmt_cut_points_json(w, "cut_point_intervals", a, k->metadata->colours[subject]);
        sb_jw_end(w);
    }
    if (begun) {
        sb_jw_end(w);
    }
}

static void write_student(sb_jw_t *w, const work_t *k)
{
    sb_jw_object(w, "student");
    sb_jw_str(w, "student_id", k->student_id);
    sb_jw_str(w, "first_name", sb_rows_text(k->rows, 0, SB_R_FIRST_NAME));
    sb_jw_str(w, "middle_name", sb_rows_text(k->rows, 0, SB_R_MIDDLE_NAME));
    sb_jw_str(w, "last_name", sb_rows_text(k->rows, 0, SB_R_LAST_NAME));
    sb_jw_str(w, "student_full_name", sb_result_full_name(k->rows, 0, k->p));
    sb_jw_end(w);
}

/* The way to the newest result. */
static void write_context(sb_jw_t *w, const work_t *k)
{
    sb_place_t place = {sb_rows_text(k->rows, 0, SB_R_DISTRICT),
                        sb_rows_text(k->rows, 0, SB_R_SCHOOL), sb_rows_text(k->rows, 0, SB_R_GRADE),
                        sb_result_full_name(k->rows, 0, k->p)};
    sb_place_names_t names = {sb_rows_text(k->rows, 0, C_DISTRICT_NAME),
                              sb_rows_text(k->rows, 0, C_SCHOOL_NAME)};

    sb_jw_object(w, "context");
    sb_breadcrumb_write(w, "items", k->ctx, &place, names.district ? &names : NULL);
    sb_permissions_json(w, "permissions", k->ctx->user, k->ctx->tenants,
                        sb_scope_state(k->ctx->scope), NULL, NULL);
    sb_jw_end(w);
}

static apr_status_t run(sb_jw_t *w, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    work_t k = {.ctx = ctx, .p = p, .student_id = sb_params_str(ctx->params, "studentId")};
    apr_status_t rv = find(&k);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_jw_object(w, NULL);
    write_student(w, &k);
    write_results(w, &k);
    sb_jw_object(w, "series");
    for (int s = 0; s < k.metadata->subjects.n; s++) {
        write_series_of(w, &k, s);
    }
    sb_jw_end(w);
    sb_subjects_json(w, "subjects", &k.metadata->subjects);
    write_context(w, &k);
    sb_jw_object(w, "metadata");
    sb_metadata_node_json(w, "branding", k.metadata->branding);
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
    {.name = "studentId",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z0-9-",
     .max_len = 50},
    {.name = "asmtSubject", .type = SB_PARAM_STRINGS, .chars = "a-zA-Z0-9 -", .max_len = 64},
    {.name = NULL},
};

const sb_report_t sb_report_student_history = {
    .name = "student_history",
    .callable = "get_student_history",
    .role = "PII",
    .params = params,
    .own_snapshot = 1,
    .run = run,
};
