/* Schedules: expressions, the calendar, and the clock that is set forward and back. See the header. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <apr_strings.h>
#include "core/sb_schedule.h"

#define DAY_SECS 86400
#define FIRST_YEAR 1970
#define LAST_YEAR 2199
#define LAST_WEEK_OF_MONTH 6 /* 1st .. 5th, last */

const char *const sb_schedule_names[SB_SCHEDULE_FIELDS] = {
    "year", "month", "day", "week", "day_of_week", "hour", "minute", "second"};

static const struct {
    int min, max;
    const char *accepted;
} ranges[SB_SCHEDULE_FIELDS] = {
    [SB_SCHEDULE_YEAR] = {FIRST_YEAR, LAST_YEAR,
                          "years from 1970 to 2199: *, */2, 2026, 2026-2030"},
    [SB_SCHEDULE_MONTH] = {1, 12, "months from 1 to 12: *, */3, 9, 6-8, 1,7"},
    [SB_SCHEDULE_DAY] = {1, 31,
                         "days from 1 to 31: *, */2, 15, 1-7, 1,15, last, last fri, 2nd fri"},
    [SB_SCHEDULE_WEEK] = {1, 53, "ISO weeks from 1 to 53: *, */2, 10, 30-36"},
    [SB_SCHEDULE_WEEKDAY] = {0, 6, "days of the week from 0 (Monday) to 6: *, 6, sun, mon-fri"},
    [SB_SCHEDULE_HOUR] = {0, 23, "hours from 0 to 23: *, */2, 5, 8-17, 8-17/3"},
    [SB_SCHEDULE_MINUTE] = {0, 59, "minutes from 0 to 59: *, */5, 30, 0-29, 0,30"},
    [SB_SCHEDULE_SECOND] = {0, 59, "seconds from 0 to 59: *, */10, 30, 0-29, 0,30"}};

static const char *const weekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
static const char *const ordinals[] = {"1st", "2nd", "3rd", "4th", "5th", "last"};

struct sb_schedule_t {
    unsigned char on[SB_SCHEDULE_FIELDS][LAST_YEAR - FIRST_YEAR + 1]; /* by value - min */
    int last_day;                                                     /* does "last" match? */
    unsigned char nth[LAST_WEEK_OF_MONTH][7];                         /* "2nd fri", "last fri" */
    int every_hour;
    const char *text;
};

/* ---- expressions ------------------------------------------------------------------------------ */

/* Reads one of the words at the cursor. @return its index, -1 none */
static int word(const char **c, const char *const *words, int n)
{
    apr_size_t len;

    for (len = 0; isalnum((unsigned char)(*c)[len]); len++) {
    }
    while (n-- > 0) {
        if (strlen(words[n]) == len && !strncasecmp(*c, words[n], len)) {
            *c += len;
            return n;
        }
    }
    return -1;
}

/* Reads a number, or a name of a day where one may stand. @return -1 neither */
static int value(const char **c, sb_schedule_field_t f)
{
    int n = 0, digits;

    if (f == SB_SCHEDULE_WEEKDAY && isalpha((unsigned char)**c)) {
        return word(c, weekdays, 7);
    }
    for (digits = 0; isdigit((unsigned char)**c) && digits < 5; digits++) {
        n = n * 10 + *(*c)++ - '0';
    }
    return digits ? n : -1;
}

static void blanks(const char **c)
{
    *c += strspn(*c, " \t");
}

/* What follows "2nd" or "last": a day of the week; behind "last" perhaps nothing. */
static int day_item(sb_schedule_t *s, int which, const char **c)
{
    int day;

    blanks(c);
    if (which == LAST_WEEK_OF_MONTH - 1 && !isalnum((unsigned char)**c)) {
        s->last_day = 1;
        return 1;
    }
    day = word(c, weekdays, 7);
    if (day >= 0) {
        s->nth[which][day] = 1;
    }
    return day >= 0;
}

