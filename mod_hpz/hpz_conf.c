/**
 * The directives HpzIni and HpzFace, and what a child process owns.
 */

#include "hpz.h"

#include <string.h>
#include <apr_strings.h>
#include <ap_mpm.h>
#include <http_log.h>
#include "core/sb_log.h"
#include "pickup/sb_pickup_mail.h"
#include "web/sb_module.h"

#define STATEMENT_TIMEOUT apr_time_from_sec(10) /* a row, by its key */
/* An upload borrows a connection twice, for a moment each; no request keeps one while bytes flow. */
#define LEASE apr_time_from_sec(30)

/* Of the whole server: there is one HpzIni. */
typedef struct {
    const char *path;
    const sb_conf_t *conf;
    sb_signin_config_t signin;
    int is_external;    /* a virtual host shows that face: people sign in */
    hpz_child_t *child; /* NULL in the parent */
} shared_t;

/* Of a virtual host. */
typedef struct {
    shared_t *shared;
    hpz_face_t face;
} conf_t;

void *hpz_conf_create(apr_pool_t *p, server_rec *s)
{
    conf_t *c = apr_pcalloc(p, sizeof(*c));

    if (!s->is_virtual) {
        c->shared = apr_pcalloc(p, sizeof(*c->shared));
    }
    return c;
}

void *hpz_conf_merge(apr_pool_t *p, void *base, void *more)
{
    const conf_t *whole = base, *host = more;
    conf_t *c = apr_pcalloc(p, sizeof(*c));

    c->shared = whole->shared;
    c->face = host->face; /* not inherited: who does not say shows nothing */
    return c;
}

/* ---- reading: in the parent, at start, reload and "httpd -t" ----------------------------------- */

static const char *set_ini(cmd_parms *cmd, void *dconf, const char *arg)
{
    conf_t *c = ap_get_module_config(cmd->server->module_config, &hpz_module);
    const char *complaint = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    sb_conf_t *conf = NULL;

    (void)dconf;
    if (complaint) {
        return complaint;
    }
    c->shared->path = ap_server_root_relative(cmd->pool, arg);
    if (!c->shared->path) {
        return apr_psprintf(cmd->pool, "%s: '%s' is no path", cmd->cmd->name, arg);
    }
    complaint = sb_conf_load(&conf, c->shared->path, "app:main", cmd->pool);
    if (complaint) { /* it names the file already */
        return apr_psprintf(cmd->pool, "%s: %s", cmd->cmd->name, complaint);
    }
    c->shared->conf = conf;
    if (!sb_conf_str(conf, "hpz.db.url")) {
        complaint = "hpz.db.url is not set: want the database of the pickup zone";
    }
    else if (!sb_conf_str(conf, "hpz.frs.download_base_url")) {
        complaint =
            "hpz.frs.download_base_url is not set: want the https address of the external face";
    }
    else {
        complaint = sb_module_open_streams(conf, cmd->pool);
    }
    return complaint
               ? apr_psprintf(cmd->pool, "%s: %s: %s", cmd->cmd->name, c->shared->path, complaint)
               : NULL;
}

static const char *set_face(cmd_parms *cmd, void *dconf, const char *arg)
{
    conf_t *c = ap_get_module_config(cmd->server->module_config, &hpz_module);

    (void)dconf;
    if (!cmd->server->is_virtual) {
        return apr_psprintf(cmd->pool, "%s: want it inside a <VirtualHost>", cmd->cmd->name);
    }
    if (!strcasecmp(arg, "internal")) {
        c->face = HPZ_INTERNAL;
        return NULL;
    }
    if (!strcasecmp(arg, "external")) {
        c->face = HPZ_EXTERNAL;
        return NULL;
    }
    return apr_psprintf(cmd->pool, "%s: '%s' is neither internal nor external", cmd->cmd->name,
                        arg);
}

const command_rec hpz_cmds[] = {
    AP_INIT_TAKE1("HpzIni", set_ini, NULL, RSRC_CONF,
                  "The pickup zone's ini file, absolute or relative to ServerRoot (no default)"),
    AP_INIT_TAKE1("HpzFace", set_face, NULL, RSRC_CONF,
                  "What a virtual host shows: internal (uploads) or external (downloads); no "
                  "default: nothing"),
    AP_INIT_TAKE1(NULL, NULL, NULL, RSRC_CONF, NULL),
};

/* Only now is it known whether people come here, who must be able to sign in. */
const char *hpz_conf_check(apr_pool_t *p, server_rec *s)
{
    const conf_t *main = ap_get_module_config(s->module_config, &hpz_module);
    shared_t *shared = main->shared;
    const char *complaint;

    shared->is_external = 0;
    for (; s && shared->conf; s = s->next) {
        if (hpz_conf_face(s) == HPZ_EXTERNAL) {
            shared->is_external = 1;
            complaint = sb_signin_check(&shared->signin, shared->conf, p);
            return complaint ? apr_psprintf(p, "HpzIni: %s: %s", shared->path, complaint) : NULL;
        }
    }
    return NULL;
}

/* ---- child processes --------------------------------------------------------------------------- */

