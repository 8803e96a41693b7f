#ifndef SB_SHEET_H
#define SB_SHEET_H

/**
 * Writes CSV that people open in spreadsheets: every field is quoted (RFC 4180), lines end with CR LF, a control
 * character is a blank, and no text can be taken for a formula. (Data extracts are not for spreadsheets; they have
 * another form: extract/sb_extract_csv.c.)
 *
 * A formula may begin where a cell begins: at the start of a field; and behind a quote or a semicolon, because
 * programs that separate by semicolons cut our fields there. An apostrophe in front makes it a text. What is
 * a number, a negative one too, is left alone. Source: OWASP, "CSV Injection".
 */

#include "core/sb_status.h"

typedef struct sb_sheet_t sb_sheet_t;

sb_sheet_t *sb_sheet_make(apr_pool_t *p);

/** @param text UTF-8; NULL an empty field */
void sb_sheet_field(sb_sheet_t *s, const char *text);
void sb_sheet_fieldf(sb_sheet_t *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Ends a line; without fields an empty one. */
void sb_sheet_line(sb_sheet_t *s);

/** How many lines have ended. */
int sb_sheet_lines(const sb_sheet_t *s);

/** The lines of another sheet, behind ours. */
void sb_sheet_append(sb_sheet_t *s, const sb_sheet_t *other);

/** What is written so far; until the next call. */
const char *sb_sheet_text(const sb_sheet_t *s, apr_size_t *plen);

#endif
