/* Public ids of states: encoding and decoding. See sb_sid.h. */

#include "core/sb_sid.h"

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/evp.h>
#include <zlib.h>
#include "core/sb_crypto.h"

#define BLOCK 16
#define BLOB (2 * BLOCK) /* IV, and the one block a state code takes */
#define PACKED_MAX 64    /* DEFLATE never makes so much of a blob */
#define RAW_DEFLATE (-15)

static const EVP_CIPHER *cipher_of(const char *secret)
{
    switch (secret ? strlen(secret) : 0) {
    case 16:
        return EVP_aes_128_cbc();
    case 24:
        return EVP_aes_192_cbc();
    case 32:
        return EVP_aes_256_cbc();
    default:
        return NULL;
    }
}

const char *sb_sid_secret_check(const char *secret)
{
    return cipher_of(secret) ? NULL : "want 16, 24 or 32 bytes";
}

int sb_sid_is_plausible(const char *sid)
{
    apr_size_t n = 0;

    for (; sid[n]; n++) {
        if (n == SB_SID_MAX ||
            !(apr_isalnum(sid[n]) || sid[n] == '-' || sid[n] == '=' || sid[n] == '_')) {
            return 0;
        }
    }
    return n >= SB_SID_MIN;
}

/* One block. @param encrypt as EVP_CipherInit_ex */
static int crypt_block(unsigned char *out, const unsigned char *in, const unsigned char *iv,
                       const char *secret, int encrypt)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n, good;

    good = ctx &&
           EVP_CipherInit_ex(ctx, cipher_of(secret), NULL, (const unsigned char *)secret, iv,
                             encrypt) == 1 &&
           EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
           EVP_CipherUpdate(ctx, out, &n, in, BLOCK) == 1 && n == BLOCK;
    EVP_CIPHER_CTX_free(ctx);
    return good;
}

/* ---- encoding -------------------------------------------------------------------------------- */

static apr_status_t pack(const char **psid, const unsigned char *blob, apr_pool_t *p)
{
    unsigned char packed[PACKED_MAX];
    z_stream z = {.next_in = (unsigned char *)blob,
                  .avail_in = BLOB,
                  .next_out = packed,
                  .avail_out = sizeof(packed)};
    char *text;
    int st;

    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, RAW_DEFLATE, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return APR_ENOMEM;
    }
    st = deflate(&z, Z_FINISH);
    deflateEnd(&z);
    if (st != Z_STREAM_END) {
        return APR_EGENERAL;
    }
    text = sb_base64_encode(packed, sizeof(packed) - z.avail_out, p);
    for (char *c = text; *c; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    *psid = text;
    return APR_SUCCESS;
}

apr_status_t sb_sid_encode_iv(const char **psid, const char *state, const char *secret,
                              const unsigned char *iv, apr_pool_t *p)
{
    unsigned char plain[BLOCK] = {0}, blob[BLOB];
    apr_size_t len = strlen(state);

    *psid = NULL;
    if (!cipher_of(secret)) {
        return SB_ECONFIG;
    }
    if (len == 0 || len > SB_SID_STATE_MAX) {
        return SB_EINPUT;
    }
    memcpy(plain, state, len);
    memcpy(blob, iv, BLOCK);
    return crypt_block(blob + BLOCK, plain, iv, secret, 1) ? pack(psid, blob, p) : APR_EGENERAL;
}

apr_status_t sb_sid_encode(const char **psid, const char *state, const char *secret, apr_pool_t *p)
{
    unsigned char iv[BLOCK];
    apr_status_t rv = sb_random(iv, sizeof(iv));

    *psid = NULL;
    return rv == APR_SUCCESS ? sb_sid_encode_iv(psid, state, secret, iv, p) : rv;
}

/* ---- decoding -------------------------------------------------------------------------------- */

/* @return 1: exactly a blob came out, and nothing was left over */
static int unpack(unsigned char *blob, const unsigned char *packed, apr_size_t len)
{
    unsigned char out[BLOB + 1]; /* one byte more shows that it is too much */
    z_stream z = {.next_in = (unsigned char *)packed,
                  .avail_in = (uInt)len,
                  .next_out = out,
                  .avail_out = sizeof(out)};
    int st;

    if (inflateInit2(&z, RAW_DEFLATE) != Z_OK) {
        return 0;
    }
    st = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    memcpy(blob, out, BLOB);
    return st == Z_STREAM_END && z.avail_in == 0 && z.avail_out == sizeof(out) - BLOB;
}

apr_status_t sb_sid_decode(const char **pstate, const char *sid, const char *secret, apr_pool_t *p)
{
    unsigned char blob[BLOB], plain[BLOCK], *packed;
    apr_size_t len = 0;
    char *text;

    *pstate = NULL;
    if (!cipher_of(secret)) {
        return SB_ECONFIG;
    }
    if (!sb_sid_is_plausible(sid)) {
        return SB_EINPUT;
    }
    text = apr_pstrdup(p, sid);
    for (char *c = text; *c; c++) {
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    }
    if (sb_base64_decode(&packed, &len, text, strlen(text), p) != APR_SUCCESS ||
        !unpack(blob, packed, len) || !crypt_block(plain, blob + BLOCK, blob, secret, 0)) {
        return SB_EINPUT;
    }
    for (len = BLOCK; len > 0 && plain[len - 1] == '\0'; len--) {
    }
    if (len == 0 || memchr(plain, '\0', len)) {
        return SB_EINPUT;
    }
    *pstate = apr_pstrmemdup(p, (const char *)plain, len);
    return APR_SUCCESS;
}
