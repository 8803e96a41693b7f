/**
 * What a request says: its query, and the JSON body of a POST.
 */

#include "web/sb_req.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "store/sb_rate.h"

#define BODY_MAX 65536      /* bytes */
#define TYPE "content-type" /* a name of the query that no report or service ever sees */

int sb_req_query(sb_req_t *q)
{
    const apr_array_header_t *all;
    apr_array_header_t *query;

    if (sb_pairs_read(&all, q->r->args, q->r->pool) != APR_SUCCESS) {
        sb_web_problem(q->r, HTTP_BAD_REQUEST, "the query string cannot be decoded");
        return DONE;
    }
    query = apr_array_make(q->r->pool, all->nelts, sizeof(sb_pair_t));
    for (int i = 0; i < all->nelts; i++) {
        const sb_pair_t *pair = &APR_ARRAY_IDX(all, i, const sb_pair_t);

        if (!strcmp(pair->name, TYPE)) {
            q->type = pair->value;
        }
        else {
            APR_ARRAY_PUSH(query, sb_pair_t) = *pair;
        }
    }
    q->query = query;
    return OK;
}

/* Some clients cannot set the header: they say it in the query, which wins. */
static int is_json(const sb_req_t *q)
{
    return q->type ? sb_web_is_type(q->type, "application/json")
                   : sb_web_has_type(q->r, "application/json");
}

const char *sb_req_segment(sb_req_t *q, const sb_param_t *schema)
{
    apr_array_header_t *pairs = apr_array_make(q->r->pool, 1, sizeof(sb_pair_t));

    APR_ARRAY_PUSH(pairs, sb_pair_t) = (sb_pair_t){.name = schema->name, .value = q->rest};
    return sb_params_read(&q->params, schema, pairs, NULL, SB_PARAMS_REFUSE_UNKNOWN, q->r->pool);
}

int sb_req_body(sb_json_t **pbody, sb_req_t *q)
{
    static const sb_json_limits_t limits = {
        .max_bytes = BODY_MAX, .max_depth = 4, .max_nodes = 2000};
    const char *why = NULL;
    apr_status_t rv;
    apr_size_t len;
    char *text;

    *pbody = NULL;
    if (q->r->method_number != M_POST) {
        return OK;
    }
    if (!is_json(q)) {
        sb_web_problem(q->r, HTTP_UNSUPPORTED_MEDIA_TYPE, "want Content-Type: application/json");
        return DONE;
    }
    rv = sb_web_body(&text, &len, q->r, BODY_MAX);
    if (rv == SB_ETOOBIG) {
        sb_web_problem(q->r, HTTP_REQUEST_ENTITY_TOO_LARGE, "want at most 65536 bytes");
        return DONE;
    }
    if (rv != APR_SUCCESS) {
        sb_web_fail(q->r, rv, SBLOGNO(3020), "reading a request body");
        return DONE;
    }
    if (len == 0) {
        return OK;
    }
    rv = sb_json_parse(pbody, &why, text, len, &limits, q->r->pool);
    if (rv != APR_SUCCESS) {
        sb_web_problem(q->r, HTTP_BAD_REQUEST,
                       apr_psprintf(q->r->pool, "the body: %s", why ? why : "not JSON"));
        return DONE;
    }
    return OK;
}

void sb_req_audit(sb_req_t *q, int status)
{
    sb_audit_write(q->callable, q->params, q->found, q->user, q->request_id, status, q->r->pool);
    q->callable = NULL;
}

int sb_req_limit(sb_req_t *q, const char *what, sb_cache_t *cache, apr_int64_t per_minute)
{
    apr_pool_t *p = q->r->pool;
    sb_rate_t rate;

    if (sb_rate_take(&rate, cache, what, q->user->guid, per_minute, p) == APR_SUCCESS) {
        return OK;
    }
    if (rate.first) {
        sb_req_event(q, SB_SECURITY_WARNING, apr_pstrcat(p, "rate limited: ", what, NULL));
    }
    apr_table_setn(q->r->headers_out, "Retry-After", apr_itoa(p, rate.wait));
    sb_web_problem(q->r, HTTP_TOO_MANY_REQUESTS, "Too many of these in a minute");
    return DONE;
}

/* httpd's mod_remoteip has seen to it that the address is not what anybody says of himself. */
void sb_req_event(const sb_req_t *q, sb_security_t type, const char *text)
{
    sb_security_write(type, text, q->user, q->request_id, q->r->useragent_ip, q->r->pool);
}
