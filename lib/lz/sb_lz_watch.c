/* The watcher of the senders' jails: see sb_lz_watch.h. */

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_path.h"
#include "lz/sb_lz_dir.h"
#include "lz/sb_lz_release.h"
#include "lz/sb_lz_watch.h"

#define DONE ".done"
#define DONE_MAX 4096
#define LOCK ".lock"
#define MAX_DEPTH 8      /* of directories a sender makes */
#define MAX_NAMES 100000 /* of tenants, and of users of one */
#define EVENTS                                                                                     \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

/* What is remembered of a file from one pass to the next. A watcher that knows nothing does the same,
 * only says it once more. */
typedef struct {
    apr_time_t first_seen;
    apr_time_t judged, judged_done; /* ctimes at which its companion did not fit */
    int said;
} note_t;

struct sb_lz_watch_t {
    const sb_lz_conf_t *lz;
    sb_lz_release_t release;
    int arrivals, inotify;
    apr_pool_t *pool[2]; /* of the notes: this pass's, and the last one's */
    apr_hash_t *notes, *old_notes;
    int current;
    int quarantined;
    int waiting;
};

/* One directory that a sender writes to. */
typedef struct {
    sb_lz_watch_t *w;
    const char *tenant, *user;
    int dir;
    const char *below; /* its path below TENANT/USER, for notes */
    apr_hash_t *names; /* all names in it */
    apr_int64_t bytes;
    int files;
    apr_pool_t *p;
} drop_t;

/* ---- notes ------------------------------------------------------------------------------------- */

static note_t *note_of(sb_lz_watch_t *w, const char *path)
{
    note_t *n = apr_hash_get(w->notes, path, APR_HASH_KEY_STRING), *old;
    apr_pool_t *p = w->pool[w->current];

    if (n) {
        return n;
    }
    n = apr_pcalloc(p, sizeof *n);
    old = apr_hash_get(w->old_notes, path, APR_HASH_KEY_STRING);
    if (old) {
        *n = *old;
    }
    else {
        n->first_seen = apr_time_now();
    }
    apr_hash_set(w->notes, apr_pstrdup(p, path), APR_HASH_KEY_STRING, n);
    return n;
}

/* What no pass sees any more is forgotten. */
static void turn_notes(sb_lz_watch_t *w)
{
    w->current = !w->current;
    apr_pool_clear(w->pool[w->current]);
    w->old_notes = w->notes;
    w->notes = apr_hash_make(w->pool[w->current]);
}

/* Does it have to be said? Only once. */
static int first_time(sb_lz_watch_t *w, const char *path)
{
    note_t *n = note_of(w, path);

    return !n->said++;
}

/* ---- one file ---------------------------------------------------------------------------------- */

static int matches(const sb_lz_conf_t *lz, const char *name)
{
    int i;

    for (i = 0; i < lz->patterns->nelts; i++) {
        if (!fnmatch(APR_ARRAY_IDX(lz->patterns, i, const char *), name, FNM_PERIOD)) {
            return 1;
        }
    }
    return 0;
}

static apr_time_t ctime_of(const struct stat *st)
{
    return apr_time_from_sec(st->st_ctim.tv_sec) + st->st_ctim.tv_nsec / 1000;
}

typedef enum { WAIT, TAKE, REFUSE } verdict_t;

static int has_hole(const drop_t *d, const char *name)
{
    struct stat st;
    int fd = sb_lz_file_open(&st, d->dir, name), found;

    if (fd < 0) {
        return 0; /* what it is instead is found out when it is taken */
    }
    found = sb_lz_has_hole(fd, st.st_size);
    close(fd);
    return found;
}

