/* lib/auth/sb_session against a real memcached: limits, sealing, and what ends them. */

#include "tap.h"
#include "server.h"

#include "auth/sb_session.h"
#include "core/sb_json.h"
#include "core/sb_log.h"

#define MINUTE apr_time_from_sec(60)

static apr_pool_t *p;
static sb_session_store_t store;
static apr_time_t fake_now;

static apr_time_t clock_of_test(void)
{
    return fake_now;
}

static void quiet(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    (void)ctx;
    (void)level;
    (void)number;
    (void)rv;
    (void)text;
}

static sb_session_t *sign_in(const char *name_id, const char *index)
{
    apr_array_header_t *raw = apr_array_make(p, 1, sizeof(sb_grant_t));
    sb_session_t *s = apr_pcalloc(p, sizeof(*s));

    *(sb_grant_t *)apr_array_push(raw) = (sb_grant_t){"PII", "nc", "NC", "D001", "S\"\xc3\xb6<>"};
    s->identity = apr_pcalloc(p, sizeof(*s->identity));
    s->identity->guid = "guid-1";
    s->identity->uid = "uid-1";
    sb_identity_build(s->identity, raw, store.tenants, p);
    s->name_id = name_id;
    s->session_index = index;
    s->lasso_dump = apr_pstrcat(p, "<dump of ", name_id ? name_id : "nobody", "/>", NULL);
    return s;
}

static sb_session_t *created(const char *name_id, const char *index)
{
    sb_session_t *s = sign_in(name_id, index);

    if (sb_session_create(s, &store, p) != APR_SUCCESS) {
        puts("Bail out! no session can be made");
        exit(EXIT_FAILURE);
    }
    return s;
}

/* As a request does that is let in. */
static apr_status_t find(sb_session_t **ps, const sb_session_store_t *in, const char *id,
                         apr_pool_t *pool)
{
    apr_status_t rv = sb_session_look(ps, in, id, pool);

    return rv == APR_SUCCESS ? sb_session_use(*ps, in, pool) : rv;
}

static int alive(const sb_session_t *s)
{
    sb_session_t *found;

    return find(&found, &store, s->id, p) == APR_SUCCESS;
}

static void comes_back(void)
{
    sb_session_t *a = created("name-1", "index-1"), *b = created("name-2", NULL), *found = NULL;
    sb_jw_t *w1 = sb_jw_make(p), *w2 = sb_jw_make(p);

    ok(strlen(a->id) == 64 && strcmp(a->id, b->id), "ids of 256 bits, each its own");
    ok(strlen(a->csrf) == 32 && strcmp(a->csrf, b->csrf) && !strstr(a->id, a->csrf),
       "so are the tokens");
    is_int(find(&found, &store, a->id, p), APR_SUCCESS, "it is found");
    ok(found && found->created == fake_now && found->not_after == fake_now + store.absolute,
       "with its times");
    is_str(found->name_id, "name-1", "name");
    is_str(found->session_index, "index-1", "session index");
    is_str(found->csrf, a->csrf, "token");
    sb_identity_json(w1, NULL, a->identity);
    sb_identity_json(w2, NULL, found->identity);
    is_str(sb_jw_text(w2, NULL), sb_jw_text(w1, NULL), "and the same person");
    is_str(sb_session_lasso(&store, found, p), "<dump of name-1/>", "Lasso's part is there");
    ok(!strstr(sb_session_ref(a->id, p), "-") && strlen(sb_session_ref(a->id, p)) == 12 &&
           !strstr(a->id, sb_session_ref(a->id, p)),
       "its name in logs is no part of the id");
}

static void nonsense(void)
{
    sb_session_t *s = created("name-3", NULL), *found = s;
    char *id;

    static const char *const ids[] = {
        "",
        "x",
        "00000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "ABCDEF0000000000000000000000000000000000000000000000000000000000",
        "../../../../../../../../../../../../../../../../../../../../../..",
        "00000000000000000000000000000000\r\nflush_all\r\n0000000000000000000",
        NULL};

    for (int i = 0; i < 8; i++) {
        ok(find(&found, &store, ids[i], p) == APR_NOTFOUND && !found, "no session: %s",
           ids[i] ? i == 6 ? "a command" : ids[i] : "NULL");
    }
    for (int i = 0; i < 64; i += 21) {
        id = apr_pstrdup(p, s->id);
        id[i] = id[i] == '0' ? '1' : '0';
        is_int(find(&found, &store, id, p), APR_NOTFOUND, "one digit changed");
    }
    id = apr_pstrcat(p, s->id, "0", NULL);
    is_int(find(&found, &store, id, p), APR_NOTFOUND, "one more digit");
    ok(alive(s), "the real one still lives");
}

