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
       OPTIONS = 4
};

typedef enum {
    FOR_SCRIPTS, /* problems are JSON */
    FOR_PEOPLE   /* problems are pages */
} audience_t;

typedef struct {
    const char *path; /* exact; "/{}" at the end stands for one segment */
    int methods;      /* HEAD goes with GET */
    sb_perm_t perm;
    audience_t audience;
    int (*run)(smarter_req_t *q);
    const sb_param_t *params; /* what the query may say, judged before run; NULL: run judges it */
} route_t;

/* Services refuse what they do not know. */
static const sb_param_t no_params[] = {{.name = NULL}};

static const route_t routes[] = {
    {"/data", GET, SB_PERM_VIEW, FOR_SCRIPTS, smarter_data_list, NULL},
    {"/data/{}", OPTIONS, SB_PERM_VIEW, FOR_SCRIPTS, smarter_data_describe, NULL},
    {"/data/{}", GET | POST, SB_PERM_VIEW, FOR_SCRIPTS, smarter_data_report, NULL},
    {"/services/ready", GET, SB_PERM_NONE, FOR_SCRIPTS, smarter_services_ready, no_params},
    {"/services/heartbeat", GET, SB_PERM_NONE, FOR_SCRIPTS, smarter_services_heartbeat, no_params},
    {"/services/userinfo", GET | POST, SB_PERM_VIEW, FOR_SCRIPTS, smarter_services_userinfo,
     no_params},
    {"/services/openapi.json", GET, SB_PERM_NONE, FOR_SCRIPTS, smarter_services_openapi, no_params},
    {"/login", GET, SB_PERM_NONE, FOR_PEOPLE, smarter_auth_login, NULL},
    {"/saml_post", POST, SB_PERM_NONE, FOR_PEOPLE, smarter_auth_saml_post, NULL},
    {"/logout", GET | POST, SB_PERM_LOGOUT, FOR_PEOPLE, smarter_auth_logout, NULL},
    {"/logout_redirect", GET, SB_PERM_NONE, FOR_PEOPLE, smarter_auth_logout_redirect, NULL},
    {"/saml_metadata", GET, SB_PERM_NONE, FOR_PEOPLE, smarter_auth_metadata, NULL},
};
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
    default:
        return 0;
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
            if (routes[i].methods & method_bit(r)) {
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
                    methods & OPTIONS ? ", OPTIONS" : "", NULL);

    return names + 2;
}

/* ---- who, and allowed? --------------------------------------------------------------------------- */

static int refuse(smarter_req_t *q, audience_t audience, int status)
{
    return audience == FOR_PEOPLE ? sb_web_page(q->r, status, NULL, NULL, NULL, NULL)
                                  : sb_web_problem(q->r, status, NULL);
}

/* @return OK to go on; DONE the answer is written */
static int admit(smarter_req_t *q, const route_t *route)
{
    apr_status_t rv;

    if (route->perm == SB_PERM_NONE) {
        return OK;
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
        sb_security_write(SB_SECURITY_WARNING,
                          apr_psprintf(q->r->pool, "forbidden: %s %s", q->r->method, route->path),
                          q->user, q->request_id, q->r->pool);
        refuse(q, route->audience, HTTP_FORBIDDEN);
        return DONE;
    }
    return OK;
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
    smarter_req_t q = {.r = r};
    const route_t *route;
    int allowed;

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
    if (admit(&q, route) != OK || (route->params && read_query(&q, route->params) != OK)) {
        return OK;
    }
    return route->run(&q);
}

int smarter_handler(request_rec *r)
{
    int rc;

    if (!r->handler || strcmp(r->handler, "smarter")) {
        return DECLINED;
    }
    rc = answer(r);
    sb_log_set_id(NULL); /* it lives in the request's pool, this thread lives on */
    return rc;
}
