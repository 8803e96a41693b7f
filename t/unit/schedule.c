/* Schedules: what an expression means, what a field left out means, and clocks that change. */
#include "tap.h"
#include <time.h>
#include <unistd.h>
#include "core/sb_schedule.h"
#include "core/sb_time.h"

#define MAX_FIELDS 4

typedef struct {
    const char *names[MAX_FIELDS], *texts[MAX_FIELDS];
} given_t;

/* clang-format off */
/* Instants are written in UTC; the schedule is in local time of the zone. */
static const struct {
    const char *zone;
    given_t given;
    const char *after;
    const char *next[3]; /* the matches that follow, "" none */
    const char *what;
} cases[] = {
    /* ---- fields that are not set ---- */
    {"UTC", {{"day"}, {"*/1"}}, "2026-03-05T10:00:00Z", {"2026-03-06T00:00:00Z", "2026-03-07T00:00:00Z"}, "daily at midnight"},
    {"UTC", {{"hour"}, {"2"}}, "2026-03-05T01:59:59Z", {"2026-03-05T02:00:00Z", "2026-03-06T02:00:00Z"}, "daily at two"},
    {"UTC", {{"minute"}, {"*/5"}}, "2026-03-05T10:04:00Z", {"2026-03-05T10:05:00Z", "2026-03-05T10:10:00Z"}, "every five minutes"},
    {"UTC", {{"hour", "minute"}, {"20", "15"}}, "2026-03-05T20:15:00Z", {"2026-03-06T20:15:00Z"}, "a match itself is not after it"},
    {"UTC", {{"day_of_week"}, {"6"}}, "2026-03-05T00:00:00Z", {"2026-03-08T00:00:00Z", "2026-03-15T00:00:00Z"}, "6 is Sunday, midnight"},
    {"UTC", {{"day_of_week"}, {"0"}}, "2026-03-05T00:00:00Z", {"2026-03-09T00:00:00Z"}, "0 is Monday"},
    {"UTC", {{"second"}, {"*/20"}}, "2026-03-05T23:59:41Z", {"2026-03-06T00:00:00Z", "2026-03-06T00:00:20Z"}, "every twenty seconds, over midnight"},
    {"UTC", {{"month"}, {"9"}}, "2026-03-05T00:00:00Z", {"2026-09-01T00:00:00Z", "2027-09-01T00:00:00Z"}, "a month: its first day"},
    {"UTC", {{"year"}, {"2030"}}, "2026-03-05T00:00:00Z", {"2030-01-01T00:00:00Z", ""}, "a year: its first day, once"},
    {"UTC", {{"year"}, {"2020"}}, "2026-03-05T00:00:00Z", {""}, "a year gone by"},
    {"UTC", {{"week"}, {"53"}}, "2026-03-05T00:00:00Z", {"2026-12-28T00:00:00Z", "2026-12-29T00:00:00Z"}, "a week: each of its days, as day_of_week is left open"},
    {"UTC", {{"month", "hour"}, {"6", "5"}}, "2026-03-05T00:00:00Z", {"2026-06-01T05:00:00Z", "2026-06-02T05:00:00Z"}, "between two that are set: all"},
    {"UTC", {{"minute"}, {"30"}}, "2026-03-05T10:30:00Z", {"2026-03-05T11:30:00Z"}, "hourly at half past"},
    /* ---- expressions ---- */
    {"UTC", {{"hour"}, {"8-17/4"}}, "2026-03-05T00:00:00Z", {"2026-03-05T08:00:00Z", "2026-03-05T12:00:00Z", "2026-03-05T16:00:00Z"}, "every fourth of a range"},
    {"UTC", {{"hour"}, {"22, 3 ,3-4"}}, "2026-03-05T03:00:00Z", {"2026-03-05T04:00:00Z", "2026-03-05T22:00:00Z", "2026-03-06T03:00:00Z"}, "a list, with blanks"},
    {"UTC", {{"minute"}, {"50/5"}}, "2026-03-05T10:00:00Z", {"2026-03-05T10:50:00Z", "2026-03-05T10:55:00Z", "2026-03-05T11:50:00Z"}, "from a number on"},
    {"UTC", {{"day"}, {"*/10"}}, "2026-03-05T10:00:00Z", {"2026-03-11T00:00:00Z", "2026-03-21T00:00:00Z", "2026-03-31T00:00:00Z"}, "steps begin at the first day"},
    {"UTC", {{"minute"}, {"*/100"}}, "2026-03-05T10:00:00Z", {"2026-03-05T11:00:00Z"}, "a step over the range: the first only"},
    {"UTC", {{"day"}, {"last"}}, "2026-01-31T00:00:00Z", {"2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z", "2026-04-30T00:00:00Z"}, "the last day"},
    {"UTC", {{"day"}, {"last"}}, "2028-02-01T00:00:00Z", {"2028-02-29T00:00:00Z"}, "of a leap year's February"},
    {"UTC", {{"day"}, {"2nd fri"}}, "2026-05-01T00:00:00Z", {"2026-05-08T00:00:00Z", "2026-06-12T00:00:00Z", "2026-07-10T00:00:00Z"}, "second Friday"},
    {"UTC", {{"day"}, {"LAST Fri"}}, "2026-05-01T00:00:00Z", {"2026-05-29T00:00:00Z", "2026-06-26T00:00:00Z"}, "last Friday"},
    {"UTC", {{"day"}, {"5th sun"}}, "2026-01-01T00:00:00Z", {"2026-03-29T00:00:00Z", "2026-05-31T00:00:00Z"}, "fifth Sunday: not every month"},
    {"UTC", {{"day"}, {"1st mon, 15, last"}}, "2026-06-01T00:00:00Z", {"2026-06-15T00:00:00Z", "2026-06-30T00:00:00Z", "2026-07-06T00:00:00Z"}, "days of every kind"},
    {"UTC", {{"day_of_week"}, {"mon-wed,Fri"}}, "2026-03-10T00:00:00Z", {"2026-03-11T00:00:00Z", "2026-03-13T00:00:00Z", "2026-03-16T00:00:00Z"}, "names of days"},
    {"UTC", {{"day", "day_of_week"}, {"13", "fri"}}, "2026-03-13T00:00:00Z", {"2026-11-13T00:00:00Z", "2027-08-13T00:00:00Z"}, "Friday the 13th: both must match"},
    {"UTC", {{"month", "day"}, {"2", "29"}}, "2026-01-01T00:00:00Z", {"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}, "29 February"},
    {"UTC", {{"month", "day"}, {"2", "30"}}, "2026-01-01T00:00:00Z", {""}, "never"},
    {"UTC", {{"week", "day_of_week"}, {"1", "3"}}, "2026-01-01T00:00:00Z", {"2027-01-07T00:00:00Z"}, "week 1 has the year's first Thursday"},
    {"UTC", {{"week", "day_of_week"}, {"1", "0"}}, "2025-01-01T00:00:00Z", {"2025-12-29T00:00:00Z", "2027-01-04T00:00:00Z"}, "it may begin in December"},
    {"UTC", {{"year", "week", "day_of_week"}, {"2027", "53", "sun"}}, "2026-01-01T00:00:00Z", {"2027-01-03T00:00:00Z", ""}, "year is the calendar's"},
    /* ---- local time ---- */
    {"America/New_York", {{"hour"}, {"2"}}, "2026-01-10T00:00:00Z", {"2026-01-10T07:00:00Z"}, "local time in winter"},
    {"America/New_York", {{"hour"}, {"2"}}, "2026-07-10T00:00:00Z", {"2026-07-10T06:00:00Z"}, "in summer"},
    {"Asia/Kolkata", {{"day"}, {"last"}}, "2026-01-31T00:00:00Z", {"2026-02-27T18:30:00Z"}, "the day is the local one"},
    {"Pacific/Kiritimati", {{"day_of_week"}, {"mon"}}, "2026-03-07T00:00:00Z", {"2026-03-08T10:00:00Z"}, "14 hours ahead"},
    /* ---- spring: 2026-03-08 02:00 EST becomes 03:00 EDT at 07:00Z ---- */
    {"America/New_York", {{"hour"}, {"2"}}, "2026-03-07T12:00:00Z", {"2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"}, "02:00 does not exist: after the gap"},
    {"America/New_York", {{"hour", "minute"}, {"2", "30"}}, "2026-03-07T12:00:00Z", {"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}, "nor does 02:30"},
    {"America/New_York", {{"hour", "minute"}, {"2", "*/10"}}, "2026-03-07T12:00:00Z", {"2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"}, "six of them: once"},
    {"America/New_York", {{"hour"}, {"2,3"}}, "2026-03-07T12:00:00Z", {"2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z", "2026-03-09T07:00:00Z"}, "02:00 and 03:00 are one moment"},
    {"America/New_York", {{"minute"}, {"30"}}, "2026-03-08T06:30:00Z", {"2026-03-08T07:30:00Z"}, "every hour follows the clock"},
    {"America/New_York", {{"minute"}, {"*/1"}}, "2026-03-08T06:58:30Z", {"2026-03-08T06:59:00Z", "2026-03-08T07:00:00Z", "2026-03-08T07:01:00Z"}, "every minute: nothing more at the gap"},
    {"America/New_York", {{"day"}, {"*/1"}}, "2026-03-07T12:00:00Z", {"2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"}, "midnights around it"},
    {"America/New_York", {{"hour"}, {"1"}}, "2026-03-08T00:00:00Z", {"2026-03-08T06:00:00Z", "2026-03-09T05:00:00Z"}, "before the gap"},
    /* midnight itself is skipped: 2018-11-04 00:00 -03 becomes 01:00 -02 */
    {"America/Sao_Paulo", {{"day"}, {"*/1"}}, "2018-11-03T12:00:00Z", {"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}, "no midnight: the day's first moment"},
    {"America/Sao_Paulo", {{"day_of_week", "minute"}, {"sun", "30"}}, "2018-11-04T01:00:00Z", {"2018-11-04T03:30:00Z", "2018-11-04T04:30:00Z"}, "a day of 23 hours"},
    /* ---- autumn: 2026-11-01 02:00 EDT becomes 01:00 EST at 06:00Z ---- */
    {"America/New_York", {{"hour", "minute"}, {"1", "30"}}, "2026-10-31T12:00:00Z", {"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}, "01:30 comes twice: the first counts"},
    {"America/New_York", {{"hour"}, {"2"}}, "2026-10-31T12:00:00Z", {"2026-11-01T07:00:00Z", "2026-11-02T07:00:00Z"}, "02:00 comes once"},
    {"America/New_York", {{"minute"}, {"30"}}, "2026-11-01T05:00:00Z", {"2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-11-01T07:30:00Z"}, "every hour: 25 of them"},
    {"America/New_York", {{"hour", "minute"}, {"0-2", "59"}}, "2026-11-01T05:00:00Z", {"2026-11-01T05:59:00Z", "2026-11-01T07:59:00Z"}, "some hours: none in the hour that is repeated"},
    /* half an hour only: 2026-04-05 02:00 +11 becomes 01:30 +10:30 at 2026-04-04T15:00Z */
    {"Australia/Lord_Howe", {{"hour", "minute"}, {"1", "*/15"}}, "2026-04-04T14:29:00Z", {"2026-04-04T14:30:00Z", "2026-04-04T14:45:00Z", "2026-04-05T14:30:00Z"}, "half an hour is repeated"},
    /* back over midnight: 2018-02-18 00:00 -02 becomes 2018-02-17 23:00 -03 at 02:00Z */
    {"America/Sao_Paulo", {{"hour", "minute"}, {"23", "30"}}, "2018-02-17T12:00:00Z", {"2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"}, "the last hour of a day is repeated"},
    {"America/Sao_Paulo", {{"day"}, {"18"}}, "2018-02-17T12:00:00Z", {"2018-02-18T03:00:00Z"}, "and then comes midnight"},
    /* a day that never was: 2011-12-30 */
    {"Pacific/Apia", {{"day"}, {"*/1"}}, "2011-12-29T12:00:00Z", {"2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"}, "a date left out"},
};
/* clang-format on */

static const struct {
    const char *field, *text;
    int good;
} words[] = {
    {"minute", "*", 1},
    {"minute", "*/1", 1},
    {"minute", "0,59", 1},
    {"minute", "60", 0},
    {"minute", "-1", 0},
    {"minute", "5-1", 0},
    {"minute", "*/0", 0},
    {"minute", "*/", 0},
    {"minute", "", 0},
    {"minute", "1,", 0},
    {"minute", ",1", 0},
    {"minute", "1 2", 0},
    {"minute", "1-", 0},
    {"minute", "5 min", 0},
    {"minute", "99999999999999999999", 0},
    {"minute", "* /5", 0},
    {"minute", "last", 0},
    {"minute", "mon", 0},
    {"hour", "24", 0},
    {"hour", "23", 1},
    {"second", "59", 1},
    {"day", "0", 0},
    {"day", "31", 1},
    {"day", "32", 0},
    {"day", "last", 1},
    {"day", "last fri", 1},
    {"day", "6th fri", 0},
    {"day", "2nd", 0},
    {"day", "2nd 4", 0},
    {"day", "2nd fri-sat", 0},
    {"day", "fri", 0},
    {"day", "last,1", 1},
    {"day", "lastfri", 0},
    {"day_of_week", "7", 0},
    {"day_of_week", "0", 1},
    {"day_of_week", "sun-mon", 0},
    {"day_of_week", "SUN", 1},
    {"day_of_week", "sunday", 0},
    {"day_of_week", "mon-6", 1},
    {"day_of_week", "mon-sun/2", 1},
    {"week", "0", 0},
    {"week", "53", 1},
    {"month", "13", 0},
    {"month", "jan", 0},
    {"year", "1969", 0},
    {"year", "2026-2030/2", 1},
    {"year", "2200", 0},
    {"minut", "5", 0},
};

static sb_schedule_t *make(const given_t *g, apr_pool_t *p)
{
    const char *fields[SB_SCHEDULE_FIELDS] = {NULL}, *why;
    sb_schedule_t *s;

    for (int i = 0; i < MAX_FIELDS && g->names[i]; i++) {
        for (int f = 0; f < SB_SCHEDULE_FIELDS; f++) {
            if (!strcmp(sb_schedule_names[f], g->names[i])) {
                fields[f] = g->texts[i];
            }
        }
    }
    why = sb_schedule_make(&s, fields, p);
    if (why || !s) {
        printf("Bail out! %s\n", why ? why : "nothing scheduled");
        exit(1);
    }
    return s;
}

static apr_time_t instant(const char *text)
{
    apr_time_t t;

    return sb_time_parse_utc(&t, text) == APR_SUCCESS ? t : 0;
}

/* Both directions of the search agree everywhere, and skip nothing between two matches. */
static void check_both_ways(const sb_schedule_t *s, const char *from, int hours, const char *what)
{
    apr_time_t t = instant(from), end = t + apr_time_from_sec(3600 * (apr_time_t)hours), next = 0;
    int wrong = 0, seen = 0;

    while (t < end) {
        next = sb_schedule_next(s, t);
        wrong += next <= t || sb_schedule_last(s, next) != next ||
                 sb_schedule_last(s, next - apr_time_from_sec(1)) > t ||
                 sb_schedule_next(s, next - apr_time_from_sec(1)) != next;
        seen++;
        t = next;
    }
    ok(!wrong && seen > 1, "%s: %d matches, the same both ways", what, seen);
}

static void check_ini(apr_pool_t *p)
{
    char path[] = "/tmp/sb-schedule-XXXXXX";
    static const char text[] = "[app]\n"
                               "migrate.conductor.enable = TRUE\n"
                               "migrate.conductor.schedule.cron.hour = 2\n"
                               "migrate.conductor.schedule.cron.minute = 15,45\n"
                               "trigger.pdf.enable = False\n"
                               "trigger.pdf.schedule.cron.hour = 5\n"
                               "migrate_public.enable = True\n"
                               "trigger.recache.schedule.cron.hour = 5\n"
                               "file-grabber.lz.enable = True\n"
                               "file-grabber.lz.schedule.cron.minute = */1\n";
    const char *wrong = "[app]\nfile-grabber.lz.schedule.cron.minute = 61\n", *complaint;
    sb_schedule_t *s;
    sb_conf_t *conf;
    int fd = mkstemp(path);

    if (write(fd, text, sizeof(text) - 1) < 0 || sb_conf_load(&conf, path, "app", p)) {
        puts("Bail out! no ini");
        exit(1);
    }
    s = sb_schedule_read(conf, "migrate.conductor", p);
    is_str(s ? sb_schedule_text(s) : NULL, "hour=2 minute=15,45", "a schedule of the ini");
    ok(!sb_schedule_read(conf, "trigger.pdf", p), "not enabled: nothing");
    ok(!sb_schedule_read(conf, "trigger.recache", p), "enable not said: nothing");
    ok(!sb_schedule_read(conf, "migrate_public", p), "enabled without a field: nothing");
    ok(sb_schedule_read(conf, "file-grabber.lz", p) != NULL, "a source");
    s = sb_schedule_read(conf, "report", p);
    is_str(s ? sb_schedule_text(s) : NULL, "hour=16", "the daily report has a default");
    if (ftruncate(fd, 0) || pwrite(fd, wrong, strlen(wrong), 0) < 0) {
        puts("Bail out! no ini");
        exit(1);
    }
    complaint = sb_conf_load(&conf, path, "app", p);
    ok(complaint && strstr(complaint, ":2: file-grabber.lz.schedule.cron.minute = 61: accepted is "
                                      "minutes from 0 to 59"),
       "a wrong field is named when the ini is read: %s", complaint ? complaint : "taken");
    close(fd);
    unlink(path);
}

int main(void)
{
    static const given_t walks[] = {{{"minute"}, {"*/7"}},
                                    {{"hour", "minute"}, {"0-3", "*/10"}},
                                    {{"hour", "second"}, {"1,2", "*/30"}},
                                    {{"hour"}, {"2"}}};
    static const char *const zones[][2] = {{"America/New_York", "2026-03-07T23:00:00Z"},
                                           {"America/New_York", "2026-10-31T23:00:00Z"},
                                           {"Australia/Lord_Howe", "2026-04-04T00:00:00Z"},
                                           {"Australia/Lord_Howe", "2026-10-03T00:00:00Z"},
                                           {"America/Sao_Paulo", "2018-02-17T00:00:00Z"},
                                           {"America/Sao_Paulo", "2018-11-03T00:00:00Z"},
                                           {"Asia/Kolkata", "2026-01-01T00:00:00Z"}};
    apr_pool_t *p = tap_pool();
    const char *none[SB_SCHEDULE_FIELDS] = {NULL};
    const char *complaint;
    sb_schedule_t *s;
    size_t i, j;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apr_time_t t = instant(cases[i].after);

        setenv("TZ", cases[i].zone, 1);
        tzset();
        s = make(&cases[i].given, p);
        for (j = 0; j < 3 && cases[i].next[j]; j++) {
            apr_time_t next = sb_schedule_next(s, t);
            char have[SB_ISO_TIME_SIZE] = "never", want[SB_ISO_TIME_SIZE] = "never";

            if (next) {
                sb_time_iso(have, next);
            }
            if (*cases[i].next[j]) {
                sb_time_iso(want, instant(cases[i].next[j]));
            }
            is_str(
                have, want,
                apr_psprintf(p, "%s: %s, after %s", cases[i].zone, cases[i].what, cases[i].after));
            if (next) {
                ok(sb_schedule_last(s, next) == next &&
                       sb_schedule_last(s, next + apr_time_from_msec(900)) == next &&
                       sb_schedule_last(s, next - apr_time_from_sec(1)) <= t,
                   "... and backwards");
            }
            t = next;
        }
    }
    for (i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        setenv("TZ", zones[i][0], 1);
        tzset();
        for (j = 0; j < sizeof(walks) / sizeof(walks[0]); j++) {
            s = make(&walks[j], p);
            check_both_ways(s, zones[i][1], 60,
                            apr_psprintf(p, "%s, %s", zones[i][0], sb_schedule_text(s)));
        }
    }
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        complaint = sb_schedule_judge(words[i].field, words[i].text);
        ok((complaint == NULL) == words[i].good, "%s = '%s': %s", words[i].field, words[i].text,
           complaint ? complaint : "taken");
    }
    complaint = sb_schedule_make(&s, none, p);
    ok(!complaint && !s, "no field: nothing is scheduled");
    none[SB_SCHEDULE_HOUR] = "25";
    complaint = sb_schedule_make(&s, none, p);
    ok(complaint && !s && strstr(complaint, "hour = 25"), "a complaint names the field");
    check_ini(p);
    return done();
}
