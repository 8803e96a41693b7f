/* Averages of scores against sums in long double; what is said beside a bar and what is not. */
#include "tap.h"
#include <math.h>
#include <stdlib.h>
#include "report/sb_scores.h"

static apr_pool_t *pool;

static void of(sb_scores_t *s, const int *score, int n)
{
    memset(s, 0, sizeof(*s));
    for (int i = 0; i < n; i++) {
        sb_scores_add(s, &(sb_scores_t){1, score[i], (apr_int64_t)score[i] * score[i]});
    }
}

static void averages(void)
{
    static const struct {
        const char *what;
        int n, score[4];
        int tenths;
        double error; /* -1 none */
    } cases[] = {
        {"one has an average, no error", 1, {1234}, 12340, -1},
        {"two alike: no error of the average", 2, {1500, 1500}, 15000, 0},
        {"1 and 2 of a half", 2, {1, 2}, 15, 0.5},
        {"a third rounds down", 3, {1, 1, 2}, 13, 1.0 / 3},
        {"two thirds round up", 3, {1, 2, 2}, 17, 1.0 / 3},
        {"2400, 1200, 1800, 1800", 4, {2400, 1200, 1800, 1800}, 18000, 244.94897427831780982},
    };
    sb_scores_t s;
    apr_int64_t tenths;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        of(&s, cases[i].score, cases[i].n);
        ok(sb_scores_average(&tenths, &s) && tenths == cases[i].tenths &&
               fabs(sb_scores_error(&s) - cases[i].error) < 1e-9,
           "%s", cases[i].what);
    }
    memset(&s, 0, sizeof(s));
    ok(!sb_scores_average(&tenths, &s) && sb_scores_error(&s) < 0, "nobody has none");
    s = (sb_scores_t){.n = 1, .sum = -25, .squares = 625};
    ok(sb_scores_average(&tenths, &s) && tenths == -250, "below zero");
    s = (sb_scores_t){.n = 20, .sum = -3, .squares = 9};
    ok(sb_scores_average(&tenths, &s) && tenths == -2, "halves away from zero");
}

/* A state: 64 bits are not enough for what is in between. */
static void large(void)
{
    const apr_int64_t half = 2000000;
    sb_scores_t s = {2 * half, half * (32766 + 32767), half * (32766LL * 32766 + 32767LL * 32767)};
    apr_int64_t tenths;

    sb_scores_average(&tenths, &s);
    is_int(tenths, 327665, "four million scores");
    ok(fabs(sb_scores_error(&s) - 0.5 / 2000) < 1e-9, "and their error");
}

static int coding;

static const char *text(const sb_population_t *pop, const sb_scores_t *scores)
{
    sb_jw_t *w = sb_jw_make(pool);

    sb_jw_object(w, NULL);
    sb_population_json(w, pop, scores, coding);
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

static void json(void)
{
    sb_counts_t five = {.n = 5, .level = {1, 2, 3, 4, 5}, .count = {1, 1, 1, 2, 8}};
    sb_counts_t few = {.n = 1, .level = {4}, .count = {9}}, none = {.n = 0};
    sb_scores_t scores = {13, 13000, 13013000};
    sb_population_t pop;

    sb_population_make(&pop, &five, 5, 10);
    is_str(
        text(&pop, NULL),
        "{\"intervals\":[{\"level\":1,\"count\":1,\"percentage\":8},"
        "{\"level\":2,\"count\":1,\"percentage\":8},{\"level\":3,\"count\":1,\"percentage\":8},"
        "{\"level\":4,\"count\":2,\"percentage\":15},{\"level\":5,\"count\":8,\"percentage\":61}],"
        "\"total\":13,\"at_or_above\":{\"count\":11,\"percentage\":84}}",
        "of five levels three are at or above, as the bar shows them");
    ok(strstr(text(&pop, &scores), ",\"average\":1000.0,\"standard_error\":9.1}") != NULL,
       "with scores: %s", text(&pop, &scores));
    scores = (sb_scores_t){1, 1000, 1000000};
    ok(strstr(text(&pop, &scores), ",\"average\":1000.0,\"standard_error\":null}") != NULL,
       "one score has no error");
    coding = 10;
    is_str(text(&pop, NULL),
           "{\"intervals\":[{\"level\":1,\"percentage\":10,\"coded\":\"below\"},"
           "{\"level\":2,\"percentage\":10,\"coded\":\"below\"},"
           "{\"level\":3,\"percentage\":10,\"coded\":\"below\"},{\"level\":4,\"percentage\":15},"
           "{\"level\":5,\"percentage\":61}],\"total\":13,\"at_or_above\":{\"percentage\":84}}",
           "coded at the bottom: no counts");
    coding = 20;
    ok(strstr(text(&pop, NULL), "{\"percentage\":80,\"coded\":\"above\"}}") != NULL,
       "and at the top");
    sb_population_hide(&pop);
    ok(!strstr(text(&pop, &scores), "coded"), "what is hidden has no code");
    coding = 0;
    ok(!strstr(text(&pop, &scores), "count") && !strstr(text(&pop, &scores), "average") &&
           strstr(text(&pop, &scores), "\"total\":-1}") != NULL,
       "nothing is said of a bar that is hidden: %s", text(&pop, &scores));
    sb_population_make(&pop, &few, 4, 10);
    ok(!strstr(text(&pop, &scores), "average") && !strstr(text(&pop, &scores), "at_or_above"),
       "nor of one that is too small");
    sb_population_make(&pop, &none, 4, 10);
    ok(!strstr(text(&pop, &scores), "average"), "nor of an empty one");
}

int main(void)
{
    pool = tap_pool();
    averages();
    large();
    json();
    return done();
}
