/* Who a person is: grants to roles, tenants and states. */

#include <string.h>
#include <apr_strings.h>
#include "auth/sb_identity.h"

#define GRANTS_MAX 1000 /* chains of one person; far above any real one */

#define BIT(perm) (1u << (perm))

static const struct {
    const char *name;
    unsigned perms;
} role_table[] = {
    {"GENERAL", BIT(SB_PERM_VIEW) | BIT(SB_PERM_LOGOUT) | BIT(SB_PERM_DOWNLOAD)},
    {"PII", BIT(SB_PERM_VIEW) | BIT(SB_PERM_LOGOUT)},
    {"SAREXTRACTS", BIT(SB_PERM_VIEW) | BIT(SB_PERM_LOGOUT)},
    {"SRSEXTRACTS", BIT(SB_PERM_VIEW) | BIT(SB_PERM_LOGOUT)},
    {"SRCEXTRACTS", BIT(SB_PERM_VIEW) | BIT(SB_PERM_LOGOUT)},
    {"AUDITXML", BIT(SB_PERM_VIEW) | BIT(SB_PERM_LOGOUT)},
    {"IIRDEXTRACTS", BIT(SB_PERM_VIEW) | BIT(SB_PERM_LOGOUT)},
    {"ALLSTATES", BIT(SB_PERM_VIEW) | BIT(SB_PERM_LOGOUT) | BIT(SB_PERM_DISPLAY_HOME)},
    {"SUPER_USER", BIT(SB_PERM_VIEW) | BIT(SB_PERM_LOGOUT) | BIT(SB_PERM_SUPER_ADMIN)},
    {"ASMTDATALOAD", BIT(SB_PERM_LOAD)},
    {"NONE", BIT(SB_PERM_LOGOUT)},
};

/* @return bits of the permissions, 0 for an unknown role */
static unsigned perms_of(const char *role)
{
    apr_size_t i;

    for (i = 0; i < sizeof(role_table) / sizeof(role_table[0]); i++) {
        if (!strcmp(role_table[i].name, role)) {
            return role_table[i].perms;
        }
    }
    return 0;
}

/* ---- tenants --------------------------------------------------------------------------------- */

/* @param state, state2 keys: the second if the first is not set */
static const apr_array_header_t *tenants_of(const sb_conf_t *conf, const char *url,
                                            const char *state, const char *state2, apr_pool_t *p)
{
    const apr_array_header_t *names = sb_conf_names(conf, url, p);
    apr_array_header_t *tenants = apr_array_make(p, names->nelts, sizeof(sb_tenant_t));
    int i;

    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        sb_tenant_t *t = apr_array_push(tenants);

        t->name = name;
        t->state_code = sb_conf_tenant_str(conf, state, name);
        if (!t->state_code) {
            t->state_code = sb_conf_tenant_str(conf, state2, name);
        }
    }
    return tenants;
}

const apr_array_header_t *sb_tenants(const sb_conf_t *conf, apr_pool_t *p)
{
    static const char state[] = "edware.db.<tenant>.state_code";

    return tenants_of(conf, "edware.db.<tenant>.url", state, state, p);
}

const apr_array_header_t *sb_tenants_public(const sb_conf_t *conf, apr_pool_t *p)
{
    return tenants_of(conf, "edware.public.db.<tenant>.url", "edware.public.db.<tenant>.state_code",
                      "edware.db.<tenant>.state_code", p);
}

static const sb_tenant_t *find_tenant(const apr_array_header_t *tenants, const char *name)
{
    int i;

    for (i = 0; i < tenants->nelts; i++) {
        const sb_tenant_t *t = &APR_ARRAY_IDX(tenants, i, const sb_tenant_t);

        if (!strcmp(t->name, name)) {
            return t;
        }
    }
    return NULL;
}

