/* The file grabber: see sb_grab.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_log.h"
#include "core/sb_path.h"
#include "core/sb_spawn.h"
#include "lz/sb_grab.h"
#include "lz/sb_lz_conf.h"
#include "lz/sb_lz_dir.h"

#define RSYNC "/usr/bin/rsync"
#define DONE ".done"
#define DIR_MODE 0750
#define MAX_DEPTH 16
#define LONE_DONE_KEEP apr_time_from_sec(3600) /* its file may have been on its way */
#define RSYNC_SYNTAX 1                         /* exit statuses of rsync(1) */
#define RSYNC_PROTOCOL 2
#define RSYNC_UNSUPPORTED 4
#define RSYNC_PARTIAL 23
#define RSYNC_VANISHED 24

/* ---- configuration ----------------------------------------------------------------------------- */

static const char *text_of(const sb_conf_t *conf, const char *name, const char *key, apr_pool_t *p)
{
    const char *text =
        sb_conf_str(conf, apr_pstrcat(p, "file-grabber.", name, ".args.", key, NULL));

    return text && *text ? apr_pstrdup(p, text) : NULL;
}

static const char *without_slash(const char *path, apr_pool_t *p)
{
    apr_size_t n = path ? strlen(path) : 0;

    while (n > 1 && path[n - 1] == '/') {
        n--;
    }
    return path ? apr_pstrmemdup(p, path, n) : NULL;
}

const char *sb_grab_read(const sb_grab_source_t **ps, const sb_conf_t *conf, const char *name,
                         apr_pool_t *p)
{
    sb_grab_source_t *s = apr_pcalloc(p, sizeof *s);
    const char *args = apr_pstrcat(p, "file-grabber.", name, ".args.", NULL), *component;
    apr_size_t i;

    *ps = s;
    s->name = apr_pstrdup(p, name);
    s->host = text_of(conf, name, "remote_host", p);
    s->user = text_of(conf, name, "remote_user", p);
    s->dir = without_slash(text_of(conf, name, "remote_dir", p), p);
    s->key = text_of(conf, name, "private_key", p);
    s->known_hosts = text_of(conf, name, "known_hosts", p);
    s->host_key_checking = text_of(conf, name, "host_key_checking", p);
    s->landing = text_of(conf, name, "landing", p);
    if (!s->landing) {
        s->landing = apr_pstrdup(p, sb_conf_str(conf, "zones.arrivals"));
    }
    s->landing = without_slash(s->landing, p);
    s->archive = without_slash(text_of(conf, name, "archive_dir", p), p);
    s->port = (int)sb_conf_int(conf, apr_pstrcat(p, args, "remote_port", NULL));
    s->timeout = sb_conf_interval(conf, apr_pstrcat(p, args, "timeout", NULL));
    if (sb_path_component(&component, name, strlen(name), p)) {
        return apr_psprintf(p, "%s: '%s' is no name for a source", sb_conf_path(conf), name);
    }
    if (!s->dir) {
        return apr_psprintf(p, "%s: %sremote_dir is missing", sb_conf_path(conf), args);
    }
    for (i = 0; s->dir[i]; i++) {
        if ((unsigned char)s->dir[i] < 0x20) {
            return apr_psprintf(p, "%s: %sremote_dir holds a control character", sb_conf_path(conf),
                                args);
        }
    }
    if ((s->host && (!sb_lz_is_plain(s->host) || strchr(s->host, '/'))) ||
        (s->user && (!sb_lz_is_plain(s->user) || strchr(s->user, '/'))) ||
        (s->key && !sb_lz_is_plain(s->key)) ||
        (s->known_hosts && !sb_lz_is_plain(s->known_hosts))) {
        return apr_psprintf(p,
                            "%s: %sremote_host, remote_user, private_key and known_hosts are plain "
                            "words: letters, digits, '.', '_', '-'; '/' in paths",
                            sb_conf_path(conf), args);
    }
    return NULL;
}

/* ---- rsync ------------------------------------------------------------------------------------- */

typedef struct {
    const sb_grab_source_t *s;
    sb_grab_run_t *run;
    int (*stopping)(void);
    const char *spool; /* its path, for rsync */
    int dir, in, replaced, landing, lock;
    int trouble;       /* some files made rsync complain */
    const char *stamp; /* of the archive: when this run began */
    apr_pool_t *p;
} grab_t;

