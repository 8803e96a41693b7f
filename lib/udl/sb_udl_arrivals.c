/* The arrivals zone: see sb_udl_arrivals.h. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "core/sb_crypto.h"
#include "core/sb_file.h"
#include "core/sb_log.h"
#include "udl/sb_udl_arrivals.h"

#define DONE ".done"
#define DONE_MAX 65536             /* bytes of a companion that are looked at */
#define RETRY apr_time_from_sec(1) /* pause before a file is offered again that was not noted */
#define MAX_DEPTH 16
#define EVENTS                                                                                     \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_MODIFY |            \
     IN_ONLYDIR | IN_EXCL_UNLINK)

/* What is known of one file. */
typedef struct {
    char *path; /* the key */
    apr_int64_t size;
    apr_time_t mtime, ctime;
    ino_t inode;
    apr_uint64_t order;  /* of arrival; 0: found by the running scan */
    apr_time_t due;      /* complete from then on, if it does not change */
    int stray;           /* its name is no package's */
    int said;            /* it was reported as a stray */
    int noted;           /* it was taken note of in this state */
    apr_time_t bad_done; /* mtime of a companion that does not fit; 0 none */
    int seen;            /* by the running scan */
} entry_t;

struct sb_udl_arrivals_t {
    sb_udl_arrivals_opts_t opts;
    int fd;
    apr_pool_t *p;
    apr_hash_t *entries; /* path -> entry_t */
    apr_hash_t *dirs;    /* int watch -> char * path */
    apr_uint64_t order;  /* of the last arrival */
    int scanning, overflow;
};

/* ---- entries ----------------------------------------------------------------------------------- */

static void drop(sb_udl_arrivals_t *a, entry_t *e)
{
    apr_hash_set(a->entries, e->path, APR_HASH_KEY_STRING, NULL);
    free(e->path);
    free(e);
}

static int ends_with(const char *s, const char *tail)
{
    apr_size_t n = strlen(s), m = strlen(tail);

    return n > m && !strcmp(s + n - m, tail);
}

/* Is it the name of a package? */
static int is_package(const sb_udl_arrivals_t *a, const char *name)
{
    int i;

    if (*name == '.' || ends_with(name, DONE)) {
        return 0;
    }
    for (i = 0; i < a->opts.patterns->nelts; i++) {
        if (!fnmatch(APR_ARRAY_IDX(a->opts.patterns, i, const char *), name, FNM_PATHNAME)) {
            return 1;
        }
    }
    return 0;
}

static apr_time_t time_of(const struct timespec *t)
{
    return apr_time_from_sec(t->tv_sec) + t->tv_nsec / 1000;
}

/* When the file last changed; a clock ahead of ours does not count. */
static apr_time_t changed_at(const entry_t *e)
{
    apr_time_t now = apr_time_now(), t = e->mtime > e->ctime ? e->mtime : e->ctime;

    return t < now ? t : now;
}

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* Note the state of a file. @param due when it is complete, counted from a change */
static void look(sb_udl_arrivals_t *a, const char *path, apr_interval_time_t due, int event)
{
    entry_t *e = apr_hash_get(a->entries, path, APR_HASH_KEY_STRING);
    struct stat st;
    int changed;

    if (lstat(path, &st) || !S_ISREG(st.st_mode)) {
        if (e) {
            drop(a, e);
        }
        return;
    }
    if (!e) {
        e = calloc(1, sizeof *e);
        if (!e || !(e->path = strdup(path))) {
            free(e);
            return;
        }
        e->stray = !is_package(a, name_of(path));
        apr_hash_set(a->entries, e->path, APR_HASH_KEY_STRING, e);
    }
    e->seen = 1;
    changed = e->size != st.st_size || e->mtime != time_of(&st.st_mtim) ||
              e->ctime != time_of(&st.st_ctim) || e->inode != st.st_ino;
    if (!changed && (!event || e->noted)) {
        return;
    }
    e->size = st.st_size;
    e->mtime = time_of(&st.st_mtim);
    e->ctime = time_of(&st.st_ctim);
    e->inode = st.st_ino;
    e->order = a->scanning ? 0 : ++a->order;
    e->due = changed_at(e) + due;
    e->noted = e->said = 0;
    e->bad_done = 0;
}

/* ---- directories ------------------------------------------------------------------------------- */

static void watch(sb_udl_arrivals_t *a, int fd, const char *path)
{
    char self[40];
    const char *known;
    int *key, wd;

    snprintf(self, sizeof self, "/proc/self/fd/%d",
             fd); /* this one, whatever path leads to by now */
    wd = inotify_add_watch(a->fd, self, EVENTS);
    if (wd < 0) {
        sb_log(SB_LOG_WARN, SBLOGNO(2220), errno, "watching %s; only the scan sees files there",
               path);
        return;
    }
    known = apr_hash_get(a->dirs, &wd, sizeof wd);
    if (known && !strcmp(known, path)) {
        return;
    }
    key = apr_pmemdup(a->p, &wd, sizeof wd);
    apr_hash_set(a->dirs, key, sizeof wd, apr_pstrdup(a->p, path));
}

