/**
 * The directive SmarterIni, and what a child process owns.
 */

#include "smarter.h"

#include <malloc.h>
#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_log.h>
#include "core/sb_log.h"
#include "core/sb_sid.h"
#include "web/sb_module.h"

#define STATS_CONNECTIONS 2

typedef struct {
    const char *path;
    const sb_conf_t *conf;
    const sb_conf_t *loader;
    sb_signin_config_t signin;
    const apr_array_header_t *monitors; /* apr_ipsubnet_t * */
    smarter_child_t *child;             /* NULL in the parent */
} conf_t;

void *smarter_conf_create(apr_pool_t *p, server_rec *s)
{
    (void)s;
    return apr_pcalloc(p, sizeof(conf_t));
}

/* ---- reading: in the parent, at start, reload and "httpd -t" ----------------------------------- */

static int is_state_code(const char *text)
{
    return text && strlen(text) == 2 && apr_isupper(text[0]) && apr_isupper(text[1]);
}

static const char *check_tenants(const sb_conf_t *conf, apr_pool_t *p)
{
    static const char *const needed[] = {"edware.db.<tenant>.url", "edware.db.<tenant>.schema_name",
                                         "edware.db.<tenant>.state_code"};
    const apr_array_header_t *names = sb_conf_names(conf, "edware.db.<tenant>.url", p);
    apr_hash_t *states = apr_hash_make(p);

    if (names->nelts == 0) {
        return "no tenant: want edware.db.<tenant>.url, .schema_name and .state_code";
    }
    for (int i = 0; i < names->nelts; i++) {
        const char *tenant = APR_ARRAY_IDX(names, i, const char *);
        const char *state, *other;

        for (apr_size_t k = 0; k < sizeof(needed) / sizeof(needed[0]); k++) {
            const char *value = sb_conf_tenant_str(conf, needed[k], tenant);

            if (!value || !*value) {
                return apr_psprintf(p, "tenant %s: %s is not set", tenant, needed[k]);
            }
        }
        state = sb_conf_tenant_str(conf, "edware.db.<tenant>.state_code", tenant);
        if (!is_state_code(state)) {
            return apr_psprintf(
                p, "tenant %s: edware.db.<tenant>.state_code: want two capital letters", tenant);
        }
        other = apr_hash_get(states, state, APR_HASH_KEY_STRING);
        if (other) {
            return apr_psprintf(p, "tenants %s and %s both have state_code %s", other, tenant,
                                state);
        }
        apr_hash_set(states, state, APR_HASH_KEY_STRING, tenant);
    }
    return NULL;
}

/* A tenant with a public copy is told of by its url; other keys alone make none. */
static const char *check_public(const sb_conf_t *conf, apr_pool_t *p)
{
    const apr_array_header_t *tenants = sb_tenants_public(conf, p);
    const char *secret = sb_conf_str(conf, "edware.public.secret");
    const char *complaint = tenants->nelts || secret ? sb_sid_secret_check(secret) : NULL;

    if (complaint) {
        return apr_psprintf(p, "edware.public.secret: %s", complaint);
    }
    for (int i = 0; i < tenants->nelts; i++) {
        const sb_tenant_t *t = &APR_ARRAY_IDX(tenants, i, const sb_tenant_t);

        if (!sb_conf_tenant_str(conf, "edware.public.db.<tenant>.schema_name", t->name)) {
            return apr_psprintf(p, "edware.public.db.%s.schema_name is not set", t->name);
        }
        if (!is_state_code(t->state_code)) {
            return apr_psprintf(p, "edware.public.db.%s.state_code: want two capital letters",
                                t->name);
        }
        for (int k = 0; k < i; k++) {
            const sb_tenant_t *other = &APR_ARRAY_IDX(tenants, k, const sb_tenant_t);

            if (!strcmp(t->state_code, other->state_code)) {
                return apr_psprintf(p, "public copies of %s and %s both have state_code %s",
                                    other->name, t->name, t->state_code);
            }
        }
    }
    return NULL;
}

