/* Generations of the caches: see sb_generation.h. */

#include "store/sb_generation.h"

#include <string.h>
#include <apr_atomic.h>
#include <apr_thread_mutex.h>
#include "core/sb_log.h"

#define PATIENCE apr_time_from_sec(1) /* to connect, and to be answered */
#define RETRY apr_time_from_sec(5)    /* while the database is away */

struct sb_generations_t {
    sb_dbpool_t *pool;
    apr_thread_mutex_t *asking;                    /* held by the thread that asks */
    volatile apr_uint64_t numbers[SB_GENERATIONS]; /* 0: never read */
    volatile apr_uint64_t next;                    /* when to ask again, as apr_time_t */
};

static const char *const names[SB_GENERATIONS] = {"session", "data"};

int sb_generation_kinds(const char *word)
{
    int kinds = 0;

    for (int i = 0; i < SB_GENERATIONS; i++) {
        if (!strcmp(word, names[i]) || !strcmp(word, "all")) {
            kinds |= SB_GENERATION_BIT(i);
        }
    }
    return kinds;
}

/* ---- the table ------------------------------------------------------------------------------- */

apr_status_t sb_generations_read(apr_int64_t numbers[SB_GENERATIONS], sb_db_t *db, apr_pool_t *p)
{
    static const sb_stmt_t st = {"cache_generations", 0,
                                 "SELECT generation FROM {schema}.cache_generation"
                                 " ORDER BY name = 'data'"};
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, db, &st, NULL, p);

    memset(numbers, 0, SB_GENERATIONS * sizeof(*numbers));
    if (rv == APR_SUCCESS && sb_rows_count(rows) != SB_GENERATIONS) {
        return SB_EDB;
    }
    for (int i = 0; rv == APR_SUCCESS && i < SB_GENERATIONS; i++) {
        numbers[i] = sb_rows_int(rows, i, 0, 0);
    }
    return rv;
}

apr_status_t sb_generations_raise(sb_db_t *db, int kinds)
{
    static const sb_stmt_t st = {
        "cache_generation_raise", 2,
        "UPDATE {schema}.cache_generation SET raised_at = now(),"
        "       generation = greatest(generation + 1,"
        "                             (extract(epoch FROM clock_timestamp()) * 1000)::bigint)"
        " WHERE name IN ($1, $2)"};
    const char *args[SB_GENERATIONS];
    apr_int64_t raised;
    apr_status_t rv;
    int wanted = 0;

    for (int i = 0; i < SB_GENERATIONS; i++) {
        args[i] = kinds & SB_GENERATION_BIT(i) ? names[i] : NULL;
        wanted += args[i] != NULL;
    }
    rv = sb_db_exec(&raised, db, &st, args);
    return rv == APR_SUCCESS && raised != wanted ? SB_EDB : rv;
}

/* ---- what a process goes by ------------------------------------------------------------------ */

apr_status_t sb_generations_make(sb_generations_t **pg, const char *url, const char *schema,
                                 int prepare, apr_pool_t *p)
{
    sb_db_opts_t opts = {.schema = schema,
                         .app = "cache generations",
                         .max_connections = 1,
                         .wait = PATIENCE,
                         .connect_timeout = PATIENCE,
                         .statement_timeout = PATIENCE,
                         .no_prepare = !prepare};
    sb_generations_t *g = apr_pcalloc(p, sizeof(*g));
    apr_status_t rv = apr_thread_mutex_create(&g->asking, APR_THREAD_MUTEX_DEFAULT, p);

    *pg = NULL;
    if (rv == APR_SUCCESS) {
        rv = sb_dbpool_make(&g->pool, url, &opts, p);
    }
    if (rv == APR_SUCCESS) {
        *pg = g;
    }
    return rv;
}

static void ask(sb_generations_t *g)
{
    apr_int64_t numbers[SB_GENERATIONS];
    apr_time_t begun = apr_time_now();
    sb_db_t *db = NULL;
    apr_status_t rv;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    rv = sb_dbpool_get(&db, g->pool, p); /* logs what goes wrong */
    if (rv == APR_SUCCESS) {
        rv = sb_generations_read(numbers, db, p);
        if (rv != APR_SUCCESS) {
            sb_log(SB_LOG_WARN, SBLOGNO(1270), rv, "reading the generations of the caches: %s",
                   sb_db_error(db));
        }
    }
    for (int i = 0; rv == APR_SUCCESS && i < SB_GENERATIONS; i++) {
        apr_atomic_set64(&g->numbers[i], (apr_uint64_t)numbers[i]);
    }
    apr_atomic_set64(&g->next, (apr_uint64_t)(rv == APR_SUCCESS ? begun + SB_GENERATION_FRESH
                                                                : apr_time_now() + RETRY));
    apr_pool_destroy(p);
}

static int is_stale(sb_generations_t *g)
{
    apr_time_t left = (apr_time_t)apr_atomic_read64(&g->next) - apr_time_now();

    return left <= 0 || left > RETRY; /* the clock was set back */
}

apr_status_t sb_generation_find(apr_int64_t *pnumber, sb_generations_t *g,
                                sb_generation_kind_t kind)
{
    *pnumber = 0;
    if (!g) {
        return APR_SUCCESS;
    }
    if (is_stale(g)) {
        /* Others go by the number there is; if there is none yet, they wait for it. */
        apr_status_t rv = apr_atomic_read64(&g->numbers[kind]) ? apr_thread_mutex_trylock(g->asking)
                                                               : apr_thread_mutex_lock(g->asking);

        if (rv == APR_SUCCESS) {
            if (is_stale(g)) {
                ask(g);
            }
            apr_thread_mutex_unlock(g->asking);
        }
    }
    *pnumber = (apr_int64_t)apr_atomic_read64(&g->numbers[kind]);
    return *pnumber ? APR_SUCCESS : SB_EUNAVAILABLE;
}
