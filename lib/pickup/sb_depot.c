/* The directory of the pickup zone: see sb_depot.h. */

#include "pickup/sb_depot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include "core/sb_file.h"
#include "core/sb_uuid.h"

#define UPLOAD ".upload-"
#define HEARTBEAT ".heartbeat-"
#define PROBE_SIZE 1024
#define FILE_MODE 0640
#define WRITE_BACK_EVERY                                                                           \
    (32 * 1024 * 1024) /* bytes; so that the last fsync has little left to do */

struct sb_depot_t {
    const char *path;
    int fd;
};

struct sb_arrival_t {
    const sb_depot_t *depot;
    const char *id, *name; /* name: the one it has now */
    int fd;
    int is_kept;
    apr_int64_t size, on_its_way; /* the latter: the kernel was told to write it */
    sb_digest_t *digest;
    const char *sha256;
};

static apr_status_t close_depot(void *data)
{
    const sb_depot_t *d = data;

    close(d->fd);
    return APR_SUCCESS;
}

apr_status_t sb_depot_open(const sb_depot_t **pdepot, const char *path, apr_pool_t *p)
{
    sb_depot_t *d = apr_pcalloc(p, sizeof(*d));

    *pdepot = NULL;
    d->path = path;
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0) {
        return errno;
    }
    apr_pool_cleanup_register(p, d, close_depot, apr_pool_cleanup_null);
    *pdepot = d;
    return APR_SUCCESS;
}

const char *sb_depot_path(const sb_depot_t *depot)
{
    return depot->path;
}

/* ---- what arrives ------------------------------------------------------------------------------- */

static apr_status_t drop_arrival(void *data)
{
    sb_arrival_t *a = data;

    if (a->fd >= 0) {
        close(a->fd);
    }
    if (!a->is_kept) {
        unlinkat(a->depot->fd, a->name, 0);
    }
    return APR_SUCCESS;
}

