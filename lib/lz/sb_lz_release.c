/* From BASE/.taken to the staging directory: see sb_lz_release.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_spawn.h"
#include "lz/sb_lz_dir.h"
#include "lz/sb_lz_release.h"

#define PARTIAL ".partial"
#define DONE ".done"
#define SENT ".sent." /* before a name in .taken: whole at the other host, about to get its name */
#define DONE_MAX 4096
#define BATCH 500 /* files that share one sync */
/* A full disk need not be said for each file; yet what fails for one user must not stop the others. */
#define FAILURES_MAX 100 /* of one pass */
#define USER_FAILURES_MAX 10
#define FILE_MODE 0640
#define DIR_MODE 0750

/* What is done for one user. */
typedef struct {
    sb_lz_release_t *r;
    const char *tenant, *user;
    int taken, staging;
    int failed_before; /* in this pass, for others */
    struct stat owner; /* of the staging directory: what is released is his */
    apr_pool_t *p;
} job_t;

static const char *done_text(const char *md5, const char *name, apr_pool_t *p)
{
    return apr_pstrcat(p, md5, " ", name, "\n", NULL);
}

static const char *with(const job_t *j, const char *name, const char *tail)
{
    return apr_pstrcat(j->p, name, tail, NULL);
}

/* ---- the sender's side ------------------------------------------------------------------------- */

/* Walk down names below a directory. @return -1 with errno */
static int walk(int at, const char *const *names, int n, mode_t make)
{
    int fd = -1, i;

    for (i = 0; i < n; i++) {
        int next = make ? sb_lz_dir_make(i ? fd : at, names[i], make)
                        : sb_lz_dir_open(i ? fd : at, names[i]);

        if (fd >= 0) {
            close(fd);
        }
        fd = next;
        if (fd < 0) {
            break;
        }
    }
    return fd;
}

int sb_lz_release_taken(sb_lz_release_t *r, const char *tenant, const char *user)
{
    const char *const names[] = {strrchr(r->lz->taken, '/') + 1, tenant, user};

    return walk(r->base, names, 3, 0700);
}

static int open_drop(const job_t *j)
{
    const sb_lz_role_t *role = &j->r->lz->roles[0];
    const char *const names[] = {role->zone, j->tenant, j->user, role->drop};

    return walk(j->r->base, names, 4, 0);
}

/* The companion of what was taken goes too; another one, for a file yet to come, stays. */
static void remove_companion(const job_t *j, const char *name, const char *md5)
{
    const char *done = with(j, name, DONE);
    int drop = open_drop(j);
    char *text;

    if (drop < 0) {
        return;
    }
    if (sb_lz_file_text(&text, drop, done, DONE_MAX, j->p) == APR_SUCCESS && strstr(text, md5)) {
        unlinkat(drop, done, 0);
    }
    close(drop);
}

/* It is still being written: the sender was only slow. @return APR_EEXIST he sent another one */
static apr_status_t give_back(const job_t *j, const char *name)
{
    int drop = open_drop(j);
    apr_status_t rv;

    if (drop < 0) {
        return errno;
    }
    rv = sb_lz_rename(j->taken, name, drop, name);
    close(drop);
    return rv;
}

static void refuse(const job_t *j, const char *name, const char *why)
{
    if (sb_lz_quarantine(&j->r->room, j->r->lz, j->taken, name, j->tenant, j->user, why, j->p) ==
        APR_SUCCESS) {
        j->r->refused++;
    }
    else {
        j->r->failed++;
    }
}

static void fail(const job_t *j, const char *name, apr_status_t rv, const char *what)
{
    j->r->failed++;
    sb_log(SB_LOG_ERROR, SBLOGNO(2710), rv, "%s/%s: %s: %s", j->tenant, j->user,
           sb_lz_printable(name, j->p), what);
}

static int may_go_on(const job_t *j)
{
    return j->r->failed < FAILURES_MAX && j->r->failed - j->failed_before < USER_FAILURES_MAX &&
           !(j->r->stopping && j->r->stopping());
}

