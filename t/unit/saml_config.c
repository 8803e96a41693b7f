/* lib/auth/sb_saml_config: which keys, certificates, addresses and metadata a server starts with. */

#include "tap.h"

#include <sys/stat.h>
#include <unistd.h>
#include <libxml/parser.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include "auth/sb_saml.h"
#include "core/sb_crypto.h"
#include "core/sb_file.h"
#include "core/sb_log.h"

static apr_pool_t *p;
static const char *dir;

/* A key pair of our own making: PEM texts, and the certificate's octets in base64. */
typedef struct {
    const char *key, *cert, *der;
} pair_t;

static const char *bio_text(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    const char *text = apr_pstrmemdup(p, data, (apr_size_t)len);

    BIO_free(bio);
    return text;
}

static pair_t make_pair(int bits)
{
    EVP_PKEY *key = bits ? EVP_RSA_gen((unsigned)bits) : EVP_EC_gen("P-256");
    BIO *key_bio = BIO_new(BIO_s_mem()), *cert_bio = BIO_new(BIO_s_mem());
    X509 *cert = X509_new();
    unsigned char *der = NULL;
    pair_t pair;
    int len;

    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -200L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), -100L * 86400); /* long over: keys are pinned */
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL);
    PEM_write_bio_X509(cert_bio, cert);
    len = i2d_X509(cert, &der);
    pair.der = sb_base64_encode(der, (apr_size_t)len, p);
    pair.key = bio_text(key_bio);
    pair.cert = bio_text(cert_bio);
    OPENSSL_free(der);
    X509_free(cert);
    EVP_PKEY_free(key);
    return pair;
}

static const char *file(const char *name, const char *text)
{
    const char *path = apr_pstrcat(p, dir, "/", name, NULL);

    if (sb_file_write(path, text, strlen(text), 0600, p) != APR_SUCCESS) {
        puts("Bail out! cannot write a file");
        exit(EXIT_FAILURE);
    }
    return path;
}

static const char *descriptor(const char *use, const char *der)
{
    return apr_pstrcat(p, "<KeyDescriptor", use,
                       "><ds:KeyInfo xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:X509Data>"
                       "<ds:X509Certificate>\n",
                       der, "\n</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>",
                       NULL);
}

#define SSO                                                                                        \
    "<SingleSignOnService Binding='urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect' "           \
    "Location='https://idp.example/sso'/>"
#define SLO                                                                                        \
    "<SingleLogoutService Binding='urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect' "           \
    "Location='https://idp.example/slo'/>"

static const char *metadata(const char *keys, const char *endpoints)
{
    return apr_pstrcat(p,
                       "<?xml version='1.0'?><!-- ours --><EntityDescriptor "
                       "xmlns='urn:oasis:names:tc:SAML:2.0:metadata' "
                       "entityID='https://idp.example/'><IDPSSODescriptor "
                       "protocolSupportEnumeration='urn:oasis:names:tc:SAML:2.0:protocol'>",
                       keys, endpoints, "</IDPSSODescriptor></EntityDescriptor>", NULL);
}

/* The whole configuration; tests change one thing. */
typedef struct {
    const char *issuer, *acs, *slo, *key, *cert, *idp;
} given_t;

