/* Demographic filters as SQL. */
#include "tap.h"
#include <apr_strings.h>
#include "report/sb_filter.h"

static const sb_param_t schema[] = {{.name = "stateCode", .type = SB_PARAM_STRING},
                                    SB_FILTER_PARAMS,
                                    SB_FILTER_GROUPS,
                                    {.name = NULL}};
static const sb_param_t with_groups[] = {SB_FILTER_PARAMS, SB_FILTER_GROUPS, {.name = NULL}};

static const struct {
    const char *body, *sql, *args;
    int any;
} cases[] = {
    {"{}", "true", "", 0},
    {"{\"stateCode\":\"NC\"}", "true", "", 0},
    {"{\"dmgPrgIep\":[\"Y\"]}", "(f.dmg_prg_iep IS TRUE)", "", 1},
    {"{\"dmgPrgIep\":[\"N\"]}", "(f.dmg_prg_iep IS FALSE)", "", 1},
    {"{\"dmgPrgLep\":[\"Y\",\"NS\"]}", "(f.dmg_prg_lep IS NULL OR f.dmg_prg_lep IS TRUE)", "", 1},
    {"{\"dmgPrg504\":[\"NS\",\"N\",\"Y\"]}",
     "(f.dmg_prg_504 IS FALSE OR f.dmg_prg_504 IS NULL OR f.dmg_prg_504 IS TRUE)", "", 1},
    {"{\"dmgStsEcd\":[\"Y\"],\"dmgStsMig\":[\"N\"]}",
     "(f.dmg_sts_ecd IS TRUE) AND (f.dmg_sts_mig IS FALSE)", "", 1},
    {"{\"ethnicity\":[\"3\",\"0\"]}", "f.dmg_eth_derived = ANY($3::smallint[])", "{0,3}", 1},
    {"{\"sex\":[\"male\"]}", "f.sex = ANY($3::text[])", "{male}", 1},
    {"{\"sex\":[\"not_stated\"]}", "f.sex = ANY($3::text[])", "{not_stated,NS}", 1},
    {"{\"sex\":[\"not_stated\",\"female\"]}", "f.sex = ANY($3::text[])", "{female,not_stated,NS}",
     1},
    {"{\"grade\":[\"11\",\"03\"]}", "f.asmt_grade = ANY($3::text[])", "{03,11}", 1},
    {"{\"complete\":[\"NS\"]}", "(f.complete IS NULL)", "", 1},
    {"{\"sex\":[\"male\"],\"grade\":[\"03\"],\"dmgPrgIep\":[\"Y\"]}",
     "(f.dmg_prg_iep IS TRUE) AND f.sex = ANY($3::text[]) AND f.asmt_grade = ANY($4::text[])",
     "{male} {03}", 1},
    {"{\"grade\":[]}", "true", "", 1},
    {"{\"dmgPrgIep\":[]}", "true", "", 1},
    {"{\"ethnicity\":[]}", "false", "", 1},
    {"{\"sex\":[]}", "false", "", 1},
    {"{\"complete\":[]}", "false", "", 1},
    {"{\"complete\":[],\"grade\":[\"03\"]}", "f.asmt_grade = ANY($3::text[]) AND false", "{03}", 1},
    /* refused */
    {"{\"dmgStsEcd\":[\"NS\"]}", NULL, NULL, 0},
    {"{\"grade\":[\"3\"]}", NULL, NULL, 0},
    {"{\"grade\":[\"09\"]}", NULL, NULL, 0},
    {"{\"ethnicity\":[\"8\"]}", NULL, NULL, 0},
    {"{\"ethnicity\":[3]}", NULL, NULL, 0},
    {"{\"sex\":[\"NS\"]}", NULL, NULL, 0},
    {"{\"dmgPrgIep\":[\"y\"]}", NULL, NULL, 0},
};

/* Student groups: asked for where persons are listed. */
static void groups(apr_pool_t *p)
{
    static const struct {
        const char *body, *args;
        int condition;
    } of[] = {{"{}", "", 0},
              {"{\"studentGroupId\":[]}", "{}", 1},
              {"{\"studentGroupId\":[\"g2\",\"g1\"]}", "{g1,g2}", 1}};

    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        apr_array_header_t *args = apr_array_make(p, 8, sizeof(const char *));
        const sb_params_t *params = NULL;
        const char *sql;
        sb_json_t *json;

        if (sb_json_parse(&json, NULL, of[i].body, strlen(of[i].body), NULL, p) != APR_SUCCESS ||
            sb_params_read(&params, with_groups, NULL, json, SB_PARAMS_REFUSE_UNKNOWN, p)) {
            ok(0, "%s is read", of[i].body);
            continue;
        }
        sql = sb_filter_groups_sql(params, "s", args, p);
        ok(of[i].condition ? strstr(sql, "s.group_1_id,") && strstr(sql, "s.group_10_id] && $1")
                           : !strcmp(sql, "true"),
           "%s: %s", of[i].body, sql);
        is_str(args->nelts ? APR_ARRAY_IDX(args, 0, const char *) : "", of[i].args, "its groups");
    }
}

int main(void)
{
    apr_pool_t *p = tap_pool();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apr_array_header_t *args = apr_array_make(p, 8, sizeof(const char *));
        const sb_params_t *params;
        const char *complaint;
        sb_json_t *json;

        APR_ARRAY_PUSH(args, const char *) = "NC";
        APR_ARRAY_PUSH(args, const char *) = "2016";
        if (sb_json_parse(&json, NULL, cases[i].body, strlen(cases[i].body), NULL, p) !=
            APR_SUCCESS) {
            ok(0, "the body of a case parses");
            continue;
        }
        complaint = sb_params_read(&params, schema, NULL, json, SB_PARAMS_IGNORE_UNKNOWN, p);
        if (!cases[i].sql) {
            ok(complaint != NULL, "%s is refused", cases[i].body);
            continue;
        }
        if (complaint) {
            ok(0, "%s: %s", cases[i].body, complaint);
            continue;
        }
        is_str(sb_filter_sql(params, "f", args, p), cases[i].sql, cases[i].body);
        args->elts += 2 * sizeof(const char *);
        args->nelts -= 2;
        is_str(args->nelts ? apr_array_pstrcat(p, args, ' ') : "", cases[i].args, "its arguments");
        is_int(sb_filter_any(params), cases[i].any, "does it filter?");
    }
    groups(p);
    return done();
}
