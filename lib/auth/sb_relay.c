/* Round trips to the identity provider: sealed records of one use. */

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "auth/sb_relay.h"
#include "core/sb_json.h"

#define ID_BYTES (SB_BROWSER_ID_LEN / 2)
#define TARGET_MAX 2000

const char *sb_relay_random(apr_pool_t *p)
{
    return sb_random_hex(ID_BYTES, p);
}

int sb_relay_id_is_valid(const char *id)
{
    apr_size_t n = 0;

    for (; id && id[n] && n <= SB_BROWSER_ID_LEN; n++) {
        if (!apr_isdigit(id[n]) && !(id[n] >= 'a' && id[n] <= 'f')) {
            return 0;
        }
    }
    return n == SB_BROWSER_ID_LEN;
}

/* Under a hash: who can list memcached's keys learns no RelayState. */
static const char *cache_key(const char *key, apr_pool_t *p)
{
    char hex[SB_SHA256_HEX_SIZE];

    return apr_pstrcat(p, "smarter_relay_", sb_sha256_hex(hex, key, strlen(key)), NULL);
}

apr_status_t sb_relay_put(sb_cache_t *cache, const sb_keyring_t *keys, const char *key,
                          const char *browser, const sb_relay_t *relay, apr_pool_t *p)
{
    const char *where = cache_key(key, p);
    sb_jw_t *w = sb_jw_make(p);
    unsigned char *sealed;
    apr_size_t len;
    apr_status_t rv;
    const char *text;

    sb_jw_object(w, NULL);
    sb_jw_int(w, "kind", relay->kind);
    sb_jw_str(w, "request_id", relay->request_id);
    sb_jw_str(w, "target", relay->target);
    sb_jw_str(w, "browser", browser);
    sb_jw_int(w, "fresh", relay->fresh);
    sb_jw_int(w, "made", apr_time_now());
    sb_jw_end(w);
    text = sb_jw_text(w, &len);
    rv = sb_seal(&sealed, &len, keys, text, len, where, p);
    return rv == APR_SUCCESS ? sb_cache_set(cache, where, sealed, len, SB_RELAY_LIFE) : rv;
}

apr_status_t sb_relay_take(sb_relay_t *relay, sb_relay_kind_t kind, sb_cache_t *cache,
                           const sb_keyring_t *keys, const char *key, const char *browser,
                           apr_pool_t *p)
{
    const char *where, *owner;
    apr_int64_t have, made, fresh;
    unsigned char *text;
    apr_status_t rv;
    sb_json_t *root;
    apr_size_t len;
    char *sealed;

    memset(relay, 0, sizeof(*relay));
    if (!sb_relay_id_is_valid(key)) {
        return APR_NOTFOUND;
    }
    where = cache_key(key, p);
    rv = sb_cache_get(&sealed, &len, cache, where, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (sb_unseal(&text, &len, keys, sealed, len, where, p) != APR_SUCCESS ||
        sb_json_parse(&root, NULL, (const char *)text, len, NULL, p) != APR_SUCCESS ||
        sb_json_int(&have, sb_json_get(root, "kind")) != APR_SUCCESS ||
        sb_json_int(&made, sb_json_get(root, "made")) != APR_SUCCESS ||
        apr_time_now() - made > SB_RELAY_LIFE) {
        return APR_NOTFOUND;
    }
    owner = sb_json_str(sb_json_get(root, "browser"), "");
    if (have != kind || !sb_relay_id_is_valid(browser) ||
        !sb_equal_secret(owner, strlen(owner), browser, strlen(browser))) {
        return SB_EDENIED;
    }
    rv = sb_cache_delete(cache, where);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    relay->kind = kind;
    relay->request_id = sb_json_str(sb_json_get(root, "request_id"), NULL);
    relay->target = sb_json_str(sb_json_get(root, "target"), "/");
    relay->fresh = sb_json_int(&fresh, sb_json_get(root, "fresh")) == APR_SUCCESS && fresh;
    return relay->request_id ? APR_SUCCESS : APR_NOTFOUND;
}

int sb_relay_target_is_ours(const char *path)
{
    static const char *const circles[] = {"/login", "/logout", "/saml_", "//"};
    apr_size_t i, n;

    if (!path || path[0] != '/') {
        return 0;
    }
    for (n = 0; path[n]; n++) {
        if (n == TARGET_MAX || (unsigned char)path[n] <= ' ' || (unsigned char)path[n] >= 0x7f ||
            strchr("\\\"<>^`{|}", path[n])) {
            return 0;
        }
    }
    for (i = 0; i < sizeof(circles) / sizeof(circles[0]); i++) {
        if (!strncmp(path, circles[i], strlen(circles[i]))) {
            return 0;
        }
    }
    return 1;
}
