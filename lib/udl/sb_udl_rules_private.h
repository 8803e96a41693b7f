#ifndef SB_UDL_RULES_PRIVATE_H
#define SB_UDL_RULES_PRIVATE_H

/** What the files of sb_udl_rules.h share. */

#include "udl/sb_udl_rules.h"

/* Of ASCII, whatever the locale. */
static inline int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/**
 * Read a date: YYYYMMDD, YYYY-MM-DD, MM-DD-YYYY (separators '-' or '/'), DD Month YYYY, DD Mon YY.
 * @param ymd year, month, day; set unless SB_UDL_NO_DATE
 * @return SB_UDL_FINE; SB_UDL_LOOSE a time of day follows; SB_UDL_NO_SUCH_DAY; SB_UDL_NO_DATE
 */
sb_udl_issue_t sb_udl_read_date(int ymd[3], const char *s, apr_size_t len);

#endif
