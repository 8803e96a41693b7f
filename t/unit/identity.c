/* Chains, roles, scopes and permissions: the vectors of the contract. */
#include "tap.h"
#include "auth/sb_scope.h"

static apr_pool_t *p;
static apr_array_header_t *tenants;

static void tenant(const char *name, const char *state)
{
    sb_tenant_t *t = apr_array_push(tenants);

    t->name = name;
    t->state_code = state;
}

/* "ROLE tenant state district school;..." with "-" for an empty place */
static sb_identity_t *person(const char *spec)
{
    apr_array_header_t *raw = apr_array_make(p, 4, sizeof(sb_grant_t));
    sb_identity_t *id = apr_pcalloc(p, sizeof(*id));
    char *outer, *inner, *one;

    for (one = apr_strtok(apr_pstrdup(p, spec), ";", &outer); one;
         one = apr_strtok(NULL, ";", &outer)) {
        const char *f[5] = {0};
        sb_grant_t *g = apr_array_push(raw);
        int i;

        for (i = 0; i < 5; i++) {
            f[i] = apr_strtok(i ? NULL : one, " ", &inner);
            if (f[i] && !strcmp(f[i], "-")) {
                f[i] = NULL;
            }
        }
        *g = (sb_grant_t){f[0], f[1], f[2], f[3], f[4]};
    }
    sb_identity_build(id, raw, tenants, p);
    return id;
}

static const char *join(const apr_array_header_t *set)
{
    return apr_array_pstrcat(p, set, ',');
}

static void chains(void)
{
    static const struct {
        const char *chain, *complaint; /* part of it; NULL: fine */
    } cases[] = {
        {"||PII||||||nc|NC|||228|Sunset|||242|Eastern|", NULL},
        {"||PII||||||nc|NC|||||||||", NULL},
        {"||PII||||||nc||||||||||", NULL},
        {"||ALLSTATES|||SBAC|||||||||||||", NULL},
        {"||PII||||||nc|NC||||||||", "fewer"},
        {"||PII||||||nc|NC||||||||||", "more"},
        {"||||||||nc|NC|||||||||", "no role"},
        {"||PII|||||||NC|||||||||", "without the one"},
        {"||PII||||||nc||||228||||||", "without the one"},
        {"||PII||||||nc|NC|||||||242||", "without the one"},
        {"||PII||||||zz|ZZ|||||||||", "not configured"},
        {"||PII||||||nc|NY|||||||||", "not its tenant's"},
        {"||PII||||||NC|NC|||||||||", "not configured"},
        {"PII", "no chain"},
        {"", "no chain"},
        {NULL, "no chain"},
    };
    sb_grant_t g;
    apr_size_t i;
    char *big;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = sb_chain_parse(&g, cases[i].chain, tenants, p);

        ok(cases[i].complaint ? why && strstr(why, cases[i].complaint) && !g.role : !why && g.role,
           "%s: %s", cases[i].chain ? cases[i].chain : "NULL", why ? why : "fine");
    }
    ok(!sb_chain_parse(&g, cases[0].chain, tenants, p) && !strcmp(g.district_id, "228") &&
           !strcmp(g.school_id, "242"),
       "its places");
    big = apr_palloc(p, 100001);
    memset(big, '|', 100000);
    big[100000] = '\0';
    ok(sb_chain_parse(&g, big, tenants, p) != NULL, "a hundred thousand bars");
}

static void roles(void)
{
    sb_identity_t *id = person("badrole ny NY a 1;PII ny NY a 2;badrole2 ny NY b");

    is_str(join(id->roles), "GENERAL,PII", "unknown roles read as GENERAL, known ones imply it");
    is_str(join(id->tenants), "ny", "one tenant");
    id = person("badrole;PII nc NC a 2");
    is_str(join(id->roles), "GENERAL,PII", "an unknown role without places");
    is_str(join(id->tenants), "ca,nc,ny", "holds everywhere");
    is_str(join(id->states), "CA,NC,NY", "in every state");
    is_str(join(person("")->roles), "NONE", "no assignment");
    is_str(join(person("NONE nc NC")->roles), "NONE", "an assignment of NONE grants nothing");
    ok(!sb_identity_may(person(""), SB_PERM_VIEW) && sb_identity_may(person(""), SB_PERM_LOGOUT),
       "NONE may only sign out");
    ok(sb_identity_may(person("PII nc NC"), SB_PERM_VIEW) &&
           !sb_identity_may(person("PII nc NC"), SB_PERM_SUPER_ADMIN),
       "PII views");
    ok(sb_identity_may(person("SUPER_USER nc NC"), SB_PERM_SUPER_ADMIN), "SUPER_USER administers");
    ok(person("ALLSTATES")->display_home && !person("PII nc NC")->display_home,
       "ALLSTATES has a home");
}

static const char *permissions(const char *who, const char *state, const char *district,
                               const char *school)
{
    sb_jw_t *w = sb_jw_make(p);
    const char *text, *from;

    sb_permissions_json(w, NULL, person(who), tenants, state, district, school);
    text = sb_jw_text(w, NULL);
    from = strstr(text, "\"sar_extracts\":") + 15;
    return apr_pstrmemdup(p, from, (apr_size_t)(strchr(from, '}') + 1 - from));
}