const char *sb_tenant_of_state(const apr_array_header_t *tenants, const char *state_code)
{
    int i;

    for (i = 0; state_code && i < tenants->nelts; i++) {
        const sb_tenant_t *t = &APR_ARRAY_IDX(tenants, i, const sb_tenant_t);

        if (t->state_code && !strcmp(t->state_code, state_code)) {
            return t->name;
        }
    }
    return NULL;
}

/* ---- building -------------------------------------------------------------------------------- */

static int same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static void add_text(apr_array_header_t *set, const char *text)
{
    int i;

    for (i = 0; text && i < set->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(set, i, const char *), text)) {
            return;
        }
    }
    if (text) {
        APR_ARRAY_PUSH(set, const char *) = text;
    }
}

static void add_grant(apr_array_header_t *grants, const sb_grant_t *g)
{
    int i;

    for (i = 0; i < grants->nelts; i++) {
        const sb_grant_t *have = &APR_ARRAY_IDX(grants, i, const sb_grant_t);

        if (same(have->role, g->role) && same(have->tenant, g->tenant) &&
            same(have->state_code, g->state_code) && same(have->district_id, g->district_id) &&
            same(have->school_id, g->school_id)) {
            return;
        }
    }
    if (grants->nelts < GRANTS_MAX) {
        APR_ARRAY_PUSH(grants, sb_grant_t) = *g;
    }
}

/* One assignment; without any place it holds in every tenant. */
static void assign(apr_array_header_t *grants, const sb_grant_t *g,
                   const apr_array_header_t *tenants)
{
    int i;

    if (g->tenant) {
        add_grant(grants, g);
        return;
    }
    for (i = 0; i < tenants->nelts; i++) {
        sb_grant_t everywhere = {.role = g->role,
                                 .tenant = APR_ARRAY_IDX(tenants, i, const sb_tenant_t).name};

        add_grant(grants, &everywhere);
    }
}

void sb_identity_build(sb_identity_t *id, const apr_array_header_t *raw,
                       const apr_array_header_t *tenants, apr_pool_t *p)
{
    apr_array_header_t *grants = apr_array_make(p, 8, sizeof(sb_grant_t));
    apr_array_header_t *roles = apr_array_make(p, 8, sizeof(const char *));
    apr_array_header_t *names = apr_array_make(p, 2, sizeof(const char *));
    apr_array_header_t *states = apr_array_make(p, 2, sizeof(const char *));
    int i;

    for (i = 0; i < raw->nelts; i++) {
        sb_grant_t g = APR_ARRAY_IDX(raw, i, const sb_grant_t);
        sb_grant_t general = g;

        if (!strcmp(g.role, "NONE")) {
            continue; /* says that there is no role; it grants nothing */
        }
        general.role = "GENERAL";
        assign(grants, &general,
               tenants); /* implied by every known role, the reading of any other */
        if (perms_of(g.role)) {
            assign(grants, &g, tenants);
        }
    }
    id->display_home = 0;
    for (i = 0; i < grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(grants, i, const sb_grant_t);
        const sb_tenant_t *t = find_tenant(tenants, g->tenant);

        add_text(roles, g->role);
        add_text(names, g->tenant);
        add_text(states, g->state_code ? g->state_code : t ? t->state_code : NULL);
        id->display_home |= (perms_of(g->role) & BIT(SB_PERM_DISPLAY_HOME)) != 0;
    }
    if (roles->nelts == 0) {
        add_text(roles, "NONE");
    }
    id->grants = grants;
    id->roles = roles;
    id->tenants = names;
    id->states = states;
}

int sb_identity_is_somebody(sb_identity_t *id)
{
    id->guid = id->guid ? id->guid : id->uid;
    id->uid = id->uid ? id->uid : id->guid;
    return id->guid != NULL;
}

int sb_identity_may(const sb_identity_t *id, sb_perm_t perm)
{
    int i;

    if (perm == SB_PERM_NONE) {
        return 1;
    }
    for (i = 0; i < id->roles->nelts; i++) {
        if (perms_of(APR_ARRAY_IDX(id->roles, i, const char *)) & BIT(perm)) {
            return 1;
        }
    }
    return 0;
}

