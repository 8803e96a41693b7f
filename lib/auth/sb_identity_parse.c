/* Identity parsers: attributes to a person and his grants. */

#include <string.h>
#include <strings.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "auth/sb_identity_parse.h"
#include "core/sb_log.h"
#include "core/sb_path.h"

#define CHAIN_FIELDS 17

/* ---- text from outside ------------------------------------------------------------------------ */

/* Printable UTF-8? C0, DEL and C1 are not. */
static int is_plain(const char *text, apr_size_t len)
{
    for (apr_size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f ||
            (c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0)) {
            return 0;
        }
    }
    return sb_utf8_is_valid(text, len);
}

static const char *lower(const char *text, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, text);

    for (char *c = copy; *c; c++) {
        *c = (char)apr_tolower(*c);
    }
    return copy;
}

static const char *upper(const char *text, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, text);

    for (char *c = copy; *c; c++) {
        *c = (char)apr_toupper(*c);
    }
    return copy;
}

/* ---- one chain -------------------------------------------------------------------------------- */

enum { FIELD_ROLE = 1, FIELD_TENANT = 7, FIELD_STATE = 8, FIELD_DISTRICT = 11, FIELD_SCHOOL = 15 };

static const sb_tenant_t *find_tenant(const apr_array_header_t *tenants, const char *name)
{
    for (int i = 0; i < tenants->nelts; i++) {
        const sb_tenant_t *t = &APR_ARRAY_IDX(tenants, i, const sb_tenant_t);

        if (!strcmp(t->name, name)) {
            return t;
        }
    }
    return NULL;
}

static const char *split_chain(const char *fields[CHAIN_FIELDS], const char *chain, apr_pool_t *p)
{
    const char *s = chain + 1;

    for (int i = 0; i < CHAIN_FIELDS; i++) {
        apr_size_t len = strcspn(s, "|");

        if (!s[len]) {
            return "has fewer than 17 fields";
        }
        fields[i] = len ? apr_pstrmemdup(p, s, len) : NULL;
        s += len + 1;
    }
    return *s ? "has more than 17 fields" : NULL;
}

/* Does it name a place that there is? */
static const char *judge_grant(const sb_grant_t *g, const apr_array_header_t *tenants)
{
    const char *const ids[] = {g->role, g->tenant, g->state_code, g->district_id, g->school_id};
    const sb_tenant_t *tenant;

    if (!g->role) {
        return "names no role";
    }
    for (apr_size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        if (ids[i] && strlen(ids[i]) > SB_CHAIN_ID_BYTES) {
            return "has a name or an id that is too long";
        }
    }
    if ((g->state_code && !g->tenant) || (g->district_id && !g->state_code) ||
        (g->school_id && !g->district_id)) {
        return "names a place without the one it lies in";
    }
    if (!g->tenant) {
        return NULL;
    }
    tenant = find_tenant(tenants, g->tenant);
    if (!tenant) {
        return "names a tenant that is not configured here";
    }
    if (g->state_code && (!tenant->state_code || strcmp(tenant->state_code, g->state_code) != 0)) {
        return "names a state that is not its tenant's";
    }
    return NULL;
}

/* Is it for a group of states, districts or schools? Which places are in a group nobody tells us; read as if the
 * group were not there, it would be for everything the group lies in. */
static int is_for_a_group(const char *const fields[CHAIN_FIELDS])
{
    static const int places[] = {FIELD_TENANT, FIELD_DISTRICT, FIELD_SCHOOL};

    for (apr_size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int place = places[i]; /* id and name of its group stand before it */

        if (!fields[place] && (fields[place - 2] || fields[place - 1])) {
            return 1;
        }
    }
    return 0;
}

