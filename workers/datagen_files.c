/* smarter-datagen: results, and the files that carry them. */

#include "workers/datagen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_crypto.h"
#include "core/sb_json.h"

enum { FOR_RESULT = 100, FOR_SCHOOL_YEAR };

#define MEAN 1785.0
#define DEVIATION 205.0
#define BUF_SIZE (256 * 1024)
#define ROW_MAX 4096 /* one row is far shorter */

const dg_subject_info_t dg_subjects[DG_NSUBJECTS] = {
    {"Math",
     "math",
     {"Concepts and Procedures", "Problem Solving and Data Analysis", "Communicating Reasoning",
      ""},
     {1590, 1790, 1985}},
    {"ELA", "ela", {"Reading", "Writing", "Listening", "Research and Inquiry"}, {1570, 1770, 1990}},
};

static const struct {
    const char *type, *file, *period, *version;
} kinds[] = {{"SUMMATIVE", "summative", "Spring", "V1"},
             {"INTERIM COMPREHENSIVE", "interim", "Winter", "V1"}};

/* ---- results --------------------------------------------------------------------------------- */

static int clamp(double x)
{
    int n = (int)(x + 0.5);

    return n < DG_MIN_SCORE ? DG_MIN_SCORE : n > DG_MAX_SCORE ? DG_MAX_SCORE : n;
}

static void make_score(dg_score_t *s, double theta, double error)
{
    double x = MEAN + DEVIATION * theta, off = x > MEAN ? x - MEAN : MEAN - x;
    double band = error * (1 + off / 900); /* tests measure worst at the ends */

    s->score = clamp(x);
    s->min = clamp(s->score - band);
    s->max = clamp(s->score + band);
}

static void judge_overall(dg_score_t *s, const int cuts[3])
{
    int i;

    s->level = 1;
    for (i = 0; i < 3; i++) {
        s->level += s->score >= cuts[i];
    }
}

/* Below, near or above the third level, as far as the error band tells. */
static void judge_claim(dg_score_t *s, int cut)
{
    s->level = s->max < cut ? 1 : s->min >= cut ? 3 : 2;
}

/* Civil date of a day number counted from 1 January of a year; enough for a school year. */
static void make_date(dg_result_t *res, int year, int month, int plus)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int day = 1 + plus;

    while (day > days[month - 1]) {
        day -= days[month - 1];
        month = month % 12 + 1;
        year += month == 1;
    }
    res->year = year;
    res->month = month;
    res->day = day;
}

static void make_accommodations(dg_result_t *res, const dg_student_t *s, dg_rng_t *r)
{
    static const int used[] = {6, 7, 8, 15, 16, 17, 24, 25, 26}; /* codes that reports list */
    int i;

    memset(res->accommodations, 0, sizeof(res->accommodations));
    if (dg_chance(r, s->flexible)) {
        for (i = 1 + dg_below(r, 3); i > 0; i--) {
            res->accommodations[dg_below(r, DG_NACCOMMODATIONS)] = used[dg_below(r, 9)];
        }
    }
}

static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u;

    for (; *text; text++) {
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    }
    return h;
}

