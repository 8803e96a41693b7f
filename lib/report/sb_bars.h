#ifndef SB_BARS_H
#define SB_BARS_H

/**
 * Population bars of a page: the children of a place (districts of a state, schools of a district, grades
 * of a school) and their sum, counted under filters and without, and which of them must be hidden.
 * Current summative results with the administration condition SD or none. Source of the rules:
 * docs/reporting.md, "Population bars", and docs/privacy.md.
 */

#include "report/sb_metadata.h"
#include "report/sb_parts.h"
#include "report/sb_scores.h"

typedef struct {
    sb_counts_t shown;  /* under the filters */
    sb_counts_t all;    /* without them */
    sb_scores_t scores; /* of those shown, if they were asked for */
    int hide, hide_all;
    int whole; /* hidden whatever the filters: not even that nobody passes may be seen */
} sb_bar_t;

typedef struct {
    const char *id, *name; /* of the sum NULL */
    sb_bar_t *bar;         /* of a subject by number */
    int seen;              /* somebody passes the filters, or must not be known not to */
} sb_bars_row_t;

typedef struct {
    apr_array_header_t *rows; /* sb_bars_row_t *, in no order */
    sb_bars_row_t sum;
    sb_not_stated_t not_stated; /* of the place, whatever the filters */
} sb_bars_t;

/** @param district_id, school_id the page's place; NULL: the state, the district
 *  @param averages count scores, too */
apr_status_t sb_bars_find(sb_bars_t *bars, const sb_report_ctx_t *ctx, const sb_metadata_t *m,
                          int year, const char *district_id, const char *school_id, int averages,
                          apr_pool_t *p) SB_MUST_CHECK;

/** A row by id, made if there is none (children with interim results only). */
sb_bars_row_t *sb_bars_row(sb_bars_t *bars, const sb_metadata_t *m, const char *id,
                           const char *name, apr_pool_t *p);

/** Judge: as sb_population_make, and hidden if it has to be. */
void sb_bar_population(sb_population_t *pop, const sb_bar_t *bar, int levels, apr_int64_t min_cell);
/** The same of everybody, whatever the filters. */
void sb_bar_population_all(sb_population_t *pop, const sb_bar_t *bar, int levels,
                           apr_int64_t min_cell);

#endif
