/* Percentages and suppression: the vectors of the contract. */
#include "tap.h"
#include "report/sb_population.h"

static const char *text_of(const int *v, int n)
{
    static char buf[200];
    int used = 0;

    buf[0] = '\0';
    for (int i = 0; i < n; i++) {
        used += snprintf(buf + used, sizeof(buf) - (size_t)used, "%s%d", i ? " " : "", v[i]);
    }
    return buf;
}

static void raw_percentages(void)
{
    static const struct {
        double raw[6];
        int n;
        const char *want;
    } t[] = {
        {{13.62, 47.98, 9.59, 28.78}, 4, "14 48 9 29"},
        {{33.33, 33.33, 33.33}, 3, "33 33 34"},
        {{33.34, 33.33, 33.33}, 3, "34 33 33"},
        {{16.666, 16.666, 16.666, 16.666, 16.666, 16.666}, 6, "16 16 17 17 17 17"},
        {{100, 0, 0, 0}, 4, "100 0 0 0"},
        {{25, 25, 25, 25}, 4, "25 25 25 25"},
    };
    int have[6];

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        sb_percentages(have, t[i].raw, t[i].n);
        is_str(text_of(have, t[i].n), t[i].want, "raw percentages");
    }
}

static sb_counts_t counts_of(const int *level, const int *count, int n)
{
    sb_counts_t c = {0};

    for (int i = 0; i < n; i++) {
        if (sb_counts_add(&c, level[i], count[i]) != APR_SUCCESS) {
            ok(0, "room for a level");
        }
    }
    return c;
}

static void from_counts(void)
{
    static const struct {
        int count[6];
        const char *want;
    } t[] = {
        {{1, 1, 1, 0}, "33 33 34 0"},    {{3, 1, 2, 2}, "37 13 25 25"},
        {{5, 12, 14, 4}, "14 34 40 12"}, {{8, 14, 18, 9}, "16 29 37 18"},
        {{1, 2, 3, 1}, "14 29 43 14"},   {{1, 1, 1, 3}, "16 17 17 50"},
        {{1, 1, 1, 1}, "25 25 25 25"},   {{0, 10, 2, 2}, "0 72 14 14"},
        {{0, 0, 0, 5}, "0 0 0 100"},
    };
    static const int levels[] = {1, 2, 3, 4};
    sb_population_t pop;

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        sb_counts_t c = counts_of(levels, t[i].count, 4);

        sb_population_make(&pop, &c, 4, 0);
        is_str(text_of(pop.percentage, pop.n), t[i].want, "percentages of counts");
    }
}

/* Every division of up to 40 people into 4 levels adds up to 100. */
static void always_100(void)
{
    static const int levels[] = {1, 2, 3, 4};
    int bad = 0, seen = 0;

    for (int a = 0; a <= 12; a++) {
        for (int b = 0; b <= 12; b++) {
            for (int c = 0; c <= 12; c++) {
                for (int d = 0; d <= 12; d++) {
                    const int count[] = {a, b, c, d};
                    sb_counts_t counts = counts_of(levels, count, 4);
                    sb_population_t pop;

                    sb_population_make(&pop, &counts, 4, 0);
                    if (pop.state != SB_POPULATION_VISIBLE) {
                        continue;
                    }
                    seen++;
                    bad += pop.percentage[0] + pop.percentage[1] + pop.percentage[2] +
                               pop.percentage[3] !=
                           100;
                }
            }
        }
    }
    ok(bad == 0 && seen > 20000, "%d bars add up to 100, %d do not", seen - bad, bad);
}

static void suppression(void)
{
    static const struct {
        const char *what;
        int n, level[5], count[5], levels, min_cell;
        sb_population_state_t state;
        int total, intervals;
    } t[] = {
        {"nobody", 0, {0}, {0}, 4, 10, SB_POPULATION_EMPTY, 0, 4},
        {"exactly the limit", 2, {1, 4}, {5, 5}, 4, 10, SB_POPULATION_SUPPRESSED, -1, 4},
        {"one more than the limit", 2, {1, 4}, {5, 6}, 4, 10, SB_POPULATION_VISIBLE, 11, 4},
        {"all in the lower half", 2, {1, 2}, {500, 500}, 4, 10, SB_POPULATION_SUPPRESSED, -1, 4},
        {"one above it", 3, {2, 1, 3}, {500, 499, 1}, 4, 10, SB_POPULATION_VISIBLE, 1000, 4},
        {"all in the upper half", 1, {4}, {50}, 4, 10, SB_POPULATION_VISIBLE, 50, 4},
        {"five levels: 1 and 2 are the lower half",
         2,
         {1, 2},
         {9, 9},
         5,
         10,
         SB_POPULATION_SUPPRESSED,
         -1,
         5},
        {"five levels: 3 is not", 2, {1, 3}, {9, 9}, 5, 10, SB_POPULATION_VISIBLE, 18, 5},
        {"a fifth level where four are usual",
         2,
         {1, 5},
         {9, 9},
         4,
         10,
         SB_POPULATION_VISIBLE,
         18,
         5},
        {"exactly as many levels as usual, none added",
         3,
         {1, 2, 5},
         {9, 9, 9},
         3,
         10,
         SB_POPULATION_VISIBLE,
         27,
         3},
        {"a limit of zero still shows nothing of nobody",
         0,
         {0},
         {0},
         4,
         0,
         SB_POPULATION_EMPTY,
         0,
         4},
        {"a single person under a limit of zero", 1, {4}, {1}, 4, 0, SB_POPULATION_VISIBLE, 1, 4},
    };
    sb_population_t pop;

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        sb_counts_t c = counts_of(t[i].level, t[i].count, t[i].n);

        sb_population_make(&pop, &c, t[i].levels, t[i].min_cell);
        ok(pop.state == t[i].state && pop.total == t[i].total && pop.n == t[i].intervals,
           "%s: total %d, %d intervals", t[i].what, (int)pop.total, pop.n);
        if (pop.state != SB_POPULATION_VISIBLE) {
            int leaked = 0;

            for (int k = 0; k < pop.n; k++) {
                leaked += pop.count[k] != 0 || pop.percentage[k] != pop.total;
            }
            is_int(leaked, 0, "nothing of a hidden group is left");
        }
        for (int k = 1; k < pop.n; k++) {
            if (pop.level[k] <= pop.level[k - 1]) {
                ok(0, "levels ascend");
            }
        }
    }
}

static void too_many_levels(void)
{
    sb_counts_t c = {0};
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i <= SB_LEVELS_MAX && rv == APR_SUCCESS; i++) {
        rv = sb_counts_add(&c, i, 1);
    }
    ok(rv == SB_ETOOBIG && i == SB_LEVELS_MAX + 1, "a limit on levels");
    is_int(sb_counts_add(&c, 3, 1), APR_SUCCESS, "a known level still counts");
    is_int(sb_counts_total(&c), SB_LEVELS_MAX + 1, "their sum");
}

int main(void)
{
    raw_percentages();
    from_counts();
    always_100();
    suppression();
    too_many_levels();
    return done();
}