void dg_result(dg_result_t *res, const dg_world_t *w, const dg_student_t *s, int year,
               dg_subject_t subject, dg_kind_t kind)
{
    const dg_subject_info_t *info = &dg_subjects[subject];
    dg_rng_t r = dg_rng(w->seed, FOR_RESULT + (uint64_t)subject * 2 + (uint64_t)kind,
                        (uint64_t)year, hash(s->id));
    dg_rng_t year_of_school = dg_rng(w->seed, FOR_SCHOOL_YEAR, (uint64_t)(s->school - w->schools),
                                     (uint64_t)(year * 100 + s->grade * 2 + (int)subject));
    double theta = s->ability[subject] + s->district->effect + s->school->effect;
    int i;

    theta += 0.12 * dg_normal(&year_of_school) + 0.035 * (year - 2015);
    theta += 0.3 * dg_normal(&r) - (s->grade == 11 ? 0.1 : 0);
    theta -= kind == DG_INTERIM ? 0.3 : 0;
    make_score(&res->overall, theta, 28 + 6 * dg_unit(&r));
    judge_overall(&res->overall, info->cuts);
    for (i = 0; i < DG_NCLAIMS; i++) {
        memset(&res->claims[i], 0, sizeof(res->claims[i]));
        if (*info->claims[i]) {
            make_score(&res->claims[i], theta + 0.25 * dg_normal(&r), 60 + 20 * dg_unit(&r));
            judge_claim(&res->claims[i], info->cuts[1]);
        }
    }
    if (kind == DG_SUMMATIVE) {
        make_date(res, year, 3, 14 + dg_below(&r, 75)); /* mid March to end of May */
        res->condition = dg_chance(&r, 0.003) ? "IN" : "";
    }
    else {
        make_date(res, year - 1, 11, 9 + dg_below(&r, 95)); /* November to February */
        res->condition = dg_chance(&r, 0.75) ? "SD" : dg_chance(&r, 0.5) ? "NS" : "";
    }
    res->complete = dg_chance(&r, 0.985) ? "Complete" : "Partial";
    make_accommodations(res, s, &r);
}

/* ---- the CSV --------------------------------------------------------------------------------- */

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
#define HAS_OP(columns) ((columns) == 89 || (columns) == 91)

typedef struct {
    int fd;
    apr_status_t failed;
    apr_size_t len;
    char buf[BUF_SIZE];
} out_t;

static void flush(out_t *o)
{
    apr_size_t done = 0;
    ssize_t n;

    while (done < o->len && o->failed == APR_SUCCESS) {
        n = write(o->fd, o->buf + done, o->len - done);
        if (n < 0 && errno != EINTR) {
            o->failed = errno;
        }
        else if (n > 0) {
            done += (apr_size_t)n;
        }
    }
    o->len = 0;
}

static void field_end(out_t *o)
{
    o->buf[o->len++] = ',';
}

/* A field; quoted if it has to be. */
static void text(out_t *o, const char *s)
{
    apr_size_t n = strcspn(s, ",\"\r\n");

    if (!s[n]) {
        memcpy(o->buf + o->len, s, n);
        o->len += n;
    }
    else {
        o->buf[o->len++] = '"';
        for (; *s; s++) {
            if (*s == '"') {
                o->buf[o->len++] = '"';
            }
            o->buf[o->len++] = *s;
        }
        o->buf[o->len++] = '"';
    }
    field_end(o);
}

static void digits(out_t *o, int n, int width)
{
    char tmp[12];
    int i = 0;

    do {
        tmp[i++] = (char)('0' + n % 10);
        n /= 10;
    } while (n || i < width);
    while (i) {
        o->buf[o->len++] = tmp[--i];
    }
}

static void number(out_t *o, int n, int width)
{
    digits(o, n, width);
    field_end(o);
}

static void date(out_t *o, int year, int month, int day)
{
    if (year) {
        digits(o, year, 4);
        digits(o, month, 2);
        digits(o, day, 2);
    }
    field_end(o);
}

static void write_student(out_t *o, const dg_world_t *w, const dg_student_t *s)
{
    static const char *const words[] = {"No", "Yes", ""};
    int i;

    text(o, w->state);
    text(o, s->district->id);
    text(o, s->district->name);
    text(o, s->school->id);
    text(o, s->school->name);
    text(o, s->id);
    text(o, s->external_id);
    text(o, s->first);
    text(o, s->middle);
    text(o, s->last);
    text(o, s->sex);
    date(o, s->birth_year, s->birth_month, s->birth_day);
    number(o, s->grade, 2);
    for (i = 0; i < DG_NFLAGS; i++) {
        text(o, words[s->flags[i]]);
    }
}

