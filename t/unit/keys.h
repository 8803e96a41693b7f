#ifndef KEYS_H
#define KEYS_H

/** Key pairs and identity provider's metadata for tests of SAML. */

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <apr_strings.h>
#include "core/sb_crypto.h"

/* PEM texts, and the certificate's octets in base64. */
typedef struct {
    const char *key, *cert, *der;
} pair_t;

static inline const char *bio_text(BIO *bio, apr_pool_t *p)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    const char *text = apr_pstrmemdup(p, data, (apr_size_t)len);

    BIO_free(bio);
    return text;
}

/** @param bits of RSA; 0: an elliptic curve */
static inline pair_t make_pair(int bits, apr_pool_t *p)
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
    pair.key = bio_text(key_bio, p);
    pair.cert = bio_text(cert_bio, p);
    OPENSSL_free(der);
    X509_free(cert);
    EVP_PKEY_free(key);
    return pair;
}

/** A KeyDescriptor. @param use e.g. " use='signing'" */
static inline const char *key_descriptor(const char *use, const char *der, apr_pool_t *p)
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

/** Metadata of https://idp.example/ */
static inline const char *idp_metadata(const char *keys, const char *endpoints, apr_pool_t *p)
{
    return apr_pstrcat(p,
                       "<?xml version='1.0'?><!-- ours --><EntityDescriptor "
                       "xmlns='urn:oasis:names:tc:SAML:2.0:metadata' "
                       "entityID='https://idp.example/'><IDPSSODescriptor "
                       "protocolSupportEnumeration='urn:oasis:names:tc:SAML:2.0:protocol'>",
                       keys, endpoints, "</IDPSSODescriptor></EntityDescriptor>", NULL);
}

#endif
