/* The texts of our own status codes, and which statuses are worth another try. */

#include <errno.h>
#include <stdio.h>
#include "core/sb_status.h"

static const char *const texts[] = {
    [SB_EINPUT - SB_START_STATUS] = "the input is not of the agreed form",
    [SB_ETOOBIG - SB_START_STATUS] = "over a limit",
    [SB_EDENIED - SB_START_STATUS] = "not allowed",
    [SB_EUNAVAILABLE - SB_START_STATUS] = "a server this depends on does not answer",
    [SB_ECONFLICT - SB_START_STATUS] =
        "in conflict with what is stored or with another transaction",
    [SB_EDB - SB_START_STATUS] = "the database refused the statement",
    [SB_EEXPIRED - SB_START_STATUS] = "expired",
    [SB_EBUSY - SB_START_STATUS] = "another process is doing this",
    [SB_ESIGNATURE - SB_START_STATUS] = "no good signature of a known sender",
    [SB_ECONFIG - SB_START_STATUS] = "the configuration does not allow this",
};

int sb_is_transient(apr_status_t rv)
{
    return rv == SB_EUNAVAILABLE || rv == SB_EBUSY || APR_STATUS_IS_TIMEUP(rv) ||
           APR_STATUS_IS_EAGAIN(rv) || APR_STATUS_IS_ENOSPC(rv) || APR_STATUS_IS_ENOMEM(rv) ||
           APR_STATUS_IS_ECONNREFUSED(rv) || APR_STATUS_IS_ECONNRESET(rv) ||
           APR_STATUS_IS_ETIMEDOUT(rv) || APR_STATUS_IS_EMFILE(rv) || rv == EDQUOT;
}

const char *sb_strerror(apr_status_t rv, char *buf, apr_size_t size)
{
    if (rv > SB_START_STATUS && rv < SB_END_STATUS) {
        snprintf(buf, size, "%s", texts[rv - SB_START_STATUS]);
        return buf;
    }
    return apr_strerror(rv, buf, size);
}