static void write_groups(out_t *o, const dg_student_t *s)
{
    static const char *const clubs[] = {"", "Reading Circle", "Number Club, Afternoon"};
    char id[64], title[64];
    int i;

    id[0] = title[0] = '\0';
    if (s->group) {
        apr_snprintf(id, sizeof(id), "%s-%02d-%d", s->school->id, s->grade, s->group);
        apr_snprintf(title, sizeof(title), "Homeroom %d-%c", s->grade, 'A' + s->group - 1);
    }
    text(o, id);
    text(o, title);
    id[0] = '\0';
    if (s->club) {
        apr_snprintf(id, sizeof(id), "%s-C%d", s->school->id, s->club);
    }
    text(o, id);
    text(o, clubs[s->club]);
    for (i = 3; i <= 10; i++) {
        field_end(o);
        field_end(o);
    }
}

static void write_score(out_t *o, const dg_score_t *s)
{
    if (s->level) {
        number(o, s->score, 1);
        number(o, s->min, 1);
        number(o, s->max, 1);
        number(o, s->level, 1);
    }
    else {
        memcpy(o->buf + o->len, ",,,,", 4);
        o->len += 4;
    }
}

static void write_row(out_t *o, const dg_world_t *w, const dg_assessment_t *a,
                      const dg_student_t *s, const dg_result_t *r)
{
    int i;

    write_student(o, w, s);
    write_groups(o, s);
    text(o, a->guid);
    text(o, s->school->id);
    text(o, s->school->name);
    date(o, r->year, r->month, r->day);
    number(o, a->year, 4);
    text(o, kinds[a->kind].type);
    text(o, dg_subjects[a->subject].name);
    number(o, s->grade, 2);
    write_score(o, &r->overall);
    for (i = 0; i < DG_NCLAIMS; i++) {
        write_score(o, &r->claims[i]);
    }
    for (i = 0; i < DG_NACCOMMODATIONS; i++) {
        number(o, r->accommodations[i], 1);
    }
    if (HAS_CONDITION(a->columns)) {
        text(o, r->condition);
        text(o, r->complete);
    }
    if (HAS_OP(a->columns)) {
        text(o, "C");
    }
    o->buf[o->len - 1] = '\n';
}

static void write_header(out_t *o, int columns)
{
    int i;

    for (i = 0; i < 91; i++) {
        if ((HAS_CONDITION(columns) || (i != 88 && i != 89)) && (HAS_OP(columns) || i != 90)) {
            text(o, headers[i]);
        }
    }
    o->buf[o->len - 1] = '\n';
}

apr_status_t dg_csv_write(const char *path, const dg_world_t *w, const dg_assessment_t *a, int from,
                          int to, apr_pool_t *p)
{
    out_t *o = apr_palloc(p, sizeof(*o));
    dg_student_t s;
    dg_result_t r;
    int g = 0, first = 0, at;

    o->len = 0;
    o->failed = APR_SUCCESS;
    o->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (o->fd < 0) {
        return errno;
    }
    write_header(o, a->columns);
    for (at = from; at < to && o->failed == APR_SUCCESS; at++) {
        while (at - first >= dg_grade_size(w, g)) {
            first += dg_grade_size(w, g++);
        }
        dg_student(&s, w, a->year, g, at - first);
        dg_result(&r, w, &s, a->year, a->subject, a->kind);
        write_row(o, w, a, &s, &r);
        if (o->len > BUF_SIZE - ROW_MAX) {
            flush(o);
        }
    }
    flush(o);
    if (close(o->fd) && o->failed == APR_SUCCESS) {
        o->failed = errno;
    }
    return o->failed;
}

/* ---- the metadata ---------------------------------------------------------------------------- */

void dg_assessment_make(dg_assessment_t *a, const dg_world_t *w, int year, dg_subject_t subject,
                        dg_kind_t kind, int columns)
{
    char hex[SB_SHA256_HEX_SIZE], what[100];

    a->year = year;
    a->subject = subject;
    a->kind = kind;
    a->columns = columns;
    apr_snprintf(what, sizeof(what), "%s %d %s %s", w->state, year, dg_subjects[subject].name,
                 kinds[kind].type);
    sb_sha256_hex(hex, what, strlen(what));
    apr_snprintf(a->guid, sizeof(a->guid), "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 12,
                 hex + 15, hex + 18);
}