static int holds_whole(const sb_grant_t *g, sb_perm_t perm)
{
    return !g->district_id && !g->school_id && (perms_of(g->role) & BIT(perm));
}

const apr_array_header_t *sb_identity_tenants_of(const sb_identity_t *id, sb_perm_t perm,
                                                 apr_pool_t *p)
{
    apr_array_header_t *names = apr_array_make(p, 2, sizeof(const char *));

    for (int i = 0; i < id->grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(id->grants, i, const sb_grant_t);

        if (holds_whole(g, perm)) {
            add_text(names, g->tenant);
        }
    }
    return names;
}

static int may_in_whole(const sb_identity_t *id, sb_perm_t perm, const char *tenant)
{
    for (int i = 0; i < id->grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(id->grants, i, const sb_grant_t);

        if (holds_whole(g, perm) && same(g->tenant, tenant)) {
            return 1;
        }
    }
    return 0;
}

int sb_identity_may_everywhere(const sb_identity_t *id, sb_perm_t perm,
                               const apr_array_header_t *tenants)
{
    for (int i = 0; i < tenants->nelts; i++) {
        if (!may_in_whole(id, perm, APR_ARRAY_IDX(tenants, i, const sb_tenant_t).name)) {
            return 0;
        }
    }
    return tenants->nelts > 0;
}

static int has_text(const apr_array_header_t *set, const char *text)
{
    int i;

    for (i = 0; i < set->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(set, i, const char *), text)) {
            return 1;
        }
    }
    return 0;
}

int sb_identity_has_role(const sb_identity_t *id, const char *role)
{
    return has_text(id->roles, role);
}

int sb_identity_has_tenant(const sb_identity_t *id, const char *tenant)
{
    return tenant && has_text(id->tenants, tenant);
}

/* ---- wire form ------------------------------------------------------------------------------- */

static void texts(sb_jw_t *w, const char *key, const apr_array_header_t *set)
{
    int i;

    sb_jw_array(w, key);
    for (i = 0; i < set->nelts; i++) {
        sb_jw_str(w, NULL, APR_ARRAY_IDX(set, i, const char *));
    }
    sb_jw_end(w);
}

/* The deepest ids of one role in one tenant: level 1 states, 2 districts, 3 schools. */
static void deepest(sb_jw_t *w, const char *key, const sb_identity_t *id, const char *tenant,
                    const char *role, int level)
{
    apr_pool_t *p;
    apr_array_header_t *set;
    int i;

    apr_pool_create(&p, NULL);
    set = apr_array_make(p, 8, sizeof(const char *));
    for (i = 0; i < id->grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(id->grants, i, const sb_grant_t);
        int depth = g->school_id ? 3 : g->district_id ? 2 : g->state_code ? 1 : 0;

        if (depth == level && same(g->tenant, tenant) && same(g->role, role)) {
            add_text(set, level == 3 ? g->school_id : level == 2 ? g->district_id : g->state_code);
        }
    }
    texts(w, key, set);
    apr_pool_destroy(p);
}

static int holds_in(const sb_identity_t *id, const char *tenant, const char *role)
{
    int i;

    for (i = 0; i < id->grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(id->grants, i, const sb_grant_t);

        if (same(g->tenant, tenant) && same(g->role, role)) {
            return 1;
        }
    }
    return 0;
}

