/* Metadata of packages and the policy table: what is taken, what is refused and how that is said. */

#include <stdio.h>
#include <stdlib.h>

#include <apr_strings.h>

#include "udl/sb_udl_meta.h"
#include "udl/sb_udl_policy.h"
#include "tap.h"

static apr_pool_t *p;

#define GOOD                                                                                       \
    "{\"Content\":\"assessment\",\"Source\":{\"CallbackURL\":\"https://x.example/cb\"},"           \
    "\"Identification\":{\"Guid\":\"g-1\",\"Type\":\"SUMMATIVE\",\"Year\":2015,\"Period\":null,"   \
    "\"Version\":\"V1\",\"Subject\":\"math\",\"EffectiveDate\":\"2015-04-04\"},"                   \
    "\"Overall\":{\"MinScore\":\"1200\",\"MaxScore\":2400},"                                       \
    "\"PerformanceLevels\":{\"Level1\":{\"Name\":\"A\"},\"Level2\":{\"Name\":\"B\",\"CutPoint\":"  \
    "1400},\"Level3\":{\"Name\":\"C\",\"CutPoint\":1500},\"Level4\":{\"Name\":\"D\","              \
    "\"CutPoint\":0},\"Level5\":{\"Name\":\"\",\"CutPoint\":\"\"}},"                               \
    "\"ClaimsPerformanceLevel\":{\"Level1\":{\"Name\":\"x\"},\"Level2\":{\"Name\":\"y\"},"         \
    "\"Level3\":{\"Name\":\"z\"}},"                                                                \
    "\"Claims\":{\"Claim1\":{\"Name\":\"1\",\"MinScore\":1,\"MaxScore\":2},"                       \
    "\"Claim2\":{\"Name\":\"2\",\"MinScore\":1,\"MaxScore\":2},"                                   \
    "\"Claim3\":{\"Name\":\"3\",\"MinScore\":1,\"MaxScore\":2},"                                   \
    "\"Claim4\":{\"Name\":\" \",\"MinScore\":\" \",\"MaxScore\":null}}}"

/* GOOD with one text replaced by another. */
static const char *with(const char *from, const char *to)
{
    const char *at = strstr(GOOD, from);

    return apr_pstrcat(p, apr_pstrmemdup(p, GOOD, (apr_size_t)(at - GOOD)), to, at + strlen(from),
                       NULL);
}

static void is(const char *json, const char *want, const char *what)
{
    sb_udl_meta_t meta;
    const char *have = sb_udl_meta_read(&meta, json, strlen(json), p);

    if (!want || !have) {
        is_str(have, want, what);
    }
    else if (!ok(strstr(have, want) != NULL, "%s", what)) {
        printf("# have: %s\n# want: %s\n", have, want);
    }
}