/* Open what was taken. @return -1: it was refused, or cannot be read and stays */
static int open_taken(const job_t *j, struct stat *st, const char *name)
{
    int fd = sb_lz_file_open(st, j->taken, name);
    const char *why;

    if (fd < 0) {
        if (errno == EINVAL || errno == ELOOP || errno == ENXIO) {
            refuse(j, name, "no regular file");
        }
        else {
            fail(j, name, errno, "cannot be read");
        }
        return -1;
    }
    why = st->st_nlink > 1                         ? "it has other names (hard links)"
          : st->st_size > j->r->lz->max_file_bytes ? "larger than sftp.max_file_bytes"
          : sb_lz_has_hole(fd, st->st_size)        ? SB_LZ_HOLE
                                                   : NULL;
    if (why) {
        close(fd);
        refuse(j, name, why);
        return -1;
    }
    return fd;
}

/* Did somebody write to it since it was opened? */
static int has_changed(int fd, const struct stat *before)
{
    struct stat now;

    return fstat(fd, &now) || now.st_size != before->st_size ||
           now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != before->st_mtim.tv_nsec ||
           now.st_ctim.tv_sec != before->st_ctim.tv_sec ||
           now.st_ctim.tv_nsec != before->st_ctim.tv_nsec;
}

/* What to do with a file that changed under our hands. */
static void was_changed(const job_t *j, const char *name)
{
    apr_status_t rv = give_back(j, name);

    if (rv == APR_SUCCESS) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(2711), SB_NO_STATUS,
               "%s/%s: %s is still being written: given back", j->tenant, j->user,
               sb_lz_printable(name, j->p));
    }
    else if (APR_STATUS_IS_EEXIST(rv) || APR_STATUS_IS_ENOENT(rv)) {
        refuse(j, name, "it was written to while it was copied");
    }
    else {
        fail(j, name, rv, "cannot be given back");
    }
}

/* ---- into staging ------------------------------------------------------------------------------ */

/* STAGING/TENANT/USER. @return -1 with errno */
static int open_staging(job_t *j)
{
    const char *const names[] = {j->tenant, j->user};
    int tenant, user;

    if (fstat(j->r->staging, &j->owner)) {
        return -1;
    }
    tenant = sb_lz_dir_make(j->r->staging, names[0], DIR_MODE);
    if (tenant < 0) {
        return -1;
    }
    user = sb_lz_dir_make(tenant, names[1], DIR_MODE);
    if (user >= 0 &&
        (sb_lz_settle(tenant, &j->owner, DIR_MODE) || sb_lz_settle(user, &j->owner, DIR_MODE))) {
        close(user);
        user = -1;
    }
    close(tenant);
    return user;
}

/* NAME.done.partial with the MD5. */
static apr_status_t put_done(const job_t *j, const char *name, const char *md5)
{
    return sb_lz_file_put(j->staging, with(j, name, DONE PARTIAL), done_text(md5, name, j->p),
                          &j->owner, FILE_MODE);
}

/* One copy, NAME.partial. @return is it whole? */
static int copy(const job_t *j, const char *name)
{
    const char *part = with(j, name, PARTIAL), *md5;
    struct timespec times[2];
    apr_status_t rv;
    struct stat st;
    int in, out;

    /* of an attempt that died */
    unlinkat(j->staging, part, 0);
    unlinkat(j->staging, with(j, name, DONE PARTIAL), 0);
    in = open_taken(j, &st, name);
    if (in < 0) {
        return 0;
    }
    out = openat(j->staging, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0) {
        fail(j, name, errno, "cannot be copied to the staging directory");
        close(in);
        return 0;
    }
    times[0] = times[1] = st.st_mtim;
    rv = sb_lz_digest(&md5, in, out, st.st_size, j->p);
    if (rv == APR_SUCCESS) {
        rv = sb_lz_settle(out, &j->owner, FILE_MODE);
    }
    if (rv == APR_SUCCESS && futimens(out, times)) {
        rv = errno;
    }
    if (close(out) && rv == APR_SUCCESS) {
        rv = errno;
    }
    if (rv == APR_SUCCESS || rv == APR_EOF) {
        if (rv == APR_EOF || has_changed(in, &st)) {
            unlinkat(j->staging, part, 0);
            was_changed(j, name);
            close(in);
            return 0;
        }
        rv = put_done(j, name, md5);
    }
    close(in);
    if (rv != APR_SUCCESS) {
        unlinkat(j->staging, part, 0);
        unlinkat(j->staging, with(j, name, DONE PARTIAL), 0);
        fail(j, name, rv, "cannot be copied to the staging directory");
        return 0;
    }
    remove_companion(j, name, md5);
    return 1;
}

