/* Packed results counted under filters, against the plain reading of every word. */
#include "tap.h"
#include <arpa/inet.h>
#include "report/sb_filter.h"
#include "report/sb_pack.h"

#define WORDS 20000

static const sb_param_t schema[] = {SB_FILTER_PARAMS, {.name = NULL}};

static const char *const bodies[] = {
    "{}",
    "{\"sex\":[\"male\"]}",
    "{\"sex\":[\"not_stated\",\"female\"]}",
    "{\"sex\":[]}",
    "{\"ethnicity\":[\"0\"]}",
    "{\"ethnicity\":[\"3\",\"7\"]}",
    "{\"ethnicity\":[]}",
    "{\"dmgPrgLep\":[\"Y\"]}",
    "{\"dmgPrgLep\":[]}",
    "{\"dmgPrgIep\":[\"N\",\"NS\"]}",
    "{\"dmgPrg504\":[\"NS\"]}",
    "{\"dmgStsEcd\":[\"N\"]}",
    "{\"dmgStsMig\":[\"Y\",\"N\",\"NS\"]}",
    "{\"complete\":[\"Y\"]}",
    "{\"complete\":[\"NS\"]}",
    "{\"complete\":[]}",
    "{\"grade\":[\"03\",\"11\"]}",
    "{\"grade\":[\"08\"]}",
    "{\"grade\":[]}",
    "{\"dmgPrgLep\":[\"Y\"],\"dmgPrgIep\":[\"N\"],\"dmgPrg504\":[\"N\"],\"dmgStsEcd\":[\"Y\"],"
    "\"dmgStsMig\":[\"N\"],\"sex\":[\"female\"],\"ethnicity\":[\"1\",\"2\",\"3\"],\"grade\":["
    "\"04\"],"
    "\"complete\":[\"Y\",\"NS\"]}",
};

static const sb_pack_codes_t codes = {.subject = {"Math", "ELA"},
                                      .grade = {"03", "11", "KG", "04"}}; /* no 08 */

typedef struct {
    int subject, grade, level, sex, ethnicity, flag[5], complete, valid;
} result_t;

static int in(const sb_params_t *params, const char *name, const char *value, int empty_is_false)
{
    const apr_array_header_t *list = sb_params_list(params, name);

    if (!list || (list->nelts == 0 && !empty_is_false)) {
        return 1;
    }
    for (int i = 0; i < list->nelts; i++) {
        if (value && !strcmp(APR_ARRAY_IDX(list, i, const char *), value)) {
            return 1;
        }
    }
    return 0;
}

static int passes(const result_t *r, const sb_params_t *params)
{
    static const char *const yes_no[] = {"N", "Y", "NS"};
    static const char *const sexes[] = {"male", "female", "not_stated", NULL};
    static const char *const ethnicities[] = {"0", "1", "2", "3", "4", "5", "6", "7"};
    static const char *const flags[] = {"dmgPrgLep", "dmgPrgIep", "dmgPrg504", "dmgStsEcd",
                                        "dmgStsMig"};
    int all = r->valid && in(params, "sex", sexes[r->sex], 1) &&
              in(params, "ethnicity", r->ethnicity < 8 ? ethnicities[r->ethnicity] : NULL, 1) &&
              in(params, "complete", yes_no[r->complete], 1) &&
              in(params, "grade", codes.grade[r->grade], 0);

    for (int i = 0; i < 5; i++) {
        all = all && in(params, flags[i], yes_no[r->flag[i]], 0);
    }
    return all;
}

static apr_uint32_t pack(const result_t *r)
{
    apr_uint32_t w = (apr_uint32_t)(r->subject | r->grade << 4 | r->level << 9 | r->sex << 13 |
                                    r->ethnicity << 15 | r->complete << 29) |
                     (apr_uint32_t)r->valid << 31;

    for (int i = 0; i < 5; i++) {
        w |= (apr_uint32_t)r->flag[i] << (19 + 2 * i);
    }
    return htonl(w);
}

static int any(int n)
{
    return rand() % n;
}

/* Results that would pass without one of the filters, by the plain way: asked without it. */
static int one_missing(const sb_pack_tally_t *t, const result_t *results, const sb_params_t *params,
                       const char *body)
{
    unsigned want = 0, got = 0;

    (void)params;
    if (strcmp(body, "{\"sex\":[\"male\"]}")) {
        return 1;
    }
    for (int i = 0; i < WORDS; i++) {
        want += results[i].valid && results[i].sex != 0;
    }
    for (int i = 0; i < t->slots; i++) {
        got += t->n[i][SB_FAILS_ONE + 6]; /* sex is the seventh of the filters */
    }
    return want == got;
}