/* Does the companion hold the MD5 of the file? Reads both, but only when one has changed. */
static verdict_t judge_companion(drop_t *d, const char *name, const struct stat *done, note_t *n,
                                 const char **pwhy)
{
    struct stat st;
    const char *md5 = NULL;
    char *text = NULL;
    apr_status_t rv;
    int fd;

    *pwhy = "its companion .done holds another MD5";
    fd = sb_lz_file_open(&st, d->dir, name);
    if (fd < 0) {
        return WAIT;
    }
    if (n->judged == ctime_of(&st) && n->judged_done == ctime_of(done)) {
        close(fd);
        return REFUSE;
    }
    if (st.st_size > d->w->lz->max_file_bytes || sb_lz_has_hole(fd, st.st_size)) {
        close(fd); /* nothing to be read for hours; it may have grown since it was looked at */
        *pwhy = SB_LZ_HOLE;
        return REFUSE;
    }
    rv = sb_lz_file_text(&text, d->dir, apr_pstrcat(d->p, name, DONE, NULL), DONE_MAX, d->p);
    if (rv == APR_SUCCESS && *text) {
        rv = sb_lz_digest(&md5, fd, -1, st.st_size, d->p);
    }
    close(fd);
    if (rv == APR_SUCCESS && md5 && strstr(text, md5)) {
        return TAKE;
    }
    n->judged = ctime_of(&st);
    n->judged_done = ctime_of(done);
    return REFUSE;
}

/* Is the file with this state complete? @param pwhy with REFUSE: why it will not be as it is */
static verdict_t judge(drop_t *d, const char *name, const struct stat *st, note_t *n,
                       const char **pwhy)
{
    const sb_lz_conf_t *lz = d->w->lz;
    const char *component, *done = apr_pstrcat(d->p, name, DONE, NULL);
    apr_time_t now = apr_time_now();
    struct stat companion;

    *pwhy = sb_path_component(&component, name, strlen(name), d->p);
    if (*pwhy && *name != '.') {
        *pwhy = apr_pstrcat(d->p, "its name ", *pwhy, NULL);
        return REFUSE;
    }
    if (*pwhy || !matches(lz, name)) {
        *pwhy = "its name is that of no package: an upload that was not finished?";
        return REFUSE;
    }
    if (!S_ISREG(st->st_mode)) {
        *pwhy = "no regular file";
        return REFUSE;
    }
    if (sb_lz_ends_with(name, DONE)) {
        *pwhy = "a companion without its file";
        return apr_hash_get(d->names, apr_pstrndup(d->p, name, strlen(name) - strlen(DONE)),
                            APR_HASH_KEY_STRING)
                   ? WAIT
                   : REFUSE;
    }
    if (st->st_nlink > 1) {
        *pwhy = "it has other names (hard links)";
        return REFUSE;
    }
    if (st->st_size > lz->max_file_bytes) {
        *pwhy = "larger than sftp.max_file_bytes";
        return REFUSE;
    }
    if (fstatat(d->dir, done, &companion, AT_SYMLINK_NOFOLLOW) == 0) {
        verdict_t v = judge_companion(d, name, &companion, n, pwhy);

        if (v == REFUSE && companion.st_size > 0 && !n->said++) {
            sb_log(SB_LOG_WARN, SBLOGNO(2720), SB_NO_STATUS, "%s/%s: %s waits: %s", d->tenant,
                   d->user, sb_lz_printable(name, d->p), *pwhy);
        }
        return v;
    }
    if (now - ctime_of(st) >= lz->period) {
        *pwhy = SB_LZ_HOLE;
        return has_hole(d, name) ? REFUSE : TAKE;
    }
    if (now - n->first_seen >= lz->quarantine_after) {
        *pwhy = "it never stopped changing";
        return REFUSE;
    }
    d->w->waiting++;
    return WAIT;
}

static void take(drop_t *d, const char *name, note_t *n)
{
    sb_lz_release_t *r = &d->w->release;
    apr_status_t rv = APR_SUCCESS;
    int to;

    if (sb_lz_release_is_busy(r, d->tenant, d->user, name, d->p)) {
        if (!n->said++) {
            sb_log(SB_LOG_NOTICE, SBLOGNO(2721), SB_NO_STATUS,
                   "%s/%s: %s waits until the last file of this name has been fetched", d->tenant,
                   d->user, sb_lz_printable(name, d->p));
        }
        return;
    }
    to = sb_lz_release_taken(r, d->tenant, d->user);
    rv = to < 0 ? errno : sb_lz_rename(d->dir, name, to, name);
    if (to >= 0) {
        close(to);
    }
    if (rv == APR_SUCCESS && strchr(d->below, '/')) {
        /* who releases looks for the companion in the drop directory only */
        unlinkat(d->dir, apr_pstrcat(d->p, name, DONE, NULL), 0);
    }
    if (rv != APR_SUCCESS && !APR_STATUS_IS_ENOENT(rv) && !n->said++) {
        r->failed++;
        sb_log(SB_LOG_ERROR, SBLOGNO(2722), rv, "%s/%s: %s cannot be taken%s", d->tenant, d->user,
               sb_lz_printable(name, d->p),
               rv == EXDEV ? ": a jail is a file system of its own" : "");
    }
}

