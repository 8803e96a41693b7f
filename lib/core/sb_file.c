/* Files that are there whole or not at all. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <apr_strings.h>
#include "core/sb_crypto.h"
#include "core/sb_file.h"

apr_status_t sb_file_read(char **pdata, apr_size_t *plen, const char *path, apr_size_t max,
                          apr_pool_t *p)
{
    struct stat st;
    apr_size_t have = 0;
    apr_status_t rv = APR_SUCCESS;
    char *data;
    int fd;

    *pdata = NULL;
    *plen = 0;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us */
    if (fd < 0) {
        return errno;
    }
    if (fstat(fd, &st) != 0) {
        rv = errno;
        goto leave;
    }
    if (!S_ISREG(st.st_mode) || (apr_uint64_t)st.st_size > max) {
        rv = S_ISREG(st.st_mode) ? SB_ETOOBIG : SB_EINPUT;
        goto leave;
    }
    data = apr_palloc(p, (apr_size_t)st.st_size + 1);
    while (have < (apr_size_t)st.st_size) {
        ssize_t n = read(fd, data + have, (apr_size_t)st.st_size - have);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            rv = errno;
            goto leave;
        }
        if (n == 0) {
            break; /* became shorter meanwhile */
        }
        have += (apr_size_t)n;
    }
    data[have] = '\0';
    *pdata = data;
    *plen = have;
leave:
    close(fd);
    return rv;
}

static apr_status_t sync_directory_of(const char *path, apr_pool_t *p)
{
    const char *slash = strrchr(path, '/');
    const char *dir = !slash          ? "."
                      : slash == path ? "/"
                                      : apr_pstrmemdup(p, path, (apr_size_t)(slash - path));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    apr_status_t rv = APR_SUCCESS;

    if (fd < 0) {
        return errno;
    }
    if (fsync(fd) != 0 && errno != EINVAL) { /* EINVAL: a file system without directory sync */
        rv = errno;
    }
    close(fd);
    return rv;
}

apr_status_t sb_fd_write(int fd, const void *data, apr_size_t len)
{
    const char *c = data;

    while (len > 0) {
        ssize_t n = write(fd, c, len);

        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0) {
            c += n;
            len -= (apr_size_t)n;
        }
    }
    return APR_SUCCESS;
}

apr_status_t sb_file_write(const char *path, const void *data, apr_size_t len, int mode,
                           apr_pool_t *p)
{
    const char *hex = sb_random_hex(6, p);
    const char *temporary;
    apr_status_t rv;
    int fd;

    if (!hex) {
        return APR_EGENERAL;
    }
    temporary = apr_pstrcat(p, path, ".", hex, ".partial", NULL);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return errno;
    }
    rv = sb_fd_write(fd, data, len);
    if (rv == APR_SUCCESS && fsync(fd) != 0) {
        rv = errno;
    }
    if (close(fd) != 0 && rv == APR_SUCCESS) {
        rv = errno;
    }
    if (rv == APR_SUCCESS && rename(temporary, path) != 0) {
        rv = errno;
    }
    if (rv != APR_SUCCESS) {
        unlink(temporary);
        return rv;
    }
    return sync_directory_of(path, p);
}

apr_status_t sb_dir_open_below(int *pfd, const char *root, const char *below, apr_pool_t *p)
{
    char *path = apr_pstrdup(p, below), *state, *part;
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;

    *pfd = -1;
    for (part = apr_strtok(path, "/", &state); part && fd >= 0;
         part = apr_strtok(NULL, "/", &state)) {
        next = -1;
        if (!strcmp(part, "..")) {
            errno = ELOOP;
        }
        else {
            next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        close(fd);
        fd = next;
    }
    *pfd = fd;
    return fd < 0 ? errno : APR_SUCCESS;
}

apr_status_t sb_dir_make(const char *path, int mode, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, path);
    char *c;

    for (c = copy + (*copy == '/');; c++) {
        char kept = *c;

        if (kept != '/' && kept != '\0') {
            continue;
        }
        *c = '\0';
        if (*copy && mkdir(copy, (mode_t)mode) != 0) {
            struct stat st;

            if (errno != EEXIST) {
                return errno;
            }
            if (stat(copy, &st) == 0 && !S_ISDIR(st.st_mode)) {
                return ENOTDIR;
            }
        }
        *c = kept;
        if (!kept) {
            return APR_SUCCESS;
        }
    }
}

/* Remove what is in an open directory; takes the descriptor. */
static apr_status_t empty_directory(int fd)
{
    DIR *dir = fdopendir(fd);
    struct dirent *e;
    apr_status_t rv = APR_SUCCESS;

    if (!dir) {
        rv = errno;
        close(fd);
        return rv;
    }
    while (rv == APR_SUCCESS && (e = readdir(dir)) != NULL) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) {
            continue;
        }
        if (unlinkat(dirfd(dir), e->d_name, 0) == 0 || errno == ENOENT) {
            continue;
        }
        if (errno != EISDIR && errno != EPERM) {
            rv = errno;
            break;
        }
        fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
            rv = errno;
            break;
        }
        rv = empty_directory(fd);
        if (rv == APR_SUCCESS && unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR) != 0 &&
            errno != ENOENT) {
            rv = errno;
        }
    }
    closedir(dir);
    return rv;
}

apr_status_t sb_dir_remove(const char *path, apr_pool_t *p)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    apr_status_t rv;

    (void)p;
    if (fd < 0) {
        return errno == ENOENT ? APR_SUCCESS : errno;
    }
    rv = empty_directory(fd);
    if (rv == APR_SUCCESS && rmdir(path) != 0 && errno != ENOENT) {
        rv = errno;
    }
    return rv;
}

apr_status_t sb_file_move(const char *from, const char *to, apr_pool_t *p)
{
    if (rename(from, to) != 0) {
        return errno;
    }
    return sync_directory_of(to, p);
}
