/* A question to the verifier of bearer tokens, by libcurl. */

#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include <curl/curl.h>
#include "auth/sb_verifier.h"

#define ANSWER_MAX (256 * 1024)
#define HEADERS_MAX (64 * 1024)
#define CONNECT_MAX_MSECS 3000L /* of the whole time */

struct sb_verifier_t {
    const sb_bearer_config_t *config;
    CURL *curl;
    struct curl_slist *headers;
    char *answer; /* room for ANSWER_MAX, touched as far as answers reach */
    apr_size_t len, header;
};

static apr_status_t release(void *data)
{
    sb_verifier_t *v = data;

    curl_easy_cleanup(v->curl);
    curl_slist_free_all(v->headers);
    free(v->answer);
    return APR_SUCCESS;
}

static size_t take_answer(char *data, size_t size, size_t n, void *ctx)
{
    sb_verifier_t *v = ctx;

    if (size * n > ANSWER_MAX - v->len) {
        return 0;
    }
    memcpy(v->answer + v->len, data, size * n);
    v->len += size * n;
    return size * n;
}

static size_t take_header(char *data, size_t size, size_t n, void *ctx)
{
    sb_verifier_t *v = ctx;

    (void)data;
    v->header += size * n;
    return v->header > HEADERS_MAX ? 0 : size * n;
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

#define SET(option, value) (rc = rc == CURLE_OK ? curl_easy_setopt(v->curl, option, value) : rc)

static CURLcode set_headers(sb_verifier_t *v)
{
    CURLcode rc = add(&v->headers, "Accept: application/json");

    rc = rc == CURLE_OK ? add(&v->headers, "Expect:") : rc;
    if (v->config->authorization) {
        rc = rc == CURLE_OK ? add(&v->headers, v->config->authorization) : rc;
    }
    if (v->config->kind == SB_VERIFIER_TOKENINFO) {
        rc = rc == CURLE_OK ? add(&v->headers, "Content-Type: application/x-www-form-urlencoded")
                            : rc;
    }
    SET(CURLOPT_HTTPHEADER, v->headers);
    return rc;
}

/* All that is the same for every question. */
static CURLcode set_up(sb_verifier_t *v)
{
    const sb_bearer_config_t *c = v->config;
    long msecs = (long)apr_time_as_msec(c->timeout);
    CURLcode rc = set_headers(v);

    SET(CURLOPT_NOSIGNAL, 1L); /* other threads would get it */
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_USERAGENT, "smarter-reporting");
    SET(CURLOPT_TIMEOUT_MS, msecs);
    SET(CURLOPT_CONNECTTIMEOUT_MS, msecs < CONNECT_MAX_MSECS ? msecs : CONNECT_MAX_MSECS);
    SET(CURLOPT_WRITEFUNCTION, take_answer);
    SET(CURLOPT_WRITEDATA, v);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, v);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_URL, c->url);
    if (c->authority) { /* instead of the system's authorities: one of them is enough to lie to us */
        struct curl_blob blob = {.data = (void *)(apr_uintptr_t)c->authority,
                                 .len = strlen(c->authority),
                                 .flags = CURL_BLOB_NOCOPY};

        SET(CURLOPT_CAINFO_BLOB, &blob);
        SET(CURLOPT_CAPATH, NULL);
    }
    return rc;
}

apr_status_t sb_verifier_make(sb_verifier_t **pv, const sb_bearer_config_t *config, apr_pool_t *p)
{
    sb_verifier_t *v = apr_pcalloc(p, sizeof(*v));

    *pv = v;
    v->config = config;
    v->answer = malloc(ANSWER_MAX);
    v->curl = v->answer ? curl_easy_init() : NULL;
    if (!v->curl) {
        free(v->answer);
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(p, v, release, apr_pool_cleanup_null);
    return set_up(v) == CURLE_OK ? APR_SUCCESS : APR_EGENERAL;
}

/* Letters of a token that mean something in a form: + / = */
static const char *in_form(const char *token, apr_pool_t *p)
{
    char *out = apr_palloc(p, 3 * strlen(token) + 1), *o = out;

    for (; *token; token++) {
        if (strchr("+/=", *token)) {
            memcpy(o, *token == '+' ? "%2B" : *token == '/' ? "%2F" : "%3D", 3);
            o += 3;
        }
        else {
            *o++ = *token;
        }
    }
    *o = '\0';
    return out;
}

static CURLcode set_question(sb_verifier_t *v, const char *token, apr_pool_t *p)
{
    const sb_bearer_config_t *c = v->config;
    CURLcode rc = CURLE_OK;

    token = in_form(token, p);
    if (c->kind == SB_VERIFIER_INTROSPECTION) {
        SET(CURLOPT_COPYPOSTFIELDS,
            apr_pstrcat(p, "token=", token, "&token_type_hint=access_token", NULL));
    }
    else {
        SET(CURLOPT_URL,
            apr_pstrcat(p, c->url, strchr(c->url, '?') ? "&" : "?", "access_token=", token, NULL));
    }
    return rc;
}

apr_status_t sb_verifier_ask(int *pstatus, const char **pbody, apr_size_t *plen, const char **pwhy,
                             sb_verifier_t *v, const char *token, apr_pool_t *p)
{
    CURLcode rc = set_question(v, token, p);
    long status = 0;

    *pstatus = 0;
    *pbody = NULL;
    *plen = 0;
    *pwhy = NULL;
    v->len = v->header = 0;
    if (rc == CURLE_OK) {
        rc = curl_easy_perform(v->curl);
    }
    if (rc == CURLE_OK) {
        rc = curl_easy_getinfo(v->curl, CURLINFO_RESPONSE_CODE, &status);
    }
    if (rc != CURLE_OK) {
        *pwhy = rc == CURLE_WRITE_ERROR ? "the answer is too large" : curl_easy_strerror(rc);
        return SB_EUNAVAILABLE;
    }
    *pstatus = (int)status;
    *pbody = v->answer;
    *plen = v->len;
    return APR_SUCCESS;
}
