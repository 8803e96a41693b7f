/**
 * Requests and answers of httpd modules.
 */

#include "web/sb_web.h"

#include <string.h>
#include <apr_buckets.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>
#include "core/sb_crypto.h"
#include "core/sb_log.h"
#include "core/sb_uuid.h"

#define RETRY_SECS "5"
#define NOTE_ID "sb-request-id"

/* ---- request id ------------------------------------------------------------------------------ */

/* A UUID, or 32 hexadecimal digits as balancers make them. The id is in every stream: who writes it writes there, and
 * in these shapes nobody can say anything. */
static int id_is_valid(const char *id)
{
    static const char uuid[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    const char *shape = strchr(id, '-') ? uuid : "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

    for (; *shape && *id; shape++, id++) {
        if (*shape == '-' ? *id != '-' : !apr_isxdigit(*id)) {
            return 0;
        }
    }
    return !*shape && !*id;
}

const char *sb_web_request_id(request_rec *r)
{
    const char *id = apr_table_get(r->notes, NOTE_ID);
    char *fresh;

    if (id) {
        return id;
    }
    id = apr_table_get(r->headers_in, SB_WEB_ID_HEADER);
    if (!id || !id_is_valid(id)) {
        fresh = apr_palloc(r->pool, SB_UUID_SIZE);
        id = sb_uuid_make(fresh) ? fresh : "no-randomness";
    }
    id = apr_pstrdup(r->pool, id);
    apr_table_setn(r->notes, NOTE_ID, id);
    apr_table_setn(r->err_headers_out, SB_WEB_ID_HEADER, id);
    sb_log_set_id(id);
    return id;
}

/* ---- address and type ----------------------------------------------------------------------- */

apr_size_t sb_web_url_length(request_rec *r)
{
    const char *host = apr_table_get(r->headers_in, "Host");

    return strlen(ap_http_scheme(r)) + strlen("://") + (host ? strlen(host) : 0) +
           strlen(r->unparsed_uri);
}

int sb_web_is_type(const char *have, const char *type)
{
    apr_size_t len;

    have += strspn(have, " \t");
    len = strcspn(have, "; \t");
    return len == strlen(type) && !ap_cstr_casecmpn(have, type, len);
}

int sb_web_has_type(request_rec *r, const char *type)
{
    const char *have = apr_table_get(r->headers_in, "Content-Type");

    return have && sb_web_is_type(have, type);
}

int sb_web_same_origin(request_rec *r, const char *origin)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *from = apr_table_get(r->headers_in, "Origin");

    if (from && strcmp(from, origin)) {
        return 0;
    }
    if (site && strcmp(site, "none")) {
        return !strcmp(site, "same-origin");
    }
    return from ? 1 : -1;
}

/* ---- body ------------------------------------------------------------------------------------ */

static apr_status_t body_failed(apr_status_t rv)
{
    if (rv == APR_ENOSPC) { /* httpd's own LimitRequestBody */
        return SB_ETOOBIG;
    }
    return APR_STATUS_IS_TIMEUP(rv) ? APR_TIMEUP : SB_EINPUT;
}

typedef struct {
    char *data;
    apr_size_t len, cap;
} body_t;

/* Append what is in a brigade. At once, into one buffer: a body sent in chunks of one byte must not
 * cost a bucket for each. */
static apr_status_t add_to_body(body_t *body, apr_bucket_brigade *some, apr_size_t max,
                                apr_pool_t *p)
{
    apr_off_t more;
    apr_size_t len;
    apr_status_t rv = apr_brigade_length(some, 1, &more);
    char *larger;

    if (rv != APR_SUCCESS || more == 0) {
        return rv;
    }
    if (more > (apr_off_t)(max - body->len)) {
        return SB_ETOOBIG;
    }
    len = (apr_size_t)more;
    if (body->len + len >= body->cap) {
        body->cap = 2 * (body->len + len) + 1;
        larger = apr_palloc(p, body->cap);
        memcpy(larger, body->data, body->len);
        body->data = larger;
    }
    rv = apr_brigade_flatten(some, body->data + body->len, &len);
    body->len += len;
    return rv;
}