static const char *load(sb_saml_config_t **pc, const given_t *g)
{
    const char *ini =
        apr_psprintf(p,
                     "[app:main]\nauth.saml.issuer_name = %s\nauth.saml.acs_url = %s\n"
                     "auth.saml.slo_url = %s\nauth.saml.sp_key = %s\n"
                     "auth.saml.sp_cert = %s\nauth.idp.metadata = %s\n",
                     g->issuer, g->acs, g->slo, g->key, g->cert, g->idp);
    sb_conf_t *conf;
    const char *bad = sb_conf_load(&conf, file("smarter.ini", ini), "app:main", p);

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
    const char *sound, *s, *e;
    sb_saml_config_t *c;
    given_t g, changed;

    p = tap_pool();
    sb_log_set(quiet, NULL);
    dir = mkdtemp(name);
    good = make_pair(2048);
    other = make_pair(2048);
    weak = make_pair(1024);
    ec = make_pair(0);
    s = descriptor(" use='signing'", other.der);
    e = descriptor(" use='encryption'", other.der);
    sound = metadata(s, SSO SLO);
    g = (given_t){"https://us.example/a&b",
                  "https://us.example/saml_post",
                  "https://us.example/logout_redirect",
                  file("sp.key", good.key),
                  file("sp.pem", good.cert),
                  file("idp.xml", sound)};

    is_str(load(&c, &g), NULL, "a sound configuration");
    is_str(c->idp_id, "https://idp.example/", "names the identity provider");
    ok(c->idp_has_logout, "which has a logout");
    ok(strstr(c->sp_metadata, "entityID=\"https://us.example/a&amp;b\"") != NULL,
       "our metadata is escaped");
    ok(strstr(c->sp_metadata, good.der) && !strstr(c->sp_metadata, "PRIVATE"),
       "and shows the certificate, not the key");

#define WITH(member, value)                                                                        \
    changed = g;                                                                                   \
    changed.member = (value);
#define IDP(title, text, want)                                                                     \
    WITH(idp, file("idp2.xml", text))                                                              \
    refused(title, &changed, want);

    WITH(issuer, "")
    refused("no entity id", &changed, "auth.saml.issuer_name");
    WITH(acs, "http://us.example/saml_post")
    refused("plain http", &changed, "auth.saml.acs_url: want an https address");
    WITH(slo, "https://us.example/x?y")
    refused("an address with a query", &changed, "auth.saml.slo_url: want an https address");
    WITH(key, "/nonexistent")
    refused("no key", &changed, "auth.saml.sp_key: cannot read /nonexistent");
    WITH(key, file("x.key", "rubbish"))
    refused("rubbish for a key", &changed, "auth.saml.sp_key");
    WITH(key, file("x.key", ec.key))
    refused("a key that is not RSA", &changed, "auth.saml.sp_key: want RSA");
    WITH(key, file("x.key", weak.key))
    refused("a weak key", &changed, "2048");
    WITH(cert, file("x.pem", "rubbish"))
    refused("rubbish for a certificate", &changed, "auth.saml.sp_cert");
    WITH(cert, file("x.pem", other.cert))
    refused("the certificate of another key", &changed, "is not the certificate of");
    WITH(idp, "/nonexistent")
    refused("no metadata", &changed, "auth.idp.metadata: cannot read /nonexistent");

    IDP("metadata: rubbish", "rubbish", "auth.idp.metadata: want XML");
    IDP("metadata: a DTD", apr_pstrcat(p, "<!DOCTYPE x>", sound + 21, NULL), "want XML");
    IDP("metadata: a federation",
        "<EntitiesDescriptor xmlns='urn:oasis:names:tc:SAML:2.0:metadata'/>",
        "one identity provider");
    IDP("metadata: a service provider",
        "<EntityDescriptor xmlns='urn:oasis:names:tc:SAML:2.0:metadata' entityID='x'/>",
        "one IDPSSODescriptor");
    IDP("metadata: no key, which Lasso would let pass", metadata("", SSO), "KeyDescriptor");
    IDP("metadata: a key for encryption only", metadata(e, SSO), "KeyDescriptor");
    IDP("metadata: a weak key", metadata(descriptor("", weak.der), SSO), "2048");
    IDP("metadata: a weak key behind a strong one",
        metadata(apr_pstrcat(p, s, descriptor(" use='signing'", weak.der), NULL), SSO), "2048");
    IDP("metadata: a key that is not RSA", metadata(descriptor("", ec.der), SSO), "RSA");
    IDP("metadata: rubbish for a certificate", metadata(descriptor("", "rubbish!"), SSO),
        "certificate");
    IDP("metadata: a key without certificate",
        metadata("<KeyDescriptor><ds:KeyInfo xmlns:ds='http://www.w3.org/2000/09/xmldsig#'>"
                 "<ds:KeyName>k</ds:KeyName></ds:KeyInfo></KeyDescriptor>",
                 SSO),
        "certificate");
    IDP("metadata: nowhere to sign in", metadata(s, SLO), "SingleSignOnService");
    IDP("metadata: a script for an address",
        metadata(s, "<SingleSignOnService "
                    "Binding='urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect' "
                    "Location='javascript:alert(1)'/>"),
        "SingleSignOnService");

    WITH(idp, file("idp2.xml", metadata(apr_pstrcat(p, e, s, descriptor("", good.der), NULL), SSO)))
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
