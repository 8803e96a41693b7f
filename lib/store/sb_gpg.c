/* Decryption with a complete verdict: see sb_gpg.h. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gpgme.h>

#include <apr_strings.h>

#include "store/sb_gpg.h"

/* The agent's socket lies in the home directory; its path must fit into sun_path. */
#define HOME_MAX (107 - sizeof("/S.gpg-agent.browser"))

typedef struct {
    int fd;
    apr_int64_t bytes, max;
    int too_big;
    int failed; /* errno of a write */
} sink_t;

static void start_gpgme(void)
{
    gpgme_check_version(NULL);
}

static ssize_t sink_write(void *handle, const void *data, size_t size)
{
    sink_t *sink = handle;
    ssize_t n;

    if (sink->max && sink->bytes + (apr_int64_t)size > sink->max) {
        sink->too_big = 1;
        errno = EFBIG;
        return -1;
    }
    n = write(sink->fd, data, size);
    if (n < 0) {
        sink->failed = errno;
    }
    else {
        sink->bytes += n;
    }
    return n;
}

/* ---- the verdict ----------------------------------------------------------------------------- */

typedef struct {
    gpgme_ctx_t ctx;
    const sb_gpg_opts_t *opts;
    sb_gpg_result_t *result;
    apr_pool_t *p;
    int locked;        /* the passphrase we gave, or have not got, does not open the key */
    int by_passphrase; /* the message wants one of its own */
} job_t;

static gpgme_error_t give_passphrase(void *hook, const char *uid_hint, const char *info,
                                     int was_bad, int fd)
{
    job_t *job = hook;
    const char *passphrase = job->opts->passphrase;

    (void)uid_hint;
    /* "KEYID MAINKEYID TYPE LENGTH" for a key; numbers only for a message encrypted by a passphrase,
     * which is not the one of our key: to ask an operator for it would keep the package for ever */
    if (info && strcspn(info, " ") < 16) {
        job->by_passphrase = 1;
        return gpgme_error(GPG_ERR_CANCELED);
    }
    job->locked = was_bad || !passphrase;
    if (job->locked || gpgme_io_writen(fd, passphrase, strlen(passphrase)) ||
        gpgme_io_writen(fd, "\n", 1)) {
        return gpgme_error(GPG_ERR_CANCELED);
    }
    return 0;
}

__attribute__((format(printf, 3, 4))) static apr_status_t verdict(job_t *job, apr_status_t rv,
                                                                  const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    job->result->problem = apr_pvsprintf(job->p, fmt, ap);
    va_end(ap);
    return rv;
}

static int names_recipients(job_t *job)
{
    gpgme_decrypt_result_t dec = gpgme_op_decrypt_result(job->ctx);

    return dec && dec->recipients;
}

/* Does the message name recipients, none of whom we hold the key of? */
static int is_for_others(job_t *job)
{
    gpgme_decrypt_result_t dec = gpgme_op_decrypt_result(job->ctx);
    gpgme_recipient_t r = dec ? dec->recipients : NULL;
    int n = 0;

    for (; r; r = r->next, n++) {
        if (gpgme_err_code(r->status) != GPG_ERR_NO_SECKEY) {
            return 0;
        }
    }
    return n > 0;
}

static apr_status_t judge_decryption(job_t *job, const sink_t *sink, gpgme_error_t err)
{
    if (sink->too_big) {
        return verdict(job, SB_ETOOBIG,
                       "the decrypted package is larger than %" APR_INT64_T_FMT " bytes",
                       sink->max);
    }
    if (sink->failed) {
        return verdict(job, SB_EUNAVAILABLE, "writing the decrypted package: %s",
                       strerror(sink->failed));
    }
    if (err && job->by_passphrase) {
        return verdict(job, SB_EDENIED, "encrypted by a passphrase, not to the loader's key");
    }
    if (err && (job->locked || gpgme_err_code(err) == GPG_ERR_BAD_PASSPHRASE)) {
        return verdict(job, SB_ECONFIG, "the passphrase of the loader's key is missing or wrong");
    }
    switch (gpgme_err_code(err)) {
    case GPG_ERR_NO_ERROR:
        return APR_SUCCESS;
    case GPG_ERR_NO_DATA:
        if (!names_recipients(job)) {
            return verdict(job, SB_EINPUT, "not an encrypted OpenPGP message");
        }
        break; /* it began like one */
    case GPG_ERR_NO_SECKEY:
        return verdict(job, SB_EDENIED, "not encrypted to the loader's key");
    case GPG_ERR_INV_ENGINE:
    case GPG_ERR_NO_AGENT:
    case GPG_ERR_ENOMEM:
        return verdict(job, SB_EUNAVAILABLE, "gpg does not run: %s", gpgme_strerror(err));
    default:
        break;
    }
    if (is_for_others(job)) {
        return verdict(job, SB_EDENIED, "not encrypted to the loader's key");
    }
    return verdict(job, SB_EINPUT, "the encrypted message is truncated or damaged");
}

static int is_sender(job_t *job, const char *fpr)
{
    const char *const *s;

    for (s = job->opts->senders; s && *s; s++) {
        if (!strcasecmp(*s, fpr)) {
            return 1;
        }
    }
    return 0;
}

/* A sender is named by his primary key; he may sign with a subkey of it. */
static int is_sender_by_subkey(job_t *job, const char *fpr)
{
    gpgme_key_t key;
    int known;

    if (gpgme_get_key(job->ctx, fpr, &key, 0)) {
        return 0;
    }
    known = key->fpr && is_sender(job, key->fpr);
    gpgme_key_unref(key);
    return known;
}

