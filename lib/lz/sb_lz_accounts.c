/* Tenants and users of the landing zone: see sb_lz_accounts.h. */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_log.h"
#include "core/sb_spawn.h"
#include "lz/sb_lz_accounts.h"
#include "lz/sb_lz_dir.h"
#include "lz/sb_lz_keys.h"

#define GROUPADD "/usr/sbin/groupadd"
#define GROUPDEL "/usr/sbin/groupdel"
#define USERADD "/usr/sbin/useradd"
#define USERDEL "/usr/sbin/userdel"
#define LOCK_TRIES 20
#define LOCK_PAUSE apr_time_from_msec(500)
#define TOOL_TIMEOUT apr_time_from_sec(60)
#define JAIL_MODE 0755 /* sshd insists: nobody but root writes above the drop directory */
#define DROP_MODE 0775
#define CLOSED_MODE 0700
#define STAGING_MODE 0750
#define MAX_DEPTH 16

/* ---- helpers ----------------------------------------------------------------------------------- */

static const char *failed(apr_status_t rv, const char *what, const char *path, apr_pool_t *p)
{
    char buf[200];

    return apr_psprintf(p, "%s %s: %s", what, path, sb_strerror(rv, buf, sizeof buf));
}

/* The account files are locked by somebody else, for a moment: another administrator, or what a call that
 * was killed left at work. */
static int is_locked(const sb_spawned_t *how)
{
    return how->status != 0 && strstr(how->said, "try again later") != NULL;
}

/* Run a tool of the system. @param fine another exit status that is success */
static const char *tool(const char *const *argv, int fine, apr_pool_t *p)
{
    sb_spawn_t what = {.argv = argv, .timeout = TOOL_TIMEOUT};
    sb_spawned_t how;
    apr_status_t rv = sb_spawn(&how, &what, p);
    int tries;

    for (tries = 1; rv == APR_SUCCESS && is_locked(&how) && tries < LOCK_TRIES; tries++) {
        apr_sleep(LOCK_PAUSE);
        rv = sb_spawn(&how, &what, p);
    }

    if (rv != APR_SUCCESS) {
        return failed(rv, "running", argv[0], p);
    }
    if (how.status != 0 && how.status != fine) {
        return apr_psprintf(p, "%s ended with status %d: %s", argv[0], how.status, how.said);
    }
    return NULL;
}

static const char *need_root(void)
{
    return geteuid() == 0 ? NULL : "this needs root: accounts and root-owned directories are made";
}

/* sshd lets nobody into a jail below a directory that others could change. It says so only in its log. */
static const char *judge_way(const char *path, apr_pool_t *p)
{
    char *part = apr_pstrdup(p, path), *c;
    struct stat st;

    for (c = part + strlen(part);; c = strrchr(part, '/')) {
        *c = '\0';
        if (stat(*part ? part : "/", &st)) {
            if (errno != ENOENT) {
                return failed(errno, "looking at", part, p);
            }
        }
        else if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH))) {
            return apr_psprintf(
                p,
                "%s must be a directory of root that nobody else can write to: sshd "
                "accepts no jail below it",
                *part ? part : "/");
        }
        if (!*part) {
            return NULL;
        }
    }
}

/* A directory of root's with this mode. Missing ones above it are made 0755. */
static const char *make_dir(const char *path, mode_t mode, apr_pool_t *p)
{
    mode_t old = umask(022);
    apr_status_t rv = sb_dir_make(path, JAIL_MODE, p);

    umask(old);
    if (rv == APR_SUCCESS && chmod(path, mode)) {
        rv = errno;
    }
    return rv == APR_SUCCESS ? NULL : failed(rv, "making the directory", path, p);
}

