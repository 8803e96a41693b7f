/**
 * Hooks and record of mod_smarter.
 */

#include "smarter.h"

#include <http_request.h>
#include "web/sb_module.h"

static int post_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)plog;
    (void)ptemp;
    sb_module_log("mod_smarter", &smarter_module, s, p);
    return sb_signin_share(s) == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    smarter_conf_child_init(p, s);
}

static int translate(request_rec *r)
{
    return sb_module_translate(r, SMARTER_HANDLER);
}

static int map_to_storage(request_rec *r)
{
    return sb_module_map_to_storage(r, SMARTER_HANDLER);
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_translate_name(translate, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_map_to_storage(map_to_storage, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(smarter_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(smarter) = {
    STANDARD20_MODULE_STUFF,
    NULL,                /* per-directory configuration */
    NULL,                /* merge of it */
    smarter_conf_create, /* per-server: only the main server has one, virtual hosts share it */
    NULL,                /* merge of it */
    smarter_cmds,
    register_hooks,
    AP_MODULE_FLAG_NONE,
};
