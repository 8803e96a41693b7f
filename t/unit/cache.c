/* lib/store/sb_cache against real memcached servers on free ports. */

#include "tap.h"
#include "server.h"

#include <apr_strings.h>

#include "core/sb_log.h"
#include "store/sb_cache.h"

#define MINUTE apr_time_from_sec(60)

static void quiet(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    (void)level;
    (void)rv;
    (void)text;
    *(int *)ctx = number;
}

static pid_t start(int port)
{
    char text[16];
    const char *as_root[] = {"memcached", "-l", "127.0.0.1", "-p",     text,
                             "-m",        "8",  "-u",        "nobody", NULL};

    snprintf(text, sizeof(text), "%d", port);
    if (geteuid()) {
        as_root[7] = NULL;
    }
    return server_start(as_root, port);
}

/* Bytes that cannot be packed. */
static char *noise(apr_size_t len, apr_pool_t *p)
{
    char *text = apr_palloc(p, len);
    unsigned x = 12345;

    for (apr_size_t i = 0; i < len; i++) {
        x = x * 1103515245 + 12345;
        text[i] = (char)(x >> 16);
    }
    return text;
}

static void comes_back(sb_cache_t *c, const char *value, apr_size_t len, const char *what,
                       apr_pool_t *p)
{
    apr_size_t got_len;
    char *got;

    is_int(sb_cache_set(c, "big", value, len, MINUTE), APR_SUCCESS, what);
    ok(sb_cache_get(&got, &got_len, c, "big", p) == APR_SUCCESS && got_len == len &&
           !memcmp(got, value, len),
       "and comes back");
}

static void large(sb_cache_t *c, apr_pool_t *p)
{
    char *mixed = apr_pcalloc(p, 8 * 1024 * 1024), *random = noise(2 * 1024 * 1024, p);

    comes_back(c, random, 1024 * 1023, "1 MiB - 1 KiB fits", p);
    is_int(sb_cache_set(c, "big", random, 1024 * 1023 + 1, MINUTE), SB_ETOOBIG,
           "one byte more does not, if it cannot be packed");
    for (apr_size_t i = 0; i < 8 * 1024 * 1024; i += 64) {
        memcpy(mixed + i, random + i / 64, 4);
    }
    comes_back(c, mixed, 8 * 1024 * 1024, "8 MiB that can be packed", p);
    comes_back(c, mixed, 256 * 1024, "a quarter of one", p);
    is_int(sb_cache_add(c, "packed", mixed, 2 * 1024 * 1024, MINUTE), APR_SUCCESS, "add packs too");
    is_int(sb_cache_replace(c, "packed", mixed, 3 * 1024 * 1024, MINUTE), APR_SUCCESS,
           "so does replace");
    is_int(sb_cache_set(c, "big", mixed, 65 * 1024 * 1024, MINUTE), SB_ETOOBIG,
           "there is a limit, before anything is read");
}

static void values(sb_cache_t *c, apr_pool_t *p)
{
    static const char binary[] = "a\0b\r\nEND\r\n";
    apr_size_t len;
    apr_uint64_t n;
    char *got, *long_key;

    is_int(sb_cache_get(&got, &len, c, "nothing", p), APR_NOTFOUND, "a miss is APR_NOTFOUND");
    ok(!got && !len, "a miss leaves nothing behind");
    is_int(sb_cache_set(c, "k", binary, sizeof(binary), MINUTE), APR_SUCCESS, "set");
    is_int(sb_cache_get(&got, &len, c, "k", p), APR_SUCCESS, "get");
    ok(len == sizeof(binary) && !memcmp(got, binary, len), "any bytes come back");
    is_int(sb_cache_set(c, "k", "", 0, 0), APR_SUCCESS, "an empty value");
    is_int(sb_cache_get(&got, &len, c, "k", p), APR_SUCCESS, "is found");
    ok(got && !len && !*got, "and is empty");
    is_int(sb_cache_add(c, "k", "x", 1, MINUTE), APR_EEXIST, "add finds it there");
    is_int(sb_cache_add(c, "new", "x", 1, MINUTE), APR_SUCCESS, "add of a new key");
    for (int i = 1; i <= 3; i++) {
        ok(sb_cache_count(&n, c, "counted", MINUTE) == APR_SUCCESS && n == (apr_uint64_t)i,
           "count %d", i);
    }
    is_int(sb_cache_replace(c, "k", "r", 1, MINUTE), APR_SUCCESS, "replace what is there");
    is_int(sb_cache_get(&got, &len, c, "k", p), APR_SUCCESS, "get it");
    is_str(got, "r", "replaced");
    is_int(sb_cache_delete(c, "k"), APR_SUCCESS, "delete");
    is_int(sb_cache_replace(c, "k", "r", 1, MINUTE), APR_NOTFOUND, "nothing to replace");
    is_int(sb_cache_delete(c, "k"), APR_SUCCESS, "delete of nothing");
    is_int(sb_cache_get(&got, &len, c, "k", p), APR_NOTFOUND, "it is gone");

    is_int(sb_cache_set(c, "brief", "x", 1, apr_time_from_msec(10)), APR_SUCCESS,
           "expires in 10 ms");
    is_int(sb_cache_get(&got, &len, c, "brief", p), APR_SUCCESS, "a short life is rounded up");
    apr_sleep(apr_time_from_msec(2200));
    is_int(sb_cache_get(&got, &len, c, "brief", p), APR_NOTFOUND, "and ends");
    is_int(sb_cache_set(c, "k", "x", 1, apr_time_from_sec(3600 * 24 * 365)), APR_SUCCESS,
           "a year is taken as 30 days");
    is_int(sb_cache_get(&got, &len, c, "k", p), APR_SUCCESS, "and not as a date in the past");

    large(c, p);

    long_key = apr_pcalloc(p, 402);
    memset(long_key, 'k', 400);
    is_int(sb_cache_set(c, long_key, "1", 1, MINUTE), APR_SUCCESS, "a long key");
    long_key[400] = 'k';
    is_int(sb_cache_get(&got, &len, c, long_key, p), APR_NOTFOUND, "differs in its last byte");
    long_key[400] = '\0';
    is_int(sb_cache_get(&got, &len, c, long_key, p), APR_SUCCESS, "and is found");
    is_int(sb_cache_set(c, "", "x", 1, MINUTE), SB_EINPUT, "no empty key");
    is_int(sb_cache_set(c, "a b", "x", 1, MINUTE), SB_EINPUT, "no blank in a key");
    is_int(sb_cache_get(&got, &len, c, "a\r\nflush_all", p), SB_EINPUT, "no command in a key");
}

