#ifndef SB_SUPPRESSED_H
#define SB_SUPPRESSED_H

/**
 * Which bars of a year are hidden: worked out once for each change of its results (sb_privacy.h) and kept in
 * the production schema, read by every report. Source of the rules: docs/privacy.md.
 */

#include "report/sb_metadata.h"
#include "report/sb_pack.h"

typedef struct sb_suppressed_t sb_suppressed_t;

typedef enum {
    SB_SUPPRESSED_PAGE, /* a place and its children; of a school its grades */
    SB_SUPPRESSED_BELOW /* and everything below them */
} sb_suppressed_depth_t;

/**
 * Read what is hidden. What nobody has worked out yet is worked out here, from all packs of the year.
 * @param district_id, school_id the page's place; NULL: the state, the district
 */
apr_status_t sb_suppressed_find(const sb_suppressed_t **ph, const sb_report_ctx_t *ctx,
                                const sb_metadata_t *m, const sb_pack_codes_t *codes, int year,
                                const char *district_id, const char *school_id,
                                sb_suppressed_depth_t depth, apr_pool_t *p) SB_MUST_CHECK;

/** Bits of hidden cells (sb_privacy.h) of a place or of a grade of a school.
 *  @param subject, grade codes of sb_pack_codes_t; grade -1: the place */
apr_uint32_t sb_suppressed_cells(const sb_suppressed_t *h, const char *district_id,
                                 const char *school_id, int grade, int subject);
/** Bits of grades by code: a place under the filter of that grade. */
apr_uint32_t sb_suppressed_grades(const sb_suppressed_t *h, const char *district_id,
                                  const char *school_id, int subject);

/** Is a place's bar hidden, under the filters of a request? Of any one filter; several at once have rules
 *  of their own (sb_bars.c). */
int sb_suppressed_bar(const sb_suppressed_t *h, const char *district_id, const char *school_id,
                      int grade, int subject, const sb_pack_filter_t *f);

/** "Not stated" of a place without what its hidden bars would give away: -1 in its stead. */
void sb_suppressed_not_stated(sb_not_stated_t *n, const sb_suppressed_t *h,
                              const sb_pack_codes_t *codes, const char *district_id,
                              const char *school_id);

#endif
