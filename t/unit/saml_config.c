/* lib/auth/sb_saml_config: which keys, certificates, addresses and metadata a server starts with. */

#include "tap.h"

#include <sys/stat.h>
#include <unistd.h>
#include <libxml/parser.h>
#include "auth/sb_saml.h"
#include "core/sb_file.h"
#include "core/sb_log.h"
#include "keys.h"

static apr_pool_t *p;
static const char *dir;

/* The whole configuration; tests change one thing. */
typedef struct {
    const char *issuer, *acs, *slo, *key, *cert, *idp, *more;
} given_t;

static const char *load(sb_saml_config_t **pc, const given_t *g)
{
    const char *ini =
        apr_psprintf(p,
                     "[app:main]\nauth.saml.issuer_name = %s\nauth.saml.acs_url = %s\n"
                     "auth.saml.slo_url = %s\nauth.saml.sp_key = %s\n"
                     "auth.saml.sp_cert = %s\nauth.idp.metadata = %s\n%s",
                     g->issuer, g->acs, g->slo, g->key, g->cert, g->idp, g->more ? g->more : "");
    sb_conf_t *conf;
    const char *bad = sb_conf_load(&conf, tap_file(dir, "smarter.ini", ini, p), "app:main", p);

    *pc = NULL;
    return bad ? bad : sb_saml_config_load(pc, conf, p);
}

static void refused(const char *title, const given_t *g, const char *want)
{
    sb_saml_config_t *c;
    const char *bad = load(&c, g);

    if (!ok(bad && strstr(bad, want) && !c, "%s", title)) {
        printf("# have: %s\n# want: %s\n", bad ? bad : "fine", want);
    }
}

static const char *wants_signed(const char *metadata)
{
    const char *at = strstr(metadata, "<IDPSSODescriptor") + strlen("<IDPSSODescriptor");

    return apr_pstrcat(p, apr_pstrmemdup(p, metadata, (apr_size_t)(at - metadata)),
                       " WantAuthnRequestsSigned='1'", at, NULL);
}

static void quiet(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    (void)ctx;
    (void)level;
    (void)number;
    (void)rv;
    (void)text;
}

