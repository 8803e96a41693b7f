#ifndef SB_ORDER_H
#define SB_ORDER_H

/**
 * Batches of one tenant that deliver the same content are promoted in the order in which their packages
 * arrived, whichever worker was quicker and however often one had to begin again. So a loaded batch is
 * held back while a package that arrived before it is not through yet and delivers the same content, or
 * something nobody knows yet. Packages that failed or were discarded hold nobody back.
 *
 * Read the order before the waiting batches. A package that gets loaded in between is then in both
 * and is promoted in its turn; one that arrives in between is behind all that may be promoted by this
 * order, since batches it has not seen wait for the next one.
 */

#include "store/sb_db.h"

typedef struct sb_order_t sb_order_t;

/** Where a batch is in the order. */
typedef struct {
    const char *batch, *tenant;
    const char *package;     /* name of the file; NULL: loaded without the arrivals zone */
    const char *content_key; /* as in the loader's table batch; NULL: not known */
    apr_int64_t arrived;     /* microseconds since the epoch */
    apr_int64_t package_id;  /* decides between packages of one moment; 0: none */
    int seen;                /* it was there when the order was read */
} sb_place_t;

/**
 * Read what is not through yet, of all tenants.
 * @param udl connection whose schema is the loader's
 */
apr_status_t sb_order_read(sb_order_t **porder, sb_db_t *udl, apr_pool_t *p) SB_MUST_CHECK;

/** Find a loaded batch's place. @param arrived what is known of a batch without a package */
apr_status_t sb_order_find(sb_place_t *place, sb_order_t *order, const char *batch,
                           const char *tenant, apr_int64_t arrived, apr_pool_t *p) SB_MUST_CHECK;

/** What holds it back; NULL: nothing. */
const sb_place_t *sb_order_blocker(const sb_order_t *order, const sb_place_t *place);

/** It is through, promoted or failed, and holds nobody back any more. */
void sb_order_done(sb_order_t *order, const char *batch);
/** It is not: it holds others back as if it were still being loaded. */
void sb_order_wait(sb_order_t *order, const sb_place_t *place);

/**
 * Note that a batch waits and why, in the table batch_hold.
 * @param behind the batch it waits for; NULL: none
 * @param pnews  is this not what was noted already?
 */
apr_status_t sb_order_note(int *pnews, sb_order_t *order, const sb_place_t *place,
                           const char *behind, const char *reason) SB_MUST_CHECK;

/** Remove the notes of all batches that were not noted since the order was read.
 *  @param tenant only of this one; NULL: of all */
apr_status_t sb_order_forget(sb_order_t *order, const char *tenant) SB_MUST_CHECK;

#endif
