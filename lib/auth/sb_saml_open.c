/* Opening encrypted assertions: XML Encryption 1.1, as far as SAML needs it. */

#include <string.h>
#include <apr_strings.h>
#include <libxml/tree.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include "auth/sb_saml_gate.h"
#include "auth/sb_saml_open.h"
#include "core/sb_crypto.h"
#include "core/sb_xml.h"

#define XMLENC "http://www.w3.org/2001/04/xmlenc#"
#define XMLENC11 "http://www.w3.org/2009/xmlenc11#"
#define XMLDSIG_MORE "http://www.w3.org/2001/04/xmldsig-more#"
#define KEY_MAX 32       /* bytes of AES-256 */
#define WRAPPED_MAX 2048 /* bytes: RSA with 16384 bits */
#define WRAPPED_KEYS 2   /* each costs an operation of each of our keys */
#define GCM_NONCE 12     /* XML Encryption 1.1, 5.2.4 */
#define BLOCK 16

/* ---- algorithms --------------------------------------------------------------------------------- */

typedef struct {
    const char *uri;
    const EVP_CIPHER *(*cipher)(void);
    int key_len;
    int is_gcm;
} content_t;

static const content_t contents[] = {
    {XMLENC11 "aes128-gcm", EVP_aes_128_gcm, 16, 1},
    {XMLENC11 "aes192-gcm", EVP_aes_192_gcm, 24, 1},
    {XMLENC11 "aes256-gcm", EVP_aes_256_gcm, 32, 1},
    {XMLENC "aes128-cbc", EVP_aes_128_cbc, 16, 0},
    {XMLENC "aes192-cbc", EVP_aes_192_cbc, 24, 0},
    {XMLENC "aes256-cbc", EVP_aes_256_cbc, 32, 0},
};

typedef struct {
    const char *uri;
    const EVP_MD *(*md)(void);
} digest_t;

static const digest_t digests[] = {{SB_SAML_NS_DSIG "sha1", EVP_sha1},
                                   {XMLENC "sha256", EVP_sha256},
                                   {XMLDSIG_MORE "sha384", EVP_sha384},
                                   {XMLENC "sha512", EVP_sha512}};
static const digest_t masks[] = {{XMLENC11 "mgf1sha1", EVP_sha1},
                                 {XMLENC11 "mgf1sha256", EVP_sha256},
                                 {XMLENC11 "mgf1sha384", EVP_sha384},
                                 {XMLENC11 "mgf1sha512", EVP_sha512}};
#define N_DIGESTS (sizeof(digests) / sizeof(digests[0]))

/* Of the element inside an EncryptionMethod; SHA-1 if there is none, NULL if it is not on the list. */
static const EVP_MD *digest_of(const digest_t *list, const xmlNode *method, const char *ns,
                               const char *name, apr_pool_t *p)
{
    const xmlNode *n = sb_xml_child(method, NULL, ns, name);
    const char *uri = n ? sb_xml_attr(n, "Algorithm", p) : list[0].uri;

    for (apr_size_t i = 0; uri && i < N_DIGESTS; i++) {
        if (!strcmp(list[i].uri, uri)) {
            return list[i].md();
        }
    }
    return NULL;
}

/* ---- elements ------------------------------------------------------------------------------------ */

static const char *method_of(const xmlNode **pmethod, const xmlNode *n, apr_pool_t *p)
{
    *pmethod = sb_xml_child(n, NULL, XMLENC, "EncryptionMethod");
    return *pmethod ? sb_xml_attr(*pmethod, "Algorithm", p) : NULL;
}

/* Octets of CipherData/CipherValue; a CipherReference is none. */
static int read_cipher(unsigned char **pdata, apr_size_t *plen, const xmlNode *n, apr_pool_t *p)
{
    const xmlNode *data = sb_xml_child(n, NULL, XMLENC, "CipherData");
    const xmlNode *value = data ? sb_xml_child(data, NULL, XMLENC, "CipherValue") : NULL;
    const char *text = value ? sb_xml_text(value, p) : NULL;

    return text && sb_base64_decode(pdata, plen, text, strlen(text), p) == APR_SUCCESS;
}

/* ---- the key of the content ---------------------------------------------------------------------- */

typedef struct {
    const xmlNode *wrapped[WRAPPED_KEYS];
    int count;
} wrapped_t;

