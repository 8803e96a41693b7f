/**
 * /services/openapi.json: the description of the API, made once in each process.
 */

#include "smarter.h"

#include "core/sb_log.h"
#include "report/sb_openapi.h"

void smarter_openapi_child_init(smarter_child_t *child)
{
    const sb_openapi_route_t *routes;
    int n = smarter_routes_describe(&routes, child->pool);
    apr_status_t rv = sb_openapi_make(&child->openapi, &child->openapi_len, routes, n,
                                      sb_signin_cookie_name(child->signin), child->pool);

    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3061), rv, "the description of the API cannot be made");
    }
}

/* It holds no data: anybody may read it. */
int smarter_services_openapi(sb_req_t *q)
{
    if (!smarter_child(q)->openapi) {
        return sb_web_problem(q->r, HTTP_INTERNAL_SERVER_ERROR, NULL);
    }
    return sb_web_json_etag(q->r, smarter_child(q)->openapi, smarter_child(q)->openapi_len);
}
