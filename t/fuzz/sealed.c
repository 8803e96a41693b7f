/* lib/core/sb_crypto: base64 from browsers, and sealed records from a cache anybody might write to. */

#include "fuzz.h"

#include "core/sb_crypto.h"

FUZZ(data, size)
{
    static const char *const secrets[] = {"sixteen characters", "an older secret of ours", NULL};
    unsigned char *out;
    sb_keyring_t *ring;
    apr_size_t len;

    if (sb_base64_decode(&out, &len, (const char *)data, size, fuzz_pool) == APR_SUCCESS) {
        unsigned char *again;
        apr_size_t n;
        char *text = sb_base64_encode(out, len, fuzz_pool);

        must(out[len] == '\0');
        must(sb_base64_decode(&again, &n, text, strlen(text), fuzz_pool) == APR_SUCCESS);
        must(n == len && !memcmp(out, again, n));
    }
    must(sb_keyring_make(&ring, secrets, "fuzz", fuzz_pool) == APR_SUCCESS);
    must(sb_unseal(&out, &len, ring, data, size, "aad", fuzz_pool) == SB_EINPUT);
    if (size && size < 2000) {
        unsigned char *sealed;
        apr_size_t n;

        must(sb_seal(&sealed, &n, ring, data, size, "aad", fuzz_pool) == APR_SUCCESS);
        must(sb_unseal(&out, &len, ring, sealed, n, "aad", fuzz_pool) == APR_SUCCESS);
        must(len == size && !memcmp(out, data, len));
        sealed[data[0] % n] ^= 1;
        must(sb_unseal(&out, &len, ring, sealed, n, "aad", fuzz_pool) == SB_EINPUT);
    }
}
