/* lib/auth/sb_identity_parse: every variant, and what is made of chains that are malformed, too long, too many. */

#include "tap.h"

#include <unistd.h>
#include "auth/sb_identity_parse.h"
#include "core/sb_file.h"
#include "core/sb_log.h"
#include "core/sb_time.h"

static apr_pool_t *p;
static apr_array_header_t *tenants;
static const char *dir;
static const char *said; /* the last line of the log */
static int lines;

static void hear(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    (void)ctx, (void)level, (void)number, (void)rv;
    said = apr_pstrdup(p, text);
    lines++;
}

static void tenant(const char *name, const char *state)
{
    sb_tenant_t *t = apr_array_push(tenants);

    t->name = name;
    t->state_code = state;
}

static const char *choose(sb_identity_parser_t *parser, sb_identity_source_t source,
                          const char *lines_of_ini)
{
    const char *path = apr_pstrcat(p, dir, "/x.ini", NULL);
    const char *text = apr_pstrcat(p, "[app:main]\n", lines_of_ini, "\n", NULL);
    sb_conf_t *conf;
    const char *bad = sb_file_write(path, text, strlen(text), 0600, p) == APR_SUCCESS
                          ? sb_conf_load(&conf, path, "app:main", p)
                          : "cannot write";

    return bad ? bad : sb_identity_parser_choose(parser, conf, source, p);
}

/* "name=value" texts, ended by NULL */
static sb_identity_t *parse(const char *ini, sb_identity_source_t source, ...)
{
    apr_array_header_t *attributes = apr_array_make(p, 8, sizeof(sb_attribute_t));
    sb_identity_t *id = apr_pcalloc(p, sizeof(*id));
    sb_identity_parser_t parser;
    const char *bad = choose(&parser, source, ini), *one;
    va_list ap;

    if (bad) {
        printf("Bail out! %s\n", bad);
        exit(EXIT_FAILURE);
    }
    va_start(ap, source);
    while ((one = va_arg(ap, const char *)) != NULL) {
        sb_attribute_t *a = apr_array_push(attributes);
        const char *equals = strchr(one, '=');

        a->name = apr_pstrmemdup(p, one, (apr_size_t)(equals - one));
        a->value = equals + 1;
    }
    va_end(ap);
    said = NULL;
    lines = 0;
    sb_identity_parse(id, &parser, attributes, tenants, p);
    return id;
}

/* "GENERAL nc NC 228 242; PII nc NC 228 242", "" for none */
static const char *grants(const sb_identity_t *id)
{
    const char *out = "";

    for (int i = 0; i < id->grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(id->grants, i, const sb_grant_t);

        out = apr_pstrcat(p, out, *out ? "; " : "", g->role, " ", g->tenant, " ",
                          g->state_code ? g->state_code : "-", " ",
                          g->district_id ? g->district_id : "-", " ",
                          g->school_id ? g->school_id : "-", NULL);
    }
    return out;
}

static const char *roles(const sb_identity_t *id)
{
    return apr_array_pstrcat(p, id->roles, ',');
}

#define PII_NC "||PII||||||nc|NC|||||||||"
#define PII_SCHOOL "||PII||||||nc|NC|||228|Sunset|||242|Eastern|"
#define SAR_CA "||SAREXTRACTS||||||ca|CA|||||||||"

/* ---- one chain ---------------------------------------------------------------------------------- */

