/* The loader's settings for one tenant: see sb_udl_conf.h. */

#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "udl/sb_udl_conf.h"

#define TENANT_MAX 32

int sb_udl_is_tenant(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    apr_size_t len = strlen(text);

    return len > 0 && len <= TENANT_MAX && strchr(letters, *text) &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static const char *tenant_key(apr_pool_t *p, const char *tenant, const char *last)
{
    return apr_pstrcat(p, "tenant.", tenant, ".", last, NULL);
}

static const char *const *texts(const apr_array_header_t *list, apr_pool_t *p)
{
    const char **all = apr_pcalloc(p, sizeof *all * (apr_size_t)(list->nelts + 1));
    int i;

    for (i = 0; i < list->nelts; i++) {
        all[i] = APR_ARRAY_IDX(list, i, const char *);
    }
    return all;
}

static const char *db_url(const sb_conf_t *ini, const char *key, apr_pool_t *p)
{
    const char *url = sb_conf_str(ini, key);

    return url ? sb_conf_db_url(url, p) : NULL;
}

const char *sb_udl_conf_read(const sb_udl_conf_t **pconf, const sb_conf_t *ini, const char *tenant,
                             apr_pool_t *p)
{
    sb_udl_conf_t *conf = apr_pcalloc(p, sizeof *conf);
    const char *url, *problem;

    *pconf = conf;
    if (!sb_udl_is_tenant(tenant)) {
        return apr_psprintf(p, "'%.40s' is no tenant", tenant);
    }
    url = sb_conf_tenant_str(ini, "target_db_conn.<tenant>.url", tenant);
    if (!url) {
        return apr_psprintf(p, "unknown tenant '%s': %s has no target_db_conn.%s.url", tenant,
                            sb_conf_path(ini), tenant);
    }
    conf->tenant = apr_pstrdup(p, tenant);
    conf->target_urls = texts(sb_conf_db_urls(url, p), p);
    conf->udl_url = db_url(ini, "udl2_db_conn.url", p);
    conf->udl_schema = sb_conf_str(ini, "udl2_db_conn.db_schema");
    conf->stats_url = db_url(ini, "edware_stats.db.url", p);
    conf->stats_schema = sb_conf_str(ini, "edware_stats.db.schema_name");
    if (!conf->udl_url || !conf->stats_url) {
        return apr_psprintf(p, "%s: udl2_db_conn.url and edware_stats.db.url are needed",
                            sb_conf_path(ini));
    }
    conf->arrivals = sb_conf_str(ini, "zones.arrivals");
    conf->work = sb_conf_str(ini, "zones.work");
    conf->history = sb_conf_str(ini, "zones.history");
    conf->reports_dir = sb_conf_tenant_str(ini, "tenant.<tenant>.reports_dir", tenant);
    conf->gpg_home = sb_conf_str(ini, "gpg_home");
    conf->passphrase = sb_conf_str(ini, "passphrase");
    conf->state_code = sb_conf_tenant_str(ini, "tenant.<tenant>.state_code", tenant);
    conf->senders = texts(sb_conf_list(ini, tenant_key(p, tenant, "senders"), p), p);
    conf->require_signature = sb_conf_bool(ini, tenant_key(p, tenant, "require_signature"));
    conf->max_package_bytes = sb_conf_bytes(ini, "udl2.max_package_bytes");
    conf->max_unpacked_bytes = sb_conf_bytes(ini, "udl2.max_unpacked_bytes");
    conf->max_members = (int)sb_conf_int(ini, "udl2.max_members");
    conf->max_ratio = (int)sb_conf_int(ini, "udl2.max_ratio");
    conf->max_rejected_rows = (int)sb_conf_int(ini, "udl2.max_rejected_rows");
    conf->keep_failed_schema = sb_conf_interval(ini, "udl2.failed_schema_keep") > 0;
    conf->notification_max_attempts = (int)sb_conf_int(ini, "notification_max_attempts");
    conf->notification_retry_secs =
        apr_time_sec(sb_conf_interval(ini, "notification_retry_interval"));
    conf->notification_timeout_secs =
        apr_time_sec(sb_conf_interval(ini, "notification_timeout_interval"));
    problem =
        sb_udl_policy_make(&conf->policy, sb_conf_list(ini, tenant_key(p, tenant, "policy"), p), p);
    return problem ? apr_psprintf(p, "%s: tenant.%s.policy: %s", sb_conf_path(ini), tenant, problem)
                   : NULL;
}

apr_status_t sb_udl_conf_target(sb_db_t **pdb, const sb_udl_conf_t *conf, const char *app,
                                apr_pool_t *p)
{
    sb_db_opts_t opts = {.app = app};
    apr_status_t rv = SB_EUNAVAILABLE;
    int i;

    *pdb = NULL;
    for (i = 0; conf->target_urls[i]; i++) {
        rv = sb_db_open(pdb, conf->target_urls[i], &opts, p);
        if (rv == APR_SUCCESS) {
            break;
        }
        sb_log(SB_LOG_DEBUG, SBLOGNO(2229), rv, "tenant %s: target database %d does not answer",
               conf->tenant, i + 1);
    }
    return rv;
}
