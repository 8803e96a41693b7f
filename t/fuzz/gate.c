/* lib/auth/sb_saml_gate: what passes holds nothing of what it must refuse. An input that starts with
 * '?' is a raw query, anything else the XML of a posted answer. */

#include "fuzz.h"

#include <apr_strings.h>

#include "auth/sb_saml_gate.h"
#include "core/sb_crypto.h"
#include "core/sb_xml.h"

static int holds(const char *text, apr_size_t len, const char *what)
{
    return memmem(text, len, what, strlen(what)) != NULL;
}

static void posted(const char *xml, apr_size_t len)
{
    const char *value = sb_base64_encode(xml, len, fuzz_pool), *clean;
    const char *reason = sb_saml_gate_response(&clean, NULL, value, strlen(value), fuzz_pool), *why;
    unsigned char *again;
    struct _xmlDoc *doc;
    apr_size_t n;

    must(!reason == (clean != NULL));
    if (reason) {
        must(*reason);
        return;
    }
    must(sb_base64_decode(&again, &n, clean, strlen(clean), fuzz_pool) == APR_SUCCESS);
    must(n == len && !memcmp(again, xml, n));
    must(sb_xml_parse(&doc, &why, again, n, NULL, fuzz_pool) == APR_SUCCESS);
    must(!holds(xml, len, "<![CDATA[") && !holds(xml, len, "<!--") && !holds(xml, len, "<!D"));
    must(holds(xml, len, "Response"));
}

static void query(const char *text, apr_size_t len)
{
    char *raw = apr_pstrmemdup(fuzz_pool, text, len);
    sb_saml_query_t q;

    if (!sb_saml_gate_query(&q, raw, fuzz_pool)) {
        must(q.xml && q.xml[0] && q.xml_len <= SB_SAML_MAX_BYTES);
        must(strstr(raw, q.is_request ? "SAMLRequest" : "SAMLResponse"));
        must(holds(q.xml, q.xml_len, "Logout"));
        must(strstr(raw, "SigAlg") && strstr(raw, "Signature"));
    }
}

FUZZ(data, size)
{
    if (size && data[0] == '?') {
        query((const char *)data + 1, size - 1);
    }
    else {
        posted((const char *)data, size);
    }
}
