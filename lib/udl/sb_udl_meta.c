/* The metadata of a package: see sb_udl_meta.h. */

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_json.h"
#include "udl/sb_udl_meta.h"

#define NUMBER_MAX 9999 /* four digits; more were cut to another number */
#define LISTED_MAX 10   /* missing paths named in the complaint */
#define DEPTH_MAX 4

typedef struct {
    const char *path;
    const char *target; /* column of the batch table asmt */
    sb_udl_rule_t rule;
    int max;
    int flags;
} meta_column_t;

/* clang-format off */
static const meta_column_t columns[SB_UDL_NMETA] = {
    {"Identification.EffectiveDate", "effective_date", SB_UDL_DAY_TAKEN, 8, SB_UDL_REQUIRED},
    {"Identification.Guid", "asmt_guid", SB_UDL_CLEAN, 255, SB_UDL_REQUIRED | SB_UDL_IS_ID},
    {"Identification.Period", "asmt_period", SB_UDL_CLEAN, 32, 0},
    {"Identification.Subject", "asmt_subject", SB_UDL_SUBJECT, 64, SB_UDL_REQUIRED},
    {"Identification.Type", "asmt_type", SB_UDL_TYPE, 32, SB_UDL_REQUIRED},
    {"Identification.Version", "asmt_version", SB_UDL_CLEAN, 40, SB_UDL_REQUIRED | SB_UDL_IS_ID},
    {"Identification.Year", "asmt_period_year", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Overall.MaxScore", "asmt_score_max", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Overall.MinScore", "asmt_score_min", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"PerformanceLevels.Level1.Name", "asmt_perf_lvl_name_1", SB_UDL_CLEAN, 25, 0},
    {"PerformanceLevels.Level2.CutPoint", "asmt_cut_point_1", SB_UDL_NUMBER, 0, 0},
    {"PerformanceLevels.Level2.Name", "asmt_perf_lvl_name_2", SB_UDL_CLEAN, 25, 0},
    {"PerformanceLevels.Level3.CutPoint", "asmt_cut_point_2", SB_UDL_NUMBER, 0, 0},
    {"PerformanceLevels.Level3.Name", "asmt_perf_lvl_name_3", SB_UDL_CLEAN, 25, 0},
    {"PerformanceLevels.Level4.CutPoint", "asmt_cut_point_3", SB_UDL_NUMBER, 0, 0},
    {"PerformanceLevels.Level4.Name", "asmt_perf_lvl_name_4", SB_UDL_CLEAN, 25, 0},
    {"PerformanceLevels.Level5.CutPoint", "asmt_cut_point_4", SB_UDL_NUMBER, 0, 0},
    {"PerformanceLevels.Level5.Name", "asmt_perf_lvl_name_5", SB_UDL_CLEAN, 25, 0},
    {"Claims.Claim1.MaxScore", "asmt_claim_1_score_max", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim1.MinScore", "asmt_claim_1_score_min", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim1.Name", "asmt_claim_1_name", SB_UDL_CLEAN, 128, 0},
    {"Claims.Claim2.MaxScore", "asmt_claim_2_score_max", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim2.MinScore", "asmt_claim_2_score_min", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim2.Name", "asmt_claim_2_name", SB_UDL_CLEAN, 128, 0},
    {"Claims.Claim3.MaxScore", "asmt_claim_3_score_max", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim3.MinScore", "asmt_claim_3_score_min", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim3.Name", "asmt_claim_3_name", SB_UDL_CLEAN, 128, 0},
    {"Claims.Claim4.MaxScore", "asmt_claim_4_score_max", SB_UDL_NUMBER, 0, 0},
    {"Claims.Claim4.MinScore", "asmt_claim_4_score_min", SB_UDL_NUMBER, 0, 0},
    {"Claims.Claim4.Name", "asmt_claim_4_name", SB_UDL_CLEAN, 128, 0},
    {"ClaimsPerformanceLevel.Level1.Name", "asmt_claim_perf_lvl_name_1", SB_UDL_CLEAN, 128, 0},
    {"ClaimsPerformanceLevel.Level2.Name", "asmt_claim_perf_lvl_name_2", SB_UDL_CLEAN, 128, 0},
    {"ClaimsPerformanceLevel.Level3.Name", "asmt_claim_perf_lvl_name_3", SB_UDL_CLEAN, 128, 0},
};
/* clang-format on */

/* @return the node at a dotted path, names in any case; NULL if it is not there */
static const sb_json_t *at_path(const sb_json_t *root, const char *path, apr_pool_t *p)
{
    char *rest = apr_pstrdup(p, path), *name, *state;

    for (name = apr_strtok(rest, ".", &state); name && root; name = apr_strtok(NULL, ".", &state)) {
        root = sb_json_get_nocase(root, name);
    }
    return root;
}

/* Text of a value: numbers as written, null and anything else as nothing. */
static const char *text_of(const sb_json_t *n, apr_size_t *plen)
{
    if (!n || (n->type != SB_JSON_STRING && n->type != SB_JSON_NUMBER)) {
        *plen = 0;
        return "";
    }
    *plen = n->len;
    return n->text;
}

/* An optional text, trimmed to what a URL or address may be. */
static const char *optional_text(const sb_json_t *root, const char *path, apr_pool_t *p)
{
    const char *text = sb_json_str(at_path(root, path, p), NULL);

    return text && *text && strlen(text) <= 512 ? text : NULL;
}

