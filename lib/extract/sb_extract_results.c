/**
 * Results of students as CSV: 90 columns, the same for every kind of assessment.
 */

#include "extract/sb_extract_private.h"

#include <string.h>
#include <apr_strings.h>

/* Every column: its header, and where it comes from in summative and comprehensive results (f) and in
 * blocks. Source: docs/extracts.md, "Columns". */
#define SAME "="
#define NONE NULL
static const struct {
    const char *header, *source, *block;
    char how;
} columns[] = {
    {"AssessmentGuid", "a.asmt_guid", SAME, SB_CSV_TEXT},
    {"AssessmentSessionLocationId", "f.where_taken_id", SAME, SB_CSV_TEXT},
    {"AssessmentSessionLocation", "f.where_taken_name", SAME, SB_CSV_TEXT},
    {"AssessmentLevelForWhichDesigned", "f.asmt_grade", SAME, SB_CSV_TEXT},
    {"StateAbbreviation", "i.state_code", SAME, SB_CSV_TEXT},
    {"ResponsibleDistrictIdentifier", "i.district_id", SAME, SB_CSV_TEXT},
    {"OrganizationName", "i.district_name", SAME, SB_CSV_TEXT},
    {"ResponsibleSchoolIdentifier", "i.school_id", SAME, SB_CSV_TEXT},
    {"NameOfInstitution", "i.school_name", SAME, SB_CSV_TEXT},
    {"StudentIdentifier", "s.student_id", SAME, SB_CSV_TEXT},
    {"FirstName", "s.first_name", SAME, SB_CSV_TEXT},
    {"MiddleName", "s.middle_name", SAME, SB_CSV_TEXT},
    {"LastOrSurname", "s.last_name", SAME, SB_CSV_TEXT},
    {"Sex", "s.sex", SAME, SB_CSV_TEXT},
    {"Birthdate", "s.birthdate", SAME, SB_CSV_TEXT},
    {"ExternalSSID", "s.external_student_id", SAME, SB_CSV_TEXT},
    {"GradeLevelWhenAssessed", "f.enrl_grade", SAME, SB_CSV_TEXT},
    {"Group1Id", "s.group_1_id", SAME, SB_CSV_TEXT},
    {"Group1Text", "s.group_1_text", SAME, SB_CSV_TEXT},
    {"Group2Id", "s.group_2_id", SAME, SB_CSV_TEXT},
    {"Group2Text", "s.group_2_text", SAME, SB_CSV_TEXT},
    {"Group3Id", "s.group_3_id", SAME, SB_CSV_TEXT},
    {"Group3Text", "s.group_3_text", SAME, SB_CSV_TEXT},
    {"Group4Id", "s.group_4_id", SAME, SB_CSV_TEXT},
    {"Group4Text", "s.group_4_text", SAME, SB_CSV_TEXT},
    {"Group5Id", "s.group_5_id", SAME, SB_CSV_TEXT},
    {"Group5Text", "s.group_5_text", SAME, SB_CSV_TEXT},
    {"Group6Id", "s.group_6_id", SAME, SB_CSV_TEXT},
    {"Group6Text", "s.group_6_text", SAME, SB_CSV_TEXT},
    {"Group7Id", "s.group_7_id", SAME, SB_CSV_TEXT},
    {"Group7Text", "s.group_7_text", SAME, SB_CSV_TEXT},
    {"Group8Id", "s.group_8_id", SAME, SB_CSV_TEXT},
    {"Group8Text", "s.group_8_text", SAME, SB_CSV_TEXT},
    {"Group9Id", "s.group_9_id", SAME, SB_CSV_TEXT},
    {"Group9Text", "s.group_9_text", SAME, SB_CSV_TEXT},
    {"Group10Id", "s.group_10_id", SAME, SB_CSV_TEXT},
    {"Group10Text", "s.group_10_text", SAME, SB_CSV_TEXT},
    {"AssessmentAdministrationFinishDate", "f.date_taken", SAME, SB_CSV_TEXT},
    {"AssessmentSubtestResultScoreValue", "f.asmt_score", "f.asmt_claim_1_score", SB_CSV_TEXT},
    {"AssessmentSubtestMinimumValue", "f.asmt_score_range_min", NONE, SB_CSV_TEXT},
    {"AssessmentSubtestMaximumValue", "f.asmt_score_range_max", NONE, SB_CSV_TEXT},
    {"AssessmentPerformanceLevelIdentifier", "f.asmt_perf_lvl", "f.asmt_claim_1_perf_lvl",
     SB_CSV_TEXT},
    {"AssessmentSubtestResultScoreClaim1Value", "f.asmt_claim_1_score", NONE, SB_CSV_TEXT},
    {"AssessmentClaim1PerformanceLevelIdentifier", "f.asmt_claim_1_perf_lvl", NONE, SB_CSV_TEXT},
    {"AssessmentSubtestClaim1MinimumValue", "f.asmt_claim_1_score_range_min", SAME, SB_CSV_TEXT},
    {"AssessmentSubtestClaim1MaximumValue", "f.asmt_claim_1_score_range_max", SAME, SB_CSV_TEXT},
    {"AssessmentSubtestResultScoreClaim2Value", "f.asmt_claim_2_score", NONE, SB_CSV_TEXT},
    {"AssessmentClaim2PerformanceLevelIdentifier", "f.asmt_claim_2_perf_lvl", NONE, SB_CSV_TEXT},
    {"AssessmentSubtestClaim2MinimumValue", "f.asmt_claim_2_score_range_min", NONE, SB_CSV_TEXT},
    {"AssessmentSubtestClaim2MaximumValue", "f.asmt_claim_2_score_range_max", NONE, SB_CSV_TEXT},
    {"AssessmentSubtestResultScoreClaim3Value", "f.asmt_claim_3_score", NONE, SB_CSV_TEXT},
    {"AssessmentClaim3PerformanceLevelIdentifier", "f.asmt_claim_3_perf_lvl", NONE, SB_CSV_TEXT},
    {"AssessmentSubtestClaim3MinimumValue", "f.asmt_claim_3_score_range_min", NONE, SB_CSV_TEXT},
    {"AssessmentSubtestClaim3MaximumValue", "f.asmt_claim_3_score_range_max", NONE, SB_CSV_TEXT},
    {"AssessmentSubtestResultScoreClaim4Value", "f.asmt_claim_4_score", NONE, SB_CSV_TEXT},
    {"AssessmentClaim4PerformanceLevelIdentifier", "f.asmt_claim_4_perf_lvl", NONE, SB_CSV_TEXT},
    {"AssessmentSubtestClaim4MinimumValue", "f.asmt_claim_4_score_range_min", NONE, SB_CSV_TEXT},
    {"AssessmentSubtestClaim4MaximumValue", "f.asmt_claim_4_score_range_max", NONE, SB_CSV_TEXT},
    {"HispanicOrLatinoEthnicity", "f.dmg_eth_hsp", SAME, SB_CSV_BOOL},
    {"AmericanIndianOrAlaskaNative", "f.dmg_eth_ami", SAME, SB_CSV_BOOL},
    {"Asian", "f.dmg_eth_asn", SAME, SB_CSV_BOOL},
    {"BlackOrAfricanAmerican", "f.dmg_eth_blk", SAME, SB_CSV_BOOL},
    {"NativeHawaiianOrOtherPacificIslander", "f.dmg_eth_pcf", SAME, SB_CSV_BOOL},
    {"White", "f.dmg_eth_wht", SAME, SB_CSV_BOOL},
    {"DemographicRaceTwoOrMoreRaces", "f.dmg_eth_2om", SAME, SB_CSV_BOOL},
    {"IDEAIndicator", "f.dmg_prg_iep", SAME, SB_CSV_BOOL},
    {"LEPStatus", "f.dmg_prg_lep", SAME, SB_CSV_BOOL},
    {"Section504Status", "f.dmg_prg_504", SAME, SB_CSV_BOOL},
    {"EconomicDisadvantageStatus", "f.dmg_sts_ecd", SAME, SB_CSV_BOOL},
    {"MigrantStatus", "f.dmg_sts_mig", SAME, SB_CSV_BOOL},
    {"AssessmentType", "f.asmt_type", SAME, SB_CSV_TEXT},
    {"AssessmentYear", "f.asmt_year", SAME, SB_CSV_TEXT},
    {"AssessmentAcademicSubject", "f.asmt_subject", SAME, SB_CSV_TEXT},
    {"AccommodationAmericanSignLanguage", "f.acc_asl_video_embed", SAME, SB_CSV_TEXT},
    {"AccommodationNoiseBuffer", "f.acc_noise_buffer_nonembed", SAME, SB_CSV_TEXT},
    {"AccommodationPrintOnDemandItems", "f.acc_print_on_demand_items_nonembed", SAME, SB_CSV_TEXT},
    {"AccommodationBraille", "f.acc_braile_embed", SAME, SB_CSV_TEXT},
    {"AccommodationClosedCaptioning", "f.acc_closed_captioning_embed", SAME, SB_CSV_TEXT},
    {"AccommodationTextToSpeech", "f.acc_text_to_speech_embed", SAME, SB_CSV_TEXT},
    {"AccommodationAbacus", "f.acc_abacus_nonembed", SAME, SB_CSV_TEXT},
    {"AccommodationAlternateResponseOptions", "f.acc_alternate_response_options_nonembed", SAME,
     SB_CSV_TEXT},
    {"AccommodationCalculator", "f.acc_calculator_nonembed", SAME, SB_CSV_TEXT},
    {"AccommodationMultiplicationTable", "f.acc_multiplication_table_nonembed", SAME, SB_CSV_TEXT},
    {"AccommodationPrintOnDemand", "f.acc_print_on_demand_nonembed", SAME, SB_CSV_TEXT},
    {"AccommodationReadAloud", "f.acc_read_aloud_nonembed", SAME, SB_CSV_TEXT},
    {"AccommodationScribe", "f.acc_scribe_nonembed", SAME, SB_CSV_TEXT},
    {"AccommodationSpeechToText", "f.acc_speech_to_text_nonembed", SAME, SB_CSV_TEXT},
    {"AccommodationStreamlineMode", "f.acc_streamline_mode", SAME, SB_CSV_TEXT},
    {"AdministrationCondition", "f.administration_condition", SAME, SB_CSV_TEXT},
    {"CompleteStatus", "f.complete", SAME, SB_CSV_COMPLETE},
};
#define NCOLUMNS ((int)(sizeof(columns) / sizeof(columns[0])))
_Static_assert(sizeof(columns) / sizeof(columns[0]) == 90, "receivers count on it");

