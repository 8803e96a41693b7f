/* The columns of the CSV formats and the check of a header against them. */

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include "udl/sb_udl_columns.h"

#define REQ SB_UDL_REQUIRED
#define ID SB_UDL_IS_ID
#define OPT SB_UDL_OPTIONAL

#define NAMES_MAX 10 /* names listed in one complaint */
#define NAME_MAX_LEN 60

/* clang-format off */
static const sb_udl_column_t results[SB_UDL_NCOLUMNS] = {
    {"StateAbbreviation", "state_code", SB_UDL_UPPER, 2, REQ | ID},
    {"ResponsibleDistrictIdentifier", "district_id", SB_UDL_CLEAN, 40, REQ | ID},
    {"OrganizationName", "district_name", SB_UDL_CLEAN, 60, REQ},
    {"ResponsibleSchoolIdentifier", "school_id", SB_UDL_CLEAN, 40, REQ | ID},
    {"NameOfInstitution", "school_name", SB_UDL_CLEAN, 60, REQ},
    {"StudentIdentifier", "student_id", SB_UDL_CLEAN, 40, REQ | ID},
    {"ExternalSSID", "external_student_id", SB_UDL_CLEAN, 40, ID},
    {"FirstName", "first_name", SB_UDL_CLEAN, 35, 0},
    {"MiddleName", "middle_name", SB_UDL_CLEAN, 35, 0},
    {"LastOrSurname", "last_name", SB_UDL_CLEAN, 35, 0},
    {"Sex", "sex", SB_UDL_SEX, 10, REQ},
    {"Birthdate", "birthdate", SB_UDL_DATE, 8, 0},
    {"GradeLevelWhenAssessed", "enrl_grade", SB_UDL_GRADE, 10, REQ},
    {"HispanicOrLatinoEthnicity", "dmg_eth_hsp", SB_UDL_YES_NO, 0, 0},
    {"AmericanIndianOrAlaskaNative", "dmg_eth_ami", SB_UDL_YES_NO, 0, 0},
    {"Asian", "dmg_eth_asn", SB_UDL_YES_NO, 0, 0},
    {"BlackOrAfricanAmerican", "dmg_eth_blk", SB_UDL_YES_NO, 0, 0},
    {"NativeHawaiianOrOtherPacificIslander", "dmg_eth_pcf", SB_UDL_YES_NO, 0, 0},
    {"White", "dmg_eth_wht", SB_UDL_YES_NO, 0, 0},
    {"DemographicRaceTwoOrMoreRaces", "dmg_eth_2om", SB_UDL_YES_NO, 0, 0},
    {"IDEAIndicator", "dmg_prg_iep", SB_UDL_YES_NO, 0, 0},
    {"LEPStatus", "dmg_prg_lep", SB_UDL_YES_NO, 0, 0},
    {"Section504Status", "dmg_prg_504", SB_UDL_YES_NO, 0, 0},
    {"EconomicDisadvantageStatus", "dmg_sts_ecd", SB_UDL_YES_NO, 0, 0},
    {"MigrantStatus", "dmg_sts_mig", SB_UDL_YES_NO, 0, 0},
    {"Group1Id", "group_1_id", SB_UDL_CLEAN, 40, ID},
    {"Group1Text", "group_1_text", SB_UDL_CLEAN, 60, 0},
    {"Group2Id", "group_2_id", SB_UDL_CLEAN, 40, ID},
    {"Group2Text", "group_2_text", SB_UDL_CLEAN, 60, 0},
    {"Group3Id", "group_3_id", SB_UDL_CLEAN, 40, ID},
    {"Group3Text", "group_3_text", SB_UDL_CLEAN, 60, 0},
    {"Group4Id", "group_4_id", SB_UDL_CLEAN, 40, ID},
    {"Group4Text", "group_4_text", SB_UDL_CLEAN, 60, 0},
    {"Group5Id", "group_5_id", SB_UDL_CLEAN, 40, ID},
    {"Group5Text", "group_5_text", SB_UDL_CLEAN, 60, 0},
    {"Group6Id", "group_6_id", SB_UDL_CLEAN, 40, ID},
    {"Group6Text", "group_6_text", SB_UDL_CLEAN, 60, 0},
    {"Group7Id", "group_7_id", SB_UDL_CLEAN, 40, ID},
    {"Group7Text", "group_7_text", SB_UDL_CLEAN, 60, 0},
    {"Group8Id", "group_8_id", SB_UDL_CLEAN, 40, ID},
    {"Group8Text", "group_8_text", SB_UDL_CLEAN, 60, 0},
    {"Group9Id", "group_9_id", SB_UDL_CLEAN, 40, ID},
    {"Group9Text", "group_9_text", SB_UDL_CLEAN, 60, 0},
    {"Group10Id", "group_10_id", SB_UDL_CLEAN, 40, ID},
    {"Group10Text", "group_10_text", SB_UDL_CLEAN, 60, 0},
    {"AssessmentGuid", "asmt_guid", SB_UDL_CLEAN, 255, REQ | ID},
    {"AssessmentSessionLocationId", "where_taken_id", SB_UDL_CLEAN, 40, ID},
    {"AssessmentSessionLocation", "where_taken_name", SB_UDL_CLEAN, 60, 0},
    {"AssessmentAdministrationFinishDate", "date_taken", SB_UDL_DAY_TAKEN, 8, REQ},
    {"AssessmentYear", "asmt_year", SB_UDL_NUMBER, 0, REQ},
    {"AssessmentType", "asmt_type", SB_UDL_TYPE, 32, REQ},
    {"AssessmentAcademicSubject", "asmt_subject", SB_UDL_SUBJECT, 64, REQ},
    {"AssessmentLevelForWhichDesigned", "asmt_grade", SB_UDL_GRADE, 10, REQ},
    {"AssessmentSubtestResultScoreValue", "asmt_score", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestMinimumValue", "asmt_score_range_min", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestMaximumValue", "asmt_score_range_max", SB_UDL_NUMBER, 0, 0},
    {"AssessmentPerformanceLevelIdentifier", "asmt_perf_lvl", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestResultScoreClaim1Value", "asmt_claim_1_score", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestClaim1MinimumValue", "asmt_claim_1_score_range_min", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestClaim1MaximumValue", "asmt_claim_1_score_range_max", SB_UDL_NUMBER, 0, 0},
    {"AssessmentClaim1PerformanceLevelIdentifier", "asmt_claim_1_perf_lvl", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestResultScoreClaim2Value", "asmt_claim_2_score", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestClaim2MinimumValue", "asmt_claim_2_score_range_min", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestClaim2MaximumValue", "asmt_claim_2_score_range_max", SB_UDL_NUMBER, 0, 0},
    {"AssessmentClaim2PerformanceLevelIdentifier", "asmt_claim_2_perf_lvl", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestResultScoreClaim3Value", "asmt_claim_3_score", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestClaim3MinimumValue", "asmt_claim_3_score_range_min", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestClaim3MaximumValue", "asmt_claim_3_score_range_max", SB_UDL_NUMBER, 0, 0},
    {"AssessmentClaim3PerformanceLevelIdentifier", "asmt_claim_3_perf_lvl", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestResultScoreClaim4Value", "asmt_claim_4_score", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestClaim4MinimumValue", "asmt_claim_4_score_range_min", SB_UDL_NUMBER, 0, 0},
    {"AssessmentSubtestClaim4MaximumValue", "asmt_claim_4_score_range_max", SB_UDL_NUMBER, 0, 0},
    {"AssessmentClaim4PerformanceLevelIdentifier", "asmt_claim_4_perf_lvl", SB_UDL_NUMBER, 0, 0},
    {"AccommodationAmericanSignLanguage", "acc_asl_video_embed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationBraille", "acc_braile_embed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationClosedCaptioning", "acc_closed_captioning_embed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationTextToSpeech", "acc_text_to_speech_embed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationAbacus", "acc_abacus_nonembed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationAlternateResponseOptions", "acc_alternate_response_options_nonembed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationCalculator", "acc_calculator_nonembed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationMultiplicationTable", "acc_multiplication_table_nonembed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationPrintOnDemand", "acc_print_on_demand_nonembed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationPrintOnDemandItems", "acc_print_on_demand_items_nonembed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationReadAloud", "acc_read_aloud_nonembed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationScribe", "acc_scribe_nonembed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationSpeechToText", "acc_speech_to_text_nonembed", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationStreamlineMode", "acc_streamline_mode", SB_UDL_NUMBER, 0, REQ},
    {"AccommodationNoiseBuffer", "acc_noise_buffer_nonembed", SB_UDL_NUMBER, 0, REQ},
    {"AdministrationCondition", "administration_condition", SB_UDL_CONDITION, 2, OPT},
    {"CompleteStatus", "complete", SB_UDL_COMPLETE, 0, OPT},
    {"Op", "op", SB_UDL_OP, 1, OPT},
};

static const sb_udl_column_t students[] = {
    {"StateName", "state_name", SB_UDL_CLEAN, 50, REQ},
    {"StateAbbreviation", "state_code", SB_UDL_UPPER, 2, REQ | ID},
    {"ResponsibleDistrictIdentifier", "district_id", SB_UDL_CLEAN, 40, REQ | ID},
    {"OrganizationName", "district_name", SB_UDL_CLEAN, 60, REQ},
    {"ResponsibleSchoolIdentifier", "school_id", SB_UDL_CLEAN, 40, REQ | ID},
    {"NameOfInstitution", "school_name", SB_UDL_CLEAN, 60, REQ},
    {"StudentIdentifier", "student_id", SB_UDL_CLEAN, 40, REQ | ID},
    {"ExternalSSID", "external_student_ssid", SB_UDL_CLEAN, 40, REQ | ID},
    {"FirstName", "first_name", SB_UDL_CLEAN, 35, 0},
    {"MiddleName", "middle_name", SB_UDL_CLEAN, 35, 0},
    {"LastOrSurname", "last_name", SB_UDL_CLEAN, 35, 0},
    {"Sex", "sex", SB_UDL_SR_SEX, 10, REQ},
    {"Birthdate", "birthdate", SB_UDL_SR_DATE, 10, 0},
    {"GradeLevelWhenAssessed", "enrl_grade", SB_UDL_GRADE, 2, REQ},
    {"HispanicOrLatinoEthnicity", "dmg_eth_hsp", SB_UDL_SR_YES_NO, 0, REQ},
    {"AmericanIndianOrAlaskaNative", "dmg_eth_ami", SB_UDL_SR_YES_NO, 0, REQ},
    {"Asian", "dmg_eth_asn", SB_UDL_SR_YES_NO, 0, REQ},
    {"BlackOrAfricanAmerican", "dmg_eth_blk", SB_UDL_SR_YES_NO, 0, REQ},
    {"NativeHawaiianOrOtherPacificIslander", "dmg_eth_pcf", SB_UDL_SR_YES_NO, 0, REQ},
    {"White", "dmg_eth_wht", SB_UDL_SR_YES_NO, 0, REQ},
    {"IDEAIndicator", "dmg_prg_iep", SB_UDL_SR_YES_NO, 0, REQ},
    {"LEPStatus", "dmg_prg_lep", SB_UDL_SR_YES_NO, 0, REQ},
    {"Section504Status", "dmg_prg_504", SB_UDL_SR_YES_NO, 0, 0},
    {"EconomicDisadvantageStatus", "dmg_sts_ecd", SB_UDL_SR_YES_NO, 0, REQ},
    {"MigrantStatus", "dmg_sts_mig", SB_UDL_SR_YES_NO, 0, 0},
    {"DemographicRaceTwoOrMoreRaces", "dmg_multi_race", SB_UDL_SR_YES_NO, 0, REQ},
    {"LanguageCode", "language_code", SB_UDL_CLEAN, 3, 0},
    {"EnglishLanguageProficiencLevel", "eng_prof_lvl", SB_UDL_CLEAN, 20, 0}, /* spelled so */
    {"FirstEntryDateIntoUSSchool", "us_school_entry_date", SB_UDL_SR_DATE, 10, 0},
    {"LimitedEnglishProficiencyEntryDate", "lep_entry_date", SB_UDL_SR_DATE, 10, 0},
    {"LEPExitDate", "lep_exit_date", SB_UDL_SR_DATE, 10, 0},
    {"TitleIIILanguageInstructionProgramType", "t3_program_type", SB_UDL_CLEAN, 27, 0},
    {"PrimaryDisabilityType", "prim_disability_type", SB_UDL_CLEAN, 3, 0},
};
/* clang-format on */

const sb_udl_format_t sb_udl_formats[SB_UDL_NFORMATS] = {
    [SB_UDL_RESULTS] = {SB_UDL_RESULTS, "results of an assessment", "asmt_outcome", results,
                        SB_UDL_NCOLUMNS, SB_UDL_C_STATE, SB_UDL_C_STUDENT},
    [SB_UDL_STUDENTS] = {SB_UDL_STUDENTS, "student registration", "student_reg", students,
                         sizeof students / sizeof *students, 1, SB_UDL_R_STUDENT}};

int sb_udl_column_index(const sb_udl_format_t *format, const char *name, apr_size_t len)
{
    int i;

    for (i = 0; i < format->ncolumns; i++) {
        const char *header = format->columns[i].header;

        if (strlen(header) == len && !strncasecmp(header, name, len)) {
            return i;
        }
    }
    return -1;
}

/* A header cell as shown in a complaint: printable and short. */
static const char *shown(const sb_csv_field_t *f, apr_pool_t *p)
{
    apr_size_t len = f->len < NAME_MAX_LEN ? f->len : NAME_MAX_LEN, i;
    char *text = apr_pstrmemdup(p, f->s, len);

    for (i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e) {
            text[i] = '?';
        }
    }
    return text;
}

/* Names collected for one complaint; of many only the first are listed. */
typedef struct {
    apr_pool_t *p;
    const char *text;
    int n;
} names_t;

static void add_name(names_t *names, const char *name)
{
    if (names->n++ < NAMES_MAX) {
        names->text = names->text ? apr_pstrcat(names->p, names->text, ", ", name, NULL) : name;
    }
}

/* One more complaint behind all those before. */
static const char *complaint(const char *all, int code, const char *what, const names_t *names)
{
    const char *more =
        names->n > NAMES_MAX ? apr_psprintf(names->p, " and %d more", names->n - NAMES_MAX) : "";

    return apr_psprintf(names->p, "%s%s%s%s%s%s (code %d)", all ? all : "", all ? "; " : "", what,
                        names->text ? ": " : "", names->text ? names->text : "", more, code);
}

/* Does this cell look like data, not like a name? */
static int is_data(const sb_csv_field_t *f)
{
    apr_size_t i;

    for (i = 0; i < f->len; i++) {
        if (!apr_isdigit(f->s[i]) && f->s[i] != '.' && f->s[i] != '-') {
            return 0;
        }
    }
    return f->len > 0;
}

static int is_twice(const sb_csv_field_t *fields, int i)
{
    int k;

    for (k = 0; k < i; k++) {
        if (fields[i].len && fields[k].len == fields[i].len &&
            !strncasecmp(fields[k].s, fields[i].s, fields[i].len)) {
            return 1;
        }
    }
    return 0;
}

/* The format that has more of these names; of results if none has any. */
static const sb_udl_format_t *nearest(const sb_csv_field_t *fields, int seen)
{
    int known[SB_UDL_NFORMATS] = {0}, f, i;

    for (f = 0; f < SB_UDL_NFORMATS; f++) {
        for (i = 0; i < seen; i++) {
            known[f] += sb_udl_column_index(&sb_udl_formats[f], fields[i].s, fields[i].len) >= 0;
        }
    }
    return &sb_udl_formats[known[SB_UDL_STUDENTS] > known[SB_UDL_RESULTS] ? SB_UDL_STUDENTS
                                                                          : SB_UDL_RESULTS];
}

static int is_utf16(const sb_csv_field_t *f)
{
    return f->len >= 2 && (!memcmp(f->s, "\xFF\xFE", 2) || !memcmp(f->s, "\xFE\xFF", 2));
}

const char *sb_udl_map_header(sb_udl_map_t *map, const sb_udl_format_t *format,
                              const sb_csv_field_t *fields, int nfields, apr_pool_t *p)
{
    names_t missing = {p, NULL, 0}, unknown = {p, NULL, 0}, twice = {p, NULL, 0},
            none = {p, NULL, 0};
    int i, known = 0, data = 0, blank = 0, names = 0, named,
           seen = nfields < SB_UDL_FIELDS_KEPT ? nfields : SB_UDL_FIELDS_KEPT;
    const sb_udl_format_t *looks = nearest(fields, seen);
    const char *all = NULL;

    format = format ? format : looks;
    map->format = format;
    map->nfields = nfields;
    for (i = 0; i < SB_UDL_NCOLUMNS; i++) {
        map->place[i] = -1;
    }
    for (i = 0; i < seen; i++) {
        int column = sb_udl_column_index(format, fields[i].s, fields[i].len);

        names += sb_udl_column_index(looks, fields[i].s, fields[i].len) >= 0;
        data += is_data(&fields[i]);
        blank += !fields[i].len;
        if (is_twice(fields, i)) {
            add_name(&twice, shown(&fields[i], p));
        }
        else if (column < 0) {
            add_name(&unknown, fields[i].len ? shown(&fields[i], p) : "(empty)");
        }
        else {
            map->place[column] = i;
            known++;
        }
    }
    for (i = 0; i < format->ncolumns; i++) {
        if (map->place[i] < 0 && !(format->columns[i].flags & SB_UDL_OPTIONAL)) {
            add_name(&missing, format->columns[i].header);
        }
    }
    if (nfields > 0 && is_utf16(&fields[0])) {
        return complaint(NULL, 3006, "the file is UTF-16, want UTF-8", &none);
    }
    if (nfields == 1) { /* then the names tell nothing */
        return complaint(NULL, 3005, "the fields are not separated by commas", &none);
    }
    if (blank == nfields) {
        return complaint(NULL, 3009, "the first line holds no names", &none);
    }
    if (!known && data) { /* without its values: they are somebody's */
        return complaint(NULL, 3009, "the first line is data, not a header", &none);
    }
    named = 2 * names >= seen; /* else it may well be data, too: it is counted, not shown */
    if (looks != format && missing.n) {
        all = complaint(all, 3006,
                        apr_psprintf(p, "the columns are those of %s, the metadata says %s",
                                     looks->name, format->name),
                        &none);
    }
    if (twice.n) {
        all = named
                  ? complaint(all, 3011, "columns named twice", &twice)
                  : complaint(all, 3011, apr_psprintf(p, "%d columns named twice", twice.n), &none);
    }
    if (missing.n) {
        all = complaint(all, 3006, "columns missing in the header", &missing);
    }
    if (unknown.n) {
        all = named ? complaint(all, 3006, "columns of no known name", &unknown)
                    : complaint(all, 3006,
                                apr_psprintf(p, "%d columns of no known name", unknown.n), &none);
    }
    if (nfields > seen) {
        all = complaint(all, 3006,
                        apr_psprintf(p, "%d columns, want %d", nfields, format->ncolumns), &none);
    }
    return all;
}
