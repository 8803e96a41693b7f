/* Tenants as the ini has them, and what adding and removing share: see sb_tenant.h. */

#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_spawn.h"
#include "report/sb_operator.h"
#include "tenant/sb_tenant_keys.h"

#define RELOAD_TIMEOUT apr_time_from_sec(120)
#define MAIN "app:main"
#define APP "app"

const sb_tenant_key_t sb_tenant_keys[] = {
    {MAIN, "edware.db.<tenant>.url", SB_TENANT_WEB_URL},
    {MAIN, "edware.db.<tenant>.schema_name", SB_TENANT_SCHEMA},
    {MAIN, "edware.db.<tenant>.state_code", SB_TENANT_STATE},
    {MAIN, "migrate_source.db.<tenant>.url", SB_TENANT_LOADER_URL},
    {MAIN, "migrate_dest.db.<tenant>.url", SB_TENANT_LOADER_URL},
    {MAIN, "migrate_dest.db.<tenant>.schema_name", SB_TENANT_SCHEMA},
    {APP, "target_db_conn.<tenant>.url", SB_TENANT_LOADER_URL},
    {APP, "prod_db_conn.<tenant>.url", SB_TENANT_LOADER_URL},
    {APP, "prod_db_conn.<tenant>.db_schema", SB_TENANT_SCHEMA},
    {APP, "tenant.<tenant>.state_code", SB_TENANT_STATE},
    {APP, "tenant.<tenant>.senders", SB_TENANT_SENDERS},
    {APP, "tenant.<tenant>.require_signature", SB_TENANT_SIGNED},
    {NULL, NULL, SB_TENANT_STATE}};

const char *sb_tenant_key(const sb_tenant_key_t *key, const char *tenant, apr_pool_t *p)
{
    const char *open = strchr(key->name, '<');

    return apr_pstrcat(p, sb_tenant_family(key, p), tenant, strchr(open, '>') + 1, NULL);
}

const char *sb_tenant_family(const sb_tenant_key_t *key, apr_pool_t *p)
{
    return apr_pstrmemdup(p, key->name, strcspn(key->name, "<"));
}

/* ---- reading ------------------------------------------------------------------------------------- */

static const sb_conf_t *section(const sb_tenant_conf_t *conf, const sb_tenant_key_t *key)
{
    return strcmp(key->section, MAIN) ? conf->loader : conf->web;
}

static const char *text(const sb_conf_t *conf, const char *name, const char *tenant)
{
    return sb_conf_tenant_str(conf, name, tenant);
}

static void read_one(sb_tenant_entry_t *t, const sb_tenant_conf_t *conf, const char *name,
                     apr_pool_t *p)
{
    const sb_tenant_key_t *k;

    memset(t, 0, sizeof *t);
    t->name = apr_pstrdup(p, name);
    t->state = text(conf->web, "edware.db.<tenant>.state_code", name);
    t->schema = text(conf->web, "edware.db.<tenant>.schema_name", name);
    t->web_url = text(conf->web, "edware.db.<tenant>.url", name);
    t->loader_url = text(conf->web, "migrate_dest.db.<tenant>.url", name);
    t->batch_url = text(conf->loader, "target_db_conn.<tenant>.url", name);
    t->senders = sb_conf_list(conf->loader, apr_pstrcat(p, "tenant.", name, ".senders", NULL), p);
    t->require_signature =
        sb_conf_bool(conf->loader, apr_pstrcat(p, "tenant.", name, ".require_signature", NULL));
    for (k = sb_tenant_keys; k->name; k++) {
        if (!text(section(conf, k), k->name, name)) {
            t->missing = apr_pstrcat(p, t->missing ? t->missing : "", t->missing ? ", " : "",
                                     sb_tenant_key(k, name, p), NULL);
        }
    }
}

const sb_tenant_entry_t *sb_tenant_find(const sb_tenant_conf_t *conf, const char *name,
                                        apr_pool_t *p)
{
    const apr_array_header_t *all = sb_tenant_all(conf, p);
    int i;

    for (i = 0; i < all->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(all, i, sb_tenant_entry_t).name, name)) {
            return &APR_ARRAY_IDX(all, i, sb_tenant_entry_t);
        }
    }
    return NULL;
}

static int is_in(const apr_array_header_t *tenants, const char *name)
{
    int i;

    for (i = 0;
         i < tenants->nelts && strcmp(APR_ARRAY_IDX(tenants, i, sb_tenant_entry_t).name, name);
         i++) {
    }
    return i < tenants->nelts;
}

