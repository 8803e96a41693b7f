#ifndef SMARTER_H
#define SMARTER_H

/**
 * mod_smarter: the reporting application. mod_smarter.c holds the hooks and the module record,
 * smarter_conf.c the directive and what a child process owns, smarter_routes.c the table of
 * addresses and the order of questions, smarter_params.c query and body, smarter_data.c,
 * smarter_public.c, smarter_services.c, smarter_openapi.c and smarter_admin.c the handlers,
 * smarter_auth.c sign-in and sign-out.
 *
 * Threads: what a child owns is made in child_init and constant afterwards, or has a lock of its
 * own. Everything else belongs to one request.
 */

#include <httpd.h>
#include <http_config.h>
#include <apr_hash.h>
#include "auth/sb_saml.h"
#include "auth/sb_session.h"
#include "core/sb_conf.h"
#include "report/sb_audit.h"
#include "report/sb_known.h"
#include "report/sb_openapi.h"
#include "report/sb_version.h"
#include "report/sb_params.h"
#include "store/sb_cache.h"
#include "store/sb_db.h"
#include "store/sb_generation.h"
#include "web/sb_web.h"

extern module AP_MODULE_DECLARE_DATA smarter_module;

#define SMARTER_HANDLER "smarter" /* as SetHandler says it */

typedef struct smarter_auth_t smarter_auth_t;           /* smarter_auth.c */
typedef struct smarter_heartbeat_t smarter_heartbeat_t; /* smarter_services.c */

/** What one child process owns; in its pool. */
typedef struct {
    const sb_conf_t *conf;             /* [app:main] of the ini */
    const sb_conf_t *loader;           /* [app], for the broker's address; NULL if there is none */
    const apr_array_header_t *tenants; /* sb_tenant_t */
    apr_hash_t *pools;                 /* tenant -> sb_dbpool_t * */
    sb_dbpool_t *stats;                /* statistics database; NULL not configured */
    sb_dbpool_t *signin;               /* of what may be used once at sign-in */
    sb_cache_t *data_cache;            /* NULL: reports are not cached */
    sb_near_t *near;                   /* parts of reports of this process; NULL: none */
    sb_versions_t *versions;           /* of the data */
    sb_generations_t *generations;     /* of both caches; NULL without stats */
    sb_known_store_t *known;           /* what reports remember of the states */
    const sb_saml_config_t *saml_config; /* read as root, in the parent */
    sb_session_store_t sessions;
    smarter_auth_t *auth;
    smarter_heartbeat_t *heartbeat;
    const char *openapi; /* the description of the API; NULL: it could not be made */
    apr_size_t openapi_len;

    const apr_array_header_t *public_tenants; /* sb_tenant_t: those with a public copy */
    apr_hash_t *public_pools;                 /* of these, under a role that reads nothing else */

    server_rec *server;
    apr_pool_t *pool;
} smarter_child_t;

/** One request on its way through the module. */
typedef struct {
    request_rec *r;
    smarter_child_t *child;
    const char *request_id;
    const char *rest;                /* the last segment, where the route has one: "/data/{name}" */
    const sb_session_t *session;     /* NULL: anonymous */
    const sb_identity_t *user;       /* session->identity; NULL: anonymous */
    const apr_array_header_t *query; /* sb_pair_t; NULL until smarter_params_query() */
    const char *type;                /* "content-type" of the query; NULL: the header counts */
    const sb_params_t *params;       /* judged ones; NULL until then */
    const char *callable;            /* what the audit stream calls it; the route's at first */
    int found;                       /* how many persons a search names; -1: it was no search */
    const char *denial; /* refused: what, and for want of which role; for the security stream, so
                                        without names and ids. NULL: not */
} smarter_req_t;

/* ---- smarter_conf.c -------------------------------------------------------------------------- */

extern const command_rec smarter_cmds[];
void *smarter_conf_create(apr_pool_t *p, server_rec *s);
/** In the parent, before processes are made: the memory they share. Failures are logged. */
apr_status_t smarter_conf_share(server_rec *s) SB_MUST_CHECK;
/** Make what this process owns. Failures are logged; the process then answers 503. */
void smarter_conf_child_init(apr_pool_t *p, server_rec *s);
/** NULL: no SmarterIni, or the child could not be made ready. */
smarter_child_t *smarter_conf_child(server_rec *s);