static void what_pages_are_told(void)
{
    static const struct {
        const char *who, *state, *district, *school, *want;
    } cases[] = {
        {"SAREXTRACTS ny NY D S1", "NY", NULL, NULL, "{\"all\":false,\"guid\":[\"D\"]}"},
        {"SAREXTRACTS ny NY D S1", "NY", "D", NULL, "{\"all\":false,\"guid\":[\"S1\"]}"},
        {"SAREXTRACTS ny NY D S1", "NY", "D", "S1", "{\"all\":true,\"guid\":[]}"},
        {"SAREXTRACTS ny NY D S1", "NC", NULL, NULL, "{\"all\":false,\"guid\":[]}"},
        {"SAREXTRACTS ny NY D S1", "NY", "D2", NULL, "{\"all\":false,\"guid\":[]}"},
        {"SAREXTRACTS ny NY D S1", "NY", "D", "S2", "{\"all\":false,\"guid\":[]}"},
        {"SAREXTRACTS ny", "NY", NULL, NULL, "{\"all\":true,\"guid\":[]}"},
        {"SAREXTRACTS ny", "NY", "x", "y", "{\"all\":true,\"guid\":[]}"},
        {"SAREXTRACTS ny", NULL, NULL, NULL, "{\"all\":false,\"guid\":[]}"},
        {"SAREXTRACTS ny", "NC", NULL, NULL, "{\"all\":false,\"guid\":[]}"},
        {"PII ny", "NY", NULL, NULL, "{\"all\":false,\"guid\":[]}"},
        {"SAREXTRACTS ny NY", "NY", "x", "y", "{\"all\":true,\"guid\":[]}"},
        {"SAREXTRACTS ny NY 123", "NY", NULL, NULL, "{\"all\":false,\"guid\":[\"123\"]}"},
        {"SAREXTRACTS ny NY 123", "NY", "123", "any", "{\"all\":true,\"guid\":[]}"},
        {"SAREXTRACTS ny NY 123", "NY", "aaa", NULL, "{\"all\":false,\"guid\":[]}"},
        {"SAREXTRACTS ny NY a 1;SAREXTRACTS ny NY a 2;SAREXTRACTS ny NY b", "NY", NULL, NULL,
         "{\"all\":false,\"guid\":[\"a\",\"b\"]}"},
        {"SAREXTRACTS ny NY a 1;SAREXTRACTS ny NY a 2;SAREXTRACTS ny NY b", "NY", "b", "3",
         "{\"all\":true,\"guid\":[]}"},
        {"SAREXTRACTS ny NY a 1;SAREXTRACTS ny NY a 2;SAREXTRACTS ny NY b", "NY", "a", "3",
         "{\"all\":false,\"guid\":[]}"},
        {"SAREXTRACTS ny NY a 1;SAREXTRACTS ny NY", "NY", NULL, NULL, "{\"all\":true,\"guid\":[]}"},
        {"SAREXTRACTS ny NY a 1", "NY", NULL, "1", "{\"all\":false,\"guid\":[]}"},
    };
    sb_jw_t *w = sb_jw_make(p);
    apr_size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_str(permissions(cases[i].who, cases[i].state, cases[i].district, cases[i].school),
               cases[i].want,
               apr_psprintf(p, "%s asks for %s %s %s", cases[i].who,
                            cases[i].state ? cases[i].state : "-",
                            cases[i].district ? cases[i].district : "-",
                            cases[i].school ? cases[i].school : "-"));
    }
    sb_permissions_json(w, NULL, person("PII ny NY D S1"), tenants, "NY", "D", NULL);
    ok(strstr(sb_jw_text(w, NULL), "\"pii\":{\"all\":true}") != NULL,
       "pii is constant above school level");
    w = sb_jw_make(p);
    sb_permissions_json(w, NULL, person("PII ny NY D S1"), tenants, "NY", "D", "S2");
    ok(strstr(sb_jw_text(w, NULL), "\"pii\":{\"all\":false,\"guid\":[]}") != NULL,
       "and true to the school at school level");
}

static const char *condition(const char *who, const char *role, const char *state)
{
    apr_array_header_t *args = apr_array_make(p, 4, sizeof(const char *));
    const sb_scope_t *s;
    const char *sql;

    if (sb_scope_role(&s, person(who), role, state, tenants, p) != APR_SUCCESS) {
        return s ? "not NULL" : "denied";
    }
    sql = sb_scope_sql(s, "t", 3, args, p);
    return apr_pstrcat(p, strstr(sql, " OR ") ? "part" : "all", " ", join(args), NULL);
}

