/* Logging: the host's callback, and the three streams audit, application and security. */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>
#include <apr_strings.h>
#include "core/sb_json.h"
#include "core/sb_log.h"
#include "core/sb_time.h"

#define LINE_MAX_BYTES 4096

static void to_stderr(void *ctx, sb_log_level_t level, int number, apr_status_t rv,
                      const char *text);

/* Set before threads start and constant from then on. */
static sb_log_fn *host_fn = to_stderr;
static void *host_ctx;

static __thread const char *thread_id;

static const char *const level_names[] = {"debug", "info", "notice", "warn", "error"};

static void to_stderr(void *ctx, sb_log_level_t level, int number, apr_status_t rv,
                      const char *text)
{
    char buf[200];

    (void)ctx;
    if (level == SB_LOG_DEBUG) {
        return;
    }
    fprintf(stderr, "%s SB%04d: %s%s%s\n", level_names[level], number, text, rv ? ": " : "",
            rv ? sb_strerror(rv, buf, sizeof(buf)) : "");
}

void sb_log_set(sb_log_fn *fn, void *ctx)
{
    host_fn = fn ? fn : to_stderr;
    host_ctx = ctx;
}

void sb_log_set_id(const char *id)
{
    thread_id = id;
}

const char *sb_log_id(void)
{
    return thread_id;
}

void sb_log(sb_log_level_t level, int number, apr_status_t rv, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list ap;
    char *c;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (c = text; *c; c++) { /* one event, one line: input must not forge another */
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = ' ';
        }
    }
    host_fn(host_ctx, level, number, rv, text);
}

/* ---- streams --------------------------------------------------------------------------------- */

typedef enum { TO_NONE, TO_STDERR, TO_SYSLOG, TO_FILE } target_t;

static struct {
    target_t target;
    int fd;
} streams[] = {{TO_NONE, -1}, {TO_STDERR, -1}, {TO_NONE, -1}};

static const int facilities[] = {LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2};

const char *sb_stream_open(sb_stream_t stream, const char *target, apr_pool_t *p)
{
    target_t to;
    int fd = -1;

    if (!strcmp(target, "syslog")) {
        to = TO_SYSLOG;
    }
    else if (!strcmp(target, "stderr")) {
        to = TO_STDERR;
    }
    else if (!strcmp(target, "none")) {
        to = TO_NONE;
    }
    else if (!strncmp(target, "file:/", 6)) {
        to = TO_FILE;
        fd = open(target + 5, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0) {
            return apr_psprintf(p, "%s cannot be opened for append: %s", target + 5,
                                strerror(errno));
        }
    }
    else {
        return apr_psprintf(p, "'%s' is no log target: syslog, stderr, none or file:/PATH", target);
    }
    if (streams[stream].fd >= 0) {
        close(streams[stream].fd);
    }
    streams[stream].target = to;
    streams[stream].fd = fd;
    return NULL;
}

apr_status_t sb_stream_write(sb_stream_t stream, const char *json)
{
    struct iovec iov[2] = {{(void *)json, strlen(json)}, {(void *)"\n", 1}};
    int fd = streams[stream].fd;
    ssize_t n;

    switch (streams[stream].target) {
    case TO_NONE:
        return APR_SUCCESS;
    case TO_SYSLOG:
        syslog(facilities[stream] | LOG_INFO, "%s", json);
        return APR_SUCCESS;
    case TO_STDERR:
        fd = STDERR_FILENO;
        break;
    case TO_FILE:
        break;
    }
    do {
        n = writev(fd, iov, 2);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno;
    }
    return (apr_size_t)n == iov[0].iov_len + 1 ? APR_SUCCESS : APR_ENOSPC;
}

void sb_log_to_stream(void *ctx, sb_log_level_t level, int number, apr_status_t rv,
                      const char *text)
{
    char when[SB_ISO_TIME_SIZE];
    char why[200];
    apr_pool_t *p;
    sb_jw_t *w;

    if (level == SB_LOG_DEBUG || streams[SB_STREAM_APPLICATION].target == TO_NONE ||
        apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return;
    }
    w = sb_jw_make(p);
    sb_jw_object(w, NULL);
    sb_jw_str(w, "time", sb_time_iso(when, apr_time_now()));
    sb_jw_str(w, "level", level_names[level]);
    sb_jw_fmt(w, "no", "SB%04d", number);
    sb_jw_str(w, "program", ctx);
    sb_jw_int(w, "pid", getpid());
    if (thread_id) {
        sb_jw_str(w, "id", thread_id);
    }
    sb_jw_str(w, "text", text);
    if (rv != APR_SUCCESS) {
        sb_jw_str(w, "status", sb_strerror(rv, why, sizeof(why)));
    }
    sb_jw_end(w);
    sb_stream_write(SB_STREAM_APPLICATION, sb_jw_text(w, NULL));
    apr_pool_destroy(p);
}
