/* The few cryptographic operations the product needs, by OpenSSL. */

#include <stdarg.h>
#include <string.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include "core/sb_crypto.h"

apr_status_t sb_random(void *buf, apr_size_t len)
{
    return RAND_bytes(buf, (int)len) == 1 ? APR_SUCCESS : APR_EGENERAL;
}

static char *to_hex(char *out, const unsigned char *data, apr_size_t len)
{
    static const char hex[] = "0123456789abcdef";
    apr_size_t i;

    for (i = 0; i < len; i++) {
        out[2 * i] = hex[data[i] >> 4];
        out[2 * i + 1] = hex[data[i] & 15];
    }
    out[2 * len] = '\0';
    return out;
}

char *sb_random_hex(apr_size_t nbytes, apr_pool_t *p)
{
    unsigned char *raw = apr_palloc(p, nbytes);

    return sb_random(raw, nbytes) == APR_SUCCESS
               ? to_hex(apr_palloc(p, 2 * nbytes + 1), raw, nbytes)
               : NULL;
}

int sb_equal_secret(const void *a, apr_size_t alen, const void *b, apr_size_t blen)
{
    return alen == blen && CRYPTO_memcmp(a, b, alen) == 0;
}

const char *sb_sha256_hex(char hex[SB_SHA256_HEX_SIZE], const void *data, apr_size_t len)
{
    unsigned char raw[SHA256_DIGEST_LENGTH];

    SHA256(data, len, raw);
    return to_hex(hex, raw, sizeof(raw));
}

/* ---- incremental digests --------------------------------------------------------------------- */

struct sb_digest_t {
    EVP_MD_CTX *ctx;
    apr_pool_t *pool;
};

static apr_status_t free_digest(void *data)
{
    EVP_MD_CTX_free(((sb_digest_t *)data)->ctx);
    return APR_SUCCESS;
}

apr_status_t sb_digest_make(sb_digest_t **pd, const char *algorithm, apr_pool_t *p)
{
    const EVP_MD *md = EVP_get_digestbyname(algorithm);
    sb_digest_t *d = apr_pcalloc(p, sizeof(*d));

    *pd = NULL;
    d->pool = p;
    d->ctx = EVP_MD_CTX_new();
    if (!d->ctx) {
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(p, d, free_digest, apr_pool_cleanup_null);
    if (!md || EVP_DigestInit_ex(d->ctx, md, NULL) != 1) {
        return APR_ENOTIMPL;
    }
    *pd = d;
    return APR_SUCCESS;
}

apr_status_t sb_digest_update(sb_digest_t *d, const void *data, apr_size_t len)
{
    return EVP_DigestUpdate(d->ctx, data, len) == 1 ? APR_SUCCESS : APR_EGENERAL;
}

const char *sb_digest_hex(sb_digest_t *d)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int len;

    if (EVP_DigestFinal_ex(d->ctx, raw, &len) != 1) {
        return NULL;
    }
    return to_hex(apr_palloc(d->pool, 2 * len + 1), raw, len);
}

/* ---- HMAC ------------------------------------------------------------------------------------- */

struct sb_hmac_t {
    EVP_MAC_CTX *ctx;
};

static apr_status_t free_hmac(void *h)
{
    EVP_MAC_CTX_free(((sb_hmac_t *)h)->ctx); /* wipes the key */
    return APR_SUCCESS;
}

