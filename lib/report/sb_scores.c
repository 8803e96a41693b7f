/**
 * Bars as JSON; averages of scores.
 */

#include "report/sb_scores.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

__extension__ typedef __int128 wide_t; /* n times a sum of squares needs more than 64 bits */

int sb_scores_average(apr_int64_t *ptenths, const sb_scores_t *s)
{
    apr_int64_t tenfold = 10 * s->sum;

    *ptenths = 0;
    if (s->n <= 0) {
        return 0;
    }
    *ptenths = (2 * tenfold + (tenfold < 0 ? -s->n : s->n)) / (2 * s->n);
    return 1;
}

double sb_scores_error(const sb_scores_t *s)
{
    wide_t n = s->n, deviations = n * s->squares - (wide_t)s->sum * s->sum; /* n * their sum */

    if (s->n < 2) {
        return -1;
    }
    return sqrt((double)deviations / (double)s->n / (double)(s->n - 1) / (double)s->n);
}

void sb_tenths_json(sb_jw_t *w, const char *key, apr_int64_t tenths)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%s%lld.%lld", tenths < 0 ? "-" : "",
                     llabs((long long)tenths) / 10, llabs((long long)tenths) % 10);

    sb_jw_raw(w, key, text, (apr_size_t)n);
}

static void write_scores(sb_jw_t *w, const sb_scores_t *scores)
{
    double error = sb_scores_error(scores);
    apr_int64_t tenths;

    if (sb_scores_average(&tenths, scores)) {
        sb_tenths_json(w, "average", tenths);
    }
    else {
        sb_jw_null(w, "average");
    }
    if (error >= 0) {
        sb_tenths_json(w, "standard_error", llround(error * 10));
    }
    else {
        sb_jw_null(w, "standard_error");
    }
}

static void write_share(sb_jw_t *w, int percentage, int coding)
{
    if (coding && percentage < coding) {
        sb_jw_int(w, "percentage", coding);
        sb_jw_str(w, "coded", "below");
    }
    else if (coding && percentage > 100 - coding) {
        sb_jw_int(w, "percentage", 100 - coding);
        sb_jw_str(w, "coded", "above");
    }
    else {
        sb_jw_int(w, "percentage", percentage);
    }
}

/* The levels that are not in the lower half, which decides on hiding, too. */
static void write_at_or_above(sb_jw_t *w, const sb_population_t *pop, int coding)
{
    apr_int64_t count = 0;
    int percentage = 0;

    for (int i = pop->n / 2; i < pop->n; i++) {
        count += pop->count[i];
        percentage += pop->percentage[i];
    }
    sb_jw_object(w, "at_or_above");
    if (!coding) {
        sb_jw_int(w, "count", count);
    }
    write_share(w, percentage, coding);
    sb_jw_end(w);
}

void sb_population_json(sb_jw_t *w, const sb_population_t *pop, const sb_scores_t *scores,
                        int coding)
{
    int visible = pop->state == SB_POPULATION_VISIBLE;

    sb_jw_array(w, "intervals");
    for (int i = 0; i < pop->n; i++) {
        sb_jw_object(w, NULL);
        sb_jw_int(w, "level", pop->level[i]);
        if (visible && !coding) {
            sb_jw_int(w, "count", pop->count[i]);
        }
        write_share(w, pop->percentage[i], visible ? coding : 0);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_int(w, "total", pop->total);
    if (visible) {
        write_at_or_above(w, pop, coding);
        if (scores) {
            write_scores(w, scores);
        }
    }
}