static void chains(void)
{
    static const struct {
        const char *chain, *complaint; /* part of it; NULL: fine */
    } cases[] = {
        {PII_SCHOOL, NULL},
        {PII_NC, NULL},
        {"||PII||||||nc||||||||||", NULL},
        {"||ALLSTATES|||SBAC|||||||||||||", NULL},
        {"||PII||||||nc|NC|||228|Schulen f\xc3\xbcr alle, Stra\xc3\x9f\x65 1|||||", NULL},
        {"||PII||||||nc|NC||||||||", "fewer"},
        {"||PII||||||nc|NC||||||||||", "more"},
        {PII_NC "x", "more"},
        {PII_NC "," PII_NC, "more"},
        {" " PII_NC, "no chain"},
        {"||||||||nc|NC|||||||||", "no role"},
        {"||PII|||||||NC|||||||||", "without the one"},
        {"||PII||||||nc||||228||||||", "without the one"},
        {"||PII||||||nc|NC|||||||242||", "without the one"},
        {"||PII||||||zz|ZZ|||||||||", "not configured"},
        {"||PII||||||nc|NY|||||||||", "not its tenant's"},
        {"||PII||||||NC|NC|||||||||", "not configured"},
        {"||PII||||||nc |NC|||||||||", "not configured"},
        {"||PII||||||nc|NC|||22\n8||||||", "control characters"},
        {"||PII||||||nc|NC|||228|a\x7f\x62|||||", "control characters"},
        {"||PII||||||nc|NC|||228|a\xc2\x85|||||", "control characters"},
        {"||PII||||||nc|NC|||228|a\xff|||||", "not UTF-8"},
        {"||PII||||||nc|NC|||228|a\xc0\xaf|||||", "not UTF-8"},
        {"||PII||||G1||nc|NC|||||||||", NULL},
        {"||PII||||||nc|NC|G2|North|228||G3||242||", NULL},
        {"||PII||||G1||||||||||||", "a group"},
        {"||PII|||||All states|||||||||||", "a group"},
        {"||PII||||||nc|NC|G2||||||||", "a group"},
        {"||PII||||||nc|NC||North|||||||", "a group"},
        {"||PII||||||nc|NC|||228||G3||||", "a group"},
        {"PII", "no chain"},
        {"", "no chain"},
        {NULL, "no chain"},
    };
    sb_grant_t g;
    char *big;

    for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = sb_chain_parse(&g, cases[i].chain, SB_CHAIN_SBAC, tenants, p);

        ok(cases[i].complaint ? why && strstr(why, cases[i].complaint) && !g.role : !why && g.role,
           "chain %d: %s", (int)i, why ? why : "fine");
    }
    ok(!sb_chain_parse(&g, PII_SCHOOL, SB_CHAIN_SBAC, tenants, p) &&
           !strcmp(g.district_id, "228") && !strcmp(g.school_id, "242"),
       "its places");
    big = apr_palloc(p, 100001);
    memset(big, '|', 100000);
    big[100000] = '\0';
    ok(sb_chain_parse(&g, big, SB_CHAIN_SBAC, tenants, p) != NULL, "a hundred thousand bars");
    big[SB_CHAIN_ID_BYTES + 1] = '\0';
    memset(big, '7', SB_CHAIN_ID_BYTES + 1);
    ok(sb_chain_parse(&g, apr_pstrcat(p, "||PII||||||nc|NC|||", big, "||||||", NULL), SB_CHAIN_SBAC,
                      tenants, p) != NULL,
       "an id of %d bytes", SB_CHAIN_ID_BYTES + 1);
    ok(!sb_chain_parse(&g, apr_pstrcat(p, "||PII||||||nc|NC|||", big + 1, "||||||", NULL),
                       SB_CHAIN_SBAC, tenants, p),
       "one of %d", SB_CHAIN_ID_BYTES);
    ok(!sb_chain_parse(&g, "||PII||||||NC|North|||228||||||", SB_CHAIN_LIVE, tenants, p) &&
           !strcmp(g.tenant, "nc") && !strcmp(g.state_code, "NC") && !strcmp(g.district_id, "228"),
       "live: the state's id is tenant and state; its name is nothing");
    ok(sb_chain_parse(&g, PII_NC, SB_CHAIN_LIVE, tenants, p) != NULL && !g.tenant,
       "live: a state in lower case is none");
    ok(!sb_chain_parse(&g, "||ALLSTATES||||||||||||||||", SB_CHAIN_LIVE, tenants, p) && !g.tenant,
       "live: no place");
}

/* ---- several in one text -------------------------------------------------------------------------- */

