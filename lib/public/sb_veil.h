#ifndef SB_VEIL_H
#define SB_VEIL_H

/**
 * What stands in the public copy for the ids of production. A veil is made for one copy, under a random
 * key that lives in this process only and dies with the pool: two copies cannot be told to speak of the
 * same student, and nobody can go back.
 *
 * What becomes of a value is a matter of its column's name, see sql/public:
 *   *_rec_id               63 bits of HMAC-SHA-256, never negative
 *   student_id, asmt_guid, district_id, school_id, child_id
 *                          40 hexadecimal digits of it: as many as an id may have in an address; an
 *                          empty text stays empty
 *   batch_guid             the empty text
 * Equal values of one column become equal, wherever it stands; so do ids of places, whatever the place: a
 * child is a district or a school. That two numbers become one is as likely
 * as a chance of 1 in 100,000 for a copy of 12 million results; ids cannot collide.
 */

#include "store/sb_db.h"

typedef struct sb_veil_t sb_veil_t;

typedef enum {
    SB_VEIL_OPEN,   /* passes as it is */
    SB_VEIL_RECORD, /* bigint */
    SB_VEIL_ID,     /* text */
    SB_VEIL_EMPTY   /* text */
} sb_veil_kind_t;

/** What becomes of the values of a column of this name. */
sb_veil_kind_t sb_veil_kind(const char *column);

apr_status_t sb_veil_make(sb_veil_t **pveil, apr_pool_t *p) SB_MUST_CHECK;

/** The columns that one table is copied with; what it keeps is in p. */
typedef struct sb_veil_row_t sb_veil_row_t;
sb_veil_row_t *sb_veil_row(sb_veil_t *veil, int ncols, const char *const *columns, apr_pool_t *p);

/** For sb_copy_convert(): ctx is a sb_veil_row_t. @return APR_SUCCESS; SB_EDB a number of another
 *  size; APR_EGENERAL no digest */
apr_status_t sb_veil_cell(void *ctx, int col, sb_cell_t *cell) SB_MUST_CHECK;

#endif
