/**
 * Report quick_links: the districts and schools a user is there for, as short cuts. Whoever sees the
 * whole state needs none. Source of the rules: docs/reporting.md, "Quick links".
 */

#include <stdlib.h>
#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include "report/sb_report.h"

#define BOUND 9 /* more than that are no short cut */

typedef struct {
    const char *id, *name;
    apr_hash_t *schools; /* id -> id; empty: the whole district */
} district_t;

typedef struct {
    const char *district_id, *school_id, *name; /* school_id NULL: the district */
} link_t;

static district_t *district_of(apr_hash_t *districts, const char *id, apr_pool_t *p)
{
    district_t *d = apr_hash_get(districts, id, APR_HASH_KEY_STRING);

    if (!d) {
        d = apr_pcalloc(p, sizeof(*d));
        d->id = id;
        d->schools = apr_hash_make(p);
        apr_hash_set(districts, id, APR_HASH_KEY_STRING, d);
    }
    return d;
}

/* What one role adds: nothing if it reaches the whole state. */
static void take_role(apr_hash_t *districts, const sb_report_ctx_t *ctx, const char *role,
                      apr_pool_t *p)
{
    const char *tenant = sb_scope_tenant(ctx->aggregates), *state = sb_scope_state(ctx->aggregates);
    apr_hash_t *mine = apr_hash_make(p), *whole = apr_hash_make(p);
    apr_hash_index_t *hi;

    for (int i = 0; i < ctx->user->grants->nelts; i++) {
        const sb_grant_t *g = &APR_ARRAY_IDX(ctx->user->grants, i, sb_grant_t);

        if (strcmp(g->role, role) || strcmp(g->tenant, tenant) ||
            (g->state_code && strcmp(g->state_code, state))) {
            continue;
        }
        if (!g->district_id) {
            return;
        }
        apr_hash_set(mine, g->district_id, APR_HASH_KEY_STRING, g->district_id);
        if (!g->school_id) {
            apr_hash_set(whole, g->district_id, APR_HASH_KEY_STRING, g->district_id);
        }
    }
    for (hi = apr_hash_first(p, mine); hi; hi = apr_hash_next(hi)) {
        district_t *d = district_of(districts, apr_hash_this_key(hi), p);

        for (int i = 0; i < ctx->user->grants->nelts; i++) {
            const sb_grant_t *g = &APR_ARRAY_IDX(ctx->user->grants, i, sb_grant_t);

            if (g->school_id && !strcmp(g->role, role) && !strcmp(g->tenant, tenant) &&
                !strcmp(g->district_id, d->id) &&
                !apr_hash_get(whole, d->id, APR_HASH_KEY_STRING)) {
                apr_hash_set(d->schools, g->school_id, APR_HASH_KEY_STRING, g->school_id);
            }
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const link_t *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order
                 : strcmp(x->school_id ? x->school_id : x->district_id,
                          y->school_id ? y->school_id : y->district_id);
}

static void write_links(sb_jw_t *w, const char *key, apr_array_header_t *links,
                        const sb_report_ctx_t *ctx, apr_int64_t bound)
{
    qsort(links->elts, (size_t)links->nelts, sizeof(link_t), by_name);
    sb_jw_array(w, key);
    for (int i = 0; i < links->nelts && i < bound - 1; i++) {
        const link_t *link = &APR_ARRAY_IDX(links, i, link_t);

        sb_jw_object(w, NULL);
        sb_jw_object(w, "params");
        sb_jw_str(w, "stateCode", sb_scope_state(ctx->aggregates));
        sb_jw_str(w, "districtId", link->district_id);
        if (link->school_id) {
            sb_jw_str(w, "schoolId", link->school_id);
        }
        sb_jw_end(w);
        sb_jw_str(w, "name", link->name);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

/* Names of the districts, and of those of their schools that are wanted; what nobody knows is left
 * out. */
static apr_status_t find_links(apr_array_header_t *districts, apr_array_header_t *schools,
                               const sb_report_ctx_t *ctx, apr_hash_t *wanted, apr_pool_t *p)
{
    static const sb_stmt_t st = {
        "report_schools_of_district", 2,
        "SELECT district_name, school_id, school_name FROM {schema}.dim_inst_hier"
        " WHERE state_code = $1 AND district_id = $2 AND rec_status = 'C'"};
    apr_int64_t d_bound = sb_params_int(ctx->params, "ql_district_bound", BOUND),
                s_bound = sb_params_int(ctx->params, "ql_school_bound", BOUND);
    apr_status_t rv = APR_SUCCESS;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(p, wanted); hi && rv == APR_SUCCESS; hi = apr_hash_next(hi)) {
        const district_t *d = apr_hash_this_val(hi);
        const char *args[] = {sb_scope_state(ctx->aggregates), d->id};
        unsigned int nschools = apr_hash_count(d->schools);
        sb_rows_t *rows;

        rv = sb_db_query(&rows, ctx->db, &st, args, p);
        if (rv != APR_SUCCESS || sb_rows_count(rows) == 0) {
            continue;
        }
        for (int i = 0; nschools && nschools < s_bound && i < sb_rows_count(rows); i++) {
            const char *id = sb_rows_text(rows, i, 1);

            if (apr_hash_get(d->schools, id, APR_HASH_KEY_STRING)) {
                *(link_t *)apr_array_push(schools) = (link_t){d->id, id, sb_rows_text(rows, i, 2)};
            }
        }
        if (apr_hash_count(wanted) < d_bound) {
            *(link_t *)apr_array_push(districts) = (link_t){d->id, NULL, sb_rows_text(rows, 0, 0)};
        }
    }
    return rv;
}

static apr_status_t run(sb_jw_t *w, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    apr_array_header_t *districts = apr_array_make(p, BOUND, sizeof(link_t));
    apr_array_header_t *schools = apr_array_make(p, BOUND, sizeof(link_t));
    apr_hash_t *wanted = apr_hash_make(p);
    apr_status_t rv;

    take_role(wanted, ctx, "PII", p);
    take_role(wanted, ctx, "GENERAL", p);
    rv = find_links(districts, schools, ctx, wanted, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_jw_object(w, NULL);
    sb_jw_object(w, "quick_links");
    write_links(w, "districts", districts, ctx,
                sb_params_int(ctx->params, "ql_district_bound", BOUND));
    write_links(w, "schools", schools, ctx, sb_params_int(ctx->params, "ql_school_bound", BOUND));
    sb_jw_end(w);
    sb_jw_end(w);
    return APR_SUCCESS;
}

static const sb_param_t params[] = {
    {.name = "stateCode",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z",
     .min_len = 2,
     .max_len = 2},
    {.name = "ql_district_bound", .type = SB_PARAM_INTEGER},
    {.name = "ql_school_bound", .type = SB_PARAM_INTEGER},
    {.name = NULL},
};

const sb_report_t sb_report_quick_links = {
    .name = "quick_links",
    .callable = "get_quick_links_report",
    .params = params,
    .run = run,
};
