/**
 * The table of addresses. Every address below our Locations is in it or answers 404: what nobody
 * has thought about is refused. The questions of a request come in a fixed order: known? method?
 * too long? who? allowed? which parameters?
 */

#include "smarter.h"

#include <string.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <http_request.h>
#include "core/sb_log.h"

#define URL_MAX_LEN 2000

enum { /* methods of a route */
       GET = 1,
       POST = 2,
       OPTIONS = 4,
       DELETE = 8,
       OTHERS = 16,
       ANY = GET | POST | OPTIONS | DELETE | OTHERS
};

typedef enum {
    FOR_SCRIPTS, /* problems are JSON */
    FOR_PEOPLE   /* problems are pages */
} audience_t;

typedef struct {
    const char *path; /* exact; "/{}" at the end stands for one segment */
    int methods;      /* HEAD goes with GET, unless it changes something */
    sb_perm_t perm;   /* NONE: nobody, unless it is open */
    int open;         /* anybody may, without a session */
    audience_t audience;
    int (*run)(smarter_req_t *q);
    const sb_param_t *params; /* what the query may say, judged before run; NULL: run judges it */
    /* What the audit stream calls it; NULL: it shows and changes nothing, or is about sign-in, of which the
     * security stream tells. */
    const char *audit;
    int changes; /* wants our own pages as its origin, or the session's token */
} route_t;

/* Services refuse what they do not know. */
static const sb_param_t no_params[] = {{.name = NULL}};

/* clang-format off */
static const route_t routes[] = {
    {.path = "/data", .methods = GET, .perm = SB_PERM_VIEW, .run = smarter_data_list,
     .audit = "list_reports"},
    {.path = "/data/{}", .methods = OPTIONS, .perm = SB_PERM_VIEW, .run = smarter_data_describe,
     .audit = "describe_report"},
    {.path = "/data/{}", .methods = GET | POST, .perm = SB_PERM_VIEW, .run = smarter_data_report,
     .audit = "get_report"}, /* its own name, once it is known which */
    {.path = "/public_data/{}", .methods = OPTIONS, .open = 1, .run = smarter_public_describe},
    {.path = "/public_data/{}", .methods = GET | POST, .open = 1, .run = smarter_public_report, .audit = "get_report"},
    {.path = "/public/{}", .methods = ANY, .open = 1, .audience = FOR_PEOPLE, .run = smarter_public_short},
    {.path = "/services/tool/state_code/{}", .methods = GET, .perm = SB_PERM_SUPER_ADMIN,
     .run = smarter_public_state_code, .params = no_params, .audit = "state_code_service"},
    {.path = "/services/ready", .methods = GET, .open = 1, .run = smarter_services_ready, .params = no_params},
    {.path = "/services/heartbeat", .methods = GET, .open = 1, .run = smarter_services_heartbeat, .params = no_params},
    {.path = "/services/userinfo", .methods = GET | POST, .perm = SB_PERM_VIEW,
     .run = smarter_services_userinfo, .params = no_params, .audit = "user_info_service"},
    {.path = "/services/cache/{}", .methods = DELETE, .perm = SB_PERM_SUPER_ADMIN,
     .run = smarter_admin_flush, .params = no_params, .audit = "cache_flush_service", .changes = 1},
    {.path = "/services/flush/{}", .methods = DELETE, .perm = SB_PERM_SUPER_ADMIN,
     .run = smarter_admin_flush, .params = no_params, .audit = "cache_flush_service", .changes = 1},
    {.path = "/services/trigger/{}", .methods = GET, .perm = SB_PERM_SUPER_ADMIN,
     .run = smarter_admin_trigger, .params = no_params, .audit = "trigger_service", .changes = 1},
    {.path = "/services/openapi.json", .methods = GET, .open = 1, .run = smarter_services_openapi, .params = no_params},
    {.path = "/login", .methods = GET, .open = 1, .audience = FOR_PEOPLE, .run = smarter_auth_login},
    {.path = "/saml_post", .methods = POST, .open = 1, .audience = FOR_PEOPLE, .run = smarter_auth_saml_post},
    {.path = "/logout", .methods = GET | POST, .perm = SB_PERM_LOGOUT, .audience = FOR_PEOPLE,
     .run = smarter_auth_logout},
    {.path = "/logout_redirect", .methods = GET, .open = 1, .audience = FOR_PEOPLE, .run = smarter_auth_logout_redirect},
    {.path = "/saml_metadata", .methods = GET, .open = 1, .audience = FOR_PEOPLE, .run = smarter_auth_metadata},
};
/* clang-format on */
#define NROUTES (sizeof(routes) / sizeof(routes[0]))

int smarter_routes_describe(const sb_openapi_route_t **proutes, apr_pool_t *p)
{
    sb_openapi_route_t *all = apr_pcalloc(p, NROUTES * sizeof(*all));

    for (apr_size_t i = 0; i < NROUTES; i++) {
        all[i] = (sb_openapi_route_t){routes[i].path, routes[i].perm, routes[i].params};
    }
    *proutes = all;
    return (int)NROUTES;
}

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
        return GET;
    case M_POST:
        return POST;
    case M_OPTIONS:
        return OPTIONS;
    case M_DELETE:
        return DELETE;
    default:
        return OTHERS;
    }
}