static const char *repeat(const char *text, int n)
{
    apr_size_t len = strlen(text);
    char *all = apr_palloc(p, len * (apr_size_t)n + 1);

    for (int i = 0; i < n; i++) {
        memcpy(all + len * (apr_size_t)i, text, len);
    }
    all[len * (apr_size_t)n] = '\0';
    return all;
}

static void texts(void)
{
    static const struct {
        const char *text;
        int chains; /* 0: refused */
    } cases[] = {
        {PII_NC, 1},
        {PII_NC "," PII_NC, 2},
        {PII_NC " , " PII_NC " ", 2},
        {"||PII||||||nc|NC|||228|Sunset, Dale & Co|||242|Eastern, Elementary, |," SAR_CA, 2},
        {"||PII||||||nc|NC|||228|,|||242|,|," SAR_CA, 2},
        {"||PII||||||nc|NC||||||||," SAR_CA, 0},   /* a bar too few in the first: all move */
        {"||PII||||||nc|NC||||||||||," SAR_CA, 0}, /* one too many */
        {SAR_CA ",||PII||||||nc|NC||||||||", 0},   /* in the second */
        {SAR_CA ",||PII||||||nc|NC||||||||||", 0},
        {PII_NC PII_NC, 0},
        {PII_NC ",", 0},
        {PII_NC ",x", 0},
        {PII_NC ";" PII_NC, 0},
        {PII_NC ",," PII_NC, 0},
        {"," PII_NC, 0},
        {"x" PII_NC, 0},
        {"", 0},
        {"|", 0},
        {",", 0},
    };

    for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apr_array_header_t *chains = apr_array_make(p, 4, sizeof(const char *));
        const char *bad = sb_chains_cut(chains, cases[i].text, p);

        ok(!bad == !!cases[i].chains && chains->nelts == cases[i].chains, "text %d: %s", (int)i,
           bad ? bad : "fine");
    }
    for (int n = SB_CHAINS_MAX; n < SB_CHAINS_MAX + 2; n++) {
        apr_array_header_t *chains = apr_array_make(p, 4, sizeof(const char *));
        const char *many = apr_pstrcat(p, repeat(PII_NC ",", n - 1), PII_NC, NULL);
        const char *bad = sb_chains_cut(chains, many, p);

        ok(n == SB_CHAINS_MAX ? !bad && chains->nelts == n : bad && !chains->nelts, "%d chains", n);
    }
}

/* ---- the variants --------------------------------------------------------------------------------- */

