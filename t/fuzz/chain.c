/* lib/auth/sb_identity_parse: tenancy chains, one a line. No chain may grant more than it names, and an
 * identity is the same after a trip through the session record. */

#include "fuzz.h"

#include <apr_strings.h>

#include "auth/sb_identity_parse.h"

static const apr_array_header_t *tenants(void)
{
    apr_array_header_t *a = apr_array_make(fuzz_pool, 2, sizeof(sb_tenant_t));

    *(sb_tenant_t *)apr_array_push(a) = (sb_tenant_t){"nc", "NC"};
    *(sb_tenant_t *)apr_array_push(a) = (sb_tenant_t){"dog", "ES"};
    return a;
}

/* Each place stands in the chain's text, and none without the one above it. */
static void judge(const sb_grant_t *g, const char *chain)
{
    must(g->role && *g->role);
    must(!g->tenant || !strcmp(g->tenant, "nc") || !strcmp(g->tenant, "dog"));
    must(!g->state_code || g->tenant);
    must(!g->district_id || (g->state_code && strstr(chain, g->district_id)));
    must(!g->school_id || (g->district_id && strstr(chain, g->school_id)));
}

static const char *as_json(const sb_identity_t *id)
{
    sb_jw_t *w = sb_jw_make(fuzz_pool);

    sb_identity_json(w, NULL, id);
    return sb_jw_text(w, NULL);
}

FUZZ(data, size)
{
    const apr_array_header_t *known = tenants();
    apr_array_header_t *grants = apr_array_make(fuzz_pool, 4, sizeof(sb_grant_t));
    char *text = apr_pstrmemdup(fuzz_pool, (const char *)data, size), *last, *chain;
    sb_identity_t id = {.uid = "u", .guid = "g"}, back;
    sb_json_t *saved;
    sb_grant_t grant;
    const char *once;
    sb_jw_t *w;
    int i;

    for (chain = apr_strtok(text, "\n", &last); chain && grants->nelts < 50;
         chain = apr_strtok(NULL, "\n", &last)) {
        if (!sb_chain_parse(&grant, chain, SB_CHAIN_SBAC, known, fuzz_pool)) {
            judge(&grant, chain);
            *(sb_grant_t *)apr_array_push(grants) = grant;
        }
    }
    sb_identity_build(&id, grants, known, fuzz_pool);
    must(id.roles->nelts > 0);
    for (i = 0; i < id.tenants->nelts; i++) {
        must(sb_identity_has_tenant(&id, APR_ARRAY_IDX(id.tenants, i, const char *)));
    }
    must(grants->nelts || !sb_identity_may(&id, SB_PERM_VIEW));
    w = sb_jw_make(fuzz_pool);
    sb_identity_save(w, NULL, &id);
    once = sb_jw_text(w, NULL);
    must(sb_json_parse(&saved, NULL, once, strlen(once), NULL, fuzz_pool) == APR_SUCCESS);
    must(sb_identity_load(&back, saved, known, fuzz_pool) == APR_SUCCESS);
    must(!strcmp(as_json(&id), as_json(&back)));
}
