/**
 * What a process remembers of a state.
 */

#include "report/sb_known.h"

#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include "report/sb_parts.h"
#include "report/sb_version.h"

#define ASMTS_MAX 10000 /* assessments remembered of a state, some hundred bytes each */

/* In a pool of its own: it goes when the last request that uses it is done. */
struct sb_known_t {
    sb_known_store_t *store; /* NULL: not remembered */
    apr_pool_t *pool;
    int users;  /* requests, and the store */
    int is_old; /* stays in the store until something new replaces it */
    const char *version;
    const apr_array_header_t *years;
    sb_metadata_t metadata;
    sb_asmts_t *asmts; /* grows */
    int nasmts;
};

struct sb_known_store_t {
    apr_thread_mutex_t *mutex; /* of all below, users and asmts of what is remembered included */
    apr_pool_t *pool;          /* its own */
    apr_hash_t *of;            /* schema and state -> sb_known_t *; as many as there are states */
};

/* ---- remembering ----------------------------------------------------------------------------- */

static void lock(sb_known_store_t *store)
{
    if (store) {
        apr_thread_mutex_lock(store->mutex);
    }
}

static void unlock(sb_known_store_t *store)
{
    if (store) {
        apr_thread_mutex_unlock(store->mutex);
    }
}

/* Under the lock. */
static void let_go(sb_known_t *known)
{
    if (--known->users == 0) {
        apr_pool_destroy(known->pool);
    }
}

static apr_status_t end_use(void *data)
{
    sb_known_t *known = data;
    sb_known_store_t *store = known->store;

    lock(store);
    let_go(known);
    unlock(store);
    return APR_SUCCESS;
}

static apr_status_t destroy_store(void *data)
{
    sb_known_store_t *store = data;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(store->pool, store->of); hi; hi = apr_hash_next(hi)) {
        let_go(apr_hash_this_val(hi));
    }
    apr_pool_destroy(store->pool);
    return APR_SUCCESS;
}

apr_status_t sb_known_store_make(sb_known_store_t **pstore, apr_pool_t *p)
{
    sb_known_store_t *store = apr_pcalloc(p, sizeof(*store));
    apr_status_t rv = apr_thread_mutex_create(&store->mutex, APR_THREAD_MUTEX_DEFAULT, p);

    *pstore = NULL;
    if (rv == APR_SUCCESS) {
        rv = apr_pool_create_unmanaged_ex(&store->pool, NULL, NULL);
    }
    if (rv == APR_SUCCESS) {
        store->of = apr_hash_make(store->pool);
        apr_pool_cleanup_register(p, store, destroy_store, apr_pool_cleanup_null);
        *pstore = store;
    }
    return rv;
}

static const char *key_of(const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    return apr_pstrcat(p, ctx->schema, "\n", sb_scope_state(ctx->scope), NULL);
}

static sb_known_t *find(const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    sb_known_t *known;

    if (!ctx->known) {
        return NULL;
    }
    lock(ctx->known);
    known = apr_hash_get(ctx->known->of, key_of(ctx, p), APR_HASH_KEY_STRING);
    if (known && known->is_old) {
        known = NULL;
    }
    if (known) {
        known->users++;
    }
    unlock(ctx->known);
    if (known) {
        apr_pool_cleanup_register(p, known, end_use, apr_pool_cleanup_null);
    }
    return known;
}

/* Instead of what was there. */
static void remember(sb_known_t *known, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    sb_known_store_t *store = ctx->known;
    const char *key = key_of(ctx, p);
    sb_known_t *old;

    if (!store) {
        return;
    }
    known->store = store;
    lock(store);
    old = apr_hash_get(store->of, key, APR_HASH_KEY_STRING);
    known->users++;
    apr_hash_set(store->of, old ? key : apr_pstrdup(store->pool, key), APR_HASH_KEY_STRING, known);
    if (old) {
        let_go(old);
    }
    unlock(store);
}

void sb_known_forget(sb_known_t *known)
{
    lock(known->store);
    known->is_old = 1;
    unlock(known->store);
}

/* ---- reading --------------------------------------------------------------------------------- */

void sb_known_check(sb_rows_t **pversion, sb_pipe_t *pipe)
{
    static const sb_stmt_t st = {"report_known_version", 0, SB_VERSION_SQL};

    sb_pipe_query(pversion, pipe, &st, NULL);
}

static const char *version_of(const sb_rows_t *version)
{
    return sb_rows_count(version) > 0 ? sb_rows_text(version, 0, 0) : "";
}

int sb_known_holds(const sb_known_t *known, const sb_rows_t *version)
{
    return !strcmp(known->version, version_of(version));
}

int sb_known_is_of(const sb_known_t *known, const char *version)
{
    return !strcmp(known->version, version ? version : "");
}

