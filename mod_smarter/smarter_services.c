/**
 * /services: is this process ready, does the whole chain answer, who am I.
 */

#include "smarter.h"

#include <string.h>
#include <apr_network_io.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "mq/sb_mq.h"

static int send_json(sb_req_t *q, int status, sb_jw_t *w)
{
    apr_size_t len;
    const char *json = sb_jw_text(w, &len);

    apr_table_setn(q->r->headers_out, "Cache-Control", "no-store");
    return sb_web_send(q->r, status, "application/json; charset=UTF-8", json, len);
}

/* ---- ready: for the balancer, asks nobody ------------------------------------------------------ */

int smarter_services_ready(sb_req_t *q)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "status", "ready"); /* a process that is not has no child and answers 503 */
    sb_jw_end(w);
    return send_json(q, HTTP_OK, w);
}

/* ---- heartbeat: for people and monitors, asks everybody ---------------------------------------- */

#define DATABASE_WAIT apr_time_from_sec(3)
#define BROKER_WAIT apr_time_from_sec(3)

void smarter_services_child_init(smarter_child_t *child)
{
    apr_status_t rv = sb_heartbeat_make(&child->heartbeat, child->pool);

    if (rv != APR_SUCCESS) { /* each question for it will fail */
        sb_log(SB_LOG_ERROR, SBLOGNO(3031), rv, "heartbeat");
    }
}

static apr_status_t ask_database(sb_dbpool_t *pool, apr_pool_t *p)
{
    static const sb_stmt_t st = {"heartbeat", 0, "SELECT 1"};
    apr_status_t rv;
    sb_rows_t *rows;
    sb_db_t *db;

    rv = sb_dbpool_get(&db, pool, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_db_limit(db, DATABASE_WAIT);
    return sb_db_query(&rows, db, &st, NULL, p);
}

static apr_status_t ask_broker(const char *url, apr_pool_t *p)
{
    sb_mq_opts_t opts = {.connect_timeout = BROKER_WAIT};
    apr_status_t rv;
    sb_mq_t *mq;

    rv = sb_mq_open(&mq, url, &opts, p);
    if (rv == APR_SUCCESS) {
        sb_mq_close(mq);
    }
    return rv;
}

/* One line of the finding. The log says what is wrong, the answer only that it is. */
static int enter(sb_jw_t *w, const char *what, apr_status_t rv, double start)
{
    char why[200];

    sb_jw_object(w, NULL);
    sb_jw_str(w, "name", what);
    sb_jw_bool(w, "ok", rv == APR_SUCCESS);
    sb_jw_int(w, "ms", (apr_int64_t)((sb_time_monotonic() - start) * 1000));
    if (rv != APR_SUCCESS) {
        sb_jw_str(w, "problem", sb_strerror(rv, why, sizeof(why)));
        sb_log(SB_LOG_ERROR, SBLOGNO(3030), rv, "heartbeat: %s", what);
    }
    sb_jw_end(w);
    return rv == APR_SUCCESS;
}

static int ask_around(sb_jw_t *w, const smarter_child_t *child, apr_pool_t *p)
{
    const char *broker = child->loader ? sb_conf_str(child->loader, "udl2.broker.url") : NULL;
    int healthy = 1;
    double start;

    sb_jw_array(w, "checks");
    for (int i = 0; i < child->tenants->nelts; i++) {
        const char *tenant = APR_ARRAY_IDX(child->tenants, i, sb_tenant_t).name;

        start = sb_time_monotonic();
        healthy &=
            enter(w, apr_pstrcat(p, "database of ", tenant, NULL),
                  ask_database(apr_hash_get(child->pools, tenant, APR_HASH_KEY_STRING), p), start);
    }
    for (int i = 0; i < child->public_tenants->nelts; i++) {
        const char *tenant = APR_ARRAY_IDX(child->public_tenants, i, sb_tenant_t).name;
        sb_dbpool_t *pool = apr_hash_get(child->public_pools, tenant, APR_HASH_KEY_STRING);

        start = sb_time_monotonic();
        healthy &=
            enter(w, apr_pstrcat(p, "public copy of ", tenant, NULL), ask_database(pool, p), start);
    }
    if (child->stats) {
        start = sb_time_monotonic();
        healthy &= enter(w, "statistics database", ask_database(child->stats, p), start);
    }
    if (child->jobs) {
        start = sb_time_monotonic();
        healthy &= enter(w, "database of jobs", ask_database(child->jobs, p), start);
    }
    start = sb_time_monotonic();
    healthy &= enter(w, "sign-in database", ask_database(sb_signin_pool(child->signin), p), start);
    start = sb_time_monotonic();
    healthy &=
        enter(w, "session cache", sb_cache_ping(sb_signin_sessions(child->signin)->cache), start);
    start = sb_time_monotonic();
    healthy &= enter(w, "data cache", sb_cache_ping(child->data_cache), start);
    if (broker) {
        start = sb_time_monotonic();
        healthy &= enter(w, "message broker", ask_broker(broker, p), start);
    }
    sb_jw_end(w);
    return healthy;
}

static int look(const char **pjson, sb_req_t *q)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);
    char when[SB_ISO_TIME_SIZE];
    int healthy;

    sb_jw_object(w, NULL);
    healthy = ask_around(w, smarter_child(q), q->r->pool);
    sb_jw_str(w, "time", sb_time_iso(when, apr_time_now()));
    sb_jw_str(w, "status", healthy ? "ok" : "failed");
    sb_jw_end(w);
    *pjson = sb_jw_text(w, NULL);
    return healthy;
}