static const char *ssh_command(const sb_grab_source_t *s, apr_pool_t *p)
{
    return apr_pstrcat(
        p, "/usr/bin/ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=", s->host_key_checking,
        " -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4 -o "
        "ForwardAgent=no -p ",
        apr_itoa(p, s->port), s->known_hosts ? " -o UserKnownHostsFile=" : "",
        s->known_hosts ? s->known_hosts : "", s->key ? " -o IdentitiesOnly=yes -i " : "",
        s->key ? s->key : "", NULL);
}

/* Run rsync from the source into in/. @param more options, ended by NULL */
static apr_status_t rsync(grab_t *g, const char *what, const char *const *more)
{
    static const char *const always[] = {
        RSYNC, "-rt", "--modify-window=-1", "--prune-empty-dirs", "--timeout=120",
        /* names that are not there yet, or are nobody's business */
        "--exclude=*.partial", "--exclude=.*",
        /* a file that was cut off is gone on with */
        "--partial-dir=.rsync-partial", "--backup"};
    const sb_grab_source_t *s = g->s;
    apr_array_header_t *argv = apr_array_make(g->p, 32, sizeof(const char *));
    /* a run that is killed leaves its rsync at work: nobody else may begin before that has ended */
    sb_spawn_t run = {.timeout = s->timeout, .stopping = g->stopping, .hold = g->lock};
    sb_spawned_t how;
    apr_status_t rv;
    apr_size_t i;

    for (i = 0; i < sizeof always / sizeof *always; i++) {
        APR_ARRAY_PUSH(argv, const char *) = always[i];
    }
    APR_ARRAY_PUSH(argv, const char *) =
        apr_pstrcat(g->p, "--backup-dir=", g->spool, "/replaced", NULL);
    for (; *more; more++) {
        APR_ARRAY_PUSH(argv, const char *) = *more;
    }
    if (s->host) {
        APR_ARRAY_PUSH(argv, const char *) = "-e";
        APR_ARRAY_PUSH(argv, const char *) = ssh_command(s, g->p);
    }
    APR_ARRAY_PUSH(argv, const char *) = "--";
    APR_ARRAY_PUSH(argv, const char *) =
        s->host ? apr_pstrcat(g->p, s->user ? s->user : "", s->user ? "@" : "", s->host, ":",
                              s->dir, "/", NULL)
                : apr_pstrcat(g->p, s->dir, "/", NULL);
    APR_ARRAY_PUSH(argv, const char *) = apr_pstrcat(g->p, g->spool, "/in/", NULL);
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    run.argv = (const char *const *)argv->elts;
    rv = sb_spawn(&how, &run, g->p);
    if (rv == APR_TIMEUP && g->stopping && g->stopping()) {
        return rv; /* not its fault */
    }
    if (rv != APR_SUCCESS || how.status != 0) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2750), rv, "source %s, %s: rsync ended with status %d: %s",
               s->name, what, how.status, sb_lz_printable(how.said, g->p));
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    switch (how.status) {
    case 0:
        return APR_SUCCESS;
    case RSYNC_PARTIAL:
    case RSYNC_VANISHED:
        g->trouble = 1;
        return SB_ECONFLICT;
    case RSYNC_SYNTAX:
    case RSYNC_PROTOCOL:
    case RSYNC_UNSUPPORTED:
        return SB_ECONFIG;
    default:
        return SB_EUNAVAILABLE;
    }
}

/* ---- delivery ---------------------------------------------------------------------------------- */

/* A second name, or a copy on another file system, in ARCHIVE/TIME/BELOW. Nothing waits for it. */
static void archive(const grab_t *g, int from, const char *below, const char *name)
{
    const char *dir, *md5;
    apr_status_t rv;
    struct stat st;
    int to, in, out;

    if (!g->s->archive) {
        return;
    }
    dir = apr_pstrcat(g->p, g->s->archive, "/", g->stamp, "/", below, NULL);
    rv = sb_dir_make(dir, DIR_MODE, g->p);
    to = rv == APR_SUCCESS ? sb_lz_dir_open(AT_FDCWD, dir) : -1;
    if (to < 0) {
        rv = rv == APR_SUCCESS ? errno : rv;
    }
    else if (linkat(from, name, to, name, 0) && errno != EEXIST) {
        rv = errno;
        in = rv == EXDEV ? sb_lz_file_open(&st, from, name) : -1;
        if (in >= 0) {
            out = openat(to, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
            rv = out < 0 ? errno : sb_lz_digest(&md5, in, out, st.st_size, g->p);
            close(in);
            if (out >= 0) {
                close(out);
            }
        }
    }
    if (to >= 0) {
        close(to);
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2751), rv, "source %s: %s is not archived in %s", g->s->name,
               sb_lz_printable(name, g->p), dir);
    }
}

