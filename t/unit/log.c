/* Log lines: one event is one line, whatever is in it; many processes may share a file. */

#include "tap.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_json.h"
#include "core/sb_log.h"

static char path[] = "/tmp/sb-log-XXXXXX";
static char kept[5000];

static void keep(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    (void)level, (void)number, (void)rv;
    is_str(ctx, "ctx", "the host's context");
    snprintf(kept, sizeof(kept), "%s", text);
}

static char *whole(apr_pool_t *p)
{
    apr_size_t len;
    char *data;

    return sb_file_read(&data, &len, path, 1 << 24, p) == APR_SUCCESS ? data : apr_pstrdup(p, "");
}

static void lines_of_the_library(apr_pool_t *p)
{
    sb_json_t *o;
    char *text, *end;

    sb_log_set(keep, (void *)"ctx");
    sb_log(SB_LOG_WARN, SBLOGNO(1), APR_SUCCESS, "a %s\nb\tc\x7f\x1b[1m", "x\r\ny");
    is_str(kept, "a x  y b c  [1m", "control characters become blanks");
    sb_log(SB_LOG_WARN, SBLOGNO(1), APR_SUCCESS, "%0*d", 10000, 1);
    ok(strlen(kept) < 5000, "an endless line is cut");

    sb_log_set(sb_log_to_stream, (void *)"test");
    sb_log_set_id("batch-1");
    sb_log(SB_LOG_ERROR, SBLOGNO(42), SB_EUNAVAILABLE, "quote \" and \xff byte");
    sb_log(SB_LOG_DEBUG, SBLOGNO(0), APR_SUCCESS, "not written");
    sb_log_set_id(NULL);
    sb_log(SB_LOG_INFO, SBLOGNO(43), APR_SUCCESS, "second");
    text = whole(p);
    end = strchr(text, '\n');
    ok(end && strchr(end + 1, '\n') == text + strlen(text) - 1, "two lines");
    ok(sb_json_parse(&o, NULL, text, (apr_size_t)(end - text), NULL, p) == APR_SUCCESS,
       "the first is JSON");
    is_str(sb_json_str(sb_json_get(o, "level"), NULL), "error", "level");
    is_str(sb_json_str(sb_json_get(o, "no"), NULL), "SB0042", "number");
    is_str(sb_json_str(sb_json_get(o, "program"), NULL), "test", "program");
    is_str(sb_json_str(sb_json_get(o, "id"), NULL), "batch-1", "id");
    is_str(sb_json_str(sb_json_get(o, "text"), NULL), "quote \" and \xef\xbf\xbd byte", "text");
    ok(sb_json_get(o, "status") && sb_json_get(o, "time") && sb_json_get(o, "pid"), "the rest");
    ok(sb_json_parse(&o, NULL, end + 1, strlen(end + 1), NULL, p) == APR_SUCCESS,
       "so is the second");
    ok(!sb_json_get(o, "id") && !sb_json_get(o, "status"), "without id and status");
    sb_log_set(NULL, NULL);
}

static void many_writers(apr_pool_t *p)
{
    char line[400], *text, *s;
    int i, k, n = 0, torn = 0;
    pid_t pids[4];

    if (truncate(path, 0)) {
        ok(0, "empty the file: %s", strerror(errno));
    }
    for (i = 0; i < 4; i++) {
        pids[i] = fork();
        if (!pids[i]) {
            memset(line, 'a' + i, sizeof(line) - 1);
            line[sizeof(line) - 1] = '\0';
            for (k = 0; k < 500; k++) {
                sb_stream_write(SB_STREAM_APPLICATION, line);
            }
            _exit(0);
        }
    }
    for (i = 0; i < 4; i++) {
        waitpid(pids[i], NULL, 0);
    }
    text = whole(p);
    for (s = text; *s; s += strcspn(s, "\n") + 1, n++) {
        torn += strcspn(s, "\n") != sizeof(line) - 1 ||
                strspn(s, (char[]){*s, '\0'}) != sizeof(line) - 1;
    }
    is_int(n, 2000, "four processes wrote 2000 lines");
    is_int(torn, 0, "none into another");
}

int main(void)
{
    apr_pool_t *p = tap_pool();
    const char *target;
    char buf[200];
    int fd = mkstemp(path), s;

    close(fd);
    target = apr_pstrcat(p, "file:", path, NULL);
    ok(strstr(sb_stream_open(SB_STREAM_AUDIT, "cloud", p), "syslog, stderr, none or file:/PATH") !=
           NULL,
       "a target we do not have");
    ok(sb_stream_open(SB_STREAM_AUDIT, "file:relative", p) != NULL, "a relative path");
    ok(strstr(sb_stream_open(SB_STREAM_AUDIT, "file:/none/x.log", p), "/none/x.log") != NULL,
       "a path that cannot be");
    is_str(sb_stream_open(SB_STREAM_APPLICATION, target, p), NULL, "a file");
    is_str(sb_stream_open(SB_STREAM_APPLICATION, target, p), NULL, "again, as after a reload");
    is_str(sb_stream_open(SB_STREAM_SECURITY, "none", p), NULL, "none");
    is_int(sb_stream_write(SB_STREAM_SECURITY, "{}"), APR_SUCCESS, "nothing is written there");
    is_str(sb_stream_open(SB_STREAM_AUDIT, "file:/dev/full", p), NULL, "a full disk");
    is_int(sb_stream_write(SB_STREAM_AUDIT, "{}"), APR_ENOSPC, "says that it is full");
    lines_of_the_library(p);
    many_writers(p);

    for (s = SB_START_STATUS + 1; s < SB_END_STATUS; s++) {
        sb_strerror(s, buf, sizeof(buf));
        if (!*buf || strstr(buf, "rror string not specified")) {
            ok(0, "status %d has a text", s);
        }
    }
    ok(sb_is_transient(SB_EUNAVAILABLE) && sb_is_transient(SB_EBUSY) && sb_is_transient(ENOSPC),
       "worth another try");
    ok(!sb_is_transient(SB_EINPUT) && !sb_is_transient(APR_SUCCESS) && !sb_is_transient(ENOENT) &&
           !sb_is_transient(SB_EDENIED),
       "not worth one");
    unlink(path);
    apr_pool_destroy(p);
    return done();
}