const char *smarter_services_monitors(const apr_array_header_t **pmonitors, const char *text,
                                      apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 4, sizeof(apr_ipsubnet_t *));
    char *rest = apr_pstrdup(p, text ? text : ""), *word, *slash;

    *pmonitors = all;
    while ((word = apr_strtok(rest, ", ", &rest))) {
        apr_ipsubnet_t *net;

        slash = strchr(word, '/');
        if (slash) {
            *slash++ = '\0';
        }
        if (apr_ipsubnet_create(&net, word, slash, p) != APR_SUCCESS) {
            return apr_psprintf(p,
                                "smarter.heartbeat.addresses: '%s' is no address or network, try"
                                " 10.0.0.7 or 10.1.0.0/16",
                                word);
        }
        APR_ARRAY_PUSH(all, apr_ipsubnet_t *) = net;
    }
    return NULL;
}

/* The finding names tenants and servers: that is for monitors and super users of all tenants. */
static int may_hear_all(sb_req_t *q)
{
    const apr_array_header_t *monitors = smarter_child(q)->monitors;

    for (int i = 0; i < monitors->nelts; i++) {
        if (apr_ipsubnet_test(APR_ARRAY_IDX(monitors, i, apr_ipsubnet_t *), q->r->useragent_addr)) {
            return 1;
        }
    }
    return sb_signin_find_session(q) == APR_SUCCESS &&
           sb_identity_may_everywhere(q->user, SB_PERM_SUPER_ADMIN, smarter_child(q)->tenants);
}

static int tell_status(sb_req_t *q, int healthy, apr_time_t when)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);
    char text[SB_ISO_TIME_SIZE];

    sb_jw_object(w, NULL);
    sb_jw_str(w, "time", sb_time_iso(text, when));
    sb_jw_str(w, "status", healthy ? "ok" : "failed");
    sb_jw_end(w);
    return send_json(q, healthy ? HTTP_OK : HTTP_INTERNAL_SERVER_ERROR, w);
}

int smarter_services_heartbeat(sb_req_t *q)
{
    sb_heartbeat_finding_t found;
    apr_status_t rv = sb_heartbeat_ask(&found, smarter_child(q)->heartbeat, look, q);

    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, rv, SBLOGNO(3032), "heartbeat");
    }
    if (!*found.json || !may_hear_all(q)) { /* no report: very many tenants */
        return tell_status(q, found.healthy, found.when);
    }
    apr_table_setn(q->r->headers_out, "Cache-Control", "no-store");
    return sb_web_send(q->r, found.healthy ? HTTP_OK : HTTP_INTERNAL_SERVER_ERROR,
                       "application/json; charset=UTF-8", found.json, strlen(found.json));
}

/* ---- userinfo ---------------------------------------------------------------------------------- */

int smarter_services_userinfo(sb_req_t *q)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);

    /* for those whose browser does not say where a request comes from; other sites cannot read it */
    if (q->session) {
        apr_table_setn(q->r->headers_out, "X-CSRF-Token", q->session->csrf);
    }
    sb_jw_object(w, NULL);
    sb_jw_object(w, "context");
    sb_jw_array(w, "items");
    sb_jw_object(w, NULL);
    sb_jw_str(w, "type", "home");
    sb_jw_str(w, "name", "Home");
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_end(w);
    sb_identity_json(w, "user_info", q->user);
    sb_jw_end(w);
    return send_json(q, HTTP_OK, w);
}