apr_status_t sb_arrival_begin(sb_arrival_t **pa, const sb_depot_t *depot, const char *id,
                              apr_pool_t *p)
{
    sb_arrival_t *a = apr_pcalloc(p, sizeof(*a));
    const char *hex = sb_random_hex(8, p);
    apr_status_t rv;

    *pa = NULL;
    rv = hex ? sb_digest_make(&a->digest, "SHA256", p) : APR_EGENERAL;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    a->depot = depot;
    a->id = id;
    a->name = apr_pstrcat(p, UPLOAD, id, "-", hex, NULL);
    a->fd =
        openat(depot->fd, a->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (a->fd < 0) {
        return errno;
    }
    apr_pool_cleanup_register(p, a, drop_arrival, apr_pool_cleanup_null);
    *pa = a;
    return APR_SUCCESS;
}

apr_status_t sb_arrival_write(sb_arrival_t *a, const void *data, apr_size_t len)
{
    apr_status_t rv = sb_digest_update(a->digest, data, len);

    if (rv == APR_SUCCESS) {
        rv = sb_fd_write(a->fd, data, len);
    }
    a->size += (apr_int64_t)len;
    if (rv == APR_SUCCESS && a->size - a->on_its_way >= WRITE_BACK_EVERY) {
        sync_file_range(a->fd, a->on_its_way, a->size - a->on_its_way, SYNC_FILE_RANGE_WRITE);
        a->on_its_way = a->size;
    }
    return rv;
}

apr_status_t sb_arrival_end(sb_arrival_t *a)
{
    int fd = a->fd;
    apr_status_t rv = fsync(fd) == 0 ? APR_SUCCESS : errno;

    a->fd = -1;
    if (close(fd) != 0 && rv == APR_SUCCESS) {
        rv = errno;
    }
    a->sha256 = sb_digest_hex(a->digest);
    return rv == APR_SUCCESS && !a->sha256 ? APR_EGENERAL : rv;
}

apr_int64_t sb_arrival_size(const sb_arrival_t *a)
{
    return a->size;
}

const char *sb_arrival_sha256(const sb_arrival_t *a)
{
    return a->sha256;
}

apr_status_t sb_arrival_keep(sb_arrival_t *a)
{
    if (renameat(a->depot->fd, a->name, a->depot->fd, a->id) != 0) {
        return errno;
    }
    a->is_kept = 1;
    return fsync(a->depot->fd) == 0 || errno == EINVAL ? APR_SUCCESS : errno;
}

/* ---- what is there ------------------------------------------------------------------------------ */

apr_status_t sb_depot_fetch(apr_file_t **pfile, const sb_depot_t *depot, const char *id,
                            apr_int64_t size, apr_pool_t *p)
{
    const apr_int32_t flags = APR_FOPEN_READ | APR_FOPEN_BINARY | APR_FOPEN_SENDFILE_ENABLED;
    struct stat before, st;
    apr_file_t *file;
    apr_os_file_t fd;
    apr_status_t rv;

    *pfile = NULL;
    if (fstatat(depot->fd, id, &before, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno;
    }
    if (!S_ISREG(before.st_mode) || before.st_size != size) {
        return APR_EINVAL;
    }
    rv = apr_file_open(&file, apr_pstrcat(p, depot->path, "/", id, NULL), flags, 0, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_os_file_get(&fd, file);
    if (fstat(fd, &st) != 0 || st.st_ino != before.st_ino || st.st_size != size) {
        apr_file_close(file); /* it was replaced between two glances */
        return APR_EINVAL;
    }
    *pfile = file;
    return APR_SUCCESS;
}

apr_status_t sb_depot_remove(const sb_depot_t *depot, const char *name)
{
    return unlinkat(depot->fd, name, 0) == 0 || errno == ENOENT ? APR_SUCCESS : errno;
}

apr_status_t sb_depot_probe(const sb_depot_t *depot, apr_pool_t *p)
{
    static const char block[PROBE_SIZE];
    char id[SB_UUID_SIZE];
    apr_status_t rv = APR_SUCCESS;
    const char *name;
    struct stat st;
    int fd;

    if (!sb_uuid_make(id)) {
        return APR_EGENERAL;
    }
    name = apr_pstrcat(p, HEARTBEAT, id, NULL);
    fd = openat(depot->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        return errno;
    }
    rv = sb_fd_write(fd, block, sizeof(block));
    if (rv == APR_SUCCESS && fstat(fd, &st) != 0) {
        rv = errno;
    }
    else if (rv == APR_SUCCESS && st.st_size != PROBE_SIZE) {
        rv = APR_EGENERAL;
    }
    close(fd);
    if (unlinkat(depot->fd, name, 0) != 0 && rv == APR_SUCCESS) {
        rv = errno;
    }
    return rv;
}

static int kind_of(sb_depot_kind_t *kind, const char *name)
{
    *kind = sb_uuid_is_valid(name) ? SB_DEPOT_FILE : SB_DEPOT_LEFTOVER;
    return *kind == SB_DEPOT_FILE || !strncmp(name, UPLOAD, sizeof(UPLOAD) - 1) ||
           !strncmp(name, HEARTBEAT, sizeof(HEARTBEAT) - 1);
}

apr_status_t sb_depot_walk(const sb_depot_t *depot, apr_time_t before,
                           apr_status_t (*fn)(void *ctx, sb_depot_kind_t kind, const char *name),
                           void *ctx)
{
    int fd = openat(depot->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    apr_status_t rv = APR_SUCCESS;
    struct dirent *entry;

    if (!dir) {
        rv = errno;
        if (fd >= 0) {
            close(fd);
        }
        return rv;
    }
    while (rv == APR_SUCCESS && (errno = 0, entry = readdir(dir)) != NULL) {
        sb_depot_kind_t kind;
        struct stat st;

        if (kind_of(&kind, entry->d_name) &&
            fstatat(depot->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            !S_ISDIR(st.st_mode) && apr_time_from_sec(st.st_mtime) < before) {
            rv = fn(ctx, kind, entry->d_name);
        }
    }
    if (rv == APR_SUCCESS && errno) {
        rv = errno;
    }
    closedir(dir);
    return rv;
}
