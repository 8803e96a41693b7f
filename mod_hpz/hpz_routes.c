/**
 * The tables of addresses of the two faces. What is in neither of them, or in the other one, is not there.
 */

#include "hpz.h"

#include <string.h>
#include "core/sb_log.h"

/* clang-format off */
/* Whom the server lets in at all says conf.d/hpz.conf: configured networks, or a client certificate. */
static const sb_route_t internal[] = {
    {.path = "/registration", .methods = SB_PUT, .open = 1, .run = hpz_register, .audit = "register_file"},
    {.path = "/registration", .methods = SB_POST, .open = 1, .run = hpz_finish, .audit = "finish_request"},
    {.path = "/files/{}", .methods = SB_POST, .open = 1, .run = hpz_upload, .audit = "upload_file"},
    {.path = "/files/{}", .methods = SB_DELETE, .open = 1, .run = hpz_remove, .audit = "remove_file"},
    {.path = "/services/ready", .methods = SB_GET, .open = 1, .run = hpz_ready, .params = sb_no_params},
    {.path = "/services/heartbeat", .methods = SB_GET, .open = 1, .run = hpz_heartbeat, .params = sb_no_params},
};

static const sb_route_t external[] = {
    {.path = "/", .methods = SB_GET, .open = 1, .audience = SB_FOR_PEOPLE, .run = hpz_home},
    {.path = "/download/{}", .methods = SB_GET, .open = 1, .audience = SB_FOR_PEOPLE, .run = hpz_cushion},
    {.path = "/validate/{}", .methods = SB_GET, .perm = SB_PERM_DOWNLOAD, .run = hpz_validate},
    {.path = "/file/{}", .methods = SB_GET, .perm = SB_PERM_DOWNLOAD, .audience = SB_FOR_PEOPLE, .run = hpz_file,
     .audit = "download_file", .programs = 1},
    {.path = "/files/{}", .methods = SB_GET, .perm = SB_PERM_DOWNLOAD, .audience = SB_FOR_PEOPLE, .run = hpz_file,
     .audit = "download_file", .programs = 1},
    {.path = "/error", .methods = SB_ANY, .open = 1, .audience = SB_FOR_PEOPLE, .run = hpz_error},
    {.path = "/services/ready", .methods = SB_GET, .open = 1, .run = hpz_ready, .params = sb_no_params},
    {.path = "/services/heartbeat", .methods = SB_GET, .open = 1, .run = hpz_heartbeat, .params = sb_no_params},
    {.path = "/login", .methods = SB_GET, .open = 1, .audience = SB_FOR_PEOPLE, .run = sb_signin_login},
    {.path = "/saml_post", .methods = SB_POST, .open = 1, .audience = SB_FOR_PEOPLE, .run = sb_signin_answer},
    {.path = "/logout", .methods = SB_GET | SB_POST, .perm = SB_PERM_LOGOUT, .audience = SB_FOR_PEOPLE,
     .run = sb_signin_logout},
    {.path = "/logout_redirect", .methods = SB_GET, .open = 1, .audience = SB_FOR_PEOPLE, .run = sb_signin_logout_redirect},
    {.path = "/saml_metadata", .methods = SB_GET, .open = 1, .audience = SB_FOR_PEOPLE, .run = sb_signin_metadata},
};
/* clang-format on */
#define N(table) ((int)(sizeof(table) / sizeof((table)[0])))

int hpz_handler(request_rec *r)
{
    hpz_child_t *child;
    int rc;

    if (!r->handler || strcmp(r->handler, HPZ_HANDLER)) {
        return DECLINED;
    }
    child = hpz_conf_child(r->server);
    switch (hpz_conf_face(r->server)) {
    case HPZ_INTERNAL:
        rc = sb_routes_answer(r, internal, N(internal), NULL, child);
        break;
    case HPZ_EXTERNAL:
        rc = sb_routes_answer(r, external, N(external), child ? child->signin : NULL, child);
        break;
    default:
        rc = sb_routes_answer(r, NULL, 0, NULL, child);
    }
    sb_log_set_id(NULL); /* it lives in the request's pool, this thread lives on */
    return rc;
}