static int is_dir(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Files below an open directory, which is closed. Nothing there is none. */
static int count_files(int dir, int depth, apr_pool_t *p)
{
    apr_array_header_t *names;
    int i, n = 0;

    if (dir < 0) {
        return 0;
    }
    if (sb_lz_dir_names(&names, dir, 0, p) == APR_SUCCESS) {
        for (i = 0; i < names->nelts; i++) {
            const char *name = APR_ARRAY_IDX(names, i, const char *);
            struct stat st;

            if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
                continue;
            }
            n += !S_ISDIR(st.st_mode) ? 1
                 : depth < MAX_DEPTH  ? count_files(sb_lz_dir_open(dir, name), depth + 1, p)
                                      : 0;
        }
    }
    close(dir);
    return n;
}

static int files_in(const char *path, apr_pool_t *p)
{
    return count_files(sb_lz_dir_open(AT_FDCWD, path), 0, p);
}

/* ---- the whole --------------------------------------------------------------------------------- */

const char *sb_lz_init(const sb_lz_conf_t *lz, apr_pool_t *p)
{
    const char *const groupadd[] = {GROUPADD, "--system", lz->group, NULL};
    const char *why = need_root();
    int i;

    if (!why && !is_dir(lz->home)) {
        why = apr_psprintf(p, "sftp.home: there is no directory %s", lz->home);
    }
    if (!why) {
        why = judge_way(lz->base, p);
    }
    if (!why) {
        why = make_dir(lz->base, JAIL_MODE, p);
    }
    for (i = 0; i < SB_LZ_ROLES && !why; i++) {
        if (*lz->roles[i].zone) {
            why = make_dir(apr_pstrcat(p, lz->base, "/", lz->roles[i].zone, NULL), JAIL_MODE, p);
        }
    }
    if (!why) {
        why = make_dir(lz->taken, CLOSED_MODE, p);
    }
    if (!why) {
        why = make_dir(lz->quarantine, CLOSED_MODE, p);
    }
    if (!why) {
        why = make_dir(lz->keys_dir, JAIL_MODE, p);
    }
    if (!why && !is_dir(lz->staging)) { /* whose it is says the operator: files will be his */
        why = make_dir(lz->staging, STAGING_MODE, p);
    }
    if (!why && !getgrnam(lz->group)) {
        why = tool(groupadd, 0, p);
    }
    return why;
}

/* Is there an account of the landing zone? @return his name or NULL */
static const char *any_user(const sb_lz_conf_t *lz, apr_pool_t *p)
{
    apr_array_header_t *users;

    if (sb_lz_users(&users, lz, p) || !users->nelts) {
        return NULL;
    }
    return APR_ARRAY_IDX(users, 0, sb_lz_user_t).name;
}

const char *sb_lz_cleanup(const sb_lz_conf_t *lz, int force, apr_pool_t *p)
{
    const char *const groupdel[] = {GROUPDEL, lz->group, NULL};
    const char *why = need_root(), *user;
    struct group *gr;
    apr_status_t rv;
    int n;

    if (why) {
        return why;
    }
    user = any_user(lz, p);
    if (user) {
        return apr_psprintf(p, "there are users still, %s for one: user-remove them first", user);
    }
    n = files_in(lz->base, p);
    n -= access(apr_pstrcat(p, lz->taken, "/.lock", NULL), F_OK) == 0;
    if (n > 0 && !force) {
        return apr_psprintf(p, "%d files lie below %s (quarantine included); --force removes them",
                            n, lz->base);
    }
    if (!strcmp(lz->base, "/") || !strcmp(lz->base, lz->home)) {
        return apr_psprintf(p, "sftp.base_dir is %s: that is not removed", lz->base);
    }
    rv = sb_dir_remove(lz->base, p);
    if (rv != APR_SUCCESS) {
        return failed(rv, "removing", lz->base, p);
    }
    gr = getgrnam(lz->group);
    if (gr && (!gr->gr_mem || !*gr->gr_mem)) {
        why = tool(groupdel, 0, p);
    }
    return why;
}

/* ---- tenants ----------------------------------------------------------------------------------- */

static const char *judge_name(const char *what, const char *name, apr_pool_t *p)
{
    return sb_lz_is_name(name)
               ? NULL
               : apr_psprintf(
                     p,
                     "'%s' is no name for a %s: a small letter, then small letters, digits "
                     "and _, at most %d",
                     sb_lz_printable(name, p), what, SB_LZ_NAME_MAX);
}