static const char *set_ini(cmd_parms *cmd, void *dconf, const char *arg)
{
    conf_t *c = ap_get_module_config(cmd->server->module_config, &smarter_module);
    const char *complaint = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    sb_conf_t *conf = NULL;

    (void)dconf;
    if (complaint) {
        return complaint;
    }
    c->path = ap_server_root_relative(cmd->pool, arg);
    if (!c->path) {
        return apr_psprintf(cmd->pool, "%s: '%s' is no path", cmd->cmd->name, arg);
    }
    complaint = sb_conf_load(&conf, c->path, "app:main", cmd->pool);
    if (complaint) { /* it names the file already */
        return apr_psprintf(cmd->pool, "%s: %s", cmd->cmd->name, complaint);
    }
    c->conf = conf;
    complaint = check_tenants(conf, cmd->pool);
    if (!complaint) {
        complaint = check_public(conf, cmd->pool);
    }
    if (!complaint) {
        complaint = sb_signin_check(&c->signin, conf, cmd->pool);
    }
    if (!complaint) {
        complaint = smarter_services_monitors(
            &c->monitors, sb_conf_str(conf, "smarter.heartbeat.addresses"), cmd->pool);
    }
    if (!complaint) {
        complaint = sb_module_open_streams(conf, cmd->pool);
    }
    if (complaint) {
        return apr_psprintf(cmd->pool, "%s: %s: %s", cmd->cmd->name, c->path, complaint);
    }
    /* The loader's section is there only where web and loader share one file. */
    c->loader = sb_conf_load(&conf, c->path, "app", cmd->pool) ? NULL : conf;
    return NULL;
}

const command_rec smarter_cmds[] = {
    AP_INIT_TAKE1("SmarterIni", set_ini, NULL, RSRC_CONF,
                  "The application's ini file, absolute or relative to ServerRoot (no default)"),
    AP_INIT_TAKE1(NULL, NULL, NULL, RSRC_CONF, NULL),
};

/* ---- child processes --------------------------------------------------------------------------- */

static apr_status_t make_pool(sb_dbpool_t **ppool, const sb_conf_t *conf, const char *url,
                              const char *schema, int connections, apr_pool_t *p)
{
    sb_db_opts_t opts = {
        .schema = schema,
        .app = "mod_smarter",
        .max_connections = connections,
        .wait = sb_conf_interval(conf, "edware.db.pool_timeout"),
        .lease = sb_conf_interval(conf, "edware.db.request_timeout"),
        .connect_timeout = sb_conf_interval(conf, "edware.db.connect_timeout"),
        .statement_timeout = sb_conf_interval(conf, "edware.db.statement_timeout"),
        .no_prepare = !sb_conf_bool(conf, "edware.db.prepare"),
    };

    return sb_dbpool_make(ppool, sb_conf_db_url(url, p), &opts, p);
}

/* Where tenants are: keys with <tenant>. */
typedef struct {
    const char *url, *schema, *pool_size;
} keys_t;

static const keys_t private_keys = {"edware.db.<tenant>.url", "edware.db.<tenant>.schema_name",
                                    "edware.db.<tenant>.pool_size"};
static const keys_t public_keys = {"edware.public.db.<tenant>.url",
                                   "edware.public.db.<tenant>.schema_name",
                                   "edware.public.db.<tenant>.pool_size"};

