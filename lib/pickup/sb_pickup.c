/* Client of the pickup zone: see sb_pickup.h. */

#include "pickup/sb_pickup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <apr_strings.h>
#include <curl/curl.h>
#include <openssl/ssl.h>
#include "core/sb_json.h"
#include "core/sb_log.h"
#include "core/sb_status.h"
#include "core/sb_time.h"
#include "core/sb_uuid.h"

#define ANSWER_MAX (16 * 1024) /* bytes of an answer */
#define CONNECT_MSECS 10000L
#define SEND_BUFFER (256 * 1024L)
#define FINISH_SECS 600 /* how long it may take to put on disk what was sent */

struct sb_pickup_client_t {
    const char *registration_url, *upload_base;
    const char *ca_file, *cert, *key;
    int verify;
    long register_msecs, stall_secs;
};

/* One exchange. */
typedef struct {
    const sb_pickup_client_t *client;
    apr_pool_t *p;
    CURL *curl;
    struct curl_slist *headers;
    curl_mime *mime;
    char answer[ANSWER_MAX + 1];
    apr_size_t len;

    /* delivery */
    int fd;
    apr_status_t read_rv;
    apr_int64_t sent;
    sb_digest_t *digest;
    double moved;      /* when the number of bytes sent last grew, on the monotonic clock */
    curl_off_t so_far; /* that number */
    apr_int64_t size;
    int (*stopping)(void *ctx);
    void *stop_ctx;
    int is_stopped;
    const char *gave_up; /* why */
} exchange_t;

#define SET(option, value) (rc = rc == CURLE_OK ? curl_easy_setopt(x->curl, option, value) : rc)

/* ---- configuration ------------------------------------------------------------------------------ */

const char *sb_pickup_client_make(const sb_pickup_client_t **pclient, const sb_conf_t *conf,
                                  apr_pool_t *p)
{
    sb_pickup_client_t *c = apr_pcalloc(p, sizeof(*c));

    *pclient = NULL;
    c->registration_url = sb_conf_str(conf, "hpz.file_registration_url");
    c->upload_base = sb_conf_str(conf, "hpz.file_upload_base_url");
    if (!c->registration_url || !c->upload_base) {
        return "hpz.file_registration_url and hpz.file_upload_base_url are not set: want the "
               "addresses "
               "of the internal face of the pickup zone";
    }
    c->ca_file = sb_conf_str(conf, "hpz.ca_file");
    c->cert = sb_conf_str(conf, "hpz.client_cert");
    c->key = sb_conf_str(conf, "hpz.client_key");
    if (!c->cert != !c->key) {
        return "hpz.client_cert and hpz.client_key: want both or none";
    }
    c->verify = !sb_conf_bool(conf, "hpz.ignore_certificate");
    if (!c->verify) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(3230), SB_NO_STATUS,
               "hpz.ignore_certificate: the pickup zone's certificate is not verified");
    }
    c->register_msecs = (long)apr_time_as_msec(sb_conf_interval(conf, "hpz.register_timeout"));
    c->stall_secs = (long)apr_time_sec(sb_conf_interval(conf, "hpz.stall_timeout"));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return "libcurl cannot be started";
    }
    *pclient = c;
    return NULL;
}

/* ---- an exchange -------------------------------------------------------------------------------- */

static size_t take_answer(char *data, size_t size, size_t n, void *ctx)
{
    exchange_t *x = ctx;

    if (size * n > ANSWER_MAX - x->len) {
        return 0;
    }
    memcpy(x->answer + x->len, data, size * n);
    x->len += size * n;
    return size * n;
}

/* One more authority, beside those of the system. */
static CURLcode trust(CURL *curl, void *ssl_ctx, void *ctx)
{
    const exchange_t *x = ctx;

    (void)curl;
    return SSL_CTX_load_verify_file(ssl_ctx, x->client->ca_file) == 1 ? CURLE_OK
                                                                      : CURLE_SSL_CACERT_BADFILE;
}

static apr_status_t end_exchange(void *data)
{
    exchange_t *x = data;

    curl_easy_cleanup(x->curl);
    curl_mime_free(x->mime);
    curl_slist_free_all(x->headers);
    if (x->fd >= 0) {
        close(x->fd);
    }
    return APR_SUCCESS;
}

