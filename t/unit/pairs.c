/* Query strings and forms. */
#include "tap.h"
#include <apr_strings.h>
#include "core/sb_pairs.h"

static const struct {
    const char *text, *want; /* want: "name|value name|value"; NULL: refused */
} cases[] = {
    {NULL, ""},
    {"", ""},
    {"a=1", "a|1"},
    {"a=1&b=2&a=3", "a|1 b|2 a|3"},
    {"a", "a|"},
    {"a=", "a|"},
    {"=x", "|x"},
    {"&&a=1&&", "a|1"},
    {"a=b=c", "a|b=c"},
    {"a=1+2%2B3", "a|1_2+3"},
    {"%61=%41%62", "a|Ab"},
    {"a=%e2%82%AC", "a|\xe2\x82\xac"},
    {"a=%", NULL},
    {"a=%4", NULL},
    {"a=%4&b=41", NULL},
    {"a=%zz", NULL},
    {"a=%+1", NULL},
    {"%=1", NULL},
    {"a=%00", NULL},
    {"a=%ff", NULL},
    {"a=\xff", NULL},
    {"a=%c0%af", NULL},
};

int main(void)
{
    apr_pool_t *p = tap_pool();
    const apr_array_header_t *pairs;
    char *many;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apr_status_t rv = sb_pairs_read(&pairs, cases[i].text, p);
        char *have = apr_pstrdup(p, "");

        for (int k = 0; pairs && k < pairs->nelts; k++) {
            const sb_pair_t *pair = &APR_ARRAY_IDX(pairs, k, sb_pair_t);

            have = apr_pstrcat(p, have, k ? " " : "", pair->name, "|", pair->value, NULL);
        }
        for (char *c = have; *c && cases[i].text && strchr(cases[i].text, '+'); c++) {
            *c = *c == ' ' ? '_' : *c;
        }
        if (cases[i].want) {
            is_str(rv == APR_SUCCESS ? have : NULL, cases[i].want,
                   cases[i].text ? cases[i].text : "nothing");
        }
        else {
            ok(rv == SB_EINPUT && !pairs, "refused: %s", cases[i].text);
        }
    }

    is_int(sb_pairs_read(&pairs, "a=1&b=2&a=3", p), APR_SUCCESS, "read");
    is_str(sb_pairs_get(pairs, "a"), "1", "the first of a name");
    ok(!sb_pairs_get(pairs, "A"), "names are compared exactly");

    many = apr_pcalloc(p, 2 * SB_PAIRS_MAX + 3);
    memset(many, '&', 2 * SB_PAIRS_MAX + 2);
    is_int(sb_pairs_read(&pairs, many, p), APR_SUCCESS, "separators alone are nothing");
    for (int i = 0; i <= SB_PAIRS_MAX; i++) {
        many[2 * i] = 'a';
    }
    is_int(sb_pairs_read(&pairs, many, p), SB_ETOOBIG, "pairs without end");
    return done();
}