static void metadata(void)
{
    static const char address[] = "{\"Source\":{\"CallbackURL\":\"u\"}}";
    sb_udl_meta_t meta;

    is_str(sb_udl_meta_read(&meta, GOOD, strlen(GOOD), p), NULL, "good metadata");
    is_int(meta.load, SB_UDL_ASSESSMENT, "an assessment");
    is_str(meta.type, "SUMMATIVE", "its type");
    is_str(meta.guid, "g-1", "its guid");
    is_str(meta.subject, "Math", "its subject as it is stored");
    is_str(meta.callback_url, "https://x.example/cb", "where to call back");
    is_str(meta.email, NULL, "no address");
    is_str(apr_pstrmemdup(p, meta.values[0].s, meta.values[0].len), "20150404", "the date");
    is_int(meta.values[2].kind, SB_UDL_V_NULL, "null stays null");
    is_int(meta.values[8].number, 1200, "a number may be written as text");
    is_int(meta.values[14].kind, SB_UDL_V_INT, "0 stays 0");
    is_int(meta.values[16].kind, SB_UDL_V_NULL, "an empty number is null");
    is_int(meta.values[28].kind, SB_UDL_V_NULL, "a blank one too");

    is(with("\"Content\"", "\"CONTENT\""), NULL, "names in any case");
    is(with("assessment", "ASSESSMENT"), NULL, "content in any case");
    is(with("2015,\"Period\"", "12345,\"Period\""),
       "in the metadata: Identification.Year: more than four digits", "a long number");
    is(with("2015,\"Period\"", "2015.5,\"Period\""),
       "in the metadata: Identification.Year: no whole number", "a fraction");
    is(with("2015,\"Period\"", "null,\"Period\""),
       "in the metadata: Identification.Year: a required value is empty", "an empty year");
    is(with("2015,\"Period\"", "[1],\"Period\""),
       "in the metadata: Identification.Year: neither text nor number", "a list");
    is(with("2015-04-04", "2015-02-30"), "in the metadata: Identification.EffectiveDate: no day",
       "an impossible date");
    is(with("\"Version\":\"V1\"", "\"Version\":\"0123456789012345678901234567890123456789x\""),
       "in the metadata: Identification.Version", "a long version");
    is(with("\"Level5\":{\"Name\":\"\",\"CutPoint\":\"\"}", "\"Level5\":1"),
       "in the metadata: PerformanceLevels.Level5.CutPoint is missing; "
       "PerformanceLevels.Level5.Name is missing (code 3013)",
       "a path through something that is no object");
    is(with("SUMMATIVE", "Summative"), "No valid load type", "types are exact");
    is(with("\"Content\":\"assessment\",", ""), "No valid load type", "no content");
    is("{\"Content\":", "3012", "no JSON");
    is("[]", "the metadata is JSON, but no object (code 3013)", "no object");
    is(with("\"1200\"", "\"x\""), "in the metadata: Overall.MinScore: no whole number (code 3013)",
       "a text for a number");
    is(with("\"Overall\":{\"MinScore\":\"1200\",\"MaxScore\":2400}",
            "\"Overall\":{\"MinScore\":true}"),
       "in the metadata: Overall.MaxScore is missing; Overall.MinScore: neither text nor number"
       " (code 3013)",
       "several faults are all named");
    is("{\"Content\":\"assessment\",\"Identification\":{\"Type\":\"SUMMATIVE\"}}",
       "PerformanceLevels.Level2.CutPoint is missing; and 22 more (code 3013)",
       "of many the first ten");
    is(with("\"Subject\"", "\"AcademicYear\":\"x\",\"Subject\""),
       "in the metadata: Identification.AcademicYear: no whole number", "a year that is optional");
    is(with("\"Subject\"", "\"AcademicYear\":\"2015\",\"Subject\""), NULL, "which is a number");
    is(with("\"Subject\"", "\"AcademicYear\":\"-5\",\"Subject\""),
       "in the metadata: Identification.AcademicYear: no year", "and one of our era");
    is(address, "No valid load type", "nothing but an address");
    ok(sb_udl_meta_read(&meta, address, strlen(address), p) && !strcmp(meta.callback_url, "u"),
       "whom to tell is known in spite of a complaint");
}

