/* Public ids of states. */
#include "tap.h"
#include "core/sb_crypto.h"
#include "core/sb_sid.h"

#define KEY "public_15_secret"
#define FIXED "Y2BkYmZhZWPn4OTi5uHl4_cpvp8aV64c2pd9I3lqoqwLAA=="
#define STORED "ASAA3_8AAQIDBAUGBwgJCgsMDQ4PTHPfZV53I1WOa9hjlWEdRA=="

static const char *decoded(const char *sid, const char *secret, apr_pool_t *p)
{
    const char *state;

    return sb_sid_decode(&state, sid, secret, p) == APR_SUCCESS ? state : NULL;
}

/* A sid of these bytes, packed as they are: a stored block of DEFLATE. */
static const char *of_bytes(const unsigned char *data, unsigned char len, apr_pool_t *p)
{
    unsigned char packed[64] = {1, len, 0, (unsigned char)~len, 0xff};
    char *text;

    memcpy(packed + 5, data, len);
    text = sb_base64_encode(packed, 5 + (apr_size_t)len, p);
    for (char *c = text; *c; c++) {
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    return text;
}

static void known(apr_pool_t *p)
{
    static const unsigned char iv[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const char *sid;

    is_str(decoded(FIXED, KEY, p), "NC", "one with Huffman codes");
    is_str(decoded(STORED, KEY, p), "NC", "one with a stored block");
    ok(sb_sid_encode_iv(&sid, "NC", KEY, iv, p) == APR_SUCCESS, "encoded with a known IV");
    ok(!strcmp(sid, FIXED) || !strcmp(sid, STORED), "to one of them: %s", sid);
}

static void round_trips(apr_pool_t *p)
{
    static const char *const keys[] = {KEY, "twenty-four bytes of key",
                                       "thirty-two bytes are a longer ke"};
    static const char *const states[] = {"N", "NC", "GA", "sixteen letters!"};
    const char *sid, *other;
    int i;

    for (i = 0; i < 3; i++) {
        ok(sb_sid_encode(&sid, "NC", keys[i], p) == APR_SUCCESS, "a key of %d bytes",
           (int)strlen(keys[i]));
        is_str(decoded(sid, keys[i], p), "NC", "and back");
        ok(!decoded(sid, keys[(i + 1) % 3], p) || strcmp(decoded(sid, keys[(i + 1) % 3], p), "NC"),
           "not under another key");
    }
    for (i = 0; i < 4; i++) {
        ok(sb_sid_encode(&sid, states[i], KEY, p) == APR_SUCCESS && sb_sid_is_plausible(sid),
           "%s becomes %s", states[i], sid);
        is_str(decoded(sid, KEY, p), states[i], "and back");
    }
    ok(sb_sid_encode(&sid, "NC", KEY, p) == APR_SUCCESS &&
           sb_sid_encode(&other, "NC", KEY, p) == APR_SUCCESS && strcmp(sid, other),
       "another one each time");
    for (i = 0; i < 2000; i++) {
        if (sb_sid_encode(&sid, "NC", KEY, p) != APR_SUCCESS || strlen(sid) > SB_SID_MAX ||
            strcmp(decoded(sid, KEY, p), "NC")) {
            break;
        }
    }
    is_int(i, 2000, "whatever the IV, it is short enough and leads back");
}

static void refused(apr_pool_t *p)
{
    static const char *const bad[] = {
        "",
        "short",
        "Y2BkYmZhZWPn4OTi5uHl4_cpvp8aV64c2pd9I3lqoqwLAA",           /* no padding */
        "Y2BkYmZhZWPn4OTi5uHl4_cpvp8aV64c2pd9I3lqoqwLAB==",         /* stray bits */
        "Y2BkYmZhZWPn4OTi5uHl4/cpvp8aV64c2pd9I3lqoqwLAA==",         /* not URL-safe */
        "Y2BkYmZhZWPn4OTi5uHl4_cpvp8aV64c2pd9I3lqoqwL\nAA==",       /* a line break */
        "Y2BkYmZhZWPn4OTi5uHl4_cpvp8aV64c2pd9I3lqoqwLAA==AAAA",     /* more behind it */
        "Y2BkYmZhZWPn4OTi5uHl4_cpvp8aV64c2pd9I3lqoqw=",             /* cut off */
        "Y2BkYmZhZWPn4OTi5uHl4_cpvp8aV64c2pd9I3lqoqwLAA==AAAAAAAA", /* too long */
        "AAAAAAAAAAAAAAAAAAAAAAAA",
        "____________________________________",
    };
    unsigned char bytes[48] = {0};
    const char *state;
    apr_size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(sb_sid_decode(&state, bad[i], KEY, p) == SB_EINPUT && !state, "refused: '%.20s...'",
           bad[i]);
    }
    ok(!decoded(of_bytes(bytes, 16, p), KEY, p), "an IV alone");
    ok(!decoded(of_bytes(bytes, 31, p), KEY, p), "a broken block");
    ok(!decoded(of_bytes(bytes, 33, p), KEY, p), "a byte too much");
    /* 1000 zero bytes in a few */
    ok(!decoded("Y2AYBaNgFIyCUTAKRsEoGAWjYBSMglEwCkbBKAAA", KEY, p), "a bomb");
    is_int(sb_sid_decode(&state, FIXED, "seventeen letters", p), SB_ECONFIG, "a key of 17 bytes");
    is_int(sb_sid_decode(&state, FIXED, NULL, p), SB_ECONFIG, "no key");
    ok(sb_sid_encode(&state, "", KEY, p) == SB_EINPUT &&
           sb_sid_encode(&state, "seventeen letters", KEY, p) == SB_EINPUT,
       "no state, too long a state");
    ok(sb_sid_secret_check("short") && !sb_sid_secret_check(KEY), "secrets are judged");
}

int main(void)
{
    apr_pool_t *p = tap_pool();

    known(p);
    round_trips(p);
    refused(p);
    return done();
}