static void variants(void)
{
    sb_identity_t *id =
        parse("", SB_SOURCE_SAML, "memberOf=" PII_SCHOOL, "memberOf=" SAR_CA, "fullName=Ann B",
              "firstName=Ann", "lastName=B", "guid=g1", "uid=ann@x", "mail=ann@mail",
              "fullName=Second", "sbacTenancyChain=" SAR_CA, NULL);

    is_str(grants(id),
           "GENERAL nc NC 228 242; PII nc NC 228 242; GENERAL ca CA - -; SAREXTRACTS ca CA - -",
           "sbac: chains");
    ok(!strcmp(id->full_name, "Ann B") && !strcmp(id->first_name, "Ann") &&
           !strcmp(id->last_name, "B") && !strcmp(id->guid, "g1") && !strcmp(id->uid, "ann@x") &&
           !strcmp(id->email, "ann@mail"),
       "sbac: the first value of each");
    is_int(lines, 0, "nothing to complain about");
    id = parse("auth.saml.identity_parser = sbac", SB_SOURCE_SAML, "uid=ann@x", NULL);
    is_str(id->email, "ann@x", "sbac: without mail the uid");
    is_str(roles(id), "NONE", "sbac: no chain");
    id = parse("", SB_SOURCE_SAML, "guid=g1", NULL);
    ok(!id->email && !id->uid && !id->full_name, "sbac: neither is fine");

    id = parse("", SB_SOURCE_OAUTH, "sbacUUID=u-1", "memberOf=" SAR_CA,
               "sbacTenancyChain=" PII_SCHOOL "," SAR_CA, "mail=x@y", "fullName=X", NULL);
    is_str(grants(id),
           "GENERAL nc NC 228 242; PII nc NC 228 242; GENERAL ca CA - -; SAREXTRACTS ca CA - -",
           "sbac bearer: strides");
    ok(!strcmp(id->guid, "u-1") && !strcmp(id->uid, "u-1") && !id->email && !id->full_name,
       "sbac bearer: the uid is the guid");
    id = parse("", SB_SOURCE_OAUTH, "sbacUUID=u-1", "sbacTenancyChain=" PII_SCHOOL,
               "sbacTenancyChain=" SAR_CA, NULL);
    is_str(roles(id), "GENERAL,PII,SAREXTRACTS", "sbac bearer: several values, as a list");

    id = parse("auth.saml.identity_parser = sbac-live", SB_SOURCE_SAML,
               "sbacTenancyChain=||PII||||||NC|North|||||||||", "memberOf=" SAR_CA, "cn=Ann B",
               "givenName=Ann", "sn=B", "sbacUUID=u-1", "uid=other", "mail=ann@mail", NULL);
    is_str(grants(id), "GENERAL nc NC - -; PII nc NC - -", "live: chains");
    ok(!strcmp(id->full_name, "Ann B") && !strcmp(id->first_name, "Ann") &&
           !strcmp(id->last_name, "B") && !strcmp(id->guid, "u-1") && !strcmp(id->uid, "u-1") &&
           !strcmp(id->email, "ann@mail"),
       "live: names and ids");
    id = parse("auth.saml.identity_parser = sbac-live", SB_SOURCE_SAML, "uid=other", NULL);
    ok(!id->email && !id->uid, "live: no mail is no mail");
    id = parse(
        "auth.oauth2.identity_parser = sbac-live", SB_SOURCE_OAUTH, "sbacUUID=u-1",
        "sbacTenancyChain=||PII||||||NC|North, Carolina|||||||||,||ASMTDATALOAD||||||CA||||||||||",
        NULL);
    is_str(grants(id),
           "GENERAL nc NC - -; PII nc NC - -; GENERAL ca CA - -; ASMTDATALOAD ca CA - -",
           "live bearer: strides");
}

#define BASIC "auth.saml.identity_parser = basic\nldap.base.dn = ou=environment,dc=edwdc,dc=net"