/* ---- one file -------------------------------------------------------------------------------------- */

typedef struct {
    sb_extract_work_t *k;
    sb_csv_out_t *out;
    char how[sizeof(columns) / sizeof(columns[0]) + 1];
} file_t;

static const char *source_of(int i, int block)
{
    const char *other = columns[i].block;

    if (block && (!other || strcmp(other, SAME))) {
        return other ? other : "NULL";
    }
    return columns[i].source;
}

/* Ties are broken, so that the same request makes the same file. */
static const char *copy_sql(const sb_extract_t *x, const sb_extract_file_t *f,
                            apr_array_header_t *args, apr_pool_t *p)
{
    int block = sb_extract_is_block(f->type);
    apr_array_header_t *list = apr_array_make(p, NCOLUMNS, sizeof(const char *));
    const char *where = sb_extract_where(x, args, p);

    for (int i = 0; i < NCOLUMNS; i++) {
        APR_ARRAY_PUSH(list, const char *) =
            apr_pstrcat(p, i ? ", " : "", source_of(i, block), NULL);
    }
    return apr_pstrcat(
        p, "COPY (SELECT ", apr_array_pstrcat(p, list, 0), " FROM ",
        sb_extract_table(x, f->type, p),
        sb_sql(p,
               " f JOIN {s}.dim_student s USING (student_rec_id)"
               " JOIN {s}.dim_asmt a USING (asmt_rec_id)"
               " JOIN {s}.dim_inst_hier i USING (inst_hier_rec_id) WHERE ",
               "s", x->schema, NULL),
        where,
        " AND a.asmt_type = f.asmt_type AND f.asmt_type = ", sb_extract_arg(args, f->type, p),
        " AND f.asmt_subject = ", sb_extract_arg(args, f->subject, p),
        " AND a.asmt_guid = ", sb_extract_arg(args, f->guid, p),
        " AND f.asmt_grade = ", sb_extract_arg(args, f->grade, p),
        " ORDER BY s.last_name, s.first_name, s.student_id, f.date_taken, f.",
        block ? "asmt_outcome_rec_id" : "asmt_outcome_vw_rec_id", ") TO STDOUT", NULL);
}

