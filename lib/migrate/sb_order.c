/* The order of promotion: see sb_order.h. */

#include "config.h"

#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "migrate/sb_order.h"

struct sb_order_t {
    sb_db_t *udl;
    apr_int64_t last_id;       /* the newest package when it was read */
    apr_array_header_t *open;  /* of sb_place_t: not through yet */
    apr_array_header_t *noted; /* of const char *: batches in batch_hold */
    apr_pool_t *p;
};

#define USEC(column) "(extract(epoch FROM " column ") * 1e6)::bigint"
#define FILE_NAME "regexp_replace(p.path, '.*/', '')"

static const sb_stmt_t find_last = {
    .name = "order_last",
    .nargs = 0,
    .sql = "SELECT coalesce(max(package_id), 0) FROM {schema}.package"};
/* clang-format off */
static const sb_stmt_t find_open = {
    .name = "order_open",
    .nargs = 0,
    .sql = "SELECT p.batch_guid, p.tenant, " FILE_NAME ", b.content_key, " USEC("p.arrived_at") ","
           " p.package_id FROM {schema}.package p LEFT JOIN {schema}.batch b USING (batch_guid)"
           " WHERE p.state IN ('new', 'queued', 'running') ORDER BY p.arrived_at, p.package_id"};
static const sb_stmt_t find_place = {
    .name = "order_place",
    .nargs = 1,
    .sql = "SELECT " FILE_NAME ", b.content_key, " USEC("p.arrived_at") ", p.package_id"
           " FROM (SELECT $1::text AS guid) x"
           " LEFT JOIN {schema}.package p ON p.batch_guid = x.guid"
           " LEFT JOIN {schema}.batch b ON b.batch_guid = x.guid"};
/* clang-format on */
static const sb_stmt_t note = {
    .name = "order_note",
    .nargs = 4,
    .sql = "INSERT INTO {schema}.batch_hold AS h (batch_guid, tenant, behind, reason)"
           " VALUES ($1, $2, $3, $4) ON CONFLICT (batch_guid) DO UPDATE"
           " SET behind = excluded.behind, reason = excluded.reason, since = now()"
           " WHERE (h.behind, h.reason) IS DISTINCT FROM (excluded.behind, excluded.reason)"};
static const sb_stmt_t forget = {
    .name = "order_forget",
    .nargs = 2,
    .sql = "DELETE FROM {schema}.batch_hold WHERE batch_guid <> ALL ($1::text[])"
           " AND ($2::text IS NULL OR tenant = $2)"};

/* The place of the open batch of that guid, or -1. */
static int find(const sb_order_t *order, const char *batch)
{
    int i;

    for (i = 0; i < order->open->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(order->open, i, sb_place_t).batch, batch)) {
            return i;
        }
    }
    return -1;
}

apr_status_t sb_order_read(sb_order_t **porder, sb_db_t *udl, apr_pool_t *p)
{
    sb_order_t *order = apr_pcalloc(p, sizeof(*order));
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    *porder = NULL;
    order->udl = udl;
    order->p = p;
    order->open = apr_array_make(p, 16, sizeof(sb_place_t));
    order->noted = apr_array_make(p, 16, sizeof(const char *));
    /* In this order: what is newer than last_id and open already does no harm in the list. */
    rv = sb_db_query(&rows, udl, &find_last, NULL, p);
    if (rv == APR_SUCCESS) {
        order->last_id = sb_rows_int(rows, 0, 0, 0);
        rv = sb_db_query(&rows, udl, &find_open, NULL, p);
    }
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        sb_place_t place = {sb_rows_text(rows, i, 0),
                            sb_rows_text(rows, i, 1),
                            sb_rows_text(rows, i, 2),
                            sb_rows_text(rows, i, 3),
                            sb_rows_int(rows, i, 4, 0),
                            sb_rows_int(rows, i, 5, 0),
                            1};

        APR_ARRAY_PUSH(order->open, sb_place_t) = place;
    }
    if (rv == APR_SUCCESS) {
        *porder = order;
    }
    return rv;
}

apr_status_t sb_order_find(sb_place_t *place, sb_order_t *order, const char *batch,
                           const char *tenant, apr_int64_t arrived, apr_pool_t *p)
{
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, order->udl, &find_place, &batch, p);

    memset(place, 0, sizeof(*place));
    place->batch = batch;
    place->tenant = tenant;
    if (rv == APR_SUCCESS) {
        place->package = sb_rows_text(rows, 0, 0);
        place->content_key = sb_rows_text(rows, 0, 1);
        place->arrived = sb_rows_int(rows, 0, 2, arrived);
        place->package_id = sb_rows_int(rows, 0, 3, 0);
        place->seen = place->package_id <= order->last_id;
    }
    return rv;
}

static int is_before(const sb_place_t *a, const sb_place_t *b)
{
    return a->arrived != b->arrived ? a->arrived < b->arrived : a->package_id < b->package_id;
}

static int may_be_the_same(const sb_place_t *a, const sb_place_t *b)
{
    return !a->content_key || !b->content_key || !strcmp(a->content_key, b->content_key);
}

const sb_place_t *sb_order_blocker(const sb_order_t *order, const sb_place_t *place)
{
    int i;

    for (i = 0; i < order->open->nelts; i++) {
        const sb_place_t *other = &APR_ARRAY_IDX(order->open, i, sb_place_t);

        if (!strcmp(other->tenant, place->tenant) && is_before(other, place) &&
            may_be_the_same(other, place)) {
            return other;
        }
    }
    return NULL;
}

void sb_order_done(sb_order_t *order, const char *batch)
{
    sb_place_t *all = (sb_place_t *)order->open->elts;
    int i = find(order, batch);

    if (i >= 0) {
        order->open->nelts--;
        memmove(all + i, all + i + 1, sizeof(*all) * (apr_size_t)(order->open->nelts - i));
    }
}

void sb_order_wait(sb_order_t *order, const sb_place_t *place)
{
    sb_place_t kept = *place;

    if (find(order, place->batch) >= 0) {
        return;
    }
    kept.batch = apr_pstrdup(order->p, place->batch);
    kept.tenant = apr_pstrdup(order->p, place->tenant);
    kept.package = apr_pstrdup(order->p, place->package);
    kept.content_key = apr_pstrdup(order->p, place->content_key);
    APR_ARRAY_PUSH(order->open, sb_place_t) = kept;
}

apr_status_t sb_order_note(int *pnews, sb_order_t *order, const sb_place_t *place,
                           const char *behind, const char *reason)
{
    const char *args[] = {place->batch, place->tenant, behind, reason};
    apr_int64_t n;
    apr_status_t rv = sb_db_exec(&n, order->udl, &note, args);

    *pnews = n > 0;
    APR_ARRAY_PUSH(order->noted, const char *) = apr_pstrdup(order->p, place->batch);
    return rv;
}

apr_status_t sb_order_forget(sb_order_t *order, const char *tenant)
{
    /* Guids need no quoting inside an array. */
    const char *args[] = {
        apr_pstrcat(order->p, "{", apr_array_pstrcat(order->p, order->noted, ','), "}", NULL),
        tenant};

    return sb_db_exec(NULL, order->udl, &forget, args);
}