/* @param pallowed all methods of this address, 0: there is no such address */
static const route_t *find_route(int *pallowed, const char **prest, const request_rec *r)
{
    const route_t *found = NULL;

    *pallowed = 0;
    for (apr_size_t i = 0; i < NROUTES; i++) {
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
        apr_pstrcat(p, methods & GET ? ", GET, HEAD" : "", methods & POST ? ", POST" : "",
                    methods & OPTIONS ? ", OPTIONS" : "", methods & DELETE ? ", DELETE" : "", NULL);

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
static int refuse(smarter_req_t *q, const route_t *route, const char *why, const char *detail)
{
    q->denial = apr_psprintf(q->r->pool, "%s %s %s", q->r->method, route->path, why);
    if (route->audience == FOR_PEOPLE) {
        sb_web_page(q->r, HTTP_FORBIDDEN, NULL, NULL, NULL, NULL);
    }
    else {
        sb_web_problem(q->r, HTTP_FORBIDDEN, detail);
    }
    return DONE;
}

/* @return OK to go on; DONE the answer is written */
static int admit(smarter_req_t *q, const route_t *route)
{
    apr_status_t rv;

    if (route->open) {
        return OK;
    }
    if (route->perm == SB_PERM_NONE) { /* a row that does not say who may: nobody */
        return refuse(q, route, "which nobody may ask for", NULL);
    }
    rv = smarter_auth_find(q);
    if (rv == APR_NOTFOUND) {
        smarter_auth_required(q);
        return DONE;
    }
    if (rv != APR_SUCCESS) {
        sb_web_fail(q->r, rv, SBLOGNO(3010), "looking up a session");
        return DONE;
    }
    if (!sb_identity_may(q->user, route->perm)) {
        return refuse(q, route,
                      apr_pstrcat(q->r->pool, "without permission ", perm_names[route->perm], NULL),
                      NULL);
    }
    if (route->changes && !smarter_auth_may_change(q)) {
        return refuse(q, route, "asked for from elsewhere",
                      "want a request from our own pages, or the session's X-CSRF-Token");
    }
    return OK;
}

/* Refused before it meant anything: malformed, by another method, or a parameter breaks its rule. */
static int is_senseless(int status)
{
    return status == HTTP_BAD_REQUEST || status == HTTP_METHOD_NOT_ALLOWED ||
           status == HTTP_PRECONDITION_FAILED || status == HTTP_REQUEST_ENTITY_TOO_LARGE ||
           status == HTTP_UNSUPPORTED_MEDIA_TYPE;
}

/* To the audit stream who saw or changed what, or tried to in vain; to the security stream who was denied it. */
static void record(const smarter_req_t *q, const route_t *route, int rc)
{
    int status = rc == OK || rc == DONE ? q->r->status : rc;
    const char *denial = q->denial;

    if (!q->user && !route->open) {
        return; /* nobody yet: sent to sign in */
    }
    if (route->audit && status == HTTP_FORBIDDEN && !denial) {
        denial = apr_pstrcat(q->r->pool, q->r->method, " ", route->path, NULL);
    }
    if (route->audit && status != HTTP_FORBIDDEN && !is_senseless(status)) {
        sb_audit_write(q->callable, q->params, q->found, q->user, q->request_id, status,
                       q->r->pool);
    }
    if (denial) {
        sb_security_write(SB_SECURITY_WARNING, apr_pstrcat(q->r->pool, "forbidden: ", denial, NULL),
                          q->user, q->request_id, q->r->pool);
    }
}

/* ---- the handler --------------------------------------------------------------------------------- */

/* @return OK; DONE the answer is written */
static int read_query(smarter_req_t *q, const sb_param_t *schema)
{
    const char *complaint;

    if (smarter_params_query(q) != OK) {
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

static int answer(request_rec *r)
{
    smarter_req_t q = {.r = r, .found = -1};
    const route_t *route;
    int allowed, rc = OK;

    q.request_id = sb_web_request_id(r);
    q.child = smarter_conf_child(r->server);
    if (!q.child) {
        return sb_web_fail(r, SB_EUNAVAILABLE, SBLOGNO(3011), "this process did not start well");
    }
    route = find_route(&allowed, &q.rest, r);
    if (!route && allowed) {
        return sb_web_not_allowed(r, method_names(allowed, r->pool));
    }
    if (!route) {
        return sb_web_problem(r, HTTP_NOT_FOUND, "There is nothing at this address");
    }
    if (route->audience == FOR_SCRIPTS && sb_web_url_length(r) > URL_MAX_LEN) {
        return sb_web_problem(r, HTTP_REQUEST_URI_TOO_LARGE,
                              "Request URI too long - maximum size supported is 2000 characters");
    }
    q.callable = route->audit;
    if (admit(&q, route) == OK && (!route->params || read_query(&q, route->params) == OK)) {
        rc = route->run(&q);
    }
    record(&q, route, rc);
    return rc;
}

int smarter_handler(request_rec *r)
{
    int rc;

    if (!r->handler || strcmp(r->handler, SMARTER_HANDLER)) {
        return DECLINED;
    }
    rc = answer(r);
    sb_log_set_id(NULL); /* it lives in the request's pool, this thread lives on */
    return rc;
}