/* "*", "a", "a-b", each perhaps with "/n" */
static int range_item(sb_schedule_t *s, sb_schedule_field_t f, const char **c)
{
    int from = ranges[f].min, to = ranges[f].max, step = 1, open = **c == '*';

    if (open) {
        ++*c;
    }
    else {
        from = to = value(c, f);
        if (from < ranges[f].min) {
            return 0;
        }
        if (**c == '-') {
            ++*c;
            to = value(c, f);
        }
        else if (**c == '/') {
            to = ranges[f].max; /* "10/15": from 10 on, as crontabs have it */
        }
    }
    if (**c == '/') {
        ++*c;
        step = value(c, SB_SCHEDULE_YEAR);
    }
    if (to < from || to > ranges[f].max || step < 1) {
        return 0;
    }
    for (; from <= to; from += step) {
        s->on[f][from - ranges[f].min] = 1;
    }
    return 1;
}

static int parse(sb_schedule_t *s, sb_schedule_field_t f, const char *text)
{
    for (;; text++) {
        int good, which;

        blanks(&text);
        which = f == SB_SCHEDULE_DAY ? word(&text, ordinals, LAST_WEEK_OF_MONTH) : -1;
        good = which >= 0 ? day_item(s, which, &text) : range_item(s, f, &text);
        blanks(&text);
        if (!good || (*text && *text != ',')) {
            return 0;
        }
        if (!*text) {
            return 1;
        }
    }
}

const char *sb_schedule_judge(const char *field, const char *text)
{
    sb_schedule_t s;
    int f;

    for (f = 0; f < SB_SCHEDULE_FIELDS; f++) {
        if (!strcmp(sb_schedule_names[f], field)) {
            return parse(&s, f, text) ? NULL : ranges[f].accepted;
        }
    }
    return "a field: year, month, day, week, day_of_week, hour, minute or second";
}

/* The value of a field that is not set. */
static void set_default(sb_schedule_t *s, sb_schedule_field_t f, int least)
{
    int all = (int)f < least || f == SB_SCHEDULE_WEEK || f == SB_SCHEDULE_WEEKDAY;

    memset(s->on[f], all, sizeof(s->on[f]));
    s->on[f][0] = 1;
}

const char *sb_schedule_make(sb_schedule_t **ps, const char *const *fields, apr_pool_t *p)
{
    sb_schedule_t *s = apr_pcalloc(p, sizeof(*s));
    int f, least = -1;

    *ps = NULL;
    s->text = "";
    for (f = 0; f < SB_SCHEDULE_FIELDS; f++) {
        if (fields[f]) {
            least = f;
            s->text = apr_psprintf(p, "%s%s%s=%s", s->text, *s->text ? " " : "",
                                   sb_schedule_names[f], fields[f]);
        }
    }
    if (least < 0) {
        return NULL;
    }
    for (f = 0; f < SB_SCHEDULE_FIELDS; f++) {
        if (!fields[f]) {
            set_default(s, f, least);
        }
        else if (!parse(s, f, fields[f])) {
            return apr_psprintf(p, "%s = %s: accepted are %s", sb_schedule_names[f], fields[f],
                                ranges[f].accepted);
        }
    }
    s->every_hour = !memchr(s->on[SB_SCHEDULE_HOUR], 0, 24);
    *ps = s;
    return NULL;
}

sb_schedule_t *sb_schedule_read(const sb_conf_t *conf, const char *prefix, apr_pool_t *p)
{
    const char *fields[SB_SCHEDULE_FIELDS];
    sb_schedule_t *s = NULL;
    int f;

    if (sb_conf_bool(conf, apr_pstrcat(p, prefix, ".enable", NULL))) {
        for (f = 0; f < SB_SCHEDULE_FIELDS; f++) {
            fields[f] = sb_conf_str(
                conf, apr_pstrcat(p, prefix, ".schedule.cron.", sb_schedule_names[f], NULL));
        }
        if (sb_schedule_make(&s, fields, p)) {
            return NULL; /* not from an ini that was loaded: it judges every field */
        }
    }
    return s;
}

