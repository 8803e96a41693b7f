/* Calls and mails on their way: see sb_transfer.h. */

#include <ctype.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_strings.h>
#include <curl/curl.h>
#include <openssl/ssl.h>

#include "core/sb_crypto.h"
#include "core/sb_path.h"
#include "notify/sb_transfer.h"

#define ANSWER_MAX                                                                                 \
    (16 * 1024) /* bytes of an answer that are read; its status counts all the same */
#define HEADERS_MAX (64 * 1024)
#define CONNECT_MSECS 10000L

typedef struct transfer_t transfer_t;
struct transfer_t {
    sb_transfers_t *all;
    transfer_t *next;
    apr_pool_t *p;
    CURL *curl;
    struct curl_slist *headers, *recipients;
    curl_mime *mime;
    const sb_target_rules_t *rules; /* NULL: any address; mail servers are configured */
    const char *ca_file;
    int closed_address, open_address; /* such ones were tried */
    size_t answer, header;            /* bytes read */
    sb_transfer_fn *fn;
    void *ctx;
};

struct sb_transfers_t {
    apr_pool_t *p;
    CURLM *multi;
    transfer_t *first;
    int n;
};

static void release(transfer_t *t)
{
    transfer_t **at = &t->all->first;

    while (*at && *at != t) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = t->next;
        t->all->n--;
    }
    curl_multi_remove_handle(t->all->multi, t->curl);
    curl_easy_cleanup(t->curl);
    curl_mime_free(t->mime);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->recipients);
    apr_pool_destroy(t->p);
}

static apr_status_t release_all(void *data)
{
    sb_transfers_t *all = data;

    while (all->first) {
        release(all->first);
    }
    curl_multi_cleanup(all->multi);
    return APR_SUCCESS;
}

apr_status_t sb_transfers_make(sb_transfers_t **pt, apr_pool_t *p)
{
    sb_transfers_t *all = apr_pcalloc(p, sizeof *all);

    *pt = all;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return APR_EGENERAL;
    }
    all->p = p;
    all->multi = curl_multi_init();
    if (!all->multi) {
        return APR_ENOMEM;
    }
    /* before the pools of the transfers, which are children of p */
    apr_pool_pre_cleanup_register(p, all, release_all);
    return APR_SUCCESS;
}

/* ---- what libcurl asks us ---------------------------------------------------------------------- */

/* The address a connection is opened to, whatever its name resolved to before. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    transfer_t *t = ctx;

    (void)purpose;
    if (t->rules && !sb_target_address(t->rules, &a->addr)) {
        t->closed_address = 1;
        return CURL_SOCKET_BAD;
    }
    t->open_address = 1;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t take_answer(char *data, size_t size, size_t n, void *ctx)
{
    transfer_t *t = ctx;

    (void)data;
    t->answer += size * n;
    return t->answer > ANSWER_MAX ? 0 : size * n;
}

static size_t take_header(char *data, size_t size, size_t n, void *ctx)
{
    transfer_t *t = ctx;

    (void)data;
    t->header += size * n;
    return t->header > HEADERS_MAX ? 0 : size * n;
}

/* One more authority, beside those of the system. */
static CURLcode trust(CURL *curl, void *ssl_ctx, void *ctx)
{
    const transfer_t *t = ctx;

    (void)curl;
    return SSL_CTX_load_verify_file(ssl_ctx, t->ca_file) == 1 ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
}

/* ---- beginning --------------------------------------------------------------------------------- */

#define SET(option, value) (rc = rc == CURLE_OK ? curl_easy_setopt(t->curl, option, value) : rc)

/* What all of them have in common. */
static CURLcode set_up(transfer_t *t, apr_interval_time_t timeout)
{
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_TIMEOUT_MS, (long)apr_time_as_msec(timeout));
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)apr_time_as_msec(timeout) < CONNECT_MSECS
                                       ? (long)apr_time_as_msec(timeout)
                                       : CONNECT_MSECS);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_WRITEFUNCTION, take_answer);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (t->ca_file) {
        SET(CURLOPT_SSL_CTX_FUNCTION, trust);
        SET(CURLOPT_SSL_CTX_DATA, t);
    }
    return rc;
}

