#ifndef SB_PRIVACY_TABLE_H
#define SB_PRIVACY_TABLE_H

/**
 * Between the parts of sb_privacy.h: one table, places by values of one filter. Column sums: the children
 * of a place make the place, value by value. Row sums: the values of a place make the whole place.
 *
 * Seen as a network, a cell is an edge. What enters a place under a value leaves it to the children; at
 * the lowest places and at the top the values meet. A hidden cell has only one solution exactly if its edge
 * is a bridge between hidden edges, so protecting it means closing a circle of hidden cells through it.
 */

#include "report/sb_privacy.h"

enum { /* marks of a cell */
       SB_MARK_HIDDEN = 1,
       SB_MARK_GUARD = 2,  /* must not have only one solution */
       SB_MARK_FORCED = 4, /* hidden with its whole place, which is protected elsewhere */
       SB_MARK_NEVER = 8   /* nobody can ask for it: never shown */
};

typedef struct {
    int n;                       /* places; parents come before their children */
    const int *parent;           /* -1 of place 0, the top */
    const unsigned char *lowest; /* is it one of the lowest? */
    int nvalues;
    sb_bar_cell_t *cell; /* [place * nvalues + value] */
    unsigned char *mark; /* likewise */
    const unsigned char *
        row_hidden; /* of a place: its sum over the values is hidden; NULL if value 0 is that sum */
    apr_uint32_t *most; /* of a cell: what everybody knows it cannot exceed; NULL: nothing */
    apr_int64_t min_cell;
} sb_table_t;

/** Add marks until the rules hold. */
void sb_privacy_table(sb_table_t *t, apr_pool_t *p);

#endif
