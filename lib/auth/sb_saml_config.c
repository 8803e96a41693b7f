/*
 * The SAML part of the configuration, judged in httpd's parent: by libxml2 and OpenSSL, for Lasso
 * must not start there. Own files are trusted, so the metadata may have comments; it is not fetched
 * from anywhere and may not refer to anything.
 */

#include <string.h>
#include <apr_strings.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include "auth/sb_saml.h"
#include "auth/sb_saml_gate.h"
#include "core/sb_crypto.h"
#include "core/sb_file.h"
#include "core/sb_log.h"
#include "core/sb_xml.h"

#define NS_METADATA "urn:oasis:names:tc:SAML:2.0:metadata"
#define REDIRECT "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
#define POST "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
#define TRANSIENT "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
#define FILE_MAX (1024 * 1024)
#define RSA_BITS_MIN 2048

/* ---- our key and certificate ------------------------------------------------------------------- */

static const char *read_file(const char **ptext, const sb_conf_t *conf, const char *key,
                             apr_pool_t *p)
{
    const char *path = sb_conf_str(conf, key);
    char *text, buf[200];
    apr_size_t len;
    apr_status_t rv;

    *ptext = NULL;
    if (!path || !*path) {
        return apr_psprintf(p, "%s is not set", key);
    }
    rv = sb_file_read(&text, &len, path, FILE_MAX, p);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "%s: cannot read %s: %s", key, path,
                            sb_strerror(rv, buf, sizeof(buf)));
    }
    *ptext = text;
    return NULL;
}

/* Never ask a terminal for a passphrase. */
static int no_passphrase(char *buf, int size, int writing, void *data)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)data;
    return 0;
}

static int is_strong_rsa(const EVP_PKEY *key)
{
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
}