const char *sb_schedule_text(const sb_schedule_t *s)
{
    return s->text;
}

/* ---- the calendar: days are counted from 1970-01-01 ---------------------------------------------- */

typedef struct {
    int year, month, day, weekday; /* 0 is Monday */
    int yday;                      /* 0 is January 1st */
    int month_days;
} date_t;

static void date_of(date_t *d, apr_int64_t day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    time_t t = (time_t)(day * DAY_SECS);
    struct tm x;
    int leap;

    gmtime_r(&t, &x);
    d->year = x.tm_year + 1900;
    d->month = x.tm_mon + 1;
    d->day = x.tm_mday;
    d->weekday = (x.tm_wday + 6) % 7;
    d->yday = x.tm_yday;
    leap = (d->year % 4 == 0 && d->year % 100 != 0) || d->year % 400 == 0;
    d->month_days = lengths[x.tm_mon] + (x.tm_mon == 1 && leap);
}

/* The ISO week belongs to the year that has its Thursday. */
static int iso_week(const date_t *d, apr_int64_t day)
{
    date_t thursday;

    date_of(&thursday, day - d->weekday + 3);
    return thursday.yday / 7 + 1;
}

static int day_matches(const sb_schedule_t *s, const date_t *d)
{
    return s->on[SB_SCHEDULE_DAY][d->day - 1] || (s->last_day && d->day == d->month_days) ||
           s->nth[(d->day - 1) / 7][d->weekday] ||
           (s->nth[LAST_WEEK_OF_MONTH - 1][d->weekday] && d->day + 7 > d->month_days);
}

static int date_matches(const sb_schedule_t *s, apr_int64_t day)
{
    date_t d;

    date_of(&d, day);
    return d.year >= FIRST_YEAR && d.year <= LAST_YEAR &&
           s->on[SB_SCHEDULE_YEAR][d.year - FIRST_YEAR] && s->on[SB_SCHEDULE_MONTH][d.month - 1] &&
           s->on[SB_SCHEDULE_WEEKDAY][d.weekday] && day_matches(s, &d) &&
           s->on[SB_SCHEDULE_WEEK][iso_week(&d, day) - 1];
}

/* ---- the clock: instants are seconds since 1970, UTC ---------------------------------------------- */

static apr_int64_t offset_at(apr_int64_t t)
{
    time_t secs = (time_t)t;
    struct tm x;

    localtime_r(&secs, &x);
    return x.tm_gmtoff;
}

/* The local date of an instant. */
static apr_int64_t day_at(apr_int64_t t)
{
    apr_int64_t wall = t + offset_at(t);

    return wall >= 0 ? wall / DAY_SECS : -1;
}

/* The first instant of a local date, which need not be 00:00. */
static apr_int64_t day_begin(apr_int64_t day)
{
    apr_int64_t lo = (day - 1) * DAY_SECS, hi = (day + 1) * DAY_SECS; /* no zone is a day off */

    while (lo < hi) {
        apr_int64_t mid = lo + (hi - lo) / 2;

        if (day_at(mid) >= day) {
            hi = mid;
        }
        else {
            lo = mid + 1;
        }
    }
    return lo;
}

/* A stretch of one day: from t on, seconds of the wall clock run from lo to hi. */
typedef struct {
    apr_int64_t t;
    int lo, hi;
    int skipped; /* they do not exist: t stands for all of them */
} stretch_t;

