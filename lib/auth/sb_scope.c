/* Row-level scope: from a person's grants to a row condition, and to what the pages are told. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include "auth/sb_scope.h"
#include "core/sb_crypto.h"
#include "core/sb_log.h"

struct sb_scope_t {
    const char *tenant;
    const char *state_code;
    int all;                             /* every row of the state */
    int is_public;                       /* of its public copy */
    const apr_array_header_t *districts; /* const char * */
    const apr_array_header_t *schools;   /* school_t */
};

typedef struct {
    const char *district_id; /* a school counts only inside its district */
    const char *school_id;
} school_t;

/* Roles that are given for a state or more: held for a part of one, they mean nothing. */
static const char *const state_roles[] = {"SRSEXTRACTS", "SRCEXTRACTS", "AUDITXML", "IIRDEXTRACTS"};

static int is_void(const sb_grant_t *g)
{
    apr_size_t i;

    for (i = 0; g->district_id && i < sizeof(state_roles) / sizeof(state_roles[0]); i++) {
        if (!strcmp(state_roles[i], g->role)) {
            return 1;
        }
    }
    return 0;
}

static sb_scope_t *new_scope(const char *tenant, const char *state_code, apr_pool_t *p)
{
    sb_scope_t *s = apr_pcalloc(p, sizeof(*s));

    s->tenant = apr_pstrdup(p, tenant);
    s->state_code = apr_pstrdup(p, state_code);
    s->districts = apr_array_make(p, 0, sizeof(const char *));
    s->schools = apr_array_make(p, 0, sizeof(school_t));
    return s;
}

apr_status_t sb_scope_aggregates(const sb_scope_t **pscope, const sb_identity_t *id,
                                 const char *state_code, const apr_array_header_t *tenants,
                                 apr_pool_t *p)
{
    const char *tenant = sb_tenant_of_state(tenants, state_code);
    sb_scope_t *s;

    *pscope = NULL;
    if (!tenant || !id || !sb_identity_has_tenant(id, tenant)) {
        return SB_EDENIED;
    }
    s = new_scope(tenant, state_code, p);
    s->all = 1;
    *pscope = s;
    return APR_SUCCESS;
}

apr_status_t sb_scope_role(const sb_scope_t **pscope, const sb_identity_t *id, const char *role,
                           const char *state_code, const apr_array_header_t *tenants, apr_pool_t *p)
{
    const char *tenant = sb_tenant_of_state(tenants, state_code);
    apr_array_header_t *districts = apr_array_make(p, 4, sizeof(const char *));
    apr_array_header_t *schools = apr_array_make(p, 4, sizeof(school_t));
    int i, all = 0;
    sb_scope_t *s;

    *pscope = NULL;
    for (i = 0; tenant && id && i < id->grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(id->grants, i, const sb_grant_t);

        if (strcmp(g->role, role) || strcmp(g->tenant, tenant) ||
            (g->state_code && strcmp(g->state_code, state_code)) || is_void(g)) {
            continue;
        }
        if (!g->district_id) {
            all = 1;
        }
        else if (!g->school_id) {
            APR_ARRAY_PUSH(districts, const char *) = apr_pstrdup(p, g->district_id);
        }
        else {
            school_t *school = apr_array_push(schools);

            school->district_id = apr_pstrdup(p, g->district_id);
            school->school_id = apr_pstrdup(p, g->school_id);
        }
    }
    if (!all && districts->nelts == 0 && schools->nelts == 0) {
        return SB_EDENIED;
    }
    s = new_scope(tenant, state_code, p);
    s->all = all;
    if (!all) {
        s->districts = districts;
        s->schools = schools;
    }
    *pscope = s;
    return APR_SUCCESS;
}

apr_status_t sb_scope_public(const sb_scope_t **pscope, const char *state_code,
                             const apr_array_header_t *tenants, apr_pool_t *p)
{
    const char *tenant = sb_tenant_of_state(tenants, state_code);
    sb_scope_t *s;

    *pscope = NULL;
    if (!tenant) {
        return APR_NOTFOUND;
    }
    s = new_scope(tenant, state_code, p);
    s->all = 1;
    s->is_public = 1;
    *pscope = s;
    return APR_SUCCESS;
}