/* A companion without its file: the file is in the landing directory, or still to come, or long gone. */
static void deliver_lone_done(const grab_t *g, int from, int to, const char *name)
{
    const char *data = apr_pstrmemdup(g->p, name, strlen(name) - strlen(DONE));
    struct stat st;

    if (sb_lz_is_there(from, data)) {
        return; /* not alone: it waits with its file */
    }
    if (to >= 0 && sb_lz_is_there(to, data)) {
        if (renameat(from, name, to, name) == 0) {
            return;
        }
    }
    else if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
             apr_time_from_sec(st.st_ctime) + LONE_DONE_KEEP < apr_time_now() &&
             unlinkat(from, name, 0) == 0) {
        sb_log(SB_LOG_INFO, SBLOGNO(2752), SB_NO_STATUS,
               "source %s: %s came without its file: removed", g->s->name,
               sb_lz_printable(name, g->p));
    }
}

/* One file; its companion first, so that it is there when the file is noticed. */
static apr_status_t deliver_file(const grab_t *g, int from, int to, const char *below,
                                 const char *name)
{
    const char *done = apr_pstrcat(g->p, name, DONE, NULL);
    apr_status_t rv;

    if (sb_lz_is_there(to, name)) {
        g->run->waiting++;
        return APR_SUCCESS;
    }
    archive(g, from, below, name);
    if (renameat(from, done, to, done) && errno != ENOENT) {
        return errno;
    }
    rv = sb_lz_rename(from, name, to, name);
    if (rv == APR_SUCCESS) {
        g->run->delivered++;
        sb_log(SB_LOG_INFO, SBLOGNO(2753), SB_NO_STATUS, "source %s: %s/%s delivered", g->s->name,
               sb_lz_printable(below, g->p), sb_lz_printable(name, g->p));
    }
    return rv;
}

/* All of one directory of the spool. @param to the same place in the landing directory; taken over
 * @return the first thing that went wrong; the others were done */
static apr_status_t deliver(const grab_t *g, int from, int to, const char *below, int depth)
{
    apr_array_header_t *names;
    apr_status_t rv = sb_lz_dir_names(&names, from, 0, g->p), first = rv;
    int i, delivered = g->run->delivered;

    for (i = 0; rv == APR_SUCCESS && i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        apr_status_t one = APR_SUCCESS;
        struct stat st;

        if (*name == '.' || fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW)) {
            continue;
        }
        if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH) {
            int sub = sb_lz_dir_open(from, name), there_too = sb_lz_dir_make(to, name, DIR_MODE);

            one =
                sub < 0 || there_too < 0
                    ? errno
                    : deliver(g, sub, there_too,
                              *below ? apr_pstrcat(g->p, below, "/", name, NULL) : name, depth + 1);
            if (sub >= 0) {
                close(sub);
            }
            if (there_too >= 0) {
                close(there_too);
            }
            unlinkat(from, name, AT_REMOVEDIR); /* if it is empty now */
        }
        else if (S_ISREG(st.st_mode) && sb_lz_ends_with(name, DONE)) {
            deliver_lone_done(g, from, to, name);
        }
        else if (S_ISREG(st.st_mode)) {
            one = deliver_file(g, from, to, below, name);
        }
        if (one != APR_SUCCESS) {
            first = first == APR_SUCCESS ? one : first;
            if (!S_ISDIR(st.st_mode)) {
                sb_log(SB_LOG_ERROR, SBLOGNO(2754), one, "source %s: %s cannot be delivered to %s",
                       g->s->name, sb_lz_printable(name, g->p), g->s->landing);
            }
        }
    }
    if (g->run->delivered > delivered && fsync(to)) {
        first = first == APR_SUCCESS ? errno : first;
    }
    return first;
}

