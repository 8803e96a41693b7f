/* lib/auth/sb_relay against a real memcached: one use, one browser, one kind; and where to go after. */

#include "tap.h"
#include "server.h"

#include "auth/sb_relay.h"
#include "core/sb_log.h"

static const struct {
    const char *path;
    int ours;
} targets[] = {
    {"/", 1},
    {"/assets/html/comparingPopulations.html?stateCode=NC&districtId=D001", 1},
    {"/a?next=https://evil.example/", 1}, /* a query is the page's own business */
    {"/a:b@c", 1},
    {"/%2F/evil.example", 1},
    {NULL, 0},
    {"", 0},
    {"//evil.example/", 0},
    {"///evil.example/", 0},
    {"/\\evil.example/", 0},
    {"\\\\evil.example/", 0},
    {"/\t/evil.example/", 0},
    {"/\n/evil.example/", 0},
    {"/a\r\nSet-Cookie: x=y", 0},
    {"https://evil.example/", 0},
    {"https:evil.example", 0},
    {"javascript:alert(1)", 0},
    {" /a", 0},
    {"/a b", 0},
    {"/\"><script>", 0},
    {"/\xc3\xb6", 0},
    {"evil.example", 0},
    {"?a", 0},
    {"/login", 0},
    {"/login?target=/login", 0},
    {"/logout", 0},
    {"/logout_redirect", 0},
    {"/saml_post", 0},
};

/* A record as memcached may have it, sealed for the place of `sealed_for` and put into that of key.
 * @param id the request's, in JSON; age in seconds
 * @return what becomes of it */
