#ifndef SEAL_H
#define SEAL_H

/** Encrypts as an identity provider would, or as it should not: an EncryptedAssertion of any text. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#define SEAL_ENC "http://www.w3.org/2001/04/xmlenc#"
#define SEAL_ENC11 "http://www.w3.org/2009/xmlenc11#"
#define SEAL_DSIG "http://www.w3.org/2000/09/xmldsig#"

/** What is NULL or 0 is as it should be: AES-256-GCM, RSA-OAEP with SHA-1. */
typedef struct {
    const char *content; /* "aes128-gcm", "aes256-cbc", "tripledes-cbc", ...; how it is encrypted */
    const char *transport; /* "pkcs1", "oaep"; "oaep11" names the digests */
    const char *digest;    /* of oaep and oaep11: "sha256" ... */
    int is_peer;           /* the key stands beside the data, not in it */
    int bend_key, bend_content, bend_tag,
        cut;     /* a bit of the wrapped key, of the content, of its tag; bytes of the content */
    int pad;     /* last byte of CBC's padding, if not what it should be */
    int key_len; /* of the content's key, if not what it should be */
} seal_t;

static inline char *seal_base64(const unsigned char *data, size_t len)
{
    char *out = malloc((len + 2) / 3 * 4 + 1);

    EVP_EncodeBlock((unsigned char *)out, data, (int)len);
    return out;
}

static inline char *seal_key(const unsigned char *key, size_t key_len, EVP_PKEY *to,
                             const seal_t *o)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(to, NULL);
    int is_pkcs1 = o->transport && !strcmp(o->transport, "pkcs1");
    const EVP_MD *md = EVP_get_digestbyname(o->digest ? o->digest : "sha1");
    unsigned char out[1024];
    size_t len = sizeof(out);
    int good = EVP_PKEY_encrypt_init(ctx) == 1 &&
               EVP_PKEY_CTX_set_rsa_padding(ctx, is_pkcs1 ? RSA_PKCS1_PADDING
                                                          : RSA_PKCS1_OAEP_PADDING) == 1;

    if (good && !is_pkcs1) {
        good = EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(
                   ctx, o->transport && !strcmp(o->transport, "oaep11") ? md : EVP_sha1()) == 1;
    }
    good = good && EVP_PKEY_encrypt(ctx, out, &len, key, key_len) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (o->bend_key) {
        out[len / 2] ^= 1;
    }
    return good ? seal_base64(out, len) : NULL;
}

static inline char *seal_content(const char *text, size_t len, const unsigned char *key,
                                 const char *name, const seal_t *o)
{
    int is_gcm = strstr(name, "gcm") != NULL, block = strstr(name, "triple") ? 8 : 16, n, last;
    const EVP_CIPHER *cipher = !strcmp(name, "aes128-gcm")   ? EVP_aes_128_gcm()
                               : !strcmp(name, "aes192-gcm") ? EVP_aes_192_gcm()
                               : !strcmp(name, "aes256-gcm") ? EVP_aes_256_gcm()
                               : !strcmp(name, "aes128-cbc") ? EVP_aes_128_cbc()
                               : !strcmp(name, "aes192-cbc") ? EVP_aes_192_cbc()
                               : !strcmp(name, "aes256-cbc") ? EVP_aes_256_cbc()
                                                             : EVP_des_ede3_cbc();
    size_t iv = is_gcm ? 12 : (size_t)block, pad = is_gcm ? 0 : (size_t)block - len % (size_t)block;
    unsigned char *plain = calloc(1, len + 32), *out = calloc(1, len + 64);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    size_t total;
    char *result;

    memcpy(plain, text, len);
    if (pad) {
        plain[len + pad - 1] = (unsigned char)(o->pad ? o->pad : (int)pad);
    }
    RAND_bytes(out, (int)iv);
    EVP_EncryptInit_ex(ctx, cipher, NULL, key, out);
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    EVP_EncryptUpdate(ctx, out + iv, &n, plain, (int)(len + pad));
    EVP_EncryptFinal_ex(ctx, out + iv + n, &last);
    total = iv + len + pad;
    if (is_gcm) {
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + total);
        total += 16;
    }
    EVP_CIPHER_CTX_free(ctx);
    if (o->bend_content) {
        out[total / 2] ^= 1;
    }
    if (o->bend_tag) {
        out[total - 1] ^= 1;
    }
    result = seal_base64(out, o->cut && (size_t)o->cut < total ? total - (size_t)o->cut : total);
    free(plain);
    free(out);
    return result;
}