static const char *tenant_dir(const sb_lz_conf_t *lz, const sb_lz_role_t *role, const char *tenant,
                              apr_pool_t *p)
{
    return apr_pstrcat(p, lz->base, "/", role->zone, "/", tenant, NULL);
}

const char *sb_lz_tenant_add(const sb_lz_conf_t *lz, const char *tenant, apr_pool_t *p)
{
    const char *why = need_root();
    int i;

    if (!why) {
        why = judge_name("tenant", tenant, p);
    }
    for (i = 0; i < SB_LZ_ROLES && !why; i++) {
        if (!lz->roles[i].by_tenant) {
            continue;
        }
        if (!is_dir(apr_pstrcat(p, lz->base, "/", lz->roles[i].zone, NULL))) {
            return apr_psprintf(p, "there is no landing zone in %s: smarter-lz init makes it",
                                lz->base);
        }
        why = make_dir(tenant_dir(lz, &lz->roles[i], tenant, p), JAIL_MODE, p);
    }
    return why;
}

const char *sb_lz_tenant_remove(const sb_lz_conf_t *lz, const char *tenant, apr_pool_t *p)
{
    const char *why = need_root();
    int i;

    if (!why) {
        why = judge_name("tenant", tenant, p);
    }
    for (i = 0; i < SB_LZ_ROLES && !why; i++) {
        const char *dir = tenant_dir(lz, &lz->roles[i], tenant, p);

        if (!lz->roles[i].by_tenant || !rmdir(dir) || errno == ENOENT) {
            continue;
        }
        why = errno == ENOTEMPTY || errno == EEXIST
                  ? apr_psprintf(p,
                                 "%s is not empty: remove the tenant's users first"
                                 " (smarter-lz list, smarter-lz user-remove USER)",
                                 dir)
                  : failed(errno, "removing", dir, p);
    }
    return why;
}

/* ---- users ------------------------------------------------------------------------------------- */

/* What a home in the password file says of a user. @return NULL: not one of the landing zone */
static const sb_lz_role_t *place_of(const char **ptenant, const sb_lz_conf_t *lz, const char *user,
                                    const char *home, apr_pool_t *p)
{
    const char *slash = strrchr(home, '/'), *tenant = "-";
    int i;

    for (i = 0; i < SB_LZ_ROLES; i++) {
        const sb_lz_role_t *role = &lz->roles[i];

        if (role->by_tenant && slash && slash > home) {
            const char *up = slash;

            while (up > home && up[-1] != '/') {
                up--;
            }
            tenant = apr_pstrmemdup(p, up, (apr_size_t)(slash - up));
            if (!sb_lz_is_name(tenant)) {
                continue;
            }
        }
        else if (role->by_tenant) {
            continue;
        }
        if (!strcmp(home, sb_lz_jail(lz->user_home_base, role, tenant, user, p))) {
            *ptenant = role->by_tenant ? tenant : "-";
            return role;
        }
    }
    return NULL;
}

/* An account of that name: NULL none. @param prole NULL: it is not one of the landing zone */
static const struct passwd *find(const sb_lz_role_t **prole, const char **ptenant,
                                 const sb_lz_conf_t *lz, const char *user, apr_pool_t *p)
{
    const struct group *gr = getgrnam(lz->group);
    const struct passwd *pw = getpwnam(user);

    *prole = NULL;
    if (pw && gr && pw->pw_uid != 0 && pw->pw_gid == gr->gr_gid) {
        *prole = place_of(ptenant, lz, user, pw->pw_dir, p);
    }
    return pw;
}