static void named(sb_jw_t *w, const char *key, const char *value)
{
    sb_jw_object(w, key);
    sb_jw_str(w, "Name", value);
    sb_jw_end(w);
}

static void write_levels(sb_jw_t *w, const int cuts[3])
{
    static const char *const names[] = {"Beginning", "Developing", "Proficient", "Advanced"};
    char key[10];
    int i;

    sb_jw_object(w, "PerformanceLevels");
    for (i = 0; i < 5; i++) {
        apr_snprintf(key, sizeof(key), "Level%d", i + 1);
        sb_jw_object(w, key);
        sb_jw_str(w, "Name", i < 4 ? names[i] : "");
        if (i > 0 && i < 4) {
            sb_jw_int(w, "CutPoint", cuts[i - 1]);
        }
        else if (i == 4) {
            sb_jw_str(w, "CutPoint", "");
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

static void write_claims(sb_jw_t *w, const dg_subject_info_t *info)
{
    char key[10];
    int i;

    sb_jw_object(w, "Claims");
    for (i = 0; i < DG_NCLAIMS; i++) {
        apr_snprintf(key, sizeof(key), "Claim%d", i + 1);
        sb_jw_object(w, key);
        sb_jw_str(w, "Name", info->claims[i]);
        if (*info->claims[i]) {
            sb_jw_int(w, "MinScore", DG_MIN_SCORE);
            sb_jw_int(w, "MaxScore", DG_MAX_SCORE);
        }
        else {
            sb_jw_str(w, "MinScore", "");
            sb_jw_str(w, "MaxScore", "");
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

const char *dg_json_text(const dg_assessment_t *a, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "Content", "assessment");
    sb_jw_object(w, "Identification");
    sb_jw_str(w, "Guid", a->guid);
    sb_jw_str(w, "Type", kinds[a->kind].type);
    sb_jw_int(w, "Year", a->year);
    sb_jw_fmt(w, "Period", "%s %d", kinds[a->kind].period, a->year);
    sb_jw_str(w, "Version", kinds[a->kind].version);
    sb_jw_str(w, "Subject", dg_subjects[a->subject].name);
    sb_jw_fmt(w, "EffectiveDate", "%d%s", a->kind == DG_SUMMATIVE ? a->year : a->year - 1,
              a->kind == DG_SUMMATIVE ? "0315" : "1110");
    sb_jw_end(w);
    sb_jw_object(w, "Overall");
    sb_jw_int(w, "MinScore", DG_MIN_SCORE);
    sb_jw_int(w, "MaxScore", DG_MAX_SCORE);
    sb_jw_end(w);
    write_levels(w, dg_subjects[a->subject].cuts);
    sb_jw_object(w, "ClaimsPerformanceLevel");
    named(w, "Level1", "Below Standard");
    named(w, "Level2", "At/Near Standard");
    named(w, "Level3", "Above Standard");
    sb_jw_end(w);
    write_claims(w, &dg_subjects[a->subject]);
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

const char *dg_metadata_text(int min_cell_size, apr_pool_t *p)
{
    static const char *const colours[][2] = {{"#BB231C", "#ffffff"},
                                             {"#e4c904", "#000000"},
                                             {"#4a7500", "#ffffff"},
                                             {"#1b6ab0", "#ffffff"}};
    sb_jw_t *w = sb_jw_make(p);
    int i, k;

    sb_jw_object(w, NULL);
    sb_jw_int(w, "min_cell_size", min_cell_size);
    sb_jw_object(w, "subjects");
    for (i = 0; i < DG_NSUBJECTS; i++) {
        sb_jw_object(w, dg_subjects[i].name);
        sb_jw_array(w, "colors");
        for (k = 0; k < 4; k++) {
            sb_jw_object(w, NULL);
            sb_jw_str(w, "text_color", colours[k][1]);
            sb_jw_str(w, "bg_color", colours[k][0]);
            sb_jw_str(w, "start_gradient_bg_color", colours[k][0]);
            sb_jw_str(w, "end_gradient_bg_color", colours[k][0]);
            sb_jw_end(w);
        }
        sb_jw_end(w);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}