const sb_scope_t *sb_scope_system(const char *tenant, const char *state_code, const char *reason,
                                  apr_pool_t *p)
{
    sb_scope_t *s = new_scope(tenant, state_code, p);

    sb_log(SB_LOG_INFO, SBLOGNO(1690), SB_NO_STATUS, "system scope for tenant %s: %s", tenant,
           reason);
    s->all = 1;
    return s;
}

const char *sb_scope_tenant(const sb_scope_t *s)
{
    return s->tenant;
}

const char *sb_scope_state(const sb_scope_t *s)
{
    return s->state_code;
}

int sb_scope_is_whole(const sb_scope_t *s)
{
    return s->all;
}

/* ---- row condition --------------------------------------------------------------------------- */

/* Texts as a PostgreSQL array literal; offset says where in an element the text pointer is. */
static const char *array_literal(const apr_array_header_t *set, apr_size_t offset, apr_pool_t *p)
{
    apr_size_t need = 3;
    char *out, *o;
    int i;

    for (i = 0; i < set->nelts; i++) {
        const char *text =
            *(const char *const *)(set->elts + (apr_size_t)i * (apr_size_t)set->elt_size + offset);

        need += 2 * strlen(text) + 3;
    }
    out = o = apr_palloc(p, need);
    *o++ = '{';
    for (i = 0; i < set->nelts; i++) {
        const char *text =
            *(const char *const *)(set->elts + (apr_size_t)i * (apr_size_t)set->elt_size + offset);

        if (i) {
            *o++ = ',';
        }
        *o++ = '"';
        for (; *text; text++) {
            if (*text == '"' || *text == '\\') {
                *o++ = '\\';
            }
            *o++ = *text;
        }
        *o++ = '"';
    }
    *o++ = '}';
    *o = '\0';
    return out;
}

const char *sb_scope_sql(const sb_scope_t *s, const char *alias, int first,
                         apr_array_header_t *args, apr_pool_t *p)
{
    APR_ARRAY_PUSH(args, const char *) = s->state_code;
    if (s->all) {
        return apr_psprintf(p, "(%s.state_code = $%d)", alias, first);
    }
    APR_ARRAY_PUSH(args, const char *) = array_literal(s->districts, 0, p);
    APR_ARRAY_PUSH(args, const char *) =
        array_literal(s->schools, offsetof(school_t, district_id), p);
    APR_ARRAY_PUSH(args, const char *) =
        array_literal(s->schools, offsetof(school_t, school_id), p);
    return apr_psprintf(
        p,
        "(%s.state_code = $%d AND (%s.district_id = ANY($%d::text[])"
        " OR (%s.district_id, %s.school_id) IN (SELECT * FROM unnest($%d::text[], $%d::text[]))))",
        alias, first, alias, first + 1, alias, alias, first + 2, first + 3);
}

int sb_scope_reaches(const sb_scope_t *s, const char *district_id, const char *school_id)
{
    int reached = s->all;

    for (int i = 0; i < s->districts->nelts; i++) {
        reached |= !strcmp(APR_ARRAY_IDX(s->districts, i, const char *), district_id);
    }
    for (int i = 0; i < s->schools->nelts; i++) {
        const school_t *school = &APR_ARRAY_IDX(s->schools, i, const school_t);

        reached |=
            !strcmp(school->district_id, district_id) && !strcmp(school->school_id, school_id);
    }
    return reached;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *sb_scope_key(const sb_scope_t *s, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, 8, sizeof(const char *));
    char hex[SB_SHA256_HEX_SIZE];
    const char *text;
    int i;

    if (s->all) {
        return s->is_public ? "public" : "all";
    }
    for (i = 0; i < s->districts->nelts; i++) { /* lengths keep "a" + "bc" and "ab" + "c" apart */
        const char *id = APR_ARRAY_IDX(s->districts, i, const char *);

        APR_ARRAY_PUSH(parts, const char *) =
            apr_psprintf(p, "d%" APR_SIZE_T_FMT ":%s;", strlen(id), id);
    }
    for (i = 0; i < s->schools->nelts; i++) {
        const school_t *school = &APR_ARRAY_IDX(s->schools, i, const school_t);

        APR_ARRAY_PUSH(parts, const char *) = apr_psprintf(
            p, "s%" APR_SIZE_T_FMT ":%s,%" APR_SIZE_T_FMT ":%s;", strlen(school->district_id),
            school->district_id, strlen(school->school_id), school->school_id);
    }
    qsort(parts->elts, (size_t)parts->nelts, sizeof(const char *), by_text);
    text = apr_array_pstrcat(p, parts, 0);
    return apr_pstrdup(p, sb_sha256_hex(hex, text, strlen(text)));
}