static apr_status_t put_row(void *ctx, const char *row, apr_size_t len)
{
    file_t *file = ctx;
    apr_status_t rv = sb_csv_out_copy(file->out, row, len, file->how);

    return rv == APR_SUCCESS ? sb_extract_did(file->k, 1) : rv;
}

static apr_status_t make_csv(sb_extract_work_t *k, const sb_extract_file_t *f, apr_pool_t *p)
{
    apr_array_header_t *args = apr_array_make(p, 24, sizeof(const char *));
    const char *sql = copy_sql(k->x, f, args, p), *name;
    file_t file = {.k = k};
    apr_int64_t rows;
    apr_status_t rv = sb_extract_csv_name(&name, k->x, f, p);

    if (rv == APR_SUCCESS) {
        rv = sb_zip_member(k->zip, name);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    file.out = sb_csv_out_make(k->zip, p);
    for (int i = 0; i < NCOLUMNS; i++) {
        file.how[i] = columns[i].how;
        sb_csv_out_field(file.out, columns[i].header);
    }
    sb_csv_out_line(file.out);
    rv = sb_copy_out(&rows, k->run->db, sql, args->nelts, (const char *const *)args->elts, put_row,
                     &file, p);
    sb_csv_out_flush(file.out);
    return rv;
}

apr_status_t sb_extract_results(sb_extract_work_t *k)
{
    const apr_array_header_t *files = k->result->plan.files;
    apr_status_t rv = APR_SUCCESS;
    apr_pool_t *p;

    apr_pool_create(&p, k->p);
    for (int i = 0; i < files->nelts && rv == APR_SUCCESS; i++) {
        const sb_extract_file_t *f = &APR_ARRAY_IDX(files, i, sb_extract_file_t);

        rv = make_csv(k, f, p);
        if (rv == APR_SUCCESS) {
            rv = sb_extract_metadata(k, f);
        }
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    return rv;
}