/* Copy what was taken; one sync for all; then the originals go. @return is there more? */
static int copy_batch(const job_t *j)
{
    apr_array_header_t *names, *whole = apr_array_make(j->p, 16, sizeof(const char *));
    apr_status_t rv = sb_lz_dir_names(&names, j->taken, BATCH, j->p);
    int i;

    if (rv != APR_SUCCESS) {
        fail(j, ".taken", rv, "cannot be read");
        return 0;
    }
    for (i = 0; i < names->nelts && may_go_on(j); i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        if (copy(j, name)) {
            APR_ARRAY_PUSH(whole, const char *) = name;
        }
    }
    if (!whole->nelts) {
        return 0;
    }
    if (syncfs(j->staging)) {
        fail(j, "staging", errno, "cannot be made durable");
        return 0;
    }
    for (i = 0; i < whole->nelts; i++) {
        unlinkat(j->taken, APR_ARRAY_IDX(whole, i, const char *), 0);
    }
    if (fsync(j->taken)) {
        fail(j, ".taken", errno, "cannot be made durable");
        return 0;
    }
    return names->nelts == BATCH && may_go_on(j);
}

/* Give whole copies their names. */
static void publish(const job_t *j)
{
    apr_array_header_t *names;
    int i, changed = 0;

    if (sb_lz_dir_names(&names, j->staging, 0, j->p) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < names->nelts; i++) {
        const char *part = APR_ARRAY_IDX(names, i, const char *), *name, *done;
        apr_status_t rv = APR_SUCCESS;

        if (!sb_lz_ends_with(part, PARTIAL) || sb_lz_ends_with(part, DONE PARTIAL)) {
            continue;
        }
        name = apr_pstrndup(j->p, part, strlen(part) - strlen(PARTIAL));
        done = with(j, name, DONE);
        if (sb_lz_is_there(j->taken, name) || sb_lz_is_there(j->staging, name)) {
            continue; /* no whole copy yet; or the last one of this name is still there */
        }
        if (renameat(j->staging, with(j, name, DONE PARTIAL), j->staging, done) &&
            errno != ENOENT) {
            rv = errno;
        }
        if (rv == APR_SUCCESS) {
            rv = sb_lz_rename(j->staging, part, j->staging, name);
        }
        if (rv != APR_SUCCESS) {
            fail(j, name, rv, "cannot be released");
            continue;
        }
        changed = 1;
        j->r->released++;
        sb_log(SB_LOG_INFO, SBLOGNO(2712), SB_NO_STATUS, "%s/%s: %s released", j->tenant, j->user,
               sb_lz_printable(name, j->p));
    }
    if (changed && fsync(j->staging)) {
        fail(j, "staging", errno, "cannot be made durable");
    }
}

/* ---- to another host --------------------------------------------------------------------------- */

/* One sftp with a batch of commands. @return APR_SUCCESS, SB_ECONFLICT a command failed,
 * SB_EUNAVAILABLE no connection */