apr_status_t sb_web_body(char **pdata, apr_size_t *plen, request_rec *r, apr_size_t max)
{
    apr_bucket_brigade *some = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t announced = 0;
    apr_status_t rv = APR_SUCCESS;
    body_t body = {0};
    int ended = 0;

    *pdata = NULL;
    *plen = 0;
    if (length && (apr_strtoff(&announced, length, NULL, 10) != APR_SUCCESS || announced < 0)) {
        return SB_EINPUT;
    }
    if (announced > (apr_off_t)max) {
        return SB_ETOOBIG;
    }
    body.cap = (apr_size_t)announced + 1;
    body.data = apr_palloc(r->pool, body.cap);
    while (!ended && rv == APR_SUCCESS) {
        rv = ap_get_brigade(r->input_filters, some, AP_MODE_READBYTES, APR_BLOCK_READ,
                            HUGE_STRING_LEN);
        if (rv != APR_SUCCESS) {
            rv = body_failed(rv);
            break;
        }
        ended = !APR_BRIGADE_EMPTY(some) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(some));
        rv = add_to_body(&body, some, max, r->pool);
        apr_brigade_cleanup(some);
    }
    apr_brigade_destroy(some);
    if (rv == APR_SUCCESS) {
        body.data[body.len] = '\0';
        *pdata = body.data;
        *plen = body.len;
    }
    return rv;
}

/* ---- answers --------------------------------------------------------------------------------- */

int sb_web_send(request_rec *r, int status, const char *type, const char *text, apr_size_t len)
{
    r->status = status;
    ap_set_content_type(r, type);
    ap_set_content_length(r, (apr_off_t)len);
    ap_rwrite(text, (int)len, r); /* a client that is gone is the client's business */
    return OK;
}

int sb_web_json(request_rec *r, const char *json, apr_size_t len)
{
    if (!apr_table_get(r->headers_out, "Cache-Control")) {
        apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    }
    return sb_web_send(r, HTTP_OK, "application/json; charset=UTF-8", json, len);
}

static int client_has(request_rec *r, const char *etag)
{
    const char *have = apr_table_get(r->headers_in, "If-None-Match");

    return have && r->method_number == M_GET &&
           (!strcmp(have, "*") || ap_find_etag_weak(r->pool, have, etag));
}

/* @return DONE: the client has it, and there is nothing to send */
static int tagged(request_rec *r, const char *data, apr_size_t len)
{
    char hash[SB_SHA256_HEX_SIZE];
    const char *etag = apr_psprintf(r->pool, "\"%.32s\"", sb_sha256_hex(hash, data, len));

    if (!apr_table_get(r->headers_out, "Cache-Control")) {
        apr_table_setn(r->headers_out, "Cache-Control", "private, no-cache");
    }
    apr_table_setn(r->headers_out, "ETag", etag);
    apr_table_setn(r->headers_out, "Vary", "Cookie");
    if (client_has(r, etag)) {
        r->status = HTTP_NOT_MODIFIED;
        return DONE;
    }
    return OK;
}

int sb_web_json_etag(request_rec *r, const char *json, apr_size_t len)
{
    return tagged(r, json, len) == DONE ? OK : sb_web_json(r, json, len);
}

int sb_web_json_parts(request_rec *r, const sb_web_part_t *parts, int n, const char *tag)
{
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;
    apr_bucket_brigade *body;
    apr_size_t len = 0;

    if (tagged(r, tag, strlen(tag)) == DONE) {
        return OK;
    }
    body = apr_brigade_create(r->pool, list);
    for (int i = 0; i < n; i++) {
        APR_BRIGADE_INSERT_TAIL(body,
                                apr_bucket_pool_create(parts[i].text, parts[i].len, r->pool, list));
        len += parts[i].len;
    }
    APR_BRIGADE_INSERT_TAIL(body, apr_bucket_eos_create(list));
    ap_set_content_type(r, "application/json; charset=UTF-8");
    ap_set_content_length(r, (apr_off_t)len);
    ap_pass_brigade(r->output_filters, body); /* a client that is gone is its own business */
    return OK;
}

/* "404 Not Found" -> "Not Found" */
static const char *title_of(int status)
{
    return ap_get_status_line(status) + sizeof("404 ") - 1;
}

int sb_web_problem_with(request_rec *r, int status, const char *detail,
                        void (*more)(sb_jw_t *w, const void *ctx), const void *ctx)
{
    sb_jw_t *w = sb_jw_make(r->pool);
    const char *json;
    apr_size_t len;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "type", "about:blank");
    sb_jw_str(w, "title", title_of(status));
    sb_jw_int(w, "status", status);
    sb_jw_str(w, "detail", detail ? detail : title_of(status));
    sb_jw_str(w, "error", detail ? detail : title_of(status));
    if (more) {
        more(w, ctx);
    }
    sb_jw_str(w, "request_id", sb_web_request_id(r));
    sb_jw_end(w);
    json = sb_jw_text(w, &len);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    return sb_web_send(r, status, "application/problem+json; charset=UTF-8", json, len);
}

int sb_web_problem(request_rec *r, int status, const char *detail)
{
    return sb_web_problem_with(r, status, detail, NULL, NULL);
}