/* ---- smarter_routes.c ------------------------------------------------------------------------ */

/** Answers everything below the Locations that say "SetHandler smarter". */
int smarter_handler(request_rec *r);

/** The table for the description of the API. @return how many */
int smarter_routes_describe(const sb_openapi_route_t **proutes, apr_pool_t *p);

/* ---- smarter_params.c ------------------------------------------------------------------------ */

/** Decode the query into q->query and q->type. @return OK; DONE the answer is written */
int smarter_params_query(smarter_req_t *q) SB_MUST_CHECK;

/**
 * The body of a POST as JSON, within limits; of other methods it is not read. Wants the type
 * application/json, by the query's "content-type" or the header.
 * @param pbody NULL: there is none, or an empty one
 * @return OK; DONE the answer is written
 */
int smarter_params_body(sb_json_t **pbody, smarter_req_t *q) SB_MUST_CHECK;

/* ---- handlers -------------------------------------------------------------------------------- */

int smarter_data_list(smarter_req_t *q);
int smarter_data_describe(smarter_req_t *q);
int smarter_data_report(smarter_req_t *q);

/** For /public_data, where nobody need be signed in: report "public." + q->rest. */
int smarter_public_report(smarter_req_t *q);
int smarter_public_describe(smarter_req_t *q);
int smarter_public_short(smarter_req_t *q);      /* /public/{sid} */
int smarter_public_state_code(smarter_req_t *q); /* GET /services/tool/state_code/{state_code} */

void smarter_services_child_init(smarter_child_t *child);
int smarter_services_ready(smarter_req_t *q);
int smarter_services_heartbeat(smarter_req_t *q);
int smarter_services_userinfo(smarter_req_t *q);

void smarter_openapi_child_init(smarter_child_t *child);
int smarter_services_openapi(smarter_req_t *q);

int smarter_admin_flush(smarter_req_t *q);   /* DELETE /services/cache/{name} */
int smarter_admin_trigger(smarter_req_t *q); /* GET /services/trigger/{type} */

/* ---- smarter_auth.c -------------------------------------------------------------------------- */

/** Judge the sign-in part of the configuration, without Lasso (this runs in httpd's parent), and read
 *  the files it names.
 *  @return NULL or the complaint */
const char *smarter_auth_check(sb_saml_config_t **psaml, const sb_conf_t *conf,
                               apr_pool_t *p) SB_MUST_CHECK;

/** Session store, keys, Lasso: child->sessions (with its "ended" set before) and child->auth. */
apr_status_t smarter_auth_child_init(smarter_child_t *child) SB_MUST_CHECK;

/**
 * Who asks? Sets q->session and q->user from the session cookie.
 * @return APR_SUCCESS; APR_NOTFOUND nobody, expired or forged; SB_EUNAVAILABLE the session store
 */
apr_status_t smarter_auth_find(smarter_req_t *q) SB_MUST_CHECK;

/** Name of the session cookie of this installation. */
const char *smarter_auth_cookie_name(const smarter_child_t *child);

/** May this request change something? It comes from our own pages, or has the session's token, which
 *  userinfo tells, in X-CSRF-Token. */
int smarter_auth_may_change(const smarter_req_t *q);

/** Our address as browsers see it: "https://host:port". */
const char *smarter_auth_origin(const smarter_child_t *child);

/** Answer a request that needs a sign-in: pages are sent there, scripts get 401 with "redirect". */
int smarter_auth_required(smarter_req_t *q);

int smarter_auth_login(smarter_req_t *q);           /* GET /login */
int smarter_auth_saml_post(smarter_req_t *q);       /* POST /saml_post */
int smarter_auth_logout(smarter_req_t *q);          /* GET, POST /logout */
int smarter_auth_logout_redirect(smarter_req_t *q); /* GET /logout_redirect */
int smarter_auth_metadata(smarter_req_t *q);        /* GET /saml_metadata */

#endif
