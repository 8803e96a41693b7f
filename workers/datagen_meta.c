/* smarter-datagen: the metadata of packages, and a state's own. */

#include "workers/datagen.h"

#include <string.h>

#include <apr_strings.h>

#include "core/sb_crypto.h"
#include "core/sb_json.h"

#define VERSION "V1"

static const struct {
    const char *type, *period;
} kinds[] = {{"SUMMATIVE", "Spring"},
             {"INTERIM COMPREHENSIVE", "Winter"},
             {"INTERIM ASSESSMENT BLOCKS", "School Year"}};

static const char *const block_names[DG_NSUBJECTS][DG_NBLOCKS] = {
    {"Operations and Number", "Fractions", "Geometry", "Measurement and Data", "Modeling"},
    {"Read Literary Texts", "Read Informational Texts", "Brief Writes", "Listen and Interpret",
     "Research"},
    {"Structures of Living Things", "Forces and Motion", "Earth Systems", "Energy", "Engineering"}};

/* Cut points where a test has not the usual four levels, for a middle cut of 1790. */
static const int spread[DG_LEVELS_MAX + 1][DG_LEVELS_MAX - 1] = {
    [3] = {1690, 1900}, [5] = {1540, 1700, 1860, 2020}, [6] = {1520, 1660, 1790, 1920, 2050}};

static const char *const level_names[DG_LEVELS_MAX + 1][DG_LEVELS_MAX] = {
    [3] = {"Below", "Meets", "Exceeds"},
    [4] = {"Beginning", "Developing", "Proficient", "Advanced"},
    [5] = {"Beginning", "Developing", "Approaching", "Proficient", "Advanced"},
    [6] = {"Entering", "Beginning", "Developing", "Approaching", "Proficient", "Advanced"}};

/* An identifier that is the same whenever it is made of the same text. */
static void guid(char *buf, apr_size_t size, const char *what)
{
    char hex[SB_SHA256_HEX_SIZE];

    sb_sha256_hex(hex, what, strlen(what));
    apr_snprintf(buf, size, "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 12, hex + 15,
                 hex + 18);
}

void dg_assessment_make(dg_assessment_t *a, const dg_world_t *w, int year, dg_subject_t subject,
                        dg_kind_t kind, int block, int levels, int columns)
{
    char what[100], part[20] = "";
    int i;

    a->year = year;
    a->subject = subject;
    a->kind = kind;
    a->type = kinds[kind].type;
    a->block = block;
    a->levels = levels;
    a->columns = columns;
    for (i = 0; i < levels - 1; i++) {
        a->cuts[i] = levels == 4 ? dg_subjects[subject].cuts[i]
                                 : spread[levels][i] + dg_subjects[subject].cuts[1] - spread[6][2];
    }
    if (kind == DG_BLOCKS) {
        apr_snprintf(part, sizeof(part), " %d", block + 1);
    }
    apr_snprintf(what, sizeof(what), "%s %d %s %s%s", w->state, year, dg_subjects[subject].name,
                 a->type, part);
    guid(a->guid, sizeof(a->guid), what);
}

static void named(sb_jw_t *w, const char *key, const char *value)
{
    sb_jw_object(w, key);
    sb_jw_str(w, "Name", value);
    sb_jw_end(w);
}