static CURLcode add_header(exchange_t *x, const char *line)
{
    struct curl_slist *longer = curl_slist_append(x->headers, line);

    if (!longer) {
        return CURLE_OUT_OF_MEMORY;
    }
    x->headers = longer;
    return CURLE_OK;
}

static exchange_t *begin_exchange(CURLcode *prc, const sb_pickup_client_t *client, const char *url,
                                  apr_pool_t *p)
{
    exchange_t *x = apr_pcalloc(p, sizeof(*x));
    CURLcode rc = CURLE_OK;

    x->client = client;
    x->p = p;
    x->fd = -1;
    x->curl = curl_easy_init();
    apr_pool_cleanup_register(p, x, end_exchange, apr_pool_cleanup_null);
    if (!x->curl) {
        *prc = CURLE_OUT_OF_MEMORY;
        return x;
    }
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "https,http");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_USERAGENT, "smarter-pickup");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MSECS);
    SET(CURLOPT_SSL_VERIFYPEER, client->verify ? 1L : 0L);
    SET(CURLOPT_SSL_VERIFYHOST, client->verify ? 2L : 0L);
    SET(CURLOPT_WRITEFUNCTION, take_answer);
    SET(CURLOPT_WRITEDATA, x);
    if (client->verify && client->ca_file) {
        SET(CURLOPT_SSL_CTX_FUNCTION, trust);
        SET(CURLOPT_SSL_CTX_DATA, x);
    }
    if (client->cert) {
        SET(CURLOPT_SSLCERT, client->cert);
        SET(CURLOPT_SSLKEY, client->key);
    }
    *prc = rc;
    return x;
}

static apr_status_t meaning_of(long status)
{
    switch (status) {
    case 404:
        return APR_NOTFOUND;
    case 409:
        return SB_ECONFLICT;
    case 413:
        return SB_ETOOBIG;
    case 401: /* this host is not let in: an operator mends that, and nothing is lost by waiting */
    case 403:
    case 407:
    case 408:
    case 425:
    case 429:
        return SB_EUNAVAILABLE;
    default:
        return status >= 500 ? SB_EUNAVAILABLE : SB_EINPUT;
    }
}

/* The server's own words, where it sent a problem document. */
static const char *detail_of(exchange_t *x)
{
    sb_json_t *problem;

    if (sb_json_parse(&problem, NULL, x->answer, x->len, NULL, x->p) != APR_SUCCESS) {
        return "";
    }
    return sb_json_str(sb_json_get(problem, "detail"), "");
}

/* @param panswer the JSON object of a 200 */
static apr_status_t exchange(const sb_json_t **panswer, const char **perror, exchange_t *x,
                             CURLcode rc)
{
    sb_json_t *answer = NULL;
    long status = 0;

    *panswer = NULL;
    *perror = NULL;
    if (rc == CURLE_OK) {
        rc = curl_easy_perform(x->curl);
        curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    }
    x->answer[x->len] = '\0';
    if (x->read_rv != APR_SUCCESS) {
        *perror = "the file cannot be read";
        return x->read_rv;
    }
    /* a refusal may come while we are still sending, which libcurl may call an error */
    if (status >= 300) {
        *perror = apr_psprintf(x->p, "HTTP status %ld %s", status, detail_of(x));
        return meaning_of(status);
    }
    if (rc != CURLE_OK) {
        *perror = x->gave_up ? x->gave_up : curl_easy_strerror(rc);
        if (x->is_stopped) {
            return APR_EINTR;
        }
        return rc == CURLE_OUT_OF_MEMORY ? APR_ENOMEM : SB_EUNAVAILABLE;
    }
    if (status != 200 ||
        sb_json_parse(&answer, NULL, x->answer, x->len, NULL, x->p) != APR_SUCCESS) {
        *perror = "the answer is not one of a pickup zone";
        return SB_EUNAVAILABLE;
    }
    *panswer = answer;
    return APR_SUCCESS;
}

/* ---- announcing --------------------------------------------------------------------------------- */

