/* lib/lz/sb_lz_keys: whatever a sender hands in as his public key, what is written for sshd is a type, a space
 * and base64, nothing else. The first byte chooses: even: the rest are lines; odd: the rest is a key's content,
 * which is put into base64 first. */

#include "fuzz.h"

#include <apr_strings.h>

#include "core/sb_crypto.h"
#include "lz/sb_lz_keys.h"

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

static const char *as_line(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa",
                                        "sk-ssh-ed25519@openssh.com"};

    return apr_pstrcat(fuzz_pool, types[data[0] / 2 % 4], " ",
                       sb_base64_encode(data + 1, size - 1, fuzz_pool), " somebody", NULL);
}

static void judge(const char *key)
{
    const char *space = strchr(key, ' '), *again;

    must(space && space > key);
    must(strspn(space + 1, base64) == strlen(space + 1));
    must(strcspn(key, " ") == strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-@."));
    must(!sb_lz_key_judge(&again, key, fuzz_pool) && !strcmp(key, again));
}

FUZZ(data, size)
{
    apr_array_header_t *keys;
    const char *problem;
    int i;

    if (size < 2) {
        return;
    }
    problem =
        sb_lz_keys_judge(&keys,
                         data[0] % 2 ? as_line(data, size)
                                     : apr_pstrmemdup(fuzz_pool, (const char *)data + 1, size - 1),
                         fuzz_pool);
    must(!problem || *problem);
    for (i = 0; !problem && i < keys->nelts; i++) {
        judge(APR_ARRAY_IDX(keys, i, const char *));
    }
}
