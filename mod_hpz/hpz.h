#ifndef HPZ_H
#define HPZ_H

/**
 * mod_hpz: the pickup zone. mod_hpz.c holds the hooks and the module record, hpz_conf.c the directives and
 * what a child process owns, hpz_routes.c the tables of addresses of its two faces, hpz_upload.c and
 * hpz_download.c what they are there for, hpz_services.c the rest. What it does is told in docs/pickup.md.
 *
 * Threads: what a child owns is made in child_init and constant afterwards, or has a lock of its own.
 * Everything else belongs to one request.
 */

#include <httpd.h>
#include <http_config.h>
#include "core/sb_conf.h"
#include "core/sb_places.h"
#include "pickup/sb_deposit.h"
#include "pickup/sb_depot.h"
#include "store/sb_db.h"
#include "store/sb_generation.h"
#include "web/sb_heartbeat.h"
#include "web/sb_routes.h"
#include "web/sb_signin.h"

extern module AP_MODULE_DECLARE_DATA hpz_module;

#define HPZ_HANDLER "hpz" /* as SetHandler says it */

typedef enum {
    HPZ_NO_FACE, /* a virtual host that does not say: nothing is there */
    HPZ_INTERNAL,
    HPZ_EXTERNAL
} hpz_face_t;

/** What one child process owns; in its pool. */
typedef struct {
    const sb_conf_t *conf;
    const apr_array_header_t *tenants; /* sb_tenant_t */
    sb_dbpool_t *db;
    sb_generations_t *generations; /* of sessions; NULL without statistics database */
    const sb_depot_t *depot;
    sb_signin_t *signin; /* NULL where there is no external face */
    const char *base;    /* https://host:port of the external face */
    apr_int64_t max_size;
    int days;
    int with_mail; /* owners are told by mail */
    sb_places_t *uploads, *downloads;
    sb_heartbeat_t *heartbeat;
    apr_pool_t *pool;
} hpz_child_t;

/** Of the process that answers this request. */
static inline hpz_child_t *hpz_child(const sb_req_t *q)
{
    return q->child;
}

/* ---- hpz_conf.c -------------------------------------------------------------------------------- */

extern const command_rec hpz_cmds[];
void *hpz_conf_create(apr_pool_t *p, server_rec *s);
void *hpz_conf_merge(apr_pool_t *p, void *base, void *more);
/** Judge what only the whole configuration shows. @return NULL or the complaint */
const char *hpz_conf_check(apr_pool_t *p, server_rec *s) SB_MUST_CHECK;
/** Make what this process owns. Failures are logged; the process then answers 503. */
void hpz_conf_child_init(apr_pool_t *p, server_rec *s);
/** NULL: no HpzIni, or the child could not be made ready. */
hpz_child_t *hpz_conf_child(const server_rec *s);
hpz_face_t hpz_conf_face(const server_rec *s);

/* ---- hpz_routes.c ------------------------------------------------------------------------------ */

/** Answers everything below the Locations that say "SetHandler hpz". */
int hpz_handler(request_rec *r);

/* ---- handlers ---------------------------------------------------------------------------------- */

int hpz_register(sb_req_t *q); /* PUT /registration */
int hpz_upload(sb_req_t *q);   /* POST /files/{id} */
int hpz_finish(sb_req_t *q);   /* POST /registration */
int hpz_remove(sb_req_t *q);   /* DELETE /files/{id} */

int hpz_cushion(sb_req_t *q);  /* GET /download/{id} */
int hpz_validate(sb_req_t *q); /* GET /validate/{id} */
int hpz_file(sb_req_t *q);     /* GET /file/{id} */

void hpz_services_child_init(hpz_child_t *child);
int hpz_home(sb_req_t *q);  /* GET / */
int hpz_error(sb_req_t *q); /* /error */
int hpz_ready(sb_req_t *q);
int hpz_heartbeat(sb_req_t *q);

/** Of mod_hpz.c, at its start: what hpz_file() sends answers through. */
void hpz_download_register(void);

#define HPZ_BUSY_SECS "10" /* Retry-After of who gets no place */

/** The audit stream is to say which registration a request is about. */
void hpz_audit_id(sb_req_t *q, const char *id);

/** A connection; goes back when the request ends. @return OK; DONE the answer is written */
int hpz_db(sb_db_t **pdb, sb_req_t *q);

#endif
