/* lib/core/sb_schedule: an expression is refused with a reason, or gives times that agree whichever way
 * they are asked for. The first byte chooses the time zone, the next four an instant; then a line for
 * each field, in the order of the header, empty for one that is not set. */

#include "fuzz.h"

#include <time.h>

#include <apr_strings.h>

#include "core/sb_schedule.h"

static void set_zone(unsigned n)
{
    static const char *const zones[] = {"UTC", "America/New_York", "Europe/Berlin",
                                        "Australia/Lord_Howe", "Pacific/Kiritimati"};
    static unsigned now = 99;

    n %= sizeof(zones) / sizeof(zones[0]);
    if (n != now) {
        setenv("TZ", zones[n], 1);
        tzset();
        now = n;
    }
}

FUZZ(data, size)
{
    const char *fields[SB_SCHEDULE_FIELDS] = {NULL};
    apr_time_t at, next;
    sb_schedule_t *s;
    const char *problem;
    char *text, *line, *state;
    uint32_t secs;
    int i;

    if (size < 5) {
        return;
    }
    set_zone(data[0]);
    memcpy(&secs, data + 1, sizeof(secs)); /* 1970 to 2106 */
    text = apr_pstrmemdup(fuzz_pool, (const char *)data + 5, size - 5);
    for (i = 0, line = text; line && i < SB_SCHEDULE_FIELDS; i++, line = state) {
        state = strchr(line, '\n');
        if (state) {
            *state++ = '\0';
        }
        fields[i] = *line ? line : NULL;
    }
    problem = sb_schedule_make(&s, fields, fuzz_pool);
    if (problem || !s) {
        must(!problem || *problem);
        return;
    }
    must(*sb_schedule_text(s));
    at = apr_time_from_sec(secs);
    must(sb_schedule_last(s, at) <= at);
    next = sb_schedule_next(s, at);
    must(next == 0 || next > at);
    if (next) {
        must(apr_time_usec(next) == 0);
        must(sb_schedule_last(s, next) == next);
        must(sb_schedule_last(s, next - 1) <= at); /* nothing in between */
    }
}