/* @param fd of the directory; closed here */
static void walk(sb_udl_arrivals_t *a, int fd, const char *path, int depth, apr_pool_t *p)
{
    DIR *dir;
    struct dirent *d;

    watch(a, fd, path); /* before reading, so that nothing falls between */
    dir = fdopendir(fd);
    if (!dir) {
        sb_log(SB_LOG_WARN, SBLOGNO(2223), errno, "reading %s", path);
        close(fd);
        return;
    }
    while ((d = readdir(dir)) != NULL) {
        const char *full;
        struct stat st;

        if (*d->d_name == '.' || fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW)) {
            continue;
        }
        full = apr_pstrcat(p, path, "/", d->d_name, NULL);
        if (S_ISREG(st.st_mode)) {
            look(a, full, a->opts.stable, 0);
        }
        else if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH) {
            int sub = openat(fd, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

            if (sub >= 0) {
                walk(a, sub, full, depth + 1, p);
            }
        }
    }
    closedir(dir);
}

/* A directory of the tree, and what is below. */
static void walk_from(sb_udl_arrivals_t *a, const char *path, apr_pool_t *p)
{
    const char *below = path + strlen(a->opts.root);
    int fd, depth = 0;
    apr_status_t rv = sb_dir_open_below(&fd, a->opts.root, below, p);

    if (rv != APR_SUCCESS) {
        if (!APR_STATUS_IS_ENOENT(rv) && rv != ELOOP && rv != ENOTDIR) {
            sb_log(SB_LOG_WARN, SBLOGNO(2221), rv, "reading %s", path);
        }
        return;
    }
    for (; *below; below++) {
        depth += *below == '/';
    }
    walk(a, fd, path, depth, p);
}

static int by_change(const void *x, const void *y)
{
    const entry_t *a = *(entry_t *const *)x, *b = *(entry_t *const *)y;

    return a->ctime != b->ctime ? (a->ctime < b->ctime ? -1 : 1) : strcmp(a->path, b->path);
}

/* What a scan found came before whatever comes next, in the order of its last change. */
static void give_order(sb_udl_arrivals_t *a, apr_pool_t *p)
{
    apr_array_header_t *found = apr_array_make(p, 16, sizeof(entry_t *));
    apr_hash_index_t *hi;
    int i;

    for (hi = apr_hash_first(p, a->entries); hi; hi = apr_hash_next(hi)) {
        entry_t *e = apr_hash_this_val(hi);

        if (!e->order) {
            APR_ARRAY_PUSH(found, entry_t *) = e;
        }
    }
    qsort(found->elts, (size_t)found->nelts, sizeof(entry_t *), by_change);
    for (i = 0; i < found->nelts; i++) {
        APR_ARRAY_IDX(found, i, entry_t *)->order = ++a->order;
    }
}

void sb_udl_arrivals_scan(sb_udl_arrivals_t *a)
{
    apr_hash_index_t *hi;
    apr_pool_t *p;

    if (apr_pool_create(&p, a->p) != APR_SUCCESS) {
        return;
    }
    for (hi = apr_hash_first(p, a->entries); hi; hi = apr_hash_next(hi)) {
        ((entry_t *)apr_hash_this_val(hi))->seen = 0;
    }
    a->overflow = 0;
    a->scanning = 1;
    walk_from(a, a->opts.root, p);
    a->scanning = 0;
    give_order(a, p);
    for (hi = apr_hash_first(p, a->entries); hi; hi = apr_hash_next(hi)) {
        entry_t *e = apr_hash_this_val(hi);

        if (!e->seen) {
            drop(a, e); /* taken, or taken back */
        }
    }
    apr_pool_destroy(p);
}

/* ---- events ------------------------------------------------------------------------------------ */

static void one_event(sb_udl_arrivals_t *a, const struct inotify_event *ev, apr_pool_t *p)
{
    const char *dir = apr_hash_get(a->dirs, &ev->wd, sizeof ev->wd), *path;
    entry_t *e;

    if (ev->mask & IN_Q_OVERFLOW) {
        a->overflow = 1;
        return;
    }
    if (ev->mask & IN_IGNORED) {
        apr_hash_set(a->dirs, &ev->wd, sizeof ev->wd, NULL);
        return;
    }
    if (!dir || !ev->len || *ev->name == '.') {
        return;
    }
    path = apr_pstrcat(p, dir, "/", ev->name, NULL);
    if (ev->mask & IN_ISDIR) {
        if (ev->mask & (IN_CREATE | IN_MOVED_TO)) {
            a->scanning = 1;
            walk_from(a, path, p);
            a->scanning = 0;
            give_order(a, p);
        }
        return;
    }
    if (ends_with(ev->name, DONE)) { /* as a file of its own the scan sees it */
        /* the companion came or went: look at its file again */
        e = apr_hash_get(a->entries, apr_pstrndup(p, path, strlen(path) - strlen(DONE)),
                         APR_HASH_KEY_STRING);
        if (e) {
            e->bad_done = 0;
        }
        return;
    }
    if (is_package(a, ev->name)) {
        look(a, path, ev->mask & IN_MOVED_TO ? 0 : a->opts.stable, (ev->mask & IN_MOVED_TO) != 0);
    }
}

