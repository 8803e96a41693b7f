#ifndef SB_SCHEDULE_H
#define SB_SCHEDULE_H

/**
 * Schedules of the ini: when a job is to run, in local time. A job has a prefix P:
 *
 *     P.enable = True
 *     P.schedule.cron.hour = 20
 *     P.schedule.cron.minute = 15
 *
 * Fields, from the most significant: year, month, day, week (ISO), day_of_week, hour, minute, second.
 * A time matches when all of them do (day AND day_of_week, unlike crontab). A field that is not set
 * matches everything if a less significant one is set, else only its first value; week and
 * day_of_week then match everything. So "hour = 2" is daily at 02:00:00, "minute = x/5" (with a star
 * for x) every five minutes, "day_of_week = 6" Sunday at midnight.
 *
 * An expression is a comma list of
 *     *      a      a-b      each with /n: every n-th from the first on
 *     mon .. sun            day_of_week, for 0 .. 6
 *     last, last fri, 2nd fri, 1st .. 5th        day
 *
 * Clocks that change: a time of day that is skipped in spring is taken at the first moment after the
 * gap (several of them: once); of one that comes twice in autumn the first counts. A schedule of
 * every hour just follows the clock, 25 times on such a day.
 */

#include <apr_time.h>
#include "core/sb_conf.h"

typedef enum {
    SB_SCHEDULE_YEAR, /* 1970-2199 */
    SB_SCHEDULE_MONTH,
    SB_SCHEDULE_DAY,
    SB_SCHEDULE_WEEK,
    SB_SCHEDULE_WEEKDAY, /* 0 is Monday */
    SB_SCHEDULE_HOUR,
    SB_SCHEDULE_MINUTE,
    SB_SCHEDULE_SECOND,
    SB_SCHEDULE_FIELDS
} sb_schedule_field_t;

typedef struct sb_schedule_t sb_schedule_t;

/** Names of the fields as in the keys. */
extern const char *const sb_schedule_names[SB_SCHEDULE_FIELDS];

/** Judge the expression of one field, named as in the keys. @return NULL, or what is accepted */
const char *sb_schedule_judge(const char *field, const char *text);

/**
 * @param fields expressions; NULL: not set
 * @param ps     NULL also when no field is set: nothing is scheduled then
 * @return NULL, or the complaint: field, expression and what is accepted
 */
const char *sb_schedule_make(sb_schedule_t **ps, const char *const *fields,
                             apr_pool_t *p) SB_MUST_CHECK;

/**
 * The schedule of a prefix.
 * @return NULL when nothing is scheduled: not enabled, or no field set. What is wrong with a field
 *         was said when the ini was read.
 */
sb_schedule_t *sb_schedule_read(const sb_conf_t *conf, const char *prefix, apr_pool_t *p);

/** The last match at or before an instant. @return 0 there is none */
apr_time_t sb_schedule_last(const sb_schedule_t *s, apr_time_t upto);

/** The first match after an instant. @return 0 there is none */
apr_time_t sb_schedule_next(const sb_schedule_t *s, apr_time_t after);

/** The fields that are set, in one line: "day=last hour=2". */
const char *sb_schedule_text(const sb_schedule_t *s);

#endif
