/**
 * Report individual_student_report: all results of one student of a kind and year. A student whom the
 * user's grants of PII do not reach is not found, like one who does not exist. Source of the rules:
 * docs/reporting.md, "Individual student report".
 */

#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include "report/sb_parts.h"
#include "report/sb_result.h"

static const char *const accommodations[] = {
    "acc_asl_video_embed",          "acc_braile_embed",
    "acc_closed_captioning_embed",  "acc_text_to_speech_embed",
    "acc_abacus_nonembed",          "acc_alternate_response_options_nonembed",
    "acc_calculator_nonembed",      "acc_multiplication_table_nonembed",
    "acc_print_on_demand_nonembed", "acc_print_on_demand_items_nonembed",
    "acc_read_aloud_nonembed",      "acc_scribe_nonembed",
    "acc_speech_to_text_nonembed",  "acc_streamline_mode",
    "acc_noise_buffer_nonembed"};
#define ACCOMMODATIONS ((int)(sizeof(accommodations) / sizeof(accommodations[0])))

enum { C_DAY = SB_R_MORE, C_MONTH, C_YEAR, C_DISTRICT_NAME, C_SCHOOL_NAME, C_ACCOMMODATION };

typedef struct {
    const sb_report_ctx_t *ctx;
    apr_pool_t *p;
    const char *student_id, *guid, *date, *type, *year;
    int blocks;
    sb_results_t results;
    sb_rows_t *administrations;
    /* of the version that the results are of */
    const sb_metadata_t *metadata;
    const sb_rows_t *rows;
    int first; /* row that is shown first: the student is called as there */
} work_t;

static const sb_asmt_t *asmt_of(const work_t *k, int row)
{
    return k->results.asmt_of[row];
}

static int subject_of(const work_t *k, int row)
{
    return sb_subjects_index(&k->metadata->subjects, sb_rows_text(k->rows, row, SB_R_SUBJECT));
}

/* ---- finding --------------------------------------------------------------------------------- */

static const char *more_columns(apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 2 * ACCOMMODATIONS + 1, sizeof(const char *));

    APR_ARRAY_PUSH(all, const char *) = ", f.date_taken_day, f.date_taken_month, f.date_taken_year,"
                                        " h.district_name, h.school_name";
    for (int i = 0; i < ACCOMMODATIONS; i++) {
        APR_ARRAY_PUSH(all, const char *) = ", f.";
        APR_ARRAY_PUSH(all, const char *) = accommodations[i];
    }
    return apr_array_pstrcat(p, all, 0);
}

static void queue_rows(work_t *k, sb_pipe_t *pipe)
{
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    const char *where = "f.student_id = $1 AND f.asmt_year = $2::smallint AND f.asmt_type = $3";

    APR_ARRAY_PUSH(args, const char *) = k->student_id;
    APR_ARRAY_PUSH(args, const char *) = k->year;
    APR_ARRAY_PUSH(args, const char *) = k->type;
    if (k->guid) {
        APR_ARRAY_PUSH(args, const char *) = k->guid;
        where = apr_pstrcat(k->p, where, " AND f.asmt_guid = $4", NULL);
    }
    if (k->date && !k->blocks) {
        APR_ARRAY_PUSH(args, const char *) = k->date;
        where = apr_psprintf(k->p, "%s AND f.date_taken = $%d", where, args->nelts);
    }
    sb_results_queue(&k->results, pipe, k->ctx,
                     &(sb_results_query_t){
                         .kind = k->blocks ? SB_RESULTS_BLOCKS : SB_RESULTS_WHOLE,
                         .more = more_columns(k->p),
                         .joins =
                             " LEFT JOIN {schema}.dim_inst_hier h ON h.rec_status = 'C'"
                             " AND h.state_code = f.state_code"
                             " AND h.district_id = f.district_id AND h.school_id = f.school_id",
                         .where = where,
                         .order = k->blocks ? "f.asmt_grade DESC, f.date_taken DESC, f.asmt_rec_id"
                                            : "f.date_taken DESC, f.asmt_rec_id",
                         .args = args},
                     k->p);
}

