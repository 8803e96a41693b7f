#ifndef SMARTER_TEXT_H
#define SMARTER_TEXT_H

/** How the commands of `smarter` write: to terminals of any width, and to pipes. */

#include <stdio.h>

#include <apr_tables.h>
#include <apr_time.h>
#include "core/sb_json.h"

typedef struct {
    int tty;           /* somebody looks at it */
    int colour;        /* tty, and NO_COLOR is not set */
    int width, height; /* columns and lines; 0: no limit. $COLUMNS wins */
} smarter_screen_t;

/** Of standard output. */
smarter_screen_t smarter_screen(void);

/** To be called once: which characters the terminal knows. */
void smarter_text_begin(void);

/**
 * Text from outside, harmless on a terminal: what is no printable character of the locale comes out as
 * \xNN or \u{N}, line breaks and marks that change the direction of writing too.
 */
const char *smarter_safe(const char *text, apr_pool_t *p);
/** Its first line only; "" for NULL. */
const char *smarter_line(const char *text, apr_pool_t *p);

/** "12s", "5m", "3h", "2d"; "-" for less than 0. */
const char *smarter_age(apr_interval_time_t age, apr_pool_t *p);
/** "2016-04-03 10:11:12 UTC"; "-" for 0. */
const char *smarter_time(apr_time_t t, apr_pool_t *p);
/** "712", "95.4k", "1.2M". */
const char *smarter_short(double n, apr_pool_t *p);
/** "17 B", "4.2 MiB"; "-" for less than 0. */
const char *smarter_bytes(apr_int64_t n, apr_pool_t *p);

/** Into a JSON object: null for 0. */
void smarter_json_time(sb_jw_t *w, const char *key, apr_time_t t);
/** Null for less than 0. */
void smarter_json_count(sb_jw_t *w, const char *key, apr_int64_t n);
/** Print JSON so that it is harmless on a terminal too, and a newline. */
void smarter_json_print(sb_jw_t *w);

/* ---- tables ---------------------------------------------------------------------------------- */

typedef struct {
    const char *title;
    int right; /* aligned to the right */
    int drop;  /* where it is too narrow the highest go first; 0: never */
    int max;   /* columns, at first; 0: any */
    int min;   /* may be cut to so many before anything is dropped; 0: not cut */
} smarter_column_t;

/**
 * Lines of a table: titles first, then one for each row. The last column takes what is left.
 * @param rows  of const char *const *: ncols harmless texts each
 * @param width 0: as wide as it gets
 * @return of const char *
 */
apr_array_header_t *smarter_table(const smarter_column_t *columns, int ncols,
                                  const apr_array_header_t *rows, int width, apr_pool_t *p);

/** Print it, as wide as the screen is. */
void smarter_table_print(const smarter_column_t *columns, int ncols, const apr_array_header_t *rows,
                         apr_pool_t *p);

#endif