static const char *announcement(const sb_pickup_owner_t *owner, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "uid", owner->uid);
    sb_jw_str(w, "email", owner->email);
    sb_jw_str(w, "role", owner->role);
    sb_jw_str(w, "tenant", owner->tenant);
    sb_jw_str(w, "state_code", owner->state_code);
    if (owner->places && owner->places->nelts) {
        sb_jw_array(w, "places");
        for (int i = 0; i < owner->places->nelts; i++) {
            const sb_pickup_place_t *place = &APR_ARRAY_IDX(owner->places, i, sb_pickup_place_t);

            sb_jw_object(w, NULL);
            sb_jw_str(w, "district_id", place->district_id);
            sb_jw_str(w, "school_id", place->school_id);
            sb_jw_end(w);
        }
        sb_jw_end(w);
    }
    if (owner->request) {
        sb_jw_str(w, "request_id", owner->request);
        sb_jw_int(w, "part", owner->part);
    }
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

/* @param method of the request with that body; a connection that is there is used again */
static CURLcode prepare_json(exchange_t *x, CURLcode rc, const char *method, const char *body,
                             long msecs)
{
    x->len = 0;
    SET(CURLOPT_TIMEOUT_MS, msecs);
    SET(CURLOPT_CUSTOMREQUEST, method);
    SET(CURLOPT_COPYPOSTFIELDS, body);
    if (!x->headers) {
        rc = rc == CURLE_OK ? add_header(x, "Content-Type: application/json") : rc;
        rc = rc == CURLE_OK ? add_header(x, "Expect:") : rc;
        SET(CURLOPT_HTTPHEADER, x->headers);
    }
    return rc;
}

/* Announce one more file. @param p of what is returned */
static apr_status_t announce(sb_pickup_t *pickup, const char **perror, exchange_t *x, CURLcode rc,
                             const sb_pickup_owner_t *owner, double until, apr_pool_t *p)
{
    long msecs = x->client->register_msecs;
    double left = 1000 * (until - sb_time_monotonic());
    const sb_json_t *answer;
    apr_status_t rv;

    if (until && left < 1) {
        *perror = "announcing all files took too long";
        return SB_EUNAVAILABLE;
    }
    if (until && left < (double)msecs) {
        msecs = (long)left;
    }
    rc = prepare_json(x, rc, "PUT", announcement(owner, x->p), msecs);
    rv = exchange(&answer, perror, x, rc);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    pickup->id = apr_pstrdup(p, sb_json_str(sb_json_get(answer, "registration_id"), NULL));
    pickup->url = apr_pstrdup(p, sb_json_str(sb_json_get(answer, "url"), NULL));
    pickup->web_url = apr_pstrdup(p, sb_json_str(sb_json_get(answer, "web_url"), NULL));
    if (!sb_uuid_is_valid(pickup->id) || !pickup->url || !pickup->web_url) {
        *perror = "the answer is not one of a pickup zone";
        return SB_EUNAVAILABLE;
    }
    return APR_SUCCESS;
}

apr_status_t sb_pickup_register(sb_pickup_t *pickups, int n, const char **perror,
                                const sb_pickup_client_t *client, const sb_pickup_owner_t *owner,
                                double until, apr_pool_t *p)
{
    sb_pickup_owner_t part = *owner;
    apr_status_t rv = APR_SUCCESS;
    CURLcode rc;
    exchange_t *x;
    apr_pool_t *own;

    *perror = NULL;
    memset(pickups, 0, (size_t)n * sizeof(*pickups));
    apr_pool_create(&own, p);
    x = begin_exchange(&rc, client, client->registration_url, own);
    for (part.part = 1; part.part <= n && rv == APR_SUCCESS; part.part++) {
        rv = announce(&pickups[part.part - 1], perror, x, rc, &part, until, p);
    }
    *perror = apr_pstrdup(p, *perror);
    apr_pool_destroy(own);
    return rv;
}

