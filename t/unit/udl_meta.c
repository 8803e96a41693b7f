/* Metadata of packages and the policy table: what is taken, what is refused and how that is said. */

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
       "3013 Identification.Year: more than four digits", "a long number");
    is(with("2015,\"Period\"", "2015.5,\"Period\""), "3013 Identification.Year: no whole number",
       "a fraction");
    is(with("2015,\"Period\"", "null,\"Period\""),
       "3013 Identification.Year: a required value is empty", "an empty year");
    is(with("2015,\"Period\"", "[1],\"Period\""),
       "3013 Identification.Year: neither text nor number", "a list");
    is(with("2015-04-04", "2015-02-30"), "3013 Identification.EffectiveDate: no day",
       "an impossible date");
    is(with("\"Version\":\"V1\"", "\"Version\":\"0123456789012345678901234567890123456789x\""),
       "3013 Identification.Version", "a long version");
    is(with("\"Level5\":{\"Name\":\"\",\"CutPoint\":\"\"}", "\"Level5\":1"),
       "3013 missing in the metadata: PerformanceLevels.Level5.CutPoint, "
       "PerformanceLevels.Level5.Name",
       "a path through something that is no object");
    is(with("SUMMATIVE", "Summative"), "No valid load type", "types are exact");
    is(with("\"Content\":\"assessment\",", ""), "No valid load type", "no content");
    is("{\"Content\":", "3012", "no JSON");
    is("[]", "No valid load type", "no object");
    is("{\"Content\":\"StudentRegistration\"}", NULL, "a registration is only recognised");
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
    is_int(policy.action[SB_UDL_C_SEX][SB_UDL_CUT], SB_UDL_WARN, "warns of what is cut");
    is_int(policy.action[SB_UDL_C_SEX][SB_UDL_MISSING], SB_UDL_REJECT, "rejects what is missing");
    is_str(policy_of(&policy, "cut=reject"), NULL, "for all columns");
    is_int(policy.action[SB_UDL_C_SEX][SB_UDL_CUT], SB_UDL_REJECT, "it holds in one");
    is_int(policy.action[SB_UDL_C_TYPE][SB_UDL_CUT], SB_UDL_REJECT, "and in another");
    is_str(policy_of(&policy, "sex/loose=fail"), NULL, "for one column, in any case");
    is_int(policy.action[SB_UDL_C_SEX][SB_UDL_LOOSE], SB_UDL_FAIL, "it holds there");
    is_int(policy.action[SB_UDL_C_TYPE][SB_UDL_LOOSE], SB_UDL_WARN, "and nowhere else");
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        ok(policy_of(&policy, bad[i]) != NULL, "'%s' is refused", bad[i]);
    }
}

int main(void)
{
    p = tap_pool();
    metadata();
    policies();
    return done();
}
