/* Path components, UTF-8 and UUIDs. */
#include "tap.h"
#include "core/sb_path.h"
#include "core/sb_uuid.h"

int main(void)
{
    static const struct {
        const char *text;
        apr_size_t len;
        int good;
    } names[] = {
        {"D001", 4, 1}, {"a b.c", 5, 1},    {"S\xc3\xb6n", 4, 1}, {"", 0, 0},
        {".", 1, 0},    {"..", 2, 0},       {".x", 2, 0},         {"a/b", 3, 0},
        {"/", 1, 0},    {"a\0b", 3, 0},     {"a\nb", 3, 0},       {"a\x7f", 2, 0},
        {"\xff", 1, 0}, {"\xc0\xaf", 2, 0}, {"..\\x", 4, 0},      {"a..", 3, 1},
    };
    static const struct {
        const char *text;
        apr_size_t len;
        int good;
    } utf8[] = {
        {"plain ascii, longer than a word", 31, 1},
        {"\xe2\x82\xac", 3, 1},
        {"\xf0\x9f\x98\x80", 4, 1},
        {"\xed\xa0\x80", 3, 0},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xe2\x82", 2, 0},
        {"\x80", 1, 0},
        {"12345678\xc3", 9, 0},
        {"\xe0\x80\xaf", 3, 0},
    };
    apr_pool_t *p = tap_pool();
    char id[SB_UUID_SIZE], other[SB_UUID_SIZE];
    char big[300];
    const char *name;
    apr_size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *why = sb_path_component(&name, names[i].text, names[i].len, p);

        ok((why == NULL) == names[i].good && (name != NULL) == names[i].good, "component %d %s",
           (int)i, why ? why : names[i].text);
    }
    memset(big, 'x', sizeof(big));
    ok(sb_path_component(&name, big, sizeof(big), p) != NULL, "an over-long component");
    for (i = 0; i < sizeof(utf8) / sizeof(utf8[0]); i++) {
        is_int(sb_utf8_is_valid(utf8[i].text, utf8[i].len), utf8[i].good, "UTF-8");
    }
    ok(sb_uuid_make(id) && sb_uuid_is_valid(id) && id[14] == '4', "a UUID of version 4: %s", id);
    ok(sb_uuid_make(other) && strcmp(id, other), "the next one differs");
    ok(!sb_uuid_is_valid(NULL) && !sb_uuid_is_valid("") && !sb_uuid_is_valid("x"), "no UUIDs");
    ok(!sb_uuid_is_valid("11111111-2222-4333-8444-55555555555G"), "a letter that is no digit");
    ok(!sb_uuid_is_valid("11111111-2222-4333-8444-5555555555550"), "one too long");
    ok(!sb_uuid_is_valid("11111111-2222-4333-8444-55555555555A"), "upper case");
    return done();
}
