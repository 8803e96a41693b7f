/* Digests, base64, sealing. */
#include "tap.h"
#include "core/sb_crypto.h"

static void base64(apr_pool_t *p)
{
    static const struct {
        const char *text;
        const char *data; /* NULL: refused */
    } cases[] = {
        {"", ""},        {"Zg==", "f"},  {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9\r\n v", "foo"},
        {"Zg=", NULL},   {"Zg", NULL},   {"Z", NULL},    {"Zh==", NULL},  {"Zg==Zg==", NULL},
        {"Zm9v=", NULL}, {"Zm9-", NULL}, {"====", NULL},
    };
    unsigned char *data;
    apr_size_t i, len;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apr_status_t rv = sb_base64_decode(&data, &len, cases[i].text, strlen(cases[i].text), p);

        ok(cases[i].data ? rv == APR_SUCCESS && len == strlen(cases[i].data) &&
                               !memcmp(data, cases[i].data, len)
                         : rv == SB_EINPUT,
           "base64 '%s'", cases[i].text);
    }
    is_str(sb_base64_encode("foobar", 6, p), "Zm9vYmFy", "encoded");
}

int main(void)
{
    static const char *const one[] = {"first secret of sixteen", NULL};
    static const char *const two[] = {"second secret of sixteen", "first secret of sixteen", NULL};
    static const char *const shorty[] = {"short", NULL};
    apr_pool_t *p = tap_pool();
    sb_keyring_t *old, *new, *other;
    unsigned char *sealed, *data;
    char hex[SB_SHA256_HEX_SIZE];
    sb_digest_t *d;
    apr_size_t n, len, i;
    int refused = 0;

    is_str(sb_sha256_hex(hex, "abc", 3),
           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256");
    ok(sb_digest_make(&d, "MD5", p) == APR_SUCCESS && sb_digest_update(d, "abc", 3) == APR_SUCCESS,
       "MD5 begun");
    is_str(sb_digest_hex(d), "900150983cd24fb0d6963f7d28e17f72", "MD5");
    ok(sb_digest_make(&d, "nonsense", p) != APR_SUCCESS, "an unknown digest");
    ok(sb_equal_secret("ab", 2, "ab", 2) && !sb_equal_secret("ab", 2, "ac", 2) &&
           !sb_equal_secret("a", 1, "ab", 2),
       "comparison");
    base64(p);

    ok(sb_keyring_make(&old, one, "session", p) == APR_SUCCESS &&
           sb_keyring_make(&new, two, "session", p) == APR_SUCCESS &&
           sb_keyring_make(&other, one, "relay", p) == APR_SUCCESS,
       "three rings");
    ok(sb_keyring_make(&old, shorty, "session", p) == SB_ECONFIG, "a short secret is refused");
    ok(sb_keyring_make(&old, one, "session", p) == APR_SUCCESS, "again");
    ok(sb_seal(&sealed, &n, old, "hello", 5, "to-1", p) == APR_SUCCESS && n > 5, "sealed");
    ok(sb_unseal(&data, &len, old, sealed, n, "to-1", p) == APR_SUCCESS && len == 5 &&
           !memcmp(data, "hello", 5),
       "opened");
    ok(sb_unseal(&data, &len, new, sealed, n, "to-1", p) == APR_SUCCESS,
       "opened after a key change");
    ok(sb_unseal(&data, &len, other, sealed, n, "to-1", p) == SB_EINPUT,
       "not with the key of another purpose");
    ok(sb_unseal(&data, &len, old, sealed, n, "to-2", p) == SB_EINPUT, "not for another record");
    ok(sb_unseal(&data, &len, old, sealed, 10, "to-1", p) == SB_EINPUT, "not when cut");
    for (i = 0; i < n; i++) {
        sealed[i] ^= 1;
        refused += sb_unseal(&data, &len, old, sealed, n, "to-1", p) == SB_EINPUT;
        sealed[i] ^= 1;
    }
    is_int(refused, (long long)n, "not with any one bit changed");
    return done();
}