/* What will not become complete goes when it is old enough, its companion with it. */
static void refuse(drop_t *d, const char *name, const struct stat *st, const note_t *n,
                   const char *why)
{
    const char *done = apr_pstrcat(d->p, name, DONE, NULL);
    apr_time_t now = apr_time_now(), since = ctime_of(st);

    if (now - since < d->w->lz->quarantine_after &&
        now - n->first_seen < d->w->lz->quarantine_after) {
        return;
    }
    if (sb_lz_quarantine(&d->w->release.room, d->w->lz, d->dir, name, d->tenant, d->user, why,
                         d->p) != APR_SUCCESS) {
        d->w->release.failed++;
        return;
    }
    d->w->quarantined++;
    if (apr_hash_get(d->names, done, APR_HASH_KEY_STRING) &&
        sb_lz_quarantine(&d->w->release.room, d->w->lz, d->dir, done, d->tenant, d->user,
                         "companion of a file in quarantine", d->p) == APR_SUCCESS) {
        d->w->quarantined++;
    }
}

/* ---- directories ------------------------------------------------------------------------------- */

/* Be woken when something happens in an open directory. */
static void watch_dir(sb_lz_watch_t *w, int dir)
{
    char path[40];

    apr_snprintf(path, sizeof path, "/proc/self/fd/%d", dir);
    if (inotify_add_watch(w->inotify, path, EVENTS) < 0 && first_time(w, "inotify")) {
        sb_log(SB_LOG_WARN, SBLOGNO(2723), errno,
               "inotify takes no more directories; new files are seen every "
               "sftp.file_system_scan_delay only");
    }
}

static void scan_drop(drop_t *d, int depth)
{
    const sb_lz_conf_t *lz = d->w->lz;
    apr_array_header_t *names;
    apr_pool_t *scratch;
    apr_status_t rv;
    int i;

    if (d->files >= lz->user_max_files) {
        return;
    }
    rv = sb_lz_dir_names(&names, d->dir, lz->user_max_files - d->files, d->p);
    if (rv != APR_SUCCESS) {
        d->w->release.failed++;
        sb_log(SB_LOG_ERROR, SBLOGNO(2724), rv, "%s/%s/%s cannot be read", d->tenant, d->user,
               sb_lz_printable(d->below, d->p));
        return;
    }
    if (apr_pool_create(&scratch, d->p) != APR_SUCCESS) {
        return;
    }
    d->names = apr_hash_make(d->p);
    for (i = 0; i < names->nelts; i++) {
        apr_hash_set(d->names, APR_ARRAY_IDX(names, i, const char *), APR_HASH_KEY_STRING, "");
    }
    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *), *why;
        drop_t one = *d;
        struct stat st;
        note_t *n;

        apr_pool_clear(scratch);
        one.p = scratch;
        d->files++;
        if (fstatat(d->dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
            continue; /* gone: taken back, or a companion whose file was refused */
        }
        if (S_ISDIR(st.st_mode)) {
            drop_t sub = *d;

            sub.dir = depth < MAX_DEPTH ? sb_lz_dir_open(d->dir, name) : -1;
            if (sub.dir >= 0) {
                sub.below = apr_pstrcat(d->p, d->below, "/", name, NULL);
                scan_drop(&sub, depth + 1);
                close(sub.dir);
                d->files = sub.files;
                d->bytes = sub.bytes;
            }
            continue;
        }
        d->bytes += st.st_size;
        n = note_of(d->w,
                    apr_pstrcat(scratch, d->tenant, "/", d->user, "/", d->below, "/", name, NULL));
        switch (judge(&one, name, &st, n, &why)) {
        case TAKE:
            take(&one, name, n);
            break;
        case REFUSE:
            refuse(&one, name, &st, n, why);
            break;
        case WAIT:
            break;
        }
    }
    apr_pool_destroy(scratch);
}

