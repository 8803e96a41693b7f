/* Strict dates and times. */
#include "tap.h"
#include "core/sb_time.h"

int main(void)
{
    static const struct {
        const char *text;
        apr_status_t rv;
        apr_time_t t;
    } times[] = {
        {"2015-04-05T10:11:12Z", APR_SUCCESS, 1428228672000000LL},
        {"2015-04-05T10:11:12.5Z", APR_SUCCESS, 1428228672500000LL},
        {"2015-04-05T10:11:12.123456789Z", APR_SUCCESS, 1428228672123456LL},
        {"2016-02-29T00:00:00Z", APR_SUCCESS, 1456704000000000LL},
        {"2015-02-29T00:00:00Z", SB_EINPUT, 0},
        {"2015-04-05T10:11:12", SB_EINPUT, 0},
        {"2015-04-05T10:11:12+00:00", SB_EINPUT, 0},
        {"2015-04-05T24:00:00Z", SB_EINPUT, 0},
        {"2015-04-05T10:11:60Z", SB_EINPUT, 0},
        {"2015-04-05T10:11:12.Z", SB_EINPUT, 0},
        {"2015-04-05 10:11:12Z", SB_EINPUT, 0},
        {" 2015-04-05T10:11:12Z", SB_EINPUT, 0},
        {"2015-04-05T10:11:12Z ", SB_EINPUT, 0},
        {"15-04-05T10:11:12Z", SB_EINPUT, 0},
        {"", SB_EINPUT, 0},
        {NULL, SB_EINPUT, 0},
    };
    char buf[SB_ISO_TIME_SIZE];
    apr_size_t i;

    tap_pool();
    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        apr_time_t t;
        apr_status_t rv = sb_time_parse_utc(&t, times[i].text);

        ok(rv == times[i].rv && (rv || t == times[i].t), "time '%s'",
           times[i].text ? times[i].text : "NULL");
    }
    ok(sb_date_is_valid(2000, 2, 29) && !sb_date_is_valid(1900, 2, 29), "leap years of centuries");
    ok(!sb_date_is_valid(2014, 13, 1) && !sb_date_is_valid(2014, 0, 1), "months");
    ok(!sb_date_is_valid(2014, 4, 31) && !sb_date_is_valid(2014, 4, 0), "days");
    is_str(sb_time_iso(buf, 1428228672123000LL), "2015-04-05T10:11:12.123Z", "written as ISO 8601");
    return done();
}
