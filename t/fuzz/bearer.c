/* lib/auth/sb_bearer_judge: whatever a verifier answers. The first byte chooses the rules and the status. Nothing lets
 * anybody in but an answer that says so, under every rule there is. */

#include "fuzz.h"

#include <apr_strings.h>

#include "auth/sb_bearer.h"
#include "core/sb_json.h"

#define NOW apr_time_from_sec(1700000000)

static const apr_array_header_t *list(const char *text)
{
    apr_array_header_t *a = apr_array_make(fuzz_pool, 1, sizeof(const char *));

    if (text) {
        APR_ARRAY_PUSH(a, const char *) = text;
    }
    return a;
}

FUZZ(data, size)
{
    unsigned choice = size ? data[0] : 0;
    const char *body = (const char *)data + !!size, *reason;
    apr_size_t len = size - !!size;
    sb_bearer_config_t c = {.kind = choice & 1 ? SB_VERIFIER_TOKENINFO : SB_VERIFIER_INTROSPECTION,
                            .audience = list(choice & 2 ? "a" : NULL),
                            .clients = list(choice & 4 ? "c" : NULL),
                            .issuer = choice & 8 ? "i" : NULL,
                            .scope_view = choice & 16 ? "v" : NULL,
                            .scope_load = choice & 32 ? "l" : NULL,
                            .skew = apr_time_from_sec(60)};
    sb_token_claims_t claims;
    const sb_json_t *active;
    sb_json_t *o;

    if (sb_bearer_judge(&claims, &reason, &c, "t", choice & 64 ? 400 : 200, body, len, NOW,
                        fuzz_pool) != SB_TOKEN_GOOD) {
        must(reason != NULL);
        return;
    }
    must(!reason && !(choice & 64));
    must(sb_json_parse(&o, NULL, body, len, NULL, fuzz_pool) == APR_SUCCESS &&
         o->type == SB_JSON_OBJECT);
    active = sb_json_get(o, "active");
    must(active ? active->type == SB_JSON_BOOL && active->truth : c.kind == SB_VERIFIER_TOKENINFO);
    must(claims.expires == 0 || claims.expires > NOW);
    must(!(claims.perms & 1u << SB_PERM_SUPER_ADMIN));
    must(!(choice & 4) || !strcmp(sb_json_str(sb_json_get(o, "client_id"), ""), "c"));
    must(!(choice & 8) || !strcmp(sb_json_str(sb_json_get(o, "iss"), ""), "i"));
    must(!(choice & 2) || sb_json_get(o, "aud"));
    must(!(claims.perms & 1u << SB_PERM_LOAD) || !(choice & 48) ||
         (choice & 32 && sb_json_get(o, "scope")));
    for (int i = 0; i < claims.attributes->nelts; i++) {
        const sb_attribute_t *a = &APR_ARRAY_IDX(claims.attributes, i, const sb_attribute_t);

        must(a->name && *a->value);
    }
}
