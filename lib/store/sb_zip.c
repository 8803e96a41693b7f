/* Writing a zip file: see sb_zip.h. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <apr_strings.h>

#include "core/sb_crypto.h"
#include "core/sb_file.h"
#include "store/sb_zip.h"

struct sb_zip_t {
    apr_pool_t *p;
    const char *path, *temporary;
    int fd;
    struct archive *a;
    apr_status_t rv;
};

static void fail(sb_zip_t *z)
{
    if (z->rv == APR_SUCCESS) {
        z->rv = archive_errno(z->a) ? archive_errno(z->a) : APR_EGENERAL;
    }
}

static apr_status_t give_up(void *data)
{
    sb_zip_t *z = data;

    if (z->a) {
        archive_write_free(z->a);
        z->a = NULL;
    }
    if (z->fd >= 0) {
        close(z->fd);
        unlink(z->temporary);
        z->fd = -1;
    }
    return APR_SUCCESS;
}

apr_status_t sb_zip_begin(sb_zip_t **pz, const char *path, int mode, apr_pool_t *p)
{
    sb_zip_t *z = apr_pcalloc(p, sizeof *z);
    const char *hex = sb_random_hex(6, p);

    *pz = NULL;
    if (!hex) {
        return APR_EGENERAL;
    }
    z->p = p;
    z->path = apr_pstrdup(p, path);
    z->temporary = apr_pstrcat(p, path, ".", hex, ".partial", NULL);
    z->fd = open(z->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (z->fd < 0) {
        return errno;
    }
    apr_pool_cleanup_register(p, z, give_up, apr_pool_cleanup_null);
    z->a = archive_write_new();
    if (!z->a) {
        return APR_ENOMEM;
    }
    if (archive_write_set_format_zip(z->a) != ARCHIVE_OK ||
        archive_write_open_fd(z->a, z->fd) != ARCHIVE_OK) {
        fail(z);
        return z->rv;
    }
    *pz = z;
    return APR_SUCCESS;
}

apr_status_t sb_zip_member(sb_zip_t *z, const char *name)
{
    struct archive_entry *e = archive_entry_new();

    if (!e) {
        return APR_ENOMEM;
    }
    archive_entry_set_pathname(e, name);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0640);
    archive_entry_set_mtime(e, time(NULL), 0);
    if (z->rv == APR_SUCCESS && archive_write_header(z->a, e) != ARCHIVE_OK) {
        fail(z);
    }
    archive_entry_free(e);
    return z->rv;
}

void sb_zip_write(sb_zip_t *z, const void *data, apr_size_t len)
{
    if (z->rv == APR_SUCCESS && archive_write_data(z->a, data, len) != (la_ssize_t)len) {
        fail(z);
    }
}

apr_status_t sb_zip_end(sb_zip_t *z)
{
    apr_status_t rv = z->rv;

    if (rv == APR_SUCCESS && archive_write_close(z->a) != ARCHIVE_OK) {
        fail(z);
        rv = z->rv;
    }
    if (rv == APR_SUCCESS && fsync(z->fd)) {
        rv = errno;
    }
    if (rv == APR_SUCCESS) {
        rv = sb_file_move(z->temporary, z->path, z->p);
    }
    if (rv == APR_SUCCESS) {
        close(z->fd);
        z->fd = -1;
    }
    apr_pool_cleanup_run(z->p, z, give_up);
    return rv;
}
