/* Making reports in advance: see sb_warm.h. */

#include "report/sb_warm.h"

#include <stdlib.h>
#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include "core/sb_file.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "report/sb_parts.h"
#include "report/sb_shared.h"
#include "report/sb_warm_filters.h"
#include "store/sb_generation.h"

#define FILE_MAX (1024 * 1024)
/* To find the districts of a batch the facts are read once, which may take longer than any page. */
#define LONGEST_QUERY apr_time_from_sec(600)

typedef struct {
    const sb_warm_opts_t *opts;
    const char **perror;
    apr_pool_t *p;
    const apr_array_header_t *tenants;
    sb_warm_filters_t *filters;
    sb_cache_t *cache;
    sb_db_t *stats;
    apr_time_t end;     /* 0 none */
    apr_hash_t *states; /* tenant -> state_t */
} run_t;

/* A tenant whose batches are looked at. */
typedef struct {
    const sb_tenant_t *tenant;
    sb_report_ctx_t ctx;
    const apr_array_header_t *years;
    apr_hash_t *places;  /* district id, "" the state -> how many of its reports failed, as int * */
    apr_status_t broken; /* its database is away: not tried again in this run */
} state_t;

/* A place whose reports are made. */
typedef struct {
    run_t *run;
    state_t *state;
    const char *district; /* NULL: the state */
    sb_warmed_t *warmed;
    int *done; /* of the batch's reports */
    int failed;
} place_t;

static apr_status_t complain(const run_t *run, apr_status_t rv, const char *what, const char *why)
{
    *run->perror = apr_pstrcat(run->p, what, ": ", why, NULL);
    return rv;
}

static int time_is_up(const run_t *run)
{
    return (run->end && apr_time_now() >= run->end) ||
           (run->opts->stopping && run->opts->stopping());
}

/* ---- one report ------------------------------------------------------------------------------ */

/* Its parameters as a client would send them. @param year 0: none, the newest is meant */
static const sb_params_t *params_of(const place_t *place, int year, const char *filter,
                                    apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    const sb_params_t *params;
    const char *text, *complaint;
    sb_json_t *body;
    apr_size_t len;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "stateCode", place->state->tenant->state_code);
    if (place->district) {
        sb_jw_str(w, "districtId", place->district);
    }
    if (year) {
        sb_jw_int(w, "asmtYear", year);
    }
    sb_jw_end(w);
    text = sb_jw_text(w, NULL);
    if (filter) { /* two objects made one */
        text = apr_pstrcat(p, apr_pstrndup(p, text, strlen(text) - 1), ",", filter + 1, NULL);
    }
    len = strlen(text);
    if (sb_json_parse(&body, NULL, text, len, NULL, p) != APR_SUCCESS) {
        return NULL;
    }
    complaint = sb_report_params(&params, &sb_report_comparing_populations, NULL, body, p);
    if (complaint) { /* an id no client could ask for */
        sb_log(SB_LOG_WARN, SBLOGNO(2070), SB_NO_STATUS, "not made in advance for tenant %s: %s",
               place->state->tenant->name, complaint);
        return NULL;
    }
    return params;
}

/* @return APR_SUCCESS, also when this one report failed and was counted; else all of them would fail */
static apr_status_t warm_report(place_t *place, int year, const char *filter)
{
    const run_t *run = place->run;
    sb_report_ctx_t *ctx = &place->state->ctx;
    sb_shared_t shared;
    apr_pool_t *p;
    apr_status_t rv;

    if (time_is_up(run)) {
        return APR_TIMEUP;
    }
    apr_pool_create(&p, run->p);
    ctx->params = params_of(place, year, filter, p);
    rv =
        ctx->params ? sb_shared_find(&shared, &sb_report_comparing_populations, ctx, p) : SB_EINPUT;
    if (rv != APR_SUCCESS) {
        place->failed++;
        sb_log(SB_LOG_ERROR, SBLOGNO(2071), rv, "a report of tenant %s, district %s, year %d: %s",
               place->state->tenant->name, place->district ? place->district : "-", year,
               sb_db_error(ctx->db));
        sb_db_rollback(ctx->db);
    }
    else if (shared.kept != APR_SUCCESS) {
        place->failed++;
        rv = shared.kept;
        sb_log(SB_LOG_ERROR, SBLOGNO(2072), rv, "a report of tenant %s, district %s, is not kept",
               place->state->tenant->name, place->district ? place->district : "-");
        if (rv == SB_EUNAVAILABLE) {
            complain(run, rv, "the cache", "does not answer");
        }
    }
    apr_pool_destroy(p);
    ++*place->done;
    if (run->opts->progress) {
        run->opts->progress(run->opts->ctx, place->state->tenant->name, *place->done,
                            place->warmed->reports);
    }
    return rv == SB_EUNAVAILABLE ? rv : APR_SUCCESS;
}