/* ---- what the pages are told ----------------------------------------------------------------- */

#define LEVELS 3

static int has_id(const apr_array_header_t *ids, const char *id)
{
    int i;

    for (i = 0; i < ids->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(ids, i, const char *), id)) {
            return 1;
        }
    }
    return 0;
}

/* {"all", "guid"}: may he go one level deeper everywhere below the place, else into which ids? */
static void chain(sb_jw_t *w, const char *key, const sb_identity_t *id, const char *tenant,
                  const char *role, const char *const place[LEVELS])
{
    apr_array_header_t *ids;
    apr_pool_t *p;
    int depth = LEVELS, all = 0, i, level;

    while (depth > 0 && !(place[depth - 1] && *place[depth - 1])) {
        depth--;
    }
    apr_pool_create(&p, NULL);
    ids = apr_array_make(p, 8, sizeof(const char *));
    for (i = 0; tenant && depth > 0 && i < id->grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(id->grants, i, const sb_grant_t);
        const char *path[LEVELS] = {g->state_code, g->district_id, g->school_id};

        if (strcmp(g->role, role) || strcmp(g->tenant, tenant) || is_void(g)) {
            continue; /* what would be refused is not offered */
        }
        for (level = 0; level < depth && path[level]; level++) {
            if (!place[level] || strcmp(path[level], place[level])) {
                break;
            }
        }
        if (level < depth && path[level]) {
            continue; /* somewhere else */
        }
        if (level < depth || level == LEVELS || !path[level]) {
            all = 1; /* granted at the place itself or above it */
        }
        else if (!has_id(ids, path[level])) {
            APR_ARRAY_PUSH(ids, const char *) = path[level];
        }
    }
    sb_jw_object(w, key);
    sb_jw_bool(w, "all", all);
    sb_jw_array(w, "guid");
    for (i = 0; !all && i < ids->nelts; i++) {
        sb_jw_str(w, NULL, APR_ARRAY_IDX(ids, i, const char *));
    }
    sb_jw_end(w);
    sb_jw_end(w);
    apr_pool_destroy(p);
}

static const struct {
    const char *member, *role;
} extracts[] = {
    {"sar_extracts", "SAREXTRACTS"},   {"srs_extracts", "SRSEXTRACTS"},
    {"src_extracts", "SRCEXTRACTS"},   {"audit_xml_extracts", "AUDITXML"},
    {"item_extracts", "IIRDEXTRACTS"},
};
#define NEXTRACTS (sizeof(extracts) / sizeof(extracts[0]))

static void pii_json(sb_jw_t *w, int all)
{
    sb_jw_object(w, "pii");
    sb_jw_bool(w, "all", all);
    sb_jw_end(w);
}

/* For the pages of the public report: no students, no extracts. */
static void anonymous_json(sb_jw_t *w, const char *key, int in_school)
{
    sb_jw_object(w, key);
    pii_json(w, !in_school);
    for (apr_size_t i = 0; i < NEXTRACTS; i++) {
        sb_jw_bool(w, extracts[i].member, 0);
    }
    sb_jw_end(w);
}

void sb_permissions_json(sb_jw_t *w, const char *key, const sb_identity_t *id,
                         const apr_array_header_t *tenants, const char *state_code,
                         const char *district_id, const char *school_id)
{
    const char *tenant = sb_tenant_of_state(tenants, state_code);
    const char *const place[LEVELS] = {state_code, district_id, school_id};
    apr_size_t i;

    if (!id) {
        anonymous_json(w, key, school_id && *school_id);
        return;
    }
    sb_jw_object(w, key);
    if (school_id && *school_id) {
        chain(w, "pii", id, tenant, "PII", place);
    }
    else {
        pii_json(w, 1);
    }
    for (i = 0; i < NEXTRACTS; i++) {
        chain(w, extracts[i].member, id, tenant, extracts[i].role, place);
    }
    sb_jw_end(w);
}
