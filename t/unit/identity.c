/* Roles, scopes and permissions: the vectors of the contract. */
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
    id = person("badrole");
    is_str(join(id->roles), "GENERAL", "an unknown role without places, alone");
    is_str(join(id->tenants), "ca,nc,ny", "holds everywhere, too");
    is_str(join(person("NONE nc NC")->roles), "NONE", "an assignment of NONE grants nothing");
    ok(!sb_identity_may(person(""), SB_PERM_VIEW) && sb_identity_may(person(""), SB_PERM_LOGOUT),
       "NONE may only sign out");
    ok(sb_identity_may(person("PII nc NC"), SB_PERM_VIEW) &&
           !sb_identity_may(person("PII nc NC"), SB_PERM_SUPER_ADMIN),
       "PII views");
    ok(sb_identity_may(person("SUPER_USER nc NC"), SB_PERM_SUPER_ADMIN), "SUPER_USER administers");
    is_str(join(sb_identity_tenants_of(person("SUPER_USER nc NC;PII ca CA;SUPER_USER ny NY d;"
                                              "SUPER_USER ca CA d s;SUPER_USER ca CA - s"),
                                       SB_PERM_SUPER_ADMIN, p)),
           "nc", "but only the tenant for the whole of which it was given");
    is_str(join(sb_identity_tenants_of(person("SUPER_USER"), SB_PERM_SUPER_ADMIN, p)), "ca,nc,ny",
           "all of them if without places");
    ok(sb_identity_may_everywhere(person("SUPER_USER ca;SUPER_USER nc NC;SUPER_USER ny NY"),
                                  SB_PERM_SUPER_ADMIN, tenants),
       "every tenant, one by one");
    ok(!sb_identity_may_everywhere(person("SUPER_USER nc NC;ALLSTATES"), SB_PERM_SUPER_ADMIN,
                                   tenants),
       "one tenant is not every, whatever else he may look at");
    ok(!sb_identity_may_everywhere(person("SUPER_USER ca;SUPER_USER nc NC;SUPER_USER ny NY d"),
                                   SB_PERM_SUPER_ADMIN, tenants),
       "a district is not its state");
    ok(!sb_identity_may_everywhere(person("SUPER_USER"), SB_PERM_SUPER_ADMIN,
                                   apr_array_make(p, 1, sizeof(sb_tenant_t))),
       "no tenants: nobody");
    ok(person("ALLSTATES")->display_home && !person("PII nc NC")->display_home,
       "ALLSTATES has a home");
}

/* One member of the permissions: {"all":...,"guid":[...]} */
static const char *permission(const char *member, const char *who, const char *state,
                              const char *district, const char *school)
{
    const char *name = apr_pstrcat(p, "\"", member, "\":", NULL);
    sb_jw_t *w = sb_jw_make(p);
    const char *from;

    sb_permissions_json(w, NULL, person(who), tenants, state, district, school);
    from = strstr(sb_jw_text(w, NULL), name) + strlen(name);
    return apr_pstrmemdup(p, from, (apr_size_t)(strchr(from, '}') + 1 - from));
}

/* "R ny NY;R ny" with the name of a role for R */
static const char *with_role(const char *who, const char *role)
{
    const char *out = "";

    for (; *who; who++) {
        out = *who == 'R' && (who[1] == ' ' || !who[1]) ? apr_pstrcat(p, out, role, NULL)
                                                        : apr_psprintf(p, "%s%c", out, *who);
    }
    return out;
}

#define ALL "{\"all\":true,\"guid\":[]}"
#define NONE "{\"all\":false,\"guid\":[]}"
#define ONLY(ids) "{\"all\":false,\"guid\":[" ids "]}"