static void time_passes(void)
{
    sb_session_t *s = created("name-4", NULL), *found;
    apr_time_t start = fake_now;

    fake_now = start + store.idle - 1;
    ok(alive(s), "just inside the idle limit");
    fake_now = start + store.idle + MINUTE;
    ok(alive(s), "being used put the limit off");
    fake_now += store.idle;
    ok(!alive(s), "unused for the idle limit: it is over");

    s = created("name-5", NULL);
    start = fake_now;
    for (int i = 0; i < 200 && alive(s); i++) {
        fake_now += 5 * MINUTE;
    }
    is_int((fake_now - start) / MINUTE, store.absolute / MINUTE,
           "used all the time it lives until the absolute limit");

    s = created("name-6", NULL);
    start = fake_now;
    fake_now = start + apr_time_from_sec(1);
    is_int(find(&found, &store, s->id, p), APR_SUCCESS, "a second later");
    is_int(found->seen, start, "nothing was written");
    fake_now = start + 2 * MINUTE;
    is_int(find(&found, &store, s->id, p), APR_SUCCESS, "two minutes later");
    is_int(found->seen, fake_now, "something was");

    s = sign_in("name-7", NULL);
    s->not_after = fake_now + MINUTE;
    is_int(sb_session_create(s, &store, p), APR_SUCCESS, "the identity provider's limit");
    ok(alive(s), "is not reached");
    fake_now += MINUTE;
    ok(!alive(s), "is reached");
    s = sign_in("name-8", NULL);
    s->not_after = fake_now;
    is_int(sb_session_create(s, &store, p), SB_EEXPIRED, "one that is past makes no session");
    s = sign_in("name-9", NULL);
    s->not_after = fake_now + 1000 * store.absolute;
    ok(sb_session_create(s, &store, p) == APR_SUCCESS && s->not_after == fake_now + store.absolute,
       "one later than ours does not count");
}

static const char *cache_key(const sb_session_t *s)
{
    char hex[SB_SHA256_HEX_SIZE];

    return apr_pstrcat(p, "smarter_session_", sb_sha256_hex(hex, s->id, 64), NULL);
}

/* ---- versions ---------------------------------------------------------------------------------- */

/* The record as the reader of another version opens it. */
static sb_json_t *record_of(const sb_session_t *s)
{
    unsigned char *text;
    apr_size_t len;
    sb_json_t *root;
    char *sealed;

    if (sb_cache_get(&sealed, &len, store.cache, cache_key(s), p) != APR_SUCCESS ||
        sb_unseal(&text, &len, store.keys, sealed, len, cache_key(s), p) != APR_SUCCESS ||
        sb_json_parse(&root, NULL, (const char *)text, len, NULL, p) != APR_SUCCESS) {
        puts("Bail out! no record");
        exit(EXIT_FAILURE);
    }
    return root;
}

static apr_int64_t number_of(const sb_json_t *root, const char *name)
{
    apr_int64_t n;

    return sb_json_int(&n, sb_json_get(root, name)) == APR_SUCCESS ? n : -99;
}

/* A record as it was written by a version of ours, in the place of s. */
static int alive_as(const sb_session_t *s, const char *version, const char *who)
{
    const char *text = apr_psprintf(p,
                                    "{\"v\":%s,\"created\":%" APR_TIME_T_FMT
                                    ",\"seen\":%" APR_TIME_T_FMT ",\"not_after\":%" APR_TIME_T_FMT
                                    ",\"name_id\":\"name-v\",\"session_index\":null,"
                                    "\"slot\":3,\"csrf\":\"0123\",\"identity\":%s}",
                                    version, s->created, s->seen, s->not_after, who);
    unsigned char *sealed;
    apr_size_t len;

    return sb_seal(&sealed, &len, store.keys, text, strlen(text), cache_key(s), p) == APR_SUCCESS &&
           sb_cache_set(store.cache, cache_key(s), sealed, len, MINUTE) == APR_SUCCESS && alive(s);
}