/* Cut a day where its clock is changed. @return how many stretches, in order of time */
static int cut_day(stretch_t *cut, const sb_schedule_t *s, apr_int64_t day)
{
    apr_int64_t midnight = day * DAY_SECS, begin = day_begin(day), end = day_begin(day + 1);
    apr_int64_t lo = begin - 1, hi = end - 1, before = offset_at(lo), after = offset_at(hi);
    int n = 0;

    if (before == after) {
        cut[0] = (stretch_t){begin, (int)(begin + after - midnight),
                             (int)(end - 1 + after - midnight), 0};
        return 1;
    }
    while (lo + 1 < hi) { /* hi becomes the first instant of the new offset */
        apr_int64_t mid = lo + (hi - lo) / 2;

        if (offset_at(mid) == before) {
            lo = mid;
        }
        else {
            hi = mid;
        }
    }
    if (begin < hi) {
        cut[n++] = (stretch_t){begin, (int)(begin + before - midnight),
                               (int)(hi - 1 + before - midnight), 0};
    }
    if (after > before && !s->every_hour) {
        int first = (int)(hi + before - midnight);

        cut[n++] = (stretch_t){hi, first < 0 ? 0 : first, (int)(hi + after - midnight) - 1, 1};
    }
    cut[n] = (stretch_t){hi, (int)(hi + after - midnight), (int)(end - 1 + after - midnight), 0};
    if (after < before && !s->every_hour) { /* leave out what was there before */
        cut[n].t += before - after;
        cut[n].lo += (int)(before - after);
    }
    return n + 1;
}

/* First (up) or last second of the wall clock from lo to hi that matches, -1 none. */
static int find_second(const sb_schedule_t *s, int lo, int hi, int up)
{
    int t = up ? lo : hi;

    lo = lo < 0 ? 0 : lo;
    hi = hi >= DAY_SECS ? DAY_SECS - 1 : hi;
    while (t >= lo && t <= hi) {
        int hour = t / 3600, minute = t / 60;

        if (!s->on[SB_SCHEDULE_HOUR][hour]) {
            t = up ? (hour + 1) * 3600 : hour * 3600 - 1;
        }
        else if (!s->on[SB_SCHEDULE_MINUTE][minute % 60]) {
            t = up ? (minute + 1) * 60 : minute * 60 - 1;
        }
        else if (!s->on[SB_SCHEDULE_SECOND][t % 60]) {
            t += up ? 1 : -1;
        }
        else {
            return t;
        }
    }
    return -1;
}

/* First (up) or last match of a day among the instants from..to; -1 none. */
static apr_int64_t find_in_day(const sb_schedule_t *s, apr_int64_t day, apr_int64_t from,
                               apr_int64_t to, int up)
{
    stretch_t cut[3];
    int n = cut_day(cut, s, day), i;

    for (i = 0; i < n; i++) {
        const stretch_t *c = &cut[up ? i : n - 1 - i];
        apr_int64_t lo = c->lo, hi = c->hi;
        int second;

        if (c->skipped) {
            if (c->t < from || c->t > to) {
                continue;
            }
        }
        else {
            lo = from > c->t ? c->lo + (from - c->t) : lo;
            hi = to < c->t + (c->hi - c->lo) ? c->lo + (to - c->t) : hi;
        }
        if (lo > hi) {
            continue;
        }
        second = find_second(s, (int)lo, (int)hi, up);
        if (second >= 0) {
            return c->skipped ? c->t : c->t + (second - c->lo);
        }
    }
    return -1;
}

static apr_time_t find(const sb_schedule_t *s, apr_int64_t from, apr_int64_t to, int up)
{
    apr_int64_t first = day_at(from), last = day_at(to), day;

    for (day = up ? first : last; day >= first && day <= last; day += up ? 1 : -1) {
        apr_int64_t t = date_matches(s, day) ? find_in_day(s, day, from, to, up) : -1;

        if (t >= 0) {
            return apr_time_from_sec(t);
        }
    }
    return 0;
}

/* How far to look: 29 February may be eight years off, and fall on a given weekday 40. */
#define FAR_SECS (41 * 366 * (apr_int64_t)DAY_SECS)

apr_time_t sb_schedule_last(const sb_schedule_t *s, apr_time_t upto)
{
    apr_int64_t to = apr_time_sec(upto), from = to > FAR_SECS ? to - FAR_SECS : 0;

    return find(s, from, to, 0);
}

apr_time_t sb_schedule_next(const sb_schedule_t *s, apr_time_t after)
{
    apr_int64_t from = apr_time_sec(after) + 1;

    return find(s, from, from + FAR_SECS, 1);
}
