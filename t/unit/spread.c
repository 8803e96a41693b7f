/* Results spread over the values of all filters, against the plain reading of every one of them. */
#include "tap.h"
#include <arpa/inet.h>
#include "report/sb_spread.h"

#define RESULTS 20000

typedef struct {
    unsigned subject, grade, level, sex, ethnicity, flag[6], valid;
    int score, gone;
} result_t;

static result_t result[RESULTS];
static unsigned state = 4711;

static unsigned below(unsigned n)
{
    state = state * 1103515245 + 12345;
    return (state >> 16) % n;
}

static void make(result_t *r)
{
    r->subject = below(3);
    r->grade = below(5);
    r->level = below(7);
    r->sex = below(4);
    r->ethnicity = below(10) < 9 ? below(8) : 15;
    for (int k = 0; k < 6; k++) {
        r->flag[k] = below(3);
    }
    r->valid = below(10) > 0;
    r->score = (int)below(4000) - 500;
}

static apr_uint32_t pack(const result_t *r)
{
    apr_uint32_t w = r->subject | r->grade << 4 | r->level << 9 | r->sex << 13 |
                     r->ethnicity << 15 | r->valid << 31;

    for (unsigned k = 0; k < 6; k++) {
        w |= r->flag[k] << (19 + 2 * k);
    }
    return htonl(w);
}

/* One row by another reading: who is in it, and the bar. */
static int same(const sb_spread_bar_t *bar, int (*is_in)(const result_t *, unsigned),
                unsigned value, unsigned subject)
{
    sb_spread_bar_t want;

    memset(&want, 0, sizeof(want));
    for (int i = 0; i < RESULTS; i++) {
        const result_t *r = &result[i];

        if (!r->gone && r->valid && r->subject == subject && is_in(r, value)) {
            want.level[r->level]++;
            want.sum += r->score;
            want.squares += r->score * r->score;
        }
    }
    return !memcmp(bar, &want, sizeof(want));
}

static int everybody(const result_t *r, unsigned value)
{
    (void)r;
    (void)value;
    return 1;
}

static int of_sex(const result_t *r, unsigned value)
{
    return r->sex == value;
}

static int of_ethnicity(const result_t *r, unsigned value)
{
    return value == 8 ? r->ethnicity == 15 : r->ethnicity == value;
}

static int of_flag(const result_t *r, unsigned value)
{
    return r->flag[value / 3] == value % 3;
}

static int of_grade(const result_t *r, unsigned value)
{
    return r->grade == value;
}

static void rows(const sb_spread_t *s)
{
    static const struct {
        const char *what;
        int cell;
        unsigned n;
        int (*is_in)(const result_t *, unsigned);
    } kinds[] = {{"everybody", SB_CELL_ALL, 1, everybody},
                 {"programs and completeness", SB_CELL_LEP, 18, of_flag},
                 {"sexes", SB_CELL_SEX, 4, of_sex},
                 {"ethnicities", SB_CELL_ETHNICITY, 9, of_ethnicity}};
    int good = 1;

    for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        int all = 1;

        for (unsigned v = 0; v < kinds[k].n; v++) {
            for (unsigned subject = 0; subject < 4; subject++) {
                all &= same(&s->cell[(unsigned)kinds[k].cell + v][subject], kinds[k].is_in, v,
                            subject);
            }
        }
        ok(all, "%s", kinds[k].what);
    }
    for (unsigned g = 0; g < 5; g++) {
        good &= same(&s->grade[g][1], of_grade, g, 1);
    }
    ok(good, "grades");
}

int main(void)
{
    static apr_uint32_t words[RESULTS], gone[RESULTS];
    static unsigned char scores[2 * RESULTS], gone_scores[2 * RESULTS];
    static sb_spread_t spread;
    apr_size_t ngone = 0;
    sb_counts_t counts;
    sb_scores_t sums;

    (void)tap_pool();
    for (apr_size_t i = 0; i < RESULTS; i++) {
        apr_uint16_t score;

        make(&result[i]);
        result[i].gone = below(5) == 0;
        words[i] = pack(&result[i]);
        score = htons((apr_uint16_t)result[i].score);
        memcpy(scores + 2 * i, &score, 2);
        if (result[i].gone) {
            gone[ngone] = words[i];
            memcpy(gone_scores + 2 * ngone++, &score, 2);
        }
    }
    sb_spread_count(&spread, words, sizeof(words), scores, sizeof(scores), 1);
    sb_spread_count(&spread, gone, 4 * ngone, gone_scores, 2 * ngone, -1);
    rows(&spread);
    ok(sb_spread_counts(&counts, &sums, &spread.cell[SB_CELL_ALL][0]) == APR_SUCCESS &&
           counts.n == 7 && sums.n == sb_counts_total(&counts) &&
           sums.sum == spread.cell[SB_CELL_ALL][0].sum,
       "counts and scores of a bar");
    memset(&spread, 0, sizeof(spread));
    sb_spread_count(&spread, words, 40, scores, 6, 1);
    ok(sb_spread_counts(&counts, &sums, &spread.cell[SB_CELL_ALL][0]) == APR_SUCCESS && sums.n <= 3,
       "scores that are cut short end it");
    return done();
}
