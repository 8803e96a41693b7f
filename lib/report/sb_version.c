/**
 * Data versions: the query, and what is remembered of its answers.
 */

#include "report/sb_version.h"

#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include "core/sb_time.h"

#define TEXT_SIZE 48 /* two bigints */

typedef struct {
    char text[TEXT_SIZE];
    double asked; /* monotonic seconds when the question was sent */
    int asking;   /* somebody asks again */
} known_t;

struct sb_versions_t {
    apr_thread_mutex_t *mutex;
    apr_hash_t *by_schema; /* known_t */
    apr_pool_t *pool;      /* its own, under the mutex; as many entries as schemas */
};

static apr_status_t destroy(void *pool)
{
    apr_pool_destroy(pool);
    return APR_SUCCESS;
}

apr_status_t sb_versions_make(sb_versions_t **pversions, apr_pool_t *p)
{
    sb_versions_t *v = apr_pcalloc(p, sizeof(*v));
    apr_status_t rv = apr_thread_mutex_create(&v->mutex, APR_THREAD_MUTEX_DEFAULT, p);

    *pversions = NULL;
    if (rv == APR_SUCCESS) {
        rv = apr_pool_create_unmanaged_ex(&v->pool, NULL, NULL);
    }
    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(p, v->pool, destroy, apr_pool_cleanup_null);
        v->by_schema = apr_hash_make(v->pool);
        *pversions = v;
    }
    return rv;
}

apr_status_t sb_version_ask(const char **pversion, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    static const sb_stmt_t st = {"report_data_version", 0, SB_VERSION_SQL};
    /* Ids differ from copy to copy, also of the same version. */
    static const sb_stmt_t of_copy = {
        "report_copy_version", 0,
        "SELECT v.version || '.' || (extract(epoch FROM c.copied_at) * 1e6)::bigint"
        "  FROM {schema}.data_version v, {schema}.public_copy c"};
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, ctx->db, ctx->sid ? &of_copy : &st, NULL, p);

    *pversion = rv == APR_SUCCESS && sb_rows_count(rows) ? sb_rows_text(rows, 0, 0) : NULL;
    return rv;
}

/* Under the mutex. */
static known_t *known_of(sb_versions_t *v, const char *schema)
{
    known_t *k = apr_hash_get(v->by_schema, schema, APR_HASH_KEY_STRING);

    if (!k) {
        k = apr_pcalloc(v->pool, sizeof(*k));
        apr_hash_set(v->by_schema, apr_pstrdup(v->pool, schema), APR_HASH_KEY_STRING, k);
    }
    return k;
}

/* What is known if that will do, else NULL: the caller is to ask. */
static const char *recent(sb_versions_t *v, known_t **pk, const char *schema, apr_pool_t *p)
{
    double age, now = sb_time_monotonic();
    const char *text = NULL;
    known_t *k;

    apr_thread_mutex_lock(v->mutex);
    *pk = k = known_of(v, schema);
    age = now - k->asked;
    if (k->text[0] && age < (k->asking ? SB_VERSION_AGE : SB_VERSION_AGE / 2)) {
        text = apr_pstrdup(p, k->text);
    }
    else {
        k->asking = 1;
    }
    apr_thread_mutex_unlock(v->mutex);
    return text;
}

static void remember(sb_versions_t *v, known_t *k, const char *text, double asked)
{
    apr_thread_mutex_lock(v->mutex);
    k->asking = 0;
    if (text && asked > k->asked) { /* answers may overtake each other */
        apr_cpystrn(k->text, text, sizeof(k->text));
        k->asked = asked;
    }
    apr_thread_mutex_unlock(v->mutex);
}

apr_status_t sb_version_find(const char **pversion, sb_report_ctx_t *ctx, apr_pool_t *p)
{
    known_t *k = NULL;
    double asked;
    apr_status_t rv;

    *pversion = NULL;
    /* a public copy on another server may have the name of production */
    if (ctx->versions) {
        *pversion = recent(ctx->versions, &k,
                           apr_pstrcat(p, ctx->sid ? "public " : "", ctx->schema, NULL), p);
    }
    if (*pversion) {
        return APR_SUCCESS;
    }
    asked = sb_time_monotonic();
    rv = sb_report_connect(ctx);
    if (rv == APR_SUCCESS) {
        rv = sb_version_ask(pversion, ctx, p);
    }
    if (k) {
        remember(ctx->versions, k, *pversion, asked);
    }
    return rv;
}