static const char *missing_paths(const sb_json_t *root, apr_pool_t *p)
{
    const char *list = NULL;
    int i, n = 0;

    for (i = 0; i < SB_UDL_NMETA; i++) {
        if (!at_path(root, columns[i].path, p) && n++ < LISTED_MAX) {
            list = list ? apr_pstrcat(p, list, ", ", columns[i].path, NULL) : columns[i].path;
        }
    }
    if (!n) {
        return NULL;
    }
    return apr_psprintf(p, "3013 missing in the metadata: %s%s", list,
                        n > LISTED_MAX ? apr_psprintf(p, " and %d more", n - LISTED_MAX) : "");
}

/* Convert one value into v, in p. @return NULL or the complaint */
static const char *read_value(sb_udl_value_t *v, const meta_column_t *column, const sb_json_t *node,
                              apr_pool_t *p)
{
    char *scratch = apr_palloc(p, SB_UDL_SCRATCH);
    apr_size_t used = 0, len;
    const char *text = text_of(node, &len);
    sb_udl_issue_t issue;

    if (node->type == SB_JSON_OBJECT || node->type == SB_JSON_ARRAY) {
        return apr_psprintf(p, "3013 %s: neither text nor number", column->path);
    }
    issue = sb_udl_convert(v, column->rule, column->max, column->flags | SB_UDL_NOT_PLAIN, text,
                           len, scratch, &used);
    if (issue == SB_UDL_NO_NUMBER && len && strspn(text, " ") == len) {
        v->kind = SB_UDL_V_NULL; /* blank stands for nothing here */
        issue = column->flags & SB_UDL_REQUIRED ? SB_UDL_MISSING : SB_UDL_FINE;
    }
    if (v->kind == SB_UDL_V_INT && abs(v->number) > NUMBER_MAX) {
        return apr_psprintf(p, "3013 %s: more than four digits", column->path);
    }
    if (sb_udl_issue_info[issue].action >= SB_UDL_REJECT) {
        return apr_psprintf(p, "3013 %s: %s", column->path,
                            sb_udl_issue_text(issue, column->max, p));
    }
    return NULL;
}

static const char *read_assessment(sb_udl_meta_t *meta, const sb_json_t *root, apr_pool_t *p)
{
    static const char *const types[] = {"SUMMATIVE", "INTERIM COMPREHENSIVE",
                                        "INTERIM ASSESSMENT BLOCKS", NULL};
    const char *problem, *type = sb_json_str(at_path(root, "Identification.Type", p), NULL);
    int i;

    for (i = 0; types[i] && (!type || strcmp(types[i], type)); i++) {
    }
    if (!types[i]) {
        return "No valid load type specified in json file -- Identification.Type: want SUMMATIVE, "
               "INTERIM"
               " COMPREHENSIVE or INTERIM ASSESSMENT BLOCKS";
    }
    meta->type = types[i];
    problem = missing_paths(root, p);
    for (i = 0; i < SB_UDL_NMETA && !problem; i++) {
        problem = read_value(&meta->values[i], &columns[i], at_path(root, columns[i].path, p), p);
        if (!problem && !strcmp(columns[i].target, "asmt_guid")) {
            meta->guid = apr_pstrmemdup(p, meta->values[i].s, meta->values[i].len);
        }
        if (!problem && !strcmp(columns[i].target, "asmt_subject")) {
            meta->subject = apr_pstrmemdup(p, meta->values[i].s, meta->values[i].len);
        }
    }
    return problem;
}

const char *sb_udl_meta_read(sb_udl_meta_t *meta, const char *text, apr_size_t len, apr_pool_t *p)
{
    const char *problem, *content;
    sb_json_t *root;
    apr_status_t rv;

    memset(meta, 0, sizeof *meta);
    rv = sb_json_parse(&root, &problem, text, len, NULL, p);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "3012 the metadata is no JSON: %s", problem ? problem : "too large");
    }
    content = sb_json_str(sb_json_get_nocase(root, "Content"), NULL);
    if (content && !strcasecmp(content, "assessment")) {
        meta->load = SB_UDL_ASSESSMENT;
        meta->load_type = "assessment";
    }
    else if (content && !strcasecmp(content, "studentregistration")) {
        meta->load = SB_UDL_REGISTRATION;
        meta->load_type = "studentregistration";
    }
    else {
        return "No valid load type specified in json file -- Content: want assessment or "
               "StudentRegistration";
    }
    meta->callback_url = optional_text(root, "Source.CallbackURL", p);
    meta->email = optional_text(root, "Source.EmailNotification", p);
    return meta->load == SB_UDL_ASSESSMENT ? read_assessment(meta, root, p) : NULL;
}

apr_status_t sb_udl_meta_store(sb_db_t *db, const char *guid, const sb_udl_meta_t *meta,
                               apr_pool_t *p)
{
    const char *names = columns[0].target;
    sb_copy_t *copy;
    apr_status_t rv;
    int i;

    for (i = 1; i < SB_UDL_NMETA; i++) {
        names = apr_pstrcat(p, names, ", ", columns[i].target, NULL);
    }
    rv = sb_copy_begin(
        &copy, db,
        sb_sql(p,
               apr_pstrcat(p, "COPY {batch}.asmt (", names, ") FROM STDIN (FORMAT binary)", NULL),
               "batch", guid, NULL),
        SB_UDL_NMETA, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_copy_row(copy);
    for (i = 0; rv == APR_SUCCESS && i < SB_UDL_NMETA; i++) {
        const sb_udl_value_t *v = &meta->values[i];

        switch (v->kind) {
        case SB_UDL_V_TEXT:
            sb_copy_text(copy, v->s, v->len);
            break;
        case SB_UDL_V_INT:
            sb_copy_int2(copy, v->number);
            break;
        default:
            sb_copy_null(copy);
            break;
        }
    }
    return sb_copy_finish(copy, NULL);
}