static int add_wrapped(wrapped_t *w, const xmlNode *parent)
{
    const xmlNode *n = NULL;

    while (parent && (n = sb_xml_child(parent, n, XMLENC, "EncryptedKey")) != NULL) {
        if (w->count == WRAPPED_KEYS) {
            return 0;
        }
        w->wrapped[w->count++] = n;
    }
    return 1;
}

static int unwrap_by(unsigned char key[KEY_MAX], int key_len, EVP_PKEY *ours, const EVP_MD *md,
                     const EVP_MD *mask, const unsigned char *data, apr_size_t len, apr_pool_t *p)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(ours, NULL);
    apr_size_t room = (apr_size_t)EVP_PKEY_get_size(ours);
    unsigned char *out = apr_pcalloc(p, room);
    int good = ctx && len == room && EVP_PKEY_decrypt_init(ctx) == 1 &&
               EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, mask) == 1 &&
               EVP_PKEY_decrypt(ctx, out, &room, data, len) == 1 && room == (apr_size_t)key_len;

    if (good) {
        memcpy(key, out, room);
    }
    EVP_PKEY_CTX_free(ctx);
    return good;
}

/* Try it with each of our keys; the keys it was wrapped for are not told by anything we believe. */
static int unwrap(unsigned char key[KEY_MAX], int key_len, const xmlNode *wrapped,
                  const apr_array_header_t *keys, apr_pool_t *p)
{
    const xmlNode *method;
    const char *uri = method_of(&method, wrapped, p);
    const EVP_MD *md, *mask = EVP_sha1();
    unsigned char *data;
    apr_size_t len;
    int good = 0;

    if (!uri || sb_xml_child(method, NULL, XMLENC, "OAEPparams")) {
        return 0;
    }
    md = digest_of(digests, method, SB_SAML_NS_DSIG, "DigestMethod", p);
    if (!strcmp(uri, XMLENC11 "rsa-oaep")) {
        mask = digest_of(masks, method, XMLENC11, "MGF", p);
    }
    else if (strcmp(uri, XMLENC "rsa-oaep-mgf1p") != 0) {
        return 0;
    }
    if (!md || !mask || !read_cipher(&data, &len, wrapped, p) || len > WRAPPED_MAX) {
        return 0;
    }
    for (int i = 0; i < keys->nelts; i++) {
        good |= unwrap_by(key, key_len, APR_ARRAY_IDX(keys, i, EVP_PKEY *), md, mask, data, len, p);
    }
    return good;
}

/* A key is found always: a random one when there is none, so that what follows takes its time. */
static int find_key(unsigned char key[KEY_MAX], int key_len, const xmlNode *sealed,
                    const xmlNode *data, const apr_array_header_t *keys, apr_pool_t *p)
{
    wrapped_t w = {{NULL}, 0};

    if (!add_wrapped(&w, sb_xml_child(data, NULL, SB_SAML_NS_DSIG, "KeyInfo")) ||
        !add_wrapped(&w, sealed) || sb_random(key, KEY_MAX) != APR_SUCCESS) {
        return 0;
    }
    for (int i = 0; i < w.count; i++) {
        (void)unwrap(key, key_len, w.wrapped[i], keys, p);
    }
    return 1;
}

/* ---- the content --------------------------------------------------------------------------------- */

static int open_gcm(unsigned char *out, apr_size_t *plen, EVP_CIPHER_CTX *ctx, const content_t *c,
                    const unsigned char *key, unsigned char *data, apr_size_t len)
{
    int n, last;

    if (len < GCM_NONCE + BLOCK) {
        return 0;
    }
    *plen = len - GCM_NONCE - BLOCK;
    return EVP_DecryptInit_ex(ctx, c->cipher(), NULL, key, data) == 1 &&
           EVP_DecryptUpdate(ctx, out, &n, data + GCM_NONCE, (int)*plen) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, BLOCK, data + len - BLOCK) == 1 &&
           EVP_DecryptFinal_ex(ctx, out + n, &last) == 1;
}

