/**
 * Hooks and record of mod_smarter.
 */

#include "smarter.h"

#include <string.h>
#include <http_core.h>
#include <http_log.h>
#include <http_request.h>
#include "core/sb_log.h"

/* The library's lines go to httpd's error log, under "LogLevel smarter:LEVEL", and as one JSON object
 * each to the application stream. */
static void log_line(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    static char program[] = "mod_smarter";
    static const int levels[] = {APLOG_DEBUG, APLOG_INFO, APLOG_NOTICE, APLOG_WARNING, APLOG_ERR};
    const char *id = sb_log_id();
    char why[200];

    ap_log_error(APLOG_MARK, levels[level], 0, (server_rec *)ctx, "SB%04d: %s%s%s%s%s", number,
                 text, rv == APR_SUCCESS ? "" : ": ",
                 rv == APR_SUCCESS ? "" : sb_strerror(rv, why, sizeof(why)), id ? " request " : "",
                 id ? id : "");
    sb_log_to_stream(program, level, number, rv, text);
}

static apr_status_t stop_logging(void *unused)
{
    (void)unused;
    sb_log_set(NULL, NULL);
    return APR_SUCCESS;
}

static int post_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)plog;
    (void)ptemp;
    sb_log_set(log_line, s);
    apr_pool_cleanup_register(p, NULL, stop_logging, apr_pool_cleanup_null);
    return smarter_conf_share(s) == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    smarter_conf_child_init(p, s);
}

/* Our addresses are no files: no path is made of them (a long one would be too long, and an error in the
 * log) and none is looked for. */
static int translate(request_rec *r)
{
    const core_dir_config *conf = ap_get_core_module_config(r->per_dir_config);
    const char *why, *handler;

    if (!conf->expr_handler) { /* where SetHandler is kept, also when it is a plain name */
        return DECLINED;
    }
    handler = ap_expr_str_exec(r, conf->expr_handler, &why);
    if (!handler || strcmp(handler, SMARTER_HANDLER) != 0) {
        return DECLINED;
    }
    r->handler = SMARTER_HANDLER;
    r->filename = r->uri;
    return OK;
}

static int map_to_storage(request_rec *r)
{
    return r->handler && !strcmp(r->handler, SMARTER_HANDLER) ? OK : DECLINED;
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
