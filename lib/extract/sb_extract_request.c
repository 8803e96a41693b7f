/**
 * Requests of extracts: which parameters, whose rights; and as JSON on their way through a job.
 */

#include "extract/sb_extract.h"

#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include "core/sb_uuid.h"
#include "report/sb_filter.h"

#define COMBINATIONS_MAX 1000 /* of one request: each is answered for */

static const char *const truths[] = {"true", "TRUE", NULL};
static const char *const types[] = {"SUMMATIVE", "INTERIM COMPREHENSIVE",
                                    "INTERIM ASSESSMENT BLOCKS", NULL};
static const char *const whole_types[] = {"SUMMATIVE", "INTERIM COMPREHENSIVE", NULL};
static const char *const subjects[] = {"Math", "ELA", NULL};
static const char *const assessment_types[] = {"studentAssessment", NULL};
static const char *const registration_types[] = {"studentRegistrationStatistics",
                                                 "studentAssessmentCompletion", NULL};

#define ID_CHARS "a-zA-Z0-9-"
#define STATE_CODE                                                                                 \
    {                                                                                              \
        .name = "stateCode", .type = SB_PARAM_STRING, .required = 1, .chars = "a-zA-Z",            \
        .min_len = 2, .max_len = 2                                                                 \
    }
#define IDS(n)                                                                                     \
    {                                                                                              \
        .name = n, .type = SB_PARAM_STRINGS, .chars = ID_CHARS, .max_len = 50                      \
    }

const sb_param_t sb_extract_assessment_params[] = {
    {.name = "stateCode",
     .type = SB_PARAM_STRINGS,
     .required = 1,
     .chars = "a-zA-Z",
     .min_len = 2,
     .max_len = 2},
    {.name = "asmtType", .type = SB_PARAM_STRINGS, .required = 1, .values = types},
    {.name = "asmtSubject", .type = SB_PARAM_STRINGS, .required = 1, .values = subjects},
    {.name = "asmtYear",
     .type = SB_PARAM_STRINGS,
     .required = 1,
     .chars = "0-9",
     .min_len = 4,
     .max_len = 4},
    IDS("districtId"),
    IDS("schoolId"),
    IDS("asmtGrade"),
    IDS("studentId"),
    {.name = "extractType", .type = SB_PARAM_STRINGS, .values = assessment_types},
    {.name = "sync", .type = SB_PARAM_ENUM, .values = truths},
    {.name = "async", .type = SB_PARAM_ENUM, .values = truths},
    {.name = "sl", .type = SB_PARAM_STRING, .chars = "0-9", .max_len = 20}, /* of old pages */
    SB_FILTER_PARAMS,
    SB_FILTER_GROUPS,
    {.name = NULL},
};

#define ONE_ASSESSMENT                                                                             \
    STATE_CODE,                                                                                    \
        {.name = "asmtYear",                                                                       \
         .type = SB_PARAM_STRING,                                                                  \
         .required = 1,                                                                            \
         .chars = "0-9",                                                                           \
         .min_len = 4,                                                                             \
         .max_len = 4},                                                                            \
        {.name = "asmtType", .type = SB_PARAM_ENUM, .required = 1, .values = whole_types},         \
        {.name = "asmtSubject", .type = SB_PARAM_ENUM, .required = 1, .values = subjects},         \
    {                                                                                              \
        .name = "asmtGrade", .type = SB_PARAM_STRING, .required = 1, .chars = "K0-9", .max_len = 2 \
    }

const sb_param_t sb_extract_items_params[] = {
    ONE_ASSESSMENT, IDS("itemId"), SB_FILTER_PARAMS, SB_FILTER_GROUPS, {.name = NULL},
};
const sb_param_t sb_extract_raw_params[] = {
    ONE_ASSESSMENT,
    SB_FILTER_PARAMS,
    SB_FILTER_GROUPS,
    {.name = NULL},
};
const sb_param_t sb_extract_registration_params[] = {
    STATE_CODE,
    {.name = "academicYear", .type = SB_PARAM_INTEGER, .required = 1},
    {.name = "extractType", .type = SB_PARAM_ENUM, .values = registration_types},
    {.name = NULL},
};

