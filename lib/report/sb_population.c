/**
 * Percentages and suppression of population bars.
 */

#include "report/sb_population.h"

#include <math.h>
#include <string.h>

apr_status_t sb_counts_add(sb_counts_t *c, int level, apr_int64_t count)
{
    int i;

    for (i = 0; i < c->n && c->level[i] != level; i++) {
        ;
    }
    if (i == SB_LEVELS_MAX) {
        return SB_ETOOBIG;
    }
    if (i == c->n) {
        c->level[i] = level;
        c->count[i] = 0;
        c->n++;
    }
    c->count[i] += count;
    return APR_SUCCESS;
}

apr_int64_t sb_counts_total(const sb_counts_t *c)
{
    apr_int64_t total = 0;

    for (int i = 0; i < c->n; i++) {
        total += c->count[i];
    }
    return total;
}

static void sort_by_level(sb_counts_t *c)
{
    for (int i = 1; i < c->n; i++) {
        int level = c->level[i];
        apr_int64_t count = c->count[i];
        int k;

        for (k = i; k > 0 && c->level[k - 1] > level; k--) {
            c->level[k] = c->level[k - 1];
            c->count[k] = c->count[k - 1];
        }
        c->level[k] = level;
        c->count[k] = count;
    }
}

void sb_percentages(int *rounded, const double *raw, int n)
{
    double fraction[SB_LEVELS_MAX];
    int order[SB_LEVELS_MAX];
    int missing = 100;

    for (int i = 0; i < n; i++) {
        double whole = floor(raw[i]);
        int k;

        rounded[i] = (int)whole;
        missing -= rounded[i];
        fraction[i] = raw[i] - whole;
        for (k = i; k > 0 && fraction[order[k - 1]] > fraction[i]; k--) { /* stable */
            order[k] = order[k - 1];
        }
        order[k] = i;
    }
    for (int k = n - 1; k >= 0 && missing > 0; k--, missing--) {
        rounded[order[k]]++;
    }
}

/* The first half of the levels: with 4 levels 1 and 2, with 5 levels the same. */
static apr_int64_t lower_half(const sb_counts_t *c)
{
    apr_int64_t sum = 0;

    for (int i = 0; i < c->n / 2; i++) {
        sum += c->count[i];
    }
    return sum;
}

void sb_population_make(sb_population_t *pop, const sb_counts_t *counts, int levels,
                        apr_int64_t min_cell)
{
    sb_counts_t c = *counts;
    double raw[SB_LEVELS_MAX];

    memset(pop, 0, sizeof(*pop));
    if (c.n != levels) {
        for (int level = 1; level <= levels; level++) {
            if (sb_counts_add(&c, level, 0) != APR_SUCCESS) {
                break;
            }
        }
    }
    sort_by_level(&c);
    pop->n = c.n;
    memcpy(pop->level, c.level, sizeof(pop->level));
    pop->total = sb_counts_total(&c);

    if (pop->total > min_cell && pop->total > 0 && pop->total != lower_half(&c)) {
        pop->state = SB_POPULATION_VISIBLE;
        memcpy(pop->count, c.count, sizeof(pop->count));
        for (int i = 0; i < c.n; i++) {
            raw[i] = (double)c.count[i] / (double)pop->total * 100;
        }
        sb_percentages(pop->percentage, raw, c.n);
        return;
    }
    if (pop->total) {
        sb_population_hide(pop);
    }
    else {
        pop->state = SB_POPULATION_EMPTY;
    }
}

void sb_population_hide(sb_population_t *pop)
{
    pop->state = SB_POPULATION_SUPPRESSED;
    pop->total = -1;
    memset(pop->count, 0, sizeof(pop->count));
    for (int i = 0; i < pop->n; i++) {
        pop->percentage[i] = -1;
    }
}
