#ifndef SB_REGISTRATION_RUN_H
#define SB_REGISTRATION_RUN_H

/** Between the parts of sb_registration.h: what both ways of counting have in common. */

#include "report/sb_registration.h"

/** Kinds of rows in table report_registration, which says what each is. */
typedef enum { SB_REG_KEPT_YEARS, SB_REG_KEPT_MATCHED, SB_REG_KEPT_ASSESSED } sb_reg_counted_t;

/** Columns that tell a school under one of its names, of student_reg or report_registration r. */
#define SB_REG_PLACE_COLUMNS                                                                       \
    "r.state_code, r.state_name, r.district_id, r.district_name, r.school_id, r.school_name"

/**
 * ", count(*), count(*) FILTER (...), ..." one for each line.
 * @param other alias of the other year's row: the column must be equal there. NULL none
 */
const char *sb_reg_line_counts(const char *alias, const char *other, apr_pool_t *p);

/** How students were assessed in a year: "(SELECT state_code, student_id, mask ...)".
 *  @param reach condition on facts f */
const char *sb_reg_masks(const char *year, const char *reach, apr_pool_t *p);

#endif