/* Levels and claims beyond those with columns of their own. */
static void levels(void)
{
    const char *more = with("\"Level5\":{\"Name\":\"\",\"CutPoint\":\"\"}",
                            "\"LEVEL5\":{\"Name\":\"E\",\"CutPoint\":1700},"
                            "\"level6\":{\"name\":\"F\",\"CutPoint\":\"1800\"}");
    sb_udl_meta_t meta;

    is_str(sb_udl_meta_read(&meta, GOOD, strlen(GOOD), p), NULL, "four levels");
    is_int(meta.bounds[0].level_max, 4, "are counted: the fifth is empty");
    is_int(meta.bounds[1].level_max, 3, "claims have three");
    is_int(meta.bounds[0].score_min, 1200, "the least overall score");
    is_int(meta.bounds[3].score_max, 2, "the highest of claim 3");
    is_int(meta.bounds[4].score_max, 32767, "claim 4 has no bounds");
    is_str(meta.levels, NULL, "nothing goes beyond the columns");
    is_str(sb_udl_meta_read(&meta, more, strlen(more), p), NULL, "six levels");
    is_int(meta.bounds[0].level_max, 6, "are counted");
    is_str(meta.levels, "[{\"level\":6,\"name\":\"F\",\"cut_point\":1800}]", "and kept");
    is(with("\"Level5\":{", "\"Level7\":{\"Name\":\"G\",\"CutPoint\":1},\"Level5\":{"),
       "PerformanceLevels.Level6.Name is missing; PerformanceLevels.Level6.CutPoint is missing",
       "none may be left out");
    is(with("\"Level5\":{", "\"Level10\":{},\"Level5\":{"),
       "PerformanceLevels.Level10: want at most 9", "and there are at most nine");
    is(with("\"Level5\":{", "\"Level99999999999\":{},\"Level5\":{"), "want at most 9",
       "whatever their number");
    more = with("\"Claim4\":{",
                "\"Claim5\":{\"Name\":\"5\",\"MinScore\":10,\"MaxScore\":null},\"Claim4\":{");
    is_str(sb_udl_meta_read(&meta, more, strlen(more), p), NULL, "five claims");
    is_str(meta.claims, "[{\"claim\":5,\"name\":\"5\",\"score_min\":10,\"score_max\":null}]",
           "are kept");
    is(with("\"Claim4\":{", "\"Claim5\":{\"Name\":\"5\",\"MaxScore\":2},\"Claim4\":{"),
       "in the metadata: Claims.Claim5.MinScore is missing", "each complete");
    more = with("\"Name\":\"A\"", "\"Name\":\"a name of more than twenty-five characters\"");
    is_str(sb_udl_meta_read(&meta, more, strlen(more), p), NULL, "a long name is cut");
    is_int(meta.warnings->nelts, 1, "with a warning");
    is_str(APR_ARRAY_IDX(meta.warnings, 0, sb_udl_meta_warning_t).path,
           "PerformanceLevels.Level1.Name", "that names it");
}

#define REGISTRATION                                                                               \
    "{\"content\":\"STUDENTREGISTRATION\",\"Identification\":{\"Guid\":\"r-1\",\"AcademicYear\":"  \
    "\"2015\",\"ExtractDate\":\"09-01-2014\"},\"Source\":{\"TestRegSysID\":\"sys-1\","             \
    "\"TestRegCallbackURL\":\"https://example.org/cb\",\"EmailNotification\":\"a@example.org\"}}"

static void registration(void)
{
    sb_udl_meta_t meta;

    is_str(sb_udl_meta_read(&meta, REGISTRATION, strlen(REGISTRATION), p), NULL, "a registration");
    is_int(meta.load, SB_UDL_REGISTRATION, "is one");
    is_str(meta.guid, "r-1", "its guid");
    is_int(meta.academic_year, 2015, "its year");
    is_str(meta.extract_date, "09-01-2014", "its date as it was written");
    is_str(meta.reg_system_id, "sys-1", "its system");
    is_str(meta.callback_url, "https://example.org/cb", "its address");
    is_str(meta.email, "a@example.org", "and the other one");
    is("{\"Content\":\"StudentRegistration\"}",
       "in the metadata: Identification.Guid is missing; Identification.AcademicYear is missing; "
       "Identification.ExtractDate is missing; Source.TestRegSysID is missing; "
       "Source.TestRegCallbackURL: want an address of at most 512 bytes (code 3013)",
       "everything is missing");
    is("{\"Content\":\"StudentRegistration\",\"Identification\":{\"Guid\":\"\",\"AcademicYear\":"
       "\"15/16\",\"ExtractDate\":\"2014-09-01T00:00\"},\"Source\":{\"TestRegSysID\":\"0123456789"
       "0123456789012345678901234567890\",\"TestRegCallbackURL\":\"u\"}}",
       "in the metadata: Identification.Guid: a required value is empty; "
       "Identification.AcademicYear: no whole number; "
       "Identification.ExtractDate: longer than 10 characters, and not to be cut; "
       "Source.TestRegSysID: longer than 40 characters, and not to be cut (code 3013)",
       "nothing fits");
}

