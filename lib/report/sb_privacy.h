#ifndef SB_PRIVACY_H
#define SB_PRIVACY_H

/**
 * Which bars must be hidden so that no hidden one can be computed from those shown. Pure; one subject of
 * one year. Source of the rules: docs/privacy.md.
 *
 * What is published is a tree of places (state, districts, schools, grades of schools) and for each place
 * one bar without a filter and one for each value of each filter. Bars add up in two ways: the children of
 * a place make the place, the values of a filter make the place without it. A bar too small to be shown
 * is hidden; then as many others as it takes that
 *   - in no sum with a shown result the hidden parts make a group that could not itself be shown, and
 *   - no hidden bar that needs it has only one solution in the system of all sums.
 * A place hidden without a filter is hidden under every filter.
 */

#include <apr_pools.h>
#include "core/sb_status.h"

/* Cells of a place: without a filter, and under each value of each filter but grade. */
enum {
    SB_CELL_ALL = 0,
    SB_CELL_LEP = 1, /* no, yes, not stated */
    SB_CELL_IEP = 4,
    SB_CELL_504 = 7,
    SB_CELL_ECD = 10, /* not stated: nobody can ask for it */
    SB_CELL_MIG = 13,
    SB_CELL_COMPLETE = 16,
    SB_CELL_SEX = 19,       /* male, female, not stated; anything else: nobody can ask for it */
    SB_CELL_ETHNICITY = 23, /* 0..7; anything else: nobody can ask for it */
    SB_CELLS = 32
};
#define SB_PRIVACY_GRADES 32

typedef struct {
    apr_uint32_t total;
    apr_uint32_t lower; /* of them in the lower half of the levels */
} sb_bar_cell_t;

/** May a bar be shown on its own? Greater than the minimum, and not all in the lower half. */
static inline int sb_cell_showable(apr_uint32_t total, apr_uint32_t lower, apr_int64_t min_cell)
{
    return total > 0 && (apr_int64_t)total > min_cell && total != lower;
}

typedef struct sb_privacy_t sb_privacy_t;

/** @param grades bit n: a filter can ask for the grade of code n */
sb_privacy_t *sb_privacy_make(apr_int64_t min_cell, apr_uint32_t grades, apr_pool_t *p);

/* Places are numbers: the state is 0. A place's parent must be there before it. */
#define SB_PRIVACY_STATE 0
int sb_privacy_district(sb_privacy_t *t);
int sb_privacy_school(sb_privacy_t *t, int district);
/** The cells of a grade of a school, to be filled; every result is in one grade of one school.
 *  Valid until the next call. */
sb_bar_cell_t *sb_privacy_grade(sb_privacy_t *t, int school, int grade);

/** Decide. Once, after everything is filled. */
void sb_privacy_solve(sb_privacy_t *t);

/** Bits of cells that are hidden; of a place, or of a grade of a school. An empty cell may be hidden. */
apr_uint32_t sb_privacy_hidden(const sb_privacy_t *t, int place);
apr_uint32_t sb_privacy_hidden_grade(const sb_privacy_t *t, int school, int grade);
/** Bits of grades by code: where the bar of a place under the filter of that grade is hidden. */
apr_uint32_t sb_privacy_hidden_grades(const sb_privacy_t *t, int place);

#endif