/* The names of items and raw data are ours: no client writes them. */
static const sb_extract_about_t about[SB_EXTRACT_KINDS] = {
    [SB_EXTRACT_ASSESSMENT] = {"studentAssessment", "SAREXTRACTS", sb_extract_assessment_params},
    [SB_EXTRACT_ITEMS] = {"itemLevel", "IIRDEXTRACTS", sb_extract_items_params},
    [SB_EXTRACT_RAW] = {"rawData", "AUDITXML", sb_extract_raw_params},
    [SB_EXTRACT_STATISTICS] = {"studentRegistrationStatistics", "SRSEXTRACTS",
                               sb_extract_registration_params},
    [SB_EXTRACT_COMPLETION] = {"studentAssessmentCompletion", "SRCEXTRACTS",
                               sb_extract_registration_params},
};

const sb_extract_about_t *sb_extract_about(sb_extract_kind_t kind)
{
    return &about[kind];
}

/* ---- judging --------------------------------------------------------------------------------------- */

static int count(const sb_params_t *params, const char *name)
{
    const apr_array_header_t *list = sb_params_list(params, name);

    return list ? list->nelts : 1;
}

/* @return NULL or the complaint */
static const char *judge(const sb_extract_t *x)
{
    static const char *const lists[] = {"districtId", "schoolId", "asmtGrade", "asmtSubject",
                                        "asmtType"};
    int n = 1;

    if (x->kind != SB_EXTRACT_ASSESSMENT) {
        return NULL;
    }
    if (count(x->params, "stateCode") != 1 || count(x->params, "asmtYear") != 1) {
        return "stateCode, asmtYear: want one of each";
    }
    for (apr_size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        n *= count(x->params, lists[i]);
        if (n == 0) {
            return "districtId, schoolId, asmtGrade, asmtSubject, asmtType: not empty, if given";
        }
        if (n > COMBINATIONS_MAX) {
            return "districtId, schoolId, asmtGrade: too many combinations";
        }
    }
    return NULL;
}

static const char *state_of(const sb_extract_t *x)
{
    return x->kind == SB_EXTRACT_ASSESSMENT
               ? APR_ARRAY_IDX(sb_params_list(x->params, "stateCode"), 0, const char *)
               : sb_params_str(x->params, "stateCode");
}

/* Parameters, and what follows from them. */
static apr_status_t read_params(sb_extract_t *x, const char **pcomplaint,
                                const apr_array_header_t *query, const sb_json_t *body,
                                apr_pool_t *p)
{
    *pcomplaint =
        sb_params_read(&x->params, about[x->kind].params, query, body, SB_PARAMS_REFUSE_UNKNOWN, p);
    if (!*pcomplaint) {
        *pcomplaint = judge(x);
    }
    x->async = x->kind != SB_EXTRACT_ASSESSMENT ||
               (x->params && !*pcomplaint && sb_params_has(x->params, "async"));
    return *pcomplaint ? SB_EINPUT : APR_SUCCESS;
}

static apr_status_t make_scope(sb_extract_t *x, const sb_extract_env_t *env, apr_pool_t *p)
{
    apr_status_t rv =
        sb_scope_role(&x->scope, x->user, about[x->kind].role, state_of(x), env->tenants, p);

    if (rv == APR_SUCCESS) {
        x->schema = sb_conf_tenant_str(env->conf, "edware.db.<tenant>.schema_name",
                                       sb_scope_tenant(x->scope));
    }
    return rv;
}

apr_status_t sb_extract_request(sb_extract_t *x, const char **pcomplaint, sb_extract_kind_t kind,
                                const apr_array_header_t *query, const sb_json_t *body,
                                const sb_identity_t *user, const sb_extract_env_t *env,
                                apr_pool_t *p)
{
    char *id = apr_palloc(p, SB_UUID_SIZE);
    apr_status_t rv;

    memset(x, 0, sizeof(*x));
    x->kind = kind;
    x->user = user;
    x->when = apr_time_now();
    x->parts = 1;
    rv = read_params(x, pcomplaint, query, body, p);
    if (rv == APR_SUCCESS && !sb_uuid_make(id)) {
        rv = APR_EGENERAL;
    }
    x->id = id;
    return rv == APR_SUCCESS ? make_scope(x, env, p) : rv;
}

