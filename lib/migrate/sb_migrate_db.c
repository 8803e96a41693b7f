/* Which database is where: see sb_migrate_db.h. */

#include "config.h"

#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "migrate/sb_migrate_db.h"

static apr_status_t open_db(sb_db_t **pdb, const sb_migrate_db_t *where, const char *url,
                            const char *schema)
{
    sb_db_opts_t opts = {.schema = schema, .app = where->app, .no_prepare = 1};

    return sb_db_open(pdb, sb_conf_db_url(url, where->p), &opts, where->p);
}

/* what: for the complaint; keys: the first that is set counts; ended by NULL */
static apr_status_t open_first(sb_db_t **pdb, const sb_migrate_db_t *where, const char *what,
                               const char *schema, const char *const *keys)
{
    const char *url = NULL;
    apr_status_t rv;
    int i;

    *pdb = NULL;
    for (i = 0; !url && keys[i]; i++) {
        url = sb_conf_str(where->conf, keys[i]);
    }
    if (!url) {
        *where->perror = apr_pstrcat(where->p, keys[0], ": is not set", NULL);
        return SB_ECONFIG;
    }
    rv = open_db(pdb, where, url, schema);
    if (rv != APR_SUCCESS) {
        *where->perror = apr_pstrcat(where->p, what, ": no answer", NULL);
    }
    return rv;
}

apr_status_t sb_migrate_db_stats(sb_db_t **pdb, const sb_migrate_db_t *where)
{
    static const char *const keys[] = {"migrate_stats.db.url", "edware_stats.db.url", NULL};

    return open_first(pdb, where, "statistics database",
                      sb_conf_str(where->conf, "edware_stats.db.schema_name"), keys);
}

apr_status_t sb_migrate_db_loader(sb_db_t **pdb, const sb_migrate_db_t *where)
{
    static const char *const keys[] = {"migrate_errors.db.url", "migrate_stats.db.url",
                                       "edware_stats.db.url", NULL};

    return open_first(pdb, where, "the loader's database",
                      sb_conf_str(where->conf, "migrate_errors.db.schema_name"), keys);
}

apr_status_t sb_migrate_db_production(sb_db_t **pdb, const char **pschema,
                                      const sb_migrate_db_t *where, const char *tenant)
{
    const char *url = sb_conf_tenant_str(where->conf, "migrate_dest.db.<tenant>.url", tenant);
    apr_status_t rv;

    *pdb = NULL;
    *pschema = sb_conf_tenant_str(where->conf, "migrate_dest.db.<tenant>.schema_name", tenant);
    if (!url) {
        *where->perror = apr_pstrcat(where->p, "tenant ", tenant, ": not configured", NULL);
        return APR_NOTFOUND;
    }
    if (!*pschema) {
        *where->perror =
            apr_pstrcat(where->p, "migrate_dest.db.", tenant, ".schema_name: is not set", NULL);
        return SB_ECONFIG;
    }
    rv = open_db(pdb, where, url, *pschema);
    if (rv != APR_SUCCESS) {
        *where->perror = apr_pstrcat(where->p, "database of tenant ", tenant, ": no answer", NULL);
    }
    return rv;
}

int sb_migrate_db_sources(apr_array_header_t **pdbs, const sb_migrate_db_t *where,
                          const char *tenant)
{
    const char *production =
        sb_conf_tenant_str(where->conf, "migrate_dest.db.<tenant>.url", tenant);
    const char *urls = sb_conf_tenant_str(where->conf, "migrate_source.db.<tenant>.url", tenant);
    const apr_array_header_t *list = sb_conf_db_urls(urls ? urls : "", where->p);
    int i, silent = 0;

    *pdbs = apr_array_make(where->p, 2, sizeof(sb_db_t *));
    for (i = 0; i < list->nelts; i++) {
        const char *url = APR_ARRAY_IDX(list, i, const char *);
        sb_db_t *db;
        apr_status_t rv;

        if (!strcmp(url, sb_conf_db_url(production, where->p))) {
            continue;
        }
        rv = open_db(&db, where, url, NULL);
        if (rv == APR_SUCCESS) {
            APR_ARRAY_PUSH(*pdbs, sb_db_t *) = db;
        }
        else {
            silent++;
            sb_log(SB_LOG_WARN, SBLOGNO(2410), rv,
                   "tenant %s: pre-production database %d does not answer", tenant, i + 1);
        }
    }
    return silent;
}
