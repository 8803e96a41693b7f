/**
 * Hooks and record of mod_hpz.
 */

#include "hpz.h"

#include <http_log.h>
#include <http_request.h>
#include "web/sb_module.h"

static int check_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const char *complaint = hpz_conf_check(p, s);

    (void)plog;
    (void)ptemp;
    if (complaint) {
        ap_log_error(APLOG_MARK, APLOG_ERR | APLOG_STARTUP, 0, s, "%s", complaint);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

static int post_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)plog;
    (void)ptemp;
    sb_module_log("mod_hpz", &hpz_module, s, p);
    return sb_signin_share(s) == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    hpz_conf_child_init(p, s);
}

static int translate(request_rec *r)
{
    return sb_module_translate(r, HPZ_HANDLER);
}

static int map_to_storage(request_rec *r)
{
    return sb_module_map_to_storage(r, HPZ_HANDLER);
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_translate_name(translate, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_map_to_storage(map_to_storage, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(hpz_handler, NULL, NULL, APR_HOOK_MIDDLE);
    hpz_download_register();
}

AP_DECLARE_MODULE(hpz) = {
    STANDARD20_MODULE_STUFF,
    NULL,            /* per-directory configuration */
    NULL,            /* merge of it */
    hpz_conf_create, /* per-server: the face of a virtual host */
    hpz_conf_merge,
    hpz_cmds,
    register_hooks,
    AP_MODULE_FLAG_NONE,
};