/* ---- as JSON --------------------------------------------------------------------------------------- */

void sb_extract_save(sb_jw_t *w, const char *key, const sb_extract_t *x)
{
    sb_identity_t user = *x->user; /* what says what he may, not who he is */

    user.email = user.full_name = user.first_name = user.last_name = NULL;
    sb_jw_object(w, key);
    sb_jw_str(w, "extract", about[x->kind].name);
    sb_params_json(w, "params", x->params);
    sb_jw_str(w, "id", x->id);
    sb_jw_int(w, "when", x->when);
    sb_jw_int(w, "parts", x->parts);
    sb_jw_str(w, "version", x->version);
    sb_identity_save(w, "user", &user);
    sb_jw_end(w);
}

static int find_kind(sb_extract_kind_t *pkind, const char *name)
{
    for (int i = 0; i < SB_EXTRACT_KINDS; i++) {
        if (name && !strcmp(about[i].name, name)) {
            *pkind = (sb_extract_kind_t)i;
            return 1;
        }
    }
    return 0;
}

static apr_int64_t int_of(const sb_json_t *saved, const char *key, apr_int64_t dflt)
{
    apr_int64_t v;

    return sb_json_int(&v, sb_json_get(saved, key)) == APR_SUCCESS ? v : dflt;
}

/* Whoever has a shell and the ini here may see the state anyway. */
static apr_status_t make_operators_scope(sb_extract_t *x, const char **pcomplaint,
                                         const sb_extract_env_t *env, apr_pool_t *p)
{
    const char *tenant = sb_tenant_of_state(env->tenants, state_of(x));

    if (!tenant) {
        *pcomplaint = "stateCode: of no tenant";
        return SB_EINPUT;
    }
    x->scope = sb_scope_system(tenant, state_of(x), "an extract made by an operator", p);
    x->schema = sb_conf_tenant_str(env->conf, "edware.db.<tenant>.schema_name", tenant);
    return APR_SUCCESS;
}

apr_status_t sb_extract_load(sb_extract_t *x, const char **pcomplaint, const sb_json_t *saved,
                             const sb_extract_env_t *env, apr_pool_t *p)
{
    const sb_json_t *user = sb_json_get(saved, "user"), *params = sb_json_get(saved, "params");
    char *id = apr_palloc(p, SB_UUID_SIZE);
    sb_identity_t *identity;
    apr_status_t rv;

    memset(x, 0, sizeof(*x));
    *pcomplaint = NULL;
    if (!find_kind(&x->kind, sb_json_str(sb_json_get(saved, "extract"), NULL)) || !params ||
        params->type != SB_JSON_OBJECT) {
        *pcomplaint = "want {\"extract\": \"studentAssessment\", \"params\": {...}}";
        return SB_EINPUT;
    }
    rv = read_params(x, pcomplaint, NULL, params, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    x->id = sb_json_str(sb_json_get(saved, "id"), sb_uuid_make(id));
    x->when = int_of(saved, "when", apr_time_now());
    x->parts = (int)int_of(saved, "parts", 0);
    x->version = sb_json_str(sb_json_get(saved, "version"), NULL);
    if (!sb_uuid_is_valid(x->id) || x->parts < 0) { /* it names a directory */
        *pcomplaint = "id, parts: not as they were saved";
        return SB_EINPUT;
    }
    if (!user) {
        return make_operators_scope(x, pcomplaint, env, p);
    }
    identity = apr_palloc(p, sizeof(*identity));
    rv = sb_identity_load(identity, user, env->tenants, p);
    x->user = identity;
    return rv == APR_SUCCESS ? make_scope(x, env, p) : rv;
}
