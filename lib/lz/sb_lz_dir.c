/* Files below directories that hostile users write to: see sb_lz_dir.h. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_crypto.h"
#include "core/sb_file.h"
#include "lz/sb_lz_dir.h"

#define CHUNK 262144

int sb_lz_is_there(int dir, const char *name)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int sb_lz_ends_with(const char *name, const char *tail)
{
    apr_size_t n = strlen(name), m = strlen(tail);

    return n > m && !strcmp(name + n - m, tail);
}

int sb_lz_dir_open(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int sb_lz_dir_make(int at, const char *name, mode_t mode)
{
    int fd = sb_lz_dir_open(at, name);

    if (fd >= 0 || errno != ENOENT) {
        return fd;
    }
    if (mkdirat(at, name, 0700) && errno != EEXIST) {
        return -1;
    }
    fd = sb_lz_dir_open(at, name);
    if (fd >= 0 && (fchmod(fd, mode) || (at != AT_FDCWD && fsync(at)))) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

apr_status_t sb_lz_dir_names(apr_array_header_t **pnames, int dir, int max, apr_pool_t *p)
{
    apr_array_header_t *names = apr_array_make(p, 16, sizeof(const char *));
    int fd = sb_lz_dir_open(dir, "."); /* with an offset of its own */
    apr_status_t rv = APR_SUCCESS;
    struct dirent *d;
    DIR *open;

    *pnames = names;
    open = fd < 0 ? NULL : fdopendir(fd);
    if (!open) {
        rv = errno;
        if (fd >= 0) {
            close(fd);
        }
        return rv;
    }
    for (errno = 0; (!max || names->nelts < max) && (d = readdir(open)) != NULL; errno = 0) {
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0) {
            APR_ARRAY_PUSH(names, const char *) = apr_pstrdup(p, d->d_name);
        }
    }
    rv = errno;
    closedir(open);
    qsort(names->elts, (size_t)names->nelts, sizeof(const char *), by_name);
    return rv;
}

int sb_lz_file_open(struct stat *st, int dir, const char *name)
{
    /* not blocking: a FIFO must not hold us */
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int saved;

    if (fd >= 0 && fstat(fd, st) == 0) {
        if (S_ISREG(st->st_mode)) {
            return fd;
        }
        errno = EINVAL;
    }
    if (fd >= 0) {
        saved = errno;
        close(fd);
        errno = saved;
    }
    return -1;
}

apr_status_t sb_lz_rename(int from_dir, const char *from, int to_dir, const char *to)
{
    return renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) ? errno : APR_SUCCESS;
}

apr_status_t sb_lz_file_text(char **ptext, int dir, const char *name, apr_size_t max, apr_pool_t *p)
{
    struct stat st;
    int fd = sb_lz_file_open(&st, dir, name);
    apr_size_t have = 0, size;
    apr_status_t rv = APR_SUCCESS;
    ssize_t n;

    *ptext = NULL;
    if (fd < 0) {
        return errno == EINVAL || errno == ELOOP ? SB_EINPUT : errno;
    }
    size = (apr_size_t)st.st_size;
    if ((apr_uint64_t)st.st_size > max) {
        rv = SB_ETOOBIG;
        goto leave;
    }
    *ptext = apr_palloc(p, size + 1);
    while (have < size && (n = read(fd, *ptext + have, size - have)) != 0) {
        if (n < 0) {
            rv = errno;
            goto leave;
        }
        have += (apr_size_t)n;
    }
    (*ptext)[have] = '\0';
leave:
    close(fd);
    return rv;
}

int sb_lz_has_hole(int fd, apr_int64_t size)
{
    off_t hole = lseek(fd, 0, SEEK_HOLE); /* there is one at every end */
    int found = size > 0 && hole >= 0 && hole < size;

    return lseek(fd, 0, SEEK_SET) || found;
}

apr_status_t sb_lz_settle(int fd, const struct stat *owner, mode_t mode)
{
    if (owner && fchown(fd, owner->st_uid, owner->st_gid) && geteuid() == 0) {
        return errno;
    }
    return fchmod(fd, mode) ? errno : APR_SUCCESS;
}

apr_status_t sb_lz_file_put(int dir, const char *name, const char *text, const struct stat *owner,
                            mode_t mode)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    apr_status_t rv;

    if (fd < 0) {
        return errno;
    }
    rv = sb_fd_write(fd, text, strlen(text));
    if (rv == APR_SUCCESS) {
        rv = sb_lz_settle(fd, owner, mode);
    }
    if (close(fd) && rv == APR_SUCCESS) {
        rv = errno;
    }
    if (rv != APR_SUCCESS) {
        unlinkat(dir, name, 0);
    }
    return rv;
}

apr_status_t sb_lz_digest(const char **pmd5, int in, int out, apr_int64_t size, apr_pool_t *p)
{
    apr_status_t rv;
    sb_digest_t *d;
    char *buf;

    *pmd5 = NULL;
    rv = sb_digest_make(&d, "MD5", p);
    buf = malloc(CHUNK);
    if (!buf) {
        return ENOMEM;
    }
    while (rv == APR_SUCCESS && size > 0) {
        ssize_t n = read(in, buf, size < CHUNK ? (apr_size_t)size : CHUNK);

        if (n <= 0) {
            rv = n == 0 ? APR_EOF : errno;
            break;
        }
        size -= n;
        rv = sb_digest_update(d, buf, (apr_size_t)n);
        if (rv == APR_SUCCESS && out >= 0) {
            rv = sb_fd_write(out, buf, (apr_size_t)n);
        }
    }
    free(buf);
    if (rv == APR_SUCCESS) {
        *pmd5 = sb_digest_hex(d);
        rv = *pmd5 ? APR_SUCCESS : APR_EGENERAL;
    }
    return rv;
}
