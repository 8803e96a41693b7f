/**
 * The external face: the page behind a link, and the file.
 */

#include "hpz.h"

#include <string.h>
#include <apr_date.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>
#include "core/sb_log.h"
#include "core/sb_uuid.h"

#define SECONDS_OF_A_DAY 86400

/* ---- which file, and may he have it? ------------------------------------------------------------ */

/**
 * The rule of 5.4, in its order; whoever asks learns only yes or no.
 * @return APR_SUCCESS; APR_NOTFOUND, told to the security stream where it is a person's doing
 */
static apr_status_t find_file(sb_deposit_t **pd, apr_file_t **pfile, sb_req_t *q)
{
    const hpz_child_t *child = hpz_child(q);
    apr_pool_t *p = q->r->pool, *short_lived;
    const char *why;
    apr_status_t rv;
    sb_db_t *db;

    *pfile = NULL;
    apr_pool_create(&short_lived, p); /* the connection goes back before bytes flow */
    rv = sb_dbpool_get(&db, child->db, short_lived);
    if (rv == APR_SUCCESS) {
        rv = sb_deposit_find(pd, db, q->rest, q->user->uid, p);
    }
    apr_pool_destroy(short_lived);
    if (rv == APR_NOTFOUND) {
        q->denial = apr_pstrcat(p, q->r->method, " of a file that nobody registered", NULL);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!sb_deposit_is_for(&why, *pd, q->user)) {
        q->denial = apr_pstrcat(p, q->r->method, " of a file ", why, NULL);
        return APR_NOTFOUND;
    }
    if (!(*pd)->sha256) {
        return APR_NOTFOUND; /* not yet */
    }
    if ((*pd)->age > (apr_int64_t)child->days * SECONDS_OF_A_DAY) {
        return APR_NOTFOUND; /* its time is up, whether or not somebody has tidied up */
    }
    rv = sb_depot_fetch(pfile, child->depot, q->rest, (*pd)->size, p);
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3220), rv, "%s: the file of this registration", q->rest);
        return APR_NOTFOUND;
    }
    return APR_SUCCESS;
}

int hpz_validate(sb_req_t *q)
{
    apr_file_t *file;
    apr_status_t rv;
    sb_deposit_t *d;

    rv = find_file(&d, &file, q);
    if (rv == APR_NOTFOUND) {
        return sb_web_problem(q->r, HTTP_NOT_FOUND, "This file is not available");
    }
    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, rv, SBLOGNO(3221), "finding a file");
    }
    apr_table_setn(q->r->headers_out, "Cache-Control", "no-store");
    return sb_web_send(q->r, HTTP_OK, "text/plain; charset=UTF-8", "", 0);
}

/* ---- the file ----------------------------------------------------------------------------------- */

static ap_filter_rec_t *audit_filter;

/* The answer is about to go: ranges are cut, its status is known. A download may last for hours, and who has had
 * all but its last byte when this process is killed has had it none the less. */
static apr_status_t audit_first(ap_filter_t *f, apr_bucket_brigade *some)
{
    sb_req_t *q = f->ctx;
    ap_filter_t *next = f->next;

    ap_remove_output_filter(f);
    sb_req_audit(q, q->r->status);
    return ap_pass_brigade(next, some);
}

void hpz_download_register(void)
{
    audit_filter = ap_register_output_filter("HPZ_AUDIT", audit_first, NULL, AP_FTYPE_TRANSCODE);
}

/* The file as a bucket: httpd sends it by sendfile(2), or by pieces of it through TLS, and cuts out ranges. */
static int send_file(sb_req_t *q, const sb_deposit_t *d, apr_file_t *file)
{
    request_rec *r = q->r;
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;
    apr_bucket_brigade *body = apr_brigade_create(r->pool, list);
    ap_filter_t *filter;
    int status;

    apr_table_setn(r->headers_out, "ETag", apr_pstrcat(r->pool, "\"", d->sha256, "\"", NULL));
    status = ap_meets_conditions(r);
    if (status == HTTP_PRECONDITION_FAILED) {
        return sb_web_problem(r, status, "the file is not the one that If-Match names");
    }
    ap_set_content_type(r, sb_deposit_type(d->name));
    apr_table_setn(r->headers_out, "Content-Disposition", sb_deposit_disposition(d->name, r->pool));
    apr_table_setn(r->headers_out, "Cache-Control", "private, no-store");
    apr_table_setn(r->headers_out, "Accept-Ranges", "bytes");
    ap_set_content_length(r, d->size);
    if (status != OK) {
        r->status = status;
    }
    else if (d->size > 0) {
        apr_brigade_insert_file(body, file, 0, d->size, r->pool);
    }
    APR_BRIGADE_INSERT_TAIL(body, apr_bucket_eos_create(list));
    filter = ap_add_output_filter_handle(audit_filter, q, r, r->connection);
    if (ap_pass_brigade(r->output_filters, body) != APR_SUCCESS) {
        sb_log(SB_LOG_INFO, SBLOGNO(3222), SB_NO_STATUS, "%s: the download broke off", d->id);
    }
    if (q->callable) { /* nothing came so far: our caller tells it, and q does not outlive him */
        ap_remove_output_filter(filter);
    }
    return OK;
}