static void what_pages_are_told(void)
{
    static const struct {
        const char *member, *role;
        int of_state; /* held for less than a state it is void */
    } members[] = {
        {"pii", "PII", 0},
        {"sar_extracts", "SAREXTRACTS", 0},
        {"srs_extracts", "SRSEXTRACTS", 1},
        {"src_extracts", "SRCEXTRACTS", 1},
        {"audit_xml_extracts", "AUDITXML", 1},
        {"item_extracts", "IIRDEXTRACTS", 1},
    };
    static const struct {
        const char *who, *state, *district, *school;
        const char *want, *of_state; /* the second of roles of a state; NULL: the same */
    } cases[] = {
        {"R ny NY D S1", "NY", NULL, NULL, ONLY("\"D\""), NONE},
        {"R ny NY D S1", "NY", "D", NULL, ONLY("\"S1\""), NONE},
        {"R ny NY D S1", "NY", "D", "S1", ALL, NONE},
        {"R ny NY D S1", "NC", NULL, NULL, NONE, NULL},
        {"R ny NY D S1", "NY", "D2", NULL, NONE, NULL},
        {"R ny NY D S1", "NY", "D", "S2", NONE, NULL},
        {"R ny NY D S1", "NY", "D2", "S1", NONE, NULL},
        {"R ny", "NY", NULL, NULL, ALL, NULL},
        {"R ny", "NY", "x", NULL, ALL, NULL},
        {"R ny", "NY", "x", "y", ALL, NULL},
        {"R ny", NULL, NULL, NULL, NONE, NULL},
        {"R ny", "", "", "", NONE, NULL},
        {"R ny", "NC", NULL, NULL, NONE, NULL},
        {"R", "NC", "x", "y", ALL, NULL},
        {"GENERAL ny", "NY", NULL, NULL, NONE, NULL},
        {"GENERAL ny", "NY", "x", "y", NONE, NULL},
        {"R ny NY", "NY", NULL, NULL, ALL, NULL},
        {"R ny NY", "NY", "x", NULL, ALL, NULL},
        {"R ny NY", "NY", "x", "y", ALL, NULL},
        {"R ny NY 123", "NY", NULL, NULL, ONLY("\"123\""), NONE},
        {"R ny NY 123", "NY", "123", NULL, ALL, NONE},
        {"R ny NY 123", "NY", "123", "any", ALL, NONE},
        {"R ny NY 123", "NY", "aaa", NULL, NONE, NULL},
        {"R ny NY 123", "NY", "aaa", "123", NONE, NULL},
        {"R ny NY a 1;R ny NY a 2;R ny NY b", "NY", NULL, NULL, ONLY("\"a\",\"b\""), NONE},
        {"R ny NY a 1;R ny NY a 2;R ny NY b", "NY", "a", NULL, ONLY("\"1\",\"2\""), NONE},
        {"R ny NY a 1;R ny NY a 2;R ny NY b", "NY", "b", NULL, ALL, NONE},
        {"R ny NY a 1;R ny NY a 2;R ny NY b", "NY", "b", "3", ALL, NONE},
        {"R ny NY a 1;R ny NY a 2;R ny NY b", "NY", "a", "2", ALL, NONE},
        {"R ny NY a 1;R ny NY a 2;R ny NY b", "NY", "a", "3", NONE, NULL},
        {"R ny NY a 1;R ny NY", "NY", NULL, NULL, ALL, NULL},
        {"R ny NY;R ny NY a 1", "NY", "b", "1", ALL, NULL},
        {"R ny NY a 1;R ny NY a", "NY", "a", NULL, ALL, NONE},
        {"R ny NY a 1", "NY", NULL, "1", NONE, NULL},
        {"R nc NC a 1;R ny NY", "NC", "a", "2", NONE, NULL},
    };
    const char *both = "PII nc NC 228 242;PII nc NC 228 245;SRSEXTRACTS nc NC;SRCEXTRACTS nc NC;"
                       "AUDITXML nc NC";

    for (apr_size_t m = 0; m < sizeof(members) / sizeof(members[0]); m++) {
        for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            const char *who = with_role(cases[i].who, members[m].role);
            int at_school = cases[i].school && *cases[i].school;
            const char *want = members[m].of_state && cases[i].of_state ? cases[i].of_state
                               : !strcmp(members[m].member, "pii") && !at_school
                                   ? "{\"all\":true}" /* above schools there is nobody to hide */
                                   : cases[i].want;

            is_str(permission(members[m].member, who, cases[i].state, cases[i].district,
                              cases[i].school),
                   want,
                   apr_psprintf(p, "%s of %s at %s %s %s", members[m].member, who,
                                cases[i].state ? cases[i].state : "-",
                                cases[i].district ? cases[i].district : "-",
                                cases[i].school ? cases[i].school : "-"));
        }
    }
    is_str(permission("pii", both, "NC", NULL, NULL), "{\"all\":true}", "several roles: students");
    is_str(permission("pii", both, "NC", "228", "242"), ALL, "at a school that is his");
    is_str(permission("pii", both, "NC", "229", "bad"), NONE, "at another");
    is_str(permission("sar_extracts", both, "NC", NULL, NULL), NONE, "a role he has not");
    is_str(permission("srs_extracts", both, "NC", "229", "bad"), ALL, "a role of the whole state");
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
    static const char *const of_state[] = {"SRSEXTRACTS", "SRCEXTRACTS", "AUDITXML",
                                           "IIRDEXTRACTS"};
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
    for (apr_size_t i = 0; i < sizeof(of_state) / sizeof(of_state[0]); i++) {
        const char *role = of_state[i];

        is_str(
            condition(apr_pstrcat(p, role, " nc NC d1;", role, " nc NC d1 s1", NULL), role, "NC"),
            "denied", "a state role held for a district or school is void");
        is_str(condition(apr_pstrcat(p, role, " nc", NULL), role, "NC"), "all NC",
               "held for the tenant it is not");
        is_str(condition(apr_pstrcat(p, role, NULL), role, "NC"), "all NC", "nor everywhere");
        is_str(condition(apr_pstrcat(p, role, " ny NY", NULL), role, "NC"), "denied",
               "but in another state");
    }
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
    sb_jw_t *w = sb_jw_make(p), *again = sb_jw_make(p), *saved = sb_jw_make(p),
            *wide = sb_jw_make(p);
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
    sb_identity_json(wide, NULL, person("PII ca;PII ca CA 1 3;PII ca CA 1;SAREXTRACTS ca CA"));
    ok(strstr(sb_jw_text(wide, NULL),
              "\"PII\":{\"state_code\":[],\"district_id\":[\"1\"],\"school_id\":[\"3\"]}") &&
           strstr(sb_jw_text(wide, NULL),
                  "\"SAREXTRACTS\":{\"state_code\":[\"CA\"],\"district_id\":[],\"school_id\":[]}"),
       "a whole tenant adds no id, a state its own");
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
    roles();
    what_pages_are_told();
    scopes();
    wire();
    return done();
}
