/* Where files go that will never become complete: see sb_lz_quarantine.h. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_time.h"
#include "lz/sb_lz_dir.h"
#include "lz/sb_lz_quarantine.h"

#define DIR_MODE 0700
#define REASON ".reason"
#define NAME_KEPT 120 /* bytes of the old name in the new one */

/* Open BASE/.quarantine/TENANT/USER. */
static int open_user(const sb_lz_conf_t *lz, const char *tenant, const char *user)
{
    const char *const names[] = {lz->quarantine, tenant, user};
    int at = AT_FDCWD, fd = -1, i;

    for (i = 0; i < 3; i++) {
        fd = sb_lz_dir_make(at, names[i], DIR_MODE);
        if (at != AT_FDCWD) {
            close(at);
        }
        if (fd < 0) {
            return -1;
        }
        at = fd;
    }
    return fd;
}

/* Is there room for another one? */
static int has_room(sb_lz_room_t *room, const sb_lz_conf_t *lz, int dir, const char *tenant,
                    const char *user, apr_int64_t more, apr_pool_t *p)
{
    char whose[sizeof room->whose];
    apr_array_header_t *names;
    int i;

    apr_snprintf(whose, sizeof whose, "%s/%s", tenant, user);
    if (strcmp(whose, room->whose) != 0) {
        if (sb_lz_dir_names(&names, dir, 0, p) != APR_SUCCESS) {
            return 0;
        }
        memcpy(room->whose, whose, sizeof whose);
        room->files = 0;
        room->bytes = 0;
        for (i = 0; i < names->nelts; i++) {
            const char *name = APR_ARRAY_IDX(names, i, const char *);
            apr_size_t len = strlen(name);
            struct stat st;

            if (len > sizeof REASON && !strcmp(name + len - (sizeof REASON - 1), REASON)) {
                continue;
            }
            if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                room->bytes += st.st_size;
                room->files++;
            }
        }
    }
    if (room->files >= lz->user_max_files || room->bytes + more > lz->user_max_bytes) {
        return 0;
    }
    room->files++;
    room->bytes += more;
    return 1;
}

/* A name of ours that still tells of the old one. */
static const char *new_name(const char *name, apr_pool_t *p)
{
    static unsigned count;
    char *kept = apr_pstrndup(p, name, NAME_KEPT), *c;
    apr_time_exp_t t;

    for (c = kept; *c; c++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *c)) {
            *c = '_';
        }
    }
    apr_time_exp_gmt(&t, apr_time_now());
    return apr_psprintf(p, "%04d%02d%02d%02d%02d%02d.%06d.%u_%s", t.tm_year + 1900, t.tm_mon + 1,
                        t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, t.tm_usec, count++ % 1000, kept);
}

apr_status_t sb_lz_quarantine(sb_lz_room_t *room, const sb_lz_conf_t *lz, int dir, const char *name,
                              const char *tenant, const char *user, const char *why, apr_pool_t *p)
{
    const char *shown = sb_lz_printable(name, p), *to = new_name(name, p),
               *reason = apr_pstrcat(p, to, REASON, NULL), *what = "moved to quarantine as";
    int fd = open_user(lz, tenant, user);
    struct stat st;
    apr_status_t rv = APR_SUCCESS;

    if (fd < 0) {
        rv = errno;
    }
    else if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
        rv = errno == ENOENT ? APR_SUCCESS : errno; /* taken back meanwhile */
        close(fd);
        return rv;
    }
    else if (!has_room(room, lz, fd, tenant, user, st.st_size, p)) {
        what = "removed, for the quarantine of this user is full, instead of";
        rv = unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) ? errno : APR_SUCCESS;
    }
    else {
        rv = sb_lz_file_put(fd, reason, apr_psprintf(p, "file: %s\nreason: %s\n", shown, why), NULL,
                            0600);
        if (rv == APR_SUCCESS) {
            rv = sb_lz_rename(dir, name, fd, to);
        }
        if (rv != APR_SUCCESS) {
            unlinkat(fd, reason, 0);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (APR_STATUS_IS_ENOENT(rv)) {
        return APR_SUCCESS;
    }
    sb_log(rv == APR_SUCCESS ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(2701), rv,
           "%s/%s: %s: %s; %s %s", tenant, user, shown, why,
           rv == APR_SUCCESS ? what : "cannot be moved to quarantine as", to);
    return rv;
}