static void write_levels(sb_jw_t *w, const dg_assessment_t *a)
{
    char key[10];
    int i;

    sb_jw_object(w, "PerformanceLevels");
    for (i = 0; i < 5 || i < a->levels; i++) {
        apr_snprintf(key, sizeof(key), "Level%d", i + 1);
        sb_jw_object(w, key);
        sb_jw_str(w, "Name", i < a->levels ? level_names[a->levels][i] : "");
        if (i > 0 && i < a->levels) {
            sb_jw_int(w, "CutPoint", a->cuts[i - 1]);
        }
        else if (i > 0) {
            sb_jw_str(w, "CutPoint", "");
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

static const char *claim_name(const dg_assessment_t *a, int i)
{
    return a->kind != DG_BLOCKS ? dg_subjects[a->subject].claims[i]
           : i == 0             ? block_names[a->subject][a->block]
                                : "";
}

static void write_claims(sb_jw_t *w, const dg_assessment_t *a)
{
    char key[10];
    int i;

    sb_jw_object(w, "Claims");
    for (i = 0; i < DG_NCLAIMS; i++) {
        const char *name = claim_name(a, i);

        apr_snprintf(key, sizeof(key), "Claim%d", i + 1);
        sb_jw_object(w, key);
        sb_jw_str(w, "Name", name);
        if (*name || i < 3) { /* the warehouse wants those of three claims, used or not */
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

const char *dg_json_text(const dg_assessment_t *a, const char *callback, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "Content", "assessment");
    if (callback) {
        sb_jw_object(w, "Source");
        sb_jw_str(w, "CallbackURL", callback);
        sb_jw_end(w);
    }
    sb_jw_object(w, "Identification");
    sb_jw_str(w, "Guid", a->guid);
    sb_jw_str(w, "Type", a->type);
    sb_jw_int(w, "Year", a->year);
    sb_jw_fmt(w, "Period", "%s %d", kinds[a->kind].period, a->year);
    sb_jw_str(w, "Version", VERSION);
    sb_jw_str(w, "Subject", dg_subjects[a->subject].name);
    sb_jw_fmt(w, "EffectiveDate", "%d%s", a->kind == DG_SUMMATIVE ? a->year : a->year - 1,
              a->kind == DG_SUMMATIVE ? "0315"
              : a->kind == DG_INTERIM ? "1110"
                                      : "1001");
    sb_jw_end(w);
    sb_jw_object(w, "Overall");
    sb_jw_int(w, "MinScore", DG_MIN_SCORE);
    sb_jw_int(w, "MaxScore", DG_MAX_SCORE);
    sb_jw_end(w);
    write_levels(w, a);
    sb_jw_object(w, "ClaimsPerformanceLevel");
    named(w, "Level1", "Below Standard");
    named(w, "Level2", "At/Near Standard");
    named(w, "Level3", "Above Standard");
    sb_jw_end(w);
    write_claims(w, a);
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

const char *dg_registration_text(const dg_registration_t *reg, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    char id[40];

    guid(id, sizeof(id),
         apr_psprintf(p, "%s %d registration %s %d", reg->state, reg->year, reg->system,
                      reg->revision));
    sb_jw_object(w, NULL);
    sb_jw_str(w, "Content", "StudentRegistration");
    sb_jw_object(w, "Identification");
    sb_jw_str(w, "Guid", id);
    sb_jw_fmt(w, "AcademicYear", "%d", reg->year);
    sb_jw_fmt(w, "ExtractDate", "%d-10-%02d", reg->year - 1, 1 + reg->revision % 30);
    sb_jw_end(w);
    sb_jw_object(w, "Source");
    sb_jw_str(w, "TestRegSysID", reg->system);
    sb_jw_str(w, "TestRegCallbackURL", reg->callback);
    sb_jw_end(w);
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

const char *dg_metadata_text(const int subjects[DG_NSUBJECTS], int levels, int min_cell_size,
                             apr_pool_t *p)
{
    static const char *const colours[DG_LEVELS_MAX][2] = {
        {"#BB231C", "#ffffff"}, {"#e4c904", "#000000"}, {"#4a7500", "#ffffff"},
        {"#1b6ab0", "#ffffff"}, {"#5b3a8c", "#ffffff"}, {"#37474f", "#ffffff"}};
    sb_jw_t *w = sb_jw_make(p);
    int i, k;

    sb_jw_object(w, NULL);
    sb_jw_int(w, "min_cell_size", min_cell_size);
    sb_jw_object(w, "subjects");
    for (i = 0; i < DG_NSUBJECTS; i++) {
        if (!subjects[i]) {
            continue;
        }
        sb_jw_object(w, dg_subjects[i].name);
        sb_jw_array(w, "colors");
        for (k = 0; k < levels; k++) {
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