int main(void)
{
    char name[] = "/tmp/sb-saml-XXXXXX";
    pair_t good, other, weak, ec;
    const char *sound, *s, *e, *s2;
    sb_saml_config_t *c;
    given_t g, changed;

    p = tap_pool();
    sb_log_set(quiet, NULL);
    dir = mkdtemp(name);
    good = make_pair(2048, p);
    other = make_pair(2048, p);
    weak = make_pair(1024, p);
    ec = make_pair(0, p);
    s = key_descriptor(" use='signing'", other.der, p);
    e = key_descriptor(" use='encryption'", other.der, p);
    sound = idp_metadata(s, SSO SLO, p);
    g = (given_t){"https://us.example/a&b",
                  "https://us.example/saml_post",
                  "https://us.example/logout_redirect",
                  tap_file(dir, "sp.key", good.key, p),
                  tap_file(dir, "sp.pem", good.cert, p),
                  tap_file(dir, "idp.xml", sound, p),
                  NULL};

    is_str(load(&c, &g), NULL, "a sound configuration");
    is_str(c->idp_id, "https://idp.example/", "names the identity provider");
    is_int(c->idp_keys->nelts, 1, "by its one key for signing");
    ok(!sb_saml_config_verifies(c, 256, "x", (const unsigned char *)"y", 1) &&
           !sb_saml_config_verifies(c, 1, "x", (const unsigned char *)"y", 1),
       "which did not sign this");
    ok(c->idp_has_logout, "which has a logout");
    ok(strstr(c->sp_metadata, "entityID=\"https://us.example/a&amp;b\"") != NULL,
       "our metadata is escaped");
    ok(strstr(c->sp_metadata, good.der) && !strstr(c->sp_metadata, "PRIVATE"),
       "and shows the certificate, not the key");

#define WITH(member, value)                                                                        \
    changed = g;                                                                                   \
    changed.member = (value);
#define IDP(title, text, want)                                                                     \
    WITH(idp, tap_file(dir, "idp2.xml", text, p))                                                  \
    refused(title, &changed, want);

    WITH(issuer, "")
    refused("no entity id", &changed, "auth.saml.issuer_name");
    WITH(acs, "http://us.example/saml_post")
    refused("plain http", &changed, "auth.saml.acs_url: want an https address");
    WITH(slo, "https://us.example/x?y")
    refused("an address with a query", &changed, "auth.saml.slo_url: want an https address");
    WITH(key, "/nonexistent")
    refused("no key", &changed, "auth.saml.sp_key: cannot read /nonexistent");
    WITH(key, tap_file(dir, "x.key", "rubbish", p))
    refused("rubbish for a key", &changed, "auth.saml.sp_key");
    WITH(key, tap_file(dir, "x.key", ec.key, p))
    refused("a key that is not RSA", &changed, "auth.saml.sp_key: want RSA");
    WITH(key, tap_file(dir, "x.key", weak.key, p))
    refused("a weak key", &changed, "2048");
    WITH(cert, tap_file(dir, "x.pem", "rubbish", p))
    refused("rubbish for a certificate", &changed, "auth.saml.sp_cert");
    WITH(cert, tap_file(dir, "x.pem", other.cert, p))
    refused("the certificate of another key", &changed, "is not the certificate of");
    WITH(idp, "/nonexistent")
    refused("no metadata", &changed, "auth.idp.metadata: cannot read /nonexistent");

#define PAIR(which, key, cert)                                                                     \
    apr_pstrcat(p, "auth.saml.sp_key." which " = ", key, "\nauth.saml.sp_cert." which " = ", cert, \
                "\n", NULL)
    WITH(more,
         PAIR("next", tap_file(dir, "n.key", other.key, p), tap_file(dir, "n.pem", other.cert, p)))
    is_str(load(&c, &changed), NULL, "a next key");
    is_int(c->sp_keys->nelts, 2, "is one of two that open");
    s2 = strstr(c->sp_metadata, good.der);
    ok(s2 && strstr(s2, other.der) && strstr(c->sp_metadata, "use=\"encryption\""),
       "announced behind the one in use");
    WITH(more, "auth.saml.encryption = refused\n")
    is_str(load(&c, &changed), NULL, "encryption refused");
    ok(!strstr(c->sp_metadata, "use=\"encryption\""), "is not announced");
    WITH(more, apr_pstrcat(p, "auth.saml.sp_key.next = ", tap_file(dir, "n.key", other.key, p),
                           "\n", NULL))
    refused("a next key without its certificate", &changed, "auth.saml.sp_cert.next is not set");
    WITH(more, PAIR("previous", tap_file(dir, "n.key", other.key, p),
                    tap_file(dir, "n.pem", good.cert, p)))
    refused("a previous key with another's certificate", &changed,
            "auth.saml.sp_cert.previous: is not the certificate of auth.saml.sp_key.previous");
    WITH(more,
         PAIR("next", tap_file(dir, "n.key", weak.key, p), tap_file(dir, "n.pem", weak.cert, p)))
    refused("a weak next key", &changed, "auth.saml.sp_key.next: want RSA with 2048");
    WITH(more, "auth.saml.sign_requests = False\n")
    is_str(load(&c, &changed), NULL, "unsigned requests");
    ok(strstr(c->sp_metadata, "AuthnRequestsSigned=\"false\"") != NULL, "are announced");
    changed.idp = tap_file(dir, "idp2.xml", wants_signed(sound), p);
    refused("to a provider that wants them signed", &changed, "auth.saml.sign_requests");

    IDP("metadata: rubbish", "rubbish", "auth.idp.metadata: want XML");
    IDP("metadata: a DTD", apr_pstrcat(p, "<!DOCTYPE x>", sound + 21, NULL), "want XML");
    IDP("metadata: a federation",
        "<EntitiesDescriptor xmlns='urn:oasis:names:tc:SAML:2.0:metadata'/>",
        "one identity provider");
    IDP("metadata: a service provider",
        "<EntityDescriptor xmlns='urn:oasis:names:tc:SAML:2.0:metadata' entityID='x'/>",
        "one IDPSSODescriptor");
    IDP("metadata: no key, which Lasso would let pass", idp_metadata("", SSO, p), "KeyDescriptor");
    IDP("metadata: a key for encryption only", idp_metadata(e, SSO, p), "KeyDescriptor");
    IDP("metadata: a weak key", idp_metadata(key_descriptor("", weak.der, p), SSO, p), "2048");
    IDP("metadata: a weak key behind a strong one",
        idp_metadata(apr_pstrcat(p, s, key_descriptor(" use='signing'", weak.der, p), NULL), SSO,
                     p),
        "2048");
    IDP("metadata: a key that is not RSA", idp_metadata(key_descriptor("", ec.der, p), SSO, p),
        "RSA");
    IDP("metadata: rubbish for a certificate",
        idp_metadata(key_descriptor("", "rubbish!", p), SSO, p), "certificate");
    IDP("metadata: a key without certificate",
        idp_metadata("<KeyDescriptor><ds:KeyInfo xmlns:ds='http://www.w3.org/2000/09/xmldsig#'>"
                     "<ds:KeyName>k</ds:KeyName></ds:KeyInfo></KeyDescriptor>",
                     SSO, p),
        "certificate");
    IDP("metadata: nowhere to sign in", idp_metadata(s, SLO, p), "SingleSignOnService");
    IDP("metadata: a script for an address",
        idp_metadata(s,
                     "<SingleSignOnService "
                     "Binding='urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect' "
                     "Location='javascript:alert(1)'/>",
                     p),
        "SingleSignOnService");

    WITH(idp,
         tap_file(dir, "idp2.xml",
                  idp_metadata(apr_pstrcat(p, e, s, key_descriptor("", good.der, p), NULL), SSO, p),
                  p))
    is_str(load(&c, &changed), NULL,
           "two keys for signing (one is being replaced), one for encryption");
    ok(!c->idp_has_logout, "and no logout");
    if (sb_dir_remove(dir, p) != APR_SUCCESS) {
        puts("# left behind");
    }
    apr_pool_destroy(p);
    xmlCleanupParser();
    return done();
}
