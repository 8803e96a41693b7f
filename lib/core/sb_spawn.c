/* Other programs, run without a shell: see sb_spawn.h. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <apr_strings.h>
#include "core/sb_spawn.h"

#define TICK 100 /* milliseconds between two looks at the clock */
#define GRACE apr_time_from_sec(5)

typedef struct {
    char text[SB_SPAWN_SAID_MAX + 1];
    apr_size_t len;
} tail_t;

/* Keep the end of what is said. */
static void add(tail_t *t, const char *data, apr_size_t len)
{
    apr_size_t drop;

    if (len > SB_SPAWN_SAID_MAX) {
        data += len - SB_SPAWN_SAID_MAX;
        len = SB_SPAWN_SAID_MAX;
    }
    drop = t->len + len > SB_SPAWN_SAID_MAX ? t->len + len - SB_SPAWN_SAID_MAX : 0;
    memmove(t->text, t->text + drop, t->len - drop);
    t->len -= drop;
    memcpy(t->text + t->len, data, len);
    t->len += len;
}

static const char *one_line(tail_t *t, apr_pool_t *p)
{
    apr_size_t i;

    for (i = 0; i < t->len; i++) {
        if ((unsigned char)t->text[i] < 0x20 || t->text[i] == 0x7f) {
            t->text[i] = ' ';
        }
    }
    while (t->len && t->text[t->len - 1] == ' ') {
        t->len--;
    }
    return apr_pstrmemdup(p, t->text, t->len);
}

/* Standard input as a file without a name: nothing has to be fed while we read. */
static int make_input(const char *text)
{
    int fd = text ? memfd_create("input", MFD_CLOEXEC) : open("/dev/null", O_RDONLY | O_CLOEXEC);
    apr_size_t len = text ? strlen(text) : 0;

    if (fd >= 0 && len && (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET))) {
        close(fd);
        return -1;
    }
    return fd;
}

static apr_status_t start(pid_t *ppid, const sb_spawn_t *what, int in, int out)
{
    static const char *const env[] = {
        "PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8",
        "HOME=/", NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t all, none;
    int rv;

    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    rv = posix_spawn_file_actions_adddup2(&files, in, 0);
    rv = rv ? rv : posix_spawn_file_actions_adddup2(&files, out, 1);
    rv = rv ? rv : posix_spawn_file_actions_adddup2(&files, out, 2);
    if (what->hold) {
        rv = rv ? rv : posix_spawn_file_actions_adddup2(&files, what->hold, 3);
    }
    rv = rv ? rv : posix_spawnattr_setpgroup(&attr, 0);
    rv = rv ? rv : posix_spawnattr_setsigdefault(&attr, &all);
    rv = rv ? rv : posix_spawnattr_setsigmask(&attr, &none);
    rv = rv ? rv
            : posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                  POSIX_SPAWN_SETSIGMASK);
    rv = rv ? rv
            : posix_spawn(ppid, what->argv[0], &files, &attr, (char *const *)(uintptr_t)what->argv,
                          (char *const *)(uintptr_t)env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return rv;
}

/* Read what it says until it has ended or its time is up. @return -1 not by itself; its wait status */
static int follow(pid_t pid, int fd, const sb_spawn_t *what, tail_t *said)
{
    apr_time_t end = what->timeout ? apr_time_now() + what->timeout : APR_INT64_MAX, killed = 0;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    char buf[4096];
    int status = 0, ended = 0, open = 1;

    while (!ended || open) {
        apr_time_t now;
        ssize_t n = -1;

        if (poll(&pfd, open ? 1 : 0, TICK) > 0) {
            n = read(fd, buf, sizeof buf);
            if (n > 0) {
                add(said, buf, (apr_size_t)n);
            }
            open = n > 0 || (n < 0 && errno == EINTR);
        }
        if (!ended && waitpid(pid, &status, WNOHANG) == pid) {
            ended = 1;
        }
        else if (ended && n < 0) {
            break; /* a child of it lives on, silent */
        }
        now = apr_time_now();
        if (!ended && !killed && (now > end || (what->stopping && what->stopping()))) {
            kill(-pid, SIGTERM);
            killed = now;
        }
        if (!ended && killed && now > killed + GRACE) {
            kill(-pid, SIGKILL);
        }
    }
    if (killed) {
        kill(-pid, SIGKILL); /* what is left of its group */
    }
    return killed ? -1 : status;
}

apr_status_t sb_spawn(sb_spawned_t *how, const sb_spawn_t *what, apr_pool_t *p)
{
    tail_t said = {.len = 0};
    int in = make_input(what->input), out[2] = {-1, -1}, status;
    apr_status_t rv;
    pid_t pid;

    how->status = -1;
    how->said = "";
    if (in < 0 || pipe2(out, O_CLOEXEC)) {
        rv = errno;
        goto leave;
    }
    rv = start(&pid, what, in, out[1]);
    close(out[1]);
    out[1] = -1;
    if (rv != APR_SUCCESS) {
        goto leave;
    }
    status = follow(pid, out[0], what, &said);
    how->said = one_line(&said, p);
    if (status < 0) {
        rv = APR_TIMEUP;
    }
    else {
        how->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
leave:
    if (in >= 0) {
        close(in);
    }
    if (out[0] >= 0) {
        close(out[0]);
    }
    if (out[1] >= 0) {
        close(out[1]);
    }
    return rv;
}