static apr_status_t take_old(sb_cache_t *cache, const sb_keyring_t *keys, const char *sealed_for,
                             const char *id, int age, apr_pool_t *p)
{
    const char *key = sb_relay_random(p), *me = sb_relay_random(p);
    const char *text = apr_psprintf(p,
                                    "{\"kind\":0,\"request_id\":%s,\"target\":\"/"
                                    "\",\"browser\":\"%s\",\"made\":%" APR_TIME_T_FMT "}",
                                    id, me, apr_time_now() - apr_time_from_sec(age));
    char hex[SB_SHA256_HEX_SIZE];
    const char *place =
        apr_pstrcat(p, "smarter_relay_", sb_sha256_hex(hex, key, strlen(key)), NULL);
    unsigned char *sealed;
    sb_relay_t got;
    apr_size_t len;

    if (sb_seal(&sealed, &len, keys, text, strlen(text), sealed_for ? sealed_for : place, p) !=
            APR_SUCCESS ||
        sb_cache_set(cache, place, sealed, len, SB_RELAY_LIFE) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    return sb_relay_take(&got, SB_RELAY_SIGN_IN, cache, keys, key, me, p);
}

int main(void)
{
    static const char *const secrets[] = {"a secret of this test only", NULL};
    static const char *const others[] = {"another secret of the test", NULL};
    apr_pool_t *p = tap_pool();
    int number = server_free_port();
    char port[16];
    const char *argv[] = {"memcached", "-l", "127.0.0.1", "-p",     port,
                          "-m",        "8",  "-u",        "nobody", NULL};
    sb_relay_t relay = {.kind = SB_RELAY_SIGN_IN, .request_id = "_id", .target = "/a?b"}, got;
    const char *key = sb_relay_random(p), *me = sb_relay_random(p), *you = sb_relay_random(p);
    sb_keyring_t *keys, *wrong;
    sb_cache_t *cache;
    char *longest;
    pid_t pid;
    size_t i;

    for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        is_int(sb_relay_target_is_ours(targets[i].path), targets[i].ours,
               targets[i].path && !strpbrk(targets[i].path, "\r\n\t")
                   ? targets[i].path
                   : "NULL or control characters");
    }
    longest = apr_palloc(p, 2002);
    memset(longest, '/', 2001);
    memset(longest + 1, 'a', 2000);
    longest[2001] = '\0';
    ok(!sb_relay_target_is_ours(longest), "2001 bytes are too many");
    longest[2000] = '\0';
    ok(sb_relay_target_is_ours(longest), "2000 are not");

    ok(sb_relay_id_is_valid(key) && sb_relay_id_is_valid(me) && strcmp(key, me), "ids");
    ok(!sb_relay_id_is_valid(NULL) && !sb_relay_id_is_valid("") && !sb_relay_id_is_valid("abc") &&
           !sb_relay_id_is_valid(apr_pstrcat(p, key, "0", NULL)) &&
           !sb_relay_id_is_valid(apr_pstrcat(p, "A", key + 1, NULL)),
       "nonsense is none");

    snprintf(port, sizeof(port), "%d", number);
    if (geteuid()) {
        argv[7] = NULL;
    }
    pid = server_start(argv, number);
    if (pid < 0) {
        ok(1, "# SKIP memcached does not start: apt-get install memcached");
        return done();
    }
    if (sb_cache_make(&cache, apr_pstrcat(p, "127.0.0.1:", port, NULL), 2, p) != APR_SUCCESS ||
        sb_keyring_make(&keys, secrets, SB_RELAY_KEYS, p) != APR_SUCCESS ||
        sb_keyring_make(&wrong, others, SB_RELAY_KEYS, p) != APR_SUCCESS) {
        puts("Bail out! no cache or no keys");
        return 1;
    }
    is_int(sb_relay_put(cache, keys, key, me, &relay, p), APR_SUCCESS, "kept");
    is_int(sb_relay_take(&got, SB_RELAY_SIGN_IN, cache, keys, NULL, me, p), APR_NOTFOUND, "no key");
    is_int(sb_relay_take(&got, SB_RELAY_SIGN_IN, cache, keys, "x y", me, p), APR_NOTFOUND,
           "a key of another form");
    is_int(sb_relay_take(&got, SB_RELAY_SIGN_IN, cache, keys, you, me, p), APR_NOTFOUND,
           "an unknown key");
    is_int(sb_relay_take(&got, SB_RELAY_SIGN_IN, cache, wrong, key, me, p), APR_NOTFOUND,
           "sealed with another secret");
    is_int(sb_relay_take(&got, SB_RELAY_SIGN_IN, cache, keys, key, you, p), SB_EDENIED,
           "another browser");
    ok(!got.request_id && !got.target, "learns nothing");
    is_int(sb_relay_take(&got, SB_RELAY_SIGN_IN, cache, keys, key, NULL, p), SB_EDENIED,
           "a browser without cookie");
    is_int(sb_relay_take(&got, SB_RELAY_SIGN_OUT, cache, keys, key, me, p), SB_EDENIED,
           "another kind");
    is_int(sb_relay_take(&got, SB_RELAY_SIGN_IN, cache, keys, key, me, p), APR_SUCCESS,
           "the right one still finds it");
    is_str(got.request_id, "_id", "request id");
    is_str(got.target, "/a?b", "target");
    ok(!got.fresh, "and that no fresh proof was asked for");
    is_int(sb_relay_take(&got, SB_RELAY_SIGN_IN, cache, keys, key, me, p), APR_NOTFOUND, "once");
    is_int(take_old(cache, keys, NULL, "\"_id\"", 590, p), APR_SUCCESS,
           "ten minutes it is waited for");
    is_int(take_old(cache, keys, NULL, "\"_id\"", 601, p), APR_NOTFOUND,
           "no longer, whatever memcached keeps");
    is_int(take_old(cache, keys, "smarter_relay_x", "\"_id\"", 0, p), APR_NOTFOUND,
           "nor one put in the place of another");
    is_int(take_old(cache, keys, NULL, "null", 0, p), APR_NOTFOUND, "nor one that asked nothing");
    relay.fresh = 1;
    ok(sb_relay_put(cache, keys, key, me, &relay, p) == APR_SUCCESS &&
           sb_relay_take(&got, SB_RELAY_SIGN_IN, cache, keys, key, me, p) == APR_SUCCESS &&
           got.fresh,
       "or that it was");
    server_stop(pid, SIGTERM);
    apr_pool_destroy(p);
    return done();
}