/* In one snapshot. */
static apr_status_t read_known(sb_known_t *known, const sb_report_ctx_t *ctx)
{
    apr_pool_t *p = known->pool;
    sb_pipe_t *pipe = sb_pipe_make(ctx->db, p);
    sb_rows_t *version;
    apr_status_t rv;

    sb_pipe_begin(pipe, SB_TX_SNAPSHOT);
    sb_known_check(&version, pipe);
    rv = sb_pipe_run(pipe);
    if (rv == APR_SUCCESS) {
        known->version = version_of(version);
        rv = sb_years_of_assessments(&known->years, ctx, p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_metadata_find(&known->metadata, ctx, p);
    }
    return rv == APR_SUCCESS ? sb_db_commit(ctx->db) : rv;
}

apr_status_t sb_known_get(sb_known_t **pknown, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    sb_known_t *known = find(ctx, p);
    apr_pool_t *own;
    apr_status_t rv;

    *pknown = known;
    if (known) {
        return APR_SUCCESS;
    }
    rv = apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    known = apr_pcalloc(own, sizeof(*known));
    known->pool = own;
    known->users = 1;
    known->asmts = sb_asmts_make(own);
    apr_pool_cleanup_register(p, known, end_use, apr_pool_cleanup_null);
    rv = read_known(known, ctx);
    if (rv == APR_SUCCESS) {
        remember(known, ctx, p);
        *pknown = known;
    }
    return rv;
}

const char *sb_known_version(const sb_known_t *known)
{
    return known->version;
}

const apr_array_header_t *sb_known_years(const sb_known_t *known)
{
    return known->years;
}

const sb_metadata_t *sb_known_metadata(const sb_known_t *known)
{
    return &known->metadata;
}

/* ---- assessments ----------------------------------------------------------------------------- */

/* Those of the ids that are known already. @return the others, "{1,5}"; NULL none */
static const char *pick(sb_asmts_t *asmts, sb_known_t *known, const apr_array_header_t *ids,
                        apr_pool_t *p)
{
    apr_array_header_t *missing = apr_array_make(p, 8, sizeof(const char *));

    lock(known->store);
    for (int i = 0; i < ids->nelts; i++) {
        const char *id = APR_ARRAY_IDX(ids, i, const char *);
        const sb_asmt_t *a = sb_asmts_get(known->asmts, id);

        if (a) {
            sb_asmts_put(asmts, id, a);
        }
        else {
            APR_ARRAY_PUSH(missing, const char *) = id;
        }
    }
    unlock(known->store);
    return missing->nelts ? apr_pstrcat(p, "{", apr_array_pstrcat(p, missing, ','), "}", NULL)
                          : NULL;
}

static apr_status_t destroy_pool(void *data)
{
    apr_pool_destroy(data);
    return APR_SUCCESS;
}

/* Read the rest, into a pool that lives as long as what remembers them. */
static apr_status_t read_asmts(sb_asmts_t *asmts, sb_known_t *known, const sb_report_ctx_t *ctx,
                               const char *ids, apr_pool_t *p)
{
    sb_rows_t *version, *rows, *parts;
    apr_pool_t *own;
    sb_pipe_t *pipe;
    apr_status_t rv = apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    int keep;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    pipe = sb_pipe_make(ctx->db, own);
    sb_pipe_begin(pipe, SB_TX_SNAPSHOT);
    sb_known_check(&version, pipe);
    sb_asmts_queue(&rows, &parts, pipe, ids);
    sb_pipe_commit(pipe);
    rv = sb_pipe_run(pipe);
    if (rv == APR_SUCCESS && !sb_known_holds(known, version)) {
        sb_known_forget(known);
        rv = APR_EAGAIN;
    }
    if (rv != APR_SUCCESS) {
        apr_pool_destroy(own);
        return rv;
    }
    sb_asmts_take(asmts, rows, parts, own);
    lock(known->store);
    keep = known->nasmts + sb_rows_count(rows) <= ASMTS_MAX;
    apr_pool_cleanup_register(keep ? known->pool : p, own, destroy_pool, apr_pool_cleanup_null);
    for (int i = 0; keep && i < sb_rows_count(rows); i++) {
        const char *id = sb_rows_text(rows, i, 0);

        known->nasmts++;
        sb_asmts_put(known->asmts, id, sb_asmts_get(asmts, id));
    }
    unlock(known->store);
    return APR_SUCCESS;
}

apr_status_t sb_known_asmts(sb_asmts_t **pasmts, sb_known_t *known, const sb_report_ctx_t *ctx,
                            const sb_rows_t *rows, int col, apr_pool_t *p)
{
    sb_asmts_t *asmts = sb_asmts_make(p);
    const char *missing = pick(asmts, known, sb_asmts_ids(rows, col, p), p);

    *pasmts = asmts;
    return missing ? read_asmts(asmts, known, ctx, missing, p) : APR_SUCCESS;
}