static apr_status_t free_key(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

/* A key of ours with its certificate; der64 and pkey are NULL where none is configured. */
typedef struct {
    const char *suffix;     /* of auth.saml.sp_key and auth.saml.sp_cert */
    const char *key, *cert; /* PEM */
    const char *der64;      /* the certificate's octets in base64, for our metadata */
    EVP_PKEY *pkey;
} pair_t;

enum { CURRENT, NEXT, PREVIOUS, N_PAIRS };

static const char *complaint(const char *what, const pair_t *pair, const char *text, apr_pool_t *p)
{
    return apr_pstrcat(p, "auth.saml.sp_", what, pair->suffix, ": ", text, NULL);
}

static const char *judge_pair(pair_t *pair, apr_pool_t *p)
{
    BIO *key_bio = BIO_new_mem_buf(pair->key, -1), *cert_bio = BIO_new_mem_buf(pair->cert, -1);
    X509 *cert = PEM_read_bio_X509(cert_bio, NULL, no_passphrase, NULL);
    unsigned char *der = NULL;
    const char *bad = NULL;
    int len;

    pair->pkey = PEM_read_bio_PrivateKey(key_bio, NULL, no_passphrase, NULL);
    if (!pair->pkey) {
        bad = complaint("key", pair, "want a private key in PEM without passphrase", p);
    }
    else if (!is_strong_rsa(pair->pkey)) {
        bad = complaint("key", pair, "want RSA with 2048 bits or more", p);
    }
    else if (!cert) {
        bad = complaint("cert", pair, "want a certificate in PEM", p);
    }
    else if (X509_check_private_key(cert, pair->pkey) != 1) {
        bad = complaint(
            "cert", pair,
            apr_pstrcat(p, "is not the certificate of auth.saml.sp_key", pair->suffix, NULL), p);
    }
    else {
        len = i2d_X509(cert, &der);
        if (len <= 0) {
            bad = complaint("cert", pair, "cannot be encoded", p);
        }
        else {
            pair->der64 = sb_base64_encode(der, (apr_size_t)len, p);
            OPENSSL_free(der);
        }
    }
    apr_pool_cleanup_register(p, pair->pkey, free_key, apr_pool_cleanup_null);
    X509_free(cert);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    return bad;
}

/* The pair in use must be there; the others may. */
static const char *read_pair(pair_t *pair, const sb_conf_t *conf, apr_pool_t *p)
{
    const char *key = apr_pstrcat(p, "auth.saml.sp_key", pair->suffix, NULL);
    const char *cert = apr_pstrcat(p, "auth.saml.sp_cert", pair->suffix, NULL);
    const char *bad;

    if (*pair->suffix && !sb_conf_str(conf, key) && !sb_conf_str(conf, cert)) {
        return NULL;
    }
    bad = read_file(&pair->key, conf, key, p);
    if (!bad) {
        bad = read_file(&pair->cert, conf, cert, p);
    }
    return bad ? bad : judge_pair(pair, p);
}

static const char *read_pairs(sb_saml_config_t *c, pair_t pairs[N_PAIRS], const sb_conf_t *conf,
                              apr_pool_t *p)
{
    apr_array_header_t *keys = apr_array_make(p, N_PAIRS, sizeof(EVP_PKEY *));

    for (int i = 0; i < N_PAIRS; i++) {
        const char *bad = read_pair(&pairs[i], conf, p);

        if (bad) {
            return bad;
        }
        if (pairs[i].pkey) {
            APR_ARRAY_PUSH(keys, EVP_PKEY *) = pairs[i].pkey;
        }
    }
    c->sp_key = pairs[CURRENT].key;
    c->sp_keys = keys;
    return NULL;
}

/* ---- the identity provider's metadata ---------------------------------------------------------- */

static apr_status_t free_doc(void *doc)
{
    xmlFreeDoc(doc);
    return APR_SUCCESS;
}

static const xmlNode *read_metadata(const char *text, apr_pool_t *p)
{
    xmlDoc *doc = xmlReadMemory(text, (int)strlen(text), NULL, NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);

    if (!doc) {
        return NULL;
    }
    apr_pool_cleanup_register(p, doc, free_doc, apr_pool_cleanup_null);
    return doc->intSubset ? NULL : xmlDocGetRootElement(doc);
}

/* Is a KeyDescriptor for signing? One that does not say is for both. */
static int is_for_signing(const xmlNode *descriptor, apr_pool_t *p)
{
    const char *use = sb_xml_attr(descriptor, "use", p);

    return !use || strcmp(use, "encryption") != 0;
}

/* The key of its certificate, if it is strong enough to trust messages by; NULL if not. */
static EVP_PKEY *strong_key(const xmlNode *descriptor, apr_pool_t *p)
{
    const char *text;
    const xmlNode *n = sb_xml_child(descriptor, NULL, SB_SAML_NS_DSIG, "KeyInfo");
    unsigned char *der;
    apr_size_t len;
    X509 *cert = NULL;
    EVP_PKEY *key;

    n = n ? sb_xml_child(n, NULL, SB_SAML_NS_DSIG, "X509Data") : NULL;
    n = n ? sb_xml_child(n, NULL, SB_SAML_NS_DSIG, "X509Certificate") : NULL;
    text = n ? sb_xml_text(n, p) : NULL;
    if (text && sb_base64_decode(&der, &len, text, strlen(text), p) == APR_SUCCESS) {
        const unsigned char *from = der;

        cert = d2i_X509(NULL, &from, (long)len);
    }
    key = cert ? X509_get_pubkey(cert) : NULL;
    X509_free(cert);
    if (key) {
        apr_pool_cleanup_register(p, key, free_key, apr_pool_cleanup_null);
    }
    return key && is_strong_rsa(key) ? key : NULL;
}

/* Location of the endpoint with the redirect binding; NULL none. */
static const char *redirect_endpoint(const xmlNode *idp, const char *name, apr_pool_t *p)
{
    const xmlNode *n = NULL;

    while ((n = sb_xml_child(idp, n, NS_METADATA, name)) != NULL) {
        const char *binding = sb_xml_attr(n, "Binding", p);

        if (binding && !strcmp(binding, REDIRECT)) {
            return sb_xml_attr(n, "Location", p);
        }
    }
    return NULL;
}

static int is_web_address(const char *url)
{
    return url && (!strncmp(url, "https://", 8) || !strncmp(url, "http://", 7));
}

static int is_true(const char *text) /* of XML Schema */
{
    return text && (!strcmp(text, "true") || !strcmp(text, "1"));
}

static const char *judge_metadata(sb_saml_config_t *c, apr_pool_t *p)
{
    const xmlNode *root = read_metadata(c->idp_metadata, p), *idp, *key = NULL;
    apr_array_header_t *keys = apr_array_make(p, 2, sizeof(EVP_PKEY *));
    const char *logout;

    if (!root || !sb_xml_is(root, NS_METADATA, "EntityDescriptor")) {
        return "auth.idp.metadata: want XML with the EntityDescriptor of one identity provider";
    }
    c->idp_id = sb_xml_attr(root, "entityID", p);
    idp = sb_xml_child(root, NULL, NS_METADATA, "IDPSSODescriptor");
    if (!c->idp_id || !*c->idp_id || !idp ||
        sb_xml_child(root, idp, NS_METADATA, "IDPSSODescriptor")) {
        return "auth.idp.metadata: want an entityID and one IDPSSODescriptor";
    }
    while ((key = sb_xml_child(idp, key, NS_METADATA, "KeyDescriptor")) != NULL) {
        EVP_PKEY *strong;

        if (!is_for_signing(key, p)) {
            continue;
        }
        strong = strong_key(key, p);
        if (!strong) {
            apr_array_clear(keys); /* Lasso would trust any of them */
            break;
        }
        APR_ARRAY_PUSH(keys, EVP_PKEY *) = strong;
    }
    c->idp_keys = keys;
    if (!keys->nelts) {
        return "auth.idp.metadata: want a KeyDescriptor for signing, and in each an RSA certificate"
               " of 2048 bits or more";
    }
    if (!is_web_address(redirect_endpoint(idp, "SingleSignOnService", p))) {
        return "auth.idp.metadata: want a SingleSignOnService with the redirect binding";
    }
    if (!c->sign_requests && is_true(sb_xml_attr(idp, "WantAuthnRequestsSigned", p))) {
        return "auth.saml.sign_requests = False: the metadata of the identity provider wants them "
               "signed";
    }
    logout = redirect_endpoint(idp, "SingleLogoutService", p);
    c->idp_has_logout = is_web_address(logout);
    return NULL;
}

int sb_saml_config_verifies(const sb_saml_config_t *config, int sha_bits, const char *octets,
                            const unsigned char *signature, apr_size_t len)
{
    const EVP_MD *sha = sha_bits == 256   ? EVP_sha256()
                        : sha_bits == 384 ? EVP_sha384()
                        : sha_bits == 512 ? EVP_sha512()
                                          : NULL;
    int good = 0;

    for (int i = 0; i < config->idp_keys->nelts && sha && !good; i++) {
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        good = ctx &&
               EVP_DigestVerifyInit(ctx, NULL, sha, NULL,
                                    APR_ARRAY_IDX(config->idp_keys, i, EVP_PKEY *)) == 1 &&
               EVP_DigestVerify(ctx, signature, len, (const unsigned char *)octets,
                                strlen(octets)) == 1;
        EVP_MD_CTX_free(ctx);
    }
    ERR_clear_error(); /* a wrong signature is no news to the next caller of OpenSSL here */
    return good;
}

/* ---- all of it --------------------------------------------------------------------------------- */

/* What may be used towards us, strongest first. */
#define METHODS                                                                                    \
    "<md:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes256-gcm\"/>"              \
    "<md:EncryptionMethod Algorithm=\"http://www.w3.org/2009/xmlenc11#aes128-gcm\"/>"              \
    "<md:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p\"/>"

static const char *key_descriptor(const char *use, const char *der64, const char *more,
                                  apr_pool_t *p)
{
    return apr_pstrcat(
        p, "<md:KeyDescriptor use=\"", use,
        "\"><ds:KeyInfo xmlns:ds=\"" SB_SAML_NS_DSIG "\"><ds:X509Data><ds:X509Certificate>", der64,
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo>", more, "</md:KeyDescriptor>\n", NULL);
}

/* All keys may be met in signatures; nobody should begin to encrypt for one that is going away. */
static const char *key_descriptors(const sb_saml_config_t *c, const pair_t pairs[N_PAIRS],
                                   apr_pool_t *p)
{
    const char *text = "";

    for (int i = 0; i < N_PAIRS; i++) {
        if (pairs[i].der64) {
            text = apr_pstrcat(p, text, key_descriptor("signing", pairs[i].der64, "", p), NULL);
        }
    }
    for (int i = 0; i < PREVIOUS; i++) {
        if (pairs[i].der64 && c->encryption != SB_SAML_ENCRYPTION_REFUSED) {
            text = apr_pstrcat(p, text, key_descriptor("encryption", pairs[i].der64, METHODS, p),
                               NULL);
        }
    }
    return text;
}

static const char *own_metadata(const sb_saml_config_t *c, const pair_t pairs[N_PAIRS],
                                apr_pool_t *p)
{
    return apr_pstrcat(
        p,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<md:EntityDescriptor xmlns:md=\"" NS_METADATA "\" entityID=\"",
        sb_xml_escape(c->issuer, p), "\">\n<md:SPSSODescriptor AuthnRequestsSigned=\"",
        c->sign_requests ? "true" : "false",
        "\" WantAssertionsSigned=\"true\" protocolSupportEnumeration=\"" SB_SAML_NS_PROTOCOL
        "\">\n",
        key_descriptors(c, pairs, p),
        "<md:SingleLogoutService Binding=\"" REDIRECT "\" Location=\"",
        sb_xml_escape(c->slo_url, p),
        "\"/>\n<md:NameIDFormat>" TRANSIENT "</md:NameIDFormat>\n"
        "<md:AssertionConsumerService Binding=\"" POST "\" Location=\"",
        sb_xml_escape(c->acs_url, p), "\" index=\"", c->acs_index ? c->acs_index : "1",
        "\" isDefault=\"true\"/>\n</md:SPSSODescriptor>\n</md:EntityDescriptor>\n", NULL);
}

static const char *read_address(const char **purl, const sb_conf_t *conf, const char *key,
                                apr_pool_t *p)
{
    *purl = sb_conf_str(conf, key);
    /* The cookies of the sign-in are for https only. */
    if (!*purl || strncmp(*purl, "https://", 8) || strpbrk(*purl, "?# ")) {
        return apr_psprintf(p, "%s: want an https address without query, have '%s'", key,
                            *purl ? *purl : "");
    }
    return NULL;
}

static sb_saml_encryption_t encryption_of(const char *text)
{
    return !strcmp(text, "refused")    ? SB_SAML_ENCRYPTION_REFUSED
           : !strcmp(text, "required") ? SB_SAML_ENCRYPTION_REQUIRED
                                       : SB_SAML_ENCRYPTION_ACCEPTED;
}

/* What needs no file. */
static const char *read_options(sb_saml_config_t *c, const sb_conf_t *conf, apr_pool_t *p)
{
    const char *bad;

    c->issuer = sb_conf_str(conf, "auth.saml.issuer_name");
    if (!c->issuer || !*c->issuer) {
        return "auth.saml.issuer_name is not set: want the entity id the identity provider knows";
    }
    c->skew = sb_conf_interval(conf, "auth.clock_skew");
    c->require_signed_response = sb_conf_bool(conf, "auth.saml.require_signed_response");
    c->encryption = encryption_of(sb_conf_str(conf, "auth.saml.encryption"));
    c->sign_requests = sb_conf_bool(conf, "auth.saml.sign_requests");
    c->force_authn = sb_conf_bool(conf, "auth.saml.force_authn");
    c->idp_initiated = sb_conf_bool(conf, "auth.saml.idp_initiated");
    c->acs_index = sb_conf_str(conf, "auth.saml.acs_index");
    bad = read_address(&c->acs_url, conf, "auth.saml.acs_url", p);
    return bad ? bad : read_address(&c->slo_url, conf, "auth.saml.slo_url", p);
}

const char *sb_saml_config_load(sb_saml_config_t **pconfig, const sb_conf_t *conf, apr_pool_t *p)
{
    sb_saml_config_t *c = apr_pcalloc(p, sizeof(*c));
    pair_t pairs[N_PAIRS] = {{.suffix = ""}, {.suffix = ".next"}, {.suffix = ".previous"}};
    const char *bad = read_options(c, conf, p);

    *pconfig = NULL;
    if (!bad) {
        bad = read_pairs(c, pairs, conf, p);
    }
    if (!bad) {
        bad = read_file(&c->idp_metadata, conf, "auth.idp.metadata", p);
    }
    if (!bad) {
        bad = judge_metadata(c, p);
    }
    if (!bad) {
        bad = sb_identity_parser_choose(&c->parser, conf, SB_SOURCE_SAML, p);
    }
    if (bad) {
        return bad;
    }
    c->sp_metadata = own_metadata(c, pairs, p);
    *pconfig = c;
    return NULL;
}
