/**
 * The table of addresses of the reporting application.
 */

#include "smarter.h"

#include <string.h>
#include "core/sb_log.h"
#include "web/sb_sessions.h"
#include "extract/sb_extract.h"

/* clang-format off */
static const sb_route_t routes[] = {
    {.path = "/data", .methods = SB_GET, .perm = SB_PERM_VIEW, .run = smarter_data_list,
     .audit = "list_reports", .programs = 1},
    {.path = "/data/{}", .methods = SB_OPTIONS, .perm = SB_PERM_VIEW, .run = smarter_data_describe,
     .audit = "describe_report", .programs = 1},
    {.path = "/data/{}", .methods = SB_GET | SB_POST, .perm = SB_PERM_VIEW, .run = smarter_data_report,
     .audit = "get_report", .programs = 1}, /* its own name, once it is known which */
    {.path = "/public_data/{}", .methods = SB_OPTIONS, .open = 1, .run = smarter_public_describe},
    {.path = "/public_data/{}", .methods = SB_GET | SB_POST, .open = 1, .run = smarter_public_report, .audit = "get_report"},
    {.path = "/public/{}", .methods = SB_ANY, .open = 1, .audience = SB_FOR_PEOPLE, .run = smarter_public_short},
    {.path = "/services/tool/state_code/{}", .methods = SB_GET, .perm = SB_PERM_SUPER_ADMIN,
     .run = smarter_public_state_code, .params = sb_no_params, .audit = "state_code_service"},
    {.path = "/services/ready", .methods = SB_GET, .open = 1, .run = smarter_services_ready, .params = sb_no_params},
    {.path = "/services/heartbeat", .methods = SB_GET, .open = 1, .run = smarter_services_heartbeat, .params = sb_no_params},
    {.path = "/services/userinfo", .methods = SB_GET | SB_POST, .perm = SB_PERM_VIEW,
     .run = smarter_services_userinfo, .params = sb_no_params, .audit = "user_info_service", .programs = 1},
    {.path = "/services/session", .methods = SB_GET, .perm = SB_PERM_VIEW, .run = sb_sessions_left, .params = sb_no_params,
     .quiet = 1},
    {.path = "/services/session/touch", .methods = SB_POST, .perm = SB_PERM_VIEW, .run = sb_sessions_touch,
     .params = sb_no_params, .changes = 1},
    {.path = "/services/sessions", .methods = SB_GET, .perm = SB_PERM_VIEW, .run = sb_sessions_mine,
     .params = sb_no_params, .audit = "session_list_service", .persons = 1},
    {.path = "/services/sessions", .methods = SB_DELETE, .perm = SB_PERM_VIEW, .run = sb_sessions_end_others,
     .params = sb_no_params, .audit = "session_end_others_service", .persons = 1, .changes = 1},
    {.path = "/services/sessions/{}", .methods = SB_DELETE, .perm = SB_PERM_VIEW, .run = sb_sessions_end,
     .params = sb_no_params, .audit = "session_end_service", .persons = 1, .changes = 1},
    {.path = "/services/administration/sessions", .methods = SB_GET, .perm = SB_PERM_SUPER_ADMIN,
     .run = sb_sessions_of_tenants, .params = sb_sessions_params, .audit = "administration_session_list_service"},
    {.path = "/services/administration/sessions/{}", .methods = SB_DELETE, .perm = SB_PERM_SUPER_ADMIN,
     .run = sb_sessions_end_any, .params = sb_no_params, .audit = "administration_session_end_service", .changes = 1},
    {.path = "/services/cache/{}", .methods = SB_DELETE, .perm = SB_PERM_SUPER_ADMIN,
     .run = smarter_admin_flush, .params = sb_no_params, .audit = "cache_flush_service", .changes = 1},
    {.path = "/services/flush/{}", .methods = SB_DELETE, .perm = SB_PERM_SUPER_ADMIN,
     .run = smarter_admin_flush, .params = sb_no_params, .audit = "cache_flush_service", .changes = 1},
    {.path = "/services/trigger/{}", .methods = SB_GET, .perm = SB_PERM_SUPER_ADMIN,
     .run = smarter_admin_trigger, .params = sb_no_params, .audit = "trigger_service", .changes = 1},
    {.path = "/services/jobs", .methods = SB_GET, .perm = SB_PERM_VIEW, .run = smarter_jobs_list, .params = smarter_jobs_params,
     .quiet = 1}, /* by the page's clock; of students it tells nothing */
    {.path = "/services/jobs/{}", .methods = SB_GET, .perm = SB_PERM_VIEW, .run = smarter_jobs_show, .params = sb_no_params,
     .quiet = 1},
    {.path = "/services/jobs/{}", .methods = SB_DELETE, .perm = SB_PERM_VIEW, .run = smarter_jobs_delete, .params = sb_no_params,
     .audit = "delete_job_service", .changes = 1},
    {.path = "/services/extract", .methods = SB_GET | SB_POST, .perm = SB_PERM_VIEW, .run = smarter_extract_results, .judged = sb_extract_assessment_params,
     .audit = "post_extract_service"}, /* with async it changes something, and says so itself */
    {.path = "/services/extract/assessment_item_level", .methods = SB_GET | SB_POST, .perm = SB_PERM_VIEW, .run = smarter_extract_items, .judged = sb_extract_items_params,
     .audit = "post_item_extract_service", .changes = 1},
    {.path = "/services/extract/raw_data", .methods = SB_GET | SB_POST, .perm = SB_PERM_VIEW, .run = smarter_extract_raw, .judged = sb_extract_raw_params,
     .audit = "post_raw_data_service", .changes = 1},
    {.path = "/services/extract/student_registration_statistics", .methods = SB_GET | SB_POST, .perm = SB_PERM_VIEW, .run = smarter_extract_statistics, .judged = sb_extract_registration_params,
     .audit = "post_sr_stat_extract_service", .changes = 1},
    {.path = "/services/extract/student_assessment_completion", .methods = SB_POST, .perm = SB_PERM_VIEW, .run = smarter_extract_completion, .judged = sb_extract_registration_params,
     .audit = "post_sr_comp_extract_service", .changes = 1},
    {.path = "/services/openapi.json", .methods = SB_GET, .open = 1, .run = smarter_services_openapi, .params = sb_no_params},
    {.path = "/login", .methods = SB_GET, .open = 1, .audience = SB_FOR_PEOPLE, .run = sb_signin_login},
    {.path = "/saml_post", .methods = SB_POST, .open = 1, .audience = SB_FOR_PEOPLE, .run = sb_signin_answer},
    {.path = "/logout", .methods = SB_GET | SB_POST, .perm = SB_PERM_LOGOUT, .audience = SB_FOR_PEOPLE,
     .run = sb_signin_logout},
    {.path = "/logout_redirect", .methods = SB_GET, .open = 1, .audience = SB_FOR_PEOPLE, .run = sb_signin_logout_redirect},
    {.path = "/saml_metadata", .methods = SB_GET, .open = 1, .audience = SB_FOR_PEOPLE, .run = sb_signin_metadata},
};
/* clang-format on */
#define NROUTES (sizeof(routes) / sizeof(routes[0]))

int smarter_routes_describe(const sb_openapi_route_t **proutes, apr_pool_t *p)
{
    sb_openapi_route_t *all = apr_pcalloc(p, NROUTES * sizeof(*all));

    for (apr_size_t i = 0; i < NROUTES; i++) {
        all[i] = (sb_openapi_route_t){routes[i].path, routes[i].perm, routes[i].params,
                                      routes[i].judged, routes[i].programs};
    }
    *proutes = all;
    return (int)NROUTES;
}

int smarter_handler(request_rec *r)
{
    smarter_child_t *child;
    int rc;

    if (!r->handler || strcmp(r->handler, SMARTER_HANDLER)) {
        return DECLINED;
    }
    child = smarter_conf_child(r->server);
    rc = sb_routes_answer(r, routes, (int)NROUTES, child ? child->signin : NULL, child);
    sb_log_set_id(NULL); /* it lives in the request's pool, this thread lives on */
    return rc;
}
