/* Public keys of senders: see sb_gpg_keys.h. */

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gpgme.h>

#include <apr_strings.h>

#include "store/sb_gpg_keys.h"

#define ANSWER_MAX 400
#define CPU_SECONDS 5 /* of us, and of gpg */
#define SECONDS 120

typedef struct {
    const char *home;
    const void *data; /* NULL: find by fingerprint */
    apr_size_t len;
    int import;
    const char *fingerprint;
} job_t;

int sb_gpg_is_fingerprint(const char **pfpr, const char *text, apr_pool_t *p)
{
    char *fpr = apr_palloc(p, strlen(text) + 1), *to = fpr;

    for (; *text; text++) {
        if (isxdigit((unsigned char)*text)) {
            *to++ = (char)toupper((unsigned char)*text);
        }
        else if (*text != ' ') {
            return 0;
        }
    }
    *to = '\0';
    *pfpr = fpr;
    return to - fpr == SB_GPG_FINGERPRINT;
}

/* ---- in the child -------------------------------------------------------------------------------- */

/* @return NULL, or what is wrong with a key as a sender's */
static const char *judge(gpgme_key_t key)
{
    gpgme_subkey_t sub;

    if (key->secret) {
        return "it is a secret key; send nobody that";
    }
    if (!key->fpr || strlen(key->fpr) != SB_GPG_FINGERPRINT) {
        return "its fingerprint has not 40 digits: no OpenPGP key of version 4";
    }
    if (key->revoked) {
        return "it was revoked";
    }
    if (key->expired) {
        return "it has expired";
    }
    if (key->disabled || key->invalid) {
        return "it is disabled or invalid";
    }
    for (sub = key->subkeys; sub; sub = sub->next) {
        if (sub->can_sign && !sub->revoked && !sub->expired && !sub->invalid) {
            return NULL;
        }
    }
    return "it cannot sign";
}

/* What is in the data, without taking it into the ring. */
static const char *look(gpgme_key_t *pkey, gpgme_ctx_t ctx, gpgme_data_t data)
{
    gpgme_key_t more = NULL;
    gpgme_error_t err = gpgme_op_keylist_from_data_start(ctx, data, 0);

    *pkey = NULL;
    if (!err) {
        err = gpgme_op_keylist_next(ctx, pkey);
    }
    if (err) {
        return gpgme_err_code(err) == GPG_ERR_EOF ? "there is no OpenPGP key in it"
                                                  : gpgme_strerror(err);
    }
    err = gpgme_op_keylist_next(ctx, &more);
    if (!err) {
        gpgme_key_unref(more);
        return "it holds several keys; give one file a key";
    }
    gpgme_op_keylist_end(ctx);
    return gpgme_err_code(err) == GPG_ERR_EOF ? NULL : "it holds something else than a key";
}

static const char *take_in(gpgme_ctx_t ctx, gpgme_data_t data, const char *fingerprint)
{
    gpgme_import_result_t res;
    gpgme_import_status_t i;
    gpgme_error_t err;

    gpgme_data_seek(data, 0, SEEK_SET);
    err = gpgme_op_import(ctx, data);
    if (err) {
        return gpgme_strerror(err);
    }
    res = gpgme_op_import_result(ctx);
    for (i = res ? res->imports : NULL; i; i = i->next) {
        if (!i->result && i->fpr && !strcmp(i->fpr, fingerprint)) {
            return NULL;
        }
    }
    return "gpg did not take it into the ring";
}

/* @return NULL and the key, or what is wrong */
static const char *work(gpgme_key_t *pkey, const job_t *job)
{
    gpgme_data_t data = NULL;
    const char *problem;
    gpgme_ctx_t ctx;

    *pkey = NULL;
    gpgme_check_version(NULL);
    if (gpgme_new(&ctx) ||
        gpgme_ctx_set_engine_info(ctx, GPGME_PROTOCOL_OpenPGP, NULL, job->home)) {
        return "gpg is not there";
    }
    if (!job->data) {
        return gpgme_get_key(ctx, job->fingerprint, pkey, 0)
                   ? "it is not in the loader's key ring; give the file of the key instead"
                   : judge(*pkey);
    }
    if (gpgme_data_new_from_mem(&data, job->data, job->len, 0)) {
        return "no memory";
    }
    problem = look(pkey, ctx, data);
    if (!problem) {
        problem = judge(*pkey);
    }
    if (!problem && job->import) {
        problem = take_in(ctx, data, (*pkey)->fpr);
    }
    return problem;
}