void sb_udl_arrivals_read(sb_udl_arrivals_t *a)
{
    char buf[65536] __attribute__((aligned(__alignof__(struct inotify_event))));
    apr_pool_t *p;
    ssize_t n;

    if (apr_pool_create(&p, a->p) != APR_SUCCESS) {
        return;
    }
    while ((n = read(a->fd, buf, sizeof buf)) > 0) {
        const char *at = buf;

        while (at < buf + n) {
            const struct inotify_event *ev = (const struct inotify_event *)(const void *)at;

            one_event(a, ev, p);
            at += sizeof *ev + ev->len;
        }
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    if (a->overflow) {
        sb_udl_arrivals_scan(a);
    }
}

/* ---- opening ----------------------------------------------------------------------------------- */

static apr_status_t close_all(void *data)
{
    sb_udl_arrivals_t *a = data;
    apr_hash_index_t *hi;

    close(a->fd);
    for (hi = apr_hash_first(NULL, a->entries); hi; hi = apr_hash_next(hi)) {
        entry_t *e = apr_hash_this_val(hi);

        free(e->path);
        free(e);
    }
    return APR_SUCCESS;
}

apr_status_t sb_udl_arrivals_open(sb_udl_arrivals_t **pa, const sb_udl_arrivals_opts_t *opts,
                                  apr_pool_t *p)
{
    sb_udl_arrivals_t *a = apr_pcalloc(p, sizeof *a);

    *pa = a;
    a->opts = *opts;
    a->p = p;
    a->entries = apr_hash_make(p);
    a->dirs = apr_hash_make(p);
    if (access(opts->root, R_OK | X_OK)) {
        return errno;
    }
    a->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (a->fd < 0) {
        return errno;
    }
    apr_pool_cleanup_register(p, a, close_all, apr_pool_cleanup_null);
    sb_udl_arrivals_scan(a);
    return APR_SUCCESS;
}

int sb_udl_arrivals_fd(const sb_udl_arrivals_t *a)
{
    return a->fd;
}

/* ---- what is ready ----------------------------------------------------------------------------- */

/* MD5 of a file in hex; NULL if it cannot be read. */
static const char *md5_of(const char *path, apr_pool_t *p)
{
    char buf[65536];
    sb_digest_t *d;
    apr_status_t rv;
    ssize_t n = -1;
    int fd;

    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return NULL;
    }
    rv = sb_digest_make(&d, "MD5", p);
    while (rv == APR_SUCCESS && (n = read(fd, buf, sizeof buf)) > 0) {
        rv = sb_digest_update(d, buf, (apr_size_t)n);
    }
    close(fd);
    return rv == APR_SUCCESS && n == 0 ? sb_digest_hex(d) : NULL;
}

typedef enum { NO_COMPANION, FITS, DOES_NOT_FIT } companion_t;

static companion_t companion_of(entry_t *e, apr_pool_t *p)
{
    const char *done = apr_pstrcat(p, e->path, DONE, NULL), *md5;
    struct stat st;
    apr_size_t len;
    char *text;

    if (lstat(done, &st) || !S_ISREG(st.st_mode)) {
        return NO_COMPANION;
    }
    if (e->bad_done == time_of(&st.st_mtim)) {
        return DOES_NOT_FIT; /* looked at before; neither has changed */
    }
    if (sb_file_read(&text, &len, done, DONE_MAX, p) == APR_SUCCESS &&
        (md5 = md5_of(e->path, p)) != NULL && strstr(text, md5)) {
        return FITS;
    }
    if (st.st_size > 0) {
        sb_log(SB_LOG_WARN, SBLOGNO(2222), SB_NO_STATUS,
               "%s does not hold the MD5 of its package: waiting", done);
    }
    e->bad_done = time_of(&st.st_mtim);
    return DOES_NOT_FIT;
}

static int is_complete(sb_udl_arrivals_t *a, entry_t *e, apr_time_t now, apr_pool_t *p)
{
    switch (companion_of(e, p)) {
    case FITS:
        return 1;
    case DOES_NOT_FIT:
        return 0;
    default:
        return !a->opts.require_done && e->due <= now;
    }
}