/* How many of 100 keys can be set and got? */
static int working(sb_cache_t *c, apr_pool_t *p)
{
    apr_size_t len;
    char *got;
    int i, good = 0;

    for (i = 0; i < 100; i++) {
        const char *key = apr_psprintf(p, "spread-%d", i);

        good += sb_cache_set(c, key, "v", 1, MINUTE) == APR_SUCCESS &&
                sb_cache_get(&got, &len, c, key, p) == APR_SUCCESS;
    }
    return good;
}

int main(void)
{
    apr_pool_t *p = tap_pool(), *sub;
    int port1 = server_free_port(), port2, logged = 0;
    pid_t pid1 = start(port1), pid2;
    sb_cache_t *c;
    apr_time_t t0;
    apr_size_t len;
    char *got;

    if (pid1 < 0) {
        puts("1..0 # SKIP memcached does not start: apt-get install memcached");
        return 0;
    }
    sb_log_set(quiet, &logged);
    is_int(sb_cache_make(&c, "", 0, p), SB_ECONFIG, "no server is no configuration");
    is_int(sb_cache_make(&c, "host:port", 0, p), SB_ECONFIG, "nor is a port that is no number");

    apr_pool_create(&sub, p);
    is_int(sb_cache_make(&c, apr_psprintf(p, "127.0.0.1:%d", port1), 4, sub), APR_SUCCESS, "make");
    is_int(sb_cache_ping(c), APR_SUCCESS, "ping");
    values(c, sub);
    is_int(logged, 0, "nothing to complain about so far");

    server_stop(pid1, SIGKILL);
    t0 = apr_time_now();
    is_int(sb_cache_get(&got, &len, c, "new", sub), SB_EUNAVAILABLE, "the only server is dead");
    is_int(sb_cache_set(c, "new", "x", 1, MINUTE), SB_EUNAVAILABLE, "so nothing can be set");
    is_int(sb_cache_ping(c), SB_EUNAVAILABLE, "and ping says so");
    ok(apr_time_now() - t0 < apr_time_from_sec(1), "without delay");
    is_int(logged, 1260, "one line tells the operator");
    pid1 = start(port1);
    ok(pid1 > 0, "it is started again");
    is_int(sb_cache_ping(c), APR_SUCCESS, "ping sees it at once");
    for (t0 = apr_time_now(); apr_time_now() - t0 < apr_time_from_sec(12);) {
        if (sb_cache_set(c, "new", "y", 1, MINUTE) == APR_SUCCESS) {
            break;
        }
        apr_sleep(apr_time_from_msec(200));
    }
    is_int(sb_cache_get(&got, &len, c, "new", sub), APR_SUCCESS, "calls follow by themselves");
    printf("# back after %.1f s\n", (double)(apr_time_now() - t0) / 1e6);
    apr_pool_destroy(sub);

    port2 = server_free_port();
    pid2 = start(port2);
    ok(pid2 > 0, "a second server");
    is_int(sb_cache_make(&c, apr_psprintf(p, "127.0.0.1:%d; 127.0.0.1:%d", port1, port2), 0, p),
           APR_SUCCESS, "both");
    is_int(working(c, p), 100, "100 of 100 keys");
    server_stop(pid2, SIGKILL);
    is_int(working(c, p), 100, "the other takes over at once: retried, not failed");
    is_int(sb_cache_ping(c), APR_SUCCESS, "ping is content with one");
    pid2 = start(port2);
    is_int(working(c, p), 100, "it is started again");
    apr_sleep(apr_time_from_msec(2100));
    is_int(working(c, p), 100, "and asked again");
    kill(pid2, SIGSTOP);
    t0 = apr_time_now();
    is_int(working(c, p), 100, "it hangs: the other takes over, too");
    ok(apr_time_now() - t0 < apr_time_from_sec(2), "and only the first call waits for it");
    printf("# %d ms\n", (int)apr_time_as_msec(apr_time_now() - t0));
    kill(pid2, SIGCONT);
    server_stop(pid2, SIGKILL);
    server_stop(pid1, SIGTERM);
    apr_pool_destroy(p);
    return done();
}
