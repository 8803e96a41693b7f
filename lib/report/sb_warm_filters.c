/* The filter file of the cache warmer: see sb_warm_filters.h. */

#include "report/sb_warm_filters.h"

#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include "report/sb_filter.h"

#define FILTERS_MAX 500 /* of one list: each costs a report for every district */

struct sb_warm_filters_t {
    apr_hash_t
        *lists[SB_WARM_LEVELS]; /* tenant, state code or "" for all -> array of const char * */
};

static const char *const levels[SB_WARM_LEVELS] = {"state", "district"};

static const sb_param_t filters[] = {SB_FILTER_PARAMS, {.name = NULL}};

static const sb_param_t *find_filter(const char *name)
{
    for (const sb_param_t *s = filters; s->name; s++) {
        if (!strcmp(s->name, name)) {
            return s;
        }
    }
    return NULL;
}

static int is_value(const sb_param_t *s, const sb_json_t *value)
{
    const char *text = sb_json_str(value, "");

    for (int i = 0; s->values[i]; i++) {
        if (!strcmp(text, s->values[i])) {
            return 1;
        }
    }
    return 0;
}

/* One member of a filter: a known name, and a list of known values that is not empty. */
static const char *judge_member(const sb_json_t *m, const char *place, apr_pool_t *p)
{
    const sb_param_t *s = find_filter(m->key);
    const char *names = "";

    if (!s) {
        for (s = filters; s->name; s++) {
            names = apr_pstrcat(p, names, *names ? ", " : "", s->name, NULL);
        }
        return apr_psprintf(p, "%s.%s: no such filter; want %s", place, m->key, names);
    }
    if (m->type != SB_JSON_ARRAY || !m->child) {
        return apr_psprintf(p, "%s.%s: want a list of texts that is not empty", place, m->key);
    }
    for (const sb_json_t *v = m->child; v; v = v->next) {
        if (!is_value(s, v)) {
            for (int i = 0; s->values[i]; i++) {
                names = apr_pstrcat(p, names, *names ? ", " : "", s->values[i], NULL);
            }
            return apr_psprintf(p, "%s.%s: want texts out of %s", place, m->key, names);
        }
    }
    return NULL;
}

static int has_text(const apr_array_header_t *texts, const char *text)
{
    for (int i = 0; i < texts->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(texts, i, const char *), text)) {
            return 1;
        }
    }
    return 0;
}

static const char *read_filter(apr_array_header_t *list, const sb_json_t *filter, const char *place,
                               apr_pool_t *p)
{
    const sb_params_t *params;
    const char *complaint, *text;
    sb_jw_t *w = sb_jw_make(p);

    if (filter->type != SB_JSON_OBJECT || !filter->child) {
        return apr_pstrcat(p, place, ": want an object with at least one filter", NULL);
    }
    for (const sb_json_t *m = filter->child; m; m = m->next) {
        complaint = judge_member(m, place, p);
        if (complaint) {
            return complaint;
        }
    }
    complaint = sb_params_read(&params, filters, NULL, filter, SB_PARAMS_REFUSE_UNKNOWN, p);
    if (complaint) {
        return apr_pstrcat(p, place, ": ", complaint, NULL);
    }
    sb_params_json(w, NULL, params);
    text = sb_jw_text(w, NULL);
    if (!has_text(list, text)) {
        APR_ARRAY_PUSH(list, const char *) = text;
    }
    return NULL;
}

/* Whose list is it, and of which level: "district", "ES.district". */
static const char *read_name(const char **pwho, int *plevel, const char *name,
                             const apr_array_header_t *tenants, apr_pool_t *p)
{
    const char *dot = strrchr(name, '.');
    const char *level = dot ? dot + 1 : name;

    *pwho = dot ? apr_pstrmemdup(p, name, (apr_size_t)(dot - name)) : "";
    for (*plevel = 0; *plevel < SB_WARM_LEVELS && strcmp(level, levels[*plevel]); ++*plevel) {
    }
    if (*plevel == SB_WARM_LEVELS) {
        return apr_psprintf(p,
                            "$.%s: want state, district, or one of them behind a tenant's name "
                            "or a state code and a dot",
                            name);
    }
    for (int i = 0; dot && i < tenants->nelts; i++) {
        const sb_tenant_t *t = &APR_ARRAY_IDX(tenants, i, sb_tenant_t);

        if (!strcmp(t->name, *pwho) || !strcmp(t->state_code, *pwho)) {
            return NULL;
        }
    }
    return dot ? apr_psprintf(p, "$.%s: no tenant or state of this ini is called %s", name, *pwho)
               : NULL;
}

static const char *read_list(sb_warm_filters_t *f, const sb_json_t *node,
                             const apr_array_header_t *tenants, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 24, sizeof(const char *));
    const char *who, *complaint;
    int level, i = 0;

    complaint = read_name(&who, &level, node->key, tenants, p);
    if (complaint) {
        return complaint;
    }
    if (node->type != SB_JSON_ARRAY || node->nchild > FILTERS_MAX) {
        return apr_psprintf(p, "$.%s: want a list of at most %d filters", node->key, FILTERS_MAX);
    }
    for (const sb_json_t *n = node->child; n && !complaint; n = n->next, i++) {
        complaint = read_filter(list, n, apr_psprintf(p, "$.%s[%d]", node->key, i), p);
    }
    apr_hash_set(f->lists[level], who, APR_HASH_KEY_STRING, list);
    return complaint;
}

const char *sb_warm_filters_read(sb_warm_filters_t **pf, const char *text, apr_size_t len,
                                 const apr_array_header_t *tenants, apr_pool_t *p)
{
    static const sb_json_limits_t limits = {.max_depth = 5};
    sb_warm_filters_t *f = apr_pcalloc(p, sizeof(*f));
    const char *complaint = NULL;
    sb_json_t *root;

    *pf = NULL;
    for (int level = 0; level < SB_WARM_LEVELS; level++) {
        f->lists[level] = apr_hash_make(p);
    }
    if (sb_json_parse(&root, &complaint, text, len, &limits, p) != APR_SUCCESS) {
        return complaint ? complaint : "no JSON";
    }
    if (root->type != SB_JSON_OBJECT) {
        return "$: want an object";
    }
    for (const sb_json_t *m = root->child; m && !complaint; m = m->next) {
        complaint = read_list(f, m, tenants, p);
    }
    if (!complaint) {
        *pf = f;
    }
    return complaint;
}

const apr_array_header_t *sb_warm_filters_of(const sb_warm_filters_t *f, sb_warm_level_t level,
                                             const sb_tenant_t *tenant)
{
    static const apr_array_header_t none = {.elt_size = sizeof(const char *)};
    const char *const who[] = {tenant->name, tenant->state_code, ""};

    for (int i = 0; i < 3; i++) {
        const apr_array_header_t *list = apr_hash_get(f->lists[level], who[i], APR_HASH_KEY_STRING);

        if (list) {
            return list;
        }
    }
    return &none;
}
