/* lib/core/sb_conf: any file is read or refused with a complaint that names it. */

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_conf.h"

static void read_values(const sb_conf_t *conf)
{
    const apr_array_header_t *names;
    apr_int64_t n;
    int i;

    n = sb_conf_int(conf, "smarter.reports.year_back");
    must(n >= 1 && n <= 50);
    (void)sb_conf_bool(conf, "edware.db.prepare");
    must(sb_conf_interval(conf, "edware.db.statement_timeout") >= apr_time_from_sec(1));
    (void)sb_conf_list(conf, "tenant.nc.senders", fuzz_pool);
    names = sb_conf_names(conf, "edware.db.<tenant>.url", fuzz_pool);
    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const char *url = sb_conf_tenant_str(conf, "edware.db.<tenant>.url", name);

        must(url && strstr(url, "://"));
        (void)sb_conf_db_url(url, fuzz_pool);
        (void)sb_conf_tenant_str(conf, "edware.db.<tenant>.pool_size", name);
    }
}

FUZZ(data, size)
{
    static const char *const sections[] = {"app:main", "app"};
    int fd = memfd_create("ini", MFD_CLOEXEC), i;
    const char *path = apr_psprintf(fuzz_pool, "/proc/self/fd/%d", fd), *complaint;
    sb_conf_t *conf;

    must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    for (i = 0; i < 2; i++) {
        complaint = sb_conf_load(&conf, path, sections[i], fuzz_pool);
        must(!complaint == (conf != NULL));
        must(!complaint || !strncmp(complaint, path, strlen(path)));
        if (conf) {
            read_values(conf);
        }
    }
    close(fd);
}