/* Processes of two versions side by side: each opens what the other wrote. */
static void versions(void)
{
    static const char somebody[] =
        "{\"guid\":\"guid-1\",\"grants\":[[\"PII\",\"nc\",\"NC\",null,null]]}";
    sb_session_t *s = created("name-v", NULL), *found, *batch = sign_in(NULL, NULL);

    is_int(number_of(record_of(s), "v"), 1, "the first version understands what is written");
    is_int(number_of(record_of(s), "slot"), -1, "in which it finds what it wants");
    ok(alive_as(s, "1", somebody), "a record of the first version");
    is_int(sb_session_look(&found, &store, s->id, p), APR_SUCCESS, "is somebody's");
    is_str(found->identity->guid, "guid-1", "whose it says");
    ok(sb_identity_has_role(found->identity, "PII"), "with his roles");
    fake_now += 2 * MINUTE;
    ok(alive(s) && number_of(record_of(s), "seen") == fake_now, "being used, it is written again");
    is_int(number_of(record_of(s), "v"), 1, "for the first version, too");
    ok(!alive_as(s, "3", somebody), "one of a version to come is nobody's");
    ok(!alive_as(s, "0", somebody) && !alive_as(s, "\"1\"", somebody), "nor is one of none");
    ok(!alive_as(s, "1", "{\"grants\":[[\"PII\",\"nc\",\"NC\",null,null]]}"),
       "nor one that names nobody");

    batch->identity->batch = "night";
    batch->not_after = fake_now + MINUTE;
    is_int(sb_session_create(batch, &store, p), APR_SUCCESS, "a program's session");
    is_int(number_of(record_of(batch), "v"), 2, "would be misunderstood by the first version");
}

/* Somebody who can write to memcached but does not know the key. */
static void tampering(void)
{
    sb_session_t *a = created("name-a", NULL), *b = created("name-b", NULL);
    apr_size_t len, before;
    char *data;

    is_int(sb_cache_get(&data, &len, store.cache, cache_key(a), p), APR_SUCCESS, "a record");
    ok(!memmem(data, len, "guid-1", 6) && !memmem(data, len, a->id, 64),
       "the record tells nothing");
    before = len;
    data[len / 2] ^= 1;
    is_int(sb_cache_set(store.cache, cache_key(a), data, len, MINUTE), APR_SUCCESS,
           "one bit is turned");
    ok(!alive(a), "no session");
    data[len / 2] ^= 1;
    is_int(sb_cache_set(store.cache, cache_key(a), data, len - 1, MINUTE), APR_SUCCESS,
           "one byte is cut off");
    ok(!alive(a), "no session");
    is_int(sb_cache_set(store.cache, cache_key(a), data, 3, MINUTE), APR_SUCCESS, "all but three");
    ok(!alive(a), "no session");
    is_int(sb_cache_set(store.cache, cache_key(b), data, before, MINUTE), APR_SUCCESS,
           "one's record under another's id");
    ok(!alive(b), "no session");
    is_int(sb_cache_set(store.cache, cache_key(a), data, before, MINUTE), APR_SUCCESS,
           "put back as it was");
    ok(alive(a), "it is the session");
}

static void keys_change(void)
{
    static const char *const old_keys[] = {"the first secret of this test", NULL};
    static const char *const both[] = {"the second secret of this test",
                                       "the first secret of this test", NULL};
    static const char *const new_keys[] = {"the second secret of this test", NULL};
    const sb_keyring_t *keep = store.keys;
    sb_keyring_t *ring;
    sb_session_t *before, *after;

    is_int(sb_keyring_make(&ring, old_keys, SB_SESSION_KEYS, p), APR_SUCCESS, "old secret");
    store.keys = ring;
    before = created("name-k", NULL);
    is_int(sb_keyring_make(&ring, both, SB_SESSION_KEYS, p), APR_SUCCESS, "new and old secret");
    store.keys = ring;
    ok(alive(before), "sessions live on");
    after = created("name-l", NULL);
    is_int(sb_keyring_make(&ring, new_keys, SB_SESSION_KEYS, p), APR_SUCCESS, "new secret only");
    store.keys = ring;
    ok(!alive(before) && alive(after), "the old ones are over");
    store.keys = keep;
}

static void ends(void)
{
    sb_session_t *s = created("name-e", NULL);

    is_int(sb_session_end(&store, s->id), APR_SUCCESS, "end it");
    ok(!alive(s) && !sb_session_lasso(&store, s, p), "nothing is left");
    is_int(sb_session_end(&store, s->id), APR_SUCCESS, "again");
    is_int(sb_session_end(&store, "nonsense"), APR_SUCCESS, "or what never was");

    s = created("name-f", NULL);
    fake_now += 2 * MINUTE; /* the next look writes "seen" */
    is_int(sb_cache_delete(store.cache, cache_key(s)), APR_SUCCESS,
           "ended by one request while another holds it");
    is_int(sb_cache_replace(store.cache, cache_key(s), "x", 1, MINUTE), APR_NOTFOUND,
           "cannot be written back");
}

