#ifndef SMARTER_H
#define SMARTER_H

/**
 * mod_smarter: the reporting application. mod_smarter.c holds the hooks and the module record,
 * smarter_conf.c the directive and what a child process owns, smarter_routes.c the table of
 * addresses, smarter_data.c, smarter_extract.c, smarter_public.c, smarter_services.c,
 * smarter_openapi.c, smarter_jobs.c and smarter_admin.c the handlers. Signing in is web/sb_signin's.
 *
 * Threads: what a child owns is made in child_init and constant afterwards, or has a lock of its
 * own. Everything else belongs to one request.
 */

#include <httpd.h>
#include <http_config.h>
#include <apr_hash.h>
#include "core/sb_conf.h"
#include "report/sb_audit.h"
#include "report/sb_known.h"
#include "report/sb_openapi.h"
#include "report/sb_version.h"
#include "report/sb_params.h"
#include "store/sb_cache.h"
#include "store/sb_db.h"
#include "store/sb_generation.h"
#include "web/sb_heartbeat.h"
#include "web/sb_routes.h"
#include "web/sb_signin.h"

extern module AP_MODULE_DECLARE_DATA smarter_module;

#define SMARTER_HANDLER "smarter" /* as SetHandler says it */

typedef struct smarter_extracts_t smarter_extracts_t; /* smarter_extract.c */

/** What one child process owns; in its pool. */
typedef struct {
    const sb_conf_t *conf;             /* [app:main] of the ini */
    const sb_conf_t *loader;           /* [app], for the broker's address; NULL if there is none */
    const apr_array_header_t *tenants; /* sb_tenant_t */
    apr_hash_t *pools;                 /* tenant -> sb_dbpool_t * */
    sb_dbpool_t *stats;                /* statistics database; NULL not configured */
    sb_dbpool_t *jobs;                 /* database of jobs; NULL not configured */
    sb_cache_t *data_cache;            /* NULL: reports are not cached */
    sb_near_t *near;                   /* parts of reports of this process; NULL: none */
    sb_versions_t *versions;           /* of the data */
    sb_generations_t *generations;     /* of both caches; NULL without stats */
    sb_known_store_t *known;           /* what reports remember of the states */
    sb_signin_t *signin;               /* how people sign in */
    sb_heartbeat_t *heartbeat;
    smarter_extracts_t *extracts;       /* NULL: none can be made */
    const apr_array_header_t *monitors; /* apr_ipsubnet_t *: whom it tells all */
    const char *openapi;                /* the description of the API; NULL: it could not be made */
    apr_size_t openapi_len;

    const apr_array_header_t *public_tenants; /* sb_tenant_t: those with a public copy */
    apr_hash_t *public_pools;                 /* of these, under a role that reads nothing else */

    server_rec *server;
    apr_pool_t *pool;
} smarter_child_t;

/** Of the process that answers this request. */
static inline smarter_child_t *smarter_child(const sb_req_t *q)
{
    return q->child;
}

/* ---- smarter_conf.c -------------------------------------------------------------------------- */

extern const command_rec smarter_cmds[];
void *smarter_conf_create(apr_pool_t *p, server_rec *s);
/** Make what this process owns. Failures are logged; the process then answers 503. */
void smarter_conf_child_init(apr_pool_t *p, server_rec *s);
/** NULL: no SmarterIni, or the child could not be made ready. */
smarter_child_t *smarter_conf_child(server_rec *s);

/* ---- smarter_routes.c ------------------------------------------------------------------------ */

/** Answers everything below the Locations that say "SetHandler smarter". */
int smarter_handler(request_rec *r);

/** The table for the description of the API. @return how many */
int smarter_routes_describe(const sb_openapi_route_t **proutes, apr_pool_t *p);

/* ---- handlers -------------------------------------------------------------------------------- */

int smarter_data_list(sb_req_t *q);
int smarter_data_describe(sb_req_t *q);
int smarter_data_report(sb_req_t *q);

/** For /public_data, where nobody need be signed in: report "public." + q->rest. */
int smarter_public_report(sb_req_t *q);
int smarter_public_describe(sb_req_t *q);
int smarter_public_short(sb_req_t *q);      /* /public/{sid} */
int smarter_public_state_code(sb_req_t *q); /* GET /services/tool/state_code/{state_code} */

void smarter_services_child_init(smarter_child_t *child);
/** Addresses and networks of a text, apr_ipsubnet_t *. @return NULL or the complaint */
const char *smarter_services_monitors(const apr_array_header_t **pmonitors, const char *text,
                                      apr_pool_t *p) SB_MUST_CHECK;
int smarter_services_ready(sb_req_t *q);
int smarter_services_heartbeat(sb_req_t *q);
int smarter_services_userinfo(sb_req_t *q);

void smarter_extract_child_init(smarter_child_t *child);
int smarter_extract_results(sb_req_t *q); /* /services/extract */
int smarter_extract_items(sb_req_t *q);   /* and below it */
int smarter_extract_raw(sb_req_t *q);
int smarter_extract_statistics(sb_req_t *q);
int smarter_extract_completion(sb_req_t *q);

void smarter_openapi_child_init(smarter_child_t *child);
int smarter_services_openapi(sb_req_t *q);

extern const sb_param_t smarter_jobs_params[];
int smarter_jobs_list(sb_req_t *q);   /* GET /services/jobs */
int smarter_jobs_show(sb_req_t *q);   /* GET /services/jobs/{job_id} */
int smarter_jobs_delete(sb_req_t *q); /* DELETE /services/jobs/{job_id} */

int smarter_admin_flush(sb_req_t *q);   /* DELETE /services/cache/{name} */
int smarter_admin_trigger(sb_req_t *q); /* GET /services/trigger/{type} */

#endif
