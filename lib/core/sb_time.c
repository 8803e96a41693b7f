/* Dates and times as the outside world writes them, read strictly. */

#include <stdio.h>
#include <string.h>
#include <time.h>
#include "core/sb_time.h"

int sb_date_is_valid(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap);
}

const char *sb_time_iso(char *buf, apr_time_t t)
{
    apr_time_exp_t x;

    apr_time_exp_gmt(&x, t);
    snprintf(buf, SB_ISO_TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
             (int)((unsigned)(x.tm_year + 1900) % 10000), (int)((unsigned)(x.tm_mon + 1) % 100),
             (int)((unsigned)x.tm_mday % 100), (int)((unsigned)x.tm_hour % 100),
             (int)((unsigned)x.tm_min % 100), (int)((unsigned)x.tm_sec % 100),
             (int)((unsigned)(x.tm_usec / 1000) % 1000));
    return buf;
}

const char *sb_time_local_date(char *buf, apr_time_t t)
{
    apr_time_exp_t x;

    apr_time_exp_lt(&x, t);
    snprintf(buf, SB_DATE_SIZE, "%04d%02d%02d", (int)((unsigned)(x.tm_year + 1900) % 10000),
             (int)((unsigned)(x.tm_mon + 1) % 100), (int)((unsigned)x.tm_mday % 100));
    return buf;
}

/* Exactly n digits; moves the cursor behind them. */
static int digits(const char **cursor, int n, int *value)
{
    *value = 0;
    for (; n > 0; n--, (*cursor)++) {
        if (**cursor < '0' || **cursor > '9') {
            return 0;
        }
        *value = *value * 10 + (**cursor - '0');
    }
    return 1;
}

static int literal(const char **cursor, char c)
{
    return **cursor == c ? (++*cursor, 1) : 0;
}

apr_status_t sb_time_parse_utc(apr_time_t *pt, const char *text)
{
    apr_time_exp_t x;
    const char *c = text;
    int year, month;

    *pt = 0;
    memset(&x, 0, sizeof(x));
    if (!text || !digits(&c, 4, &year) || !literal(&c, '-') || !digits(&c, 2, &month) ||
        !literal(&c, '-') || !digits(&c, 2, &x.tm_mday) || !literal(&c, 'T') ||
        !digits(&c, 2, &x.tm_hour) || !literal(&c, ':') || !digits(&c, 2, &x.tm_min) ||
        !literal(&c, ':') || !digits(&c, 2, &x.tm_sec)) {
        return SB_EINPUT;
    }
    if (literal(&c, '.')) {
        int scale = 100000, n = 0;

        for (; *c >= '0' && *c <= '9' && n < 9; c++, n++, scale /= 10) {
            x.tm_usec += (*c - '0') * scale;
        }
        if (n == 0) {
            return SB_EINPUT;
        }
    }
    if (!literal(&c, 'Z') || *c || year < 1970 || !sb_date_is_valid(year, month, x.tm_mday) ||
        x.tm_hour > 23 || x.tm_min > 59 || x.tm_sec > 59) {
        return SB_EINPUT;
    }
    x.tm_year = year - 1900;
    x.tm_mon = month - 1;
    return apr_time_exp_get(pt, &x) == APR_SUCCESS ? APR_SUCCESS : SB_EINPUT;
}

double sb_time_monotonic(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