/* The pickup zone reads no production: states are known by their codes alone. */
static const apr_array_header_t *tenants_of(const sb_conf_t *conf, apr_pool_t *p)
{
    static const char code[] = "edware.db.<tenant>.state_code";
    const apr_array_header_t *names = sb_conf_names(conf, code, p);
    apr_array_header_t *tenants = apr_array_make(p, names->nelts, sizeof(sb_tenant_t));

    for (int i = 0; i < names->nelts; i++) {
        sb_tenant_t t = {.name = APR_ARRAY_IDX(names, i, const char *)};

        t.state_code = sb_conf_tenant_str(conf, code, t.name);
        APR_ARRAY_PUSH(tenants, sb_tenant_t) = t;
    }
    return tenants;
}

static apr_status_t make_db(sb_dbpool_t **ppool, const sb_conf_t *conf, const char *url,
                            const char *schema, int connections, apr_pool_t *p)
{
    sb_db_opts_t opts = {
        .schema = schema,
        .app = "mod_hpz",
        .max_connections = connections,
        .wait = sb_conf_interval(conf, "edware.db.pool_timeout"),
        .lease = LEASE,
        .connect_timeout = sb_conf_interval(conf, "edware.db.connect_timeout"),
        .statement_timeout = STATEMENT_TIMEOUT,
        .no_prepare = !sb_conf_bool(conf, "edware.db.prepare"),
    };

    return sb_dbpool_make(ppool, sb_conf_db_url(url, p), &opts, p);
}

/* Sessions are those of the reporting application where both know the same statistics and secret. */
static apr_status_t make_sign_in(hpz_child_t *child, const sb_signin_config_t *config,
                                 server_rec *s)
{
    const char *stats = sb_conf_str(child->conf, "edware_stats.db.url");
    const char *schema = sb_conf_str(child->conf, "edware_stats.db.schema_name");
    sb_signin_opts_t opts = {.conf = child->conf,
                             .config = config,
                             .tenants = child->tenants,
                             .app = "mod_hpz sign-in",
                             .service = "pickup"};
    apr_status_t rv = APR_SUCCESS;

    if (stats) {
        rv = sb_generations_make(&child->generations, sb_conf_db_url(stats, child->pool), schema,
                                 sb_conf_bool(child->conf, "edware.db.prepare"), child->pool);
    }
    if (rv == APR_SUCCESS) {
        opts.generations = child->generations;
        rv = sb_signin_make(&child->signin, &opts, s, child->pool);
    }
    return rv;
}

/* How many may be under way by a key. Each holds a thread, and a quarter of these is for others: without it a
 * process that is busy with files would not even say so. */
static int most_of(const sb_conf_t *conf, const char *key)
{
    int most = (int)sb_conf_int(conf, key), threads = 0;

    if (ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) != APR_SUCCESS || threads < 2 ||
        most <= threads - threads / 4) {
        return most;
    }
    sb_log(SB_LOG_NOTICE, SBLOGNO(3226), SB_NO_STATUS,
           "%s = %d: %d are taken for it, of a process's %d threads", key, most,
           threads - threads / 4, threads);
    return threads - threads / 4;
}

static apr_status_t make_places(hpz_child_t *child)
{
    int uploads = most_of(child->conf, "hpz.frs.max_uploads");
    int downloads = most_of(child->conf, "hpz.frs.max_downloads");
    int each = (int)sb_conf_int(child->conf, "hpz.frs.max_downloads_per_user");
    apr_status_t rv = sb_places_make(&child->uploads, uploads, 0, child->pool);

    return rv == APR_SUCCESS ? sb_places_make(&child->downloads, downloads, each, child->pool) : rv;
}

void hpz_conf_child_init(apr_pool_t *p, server_rec *s)
{
    const conf_t *c = ap_get_module_config(s->module_config, &hpz_module);
    const sb_conf_t *conf = c->shared->conf;
    const char *where;
    hpz_child_t *child;
    apr_status_t rv;

    if (!conf) {
        return;
    }
    child = apr_pcalloc(p, sizeof(*child));
    child->conf = conf;
    child->pool = p;
    child->tenants = tenants_of(conf, p);
    child->base = sb_pickup_origin(conf, p);
    child->max_size = sb_conf_bytes(conf, "hpz.frs.file_size_limit");
    child->days = (int)sb_conf_int(conf, "hpz.record_expiration");
    child->with_mail = sb_pickup_mail_is_on(conf);
    where = sb_conf_str(conf, "hpz.frs.upload_base_path");
    rv = sb_depot_open(&child->depot, where, p);
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3200), rv, "hpz.frs.upload_base_path = %s", where);
    }
    if (rv == APR_SUCCESS) {
        rv = make_places(child);
    }
    if (rv == APR_SUCCESS) {
        rv = make_db(&child->db, conf, sb_conf_str(conf, "hpz.db.url"),
                     sb_conf_str(conf, "hpz.db.schema_name"),
                     (int)sb_conf_int(conf, "hpz.db.pool_size"), p);
    }
    if (rv == APR_SUCCESS && c->shared->is_external) {
        rv = make_sign_in(child, &c->shared->signin, s);
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3201), rv, "this process cannot serve: starting it");
        return;
    }
    hpz_services_child_init(child);
    c->shared->child = child;
}

hpz_child_t *hpz_conf_child(const server_rec *s)
{
    const conf_t *c = ap_get_module_config(s->module_config, &hpz_module);

    return c && c->shared ? c->shared->child : NULL;
}

hpz_face_t hpz_conf_face(const server_rec *s)
{
    const conf_t *c = ap_get_module_config(s->module_config, &hpz_module);

    return c ? c->face : HPZ_NO_FACE;
}
