#ifndef SB_COHORT_H
#define SB_COHORT_H

/**
 * Which matched cohorts of one subject and two years are hidden. A cohort is those who have a result in both
 * years in a place, and went from one grade to the next; they are seen twice, then and now. Cohorts add up as
 * bars do (sb_privacy.h): those of schools, and those who changed school within the district, make that of
 * the district; those of grades make that of all grades. Who changed is never told as such.
 *
 * Of each place it is known who was there at all, then and now. So a cohort that is told tells of the rest,
 * too: of those there who are not in it.
 *
 * Pure. Source of the rules, and why they are enough: docs/privacy.md, "Cohorts".
 */

#include "report/sb_privacy.h"

#define SB_COHORT_ALL (-1) /* all grades together */

/** Results in one of the two years. */
typedef struct {
    sb_bar_cell_t cohort; /* those matched */
    sb_bar_cell_t whole;  /* everybody */
} sb_cohort_side_t;

/** One grade of one place. It is the grade now; then they were in the one before. */
typedef struct {
    sb_cohort_side_t then, now; /* as many matched on both sides */
} sb_cohort_cell_t;

typedef struct sb_cohort_t sb_cohort_t;

/** @param ngrades at most SB_PRIVACY_GRADES; grades are numbers from 0, in no order */
sb_cohort_t *sb_cohort_make(apr_int64_t min_cell, int ngrades, apr_pool_t *p);

/* Places are numbers, as in sb_privacy.h: SB_PRIVACY_STATE is there. */
int sb_cohort_district(sb_cohort_t *t);
int sb_cohort_school(sb_cohort_t *t, int district);

/** Of a school, to be filled: who stayed. Valid until a place is added. */
sb_cohort_cell_t *sb_cohort_stayed(sb_cohort_t *t, int school, int grade);
/** Of a district, to be filled: who changed school in it; of the state: who changed district. Only cohorts. */
sb_cohort_cell_t *sb_cohort_moved(sb_cohort_t *t, int place, int grade);
/** The bar of everybody is hidden in one of the years. @param grade SB_COHORT_ALL: that of all grades */
void sb_cohort_veil(sb_cohort_t *t, int place, int grade);

/** Decide. Once, after everything is filled. */
void sb_cohort_solve(sb_cohort_t *t);

/** What was decided. A cohort of nobody is not hidden. @param grade or SB_COHORT_ALL */
int sb_cohort_hidden(const sb_cohort_t *t, int place, int grade);

#endif
