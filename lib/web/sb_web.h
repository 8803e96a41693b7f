#ifndef SB_WEB_H
#define SB_WEB_H

/**
 * What every httpd module of the product needs of a request: its id, query, body, an answer as JSON,
 * as a problem document (RFC 9457) or as an error page. The only part of the library that knows
 * httpd; linked into each module, not into libsb.
 */

#include <httpd.h>
#include <apr_tables.h>
#include "core/sb_json.h"
#include "core/sb_pairs.h"

/* ---- the request ----------------------------------------------------------------------------- */

#define SB_WEB_ID_HEADER "X-Request-Id"

/**
 * The request's id: the client's X-Request-Id if it is a UUID or 32 hexadecimal digits, else a new UUID.
 * Goes into the answer's header and into every log line of this thread; a handler ends that with
 * sb_log_set_id(NULL) before it returns.
 */
const char *sb_web_request_id(request_rec *r);

/** Length of the address as the client wrote it: scheme, host, path, query. */
apr_size_t sb_web_url_length(request_rec *r);

/** Is this the media type? Parameters (charset) and case do not matter. */
int sb_web_is_type(const char *have, const char *type);
/** Does the request carry it? */
int sb_web_has_type(request_rec *r, const char *type);

/**
 * Read the whole body.
 * @param pdata NUL-terminated, allocated in r->pool
 * @param max   bytes
 * @return APR_SUCCESS; SB_ETOOBIG; APR_TIMEUP the client is too slow; SB_EINPUT it broke off or
 *         broke the protocol
 */
apr_status_t sb_web_body(char **pdata, apr_size_t *plen, request_rec *r,
                         apr_size_t max) SB_MUST_CHECK;

/**
 * Did this request come from one of our own pages? For requests that change something.
 * @param origin our own, "https://host:port"
 * @return 1 yes (Sec-Fetch-Site same-origin, or our Origin); 0 no, from elsewhere; -1 the browser
 *         does not say: ask for the session's CSRF token. A typed address counts as -1.
 */
int sb_web_same_origin(request_rec *r, const char *origin);

/* ---- answers: each returns what a handler returns ---------------------------------------------- */

/** Send text with a status; HEAD gets the header only. */
int sb_web_send(request_rec *r, int status, const char *type, const char *text, apr_size_t len);

/** 200 with JSON that is not stored (unless Cache-Control is set). */
int sb_web_json(request_rec *r, const char *json, apr_size_t len);

/**
 * 200 with JSON that every request asks again for: "private, no-cache" (unless Cache-Control is set) and
 * an ETag of the content;
 * 304 if the client has it (GET and HEAD).
 */
int sb_web_json_etag(request_rec *r, const char *json, apr_size_t len);

/** A piece of a body. */
typedef struct {
    const char *text; /* lives at least as long as r->pool */
    apr_size_t len;
} sb_web_part_t;

/**
 * The same for a body in pieces, which are sent from where they are.
 * @param tag of which the ETag is made: differs where the body does
 */
int sb_web_json_parts(request_rec *r, const sb_web_part_t *parts, int n, const char *tag);

/**
 * A problem document, never stored: {"type","title","status","detail","error","request_id"}.
 * @param detail for people; also the member "error", which older clients read; NULL: the title
 */
int sb_web_problem(request_rec *r, int status, const char *detail);

/** The same with more members: written by more(w, ctx) inside the object. */
int sb_web_problem_with(request_rec *r, int status, const char *detail,
                        void (*more)(sb_jw_t *w, const void *ctx), const void *ctx);

/** 405 with Allow. @param methods "GET, HEAD, POST" */
int sb_web_not_allowed(request_rec *r, const char *methods);

/**
 * What a failed call means to the client: SB_EINPUT 400, SB_EDENIED 403, APR_NOTFOUND 404,
 * SB_ETOOBIG 413, SB_EUNAVAILABLE 503 with Retry-After, anything else 500. Logs the last two as
 * "doing: status"; the client learns no more than the status and the request id.
 */
int sb_web_fail(request_rec *r, apr_status_t rv, int number, const char *doing);

/**
 * An HTML page for people: heading, a sentence or two, a link to start again. The true status, no
 * script, nothing from elsewhere; style from /assets/public/message.css.
 * @param heading, text  plain text, escaped here; NULL: the usual ones of that status
 * @param link, label    where to go on; NULL: the start page
 */
int sb_web_page(request_rec *r, int status, const char *heading, const char *text, const char *link,
                const char *label);

/** The same with a button that posts one hidden value to a page of ours instead of the link. */
int sb_web_form(request_rec *r, int status, const char *heading, const char *text,
                const char *action, const char *name, const char *value, const char *label);

#endif
