/**
 * What both faces have: is this process ready, do database and directory work; and pages without a file.
 */

#include "hpz.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "core/sb_uuid.h"

/* ---- shared by the handlers -------------------------------------------------------------------- */

void hpz_audit_id(sb_req_t *q, const char *id)
{
    static const sb_param_t schema[] = {{.name = "registration_id"}, {.name = NULL}};
    apr_array_header_t *pairs;
    const char *complaint;

    if (!sb_uuid_is_valid(id)) {
        return; /* nonsense of a client is not repeated */
    }
    pairs = apr_array_make(q->r->pool, 1, sizeof(sb_pair_t));
    APR_ARRAY_PUSH(pairs, sb_pair_t) = (sb_pair_t){"registration_id", id};
    complaint =
        sb_params_read(&q->params, schema, pairs, NULL, SB_PARAMS_IGNORE_UNKNOWN, q->r->pool);
    if (complaint) {
        q->params = NULL;
    }
}

int hpz_db(sb_db_t **pdb, sb_req_t *q)
{
    apr_status_t rv = sb_dbpool_get(pdb, hpz_child(q)->db, q->r->pool);

    if (rv != APR_SUCCESS) {
        sb_web_fail(q->r, rv, SBLOGNO(3203), "the pickup zone's database");
        return DONE;
    }
    return OK;
}

/* ---- ready and heartbeat ----------------------------------------------------------------------- */

static int send_status(sb_req_t *q, int status, const char *text)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);
    apr_size_t len;
    const char *json;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "status", text);
    sb_jw_end(w);
    json = sb_jw_text(w, &len);
    apr_table_setn(q->r->headers_out, "Cache-Control", "no-store");
    return sb_web_send(q->r, status, "application/json; charset=UTF-8", json, len);
}

int hpz_ready(sb_req_t *q)
{
    return send_status(q, HTTP_OK,
                       "ready"); /* a process that is not has no child and answers 503 */
}

#define DATABASE_WAIT apr_time_from_sec(3)

void hpz_services_child_init(hpz_child_t *child)
{
    apr_status_t rv = sb_heartbeat_make(&child->heartbeat, child->pool);

    if (rv != APR_SUCCESS) { /* each question for it will fail */
        sb_log(SB_LOG_ERROR, SBLOGNO(3207), rv, "heartbeat");
    }
}

static apr_status_t ask_database(sb_req_t *q)
{
    static const sb_stmt_t st = {"hpz_heartbeat", 0, "SELECT 1"};
    apr_status_t rv;
    sb_rows_t *rows;
    sb_db_t *db;

    rv = sb_dbpool_get(&db, hpz_child(q)->db, q->r->pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_db_limit(db, DATABASE_WAIT);
    return sb_db_query(&rows, db, &st, NULL, q->r->pool);
}

static int look(const char **pjson, sb_req_t *q)
{
    apr_status_t rv = ask_database(q);

    (void)pjson; /* only whether all is well is told */
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3204), rv, "heartbeat: the pickup zone's database");
        return 0;
    }
    rv = sb_depot_probe(hpz_child(q)->depot, q->r->pool);
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3205), rv, "heartbeat: the directory of the files");
    }
    return rv == APR_SUCCESS;
}

int hpz_heartbeat(sb_req_t *q)
{
    sb_heartbeat_finding_t found;
    apr_status_t rv = sb_heartbeat_ask(&found, hpz_child(q)->heartbeat, look, q);

    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, rv, SBLOGNO(3206), "heartbeat");
    }
    return send_status(q, found.healthy ? HTTP_OK : HTTP_INTERNAL_SERVER_ERROR,
                       found.healthy ? "ok" : "failed");
}

/* ---- pages without a file ---------------------------------------------------------------------- */

int hpz_home(sb_req_t *q)
{
    return sb_web_page(
        q->r, HTTP_OK, "Files to download",
        "Files you have asked for are fetched by the link you were given when you asked for"
        " them, or by the one in the mail that said they are ready.",
        "/logout", "Sign out");
}

int hpz_error(sb_req_t *q)
{
    return sb_web_page(
        q->r, HTTP_OK, "This file is not available",
        apr_psprintf(
            q->r->pool,
            "Most likely it is still being made: keep the link and try again later. It may"
            " also be that somebody else asked for it, that you may no longer see what is in"
            " it, that it is older than %d days and was removed, or that the link is not"
            " complete.",
            hpz_child(q)->days),
        "/", "Files to download");
}
