/**
 * Which route, who, allowed?
 */

#include "web/sb_routes.h"

#include <string.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <http_request.h>
#include "core/sb_log.h"
#include "report/sb_audit.h"
#include "web/sb_signin.h"

#define URL_MAX_LEN 2000

const sb_param_t sb_no_params[] = {{.name = NULL}};

/* ---- which route? -------------------------------------------------------------------------------- */

/* @param prest the segment that "{}" stands for, or NULL */
static int matches(const char **prest, const char *path, const char *uri)
{
    const char *wild = strstr(path, "{}");

    *prest = NULL;
    if (!wild) {
        return !strcmp(path, uri);
    }
    if (strncmp(path, uri, (apr_size_t)(wild - path)) || !uri[wild - path] ||
        strchr(uri + (wild - path), '/')) {
        return 0;
    }
    *prest = uri + (wild - path);
    return 1;
}

static int method_bit(const request_rec *r)
{
    switch (r->method_number) {
    case M_GET:
        return SB_GET;
    case M_POST:
        return SB_POST;
    case M_OPTIONS:
        return SB_OPTIONS;
    case M_DELETE:
        return SB_DELETE;
    case M_PUT:
        return SB_PUT;
    default:
        return SB_OTHERS;
    }
}

/* @param pallowed all methods of this address, 0: there is no such address */
static const sb_route_t *find_route(int *pallowed, const char **prest, const sb_route_t *routes,
                                    int nroutes, const request_rec *r)
{
    const sb_route_t *found = NULL;

    *pallowed = 0;
    for (int i = 0; i < nroutes; i++) {
        if (matches(prest, routes[i].path, r->uri)) {
            *pallowed |= routes[i].methods;
            if (routes[i].methods & method_bit(r) && !(r->header_only && routes[i].changes)) {
                found = &routes[i];
            }
        }
    }
    if (found) {
        (void)matches(prest, found->path, r->uri);
    }
    return found;
}

static const char *method_names(int methods, apr_pool_t *p)
{
    const char *names =
        apr_pstrcat(p, methods & SB_GET ? ", GET, HEAD" : "", methods & SB_POST ? ", POST" : "",
                    methods & SB_OPTIONS ? ", OPTIONS" : "", methods & SB_DELETE ? ", DELETE" : "",
                    methods & SB_PUT ? ", PUT" : "", NULL);

    return names + 2;
}

/* ---- who, and allowed? --------------------------------------------------------------------------- */

static const char *const perm_names[] = {
    [SB_PERM_VIEW] = "view",
    [SB_PERM_LOGOUT] = "logout",
    [SB_PERM_DOWNLOAD] = "download",
    [SB_PERM_LOAD] = "load",
    [SB_PERM_DISPLAY_HOME] = "display_home",
    [SB_PERM_SUPER_ADMIN] = "super_admin_rights",
};

/* @return DONE */
static int refuse(sb_req_t *q, const sb_route_t *route, const char *why, const char *detail)
{
    q->denial = apr_psprintf(q->r->pool, "%s %s %s", q->r->method, route->path, why);
    if (route->audience == SB_FOR_PEOPLE) {
        sb_web_page(q->r, HTTP_FORBIDDEN, NULL, NULL, NULL, NULL);
    }
    else {
        sb_web_problem(q->r, HTTP_FORBIDDEN, detail);
    }
    return DONE;
}

/* Does a page of another site ask with this browser's cookie? SameSite=Lax keeps other sites from that, not
 * a neighbour under the same registered domain. Following a link to here is fine, embedding it is not. */
static int is_embedded_elsewhere(const request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *mode = apr_table_get(r->headers_in, "Sec-Fetch-Mode");
    const char *dest = apr_table_get(r->headers_in, "Sec-Fetch-Dest");

    if (!site || !strcmp(site, "same-origin") || !strcmp(site, "none")) {
        return 0;
    }
    return r->method_number != M_GET || !mode || strcmp(mode, "navigate") ||
           (dest && strcmp(dest, "document"));
}

/* Nobody, or nobody can be told now. @return DONE */
static int turn_away(sb_req_t *q, apr_status_t rv)
{
    if (rv == APR_NOTFOUND) {
        sb_signin_required(q);
    }
    else {
        sb_signin_refused(q, rv);
    }
    return DONE;
}