apr_status_t sb_pickup_finish(const char **perror, const sb_pickup_client_t *client,
                              const char *request, sb_pickup_outcome_t outcome,
                              apr_interval_time_t limit, apr_pool_t *p)
{
    static const char *const outcomes[] = {
        [SB_PICKUP_READY] = "ready", [SB_PICKUP_FAILED] = "failed", [SB_PICKUP_VOID] = "void"};
    long msecs = limit ? (long)apr_time_as_msec(limit) : client->register_msecs;
    const sb_json_t *answer;
    apr_status_t rv;
    CURLcode rc;
    exchange_t *x;
    apr_pool_t *own;

    apr_pool_create(&own, p);
    x = begin_exchange(&rc, client, client->registration_url, own);
    rc = prepare_json(
        x, rc, "POST",
        apr_psprintf(own, "{\"request_id\":\"%s\",\"outcome\":\"%s\"}", request, outcomes[outcome]),
        msecs);
    rv = exchange(&answer, perror, x, rc);
    *perror = apr_pstrdup(p, *perror);
    apr_pool_destroy(own);
    return rv;
}

/* ---- delivering --------------------------------------------------------------------------------- */

static size_t read_file(char *buffer, size_t size, size_t n, void *ctx)
{
    exchange_t *x = ctx;
    ssize_t got;

    do {
        got = read(x->fd, buffer, size * n);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        x->read_rv = errno;
        return CURL_READFUNC_ABORT;
    }
    if (sb_digest_update(x->digest, buffer, (apr_size_t)got) != APR_SUCCESS) {
        x->read_rv = APR_EGENERAL;
        return CURL_READFUNC_ABORT;
    }
    x->sent += got;
    return (size_t)got;
}

/* libcurl begins anew when a connection it kept was closed under it. */
static int seek_file(void *ctx, curl_off_t offset, int origin)
{
    exchange_t *x = ctx;

    if (offset != 0 || origin != SEEK_SET || lseek(x->fd, 0, SEEK_SET) != 0 ||
        sb_digest_make(&x->digest, "SHA256", x->p) != APR_SUCCESS) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    x->sent = 0;
    return CURL_SEEKFUNC_OK;
}

/* Does it still move? libcurl's own limit of speed would count the time in which the other side puts on
 * disk what it has got. */
static int watch(void *ctx, curl_off_t dl, curl_off_t dlnow, curl_off_t ul, curl_off_t ulnow)
{
    exchange_t *x = ctx;
    double now = sb_time_monotonic();
    long limit = ulnow >= x->size ? FINISH_SECS : x->client->stall_secs;

    (void)dl, (void)dlnow, (void)ul;
    if (ulnow != x->so_far) {
        x->so_far = ulnow;
        x->moved = now;
    }
    if (x->stopping && x->stopping(x->stop_ctx)) {
        x->is_stopped = 1;
        x->gave_up = "asked to stop";
    }
    else if (now - x->moved > (double)limit) {
        x->gave_up = "the delivery stood still";
    }
    return x->gave_up != NULL;
}

static CURLcode add_part(exchange_t *x)
{
    curl_mimepart *part;
    CURLcode rc;

    x->mime = curl_mime_init(x->curl);
    part = x->mime ? curl_mime_addpart(x->mime) : NULL;
    if (!part) {
        return CURLE_OUT_OF_MEMORY;
    }
    rc = curl_mime_name(part, "file");
    rc = rc == CURLE_OK ? curl_mime_filename(part, "file") : rc; /* the path is nobody's business */
    rc = rc == CURLE_OK ? curl_mime_type(part, "application/octet-stream") : rc;
    return rc == CURLE_OK
               ? curl_mime_data_cb(part, (curl_off_t)x->size, read_file, seek_file, NULL, x)
               : rc;
}