/* A file where no user could have put it. */
static void nobodys(sb_lz_watch_t *w, int dir, const char *where, const char *name, apr_pool_t *p)
{
    struct stat st;

    if (*name != '.' && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        first_time(w, apr_pstrcat(p, where, name, NULL))) {
        sb_log(SB_LOG_WARN, SBLOGNO(2725), SB_NO_STATUS,
               "%s%s belongs to no user's directory; it stays where it is", where,
               sb_lz_printable(name, p));
    }
}

static void scan_user(sb_lz_watch_t *w, int dir, const char *tenant, const char *user,
                      apr_pool_t *p)
{
    const char *drop = w->lz->roles[0].drop, *where = apr_pstrcat(p, tenant, "/", user, "/", NULL);
    drop_t d = {.w = w, .tenant = tenant, .user = user, .below = drop, .p = p};
    apr_array_header_t *names;
    int i;

    if (sb_lz_dir_names(&names, dir, MAX_NAMES, p) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        d.dir = strcmp(name, drop) ? -1 : sb_lz_dir_open(dir, name);
        if (d.dir < 0) {
            nobodys(w, dir, where, name, p);
            continue;
        }
        watch_dir(w, d.dir);
        scan_drop(&d, 0);
        close(d.dir);
    }
    if (d.files >= w->lz->user_max_files && first_time(w, apr_pstrcat(p, where, "//files", NULL))) {
        sb_log(SB_LOG_WARN, SBLOGNO(2726), SB_NO_STATUS,
               "%s/%s has %d files waiting or more: the rest is looked at when these are gone",
               tenant, user, w->lz->user_max_files);
    }
    if (d.bytes > w->lz->user_max_bytes && first_time(w, apr_pstrcat(p, where, "//bytes", NULL))) {
        sb_log(SB_LOG_WARN, SBLOGNO(2727), SB_NO_STATUS,
               "%s/%s has %" APR_INT64_T_FMT " bytes waiting, more than sftp.user_max_bytes",
               tenant, user, d.bytes);
    }
}

/* For each directory in dir that is named like a tenant or user. */
static void scan_tenant(sb_lz_watch_t *w, int dir, const char *tenant, apr_pool_t *p)
{
    apr_array_header_t *names;
    apr_pool_t *sub;
    int i;

    if (sb_lz_dir_names(&names, dir, MAX_NAMES, p) != APR_SUCCESS ||
        apr_pool_create(&sub, p) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        int fd = sb_lz_is_name(name) ? sb_lz_dir_open(dir, name) : -1;

        if (fd < 0) {
            nobodys(w, dir, apr_pstrcat(sub, tenant, "/", NULL), name, sub);
            continue;
        }
        scan_user(w, fd, tenant, name, sub);
        close(fd);
        apr_pool_clear(sub);
    }
}

static void scan(sb_lz_watch_t *w, apr_pool_t *p)
{
    apr_array_header_t *names;
    apr_status_t rv = sb_lz_dir_names(&names, w->arrivals, MAX_NAMES, p);
    int i;

    if (rv != APR_SUCCESS) {
        w->release.failed++;
        sb_log(SB_LOG_ERROR, SBLOGNO(2728), rv, "%s cannot be read", w->lz->arrivals);
        return;
    }
    watch_dir(w, w->arrivals);
    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        int fd = sb_lz_is_name(name) ? sb_lz_dir_open(w->arrivals, name) : -1;

        if (fd < 0) {
            nobodys(w, w->arrivals, "", name, p);
            continue;
        }
        watch_dir(w, fd);
        scan_tenant(w, fd, name, p);
        close(fd);
    }
}

