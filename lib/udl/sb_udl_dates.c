/* Dates in the forms that senders write: see sb_udl_rules_private.h. */

#include <string.h>

#include "core/sb_time.h"
#include "udl/sb_udl_rules_private.h"

/* Up to max digits, and no other behind them. @return how many; 0 none, or more */
static apr_size_t digits_at(int *pn, const char *s, apr_size_t len, apr_size_t max)
{
    apr_size_t i;

    *pn = 0;
    for (i = 0; i < len && i < max && is_digit(s[i]); i++) {
        *pn = 10 * *pn + (s[i] - '0');
    }
    return i < len && is_digit(s[i]) ? 0 : i;
}

static inline int is_separator(const char *s, apr_size_t len, apr_size_t at)
{
    return at < len && (s[at] == '-' || s[at] == '/');
}

static int same_letters(const char *s, apr_size_t len, const char *upper_case)
{
    apr_size_t i;

    for (i = 0; i < len && upper(s[i]) == upper_case[i]; i++) {
    }
    return i == len;
}

/* @return bytes of an English month's name or its first three letters, 0 if it is none */
static apr_size_t month_at(int *pmonth, const char *s, apr_size_t len)
{
    static const char *const names[] = {"JANUARY",   "FEBRUARY", "MARCH",    "APRIL",
                                        "MAY",       "JUNE",     "JULY",     "AUGUST",
                                        "SEPTEMBER", "OCTOBER",  "NOVEMBER", "DECEMBER"};
    apr_size_t n;
    int i;

    for (n = 0; n < len && upper(s[n]) >= 'A' && upper(s[n]) <= 'Z'; n++) {
    }
    for (i = 0; i < 12; i++) {
        if ((n == 3 || n == strlen(names[i])) && same_letters(s, n, names[i])) {
            *pmonth = i + 1;
            return n;
        }
    }
    return 0;
}

/* What follows a date: nothing, or a time of day. @return is it the end? */
static int ends_date(const char *s, apr_size_t len, apr_size_t at, int *ploose)
{
    *ploose = at < len;
    return at == len || (at + 1 < len && (s[at] == 'T' || s[at] == ' ') && is_digit(s[at + 1]));
}

/* DD Month YYYY, DD Mon YY. @return bytes taken, 0 if it is none */
static apr_size_t day_month_year(int ymd[3], const char *s, apr_size_t len, apr_size_t at)
{
    apr_size_t n;

    if (at >= len || !(s[at] == ' ' || is_separator(s, len, at))) {
        return 0;
    }
    n = month_at(&ymd[1], s + at + 1, len - at - 1);
    at += 1 + n;
    if (!n || at >= len || !(s[at] == ' ' || is_separator(s, len, at))) {
        return 0;
    }
    n = digits_at(&ymd[0], s + at + 1, len - at - 1, 4);
    if (n == 2) {
        ymd[0] += ymd[0] < 70 ? 2000 : 1900; /* nearest to 2020, as the original's engine does */
    }
    return n == 2 || n == 4 ? at + 1 + n : 0;
}

sb_udl_issue_t sb_udl_read_date(int ymd[3], const char *s, apr_size_t len)
{
    apr_size_t first, second, third, at = 0;
    int loose = 0, n;

    first = digits_at(&n, s, len, 8);
    if (first == 8) {
        ymd[0] = n / 10000;
        ymd[1] = n / 100 % 100;
        ymd[2] = n % 100;
        at = 8;
    }
    else if (first == 4 && is_separator(s, len, 4)) {
        ymd[0] = n;
        second = digits_at(&ymd[1], s + 5, len - 5, 2);
        if (second && is_separator(s, len, 5 + second)) {
            third = digits_at(&ymd[2], s + 6 + second, len - 6 - second, 2);
            at = third ? 6 + second + third : 0;
        }
    }
    else if ((first == 1 || first == 2) && is_separator(s, len, first) && len > first + 1 &&
             is_digit(s[first + 1])) {
        ymd[1] = n;
        second = digits_at(&ymd[2], s + first + 1, len - first - 1, 2);
        if (second && is_separator(s, len, first + 1 + second)) {
            at = first + 2 + second;
            at = digits_at(&ymd[0], s + at, len - at, 4) == 4 ? at + 4 : 0;
        }
    }
    else if (first == 1 || first == 2) {
        ymd[2] = n;
        at = day_month_year(ymd, s, len, first);
    }
    if (!at || !ends_date(s, len, at, &loose)) {
        return SB_UDL_NO_DATE;
    }
    if (!sb_date_is_valid(ymd[0], ymd[1], ymd[2])) {
        return SB_UDL_NO_SUCH_DAY;
    }
    return loose ? SB_UDL_LOOSE : SB_UDL_FINE;
}