static apr_status_t sftp(const job_t *j, const char *commands, const char **psaid)
{
    const sb_lz_remote_t *to = j->r->lz->remote;
    apr_array_header_t *argv = apr_array_make(j->p, 24, sizeof(const char *));
    sb_spawn_t what = {
        .input = commands, .timeout = to->timeout, .stopping = j->r->stopping, .hold = j->r->lock};
    sb_spawned_t how;
    apr_status_t rv;

    APR_ARRAY_PUSH(argv, const char *) = "/usr/bin/sftp";
    APR_ARRAY_PUSH(argv, const char *) = "-q";
    APR_ARRAY_PUSH(argv, const char *) = "-b";
    APR_ARRAY_PUSH(argv, const char *) = "-";
    APR_ARRAY_PUSH(argv, const char *) = "-oBatchMode=yes";
    APR_ARRAY_PUSH(argv, const char *) = "-oStrictHostKeyChecking=yes";
    APR_ARRAY_PUSH(argv, const char *) = "-oConnectTimeout=20";
    APR_ARRAY_PUSH(argv, const char *) = "-oServerAliveInterval=15";
    APR_ARRAY_PUSH(argv, const char *) = apr_psprintf(j->p, "-oPort=%d", to->port);
    if (to->known_hosts) {
        APR_ARRAY_PUSH(argv, const char *) =
            apr_pstrcat(j->p, "-oUserKnownHostsFile=", to->known_hosts, NULL);
    }
    if (to->key) {
        APR_ARRAY_PUSH(argv, const char *) = apr_pstrcat(j->p, "-oIdentityFile=", to->key, NULL);
        APR_ARRAY_PUSH(argv, const char *) = "-oIdentitiesOnly=yes";
    }
    APR_ARRAY_PUSH(argv, const char *) = apr_pstrcat(j->p, to->user, "@", to->host, NULL);
    APR_ARRAY_PUSH(argv, const char *) = NULL;
    what.argv = (const char *const *)argv->elts;
    rv = sb_spawn(&how, &what, j->p);
    *psaid = how.said;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    return how.status == 0 ? APR_SUCCESS : how.status == 1 ? SB_ECONFLICT : SB_EUNAVAILABLE;
}

/* A name within sftp's double quotes; there are no control characters in it. */
static const char *quoted(const job_t *j, const char *path)
{
    char *out = apr_palloc(j->p, 2 * strlen(path) + 3), *o = out;

    *o++ = '"';
    for (; *path; path++) {
        if (*path == '"' || *path == '\\') {
            *o++ = '\\';
        }
        *o++ = *path;
    }
    *o++ = '"';
    *o = '\0';
    return out;
}

static const char *remote_path(const job_t *j, const char *name, const char *tail)
{
    return quoted(j, apr_pstrcat(j->p, j->r->lz->remote->arrivals, "/", j->tenant, "/", j->user,
                                 "/", name, tail, NULL));
}

/* Put NAME.partial and NAME.done.partial there. */
static apr_status_t push_content(const job_t *j, const char *name, int in, const char *md5,
                                 const char **psaid)
{
    const char *dir = apr_pstrcat(j->p, j->r->lz->remote->arrivals, "/", j->tenant, NULL);
    const char *text = done_text(md5, name, j->p), *commands;
    int done = memfd_create("done", MFD_CLOEXEC);
    apr_status_t rv;

    if (done < 0 || write(done, text, strlen(text)) != (ssize_t)strlen(text)) {
        rv = errno;
    }
    else {
        /* our open files, by number: names of senders are not looked at twice */
        commands = apr_psprintf(
            j->p, "-mkdir %s\n-mkdir %s\nput /proc/%d/fd/%d %s\nput /proc/%d/fd/%d %s\n",
            quoted(j, dir), quoted(j, apr_pstrcat(j->p, dir, "/", j->user, NULL)), (int)getpid(),
            done, remote_path(j, name, DONE PARTIAL), (int)getpid(), in,
            remote_path(j, name, PARTIAL));
        commands = apr_psprintf(j->p, "%schmod 600 %s\nchmod 600 %s\n", commands,
                                remote_path(j, name, DONE PARTIAL), remote_path(j, name, PARTIAL));
        rv = sftp(j, commands, psaid);
    }
    if (done >= 0) {
        close(done);
    }
    return rv;
}

/* Give what was put there its name: it is either still .partial, or has it already. */
static apr_status_t push_name(const job_t *j, const char *name, const char **psaid)
{
    const char *look = apr_psprintf(j->p, "ls -1 %s\n", remote_path(j, name, PARTIAL));
    apr_status_t rv = sftp(j, look, psaid);

    if (rv == SB_ECONFLICT) {
        /* an earlier attempt got this far, unless nothing is there because a mount is missing */
        return sftp(j, apr_psprintf(j->p, "ls -1 %s\n", remote_path(j, ".", "")), psaid);
    }
    if (rv == APR_SUCCESS) {
        /* -l: never over a file that is still there */
        rv = sftp(j,
                  apr_psprintf(j->p, "-rename %s %s\nrename -l %s %s\n",
                               remote_path(j, name, DONE PARTIAL), remote_path(j, name, DONE),
                               remote_path(j, name, PARTIAL), remote_path(j, name, "")),
                  psaid);
    }
    return rv;
}

