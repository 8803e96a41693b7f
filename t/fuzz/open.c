/* lib/auth/sb_saml_open: what comes out is what the gate lets through. An input that starts with '?' is the
 * text inside, well encrypted; anything else a response with something encrypted in it. */

#include "fuzz.h"

#include <apr_strings.h>

#include "../saml/seal.h"
#include "auth/sb_saml_gate.h"
#include "auth/sb_saml_open.h"
#include "core/sb_crypto.h"

static EVP_PKEY *ours(void)
{
    static EVP_PKEY *key;

    if (!key) {
        key = EVP_RSA_gen(2048);
        must(key);
    }
    return key;
}

static const char *around(const char *inside)
{
    const seal_t how = {0};
    char *sealed = seal(inside, strlen(inside), ours(), &how);
    const char *xml;

    must(sealed);
    xml = apr_pstrcat(fuzz_pool,
                      "<samlp:Response xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol' ID='_r'>",
                      sealed, "</samlp:Response>", NULL);
    free(sealed);
    return xml;
}

FUZZ(data, size)
{
    const char *xml = apr_pstrmemdup(fuzz_pool, (const char *)data, size), *value, *clean, *again;
    apr_array_header_t *keys = apr_array_make(fuzz_pool, 1, sizeof(EVP_PKEY *));
    struct _xmlNode *node;
    const char *bad;

    if (*xml == '?') {
        xml = around(xml + 1);
    }
    APR_ARRAY_PUSH(keys, EVP_PKEY *) = ours();
    value = sb_base64_encode(xml, strlen(xml), fuzz_pool);
    if (sb_saml_gate_response(&clean, &node, value, strlen(value), fuzz_pool) || !node) {
        return;
    }
    must(!clean);
    bad = sb_saml_open(&clean, node, keys, (int)size & 1, fuzz_pool);
    must(!bad == (clean != NULL));
    must(!bad || !strcmp(bad, "encrypted"));
    must(bad || !sb_saml_gate_response(&again, NULL, clean, strlen(clean), fuzz_pool));
}
