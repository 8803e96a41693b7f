#ifndef SB_POPULATION_H
#define SB_POPULATION_H

/**
 * One population bar: how many students reached each performance level, as the reports show it:
 * rounded percentages that add up to 100, or nothing at all when the group is too small. Pure
 * arithmetic. Source of the rules: docs/reporting.md, "Population bars".
 */

#include "core/sb_status.h"

#define SB_LEVELS_MAX 32
#define SB_LEVELS_DEFAULT 4    /* levels of a subject without colours of its own */
#define SB_MIN_CELL_DEFAULT 10 /* a group must be larger than this */
#define SB_CODING_MAX 20       /* per cent of top and bottom coding */

/** Rows counted per level, levels in any order while counting. */
typedef struct {
    int n;
    int level[SB_LEVELS_MAX];
    apr_int64_t count[SB_LEVELS_MAX];
} sb_counts_t;

/** @return APR_SUCCESS; SB_ETOOBIG more than SB_LEVELS_MAX different levels */
apr_status_t sb_counts_add(sb_counts_t *c, int level, apr_int64_t count) SB_MUST_CHECK;

apr_int64_t sb_counts_total(const sb_counts_t *c);

typedef enum {
    SB_POPULATION_VISIBLE,
    SB_POPULATION_EMPTY,     /* nobody: total 0, percentages 0 */
    SB_POPULATION_SUPPRESSED /* too few, or all in the lower half: total -1, percentages -1 */
} sb_population_state_t;

typedef struct {
    sb_population_state_t state;
    int n; /* intervals, levels ascending */
    int level[SB_LEVELS_MAX];
    apr_int64_t count[SB_LEVELS_MAX]; /* meaningful only when visible */
    int percentage[SB_LEVELS_MAX];
    apr_int64_t total;
} sb_population_t;

/**
 * Judge a group.
 * @param levels how many levels the subject has; missing ones are added with 0 unless exactly that
 *               many are present
 * @param min_cell a group is shown only if it has more members than this
 *
 * A group is also hidden when every member is in the lower half of the levels: "they all failed"
 * says something about each of them, however many they are.
 */
void sb_population_make(sb_population_t *pop, const sb_counts_t *counts, int levels,
                        apr_int64_t min_cell);

/** Hide a bar for the sake of another that could be computed from it. */
void sb_population_hide(sb_population_t *pop);

/**
 * Round percentages to integers that add up to 100: floor each, then give one point each to those
 * with the largest fractions; among equal fractions the later gets it first.
 * @param raw   count / total * 100 in double, in this order: ties depend on the representation
 * @param n     at most SB_LEVELS_MAX
 */
void sb_percentages(int *rounded, const double *raw, int n);

#endif