int sb_web_not_allowed(request_rec *r, const char *methods)
{
    apr_table_set(r->headers_out, "Allow", methods);
    return sb_web_problem(r, HTTP_METHOD_NOT_ALLOWED,
                          apr_pstrcat(r->pool, "want one of ", methods, NULL));
}

int sb_web_fail(request_rec *r, apr_status_t rv, int number, const char *doing)
{
    switch (rv) {
    case SB_EINPUT:
        return sb_web_problem(r, HTTP_BAD_REQUEST, NULL);
    case SB_EDENIED:
        return sb_web_problem(r, HTTP_FORBIDDEN, NULL);
    case APR_NOTFOUND:
        return sb_web_problem(r, HTTP_NOT_FOUND, NULL);
    case SB_ETOOBIG:
        return sb_web_problem(r, HTTP_REQUEST_ENTITY_TOO_LARGE, NULL);
    case APR_TIMEUP:
        return sb_web_problem(r, HTTP_REQUEST_TIME_OUT, NULL);
    case SB_EUNAVAILABLE:
        sb_log(SB_LOG_ERROR, number, rv, "%s", doing);
        apr_table_setn(r->headers_out, "Retry-After", RETRY_SECS);
        return sb_web_problem(r, HTTP_SERVICE_UNAVAILABLE, "Please try again in a moment");
    default:
        sb_log(SB_LOG_ERROR, number, rv, "%s", doing);
        return sb_web_problem(r, HTTP_INTERNAL_SERVER_ERROR, NULL);
    }
}

/* ---- pages ----------------------------------------------------------------------------------- */

static const struct {
    int status;
    const char *heading;
    const char *text;
} pages[] = {
    {HTTP_BAD_REQUEST, "This request could not be read",
     "Something in the address or in what was sent is damaged. Please start again."},
    {HTTP_UNAUTHORIZED, "Please sign in", "This page is for people who have signed in."},
    {HTTP_FORBIDDEN, "No access",
     "Your account does not have access to this page. If it should have, ask the person who manages"
     " accounts at your school or district."},
    {HTTP_NOT_FOUND, "There is no such page",
     "The address may be mistyped, or the page has moved."},
    {HTTP_SERVICE_UNAVAILABLE, "Not available for the moment",
     "A part of the system does not answer. Please try again in a few minutes."},
};

static int page(request_rec *r, int status, const char *heading, const char *text,
                const char *way_on)
{
    const char *html;
    const char *mention = "";

    for (apr_size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (pages[i].status == status) {
            heading = heading ? heading : pages[i].heading;
            text = text ? text : pages[i].text;
        }
    }
    heading = heading ? heading : "Something went wrong";
    text = text ? text : "The request could not be completed. Please try again.";
    if (ap_is_HTTP_ERROR(status)) {
        mention = apr_psprintf(
            r->pool, "<p><small>Status %d. If you ask for help, mention %s.</small></p>\n", status,
            ap_escape_html(r->pool, sb_web_request_id(r)));
    }
    html = apr_psprintf(r->pool,
                        "<!DOCTYPE html>\n"
                        "<html lang=\"en\">\n"
                        "<head>\n"
                        "<meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                        "<title>%s - Smarter Reporting</title>\n"
                        "<link rel=\"stylesheet\" href=\"/assets/public/message.css\">\n"
                        "</head>\n"
                        "<body>\n"
                        "<main>\n"
                        "<h1>%s</h1>\n"
                        "<p>%s</p>\n"
                        "%s\n"
                        "%s"
                        "</main>\n"
                        "</body>\n"
                        "</html>\n",
                        ap_escape_html(r->pool, heading), ap_escape_html(r->pool, heading),
                        ap_escape_html(r->pool, text), way_on, mention);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    return sb_web_send(r, status, "text/html; charset=UTF-8", html, strlen(html));
}

int sb_web_page(request_rec *r, int status, const char *heading, const char *text, const char *link,
                const char *label)
{
    return page(r, status, heading, text,
                apr_psprintf(r->pool, "<p><a href=\"%s\">%s</a></p>",
                             ap_escape_html(r->pool, link ? link : "/"),
                             ap_escape_html(r->pool, label ? label : "Go to the start page")));
}

int sb_web_form(request_rec *r, int status, const char *heading, const char *text,
                const char *action, const char *name, const char *value, const char *label)
{
    return page(r, status, heading, text,
                apr_psprintf(r->pool,
                             "<form method=\"post\" action=\"%s\">"
                             "<input type=\"hidden\" name=\"%s\" value=\"%s\">"
                             "<button type=\"submit\">%s</button></form>",
                             ap_escape_html(r->pool, action), ap_escape_html(r->pool, name),
                             ap_escape_html(r->pool, value), ap_escape_html(r->pool, label)));
}