apr_status_t sb_hmac_make(sb_hmac_t **ph, const void *key, apr_size_t len, apr_pool_t *p)
{
    static char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    sb_hmac_t *h = apr_palloc(p, sizeof(*h));
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    *ph = NULL;
    h->ctx = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    if (!h->ctx) {
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(p, h, free_hmac, apr_pool_cleanup_null);
    if (EVP_MAC_init(h->ctx, key, len, params) != 1) {
        return APR_EGENERAL;
    }
    *ph = h;
    return APR_SUCCESS;
}

apr_status_t sb_hmac(unsigned char mac[SB_HMAC_SIZE], sb_hmac_t *h, ...)
{
    int good = EVP_MAC_init(h->ctx, NULL, 0, NULL); /* the key stays */
    const void *data;
    apr_size_t len;
    va_list ap;

    va_start(ap, h);
    while ((data = va_arg(ap, const void *)) != NULL) {
        len = va_arg(ap, apr_size_t);
        good = good == 1 && EVP_MAC_update(h->ctx, data, len);
    }
    va_end(ap);
    return good == 1 && EVP_MAC_final(h->ctx, mac, &len, SB_HMAC_SIZE) == 1 ? APR_SUCCESS
                                                                            : APR_EGENERAL;
}

/* ---- base64 ---------------------------------------------------------------------------------- */

char *sb_base64_encode(const void *data, apr_size_t len, apr_pool_t *p)
{
    char *out = apr_palloc(p, (len + 2) / 3 * 4 + 1);

    EVP_EncodeBlock((unsigned char *)out, data, (int)len);
    return out;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* By hand: OpenSSL's decoder accepts more than it should (leading blanks, early ends). */
apr_status_t sb_base64_decode(unsigned char **pdata, apr_size_t *plen, const char *text,
                              apr_size_t len, apr_pool_t *p)
{
    unsigned char *out = apr_palloc(p, len / 4 * 3 + 4);
    apr_size_t i, n = 0;
    unsigned int bits = 0;
    int have = 0, pad = 0;

    *pdata = NULL;
    *plen = 0;
    for (i = 0; i < len; i++) {
        char c = text[i];
        int v;

        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            continue;
        }
        if (c == '=') {
            pad++;
            continue;
        }
        v = sextet(c);
        if (v < 0 || pad) {
            return SB_EINPUT;
        }
        bits = bits << 6 | (unsigned)v;
        if (++have == 4) {
            out[n++] = (unsigned char)(bits >> 16);
            out[n++] = (unsigned char)(bits >> 8);
            out[n++] = (unsigned char)bits;
            bits = 0;
            have = 0;
        }
    }
    if ((have == 0 && pad) || have == 1 || (have && have + pad != 4)) {
        return SB_EINPUT;
    }
    if (have == 2) {
        if (bits & 0x0f) {
            return SB_EINPUT; /* two texts for one value would let a replay look new */
        }
        out[n++] = (unsigned char)(bits >> 4);
    }
    else if (have == 3) {
        if (bits & 0x03) {
            return SB_EINPUT;
        }
        out[n++] = (unsigned char)(bits >> 10);
        out[n++] = (unsigned char)(bits >> 2);
    }
    out[n] = '\0';
    *pdata = out;
    *plen = n;
    return APR_SUCCESS;
}

/* ---- sealing --------------------------------------------------------------------------------- */

#define MAX_KEYS 8
#define KEY_ID_LEN 4
#define NONCE_LEN 12
#define TAG_LEN 16
#define OVERHEAD (KEY_ID_LEN + NONCE_LEN + TAG_LEN)
#define MIN_SECRET_LEN 16

typedef struct {
    unsigned char id[KEY_ID_LEN]; /* names the key inside a sealed record */
    unsigned char key[SB_SEAL_KEY_LEN];
} seal_key_t;

struct sb_keyring_t {
    int n;
    seal_key_t keys[MAX_KEYS];
};

static int hkdf(unsigned char *out, apr_size_t len, const char *secret, const char *label)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM params[4];
    int good;

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0);
    params[1] =
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, strlen(secret));
    params[2] =
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)label, strlen(label));
    params[3] = OSSL_PARAM_construct_end();
    good = ctx && EVP_KDF_derive(ctx, out, len, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return good;
}

static apr_status_t wipe_ring(void *data)
{
    OPENSSL_cleanse(data, sizeof(sb_keyring_t));
    return APR_SUCCESS;
}