/* Is a file in it? */
static int holds_files(int dir, int depth, apr_pool_t *p)
{
    apr_array_header_t *names;
    int i, found = 0;

    if (dir < 0 || sb_lz_dir_names(&names, dir, 0, p) != APR_SUCCESS) {
        return 0;
    }
    for (i = 0; i < names->nelts && !found; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        struct stat st;

        if (*name == '.' || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
            continue;
        }
        if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH) {
            int sub = sb_lz_dir_open(dir, name);

            found = holds_files(sub, depth + 1, p);
            if (sub >= 0) {
                close(sub);
            }
        }
        else {
            found = S_ISREG(st.st_mode);
        }
    }
    return found;
}

/* ---- one run ----------------------------------------------------------------------------------- */

static apr_status_t work(grab_t *g)
{
    static const char *const pull[] = {NULL};
    /* --existing: nothing new comes; --fsync: should a file have changed just now, it is durable too */
    static const char *const clear[] = {"--existing", "--remove-source-files", "--fsync", NULL};
    apr_status_t rv;

    /* of a run that died; nothing may be pulled over it */
    rv = deliver(g, g->replaced, g->landing, "", 0);
    if (rv != APR_SUCCESS || holds_files(g->replaced, 0, g->p)) {
        return rv;
    }
    rv = rsync(g, "fetching", pull);
    if (rv != APR_SUCCESS && rv != SB_ECONFLICT) {
        return rv;
    }
    if (!holds_files(g->in, 0, g->p)) {
        return rv;
    }
    if (syncfs(g->dir)) {
        rv = errno;
        sb_log(SB_LOG_ERROR, SBLOGNO(2755), rv, "source %s: %s cannot be made durable", g->s->name,
               g->spool);
        return rv;
    }
    rv = rsync(g, "removing there what was fetched", clear);
    if (rv != APR_SUCCESS) {
        return rv; /* what is still there would come again */
    }
    rv = deliver(g, g->replaced, g->landing, "", 0);
    if (rv == APR_SUCCESS && !holds_files(g->replaced, 0, g->p)) {
        rv = deliver(g, g->in, g->landing, "", 0);
    }
    return rv == APR_SUCCESS && g->trouble ? SB_ECONFLICT : rv;
}

/* Directories of ours; @return NULL, or what cannot be opened */
static const char *open_spool(grab_t *g)
{
    const sb_grab_source_t *s = g->s;
    int spool;

    g->landing = sb_lz_dir_open(AT_FDCWD, s->landing);
    if (g->landing < 0) {
        return s->landing;
    }
    spool = sb_lz_dir_make(g->landing, ".spool", DIR_MODE);
    g->dir = spool < 0 ? -1 : sb_lz_dir_make(spool, s->name, DIR_MODE);
    if (spool >= 0) {
        close(spool);
    }
    g->in = g->dir < 0 ? -1 : sb_lz_dir_make(g->dir, "in", DIR_MODE);
    g->replaced = g->dir < 0 ? -1 : sb_lz_dir_make(g->dir, "replaced", DIR_MODE);
    g->lock =
        g->dir < 0 ? -1 : openat(g->dir, ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return g->in < 0 || g->replaced < 0 || g->lock < 0 ? g->spool : NULL;
}

apr_status_t sb_grab_run(sb_grab_run_t *run, const sb_grab_source_t *s, int (*stopping)(void),
                         apr_pool_t *p)
{
    grab_t g = {.s = s,
                .run = run,
                .stopping = stopping,
                .p = p,
                .dir = -1,
                .in = -1,
                .replaced = -1,
                .lock = -1};
    const char *what;
    apr_status_t rv;
    apr_time_exp_t t;
    int i;

    memset(run, 0, sizeof *run);
    apr_time_exp_lt(&t, apr_time_now());
    g.stamp = apr_psprintf(p, "%04d%02d%02d%02d%02d", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                           t.tm_hour, t.tm_min);
    g.spool = apr_pstrcat(p, s->landing, "/.spool/", s->name, NULL);
    what = open_spool(&g);
    if (what) {
        rv = errno;
        sb_log(SB_LOG_ERROR, SBLOGNO(2756), rv, "source %s: %s cannot be used", s->name, what);
    }
    else if (flock(g.lock, LOCK_EX | LOCK_NB)) {
        rv = errno == EWOULDBLOCK ? SB_EBUSY : errno;
    }
    else {
        rv = work(&g);
    }
    {
        const int fds[] = {g.lock, g.in, g.replaced, g.dir, g.landing};

        for (i = 0; i < 5; i++) {
            if (fds[i] >= 0) {
                close(fds[i]);
            }
        }
    }
    return rv;
}