static int by_order(const void *x, const void *y)
{
    const entry_t *a = *(entry_t *const *)x, *b = *(entry_t *const *)y;

    return a->order < b->order ? -1 : a->order > b->order;
}

/* All entries that are known, as they came. */
static apr_array_header_t *in_order(const sb_udl_arrivals_t *a, apr_pool_t *p)
{
    apr_array_header_t *entries = apr_array_make(p, 16, sizeof(entry_t *));
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(p, a->entries); hi; hi = apr_hash_next(hi)) {
        APR_ARRAY_PUSH(entries, entry_t *) = apr_hash_this_val(hi);
    }
    qsort(entries->elts, (size_t)entries->nelts, sizeof(entry_t *), by_order);
    return entries;
}

static const char *tenant_of(const sb_udl_arrivals_t *a, const char *path, apr_pool_t *p)
{
    const char *below = path + strlen(a->opts.root) + 1, *slash = strchr(below, '/');

    return slash ? apr_pstrmemdup(p, below, (apr_size_t)(slash - below)) : NULL;
}

static void fill_in(sb_udl_arrival_t *r, const sb_udl_arrivals_t *a, const entry_t *e,
                    apr_pool_t *p)
{
    r->path = apr_pstrdup(p, e->path);
    r->tenant = tenant_of(a, r->path, p);
    r->size = e->size;
    r->mtime = e->mtime;
}

void sb_udl_arrivals_ready(apr_array_header_t **pready, sb_udl_arrivals_t *a, apr_pool_t *p)
{
    apr_array_header_t *ready = apr_array_make(p, 8, sizeof(sb_udl_arrival_t)),
                       *entries = in_order(a, p);
    apr_time_t now = apr_time_now();
    int i;

    for (i = 0; i < entries->nelts; i++) {
        entry_t *e = APR_ARRAY_IDX(entries, i, entry_t *);
        const char *path;

        if (e->noted || e->stray) {
            continue;
        }
        path = apr_pstrdup(p, e->path);
        look(a, path, a->opts.stable, 0); /* it may have gone, or changed unseen */
        e = apr_hash_get(a->entries, path, APR_HASH_KEY_STRING);
        if (e && is_complete(a, e, now, p)) {
            fill_in(apr_array_push(ready), a, e, p);
            e->due = now + RETRY;
        }
    }
    *pready = ready;
}

/* ---- what is never going to be ready ----------------------------------------------------------- */

/* A companion beside its package is no stray. */
static int has_package(const sb_udl_arrivals_t *a, const char *path, apr_pool_t *p)
{
    return ends_with(path, DONE) &&
           apr_hash_get(a->entries, apr_pstrndup(p, path, strlen(path) - strlen(DONE)),
                        APR_HASH_KEY_STRING);
}

void sb_udl_arrivals_strays(apr_array_header_t **pstrays, sb_udl_arrivals_t *a,
                            apr_interval_time_t age, apr_pool_t *p)
{
    apr_array_header_t *strays = apr_array_make(p, 8, sizeof(sb_udl_stray_t)),
                       *entries = in_order(a, p);
    apr_time_t now = apr_time_now();
    int i;

    for (i = 0; i < entries->nelts; i++) {
        entry_t *e = APR_ARRAY_IDX(entries, i, entry_t *);
        sb_udl_stray_t *s;

        if (now - changed_at(e) < age || e->noted ||
            (!e->stray && !a->opts.require_done && !e->bad_done) || has_package(a, e->path, p)) {
            continue;
        }
        s = apr_array_push(strays);
        fill_in(&s->file, a, e, p);
        s->why = ends_with(e->path, DONE) ? "a companion without its package"
                 : e->stray               ? "its name is no package's"
                 : e->bad_done            ? "its companion holds another MD5"
                                          : "its companion never came";
        s->age = now - changed_at(e);
        s->said = e->said;
        e->said = 1;
    }
    *pstrays = strays;
}

void sb_udl_arrivals_noted(sb_udl_arrivals_t *a, const char *path)
{
    entry_t *e = apr_hash_get(a->entries, path, APR_HASH_KEY_STRING);

    if (e) {
        e->noted = 1;
    }
}

apr_interval_time_t sb_udl_arrivals_wait(const sb_udl_arrivals_t *a)
{
    apr_time_t now = apr_time_now();
    apr_interval_time_t least = -1;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, a->entries); hi; hi = apr_hash_next(hi)) {
        const entry_t *e = apr_hash_this_val(hi);
        apr_interval_time_t left = e->due > now ? e->due - now : 0;

        if (!e->noted && !e->stray && !e->bad_done && !a->opts.require_done &&
            (least < 0 || left < least)) {
            least = left;
        }
    }
    return least;
}