void sb_identity_json(sb_jw_t *w, const char *key, const sb_identity_t *id)
{
    int t, r;

    sb_jw_object(w, key);
    sb_jw_object(w, "_User__info");
    sb_jw_object(w, "name");
    sb_jw_str(w, "fullName", id->full_name);
    sb_jw_str(w, "firstName", id->first_name);
    sb_jw_str(w, "lastName", id->last_name);
    sb_jw_end(w);
    sb_jw_str(w, "uid", id->uid);
    sb_jw_str(w, "guid", id->guid);
    if (id->email) {
        sb_jw_str(w, "email", id->email);
    }
    texts(w, "roles", id->roles);
    texts(w, "tenant", id->tenants);
    texts(w, "stateCode", id->states);
    sb_jw_bool(w, "displayHome", id->display_home);
    sb_jw_end(w);
    sb_jw_object(w, "_User__context");
    for (t = 0; t < id->tenants->nelts; t++) {
        const char *tenant = APR_ARRAY_IDX(id->tenants, t, const char *);

        sb_jw_object(w, tenant);
        for (r = 0; r < id->roles->nelts; r++) {
            const char *role = APR_ARRAY_IDX(id->roles, r, const char *);

            if (!holds_in(id, tenant, role)) {
                continue;
            }
            sb_jw_object(w, role);
            deepest(w, "state_code", id, tenant, role, 1);
            deepest(w, "district_id", id, tenant, role, 2);
            deepest(w, "school_id", id, tenant, role, 3);
            sb_jw_end(w);
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

/* ---- session record -------------------------------------------------------------------------- */

void sb_identity_save(sb_jw_t *w, const char *key, const sb_identity_t *id)
{
    int i;

    sb_jw_object(w, key);
    sb_jw_str(w, "uid", id->uid);
    sb_jw_str(w, "guid", id->guid);
    sb_jw_str(w, "email", id->email);
    sb_jw_str(w, "full", id->full_name);
    sb_jw_str(w, "first", id->first_name);
    sb_jw_str(w, "last", id->last_name);
    sb_jw_array(w, "grants");
    for (i = 0; i < id->grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(id->grants, i, const sb_grant_t);

        sb_jw_array(w, NULL);
        sb_jw_str(w, NULL, g->role);
        sb_jw_str(w, NULL, g->tenant);
        sb_jw_str(w, NULL, g->state_code);
        sb_jw_str(w, NULL, g->district_id);
        sb_jw_str(w, NULL, g->school_id);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

apr_status_t sb_identity_load(sb_identity_t *id, const sb_json_t *saved,
                              const apr_array_header_t *tenants, apr_pool_t *p)
{
    const sb_json_t *list = sb_json_get(saved, "grants"), *n;
    apr_array_header_t *grants = apr_array_make(p, 8, sizeof(sb_grant_t));

    memset(id, 0, sizeof(*id));
    if (!list || list->type != SB_JSON_ARRAY) {
        return SB_EINPUT;
    }
    for (n = list->child; n; n = n->next) {
        const sb_json_t *f = n->type == SB_JSON_ARRAY && n->nchild == 5 ? n->child : NULL;
        sb_grant_t g = {0};

        if (!f || f->type != SB_JSON_STRING) {
            return SB_EINPUT;
        }
        g.role = f->text;
        f = f->next;
        g.tenant = sb_json_str(f, NULL);
        f = f->next;
        g.state_code = sb_json_str(f, NULL);
        f = f->next;
        g.district_id = sb_json_str(f, NULL);
        f = f->next;
        g.school_id = sb_json_str(f, NULL);
        if (!g.tenant || !find_tenant(tenants, g.tenant)) {
            continue; /* the tenant was taken out of the configuration meanwhile */
        }
        APR_ARRAY_PUSH(grants, sb_grant_t) = g;
    }
    id->uid = sb_json_str(sb_json_get(saved, "uid"), NULL);
    id->guid = sb_json_str(sb_json_get(saved, "guid"), NULL);
    id->email = sb_json_str(sb_json_get(saved, "email"), NULL);
    id->full_name = sb_json_str(sb_json_get(saved, "full"), NULL);
    id->first_name = sb_json_str(sb_json_get(saved, "first"), NULL);
    id->last_name = sb_json_str(sb_json_get(saved, "last"), NULL);
    sb_identity_build(id, grants, tenants, p);
    return APR_SUCCESS;
}