static int busy(sb_req_t *q, int status, const char *heading, const char *text)
{
    sb_log(SB_LOG_NOTICE, SBLOGNO(3224), SB_NO_STATUS, "%s: one was sent away",
           status == HTTP_SERVICE_UNAVAILABLE ? "as many downloads as may be"
                                              : "as many downloads as one person may have");
    apr_table_setn(q->r->err_headers_out, "Retry-After", HPZ_BUSY_SECS);
    return sb_web_page(q->r, status, heading, text, "/error", "What else can be the reason?");
}

int hpz_file(sb_req_t *q)
{
    hpz_child_t *child = hpz_child(q);
    apr_file_t *file;
    apr_status_t rv;
    sb_deposit_t *d;

    hpz_audit_id(q, q->rest);
    rv = find_file(&d, &file, q);
    if (rv == APR_NOTFOUND) {
        return sb_web_page(
            q->r, HTTP_NOT_FOUND, "This file is not available",
            "It may still be in the making, be somebody else's, or have been removed.", "/error",
            "What can be the reason?");
    }
    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, rv, SBLOGNO(3223), "finding a file");
    }
    switch (sb_places_take(child->downloads, q->user->uid, q->r->pool)) {
    case SB_PLACE_ENOUGH:
        return busy(q, HTTP_TOO_MANY_REQUESTS, "Too many downloads of yours are under way",
                    "Wait until one of them is complete, and try again.");
    case SB_PLACE_NONE:
        return busy(q, HTTP_SERVICE_UNAVAILABLE, "Too many downloads are under way",
                    "Please try again in a few seconds.");
    default:
        break;
    }
    return send_file(q, d, file);
}

/* ---- the page behind the link ------------------------------------------------------------------- */

int hpz_cushion(sb_req_t *q)
{
    static const char page[] =
        "<!DOCTYPE html>\n"
        "<html lang=\"en\">\n"
        "<head>\n"
        "<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>Download - Smarter Reporting</title>\n"
        "<link rel=\"stylesheet\" href=\"/assets/public/message.css\">\n"
        "<script type=\"module\" src=\"/assets/public/pickup.js\"></script>\n"
        "</head>\n"
        "<body>\n"
        "<main id=\"start\" data-file=\"%s\" role=\"status\" hidden>\n"
        "<h1>Your download begins</h1>\n"
        "<p>Your browser tells how far it is. You can go back to where you came from.</p>\n"
        "<p><a href=\"/file/%s\">Download again</a></p>\n"
        "</main>\n"
        "<main id=\"message\" role=\"alert\" hidden>\n"
        "<h1>This file is not available</h1>\n"
        "<p>Most likely it is still being made. Keep the link, and try it again later.</p>\n"
        "<p>If that does not help: somebody else may have asked for this file, your account may no "
        "longer"
        " have access to what is in it, it may be more than %d day%s old and have been removed, or "
        "the link"
        " may not be complete.</p>\n"
        "</main>\n"
        "<main id=\"later\" role=\"alert\" hidden>\n"
        "<h1>Not just now</h1>\n"
        "<p>The server cannot be reached, or has too much to do. Your file is not lost: please "
        "try again in a minute.</p>\n"
        "<p><a href=\"/download/%s\">Try again</a></p>\n"
        "</main>\n"
        "<noscript><main><h1>Download</h1><p><a href=\"/file/%s\">Download the "
        "file</a></p></main></noscript>\n"
        "</body>\n"
        "</html>\n";
    int days = hpz_child(q)->days;
    const char *html;

    if (!sb_uuid_is_valid(q->rest)) {
        return sb_web_page(q->r, HTTP_NOT_FOUND, "This link is not complete",
                           "Please copy the whole link and try again.", "/error",
                           "What can be the reason?");
    }
    html = apr_psprintf(q->r->pool, page, q->rest, q->rest, days, days == 1 ? "" : "s", q->rest,
                        q->rest);
    apr_table_setn(q->r->headers_out, "Cache-Control", "no-store");
    return sb_web_send(q->r, HTTP_OK, "text/html; charset=UTF-8", html, strlen(html));
}