const char *sb_chain_parse(sb_grant_t *grant, const char *chain, sb_chain_layout_t layout,
                           const apr_array_header_t *tenants, apr_pool_t *p)
{
    const char *fields[CHAIN_FIELDS];
    const char *bad;
    sb_grant_t g;

    memset(grant, 0, sizeof(*grant));
    if (!chain || *chain != '|') {
        return "is no chain: 17 fields between bars are wanted";
    }
    if (strlen(chain) > SB_CHAIN_BYTES) {
        return "is too long";
    }
    if (!is_plain(chain, strlen(chain))) {
        return "has control characters, or is not UTF-8";
    }
    bad = split_chain(fields, chain, p);
    if (bad) {
        return bad;
    }
    if (is_for_a_group(fields)) {
        return "is for a group of places, and which are in it is not known here";
    }
    g = (sb_grant_t){.role = fields[FIELD_ROLE],
                     .tenant = fields[FIELD_TENANT],
                     .state_code = fields[FIELD_STATE],
                     .district_id = fields[FIELD_DISTRICT],
                     .school_id = fields[FIELD_SCHOOL]};
    if (layout == SB_CHAIN_LIVE) {
        g.state_code = g.tenant;
        g.tenant = g.tenant ? lower(g.tenant, p) : NULL;
    }
    bad = judge_grant(&g, tenants);
    if (!bad) {
        *grant = g;
    }
    return bad;
}

/* ---- many chains ------------------------------------------------------------------------------ */

/* The bar behind the last field of the chain that begins here; NULL: it has not got so many. */
static const char *end_of_chain(const char *chain)
{
    for (int i = 0; chain && i < CHAIN_FIELDS; i++) {
        chain = strchr(chain + 1, '|');
    }
    return chain;
}

const char *sb_chains_cut(apr_array_header_t *chains, const char *text, apr_pool_t *p)
{
    apr_array_header_t *found = apr_array_make(p, 8, sizeof(const char *));
    const char *s = text;

    if (*s != '|') {
        return "is no chain: 17 fields between bars are wanted";
    }
    for (;;) {
        const char *end = end_of_chain(s);

        if (!end) {
            return "ends in the middle of a chain";
        }
        if (found->nelts == SB_CHAINS_MAX) {
            return "has too many chains";
        }
        APR_ARRAY_PUSH(found, const char *) = apr_pstrmemdup(p, s, (apr_size_t)(end + 1 - s));
        s = end + 1;
        s += strspn(s, " ");
        if (!*s) {
            break;
        }
        if (*s != ',') {
            return "has chains that do not end after 17 fields";
        }
        s++;
        s += strspn(s, " ");
        if (*s != '|') {
            return "has chains that do not end after 17 fields";
        }
    }
    apr_array_cat(chains, found);
    return NULL;
}

/* Chains that do not count: one line a sign-in, whatever was sent, and never their text. */
typedef struct {
    int seen, skipped;
    const char *why; /* of the first one */
} tally_t;

static void tell(const tally_t *t)
{
    if (t->skipped) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(1610), SB_NO_STATUS,
               "a tenancy chain at sign-in is skipped: it %s (%d of %d)", t->why, t->skipped,
               t->seen);
    }
}

static void count(tally_t *t, const char *bad)
{
    t->seen++;
    if (bad) {
        t->skipped++;
        t->why = t->why ? t->why : bad;
    }
}

/* ---- the variants ----------------------------------------------------------------------------- */

typedef void grants_fn(apr_array_header_t *grants, const sb_identity_parser_t *parser,
                       const apr_array_header_t *attributes, const apr_array_header_t *tenants,
                       apr_pool_t *p);
static grants_fn from_chains, from_names;

#define SAML (1u << SB_SOURCE_SAML)
#define OAUTH (1u << SB_SOURCE_OAUTH)

typedef struct sb_identity_variant_t variant_t;
struct sb_identity_variant_t {
    const char *name;
    const char *original; /* how class names of old files end */
    unsigned sources;
    grants_fn *grants;
    sb_chain_layout_t layout;
    int several; /* chains in one value, with commas between */
    /* names of attributes; NULL: there is none */
    const char *chains;
    const char *full_name, *first_name, *last_name;
    const char *guid, *uid;
    const char *email, *email2; /* the second if the first is not there */
};

/* clang-format off */
static const variant_t variants[] = {
    {"sbac", "sbac_identity_parser.SbacIdentityParser", SAML, from_chains, SB_CHAIN_SBAC, 0, "memberOf",
     "fullName", "firstName", "lastName", "guid", "uid", "mail", "uid"},
    /* A bearer has no uid of his own, but what he asks for belongs to one. */
    {"sbac", "sbac_identity_parser.SbacOauthIdentityParser", OAUTH, from_chains, SB_CHAIN_SBAC, 1, "sbacTenancyChain",
     NULL, NULL, NULL, "sbacUUID", "sbacUUID", NULL, NULL},
    {"sbac-live", "sbac_live_identity_parser.SbacIdentityParser", SAML, from_chains, SB_CHAIN_LIVE, 0, "sbacTenancyChain",
     "cn", "givenName", "sn", "sbacUUID", "sbacUUID", "mail", NULL},
    {"sbac-live", "sbac_live_identity_parser.SbacOauthIdentityParser", OAUTH, from_chains, SB_CHAIN_LIVE, 1, "sbacTenancyChain",
     NULL, NULL, NULL, "sbacUUID", "sbacUUID", NULL, NULL},
    {"basic", "basic_identity_parser.BasicIdentityParser", SAML | OAUTH, from_names, SB_CHAIN_SBAC, 0, "memberOf",
     "fullName", "firstName", "lastName", "guid", "uid", NULL, NULL},
};
/* clang-format on */

