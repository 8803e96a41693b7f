/**
 * Hooks that all modules have alike: logs, and addresses that are no files.
 */

#include "web/sb_module.h"

#include <string.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include "core/sb_log.h"

/* Where lines go. */
typedef struct {
    server_rec *server;
    const module *mod; /* whose LogLevel counts */
    char *program;
} target_t;

static void log_line(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    static const int levels[] = {APLOG_DEBUG, APLOG_INFO, APLOG_NOTICE, APLOG_WARNING, APLOG_ERR};
    const char *id = sb_log_id();
    const target_t *to = ctx;
    char why[200];

    ap_log_error(__FILE__, __LINE__, to->mod->module_index, levels[level], 0, to->server,
                 "SB%04d: %s%s%s%s%s", number, text, rv == APR_SUCCESS ? "" : ": ",
                 rv == APR_SUCCESS ? "" : sb_strerror(rv, why, sizeof(why)), id ? " request " : "",
                 id ? id : "");
    sb_log_to_stream((void *)to->program, level, number, rv, text);
}

static apr_status_t stop_logging(void *unused)
{
    (void)unused;
    sb_log_set(NULL, NULL);
    return APR_SUCCESS;
}

void sb_module_log(const char *program, const module *mod, server_rec *s, apr_pool_t *p)
{
    target_t *to = apr_palloc(p, sizeof(*to));

    to->server = s;
    to->mod = mod;
    to->program = apr_pstrdup(p, program);
    sb_log_set(log_line, to);
    apr_pool_cleanup_register(p, NULL, stop_logging, apr_pool_cleanup_null);
}

static const struct {
    sb_stream_t stream;
    const char *key;
} streams[] = {
    {SB_STREAM_AUDIT, "logging.audit"},
    {SB_STREAM_APPLICATION, "logging.application"},
    {SB_STREAM_SECURITY, "logging.security"},
};
#define NSTREAMS (sizeof(streams) / sizeof(streams[0]))

static apr_status_t close_streams(void *unused)
{
    (void)unused;
    for (apr_size_t i = 0; i < NSTREAMS; i++) {
        const char *complaint = sb_stream_open(streams[i].stream, "none", NULL);

        (void)complaint; /* closing cannot fail */
    }
    return APR_SUCCESS;
}

const char *sb_module_open_streams(const sb_conf_t *conf, apr_pool_t *p)
{
    apr_pool_cleanup_register(p, NULL, close_streams, apr_pool_cleanup_null);
    for (apr_size_t i = 0; i < NSTREAMS; i++) {
        const char *complaint =
            sb_stream_open(streams[i].stream, sb_conf_str(conf, streams[i].key), p);

        if (complaint) {
            return apr_psprintf(p, "%s: %s", streams[i].key, complaint);
        }
    }
    return NULL;
}

int sb_module_translate(request_rec *r, const char *handler)
{
    const core_dir_config *conf = ap_get_core_module_config(r->per_dir_config);
    const char *why, *set;

    if (!conf->expr_handler) { /* where SetHandler is kept, also when it is a plain name */
        return DECLINED;
    }
    set = ap_expr_str_exec(r, conf->expr_handler, &why);
    if (!set || strcmp(set, handler) != 0) {
        return DECLINED;
    }
    r->handler = handler;
    r->filename = r->uri;
    return OK;
}

int sb_module_map_to_storage(const request_rec *r, const char *handler)
{
    return r->handler && !strcmp(r->handler, handler) ? OK : DECLINED;
}