static void scopes(void)
{
    const sb_scope_t *a, *b, *c;
    apr_array_header_t *args = apr_array_make(p, 4, sizeof(const char *));

    is_str(condition("PII nc NC", "PII", "NC"), "all NC", "state level: every row of the state");
    is_str(condition("PII nc", "PII", "NC"), "all NC", "tenant level");
    is_str(condition("PII", "PII", "NY"), "all NY", "consortium level");
    is_str(condition("PII nc NC d1", "PII", "NC"), "part NC,{\"d1\"},{},{}", "district level");
    is_str(condition("PII nc NC d1 s1;PII nc NC d2", "PII", "NC"),
           "part NC,{\"d2\"},{\"d1\"},{\"s1\"}", "a school within its district, and a district");
    is_str(condition("PII nc NC d1 s1;PII nc", "PII", "NC"), "all NC",
           "tenant-wide stays tenant-wide beside a school");
    is_str(condition("PII nc NC a\"b\\c", "PII", "NC"), "part NC,{\"a\\\"b\\\\c\"},{},{}",
           "ids are quoted");
    is_str(condition("PII nc NC", "PII", "NY"), "denied", "another state");
    is_str(condition("PII nc NC", "PII", "nc"), "denied", "lower case is another state");
    is_str(condition("PII nc NC", "PII", NULL), "denied", "no state");
    is_str(condition("PII nc NC", "SAREXTRACTS", "NC"), "denied", "another role");
    is_str(condition("GENERAL nc NC", "PII", "NC"), "denied", "GENERAL sees no individuals");
    is_str(condition("SRSEXTRACTS nc NC d1", "SRSEXTRACTS", "NC"), "denied",
           "a state role held for a district is void");
    is_str(condition("SRSEXTRACTS nc NC d1;SRSEXTRACTS nc NC", "SRSEXTRACTS", "NC"), "all NC",
           "beside one for the state it is not");
    is_str(condition("", "PII", "NC"), "denied", "nobody");

    ok(sb_scope_aggregates(&a, person("PII nc NC d1 s1"), "NC", tenants, p) == APR_SUCCESS,
       "aggregates: any user of the tenant");
    is_str(sb_scope_sql(a, "f", 1, args, p), "(f.state_code = $1)", "the whole state");
    is_str(join(args), "NC", "as a parameter");
    ok(sb_scope_aggregates(&a, person("PII nc NC"), "NY", tenants, p) == SB_EDENIED && !a,
       "not of another state");
    ok(sb_scope_aggregates(&a, person(""), "NC", tenants, p) == SB_EDENIED, "not without a role");
    ok(sb_scope_aggregates(&a, NULL, "NC", tenants, p) == SB_EDENIED, "not without a person");
    ok(!sb_scope_role(&a, person("PII nc NC a;PII nc NC b"), "PII", "NC", tenants, p) &&
           !sb_scope_role(&b, person("PII nc NC b;PII nc NC a"), "PII", "NC", tenants, p) &&
           !sb_scope_role(&c, person("PII nc NC ab"), "PII", "NC", tenants, p),
       "three scopes");
    is_str(sb_scope_key(a, p), sb_scope_key(b, p),
           "the order of grants does not matter to the key");
    ok(strcmp(sb_scope_key(a, p), sb_scope_key(c, p)) && !strstr(sb_scope_key(c, p), "ab;"),
       "what they reach does");
}

static void wire(void)
{
    sb_identity_t *id = person("A;PII ca CA 1 2;PII ca CA 1 3;PII ca CA 1;SAREXTRACTS ny NY 2 4"),
                  back;
    sb_jw_t *w = sb_jw_make(p), *again = sb_jw_make(p), *saved = sb_jw_make(p);
    sb_json_t *root;

    id->uid = "u1";
    id->full_name = "J\xc3\xb6"
                    "e <x>";
    sb_identity_json(w, NULL, id);
    ok(strstr(sb_jw_text(w, NULL),
              "\"PII\":{\"state_code\":[],\"district_id\":[\"1\"],\"school_id\":[\"2\",\"3\"]}") !=
           NULL,
       "flat sets: each assignment adds its deepest id");
    ok(strstr(sb_jw_text(w, NULL),
              "\"SAREXTRACTS\":{\"state_code\":[],\"district_id\":[],\"school_id\":[\"4\"]}") !=
           NULL,
       "of its own tenant");
    ok(!strstr(sb_jw_text(w, NULL), "\"email\""), "no e-mail, no member");
    sb_identity_save(saved, NULL, id);
    ok(sb_json_parse(&root, NULL, sb_jw_text(saved, NULL), strlen(sb_jw_text(saved, NULL)), NULL,
                     p) == APR_SUCCESS &&
           sb_identity_load(&back, root, tenants, p) == APR_SUCCESS,
       "saved and loaded");
    sb_identity_json(again, NULL, &back);
    is_str(sb_jw_text(again, NULL), sb_jw_text(w, NULL), "is the same person");
}

int main(void)
{
    p = tap_pool();
    tenants = apr_array_make(p, 3, sizeof(sb_tenant_t));
    tenant("ca", "CA");
    tenant("nc", "NC");
    tenant("ny", "NY");
    chains();
    roles();
    what_pages_are_told();
    scopes();
    wire();
    return done();
}