/* ---- one place ------------------------------------------------------------------------------- */

static int reports_of_place(const run_t *run, const state_t *state, sb_warm_level_t level)
{
    int filters = sb_warm_filters_of(run->filters, level, state->tenant)->nelts;

    return 1 + state->years->nelts + filters * (state->years->nelts ? 2 : 1);
}

/* The newest year is asked for by number and by saying none: two questions to the cache, so both are
 * made. */
static apr_status_t warm_reports(place_t *place)
{
    const apr_array_header_t *years = place->state->years;
    const apr_array_header_t *filters =
        sb_warm_filters_of(place->run->filters, place->district ? SB_WARM_DISTRICT : SB_WARM_STATE,
                           place->state->tenant);
    apr_status_t rv = warm_report(place, 0, NULL);

    for (int i = 0; rv == APR_SUCCESS && i < years->nelts; i++) {
        rv = warm_report(place, APR_ARRAY_IDX(years, i, int), NULL);
    }
    for (int i = 0; rv == APR_SUCCESS && i < filters->nelts; i++) {
        const char *filter = APR_ARRAY_IDX(filters, i, const char *);

        rv = warm_report(place, 0, filter);
        if (rv == APR_SUCCESS && years->nelts) {
            rv = warm_report(place, APR_ARRAY_IDX(years, 0, int), filter);
        }
    }
    return rv;
}

/* A place that several batches changed is looked at once. */
static apr_status_t warm_place(run_t *run, state_t *state, const char *district, sb_warmed_t *w,
                               int *done)
{
    place_t place = {run, state, district, w, done, 0};
    const char *key = apr_pstrdup(run->p, district ? district : "");
    int *known = apr_hash_get(state->places, key, APR_HASH_KEY_STRING);
    apr_status_t rv = APR_SUCCESS;

    if (!known) {
        rv = warm_reports(&place);
        known = apr_pmemdup(run->p, &place.failed, sizeof(place.failed));
        apr_hash_set(state->places, key, APR_HASH_KEY_STRING, known);
    }
    else {
        *done += reports_of_place(run, state, district ? SB_WARM_DISTRICT : SB_WARM_STATE);
    }
    w->failed += *known;
    return rv;
}

/* ---- one batch ------------------------------------------------------------------------------- */

static apr_status_t find_districts(sb_rows_t **prows, state_t *state, const char *batch,
                                   apr_pool_t *p)
{
    static const sb_stmt_t st = {
        "warm_districts", 2,
        "SELECT district_id FROM {schema}.fact_asmt_outcome_vw"
        " WHERE batch_guid = $2 AND state_code = $1 AND rec_status = 'C'"
        " UNION "
        "SELECT district_id FROM {schema}.fact_block_asmt_outcome"
        " WHERE batch_guid = $2 AND state_code = $1 AND rec_status = 'C' ORDER BY 1"};
    const char *args[] = {state->tenant->state_code, batch};

    return sb_db_query(prows, state->ctx.db, &st, args, p);
}

static apr_status_t warm_places(run_t *run, state_t *state, sb_warmed_t *w)
{
    sb_rows_t *districts;
    int done = 0;
    apr_status_t rv = find_districts(&districts, state, w->batch, run->p);

    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2073), rv, "the districts of batch %s: %s", w->batch,
               sb_db_error(state->ctx.db));
        w->failed++;
        return APR_SUCCESS;
    }
    w->districts = sb_rows_count(districts);
    w->reports = reports_of_place(run, state, SB_WARM_STATE) +
                 w->districts * reports_of_place(run, state, SB_WARM_DISTRICT);
    rv = warm_place(run, state, NULL, w, &done);
    for (int i = 0; rv == APR_SUCCESS && i < w->districts; i++) {
        rv = warm_place(run, state, sb_rows_text(districts, i, 0), w, &done);
    }
    return rv;
}