/* @param ppools tenant -> sb_dbpool_t * */
static apr_status_t make_tenant_pools(apr_hash_t **ppools, const sb_conf_t *conf,
                                      const apr_array_header_t *tenants, const keys_t *keys,
                                      apr_pool_t *p)
{
    *ppools = apr_hash_make(p);
    for (int i = 0; i < tenants->nelts; i++) {
        const char *tenant = APR_ARRAY_IDX(tenants, i, sb_tenant_t).name;
        const char *size = sb_conf_tenant_str(conf, keys->pool_size, tenant);
        sb_dbpool_t *pool;
        apr_status_t rv =
            make_pool(&pool, conf, sb_conf_tenant_str(conf, keys->url, tenant),
                      sb_conf_tenant_str(conf, keys->schema, tenant), (int)apr_atoi64(size), p);

        if (rv != APR_SUCCESS) {
            return rv;
        }
        apr_hash_set(*ppools, tenant, APR_HASH_KEY_STRING, pool);
    }
    return APR_SUCCESS;
}

static apr_status_t make_pools(smarter_child_t *child)
{
    const sb_conf_t *conf = child->conf;
    const char *url = sb_conf_str(conf, "edware_stats.db.url");
    apr_pool_t *p = child->pool;
    apr_status_t rv = make_tenant_pools(&child->pools, conf, child->tenants, &private_keys, p);

    if (rv == APR_SUCCESS) {
        rv = make_tenant_pools(&child->public_pools, conf, child->public_tenants, &public_keys, p);
    }
    if (rv == APR_SUCCESS && sb_conf_str(conf, "jobs.db.url")) {
        rv = make_pool(&child->jobs, conf, sb_conf_str(conf, "jobs.db.url"),
                       sb_conf_str(conf, "jobs.db.schema_name"),
                       (int)sb_conf_int(conf, "jobs.db.pool_size"), p);
    }
    if (rv != APR_SUCCESS || !url) {
        return rv;
    }
    rv = make_pool(&child->stats, conf, url, sb_conf_str(conf, "edware_stats.db.schema_name"),
                   STATS_CONNECTIONS, p);
    return rv == APR_SUCCESS ? sb_generations_make(&child->generations, sb_conf_db_url(url, p),
                                                   sb_conf_str(conf, "edware_stats.db.schema_name"),
                                                   sb_conf_bool(conf, "edware.db.prepare"), p)
                             : rv;
}

/* An answer takes some hundred KB, which go back when it is sent. By default malloc would give such memory
 * back to the system each time, and every page of it would be a fault at the next request. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024); /* for each of at most eight arenas a core */
}

void smarter_conf_child_init(apr_pool_t *p, server_rec *s)
{
    conf_t *c = ap_get_module_config(s->module_config, &smarter_module);
    smarter_child_t *child;
    apr_status_t rv;

    if (!c->conf) {
        return;
    }
    keep_memory();
    child = apr_pcalloc(p, sizeof(*child));
    child->conf = c->conf;
    child->loader = c->loader;
    child->monitors = c->monitors;
    child->server = s;
    child->pool = p;
    child->tenants = sb_tenants(c->conf, p);
    child->public_tenants = sb_tenants_public(c->conf, p);
    rv = make_pools(child);
    if (rv == APR_SUCCESS) {
        rv = sb_cache_make(&child->data_cache, sb_conf_str(c->conf, "cache.data.url"), 0, p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_near_make(&child->near, (apr_size_t)sb_conf_bytes(c->conf, "cache.data.near"), p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_versions_make(&child->versions, p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_known_store_make(&child->known, p);
    }
    if (rv == APR_SUCCESS) {
        sb_signin_opts_t opts = {.conf = c->conf,
                                 .config = &c->signin,
                                 .tenants = child->tenants,
                                 .generations = child->generations,
                                 .app = "mod_smarter sign-in",
                                 .service = "reports"};

        rv = sb_signin_make(&child->signin, &opts, s, p);
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3001), rv, "this process cannot serve: starting it");
        return;
    }
    smarter_services_child_init(child);
    smarter_extract_child_init(child);
    smarter_openapi_child_init(child);
    c->child = child;
}

smarter_child_t *smarter_conf_child(server_rec *s)
{
    const conf_t *c = ap_get_module_config(s->module_config, &smarter_module);

    return c ? c->child : NULL;
}