/* The jail, and when the account is there the directory it may write to. */
static const char *make_jail(const sb_lz_role_t *role, const char *jail, const struct passwd *pw,
                             apr_pool_t *p)
{
    const char *why = make_dir(jail, JAIL_MODE, p),
               *drop = apr_pstrcat(p, jail, "/", role->drop, NULL);
    int dir = -1, fd = -1;

    if (why || !pw) {
        return why;
    }
    dir = sb_lz_dir_open(AT_FDCWD, jail);
    fd = dir < 0 ? -1 : sb_lz_dir_make(dir, role->drop, CLOSED_MODE);
    if (fd < 0 || fchown(fd, pw->pw_uid, pw->pw_gid) || fchmod(fd, DROP_MODE)) {
        why = failed(errno, "making the directory", drop, p);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (dir >= 0) {
        close(dir);
    }
    return why;
}

const char *sb_lz_user_add(const char **ptold, const sb_lz_conf_t *lz, const char *user,
                           const char *tenant, const char *role_name,
                           const apr_array_header_t *keys, apr_pool_t *p)
{
    const sb_lz_role_t *role = sb_lz_role(lz, role_name), *has;
    const char *why = need_root(), *home, *jail, *his_tenant;
    const struct passwd *pw;
    apr_status_t rv;

    *ptold = "";
    if (!role) {
        return apr_psprintf(
            p, "'%s' is no role; the roles are sftparrivals, sftpdepartures, filerouter",
            sb_lz_printable(role_name, p));
    }
    if (!why) {
        why = judge_name("user", user, p);
    }
    if (!why && role->by_tenant) {
        why = judge_name("tenant", tenant, p);
    }
    if (why) {
        return why;
    }
    if (role->by_tenant && !is_dir(tenant_dir(lz, role, tenant, p))) {
        return "Tenant does not exist!";
    }
    if (!getgrnam(lz->group)) {
        return "Group does not exist as a group in the system";
    }
    home = sb_lz_jail(lz->user_home_base, role, tenant, user, p);
    jail = sb_lz_jail(lz->base, role, tenant, user, p);
    pw = find(&has, &his_tenant, lz, user, p);
    if (pw && (!has || strcmp(pw->pw_dir, home) != 0)) {
        return "User already exists!";
    }
    if (!role->by_tenant &&
        (!strcmp(user, lz->roles[0].zone) || !strcmp(user, lz->roles[1].zone))) {
        return apr_psprintf(p, "'%s' is the name of a zone", user);
    }
    *ptold = pw ? "the user was there already; what was missing was added" : "added";
    why = judge_way(jail, p);
    if (!why) {
        why = make_jail(role, jail, NULL, p);
    }
    if (!why && !pw) {
        /* "*": no password fits, but the account is not locked, which sshd would refuse */
        const char *const useradd[] = {
            USERADD, "--home-dir", home,      "--no-create-home",  "--no-user-group",
            "--gid", lz->group,    "--shell", "/usr/sbin/nologin", "--password",
            "*",     user,         NULL};

        why = tool(useradd, 0, p);
        pw = find(&has, &his_tenant, lz, user, p);
        if (pw && has && !strcmp(pw->pw_dir, home)) {
            why = NULL; /* even if useradd failed: a call that was killed left its own at work */
        }
        else if (!why) {
            why = "useradd succeeded, but there is no such account";
        }
        if (!why) {
            sb_log(SB_LOG_NOTICE, SBLOGNO(2730), SB_NO_STATUS,
                   "account %s made: tenant %s, role %s", user, role->by_tenant ? tenant : "-",
                   role->name);
        }
    }
    if (!why) {
        why = make_jail(role, jail, pw, p);
    }
    if (!why && keys->nelts) {
        rv = sb_lz_keys_add(lz->keys_dir, user, keys, p);
        why = rv == APR_SUCCESS ? NULL : failed(rv, "adding the key to", lz->keys_dir, p);
    }
    return why;
}

const char *sb_lz_user_remove(const sb_lz_conf_t *lz, const char *user, int force, apr_pool_t *p)
{
    const char *const userdel[] = {USERDEL, user, NULL};
    const char *why = need_root(), *tenant, *jail;
    const sb_lz_role_t *role;
    const struct passwd *pw;
    apr_status_t rv;
    int n;

    if (!why) {
        why = judge_name("user", user, p);
    }
    if (why) {
        return why;
    }
    pw = find(&role, &tenant, lz, user, p);
    if (pw && !role) {
        return apr_psprintf(p, "'%s' is no account of the landing zone (group %s, home below %s)",
                            user, lz->group, lz->user_home_base);
    }
    /* Keys first: nobody comes in any more. The account last: it says where the rest is. */
    rv = sb_lz_keys_remove(lz->keys_dir, user, p);
    if (rv != APR_SUCCESS) {
        return failed(rv, "removing the keys in", lz->keys_dir, p);
    }
    if (!pw) {
        return NULL;
    }
    jail = sb_lz_jail(lz->base, role, tenant, user, p);
    n = files_in(jail, p);
    if (n && !force) {
        return apr_psprintf(
            p,
            "%s holds %d files. The user cannot sign in any more; --force removes him "
            "with his files",
            jail, n);
    }
    rv = sb_dir_remove(jail, p);
    if (rv != APR_SUCCESS) {
        return failed(rv, "removing", jail, p);
    }
    why = tool(userdel, 0, p);
    if (why && !getpwnam(user)) {
        why = NULL; /* a call that was killed left its userdel at work */
    }
    if (!why) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(2731), SB_NO_STATUS, "account %s removed", user);
    }
    return why;
}

