/* lib/auth/sb_identity_parse: whatever an identity provider says, under every variant. The first byte chooses
 * it; then a line is an attribute, NAME=VALUE. Nobody gets more than the text of his chains says. */

#include "fuzz.h"

#include <apr_strings.h>
#include <unistd.h>

#include "auth/sb_identity_parse.h"
#include "core/sb_file.h"

static const struct {
    sb_identity_source_t source;
    const char *name;
} variants[] = {
    {SB_SOURCE_SAML, "sbac"},       {SB_SOURCE_OAUTH, "sbac"}, {SB_SOURCE_SAML, "sbac-live"},
    {SB_SOURCE_OAUTH, "sbac-live"}, {SB_SOURCE_SAML, "basic"},
};
#define NVARIANTS (sizeof(variants) / sizeof(variants[0]))

/* Once, as a server would; they live as long as the process. */
static const sb_identity_parser_t *parser_of(apr_size_t n)
{
    static sb_identity_parser_t parsers[NVARIANTS];
    static apr_pool_t *p;
    char path[] = "/tmp/fuzz-identity-XXXXXX";
    int fd;

    if (p) {
        return &parsers[n];
    }
    must(apr_pool_create(&p, NULL) == APR_SUCCESS);
    fd = mkstemp(path);
    must(fd >= 0);
    close(fd);
    for (apr_size_t i = 0; i < NVARIANTS; i++) {
        const char *ini = apr_psprintf(
            p, "[app:main]\nauth.%s.identity_parser = %s\nldap.base.dn = dc=x\n",
            variants[i].source == SB_SOURCE_SAML ? "saml" : "oauth2", variants[i].name);
        sb_conf_t *conf;

        must(sb_file_write(path, ini, strlen(ini), 0600, p) == APR_SUCCESS);
        must(!sb_conf_load(&conf, path, "app:main", p));
        must(!sb_identity_parser_choose(&parsers[i], conf, variants[i].source, p));
    }
    unlink(path);
    return &parsers[n];
}

/* What is cut out of a text stands in it, one behind the other, and each is a whole chain. */
static void cut(const char *text)
{
    apr_array_header_t *chains = apr_array_make(fuzz_pool, 4, sizeof(const char *));
    const char *s = text;

    if (sb_chains_cut(chains, text, fuzz_pool)) {
        must(chains->nelts == 0);
        return;
    }
    must(chains->nelts > 0);
    for (int i = 0; i < chains->nelts; i++) {
        const char *chain = APR_ARRAY_IDX(chains, i, const char *), *c;
        int bars = 0;

        for (c = chain; *c; c++) {
            bars += *c == '|';
        }
        must(bars == 18 && chain[0] == '|' && c[-1] == '|');
        s += strspn(s, " ,");
        must(!strncmp(s, chain, strlen(chain)));
        s += strlen(chain);
    }
    must(!s[strspn(s, " ")]);
}

FUZZ(data, size)
{
    apr_array_header_t *tenants = apr_array_make(fuzz_pool, 2, sizeof(sb_tenant_t));
    apr_array_header_t *attributes = apr_array_make(fuzz_pool, 8, sizeof(sb_attribute_t));
    apr_size_t n = size ? data[0] % NVARIANTS : 0;
    char *text = apr_pstrmemdup(fuzz_pool, (const char *)data + !!size, size - !!size), *last,
         *line;
    const char *all = apr_pstrdup(fuzz_pool, text);
    sb_identity_t id;

    APR_ARRAY_PUSH(tenants, sb_tenant_t) = (sb_tenant_t){"nc", "NC"};
    APR_ARRAY_PUSH(tenants, sb_tenant_t) = (sb_tenant_t){"dog", "ES"};
    for (line = apr_strtok(text, "\n", &last); line; line = apr_strtok(NULL, "\n", &last)) {
        char *equals = strchr(line, '=');

        if (equals) {
            *equals = '\0';
            APR_ARRAY_PUSH(attributes, sb_attribute_t) = (sb_attribute_t){line, equals + 1};
            cut(equals + 1);
        }
    }
    sb_identity_parse(&id, parser_of(n), attributes, tenants, fuzz_pool);
    must(id.roles->nelts > 0);
    for (int i = 0; i < id.grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(id.grants, i, const sb_grant_t);

        must(g->tenant && (!strcmp(g->tenant, "nc") || !strcmp(g->tenant, "dog")));
        must(!g->state_code || !strcmp(g->state_code, strcmp(g->tenant, "nc") ? "ES" : "NC"));
        must(!g->district_id || (g->state_code && strstr(all, g->district_id)));
        must(!g->school_id || (g->district_id && strstr(all, g->school_id)));
        must(n != 4 || (!g->district_id && !g->school_id));
    }
    must(!id.uid || strstr(all, id.uid));
}