/* Every value of an attribute comes by here. @param pi where to go on; begin with 0 */
static const char *next_value(int *pi, const apr_array_header_t *attributes, const char *name)
{
    while (name && *pi < attributes->nelts) {
        const sb_attribute_t *a = &APR_ARRAY_IDX(attributes, (*pi)++, const sb_attribute_t);

        if (!strcmp(a->name, name)) {
            return a->value;
        }
    }
    return NULL;
}

/* The first one; NULL there is none, or it is not to be believed. */
static const char *first(const apr_array_header_t *attributes, const char *name)
{
    int i = 0;
    const char *value = next_value(&i, attributes, name);
    apr_size_t len = value ? strlen(value) : 0;

    return len && len <= SB_PERSON_TEXT_BYTES && is_plain(value, len) ? value : NULL;
}

static void from_chains(apr_array_header_t *grants, const sb_identity_parser_t *parser,
                        const apr_array_header_t *attributes, const apr_array_header_t *tenants,
                        apr_pool_t *p)
{
    const variant_t *v = parser->variant;
    apr_array_header_t *chains = apr_array_make(p, 8, sizeof(const char *));
    const char *value;
    tally_t tally = {0};
    int i = 0;

    while ((value = next_value(&i, attributes, v->chains)) != NULL) {
        if (v->several) {
            const char *bad = sb_chains_cut(chains, value, p);

            if (bad) {
                count(&tally, bad);
            }
        }
        else {
            APR_ARRAY_PUSH(chains, const char *) = value;
        }
        if (chains->nelts > SB_CHAINS_MAX) {
            count(&tally, "is one of too many: none of them counts");
            apr_array_clear(chains);
            break;
        }
    }
    for (i = 0; i < chains->nelts; i++) {
        const char *chain = APR_ARRAY_IDX(chains, i, const char *);
        sb_grant_t grant;
        const char *bad = sb_chain_parse(&grant, chain, v->layout, tenants, p);

        count(&tally, bad);
        if (!bad) {
            APR_ARRAY_PUSH(grants, sb_grant_t) = grant;
        }
    }
    tell(&tally);
}

/* ---- basic: names of a directory -------------------------------------------------------------- */

/* The parts of a distinguished name, blanks around them cut off. A comma behind a backslash is none: who
 * may choose his own name must not choose his tenant by it.
 * @return const char *, lower case */
static const apr_array_header_t *split_dn(const char *dn, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, 8, sizeof(const char *));
    const char *s = lower(dn, p);

    for (;;) {
        apr_size_t n = 0, len;

        s += strspn(s, " ");
        while (s[n] && s[n] != ',') {
            n += s[n] == '\\' && s[n + 1] ? 2 : 1;
        }
        for (len = n; len && s[len - 1] == ' '; len--) {
        }
        APR_ARRAY_PUSH(parts, const char *) = apr_pstrmemdup(p, s, len);
        if (!s[n]) {
            return parts;
        }
        s += n + 1;
    }
}

/* "uid=x,ou=people,ou=nc,BASE" -> "nc"; NULL: not below the base, or no tenant's branch */
static const char *tenant_of_dn(const char *dn, const char *base_dn, apr_pool_t *p)
{
    const apr_array_header_t *have = split_dn(dn, p), *base = split_dn(base_dn, p);
    int rest = have->nelts - base->nelts;
    const char *branch;

    for (int i = 0; i < base->nelts; i++) {
        if (rest < 1 || strcmp(APR_ARRAY_IDX(have, rest + i, const char *),
                               APR_ARRAY_IDX(base, i, const char *)) != 0) {
            return NULL;
        }
    }
    branch = APR_ARRAY_IDX(have, rest - 1, const char *);
    return !strncmp(branch, "ou=", 3) && branch[3] ? branch + 3 : NULL;
}