/* Everything that was taken, by this pass or by one that died; for all users who ever sent. */
static void release_all(sb_lz_watch_t *w, apr_pool_t *p)
{
    int taken = sb_lz_dir_open(w->release.base, strrchr(w->lz->taken, '/') + 1), i, k;
    apr_array_header_t *tenants, *users;
    apr_pool_t *sub;

    if (taken < 0 || sb_lz_dir_names(&tenants, taken, 0, p) != APR_SUCCESS ||
        apr_pool_create(&sub, p) != APR_SUCCESS) {
        if (taken >= 0) {
            close(taken);
        }
        return;
    }
    for (i = 0; i < tenants->nelts; i++) {
        const char *tenant = APR_ARRAY_IDX(tenants, i, const char *);
        int fd = sb_lz_is_name(tenant) ? sb_lz_dir_open(taken, tenant) : -1;

        if (fd < 0) {
            continue;
        }
        if (sb_lz_dir_names(&users, fd, 0, p) == APR_SUCCESS) {
            for (k = 0; k < users->nelts; k++) {
                const char *user = APR_ARRAY_IDX(users, k, const char *);

                if (sb_lz_is_name(user)) {
                    sb_lz_release_user(&w->release, tenant, user, sub);
                }
                apr_pool_clear(sub);
            }
        }
        close(fd);
    }
    close(taken);
}

void sb_lz_watch_pass(sb_lz_pass_t *pass, sb_lz_watch_t *w)
{
    apr_pool_t *p;

    memset(pass, 0, sizeof *pass);
    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return;
    }
    turn_notes(w);
    w->release.released = w->release.refused = w->release.failed = 0;
    w->quarantined = w->waiting = 0;
    memset(&w->release.room, 0, sizeof w->release.room);
    scan(w, p);
    apr_pool_clear(p);
    release_all(w, p);
    pass->released = w->release.released;
    pass->quarantined = w->quarantined + w->release.refused;
    pass->failed = w->release.failed;
    pass->waiting = w->waiting;
    apr_pool_destroy(p);
}

/* ---- opening ----------------------------------------------------------------------------------- */

static apr_status_t close_all(void *data)
{
    sb_lz_watch_t *w = data;
    const int fds[] = {w->arrivals, w->inotify, w->release.lock, w->release.base,
                       w->release.staging};
    apr_size_t i;

    for (i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return APR_SUCCESS;
}

apr_status_t sb_lz_watch_open(sb_lz_watch_t **pw, const char **pwhat, const sb_lz_conf_t *lz,
                              int (*stopping)(void), apr_pool_t *p)
{
    sb_lz_watch_t *w = apr_pcalloc(p, sizeof *w);
    int taken;

    *pw = w;
    *pwhat = lz->base;
    w->lz = lz;
    w->release.lz = lz;
    w->release.stopping = stopping;
    w->arrivals = w->inotify = w->release.lock = w->release.base = w->release.staging = -1;
    apr_pool_cleanup_register(p, w, close_all, apr_pool_cleanup_null);
    if (apr_pool_create(&w->pool[0], p) != APR_SUCCESS ||
        apr_pool_create(&w->pool[1], p) != APR_SUCCESS) {
        return ENOMEM;
    }
    w->notes = apr_hash_make(w->pool[0]);
    w->release.base = open(lz->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->release.base < 0) {
        return errno;
    }
    *pwhat = lz->taken;
    taken = sb_lz_dir_make(w->release.base, strrchr(lz->taken, '/') + 1, 0700);
    if (taken < 0) {
        return errno;
    }
    w->release.lock = openat(taken, LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    close(taken);
    if (w->release.lock < 0) {
        return errno;
    }
    if (flock(w->release.lock, LOCK_EX | LOCK_NB)) {
        return errno == EWOULDBLOCK ? SB_EBUSY : errno;
    }
    *pwhat = lz->arrivals;
    w->arrivals = open(lz->arrivals, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->arrivals < 0) {
        return errno;
    }
    *pwhat = lz->staging;
    w->release.staging = lz->remote ? -1 : open(lz->staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->release.staging < 0 && !lz->remote) {
        return errno;
    }
    *pwhat = "inotify";
    w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    return w->inotify < 0 ? errno : APR_SUCCESS;
}

int sb_lz_watch_fd(const sb_lz_watch_t *w)
{
    return w->inotify;
}

void sb_lz_watch_drain(sb_lz_watch_t *w)
{
    char buf[8192];

    while (read(w->inotify, buf, sizeof buf) > 0) {
    }
}