/* A tenant is whatever any of the keys names: one that is only half there is to be seen. */
const apr_array_header_t *sb_tenant_all(const sb_tenant_conf_t *conf, apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 4, sizeof(sb_tenant_entry_t));
    const sb_tenant_key_t *k;
    int i, j;

    for (k = sb_tenant_keys; k->name; k++) {
        const apr_array_header_t *names = sb_conf_names(section(conf, k), k->name, p);

        for (i = 0; i < names->nelts; i++) {
            sb_tenant_entry_t t;

            if (is_in(all, APR_ARRAY_IDX(names, i, const char *))) {
                continue;
            }
            read_one(&t, conf, APR_ARRAY_IDX(names, i, const char *), p);
            apr_array_push(all);
            for (j = all->nelts - 1;
                 j > 0 && strcmp(APR_ARRAY_IDX(all, j - 1, sb_tenant_entry_t).name, t.name) > 0;
                 j--) {
                APR_ARRAY_IDX(all, j, sb_tenant_entry_t) =
                    APR_ARRAY_IDX(all, j - 1, sb_tenant_entry_t);
            }
            APR_ARRAY_IDX(all, j, sb_tenant_entry_t) = t;
        }
    }
    return all;
}

const char *sb_tenant_url_shown(const char *url, apr_pool_t *p)
{
    const char *host = url ? strstr(url, "://") : NULL, *at, *colon;
    apr_size_t len;

    if (!host) {
        return "(none)";
    }
    len = strcspn(url, "?"); /* parameters may hold a password as well */
    url = apr_pstrmemdup(p, url, len);
    host = strstr(url, "://") + 3;
    at = strrchr(host, '@');
    colon = strchr(host, ':');
    return at && colon && colon < at
               ? apr_pstrcat(p, apr_pstrmemdup(p, url, (apr_size_t)(colon - url)), at, NULL)
               : url;
}

/* ---- shared steps ------------------------------------------------------------------------------------ */

const char *sb_tenant_connect(sb_db_t **pdb, const char *what, const char *url, const char *schema,
                              apr_pool_t *p)
{
    sb_db_opts_t opts = {.app = "smarter tenant", .schema = schema};

    return sb_db_open(pdb, sb_conf_db_url(url, p), &opts, p) == APR_SUCCESS
               ? NULL
               : apr_psprintf(p, "%s, %s: the database does not answer, or refuses", what,
                              sb_tenant_url_shown(url, p));
}

void sb_tenant_pickup(const char *name, const char *state, sb_tenant_say_fn *say,
                      const sb_tenant_conf_t *conf, apr_pool_t *p)
{
    const char *key = apr_pstrcat(p, "edware.db.", name, ".state_code", NULL);

    if (sb_conf_str(conf->web, "hpz.file_registration_url")) {
        say("pickup zone",
            state ? apr_pstrcat(p, "put into its own ini, and reload it: ", key, " = ", state, NULL)
                  : apr_pstrcat(p, "take out of its own ini, and reload it: ", key, NULL));
    }
}

/* Whoever keeps what he read of the tenants. */
#define BY_HAND                                                                                    \
    "SIGHUP to trigger, workers, extract workers, conductor, notifier and watcher, and "           \
    "apachectl graceful"

const char *sb_tenant_reload(int wanted, int dry_run, sb_tenant_say_fn *say,
                             const sb_tenant_conf_t *conf, apr_pool_t *p)
{
    const char *command = sb_conf_str(conf->web, "operator.reload");
    sb_spawn_t what = {.timeout = RELOAD_TIMEOUT};
    sb_spawned_t how;
    char **argv, buf[200];
    apr_status_t rv;

    if (!wanted || !command) {
        say("reload", wanted ? "operator.reload is not set; do it yourself: " BY_HAND
                             : "now: " BY_HAND "; on every machine, with its ini");
        return NULL;
    }
    say("reload", command);
    if (dry_run) {
        return NULL;
    }
    if (apr_tokenize_to_argv(command, &argv, p) != APR_SUCCESS || !argv[0] || *argv[0] != '/') {
        return "operator.reload: want a command by its absolute path";
    }
    what.argv = (const char *const *)argv;
    rv = sb_spawn(&how, &what, p);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "operator.reload: %s", sb_strerror(rv, buf, sizeof buf));
    }
    return how.status
               ? apr_psprintf(p, "operator.reload ended with status %d: %s", how.status, how.said)
               : NULL;
}

const char *sb_tenant_note(const char *action, const char *tenant, const char *detail,
                           const sb_tenant_conf_t *conf, apr_pool_t *p)
{
    const char *url = sb_conf_str(conf->loader, "udl2_db_conn.url"), *problem;
    sb_db_t *db;

    problem = sb_stream_open(SB_STREAM_AUDIT, sb_conf_str(conf->web, "logging.audit"), p);
    if (!problem && !url) {
        problem = "udl2_db_conn.url is not set";
    }
    if (!problem) {
        problem = sb_tenant_connect(&db, "noting it", url, NULL, p);
    }
    if (!problem &&
        sb_operator_note(db, sb_conf_str(conf->loader, "udl2_db_conn.db_schema"),
                         sb_operator_name(p), action, tenant, NULL, detail, p) != APR_SUCCESS) {
        problem = apr_psprintf(p, "operator_action: %s", sb_db_error(db));
    }
    return problem;
}

const char *sb_tenant_zone(const sb_tenant_conf_t *conf, const char *zone, const char *tenant,
                           apr_pool_t *p)
{
    return apr_pstrcat(p, sb_conf_str(conf->loader, apr_pstrcat(p, "zones.", zone, NULL)), "/",
                       tenant, NULL);
}