/* Two processes of one node share the counters; a third one, of another node, does not. */
static void near_at_hand(void)
{
    static apr_uint32_t node[SB_SESSION_GROUPS], other_node[SB_SESSION_GROUPS];
    sb_session_store_t one = store, two = store, far = store;
    sb_session_t *s = created("name-n", "index-n"), *found;

    one.ended = two.ended = node;
    far.ended = other_node;
    if (sb_near_make(&one.near, 1 << 20, p) != APR_SUCCESS ||
        sb_near_make(&two.near, 1 << 20, p) != APR_SUCCESS ||
        sb_near_make(&far.near, 1 << 20, p) != APR_SUCCESS) {
        ok(0, "a store");
        return;
    }
    ok(find(&found, &one, s->id, p) == APR_SUCCESS, "found in memcached");
    is_int(sb_cache_delete(store.cache, cache_key(s)), APR_SUCCESS, "which then forgets it");
    ok(find(&found, &one, s->id, p) == APR_SUCCESS && !strcmp(found->id, s->id) &&
           !strcmp(found->identity->guid, "guid-1") && !strcmp(found->csrf, s->csrf),
       "whoever has just opened it knows it still, all of it");
    is_int(find(&found, &two, s->id, p), APR_NOTFOUND, "nobody else does");
    fake_now += store.idle;
    is_int(find(&found, &one, s->id, p), APR_NOTFOUND, "the limits hold for him too");
    fake_now -= store.idle;

    s = created("name-n", "index-n");
    ok(find(&found, &one, s->id, p) == APR_SUCCESS && find(&found, &two, s->id, p) == APR_SUCCESS &&
           find(&found, &far, s->id, p) == APR_SUCCESS,
       "all three have opened one");
    is_int(sb_session_end(&one, s->id), APR_SUCCESS, "one ends it");
    ok(find(&found, &one, s->id, p) == APR_NOTFOUND && find(&found, &two, s->id, p) == APR_NOTFOUND,
       "it is over at once on that node");
    apr_sleep(SB_SESSION_TRUST + APR_USEC_PER_SEC / 20);
    is_int(find(&found, &far, s->id, p), APR_NOTFOUND, "on the others a second later");
}

int main(void)
{
    static const char *const secrets[] = {"a secret of this test only", NULL};
    char port[16];
    const char *argv[] = {"memcached", "-l", "127.0.0.1", "-p",     port,
                          "-m",        "8",  "-u",        "nobody", NULL};
    apr_array_header_t *tenants;
    sb_session_t *s, *found;
    sb_keyring_t *ring;
    pid_t pid;
    int number = server_free_port();

    p = tap_pool();
    snprintf(port, sizeof(port), "%d", number);
    if (geteuid()) {
        argv[7] = NULL;
    }
    pid = server_start(argv, number);
    if (pid < 0) {
        puts("1..0 # SKIP memcached does not start: apt-get install memcached");
        return 0;
    }
    sb_log_set(quiet, NULL);
    tenants = apr_array_make(p, 1, sizeof(sb_tenant_t));
    *(sb_tenant_t *)apr_array_push(tenants) = (sb_tenant_t){"nc", "NC"};
    fake_now = apr_time_now();
    store.idle = 20 * MINUTE;
    store.absolute = 120 * MINUTE;
    store.tenants = tenants;
    store.clock = clock_of_test;
    if (sb_cache_make(&store.cache, apr_pstrcat(p, "127.0.0.1:", port, NULL), 2, p) !=
            APR_SUCCESS ||
        sb_keyring_make(&ring, secrets, SB_SESSION_KEYS, p) != APR_SUCCESS) {
        puts("Bail out! no cache or no keys");
        return 1;
    }
    store.keys = ring;
    comes_back();
    nonsense();
    time_passes();
    versions();
    tampering();
    keys_change();
    ends();
    near_at_hand();
    s = created("last", NULL);
    server_stop(pid, SIGKILL);
    is_int(find(&found, &store, s->id, p), SB_EUNAVAILABLE,
           "with the cache down nobody is told that his session is over");
    is_int(sb_session_create(sign_in("down", NULL), &store, p), SB_EUNAVAILABLE,
           "and none is made");
    apr_pool_destroy(p);
    return done();
}