apr_status_t sb_keyring_make(sb_keyring_t **pring, const char *const *secrets, const char *label,
                             apr_pool_t *p)
{
    sb_keyring_t *ring = apr_pcalloc(p, sizeof(*ring));
    unsigned char out[KEY_ID_LEN + SB_SEAL_KEY_LEN];

    *pring = NULL;
    apr_pool_cleanup_register(p, ring, wipe_ring, apr_pool_cleanup_null);
    for (; *secrets; secrets++) {
        if (strlen(*secrets) < MIN_SECRET_LEN || ring->n == MAX_KEYS) {
            return SB_ECONFIG;
        }
        if (!hkdf(out, sizeof(out), *secrets, label)) {
            return APR_EGENERAL;
        }
        memcpy(ring->keys[ring->n].id, out, KEY_ID_LEN);
        memcpy(ring->keys[ring->n].key, out + KEY_ID_LEN, SB_SEAL_KEY_LEN);
        OPENSSL_cleanse(out, sizeof(out));
        ring->n++;
    }
    if (ring->n == 0) {
        return SB_ECONFIG;
    }
    *pring = ring;
    return APR_SUCCESS;
}

apr_status_t sb_seal(unsigned char **psealed, apr_size_t *psealed_len, const sb_keyring_t *ring,
                     const void *data, apr_size_t len, const char *aad, apr_pool_t *p)
{
    unsigned char *out = apr_palloc(p, len + OVERHEAD);
    unsigned char *nonce = out + KEY_ID_LEN, *cipher = nonce + NONCE_LEN;
    EVP_CIPHER_CTX *ctx;
    apr_status_t rv;
    int n;

    *psealed = NULL;
    *psealed_len = 0;
    memcpy(out, ring->keys[0].id, KEY_ID_LEN);
    rv = sb_random(nonce, NONCE_LEN);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    ctx = EVP_CIPHER_CTX_new();
    rv = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, ring->keys[0].key, nonce) == 1 &&
                 (!aad || EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *)aad,
                                            (int)strlen(aad)) == 1) &&
                 EVP_EncryptUpdate(ctx, cipher, &n, data, (int)len) == 1 &&
                 EVP_EncryptFinal_ex(ctx, cipher + n, &n) == 1 &&
                 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, cipher + len) == 1
             ? APR_SUCCESS
             : APR_EGENERAL;
    EVP_CIPHER_CTX_free(ctx);
    if (rv == APR_SUCCESS) {
        *psealed = out;
        *psealed_len = len + OVERHEAD;
    }
    return rv;
}

apr_status_t sb_unseal(unsigned char **pdata, apr_size_t *plen, const sb_keyring_t *ring,
                       const void *sealed, apr_size_t sealed_len, const char *aad, apr_pool_t *p)
{
    const unsigned char *in = sealed, *nonce = in + KEY_ID_LEN, *cipher = nonce + NONCE_LEN;
    const unsigned char *key = NULL;
    EVP_CIPHER_CTX *ctx;
    unsigned char *out;
    apr_size_t len;
    int i, n, good;

    *pdata = NULL;
    *plen = 0;
    if (sealed_len < OVERHEAD) {
        return SB_EINPUT;
    }
    for (i = 0; i < ring->n; i++) {
        if (!memcmp(ring->keys[i].id, in, KEY_ID_LEN)) {
            key = ring->keys[i].key;
            break;
        }
    }
    if (!key) {
        return SB_EINPUT;
    }
    len = sealed_len - OVERHEAD;
    out = apr_palloc(p, len + 1);
    ctx = EVP_CIPHER_CTX_new();
    good = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
           (!aad ||
            EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *)aad, (int)strlen(aad)) == 1) &&
           EVP_DecryptUpdate(ctx, out, &n, cipher, (int)len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, (void *)(cipher + len)) == 1 &&
           EVP_DecryptFinal_ex(ctx, out + n, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!good) {
        OPENSSL_cleanse(out, len);
        return SB_EINPUT;
    }
    out[len] = '\0';
    *pdata = out;
    *plen = len;
    return APR_SUCCESS;
}
