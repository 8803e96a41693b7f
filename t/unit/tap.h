#ifndef TAP_H
#define TAP_H

/** A dozen lines of TAP for unit tests: ok() a fact, is_*() a comparison, done() the plan. */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_pools.h>

static int tap_run, tap_failed;

__attribute__((format(printf, 2, 3), unused)) static int ok(int good, const char *fmt, ...)
{
    va_list ap;

    tap_run++;
    tap_failed += !good;
    printf("%sok %d - ", good ? "" : "not ", tap_run);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
    if (!good) { /* prove shows what goes to stderr */
        fprintf(stderr, "# failed test %d: ", tap_run);
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fputc('\n', stderr);
    }
    return good;
}

__attribute__((unused)) static int is_str(const char *have, const char *want, const char *what)
{
    int good = have && want ? !strcmp(have, want) : have == want;

    ok(good, "%s", what);
    if (!good) {
        fprintf(stderr, "# have: %s\n# want: %s\n", have ? have : "(null)", want ? want : "(null)");
    }
    return good;
}

__attribute__((unused)) static int is_int(long long have, long long want, const char *what)
{
    int good = have == want;

    ok(good, "%s", what);
    if (!good) {
        fprintf(stderr, "# have: %lld\n# want: %lld\n", have, want);
    }
    return good;
}

/** Ends main: prints the plan. @return the exit status */
__attribute__((unused)) static int done(void)
{
    printf("1..%d\n", tap_run);
    return tap_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/** A pool for the whole test. */
__attribute__((unused)) static apr_pool_t *tap_pool(void)
{
    apr_pool_t *p;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        puts("Bail out! APR does not start");
        exit(EXIT_FAILURE);
    }
    atexit(apr_terminate); /* for the leak checker: what is left then is lost */
    return p;
}

/** Write a file that only we may read. @return its path */
__attribute__((unused)) static const char *tap_file(const char *dir, const char *name,
                                                    const char *text, apr_pool_t *p)
{
    const char *path = apr_pstrcat(p, dir, "/", name, NULL);
    ssize_t len = (ssize_t)strlen(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, text, (size_t)len) != len || close(fd)) {
        puts("Bail out! cannot write a file");
        exit(EXIT_FAILURE);
    }
    return path;
}

#endif