/* Become the owner of the ring for good; a child does, nobody else. */
static const char *become_owner(const char *home)
{
    static char why[200];
    struct stat st;

    if (stat(home, &st)) {
        snprintf(why, sizeof why, "gpg_home %.100s: %s", home, strerror(errno));
        return why;
    }
    if (st.st_uid == geteuid()) {
        return NULL;
    }
    if (setgroups(0, NULL) || setgid(st.st_gid) || setuid(st.st_uid)) {
        snprintf(why, sizeof why, "the key ring %.100s belongs to somebody else: run it as root",
                 home);
        return why;
    }
    return NULL;
}

/* What the environment of an operator holds (PGPASSWORD, say) is none of gpg's business: it runs as the
 * owner of the ring, who could read it in /proc. */
static const char *forget_environment(void)
{
    return clearenv() || setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1) ||
                   setenv("LC_ALL", "C.UTF-8", 1) || setenv("HOME", "/", 1)
               ? "no memory"
               : NULL;
}

/* The file is a stranger's. GPGME, for one, runs in circles when gpg ends before it has read all of it. */
static void limit_time(void)
{
    static const struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS}, none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_CPU, &cpu);
    signal(SIGALRM, SIG_DFL);
    alarm(SECONDS);
}

/* "FPR EXPIRES" or "!why" */
__attribute__((noreturn)) static void child(int to, const job_t *job)
{
    const char *problem = forget_environment();
    gpgme_key_t key = NULL;
    char answer[ANSWER_MAX];
    ssize_t n;

    problem = problem ? problem : become_owner(job->home);
    limit_time();
    if (!problem) {
        problem = work(&key, job);
    }
    if (problem) {
        snprintf(answer, sizeof answer, "!%s", problem);
    }
    else {
        snprintf(answer, sizeof answer, "%s %ld", key->fpr, key->subkeys->expires);
    }
    n = write(to, answer, strlen(answer));
    _exit(n < 0);
}

/* ---- outside ----------------------------------------------------------------------------------------- */

static const char *ask(sb_gpg_key_t *key, const job_t *job, apr_pool_t *p)
{
    char answer[ANSWER_MAX + 1];
    ssize_t n, len = 0;
    int fds[2], status;
    pid_t pid;

    memset(key, 0, sizeof *key);
    if (pipe(fds)) {
        return apr_psprintf(p, "no pipe: %s", strerror(errno));
    }
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(fds[0]);
        child(fds[1], job);
    }
    close(fds[1]);
    while (pid > 0 && len < ANSWER_MAX &&
           ((n = read(fds[0], answer + len, (size_t)(ANSWER_MAX - len))) > 0 ||
            (n < 0 && errno == EINTR))) {
        len += n > 0 ? n : 0;
    }
    close(fds[0]);
    answer[len] = '\0';
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (*answer == '!') {
        return apr_pstrdup(p, answer + 1);
    }
    if (len <= SB_GPG_FINGERPRINT || answer[SB_GPG_FINGERPRINT] != ' ') {
        return "gpg does not run, or comes to no end with it";
    }
    key->fingerprint = apr_pstrmemdup(p, answer, SB_GPG_FINGERPRINT);
    key->expires = apr_time_from_sec(strtol(answer + SB_GPG_FINGERPRINT, NULL, 10));
    return NULL;
}

const char *sb_gpg_key_take(sb_gpg_key_t *key, const char *home, const void *data, apr_size_t len,
                            int import, apr_pool_t *p)
{
    job_t job = {home, data, len, import, NULL};

    return ask(key, &job, p);
}

const char *sb_gpg_key_find(sb_gpg_key_t *key, const char *home, const char *fingerprint,
                            apr_pool_t *p)
{
    job_t job = {home, NULL, 0, 0, fingerprint};

    return ask(key, &job, p);
}