static void ask(sb_results_t *r, sb_pipe_t *pipe, void *baton)
{
    work_t *k = baton;

    (void)r;
    queue_rows(k, pipe);
    sb_administrations_of_student(&k->administrations, pipe, k->ctx, k->student_id);
}

static int first_shown(const work_t *k)
{
    for (int s = 0; s < k->metadata->subjects.n; s++) {
        for (int i = 0; i < sb_rows_count(k->rows); i++) {
            if (subject_of(k, i) == s) {
                return i;
            }
        }
    }
    return 0;
}

static apr_status_t find(work_t *k)
{
    apr_status_t rv = sb_results_read(&k->results, k->ctx, ask, k, k->p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    k->rows = k->results.rows;
    k->metadata = sb_known_metadata(k->results.known);
    if (sb_rows_count(k->rows) == 0) {
        return APR_NOTFOUND;
    }
    k->first = first_shown(k);
    return APR_SUCCESS;
}

/* ---- a result -------------------------------------------------------------------------------- */

/* value of use -> names of the accommodations used like that */
static void write_accommodations(sb_jw_t *w, const work_t *k, int row)
{
    const char *code[ACCOMMODATIONS];
    int done[ACCOMMODATIONS] = {0};

    for (int i = 0; i < ACCOMMODATIONS; i++) {
        code[i] = sb_rows_text(k->rows, row, C_ACCOMMODATION + i);
        code[i] = code[i] ? code[i] : "null";
    }
    sb_jw_object(w, "accommodations");
    for (int i = 0; i < ACCOMMODATIONS; i++) {
        if (done[i]) {
            continue;
        }
        sb_jw_array(w, code[i]);
        for (int j = i; j < ACCOMMODATIONS; j++) {
            if (!strcmp(code[i], code[j])) {
                sb_jw_str(w, NULL, accommodations[j]);
                done[j] = 1;
            }
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

/* Is there a score of this claim? @param pdiff how far it is from the overall score */
static int claim_difference(apr_int64_t *pdiff, const work_t *k, int row, int claim)
{
    const char *score = sb_result_claim(k->rows, row, claim, SB_R_CLAIM_SCORE);

    *pdiff = score ? apr_atoi64(score) - sb_rows_int(k->rows, row, SB_R_SCORE, 0) : 0;
    return score != NULL;
}

static void write_claims(sb_jw_t *w, const work_t *k, int row)
{
    const sb_asmt_t *a = asmt_of(k, row);
    apr_int64_t diff, largest = 0;

    for (int c = 0; c < SB_ASMT_CLAIMS_MAX; c++) {
        if (a->claim[c].name && claim_difference(&diff, k, row, c)) {
            diff = diff < 0 ? -diff : diff;
            largest = diff > largest ? diff : largest;
        }
    }
    sb_jw_array(w, "claims");
    for (int c = 0; c < SB_ASMT_CLAIMS_MAX; c++) {
        if (!a->claim[c].name) {
            continue;
        }
        sb_jw_object(w, NULL);
        sb_result_claim_level_json(w, k->rows, row, c, a);
        sb_result_claim_scores_json(w, k->rows, row, c);
        sb_jw_fmt(w, "indexer", "%d", c + 1);
        sb_jw_str(w, "max_score", a->claim[c].score_max);
        sb_jw_str(w, "min_score", a->claim[c].score_min);
        sb_asmt_claim_names_json(w, a, c);
        /* of the largest difference, in per cent, cut towards zero */
        claim_difference(&diff, k, row, c);
        sb_jw_int(w, "claim_score_relative_difference",
                  largest ? (apr_int64_t)((double)diff / (double)largest * 100) : 0);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

static void write_result(sb_jw_t *w, const work_t *k, int row)
{
    static const struct {
        const char *name;
        int col;
    } texts[] = {{"student_id", SB_R_STUDENT},      {"first_name", SB_R_FIRST_NAME},
                 {"middle_name", SB_R_MIDDLE_NAME}, {"last_name", SB_R_LAST_NAME},
                 {"grade", SB_R_ENRL_GRADE},        {"district_id", SB_R_DISTRICT},
                 {"school_id", SB_R_SCHOOL},        {"state_code", SB_R_STATE},
                 {"date_taken", SB_R_DATE},         {"asmt_subject", SB_R_SUBJECT},
                 {"asmt_grade", SB_R_GRADE},        {"administration_condition", SB_R_CONDITION}},
      numbers[] = {{"date_taken_day", C_DAY},
                   {"date_taken_month", C_MONTH},
                   {"date_taken_year", C_YEAR},
                   {"asmt_score", SB_R_SCORE},
                   {"asmt_score_range_min", SB_R_RANGE_MIN},
                   {"asmt_score_range_max", SB_R_RANGE_MAX},
                   {"asmt_perf_lvl", SB_R_LEVEL}};
    const sb_asmt_t *a = asmt_of(k, row);
    int s = subject_of(k, row);

    sb_jw_object(w, NULL);
    for (apr_size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        sb_jw_str(w, texts[i].name, sb_rows_text(k->rows, row, texts[i].col));
    }
    for (apr_size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sb_result_number_json(w, numbers[i].name, k->rows, row, numbers[i].col);
    }
    sb_jw_str(w, "student_full_name", sb_result_full_name(k->rows, row, k->p));
    sb_jw_str(w, "asmt_period", a->period);
    sb_jw_int(w, "asmt_period_year", a->period_year);
    sb_jw_str(w, "asmt_type", sb_asmt_type_shown(a->type, k->p));
    sb_jw_int(w, "asmt_score_min", a->score_min);
    sb_jw_int(w, "asmt_score_max", a->score_max);
    sb_jw_int(w, "asmt_score_interval",
              sb_rows_int(k->rows, row, SB_R_SCORE, 0) -
                  sb_rows_int(k->rows, row, SB_R_RANGE_MIN, 0));
    for (int l = 0; l < SB_ASMT_CLAIM_LEVELS_MAX; l++) {
        sb_jw_str(w, apr_psprintf(k->p, "asmt_claim_perf_lvl_name_%d", l + 1),
                  a->claim_level_name[l]);
    }
    sb_asmt_cut_points_json(w, "cut_point_intervals", a, s < 0 ? NULL : k->metadata->colours[s]);
    write_claims(w, k, row);
    write_accommodations(w, k, row);
    sb_jw_bool(w, "complete", sb_rows_bool(k->rows, row, SB_R_COMPLETE) != 0);
    sb_jw_end(w);
}

/* Subjects in their order, each the newest first. */
static void write_results(sb_jw_t *w, const work_t *k)
{
    sb_jw_array(w, "all_results");
    for (int s = 0; s < k->metadata->subjects.n; s++) {
        for (int i = 0; i < sb_rows_count(k->rows); i++) {
            if (subject_of(k, i) == s) {
                write_result(w, k, i);
            }
        }
    }
    sb_jw_end(w);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void write_block(sb_jw_t *w, const work_t *k, int row)
{
    const sb_asmt_t *a = asmt_of(k, row);

    sb_jw_object(w, NULL);
    sb_jw_array(w, "claims");
    if (a->claim[0].name) {
        sb_jw_object(w, NULL);
        sb_result_claim_level_json(w, k->rows, row, 0, a);
        sb_jw_str(w, "name", a->claim[0].name);
        sb_jw_bool(w, "complete", sb_rows_bool(k->rows, row, SB_R_COMPLETE) != 0);
        sb_jw_str(w, "administration_condition", sb_result_text(k->rows, row, SB_R_CONDITION));
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_str(w, "grade", sb_rows_text(k->rows, row, SB_R_GRADE));
    sb_jw_str(w, "date_taken", sb_rows_text(k->rows, row, SB_R_DATE));
    sb_jw_end(w);
}

static void write_blocks(sb_jw_t *w, const work_t *k)
{
    sb_jw_object(w, "all_results");
    sb_jw_str(w, "student_full_name", sb_result_full_name(k->rows, k->first, k->p));
    sb_jw_str(w, "first_name", sb_rows_text(k->rows, k->first, SB_R_FIRST_NAME));
    sb_jw_str(w, "middle_name", sb_rows_text(k->rows, k->first, SB_R_MIDDLE_NAME));
    sb_jw_str(w, "last_name", sb_rows_text(k->rows, k->first, SB_R_LAST_NAME));
    sb_jw_str(w, "asmt_grade", sb_rows_text(k->rows, k->first, SB_R_GRADE));
    sb_jw_str(w, "asmt_type", sb_asmt_type_shown(SB_ASMT_BLOCKS, k->p));
    sb_jw_int(w, "asmt_period_year", asmt_of(k, k->first)->period_year);
    sb_jw_str(w, "student_id", k->student_id);
    for (int s = 0; s < k->metadata->subjects.n; s++) {
        sb_jw_array(w, sb_subject_aliases[s]);
        for (int i = 0; i < sb_rows_count(k->rows); i++) {
            if (subject_of(k, i) == s) {
                write_block(w, k, i);
            }
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

/* ---- the report ------------------------------------------------------------------------------ */

static void write_context(sb_jw_t *w, const work_t *k)
{
    sb_place_t place = {sb_rows_text(k->rows, k->first, SB_R_DISTRICT),
                        sb_rows_text(k->rows, k->first, SB_R_SCHOOL),
                        sb_rows_text(k->rows, k->first, SB_R_GRADE),
                        sb_result_full_name(k->rows, k->first, k->p)};
    sb_place_names_t names = {sb_rows_text(k->rows, k->first, C_DISTRICT_NAME),
                              sb_rows_text(k->rows, k->first, C_SCHOOL_NAME)};

    sb_jw_object(w, "context");
    sb_breadcrumb_write(w, "items", k->ctx, &place, names.district ? &names : NULL);
    /* for the place that was asked for, which names no school */
    sb_permissions_json(w, "permissions", k->ctx->user, k->ctx->tenants,
                        sb_scope_state(k->ctx->scope), NULL, NULL);
    sb_jw_end(w);
}

static apr_status_t run(sb_jw_t *w, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    work_t k = {.ctx = ctx,
                .p = p,
                .student_id = sb_params_str(ctx->params, "studentId"),
                .guid = sb_params_str(ctx->params, "assessmentGuid"),
                .type = sb_params_str(ctx->params, "asmtType"),
                .year = apr_itoa(p, sb_year_asked(ctx->params, NULL))};
    apr_status_t rv;

    k.blocks = !strcmp(k.type, SB_ASMT_BLOCKS);
    if (sb_params_has(ctx->params, "dateTaken")) {
        k.date = apr_psprintf(p, "%" APR_INT64_T_FMT, sb_params_int(ctx->params, "dateTaken", 0));
    }
    rv = find(&k);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_jw_object(w, NULL);
    if (k.blocks) {
        write_blocks(w, &k);
    }
    else {
        write_results(w, &k);
    }
    write_context(w, &k);
    sb_jw_object(w, "metadata");
    sb_metadata_node_json(w, "branding", k.metadata->branding);
    sb_jw_end(w);
    sb_subjects_json(w, "subjects", &k.metadata->subjects);
    sb_administrations_json(w, "asmt_administration", k.administrations);
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
    {.name = "assessmentGuid", .type = SB_PARAM_STRING, .chars = "a-zA-Z0-9-", .max_len = 50},
    {.name = "asmtYear", .type = SB_PARAM_INTEGER, .required = 1},
    {.name = "dateTaken", .type = SB_PARAM_INTEGER},
    {.name = "asmtType", .type = SB_PARAM_ENUM, .required = 1, .values = sb_asmt_types},
    {.name = NULL},
};

const sb_report_t sb_report_individual_student = {
    .name = "individual_student_report",
    .callable = "get_student_report",
    .role = "PII",
    .params = params,
    .own_snapshot = 1,
    .run = run,
};
