/**
 * Sessions: one's own, and those an administrator looks after.
 */

#include "web/sb_sessions.h"

#include <string.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include "auth/sb_browser.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "web/sb_signin_private.h"

/* Pages warn so long before the end: time enough to notice (WCAG 2.2, 2.2.1 wants 20 seconds). */
#define WARN_BEFORE apr_time_from_sec(180)

static int send_json(sb_req_t *q, sb_jw_t *w)
{
    apr_size_t len;
    const char *json = sb_jw_text(w, &len);

    apr_table_setn(q->r->headers_out, "Cache-Control", "no-store");
    return sb_web_send(q->r, HTTP_OK, "application/json; charset=UTF-8", json, len);
}

/* ---- how long one's own lasts -------------------------------------------------------------------- */

/* In seconds from now: clocks of browsers are wrong. */
static int send_left(sb_req_t *q)
{
    const sb_session_store_t *store = &q->signin->sessions;
    apr_time_t absolute, ends = sb_session_ends(&absolute, store, q->session);
    apr_time_t now = apr_time_now();
    apr_interval_time_t half = store->idle / 2;
    sb_jw_t *w = sb_jw_make(q->r->pool);

    sb_jw_object(w, NULL);
    sb_jw_int(w, "ends_in", apr_time_sec(ends - now));
    sb_jw_int(w, "ends_at_latest_in", apr_time_sec(absolute - now));
    sb_jw_int(w, "warn_before", apr_time_sec(half < WARN_BEFORE ? half : WARN_BEFORE));
    sb_jw_end(w);
    return send_json(q, w);
}

int sb_sessions_left(sb_req_t *q)
{
    return send_left(q);
}

int sb_sessions_touch(sb_req_t *q)
{
    sb_session_t *s = apr_pmemdup(q->r->pool, q->session, sizeof(*s));
    apr_status_t rv = sb_session_touch(s, &q->signin->sessions, q->r->pool);

    if (rv == APR_NOTFOUND) {
        return sb_signin_required(q);
    }
    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, rv, SBLOGNO(3141), "using a session");
    }
    q->session = s;
    return send_left(q);
}

/* ---- lists --------------------------------------------------------------------------------------- */

static const char *my_ref(const sb_req_t *q)
{
    return sb_session_ref(q->session->id, q->r->pool);
}

/* Whose: his own, by guid: another's uid may read the same. Nobody signs in without one; he would have none. */
static sb_session_query_t of_mine(const sb_req_t *q)
{
    return (sb_session_query_t){.user = q->user->guid ? q->user->guid : ""};
}

static void write_time(sb_jw_t *w, const char *key, apr_time_t t)
{
    char text[SB_ISO_TIME_SIZE];

    if (t) {
        sb_jw_str(w, key, sb_time_iso(text, t));
    }
    else {
        sb_jw_null(w, key);
    }
}

static void write_browser(sb_jw_t *w, const sb_session_entry_t *entry, apr_pool_t *p)
{
    const char *name, *system;

    sb_browser_parts(&name, &system, entry->browser, p);
    sb_jw_str(w, "browser", entry->browser);
    sb_jw_str(w, "browser_name", name);
    sb_jw_str(w, "system", system);
    sb_jw_str(w, "service", entry->service);
}

static void write_one(sb_jw_t *w, const sb_req_t *q, const sb_session_listed_t *l, int whose)
{
    const char *ref = apr_pstrndup(q->r->pool, l->entry->hash, SB_SESSION_REF_LEN);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "ref", ref);
    write_time(w, "since", l->entry->created);
    write_time(w, "seen", l->seen);
    write_time(w, "ends", l->entry->not_after);
    write_browser(w, l->entry, q->r->pool);
    if (whose) {
        sb_jw_str(w, "guid", l->entry->guid);
        sb_jw_str(w, "uid", l->entry->uid);
        sb_jw_bool(w, "batch", l->entry->batch);
    }
    sb_jw_bool(w, "this", !strcmp(ref, my_ref(q)));
    sb_jw_end(w);
}