static apr_status_t judge_signature(job_t *job)
{
    gpgme_verify_result_t res = gpgme_op_verify_result(job->ctx);
    gpgme_signature_t sig = res ? res->signatures : NULL;
    const char *fpr;

    if (!sig) {
        return job->opts->require_signature
                   ? verdict(job, SB_ESIGNATURE, "the package is not signed")
                   : APR_SUCCESS;
    }
    if (sig->next) {
        return verdict(job, SB_ESIGNATURE, "the package carries more than one signature");
    }
    fpr = sig->fpr ? sig->fpr : "an unknown key";
    switch (gpgme_err_code(sig->status)) {
    case GPG_ERR_NO_ERROR:
        break;
    case GPG_ERR_NO_PUBKEY:
        return verdict(job, SB_ESIGNATURE, "signed by a key we do not have: %s", fpr);
    case GPG_ERR_BAD_SIGNATURE:
        return verdict(job, SB_ESIGNATURE, "the signature is wrong (key %s)", fpr);
    case GPG_ERR_SIG_EXPIRED:
        return verdict(job, SB_ESIGNATURE, "the signature has expired (key %s)", fpr);
    case GPG_ERR_KEY_EXPIRED:
        return verdict(job, SB_ESIGNATURE, "signed by a key that has expired: %s", fpr);
    case GPG_ERR_CERT_REVOKED:
        return verdict(job, SB_ESIGNATURE, "signed by a key that was revoked: %s", fpr);
    default:
        return verdict(job, SB_ESIGNATURE, "the signature cannot be checked: %s",
                       gpgme_strerror(sig->status));
    }
    if (!sig->fpr || !(is_sender(job, sig->fpr) || is_sender_by_subkey(job, sig->fpr))) {
        return verdict(job, SB_ESIGNATURE, "signed by a key that is no sender of this tenant: %s",
                       fpr);
    }
    job->result->fingerprint = apr_pstrdup(job->p, sig->fpr);
    return APR_SUCCESS;
}

/* ---- the work -------------------------------------------------------------------------------- */

static apr_status_t setup(job_t *job)
{
    const char *home = job->opts->home;

    if (gpgme_new(&job->ctx) ||
        gpgme_ctx_set_engine_info(job->ctx, GPGME_PROTOCOL_OpenPGP, NULL, home)) {
        return verdict(job, SB_EUNAVAILABLE, "gpg is not there");
    }
    if (strlen(home) > HOME_MAX) {
        return verdict(job, SB_ECONFIG,
                       "gpg_home: a path over %d characters leaves no room for the agent's socket",
                       (int)HOME_MAX);
    }
    if (access(home, R_OK | X_OK)) {
        return verdict(job, SB_ECONFIG, "gpg_home: %s: %s", home, strerror(errno));
    }
    if (gpgme_set_pinentry_mode(job->ctx, GPGME_PINENTRY_MODE_LOOPBACK)) {
        return verdict(job, SB_EUNAVAILABLE, "gpg is too old");
    }
    gpgme_set_passphrase_cb(job->ctx, give_passphrase, job);
    return APR_SUCCESS;
}

static apr_status_t decrypt(job_t *job, int from, sink_t *sink)
{
    static struct gpgme_data_cbs cbs = {.write = sink_write};
    gpgme_data_t in = NULL, out = NULL;
    gpgme_error_t err;
    apr_status_t rv;

    if (gpgme_data_new_from_fd(&in, from) || gpgme_data_new_from_cbs(&out, &cbs, sink)) {
        rv = APR_ENOMEM;
    }
    else {
        gpgme_data_set_flag(in, "io-buffer-size", "65536"); /* only faster: may fail */
        gpgme_data_set_flag(out, "io-buffer-size", "65536");
        err = gpgme_op_decrypt_verify(job->ctx, in, out);
        rv = judge_decryption(job, sink, err);
        if (rv == APR_SUCCESS) {
            rv = judge_signature(job);
        }
    }
    gpgme_data_release(in);
    gpgme_data_release(out);
    return rv;
}

apr_status_t sb_gpg_decrypt(sb_gpg_result_t *result, const char *in, const char *out,
                            const sb_gpg_opts_t *opts, apr_pool_t *p)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    job_t job = {.opts = opts, .result = result, .p = p};
    sink_t sink = {-1, 0, opts->max_bytes, 0, 0};
    apr_status_t rv;
    int from = -1;

    memset(result, 0, sizeof *result);
    pthread_once(&once, start_gpgme);
    rv = setup(&job);
    if (rv != APR_SUCCESS) {
        goto leave;
    }
    from = open(in, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0) {
        rv = errno;
        result->problem = apr_psprintf(p, "%s: %s", in, strerror(errno));
        goto leave;
    }
    sink.fd = open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (sink.fd < 0) {
        rv = verdict(&job, SB_EUNAVAILABLE, "%s: %s", out, strerror(errno));
        goto leave;
    }
    rv = decrypt(&job, from, &sink);
    result->bytes = sink.bytes;
leave:
    if (sink.fd >= 0) {
        close(sink.fd);
        if (rv != APR_SUCCESS) {
            unlink(out);
        }
    }
    if (from >= 0) {
        close(from);
    }
    if (job.ctx) {
        gpgme_release(job.ctx);
    }
    return rv;
}