static void basic(void)
{
    static const struct {
        const char *group, *dn, *grants;
    } cases[] = {
        {"memberOf=cn=pii,ou=groups,dc=x",
         "dn=uid=ann,ou=people,ou=nc,ou=environment,dc=edwdc,dc=net",
         "GENERAL nc NC - -; PII nc NC - -"},
        {"memberOf=CN=Pii , ou=groups", "dn=UID=Ann,OU=NC, OU=Environment,DC=edwdc,DC=net",
         "GENERAL nc NC - -"}, /* a blank belongs to the name */
        {"memberOf=ou=x,cn=SUPER_USER,ou=groups", "dn=ou=nc,ou=environment,dc=edwdc,dc=net",
         "GENERAL nc NC - -; SUPER_USER nc NC - -"},
        {"memberOf=cn=teachers,ou=groups", "dn=ou=nc,ou=environment,dc=edwdc,dc=net",
         "GENERAL nc NC - -"},
        {"memberOf=cn=pii", "dn=ou=nc,ou=environment,dc=edwdc,dc=net",
         ""}, /* nothing behind the name */
        {"memberOf=cn=,ou=groups", "dn=ou=nc,ou=environment,dc=edwdc,dc=net", ""},
        {"memberOf=pii,ou=groups", "dn=ou=nc,ou=environment,dc=edwdc,dc=net", ""},
        {"memberOf=cn=none,ou=groups", "dn=ou=nc,ou=environment,dc=edwdc,dc=net", ""},
        {"memberOf=cn=pii,ou=groups", "dn=ou=zz,ou=environment,dc=edwdc,dc=net", ""},
        {"memberOf=cn=pii,ou=groups", "dn=ou=environment,dc=edwdc,dc=net", ""}, /* not everywhere */
        {"memberOf=cn=pii,ou=groups", "dn=dc=net", ""},
        {"memberOf=cn=pii,ou=groups", "dn=ou=nc,ou=other,dc=edwdc,dc=net", ""},
        {"memberOf=cn=pii,ou=groups", "dn=cn=nc,ou=environment,dc=edwdc,dc=net", ""},
        {"memberOf=cn=pii,ou=groups", "dn=cn=x\\,ou=nc,ou=environment,dc=edwdc,dc=net",
         ""}, /* his own name */
        {"memberOf=cn=pii,ou=groups", "dn=ou=nc,ou=environment,dc=edwdc,dc=net,dc=org", ""},
        {"memberOf=cn=pii,ou=groups", "dn=ou=nc,,ou=environment,dc=edwdc,dc=net", ""},
        {"memberOf=cn=pii,ou=groups", "mail=x", ""},
    };
    sb_identity_t *id;

    for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        id = parse(BASIC, SB_SOURCE_SAML, cases[i].group, cases[i].dn, NULL);
        is_str(grants(id), cases[i].grants,
               apr_pstrcat(p, "basic: ", cases[i].group, " of ", cases[i].dn, NULL));
    }
    id = parse(BASIC, SB_SOURCE_SAML, "memberOf=nothing", "memberOf=cn=pii,x",
               "memberOf=cn=super_user,x", "uid=u", "mail=m",
               "dn=uid=u,ou=nc,ou=environment,dc=edwdc,dc=net", NULL);
    is_str(roles(id), "GENERAL,PII", "basic: the first role only");
    ok(!id->email && !strcmp(id->uid, "u"), "basic: no mail");
}

static void choices(void)
{
    static const struct {
        sb_identity_source_t source;
        const char *name, *complaint; /* NULL: fine */
    } cases[] = {
        {SB_SOURCE_SAML, "edauth.security.sbac_identity_parser.SbacIdentityParser", NULL},
        {SB_SOURCE_SAML, "any.where.sbac_live_identity_parser.SbacIdentityParser", NULL},
        {SB_SOURCE_SAML, "basic_identity_parser.BasicIdentityParser", NULL},
        {SB_SOURCE_OAUTH, "x.sbac_identity_parser.SbacOauthIdentityParser", NULL},
        {SB_SOURCE_OAUTH, "x.sbac_live_identity_parser.SbacOauthIdentityParser", NULL},
        {SB_SOURCE_SAML, "sbac", NULL},
        {SB_SOURCE_SAML, "SBAC-Live", NULL},
        {SB_SOURCE_OAUTH, "basic", NULL},
        {SB_SOURCE_SAML, "x.sbac_identity_parser.SbacOauthIdentityParser", "want sbac"},
        {SB_SOURCE_OAUTH, "x.sbac_identity_parser.SbacIdentityParser", "want sbac"},
        {SB_SOURCE_SAML, "evil_sbac_identity_parser.SbacIdentityParser", "want sbac"},
        {SB_SOURCE_SAML, "SbacIdentityParser", "want sbac"},
        {SB_SOURCE_SAML, "live", "want sbac"},
    };
    sb_identity_parser_t parser;
    const char *bad;

    for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bad = choose(&parser, cases[i].source,
                     apr_pstrcat(p, cases[i].source == SB_SOURCE_SAML ? "auth.saml" : "auth.oauth2",
                                 ".identity_parser = ", cases[i].name, "\nldap.base.dn = dc=x",
                                 NULL));
        ok(cases[i].complaint ? bad && strstr(bad, cases[i].complaint) : !bad, "%s: %s",
           cases[i].name, bad ? bad : "fine");
    }
    bad = choose(&parser, SB_SOURCE_SAML, "auth.saml.identity_parser = basic");
    ok(bad && strstr(bad, "ldap.base.dn"), "basic wants its base");
}