static const char *policy_of(sb_udl_policy_t *policy, const char *rule)
{
    apr_array_header_t *rules = apr_array_make(p, 1, sizeof(const char *));

    if (rule) {
        APR_ARRAY_PUSH(rules, const char *) = rule;
    }
    return sb_udl_policy_make(policy, rules, p);
}

static void policies(void)
{
    static const char *const bad[] = {
        "cut",   "cut=",      "cut=maybe",    "Sex/cut=",         "Foo/cut=warn", "nonsense=warn",
        "=warn", "/cut=warn", "missing=warn", "no-number=accept", "fine=fail"};
    sb_udl_policy_t policy;
    size_t i;

    is_str(policy_of(&policy, NULL), NULL, "the default policy");
    is_int(policy.of[SB_UDL_RESULTS][SB_UDL_C_SEX][SB_UDL_CUT], SB_UDL_WARN,
           "warns of what is cut");
    is_int(policy.of[SB_UDL_RESULTS][SB_UDL_C_SEX][SB_UDL_MISSING], SB_UDL_REJECT,
           "rejects what is missing");
    is_str(policy_of(&policy, "cut=reject"), NULL, "for all columns");
    is_int(policy.of[SB_UDL_RESULTS][SB_UDL_C_SEX][SB_UDL_CUT], SB_UDL_REJECT, "it holds in one");
    is_int(policy.of[SB_UDL_RESULTS][SB_UDL_C_TYPE][SB_UDL_CUT], SB_UDL_REJECT, "and in another");
    is_str(policy_of(&policy, "sex/loose=fail"), NULL, "for one column, in any case");
    is_int(policy.of[SB_UDL_STUDENTS][11][SB_UDL_LOOSE], SB_UDL_FAIL, "in each format that has it");
    is_int(policy.of[SB_UDL_RESULTS][SB_UDL_C_SEX][SB_UDL_LOOSE], SB_UDL_FAIL, "it holds there");
    is_int(policy.of[SB_UDL_RESULTS][SB_UDL_C_TYPE][SB_UDL_LOOSE], SB_UDL_WARN, "and nowhere else");
    is_str(policy_of(&policy, "LanguageCode/cut=reject"), NULL, "for a column of registration");
    is_int(policy.of[SB_UDL_STUDENTS][26][SB_UDL_CUT], SB_UDL_REJECT, "it holds there");
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        ok(policy_of(&policy, bad[i]) != NULL, "'%s' is refused", bad[i]);
    }
}

/* The table of docs/loader.md is that of the code. */
static void documented(void)
{
    static const char *const actions[] = {"", "warn", "reject", "fail"};
    const char *top = getenv("SB_TOP");
    const char *path = apr_pstrcat(p, top ? top : ".", "/docs/loader.md", NULL);
    char *text = apr_pcalloc(p, 1 << 18), *row;
    FILE *in = fopen(path, "r");
    int i, rows = 0;

    if (!ok(in && fread(text, 1, (1 << 18) - 1, in) > 0, "docs/loader.md can be read")) {
        return;
    }
    fclose(in);
    for (i = SB_UDL_FINE + 1; i < SB_UDL_NISSUES; i++) {
        const sb_udl_issue_info_t *info = &sb_udl_issue_info[i];
        const char *gap = strstr(info->reason, "%d");
        const char *reason =
            gap ? apr_psprintf(p, "%.*sN%s", (int)(gap - info->reason), info->reason, gap + 2)
                : info->reason;

        row = apr_psprintf(p, "\n| %d | `%s` | %s | %s | %s |\n", info->number, info->code, reason,
                           actions[info->action], actions[info->least]);
        ok(strstr(text, row) != NULL, "%s is in the table as the code has it", info->code);
    }
    for (row = text; (row = strstr(row, "\n| 3")) != NULL; row++) {
        rows++;
    }
    is_int(rows, SB_UDL_NISSUES - 1, "and nothing else");
}

int main(void)
{
    p = tap_pool();
    documented();
    metadata();
    levels();
    registration();
    policies();
    return done();
}
