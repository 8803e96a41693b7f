/* smarter-datagen: the CSV of results. */

#include "workers/datagen.h"

#include <apr_strings.h>

#include "workers/datagen_out.h"

static const char *const headers[] = {"StateAbbreviation",
                                      "ResponsibleDistrictIdentifier",
                                      "OrganizationName",
                                      "ResponsibleSchoolIdentifier",
                                      "NameOfInstitution",
                                      "StudentIdentifier",
                                      "ExternalSSID",
                                      "FirstName",
                                      "MiddleName",
                                      "LastOrSurname",
                                      "Sex",
                                      "Birthdate",
                                      "GradeLevelWhenAssessed",
                                      "HispanicOrLatinoEthnicity",
                                      "AmericanIndianOrAlaskaNative",
                                      "Asian",
                                      "BlackOrAfricanAmerican",
                                      "NativeHawaiianOrOtherPacificIslander",
                                      "White",
                                      "DemographicRaceTwoOrMoreRaces",
                                      "IDEAIndicator",
                                      "LEPStatus",
                                      "Section504Status",
                                      "EconomicDisadvantageStatus",
                                      "MigrantStatus",
                                      "Group1Id",
                                      "Group1Text",
                                      "Group2Id",
                                      "Group2Text",
                                      "Group3Id",
                                      "Group3Text",
                                      "Group4Id",
                                      "Group4Text",
                                      "Group5Id",
                                      "Group5Text",
                                      "Group6Id",
                                      "Group6Text",
                                      "Group7Id",
                                      "Group7Text",
                                      "Group8Id",
                                      "Group8Text",
                                      "Group9Id",
                                      "Group9Text",
                                      "Group10Id",
                                      "Group10Text",
                                      "AssessmentGuid",
                                      "AssessmentSessionLocationId",
                                      "AssessmentSessionLocation",
                                      "AssessmentAdministrationFinishDate",
                                      "AssessmentYear",
                                      "AssessmentType",
                                      "AssessmentAcademicSubject",
                                      "AssessmentLevelForWhichDesigned",
                                      "AssessmentSubtestResultScoreValue",
                                      "AssessmentSubtestMinimumValue",
                                      "AssessmentSubtestMaximumValue",
                                      "AssessmentPerformanceLevelIdentifier",
                                      "AssessmentSubtestResultScoreClaim1Value",
                                      "AssessmentSubtestClaim1MinimumValue",
                                      "AssessmentSubtestClaim1MaximumValue",
                                      "AssessmentClaim1PerformanceLevelIdentifier",
                                      "AssessmentSubtestResultScoreClaim2Value",
                                      "AssessmentSubtestClaim2MinimumValue",
                                      "AssessmentSubtestClaim2MaximumValue",
                                      "AssessmentClaim2PerformanceLevelIdentifier",
                                      "AssessmentSubtestResultScoreClaim3Value",
                                      "AssessmentSubtestClaim3MinimumValue",
                                      "AssessmentSubtestClaim3MaximumValue",
                                      "AssessmentClaim3PerformanceLevelIdentifier",
                                      "AssessmentSubtestResultScoreClaim4Value",
                                      "AssessmentSubtestClaim4MinimumValue",
                                      "AssessmentSubtestClaim4MaximumValue",
                                      "AssessmentClaim4PerformanceLevelIdentifier",
                                      "AccommodationAmericanSignLanguage",
                                      "AccommodationBraille",
                                      "AccommodationClosedCaptioning",
                                      "AccommodationTextToSpeech",
                                      "AccommodationAbacus",
                                      "AccommodationAlternateResponseOptions",
                                      "AccommodationCalculator",
                                      "AccommodationMultiplicationTable",
                                      "AccommodationPrintOnDemand",
                                      "AccommodationPrintOnDemandItems",
                                      "AccommodationReadAloud",
                                      "AccommodationScribe",
                                      "AccommodationSpeechToText",
                                      "AccommodationStreamlineMode",
                                      "AccommodationNoiseBuffer",
                                      "AdministrationCondition",
                                      "CompleteStatus",
                                      "Op"};