/* Push one file that was taken, up to where it only needs its name. @return is it there? */
static int push(const job_t *j, const char *name)
{
    const char *said = "", *md5;
    apr_status_t rv;
    struct stat st;
    int in = open_taken(j, &st, name);

    if (in < 0) {
        return 0;
    }
    rv = sb_lz_digest(&md5, in, -1, st.st_size, j->p);
    if (rv == APR_SUCCESS) {
        rv = push_content(j, name, in, md5, &said);
    }
    if (rv == APR_EOF || (rv == APR_SUCCESS && has_changed(in, &st))) {
        was_changed(j, name);
        close(in);
        return 0;
    }
    close(in);
    if (rv == APR_SUCCESS) {
        remove_companion(j, name, md5);
        rv = sb_lz_rename(j->taken, name, j->taken, apr_pstrcat(j->p, SENT, name, NULL));
    }
    if (rv == APR_SUCCESS && fsync(j->taken)) {
        rv = errno;
    }
    if (rv != APR_SUCCESS) {
        fail(j, name, rv, apr_psprintf(j->p, "cannot be pushed: %s", said));
        return 0;
    }
    return 1;
}

static void push_all(const job_t *j)
{
    apr_array_header_t *names;
    int i;

    if (sb_lz_dir_names(&names, j->taken, 0, j->p) != APR_SUCCESS) {
        return;
    }
    for (i = 0; i < names->nelts && may_go_on(j); i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *), *said = "";
        apr_status_t rv;

        if (!strncmp(name, SENT, strlen(SENT))) {
            name += strlen(SENT);
        }
        else if (sb_lz_is_there(j->taken, apr_pstrcat(j->p, SENT, name, NULL)) || !push(j, name)) {
            continue;
        }
        rv = push_name(j, name, &said);
        if (rv == APR_SUCCESS && unlinkat(j->taken, apr_pstrcat(j->p, SENT, name, NULL), 0)) {
            rv = errno;
        }
        if (rv != APR_SUCCESS) {
            fail(j, name, rv, apr_psprintf(j->p, "cannot be released there: %s", said));
            continue;
        }
        j->r->released++;
        sb_log(SB_LOG_INFO, SBLOGNO(2713), SB_NO_STATUS, "%s/%s: %s pushed to %s", j->tenant,
               j->user, sb_lz_printable(name, j->p), j->r->lz->remote->host);
    }
}

/* ---- both -------------------------------------------------------------------------------------- */

void sb_lz_release_user(sb_lz_release_t *r, const char *tenant, const char *user, apr_pool_t *p)
{
    job_t j = {
        .r = r, .tenant = tenant, .user = user, .staging = -1, .failed_before = r->failed, .p = p};

    j.taken = sb_lz_release_taken(r, tenant, user);
    if (j.taken < 0) {
        fail(&j, ".taken", errno, "cannot be opened");
        return;
    }
    if (r->lz->remote) {
        push_all(&j);
    }
    else if ((j.staging = open_staging(&j)) < 0) {
        fail(&j, "staging", errno, "cannot be opened");
    }
    else {
        int more;

        do {
            more = copy_batch(&j);
            publish(&j);
        } while (more);
        close(j.staging);
    }
    close(j.taken);
}

int sb_lz_release_is_busy(sb_lz_release_t *r, const char *tenant, const char *user,
                          const char *name, apr_pool_t *p)
{
    const char *const taken[] = {strrchr(r->lz->taken, '/') + 1, tenant, user};
    const char *const staging[] = {tenant, user};
    int dir = walk(r->base, taken, 3, 0), busy = 0;

    if (dir >= 0) {
        busy = sb_lz_is_there(dir, name) || sb_lz_is_there(dir, apr_pstrcat(p, SENT, name, NULL));
        close(dir);
    }
    dir = r->staging < 0 || busy ? -1 : walk(r->staging, staging, 2, 0);
    if (dir >= 0) {
        busy =
            sb_lz_is_there(dir, name) || sb_lz_is_there(dir, apr_pstrcat(p, name, PARTIAL, NULL));
        close(dir);
    }
    return busy;
}