/* ---- hostile -------------------------------------------------------------------------------------- */

static void hostile(void)
{
    apr_array_header_t *attributes = apr_array_make(p, 10002, sizeof(sb_attribute_t));
    sb_attribute_t one = {"memberOf", PII_NC};
    sb_identity_parser_t parser;
    sb_identity_t id;
    double began;
    const char *bad = choose(&parser, SB_SOURCE_SAML, "");

    id = *parse("", SB_SOURCE_SAML, "memberOf=||PII||||||nc|NC||SECRET||||||||", "memberOf=SECRET",
                "memberOf=" PII_NC, NULL);
    is_str(grants(&id), "GENERAL nc NC - -; PII nc NC - -", "bad chains beside a good one");
    ok(lines == 1 && strstr(said, "(2 of 3)") && !strstr(said, "SECRET"),
       "one line for them, without their text");
    id = *parse("", SB_SOURCE_OAUTH, "sbacUUID=u", "sbacTenancyChain=" PII_NC "||",
                "sbacTenancyChain=" SAR_CA, NULL);
    is_str(grants(&id), "GENERAL ca CA - -; SAREXTRACTS ca CA - -",
           "nothing of a text with a bar too many");
    is_int(lines, 1, "and a line");
    id = *parse("", SB_SOURCE_SAML, "guid=a\nb", "guid=good", "uid=\xff", "mail=a@b\r\nBcc: c@d",
                NULL);
    ok(!id.guid && !id.uid && !id.email,
       "ids with control characters are not there, nor is the next value instead");
    id = *parse("", SB_SOURCE_SAML,
                apr_pstrcat(p, "guid=", repeat("x", SB_PERSON_TEXT_BYTES + 1), NULL),
                apr_pstrcat(p, "uid=", repeat("x", SB_PERSON_TEXT_BYTES), NULL), NULL);
    ok(!id.guid && id.uid, "nor are ids that are too long");

    for (int n = 0; !bad && n <= SB_CHAINS_MAX; n++) {
        one.value = apr_psprintf(p, "||PII||||||nc|NC|||D%d||||||", n);
        APR_ARRAY_PUSH(attributes, sb_attribute_t) = one;
        if (n < SB_CHAINS_MAX - 1) {
            continue;
        }
        lines = 0;
        sb_identity_parse(&id, &parser, attributes, tenants, p);
        ok(n < SB_CHAINS_MAX ? id.grants->nelts == 2 * SB_CHAINS_MAX && !lines
                             : !id.grants->nelts && lines == 1,
           "%d chains: %d grants", n + 1, id.grants->nelts);
    }
    while (attributes->nelts < 10000) {
        APR_ARRAY_PUSH(attributes, sb_attribute_t) = one;
    }
    began = sb_time_monotonic();
    sb_identity_parse(&id, &parser, attributes, tenants, p);
    is_str(roles(&id), "NONE", "ten thousand values");
    ok(sb_time_monotonic() - began < 1, "are done with soon");
    id = *parse("", SB_SOURCE_OAUTH, "sbacUUID=u",
                apr_pstrcat(p, "sbacTenancyChain=", repeat("|", 200000), NULL), NULL);
    is_str(roles(&id), "NONE", "a text of bars");
}

int main(void)
{
    p = tap_pool();
    dir = apr_pstrdup(p, "/tmp/sb-identity-XXXXXX");
    if (!mkdtemp((char *)(apr_uintptr_t)dir)) {
        puts("Bail out! no directory");
        return EXIT_FAILURE;
    }
    sb_log_set(hear, NULL);
    tenants = apr_array_make(p, 2, sizeof(sb_tenant_t));
    tenant("ca", "CA");
    tenant("nc", "NC");
    chains();
    texts();
    variants();
    basic();
    choices();
    hostile();
    unlink(apr_pstrcat(p, dir, "/x.ini", NULL));
    rmdir(dir);
    return done();
}
