/* smarter-datagen: student registration, 33 columns, dates as YYYY-MM-DD. */

#include "workers/datagen.h"

#include <string.h>

#include "workers/datagen_out.h"

enum { FOR_REGISTRATION = 300 };

static const char *const headers[] = {"StateName",
                                      "StateAbbreviation",
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
                                      "IDEAIndicator",
                                      "LEPStatus",
                                      "Section504Status",
                                      "EconomicDisadvantageStatus",
                                      "MigrantStatus",
                                      "DemographicRaceTwoOrMoreRaces",
                                      "LanguageCode",
                                      "EnglishLanguageProficiencLevel", /* spelled so */
                                      "FirstEntryDateIntoUSSchool",
                                      "LimitedEnglishProficiencyEntryDate",
                                      "LEPExitDate",
                                      "TitleIIILanguageInstructionProgramType",
                                      "PrimaryDisabilityType"};

/* Flags in the order of this file, which is not that of results. */
static const int flags[DG_NFLAGS] = {DG_HSP, DG_AMI, DG_ASN, DG_BLK, DG_PCF, DG_WHT,
                                     DG_IEP, DG_LEP, DG_504, DG_ECD, DG_MIG, DG_2OM};

static void write_flags(dg_out_t *o, const dg_student_t *s)
{
    int i;

    for (i = 0; i < DG_NFLAGS; i++) {
        dg_flag_t f = s->flags[flags[i]];
        int may_be_blank = flags[i] == DG_504 || flags[i] == DG_MIG;

        dg_out_text(o, f == DG_YES ? "Yes" : f == DG_UNKNOWN && may_be_blank ? "" : "No");
    }
}

/* Who learns English: since when, how well, in which programme; and who has learned it. */
static void write_language(dg_out_t *o, const dg_student_t *s, dg_rng_t *r, int year)
{
    static const char *const languages[] = {"spa", "spa", "spa", "vie", "zho", "ara", "hmn"};
    static const char *const levels[] = {"Emerging", "Progressing", "Proficient"};
    static const char *const programs[] = {"DualLanguage", "TwoWayImmersion", "PullOutESL",
                                           "ContentBasedESL"};
    int learns = s->flags[DG_LEP] == DG_YES, learned = !learns && dg_chance(r, 0.04);
    int since = year - 2 - dg_below(r, s->grade > 4 ? 4 : 2);

    if (!learns && !learned) {
        dg_out_text(o, "eng");
        dg_out_empty(o, 5);
        return;
    }
    dg_out_text(o, languages[dg_below(r, 7)]);
    dg_out_text(o, learned ? "Proficient" : levels[dg_below(r, 3)]);
    dg_out_dashed(o, since, 8 + dg_below(r, 4), 1 + dg_below(r, 28));
    dg_out_dashed(o, since + 1, 1 + dg_below(r, 6), 1 + dg_below(r, 28));
    dg_out_dashed(o, learned ? year - 1 : 0, 1 + dg_below(r, 6), 1 + dg_below(r, 28));
    dg_out_text(o, learns ? programs[dg_below(r, 4)] : "");
}

static void write_row(dg_out_t *o, const dg_registration_t *reg, const dg_student_t *s, dg_rng_t *r)
{
    static const char *const disabilities[] = {"AUT", "EMN", "HI",  "ID",  "OHI",
                                               "OI",  "SLD", "SLI", "TBI", "VI"};

    dg_out_text(o, reg->state_name);
    dg_out_text(o, reg->state);
    dg_out_text(o, s->district->id);
    dg_out_text(o, s->district->name);
    dg_out_text(o, s->school->id);
    dg_out_text(o, s->school->name);
    dg_out_text(o, s->id);
    dg_out_text(o, s->external_id);
    dg_out_text(o, s->first);
    dg_out_text(o, s->middle);
    dg_out_text(o, s->last);
    dg_out_text(o, strcmp(s->sex, "NS") ? s->sex : "Female"); /* this file knows two */
    dg_out_dashed(o, s->birth_year, s->birth_month, s->birth_day);
    dg_out_number(o, s->grade, 2);
    write_flags(o, s);
    write_language(o, s, r, reg->year);
    dg_out_text(o, s->flags[DG_IEP] == DG_YES ? disabilities[dg_below(r, 10)] : "");
    dg_out_row(o);
}

apr_status_t dg_registration_write(int *pnrows, const char *path, const dg_registration_t *reg,
                                   dg_walk_t *walk, apr_pool_t *p)
{
    dg_out_t *o;
    dg_student_t s;
    dg_rng_t r;
    apr_status_t rv = dg_out_open(&o, path, p);
    size_t i;

    *pnrows = 0;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        dg_out_text(o, headers[i]);
    }
    dg_out_row(o);
    while (o->failed == APR_SUCCESS && dg_walk_next(walk, &s)) {
        if (walk->fate != DG_DELETED) {
            r = dg_rng(walk->world->seed, FOR_REGISTRATION, (uint64_t)reg->year,
                       (uint64_t)walk->at);
            write_row(o, reg, &s, &r);
            ++*pnrows;
        }
    }
    return dg_out_close(o);
}