static const sb_tenant_t *tenant_named(const run_t *run, const char *name)
{
    for (int i = 0; i < run->tenants->nelts; i++) {
        const sb_tenant_t *t = &APR_ARRAY_IDX(run->tenants, i, sb_tenant_t);

        if (!strcmp(t->name, name)) {
            return t;
        }
    }
    return NULL;
}

/* Connect, and see which years there are. */
static apr_status_t open_state(state_t *state, run_t *run)
{
    const sb_conf_t *conf = run->opts->conf;
    const sb_tenant_t *t = state->tenant;
    sb_report_ctx_t *ctx = &state->ctx;
    sb_db_opts_t opts = {.app = run->opts->app,
                         .schema =
                             sb_conf_tenant_str(conf, "edware.db.<tenant>.schema_name", t->name),
                         .statement_timeout = run->opts->limit ? run->opts->limit : LONGEST_QUERY,
                         .no_prepare = !sb_conf_bool(conf, "edware.db.prepare")};
    const char *url = sb_conf_tenant_str(conf, "edware.db.<tenant>.url", t->name);
    apr_status_t rv;

    ctx->conf = conf;
    ctx->tenants = run->tenants;
    ctx->scope = ctx->aggregates =
        sb_scope_system(t->name, t->state_code, "making reports in advance", run->p);
    ctx->schema = opts.schema;
    ctx->cache = run->cache;
    rv = sb_db_open(&ctx->db, sb_conf_db_url(url, run->p), &opts, run->p);
    return rv == APR_SUCCESS ? sb_years_of_assessments(&state->years, ctx, run->p) : rv;
}

/* *pstate NULL: a tenant this ini does not have, or whose database is away. */
static void find_state(state_t **pstate, run_t *run, const char *name)
{
    state_t *state = apr_hash_get(run->states, name, APR_HASH_KEY_STRING);

    if (!state) {
        state = apr_pcalloc(run->p, sizeof(*state));
        state->tenant = tenant_named(run, name);
        state->places = apr_hash_make(run->p);
        state->broken = state->tenant ? open_state(state, run) : SB_ECONFIG;
        apr_hash_set(run->states, apr_pstrdup(run->p, name), APR_HASH_KEY_STRING, state);
        if (state->broken != APR_SUCCESS) {
            sb_log(SB_LOG_ERROR, SBLOGNO(2074), state->broken,
                   "nothing is made in advance for tenant %s: %s", name,
                   state->tenant ? "its database" : "it is not in the ini");
        }
    }
    *pstate = state->broken == APR_SUCCESS ? state : NULL;
}

static apr_status_t mark(const run_t *run, const char *rec_id)
{
    static const sb_stmt_t st = {"warm_mark", 1,
                                 "UPDATE {schema}.udl_stats"
                                 " SET last_pre_cached = now() AT TIME ZONE 'UTC'"
                                 " WHERE rec_id = $1::bigint"};
    apr_status_t rv = sb_db_exec(NULL, run->stats, &st, &rec_id);

    return rv == APR_SUCCESS ? rv : complain(run, rv, "marking a batch", sb_db_error(run->stats));
}

/* What was thrown away while this run lasts is not filled under its old generation. */
static apr_status_t read_generation(state_t *state, const run_t *run)
{
    apr_int64_t generations[SB_GENERATIONS];
    apr_status_t rv = sb_generations_read(generations, run->stats, run->p);

    state->ctx.generation = generations[SB_GENERATION_DATA];
    return rv == APR_SUCCESS
               ? rv
               : complain(run, rv, "the generation of the cache", sb_db_error(run->stats));
}

