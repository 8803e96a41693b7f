/* smarter-datagen: a package as a state would send it: tar, gzip, OpenPGP signed and encrypted. The
 * archive has fixed times and owners, so that the same seed gives the same bytes (before OpenPGP). */

#include "workers/datagen.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <archive.h>
#include <archive_entry.h>
#include <gpgme.h>

#define MEMBER_TIME 1420070400 /* 2015-01-01 */

/* ---- tar and gzip ---------------------------------------------------------------------------- */

static const char *add_file(struct archive *a, const char *path, apr_pool_t *p)
{
    struct archive_entry *e = archive_entry_new();
    const char *complaint = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char buf[65536];
    struct stat st;
    ssize_t n;

    if (!e || fd < 0 || fstat(fd, &st)) {
        complaint = apr_psprintf(p, "%s: %s", path, strerror(errno));
        goto leave;
    }
    archive_entry_set_pathname(e, apr_filepath_name_get(path));
    archive_entry_set_size(e, st.st_size);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_mtime(e, MEMBER_TIME, 0);
    if (archive_write_header(a, e) != ARCHIVE_OK) {
        complaint = apr_pstrdup(p, archive_error_string(a));
        goto leave;
    }
    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        if (archive_write_data(a, buf, (size_t)n) != n) {
            complaint = apr_pstrdup(p, archive_error_string(a));
            goto leave;
        }
    }
    if (n < 0) {
        complaint = apr_psprintf(p, "%s: %s", path, strerror(errno));
    }

leave:
    archive_entry_free(e);
    if (fd >= 0) {
        close(fd);
    }
    return complaint;
}

static const char *archive_files(const char *target, const apr_array_header_t *files, apr_pool_t *p)
{
    struct archive *a = archive_write_new();
    const char *complaint = NULL;
    int i;

    if (!a) {
        return "out of memory";
    }
    archive_write_add_filter_gzip(a);
    archive_write_set_filter_option(a, "gzip", "compression-level", "4");
    archive_write_set_filter_option(a, "gzip", "timestamp", NULL);
    archive_write_set_format_ustar(a);
    if (archive_write_open_filename(a, target) != ARCHIVE_OK) {
        complaint = apr_psprintf(p, "%s: %s", target, archive_error_string(a));
    }
    for (i = 0; !complaint && i < files->nelts; i++) {
        complaint = add_file(a, APR_ARRAY_IDX(files, i, const char *), p);
    }
    if (!complaint && archive_write_close(a) != ARCHIVE_OK) {
        complaint = apr_psprintf(p, "%s: %s", target, archive_error_string(a));
    }
    archive_write_free(a);
    return complaint;
}

/* ---- OpenPGP --------------------------------------------------------------------------------- */

static const char *gpg_said(gpgme_error_t err, const char *what, apr_pool_t *p)
{
    char buf[200];

    gpgme_strerror_r(err, buf, sizeof(buf));
    return apr_psprintf(p, "%s: %s", what, buf);
}

static const char *encrypt(gpgme_ctx_t ctx, int in, int out, const dg_pack_t *how, apr_pool_t *p)
{
    const gpgme_encrypt_flags_t flags = GPGME_ENCRYPT_ALWAYS_TRUST | GPGME_ENCRYPT_NO_COMPRESS;
    gpgme_key_t keys[2] = {NULL, NULL}, signer = NULL;
    gpgme_data_t from = NULL, to = NULL;
    const char *complaint = NULL;
    gpgme_error_t err;

    err = gpgme_get_key(ctx, how->recipient, &keys[0], 0);
    if (err) {
        return gpg_said(err, apr_psprintf(p, "recipient %s", how->recipient), p);
    }
    if (how->sign && how->signer) {
        err = gpgme_get_key(ctx, how->signer, &signer, 1);
        if (err) {
            complaint = gpg_said(err, apr_psprintf(p, "signing key %s", how->signer), p);
            goto leave;
        }
        gpgme_signers_add(ctx, signer);
    }
    err = gpgme_data_new_from_fd(&from, in);
    if (!err) {
        err = gpgme_data_new_from_fd(&to, out);
    }
    if (!err) {
        err = how->sign ? gpgme_op_encrypt_sign(ctx, keys, flags, from, to)
                        : gpgme_op_encrypt(ctx, keys, flags, from, to);
    }
    if (err) {
        complaint = gpg_said(err, how->sign ? "signing and encrypting" : "encrypting", p);
    }

leave:
    gpgme_data_release(from);
    gpgme_data_release(to);
    gpgme_key_unref(signer);
    gpgme_key_unref(keys[0]);
    return complaint;
}

static const char *encrypt_file(const char *source, const char *target, const dg_pack_t *how,
                                apr_pool_t *p)
{
    const char *complaint = NULL;
    gpgme_ctx_t ctx = NULL;
    gpgme_error_t err;
    int in, out;

    setlocale(LC_ALL, "C");
    gpgme_check_version(NULL);
    err = gpgme_new(&ctx);
    if (!err && how->home) {
        err = gpgme_ctx_set_engine_info(ctx, GPGME_PROTOCOL_OpenPGP, NULL, how->home);
    }
    if (err) {
        return gpg_said(err, "OpenPGP", p);
    }
    in = open(source, O_RDONLY | O_CLOEXEC);
    out = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (in < 0 || out < 0) {
        complaint = apr_psprintf(p, "%s: %s", in < 0 ? source : target, strerror(errno));
    }
    else {
        complaint = encrypt(ctx, in, out, how, p);
        if (!complaint && fsync(out)) {
            complaint = apr_psprintf(p, "%s: %s", target, strerror(errno));
        }
    }
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    gpgme_release(ctx);
    return complaint;
}

/* The names start with a dot: nobody who watches the directory takes them for packages. */
static const char *hidden(const char *target, const char *suffix, apr_pool_t *p)
{
    const char *base = apr_filepath_name_get(target);

    return apr_psprintf(p, "%.*s.%s%s", (int)(base - target), target, base, suffix);
}

const char *dg_pack(const char *target, const apr_array_header_t *files, const dg_pack_t *how,
                    apr_pool_t *p)
{
    const char *tarball = hidden(target, ".tar", p), *sealed = hidden(target, ".part", p);
    const char *complaint = archive_files(tarball, files, p);

    if (!complaint) {
        complaint = encrypt_file(tarball, sealed, how, p);
    }
    if (!complaint && rename(sealed, target)) {
        complaint = apr_psprintf(p, "%s: %s", target, strerror(errno));
    }
    unlink(tarball);
    if (complaint) {
        unlink(sealed);
    }
    return complaint;
}
