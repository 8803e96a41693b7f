#ifndef SB_SCORES_H
#define SB_SCORES_H

/**
 * A population bar as reports write it, with what is said beside it: how many are at or above standard,
 * the average scale score and its standard error. Nothing of that is said of a bar that is not shown.
 * Source of the rules: docs/reporting.md, "Population bars".
 */

#include "core/sb_json.h"
#include "report/sb_population.h"

/** Scale scores of a group, exact: 2 million scores of 32,767 leave room for a thousand times as many. */
typedef struct {
    apr_int64_t n, sum, squares;
} sb_scores_t;

static inline void sb_scores_add(sb_scores_t *to, const sb_scores_t *more)
{
    to->n += more->n;
    to->sum += more->sum;
    to->squares += more->squares;
}

/** Tenths, rounded half away from zero. @return 0: nobody, no average */
int sb_scores_average(apr_int64_t *ptenths, const sb_scores_t *s);

/** Standard error of the average: the sample's standard deviation by the root of n.
 *  @return -1 fewer than two, there is none */
double sb_scores_error(const sb_scores_t *s);

/**
 * The members "intervals" and "total", of a bar that is shown also "at_or_above".
 * @param scores of a bar that is shown "average" and "standard_error", too; NULL: nobody asked
 * @param coding per cent of top and bottom coding: shares below it and above 100 less it are told as that much,
 *               and no counts, which would tell them; 0: everything as it is
 */
void sb_population_json(sb_jw_t *w, const sb_population_t *pop, const sb_scores_t *scores,
                        int coding);

/** A number of tenths, as a member. */
void sb_tenths_json(sb_jw_t *w, const char *key, apr_int64_t tenths);

#endif