/* Padding as XML Encryption has it: the last byte counts, the others may be anything. */
static int open_cbc(unsigned char *out, apr_size_t *plen, EVP_CIPHER_CTX *ctx, const content_t *c,
                    const unsigned char *key, const unsigned char *data, apr_size_t len)
{
    int n, last, pad;

    if (len < 2 * BLOCK || len % BLOCK != 0 ||
        EVP_DecryptInit_ex(ctx, c->cipher(), NULL, key, data) != 1 ||
        EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 ||
        EVP_DecryptUpdate(ctx, out, &n, data + BLOCK, (int)(len - BLOCK)) != 1 ||
        EVP_DecryptFinal_ex(ctx, out + n, &last) != 1) {
        return 0;
    }
    pad = out[len - BLOCK - 1];
    if (pad < 1 || pad > BLOCK) {
        return 0;
    }
    *plen = len - BLOCK - (apr_size_t)pad;
    return 1;
}

/* @return NULL: it cannot be opened, for whatever reason */
static const char *open_data(apr_size_t *plen, const xmlNode *sealed, const xmlNode *data,
                             const apr_array_header_t *keys, int authentic, apr_pool_t *p)
{
    unsigned char key[KEY_MAX], *cipher, *out;
    const content_t *c = NULL;
    const xmlNode *method;
    const char *uri = method_of(&method, data, p);
    EVP_CIPHER_CTX *ctx;
    apr_size_t len;
    int good = 0;

    for (apr_size_t i = 0; uri && i < sizeof(contents) / sizeof(contents[0]); i++) {
        if (!strcmp(contents[i].uri, uri)) {
            c = &contents[i];
        }
    }
    if (!c || (!c->is_gcm && !authentic) || !read_cipher(&cipher, &len, data, p) ||
        !find_key(key, c->key_len, sealed, data, keys, p)) {
        return NULL;
    }
    out = apr_pcalloc(p, len + BLOCK);
    ctx = EVP_CIPHER_CTX_new();
    if (ctx) {
        good = c->is_gcm ? open_gcm(out, plen, ctx, c, key, cipher, len)
                         : open_cbc(out, plen, ctx, c, key, cipher, len);
    }
    EVP_CIPHER_CTX_free(ctx);
    OPENSSL_cleanse(key, sizeof(key));
    return good ? (const char *)out : NULL;
}

/* ---- the response with it ------------------------------------------------------------------------ */

/* The response as it is without its encryption, in base64. */
static const char *write_open(xmlNode *sealed, const xmlNode *assertion, apr_pool_t *p)
{
    xmlNode *response = xmlDocGetRootElement(sealed->doc), *signature;
    xmlNode *copy = xmlDocCopyNode((xmlNode *)assertion, sealed->doc, 1);
    const char *text = NULL;
    xmlChar *octets;
    int len;

    if (!copy) {
        return NULL;
    }
    xmlReplaceNode(sealed, copy);
    xmlFreeNode(sealed);
    signature = sb_xml_child(response, NULL, SB_SAML_NS_DSIG, "Signature");
    if (signature) {
        xmlUnlinkNode(signature);
        xmlFreeNode(signature);
    }
    xmlDocDumpMemoryEnc(response->doc, &octets, &len, "UTF-8");
    if (octets) {
        text = sb_base64_encode(octets, (apr_size_t)len, p);
        xmlFree(octets);
    }
    return text;
}

const char *sb_saml_open(const char **pclean, xmlNode *sealed, const apr_array_header_t *keys,
                         int authentic, apr_pool_t *p)
{
    const xmlNode *data = sb_xml_child(sealed, NULL, XMLENC, "EncryptedData");
    const xmlNode *assertion = NULL;
    const char *octets = NULL, *text = NULL, *why;
    apr_size_t len = 0;
    xmlDoc *doc;

    *pclean = NULL;
    if (data && !sb_xml_child(sealed, data, XMLENC, "EncryptedData")) {
        octets = open_data(&len, sealed, data, keys, authentic, p);
    }
    ERR_clear_error(); /* no news to the next caller of OpenSSL here */
    if (octets && sb_xml_parse(&doc, &why, octets, len, NULL, p) == APR_SUCCESS) {
        assertion = xmlDocGetRootElement(doc);
    }
    if (sb_xml_is(assertion, SB_SAML_NS_ASSERTION, "Assertion")) {
        text = write_open(sealed, assertion, p);
    }
    if (!text || sb_saml_gate_response(pclean, NULL, text, strlen(text), p)) {
        return "encrypted";
    }
    return NULL;
}