static transfer_t *make(sb_transfers_t *all, sb_transfer_fn *fn, void *ctx)
{
    apr_pool_t *p;
    transfer_t *t;

    if (apr_pool_create(&p, all->p) != APR_SUCCESS) {
        return NULL;
    }
    t = apr_pcalloc(p, sizeof *t);
    t->all = all;
    t->p = p;
    t->fn = fn;
    t->ctx = ctx;
    t->curl = curl_easy_init();
    if (!t->curl) {
        apr_pool_destroy(p);
        return NULL;
    }
    t->next = all->first;
    all->first = t;
    all->n++;
    return t;
}

/* @param rc what was set so far */
static apr_status_t begin(transfer_t *t, CURLcode rc)
{
    if (rc == CURLE_OK && curl_multi_add_handle(t->all->multi, t->curl) == CURLM_OK) {
        return APR_SUCCESS;
    }
    release(t);
    return rc == CURLE_OUT_OF_MEMORY ? APR_ENOMEM : APR_EGENERAL;
}

static CURLcode add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (!longer) {
        return CURLE_OUT_OF_MEMORY;
    }
    *list = longer;
    return CURLE_OK;
}

apr_status_t sb_transfers_post(sb_transfers_t *all, const sb_post_t *post, sb_transfer_fn *fn,
                               void *ctx)
{
    transfer_t *t = make(all, fn, ctx);
    CURLcode rc;

    if (!t) {
        return APR_ENOMEM;
    }
    t->rules = post->rules;
    t->ca_file = post->ca_file ? apr_pstrdup(t->p, post->ca_file) : NULL;
    rc = set_up(t, post->timeout);
    SET(CURLOPT_URL, post->target->url);
    SET(CURLOPT_PROTOCOLS_STR, post->rules->http ? "https,http" : "https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_USERAGENT, "smarter-udl-notify");
    SET(CURLOPT_POSTFIELDSIZE, (long)strlen(post->body));
    SET(CURLOPT_COPYPOSTFIELDS, post->body);
    rc = rc == CURLE_OK ? add(&t->headers, "Content-Type: application/json") : rc;
    rc = rc == CURLE_OK ? add(&t->headers, "Accept: text/plain") : rc;
    rc = rc == CURLE_OK ? add(&t->headers, "Expect:") : rc;
    rc = rc == CURLE_OK ? add(&t->headers, apr_pstrcat(t->p, "Idempotency-Key: ", post->key, NULL))
                        : rc;
    SET(CURLOPT_HTTPHEADER, t->headers);
    return begin(t, rc);
}

/* ---- mail -------------------------------------------------------------------------------------- */

sb_transfer_verdict_t sb_transfer_outcome(sb_transfer_verdict_t verdict, int attempt, int most)
{
    return verdict == SB_TRANSFER_AGAIN && attempt >= most ? SB_TRANSFER_NEVER : verdict;
}

apr_int64_t sb_transfer_pause(int attempt, apr_int64_t first, apr_int64_t longest)
{
    apr_int64_t secs = first;

    for (int i = 1; i < attempt && secs < longest; i++) {
        secs *= 2;
    }
    return secs < longest || secs == first ? secs : longest;
}

sb_mail_tls_t sb_mail_tls(const char *name, int port, const char *user)
{
    if (!strcmp(name, "auto")) {
        /* a password is never sent in the clear */
        name = port == 465 ? "tls" : port == 25 && !user ? "plain" : "starttls";
    }
    return !strcmp(name, "tls")     ? SB_MAIL_TLS
           : !strcmp(name, "plain") ? SB_MAIL_PLAIN
                                    : SB_MAIL_STARTTLS;
}

/* RFC 2047; what is not printable never gets into a header. */
static const char *subject_header(const char *text, apr_pool_t *p)
{
    char *clean = apr_pstrdup(p, text), *c;
    int ascii = 1;

    for (c = clean; *c; c++) {
        if (iscntrl((unsigned char)*c)) {
            *c = ' ';
        }
        ascii &= !((unsigned char)*c & 0x80);
    }
    if (ascii) {
        return apr_pstrcat(p, "Subject: ", clean, NULL);
    }
    return apr_pstrcat(p, "Subject: =?UTF-8?B?", sb_base64_encode(clean, strlen(clean), p),
                       "?=", NULL);
}

static CURLcode mail_headers(transfer_t *t, const sb_mail_t *mail)
{
    const char *id = mail->id ? mail->id : sb_random_hex(16, t->p), *at = strchr(mail->from, '@');
    char date[APR_RFC822_DATE_LEN];
    CURLcode rc = id && at ? CURLE_OK : CURLE_FAILED_INIT;
    const char *to = "";
    int i;

    apr_rfc822_date(date, apr_time_now());
    for (i = 0; rc == CURLE_OK && i < mail->to->nelts; i++) {
        const char *box = APR_ARRAY_IDX(mail->to, i, const char *);

        rc = add(&t->recipients, box);
        to = apr_pstrcat(t->p, to, i ? ",\r\n " : "", box, NULL);
    }
    rc = rc == CURLE_OK ? add(&t->headers, apr_pstrcat(t->p, "From: ", mail->from, NULL)) : rc;
    rc = rc == CURLE_OK ? add(&t->headers, apr_pstrcat(t->p, "To: ", to, NULL)) : rc;
    rc = rc == CURLE_OK ? add(&t->headers, subject_header(mail->subject, t->p)) : rc;
    rc = rc == CURLE_OK ? add(&t->headers, apr_pstrcat(t->p, "Date: ", date, NULL)) : rc;
    rc = rc == CURLE_OK ? add(&t->headers, apr_pstrcat(t->p, "Message-ID: <", id, at, ">", NULL))
                        : rc;
    return rc == CURLE_OK ? add(&t->headers, "Auto-Submitted: auto-generated") : rc;
}

static CURLcode mail_body(transfer_t *t, const sb_mail_t *mail)
{
    curl_mimepart *part;
    CURLcode rc;

    t->mime = curl_mime_init(t->curl);
    part = t->mime ? curl_mime_addpart(t->mime) : NULL;
    if (!part) {
        return CURLE_OUT_OF_MEMORY;
    }
    rc = curl_mime_data(part, mail->text, CURL_ZERO_TERMINATED);
    rc = rc == CURLE_OK ? curl_mime_type(part, "text/plain; charset=utf-8") : rc;
    rc = rc == CURLE_OK ? curl_mime_encoder(part, "quoted-printable") : rc;
    if (rc == CURLE_OK && mail->attachment) {
        part = curl_mime_addpart(t->mime);
        rc = part ? curl_mime_filedata(part, mail->attachment) : CURLE_OUT_OF_MEMORY;
        rc = rc == CURLE_OK ? curl_mime_filename(part, mail->file_name) : rc;
        rc = rc == CURLE_OK ? curl_mime_type(part, "application/zip") : rc;
        rc = rc == CURLE_OK ? curl_mime_encoder(part, "base64") : rc;
    }
    return rc;
}

apr_status_t sb_transfers_mail(sb_transfers_t *all, const sb_mail_server_t *server,
                               const sb_mail_t *mail, sb_transfer_fn *fn, void *ctx)
{
    transfer_t *t = make(all, fn, ctx);
    int is_v6 = strchr(server->host, ':') != NULL;
    CURLcode rc;

    if (!t) {
        return APR_ENOMEM;
    }
    t->ca_file = server->ca_file ? apr_pstrdup(t->p, server->ca_file) : NULL;
    rc = set_up(t, server->timeout);
    SET(CURLOPT_URL,
        apr_psprintf(t->p, "%s://%s%s%s:%d", server->tls == SB_MAIL_TLS ? "smtps" : "smtp",
                     is_v6 ? "[" : "", server->host, is_v6 ? "]" : "", server->port));
    SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    SET(CURLOPT_USE_SSL,
        server->tls == SB_MAIL_PLAIN ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
    if (server->user) {
        SET(CURLOPT_USERNAME, server->user);
        SET(CURLOPT_PASSWORD, server->password ? server->password : "");
    }
    SET(CURLOPT_MAIL_FROM, mail->envelope_from ? mail->envelope_from : mail->from);
    rc = rc == CURLE_OK ? mail_headers(t, mail) : rc;
    rc = rc == CURLE_OK ? mail_body(t, mail) : rc;
    SET(CURLOPT_MAIL_RCPT, t->recipients);
    SET(CURLOPT_HTTPHEADER, t->headers);
    SET(CURLOPT_MIMEPOST, t->mime);
    return begin(t, rc);
}

/* ---- going on ---------------------------------------------------------------------------------- */

static sb_transfer_verdict_t judge_status(const char **perror, long status, apr_pool_t *p)
{
    if (status >= 200 && status < 300) {
        *perror = NULL;
        return SB_TRANSFER_DONE;
    }
    *perror = apr_psprintf(p, "HTTP status %ld%s", status,
                           status >= 300 && status < 400 ? ": redirects are not followed" : "");
    return status == 408 || status == 425 || status == 429 || status >= 500 ? SB_TRANSFER_AGAIN
                                                                            : SB_TRANSFER_NEVER;
}

static sb_transfer_verdict_t judge(const char **perror, const transfer_t *t, CURLcode rc)
{
    long status = 0;

    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    /* an answer that is too long was an answer */
    if (!t->recipients && status &&
        (rc == CURLE_OK || (rc == CURLE_WRITE_ERROR && t->answer > ANSWER_MAX))) {
        return judge_status(perror, status, t->p);
    }
    if (rc == CURLE_OK) {
        *perror = NULL;
        return SB_TRANSFER_DONE;
    }
    *perror = curl_easy_strerror(rc);
    if (t->closed_address && !t->open_address) {
        *perror = "not called: its address is not public, and not in notification.allow_addresses";
        return SB_TRANSFER_NEVER;
    }
    if (t->recipients && status >= 400) {
        *perror = apr_psprintf(t->p, "SMTP reply %ld", status);
        /* that our login is refused says nothing of the mail: somebody mends it, and it is sent */
        return status >= 500 && rc != CURLE_LOGIN_DENIED ? SB_TRANSFER_NEVER : SB_TRANSFER_AGAIN;
    }
    return rc == CURLE_URL_MALFORMAT || rc == CURLE_UNSUPPORTED_PROTOCOL ? SB_TRANSFER_NEVER
                                                                         : SB_TRANSFER_AGAIN;
}

static void report_ended(sb_transfers_t *all)
{
    const CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(all->multi, &left)) != NULL) {
        transfer_t *t = NULL;
        const char *error;
        sb_transfer_verdict_t verdict;

        if (m->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        verdict = judge(&error, t, m->data.result);
        t->fn(t->ctx, verdict, error);
        release(t);
    }
}

apr_status_t sb_transfers_run(sb_transfers_t *all, apr_interval_time_t wait, int stop_fd)
{
    struct curl_waitfd stop = {.fd = stop_fd, .events = CURL_WAIT_POLLIN};
    int running;

    if (curl_multi_perform(all->multi, &running) != CURLM_OK) {
        return APR_EGENERAL;
    }
    report_ended(all);
    if (all->n && curl_multi_poll(all->multi, &stop, stop_fd >= 0, (int)apr_time_as_msec(wait),
                                  NULL) != CURLM_OK) {
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

int sb_transfers_count(const sb_transfers_t *all)
{
    return all->n;
}