static apr_status_t warm_batch(run_t *run, sb_warm_result_t *result, const char *rec_id,
                               const char *batch, const char *tenant)
{
    sb_warmed_t w = {.batch = batch, .tenant = tenant};
    double start = sb_time_monotonic();
    state_t *state;
    apr_status_t rv = APR_SUCCESS;

    find_state(&state, run, tenant);
    if (!state) {
        w.failed = 1;
    }
    else {
        rv = read_generation(state, run);
        rv = rv == APR_SUCCESS ? warm_places(run, state, &w) : rv;
    }
    if (rv == APR_SUCCESS && !w.failed) {
        rv = mark(run, rec_id);
    }
    w.seconds = sb_time_monotonic() - start;
    result->batches++;
    result->reports += w.reports;
    result->failed += w.failed != 0 || rv != APR_SUCCESS;
    if (run->opts->report && rv == APR_SUCCESS) {
        run->opts->report(run->opts->ctx, &w);
    }
    if (rv == SB_EUNAVAILABLE &&
        !*run->perror) { /* this tenant's database went away: to the next one */
        state->broken = rv;
        rv = APR_SUCCESS;
    }
    return rv;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static apr_status_t read_filters(run_t *run)
{
    const char *path = sb_conf_str(run->opts->conf, "trigger.recache.filter.file");
    const char *complaint;
    char *text, buf[200];
    apr_size_t len;
    apr_status_t rv = sb_file_read(&text, &len, path, FILE_MAX, run->p);

    if (rv != APR_SUCCESS) {
        return complain(run, SB_ECONFIG,
                        apr_pstrcat(run->p, "trigger.recache.filter.file: ", path, NULL),
                        sb_strerror(rv, buf, sizeof(buf)));
    }
    complaint = sb_warm_filters_read(&run->filters, text, len, run->tenants, run->p);
    return complaint ? complain(run, SB_ECONFIG, path, complaint) : APR_SUCCESS;
}

/* The statistics database, and in it the lock. */
static apr_status_t open_stats(run_t *run)
{
    const sb_conf_t *conf = run->opts->conf;
    const char *url = sb_conf_str(conf, "edware_stats.db.url");
    sb_db_opts_t opts = {.app = run->opts->app,
                         .schema = sb_conf_str(conf, "edware_stats.db.schema_name"),
                         .no_prepare = !sb_conf_bool(conf, "edware.db.prepare")};
    apr_status_t rv;

    if (!url) {
        return complain(run, SB_ECONFIG, "edware_stats.db.url", "is not set");
    }
    rv = sb_db_open(&run->stats, sb_conf_db_url(url, run->p), &opts, run->p);
    if (rv != APR_SUCCESS) {
        return complain(run, rv, "the statistics database", "does not answer");
    }
    rv = sb_db_lock(run->stats, "smarter cache warm");
    if (rv == SB_EBUSY) {
        return complain(run, rv, "reports", "somebody else is making them");
    }
    return rv == APR_SUCCESS ? rv : complain(run, rv, "the lock", sb_db_error(run->stats));
}

static apr_status_t find_batches(sb_rows_t **prows, const run_t *run)
{
    static const sb_stmt_t st = {"warm_batches", 1,
                                 "SELECT rec_id, batch_guid, tenant FROM {schema}.udl_stats"
                                 " WHERE load_status = 'migrate.ingested'"
                                 "   AND load_type = 'assessment' AND last_pre_cached IS NULL"
                                 "   AND ($1::text IS NULL OR tenant = $1) ORDER BY rec_id"};
    const char *args[] = {run->opts->tenant};
    apr_status_t rv = sb_db_query(prows, run->stats, &st, args, run->p);

    return rv == APR_SUCCESS ? rv : complain(run, rv, "finding batches", sb_db_error(run->stats));
}

apr_status_t sb_warm_run(sb_warm_result_t *result, const char **perror, const sb_warm_opts_t *opts,
                         apr_pool_t *p)
{
    run_t run = {.opts = opts,
                 .perror = perror,
                 .p = p,
                 .tenants = sb_tenants(opts->conf, p),
                 .states = apr_hash_make(p),
                 .end = opts->limit ? apr_time_now() + opts->limit : 0};
    sb_rows_t *rows = NULL;
    apr_status_t rv;

    memset(result, 0, sizeof(*result));
    *perror = NULL;
    if (opts->tenant && !tenant_named(&run, opts->tenant)) {
        return complain(&run, SB_ECONFIG, opts->tenant, "no tenant of this ini");
    }
    rv = read_filters(&run);
    if (rv == APR_SUCCESS &&
        sb_cache_make(&run.cache, sb_conf_str(opts->conf, "cache.data.url"), 1, p) != APR_SUCCESS) {
        rv = complain(&run, SB_ECONFIG, "cache.data.url", "host:port;host:port is wanted");
    }
    if (rv == APR_SUCCESS) {
        rv = open_stats(&run);
    }
    if (rv == APR_SUCCESS) {
        rv = find_batches(&rows, &run);
    }
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        rv = warm_batch(&run, result, sb_rows_text(rows, i, 0), sb_rows_text(rows, i, 1),
                        sb_rows_text(rows, i, 2));
    }
    if (rv == APR_TIMEUP) {
        return complain(&run, rv, "reports", "the time is up; the next run goes on");
    }
    return rv;
}