/* @param whose is it interesting whose each is? */
static int send_list(sb_req_t *q, const sb_session_query_t *query, int whose)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);
    const apr_array_header_t *list;
    apr_status_t rv;
    int more;

    if (sb_signin_limit_session(q) != OK) {
        return OK;
    }
    rv = sb_session_list(&list, &more, &q->signin->sessions, query, q->r->pool);
    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, SB_EUNAVAILABLE, SBLOGNO(3142), "listing sessions");
    }
    sb_jw_object(w, NULL);
    sb_jw_array(w, "sessions");
    for (int i = 0; i < list->nelts; i++) {
        write_one(w, q, &APR_ARRAY_IDX(list, i, const sb_session_listed_t), whose);
    }
    sb_jw_end(w);
    sb_jw_bool(w, "more", more);
    sb_jw_end(w);
    return send_json(q, w);
}

int sb_sessions_mine(sb_req_t *q)
{
    sb_session_query_t query = of_mine(q);

    return send_list(q, &query, 0);
}

const sb_param_t sb_sessions_params[] = {{.name = "user", .type = SB_PARAM_STRING, .max_len = 200},
                                         {.name = NULL}};

/* What an administrator looks after: not every tenant he may look at, nor a state by way of a school. */
static sb_session_query_t of_my_tenants(const sb_req_t *q)
{
    return (sb_session_query_t){
        .tenants = sb_identity_tenants_of(q->user, SB_PERM_SUPER_ADMIN, q->r->pool), .batch = -1};
}

int sb_sessions_of_tenants(sb_req_t *q)
{
    sb_session_query_t query = of_my_tenants(q);

    query.guid_or_uid = sb_params_str(q->params, "user");
    return send_list(q, &query, 1);
}

/* ---- ending -------------------------------------------------------------------------------------- */

static int send_ended(sb_req_t *q, int ended)
{
    sb_jw_t *w = sb_jw_make(q->r->pool);

    sb_jw_object(w, NULL);
    sb_jw_int(w, "ended", ended);
    sb_jw_end(w);
    return send_json(q, w);
}

static void tell_ended(sb_req_t *q, const sb_session_entry_t *entry)
{
    const char *ref = apr_pstrndup(q->r->pool, entry->hash, SB_SESSION_REF_LEN);

    sb_signin_event(q, SB_SECURITY_INFO,
                    apr_pstrcat(q->r->pool, "ended session ", ref, entry->guid ? " of " : NULL,
                                entry->guid, NULL));
    if (!strcmp(ref, my_ref(q))) {
        sb_signin_drop_cookie(q);
    }
}

/* @param query of one that the address names, or of many */
static int end_those(sb_req_t *q, const sb_session_query_t *query)
{
    const apr_array_header_t *ended;

    if (sb_session_end_all(&ended, &q->signin->sessions, query, q->r->pool) != APR_SUCCESS) {
        return sb_web_fail(q->r, SB_EUNAVAILABLE, SBLOGNO(3143), "ending sessions");
    }
    for (int i = 0; i < ended->nelts; i++) {
        tell_ended(q, &APR_ARRAY_IDX(ended, i, const sb_session_entry_t));
    }
    if (query->ref && ended->nelts == 0) {
        return sb_web_problem(q->r, HTTP_NOT_FOUND, "There is no such session");
    }
    return send_ended(q, ended->nelts);
}

/* The reference, from the address. @return OK; DONE there is no such thing, the answer is written */
static int read_ref(sb_req_t *q)
{
    static const sb_param_t schema[] = {{.name = "ref",
                                         .type = SB_PARAM_STRING,
                                         .chars = "0-9a-f",
                                         .min_len = SB_SESSION_REF_LEN,
                                         .max_len = SB_SESSION_REF_LEN},
                                        {.name = NULL}};

    if (sb_req_segment(q, schema)) {
        sb_web_problem(q->r, HTTP_NOT_FOUND, "There is no such session");
        return DONE;
    }
    return OK;
}

/* End the one that the address names, if it is among those. */
static int end_named(sb_req_t *q, sb_session_query_t query)
{
    if (sb_signin_limit_session(q) != OK || read_ref(q) != OK) {
        return OK;
    }
    query.ref = q->rest;
    return end_those(q, &query);
}

int sb_sessions_end(sb_req_t *q)
{
    return end_named(q, of_mine(q));
}

int sb_sessions_end_any(sb_req_t *q)
{
    return end_named(q, of_my_tenants(q));
}

int sb_sessions_end_others(sb_req_t *q)
{
    sb_session_query_t query = of_mine(q);

    if (sb_signin_limit_session(q) != OK) {
        return OK;
    }
    query.but = my_ref(q);
    return end_those(q, &query);
}
