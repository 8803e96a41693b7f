#ifndef SB_TIME_H
#define SB_TIME_H

/** Dates and times as the outside world writes them, read strictly. */

#include <apr_time.h>
#include "core/sb_status.h"

#define SB_ISO_TIME_SIZE sizeof("2015-04-05T10:11:12.123Z")
#define SB_DATE_SIZE sizeof("20150405")

/** Is it a day of the Gregorian calendar? year 1-9999 */
int sb_date_is_valid(int year, int month, int day);

/** The UTC instant as 2015-04-05T10:11:12.123Z. @return buf, which holds SB_ISO_TIME_SIZE */
const char *sb_time_iso(char *buf, apr_time_t t);

/** Today in local time as YYYYMMDD. @return buf, which holds SB_DATE_SIZE */
const char *sb_time_local_date(char *buf, apr_time_t t);

/**
 * Read an xs:dateTime as SAML writes it: YYYY-MM-DDThh:mm:ss[.fraction]Z, nothing else.
 * @return APR_SUCCESS; SB_EINPUT not of that form or no such day or second
 */
apr_status_t sb_time_parse_utc(apr_time_t *pt, const char *text) SB_MUST_CHECK;

/** Seconds of the monotonic clock, for durations. */
double sb_time_monotonic(void);

#endif
