/* Other programs: how they end, what they say, when they are ended. */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include "tap.h"
#include "core/sb_spawn.h"

static apr_pool_t *pool;

static apr_status_t sh(sb_spawned_t *how, const char *script, const char *input,
                       apr_interval_time_t timeout, int (*stopping)(void), int hold)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    sb_spawn_t what = {
        .argv = argv, .input = input, .timeout = timeout, .stopping = stopping, .hold = hold};

    return sb_spawn(how, &what, pool);
}

static int stop(void)
{
    return 1;
}

int main(void)
{
    const char *const none[] = {"/nowhere/program", NULL};
    sb_spawn_t nothing = {.argv = none};
    char path[] = "/tmp/sb-spawn-XXXXXX";
    sb_spawned_t how;
    apr_time_t began;
    int lock, other;

    pool = tap_pool();
    is_int(sh(&how, "echo one; echo two >&2; exit 3", NULL, 0, NULL, 0), APR_SUCCESS, "it runs");
    ok(how.status == 3 && !strcmp(how.said, "one two"), "its status, and both of its outputs: %s",
       how.said);
    is_int(sh(&how, "kill -9 $$", NULL, 0, NULL, 0), APR_SUCCESS, "it is killed by somebody");
    is_int(how.status, 128 + 9, "which is told");
    is_int(sh(&how, "cat", "what it reads\n", 0, NULL, 0), APR_SUCCESS, "it reads");
    is_str(how.said, "what it reads", "its input");
    is_int(sh(&how, "cat", NULL, 0, NULL, 0), APR_SUCCESS, "or none");
    is_str(how.said, "", "and ends");
    is_int(
        sh(&how, "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done", NULL, 0, NULL, 0),
        APR_SUCCESS, "it talks much");
    ok(strlen(how.said) <= SB_SPAWN_SAID_MAX && strstr(how.said, "line 2999"), "the end is kept");
    is_int(sh(&how, "env", NULL, 0, NULL, 0), APR_SUCCESS, "its environment");
    ok(!strstr(how.said, "SB_TOP") && strstr(how.said, "LC_ALL=C.UTF-8"), "is clean: %s", how.said);
    is_int(sb_spawn(&how, &nothing, pool), ENOENT, "there is no such program");

    began = apr_time_now();
    is_int(sh(&how, "sleep 20 & sleep 20; echo survived", NULL, apr_time_from_msec(300), NULL, 0),
           APR_TIMEUP, "it takes too long");
    is_int(sh(&how, "sleep 20", NULL, 0, stop, 0), APR_TIMEUP, "it is not wanted any more");
    ok(apr_time_now() - began < apr_time_from_sec(8), "both end soon, with their children");

    /* a lock outlives us in it */
    lock = mkstemp(path);
    fcntl(lock, F_SETFD, FD_CLOEXEC);
    ok(flock(lock, LOCK_EX) == 0, "we hold a lock");
    is_int(sh(&how, "sleep 1 >/dev/null 2>&1 & exit 0", NULL, 0, NULL, lock), APR_SUCCESS,
           "it leaves a child behind");
    close(lock);
    other = open(path, O_RDWR | O_CLOEXEC);
    ok(flock(other, LOCK_EX | LOCK_NB) != 0, "which holds the lock when we let go of it");
    ok(flock(other, LOCK_EX) == 0, "until it ends");
    close(other);
    unlink(path);
    return done();
}