/* ---- list -------------------------------------------------------------------------------------- */

static int by_tenant(const void *a, const void *b)
{
    const sb_lz_user_t *x = a, *y = b;
    int c = strcmp(x->tenant, y->tenant);

    return c ? c : strcmp(x->name, y->name);
}

static int in_quarantine(const sb_lz_conf_t *lz, const sb_lz_user_t *u, apr_pool_t *p)
{
    int dir = sb_lz_dir_open(AT_FDCWD,
                             apr_pstrcat(p, lz->quarantine, "/", u->tenant, "/", u->name, NULL));
    apr_array_header_t *names;
    int n = 0, i;

    if (dir < 0) {
        return 0;
    }
    if (sb_lz_dir_names(&names, dir, 0, p) == APR_SUCCESS) {
        for (i = 0; i < names->nelts; i++) {
            const char *name = APR_ARRAY_IDX(names, i, const char *);
            apr_size_t len = strlen(name);

            n += len < 7 || strcmp(name + len - 7, ".reason") != 0;
        }
    }
    close(dir);
    return n;
}

const char *sb_lz_users(apr_array_header_t **pusers, const sb_lz_conf_t *lz, apr_pool_t *p)
{
    apr_array_header_t *users = apr_array_make(p, 16, sizeof(sb_lz_user_t));
    const struct group *gr = getgrnam(lz->group);
    const struct passwd *pw;
    gid_t gid;
    int i;

    *pusers = users;
    if (!gr) {
        return "Group does not exist as a group in the system";
    }
    gid = gr->gr_gid;
    setpwent();
    while ((pw = getpwent()) != NULL) {
        const sb_lz_role_t *role;
        const char *tenant;
        sb_lz_user_t *u;

        if (pw->pw_gid != gid || pw->pw_uid == 0 ||
            !(role = place_of(&tenant, lz, pw->pw_name, pw->pw_dir, p))) {
            continue;
        }
        u = apr_array_push(users);
        memset(u, 0, sizeof *u);
        u->name = apr_pstrdup(p, pw->pw_name);
        u->tenant = tenant;
        u->role = role->name;
        u->keys = sb_lz_keys_count(lz->keys_dir, u->name, p);
        u->waiting = files_in(sb_lz_jail(lz->base, role, tenant, u->name, p), p);
    }
    endpwent();
    for (i = 0; i < users->nelts; i++) {
        sb_lz_user_t *u = &APR_ARRAY_IDX(users, i, sb_lz_user_t);

        u->quarantined = in_quarantine(lz, u, p);
    }
    qsort(users->elts, (size_t)users->nelts, sizeof(sb_lz_user_t), by_tenant);
    return NULL;
}