/* "cn=pii,ou=roles" -> "PII": the first name in it; NULL none */
static const char *role_of(const char *group, apr_pool_t *p)
{
    const char *text = strstr(lower(group, p), "cn=");
    apr_size_t len = text ? strcspn(text, ",") : 0;

    return len > 3 && text[len] ? upper(apr_pstrmemdup(p, text + 3, len - 3), p) : NULL;
}

/* The first group is the role, the branch of the directory is the tenant: one grant for all of it. Who
 * has no branch has no tenant, and so nothing. */
static void from_names(apr_array_header_t *grants, const sb_identity_parser_t *parser,
                       const apr_array_header_t *attributes, const apr_array_header_t *tenants,
                       apr_pool_t *p)
{
    const char *dn = first(attributes, "dn"), *role = NULL, *group, *bad;
    const sb_tenant_t *tenant;
    sb_grant_t grant = {0};
    tally_t tally = {0};
    int i = 0, groups = 0;

    while (!role && groups++ < SB_CHAINS_MAX &&
           (group = next_value(&i, attributes, parser->variant->chains)) != NULL) {
        role = strlen(group) <= SB_CHAIN_BYTES && is_plain(group, strlen(group)) ? role_of(group, p)
                                                                                 : NULL;
    }
    if (!role) {
        return;
    }
    grant.role = role;
    grant.tenant = dn ? tenant_of_dn(dn, parser->base_dn, p) : NULL;
    tenant = grant.tenant ? find_tenant(tenants, grant.tenant) : NULL;
    grant.state_code = tenant ? tenant->state_code : NULL;
    bad = grant.tenant ? judge_grant(&grant, tenants) : "names no tenant's branch of the directory";
    count(&tally, bad);
    if (!bad) {
        APR_ARRAY_PUSH(grants, sb_grant_t) = grant;
    }
    tell(&tally);
}

/* ---- the calls -------------------------------------------------------------------------------- */

/* "sbac", or "any.package.sbac_identity_parser.SbacIdentityParser" */
static int is_called(const variant_t *v, const char *name)
{
    apr_size_t len = strlen(name), end = strlen(v->original);

    return !strcasecmp(name, v->name) || (len >= end && !strcmp(name + len - end, v->original) &&
                                          (len == end || name[len - end - 1] == '.'));
}

const char *sb_identity_parser_choose(sb_identity_parser_t *parser, const sb_conf_t *conf,
                                      sb_identity_source_t source, apr_pool_t *p)
{
    const char *key =
        source == SB_SOURCE_SAML ? "auth.saml.identity_parser" : "auth.oauth2.identity_parser";
    const char *name = sb_conf_str(conf, key);

    memset(parser, 0, sizeof(*parser));
    for (apr_size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        if (variants[i].sources & (1u << source) && is_called(&variants[i], name)) {
            parser->variant = &variants[i];
        }
    }
    if (!parser->variant) {
        return apr_psprintf(p, "%s = %s: want sbac, sbac-live or basic", key, name);
    }
    parser->base_dn = sb_conf_str(conf, "ldap.base.dn");
    if (parser->variant->grants == from_names && !parser->base_dn) {
        return apr_psprintf(p,
                            "ldap.base.dn is not set: %s = %s looks for tenants below it, such as"
                            " ou=environment,dc=example,dc=org",
                            key, name);
    }
    return NULL;
}

void sb_identity_parse(sb_identity_t *id, const sb_identity_parser_t *parser,
                       const apr_array_header_t *attributes, const apr_array_header_t *tenants,
                       apr_pool_t *p)
{
    const variant_t *v = parser->variant;
    apr_array_header_t *grants = apr_array_make(p, 8, sizeof(sb_grant_t));

    memset(id, 0, sizeof(*id));
    id->full_name = first(attributes, v->full_name);
    id->first_name = first(attributes, v->first_name);
    id->last_name = first(attributes, v->last_name);
    id->guid = first(attributes, v->guid);
    id->uid = first(attributes, v->uid);
    id->email = first(attributes, v->email);
    if (!id->email) {
        id->email = first(attributes, v->email2);
    }
    v->grants(grants, parser, attributes, tenants, p);
    sb_identity_build(id, grants, tenants, p);
}