#define HAS_CONDITION(columns) ((columns) >= 90)
static void write_student(dg_out_t *o, const dg_world_t *w, const dg_student_t *s)
{
    static const char *const words[] = {"No", "Yes", ""};
    int i;

    dg_out_text(o, w->state);
    dg_out_text(o, s->district->id);
    dg_out_text(o, s->district->name);
    dg_out_text(o, s->school->id);
    dg_out_text(o, s->school->name);
    dg_out_text(o, s->id);
    dg_out_text(o, s->external_id);
    dg_out_text(o, s->first);
    dg_out_text(o, s->middle);
    dg_out_text(o, s->last);
    dg_out_text(o, s->sex);
    dg_out_date(o, s->birth_year, s->birth_month, s->birth_day);
    dg_out_number(o, s->grade, 2);
    for (i = 0; i < DG_NFLAGS; i++) {
        dg_out_text(o, words[s->flags[i]]);
    }
}

static void write_groups(dg_out_t *o, const dg_student_t *s)
{
    static const char *const clubs[] = {"", "Reading Circle", "Number Club, Afternoon"};
    char id[64], title[64];

    id[0] = title[0] = '\0';
    if (s->group) {
        apr_snprintf(id, sizeof(id), "%s-%02d-%d", s->school->id, s->grade, s->group);
        apr_snprintf(title, sizeof(title), "Homeroom %d-%c", s->grade, 'A' + s->group - 1);
    }
    dg_out_text(o, id);
    dg_out_text(o, title);
    id[0] = '\0';
    if (s->club) {
        apr_snprintf(id, sizeof(id), "%s-C%d", s->school->id, s->club);
    }
    dg_out_text(o, id);
    dg_out_text(o, clubs[s->club]);
    dg_out_empty(o, 16);
}

static void write_score(dg_out_t *o, const dg_score_t *s)
{
    if (s->level) {
        dg_out_number(o, s->score, 1);
        dg_out_number(o, s->min, 1);
        dg_out_number(o, s->max, 1);
        dg_out_number(o, s->level, 1);
    }
    else {
        dg_out_empty(o, 4);
    }
}

static void write_row(dg_out_t *o, const dg_world_t *w, const dg_assessment_t *a,
                      const dg_student_t *s, const dg_result_t *r, dg_fate_t fate)
{
    int i;

    write_student(o, w, s);
    write_groups(o, s);
    dg_out_text(o, a->guid);
    dg_out_text(o, s->school->id);
    dg_out_text(o, s->school->name);
    dg_out_date(o, r->year, r->month, r->day);
    dg_out_number(o, a->year, 4);
    dg_out_text(o, a->type);
    dg_out_text(o, dg_subjects[a->subject].name);
    dg_out_number(o, s->grade, 2);
    write_score(o, &r->overall);
    for (i = 0; i < DG_NCLAIMS; i++) {
        write_score(o, &r->claims[i]);
    }
    for (i = 0; i < DG_NACCOMMODATIONS; i++) {
        dg_out_number(o, r->accommodations[i], 1);
    }
    if (HAS_CONDITION(a->columns)) {
        dg_out_text(o, r->condition);
        dg_out_text(o, r->complete);
    }
    if (DG_HAS_OP(a->columns)) {
        dg_out_text(o, fate == DG_DELETED ? "D" : "C");
    }
    dg_out_row(o);
}

static void write_header(dg_out_t *o, int columns)
{
    int i;

    for (i = 0; i < 91; i++) {
        if ((HAS_CONDITION(columns) || (i != 88 && i != 89)) && (DG_HAS_OP(columns) || i != 90)) {
            dg_out_text(o, headers[i]);
        }
    }
    dg_out_row(o);
}

apr_status_t dg_csv_write(int *pnrows, const char *path, const dg_assessment_t *a, dg_walk_t *walk,
                          apr_pool_t *p)
{
    dg_out_t *o;
    dg_student_t s;
    dg_result_t r;
    apr_status_t rv = dg_out_open(&o, path, p);

    *pnrows = 0;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    write_header(o, a->columns);
    while (o->failed == APR_SUCCESS && dg_walk_next(walk, &s)) {
        dg_result(&r, walk, &s, a);
        write_row(o, walk->world, a, &s, &r, walk->fate);
        ++*pnrows;
    }
    return dg_out_close(o);
}