/* @return OK to go on; DONE the answer is written */
static int admit(sb_req_t *q, const sb_route_t *route)
{
    apr_status_t rv;

    if (route->open) {
        return OK;
    }
    if (route->perm == SB_PERM_NONE) { /* a row that does not say who may: nobody */
        return refuse(q, route, "which nobody may ask for", NULL);
    }
    rv = q->signin ? sb_signin_find(q) : SB_EUNAVAILABLE;
    if (rv != APR_SUCCESS) {
        return turn_away(q, rv);
    }
    /* Signing out judges that itself, more strictly. */
    if (route->perm != SB_PERM_LOGOUT && is_embedded_elsewhere(q->r)) {
        return refuse(q, route, "asked for by a page from elsewhere",
                      "want a request from our own pages");
    }
    if (q->bearer && !route->programs) {
        return refuse(q, route, "by a bearer token", "want a person in a browser, not a program");
    }
    if (q->user->batch && route->persons) {
        return refuse(q, route, "by a program's session",
                      "want a person in a browser, not a program");
    }
    if (!sb_signin_may(q, route->perm)) {
        return refuse(q, route,
                      apr_pstrcat(q->r->pool, "without permission ", perm_names[route->perm], NULL),
                      NULL);
    }
    if (route->changes && !sb_signin_may_change(q)) {
        return refuse(q, route, "asked for from elsewhere",
                      "want a request from our own pages, or the session's X-CSRF-Token");
    }
    rv = sb_signin_use(q);
    return rv == APR_SUCCESS ? OK : turn_away(q, rv);
}

/* Refused before it meant anything: malformed, by another method, or a parameter breaks its rule. */
static int is_senseless(int status)
{
    return status == HTTP_BAD_REQUEST || status == HTTP_METHOD_NOT_ALLOWED ||
           status == HTTP_PRECONDITION_FAILED || status == HTTP_REQUEST_ENTITY_TOO_LARGE ||
           status == HTTP_UNSUPPORTED_MEDIA_TYPE;
}

/* To the audit stream who saw or changed what, or tried to in vain; to the security stream who was denied it. */
static void record(sb_req_t *q, const sb_route_t *route, int rc)
{
    int status = rc == OK || rc == DONE ? q->r->status : rc;
    const char *denial = q->denial;

    if (!q->user && !route->open) {
        return; /* nobody yet: sent to sign in */
    }
    if (route->audit && status == HTTP_FORBIDDEN && !denial) {
        denial = apr_pstrcat(q->r->pool, q->r->method, " ", route->path, NULL);
    }
    if (route->audit && q->callable && status != HTTP_FORBIDDEN && !is_senseless(status)) {
        sb_req_audit(q, status);
    }
    if (denial) {
        sb_req_event(q, SB_SECURITY_WARNING, apr_pstrcat(q->r->pool, "forbidden: ", denial, NULL));
    }
}

/* ---- the handler --------------------------------------------------------------------------------- */

/* @return OK; DONE the answer is written */
static int read_query(sb_req_t *q, const sb_param_t *schema)
{
    const char *complaint;

    if (sb_req_query(q) != OK) {
        return DONE;
    }
    complaint =
        sb_params_read(&q->params, schema, q->query, NULL, SB_PARAMS_REFUSE_UNKNOWN, q->r->pool);
    if (complaint) {
        sb_web_problem(q->r, HTTP_PRECONDITION_FAILED, complaint);
        return DONE;
    }
    return OK;
}

int sb_routes_answer(request_rec *r, const sb_route_t *routes, int nroutes, sb_signin_t *signin,
                     void *child)
{
    sb_req_t q = {.r = r, .child = child, .signin = signin, .found = -1};
    const sb_route_t *route;
    int allowed, rc = OK;

    q.request_id = sb_web_request_id(r);
    if (!q.child) {
        return sb_web_fail(r, SB_EUNAVAILABLE, SBLOGNO(3011), "this process did not start well");
    }
    route = find_route(&allowed, &q.rest, routes, nroutes, r);
    if (!route && allowed) {
        return sb_web_not_allowed(r, method_names(allowed, r->pool));
    }
    if (!route) {
        return sb_web_problem(r, HTTP_NOT_FOUND, "There is nothing at this address");
    }
    if (route->audience == SB_FOR_SCRIPTS && sb_web_url_length(r) > URL_MAX_LEN) {
        return sb_web_problem(r, HTTP_REQUEST_URI_TOO_LARGE,
                              "Request URI too long - maximum size supported is 2000 characters");
    }
    q.callable = route->audit;
    q.quiet = route->quiet;
    if (admit(&q, route) == OK && (!route->params || read_query(&q, route->params) == OK)) {
        rc = route->run(&q);
    }
    record(&q, route, rc);
    return rc;
}
