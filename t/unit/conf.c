/* The ini reader. */
#include "tap.h"
#include <unistd.h>
#include "core/sb_conf.h"
#include "core/sb_file.h"
#include "core/sb_log.h"

static char last_log[1000];
static int logged;

static void keep(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    (void)ctx, (void)level, (void)number, (void)rv;
    logged++;
    snprintf(last_log, sizeof(last_log), "%s", text);
}

static const char *load(sb_conf_t **conf, const char *text, apr_pool_t *p)
{
    char path[] = "/tmp/sb-conf-XXXXXX";
    const char *complaint;
    int fd = mkstemp(path);

    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        puts("Bail out! no temporary file");
        exit(1);
    }
    close(fd);
    complaint = sb_conf_load(conf, path, "app:main", p);
    unlink(path);
    return complaint;
}

int main(void)
{
    static const struct {
        const char *line, *part; /* part of the complaint; NULL: fine */
    } lines[] = {
        {"mode = dev", NULL},
        {"mode = fast", "mode = fast: accepted is one of dev|test|prod"},
        {"smarter.reports.year_back = 3", NULL},
        {"smarter.reports.year_back = three",
         ":2: smarter.reports.year_back = three: accepted is a whole number from 1 to 50"},
        {"smarter.reports.year_back = 99", "from 1 to 50"},
        {"disable.context.security = False", NULL},
        {"disable.context.security = True", "only False"},
        {"edware.db.prepare = maybe", "True or False"},
        {"cache.data.expire = 20min", NULL},
        {"cache.data.expire = 20 parsecs", "accepted is"},
        {"cache.data.near = 64M", NULL},
        {"cache.data.near = 0", NULL},
        {"cache.data.near = plenty", "accepted is"},
        {"edware_stats.db.url = secretword", "(not shown)"},
        {"zones.work = relative", "an absolute path"},
        {"no equal sign", "key = value"},
        {"[broken", "a section is written"},
    };
    apr_pool_t *p = tap_pool();
    const apr_array_header_t *names;
    const char *complaint;
    sb_conf_t *conf;
    apr_size_t i;

    sb_log_set(keep, NULL);
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        complaint = load(&conf, apr_pstrcat(p, "[app:main]\n", lines[i].line, "\n", NULL), p);
        ok(lines[i].part ? complaint && strstr(complaint, lines[i].part) && !conf
                         : !complaint && conf,
           "%s: %s", lines[i].line, complaint ? complaint : "fine");
    }
    complaint = load(
        &conf,
        "[other]\nmode = nonsense\n[app:main]\n# note\nmode = dev\nmode=test\n"
        "edware.db.nc.url = postgresql+psycopg2://u:p@h/d\nedware.db.ca.url = postgresql://x/y\n"
        "edware.db.nc.state_code = NC\nedware.db.pool_size = 7\nedware.db.ca.pool_size = 9\n"
        "tenant.nc.senders = ['AB', 'CD']\n   EF\ncache.data.expire = 500ms\n",
        p);
    ok(!complaint && conf, "a whole file: %s", complaint ? complaint : "fine");
    is_str(sb_conf_str(conf, "mode"), "test", "the later line wins");
    is_str(sb_conf_str(conf, "logging.audit"), "syslog", "a default");
    ok(!sb_conf_str(conf, "edware.db.nc.schema_name"), "no value, no default");
    ok(sb_conf_interval(conf, "cache.data.expire") == 500000, "an interval");
    is_str(sb_conf_tenant_str(conf, "edware.db.<tenant>.pool_size", "ca"), "9",
           "the tenant's own value");
    is_str(sb_conf_tenant_str(conf, "edware.db.<tenant>.pool_size", "nc"), "7",
           "the value for all");
    names = sb_conf_names(conf, "edware.db.<tenant>.url", p);
    ok(names->nelts == 2 && !strcmp(APR_ARRAY_IDX(names, 0, const char *), "ca"),
       "tenants, sorted");
    names = sb_conf_list(conf, "tenant.nc.senders", p);
    ok(names->nelts == 3 && !strcmp(APR_ARRAY_IDX(names, 2, const char *), "EF"),
       "a list, continued");
    is_str(sb_conf_db_url(sb_conf_str(conf, "edware.db.nc.url"), p), "postgresql://u:p@h/d",
           "old address form");
    logged = 0;
    ok(!load(&conf, "[app:main]\nsmarter.reports.yearback = 3\n", p) && logged == 1 &&
           strstr(last_log, "did you mean 'smarter.reports.year_back'"),
       "an unknown key: %s", last_log);
    ok((complaint = load(&conf, "[app]\n", p)) && strstr(complaint, "no section [app:main]"),
       "no such section");
    ok(sb_conf_load(&conf, "/nonexistent/x.ini", "app", p) != NULL, "no such file");
    return done();
}