static apr_status_t open_file(exchange_t *x, const char *path)
{
    struct stat st;

    x->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (x->fd < 0 || fstat(x->fd, &st) != 0) {
        return errno;
    }
    if (!S_ISREG(st.st_mode)) {
        return APR_EINVAL;
    }
    x->size = st.st_size;
    posix_fadvise(x->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return sb_digest_make(&x->digest, "SHA256", x->p);
}

static apr_status_t check_receipt(sb_pickup_receipt_t *receipt, const char **perror, exchange_t *x,
                                  const sb_json_t *answer)
{
    const char *theirs = sb_json_str(sb_json_get(answer, "sha256"), "");
    const char *ours = sb_digest_hex(x->digest);
    apr_int64_t size;

    if (!ours || sb_json_int(&size, sb_json_get(answer, "size")) != APR_SUCCESS ||
        size != x->sent || strcmp(ours, theirs)) {
        *perror = "the pickup zone has another content than was sent";
        return SB_EUNAVAILABLE;
    }
    receipt->size = size;
    apr_cpystrn(receipt->sha256, theirs, sizeof(receipt->sha256));
    return APR_SUCCESS;
}

/* What it has instead, by its refusal. */
static void read_conflict(sb_pickup_receipt_t *receipt, exchange_t *x)
{
    const char *sha256;
    sb_json_t *problem;

    if (sb_json_parse(&problem, NULL, x->answer, x->len, NULL, x->p) != APR_SUCCESS) {
        return;
    }
    sha256 = sb_json_str(sb_json_get(problem, "sha256"), "");
    if (strlen(sha256) != sizeof(receipt->sha256) - 1 ||
        sb_json_int(&receipt->size, sb_json_get(problem, "size")) != APR_SUCCESS ||
        receipt->size < 0) {
        receipt->size = -1;
        return;
    }
    apr_cpystrn(receipt->sha256, sha256, sizeof(receipt->sha256));
}

static const char *file_name_header(const char *path, const char *name, apr_pool_t *p)
{
    const char *slash = strrchr(path, '/');
    char *header = apr_pstrcat(p, "File-Name: ", name ? name : slash ? slash + 1 : path, NULL);

    for (char *c = header; *c; c++) { /* a line break would be a header more */
        if ((unsigned char)*c < ' ' || *c == 127) {
            *c = '_';
        }
    }
    return header;
}

apr_status_t sb_pickup_upload(sb_pickup_receipt_t *receipt, const char **perror,
                              const sb_pickup_client_t *client, const char *path, const char *id,
                              const char *name, int (*stopping)(void *ctx), void *ctx,
                              apr_pool_t *p)
{
    const sb_json_t *answer;
    apr_status_t rv;
    CURLcode rc;
    exchange_t *x;
    apr_pool_t *own;

    *receipt = (sb_pickup_receipt_t){.size = -1};
    *perror = NULL;
    apr_pool_create(&own, p);
    x = begin_exchange(&rc, client, apr_pstrcat(own, client->upload_base, "/", id, NULL), own);
    x->stopping = stopping;
    x->stop_ctx = ctx;
    x->moved = sb_time_monotonic();
    rv = open_file(x, path);
    if (rv != APR_SUCCESS) {
        *perror = "the file cannot be read";
        apr_pool_destroy(own);
        return rv;
    }
    rc = rc == CURLE_OK ? add_part(x) : rc;
    rc = rc == CURLE_OK ? add_header(x, file_name_header(path, name, own)) : rc;
    SET(CURLOPT_HTTPHEADER, x->headers);
    SET(CURLOPT_MIMEPOST, x->mime);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, watch);
    SET(CURLOPT_XFERINFODATA, x);
    rv = exchange(&answer, perror, x, rc);
    if (rv == APR_SUCCESS) {
        rv = check_receipt(receipt, perror, x, answer);
    }
    else if (rv == SB_ECONFLICT) {
        read_conflict(receipt, x);
    }
    *perror = apr_pstrdup(p, *perror);
    apr_pool_destroy(own);
    return rv;
}

/* ---- taking back -------------------------------------------------------------------------------- */

apr_status_t sb_pickup_remove(const char **perror, const sb_pickup_client_t *client, const char *id,
                              apr_interval_time_t limit, apr_pool_t *p)
{
    long msecs = limit ? (long)apr_time_as_msec(limit) : client->register_msecs;
    const sb_json_t *answer;
    apr_status_t rv;
    CURLcode rc;
    exchange_t *x;
    apr_pool_t *own;

    apr_pool_create(&own, p);
    x = begin_exchange(&rc, client, apr_pstrcat(own, client->upload_base, "/", id, NULL), own);
    SET(CURLOPT_TIMEOUT_MS, msecs);
    SET(CURLOPT_CUSTOMREQUEST, "DELETE");
    rv = exchange(&answer, perror, x, rc);
    if (rv == APR_NOTFOUND) {
        rv = APR_SUCCESS;
        *perror = NULL;
    }
    *perror = apr_pstrdup(p, *perror);
    apr_pool_destroy(own);
    return rv;
}