/** As it is by default its text is canonical: it may be signed as it stands.
 *  @return to be freed; NULL it cannot be done */
static inline char *seal(const char *text, size_t len, EVP_PKEY *to, const seal_t *o)
{
    const char *name = o->content ? o->content : "aes256-gcm";
    const char *space = strstr(name, "gcm") ? SEAL_ENC11 : SEAL_ENC;
    size_t key_len = strstr(name, "128") ? 16 : strstr(name, "192") || *name == 't' ? 24 : 32;
    int is_11 = o->transport && !strcmp(o->transport, "oaep11");
    unsigned char key[64];
    char *wrapped, *data, *out, *key_xml, digests[400] = "";

    RAND_bytes(key, sizeof(key));
    wrapped = seal_key(key, o->key_len ? (size_t)o->key_len : key_len, to, o);
    if (!wrapped) {
        return NULL;
    }
    data = seal_content(text, len, key, name, o);
    if (o->digest) {
        snprintf(digests, sizeof(digests), "<ds:DigestMethod Algorithm=\"%s%s\"/>",
                 !strcmp(o->digest, "sha1")     ? SEAL_DSIG
                 : !strcmp(o->digest, "sha384") ? "http://www.w3.org/2001/04/xmldsig-more#"
                                                : SEAL_ENC,
                 o->digest);
    }
    if (is_11 && o->digest) {
        size_t at = strlen(digests);

        snprintf(digests + at, sizeof(digests) - at,
                 "<xenc11:MGF xmlns:xenc11=\"" SEAL_ENC11 "\" Algorithm=\"" SEAL_ENC11 "mgf1%s\"/>",
                 o->digest);
    }
    key_xml = malloc(strlen(wrapped) + 1500);
    sprintf(key_xml,
            "<xenc:EncryptedKey%s>"
            "<xenc:EncryptionMethod Algorithm=\"%s\">%s</xenc:EncryptionMethod>"
            "<xenc:CipherData><xenc:CipherValue>%s</xenc:CipherValue></xenc:CipherData>"
            "</xenc:EncryptedKey>",
            o->is_peer ? " xmlns:xenc=\"" SEAL_ENC "\" xmlns:ds=\"" SEAL_DSIG "\"" : "",
            o->transport && !strcmp(o->transport, "pkcs1") ? SEAL_ENC "rsa-1_5"
            : is_11                                        ? SEAL_ENC11 "rsa-oaep"
                                                           : SEAL_ENC "rsa-oaep-mgf1p",
            digests, wrapped);
    out = malloc(strlen(data) + strlen(key_xml) + 1500);
    sprintf(out,
            "<saml:EncryptedAssertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">"
            "<xenc:EncryptedData xmlns:xenc=\"" SEAL_ENC "\" Type=\"" SEAL_ENC "Element\">"
            "<xenc:EncryptionMethod Algorithm=\"%s%s\"></xenc:EncryptionMethod>"
            "<ds:KeyInfo xmlns:ds=\"" SEAL_DSIG "\">%s</ds:KeyInfo>"
            "<xenc:CipherData><xenc:CipherValue>%s</xenc:CipherValue></xenc:CipherData>"
            "</xenc:EncryptedData>%s</saml:EncryptedAssertion>",
            space, name, o->is_peer ? "" : key_xml, data, o->is_peer ? key_xml : "");
    free(key_xml);
    free(wrapped);
    free(data);
    return out;
}

#endif