/* Scores from -500 to 499 by the number of the result. */
static int sums_agree(const sb_pack_filter_t *filter, const apr_uint32_t *words,
                      const result_t *results, const sb_params_t *params)
{
    static unsigned char scores[2 * WORDS];
    static sb_pack_sums_t sums, want;

    memset(&sums, 0, sizeof(sums));
    memset(&want, 0, sizeof(want));
    for (int i = 0; i < WORDS; i++) {
        const result_t *r = &results[i];
        int score = i % 1000 - 500;

        scores[2 * i] = (unsigned char)((unsigned)score >> 8);
        scores[2 * i + 1] = (unsigned char)score;
        if (i >= 1000 && passes(r, params)) {
            want.sum[r->grade][r->subject] += score;
            want.squares[r->grade][r->subject] += score * score;
        }
    }
    sb_pack_sum(&sums, filter, words, scores, 4 * WORDS, 1);
    sb_pack_sum(&sums, filter, words, scores, 4 * 1000, -1);
    return !memcmp(&sums, &want, sizeof(sums));
}

int main(void)
{
    apr_pool_t *p = tap_pool();
    static result_t results[WORDS];
    static apr_uint32_t words[WORDS];

    srand(7);
    for (int i = 0; i < WORDS; i++) {
        results[i] = (result_t){any(2), any(4),    any(16),
                                any(4), any(9),    {any(3), any(3), any(3), any(3), any(3)},
                                any(3), any(4) > 0};
        results[i].ethnicity = results[i].ethnicity == 8 ? 15 : results[i].ethnicity;
        words[i] = pack(&results[i]);
    }
    for (size_t b = 0; b < sizeof(bodies) / sizeof(bodies[0]); b++) {
        static apr_uint32_t want[2][4][16][2]; /* by subject, grade and level: passing, all */
        static sb_pack_values_t values;
        sb_pack_tally_t tally;
        int good = 1;
        sb_not_stated_t n, want_n = {0};
        const sb_params_t *params = NULL;
        sb_pack_filter_t filter;
        sb_json_t *json = NULL;
        unsigned sum = 0;

        if (sb_json_parse(&json, NULL, bodies[b], strlen(bodies[b]), NULL, p) != APR_SUCCESS ||
            sb_params_read(&params, schema, NULL, json, SB_PARAMS_REFUSE_UNKNOWN, p)) {
            ok(0, "%s is read", bodies[b]);
            continue;
        }
        memset(want, 0, sizeof(want));
        memset(&values, 0, sizeof(values));
        sb_pack_filter_make(&filter, params, &codes);
        sb_pack_tally_make(&tally, &codes, p);
        sb_pack_count(&tally, &values, &filter, words, sizeof(words) - 1,
                      1); /* half a word is none */
        sb_pack_tally_clear(&tally);
        memset(&values, 0, sizeof(values));
        sb_pack_count(&tally, &values, &filter, words, sizeof(words), 1);
        sb_pack_count(&tally, &values, &filter, words, 4000, 1); /* twice, and gone again */
        sb_pack_count(&tally, &values, &filter, words, 4000, -1);
        sb_pack_not_stated(&n, &values);
        for (int i = 0; i < WORDS; i++) {
            const result_t *r = &results[i];
            unsigned one = (unsigned)passes(r, params);

            want[r->subject][r->grade][r->level][0] += one;
            want[r->subject][r->grade][r->level][1] += (unsigned)r->valid;
            sum += one;
            want_n.total++;
            want_n.ethnicity += r->ethnicity == 0;
            want_n.sex += r->sex == 2;
            want_n.dmg_prg_lep += r->flag[0] == 2;
            want_n.dmg_prg_iep += r->flag[1] == 2;
            want_n.dmg_prg_504 += r->flag[2] == 2;
            want_n.dmg_sts_mig += r->flag[4] == 2;
        }
        for (int i = 0; i < 2 * 4 * 16; i++) {
            const apr_uint32_t *c = sb_pack_tally(&tally, i / 64, i / 16 % 4, i % 16);
            unsigned all = 0;

            for (int k = 0; k < SB_NOT_VALID; k++) {
                all += c[k];
            }
            good &= c[SB_PASSES] == want[i / 64][i / 16 % 4][i % 16][0] &&
                    all == want[i / 64][i / 16 % 4][i % 16][1];
        }
        ok(good, "%s: %u results", bodies[b], sum);
        ok(one_missing(&tally, results, params, bodies[b]), "those who fail one filter only");
        ok(!memcmp(&n, &want_n, sizeof(n)), "what is not stated");
        ok(sums_agree(&filter, words, results, params), "the sums of scores");
    }
    return done();
}
